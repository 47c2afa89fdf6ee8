// SPDX-License-Identifier: Apache-2.0
/*
 * The vault TA: keys by use, each with a rule: for which caller, and for what. It never reads
 * memory of Linux but for its parameters, and those are copied before they are looked at.
 */
#include <string.h>

#include <kapu/vault.h>

#include "attest_ta.h"
#include "ta_command.h"
#include "ta_key.h"
#include "ta_sha256.h"
#include "vault_ta.h"

/* A key: its use, the object in secure storage, and its user. */
static const struct row {
    uint32_t use;
    char name[16];
    TEE_UUID user;
} rows[] = {
    {VAULT_TA_TLS_CLIENT, "tls-client", VAULT_TA_USER_LINK},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct ta_key keys[ROWS];
static TEE_Identity caller;

/* An instance has one session, and so one caller. */
static TEE_Result read_caller(void)
{
    return TEE_GetPropertyAsIdentity(TEE_PROPSET_CURRENT_CLIENT, "gpd.client.identity", &caller);
}

static bool is_user(const struct row *r)
{
    return caller.login == TEE_LOGIN_USER && memcmp(&caller.uuid, &r->user, sizeof(r->user)) == 0;
}

static bool is_attest_ta(void)
{
    static const TEE_UUID attest = ATTEST_TA_UUID;

    return caller.login == TEE_LOGIN_TRUSTED_APP &&
           memcmp(&caller.uuid, &attest, sizeof(attest)) == 0;
}

TEE_Result TA_CreateEntryPoint(void)
{
    return ta_sha256_open();
}

void TA_DestroyEntryPoint(void)
{
}

static bool is_known_caller(void)
{
    bool known = is_attest_ta();

    for (size_t i = 0; i < ROWS; i++)
        known = known || is_user(&rows[i]);
    return known;
}

TEE_Result TA_OpenSessionEntryPoint(uint32_t types, TEE_Param p[TEE_NUM_PARAMS], void **session)
{
    TEE_Result res = read_caller();

    (void)types;
    (void)p;
    (void)session;
    return res == TEE_SUCCESS && !is_known_caller() ? TEE_ERROR_ACCESS_DENIED : res;
}

void TA_CloseSessionEntryPoint(void *session)
{
    (void)session;
}

static const struct row *row_of(uint32_t use)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].use == use)
            return &rows[i];
    }
    return NULL;
}

static TEE_Result key_of(const struct row *r, const struct ta_key **key)
{
    struct ta_key *k = &keys[r - rows];

    *key = k;
    return ta_key_open(r->name, k);
}

static TEE_Result get_public(TEE_Param p[TEE_NUM_PARAMS])
{
    const struct row *r = row_of(p[0].value.a);
    uint8_t point[VAULT_TA_POINT_SIZE];
    const struct ta_key *key;
    TEE_Result res;

    if (r == NULL)
        return TEE_ERROR_BAD_PARAMETERS;
    if (!is_user(r) && !is_attest_ta())
        return TEE_ERROR_ACCESS_DENIED;
    res = key_of(r, &key);
    if (res != TEE_SUCCESS)
        return res;
    memcpy(point, key->x, sizeof(key->x));
    memcpy(point + sizeof(key->x), key->y, sizeof(key->y));
    return ta_command_put(&p[1], BYTES_OF(point));
}

/* The content that is signed is put together here: the caller gives a hash and nothing else. */
static TEE_Result sign_tls_client(TEE_Param p[TEE_NUM_PARAMS])
{
    uint8_t transcript[VAULT_TRANSCRIPT_MAX], content[VAULT_TLS_CONTENT_MAX], digest[32];
    uint8_t signature[VAULT_TA_SIGNATURE_SIZE];
    const struct row *r = row_of(VAULT_TA_TLS_CLIENT);
    const struct ta_key *key;
    struct bytes signed_bytes;
    TEE_Result res;
    struct wr w;

    if (r == NULL || !is_user(r))
        return TEE_ERROR_ACCESS_DENIED;
    if (p[0].memref.size > sizeof(transcript))
        return TEE_ERROR_BAD_PARAMETERS;
    TEE_MemMove(transcript, p[0].memref.buffer, p[0].memref.size);
    wr_init(&w, content, sizeof(content));
    if (vault_tls_encode((struct bytes){transcript, p[0].memref.size}, &w) != 0)
        return TEE_ERROR_BAD_PARAMETERS;
    signed_bytes = wr_done(&w);
    if (ta_sha256(NULL, &signed_bytes, 1, digest) != 0)
        return TEE_ERROR_GENERIC;
    res = key_of(r, &key);
    if (res == TEE_SUCCESS)
        res = ta_key_sign(key, digest, signature);
    return res == TEE_SUCCESS ? ta_command_put(&p[1], BYTES_OF(signature)) : res;
}

static const struct ta_command commands[] = {
    {VAULT_TA_PUBLIC, TEE_PARAM_TYPES(VI, MO, NONE, NONE), get_public},
    {VAULT_TA_SIGN_TLS_CLIENT, TEE_PARAM_TYPES(MI, MO, NONE, NONE), sign_tls_client},
};

TEE_Result TA_InvokeCommandEntryPoint(void *session, uint32_t command, uint32_t types,
                                      TEE_Param p[TEE_NUM_PARAMS])
{
    (void)session;
    return ta_command_run(commands, sizeof(commands) / sizeof(commands[0]), command, types, p);
}
