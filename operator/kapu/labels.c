// SPDX-License-Identifier: Apache-2.0
/*
 * What people call gateways: a file of lines "NAME LABEL" in the operator's folder. It is for
 * displays only; nothing is decided by it. Written whole and renamed, under a lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "commands.h"
#include "newfile.h"
#include "operator.h"
#include "text.h"

#define FILE_MAX 67108864u /* some 600,000 gateways */

struct labelled {
    char name[PROTOCOL_NAME_SIZE], label[LABEL_MAX];
    unsigned line;
};

struct labels {
    struct labelled *row;
    size_t n;
};

static const char *take_line(struct labels *l, struct bytes line)
{
    struct labelled *more = NULL, *row;
    const size_t name_n = PROTOCOL_NAME_SIZE - 1;

    if (l->n % 64 == 0)
        more = realloc(l->row, (l->n + 64) * sizeof(*more));
    if (l->n % 64 == 0 && more == NULL)
        return "no memory";
    l->row = more != NULL ? more : l->row;
    row = &l->row[l->n];
    if (line.n <= name_n + 1 || line.n - name_n - 1 >= LABEL_MAX || line.p[name_n] != ' ')
        return "is not a gateway's name, a blank and a label";
    snprintf(row->name, sizeof(row->name), "%.*s", (int)name_n, (const char *)line.p);
    snprintf(row->label, sizeof(row->label), "%.*s", (int)(line.n - name_n - 1),
             (const char *)line.p + name_n + 1);
    if (!protocol_name_is_valid(row->name) || !label_is_good(row->label))
        return "is not a gateway's name, a blank and a label of printable ASCII";
    l->n++;
    return NULL;
}

/* All of the file; 0 without one. -1 after saying why. The caller frees the rows. */
static int load(const struct operator* o, struct labels *l)
{
    char path[OPERATOR_PATH], why[OPERATOR_PATH + 256];
    uint8_t *data = malloc(FILE_MAX);
    const char *fault = NULL;
    struct text t = {.in = {data, 0}};
    struct bytes line;
    int err;

    *l = (struct labels){NULL, 0};
    snprintf(why, sizeof(why), "no memory");
    operator_path(o, "labels", path);
    err = data != NULL ? whole_file(path, FILE_MAX, data, &t.in.n, why, sizeof(why)) : KAPU_ESPACE;
    while (err == 0 && fault == NULL && text_line(&t, &line, &fault) > 0) {
        fault = t.ended ? take_line(l, line) : "does not end: the file was cut";
        if (fault == NULL)
            l->row[l->n - 1].line = t.line;
    }
    free(data);
    if (err == KAPU_ENOENT || (err == 0 && fault == NULL))
        return 0;
    if (fault != NULL)
        snprintf(why, sizeof(why), "%s, line %u: %s", path, t.line, fault);
    (void)fail("%s", why);
    return -1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct labelled *)a)->name, ((const struct labelled *)b)->name);
}

static int by_label(const void *a, const void *b)
{
    return strcmp(((const struct labelled *)a)->label, ((const struct labelled *)b)->label);
}

int labels_check(const struct operator* o)
{
    static int (*const order[])(const void *a, const void *b) = {by_name, by_label};
    char path[OPERATOR_PATH];
    struct labels l;
    int err = load(o, &l);

    for (size_t k = 0; k < 2 && l.n > 1; k++) {
        qsort(l.row, l.n, sizeof(l.row[0]), order[k]);
        for (size_t i = 1; i < l.n && err == 0; i++) {
            if (order[k](&l.row[i - 1], &l.row[i]) == 0) {
                const unsigned a = l.row[i - 1].line, b = l.row[i].line;

                (void)fail("%s, line %u: its %s is there already, in line %u",
                           operator_path(o, "labels", path), a > b ? a : b,
                           k == 0 ? "gateway" : "label", a > b ? b : a);
                err = -1;
            }
        }
    }
    free(l.row);
    return err;
}

const char *operator_label(const struct operator* o, const char *name, char to[LABEL_MAX])
{
    struct labels l;

    snprintf(to, LABEL_MAX, "%s", name);
    (void)load(o, &l); /* it has been told, and the name will do */
    for (size_t i = 0; i < l.n; i++) {
        if (strcmp(l.row[i].name, name) == 0)
            snprintf(to, LABEL_MAX, "%s", l.row[i].label);
    }
    free(l.row);
    return to;
}

int label_to_name(const struct operator* o, const char *label, char name[PROTOCOL_NAME_SIZE])
{
    struct labels l;
    int err = -1;

    (void)load(o, &l);
    for (size_t i = 0; i < l.n && err != 0; i++) {
        if (strcmp(l.row[i].label, label) == 0) {
            memcpy(name, l.row[i].name, PROTOCOL_NAME_SIZE);
            err = 0;
        }
    }
    free(l.row);
    return err;
}

bool label_is_good(const char *label)
{
    size_t n = strlen(label);

    if (n == 0 || n >= LABEL_MAX || label[0] == ' ' || label[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (label[i] < 0x20 || label[i] > 0x7e)
            return false;
    }
    return true;
}

/* All other lines again, then the new one. */
static bool write_labels(const struct operator* o, FILE *to, const char *name, const char *label)
{
    struct labels l;
    const bool whole = load(o, &l) == 0; /* else lines would be lost */

    for (size_t i = 0; i < l.n; i++) {
        if (strcmp(l.row[i].name, name) != 0)
            fprintf(to, "%s %s\n", l.row[i].name, l.row[i].label);
    }
    free(l.row);
    if (label != NULL)
        fprintf(to, "%s %s\n", name, label);
    return whole && fflush(to) == 0 && ferror(to) == 0;
}

/* Under the lock. */
static bool replace(const struct operator* o, const char *name, const char *label)
{
    char path[OPERATOR_PATH];
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    bool done = to != NULL && write_labels(o, to, name, label);

    if (to != NULL)
        done = fclose(to) == 0 && done;
    operator_path(o, "labels", path);
    if (done && n == 0) /* an empty file would be refused as damaged */
        done = unlink(path) == 0 || errno == ENOENT;
    else if (done)
        done = newfile_write(path, (struct bytes){(const uint8_t *)text, n}, 0600) == 0;
    if (!done)
        (void)fail("%s: %s", path, newfile_fault());
    free(text);
    return done;
}

int operator_set_label(const struct operator* o, const char *name, const char *label)
{
    char path[OPERATOR_PATH], other[PROTOCOL_NAME_SIZE];
    int lock = open(operator_path(o, "labels.lock", path), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    bool done = false;

    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        (void)fail("%s: %s", path, strerror(errno));
    else if (label != NULL && label_to_name(o, label, other) == 0 && strcmp(other, name) != 0)
        (void)fail("'%s' is what %s is called", label, other);
    else
        done = replace(o, name, label);
    if (lock >= 0)
        close(lock);
    return done ? 0 : -1;
}
