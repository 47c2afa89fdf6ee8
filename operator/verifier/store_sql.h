/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the SQLite store share, and nobody else: store_sqlite.c opens it,
 * store_tables.c has its tables, store_statements.c its statements, and one file each has what is
 * kept of gateways, results, reference values and board records. Updates and the clock prepare
 * statements of their own (store_updates.c, store_clock.c). What each function of struct store_ops
 * does: store.h.
 */
#ifndef KAPU_STORE_SQL_H
#define KAPU_STORE_SQL_H

#include <sqlite3.h>

#include "store.h"

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_GATEWAY_ADD,
    SQL_GATEWAY_RENEW,
    SQL_GATEWAY_REMOVE,
    SQL_RESULTS_REMOVE,
    SQL_STARTS_REMOVE,
    SQL_GATEWAY_NAMED,
    SQL_GATEWAY_OF_UEID,
    SQL_GATEWAYS,
    SQL_SEQUENCE,
    SQL_PRESENT,
    SQL_START_ADD,
    SQL_STARTS_FORGET,
    SQL_STARTS,
    SQL_RESULT_ADD,
    SQL_HISTORY,
    SQL_FORGET,
    SQL_REFERENCE_ADD,
    SQL_REFERENCES_REMOVE,
    SQL_REFERENCE_FIND,
    SQL_REFERENCE_OF,
    SQL_KERNEL_ADD,
    SQL_KERNELS_REMOVE,
    SQL_KERNEL_FIND,
    SQL_BOARDS_LIKE,
    SQL_BOARDS_REMOVE,
    SQL_BOARD_ADD,
    SQL_BOARD_REMOVE,
    SQL_BOARD_OF,
    SQL_BOARDS,
    SQL_AUDIT_ADD,
    SQL_AUDITS,
    SQL_STATEMENTS,
};

extern const char *const sql_statements[SQL_STATEMENTS];

struct sqlite_store {
    struct store store;
    sqlite3 *db;
    sqlite3_stmt *prepared[SQL_STATEMENTS];
};

struct sqlite_store *sql_of(struct store *s);

/* ---- store_tables.c ---- */

extern const int sql_schema_version;
/* 0: *version is that of a file, 0 of a new one. -1: SQLite says why. */
int sql_user_version(sqlite3 *db, int *version);
/* All tables, in a file that is new or of an earlier kapu. As above. */
int sql_make_tables(sqlite3 *db);

/* ---- store_sql.c: errors are KAPU_EIO, with what SQLite says in store->said ---- */

/* What the last error means to an operator; db may be NULL. */
void sql_explain(struct sqlite3 *db, char *why, size_t n);
int sql_said(struct sqlite_store *s);
/* KAPU_EIO: a row is not as kapu writes it. */
int sql_damaged(struct sqlite_store *s);
/* Ready for its values; never NULL: all are prepared when the store is opened. */
sqlite3_stmt *sql_get(struct sqlite_store *s, enum statement which);
/* Parameter i, from 1. What is bound must stay until the statement was run. */
void sql_bind(sqlite3_stmt *q, int i, const void *p, size_t n);
void sql_bind_text(sqlite3_stmt *q, int i, const char *text);
void sql_bind_number(sqlite3_stmt *q, int i, uint64_t v);
/* Runs one that gives no rows; values that failed to bind are NULL, which the schema refuses. */
int sql_run(struct sqlite_store *s, sqlite3_stmt *q);
/* 0: there is a row, KAPU_ENOENT: there is none (any more). The caller resets. */
int sql_first(struct sqlite_store *s, sqlite3_stmt *q);
int sql_begin(struct sqlite_store *s);
/* Ends what sql_begin() began: all of it, or on an error nothing. `err`, or why it cannot. */
int sql_end(struct sqlite_store *s, int err);
/* A column's n bytes; false: it has not as many. */
bool sql_copy(sqlite3_stmt *q, int column, void *to, size_t n);
/* Of n bytes with the terminating zero; a longer text is cut. */
void sql_copy_text(sqlite3_stmt *q, int column, char *to, size_t n);
uint64_t sql_number(sqlite3_stmt *q, int column);
/* As a column has it; VERIFIER_CONTRAINDICATED for any that is none. */
enum verifier_tier sql_tier(sqlite3_int64 v);

/* ---- store_gateways.c ---- */

int sql_gateway_add(struct store *store, const struct verifier_gateway *g, uint64_t now_ms,
                    const struct store_record *first, const struct store_audit *audit,
                    const char **taken);
int sql_gateway_renew(struct store *store, const struct verifier_gateway *g,
                      const struct store_record *first, const struct store_audit *audit,
                      const char **taken);
int sql_gateway_remove(struct store *store, const char *name);
int sql_gateway_named(struct store *store, const char *name, struct store_state *out);
int sql_gateway_of_ueid(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                        struct store_state *out);
int sql_gateways(struct store *store, int (*each)(void *ctx, const struct store_state *state),
                 void *ctx);

/* ---- store_results.c ---- */

/* Both within a transaction. Nothing is audited without an audit (NULL). */
int sql_insert_result(struct sqlite_store *s, const struct store_record *r);
int sql_insert_audit(struct sqlite_store *s, const struct store_audit *a);
int sql_record(struct store *store, const struct store_record *r);
int sql_starts(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint64_t since_ms,
               uint32_t *n);
int sql_audits(struct store *store, int (*each)(void *ctx, const struct store_audit *a), void *ctx);
int sql_history(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint32_t most,
                int (*each)(void *ctx, const struct store_result *r), void *ctx);
int sql_forget(struct store *store, uint64_t before_ms);

/* ---- store_references.c ---- */

int sql_references_add(struct store *store, const struct verifier_reference *ref, size_t n);
int sql_references_remove(struct store *store, const char *release, const char *flavour);
int sql_reference_find(struct store *store, const uint8_t key[32], struct verifier_reference *out);
int sql_reference_of_release(struct store *store, const char *release,
                             struct verifier_reference *out);
int sql_kernel_find(struct store *store, const uint8_t pcr[32], verifier_kernel_fn use, void *ctx);

/* ---- store_boards.c ---- */

int sql_board_add(struct store *store, const struct store_board *b, const struct store_audit *audit,
                  enum store_added *how, uint64_t *older);
int sql_board_remove(struct store *store, const uint8_t board[EVIDENCE_BOARD_SIZE],
                     const struct store_audit *audit);
int sql_board_of_ueid(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                      struct store_board *out);
int sql_boards(struct store *store, int (*each)(void *ctx, const struct store_board *b), void *ctx);

#endif
