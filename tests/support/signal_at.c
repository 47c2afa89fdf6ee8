// SPDX-License-Identifier: Apache-2.0
/*
 * Loaded before other libraries (LD_PRELOAD): sends a signal to the process at its n-th call that
 * changes something on a disk or makes a process, before the call is made.
 *
 *   KAPU_SIGNAL      number of the signal
 *   KAPU_SIGNAL_AT   n, from 1
 *   KAPU_SIGNAL_COUNT  a file that says at the end how many such calls there were
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned long calls;

static void one_more(void)
{
    const char *at = getenv("KAPU_SIGNAL_AT"), *number = getenv("KAPU_SIGNAL");

    if (at != NULL && number != NULL && ++calls == strtoul(at, NULL, 10))
        (void)kill(getpid(), atoi(number));
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

static mode_t mode_of(int flags, va_list more)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

pid_t fork(void)
{
    one_more();
    return REAL(fork);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    if ((flags & O_CREAT) != 0)
        one_more();
    return REAL(open, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    if ((flags & O_CREAT) != 0)
        one_more();
    return REAL(openat, folder, path, flags, mode);
}

#define CHANGES(name, parameters, ...)                                                             \
    int name parameters                                                                            \
    {                                                                                              \
        one_more();                                                                                \
        return REAL(name, __VA_ARGS__);                                                            \
    }

CHANGES(fsync, (int fd), fd)
CHANGES(fdatasync, (int fd), fd)
CHANGES(ftruncate, (int fd, off_t size), fd, size)
CHANGES(fchmod, (int fd, mode_t mode), fd, mode)
CHANGES(mkdir, (const char *path, mode_t mode), path, mode)
CHANGES(mkdirat, (int folder, const char *path, mode_t mode), folder, path, mode)
CHANGES(rename, (const char *from, const char *to), from, to)
CHANGES(renameat, (int a, const char *from, int b, const char *to), a, from, b, to)
CHANGES(unlink, (const char *path), path)
CHANGES(unlinkat, (int folder, const char *path, int flags), folder, path, flags)

ssize_t write(int fd, const void *from, size_t n)
{
    if (fd > 2)
        one_more();
    return REAL(write, fd, from, n);
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("KAPU_SIGNAL_COUNT");
    FILE *to = path != NULL ? fopen(path, "w") : NULL;

    if (to != NULL) {
        fprintf(to, "%lu\n", calls);
        fclose(to);
    }
}
