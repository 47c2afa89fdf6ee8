// SPDX-License-Identifier: Apache-2.0
#include "ta_key.h"

#include <string.h>

#define KEY_BITS 256u
#define OPEN_TRIES 50u
#define OPEN_WAIT_MS 100u

#define FLAGS (TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_SHARE_READ)

/* Good for signatures, and for nothing else. */
static TEE_Result generate(TEE_ObjectHandle *fresh)
{
    TEE_Attribute curve;
    TEE_Result res = TEE_AllocateTransientObject(TEE_TYPE_ECDSA_KEYPAIR, KEY_BITS, fresh);

    TEE_InitValueAttribute(&curve, TEE_ATTR_ECC_CURVE, TEE_ECC_CURVE_NIST_P256, 0);
    if (res == TEE_SUCCESS)
        res = TEE_GenerateKey(*fresh, KEY_BITS, &curve, 1);
    return res == TEE_SUCCESS ? TEE_RestrictObjectUsage1(*fresh, TEE_USAGE_SIGN) : res;
}

/* Without TEE_DATA_FLAG_OVERWRITE: of two that do this at once one fails. */
static TEE_Result make(const char *name, TEE_ObjectHandle *key)
{
    TEE_ObjectHandle fresh = TEE_HANDLE_NULL;
    TEE_Result res = generate(&fresh);

    if (res == TEE_SUCCESS)
        res = TEE_CreatePersistentObject(TEE_STORAGE_PRIVATE, name, strlen(name), FLAGS, fresh,
                                         NULL, 0, key);
    if (fresh != TEE_HANDLE_NULL)
        TEE_FreeTransientObject(fresh);
    return res;
}

/* Another instance may be making it at this moment; that takes as long as a write to flash. */
static TEE_Result open_or_make(const char *name, TEE_ObjectHandle *key)
{
    TEE_Result res = TEE_ERROR_ACCESS_CONFLICT;

    for (unsigned i = 0; i < OPEN_TRIES && res == TEE_ERROR_ACCESS_CONFLICT; i++) {
        if (i > 0)
            (void)TEE_Wait(OPEN_WAIT_MS);
        res = TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, name, strlen(name), FLAGS, key);
        if (res == TEE_ERROR_ITEM_NOT_FOUND)
            res = make(name, key);
    }
    return res;
}

/* The API drops leading zeros. */
static TEE_Result coordinate(TEE_ObjectHandle key, uint32_t attribute, uint8_t to[32])
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

TEE_Result ta_key_open(const char *name, struct ta_key *k)
{
    TEE_ObjectHandle key = TEE_HANDLE_NULL;
    TEE_OperationHandle signer = TEE_HANDLE_NULL;
    TEE_Result res = TEE_SUCCESS;

    if (k->signer != TEE_HANDLE_NULL)
        return TEE_SUCCESS;
    res = open_or_make(name, &key);
    if (res == TEE_SUCCESS)
        res = TEE_AllocateOperation(&signer, TEE_ALG_ECDSA_SHA256, TEE_MODE_SIGN, KEY_BITS);
    if (res == TEE_SUCCESS)
        res = TEE_SetOperationKey(signer, key);
    if (res == TEE_SUCCESS)
        res = coordinate(key, TEE_ATTR_ECC_PUBLIC_VALUE_X, k->x);
    if (res == TEE_SUCCESS)
        res = coordinate(key, TEE_ATTR_ECC_PUBLIC_VALUE_Y, k->y);
    TEE_CloseObject(key); /* the operation has a copy */
    if (res == TEE_SUCCESS)
        k->signer = signer;
    else
        TEE_FreeOperation(signer);
    return res;
}

TEE_Result ta_key_sign(const struct ta_key *k, const uint8_t digest[32],
                       uint8_t signature[TA_KEY_SIGNATURE_SIZE])
{
    size_t n = TA_KEY_SIGNATURE_SIZE;
    TEE_Result res = TEE_AsymmetricSignDigest(k->signer, NULL, 0, digest, 32, signature, &n);

    return res == TEE_SUCCESS && n != TA_KEY_SIGNATURE_SIZE ? TEE_ERROR_GENERIC : res;
}
