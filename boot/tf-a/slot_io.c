// SPDX-License-Identifier: Apache-2.0
/*
 * TF-A's image source: finds images and certificates in the current slot with lib/fip.
 *
 * TF-A's own io_fip and io_memmap drivers check an entry's offset and size only by assertions,
 * which a release build leaves out, though the table of contents is attacker-writable
 * (CVE-2026-34878 is of that class). This driver hands out nothing that does not lie inside the
 * slot. It has no alternative source: TF-A's platform falls back to semihosting.
 */
#include <errno.h>
#include <string.h>

#include <common/bl_common.h>
#include <common/debug.h>
#include <drivers/io/io_driver.h>
#include <drivers/io/io_storage.h>
#include <plat/common/platform.h>
#include <tools_share/firmware_image_package.h>

#include <kapu/fip.h>

#include "slot.h"
#include "slot_io.h"

enum kind { IMAGE, CERTIFICATE };

struct row {
    unsigned int id;
    enum kind kind;
    const char *name;
    uuid_t uuid;
};

static const struct row rows[] = {
    {BL2_IMAGE_ID, IMAGE, "BL2", UUID_TRUSTED_BOOT_FIRMWARE_BL2},
    {BL31_IMAGE_ID, IMAGE, "BL31", UUID_EL3_RUNTIME_FIRMWARE_BL31},
    {BL32_IMAGE_ID, IMAGE, "BL32 (OP-TEE)", UUID_SECURE_PAYLOAD_BL32},
    {BL33_IMAGE_ID, IMAGE, "BL33 (Linux)", UUID_NON_TRUSTED_FIRMWARE_BL33},
    {NT_FW_CONFIG_ID, IMAGE, "device tree with command line", UUID_NT_FW_CONFIG},
    {TRUSTED_BOOT_FW_CERT_ID, CERTIFICATE, "BL2 certificate", UUID_TRUSTED_BOOT_FW_CERT},
    {TRUSTED_KEY_CERT_ID, CERTIFICATE, "trusted key certificate", UUID_TRUSTED_KEY_CERT},
    {SOC_FW_KEY_CERT_ID, CERTIFICATE, "BL31 key certificate", UUID_SOC_FW_KEY_CERT},
    {SOC_FW_CONTENT_CERT_ID, CERTIFICATE, "BL31 content certificate", UUID_SOC_FW_CONTENT_CERT},
    {TRUSTED_OS_FW_KEY_CERT_ID, CERTIFICATE, "OP-TEE key certificate", UUID_TRUSTED_OS_FW_KEY_CERT},
    {TRUSTED_OS_FW_CONTENT_CERT_ID, CERTIFICATE, "OP-TEE content certificate",
     UUID_TRUSTED_OS_FW_CONTENT_CERT},
    {NON_TRUSTED_FW_KEY_CERT_ID, CERTIFICATE, "Linux key certificate",
     UUID_NON_TRUSTED_FW_KEY_CERT},
    {NON_TRUSTED_FW_CONTENT_CERT_ID, CERTIFICATE, "Linux content certificate",
     UUID_NON_TRUSTED_FW_CONTENT_CERT},
};

static struct {
    uintptr_t device;
    const struct row *last; /* what TF-A asked for last: the culprit if it then fails */
    const char *reason;     /* why the driver itself refused, or null */
    struct bytes open;      /* the image being read; one at a time is all TF-A does */
    size_t position;
} io;

static const struct row *row_of(unsigned int image_id)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].id == image_id)
            return &rows[i];
    }
    return NULL;
}

const char *slot_io_name(unsigned int image_id)
{
    const struct row *row = row_of(image_id);

    return row != NULL ? row->name : "unknown image";
}

static int image_open(io_dev_info_t *device, const uintptr_t spec, io_entity_t *entity)
{
    const struct row *row = (const struct row *)spec;
    struct fip fip;

    (void)device;
    io.position = 0;
    if (fip_open(&fip, slot_content()) != 0) {
        io.reason = "the slot holds no well-formed firmware package";
        return -ENOENT;
    }
    if (fip_find(&fip, (const uint8_t *)&row->uuid, &io.open) != 0) {
        io.reason = "missing from the firmware package";
        return -ENOENT;
    }
    entity->info = (uintptr_t)&io;
    return 0;
}

static int image_size(io_entity_t *entity, size_t *length)
{
    (void)entity;
    *length = io.open.n;
    return 0;
}

static int image_read(io_entity_t *entity, uintptr_t buffer, size_t length, size_t *length_read)
{
    (void)entity;
    if (length > io.open.n - io.position)
        return -EINVAL;
    memcpy((void *)buffer, io.open.p + io.position, length);
    io.position += length;
    *length_read = length;
    return 0;
}

static int image_close(io_entity_t *entity)
{
    entity->info = 0;
    return 0;
}

static io_type_t device_type(void)
{
    return IO_TYPE_FIRMWARE_IMAGE_PACKAGE;
}

static const io_dev_funcs_t device_funcs = {
    .type = device_type,
    .open = image_open,
    .size = image_size,
    .read = image_read,
    .close = image_close,
};

static io_dev_info_t device_info = {.funcs = &device_funcs};

static int device_open(const uintptr_t spec, io_dev_info_t **device)
{
    (void)spec;
    *device = &device_info;
    return 0;
}

void slot_io_setup(void)
{
    static const io_dev_connector_t connector = {.dev_open = device_open};

    if (io_register_device(&device_info) != 0 || io_dev_open(&connector, 0, &io.device) != 0)
        panic();
}

int plat_get_image_source(unsigned int image_id, uintptr_t *dev_handle, uintptr_t *image_spec)
{
    io.last = row_of(image_id);
    io.reason = NULL;
    if (io.last == NULL)
        return -ENOENT;
    *dev_handle = io.device;
    *image_spec = (uintptr_t)io.last;
    return 0;
}

static const char *reason_of(int err)
{
    if (io.reason != NULL)
        return io.reason;
    if (err == -EFBIG)
        return "larger than its place in memory";
    if (err != -EAUTH)
        return "cannot be used after loading";
    if (io.last->kind == CERTIFICATE)
        return "signature, key or counter is not accepted";
    return "its hash is not the signed one";
}

/* TF-A calls this when a stage cannot go on: the weak default just stops. */
void plat_error_handler(int err)
{
    slot_refuse(io.last != NULL ? io.last->name : "firmware", reason_of(err));
}
