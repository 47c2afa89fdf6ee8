// SPDX-License-Identifier: Apache-2.0
/*
 * The monitor TA: policy. It looks when asked, and must be asked in time: the core's watchdog takes
 * nothing but the end of a deep check. An alarm resets the board after a grace period, in which
 * what was seen can be sent to the operator; no later check takes that back.
 */
#include "monitor.h"

#include <string.h>

#include <kapu/evidence.h>

#include "monitor_ta.h"
#include "reaction.h"
#include "ta_command.h"

#define INTERVAL_MS 30000u /* between deep checks */

static struct verdict verdict, next; /* the last one, and the one that is being made */
static char report[REPORT_MAX];
static size_t report_n;

TEE_Result TA_CreateEntryPoint(void)
{
    return core_open();
}

void TA_DestroyEntryPoint(void)
{
}

TEE_Result TA_OpenSessionEntryPoint(uint32_t types, TEE_Param p[TEE_NUM_PARAMS], void **session)
{
    (void)types;
    (void)p;
    (void)session;
    return TEE_SUCCESS;
}

void TA_CloseSessionEntryPoint(void *session)
{
    (void)session;
}

static TEE_Result step(TEE_Param p[TEE_NUM_PARAMS])
{
    static char lines[MONITOR_TEXT_MAX];
    static uint32_t told;
    uint32_t left = look_step(&next);

    /* It may not come to its end: Linux asks for the steps. */
    if (left > 0 && next.alarms > told)
        core_found(lines, report_lines(&next, lines, sizeof(lines)));
    told = left == 0 ? 0 : next.alarms;
    if (left == 0) {
        verdict = next;
        core_done(verdict.alarms, REACTION_RESET_S, lines,
                  report_lines(&verdict, lines, sizeof(lines)));
    }
    p[0].value.a = left;
    p[0].value.b = verdict.number;
    p[1].value.a = verdict.alarms;
    p[1].value.b = verdict.warnings;
    return TEE_SUCCESS;
}

static TEE_Result due(TEE_Param p[TEE_NUM_PARAMS])
{
    struct core_time t = core_time();
    uint64_t since = t.now_ms - verdict.at_ms;
    bool now = verdict.number == 0 || t.watch_found || since >= INTERVAL_MS;

    p[0].value.a = now ? 0 : INTERVAL_MS - (uint32_t)since;
    p[0].value.b = t.left_ms;
    return TEE_SUCCESS;
}

static uint32_t word_of(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static TEE_Result read_report(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t part[MONITOR_TA_REPORT_CHUNK] = {0};
    size_t offset = p[0].value.a;

    if (offset == 0)
        report_n = report_make(&verdict, report, sizeof(report));
    if (offset > report_n)
        return TEE_ERROR_BAD_PARAMETERS;
    memcpy(part, report + offset,
           report_n - offset < sizeof(part) ? report_n - offset : sizeof(part));
    p[0].value.a = (uint32_t)report_n;
    for (size_t i = 0; i + 1 < TEE_NUM_PARAMS; i++) {
        p[i + 1].value.a = word_of(part + 8 * i);
        p[i + 1].value.b = word_of(part + 8 * i + 4);
    }
    return TEE_SUCCESS;
}

static void put_time(TEE_Param *p, uint64_t ms)
{
    p->value.a = (uint32_t)ms;
    p->value.b = (uint32_t)(ms >> 32);
}

static TEE_Result last(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct core_time t = core_time();
    const bool clean =
        verdict.number > 0 && verdict.alarms == 0 && next.alarms == 0 && !t.will_reset;

    p[0].value.a = verdict.number;
    p[0].value.b = (clean ? MONITOR_TA_LAST_CLEAN : 0) | (t.watch_found ? MONITOR_TA_LAST_MORE : 0);
    put_time(&p[1], verdict.began_ms);
    put_time(&p[2], t.now_ms);
    return TEE_SUCCESS;
}

/* Encoded in memory of the TA: the caller's may change under the encoder. */
static TEE_Result claims(TEE_Param p[TEE_NUM_PARAMS])
{
    static uint8_t encoded[EVIDENCE_MONITOR_MAX];
    struct wr w;

    wr_init(&w, encoded, sizeof(encoded));
    if (claims_make(&verdict, &w) != 0)
        return TEE_ERROR_GENERIC;
    return ta_command_put(&p[0], wr_done(&w));
}

static const struct ta_command commands[] = {
    {MONITOR_TA_STEP, TEE_PARAM_TYPES(VO, VO, NONE, NONE), step},
    {MONITOR_TA_DUE, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), due},
    {MONITOR_TA_REPORT, TEE_PARAM_TYPES(VIO, VO, VO, VO), read_report},
    {MONITOR_TA_LAST, TEE_PARAM_TYPES(VO, VO, VO, NONE), last},
    {MONITOR_TA_CLAIMS, TEE_PARAM_TYPES(MO, NONE, NONE, NONE), claims},
};

TEE_Result TA_InvokeCommandEntryPoint(void *session, uint32_t command, uint32_t types,
                                      TEE_Param p[TEE_NUM_PARAMS])
{
    (void)session;
    return ta_command_run(commands, sizeof(commands) / sizeof(commands[0]), command, types, p);
}
