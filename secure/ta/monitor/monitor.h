/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the monitor TA share. */
#ifndef MONITOR_H
#define MONITOR_H

#include <stdbool.h>
#include <tee_internal_api.h>

#include <kapu/introspect.h>

#include "monitor_pta.h"

#define RAM_BASE 0x40000000u /* the platform's normal world */
#define RAM_SIZE 0x40000000u

#define FINDINGS_MAX 64u
#define CHECKS_MAX 48u
#define REPORT_MAX (24u * 1024)

/* What a deep check saw. */
struct verdict {
    uint32_t number;   /* of the check, from 1; 0: none was made yet */
    uint64_t began_ms; /* since the secure world started */
    uint64_t at_ms;    /* when it ended */
    uint32_t took_ms;
    uint32_t alarms, warnings;
    struct introspect_stats work;
    size_t checks;
    struct {
        const char *id;
        int result;
    } did[CHECKS_MAX];
    size_t findings, not_kept;
    struct finding finding[FINDINGS_MAX];
    uint64_t image_base; /* of the kernel's image; 0: it was not found */
};

/* ---- core.c: the core's monitor service ---- */

TEE_Result core_open(void);
/* The port of lib/introspect. A page that the watch has captured is read from there. */
int core_read(void *ctx, uint64_t pa, void *to, size_t n);
/* Before each check: pages that were read ahead are read anew. */
void core_forget(void);
size_t core_registers(struct introspect_regs *to, size_t most, size_t *now);
/* From a call with an instance to the next with NULL, pages of the kernel's text and read-only data
 * that the library says are intact are collected, with their hashes. */
void core_collect(const struct introspect *in);
void core_intact(void *ctx, uint64_t pa);
/* Has the collected pages watched. */
void core_watch(void);
/* Takes a page that the watch captured, which core_read then gives for its address; false: none. */
bool core_captured_next(uint64_t *pa);
void core_captured_end(void);
/* Changed pages that the watch had no room for, since the last call. */
uint32_t core_missed(void);
/* Alarms of a deep check that goes on. */
void core_found(const char *text, size_t n);
/* What the TPM holds, against what this boot measured. */
struct core_tpm {
    uint32_t pcrs; /* bit i: PCR i differs */
    bool reset, silent;
};
struct core_tpm core_tpm(void);
void core_done(uint32_t alarms, uint32_t reset_s, const char *text, size_t n);
struct core_time {
    uint64_t now_ms;
    uint32_t left_ms;
    bool watch_found, will_reset;
};
struct core_time core_time(void);
struct core_figures {
    uint32_t ticks, pages, passes, pass_ms, longest_us, p99_us, changed, cores;
};
struct core_figures core_figures(void);
/* Why this run began; n bytes of text. */
uint32_t core_last(uint32_t *resets, char text[MONITOR_TEXT_MAX], size_t *n);

/* ---- look.c ---- */

/* The next step of a deep check, of which *v is what it has seen. Steps left; 0: it is complete,
 * and the next step begins another. */
uint32_t look_step(struct verdict *v);

/* ---- report.c ---- */

/* For a person at the secure console, and over a reset: at most n bytes, ends with a zero. */
size_t report_lines(const struct verdict *v, char *to, size_t n);
/* wire/monitor_ta.h */
size_t report_make(const struct verdict *v, char *to, size_t n);

/* ---- claims.c ---- */

/* The claims "monitor" of evidence. 0 or KAPU_E*. */
int claims_make(const struct verdict *v, struct wr *to);

#endif
