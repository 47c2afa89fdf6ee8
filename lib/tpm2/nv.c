// SPDX-License-Identifier: Apache-2.0
/* NV storage (Part 3, 31). */
#include <string.h>

#include "internal.h"

#define NVA_STATE (TPM2_NVA_WRITTEN | TPM2_NVA_WRITE_LOCKED | TPM2_NVA_READ_LOCKED)

/* What every TPM moves at once: the smallest NV buffer that the PC Client profile allows. */
#define NV_CHUNK 512u

int tpm2_nv_define(struct tpm2 *t, uint32_t hierarchy, const struct tpm2_auth *auth,
                   const struct tpm2_nv *nv, struct bytes index_auth)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_DEFINE_SPACE, CMD_HIDES_IN};
    const struct tpm2_entity by = tpm2_entity_of(hierarchy);
    struct tpm2_cmd c;
    size_t place;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, &by);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    if (index_auth.n > TPM2_VALUE_MAX)
        wr_fail(&c.w, KAPU_EARG);
    c.secret = index_auth.n > 0;
    wr_2b(&c.w, index_auth);
    place = wr_2b_open(&c.w);
    tpm2_wr_nv_public(&c.w, nv);
    wr_2b_close(&c.w, place);
    return tpm2_cmd_finish(&c);
}

/* The index as an entity, under its present name. */
static int entity_of(const struct tpm2 *t, const struct tpm2_nv *nv, struct tpm2_entity *e)
{
    e->handle = nv->index;
    if (t->crypto != NULL)
        return tpm2_nv_name(&t->crypto->sha256, nv, &e->name);
    *e = tpm2_entity_of(nv->index); /* without sessions the name is not used */
    return 0;
}

/* Handles and authorisation of a command on an index. */
static void begin(struct tpm2_cmd *c, struct tpm2 *t, const struct tpm2_spec *spec, uint32_t by,
                  const struct tpm2_auth *auth, const struct tpm2_nv *nv)
{
    struct tpm2_entity index = tpm2_entity_of(nv->index), owner = tpm2_entity_of(by);
    int err = entity_of(t, nv, &index);

    tpm2_cmd_begin(c, t, spec);
    wr_fail(&c->w, err);
    tpm2_cmd_handle(c, by == nv->index ? &index : &owner);
    tpm2_cmd_handle(c, &index);
    tpm2_cmd_auth(c, auth);
    tpm2_cmd_params(c, TPM2_UNPROTECTED);
}

int tpm2_nv_undefine(struct tpm2 *t, uint32_t hierarchy, const struct tpm2_auth *auth,
                     const struct tpm2_nv *nv)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_UNDEFINE_SPACE, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, hierarchy, auth, nv);
    return tpm2_cmd_finish(&c);
}

int tpm2_nv_read_public(struct tpm2 *t, uint32_t index, struct tpm2_nv *nv)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_READ_PUBLIC, CMD_HIDES_OUT};
    const struct tpm2_entity e = tpm2_entity_of(index);
    struct tpm2_name said, is;
    struct tpm2_cmd c;
    struct bytes b;
    struct rd in;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, &e);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        b = rd_2b(&c.r);
        tpm2_rd_name(&c.r, &said);
        rd_init(&in, b);
        tpm2_rd_nv_public(&in, nv);
        err = c.r.err != 0 ? c.r.err : rd_end(&in);
    }
    if (err == 0 && nv->index != index)
        err = KAPU_EPIN;
    if (err == 0 && t->crypto != NULL) {
        err = tpm2_nv_name(&t->crypto->sha256, nv, &is);
        if (err == 0 && !tpm2_name_equal(&said, &is))
            err = KAPU_EPIN;
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_nv_check(const struct tpm2_nv *is, const struct tpm2_nv *expected)
{
    bool same = is->index == expected->index && is->size == expected->size &&
                ((is->attributes ^ expected->attributes) & ~NVA_STATE) == 0 &&
                is->policy_n == expected->policy_n && is->policy_n <= sizeof(is->policy) &&
                kapu_equal(is->policy, expected->policy, is->policy_n);

    return same ? 0 : KAPU_EPIN;
}

static int read_chunk(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                      const struct tpm2_nv *nv, uint16_t offset, uint8_t *to, uint16_t n)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_READ, CMD_HIDES_OUT};
    struct tpm2_cmd c;
    struct bytes b;
    int err;

    begin(&c, t, &spec, by, auth, nv);
    wr_be16(&c.w, n);
    wr_be16(&c.w, offset);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        b = rd_2b(&c.r);
        if (c.r.err == 0 && b.n != n)
            rd_fail(&c.r, KAPU_EINVAL);
        else if (c.r.err == 0)
            memcpy(to, b.p, n);
    }
    return tpm2_cmd_end(&c, err);
}

static int write_chunk(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                       const struct tpm2_nv *nv, uint16_t offset, struct bytes data)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_WRITE, CMD_HIDES_IN};
    struct tpm2_cmd c;

    begin(&c, t, &spec, by, auth, nv);
    wr_2b(&c.w, data);
    wr_be16(&c.w, offset);
    return tpm2_cmd_finish(&c);
}

/* How much of n goes at once; a chunk with its header and sessions must fit the buffer. */
static uint16_t chunk_size(const struct tpm2 *t, size_t n)
{
    const size_t overhead = 256;
    size_t room = t->buf_n > overhead ? t->buf_n - overhead : 1;

    if (room > NV_CHUNK)
        room = NV_CHUNK;
    return (uint16_t)(n < room ? n : room);
}

int tpm2_nv_read(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth, struct tpm2_nv *nv,
                 uint16_t offset, uint8_t *to, size_t n)
{
    size_t done = 0;
    int err = 0;

    if (offset > nv->size || n > (size_t)(nv->size - offset))
        return KAPU_ERANGE;
    while (done < n && err == 0) {
        uint16_t part = chunk_size(t, n - done);

        err = read_chunk(t, by, auth, nv, (uint16_t)(offset + done), to + done, part);
        done += part;
    }
    if (err != 0)
        kapu_wipe(to, n);
    return err;
}

int tpm2_nv_write(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth, struct tpm2_nv *nv,
                  uint16_t offset, struct bytes data)
{
    size_t done = 0;
    int err = 0;

    if (offset > nv->size || data.n > (size_t)(nv->size - offset))
        return KAPU_ERANGE;
    while (done < data.n && err == 0) {
        uint16_t part = chunk_size(t, data.n - done);

        err = write_chunk(t, by, auth, nv, (uint16_t)(offset + done),
                          (struct bytes){data.p + done, part});
        done += part;
        if (err == 0)
            nv->attributes |= TPM2_NVA_WRITTEN;
    }
    return err;
}

int tpm2_nv_read_counter(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                         struct tpm2_nv *nv, uint64_t *value)
{
    uint8_t b[8];
    struct rd r;
    int err = tpm2_nv_read(t, by, auth, nv, 0, b, sizeof(b));

    rd_init(&r, BYTES_OF(b));
    if (err == 0)
        *value = rd_be64(&r);
    return err;
}

/* A command without parameters that changes one attribute of the index. */
static int touch(struct tpm2 *t, const struct tpm2_spec *spec, uint32_t by,
                 const struct tpm2_auth *auth, struct tpm2_nv *nv, uint32_t sets)
{
    struct tpm2_cmd c;
    int err;

    begin(&c, t, spec, by, auth, nv);
    err = tpm2_cmd_finish(&c);
    if (err == 0)
        nv->attributes |= sets;
    return err;
}

int tpm2_nv_increment(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth, struct tpm2_nv *nv)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_INCREMENT, 0};

    return touch(t, &spec, by, auth, nv, TPM2_NVA_WRITTEN);
}

int tpm2_nv_write_lock(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                       struct tpm2_nv *nv)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_WRITE_LOCK, 0};

    return touch(t, &spec, by, auth, nv, TPM2_NVA_WRITE_LOCKED);
}

int tpm2_nv_read_lock(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth, struct tpm2_nv *nv)
{
    static const struct tpm2_spec spec = {TPM2_CC_NV_READ_LOCK, 0};

    return touch(t, &spec, by, auth, nv, TPM2_NVA_READ_LOCKED);
}

int tpm2_policy_nv(struct tpm2 *t, struct tpm2_session *s, uint32_t by,
                   const struct tpm2_auth *auth, const struct tpm2_nv *nv, struct bytes operand,
                   uint16_t offset, uint16_t operation)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_NV, CMD_HIDES_IN};
    struct tpm2_entity index, owner = tpm2_entity_of(by), session = tpm2_entity_of(s->handle);
    struct tpm2_cmd c;
    int err = entity_of(t, nv, &index);

    tpm2_cmd_begin(&c, t, &spec);
    wr_fail(&c.w, err);
    tpm2_cmd_handle(&c, by == nv->index ? &index : &owner);
    tpm2_cmd_handle(&c, &index);
    tpm2_cmd_handle(&c, &session);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_2b(&c.w, operand);
    wr_be16(&c.w, offset);
    wr_be16(&c.w, operation);
    return tpm2_cmd_finish(&c);
}
