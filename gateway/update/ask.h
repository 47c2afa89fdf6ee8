/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the writer of updates, from another program of the gateway: the line to the operator,
 * and the lab's shell. */
#ifndef UPDATE_ASK_H
#define UPDATE_ASK_H

#include <kapu/bytes.h>

#define ASK_SOCKET "/run/kapu-update.socket"
/* How long to wait for an answer: less than the keepalive of the line. For an approval the secure
 * world makes a deep check. */
#define ASK_S 20u
#define ASK_APPROVAL_S 100u

/* One request (wire/protocol.cddl), whose answer goes into the caller's memory, of `most` bytes.
 * Neither is looked at: what the writer says is as trustworthy as Linux is. Waits up to `seconds`.
 * The bytes of the answer; 0: there is none, or it is larger, and errno says why. */
KAPU_MUST_CHECK size_t update_ask(struct bytes request, uint32_t seconds, uint8_t *answer,
                                  size_t most);

#endif
