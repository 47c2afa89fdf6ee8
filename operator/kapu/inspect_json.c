// SPDX-License-Identifier: Apache-2.0
#include "inspect_result.h"

#include <arpa/inet.h>

/* Strings of the library are printable ASCII: two characters need an escape. */
static void string(FILE *to, const char *name, const char *text, const char *end)
{
    fprintf(to, "\"%s\": \"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        if ((unsigned char)*text >= 0x20)
            fputc(*text, to);
    }
    fprintf(to, "\"%s", end);
}

/* Addresses are strings: JSON's numbers do not hold 64 bits. */
static void address(FILE *to, const char *name, uint64_t v, const char *end)
{
    fprintf(to, "\"%s\": \"0x%llx\"%s", name, (unsigned long long)v, end);
}

static void number(FILE *to, const char *name, uint64_t v, const char *end)
{
    fprintf(to, "\"%s\": %llu%s", name, (unsigned long long)v, end);
}

static const char *comma(size_t i, const struct list *l)
{
    return i + 1 < l->n ? "},\n" : "}\n";
}

static void findings(FILE *to, const struct result *r)
{
    const struct list *l = &r->findings;
    const struct finding *f = l->items;
    char symbol[SYMBOLS_FINDING_MAX];

    fprintf(to, "\"findings\": [\n");
    for (size_t i = 0; i < l->n; i++) {
        fprintf(to, " {");
        string(to, "id", f[i].id, ", ");
        string(to, "severity", f[i].severity == INTROSPECT_ALARM ? "alarm" : "warning", ", ");
        string(to, "object", f[i].object, ", ");
        address(to, "address", f[i].address, ", ");
        address(to, "physical", f[i].pa, ", ");
        finding_symbol(r, &f[i], symbol);
        string(to, "symbol", symbol, ", ");
        string(to, "detail", f[i].detail, comma(i, l));
    }
    fprintf(to, "],\n");
}

static void checks(FILE *to, const struct result *r)
{
    fprintf(to, "\"checks\": [\n");
    for (size_t i = 0; i < r->checks_n; i++) {
        const struct check_result *c = &r->checks[i];

        fprintf(to, " {");
        string(to, "id", c->check->id, ", ");
        fprintf(to, "\"done\": %s, ", c->result >= 0 ? "true" : "false");
        if (c->result < 0)
            string(to, "why", check_error(c->result), ", ");
        fprintf(to, "\"seconds\": %.6f, ", c->seconds);
        number(to, "findings", c->findings, i + 1 < r->checks_n ? "},\n" : "}\n");
    }
    fprintf(to, "],\n");
}

static void tasks(FILE *to, const struct list *l)
{
    const struct introspect_task *t = l->items;

    fprintf(to, "\"processes\": [\n");
    for (size_t i = 0; i < l->n; i++) {
        fprintf(to, " {");
        number(to, "pid", t[i].pid, ", ");
        number(to, "parent", t[i].parent, ", ");
        number(to, "uid", t[i].uid, ", ");
        number(to, "euid", t[i].euid, ", ");
        address(to, "capabilities", t[i].caps, ", ");
        number(to, "seccomp", t[i].seccomp, ", ");
        fprintf(to, "\"no_new_privs\": %s, \"kernel\": %s, ", t[i].no_new_privs ? "true" : "false",
                t[i].kernel ? "true" : "false");
        address(to, "task", t[i].va, ", ");
        string(to, "name", t[i].comm, ", ");
        string(to, "program", t[i].exe, comma(i, l));
    }
    fprintf(to, "],\n");
}

static void modules(FILE *to, const struct list *l)
{
    const struct introspect_module *m = l->items;

    fprintf(to, "\"modules\": [\n");
    for (size_t i = 0; i < l->n; i++) {
        fprintf(to, " {");
        string(to, "name", m[i].name, ", ");
        address(to, "module", m[i].va, ", ");
        address(to, "text", m[i].base, ", ");
        number(to, "size", m[i].size, ", ");
        number(to, "state", m[i].state, comma(i, l));
    }
    fprintf(to, "],\n");
}

static void sockets(FILE *to, const struct list *l)
{
    const struct introspect_socket *s = l->items;

    fprintf(to, "\"sockets\": [\n");
    for (size_t i = 0; i < l->n; i++) {
        char local[INET6_ADDRSTRLEN] = "", peer[INET6_ADDRSTRLEN] = "";

        if (s[i].family == AF_INET || s[i].family == AF_INET6) {
            inet_ntop(s[i].family, s[i].address, local, sizeof(local));
            inet_ntop(s[i].family, s[i].peer, peer, sizeof(peer));
        }
        fprintf(to, " {");
        number(to, "pid", s[i].pid, ", ");
        string(to, "name", s[i].comm, ", ");
        number(to, "family", s[i].family, ", ");
        number(to, "type", s[i].type, ", ");
        number(to, "protocol", s[i].protocol, ", ");
        number(to, "state", s[i].state, ", ");
        string(to, "address", local, ", ");
        number(to, "port", s[i].port, ", ");
        string(to, "peer", peer, ", ");
        number(to, "peer_port", s[i].peer_port, comma(i, l));
    }
    fprintf(to, "],\n");
}

static void code(FILE *to, const struct list *l)
{
    const struct introspect_code *c = l->items;

    fprintf(to, "\"code\": [\n");
    for (size_t i = 0; i < l->n; i++) {
        fprintf(to, " {");
        number(to, "pid", c[i].pid, ", ");
        string(to, "name", c[i].comm, ", ");
        address(to, "start", c[i].start, ", ");
        address(to, "end", c[i].end, ", ");
        fprintf(to, "\"writable\": %s, ", (c[i].flags & 2) != 0 ? "true" : "false");
        number(to, "resident_pages", c[i].resident, ", ");
        string(to, "file", c[i].file, comma(i, l));
    }
    fprintf(to, "],\n");
}

/* Lists that end before their end. A kernel that cannot load modules has no list of them. */
static void incomplete(FILE *to, const struct result *r)
{
    const struct {
        const char *name;
        bool is;
    } lists[] = {
        {"processes", r->tasks_err != 0},
        {"modules", r->modules_err != 0 && r->modules_err != KAPU_ENOENT},
        {"sockets", r->sockets_err != 0},
        {"code", r->code_err != 0},
    };
    const char *before = "";

    fprintf(to, "\"incomplete\": [");
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (!lists[i].is)
            continue;
        fprintf(to, "%s\"%s\"", before, lists[i].name);
        before = ", ";
    }
    fprintf(to, "],\n");
}

static void absent(FILE *to, const struct result *r)
{
    const struct absent *a = r->absent.items;

    fprintf(to, "\"absent\": [");
    for (size_t i = 0; i < r->absent.n; i++) {
        fprintf(to, "%s{", i > 0 ? ", " : "");
        address(to, "address", a[i].pa, ", ");
        number(to, "size", a[i].size, "}");
    }
    fprintf(to, "],\n");
}

void print_json(FILE *to, const struct result *r)
{
    fprintf(to, "{");
    string(to, "source", r->source, ", ");
    address(to, "text_pa", r->in->text_pa, ", ");
    address(to, "slide", r->in->slide, ", ");
    number(to, "cores", r->in->cpus, ",\n");
    tasks(to, &r->tasks);
    modules(to, &r->modules);
    sockets(to, &r->sockets);
    code(to, &r->code);
    incomplete(to, r);
    absent(to, r);
    checks(to, r);
    findings(to, r);
    number(to, "bytes_hashed", r->in->stats.bytes_hashed, ", ");
    number(to, "page_tables", r->in->stats.pages_walked, ", ");
    fprintf(to, "\"seconds\": %.6f}\n", r->seconds);
}
