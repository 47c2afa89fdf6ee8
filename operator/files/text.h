/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are read whole, and their lines. Anybody may have written them, and anything may have
 * happened to them since: a file is read to its last byte or refused with a sentence that names it.
 */
#ifndef KAPU_FILES_TEXT_H
#define KAPU_FILES_TEXT_H

#include <kapu/bytes.h>

/* The longest line; a longer one is damage, or no text. */
#define TEXT_LINE_MAX 8192u

/*
 * Reads all of a file into `to`, which has room for `most` bytes. 0 and *n >= 1; KAPU_ENOENT there
 * is no such file, KAPU_EINVAL it is empty, KAPU_ERANGE it is larger than `most`, KAPU_EIO it
 * cannot be read. With an error, `why` is a sentence that begins with the path.
 */
KAPU_MUST_CHECK int whole_file(const char *path, size_t most, uint8_t *to, size_t *n, char *why,
                               size_t why_n);

/* What a file is that was not expected: "; it seems to be a CoRIM". Empty: it cannot be told. */
const char *text_format(struct bytes file);

struct text {
    struct bytes in;
    size_t at;
    unsigned line; /* number of the line that was read last, from 1 */
    bool ended;    /* that line has a line feed */
};

/*
 * The next line, without its end (a line feed, or a carriage return and a line feed). 1, or 0 after
 * the last one, or KAPU_EINVAL: *fault says what is wrong with line t->line. Control characters
 * other than tabs are refused, so text in UTF-16 is too.
 */
KAPU_MUST_CHECK int text_line(struct text *t, struct bytes *line, const char **fault);

#endif
