// SPDX-License-Identifier: Apache-2.0
/* Writes the test vectors of evidence: make_vectors FOLDER. test_evidence holds them byte for byte.
 */
#include <stdio.h>

#include "soft_gateway.h"

int main(int argc, char **argv)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    const char *name;
    struct wr w;

    if (argc != 2) {
        fprintf(stderr, "usage: make_vectors FOLDER\n");
        return 2;
    }
    wr_init(&w, buf, sizeof(buf));
    for (unsigned i = 0; soft_vector(i, &name, &w); i++) {
        char path[4096];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", argv[1], name);
        f = fopen(path, "wb");
        if (f == NULL || fwrite(buf, 1, w.at, f) != w.at || fclose(f) != 0) {
            perror(path);
            return 1;
        }
        printf("%s: %zu bytes\n", name, w.at);
        wr_init(&w, buf, sizeof(buf));
    }
    return 0;
}
