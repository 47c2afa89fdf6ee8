/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands of all trusted applications share: kinds of parameters, the table that leads
 * from a command to its function, and how an output is given.
 */
#ifndef TA_COMMAND_H
#define TA_COMMAND_H

#include <tee_internal_api.h>

#include <kapu/bytes.h>

/* Kinds of parameters, as the headers in wire/ name them. */
#define NONE TEE_PARAM_TYPE_NONE
#define VI TEE_PARAM_TYPE_VALUE_INPUT
#define VO TEE_PARAM_TYPE_VALUE_OUTPUT
#define VIO TEE_PARAM_TYPE_VALUE_INOUT
#define MI TEE_PARAM_TYPE_MEMREF_INPUT
#define MO TEE_PARAM_TYPE_MEMREF_OUTPUT

struct ta_command {
    uint32_t command, types; /* types: TEE_PARAM_TYPES() */
    TEE_Result (*run)(TEE_Param p[TEE_NUM_PARAMS]);
};

/* Runs a command of a table with n rows. TEE_ERROR_NOT_SUPPORTED: it has none of that number;
 * TEE_ERROR_BAD_PARAMETERS: with other types. */
TEE_Result ta_command_run(const struct ta_command *table, size_t n, uint32_t command,
                          uint32_t types, TEE_Param p[TEE_NUM_PARAMS]);

/* Bytes into an output. TEE_ERROR_SHORT_BUFFER: nothing was written, and the size says what is
 * needed. */
TEE_Result ta_command_put(TEE_Param *p, struct bytes b);

#endif
