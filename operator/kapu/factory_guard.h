/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be true before a TPM is cleared and files are replaced. Functions ask the objects
 * themselves, change nothing, and say on stderr what is in the way. */
#ifndef KAPU_FACTORY_GUARD_H
#define KAPU_FACTORY_GUARD_H

#include <kapu/tpm2.h>
#include <stdbool.h>

/* What `kapu factory provision` was asked for. */
struct factory_wish {
    const char *fuses, *record; /* paths */
    const uint8_t *id;          /* 16 bytes: of the board */
    bool again;                 /* though it is provisioned */
};

/* The files: of no other board, and of nothing else. Of this board only with `again`. 0 or -1. */
int factory_may_write(const struct factory_wish *w);
/* The TPM: it belongs to nobody; or, with `again`, to this board, as far as its record tells.
 * 0 or -1. */
int factory_may_clear(struct tpm2 *tpm, const struct factory_wish *w);

#endif
