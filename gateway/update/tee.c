// SPDX-License-Identifier: Apache-2.0
#include "tee.h"

#include <string.h>
#include <time.h>

#include "tee_service.h"
#include "update_ta.h"

#define MEMORY (2u * UPDATE_TA_REQUEST_MAX)
#define BUSY 0xffff000du /* TEEC_ERROR_BUSY: another session, or the TPM was written too often */
#define OPEN_TRIES 50u
#define OPEN_AGAIN_NS 200000000

static const struct tee_uuid update_ta = UPDATE_TA_UUID;
static uint32_t result; /* of the last call */

struct session {
    struct tee_service s;
    struct tee_memory m;
    size_t at; /* bytes of the memory in use */
};

static void session_close(struct session *x)
{
    if (x->m.fd >= 0)
        tee_memory_close(&x->m);
    tee_service_close(&x->s);
}

static int session_open(struct session *x)
{
    *x = (struct session){.m = {.fd = -1}};
    result = BUSY;
    for (unsigned int i = 0; i < OPEN_TRIES && result == BUSY; i++) {
        if (i > 0) {
            tee_service_close(&x->s);
            (void)nanosleep(&(struct timespec){.tv_nsec = OPEN_AGAIN_NS}, NULL);
        }
        result = tee_service_open(&x->s, &update_ta);
    }
    if (result == 0 && tee_memory_open(&x->s, &x->m, MEMORY) != 0)
        result = TEE_SYSTEM_ERROR;
    return result == 0 ? 0 : KAPU_EIO;
}

/* Puts bytes into the memory that both see. KAPU_ESPACE: more than it has. */
static int add(struct session *x, struct bytes b)
{
    if (b.n > MEMORY - x->at)
        return KAPU_ESPACE;
    if (b.n > 0)
        memcpy((uint8_t *)x->m.p + x->at, b.p, b.n);
    x->at += b.n;
    return 0;
}

/* The same after its length in two bytes. */
static int add_part(struct session *x, struct bytes b)
{
    const uint8_t size[2] = {(uint8_t)(b.n >> 8), (uint8_t)b.n};
    int err = b.n > UINT16_MAX ? KAPU_ESPACE : add(x, BYTES_OF(size));

    return err == 0 ? add(x, b) : err;
}

static int call(struct session *x, uint32_t command, struct tee_param v[TEE_PARAMS],
                const struct tee_param *answered, enum update_answer *answer)
{
    result = tee_service_call(&x->s, command, v);
    if (result == 0 && answer != NULL)
        *answer = (enum update_answer)answered->a;
    return result == 0 ? 0 : KAPU_EIO;
}

static int request(void *ctx, bool only_check, const struct update_request *r,
                   enum update_answer *answer)
{
    const struct bytes part[UPDATE_TA_REQUEST_PARTS] = {r->keys[RELEASE_ROLE_RELEASE - 1],
                                                        r->keys[RELEASE_ROLE_ROLLOUT - 1],
                                                        r->manifest, r->rollout};
    struct session x;
    int err = session_open(&x);

    (void)ctx;
    for (size_t i = 0; err == 0 && i < UPDATE_TA_REQUEST_PARTS; i++)
        err = add_part(&x, part[i]);
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {{TEE_MEMORY_INPUT, 0, (uint32_t)x.at, &x.m},
                                          {.kind = TEE_OUTPUT}};

        err = call(&x, only_check ? UPDATE_TA_CHECK : UPDATE_TA_REQUEST, v, &v[1], answer);
    }
    session_close(&x);
    return err == 0 ? 0 : KAPU_EIO;
}

static int two(uint32_t command, struct bytes first, struct bytes second,
               enum update_answer *answer)
{
    struct session x;
    int err = session_open(&x);

    if (err == 0)
        err = add(&x, first);
    if (err == 0)
        err = add(&x, second);
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {
            {TEE_MEMORY_INPUT, 0, (uint32_t)first.n, &x.m},
            {TEE_MEMORY_INPUT, (uint32_t)first.n, (uint32_t)second.n, &x.m},
            {.kind = TEE_OUTPUT}};

        err = call(&x, command, v, &v[2], answer);
    }
    session_close(&x);
    return err == 0 ? 0 : KAPU_EIO;
}

static int confirm(void *ctx, struct bytes approval, struct bytes keys, enum update_answer *answer)
{
    (void)ctx;
    return two(UPDATE_TA_CONFIRM, approval, keys, answer);
}

static int next_keys(void *ctx, struct bytes now, struct bytes next, enum update_answer *answer)
{
    (void)ctx;
    return two(UPDATE_TA_KEYS, now, next, answer);
}

static int join(void *ctx, struct bytes membership, struct bytes keys, enum update_answer *answer)
{
    (void)ctx;
    return two(UPDATE_TA_JOIN, membership, keys, answer);
}

/* The memory is shared with the secure world only: what it wrote does not change. */
static int take_state(const struct session *x, uint32_t stage, struct tee_state *s)
{
    const uint8_t *p = x->m.p;

    _Static_assert(UPDATE_TA_NAMES_SIZE == sizeof(s->boot) + sizeof(s->ueid), "both names");
    s->stage = (enum update_stage)stage;
    memcpy(s->boot, p + UPDATE_RECORD_SIZE, sizeof(s->boot));
    memcpy(s->ueid, p + UPDATE_RECORD_SIZE + sizeof(s->boot), sizeof(s->ueid));
    return stage < UPDATE_STAGES && update_record_decode(p, &s->record) == 0 ? 0 : KAPU_EIO;
}

static int state(void *ctx, struct tee_state *s)
{
    struct session x;
    int err = session_open(&x);

    (void)ctx;
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {
            {TEE_MEMORY_OUTPUT, 0, UPDATE_RECORD_SIZE, &x.m},
            {TEE_MEMORY_OUTPUT, UPDATE_RECORD_SIZE, UPDATE_TA_NAMES_SIZE, &x.m},
            {.kind = TEE_OUTPUT}};

        err = call(&x, UPDATE_TA_STATE, v, NULL, NULL);
        if (err == 0)
            err = take_state(&x, v[2].a, s);
    }
    session_close(&x);
    return err;
}

static int tell(void *ctx, enum update_answer answer)
{
    struct session x;
    int err = session_open(&x);

    (void)ctx;
    if (err == 0) {
        struct tee_param v[TEE_PARAMS] = {{.kind = TEE_INPUT, .a = (uint32_t)answer}};

        err = call(&x, UPDATE_TA_TELL, v, NULL, NULL);
    }
    session_close(&x);
    return err;
}

static const char *said(void *ctx)
{
    (void)ctx;
    return result != 0 ? tee_service_error(result) : "its state is malformed, or a file too large";
}

const struct tee_port tee_device = {.state = state,
                                    .request = request,
                                    .confirm = confirm,
                                    .keys = next_keys,
                                    .join = join,
                                    .tell = tell,
                                    .said = said};
