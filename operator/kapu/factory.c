// SPDX-License-Identifier: Apache-2.0
/*
 * kapu factory: makes a TPM and a board belong together. Runs at the factory station, on a TPM
 * whose platform hierarchy is open: after a reset and before firmware. The record for the board's
 * fuses is written last and at once, after the signed board record for operators, so a run that
 * was cut, or in which signing failed, left no provisioned board and is repeated. Whether a TPM may
 * be cleared is asked of the TPM itself (factory_guard.h).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kapu/update.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "factory_guard.h"
#include "factory_record.h"
#include "newfile.h"
#include "package.h"
#include "text.h"

#define CONNECT_MS 10000
#define FACTORY_KEY "the factory key"

struct options {
    const char *tpm, *fuses, *root_key_hash, *id, *certificate, *firmware;
    const char *record, *factory_key, *platform;
    bool again, json;
};

int station_open(struct station *s, const char *path)
{
    if (tpm_socket_open(&s->socket, path, CONNECT_MS) != 0) {
        (void)fail("no TPM at the socket %s: %s", path, strerror(errno));
        return -1;
    }
    s->tpm = (struct tpm2){.io = tpm_socket_transport(&s->socket),
                           .crypto = &crypto_openssl,
                           .buf = s->buf,
                           .buf_n = sizeof(s->buf)};
    return 0;
}

const char *hex(const uint8_t *p, size_t n, char text[HEX_MAX])
{
    text[0] = '\0';
    for (size_t i = 0; i < n && i < (HEX_MAX - 1) / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", p[i]);
    return text;
}

const char *uuid_text(const uint8_t id[16], char text[HEX_MAX])
{
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        snprintf(text + at, 3, "%02x", id[i]);
        at += 2;
    }
    return text;
}

int unhex(const char *text, uint8_t *to, size_t n)
{
    size_t digits = 0;

    for (; *text != '\0'; text++) {
        const char *all = "0123456789abcdef";
        const char *found = strchr(all, *text >= 'A' && *text <= 'F' ? *text + 32 : *text);

        if (*text == '-')
            continue;
        if (found == NULL || digits >= 2 * n)
            return -1;
        to[digits / 2] = (uint8_t)((digits % 2 == 0 ? 0 : to[digits / 2] << 4) | (found - all));
        digits++;
    }
    return digits == 2 * n ? 0 : -1;
}

/* The record's bytes, n of at most FUSEBOX_BOARD_SIZE. */
static int read_record(const char *path, uint8_t record[FUSEBOX_BOARD_SIZE], size_t *n)
{
    char why[512];
    int err = whole_file(path, FUSEBOX_BOARD_SIZE, record, n, why, sizeof(why));

    return err == 0 || err == KAPU_ENOENT ? err : KAPU_EINVAL;
}

int fuses_read_v1(const char *path, struct fusebox_board *board)
{
    uint8_t record[FUSEBOX_BOARD_SIZE];
    size_t n;
    int err = read_record(path, record, &n);

    if (err == 0)
        err = n == FUSEBOX_BOARD_V1_SIZE
                  ? fusebox_board_decode_v1(&crypto_openssl.sha256, record, board)
                  : KAPU_EINVAL;
    kapu_wipe(record, sizeof(record));
    return err;
}

int fuses_read(const char *path, struct fusebox_board *board)
{
    uint8_t record[FUSEBOX_BOARD_SIZE];
    size_t n;
    int err = read_record(path, record, &n);

    if (err == 0)
        err = n == sizeof(record) ? fusebox_board_decode(&crypto_openssl.sha256, record, board)
                                  : KAPU_EINVAL;
    kapu_wipe(record, sizeof(record));
    if (err == 0 || err == KAPU_ENOENT)
        return err;
    if (fuses_read_v1(path, board) == 0)
        (void)fail("%s: an earlier release provisioned this board: run kapu factory upgrade", path);
    else
        (void)fail("%s is not the record of a board, or is damaged", path);
    kapu_wipe(board, sizeof(*board));
    return -1;
}

/* What a run writes. Both files are open before the TPM is changed, so that it is known that they
 * can be written; they take their places when the TPM is ready, the board's record last. */
struct outputs {
    struct newfile record, fuses;
};

#define NO_OUTPUTS                                                                                 \
    {                                                                                              \
        .record = {.fd = -1}, .fuses = {.fd = -1 }                                                 \
    }

static int outputs_open(struct outputs *to, const struct options *o)
{
    const char *path = o->record;
    int err = newfile_open(&to->record, o->record, 0644);

    if (err == 0) {
        path = o->fuses; /* readable by its owner only: it holds the pairing secret */
        err = newfile_open(&to->fuses, o->fuses, 0600);
    }
    if (err == 0)
        return 0;
    (void)fail("%s: %s", path, newfile_fault());
    return -1;
}

static void outputs_drop(struct outputs *to)
{
    newfile_drop(&to->record);
    newfile_drop(&to->fuses);
}

static int outputs_keep(struct outputs *to, struct signer *issuer,
                        const struct fusebox_board *board, const struct options *o)
{
    uint8_t record[FUSEBOX_BOARD_SIZE];
    int err = record_issue(issuer, board, o->platform, &to->record);

    if (err != 0)
        return EXIT_FAILED;
    err = fusebox_board_encode(&crypto_openssl.sha256, board, record);
    if (err != 0) {
        err = fail("%s: cannot be encoded", o->fuses);
    } else if (newfile_put(&to->fuses, BYTES_OF(record)) != 0) {
        err = fail("%s: %s", o->fuses, newfile_fault());
    } else if (newfile_keep(&to->record) != 0) {
        err = fail("%s: %s", o->record, newfile_fault());
    } else if (newfile_keep(&to->fuses) != 0) {
        err = fail("%s: %s", o->fuses, newfile_fault());
        (void)unlink(o->record); /* of a board that there is not */
    }
    kapu_wipe(record, sizeof(record));
    return err;
}

static void progress(void *ctx, const char *step)
{
    (void)ctx;
    fprintf(stderr, "  %s\n", step);
}

static int failed(const struct fusebox_factory *y, int err)
{
    if (strcmp(y->at, "platform hierarchy") == 0 && err == KAPU_EINVAL)
        return fail(
            "the TPM's platform hierarchy is closed: firmware has run since its reset. Switch "
            "the TPM off and on, and run this before the board starts");
    return fail("%s: %s (error %d, TPM's answer 0x%x)", y->at, fusebox_explain(err, y->tpm), err,
                y->tpm->rc);
}

static bool has_record_options(const struct options *o)
{
    if (o->record != NULL && o->factory_key != NULL && o->platform != NULL &&
        record_platform_is_good(o->platform))
        return true;
    (void)fail("--record, --factory-key and --platform must be given: without a signed record of "
               "the board no operator enrols it");
    return false;
}

/* The update record of a board that had no update yet. */
static void set_first_record(struct fusebox_factory *y, uint8_t record[UPDATE_RECORD_SIZE])
{
    static const struct update_record first;

    _Static_assert(UPDATE_RECORD_SIZE == FUSEBOX_RECORD_SIZE, "one record");
    update_record_encode(&first, record);
    y->record = (struct bytes){record, UPDATE_RECORD_SIZE};
}

/* The arguments of a run that makes TPM and board belong together. */
static int arguments(const struct options *o, struct fusebox_factory *y)
{
    if (!has_record_options(o))
        return EXIT_FAILED;
    if (o->root_key_hash == NULL || unhex(o->root_key_hash, y->root_key_hash, 32) != 0)
        return fail(
            "--root-key-hash takes the SHA-256 of the public root key: 64 hexadecimal digits");
    return EXIT_DONE;
}

/* The release that the board is shipped with. */
static int take_release(const char *firmware, struct fusebox_factory *y)
{
    char why[PACKAGE_WHY];
    struct package p;

    _Static_assert(sizeof(p.identity) == sizeof(y->release), "one identity");
    if (firmware == NULL) {
        fprintf(stderr, "  no --firmware is given: until the board's first confirmed update it "
                        "starts any release that is signed\n");
        return 0;
    }
    if (package_read_firmware(&p, firmware, why) != 0)
        return fail("%s", why);
    memcpy(y->release, p.identity, sizeof(y->release));
    return 0;
}

/* Operators enrol no board whose TPM shows none. */
static void tell_certificate(struct tpm2 *tpm)
{
    struct tpm2_nv nv;

    if (tpm2_nv_read_public(tpm, FUSEBOX_NV_EK_CERTIFICATE, &nv) != 0)
        fprintf(stderr,
                "  the TPM has no endorsement certificate, and operators enrol no board without: "
                "give it by --ek-certificate and --again\n");
}

static int provision(const struct options *o)
{
    struct fusebox_board board = {0};
    struct fusebox_factory y = {.progress = progress};
    uint8_t updates[UPDATE_RECORD_SIZE], certificate[FUSEBOX_CERTIFICATE_MAX];
    const struct factory_wish wish = {
        .fuses = o->fuses, .record = o->record, .id = board.id, .again = o->again};
    struct outputs to = NO_OUTPUTS;
    struct signer issuer = {0};
    struct station s = {.socket = {-1}};
    char text[HEX_MAX], why[512];
    int err, status = EXIT_FAILED;

    if (arguments(o, &y) != EXIT_DONE)
        return EXIT_FAILED;
    if (o->id == NULL || unhex(o->id, board.id, 16) != 0)
        return fail("--id takes the board's UUID");
    if (o->certificate != NULL) {
        if (whole_file(o->certificate, sizeof(certificate), certificate, &y.ek_certificate.n, why,
                       sizeof(why)) != 0)
            return fail("%s", why);
        y.ek_certificate.p = certificate;
    }
    if (take_release(o->firmware, &y) != 0 || factory_may_write(&wish) != 0 ||
        signer_open(&issuer, FACTORY_KEY, o->factory_key) != 0 || station_open(&s, o->tpm) != 0 ||
        factory_may_clear(&s.tpm, &wish) != 0 || outputs_open(&to, o) != 0)
        goto out;
    y.tpm = &s.tpm;
    set_first_record(&y, updates);
    err = fusebox_factory_provision(&y, &board);
    status = err == 0 ? outputs_keep(&to, &issuer, &board, o) : failed(&y, err);
    if (status == EXIT_DONE) {
        printf("provisioned board %s\n", uuid_text(board.id, text));
        tell_certificate(&s.tpm);
    }
out:
    outputs_drop(&to);
    signer_close(&issuer);
    kapu_wipe(&board, sizeof(board));
    kapu_wipe(s.buf, sizeof(s.buf));
    tpm_socket_close(&s.socket);
    return status;
}

/* A record of a board that is provisioned: it got lost, or the factory has another key. */
static int issue_again(const struct options *o)
{
    struct newfile to = {.fd = -1};
    struct signer issuer = {0};
    struct fusebox_board board;
    char text[HEX_MAX];
    int err = fuses_read(o->fuses, &board), status = EXIT_FAILED;

    if (err == KAPU_ENOENT)
        return fail("%s: this board is not provisioned", o->fuses);
    if (err != 0)
        return EXIT_FAILED;
    if (has_record_options(o) && record_may_write(o->record, board.id) == 0 &&
        signer_open(&issuer, FACTORY_KEY, o->factory_key) == 0) {
        if (newfile_open(&to, o->record, 0644) != 0)
            (void)fail("%s: %s", o->record, newfile_fault());
        else if (record_issue(&issuer, &board, o->platform, &to) == 0)
            status =
                newfile_keep(&to) == 0 ? EXIT_DONE : fail("%s: %s", o->record, newfile_fault());
    }
    if (status == EXIT_DONE)
        printf("record of board %s\n", uuid_text(board.id, text));
    newfile_drop(&to);
    signer_close(&issuer);
    kapu_wipe(&board, sizeof(board));
    return status;
}

/* A board of the earlier release gets what it lacks, and keeps the rest. */
static int upgrade(const struct options *o)
{
    struct fusebox_factory y = {.progress = progress};
    struct outputs to = NO_OUTPUTS;
    struct signer issuer = {0};
    struct station s = {.socket = {-1}};
    uint8_t updates[UPDATE_RECORD_SIZE];
    struct fusebox_board board;
    char text[HEX_MAX];
    int err, status = EXIT_FAILED;

    if (arguments(o, &y) != EXIT_DONE)
        return EXIT_FAILED;
    err = fuses_read_v1(o->fuses, &board);
    if (err != 0)
        return fail("%s: %s", o->fuses,
                    err == KAPU_ENOENT ? "this board is not provisioned"
                                       : "is not the record of a board of the earlier release");
    if (record_may_write(o->record, board.id) != 0 ||
        signer_open(&issuer, FACTORY_KEY, o->factory_key) != 0 || station_open(&s, o->tpm) != 0 ||
        outputs_open(&to, o) != 0)
        goto out;
    y.tpm = &s.tpm;
    set_first_record(&y, updates);
    err = fusebox_factory_upgrade(&y, &board);
    status = err == 0 ? outputs_keep(&to, &issuer, &board, o) : failed(&y, err);
    if (status == EXIT_DONE)
        printf("upgraded board %s\n", uuid_text(board.id, text));
out:
    outputs_drop(&to);
    kapu_wipe(&board, sizeof(board));
    kapu_wipe(s.buf, sizeof(s.buf));
    tpm_socket_close(&s.socket);
    signer_close(&issuer);
    return status;
}

/* The endorsement key's point, for whoever issues its certificate. */
static int show_ek(const struct options *o)
{
    struct fusebox_factory y = {0};
    struct station s = {.socket = {-1}};
    struct tpm2_public ek;
    char x[HEX_MAX], yy[HEX_MAX];
    int err;

    if (station_open(&s, o->tpm) != 0)
        return EXIT_FAILED;
    y.tpm = &s.tpm;
    err = fusebox_factory_ek(&y, &ek);
    tpm_socket_close(&s.socket);
    if (err != 0)
        return failed(&y, err);
    if (o->json)
        printf("{\"curve\": \"secp256r1\", \"x\": \"%s\", \"y\": \"%s\"}\n", hex(ek.x, 32, x),
               hex(ek.y, 32, yy));
    else
        printf("x=%s,y=%s,id=secp256r1\n", hex(ek.x, 32, x), hex(ek.y, 32, yy));
    return EXIT_DONE;
}

static const char help[] =
    "usage: kapu factory provision --tpm SOCKET --fuses FILE --id UUID --root-key-hash HEX\n"
    "                              --record FILE --factory-key KEY --platform NAME\n"
    "                              [--firmware FILE] [--ek-certificate FILE] [--again]\n"
    "       kapu factory upgrade   --tpm SOCKET --fuses FILE --root-key-hash HEX\n"
    "                              --record FILE --factory-key KEY --platform NAME\n"
    "       kapu factory ek        --tpm SOCKET [--json]\n"
    "       kapu factory show      --tpm SOCKET --fuses FILE [--record FILE] [--json]\n"
    "       kapu factory record    --fuses FILE --record FILE --factory-key KEY --platform NAME\n"
    "       kapu factory key       --factory-key KEY\n\n"
    "  provision  make the TPM's keys, counters and boot state, the signed record of the board "
    "for\n"
    "             operators, and the record for the board's fuses\n"
    "  upgrade    give a board that an earlier release provisioned what it lacks; it keeps the "
    "rest\n"
    "  ek         the public endorsement key, for its certificate to be issued\n"
    "  show       identity, counters, boot state and PCRs of a provisioned board\n"
    "  record     sign a record of a provisioned board anew\n"
    "  key        the public half of the key that signs records (PEM), for operators\n\n"
    "  --tpm SOCKET           Unix socket that takes TPM commands (swtpm's server)\n"
    "  --fuses FILE           the board's record; it holds a secret\n"
    "  --id UUID              the board's identity\n"
    "  --root-key-hash HEX    SHA-256 of the public root key (DER), as the ROM has it\n"
    "  --firmware FILE        the firmware package that the board is shipped with: until its first "
    "update\n"
    "                         it starts no other release, also none that is signed\n"
    "  --ek-certificate FILE  certificate of the endorsement key (DER), kept in the TPM\n"
    "  --record FILE          the signed board record\n"
    "  --factory-key KEY      signs it: a PEM file or a pkcs11: URI, ECDSA P-256\n"
    "  --platform NAME        what the board is, as in reference values: qemu-virt\n"
    "  --again                provision a board that is provisioned already\n"
    "  --json                 for machines\n";

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"tpm", required_argument, NULL, 't'},
        {"fuses", required_argument, NULL, 'f'},
        {"id", required_argument, NULL, 'i'},
        {"root-key-hash", required_argument, NULL, 'r'},
        {"firmware", required_argument, NULL, 'F'},
        {"ek-certificate", required_argument, NULL, 'c'},
        {"record", required_argument, NULL, 'R'},
        {"factory-key", required_argument, NULL, 'k'},
        {"platform", required_argument, NULL, 'p'},
        {"again", no_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (c) {
        case 't':
            o->tpm = optarg;
            break;
        case 'f':
            o->fuses = optarg;
            break;
        case 'i':
            o->id = optarg;
            break;
        case 'r':
            o->root_key_hash = optarg;
            break;
        case 'F':
            o->firmware = optarg;
            break;
        case 'c':
            o->certificate = optarg;
            break;
        case 'R':
            o->record = optarg;
            break;
        case 'k':
            o->factory_key = optarg;
            break;
        case 'p':
            o->platform = optarg;
            break;
        case 'a':
            o->again = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_DONE);
        default:
            return -1;
        }
    }
    return optind == argc - 1 ? 0 : -1;
}

static int needs(const char *verb, const char *what)
{
    fprintf(stderr, "kapu: factory %s needs %s\n", verb, what);
    return EXIT_USAGE;
}

int command_factory(int argc, char **argv)
{
    struct options o = {0};
    const char *verb;

    if (parse(argc, argv, &o) != 0) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    verb = argv[optind];
    if (strcmp(verb, "key") == 0)
        return o.factory_key != NULL ? signer_show(FACTORY_KEY, o.factory_key)
                                     : needs(verb, "--factory-key");
    if (strcmp(verb, "record") == 0)
        return o.fuses != NULL ? issue_again(&o) : needs(verb, "--fuses");
    if (o.tpm == NULL || (o.fuses == NULL && strcmp(verb, "ek") != 0))
        return needs(verb, strcmp(verb, "ek") != 0 ? "--tpm and --fuses" : "--tpm");
    if (strcmp(verb, "provision") == 0)
        return provision(&o);
    if (strcmp(verb, "upgrade") == 0)
        return upgrade(&o);
    if (strcmp(verb, "ek") == 0)
        return show_ek(&o);
    if (strcmp(verb, "show") == 0)
        return factory_show(o.tpm, o.fuses, o.record, o.json);
    fprintf(stderr, "kapu: there is no 'factory %s'\n", verb);
    return EXIT_USAGE;
}
