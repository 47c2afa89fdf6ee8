// SPDX-License-Identifier: Apache-2.0
/* Requests about updates go to the writer of updates, and its answers back, unread. */
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "link.h"

#define SOCKET "/run/kapu-update.socket"
/* Less than the keepalive of the line. An approval has a deep check made. */
#define ANSWER_S 20
#define APPROVED_S 100

static int dial(bool approval)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    const struct timeval most = {.tv_sec = approval ? APPROVED_S : ANSWER_S};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)) != 0 ||
                    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

size_t updates_ask(struct bytes request, bool approval, uint8_t *answer, size_t most)
{
    int fd = dial(approval);
    ssize_t n = -1;

    if (fd >= 0 && send(fd, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n)
        n = recv(fd, answer, most, MSG_TRUNC);
    if (n < 0)
        say("%s: %m", SOCKET);
    if (fd >= 0)
        close(fd);
    return n > 0 && (size_t)n <= most ? (size_t)n : 0;
}
