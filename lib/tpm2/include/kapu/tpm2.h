/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of a TPM 2.0 that kapu uses, over any transport.
 *
 * Implements parts of the TPM 2.0 Library Specification ("Part n" below; sections as in revision
 * 1.59). SHA-256, AES-128-CFB and ECC NIST P-256 only; structures with others are refused.
 *
 * Trust: every byte that the transport brings is hostile. With a session that has a key (salted
 * by a pinned key, or bound to a secret) an interposer on the bus learns no parameter that can be
 * encrypted, and a changed, stripped or replayed answer is an error; there is no fall-back.
 * An error answer of the TPM carries no MAC (Part 1, 18.10): an interposer can deny service.
 *
 * Memory: the caller owns everything; nothing is kept after a call but what is in the caller's
 * structures. Outputs of unknown size go to a struct wr that the caller has set up. On an error
 * outputs hold nothing secret and must not be used.
 *
 * Errors: 0 or a KAPU_E* value. KAPU_ETPM: the TPM refused, struct tpm2.rc says why (Part 2, 6.6).
 * Every command may give KAPU_EARG, KAPU_ESPACE (command or answer larger than the buffer),
 * KAPU_EIO and KAPU_ETIMEOUT (transport), KAPU_EINVAL, KAPU_ERANGE (answer malformed), KAPU_ETPM,
 * and with sessions KAPU_ESTRIPPED, KAPU_EREPLAY, KAPU_EAUTH, KAPU_ESESSION, KAPU_EPLAIN,
 * KAPU_ECRYPTO. Functions name further ones.
 */
#ifndef KAPU_TPM2_H
#define KAPU_TPM2_H

#include <kapu/bytes.h>
#include <kapu/sha256.h>
#include <kapu/tpm2_wire.h>

/* ---- ports ---- */

struct tpm2_transport {
    /*
     * Sends cmd and receives the answer into rsp, at most `capacity` bytes; *n is its size, and
     * nothing behind it is touched. cmd and rsp may be the same memory.
     * 0 or KAPU_E* (KAPU_EIO, KAPU_ETIMEOUT, KAPU_ESPACE).
     */
    int (*transceive)(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n);
    /* Waits about that long before a command is repeated; may be NULL (repeats at once). */
    void (*pause_ms)(void *ctx, uint32_t ms);
    void *ctx;
};

/* What a port fills in for an ECDH on P-256; coordinates are big-endian, 32 bytes. */
struct tpm2_ecdh {
    uint8_t own_x[32], own_y[32]; /* the ephemeral public key made for this call */
    uint8_t shared_x[32];         /* x of the shared point */
};

/* Each function: 0, or a negative value on failure. Functions not needed may be NULL. */
struct tpm2_crypto {
    struct kapu_sha256 sha256;
    /* Encrypts or decrypts in place; full-block feedback (NIST SP 800-38A CFB128). */
    int (*aes128_cfb)(void *ctx, bool encrypt, const uint8_t key[16], const uint8_t iv[16],
                      uint8_t *data, size_t n);
    /* Makes an ephemeral key, derives with the peer's; must refuse a point off the curve. */
    int (*ecdh_p256)(void *ctx, const uint8_t peer_x[32], const uint8_t peer_y[32],
                     struct tpm2_ecdh *out);
    /* Unpredictable bytes: of a session's salt depends all that it protects. */
    int (*random)(void *ctx, uint8_t *to, size_t n);
    void *ctx;
};

/* ---- one TPM ---- */

struct tpm2 {
    struct tpm2_transport io;
    const struct tpm2_crypto *crypto; /* may be NULL where no session and no name is used */
    uint8_t *buf;                     /* work buffer for command and answer */
    size_t buf_n;                     /* TPM2_BUFFER_MAX, or less where answers are small */
    uint32_t rc;                      /* last response code of the TPM */
};

#define TPM2_BUFFER_MAX 4096u

/* ---- things in the TPM ---- */

/* Part 1, 16: a handle for hierarchies, PCRs and sessions; hash algorithm and digest else. */
struct tpm2_name {
    uint8_t n; /* 4 or 34; 0 = none */
    uint8_t b[34];
};

struct tpm2_entity {
    uint32_t handle;
    struct tpm2_name name;
};

/* The public area (Part 2, 12.2.4) of the objects that kapu uses: P-256 keys and sealed data. */
struct tpm2_public {
    uint16_t type;       /* TPM2_ALG_ECC or TPM2_ALG_KEYEDHASH */
    uint32_t attributes; /* TPM2_OA_* */
    uint8_t policy_n;    /* 0 or 32 */
    uint8_t policy[32];
    bool storage;         /* ECC: a parent or EK (AES-128-CFB inside) */
    bool ecdsa;           /* ECC: scheme ECDSA with SHA-256 */
    uint8_t x_n, y_n;     /* unique: sizes as they travel (Part 2, 11.2.5.1), at most 32 */
    uint8_t x[32], y[32]; /* ECC: coordinates, right-aligned; KEYEDHASH: x is the digest */
};

/* Part 2, 13.5. The attributes follow what this library does to the index (written, locked). */
struct tpm2_nv {
    uint32_t index;
    uint32_t attributes; /* TPM2_NVA_* */
    uint8_t policy_n;    /* 0 or 32 */
    uint8_t policy[32];
    uint16_t size; /* bytes of data */
};

/* ---- sessions (Part 1, 19) ---- */

enum tpm2_session_type {
    TPM2_SESSION_HMAC = 0,
    TPM2_SESSION_POLICY = 1,
    TPM2_SESSION_TRIAL = 3,
};

/* Fields belong to the library. Wiped by tpm2_session_end. */
struct tpm2_session {
    uint32_t handle; /* 0: none */
    uint8_t type;
    bool keyed;      /* has a key: authenticates and encrypts */
    bool broken;     /* an answer failed verification: only the end remains */
    bool needs_auth; /* PolicyAuthValue was asked for */
    bool last;       /* the TPM has ended the session with its last answer */
    uint8_t key[32];
    uint8_t nonce_caller[32], nonce_tpm[32];
    uint8_t bound_n;
    uint8_t bound[34]; /* name of the entity bound to, its authorisation value mixed in */
};

/* The key that encrypts a session's salt, and the name that it must have. */
struct tpm2_salt {
    uint32_t handle;
    const struct tpm2_public *key;  /* as read from the TPM: hostile */
    const struct tpm2_name *pinned; /* as stored when the TPM was trusted */
};

/* An entity and its secret authorisation value (at most 32 bytes) that bind a session. Without a
 * salt the value alone is what the session's key is secret by: one that can be guessed will be. */
struct tpm2_bind {
    struct tpm2_entity entity;
    struct bytes value;
};

/*
 * How a command's handle is authorised. `value` is the entity's authorisation value, at most 32
 * bytes; it is never sent. Without a session only the empty value works, in clear and
 * unprotected: for boot stages that need neither secrecy nor a trustworthy answer.
 */
struct tpm2_auth {
    struct tpm2_session *session;
    struct bytes value;
};

static const struct tpm2_auth TPM2_AUTH_CLEAR = {NULL, {NULL, 0}};

/* For `protect` parameters: the answer is neither authentic nor secret. */
#define TPM2_UNPROTECTED ((struct tpm2_session *)0)

/*
 * Opens a session; `s` needs no initialisation. salt and bind may be NULL. Without both the
 * session has no key: it authenticates only through authorisation values and encrypts nothing.
 * Neither a salt nor a value to bind to, but an entity: KAPU_EARG.
 * KAPU_EPIN: the key is not the pinned one. (Part 3, 11.1; Part 1, 19.6; Part 1, C.6.1)
 */
KAPU_MUST_CHECK int tpm2_session_start(struct tpm2 *t, struct tpm2_session *s,
                                       enum tpm2_session_type type, const struct tpm2_salt *salt,
                                       const struct tpm2_bind *bind);

/* Flushes the session from the TPM and wipes it, the latter even when an error is returned. */
int tpm2_session_end(struct tpm2 *t, struct tpm2_session *s);

/* ---- start, test, state ---- */

/* TPM2_SU_CLEAR or TPM2_SU_STATE. rc TPM2_RC_INITIALIZE: was started before. (Part 3, 9.3, 9.4) */
KAPU_MUST_CHECK int tpm2_startup(struct tpm2 *t, uint16_t type);
KAPU_MUST_CHECK int tpm2_shutdown(struct tpm2 *t, uint16_t type);

/* Full test, or only what was not tested yet. (Part 3, 10.2) */
KAPU_MUST_CHECK int tpm2_self_test(struct tpm2 *t, bool full);

/* *result: TPM2_RC_SUCCESS when passed. Works in failure mode. (Part 3, 10.4) */
KAPU_MUST_CHECK int tpm2_get_test_result(struct tpm2 *t, uint32_t *result);

/* n bytes of the TPM's generator; asks as often as needed. (Part 3, 16.1) */
KAPU_MUST_CHECK int tpm2_get_random(struct tpm2 *t, struct tpm2_session *protect, uint8_t *to,
                                    size_t n);

struct tpm2_clock {
    uint64_t clock_ms;
    uint32_t resets, restarts;
    bool safe;
};

/* *time_ms: since the TPM's power-on. (Part 3, 29.1; Part 2, 10.11) */
KAPU_MUST_CHECK int tpm2_read_clock(struct tpm2 *t, struct tpm2_session *protect, uint64_t *time_ms,
                                    struct tpm2_clock *clock);

/* One TPM2_PT_* property; KAPU_ENOENT when the TPM has none such. (Part 3, 30.2) */
KAPU_MUST_CHECK int tpm2_get_property(struct tpm2 *t, struct tpm2_session *protect,
                                      uint32_t property, uint32_t *value);

/* Handles in use from `first` on, at most *n of them; *n becomes their number. */
KAPU_MUST_CHECK int tpm2_get_handles(struct tpm2 *t, struct tpm2_session *protect, uint32_t first,
                                     uint32_t *handles, size_t *n);

/* *mask: bit i set when PCR i has a SHA-256 bank that is allocated. */
KAPU_MUST_CHECK int tpm2_get_sha256_pcrs(struct tpm2 *t, struct tpm2_session *protect,
                                         uint32_t *mask);

/* ---- PCRs (Part 3, 22); SHA-256 banks ---- */

KAPU_MUST_CHECK int tpm2_pcr_extend(struct tpm2 *t, uint32_t pcr, const struct tpm2_auth *auth,
                                    const uint8_t digest[32]);
KAPU_MUST_CHECK int tpm2_pcr_read(struct tpm2 *t, struct tpm2_session *protect, uint32_t pcr,
                                  uint8_t value[32]);
/* The PCRs of `mask`, in the order of their numbers: as many of them with one command as the TPM
 * gives at once. */
KAPU_MUST_CHECK int tpm2_pcr_read_set(struct tpm2 *t, struct tpm2_session *protect, uint32_t mask,
                                      uint8_t (*value)[32]);

/* ---- names (Part 1, 16) ---- */

/* A hierarchy, PCR or session: its name is its handle. */
struct tpm2_entity tpm2_entity_of(uint32_t handle);

KAPU_MUST_CHECK int tpm2_public_name(const struct kapu_sha256 *h, const struct tpm2_public *pub,
                                     struct tpm2_name *name);
KAPU_MUST_CHECK int tpm2_nv_name(const struct kapu_sha256 *h, const struct tpm2_nv *nv,
                                 struct tpm2_name *name);
KAPU_MUST_CHECK bool tpm2_name_equal(const struct tpm2_name *a, const struct tpm2_name *b);

/* TPMT_PUBLIC (Part 2, 12.2.4) to and from the wire; KAPU_EUNSUPPORTED for other algorithms. */
void tpm2_wr_public(struct wr *w, const struct tpm2_public *pub);
KAPU_MUST_CHECK int tpm2_rd_public(struct rd *r, struct tpm2_public *pub);

/* ---- keys and sealed data ---- */

/* Templates. EK: EK Credential Profile 2.5, template L-2 (P-256). */
void tpm2_template_ek(struct tpm2_public *pub);
void tpm2_template_srk(struct tpm2_public *pub);
void tpm2_template_ak(struct tpm2_public *pub);
/* Sealed data that only the policy opens; `no_da`: wrong attempts do not count for lock-out. */
void tpm2_template_sealed(struct tpm2_public *pub, const uint8_t policy[32], bool no_da);

/* What a new object is made of besides its public area; all may be empty. */
struct tpm2_sensitive {
    struct bytes auth; /* authorisation value, at most 32 bytes */
    struct bytes data; /* what is sealed, at most 128 bytes */
};

/*
 * Makes a primary object under TPM2_RH_*. `pub` is the template, and then the object's public
 * area; object->name is computed from it. Secret parts need a keyed session: KAPU_EPLAIN.
 * KAPU_EPIN: the TPM made something other than the template asks for. (Part 3, 24.1)
 */
KAPU_MUST_CHECK int tpm2_create_primary(struct tpm2 *t, uint32_t hierarchy,
                                        const struct tpm2_auth *auth,
                                        const struct tpm2_sensitive *sensitive,
                                        struct tpm2_public *pub, struct tpm2_entity *object);

/* As above under a parent; `blob` gets TPM2B_PRIVATE and TPM2B_PUBLIC. (Part 3, 12.1) */
KAPU_MUST_CHECK int tpm2_create(struct tpm2 *t, const struct tpm2_entity *parent,
                                const struct tpm2_auth *auth,
                                const struct tpm2_sensitive *sensitive, struct tpm2_public *pub,
                                struct wr *blob);

/* Loads what tpm2_create made; pub may be NULL. KAPU_EPIN: other name. (Part 3, 12.2) */
KAPU_MUST_CHECK int tpm2_load(struct tpm2 *t, const struct tpm2_entity *parent,
                              const struct tpm2_auth *auth, struct bytes blob,
                              struct tpm2_public *pub, struct tpm2_entity *object);

/* Loads a P-256 verification key into the owner hierarchy. (Part 3, 12.3) */
KAPU_MUST_CHECK int tpm2_load_external(struct tpm2 *t, struct tpm2_session *protect,
                                       const struct tpm2_public *pub, struct tpm2_entity *object);

/* Sealed data into out. Refused with KAPU_EPLAIN unless a keyed session is used. (Part 3, 12.7) */
KAPU_MUST_CHECK int tpm2_unseal(struct tpm2 *t, const struct tpm2_entity *object,
                                const struct tpm2_auth *auth, struct tpm2_session *protect,
                                struct wr *out);

/*
 * The public area of an object, and its name computed from it. Hostile until the name was compared
 * with a pinned one: no session can vouch for it, as that needs the name. KAPU_EPIN: the name that
 * the TPM gives is not that of the public area. (Part 3, 12.4)
 */
KAPU_MUST_CHECK int tpm2_read_public(struct tpm2 *t, uint32_t handle, struct tpm2_public *pub,
                                     struct tpm2_entity *object);

/* Makes an object persistent at that handle, or removes it. (Part 3, 28.5) */
KAPU_MUST_CHECK int tpm2_evict_control(struct tpm2 *t, uint32_t hierarchy,
                                       const struct tpm2_auth *auth,
                                       const struct tpm2_entity *object, uint32_t persistent);

/* Removes a transient object or session from the TPM. (Part 3, 28.4) */
KAPU_MUST_CHECK int tpm2_flush_context(struct tpm2 *t, uint32_t handle);

/* ---- NV storage (Part 3, 31) ---- */
/* `by`: the index itself, TPM2_RH_OWNER or TPM2_RH_PLATFORM, as the index's attributes allow. */

/* The index's own authorisation value is secret: non-empty needs a keyed session. */
KAPU_MUST_CHECK int tpm2_nv_define(struct tpm2 *t, uint32_t hierarchy, const struct tpm2_auth *auth,
                                   const struct tpm2_nv *nv, struct bytes index_auth);
KAPU_MUST_CHECK int tpm2_nv_undefine(struct tpm2 *t, uint32_t hierarchy,
                                     const struct tpm2_auth *auth, const struct tpm2_nv *nv);

/* What the TPM says of an index. Hostile, but a command with a keyed session fails if it was not
 * true (rc TPM2_RC_AUTH_FAIL, or TPM2_RC_BAD_AUTH for an index with TPM2_NVA_NO_DA).
 * KAPU_EPIN: another index, or not the name it claims. (Part 3, 31.6) */
KAPU_MUST_CHECK int tpm2_nv_read_public(struct tpm2 *t, uint32_t index, struct tpm2_nv *nv);

/* 0 when `is` has index, size, policy and attributes of `expected`, but for the state bits
 * (written, locked); KAPU_EPIN else. */
KAPU_MUST_CHECK int tpm2_nv_check(const struct tpm2_nv *is, const struct tpm2_nv *expected);

/* Exactly n bytes at offset; more than the TPM gives at once is read in parts. */
KAPU_MUST_CHECK int tpm2_nv_read(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                 struct tpm2_nv *nv, uint16_t offset, uint8_t *to, size_t n);
KAPU_MUST_CHECK int tpm2_nv_write(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                  struct tpm2_nv *nv, uint16_t offset, struct bytes data);
KAPU_MUST_CHECK int tpm2_nv_read_counter(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                         struct tpm2_nv *nv, uint64_t *value);
KAPU_MUST_CHECK int tpm2_nv_increment(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                      struct tpm2_nv *nv);
KAPU_MUST_CHECK int tpm2_nv_write_lock(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                       struct tpm2_nv *nv);
KAPU_MUST_CHECK int tpm2_nv_read_lock(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                      struct tpm2_nv *nv);

/* ---- signatures ---- */

/* ECDSA on P-256 with SHA-256; big-endian. */
struct tpm2_signature {
    uint8_t r[32], s[32];
};

/* ---- policies on the TPM (Part 3, 23) ---- */

/* SHA-256 PCRs of `mask`; `digest` (may be NULL) is that of their concatenated expected values. */
KAPU_MUST_CHECK int tpm2_policy_pcr(struct tpm2 *t, struct tpm2_session *s, uint32_t mask,
                                    const uint8_t *digest);
KAPU_MUST_CHECK int tpm2_policy_auth_value(struct tpm2 *t, struct tpm2_session *s);
KAPU_MUST_CHECK int tpm2_policy_command_code(struct tpm2 *t, struct tpm2_session *s,
                                             uint32_t command);
KAPU_MUST_CHECK int tpm2_policy_secret(struct tpm2 *t, struct tpm2_session *s,
                                       const struct tpm2_entity *by, const struct tpm2_auth *auth,
                                       struct bytes ref);
/* The index's data at offset compares to `operand` by TPM2_EO_*. `by` as for tpm2_nv_read. */
KAPU_MUST_CHECK int tpm2_policy_nv(struct tpm2 *t, struct tpm2_session *s, uint32_t by,
                                   const struct tpm2_auth *auth, const struct tpm2_nv *nv,
                                   struct bytes operand, uint16_t offset, uint16_t operation);
/* 2 to 8 branches. */
KAPU_MUST_CHECK int tpm2_policy_or(struct tpm2 *t, struct tpm2_session *s,
                                   const uint8_t (*branch)[32], size_t branches);
/* `key` (loaded by tpm2_load_external) signed SHA-256(approved || ref). */
KAPU_MUST_CHECK int tpm2_policy_authorize(struct tpm2 *t, struct tpm2_session *s,
                                          const struct tpm2_entity *key, const uint8_t approved[32],
                                          struct bytes ref, const struct tpm2_signature *sig);
KAPU_MUST_CHECK int tpm2_policy_get_digest(struct tpm2 *t, struct tpm2_session *s,
                                           uint8_t digest[32]);

/* ---- policies in software ---- */
/* Each step turns `digest` (at first 32 zeros) into what the TPM's policy session would hold.    */

KAPU_MUST_CHECK int tpm2_pd_pcr(const struct kapu_sha256 *h, uint8_t digest[32], uint32_t mask,
                                const uint8_t pcrs[32]);
KAPU_MUST_CHECK int tpm2_pd_auth_value(const struct kapu_sha256 *h, uint8_t digest[32]);
KAPU_MUST_CHECK int tpm2_pd_command_code(const struct kapu_sha256 *h, uint8_t digest[32],
                                         uint32_t command);
KAPU_MUST_CHECK int tpm2_pd_secret(const struct kapu_sha256 *h, uint8_t digest[32],
                                   const struct tpm2_name *by, struct bytes ref);
KAPU_MUST_CHECK int tpm2_pd_nv(const struct kapu_sha256 *h, uint8_t digest[32],
                               const struct tpm2_name *nv, struct bytes operand, uint16_t offset,
                               uint16_t operation);
KAPU_MUST_CHECK int tpm2_pd_or(const struct kapu_sha256 *h, uint8_t digest[32],
                               const uint8_t (*branch)[32], size_t branches);
KAPU_MUST_CHECK int tpm2_pd_authorize(const struct kapu_sha256 *h, uint8_t digest[32],
                                      const struct tpm2_name *key, struct bytes ref);
/* Digest of `count` concatenated PCR values in the order of their numbers: for tpm2_pd_pcr. */
KAPU_MUST_CHECK int tpm2_pcr_digest(const struct kapu_sha256 *h, const uint8_t (*value)[32],
                                    size_t count, uint8_t digest[32]);

/* ---- attestation (Part 3, 18; Part 2, 10.12) ---- */

/* attest: TPMS_ATTEST as signed. `nonce`: at most 32 bytes of the verifier. */
KAPU_MUST_CHECK int tpm2_quote(struct tpm2 *t, const struct tpm2_entity *key,
                               const struct tpm2_auth *auth, struct bytes nonce, uint32_t mask,
                               struct wr *attest, struct tpm2_signature *sig);
KAPU_MUST_CHECK int tpm2_certify(struct tpm2 *t, const struct tpm2_entity *object,
                                 const struct tpm2_auth *object_auth, const struct tpm2_entity *key,
                                 const struct tpm2_auth *key_auth, struct bytes nonce,
                                 struct wr *attest, struct tpm2_signature *sig);

/* Views into the parsed bytes. */
struct tpm2_attest {
    uint16_t type; /* TPM2_ST_ATTEST_* */
    struct bytes signer;
    struct bytes nonce;
    struct tpm2_clock clock;
    uint64_t firmware;
    uint32_t pcr_mask;           /* quote */
    struct bytes pcr_digest;     /* quote */
    struct bytes name;           /* certify */
    struct bytes qualified_name; /* certify */
};

/* Parses, does not verify the signature: `in` may be hostile. KAPU_EUNSUPPORTED: other kinds. */
KAPU_MUST_CHECK int tpm2_attest_parse(struct bytes in, struct tpm2_attest *a);

/* blob: TPM2B_ID_OBJECT, secret: TPM2B_ENCRYPTED_SECRET. The key's auth must be a policy session
 * of the EK; the result needs a keyed session: KAPU_EPLAIN. (Part 3, 12.5) */
KAPU_MUST_CHECK int tpm2_activate_credential(struct tpm2 *t, const struct tpm2_entity *object,
                                             const struct tpm2_auth *object_auth,
                                             const struct tpm2_entity *key,
                                             const struct tpm2_auth *key_auth, struct bytes blob,
                                             struct bytes secret, struct wr *out);

/* The verifier's half, without a TPM: a credential (at most 32 bytes) that only the TPM with that
 * EK opens, and only for the object of that name. Wipes nothing of the caller. (Part 1, 24) */
KAPU_MUST_CHECK int tpm2_make_credential(const struct tpm2_crypto *c, const struct tpm2_public *ek,
                                         const struct tpm2_name *object, struct bytes credential,
                                         struct wr *blob, struct wr *secret);

/* ---- hierarchies (Part 3, 24, 25) ---- */

KAPU_MUST_CHECK int tpm2_hierarchy_change_auth(struct tpm2 *t, uint32_t hierarchy,
                                               const struct tpm2_auth *auth, struct bytes value);
KAPU_MUST_CHECK int tpm2_hierarchy_control(struct tpm2 *t, uint32_t by,
                                           const struct tpm2_auth *auth, uint32_t which, bool on);
KAPU_MUST_CHECK int tpm2_clear(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth);
KAPU_MUST_CHECK int tpm2_clear_control(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                                       bool disable);
KAPU_MUST_CHECK int tpm2_da_lock_reset(struct tpm2 *t, const struct tpm2_auth *auth);
/* tries before lock-out, seconds until one try is forgotten, seconds after a lockout failure. */
KAPU_MUST_CHECK int tpm2_da_parameters(struct tpm2 *t, const struct tpm2_auth *auth, uint32_t tries,
                                       uint32_t recovery_s, uint32_t lockout_s);

/* ---- derivation ---- */

/* KDFa with SHA-256 (Part 1, 11.4.10.2): n bytes, at most 32, of a key of at most 64; `label` is a
 * string whose end is part of it, u and v may be empty. */
KAPU_MUST_CHECK int tpm2_kdfa(const struct kapu_sha256 *h, struct bytes key, const char *label,
                              struct bytes u, struct bytes v, uint8_t *out, size_t n);

/* ---- response codes (Part 2, 6.6) ---- */

/* rc without the number of the parameter, handle or session that it concerns. */
uint32_t tpm2_rc_base(uint32_t rc);

#endif
