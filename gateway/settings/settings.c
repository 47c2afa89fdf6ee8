// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "gateway_settings.h"
#include "settings.h" /* settings_number */
#include "text.h"

#define FILE_MAX 4096u
#define PORT_MAX 65535u

struct row {
    const char *name;
    size_t offset, room; /* room: of a text with its end; 0: a port */
};

#define TEXT(member)                                                                               \
    offsetof(struct gateway_settings, member), sizeof(((struct gateway_settings *)0)->member)

static const struct row rows[] = {
    {"host", TEXT(host)},
    {"name", TEXT(name)},
    {"port", offsetof(struct gateway_settings, port), 0},
    {"enrol-port", offsetof(struct gateway_settings, enrol_port), 0},
    {"releases", TEXT(releases)},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *take_value(const struct row *r, struct bytes value, struct gateway_settings *s)
{
    char text[sizeof(s->releases)], *to = (char *)s + r->offset;
    const size_t room = r->room != 0 ? r->room : sizeof(text);
    uint64_t n;

    if (value.n == 0 || value.n >= room)
        return "has a value that is empty or too long";
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] <= ' ' || value.p[i] > '~')
            return "has a blank, or a character that is not ASCII, in its value";
    }
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    if (r->room != 0) {
        memcpy(to, text, value.n + 1);
        return NULL;
    }
    if (!settings_number(text, PORT_MAX, &n) || n == 0)
        return "is not a port: 1 to 65535";
    s->port = r->offset == offsetof(struct gateway_settings, port) ? (int)n : s->port;
    s->enrol_port =
        r->offset == offsetof(struct gateway_settings, enrol_port) ? (int)n : s->enrol_port;
    return NULL;
}

/* NULL, or what is wrong. *seen: bit i when rows[i] was there. */
static const char *take_line(struct bytes line, struct gateway_settings *s, unsigned *seen)
{
    const uint8_t *equals = memchr(line.p, '=', line.n);
    size_t n, i = 0;

    if (line.n == 0 || line.p[0] == '#')
        return NULL;
    if (equals == NULL)
        return "is not NAME=VALUE";
    n = (size_t)(equals - line.p);
    while (i < ROWS && (strlen(rows[i].name) != n || memcmp(rows[i].name, line.p, n) != 0))
        i++;
    if (i == ROWS)
        return "has an unknown name";
    if ((*seen & 1u << i) != 0)
        return "is there twice";
    *seen |= 1u << i;
    return take_value(&rows[i], (struct bytes){equals + 1, line.n - n - 1}, s);
}

bool gateway_settings_parse(struct bytes file, struct gateway_settings *s, char *why, size_t why_n)
{
    struct text t = {.in = file};
    const char *fault = NULL;
    unsigned seen = 0;
    struct bytes line;
    int got = 0;

    memset(s, 0, sizeof(*s));
    while (fault == NULL && (got = text_line(&t, &line, &fault)) > 0)
        fault = t.ended ? take_line(line, s, &seen) : "does not end: the file was cut";
    if (fault != NULL) {
        snprintf(why, why_n, "line %u: %s", t.line, fault);
        return false;
    }
    for (size_t i = 0; i < ROWS; i++) {
        if ((seen & 1u << i) != 0)
            continue;
        snprintf(why, why_n, "%s= must be there", rows[i].name);
        return false;
    }
    return true;
}

bool gateway_settings_read(const char *path, struct gateway_settings *s, char *why, size_t why_n)
{
    uint8_t file[FILE_MAX];
    char reason[128];
    bool good;
    size_t n;

    good = whole_file(path, sizeof(file), file, &n, why, why_n) == 0;
    if (good && !gateway_settings_parse((struct bytes){file, n}, s, reason, sizeof(reason))) {
        snprintf(why, why_n, "%s: %s", path, reason);
        good = false;
    }
    if (!good)
        memset(s, 0, sizeof(*s));
    return good;
}
