// SPDX-License-Identifier: Apache-2.0
/*
 * What `kapu release make` and `patch` write with a key and without: the same, but for what
 * kapu/cipher.h says. Decrypted here by OpenSSL alone.
 */
#include "tpm2_fixture.h"

#include <kapu/cipher.h>
#include <kapu/verity.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto_openssl.h"
#include "patch.h"
#include "payload.h"
#include "rebuild.h"
#include "release_key.h"

#define ROOT_SIZE (96u * RELEASE_BLOCK)
#define FIRMWARE_SIZE (40u * RELEASE_BLOCK - 77u)
#define FILE_MAX (1u << 20)
#define SHA (&crypto_openssl.sha256)

static char folder[64];
static uint8_t key[CIPHER_KEY_SIZE];
static struct package package;
static struct release_manifest manifest;

struct file {
    size_t n;
    uint8_t b[FILE_MAX];
};

static const char *path(const char *name)
{
    static char paths[8][128];
    static unsigned int next;
    char *to = paths[next++ % 8];

    snprintf(to, sizeof(paths[0]), "%s/%s", folder, name);
    return to;
}

static struct file *read_file(const char *name)
{
    struct file *f = calloc(1, sizeof(*f));
    FILE *from = fopen(path(name), "rb");

    assert_true(f != NULL && from != NULL);
    f->n = fread(f->b, 1, sizeof(f->b), from);
    assert_true(f->n > 0 && f->n < sizeof(f->b));
    assert_int_equal(fclose(from), 0);
    return f;
}

static void write_file(const char *name, const uint8_t *p, size_t n)
{
    FILE *to = fopen(path(name), "wb");

    assert_non_null(to);
    assert_int_equal(fwrite(p, 1, n, to), n);
    assert_int_equal(fclose(to), 0);
}

/* Words of few letters, so that it can be compressed; each 20th block of `seed` is another. */
static void make_sources(uint32_t seed)
{
    static uint8_t content[ROOT_SIZE + FIRMWARE_SIZE];

    for (size_t i = 0; i < sizeof(content); i++) {
        const uint32_t block = (uint32_t)(i / RELEASE_BLOCK);
        uint32_t x = (uint32_t)i * 2654435761u ^ (block % 20 == 0 ? seed * 40503u : 0);

        x ^= x >> 15;
        x *= 2246822519u;
        content[i] = (uint8_t)('a' + (x >> 24) % 11);
    }
    write_file("root", content, ROOT_SIZE);
    write_file("firmware", content + ROOT_SIZE, FIRMWARE_SIZE);
}

static void describe(void)
{
    static struct verity v;
    struct file *root = read_file("root"), *firmware = read_file("firmware");

    package = (struct package){.firmware = {.size = FIRMWARE_SIZE}, .root_size = ROOT_SIZE};
    manifest =
        (struct release_manifest){.firmware = {.size = FIRMWARE_SIZE}, .root = {.size = ROOT_SIZE}};
    assert_int_equal(
        SHA->hash(SHA->ctx, &(struct bytes){firmware->b, firmware->n}, 1, manifest.firmware.sha256),
        0);
    assert_int_equal(
        verity_begin(&v, SHA, manifest.root.salt, ROOT_SIZE / RELEASE_BLOCK, NULL, NULL), 0);
    for (size_t at = 0; at < ROOT_SIZE; at += RELEASE_BLOCK)
        assert_int_equal(verity_add(&v, root->b + at), 0);
    assert_int_equal(verity_end(&v, manifest.root.hash), 0);
    free(root);
    free(firmware);
}

static void make(const char *payload, const char *index, const uint8_t *with)
{
    const struct payload_options o = {.level = 3, .key = with};
    char why[PACKAGE_WHY] = "", to_payload[128], to_index[128];

    snprintf(to_payload, sizeof(to_payload), "%s", path(payload));
    snprintf(to_index, sizeof(to_index), "%s", path(index));
    if (payload_make(&package, path("firmware"), path("root"), to_payload, to_index,
                     &manifest.index, &o, why) != 0)
        fail_msg("%s", why);
}

static int rebuild(const char *payload, const char *index, const uint8_t *with, char *why)
{
    char from_payload[128], from_index[128];
    const struct rebuild r = {.payload = from_payload, .index = from_index, .key = with};
    struct install_figures figures;

    snprintf(from_payload, sizeof(from_payload), "%s", path(payload));
    snprintf(from_index, sizeof(from_index), "%s", path(index));
    return rebuild_release(&manifest, &r, &figures, NULL, why);
}

/* By OpenSSL's own HMAC and cipher, in one piece. */
static void decrypt(const char *name, struct file *f)
{
    static uint8_t out[FILE_MAX];
    uint8_t message[128], file_key[32], counter[16] = {0};
    unsigned int mac = 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0,
        at = snprintf((char *)message, sizeof(message), "kapu release file%c%s%c", 0, name, 0);

    assert_true(f->n > CIPHER_SALT_SIZE);
    memcpy(message + at, f->b, CIPHER_SALT_SIZE);
    assert_non_null(HMAC(EVP_sha256(), key, sizeof(key), message, (size_t)at + CIPHER_SALT_SIZE,
                         file_key, &mac));
    assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_256_ctr(), NULL, file_key, counter), 1);
    f->n -= CIPHER_SALT_SIZE;
    assert_int_equal(EVP_DecryptUpdate(c, out, &n, f->b + CIPHER_SALT_SIZE, (int)f->n), 1);
    assert_int_equal((size_t)n, f->n);
    memcpy(f->b, out, f->n);
    EVP_CIPHER_CTX_free(c);
}

/* Any 31 bytes of one, wherever they are, in the other: they have 16 that begin at a multiple
 * of 16. */
static bool share(const struct file *a, const struct file *b)
{
    for (size_t i = 0; i + 16 <= a->n; i += 16) {
        if (memmem(b->b, b->n, a->b + i, 16) != NULL)
            return true;
    }
    return false;
}

static void expect_encrypted(const char *name, const char *plain_name)
{
    struct file *plain = read_file(plain_name), *is = read_file(name);
    struct file *again;

    assert_int_equal(is->n, plain->n + CIPHER_SALT_SIZE);
    assert_true(share(plain, plain) && !share(plain, is));
    decrypt(name, is);
    assert_int_equal(is->n, plain->n);
    assert_memory_equal(is->b, plain->b, is->n);
    again = read_file(name);
    assert_memory_not_equal(again->b + CIPHER_SALT_SIZE, plain->b, 16);
    free(again);
    free(plain);
    free(is);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/kapu-payload-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(3 * i + 1);
    make_sources(1);
    describe();
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {
        "root",        "firmware",    "payload",           "index",    "plain",
        "plain.index", "p",           "p.index",           "again",    "again.index",
        "key",         "plain-patch", "plain-patch.index", "patch-00", "patch-00.index"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(path(names[i]));
    return rmdir(folder);
}

static void payload_and_index_are_the_plain_ones_encrypted(void **state)
{
    struct release_file plain;
    char why[PACKAGE_WHY] = "";
    uint8_t other[CIPHER_KEY_SIZE];

    (void)state;
    make("plain", "plain.index", NULL);
    plain = manifest.index;
    make("payload", "index", key);
    assert_memory_equal(&plain, &manifest.index,
                        sizeof(plain)); /* size and hash of the plain one */
    expect_encrypted("payload", "plain");
    expect_encrypted("index", "plain.index");
    assert_int_equal(rebuild("payload", "index", key, why), 0);
    assert_int_equal(rebuild("plain", "plain.index", NULL, why), 0);
    memcpy(other, key, sizeof(other));
    other[0] ^= 1;
    assert_int_equal(rebuild("payload", "index", other, why), -1);
    assert_int_equal(rebuild("payload", "index", NULL, why), -1);
    assert_int_equal(rebuild("plain", "plain.index", key, why), -1);
}

/* Two of one key and name under one key stream would tell what differs between them. */
static void a_file_that_is_made_again_has_another_salt_and_key_stream(void **state)
{
    struct file *first, *second;

    (void)state;
    make("payload", "index", key);
    first = read_file("payload");
    assert_int_equal(unlink(path("payload")), 0);
    make("payload", "index", key);
    second = read_file("payload");
    assert_int_equal(first->n, second->n);
    assert_memory_not_equal(first->b, second->b, CIPHER_SALT_SIZE);
    assert_false(share(first, second));
    decrypt("payload", first);
    decrypt("payload", second);
    assert_memory_equal(first->b, second->b, first->n);
    free(first);
    free(second);
}

static struct content read_content(void)
{
    struct content c = {0};
    char why[PACKAGE_WHY] = "";

    assert_int_equal(content_read(&c, &package, path("firmware"), path("root"), why), 0);
    return c;
}

static void make_patch(const char *name, const char *index, const uint8_t *with)
{
    const struct payload_options o = {.level = 3, .key = with};
    char why[PACKAGE_WHY] = "", to_patch[128], to_index[128];
    struct content from, to;
    struct patch_made made;
    uint8_t identity[RELEASE_DIGEST_SIZE] = {0};

    make_sources(2);
    from = read_content();
    make_sources(1);
    to = read_content();
    snprintf(to_patch, sizeof(to_patch), "%s", path(name));
    snprintf(to_index, sizeof(to_index), "%s", path(index));
    if (patch_make(identity, &from, &to, to_patch, to_index, &o, &made, why) != 0)
        fail_msg("%s", why);
    assert_true(made.frames > 0);
    free(from.p);
    free(to.p);
}

static void a_patch_and_its_index_are_the_plain_ones_encrypted(void **state)
{
    (void)state;
    make_patch("plain-patch", "plain-patch.index", NULL);
    make_patch("patch-00", "patch-00.index", key);
    expect_encrypted("patch-00", "plain-patch");
    expect_encrypted("patch-00.index", "plain-patch.index");
}

static void a_key_is_drawn_for_its_owner_and_never_overwritten(void **state)
{
    uint8_t made[CIPHER_KEY_SIZE], more[CIPHER_KEY_SIZE], got[CIPHER_KEY_SIZE];
    char why[PACKAGE_WHY] = "";
    struct file *f;
    struct stat s;

    (void)state;
    (void)umask(0);
    assert_int_equal(release_key_make(path("key"), made, why), 0);
    assert_int_equal(stat(path("key"), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    f = read_file("key");
    assert_int_equal(f->n, CIPHER_KEY_SIZE);
    assert_memory_equal(f->b, made, sizeof(made));
    free(f);
    assert_int_equal(release_key_make(path("key"), more, why), -1);
    assert_non_null(strstr(why, "exists"));
    manifest.encrypted = true;
    assert_int_equal(cipher_check(SHA, made, manifest.key_check), 0);
    assert_int_equal(release_key_read(path("key"), &manifest, got, why), 0);
    assert_memory_equal(got, made, sizeof(got));
    manifest.key_check[5] ^= 1;
    assert_int_equal(release_key_read(path("key"), &manifest, got, why), -1);
    assert_int_equal(unlink(path("key")), 0);
    assert_int_equal(release_key_make(path("key"), more, why), 0);
    assert_memory_not_equal(more, made, sizeof(made));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(payload_and_index_are_the_plain_ones_encrypted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_made_again_has_another_salt_and_key_stream,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_and_its_index_are_the_plain_ones_encrypted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_is_drawn_for_its_owner_and_never_overwritten, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
