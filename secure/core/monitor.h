/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's mechanisms in OP-TEE's core (docs/monitor.md). What is called in interrupt context
 * takes no mutex, allocates nothing and says at most one line.
 */
#ifndef KAPU_MONITOR_H
#define KAPU_MONITOR_H

#include <compiler.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tee_api_types.h>

#include "monitor_pta.h"

/* ---- cores.c: what the normal world's EL1 is set to, and stopping other cores ---- */

struct normal_regs {
    uint64_t vbar, ttbr1, tcr, sctlr, mair, pc;
};

/* Interrupt context, once for each interrupt of the monitor: this core is alive; its registers are
 * remembered. */
void cores_seen(void);
/* Cores that were seen within the last second. */
unsigned int cores_alive(void);
/* Wakes cores that are there and have not been seen: their timers start. */
void cores_wake(void);
/* Stops all other cores that are alive. false: another core does so already. Exceptions must be
 * masked until cores_release(). */
bool cores_hold(void);
void cores_release(void);
/* Microseconds that others were stopped: the longest, and that of 99 in 100. */
void cores_held_us(uint32_t *longest, uint32_t *p99);
/* Registers of now, then remembered ones, which are forgotten; at most `most`. Not in interrupt
 * context. */
size_t cores_registers(struct normal_regs *to, size_t most, size_t *now);

/* ---- tick.c: the secure timer of each core ---- */

/* This core's timer runs from now on. Interrupt context. */
void tick_arm(void);
uint32_t tick_count(void);

/* ---- watch.c: pages of the normal world that must not change ---- */

/* A new list: begin, then its records, then start; what was watched before is until then. By one
 * caller at a time. */
void watch_begin(void);
/* As in wire/monitor_pta.h. TEE_ERROR_BAD_PARAMETERS: the list is full, or not normal-world memory.
 */
TEE_Result watch_put(const uint8_t record[MONITOR_WATCH_SIZE]);
/* TEE_ERROR_BAD_PARAMETERS: the new list is empty; the old one stays. */
TEE_Result watch_start(void);
/* Looks at the next pages. Interrupt context. */
void watch_tick(void);
bool watch_found(void);
/* Gives a changed page. false: none. */
bool watch_take(uint64_t *pa, uint8_t page[4096]);
/* Changed pages that there was no room to keep, since the last call. */
uint32_t watch_missed(void);
struct watch_figures {
    uint32_t pages, passes, pass_ms, changed;
};
void watch_figures(struct watch_figures *f);

/* ---- watchdog.c ---- */

/* A deep check has ended; reset_s > 0: reset the board after that time, come what may. */
void watchdog_done(uint32_t alarms, uint32_t reset_s, const char *text, size_t n);
/* Alarms of a deep check that has not come to its end: said at a reset that comes before that. */
void watchdog_found(const char *text, size_t n);
/* The monitor TA is gone: nobody will make a deep check again. */
void __noreturn watchdog_bereft(void);
/* Something was found that a deep check must tell of soon. Any context. */
void watchdog_hurry(void);
/* Resets the board if it is time. Interrupt context. */
void watchdog_tick(void);
uint32_t watchdog_left_ms(bool *will_reset);

/* ---- last_words.c: what survives a reset, in secure RAM, and a power cut, in the TPM ---- */

/* Writes down why the board is about to be reset. In any context, with any lock held, on several
 * cores at once: the first of them is remembered. Exceptions stay masked. */
void last_words_write(enum monitor_reset why, const char *text, size_t n);
struct last_words {
    enum monitor_reset
        why;         /* of the reset that started this run, or what came before the power went */
    uint32_t resets; /* by the secure world, since power-on */
    size_t n;
    char text[MONITOR_TEXT_MAX];
};
const struct last_words *last_words(void);
/* A deep check has ended: if the board will be reset for its alarms, they go into the TPM; a first
 * one without alarms ends what is kept there. May sleep. */
void last_words_checked(uint32_t alarms, uint32_t reset_s, const char *text, size_t n);

/* ---- normal.c: the normal world's memory ---- */

/* Where it is mapped; NULL when [pa, pa + n) is not all normal-world memory. */
const void *normal_memory(uint64_t pa, size_t n);

/* ---- secret_random.c ---- */

uint64_t secret_random(void);

/* ---- time ---- */

uint64_t monitor_now(void); /* ticks of the system counter */
uint64_t monitor_ms(uint32_t ms);

#endif
