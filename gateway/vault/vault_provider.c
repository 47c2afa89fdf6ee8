// SPDX-License-Identifier: Apache-2.0
/*
 * provider-keymgmt(7) and provider-signature(7), as far as libssl uses them for a client's
 * certificate. The provider is part of the program: nothing is loaded from a file.
 */
#include "vault_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#define NAME "kapu-vault"
#define PROPERTIES "provider=" NAME
#define GROUP "prime256v1"
#define BITS 256
#define SECURITY_BITS 128
#define DER_MAX 72 /* of an ECDSA-Sig-Value (RFC 3279, 2.2.3) on P-256 */
#define POINT (1 + VAULT_POINT_SIZE)
#define UNCOMPRESSED 0x04 /* SEC 1, 2.3.3 */

struct key {
    uint8_t point[POINT];
    bool has_public, has_private; /* the private half is in the vault TA */
};

static vault_provider_sign_fn signer;
static uint8_t vault_point[POINT]; /* of the key that `signer` signs with */

/* ---- keys ---- */

static void *key_new(void *ctx)
{
    (void)ctx;
    return calloc(1, sizeof(struct key));
}

static void key_free(void *key)
{
    free(key);
}

static int key_has(const void *key, int selection)
{
    const struct key *k = key;

    return k != NULL && ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0 || k->has_public) &&
           ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || k->has_private);
}

/* Two keys are the same if their public halves are. */
static int key_match(const void *one, const void *other, int selection)
{
    const struct key *a = one, *b = other;

    if ((selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0)
        return 1; /* there is one group */
    return a->has_public && b->has_public && memcmp(a->point, b->point, POINT) == 0;
}

static bool is_group(const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
    const char *name = NULL;

    return p != NULL && OSSL_PARAM_get_utf8_string_ptr(p, &name) == 1 &&
           (strcmp(name, GROUP) == 0 || strcmp(name, "P-256") == 0);
}

static const OSSL_PARAM import_types[] = {
    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END};

/* Public halves of any key on P-256, to be compared. A private one never comes: a pair is the
 * public half of the vault's key, and means that. */
static int key_import(void *key, int selection, const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
    const void *point = NULL;
    struct key *k = key;
    size_t n = 0;

    if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY) != NULL || !is_group(params) ||
        p == NULL || OSSL_PARAM_get_octet_string_ptr(p, &point, &n) != 1 || n != POINT)
        return 0;
    memcpy(k->point, point, POINT);
    k->has_public = k->point[0] == UNCOMPRESSED;
    k->has_private = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && k->has_public &&
                     memcmp(k->point, vault_point, POINT) == 0;
    return k->has_public;
}

static const OSSL_PARAM *key_types(int selection)
{
    return (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0 ? import_types : NULL;
}

static int key_export(void *key, int selection, OSSL_CALLBACK *give, void *to)
{
    struct key *k = key;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)GROUP, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, k->point, POINT),
        OSSL_PARAM_construct_end()};

    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || !k->has_public)
        return 0;
    return give(params, to);
}

static int set_int(OSSL_PARAM params[], const char *name, int value)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

    return p == NULL || OSSL_PARAM_set_int(p, value);
}

static int key_get_params(void *key, OSSL_PARAM params[])
{
    OSSL_PARAM *group = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_GROUP_NAME);
    OSSL_PARAM *point = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PUB_KEY);
    const struct key *k = key;

    return set_int(params, OSSL_PKEY_PARAM_BITS, BITS) &&
           set_int(params, OSSL_PKEY_PARAM_SECURITY_BITS, SECURITY_BITS) &&
           set_int(params, OSSL_PKEY_PARAM_MAX_SIZE, DER_MAX) &&
           (group == NULL || OSSL_PARAM_set_utf8_string(group, GROUP)) &&
           (point == NULL ||
            (k->has_public && OSSL_PARAM_set_octet_string(point, k->point, POINT)));
}

static const OSSL_PARAM *key_gettable(void *ctx)
{
    static const OSSL_PARAM gettable[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_END};

    (void)ctx;
    return gettable;
}

static const char *key_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* ---- signatures ---- */

struct signing {
    const struct key *key;
};

static void *signing_new(void *ctx, const char *properties)
{
    (void)ctx;
    (void)properties;
    return calloc(1, sizeof(struct signing));
}

static void signing_free(void *ctx)
{
    free(ctx);
}

static int signing_init(void *ctx, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct signing *s = ctx;

    (void)params;
    if (key != NULL)
        s->key = key;
    return s->key != NULL && s->key->has_private && digest != NULL &&
           (OPENSSL_strcasecmp(digest, "SHA256") == 0 ||
            OPENSSL_strcasecmp(digest, "SHA2-256") == 0);
}

static int encode(const uint8_t rs[VAULT_PROVIDER_SIGNATURE_SIZE], uint8_t *to, size_t *n,
                  size_t most)
{
    const int half = VAULT_PROVIDER_SIGNATURE_SIZE / 2;
    BIGNUM *r = BN_bin2bn(rs, half, NULL), *s = BN_bin2bn(rs + half, half, NULL);
    ECDSA_SIG *both = ECDSA_SIG_new();
    uint8_t *der = NULL;
    int size = -1;

    if (r != NULL && s != NULL && both != NULL && ECDSA_SIG_set0(both, r, s) == 1) {
        r = s = NULL; /* the pair has them */
        size = i2d_ECDSA_SIG(both, &der);
    }
    if (size > 0 && (size_t)size <= most) {
        memcpy(to, der, (size_t)size);
        *n = (size_t)size;
    } else {
        size = -1;
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(both);
    BN_free(r);
    BN_free(s);
    return size > 0;
}

static int sign(void *ctx, unsigned char *to, size_t *n, size_t most, const unsigned char *content,
                size_t content_n)
{
    uint8_t rs[VAULT_PROVIDER_SIGNATURE_SIZE];
    const struct signing *s = ctx;
    struct bytes transcript;

    if (s->key == NULL || !s->key->has_private || memcmp(s->key->point, vault_point, POINT) != 0)
        return 0; /* as when the vault has another key since */
    if (to == NULL) {
        *n = DER_MAX;
        return 1;
    }
    if (vault_tls_decode((struct bytes){content, content_n}, &transcript) != 0) {
        ERR_raise_data(ERR_LIB_PROV, ERR_R_OPERATION_FAIL,
                       "the key signs what a client of TLS 1.3 signs, and nothing else");
        return 0;
    }
    return signer(transcript, rs) == 0 && encode(rs, to, n, most);
}

/* ---- the provider ---- */

#define FUNCTION(id, function)                                                                     \
    {                                                                                              \
        id, (void (*)(void))(function)                                                             \
    }

static const OSSL_DISPATCH keymgmt_functions[] = {
    FUNCTION(OSSL_FUNC_KEYMGMT_NEW, key_new),
    FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free),
    FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has),
    FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match),
    FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, key_import),
    FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types),
    FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, key_export),
    FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types),
    FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),
    FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),
    FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, key_operation),
    {0, NULL}};

static const OSSL_DISPATCH signature_functions[] = {
    FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
    FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign),
    {0, NULL}};

static const OSSL_ALGORITHM keymgmt[] = {
    {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, keymgmt_functions, NULL},
    {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM signature[] = {{"ECDSA", PROPERTIES, signature_functions, NULL},
                                           {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query(void *ctx, int operation, int *no_cache)
{
    (void)ctx;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT     ? keymgmt
           : operation == OSSL_OP_SIGNATURE ? signature
                                            : NULL;
}

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                 void **ctx)
{
    static const OSSL_DISPATCH functions[] = {FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                              {0, NULL}};

    (void)in;
    *out = functions;
    *ctx = (void *)(uintptr_t)handle;
    return 1;
}

/* Next to OpenSSL's own provider, which goes on doing all that is not the vault's key. */
static bool load(void)
{
    static OSSL_PROVIDER *ours;

    if (ours == NULL && EVP_set_default_properties(NULL, "?provider=default") == 1 &&
        OSSL_PROVIDER_add_builtin(NULL, NAME, start) == 1)
        ours = OSSL_PROVIDER_try_load(NULL, NAME, 1);
    return ours != NULL;
}

EVP_PKEY *vault_provider_key(const uint8_t point[VAULT_POINT_SIZE], vault_provider_sign_fn with)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)GROUP, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, vault_point, POINT),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *key = NULL;

    signer = with;
    vault_point[0] = UNCOMPRESSED;
    memcpy(vault_point + 1, point, VAULT_POINT_SIZE);
    if (load())
        ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", PROPERTIES);
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}
