/* SPDX-License-Identifier: Apache-2.0 */
/* The world around OP-TEE's storage in files: a disk that can be cut, a TPM, and its budget. */
#ifndef KAPU_TESTS_STORAGE_MODEL_H
#define KAPU_TESTS_STORAGE_MODEL_H

#include "optee.h"

struct pta_stats_alloc;
#include <tee/tee_fs.h>
#include <tee/tee_pobj.h>

#define FILES 16 /* file number, from 1 on; 0 is the directory */
#define FILE_MAX 131072

struct disk {
    struct file {
        bool there;
        size_t n;
        uint8_t bytes[FILE_MAX];
    } file[FILES];
};

struct model {
    struct disk disk;
    uint32_t counter, starts; /* of the TPM */
    uint32_t budget;          /* writes to it that are left */
    long writes_left;         /* until the power is cut; negative: never */
    bool cut;                 /* since then nothing reaches disk or TPM */
    unsigned writes;          /* to disk and TPM, in all */
};
extern struct model m;

/* Operations as a TA does them, each with files opened and closed. */
TEE_Result object_create(const char *name, const char *text);
TEE_Result object_write(const char *name, const char *text);
TEE_Result object_remove(const char *name);
/* The object's text in `text`, n bytes. */
TEE_Result object_read(const char *name, char *text, size_t n);

#endif
