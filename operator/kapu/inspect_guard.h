/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets a gateway run again that is stopped for a look, however the look ends: a process of its own
 * waits for the end of this one. One look at a time: the gateway's folder is locked.
 *
 * If both processes are killed, the file inspect.stopped is left in the folder. The next look finds
 * it, and lets the gateway run again.
 */
#ifndef KAPU_INSPECT_GUARD_H
#define KAPU_INSPECT_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define GUARD_NONE                                                                                 \
    {                                                                                              \
        .lock = -1, .end = -1, .child = -1                                                         \
    }

struct guard {
    const char *folder;
    int lock; /* of the folder */
    int end;  /* of a pipe: closed when this process ends */
    pid_t child;
    sigset_t mask;
};

/* Waits up to a minute for a look of another process to end. *left: the gateway was left stopped
 * by a look. 0, or -1 after saying why; guard_end after both. `folder` must outlive it. */
int guard_lock(struct guard *g, const char *folder, bool *left);
/* Before the gateway is stopped; `qmp`: this process' connection. Until guard_end, the terminal
 * cannot suspend this process. 0, or -1 after saying why. */
int guard_begin(struct guard *g, int qmp);
/* running: this process let it run again. Else the other one does, and this one waits for that. */
void guard_end(struct guard *g, bool running);

#endif
