// SPDX-License-Identifier: Apache-2.0
/*
 * Init of a root image that exists only to ask a kernel what it is: applies /sysctl.conf as
 * systemd-sysctl would, prints what `sysctl -a` would and a few facts, and switches the machine
 * off. Static, no other program in the image. Output goes to the console, between marker lines, for
 * probe.sh to cut out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYS_ROOT "/proc/sys"
#define VALUE_MAX 4096
#define DEPTH_MAX 16

/* "net.ipv4.ip_forward" to "/proc/sys/net/ipv4/ip_forward". */
static void key_to_path(char path[VALUE_MAX], const char *key)
{
    snprintf(path, VALUE_MAX, SYS_ROOT "/%s", key);
    for (char *c = path + strlen(SYS_ROOT "/"); *c; c++)
        *c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
}

static int write_value(const char *path, const char *value)
{
    size_t n = strlen(value);
    int fd = open(path, O_WRONLY);
    int err = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, value, n) != (ssize_t)n)
        err = -errno;
    close(fd);
    return err;
}

static char *trim(char *s)
{
    s += strspn(s, " \t");
    for (size_t n = strlen(s); n && strchr(" \t\n", s[n - 1]); n--)
        s[n - 1] = '\0';
    return s;
}

/* One line of sysctl.conf; a leading "-" means that the key may be missing. */
static void apply_line(char *line)
{
    char path[VALUE_MAX];
    char *key = trim(line);
    char *eq = strchr(key, '=');
    int optional = key[0] == '-';
    int err;

    if (key[0] == '\0' || key[0] == '#' || !eq)
        return;
    *eq = '\0';
    key = trim(key + optional);
    key_to_path(path, key);
    err = write_value(path, trim(eq + 1));
    if (err && !(optional && err == -ENOENT))
        printf("sysctl-failed %s: %s\n", key, strerror(-err));
}

static void apply_file(const char *name)
{
    char line[VALUE_MAX];
    FILE *f = fopen(name, "r");

    if (!f) {
        printf("probe: no %s\n", name);
        return;
    }
    while (fgets(line, sizeof(line), f))
        apply_line(line);
    fclose(f);
}

/* A file's text, each line after its name: the form of `sysctl -a`. */
static void print_file(const char *label, const char *path)
{
    char line[VALUE_MAX];
    FILE *f = fopen(path, "r");

    if (!f)
        return;
    while (fgets(line, sizeof(line), f))
        printf("%s = %s\n", label, trim(line));
    fclose(f);
}

static void print_key(const char *path)
{
    char key[VALUE_MAX];

    snprintf(key, sizeof(key), "%s", path + strlen(SYS_ROOT "/"));
    for (char *c = key; *c; c++)
        *c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
    print_file(key, path);
}

static void print_tree(const char *dir, int depth)
{
    char path[VALUE_MAX];
    struct dirent *e;
    struct stat st;
    DIR *d = depth < DEPTH_MAX ? opendir(dir) : NULL;

    if (!d)
        return;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (lstat(path, &st))
            continue;
        if (S_ISDIR(st.st_mode))
            print_tree(path, depth + 1);
        else if (st.st_mode & S_IRUSR)
            print_key(path);
    }
    closedir(d);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount("securityfs", "/sys/kernel/security", "securityfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
          NULL);

    /* Nothing of the kernel's own in between. */
    write_value(SYS_ROOT "/kernel/printk", "1");
    apply_file("/sysctl.conf");
    printf("\n=== facts\n");
    print_file("version", "/proc/version");
    print_file("cmdline", "/proc/cmdline");
    print_file("lsm", "/sys/kernel/security/lsm");
    print_file("lockdown", "/sys/kernel/security/lockdown");
    print_file("memory", "/proc/meminfo");
    print_file("cpus", "/sys/devices/system/cpu/online");
    print_file("filesystem", "/proc/filesystems");
    print_file("device", "/proc/partitions");
    print_file("crypto", "/proc/crypto");
    printf("=== sysctl\n");
    print_tree(SYS_ROOT, 0);
    printf("=== end\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}
