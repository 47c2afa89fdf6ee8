/* SPDX-License-Identifier: Apache-2.0 */
/* Something for many gateways at once, and what each says of its update then. */
#ifndef KAPU_UPDATE_ASK_H
#define KAPU_UPDATE_ASK_H

#include "operator.h"

enum update_reach {
    UPDATE_UNSENT,   /* the broker was not there */
    UPDATE_NOT_HERE, /* the gateway is not connected */
    UPDATE_UNHEARD,  /* it is connected, and did not answer */
    UPDATE_HEARD,
};

struct update_asked {
    const char *name;
    struct bytes body; /* of the request */
    /* A rollout that it is waited for, by polls: 0: one answer is enough. */
    uint64_t until_number;
    enum update_reach reach;
    struct protocol_update said; /* last; without texts */
    char why[PROTOCOL_WHY_MAX + 1], group[PROTOCOL_GROUP_MAX + 1];
    char error[PROTOCOL_ERROR_MAX + 1]; /* it answered with an error */
};

/* Sends to all at once, then waits `ms`, and longer only while replies come in. Replies that others
 * hide are asked for alone. 0, or -1 after saying that nothing could be sent. */
int update_ask_all(const struct operator* o, struct update_asked *a, size_t n, uint32_t ms);

#endif
