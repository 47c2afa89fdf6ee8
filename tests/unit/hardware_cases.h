/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of docs/tpm-hardware.md: tests/operator/test_edges_hardware.py compares what is printed here
 * with that page. */
#ifndef KAPU_TEST_HARDWARE_CASES_H
#define KAPU_TEST_HARDWARE_CASES_H

#include <stdio.h>
#include <stdlib.h>

static unsigned hardware_wrong;

/* What came of a case, what was wanted, and the reason that was given. All are told before the test
 * fails. */
static inline void hardware_case(const char *name, bool wanted, bool accepted, bool reason_good,
                                 const char *reason)
{
    printf("case\t%s\t%s\n", name, wanted ? "accepted" : "refused");
    if (wanted == accepted && reason_good)
        return;
    hardware_wrong++;
    printf("wrong\t%s: %s, '%s'\n", name, accepted ? "accepted" : "refused", reason);
}

#endif
