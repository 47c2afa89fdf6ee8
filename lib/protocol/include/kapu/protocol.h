/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gateway and operator say to each other over MQTT 5. wire/protocol.cddl is the format of the
 * bodies, docs/transport.md says why it is so.
 *
 *   topics    kapu/1/NAME/request          operator to an enrolled gateway
 *             kapu/1/NAME/reply            and back
 *             kapu/1/enrol/NAME/request    the same for a gateway that has no certificate yet, on a
 *             kapu/1/enrol/NAME/reply      listener of its own
 *   delivery  QoS 1, not retained. A request has a message expiry and correlation data; the reply
 *             has the same correlation data. A request may come twice: the gateway answers twice,
 *             and the operator takes the first answer.
 *   bodies    one CBOR map each, deterministic (RFC 8949, 4.2.1)
 *
 *   hello     A gateway without a certificate, when it has subscribed to its enrolment requests and
 *             every PROTOCOL_HELLO_S seconds while it waits, publishes an identify reply without
 *             correlation data (QoS 0): so an operator finds gateways whose names nobody told.
 *
 * Which requests there are where: on the enrolment topics identify, enrol, certify; on the others
 * attest, all that is about updates, and for a renewal identify and enrol. Any of them can be
 * answered by an error.
 *
 * Updates: install, halt, approve, keys and join bring signed files (wire/release.cddl) to the
 * writer of updates; they and the request update are answered by the state of the update, at once:
 * what takes time is asked for again. What the files are worth the gateway's secure world says.
 *
 * Trust: both decoders take hostile bytes, and refuse whatever is not the one right encoding, as in
 * kapu/evidence.h. Decoded structs hold views into the input; nothing here looks into certificates,
 * keys or evidence. A name out of a topic says who claims to speak, which the broker holds to the
 * sender's certificate for enrolled gateways, and nobody for others.
 *
 * Errors: 0 or KAPU_E*. Encoders: KAPU_EARG (a value that the format has no place for),
 * KAPU_ESPACE. Decoders: KAPU_EINVAL, KAPU_ERANGE (larger than the bounds), KAPU_ESPACE (work
 * memory smaller than the input).
 */
#ifndef KAPU_PROTOCOL_H
#define KAPU_PROTOCOL_H

#include <kapu/bytes.h>
#include <kapu/evidence.h>

/* ---- bounds, in bytes ---- */

#define PROTOCOL_CERTIFICATE_MAX 2048u /* DER */
#define PROTOCOL_AK_MAX 512u           /* TPMT_PUBLIC */
#define PROTOCOL_TEE_KEY_SIZE 64u      /* x || y */
#define PROTOCOL_TLS_KEY_MAX 512u      /* SubjectPublicKeyInfo, DER */
#define PROTOCOL_CREDENTIAL_MAX 256u   /* TPM2B_ID_OBJECT */
#define PROTOCOL_SECRET_MAX 512u       /* TPM2B_ENCRYPTED_SECRET */
#define PROTOCOL_ERROR_MAX 200u        /* characters, printable ASCII */
#define PROTOCOL_BODY_MAX (EVIDENCE_MESSAGE_MAX + 4096u)
#define PROTOCOL_FOLDER_MAX 64u       /* characters: a-z, 0-9, '-' and '.', the first no '.' */
#define PROTOCOL_SIGNED_MAX 3392u     /* RELEASE_SIGNED_MAX */
#define PROTOCOL_KEYS_MAX 1536u       /* RELEASE_CONTENT_MAX */
#define PROTOCOL_WHY_MAX 200u         /* characters, printable ASCII */
#define PROTOCOL_GROUP_MAX 32u        /* RELEASE_GROUP_MAX */
#define PROTOCOL_RELEASE_KEY_SIZE 32u /* CIPHER_KEY_SIZE */
/* What a gateway must take. */
#define PROTOCOL_REQUEST_MAX (2u * PROTOCOL_SIGNED_MAX + 2u * PROTOCOL_KEYS_MAX + 128u)

/* ---- names and topics ---- */

/* A gateway's name: bytes 1 to 16 of its UEID in lower-case hexadecimal. */
#define PROTOCOL_NAME_LENGTH 32u
#define PROTOCOL_NAME_SIZE (PROTOCOL_NAME_LENGTH + 1u) /* with the terminating zero */
void protocol_name(const uint8_t ueid[EVIDENCE_UEID_SIZE], char name[PROTOCOL_NAME_SIZE]);
bool protocol_name_is_valid(const char *name);

enum protocol_place { PROTOCOL_ENROLLED, PROTOCOL_ENROLMENT };
enum protocol_direction { PROTOCOL_REQUEST, PROTOCOL_REPLY };

#define PROTOCOL_TOPIC_SIZE 64u /* of any topic, with the terminating zero */

/* `name` may be "+", for a subscription to all gateways. */
void protocol_topic(enum protocol_place place, const char *name, enum protocol_direction direction,
                    char topic[PROTOCOL_TOPIC_SIZE]);
/* The other way, for a topic that came with a message. */
KAPU_MUST_CHECK int protocol_topic_parse(const char *topic, enum protocol_place *place,
                                         char name[PROTOCOL_NAME_SIZE],
                                         enum protocol_direction *direction);

/* MQTT 5 correlation data, made by the operator. */
#define PROTOCOL_CORRELATION_MIN 8u
#define PROTOCOL_CORRELATION_MAX 32u

#define PROTOCOL_HELLO_S 10u /* between two hellos of a gateway that waits to be enrolled */

/* ---- bodies ---- */

enum protocol_kind {
    PROTOCOL_ERROR = 0, /* replies only */
    PROTOCOL_IDENTIFY = 1,
    PROTOCOL_ENROL = 2,
    PROTOCOL_CERTIFY = 3,
    PROTOCOL_ATTEST = 4,
    PROTOCOL_UPDATE = 5,  /* what becomes of the update? Replies to this and the next have it */
    PROTOCOL_INSTALL = 6, /* requests only, to the last */
    PROTOCOL_HALT = 7,
    PROTOCOL_APPROVE = 8,
    PROTOCOL_KEYS = 9,
    PROTOCOL_JOIN = 10,
};

/* What the writer of updates does. */
enum protocol_work {
    PROTOCOL_RESTING,
    PROTOCOL_FETCHING,   /* and writing, and looking at what is there */
    PROTOCOL_ASKING,     /* the secure world, which reads what was written */
    PROTOCOL_RESTARTING, /* the gateway, so that a trial begins or ends */
    PROTOCOL_COPYING,    /* the running release into the other slot */
    PROTOCOL_STOPPED,    /* by what `answer` and `why` say; an install, or time, may begin anew */
    PROTOCOL_WORKS,
};

/* The state of updates of a gateway. Nothing here is signed: it tells people what goes on. What
 * counts is in evidence. */
struct protocol_update {
    uint8_t stage;       /* enum update_stage (kapu/update.h) */
    uint8_t last, reset; /* of the last trial: enum update_outcome, and why the monitor reset */
    uint8_t work;        /* enum protocol_work */
    uint8_t answer;      /* enum update_answer: what came of the last request or of the work */
    struct bytes why;    /* printable ASCII, for people; may be empty */
    uint8_t release[32]; /* SHA-256 of the manifest that work and answer are about; zeros: none */
    uint32_t done, all;  /* blocks of it that are in place, and that it has; 0: not known */
    uint64_t fetched;    /* bytes */
    uint64_t rollout;    /* number of the last one that the secure world took */
    uint8_t boot[32];    /* name of this boot */
    uint32_t memory_kib; /* most that the writer has used */
    struct bytes group;  /* of the last membership; empty: there was none */
};

/* Members that a kind does not have are ignored by the encoder, and empty after decoding. No byte
 * string that a kind has may be empty, but for sets of keys: then it is the built-in one; and for
 * the key of a release. */
struct protocol_request {
    enum protocol_kind kind;
    uint8_t nonce[EVIDENCE_NONCE_SIZE]; /* enrol, attest */
    struct bytes credential;            /* enrol: TPM2B_ID_OBJECT */
    struct bytes secret;                /* enrol: TPM2B_ENCRYPTED_SECRET */
    struct bytes certificate;           /* certify: the gateway's, for its TLS key (DER) */
    struct bytes issuer;                /* certify: of who issued it (DER) */
    bool wants_log;                     /* attest: the event log shall come along */
    struct bytes folder;                /* install: of the release, on the server of releases */
    struct bytes manifest;              /* install: signed */
    struct bytes order;                 /* install, halt: signed rollout; approve: signed approval;
                                           keys: the next set, signed */
    struct bytes release_keys;          /* install: content of the set's file */
    struct bytes keys;                  /* of who signed the order; keys: the present set */
    struct bytes release_key;           /* install: secret, of an encrypted release; else empty */
};

struct protocol_reply {
    enum protocol_kind kind;
    struct bytes error;                     /* error: why, at least one character */
    struct bytes ek_certificate;            /* identify: of the endorsement key (DER) */
    struct bytes ak;                        /* identify: TPMT_PUBLIC of the attestation key */
    uint8_t tee_key[PROTOCOL_TEE_KEY_SIZE]; /* identify: key that signs tokens */
    struct bytes tls_key;                   /* identify: SubjectPublicKeyInfo (DER) */
    struct bytes message;                   /* enrol, attest: see kapu/evidence.h */
    struct protocol_update update;          /* update */
};

KAPU_MUST_CHECK int protocol_request_encode(const struct protocol_request *r, struct wr *out);
KAPU_MUST_CHECK int protocol_request_decode(struct bytes in, struct protocol_request *r,
                                            uint8_t *work, size_t work_n);
KAPU_MUST_CHECK int protocol_reply_encode(const struct protocol_reply *r, struct wr *out);
KAPU_MUST_CHECK int protocol_reply_decode(struct bytes in, struct protocol_reply *r, uint8_t *work,
                                          size_t work_n);

#endif
