// SPDX-License-Identifier: Apache-2.0
/* The boot service (wire/boot_pta.h). Mechanism only: update TA and attest TA decide. */
#include <kernel/mutex.h>
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/ts_manager.h>
#include <kernel/user_access.h>
#include <string.h>
#include <string_ext.h>
#include <tee_api_defines.h>
#include <util.h>

#include <kapu/trust.h>
#include <kapu/update_refusals.h>

#include "attest_ta.h"
#include "boot_pta.h"
#include "monitor.h"
#include "slots.h"
#include "update_ta.h"

#define NONE TEE_PARAM_TYPE_NONE
#define IN TEE_PARAM_TYPE_VALUE_INPUT
#define OUT TEE_PARAM_TYPE_VALUE_OUTPUT
#define BOTH TEE_PARAM_TYPE_VALUE_INOUT
#define MEM_IN TEE_PARAM_TYPE_MEMREF_INPUT
#define MEM_OUT TEE_PARAM_TYPE_MEMREF_OUTPUT

#define PUBLIC_MAX 128U /* TPMT_PUBLIC of a P-256 key */
#define ATTEST_MAX 256U /* TPMS_ATTEST of a quote */
#define CREDENTIAL_MAX 512U
#define SLOT_PART 1024U

static TEE_Result get_state(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct trust_boot *b = trust_boot();
    struct bootstate next = {};
    uint32_t counter = 0;
    TEE_Result res = trust_read_state(&next);

    if (res == TEE_SUCCESS)
        res = trust_read_counter(FUSEBOX_SECURITY, &counter);
    if (res != TEE_SUCCESS)
        return res;
    p[0].value.a = b->state.slot;
    p[0].value.b = b->state.trial;
    p[1].value.a = counter;
    p[1].value.b = b->counter_release;
    p[2].value.a = next.slot;
    p[2].value.b = (next.trial ? 1U << 8 : 0U) | next.tries;
    return TEE_SUCCESS;
}

static uint32_t word_of(const uint8_t *p)
{
    return SHIFT_U32(p[0], 24) | SHIFT_U32(p[1], 16) | SHIFT_U32(p[2], 8) | p[3];
}

static void put_words(TEE_Param *p, const uint8_t *bytes, size_t params)
{
    for (size_t i = 0; i < params; i++) {
        p[i].value.a = word_of(bytes + 8 * i);
        p[i].value.b = word_of(bytes + 8 * i + 4);
    }
}

static TEE_Result get_pcr(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t value[32] = {};
    TEE_Result res;

    if (p[0].value.a > 23)
        return TEE_ERROR_BAD_PARAMETERS;
    res = trust_read_pcr(p[0].value.a, value);
    if (res == TEE_SUCCESS)
        put_words(p, value, TEE_NUM_PARAMS);
    return res;
}

static TEE_Result get_log(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct trust_boot *b = trust_boot();
    uint8_t part[BOOT_PTA_LOG_CHUNK] = {};
    size_t offset = p[0].value.a;

    if (offset > b->log_size)
        return TEE_ERROR_BAD_PARAMETERS;
    memcpy(part, b->log + offset, MIN(sizeof(part), b->log_size - offset));
    p[0].value.a = b->log_size;
    put_words(p + 1, part, TEE_NUM_PARAMS - 1);
    return TEE_SUCCESS;
}

static TEE_Result complete(TEE_Param p[TEE_NUM_PARAMS] __unused)
{
    trust_boot_complete();
    return TEE_SUCCESS;
}

static TEE_Result confirm(TEE_Param p[TEE_NUM_PARAMS] __unused)
{
    return trust_confirm();
}

static TEE_Result put_memory(TEE_Param *p, struct bytes b)
{
    bool fits = p->memref.buffer != NULL && p->memref.size >= b.n;

    p->memref.size = b.n;
    return fits ? copy_to_user(p->memref.buffer, b.p, b.n) : TEE_ERROR_SHORT_BUFFER;
}

static TEE_Result put_all(TEE_Param *p, const struct bytes *b, size_t n)
{
    TEE_Result res = TEE_SUCCESS;

    for (size_t i = 0; i < n; i++) { /* all of them, so that all sizes are told */
        TEE_Result one = put_memory(p + i, b[i]);

        res = res == TEE_SUCCESS ? one : res;
    }
    return res;
}

static TEE_Result take_memory(const TEE_Param *p, uint8_t *to, size_t n)
{
    return p->memref.size == n ? copy_from_user(to, p->memref.buffer, n) : TEE_ERROR_BAD_PARAMETERS;
}

/* ---- for the attest TA and the update TA ---- */

static TEE_Result get_boot(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct trust_boot *b = trust_boot();
    const struct bytes all[] = {BYTES_OF(b->identity), BYTES_OF(b->name), {b->ek.b, b->ek.n}};

    p[3].value.a = last_words()->why;
    p[3].value.b = 0;
    return put_all(p, all, ARRAY_SIZE(all));
}

static TEE_Result get_record(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t record[FUSEBOX_RECORD_SIZE];
    TEE_Result res = trust_read_record(record);

    return res == TEE_SUCCESS ? put_memory(&p[0], BYTES_OF(record)) : res;
}

/* ---- for the update TA ---- */

static TEE_Result set_record(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t record[FUSEBOX_RECORD_SIZE];
    TEE_Result res = take_memory(&p[0], record, sizeof(record));

    return res == TEE_SUCCESS ? trust_write_record(record) : res;
}

static TEE_Result get_next(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t encoded[BOOTSTATE_SIZE];
    struct bootstate next = {};
    TEE_Result res = trust_read_state(&next);

    if (res == TEE_SUCCESS)
        res = trust_read_counter(FUSEBOX_SECURITY, &p[1].value.a);
    if (res != TEE_SUCCESS)
        return res;
    p[1].value.b = 0;
    bootstate_encode(&next, encoded);
    return put_memory(&p[0], BYTES_OF(encoded));
}

static TEE_Result set_next(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t encoded[BOOTSTATE_SIZE];
    struct bootstate next = {};
    TEE_Result res = take_memory(&p[0], encoded, sizeof(encoded));

    if (res != TEE_SUCCESS)
        return res;
    return bootstate_decode(encoded, &next) == 0 ? trust_write_state(&next)
                                                 : TEE_ERROR_BAD_PARAMETERS;
}

static TEE_Result read_slot(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t part[SLOT_PART];
    uint8_t *to = p[1].memref.buffer;
    TEE_Result res = TEE_SUCCESS;
    size_t n;

    for (size_t at = 0; at < p[1].memref.size && res == TEE_SUCCESS; at += n) {
        n = MIN(sizeof(part), p[1].memref.size - at);
        res = slot_read(p[0].value.a, (size_t)p[0].value.b + at, part, n);
        if (res == TEE_SUCCESS)
            res = copy_to_user(to + at, part, n);
    }
    return res;
}

/* Of this boot, as the update TA answered [0], and as Linux says [1]. */
static struct update_refusals refusals[2];
static struct mutex refusals_lock = MUTEX_INITIALIZER;

static TEE_Result note_refusal(TEE_Param p[TEE_NUM_PARAMS])
{
    if (p[0].value.a == 0 || p[0].value.a >= UPDATE_REFUSALS_KINDS ||
        p[0].value.b >= ARRAY_SIZE(refusals))
        return TEE_ERROR_BAD_PARAMETERS;
    mutex_lock(&refusals_lock);
    update_refusals_add(&refusals[p[0].value.b], p[0].value.a);
    mutex_unlock(&refusals_lock);
    return TEE_SUCCESS;
}

/* ---- for the attest TA ---- */

static TEE_Result get_refusals(TEE_Param p[TEE_NUM_PARAMS])
{
    mutex_lock(&refusals_lock);
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        p[2 * i].value.a = refusals[i].last;
        p[2 * i].value.b = refusals[i].count;
        p[2 * i + 1].value.a = refusals[i].kinds;
        p[2 * i + 1].value.b = 0;
    }
    mutex_unlock(&refusals_lock);
    return TEE_SUCCESS;
}

/* A certificate is too large for the stack; calls of the one caller do not overlap in it. */
static struct mutex certificate_lock = MUTEX_INITIALIZER;

static TEE_Result get_identity(TEE_Param p[TEE_NUM_PARAMS])
{
    static uint8_t certificate[FUSEBOX_CERTIFICATE_MAX];
    const struct trust_boot *b = trust_boot();
    uint8_t public[PUBLIC_MAX];
    struct tpm2_public ak = {};
    size_t n = 0;
    struct wr w;
    TEE_Result res = trust_ak(&ak);

    if (res != TEE_SUCCESS)
        return res;
    wr_init(&w, public, sizeof(public));
    tpm2_wr_public(&w, &ak);
    if (w.err != 0)
        return TEE_ERROR_GENERIC;
    mutex_lock(&certificate_lock);
    res = trust_ek_certificate(certificate, &n);
    if (res == TEE_SUCCESS) {
        const struct bytes all[] = {
            BYTES_OF(b->board), {b->ek.b, b->ek.n}, wr_done(&w), {certificate, n}};

        res = put_all(p, all, ARRAY_SIZE(all));
    }
    mutex_unlock(&certificate_lock);
    return res;
}

static TEE_Result quote(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t nonce[32], attest[ATTEST_MAX], signature[64];
    struct tpm2_signature sig = {};
    TEE_Result res;
    struct wr w;

    if (p[0].memref.size != sizeof(nonce))
        return TEE_ERROR_BAD_PARAMETERS;
    res = copy_from_user(nonce, p[0].memref.buffer, sizeof(nonce));
    if (res != TEE_SUCCESS)
        return res;
    wr_init(&w, attest, sizeof(attest));
    res = trust_quote(nonce, p[3].value.a, &w, &sig);
    if (res == TEE_SUCCESS) {
        const struct bytes all[] = {wr_done(&w), BYTES_OF(signature)};

        memcpy(signature, sig.r, sizeof(sig.r));
        memcpy(signature + sizeof(sig.r), sig.s, sizeof(sig.s));
        res = put_all(p + 1, all, ARRAY_SIZE(all));
    }
    return res;
}

static TEE_Result activate(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t blob[CREDENTIAL_MAX], secret[CREDENTIAL_MAX], opened[FUSEBOX_SECRET_SIZE];
    size_t blob_n = p[0].memref.size, secret_n = p[1].memref.size;
    TEE_Result res;

    if (blob_n > sizeof(blob) || secret_n > sizeof(secret))
        return TEE_ERROR_BAD_PARAMETERS;
    res = copy_from_user(blob, p[0].memref.buffer, blob_n);
    if (res == TEE_SUCCESS)
        res = copy_from_user(secret, p[1].memref.buffer, secret_n);
    if (res != TEE_SUCCESS)
        return res;
    res = trust_activate((struct bytes){blob, blob_n}, (struct bytes){secret, secret_n}, opened);
    if (res == TEE_SUCCESS)
        res = put_memory(&p[2], BYTES_OF(opened));
    memzero_explicit(opened, sizeof(opened));
    return res;
}

static TEE_Result get_events(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct trust_boot *b = trust_boot();

    p[1].value.a = trust_told();
    p[1].value.b = 0;
    return put_memory(&p[0], (struct bytes){b->log, b->log_size});
}

static TEE_Result get_storage(TEE_Param p[TEE_NUM_PARAMS])
{
    TEE_Result res = trust_read_counter(FUSEBOX_STORAGE, &p[0].value.a);

    return res == TEE_SUCCESS ? trust_read_counter(FUSEBOX_STARTS, &p[0].value.b) : res;
}

enum caller { ANYBODY = 0, UPDATE = 1, ATTEST = 2 }; /* the TAs: bits */

static const struct {
    uint32_t command;
    uint32_t types;
    unsigned int callers; /* enum caller */
    TEE_Result (*run)(TEE_Param p[TEE_NUM_PARAMS]);
} commands[] = {
    {BOOT_PTA_STATE, TEE_PARAM_TYPES(OUT, OUT, OUT, NONE), ANYBODY, get_state},
    {BOOT_PTA_PCR, TEE_PARAM_TYPES(BOTH, OUT, OUT, OUT), ANYBODY, get_pcr},
    {BOOT_PTA_LOG, TEE_PARAM_TYPES(BOTH, OUT, OUT, OUT), ANYBODY, get_log},
    {BOOT_PTA_COMPLETE, TEE_PARAM_TYPES(NONE, NONE, NONE, NONE), ANYBODY, complete},
    {BOOT_PTA_CONFIRM, TEE_PARAM_TYPES(NONE, NONE, NONE, NONE), UPDATE, confirm},
    {BOOT_PTA_SET_RECORD, TEE_PARAM_TYPES(MEM_IN, NONE, NONE, NONE), UPDATE, set_record},
    {BOOT_PTA_NEXT, TEE_PARAM_TYPES(MEM_OUT, OUT, NONE, NONE), UPDATE, get_next},
    {BOOT_PTA_SET_NEXT, TEE_PARAM_TYPES(MEM_IN, NONE, NONE, NONE), UPDATE, set_next},
    {BOOT_PTA_SLOT, TEE_PARAM_TYPES(IN, MEM_OUT, NONE, NONE), UPDATE, read_slot},
    {BOOT_PTA_REFUSED, TEE_PARAM_TYPES(IN, NONE, NONE, NONE), UPDATE, note_refusal},
    {BOOT_PTA_IDENTITY, TEE_PARAM_TYPES(MEM_OUT, MEM_OUT, MEM_OUT, MEM_OUT), ATTEST, get_identity},
    {BOOT_PTA_QUOTE, TEE_PARAM_TYPES(MEM_IN, MEM_OUT, MEM_OUT, IN), ATTEST, quote},
    {BOOT_PTA_ACTIVATE, TEE_PARAM_TYPES(MEM_IN, MEM_IN, MEM_OUT, NONE), ATTEST, activate},
    {BOOT_PTA_EVENTS, TEE_PARAM_TYPES(MEM_OUT, OUT, NONE, NONE), ATTEST, get_events},
    {BOOT_PTA_STORAGE, TEE_PARAM_TYPES(OUT, NONE, NONE, NONE), ATTEST, get_storage},
    {BOOT_PTA_REFUSALS, TEE_PARAM_TYPES(OUT, OUT, OUT, OUT), ATTEST, get_refusals},
    {BOOT_PTA_RECORD, TEE_PARAM_TYPES(MEM_OUT, NONE, NONE, NONE), UPDATE | ATTEST, get_record},
    {BOOT_PTA_BOOT, TEE_PARAM_TYPES(MEM_OUT, MEM_OUT, MEM_OUT, OUT), UPDATE | ATTEST, get_boot},
};

/* OP-TEE vouches for a TA's UUID: its signature was verified, or it is part of OP-TEE's image. */
static bool may_call(unsigned int callers)
{
    static const TEE_UUID update = UPDATE_TA_UUID, attest = ATTEST_TA_UUID;
    const TEE_Identity *id = &to_ta_session(ts_get_current_session())->clnt_id;

    if (callers == ANYBODY)
        return true;
    return id->login == TEE_LOGIN_TRUSTED_APP &&
           (((callers & UPDATE) != 0 && memcmp(&id->uuid, &update, sizeof(update)) == 0) ||
            ((callers & ATTEST) != 0 && memcmp(&id->uuid, &attest, sizeof(attest)) == 0));
}

static TEE_Result invoke(void *session __unused, uint32_t command, uint32_t types,
                         TEE_Param p[TEE_NUM_PARAMS])
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].command != command)
            continue;
        if (commands[i].types != types)
            return TEE_ERROR_BAD_PARAMETERS;
        if (!may_call(commands[i].callers))
            return TEE_ERROR_ACCESS_DENIED;
        return commands[i].run(p);
    }
    return TEE_ERROR_NOT_SUPPORTED;
}

pseudo_ta_register(.uuid = BOOT_PTA_UUID, .name = "kapu.boot", .flags = PTA_DEFAULT_FLAGS,
                   .invoke_command_entry_point = invoke);
