// SPDX-License-Identifier: Apache-2.0
#include "store_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool store_folder_is_read_only(const char *path)
{
    const char *end = strrchr(path, '/');
    char folder[PATH_MAX] = ".";

    if (end != NULL && end > path && (size_t)(end - path) < sizeof(folder)) {
        memcpy(folder, path, (size_t)(end - path));
        folder[end - path] = '\0';
    }
    return access(path, F_OK) == 0 && access(folder, W_OK) != 0;
}

bool store_has_changes_beside(const char *path)
{
    char wal[PATH_MAX];
    struct stat about;

    if ((size_t)snprintf(wal, sizeof(wal), "%s-wal", path) >= sizeof(wal))
        return true;
    return stat(wal, &about) == 0 ? about.st_size > 0 : errno != ENOENT;
}

/* RFC 3986: what is special in a URI does not come through as it is. */
bool store_uri(const char *path, char *to, size_t n)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~/";
    size_t at = (size_t)snprintf(to, n, "file:");

    for (; *path != '\0' && at + 4 < n; path++)
        at += (size_t)snprintf(to + at, n - at, strchr(plain, *path) != NULL ? "%c" : "%%%02X",
                               (unsigned char)*path);
    return *path == '\0' && (size_t)snprintf(to + at, n - at, "?immutable=1") < n - at;
}
