// SPDX-License-Identifier: Apache-2.0
/* Keys that are read, and parts of a message that are written, for other people's tools. */
#include "evidence_show.h"

#include <errno.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "newfile.h"
#include "pem_openssl.h"
#include "text.h"

#define KEY_FILE_MAX 4096
#define PATH 4096

/* The one encoding of a key says where the coordinates are. */
static int from_cose(const uint8_t *file, size_t n, struct evidence_key *key)
{
    uint8_t again[EVIDENCE_KEY_SIZE];
    const size_t x = 8, y = x + 32 + 3;

    if (n != sizeof(again))
        return -1;
    memcpy(key->x, file + x, 32);
    memcpy(key->y, file + y, 32);
    evidence_key_encode(key, again);
    return memcmp(again, file, n) == 0 ? 0 : -1;
}

int key_load(const char *path, struct evidence_key *key)
{
    uint8_t file[KEY_FILE_MAX];
    char why[512];
    EVP_PKEY *k;
    size_t n;
    int err = whole_file(path, sizeof(file), file, &n, why, sizeof(why));

    if (err == 0 && from_cose(file, n, key) == 0)
        return 0;
    k = err == 0 ? pem_key(path, PEM_PUBLIC_KEY, why, sizeof(why)) : NULL;
    if (k != NULL && openssl_p256_coordinates(k, key->x, key->y) != 0)
        snprintf(why, sizeof(why), "%s: its public key is not on P-256", path);
    else if (k != NULL)
        why[0] = '\0';
    EVP_PKEY_free(k);
    if (why[0] == '\0')
        return 0;
    (void)fail("%s (a COSE_Key, or a public key in PEM, is needed)", why);
    return -1;
}

static int write_part(const char *folder, const char *name, struct bytes b)
{
    char path[PATH];

    if (b.n == 0)
        return 0;
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= PATH)
        errno = ENAMETOOLONG;
    else if (newfile_write(path, b, 0666) == 0)
        return 0;
    (void)fail("%s: %s", path, newfile_fault());
    return -1;
}

static int write_key(const char *folder, const struct evidence_key *ak)
{
    EVP_PKEY *key = openssl_p256_public(ak->x, ak->y);
    BIO *to = BIO_new(BIO_s_mem());
    uint8_t *text = NULL;
    int err = -1;
    long n;

    if (key != NULL && to != NULL && PEM_write_bio_PUBKEY(to, key) == 1) {
        n = BIO_get_mem_data(to, (char **)&text);
        err = write_part(folder, "ak.pem", (struct bytes){text, n > 0 ? (size_t)n : 0});
    }
    BIO_free(to);
    EVP_PKEY_free(key);
    return err;
}

/* TPM 2.0 Part 2, 11.3.4: what tpm2_checkquote reads. */
static struct bytes tpm_signature(const uint8_t signature[64], uint8_t *to, size_t n)
{
    struct wr w;

    wr_init(&w, to, n);
    wr_be16(&w, TPM2_ALG_ECDSA);
    wr_be16(&w, TPM2_ALG_SHA256);
    wr_2b(&w, (struct bytes){signature, 32});
    wr_2b(&w, (struct bytes){signature + 32, 32});
    return wr_done(&w);
}

static int extract_to(const struct shown *s, const char *folder, const struct evidence_key *ak)
{
    uint8_t buf[80];
    struct bytes none = {NULL, 0};

    if (write_part(folder, "token.cose", s->message.token) != 0 ||
        write_part(folder, "claims.cbor", s->token.payload) != 0 ||
        write_part(folder, "quote.attest", s->message.attest) != 0 ||
        write_part(folder, "quote.sig",
                   s->is_message ? tpm_signature(s->message.quote_signature, buf, sizeof(buf))
                                 : none) != 0 ||
        write_part(folder, "log.bin", s->message.log) != 0)
        return -1;
    return ak != NULL ? write_key(folder, ak) : 0;
}

/* Slashes at the end. */
static int trailing(const char *folder)
{
    int n = 0;

    for (size_t i = strlen(folder); i > 1 && folder[i - 1] == '/'; i--)
        n++;
    return n;
}

/* A folder without anything in it may be there: rename(2) takes its place. */
int extract(const struct shown *s, const char *folder, const struct evidence_key *ak)
{
    char making[PATH];
    int fd, left, err;

    if (snprintf(making, sizeof(making), "%.*s" NEWFILE_ENDING,
                 (int)strlen(folder) - trailing(folder), folder) >= PATH) {
        (void)fail("%s: the name is too long", folder);
        return -1;
    }
    fd = newfolder_begin(making, 0777, &left);
    if (fd < 0) {
        (void)fail("%s: %s", making, newfile_fault());
        return -1;
    }
    err = extract_to(s, making, ak);
    if (err == 0 && newfolder_keep(fd, making, folder) != 0) {
        err = -1;
        (void)fail(errno == ENOTEMPTY || errno == EEXIST
                       ? "%s: is there already, and is not empty: nothing in it was changed"
                       : "%s: %s",
                   folder, strerror(errno));
    }
    newfolder_end(fd, making, left, err == 0);
    return err;
}
