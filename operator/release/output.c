// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

int output_open(struct output *o, const char *path, char why[PACKAGE_WHY])
{
    o->path = path;
    if (snprintf(o->temporary, sizeof(o->temporary), "%s.new", path) >= (int)sizeof(o->temporary))
        return SAY("%s: the name is too long", path);
    o->file = fopen(o->temporary, "wbe");
    return o->file != NULL ? 0 : SAY("%s: %s", path, strerror(errno));
}

int output_write(struct output *o, const void *p, size_t n, char why[PACKAGE_WHY])
{
    return fwrite(p, 1, n, o->file) == n ? 0 : SAY("%s: %s", o->path, strerror(errno));
}

int output_close(struct output *o, int err, char why[PACKAGE_WHY])
{
    if (o->file == NULL)
        return err;
    if (err == 0 && (fflush(o->file) != 0 || fsync(fileno(o->file)) != 0))
        err = SAY("%s: %s", o->path, strerror(errno));
    fclose(o->file);
    if (err == 0 && rename(o->temporary, o->path) != 0)
        err = SAY("%s: %s", o->path, strerror(errno));
    if (err != 0)
        unlink(o->temporary);
    return err;
}
