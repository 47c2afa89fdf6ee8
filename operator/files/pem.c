// SPDX-License-Identifier: Apache-2.0
#include "pem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define BODY_LINE 40u /* characters of base64 without a blank: no explanation has that */

struct reader {
    pem_fn each;
    void *ctx;
    bool inside;
    char label[PEM_LABEL_MAX];
    unsigned line, begin; /* of what is read; of the block */
    uint8_t *body;        /* base64, then what it says */
    size_t n;
    unsigned blocks;
};

static int digit_of(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != 0 ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* RFC 4648, 4: in place, with exact padding and no bits left over. */
static bool decode(uint8_t *p, size_t *n)
{
    uint32_t bits = 0;
    size_t digits = *n, to = 0;

    if (*n == 0 || *n % 4 != 0)
        return false;
    while (digits > *n - 2 && p[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        const int digit = digit_of(p[i]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            p[to++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *n = to;
    return digits % 4 == 0 || (bits & (digits % 4 == 2 ? 0xfU : 0x3U)) == 0;
}

/* Takes "-----WHAT LABEL-----" off the beginning of a line. */
static bool take_mark(struct bytes *line, const char *what, char label[PEM_LABEL_MAX])
{
    const size_t n = strlen(what);
    size_t end = n;

    if (line->n < n || memcmp(line->p, what, n) != 0)
        return false;
    while (end < line->n && line->p[end] != '-')
        end++;
    if (end == n || end - n >= PEM_LABEL_MAX || line->n - end < 5 ||
        memcmp(line->p + end, "-----", 5) != 0)
        return false;
    memcpy(label, line->p + n, end - n);
    label[end - n] = '\0';
    *line = (struct bytes){line->p + end + 5, line->n - end - 5};
    return true;
}

static const char *end_block(struct reader *r, const char *label)
{
    const unsigned line = r->line;
    const char *fault = "the block that begins here is not base64 to its end";

    if (!r->inside)
        return "ends a block that does not begin";
    if (strcmp(label, r->label) != 0)
        return "ends another block than the one that began";
    r->inside = false;
    r->blocks++;
    if (decode(r->body, &r->n))
        fault = r->each(r->ctx, label, (struct bytes){r->body, r->n});
    kapu_wipe(r->body, r->n);
    r->line = fault != NULL ? r->begin : line;
    return fault;
}

static const char *take_body(struct reader *r, struct bytes line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == ' ' || line.p[i] == '\t')
            continue;
        if (line.p[i] == ':')
            return "is a header, as encrypted keys have: give it without encryption";
        if (digit_of(line.p[i]) < 0 && line.p[i] != '=')
            return "is not base64";
        r->body[r->n++] = line.p[i];
    }
    return NULL;
}

static const char *check_explanation(struct bytes line)
{
    size_t digits = 0;

    if (memmem(line.p, line.n, "-----", 5) != NULL)
        return "has a mark that is damaged";
    while (digits < line.n && (digit_of(line.p[digits]) >= 0 || line.p[digits] == '='))
        digits++;
    return digits == line.n && digits >= BODY_LINE ? "is base64 outside of a block" : NULL;
}

/* Takes a mark off the line, or all of it. */
static const char *take(struct reader *r, struct bytes *line, bool joined)
{
    const struct bytes all = *line;
    char label[PEM_LABEL_MAX];

    if (take_mark(line, "-----BEGIN ", label)) {
        if (r->inside)
            return "begins a block in the middle of another";
        r->inside = true;
        r->begin = r->line;
        r->n = 0;
        memcpy(r->label, label, sizeof(label));
        return NULL;
    }
    if (take_mark(line, "-----END ", label))
        return end_block(r, label);
    *line = (struct bytes){NULL, 0};
    if (r->inside)
        return take_body(r, all);
    return joined ? "has something after the end of a block" : check_explanation(all);
}

static const char *take_line(struct reader *r, struct bytes line)
{
    const char *fault = NULL;

    for (bool joined = false; fault == NULL; joined = true) {
        while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
            line.n--;
        if (line.n == 0)
            break;
        fault = take(r, &line, joined);
    }
    return fault;
}

static int parse(struct reader *r, struct bytes text, char *why, size_t why_n)
{
    struct text t = {.in = text};
    const char *fault = NULL;
    unsigned blocks = 0;
    struct bytes line;
    int got = 0;

    while (fault == NULL && (got = text_line(&t, &line, &fault)) > 0) {
        r->line = t.line;
        blocks = r->blocks;
        fault = take_line(r, line);
    }
    if (got < 0)
        r->line = t.line;
    else if (fault == NULL && r->inside) {
        r->line = r->begin;
        fault = "the block that begins here has no end: the file was cut";
    } else if (fault == NULL && t.line > 0 && !t.ended && r->blocks == blocks)
        fault = "does not end: the file was cut, or lacks its last line feed";
    if (fault != NULL) {
        snprintf(why, why_n, "line %u: %s", r->line, fault);
        return KAPU_EINVAL;
    }
    if (r->blocks > 0)
        return 0;
    snprintf(why, why_n, "line %u: the end, and there was no PEM block before it", t.line);
    return KAPU_ENOENT;
}

int pem_parse(struct bytes text, pem_fn each, void *ctx, char *why, size_t why_n)
{
    struct reader r = {.each = each, .ctx = ctx, .body = malloc(text.n + 1)};
    int err = KAPU_ESPACE;

    if (r.body == NULL) {
        snprintf(why, why_n, "line 1: no memory");
        return err;
    }
    if (text.n > 1 && text.p[0] == 0x30 && text.p[1] >= 0x80) { /* a SEQUENCE of X.690 */
        snprintf(why, why_n, "line 1: is DER; PEM is needed (openssl x509, or pkey, -inform DER)");
        err = KAPU_EINVAL;
    } else {
        err = parse(&r, text, why, why_n);
    }
    kapu_wipe(r.body, text.n);
    free(r.body);
    return err;
}

int pem_file(const char *path, pem_fn each, void *ctx, char *why, size_t why_n)
{
    uint8_t *text = malloc(PEM_FILE_MAX);
    char reason[256];
    size_t n = 0;
    int err;

    if (text == NULL) {
        snprintf(why, why_n, "%s: no memory", path);
        return KAPU_ESPACE;
    }
    err = whole_file(path, PEM_FILE_MAX, text, &n, why, why_n);
    if (err == 0) {
        err = pem_parse((struct bytes){text, n}, each, ctx, reason, sizeof(reason));
        if (err != 0)
            snprintf(why, why_n, "%s, %s", path, reason);
    }
    kapu_wipe(text, n);
    free(text);
    return err;
}
