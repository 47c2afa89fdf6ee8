/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of files of the server of releases, by HTTP. (The engineer of fetch.c owns this file.) */
#ifndef KAPU_UPDATE_FETCH_H
#define KAPU_UPDATE_FETCH_H

#include <kapu/bytes.h>

struct fetch;

enum fetch_fault {
    FETCH_FINE,
    FETCH_NO_ANSWER,
    FETCH_REFUSED,
    FETCH_MOVED,
    FETCH_WRONG_RANGE,
    FETCH_SHORT,
    FETCH_ENDLESS,
    FETCH_SLOW,
    FETCH_STOPPED,
};

struct fetch_limits {
    uint32_t connect_s, least_bytes_s, slow_s, most_s;
};

struct fetch *fetch_open(const char *base, const struct fetch_limits *l, bool (*goes_on)(void *ctx),
                         void *ctx);
void fetch_close(struct fetch *f);
/* Exactly n bytes. 0, KAPU_EIO, KAPU_ETIMEOUT, KAPU_EARG. */
int fetch_range(struct fetch *f, const char *folder, const char *file, uint64_t at, uint8_t *to,
                uint32_t n);
enum fetch_fault fetch_fault(const struct fetch *f);
const char *fetch_said(const struct fetch *f);
uint64_t fetch_bytes(const struct fetch *f);

#endif
