// SPDX-License-Identifier: Apache-2.0
/* kapu: the operator's tool. Finds the command and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "leave.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    int unwritten; /* its status when what it says cannot be written */
    const char *help;
} commands[] = {
    {"attest", command_attest, EXIT_NO_ANSWER, "ask a gateway for evidence, and judge it"},
    {"audit", command_audit, EXIT_FAILED,
     "what the operator's people did that no gateway can prove"},
    {"board", command_board, EXIT_FAILED,
     "which boards there is a record of by their manufacturer"},
    {"enroll", command_enroll, EXIT_NO_ANSWER, "take a gateway into the fleet"},
    {"evidence", command_evidence, EXIT_USAGE,
     "show what a token or message says, verified or not"},
    {"factory", command_factory, EXIT_FAILED, "provision a board's TPM, and show what is in it"},
    {"fleet", command_fleet, EXIT_NO_ANSWER, "which gateways there are, and which are trusted now"},
    {"forget", command_forget, EXIT_FAILED, "a gateway leaves the fleet"},
    {"inspect", command_inspect, EXIT_USAGE,
     "look into a gateway's memory: a dump, or one that runs"},
    {"reference", command_reference, EXIT_FAILED, "which releases the verifier knows"},
    {"release", command_release, EXIT_FAILED,
     "make a release, say who gets it, sign and verify both"},
    {"update", command_update, EXIT_FAILED, "bring releases to gateways in waves, and halt them"},
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

static int unwritten = EXIT_FAILED;

/* At each end of the program. Who asked believes what was written, and there is something missing.
 */
static void check_output(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return;
    (void)fail("what this command says could not be written: %s",
               errno != 0 ? strerror(errno) : "its output is closed or full");
    _exit(unwritten);
}

/* None of the three is free for a file that is opened later: what is said would be written into it.
 * Writing to one that is opened for reading fails, and that is told. */
static void hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd)
            _exit(EXIT_FAILED);
    }
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
    hold_standard_files();
    if (atexit(check_output) != 0)
        return EXIT_FAILED;
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
        if (strcmp(argv[1], commands[i].name) == 0) {
            unwritten = commands[i].unwritten;
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "kapu: there is no command '%s'\n", argv[1]);
    usage(stderr);
    return EXIT_USAGE;
}
