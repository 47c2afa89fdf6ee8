// SPDX-License-Identifier: Apache-2.0
#include "order.h"

#include <stdio.h>
#include <string.h>

#include <kapu/cipher.h>

#include "digest.h"

#define INDEX_FILE "index"
#define RUNNING_INDEX "running.index"
#define RESTARTED "restarted"

/* ---- the order ---- */

static int open_signed(struct order *o, const struct evidence_kind *kind, struct bytes in,
                       struct bytes *content)
{
    struct release_signed s;
    int err = release_signed_decode(kind, in, &s, o->work, sizeof(o->work));

    *content = s.content;
    return err;
}

static int take_files(struct order *o)
{
    struct bytes content;
    int err = open_signed(o, &release_manifest_kind, o->request.manifest, &content);

    if (err == 0)
        err = release_digest(&digest_sha256, content, o->digest);
    if (err == 0)
        err = release_manifest_decode(content, &o->manifest, o->work, sizeof(o->work));
    if (err == 0)
        err = open_signed(o, &release_rollout_kind, o->request.order, &content);
    if (err == 0)
        err = release_rollout_decode(content, &o->rollout, o->work, sizeof(o->work));
    return err;
}

/* From o->file, which has the request after a byte. */
static int decode(struct order *o, size_t n)
{
    struct protocol_request *r = &o->request;
    int err =
        protocol_request_decode((struct bytes){o->file + 1, n - 1}, r, o->work, sizeof(o->work));

    o->trials = o->file[0];
    o->n = n;
    if (err == 0 && (r->kind != PROTOCOL_INSTALL || r->folder.n > PROTOCOL_FOLDER_MAX))
        err = KAPU_EINVAL;
    if (err == 0)
        err = take_files(o);
    kapu_wipe(o->work, sizeof(o->work)); /* it had the request, with its key */
    if (err != 0)
        kapu_wipe(o->file, sizeof(o->file));
    if (err == KAPU_ECRYPTO)
        return err;
    if (err != 0)
        return KAPU_EINVAL;
    memcpy(o->folder, r->folder.p, r->folder.n);
    o->folder[r->folder.n] = '\0';
    o->there = true;
    return 0;
}

void order_wipe(struct order *o)
{
    kapu_wipe(o, sizeof(*o));
}

int order_take(struct order *o, struct bytes request, uint8_t trials)
{
    order_wipe(o);
    if (request.n > PROTOCOL_REQUEST_MAX)
        return KAPU_EINVAL;
    o->file[0] = trials;
    memcpy(o->file + 1, request.p, request.n);
    return decode(o, request.n + 1);
}

int order_load(const struct store *s, const char *name, struct order *o)
{
    size_t n = 0;
    int err;

    order_wipe(o);
    err = store_read(s, name, o->file, sizeof(o->file), &n);
    if (err == 0 && n > 1)
        err = decode(o, n);
    return err == KAPU_ENOENT || err == KAPU_ERANGE || err == KAPU_EINVAL ? 0 : err;
}

bool order_same(const struct order *a, const struct order *b)
{
    return a->there && b->there && a->n == b->n && kapu_equal(a->file + 1, b->file + 1, a->n - 1);
}

int order_keep(const struct store *s, struct order *o)
{
    o->file[0] = o->trials;
    return store_write(s, ORDER_FILE, (struct bytes){o->file, o->n});
}

int order_forget(const struct store *s)
{
    int err = store_remove(s, ORDER_FILE);

    return err == 0 ? store_remove(s, INDEX_FILE) : err;
}

/* ---- its key ---- */

int order_check_key(const struct order *o)
{
    const struct bytes key = o->request.release_key;

    if (!o->manifest.encrypted)
        return key.n == 0 ? 0 : KAPU_EARG;
    return key.n == CIPHER_KEY_SIZE ? cipher_is_key(&digest_sha256, key.p, o->manifest.key_check)
                                    : KAPU_ENOENT;
}

const char *order_key_says(int err)
{
    switch (err) {
    case KAPU_ENOENT:
        return "the release is encrypted, and the order has no key";
    case KAPU_EPIN:
        return "the key of the order is not that of the release";
    case KAPU_EARG:
        return "the order has a key, and the release is not encrypted";
    default:
        return "no memory for libcrypto";
    }
}

const uint8_t *order_key(const struct order *o)
{
    return o->manifest.encrypted ? o->request.release_key.p : NULL;
}

/* ---- its index ---- */

int order_index_is(const struct release_manifest *m, struct bytes index)
{
    uint8_t digest[KAPU_SHA256_SIZE];

    if (index.n != m->index.size)
        return KAPU_EAUTH;
    if (digest_sha256.hash(digest_sha256.ctx, &index, 1, digest) != 0)
        return KAPU_ECRYPTO;
    return memcmp(digest, m->index.sha256, sizeof(digest)) == 0 ? 0 : KAPU_EAUTH;
}

int order_read_index(const struct store *s, const char *name, const struct order *o,
                     uint8_t to[ORDER_INDEX_MAX], size_t *n)
{
    const bool running = strcmp(name, ORDER_RUNNING) == 0;
    int err = store_read(s, running ? RUNNING_INDEX : INDEX_FILE, to, ORDER_INDEX_MAX, n);

    if (err == 0)
        err = order_index_is(&o->manifest, (struct bytes){to, *n});
    return err == KAPU_EAUTH || err == KAPU_ERANGE ? KAPU_ENOENT : err;
}

int order_keep_index(const struct store *s, struct bytes index)
{
    return store_write(s, INDEX_FILE, index);
}

/* ---- the running release ---- */

int order_copies(const struct store *s)
{
    static const uint8_t mark[] = {'1'};

    return order_is_copying(s) ? 0 : store_write(s, ORDER_COPYING, BYTES_OF(mark));
}

/* As `running`, and as an order no more. A copy needs no key: it fetches nothing. */
static int keep_without_key(const struct store *s, struct order *o)
{
    struct protocol_request r = o->request;
    struct wr w;
    int err;

    r.release_key = (struct bytes){NULL, 0};
    wr_init(&w, o->work, sizeof(o->work));
    wr_u8(&w, o->trials);
    err = protocol_request_encode(&r, &w);
    if (err == 0)
        err = store_write(s, ORDER_RUNNING, wr_done(&w));
    return err == 0 ? store_remove(s, ORDER_FILE) : err;
}

int order_promote(const struct store *s, struct order *o)
{
    int err = order_copies(s);

    if (err == 0)
        err = store_rename(s, INDEX_FILE, RUNNING_INDEX);
    if (err == KAPU_ENOENT) /* renamed before a power cut, or never kept: the copy will tell */
        err = 0;
    if (err != 0)
        return err;
    return o->request.release_key.n > 0 ? keep_without_key(s, o)
                                        : store_rename(s, ORDER_FILE, ORDER_RUNNING);
}

bool order_is_copying(const struct store *s)
{
    uint8_t mark[16];
    size_t n;

    return store_read(s, ORDER_COPYING, mark, sizeof(mark), &n) == 0;
}

int order_copied(const struct store *s)
{
    return store_remove(s, ORDER_COPYING);
}

bool order_was_tried(const struct order *o, const struct update_record *r)
{
    return !r->trial && r->rollout == o->rollout.number && r->trials > o->trials;
}

bool order_is_confirmed(const struct order *o, const struct update_record *r)
{
    return !r->trial && r->last == UPDATE_CONFIRMED &&
           memcmp(r->identity, o->manifest.identity, sizeof(r->identity)) == 0;
}

/* ---- why the gateway was reset ---- */

#define REASON 42u /* bytes: stage, trials, rollout, release */

static struct bytes reason(enum update_stage stage, const struct update_record *r,
                           const uint8_t boot[32], uint8_t to[REASON + 32])
{
    struct wr w;

    wr_init(&w, to, REASON + 32);
    wr_u8(&w, (uint8_t)stage);
    wr_u8(&w, r->trials);
    wr_be64(&w, r->rollout);
    wr_bytes(&w, BYTES_OF(r->release));
    wr_bytes(&w, (struct bytes){boot, 32});
    return wr_done(&w);
}

int order_restarted(const struct store *s, enum update_stage stage, const struct update_record *r,
                    const uint8_t boot[32], bool *before)
{
    uint8_t was[REASON + 32], is[REASON + 32];
    size_t n = 0;
    int err = store_read(s, RESTARTED, was, sizeof(was), &n);

    (void)reason(stage, r, boot, is);
    *before = err == 0 && n == sizeof(was) && memcmp(was, is, REASON) == 0 &&
              memcmp(was + REASON, is + REASON, 32) != 0;
    return err == KAPU_ENOENT || err == KAPU_ERANGE ? 0 : err;
}

int order_restarts(const struct store *s, enum update_stage stage, const struct update_record *r,
                   const uint8_t boot[32])
{
    uint8_t to[REASON + 32];

    return store_write(s, RESTARTED, reason(stage, r, boot, to));
}
