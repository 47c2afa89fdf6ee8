// SPDX-License-Identifier: Apache-2.0
/* Gateways in the SQLite store. */
#include "store_sql.h"

#include <stdio.h>
#include <string.h>

#define INTERVAL_MAX_S 86400u /* of being judged */

/* How a row of a gateway stands to the board record that was found for its TPM. */
static enum verifier_record record_of(sqlite3_stmt *q, const struct verifier_gateway *g)
{
    uint8_t board[EVIDENCE_BOARD_SIZE], ak[BOARD_NAME_SIZE];

    if (!sql_copy(q, 19, board, sizeof(board)) || !sql_copy(q, 20, ak, sizeof(ak)))
        return VERIFIER_RECORD_NONE;
    if (memcmp(board, g->board, sizeof(board)) != 0)
        return VERIFIER_RECORD_OTHER_BOARD;
    return memcmp(ak, g->ak_name, sizeof(ak)) == 0 ? VERIFIER_RECORD_GOOD
                                                   : VERIFIER_RECORD_OTHER_AK;
}

static void starts_of(sqlite3_stmt *q, struct store_state *out)
{
    out->starts = (struct verifier_starts){
        .known = sqlite3_column_type(q, 14) != SQLITE_NULL,
        .resets = (uint32_t)sql_number(q, 14),
        .restarts = (uint32_t)sql_number(q, 15),
        .at_ms = sql_number(q, 16),
        .fell = sql_number(q, 17) != 0,
    };
    out->monitor_resets = (uint32_t)sql_number(q, 18);
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text > 0x7e)
            return false;
    }
    return true;
}

/* What is not as kapu writes it; NULL: nothing. */
static const char *read_identity(sqlite3_stmt *q, struct verifier_gateway *g)
{
    g->interval_s = (uint32_t)sql_number(q, 6);
    if (g->name[0] == '\0' || strlen(g->name) != (size_t)sqlite3_column_bytes(q, 1) ||
        !is_printable(g->name))
        return "its name";
    if (!sql_copy(q, 0, g->ueid, sizeof(g->ueid)))
        return "its UEID";
    if (!sql_copy(q, 2, g->board, sizeof(g->board)))
        return "its board's UUID";
    if (!sql_copy(q, 3, &g->tee, sizeof(g->tee)))
        return "the key of its secure world";
    if (!sql_copy(q, 4, &g->ak, sizeof(g->ak)))
        return "its TPM's attestation key";
    if (!sql_copy(q, 5, g->tls_key, sizeof(g->tls_key)))
        return "its TLS key";
    if (!sql_copy(q, 12, g->ak_name, sizeof(g->ak_name)) &&
        sqlite3_column_type(q, 12) != SQLITE_NULL)
        return "its attestation key's name";
    return sql_number(q, 6) >= 1 && sql_number(q, 6) <= INTERVAL_MAX_S ? NULL : "its interval";
}

/* One that is damaged has what could be read of it, and says so in out->damaged. */
static void state_of(sqlite3_stmt *q, struct store_state *out)
{
    struct verifier_gateway *g = &out->gateway;

    memset(out, 0, sizeof(*out));
    sql_copy_text(q, 1, g->name, sizeof(g->name));
    out->damaged = read_identity(q, g);
    sql_copy_text(q, 13, g->without_record, sizeof(g->without_record));
    g->record = record_of(q, g);
    starts_of(q, out);
    g->storage_starts = (uint32_t)sql_number(q, 21);
    out->enrolled_ms = sql_number(q, 7);
    out->appraised = sqlite3_column_type(q, 8) != SQLITE_NULL;
    if (!out->appraised)
        return;
    out->appraised_ms = sql_number(q, 8);
    out->status = sql_tier(sqlite3_column_int64(q, 9));
    sql_copy_text(q, 10, out->reason, sizeof(out->reason));
    out->set_back.from_ms = sql_number(q, 22);
    out->set_back.to_ms = sql_number(q, 23);
    if (!sql_copy(q, 11, out->sequence, sizeof(out->sequence)) && out->damaged == NULL)
        out->damaged = "the nonce of its last evidence";
}

/* SQLite names the column of the constraint: "UNIQUE constraint failed: gateway.ak". */
static const char *taken_by(const char *message)
{
    static const struct {
        const char *column, *what;
    } row[] = {
        {"gateway.ueid", "TPM"},
        {"gateway.name", "name"},
        {"gateway.board", "board"},
        {"gateway.tee", "key of the TEE"},
        {"gateway.ak", "attestation key of the TPM"},
        {"gateway.tls", "TLS key"},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (strstr(message, row[i].column) != NULL)
            return row[i].what;
    }
    return "identity";
}

/* Adds or changes a row: the first parameters of both are the same. */
static int write_gateway(struct sqlite_store *s, sqlite3_stmt *q, const struct verifier_gateway *g,
                         const char **taken)
{
    int err;

    sql_bind(q, 1, g->ueid, sizeof(g->ueid));
    sql_bind_text(q, 2, g->name);
    sql_bind(q, 3, g->board, sizeof(g->board));
    sql_bind(q, 4, &g->tee, sizeof(g->tee));
    sql_bind(q, 5, &g->ak, sizeof(g->ak));
    sql_bind(q, 6, g->tls_key, sizeof(g->tls_key));
    sql_bind_number(q, 7, g->interval_s);
    sql_bind(q, 8, g->ak_name, sizeof(g->ak_name));
    sql_bind_text(q, 9, g->without_record);
    sql_bind_number(q, 10, g->storage_starts);
    err = sql_run(s, q);
    if (err != 0 && sqlite3_errcode(s->db) == SQLITE_CONSTRAINT) {
        *taken = taken_by(s->store.said);
        return KAPU_EPIN;
    }
    return err;
}

static int insert_gateway(struct sqlite_store *s, const struct verifier_gateway *g, uint64_t now_ms,
                          const char **taken)
{
    sqlite3_stmt *q = sql_get(s, SQL_GATEWAY_ADD);

    sql_bind_number(q, 11, now_ms);
    return write_gateway(s, q, g, taken);
}

int sql_gateway_remove(struct store *store, const char *name)
{
    static const enum statement all[] = {SQL_RESULTS_REMOVE, SQL_STARTS_REMOVE, SQL_GATEWAY_REMOVE};
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && err == 0; i++) {
        sql_bind_text(sql_get(s, all[i]), 1, name);
        err = sql_run(s, s->prepared[all[i]]);
    }
    if (err == 0 && sqlite3_changes(s->db) == 0) /* by the last one */
        err = KAPU_ENOENT;
    return sql_end(s, err);
}

static int one_gateway(struct sqlite_store *s, sqlite3_stmt *q, struct store_state *out)
{
    int err = sql_first(s, q);

    if (err == 0)
        state_of(q, out);
    sqlite3_reset(q);
    if (err != 0 || out->damaged == NULL)
        return err;
    snprintf(s->store.said, sizeof(s->store.said),
             "the record of gateway %s is damaged (%s); kapu forget removes it", out->gateway.name,
             out->damaged);
    return KAPU_EIO;
}

int sql_gateway_named(struct store *store, const char *name, struct store_state *out)
{
    sqlite3_stmt *q = sql_get(sql_of(store), SQL_GATEWAY_NAMED);

    sql_bind_text(q, 1, name);
    return one_gateway(sql_of(store), q, out);
}

int sql_gateway_of_ueid(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                        struct store_state *out)
{
    sqlite3_stmt *q = sql_get(sql_of(store), SQL_GATEWAY_OF_UEID);

    sql_bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    return one_gateway(sql_of(store), q, out);
}

int sql_gateways(struct store *store, int (*each)(void *ctx, const struct store_state *state),
                 void *ctx)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_GATEWAYS);
    struct store_state state;
    int err;

    while ((err = sql_first(s, q)) == 0) {
        state_of(q, &state);
        err = each(ctx, &state);
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

int sql_gateway_add(struct store *store, const struct verifier_gateway *g, uint64_t now_ms,
                    const struct store_record *first, const struct store_audit *audit,
                    const char **taken)
{
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    err = insert_gateway(s, g, now_ms, taken);
    if (err == 0 && first != NULL)
        err = sql_insert_result(s, first);
    if (err == 0)
        err = sql_insert_audit(s, audit);
    return sql_end(s, err);
}

int sql_gateway_renew(struct store *store, const struct verifier_gateway *g,
                      const struct store_record *first, const struct store_audit *audit,
                      const char **taken)
{
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    err = write_gateway(s, sql_get(s, SQL_GATEWAY_RENEW), g, taken);
    if (err == 0 && sqlite3_changes(s->db) == 0)
        err = KAPU_ENOENT;
    if (err == 0)
        err = sql_insert_result(s, first);
    if (err == 0)
        err = sql_insert_audit(s, audit);
    return sql_end(s, err);
}
