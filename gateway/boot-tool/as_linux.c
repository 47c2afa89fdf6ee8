// SPDX-License-Identifier: Apache-2.0
/* What only our TAs may ask the boot service for, each with the right parameters: to show that
 * Linux is refused for who it is. */
#include <stdio.h>

#include "boot_pta.h"
#include "commands.h"
#include "tee_service.h"

#define PART 4096u

enum { VI = TEE_INPUT, VO = TEE_OUTPUT, MI = TEE_MEMORY_INPUT, MO = TEE_MEMORY_OUTPUT };

static const struct {
    uint32_t command;
    int kind[TEE_PARAMS];
} rows[] = {
    {BOOT_PTA_CONFIRM, {0}},
    {BOOT_PTA_RECORD, {MO}},
    {BOOT_PTA_SET_RECORD, {MI}},
    {BOOT_PTA_NEXT, {MO, VO}},
    {BOOT_PTA_SET_NEXT, {MI}},
    {BOOT_PTA_SLOT, {VI, MO}},
    {BOOT_PTA_BOOT, {MO, MO, MO, VO}},
    {BOOT_PTA_IDENTITY, {MO, MO, MO, MO}},
    {BOOT_PTA_QUOTE, {MI, MO, MO, VI}},
    {BOOT_PTA_ACTIVATE, {MI, MI, MO}},
    {BOOT_PTA_EVENTS, {MO, VO}},
    {BOOT_PTA_STORAGE, {VO}},
    {BOOT_PTA_REFUSED, {VI}},
    {BOOT_PTA_REFUSALS, {VO, VO, VO, VO}},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static uint32_t ask(struct tee_service *s, const struct tee_memory *m, size_t row)
{
    struct tee_param v[TEE_PARAMS];

    for (uint32_t i = 0; i < TEE_PARAMS; i++) {
        const enum tee_kind kind = (enum tee_kind)rows[row].kind[i];

        v[i] = (struct tee_param){.kind = kind};
        if (kind == TEE_MEMORY_INPUT || kind == TEE_MEMORY_OUTPUT)
            v[i] = (struct tee_param){kind, PART * i, PART, m};
    }
    return tee_service_call(s, rows[row].command, v);
}

int ask_as_linux(char **unused)
{
    static const struct tee_uuid boot_service = BOOT_PTA_UUID;
    struct tee_memory m = {.fd = -1};
    struct tee_service s;
    uint32_t result = tee_service_open(&s, &boot_service);
    size_t refused = 0;

    (void)unused;
    if (result == 0 && tee_memory_open(&s, &m, PART * TEE_PARAMS) != 0)
        result = TEE_SYSTEM_ERROR;
    if (result != 0)
        fprintf(stderr, "kapu-boot: %s\n", tee_service_error(result));
    for (size_t i = 0; i < ROWS && result == 0; i++) {
        uint32_t said = ask(&s, &m, i);

        refused += said == TEE_ACCESS_DENIED ? 1 : 0;
        if (said != TEE_ACCESS_DENIED)
            printf("command %u: %s\n", rows[i].command,
                   said == 0 ? "was done" : tee_service_error(said));
    }
    if (result == 0)
        printf("refused %zu of %zu\n", refused, ROWS);
    if (m.fd >= 0)
        tee_memory_close(&m);
    tee_service_close(&s);
    return result == 0 && refused == ROWS ? 0 : 1;
}
