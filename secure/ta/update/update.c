// SPDX-License-Identifier: Apache-2.0
/*
 * The update TA. Today it passes two requests on to the boot service, which takes them from nobody
 * else: confirm the running slot, and try a slot. Both only choose among what is signed: whoever
 * asks can at worst end a trial early or make the gateway restart.
 */
#include <tee_internal_api.h>

#include "boot_pta.h"
#include "update_ta.h"

TEE_Result TA_CreateEntryPoint(void)
{
    return TEE_SUCCESS;
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

static TEE_Result ask_boot_service(uint32_t command, uint32_t types, TEE_Param p[TEE_NUM_PARAMS])
{
    static const TEE_UUID uuid = BOOT_PTA_UUID;
    TEE_TASessionHandle session = TEE_HANDLE_NULL;
    uint32_t origin = 0;
    TEE_Result res = TEE_OpenTASession(&uuid, TEE_TIMEOUT_INFINITE, 0, NULL, &session, &origin);

    if (res != TEE_SUCCESS)
        return res;
    res = TEE_InvokeTACommand(session, TEE_TIMEOUT_INFINITE, command, types, p, &origin);
    TEE_CloseTASession(session);
    return res;
}

TEE_Result TA_InvokeCommandEntryPoint(void *session, uint32_t command, uint32_t types,
                                      TEE_Param p[TEE_NUM_PARAMS])
{
    const uint32_t nothing = TEE_PARAM_TYPES(TEE_PARAM_TYPE_NONE, TEE_PARAM_TYPE_NONE,
                                             TEE_PARAM_TYPE_NONE, TEE_PARAM_TYPE_NONE);
    const uint32_t one_value = TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INPUT, TEE_PARAM_TYPE_NONE,
                                               TEE_PARAM_TYPE_NONE, TEE_PARAM_TYPE_NONE);

    (void)session;
    switch (command) {
    case UPDATE_TA_CONFIRM:
        return types == nothing ? ask_boot_service(BOOT_PTA_CONFIRM, types, p)
                                : TEE_ERROR_BAD_PARAMETERS;
    case UPDATE_TA_TRY:
        return types == one_value ? ask_boot_service(BOOT_PTA_TRY, types, p)
                                  : TEE_ERROR_BAD_PARAMETERS;
    default:
        return TEE_ERROR_NOT_SUPPORTED;
    }
}
