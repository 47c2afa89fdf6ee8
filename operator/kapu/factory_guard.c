// SPDX-License-Identifier: Apache-2.0
#include "factory_guard.h"

#include <kapu/fusebox.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "factory_record.h"

/* A file that may be what is left of a damaged record: with `again` it is replaced. Any other file
 * was named by mistake. */
static bool has_size_of_record(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISREG(s.st_mode) &&
           (s.st_size == 0 || s.st_size == FUSEBOX_BOARD_SIZE ||
            s.st_size == FUSEBOX_BOARD_V1_SIZE);
}

/* The record of the board that is there, with `again` also one of an earlier release: 0,
 * KAPU_ENOENT, or -1 after saying why. */
static int read_board(const struct factory_wish *w, struct fusebox_board *board)
{
    if (w->again && fuses_read_v1(w->fuses, board) == 0)
        return 0;
    return fuses_read(w->fuses, board);
}

int factory_may_write(const struct factory_wish *w)
{
    struct fusebox_board old = {0};
    char is[HEX_MAX], wanted[HEX_MAX];
    int err = read_board(w, &old);
    const bool other = err == 0 && memcmp(old.id, w->id, sizeof(old.id)) != 0;

    uuid_text(old.id, is);
    kapu_wipe(&old, sizeof(old));
    if (err == 0 && !w->again)
        (void)fail("%s: this board is provisioned already. --again makes it anew; what its old "
                   "keys protected is then lost",
                   w->fuses);
    else if (other)
        (void)fail("%s: is the record of board %s, not of %s: nothing was changed", w->fuses, is,
                   uuid_text(w->id, wanted));
    else if (err == -1 && (!w->again || !has_size_of_record(w->fuses)))
        (void)fail("%s: is not replaced%s", w->fuses,
                   w->again ? "" : "; --again replaces a record that is damaged");
    else
        return record_may_write(w->record, w->id);
    return -1;
}

static bool is_of_board(struct tpm2 *tpm, const struct fusebox_board *board)
{
    struct tpm2_public ek;
    struct tpm2_entity object;

    return tpm2_read_public(tpm, FUSEBOX_EK, &ek, &object) == 0 && object.name.n == board->ek.n &&
           memcmp(object.name.b, board->ek.b, board->ek.n) == 0;
}

int factory_may_clear(struct tpm2 *tpm, const struct factory_wish *w)
{
    struct fusebox_board old = {0};
    struct fusebox_health health;
    struct fusebox f;
    bool other;
    int err;

    fusebox_init(&f, tpm, NULL);
    err = fusebox_start(&f);
    if (err == KAPU_ETPM && tpm2_rc_base(tpm->rc) == TPM2_RC_INITIALIZE)
        err = 0; /* it runs already */
    if (err == 0)
        err = fusebox_health(&f, &health);
    if (err != 0)
        return fail("the TPM: %s (error %d, TPM's answer 0x%x)", fusebox_explain(err, tpm), err,
                    tpm->rc);
    if (!health.owner_set) /* what a run sets last */
        return 0;
    if (!w->again) {
        (void)fail("this TPM is provisioned already, for a board whose record is not in %s (or a "
                   "run was cut at its very end). --again clears it; what its keys protected is "
                   "then lost",
                   w->fuses);
        return -1;
    }
    other = has_size_of_record(w->fuses) && read_board(w, &old) == 0 && !is_of_board(tpm, &old);
    kapu_wipe(&old, sizeof(old));
    if (!other)
        return 0;
    (void)fail("this TPM is provisioned, and not the one of the board in %s: nothing was changed",
               w->fuses);
    return -1;
}
