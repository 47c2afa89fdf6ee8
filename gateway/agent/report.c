// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 10
#define VERSION "1"

struct line {
    const char *field[FIELDS]; /* empty strings behind the last */
    int fields;
};

/* Takes the next line off *text; false at the end. */
static int next_line(char **text, struct line *l)
{
    char *line = strsep(text, "\n");

    for (int i = 0; i < FIELDS; i++)
        l->field[i] = "";
    l->fields = 0;
    if (line == NULL || *line == '\0')
        return 0;
    for (char *word; l->fields < FIELDS && (word = strsep(&line, "\t")) != NULL;)
        l->field[l->fields++] = word;
    return 1;
}

static int is(const struct line *l, const char *what)
{
    return strcmp(l->field[0], what) == 0;
}

static double seconds(const char *ms)
{
    return (double)strtoul(ms, NULL, 10) / 1000;
}

static const char *why(const char *number)
{
    static const char *const text[] = {"", "an alarm", "no deep check in time",
                                       "a panic of the secure world"};
    unsigned long n = strtoul(number, NULL, 10);

    return n < sizeof(text) / sizeof(text[0]) ? text[n] : "an unknown reason";
}

static void print_check(const struct line *l, double now)
{
    unsigned long alarms = strtoul(l->field[4], NULL, 10);
    unsigned long warnings = strtoul(l->field[5], NULL, 10);

    if (strcmp(l->field[1], "0") == 0) {
        printf("  verdict    none: no deep check was made yet\n");
        return;
    }
    if (alarms + warnings == 0)
        printf("  verdict    clean\n");
    else
        printf("  verdict    %lu alarms, %lu warnings\n", alarms, warnings);
    printf("  deep check number %s, %.1f s ago, took %.1f s\n", l->field[1],
           now - seconds(l->field[2]), seconds(l->field[3]));
}

static void print_watch(const struct line *l)
{
    if (strcmp(l->field[2], "0") == 0)
        printf("  watch      begins after the first clean deep check\n");
    else
        printf("  watch      %s pages, all seen %s times, the last time in %.1f s, %s cores\n"
               "             longest stop of a core %.1f ms, 99 %% up to %.1f ms\n",
               l->field[2], l->field[3], seconds(l->field[4]), l->field[8], seconds(l->field[6]),
               seconds(l->field[7]));
}

static void print_line(const struct line *l, double *now)
{
    if (is(l, "now")) {
        *now = seconds(l->field[1]);
        printf(strcmp(l->field[3], "reset") == 0
                   ? "  watchdog   THE GATEWAY RESETS in %.0f s because of alarms\n"
                   : "  watchdog   resets the gateway in %.0f s unless a deep check is made\n",
               seconds(l->field[2]));
    } else if (is(l, "check")) {
        print_check(l, *now);
    } else if (is(l, "watch")) {
        print_watch(l);
    } else if (is(l, "last") && strcmp(l->field[1], "0") != 0) {
        printf(
            "  before     the monitor reset the gateway because of %s; %s times since power-on\n",
            why(l->field[1]), l->field[2]);
    } else if (is(l, "before")) {
        printf("             %s\n", l->field[1]);
    } else if (is(l, "did") && l->field[2][0] == '-') {
        printf("  not done   %s\n", l->field[1]);
    } else if (is(l, "finding")) {
        printf("  %-10s %s: %s, 0x%s\n             %s\n",
               strcmp(l->field[1], "alarm") == 0 ? "ALARM" : "warning", l->field[2], l->field[3],
               l->field[4], l->field[5]);
    } else if (is(l, "more")) {
        printf("             and %s more findings\n", l->field[1]);
    }
}

static int result_of(const struct line *l)
{
    if (strcmp(l->field[1], "0") == 0)
        return 2;
    return strcmp(l->field[4], "0") == 0 ? 0 : 1;
}

/* Whether it begins as a report must; moves behind that line. */
static bool is_report(char **text)
{
    struct line l;

    if (next_line(text, &l) && is(&l, "monitor") && strcmp(l.field[1], VERSION) == 0)
        return true;
    fprintf(stderr, "kapu-agent: the secure world's report is of another version\n");
    return false;
}

int report_print(char *text)
{
    struct line l;
    double now = 0;
    int result = 2;

    if (!is_report(&text))
        return 2;
    printf("monitor in the secure world (as told through Linux: not a proof)\n");
    while (next_line(&text, &l)) {
        if (is(&l, "check"))
            result = result_of(&l);
        print_line(&l, &now);
    }
    return result;
}

/* ---- JSON (RFC 8259) ---- */

static void json_string(const char *s)
{
    putchar('"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            printf("\\u%04x", (unsigned)(unsigned char)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static const struct {
    const char *line;
    const char *name[FIELDS]; /* of its fields; those with '#' before are numbers */
    int many;
} shapes[] = {
    {"now", {"#ms", "#watchdog_ms", "will"}, 0},
    {"check", {"#number", "#at_ms", "#took_ms", "#alarms", "#warnings"}, 0},
    {"work", {"#bytes_hashed", "#pages_walked", "#reads"}, 0},
    {"watch",
     {"#ticks", "#pages", "#passes", "#pass_ms", "#changed", "#longest_stop_us", "#p99_stop_us",
      "#cores"},
     0},
    {"last", {"#why", "#resets"}, 0},
    {"before", {"line"}, 1},
    {"did", {"check", "#result"}, 1},
    {"finding", {"severity", "id", "object", "address", "detail"}, 1},
    {"more", {"#findings"}, 0},
};

static void json_object(const struct line *l, size_t shape)
{
    putchar('{');
    for (int i = 0; i + 1 < FIELDS && shapes[shape].name[i] != NULL; i++) {
        const char *name = shapes[shape].name[i];

        printf("%s\"%s\": ", i > 0 ? ", " : "", name + (*name == '#' ? 1 : 0));
        if (*name == '#')
            printf("%ld", strtol(l->field[i + 1], NULL, 10));
        else
            json_string(l->field[i + 1]);
    }
    putchar('}');
}

/* All lines of one kind. */
static void json_kind(const char *text, size_t shape)
{
    char *copy = strdup(text), *rest = copy;
    struct line l;
    int n = 0;

    printf(",\n  \"%s\": %s", shapes[shape].line, shapes[shape].many ? "[" : "");
    while (copy != NULL && next_line(&rest, &l)) {
        if (!is(&l, shapes[shape].line))
            continue;
        printf("%s", n++ > 0 ? ", " : "");
        json_object(&l, shape);
    }
    printf("%s", shapes[shape].many ? "]" : n == 0 ? "null" : "");
    free(copy);
}

int report_print_json(char *text)
{
    char *copy = strdup(text), *rest = copy;
    char *first = strdup(text), *line = first;
    bool good = first != NULL && is_report(&line);
    int result = 2;
    struct line l;

    free(first);
    if (!good) {
        free(copy);
        return result;
    }
    printf("{\"version\": " VERSION);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        json_kind(text, i);
    printf("}\n");
    while (copy != NULL && next_line(&rest, &l)) {
        if (is(&l, "check"))
            result = result_of(&l);
    }
    free(copy);
    return result;
}
