// SPDX-License-Identifier: Apache-2.0
/* The TLS key: its public half from the vault TA, and a handle of it for OpenSSL. */
#include <string.h>

#include "link.h"
#include "vault_client.h"
#include "vault_provider.h"

static bool good(const char *what, uint32_t result)
{
    if (result != 0)
        say("vault TA: %s: %s", what, tee_service_error(result));
    return result == 0;
}

/* Opening a session is expensive, as the TA is loaded for it. It stays open for signatures until
 * one fails. */
static struct vault_client session;
static bool is_open;

static void close_session(void)
{
    if (is_open)
        vault_client_close(&session);
    is_open = false;
}

static uint32_t open_session(void)
{
    const uint32_t result = is_open ? 0 : vault_client_open(&session);

    is_open = true; /* a session that did not open has to be closed too */
    return result;
}

static bool done(const char *what, uint32_t result)
{
    const bool is_good = good(what, result);

    if (!is_good)
        close_session();
    return is_good;
}

bool vault_tls_point(uint8_t point[VAULT_POINT_SIZE])
{
    uint32_t result;

    close_session(); /* a new one reads storage again */
    result = open_session();
    if (result == 0)
        result = vault_client_public(&session, VAULT_TA_TLS_CLIENT, point);
    return done("TLS key", result);
}

static int sign(struct bytes transcript, uint8_t signature[VAULT_PROVIDER_SIGNATURE_SIZE])
{
    uint32_t result = open_session();

    if (result == 0)
        result = vault_client_sign_tls(&session, transcript, signature);
    return done("TLS signature", result) ? 0 : -1;
}

EVP_PKEY *vault_tls_key(const uint8_t spki[VAULT_SPKI_SIZE])
{
    uint8_t point[VAULT_POINT_SIZE], now[VAULT_SPKI_SIZE];
    EVP_PKEY *key;

    if (!vault_tls_point(point))
        return NULL;
    vault_spki_encode(point, now);
    if (memcmp(now, spki, sizeof(now)) != 0) {
        say("the vault has another TLS key than before: its storage was lost");
        return NULL;
    }
    key = vault_provider_key(point, sign);
    if (key == NULL)
        say("OpenSSL takes no key of the vault TA");
    return key;
}
