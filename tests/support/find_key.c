// SPDX-License-Identifier: Apache-2.0
/*
 * find_key X Y < MEMORY: looks for the private key of a public key on P-256 (coordinates in
 * hexadecimal) in memory: every 8 bytes, in both byte orders, is multiplied with the generator.
 * Prints it in hexadecimal, or nothing. For tests that then look for it where it must not be.
 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 32u
#define STEP 8u
#define ZEROS_MAX 3u /* a random key has more of them once in ten million times */
#define READ_SIZE (1u << 20)

struct search {
    EC_GROUP *group;
    BN_CTX *ctx;
    EC_POINT *wanted, *point;
    BIGNUM *d;
};

static bool is_it(struct search *s, const unsigned char *bytes, bool little)
{
    if (little)
        BN_lebin2bn(bytes, SIZE, s->d);
    else
        BN_bin2bn(bytes, SIZE, s->d);
    return EC_POINT_mul(s->group, s->point, s->d, NULL, NULL, s->ctx) == 1 &&
           EC_POINT_cmp(s->group, s->point, s->wanted, s->ctx) == 0;
}

static bool looks_random(const unsigned char *bytes)
{
    unsigned zeros = 0;

    for (size_t i = 0; i < SIZE; i++)
        zeros += bytes[i] == 0 ? 1 : 0;
    return zeros <= ZEROS_MAX;
}

static int start(struct search *s, const char *x, const char *y)
{
    BIGNUM *bx = NULL, *by = NULL;
    int ok;

    s->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    s->ctx = BN_CTX_new();
    s->wanted = EC_POINT_new(s->group);
    s->point = EC_POINT_new(s->group);
    s->d = BN_new();
    ok = BN_hex2bn(&bx, x) != 0 && BN_hex2bn(&by, y) != 0 &&
         EC_POINT_set_affine_coordinates(s->group, s->wanted, bx, by, s->ctx) == 1;
    BN_free(bx);
    BN_free(by);
    return ok ? 0 : -1;
}

static unsigned char *read_all(size_t *n)
{
    unsigned char *all = NULL;
    size_t got;

    *n = 0;
    do {
        unsigned char *more = realloc(all, *n + READ_SIZE);

        if (more == NULL) {
            free(all);
            return NULL;
        }
        all = more;
        got = fread(all + *n, 1, READ_SIZE, stdin);
        *n += got;
    } while (got > 0);
    return all;
}

int main(int argc, char **argv)
{
    struct search s = {0};
    unsigned char *memory;
    size_t n;

    if (argc != 3 || start(&s, argv[1], argv[2]) != 0) {
        fprintf(stderr, "usage: find_key X Y < MEMORY\n");
        return 2;
    }
    memory = read_all(&n);
    for (size_t at = 0; memory != NULL && at + SIZE <= n; at += STEP) {
        if (!looks_random(memory + at) ||
            (!is_it(&s, memory + at, false) && !is_it(&s, memory + at, true)))
            continue;
        for (size_t i = 0; i < SIZE; i++)
            printf("%02x", memory[at + i]);
        printf("\n");
        return 0;
    }
    return 1;
}
