/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of lib/release share. */
#ifndef KAPU_RELEASE_INTERNAL_H
#define KAPU_RELEASE_INTERNAL_H

#include <kapu/cbor.h>
#include <kapu/release.h>

#define RELEASE_FORMAT 1u /* version of wire/release.cddl, item 0 of each content */

static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Opens the map of a content and writes its version; reads both, and gives the number of items: 0
 * after an error. `items`: of this version. */
void put_head(struct enc *e);
size_t get_head(struct dec *d, int items);

void put_bytes(struct enc *e, int64_t label, struct bytes b);
/* Text that must not be empty. */
void put_text(struct enc *e, int64_t label, struct bytes text, size_t most);
/* A time in ms since 1970; 0 is none. */
void put_time(struct enc *e, int64_t label, uint64_t ms);
uint64_t get_time(struct dec *d, int64_t label);

#endif
