// SPDX-License-Identifier: Apache-2.0
/* The boot service of the core and the monitor TA, as this TA asks them: secure world to secure
 * world, without Linux in between. */
#include <string.h>

#include "boot_pta.h"
#include "monitor_ta.h"
#include "parts.h"
#include "ta_command.h"

#define SLOT_PART (32u * 1024) /* bytes of a slot that are read at once */
#define EK_NAME_MAX 34u        /* TPM 2.0 Part 1, 16 */
#define STEPS_MAX 1000u        /* of two deep checks, several times over */

static TEE_TASessionHandle boot = TEE_HANDLE_NULL, monitor = TEE_HANDLE_NULL;
static TEE_OperationHandle digest = TEE_HANDLE_NULL; /* of a slot */
static TEE_Result failure;

static TEE_Result open_one(const TEE_UUID *uuid, TEE_TASessionHandle *session)
{
    uint32_t origin = 0;

    return TEE_OpenTASession(uuid, TEE_TIMEOUT_INFINITE, 0, NULL, session, &origin);
}

TEE_Result services_open(void)
{
    static const TEE_UUID boot_uuid = BOOT_PTA_UUID, monitor_uuid = MONITOR_TA_UUID;
    TEE_Result res = open_one(&boot_uuid, &boot);

    if (res == TEE_SUCCESS)
        res = open_one(&monitor_uuid, &monitor);
    if (res == TEE_SUCCESS)
        res = TEE_AllocateOperation(&digest, TEE_ALG_SHA256, TEE_MODE_DIGEST, 0);
    return res;
}

static TEE_Result call(TEE_TASessionHandle session, uint32_t command, uint32_t types,
                       TEE_Param p[TEE_NUM_PARAMS])
{
    uint32_t origin = 0;

    return TEE_InvokeTACommand(session, TEE_TIMEOUT_INFINITE, command, types, p, &origin);
}

static void set_memory(TEE_Param *p, const void *buffer, size_t n)
{
    p->memref.buffer = (void *)(uintptr_t)buffer;
    p->memref.size = n;
}

/* All of the outputs, or an error. */
static TEE_Result exact(TEE_Result res, const TEE_Param *p, size_t n)
{
    return res == TEE_SUCCESS && p->memref.size != n ? TEE_ERROR_GENERIC : res;
}

static TEE_Result read_boot(struct update_boot *b, uint8_t ek_name[EK_NAME_MAX], size_t *n)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    set_memory(&p[0], b->identity, sizeof(b->identity));
    set_memory(&p[1], b->name, sizeof(b->name));
    set_memory(&p[2], ek_name, EK_NAME_MAX);
    res = call(boot, BOOT_PTA_BOOT, TEE_PARAM_TYPES(MO, MO, MO, VO), p);
    res = exact(res, &p[0], sizeof(b->identity));
    res = exact(res, &p[1], sizeof(b->name));
    *n = p[2].memref.size;
    b->reset = (uint8_t)p[3].value.a;
    return res;
}

TEE_Result services_boot(struct update_boot *b, uint8_t ueid[EVIDENCE_UEID_SIZE])
{
    uint8_t ek_name[EK_NAME_MAX];
    TEE_Param p[TEE_NUM_PARAMS];
    size_t n = 0;
    TEE_Result res = read_boot(b, ek_name, &n);

    memset(p, 0, sizeof(p));
    if (res == TEE_SUCCESS)
        res = call(boot, BOOT_PTA_STATE, TEE_PARAM_TYPES(VO, VO, VO, NONE), p);
    b->slot = (uint8_t)p[0].value.a;
    b->trial = p[0].value.b != 0;
    if (res == TEE_SUCCESS && evidence_ueid(&ta_hash, (struct bytes){ek_name, n}, ueid) != 0)
        res = TEE_ERROR_GENERIC;
    return res;
}

TEE_Result services_refused(enum update_answer answer, bool linux_says)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    p[0].value.a = answer;
    p[0].value.b = linux_says;
    return call(boot, BOOT_PTA_REFUSED, TEE_PARAM_TYPES(VI, NONE, NONE, NONE), p);
}

/* The last deep check. */
struct last {
    bool clean, more;
    uint64_t began_ms, now_ms;
};

static TEE_Result last_check(struct last *l)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    res = call(monitor, MONITOR_TA_LAST, TEE_PARAM_TYPES(VO, VO, VO, NONE), p);
    l->clean = p[0].value.a > 0 && (p[0].value.b & MONITOR_TA_LAST_CLEAN) != 0;
    l->more = (p[0].value.b & MONITOR_TA_LAST_MORE) != 0;
    l->began_ms = p[1].value.a | (uint64_t)p[1].value.b << 32;
    l->now_ms = p[2].value.a | (uint64_t)p[2].value.b << 32;
    return res;
}

static TEE_Result step_check(void)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    return call(monitor, MONITOR_TA_STEP, TEE_PARAM_TYPES(VO, VO, NONE, NONE), p);
}

/* What was seen before does not count, nor a deep check that had begun: Linux drives those, and may
 * have waited for the right moment. What the watch saw meanwhile takes another deep check. */
TEE_Result services_clean(bool *clean)
{
    struct last l;
    TEE_Result res = last_check(&l);
    uint64_t asked = l.now_ms;

    *clean = false;
    for (unsigned int i = 0; i < STEPS_MAX && res == TEE_SUCCESS; i++) {
        res = step_check();
        if (res == TEE_SUCCESS)
            res = last_check(&l);
        if (res != TEE_SUCCESS || l.began_ms < asked)
            continue;
        *clean = l.clean && !l.more;
        if (!l.clean || !l.more)
            return TEE_SUCCESS;
        asked = l.now_ms;
    }
    return res;
}

/* ---- the port of lib/update ---- */

TEE_Result services_failure(void)
{
    return failure;
}

static int error_of(TEE_Result res)
{
    if (res == TEE_SUCCESS)
        return 0;
    failure = res;
    return KAPU_EIO;
}

static int read_record(void *ctx, uint8_t record[UPDATE_RECORD_SIZE])
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    (void)ctx;
    memset(p, 0, sizeof(p));
    set_memory(&p[0], record, UPDATE_RECORD_SIZE);
    res = call(boot, BOOT_PTA_RECORD, TEE_PARAM_TYPES(MO, NONE, NONE, NONE), p);
    return error_of(exact(res, &p[0], UPDATE_RECORD_SIZE));
}

static int write_record(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE])
{
    TEE_Param p[TEE_NUM_PARAMS];

    (void)ctx;
    memset(p, 0, sizeof(p));
    set_memory(&p[0], record, UPDATE_RECORD_SIZE);
    return error_of(call(boot, BOOT_PTA_SET_RECORD, TEE_PARAM_TYPES(MI, NONE, NONE, NONE), p));
}

static int read_state(void *ctx, struct bootstate *state, uint32_t *counter)
{
    uint8_t encoded[BOOTSTATE_SIZE];
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    (void)ctx;
    memset(p, 0, sizeof(p));
    set_memory(&p[0], encoded, sizeof(encoded));
    res = call(boot, BOOT_PTA_NEXT, TEE_PARAM_TYPES(MO, VO, NONE, NONE), p);
    res = exact(res, &p[0], sizeof(encoded));
    *counter = p[1].value.a;
    return res == TEE_SUCCESS ? bootstate_decode(encoded, state) : error_of(res);
}

static int write_state(void *ctx, const struct bootstate *state)
{
    uint8_t encoded[BOOTSTATE_SIZE];
    TEE_Param p[TEE_NUM_PARAMS];

    (void)ctx;
    bootstate_encode(state, encoded);
    memset(p, 0, sizeof(p));
    set_memory(&p[0], encoded, sizeof(encoded));
    return error_of(call(boot, BOOT_PTA_SET_NEXT, TEE_PARAM_TYPES(MI, NONE, NONE, NONE), p));
}

static int confirm(void *ctx)
{
    TEE_Param p[TEE_NUM_PARAMS];

    (void)ctx;
    memset(p, 0, sizeof(p));
    return error_of(call(boot, BOOT_PTA_CONFIRM, TEE_PARAM_TYPES(NONE, NONE, NONE, NONE), p));
}

static TEE_Result read_slot(uint8_t slot, uint32_t at, uint8_t *to, size_t n)
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    p[0].value.a = slot;
    p[0].value.b = at;
    set_memory(&p[1], to, n);
    return call(boot, BOOT_PTA_SLOT, TEE_PARAM_TYPES(VI, MO, NONE, NONE), p);
}

static int hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t to[32])
{
    static uint8_t part[SLOT_PART];
    TEE_Result res = TEE_SUCCESS;
    size_t size = 32, some;

    (void)ctx;
    TEE_ResetOperation(digest);
    for (uint64_t at = 0; at < n && res == TEE_SUCCESS; at += some) {
        some = n - at < sizeof(part) ? (size_t)(n - at) : sizeof(part);
        res = read_slot(slot, (uint32_t)at, part, (some + 3) / 4 * 4);
        if (res == TEE_SUCCESS)
            TEE_DigestUpdate(digest, part, some);
    }
    if (res == TEE_ERROR_BAD_PARAMETERS)
        return KAPU_ERANGE;
    if (res == TEE_SUCCESS)
        res = TEE_DigestDoFinal(digest, NULL, 0, to, &size);
    return error_of(res);
}

const struct update_port services_port = {
    .read_record = read_record,
    .write_record = write_record,
    .read_state = read_state,
    .write_state = write_state,
    .confirm = confirm,
    .hash_slot = hash_slot,
};
