// SPDX-License-Identifier: Apache-2.0
/* Statements of the SQLite store: their values, rows, transactions, and what went wrong. */
#include "store_sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sqlite_store *sql_of(struct store *s)
{
    return (struct sqlite_store *)s;
}

void sql_explain(struct sqlite3 *db, char *why, size_t n)
{
    const int code = db != NULL ? sqlite3_errcode(db) : SQLITE_NOMEM;
    const int system = db != NULL ? sqlite3_system_errno(db) : 0;

    if (code == SQLITE_FULL || system == ENOSPC || system == EDQUOT)
        snprintf(why, n, "the disk is full, and nothing was changed");
    else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        snprintf(why, n, "is damaged, or not a store of kapu: put a backup back (%s)",
                 sqlite3_errmsg(db));
    else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        snprintf(why, n, "another program has held it for too long");
    else if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_IOERR)
        snprintf(why, n, "cannot be opened, read or written there: %s",
                 system != 0 ? strerror(system) : sqlite3_errmsg(db));
    else
        snprintf(why, n, "%s", db != NULL ? sqlite3_errmsg(db) : "no memory");
}

int sql_said(struct sqlite_store *s)
{
    sql_explain(s->db, s->store.said, sizeof(s->store.said));
    return KAPU_EIO;
}

struct sqlite3 *store_sqlite_db(struct store *s)
{
    return sql_of(s)->db;
}

int store_sqlite_said(struct store *s)
{
    return sql_said(sql_of(s));
}

sqlite3_stmt *sql_get(struct sqlite_store *s, enum statement which)
{
    sqlite3_stmt *q = s->prepared[which];

    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return q;
}

void sql_bind(sqlite3_stmt *q, int i, const void *p, size_t n)
{
    sqlite3_bind_blob(q, i, p, (int)n, SQLITE_STATIC);
}

void sql_bind_text(sqlite3_stmt *q, int i, const char *text)
{
    sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
}

void sql_bind_number(sqlite3_stmt *q, int i, uint64_t v)
{
    sqlite3_bind_int64(q, i, (sqlite3_int64)v);
}

int sql_run(struct sqlite_store *s, sqlite3_stmt *q)
{
    int done = sqlite3_step(q), err = done == SQLITE_DONE ? 0 : sql_said(s);

    sqlite3_reset(q);
    return err;
}

int sql_first(struct sqlite_store *s, sqlite3_stmt *q)
{
    int got = sqlite3_step(q);

    if (got == SQLITE_ROW)
        return 0;
    return got == SQLITE_DONE ? KAPU_ENOENT : sql_said(s);
}

int sql_begin(struct sqlite_store *s)
{
    return sql_run(s, sql_get(s, SQL_BEGIN));
}

int sql_end(struct sqlite_store *s, int err)
{
    if (err == 0)
        err = sql_run(s, sql_get(s, SQL_COMMIT));
    if (err != 0 && sqlite3_get_autocommit(s->db) == 0) {
        char why[sizeof(s->store.said)];

        memcpy(why, s->store.said, sizeof(why));
        (void)sql_run(s, sql_get(s, SQL_ROLLBACK));
        memcpy(s->store.said, why, sizeof(why));
    }
    return err;
}

bool sql_copy(sqlite3_stmt *q, int column, void *to, size_t n)
{
    const void *p = sqlite3_column_blob(q, column);

    if (p == NULL || (size_t)sqlite3_column_bytes(q, column) != n)
        return false;
    memcpy(to, p, n);
    return true;
}

void sql_copy_text(sqlite3_stmt *q, int column, char *to, size_t n)
{
    const unsigned char *text = sqlite3_column_text(q, column);

    snprintf(to, n, "%s", text != NULL ? (const char *)text : "");
}

uint64_t sql_number(sqlite3_stmt *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q, column);
}

int sql_damaged(struct sqlite_store *s)
{
    snprintf(s->store.said, sizeof(s->store.said), "a row of the database is damaged");
    return KAPU_EIO;
}

enum verifier_tier sql_tier(sqlite3_int64 v)
{
    return v == VERIFIER_AFFIRMING || v == VERIFIER_WARNING ? (enum verifier_tier)v
                                                            : VERIFIER_CONTRAINDICATED;
}
