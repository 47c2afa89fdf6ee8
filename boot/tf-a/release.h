/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All parts of a release belong together. Each of its certificates names the release: an extension
 * holds the SHA-256 of the hashes of all of its images and of its security counter
 * (tools/kapu/certs.py). BL1 keeps what BL2's certificate says, and BL2 takes no certificate that
 * says something else.
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <stdint.h>

#define RELEASE_IDENTITY_SIZE 32

/*
 * The release that a certificate names, whose signature has been verified. Does not return when it
 * names none: the slot is refused then, with the name of image_id. The result points into the
 * certificate.
 */
const uint8_t *release_of(unsigned int image_id, void *certificate, unsigned int n);

/*
 * TF-A calls this for each certificate once its signature and counter have been verified. Returns
 * 0, or does not return: a slot with parts of two releases is refused.
 */
int plat_certificate_verified(unsigned int image_id, void *certificate, unsigned int n);

#endif
