// SPDX-License-Identifier: Apache-2.0
#include "swtpm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000
#define ANSWER_MS 60000
#define CTRL_INIT 2u /* swtpm's control channel: CMD_INIT */

static int connect_to(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_patiently(const char *path)
{
    for (int ms = 0; ms < START_MS; ms += 5) {
        int fd = connect_to(path);

        if (fd >= 0)
            return fd;
        usleep(5000);
    }
    return -1;
}

static int read_all(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got = -1;

        if (poll(&p, 1, ANSWER_MS) == 1)
            got = read(fd, to, n);
        if (got <= 0)
            return -1;
        to += got;
        n -= (size_t)got;
    }
    return 0;
}

static int control(const struct swtpm *s, uint32_t command, size_t words)
{
    char path[sizeof(s->sock) + 8];
    uint8_t b[8];
    struct wr w;
    int fd, err = -1;

    snprintf(path, sizeof(path), "%s.ctrl", s->sock);
    fd = connect_patiently(path);
    wr_init(&w, b, sizeof(b));
    wr_be32(&w, command);
    if (words > 1)
        wr_be32(&w, 0);
    if (fd >= 0 && write(fd, b, w.at) == (ssize_t)w.at && read_all(fd, b, 4) == 0)
        err = memcmp(b, "\0\0\0\0", 4) == 0 ? 0 : -1;
    if (fd >= 0)
        close(fd);
    return err;
}

/* Starts swtpm in a fresh folder, with more arguments if there is a server socket. */
static int spawn(struct swtpm *s, bool server)
{
    char data[160], ctrl[160], state[96];
    const char *argv[] = {"swtpm", "socket",  "--tpm2",        "--tpmstate", state, "--ctrl",
                          ctrl,    "--flags", "not-need-init", "--server",   data,  NULL};

    memset(s, 0, sizeof(*s));
    s->fd = -1;
    snprintf(s->dir, sizeof(s->dir), "/tmp/kapu-tpm2-XXXXXX");
    if (mkdtemp(s->dir) == NULL)
        return -1;
    snprintf(s->sock, sizeof(s->sock), "%s/tpm", s->dir);
    snprintf(data, sizeof(data), "type=unixio,path=%s", s->sock);
    snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s.ctrl", s->sock);
    snprintf(state, sizeof(state), "dir=%s", s->dir);
    if (!server)
        argv[7] = NULL;
    s->pid = fork();
    if (s->pid == 0) {
        int null = open("/dev/null", O_RDWR);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return s->pid > 0 ? 0 : -1;
}

int swtpm_begin(struct swtpm *s)
{
    if (spawn(s, true) != 0)
        return -1;
    s->fd = connect_patiently(s->sock);
    return s->fd >= 0 ? 0 : -1;
}

int swtpm_begin_for_qemu(struct swtpm *s)
{
    char path[sizeof(s->sock) + 8];

    if (spawn(s, false) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s.ctrl", s->sock);
    for (int ms = 0; ms < START_MS && access(path, F_OK) != 0; ms += 5)
        usleep(5000);
    return access(path, F_OK);
}

int swtpm_reset(struct swtpm *s)
{
    swtpm_release(s);
    return control(s, CTRL_INIT, 2);
}

void swtpm_release(struct swtpm *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void swtpm_end(struct swtpm *s)
{
    char command[96];

    swtpm_release(s);
    if (s->pid > 0) {
        kill(s->pid, SIGTERM);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
    if (strncmp(s->dir, "/tmp/kapu-tpm2-", 15) == 0) {
        snprintf(command, sizeof(command), "rm -rf -- %s", s->dir);
        if (system(command) != 0)
            perror("rm");
    }
}

static int transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    struct swtpm *s = ctx;
    uint8_t header[10];
    struct rd r;
    uint32_t size;

    if (s->fd < 0)
        s->fd = connect_patiently(s->sock);
    if (s->fd < 0 || write(s->fd, cmd.p, cmd.n) != (ssize_t)cmd.n ||
        read_all(s->fd, header, sizeof(header)) != 0)
        return KAPU_EIO;
    rd_init(&r, BYTES_OF(header));
    (void)rd_be16(&r);
    size = rd_be32(&r);
    if (size < sizeof(header) || size > capacity)
        return KAPU_ESPACE;
    memcpy(rsp, header, sizeof(header));
    if (read_all(s->fd, rsp + sizeof(header), size - sizeof(header)) != 0)
        return KAPU_EIO;
    *n = size;
    return 0;
}

static void pause_ms(void *ctx, uint32_t ms)
{
    (void)ctx;
    usleep(ms * 1000);
}

struct tpm2_transport swtpm_transport(struct swtpm *s)
{
    return (struct tpm2_transport){transceive, pause_ms, s};
}

int swtpm_tool(struct swtpm *s, char *out, size_t out_n, const char *format, ...)
{
    char wanted[1024], command[1400];
    size_t n = 0, got = 1;
    va_list ap;
    FILE *f;
    int status;

    swtpm_release(s);
    va_start(ap, format);
    vsnprintf(wanted, sizeof(wanted), format, ap);
    va_end(ap);
    snprintf(command, sizeof(command),
             "cd %s && export TPM2TOOLS_TCTI=swtpm:path=%s TSS2_LOG=all+none && { %s; } 2>&1",
             s->dir, s->sock, wanted);
    f = popen(command, "r");
    if (f == NULL)
        return -1;
    while (n + 1 < out_n && got > 0) {
        got = fread(out + n, 1, out_n - 1 - n, f);
        n += got;
    }
    out[n] = '\0';
    while (fgetc(f) != EOF)
        ;
    status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int swtpm_put(const struct swtpm *s, const char *name, struct bytes data)
{
    char path[160];
    FILE *f;
    int ok;

    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    f = fopen(path, "wb");
    if (f == NULL)
        return -1;
    ok = fwrite(data.p, 1, data.n, f) == data.n;
    return fclose(f) == 0 && ok ? (int)data.n : -1;
}

int swtpm_get(const struct swtpm *s, const char *name, uint8_t *to, size_t n)
{
    char path[160];
    size_t got;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    got = fread(to, 1, n, f);
    fclose(f);
    return (int)got;
}
