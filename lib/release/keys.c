// SPDX-License-Identifier: Apache-2.0
/* Sets of keys, and how one follows another. */
#include "internal.h"

#include <string.h>

enum { ROLE = 1, VERSION = 2, THRESHOLD = 3, KEYS = 4, ITEMS = 5 };
#define KEY_ITEMS 2 /* x, y */

static bool is_set(const struct release_keys *k)
{
    if (k->role < RELEASE_ROLE_RELEASE || k->role > RELEASE_ROLE_APPROVAL || k->version == 0 ||
        k->keys > RELEASE_KEYS_MAX || k->threshold == 0 || k->threshold > k->keys)
        return false;
    for (size_t i = 1; i < k->keys; i++) {
        if (memcmp(k->key[i - 1].x, k->key[i].x, sizeof(k->key[i].x)) >= 0)
            return false;
    }
    return true;
}

int release_keys_sort(struct release_keys *k)
{
    if (k->keys > RELEASE_KEYS_MAX)
        return KAPU_EARG;
    for (size_t i = 1; i < k->keys; i++) {
        for (size_t j = i; j > 0; j--) {
            const struct evidence_key now = k->key[j];
            int order = memcmp(k->key[j - 1].x, now.x, sizeof(now.x));

            if (order == 0)
                return KAPU_EARG; /* with the other y it would be its negative: one secret too */
            if (order < 0)
                break;
            k->key[j] = k->key[j - 1];
            k->key[j - 1] = now;
        }
    }
    return 0;
}

int release_keys_encode(const struct release_keys *k, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (!is_set(k)) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    put_head(&e);
    QCBOREncode_AddUInt64ToMapN(&e.q, ROLE, (uint64_t)k->role);
    QCBOREncode_AddUInt64ToMapN(&e.q, VERSION, k->version);
    QCBOREncode_AddUInt64ToMapN(&e.q, THRESHOLD, k->threshold);
    QCBOREncode_OpenArrayInMapN(&e.q, KEYS);
    for (size_t i = 0; i < k->keys; i++) {
        QCBOREncode_OpenArray(&e.q);
        QCBOREncode_AddBytes(&e.q, ub(BYTES_OF(k->key[i].x)));
        QCBOREncode_AddBytes(&e.q, ub(BYTES_OF(k->key[i].y)));
        QCBOREncode_CloseArray(&e.q);
    }
    QCBOREncode_CloseArray(&e.q);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

int release_keys_decode(struct bytes in, struct release_keys *k, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, RELEASE_CONTENT_MAX, &w, work, work_n);

    memset(k, 0, sizeof(*k));
    if (err != 0)
        return err;
    dec_begin(&d, in);
    (void)get_head(&d, ITEMS);
    k->role = (enum release_role)dec_uint(&d, ROLE, RELEASE_ROLE_APPROVAL);
    k->version = (uint32_t)dec_uint(&d, VERSION, UINT32_MAX);
    k->threshold = (uint32_t)dec_uint(&d, THRESHOLD, RELEASE_KEYS_MAX);
    k->keys = dec_array(&d, KEYS, -(int)RELEASE_KEYS_MAX);
    for (size_t i = 0; i < k->keys; i++) {
        (void)dec_array(&d, NO_LABEL, KEY_ITEMS);
        dec_fixed(&d, NO_LABEL, k->key[i].x, sizeof(k->key[i].x));
        dec_fixed(&d, NO_LABEL, k->key[i].y, sizeof(k->key[i].y));
    }
    err = dec_end(&d);
    if (err == 0 && release_keys_encode(k, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

int release_keys_follow(const struct kapu_sha256 *h, const struct evidence_verify *port,
                        const struct release_signed *s, const struct release_keys *now,
                        const struct release_keys *next)
{
    int err;

    if (next->role != now->role)
        return KAPU_EPIN;
    if (next->version <= now->version)
        return KAPU_EREPLAY;
    if (next->version - now->version != 1)
        return KAPU_ESTALE;
    err = release_verify(h, port, &release_keys_kind, s, now, NULL);
    return err != 0 ? err : release_verify(h, port, &release_keys_kind, s, next, NULL);
}
