// SPDX-License-Identifier: Apache-2.0
#include "mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

int mapped_open(const char *path, uint64_t most, struct mapped *m, char why[PACKAGE_WHY])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    void *at;

    if (fd < 0)
        return SAY("%s: %s", path, strerror(errno));
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size == 0 || (uint64_t)s.st_size > most) {
        close(fd);
        return SAY("%s: no file of 1 to %" PRIu64 " bytes", path, most);
    }
    at = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return SAY("%s: %s", path, strerror(errno));
    *m = (struct mapped){at, at, (size_t)s.st_size};
    return 0;
}

void mapped_close(struct mapped *m)
{
    if (m->at != NULL)
        munmap(m->at, m->n);
    *m = (struct mapped){0};
}
