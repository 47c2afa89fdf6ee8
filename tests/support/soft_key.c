// SPDX-License-Identifier: Apache-2.0
#include "soft_key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

struct curve {
    BN_CTX *c;
    EC_GROUP *group;
    EC_POINT *point;
    BIGNUM *x, *y, *n, *t;
};

static void need(int good)
{
    if (!good)
        abort();
}

static struct curve curve_open(void)
{
    struct curve v = {.c = BN_CTX_new(), .group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};

    need(v.c != NULL && v.group != NULL);
    v.point = EC_POINT_new(v.group);
    v.x = BN_new();
    v.y = BN_new();
    v.n = BN_dup(EC_GROUP_get0_order(v.group));
    v.t = BN_new();
    need(v.point != NULL && v.x != NULL && v.y != NULL && v.n != NULL && v.t != NULL);
    return v;
}

static void curve_close(struct curve *v)
{
    BN_free(v->t);
    BN_free(v->n);
    BN_free(v->y);
    BN_free(v->x);
    EC_POINT_free(v->point);
    EC_GROUP_free(v->group);
    BN_CTX_free(v->c);
}

/* x, y = scalar times the base point. */
static void multiply(struct curve *v, const BIGNUM *scalar)
{
    need(EC_POINT_mul(v->group, v->point, scalar, NULL, NULL, v->c) == 1 &&
         EC_POINT_get_affine_coordinates(v->group, v->point, v->x, v->y, v->c) == 1);
}

void soft_key_make(struct soft_key *k, const char *name)
{
    struct curve v = curve_open();
    BIGNUM *d;

    need(EVP_Digest(name, strlen(name), k->d, NULL, EVP_sha256(), NULL) == 1);
    d = BN_bin2bn(k->d, sizeof(k->d), NULL);
    need(d != NULL && BN_cmp(d, v.n) < 0 && !BN_is_zero(d));
    multiply(&v, d);
    need(BN_bn2binpad(v.x, k->pub.x, 32) == 32 && BN_bn2binpad(v.y, k->pub.y, 32) == 32);
    BN_free(d);
    curve_close(&v);
}

/* s = (z + r d) / nonce, r = x of nonce times the base point. */
void soft_key_sign(const struct soft_key *k, const uint8_t digest[32], uint8_t signature[64])
{
    struct curve v = curve_open();
    uint8_t both[64];
    BIGNUM *nonce, *d = BN_bin2bn(k->d, 32, NULL), *z = BN_bin2bn(digest, 32, NULL);

    memcpy(both, k->d, 32);
    memcpy(both + 32, digest, 32);
    need(EVP_Digest(both, sizeof(both), both, NULL, EVP_sha256(), NULL) == 1);
    nonce = BN_bin2bn(both, 32, NULL);
    need(nonce != NULL && d != NULL && z != NULL && BN_nnmod(nonce, nonce, v.n, v.c) == 1);
    multiply(&v, nonce);
    need(BN_nnmod(v.x, v.x, v.n, v.c) == 1 && BN_bn2binpad(v.x, signature, 32) == 32);
    need(BN_mod_mul(v.t, v.x, d, v.n, v.c) == 1 && BN_mod_add(v.t, v.t, z, v.n, v.c) == 1 &&
         BN_mod_inverse(nonce, nonce, v.n, v.c) != NULL &&
         BN_mod_mul(v.t, v.t, nonce, v.n, v.c) == 1 && BN_bn2binpad(v.t, signature + 32, 32) == 32);
    BN_free(z);
    BN_free(d);
    BN_free(nonce);
    curve_close(&v);
}
