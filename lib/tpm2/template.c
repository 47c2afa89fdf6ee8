// SPDX-License-Identifier: Apache-2.0
/*
 * The public areas that kapu asks the TPM for. Those whose values are kapu's own are without
 * dictionary-attack protection: the values are random or empty, and with it whoever reaches the
 * bus could lock the TPM by wrong MACs. The EK is as its profile has it.
 */
#include <string.h>

#include "internal.h"

#define OA_OF_THIS_TPM (TPM2_OA_FIXED_TPM | TPM2_OA_FIXED_PARENT | TPM2_OA_SENSITIVE_DATA_ORIGIN)

/* PolicySecret(endorsement): "PolicyA" for SHA-256 of the EK Credential Profile 2.5, B.6.2. */
static const uint8_t ek_policy[32] = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

void tpm2_template_ek(struct tpm2_public *pub)
{
    memset(pub, 0, sizeof(*pub));
    pub->type = TPM2_ALG_ECC;
    pub->attributes =
        OA_OF_THIS_TPM | TPM2_OA_ADMIN_WITH_POLICY | TPM2_OA_RESTRICTED | TPM2_OA_DECRYPT;
    pub->policy_n = sizeof(ek_policy);
    memcpy(pub->policy, ek_policy, sizeof(ek_policy));
    pub->storage = true;
    pub->x_n = pub->y_n = 32; /* the profile fills `unique` with zeros */
}

void tpm2_template_srk(struct tpm2_public *pub)
{
    memset(pub, 0, sizeof(*pub));
    pub->type = TPM2_ALG_ECC;
    pub->attributes = OA_OF_THIS_TPM | TPM2_OA_USER_WITH_AUTH | TPM2_OA_NO_DA | TPM2_OA_RESTRICTED |
                      TPM2_OA_DECRYPT;
    pub->storage = true;
}

void tpm2_template_ak(struct tpm2_public *pub)
{
    memset(pub, 0, sizeof(*pub));
    pub->type = TPM2_ALG_ECC;
    pub->attributes =
        OA_OF_THIS_TPM | TPM2_OA_USER_WITH_AUTH | TPM2_OA_NO_DA | TPM2_OA_RESTRICTED | TPM2_OA_SIGN;
    pub->ecdsa = true;
}

void tpm2_template_sealed(struct tpm2_public *pub, const uint8_t policy[32], bool no_da)
{
    memset(pub, 0, sizeof(*pub));
    pub->type = TPM2_ALG_KEYEDHASH;
    pub->attributes = TPM2_OA_FIXED_TPM | TPM2_OA_FIXED_PARENT | (no_da ? TPM2_OA_NO_DA : 0);
    pub->policy_n = 32;
    memcpy(pub->policy, policy, 32);
}
