// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define FILE_MAX 65536u

struct reader {
    const struct setting *known;
    size_t n;
    void *into;
    unsigned first[SETTINGS_NAMES]; /* line in which a setting was; 0: not yet */
    unsigned line, found;
    char *why;
    size_t why_n;
};

#define REFUSE(r, ...)                                                                             \
    (snprintf((r)->why + place(r), (r)->why_n - place(r), __VA_ARGS__), KAPU_EINVAL)

/* Writes which line it is; the length of that, of what there is room for. */
static size_t place(const struct reader *r)
{
    const size_t n = (size_t)snprintf(r->why, r->why_n, "line %u: ", r->line);

    return n < r->why_n ? n : r->why_n;
}

/* The words before the comment, each ended in place. The count, or an error after saying why. */
static int split(const struct reader *r, char *line, char *word[SETTINGS_WORDS + 1])
{
    char *at = line;
    int words = 0;

    for (;;) {
        at += strspn(at, " \t");
        if (*at == '\0' || *at == '#')
            return words;
        if (words > (int)SETTINGS_WORDS)
            return REFUSE(r, "has too many words");
        word[words++] = at;
        for (; *at != '\0' && *at != ' ' && *at != '\t'; at++) {
            if ((unsigned char)*at > 0x7e)
                return REFUSE(r, "has a character that is not ASCII, outside of a comment");
        }
        if (*at != '\0')
            *at++ = '\0';
    }
}

static int take(struct reader *r, char **word, size_t words)
{
    size_t i = 0;

    while (i < r->n && strcmp(r->known[i].name, word[0]) != 0)
        i++;
    if (i == r->n)
        return REFUSE(r, "unknown setting '%s'", word[0]);
    if (r->first[i] != 0 && !r->known[i].repeats)
        return REFUSE(r, "'%s' is there twice, first in line %u", word[0], r->first[i]);
    if (words == 1)
        return REFUSE(r, "'%s' has no value; it takes %s", word[0], r->known[i].takes);
    if (words - 1 > (r->known[i].most != 0 ? r->known[i].most : 1) ||
        !r->known[i].set(r->into, r->known[i].offset, word + 1, words - 1))
        return REFUSE(r, "invalid value for '%s'; it takes %s", word[0], r->known[i].takes);
    r->first[i] = r->line;
    r->found++;
    return 0;
}

static int one_line(struct reader *r, struct bytes line)
{
    char text[TEXT_LINE_MAX + 1], *word[SETTINGS_WORDS + 1];
    int words;

    memcpy(text, line.p, line.n);
    text[line.n] = '\0';
    words = split(r, text, word);
    return words > 0 ? take(r, word, (size_t)words) : words;
}

int settings_parse(struct bytes text, const struct setting *known, size_t n, void *into, char *why,
                   size_t why_n)
{
    struct reader r = {.known = known, .n = n, .into = into, .why = why, .why_n = why_n};
    struct text t = {.in = text};
    struct bytes line;
    const char *fault;
    int got;

    if (n > SETTINGS_NAMES)
        return KAPU_EARG;
    while ((got = text_line(&t, &line, &fault)) > 0) {
        r.line = t.line;
        if (!t.ended)
            return REFUSE(&r, "does not end: the file was cut, or lacks its last line feed");
        got = one_line(&r, line);
        if (got != 0)
            return got;
    }
    r.line = t.line > 0 ? t.line : 1;
    if (got < 0)
        return REFUSE(&r, "%s", fault);
    return r.found > 0 ? 0 : REFUSE(&r, "the end, and there was no setting before it");
}

int settings_read(const char *path, const struct setting *known, size_t n, void *into, char *why,
                  size_t why_n)
{
    uint8_t *text = malloc(FILE_MAX);
    char reason[256];
    size_t size;
    int err;

    if (text == NULL) {
        snprintf(why, why_n, "%s: no memory", path);
        return KAPU_ESPACE;
    }
    err = whole_file(path, FILE_MAX, text, &size, why, why_n);
    if (err == 0) {
        err = settings_parse((struct bytes){text, size}, known, n, into, reason, sizeof(reason));
        if (err != 0)
            snprintf(why, why_n, "%s, %s", path, reason);
    }
    free(text);
    return err;
}

bool settings_number(const char *word, uint64_t most, uint64_t *n)
{
    uint64_t v = 0;

    if (word[0] == '\0')
        return false;
    for (; *word != '\0'; word++) {
        const uint64_t digit = (uint64_t)(*word - '0');

        if (*word < '0' || *word > '9' || digit > most || v > (most - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *n = v;
    return true;
}
