// SPDX-License-Identifier: Apache-2.0
#include "part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aes.h"
#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

int part_open(const char *path, uint64_t most, const uint8_t *key, struct part *p,
              char why[PACKAGE_WHY])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const struct bytes text = {(const uint8_t *)name, strlen(name)};

    p->encrypted = key != NULL;
    if (mapped_open(path, most + (key != NULL ? CIPHER_SALT_SIZE : 0), &p->file, why) != 0)
        return -1;
    p->n = p->file.n;
    if (key == NULL)
        return 0;
    if (p->n <= CIPHER_SALT_SIZE)
        return SAY("%s: is shorter than an encrypted file", path);
    p->n -= CIPHER_SALT_SIZE;
    return cipher_file_key(SHA, key, text, p->file.p, p->key) == 0
               ? 0
               : SAY("%s: no key can be made for this file", path);
}

void part_close(struct part *p)
{
    mapped_close(&p->file);
    kapu_wipe(p, sizeof(*p));
}

int part_read(const struct part *p, uint64_t at, uint8_t *to, size_t n)
{
    if (at > p->n || n > p->n - at)
        return KAPU_EIO;
    memcpy(to, p->file.p + (p->encrypted ? CIPHER_SALT_SIZE : 0) + at, n);
    return p->encrypted ? cipher_range(&aes_openssl, p->key, at, to, n) : 0;
}

struct bytes part_read_all(const struct part *p)
{
    uint8_t *to = malloc(p->n);

    if (to == NULL || part_read(p, 0, to, p->n) != 0) {
        free(to);
        return (struct bytes){NULL, 0};
    }
    return (struct bytes){to, p->n};
}
