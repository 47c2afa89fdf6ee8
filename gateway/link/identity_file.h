/* SPDX-License-Identifier: Apache-2.0 */
/* The file with the certificate that the operator gave: PEM, this gateway's and then its issuer's,
 * and nothing else. */
#ifndef KAPU_LINK_IDENTITY_FILE_H
#define KAPU_LINK_IDENTITY_FILE_H

#include <openssl/x509.h>

#include <kapu/bytes.h>

/* This gateway's certificate, which the caller frees. NULL: *why is a sentence that begins with the
 * path, or empty when the file does not exist. */
X509 *identity_file_read(const char *path, char *why, size_t why_n);

#endif
