/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OP-TEE's storage in files needs of the core, for the host: included before its own sources
 * (core/tee/fs_htree.c, fs_dirfile.c, tee_ree_fs.c), whose headers of the core are left out by
 * their guards.
 */
#ifndef KAPU_TESTS_OPTEE_H
#define KAPU_TESTS_OPTEE_H

#define __KERNEL_MUTEX_H
#define __KERNEL_PANIC_H
#define __KERNEL_THREAD_H
#define __KERNEL_USER_ACCESS_H
#define __MEMPOOL_H
#define __MM_CORE_MEMPROT_H
#define __MM_TEE_PAGER_H
#define __OPTEE_RPC_CMD_H
#define TRACE_H
#define __CRYPTO_CRYPTO_H
#define __INITCALL_H
#define __KERNEL_TEE_COMMON_OTP_H
#define __STRING_EXT_H
#define __PTA_STATS_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define U(v) v##U
#define CFG_REE_FS 1
#define CFG_REE_FS_ALLOW_RESET 1

#include <tee_api_types.h>
#include <utee_defines.h>

struct mutex {
    int unused;
};
#define MUTEX_INITIALIZER                                                                          \
    {                                                                                              \
        0                                                                                          \
    }
#define mutex_lock(m) ((void)(m))
#define mutex_unlock(m) ((void)(m))

#define DMSG(...) ((void)0)
#define IMSG(...) ((void)0)

#define THREAD_RPC_MAX_NUM_PARAMS 4
#define OPTEE_RPC_CMD_FS 2
struct thread_param {
    uint64_t offset;
    size_t size;
    int file;
    bool write;
};

TEE_Result copy_from_user(void *to, const void *from, size_t n);
TEE_Result copy_to_user(void *to, const void *from, size_t n);

#define mempool_default NULL
void *mempool_alloc(void *pool, size_t n);
void mempool_free(void *pool, void *p);

TEE_Result crypto_rng_read(void *to, size_t n);
TEE_Result crypto_hash_alloc_ctx(void **ctx, uint32_t algorithm);
TEE_Result crypto_hash_init(void *ctx);
TEE_Result crypto_hash_update(void *ctx, const uint8_t *data, size_t n);
TEE_Result crypto_hash_final(void *ctx, uint8_t *digest, size_t n);
void crypto_hash_free_ctx(void *ctx);
TEE_Result crypto_authenc_alloc_ctx(void **ctx, uint32_t algorithm);
TEE_Result crypto_authenc_init(void *ctx, TEE_OperationMode mode, const uint8_t *key, size_t key_n,
                               const uint8_t *nonce, size_t nonce_n, size_t tag_n, size_t aad_n,
                               size_t payload_n);
TEE_Result crypto_authenc_update_aad(void *ctx, TEE_OperationMode mode, const uint8_t *data,
                                     size_t n);
TEE_Result crypto_authenc_enc_final(void *ctx, const uint8_t *in, size_t n, uint8_t *out,
                                    size_t *out_n, uint8_t *tag, size_t *tag_n);
TEE_Result crypto_authenc_dec_final(void *ctx, const uint8_t *in, size_t n, uint8_t *out,
                                    size_t *out_n, const uint8_t *tag, size_t tag_n);
void crypto_authenc_final(void *ctx);
void crypto_authenc_free_ctx(void *ctx);

int consttime_memcmp(const void *a, const void *b, size_t n);

#endif
