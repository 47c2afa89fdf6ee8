/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket at which the writer of updates is asked: SOCK_SEQPACKET, one request and one reply for
 * each connection. Who may connect the socket's file says. A caller that asks nothing holds the
 * writer up for SERVE_WAIT_MS at the most.
 */
#ifndef KAPU_UPDATE_SERVE_H
#define KAPU_UPDATE_SERVE_H

#include <kapu/bytes.h>

#define SERVE_WAIT_MS 500

struct serve {
    int fd;
};

/* The socket that the service manager passed (sd_listen_fds(3)); if it did not, a new one at
 * `path`. KAPU_EIO: errno says why. */
KAPU_MUST_CHECK int serve_open(struct serve *s, const char *path);
void serve_close(struct serve *s);

/* Waits for so many ms; then all requests that are there. -1: interrupted by a signal, or the
 * socket fails; else how many there were. */
KAPU_MUST_CHECK int serve_poll(struct serve *s, uint32_t ms,
                               struct bytes (*answer)(void *ctx, struct bytes request), void *ctx);

#endif
