/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is around kapu-update on a host, as files in a folder, so that the program itself can be run
 * from end to end: a secure world that decides by lib/update with real signatures (soft_tee.c),
 * slots (soft_flash.c, and plain files for the disk), a server of releases (soft_fetch.c). The
 * folder is DIR of `kapu-update --root DIR`:
 *
 *     tee/record, tee/state, tee/counter     the TPM
 *     tee/boot                               struct soft_boot: what runs
 *     tee/keys.1, .2, .3                     sets that are built in, by role
 *     tee/dirty                              is there: deep checks find something
 *     tee/refused, tee/told                  struct update_refusals, of all boots
 *     slot/0.root, 0.firmware, 1...          both slots; dev/kapu/ has links to them
 *
 * soft_reset.c is what BL1 does at a reset: it chooses the slot, and makes the links.
 */
#ifndef KAPU_SOFT_UPDATE_H
#define KAPU_SOFT_UPDATE_H

#include <kapu/update.h>

#define SOFT_UEID 0x42 /* each byte of it but the first */
#define SOFT_SECTOR (256u << 10)

struct soft_boot {
    uint8_t slot, trial, identity[RELEASE_DIGEST_SIZE], name[32];
};

/* A file of the folder: exactly n bytes. false: errno, or another size. */
bool soft_read(const char *root, const char *name, void *to, size_t n);
bool soft_write(const char *root, const char *name, const void *from, size_t n);

#endif
