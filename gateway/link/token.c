// SPDX-License-Identifier: Apache-2.0
/*
 * The key is an object of OP-TEE's PKCS#11 TA. The token knows its user by the identity that the
 * kernel gives to the secure world with each call (GlobalPlatform login "user"): there is no PIN.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

#define SLOT 1 /* of the PKCS#11 TA's three */
#define TOKEN "kapu-tls"
#define KEY "tls"
#define MODULE "/usr/lib/aarch64-linux-gnu/libckteec.so.0"
#define URI "pkcs11:token=" TOKEN ";object=" KEY
#define POINT 65u /* 0x04, x, y */

static const CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY, private_class = CKO_PRIVATE_KEY;
static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static const CK_BYTE id[] = {1}; /* OpenSSL's provider finds one half by the other's */
static const CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

#define ATTRIBUTE(type, value)                                                                     \
    {                                                                                              \
        type, (void *)(uintptr_t) & (value), sizeof(value)                                         \
    }
#define LABEL                                                                                      \
    {                                                                                              \
        CKA_LABEL, (void *)(uintptr_t)KEY, sizeof(KEY) - 1                                         \
    }

static bool good(const char *what, CK_RV rv)
{
    if (rv != CKR_OK)
        say("PKCS#11 in the secure world: %s: error 0x%lx", what, rv);
    return rv == CKR_OK;
}

/* An identity instead of PINs: each NULL stands for "whoever calls". */
static bool make_token(void)
{
    CK_UTF8CHAR label[32];
    CK_SESSION_HANDLE s;
    bool made;

    memset(label, ' ', sizeof(label));
    memcpy(label, TOKEN, sizeof(TOKEN) - 1);
    if (!good("token", C_InitToken(SLOT, NULL, 0, label)) ||
        !good("session", C_OpenSession(SLOT, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s)))
        return false;
    made = good("officer", C_Login(s, CKU_SO, NULL, 0)) && good("user", C_InitPIN(s, NULL, 0));
    (void)C_CloseSession(s);
    return made;
}

static bool token_is_made(bool *made)
{
    CK_TOKEN_INFO info;

    if (!good("token", C_GetTokenInfo(SLOT, &info)))
        return false;
    *made = (info.flags & CKF_USER_PIN_INITIALIZED) != 0;
    return true;
}

static bool find(CK_SESSION_HANDLE s, const CK_OBJECT_CLASS *class, CK_OBJECT_HANDLE *object,
                 bool *found)
{
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, (void *)(uintptr_t) class, sizeof(*class)}, LABEL};
    CK_ULONG n = 0;
    bool done = good("search", C_FindObjectsInit(s, wanted, 2)) &&
                good("search", C_FindObjects(s, object, 1, &n));

    (void)C_FindObjectsFinal(s);
    *found = n == 1;
    return done;
}

static bool make_key(CK_SESSION_HANDLE s)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public[] = {ATTRIBUTE(CKA_TOKEN, yes), ATTRIBUTE(CKA_EC_PARAMS, p256),
                             ATTRIBUTE(CKA_VERIFY, yes), ATTRIBUTE(CKA_ID, id), LABEL};
    CK_ATTRIBUTE private[] = {ATTRIBUTE(CKA_TOKEN, yes),
                              ATTRIBUTE(CKA_PRIVATE, yes),
                              ATTRIBUTE(CKA_SENSITIVE, yes),
                              ATTRIBUTE(CKA_SIGN, yes),
                              ATTRIBUTE(CKA_EXTRACTABLE, no),
                              ATTRIBUTE(CKA_ID, id),
                              LABEL};
    CK_OBJECT_HANDLE public_key, private_key;

    return good("key",
                C_GenerateKeyPair(s, &mechanism, public, 5, private, 7, &public_key, &private_key));
}

/* The point, without the OCTET STRING around it. */
static bool read_point(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key, uint8_t point[POINT])
{
    uint8_t der[2 + POINT];
    CK_ATTRIBUTE wanted = {CKA_EC_POINT, der, sizeof(der)};

    if (!good("public key", C_GetAttributeValue(s, key, &wanted, 1)) ||
        wanted.ulValueLen != sizeof(der) || der[0] != 0x04 || der[1] != POINT)
        return false;
    memcpy(point, der + 2, POINT);
    return true;
}

static bool use_key(uint8_t point[POINT])
{
    CK_OBJECT_HANDLE key = 0;
    CK_SESSION_HANDLE s;
    bool found = false, done;

    if (!good("session", C_OpenSession(SLOT, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s)))
        return false;
    done = good("login", C_Login(s, CKU_USER, NULL, 0)) && find(s, &private_class, &key, &found) &&
           (found || make_key(s)) && find(s, &public_class, &key, &found) && found &&
           read_point(s, key, point);
    (void)C_CloseSession(s);
    return done;
}

/* A token whose key cannot be read has lost it: files of secure storage were deleted, and the rest
 * of them names what is gone. It will not come back, so the token is made anew. */
static bool use_token(uint8_t point[POINT])
{
    bool made = false;

    if (!token_is_made(&made) || (!made && !make_token()))
        return false;
    if (use_key(point))
        return true;
    if (!made)
        return false;
    say("the key in the secure world cannot be read: token and key are made anew");
    return make_token() && use_key(point);
}

static bool encode(uint8_t point[POINT], uint8_t spki[TLS_KEY_MAX], size_t *n)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                         (char *)(uintptr_t) "prime256v1", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, POINT),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", "provider=default");
    EVP_PKEY *key = NULL;
    uint8_t *to = spki;
    int size = -1;

    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
        i2d_PUBKEY(key, NULL) <= (int)TLS_KEY_MAX)
        size = i2d_PUBKEY(key, &to);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    *n = size > 0 ? (size_t)size : 0;
    return size > 0;
}

bool token_key(uint8_t spki[TLS_KEY_MAX], size_t *n)
{
    uint8_t point[POINT];
    bool done;

    (void)setenv("CKTEEC_LOGIN_TYPE", "user", 1);
    if (!good("start", C_Initialize(NULL)))
        return false;
    done = use_token(point);
    (void)C_Finalize(NULL); /* OpenSSL's provider starts it for itself */
    return done && encode(point, spki, n);
}

static bool load_provider(void)
{
    static OSSL_PROVIDER *base, *provider;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("pkcs11-module-path", (char *)(uintptr_t)MODULE, 0),
        OSSL_PARAM_construct_end(),
    };

    if (provider != NULL)
        return true;
    base = OSSL_PROVIDER_load(NULL, "default");
    provider = OSSL_PROVIDER_load_ex(NULL, "pkcs11", params);
    return base != NULL && provider != NULL;
}

EVP_PKEY *token_private_key(void)
{
    OSSL_STORE_CTX *store = NULL;
    EVP_PKEY *key = NULL;

    if (load_provider())
        store = OSSL_STORE_open(URI ";type=private", NULL, NULL, NULL, NULL);
    while (store != NULL && key == NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    if (key == NULL)
        say("key in the secure world: %s", ERR_reason_error_string(ERR_peek_error()));
    return key;
}
