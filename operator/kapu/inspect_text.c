// SPDX-License-Identifier: Apache-2.0
#include "inspect_result.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define RED "\033[1;31m"
#define YELLOW "\033[33m"
#define GREEN "\033[32m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

#define DEPTH_MAX 32
#define ABSENT_LINES 16u

static const char *paint(bool colour, const char *code)
{
    return colour ? code : "";
}

static void heading(FILE *to, bool colour, const char *text)
{
    fprintf(to, "\n%s%s%s\n", paint(colour, BOLD), text, paint(colour, PLAIN));
}

static void print_task(FILE *to, const struct introspect_task *t, int depth)
{
    char name[80];

    snprintf(name, sizeof(name), "%*s%s", 2 * depth, "", t->comm);
    fprintf(to, "%7u %6u  %-28s %016llx %s%s%s%s\n", t->pid, t->euid, name,
            (unsigned long long)t->caps, t->kernel ? "kernel thread" : t->exe,
            t->no_new_privs ? " nnp" : "", t->seccomp != 0 ? " seccomp" : "",
            t->uid != t->euid ? " uid!=euid" : "");
}

/* Children below their parents, in the order of the list. Each is printed once, whatever a broken
 * list says of who is whose child. */
static void print_children(FILE *to, const struct list *tasks, bool *done, uint32_t parent)
{
    const struct introspect_task *t = tasks->items;
    struct {
        uint32_t parent;
        size_t next;
    } stack[DEPTH_MAX] = {{parent, 0}};
    int depth = 1;

    while (depth > 0) {
        size_t i = stack[depth - 1].next++;

        if (i >= tasks->n) {
            depth--;
        } else if (t[i].parent == stack[depth - 1].parent && !done[i]) {
            print_task(to, &t[i], depth - 1);
            done[i] = true;
            if (depth < DEPTH_MAX) {
                stack[depth].parent = t[i].pid;
                stack[depth++].next = 0;
            }
        }
    }
}

static void print_tasks(FILE *to, const struct result *r, bool colour)
{
    const struct introspect_task *t = r->tasks.items;
    bool *done = calloc(r->tasks.n + 1, sizeof(*done));

    if (done == NULL) {
        perror("kapu");
        exit(2);
    }
    heading(to, colour, "Processes");
    fprintf(to, "%7s %6s  %-28s %-16s %s\n", "PID", "EUID", "NAME", "CAPABILITIES", "PROGRAM");
    for (size_t i = 0; i < r->tasks.n; i++) {
        if (t[i].pid != 0)
            continue;
        print_task(to, &t[i], 0);
        done[i] = true;
    }
    print_children(to, &r->tasks, done, 0);
    for (size_t i = 0; i < r->tasks.n; i++) { /* whose parents are not in the list */
        if (done[i])
            continue;
        print_task(to, &t[i], 0);
        done[i] = true;
        print_children(to, &r->tasks, done, t[i].pid);
    }
    free(done);
    if (r->tasks_err != 0)
        fprintf(to, "  the list ends here: %s\n", check_error(r->tasks_err));
}

static void print_modules(FILE *to, const struct result *r, bool colour)
{
    const struct introspect_module *m = r->modules.items;

    heading(to, colour, "Modules");
    if (r->modules_err == KAPU_ENOENT)
        fprintf(to, "  this kernel cannot load modules\n");
    else if (r->modules.n == 0 && r->modules_err == 0)
        fprintf(to, "  none\n");
    for (size_t i = 0; i < r->modules.n; i++)
        fprintf(to, "  %-24s text %016llx, %u bytes, state %u\n", m[i].name,
                (unsigned long long)m[i].base, m[i].size, m[i].state);
    if (r->modules_err != 0 && r->modules_err != KAPU_ENOENT)
        fprintf(to, "  the list ends here: %s\n", check_error(r->modules_err));
}

static void print_sockets(FILE *to, const struct result *r, bool colour)
{
    const struct introspect_socket *s = r->sockets.items;

    heading(to, colour, "Sockets");
    fprintf(to, "%7s %-16s %-7s %-28s %-28s %s\n", "PID", "NAME", "KIND", "LOCAL", "PEER", "STATE");
    for (size_t i = 0; i < r->sockets.n; i++) {
        char kind[16], local[64] = "", peer[64] = "", text[48];
        bool ip = s[i].family == AF_INET || s[i].family == AF_INET6;

        snprintf(kind, sizeof(kind), "%s%s",
                 s[i].family == 17 ? "packet"
                 : s[i].type == 1  ? "tcp"
                 : s[i].type == 2  ? "udp"
                 : s[i].type == 3  ? "raw"
                                   : "other",
                 s[i].family == AF_INET6 && s[i].type <= 3 ? "6" : "");
        if (ip) {
            inet_ntop(s[i].family, s[i].address, text, sizeof(text));
            snprintf(local, sizeof(local), "%s:%u", text, s[i].port);
            inet_ntop(s[i].family, s[i].peer, text, sizeof(text));
            if (s[i].peer_port != 0)
                snprintf(peer, sizeof(peer), "%s:%u", text, s[i].peer_port);
        }
        fprintf(to, "%7u %-16s %-7s %-28s %-28s %s\n", s[i].pid, s[i].comm, kind, local, peer,
                s[i].type == 1 && s[i].state == 10  ? "listening"
                : s[i].type == 1 && s[i].state == 1 ? "connected"
                                                    : "");
    }
    if (r->sockets_err != 0)
        fprintf(to, "  the list ends here: %s\n", check_error(r->sockets_err));
}

static void print_code(FILE *to, const struct result *r, bool colour)
{
    const struct introspect_code *c = r->code.items;

    heading(to, colour, "Executable memory of processes");
    fprintf(to, "%7s %-16s %-28s %8s %s\n", "PID", "NAME", "FROM-TO", "RESIDENT", "FILE");
    for (size_t i = 0; i < r->code.n; i++) {
        char span[40];

        snprintf(span, sizeof(span), "%llx-%llx", (unsigned long long)c[i].start,
                 (unsigned long long)c[i].end);
        fprintf(to, "%7u %-16s %-28s %8u %s%s\n", c[i].pid, c[i].comm, span, c[i].resident,
                c[i].file[0] != '\0' ? c[i].file : "(no file)",
                (c[i].flags & 2) != 0 ? " WRITABLE" : "");
    }
    if (r->code_err != 0)
        fprintf(to, "  the list ends here: %s\n", check_error(r->code_err));
}

static void print_checks(FILE *to, const struct result *r, bool colour)
{
    heading(to, colour, "Checks");
    for (size_t i = 0; i < r->checks_n; i++) {
        const struct check_result *c = &r->checks[i];
        const char *code = c->result == 0 ? GREEN : c->result > 0 ? RED : YELLOW;

        fprintf(to, "  %-12s %-34s %6.1f ms  %s", c->check->id, c->check->name, 1000 * c->seconds,
                paint(colour, code));
        if (c->result >= 0)
            fprintf(to, c->result == 0 ? "clean" : "%d finding%s", c->result,
                    c->result == 1 ? "" : "s");
        else
            fprintf(to, "not checked%s: %s", c->result == KAPU_EABSENT ? " as a whole" : "",
                    check_error(c->result));
        if (c->result < 0 && c->findings > 0)
            fprintf(to, "; %zu finding%s", c->findings, c->findings == 1 ? "" : "s");
        fprintf(to, "%s\n", paint(colour, PLAIN));
    }
}

static void print_absent(FILE *to, const struct result *r, bool colour)
{
    const struct absent *a = r->absent.items;

    if (r->absent.n == 0)
        return;
    heading(to, colour, "Memory that is not in the file");
    for (size_t i = 0; i < r->absent.n && i < ABSENT_LINES; i++)
        fprintf(to, "  %016llx, %llu KiB\n", (unsigned long long)a[i].pa,
                (unsigned long long)(a[i].size + 1023) / 1024);
    if (r->absent.n > ABSENT_LINES)
        fprintf(to, "  and %zu more ranges\n", r->absent.n - ABSENT_LINES);
}

static void print_findings(FILE *to, const struct result *r, bool colour)
{
    const struct finding *f = r->findings.items;

    heading(to, colour, "Findings");
    if (r->findings.n == 0)
        fprintf(to, "  none\n");
    for (size_t i = 0; i < r->findings.n; i++) {
        bool alarm = f[i].severity == INTROSPECT_ALARM;
        char symbol[SYMBOLS_FINDING_MAX];

        finding_symbol(r, &f[i], symbol);
        fprintf(to, "  %s%-7s %-20s%s %016llx %s%s%s: %s\n", paint(colour, alarm ? RED : YELLOW),
                alarm ? "ALARM" : "warning", f[i].id, paint(colour, PLAIN),
                (unsigned long long)f[i].address, f[i].object, symbol[0] != '\0' ? " at " : "",
                symbol, f[i].detail);
    }
}

void print_text(FILE *to, const struct result *r, bool colour)
{
    const struct introspect *in = r->in;
    struct bytes banner = introspect_banner(in);

    fprintf(to, "%s%s%s\n", paint(colour, BOLD), r->source, paint(colour, PLAIN));
    fprintf(to, "  %.*s", (int)banner.n, (const char *)banner.p);
    fprintf(to, "  kernel at physical %llx, virtual %llx (moved by %llx)\n",
            (unsigned long long)in->text_pa, (unsigned long long)(in->profile.base + in->slide),
            (unsigned long long)in->slide);
    fprintf(to, "  registers of %u core%s%s\n", in->cpus, in->cpus == 1 ? "" : "s",
            r->registers ? "" : " (a dump does not have them)");
    print_tasks(to, r, colour);
    print_modules(to, r, colour);
    print_sockets(to, r, colour);
    print_code(to, r, colour);
    print_absent(to, r, colour);
    print_checks(to, r, colour);
    print_findings(to, r, colour);
    fprintf(to, "\n%llu KiB hashed, %llu page tables, %llu reads, %.0f ms\n",
            (unsigned long long)in->stats.bytes_hashed >> 10,
            (unsigned long long)in->stats.pages_walked, (unsigned long long)in->stats.reads,
            1000 * r->seconds);
}
