/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of trust inside OP-TEE: takes the root secret from the TPM when OP-TEE starts, closes
 * the boot phase, and serves what the boot left. If that fails the board says why on the secure
 * console and resets; nothing of the normal world has run by then.
 *
 * All functions may sleep (a mutex, and the TPM). Errors are TEE_Result; the TPM's own are told on
 * the secure console.
 */
#ifndef KAPU_TRUST_H
#define KAPU_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tee_api_types.h>

#include <kapu/bootstate.h>
#include <kapu/fusebox.h>

/* What this boot is; constant. */
struct trust_boot {
    struct bootstate state;                    /* as chosen by BL1: its slot is the one that runs */
    uint32_t counter_stored;                   /* the TPM's when the boot began */
    uint32_t counter_release;                  /* of the release that runs */
    uint8_t identity[BOOTSTATE_IDENTITY_SIZE]; /* the same */
    uint8_t name[32];                          /* of this boot: random */
    uint8_t board[16];                         /* UUID */
    struct tpm2_name ek;                       /* of the TPM's endorsement key, as pinned */
    const uint8_t *log;                        /* TCG event log */
    size_t log_size;
};
const struct trust_boot *trust_boot(void);

/* A value derived from the root secret for one use. Wiped by the caller. */
TEE_Result trust_derive(const char *label, uint8_t out[FUSEBOX_SECRET_SIZE]);

/* Authentic value of a PCR, now. */
TEE_Result trust_read_pcr(uint32_t pcr, uint8_t value[32]);

TEE_Result trust_read_counter(enum fusebox_counter which, uint32_t *value);
TEE_Result trust_raise_counter(enum fusebox_counter which, uint32_t value);

/* The release that runs is confirmed: as fusebox_confirm, all of it. TEE_ERROR_BAD_STATE: its
 * security counter is too far above the TPM's; nothing was changed. */
TEE_Result trust_confirm(void);

/* The boot state in the TPM, which counts from the next reset on. */
TEE_Result trust_read_state(struct bootstate *state);
/* With a trial: as many writes of the TPM's memory as it has tries, and two. */
TEE_Result trust_write_state(const struct bootstate *state);

/* The update record: as fusebox_read_record and fusebox_write_record. */
TEE_Result trust_read_record(uint8_t record[FUSEBOX_RECORD_SIZE]);
TEE_Result trust_write_record(const uint8_t record[FUSEBOX_RECORD_SIZE]);

/* The last words: as fusebox_read_words and fusebox_write_words. A silent TPM is not waited for
 * long: a deep check waits meanwhile. keep_one: there must be a write left after this one.
 * TEE_ERROR_BUSY: written too often. */
TEE_Result trust_read_words(uint8_t words[FUSEBOX_WORDS_SIZE]);
TEE_Result trust_write_words(const uint8_t words[FUSEBOX_WORDS_SIZE], bool keep_one);

/* Whether the TPM still holds what this boot measured, and was not reset: as fusebox_check, with
 * all that was seen since this boot. `silent`: it could not be asked now. */
struct trust_tpm {
    uint32_t pcrs; /* bit i: PCR i differs */
    bool reset, silent;
};
void trust_check_tpm(struct trust_tpm *t);
/* A deep check has ended with an alarm for these. */
void trust_tell(uint32_t pcrs, bool reset);
/* How often that was news. */
uint32_t trust_told(void);
/* A difference was seen that no deep check has told of. Any context. */
bool trust_wants_check(void);

/* Attestation: as fusebox_ak, fusebox_quote, fusebox_activate, fusebox_ek_certificate. */
TEE_Result trust_ak(struct tpm2_public *ak);
/* told: trust_told() before the claims were made that are quoted. TEE_ERROR_SECURITY: the TPM is
 * not as this boot left it, and those claims cannot say so. */
TEE_Result trust_quote(const uint8_t nonce[32], uint32_t told, struct wr *attest,
                       struct tpm2_signature *sig);
TEE_Result trust_activate(struct bytes blob, struct bytes secret, uint8_t out[FUSEBOX_SECRET_SIZE]);
TEE_Result trust_ek_certificate(uint8_t der[FUSEBOX_CERTIFICATE_MAX], size_t *n);

/* The system came up: marks of slots that were started in vain go (secure RAM). */
void trust_boot_complete(void);

#endif
