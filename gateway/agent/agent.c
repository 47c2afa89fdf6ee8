// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-agent: what in Linux serves the secure world. It asks the monitor TA for deep checks when
 * the secure world says that one is due, and shows what the monitor last saw. Nothing is trusted
 * from it: if it does not do its work, the secure watchdog resets the gateway. SIGUSR1: a deep
 * check now.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest.h"
#include "monitor_ta.h"
#include "report.h"
#include "tee_service.h"

#define LOOK_MS 2000u /* how often the secure world is asked whether a check is due, at least */
#define REPORT_MAX (64u * 1024)

static const struct tee_uuid monitor = MONITOR_TA_UUID;

static volatile sig_atomic_t check_now;

static void on_signal(int number)
{
    (void)number;
    check_now = 1;
}

static void pause_ms(uint32_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

static void put_word(uint32_t w, char to[4])
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(w >> (24 - 8 * i));
}

/* The report, to be freed; NULL and *result: an error. */
static char *fetch_report(struct tee_service *s, uint32_t *result)
{
    char *text = NULL;
    uint32_t size = 1;

    for (uint32_t at = 0; at < size; at += MONITOR_TA_REPORT_CHUNK) {
        struct tee_param v[TEE_PARAMS] = {{.kind = TEE_BOTH, .a = at},
                                          {.kind = TEE_OUTPUT},
                                          {.kind = TEE_OUTPUT},
                                          {.kind = TEE_OUTPUT}};

        *result = tee_service_call(s, MONITOR_TA_REPORT, v);
        if (*result != 0 || v[0].a > REPORT_MAX)
            break;
        if (text == NULL) {
            size = v[0].a;
            text = calloc(1, (size_t)size + MONITOR_TA_REPORT_CHUNK + 1);
            if (text == NULL)
                break;
        }
        for (int i = 0; i < 3; i++) {
            put_word(v[i + 1].a, text + at + 8 * i);
            put_word(v[i + 1].b, text + at + 8 * i + 4);
        }
    }
    if (*result == 0 && text != NULL)
        return text;
    free(text);
    return NULL;
}

/* A whole deep check: outputs of its last step are in v. */
static uint32_t deep_check(struct tee_service *s, struct tee_param v[TEE_PARAMS])
{
    for (;;) {
        const struct tee_param outputs[TEE_PARAMS] = {{.kind = TEE_OUTPUT}, {.kind = TEE_OUTPUT}};
        uint32_t result;

        memcpy(v, outputs, sizeof(outputs));
        result = tee_service_call(s, MONITOR_TA_STEP, v);
        if (result != 0 || v[0].a == 0)
            return result;
    }
}

/* The same; findings go to the log. */
static uint32_t make_check(struct tee_service *s)
{
    struct tee_param v[TEE_PARAMS];
    uint32_t result = deep_check(s, v);
    char *text;

    if (result != 0 || v[1].a + v[1].b == 0)
        return result;
    printf("deep check %u: %u alarms, %u warnings\n", v[0].b, v[1].a, v[1].b);
    text = fetch_report(s, &result);
    if (text != NULL)
        (void)report_print(text);
    free(text);
    fflush(stdout);
    return result;
}

/* Serves until the service fails. */
static uint32_t serve(struct tee_service *s)
{
    for (;;) {
        struct tee_param v[TEE_PARAMS] = {{.kind = TEE_OUTPUT}};
        uint32_t result = tee_service_call(s, MONITOR_TA_DUE, v);

        if (result == 0 && (v[0].a == 0 || check_now != 0)) {
            check_now = 0;
            result = make_check(s);
        }
        if (result != 0)
            return result;
        if (v[0].a > 0)
            pause_ms(v[0].a < LOOK_MS ? v[0].a : LOOK_MS);
    }
}

/* The service manager starts it again. */
static int run(int json)
{
    struct tee_service s;
    uint32_t result = tee_service_open(&s, &monitor);

    (void)json;
    (void)sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
    if (result == 0)
        result = serve(&s);
    fprintf(stderr, "kapu-agent: monitor: %s\n", tee_service_error(result));
    tee_service_close(&s);
    return 1;
}

static int with_service(int json, int check_first)
{
    struct tee_service s;
    uint32_t result = tee_service_open(&s, &monitor);
    char *text = NULL;
    int status = 2;

    if (result == 0 && check_first) {
        struct tee_param v[TEE_PARAMS];

        result = deep_check(&s, v);
    }
    if (result == 0)
        text = fetch_report(&s, &result);
    if (text != NULL)
        status = json ? report_print_json(text) : report_print(text);
    else
        fprintf(stderr, "kapu-agent: monitor: %s\n", tee_service_error(result));
    free(text);
    tee_service_close(&s);
    return status;
}

static int status(int json)
{
    return with_service(json, 0);
}

static int check(int json)
{
    return with_service(json, 1);
}

/* Evidence for a nonce of zeros, which no verifier gives: for a look at it, and for tests. */
static int evidence(int json)
{
    static const uint8_t nonce[32];
    struct bytes message;
    struct attest a;
    uint32_t result = attest_open(&a);

    (void)json;
    if (result == 0)
        result = attest_evidence(&a, nonce, 1, &message);
    if (result != 0)
        fprintf(stderr, "kapu-agent: evidence: %s\n", tee_service_error(result));
    else if (fwrite(message.p, 1, message.n, stdout) != message.n || fflush(stdout) != 0)
        result = TEE_SYSTEM_ERROR;
    attest_close(&a);
    return result == 0 ? 0 : 2;
}

static void print_hex(const char *what, struct bytes b)
{
    printf("%s ", what);
    for (size_t i = 0; i < b.n; i++)
        printf("%02x", b.p[i]);
    printf("\n");
}

/* What of this gateway an operator knows it by, in hexadecimal. */
static int identity(int json)
{
    struct attest_identity id;
    struct attest a;
    uint32_t result = attest_open(&a);

    (void)json;
    if (result == 0)
        result = attest_identity(&a, &id);
    if (result == 0) {
        print_hex("ueid", id.ueid);
        print_hex("tee-key", id.key);
        print_hex("ak", id.ak);
        print_hex("ek-certificate", id.ek_certificate);
    } else {
        fprintf(stderr, "kapu-agent: identity: %s\n", tee_service_error(result));
    }
    attest_close(&a);
    return result == 0 ? 0 : 2;
}

static const struct {
    const char *name;
    int (*run)(int json);
    const char *help;
} commands[] = {
    {"run", run, "serve the secure world (the daemon)"},
    {"status", status, "what the monitor last saw; exit status 0 clean, 1 alarms, 2 unknown"},
    {"check", check, "the same after a deep check made now"},
    {"identity", identity, "keys of TEE and TPM, and the certificate of the TPM's maker"},
    {"evidence", evidence, "evidence that answers to nobody, binary: kapu evidence show prints it"},
};

static int usage(void)
{
    fprintf(stderr, "usage: kapu-agent COMMAND [--json]\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(stderr, "  %-9s %s\n", commands[i].name, commands[i].help);
    return 2;
}

int main(int argc, char **argv)
{
    int json = argc == 3 && strcmp(argv[2], "--json") == 0;

    for (size_t i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0 && argc == 2 + json)
            return commands[i].run(json);
    }
    return usage();
}
