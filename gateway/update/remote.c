// SPDX-License-Identifier: Apache-2.0
#include "remote.h"

#include <string.h>

#include "aes.h"
#include "digest.h"

static int take_salt(struct remote *f, const uint8_t *release_key, remote_fn range, void *ctx)
{
    const struct bytes name = {(const uint8_t *)f->name, strlen(f->name)};
    uint8_t salt[CIPHER_SALT_SIZE];
    int err = range(ctx, f->name, 0, salt, sizeof(salt));

    if (err != 0)
        return err;
    if (cipher_file_key(&digest_sha256, release_key, name, salt, f->key) != 0)
        return KAPU_ECRYPTO;
    f->has_key = true;
    return 0;
}

int remote_range(struct remote *f, const uint8_t *release_key, uint64_t at, uint8_t *to, uint32_t n,
                 remote_fn range, void *ctx)
{
    int err = 0;

    if (release_key == NULL)
        return range(ctx, f->name, at, to, n);
    if (!f->has_key)
        err = take_salt(f, release_key, range, ctx);
    if (err == 0)
        err = range(ctx, f->name, CIPHER_SALT_SIZE + at, to, n);
    if (err == 0 && cipher_range(&aes_ctr, f->key, at, to, n) != 0) {
        memset(to, 0, n);
        err = KAPU_ECRYPTO;
    }
    return err;
}

void remote_forget(struct remote *f)
{
    f->has_key = false;
    kapu_wipe(f->key, sizeof(f->key));
}
