// SPDX-License-Identifier: Apache-2.0
/*
 * How long a handshake of TLS 1.3 takes, client and server in one process: with the client's key in
 * the vault, and with one in memory. In turn, so that what else the machine does meets both alike.
 * Prints the medians in microseconds: of the vault's key, of the other one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "handshake.h"
#include "link.h"

#define ROUNDS 15
#define SUITE "TLS_AES_128_GCM_SHA256"

void say(const char *format, ...)
{
    fprintf(stderr, "%s\n", format);
}

static uint8_t spki[VAULT_SPKI_SIZE];

static EVP_PKEY *public_half(void)
{
    uint8_t point[VAULT_POINT_SIZE];
    const uint8_t *p = spki;

    if (!vault_tls_point(point))
        exit(1);
    vault_spki_encode(point, spki);
    return d2i_PUBKEY(NULL, &p, sizeof(spki));
}

static long took_us(SSL_CTX *client, SSL_CTX *server, EVP_PKEY *key)
{
    struct timespec begin, end;

    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    if (!handshake(client, server, key))
        exit(1);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    return (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
}

static int compare(const void *a, const void *b)
{
    const long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

int main(void)
{
    EVP_PKEY *in_vault = public_half(), *in_file = EVP_EC_gen("P-256"), *peer = EVP_EC_gen("P-256");
    SSL_CTX *server = handshake_server(peer, SUITE);
    SSL_CTX *vault = handshake_client(in_vault, vault_tls_key(spki), TLS1_3_VERSION);
    SSL_CTX *file = handshake_client(in_file, in_file, TLS1_3_VERSION);
    long with_vault[ROUNDS], with_file[ROUNDS];

    (void)took_us(vault, server, in_vault); /* what is done once is not counted */
    (void)took_us(file, server, in_file);
    for (int i = 0; i < ROUNDS; i++) {
        with_vault[i] = took_us(vault, server, in_vault);
        with_file[i] = took_us(file, server, in_file);
    }
    qsort(with_vault, ROUNDS, sizeof(with_vault[0]), compare);
    qsort(with_file, ROUNDS, sizeof(with_file[0]), compare);
    printf("%ld %ld\n", with_vault[ROUNDS / 2], with_file[ROUNDS / 2]);
    return 0;
}
