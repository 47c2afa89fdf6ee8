// SPDX-License-Identifier: Apache-2.0
/*
 * Any headers of a server, after the range that was asked for (8 and 4 bytes, little-endian): an
 * answer counts only if it says that range and no other, or has all of the file, and its headers
 * have an end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "http_answer.h"

#define ASKED 12

/* How many lines say, for a reader that knows nothing of HTTP, that they give the range. */
static int lines_with(const uint8_t *p, size_t n, const char *text)
{
    int found = 0;

    for (size_t i = 0; i + strlen(text) < n; i++)
        found += strncasecmp((const char *)p + i, text, strlen(text)) == 0;
    return found;
}

static void check(const struct answer *a, const uint8_t *p, size_t n)
{
    char range[64];

    snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/", a->at, a->at + (a->n - 1));
    if (a->status == 200 ? a->at != 0 : a->status != 206)
        abort();
    if (a->status == 206 &&
        (lines_with(p, n, "content-range:") == 0 || lines_with(p, n, range) == 0))
        abort();
    if (lines_with(p, n, "\ncontent-encoding: gzip") > 0 && lines_with(p, n, "HTTP/1") == 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer a;
    uint64_t at;
    uint32_t n;
    size_t begin = ASKED;

    if (size < ASKED)
        return 0;
    at = kapu_le64(data) >> 1; /* what fetch_range lets through */
    n = kapu_le32(data + 8);
    if (n == 0 || n > INT64_MAX - at)
        return 0;
    answer_begin(&a, at, n);
    while (begin < size && !a.final) {
        const uint8_t *end = memchr(data + begin, '\n', size - begin);
        size_t length = end != NULL ? (size_t)(end - data) + 1 - begin : size - begin;

        if (answer_line(&a, (struct bytes){data + begin, length}) != FETCH_FINE)
            return 0;
        if (a.lines > FETCH_HEADER_LINES_MAX || a.bytes > FETCH_HEADERS_MAX)
            abort();
        begin += length;
    }
    if (a.final)
        check(&a, data + ASKED, begin - ASKED);
    return 0;
}
