// SPDX-License-Identifier: Apache-2.0
#include "inspect_kdump.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

/* struct disk_dump_header, struct kdump_sub_header and struct page_desc of 64-bit machines. */
#define HEADER_SIZE 464u
#define HEADER_VERSION 8u
#define HEADER_BLOCK 428u
#define HEADER_SUB_BLOCKS 432u
#define HEADER_BITMAP_BLOCKS 436u
#define HEADER_MAX_MAPNR 440u
#define SUB_LEVEL 8u
#define SUB_SPLIT 12u
#define SUB_MAX_MAPNR 96u
#define SUB_SIZE 104u
#define DESC_SIZE 24u
#define LEVEL_NO_ZEROS 1u /* alone: pages of zeros are left out, and nothing else */
#define FLAG_ZLIB 0x1u
#define FLAG_LZO 0x2u
#define FLAG_SNAPPY 0x4u
#define FLAG_ZSTD 0x20u
#define FLAGS_OTHERS (~(FLAG_ZLIB | FLAG_ZSTD))
#define BLOCK_MIN 4096u
#define BLOCK_MAX 65536u
#define COUNTS_STEP 4096u /* blocks of memory of which one count of descriptors is kept */

#define FLAT_HEADER 4096u
#define FLAT_RECORD 16u          /* offset and size of what follows, big-endian */
#define FLAT_SPARE (64ull << 20) /* by how much the file may be larger in its own order */

#define SLOTS 64u

struct kdump {
    struct bytes content;
    uint32_t block;
    uint64_t blocks;         /* of memory, from address 0 */
    uint64_t known;          /* offset of the bitmap of blocks that the machine has */
    uint64_t bitmap;         /* offset of the bitmap of blocks that are there */
    bool no_zeros;           /* what the machine has and is not there is zeros */
    uint64_t descs;          /* offset of their descriptors */
    uint64_t descs_n;        /* as many as lie in the file */
    uint64_t *counts;        /* descriptors before each COUNTS_STEP blocks */
    uint64_t in_slot[SLOTS]; /* number of a block plus one */
    uint8_t *slots;
};

static bool is_set(const struct kdump *k, uint64_t bitmap, uint64_t n)
{
    return n < k->blocks && (k->content.p[bitmap + n / 8] >> n % 8 & 1) != 0;
}

static bool has_block(const struct kdump *k, uint64_t n)
{
    return is_set(k, k->bitmap, n);
}

static bool is_zeros(const struct kdump *k, uint64_t n)
{
    return k->no_zeros && !has_block(k, n) && is_set(k, k->known, n);
}

/* The descriptor of a block that is there. */
static const uint8_t *desc_of(const struct kdump *k, uint64_t n)
{
    uint64_t at = k->counts[n / COUNTS_STEP];

    for (uint64_t i = n / COUNTS_STEP * COUNTS_STEP; i < n; i++)
        at += has_block(k, i) ? 1 : 0;
    return at < k->descs_n ? k->content.p + k->descs + at * DESC_SIZE : NULL;
}

static bool in_file(const struct kdump *k, const uint8_t *desc)
{
    uint64_t offset = kapu_le64(desc);
    uint32_t size = kapu_le32(desc + 8);

    return size <= k->block && offset <= k->content.n && size <= k->content.n - offset;
}

static const char *other_compression(uint32_t flags)
{
    if ((flags & FLAG_LZO) != 0)
        return "is compressed by lzo, and kapu is built without that library: write it with zlib "
               "(kdump-zlib, makedumpfile -c)";
    if ((flags & FLAG_SNAPPY) != 0)
        return "is compressed by snappy, and kapu is built without that library: write it with "
               "zlib (kdump-zlib, makedumpfile -c)";
    return "is compressed in a way that is not known: write it with zlib (makedumpfile -c)";
}

/* What blocks are there, as parts, and whether we can read each. Those beyond the end of the file
 * are absent. */
static const char *add_parts(struct memory *m, struct kdump *k)
{
    uint64_t first = 0, run = 0, at = 0;

    for (uint64_t n = 0; n <= k->blocks; n++) {
        const uint8_t *desc = NULL;

        if (n < k->blocks && n % COUNTS_STEP == 0)
            k->counts[n / COUNTS_STEP] = at;
        if (has_block(k, n)) {
            desc = at < k->descs_n ? k->content.p + k->descs + at * DESC_SIZE : NULL;
            at++;
        }
        if (desc != NULL && !in_file(k, desc))
            desc = NULL;
        if (desc != NULL && (kapu_le32(desc + 12) & FLAGS_OTHERS) != 0)
            return other_compression(kapu_le32(desc + 12));
        if (desc != NULL || is_zeros(k, n)) {
            first = run == 0 ? n : first;
            run++;
        } else if (run > 0) {
            if (!memory_add(m, first * k->block, run * k->block, 0))
                return "has more parts than there is memory for";
            run = 0;
        }
    }
    return m->parts > 0 ? NULL : "is a kdump file that holds no memory";
}

static const char *read_headers(struct kdump *k)
{
    const struct bytes f = k->content;
    uint64_t sub, bitmaps, descs;
    uint32_t version;

    if (f.n < HEADER_SIZE)
        return "is a kdump file that is cut";
    version = kapu_le32(f.p + HEADER_VERSION);
    k->block = kapu_le32(f.p + HEADER_BLOCK);
    if (k->block < BLOCK_MIN || k->block > BLOCK_MAX || (k->block & (k->block - 1)) != 0 ||
        version > 64)
        return "is a kdump file, and not of a 64-bit Arm machine, or damaged";
    sub = kapu_le32(f.p + HEADER_SUB_BLOCKS);
    bitmaps = kapu_le32(f.p + HEADER_BITMAP_BLOCKS);
    k->blocks = kapu_le32(f.p + HEADER_MAX_MAPNR);
    descs = (1 + sub + bitmaps) * k->block;
    if (f.n < k->block + SUB_SIZE || descs > f.n)
        return "is a kdump file that is cut";
    if (kapu_le32(f.p + k->block + SUB_SPLIT) != 0)
        return "is one of several files of a split kdump: join them with makedumpfile --reassemble";
    if (version >= 6)
        k->blocks = kapu_le64(f.p + k->block + SUB_MAX_MAPNR);
    k->no_zeros = kapu_le32(f.p + k->block + SUB_LEVEL) == LEVEL_NO_ZEROS;
    k->known = (1 + sub) * k->block;
    k->bitmap = k->known + bitmaps / 2 * k->block;
    k->descs = descs;
    k->descs_n = (f.n - descs) / DESC_SIZE;
    if (k->blocks == 0 || k->blocks > bitmaps / 2 * k->block * 8)
        return "is a kdump file whose bitmap is too short: it is damaged";
    return NULL;
}

const char *kdump_open(struct memory *m)
{
    struct kdump *k = calloc(1, sizeof(*k));
    const char *wrong = "needs more memory than there is";

    if (k == NULL)
        return wrong;
    m->kdump = k; /* closed with m */
    k->content = m->content;
    wrong = read_headers(k);
    if (wrong != NULL)
        return wrong;
    k->counts = calloc(k->blocks / COUNTS_STEP + 1, sizeof(*k->counts));
    k->slots = malloc((size_t)SLOTS * k->block);
    if (k->counts == NULL || k->slots == NULL)
        return "needs more memory than there is";
    return add_parts(m, k);
}

void kdump_close(struct kdump *k)
{
    if (k == NULL)
        return;
    free(k->counts);
    free(k->slots);
    free(k);
}

static bool unpack(const struct kdump *k, const uint8_t *desc, uint8_t *to)
{
    const uint8_t *from = k->content.p + kapu_le64(desc);
    uint32_t size = kapu_le32(desc + 8), flags = kapu_le32(desc + 12);
    uLongf n = k->block;

    if ((flags & FLAG_ZLIB) != 0)
        return uncompress(to, &n, from, size) == Z_OK && n == k->block;
    if ((flags & FLAG_ZSTD) != 0)
        return ZSTD_decompress(to, k->block, from, size) == k->block;
    if (size != k->block)
        return false;
    memcpy(to, from, size);
    return true;
}

size_t kdump_read(struct kdump *k, uint64_t pa, void *to, size_t n)
{
    uint64_t block = pa / k->block;
    uint32_t at = (uint32_t)(pa % k->block);
    size_t slot = (size_t)(block % SLOTS);
    uint8_t *data = k->slots + slot * k->block;
    const uint8_t *desc;

    if (k->in_slot[slot] != block + 1) {
        desc = has_block(k, block) ? desc_of(k, block) : NULL;
        k->in_slot[slot] = 0;
        if (is_zeros(k, block))
            memset(data, 0, k->block);
        else if (desc == NULL || !in_file(k, desc) || !unpack(k, desc, data))
            return 0; /* damaged: it is as if it were absent */
        k->in_slot[slot] = block + 1;
    }
    if (n > k->block - at)
        n = k->block - at;
    memcpy(to, data + at, n);
    return n;
}

static uint64_t be64(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

/* One record of a flattened file at *at; false: there is none any more. *ended: the mark of the end
 * was read; without it the file is cut, and what it lacks could be anywhere. */
static bool next_record(struct bytes f, size_t *at, uint64_t *offset, struct bytes *data,
                        bool *ended)
{
    uint64_t size;

    if (*at > f.n || f.n - *at < FLAT_RECORD)
        return false;
    *offset = be64(f.p + *at);
    size = be64(f.p + *at + 8);
    *ended = *offset >> 63 != 0 && size >> 63 != 0;
    if (*offset >> 63 != 0 || size >> 63 != 0)
        return false;
    *at += FLAT_RECORD;
    *data = (struct bytes){f.p + *at, size < f.n - *at ? (size_t)size : f.n - *at};
    *at += data->n;
    return true;
}

const char *kdump_unflatten(struct memory *m)
{
    const struct bytes f = m->content;
    uint64_t offset, end = 0;
    struct bytes data;
    bool ended = false;
    uint8_t *copy;
    size_t at;

    for (at = FLAT_HEADER; next_record(f, &at, &offset, &data, &ended);) {
        if (offset > f.n + FLAT_SPARE)
            return "is a flattened kdump file, and damaged: a record lies far outside of it";
        end = offset + data.n > end ? offset + data.n : end;
    }
    if (end < HEADER_SIZE || !ended)
        return "is a flattened kdump file that is cut";
    copy = mmap(NULL, (size_t)end, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED)
        return "needs more memory than there is";
    for (at = FLAT_HEADER; next_record(f, &at, &offset, &data, &ended);)
        memcpy(copy + offset, data.p, data.n);
    m->copy = copy;
    m->content = (struct bytes){copy, (size_t)end};
    return memcmp(copy, "KDUMP   ", 8) == 0
               ? NULL
               : "is a file that makedumpfile flattened, and not of a kdump: restore it with "
                 "makedumpfile -R";
}
