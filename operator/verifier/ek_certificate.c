// SPDX-License-Identifier: Apache-2.0
#include "ek_certificate.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "crypto_openssl.h"

#define EK_PURPOSE "2.23.133.8.1" /* tcg-kp-EKCertificate */

#define TAG_SEQUENCE 0x30u
#define TAG_OCTET_STRING 0x04u
#define TAG_INTEGER 0x02u

/* ---- in a TPM ---- */

/* One value of X.690 with a length in its definite, shortest form; *rest: what comes after it.
 * n = 0: it is none. */
static struct bytes take_value(struct bytes in, uint8_t tag, struct bytes *content,
                               struct bytes *rest)
{
    size_t head = 2, n;

    if (in.n < 2 || in.p[0] != tag)
        return (struct bytes){NULL, 0};
    n = in.p[1];
    if (n >= 0x80) {
        const size_t digits = n & 0x7f;

        if (digits == 0 || digits > 2 || in.n - 2 < digits || in.p[2] == 0)
            return (struct bytes){NULL, 0};
        n = digits == 1 ? in.p[2] : (size_t)in.p[2] << 8 | in.p[3];
        head += digits;
    }
    if (n > in.n - head)
        return (struct bytes){NULL, 0};
    *content = (struct bytes){in.p + head, n};
    *rest = (struct bytes){in.p + head + n, in.n - head - n};
    return (struct bytes){in.p, head + n};
}

/* An index is as large as its maker defined it; what he did not write is all zeros, or as flash is
 * when it was erased. */
static bool is_filling(struct bytes b)
{
    for (size_t i = 0; i < b.n; i++) {
        if (b.p[i] != b.p[0])
            return false;
    }
    return b.n == 0 || b.p[0] == 0x00 || b.p[0] == 0xff;
}

/* Nobody but DER's own rule (X.690, 8.3.2) minds a zero in front; but OpenSSL reads no such
 * certificate, and another number in its place would not be what the issuer signed. */
static bool has_padded_serial(struct bytes certificate)
{
    struct bytes in = certificate, serial, rest;

    for (int i = 0; i < 2; i++) { /* Certificate, TBSCertificate */
        if (take_value(in, TAG_SEQUENCE, &serial, &rest).n == 0)
            return false;
        in = serial;
    }
    if (take_value(in, 0xa0, &serial, &rest).n > 0) /* version */
        in = rest;
    return take_value(in, TAG_INTEGER, &serial, &rest).n > 0 && serial.n > 1 &&
           serial.p[0] == (serial.p[1] >= 0x80 ? 0xff : 0x00);
}

struct bytes ek_certificate_in(struct bytes nv, const char **fault)
{
    struct bytes content, rest, found;

    *fault = "the endorsement certificate is malformed";
    if (take_value(nv, TAG_OCTET_STRING, &content, &rest).n > 0) {
        if (!is_filling(rest))
            return (struct bytes){NULL, 0};
        nv = content;
    }
    found = take_value(nv, TAG_SEQUENCE, &content, &rest);
    if (found.n == 0)
        return found;
    if (!is_filling(rest)) {
        *fault = "something follows the endorsement certificate that is not filling (all 0x00, or "
                 "all 0xff)";
        return (struct bytes){NULL, 0};
    }
    if (has_padded_serial(found)) {
        *fault = "the serial number of the endorsement certificate begins with zeros that DER "
                 "does not allow: its maker has to issue it again";
        return (struct bytes){NULL, 0};
    }
    return found;
}

/* ---- what it is for ---- */

static bool has_attribute(const X509_NAME *name, const char *oid)
{
    ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
    const bool found = wanted != NULL && X509_NAME_get_index_by_OBJ(name, wanted, -1) >= 0;

    ASN1_OBJECT_free(wanted);
    return found;
}

/* EK Credential Profile 3.2.9: which TPM it is, in the alternative name of the subject. Only
 * certificates of TPMs have that. */
static bool names_a_tpm(X509 *x)
{
    static const char *const oid[] = {"2.23.133.2.1", "2.23.133.2.2", "2.23.133.2.3"};
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        found = name->type == GEN_DIRNAME;
        for (size_t k = 0; found && k < sizeof(oid) / sizeof(oid[0]); k++)
            found = has_attribute(name->d.directoryName, oid[k]);
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* The purpose is a SHOULD of the profile (3.2.16): older TPMs have certificates without one. */
static bool is_for_ek(X509 *x)
{
    int how = 0;
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, &how, NULL);
    ASN1_OBJECT *wanted = OBJ_txt2obj(EK_PURPOSE, 1);
    bool found = usage == NULL && how == -1 && names_a_tpm(x);

    for (int i = 0; usage != NULL && wanted != NULL && i < sk_ASN1_OBJECT_num(usage); i++)
        found = found || OBJ_cmp(sk_ASN1_OBJECT_value(usage, i), wanted) == 0;
    ASN1_OBJECT_free(wanted);
    EXTENDED_KEY_USAGE_free(usage);
    return found;
}

/* Profile 3.2.13: keyAgreement of ECC keys; some makers say of them what RSA keys have. */
static bool may_hide(X509 *x)
{
    const uint32_t usage = X509_get_key_usage(x); /* all bits: it does not say */
    const uint32_t signs = X509v3_KU_KEY_CERT_SIGN | X509v3_KU_CRL_SIGN;
    const uint32_t hides = X509v3_KU_KEY_AGREEMENT | X509v3_KU_KEY_ENCIPHERMENT;

    return usage == UINT32_MAX || ((usage & signs) == 0 && (usage & hides) != 0);
}

static bool is_rsa(X509 *x)
{
    ASN1_OBJECT *algorithm = NULL;
    int nid = NID_undef;

    if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, X509_get_X509_PUBKEY(x)) == 1)
        nid = OBJ_obj2nid(algorithm);
    return nid == NID_rsaEncryption || nid == NID_rsaesOaep;
}

static const char *key_fault(X509 *x, struct evidence_key *key)
{
    EVP_PKEY *public = X509_get0_pubkey(x);

    if (is_rsa(x))
        return "it is for the TPM's RSA key; kapu needs the one for its key on P-256, which lies "
               "in NV index 0x01c0000a";
    if (!openssl_is_p256(public) || openssl_p256_coordinates(public, key->x, key->y) != 0)
        return "its key is not on P-256";
    return NULL;
}

const char *ek_certificate_fault(X509 *x, struct evidence_key *key)
{
    if (!is_for_ek(x) || X509_check_ca(x) != 0)
        return "it is no certificate for an endorsement key";
    if (!may_hide(x))
        return "its key usage is not that of an endorsement key";
    return key_fault(x, key);
}

/* ---- whose it is ---- */

static bool is_printable(const ASN1_IA5STRING *s)
{
    for (int i = 0; i < s->length; i++) {
        if (s->data[i] <= ' ' || s->data[i] > '~')
            return false;
    }
    return s->length > 0;
}

void ek_certificate_issuer_at(X509 *x, char *to, size_t n)
{
    AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);

    to[0] = '\0';
    for (int i = 0; info != NULL && i < sk_ACCESS_DESCRIPTION_num(info) && to[0] == '\0'; i++) {
        const ACCESS_DESCRIPTION *a = sk_ACCESS_DESCRIPTION_value(info, i);
        const ASN1_IA5STRING *uri = a->location->d.uniformResourceIdentifier;

        if (OBJ_obj2nid(a->method) == NID_ad_ca_issuers && a->location->type == GEN_URI &&
            is_printable(uri) && (size_t)uri->length < n) {
            memcpy(to, uri->data, (size_t)uri->length);
            to[uri->length] = '\0';
        }
    }
    AUTHORITY_INFO_ACCESS_free(info);
}
