// SPDX-License-Identifier: Apache-2.0
/* Reader of allow-lists. allow_open() proves all bounds once. */
#include "internal.h"

#include <string.h>

static const uint8_t record_size[ALLOW_SECTIONS] = {16, 32, 4, 32, 4, 8, 1, 1};

_Static_assert(sizeof(((struct introspect_allow *)0)->section) == ALLOW_SECTIONS * sizeof(uint64_t),
               "struct introspect_allow has room for each section");

static const uint8_t *record(const struct introspect_allow *a, enum allow_section s, uint32_t n)
{
    return a->all.p + a->section[s].offset + (size_t)n * record_size[s];
}

static uint32_t count(const struct introspect_allow *a, enum allow_section s)
{
    return a->section[s].count;
}

static bool is_string(const struct introspect_allow *a, uint32_t offset)
{
    return offset < count(a, ALLOW_STRINGS);
}

static const char *string(const struct introspect_allow *a, uint32_t offset)
{
    return (const char *)record(a, ALLOW_STRINGS, offset);
}

static uint16_t get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static int check_files(const struct introspect_allow *a)
{
    uint32_t hashes = count(a, ALLOW_HASHES);

    for (uint32_t i = 0; i < count(a, ALLOW_FILES); i++) {
        const uint8_t *f = record(a, ALLOW_FILES, i);

        if (!is_string(a, kapu_le32(f)) || kapu_le32(f + 8) > hashes ||
            kapu_le32(f + 12) > hashes - kapu_le32(f + 8))
            return KAPU_ERANGE;
    }
    if (count(a, ALLOW_ORDER) != hashes)
        return KAPU_EINVAL;
    for (uint32_t i = 0; i < hashes; i++) {
        if (kapu_le32(record(a, ALLOW_ORDER, i)) >= hashes)
            return KAPU_ERANGE;
    }
    return 0;
}

static int check_programs(const struct introspect_allow *a)
{
    uint32_t numbers = count(a, ALLOW_NUMBERS);

    for (uint32_t i = 0; i < count(a, ALLOW_PROGRAMS); i++) {
        const uint8_t *p = record(a, ALLOW_PROGRAMS, i);
        uint32_t first = kapu_le32(p + 16), used = 2u * get_le16(p + 20) + get_le16(p + 22) +
                                                   ALLOW_PEER_NUMBERS * get_le16(p + 24);

        if (!is_string(a, kapu_le32(p)) || first > numbers || used > numbers - first)
            return KAPU_ERANGE;
    }
    for (uint32_t i = 0; i < count(a, ALLOW_STATE); i++) {
        const uint8_t *s = record(a, ALLOW_STATE, i);

        if (kapu_le32(s) >= STATE_STRINGS && !is_string(a, kapu_le32(s + 4)))
            return KAPU_ERANGE;
    }
    return 0;
}

int allow_open(struct introspect_allow *a, struct bytes data, const struct kapu_sha256 *sha)
{
    struct rd r;
    int err = sectioned_check(sha, data, ALLOW_MAGIC, ALLOW_VERSION);

    *a = (struct introspect_allow){.all = data};
    if (err != 0)
        return err;
    if (data.n < ALLOW_HEADER)
        return KAPU_ERANGE;
    rd_init(&r, data);
    (void)rd_bytes(&r, ALLOW_HEADER);
    for (uint32_t i = 0; i < ALLOW_SECTIONS; i++) {
        a->section[i].offset = rd_le32(&r);
        a->section[i].count = rd_le32(&r);
        if (r.err != 0)
            return r.err;
        if (a->section[i].offset > data.n ||
            a->section[i].count > (data.n - a->section[i].offset) / record_size[i])
            return KAPU_ERANGE;
    }
    if (count(a, ALLOW_STRINGS) > 0 &&
        *record(a, ALLOW_STRINGS, count(a, ALLOW_STRINGS) - 1) != '\0')
        return KAPU_EINVAL;
    err = check_files(a);
    return err != 0 ? err : check_programs(a);
}

uint32_t allow_page(const struct introspect_allow *a, const uint8_t hash[KAPU_SHA256_SIZE])
{
    uint32_t low = 0, high = count(a, ALLOW_ORDER);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t n = kapu_le32(record(a, ALLOW_ORDER, middle));
        int order = memcmp(record(a, ALLOW_HASHES, n), hash, KAPU_SHA256_SIZE);

        if (order == 0)
            return n;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ALLOW_NONE;
}

/* Below, at or behind zero: the order of two paths by their bytes. */
static int order_of(const char *one, const char *other)
{
    while (*one != '\0' && *one == *other) {
        one++;
        other++;
    }
    return (int)(uint8_t)*one - (int)(uint8_t)*other;
}

static const char *path_of(const struct introspect_allow *a, uint32_t file)
{
    return string(a, kapu_le32(record(a, ALLOW_FILES, file)));
}

/* Files are in order; one with several executable parts has several records, side by side. */
uint32_t allow_file(const struct introspect_allow *a, const char *path)
{
    uint32_t low = 0, high = count(a, ALLOW_FILES);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (order_of(path_of(a, middle), path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count(a, ALLOW_FILES) && text_equal(path_of(a, low), path) ? low : ALLOW_NONE;
}

uint32_t allow_page_of(const struct introspect_allow *a, uint32_t file, uint64_t page)
{
    uint32_t path = kapu_le32(record(a, ALLOW_FILES, file));

    for (; file < count(a, ALLOW_FILES); file++) {
        const uint8_t *f = record(a, ALLOW_FILES, file);
        uint64_t first = kapu_le32(f + 4);

        if (kapu_le32(f) != path)
            break;
        if (page >= first && page - first < kapu_le32(f + 12))
            return kapu_le32(f + 8) + (uint32_t)(page - first);
    }
    return ALLOW_NONE;
}

bool allow_same(const struct introspect_allow *a, uint32_t page, uint32_t other)
{
    uint32_t n = count(a, ALLOW_HASHES);

    return page < n && other < n &&
           memcmp(record(a, ALLOW_HASHES, page), record(a, ALLOW_HASHES, other),
                  KAPU_SHA256_SIZE) == 0;
}

static void read_program(const struct introspect_allow *a, uint32_t n, struct program *p)
{
    const uint8_t *r = record(a, ALLOW_PROGRAMS, n);

    p->flags = kapu_le32(r + 4);
    p->caps = kapu_le64(r + 8);
    p->first = kapu_le32(r + 16);
    p->users = get_le16(r + 20);
    p->ports = get_le16(r + 22);
    p->peers = get_le16(r + 24);
}

int allow_program(const struct introspect_allow *a, const char *path, struct program *p)
{
    int any = KAPU_ENOENT;

    for (uint32_t i = 0; i < count(a, ALLOW_PROGRAMS); i++) {
        const uint8_t *r = record(a, ALLOW_PROGRAMS, i);

        if ((kapu_le32(r + 4) & ALLOW_ANY) != 0) {
            if (allow_file(a, path) == ALLOW_NONE)
                continue;
            read_program(a, i, p);
            any = 0;
        } else if (text_equal(string(a, kapu_le32(r)), path)) {
            read_program(a, i, p);
            return 0;
        }
    }
    return any;
}

static uint32_t number(const struct introspect_allow *a, uint32_t n)
{
    return kapu_le32(record(a, ALLOW_NUMBERS, n));
}

bool program_user(const struct introspect_allow *a, const struct program *p, uint32_t uid)
{
    for (uint32_t i = 0; i < p->users; i++) {
        if (uid >= number(a, p->first + 2 * i) && uid <= number(a, p->first + 2 * i + 1))
            return true;
    }
    return false;
}

bool program_port(const struct introspect_allow *a, const struct program *p, uint32_t protocol,
                  uint32_t port)
{
    for (uint32_t i = 0; i < p->ports; i++) {
        if (number(a, p->first + 2u * p->users + i) == (protocol << 16 | port))
            return true;
    }
    return false;
}

static bool same_prefix(const uint8_t *one, const uint8_t *other, uint32_t bits)
{
    uint32_t whole = bits / 8, rest = bits % 8;

    return memcmp(one, other, whole) == 0 &&
           (rest == 0 || (one[whole] ^ other[whole]) >> (8 - rest) == 0);
}

bool program_peer(const struct introspect_allow *a, const struct program *p, const uint8_t *address,
                  uint32_t size, uint32_t port)
{
    uint32_t first = p->first + 2u * p->users + p->ports;

    if ((p->flags & ALLOW_ANY_PEER) != 0)
        return true;
    for (uint32_t i = 0; i < p->peers; i++) {
        uint32_t at = first + ALLOW_PEER_NUMBERS * i, bits = number(a, at) & 0xffff;

        if (number(a, at) >> 16 == size && bits <= 8 * size &&
            (number(a, at + 1) == 0 || number(a, at + 1) == port) &&
            same_prefix(record(a, ALLOW_NUMBERS, at + 2), address, bits))
            return true;
    }
    return false;
}

int allow_state(const struct introspect_allow *a, enum allow_state key, uint32_t *value,
                const char **text)
{
    for (uint32_t i = 0; i < count(a, ALLOW_STATE); i++) {
        const uint8_t *s = record(a, ALLOW_STATE, i);

        if (kapu_le32(s) == (uint32_t)key) {
            *value = kapu_le32(s + 4);
            *text = key >= STATE_STRINGS ? string(a, *value) : NULL;
            return 0;
        }
    }
    return KAPU_ENOENT;
}

bool allow_yes(const struct introspect_allow *a, enum allow_state key)
{
    const char *text;
    uint32_t value;

    return allow_state(a, key, &value, &text) == 0 && value == 1;
}

bool allow_module(const struct introspect_allow *a, const char *name)
{
    for (uint32_t i = 0; i < count(a, ALLOW_STATE); i++) {
        const uint8_t *s = record(a, ALLOW_STATE, i);

        if (kapu_le32(s) == STATE_MODULE && text_equal(string(a, kapu_le32(s + 4)), name))
            return true;
    }
    return false;
}

bool allow_has_modules(const struct introspect_allow *a)
{
    for (uint32_t i = 0; i < count(a, ALLOW_STATE); i++) {
        if (kapu_le32(record(a, ALLOW_STATE, i)) == STATE_MODULE)
            return true;
    }
    return false;
}

bool allow_is_of(const struct introspect_allow *a, const struct introspect_profile *p)
{
    return memcmp(a->all.p + ALLOW_PROFILE, sectioned_digest(p->all).p, SECTIONED_DIGEST) == 0;
}

struct bytes allow_root(const struct introspect_allow *a)
{
    return (struct bytes){record(a, ALLOW_ROOT, 0), count(a, ALLOW_ROOT)};
}
