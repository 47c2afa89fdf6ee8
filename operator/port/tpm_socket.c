// SPDX-License-Identifier: Apache-2.0
#include "tpm_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define POLL_MS 5
#define ANSWER_MS 60000
#define HEADER_N 10u

int tpm_socket_open(struct tpm_socket *s, const char *path, int patience_ms)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    for (int ms = 0;; ms += POLL_MS) {
        s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s->fd < 0)
            return -1;
        if (connect(s->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
            return 0;
        close(s->fd);
        s->fd = -1;
        if (ms >= patience_ms)
            return -1;
        usleep(POLL_MS * 1000);
    }
}

void tpm_socket_close(struct tpm_socket *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static int read_all(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, ANSWER_MS);
        ssize_t got;

        if (ready == 0)
            return KAPU_ETIMEOUT;
        got = ready == 1 ? read(fd, to, n) : -1;
        if (got <= 0)
            return KAPU_EIO;
        to += got;
        n -= (size_t)got;
    }
    return 0;
}

static int transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    const struct tpm_socket *s = ctx;
    uint8_t header[HEADER_N];
    struct rd r;
    uint32_t size;
    int err;

    if (s->fd < 0 || send(s->fd, cmd.p, cmd.n, MSG_NOSIGNAL) != (ssize_t)cmd.n)
        return KAPU_EIO;
    err = read_all(s->fd, header, sizeof(header));
    if (err != 0)
        return err;
    rd_init(&r, BYTES_OF(header));
    (void)rd_be16(&r);
    size = rd_be32(&r);
    if (size < sizeof(header))
        return KAPU_EINVAL;
    if (size > capacity)
        return KAPU_ESPACE;
    memcpy(rsp, header, sizeof(header));
    err = read_all(s->fd, rsp + sizeof(header), size - sizeof(header));
    *n = size;
    return err;
}

static void pause_ms(void *ctx, uint32_t ms)
{
    (void)ctx;
    usleep(ms * 1000);
}

struct tpm2_transport tpm_socket_transport(struct tpm_socket *s)
{
    return (struct tpm2_transport){transceive, pause_ms, s};
}
