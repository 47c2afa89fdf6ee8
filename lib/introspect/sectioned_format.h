/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kernel profile and allow-list have in common, made by tools/kapu/sectioned.py.
 * Little-endian.
 *
 *    0  8  magic
 *    8  4  version
 *   12  4  size of the file in bytes, the digest included
 *   then more of a header, a directory of the sections, and the sections, each aligned to 8 bytes;
 *   zeros until SECTIONED_BLOCK divides the size so far; the last SECTIONED_DIGEST bytes of the
 * file are the SHA-256 of all bytes before them.
 *
 * The digest finds damage, such as a flipped bit. It is not a signature: anyone who can write the
 * file can make another one. On a gateway both files are part of an image that is signed.
 */
#ifndef KAPU_SECTIONED_FORMAT_H
#define KAPU_SECTIONED_FORMAT_H

#define SECTIONED_HEADER 16u
#define SECTIONED_DIGEST 32u
#define SECTIONED_BLOCK 64u /* a port may hash whole blocks only */

#endif
