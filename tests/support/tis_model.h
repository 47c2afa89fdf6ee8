/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FIFO registers of a TPM in software: the state machine of PTP 1.05, 6.5.2, strict, with
 * faults to choose. Time is simulated: a register access takes a microsecond.
 */
#ifndef KAPU_TEST_TIS_MODEL_H
#define KAPU_TEST_TIS_MODEL_H

#include <kapu/tis.h>
#include <kapu/tpm2.h>

enum tis_state { TIS_IDLE, TIS_READY, TIS_RECEPTION, TIS_EXECUTION, TIS_COMPLETION };

struct tis_faults {
    bool absent;         /* all registers read as ones */
    bool no_id;          /* the vendor register reads 0 */
    bool never_valid;    /* the status' valid bit stays 0 */
    bool never_ready;    /* does not become ready for a command */
    bool burst_in_zero;  /* takes no byte */
    bool burst_out_zero; /* gives no byte */
    bool forgets;        /* stops expecting one byte early */
    bool insatiable;     /* expects more after the last byte */
    bool never_done;     /* does not finish the command */
    bool surplus;        /* has a byte more than the answer's size says */
    bool hangs_up;       /* loses the locality when the command starts */
    size_t truncate;     /* gives so many bytes of the answer only; 0: all */
};

struct tis_model {
    struct tpm2_transport tpm; /* executes the commands */
    struct tis_faults fault;
    uint8_t holder;  /* locality that is active; 0xff: none */
    uint32_t burst;  /* largest burst count */
    uint32_t run_us; /* duration of a command */
    enum tis_state state;
    uint64_t now_us, done_us;
    uint8_t in[4096], out[4096];
    size_t in_n, out_n, out_at;
    unsigned overruns; /* bytes written or read against the state or the burst count */
    uint32_t credit;   /* bytes that the last burst count allows */
};

void tis_model_init(struct tis_model *m, struct tpm2_transport tpm);
struct tis_port tis_model_port(struct tis_model *m);

#endif
