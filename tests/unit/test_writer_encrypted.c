// SPDX-License-Identifier: Apache-2.0
/*
 * The writer of updates and releases whose payload is encrypted: what it keeps of a key and for how
 * long, and what it does without the right one. Power cuts: test_writer_cuts.c.
 */
#include "tpm2_fixture.h"

#include <sys/stat.h>

#include <kapu/cipher.h>

#include "digest.h"
#include "update_world.h"

static void expect_run(bool settled)
{
    const bool ended = world_run();

    if (world.wrong != NULL)
        fail_msg("%s", world.wrong);
    assert_true(ended && world_settled() == settled);
}

static const uint8_t *key_of(uint32_t release)
{
    return world_releases[release].key;
}

static bool has(const void *memory, size_t n, uint32_t release)
{
    return memmem(memory, n, key_of(release), 32) != NULL;
}

/* A file of the state folder: its content, and that nobody else can read it; 0: not there. */
static size_t read_state(const char *name, uint8_t *to, size_t room)
{
    char path[128];
    struct stat s;
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof(path), "%s/%s", world.folder, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return 0;
    assert_int_equal(fstat(fileno(f), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    n = fread(to, 1, room, f);
    assert_int_equal(fclose(f), 0);
    return n;
}

static bool folder_has(uint32_t release)
{
    static const char *const names[] = {ORDER_FILE,      ORDER_RUNNING, ORDER_COPYING, "index",
                                        "running.index", "restarted",   "unfinished"};
    static uint8_t content[1 << 20];
    bool found = false;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        found = has(content, read_state(names[i], content, sizeof(content)), release) || found;
    return found;
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

/* ---- good ones ---- */

static uint32_t seen_in_folder, seen_in_memory;

static bool watch_key(struct world *w, uint32_t ms)
{
    if (ms == 0 && w->fetches > 0 && w->u.stage == UPDATE_IDLE && w->release == 0) {
        seen_in_folder += folder_has(1);
        seen_in_memory += has(&world_writer, sizeof(world_writer), 1);
    }
    return world_operator(w, ms);
}

static void an_encrypted_release_gets_into_both_slots_and_its_key_is_gone(void **state)
{
    (void)state;
    world_make_encrypted(1, true);
    seen_in_folder = seen_in_memory = 0;
    world.operates = watch_key;
    expect_run(true);
    assert_true(seen_in_folder > 0 && seen_in_memory > 0); /* while it was needed */
    assert_false(folder_has(1));
    assert_false(has(&world_writer, sizeof(world_writer), 1));
    assert_true(world_slot_is(0, 1) && world_slot_is(1, 1));
    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        assert_true(world.of_frame[i] <= 1);
    world.target = 2; /* and the next, back in slot A, under its own key */
    expect_run(true);
    assert_false(folder_has(2) || has(&world_writer, sizeof(world_writer), 2));
    world_end();
}

static void an_encrypted_patch_is_used(void **state)
{
    (void)state;
    world_make_encrypted(3, true);
    expect_run(true);
    memset(world.of_frame, 0, sizeof(world.of_frame));
    world.has_patch = true;
    world.target = 2;
    expect_run(true);
    assert_true(world.of_patch > 0);
    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        assert_int_equal(world.of_frame[i], 0);
    world_end();
}

static void a_release_that_is_not_encrypted_follows_one_that_is(void **state)
{
    (void)state;
    world_make_encrypted(4, true);
    expect_run(true);
    world_decrypt(2);
    world.target = 2;
    expect_run(true);
    world_end();
}

/* The key that release 1 has for a file of the simulated server. */
static bool memory_has_key_of(const char *file)
{
    const struct bytes name = {(const uint8_t *)file, strlen(file)};
    uint8_t salt[32], key[32];

    assert_int_equal(digest_sha256.hash(digest_sha256.ctx, &name, 1, salt), 0);
    assert_int_equal(cipher_file_key(&digest_sha256, key_of(1), name, salt, key), 0);
    return memmem(&world_writer, sizeof(world_writer), key, sizeof(key)) != NULL;
}

static bool halt_it(struct world *w, uint32_t ms)
{
    if (ms > 0)
        return w->number == 0 && world_operator(w, ms);
    if (w->fetches == 5 && w->number == 1) {
        assert_true(folder_has(1) && has(&world_writer, sizeof(world_writer), 1));
        assert_true(memory_has_key_of("index") && memory_has_key_of("payload"));
        w->number = 2;
        assert_int_equal(world_ask(world_halt(1)).update.answer, UPDATE_DONE);
        assert_false(folder_has(1));
    }
    return true;
}

/* In the boot in which they were used. */
static void a_halt_takes_all_keys_away(void **state)
{
    (void)state;
    world_make_encrypted(5, true);
    world.operates = halt_it;
    expect_run(false);
    assert_int_equal(world.fetches, 5);
    assert_false(folder_has(1) || has(&world_writer, sizeof(world_writer), 1));
    assert_false(memory_has_key_of("index") || memory_has_key_of("payload"));
    world.operates = world_operator;
    expect_run(true);
    world_end();
}

/* ---- keys that are not right ---- */

static const char *refusal;

static bool install_badly(struct world *w, uint32_t ms)
{
    struct protocol_reply r;

    if (ms == 0)
        return true;
    if (w->number > 0)
        return false;
    w->number = 1;
    r = world_ask(world_install(1));
    assert_int_equal(r.kind, PROTOCOL_ERROR);
    assert_int_equal(r.error.n, strlen(refusal));
    assert_memory_equal(r.error.p, refusal, r.error.n);
    return true;
}

static void an_order_without_the_right_key_is_told_so_and_nothing_is_fetched(void **state)
{
    static const struct {
        enum world_key key;
        bool plain;
        const char *why;
    } row[] = {
        {WORLD_NO_KEY, false, "the release is encrypted, and the order has no key"},
        {WORLD_WRONG_KEY, false, "the key of the order is not that of the release"},
        {WORLD_WRONG_KEY, true, "the order has a key, and the release is not encrypted"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        world_make_encrypted(6, true);
        if (row[i].plain)
            world_decrypt(1);
        refusal = row[i].why;
        world.order_key = row[i].key;
        world.operates = install_badly;
        expect_run(false);
        assert_int_equal(world.fetches + world.requests, 0);
        assert_true(other_is_untouched());
        assert_false(folder_has(1) || folder_has(2));
        assert_false(has(&world_writer, sizeof(world_writer), 2)); /* what came as the key */
        world_again();                                             /* the same with the right one */
        expect_run(true);
        world_end();
    }
}

/* What a program of before, or somebody, left in the state folder. */
static void put_order(enum world_key key)
{
    char path[128];
    struct bytes request;
    FILE *f;

    world.order_key = key;
    world.number = 1;
    request = world_install(1);
    (void)snprintf(path, sizeof(path), "%s/" ORDER_FILE, world.folder);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fputc(0, f), 0);
    assert_int_equal(fwrite(request.p, 1, request.n, f), request.n);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
    world.order_key = WORLD_ITS_KEY;
}

static bool look_on(struct world *w, uint32_t ms)
{
    (void)w;
    return ms == 0;
}

static void
an_order_that_was_kept_with_a_wrong_key_is_dropped_before_anything_is_fetched(void **state)
{
    (void)state;
    for (int key = WORLD_NO_KEY; key <= WORLD_WRONG_KEY; key++) {
        struct protocol_update u;
        char why[PROTOCOL_WHY_MAX + 1] = "";
        uint8_t some[1];

        world_make_encrypted(7, true);
        put_order((enum world_key)key);
        world.operates = look_on;
        expect_run(false);
        u = world_state();
        memcpy(why, u.why.p, u.why.n);
        assert_int_equal(u.work, PROTOCOL_STOPPED);
        assert_non_null(strstr(why, "key"));
        assert_int_equal(world.fetches, 0);
        assert_true(other_is_untouched());
        assert_int_equal(read_state(ORDER_FILE, some, 1), 0);
        world_again();
        put_order(WORLD_ITS_KEY);
        expect_run(true);
        assert_int_equal(world.number, 1); /* by this order */
        world_end();
    }
}

/* ---- servers ---- */

static const char *lies_about;
static uint32_t lies_left;
static bool of_salt;

static void lie(struct world *w, const char *file, uint64_t at, uint8_t *p, uint32_t n)
{
    (void)w;
    if (lies_left > 0 && strcmp(file, lies_about) == 0 && (at < CIPHER_SALT_SIZE) == of_salt) {
        p[world_random(n)] ^= (uint8_t)(1u << world_random(8));
        lies_left--;
    }
}

static uint32_t arbitrary;

static bool watch_lies(struct world *w, uint32_t ms)
{
    if (ms > 0 && ms <= 60000 && w->u.stage == UPDATE_IDLE && w->release == 0 && w->fetches > 0) {
        assert_int_equal(world_state().answer, UPDATE_ARBITRARY_SOFTWARE);
        arbitrary++;
        return true;
    }
    return world_operator(w, ms);
}

/* A bit of the ciphertext is a bit of what is decrypted; one of the salt spoils all. */
static void flipped_ciphertext_and_salt_are_found_by_the_hashes_and_asked_for_again(void **state)
{
    static const char *const files[] = {"index", "payload"};

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        world_make_encrypted(10 + i, true);
        arbitrary = 0;
        lies_about = files[i % 2];
        of_salt = i % 4 >= 2;
        lies_left = 3;
        world.lies = lie;
        world.operates = watch_lies;
        expect_run(true);
        assert_int_equal(arbitrary, 3);
        assert_int_equal(lies_left, 0);
        world_end();
    }
}

static void lie_in_salt_of_patch(struct world *w, const char *file, uint64_t at, uint8_t *p,
                                 uint32_t n)
{
    (void)w;
    if (strncmp(file, "patch", 5) == 0 && strstr(file, ".index") == NULL && at == 0)
        p[n / 2] ^= 1;
}

static void a_patch_whose_salt_is_another_is_made_up_for_by_the_payload(void **state)
{
    uint32_t frames = 0;

    (void)state;
    world_make_encrypted(3, true);
    expect_run(true);
    memset(world.of_frame, 0, sizeof(world.of_frame));
    world.has_patch = true;
    world.target = 2;
    world.lies = lie_in_salt_of_patch;
    expect_run(true);
    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        frames += world.of_frame[i];
    assert_true(frames > 0 && world.of_patch > 0);
    world_end();
}

static void each_fault_at_each_fetch_is_gone_on_from(void **state)
{
    uint32_t all;

    (void)state;
    world_make_encrypted(8, true);
    expect_run(true);
    all = world.fetches;
    for (uint32_t at = 0; at < all; at++) {
        world_again();
        world.fault = FETCH_NO_ANSWER;
        world.fail_at = at;
        world.fail_for = 3;
        expect_run(true);
        assert_int_equal(world.fetches, all + 3); /* no salt and no range again */
    }
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encrypted_release_gets_into_both_slots_and_its_key_is_gone),
        cmocka_unit_test(an_encrypted_patch_is_used),
        cmocka_unit_test(a_release_that_is_not_encrypted_follows_one_that_is),
        cmocka_unit_test(a_halt_takes_all_keys_away),
        cmocka_unit_test(an_order_without_the_right_key_is_told_so_and_nothing_is_fetched),
        cmocka_unit_test(
            an_order_that_was_kept_with_a_wrong_key_is_dropped_before_anything_is_fetched),
        cmocka_unit_test(flipped_ciphertext_and_salt_are_found_by_the_hashes_and_asked_for_again),
        cmocka_unit_test(a_patch_whose_salt_is_another_is_made_up_for_by_the_payload),
        cmocka_unit_test(each_fault_at_each_fetch_is_gone_on_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
