// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "soft_update.h"

static FILE *open_file(const char *root, const char *name, const char *mode)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return fopen(path, mode);
}

bool soft_read(const char *root, const char *name, void *to, size_t n)
{
    FILE *f = open_file(root, name, "rbe");
    const bool good = f != NULL && fread(to, 1, n, f) == n && fgetc(f) == EOF;

    if (f != NULL)
        fclose(f);
    return good;
}

bool soft_write(const char *root, const char *name, const void *from, size_t n)
{
    FILE *f = open_file(root, name, "wbe");
    bool good = f != NULL && fwrite(from, 1, n, f) == n;

    return f != NULL && fclose(f) == 0 && good;
}
