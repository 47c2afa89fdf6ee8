// SPDX-License-Identifier: Apache-2.0
#include "newfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leave.h"

#define TRIES 100

const char *newfile_fault(void)
{
    return errno == EWOULDBLOCK ? "another process of kapu is writing it now" : strerror(errno);
}

/* Whether the path still names what is open: another process may have moved it away before the
 * lock was taken. */
static bool is_still(int fd, const char *path)
{
    struct stat open, named;

    return fstat(fd, &open) == 0 && lstat(path, &named) == 0 && open.st_dev == named.st_dev &&
           open.st_ino == named.st_ino;
}

/* Locked, or closed. */
static int lock(int fd)
{
    const int err = fd >= 0 ? flock(fd, LOCK_EX | LOCK_NB) : -1, why = errno;

    if (fd >= 0 && err != 0)
        close(fd);
    errno = why;
    return err == 0 ? fd : -1;
}

/* Whose content nobody else can read more than `mode` says. */
static bool is_ours(int fd, unsigned int mode)
{
    struct stat s;

    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_nlink == 1 && s.st_uid == geteuid() &&
        fchmod(fd, s.st_mode & mode) == 0)
        return ftruncate(fd, 0) == 0;
    errno = EPERM;
    return false;
}

/* 0; 1: again; -1: errno says why. */
static int try_to_open(struct newfile *f, unsigned int mode)
{
    f->fd = lock(open(f->temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode));
    if (f->fd < 0)
        return -1;
    if (!is_still(f->fd, f->temporary)) {
        close(f->fd);
        f->fd = -1;
        return 1;
    }
    if (!is_ours(f->fd, mode)) {
        close(f->fd);
        f->fd = -1;
        return -1;
    }
    f->left = leave_remove(f->temporary, false);
    return 0;
}

int newfile_open(struct newfile *f, const char *path, unsigned int mode)
{
    sigset_t was;
    int err = 1;

    f->path = path;
    f->fd = f->left = -1;
    if (snprintf(f->temporary, sizeof(f->temporary), "%s" NEWFILE_ENDING, path) >= NEWFILE_PATH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    leave_hold(&was);
    for (int i = 0; err > 0 && i < TRIES; i++)
        err = try_to_open(f, mode);
    if (err > 0)
        errno = EWOULDBLOCK;
    leave_release(&was);
    return err == 0 ? 0 : -1;
}

/* Writes the names in a folder to the disk. Some file systems cannot do that: not an error. */
static int sync_names(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : -1;
}

static int sync_folder_of(const char *path)
{
    char folder[NEWFILE_PATH];
    int fd, err;

    if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -1;
    err = sync_names(fd);
    close(fd);
    return err;
}

int newfile_keep(struct newfile *f)
{
    if (fsync(f->fd) != 0 || rename(f->temporary, f->path) != 0) {
        newfile_drop(f);
        return -1;
    }
    leave_keep(f->left);
    close(f->fd); /* fsync has reported any error */
    f->fd = f->left = -1;
    return sync_folder_of(f->path);
}

void newfile_drop(struct newfile *f)
{
    const int why = errno;

    if (f->fd >= 0) {
        (void)unlink(f->temporary);
        leave_keep(f->left);
        close(f->fd);
    }
    f->fd = f->left = -1;
    errno = why;
}

int newfile_put_to(int fd, struct bytes data)
{
    for (size_t at = 0; at < data.n;) {
        const ssize_t n = write(fd, data.p + at, data.n - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

int newfile_put(struct newfile *f, struct bytes data)
{
    return newfile_put_to(f->fd, data);
}

int newfile_write(const char *path, struct bytes data, unsigned int mode)
{
    struct newfile f;

    if (newfile_open(&f, path, mode) != 0)
        return -1;
    if (newfile_put(&f, data) == 0)
        return newfile_keep(&f);
    newfile_drop(&f);
    return -1;
}

/* ---- folders ---- */

static void empty(int fd)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again >= 0 ? fdopendir(again) : NULL;
    const struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(fd, entry->d_name, 0);
    }
    if (d != NULL)
        closedir(d);
    else if (again >= 0)
        close(again);
}

/* 0; 1: again; -1: errno says why. */
static int try_folder(const char *path, unsigned int mode, int *fd)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return -1;
    *fd = lock(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (*fd < 0)
        return errno == ENOENT ? 1 : -1;
    if (is_still(*fd, path))
        return 0;
    close(*fd);
    *fd = -1;
    return 1;
}

int newfolder_begin(const char *path, unsigned int mode, int *left)
{
    int fd = -1, err = 1;
    sigset_t was;

    *left = -1;
    leave_hold(&was);
    for (int i = 0; err > 0 && i < TRIES; i++)
        err = try_folder(path, mode, &fd);
    if (err == 0) {
        *left = leave_remove(path, true);
        empty(fd);
    } else if (err > 0) {
        errno = EWOULDBLOCK;
    }
    leave_release(&was);
    return fd;
}

int newfolder_keep(int fd, const char *path, const char *folder)
{
    int why;

    if (sync_names(fd) != 0 || rename(path, folder) != 0)
        return -1;
    if (sync_folder_of(path) == 0)
        return 0;
    why = errno;
    (void)rename(folder, path); /* the caller removes it under this name */
    errno = why;
    return -1;
}

void newfolder_end(int fd, const char *path, int left, bool kept)
{
    const int why = errno;

    if (!kept) {
        empty(fd);
        (void)rmdir(path);
    }
    leave_keep(left);
    close(fd);
    errno = why;
}
