// SPDX-License-Identifier: Apache-2.0
/*
 * ECDSA on P-256. The private key never leaves the TEE: the storage is encrypted with a key that
 * the TPM gives to verified firmware only, and is fresh by a counter of the TPM. If it is deleted,
 * another key is born, which no operator knows: the gateway has to be enrolled again.
 */
#include <string.h>

#include "attest.h"

#define KEY_BITS 256u

static const char object_id[] = "attestation key";
static TEE_ObjectHandle key = TEE_HANDLE_NULL;
static TEE_OperationHandle signer = TEE_HANDLE_NULL;

static TEE_Result open_stored(void)
{
    return TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, object_id, sizeof(object_id) - 1,
                                    TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_SHARE_READ, &key);
}

/* Without TEE_DATA_FLAG_OVERWRITE: of two that do this at once one fails. */
static TEE_Result make(void)
{
    TEE_ObjectHandle fresh = TEE_HANDLE_NULL, stored = TEE_HANDLE_NULL;
    TEE_Attribute curve;
    TEE_Result res = TEE_AllocateTransientObject(TEE_TYPE_ECDSA_KEYPAIR, KEY_BITS, &fresh);

    TEE_InitValueAttribute(&curve, TEE_ATTR_ECC_CURVE, TEE_ECC_CURVE_NIST_P256, 0);
    if (res == TEE_SUCCESS)
        res = TEE_GenerateKey(fresh, KEY_BITS, &curve, 1);
    if (res == TEE_SUCCESS)
        res = TEE_CreatePersistentObject(TEE_STORAGE_PRIVATE, object_id, sizeof(object_id) - 1,
                                         TEE_DATA_FLAG_ACCESS_READ, fresh, NULL, 0, &stored);
    if (res == TEE_SUCCESS)
        TEE_CloseObject(stored);
    if (fresh != TEE_HANDLE_NULL)
        TEE_FreeTransientObject(fresh);
    return res;
}

/* The API drops leading zeros. */
static TEE_Result coordinate(uint32_t attribute, uint8_t to[32])
{
    uint8_t value[32];
    size_t n = sizeof(value);
    TEE_Result res = TEE_GetObjectBufferAttribute(key, attribute, value, &n);

    if (res != TEE_SUCCESS)
        return res;
    memset(to, 0, 32);
    memcpy(to + 32 - n, value, n);
    return TEE_SUCCESS;
}

TEE_Result key_open(struct evidence_key *public)
{
    TEE_Result res = open_stored();

    if (res == TEE_ERROR_ITEM_NOT_FOUND) {
        res = make();
        if (res == TEE_SUCCESS || res == TEE_ERROR_ACCESS_CONFLICT)
            res = open_stored();
    }
    if (res == TEE_SUCCESS)
        res = TEE_AllocateOperation(&signer, TEE_ALG_ECDSA_SHA256, TEE_MODE_SIGN, KEY_BITS);
    if (res == TEE_SUCCESS)
        res = TEE_SetOperationKey(signer, key);
    if (res == TEE_SUCCESS)
        res = coordinate(TEE_ATTR_ECC_PUBLIC_VALUE_X, public->x);
    return res == TEE_SUCCESS ? coordinate(TEE_ATTR_ECC_PUBLIC_VALUE_Y, public->y) : res;
}

TEE_Result key_sign(const uint8_t digest[32], uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    size_t n = EVIDENCE_SIGNATURE_SIZE;
    TEE_Result res = TEE_AsymmetricSignDigest(signer, NULL, 0, digest, 32, signature, &n);

    return res == TEE_SUCCESS && n != EVIDENCE_SIGNATURE_SIZE ? TEE_ERROR_GENERIC : res;
}
