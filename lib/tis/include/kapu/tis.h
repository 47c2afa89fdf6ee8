/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM behind the FIFO interface: memory-mapped registers of the TCG PC Client Platform TPM
 * Profile (PTP) 1.05, section 6.5 ("TIS"). The registers are hostile input: what they say is
 * checked, and every wait ends. No interrupts. tis_transceive fits struct tpm2_transport.
 */
#ifndef KAPU_TIS_H
#define KAPU_TIS_H

#include <kapu/bytes.h>

/* Register access at byte offsets from the TPM's base (locality 0 at 0x0000), and a clock. */
struct tis_port {
    uint8_t (*read8)(void *ctx, uint32_t offset);
    void (*write8)(void *ctx, uint32_t offset, uint8_t value);
    uint32_t (*read32)(void *ctx, uint32_t offset);
    void (*write32)(void *ctx, uint32_t offset, uint32_t value);
    uint64_t (*now_us)(void *ctx);            /* monotonic; must advance, for waits to end */
    void (*pause_us)(void *ctx, uint32_t us); /* about that long; may do nothing */
    void *ctx;
};

/* Longest that any command may take, in milliseconds. Creating a P-256 key or a full self test on
 * a slow chip takes seconds; PTP 1.05, 6.5.1.4 leaves it to the TPM. */
#define TIS_COMMAND_MS 60000u

struct tis {
    const struct tis_port *port;
    uint8_t locality;
    bool active;
    uint32_t command_ms; /* TIS_COMMAND_MS, changed at will */
};

/*
 * Finds the TPM and takes the locality (0 to 4). KAPU_EIO: no TPM there; KAPU_ETIMEOUT: it does
 * not start up, or another locality does not let go.
 */
KAPU_MUST_CHECK int tis_open(struct tis *t, const struct tis_port *port, uint8_t locality);

/*
 * One command and its answer; ctx is a struct tis that is open. cmd and rsp may be the same memory.
 * KAPU_ESPACE: the answer is larger than `capacity`; KAPU_ETIMEOUT: the TPM took too long;
 * KAPU_EIO: it broke the protocol, or lost the locality. The TPM is told to abort in each case.
 */
KAPU_MUST_CHECK int tis_transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity,
                                   size_t *n);

/* Lets go of the locality. */
void tis_close(struct tis *t);

#endif
