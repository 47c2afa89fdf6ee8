/* SPDX-License-Identifier: Apache-2.0 */
/* The port of kapu/cipher.h bound to OpenSSL 3. */
#ifndef KAPU_RELEASE_AES_H
#define KAPU_RELEASE_AES_H

#include <kapu/cipher.h>

extern const struct cipher_port aes_openssl;

#endif
