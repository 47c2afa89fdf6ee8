// SPDX-License-Identifier: Apache-2.0
/*
 * A panic of OP-TEE's core resets the board. It may come in any context and with any lock held, on
 * several cores at once, or while a panic is being reported: nothing here waits for a lock, and a
 * panic within a panic leaves the rest to BL31.
 */
#include <console.h>
#include <inttypes.h>
#include <kernel/linker.h>
#include <kernel/misc.h>
#include <kernel/panic.h>
#include <kernel/thread.h>
#include <mm/core_mmu.h>
#include <stdio.h>

#include "el3_service.h"
#include "monitor.h"
#include "platform.h"

#define TEXT_MAX 200U /* of what is remembered: the abort stack is small */

static void __noreturn leave_to_el3(void)
{
    struct thread_smc_args args = {.a0 = EL3_PANIC};

    thread_smccc(&args);
    for (;;) /* BL31 does not return */
        ;
}

/* Past OP-TEE's trace, which takes a lock. It may mix with what another core says. */
static void say(const char *text)
{
    static const char before[] = "\nkapu: RESET: ";

    for (const char *c = before; *c != '\0'; c++)
        console_putc(*c);
    for (; *text != '\0'; text++)
        console_putc(*text);
    console_putc('\n');
    console_flush();
}

/* Called by __do_panic(). `from`: where panic() was called; addresses change with each boot, so it
 * is given as an offset into tee.elf. */
void __noreturn plat_panic(const char *msg, vaddr_t from)
{
    static bool again[CFG_TEE_CORE_NB_CORE];
    size_t me = get_core_pos();
    char text[TEXT_MAX];
    int n;

    if (again[me] || !cpu_mmu_enabled())
        leave_to_el3();
    again[me] = true;
    n = snprintf(text, sizeof(text), "panic of OP-TEE on core %zu at 0x%" PRIxVA ": %s", me,
                 from - VCORE_START_VA, msg != NULL ? msg : "no reason given");
    last_words_write(MONITOR_RESET_PANIC, text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1));
    say(text);
    platform_reset();
}
