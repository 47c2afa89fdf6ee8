// SPDX-License-Identifier: Apache-2.0
#include "ta_command.h"

TEE_Result ta_command_run(const struct ta_command *table, size_t n, uint32_t command,
                          uint32_t types, TEE_Param p[TEE_NUM_PARAMS])
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].command == command)
            return table[i].types == types ? table[i].run(p) : TEE_ERROR_BAD_PARAMETERS;
    }
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result ta_command_put(TEE_Param *p, struct bytes b)
{
    const bool fits = p->memref.size >= b.n;

    if (fits)
        TEE_MemMove(p->memref.buffer, b.p, b.n);
    p->memref.size = b.n;
    return fits ? TEE_SUCCESS : TEE_ERROR_SHORT_BUFFER;
}
