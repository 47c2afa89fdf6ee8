/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor said last, as it lies in the TPM: why it reset the board, or was about to, and
 * what it had seen. It is there after the power was cut. It is over when a later run has had a deep
 * check without alarms: until then each run reports it.
 *
 * The TPM's index is made with zeros, which mean that nothing was said yet. Strings have no zero at
 * their end.
 */
#ifndef KAPU_LASTWORDS_H
#define KAPU_LASTWORDS_H

#include <kapu/bytes.h>

#define LASTWORDS_SIZE 256u
#define LASTWORDS_TEXT_MAX (LASTWORDS_SIZE - 6u)

struct lastwords {
    uint8_t why; /* enum monitor_reset of wire/monitor_pta.h; 0: nothing was said yet */
    bool over;
    size_t n;
    char text[LASTWORDS_TEXT_MAX]; /* n bytes */
};

/* Of a text that may be longer: as many whole lines as fit, or the beginning of the first. `why` is
 * not 0. */
void lastwords_make(struct lastwords *w, uint8_t why, const char *text, size_t n);

/* Version, why, over, zero, two bytes of length (big-endian), text, zeros. */
void lastwords_encode(const struct lastwords *w, uint8_t to[LASTWORDS_SIZE]);
/* KAPU_EINVAL: nothing that was encoded here. */
KAPU_MUST_CHECK int lastwords_decode(const uint8_t from[LASTWORDS_SIZE], struct lastwords *w);

#endif
