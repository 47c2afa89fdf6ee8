/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault TA: keys by use. A key is born in the secure world at its first use and never leaves
 * it; what it may sign follows from its use, and is put together in the TA itself: no caller can
 * have it sign anything else. All of them are ECDSA keys on P-256.
 *
 * Who may call: a key's user, which is the one account of Linux that is named here; and the attest
 * TA, for the public half, which it vouches for. Linux's kernel says which account calls (login
 * TEE_LOGIN_USER): this protects a key from other programs, and not from an attacker in the kernel.
 * All other callers get TEE_ERROR_ACCESS_DENIED.
 *
 * VI: value input, with word a; MI, MO: memory input, output. Other parameter types, and a use that
 * is not known, give TEE_ERROR_BAD_PARAMETERS; a buffer that is too small TEE_ERROR_SHORT_BUFFER,
 * and its size says what is needed.
 */
#ifndef KAPU_VAULT_TA_H
#define KAPU_VAULT_TA_H

#define VAULT_TA_UUID                                                                              \
    {                                                                                              \
        0x3fdffdb5, 0x2ea0, 0x45ca,                                                                \
        {                                                                                          \
            0xbe, 0x12, 0x8d, 0x0f, 0x01, 0x16, 0xbc, 0xc0                                         \
        }                                                                                          \
    }

/* Uses. */
#define VAULT_TA_TLS_CLIENT 1 /* of kapu-link, to its operator */

/* The user of VAULT_TA_TLS_CLIENT: what the kernel makes of the number of kapu-link's account
 * (UUID version 5, RFC 9562, of "uid=6c" in the kernel's own name space). */
#define VAULT_TA_USER_LINK                                                                         \
    {                                                                                              \
        0xa31b0e0b, 0xf6bc, 0x58b4,                                                                \
        {                                                                                          \
            0x99, 0x0e, 0x26, 0x28, 0xef, 0x4f, 0x56, 0xaa                                         \
        }                                                                                          \
    }

/* VI: a = use. MO: public key, x and y. The key is made if there is none. */
#define VAULT_TA_PUBLIC 0
#define VAULT_TA_POINT_SIZE 64u

/* MI: transcript hash (RFC 8446, 4.4.1), 32 or 48 bytes. MO: signature, r and s, of the client's
 * CertificateVerify (4.4.3) with ecdsa_secp256r1_sha256, by the key of VAULT_TA_TLS_CLIENT. */
#define VAULT_TA_SIGN_TLS_CLIENT 1
#define VAULT_TA_SIGNATURE_SIZE 64u

#endif
