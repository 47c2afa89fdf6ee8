// SPDX-License-Identifier: Apache-2.0
/*
 * What a store in SQLite knows of the clock. Times that were written stay as the clock said them,
 * because nobody can tell which of two was the right one; the epochs tell which of them count.
 */
#include <sqlite3.h>
#include <string.h>

#include "store.h"

#define STEP_MS 10000u /* how often the time is kept: a clock that runs costs few writes */
#define WHEN "%Y-%m-%dT%H:%M:%SZ"

/* From version 5 to 6. What was accepted before has the sequence of no epoch, so that any question
 * from now on is later: a clock that was wrong before this version does no harm any more. */
const char store_sqlite_clock_schema[] =
    "CREATE TABLE clock("
    " epoch BLOB PRIMARY KEY, before_ms INTEGER, began_ms INTEGER, latest_ms INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "INSERT INTO clock VALUES(x'00000001', NULL, NULL, 0);"
    "UPDATE gateway SET sequence = zeroblob(16) WHERE sequence IS NOT NULL;"
    "ALTER TABLE update_number ADD COLUMN told_ms INTEGER NOT NULL DEFAULT 0;";

/* ?1 the new epoch, ?2 what the clock said before, ?3 what it says. */
static const char *const set_back[] = {
    "INSERT INTO clock(epoch, before_ms, began_ms, latest_ms) VALUES(?1, ?2, ?3, ?3)",
    "UPDATE tpm_start SET at_ms = ?3 WHERE at_ms > ?3",
    "UPDATE gateway SET tpm_ms = ?3 WHERE tpm_ms > ?3",
    "INSERT INTO audit(at_ms, user, what, subject, why) VALUES(?3, 'kapu', 'clock set back', "
    "'clock',"
    " 'from ' || strftime('" WHEN "', ?2 / 1000, 'unixepoch') ||"
    " ' to ' || strftime('" WHEN "', ?3 / 1000, 'unixepoch'))",
};

/* One statement that gives no rows. */
static int run(struct store *s, const char *sql, const uint8_t epoch[NONCE_EPOCH],
               uint64_t before_ms, uint64_t now_ms)
{
    sqlite3_stmt *q = NULL;
    int err = 0;

    if (sqlite3_prepare_v2(store_sqlite_db(s), sql, -1, &q, NULL) != SQLITE_OK)
        return store_sqlite_said(s);
    /* Those that a statement does not have are out of range, which is no harm. */
    (void)sqlite3_bind_blob(q, 1, epoch, NONCE_EPOCH, SQLITE_STATIC);
    (void)sqlite3_bind_int64(q, 2, (sqlite3_int64)before_ms);
    (void)sqlite3_bind_int64(q, 3, (sqlite3_int64)now_ms);
    if (sqlite3_step(q) != SQLITE_DONE)
        err = store_sqlite_said(s);
    sqlite3_finalize(q);
    return err;
}

/* The present epoch, and the latest time that it was told. */
static int read_clock(struct store *s, uint8_t epoch[NONCE_EPOCH], uint64_t *latest_ms)
{
    sqlite3_stmt *q = NULL;
    int err = KAPU_EIO;

    *latest_ms = 0;
    if (sqlite3_prepare_v2(store_sqlite_db(s),
                           "SELECT epoch, latest_ms FROM clock ORDER BY epoch DESC LIMIT 1", -1, &q,
                           NULL) != SQLITE_OK)
        return store_sqlite_said(s);
    if (sqlite3_step(q) != SQLITE_ROW) {
        err = store_sqlite_said(s);
    } else if (sqlite3_column_bytes(q, 0) == (int)NONCE_EPOCH) {
        memcpy(epoch, sqlite3_column_blob(q, 0), NONCE_EPOCH);
        *latest_ms = (uint64_t)sqlite3_column_int64(q, 1);
        err = 0;
    } else {
        snprintf(s->said, sizeof(s->said), "its record of the clock is damaged: put a backup back");
    }
    sqlite3_finalize(q);
    return err;
}

static bool is_set_back(uint64_t now_ms, uint64_t latest_ms)
{
    return latest_ms > now_ms && latest_ms - now_ms > NONCE_SKEW_MS;
}

/* Within a transaction. */
static int tell(struct store *s, uint64_t now_ms, uint64_t seen_ms, struct store_clock *out)
{
    uint8_t epoch[NONCE_EPOCH];
    uint64_t latest;
    struct wr w;
    int err = read_clock(s, epoch, &latest);

    if (err != 0)
        return err;
    latest = seen_ms > latest ? seen_ms : latest;
    out->epoch = nonce_epoch(epoch);
    if (!is_set_back(now_ms, latest))
        return run(s, "UPDATE clock SET latest_ms = max(latest_ms, ?3) WHERE epoch = ?1", epoch, 0,
                   now_ms);
    if (out->epoch == UINT32_MAX) {
        snprintf(s->said, sizeof(s->said), "the clock was set back too often");
        return KAPU_EIO;
    }
    out->from_ms = latest;
    wr_init(&w, epoch, sizeof(epoch));
    wr_be32(&w, ++out->epoch);
    for (size_t i = 0; i < sizeof(set_back) / sizeof(set_back[0]) && err == 0; i++)
        err = run(s, set_back[i], epoch, latest, now_ms);
    return err;
}

int store_sqlite_clock(struct store *s, uint64_t now_ms, uint64_t seen_ms, struct store_clock *out)
{
    uint8_t epoch[NONCE_EPOCH];
    uint64_t latest;
    int err = read_clock(s, epoch, &latest);

    *out = (struct store_clock){.epoch = err == 0 ? nonce_epoch(epoch) : 0};
    if (err != 0 || (!is_set_back(now_ms, seen_ms > latest ? seen_ms : latest) &&
                     (now_ms < latest || now_ms - latest < STEP_MS)))
        return err;
    err = run(s, "BEGIN IMMEDIATE", epoch, 0, 0);
    if (err != 0)
        return err;
    err = tell(s, now_ms, seen_ms, out);
    if (err == 0)
        err = run(s, "COMMIT", epoch, 0, 0);
    if (err != 0)
        (void)sqlite3_exec(store_sqlite_db(s), "ROLLBACK", NULL, NULL, NULL);
    return err;
}
