// SPDX-License-Identifier: Apache-2.0
/* Files of reference values: read as they were made, and believed by their signature alone. */
#include <openssl/pem.h>

#include "tpm2_fixture.h"

#include <unistd.h>

#include "crypto_openssl.h"
#include "reference.h"
#include "soft_key.h"

static struct soft_key signer, stranger;
static struct reference_keys keys;
static struct verifier_reference release[4];
static struct reference_values values;
static uint8_t content[4096], file[8192], work[8192];
static size_t content_n;
static char folder[64], path[96];
static char why[512];

static size_t read_vector(void)
{
    FILE *f = fopen(VECTORS "/two-releases", "rb");
    size_t n;

    assert_non_null(f);
    n = fread(content, 1, sizeof(content), f);
    fclose(f);
    return n;
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/kapu-reference-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    soft_key_make(&signer, "signer of releases");
    soft_key_make(&stranger, "somebody else");
    keys = (struct reference_keys){.n = 1, .key = {signer.pub}};
    values = (struct reference_values){.room = 4, .release = release};
    content_n = read_vector();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int decode(size_t n)
{
    return reference_decode((struct bytes){content, n}, &values, work, sizeof(work));
}

/* The content under a signature of that key, which names the key `named`. */
static struct bytes sign(const struct soft_key *key, const struct soft_key *named,
                         const struct evidence_kind *kind)
{
    struct evidence_token t = {.payload = {content, content_n}};
    uint8_t digest[32];
    struct wr w;

    assert_int_equal(evidence_key_thumbprint(SHA256, &named->pub, t.kid), 0);
    assert_int_equal(evidence_signed_digest(SHA256, kind, t.kid, t.payload, digest), 0);
    soft_key_sign(key, digest, t.signature);
    wr_init(&w, file, sizeof(file));
    assert_int_equal(evidence_signed_encode(kind, &t, &w), 0);
    return wr_done(&w);
}

static int verify(struct bytes in)
{
    struct evidence_token t;

    return reference_verify(in, &keys, &t, work, sizeof(work));
}

static void write_file(struct bytes b)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
    fclose(f);
}

static void what_the_build_makes_is_read(void **state)
{
    uint8_t digest[32];

    (void)state;
    assert_int_equal(decode(content_n), 0);
    assert_string_equal(values.platform, "qemu-virt");
    assert_int_equal(values.releases, 2);
    assert_string_equal(release[1].release, "0.6.0");
    assert_string_equal(release[1].flavour, "lab");
    assert_int_equal(release[1].counter, 70000);
    SHA256->hash(NULL, &BYTES_STR("0.6.0 lab 9"), 1, digest);
    assert_memory_equal(release[1].pcr[EVIDENCE_PCR_COMMAND], digest, 32);
}

static void more_releases_than_there_is_room_for_are_none(void **state)
{
    (void)state;
    values.room = 1;
    assert_int_equal(decode(content_n), KAPU_ESPACE);
    assert_int_equal(values.releases, 0);
}

static void content_that_is_cut_or_goes_on_is_refused(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < content_n; cut++)
        assert_int_equal(decode(cut), KAPU_EINVAL);
    assert_int_equal(decode(content_n + 1), KAPU_EINVAL);
}

static void content_of_another_version_is_unsupported(void **state)
{
    (void)state;
    for (uint8_t other = 0; other < 24; other++) {
        content[2] = other;
        assert_int_equal(decode(content_n), other == 2 ? 0 : KAPU_EUNSUPPORTED);
    }
}

/* What is read is what was encoded, or it is not read. */
static void there_is_one_encoding_of_the_content(void **state)
{
    static uint8_t again[sizeof(content)];
    struct wr w;

    (void)state;
    for (size_t i = 0; i < content_n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            content[i] ^= (uint8_t)(1U << bit);
            if (decode(content_n) == 0) {
                wr_init(&w, again, sizeof(again));
                assert_int_equal(reference_encode(&values, &w), 0);
                assert_int_equal(w.at, content_n);
                assert_memory_equal(again, content, content_n);
            }
            content[i] ^= (uint8_t)(1U << bit);
        }
    }
}

static void what_has_no_place_in_the_format_is_not_encoded(void **state)
{
    struct wr w;

    (void)state;
    assert_int_equal(decode(content_n), 0);
    release[1].flavour[0] = '\0';
    wr_init(&w, work, sizeof(work));
    assert_int_equal(reference_encode(&values, &w), KAPU_EARG);
    release[1].flavour[0] = '\n';
    wr_init(&w, work, sizeof(work));
    assert_int_equal(reference_encode(&values, &w), KAPU_EARG);
    values.releases = 0;
    wr_init(&w, work, sizeof(work));
    assert_int_equal(reference_encode(&values, &w), KAPU_EARG);
}

static void a_signature_by_any_key_of_the_list_is_believed(void **state)
{
    (void)state;
    assert_int_equal(verify(sign(&signer, &signer, &reference_kind)), 0);
    assert_int_equal(verify(sign(&stranger, &stranger, &reference_kind)), KAPU_EPIN);
    keys.key[keys.n++] = stranger.pub;
    assert_int_equal(verify(sign(&stranger, &stranger, &reference_kind)), 0);
}

static void a_signature_by_another_than_is_named_is_refused(void **state)
{
    (void)state;
    assert_int_equal(verify(sign(&stranger, &signer, &reference_kind)), KAPU_EAUTH);
}

/* The same key may sign other things, and other things may look like these. */
static void what_was_signed_as_something_else_is_refused(void **state)
{
    static const char type[] = "application/eat+cwt";
    const struct evidence_kind token = {{(const uint8_t *)type, sizeof(type) - 1}, 4096};

    (void)state;
    assert_int_equal(verify(sign(&signer, &signer, &token)), KAPU_EUNSUPPORTED);
}

static void what_is_not_signed_is_refused(void **state)
{
    (void)state;
    assert_int_equal(verify((struct bytes){content, content_n}), KAPU_EINVAL);
    assert_int_equal(verify((struct bytes){content, 0}), KAPU_EINVAL);
}

static void each_bit_of_a_signed_file_counts(void **state)
{
    struct bytes whole = sign(&signer, &signer, &reference_kind);

    (void)state;
    for (size_t i = 0; i < whole.n; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            file[i] ^= (uint8_t)(1U << bit);
            assert_int_not_equal(verify(whole), 0);
            file[i] ^= (uint8_t)(1U << bit);
        }
    }
    for (size_t cut = 0; cut < whole.n; cut++)
        assert_int_not_equal(verify((struct bytes){file, cut}), 0);
    assert_int_equal(verify(whole), 0);
}

static int open_file(void)
{
    struct reference_file f;
    int err = reference_open(path, &keys, &f, why, sizeof(why));

    assert_int_equal(f.values.releases, err == 0 ? 2 : 0);
    if (err != 0)
        assert_non_null(strstr(why, path));
    reference_close(&f);
    return err;
}

static void a_file_that_is_refused_is_named_with_the_reason(void **state)
{
    (void)state;
    assert_int_not_equal(open_file(), 0);
    assert_non_null(strstr(why, "No such file"));
    write_file((struct bytes){content, content_n});
    assert_int_not_equal(open_file(), 0);
    assert_non_null(strstr(why, "not a signed file"));
    write_file(sign(&stranger, &stranger, &reference_kind));
    assert_int_not_equal(open_file(), 0);
    assert_non_null(strstr(why, "a key that is not believed"));
    write_file(sign(&stranger, &signer, &reference_kind));
    assert_int_not_equal(open_file(), 0);
    assert_non_null(strstr(why, "does not verify"));
    content[2] = 1;
    write_file(sign(&signer, &signer, &reference_kind));
    assert_int_not_equal(open_file(), 0);
    assert_non_null(strstr(why, "type or version"));
    content[2] = 2;
    write_file(sign(&signer, &signer, &reference_kind));
    assert_int_equal(open_file(), 0);
}

static void a_file_that_is_too_large_is_not_read(void **state)
{
    (void)state;
    write_file(sign(&signer, &signer, &reference_kind));
    assert_int_equal(truncate(path, REFERENCE_FILE_MAX + 1), 0);
    assert_int_equal(open_file(), KAPU_ERANGE);
    assert_non_null(strstr(why, "larger"));
}

/* ---- keys ---- */

static void put_key(FILE *f, const struct soft_key *k)
{
    EVP_PKEY *key = openssl_p256_public(k->pub.x, k->pub.y);

    assert_int_equal(PEM_write_PUBKEY(f, key), 1);
    EVP_PKEY_free(key);
}

static void keys_are_read_from_pem(void **state)
{
    struct reference_keys read;
    FILE *f = fopen(path, "w");

    (void)state;
    fprintf(f, "of the maker\n");
    put_key(f, &signer);
    fprintf(f, "of the integrator\n");
    put_key(f, &stranger);
    fclose(f);
    assert_int_equal(reference_keys_load(path, &read, why, sizeof(why)), 0);
    assert_int_equal(read.n, 2);
    assert_memory_equal(&read.key[0], &signer.pub, sizeof(signer.pub));
    assert_memory_equal(&read.key[1], &stranger.pub, sizeof(stranger.pub));
    assert_int_equal(truncate(path, 260), 0); /* in the middle of the second */
    assert_int_not_equal(reference_keys_load(path, &read, why, sizeof(why)), 0);
}

static void files_without_fit_keys_are_refused(void **state)
{
    EVP_PKEY *other = EVP_EC_gen("P-384");
    struct reference_keys read;
    FILE *f;

    (void)state;
    assert_int_not_equal(reference_keys_load(path, &read, why, sizeof(why)), 0);
    assert_non_null(strstr(why, "No such file"));
    write_file(BYTES_STR("no key\n"));
    assert_int_equal(reference_keys_load(path, &read, why, sizeof(why)), KAPU_ENOENT);
    f = fopen(path, "w");
    put_key(f, &signer);
    assert_int_equal(PEM_write_PUBKEY(f, other), 1);
    EVP_PKEY_free(other);
    fclose(f);
    assert_int_equal(reference_keys_load(path, &read, why, sizeof(why)), KAPU_EUNSUPPORTED);
    f = fopen(path, "w");
    for (unsigned i = 0; i <= REFERENCE_KEYS; i++)
        put_key(f, &signer);
    fclose(f);
    assert_int_equal(reference_keys_load(path, &read, why, sizeof(why)), KAPU_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_the_build_makes_is_read),
        TEST(more_releases_than_there_is_room_for_are_none),
        TEST(content_that_is_cut_or_goes_on_is_refused),
        TEST(content_of_another_version_is_unsupported),
        TEST(there_is_one_encoding_of_the_content),
        TEST(what_has_no_place_in_the_format_is_not_encoded),
        TEST(a_signature_by_any_key_of_the_list_is_believed),
        TEST(a_signature_by_another_than_is_named_is_refused),
        TEST(what_was_signed_as_something_else_is_refused),
        TEST(what_is_not_signed_is_refused),
        TEST(each_bit_of_a_signed_file_counts),
        TEST(a_file_that_is_refused_is_named_with_the_reason),
        TEST(a_file_that_is_too_large_is_not_read),
        TEST(keys_are_read_from_pem),
        TEST(files_without_fit_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
