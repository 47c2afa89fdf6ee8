// SPDX-License-Identifier: Apache-2.0
/* lib/fip: a package from attacker-writable flash yields images inside the slot, or an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kapu/fip.h>

#define HEADER 16U
#define ENTRY 40U
#define SLOT 4096U

static const uint8_t uuid_a[FIP_UUID_SIZE] = {0xaa, 1};
static const uint8_t uuid_b[FIP_UUID_SIZE] = {0xbb, 2};

static void put_le64(uint8_t *p, uint64_t v)
{
    for (unsigned int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void put_entry(uint8_t *slot, size_t i, const uint8_t uuid[FIP_UUID_SIZE], uint64_t offset,
                      uint64_t size)
{
    uint8_t *entry = slot + HEADER + i * ENTRY;

    memcpy(entry, uuid, FIP_UUID_SIZE);
    put_le64(entry + 16, offset);
    put_le64(entry + 24, size);
}

/* Two images: A at 1024, 100 bytes; B right behind it, up to the end of the slot. */
static struct bytes good_slot(uint8_t slot[SLOT])
{
    memset(slot, 0, SLOT);
    put_le64(slot, 0x12345678aa640001U);
    put_entry(slot, 0, uuid_a, 1024, 100);
    put_entry(slot, 1, uuid_b, 1124, SLOT - 1124);
    return (struct bytes){slot, SLOT};
}

static void finds_images_by_uuid(void **state)
{
    uint8_t slot[SLOT];
    struct bytes out;
    struct fip fip;

    (void)state;
    assert_int_equal(fip_open(&fip, good_slot(slot)), 0);
    assert_int_equal(fip_find(&fip, uuid_a, &out), 0);
    assert_ptr_equal(out.p, slot + 1024);
    assert_int_equal(out.n, 100);
    assert_int_equal(fip_find(&fip, uuid_b, &out), 0);
    assert_int_equal(out.n, SLOT - 1124);
}

static void says_when_an_image_is_not_there(void **state)
{
    static const uint8_t other[FIP_UUID_SIZE] = {0xcc};
    uint8_t slot[SLOT];
    struct bytes out;
    struct fip fip;

    (void)state;
    assert_int_equal(fip_open(&fip, good_slot(slot)), 0);
    assert_int_equal(fip_find(&fip, other, &out), KAPU_ENOENT);
}

static void refuses_what_is_not_a_package(void **state)
{
    uint8_t slot[SLOT];
    struct fip fip;

    (void)state;
    good_slot(slot);
    slot[0] ^= 1;
    assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), KAPU_EINVAL);
    good_slot(slot);
    memset(slot + 4, 0, 4); /* serial number 0 */
    assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), KAPU_EINVAL);
    memset(slot, 0xff, SLOT); /* erased flash */
    assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), KAPU_EINVAL);
}

static void refuses_slots_too_small_for_a_table(void **state)
{
    uint8_t slot[SLOT];
    struct fip fip;

    (void)state;
    good_slot(slot);
    for (size_t n = 0; n < HEADER + ENTRY; n++)
        assert_int_equal(fip_open(&fip, (struct bytes){slot, n}), KAPU_ERANGE);
    assert_int_equal(fip_open(&fip, (struct bytes){NULL, 0}), KAPU_ERANGE);
}

static void refuses_a_table_without_end(void **state)
{
    uint8_t slot[SLOT];
    struct fip fip;

    (void)state;
    good_slot(slot);
    for (uint8_t i = 0; i <= FIP_MAX_ENTRIES; i++) {
        uint8_t uuid[FIP_UUID_SIZE] = {0x55, i};

        put_entry(slot, i, uuid, 2048, 1);
    }
    assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), KAPU_EINVAL);
    /* and one that the end of the slot cuts off */
    good_slot(slot);
    assert_int_equal(fip_open(&fip, (struct bytes){slot, HEADER + 2 * ENTRY + 8}), KAPU_EINVAL);
}

static void accepts_the_largest_table(void **state)
{
    uint8_t slot[SLOT];
    struct fip fip;

    (void)state;
    good_slot(slot);
    for (uint8_t i = 0; i < FIP_MAX_ENTRIES; i++) {
        uint8_t uuid[FIP_UUID_SIZE] = {0x55, i};

        put_entry(slot, i, uuid, 2048, 1);
    }
    assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), 0);
    assert_int_equal(fip.entries, FIP_MAX_ENTRIES);
}

static void refuses_entries_outside_the_slot(void **state)
{
    static const struct {
        uint64_t offset, size;
    } bad[] = {
        {SLOT, 1},
        {1024, SLOT},
        {1024, UINT64_MAX},
        {UINT64_MAX, 1},
        {UINT64_MAX, 2},
        {0, 16},
        {HEADER + 3 * ENTRY - 1, 1},
        {1024, 0},
        {1ULL << 63, 1024},
        {1024, 1ULL << 32U},
    };
    uint8_t slot[SLOT];
    struct fip fip;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        good_slot(slot);
        put_entry(slot, 1, uuid_b, bad[i].offset, bad[i].size);
        assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), KAPU_ERANGE);
    }
}

static void refuses_two_entries_for_one_image(void **state)
{
    uint8_t slot[SLOT];
    struct fip fip;

    (void)state;
    good_slot(slot);
    put_entry(slot, 1, uuid_a, 1124, 10);
    assert_int_equal(fip_open(&fip, (struct bytes){slot, SLOT}), KAPU_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_images_by_uuid),
        cmocka_unit_test(says_when_an_image_is_not_there),
        cmocka_unit_test(refuses_what_is_not_a_package),
        cmocka_unit_test(refuses_slots_too_small_for_a_table),
        cmocka_unit_test(refuses_a_table_without_end),
        cmocka_unit_test(accepts_the_largest_table),
        cmocka_unit_test(refuses_entries_outside_the_slot),
        cmocka_unit_test(refuses_two_entries_for_one_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
