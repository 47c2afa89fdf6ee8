/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is removed when a signal ends this process: files and folders that are being made. Nothing
 * can be done about SIGKILL, so the next run has to find and replace what that leaves.
 *
 * A signal that the program catches or ignores itself is left alone.
 */
#ifndef KAPU_FILES_LEAVE_H
#define KAPU_FILES_LEAVE_H

#include <signal.h>
#include <stdbool.h>

#define LEAVE_PATH 4096

/* Removes it if a signal ends the process; a folder with all files in it, but not with folders.
 * The number for leave_keep; -1: too many, or too long a path. */
int leave_remove(const char *path, bool folder);
/* It is kept now, or has been removed. Nothing happens for -1. */
void leave_keep(int number);

/* No such signal arrives between the two: something is made and said here, for example. */
void leave_hold(sigset_t *was);
void leave_release(const sigset_t *was);

/* A file that is read through memory may become shorter: the process then ends with this status,
 * after a message. */
void leave_when_cut(int status);

#endif
