// SPDX-License-Identifier: Apache-2.0
/* kapu: the operator's command-line tool. Each command is a row and a file. */
#include <stdio.h>
#include <string.h>

#include "inspect.h"

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"inspect", "look into a gateway's memory: a dump, or one that runs", command_inspect},
};

static int usage(FILE *to)
{
    fprintf(to, "usage: kapu COMMAND ...\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\nkapu COMMAND --help tells more.\n");
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "kapu: no command '%s'\n", argv[1]);
    return usage(stderr);
}
