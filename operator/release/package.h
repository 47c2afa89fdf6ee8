/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a release is made of, read from its files: the firmware package says its identity, its
 * security counter and which root image it boots, and the root image must be that one. Nothing here
 * verifies the boot chain's signatures: the ROM does that. A file that contradicts itself, or the
 * other one, is refused, so that no manifest names parts that would not boot together.
 */
#ifndef KAPU_RELEASE_PACKAGE_H
#define KAPU_RELEASE_PACKAGE_H

#include <kapu/release.h>

#define PACKAGE_WHY 512u

struct package {
    uint8_t identity[RELEASE_DIGEST_SIZE];
    uint32_t counter;
    struct release_file firmware;
    uint64_t root_size; /* bytes of the file system */
    uint8_t root_salt[32], root_hash[32];
};

/* Of a firmware package. 0, or -1: `why` names the file and what is wrong in it. */
int package_read_firmware(struct package *p, const char *path, char why[PACKAGE_WHY]);
/* That the file is the root image which the firmware names, hash tree and all. As above. */
int package_check_root(const struct package *p, const char *path, char why[PACKAGE_WHY]);

#endif
