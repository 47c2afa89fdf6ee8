// SPDX-License-Identifier: Apache-2.0
/* Files of reference values: read as they were made, and believed by their signature alone. */
#include <openssl/pem.h>

#include "tpm2_fixture.h"

#include <unistd.h>

#include "crypto_openssl.h"
#include "reference.h"
#include "soft_key.h"
#include "symbols.h"

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

static void symbols_that_the_build_packed_name_places(void **state)
{
    static const struct {
        uint32_t offset;
        const char *place;
    } row[] = {{0x10, "_stext+0x0"},      {0xfff, "_stext+0xfef"},   {0x1000, "vfs_read+0x0"},
               {0x10ff, "vfs_read+0xff"}, {0x1100, "vfs_write+0x0"}, {0xffef, "vfs_write+0xeeef"},
               {0xfff0, "_edata+0x0"},    {0xffff, "_edata+0xf"}};
    struct symbols s;
    char place[64];

    (void)state;
    assert_int_equal(decode(content_n), 0);
    assert_int_equal(release[0].kernel.size, 0);
    assert_int_equal(release[1].kernel.size, 0x10000);
    assert_int_equal(release[1].kernel.symbols, 4);
    assert_int_equal(symbols_open(&s, &release[1].kernel), 0);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        assert_true(symbols_place(&s, row[i].offset, place, sizeof(place)));
        assert_string_equal(place, row[i].place);
    }
    assert_false(symbols_place(&s, 0xf, place, sizeof(place)));
    assert_false(symbols_place(&s, 0x10000, place, sizeof(place)));
    symbols_close(&s);
    assert_false(symbols_place(&s, 0x10, place, sizeof(place)));
}

/* What is packed must be what was said of it, to the byte. */
static void packed_symbols_of_another_size_are_refused(void **state)
{
    struct verifier_kernel k;
    struct symbols s;

    (void)state;
    assert_int_equal(decode(content_n), 0);
    for (unsigned i = 0; i < 8; i++) {
        k = release[1].kernel;
        k.unpacked += i == 0;
        k.unpacked -= i == 1;
        k.symbols += i == 2;
        k.symbols -= i == 3;
        k.packed.n -= i == 4;
        k.packed.n += i == 5; /* a byte of the content behind it */
        k.size = i == 6 ? 0xfff0 : k.size;
        k.unpacked = i == 7 ? SYMBOLS_TABLE_MAX + 1 : k.unpacked;
        assert_int_not_equal(symbols_open(&s, &k), 0);
        assert_null(s.table);
    }
}

static void a_table_of_symbols_has_one_form(void **state)
{
#define TABLE(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text)                                                      \
    } /* its end is the last name's */
    static const struct {
        struct bytes table;
        bool good;
    } row[] = {
        {TABLE("\x00\x01"
               "a\0b"),
         true},
        {TABLE("\x05\x7a"
               "a\0b"),
         true}, /* the last byte of the image */
        {TABLE("\x05\x7b"
               "a\0b"),
         false}, /* the one behind */
        {TABLE("\x05\x00"
               "a\0b"),
         false}, /* two at one place */
        {TABLE("\x80\x00\x01"
               "a\0b"),
         false}, /* longer than it must be */
        {TABLE("\xff\xff\xff\xff\x7f\x01"
               "a\0b"),
         false},
        {TABLE("\x80\x80\x80\x80\x80\x01"
               "a\0b"),
         false},
        {TABLE("\x00\x01"
               "a\0"),
         false}, /* a name of no bytes */
        {TABLE("\x00\x01"
               "a\0b c"),
         false},
        {TABLE("\x00\x01"
               "a\0\x1b[2J"),
         false},
        {TABLE("\x00\x01"
               "a"),
         false},
        {TABLE("\x00\x01"
               "a\0b\0c"),
         false},
        {TABLE("\x00"), false},
    };
    struct symbols s;

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        int err = symbols_read(&s, 0x80, 2, row[i].table);

        if ((err == 0) != row[i].good)
            fail_msg("row %zu: %d", i, err);
        symbols_close(&s);
    }
    assert_int_equal(symbols_read(&s, 0x80, 0, row[0].table), KAPU_ERANGE);
    assert_int_equal(symbols_read(&s, 0x80, SYMBOLS_MAX + 1, row[0].table), KAPU_ERANGE);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
    uint8_t table[1 + SYMBOLS_NAME_MAX + 2];
    struct symbols s;
    char place[128];

    (void)state;
    memset(table, 'n', sizeof(table));
    table[0] = table[sizeof(table) - 1] = 0;
    assert_int_equal(symbols_read(&s, 16, 1, BYTES_OF(table)), KAPU_EINVAL);
    table[SYMBOLS_NAME_MAX + 1] = 0;
    assert_int_equal(symbols_read(&s, 16, 1, (struct bytes){table, SYMBOLS_NAME_MAX + 2}), 0);
    assert_true(symbols_place(&s, 15, place, sizeof(place)));
    assert_int_equal(strlen(place), 96 + 4);
    assert_string_equal(place + 96, "+0xf"); /* the name is cut, the offset is not */
    symbols_close(&s);
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
    content[content_n - 1] ^= 1; /* of the packed symbols' check sum */
    write_file(sign(&signer, &signer, &reference_kind));
    assert_int_not_equal(open_file(), 0);
    assert_non_null(strstr(why, "symbols cannot be read"));
    content[content_n - 1] ^= 1;
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
    assert_int_equal(reference_keys_load(path, &read, why, sizeof(why)), KAPU_EINVAL);
    f = fopen(path, "w");
    for (unsigned i = 0; i <= REFERENCE_KEYS; i++)
        put_key(f, &signer);
    fclose(f);
    assert_int_equal(reference_keys_load(path, &read, why, sizeof(why)), KAPU_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_the_build_makes_is_read),
        TEST(symbols_that_the_build_packed_name_places),
        TEST(packed_symbols_of_another_size_are_refused),
        TEST(a_table_of_symbols_has_one_form),
        TEST(a_name_that_is_too_long_is_refused),
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
