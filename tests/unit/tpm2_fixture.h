/* SPDX-License-Identifier: Apache-2.0 */
/* One swtpm, an interposer in front of it, and a storage key whose name is pinned. */
#ifndef KAPU_TEST_FIXTURE_H
#define KAPU_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl.h"
#include "interposer.h"
#include "swtpm.h"
#include "test_key.h"

struct env {
    struct swtpm swtpm;
    struct interposer bus;
    struct tpm2 tpm;
    uint8_t buf[TPM2_BUFFER_MAX];
    struct tpm2_public srk_pub;
    struct tpm2_entity srk;
    struct tpm2_salt salt; /* by the SRK, pinned */
};

#define SHA256 (&crypto_openssl.sha256)
#define NO_SENSITIVE (&(struct tpm2_sensitive){{NULL, 0}, {NULL, 0}})
#define BYTES_STR(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* Group or test fixtures: a TPM after Startup(CLEAR), with the SRK loaded. */
int env_setup(void **state);
int env_teardown(void **state);

/* After a power cycle: started again, SRK made again (it must have its old name). */
void env_reboot(struct env *e);

/* A session salted by the pinned SRK; asserts. */
void env_session(struct env *e, struct tpm2_session *s, enum tpm2_session_type type);
struct tpm2_auth by(struct tpm2_session *s);
struct tpm2_auth by_value(struct tpm2_session *s, struct bytes value);

/* 0 or fails with the error's and the TPM's numbers shown. */
#define ok(e, call)                                                                                \
    do {                                                                                           \
        int err_ = (call);                                                                         \
        if (err_ != 0)                                                                             \
            fail_msg("%s: error %d, rc 0x%x", #call, err_, (e)->tpm.rc);                           \
    } while (0)

/* The TPM refuses with this code. */
#define refused(e, call, code)                                                                     \
    do {                                                                                           \
        assert_int_equal((call), KAPU_ETPM);                                                       \
        assert_int_equal(tpm2_rc_base((e)->tpm.rc), (code));                                       \
    } while (0)

/* Runs a tpm2-tools pipeline; fails with its output shown unless it exits with 0. */
#define tool(e, ...)                                                                               \
    do {                                                                                           \
        char text_[4096];                                                                          \
        if (swtpm_tool(&(e)->swtpm, text_, sizeof(text_), __VA_ARGS__) != 0)                       \
            fail_msg("%s", text_);                                                                 \
    } while (0)

#endif
