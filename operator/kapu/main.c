// SPDX-License-Identifier: Apache-2.0
/* kapu: the operator's tool. Finds the command and runs it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "leave.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"attest", command_attest, "ask a gateway for evidence, and judge it"},
    {"audit", command_audit, "what the operator's people did that no gateway can prove"},
    {"board", command_board, "which boards there is a record of by their manufacturer"},
    {"enroll", command_enroll, "take a gateway into the fleet"},
    {"evidence", command_evidence, "show what a token or message says, verified or not"},
    {"factory", command_factory, "provision a board's TPM, and show what is in it"},
    {"fleet", command_fleet, "which gateways there are, and which are trusted now"},
    {"forget", command_forget, "a gateway leaves the fleet"},
    {"inspect", command_inspect, "look into a gateway's memory: a dump, or one that runs"},
    {"reference", command_reference, "which releases the verifier knows"},
    {"release", command_release, "make a release, say who gets it, sign and verify both"},
    {"update", command_update, "bring releases to gateways in waves, and halt them"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int fail(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "kapu: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    return EXIT_FAILED;
}

int bad_value(const char *option, const char *value, const char *takes)
{
    (void)fail("%s takes %s, not '%s'", option, takes, value);
    return EXIT_USAGE;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: kapu COMMAND ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\n  kapu COMMAND --help tells more; kapu --version\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("kapu %s\n", KAPU_VERSION);
        return EXIT_DONE;
    }
    leave_when_cut(EXIT_FAILED);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "kapu: there is no command '%s'\n", argv[1]);
    usage(stderr);
    return EXIT_USAGE;
}
