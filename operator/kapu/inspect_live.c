// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU's control socket (inspect_qmp.h) stops the machine and gives its memory; its gdb stub gives
 * the system registers. Of its answers, too, only some words are searched for.
 */
#include "inspect_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inspect_qmp.h"

#define PACKET_SIZE 4096
#define ELSEWHERE_TRIES 400
#define MOMENT_NS 5000000L
#define MOMENT_NS_MAX 50000000L
#define PSTATE_EL 0xcul /* exception level in PSTATE */
#define PSTATE_EL3 0xcul
#define SCR_NS 1u

/* Sends a packet of the remote protocol and gets the answer's content; stop replies are skipped. */
static int gdb(int fd, const char *command, char *answer, size_t n)
{
    char packet[256];
    unsigned sum = 0;
    int length;

    for (const char *p = command; *p != '\0'; p++)
        sum += (unsigned char)*p;
    length = snprintf(packet, sizeof(packet), "$%s#%02x", command, sum & 0xff);
    if (unix_write(fd, packet, (size_t)length) != 0)
        return -1;
    do {
        size_t at = 0;
        char c = 0;

        while (c != '$')
            if (unix_read(fd, &c, 1) != 1)
                return -1;
        while (unix_read(fd, &c, 1) == 1 && c != '#')
            if (at + 1 < n)
                answer[at++] = c;
        answer[at] = '\0';
        for (int i = 0; i < 2; i++) { /* the checksum; this socket loses nothing */
            if (unix_read(fd, &c, 1) != 1)
                return -1;
        }
        if (unix_write(fd, "+", 1) != 0)
            return -1;
    } while (answer[0] == 'T');
    return 0;
}

/* The description of the system registers: which number each has. */
static int gdb_document(int fd, const char *name, char *to, size_t n)
{
    char answer[PACKET_SIZE], command[96];
    size_t at = 0;

    do {
        size_t part;

        snprintf(command, sizeof(command), "qXfer:features:read:%s:%zx,ffb", name, at);
        if (gdb(fd, command, answer, sizeof(answer)) != 0 || answer[0] == '\0')
            return -1;
        part = strlen(answer + 1);
        if (part >= n - at)
            return -1;
        memcpy(to + at, answer + 1, part + 1);
        at += part;
    } while (answer[0] == 'm');
    return 0;
}

/* A register's value by its name in the description. */
static int gdb_register(int fd, const char *document, const char *name, uint64_t *value)
{
    char answer[PACKET_SIZE], wanted[64], command[32];
    const char *at;

    snprintf(wanted, sizeof(wanted), "<reg name=\"%s\"", name);
    at = strstr(document, wanted);
    at = at != NULL ? strstr(at, "regnum=\"") : NULL;
    if (at == NULL)
        return -1;
    snprintf(command, sizeof(command), "p%lx", strtoul(at + 8, NULL, 10));
    if (gdb(fd, command, answer, sizeof(answer)) != 0 || strlen(answer) != 16)
        return -1;
    *value = 0;
    for (size_t i = 8; i > 0; i--) { /* little-endian */
        char byte[3] = {answer[2 * i - 2], answer[2 * i - 1], '\0'};

        *value = *value << 8 | strtoul(byte, NULL, 16);
    }
    return 0;
}

/* Whether the selected core is in the secure world, or on the way: EL1's registers are not Linux'
 * then. */
static bool is_elsewhere(int fd, const char *document)
{
    char answer[PACKET_SIZE];
    uint64_t scr = SCR_NS;
    unsigned long state = 0;

    if (gdb(fd, "p21", answer, sizeof(answer)) == 0) { /* cpsr, 4 bytes, little-endian */
        answer[2] = '\0';
        state = strtoul(answer, NULL, 16);
    }
    (void)gdb_register(fd, document, "SCR_EL3", &scr);
    return (state & PSTATE_EL) == PSTATE_EL3 || (scr & SCR_NS) == 0;
}

static int read_registers(struct live *l)
{
    static const struct {
        const char *name;
        size_t offset;
    } wanted[] = {
        {"VBAR", offsetof(struct introspect_regs, vbar)},
        {"TTBR1_EL1", offsetof(struct introspect_regs, ttbr1)},
        {"TCR_EL1", offsetof(struct introspect_regs, tcr)},
        {"SCTLR", offsetof(struct introspect_regs, sctlr)},
        {"MAIR_EL1", offsetof(struct introspect_regs, mair)},
    };
    static char document[QMP_ANSWER_SIZE];
    char answer[PACKET_SIZE], command[32];

    if (gdb(l->gdb, "qSupported:xmlRegisters=aarch64", answer, sizeof(answer)) != 0 ||
        gdb_document(l->gdb, "target.xml", document, sizeof(document)) != 0 ||
        gdb_document(l->gdb, "system-registers.xml", document, sizeof(document)) != 0)
        return -1;
    l->elsewhere = false;
    for (l->cpus = 0; l->cpus < INTROSPECT_CPUS; l->cpus++) {
        uint8_t *regs = (uint8_t *)&l->regs[l->cpus];

        snprintf(command, sizeof(command), "Hg%x", l->cpus + 1);
        if (gdb(l->gdb, command, answer, sizeof(answer)) != 0 || strcmp(answer, "OK") != 0)
            break;
        l->elsewhere = l->elsewhere || is_elsewhere(l->gdb, document);
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            uint64_t value;

            if (gdb_register(l->gdb, document, wanted[i].name, &value) != 0)
                return -1;
            memcpy(regs + wanted[i].offset, &value, sizeof(value));
        }
    }
    return l->cpus > 0 ? 0 : -1;
}

/* A gateway that was running is let go on for some moments until no core is in the secure world: a
 * deep check may have one for seconds, so the moments grow. */
static int read_registers_of_linux(struct live *l)
{
    struct timespec moment = {.tv_nsec = MOMENT_NS};
    int err = read_registers(l);

    for (int i = 0; i < ELSEWHERE_TRIES && err == 0 && l->elsewhere && l->stopped; i++) {
        if (qmp_do(l->qmp, QMP_CONT) != 0)
            return -1;
        (void)nanosleep(&moment, NULL);
        if (moment.tv_nsec < MOMENT_NS_MAX)
            moment.tv_nsec += moment.tv_nsec / 10;
        if (qmp_do(l->qmp, QMP_STOP) != 0)
            return -1;
        err = read_registers(l);
    }
    return err == 0 && l->elsewhere ? -1 : err;
}

/* The gateway's own stub if it was started with one, else one for as long as we look. */
static int connect_gdb(struct live *l)
{
    char path[600], command[800];

    snprintf(path, sizeof(path), "%s/gdb.sock", l->folder);
    l->gdb = unix_connect(path);
    if (l->gdb >= 0)
        return 0;
    snprintf(path, sizeof(path), "%s/inspect.sock", l->folder);
    snprintf(command, sizeof(command),
             "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"
             "\"gdbserver unix:%s,server=on,wait=off\"}}",
             path);
    if (qmp_do(l->qmp, command) != 0)
        return -1;
    l->own_gdb = true;
    l->gdb = unix_connect(path);
    unlink(path);
    return l->gdb >= 0 ? 0 : -1;
}

/* Its memory: the file that backs it, or a dump that we have QEMU write. */
static int find_memory(struct live *l)
{
    char command[800], answer[QMP_ANSWER_SIZE];

    snprintf(l->ram, sizeof(l->ram), "%s/ram.img", l->folder);
    if (access(l->ram, R_OK) == 0)
        return 0;
    snprintf(l->ram, sizeof(l->ram), "%s/inspect.core", l->folder);
    snprintf(command, sizeof(command),
             "{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,"
             "\"protocol\":\"file:%s\"}}",
             l->ram);
    l->dumped = true;
    return qmp_command(l->qmp, command, l->ram, answer);
}

/* Connected, and *running: the gateway is to run again afterwards. */
static int connect_gateway(struct live *l, const char *folder, bool *running)
{
    char path[600], answer[QMP_ANSWER_SIZE];
    bool left;

    snprintf(path, sizeof(path), "%s/qmp.sock", l->folder);
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "kapu: %s: no gateway runs here\n", folder);
        return -1;
    }
    if (guard_lock(&l->guard, l->folder, &left) != 0)
        return -1;
    l->qmp = unix_connect(path);
    if (l->qmp < 0) {
        fprintf(stderr, "kapu: %s: no gateway runs here\n", folder);
        return -1;
    }
    if (qmp_begin(l->qmp) != 0 ||
        qmp_command(l->qmp, "{\"execute\":\"query-status\"}", NULL, answer) != 0)
        return -1;
    *running = left || strstr(answer, "\"running\": true") != NULL;
    return 0;
}

int live_begin(struct live *l, const char *folder)
{
    char *real = realpath(folder, NULL);
    bool running = false;

    memset(l, 0, sizeof(*l));
    l->guard = (struct guard)GUARD_NONE;
    l->gdb = l->qmp = -1;
    snprintf(l->folder, sizeof(l->folder), "%s", real != NULL ? real : folder);
    free(real);
    if (connect_gateway(l, folder, &running) != 0)
        return -1;
    if (running && guard_begin(&l->guard, l->qmp) != 0)
        return -1;
    l->stopped = running;
    if (running && qmp_do(l->qmp, QMP_STOP) != 0)
        return -1;
    if (connect_gdb(l) != 0 || read_registers_of_linux(l) != 0) {
        l->cpus = 0;
        fprintf(stderr, "kapu: %s; their check is left out\n",
                l->elsewhere ? "a core stays in the secure world, which hides Linux' registers"
                             : "QEMU does not tell the registers");
    }
    return find_memory(l);
}

void live_end(struct live *l)
{
    bool running = true;

    if (l->gdb >= 0)
        close(l->gdb);
    if (l->qmp >= 0) {
        if (l->own_gdb)
            running = qmp_do(l->qmp, QMP_NO_GDB) == 0;
        if (l->stopped)
            running = qmp_do(l->qmp, QMP_CONT) == 0 && running;
        close(l->qmp);
    }
    if (l->dumped)
        unlink(l->ram);
    guard_end(&l->guard, running);
}
