// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-status: says on the console, at the end of the boot, what this gateway is and whether its
 * protections are up.
 *
 * Every value is read from the running system. What is *not* proven here: whoever owns Linux can
 * make this program say anything. It serves the person in front of the board and the tests; the
 * operator relies on attestation instead.
 *
 * The last line is stable, for machines:  KAPU-STATUS ok  |  KAPU-STATUS degraded: <reason>
 * <reason> ...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/tee.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <kapu/update.h>

#include "boot_pta.h"
#include "sockets.h"
#include "tee_service.h"
#include "update_ta.h"

#define LINE 256              /* longest value shown */
#define CMDLINE 4096          /* COMMAND_LINE_SIZE of arm64 is 2048 */
#define ADDRESS_WAIT_MS 10000 /* DHCP usually answers within one second */
#define TEE_WAIT_MS                                                                                \
    10000 /* udev gives the device its group, the daemon starts: both at the same time as we */
#define POLL_MS 100
#define EMERGENCY_PAUSE_S 3 /* time to read the console before the reset */

#define SUPPLICANT_CGROUP "/sys/fs/cgroup/system.slice/tee-supplicant.service/cgroup.events"

struct report {
    char reasons[LINE];
};

/* The row's value is one line; `reason` (one word, or NULL) makes the whole status degraded. */
static void row(struct report *r, const char *name, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void row(struct report *r, const char *name, const char *reason, const char *format, ...)
{
    va_list args;

    printf("  %-9s ", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("%s\n", reason ? "  <-- !" : "");
    if (reason) {
        size_t used = strlen(r->reasons);

        snprintf(r->reasons + used, sizeof(r->reasons) - used, " %s", reason);
    }
}

/* Reads at most n-1 bytes; always leaves a string, without its last newline. Returns false if there
 * is no such file. */
static bool read_text(const char *path, char *to, size_t n)
{
    FILE *f = fopen(path, "re");
    size_t got;

    to[0] = '\0';
    if (!f)
        return false;
    got = fread(to, 1, n - 1, f);
    fclose(f);
    to[got] = '\0';
    if (got && to[got - 1] == '\n')
        to[got - 1] = '\0';
    return true;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static void show_product(struct report *r)
{
    static const char key[] = "PRETTY_NAME=\"";
    char text[1024], *name, *end;

    read_text("/etc/os-release", text, sizeof(text));
    name = strstr(text, key);
    end = name ? strchr(name + sizeof(key) - 1, '"') : NULL;
    if (!end) {
        row(r, "product", "product", "unknown");
        return;
    }
    *end = '\0';
    row(r, "product", NULL, "%s", name + sizeof(key) - 1);
}

/* /sys/kernel/security/lockdown looks like: none [integrity] confidentiality */
static void show_kernel(struct report *r)
{
    struct utsname u;
    char text[LINE], *on = NULL, *end = NULL;

    if (uname(&u) < 0)
        row(r, "kernel", "kernel", "unknown");
    else
        row(r, "kernel", NULL, "%s, %ld CPUs online", u.release, sysconf(_SC_NPROCESSORS_ONLN));

    if (read_text("/sys/kernel/security/lockdown", text, sizeof(text)))
        on = strchr(text, '[');
    end = on ? strchr(on, ']') : NULL;
    if (!end) {
        row(r, "lockdown", "lockdown", "not in this kernel");
        return;
    }
    *end = '\0';
    row(r, "lockdown", strcmp(on + 1, "none") ? NULL : "lockdown", "%s", on + 1);
}

/* The line of /proc/self/mountinfo for a mount point; fills device number and type. The last one
 * wins: it is on top. */
static bool find_mount(const char *where, char device[32], char type[32])
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[1024], at[LINE], dev[32];
    bool found = false;

    if (!f)
        return false;
    while (fgets(line, sizeof(line), f)) {
        const char *dash = strstr(line, " - ");

        if (sscanf(line, "%*s %*s %31s %*s %255s", dev, at) == 2 && dash && !strcmp(at, where) &&
            sscanf(dash, " - %31s", type) == 1) {
            memcpy(device, dev, sizeof(dev));
            found = true;
        }
    }
    fclose(f);
    return found;
}

/* The table that the (signed) kernel command line asked for: dm-mod.create="root,,,ro,0 SECTORS
 * verity ... */
struct wanted {
    char name[32];
    unsigned long long sectors;
    char partition[64];
    char root_hash[80];
};

static bool parse_wanted(struct wanted *w)
{
    static const char key[] = "dm-mod.create=";
    char cmdline[CMDLINE], *at;

    memset(w, 0, sizeof(*w));
    read_text("/proc/cmdline", cmdline, sizeof(cmdline));
    at = strstr(cmdline, key);
    if (!at)
        return false;
    at += sizeof(key) - 1;
    at += *at == '"';
    return sscanf(at, "%31[^,],,,ro,0 %llu verity 1 %63s %*s 4096 4096 %*u %*u sha256 %79s",
                  w->name, &w->sectors, w->partition, w->root_hash) == 4;
}

/* True if the device below / is what `w` describes: device-mapper's, by that name, read-only, of
 * that size. The table itself can only be read with CAP_SYS_ADMIN, which this program does not
 * have: the secure world looks at that. */
static bool matches(const struct wanted *w, const char *device)
{
    char path[LINE], name[64], ro[8], size[32];

    snprintf(path, sizeof(path), "/sys/dev/block/%s/dm/name", device);
    if (!read_text(path, name, sizeof(name)) || strcmp(name, w->name))
        return false;
    snprintf(path, sizeof(path), "/sys/dev/block/%s/ro", device);
    if (!read_text(path, ro, sizeof(ro)) || strcmp(ro, "1"))
        return false;
    snprintf(path, sizeof(path), "/sys/dev/block/%s/size", device);
    return read_text(path, size, sizeof(size)) && strtoull(size, NULL, 10) == w->sectors;
}

static void show_root(struct report *r)
{
    char device[32], type[32];
    struct wanted w;

    if (!find_mount("/", device, type)) {
        row(r, "root", "root", "unknown");
        return;
    }
    if (!parse_wanted(&w) || !matches(&w, device)) {
        row(r, "root", "root", "%s on device %s, NOT verified", type, device);
        return;
    }
    row(r, "root", NULL, "%s, read-only, on dm-verity, %s", type, w.partition);
    row(r, "root hash", NULL, "%s", w.root_hash);
}

static void show_data(struct report *r)
{
    char device[32], type[32];

    if (find_mount("/var", device, type))
        row(r, "data", NULL, "%s on /var", type);
    else
        row(r, "data", "data", "/var is not mounted");
}

static void show_tee(struct report *r)
{
    struct tee_ioctl_version_data v = {0};
    int left = TEE_WAIT_MS;
    int fd = open(TEE_DEVICE, O_RDWR | O_CLOEXEC);

    while (fd < 0 && errno == EACCES && left > 0) {
        pause_ms(POLL_MS);
        left -= POLL_MS;
        fd = open(TEE_DEVICE, O_RDWR | O_CLOEXEC);
    }
    if (fd < 0) {
        row(r, "TEE", "tee", "%s: %s", TEE_DEVICE, strerror(errno));
        return;
    }
    if (ioctl(fd, TEE_IOC_VERSION, &v) < 0)
        row(r, "TEE", "tee", "no answer: %s", strerror(errno));
    else if (v.impl_id != TEE_IMPL_ID_OPTEE)
        row(r, "TEE", "tee", "unknown implementation %u", v.impl_id);
    else
        row(r, "TEE", NULL, "OP-TEE%s", v.impl_caps & TEE_OPTEE_CAP_TZ ? " in TrustZone" : "");
    close(fd);
}

/* What the secure world's boot service says; and it is told that the system came up. */
static void show_boot(struct report *r)
{
    static const struct tee_uuid boot_service = BOOT_PTA_UUID;
    struct tee_param v[TEE_PARAMS] = {
        {.kind = TEE_OUTPUT}, {.kind = TEE_OUTPUT}, {.kind = TEE_OUTPUT}};
    struct tee_param none[TEE_PARAMS] = {{.kind = TEE_NOTHING}};
    struct tee_service s;
    uint32_t result = tee_service_open(&s, &boot_service);

    if (result == 0)
        result = tee_service_call(&s, BOOT_PTA_STATE, v);
    if (result == 0)
        result = tee_service_call(&s, BOOT_PTA_COMPLETE, none);
    if (result != 0)
        row(r, "boot", "boot", "%s", tee_service_error(result));
    else
        row(r, "boot", NULL, "slot %c, %s, security counter %u (this release: %u)",
            'A' + (int)(v[0].a & 1), v[0].b ? "on trial" : "confirmed", v[1].a, v[1].b);
    tee_service_close(&s);
}

/* Asking is what has the update TA settle what a power cut or a failed trial left. */
static uint32_t ask_update(struct update_record *u, enum update_stage *stage)
{
    static const struct tee_uuid update_ta = UPDATE_TA_UUID;
    struct tee_memory m = {.fd = -1};
    struct tee_param v[TEE_PARAMS] = {
        {TEE_MEMORY_OUTPUT, 0, UPDATE_RECORD_SIZE, &m},
        {TEE_MEMORY_OUTPUT, UPDATE_RECORD_SIZE, UPDATE_TA_NAMES_SIZE, &m},
        {.kind = TEE_OUTPUT}};
    struct tee_service s;
    uint32_t result = tee_service_open(&s, &update_ta);

    if (result == 0 && tee_memory_open(&s, &m, UPDATE_RECORD_SIZE + UPDATE_TA_NAMES_SIZE) != 0)
        result = TEE_SYSTEM_ERROR;
    if (result == 0)
        result = tee_service_call(&s, UPDATE_TA_STATE, v);
    if (result == 0 && update_record_decode(m.p, u) != 0) {
        errno = EPROTO;
        result = TEE_SYSTEM_ERROR;
    }
    *stage = (enum update_stage)v[2].a;
    if (m.fd >= 0)
        tee_memory_close(&m);
    tee_service_close(&s);
    return result;
}

static void show_update(struct report *r)
{
    struct update_record u;
    enum update_stage stage;
    uint32_t result = ask_update(&u, &stage);

    if (result != 0)
        row(r, "update", "update", "%s", tee_service_error(result));
    else
        row(r, "update", NULL, "%s; the last one: %s", update_stage_name(stage),
            update_outcome_name((enum update_outcome)u.last));
}

/* The control group of the service has a process in it (systemd itself is not asked: it has no
 * interface for us). */
static bool supplicant_runs(void)
{
    char text[LINE];

    return read_text(SUPPLICANT_CGROUP, text, sizeof(text)) && strstr(text, "populated 1");
}

static void show_supplicant(struct report *r)
{
    int left = access(TEE_DEVICE, F_OK) == 0 ? TEE_WAIT_MS : 0;

    while (!supplicant_runs() && left > 0) {
        pause_ms(POLL_MS);
        left -= POLL_MS;
    }
    if (supplicant_runs())
        row(r, "storage", NULL, "tee-supplicant running");
    else
        row(r, "storage", "storage", "tee-supplicant not running");
}

static bool first_address(char name[IF_NAMESIZE], char address[INET_ADDRSTRLEN])
{
    struct ifaddrs *list, *i;
    bool found = false;

    if (getifaddrs(&list) < 0)
        return false;
    for (i = list; i && !found; i = i->ifa_next) {
        struct sockaddr_in in;

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || i->ifa_flags & IFF_LOOPBACK)
            continue;
        memcpy(&in, i->ifa_addr, sizeof(in));
        snprintf(name, IF_NAMESIZE, "%s", i->ifa_name);
        found = inet_ntop(AF_INET, &in.sin_addr, address, INET_ADDRSTRLEN);
    }
    freeifaddrs(list);
    return found;
}

static void show_network(struct report *r)
{
    char name[IF_NAMESIZE], address[INET_ADDRSTRLEN];
    int left;

    for (left = ADDRESS_WAIT_MS; left > 0; left -= POLL_MS) {
        if (first_address(name, address)) {
            row(r, "network", NULL, "%s %s", name, address);
            return;
        }
        pause_ms(POLL_MS);
    }
    row(r, "network", "network", "no address");
}

static void show_listening(struct report *r)
{
    char text[LINE];

    if (sockets_listening(text, sizeof(text)) == 0)
        row(r, "listening", NULL, "%s", text);
    else
        row(r, "listening", "listening", "unknown");
}

static int show_all(void)
{
    struct report r = {""};

    printf("\n");
    show_product(&r);
    show_kernel(&r);
    show_root(&r);
    show_data(&r);
    show_network(&r);
    show_listening(&r);
    show_tee(&r);
    show_boot(&r);
    show_update(&r);
    show_supplicant(&r);
    if (r.reasons[0])
        printf("KAPU-STATUS degraded:%s\n", r.reasons);
    else
        printf("KAPU-STATUS ok\n");
    return 0;
}

/* The boot failed. There is no shell to offer: say what is known, leave time to read it; the unit
 * then resets. */
static int emergency(void)
{
    char device[32], type[32];

    printf("\nKAPU-STATUS failed: the system could not start");
    if (!find_mount("/var", device, type))
        printf(": the data partition (kapu-data) is missing or damaged");
    printf("; restarting\n");
    fflush(stdout);
    pause_ms(EMERGENCY_PAUSE_S * 1000L);
    return 0;
}

int main(int argc, char **argv)
{
    int result;

    if (argc == 2 && !strcmp(argv[1], "--emergency"))
        result = emergency();
    else if (argc == 1)
        result = show_all();
    else {
        fprintf(stderr, "usage: kapu-status [--emergency]\n");
        return 2;
    }
    return fflush(stdout) == 0 ? result : 1;
}
