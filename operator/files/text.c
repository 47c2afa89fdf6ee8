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

struct format {
    const char *bytes;
    size_t n;
    const char *name;
};

#define FORMAT(bytes, name)                                                                        \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, SEEMS name                                                       \
    }

/* Numbers of CBOR tags and of claims: RFC 8392, RFC 9711, draft-ietf-rats-corim, RFC 9393. */
static const struct format formats[] = {
    FORMAT("\xd9\x01\xf4", "a CoRIM (tag 500)"),
    FORMAT("\xd9\x01\xf5", "a CoRIM (tag 501)"),
    FORMAT("\xd9\x01\xf6", "a signed CoRIM (tag 502)"),
    FORMAT("\xd9\x01\xfa", "a CoMID (tag 506)"),
    FORMAT("\xd9\x01\xfb", "a CoTS (tag 507)"),
    FORMAT("\xd9\x01\xf9", "a CoSWID (tag 505)"),
    FORMAT("\xda\x53\x57\x49\x44", "a CoSWID"),
    FORMAT("\xd9\x02\x5a", "a detached EAT bundle (tag 602)"),
    FORMAT("\xd8\x3d", "a CWT (RFC 8392), maybe an EAT of another profile"),
    FORMAT("\xd1", "a COSE_Mac0, maybe an EAT of another profile"),
    FORMAT("\xd2", "a COSE_Sign1 of another kind"),
    FORMAT("\xd8\x62", "a COSE_Sign of another kind"),
    FORMAT("\x84\x43", "a COSE_Sign1 without its tag, maybe an EAT of another profile"),
    FORMAT("eyJ", "a JSON Web Token"),
    FORMAT("{", "JSON"),
    FORMAT("-----BEGIN ", "PEM"),
    FORMAT("\x30\x82", "DER"),
    FORMAT("\x7f"
           "ELF",
           "ELF"),
    FORMAT("\x1f\x8b", "gzip"),
    FORMAT("PK\x03\x04", "zip"),
    FORMAT("SQLite format 3", "an SQLite database"),
};

/* What the beginning of a CBOR file has in it. The more particular comes first. */
static const struct format inside[] = {
    FORMAT("application/x.kapu.board-record", "a board record of kapu"),
    FORMAT("application/x.kapu.reference", "a file of kapu's reference values"),
    FORMAT("application/x.kapu.", "a file of kapu for releases"),
    FORMAT("application/rim+cose", "a signed CoRIM"),
    FORMAT("application/rim+cbor", "a signed CoRIM"),
    FORMAT("application/corim", "a signed CoRIM"),
    FORMAT("tag:kapu.example,2026:evidence", "a token of kapu's evidence"),
    FORMAT("application/eat", "an EAT (RFC 9711)"),
    FORMAT("\x19\x01\x09\x78", "an EAT (RFC 9711)"),     /* eat_profile, a text */
    FORMAT("\x19\x01\x09\xd8\x6f", "an EAT (RFC 9711)"), /* or an OID */
};

#define LOOK_AT 1024u

static bool is_cbor(struct bytes file)
{
    return file.n > 0 && file.p[0] >= 0x80 && file.p[0] < 0xdf; /* array, map or tag */
}

const char *text_format(struct bytes file)
{
    const size_t n = file.n < LOOK_AT ? file.n : LOOK_AT;

    for (size_t i = 0; is_cbor(file) && i < sizeof(inside) / sizeof(inside[0]); i++) {
        if (memmem(file.p, n, inside[i].bytes, inside[i].n) != NULL)
            return inside[i].name;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (file.n >= formats[i].n && memcmp(file.p, formats[i].bytes, formats[i].n) == 0)
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
