/* SPDX-License-Identifier: Apache-2.0 */
/* A TPM that takes commands on a Unix stream socket, as swtpm does: the transport of lib/tpm2. */
#ifndef KAPU_TPM_SOCKET_H
#define KAPU_TPM_SOCKET_H

#include <kapu/tpm2.h>

struct tpm_socket {
    int fd;
};

/* Connects; waits up to `patience_ms` for a server that is just starting. 0, or -1 and errno. */
int tpm_socket_open(struct tpm_socket *s, const char *path, int patience_ms);
void tpm_socket_close(struct tpm_socket *s);

struct tpm2_transport tpm_socket_transport(struct tpm_socket *s);

#endif
