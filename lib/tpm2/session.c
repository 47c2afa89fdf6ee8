// SPDX-License-Identifier: Apache-2.0
/* What sessions do to a command and its answer: nonces, MACs, encryption (Part 1, 19 and 21). */
#include <string.h>

#include "internal.h"

#define RS_PW 0x40000009u
#define ATTR_CONTINUE 0x01u  /* Part 2, 8.4 */
#define ATTR_DECRYPT 0x20u   /* the TPM decrypts a parameter of the command */
#define ATTR_ENCRYPT 0x40u   /* the TPM encrypts a parameter of the answer */
#define ATTR_AUDIT 0x80u     /* only the MACs are wanted: a session must be there for something */
#define ATTR_EXCLUSIVE 0x02u /* in answers to ATTR_AUDIT, of no interest here */
#define NONCE_N 32u
#define MAC_N 32u

struct bytes tpm2_strip(struct bytes value)
{
    while (value.n > 0 && value.p[value.n - 1] == 0)
        value.n--;
    return value;
}

int tpm2_bound_name(const struct tpm2_name *name, struct bytes value, struct tpm2_name *out)
{
    if (value.n > TPM2_VALUE_MAX || (name->n != 4 && name->n != 34))
        return KAPU_EARG;
    *out = *name;
    out->n = sizeof(out->b);
    for (size_t i = 0; i < value.n; i++)
        out->b[sizeof(out->b) - value.n + i] ^= value.p[i];
    return 0;
}

static bool is_authorising(const struct tpm2_cmd *c, unsigned i)
{
    return i < c->authorising;
}

/* A session whose key is empty and whose policy needs no value makes no MAC (Part 1, 19.6.5). */
static bool has_mac(const struct tpm2_session *s)
{
    return s->type == TPM2_SESSION_HMAC || s->keyed || s->needs_auth;
}

static size_t auth_size(const struct tpm2_session *s)
{
    const size_t empty = 4 + 2 + 1 + 2; /* handle, nonce size, attributes, MAC size */

    if (s == NULL)
        return empty;
    return empty + NONCE_N + (has_mac(s) ? MAC_N : 0);
}

size_t tpm2_auth_area_size(const struct tpm2_cmd *c)
{
    size_t n = 0;

    for (unsigned i = 0; i < c->auths; i++)
        n += auth_size(c->auth[i].session);
    return n;
}

/* Any but the empty password? Only then is crypto needed, and there. */
static bool has_session(const struct tpm2_cmd *c)
{
    for (unsigned i = 0; i < c->auths; i++) {
        if (c->auth[i].session != NULL)
            return true;
    }
    return false;
}

/* The session that encrypts: the first with a key, or -1. */
static int hider(const struct tpm2_cmd *c)
{
    for (unsigned i = 0; i < c->auths; i++) {
        const struct tpm2_session *s = c->auth[i].session;

        if (s != NULL && s->keyed)
            return (int)i;
    }
    return -1;
}

/* Does the MAC key of session i include the authorisation value? (Part 1, 19.6.5) */
static bool includes_value(const struct tpm2_cmd *c, unsigned i)
{
    const struct tpm2_session *s = c->auth[i].session;
    struct tpm2_name now;

    if (!is_authorising(c, i))
        return false;
    if (s->type != TPM2_SESSION_HMAC)
        return s->needs_auth;
    if (s->bound_n == 0 || tpm2_bound_name(&c->name[i], c->auth[i].value, &now) != 0)
        return true;
    return !kapu_equal(now.b, s->bound, sizeof(now.b));
}

/* The value that the TPM uses for the answer: a command may just have changed it. */
static struct bytes answer_value(const struct tpm2_cmd *c, unsigned i)
{
    return i == 0 && (c->spec->flags & CMD_CHANGES_AUTH) != 0 ? c->new_value : c->auth[i].value;
}

/* Session key and value side by side; n bytes of key[64]. */
static size_t join_key(const struct tpm2_session *s, struct bytes value, uint8_t key[64])
{
    size_t n = 0;

    if (s->keyed) {
        memcpy(key, s->key, sizeof(s->key));
        n = sizeof(s->key);
    }
    if (value.n > 0)
        memcpy(key + n, value.p, value.n);
    return n + value.n;
}

/* Encrypts or decrypts the content of the TPM2B that `params` starts with (Part 1, 21.3). */
static int crypt_param(struct tpm2_cmd *c, unsigned i, bool command, uint8_t *params, size_t n)
{
    const struct tpm2_auth *a = &c->auth[i];
    const struct tpm2_session *s = a->session;
    const struct tpm2_crypto *port = c->t->crypto;
    struct bytes newer = BYTES_OF(s->nonce_caller), older = BYTES_OF(s->nonce_tpm);
    uint8_t key[64], derived[32];
    struct bytes value = {NULL, 0};
    size_t key_n;
    struct rd r;
    int err;

    rd_init(&r, (struct bytes){params, n});
    n = rd_2b(&r).n;
    if (r.err != 0)
        return r.err;
    if (is_authorising(c, i))
        value = command ? a->value : answer_value(c, i);
    if (!command) {
        struct bytes swap = newer;

        newer = older;
        older = swap;
    }
    key_n = join_key(s, value, key);
    err = tpm2_kdfa(&port->sha256, (struct bytes){key, key_n}, "CFB", newer, older, derived, 32);
    if (err == 0 && n > 0 &&
        port->aes128_cfb(port->ctx, command, derived, derived + 16, params + 2, n) != 0)
        err = KAPU_ECRYPTO;
    kapu_wipe(key, sizeof(key));
    kapu_wipe(derived, sizeof(derived));
    return err;
}

/* cpHash or rpHash (Part 1, 18.7, 18.8); `first` is what precedes names and parameters. */
static int param_hash(const struct tpm2_cmd *c, struct bytes first, bool names, struct bytes params,
                      uint8_t digest[32])
{
    const struct kapu_sha256 *h = &c->t->crypto->sha256;
    struct bytes part[2 + TPM2_HANDLES_MAX];
    size_t n = 0;

    part[n++] = first;
    for (unsigned i = 0; names && i < c->names; i++)
        part[n++] = (struct bytes){c->name[i].b, c->name[i].n};
    part[n++] = params;
    return h->hash(h->ctx, part, n, digest) == 0 ? 0 : KAPU_ECRYPTO;
}

/* The MAC of session i over `digest` (Part 1, 19.6.5). */
static int session_mac(const struct tpm2_cmd *c, unsigned i, bool command, struct bytes value,
                       const uint8_t digest[32], uint8_t attrs, uint8_t mac[32])
{
    const struct tpm2_session *s = c->auth[i].session;
    struct bytes part[5];
    uint8_t key[64];
    size_t n = 0, key_n;
    int hides = hider(c), err;

    part[n++] = (struct bytes){digest, 32};
    part[n++] = command ? BYTES_OF(s->nonce_caller) : BYTES_OF(s->nonce_tpm);
    part[n++] = command ? BYTES_OF(s->nonce_tpm) : BYTES_OF(s->nonce_caller);
    /* The first session vouches that the encrypting one, if another, was not taken away. */
    if (command && i == 0 && hides > 0 && (c->spec->flags & (CMD_HIDES_IN | CMD_HIDES_OUT)) != 0)
        part[n++] = BYTES_OF(c->auth[hides].session->nonce_tpm);
    part[n++] = (struct bytes){&attrs, 1};
    key_n = join_key(s, value, key);
    err = tpm2_hmac(&c->t->crypto->sha256, (struct bytes){key, key_n}, part, n, mac);
    kapu_wipe(key, sizeof(key));
    return err;
}

static uint8_t attributes(const struct tpm2_cmd *c, unsigned i)
{
    uint8_t a = ATTR_CONTINUE;

    if (hider(c) == (int)i) {
        a |= (c->spec->flags & CMD_HIDES_IN) != 0 ? ATTR_DECRYPT : 0;
        a |= (c->spec->flags & CMD_HIDES_OUT) != 0 ? ATTR_ENCRYPT : 0;
    }
    return a == ATTR_CONTINUE && !is_authorising(c, i) ? a | ATTR_AUDIT : a;
}

static void put_auth(struct wr *w, const struct tpm2_session *s, uint8_t attrs, struct bytes mac)
{
    wr_be32(w, s == NULL ? RS_PW : s->handle);
    wr_2b(w, s == NULL ? (struct bytes){NULL, 0} : BYTES_OF(s->nonce_caller));
    wr_u8(w, attrs);
    wr_2b(w, mac);
}

static int roll_caller_nonces(struct tpm2_cmd *c)
{
    const struct tpm2_crypto *port = c->t->crypto;

    for (unsigned i = 0; i < c->auths; i++) {
        struct tpm2_session *s = c->auth[i].session;

        if (s != NULL && port->random(port->ctx, s->nonce_caller, NONCE_N) != 0)
            return KAPU_ECRYPTO;
    }
    return 0;
}

int tpm2_sessions_seal(struct tpm2_cmd *c)
{
    uint8_t *params = c->w.p + c->param_at, cp_hash[32], mac[32];
    size_t params_n = c->w.at - c->param_at;
    int err = roll_caller_nonces(c), hides = hider(c);
    struct wr area;

    if (err == 0 && hides >= 0 && (c->spec->flags & CMD_HIDES_IN) != 0)
        err = crypt_param(c, (unsigned)hides, true, params, params_n);
    if (err == 0 && has_session(c))
        err = param_hash(c, (struct bytes){c->w.p + TPM2_HEADER_N - 4, 4}, true,
                         (struct bytes){params, params_n}, cp_hash);
    if (err != 0)
        return err;
    wr_init(&area, c->w.p + c->auth_at, c->param_at - c->auth_at);
    if (c->auths > 0)
        wr_be32(&area, (uint32_t)(c->param_at - c->auth_at - 4));
    for (unsigned i = 0; i < c->auths; i++) {
        const struct tpm2_session *s = c->auth[i].session;
        uint8_t attrs = s == NULL ? ATTR_CONTINUE : attributes(c, i);
        struct bytes value = {NULL, 0};

        if (s == NULL || !has_mac(s)) {
            put_auth(&area, s, attrs, (struct bytes){NULL, 0});
            continue;
        }
        if (includes_value(c, i))
            value = c->auth[i].value;
        err = session_mac(c, i, true, value, cp_hash, attrs, mac);
        if (err != 0)
            return err;
        put_auth(&area, s, attrs, BYTES_OF(mac));
    }
    return area.err;
}

/* What the answer says about one session. */
struct answer_auth {
    struct bytes nonce, mac;
    uint8_t attrs;
};

static int check_auth(const struct tpm2_cmd *c, unsigned i, const struct answer_auth *a,
                      const uint8_t rp_hash[32])
{
    struct tpm2_session *s = c->auth[i].session;
    struct bytes value = {NULL, 0};
    uint8_t mac[32];
    int err;

    if (s == NULL)
        return a->nonce.n == 0 && a->mac.n == 0 ? 0 : KAPU_EINVAL;
    if (a->nonce.n != NONCE_N || a->mac.n != (has_mac(s) ? MAC_N : 0))
        return KAPU_ESTRIPPED;
    if (((a->attrs ^ attributes(c, i)) & ~(ATTR_CONTINUE | ATTR_EXCLUSIVE)) != 0)
        return KAPU_ESTRIPPED;
    if (kapu_equal(a->nonce.p, s->nonce_tpm, NONCE_N))
        return KAPU_EREPLAY;
    memcpy(s->nonce_tpm, a->nonce.p, NONCE_N);
    if (!has_mac(s))
        return 0;
    if (includes_value(c, i))
        value = answer_value(c, i);
    err = session_mac(c, i, false, value, rp_hash, a->attrs, mac);
    if (err == 0 && !kapu_equal(mac, a->mac.p, MAC_N))
        err = KAPU_EAUTH;
    return err;
}

/* A used policy has to be satisfied anew (Part 1, 19.7.1). */
static void after_use(const struct tpm2_cmd *c, unsigned i, uint8_t attrs)
{
    struct tpm2_session *s = c->auth[i].session;

    if (s == NULL)
        return;
    if (is_authorising(c, i))
        s->needs_auth = false;
    if ((attrs & ATTR_AUDIT) != 0)
        s->bound_n = 0; /* an audit session is no longer bound (Part 1, 19.6.6) */
    s->last = (attrs & ATTR_CONTINUE) == 0;
}

int tpm2_sessions_open(struct tpm2_cmd *c, struct bytes params, struct rd *area)
{
    struct answer_auth a[TPM2_AUTHS_MAX];
    uint8_t first[8] = {0}, rp_hash[32]; /* response code, always 0 here, and command code */
    int hides = hider(c), err;
    struct wr w;

    for (unsigned i = 0; i < c->auths; i++) {
        a[i].nonce = rd_2b(area);
        a[i].attrs = rd_u8(area);
        a[i].mac = rd_2b(area);
    }
    err = rd_end(area);
    wr_init(&w, first + 4, 4);
    wr_be32(&w, c->spec->code);
    if (err == 0 && has_session(c))
        err = param_hash(c, BYTES_OF(first), false, params, rp_hash);
    for (unsigned i = 0; err == 0 && i < c->auths; i++)
        err = check_auth(c, i, &a[i], rp_hash);
    if (err == 0 && hides >= 0 && (c->spec->flags & CMD_HIDES_OUT) != 0)
        err = crypt_param(c, (unsigned)hides, false, c->t->buf + (params.p - c->t->buf), params.n);
    for (unsigned i = 0; err == 0 && i < c->auths; i++)
        after_use(c, i, a[i].attrs);
    return err;
}

void tpm2_sessions_break(struct tpm2_cmd *c)
{
    for (unsigned i = 0; i < c->auths; i++) {
        if (c->auth[i].session != NULL)
            c->auth[i].session->broken = true;
    }
}
