// SPDX-License-Identifier: Apache-2.0
#include "certificate.h"

#include <stdio.h>
#include <time.h>

#define NAME_MAX_N 96

static void date_text(const ASN1_TIME *t, char to[32])
{
    struct tm when;

    if (t == NULL || ASN1_TIME_to_tm(t, &when) != 1 ||
        strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &when) == 0)
        snprintf(to, 32, "an impossible date");
}

/* As OpenSSL writes names: /CN=kapu broker. They are others' words: nothing but ASCII is shown. */
static const char *name_text(const X509_NAME *name, char to[NAME_MAX_N])
{
    if (X509_NAME_oneline(name, to, NAME_MAX_N) == NULL || to[0] == '\0')
        snprintf(to, NAME_MAX_N, "an unnamed holder");
    return to;
}

const char *certificate_time_fault(const X509 *x, uint64_t now_s, char *why, size_t n)
{
    const ASN1_TIME *from = X509_get0_notBefore(x), *to = X509_get0_notAfter(x);
    ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)now_s);
    const bool early = now == NULL || ASN1_TIME_compare(from, now) > 0;
    char name[NAME_MAX_N], limit[32], clock[32];

    why[0] = '\0';
    if (early || ASN1_TIME_compare(to, now) < 0) {
        date_text(early ? from : to, limit);
        date_text(now, clock);
        snprintf(why, n, "the certificate of %s %s %s, and this machine's clock says %s: %s",
                 name_text(X509_get_subject_name(x), name),
                 early ? "is not valid before" : "ran out on", limit, clock,
                 early ? "set the clock" : "make a new one, or set the clock if it is wrong");
    }
    ASN1_TIME_free(now);
    return why[0] != '\0' ? why : NULL;
}

void certificate_chain_fault(X509_STORE_CTX *c, uint64_t now_s, const char *where, const char *host,
                             char *why, size_t n)
{
    const int err = X509_STORE_CTX_get_error(c);
    const X509 *x = X509_STORE_CTX_get_current_cert(c);
    char name[NAME_MAX_N], issuer[NAME_MAX_N];

    if (x == NULL) {
        snprintf(why, n, "%s", X509_verify_cert_error_string(err));
        return;
    }
    name_text(X509_get_subject_name(x), name);
    name_text(X509_get_issuer_name(x), issuer);
    switch (err) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
        if (certificate_time_fault(x, now_s, why, n) != NULL)
            return;
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        snprintf(why, n, "the certificate of %s was issued by %s, whose certificate is not in %s",
                 name, issuer, where);
        return;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        snprintf(why, n,
                 "the certificate of %s is not signed by the key of the %s that is in %s: another "
                 "authority of the same name, or damage",
                 name, issuer, where);
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        snprintf(why, n, "the certificate of %s is not one for %s", name,
                 host != NULL ? host : "that name");
        return;
    default:
        break;
    }
    snprintf(why, n, "the certificate of %s: %s", name, X509_verify_cert_error_string(err));
}
