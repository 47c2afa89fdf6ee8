// SPDX-License-Identifier: Apache-2.0
/* The tables of the SQLite store, and what brings those of an earlier release to the present ones.
 */
#include "store_sql.h"

#include <stdio.h>

static const char schema[] =
    "CREATE TABLE gateway("
    " ueid BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, board BLOB NOT NULL UNIQUE,"
    " tee BLOB NOT NULL UNIQUE, ak BLOB NOT NULL UNIQUE, tls BLOB NOT NULL UNIQUE,"
    " interval_s INTEGER NOT NULL, enrolled_ms INTEGER NOT NULL, appraised_ms INTEGER,"
    " status INTEGER, reason TEXT, sequence BLOB) WITHOUT ROWID;"
    "CREATE TABLE reference("
    " key BLOB PRIMARY KEY, release TEXT NOT NULL, flavour TEXT NOT NULL,"
    " counter INTEGER NOT NULL, pcrs BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX reference_release ON reference(release);"
    "CREATE TABLE result("
    " id INTEGER PRIMARY KEY, ueid BLOB NOT NULL, at_ms INTEGER NOT NULL,"
    " status INTEGER NOT NULL, authentic INTEGER NOT NULL, ear TEXT NOT NULL);"
    "CREATE INDEX result_gateway ON result(ueid, id);"
    "CREATE INDEX result_at ON result(at_ms);";

/* From version 1 to 2. A table of its own: what every appraisal looks at stays small. The large
 * column is the last one, so that a walk over the others does not read it. */
static const char schema_kernel[] =
    "CREATE TABLE kernel("
    " pcr BLOB NOT NULL, release TEXT NOT NULL, flavour TEXT NOT NULL, size INTEGER NOT NULL,"
    " symbols INTEGER NOT NULL, unpacked INTEGER NOT NULL, packed BLOB NOT NULL,"
    " UNIQUE(pcr, release, flavour));";

/* From version 2 to 3: board records, starts of TPMs, and what no gateway can prove. */
static const char schema_board[] =
    "ALTER TABLE gateway ADD COLUMN ak_name BLOB;"
    "ALTER TABLE gateway ADD COLUMN without_record TEXT;"
    "ALTER TABLE gateway ADD COLUMN storage_starts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE gateway ADD COLUMN tpm_resets INTEGER;"
    "ALTER TABLE gateway ADD COLUMN tpm_restarts INTEGER;"
    "ALTER TABLE gateway ADD COLUMN tpm_ms INTEGER;"
    "ALTER TABLE gateway ADD COLUMN tpm_fell INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE gateway ADD COLUMN monitor_resets INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE board_record("
    " ueid BLOB PRIMARY KEY, ek BLOB NOT NULL UNIQUE, board BLOB NOT NULL UNIQUE,"
    " ak BLOB NOT NULL UNIQUE, platform TEXT NOT NULL, issued_ms INTEGER NOT NULL,"
    " kid BLOB NOT NULL, added_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE tpm_start(ueid BLOB NOT NULL, at_ms INTEGER NOT NULL, n INTEGER NOT NULL);"
    "CREATE INDEX tpm_start_gateway ON tpm_start(ueid, at_ms);"
    "CREATE TABLE audit("
    " id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, user TEXT NOT NULL, what TEXT NOT NULL,"
    " subject TEXT NOT NULL, why TEXT NOT NULL);";

/* What brings a file from each version to the next; a new file is of version 0. */
static const char *const migrations[] = {schema,
                                         schema_kernel,
                                         schema_board,
                                         store_sqlite_updates_schema,
                                         store_sqlite_groups_schema,
                                         store_sqlite_clock_schema};
const int sql_schema_version = (int)(sizeof(migrations) / sizeof(migrations[0]));

int sql_user_version(sqlite3 *db, int *version)
{
    sqlite3_stmt *q = NULL;
    int good = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL) == SQLITE_OK &&
               sqlite3_step(q) == SQLITE_ROW;

    if (good)
        *version = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return good ? 0 : -1;
}

/* What is missing of the tables, in a file that is new (0) or of an older kapu. */
static bool upgrade(sqlite3 *db, int version)
{
    char set[48];

    for (; version < sql_schema_version; version++) {
        if (sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK)
            return false;
    }
    snprintf(set, sizeof(set), "PRAGMA user_version = %d", sql_schema_version);
    return sqlite3_exec(db, set, NULL, NULL, NULL) == SQLITE_OK;
}

/* Two that open a new file at once: the second finds the first one's tables. */
int sql_make_tables(sqlite3 *db)
{
    int version = 0;

    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return -1;
    if (sql_user_version(db, &version) != 0 || version < 0 || version > sql_schema_version ||
        !upgrade(db, version)) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}
