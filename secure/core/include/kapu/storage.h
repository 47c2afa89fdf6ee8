/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OP-TEE's storage in files of the normal world asks before it changes anything: the calls
 * come from third_party/optee-os. Both may sleep. TEE_ERROR_STORAGE_NOT_AVAILABLE: the TPM's memory
 * was written so often that this has to wait (kapu/nvbudget.h).
 */
#ifndef KAPU_STORAGE_H
#define KAPU_STORAGE_H

#include <tee_api_types.h>

/* Before the first write of an operation that ends in a commit. */
TEE_Result storage_may_commit(void);
/* Before a new directory is made: counts it in the TPM. */
TEE_Result storage_start(void);

#endif
