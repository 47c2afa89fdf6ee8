// SPDX-License-Identifier: Apache-2.0
#include "inspect_qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 60000

int unix_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        const int why = errno;

        close(fd);
        errno = why;
        fd = -1;
    }
    return fd;
}

ssize_t unix_read(int fd, char *to, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ANSWER_MS) == 1 ? read(fd, to, n) : -1;
}

int unix_write(int fd, const char *from, size_t n)
{
    while (n > 0) {
        const ssize_t done = send(fd, from, n, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        from += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Waits for something to read, as long as the file grows. */
static bool is_readable(int fd, const char *grows)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    off_t was = -1;
    struct stat s;

    for (;;) {
        if (poll(&p, 1, ANSWER_MS) == 1)
            return true;
        if (grows == NULL || stat(grows, &s) != 0 || s.st_size == was)
            return false;
        was = s.st_size;
    }
}

/* One line without events; cut to n. */
static int read_line(int fd, const char *grows, char *to, size_t n)
{
    size_t at = 0;

    for (;;) {
        char c;

        if (!is_readable(fd, grows) || read(fd, &c, 1) != 1)
            return -1;
        if (c == '\n') {
            to[at] = '\0';
            if (strstr(to, "\"event\"") == NULL || strstr(to, "\"return\"") != NULL)
                return 0;
            at = 0;
        } else if (at + 1 < n) {
            to[at++] = c;
        }
    }
}

int qmp_command(int fd, const char *command, const char *grows, char answer[QMP_ANSWER_SIZE])
{
    if (unix_write(fd, command, strlen(command)) != 0 || unix_write(fd, "\n", 1) != 0 ||
        read_line(fd, grows, answer, QMP_ANSWER_SIZE) != 0) {
        fprintf(stderr, "kapu: QEMU closed its control socket, or does not answer there\n");
        return -1;
    }
    if (strstr(answer, "\"error\"") != NULL) {
        fprintf(stderr, "kapu: QEMU refuses: %s\n", answer);
        return -1;
    }
    return 0;
}

int qmp_do(int fd, const char *command)
{
    char answer[QMP_ANSWER_SIZE];

    return qmp_command(fd, command, NULL, answer);
}

int qmp_begin(int fd)
{
    char answer[QMP_ANSWER_SIZE];

    if (read_line(fd, NULL, answer, sizeof(answer)) != 0) {
        fprintf(stderr, "kapu: QEMU does not answer at its control socket: another program may be "
                        "connected to it\n");
        return -1;
    }
    return qmp_do(fd, "{\"execute\":\"qmp_capabilities\"}");
}
