// SPDX-License-Identifier: Apache-2.0
/*
 * Freshness of secure storage: OP-TEE keeps a counter in its files' directory, and here the least
 * that it accepts. Files that were put back from an older copy are refused. A commit whose raise
 * was cut off is paid for already, so raising costs nothing here.
 */
#include <kernel/nv_counter.h>
#include <trace.h>

#include <kapu/storage.h>
#include <kapu/trust.h>

#include "internal.h"

/* TEE_ERROR_BUSY has the TEE Internal Core API panic the TA; this is an error of its own. */
static TEE_Result take(uint32_t writes)
{
    TEE_Result res = nv_budget_take(writes);

    return res == TEE_ERROR_BUSY ? TEE_ERROR_STORAGE_NOT_AVAILABLE : res;
}

TEE_Result nv_counter_get_ree_fs(uint32_t *value)
{
    return trust_read_counter(FUSEBOX_STORAGE, value);
}

TEE_Result nv_counter_incr_ree_fs_to(uint32_t value)
{
    return trust_raise_counter(FUSEBOX_STORAGE, value);
}

TEE_Result storage_may_commit(void)
{
    return take(1);
}

TEE_Result storage_start(void)
{
    uint32_t starts = 0;
    TEE_Result res = take(2); /* this counter, and that of the directory */

    if (res == TEE_SUCCESS)
        res = trust_read_counter(FUSEBOX_STARTS, &starts);
    if (res == TEE_SUCCESS)
        res = trust_raise_counter(FUSEBOX_STARTS, starts + 1);
    if (res == TEE_SUCCESS)
        IMSG("kapu: secure storage starts empty (starts on this board: %" PRIu32 ")", starts + 1);
    return res;
}
