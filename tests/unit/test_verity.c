// SPDX-License-Identifier: Apache-2.0
/* Hash trees held against those of veritysetup, for every shape that a tree of up to three levels
 * has. */
#include "tpm2_fixture.h"

#include <kapu/verity.h>

#include <unistd.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define PATH 64

/* Around each number of blocks at which a level gets a block more, or the tree a level. */
static const uint64_t sizes[] = {1,   2,   3,   127,  128,   129,   255,   256,   257,
                                 300, 511, 513, 7127, 16383, 16384, 16385, 16513, 20000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static uint8_t salt[VERITY_SALT];
static struct verity tree;

static void block_of(uint64_t number, uint8_t block[VERITY_BLOCK])
{
    for (size_t i = 0; i < VERITY_BLOCK; i++)
        block[i] = (uint8_t)(number * 31 + i * (number % 7 + 1) + (i >> 8));
}

struct image {
    FILE *file;
    uint64_t blocks, put;
};

static int put(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK])
{
    struct image *to = ctx;

    assert_true(number >= to->blocks);
    to->put++;
    assert_int_equal(fseek(to->file, (long)(number * VERITY_BLOCK), SEEK_SET), 0);
    assert_int_equal(fwrite(block, 1, VERITY_BLOCK, to->file), VERITY_BLOCK);
    return 0;
}

/* What veritysetup says of the data, and the tree that it writes. */
static void theirs(const char *data, const char *hashes, char root[2 * VERITY_HASH + 1])
{
    char command[512], line[256], salt_hex[2 * VERITY_SALT + 1];
    FILE *said;

    for (size_t i = 0; i < sizeof(salt); i++)
        snprintf(salt_hex + 2 * i, 3, "%02x", salt[i]);
    snprintf(command, sizeof(command),
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin veritysetup format --no-superblock --salt %s "
             "--data-block-size 4096 --hash-block-size 4096 %s %s",
             salt_hex, data, hashes);
    said = popen(command, "r");
    assert_non_null(said);
    root[0] = '\0';
    while (fgets(line, sizeof(line), said) != NULL)
        (void)sscanf(line, "Root hash: %64[0-9a-f]", root);
    assert_int_equal(pclose(said), 0);
    assert_int_equal(strlen(root), 2 * VERITY_HASH);
}

static void compare(uint64_t blocks)
{
    char data[PATH] = "/tmp/kapu-verity-XXXXXX", hashes[PATH] = "/tmp/kapu-verity-XXXXXX";
    char expected[2 * VERITY_HASH + 1], is[2 * VERITY_HASH + 1];
    uint8_t block[VERITY_BLOCK], other[VERITY_BLOCK], root[VERITY_HASH];
    const int data_fd = mkstemp(data), hashes_fd = mkstemp(hashes);
    struct image image = {.file = fdopen(data_fd, "w+"), .blocks = blocks};
    FILE *tree_file = fdopen(hashes_fd, "r");

    assert_non_null(image.file);
    assert_non_null(tree_file);
    for (uint64_t i = 0; i < blocks; i++) {
        block_of(i, block);
        assert_int_equal(fwrite(block, 1, sizeof(block), image.file), sizeof(block));
    }
    assert_int_equal(fflush(image.file), 0);
    theirs(data, hashes, expected);
    assert_int_equal(verity_begin(&tree, SHA, salt, blocks, put, &image), 0);
    for (uint64_t i = 0; i < blocks; i++) {
        block_of(i, block);
        assert_int_equal(verity_add(&tree, block), 0);
    }
    assert_int_equal(verity_end(&tree, root), 0);
    for (size_t i = 0; i < sizeof(root); i++)
        snprintf(is + 2 * i, 3, "%02x", root[i]);
    assert_string_equal(is, expected);
    assert_int_equal(image.put, verity_tree_blocks(blocks));
    assert_int_equal(fseek(image.file, (long)(blocks * VERITY_BLOCK), SEEK_SET), 0);
    for (uint64_t i = 0; i < image.put; i++) {
        assert_int_equal(fread(block, 1, sizeof(block), image.file), sizeof(block));
        assert_int_equal(fread(other, 1, sizeof(other), tree_file), sizeof(other));
        assert_memory_equal(block, other, sizeof(block));
    }
    assert_int_equal(fread(other, 1, 1, tree_file), 0);
    fclose(image.file);
    fclose(tree_file);
    unlink(data);
    unlink(hashes);
}

static void trees_are_those_of_veritysetup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)(i * 7 + 1);
    for (size_t i = 0; i < SIZES; i++)
        compare(sizes[i]);
}

static void too_few_or_too_many_blocks_are_no_image(void **state)
{
    uint8_t block[VERITY_BLOCK] = {0}, root[VERITY_HASH];

    (void)state;
    assert_int_equal(verity_begin(&tree, SHA, salt, 0, NULL, NULL), KAPU_EARG);
    assert_int_equal(verity_begin(&tree, SHA, salt, VERITY_BLOCKS_MAX + 1, NULL, NULL), KAPU_EARG);
    assert_int_equal(verity_tree_blocks(0), 0);
    assert_int_equal(verity_tree_blocks(VERITY_BLOCKS_MAX + 1), 0);
    assert_int_equal(verity_begin(&tree, SHA, salt, 3, NULL, NULL), 0);
    assert_int_equal(verity_add(&tree, block), 0);
    assert_int_equal(verity_add(&tree, block), 0);
    assert_int_equal(verity_end(&tree, root), KAPU_ERANGE);
    assert_int_equal(verity_begin(&tree, SHA, salt, 1, NULL, NULL), 0);
    assert_int_equal(verity_add(&tree, block), 0);
    assert_int_equal(verity_end(&tree, root), 0);
    assert_int_equal(verity_add(&tree, block), KAPU_EARG);
    assert_int_equal(verity_end(&tree, root), KAPU_EARG);
}

static int full(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK])
{
    (void)ctx, (void)number, (void)block;
    return KAPU_ESPACE;
}

static int broken(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    (void)ctx, (void)part, (void)parts, (void)out;
    return -1;
}

static void an_error_of_disk_or_port_stays(void **state)
{
    const struct kapu_sha256 bad = {broken, NULL};
    uint8_t block[VERITY_BLOCK] = {0}, root[VERITY_HASH];

    (void)state;
    assert_int_equal(verity_begin(&tree, SHA, salt, 2, full, NULL), 0);
    assert_int_equal(verity_add(&tree, block), 0);
    assert_int_equal(verity_add(&tree, block), KAPU_ESPACE);
    assert_int_equal(verity_end(&tree, root), KAPU_ESPACE);
    assert_int_equal(verity_begin(&tree, &bad, salt, 2, NULL, NULL), 0);
    assert_int_equal(verity_add(&tree, block), KAPU_ECRYPTO);
    assert_int_equal(verity_add(&tree, block), KAPU_ECRYPTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_are_those_of_veritysetup),
        cmocka_unit_test(too_few_or_too_many_blocks_are_no_image),
        cmocka_unit_test(an_error_of_disk_or_port_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
