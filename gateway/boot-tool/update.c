// SPDX-License-Identifier: Apache-2.0
/* The update TA, asked with files from a shell. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <kapu/update.h>

#include "commands.h"
#include "tee_service.h"
#include "update_ta.h"

static const struct tee_uuid update_ta = UPDATE_TA_UUID;

#define TRIES 50
#define MEMORY (2u * UPDATE_TA_REQUEST_MAX) /* a file's length fits into two bytes */

struct session {
    struct tee_service s;
    struct tee_memory m;
};

/* The TA has one session at a time: the gateway's writer of updates may have it just now. */
static uint32_t open_when_free(struct tee_service *s)
{
    const struct timespec wait = {.tv_nsec = 200000000};
    uint32_t result = tee_service_open(s, &update_ta);

    for (int i = 0; result == TEE_BUSY && i < TRIES; i++) {
        tee_service_close(s);
        (void)nanosleep(&wait, NULL);
        result = tee_service_open(s, &update_ta);
    }
    return result;
}

static int session_open(struct session *x)
{
    uint32_t result = open_when_free(&x->s);

    x->m = (struct tee_memory){.fd = -1};
    if (result == 0 && tee_memory_open(&x->s, &x->m, MEMORY) != 0)
        result = TEE_SYSTEM_ERROR;
    if (result != 0)
        fprintf(stderr, "kapu-boot: update TA: %s\n", tee_service_error(result));
    return result == 0 ? 0 : 1;
}

static void session_close(struct session *x)
{
    if (x->m.fd >= 0)
        tee_memory_close(&x->m);
    tee_service_close(&x->s);
}

/* A file behind what is in the shared memory, into which not every file system reads; "-": nothing.
 */
static int add_file(struct session *x, const char *path, size_t *at)
{
    static uint8_t content[UPDATE_TA_REQUEST_MAX + 1];
    FILE *f;
    size_t n;

    if (strcmp(path, "-") == 0)
        return 0;
    f = fopen(path, "rbe");
    n = f != NULL ? fread(content, 1, sizeof(content), f) : 0;
    if (f != NULL && ferror(f) != 0)
        n = 0; /* not a part of it */
    if (f != NULL)
        fclose(f);
    if (n == 0 || n == sizeof(content) || n > MEMORY - *at) {
        fprintf(stderr, "kapu-boot: %s: cannot be read, or is too large\n", path);
        return 1;
    }
    memcpy((uint8_t *)x->m.p + *at, content, n);
    *at += n;
    return 0;
}

/* Its answer to a person, and the exit status: 0 only when it was done. */
static int ask(struct session *x, uint32_t command, struct tee_param v[TEE_PARAMS],
               const struct tee_param *answer)
{
    uint32_t result = tee_service_call(&x->s, command, v);

    if (result != 0) {
        fprintf(stderr, "kapu-boot: update TA: %s\n", tee_service_error(result));
        return 1;
    }
    printf("%s: %s\n", update_answer_name(answer->a), update_answer_says(answer->a));
    return answer->a == UPDATE_DONE ? 0 : 3;
}

static int four_files(char **words, uint32_t command)
{
    struct session x;
    size_t at = 0;
    int err = session_open(&x);

    for (int i = 0; i < UPDATE_TA_REQUEST_PARTS && err == 0; i++) {
        uint8_t *size = (uint8_t *)x.m.p + at;
        size_t begin = at + 2;

        if (begin > MEMORY)
            break;
        at = begin;
        err = add_file(&x, words[i], &at);
        size[0] = (uint8_t)((at - begin) >> 8);
        size[1] = (uint8_t)(at - begin);
    }
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {{TEE_MEMORY_INPUT, 0, (uint32_t)at, &x.m},
                                          {.kind = TEE_OUTPUT}};

        err = ask(&x, command, v, &v[1]);
    }
    session_close(&x);
    return err;
}

int update_request_files(char **words)
{
    return four_files(words, UPDATE_TA_REQUEST);
}

int update_check_files(char **words)
{
    return four_files(words, UPDATE_TA_CHECK);
}

static int two_files(char **words, uint32_t command)
{
    struct session x;
    size_t first = 0, at;
    int err = session_open(&x);

    if (err == 0)
        err = add_file(&x, words[0], &first);
    at = first;
    if (err == 0)
        err = add_file(&x, words[1], &at);
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {
            {TEE_MEMORY_INPUT, 0, (uint32_t)first, &x.m},
            {TEE_MEMORY_INPUT, (uint32_t)first, (uint32_t)(at - first), &x.m},
            {.kind = TEE_OUTPUT}};

        err = ask(&x, command, v, &v[2]);
    }
    session_close(&x);
    return err;
}

int update_confirm_trial(char **words)
{
    return two_files(words, UPDATE_TA_CONFIRM);
}

int update_next_keys(char **words)
{
    return two_files(words, UPDATE_TA_KEYS);
}

int update_join_group(char **words)
{
    return two_files(words, UPDATE_TA_JOIN);
}

static void print_hex(const char *name, const uint8_t *p, size_t n)
{
    printf("%s ", name);
    for (size_t i = 0; i < n; i++)
        printf("%02x", p[i]);
    printf("\n");
}

static void print_update(const struct update_record *r, uint32_t stage, const uint8_t *names)
{
    printf("stage %s\nlast %s\nreset %u\n", update_stage_name((enum update_stage)stage),
           update_outcome_name((enum update_outcome)r->last), r->reset);
    printf("rollout %llu\ntrials %u\n", (unsigned long long)r->rollout, r->trials);
    printf("group %.*s\n", (int)update_record_group(r).n, r->group);
    print_hex("release", r->release, sizeof(r->release));
    print_hex("boot", names, 32);
    print_hex("gateway", names + 32, UPDATE_TA_NAMES_SIZE - 32);
}

int update_state(char **unused)
{
    struct update_record r;
    struct session x;
    int err = session_open(&x);

    (void)unused;
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {
            {TEE_MEMORY_OUTPUT, 0, UPDATE_RECORD_SIZE, &x.m},
            {TEE_MEMORY_OUTPUT, UPDATE_RECORD_SIZE, UPDATE_TA_NAMES_SIZE, &x.m},
            {.kind = TEE_OUTPUT}};
        uint32_t result = tee_service_call(&x.s, UPDATE_TA_STATE, v);

        err = result != 0 || update_record_decode(x.m.p, &r) != 0;
        if (err != 0)
            fprintf(stderr, "kapu-boot: update TA: %s\n", tee_service_error(result));
        else
            print_update(&r, v[2].a, (const uint8_t *)x.m.p + UPDATE_RECORD_SIZE);
    }
    session_close(&x);
    return err;
}
