// SPDX-License-Identifier: Apache-2.0
/*
 * The update TA: takes requests of Linux, and has lib/update decide. What Linux sends is copied
 * before it is looked at. What was decided is in the TPM: an instance that ends, with its session
 * or by a reset, forgets nothing that counts.
 */
#include <string.h>

#include "first_keys.h"
#include "parts.h"
#include "ta_command.h"
#include "ta_sha256.h"
#include "update_ta.h"

#define TEXT(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

const struct kapu_sha256 ta_hash = {.hash = ta_sha256};

static struct update_self self = {
    .hardware = TEXT(RELEASE_HARDWARE),
    .product = TEXT(RELEASE_PRODUCT),
    .group = TEXT(UPDATE_GROUP),
    .first = {{first_release_keys, sizeof(first_release_keys)},
              {first_rollout_keys, sizeof(first_rollout_keys)},
              {first_approval_keys, sizeof(first_approval_keys)}},
};
static struct update_boot this_boot;
static struct update update = {
    .sha = &ta_hash, .verify = &signature_verify, .self = &self, .boot = &this_boot};

static TEE_Result result_of(int err)
{
    if (err == 0)
        return TEE_SUCCESS;
    return services_failure() != TEE_SUCCESS ? services_failure() : TEE_ERROR_BAD_STATE;
}

TEE_Result TA_CreateEntryPoint(void)
{
    TEE_Result res = ta_sha256_open();

    if (res == TEE_SUCCESS)
        res = services_open();
    if (res == TEE_SUCCESS)
        res = services_boot(&this_boot, self.ueid);
    update.port = services_port;
    return res == TEE_SUCCESS ? result_of(update_open(&update)) : res;
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

/* Copies of two inputs, one after another. false: together they are larger than any good ones. */
static bool take(const TEE_Param *p, size_t n, struct bytes to[2])
{
    static uint8_t copy[UPDATE_TA_REQUEST_MAX];
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i].memref.size > sizeof(copy) - at)
            return false;
        if (p[i].memref.size > 0)
            TEE_MemMove(copy + at, p[i].memref.buffer, p[i].memref.size);
        to[i] = (struct bytes){copy + at, p[i].memref.size};
        at += p[i].memref.size;
    }
    return true;
}

static TEE_Result answered(TEE_Param *p, int err, enum update_answer answer)
{
    p->value.a = answer;
    p->value.b = 0;
    if (err == 0 && update_is_attack(answer))
        return services_refused(answer, false);
    return result_of(err);
}

static bool take_request(const TEE_Param *p, struct update_request *r)
{
    struct bytes all, part[UPDATE_TA_REQUEST_PARTS];
    struct rd in;

    if (!take(p, 1, &all))
        return false;
    rd_init(&in, all);
    for (size_t i = 0; i < UPDATE_TA_REQUEST_PARTS; i++)
        part[i] = rd_bytes(&in, rd_be16(&in));
    *r = (struct update_request){.manifest = part[2], .rollout = part[3]};
    r->keys[RELEASE_ROLE_RELEASE - 1] = part[0];
    r->keys[RELEASE_ROLE_ROLLOUT - 1] = part[1];
    return rd_end(&in) == 0;
}

static TEE_Result request(TEE_Param p[TEE_NUM_PARAMS])
{
    enum update_answer answer = UPDATE_DONE;
    struct update_request r;
    int err;

    if (!take_request(&p[0], &r))
        return TEE_ERROR_BAD_PARAMETERS;
    err = update_request(&update, &r, &answer);
    return answered(&p[1], err, answer);
}

static TEE_Result check(TEE_Param p[TEE_NUM_PARAMS])
{
    enum update_answer answer = UPDATE_DONE;
    struct update_request r;
    int err;

    if (!take_request(&p[0], &r))
        return TEE_ERROR_BAD_PARAMETERS;
    err = update_check(&update, &r, &answer);
    return answered(&p[1], err, answer);
}

static TEE_Result confirm(TEE_Param p[TEE_NUM_PARAMS])
{
    enum update_answer answer = UPDATE_DONE;
    struct bytes in[2];
    bool clean = false;
    TEE_Result res = services_clean(&clean);
    int err;

    if (res != TEE_SUCCESS)
        return res;
    if (!take(p, 2, in))
        return TEE_ERROR_BAD_PARAMETERS;
    err = update_confirm(&update, clean, in[0], in[1], &answer);
    return answered(&p[2], err, answer);
}

static TEE_Result keys(TEE_Param p[TEE_NUM_PARAMS])
{
    enum update_answer answer = UPDATE_DONE;
    struct bytes in[2];
    int err;

    if (!take(p, 2, in))
        return TEE_ERROR_BAD_PARAMETERS;
    err = update_keys(&update, in[0], in[1], &answer);
    return answered(&p[2], err, answer);
}

static TEE_Result join(TEE_Param p[TEE_NUM_PARAMS])
{
    enum update_answer answer = UPDATE_DONE;
    struct bytes in[2];
    int err;

    if (!take(p, 2, in))
        return TEE_ERROR_BAD_PARAMETERS;
    err = update_join(&update, in[0], in[1], &answer);
    return answered(&p[2], err, answer);
}

static TEE_Result state(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t record[UPDATE_RECORD_SIZE], names[UPDATE_TA_NAMES_SIZE];

    _Static_assert(sizeof(names) == sizeof(this_boot.name) + sizeof(self.ueid), "both");
    if (p[0].memref.size < sizeof(record) || p[1].memref.size < sizeof(names))
        return TEE_ERROR_SHORT_BUFFER;
    update_record_encode(&update.record, record);
    memcpy(names, this_boot.name, sizeof(this_boot.name));
    memcpy(names + sizeof(this_boot.name), self.ueid, sizeof(self.ueid));
    TEE_MemMove(p[0].memref.buffer, record, sizeof(record));
    TEE_MemMove(p[1].memref.buffer, names, sizeof(names));
    p[0].memref.size = sizeof(record);
    p[1].memref.size = sizeof(names);
    p[2].value.a = update.stage;
    p[2].value.b = 0;
    return TEE_SUCCESS;
}

static TEE_Result tell(TEE_Param p[TEE_NUM_PARAMS])
{
    const enum update_answer answer = (enum update_answer)p[0].value.a;

    return update_is_told(answer) ? services_refused(answer, true) : TEE_ERROR_BAD_PARAMETERS;
}

static const struct ta_command commands[] = {
    {UPDATE_TA_REQUEST, TEE_PARAM_TYPES(MI, VO, NONE, NONE), request},
    {UPDATE_TA_CONFIRM, TEE_PARAM_TYPES(MI, MI, VO, NONE), confirm},
    {UPDATE_TA_KEYS, TEE_PARAM_TYPES(MI, MI, VO, NONE), keys},
    {UPDATE_TA_STATE, TEE_PARAM_TYPES(MO, MO, VO, NONE), state},
    {UPDATE_TA_CHECK, TEE_PARAM_TYPES(MI, VO, NONE, NONE), check},
    {UPDATE_TA_TELL, TEE_PARAM_TYPES(VI, NONE, NONE, NONE), tell},
    {UPDATE_TA_JOIN, TEE_PARAM_TYPES(MI, MI, VO, NONE), join},
};

TEE_Result TA_InvokeCommandEntryPoint(void *session, uint32_t command, uint32_t types,
                                      TEE_Param p[TEE_NUM_PARAMS])
{
    (void)session;
    return ta_command_run(commands, sizeof(commands) / sizeof(commands[0]), command, types, p);
}
