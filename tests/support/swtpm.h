/* SPDX-License-Identifier: Apache-2.0 */
/* A real swtpm process with fresh state, and the transport to it. */
#ifndef KAPU_TEST_SWTPM_H
#define KAPU_TEST_SWTPM_H

#include <sys/types.h>

#include <kapu/tpm2.h>

struct swtpm {
    pid_t pid;
    char dir[64];  /* state, sockets and the files of a test */
    char sock[96]; /* commands; control: the same with ".ctrl" */
    int fd;        /* connection, or -1 */
};

/* Starts a TPM that got no Startup command; 0 or -1. */
int swtpm_begin(struct swtpm *s);
/* Starts one for QEMU: it is commanded through the control socket only, at s->sock + ".ctrl". */
int swtpm_begin_for_qemu(struct swtpm *s);
/* As a power cycle: volatile state is lost, NV is kept. */
int swtpm_reset(struct swtpm *s);
/* Lets tpm2-tools talk to the TPM: it serves one client at a time. The next command reconnects. */
void swtpm_release(struct swtpm *s);
/* Ends the process and removes its folder. */
void swtpm_end(struct swtpm *s);

struct tpm2_transport swtpm_transport(struct swtpm *s);

/*
 * Runs a shell command in s->dir, with TPM2TOOLS_TCTI set; returns its exit status. Output (both
 * streams) goes to out, cut to fit and terminated.
 */
int swtpm_tool(struct swtpm *s, char *out, size_t out_n, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A file in s->dir, written, or read whole; bytes or -1. */
int swtpm_put(const struct swtpm *s, const char *name, struct bytes data);
int swtpm_get(const struct swtpm *s, const char *name, uint8_t *to, size_t n);

#endif
