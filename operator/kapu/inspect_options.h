/* SPDX-License-Identifier: Apache-2.0 */
/* What kapu inspect is asked for. */
#ifndef KAPU_CLI_INSPECT_OPTIONS_H
#define KAPU_CLI_INSPECT_OPTIONS_H

#include <stdbool.h>

/* Texts of the command line; NULL: not given. Either `file` or `live` is. */
struct options {
    const char *file, *live, *release, *profile, *allow, *picture;
    bool json, quiet;
};

/* 0, or -1 after saying what is wrong and how the command is used. --help ends the program. */
int options_parse(int argc, char **argv, struct options *o);

#endif
