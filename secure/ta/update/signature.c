// SPDX-License-Identifier: Apache-2.0
/* Signatures, verified by the TEE's own ECDSA. */
#include "parts.h"

#define KEY_BITS 256u

static TEE_Result key_of(const struct evidence_key *k, TEE_ObjectHandle *key)
{
    TEE_Attribute a[3];
    TEE_Result res = TEE_AllocateTransientObject(TEE_TYPE_ECDSA_PUBLIC_KEY, KEY_BITS, key);

    TEE_InitRefAttribute(&a[0], TEE_ATTR_ECC_PUBLIC_VALUE_X, k->x, sizeof(k->x));
    TEE_InitRefAttribute(&a[1], TEE_ATTR_ECC_PUBLIC_VALUE_Y, k->y, sizeof(k->y));
    TEE_InitValueAttribute(&a[2], TEE_ATTR_ECC_CURVE, TEE_ECC_CURVE_NIST_P256, 0);
    return res == TEE_SUCCESS ? TEE_PopulateTransientObject(*key, a, 3) : res;
}

static int verify(void *ctx, const struct evidence_key *k, const uint8_t digest[32],
                  const uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    TEE_OperationHandle verifier = TEE_HANDLE_NULL;
    TEE_ObjectHandle key = TEE_HANDLE_NULL;
    TEE_Result res = key_of(k, &key);

    (void)ctx;
    if (res == TEE_SUCCESS)
        res = TEE_AllocateOperation(&verifier, TEE_ALG_ECDSA_SHA256, TEE_MODE_VERIFY, KEY_BITS);
    if (res == TEE_SUCCESS)
        res = TEE_SetOperationKey(verifier, key);
    if (res == TEE_SUCCESS)
        res = TEE_AsymmetricVerifyDigest(verifier, NULL, 0, digest, 32, signature,
                                         EVIDENCE_SIGNATURE_SIZE);
    if (verifier != TEE_HANDLE_NULL)
        TEE_FreeOperation(verifier);
    if (key != TEE_HANDLE_NULL)
        TEE_FreeTransientObject(key);
    if (res ==
        TEE_ERROR_OUT_OF_MEMORY) /* says nothing of the signature; what counts is in the TPM */
        TEE_Panic(res);
    return res == TEE_SUCCESS ? 0 : KAPU_EAUTH;
}

const struct evidence_verify signature_verify = {.ecdsa_p256 = verify};
