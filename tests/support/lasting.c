// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded (LD_PRELOAD), it tells which renamed files and folders survive a power cut: those that
 * were synced before the rename, and whose parent folder was synced after it. A write between sync
 * and rename is not noticed.
 *
 *   KAPU_LASTING  a file that gets a line for each rename: "PATH: lasting", or the reason why not
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 4096

struct thing {
    dev_t dev;
    ino_t ino;
};

static struct thing synced[MANY], folder_of[MANY];
static char name_of[MANY][PATH_MAX];
static bool unsynced[MANY]; /* its content, at the rename */
static size_t syncs, names;

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

static bool same(const struct thing *a, const struct stat *b)
{
    return a->dev == b->st_dev && a->ino == b->st_ino;
}

static void say(const char *what, const char *path)
{
    const char *to = getenv("KAPU_LASTING");
    FILE *file = to != NULL ? fopen(to, "ae") : NULL;

    if (file != NULL) {
        fprintf(file, "%s: %s\n", path, what);
        (void)fclose(file);
    }
}

static void note_sync(int fd)
{
    struct stat s;

    if (fstat(fd, &s) != 0)
        return;
    if (syncs < MANY)
        synced[syncs++] = (struct thing){s.st_dev, s.st_ino};
    for (size_t i = 0; i < names; i++) {
        if (!same(&folder_of[i], &s))
            continue;
        folder_of[i].ino = 0;
        say(unsynced[i] ? "its content was not synced" : "lasting", name_of[i]);
    }
}

static void note_name(int folder, const char *path)
{
    char copy[PATH_MAX];
    bool was_synced = false;
    struct stat s;

    if (fstatat(folder, path, &s, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    for (size_t i = 0; i < syncs; i++)
        was_synced = was_synced || same(&synced[i], &s);
    (void)snprintf(copy, sizeof(copy), "%s", path);
    if (names < MANY && fstatat(folder, dirname(copy), &s, 0) == 0) {
        folder_of[names] = (struct thing){s.st_dev, s.st_ino};
        (void)snprintf(name_of[names], PATH_MAX, "%s", path);
        unsynced[names++] = !was_synced;
    }
}

int fsync(int fd)
{
    const int err = REAL(fsync, fd);

    if (err == 0)
        note_sync(fd);
    return err;
}

int fdatasync(int fd)
{
    const int err = REAL(fdatasync, fd);

    if (err == 0)
        note_sync(fd);
    return err;
}

int renameat(int a, const char *from, int b, const char *to)
{
    const int err = REAL(renameat, a, from, b, to);

    if (err == 0)
        note_name(b, to);
    return err;
}

int rename(const char *from, const char *to)
{
    const int err = REAL(rename, from, to);

    if (err == 0)
        note_name(AT_FDCWD, to);
    return err;
}

__attribute__((destructor)) static void tell(void)
{
    for (size_t i = 0; i < names; i++) {
        if (folder_of[i].ino != 0)
            say("its folder was not synced", name_of[i]);
    }
}
