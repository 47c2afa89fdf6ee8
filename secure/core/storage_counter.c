// SPDX-License-Identifier: Apache-2.0
/*
 * Freshness of secure storage: OP-TEE keeps a counter in its files' directory, and here the least
 * that it accepts. Files that were put back from an older copy are refused.
 */
#include <kernel/nv_counter.h>

#include <kapu/trust.h>

TEE_Result nv_counter_get_ree_fs(uint32_t *value)
{
    return trust_read_counter(FUSEBOX_STORAGE, value);
}

TEE_Result nv_counter_incr_ree_fs_to(uint32_t value)
{
    return trust_raise_counter(FUSEBOX_STORAGE, value);
}
