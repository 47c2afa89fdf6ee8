/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TPM as a board's fuse box: what kapu keeps in it, under which rules, and the few operations
 * that boot stages, the secure world and the factory do on it. docs/key-hierarchy.md explains each
 * key; this header is the reference of the objects.
 *
 *   security counter   NV counter. Read with the board's value, raised only by the owner, whose
 *   storage counter    value only the secure world can derive. Made by the platform hierarchy,
 *   storage starts     which BL2 closes: nobody can delete them after that.
 *   boot state         NV, 72 bytes (kapu/bootstate.h). Read and written with the board's value.
 *   update record      NV, 238 bytes (kapu/update.h). The same.
 *   last words         NV, 256 bytes (kapu/lastwords.h). The same.
 *   root secret        sealed, 32 bytes, made by the TPM's generator. Opens only while PCR
 *                      FUSEBOX_PCR_AUTHORITY says that the ROM verified with our root key and PCR
 *                      FUSEBOX_PCR_CAP is zero, and only with the board's value, by a session
 *                      that encrypts. OP-TEE's hardware key and the TPM's hierarchy values derive
 *                      from it.
 *   attestation key    AK: restricted signing key, made by the factory under the storage root key.
 *                      Its value derives from the root secret. TPM2_Clear destroys it for good, as
 *                      no seed and no template leads to it.
 *
 * The board itself has a small record ("fuses") that only the secure world can read: the names of
 * the TPM's endorsement key and of the attestation key, a secret that pairs the board with this
 * TPM, and where the counters start. From the pairing secret the board's authorisation values
 * derive.
 *
 * Trust: whatever the TPM's bus brings is hostile. The boot stages use sessions without encryption,
 * as nothing that they read or write is secret; commands and answers carry MACs with the board's
 * values. The secure world uses a session salted by the pinned endorsement key, which it keeps: a
 * salt costs two multiplications on a curve. An operation that fails ends it, the next opens
 * another; a session that the TPM no longer knows is remembered, as only a reset or somebody else
 * ends one. There is no fall-back from one kind to the other, and none to plain.
 *
 * Errors: 0 or KAPU_E*; fusebox_explain says it to a person. `at` names what was being done.
 */
#ifndef KAPU_FUSEBOX_H
#define KAPU_FUSEBOX_H

#include <kapu/bootstate.h>
#include <kapu/tpm2.h>

/* ---- what is where ---- */

#define FUSEBOX_PCR_FIRMWARE 0u  /* ROM, BL2, BL31, OP-TEE */
#define FUSEBOX_PCR_AUTHORITY 7u /* hash of the root key that verified them */
#define FUSEBOX_PCR_LINUX 8u     /* kernel */
#define FUSEBOX_PCR_COMMAND 9u   /* device tree with command line and root hash */
#define FUSEBOX_PCR_CAP 14u      /* zero until the secure world has taken the root secret */
#define FUSEBOX_PCRS                                                                               \
    ((1u << FUSEBOX_PCR_FIRMWARE) | (1u << FUSEBOX_PCR_AUTHORITY) | (1u << FUSEBOX_PCR_LINUX) |    \
     (1u << FUSEBOX_PCR_COMMAND) | (1u << FUSEBOX_PCR_CAP))

/* Ranges: TCG Registry of Reserved TPM 2.0 Handles and Localities 1.2; EK: TPM 2.0 Provisioning
 * Guidance 1.0, 7.8. The certificate's index is that of the EK Credential Profile, 2.2.1.4. */
#define FUSEBOX_NV_COUNTER 0x01406b01u
#define FUSEBOX_NV_BOOT_V1 0x01406b02u /* of an earlier release: kapu factory upgrade reads it */
#define FUSEBOX_NV_STORAGE 0x01406b03u
#define FUSEBOX_NV_STARTS 0x01406b04u
#define FUSEBOX_NV_BOOT 0x01406b05u
#define FUSEBOX_NV_RECORD 0x01406b06u
#define FUSEBOX_NV_WORDS 0x01406b07u
#define FUSEBOX_NV_EK_CERTIFICATE 0x01c0000au
#define FUSEBOX_SRK 0x81000001u
#define FUSEBOX_ROOT 0x81006b01u
#define FUSEBOX_AK 0x81006b02u
#define FUSEBOX_EK 0x81010002u

#define FUSEBOX_SECRET_SIZE 32u
#define FUSEBOX_RECORD_SIZE 238u      /* UPDATE_RECORD_SIZE of kapu/update.h */
#define FUSEBOX_WORDS_SIZE 256u       /* LASTWORDS_SIZE of kapu/lastwords.h */
#define FUSEBOX_CERTIFICATE_MAX 2048u /* bytes of an endorsement certificate (DER) */

/* The event whose digest closes the boot phase: four zeros, as EV_SEPARATOR has it (PFP 10.4.1). */
KAPU_MUST_CHECK int fusebox_cap_digest(const struct kapu_sha256 *h, uint8_t digest[32]);

/* ---- the board's record ---- */

struct fusebox_board {
    uint8_t id[16];        /* UUID */
    struct tpm2_name ek;   /* of the TPM that the board was made with */
    struct tpm2_name ak;   /* of the attestation key that the factory made in it */
    uint8_t pairing[32];   /* secret */
    uint64_t counter_base; /* value of the security counter that stands for 0 */
    uint64_t storage_base; /* the same of the storage counter */
    uint64_t starts_base;  /* the same of the storage starts */
};

/* "KAPUFUSE", version, fields, SHA-256 over all before it: against wear, not against attackers. */
#define FUSEBOX_BOARD_SIZE 182u
KAPU_MUST_CHECK int fusebox_board_encode(const struct kapu_sha256 *h, const struct fusebox_board *b,
                                         uint8_t to[FUSEBOX_BOARD_SIZE]);
/* KAPU_ENOENT: erased, the board was never provisioned. KAPU_EUNSUPPORTED: of another version: the
 * factory upgrades the board. KAPU_EINVAL: damaged. */
KAPU_MUST_CHECK int fusebox_board_decode(const struct kapu_sha256 *h,
                                         const uint8_t from[FUSEBOX_BOARD_SIZE],
                                         struct fusebox_board *b);

/* The record of version 1, for the factory to upgrade the board: it has no attestation key. */
#define FUSEBOX_BOARD_V1_SIZE 140u
KAPU_MUST_CHECK int fusebox_board_decode_v1(const struct kapu_sha256 *h,
                                            const uint8_t from[FUSEBOX_BOARD_V1_SIZE],
                                            struct fusebox_board *b);

/* ---- one fuse box ---- */

struct fusebox {
    struct tpm2 *tpm;
    const struct fusebox_board *board;
    const char *at;              /* what was being done last, for a person */
    bool salted;                 /* the session is salted by the endorsement key, and kept */
    bool lost;                   /* the TPM did not know a kept session any more; stays */
    struct tpm2_session session; /* handle 0: none */
    struct tpm2_public ek_pub; /* when salted: read from the TPM, and found to be the pinned one */
};

/* For boot stages: sessions that carry MACs. */
void fusebox_init(struct fusebox *f, struct tpm2 *tpm, const struct fusebox_board *board);

/* For the secure world: sessions that are salted and encrypt. KAPU_EPIN: another board's TPM. */
KAPU_MUST_CHECK int fusebox_init_salted(struct fusebox *f, struct tpm2 *tpm,
                                        const struct fusebox_board *board);

/* What a TPM says of itself, unauthenticated: good for a notice to a person, and for nothing else.
 */
struct fusebox_health {
    bool locked_out;  /* too many wrong authorisations of objects that are not kapu's */
    bool owner_set;   /* the owner hierarchy has an authorisation value */
    bool platform_on; /* the platform hierarchy is open */
};
KAPU_MUST_CHECK int fusebox_health(struct fusebox *f, struct fusebox_health *h);

/* Startup(CLEAR) after a reset of the board. rc TPM2_RC_INITIALIZE: it was not reset with it. */
KAPU_MUST_CHECK int fusebox_start(struct fusebox *f);

/* Security counter and boot state, authentic. */
KAPU_MUST_CHECK int fusebox_read(struct fusebox *f, uint32_t *counter, struct bootstate *state);
/* Reads before, and writes only another value: NV memory wears out. */
KAPU_MUST_CHECK int fusebox_write_state(struct fusebox *f, const struct bootstate *state);

/* The update record and the last words, authentic; the bytes are their users'. As the boot state:
 * whole or not at all, and only another value is written. */
KAPU_MUST_CHECK int fusebox_read_record(struct fusebox *f, uint8_t record[FUSEBOX_RECORD_SIZE]);
KAPU_MUST_CHECK int fusebox_write_record(struct fusebox *f,
                                         const uint8_t record[FUSEBOX_RECORD_SIZE]);

KAPU_MUST_CHECK int fusebox_read_words(struct fusebox *f, uint8_t words[FUSEBOX_WORDS_SIZE]);
KAPU_MUST_CHECK int fusebox_write_words(struct fusebox *f, const uint8_t words[FUSEBOX_WORDS_SIZE]);

/* BL2, last: closes the platform hierarchy until the next reset. The secure world checks it. */
KAPU_MUST_CHECK int fusebox_close_platform(struct fusebox *f);

/* ---- the secure world; f is salted ---- */

/*
 * Takes the root secret, then closes the boot phase: extends PCR FUSEBOX_PCR_CAP and sees that it
 * has its value. Refuses to when the platform hierarchy is open (KAPU_EINVAL). Until it returns 0
 * nothing else may run. The caller wipes the secret.
 */
KAPU_MUST_CHECK int fusebox_take_root(struct fusebox *f, uint8_t root[FUSEBOX_SECRET_SIZE]);

/*
 * What the TPM holds from the end of the boot phase to the next reset: the PCRs of FUSEBOX_PCRS, in
 * the order of their numbers, and how often it was reset.
 */
#define FUSEBOX_PCR_COUNT 5u
struct fusebox_measured {
    uint8_t pcr[FUSEBOX_PCR_COUNT][32];
    uint32_t resets, restarts;
};

/* Right after fusebox_take_root: the PCRs as the event log `log` has them, the TPM's counts as they
 * are. KAPU_EUNSUPPORTED: the log has events of other PCRs. Else errors of the log's parser. */
KAPU_MUST_CHECK int fusebox_expect(struct fusebox *f, struct bytes log, struct fusebox_measured *m);

struct fusebox_difference {
    uint32_t pcrs; /* bit i: PCR i */
    bool reset;    /* the TPM was reset, restarted or suspended, or lost the session kept with it */
};
/* Looks, authentically, whether the TPM still holds that; tries more than once. On an error the
 * TPM's values are not known, but d->reset counts all the same. Two commands in the good case. */
KAPU_MUST_CHECK int fusebox_check(struct fusebox *f, const struct fusebox_measured *m,
                                  struct fusebox_difference *d);

/* n bytes of the TPM's generator, encrypted on the bus. */
KAPU_MUST_CHECK int fusebox_random(struct fusebox *f, uint8_t *to, size_t n);

/* The SHA-256 PCRs, authentic. */
KAPU_MUST_CHECK int fusebox_read_pcr(struct fusebox *f, uint32_t pcr, uint8_t value[32]);

/* STORAGE rises with each commit to secure storage, STARTS each time that it is created anew. */
enum fusebox_counter { FUSEBOX_SECURITY, FUSEBOX_STORAGE, FUSEBOX_STARTS };

/* A counter relative to its base. KAPU_ERANGE: below its base, or more than 32 bits above it. */
KAPU_MUST_CHECK int fusebox_read_counter(struct fusebox *f, enum fusebox_counter which,
                                         uint32_t *value);

/* Most that a counter ever rises at once: a TPM counts in single steps, each a write of its NV
 * memory. Releases have a security counter of at most this (tools/kapu/build.py). */
#define FUSEBOX_RAISE_MAX 4095u
/* Steps that a TPM does in about a second. */
#define FUSEBOX_RAISE_PART 32u

/* Raises a counter to `value`; nothing happens when it is there already or beyond.
 * KAPU_EARG: more than FUSEBOX_RAISE_MAX steps. A cut on the way leaves it in between. */
KAPU_MUST_CHECK int fusebox_raise(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                                  enum fusebox_counter which, uint32_t value);

/*
 * Confirms the release in `slot`, whose identity is given: its slot is no longer on trial, no other
 * release starts from either slot, and the security counter rises to `counter`. Does a part of it,
 * of at most FUSEBOX_RAISE_PART steps, and says in *left how many steps are still to be done: call
 * it until that is 0. State first: a cut on the way leaves a confirmed slot that can be confirmed
 * again; the other way round it would leave a trial whose fall-back is refused. KAPU_EARG: more
 * than FUSEBOX_RAISE_MAX steps; nothing was changed.
 */
KAPU_MUST_CHECK int fusebox_confirm(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                                    uint8_t slot, const uint8_t identity[BOOTSTATE_IDENTITY_SIZE],
                                    uint32_t counter, uint32_t *left);

/* Derives a value for one use from the root secret: KDFa (Part 1, 11.4.10.2) with its label. */
KAPU_MUST_CHECK int fusebox_derive(const struct kapu_sha256 *h,
                                   const uint8_t root[FUSEBOX_SECRET_SIZE], const char *label,
                                   uint8_t out[FUSEBOX_SECRET_SIZE]);
/* Labels in use. */
#define FUSEBOX_LABEL_OPTEE "kapu OP-TEE hardware key"
#define FUSEBOX_LABEL_OWNER "kapu TPM owner"
#define FUSEBOX_LABEL_ENDORSEMENT "kapu TPM endorsement"
#define FUSEBOX_LABEL_LOCKOUT "kapu TPM lockout"
#define FUSEBOX_LABEL_AK "kapu TPM attestation key"

/*
 * Attestation. The public area of the attestation key (AK), authentic: it has the name that the
 * factory wrote into the board's record. KAPU_EPIN: another key is in its place.
 */
KAPU_MUST_CHECK int fusebox_ak(struct fusebox *f, struct tpm2_public *ak);
/* A quote by the AK of PCRs FUSEBOX_PCRS; attest: TPMS_ATTEST, as signed. As the AK is not of the
 * endorsement hierarchy, the TPM adds a secret constant of this key to its reset count, restart
 * count and firmware version (Part 2, 10.12; modulo 2^32 and 2^64): differences between two quotes
 * are true, the values are not. */
KAPU_MUST_CHECK int fusebox_quote(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                                  const uint8_t nonce[32], struct wr *attest,
                                  struct tpm2_signature *sig);
/* Opens a credential of 32 bytes that was made for this TPM's EK and the AK: TPM2B_ID_OBJECT and
 * TPM2B_ENCRYPTED_SECRET. The caller wipes `out`. */
KAPU_MUST_CHECK int fusebox_activate(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                                     struct bytes blob, struct bytes secret,
                                     uint8_t out[FUSEBOX_SECRET_SIZE]);
/* What the TPM gives as its endorsement certificate (DER), *n bytes. Hostile: whoever verifies its
 * chain finds out. */
KAPU_MUST_CHECK int fusebox_ek_certificate(struct fusebox *f, uint8_t der[FUSEBOX_CERTIFICATE_MAX],
                                           size_t *n);

/* ---- the factory ---- */

/*
 * Provisions a TPM whose platform hierarchy is open: after a reset, before firmware ran. Whatever
 * kapu kept in it before is deleted first, so a run that was cut is repaired by another. `board`
 * needs id; it gets the rest, and is to be written to the board's fuses: until then the board is
 * not provisioned. root_key_hash: SHA-256 of the public root key (DER), as the ROM has it. The
 * endorsement key is made persistent at FUSEBOX_EK by the first step and stays.
 * `progress` is called with each step's name; may be NULL.
 */
struct fusebox_factory {
    struct tpm2 *tpm; /* with all of its crypto */
    uint8_t root_key_hash[32];
    struct bytes ek_certificate; /* DER; empty: none is stored */
    struct bytes record;         /* FUSEBOX_RECORD_SIZE bytes: the update record of a new board */
    /* Of a new board: the release that it is shipped with and no other may start without a trial
     * (bootstate.h). Zeros: any that is signed, until one is confirmed. */
    uint8_t release[BOOTSTATE_IDENTITY_SIZE];
    void (*progress)(void *ctx, const char *step);
    void *ctx;
    const char *at;        /* set: the step under way, or that failed */
    struct tpm2_public ak; /* set on success: the attestation key, for the board's certificate */
};

/* The endorsement key, for its certificate to be issued: made, or that of a provisioning before.
 * Changes nothing else. */
KAPU_MUST_CHECK int fusebox_factory_ek(struct fusebox_factory *y, struct tpm2_public *ek);
KAPU_MUST_CHECK int fusebox_factory_provision(struct fusebox_factory *y,
                                              struct fusebox_board *board);
/*
 * Brings a board that an earlier release provisioned up to this one: makes what it lacks, and keeps
 * root secret, counters and boot state, so that nothing that they protect is lost. `board` is what
 * fusebox_board_decode_v1 gave, and gets the rest; write it to the fuses on success. The platform
 * hierarchy must be open, as for provisioning; a run that was cut is repeated. Plays the firmware's
 * part of a boot to open the root secret, so the TPM must be reset afterwards.
 */
KAPU_MUST_CHECK int fusebox_factory_upgrade(struct fusebox_factory *y, struct fusebox_board *board);

/* ---- for a person ---- */

/* Why: a sentence's end, such as "is not there: the TPM is not provisioned, or was cleared". */
const char *fusebox_explain(int err, const struct tpm2 *tpm);

#endif
