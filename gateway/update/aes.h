/* SPDX-License-Identifier: Apache-2.0 */
/* The port of kapu/cipher.h bound to OpenSSL. One thread. */
#ifndef KAPU_UPDATE_AES_H
#define KAPU_UPDATE_AES_H

#include <kapu/cipher.h>

extern const struct cipher_port aes_ctr;

#endif
