// SPDX-License-Identifier: Apache-2.0
/* Endorsement certificates as makers of TPMs write them, and the harmful neighbours of what is
 * harmless in them (docs/tpm-hardware.md). */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include "tpm2_fixture.h"

#include "enrol.h"
#include "hardware_cases.h"
#include "odd_certificate.h"
#include "x509.h"

#define NOW 1790000000u /* 2026 */

/* Who issued it; the first three are in ek-cas.pem. */
enum by { MAKER, MIDDLE, OLD_ROOT, TWO_NAMES, HIDDEN, STRANGER, ISSUERS };

static struct odd_issuer issuer[ISSUERS];
static EVP_PKEY *ek;
static struct x509_roots *roots;
static char path[] = "/tmp/kapu-hardware-XXXXXX";

/* What lies in the index after the certificate, or around it. */
enum around {
    NOTHING,
    ZEROS,
    ONES,
    MIXED,
    TEXT,
    CUT,
    WRAPPED,
    WRAPPED_ONES,
    WRAPPED_TEXT,
    TWICE,
    V12
};

struct row {
    const char *name;
    struct odd_certificate c;
    enum by by;
    enum around around;
    const char *refused; /* part of the reason; NULL: accepted */
};

#define NO_EK "no certificate for an endorsement key"
#define SERIAL(s) .serial = (s), .serial_n = sizeof(s) - 1

static const struct row rows[] = {
    {"plain certificate", {0}, MAKER, NOTHING, NULL},
    /* in the index */
    {"index filled with 0xff", {0}, MAKER, ONES, NULL},
    {"index filled with 0x00", {0}, MAKER, ZEROS, NULL},
    {"index filled with both", {0}, MAKER, MIXED, "something follows"},
    {"other bytes after the certificate", {0}, MAKER, TEXT, "something follows"},
    {"a second certificate after it", {0}, MAKER, TWICE, "something follows"},
    {"certificate cut", {0}, MAKER, CUT, "malformed"},
    {"OCTET STRING around it", {0}, MAKER, WRAPPED, NULL},
    {"OCTET STRING, then filling", {0}, MAKER, WRAPPED_ONES, NULL},
    {"OCTET STRING with more in it", {0}, MAKER, WRAPPED_TEXT, "something follows"},
    {"header of TPM 1.2 before it", {0}, MAKER, V12, "malformed"},
    /* numbers and dates */
    {"negative serial number", {SERIAL("\xff\x10")}, MAKER, NOTHING, NULL},
    {"serial number of 20 bytes",
     {SERIAL("\x7f\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13")},
     MAKER,
     NOTHING,
     NULL},
    {"serial number with zeros in front", {SERIAL("\0\0\1")}, MAKER, NOTHING, "begins with zeros"},
    {"good until 9999", {.to = "99991231235959Z"}, MAKER, NOTHING, NULL},
    {"good until 2049", {.to = "20491231235959Z"}, MAKER, NOTHING, NULL},
    {"not yet good", {.from = "20300101000000Z"}, MAKER, NOTHING, "is not valid before"},
    {"not good any more", {.to = "20250101000000Z"}, MAKER, NOTHING, "ran out on"},
    /* names */
    {"subject with a name", {.subject = "a TPM"}, MAKER, NOTHING, NULL},
    {"alternative name critical", {.critical = true}, MAKER, NOTHING, NULL},
    {"TPM's attributes in one set", {.critical = true, .one_set = true}, MAKER, NOTHING, NULL},
    {"attributes as PrintableString",
     {.critical = true, .string_type = 0x13},
     MAKER,
     NOTHING,
     NULL},
    {"attributes as BMPString", {.critical = true, .string_type = 0x1e}, MAKER, NOTHING, NULL},
    {"attributes as TeletexString", {.critical = true, .string_type = 0x14}, MAKER, NOTHING, NULL},
    {"alternative name absent, purpose there",
     {.no_tpm = true, .subject = "x"},
     MAKER,
     NOTHING,
     NULL},
    {"issuer's name with an unsorted set", {0}, TWO_NAMES, NOTHING, NULL},
    /* what it is for */
    {"purpose absent, TPM named", {.purposes = ""}, MAKER, NOTHING, NULL},
    {"purpose absent, TPM named in part",
     {.purposes = "", .tpm_half = true},
     MAKER,
     NOTHING,
     NO_EK},
    {"purpose absent, no TPM named", {.purposes = "", .no_tpm = true}, MAKER, NOTHING, NO_EK},
    {"further purpose", {.purposes = "1.3.6.1.5.5.7.3.2 2.23.133.8.1"}, MAKER, NOTHING, NULL},
    {"other purpose", {.purposes = "1.3.6.1.5.5.7.3.2"}, MAKER, NOTHING, NO_EK},
    {"purpose of an attestation key", {.purposes = "2.23.133.8.3"}, MAKER, NOTHING, NO_EK},
    {"any purpose", {.purposes = "2.5.29.37.0"}, MAKER, NOTHING, NO_EK},
    {"key usage absent", {.usage_absent = true}, MAKER, NOTHING, NULL},
    {"key usage keyEncipherment", {.usage = 0x20}, MAKER, NOTHING, NULL},
    {"key usage with more", {.usage = 0x88}, MAKER, NOTHING, NULL},
    {"key usage digitalSignature alone", {.usage = 0x80}, MAKER, NOTHING, "key usage is not"},
    {"key usage keyCertSign", {.usage = 0x0c}, MAKER, NOTHING, "key usage is not"},
    {"basic constraints absent", {.basic = ODD_BASIC_ABSENT}, MAKER, NOTHING, NULL},
    {"basic constraints, FALSE written out",
     {.basic = ODD_BASIC_EXPLICIT_FALSE},
     MAKER,
     NOTHING,
     NULL},
    {"basic constraints of an authority", {.basic = ODD_CA}, MAKER, NOTHING, NO_EK},
    {"subject directory attributes", {.attributes = true}, MAKER, NOTHING, NULL},
    {"subject directory attributes, critical",
     {.attributes = true, .attributes_critical = true},
     MAKER,
     NOTHING,
     "unhandled critical extension"},
    {"unknown extension", {.unknown = "2.23.133.2.18"}, MAKER, NOTHING, NULL},
    {"unknown extension, critical",
     {.unknown = "2.23.133.2.18", .unknown_critical = true},
     MAKER,
     NOTHING,
     "unhandled critical extension"},
    /* keys and chains */
    {"RSA key (index 0x01c00002)", {.key = ODD_KEY_RSA}, MAKER, NOTHING, "0x01c0000a"},
    {"RSA key with RSAES-OAEP as its algorithm",
     {.key = ODD_KEY_RSA_OAEP},
     MAKER,
     NOTHING,
     "0x01c0000a"},
    {"key on P-384 (index 0x01c00016)",
     {.key = ODD_KEY_P384},
     MAKER,
     NOTHING,
     "its key is not on P-256"},
    {"authority on P-384, intermediate alone is known", {0}, MIDDLE, NOTHING, NULL},
    {"RSA authority that signed itself with SHA-1", {0}, OLD_ROOT, NOTHING, NULL},
    {"signed with SHA-1", {.sha1 = true}, MAKER, NOTHING, "weak"},
    {"intermediate unknown, its place told",
     {.issuer_at = "http://tpm.example/one.cer"},
     HIDDEN,
     NOTHING,
     "its maker has it at http://tpm.example/one.cer"},
    {"its place with control characters",
     {.issuer_at = "http://x/\x1b[2J"},
     HIDDEN,
     NOTHING,
     "is not in ek-cas.pem"},
    {"authority of the same name", {0}, STRANGER, NOTHING, "is not signed by the key"},
};

static void need(bool good)
{
    assert_true(good);
}

static void write_pem(FILE *f, const struct odd_bytes *der)
{
    need(PEM_write(f, "CERTIFICATE", "", der->b, (long)der->n) > 0);
}

/* The maker's other authorities are issued by MAKER; HIDDEN and STRANGER are not in the file. */
static void make_issuer(enum by by, const struct odd_certificate *c, EVP_PKEY *key,
                        const struct odd_issuer *above, FILE *f)
{
    struct odd_bytes der;

    need(key != NULL);
    issuer[by].key = key;
    odd_name(c->subject, c->two_names, &issuer[by].name);
    odd_certificate_make(c, key, above, &der);
    if (f != NULL)
        write_pem(f, &der);
}

#define AUTHORITY(...)                                                                             \
    (&(struct odd_certificate){.basic = ODD_CA, .no_tpm = true, .purposes = "", __VA_ARGS__})

static int setup(void **state)
{
    const struct odd_issuer nobody = {.key = NULL};
    char why[256];
    FILE *f = fdopen(mkstemp(path), "w");

    (void)state;
    need(f != NULL);
    ek = EVP_EC_gen("P-256");
    need(ek != NULL);
    make_issuer(MAKER, AUTHORITY(.subject = "maker"), EVP_EC_gen("P-256"), &nobody, f);
    make_issuer(HIDDEN, AUTHORITY(.subject = "large root"), EVP_EC_gen("P-384"), &nobody, NULL);
    make_issuer(MIDDLE, AUTHORITY(.subject = "intermediate"), EVP_EC_gen("P-384"), &issuer[HIDDEN],
                f);
    make_issuer(OLD_ROOT, AUTHORITY(.subject = "old", .sha1 = true), EVP_RSA_gen(2048), &nobody, f);
    make_issuer(TWO_NAMES, AUTHORITY(.subject = "unsorted", .two_names = true), EVP_EC_gen("P-256"),
                &nobody, f);
    make_issuer(STRANGER, AUTHORITY(.subject = "maker"), EVP_EC_gen("P-256"), &nobody, NULL);
    need(fclose(f) == 0);
    roots = x509_roots_load(path, why, sizeof(why));
    if (roots == NULL)
        fail_msg("%s", why);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    x509_roots_free(roots);
    for (size_t i = 0; i < ISSUERS; i++)
        EVP_PKEY_free(issuer[i].key);
    EVP_PKEY_free(ek);
    return unlink(path);
}

/* ---- the index ---- */

static void append(struct odd_bytes *to, const void *p, size_t n)
{
    need(n <= sizeof(to->b) - to->n);
    memcpy(to->b + to->n, p, n);
    to->n += n;
}

static void in_octets(struct odd_bytes *b)
{
    const struct odd_bytes content = *b;
    const uint8_t head[] = {0x04, 0x82, (uint8_t)(b->n >> 8), (uint8_t)b->n};

    b->n = 0;
    append(b, head, sizeof(head));
    append(b, content.b, content.n);
}

static void put_around(struct odd_bytes *b, enum around around)
{
    static const uint8_t ones[300] = {[0 ... 299] = 0xff}, zeros[300];
    const struct odd_bytes plain = *b;

    if (around == WRAPPED_TEXT)
        append(b, "abc", 3);
    if (around == WRAPPED || around == WRAPPED_ONES || around == WRAPPED_TEXT)
        in_octets(b);
    if (around == ONES || around == WRAPPED_ONES)
        append(b, ones, sizeof(ones));
    if (around == ZEROS || around == MIXED)
        append(b, zeros, sizeof(zeros));
    if (around == MIXED)
        append(b, ones, sizeof(ones));
    if (around == TEXT)
        append(b, "abc", 3);
    if (around == TWICE)
        append(b, plain.b, plain.n);
    if (around == CUT)
        b->n--;
    if (around == V12) {
        const uint8_t head[] = {0x10, 0x01, 0x00, (uint8_t)(b->n >> 8), (uint8_t)b->n};

        b->n = 0;
        append(b, head, sizeof(head));
        append(b, plain.b, plain.n);
    }
}

static void certificates_of_real_tpms_are_accepted_and_their_neighbours_refused(void **state)
{
    uint8_t x[32], y[32];
    char why[ENROL_WHY];

    (void)state;
    assert_int_equal(openssl_p256_coordinates(ek, x, y), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct evidence_key key = {.x = {0}};
        struct odd_bytes b;
        int err;

        odd_certificate_make(&r->c, ek, &issuer[r->by], &b);
        put_around(&b, r->around);
        why[0] = '\0';
        err = x509_check_ek(roots, (struct bytes){b.b, b.n}, NULL, 0, NOW, &key, why, sizeof(why));
        hardware_case(r->name, r->refused == NULL, err == 0,
                      r->refused == NULL
                          ? memcmp(key.x, x, 32) == 0 && memcmp(key.y, y, 32) == 0
                          : strstr(why, r->refused) != NULL && strchr(why, 0x1b) == NULL,
                      why);
    }
    assert_int_equal(hardware_wrong, 0);
}

/* What OpenSSL makes of bytes is the library's affair; that nothing in front of it reads outside of
 * them, and that no change of a byte goes unseen, is ours. */
static void no_changed_byte_of_a_certificate_is_accepted(void **state)
{
    const struct odd_certificate plain = {.critical = true};
    struct evidence_key key;
    char why[ENROL_WHY];
    struct odd_bytes b;

    (void)state;
    odd_certificate_make(&plain, ek, &issuer[MAKER], &b);
    for (size_t i = 0; i < b.n; i++) {
        uint8_t *exact = malloc(b.n);

        need(exact != NULL);
        memcpy(exact, b.b, b.n);
        exact[i] ^= 0x40;
        assert_int_equal(
            x509_check_ek(roots, (struct bytes){exact, b.n}, NULL, 0, NOW, &key, why, sizeof(why)),
            KAPU_EAUTH);
        exact[i] ^= 0x40;
        if (i < 8)
            assert_int_equal(x509_check_ek(roots, (struct bytes){exact, i}, NULL, 0, NOW, &key, why,
                                           sizeof(why)),
                             KAPU_EAUTH);
        free(exact);
    }
}

/* ---- coordinates without their zeros ---- */

static void a_tpm_that_leaves_out_zeros_of_its_key_has_the_name_that_follows(void **state)
{
    struct evidence_key key = {.x = {0, 0, 3}, .y = {0, 7}};
    char called[PROTOCOL_NAME_SIZE], other[PROTOCOL_NAME_SIZE];
    uint8_t buf[160], ueid[EVIDENCE_UEID_SIZE];
    static const struct {
        const char *name;
        uint8_t x_n, y_n;
        bool good;
    } row[] = {{"coordinates with all zeros", 32, 32, true},
               {"coordinate without its zeros", 30, 32, true},
               {"coordinates without their zeros", 30, 31, true},
               {"coordinate without one of two zeros", 31, 32, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct tpm2_public pub;
        struct tpm2_name name;
        struct rd r;
        struct wr w;
        int err;

        tpm2_template_ek(&pub);
        memcpy(pub.x, key.x, 32);
        memcpy(pub.y, key.y, 32);
        pub.x_n = row[i].x_n;
        pub.y_n = row[i].y_n;
        assert_int_equal(tpm2_public_name(SHA256, &pub, &name), 0);
        assert_int_equal(evidence_ueid(SHA256, (struct bytes){name.b, name.n}, ueid), 0);
        protocol_name(ueid, called);
        wr_init(&w, buf, sizeof(buf));
        err = enrol_ek_public(&key, called, other, &w);
        hardware_case(row[i].name, row[i].good, err == 0, err == 0 || err == KAPU_EPIN, other);
        if (err != 0)
            continue;
        rd_init(&r, wr_done(&w));
        assert_int_equal(tpm2_rd_public(&r, &pub), 0);
        assert_int_equal(pub.x_n, row[i].x_n);
        assert_int_equal(pub.y_n, row[i].y_n);
        assert_string_equal(called, other);
    }
    assert_int_equal(hardware_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_of_real_tpms_are_accepted_and_their_neighbours_refused),
        cmocka_unit_test(no_changed_byte_of_a_certificate_is_accepted),
        cmocka_unit_test(a_tpm_that_leaves_out_zeros_of_its_key_has_the_name_that_follows),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
