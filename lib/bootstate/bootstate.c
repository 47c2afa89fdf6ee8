// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <kapu/bootstate.h>

/* Words in RAM: a magic number, then current slot, marks of refusal, two counts of two bits. */
#define MARKS_MAGIC 0x6b61u
#define MAGIC_SHIFT 16
#define CURRENT_SHIFT 8
#define REFUSED_SHIFT 4
#define STARTS_BITS 2u
#define STARTS_MASK 3u

#define VERSION_AT 3u
#define CONFIRMED_AT BOOTSTATE_V1_SIZE
#define TRIED_AT (CONFIRMED_AT + BOOTSTATE_IDENTITY_SIZE)

static const uint8_t nobody[BOOTSTATE_IDENTITY_SIZE];

static const uint8_t magic[VERSION_AT] = {'K', 'B', 'S'};

void bootstate_encode(const struct bootstate *s, uint8_t to[BOOTSTATE_SIZE])
{
    memcpy(to, magic, sizeof(magic));
    to[VERSION_AT] = 2;
    to[4] = s->slot;
    to[5] = s->trial ? 1 : 0;
    to[6] = s->tries;
    to[7] = (uint8_t)s->gave_up;
    memcpy(to + CONFIRMED_AT, s->confirmed, sizeof(s->confirmed));
    memcpy(to + TRIED_AT, s->tried, sizeof(s->tried));
}

static int decode(const uint8_t *from, uint8_t version, struct bootstate *s)
{
    memset(s, 0, sizeof(*s));
    if (memcmp(from, magic, sizeof(magic)) != 0 || from[VERSION_AT] != version ||
        from[4] >= BOOTSTATE_SLOTS || from[5] > 1 || from[6] > BOOTSTATE_TRIES_MAX ||
        (from[5] == 0 && from[6] != 0) || from[7] > BOOTSTATE_GAVE_UP_REFUSED ||
        (from[5] == 1 && from[7] != 0))
        return KAPU_EINVAL;
    s->slot = from[4];
    s->trial = from[5] == 1;
    s->tries = from[6];
    s->gave_up = (enum bootstate_gave_up)from[7];
    return 0;
}

int bootstate_decode(const uint8_t from[BOOTSTATE_SIZE], struct bootstate *s)
{
    int err = decode(from, 2, s);

    if (err != 0)
        return err;
    memcpy(s->confirmed, from + CONFIRMED_AT, sizeof(s->confirmed));
    memcpy(s->tried, from + TRIED_AT, sizeof(s->tried));
    return !s->trial && memcmp(s->tried, nobody, sizeof(nobody)) != 0 ? KAPU_EINVAL : 0;
}

int bootstate_decode_v1(const uint8_t from[BOOTSTATE_V1_SIZE], struct bootstate *s)
{
    return decode(from, 1, s);
}

uint32_t bootmarks_encode(const struct bootmarks *m)
{
    uint32_t word = (MARKS_MAGIC << MAGIC_SHIFT) | ((uint32_t)m->current << CURRENT_SHIFT);

    for (unsigned int i = 0; i < BOOTSTATE_SLOTS; i++) {
        word |= (m->refused[i] ? 1u : 0u) << (REFUSED_SHIFT + i);
        word |= (uint32_t)m->starts[i] << (i * STARTS_BITS);
    }
    return word;
}

void bootmarks_decode(uint32_t word, struct bootmarks *m)
{
    memset(m, 0, sizeof(*m));
    if (word >> MAGIC_SHIFT != MARKS_MAGIC)
        return;
    m->current = (uint8_t)((word >> CURRENT_SHIFT) & 1u);
    for (unsigned int i = 0; i < BOOTSTATE_SLOTS; i++) {
        m->refused[i] = ((word >> (REFUSED_SHIFT + i)) & 1u) != 0;
        m->starts[i] = (uint8_t)((word >> (i * STARTS_BITS)) & STARTS_MASK);
    }
}

static uint8_t other(uint8_t slot)
{
    return slot == 0 ? 1 : 0;
}

static bool usable(const struct bootmarks *m, uint8_t slot)
{
    return !m->refused[slot] && m->starts[slot] < BOOTSTATE_STARTS;
}

enum bootstate_verdict bootstate_choose(struct bootstate *s, struct bootmarks *m)
{
    enum bootstate_verdict verdict = BOOTSTATE_BOOT;

    if (s->trial && s->tries > 0 && !m->refused[s->slot]) {
        s->tries--;
        m->current = s->slot;
        return BOOTSTATE_BOOT;
    }
    if (s->trial) {
        s->gave_up = m->refused[s->slot] ? BOOTSTATE_GAVE_UP_REFUSED : BOOTSTATE_GAVE_UP_TRIES;
        s->slot = other(s->slot);
        s->trial = false;
        s->tries = 0;
        memset(s->tried, 0, sizeof(s->tried));
        verdict = BOOTSTATE_FELL_BACK;
    }
    m->current = usable(m, s->slot) ? s->slot : other(s->slot);
    if (!usable(m, m->current)) {
        memset(m, 0, sizeof(*m));
        return BOOTSTATE_NONE;
    }
    m->starts[m->current]++;
    return verdict;
}

const uint8_t *bootstate_expected(const struct bootstate *s, uint8_t slot)
{
    return s->trial && slot == s->slot ? s->tried : s->confirmed;
}

bool bootstate_allows(const struct bootstate *s, uint8_t slot,
                      const uint8_t identity[BOOTSTATE_IDENTITY_SIZE])
{
    const uint8_t *wanted = bootstate_expected(s, slot);

    return memcmp(wanted, nobody, sizeof(nobody)) == 0 ||
           memcmp(wanted, identity, BOOTSTATE_IDENTITY_SIZE) == 0;
}

bool bootstate_refuse(const struct bootstate *s, struct bootmarks *m)
{
    const uint8_t next = other(m->current);

    m->refused[m->current] = true;
    /* A slot on trial gives way to one that was confirmed before, whatever its marks say. */
    if (s->trial || !m->refused[next]) {
        m->starts[next] = 0;
        return true;
    }
    memset(m, 0, sizeof(*m));
    return false;
}

void bootstate_complete(struct bootmarks *m)
{
    uint8_t current = m->current;

    memset(m, 0, sizeof(*m));
    m->current = current;
}
