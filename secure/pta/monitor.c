// SPDX-License-Identifier: Apache-2.0
/* The monitor service (wire/monitor_pta.h): the monitor TA's way to the core's mechanisms. */
#include <atomic.h>
#include <io.h>
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/ts_manager.h>
#include <kernel/user_access.h>
#include <string.h>
#include <string_ext.h>
#include <tee_api_defines.h>
#include <trace.h>
#include <util.h>

#include <kapu/trust.h>

#include "monitor.h"
#include "monitor_ta.h"

#define NONE TEE_PARAM_TYPE_NONE
#define VI TEE_PARAM_TYPE_VALUE_INPUT
#define VO TEE_PARAM_TYPE_VALUE_OUTPUT

static uint64_t pair_of(const TEE_Param *p)
{
    return p->value.a | SHIFT_U64(p->value.b, 32);
}

/* An address of the caller: copy_to_user() and copy_from_user() prove that it is. */
static void *address_of(const TEE_Param *p)
{
    return (void *)(uintptr_t)pair_of(p);
}

static TEE_Result read_memory(TEE_Param p[TEE_NUM_PARAMS])
{
    size_t n = p[2].value.a;
    const void *from = normal_memory(pair_of(&p[0]), n);

    if (from == NULL)
        return TEE_ERROR_ACCESS_DENIED;
    return copy_to_user(address_of(&p[1]), from, n);
}

static void put_regs(uint8_t to[MONITOR_REGISTERS_SIZE], const struct normal_regs *r)
{
    const uint64_t v[] = {r->vbar, r->ttbr1, r->tcr, r->sctlr, r->mair, r->pc};

    static_assert(sizeof(v) == MONITOR_REGISTERS_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        put_le64(to + 8 * i, v[i]);
}

static TEE_Result registers(TEE_Param p[TEE_NUM_PARAMS])
{
    struct normal_regs r[MONITOR_REGISTERS_MAX];
    uint8_t record[MONITOR_REGISTERS_SIZE];
    size_t now, n;

    if (p[1].value.a < MONITOR_REGISTERS_MAX * sizeof(record))
        return TEE_ERROR_SHORT_BUFFER;
    n = cores_registers(r, ARRAY_SIZE(r), &now);
    for (size_t i = 0; i < n; i++) {
        TEE_Result res;

        put_regs(record, &r[i]);
        res =
            copy_to_user((uint8_t *)address_of(&p[0]) + i * sizeof(record), record, sizeof(record));
        if (res != TEE_SUCCESS)
            return res;
    }
    p[2].value.a = n;
    p[2].value.b = now;
    return TEE_SUCCESS;
}

static TEE_Result watch(TEE_Param p[TEE_NUM_PARAMS])
{
    size_t n = p[1].value.a / MONITOR_WATCH_SIZE;
    const uint8_t *from = address_of(&p[0]);
    uint8_t record[MONITOR_WATCH_SIZE];

    if (p[1].value.a % MONITOR_WATCH_SIZE != 0)
        return TEE_ERROR_BAD_PARAMETERS;
    watch_begin();
    for (size_t i = 0; i < n; i++) {
        TEE_Result res = copy_from_user(record, from + i * sizeof(record), sizeof(record));

        if (res == TEE_SUCCESS)
            res = watch_put(record);
        if (res != TEE_SUCCESS)
            return res;
    }
    return watch_start();
}

static TEE_Result captured(TEE_Param p[TEE_NUM_PARAMS])
{
    static uint8_t page[4096]; /* the TA is one, and calls one at a time */
    uint64_t pa = 0;

    if (!watch_take(&pa, page))
        return TEE_ERROR_ITEM_NOT_FOUND;
    p[1].value.a = (uint32_t)pa;
    p[1].value.b = (uint32_t)(pa >> 32);
    return copy_to_user(address_of(&p[0]), page, sizeof(page));
}

static TEE_Result missed(TEE_Param p[TEE_NUM_PARAMS])
{
    p[0].value.a = watch_missed();
    p[0].value.b = 0;
    return TEE_SUCCESS;
}

static struct trust_tpm given; /* what the deep check under way was told; calls do not overlap */

static TEE_Result check_tpm(TEE_Param p[TEE_NUM_PARAMS])
{
    trust_check_tpm(&given);
    p[0].value.a = given.pcrs;
    p[0].value.b = (given.reset ? MONITOR_TPM_RESET : 0) | (given.silent ? MONITOR_TPM_SILENT : 0);
    return TEE_SUCCESS;
}

/* On the secure console; the text ends with a zero. */
static void say_lines(const char *text)
{
    while (*text != '\0') {
        const char *end = strchr(text, '\n');
        size_t n = end == NULL ? strlen(text) : (size_t)(end - text);

        IMSG("kapu: %.*s", (int)n, text);
        text += n + (end == NULL ? 0 : 1);
    }
}

/* What the TA says, from `p[0]` and `p[1]`, with a zero at its end. Not on the heap, which Linux
 * can exhaust: an alarm must come through. One buffer will do: the TA is one, and calls one at a
 * time. */
static TEE_Result take_text(const TEE_Param p[2], const char **text)
{
    static char copy[MONITOR_TEXT_MAX + 1];
    size_t n = p[1].value.a;

    if (n > MONITOR_TEXT_MAX)
        return TEE_ERROR_BAD_PARAMETERS;
    memset(copy, 0, sizeof(copy));
    *text = copy;
    return n == 0 ? TEE_SUCCESS : copy_from_user(copy, address_of(&p[0]), n);
}

static TEE_Result done(TEE_Param p[TEE_NUM_PARAMS])
{
    const char *text = NULL;
    TEE_Result res = take_text(&p[1], &text);

    if (res != TEE_SUCCESS)
        return res;
    watchdog_done(p[0].value.a, p[0].value.b, text, p[2].value.a);
    if (p[0].value.a > 0)
        trust_tell(given.pcrs, given.reset);
    given = (struct trust_tpm){};
    say_lines(text);
    last_words_checked(p[0].value.a, p[0].value.b, text, p[2].value.a);
    return TEE_SUCCESS;
}

static TEE_Result found(TEE_Param p[TEE_NUM_PARAMS])
{
    const char *text = NULL;
    TEE_Result res = take_text(&p[0], &text);

    if (res == TEE_SUCCESS)
        watchdog_found(text, p[1].value.a);
    return res;
}

static TEE_Result time_now(TEE_Param p[TEE_NUM_PARAMS])
{
    uint64_t ms = monitor_now() / monitor_ms(1);
    bool will_reset = false;

    p[0].value.a = (uint32_t)ms;
    p[0].value.b = (uint32_t)(ms >> 32);
    p[1].value.a = watchdog_left_ms(&will_reset);
    p[1].value.b = (watch_found() || trust_wants_check() ? MONITOR_TIME_FOUND : 0) |
                   (will_reset ? MONITOR_TIME_RESET : 0);
    return TEE_SUCCESS;
}

static TEE_Result last(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct last_words *w = last_words();

    if (p[1].value.a < w->n)
        return TEE_ERROR_SHORT_BUFFER;
    p[2].value.a = w->why;
    p[2].value.b = w->resets;
    p[3].value.a = w->n;
    return w->n == 0 ? TEE_SUCCESS : copy_to_user(address_of(&p[0]), w->text, w->n);
}

static TEE_Result figures(TEE_Param p[TEE_NUM_PARAMS])
{
    struct watch_figures f;

    watch_figures(&f);
    p[0].value.a = tick_count();
    p[0].value.b = f.pages;
    p[1].value.a = f.passes;
    p[1].value.b = f.pass_ms;
    cores_held_us(&p[2].value.a, &p[2].value.b);
    p[3].value.a = f.changed;
    p[3].value.b = cores_alive();
    return TEE_SUCCESS;
}

static const struct {
    uint32_t command;
    uint32_t types;
    TEE_Result (*run)(TEE_Param p[TEE_NUM_PARAMS]);
} commands[] = {
    {MONITOR_PTA_READ, TEE_PARAM_TYPES(VI, VI, VI, NONE), read_memory},
    {MONITOR_PTA_REGISTERS, TEE_PARAM_TYPES(VI, VI, VO, NONE), registers},
    {MONITOR_PTA_WATCH, TEE_PARAM_TYPES(VI, VI, NONE, NONE), watch},
    {MONITOR_PTA_CAPTURED, TEE_PARAM_TYPES(VI, VO, NONE, NONE), captured},
    {MONITOR_PTA_DONE, TEE_PARAM_TYPES(VI, VI, VI, NONE), done},
    {MONITOR_PTA_TIME, TEE_PARAM_TYPES(VO, VO, NONE, NONE), time_now},
    {MONITOR_PTA_LAST, TEE_PARAM_TYPES(VI, VI, VO, VO), last},
    {MONITOR_PTA_FIGURES, TEE_PARAM_TYPES(VO, VO, VO, VO), figures},
    {MONITOR_PTA_MISSED, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), missed},
    {MONITOR_PTA_FOUND, TEE_PARAM_TYPES(VI, VI, NONE, NONE), found},
    {MONITOR_PTA_TPM, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), check_tpm},
};

static uint32_t opened;

/* One session, ever: that of the monitor TA's one instance. */
static TEE_Result open_session(uint32_t types __unused, TEE_Param p[TEE_NUM_PARAMS] __unused,
                               void **session)
{
    static const TEE_UUID monitor_ta = MONITOR_TA_UUID;
    const TEE_Identity *id = &to_ta_session(ts_get_current_session())->clnt_id;
    uint32_t not_yet = 0;

    if (id->login != TEE_LOGIN_TRUSTED_APP ||
        memcmp(&id->uuid, &monitor_ta, sizeof(monitor_ta)) != 0 ||
        !atomic_cas_u32(&opened, &not_yet, 1))
        return TEE_ERROR_ACCESS_DENIED;
    *session = &opened;
    return TEE_SUCCESS;
}

/* The monitor TA never closes it, so it has crashed. What it had found, and it alone knew, must not
 * be forgotten by a new instance of it. */
static void close_session(void *session)
{
    if (session == &opened) /* OP-TEE closes refused sessions too */
        watchdog_bereft();
}

static TEE_Result invoke(void *session __unused, uint32_t command, uint32_t types,
                         TEE_Param p[TEE_NUM_PARAMS])
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].command != command)
            continue;
        return commands[i].types == types ? commands[i].run(p) : TEE_ERROR_BAD_PARAMETERS;
    }
    return TEE_ERROR_NOT_SUPPORTED;
}

pseudo_ta_register(.uuid = MONITOR_PTA_UUID, .name = "kapu.monitor", .flags = PTA_DEFAULT_FLAGS,
                   .open_session_entry_point = open_session,
                   .close_session_entry_point = close_session,
                   .invoke_command_entry_point = invoke);
