// SPDX-License-Identifier: Apache-2.0
/* Keys of encrypted releases, from when they are published: files of the operator's folder,
 * payload-keys/DIGEST, which only their owner can read. They are not in the store, which more
 * people and programs may read. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "newfile.h"
#include "release_key.h"
#include "update.h"

#define FOLDER "payload-keys"

static int path_of(const struct operator* o, const struct store_release *r, char to[OPERATOR_PATH])
{
    char digest[HEX_MAX];

    hex(r->digest, sizeof(r->digest), digest);
    return snprintf(to, OPERATOR_PATH, "%s/" FOLDER "/%s", o->folder, digest) < OPERATOR_PATH
               ? EXIT_DONE
               : fail("%s: the name is too long", o->folder);
}

int update_key_keep(const struct operator* o, const struct store_release *r,
                    const uint8_t key[CIPHER_KEY_SIZE])
{
    char path[OPERATOR_PATH];

    if (mkdir(operator_path(o, FOLDER, path), 0700) != 0 && errno != EEXIST)
        return fail("%s: %s", path, strerror(errno));
    if (path_of(o, r, path) != EXIT_DONE)
        return EXIT_FAILED;
    return newfile_write(path, (struct bytes){key, CIPHER_KEY_SIZE}, 0600) == 0
               ? EXIT_DONE
               : fail("%s: %s", path, newfile_fault());
}

/* From the manifest that was published with it. */
static int manifest_of(const struct store_release *r, struct release_manifest *m)
{
    uint8_t work[RELEASE_SIGNED_MAX];
    struct release_signed s;
    int err = release_signed_decode(
        &release_manifest_kind, (struct bytes){r->manifest, r->manifest_n}, &s, work, sizeof(work));

    if (err == 0)
        err = release_manifest_decode(s.content, m, work, sizeof(work));
    return err == 0 ? EXIT_DONE
                    : fail("the manifest of release %s is damaged in the store", r->version);
}

int update_key_load(const struct operator* o, const struct store_release *r,
                    uint8_t key[CIPHER_KEY_SIZE], bool *encrypted)
{
    char path[OPERATOR_PATH], why[PACKAGE_WHY];
    struct release_manifest m = {0};

    *encrypted = false;
    if (manifest_of(r, &m) != EXIT_DONE || path_of(o, r, path) != EXIT_DONE)
        return EXIT_FAILED;
    if (!m.encrypted)
        return EXIT_DONE;
    if (release_key_read(path, &m, key, why) != 0)
        return fail("%s", why);
    *encrypted = true;
    return EXIT_DONE;
}
