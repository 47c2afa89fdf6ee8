// SPDX-License-Identifier: Apache-2.0
#include "webroot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "leave.h"
#include "newfile.h"

#define CHUNK 65536
#define NAME 256           /* of a folder that is being made */
#define NEW NEWFILE_ENDING /* of a file that is being made */
#define PATCH_DIGITS 32u   /* of the identity in a patch's name */
#define ONLY_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *const parts[] = {"manifest", "index", "payload"};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* A folder that is open, and how people call it. `links`: O_NOFOLLOW if others may write there. */
struct folder {
    int fd;
    const char *path;
    int links;
};

static int say(const struct folder *f, const char *name)
{
    return fail("%s/%s: %s", f->path, name, strerror(errno));
}

static bool is_there(const struct folder *f, const char *name)
{
    struct stat s;

    return fstatat(f->fd, name, &s, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* A plain file, or -1 with errno. */
static int open_file(const struct folder *f, const char *name)
{
    int fd = openat(f->fd, name, O_RDONLY | f->links | O_NONBLOCK | O_CLOEXEC);
    struct stat s;

    if (fd >= 0 && (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

/* As many bytes as there are, up to n; -1: an error. */
static ssize_t read_all(int fd, uint8_t *to, size_t n)
{
    size_t at = 0;

    while (at < n) {
        ssize_t got = read(fd, to + at, n - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        at += (size_t)got;
    }
    return (ssize_t)at;
}

/* ---- files ---- */

static int copy_bytes(int from, int to)
{
    static uint8_t chunk[CHUNK];
    ssize_t n;

    while ((n = read_all(from, chunk, sizeof(chunk))) > 0) {
        if (newfile_put_to(to, (struct bytes){chunk, (size_t)n}) != 0)
            return -1;
    }
    return n == 0 && fchmod(to, 0644) == 0 && fsync(to) == 0 ? 0 : -1;
}

/* Whole or not at all. */
static int copy_file(const struct folder *from, const struct folder *to, const char *name)
{
    int in = open_file(from, name), out = -1, status = EXIT_FAILED;

    if (in < 0)
        return say(from, name);
    if (unlinkat(to->fd, NEW, 0) == 0 || errno == ENOENT)
        out = openat(to->fd, NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0 || copy_bytes(in, out) != 0 || renameat(to->fd, NEW, to->fd, name) != 0)
        (void)say(to, name);
    else
        status = EXIT_DONE;
    if (status != EXIT_DONE)
        (void)unlinkat(to->fd, NEW, 0);
    close(in);
    if (out >= 0)
        close(out);
    return status;
}

static bool same_bytes(int a, int b)
{
    static uint8_t one[CHUNK], other[CHUNK];
    ssize_t n;

    do {
        n = read_all(a, one, sizeof(one));
        if (n < 0 || read_all(b, other, sizeof(other)) != n || memcmp(one, other, (size_t)n) != 0)
            return false;
    } while (n == CHUNK);
    return true;
}

static bool same_file(const struct folder *a, const struct folder *b, const char *name)
{
    int one = open_file(a, name), other = open_file(b, name);
    bool same = one >= 0 && other >= 0 && same_bytes(one, other);

    if (one >= 0)
        close(one);
    if (other >= 0)
        close(other);
    return same;
}

/* ---- patches ---- */

bool webroot_is_patch(const char *name)
{
    const size_t begin = strlen("patch-");

    return strncmp(name, "patch-", begin) == 0 &&
           strspn(name + begin, "0123456789abcdef") == PATCH_DIGITS &&
           (name[begin + PATCH_DIGITS] == '\0' ||
            strcmp(name + begin + PATCH_DIGITS, ".index") == 0);
}

/* To be read from its beginning; NULL with errno. */
static DIR *list(const struct folder *f)
{
    int fd = openat(f->fd, ".", ONLY_FOLDER);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (d == NULL && fd >= 0)
        close(fd);
    return d;
}

/* One that is there is left as it is: nobody believes it, and a gateway may be reading it. */
static int copy_patches(const struct folder *from, const struct folder *to)
{
    DIR *d = list(from);
    const struct dirent *entry;
    int status = EXIT_DONE;

    if (d == NULL)
        return say(from, ".");
    while (status == EXIT_DONE && (entry = readdir(d)) != NULL) {
        if (webroot_is_patch(entry->d_name) && !is_there(to, entry->d_name))
            status = copy_file(from, to, entry->d_name);
    }
    closedir(d);
    return status == EXIT_DONE && fsync(to->fd) != 0 ? say(to, ".") : status;
}

/* ---- the folder ---- */

/* What is being made below the root goes if a signal ends this process. The number for leave_keep.
 */
static int leave_below(const struct folder *root, const char *name, const char *file)
{
    char path[LEAVE_PATH];

    if (snprintf(path, sizeof(path), "%s/%s%s", root->path, name, file) >= LEAVE_PATH)
        return -1;
    return leave_remove(path, file[0] == '\0');
}

/* Of a run that was cut. */
static void throw_away(const struct folder *root, const char *name)
{
    const struct folder f = {openat(root->fd, name, ONLY_FOLDER), name, O_NOFOLLOW};
    DIR *d = f.fd >= 0 ? list(&f) : NULL;
    const struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(f.fd, entry->d_name, 0);
    }
    if (d != NULL)
        closedir(d);
    if (f.fd >= 0)
        close(f.fd);
    (void)unlinkat(root->fd, name, f.fd >= 0 ? AT_REMOVEDIR : 0);
}

static int fill(const struct folder *from, const struct folder *to)
{
    int status = fchmod(to->fd, 0755) == 0 ? EXIT_DONE : say(to, ".");

    for (size_t i = 0; status == EXIT_DONE && i < PARTS; i++)
        status = copy_file(from, to, parts[i]);
    return status == EXIT_DONE ? copy_patches(from, to) : status;
}

static int make(const struct folder *root, const struct folder *from, const char *name)
{
    char making[NAME];
    struct folder f = {-1, making, O_NOFOLLOW};
    int status, left;

    snprintf(making, sizeof(making), ".%s" NEWFILE_ENDING, name);
    throw_away(root, making);
    left = leave_below(root, making, "");
    if (mkdirat(root->fd, making, 0700) == 0)
        f.fd = openat(root->fd, making, ONLY_FOLDER);
    if (f.fd < 0) {
        leave_keep(left);
        return say(root, making);
    }
    status = fill(from, &f);
    close(f.fd);
    if (status == EXIT_DONE &&
        (renameat(root->fd, making, root->fd, name) != 0 || fsync(root->fd) != 0))
        status = say(root, name);
    if (status != EXIT_DONE)
        throw_away(root, making);
    leave_keep(left);
    return status;
}

static int add_to(const struct folder *root, const struct folder *from, const char *name)
{
    const struct folder to = {openat(root->fd, name, ONLY_FOLDER), name, O_NOFOLLOW};
    int status = EXIT_DONE, left;

    if (to.fd < 0)
        return fail("%s/%s: is there, but not a folder of a release", root->path, name);
    for (size_t i = 0; status == EXIT_DONE && i < PARTS; i++) {
        if (!same_file(from, &to, parts[i]))
            status = fail("%s/%s: is there, with another %s; gateways may be reading it: name "
                          "another folder with --folder",
                          root->path, name, parts[i]);
    }
    left = leave_below(root, name, "/" NEW);
    if (status == EXIT_DONE)
        status = copy_patches(from, &to);
    leave_keep(left);
    close(to.fd);
    return status;
}

int webroot_put(const char *root, const char *from, const char *folder)
{
    const struct folder in = {open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), from, 0};
    const struct folder out = {open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), root, O_NOFOLLOW};
    int status;

    if (in.fd < 0 || out.fd < 0)
        status = fail("%s: %s", in.fd < 0 ? from : root, strerror(errno));
    else if (flock(out.fd, LOCK_EX | LOCK_NB) != 0)
        status = fail("%s: %s", root, newfile_fault());
    else
        status = is_there(&out, folder) ? add_to(&out, &in, folder) : make(&out, &in, folder);
    if (in.fd >= 0)
        close(in.fd);
    if (out.fd >= 0)
        close(out.fd);
    return status;
}
