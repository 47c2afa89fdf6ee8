// SPDX-License-Identifier: Apache-2.0
/* The boot service of the core, the monitor TA and the vault TA, as this TA asks them: secure world
 * to secure world, without Linux in between. */
#include <string.h>

#include <kapu/update_outcome.h>
#include <kapu/vault.h>

#include "attest.h"
#include "boot_pta.h"
#include "monitor_pta.h"
#include "monitor_ta.h"
#include "ta_command.h"
#include "vault_ta.h"

static TEE_TASessionHandle boot = TEE_HANDLE_NULL, monitor = TEE_HANDLE_NULL;

static TEE_Result open_one(const TEE_UUID *uuid, TEE_TASessionHandle *session)
{
    uint32_t origin = 0;

    return TEE_OpenTASession(uuid, TEE_TIMEOUT_INFINITE, 0, NULL, session, &origin);
}

TEE_Result services_open(void)
{
    static const TEE_UUID boot_uuid = BOOT_PTA_UUID, monitor_uuid = MONITOR_TA_UUID;
    TEE_Result res = open_one(&boot_uuid, &boot);

    return res == TEE_SUCCESS ? open_one(&monitor_uuid, &monitor) : res;
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

TEE_Result boot_identity(struct identity *id)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    set_memory(&p[0], id->board, sizeof(id->board));
    set_memory(&p[1], id->ek_name, sizeof(id->ek_name));
    set_memory(&p[2], id->ak, sizeof(id->ak));
    set_memory(&p[3], id->certificate, sizeof(id->certificate));
    res = call(boot, BOOT_PTA_IDENTITY, TEE_PARAM_TYPES(MO, MO, MO, MO), p);
    id->ek_name_n = p[1].memref.size;
    id->ak_n = p[2].memref.size;
    id->certificate_n = p[3].memref.size;
    return res;
}

/* A trial that was confirmed in this boot is none any more: the next reset starts the same slot,
 * and not on trial. One that was halted still runs, until then. */
static bool is_on_trial(const TEE_Param p[TEE_NUM_PARAMS])
{
    const bool next_is_this = p[2].value.a == p[0].value.a, next_is_trial = p[2].value.b >> 8 != 0;

    return p[0].value.b != 0 && (!next_is_this || next_is_trial);
}

TEE_Result boot_state(struct evidence_software *s)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    res = call(boot, BOOT_PTA_STATE, TEE_PARAM_TYPES(VO, VO, VO, NONE), p);
    s->slot = (uint8_t)p[0].value.a;
    s->trial = is_on_trial(p);
    s->counter_tpm = p[1].value.a;
    s->counter_release = p[1].value.b;
    s->tries = (uint8_t)p[2].value.b;
    return res;
}

TEE_Result boot_storage(struct evidence_software *s)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    res = call(boot, BOOT_PTA_STORAGE, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), p);
    s->storage_counter = p[0].value.a;
    s->storage_starts = p[0].value.b;
    return res;
}

TEE_Result boot_name(struct evidence_software *s)
{
    uint8_t ek_name[NAME_MAX];
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    set_memory(&p[0], s->identity, sizeof(s->identity));
    set_memory(&p[1], s->boot_name, sizeof(s->boot_name));
    set_memory(&p[2], ek_name, sizeof(ek_name));
    return call(boot, BOOT_PTA_BOOT, TEE_PARAM_TYPES(MO, MO, MO, VO), p);
}

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "in evidence as it is")
SAME(EVIDENCE_UPDATE_NONE, UPDATE_NOTHING_YET);
SAME(EVIDENCE_UPDATE_CONFIRMED, UPDATE_CONFIRMED);
SAME(EVIDENCE_UPDATE_HALTED, UPDATE_HALTED);
SAME(EVIDENCE_UPDATE_TRIES_GONE, UPDATE_TRIES_GONE);
SAME(EVIDENCE_UPDATE_REFUSED, UPDATE_REFUSED);
SAME(EVIDENCE_UPDATE_OTHER_RAN, UPDATE_OTHER_RAN);
SAME(EVIDENCE_UPDATE_NEVER_BEGAN, UPDATE_NEVER_BEGAN);
SAME(EVIDENCE_UPDATE_NEVER_BEGAN + 1, UPDATE_OUTCOMES);
SAME(EVIDENCE_RESET_ALARM, MONITOR_RESET_ALARM);
SAME(EVIDENCE_RESET_WATCHDOG, MONITOR_RESET_WATCHDOG);
SAME(EVIDENCE_RESET_PANIC, MONITOR_RESET_PANIC);

TEE_Result boot_update(struct evidence_software *s)
{
    uint8_t record[RECORD_MAX], last = 0, reset = 0;
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    set_memory(&p[0], record, sizeof(record));
    res = call(boot, BOOT_PTA_RECORD, TEE_PARAM_TYPES(MO, NONE, NONE, NONE), p);
    if (res != TEE_SUCCESS)
        return res;
    if (p[0].memref.size < UPDATE_RECORD_HEAD || update_outcome_decode(record, &last, &reset) != 0)
        return TEE_ERROR_BAD_FORMAT;
    s->last_update = (enum evidence_update)last;
    s->last_update_reset = (enum evidence_reset)reset;
    return TEE_SUCCESS;
}

static struct evidence_refusals refusals_of(const TEE_Param p[2])
{
    return (struct evidence_refusals){
        .last = (enum evidence_attack)p[0].value.a, .count = p[0].value.b, .kinds = p[1].value.a};
}

TEE_Result boot_refusals(struct evidence_software *s)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    res = call(boot, BOOT_PTA_REFUSALS, TEE_PARAM_TYPES(VO, VO, VO, VO), p);
    s->refused = refusals_of(&p[0]);
    s->told = refusals_of(&p[2]);
    return res;
}

static void put_word(uint8_t *to, uint32_t w)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(w >> (24 - 8 * i));
}

TEE_Result boot_pcr(uint32_t pcr, uint8_t value[32])
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    p[0].value.a = pcr;
    res = call(boot, BOOT_PTA_PCR, TEE_PARAM_TYPES(VIO, VO, VO, VO), p);
    for (size_t i = 0; i < TEE_NUM_PARAMS; i++) {
        put_word(value + 8 * i, p[i].value.a);
        put_word(value + 8 * i + 4, p[i].value.b);
    }
    return res;
}

TEE_Result boot_events(uint8_t *log, size_t *n, uint32_t *told)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    set_memory(&p[0], log, *n);
    res = call(boot, BOOT_PTA_EVENTS, TEE_PARAM_TYPES(MO, VO, NONE, NONE), p);
    *n = p[0].memref.size;
    *told = p[1].value.a;
    return res;
}

TEE_Result boot_quote(const uint8_t nonce[32], uint32_t told, uint8_t *attest, size_t *n,
                      uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    set_memory(&p[0], nonce, 32);
    set_memory(&p[1], attest, *n);
    set_memory(&p[2], signature, EVIDENCE_SIGNATURE_SIZE);
    p[3].value.a = told;
    res = call(boot, BOOT_PTA_QUOTE, TEE_PARAM_TYPES(MI, MO, MO, VI), p);
    *n = p[1].memref.size;
    return res;
}

TEE_Result boot_activate(const TEE_Param *blob, const TEE_Param *secret, uint8_t out[32])
{
    TEE_Param p[TEE_NUM_PARAMS];

    memset(p, 0, sizeof(p));
    p[0] = *blob;
    p[1] = *secret;
    set_memory(&p[2], out, 32);
    return call(boot, BOOT_PTA_ACTIVATE, TEE_PARAM_TYPES(MI, MI, MO, NONE), p);
}

TEE_Result monitor_step(uint32_t *left)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    res = call(monitor, MONITOR_TA_STEP, TEE_PARAM_TYPES(VO, VO, NONE, NONE), p);
    *left = p[0].value.a;
    return res;
}

static uint64_t time_of(const TEE_Param *p)
{
    return p->value.a | (uint64_t)p->value.b << 32;
}

TEE_Result monitor_last(uint32_t *number, uint64_t *began_ms, uint64_t *now_ms)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    res = call(monitor, MONITOR_TA_LAST, TEE_PARAM_TYPES(VO, VO, VO, NONE), p);
    *number = p[0].value.a;
    *began_ms = time_of(&p[1]);
    *now_ms = time_of(&p[2]);
    return res;
}

TEE_Result monitor_claims(uint8_t *claims, size_t *n)
{
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res;

    memset(p, 0, sizeof(p));
    set_memory(&p[0], claims, *n);
    res = call(monitor, MONITOR_TA_CLAIMS, TEE_PARAM_TYPES(MO, NONE, NONE, NONE), p);
    *n = p[0].memref.size;
    return res;
}

/* The vault is needed at an enrolment only, and so opened then. */
TEE_Result vault_tls_key(uint8_t digest[32])
{
    static const TEE_UUID uuid = VAULT_TA_UUID;
    uint8_t point[VAULT_TA_POINT_SIZE], spki[VAULT_SPKI_SIZE];
    TEE_TASessionHandle vault = TEE_HANDLE_NULL;
    TEE_Param p[TEE_NUM_PARAMS];
    TEE_Result res = open_one(&uuid, &vault);

    if (res != TEE_SUCCESS)
        return res;
    memset(p, 0, sizeof(p));
    p[0].value.a = VAULT_TA_TLS_CLIENT;
    set_memory(&p[1], point, sizeof(point));
    res = call(vault, VAULT_TA_PUBLIC, TEE_PARAM_TYPES(VI, MO, NONE, NONE), p);
    TEE_CloseTASession(vault);
    if (res != TEE_SUCCESS || p[1].memref.size != sizeof(point))
        return res != TEE_SUCCESS ? res : TEE_ERROR_BAD_FORMAT;
    vault_spki_encode(point, spki);
    return ta_hash.hash(ta_hash.ctx, &BYTES_OF(spki), 1, digest) == 0 ? TEE_SUCCESS
                                                                      : TEE_ERROR_GENERIC;
}
