// SPDX-License-Identifier: Apache-2.0
/* kapu-lab-channel: runs commands that come over a port of its own, one after the other, and
 * returns what they said. Tests use it; the console stays for what the gateway says by itself. Lab
 * flavour only: whoever holds the host's end of the port is root here.
 *
 *     request   id, length, command           numbers are u32, little-endian
 *     reply     "KAPU", id, status, length, output
 *
 * A status is as a shell says it: 128 more than the signal that ended the command. The output is
 * all that the command wrote to standard output and standard error until it ended; what it leaves
 * running in the background is not waited for. A reply begins with a mark, so that a reader which
 * missed the end of an earlier one, because the gateway was reset meanwhile, finds the next.
 * tests/shell.py is the other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kapu/bytes.h"

#define SHELL "/usr/bin/bash"
#define OUTPUT_FOLDER "/run"
#define COMMAND_MAX (64u << 10) /* a single argument of execve() may have 128 KiB */
#define HEAD 8
#define REPLY_HEAD 16
#define REPLY_MARK 0x5550414bu /* "KAPU" */
#define CHUNK 4096
#define NOBODY_THERE_MS 200

/* Reads all n bytes; 0 when the other end has gone before them, or is not there yet. */
static int receive(int port, void *to, size_t n)
{
    uint8_t *at = to;

    while (n > 0) {
        ssize_t got = read(port, at, n);

        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return 0;
        at += got;
        n -= (size_t)got;
    }
    return 1;
}

static int transmit(int port, const void *from, size_t n)
{
    const uint8_t *at = from;

    while (n > 0) {
        ssize_t put = write(port, at, n);

        if (put < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (put <= 0)
            return 0;
        at += put;
        n -= (size_t)put;
    }
    return 1;
}

/* In a session of its own, without a terminal, with its output in a file that has no name: what it
 * leaves in the background may hold that open for as long as it likes. */
static uint32_t run(const char *command, int output)
{
    pid_t child = fork();
    int status, null;

    if (child == 0) {
        null = open("/dev/null", O_RDONLY);
        if (setsid() < 0 || null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 ||
            dup2(output, 2) < 0)
            _exit(126);
        close(null);
        close(output);
        execl(SHELL, "bash", "-c", command, (char *)NULL);
        _exit(127);
    }
    if (child < 0)
        return 126;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 126;
    return (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* The reply: what the file holds now, and no more than its head has announced. */
static int answer(int port, uint32_t id, uint32_t status, int output)
{
    uint8_t head[REPLY_HEAD], data[CHUNK];
    struct stat file;
    off_t at = 0;

    if (fstat(output, &file) != 0 || file.st_size > UINT32_MAX)
        return 0;
    put_u32(head, REPLY_MARK);
    put_u32(head + 4, id);
    put_u32(head + 8, status);
    put_u32(head + 12, (uint32_t)file.st_size);
    if (!transmit(port, head, sizeof(head)))
        return 0;
    while (at < file.st_size) {
        size_t left = (size_t)(file.st_size - at);
        ssize_t got = pread(output, data, left < sizeof(data) ? left : sizeof(data), at);

        if (got <= 0 || !transmit(port, data, (size_t)got))
            return 0;
        at += got;
    }
    return 1;
}

/* One command; 0 when the other end is not there. */
static int serve(int port)
{
    static char command[COMMAND_MAX + 1];
    uint8_t head[HEAD];
    uint32_t length;
    int output, done;

    if (!receive(port, head, sizeof(head)))
        return 0;
    length = kapu_le32(head + 4);
    if (length > COMMAND_MAX) {
        fprintf(stderr, "kapu-lab-channel: a command of %u bytes, at most %u\n", length,
                COMMAND_MAX);
        exit(1);
    }
    if (!receive(port, command, length))
        return 0;
    command[length] = '\0';
    output = open(OUTPUT_FOLDER, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) {
        perror("kapu-lab-channel: " OUTPUT_FOLDER);
        exit(1);
    }
    done = answer(port, kapu_le32(head), run(command, output), output);
    close(output);
    return done;
}

/* With the name of a port it serves that for ever; without, its standard input until that ends. */
int main(int argc, char **argv)
{
    int port = argc == 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : dup(0);

    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: kapu-lab-channel [PORT]: %s\n", strerror(errno));
        return 1;
    }
    fcntl(port, F_SETFD, FD_CLOEXEC);
    for (;;)
        if (!serve(port)) {
            if (argc == 1)
                return 0;
            poll(NULL, 0, NOBODY_THERE_MS);
        }
}
