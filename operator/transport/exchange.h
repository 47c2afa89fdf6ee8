/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to many gateways at once, over two connections to the main broker: one that only sends,
 * and one that hears the replies of all gateways.
 *
 * A gateway that floods its topic shares the second connection's queue with all others, so it can
 * hide their replies. It cannot keep requests from arriving: nothing but the broker's own
 * acknowledgements comes over the first connection. A reply that is missing is asked for with
 * transport_request, which shares its queue with nobody.
 *
 * Trust, SIGPIPE and threads: as kapu/transport.h.
 */
#ifndef KAPU_EXCHANGE_H
#define KAPU_EXCHANGE_H

#include "transport.h"

struct exchange;

enum exchange_event {
    EXCHANGE_REPLY,     /* to what was posted last, and comes once */
    EXCHANGE_DELIVERED, /* the broker has it, for a gateway that is connected */
    EXCHANGE_NOBODY,    /* the gateway is not connected: it will not get it */
};

/* `body`: of a reply, until the call returns. Posting is allowed. */
typedef void (*exchange_fn)(void *ctx, size_t who, enum exchange_event what, struct bytes body);

/* For `n` gateways, which are called by numbers below n. Connects; NULL after saying why. */
struct exchange *exchange_open(const struct transport_options *o, size_t n, exchange_fn heard,
                               void *ctx, uint32_t timeout_ms, char *why, size_t why_n);
void exchange_close(struct exchange *x);

/* Sends. What was posted to that gateway before is not waited for any longer. KAPU_EIO: not sent.
 * `name` and `body` are copied. */
KAPU_MUST_CHECK int exchange_post(struct exchange *x, size_t who, const char *name,
                                  struct bytes body, uint32_t expiry_s);

/* The same request again, for whoever may not have got it: a reply to either counts. */
KAPU_MUST_CHECK int exchange_post_again(struct exchange *x, size_t who, struct bytes body,
                                        uint32_t expiry_s);

/* Waits at most `ms` for something to happen, and says what did. */
void exchange_turn(struct exchange *x, int ms);

/* Messages of gateways that nobody waits for, so far, and whose the last one was (NULL: nobody's).
 * Many of them mean a flood, in which replies of others may be lost. */
uint64_t exchange_strays(const struct exchange *x, const char **who);

/* Why nothing is sent or heard at present; NULL: the broker is there. */
const char *exchange_trouble(const struct exchange *x);

#endif
