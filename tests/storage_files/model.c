// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <kapu/storage.h>
#include <kernel/nv_counter.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <tee/fs_dirfile.h>
#include <tee/tee_fs_key_manager.h>
#include <tee/tee_fs_rpc.h>

struct model m;

/* ---- the TPM ---- */

/* One write to disk or TPM; false: the power is gone. */
static bool write_once(void)
{
    if (m.cut || m.writes_left == 0) {
        m.cut = true;
        return false;
    }
    m.writes_left -= m.writes_left > 0;
    m.writes++;
    return true;
}

TEE_Result nv_counter_get_ree_fs(uint32_t *value)
{
    *value = m.counter;
    return TEE_SUCCESS;
}

TEE_Result nv_counter_incr_ree_fs_to(uint32_t value)
{
    for (; m.counter < value; m.counter++) {
        if (!write_once())
            return TEE_ERROR_COMMUNICATION;
    }
    return TEE_SUCCESS;
}

static TEE_Result take(uint32_t writes)
{
    if (m.budget < writes)
        return TEE_ERROR_STORAGE_NOT_AVAILABLE;
    m.budget -= writes;
    return TEE_SUCCESS;
}

TEE_Result storage_may_commit(void)
{
    return take(1);
}

TEE_Result storage_start(void)
{
    TEE_Result res = take(2);

    if (res == TEE_SUCCESS && !write_once())
        res = TEE_ERROR_COMMUNICATION;
    if (res == TEE_SUCCESS)
        m.starts++;
    return res;
}

/* ---- the disk: what tee-supplicant does ---- */

static uint8_t shared[FILE_MAX];

static int number_of(const struct tee_fs_dirfile_fileh *dfh)
{
    int n = dfh != NULL ? (int)dfh->file_number + 1 : 0;

    assert(n < FILES);
    return n;
}

TEE_Result tee_fs_rpc_open_dfh(uint32_t id, const struct tee_fs_dirfile_fileh *dfh, int *fd)
{
    (void)id;
    *fd = number_of(dfh);
    return m.disk.file[*fd].there ? TEE_SUCCESS : TEE_ERROR_ITEM_NOT_FOUND;
}

TEE_Result tee_fs_rpc_create_dfh(uint32_t id, const struct tee_fs_dirfile_fileh *dfh, int *fd)
{
    (void)id;
    *fd = number_of(dfh);
    if (!write_once())
        return TEE_ERROR_COMMUNICATION;
    memset(&m.disk.file[*fd], 0, sizeof(m.disk.file[*fd]));
    m.disk.file[*fd].there = true;
    return TEE_SUCCESS;
}

TEE_Result tee_fs_rpc_close(uint32_t id, int fd)
{
    (void)id;
    (void)fd;
    return TEE_SUCCESS;
}

static void begin(struct tee_fs_rpc_operation *op, int fd, tee_fs_off_t offset, size_t n,
                  void **data)
{
    assert(n <= sizeof(shared));
    op->params[0] = (struct thread_param){.offset = (uint64_t)offset, .size = n, .file = fd};
    *data = shared;
}

TEE_Result tee_fs_rpc_read_init(struct tee_fs_rpc_operation *op, uint32_t id, int fd,
                                tee_fs_off_t offset, size_t n, void **data)
{
    (void)id;
    begin(op, fd, offset, n, data);
    return TEE_SUCCESS;
}

TEE_Result tee_fs_rpc_read_final(struct tee_fs_rpc_operation *op, size_t *n)
{
    const struct file *f = &m.disk.file[op->params[0].file];
    uint64_t at = op->params[0].offset;

    *n = at >= f->n ? 0 : f->n - at;
    *n = *n < op->params[0].size ? *n : op->params[0].size;
    memcpy(shared, f->bytes + at, *n);
    return TEE_SUCCESS;
}

TEE_Result tee_fs_rpc_write_init(struct tee_fs_rpc_operation *op, uint32_t id, int fd,
                                 tee_fs_off_t offset, size_t n, void **data)
{
    (void)id;
    begin(op, fd, offset, n, data);
    return TEE_SUCCESS;
}

TEE_Result tee_fs_rpc_write_final(struct tee_fs_rpc_operation *op)
{
    struct file *f = &m.disk.file[op->params[0].file];
    size_t end = op->params[0].offset + op->params[0].size;

    assert(end <= FILE_MAX);
    if (!write_once())
        return TEE_ERROR_COMMUNICATION;
    memcpy(f->bytes + op->params[0].offset, shared, op->params[0].size);
    f->n = end > f->n ? end : f->n;
    return TEE_SUCCESS;
}

TEE_Result tee_fs_rpc_truncate(uint32_t id, int fd, size_t n)
{
    (void)id;
    if (!write_once())
        return TEE_ERROR_COMMUNICATION;
    m.disk.file[fd].n = n;
    return TEE_SUCCESS;
}

TEE_Result tee_fs_rpc_remove_dfh(uint32_t id, const struct tee_fs_dirfile_fileh *dfh)
{
    (void)id;
    if (!write_once())
        return TEE_ERROR_COMMUNICATION;
    m.disk.file[number_of(dfh)].there = false;
    return TEE_SUCCESS;
}

/* ---- memory and cryptography of the core ---- */

TEE_Result copy_from_user(void *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return TEE_SUCCESS;
}

TEE_Result copy_to_user(void *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return TEE_SUCCESS;
}

void *mempool_alloc(void *pool, size_t n)
{
    (void)pool;
    return malloc(n);
}

void mempool_free(void *pool, void *p)
{
    (void)pool;
    free(p);
}

int consttime_memcmp(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n);
}

/* The board's storage key is this one. */
TEE_Result tee_fs_fek_crypt(const TEE_UUID *uuid, TEE_OperationMode mode, const uint8_t *in,
                            size_t n, uint8_t *out)
{
    (void)uuid;
    (void)mode;
    for (size_t i = 0; i < n; i++)
        out[i] = in[i] ^ 0x5a;
    return TEE_SUCCESS;
}

static TEE_Result good(int openssl)
{
    return openssl == 1 ? TEE_SUCCESS : TEE_ERROR_GENERIC;
}

TEE_Result crypto_rng_read(void *to, size_t n)
{
    return good(RAND_bytes(to, (int)n));
}

TEE_Result crypto_hash_alloc_ctx(void **ctx, uint32_t algorithm)
{
    (void)algorithm;
    *ctx = EVP_MD_CTX_new();
    return *ctx != NULL ? TEE_SUCCESS : TEE_ERROR_OUT_OF_MEMORY;
}

TEE_Result crypto_hash_init(void *ctx)
{
    return good(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
}

TEE_Result crypto_hash_update(void *ctx, const uint8_t *data, size_t n)
{
    return good(EVP_DigestUpdate(ctx, data, n));
}

TEE_Result crypto_hash_final(void *ctx, uint8_t *digest, size_t n)
{
    (void)n;
    return good(EVP_DigestFinal_ex(ctx, digest, NULL));
}

void crypto_hash_free_ctx(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

TEE_Result crypto_authenc_alloc_ctx(void **ctx, uint32_t algorithm)
{
    (void)algorithm;
    *ctx = EVP_CIPHER_CTX_new();
    return *ctx != NULL ? TEE_SUCCESS : TEE_ERROR_OUT_OF_MEMORY;
}

TEE_Result crypto_authenc_init(void *ctx, TEE_OperationMode mode, const uint8_t *key, size_t key_n,
                               const uint8_t *nonce, size_t nonce_n, size_t tag_n, size_t aad_n,
                               size_t payload_n)
{
    int encrypt = mode == TEE_MODE_ENCRYPT;

    (void)key_n;
    (void)tag_n;
    (void)aad_n;
    (void)payload_n;
    if (EVP_CipherInit_ex(ctx, EVP_aes_128_gcm(), NULL, NULL, NULL, encrypt) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IVLEN, (int)nonce_n, NULL) != 1)
        return TEE_ERROR_GENERIC;
    return good(EVP_CipherInit_ex(ctx, NULL, NULL, key, nonce, encrypt));
}

TEE_Result crypto_authenc_update_aad(void *ctx, TEE_OperationMode mode, const uint8_t *data,
                                     size_t n)
{
    int done;

    (void)mode;
    return good(EVP_CipherUpdate(ctx, NULL, &done, data, (int)n));
}

TEE_Result crypto_authenc_enc_final(void *ctx, const uint8_t *in, size_t n, uint8_t *out,
                                    size_t *out_n, uint8_t *tag, size_t *tag_n)
{
    int done, more;

    if (EVP_CipherUpdate(ctx, out, &done, in, (int)n) != 1 ||
        EVP_CipherFinal_ex(ctx, out + done, &more) != 1)
        return TEE_ERROR_GENERIC;
    *out_n = (size_t)(done + more);
    return good(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, (int)*tag_n, tag));
}

TEE_Result crypto_authenc_dec_final(void *ctx, const uint8_t *in, size_t n, uint8_t *out,
                                    size_t *out_n, const uint8_t *tag, size_t tag_n)
{
    uint8_t expected[16];
    int done, more;

    memcpy(expected, tag, sizeof(expected));
    if (EVP_CipherUpdate(ctx, out, &done, in, (int)n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, (int)tag_n, expected) != 1)
        return TEE_ERROR_GENERIC;
    if (EVP_CipherFinal_ex(ctx, out + done, &more) != 1)
        return TEE_ERROR_MAC_INVALID;
    *out_n = (size_t)(done + more);
    return TEE_SUCCESS;
}

void crypto_authenc_final(void *ctx)
{
    (void)ctx;
}

void crypto_authenc_free_ctx(void *ctx)
{
    EVP_CIPHER_CTX_free(ctx);
}

/* ---- a TA ---- */

static struct tee_pobj object(const char *name)
{
    return (struct tee_pobj){.uuid = {.timeLow = 1},
                             .obj_id = (void *)(uintptr_t)name,
                             .obj_id_len = (uint32_t)strlen(name)};
}

TEE_Result object_create(const char *name, const char *text)
{
    struct tee_pobj o = object(name);
    struct tee_file_handle *file = NULL;
    TEE_Result res = ree_fs_ops.create(&o, true, NULL, 0, NULL, 0, text, NULL, strlen(text), &file);

    if (res == TEE_SUCCESS)
        ree_fs_ops.close(&file);
    return res;
}

TEE_Result object_write(const char *name, const char *text)
{
    struct tee_pobj o = object(name);
    struct tee_file_handle *file = NULL;
    size_t size;
    TEE_Result res = ree_fs_ops.open(&o, &size, &file);

    if (res != TEE_SUCCESS)
        return res;
    res = ree_fs_ops.write(file, 0, text, NULL, strlen(text));
    ree_fs_ops.close(&file);
    return res;
}

TEE_Result object_remove(const char *name)
{
    struct tee_pobj o = object(name);

    return ree_fs_ops.remove(&o);
}

TEE_Result object_read(const char *name, char *text, size_t n)
{
    struct tee_pobj o = object(name);
    struct tee_file_handle *file = NULL;
    size_t size = 0;
    TEE_Result res = ree_fs_ops.open(&o, &size, &file);

    if (res != TEE_SUCCESS)
        return res;
    memset(text, 0, n);
    n--;
    res = ree_fs_ops.read(file, 0, text, NULL, &n);
    ree_fs_ops.close(&file);
    return res;
}
