// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "aes.h"
#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define PIECE 4096u
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

int output_open(struct output *o, const char *path, char why[PACKAGE_WHY])
{
    o->path = path;
    if (snprintf(o->temporary, sizeof(o->temporary), "%s.new", path) >= (int)sizeof(o->temporary))
        return SAY("%s: the name is too long", path);
    o->file = fopen(o->temporary, "wbe");
    return o->file != NULL ? 0 : SAY("%s: %s", path, strerror(errno));
}

static int put(struct output *o, const void *p, size_t n, char why[PACKAGE_WHY])
{
    return fwrite(p, 1, n, o->file) == n ? 0 : SAY("%s: %s", o->path, strerror(errno));
}

int output_encrypt(struct output *o, const uint8_t *key, char why[PACKAGE_WHY])
{
    const char *slash = strrchr(o->path, '/');
    const char *name = slash != NULL ? slash + 1 : o->path;
    uint8_t salt[CIPHER_SALT_SIZE];

    if (key == NULL)
        return 0;
    if (crypto_openssl.random(crypto_openssl.ctx, salt, sizeof(salt)) != 0)
        return SAY("no random numbers for a salt");
    if (cipher_file_key(SHA, key, (struct bytes){(const uint8_t *)name, strlen(name)}, salt,
                        o->key) != 0)
        return SAY("%s: no key can be made for this file", o->path);
    o->encrypted = true;
    o->at = 0;
    return put(o, salt, sizeof(salt), why);
}

int output_write(struct output *o, const void *p, size_t n, char why[PACKAGE_WHY])
{
    const uint8_t *from = p;
    uint8_t piece[PIECE];

    if (!o->encrypted)
        return put(o, p, n, why);
    for (size_t some; n > 0; n -= some, from += some, o->at += some) {
        some = n < sizeof(piece) ? n : sizeof(piece);
        memcpy(piece, from, some);
        if (cipher_range(&aes_openssl, o->key, o->at, piece, some) != 0)
            return SAY("%s: encryption failed", o->path);
        if (put(o, piece, some, why) != 0)
            return -1;
    }
    return 0;
}

int output_close(struct output *o, int err, char why[PACKAGE_WHY])
{
    kapu_wipe(o->key, sizeof(o->key));
    if (o->file == NULL)
        return err;
    if (err == 0 && (fflush(o->file) != 0 || fsync(fileno(o->file)) != 0))
        err = SAY("%s: %s", o->path, strerror(errno));
    fclose(o->file);
    if (err == 0 && rename(o->temporary, o->path) != 0)
        err = SAY("%s: %s", o->path, strerror(errno));
    if (err != 0)
        unlink(o->temporary);
    return err;
}
