/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At which brokers a gateway is: decided by what it has and by what happened, and by nothing that
 * it is told. A gateway that holds a certificate stays at the main broker, and is at the enrolment
 * broker too when that may be the only way to reach it: the main broker is not there or does not
 * take its certificate, or the operator does not speak to it. So it can be enrolled anew at any
 * time, also by an operator whose store was lost.
 *
 * Times: seconds of a clock that is never set.
 */
#ifndef KAPU_LINK_WHERE_H
#define KAPU_LINK_WHERE_H

#include <stdbool.h>
#include <stdint.h>

#define WHERE_REFUSED_S 10u  /* without the main broker, until it looks for an enrolment */
#define WHERE_SILENT_S 3600u /* without a question, until it does */
/* Then it shows itself for this long, and again so much later: the enrolment broker has room for
 * few at once. */
#define WHERE_VISIT_S 60u
#define WHERE_EVERY_S 900u

struct where {
    bool enrolled;    /* it has a certificate for its key */
    bool main_up;     /* the main broker serves it */
    uint64_t down_s;  /* since when not */
    uint64_t asked_s; /* when the operator asked last, or the main broker began to serve it */
};

bool where_at_main(const struct where *w);
bool where_at_enrolment(const struct where *w, uint64_t now_s);

#endif
