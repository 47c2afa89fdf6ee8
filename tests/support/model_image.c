// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the model kernel as files, for tests of `kapu inspect`: ram (raw memory), kernel.profile
 * and allow.list.
 *
 *     model_image FOLDER [changed] [starting] [other]
 *
 * changed: a setting is not as policy says, and a byte of the kernel's text is another one.
 * starting: no program runs yet. other: profile and allow-list are those of another build, which
 * are as good.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"
#include "kernel_model.h"

static struct kernel_model model;

static void write_file(const char *folder, const char *name, const uint8_t *p, size_t n)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "wb");
    if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    model_build(&model, crypto_openssl.sha256);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "changed") == 0) {
            model_put32(&model, model_symbol(&model, S_ptrace_scope), 0);
            model.ram[MODEL_TEXT_PA + 0x3000 - MODEL_RAM_BASE] ^= 1;
        } else if (strcmp(argv[i], "starting") == 0) {
            model_set(&model, model.task[3], F_task_struct_mm, 0);
        } else if (strcmp(argv[i], "other") ==
                   0) { /* nothing is between the sections and the digest */
            model.profile[model.profile_n - SECTIONED_DIGEST - 1] ^= 1;
            model_seal(&model, crypto_openssl.sha256);
        } else {
            return 2;
        }
    }
    write_file(argv[1], "ram", model.ram, sizeof(model.ram));
    write_file(argv[1], "kernel.profile", model.profile, model.profile_n);
    write_file(argv[1], "allow.list", model.allow, model.allow_n);
    return 0;
}
