// SPDX-License-Identifier: Apache-2.0
#include "inspect_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inspect_qmp.h"

#define PATH 600
#define MARK "inspect.stopped"
#define LOCK_TRIES 600
#define TRY_NS 100000000L /* between two tries: a tenth of a second */

static const char *below(const struct guard *g, const char *name, char to[PATH])
{
    snprintf(to, PATH, "%s/%s", g->folder, name);
    return to;
}

static void pause_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = TRY_NS};

    (void)nanosleep(&moment, NULL);
}

int guard_lock(struct guard *g, const char *folder, bool *left)
{
    char path[PATH];
    int err;

    *g = (struct guard)GUARD_NONE;
    g->folder = folder;
    g->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = g->lock >= 0 ? flock(g->lock, LOCK_EX | LOCK_NB) : -1;
    if (err != 0 && errno == EWOULDBLOCK)
        fprintf(stderr, "kapu: %s: another kapu inspect looks at it; waiting for its end\n",
                folder);
    for (int i = 0; err != 0 && errno == EWOULDBLOCK && i < LOCK_TRIES; i++) {
        pause_a_moment();
        err = flock(g->lock, LOCK_EX | LOCK_NB);
    }
    if (err != 0) {
        fprintf(stderr, "kapu: %s: %s\n", folder,
                errno == EWOULDBLOCK ? "the other kapu inspect has not ended: try again later"
                                     : strerror(errno));
        return -1;
    }
    *left = access(below(g, MARK, path), F_OK) == 0;
    if (*left)
        fprintf(stderr,
                "kapu: %s: a kapu inspect that was killed left it stopped; it will run "
                "again after this look\n",
                folder);
    return 0;
}

/* ---- the other process ---- */

/* The control socket is free when the process that looked has ended. A gdb stub that the gateway
 * was started with stays. */
static int let_run(const struct guard *g)
{
    char path[PATH];
    int fd = unix_connect(below(g, "qmp.sock", path)), err;

    if (fd < 0)
        return errno == ENOENT || errno == ECONNREFUSED ? 0 : -1; /* it does not run any more */
    err = qmp_begin(fd);
    if (err == 0 && access(below(g, "gdb.sock", path), F_OK) != 0)
        err = qmp_do(fd, QMP_NO_GDB);
    if (err == 0)
        err = qmp_do(fd, QMP_CONT);
    close(fd);
    return err;
}

/* Away from the terminal, and from a program that waits for this command's output to end. */
static void detach(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP};
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)setsid();
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        (void)dup2(null, fd);
}

/* Tells the process that looks whether the mark is there: an error number, or 0. It is made here,
 * as that process may end at any moment, and nobody would remove it. */
static void make_mark(const struct guard *g, int tell)
{
    char path[PATH];
    const int mark = open(below(g, MARK, path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const int err = mark >= 0 ? 0 : errno;

    if (mark >= 0)
        close(mark);
    (void)!write(tell, &err, sizeof(err)); /* if nobody hears it, wait_and_let_run finds that out */
    close(tell);
    if (err != 0)
        _exit(1);
}

static void wait_and_let_run(const struct guard *g, int begin, int qmp)
{
    static const char *const names[] = {"inspect.core", "inspect.sock", MARK};
    char done, path[PATH];
    ssize_t n;

    close(qmp);
    do
        n = read(begin, &done, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    for (int i = 0; i < LOCK_TRIES && let_run(g) != 0; i++)
        pause_a_moment();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(below(g, names[i], path));
    _exit(0);
}

/* ---- this process ---- */

/* Until the other process guards: what it says, or that it is not there. */
static int wait_for_guard(const struct guard *g, int told)
{
    char path[PATH];
    int err = EPIPE;
    ssize_t n;

    do
        n = read(told, &err, sizeof(err));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(err))
        err = EPIPE;
    if (err != 0)
        fprintf(stderr, "kapu: %s: %s\n", below(g, MARK, path), strerror(err));
    return err == 0 ? 0 : -1;
}

static void keep_from_suspension(struct guard *g)
{
    sigset_t suspending;

    sigemptyset(&suspending);
    sigaddset(&suspending, SIGTSTP);
    sigaddset(&suspending, SIGTTIN);
    sigaddset(&suspending, SIGTTOU);
    sigprocmask(SIG_BLOCK, &suspending, &g->mask);
}

int guard_begin(struct guard *g, int qmp)
{
    int ends[2], told[2], err = -1;

    keep_from_suspension(g);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("kapu: a pipe");
        return -1;
    }
    g->end = ends[1];
    if (pipe2(told, O_CLOEXEC) != 0) {
        perror("kapu: a pipe");
        close(ends[0]);
        return -1;
    }
    g->child = fork();
    if (g->child == 0) {
        detach();
        close(ends[1]);
        close(told[0]);
        make_mark(g, told[1]);
        wait_and_let_run(g, ends[0], qmp);
    }
    close(ends[0]);
    close(told[1]);
    if (g->child < 0)
        perror("kapu: a process that guards the gateway");
    else
        err = wait_for_guard(g, told[0]);
    close(told[0]);
    if (err != 0 && g->child > 0) { /* it has ended */
        (void)waitpid(g->child, NULL, 0);
        g->child = -1;
    }
    return err;
}

void guard_end(struct guard *g, bool running)
{
    char path[PATH];

    if (g->end >= 0) {
        if (running && g->child > 0) {
            (void)unlink(below(g, MARK, path));
            if (write(g->end, "", 1) != 1)
                perror("kapu: the process that guards the gateway");
        }
        close(g->end);
        while (g->child > 0 && waitpid(g->child, NULL, 0) < 0 && errno == EINTR)
            ;
        sigprocmask(SIG_SETMASK, &g->mask, NULL);
    }
    if (g->lock >= 0)
        close(g->lock);
    *g = (struct guard)GUARD_NONE;
}
