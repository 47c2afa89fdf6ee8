// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "aes.h"
#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define PIECE 4096u
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

int output_open(struct output *o, const char *path, char why[PACKAGE_WHY])
{
    int fd;

    o->path = path;
    if (newfile_open(&o->new, path, 0666) != 0)
        return SAY("%s: %s", path, newfile_fault());
    fd = fcntl(o->new.fd, F_DUPFD_CLOEXEC, 0);
    o->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (o->file != NULL)
        return 0;
    (void)SAY("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    newfile_drop(&o->new);
    return -1;
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
    if (fclose(o->file) != 0 && err == 0)
        err = SAY("%s: %s", o->path, strerror(errno));
    if (err == 0 && newfile_keep(&o->new) != 0)
        err = SAY("%s: %s", o->path, strerror(errno));
    if (err != 0)
        newfile_drop(&o->new);
    return err;
}
