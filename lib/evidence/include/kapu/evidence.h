/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: what a gateway says of itself, signed in its secure world. wire/evidence.cddl is the
 * format, docs/evidence.md says why it is so.
 *
 *   claims    EAT claims-set (RFC 9711), deterministic CBOR (RFC 8949, 4.2.1)
 *   token     COSE_Sign1 (RFC 9052) over the claims, ES256
 *   message   CMW collection (RFC 9999) of token, TPM quote over the token's hash, event log
 *
 * The monitor's claims are made by one trusted application and put into the token by another: they
 * can be encoded by themselves, and taken over as bytes.
 *
 * Trust: what is decoded is hostile. A decoder bounds size and depth, reads by schema, then encodes
 * what it read and asks for the same bytes: whatever is not the one right encoding (other order,
 * longer integers, duplicates, unknown keys, indefinite lengths, trailing bytes) is KAPU_EINVAL.
 * Decoding verifies no signature: evidence_token_verify does.
 *
 * Memory: the caller owns everything; decoded structures hold views into the input. Encoders write
 * behind what is already in a struct wr; when they fail nothing was written there.
 * Strings are printable ASCII without terminating zeros, within the bounds below.
 *
 * Errors: 0 or KAPU_E*. Encoders: KAPU_EARG (a value that the format has no place for),
 * KAPU_ESPACE. Decoders: KAPU_EINVAL, KAPU_ERANGE (larger than the bounds), KAPU_EUNSUPPORTED
 * (another profile), KAPU_ESPACE (work memory smaller than the input). KAPU_ECRYPTO: the port
 * failed.
 */
#ifndef KAPU_EVIDENCE_H
#define KAPU_EVIDENCE_H

#include <kapu/bytes.h>
#include <kapu/sha256.h>

/* ---- bounds, in bytes unless said otherwise ---- */

#define EVIDENCE_NONCE_SIZE 32u
#define EVIDENCE_UEID_SIZE 33u      /* RFC 9711, 4.2.1: type 0x01 and 256 bits */
#define EVIDENCE_KID_SIZE 32u       /* RFC 9679 */
#define EVIDENCE_KEY_SIZE 75u       /* COSE_Key of a P-256 public key, required members only */
#define EVIDENCE_SIGNATURE_SIZE 64u /* RFC 9053, 2.1: r || s */
#define EVIDENCE_BOARD_SIZE 16u
#define EVIDENCE_ID_MAX 48u      /* identifier of a check or finding */
#define EVIDENCE_OBJECT_MAX 64u  /* of a finding */
#define EVIDENCE_DETAIL_MAX 128u /* the same */
#define EVIDENCE_VERSION_MAX 64u /* of software and TEE */
#define EVIDENCE_FINDINGS 64u    /* findings in a token */
#define EVIDENCE_CHECKS 48u      /* checks in a token */
#define EVIDENCE_ATTEST_MAX 512u /* TPMS_ATTEST */
#define EVIDENCE_LOG_MAX (32u << 10)
#define EVIDENCE_MONITOR_MAX (20u << 10) /* the monitor's claims, encoded */
#define EVIDENCE_CLAIMS_MAX (22u << 10)
#define EVIDENCE_SIGNED_MORE 256u /* signature and headers around what is signed */
#define EVIDENCE_TYPE_MAX 64u     /* a media type in a protected header */
#define EVIDENCE_TOKEN_MAX (EVIDENCE_CLAIMS_MAX + EVIDENCE_SIGNED_MORE)
#define EVIDENCE_MESSAGE_MAX (EVIDENCE_TOKEN_MAX + EVIDENCE_ATTEST_MAX + EVIDENCE_LOG_MAX + 512u)

/* ---- the P-256 key that signs tokens ---- */

struct evidence_key {
    uint8_t x[32], y[32]; /* big-endian */
};

/* COSE_Key (RFC 9052, 7; RFC 9053, 7.1.1) with kty, crv, x, y: what a thumbprint is made of. */
void evidence_key_encode(const struct evidence_key *key, uint8_t to[EVIDENCE_KEY_SIZE]);

/* SHA-256 thumbprint (RFC 9679): the kid. */
KAPU_MUST_CHECK int evidence_key_thumbprint(const struct kapu_sha256 *h,
                                            const struct evidence_key *key,
                                            uint8_t kid[EVIDENCE_KID_SIZE]);

/* 0x01 and the SHA-256 of the endorsement key's name (TPM 2.0 Part 1, 16). */
KAPU_MUST_CHECK int evidence_ueid(const struct kapu_sha256 *h, struct bytes ek_name,
                                  uint8_t ueid[EVIDENCE_UEID_SIZE]);

/* ---- claims: submodule "boot" ---- */

/* PCRs in a token and in the quote beside it, ascending: firmware, root key, kernel, device tree,
 * cap (kapu/fusebox.h). */
#define EVIDENCE_PCRS 5u
#define EVIDENCE_PCR_MASK 0x4381u
extern const uint8_t evidence_pcr[EVIDENCE_PCRS];
enum evidence_pcr_place {
    EVIDENCE_PCR_FIRMWARE,
    EVIDENCE_PCR_AUTHORITY,
    EVIDENCE_PCR_LINUX,
    EVIDENCE_PCR_COMMAND,
    EVIDENCE_PCR_CAP,
};

struct evidence_boot {
    uint8_t pcr[EVIDENCE_PCRS][32]; /* SHA-256 bank, by enum evidence_pcr_place */
    uint8_t log_digest[32];         /* SHA-256 of the event log */
    uint32_t log_size;              /* bytes of it */
    uint8_t board[EVIDENCE_BOARD_SIZE];
};

/* ---- claims: submodule "monitor" ---- */

enum evidence_verdict {
    EVIDENCE_CLEAN = 0,
    EVIDENCE_WARNINGS = 1,
    EVIDENCE_ALARMS = 2,
};

enum evidence_severity { EVIDENCE_WARNING = 1, EVIDENCE_ALARM = 2 }; /* enum introspect_severity */

enum evidence_reset {
    EVIDENCE_RESET_NONE = 0,
    EVIDENCE_RESET_ALARM = 1,
    EVIDENCE_RESET_WATCHDOG = 2,
    EVIDENCE_RESET_PANIC = 3,
}; /* enum monitor_reset */

struct evidence_finding {
    enum evidence_severity severity;
    struct bytes id, object, detail; /* object and detail may be empty */
    uint64_t address;
};

struct evidence_check {
    struct bytes id;
    int32_t result; /* findings, or a negative KAPU_E*: it could not be made */
};

/* Times are in ms since the secure world started; they do not wrap. */
struct evidence_monitor {
    enum evidence_verdict verdict; /* must fit alarms and warnings */
    uint32_t number;               /* of the deep check, from 1; 0: none was made yet */
    uint64_t began_ms, ended_ms;   /* of that check */
    uint64_t now_ms;               /* when this was encoded */
    uint32_t alarms, warnings;     /* of that check */
    uint32_t not_kept;             /* findings that are counted, but not listed */
    struct {
        uint32_t ticks, pages, passes, pass_ms, changed, cores;
    } watch; /* between deep checks: see MONITOR_PTA_FIGURES of wire/monitor_pta.h */
    enum evidence_reset last_reset;
    uint32_t resets; /* by the monitor since power-on */
    size_t checks;
    struct evidence_check check[EVIDENCE_CHECKS];
    size_t findings;
    struct evidence_finding finding[EVIDENCE_FINDINGS];
    /* Virtual address of the first byte of Linux' image in this boot, which the addresses of
     * findings can be counted from; 0: that check did not find the kernel. */
    uint64_t kernel_base;
};

/* What the verdict must be. */
enum evidence_verdict evidence_verdict_of(uint32_t alarms, uint32_t warnings);

/* The submodule alone: what the monitor TA hands to the attest TA. */
KAPU_MUST_CHECK int evidence_monitor_encode(const struct evidence_monitor *m, struct wr *out);
KAPU_MUST_CHECK int evidence_monitor_decode(struct bytes in, struct evidence_monitor *m,
                                            uint8_t *work, size_t work_n);

/* ---- claims: all ---- */

/* EAT dbgstat (RFC 9711, 4.2.9). */
enum evidence_debug {
    EVIDENCE_DEBUG_ENABLED = 0,
    EVIDENCE_DEBUG_DISABLED = 1,
    EVIDENCE_DEBUG_DISABLED_SINCE_BOOT = 2,
    EVIDENCE_DEBUG_DISABLED_PERMANENTLY = 3,
    EVIDENCE_DEBUG_DISABLED_FULLY = 4,
};

/* What came of the last trial of a release that ended: enum update_outcome of
 * kapu/update_outcome.h. */
enum evidence_update {
    EVIDENCE_UPDATE_NONE = 0, /* none has ended yet */
    EVIDENCE_UPDATE_CONFIRMED = 1,
    EVIDENCE_UPDATE_HALTED = 2,      /* by a rollout */
    EVIDENCE_UPDATE_TRIES_GONE = 3,  /* never confirmed in all of its starts */
    EVIDENCE_UPDATE_REFUSED = 4,     /* by BL1 or BL2 */
    EVIDENCE_UPDATE_OTHER_RAN = 5,   /* what ran was not what was verified */
    EVIDENCE_UPDATE_NEVER_BEGAN = 6, /* another slot was on trial */
};

/* The attack that a refused update looks like: those of enum update_answer of kapu/update.h that
 * look like one, and that the gateway refuses or its Linux tells of a server. */
enum evidence_attack {
    EVIDENCE_ATTACK_NONE = 0,
    EVIDENCE_ATTACK_ROLLBACK = 1,
    EVIDENCE_ATTACK_FREEZE = 2,
    EVIDENCE_ATTACK_MIX_AND_MATCH = 3,
    EVIDENCE_ATTACK_WRONG_HARDWARE = 4,
    EVIDENCE_ATTACK_ARBITRARY_SOFTWARE = 5,
    EVIDENCE_ATTACK_FAST_FORWARD = 6,
    EVIDENCE_ATTACK_PARTIAL_BUNDLE = 7,
    EVIDENCE_ATTACK_REPLAYED_ROLLOUT = 8,
    EVIDENCE_ATTACK_TOCTOU = 9,
    EVIDENCE_ATTACK_REVOKED_KEY = 10,
    EVIDENCE_ATTACK_REPLAYED_APPROVAL = 11,
    EVIDENCE_ATTACK_ENDLESS_DATA = 19,
    EVIDENCE_ATTACK_SLOW_RETRIEVAL = 20,
    EVIDENCE_ATTACKS = 21,
};

/* Refusals of this boot. All three are zero, or none is; `last` is one of `kinds`, and there are at
 * least as many as there are kinds. */
struct evidence_refusals {
    enum evidence_attack last;
    uint32_t count; /* UINT32_MAX: that many, or more */
    uint32_t kinds; /* bit N: attack N was among them */
};

struct evidence_software {
    struct bytes version;                  /* not empty */
    uint8_t identity[32];                  /* of the release: what all its certificates carry */
    uint8_t boot_name[32];                 /* bootseed (RFC 9711, 4.2.13): random, of this boot */
    uint32_t counter_release, counter_tpm; /* security counters */
    uint8_t slot;                          /* 0 or 1 */
    bool trial;    /* what runs was started on trial, and is not confirmed */
    uint8_t tries; /* left on trial */
    /* Secure storage, from counters of the TPM: commits to it, and how often it began empty in the
     * life of this board. */
    uint32_t storage_counter, storage_starts;
    /* The last trial of a release that ended, and why the monitor had reset the board when that was
     * recorded. No reset goes with EVIDENCE_UPDATE_NONE. */
    enum evidence_update last_update;
    enum evidence_reset last_update_reset;
    /* By the update TA: from ROLLBACK to REPLAYED_APPROVAL. */
    struct evidence_refusals refused;
    /* What Linux says that servers of releases did: ARBITRARY_SOFTWARE, ENDLESS_DATA,
     * SLOW_RETRIEVAL. The secure world did not see it: Linux may lie, and may say nothing. */
    struct evidence_refusals told;
};

struct evidence_claims {
    uint8_t nonce[EVIDENCE_NONCE_SIZE];
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    bool oemboot; /* only what the manufacturer's key signed can boot */
    enum evidence_debug dbgstat;
    struct evidence_boot boot;
    struct evidence_software software;
    struct bytes tee; /* implementation and its version, not empty */
    /*
     * Encoding: the bytes that evidence_monitor_encode made are taken over as they are, when there
     * are any; else *monitor is encoded. Decoding: the caller sets `monitor`, and it is filled in.
     */
    struct bytes monitor_encoded;
    struct evidence_monitor *monitor;
    /* Only at enrolment, then all three. */
    bool enrolment;
    struct evidence_key key; /* cnf (RFC 8747): the token's own */
    uint8_t tls_key[32];     /* SHA-256 of the TLS public key (SubjectPublicKeyInfo, DER) */
    uint8_t activation[32];  /* evidence_activation() */
};

KAPU_MUST_CHECK int evidence_claims_encode(const struct evidence_claims *c, struct wr *out);
KAPU_MUST_CHECK int evidence_claims_decode(struct bytes in, struct evidence_claims *c,
                                           uint8_t *work, size_t work_n);

/* The nonce alone, of claims of which the rest was not looked at: to know which one to expect. */
KAPU_MUST_CHECK int evidence_claims_nonce(struct bytes in, uint8_t nonce[EVIDENCE_NONCE_SIZE]);

/* HMAC-SHA256 (RFC 2104) with a key of 32 bytes over up to EVIDENCE_HMAC_PARTS strings, one after
 * another. 0, KAPU_EARG, KAPU_ECRYPTO. */
#define EVIDENCE_HMAC_PARTS 4u
KAPU_MUST_CHECK int evidence_hmac(const struct kapu_sha256 *h, const uint8_t key[32],
                                  const struct bytes *part, size_t parts, uint8_t mac[32]);

/*
 * Proof that the TPM released the enrolment secret (TPM2_ActivateCredential) to the holder of this
 * token's key, for this TLS key: HMAC-SHA256(secret, "kapu enrolment" || nonce || SHA-256 of the
 * COSE_Key || tls_key).
 */
KAPU_MUST_CHECK int evidence_activation(const struct kapu_sha256 *h, const uint8_t secret[32],
                                        const uint8_t nonce[EVIDENCE_NONCE_SIZE],
                                        const struct evidence_key *key, const uint8_t tls_key[32],
                                        uint8_t mac[32]);

/* ---- token ---- */

struct evidence_token {
    uint8_t kid[EVIDENCE_KID_SIZE];
    struct bytes payload; /* claims, encoded */
    uint8_t signature[EVIDENCE_SIGNATURE_SIZE];
};

/* What is signed with ECDSA: the SHA-256 of the Sig_structure (RFC 9052, 4.4). */
KAPU_MUST_CHECK int evidence_token_digest(const struct kapu_sha256 *h,
                                          const uint8_t kid[EVIDENCE_KID_SIZE],
                                          struct bytes payload, uint8_t digest[32]);
KAPU_MUST_CHECK int evidence_token_encode(const struct evidence_token *t, struct wr *out);
KAPU_MUST_CHECK int evidence_token_decode(struct bytes in, struct evidence_token *t, uint8_t *work,
                                          size_t work_n);

/* The port of signature verification: 0, or a negative value when it does not verify. */
struct evidence_verify {
    int (*ecdsa_p256)(void *ctx, const struct evidence_key *key, const uint8_t digest[32],
                      const uint8_t signature[EVIDENCE_SIGNATURE_SIZE]);
    void *ctx;
};

/* KAPU_EPIN: the kid is another key's; KAPU_EAUTH: not signed by this key. */
KAPU_MUST_CHECK int evidence_token_verify(const struct kapu_sha256 *h,
                                          const struct evidence_verify *port,
                                          const struct evidence_token *t,
                                          const struct evidence_key *key);

/*
 * What else is signed as tokens are: a COSE_Sign1 by ES256 whose protected header has algorithm,
 * kid and type, and nothing more. A kind says which type (RFC 9596), so that nothing that was
 * signed as one passes for another, and how large its content may be.
 */
struct evidence_kind {
    struct bytes type; /* at most EVIDENCE_TYPE_MAX */
    size_t payload_max;
};
KAPU_MUST_CHECK int evidence_signed_digest(const struct kapu_sha256 *h,
                                           const struct evidence_kind *kind,
                                           const uint8_t kid[EVIDENCE_KID_SIZE],
                                           struct bytes payload, uint8_t digest[32]);
KAPU_MUST_CHECK int evidence_signed_encode(const struct evidence_kind *kind,
                                           const struct evidence_token *t, struct wr *out);
KAPU_MUST_CHECK int evidence_signed_decode(const struct evidence_kind *kind, struct bytes in,
                                           struct evidence_token *t, uint8_t *work, size_t work_n);
/* As evidence_token_verify. */
KAPU_MUST_CHECK int evidence_signed_verify(const struct kapu_sha256 *h,
                                           const struct evidence_verify *port,
                                           const struct evidence_kind *kind,
                                           const struct evidence_token *t,
                                           const struct evidence_key *key);

/* ---- message ---- */

/*
 * The quote cannot be in the token, as it covers the token: its qualifying data is the SHA-256 of
 * all bytes of the token (evidence_quote_nonce), so that TPM and TEE vouch for one another.
 */
KAPU_MUST_CHECK int evidence_quote_nonce(const struct kapu_sha256 *h, struct bytes token,
                                         uint8_t nonce[32]);

struct evidence_message {
    struct bytes token;
    struct bytes attest;                              /* TPMS_ATTEST, as signed */
    uint8_t quote_signature[EVIDENCE_SIGNATURE_SIZE]; /* by the AK, r || s */
    struct bytes log;                                 /* TCG event log; {NULL, 0}: none */
};

KAPU_MUST_CHECK int evidence_message_encode(const struct evidence_message *m, struct wr *out);
KAPU_MUST_CHECK int evidence_message_decode(struct bytes in, struct evidence_message *m,
                                            uint8_t *work, size_t work_n);

#endif
