/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates written byte by byte, so that they can be as no library would make them: as makers
 * of TPMs do, or as an attacker might. Asserts nothing: aborts when OpenSSL fails.
 */
#ifndef KAPU_TEST_ODD_CERTIFICATE_H
#define KAPU_TEST_ODD_CERTIFICATE_H

#include <openssl/evp.h>

#include <kapu/bytes.h>

#define ODD_MAX 4096u

struct odd_bytes {
    uint8_t b[ODD_MAX];
    size_t n;
};

enum odd_key { ODD_KEY, ODD_KEY_RSA, ODD_KEY_RSA_OAEP, ODD_KEY_P384 };
enum odd_basic { ODD_NOT_CA, ODD_BASIC_ABSENT, ODD_BASIC_EXPLICIT_FALSE, ODD_CA };

/* All zero: a plain endorsement certificate of a TPM that is named, good for some years. */
struct odd_certificate {
    const char *serial; /* its bytes; NULL: one */
    size_t serial_n;
    const char *from, *to; /* GeneralizedTime; NULL: a year ago, in some years */
    const char *subject;   /* CN; NULL: empty */
    bool two_names;        /* of the subject: CN and O in one set, in the wrong order */
    bool no_tpm;           /* no alternative name */
    bool tpm_half;         /* its manufacturer alone is named */
    bool critical;         /* the alternative name is */
    bool one_set;          /* its attributes are in one set */
    uint8_t string_type;   /* of its attributes; 0: UTF8String */
    const char *purposes;  /* OIDs with blanks between; NULL: tcg-kp-EKCertificate; "": absent */
    enum odd_basic basic;
    int usage; /* bits from the left, as BIT STRING has them; 0: keyAgreement */
    bool usage_absent;
    const char *issuer_at; /* URI of the issuer's certificate */
    const char *unknown;   /* OID of one more extension */
    bool unknown_critical;
    bool attributes; /* subject directory attributes, explicitly not critical */
    bool attributes_critical;
    enum odd_key key;
    bool sha1;
};

struct odd_issuer {
    EVP_PKEY *key;
    struct odd_bytes name;
};

/* A certificate for `key`, which another kind of key may stand for; by->key == NULL: signed with
 * its own. */
void odd_certificate_make(const struct odd_certificate *c, EVP_PKEY *key,
                          const struct odd_issuer *by, struct odd_bytes *der);
/* A name as the subject of such a certificate has it. */
void odd_name(const char *common, bool two_names, struct odd_bytes *name);

#endif
