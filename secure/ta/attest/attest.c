// SPDX-License-Identifier: Apache-2.0
/*
 * The attest TA: what a session may ask for, and in which order. It never reads memory of Linux
 * but for its parameters, and those are copied before they are looked at.
 */
#include "attest.h"

#include <string.h>

#include "ta_command.h"
#include "ta_sha256.h"

#define CREDENTIAL_MAX 512u

enum state { IDLE, CHECKING, READY };

static struct request request;
static enum state state;
static uint64_t asked_ms; /* since the secure world's start: when the nonce came */

const struct kapu_sha256 ta_hash = {.hash = ta_sha256};

TEE_Result TA_CreateEntryPoint(void)
{
    TEE_Result res = ta_sha256_open();

    return res == TEE_SUCCESS ? services_open() : res;
}

void TA_DestroyEntryPoint(void)
{
    kapu_wipe(&request, sizeof(request));
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

static TEE_Result identity(TEE_Param p[TEE_NUM_PARAMS])
{
    static struct identity id;
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    struct evidence_key public;
    TEE_Result res = boot_identity(&id);

    _Static_assert(sizeof(public) == ATTEST_TA_KEY_SIZE, "x and y, nothing between");
    if (res == TEE_SUCCESS)
        res = evidence_public(&public);
    if (res == TEE_SUCCESS &&
        evidence_ueid(&ta_hash, (struct bytes){id.ek_name, id.ek_name_n}, ueid) != 0)
        res = TEE_ERROR_GENERIC;
    if (res == TEE_SUCCESS) {
        const struct bytes all[] = {{id.certificate, id.certificate_n},
                                    {id.ak, id.ak_n},
                                    {public.x, sizeof(public)},
                                    BYTES_OF(ueid)};

        for (size_t i = 0; i < TEE_NUM_PARAMS; i++) {
            if (ta_command_put(&p[i], all[i]) != TEE_SUCCESS)
                res = TEE_ERROR_SHORT_BUFFER;
        }
    }
    return res;
}

static TEE_Result enrol(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t part[2][CREDENTIAL_MAX];
    TEE_Param in[2];
    TEE_Result res;

    state = IDLE;
    request.enrols = false;
    for (size_t i = 0; i < 2; i++) {
        if (p[i].memref.size > sizeof(part[i]))
            return TEE_ERROR_BAD_PARAMETERS;
        in[i].memref.buffer = part[i];
        in[i].memref.size = p[i].memref.size;
        TEE_MemMove(part[i], p[i].memref.buffer, p[i].memref.size);
    }
    res = boot_activate(&in[0], &in[1], request.secret);
    if (res == TEE_SUCCESS)
        res = vault_tls_key(request.tls_key);
    request.enrols = res == TEE_SUCCESS;
    return res;
}

static TEE_Result begin(TEE_Param p[TEE_NUM_PARAMS])
{
    uint64_t began;
    uint32_t number;
    TEE_Result res;

    state = IDLE;
    if (p[0].memref.size != sizeof(request.nonce) || p[1].value.a > 1)
        return TEE_ERROR_BAD_PARAMETERS;
    TEE_MemMove(request.nonce, p[0].memref.buffer, sizeof(request.nonce));
    request.wants_log = p[1].value.a == 1;
    res = monitor_last(&number, &began, &asked_ms);
    if (res == TEE_SUCCESS)
        state = CHECKING;
    return res;
}

/* A deep check that began before the nonce came, by whoever drives it too, does not count. */
static TEE_Result step(TEE_Param p[TEE_NUM_PARAMS])
{
    uint64_t began = 0, now = 0;
    uint32_t number = 0;
    TEE_Result res = TEE_SUCCESS;

    if (state == IDLE)
        return TEE_ERROR_BAD_STATE;
    p[0].value.a = 0;
    if (state == CHECKING)
        res = monitor_step(&p[0].value.a);
    if (res == TEE_SUCCESS)
        res = monitor_last(&number, &began, &now);
    if (res != TEE_SUCCESS)
        return res;
    if (number > 0 && began >= asked_ms) {
        state = READY;
        p[0].value.a = 0;
    } else if (p[0].value.a == 0) {
        p[0].value.a = 1; /* another one, from its beginning */
    }
    return TEE_SUCCESS;
}

static TEE_Result message(TEE_Param p[TEE_NUM_PARAMS])
{
    static uint8_t bytes[EVIDENCE_MESSAGE_MAX];
    TEE_Result res;
    struct wr w;

    if (state != READY)
        return TEE_ERROR_BAD_STATE;
    wr_init(&w, bytes, sizeof(bytes));
    res = evidence_make(&request, &w);
    return res == TEE_SUCCESS ? ta_command_put(&p[0], wr_done(&w)) : res;
}

static const struct ta_command commands[] = {
    {ATTEST_TA_IDENTITY, TEE_PARAM_TYPES(MO, MO, MO, MO), identity},
    {ATTEST_TA_ENROL, TEE_PARAM_TYPES(MI, MI, NONE, NONE), enrol},
    {ATTEST_TA_BEGIN, TEE_PARAM_TYPES(MI, VI, NONE, NONE), begin},
    {ATTEST_TA_STEP, TEE_PARAM_TYPES(VO, NONE, NONE, NONE), step},
    {ATTEST_TA_MESSAGE, TEE_PARAM_TYPES(MO, NONE, NONE, NONE), message},
};

TEE_Result TA_InvokeCommandEntryPoint(void *session, uint32_t command, uint32_t types,
                                      TEE_Param p[TEE_NUM_PARAMS])
{
    (void)session;
    return ta_command_run(commands, sizeof(commands) / sizeof(commands[0]), command, types, p);
}
