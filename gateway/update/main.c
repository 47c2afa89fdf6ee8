// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-update: the writer of updates (writer.h), bound to the gateway's devices.
 *
 * kapu-update [--root DIR]: all paths are in DIR, for tests.
 *
 * It asks for a reset of the gateway by a file in $RUNTIME_DIRECTORY, which the service manager
 * waits for, and ends with status 0. Every other end asks for nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch.h"
#include "gateway_settings.h"
#include "serve.h"
#include "writer.h"

#define PATH 256
#define SECTOR 512u
#define STATE_FOLDER "/var/lib/kapu-update"
#define SOCKET "/run/kapu-update/socket"
#define WHY 512

/* Least that a server must send, or it holds updates up on purpose: an installation that fetches
 * 14 MB takes less than four hours with it. */
static const struct fetch_limits limits = {
    .connect_s = 20, .least_bytes_s = 1024, .slow_s = 30, .most_s = 180};

static struct program {
    const char *root; /* before each path */
    struct disk running_root, other_root;
    struct flash_device running_firmware, other_firmware;
    struct store store;
    struct serve serve;
    struct fetch *fetch;
    struct job_port slots;
    struct writer writer;
} program;

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

/* ---- ports ---- */

static struct bytes answer(void *ctx, struct bytes request)
{
    return writer_answer(ctx, request);
}

static bool serve_requests(void *ctx, uint32_t ms)
{
    struct program *p = ctx;

    if (!ended && serve_poll(&p->serve, ms, answer, &p->writer) < 0 && errno != EINTR) {
        (void)fprintf(stderr, "kapu-update: socket: %m\n");
        ended = 1;
    }
    return ended == 0;
}

static uint64_t now_ms(void *ctx)
{
    struct timespec now;

    (void)ctx;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* VmHWM of proc(5); 0 when it cannot be read. */
static uint32_t memory_kib(void *ctx)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[128];
    unsigned long kib = 0;

    (void)ctx;
    while (file != NULL && kib == 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return (uint32_t)kib;
}

static int range(void *ctx, const char *folder, const char *file, uint64_t at, uint8_t *to,
                 uint32_t n)
{
    return fetch_range(ctx, folder, file, at, to, n);
}

static enum fetch_fault fault(void *ctx)
{
    return fetch_fault(ctx);
}

static const char *said(void *ctx)
{
    return fetch_said(ctx);
}

/* ---- opening ---- */

static const char *path_of(const struct program *p, const char *path, char to[PATH])
{
    (void)snprintf(to, PATH, "%s%s", p->root, path);
    return to;
}

static bool failed(const char *path)
{
    (void)fprintf(stderr, "kapu-update: %s: %m\n", path);
    return false;
}

/* The partition of the running slot is larger than what dm-verity has of it. */
static void shorten(struct disk_port *d, const char *path)
{
    FILE *file = fopen(path, "re");
    uint64_t sectors = 0;

    if (file == NULL)
        return; /* a test without one */
    if (fscanf(file, "%" SCNu64, &sectors) == 1 && sectors > 0 && sectors < d->size / SECTOR)
        d->size = sectors * SECTOR;
    (void)fclose(file);
}

static bool open_slots(struct program *p)
{
    struct job_port *s = &p->slots;
    char path[PATH];

    if (disk_open(&p->running_root, path_of(p, "/dev/kapu/root", path), false, &s->running_root) !=
            0 ||
        disk_open(&p->other_root, path_of(p, "/dev/kapu/other-root", path), true, &s->other_root) !=
            0 ||
        flash_device_open(&p->running_firmware, path_of(p, "/dev/kapu/firmware", path), false,
                          &s->running_firmware) != 0 ||
        flash_device_open(&p->other_firmware, path_of(p, "/dev/kapu/other-firmware", path), true,
                          &s->other_firmware) != 0)
        return failed(path);
    shorten(&s->running_root, path_of(p, "/sys/class/block/dm-0/size", path));
    return true;
}

static bool open_files(struct program *p)
{
    const char *folder = getenv("STATE_DIRECTORY");
    char path[PATH];

    if (folder == NULL)
        folder = path_of(p, STATE_FOLDER, path);
    if (store_open(&p->store, folder) != 0)
        return failed(folder);
    if (serve_open(&p->serve, path_of(p, SOCKET, path)) != 0)
        return failed(path);
    return true;
}

static bool open_server(struct program *p)
{
    struct gateway_settings s;
    char path[PATH], why[WHY];

    if (!gateway_settings_read(path_of(p, GATEWAY_SETTINGS_FILE, path), &s, why, sizeof(why))) {
        (void)fprintf(stderr, "kapu-update: %s\n", why);
        return false;
    }
    p->fetch = fetch_open(s.releases, &limits, writer_goes_on, &p->writer);
    if (p->fetch == NULL) {
        (void)fprintf(stderr, "kapu-update: %s: cannot be used\n", s.releases);
        return false;
    }
    p->slots.server.ctx = p->fetch;
    p->slots.server.range = range;
    p->slots.server.fault = fault;
    p->slots.server.said = said;
    return true;
}

static int ask_for_reset(void)
{
    const char *folder = getenv("RUNTIME_DIRECTORY");
    char path[PATH];
    FILE *file;

    if (folder == NULL)
        return 0; /* a test, which looks at the status */
    (void)snprintf(path, sizeof(path), "%s/reset", folder);
    file = fopen(path, "we");
    return (file != NULL && fclose(file) == 0) || failed(path) ? 0 : 1;
}

static void take_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal}; /* not SA_RESTART: poll ends */

    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    struct program *p = &program;
    const struct writer_port port = {
        .ctx = p, .poll = serve_requests, .now_ms = now_ms, .memory_kib = memory_kib};
    enum writer_end end;

    p->root = argc == 3 && strcmp(argv[1], "--root") == 0 ? argv[2] : "";
    if (argc != 1 && p->root[0] == '\0') {
        (void)fprintf(stderr, "usage: kapu-update [--root DIR]\n");
        return 2;
    }
    take_signals();
    if (!open_files(p) || !open_slots(p) || !open_server(p))
        return 1; /* the service manager tries again */
    writer_open(&p->writer, &port, &tee_device, &p->store, &p->slots);
    end = writer_run(&p->writer);
    fetch_close(p->fetch);
    return end == WRITER_RESTART ? ask_for_reset() : 1;
}
