// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a session with a trusted application: open-ta UUID [COMMAND N]. Says GlobalPlatform's
 * result, of the command if there is one, which gets N memories of 32 bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tee_service.h"

/* Eight, four, four, four and twelve digits. */
static int parse(const char *text, struct tee_uuid *u)
{
    unsigned int part[11];
    int n = 0;

    if (sscanf(text, "%8x-%4x-%4x-%2x%2x-%2x%2x%2x%2x%2x%2x%n", &part[0], &part[1], &part[2],
               &part[3], &part[4], &part[5], &part[6], &part[7], &part[8], &part[9], &part[10],
               &n) != 11 ||
        text[n] != '\0')
        return -1;
    u->time_low = part[0];
    u->time_mid = (uint16_t)part[1];
    u->time_high = (uint16_t)part[2];
    for (int i = 0; i < 8; i++)
        u->rest[i] = (uint8_t)part[3 + i];
    return 0;
}

static uint32_t call(struct tee_service *s, uint32_t command, int n)
{
    struct tee_param p[TEE_PARAMS] = {{0}};
    struct tee_memory memory;
    uint32_t result = TEE_SYSTEM_ERROR;

    for (int i = 0; i < n && i < TEE_PARAMS; i++)
        p[i] = (struct tee_param){TEE_MEMORY_INPUT, 32 * (uint32_t)i, 32, &memory};
    if (tee_memory_open(s, &memory, 4096) == 0)
        result = tee_service_call(s, command, p);
    tee_memory_close(&memory);
    return result;
}

int main(int argc, char **argv)
{
    struct tee_service s;
    struct tee_uuid uuid;
    uint32_t result;

    if ((argc != 2 && argc != 4) || parse(argv[1], &uuid) != 0)
        return 2;
    result = tee_service_open(&s, &uuid);
    if (result == 0 && argc == 4)
        result = call(&s, (uint32_t)strtoul(argv[2], NULL, 0), atoi(argv[3]));
    printf("0x%08x\n", result);
    tee_service_close(&s);
    return 0;
}
