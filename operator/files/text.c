// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int whole_file(const char *path, size_t most, uint8_t *to, size_t *n, char *why, size_t why_n)
{
    FILE *file = fopen(path, "rbe");
    int err = 0;

    *n = 0;
    if (file == NULL) {
        err = errno == ENOENT ? KAPU_ENOENT : KAPU_EIO;
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        return err;
    }
    (void)setvbuf(file, NULL, _IONBF, 0); /* it may be a private key: no copy in a buffer */
    *n = fread(to, 1, most, file);
    if (ferror(file) == 0 && *n == most && fgetc(file) != EOF) {
        snprintf(why, why_n, "%s: is larger than %zu bytes, the most that such a file has", path,
                 most);
        err = KAPU_ERANGE;
    } else if (ferror(file) != 0) {
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        err = KAPU_EIO;
    } else if (*n == 0) {
        snprintf(why, why_n, "%s: is empty", path);
        err = KAPU_EINVAL;
    }
    fclose(file);
    if (err != 0)
        *n = 0;
    return err;
}

#define SEEMS "; it seems to be "

const char *text_format(struct bytes file)
{
    static const struct {
        const char *begin;
        size_t n;
        const char *name;
    } formats[] = {
        {"\xd9\x01\xf5", 3, SEEMS "a CoRIM (tag 501)"},
        {"\xd9\x01\xf6", 3, SEEMS "a signed CoRIM (tag 502)"},
        {"\xd9\x01\xfa", 3, SEEMS "a CoMID (tag 506)"},
        {"\xd8\x3d", 2, SEEMS "a CWT (RFC 8392), maybe an EAT of another profile"},
        {"\xd2", 1, SEEMS "a COSE_Sign1 of another kind"},
        {"\xd8\x62", 2, SEEMS "a COSE_Sign of another kind"},
        {"\x84\x43", 2, SEEMS "a COSE_Sign1 without its tag, maybe an EAT of another profile"},
        {"eyJ", 3, SEEMS "a JSON Web Token"},
        {"{", 1, SEEMS "JSON"},
        {"-----BEGIN ", 11, SEEMS "PEM"},
        {"\x30\x82", 2, SEEMS "DER"},
        {"\x7f"
         "ELF",
         4, SEEMS "ELF"},
        {"\x1f\x8b", 2, SEEMS "gzip"},
        {"PK\x03\x04", 4, SEEMS "zip"},
        {"SQLite format 3", 15, SEEMS "an SQLite database"},
    };

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (file.n >= formats[i].n && memcmp(file.p, formats[i].begin, formats[i].n) == 0)
            return formats[i].name;
    }
    return "";
}

/* ---- lines ---- */

static const char *fault_of(struct bytes line)
{
    if (line.n > TEXT_LINE_MAX)
        return "is too long for a line of text";
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == 0)
            return "has a zero byte: it is damaged, or no text, or text in UTF-16";
        if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
            return "has a control character: it is damaged, or no text";
    }
    return NULL;
}

int text_line(struct text *t, struct bytes *line, const char **fault)
{
    const uint8_t *begin = t->in.p + t->at, *end;
    const size_t left = t->in.n - t->at;

    if (left == 0)
        return 0;
    end = memchr(begin, '\n', left);
    t->ended = end != NULL;
    *line = (struct bytes){begin, t->ended ? (size_t)(end - begin) : left};
    t->at += line->n + t->ended;
    t->line++;
    if (t->ended && line->n > 0 && begin[line->n - 1] == '\r')
        line->n--;
    *fault = t->line == 1 && line->n >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0
                 ? "begins with a byte order mark: save it as plain text"
                 : fault_of(*line);
    return *fault == NULL ? 1 : KAPU_EINVAL;
}
