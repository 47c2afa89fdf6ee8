// SPDX-License-Identifier: Apache-2.0
/* Results of appraisals in the SQLite store, starts of TPMs, and the audit of what people did. */
#include "store_sql.h"

#include <string.h>

#define DAY_MAX (1u << 30) /* most that a sum of starts is told as */

static int check_sequence(struct sqlite_store *s, const struct store_record *r)
{
    sqlite3_stmt *q = sql_get(s, SQL_SEQUENCE);
    uint8_t last[NONCE_SEQUENCE];
    int err;

    sql_bind(q, 1, r->ueid, sizeof(r->ueid));
    err = sql_first(s, q);
    if (err == 0 && sqlite3_column_type(q, 0) != SQLITE_NULL) {
        if (!sql_copy(q, 0, last, sizeof(last)))
            err = sql_damaged(s);
        else if (memcmp(r->sequence, last, sizeof(last)) <= 0)
            err = KAPU_EREPLAY;
        else if (r->after == NULL || memcmp(r->after, last, sizeof(last)) != 0)
            err = KAPU_ESTALE;
    }
    sqlite3_reset(q);
    return err;
}

/* Starts of the last day are kept, which is as far as anybody looks back. */
static int count_starts(struct sqlite_store *s, const struct store_record *r)
{
    sqlite3_stmt *q = sql_get(s, SQL_STARTS_FORGET);
    int err;

    sql_bind(q, 1, r->ueid, sizeof(r->ueid));
    sql_bind_number(q, 2, r->at_ms > VERIFIER_DAY_MS ? r->at_ms - VERIFIER_DAY_MS : 0);
    err = sql_run(s, q);
    if (err != 0 || r->result->share == 0)
        return err;
    q = sql_get(s, SQL_START_ADD);
    sql_bind(q, 1, r->ueid, sizeof(r->ueid));
    sql_bind_number(q, 2, r->at_ms);
    sql_bind_number(q, 3, r->result->share);
    return sql_run(s, q);
}

int sql_starts(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint64_t since_ms,
               uint32_t *n)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_STARTS);
    double sum = 0;
    int err;

    sql_bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    sql_bind_number(q, 2, since_ms);
    err = sql_first(s, q);
    if (err == 0)
        sum = sqlite3_column_double(q, 0);
    sqlite3_reset(q);
    *n = sum < DAY_MAX ? (uint32_t)sum : DAY_MAX - 1;
    return err;
}

static const char *worst_reason(const struct verifier_result *r)
{
    for (uint32_t i = 0; i < r->reasons; i++) {
        if (r->reason[i].tier == r->status)
            return r->reason[i].text;
    }
    return "";
}

static int set_present(struct sqlite_store *s, const struct store_record *r)
{
    const struct verifier_starts *starts = &r->result->starts;
    int err = check_sequence(s, r);
    sqlite3_stmt *q;

    if (err == 0)
        err = count_starts(s, r);
    if (err != 0)
        return err;
    q = sql_get(s, SQL_PRESENT);
    sql_bind(q, 1, r->ueid, sizeof(r->ueid));
    sql_bind_number(q, 2, r->at_ms);
    sql_bind_number(q, 3, r->result->status);
    sql_bind_text(q, 4, worst_reason(r->result));
    sql_bind(q, 5, r->sequence, sizeof(r->sequence));
    if (starts->known) {
        sql_bind_number(q, 6, starts->resets);
        sql_bind_number(q, 7, starts->restarts);
        sql_bind_number(q, 8, starts->at_ms);
    }
    sql_bind_number(q, 9, starts->fell);
    sql_bind_number(q, 10, r->result->monitor_resets);
    return sql_run(s, q);
}

/* Within a transaction. */
int sql_insert_result(struct sqlite_store *s, const struct store_record *r)
{
    sqlite3_stmt *q;
    int err = r->result->authentic ? set_present(s, r) : 0;

    if (err != 0)
        return err;
    q = sql_get(s, SQL_RESULT_ADD);
    sql_bind(q, 1, r->ueid, sizeof(r->ueid));
    sql_bind_number(q, 2, r->at_ms);
    sql_bind_number(q, 3, r->result->status);
    sql_bind_number(q, 4, r->result->authentic);
    sql_bind_text(q, 5, r->ear);
    return sql_run(s, q);
}

int sql_record(struct store *store, const struct store_record *r)
{
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    return err != 0 ? err : sql_end(s, sql_insert_result(s, r));
}

/* Within a transaction; nothing is audited without an audit. */
int sql_insert_audit(struct sqlite_store *s, const struct store_audit *a)
{
    sqlite3_stmt *q;

    if (a == NULL)
        return 0;
    q = sql_get(s, SQL_AUDIT_ADD);
    sql_bind_number(q, 1, a->at_ms);
    sql_bind_text(q, 2, a->user);
    sql_bind_text(q, 3, a->what);
    sql_bind_text(q, 4, a->subject);
    sql_bind_text(q, 5, a->why);
    return sql_run(s, q);
}

int sql_audits(struct store *store, int (*each)(void *ctx, const struct store_audit *a), void *ctx)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_AUDITS);
    int err;

    while ((err = sql_first(s, q)) == 0) {
        const struct store_audit a = {sql_number(q, 0), (const char *)sqlite3_column_text(q, 1),
                                      (const char *)sqlite3_column_text(q, 2),
                                      (const char *)sqlite3_column_text(q, 3),
                                      (const char *)sqlite3_column_text(q, 4)};

        err = a.user != NULL && a.what != NULL && a.subject != NULL && a.why != NULL ? each(ctx, &a)
                                                                                     : KAPU_ESPACE;
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

int sql_history(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint32_t most,
                int (*each)(void *ctx, const struct store_result *r), void *ctx)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_HISTORY);
    int err;

    sql_bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    sql_bind_number(q, 2, most);
    while ((err = sql_first(s, q)) == 0) {
        struct store_result r = {sql_number(q, 0), sql_tier(sqlite3_column_int64(q, 1)),
                                 sqlite3_column_int(q, 2) != 0,
                                 (const char *)sqlite3_column_text(q, 3)};

        err = each(ctx, &r);
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

int sql_forget(struct store *store, uint64_t before_ms)
{
    sqlite3_stmt *q = sql_get(sql_of(store), SQL_FORGET);

    sql_bind_number(q, 1, before_ms);
    return sql_run(sql_of(store), q);
}
