// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-link itself, on a gateway in software: its vault is a key in memory, and its evidence comes
 * from a soft_board instead of the attest TA. It says about itself what sim_gateway says, and then
 * runs until its input ends. What kapu-link says is on the output, too.
 *
 *   certificate FILE   (first) its endorsement certificate, DER
 *   lose key           secure storage loses the TLS key: the vault makes another one
 */
#include <openssl/pem.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "attest.h"
#include "crypto_openssl.h"
#include "identity.h"
#include "link.h"
#include "soft_board.h"
#include "soft_vault.h"
#include "vault_client.h"

int link_main(int argc, char **argv); /* link.c's */

static struct soft_board board;
static struct {
    EVP_PKEY *key;
    uint8_t ek[PROTOCOL_CERTIFICATE_MAX], ak[PROTOCOL_AK_MAX], tee[64];
    size_t ek_n;
    bool enrols;
    struct bytes credential, secret;
    uint8_t tls[32]; /* SHA-256 of the TLS key, as the vault TA has it */
    uint8_t message[EVIDENCE_MESSAGE_MAX];
} soft;

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "soft_link: %s\n", what);
    exit(1);
}

/* ---- what kapu-link stands on ---- */

uint32_t attest_open(struct attest *a)
{
    (void)a;
    soft.enrols = false;
    return 0;
}

void attest_close(struct attest *a)
{
    (void)a;
}

uint32_t attest_identity(struct attest *a, struct attest_identity *id)
{
    struct wr w;

    (void)a;
    wr_init(&w, soft.ak, sizeof(soft.ak));
    tpm2_wr_public(&w, &board.ak_public);
    memcpy(soft.tee, board.g.tee.pub.x, 32);
    memcpy(soft.tee + 32, board.g.tee.pub.y, 32);
    *id = (struct attest_identity){{soft.ek, soft.ek_n},
                                   wr_done(&w),
                                   {soft.tee, sizeof(soft.tee)},
                                   {board.g.claims.ueid, sizeof(board.g.claims.ueid)}};
    return 0;
}

uint32_t attest_enrol(struct attest *a, struct bytes credential, struct bytes secret)
{
    (void)a;
    soft.enrols = true;
    soft.credential = credential;
    soft.secret = secret;
    return 0;
}

uint32_t attest_evidence(struct attest *a, const uint8_t nonce[32], int wants_log,
                         struct bytes *message)
{
    uint8_t secret[32];
    struct wr w;

    (void)a;
    board.g.claims.enrolment = false;
    board.g.with_log = wants_log;
    if (soft.enrols) {
        if (!soft_board_activate(&board, soft.credential, soft.secret, secret))
            return TEE_ACCESS_DENIED;
        soft_gateway_enrol(&board.g, nonce, secret, soft.tls);
    }
    wr_init(&w, soft.message, sizeof(soft.message));
    soft_gateway_message(&board.g, nonce, &w);
    *message = wr_done(&w);
    return 0;
}

const char *tee_service_error(uint32_t result)
{
    return result == TEE_ACCESS_DENIED ? "the TPM does not open it" : "the secure world failed";
}

uint32_t vault_client_open(struct vault_client *c)
{
    (void)c;
    return 0;
}

void vault_client_close(struct vault_client *c)
{
    (void)c;
}

uint32_t vault_client_public(struct vault_client *c, uint32_t use,
                             uint8_t point[VAULT_TA_POINT_SIZE])
{
    (void)c;
    return use == VAULT_TA_TLS_CLIENT && soft_vault_point(soft.key, point) ? 0 : TEE_SYSTEM_ERROR;
}

uint32_t vault_client_sign_tls(struct vault_client *c, struct bytes transcript,
                               uint8_t signature[VAULT_TA_SIGNATURE_SIZE])
{
    (void)c;
    return soft_vault_sign(soft.key, transcript, signature) ? 0 : TEE_SYSTEM_ERROR;
}

static void make_key(void)
{
    uint8_t point[VAULT_POINT_SIZE], spki[VAULT_SPKI_SIZE];

    soft.key = EVP_EC_gen("P-256");
    need(soft.key != NULL && soft_vault_point(soft.key, point), "a key");
    vault_spki_encode(point, spki);
    need(crypto_openssl.sha256.hash(NULL, &BYTES_OF(spki), 1, soft.tls) == 0, "a hash");
}

size_t update_ask(struct bytes request, uint32_t seconds, uint8_t *answer, size_t most)
{
    (void)request;
    (void)seconds;
    (void)answer;
    (void)most;
    return 0;
}

/* ---- the program ---- */

static void make_folders(const char *root)
{
    static const char *const folder[] = {"etc", "etc/kapu", "var", "var/lib", "var/lib/kapu-link"};
    char path[512];

    for (size_t i = 0; i < sizeof(folder) / sizeof(folder[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, folder[i]);
        need(mkdir(path, 0700) == 0, path);
    }
}

static void write_settings(const char *root, char **argv)
{
    char path[512], text[8192];
    FILE *f, *ca = fopen(argv[6], "r");
    size_t n;

    snprintf(path, sizeof(path), "%s" GATEWAY_SETTINGS_FILE, root);
    f = fopen(path, "w");
    need(f != NULL && ca != NULL, path);
    fprintf(f, "host=%s\nname=%s\nport=%s\nenrol-port=%s\nreleases=http://localhost/\n", argv[3],
            argv[3], argv[4], argv[5]);
    need(fclose(f) == 0, path);
    n = fread(text, 1, sizeof(text), ca);
    fclose(ca);
    snprintf(path, sizeof(path), "%s" SETTINGS_CA, root);
    f = fopen(path, "w");
    need(f != NULL && fwrite(text, 1, n, f) == n && fclose(f) == 0, path);
}

static void member(const char *name, const uint8_t *p, size_t n)
{
    printf("\"%s\": \"", name);
    for (size_t i = 0; i < n; i++)
        printf("%02x", p[i]);
    printf("\", ");
}

static void introduce(void)
{
    const struct evidence_claims *c = &board.g.claims;
    char name[PROTOCOL_NAME_SIZE], pcr[8];

    protocol_name(c->ueid, name);
    printf("{\"name\": \"%s\", \"curve\": \"secp256r1\", ", name);
    member("x", board.ek_public.x, 32);
    member("y", board.ek_public.y, 32);
    member("ek_name", board.ek.name.b, board.ek.name.n);
    member("ak_name", board.ak.name.b, board.ak.name.n);
    member("ueid", c->ueid, sizeof(c->ueid));
    member("board", c->boot.board, sizeof(c->boot.board));
    printf("\"pcrs\": {");
    for (size_t i = 0; i + 1 < EVIDENCE_PCRS; i++) {
        snprintf(pcr, sizeof(pcr), "%u", evidence_pcr[i]);
        member(pcr, c->boot.pcr[i], 32);
    }
    printf("\"%u\": \"", evidence_pcr[EVIDENCE_PCRS - 1]);
    for (size_t i = 0; i < 32; i++)
        printf("%02x", c->boot.pcr[EVIDENCE_PCRS - 1][i]);
    printf("\"}}\n");
    fflush(stdout);
}

static void read_ek(void)
{
    char line[512];
    FILE *f;

    need(fgets(line, sizeof(line), stdin) != NULL && strncmp(line, "certificate ", 12) == 0,
         "a certificate comes first");
    line[strcspn(line, "\n")] = '\0';
    f = fopen(line + 12, "rb");
    need(f != NULL, line + 12);
    soft.ek_n = fread(soft.ek, 1, sizeof(soft.ek), f);
    fclose(f);
}

static void *end_with_input(void *ctx)
{
    char line[64];

    (void)ctx;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, "lose key\n") == 0)
            make_key();
    }
    soft_board_end(&board);
    _exit(0);
}

int main(int argc, char **argv)
{
    static char root_option[] = "--root";
    char *words[] = {argv[0], root_option, argc == 8 ? argv[7] : NULL, NULL};
    pthread_t thread;

    if (argc != 8) {
        fprintf(stderr, "usage: soft_link NAME RELEASE HOST PORT ENROLMENT-PORT CA FOLDER\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    make_folders(argv[7]);
    write_settings(argv[7], argv);
    soft_board_begin(&board, argv[1], argv[2]);
    make_key();
    setvbuf(stdin, NULL, _IONBF, 0);
    introduce();
    read_ek();
    need(dup2(STDOUT_FILENO, STDERR_FILENO) >= 0 &&
             pthread_create(&thread, NULL, end_with_input, NULL) == 0,
         "a thread");
    return link_main(3, words);
}
