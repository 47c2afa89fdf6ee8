// SPDX-License-Identifier: Apache-2.0
/*
 * The FIFO driver against QEMU's own TPM device, the one that kapu's firmware drives: its registers
 * are read and written through QEMU's test protocol (qtest), without any guest.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tpm2_fixture.h"

#include <kapu/tis.h>

#define TIS_BASE 0x0c000000u /* first device of the platform bus of "virt" */

struct qemu {
    struct swtpm swtpm;
    pid_t pid;
    FILE *in, *out;
};

static uint32_t ask(struct qemu *q, const char *command)
{
    char line[256];
    unsigned long v = 0;

    fprintf(q->out, "%s\n", command);
    fflush(q->out);
    do {
        if (fgets(line, sizeof(line), q->in) == NULL)
            fail_msg("QEMU has gone at \"%s\"", command);
    } while (strncmp(line, "IRQ", 3) == 0);
    if (strncmp(line, "OK", 2) != 0)
        fail_msg("QEMU says %s", line);
    (void)sscanf(line, "OK %lx", &v);
    return (uint32_t)v;
}

static uint32_t access_register(struct qemu *q, const char *verb, uint32_t offset,
                                const char *value)
{
    char command[64];

    snprintf(command, sizeof(command), "%s 0x%x%s", verb, TIS_BASE + offset, value);
    return ask(q, command);
}

static uint8_t read8(void *ctx, uint32_t offset)
{
    return (uint8_t)access_register(ctx, "readb", offset, "");
}

static uint32_t read32(void *ctx, uint32_t offset)
{
    return access_register(ctx, "readl", offset, "");
}

static void write32(void *ctx, uint32_t offset, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof(text), " 0x%x", value);
    access_register(ctx, "writel", offset, text);
}

static void write8(void *ctx, uint32_t offset, uint8_t value)
{
    char text[16];

    snprintf(text, sizeof(text), " 0x%x", value);
    access_register(ctx, "writeb", offset, text);
}

static uint64_t now_us(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void pause_us(void *ctx, uint32_t us)
{
    (void)ctx;
    usleep(us);
}

static int setup(void **state)
{
    struct qemu *q = calloc(1, sizeof(*q));
    char chardev[160];
    int to[2], from[2];

    *state = q;
    if (q == NULL || swtpm_begin_for_qemu(&q->swtpm) != 0 || pipe(to) != 0 || pipe(from) != 0)
        return -1;
    snprintf(chardev, sizeof(chardev), "socket,id=chr,path=%s.ctrl", q->swtpm.sock);
    q->pid = fork();
    if (q->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], 0);
        dup2(from[1], 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        close(to[1]);
        close(from[0]);
        execlp("qemu-system-aarch64", "qemu-system-aarch64", "-machine", "virt", "-S",
               "-nodefaults", "-display", "none", "-chardev", chardev, "-tpmdev",
               "emulator,id=tpm0,chardev=chr", "-device", "tpm-tis-device,tpmdev=tpm0", "-qtest",
               "stdio", (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    q->out = fdopen(to[1], "w");
    q->in = fdopen(from[0], "r");
    return q->pid > 0 ? 0 : -1;
}

static int teardown(void **state)
{
    struct qemu *q = *state;

    kill(q->pid, SIGTERM);
    waitpid(q->pid, NULL, 0);
    fclose(q->in);
    fclose(q->out);
    swtpm_end(&q->swtpm);
    free(q);
    return 0;
}

static void the_driver_and_qemus_device_understand_each_other(void **state)
{
    struct qemu *q = *state;
    const struct tis_port port = {read8, write8, read32, write32, now_us, pause_us, q};
    const struct bytes secret = BYTES_STR("through QEMU's registers");
    struct tpm2_nv nv = {.index = TPM2_NV_FIRST + 1,
                         .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE,
                         .size = 300};
    static uint8_t buf[TPM2_BUFFER_MAX], data[300], got[300];
    struct env e = {.tpm = {.crypto = &crypto_openssl, .buf = buf, .buf_n = sizeof(buf)}};
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);
    struct tis tis;

    ok(&e, tis_open(&tis, &port, 0));
    e.tpm.io = (struct tpm2_transport){.transceive = tis_transceive, .ctx = &tis};
    ok(&e, tpm2_startup(&e.tpm, TPM2_SU_CLEAR));
    ok(&e, tpm2_self_test(&e.tpm, true));
    tpm2_template_srk(&e.srk_pub);
    ok(&e, tpm2_create_primary(&e.tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &e.srk_pub,
                               &e.srk));
    e.salt = (struct tpm2_salt){e.srk.handle, &e.srk_pub, &e.srk.name};
    env_session(&e, &s, TPM2_SESSION_HMAC);
    ok(&e, tpm2_nv_define(&e.tpm, TPM2_RH_OWNER, &a, &nv, secret));
    a = by_value(&s, secret);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 11);
    ok(&e, tpm2_nv_write(&e.tpm, nv.index, &a, &nv, 0, BYTES_OF(data)));
    ok(&e, tpm2_nv_read(&e.tpm, nv.index, &a, &nv, 0, got, sizeof(got)));
    assert_memory_equal(data, got, sizeof(data));
    ok(&e, tpm2_session_end(&e.tpm, &s));
    tis_close(&tis);
}

static void a_second_stage_takes_over_where_the_first_did_not_let_go(void **state)
{
    struct qemu *q = *state;
    const struct tis_port port = {read8, write8, read32, write32, now_us, pause_us, q};
    const uint8_t half[] = {0x80, 0x01, 0, 0, 0, 12};
    uint8_t buf[256], v[32];
    struct tpm2 t = {.buf = buf, .buf_n = sizeof(buf)};
    struct tis first, second;

    assert_int_equal(tis_open(&first, &port, 0), 0);
    write32(q, 0x18, 0x40);
    for (size_t i = 0; i < sizeof(half); i++) /* it stopped amid a command */
        write8(q, 0x24, half[i]);
    assert_int_equal(tis_open(&second, &port, 0), 0);
    t.io = (struct tpm2_transport){.transceive = tis_transceive, .ctx = &second};
    assert_int_equal(tpm2_get_random(&t, TPM2_UNPROTECTED, v, sizeof(v)), 0);
    tis_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_driver_and_qemus_device_understand_each_other),
        cmocka_unit_test(a_second_stage_takes_over_where_the_first_did_not_let_go),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, teardown);
}
