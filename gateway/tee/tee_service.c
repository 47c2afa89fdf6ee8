// SPDX-License-Identifier: Apache-2.0
#include "tee_service.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tee.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* GlobalPlatform TEE Client API 1.0, 4.4.2 */
#define TEEC_ERROR_BAD_PARAMETERS 0xffff0006u
#define TEEC_ERROR_ITEM_NOT_FOUND 0xffff0008u
#define TEEC_ERROR_NOT_SUPPORTED 0xffff000au
#define TEEC_ERROR_COMMUNICATION 0xffff000eu
#define TEEC_ERROR_SECURITY 0xffff000fu

/* Big-endian, as GlobalPlatform has UUIDs (RFC 4122 octets). */
static void put_uuid(const struct tee_uuid *u, uint8_t to[16])
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(u->time_low >> (24 - 8 * i));
    to[4] = (uint8_t)(u->time_mid >> 8);
    to[5] = (uint8_t)u->time_mid;
    to[6] = (uint8_t)(u->time_high >> 8);
    to[7] = (uint8_t)u->time_high;
    memcpy(to + 8, u->rest, 8);
}

static uint32_t open_by(struct tee_service *s, const struct tee_uuid *uuid, uint32_t login)
{
    struct tee_ioctl_open_session_arg arg = {0};
    struct tee_ioctl_buf_data data = {.buf_ptr = (uintptr_t)&arg, .buf_len = sizeof(arg)};

    s->session = 0;
    s->fd = open(TEE_DEVICE, O_RDWR | O_CLOEXEC);
    if (s->fd < 0)
        return TEE_SYSTEM_ERROR;
    put_uuid(uuid, arg.uuid);
    arg.clnt_login = login;
    if (ioctl(s->fd, TEE_IOC_OPEN_SESSION, &data) < 0)
        return TEE_SYSTEM_ERROR;
    s->session = arg.session;
    return arg.ret;
}

uint32_t tee_service_open(struct tee_service *s, const struct tee_uuid *uuid)
{
    return open_by(s, uuid, TEE_IOCTL_LOGIN_PUBLIC);
}

uint32_t tee_service_open_as_user(struct tee_service *s, const struct tee_uuid *uuid)
{
    return open_by(s, uuid, TEE_IOCTL_LOGIN_USER);
}

uint32_t tee_service_call(struct tee_service *s, uint32_t command, struct tee_param v[TEE_PARAMS])
{
    union {
        struct tee_ioctl_invoke_arg arg;
        uint8_t
            room[sizeof(struct tee_ioctl_invoke_arg) + TEE_PARAMS * sizeof(struct tee_ioctl_param)];
    } u = {0};
    struct tee_ioctl_buf_data data = {.buf_ptr = (uintptr_t)&u, .buf_len = sizeof(u)};

    u.arg.func = command;
    u.arg.session = s->session;
    u.arg.num_params = TEE_PARAMS;
    for (int i = 0; i < TEE_PARAMS; i++) {
        u.arg.params[i].attr = v[i].kind;
        u.arg.params[i].a = v[i].a;
        u.arg.params[i].b = v[i].b;
        if (v[i].memory != NULL)
            u.arg.params[i].c = (uint64_t)v[i].memory->id;
    }
    if (ioctl(s->fd, TEE_IOC_INVOKE, &data) < 0)
        return TEE_SYSTEM_ERROR;
    for (int i = 0; i < TEE_PARAMS && u.arg.ret == 0; i++) {
        v[i].a = (uint32_t)u.arg.params[i].a;
        v[i].b = (uint32_t)u.arg.params[i].b;
    }
    return u.arg.ret;
}

void tee_service_close(struct tee_service *s)
{
    struct tee_ioctl_close_session_arg arg = {.session = s->session};

    if (s->fd >= 0 && s->session != 0)
        (void)ioctl(s->fd, TEE_IOC_CLOSE_SESSION, &arg);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int tee_memory_open(const struct tee_service *s, struct tee_memory *m, size_t size)
{
    struct tee_ioctl_shm_alloc_data data = {.size = size};

    *m = (struct tee_memory){.fd = -1, .p = MAP_FAILED};
    m->fd = ioctl(s->fd, TEE_IOC_SHM_ALLOC, &data);
    if (m->fd < 0)
        return -1;
    m->id = data.id;
    m->size = (size_t)data.size;
    m->p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    return m->p == MAP_FAILED ? -1 : 0;
}

void tee_memory_close(struct tee_memory *m)
{
    if (m->p != MAP_FAILED)
        (void)munmap(m->p, m->size);
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    m->p = MAP_FAILED;
}

const char *tee_service_error(uint32_t result)
{
    static char text[32];

    switch (result) {
    case TEE_SYSTEM_ERROR:
        return strerror(errno);
    case TEE_ACCESS_DENIED:
        return "the secure world denies it to this caller";
    case TEE_BAD_FORMAT:
        return "the secure world's answer has another size than it should";
    case TEEC_ERROR_BAD_PARAMETERS:
        return "the secure world refuses the parameters";
    case TEEC_ERROR_ITEM_NOT_FOUND:
        return "not in the secure world";
    case TEEC_ERROR_NOT_SUPPORTED:
        return "the secure world does not know the command";
    case TEE_BUSY:
        return "others use it, or the TPM's memory was written too often: later (see the secure "
               "console)";
    case TEEC_ERROR_COMMUNICATION:
        return "the TPM does not do it (see the secure console)";
    case TEEC_ERROR_SECURITY:
        return "not signed for this gateway";
    default:
        snprintf(text, sizeof(text), "secure world's error 0x%08x", result);
        return text;
    }
}
