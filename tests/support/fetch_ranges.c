// SPDX-License-Identifier: Apache-2.0
/*
 * fetch_ranges BASE CONNECT_S LEAST_BYTES_S SLOW_S MOST_S: fetches what it is told to, for tests.
 * Standard input, a line each, fields separated by tabs: FOLDER FILE AT N CALLS. CALLS: after how
 * many calls goes_on says no. It answers each line with one of JSON: result, fault, bytes received
 * in all, the longest time between two calls of goes_on, whether bytes around the buffer were
 * written, what came, and what was said. Exit status 2: fetch_open gave nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch.h"

#define GUARD 4096
#define GUARD_BYTE 0xa5
#define ROOM (1u << 20) /* the longest range */

struct watch {
    uint64_t calls, most;     /* of goes_on: so far, and when it says no */
    uint64_t last_ms, gap_ms; /* of the last call; the longest time between two */
};

static const char *const fault_names[] = {
    [FETCH_FINE] = "fine",
    [FETCH_NO_ANSWER] = "no answer",
    [FETCH_REFUSED] = "refused",
    [FETCH_MOVED] = "moved",
    [FETCH_WRONG_RANGE] = "wrong range",
    [FETCH_SHORT] = "short",
    [FETCH_ENDLESS] = "endless",
    [FETCH_SLOW] = "slow",
    [FETCH_STOPPED] = "stopped",
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void look(struct watch *w)
{
    uint64_t now = now_ms();

    if (now - w->last_ms > w->gap_ms)
        w->gap_ms = now - w->last_ms;
    w->last_ms = now;
}

static bool goes_on(void *ctx)
{
    struct watch *w = ctx;

    look(w);
    return w->calls++ < w->most;
}

static bool untouched(const uint8_t *p)
{
    for (size_t i = 0; i < GUARD; i++)
        if (p[i] != GUARD_BYTE)
            return false;
    return true;
}

/* A buffer of exactly n bytes, with others around it that must stay as they are. */
static void get(struct fetch *f, struct watch *w, char *const words[5])
{
    uint64_t at = strtoull(words[2], NULL, 10);
    uint32_t n = (uint32_t)strtoul(words[3], NULL, 10);
    uint8_t *memory = malloc(GUARD + (size_t)n + GUARD);
    int result;

    if (memory == NULL || n > ROOM)
        exit(1);
    memset(memory, GUARD_BYTE, GUARD + (size_t)n + GUARD);
    *w = (struct watch){.most = strtoull(words[4], NULL, 10), .last_ms = now_ms()};
    result = fetch_range(f, words[0], words[1], at, memory + GUARD, n);
    look(w);
    printf(
        "{\"result\": %d, \"fault\": \"%s\", \"bytes\": %llu, \"calls\": %llu, \"gap_ms\": %llu, "
        "\"around\": %s, \"said\": \"%s\", \"got\": \"",
        result, fault_names[fetch_fault(f)], (unsigned long long)fetch_bytes(f),
        (unsigned long long)w->calls, (unsigned long long)w->gap_ms,
        untouched(memory) && untouched(memory + GUARD + n) ? "true" : "false", fetch_said(f));
    for (uint32_t i = 0; result == 0 && i < n; i++)
        printf("%02x", memory[GUARD + i]);
    printf("\"}\n");
    fflush(stdout);
    free(memory);
}

static bool five_words(char *line, char *words[5])
{
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 5; i++)
        words[i] = strsep(&line, "\t");
    return words[4] != NULL;
}

int main(int argc, char **argv)
{
    struct fetch_limits limits;
    struct watch w;
    struct fetch *f;
    char line[1024], *words[5];

    if (argc != 6)
        return 1;
    limits.connect_s = (uint32_t)strtoul(argv[2], NULL, 10);
    limits.least_bytes_s = (uint32_t)strtoul(argv[3], NULL, 10);
    limits.slow_s = (uint32_t)strtoul(argv[4], NULL, 10);
    limits.most_s = (uint32_t)strtoul(argv[5], NULL, 10);
    f = fetch_open(argv[1], &limits, goes_on, &w);
    if (f == NULL)
        return 2;
    while (fgets(line, sizeof(line), stdin) != NULL && five_words(line, words))
        get(f, &w, words);
    fetch_close(f);
    return 0;
}
