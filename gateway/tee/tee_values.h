/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls into the secure world that carry values only: the kernel's TEE interface (linux/tee.h)
 * without shared memory, so without a library. Nothing that comes back is trusted by anybody but a
 * person at this console.
 */
#ifndef KAPU_TEE_VALUES_H
#define KAPU_TEE_VALUES_H

#include <stdint.h>

#define TEE_DEVICE "/dev/tee0"
#define TEE_VALUES 4

/* GlobalPlatform TEE Client API 1.0, 4.3.6; the kinds of linux/tee.h. */
enum tee_kind { TEE_NOTHING = 0, TEE_INPUT = 1, TEE_OUTPUT = 2, TEE_BOTH = 3 };

struct tee_value {
    enum tee_kind kind;
    uint32_t a, b;
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

/* Opens a session with a TA or service. 0; -1 and errno; or a TEEC_Result of the other side (above
 * 0xf0000000). fd must be closed by tee_service_close in each case. */
uint32_t tee_service_open(struct tee_service *s, const struct tee_uuid *uuid);
/* Calls a command; outputs are in v. Results as above. */
uint32_t tee_service_call(struct tee_service *s, uint32_t command, struct tee_value v[TEE_VALUES]);
void tee_service_close(struct tee_service *s);

/* What went wrong, for a person. */
const char *tee_service_error(uint32_t result);

#endif
