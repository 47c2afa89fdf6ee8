// SPDX-License-Identifier: Apache-2.0
/*
 * The writer of updates on simulated media, with the real decisions of the secure world: what it
 * does and says, what servers, media and operators may do to it. Power cuts: test_writer_cuts.c.
 */
#include "tpm2_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "update_world.h"

static void expect_settled(void)
{
    const bool ended = world_run();

    if (world.wrong != NULL)
        fail_msg("%s", world.wrong);
    assert_true(ended && world_settled());
}

/* The program ended as the test wished. */
static void expect_ended(void)
{
    const bool ended = world_run();

    if (world.wrong != NULL)
        fail_msg("%s", world.wrong);
    assert_true(ended);
}

static bool says(const struct protocol_update *u, const char *part)
{
    char why[PROTOCOL_WHY_MAX + 1];

    memcpy(why, u->why.p, u->why.n);
    why[u->why.n] = '\0';
    if (strstr(why, part) == NULL)
        print_error("it says: %s\n", why);
    return strstr(why, part) != NULL;
}

static bool is_there(const char *file)
{
    char path[128];
    struct stat s;

    (void)snprintf(path, sizeof(path), "%s/%s", world.folder, file);
    return stat(path, &s) == 0;
}

static bool other_is_untouched(void)
{
    static const uint8_t disk[WORLD_DISK];

    for (size_t i = 0; i < WORLD_FLASH; i++) {
        if (world.flash[1][i] != 0xff)
            return false;
    }
    return memcmp(world.disk[1], disk, WORLD_DISK) == 0;
}

/* ---- the table of decisions ---- */

static void what_is_done_next_is_the_first_row_that_is_true(void **state)
{
    const struct writer_facts idle = {.stage = UPDATE_IDLE};
    struct writer_facts f = {.stage = UPDATE_CLOSED, .order = true, .copies = true};

    (void)state;
    assert_int_equal(writer_decide(&f), WRITER_ASK_AGAIN);
    for (int over = 0; over < 2; over++) {
        f.stage = over ? UPDATE_OVER : UPDATE_WAITING;
        f.reset_before = false;
        assert_int_equal(writer_decide(&f), WRITER_RESET);
        f.reset_before = true;
        assert_int_equal(writer_decide(&f), WRITER_IN_VAIN);
    }
    f.stage = UPDATE_ON_TRIAL;
    assert_int_equal(writer_decide(&f), WRITER_CONFIRM);
    f.approval = true;
    assert_int_equal(writer_decide(&f), WRITER_REST);
    f = idle;
    assert_int_equal(writer_decide(&f), WRITER_REST);
    f.copies = true;
    assert_int_equal(writer_decide(&f), WRITER_COPY);
    f.order = true;
    assert_int_equal(writer_decide(&f), WRITER_INSTALL);
    f.failed = true;
    assert_int_equal(writer_decide(&f), WRITER_REST);
    f.tried = true;
    assert_int_equal(writer_decide(&f), WRITER_DROP);
    f.confirmed = true;
    assert_int_equal(writer_decide(&f), WRITER_PROMOTE);
}

/* ---- a whole update ---- */

static void an_order_is_fetched_tried_confirmed_and_copied_to_the_other_slot(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(1, true);
    expect_settled();
    assert_int_equal(world.boots, 2);
    assert_int_equal(world.confirmations, 1);
    u = world_state();
    assert_true(u.stage == UPDATE_IDLE && u.last == UPDATE_CONFIRMED && u.answer == UPDATE_DONE);
    assert_true(u.work == PROTOCOL_RESTING && u.why.n == 0 && u.memory_kib == 1234);
    assert_true(u.done == WORLD_BLOCKS && u.all == WORLD_BLOCKS && u.rollout == 1);
    assert_int_equal(u.fetched, 0); /* of the copy nothing is */
    assert_memory_equal(u.release, world_releases[1].digest, sizeof(u.release));
    assert_memory_equal(u.boot, world.boot.name, sizeof(u.boot));
    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        assert_true(world.of_frame[i] <= 1);
    world.target = 2; /* and the next, back in slot A */
    expect_settled();
    assert_int_equal(world.boot.slot, 0);
    world_end();
}

static void what_the_gateway_has_is_not_fetched(void **state)
{
    uint32_t all;

    (void)state;
    world_make(2, true);
    expect_settled();
    all = world.fetches;
    world_again();
    memcpy(world.disk[1], world_releases[1].content, WORLD_ROOT * RELEASE_BLOCK);
    expect_settled(); /* the root image was there */
    assert_true(world.fetches < all);
    for (uint32_t i = 0; i < WORLD_ROOT / WORLD_FRAME; i++)
        assert_int_equal(world.of_frame[i], 0);
    world_end();
}

static void a_patch_is_used_for_the_release_that_runs_and_missed_by_nobody(void **state)
{
    uint32_t by_payload;

    (void)state;
    world_make(3, true);
    expect_settled();
    memset(world.of_frame, 0, sizeof(world.of_frame));
    world.target = 2; /* without one: its absence is no fault */
    expect_settled();
    by_payload = world.fetches;
    assert_true(by_payload > 0);
    world_again();
    expect_settled();
    memset(world.of_frame, 0, sizeof(world.of_frame));
    world.has_patch = true;
    world.target = 2;
    expect_settled();
    assert_true(world.of_patch > 0);
    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        assert_int_equal(world.of_frame[i], 0);
    world_end();
}

static void lie_in_patch(struct world *w, const char *file, uint64_t at, uint8_t *p, uint32_t n)
{
    (void)w;
    (void)at;
    if (strncmp(file, "patch", 5) == 0 && strstr(file, ".index") == NULL)
        p[n / 2] ^= 0x10;
}

static void a_patch_that_is_damaged_or_taken_away_is_made_up_for_by_the_payload(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        uint32_t frames = 0;

        world_make(3, true);
        expect_settled();
        memset(world.of_frame, 0, sizeof(world.of_frame));
        world.has_patch = true;
        world.target = 2;
        if (gone == 0) {
            world.lies = lie_in_patch;
        } else { /* its index is there, and then it is not */
            world.fail_at = world.fetches + 3;
            world.fail_for = 1;
            world.fault = FETCH_REFUSED;
        }
        expect_settled();
        for (uint32_t i = 0; i < WORLD_FRAMES; i++)
            frames += world.of_frame[i];
        assert_true(frames > 0);
        assert_true(gone == 1 ? world.of_patch == 0 : world.of_patch > 0);
        world_end();
    }
}

/* ---- refusals, before anything is fetched ---- */

static bool install_once(struct world *w, uint32_t ms)
{
    if (ms == 0)
        return true;
    if (w->number > 0)
        return false;
    w->number = 1;
    (void)world_ask(world_install(w->target));
    return true;
}

static void a_release_that_would_be_refused_is_not_fetched(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(4, true);
    world.counter = WORLD_COUNTER + 1; /* release 1 is not above it */
    world.operates = install_once;
    expect_ended();
    u = world_state();
    assert_true(u.answer == UPDATE_ROLLBACK && u.work == PROTOCOL_STOPPED);
    assert_true(says(&u, update_answer_says(UPDATE_ROLLBACK)));
    assert_memory_equal(u.release, world_releases[1].digest, sizeof(u.release));
    assert_int_equal(world.fetches + world.requests, 0);
    assert_true(other_is_untouched() && !is_there(ORDER_FILE));
    world_again(); /* the same with the counter as it was */
    expect_settled();
    world_end();
}

/* An order that was taken may be refused by the time that it is gone on with: by a halt of another
 * release under a later number. */
static bool halt_another(struct world *w, uint32_t ms)
{
    if (ms > 0)
        return install_once(w, ms);
    if (w->fetches == 3 && w->number == 1) {
        w->number = 2;
        assert_int_equal(world_ask(world_halt(2)).update.answer, UPDATE_DONE);
    }
    return true;
}

static void an_order_that_is_outdated_is_given_up_before_more_is_fetched(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(4, true);
    world.operates = halt_another;
    expect_ended();
    u = world_state();
    assert_true(u.answer == UPDATE_REPLAYED_ROLLOUT && u.work == PROTOCOL_STOPPED);
    assert_int_equal(world.fetches, 3);
    assert_false(is_there(ORDER_FILE));
    world_end();
}

/* While a trial runs, its other slot is what it falls back to. */
static bool install_on_trial(struct world *w, uint32_t ms)
{
    struct protocol_reply r;

    if (ms == 0 || w->u.stage != UPDATE_ON_TRIAL)
        return world_operator(w, ms);
    w->number++;
    r = world_ask(world_install(2));
    assert_int_equal(r.kind, PROTOCOL_UPDATE);
    assert_int_equal(r.update.answer, UPDATE_BUSY);
    assert_memory_equal(r.update.release, world_releases[2].digest, 32);
    return false;
}

static void nothing_is_written_while_a_trial_runs(void **state)
{
    uint32_t fetches;

    (void)state;
    world_make(5, true);
    world.operates = install_on_trial;
    expect_ended();
    assert_true(world_slot_is(0, 0)); /* what it would fall back to */
    fetches = world.fetches;
    world.number = 1;
    world.operates = world_operator;
    expect_settled();
    assert_int_equal(world.fetches, fetches);
    world_end();
}

/* ---- halts ---- */

static uint32_t halt_at, halted;

static bool halt_it(struct world *w, uint32_t ms)
{
    if (ms > 0)
        return install_once(w, ms) || w->number < halted;
    if (w->fetches == halt_at && w->number == 1) {
        w->number = halted;
        assert_int_equal(world_ask(world_halt(1)).update.answer, UPDATE_DONE);
        assert_int_equal(world_state().work, PROTOCOL_RESTING);
    }
    return true;
}

static void a_halt_stops_a_download_at_any_frame_and_the_order_is_gone(void **state)
{
    uint32_t all;

    (void)state;
    world_make(6, true);
    expect_settled();
    all = world.fetches;
    halted = 2;
    for (halt_at = 1; halt_at < all; halt_at++) {
        world_again();
        world.operates = halt_it;
        expect_ended();
        assert_int_equal(world.fetches, halt_at);
        assert_int_equal(world.requests, 1); /* the halt */
        assert_int_equal(world_state().work, PROTOCOL_RESTING);
        assert_int_equal(world_state().answer, UPDATE_DONE);
        assert_false(is_there(ORDER_FILE));
        world.operates = world_operator; /* a new rollout takes it up */
        expect_settled();
        /* The index again, and what was not in the flash yet. */
        assert_in_range(world.fetches, all + 1, all + 1 + WORLD_FRAMES_A_CUT);
    }
    world_end();
}

static bool halt_trial(struct world *w, uint32_t ms)
{
    if (ms == 0 || w->u.stage != UPDATE_ON_TRIAL)
        return w->boots < 3 ? world_operator(w, ms) : false;
    w->number++;
    assert_int_equal(world_ask(world_halt(1)).update.stage, UPDATE_OVER);
    return true;
}

static void a_trial_that_is_halted_gives_way_to_the_other_slot_by_one_reset(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(7, true);
    world.operates = halt_trial;
    expect_ended();
    u = world_state();
    assert_true(world.boots == 3 && world.release == 0 && u.last == UPDATE_HALTED);
    assert_false(is_there(ORDER_FILE));
    assert_int_equal(u.stage, UPDATE_IDLE);
    world_end();
}

/* ---- servers ---- */

static const struct {
    enum fetch_fault fault;
    enum update_answer answer;
} fault_row[] = {
    {FETCH_NO_ANSWER, UPDATE_DONE},      {FETCH_REFUSED, UPDATE_DONE},
    {FETCH_MOVED, UPDATE_DONE},          {FETCH_WRONG_RANGE, UPDATE_DONE},
    {FETCH_SHORT, UPDATE_DONE},          {FETCH_ENDLESS, UPDATE_ENDLESS_DATA},
    {FETCH_SLOW, UPDATE_SLOW_RETRIEVAL},
};
static enum update_answer expected_answer;
static uint32_t rests, rest_ms[8];

/* An operator who looks at the state while the writer rests after a fault. */
static bool watch_faults(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->fault_now != FETCH_FINE && w->u.stage == UPDATE_IDLE && ms <= 60000) {
        const struct protocol_update u = world_state();

        assert_int_equal(u.work, PROTOCOL_FETCHING);
        assert_int_equal(u.answer, expected_answer);
        assert_true(says(&u, "the server's?fault") && says(&u, w->url));
        if (rests < 8)
            rest_ms[rests] = ms;
        rests++;
        return true;
    }
    return world_operator(w, ms);
}

static void each_fault_at_each_fetch_is_said_and_gone_on_from(void **state)
{
    uint32_t all;

    (void)state;
    world_make(8, true);
    expect_settled();
    all = world.fetches;
    for (size_t f = 0; f < sizeof(fault_row) / sizeof(fault_row[0]); f++) {
        for (uint32_t at = 0; at < all; at++) {
            world_again();
            rests = 0;
            expected_answer = fault_row[f].answer;
            world.fault = fault_row[f].fault;
            world.fail_at = at;
            world.fail_for = 3;
            world.operates = watch_faults;
            expect_settled();
            assert_int_equal(rests, 3);
            assert_int_equal(world.fetches, all + 3); /* nothing else was fetched again */
            assert_true(rest_ms[0] == 2000 && rest_ms[1] == 4000 && rest_ms[2] == 8000);
            assert_int_equal(world_state().answer, UPDATE_DONE);
        }
    }
    world_end();
}

static void rests_grow_to_a_minute(void **state)
{
    (void)state;
    world_make(8, true);
    rests = 0;
    expected_answer = UPDATE_DONE;
    world.fault = FETCH_NO_ANSWER;
    world.fail_at = 2;
    world.fail_for = 8;
    world.operates = watch_faults;
    expect_settled();
    assert_true(rest_ms[4] == 32000 && rest_ms[5] == 60000 && rest_ms[7] == 60000);
    world_end();
}

static const char *lies_about;
static uint32_t lies_left;

static void lie(struct world *w, const char *file, uint64_t at, uint8_t *p, uint32_t n)
{
    (void)w;
    (void)at;
    if (lies_left > 0 && strcmp(file, lies_about) == 0) {
        p[world_random(n)] ^= (uint8_t)(1u << world_random(8));
        lies_left--;
    }
}

static bool watch_lies(struct world *w, uint32_t ms)
{
    if (ms > 0 && ms <= 60000 && w->u.stage == UPDATE_IDLE && w->release == 0 && w->fetches > 0) {
        const struct protocol_update u = world_state();

        assert_int_equal(u.work, PROTOCOL_FETCHING);
        assert_int_equal(u.answer, UPDATE_ARBITRARY_SOFTWARE);
        assert_true(says(&u, lies_about));
        rest_ms[rests++] = ms;
        return true;
    }
    return world_operator(w, ms);
}

/* Whatever is in the other slot is a block of the release, or what was there. */
static void what_does_not_verify_is_said_never_written_and_asked_for_again(void **state)
{
    static const char *const files[] = {"index", "payload"};

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        world_make(9 + i, true);
        rests = 0;
        lies_about = files[i % 2];
        lies_left = 4;
        world.lies = lie;
        world.operates = watch_lies;
        expect_settled();
        assert_int_equal(rests, 4);
        assert_true(rest_ms[0] == 2000 && rest_ms[1] >= 2000);
        if (i % 2 == 0) /* the same file again; of frames, others may have been right in between */
            assert_true(rest_ms[1] == 4000 && rest_ms[3] == 16000);
        world_end();
    }
}

/* ---- media ---- */

static bool until_it_stops(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->number > 0 && world_state().work == PROTOCOL_STOPPED)
        return false;
    return world_operator(w, ms);
}

static void a_medium_that_fails_at_any_write_stops_the_work_until_the_next_boot(void **state)
{
    long all;
    unsigned int root = 0, firmware = 0;

    (void)state;
    world_make(10, true);
    expect_settled();
    all = world.writes;
    for (long at = 0; at < all; at++) {
        struct protocol_update u;

        world_again();
        world.fail_write_at = at;
        world.operates = until_it_stops;
        expect_ended();
        u = world_state();
        assert_int_equal(u.work, PROTOCOL_STOPPED);
        root += says(&u, "root image: cannot be") ? 1 : 0;
        firmware += strstr((const char *)u.why.p, "firmware package: cannot be") != NULL ? 1 : 0;
        world.operates = world_operator; /* the order was kept */
        world.number = 1;
        expect_settled();
    }
    assert_true(root > 0 && firmware > 0 && (long)(root + firmware) == all);
    world_end();
}

static void flash_that_does_not_keep_what_is_written_is_found_out(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(11, true);
    world.stuck = true;
    world.operates = until_it_stops;
    expect_ended();
    u = world_state();
    assert_true(u.work == PROTOCOL_STOPPED && says(&u, "firmware package"));
    assert_int_equal(world.requests, 0);
    world_again();
    expect_settled();
    world_end();
}

static void flash_that_changes_after_it_was_written_is_found_out(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(11, true);
    world.rots = true;
    world.operates = until_it_stops;
    expect_ended();
    u = world_state();
    assert_true(u.work == PROTOCOL_STOPPED &&
                says(&u, "firmware package: is not what was written"));
    assert_int_equal(world.requests, 0);
    world_end();
}

static uint8_t small_flash[2 * WORLD_SECTOR];
static unsigned int erases, writes;

static int read_small(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    (void)ctx;
    memcpy(to, small_flash + at, n);
    return 0;
}

static int erase_small(void *ctx, uint64_t at)
{
    (void)ctx;
    memset(small_flash + at, 0xff, WORLD_SECTOR);
    erases++;
    return 0;
}

static int write_small(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    const uint8_t stuck = *(const uint8_t *)ctx;

    for (size_t i = 0; i < n; i++)
        small_flash[at + i] &= from[i];
    small_flash[at + 5] &= (uint8_t)~stuck;
    writes++;
    return 0;
}

static void a_sector_is_written_once_when_it_changed_and_held_against_the_flash(void **state)
{
    static uint8_t buffer[WORLD_SECTOR], block[RELEASE_BLOCK];
    uint8_t stuck = 0, is[RELEASE_BLOCK];
    const struct flash_port port = {.ctx = &stuck,
                                    .size = sizeof(small_flash),
                                    .sector = WORLD_SECTOR,
                                    .read = read_small,
                                    .erase = erase_small,
                                    .write = write_small};
    struct flash f;

    (void)state;
    memset(small_flash, 0xff, sizeof(small_flash));
    memset(block, 0x3c, sizeof(block));
    assert_int_equal(flash_begin(&f, &port, buffer), 0);
    for (uint64_t at = 0; at < WORLD_SECTOR; at += RELEASE_BLOCK)
        assert_int_equal(flash_write(&f, at, block, sizeof(block)), 0);
    assert_int_equal(flash_read(&f, 0, is, sizeof(is)), 0);
    assert_memory_equal(is, block, sizeof(is));
    assert_int_equal(small_flash[0], 0xff); /* not yet */
    assert_int_equal(flash_flush(&f), 0);
    assert_true(erases == 0 && writes == 1); /* it was blank */
    assert_memory_equal(small_flash, block, sizeof(block));
    assert_int_equal(flash_write(&f, RELEASE_BLOCK, block, sizeof(block)), 0); /* as it is */
    assert_int_equal(flash_flush(&f), 0);
    assert_true(erases == 0 && writes == 1);
    memset(block, 0xc3, sizeof(block)); /* across both sectors */
    assert_int_equal(flash_write(&f, WORLD_SECTOR - 1000, block, sizeof(block)), 0);
    assert_int_equal(flash_flush(&f), 0);
    assert_true(erases == 1 && writes == 3);
    assert_memory_equal(small_flash + WORLD_SECTOR - 1000, block, sizeof(block));
    stuck = 0x40;
    block[0] = block[5] = 0xff;
    assert_int_equal(flash_write(&f, 0, block, sizeof(block)), 0);
    assert_int_equal(flash_flush(&f), KAPU_EIO);
    assert_int_equal(flash_read(&f, 5, is, 1), 0);
    assert_int_equal(is[0], 0xbf); /* as it is in the flash, not as it was wanted */
    assert_int_equal(flash_write(&f, sizeof(small_flash), block, 1), KAPU_ERANGE);
    assert_int_equal(flash_read(&f, sizeof(small_flash) - 1, block, 2), KAPU_ERANGE);
}

/* In the end, or when a frame refers to what was lost: then it is written again. */
static void a_disk_that_loses_any_write_is_found_out_before_the_trial(void **state)
{
    unsigned int stopped = 0, mended = 0;
    long all;

    (void)state;
    world_make(11, true);
    expect_settled();
    all = world.disk_writes;
    for (long at = 0; at < all; at++) { /* file system and hash tree, then the copy */
        struct protocol_update u;

        world_again();
        world.lose_write_at = at;
        world.operates = until_it_stops;
        expect_ended();
        u = world_state();
        stopped += u.work == PROTOCOL_STOPPED;
        mended += u.work != PROTOCOL_STOPPED && world_settled();
        if (u.work == PROTOCOL_STOPPED)
            assert_true(says(&u, "root image: is not what was written"));
        assert_true(world.requests == world.release || world_settled());
        world.operates = world_operator;
        world.number = 1;
        expect_settled();
    }
    assert_true(stopped > 0 && mended > 0 && (long)(stopped + mended) == all);
    world_end();
}

static void a_release_that_is_larger_than_the_slot_is_given_up_for_good(void **state)
{
    struct world_release *r = &world_releases[1];
    static struct slot_other s;
    static uint8_t sector[FLASH_SECTOR_MAX];
    struct release_manifest m;
    struct disk_port disk = {.size = (WORLD_ROOT + WORLD_TREE) * RELEASE_BLOCK};
    struct flash_port flash = {.size = 2 * WORLD_SECTOR, .sector = WORLD_SECTOR};

    (void)state;
    world_make(12, true);
    m = r->m;
    assert_int_equal(slot_other_begin(&s, &disk, &flash, &m, sector), 0);
    disk.size -= 1; /* the hash tree needs its place too */
    assert_int_equal(slot_other_begin(&s, &disk, &flash, &m, sector), KAPU_ESPACE);
    assert_int_equal(s.failing, SLOT_ROOT);
    disk.size += 1;
    m.firmware.size = flash.size;
    assert_int_equal(slot_other_begin(&s, &disk, &flash, &m, sector), 0);
    m.firmware.size++;
    assert_int_equal(slot_other_begin(&s, &disk, &flash, &m, sector), KAPU_ESPACE);
    assert_int_equal(s.failing, SLOT_FIRMWARE);
    flash.sector = FLASH_SECTOR_MAX + 1;
    m.firmware.size = 1;
    assert_int_equal(slot_other_begin(&s, &disk, &flash, &m, sector), KAPU_EARG);
    world_end();
}

/* The same through the whole of it: a manifest that its signers should not have signed. */
static void an_order_that_never_fits_is_dropped(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(12, true);
    world_large_firmware(1);
    world.operates = install_once;
    expect_ended();
    u = world_state();
    assert_true(u.work == PROTOCOL_STOPPED &&
                says(&u, "firmware package: is larger than the slot"));
    assert_false(is_there(ORDER_FILE));
    assert_true(other_is_untouched() && world.fetches == 0);
    world_end();
}

/* ---- the state folder ---- */

static bool full_folder(struct world *w, uint32_t ms)
{
    struct protocol_reply r;

    if (ms == 0)
        return true;
    w->number = 1;
    r = world_ask(world_install(1));
    assert_int_equal(r.kind, PROTOCOL_ERROR);
    assert_memory_equal(r.error.p, "state folder: ", 14);
    return false;
}

/* A file system without room fails as one does that may not grow a file: in write(2). */
static void without_room_in_the_state_folder_no_order_is_taken(void **state)
{
    const struct rlimit none = {0, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};

    (void)state;
    world_make(13, true);
    (void)signal(SIGXFSZ, SIG_IGN);
    world.operates = full_folder;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    {
        const bool ended = world_run();

        assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
        assert_true(ended);
    }
    assert_true(other_is_untouched() && !is_there(ORDER_FILE) && !is_there("unfinished"));
    world.operates = world_operator;
    expect_settled();
    world_end();
}

static bool full_at_index(struct world *w, uint32_t ms)
{
    const struct rlimit some = {100, RLIM_INFINITY};

    if (ms > 0 && w->number == 1)
        return false;
    if (ms > 0) {
        w->number = 1;
        (void)world_ask(world_install(1));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &some), 0);
    }
    return true;
}

static void an_index_that_cannot_be_kept_stops_the_work(void **state)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    struct protocol_update u;
    bool ended;

    (void)state;
    world_make(13, true);
    (void)signal(SIGXFSZ, SIG_IGN);
    world.operates = full_at_index;
    ended = world_run();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    assert_true(ended);
    u = world_state();
    assert_true(u.work == PROTOCOL_STOPPED && says(&u, "state folder: index"));
    assert_true(is_there(ORDER_FILE));
    world.operates = world_operator;
    expect_settled();
    world_end();
}

/* ---- trials ---- */

static bool until_reset_is_in_vain(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->boots > 1) { /* another order would be taken by the secure world */
        w->number = 2;
        assert_int_equal(world_ask(world_install(2)).update.answer, UPDATE_BUSY);
        return false;
    }
    return world_operator(w, ms);
}

/* As when BL1 does not start the trial, for whatever reason. */
static void a_reset_that_brings_nothing_is_asked_for_once(void **state)
{
    struct protocol_update u;
    struct store s;
    bool before = true;

    (void)state;
    world_make(14, true);
    world.operates = until_reset_is_in_vain;
    world.never_starts = true;
    expect_ended();
    u = world_state();
    assert_int_equal(world.boots, 2);
    assert_false(is_there("index") && world_slot_is(1, 2));
    assert_true(u.stage == UPDATE_WAITING && u.work == PROTOCOL_STOPPED);
    assert_int_equal(store_open(&s, world.folder), 0);
    assert_int_equal(order_restarts(&s, UPDATE_WAITING, &world.u.record, world.boot.name), 0);
    assert_int_equal(order_restarted(&s, UPDATE_WAITING, &world.u.record, world.boot.name, &before),
                     0);
    assert_false(before); /* the program was started again, the gateway was not */
    assert_int_equal(
        order_restarted(&s, UPDATE_OVER, &world.u.record, world.boot.identity, &before), 0);
    assert_false(before); /* for another reason */
    assert_int_equal(
        order_restarted(&s, UPDATE_WAITING, &world.u.record, world.boot.identity, &before), 0);
    assert_true(before);
    store_close(&s);
    world_end();
}

static bool until_dropped(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->release == 0 && w->number == 1 && w->u.record.last == UPDATE_TRIES_GONE)
        return false;
    return world_operator(w, ms);
}

static void an_order_whose_trial_failed_is_dropped_and_may_come_again(void **state)
{
    struct protocol_update u;

    (void)state;
    world_make(15, true);
    world.hangs = true;
    world.operates = until_dropped;
    expect_ended();
    u = world_state();
    assert_true(u.work == PROTOCOL_STOPPED && says(&u, "tries gone"));
    assert_memory_equal(u.release, world_releases[1].digest, 32);
    assert_false(is_there(ORDER_FILE));
    assert_int_equal(world.requests, 1);
    world.hangs = false;
    world.number = 0; /* the same rollout again: it has another trial */
    world.fetches = 0;
    world.operates = world_operator;
    expect_settled();
    /* Its blocks were there, but for a sector: nothing starts from there any more. */
    assert_true(world.fetches <= 1 + WORLD_FRAMES_A_CUT);
    assert_int_equal(world.number, 1);
    world_end();
}

static bool until_rest(struct world *w, uint32_t ms)
{
    (void)w;
    return ms == 0;
}

/* What the state folder says of the running release may be another one's: of a lab, or of a disk
 * that was put back. */
static void a_release_that_does_not_run_is_not_copied(void **state)
{
    static const uint8_t mark[] = {'1'};
    struct store s;

    (void)state;
    for (int other = 0; other < 2; other++) {
        world_make(15, true);
        expect_settled();
        memset(world.disk[1 - world.boot.slot], 0, WORLD_DISK);
        if (other)
            world_replace(2);
        assert_int_equal(store_open(&s, world.folder), 0);
        assert_int_equal(store_write(&s, ORDER_COPYING, BYTES_OF(mark)), 0);
        store_close(&s);
        world.operates = until_rest;
        expect_ended();
        assert_int_equal(world_slot_is((uint8_t)(1 - world.boot.slot), 1), !other);
        assert_int_equal(world.disk[1 - world.boot.slot][1] == 0, other);
        assert_int_equal(world_state().work, PROTOCOL_RESTING); /* nor is it begun */
        world_end();
    }
}

/* What was kept as running is of another release than what runs, which has some of its blocks:
 * nothing of it is written. */
static void a_copy_of_what_does_not_run_writes_nothing(void **state)
{
    static const uint8_t mark[] = {'1'};
    static uint8_t before[WORLD_DISK];
    struct update_record r;
    struct store s;

    (void)state;
    for (uint32_t seed = 100; seed < 140; seed++) {
        world_make(seed, true);
        expect_settled();
        world_replace(2);
        memset(world.disk[1 - world.boot.slot], 0, WORLD_DISK);
        memcpy(before, world.disk[1 - world.boot.slot], sizeof(before));
        assert_int_equal(update_record_decode(world.record, &r), 0);
        r.last = UPDATE_TRIES_GONE; /* a later trial failed */
        update_record_encode(&r, world.record);
        assert_int_equal(store_open(&s, world.folder), 0);
        assert_int_equal(store_write(&s, ORDER_COPYING, BYTES_OF(mark)), 0);
        store_close(&s);
        world.operates = until_rest;
        expect_ended();
        assert_int_equal(world_state().work, PROTOCOL_STOPPED);
        assert_memory_equal(world.disk[1 - world.boot.slot], before, sizeof(before));
        world_end();
    }
}

/* The halt waits while the approval is worked on: it comes before anything else is done. */
static bool approves_and_halts(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->u.stage == UPDATE_ON_TRIAL) {
        assert_int_equal(world_ask(world_approve()).update.answer, UPDATE_DONE);
        w->number++;
        assert_int_equal(world_ask(world_halt(1)).update.answer, UPDATE_DONE);
        return true;
    }
    if (ms > 0 && w->u.stage == UPDATE_IDLE && w->u.record.last == UPDATE_CONFIRMED)
        return false;
    return world_operator(w, ms);
}

static void a_halt_right_after_an_approval_comes_too_late_and_loses_nothing(void **state)
{
    (void)state;
    world_make(16, true);
    world.operates = approves_and_halts;
    expect_ended();
    assert_int_equal(world.u.record.last, UPDATE_CONFIRMED);
    assert_true(world_slot_is(1, 1) && world_slot_is(0, 1));
    world_end();
}

static bool clean_later(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->dirty && w->u.stage == UPDATE_ON_TRIAL) {
        const struct protocol_update u = world_state();

        assert_int_equal(u.answer, UPDATE_NOT_CLEAN);
        assert_int_equal(ms, 60000);
        rests++;
        w->dirty = rests < 3;
    }
    return world_operator(w, ms);
}

static void without_need_of_approval_a_clean_check_is_asked_for_until_it_is_one(void **state)
{
    (void)state;
    world_make(16, false);
    rests = 0;
    world.dirty = true;
    world.operates = clean_later;
    expect_settled();
    assert_int_equal(rests, 3);
    assert_int_equal(world.confirmations, 1);
    world_end();
}

static bool approve_dirty(struct world *w, uint32_t ms)
{
    if (ms > 0 && w->u.stage == UPDATE_ON_TRIAL && w->dirty) {
        assert_int_equal(world_ask(world_approve()).update.answer, UPDATE_NOT_CLEAN);
        assert_int_equal(w->u.stage, UPDATE_ON_TRIAL);
        w->dirty = false;
    }
    return world_operator(w, ms);
}

static void an_approval_is_brought_and_its_refusal_told(void **state)
{
    (void)state;
    world_make(17, true);
    world.dirty = true;
    world.operates = approve_dirty;
    expect_settled();
    world_end();
}

static void a_secure_world_that_cannot_be_asked_is_asked_again(void **state)
{
    (void)state;
    for (int calls = 1; calls < 8; calls++) {
        world_make(18, true);
        world.fail_tee = calls;
        expect_settled();
        world_end();
    }
}

/* ---- requests at any time ---- */

static uint32_t seen;

static bool ask_always(struct world *w, uint32_t ms)
{
    if (ms == 0 && w->u.stage == UPDATE_IDLE && w->release == 0) {
        const struct protocol_update u = world_state();

        assert_true(u.work == PROTOCOL_FETCHING || u.work == PROTOCOL_ASKING);
        assert_true(u.done >= seen || u.all == 0);
        seen = u.done;
    }
    return world_operator(w, ms);
}

static void the_state_is_told_while_it_works_and_progress_only_grows(void **state)
{
    (void)state;
    world_make(19, true);
    seen = 0;
    world.operates = ask_always;
    expect_settled();
    assert_int_equal(seen, WORLD_BLOCKS);
    world_end();
}

static bool again_while_it_works(struct world *w, uint32_t ms)
{
    if (ms == 0 && w->fetches == 4 && w->release == 0 && !seen) {
        seen = 1;
        assert_int_equal(world_ask(world_install(1)).update.work, PROTOCOL_FETCHING);
    }
    return world_operator(w, ms);
}

/* QoS 1: a request may come twice. */
static void the_same_order_again_disturbs_nothing(void **state)
{
    uint32_t all, checks;

    (void)state;
    world_make(20, true);
    expect_settled();
    all = world.fetches;
    checks = world.checks;
    world_again();
    seen = 0;
    world.operates = again_while_it_works;
    expect_settled();
    assert_int_equal(seen, 1);
    assert_int_equal(world.fetches, all);
    assert_int_equal(world.checks, checks + 1); /* that of the request, no new beginning */
    world_end();
}

static bool join_while_it_works(struct world *w, uint32_t ms)
{
    struct protocol_update u;

    if (ms == 0 && w->fetches == 4 && w->release == 0 && !seen) {
        seen = 1;
        u = world_ask(world_join("north", 7)).update;
        assert_true(u.work == PROTOCOL_FETCHING && u.group.n == 5);
        assert_memory_equal(u.group.p, "north", 5);
    }
    return world_operator(w, ms);
}

static void a_membership_is_taken_at_any_time_and_disturbs_nothing(void **state)
{
    struct protocol_update u;
    uint32_t all;

    (void)state;
    world_make(22, true);
    assert_int_equal(world_state().group.n, 0);
    expect_settled();
    all = world.fetches;
    world_again();
    seen = 0;
    world.operates = join_while_it_works;
    expect_settled();
    assert_int_equal(seen, 1);
    assert_int_equal(world.fetches, all);
    u = world_ask(world_join("south", 6)).update; /* an older one */
    assert_int_equal(u.answer, UPDATE_REPLAYED_ROLLOUT);
    assert_memory_equal(u.group.p, "north", u.group.n);
    u = world_ask(world_join("south", 8)).update;
    assert_true(u.answer == UPDATE_DONE && u.group.n == 5);
    assert_memory_equal(u.group.p, "south", 5);
    world_end();
}

/* A halt of a release that nobody installs here, again and again while another one is fetched. */
static bool halt_again_and_again(struct world *w, uint32_t ms)
{
    const uint64_t number = w->number;

    if (ms == 0 && w->fetches > 2 && w->release == 0) {
        w->number = 1;
        assert_int_equal(world_ask(world_halt(2)).update.work, PROTOCOL_FETCHING);
        w->number = number;
        seen++;
    } else if (seen == 0 && number == 0) {
        w->number = 1;
        assert_int_equal(world_ask(world_halt(2)).update.answer, UPDATE_DONE);
    }
    return world_operator(w, ms);
}

static void a_halt_that_comes_again_disturbs_nothing(void **state)
{
    uint32_t all, checks;

    (void)state;
    world_make(23, true);
    expect_settled();
    all = world.fetches;
    checks = world.checks;
    world_again();
    seen = 0;
    world.operates = halt_again_and_again;
    expect_settled();
    assert_true(seen > 2);
    assert_int_equal(world.fetches, all);
    assert_int_equal(world.checks, checks);
    world_end();
}

static bool bad_requests(struct world *w, uint32_t ms)
{
    struct bytes good;
    uint8_t bad[PROTOCOL_REQUEST_MAX];

    if (ms == 0)
        return true;
    w->number = 1;
    good = world_install(1);
    for (size_t n = 0; n < good.n; n += 7) { /* cut off, and with a bit that is another one */
        memcpy(bad, good.p, good.n);
        assert_int_equal(world_ask((struct bytes){bad, n}).kind, PROTOCOL_ERROR);
        bad[n] ^= 4;
        if (world_ask((struct bytes){bad, good.n}).kind == PROTOCOL_UPDATE &&
            world_state().answer == UPDATE_DONE)
            assert_memory_equal(bad + 4, "elease", 0); /* the folder: nobody signed its name */
    }
    return false;
}

static void no_malformed_request_does_harm(void **state)
{
    (void)state;
    world_make(21, true);
    world.operates = bad_requests;
    expect_ended();
    assert_int_equal(world.requests, 0);
    assert_true(other_is_untouched());
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_done_next_is_the_first_row_that_is_true),
        cmocka_unit_test(an_order_is_fetched_tried_confirmed_and_copied_to_the_other_slot),
        cmocka_unit_test(what_the_gateway_has_is_not_fetched),
        cmocka_unit_test(a_patch_is_used_for_the_release_that_runs_and_missed_by_nobody),
        cmocka_unit_test(a_patch_that_is_damaged_or_taken_away_is_made_up_for_by_the_payload),
        cmocka_unit_test(a_release_that_would_be_refused_is_not_fetched),
        cmocka_unit_test(an_order_that_is_outdated_is_given_up_before_more_is_fetched),
        cmocka_unit_test(nothing_is_written_while_a_trial_runs),
        cmocka_unit_test(a_halt_stops_a_download_at_any_frame_and_the_order_is_gone),
        cmocka_unit_test(a_trial_that_is_halted_gives_way_to_the_other_slot_by_one_reset),
        cmocka_unit_test(each_fault_at_each_fetch_is_said_and_gone_on_from),
        cmocka_unit_test(rests_grow_to_a_minute),
        cmocka_unit_test(what_does_not_verify_is_said_never_written_and_asked_for_again),
        cmocka_unit_test(a_medium_that_fails_at_any_write_stops_the_work_until_the_next_boot),
        cmocka_unit_test(flash_that_does_not_keep_what_is_written_is_found_out),
        cmocka_unit_test(flash_that_changes_after_it_was_written_is_found_out),
        cmocka_unit_test(a_sector_is_written_once_when_it_changed_and_held_against_the_flash),
        cmocka_unit_test(a_disk_that_loses_any_write_is_found_out_before_the_trial),
        cmocka_unit_test(a_release_that_is_larger_than_the_slot_is_given_up_for_good),
        cmocka_unit_test(an_order_that_never_fits_is_dropped),
        cmocka_unit_test(without_room_in_the_state_folder_no_order_is_taken),
        cmocka_unit_test(an_index_that_cannot_be_kept_stops_the_work),
        cmocka_unit_test(a_reset_that_brings_nothing_is_asked_for_once),
        cmocka_unit_test(an_order_whose_trial_failed_is_dropped_and_may_come_again),
        cmocka_unit_test(a_release_that_does_not_run_is_not_copied),
        cmocka_unit_test(a_copy_of_what_does_not_run_writes_nothing),
        cmocka_unit_test(a_halt_right_after_an_approval_comes_too_late_and_loses_nothing),
        cmocka_unit_test(without_need_of_approval_a_clean_check_is_asked_for_until_it_is_one),
        cmocka_unit_test(an_approval_is_brought_and_its_refusal_told),
        cmocka_unit_test(a_secure_world_that_cannot_be_asked_is_asked_again),
        cmocka_unit_test(the_state_is_told_while_it_works_and_progress_only_grows),
        cmocka_unit_test(the_same_order_again_disturbs_nothing),
        cmocka_unit_test(a_halt_that_comes_again_disturbs_nothing),
        cmocka_unit_test(a_membership_is_taken_at_any_time_and_disturbs_nothing),
        cmocka_unit_test(no_malformed_request_does_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
