// SPDX-License-Identifier: Apache-2.0
/* Opens a session with a trusted application: open-ta UUID. Says GlobalPlatform's result. */
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

int main(int argc, char **argv)
{
    struct tee_service s;
    struct tee_uuid uuid;

    if (argc != 2 || parse(argv[1], &uuid) != 0)
        return 2;
    printf("0x%08x\n", tee_service_open(&s, &uuid));
    tee_service_close(&s);
    return 0;
}
