/* SPDX-License-Identifier: Apache-2.0 */
/* `kapu release rollout`, `kapu release membership` and `kapu release approve`. Statuses of
 * commands.h. */
#ifndef KAPU_RELEASE_ORDER_H
#define KAPU_RELEASE_ORDER_H

#include <kapu/release.h>

/* What the command line says; nothing of it has been checked. */
struct release_order {
    const char *gateway[RELEASE_GATEWAYS_MAX]; /* UEIDs in hexadecimal */
    size_t gateways; /* how often --gateway was given, also when that is too often */
    const char *group, *boot;
    uint64_t number, days;
    bool halt;
};

/* Each writes a file, of the release whose manifest is given; nobody has signed it yet. */
int release_order_rollout(const struct release_order *o, const char *manifest, const char *out);
int release_order_membership(const struct release_order *o, const char *out);
int release_order_approval(const struct release_order *o, const char *manifest, const char *out);

/* What campaigns of updates (update.h) make by the same rules. */

/* Gateways in the order of the format. The number of one that is there twice, or -1. */
int release_order_sort(struct release_gateways *g);
/* So many days after it was issued. false: that is beyond the latest time of the format. */
bool release_order_until(uint64_t issued_ms, uint64_t days, uint64_t *until_ms);
uint64_t release_order_now_ms(void);

#endif
