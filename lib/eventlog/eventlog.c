// SPDX-License-Identifier: Apache-2.0
#include <kapu/eventlog.h>

#include <string.h>

#define ALG_SHA1 0x0004u
#define ALG_SHA256 0x000bu
#define ALG_SHA384 0x000cu
#define ALG_SHA512 0x000du
#define DIGEST_MAX 64u

#define SHA1_N 20u /* the first event has the older form with a SHA-1 field (PFP 10.2.1) */
#define UINTN_64 2u
#define PROFILE_MAJOR 2u

/* PFP 10.4.5.1, 10.4.5.3: with their terminating zeros */
static const uint8_t spec_id[16] = "Spec ID Event03";
static const uint8_t startup_locality[16] = "StartupLocality";

static int check_pcr(uint32_t pcr, uint32_t type)
{
    return pcr < EVENTLOG_PCRS || type == EVENTLOG_EV_NO_ACTION ? 0 : KAPU_EINVAL;
}

int eventlog_init(struct eventlog *l, uint8_t *buf, size_t capacity)
{
    const uint32_t data_n = 16 + 4 + 4 + 4 + 4 + 1;
    struct wr w;

    *l = (struct eventlog){buf, 0, capacity};
    wr_init(&w, buf, capacity);
    wr_le32(&w, 0); /* PCR */
    wr_le32(&w, EVENTLOG_EV_NO_ACTION);
    for (unsigned i = 0; i < SHA1_N; i++)
        wr_u8(&w, 0);
    wr_le32(&w, data_n);
    wr_bytes(&w, BYTES_OF(spec_id));
    wr_le32(&w, 0); /* platform class: client */
    wr_u8(&w, 0);   /* profile: minor, major, errata */
    wr_u8(&w, PROFILE_MAJOR);
    wr_u8(&w, 0);
    wr_u8(&w, UINTN_64);
    wr_le32(&w, 1);
    wr_le16(&w, ALG_SHA256);
    wr_le16(&w, KAPU_SHA256_SIZE);
    wr_u8(&w, 0); /* no vendor information */
    l->n = w.err == 0 ? w.at : 0;
    return w.err;
}

int eventlog_resume(struct eventlog *l, uint8_t *buf, size_t n, size_t capacity)
{
    struct eventlog_reader e;
    struct eventlog_event ev;
    int got;

    *l = (struct eventlog){buf, 0, capacity};
    if (n > capacity)
        return KAPU_EARG;
    got = eventlog_open(&e, (struct bytes){buf, n});
    if (got != 0)
        return got;
    if (e.algs != 1)
        return KAPU_EUNSUPPORTED;
    do {
        got = eventlog_next(&e, &ev);
    } while (got > 0);
    if (got == 0 && e.r.at != n) /* nobody would read what came after filling */
        return KAPU_EINVAL;
    if (got == 0)
        l->n = n;
    return got;
}

int eventlog_add(struct eventlog *l, uint32_t pcr, uint32_t type, const uint8_t digest[32],
                 struct bytes data)
{
    struct wr w;

    if (l->n == 0 || l->n > l->capacity || data.n > UINT32_MAX || check_pcr(pcr, type) != 0)
        return KAPU_EARG;
    wr_init(&w, l->p + l->n, l->capacity - l->n);
    wr_le32(&w, pcr);
    wr_le32(&w, type);
    wr_le32(&w, 1);
    wr_le16(&w, ALG_SHA256);
    wr_bytes(&w, (struct bytes){digest, KAPU_SHA256_SIZE});
    wr_le32(&w, (uint32_t)data.n);
    wr_bytes(&w, data);
    if (w.err == 0)
        l->n += w.at;
    return w.err;
}

static uint16_t known_size(uint16_t alg)
{
    switch (alg) {
    case ALG_SHA1:
        return SHA1_N;
    case ALG_SHA256:
        return KAPU_SHA256_SIZE;
    case ALG_SHA384:
        return 48;
    case ALG_SHA512:
        return 64;
    default:
        return 0;
    }
}

/* Index of the bank, or e->algs. */
static uint32_t find_alg(const struct eventlog_reader *e, uint16_t id)
{
    uint32_t i = 0;

    while (i < e->algs && e->alg[i].id != id)
        i++;
    return i;
}

static int read_algs(struct eventlog_reader *e, struct rd *r)
{
    uint32_t n = rd_le32(r);

    if (r->err == 0 && (n == 0 || n > EVENTLOG_ALGS_MAX))
        return KAPU_EUNSUPPORTED;
    for (uint32_t i = 0; i < n && r->err == 0; i++) {
        uint16_t id = rd_le16(r), size = rd_le16(r);
        uint16_t right = known_size(id);

        if (size == 0 || size > DIGEST_MAX || (right != 0 && size != right) ||
            find_alg(e, id) < e->algs)
            rd_fail(r, KAPU_EINVAL);
        e->alg[e->algs].id = id;
        e->alg[e->algs++].size = size;
    }
    if (r->err == 0 && find_alg(e, ALG_SHA256) == e->algs)
        return KAPU_EUNSUPPORTED;
    return r->err;
}

int eventlog_open(struct eventlog_reader *e, struct bytes log)
{
    struct bytes sha1, data, id;
    uint32_t pcr, type;
    struct rd in;
    int err;

    memset(e, 0, sizeof(*e));
    rd_init(&e->r, log);
    pcr = rd_le32(&e->r);
    type = rd_le32(&e->r);
    sha1 = rd_bytes(&e->r, SHA1_N);
    data = rd_bytes(&e->r, rd_le32(&e->r));
    if (e->r.err != 0)
        return e->r.err;
    if (pcr != 0 || type != EVENTLOG_EV_NO_ACTION)
        return KAPU_EINVAL;
    for (size_t i = 0; i < sha1.n; i++) {
        if (sha1.p[i] != 0)
            return KAPU_EINVAL;
    }
    rd_init(&in, data);
    id = rd_bytes(&in, sizeof(spec_id));
    if (in.err != 0 || memcmp(id.p, spec_id, sizeof(spec_id)) != 0)
        return KAPU_EINVAL;
    (void)rd_bytes(&in, 8); /* platform class, profile version, size of UINTN */
    err = read_algs(e, &in);
    if (err != 0)
        return err;
    (void)rd_bytes(&in, rd_u8(&in)); /* vendor information */
    return rd_end(&in);
}

/* Firmware gives the log in an area that is larger. No event looks like what fills it: it would
 * have no digest, or four thousand million. */
static bool only_filling_is_left(const struct rd *r)
{
    for (size_t i = r->at; i < r->n; i++) {
        if (r->p[i] != r->p[r->at])
            return false;
    }
    return r->at == r->n || r->p[r->at] == 0x00 || r->p[r->at] == 0xff;
}

int eventlog_next(struct eventlog_reader *e, struct eventlog_event *ev)
{
    struct rd *r = &e->r;
    uint32_t digests, seen = 0;

    memset(ev, 0, sizeof(*ev));
    if (r->err != 0)
        return r->err;
    if (only_filling_is_left(r))
        return 0;
    ev->pcr = rd_le32(r);
    ev->type = rd_le32(r);
    digests = rd_le32(r);
    if (digests > e->algs) /* PFP 10.2.2: one for each bank; some firmware leaves banks out */
        rd_fail(r, KAPU_EINVAL);
    for (uint32_t i = 0; i < digests && r->err == 0; i++) {
        uint32_t k = find_alg(e, rd_le16(r));
        struct bytes digest;

        if (k == e->algs || (seen & 1u << k) != 0) {
            rd_fail(r, KAPU_EINVAL);
            break;
        }
        seen |= 1u << k;
        digest = rd_bytes(r, e->alg[k].size);
        if (e->alg[k].id == ALG_SHA256)
            ev->sha256 = digest;
    }
    if (r->err == 0 && ev->sha256.n == 0) /* replay would pass it over */
        rd_fail(r, KAPU_EINVAL);
    ev->data = rd_bytes(r, rd_le32(r));
    if (r->err == 0)
        rd_fail(r, check_pcr(ev->pcr, ev->type));
    return r->err == 0 ? 1 : r->err;
}

/* PFP 10.4.5.3: PCR 0 starts with the locality of the startup command. Some firmware writes zeros
 * after it. Said twice, it must be the same. */
static int start_locality(const struct eventlog_event *ev, uint8_t pcr0[32], uint32_t used,
                          bool *said)
{
    uint8_t locality;

    if (ev->pcr != 0 || ev->data.n <= sizeof(startup_locality) ||
        memcmp(ev->data.p, startup_locality, sizeof(startup_locality)) != 0)
        return 0;
    locality = ev->data.p[sizeof(startup_locality)];
    for (size_t i = sizeof(startup_locality) + 1; i < ev->data.n; i++) {
        if (ev->data.p[i] != 0)
            return KAPU_EINVAL;
    }
    if ((used & 1u) != 0 || locality > 4 || (*said && pcr0[31] != locality))
        return KAPU_EINVAL;
    pcr0[31] = locality;
    *said = true;
    return 0;
}

int eventlog_replay(const struct kapu_sha256 *h, struct bytes log, uint8_t pcr[EVENTLOG_PCRS][32],
                    uint32_t *used)
{
    const unsigned drtm_first = 17, drtm_last = 22; /* PTP 1.05, 4.6: these start with ones */
    struct eventlog_reader e;
    struct eventlog_event ev;
    bool said = false;
    int got = eventlog_open(&e, log);

    *used = 0;
    for (unsigned i = 0; i < EVENTLOG_PCRS; i++)
        memset(pcr[i], i >= drtm_first && i <= drtm_last ? 0xff : 0, 32);
    if (got != 0)
        return got;
    while ((got = eventlog_next(&e, &ev)) > 0) {
        uint8_t next[32];

        if (ev.type == EVENTLOG_EV_NO_ACTION) {
            got = start_locality(&ev, pcr[0], *used, &said);
            if (got != 0)
                return got;
            continue;
        }
        if (h->hash(h->ctx, (struct bytes[]){{pcr[ev.pcr], 32}, ev.sha256}, 2, next) != 0)
            return KAPU_ECRYPTO;
        memcpy(pcr[ev.pcr], next, 32);
        *used |= 1u << ev.pcr;
    }
    return got;
}
