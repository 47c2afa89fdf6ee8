// SPDX-License-Identifier: Apache-2.0
/* OP-TEE's hardware unique key: derived from the root secret that the TPM gave to this boot. */
#include <kernel/tee_common_otp.h>
#include <string.h>
#include <string_ext.h>

#include <kapu/trust.h>

TEE_Result tee_otp_get_hw_unique_key(struct tee_hw_unique_key *hwkey)
{
    uint8_t key[FUSEBOX_SECRET_SIZE];
    TEE_Result res = trust_derive(FUSEBOX_LABEL_OPTEE, key);

    _Static_assert(sizeof(hwkey->data) <= sizeof(key), "one derived block is enough");
    if (res == TEE_SUCCESS)
        memcpy(hwkey->data, key, sizeof(hwkey->data));
    memzero_explicit(key, sizeof(key));
    return res;
}
