/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway that runs in QEMU: stopped while it is looked at, its registers and its memory. */
#ifndef KAPU_CLI_LIVE_H
#define KAPU_CLI_LIVE_H

#include <kapu/introspect.h>

#include "inspect_guard.h"

struct live {
    char folder[512];
    char ram[600]; /* file with its memory */
    bool dumped;   /* the file is ours: a dump, removed at the end */
    bool stopped, own_gdb;
    bool elsewhere; /* a core was not in the normal world */
    int qmp, gdb;
    struct guard guard; /* lets it run again, however this process ends */
    struct introspect_regs regs[INTROSPECT_CPUS];
    uint32_t cpus;
};

/* Stops the gateway whose folder that is and reads its registers; 0, or -1 with a message.
 * live_end is right after both. */
int live_begin(struct live *l, const char *folder);
/* Lets it run again. */
void live_end(struct live *l);

#endif
