// SPDX-License-Identifier: Apache-2.0
/* kapu-boot: asks the secure world's boot service, the update TA and the writer of updates. Lab
 * flavour only: the gateway has no shell. */
#include <stdio.h>
#include <string.h>

#include "boot_pta.h"
#include "commands.h"
#include "monitor_pta.h"
#include "tee_service.h"

static const struct tee_uuid boot_service = BOOT_PTA_UUID;
static const struct tee_uuid monitor_service = MONITOR_PTA_UUID;

/* Opens, calls, closes; says what went wrong. */
static int call(const struct tee_uuid *who, uint32_t command, struct tee_param v[TEE_PARAMS])
{
    struct tee_service s;
    uint32_t result = tee_service_open(&s, who);

    if (result == 0)
        result = tee_service_call(&s, command, v);
    if (result != 0)
        fprintf(stderr, "kapu-boot: %s\n", tee_service_error(result));
    tee_service_close(&s);
    return result == 0 ? 0 : 1;
}

static int state(char **unused)
{
    struct tee_param v[TEE_PARAMS] = {
        {.kind = TEE_OUTPUT}, {.kind = TEE_OUTPUT}, {.kind = TEE_OUTPUT}};
    int err = call(&boot_service, BOOT_PTA_STATE, v);

    (void)unused;
    if (err == 0)
        printf("running slot %c %s\ncounter %u release %u\nnext slot %c %s tries %u\n",
               'A' + (int)v[0].a, v[0].b ? "trial" : "confirmed", v[1].a, v[1].b, 'A' + (int)v[2].a,
               v[2].b >> 8 ? "trial" : "confirmed", v[2].b & 0xff);
    return err;
}

static void put_word(uint32_t w, uint8_t to[4])
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(w >> (24 - 8 * i));
}

static int pcrs(char **unused)
{
    (void)unused;
    for (uint32_t n = 0; n < 24; n++) {
        struct tee_param v[TEE_PARAMS] = {{.kind = TEE_BOTH, .a = n},
                                          {.kind = TEE_OUTPUT},
                                          {.kind = TEE_OUTPUT},
                                          {.kind = TEE_OUTPUT}};

        if (call(&boot_service, BOOT_PTA_PCR, v) != 0)
            return 1;
        printf("%2u ", n);
        for (int i = 0; i < TEE_PARAMS; i++)
            printf("%08x%08x", v[i].a, v[i].b);
        printf("\n");
    }
    return 0;
}

/* The event log in binary, to standard output. */
static int event_log(char **unused)
{
    uint32_t size = 1;

    (void)unused;
    for (uint32_t at = 0; at < size; at += BOOT_PTA_LOG_CHUNK) {
        struct tee_param v[TEE_PARAMS] = {{.kind = TEE_BOTH, .a = at},
                                          {.kind = TEE_OUTPUT},
                                          {.kind = TEE_OUTPUT},
                                          {.kind = TEE_OUTPUT}};
        uint8_t part[BOOT_PTA_LOG_CHUNK];
        size_t n;

        if (call(&boot_service, BOOT_PTA_LOG, v) != 0)
            return 1;
        size = v[0].a;
        for (int i = 0; i < 3; i++) {
            put_word(v[i + 1].a, part + 8 * i);
            put_word(v[i + 1].b, part + 8 * i + 4);
        }
        n = size - at < sizeof(part) ? size - at : sizeof(part);
        if (fwrite(part, 1, n, stdout) != n)
            return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

static int complete(char **unused)
{
    struct tee_param v[TEE_PARAMS] = {{.kind = TEE_NOTHING}};

    (void)unused;
    return call(&boot_service, BOOT_PTA_COMPLETE, v);
}

/* What only the monitor TA may open: to show that Linux is refused. */
static int open_monitor_service(char **unused)
{
    struct tee_param v[TEE_PARAMS] = {{.kind = TEE_OUTPUT}, {.kind = TEE_OUTPUT}};

    (void)unused;
    return call(&monitor_service, MONITOR_PTA_TIME, v);
}

static const struct {
    const char *name;
    int words;
    int (*run)(char **words);
    const char *help;
} commands[] = {
    {"state", 0, state, "running slot, counters, slot of the next boot"},
    {"pcrs", 0, pcrs, "PCRs as the secure world reads them"},
    {"log", 0, event_log, "event log, binary"},
    {"complete", 0, complete, "the system came up"},
    {"update", 0, update_state, "what the update TA knows"},
    {"request", 4, update_request_files,
     "RELEASE-KEYS ROLLOUT-KEYS MANIFEST ROLLOUT: \"-\" for what is not given"},
    {"check", 4, update_check_files, "the same words: what a request would be answered"},
    {"keys", 2, update_next_keys, "KEYS NEXT-KEYS: the next set of a role"},
    {"join", 2, update_join_group, "MEMBERSHIP KEYS: the group that this gateway is of"},
    {"confirm", 2, update_confirm_trial,
     "APPROVAL KEYS: confirm the trial that runs, by the update TA"},
    {"writer", 1, writer_request,
     "FILE: a request to the writer of updates; prints its reply, binary"},
    {"as-linux", 0, ask_as_linux, "what only our TAs may ask the boot service for: is refused"},
    {"monitor-service", 0, open_monitor_service, "the monitor's service: is refused"},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0 && argc == 2 + commands[i].words)
            return commands[i].run(argv + 2);
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(stderr, "kapu-boot %-17s %s\n", commands[i].name, commands[i].help);
    return 2;
}
