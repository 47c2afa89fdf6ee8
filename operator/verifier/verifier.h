/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier (RFC 9334): judges what a gateway says of itself.
 *
 * verifier_appraise compares a message (kapu/evidence.h) with what is known of its sender, with the
 * reference values of releases, and with a policy. It decides nothing by itself that is not one of
 * these, keeps nothing, and knows no store, clock or network. Its answer is in the terms of EAR
 * (draft-ietf-rats-ear-04): a tier for each aspect (draft-ietf-rats-ar4si), the worst of which is
 * the status, and for each tier that is not affirming a reason for a person.
 *
 * Trust: the message is hostile. Enrolled record, reference values and policy are the operator's
 * own. Errors: 0 and a result; a negative KAPU_E* only when the verifier itself could not work
 * (KAPU_ECRYPTO, or an error of the reference port): then nothing is known of the gateway.
 */
#ifndef KAPU_VERIFIER_H
#define KAPU_VERIFIER_H

#include <stdio.h>

#include <kapu/board.h>

/* ---- results ---- */

/* draft-ietf-rats-ear-04, 3.2: the lowest value of each tier. */
enum verifier_tier {
    VERIFIER_NONE = 0, /* nothing is known */
    VERIFIER_AFFIRMING = 2,
    VERIFIER_WARNING = 32,
    VERIFIER_CONTRAINDICATED = 96,
};

/* Aspects that kapu's evidence says something of (AR4SI's trustworthiness claims). */
enum verifier_aspect {
    VERIFIER_IDENTITY,      /* instance-identity: is it that gateway, now? */
    VERIFIER_CONFIGURATION, /* configuration: debug, counters, trial, the watching itself */
    VERIFIER_EXECUTABLES,   /* executables: what was booted, what runs */
    VERIFIER_FILES,         /* file-system: root image */
    VERIFIER_HARDWARE,      /* hardware: TPM, secure world, and the manufacturer's word on both */
    VERIFIER_ASPECTS,
};

#define VERIFIER_REASONS 96u
#define VERIFIER_REASON_TEXT 448u
#define VERIFIER_NAME_MAX                                                                          \
    64u /* of a gateway, release, flavour: bytes with the terminating zero                         \
         */

struct verifier_reason {
    enum verifier_aspect aspect;
    enum verifier_tier tier;
    char text[VERIFIER_REASON_TEXT];
};

/*
 * How often a TPM was started. Its counts are as it quotes them to a key of the owner hierarchy: a
 * constant that nobody knows is added to each (TPM 2.0 Part 1, 36.7), so only differences mean
 * something, modulo 2^32.
 */
struct verifier_starts {
    bool known;
    uint32_t resets, restarts; /* TPM Resets; TPM Restarts and Resumes since the last of these */
    uint64_t at_ms;            /* when evidence with these counts was judged last */
    uint32_t day;              /* starts in the day before now; less than 2^30 */
    bool fell;                 /* they went back once: the TPM's state was put back */
};

struct verifier_result {
    enum verifier_tier status;
    enum verifier_tier vector[VERIFIER_ASPECTS];
    /* Both signatures, identity and nonce held: it was this gateway, now, whatever it said. */
    bool authentic;
    char release[VERIFIER_NAME_MAX]; /* of the reference values that fit; empty: none did */
    char flavour[VERIFIER_NAME_MAX];
    uint32_t reasons, not_kept;
    struct verifier_reason reason[VERIFIER_REASONS];
    /* What an authentic message said, for displays and records. */
    uint8_t nonce[EVIDENCE_NONCE_SIZE];
    char version[EVIDENCE_VERSION_MAX + 1];
    uint8_t release_identity[32], boot_name[32]; /* what an approval names */
    bool trial;                                  /* it runs on trial */
    uint32_t counter_tpm;                        /* security counter in the TPM */
    enum evidence_update last_update;            /* changes no tier: docs/verifier.md */
    enum evidence_reset last_update_reset;
    struct evidence_refusals refused; /* of updates, in this boot */
    struct evidence_refusals told;    /* what Linux says of servers: changes no tier */
    uint32_t counter, check_number, alarms, warnings;
    uint32_t storage_starts;
    uint64_t age_ms;
    /* Starts of the TPM, with this evidence counted in: what the next appraisal is given. */
    struct verifier_starts starts;
    uint32_t started;        /* since the evidence before */
    uint32_t share;          /* what of these counts for one day */
    uint32_t monitor_resets; /* of the board by the monitor, since power-on */
};

const char *verifier_tier_name(enum verifier_tier tier);
const char *verifier_aspect_name(enum verifier_aspect aspect);
/* Such as "tries gone" and "watchdog". */
const char *verifier_update_name(enum evidence_update outcome);
const char *verifier_reset_name(enum evidence_reset why);
/* Such as "rollback"; "none", and for what evidence cannot say "unknown". */
const char *verifier_attack_name(enum evidence_attack attack);

/* Adds a reason and lowers the tiers that it concerns. For the files of this library. */
void verifier_reason(struct verifier_result *r, enum verifier_aspect aspect,
                     enum verifier_tier tier, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* For a person: "kernel text differs at OBJECT: DETAIL [text.page]", in at most n bytes. `place`
 * stands for the address, as "SYMBOL+0x10"; NULL: the address itself does. */
void verifier_explain_finding(const struct evidence_finding *f, const char *place, char *to,
                              size_t n);

/* For a person, in at most n bytes: that the last update was given up, and why. false: it was not,
 * or nobody needs to look into it. */
bool verifier_explain_update(const struct verifier_result *r, char *to, size_t n);

/* For a person, in at most n bytes: which attacks refused updates looked like, or what Linux says
 * that servers did. false: there were none. */
bool verifier_explain_refused(const struct evidence_refusals *r, char *to, size_t n);
bool verifier_explain_told(const struct evidence_refusals *r, char *to, size_t n);

/* The same as an object in JSON. */
void verifier_print_refusals(FILE *to, const struct evidence_refusals *r);

/* The result as EAR in JSON, unsigned: one line. `name` is the submodule's. `when_s`: Unix time. */
void verifier_print_ear(FILE *to, const struct verifier_result *r, const char *name,
                        const char *policy, uint64_t when_s);
/* A JSON string with its quotes. */
void verifier_print_string(FILE *to, const char *text);

/* ---- what a gateway is compared with ---- */

/* What the manufacturer's record of the board (kapu/board.h) says of an enrolled gateway. */
enum verifier_record {
    VERIFIER_RECORD_NONE = 0,    /* there is no record of its TPM */
    VERIFIER_RECORD_GOOD,        /* TPM, board and attestation key are those of the record */
    VERIFIER_RECORD_OTHER_BOARD, /* its TPM is on record with another board */
    VERIFIER_RECORD_OTHER_AK,    /* the board has another attestation key now: it was at the factory
                                  */
};

#define VERIFIER_WHY_MAX 128u /* bytes of an operator's reason, with the terminating zero */

struct verifier_gateway {
    char name[VERIFIER_NAME_MAX];
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    uint8_t board[EVIDENCE_BOARD_SIZE];
    struct evidence_key tee, ak;
    uint8_t tls_key[32]; /* SHA-256 of the SPKI */
    uint32_t interval_s; /* silence longer than this is failure */
    /* Name of the attestation key; all zero: enrolled by a kapu that knew no board records. */
    uint8_t ak_name[BOARD_NAME_SIZE];
    enum verifier_record record; /* now: a store finds it out, and does not keep it */
    /* Why it was enrolled although it has no record; empty: it was not. */
    char without_record[VERIFIER_WHY_MAX];
    uint32_t storage_starts; /* when it was enrolled; 0: not known */
};

/* The kernel that a value of PCR 8 stands for: its symbols, packed (wire/reference.cddl). */
struct verifier_kernel {
    uint32_t size;     /* of the image in memory; 0: not known */
    uint32_t symbols;  /* how many there are */
    uint32_t unpacked; /* bytes of their table */
    struct bytes packed;
};

/* One release's values of the PCRs that depend on it; the cap is the same for all. */
#define VERIFIER_MEASURED 4u /* PCRs 0, 7, 8, 9, the first of enum evidence_pcr_place */
struct verifier_reference {
    char release[VERIFIER_NAME_MAX];
    char flavour[VERIFIER_NAME_MAX];
    uint32_t counter;
    uint8_t pcr[VERIFIER_MEASURED][32];
    struct verifier_kernel kernel; /* for a store to take in; what is looked up leaves it out */
};

typedef int (*verifier_kernel_fn)(void *ctx, const struct verifier_kernel *kernel);

/* What reference values are looked up by: SHA-256 of the four PCRs. */
KAPU_MUST_CHECK int verifier_reference_key(const uint8_t (*pcr)[32], uint8_t key[32]);

/* The port of reference values. 0, KAPU_ENOENT, or another error. */
struct verifier_references {
    int (*find)(void *ctx, const uint8_t key[32], struct verifier_reference *out);
    /* Any of that release: to say what differs. May be NULL. */
    int (*of_release)(void *ctx, const char *release, struct verifier_reference *out);
    /* Gives the kernel of a release with that PCR 8 to `use`, for the time of the call, and what
     * `use` gives back; to name places in it. May be NULL. */
    int (*kernel)(void *ctx, const uint8_t pcr[32], verifier_kernel_fn use, void *use_ctx);
    void *ctx;
};

/* ---- policy ---- */

#define POLICY_RULES 64u
#define POLICY_LIST 64u

enum policy_action { POLICY_FATAL, POLICY_WARN, POLICY_IGNORE };

struct verifier_policy {
    char name[VERIFIER_NAME_MAX];
    uint32_t counter_min;
    bool debug_allowed, trial_allowed, log_required;
    bool records_required;     /* else a gateway without a board record is only warned of */
    uint32_t tpm_starts_a_day; /* more than these: `tpm_starts` */
    enum policy_action tpm_starts;
    uint32_t monitor_resets_max; /* since power-on; more than these: `monitor_resets` */
    enum policy_action monitor_resets;
    enum policy_action refused_updates; /* that look like an attack */
    uint32_t check_age_max_ms;          /* since the deep check ended */
    uint32_t check_took_max_ms;         /* from its begin to its end */
    uint32_t checks_min;                /* checks that ran to their end */
    uint32_t required_n;                /* checks that must have run, by identifier */
    char required[POLICY_LIST][EVIDENCE_ID_MAX + 1];
    uint32_t releases_n; /* none: any that there are reference values of */
    char releases[POLICY_LIST][VERIFIER_NAME_MAX];
    uint32_t flavours_n; /* as releases */
    char flavours[POLICY_LIST][VERIFIER_NAME_MAX];
    /* The first that fits a finding counts. Otherwise alarms are fatal, warnings are warned of. */
    uint32_t rules_n;
    struct {
        char id[EVIDENCE_ID_MAX + 1]; /* an identifier, or its begin and "*" */
        enum policy_action action;
    } rule[POLICY_RULES];
};

void policy_default(struct verifier_policy *p);
/* Lines "NAME VALUE..." over the defaults (docs/verifier.md; settings.h of operator/files says what
 * is refused). On KAPU_EINVAL `why` says where and what; *p must not be used. */
KAPU_MUST_CHECK int policy_parse(struct verifier_policy *p, struct bytes text, char *why,
                                 size_t why_n);
/* The same of a file. KAPU_ENOENT: there is none, and *p has the defaults. */
KAPU_MUST_CHECK int policy_read(struct verifier_policy *p, const char *path, char *why,
                                size_t why_n);
enum policy_action policy_of_finding(const struct verifier_policy *p,
                                     const struct evidence_finding *f);

/* ---- appraisal ---- */

struct verifier_request {
    struct bytes message;
    const uint8_t *nonce; /* the one that was sent: 32 bytes */
    const struct verifier_gateway *gateway;
    const struct verifier_references *references;
    const struct verifier_policy *policy;
    /*
     * Starts of the TPM up to the last evidence, `day` counted from now; NULL: nothing is known.
     * Evidence that answers a question from before that evidence was judged may be older than it;
     * later evidence in which the counts are lower proves that the TPM went back.
     */
    const struct verifier_starts *before;
    uint64_t asked_ms,
        now_ms; /* when the nonce was made; now: ms since 1970 by verifiers' clocks */
};

/* By how much two verifiers' clocks may differ. */
#define VERIFIER_SKEW_MS 5000u
#define VERIFIER_DAY_MS 86400000u

KAPU_MUST_CHECK int verifier_appraise(const struct verifier_request *q, struct verifier_result *r);

/* What is wrong with a gateway's board record, and what to do, in at most n bytes. `tier`: how bad.
 * false: nothing is. */
bool verifier_explain_record(const struct verifier_policy *p, const struct verifier_gateway *g,
                             enum verifier_tier *tier, char *to, size_t n);

/* The nonce of a message, from which nothing follows: to find out which one to expect. */
KAPU_MUST_CHECK int verifier_nonce_of(struct bytes message, uint8_t nonce[EVIDENCE_NONCE_SIZE]);

#endif
