// SPDX-License-Identifier: Apache-2.0
/*
 * What the verifier reads: policies, files of reference values, and claims whose signatures held
 * (as those of a gateway whose secure world was taken over would), with any event log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appraise.h"
#include "fuzz.h"
#include "reference.h"

#define TEXT_MAX 4096U
#define INPUT_MAX (1U << 20)

static int find(void *ctx, const uint8_t key[32], struct verifier_reference *out)
{
    (void)ctx;
    memset(out, 0, sizeof(*out));
    snprintf(out->release, sizeof(out->release), "0.5.0");
    snprintf(out->flavour, sizeof(out->flavour), "gateway");
    return (key[0] & 1) != 0 ? 0 : KAPU_ENOENT;
}

/* Places of a kernel whose first and last bytes have names. */
static int kernel(void *ctx, const uint8_t pcr[32], verifier_kernel_fn use, void *use_ctx)
{
    static const char table[] = "\x00\xff\xff\xff\x03_text\0_edata"; /* ends with a zero */

    (void)ctx;
    (void)pcr;
    (void)use;
    return symbols_read(use_ctx, 0x800000, 2,
                        (struct bytes){(const uint8_t *)table, sizeof(table)});
}

static int of_release(void *ctx, const char *release, struct verifier_reference *out)
{
    const uint8_t odd[32] = {1};

    (void)release;
    return find(ctx, odd, out);
}

static void policy(const uint8_t *data, size_t size)
{
    static struct verifier_policy p;
    char why[64];

    if (size > TEXT_MAX)
        return;
    if (policy_parse(&p, (struct bytes){data, size}, why, sizeof(why)) != 0 &&
        strstr(why, "line ") == NULL)
        abort(); /* it must say where */
}

/* What was read must be what its encoding says, whoever made it. */
static void reference_content(struct bytes in)
{
    static struct verifier_reference ref[16];
    static uint8_t work[INPUT_MAX], again[INPUT_MAX];
    struct reference_values v = {.room = 16, .release = ref};
    struct wr w;

    if (reference_decode(in, &v, work, sizeof(work)) != 0) {
        if (v.releases != 0)
            abort();
        return;
    }
    wr_init(&w, again, sizeof(again));
    if (reference_encode(&v, &w) != 0 || w.at != in.n || memcmp(again, in.p, in.n) != 0)
        abort();
}

/* A file as it comes; no key is believed, so nothing of it may be. */
static void reference(const uint8_t *data, size_t size)
{
    static const struct reference_keys nobody = {.n = 1};
    static uint8_t work[INPUT_MAX];
    struct bytes in = {data, size};
    struct evidence_token t;

    if (size > INPUT_MAX)
        return;
    reference_content(in);
    if (reference_verify(in, &nobody, &t, work, sizeof(work)) == 0)
        abort();
    if (evidence_signed_decode(&reference_kind, in, &t, work, sizeof(work)) == 0)
        reference_content(t.payload);
}

static void claims(const uint8_t *data, size_t size)
{
    static struct verifier_policy p;
    static struct verifier_result r;
    static struct appraisal a;
    static char text[1U << 17];
    char why[256], all[VERIFIER_REASON_TEXT];
    const struct verifier_references refs = {find, of_release, kernel, NULL};
    static const struct verifier_gateway g = {.name = "fuzz"};
    static const struct verifier_starts before = {.known = true, .resets = 7, .at_ms = 1};
    const struct verifier_request q = {
        .gateway = &g, .references = &refs, .policy = &p, .before = &before, .now_ms = 2};
    size_t log = size > 0 ? data[0] * (size_t)4 : 0;
    FILE *to;

    if (size < 1 || log > size - 1)
        return;
    memset(&r, 0, sizeof(r));
    policy_default(&p);
    a.q = &q;
    a.r = &r;
    a.claims.monitor = &a.monitor;
    a.quoted = true;
    a.tried = false;
    if (evidence_claims_decode((struct bytes){data + 1 + log, size - 1 - log}, &a.claims, a.work,
                               sizeof(a.work)) != 0)
        return;
    a.message.log = (struct bytes){data + 1, log};
    r.authentic = true;
    r.last_update = a.claims.software.last_update;
    r.last_update_reset = a.claims.software.last_update_reset;
    r.refused = a.claims.software.refused;
    r.told = a.claims.software.told;
    if ((verifier_explain_update(&r, why, sizeof(why)) && strlen(why) == sizeof(why) - 1) ||
        (verifier_explain_refused(&r.refused, all, sizeof(all)) &&
         strlen(all) == sizeof(all) - 1) ||
        (verifier_explain_told(&r.told, why, sizeof(why)) && strlen(why) == sizeof(why) - 1))
        abort(); /* it was cut */
    if (appraise_boot(&a) != 0)
        abort(); /* nothing that a gateway says may stop the verifier */
    appraise_monitor(&a);
    appraise_record(&a);
    appraise_starts(&a, (uint32_t)log, (uint32_t)size);
    symbols_close(&a.symbols);
    to = fmemopen(text, sizeof(text), "w");
    if (to == NULL)
        return;
    verifier_print_ear(to, &r, "fuzz", "default", 0);
    fclose(to);
}

/* Two bytes say how many symbols there are, and the others are their table. */
static void symbols(const uint8_t *data, size_t size)
{
    const uint32_t end = 0x800000;
    struct symbols s;
    char place[64];

    if (size < 3 || symbols_read(&s, end, data[0] | (uint32_t)data[1] << 8,
                                 (struct bytes){data + 2, size - 2}) != 0)
        return;
    for (uint32_t i = 0; i < s.n; i++) {
        if (!symbols_place(&s, s.offset[i], place, sizeof(place)))
            abort();
    }
    if (symbols_place(&s, end, place, sizeof(place)))
        abort();
    symbols_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    policy(data, size);
    reference(data, size);
    symbols(data, size);
    claims(data, size);
    return 0;
}
