// SPDX-License-Identifier: Apache-2.0
/* The boot service (wire/boot_pta.h). Mechanism only: the update TA decides. */
#include <kernel/pseudo_ta.h>
#include <kernel/tee_ta_manager.h>
#include <kernel/ts_manager.h>
#include <string.h>
#include <tee_api_defines.h>
#include <util.h>

#include <kapu/trust.h>

#include "boot_pta.h"
#include "update_ta.h"

#define NONE TEE_PARAM_TYPE_NONE
#define IN TEE_PARAM_TYPE_VALUE_INPUT
#define OUT TEE_PARAM_TYPE_VALUE_OUTPUT
#define BOTH TEE_PARAM_TYPE_VALUE_INOUT

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

/* State first: a cut before the counter has risen leaves a confirmed slot that can be confirmed
 * again; the other way round it would leave a trial whose fall-back is refused. */
static TEE_Result confirm(TEE_Param p[TEE_NUM_PARAMS] __unused)
{
    const struct trust_boot *b = trust_boot();
    const struct bootstate good = {.slot = b->state.slot};
    TEE_Result res = trust_write_state(&good);

    if (res != TEE_SUCCESS)
        return res;
    return trust_raise_counter(FUSEBOX_SECURITY, b->counter_release);
}

static TEE_Result try_slot(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct bootstate next = {
        .slot = (uint8_t)p[0].value.a, .trial = true, .tries = (uint8_t)p[0].value.b};

    if (p[0].value.a >= BOOTSTATE_SLOTS || p[0].value.b < 1 || p[0].value.b > BOOTSTATE_TRIES_MAX)
        return TEE_ERROR_BAD_PARAMETERS;
    return trust_write_state(&next);
}

static const struct {
    uint32_t command;
    uint32_t types;
    bool update_only;
    TEE_Result (*run)(TEE_Param p[TEE_NUM_PARAMS]);
} commands[] = {
    {BOOT_PTA_STATE, TEE_PARAM_TYPES(OUT, OUT, OUT, NONE), false, get_state},
    {BOOT_PTA_PCR, TEE_PARAM_TYPES(BOTH, OUT, OUT, OUT), false, get_pcr},
    {BOOT_PTA_LOG, TEE_PARAM_TYPES(BOTH, OUT, OUT, OUT), false, get_log},
    {BOOT_PTA_COMPLETE, TEE_PARAM_TYPES(NONE, NONE, NONE, NONE), false, complete},
    {BOOT_PTA_CONFIRM, TEE_PARAM_TYPES(NONE, NONE, NONE, NONE), true, confirm},
    {BOOT_PTA_TRY, TEE_PARAM_TYPES(IN, NONE, NONE, NONE), true, try_slot},
};

/* The caller is the update TA: OP-TEE vouches for a TA's UUID, whose signature it has verified. */
static bool is_update_ta(void)
{
    static const TEE_UUID update_ta = UPDATE_TA_UUID;
    const TEE_Identity *id = &to_ta_session(ts_get_current_session())->clnt_id;

    return id->login == TEE_LOGIN_TRUSTED_APP &&
           memcmp(&id->uuid, &update_ta, sizeof(update_ta)) == 0;
}

static TEE_Result invoke(void *session __unused, uint32_t command, uint32_t types,
                         TEE_Param p[TEE_NUM_PARAMS])
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].command != command)
            continue;
        if (commands[i].types != types)
            return TEE_ERROR_BAD_PARAMETERS;
        if (commands[i].update_only && !is_update_ta())
            return TEE_ERROR_ACCESS_DENIED;
        return commands[i].run(p);
    }
    return TEE_ERROR_NOT_SUPPORTED;
}

pseudo_ta_register(.uuid = BOOT_PTA_UUID, .name = "kapu.boot", .flags = PTA_DEFAULT_FLAGS,
                   .invoke_command_entry_point = invoke);
