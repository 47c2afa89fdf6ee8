// SPDX-License-Identifier: Apache-2.0
#include <kapu/fip.h>

#include <string.h>

/* Layout of the package: a header, then entries, the last of which has a null UUID. */
#define HEADER_SIZE 16U
#define HEADER_NAME 0xaa640001U
#define ENTRY_SIZE 40U
#define ENTRY_OFFSET 16U /* of the field, within an entry */
#define ENTRY_LENGTH 24U

static const uint8_t null_uuid[FIP_UUID_SIZE];

static const uint8_t *entry_at(const struct fip *fip, size_t i)
{
    return fip->img.p + HEADER_SIZE + i * ENTRY_SIZE;
}

static int is_uuid(const uint8_t *entry, const uint8_t uuid[FIP_UUID_SIZE])
{
    return memcmp(entry, uuid, FIP_UUID_SIZE) == 0;
}

/* Entries up to the end marker, or an error when there is none within bounds. */
static int count_entries(struct fip *fip)
{
    size_t fit = (fip->img.n - HEADER_SIZE) / ENTRY_SIZE;

    for (size_t i = 0; i < fit && i <= FIP_MAX_ENTRIES; i++) {
        if (is_uuid(entry_at(fip, i), null_uuid)) {
            fip->entries = i;
            return 0;
        }
    }
    return KAPU_EINVAL;
}

static int check_entry(const struct fip *fip, size_t i)
{
    const uint8_t *entry = entry_at(fip, i);
    uint64_t table = HEADER_SIZE + (uint64_t)(fip->entries + 1) * ENTRY_SIZE;
    uint64_t offset = kapu_le64(entry + ENTRY_OFFSET);
    uint64_t length = kapu_le64(entry + ENTRY_LENGTH);

    if (offset < table || offset > fip->img.n || length == 0 || length > fip->img.n - offset)
        return KAPU_ERANGE;
    for (size_t j = 0; j < i; j++) {
        if (is_uuid(entry_at(fip, j), entry))
            return KAPU_EINVAL;
    }
    return 0;
}

int fip_open(struct fip *fip, struct bytes slot)
{
    int err;

    fip->img = slot;
    fip->entries = 0;
    if (slot.n < HEADER_SIZE + ENTRY_SIZE)
        return KAPU_ERANGE;
    /* The serial number must not be zero: TF-A calls such a header invalid. */
    if (kapu_le32(slot.p) != HEADER_NAME || kapu_le32(slot.p + 4) == 0)
        return KAPU_EINVAL;
    err = count_entries(fip);
    for (size_t i = 0; err == 0 && i < fip->entries; i++)
        err = check_entry(fip, i);
    return err;
}

int fip_find(const struct fip *fip, const uint8_t uuid[FIP_UUID_SIZE], struct bytes *out)
{
    for (size_t i = 0; i < fip->entries; i++) {
        const uint8_t *entry = entry_at(fip, i);

        if (is_uuid(entry, uuid)) {
            out->p = fip->img.p + kapu_le64(entry + ENTRY_OFFSET);
            out->n = (size_t)kapu_le64(entry + ENTRY_LENGTH);
            return 0;
        }
    }
    return KAPU_ENOENT;
}
