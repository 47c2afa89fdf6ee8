// SPDX-License-Identifier: Apache-2.0
/*
 * fetch.h on a folder: base is file:PATH. A file PATH/down is a server that does not answer;
 * PATH/endless one that sends more than was asked for; PATH/slow has how many ms each range takes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fetch.h"

struct fetch {
    char base[256];
    enum fetch_fault fault;
    uint64_t bytes;
    bool (*goes_on)(void *ctx);
    void *ctx;
};

struct fetch *fetch_open(const char *base, const struct fetch_limits *l, bool (*goes_on)(void *ctx),
                         void *ctx)
{
    struct fetch *f = strncmp(base, "file:", 5) == 0 ? calloc(1, sizeof(*f)) : NULL;

    (void)l;
    if (f == NULL)
        return NULL;
    (void)snprintf(f->base, sizeof(f->base), "%s", base + 5);
    f->goes_on = goes_on;
    f->ctx = ctx;
    return f;
}

void fetch_close(struct fetch *f)
{
    free(f);
}

static int open_in(const struct fetch *f, const char *folder, const char *file)
{
    char path[600];

    (void)snprintf(path, sizeof(path), "%s/%s/%s", f->base, folder, file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_there(const struct fetch *f, const char *file)
{
    const int fd = open_in(f, ".", file);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static void rest(const struct fetch *f)
{
    const int fd = open_in(f, ".", "slow");
    char text[16] = "";
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    const long ms = n > 0 ? strtol(text, NULL, 10) : 0;

    if (fd >= 0)
        (void)close(fd);
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

int fetch_range(struct fetch *f, const char *folder, const char *file, uint64_t at, uint8_t *to,
                uint32_t n)
{
    int fd;
    ssize_t got;

    rest(f);
    f->fault = !f->goes_on(f->ctx)      ? FETCH_STOPPED
               : is_there(f, "down")    ? FETCH_NO_ANSWER
               : is_there(f, "endless") ? FETCH_ENDLESS
                                        : FETCH_FINE;
    if (f->fault != FETCH_FINE)
        return KAPU_EIO;
    fd = open_in(f, folder, file);
    got = fd >= 0 ? pread(fd, to, n, (off_t)at) : -1;
    if (fd < 0)
        f->fault = FETCH_REFUSED;
    else if (got != (ssize_t)n)
        f->fault = FETCH_SHORT;
    if (fd >= 0)
        (void)close(fd);
    f->bytes += f->fault == FETCH_FINE ? n : 0;
    return f->fault == FETCH_FINE ? 0 : KAPU_EIO;
}

enum fetch_fault fetch_fault(const struct fetch *f)
{
    return f->fault;
}

const char *fetch_said(const struct fetch *f)
{
    return f->fault == FETCH_NO_ANSWER ? "no answer"
           : f->fault == FETCH_ENDLESS ? "endless"
           : f->fault == FETCH_SHORT   ? "short"
                                       : "404";
}

uint64_t fetch_bytes(const struct fetch *f)
{
    return f->bytes;
}
