// SPDX-License-Identifier: Apache-2.0
/*
 * The store in a SQLite file. WAL with full synchronisation: what a call reported as done is there
 * after a crash of program or machine, what it did not is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store_file.h"
#include "store_sql.h"

#define BUSY_MS 10000
#define CACHE_KIB 16384

static void close_store(struct store *store)
{
    struct sqlite_store *s = sql_of(store);

    for (unsigned i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(s->prepared[i]);
    sqlite3_close(s->db);
    free(s);
}

static int prepare_statements(struct sqlite_store *s)
{
    for (unsigned i = 0; i < SQL_STATEMENTS; i++) {
        if (sqlite3_prepare_v3(s->db, sql_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &s->prepared[i], NULL) != SQLITE_OK)
            return -1;
    }
    return 0;
}

static int prepare(struct sqlite_store *s, const char *path)
{
    char cache[48];

    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK)
        return -1;
    sqlite3_busy_timeout(s->db, BUSY_MS);
    snprintf(cache, sizeof(cache), "PRAGMA cache_size = -%d", CACHE_KIB);
    if (sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(s->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(s->db, cache, NULL, NULL, NULL) != SQLITE_OK || sql_make_tables(s->db) != 0)
        return -1;
    return prepare_statements(s);
}

/* ---- in a folder that cannot be written (store_file.h) ---- */

/* SQLite makes files next to a database, also to read it: a folder that is read-only, or a disk
 * that is full, has no room for them. Then all must be in the database itself. */
static bool has_no_room(const struct sqlite_store *s, const char *path)
{
    const int system = s->db != NULL ? sqlite3_system_errno(s->db) : 0;
    const bool full = s->db != NULL && (sqlite3_errcode(s->db) == SQLITE_FULL || system == ENOSPC ||
                                        system == EDQUOT);

    return (full || store_folder_is_read_only(path)) && !store_has_changes_beside(path);
}

static int prepare_to_read(struct sqlite_store *s, const char *path)
{
    char uri[STORE_URI_MAX];
    int version = 0;

    sqlite3_close(s->db);
    s->db = NULL;
    if (!store_uri(path, uri, sizeof(uri)) ||
        sqlite3_open_v2(uri, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK ||
        sql_user_version(s->db, &version) != 0 || version != sql_schema_version)
        return -1;
    return prepare_statements(s);
}

/* NULL; *why says why the store cannot be opened. */
static struct store *refuse(struct sqlite_store *s, const char *path, char *why, size_t why_n)
{
    const int code = s->db != NULL ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    char reason[256];

    sql_explain(s->db, reason, sizeof(reason));
    if (code == SQLITE_OK)
        snprintf(reason, sizeof(reason), "is of another version of kapu");
    else if (store_folder_is_read_only(path))
        snprintf(reason, sizeof(reason),
                 store_has_changes_beside(path)
                     ? "its folder is read-only, and changes are in kapu.db-wal: copy the folder "
                       "to where it can be written"
                     : "its folder is read-only: nothing can be changed there");
    snprintf(why, why_n, "%s: %s", path, reason);
    close_store(&s->store);
    return NULL;
}

static struct store *open_store(const char *path, bool to_read, char *why, size_t why_n)
{
    static const struct store_ops ops = {
        .gateway_add = sql_gateway_add,
        .gateway_renew = sql_gateway_renew,
        .gateway_remove = sql_gateway_remove,
        .gateway_named = sql_gateway_named,
        .gateway_of_ueid = sql_gateway_of_ueid,
        .gateways = sql_gateways,
        .record = sql_record,
        .history = sql_history,
        .clock = store_sqlite_clock,
        .forget = sql_forget,
        .starts = sql_starts,
        .board_add = sql_board_add,
        .board_remove = sql_board_remove,
        .board_of_ueid = sql_board_of_ueid,
        .boards = sql_boards,
        .audits = sql_audits,
        .references_add = sql_references_add,
        .references_remove = sql_references_remove,
        .reference_find = sql_reference_find,
        .reference_of_release = sql_reference_of_release,
        .kernel_find = sql_kernel_find,
        .updates = &store_sqlite_updates,
        .close = close_store,
    };
    struct sqlite_store *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        snprintf(why, why_n, "no memory");
        return NULL;
    }
    s->store.ops = &ops;
    if (prepare(s, path) != 0 &&
        (!to_read || !has_no_room(s, path) || prepare_to_read(s, path) != 0))
        return refuse(s, path, why, why_n);
    return &s->store;
}

struct store *store_sqlite_open(const char *path, char *why, size_t why_n)
{
    return open_store(path, false, why, why_n);
}

struct store *store_sqlite_open_to_read(const char *path, char *why, size_t why_n)
{
    return open_store(path, true, why, why_n);
}
