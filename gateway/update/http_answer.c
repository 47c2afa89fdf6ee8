/* SPDX-License-Identifier: Apache-2.0 */
#include "http_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define OK 200
#define PARTIAL_CONTENT 206
#define SWITCHING_PROTOCOLS 101 /* the only 1xx after which nothing of HTTP follows */
#define NOT_MODIFIED 304        /* the only 3xx that leads nowhere else */
#define TOTAL_DIGITS_MAX 19     /* of 2^63 - 1 */
#define RANGE_SIZE sizeof("bytes 18446744073709551615-18446744073709551615/")

void answer_begin(struct answer *a, uint64_t at, uint32_t n)
{
    *a = (struct answer){.at = at, .n = n};
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Takes off the end of a line. False: it has none, or a CR or NUL inside (RFC 9112, 2.2). */
static bool without_end(struct bytes *line)
{
    if (line->n == 0 || line->p[line->n - 1] != '\n')
        return false;
    line->n--;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return memchr(line->p, '\r', line->n) == NULL && memchr(line->p, '\0', line->n) == NULL;
}

/* The value of a field of this name, without what surrounds it. */
static bool field(struct bytes line, const char *name, struct bytes *value)
{
    size_t n = strlen(name);

    if (line.n <= n || strncasecmp((const char *)line.p, name, n) != 0 || line.p[n] != ':')
        return false;
    *value = (struct bytes){line.p + n + 1, line.n - n - 1};
    while (value->n > 0 && blank(value->p[0])) {
        value->p++;
        value->n--;
    }
    while (value->n > 0 && blank(value->p[value->n - 1]))
        value->n--;
    return true;
}

static bool is(struct bytes value, const char *word)
{
    return value.n == strlen(word) && strncasecmp((const char *)value.p, word, value.n) == 0;
}

/* "bytes FIRST-LAST/TOTAL" as it was asked for; of TOTAL only that it is a number or "*". */
static bool asked_for(const struct answer *a, struct bytes value)
{
    char text[RANGE_SIZE];
    int n =
        snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/", a->at, a->at + (a->n - 1));
    struct bytes total;

    if (n < 0 || value.n <= (size_t)n || memcmp(value.p, text, (size_t)n) != 0)
        return false;
    total = (struct bytes){value.p + n, value.n - (size_t)n};
    if (is(total, "*"))
        return true;
    for (size_t i = 0; i < total.n; i++)
        if (total.p[i] < '0' || total.p[i] > '9')
            return false;
    return total.n <= TOTAL_DIGITS_MAX;
}

/* "HTTP/1.1 206 ...", and not within the headers of another. */
static enum fetch_fault status_line(struct answer *a, struct bytes line)
{
    const uint8_t *p = line.p + sizeof("HTTP/1.1") - 1;

    if (a->status != 0 || line.n < sizeof("HTTP/1.1 206") - 1 ||
        memcmp(line.p, "HTTP/1.", 7) != 0 || p[0] != ' ' ||
        (line.n > sizeof("HTTP/1.1 206") - 1 && p[4] != ' '))
        return FETCH_NO_ANSWER;
    for (int i = 1; i <= 3; i++) {
        if (p[i] < '0' || p[i] > '9')
            return FETCH_NO_ANSWER;
        a->status = a->status * 10 + (p[i] - '0');
    }
    return a->status < 100 ? FETCH_NO_ANSWER : FETCH_FINE;
}

/* All headers of one answer are known. */
static enum fetch_fault judged(struct answer *a)
{
    if (a->status < 200 && a->status != SWITCHING_PROTOCOLS) { /* interim: another one follows */
        a->status = a->ranges = 0;
        a->right = a->encoded = false;
        return FETCH_FINE;
    }
    a->final = true;
    if (a->status >= 300 && a->status < 400 && a->status != NOT_MODIFIED)
        return FETCH_MOVED;
    if (a->status != OK && a->status != PARTIAL_CONTENT)
        return FETCH_REFUSED;
    if (a->encoded)
        return FETCH_WRONG_RANGE;
    if (a->status == OK)
        return a->at == 0 ? FETCH_FINE : FETCH_WRONG_RANGE;
    return a->ranges == 1 && a->right ? FETCH_FINE : FETCH_WRONG_RANGE;
}

static void one_field(struct answer *a, struct bytes line)
{
    struct bytes value;

    if (field(line, "Content-Range", &value)) {
        a->ranges++;
        a->right = asked_for(a, value);
    } else if (field(line, "Content-Encoding", &value)) {
        a->encoded = a->encoded || !is(value, "identity");
    } else if (field(line, "Transfer-Encoding", &value)) {
        a->encoded = a->encoded || !is(value, "chunked");
    }
}

enum fetch_fault answer_line(struct answer *a, struct bytes line)
{
    if (a->lines >= FETCH_HEADER_LINES_MAX || line.n > FETCH_HEADERS_MAX - a->bytes)
        return FETCH_ENDLESS;
    a->lines++;
    a->bytes += (uint32_t)line.n;
    if (a->final) /* trailers say nothing of the body */
        return FETCH_FINE;
    if (!without_end(&line))
        return FETCH_NO_ANSWER;
    if (line.n == 0)
        return a->status == 0 ? FETCH_NO_ANSWER : judged(a);
    if (line.n >= 5 && memcmp(line.p, "HTTP/", 5) == 0)
        return status_line(a, line);
    if (a->status == 0 || blank(line.p[0])) /* RFC 9112, 5.2: a folded line may be refused */
        return FETCH_NO_ANSWER;
    one_field(a, line);
    return FETCH_FINE;
}
