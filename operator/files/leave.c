// SPDX-License-Identifier: Apache-2.0
#include "leave.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define THINGS 8

static struct {
    char path[LEAVE_PATH];
    bool folder;
    volatile sig_atomic_t used;
} things[THINGS];
static int cut_status;

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ};
#define ENDING (sizeof(ending) / sizeof(ending[0]))

/* ---- in the handler: only what signal-safety(7) allows, and a system call ---- */

static void empty(const char *path)
{
    _Alignas(struct dirent64) char list[4096];
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n;

    while (fd >= 0 && (n = getdents64(fd, list, sizeof(list))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(list + at);

            (void)unlinkat(fd, entry->d_name, 0); /* which fails for "." and ".." */
            at += entry->d_reclen;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void remove_all(void)
{
    for (size_t i = THINGS; i > 0; i--) {
        if (!things[i - 1].used)
            continue;
        if (things[i - 1].folder) {
            empty(things[i - 1].path);
            (void)rmdir(things[i - 1].path);
        } else {
            (void)unlink(things[i - 1].path);
        }
    }
}

static void on_signal(int number)
{
    remove_all();
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* arrives when this handler returns */
}

static void on_cut(int number)
{
    static const char text[] =
        "kapu: a file that is being read became shorter, or its disk fails\n";

    (void)number;
    remove_all();
    if (write(STDERR_FILENO, text, sizeof(text) - 1) >= 0)
        _exit(cut_status);
    _exit(cut_status);
}

/* ---- before it ---- */

static void all_signals(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ENDING; i++)
        sigaddset(set, ending[i]);
    sigaddset(set, SIGBUS);
}

/* Of one signal after the other, so that nothing is removed twice. */
static void catch_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal}, is;

    all_signals(&act.sa_mask);
    for (size_t i = 0; i < ENDING; i++) {
        if (sigaction(ending[i], NULL, &is) == 0 && is.sa_handler == SIG_DFL)
            sigaction(ending[i], &act, NULL);
    }
}

int leave_remove(const char *path, bool folder)
{
    const size_t n = strlen(path) + 1;

    for (int i = 0; i < THINGS && n <= sizeof(things[i].path); i++) {
        if (things[i].used)
            continue;
        catch_signals();
        memcpy(things[i].path, path, n);
        things[i].folder = folder;
        things[i].used = 1;
        return i;
    }
    return -1;
}

void leave_keep(int number)
{
    if (number >= 0)
        things[number].used = 0;
}

void leave_hold(sigset_t *was)
{
    const int why = errno;
    sigset_t all;

    all_signals(&all);
    sigprocmask(SIG_BLOCK, &all, was);
    errno = why;
}

void leave_release(const sigset_t *was)
{
    const int why = errno;

    sigprocmask(SIG_SETMASK, was, NULL);
    errno = why;
}

void leave_when_cut(int status)
{
    struct sigaction act = {.sa_handler = on_cut};

    cut_status = status;
    all_signals(&act.sa_mask);
    sigaction(SIGBUS, &act, NULL);
}
