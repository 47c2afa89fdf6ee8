/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every library of kapu shares: a pointer and a length as one value, error numbers, decoding,
 * sticky readers and writers. Freestanding; nothing here allocates or keeps state.
 *
 * A reader or writer remembers its first error; afterwards reads give zeros and writes do nothing,
 * so a parser reads like the message's own schema and checks `err` once. Both point into the
 * caller's memory, which must outlive them.
 */
#ifndef KAPU_BYTES_H
#define KAPU_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function whose result must not be dropped. */
#define KAPU_MUST_CHECK __attribute__((warn_unused_result))

/* Errors are negative; 0 is success. */
enum {
    KAPU_EINVAL = -1,       /* malformed: a field has a value that the format does not allow */
    KAPU_ERANGE = -2,       /* an offset or length points outside its container */
    KAPU_ENOENT = -3,       /* what was asked for is not there */
    KAPU_EARG = -4,         /* the caller's argument cannot be right */
    KAPU_ESPACE = -5,       /* the caller's output or work buffer is too small */
    KAPU_EUNSUPPORTED = -6, /* well formed, but a variant that this code does not do */
    KAPU_EIO = -7,          /* the other side is absent or does not follow the protocol */
    KAPU_ETIMEOUT = -8,     /* the other side did not answer within its time */
    KAPU_ECRYPTO = -9,      /* the crypto port failed */
    KAPU_EAUTH = -10,       /* a MAC or a signature does not verify */
    KAPU_ETPM = -11,        /* the TPM answered with an error: see struct tpm2.rc */
    KAPU_ESTRIPPED = -12,   /* an answer came without the protection that was asked for */
    KAPU_EREPLAY = -13,     /* an answer was seen before */
    KAPU_EPIN = -14,        /* not the key or object that was pinned */
    KAPU_EPLAIN = -15,      /* refused: a secret would have travelled in clear */
    KAPU_ESESSION = -16,    /* the session is closed, broken, or of the wrong kind */
    KAPU_ESTALE = -17,      /* it builds on what changed meanwhile: do it again */
    KAPU_EABSENT = -18,     /* a record of something lacks this part: nothing can be said of it */
};

/* Memory that somebody else owns: n bytes at p; p may be null when n is 0. */
struct bytes {
    const uint8_t *p;
    size_t n;
};

/* A struct bytes over a whole array. */
#define BYTES_OF(array) ((struct bytes){(array), sizeof(array)})

/* Little-endian integers at p, which need not be aligned. */
static inline uint32_t kapu_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

static inline uint64_t kapu_le64(const uint8_t *p)
{
    return (uint64_t)kapu_le32(p) | ((uint64_t)kapu_le32(p + 4) << 32);
}

struct rd {
    const uint8_t *p;
    size_t n;  /* bytes in all */
    size_t at; /* bytes read */
    int err;   /* 0, or the first error */
};

struct wr {
    uint8_t *p;
    size_t n;  /* capacity in bytes */
    size_t at; /* bytes written */
    int err;   /* 0, or the first error */
};

void rd_init(struct rd *r, struct bytes from);
uint8_t rd_u8(struct rd *r);
uint16_t rd_be16(struct rd *r);
uint32_t rd_be32(struct rd *r);
uint64_t rd_be64(struct rd *r);
uint16_t rd_le16(struct rd *r);
uint32_t rd_le32(struct rd *r);

/* The next n bytes, in place; KAPU_ERANGE and {NULL, 0} when there are fewer. */
struct bytes rd_bytes(struct rd *r, size_t n);

/* A 16-bit big-endian length and that many bytes (TPM2B of TPM 2.0 Part 2, 10.4). */
struct bytes rd_2b(struct rd *r);

/* Records err unless an error was recorded before. */
void rd_fail(struct rd *r, int err);

/* 0 when all was read without error; KAPU_EINVAL when bytes are left over. */
KAPU_MUST_CHECK int rd_end(const struct rd *r);

void wr_init(struct wr *w, uint8_t *to, size_t capacity);
void wr_u8(struct wr *w, uint8_t v);
void wr_be16(struct wr *w, uint16_t v);
void wr_be32(struct wr *w, uint32_t v);
void wr_be64(struct wr *w, uint64_t v);
void wr_le16(struct wr *w, uint16_t v);
void wr_le32(struct wr *w, uint32_t v);
void wr_bytes(struct wr *w, struct bytes b);
void wr_2b(struct wr *w, struct bytes b);
void wr_fail(struct wr *w, int err);

/* Leaves room for a 16-bit length and gives its place; wr_2b_close fills it in. */
size_t wr_2b_open(struct wr *w);
void wr_2b_close(struct wr *w, size_t place);

/* What has been written so far. */
struct bytes wr_done(const struct wr *w);

/* Clears memory in a way that the compiler does not remove. */
void kapu_wipe(void *p, size_t n);

/* Equality in a time that depends on n only. */
KAPU_MUST_CHECK bool kapu_equal(const void *a, const void *b, size_t n);

#endif
