// SPDX-License-Identifier: Apache-2.0
/*
 * Vector registers in interrupt context. OP-TEE keeps them for a thread, and there is none: whoever
 * was interrupted may have values in them. So all are saved and put back.
 */
#include <arm.h>

#include "vectors.h"

#define CPACR_FPEN (3U << 20)
#define STEP 128U /* bytes that the loop below copies at a time */

void vectors_begin(struct vectors *s)
{
    asm volatile("mrs %0, cpacr_el1" : "=r"(s->cpacr));
    asm volatile("msr cpacr_el1, %0\n\tisb" : : "r"(s->cpacr | CPACR_FPEN));
    asm volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                 "stp q0, q1, [%0, #0x000]\n\tstp q2, q3, [%0, #0x020]\n\t"
                 "stp q4, q5, [%0, #0x040]\n\tstp q6, q7, [%0, #0x060]\n\t"
                 "stp q8, q9, [%0, #0x080]\n\tstp q10, q11, [%0, #0x0a0]\n\t"
                 "stp q12, q13, [%0, #0x0c0]\n\tstp q14, q15, [%0, #0x0e0]\n\t"
                 "stp q16, q17, [%0, #0x100]\n\tstp q18, q19, [%0, #0x120]\n\t"
                 "stp q20, q21, [%0, #0x140]\n\tstp q22, q23, [%0, #0x160]\n\t"
                 "stp q24, q25, [%0, #0x180]\n\tstp q26, q27, [%0, #0x1a0]\n\t"
                 "stp q28, q29, [%0, #0x1c0]\n\tstp q30, q31, [%0, #0x1e0]"
                 :
                 : "r"(s->v)
                 : "memory");
}

void vectors_end(const struct vectors *s)
{
    asm volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                 "ldp q0, q1, [%0, #0x000]\n\tldp q2, q3, [%0, #0x020]\n\t"
                 "ldp q4, q5, [%0, #0x040]\n\tldp q6, q7, [%0, #0x060]\n\t"
                 "ldp q8, q9, [%0, #0x080]\n\tldp q10, q11, [%0, #0x0a0]\n\t"
                 "ldp q12, q13, [%0, #0x0c0]\n\tldp q14, q15, [%0, #0x0e0]\n\t"
                 "ldp q16, q17, [%0, #0x100]\n\tldp q18, q19, [%0, #0x120]\n\t"
                 "ldp q20, q21, [%0, #0x140]\n\tldp q22, q23, [%0, #0x160]\n\t"
                 "ldp q24, q25, [%0, #0x180]\n\tldp q26, q27, [%0, #0x1a0]\n\t"
                 "ldp q28, q29, [%0, #0x1c0]\n\tldp q30, q31, [%0, #0x1e0]"
                 :
                 : "r"(s->v)
                 : "memory");
    asm volatile("msr cpacr_el1, %0\n\tisb" : : "r"(s->cpacr));
}

void vectors_copy(void *to, const void *from, size_t n)
{
    for (size_t left = n / STEP; left > 0; left--) {
        asm volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                     "ldp q0, q1, [%1]\n\tldp q2, q3, [%1, #0x20]\n\t"
                     "ldp q4, q5, [%1, #0x40]\n\tldp q6, q7, [%1, #0x60]\n\t"
                     "stp q0, q1, [%0]\n\tstp q2, q3, [%0, #0x20]\n\t"
                     "stp q4, q5, [%0, #0x40]\n\tstp q6, q7, [%0, #0x60]\n\t"
                     "add %0, %0, #0x80\n\tadd %1, %1, #0x80"
                     : "+r"(to), "+r"(from)
                     :
                     : "memory");
    }
}
