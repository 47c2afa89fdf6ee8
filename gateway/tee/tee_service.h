/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls into the secure world: the kernel's TEE interface (linux/tee.h), as far as kapu's services
 * need it, so without a library. Nothing that comes back is trusted by anybody but a person at this
 * console.
 */
#ifndef KAPU_TEE_SERVICE_H
#define KAPU_TEE_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#define TEE_DEVICE "/dev/tee0"
#define TEE_PARAMS 4

/* GlobalPlatform TEE Client API 1.0, 4.3.6; the kinds of linux/tee.h. */
enum tee_kind {
    TEE_NOTHING = 0,
    TEE_INPUT = 1, /* values */
    TEE_OUTPUT = 2,
    TEE_BOTH = 3,
    TEE_MEMORY_INPUT = 5,
    TEE_MEMORY_OUTPUT = 6,
};

/* Memory that the secure world sees too. */
struct tee_memory {
    int fd, id;
    void *p;
    size_t size;
};

struct tee_param {
    enum tee_kind kind;
    uint32_t a, b;                   /* of values; of memory: offset, bytes */
    const struct tee_memory *memory; /* of memory */
};

struct tee_service {
    int fd;
    uint32_t session;
};

/* A UUID as TEE_UUID has it; the headers of wire/ give initialisers of this form. */
struct tee_uuid {
    uint32_t time_low;
    uint16_t time_mid, time_high;
    uint8_t rest[8];
};

#define TEE_SYSTEM_ERROR 0xffffffffu  /* of Linux: look at errno */
#define TEE_ACCESS_DENIED 0xffff0001u /* TEEC_ERROR_ACCESS_DENIED */
#define TEE_BAD_FORMAT 0xffff0005u    /* TEEC_ERROR_BAD_FORMAT */
#define TEE_BUSY 0xffff000du          /* TEEC_ERROR_BUSY */

/* Opens a session with a TA or service. 0; TEE_SYSTEM_ERROR and errno; or a TEEC_Result of the
 * other side (above 0xf0000000). fd must be closed by tee_service_close in each case. */
uint32_t tee_service_open(struct tee_service *s, const struct tee_uuid *uuid);
/* The same, and the kernel tells the other side whose account calls (login TEE_LOGIN_USER). */
uint32_t tee_service_open_as_user(struct tee_service *s, const struct tee_uuid *uuid);
/* Calls a command; outputs are in v. Results as above. */
uint32_t tee_service_call(struct tee_service *s, uint32_t command, struct tee_param v[TEE_PARAMS]);
void tee_service_close(struct tee_service *s);

/* 0; -1 and errno. Ended by tee_memory_close in each case. */
int tee_memory_open(const struct tee_service *s, struct tee_memory *m, size_t size);
void tee_memory_close(struct tee_memory *m);

/* What went wrong, for a person. */
const char *tee_service_error(uint32_t result);

#endif
