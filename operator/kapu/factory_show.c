// SPDX-License-Identifier: Apache-2.0
/* kapu factory show: what a provisioned board's TPM holds, read with the board's own values. */
#include <stdio.h>
#include <string.h>

#include <kapu/update.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "factory_record.h"
#include "operator.h"

static const struct {
    uint32_t number;
    const char *what;
} pcrs[] = {
    {FUSEBOX_PCR_FIRMWARE, "ROM, BL2, BL31, OP-TEE"},
    {FUSEBOX_PCR_AUTHORITY, "root key that verified them"},
    {FUSEBOX_PCR_LINUX, "Linux"},
    {FUSEBOX_PCR_COMMAND, "device tree, command line, root hash"},
    {FUSEBOX_PCR_CAP, "cap: set when the boot phase is over"},
};

#define PCRS (sizeof(pcrs) / sizeof(pcrs[0]))

struct facts {
    struct fusebox_board board;
    struct fusebox_health health;
    struct bootstate state;
    struct update_record updates;
    struct tpm2_public ak;
    uint32_t counter, storage, starts, certificate_bytes;
    uint8_t pcr[PCRS][32];
    bool has_record;
    struct board_record record; /* its signature is the operator's to look at */
    uint8_t kid[EVIDENCE_KID_SIZE];
};

/* Whether the record is of this board with the keys that it has now. */
static bool record_fits(const struct facts *x)
{
    const struct fusebox_board *b = &x->board;

    return b->ek.n == sizeof(x->record.ek) && memcmp(b->ek.b, x->record.ek, b->ek.n) == 0 &&
           b->ak.n == sizeof(x->record.ak) && memcmp(b->ak.b, x->record.ak, b->ak.n) == 0 &&
           memcmp(b->id, x->record.board, sizeof(b->id)) == 0;
}

static int read_updates(struct fusebox *f, struct update_record *r)
{
    uint8_t encoded[FUSEBOX_RECORD_SIZE];
    int err = fusebox_read_record(f, encoded);

    return err == 0 ? update_record_decode(encoded, r) : err;
}

static int collect(struct fusebox *f, struct facts *x)
{
    struct tpm2_nv nv;
    int err = fusebox_start(f);

    if (err == KAPU_ETPM && tpm2_rc_base(f->tpm->rc) == TPM2_RC_INITIALIZE)
        err = 0; /* running already */
    if (err == 0)
        err = fusebox_init_salted(f, f->tpm, &x->board);
    if (err == 0)
        err = fusebox_health(f, &x->health);
    if (err == 0)
        err = fusebox_ak(f, &x->ak);
    if (err == 0)
        err = fusebox_read(f, &x->counter, &x->state);
    if (err == 0)
        err = read_updates(f, &x->updates);
    if (err == 0)
        err = fusebox_read_counter(f, FUSEBOX_STORAGE, &x->storage);
    if (err == 0)
        err = fusebox_read_counter(f, FUSEBOX_STARTS, &x->starts);
    for (size_t i = 0; i < PCRS && err == 0; i++)
        err = fusebox_read_pcr(f, pcrs[i].number, x->pcr[i]);
    if (err == 0 && tpm2_nv_read_public(f->tpm, FUSEBOX_NV_EK_CERTIFICATE, &nv) == 0)
        x->certificate_bytes = nv.size;
    return err;
}

static bool names_release(const struct bootstate *s)
{
    static const uint8_t none[BOOTSTATE_IDENTITY_SIZE];

    return memcmp(s->confirmed, none, sizeof(none)) != 0;
}

static void print_table(const struct facts *x)
{
    char text[HEX_MAX], when[32];

    printf("board             %s\n", uuid_text(x->board.id, text));
    printf("endorsement key   %s\n", hex(x->board.ek.b + 2, 32, text));
    if (x->certificate_bytes > 0)
        printf("  certificate     %u bytes\n", x->certificate_bytes);
    else
        printf("  certificate     none\n");
    printf("attestation key   %s\n", hex(x->board.ak.b + 2, 32, text));
    if (x->has_record) {
        printf("board record      of %s, for %s, by key %.16s...: %s\n",
               operator_time(x->record.issued_ms, when), x->record.platform,
               hex(x->kid, sizeof(x->kid), text),
               record_fits(x) ? "is this board's" : "IS ANOTHER BOARD'S, OR OLD");
    }
    printf("security counter  %u\n", x->counter);
    printf("storage counter   %u\n", x->storage);
    printf("storage starts    %u\n", x->starts);
    if (x->state.trial)
        printf("boot state        slot %c on trial, %u tries left\n", 'A' + x->state.slot,
               x->state.tries);
    else
        printf("boot state        slot %c, confirmed\n", 'A' + x->state.slot);
    printf("  starts          %s\n", names_release(&x->state)
                                         ? hex(x->state.confirmed, sizeof(x->state.confirmed), text)
                                         : "any signed release: none was named or confirmed yet");
    printf("last update       %s\n",
           x->updates.trial ? "on trial"
                            : update_outcome_name((enum update_outcome)x->updates.last));
    printf("TPM               %s, owner %s\n",
           x->health.locked_out ? "locked out" : "not locked out",
           x->health.owner_set ? "set" : "NOT SET");
    printf("\nPCR  value (SHA-256)                                                   what\n");
    for (size_t i = 0; i < PCRS; i++)
        printf("%3u  %s  %s\n", pcrs[i].number, hex(x->pcr[i], 32, text), pcrs[i].what);
}

static void print_json(const struct facts *x)
{
    char text[HEX_MAX], when[32];

    printf("{\"board\": \"%s\", ", uuid_text(x->board.id, text));
    printf("\"ek_name\": \"%s\", ", hex(x->board.ek.b, x->board.ek.n, text));
    printf("\"ak_name\": \"%s\", ", hex(x->board.ak.b, x->board.ak.n, text));
    printf("\"ek_certificate_bytes\": %u, ", x->certificate_bytes);
    if (x->has_record) {
        printf("\"record\": {\"issued\": \"%s\", \"platform\": \"%s\", \"kid\": \"%s\", ",
               operator_time(x->record.issued_ms, when), x->record.platform,
               hex(x->kid, sizeof(x->kid), text));
        printf("\"fits\": %s}, ", record_fits(x) ? "true" : "false");
    }
    printf("\"security_counter\": %u, \"storage_counter\": %u, \"storage_starts\": %u, ",
           x->counter, x->storage, x->starts);
    printf("\"slot\": \"%c\", \"trial\": %s, \"tries\": %u, ", 'a' + x->state.slot,
           x->state.trial ? "true" : "false", x->state.tries);
    if (names_release(&x->state))
        printf("\"release\": \"%s\", ", hex(x->state.confirmed, sizeof(x->state.confirmed), text));
    printf("\"update_trial\": %s, \"last_update\": \"%s\", ", x->updates.trial ? "true" : "false",
           update_outcome_name((enum update_outcome)x->updates.last));
    printf("\"locked_out\": %s, \"owner_set\": %s, \"pcrs\": {",
           x->health.locked_out ? "true" : "false", x->health.owner_set ? "true" : "false");
    for (size_t i = 0; i < PCRS; i++)
        printf("%s\"%u\": \"%s\"", i > 0 ? ", " : "", pcrs[i].number, hex(x->pcr[i], 32, text));
    printf("}}\n");
}

int factory_show(const char *tpm, const char *fuses, const char *record, bool json)
{
    struct station s = {.socket = {-1}};
    struct facts x = {0};
    struct fusebox f;
    int err = fuses_read(fuses, &x.board);

    if (err == KAPU_ENOENT)
        return fail("%s: this board is not provisioned", fuses);
    x.has_record = record != NULL;
    if (err != 0 || (x.has_record && record_read(record, &x.record, x.kid) != 0) ||
        station_open(&s, tpm) != 0)
        return EXIT_FAILED;
    fusebox_init(&f, &s.tpm, &x.board);
    err = collect(&f, &x);
    tpm_socket_close(&s.socket);
    if (err != 0)
        err = fail("%s: %s (error %d, TPM's answer 0x%x)", f.at, fusebox_explain(err, &s.tpm), err,
                   s.tpm.rc);
    else if (json)
        print_json(&x);
    else
        print_table(&x);
    kapu_wipe(&x, sizeof(x));
    return err == 0 ? EXIT_DONE : EXIT_FAILED;
}
