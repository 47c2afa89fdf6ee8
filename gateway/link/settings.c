// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

#define LINE 160

static bool set_text(char *to, size_t n, const char *value)
{
    size_t size = strlen(value) + 1;

    if (size == 1 || size > n)
        return false;
    memcpy(to, value, size);
    return true;
}

static bool set_port(int *to, const char *value)
{
    char *end;
    long n = strtol(value, &end, 10);

    *to = (int)n;
    return *end == '\0' && n > 0 && n < 65536;
}

static bool set(struct settings *s, const char *key, const char *value)
{
    if (strcmp(key, "host") == 0)
        return set_text(s->host, sizeof(s->host), value);
    if (strcmp(key, "name") == 0)
        return set_text(s->name, sizeof(s->name), value);
    if (strcmp(key, "port") == 0)
        return set_port(&s->port, value);
    if (strcmp(key, "enrol-port") == 0)
        return set_port(&s->enrol_port, value);
    return strcmp(key, "releases") == 0; /* for kapu-update */
}

static const char *root = "";

void link_set_root(const char *folder)
{
    root = folder;
}

const char *link_path(const char *path, char to[LINK_PATH])
{
    (void)snprintf(to, LINK_PATH, "%s%s", root, path);
    return to;
}

bool settings_read(struct settings *s)
{
    char path[LINK_PATH];
    FILE *file = fopen(link_path(SETTINGS_FILE, path), "re");
    char line[LINE];
    bool good = file != NULL;

    memset(s, 0, sizeof(*s));
    for (int number = 1; good && fgets(line, sizeof(line), file) != NULL; number++) {
        char *value = strchr(line, '=');

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (value != NULL)
            *value++ = '\0';
        good = value != NULL && set(s, line, value);
        if (!good)
            say("%s, line %d: not a setting", SETTINGS_FILE, number);
    }
    if (file == NULL)
        say("%s: %m", SETTINGS_FILE);
    else
        fclose(file);
    if (good && (s->host[0] == '\0' || s->name[0] == '\0' || s->port == 0 || s->enrol_port == 0)) {
        say("%s: host, name, port and enrol-port must be there", SETTINGS_FILE);
        good = false;
    }
    return good;
}
