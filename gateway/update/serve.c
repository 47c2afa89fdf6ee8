// SPDX-License-Identifier: Apache-2.0
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <kapu/protocol.h>

#define PASSED_FD 3 /* SD_LISTEN_FDS_START */
#define BACKLOG 4

/* As sd_listen_fds(3), which needs no library for that. */
static bool was_passed(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

    return pid != NULL && fds != NULL && strtol(pid, NULL, 10) == (long)getpid() &&
           strcmp(fds, "1") == 0;
}

static int make(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const size_t n = strlen(path) + 1;
    int fd;

    if (n > sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(a.sun_path, path, n);
    (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        (bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, BACKLOG) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

int serve_open(struct serve *s, const char *path)
{
    s->fd = was_passed() ? PASSED_FD : make(path);
    return s->fd >= 0 ? 0 : KAPU_EIO;
}

void serve_close(struct serve *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

static int wait_for(int fd, uint32_t ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

/* A byte more than any request has, to see one that is too large. */
static void serve_one(int fd, struct bytes (*answer)(void *ctx, struct bytes request), void *ctx)
{
    static uint8_t request[PROTOCOL_REQUEST_MAX + 1u];
    struct bytes reply;
    ssize_t n = wait_for(fd, SERVE_WAIT_MS) > 0 ? recv(fd, request, sizeof(request), 0) : 0;

    if (n <= 0)
        return;
    reply = answer(ctx, (struct bytes){request, (size_t)n});
    kapu_wipe(request, sizeof(request));                            /* an order may have a key */
    (void)!send(fd, reply.p, reply.n, MSG_NOSIGNAL | MSG_DONTWAIT); /* who is gone needs none */
}

int serve_poll(struct serve *s, uint32_t ms,
               struct bytes (*answer)(void *ctx, struct bytes request), void *ctx)
{
    const int ready = wait_for(s->fd, ms);
    int fd;

    if (ready <= 0)
        return ready;
    fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return errno == ECONNABORTED ? 0 : -1;
    serve_one(fd, answer, ctx);
    (void)close(fd);
    return 1;
}
