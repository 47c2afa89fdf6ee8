/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of kapu, one source file each. */
#ifndef KAPU_COMMANDS_H
#define KAPU_COMMANDS_H

/* Exit statuses of all commands. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* what was asked for could not be done; stderr says why */
    EXIT_USAGE = 2,
    EXIT_NO_ANSWER = 3, /* nobody answered, or nothing could be judged */
};

/* argv[0] is the command's name. */
int command_factory(int argc, char **argv);
/* Its statuses: 0 shown, 1 shown, but a signature does not verify, 2 it is no evidence. */
int command_evidence(int argc, char **argv);
/* Its statuses: 0 nothing found, 1 findings, 2 could not inspect. */
int command_inspect(int argc, char **argv);

/* Statuses by verdict: EXIT_FAILED is "not trusted" or "refused". */
int command_attest(int argc, char **argv);
int command_enroll(int argc, char **argv);
int command_fleet(int argc, char **argv);
int command_forget(int argc, char **argv);
int command_reference(int argc, char **argv);
int command_release(int argc, char **argv);
int command_board(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_update(int argc, char **argv);

/* Says on stderr what is wrong, with the program's name before it. Returns EXIT_FAILED. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that an option's value does not fit, and what it takes. Returns EXIT_USAGE. */
int bad_value(const char *option, const char *value, const char *takes);

#endif
