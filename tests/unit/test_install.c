// SPDX-License-Identifier: Apache-2.0
/*
 * The installer on a simulated disk and server: random releases over random bases, power cut at
 * each write (not done, torn, done and not told), then again while it recovers; servers and disks
 * that lie or fail.
 */
#include "tpm2_fixture.h"

#include <kapu/install.h>
#include <kapu/install_code.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define BLOCKS 40u
#define FRAME_BLOCKS 4u
#define PREFIX (2u * RELEASE_BLOCK)
#define FRAME (FRAME_BLOCKS * RELEASE_BLOCK)
#define WINDOW 3u /* blocks, of a patch */
#define FRAMES (BLOCKS / FRAME_BLOCKS)
#define CUT (-100) /* the power is gone */

enum how { NOT_DONE, TORN, NOT_TOLD, HOWS };

static struct world {
    uint32_t seed;
    uint8_t content[BLOCKS][RELEASE_BLOCK], have[BLOCKS][RELEASE_BLOCK];
    uint8_t disk[BLOCKS][RELEASE_BLOCK], payload[FRAMES][FRAME];
    uint8_t hashes[BLOCKS * RELEASE_BLOCK_HASH], ends[4 * FRAMES];
    uint8_t patch[FRAMES][FRAME], table[12 * FRAMES];
    struct release_index x;
    struct release_patch p;
    bool with_patch;
    uint32_t fetches[FRAMES]; /* of each frame */
    long writes, cut_at;      /* the write, from 0, in which the power goes; -1: it stays */
    enum how how;
    int fail_fetch;                                     /* what the next fetches give */
    void (*lie)(struct world *w, uint8_t *p, size_t n); /* about what was fetched */
} w;

static uint32_t random_number(uint32_t below)
{
    w.seed = w.seed * 1664525u + 1013904223u;
    return (w.seed >> 8) % below;
}

static void random_block(uint8_t block[RELEASE_BLOCK])
{
    for (size_t i = 0; i < RELEASE_BLOCK; i++)
        block[i] = (uint8_t)random_number(256);
}

/* Packed is: the bytes of the frame as install_code.h makes them, each with the byte before it
 * added. */
static int packing(struct bytes prefix, const uint8_t *from, size_t n, uint8_t *to, bool packs)
{
    uint8_t before = prefix.n > 0 ? prefix.p[prefix.n - 1] : 0;

    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)(packs ? from[i] + before : from[i] - before);
        before = packs ? from[i] : to[i];
    }
    return 0;
}

/* Frame f with `n` bytes in its prefix, the last 4 of which come from there: block `window` of what
 * the gateway has, or if it is negative the content before the frame. */
static void pack_frame(uint32_t f, size_t n, int window, uint8_t to[FRAME])
{
    const uint32_t first = f * FRAME_BLOCKS;
    uint8_t content[FRAME], before[4] = {0};

    memcpy(content, w.content[first], FRAME);
    install_code_absolute(content, FRAME, (uint64_t)first * RELEASE_BLOCK);
    if (n > 0 && window < 0) {
        memcpy(before, w.content[first] - sizeof(before), sizeof(before));
        install_code_absolute(before, 4, (uint64_t)first * RELEASE_BLOCK - 4);
    } else if (n > 0) {
        memcpy(before, w.have[window] + RELEASE_BLOCK - 4, sizeof(before));
        install_code_absolute(before, 4, ((uint64_t)window + 1) * RELEASE_BLOCK - 4);
    }
    packing((struct bytes){before, n > 0 ? 4 : 0}, content, FRAME, to, true);
}

/* A release of which about `shared` percent of the blocks are somewhere in what the gateway has;
 * some of its blocks are the same as others of it. */
static void make_world(uint32_t seed, uint32_t shared)
{
    struct wr ends;

    memset(&w, 0, sizeof(w));
    w.seed = seed;
    w.cut_at = -1;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        random_block(w.have[i]);
        random_block(w.disk[i]);
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (random_number(100) < shared)
            memcpy(w.content[i], w.have[random_number(BLOCKS)], RELEASE_BLOCK);
        else if (i > 0 && random_number(10) == 0)
            memcpy(w.content[i], w.content[random_number(i)], RELEASE_BLOCK);
        else
            random_block(w.content[i]);
        if (random_number(8) == 0)
            memcpy(w.disk[i], w.content[i], RELEASE_BLOCK);
    }
    wr_init(&ends, w.ends, sizeof(w.ends));
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const struct bytes block = {w.content[i], RELEASE_BLOCK};
        uint8_t digest[32];

        assert_int_equal(SHA->hash(SHA->ctx, &block, 1, digest), 0);
        memcpy(w.hashes + i * RELEASE_BLOCK_HASH, digest, RELEASE_BLOCK_HASH);
    }
    for (uint32_t i = 0; i < FRAMES; i++) {
        pack_frame(i, i == 0 ? 0 : PREFIX, -1, w.payload[i]);
        wr_be32(&ends, (i + 1) * FRAME);
    }
    w.x = (struct release_index){.blocks = BLOCKS,
                                 .frame_blocks = FRAME_BLOCKS,
                                 .prefix = PREFIX,
                                 .hashes = BYTES_OF(w.hashes),
                                 .ends = BYTES_OF(w.ends)};
}

/* A patch with a frame for every other one; at the end of what the gateway has a window is shorter.
 */
static void make_patch(void)
{
    struct wr table;

    wr_init(&table, w.table, sizeof(w.table));
    for (uint32_t i = 0, n = 0; i < FRAMES; i += 2, n++) {
        const uint32_t window = i == 0 ? BLOCKS - 1 : random_number(BLOCKS - WINDOW);

        pack_frame(i, RELEASE_BLOCK, i == 0 ? (int)window : -1, w.patch[n]);
        wr_be32(&table, i);
        wr_be32(&table, window);
        wr_be32(&table, (n + 1) * FRAME);
    }
    w.p = (struct release_patch){.window = WINDOW,
                                 .prefix = PREFIX,
                                 .frames = (uint32_t)(table.at / 12),
                                 .table = wr_done(&table)};
    w.with_patch = true;
}

/* ---- the port ---- */

static int port_have(void *ctx, uint32_t number, uint8_t block[RELEASE_BLOCK])
{
    (void)ctx;
    if (number >= BLOCKS)
        return KAPU_ENOENT;
    memcpy(block, w.have[number], RELEASE_BLOCK);
    return 0;
}

static int port_read(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    (void)ctx;
    assert_true(at % RELEASE_BLOCK == 0 && at + n <= sizeof(w.disk));
    memcpy(to, &w.disk[0][0] + at, n);
    return 0;
}

static int port_write(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    const bool cut = w.writes++ == w.cut_at;

    (void)ctx;
    assert_true(at % RELEASE_BLOCK == 0 && at + n <= sizeof(w.disk));
    if (!cut || w.how == NOT_TOLD)
        memcpy(&w.disk[0][0] + at, from, n);
    else if (w.how == TORN)
        memcpy(&w.disk[0][0] + at, from, 1 + random_number((uint32_t)n - 1));
    return cut ? CUT : 0;
}

static int port_fetch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    (void)ctx;
    assert_true(at % FRAME == 0 && n == FRAME && at / FRAME < FRAMES);
    if (w.fail_fetch != 0)
        return w.fail_fetch;
    w.fetches[at / FRAME]++;
    memcpy(to, w.payload[at / FRAME], n);
    if (w.lie != NULL)
        w.lie(&w, to, n);
    return 0;
}

static int port_fetch_patch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    (void)ctx;
    assert_true(at % FRAME == 0 && n == FRAME && at / FRAME < FRAMES);
    if (w.fail_fetch != 0)
        return w.fail_fetch;
    memcpy(to, w.patch[at / FRAME], n);
    return 0;
}

static int port_unpack(void *ctx, struct bytes prefix, struct bytes frame, uint8_t *to, size_t n)
{
    (void)ctx;
    return frame.n == n ? packing(prefix, frame.p, n, to, false) : KAPU_EINVAL;
}

static const struct install_port port = {.have = port_have,
                                         .read = port_read,
                                         .write = port_write,
                                         .fetch = port_fetch,
                                         .fetch_patch = port_fetch_patch,
                                         .unpack = port_unpack};

/* ---- installing ---- */

static struct install_block memory[BLOCKS];
static uint8_t frame[FRAME], packed[2 * FRAME], prefix[PREFIX + WINDOW * RELEASE_BLOCK];
static struct install in;

static void begin(void)
{
    assert_int_equal(install_begin(&in, SHA, &w.x, w.with_patch ? &w.p : NULL, &port, memory, frame,
                                   packed, prefix),
                     0);
    for (uint32_t i = 0; i < BLOCKS; i++)
        assert_int_equal(install_there(&in, i, w.disk[i]), 0);
    for (uint32_t i = 0; i < BLOCKS; i++)
        assert_int_equal(install_offer(&in, i, w.have[i]), 0);
}

/* To the end, or to what stops it. */
static int run(void)
{
    int result;

    begin();
    do
        result = install_step(&in);
    while (result == 1);
    return result;
}

static void expect_done(void)
{
    assert_memory_equal(w.disk, w.content, sizeof(w.disk));
}

/* How many frames lack a block that neither is there nor can be had. */
static uint32_t frames_needed(void)
{
    uint32_t needed = 0;

    for (uint32_t f = 0; f < FRAMES; f++) {
        bool lacks = false;

        for (uint32_t i = f * FRAME_BLOCKS; i < (f + 1) * FRAME_BLOCKS; i++) {
            bool found = memcmp(w.disk[i], w.content[i], RELEASE_BLOCK) == 0;

            for (uint32_t k = 0; k < BLOCKS && !found; k++)
                found = memcmp(w.have[k], w.content[i], RELEASE_BLOCK) == 0;
            lacks = lacks || !found;
        }
        needed += lacks;
    }
    return needed;
}

/* ---- tests ---- */

static void exactly_what_is_lacking_is_fetched(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 300; seed++) {
        uint32_t needed;

        make_world(seed, seed % 101);
        needed = frames_needed();
        assert_int_equal(run(), 0);
        expect_done();
        assert_int_equal(in.figures.frames, needed);
        assert_int_equal(in.figures.bytes, needed * FRAME);
        assert_int_equal(in.figures.there + in.figures.copied + in.figures.fetched, BLOCKS);
        assert_int_equal(in.figures.written, in.figures.copied + in.figures.fetched);
    }
}

static void what_is_all_there_is_only_looked_at(void **state)
{
    (void)state;
    make_world(1, 0);
    memcpy(w.disk, w.content, sizeof(w.disk));
    begin();
    assert_int_equal(install_lacking(&in), 0);
    assert_int_equal(run(), 0);
    assert_int_equal(w.writes, 0);
    assert_int_equal(in.figures.frames, 0);
}

/* Each write of an installation cut in each way; then each write of the recovery. */
static void a_power_cut_anywhere_and_one_in_the_recovery_lose_nothing(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 4; seed++) {
        long writes;

        make_world(seed, 50);
        assert_int_equal(run(), 0);
        writes = w.writes;
        for (long first = 0; first < writes; first++) {
            for (long second = -1; second < writes - first; second++) {
                uint32_t twice = 0;

                make_world(seed, 50);
                w.how = (enum how)((first + second + 1) % HOWS);
                w.cut_at = first;
                assert_int_equal(run(), CUT);
                w.cut_at = second < 0 ? -1 : w.writes + second;
                if (run() != 0) {
                    w.cut_at = -1;
                    assert_int_equal(run(), 0);
                }
                expect_done();
                for (uint32_t f = 0; f < FRAMES; f++)
                    twice += w.fetches[f] > 1 ? w.fetches[f] - 1 : 0;
                assert_true(twice <= (second < 0 ? 1u : 2u)); /* a frame for each cut */
            }
        }
    }
}

static void a_network_that_comes_back_goes_on_where_it_was(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 50; seed++) {
        uint32_t needed, before = 0;

        make_world(seed, 30);
        needed = frames_needed();
        begin();
        for (;;) {
            int result;

            w.fail_fetch = before % 2 == 0 ? KAPU_ETIMEOUT : 0; /* lost at each frame */
            result = install_step(&in);
            if (result == KAPU_ETIMEOUT) {
                before++;
                continue;
            }
            before += w.fail_fetch == 0;
            assert_true(result >= 0);
            if (result == 0)
                break;
        }
        expect_done();
        assert_int_equal(in.figures.frames, needed);
    }
}

static void lie_in_a_bit(struct world *world, uint8_t *p, size_t n)
{
    (void)world;
    p[random_number((uint32_t)n)] ^= (uint8_t)(1u << random_number(8));
}

static void lie_with_another_frame(struct world *world, uint8_t *p, size_t n)
{
    memcpy(p, world->payload[random_number(FRAMES - 1) + 1], n);
    p[0]++;
}

static void nothing_wrong_is_written_whatever_a_server_sends(void **state)
{
    static void (*const lies[])(struct world *, uint8_t *, size_t) = {lie_in_a_bit,
                                                                      lie_with_another_frame};

    (void)state;
    for (uint32_t seed = 0; seed < 200; seed++) {
        uint8_t before[sizeof(w.disk)];
        int result;

        make_world(seed, 60);
        memcpy(before, w.disk, sizeof(before));
        w.lie = lies[seed % 2];
        result = run();
        assert_true(result == 0 || result == KAPU_EAUTH);
        for (uint32_t i = 0; i < BLOCKS; i++)
            assert_true(memcmp(w.disk[i], w.content[i], RELEASE_BLOCK) == 0 ||
                        memcmp(w.disk[i], before + i * RELEASE_BLOCK, RELEASE_BLOCK) == 0);
        w.lie = NULL; /* and an honest one after it completes it */
        assert_int_equal(run(), 0);
        expect_done();
    }
}

/* The running slot is read through dm-verity; a block that changes all the same is not taken. */
static void what_was_offered_and_is_another_now_is_fetched(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 50; seed++) {
        int result, stale = 0;

        make_world(seed, 100);
        begin();
        for (uint32_t i = 0; i < BLOCKS; i++)
            w.have[i][seed] ^= 1;
        do {
            result = install_step(&in);
            stale += result == KAPU_ESTALE;
            assert_true(result >= 0 || result == KAPU_ESTALE);
        } while (result != 0);
        assert_true(stale > 0);
        expect_done();
    }
}

static void what_a_patch_has_is_taken_from_it(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 50; seed++) {
        make_world(seed, 30);
        make_patch();
        assert_int_equal(run(), 0);
        expect_done();
        assert_int_equal(in.figures.spoiled, 0);
        assert_true(in.figures.patched > 0 && in.figures.patched < in.figures.frames);
        for (uint32_t f = 0; f < FRAMES; f += 2)
            assert_int_equal(w.fetches[f], 0);
    }
}

/* Nobody signed it: bad frames, or another base than it is for, cost what they cost. */
static void a_patch_that_is_no_good_is_made_up_for(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 50; seed++) {
        make_world(seed, 30);
        make_patch();
        for (uint32_t f = 0; f < FRAMES; f++)
            lie_in_a_bit(&w, w.patch[f], FRAME);
        assert_int_equal(run(), 0);
        expect_done();
        assert_true(in.figures.spoiled > 0 && in.figures.spoiled == in.figures.patched);
    }
}

static void put_word(uint8_t *to, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(word >> (8 * i));
}

static void expect_code(uint32_t word, uint64_t at, uint32_t expected)
{
    uint8_t is[4], want[4];

    put_word(is, word);
    put_word(want, expected);
    install_code_absolute(is, 4, at);
    assert_memory_equal(is, want, 4);
    install_code_relative(is, 4, at);
    put_word(want, word);
    assert_memory_equal(is, want, 4);
}

/* As an assembler encodes them: bl .+0x1000 is 94000400; adrp x0, .+0x1000 is b0000000. */
static void calls_and_pages_tell_where_they_lead(void **state)
{
    (void)state;
    expect_code(0x94000400, 0x5000, 0x94000400 + 0x5000 / 4);
    expect_code(0x97ffffff, 0x5000, 0x94000000 + 0x5000 / 4 - 1); /* bl .-4 */
    expect_code(0x97ffffff, 0, 0x97ffffff);
    expect_code(0xb0000000, 0x7ffc, 0x90000040);     /* 1 page from page 7: 8 */
    expect_code(0xf0ffffe3, 0x3000, 0xd0000003);     /* adrp x3, .-0x1000 in page 3: 2 */
    expect_code(0x90100000, 1ull << 40, 0x90100000); /* 2^17 pages, not near: left alone */
    expect_code(0x14000400, 0x5000, 0x14000400);     /* b: left alone */
    expect_code(0x10000000, 0x5000, 0x10000000);     /* adr: left alone */
    expect_code(0xf00fffe0, 0x1000, 0x90f00000);     /* the most that is near, and one: wraps */
}

static void any_bytes_come_back_as_they_were(void **state)
{
    uint8_t was[RELEASE_BLOCK], is[RELEASE_BLOCK];

    (void)state;
    for (uint32_t seed = 0; seed < 2000; seed++) {
        const uint64_t at = (uint64_t)seed * 977 * RELEASE_BLOCK;
        const size_t n = RELEASE_BLOCK - seed % 5;

        w.seed = seed;
        random_block(was);
        for (size_t i = 3; i < RELEASE_BLOCK; i += 8) /* mostly such instructions */
            was[i] = seed % 2 ? (uint8_t)(0x94 | (was[i] & 3)) : (uint8_t)(0x90 | (was[i] & 0x60));
        memcpy(is, was, RELEASE_BLOCK);
        install_code_absolute(is, n, at);
        assert_memory_not_equal(is, was, RELEASE_BLOCK);
        assert_memory_equal(is + n, was + n, RELEASE_BLOCK - n);
        install_code_relative(is, n, at);
        assert_memory_equal(is, was, RELEASE_BLOCK);
    }
}

static void the_index_of_a_patch_is_read_back_and_found_in(void **state)
{
    uint8_t buf[1024];
    struct release_patch is;
    size_t size;
    struct wr out;

    (void)state;
    make_world(5, 30);
    make_patch();
    memset(w.p.from, 0x42, sizeof(w.p.from));
    wr_init(&out, buf, sizeof(buf));
    assert_int_equal(release_patch_encode(&w.p, &out), 0);
    assert_int_equal(release_patch_decode(wr_done(&out), &is), 0);
    assert_memory_equal(is.from, w.p.from, sizeof(is.from));
    assert_int_equal(is.frames, w.p.frames);
    assert_int_equal(release_patch_size(buf, &size), 0);
    assert_int_equal(size, out.at);
    buf[0] ^= 0x40;
    assert_int_equal(release_patch_size(buf, &size), KAPU_EINVAL);
    buf[0] ^= 0x40;
    for (uint32_t f = 0; f < FRAMES + 2; f++) {
        struct release_patch_frame found;
        const int expected = f < FRAMES && f % 2 == 0 ? 0 : KAPU_ENOENT;

        assert_int_equal(release_patch_find(&is, f, &found), expected);
        if (expected == 0)
            assert_true(found.at == f / 2 * FRAME && found.n == FRAME && found.number == f);
    }
    for (size_t n = 0; n < out.at; n++)
        assert_int_not_equal(release_patch_decode((struct bytes){buf, n}, &is), 0);
    w.table[12] = w.table[13] = w.table[14] = w.table[15] =
        0; /* the second frame before the first */
    assert_int_equal(release_patch_encode(&w.p, &out), KAPU_EARG);
}

static void a_disk_that_fails_stops_it_by_its_own_error(void **state)
{
    (void)state;
    make_world(3, 50);
    w.cut_at = 5;
    assert_int_equal(run(), CUT);
    assert_int_equal(install_step(&in), 1); /* the caller may go on: nothing was taken for done */
    make_world(3, 50);
    begin();
    assert_int_equal(install_there(&in, BLOCKS, w.disk[0]), KAPU_EARG);
    assert_int_equal(install_offer(&in, UINT32_MAX - 1, w.disk[0]), KAPU_EARG);
}

static void a_frame_without_room_for_it_is_refused(void **state)
{
    struct wr ends;

    (void)state;
    make_world(1, 0);
    wr_init(&ends, w.ends, sizeof(w.ends));
    for (uint32_t i = 0; i < FRAMES; i++)
        wr_be32(&ends, i * FRAME + 2 * FRAME + 1);
    assert_int_equal(install_begin(&in, SHA, &w.x, w.with_patch ? &w.p : NULL, &port, memory, frame,
                                   packed, prefix),
                     KAPU_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_what_is_lacking_is_fetched),
        cmocka_unit_test(what_is_all_there_is_only_looked_at),
        cmocka_unit_test(a_power_cut_anywhere_and_one_in_the_recovery_lose_nothing),
        cmocka_unit_test(a_network_that_comes_back_goes_on_where_it_was),
        cmocka_unit_test(nothing_wrong_is_written_whatever_a_server_sends),
        cmocka_unit_test(what_was_offered_and_is_another_now_is_fetched),
        cmocka_unit_test(what_a_patch_has_is_taken_from_it),
        cmocka_unit_test(a_patch_that_is_no_good_is_made_up_for),
        cmocka_unit_test(calls_and_pages_tell_where_they_lead),
        cmocka_unit_test(any_bytes_come_back_as_they_were),
        cmocka_unit_test(the_index_of_a_patch_is_read_back_and_found_in),
        cmocka_unit_test(a_disk_that_fails_stops_it_by_its_own_error),
        cmocka_unit_test(a_frame_without_room_for_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
