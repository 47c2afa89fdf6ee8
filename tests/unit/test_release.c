// SPDX-License-Identifier: Apache-2.0
/* Manifests, sets of keys, rollouts, approvals: encoded, signed by some of several, damaged, mixed
 * up. */
#include "tpm2_fixture.h"

#include <kapu/release.h>

#include "soft_key.h"

#define KEYS 5
#define GROUP "north"

static uint8_t work[RELEASE_SIGNED_MAX], content[RELEASE_CONTENT_MAX + 1],
    file[RELEASE_SIGNED_MAX + 1];
static struct soft_key key[KEYS]; /* of release keys, in the order of the format */

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- samples ---- */

static struct release_manifest a_manifest(void)
{
    struct release_manifest m = {
        .version = text("0.2.0"),
        .hardware = text("qemu-virt"),
        .product = text("gateway"),
        .counter = 3,
        .counter_from = 1,
        .made_ms = 1764000000000,
        .expires_ms = 1795536000000,
        .firmware = {.size = 11101234},
        .root = {.size = 29622272},
        .index = {.size = 231425},
        .approval = true,
    };

    memset(m.identity, 0x11, sizeof(m.identity));
    memset(m.firmware.sha256, 0x22, sizeof(m.firmware.sha256));
    memset(m.root.salt, 0x33, sizeof(m.root.salt));
    memset(m.root.hash, 0x44, sizeof(m.root.hash));
    memset(m.index.sha256, 0x55, sizeof(m.index.sha256));
    return m;
}

static struct release_rollout a_rollout(size_t gateways)
{
    struct release_rollout r = {
        .action = RELEASE_INSTALL,
        .number = 7,
        .issued_ms = 1764000000000,
        .until_ms = 1764600000000,
        .to.n = gateways,
    };

    memset(r.release, 0x66, sizeof(r.release));
    for (size_t i = 0; i < gateways; i++)
        memset(r.to.ueid[i], (int)i + 1, sizeof(r.to.ueid[i]));
    if (gateways == 0)
        r.group = text(GROUP);
    return r;
}

static struct release_membership a_membership(size_t gateways)
{
    struct release_membership m = {
        .number = 8, .issued_ms = 1764000000000, .until_ms = 1764600000000, .group = text(GROUP)};

    m.of = a_rollout(gateways).to;
    return m;
}

static struct release_approval an_approval(void)
{
    struct release_approval a = {.issued_ms = 1764000000000};

    memset(a.release, 0x66, sizeof(a.release));
    memset(a.gateway, 0x01, sizeof(a.gateway));
    memset(a.boot, 0x77, sizeof(a.boot));
    return a;
}

/* Keys from `first`, `n` of them. */
static struct release_keys a_set(uint32_t version, size_t first, size_t n, uint32_t threshold)
{
    struct release_keys k = {
        .role = RELEASE_ROLE_RELEASE, .version = version, .threshold = threshold, .keys = n};

    for (size_t i = 0; i < n; i++)
        k.key[i] = key[first + i].pub;
    return k;
}

static int by_x(const void *a, const void *b)
{
    return memcmp(((const struct soft_key *)a)->pub.x, ((const struct soft_key *)b)->pub.x, 32);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++) {
        char name[32];

        snprintf(name, sizeof(name), "release key %zu", i);
        soft_key_make(&key[i], name);
    }
    qsort(key, KEYS, sizeof(key[0]), by_x);
    return 0;
}

/* A content of any kind, through one function. */
struct sample {
    const char *name;
    int (*encode)(struct wr *out);
    int (*decode)(struct bytes in); /* and the same encoded from what was decoded */
};

static int encode_manifest(struct wr *out)
{
    const struct release_manifest m = a_manifest();

    return release_manifest_encode(&m, out);
}

static int encode_encrypted(struct wr *out)
{
    struct release_manifest m = a_manifest();

    m.encrypted = true;
    memset(m.key_check, 0x66, sizeof(m.key_check));
    return release_manifest_encode(&m, out);
}

static int encode_keys(struct wr *out)
{
    const struct release_keys k = a_set(1, 0, 3, 2);

    return release_keys_encode(&k, out);
}

static int encode_rollout(struct wr *out)
{
    const struct release_rollout r = a_rollout(3);

    return release_rollout_encode(&r, out);
}

static int encode_group(struct wr *out)
{
    const struct release_rollout r = a_rollout(0);

    return release_rollout_encode(&r, out);
}

static int encode_membership(struct wr *out)
{
    const struct release_membership m = a_membership(3);

    return release_membership_encode(&m, out);
}

static int encode_approval(struct wr *out)
{
    const struct release_approval a = an_approval();

    return release_approval_encode(&a, out);
}

#define DECODER(what)                                                                              \
    static int decode_##what(struct bytes in)                                                      \
    {                                                                                              \
        struct release_##what v;                                                                   \
                                                                                                   \
        return release_##what##_decode(in, &v, work, sizeof(work));                                \
    }
DECODER(manifest)
DECODER(keys)
DECODER(rollout)
DECODER(membership)
DECODER(approval)

static const struct sample samples[] = {
    {"manifest", encode_manifest, decode_manifest},
    {"encrypted manifest", encode_encrypted, decode_manifest},
    {"keys", encode_keys, decode_keys},
    {"rollout", encode_rollout, decode_rollout},
    {"rollout to a group", encode_group, decode_rollout},
    {"membership", encode_membership, decode_membership},
    {"approval", encode_approval, decode_approval},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static struct bytes sample(const struct sample *s)
{
    struct wr w;

    wr_init(&w, content, sizeof(content));
    assert_int_equal(s->encode(&w), 0);
    return wr_done(&w);
}

/* ---- contents ---- */

static void what_is_written_is_read_back(void **state)
{
    struct release_manifest m, m0 = a_manifest();
    struct release_rollout r, r0 = a_rollout(RELEASE_GATEWAYS_MAX);
    struct release_membership b, b0 = a_membership(RELEASE_GATEWAYS_MAX);
    struct release_approval a, a0 = an_approval();
    struct release_keys k, k0 = a_set(9, 1, 4, 3);
    struct wr w;

    (void)state;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_manifest_encode(&m0, &w), 0);
    assert_int_equal(release_manifest_decode(wr_done(&w), &m, work, sizeof(work)), 0);
    assert_int_equal(m.version.n, m0.version.n);
    assert_memory_equal(m.version.p, m0.version.p, m.version.n);
    assert_memory_equal(m.hardware.p, m0.hardware.p, m.hardware.n);
    assert_memory_equal(m.product.p, m0.product.p, m.product.n);
    m.version = m0.version, m.hardware = m0.hardware, m.product = m0.product;
    assert_memory_equal(&m, &m0, sizeof(m));
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_rollout_encode(&r0, &w), 0); /* the longest of all contents */
    assert_int_equal(release_rollout_decode(wr_done(&w), &r, work, sizeof(work)), 0);
    assert_memory_equal(&r, &r0, sizeof(r));
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_membership_encode(&b0, &w), 0);
    assert_int_equal(release_membership_decode(wr_done(&w), &b, work, sizeof(work)), 0);
    assert_int_equal(b.group.n, b0.group.n);
    assert_memory_equal(b.group.p, b0.group.p, b.group.n);
    b.group = b0.group;
    assert_memory_equal(&b, &b0, sizeof(b));
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_approval_encode(&a0, &w), 0);
    assert_int_equal(release_approval_decode(wr_done(&w), &a, work, sizeof(work)), 0);
    assert_memory_equal(&a, &a0, sizeof(a));
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_keys_encode(&k0, &w), 0);
    assert_int_equal(release_keys_decode(wr_done(&w), &k, work, sizeof(work)), 0);
    assert_memory_equal(&k, &k0, sizeof(k));
}

/* SHA-256 of what tools/kapu/cbor.py makes of the same values: the first is what a manifest was
 * before any could be encrypted. */
static void a_manifest_without_a_key_is_what_it_was_and_one_with_it_has_one_item_more(void **state)
{
    static const uint8_t digests[2][32] = {
        {0xe3, 0x19, 0x12, 0x12, 0x5c, 0xe2, 0x2f, 0x00, 0x26, 0x5c, 0x15,
         0xd6, 0xbc, 0x35, 0x6d, 0x29, 0x07, 0xe2, 0xc1, 0xa1, 0xae, 0xa5,
         0xc1, 0xb3, 0xa9, 0x2c, 0x7f, 0xb1, 0xbe, 0xef, 0x8f, 0x05},
        {0xe8, 0x67, 0xc4, 0x51, 0x51, 0xbd, 0xcc, 0x8f, 0x89, 0x82, 0x97,
         0xde, 0xb6, 0xbd, 0xc9, 0x90, 0x53, 0xe2, 0x7c, 0x82, 0x9d, 0xa8,
         0x77, 0xf4, 0xf6, 0xe5, 0x95, 0xe2, 0x60, 0xfd, 0x60, 0xeb},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct bytes in = sample(&samples[i]);
        struct release_manifest m;
        uint8_t digest[32];

        assert_int_equal(release_digest(SHA256, in, digest), 0);
        assert_memory_equal(digest, digests[i], sizeof(digest));
        assert_int_equal(release_manifest_decode(in, &m, work, sizeof(work)), 0);
        assert_int_equal(m.encrypted, i == 1);
        assert_int_equal(m.key_check[0], i == 1 ? 0x66 : 0);
        assert_true(m.approval && m.index.size == a_manifest().index.size);
    }
    /* another label, or a shorter value, is none */
    for (int i = 0; i < 3; i++) {
        struct bytes in = sample(&samples[1]);
        uint8_t *head = content + in.n - 35;

        assert_memory_equal(head, "\x0d\x58\x20", 3);
        head[0] = (uint8_t)(i == 0 ? 0x0e : 0x0d);
        head[2] = (uint8_t)(i == 1 ? 31 : 32);
        in.n -= i == 1;
        assert_int_equal(decode_manifest(in), i == 2 ? 0 : KAPU_EINVAL);
    }
}

static void what_is_cut_or_longer_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes in = sample(&samples[i]);

        assert_int_equal(samples[i].decode(in), 0);
        for (size_t n = 0; n < in.n; n++)
            if (samples[i].decode((struct bytes){in.p, n}) == 0)
                fail_msg("%s: %zu of %zu bytes", samples[i].name, n, in.n);
        content[in.n] = 0;
        assert_int_not_equal(samples[i].decode((struct bytes){in.p, in.n + 1}), 0);
    }
}

/* No kind's content is one of another kind: not even without its signature. */
static void no_content_is_another_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes in = sample(&samples[i]);

        for (size_t j = 0; j < SAMPLES; j++)
            if ((samples[j].decode == samples[i].decode) != (samples[j].decode(in) == 0))
                fail_msg("a %s as %s", samples[i].name, samples[j].name);
    }
}

static void another_version_of_the_format_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes in = sample(&samples[i]);

        assert_int_equal(content[1], 0);
        assert_int_equal(content[2], 1);
        content[2] = 2;
        assert_int_equal(samples[i].decode(in), KAPU_EUNSUPPORTED);
    }
}

/* Each bit of each content flipped: refused, or it means something else, in the one encoding of
 * that. */
static void what_is_decoded_has_one_encoding(void **state)
{
    struct release_manifest m;
    struct wr w;
    struct bytes in;
    uint8_t again[RELEASE_CONTENT_MAX];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        in = sample(&samples[i]);
        for (size_t bit = 0; bit < in.n * 8; bit++) {
            content[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (release_manifest_decode(in, &m, work, sizeof(work)) == 0) {
                wr_init(&w, again, sizeof(again));
                assert_int_equal(release_manifest_encode(&m, &w), 0);
                assert_int_equal(w.at, in.n);
                assert_memory_equal(again, in.p, in.n);
            }
            content[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
}

static int encodes_manifest(void (*change)(struct release_manifest *m))
{
    uint8_t buf[RELEASE_CONTENT_MAX];
    struct release_manifest m = a_manifest();
    struct wr w;

    change(&m);
    wr_init(&w, buf, sizeof(buf));
    return release_manifest_encode(&m, &w);
}

#define CHANGE(name, statement)                                                                    \
    static void name(struct release_manifest *m)                                                   \
    {                                                                                              \
        statement;                                                                                 \
    }
CHANGE(change_nothing, (void)m)
CHANGE(change_no_version, m->version.n = 0)
CHANGE(change_no_hardware, m->hardware.n = 0)
CHANGE(change_no_product, m->product.n = 0)
CHANGE(change_long_product, m->product = text("0123456789abcdef0123456789abcdefX"))
CHANGE(change_line_break, m->version = text("0.2\n"))
CHANGE(change_counter_from, m->counter_from = m->counter + 1)
CHANGE(change_expires_before, m->expires_ms = m->made_ms - 1)
CHANGE(change_no_time, m->made_ms = 0)
CHANGE(change_late, m->expires_ms = RELEASE_TIME_MAX + 1ull)
CHANGE(change_empty_firmware, m->firmware.size = 0)
CHANGE(change_2_gib, m->firmware.size = RELEASE_SIZE_MAX)
CHANGE(change_2_gib_root, m->root.size = RELEASE_SIZE_MAX)
CHANGE(change_half_block, m->root.size += 512)
CHANGE(change_no_index, m->index.size = 0)

static void what_the_format_has_no_place_for_is_not_encoded(void **state)
{
    static void (*const changes[])(struct release_manifest *) = {
        change_no_version, change_no_hardware,    change_no_product,     change_long_product,
        change_line_break, change_counter_from,   change_expires_before, change_no_time,
        change_late,       change_empty_firmware, change_2_gib,          change_2_gib_root,
        change_half_block, change_no_index,
    };

    (void)state;
    assert_int_equal(encodes_manifest(change_nothing), 0);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        if (encodes_manifest(changes[i]) != KAPU_EARG)
            fail_msg("change %zu is encoded", i);
}

static void a_rollout_names_gateways_or_a_group(void **state)
{
    struct release_rollout r = a_rollout(2);
    struct wr w;

    (void)state;
    wr_init(&w, content, sizeof(content));
    r.group = text(GROUP);
    assert_int_equal(release_rollout_encode(&r, &w), KAPU_EARG);
    r = a_rollout(0), r.group.n = 0;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_rollout_encode(&r, &w), KAPU_EARG);
    r = a_rollout(2), memcpy(r.to.ueid[1], r.to.ueid[0], sizeof(r.to.ueid[0]));
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_rollout_encode(&r, &w), KAPU_EARG);
    r = a_rollout(2), r.number = 0;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_rollout_encode(&r, &w), KAPU_EARG);
    r = a_rollout(2), r.until_ms = r.issued_ms - 1;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_rollout_encode(&r, &w), KAPU_EARG);
}

static void a_membership_names_gateways_and_a_group(void **state)
{
    struct release_membership m[] = {a_membership(2), a_membership(2), a_membership(2),
                                     a_membership(2), a_membership(0), a_membership(2)};
    struct wr w;

    (void)state;
    m[0].group.n = 0;
    memcpy(m[1].of.ueid[1], m[1].of.ueid[0], sizeof(m[1].of.ueid[0]));
    m[2].number = 0;
    m[3].until_ms = m[3].issued_ms - 1;
    for (size_t i = 0; i < 6; i++) {
        wr_init(&w, content, sizeof(content));
        assert_int_equal(release_membership_encode(&m[i], &w), i < 5 ? KAPU_EARG : 0);
    }
}

/* ---- signatures ---- */

static void sign(struct release_signed *s, const struct evidence_kind *kind,
                 const struct soft_key *by)
{
    uint8_t kid[EVIDENCE_KID_SIZE], digest[32], signature[64];

    assert_int_equal(evidence_key_thumbprint(SHA256, &by->pub, kid), 0);
    assert_int_equal(release_signed_digest(SHA256, kind, kid, s->content, digest), 0);
    soft_key_sign(by, digest, signature);
    assert_int_equal(release_signed_add(s, kid, signature), 0);
}

/* The first sample, signed by those of whom the bit is set. */
static struct release_signed signed_by(unsigned who)
{
    struct release_signed s = {.content = sample(&samples[0])};

    for (size_t i = 0; i < KEYS; i++)
        if (who >> i & 1)
            sign(&s, &release_manifest_kind, &key[i]);
    return s;
}

static int verify(const struct release_signed *s, const struct release_keys *k, size_t *good)
{
    return release_verify(SHA256, &evidence_openssl, &release_manifest_kind, s, k, good);
}

static size_t write_file(const struct release_signed *s)
{
    struct wr w;

    wr_init(&w, file, sizeof(file));
    assert_int_equal(release_signed_encode(&release_manifest_kind, s, &w), 0);
    return w.at;
}

static int read_file(size_t n, struct release_signed *s)
{
    return release_signed_decode(&release_manifest_kind, (struct bytes){file, n}, s, work,
                                 sizeof(work));
}

/* Each threshold of each set against each choice of signers: exactly those with enough of the set's
 * keys. */
static void a_threshold_of_the_sets_keys_is_needed(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 1U << KEYS; who++) {
        const struct release_signed s = signed_by(who);

        for (size_t n = 1; n <= KEYS; n++)
            for (uint32_t threshold = 1; threshold <= n; threshold++) {
                const struct release_keys k = a_set(1, 0, n, threshold);
                const size_t expected = (size_t)__builtin_popcount(who & ((1U << n) - 1));
                size_t good;

                assert_int_equal(verify(&s, &k, &good), expected >= threshold ? 0 : KAPU_EAUTH);
                assert_int_equal(good, expected);
            }
    }
}

static void a_signature_counts_once(void **state)
{
    const struct release_keys k = a_set(1, 0, 3, 2);
    struct release_signed s = signed_by(1);
    size_t n;

    (void)state;
    sign(&s, &release_manifest_kind, &key[0]);
    assert_int_equal(s.signatures, 1);
    s.by[1] = s.by[0], s.signatures = 2; /* twice, as nobody encodes it */
    assert_int_equal(verify(&s, &k, NULL), KAPU_EAUTH);
    {
        struct wr w;

        wr_init(&w, file, sizeof(file));
        assert_int_equal(release_signed_encode(&release_manifest_kind, &s, &w), KAPU_EARG);
    }
    s = signed_by(3), n = write_file(&s);
    assert_int_equal(read_file(n, &s), 0);
    assert_int_equal(verify(&s, &k, NULL), 0);
    memcpy(file + n - 108, file + n - 216, 108); /* the second one is the first again */
    assert_int_not_equal(read_file(n, &s), 0);
}

static void each_bit_flipped_costs_a_signature_or_all(void **state)
{
    const struct release_keys both = a_set(1, 0, 2, 2), one = a_set(1, 0, 2, 1);
    struct release_signed s = signed_by(3);
    size_t n = write_file(&s), still = 0;

    (void)state;
    for (size_t bit = 0; bit < n * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (read_file(n, &s) == 0) {
            if (verify(&s, &both, NULL) == 0)
                fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
            still += verify(&s, &one, NULL) == 0;
        }
        file[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(still > 0 &&
                still <= 2 * 96 * 8); /* in one's kid or signature: the other's holds */
}

static void nothing_signed_as_one_kind_is_another(void **state)
{
    static const struct evidence_kind *const kinds[] = {
        &release_manifest_kind, &release_keys_kind, &release_rollout_kind, &release_membership_kind,
        &release_approval_kind};
    const struct release_keys k = a_set(1, 0, 1, 1);

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct release_signed s = {.content = sample(&samples[0])}, is;
        struct wr w;

        sign(&s, kinds[i], &key[0]);
        wr_init(&w, file, sizeof(file));
        assert_int_equal(release_signed_encode(kinds[i], &s, &w), 0);
        for (size_t j = 0; j < 5; j++) {
            assert_int_equal(release_verify(SHA256, &evidence_openssl, kinds[j], &s, &k, NULL),
                             i == j ? 0 : KAPU_EAUTH);
            assert_int_equal(release_signed_decode(kinds[j], wr_done(&w), &is, work, sizeof(work)),
                             i == j ? 0 : KAPU_EUNSUPPORTED);
        }
    }
}

static void no_more_signatures_than_there_is_room_for(void **state)
{
    struct release_signed s = {.content = sample(&samples[0])};
    uint8_t kid[EVIDENCE_KID_SIZE] = {0}, signature[64] = {0};

    (void)state;
    for (unsigned i = 0; i < RELEASE_SIGNATURES_MAX; i++) {
        kid[0] = (uint8_t)(200 - i * 7); /* whatever the order in which they come */
        assert_int_equal(release_signed_add(&s, kid, signature), 0);
    }
    kid[0] = 1;
    assert_int_equal(release_signed_add(&s, kid, signature), KAPU_ESPACE);
    kid[0] = 200; /* there already */
    assert_int_equal(release_signed_add(&s, kid, signature), 0);
    assert_int_equal(read_file(write_file(&s), &s), 0);
    assert_int_equal(s.signatures, RELEASE_SIGNATURES_MAX);
}

/* ---- sets that follow each other ---- */

static int follows(const struct release_keys *now, const struct release_keys *next, unsigned who)
{
    struct release_signed s = {0};
    struct wr w;

    wr_init(&w, content, sizeof(content));
    assert_int_equal(release_keys_encode(next, &w), 0);
    s.content = wr_done(&w);
    for (size_t i = 0; i < KEYS; i++)
        if (who >> i & 1)
            sign(&s, &release_keys_kind, &key[i]);
    return release_keys_follow(SHA256, &evidence_openssl, &s, now, next);
}

/* Keys 0 to 2 give way to 2 to 4, two of three each. Each choice of signers. */
static void a_new_set_needs_the_thresholds_of_both(void **state)
{
    const struct release_keys now = a_set(4, 0, 3, 2), next = a_set(5, 2, 3, 2);

    (void)state;
    for (unsigned who = 0; who < 1U << KEYS; who++) {
        bool enough = __builtin_popcount(who & 7) >= 2 && __builtin_popcount(who >> 2) >= 2;

        assert_int_equal(follows(&now, &next, who), enough ? 0 : KAPU_EAUTH);
    }
}

static void sets_follow_one_by_one_within_a_role(void **state)
{
    const struct release_keys now = a_set(4, 0, 3, 2);
    struct release_keys next = a_set(5, 0, 3, 2);

    (void)state;
    assert_int_equal(follows(&now, &next, 7), 0);
    next.version = 4;
    assert_int_equal(follows(&now, &next, 7), KAPU_EREPLAY);
    next.version = 3;
    assert_int_equal(follows(&now, &next, 7), KAPU_EREPLAY);
    next.version = 6;
    assert_int_equal(follows(&now, &next, 7), KAPU_ESTALE);
    next.version = 5, next.role = RELEASE_ROLE_ROLLOUT;
    assert_int_equal(follows(&now, &next, 7), KAPU_EPIN);
}

static void what_is_no_set_is_not_encoded(void **state)
{
    struct release_keys k;
    struct wr w;

#define REFUSED(change)                                                                            \
    k = a_set(1, 0, 3, 2);                                                                         \
    change;                                                                                        \
    wr_init(&w, content, sizeof(content));                                                         \
    assert_int_equal(release_keys_encode(&k, &w), KAPU_EARG)
    (void)state;
    REFUSED(k.threshold = 0);
    REFUSED(k.threshold = 4);
    REFUSED(k.version = 0);
    REFUSED(k.role = 0);
    REFUSED(k.role = 4);
    REFUSED(k.keys = 0);
    REFUSED(k.keys = RELEASE_KEYS_MAX + 1);
    REFUSED(k.key[1] = k.key[0]);
    REFUSED(k.key[0] = key[4].pub);
    k = a_set(1, 0, 3, 2);
    k.key[0] = key[2].pub, k.key[2] = key[0].pub;
    assert_int_equal(release_keys_sort(&k), 0);
    assert_memory_equal(k.key, a_set(1, 0, 3, 2).key, sizeof(k.key));
    k.key[2] = k.key[0];
    assert_int_equal(release_keys_sort(&k), KAPU_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_manifest_without_a_key_is_what_it_was_and_one_with_it_has_one_item_more),
        cmocka_unit_test(what_is_cut_or_longer_is_refused),
        cmocka_unit_test(no_content_is_another_kinds),
        cmocka_unit_test(another_version_of_the_format_is_named),
        cmocka_unit_test(what_is_decoded_has_one_encoding),
        cmocka_unit_test(what_the_format_has_no_place_for_is_not_encoded),
        cmocka_unit_test(a_rollout_names_gateways_or_a_group),
        cmocka_unit_test(a_membership_names_gateways_and_a_group),
        cmocka_unit_test(a_threshold_of_the_sets_keys_is_needed),
        cmocka_unit_test(a_signature_counts_once),
        cmocka_unit_test(each_bit_flipped_costs_a_signature_or_all),
        cmocka_unit_test(nothing_signed_as_one_kind_is_another),
        cmocka_unit_test(no_more_signatures_than_there_is_room_for),
        cmocka_unit_test(a_new_set_needs_the_thresholds_of_both),
        cmocka_unit_test(sets_follow_one_by_one_within_a_role),
        cmocka_unit_test(what_is_no_set_is_not_encoded),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
