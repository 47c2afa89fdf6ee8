/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to lib/tpm2: the command engine and the key derivations. */
#ifndef KAPU_TPM2_INTERNAL_H
#define KAPU_TPM2_INTERNAL_H

#include <kapu/tpm2.h>

#define TPM2_AUTHS_MAX 3u   /* Part 1, 18.6: sessions of one command */
#define TPM2_HANDLES_MAX 3u /* Part 3: most handles of a command used here (PolicyNV) */
#define TPM2_VALUE_MAX 32u  /* largest authorisation value: a SHA-256 digest's size */
#define TPM2_HEADER_N 10u   /* tag, size, code */

/* What is fixed about a command. */
struct tpm2_spec {
    uint32_t code;
    uint8_t flags;
};

enum {
    CMD_HIDES_IN = 1,     /* first parameter is a TPM2B: a keyed session encrypts it */
    CMD_HIDES_OUT = 2,    /* the same of the answer */
    CMD_GIVES_HANDLE = 4, /* the answer has a handle */
    CMD_SECRET = 8,       /* must not be sent in clear */
    CMD_CHANGES_AUTH = 16 /* the answer's MAC is made with the new value: c->new_value */
};

/* One command under way; on the stack of the function that sends it. */
struct tpm2_cmd {
    struct tpm2 *t;
    const struct tpm2_spec *spec;
    struct wr w;          /* over t->buf: the command */
    struct rd r;          /* the answer's parameters, authentic and decrypted */
    uint32_t gave_handle; /* of the answer */
    struct tpm2_name name[TPM2_HANDLES_MAX];
    struct tpm2_auth auth[TPM2_AUTHS_MAX]; /* authorisations first, as many as there are handles */
    struct bytes new_value;
    uint8_t names, auths;
    uint8_t authorising; /* auths that belong to a handle */
    bool secret;
    size_t auth_at, param_at; /* places in the command */
};

/* In this order: begin, handles, auths, then the parameters into c->w, then run, then end. */
void tpm2_cmd_begin(struct tpm2_cmd *c, struct tpm2 *t, const struct tpm2_spec *spec);
void tpm2_cmd_handle(struct tpm2_cmd *c, const struct tpm2_entity *e);
void tpm2_cmd_auth(struct tpm2_cmd *c, const struct tpm2_auth *auth);
void tpm2_cmd_params(struct tpm2_cmd *c, struct tpm2_session *protect);
KAPU_MUST_CHECK int tpm2_cmd_run(struct tpm2_cmd *c);
/* The result of the command: err, or what is wrong with the answer; wipes what was secret. */
KAPU_MUST_CHECK int tpm2_cmd_end(struct tpm2_cmd *c, int err);
/* Runs a command that answers nothing. */
KAPU_MUST_CHECK int tpm2_cmd_finish(struct tpm2_cmd *c);

/* Sessions of a command, before sending and after receiving (session.c). */
size_t tpm2_auth_area_size(const struct tpm2_cmd *c);
KAPU_MUST_CHECK int tpm2_sessions_seal(struct tpm2_cmd *c);
KAPU_MUST_CHECK int tpm2_sessions_open(struct tpm2_cmd *c, struct bytes params, struct rd *area);
void tpm2_sessions_break(struct tpm2_cmd *c);

/* Name with the authorisation value mixed in, as Part 1, 19.6.6 remembers a binding. */
KAPU_MUST_CHECK int tpm2_bound_name(const struct tpm2_name *name, struct bytes value,
                                    struct tpm2_name *out);
/* Trailing zeros of an authorisation value do not count (Part 1, 19.6.4.3). */
struct bytes tpm2_strip(struct bytes value);

/* kdf.c */
KAPU_MUST_CHECK int tpm2_hmac(const struct kapu_sha256 *h, struct bytes key,
                              const struct bytes *part, size_t parts, uint8_t mac[32]);
KAPU_MUST_CHECK int tpm2_kdfe(const struct kapu_sha256 *h, const uint8_t z[32], const char *label,
                              struct bytes u, struct bytes v, uint8_t out[32]);
/* A seed for `key` by ECDH (Part 1, C.6.1): seed, and the point to send as TPMS_ECC_POINT. */
KAPU_MUST_CHECK int tpm2_ecc_secret(const struct tpm2_crypto *c, const struct tpm2_public *key,
                                    const char *label, uint8_t seed[32], struct wr *point);

/* Structures shared by several commands. */
void tpm2_wr_pcr_selection(struct wr *w, uint32_t mask);
uint32_t tpm2_rd_pcr_selection(struct rd *r);
void tpm2_rd_clock(struct rd *r, struct tpm2_clock *clock);
void tpm2_rd_signature(struct rd *r, struct tpm2_signature *sig);
void tpm2_wr_nv_public(struct wr *w, const struct tpm2_nv *nv);
void tpm2_rd_nv_public(struct rd *r, struct tpm2_nv *nv);
void tpm2_rd_name(struct rd *r, struct tpm2_name *name);
/* An unsigned number of at most 32 bytes, right-aligned into to[32]; its size as it travelled. */
uint8_t tpm2_rd_number(struct rd *r, uint8_t to[32]);

#endif
