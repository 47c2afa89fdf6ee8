// SPDX-License-Identifier: Apache-2.0
#include "package.h"

#include <inttypes.h>
#include <libfdt.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/fip.h>
#include <kapu/verity.h>

#include "crypto_openssl.h"
#include "mapped.h"

#define SHA (&crypto_openssl.sha256)
#define OID_RELEASE "1.3.6.1.4.1.4128.2100.9001" /* boot/tf-a/release.c */
#define OID_TRUSTED_COUNTER "1.3.6.1.4.1.4128.2100.1"
#define OID_NORMAL_COUNTER "1.3.6.1.4.1.4128.2100.2"
#define FIRMWARE_MAX (32u << 20) /* a firmware slot */

/* The certificates of TF-A's chain of trust, by their UUIDs in a package (TF-A,
 * firmware_image_package.h). */
static const struct {
    const char *name;
    uint8_t uuid[FIP_UUID_SIZE];
} certificates[] = {
    {"BL2 certificate",
     {0xd6, 0xe2, 0x69, 0xea, 0x5d, 0x63, 0xe4, 0x11, 0x8d, 0x8c, 0x9f, 0xba, 0xbe, 0x99, 0x56,
      0xa5}},
    {"trusted key certificate",
     {0x82, 0x7e, 0xe8, 0x90, 0xf8, 0x60, 0xe4, 0x11, 0xa1, 0xb4, 0x77, 0x7a, 0x21, 0xb4, 0xf9,
      0x4c}},
    {"BL31 key certificate",
     {0x8a, 0xb8, 0xbe, 0xcc, 0xf9, 0x60, 0xe4, 0x11, 0x9a, 0xd0, 0xeb, 0x48, 0x22, 0xd8, 0xdc,
      0xf8}},
    {"BL31 content certificate",
     {0xe2, 0xb2, 0x0c, 0x20, 0x5e, 0x63, 0xe4, 0x11, 0x9c, 0xe8, 0xab, 0xcc, 0xf9, 0x2b, 0xb6,
      0x66}},
    {"OP-TEE key certificate",
     {0x94, 0x77, 0xd6, 0x03, 0xfb, 0x60, 0xe4, 0x11, 0x85, 0xdd, 0xb7, 0x10, 0x5b, 0x8c, 0xee,
      0x04}},
    {"OP-TEE content certificate",
     {0xa4, 0x9f, 0x44, 0x11, 0x5e, 0x63, 0xe4, 0x11, 0x87, 0x28, 0x3f, 0x05, 0x72, 0x2a, 0xf3,
      0x3d}},
    {"Linux key certificate",
     {0x8a, 0xd5, 0x83, 0x2a, 0xfb, 0x60, 0xe4, 0x11, 0x8a, 0xaf, 0xdf, 0x30, 0xbb, 0xc4, 0x98,
      0x59}},
    {"Linux content certificate",
     {0x8e, 0xc4, 0xc1, 0xf3, 0x5d, 0x63, 0xe4, 0x11, 0xa7, 0xa9, 0x87, 0xee, 0x40, 0xb2, 0x3f,
      0xa7}},
};
#define CERTIFICATES (sizeof(certificates) / sizeof(certificates[0]))

static const uint8_t device_tree_uuid[FIP_UUID_SIZE] = {
    0x28, 0xda, 0x98, 0x15, 0x93, 0xe8, 0x7e, 0x44, 0xac, 0x66, 0x1a, 0xaf, 0x80, 0x15, 0x50, 0xf9};

#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

/* ---- certificates ---- */

/* The content of an extension, by its object identifier; {NULL, 0}: it has none such, or two. */
static struct bytes extension(const X509 *x, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    struct bytes found = {NULL, 0};
    int at = object != NULL ? X509_get_ext_by_OBJ(x, object, -1) : -1;

    if (at >= 0 && X509_get_ext_by_OBJ(x, object, at) < 0) {
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(x, at));

        found = (struct bytes){ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
    }
    ASN1_OBJECT_free(object);
    return found;
}

/* DER of an OCTET STRING of 32 bytes. */
static bool take_identity(const X509 *x, uint8_t to[RELEASE_DIGEST_SIZE])
{
    struct bytes e = extension(x, OID_RELEASE);

    if (e.n != 2 + RELEASE_DIGEST_SIZE || e.p[0] != V_ASN1_OCTET_STRING ||
        e.p[1] != RELEASE_DIGEST_SIZE)
        return false;
    memcpy(to, e.p + 2, RELEASE_DIGEST_SIZE);
    return true;
}

/* DER of an INTEGER, of one of the two counters. */
static bool take_counter(const X509 *x, uint32_t *counter)
{
    struct bytes trusted = extension(x, OID_TRUSTED_COUNTER);
    struct bytes e = trusted.p != NULL ? trusted : extension(x, OID_NORMAL_COUNTER);
    const uint8_t *p = e.p;
    ASN1_INTEGER *value = p != NULL ? d2i_ASN1_INTEGER(NULL, &p, (long)e.n) : NULL;
    uint64_t number = 0;
    bool good = value != NULL && p == e.p + e.n && ASN1_INTEGER_get_uint64(&number, value) == 1 &&
                number <= UINT32_MAX;

    ASN1_INTEGER_free(value);
    *counter = (uint32_t)number;
    return good;
}

static int read_certificate(struct bytes der, uint8_t identity[RELEASE_DIGEST_SIZE],
                            uint32_t *counter)
{
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    bool good = x != NULL && take_identity(x, identity) && take_counter(x, counter);

    X509_free(x);
    return good ? 0 : -1;
}

static int read_certificates(struct package *p, const struct fip *fip, const char *path,
                             char why[PACKAGE_WHY])
{
    for (size_t i = 0; i < CERTIFICATES; i++) {
        uint8_t identity[RELEASE_DIGEST_SIZE];
        struct bytes der;
        uint32_t counter;

        if (fip_find(fip, certificates[i].uuid, &der) != 0)
            return SAY("%s: has no %s", path, certificates[i].name);
        if (read_certificate(der, identity, &counter) != 0)
            return SAY("%s: its %s is none, or says no release and counter", path,
                       certificates[i].name);
        if (i == 0) {
            memcpy(p->identity, identity, sizeof(p->identity));
            p->counter = counter;
        } else if (memcmp(identity, p->identity, sizeof(identity)) != 0 || counter != p->counter) {
            return SAY("%s: its %s is of another release than its %s", path, certificates[i].name,
                       certificates[0].name);
        }
    }
    return 0;
}

/* ---- device tree ---- */

/* What the command line says of dm-verity: the line of device-mapper's target (tools/kapu/build.py,
 * kernel_command_line). */
struct verity_line {
    char slot;
    uint64_t blocks;
    char hash[65], salt[65];
};

static bool parse_line(const char *bootargs, struct verity_line *l)
{
    const char *at = strstr(bootargs, "dm-mod.create=\"root,,,ro,0 ");
    unsigned long long sectors, blocks, tree;
    char data[64], hashes[64];
    int end = 0;

    if (at == NULL || strstr(at + 1, "dm-mod.create=") != NULL ||
        sscanf(at,
               "dm-mod.create=\"root,,,ro,0 %llu verity 1 %63s %63s 4096 4096 %llu %llu sha256 "
               "%64[0-9a-f] %64[0-9a-f]%n",
               &sectors, data, hashes, &blocks, &tree, l->hash, l->salt, &end) != 7 ||
        end == 0 || strcmp(data, hashes) != 0 || tree != blocks ||
        sectors != blocks * (VERITY_BLOCK / 512) || strlen(l->hash) != 64 ||
        strlen(l->salt) != 64 || sscanf(data, "PARTLABEL=kapu-root-%c%n", &l->slot, &end) != 1 ||
        data[end] != '\0')
        return false;
    l->blocks = blocks;
    return true;
}

static int hex_to(const char *text, uint8_t to[32])
{
    for (size_t i = 0; i < 32; i++) {
        unsigned int byte;

        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return -1;
        to[i] = (uint8_t)byte;
    }
    return 0;
}

static bool property(const void *tree, const char *name, struct verity_line *l)
{
    const int node = fdt_path_offset(tree, "/chosen");
    int n = 0;
    const char *text = node >= 0 ? fdt_getprop(tree, node, name, &n) : NULL;

    return text != NULL && n > 0 && strnlen(text, (size_t)n) == (size_t)n - 1 &&
           parse_line(text, l);
}

static int read_tree(struct package *p, const void *tree, size_t n, const char *path,
                     char why[PACKAGE_WHY])
{
    struct verity_line a, b;

    if (fdt_check_full(tree, n) != 0)
        return SAY("%s: its device tree is damaged", path);
    if (!property(tree, "bootargs", &a) || !property(tree, "kapu,bootargs-b", &b) ||
        a.slot != 'a' || b.slot != 'b')
        return SAY("%s: its device tree asks for no dm-verity on the root partitions", path);
    if (a.blocks != b.blocks || strcmp(a.hash, b.hash) != 0 || strcmp(a.salt, b.salt) != 0)
        return SAY("%s: its device tree has one root image for slot A and another for slot B",
                   path);
    if (a.blocks == 0 || a.blocks >= RELEASE_SIZE_MAX / VERITY_BLOCK ||
        hex_to(a.hash, p->root_hash) != 0 || hex_to(a.salt, p->root_salt) != 0)
        return SAY("%s: its device tree names a root image of no possible size", path);
    p->root_size = a.blocks * VERITY_BLOCK;
    return 0;
}

/* libfdt wants it aligned, which a package does not promise. */
static int read_device_tree(struct package *p, const struct fip *fip, const char *path,
                            char why[PACKAGE_WHY])
{
    struct bytes tree;
    void *copy;
    int err;

    if (fip_find(fip, device_tree_uuid, &tree) != 0 || tree.n == 0)
        return SAY("%s: has no device tree", path);
    copy = malloc(tree.n);
    if (copy == NULL)
        return SAY("no memory for %zu bytes", tree.n);
    memcpy(copy, tree.p, tree.n);
    err = read_tree(p, copy, tree.n, path, why);
    free(copy);
    return err;
}

int package_read_firmware(struct package *p, const char *path, char why[PACKAGE_WHY])
{
    struct mapped m;
    struct fip fip;
    int err;

    memset(p, 0, sizeof(*p));
    if (mapped_open(path, FIRMWARE_MAX, &m, why) != 0)
        return -1;
    p->firmware.size = m.n;
    if (fip_open(&fip, (struct bytes){m.p, m.n}) != 0)
        err = SAY("%s: is not a firmware package", path);
    else if (SHA->hash(SHA->ctx, &(struct bytes){m.p, m.n}, 1, p->firmware.sha256) != 0)
        err = SAY("%s: SHA-256 failed", path);
    else
        err = read_certificates(p, &fip, path, why);
    if (err == 0)
        err = read_device_tree(p, &fip, path, why);
    mapped_close(&m);
    return err;
}

/* ---- root image ---- */

static int same_block(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK])
{
    const struct mapped *m = ctx;

    return memcmp(m->p + number * VERITY_BLOCK, block, VERITY_BLOCK) == 0 ? 0 : KAPU_EINVAL;
}

int package_check_root(const struct package *p, const char *path, char why[PACKAGE_WHY])
{
    const uint64_t blocks = p->root_size / VERITY_BLOCK;
    const uint64_t size = p->root_size + verity_tree_blocks(blocks) * VERITY_BLOCK;
    static struct verity tree;
    uint8_t root[VERITY_HASH];
    struct mapped m;
    int err;

    if (mapped_open(path, RELEASE_SIZE_MAX - 1, &m, why) != 0)
        return -1;
    if (m.n != size) {
        err = SAY("%s: has %zu bytes; the root image that the firmware names has %" PRIu64, path,
                  m.n, size);
        mapped_close(&m);
        return err;
    }
    err = verity_begin(&tree, SHA, p->root_salt, blocks, same_block, &m);
    for (uint64_t i = 0; err == 0 && i < blocks; i++)
        err = verity_add(&tree, m.p + i * VERITY_BLOCK);
    if (err == 0)
        err = verity_end(&tree, root);
    mapped_close(&m);
    if (err == KAPU_EINVAL)
        return SAY("%s: its hash tree is not that of its blocks", path);
    if (err != 0)
        return SAY("%s: its hash tree cannot be computed (error %d)", path, err);
    return memcmp(root, p->root_hash, sizeof(root)) == 0
               ? 0
               : SAY("%s: is not the root image that the firmware names", path);
}
