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
#include "operator.h"

#define LINE 256

/* One line after another; false at the end. Lines that are none are passed over. */
static bool next(FILE *file, char name[PROTOCOL_NAME_SIZE], char label[LABEL_MAX])
{
    char line[LINE];

    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%32s %63[^\n]", name, label) == 2 && protocol_name_is_valid(name))
            return true;
    }
    return false;
}

static FILE *open_labels(const struct operator* o)
{
    char path[OPERATOR_PATH];

    return fopen(operator_path(o, "labels", path), "re");
}

const char *operator_label(const struct operator* o, const char *name, char to[LABEL_MAX])
{
    char one[PROTOCOL_NAME_SIZE], label[LABEL_MAX];
    FILE *file = open_labels(o);

    snprintf(to, LABEL_MAX, "%s", name);
    while (file != NULL && next(file, one, label)) {
        if (strcmp(one, name) == 0)
            snprintf(to, LABEL_MAX, "%s", label);
    }
    if (file != NULL)
        fclose(file);
    return to;
}

int label_to_name(const struct operator* o, const char *label, char name[PROTOCOL_NAME_SIZE])
{
    char one[LABEL_MAX];
    FILE *file = open_labels(o);
    int err = -1;

    while (err != 0 && file != NULL && next(file, name, one)) {
        if (strcmp(one, label) == 0)
            err = 0;
    }
    if (file != NULL)
        fclose(file);
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
    char one[PROTOCOL_NAME_SIZE], other[LABEL_MAX];
    FILE *from = open_labels(o);

    while (from != NULL && next(from, one, other)) {
        if (strcmp(one, name) != 0)
            fprintf(to, "%s %s\n", one, other);
    }
    if (from != NULL)
        fclose(from);
    if (label != NULL)
        fprintf(to, "%s %s\n", name, label);
    return fflush(to) == 0 && fsync(fileno(to)) == 0;
}

/* Under the lock. */
static bool replace(const struct operator* o, const char *name, const char *label)
{
    char path[OPERATOR_PATH], new[OPERATOR_PATH];
    FILE *file = fopen(operator_path(o, "labels.new", new), "we");
    bool done = file != NULL && write_labels(o, file, name, label);

    if (file != NULL)
        done = fclose(file) == 0 && done;
    done = done && rename(new, operator_path(o, "labels", path)) == 0;
    if (!done)
        (void)fail("%s: %s", operator_path(o, "labels", path), strerror(errno));
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
