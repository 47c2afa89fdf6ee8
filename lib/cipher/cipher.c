// SPDX-License-Identifier: Apache-2.0
#include <kapu/cipher.h>
#include <kapu/evidence.h>

#include <string.h>

#define TEXT(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* Neither is the beginning of the other, so no message of one is a message of the other. */
#define CHECK_LABEL TEXT("kapu release key")
#define FILE_LABEL TEXT("kapu release file\0")
#define END_OF_NAME TEXT("\0")

#define BYTES_MAX ((uint64_t)1 << 31) /* of a plain file: RELEASE_SIZE_MAX */

int cipher_check(const struct kapu_sha256 *h, const uint8_t key[CIPHER_KEY_SIZE],
                 uint8_t check[CIPHER_CHECK_SIZE])
{
    return evidence_hmac(h, key, &CHECK_LABEL, 1, check);
}

int cipher_is_key(const struct kapu_sha256 *h, const uint8_t key[CIPHER_KEY_SIZE],
                  const uint8_t check[CIPHER_CHECK_SIZE])
{
    uint8_t is[CIPHER_CHECK_SIZE];
    int err = cipher_check(h, key, is);

    return err == 0 && !kapu_equal(is, check, sizeof(is)) ? KAPU_EPIN : err;
}

int cipher_file_key(const struct kapu_sha256 *h, const uint8_t key[CIPHER_KEY_SIZE],
                    struct bytes name, const uint8_t salt[CIPHER_SALT_SIZE],
                    uint8_t file_key[CIPHER_KEY_SIZE])
{
    const struct bytes part[] = {FILE_LABEL, name, END_OF_NAME, {salt, CIPHER_SALT_SIZE}};
    int err = KAPU_EARG;

    memset(file_key, 0, CIPHER_KEY_SIZE);
    if (name.n == 0 || name.n > CIPHER_NAME_MAX)
        return KAPU_EARG;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == 0)
            return KAPU_EARG;
    }
    err = evidence_hmac(h, key, part, sizeof(part) / sizeof(part[0]), file_key);
    if (err != 0)
        kapu_wipe(file_key, CIPHER_KEY_SIZE);
    return err;
}

static void counter_of(uint64_t at, uint8_t counter[CIPHER_BLOCK])
{
    struct wr w;

    wr_init(&w, counter, CIPHER_BLOCK);
    wr_be64(&w, 0);
    wr_be64(&w, at / CIPHER_BLOCK);
}

/* The port begins with a block: what is before `at` in it is a filling that is thrown away. */
int cipher_range(const struct cipher_port *port, const uint8_t file_key[CIPHER_KEY_SIZE],
                 uint64_t at, uint8_t *data, size_t n)
{
    const size_t skip = (size_t)(at % CIPHER_BLOCK);
    uint8_t counter[CIPHER_BLOCK], block[CIPHER_BLOCK] = {0};
    size_t some = skip > 0 ? CIPHER_BLOCK - skip : 0;
    int err = 0;

    if (at > BYTES_MAX || n > BYTES_MAX - at)
        return KAPU_EARG;
    if (some > n)
        some = n;
    if (some > 0) {
        memcpy(block + skip, data, some);
        counter_of(at, counter);
        err = port->ctr(port->ctx, file_key, counter, block, skip + some);
        memcpy(data, block + skip, some);
        kapu_wipe(block, sizeof(block)); /* key stream */
    }
    if (err == 0 && n > some) {
        counter_of(at + some, counter);
        err = port->ctr(port->ctx, file_key, counter, data + some, n - some);
    }
    return err == 0 ? 0 : KAPU_ECRYPTO;
}
