// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <stdio.h>
#include <string.h>

#define LINE 160
#define KEY "releases="

/* Other lines are for kapu-link, which holds them to their form. */
bool settings_releases(const char *path, char *to, size_t n)
{
    FILE *file = fopen(path, "re");
    char line[LINE];

    if (file == NULL) {
        (void)fprintf(stderr, "kapu-update: %s: %m\n", path);
        return false;
    }
    to[0] = '\0';
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, KEY, sizeof(KEY) - 1) == 0)
            (void)snprintf(to, n, "%s", line + sizeof(KEY) - 1);
    }
    (void)fclose(file);
    if (to[0] == '\0')
        (void)fprintf(stderr, "kapu-update: %s: releases=URL must be there\n", path);
    return to[0] != '\0';
}
