// SPDX-License-Identifier: Apache-2.0
/* The OpenSSL provider of the vault's TLS key, against OpenSSL itself as the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "handshake.h"
#include "soft_vault.h"
#include "vault_provider.h"

#define TEST(name) cmocka_unit_test(name)

static EVP_PKEY *inside; /* what the vault has */
static unsigned signatures;
static bool refuses;

static int sign(struct bytes transcript, uint8_t signature[VAULT_PROVIDER_SIGNATURE_SIZE])
{
    signatures++;
    return !refuses && soft_vault_sign(inside, transcript, signature) ? 0 : -1;
}

static EVP_PKEY *handle_of(EVP_PKEY *key)
{
    uint8_t point[VAULT_POINT_SIZE];
    EVP_PKEY *handle;

    assert_true(soft_vault_point(key, point));
    handle = vault_provider_key(point, sign);
    assert_non_null(handle);
    return handle;
}

static bool connects(EVP_PKEY *handle, const char *suite, int version)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    SSL_CTX *server = handshake_server(key, suite);
    SSL_CTX *client = handshake_client(inside, handle, version);
    const bool good = handshake(client, server, inside);

    SSL_CTX_free(client);
    SSL_CTX_free(server);
    EVP_PKEY_free(key);
    return good;
}

static void a_client_shakes_hands_with_a_key_of_the_vault(void **state)
{
    static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
    EVP_PKEY *handle = handle_of(inside);

    (void)state;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        signatures = 0;
        assert_true(connects(handle, suites[i], TLS1_3_VERSION));
        assert_int_equal(signatures, 1);
    }
    EVP_PKEY_free(handle);
}

/* In TLS 1.2 a client signs the transcript itself: there is nothing that tells it from another. */
static void no_handshake_of_an_older_tls_is_signed(void **state)
{
    EVP_PKEY *handle = handle_of(inside);

    (void)state;
    signatures = 0;
    assert_false(connects(handle, "TLS_AES_128_GCM_SHA256", TLS1_2_VERSION));
    assert_int_equal(signatures, 0);
    assert_true(connects(inside, "TLS_AES_128_GCM_SHA256", TLS1_2_VERSION)); /* but a key file is */
    EVP_PKEY_free(handle);
}

static void a_vault_that_refuses_ends_the_handshake(void **state)
{
    EVP_PKEY *handle = handle_of(inside);

    (void)state;
    refuses = true;
    assert_false(connects(handle, "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION));
    refuses = false;
    assert_true(connects(handle, "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION));
    EVP_PKEY_free(handle);
}

/* -1: it is not even begun; else whether there is a signature. */
static int signs(EVP_PKEY *handle, const char *digest, const void *content, size_t n)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t der[80];
    size_t size = sizeof(der);
    int result = -1;

    if (EVP_DigestSignInit_ex(md, NULL, digest, NULL, NULL, handle, NULL) == 1)
        result = EVP_DigestSign(md, der, &size, content, n) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return result;
}

static void nothing_but_a_clients_content_is_signed(void **state)
{
    uint8_t content[VAULT_TLS_CONTENT_MAX], hash[32] = {7};
    EVP_PKEY *handle = handle_of(inside);
    struct bytes c;
    struct wr w;

    (void)state;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(vault_tls_encode(BYTES_OF(hash), &w), 0);
    c = wr_done(&w);
    signatures = 0;
    assert_int_equal(signs(handle, "SHA256", c.p, c.n), 1);
    assert_int_equal(signatures, 1);
    assert_int_equal(signs(handle, "SHA384", c.p, c.n), -1);
    assert_int_equal(signs(handle, "SHA256", hash, sizeof(hash)), 0);
    assert_int_equal(signs(handle, "SHA256", c.p, c.n - 1), 0);
    memcpy(content + 64 + 9, "server", 6);
    assert_int_equal(signs(handle, "SHA256", c.p, c.n), 0);
    assert_int_equal(signatures, 1);
    EVP_PKEY_free(handle);
}

/* A certificate request or a certificate, too, is something else than a handshake. */
static void no_certificate_is_signed(void **state)
{
    EVP_PKEY *handle = handle_of(inside);
    X509_REQ *request = X509_REQ_new();
    X509 *certificate = handshake_certificate(inside, inside);
    uint8_t *part[2] = {NULL, NULL};
    int n[2];

    (void)state;
    assert_int_equal(X509_REQ_set_pubkey(request, inside), 1);
    assert_true(X509_REQ_sign(request, inside, EVP_sha256()) > 0);
    n[0] = i2d_re_X509_REQ_tbs(request, &part[0]);
    n[1] = i2d_re_X509_tbs(certificate, &part[1]);
    signatures = 0;
    for (size_t i = 0; i < 2; i++) {
        assert_true(n[i] > 0);
        assert_int_equal(signs(handle, "SHA256", part[i], (size_t)n[i]), 0);
        assert_int_equal(signs(inside, "SHA256", part[i], (size_t)n[i]), 1);
        OPENSSL_free(part[i]);
    }
    assert_int_equal(signatures, 0);
    X509_free(certificate);
    X509_REQ_free(request);
    EVP_PKEY_free(handle);
    ERR_clear_error();
}

/* As when storage was lost: the handle is of a key that is not there any more. */
static void a_handle_of_an_earlier_key_signs_nothing(void **state)
{
    EVP_PKEY *handle = handle_of(inside), *other = EVP_EC_gen("P-256"), *newer = handle_of(other);
    uint8_t content[VAULT_TLS_CONTENT_MAX], hash[32] = {7};
    struct wr w;

    (void)state;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(vault_tls_encode(BYTES_OF(hash), &w), 0);
    assert_int_equal(signs(handle, "SHA256", wr_done(&w).p, wr_done(&w).n), 0);
    assert_int_equal(signs(newer, "SHA256", wr_done(&w).p, wr_done(&w).n), 1);
    EVP_PKEY_free(newer);
    newer = handle_of(inside);
    assert_int_equal(signs(handle, "SHA256", wr_done(&w).p, wr_done(&w).n), 1);
    EVP_PKEY_free(newer);
    EVP_PKEY_free(other);
    EVP_PKEY_free(handle);
}

static void a_certificate_of_another_key_does_not_go_with_it(void **state)
{
    EVP_PKEY *handle = handle_of(inside), *other = EVP_EC_gen("P-256");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    X509 *own = handshake_certificate(inside, inside),
         *others = handshake_certificate(other, other);

    (void)state;
    assert_int_equal(EVP_PKEY_eq(handle, other), 0);
    assert_int_equal(EVP_PKEY_eq(handle, inside), 1);
    assert_int_equal(SSL_CTX_use_certificate(ctx, others), 1);
    (void)SSL_CTX_use_PrivateKey(ctx, handle);
    assert_int_equal(SSL_CTX_check_private_key(ctx), 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, own), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, handle), 1);
    assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
    X509_free(own);
    X509_free(others);
    SSL_CTX_free(ctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(handle);
    ERR_clear_error();
}

/* Keys of OpenSSL stay OpenSSL's: the provider takes over nothing that is not the vault's. */
static void other_keys_are_made_and_used_as_before(void **state)
{
    EVP_PKEY *handle = handle_of(inside), *fresh = EVP_EC_gen("P-256");

    (void)state;
    assert_non_null(fresh);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(fresh)), "default");
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(handle)), "kapu-vault");
    assert_int_equal(signs(fresh, "SHA256", "anything", 8), 1);
    EVP_PKEY_free(fresh);
    EVP_PKEY_free(handle);
}

static void its_private_half_cannot_be_had(void **state)
{
    EVP_PKEY *handle = handle_of(inside);
    BIGNUM *private = NULL;
    BIO *pem = BIO_new(BIO_s_mem());

    (void)state;
    assert_int_equal(EVP_PKEY_get_bn_param(handle, OSSL_PKEY_PARAM_PRIV_KEY, &private), 0);
    assert_int_equal(PEM_write_bio_PrivateKey(pem, handle, NULL, NULL, 0, NULL, NULL), 0);
    assert_int_equal(EVP_PKEY_get_bn_param(inside, OSSL_PKEY_PARAM_PRIV_KEY, &private), 1);
    BN_clear_free(private);
    BIO_free(pem);
    EVP_PKEY_free(handle);
    ERR_clear_error();
}

static int begin(void **state)
{
    (void)state;
    inside = EVP_EC_gen("P-256");
    return inside != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    EVP_PKEY_free(inside);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_client_shakes_hands_with_a_key_of_the_vault),
        TEST(no_handshake_of_an_older_tls_is_signed),
        TEST(a_vault_that_refuses_ends_the_handshake),
        TEST(nothing_but_a_clients_content_is_signed),
        TEST(no_certificate_is_signed),
        TEST(a_handle_of_an_earlier_key_signs_nothing),
        TEST(a_certificate_of_another_key_does_not_go_with_it),
        TEST(other_keys_are_made_and_used_as_before),
        TEST(its_private_half_cannot_be_had),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
