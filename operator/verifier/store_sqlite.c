// SPDX-License-Identifier: Apache-2.0
/*
 * The store in a SQLite file. WAL with full synchronisation: what a call reported as done is there
 * after a crash of program or machine, what it did not is not.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "store_file.h"

#define DAY_MAX (1u << 30)    /* most that a sum of starts is told as */
#define INTERVAL_MAX_S 86400u /* of being judged */
#define BUSY_MS 10000
#define CACHE_KIB 16384

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
#define SCHEMA_VERSION (int)(sizeof(migrations) / sizeof(migrations[0]))

/* The first epoch since the last evidence that began before the time of that. */
#define SET_BACK                                                                                   \
    " FROM clock AS c WHERE c.epoch > substr(g.sequence, 1, 4) AND c.began_ms < g.appraised_ms"    \
    " ORDER BY c.epoch LIMIT 1"
#define GATEWAY                                                                                    \
    "SELECT g.ueid, g.name, g.board, g.tee, g.ak, g.tls, g.interval_s, g.enrolled_ms,"             \
    " g.appraised_ms, g.status, g.reason, g.sequence, g.ak_name, g.without_record, g.tpm_resets,"  \
    " g.tpm_restarts, g.tpm_ms, g.tpm_fell, g.monitor_resets, r.board, r.ak, g.storage_starts,"    \
    " (SELECT c.before_ms" SET_BACK "), (SELECT c.began_ms" SET_BACK ")"                           \
    " FROM gateway AS g LEFT JOIN board_record AS r ON r.ueid = g.ueid "
#define BOARD "SELECT ek, ueid, board, ak, platform, issued_ms, kid, added_ms FROM board_record "

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    GATEWAY_ADD,
    GATEWAY_RENEW,
    GATEWAY_REMOVE,
    RESULTS_REMOVE,
    STARTS_REMOVE,
    GATEWAY_NAMED,
    GATEWAY_OF_UEID,
    GATEWAYS,
    SEQUENCE,
    PRESENT,
    START_ADD,
    STARTS_FORGET,
    STARTS,
    RESULT_ADD,
    HISTORY,
    FORGET,
    REFERENCE_ADD,
    REFERENCES_REMOVE,
    REFERENCE_FIND,
    REFERENCE_OF,
    KERNEL_ADD,
    KERNELS_REMOVE,
    KERNEL_FIND,
    BOARDS_LIKE,
    BOARDS_REMOVE,
    BOARD_ADD,
    BOARD_REMOVE,
    BOARD_OF,
    BOARDS,
    AUDIT_ADD,
    AUDITS,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GATEWAY_ADD] = "INSERT INTO gateway(ueid, name, board, tee, ak, tls, interval_s, ak_name,"
                    " without_record, storage_starts, enrolled_ms)"
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [GATEWAY_RENEW] = "UPDATE gateway SET board = ?3, tee = ?4, ak = ?5, tls = ?6, interval_s = ?7,"
                      " ak_name = ?8, without_record = ?9, storage_starts = ?10, tpm_resets = "
                      "NULL, tpm_restarts = NULL,"
                      " tpm_ms = NULL, tpm_fell = 0 WHERE ueid = ?1 AND name = ?2",
    [GATEWAY_REMOVE] = "DELETE FROM gateway WHERE name = ?1",
    [RESULTS_REMOVE] = "DELETE FROM result WHERE ueid = (SELECT ueid FROM gateway WHERE name = ?1)",
    [STARTS_REMOVE] =
        "DELETE FROM tpm_start WHERE ueid = (SELECT ueid FROM gateway WHERE name = ?1)",
    [GATEWAY_NAMED] = GATEWAY "WHERE g.name = ?1",
    [GATEWAY_OF_UEID] = GATEWAY "WHERE g.ueid = ?1",
    [GATEWAYS] = GATEWAY "ORDER BY g.name",
    [SEQUENCE] = "SELECT sequence FROM gateway WHERE ueid = ?1",
    [PRESENT] = "UPDATE gateway SET appraised_ms = ?2, status = ?3, reason = ?4, sequence = ?5,"
                " tpm_resets = ?6, tpm_restarts = ?7, tpm_ms = ?8, tpm_fell = ?9,"
                " monitor_resets = ?10 WHERE ueid = ?1",
    [START_ADD] = "INSERT INTO tpm_start(ueid, at_ms, n) VALUES(?1, ?2, ?3)",
    [STARTS_FORGET] = "DELETE FROM tpm_start WHERE ueid = ?1 AND at_ms <= ?2",
    [STARTS] = "SELECT total(n) FROM tpm_start WHERE ueid = ?1 AND at_ms > ?2",
    [RESULT_ADD] = "INSERT INTO result(ueid, at_ms, status, authentic, ear)"
                   " VALUES(?1, ?2, ?3, ?4, ?5)",
    [HISTORY] = "SELECT at_ms, status, authentic, ear FROM result WHERE ueid = ?1"
                " ORDER BY id DESC LIMIT ?2",
    [FORGET] = "DELETE FROM result WHERE at_ms < ?1",
    [REFERENCE_ADD] = "INSERT INTO reference(key, release, flavour, counter, pcrs)"
                      " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    [REFERENCES_REMOVE] = "DELETE FROM reference WHERE release = ?1 AND flavour = ?2",
    [REFERENCE_FIND] = "SELECT release, flavour, counter, pcrs FROM reference WHERE key = ?1",
    [REFERENCE_OF] = "SELECT release, flavour, counter, pcrs FROM reference WHERE release = ?1"
                     " LIMIT 1",
    /* Only beside its reference values, with which it goes. */
    [KERNEL_ADD] = "INSERT INTO kernel(pcr, release, flavour, size, symbols, unpacked, packed)"
                   " SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS(SELECT 1 FROM reference"
                   " WHERE key = ?1 AND release = ?3 AND flavour = ?4) ON CONFLICT DO NOTHING",
    [KERNELS_REMOVE] = "DELETE FROM kernel WHERE release = ?1 AND flavour = ?2",
    [BOARDS_LIKE] = BOARD "WHERE ueid = ?1 OR board = ?2 OR ak = ?3",
    [BOARDS_REMOVE] = "DELETE FROM board_record WHERE ueid = ?1 OR board = ?2 OR ak = ?3",
    [BOARD_ADD] =
        "INSERT INTO board_record(ek, ueid, board, ak, platform, issued_ms, kid, added_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [BOARD_REMOVE] = "DELETE FROM board_record WHERE board = ?1 OR"
                     " (length(board) <> 16 AND"
                     " substr(hex(board) || hex(zeroblob(16)), 1, 32) = hex(?1))",
    [BOARD_OF] = BOARD "WHERE ueid = ?1",
    [BOARDS] = BOARD "ORDER BY board",
    [AUDIT_ADD] = "INSERT INTO audit(at_ms, user, what, subject, why) VALUES(?1, ?2, ?3, ?4, ?5)",
    [AUDITS] = "SELECT at_ms, user, what, subject, why FROM audit ORDER BY id",
    [KERNEL_FIND] = "SELECT size, symbols, unpacked, packed FROM kernel WHERE pcr = ?1 LIMIT 1",
};

struct sqlite_store {
    struct store store;
    sqlite3 *db;
    sqlite3_stmt *prepared[STATEMENTS];
};

static struct sqlite_store *of(struct store *s)
{
    return (struct sqlite_store *)s;
}

/* ---- statements ---- */

/* What the last error means to an operator. */
static void explain(struct sqlite3 *db, char *why, size_t n)
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

static int said(struct sqlite_store *s)
{
    explain(s->db, s->store.said, sizeof(s->store.said));
    return KAPU_EIO;
}

struct sqlite3 *store_sqlite_db(struct store *s)
{
    return of(s)->db;
}

int store_sqlite_said(struct store *s)
{
    return said(of(s));
}

/* Ready for its values; never NULL: all are prepared when the store is opened. */
static sqlite3_stmt *get(struct sqlite_store *s, enum statement which)
{
    sqlite3_stmt *q = s->prepared[which];

    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return q;
}

static void bind(sqlite3_stmt *q, int i, const void *p, size_t n)
{
    sqlite3_bind_blob(q, i, p, (int)n, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *q, int i, const char *text)
{
    sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *q, int i, uint64_t v)
{
    sqlite3_bind_int64(q, i, (sqlite3_int64)v);
}

/* Runs one that gives no rows; values that failed to bind are NULL, which the schema refuses. */
static int run(struct sqlite_store *s, sqlite3_stmt *q)
{
    int done = sqlite3_step(q), err = done == SQLITE_DONE ? 0 : said(s);

    sqlite3_reset(q);
    return err;
}

/* 0: there is a row, KAPU_ENOENT: there is none. The caller resets. */
static int first(struct sqlite_store *s, sqlite3_stmt *q)
{
    int got = sqlite3_step(q);

    if (got == SQLITE_ROW)
        return 0;
    return got == SQLITE_DONE ? KAPU_ENOENT : said(s);
}

static int begin(struct sqlite_store *s)
{
    return run(s, get(s, BEGIN));
}

/* Ends what begin() began: all of it, or on an error nothing. */
static int end(struct sqlite_store *s, int err)
{
    if (err == 0)
        err = run(s, get(s, COMMIT));
    if (err != 0 && sqlite3_get_autocommit(s->db) == 0) {
        char why[sizeof(s->store.said)];

        memcpy(why, s->store.said, sizeof(why));
        (void)run(s, get(s, ROLLBACK));
        memcpy(s->store.said, why, sizeof(why));
    }
    return err;
}

static bool copy(sqlite3_stmt *q, int column, void *to, size_t n)
{
    const void *p = sqlite3_column_blob(q, column);

    if (p == NULL || (size_t)sqlite3_column_bytes(q, column) != n)
        return false;
    memcpy(to, p, n);
    return true;
}

static void copy_text(sqlite3_stmt *q, int column, char *to, size_t n)
{
    const unsigned char *text = sqlite3_column_text(q, column);

    snprintf(to, n, "%s", text != NULL ? (const char *)text : "");
}

static uint64_t number(sqlite3_stmt *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q, column);
}

/* ---- gateways ---- */

static int damaged(struct sqlite_store *s)
{
    snprintf(s->store.said, sizeof(s->store.said), "a row of the database is damaged");
    return KAPU_EIO;
}

static enum verifier_tier tier_of(sqlite3_int64 v)
{
    return v == VERIFIER_AFFIRMING || v == VERIFIER_WARNING ? (enum verifier_tier)v
                                                            : VERIFIER_CONTRAINDICATED;
}

/* How a row of a gateway stands to the board record that was found for its TPM. */
static enum verifier_record record_of(sqlite3_stmt *q, const struct verifier_gateway *g)
{
    uint8_t board[EVIDENCE_BOARD_SIZE], ak[BOARD_NAME_SIZE];

    if (!copy(q, 19, board, sizeof(board)) || !copy(q, 20, ak, sizeof(ak)))
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
        .resets = (uint32_t)number(q, 14),
        .restarts = (uint32_t)number(q, 15),
        .at_ms = number(q, 16),
        .fell = number(q, 17) != 0,
    };
    out->monitor_resets = (uint32_t)number(q, 18);
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
    g->interval_s = (uint32_t)number(q, 6);
    if (g->name[0] == '\0' || strlen(g->name) != (size_t)sqlite3_column_bytes(q, 1) ||
        !is_printable(g->name))
        return "its name";
    if (!copy(q, 0, g->ueid, sizeof(g->ueid)))
        return "its UEID";
    if (!copy(q, 2, g->board, sizeof(g->board)))
        return "its board's UUID";
    if (!copy(q, 3, &g->tee, sizeof(g->tee)))
        return "the key of its secure world";
    if (!copy(q, 4, &g->ak, sizeof(g->ak)))
        return "its TPM's attestation key";
    if (!copy(q, 5, g->tls_key, sizeof(g->tls_key)))
        return "its TLS key";
    if (!copy(q, 12, g->ak_name, sizeof(g->ak_name)) && sqlite3_column_type(q, 12) != SQLITE_NULL)
        return "its attestation key's name";
    return number(q, 6) >= 1 && number(q, 6) <= INTERVAL_MAX_S ? NULL : "its interval";
}

/* One that is damaged has what could be read of it, and says so in out->damaged. */
static void state_of(sqlite3_stmt *q, struct store_state *out)
{
    struct verifier_gateway *g = &out->gateway;

    memset(out, 0, sizeof(*out));
    copy_text(q, 1, g->name, sizeof(g->name));
    out->damaged = read_identity(q, g);
    copy_text(q, 13, g->without_record, sizeof(g->without_record));
    g->record = record_of(q, g);
    starts_of(q, out);
    g->storage_starts = (uint32_t)number(q, 21);
    out->enrolled_ms = number(q, 7);
    out->appraised = sqlite3_column_type(q, 8) != SQLITE_NULL;
    if (!out->appraised)
        return;
    out->appraised_ms = number(q, 8);
    out->status = tier_of(sqlite3_column_int64(q, 9));
    copy_text(q, 10, out->reason, sizeof(out->reason));
    out->set_back.from_ms = number(q, 22);
    out->set_back.to_ms = number(q, 23);
    if (!copy(q, 11, out->sequence, sizeof(out->sequence)) && out->damaged == NULL)
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

    bind(q, 1, g->ueid, sizeof(g->ueid));
    bind_text(q, 2, g->name);
    bind(q, 3, g->board, sizeof(g->board));
    bind(q, 4, &g->tee, sizeof(g->tee));
    bind(q, 5, &g->ak, sizeof(g->ak));
    bind(q, 6, g->tls_key, sizeof(g->tls_key));
    bind_number(q, 7, g->interval_s);
    bind(q, 8, g->ak_name, sizeof(g->ak_name));
    bind_text(q, 9, g->without_record);
    bind_number(q, 10, g->storage_starts);
    err = run(s, q);
    if (err != 0 && sqlite3_errcode(s->db) == SQLITE_CONSTRAINT) {
        *taken = taken_by(s->store.said);
        return KAPU_EPIN;
    }
    return err;
}

static int insert_gateway(struct sqlite_store *s, const struct verifier_gateway *g, uint64_t now_ms,
                          const char **taken)
{
    sqlite3_stmt *q = get(s, GATEWAY_ADD);

    bind_number(q, 11, now_ms);
    return write_gateway(s, q, g, taken);
}

static int gateway_remove(struct store *store, const char *name)
{
    static const enum statement all[] = {RESULTS_REMOVE, STARTS_REMOVE, GATEWAY_REMOVE};
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && err == 0; i++) {
        bind_text(get(s, all[i]), 1, name);
        err = run(s, s->prepared[all[i]]);
    }
    if (err == 0 && sqlite3_changes(s->db) == 0) /* by the last one */
        err = KAPU_ENOENT;
    return end(s, err);
}

static int one_gateway(struct sqlite_store *s, sqlite3_stmt *q, struct store_state *out)
{
    int err = first(s, q);

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

static int gateway_named(struct store *store, const char *name, struct store_state *out)
{
    sqlite3_stmt *q = get(of(store), GATEWAY_NAMED);

    bind_text(q, 1, name);
    return one_gateway(of(store), q, out);
}

static int gateway_of_ueid(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                           struct store_state *out)
{
    sqlite3_stmt *q = get(of(store), GATEWAY_OF_UEID);

    bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    return one_gateway(of(store), q, out);
}

static int gateways(struct store *store, int (*each)(void *ctx, const struct store_state *state),
                    void *ctx)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, GATEWAYS);
    struct store_state state;
    int err;

    while ((err = first(s, q)) == 0) {
        state_of(q, &state);
        err = each(ctx, &state);
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

/* ---- results ---- */

static int check_sequence(struct sqlite_store *s, const struct store_record *r)
{
    sqlite3_stmt *q = get(s, SEQUENCE);
    uint8_t last[NONCE_SEQUENCE];
    int err;

    bind(q, 1, r->ueid, sizeof(r->ueid));
    err = first(s, q);
    if (err == 0 && sqlite3_column_type(q, 0) != SQLITE_NULL) {
        if (!copy(q, 0, last, sizeof(last)))
            err = damaged(s);
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
    sqlite3_stmt *q = get(s, STARTS_FORGET);
    int err;

    bind(q, 1, r->ueid, sizeof(r->ueid));
    bind_number(q, 2, r->at_ms > VERIFIER_DAY_MS ? r->at_ms - VERIFIER_DAY_MS : 0);
    err = run(s, q);
    if (err != 0 || r->result->share == 0)
        return err;
    q = get(s, START_ADD);
    bind(q, 1, r->ueid, sizeof(r->ueid));
    bind_number(q, 2, r->at_ms);
    bind_number(q, 3, r->result->share);
    return run(s, q);
}

static int starts(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint64_t since_ms,
                  uint32_t *n)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, STARTS);
    double sum = 0;
    int err;

    bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    bind_number(q, 2, since_ms);
    err = first(s, q);
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
    q = get(s, PRESENT);
    bind(q, 1, r->ueid, sizeof(r->ueid));
    bind_number(q, 2, r->at_ms);
    bind_number(q, 3, r->result->status);
    bind_text(q, 4, worst_reason(r->result));
    bind(q, 5, r->sequence, sizeof(r->sequence));
    if (starts->known) {
        bind_number(q, 6, starts->resets);
        bind_number(q, 7, starts->restarts);
        bind_number(q, 8, starts->at_ms);
    }
    bind_number(q, 9, starts->fell);
    bind_number(q, 10, r->result->monitor_resets);
    return run(s, q);
}

/* Within a transaction. */
static int insert_result(struct sqlite_store *s, const struct store_record *r)
{
    sqlite3_stmt *q;
    int err = r->result->authentic ? set_present(s, r) : 0;

    if (err != 0)
        return err;
    q = get(s, RESULT_ADD);
    bind(q, 1, r->ueid, sizeof(r->ueid));
    bind_number(q, 2, r->at_ms);
    bind_number(q, 3, r->result->status);
    bind_number(q, 4, r->result->authentic);
    bind_text(q, 5, r->ear);
    return run(s, q);
}

static int record(struct store *store, const struct store_record *r)
{
    struct sqlite_store *s = of(store);
    int err = begin(s);

    return err != 0 ? err : end(s, insert_result(s, r));
}

/* Within a transaction; nothing is audited without an audit. */
static int insert_audit(struct sqlite_store *s, const struct store_audit *a)
{
    sqlite3_stmt *q;

    if (a == NULL)
        return 0;
    q = get(s, AUDIT_ADD);
    bind_number(q, 1, a->at_ms);
    bind_text(q, 2, a->user);
    bind_text(q, 3, a->what);
    bind_text(q, 4, a->subject);
    bind_text(q, 5, a->why);
    return run(s, q);
}

static int gateway_add(struct store *store, const struct verifier_gateway *g, uint64_t now_ms,
                       const struct store_record *first, const struct store_audit *audit,
                       const char **taken)
{
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    err = insert_gateway(s, g, now_ms, taken);
    if (err == 0 && first != NULL)
        err = insert_result(s, first);
    if (err == 0)
        err = insert_audit(s, audit);
    return end(s, err);
}

static int gateway_renew(struct store *store, const struct verifier_gateway *g,
                         const struct store_record *first, const struct store_audit *audit,
                         const char **taken)
{
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    err = write_gateway(s, get(s, GATEWAY_RENEW), g, taken);
    if (err == 0 && sqlite3_changes(s->db) == 0)
        err = KAPU_ENOENT;
    if (err == 0)
        err = insert_result(s, first);
    if (err == 0)
        err = insert_audit(s, audit);
    return end(s, err);
}

static int audits(struct store *store, int (*each)(void *ctx, const struct store_audit *a),
                  void *ctx)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, AUDITS);
    int err;

    while ((err = first(s, q)) == 0) {
        const struct store_audit a = {number(q, 0), (const char *)sqlite3_column_text(q, 1),
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

static int history(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint32_t most,
                   int (*each)(void *ctx, const struct store_result *r), void *ctx)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, HISTORY);
    int err;

    bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    bind_number(q, 2, most);
    while ((err = first(s, q)) == 0) {
        struct store_result r = {number(q, 0), tier_of(sqlite3_column_int64(q, 1)),
                                 sqlite3_column_int(q, 2) != 0,
                                 (const char *)sqlite3_column_text(q, 3)};

        err = each(ctx, &r);
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

static int forget(struct store *store, uint64_t before_ms)
{
    sqlite3_stmt *q = get(of(store), FORGET);

    bind_number(q, 1, before_ms);
    return run(of(store), q);
}

/* ---- reference values ---- */

static int add_kernel(struct sqlite_store *s, const struct verifier_reference *ref,
                      const uint8_t key[32])
{
    const struct verifier_kernel *k = &ref->kernel;
    sqlite3_stmt *q;

    if (k->size == 0)
        return 0;
    q = get(s, KERNEL_ADD);
    bind(q, 1, key, 32);
    bind(q, 2, ref->pcr[EVIDENCE_PCR_LINUX], sizeof(ref->pcr[EVIDENCE_PCR_LINUX]));
    bind_text(q, 3, ref->release);
    bind_text(q, 4, ref->flavour);
    bind_number(q, 5, k->size);
    bind_number(q, 6, k->symbols);
    bind_number(q, 7, k->unpacked);
    bind(q, 8, k->packed.p, k->packed.n);
    return run(s, q);
}

static int add_reference(struct sqlite_store *s, const struct verifier_reference *ref)
{
    sqlite3_stmt *q = get(s, REFERENCE_ADD);
    uint8_t key[32];
    int err = verifier_reference_key(ref->pcr, key);

    if (err != 0)
        return err;
    bind(q, 1, key, sizeof(key));
    bind_text(q, 2, ref->release);
    bind_text(q, 3, ref->flavour);
    bind_number(q, 4, ref->counter);
    bind(q, 5, ref->pcr, sizeof(ref->pcr));
    err = run(s, q);
    return err == 0 ? add_kernel(s, ref, key) : err;
}

static int references_add(struct store *store, const struct verifier_reference *ref, size_t n)
{
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < n && err == 0; i++)
        err = add_reference(s, &ref[i]);
    return end(s, err);
}

static int references_remove(struct store *store, const char *release, const char *flavour)
{
    static const enum statement both[] = {KERNELS_REMOVE, REFERENCES_REMOVE};
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]) && err == 0; i++) {
        sqlite3_stmt *q = get(s, both[i]);

        bind_text(q, 1, release);
        bind_text(q, 2, flavour);
        err = run(s, q);
    }
    if (err == 0 && sqlite3_changes(s->db) == 0) /* by the last one */
        err = KAPU_ENOENT;
    return end(s, err);
}

static int one_reference(struct sqlite_store *s, sqlite3_stmt *q, struct verifier_reference *out)
{
    int err = first(s, q);

    if (err == 0) {
        copy_text(q, 0, out->release, sizeof(out->release));
        copy_text(q, 1, out->flavour, sizeof(out->flavour));
        out->counter = (uint32_t)number(q, 2);
        if (!copy(q, 3, out->pcr, sizeof(out->pcr)))
            err = damaged(s);
    }
    sqlite3_reset(q);
    return err;
}

static int reference_find(struct store *store, const uint8_t key[32],
                          struct verifier_reference *out)
{
    sqlite3_stmt *q = get(of(store), REFERENCE_FIND);

    bind(q, 1, key, 32);
    return one_reference(of(store), q, out);
}

static int reference_of_release(struct store *store, const char *release,
                                struct verifier_reference *out)
{
    sqlite3_stmt *q = get(of(store), REFERENCE_OF);

    bind_text(q, 1, release);
    return one_reference(of(store), q, out);
}

static int kernel_find(struct store *store, const uint8_t pcr[32], verifier_kernel_fn use,
                       void *ctx)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, KERNEL_FIND);
    int err;

    bind(q, 1, pcr, 32);
    err = first(s, q);
    if (err == 0) {
        const uint8_t *packed = sqlite3_column_blob(q, 3);
        const struct verifier_kernel kernel = {
            .size = (uint32_t)number(q, 0),
            .symbols = (uint32_t)number(q, 1),
            .unpacked = (uint32_t)number(q, 2),
            .packed = {packed, packed != NULL ? (size_t)sqlite3_column_bytes(q, 3) : 0},
        };

        err = use(ctx, &kernel);
    }
    sqlite3_reset(q);
    return err;
}

/* ---- board records ---- */

/* One that is damaged has what could be read of it, and says so in out->damaged. */
static void board_from(sqlite3_stmt *q, struct store_board *out)
{
    struct board_record *r = &out->record;
    const void *board = sqlite3_column_blob(q, 2);
    const size_t n = (size_t)sqlite3_column_bytes(q, 2);

    memset(out, 0, sizeof(*out));
    if (board != NULL) /* as BOARD_REMOVE knows one that was cut */
        memcpy(r->board, board, n < sizeof(r->board) ? n : sizeof(r->board));
    copy_text(q, 4, r->platform, sizeof(r->platform));
    r->issued_ms = number(q, 5);
    out->added_ms = number(q, 7);
    out->damaged = !copy(q, 0, r->ek, sizeof(r->ek)) || !copy(q, 1, r->ueid, sizeof(r->ueid)) ||
                   n != sizeof(r->board) || !copy(q, 3, r->ak, sizeof(r->ak)) ||
                   !copy(q, 6, out->kid, sizeof(out->kid)) || r->platform[0] == '\0';
}

static bool same_record(const struct board_record *a, const struct board_record *b)
{
    return memcmp(a->ek, b->ek, sizeof(a->ek)) == 0 && memcmp(a->ak, b->ak, sizeof(a->ak)) == 0 &&
           memcmp(a->board, b->board, sizeof(a->board)) == 0 && a->issued_ms == b->issued_ms &&
           strcmp(a->platform, b->platform) == 0;
}

static sqlite3_stmt *boards_like(struct sqlite_store *s, enum statement which,
                                 const struct board_record *r)
{
    sqlite3_stmt *q = get(s, which);

    bind(q, 1, r->ueid, sizeof(r->ueid));
    bind(q, 2, r->board, sizeof(r->board));
    bind(q, 3, r->ak, sizeof(r->ak));
    return q;
}

/* What there is of this TPM, board or key already must be older. */
static int compare_boards(struct sqlite_store *s, const struct board_record *r,
                          enum store_added *how, uint64_t *older)
{
    sqlite3_stmt *q = boards_like(s, BOARDS_LIKE, r);
    struct store_board is;
    int err;

    *how = STORE_ADDED;
    while ((err = first(s, q)) == 0) {
        board_from(q, &is);
        if (is.damaged) { /* the one that is signed takes its place */
            *how = STORE_REPLACED;
            continue;
        }
        *how = same_record(&is.record, r) ? STORE_KNOWN : STORE_REPLACED;
        *older = is.record.issued_ms;
        if (*how == STORE_REPLACED && is.record.issued_ms >= r->issued_ms) {
            err = KAPU_EREPLAY;
            break;
        }
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

static int insert_board(struct sqlite_store *s, const struct store_board *b)
{
    const struct board_record *r = &b->record;
    int err = run(s, boards_like(s, BOARDS_REMOVE, r));
    sqlite3_stmt *q = get(s, BOARD_ADD);

    if (err != 0)
        return err;
    bind(q, 1, r->ek, sizeof(r->ek));
    bind(q, 2, r->ueid, sizeof(r->ueid));
    bind(q, 3, r->board, sizeof(r->board));
    bind(q, 4, r->ak, sizeof(r->ak));
    bind_text(q, 5, r->platform);
    bind_number(q, 6, r->issued_ms);
    bind(q, 7, b->kid, sizeof(b->kid));
    bind_number(q, 8, b->added_ms);
    return run(s, q);
}

static int board_add(struct store *store, const struct store_board *b,
                     const struct store_audit *audit, enum store_added *how, uint64_t *older)
{
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    err = compare_boards(s, &b->record, how, older);
    if (err == 0 && *how != STORE_KNOWN)
        err = insert_board(s, b);
    if (err == 0 && *how != STORE_KNOWN)
        err = insert_audit(s, audit);
    return end(s, err);
}

static int board_remove(struct store *store, const uint8_t board[EVIDENCE_BOARD_SIZE],
                        const struct store_audit *audit)
{
    struct sqlite_store *s = of(store);
    int err = begin(s);

    if (err != 0)
        return err;
    bind(get(s, BOARD_REMOVE), 1, board, EVIDENCE_BOARD_SIZE);
    err = run(s, s->prepared[BOARD_REMOVE]);
    if (err == 0 && sqlite3_changes(s->db) == 0)
        err = KAPU_ENOENT;
    if (err == 0)
        err = insert_audit(s, audit);
    return end(s, err);
}

static int board_of_ueid(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                         struct store_board *out)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, BOARD_OF);
    int err;

    bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    err = first(s, q);
    if (err == 0)
        board_from(q, out);
    sqlite3_reset(q);
    return err == 0 && out->damaged ? damaged(s) : err;
}

static int boards(struct store *store, int (*each)(void *ctx, const struct store_board *b),
                  void *ctx)
{
    struct sqlite_store *s = of(store);
    sqlite3_stmt *q = get(s, BOARDS);
    struct store_board b;
    int err;

    while ((err = first(s, q)) == 0) {
        board_from(q, &b);
        err = each(ctx, &b);
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}

/* ---- opening ---- */

static void close_store(struct store *store)
{
    struct sqlite_store *s = of(store);

    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(s->prepared[i]);
    sqlite3_close(s->db);
    free(s);
}

static int user_version(sqlite3 *db, int *version)
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

    for (; version < SCHEMA_VERSION; version++) {
        if (sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK)
            return false;
    }
    snprintf(set, sizeof(set), "PRAGMA user_version = %d", SCHEMA_VERSION);
    return sqlite3_exec(db, set, NULL, NULL, NULL) == SQLITE_OK;
}

/* Two that open a new file at once: the second finds the first one's tables. */
static int make_tables(sqlite3 *db)
{
    int version = 0;

    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return -1;
    if (user_version(db, &version) != 0 || version < 0 || version > SCHEMA_VERSION ||
        !upgrade(db, version)) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int prepare_statements(struct sqlite_store *s)
{
    for (unsigned i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->prepared[i],
                               NULL) != SQLITE_OK)
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
        sqlite3_exec(s->db, cache, NULL, NULL, NULL) != SQLITE_OK || make_tables(s->db) != 0)
        return -1;
    return prepare_statements(s);
}

/* ---- in a folder that cannot be written (store_file.h) ---- */

/* SQLite makes files beside a database, also to read it: a folder that is read-only, or a disk that
 * is full, has no room for them. Then all must be in the database itself. */
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
        user_version(s->db, &version) != 0 || version != SCHEMA_VERSION)
        return -1;
    return prepare_statements(s);
}

/* NULL; *why says why the store cannot be opened. */
static struct store *refuse(struct sqlite_store *s, const char *path, char *why, size_t why_n)
{
    const int code = s->db != NULL ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
    char reason[256];

    explain(s->db, reason, sizeof(reason));
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
        .gateway_add = gateway_add,
        .gateway_renew = gateway_renew,
        .gateway_remove = gateway_remove,
        .gateway_named = gateway_named,
        .gateway_of_ueid = gateway_of_ueid,
        .gateways = gateways,
        .record = record,
        .history = history,
        .clock = store_sqlite_clock,
        .forget = forget,
        .starts = starts,
        .board_add = board_add,
        .board_remove = board_remove,
        .board_of_ueid = board_of_ueid,
        .boards = boards,
        .audits = audits,
        .references_add = references_add,
        .references_remove = references_remove,
        .reference_find = reference_find,
        .reference_of_release = reference_of_release,
        .kernel_find = kernel_find,
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
