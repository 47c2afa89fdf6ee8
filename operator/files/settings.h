/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one reader of settings: a line has a name and one or more words, with blanks between them. A
 * '#' at the beginning of a word begins a comment.
 *
 * Nothing is passed over. Refused with the line and the reason: a name that is not known, a setting
 * that is there twice, one with too few or too many words, a value that does not fit, characters
 * other than printable ASCII outside of comments, control characters anywhere, a last line without
 * its line feed (the file was cut), a text in which there is no setting.
 */
#ifndef KAPU_FILES_SETTINGS_H
#define KAPU_FILES_SETTINGS_H

#include <kapu/bytes.h>

#define SETTINGS_WORDS 64u /* of a value, at most */
#define SETTINGS_NAMES 64u /* rows of a table, at most */

struct setting {
    const char *name;
    const char *takes; /* for messages: what its value is */
    /* Takes the words of its value, at least one; false: they do not fit. */
    bool (*set)(void *into, size_t offset, char **word, size_t words);
    size_t offset; /* as `set` wants it */
    size_t most;   /* words of its value; 0: one */
    bool repeats;  /* may be there several times; `set` refuses what must not be */
};

/* 0, or KAPU_EINVAL: `why` begins with "line N: ". */
KAPU_MUST_CHECK int settings_parse(struct bytes text, const struct setting *known, size_t n,
                                   void *into, char *why, size_t why_n);

/* The same of a file of at most 64 KiB; `why` begins with the path. Further errors are those of
 * whole_file (text.h). */
KAPU_MUST_CHECK int settings_read(const char *path, const struct setting *known, size_t n,
                                  void *into, char *why, size_t why_n);

/* A whole number in decimal digits, at most `most`. */
KAPU_MUST_CHECK bool settings_number(const char *word, uint64_t most, uint64_t *n);

#endif
