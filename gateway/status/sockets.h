/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stddef.h>

/*
 * Write the ports on which this system takes traffic that it did not ask for into `to`, as
 * "tcp 22, udp 68": TCP sockets that listen and UDP sockets without a peer, as the kernel lists
 * them in /proc/net. "none" if there is none. Returns -1 if the kernel does not tell.
 */
int sockets_listening(char *to, size_t n);

#endif
