// SPDX-License-Identifier: Apache-2.0
/* Reference values in the SQLite store, each with the symbols of its kernel. */
#include "store_sql.h"

static int add_kernel(struct sqlite_store *s, const struct verifier_reference *ref,
                      const uint8_t key[32])
{
    const struct verifier_kernel *k = &ref->kernel;
    sqlite3_stmt *q;

    if (k->size == 0)
        return 0;
    q = sql_get(s, SQL_KERNEL_ADD);
    sql_bind(q, 1, key, 32);
    sql_bind(q, 2, ref->pcr[EVIDENCE_PCR_LINUX], sizeof(ref->pcr[EVIDENCE_PCR_LINUX]));
    sql_bind_text(q, 3, ref->release);
    sql_bind_text(q, 4, ref->flavour);
    sql_bind_number(q, 5, k->size);
    sql_bind_number(q, 6, k->symbols);
    sql_bind_number(q, 7, k->unpacked);
    sql_bind(q, 8, k->packed.p, k->packed.n);
    return sql_run(s, q);
}

static int add_reference(struct sqlite_store *s, const struct verifier_reference *ref)
{
    sqlite3_stmt *q = sql_get(s, SQL_REFERENCE_ADD);
    uint8_t key[32];
    int err = verifier_reference_key(ref->pcr, key);

    if (err != 0)
        return err;
    sql_bind(q, 1, key, sizeof(key));
    sql_bind_text(q, 2, ref->release);
    sql_bind_text(q, 3, ref->flavour);
    sql_bind_number(q, 4, ref->counter);
    sql_bind(q, 5, ref->pcr, sizeof(ref->pcr));
    err = sql_run(s, q);
    return err == 0 ? add_kernel(s, ref, key) : err;
}

int sql_references_add(struct store *store, const struct verifier_reference *ref, size_t n)
{
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < n && err == 0; i++)
        err = add_reference(s, &ref[i]);
    return sql_end(s, err);
}

int sql_references_remove(struct store *store, const char *release, const char *flavour)
{
    static const enum statement both[] = {SQL_KERNELS_REMOVE, SQL_REFERENCES_REMOVE};
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]) && err == 0; i++) {
        sqlite3_stmt *q = sql_get(s, both[i]);

        sql_bind_text(q, 1, release);
        sql_bind_text(q, 2, flavour);
        err = sql_run(s, q);
    }
    if (err == 0 && sqlite3_changes(s->db) == 0) /* by the last one */
        err = KAPU_ENOENT;
    return sql_end(s, err);
}

static int one_reference(struct sqlite_store *s, sqlite3_stmt *q, struct verifier_reference *out)
{
    int err = sql_first(s, q);

    if (err == 0) {
        sql_copy_text(q, 0, out->release, sizeof(out->release));
        sql_copy_text(q, 1, out->flavour, sizeof(out->flavour));
        out->counter = (uint32_t)sql_number(q, 2);
        if (!sql_copy(q, 3, out->pcr, sizeof(out->pcr)))
            err = sql_damaged(s);
    }
    sqlite3_reset(q);
    return err;
}

int sql_reference_find(struct store *store, const uint8_t key[32], struct verifier_reference *out)
{
    sqlite3_stmt *q = sql_get(sql_of(store), SQL_REFERENCE_FIND);

    sql_bind(q, 1, key, 32);
    return one_reference(sql_of(store), q, out);
}

int sql_reference_of_release(struct store *store, const char *release,
                             struct verifier_reference *out)
{
    sqlite3_stmt *q = sql_get(sql_of(store), SQL_REFERENCE_OF);

    sql_bind_text(q, 1, release);
    return one_reference(sql_of(store), q, out);
}

int sql_kernel_find(struct store *store, const uint8_t pcr[32], verifier_kernel_fn use, void *ctx)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_KERNEL_FIND);
    int err;

    sql_bind(q, 1, pcr, 32);
    err = sql_first(s, q);
    if (err == 0) {
        const uint8_t *packed = sqlite3_column_blob(q, 3);
        const struct verifier_kernel kernel = {
            .size = (uint32_t)sql_number(q, 0),
            .symbols = (uint32_t)sql_number(q, 1),
            .unpacked = (uint32_t)sql_number(q, 2),
            .packed = {packed, packed != NULL ? (size_t)sqlite3_column_bytes(q, 3) : 0},
        };

        err = use(ctx, &kernel);
    }
    sqlite3_reset(q);
    return err;
}
