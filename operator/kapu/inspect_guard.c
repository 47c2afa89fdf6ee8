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

static void wait_and_let_run(const struct guard *g, int begin, int qmp)
{
    static const char *const names[] = {"inspect.core", "inspect.sock", MARK};
    char done, path[PATH];
    ssize_t n;

    close(g->end);
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

int guard_begin(struct guard *g, int qmp)
{
    char path[PATH];
    sigset_t suspending;
    int mark, ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("kapu: a pipe");
        return -1;
    }
    g->end = ends[1];
    mark = open(below(g, MARK, path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (mark >= 0)
        g->child = fork();
    if (g->child == 0) {
        detach();
        wait_and_let_run(g, ends[0], qmp);
    }
    if (g->child < 0)
        perror(mark < 0 ? path : "kapu: a process that guards the gateway");
    if (mark >= 0)
        close(mark);
    close(ends[0]);
    sigemptyset(&suspending);
    sigaddset(&suspending, SIGTSTP);
    sigaddset(&suspending, SIGTTIN);
    sigaddset(&suspending, SIGTTOU);
    sigprocmask(SIG_BLOCK, &suspending, &g->mask);
    return g->child > 0 ? 0 : -1;
}

void guard_end(struct guard *g, bool running)
{
    char path[PATH];

    if (g->end >= 0) {
        if (running || g->child < 0) {
            (void)unlink(below(g, MARK, path));
            if (g->child > 0 && write(g->end, "", 1) != 1)
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
