// SPDX-License-Identifier: Apache-2.0
#include "content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

static int read_into(uint8_t *to, size_t n, const char *path, char why[PACKAGE_WHY])
{
    FILE *f = fopen(path, "rbe");
    size_t got = f != NULL ? fread(to, 1, n, f) : 0;

    if (f == NULL)
        return SAY("%s: %s", path, strerror(errno));
    fclose(f);
    return got == n ? 0 : SAY("%s: became shorter while it was read", path);
}

static size_t whole_blocks(uint64_t n)
{
    return (size_t)((n + RELEASE_BLOCK - 1) / RELEASE_BLOCK * RELEASE_BLOCK);
}

/* What lies behind the file system in the root image is its hash tree, which follows from it. */
int content_read(struct content *c, const struct package *p, const char *firmware, const char *root,
                 char why[PACKAGE_WHY])
{
    c->root_blocks = (uint32_t)(p->root_size / RELEASE_BLOCK);
    c->n = (size_t)p->root_size + whole_blocks(p->firmware.size);
    c->p = calloc(1, c->n);
    if (c->p == NULL)
        return SAY("no memory for %zu bytes", c->n);
    if (read_into(c->p, (size_t)p->root_size, root, why) != 0)
        return -1;
    return read_into(c->p + p->root_size, (size_t)p->firmware.size, firmware, why);
}
