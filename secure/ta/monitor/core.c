// SPDX-License-Identifier: Apache-2.0
/* The core's monitor service, as the TA uses it. */
#include "monitor.h"

#include <string.h>
#include <tee_internal_api_extensions.h>

#include "sha256_blocks.h"
#include "ta_command.h"

#define PAGE 4096u
#define AHEAD 16u /* pages of one call */

static TEE_TASessionHandle core = TEE_HANDLE_NULL;

/* Pages that were found intact while collecting: what the watch gets. */
static uint8_t pages[MONITOR_WATCH_MAX * MONITOR_WATCH_SIZE];
static size_t pages_n;
static const struct introspect *collecting;
static uint8_t last_read[MONITOR_WATCH_SIZE]; /* as a record of `pages` */

static uint8_t captured[PAGE] __aligned(8);
static uint64_t captured_pa;
static bool has_captured;

TEE_Result core_open(void)
{
    static const TEE_UUID uuid = MONITOR_PTA_UUID;
    uint32_t origin = 0;

    return TEE_OpenTASession(&uuid, TEE_TIMEOUT_INFINITE, 0, NULL, &core, &origin);
}

static TEE_Result call(uint32_t command, uint32_t types, TEE_Param p[TEE_NUM_PARAMS])
{
    uint32_t origin = 0;

    return TEE_InvokeTACommand(core, TEE_TIMEOUT_INFINITE, command, types, p, &origin);
}

static void put_le64(uint8_t *to, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

static void note(uint64_t pa, const void *page)
{
    if (!introspect_is_constant(collecting, pa))
        return;
    put_le64(last_read, pa);
    sha256_blocks(page, PAGE / SHA256_BLOCK, last_read + 8);
}

/* The very bytes that were judged. A check that begins anew goes through the image again, from low
 * to high: what counts is the last time. */
void core_intact(void *ctx, uint64_t pa)
{
    (void)ctx;
    if (collecting == NULL || kapu_le64(last_read) != pa)
        return;
    if (pages_n > 0 && pa <= kapu_le64(pages + (pages_n - 1) * MONITOR_WATCH_SIZE))
        pages_n = 0;
    if (pages_n < MONITOR_WATCH_MAX)
        memcpy(pages + pages_n++ * MONITOR_WATCH_SIZE, last_read, MONITOR_WATCH_SIZE);
}

/* A call of the core costs more than copying some pages: who reads page after page, as one does
 * with code, gets some at a time. Each is given once, so that who reads again gets what is there
 * then. */
static struct {
    uint8_t page[AHEAD][PAGE] __aligned(8);
    uint64_t pa, next; /* the first page; the one behind the last that was read */
    uint32_t fresh;    /* bit n: page n was not given yet */
} ahead;

void core_forget(void)
{
    ahead.fresh = 0;
}

static void put_pair(TEE_Param *p, uint64_t v)
{
    p->value.a = (uint32_t)v;
    p->value.b = (uint32_t)(v >> 32);
}

/* Memory goes as values: for each buffer among the parameters OP-TEE's library maps another one,
 * which takes three more system calls, and heap that Linux can use up. */
static void put_memory(TEE_Param p[2], const void *at, size_t n)
{
    put_pair(&p[0], (uintptr_t)at);
    p[1].value.a = (uint32_t)n;
}

static int read_core(uint64_t pa, void *to, size_t n)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    put_pair(&p[0], pa);
    put_memory(&p[1], to, n);
    return call(MONITOR_PTA_READ, TEE_PARAM_TYPES(VI, VI, VI, NONE), p) == TEE_SUCCESS
               ? 0
               : KAPU_ERANGE;
}

static bool take_ahead(uint64_t pa, void *to)
{
    uint64_t n = (pa - ahead.pa) / PAGE;

    if (pa < ahead.pa || n >= AHEAD || (ahead.fresh >> n & 1) == 0)
        return false;
    memcpy(to, ahead.page[n], PAGE);
    ahead.fresh &= ~(1u << n);
    return true;
}

/* Page after page: some at a time, behind the window or the last one that was read. */
static int read_ahead(uint64_t pa, void *to)
{
    uint64_t end = (uint64_t)RAM_BASE + RAM_SIZE;
    size_t n = end - pa < AHEAD * PAGE ? (size_t)((end - pa) / PAGE) : AHEAD;

    ahead.fresh = 0;
    if (read_core(pa, ahead.page, n * PAGE) != 0)
        return KAPU_ERANGE;
    ahead.pa = pa;
    ahead.fresh = (1u << n) - 1;
    return take_ahead(pa, to) ? 0 : KAPU_ERANGE;
}

static int read_page(uint64_t pa, void *to)
{
    bool streams = pa == ahead.next || pa == ahead.pa + AHEAD * PAGE;

    ahead.next = pa + PAGE;
    if (take_ahead(pa, to))
        return 0;
    if (pa < RAM_BASE || pa > (uint64_t)RAM_BASE + RAM_SIZE - PAGE)
        return KAPU_ERANGE;
    return streams ? read_ahead(pa, to) : read_core(pa, to, PAGE);
}

int core_read(void *ctx, uint64_t pa, void *to, size_t n)
{
    bool whole = n == PAGE && pa % PAGE == 0;
    int err;

    (void)ctx;
    if (has_captured && pa >= captured_pa && pa - captured_pa < PAGE &&
        n <= PAGE - (pa - captured_pa)) {
        memcpy(to, captured + (pa - captured_pa), n);
        return 0;
    }
    err = whole ? read_page(pa, to) : read_core(pa, to, n);
    if (err == 0 && whole && collecting != NULL)
        note(pa, to);
    return err;
}

size_t core_registers(struct introspect_regs *to, size_t most, size_t *now)
{
    static uint8_t records[MONITOR_REGISTERS_MAX * MONITOR_REGISTERS_SIZE];
    TEE_Param p[TEE_NUM_PARAMS];
    size_t n = 0;

    memset(p, 0, sizeof(p));
    put_memory(&p[0], records, sizeof(records));
    *now = 0;
    if (call(MONITOR_PTA_REGISTERS, TEE_PARAM_TYPES(VI, VI, VO, NONE), p) != TEE_SUCCESS)
        return 0;
    for (; n < p[2].value.a && n < most; n++) {
        const uint8_t *r = records + n * MONITOR_REGISTERS_SIZE;

        to[n] = (struct introspect_regs){kapu_le64(r), kapu_le64(r + 8), kapu_le64(r + 16),
                                         kapu_le64(r + 24), kapu_le64(r + 32)};
    }
    *now = p[2].value.b;
    return n;
}

void core_collect(const struct introspect *in)
{
    collecting = in;
    memset(last_read, 0, sizeof(last_read));
    if (in != NULL)
        pages_n = 0;
}

void core_watch(void)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    put_memory(&p[0], pages, pages_n * MONITOR_WATCH_SIZE);
    if (call(MONITOR_PTA_WATCH, TEE_PARAM_TYPES(VI, VI, NONE, NONE), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
}

bool core_captured_next(uint64_t *pa)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    put_pair(&p[0], (uintptr_t)captured);
    has_captured =
        call(MONITOR_PTA_CAPTURED, TEE_PARAM_TYPES(VI, VO, NONE, NONE), p) == TEE_SUCCESS;
    captured_pa = p[1].value.a | (uint64_t)p[1].value.b << 32;
    *pa = captured_pa;
    return has_captured;
}

void core_captured_end(void)
{
    has_captured = false;
}

uint32_t core_missed(void)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    if (call(MONITOR_PTA_MISSED, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
    return p[0].value.a;
}

void core_found(const char *text, size_t n)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    put_memory(&p[0], text, n);
    if (call(MONITOR_PTA_FOUND, TEE_PARAM_TYPES(VI, VI, NONE, NONE), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
}

struct core_tpm core_tpm(void)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    if (call(MONITOR_PTA_TPM, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
    return (struct core_tpm){
        .pcrs = p[0].value.a,
        .reset = (p[0].value.b & MONITOR_TPM_RESET) != 0,
        .silent = (p[0].value.b & MONITOR_TPM_SILENT) != 0,
    };
}

void core_done(uint32_t alarms, uint32_t reset_s, const char *text, size_t n)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    p[0].value.a = alarms;
    p[0].value.b = reset_s;
    put_memory(&p[1], text, n);
    if (call(MONITOR_PTA_DONE, TEE_PARAM_TYPES(VI, VI, VI, NONE), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
}

struct core_time core_time(void)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    if (call(MONITOR_PTA_TIME, TEE_PARAM_TYPES(VO, VO, NONE, NONE), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
    return (struct core_time){
        .now_ms = p[0].value.a | (uint64_t)p[0].value.b << 32,
        .left_ms = p[1].value.a,
        .watch_found = (p[1].value.b & MONITOR_TIME_FOUND) != 0,
        .will_reset = (p[1].value.b & MONITOR_TIME_RESET) != 0,
    };
}

struct core_figures core_figures(void)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    if (call(MONITOR_PTA_FIGURES, TEE_PARAM_TYPES(VO, VO, VO, VO), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
    return (struct core_figures){p[0].value.a, p[0].value.b, p[1].value.a, p[1].value.b,
                                 p[2].value.a, p[2].value.b, p[3].value.a, p[3].value.b};
}

uint32_t core_last(uint32_t *resets, char text[MONITOR_TEXT_MAX], size_t *n)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    put_memory(&p[0], text, MONITOR_TEXT_MAX);
    if (call(MONITOR_PTA_LAST, TEE_PARAM_TYPES(VI, VI, VO, VO), p) != TEE_SUCCESS)
        TEE_Panic(TEE_ERROR_BAD_STATE);
    *n = p[3].value.a;
    *resets = p[2].value.b;
    return p[2].value.a;
}
