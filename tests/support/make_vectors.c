// SPDX-License-Identifier: Apache-2.0
/* Writes the test vectors of evidence: make_vectors FOLDER, or the one of board records:
 * make_vectors FOLDER board. test_evidence and test_board hold them byte for byte. */
#include <stdio.h>
#include <string.h>

#include "soft_board_record.h"

#include "soft_gateway.h"

static bool board_vector(unsigned i, const char **name, struct wr *out)
{
    const struct board_record r = soft_board_record();
    struct soft_key factory;
    uint8_t key[EVIDENCE_KEY_SIZE];

    soft_key_make(&factory, SOFT_FACTORY);
    evidence_key_encode(&factory.pub, key);
    *name = i == 0 ? "soft.record" : "factory.key";
    if (i == 0)
        soft_board_record_sign(&factory, &r, out);
    else
        wr_bytes(out, BYTES_OF(key));
    return i < 2;
}

int main(int argc, char **argv)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    const bool board = argc == 3 && strcmp(argv[2], "board") == 0;
    const char *name;
    struct wr w;

    if (argc != 2 && !board) {
        fprintf(stderr, "usage: make_vectors FOLDER [board]\n");
        return 2;
    }
    wr_init(&w, buf, sizeof(buf));
    for (unsigned i = 0; (board ? board_vector : soft_vector)(i, &name, &w); i++) {
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
