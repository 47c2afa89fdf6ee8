// SPDX-License-Identifier: Apache-2.0
/* What all stores have in common. */
#include "store.h"

void store_close(struct store *s)
{
    if (s != NULL)
        s->ops->close(s);
}

static int find(void *ctx, const uint8_t key[32], struct verifier_reference *out)
{
    struct store *s = ctx;

    return s->ops->reference_find(s, key, out);
}

static int of_release(void *ctx, const char *release, struct verifier_reference *out)
{
    struct store *s = ctx;

    return s->ops->reference_of_release(s, release, out);
}

static int kernel(void *ctx, const uint8_t pcr[32], verifier_kernel_fn use, void *use_ctx)
{
    struct store *s = ctx;

    return s->ops->kernel_find(s, pcr, use, use_ctx);
}

struct verifier_references store_references(struct store *s)
{
    return (struct verifier_references){find, of_release, kernel, s};
}
