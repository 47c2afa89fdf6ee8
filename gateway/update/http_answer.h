/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the headers of a server's answer say: whether its body is the bytes that were asked for.
 * Trust: each line is hostile. RFC 9110, 14.4 and 15.3.7; nothing is allocated or kept elsewhere.
 */
#ifndef KAPU_UPDATE_HTTP_ANSWER_H
#define KAPU_UPDATE_HTTP_ANSWER_H

#include "fetch.h"

struct answer {
    uint64_t at; /* asked for: */
    uint32_t n;
    uint32_t lines, bytes; /* of all headers so far */
    uint32_t status;       /* 0: no answer yet */
    uint32_t ranges;       /* Content-Range fields */
    bool right;            /* the last of those is what was asked for */
    bool encoded;          /* the body is not the file's own bytes */
    bool final;            /* its headers are complete: what follows is body, and trailers */
};

void answer_begin(struct answer *a, uint64_t at, uint32_t n);
/* A line with its end. Anything but FETCH_FINE ends the fetch. */
enum fetch_fault answer_line(struct answer *a, struct bytes line);

#endif
