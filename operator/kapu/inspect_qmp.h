/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's control socket (QMP: JSON, one answer per line). Only a handful of fixed commands is sent,
 * so answers are searched for a word, not parsed. Functions return 0 or -1.
 */
#ifndef KAPU_INSPECT_QMP_H
#define KAPU_INSPECT_QMP_H

#include <stddef.h>
#include <sys/types.h>

#define QMP_ANSWER_SIZE 65536
#define QMP_CONT "{\"execute\":\"cont\"}"
#define QMP_STOP "{\"execute\":\"stop\"}"
#define QMP_NO_GDB                                                                                 \
    "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"gdbserver none\"}}"

/* A connection to a Unix socket, or -1 with errno. */
int unix_connect(const char *path);
/* Up to n bytes as read(2) gives them; -1 if none came in a minute. */
ssize_t unix_read(int fd, char *to, size_t n);
/* All n bytes; no signal if the other end is closed. */
int unix_write(int fd, const char *from, size_t n);

/* Greeting and capabilities, after unix_connect. A control socket has one client at a time: the
 * greeting comes when the one before has left. */
int qmp_begin(int fd);
/* Sends a command and waits for its answer, for as long as `grows` does: a file that QEMU writes,
 * or NULL. Says on stderr what went wrong. */
int qmp_command(int fd, const char *command, const char *grows, char answer[QMP_ANSWER_SIZE]);
/* The same for a command whose answer does not matter. */
int qmp_do(int fd, const char *command);

#endif
