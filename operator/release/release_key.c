// SPDX-License-Identifier: Apache-2.0
#include "release_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

int release_key_make(const char *path, uint8_t key[CIPHER_KEY_SIZE], char why[PACKAGE_WHY])
{
    int fd, ok;

    if (crypto_openssl.random(crypto_openssl.ctx, key, CIPHER_KEY_SIZE) != 0)
        return SAY("no random numbers for the key");
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ok = fd >= 0 && write(fd, key, CIPHER_KEY_SIZE) == (ssize_t)CIPHER_KEY_SIZE && fsync(fd) == 0;
    if (!ok)
        (void)SAY("%s: %s", path, strerror(errno));
    if (fd >= 0 && close(fd) != 0 && ok)
        ok = SAY("%s: %s", path, strerror(errno)) == 0;
    if (!ok)
        kapu_wipe(key, CIPHER_KEY_SIZE);
    return ok ? 0 : -1;
}

/* A byte more than a key has, to see a longer file. */
static int read_file(const char *path, uint8_t key[CIPHER_KEY_SIZE], char why[PACKAGE_WHY])
{
    uint8_t is[CIPHER_KEY_SIZE + 1];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    ssize_t n;
    int err = 0;

    if (fd < 0)
        return SAY(errno == ENOENT ? "%s: %s: the release is encrypted, and nothing can be done "
                                     "with it without its key"
                                   : "%s: %s",
                   path, strerror(errno));
    n = fstat(fd, &s) == 0 && (s.st_mode & 077) == 0 ? read(fd, is, sizeof(is)) : -1;
    (void)close(fd);
    if (n < 0)
        err = SAY("%s: cannot be read, or others than its owner can read it (chmod 600)", path);
    else if (n == (ssize_t)CIPHER_KEY_SIZE)
        memcpy(key, is, CIPHER_KEY_SIZE);
    else
        err = SAY("%s: not a key of %u bytes", path, CIPHER_KEY_SIZE);
    kapu_wipe(is, sizeof(is));
    return err;
}

int release_key_read(const char *path, const struct release_manifest *m,
                     uint8_t key[CIPHER_KEY_SIZE], char why[PACKAGE_WHY])
{
    int err;

    if (read_file(path, key, why) != 0)
        return -1;
    err = cipher_is_key(SHA, key, m->key_check);
    if (err == 0)
        return 0;
    kapu_wipe(key, CIPHER_KEY_SIZE);
    return err == KAPU_EPIN ? SAY("%s: is the key of another release", path)
                            : SAY("SHA-256 failed");
}
