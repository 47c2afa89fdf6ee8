// SPDX-License-Identifier: Apache-2.0
/* Updates in the SQLite store: few rows, seldom touched, so statements are prepared when needed. */
#include "store_updates.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

#include "store.h"

const char store_sqlite_updates_schema[] =
    "CREATE TABLE update_release("
    " digest BLOB PRIMARY KEY, identity BLOB NOT NULL, counter INTEGER NOT NULL,"
    " approval INTEGER NOT NULL, version TEXT NOT NULL, hardware TEXT NOT NULL,"
    " product TEXT NOT NULL, folder TEXT NOT NULL UNIQUE, published_ms INTEGER NOT NULL,"
    " manifest BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE update_number(id INTEGER PRIMARY KEY CHECK(id = 1), last INTEGER NOT NULL);"
    "INSERT INTO update_number VALUES(1, 0);"
    "CREATE TABLE update_order("
    " number INTEGER PRIMARY KEY, campaign INTEGER NOT NULL, file BLOB NOT NULL);"
    "CREATE TABLE update_campaign("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, release BLOB NOT NULL, state INTEGER NOT NULL,"
    " why TEXT NOT NULL, percent BLOB NOT NULL, wave INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " failures_percent INTEGER NOT NULL, days INTEGER NOT NULL, timeout_s INTEGER NOT NULL,"
    " begun_ms INTEGER NOT NULL);"
    "CREATE TABLE update_member("
    " campaign INTEGER NOT NULL, ueid BLOB NOT NULL, name TEXT NOT NULL, wave INTEGER NOT NULL,"
    " state INTEGER NOT NULL, answer TEXT NOT NULL, why TEXT NOT NULL, done INTEGER NOT NULL,"
    " total INTEGER NOT NULL, fetched INTEGER NOT NULL, number INTEGER NOT NULL,"
    " boot BLOB NOT NULL, changed_ms INTEGER NOT NULL, halt_number INTEGER NOT NULL DEFAULT 0,"
    " halt_taken INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(campaign, ueid)) WITHOUT ROWID;"
    "CREATE TABLE update_event("
    " id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, campaign INTEGER NOT NULL,"
    " gateway TEXT NOT NULL, what TEXT NOT NULL);"
    "CREATE INDEX update_event_campaign ON update_event(campaign, id);";

const char store_sqlite_groups_schema[] =
    "CREATE TABLE update_group(ueid BLOB PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;";

#define EVENT_MAX 640

/* ---- statements ---- */

/* Prepared, with its values by letters: n number, t text, b blob (pointer and size). NULL: the
 * store says why. What is bound must stay until the statement was run. */
static sqlite3_stmt *query(struct store *s, const char *sql, const char *values, ...)
{
    sqlite3_stmt *q = NULL;
    va_list v;

    if (sqlite3_prepare_v2(store_sqlite_db(s), sql, -1, &q, NULL) != SQLITE_OK) {
        (void)store_sqlite_said(s);
        return NULL;
    }
    va_start(v, values);
    for (int i = 1; values[i - 1] != '\0'; i++) {
        if (values[i - 1] == 'n') {
            sqlite3_bind_int64(q, i, (sqlite3_int64)va_arg(v, uint64_t));
        } else if (values[i - 1] == 't') {
            sqlite3_bind_text(q, i, va_arg(v, const char *), -1, SQLITE_STATIC);
        } else {
            const void *p = va_arg(v, const void *);

            sqlite3_bind_blob(q, i, p, (int)va_arg(v, size_t), SQLITE_STATIC);
        }
    }
    va_end(v);
    return q;
}

/* Runs one that gives no rows, and ends it. */
static int run(struct store *s, sqlite3_stmt *q)
{
    int err;

    if (q == NULL)
        return KAPU_EIO;
    err = sqlite3_step(q) == SQLITE_DONE ? 0 : store_sqlite_said(s);
    sqlite3_finalize(q);
    return err;
}

/* 0: there is a row, KAPU_ENOENT: there is none (any more). */
static int next(struct store *s, sqlite3_stmt *q)
{
    int got = q != NULL ? sqlite3_step(q) : SQLITE_ERROR;

    if (got == SQLITE_ROW)
        return 0;
    return got == SQLITE_DONE ? KAPU_ENOENT : q != NULL ? store_sqlite_said(s) : KAPU_EIO;
}

static int begin(struct store *s)
{
    return run(s, query(s, "BEGIN IMMEDIATE", ""));
}

/* Ends what begin() began: all of it, or on an error nothing. */
static int end(struct store *s, int err)
{
    if (err == 0)
        err = run(s, query(s, "COMMIT", ""));
    if (err != 0 && sqlite3_get_autocommit(store_sqlite_db(s)) == 0)
        (void)sqlite3_exec(store_sqlite_db(s), "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static uint64_t number(sqlite3_stmt *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q, column);
}

static void text(sqlite3_stmt *q, int column, char *to, size_t n)
{
    const unsigned char *t = sqlite3_column_text(q, column);

    snprintf(to, n, "%s", t != NULL ? (const char *)t : "");
}

static bool blob(sqlite3_stmt *q, int column, void *to, size_t n)
{
    const void *p = sqlite3_column_blob(q, column);

    if (p == NULL || (size_t)sqlite3_column_bytes(q, column) != n)
        return false;
    memcpy(to, p, n);
    return true;
}

static int damaged(struct store *s)
{
    snprintf(s->said, sizeof(s->said), "a row of the database is damaged");
    return KAPU_EIO;
}

static int event(struct store *s, uint64_t campaign, const char *gateway, const char *what,
                 uint64_t now_ms)
{
    if (what == NULL)
        return 0;
    return run(s, query(s,
                        "INSERT INTO update_event(at_ms, campaign, gateway, what)"
                        " VALUES(?1, ?2, ?3, ?4)",
                        "nntt", now_ms, campaign, gateway, what));
}

/* ---- releases ---- */

#define RELEASE                                                                                    \
    "SELECT digest, identity, counter, approval, version, hardware, product, folder,"              \
    " published_ms, manifest FROM update_release "

static int release_from(struct store *s, sqlite3_stmt *q, struct store_release *r)
{
    memset(r, 0, sizeof(*r));
    r->manifest_n = (size_t)sqlite3_column_bytes(q, 9);
    if (!blob(q, 0, r->digest, sizeof(r->digest)) ||
        !blob(q, 1, r->identity, sizeof(r->identity)) || r->manifest_n > sizeof(r->manifest) ||
        !blob(q, 9, r->manifest, r->manifest_n))
        return damaged(s);
    r->counter = (uint32_t)number(q, 2);
    r->approval = number(q, 3) != 0;
    text(q, 4, r->version, sizeof(r->version));
    text(q, 5, r->hardware, sizeof(r->hardware));
    text(q, 6, r->product, sizeof(r->product));
    text(q, 7, r->folder, sizeof(r->folder));
    r->published_ms = number(q, 8);
    return 0;
}

static int insert_release(struct store *s, const struct store_release *r)
{
    int err = run(
        s, query(s, "INSERT INTO update_release VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                 "bbnnttttnb", r->digest, sizeof(r->digest), r->identity, sizeof(r->identity),
                 (uint64_t)r->counter, (uint64_t)r->approval, r->version, r->hardware, r->product,
                 r->folder, r->published_ms, r->manifest, r->manifest_n));

    return err != 0 && sqlite3_errcode(store_sqlite_db(s)) == SQLITE_CONSTRAINT ? KAPU_EPIN : err;
}

/* The same release with other signatures is the same release. */
static int release_add(struct store *s, const struct store_release *r, bool *known)
{
    sqlite3_stmt *q = query(s, "SELECT folder FROM update_release WHERE digest = ?1", "b",
                            r->digest, sizeof(r->digest));
    char folder[PROTOCOL_FOLDER_MAX + 1];
    int err = next(s, q);

    if (err == 0)
        text(q, 0, folder, sizeof(folder));
    sqlite3_finalize(q);
    *known = err == 0;
    if (err == 0)
        return strcmp(folder, r->folder) == 0 ? 0 : KAPU_EPIN;
    return err == KAPU_ENOENT ? insert_release(s, r) : err;
}

static int releases(struct store *s, int (*each)(void *ctx, const struct store_release *r),
                    void *ctx)
{
    sqlite3_stmt *q = query(s, RELEASE "ORDER BY published_ms DESC, digest", "");
    struct store_release r;
    int err;

    while ((err = next(s, q)) == 0) {
        err = release_from(s, q, &r);
        if (err == 0)
            err = each(ctx, &r);
        if (err < 0)
            break;
    }
    sqlite3_finalize(q);
    return err == KAPU_ENOENT ? 0 : err;
}

/* ---- numbers and orders ---- */

static int last_number(struct store *s, uint64_t *last)
{
    sqlite3_stmt *q = query(s, "SELECT last FROM update_number WHERE id = 1", "");
    int err = next(s, q);

    if (err == 0)
        *last = number(q, 0);
    sqlite3_finalize(q);
    return err == KAPU_ENOENT ? damaged(s) : err;
}

static int numbers(struct store *s, uint64_t least, uint32_t n, uint64_t *first)
{
    uint64_t last;
    int err = begin(s);

    if (err != 0)
        return err;
    err = last_number(s, &last);
    if (err == 0) {
        *first = last + 1 > least ? last + 1 : least;
        if (*first > (uint64_t)INT64_MAX - n)
            err = KAPU_ERANGE;
    }
    if (err == 0)
        err = run(s,
                  query(s, "UPDATE update_number SET last = ?1 WHERE id = 1", "n", *first + n - 1));
    return end(s, err);
}

static int told(struct store *s, uint64_t now_ms, uint64_t *latest_ms)
{
    sqlite3_stmt *q;
    int err = run(s, query(s, "UPDATE update_number SET told_ms = ?1 WHERE id = 1 AND told_ms < ?1",
                           "n", now_ms));

    if (err != 0)
        return err;
    q = query(s, "SELECT told_ms FROM update_number WHERE id = 1", "");
    err = next(s, q);
    if (err == 0)
        *latest_ms = number(q, 0);
    sqlite3_finalize(q);
    return err == KAPU_ENOENT ? damaged(s) : err;
}

static int order_put(struct store *s, uint64_t order, uint64_t campaign, struct bytes file)
{
    return run(s, query(s, "INSERT INTO update_order VALUES(?1, ?2, ?3)", "nnb", order, campaign,
                        file.p, file.n));
}

static int order_get(struct store *s, uint64_t order, uint8_t file[RELEASE_SIGNED_MAX], size_t *n)
{
    sqlite3_stmt *q = query(s, "SELECT file FROM update_order WHERE number = ?1", "n", order);
    int err = next(s, q);

    if (err == 0) {
        *n = (size_t)sqlite3_column_bytes(q, 0);
        if (*n > RELEASE_SIGNED_MAX || !blob(q, 0, file, *n))
            err = damaged(s);
    }
    sqlite3_finalize(q);
    return err;
}

/* ---- campaigns ---- */

#define CAMPAIGN                                                                                   \
    "SELECT id, release, state, why, percent, wave, failures, failures_percent, days, timeout_s,"  \
    " begun_ms FROM update_campaign "

static int campaign_from(struct store *s, sqlite3_stmt *q, struct store_campaign *c)
{
    const uint64_t state = number(q, 2);

    memset(c, 0, sizeof(*c));
    c->id = number(q, 0);
    c->waves = (uint32_t)sqlite3_column_bytes(q, 4);
    if (!blob(q, 1, c->release, sizeof(c->release)) || state > STORE_FINISHED || c->waves == 0 ||
        c->waves > STORE_WAVES_MAX || !blob(q, 4, c->percent, c->waves))
        return damaged(s);
    c->state = (enum store_campaign_state)state;
    text(q, 3, c->why, sizeof(c->why));
    c->wave = (uint32_t)number(q, 5);
    c->limit = (uint32_t)number(q, 6);
    c->limit_percent = number(q, 7) != 0;
    c->days = (uint32_t)number(q, 8);
    c->timeout_s = (uint32_t)number(q, 9);
    c->begun_ms = number(q, 10);
    return c->wave < c->waves ? 0 : damaged(s);
}

static int campaign(struct store *s, uint64_t id, struct store_campaign *c)
{
    sqlite3_stmt *q = query(s, CAMPAIGN "WHERE id = ?1", "n", id);
    int err = next(s, q);

    if (err == 0)
        err = campaign_from(s, q, c);
    sqlite3_finalize(q);
    return err;
}

static int campaigns(struct store *s, int (*each)(void *ctx, const struct store_campaign *c),
                     void *ctx)
{
    sqlite3_stmt *q = query(s, CAMPAIGN "ORDER BY id DESC", "");
    struct store_campaign c;
    int err;

    while ((err = next(s, q)) == 0) {
        err = campaign_from(s, q, &c);
        if (err == 0)
            err = each(ctx, &c);
        if (err < 0)
            break;
    }
    sqlite3_finalize(q);
    return err == KAPU_ENOENT ? 0 : err;
}

/* KAPU_EPIN: the gateway is in a campaign that runs. */
static int check_free(struct store *s, const struct store_member *m, uint64_t *by)
{
    sqlite3_stmt *q = query(s,
                            "SELECT c.id FROM update_member AS m JOIN update_campaign AS c"
                            " ON c.id = m.campaign WHERE m.ueid = ?1 AND c.state = 0"
                            " AND m.state <> ?2",
                            "bn", m->ueid, sizeof(m->ueid), (uint64_t)STORE_SKIPPED);
    int err = next(s, q);

    if (err == 0)
        *by = number(q, 0);
    sqlite3_finalize(q);
    return err == 0 ? KAPU_EPIN : err == KAPU_ENOENT ? 0 : err;
}

static int insert_member(struct store *s, uint64_t id, const struct store_member *m)
{
    return run(s, query(s,
                        "INSERT INTO update_member(campaign, ueid, name, wave, state, answer, why,"
                        " done, total, fetched, number, boot, changed_ms)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, '', ?6, 0, 0, 0, 0, ?7, ?8)",
                        "nbtnntbn", id, m->ueid, sizeof(m->ueid), m->name, (uint64_t)m->wave,
                        (uint64_t)m->state, m->why, m->boot, sizeof(m->boot), m->changed_ms));
}

static int insert_campaign(struct store *s, struct store_campaign *c)
{
    int err = run(s, query(s,
                           "INSERT INTO update_campaign(release, state, why, percent, wave,"
                           " failures, failures_percent, days, timeout_s, begun_ms)"
                           " VALUES(?1, 0, '', ?2, 0, ?3, ?4, ?5, ?6, ?7)",
                           "bbnnnnn", c->release, sizeof(c->release), c->percent, (size_t)c->waves,
                           (uint64_t)c->limit, (uint64_t)c->limit_percent, (uint64_t)c->days,
                           (uint64_t)c->timeout_s, c->begun_ms));

    c->id = (uint64_t)sqlite3_last_insert_rowid(store_sqlite_db(s));
    c->state = STORE_RUNNING;
    c->wave = 0;
    return err;
}

static int campaign_add(struct store *s, struct store_campaign *c, const struct store_member *m,
                        size_t n, char taken[PROTOCOL_NAME_SIZE], uint64_t *by)
{
    int err = begin(s);

    if (err != 0)
        return err;
    for (size_t i = 0; err == 0 && i < n; i++) {
        err = m[i].state != STORE_SKIPPED ? check_free(s, &m[i], by) : 0;
        if (err == KAPU_EPIN)
            memcpy(taken, m[i].name, sizeof(m[i].name));
    }
    if (err == 0)
        err = insert_campaign(s, c);
    for (size_t i = 0; err == 0 && i < n; i++)
        err = insert_member(s, c->id, &m[i]);
    if (err == 0)
        err = event(s, c->id, "", "begun", c->begun_ms);
    return end(s, err);
}

/* All that are not confirmed wait again, from the first wave that has any. */
static int begin_anew(struct store *s, uint64_t id)
{
    int err = run(s, query(s,
                           "UPDATE update_member SET state = 0, answer = '', why = '', done = 0,"
                           " total = 0, fetched = 0, number = 0 WHERE campaign = ?1"
                           " AND state NOT IN (?2, ?3)",
                           "nnn", id, (uint64_t)STORE_CONFIRMED, (uint64_t)STORE_SKIPPED));

    if (err != 0)
        return err;
    return run(s, query(s,
                        "UPDATE update_campaign SET wave = coalesce((SELECT min(wave)"
                        " FROM update_member WHERE campaign = ?1 AND state = 0), wave)"
                        " WHERE id = ?1",
                        "n", id));
}

static int campaign_turn(struct store *s, uint64_t id, enum store_campaign_state from,
                         enum store_campaign_state to, const char *why, uint64_t now_ms)
{
    static const char *const what[] = {"resumed", "halted", "done"};
    char told[EVENT_MAX];
    int err = begin(s);

    if (err != 0)
        return err;
    snprintf(told, sizeof(told), "%s%s%s", what[to], why[0] != '\0' ? ": " : "", why);
    err = run(s, query(s,
                       "UPDATE update_campaign SET state = ?1, why = ?2 WHERE id = ?3"
                       " AND state = ?4",
                       "ntnn", (uint64_t)to, why, id, (uint64_t)from));
    if (err == 0 && sqlite3_changes(store_sqlite_db(s)) == 0)
        err = KAPU_ESTALE;
    if (err == 0 && to == STORE_RUNNING)
        err = begin_anew(s, id);
    if (err == 0)
        err = event(s, id, "", told, now_ms);
    return end(s, err);
}

static int check_running(struct store *s, uint64_t id)
{
    struct store_campaign c;
    int err = campaign(s, id, &c);

    return err == 0 && c.state != STORE_RUNNING ? KAPU_ESTALE : err;
}

static int campaign_wave(struct store *s, uint64_t id, uint32_t wave, uint64_t now_ms)
{
    char told[EVENT_MAX];
    int err = begin(s);

    if (err != 0)
        return err;
    snprintf(told, sizeof(told), "wave %u begins", wave + 1);
    err = check_running(s, id);
    if (err == 0)
        err = run(s, query(s, "UPDATE update_campaign SET wave = ?1 WHERE id = ?2", "nn",
                           (uint64_t)wave, id));
    if (err == 0)
        err = event(s, id, "", told, now_ms);
    return end(s, err);
}

/* ---- members ---- */

static int member_from(struct store *s, sqlite3_stmt *q, struct store_member *m)
{
    const uint64_t state = number(q, 4);

    memset(m, 0, sizeof(*m));
    m->campaign = number(q, 0);
    if (!blob(q, 1, m->ueid, sizeof(m->ueid)) || state >= STORE_MEMBER_STATES ||
        !blob(q, 11, m->boot, sizeof(m->boot)))
        return damaged(s);
    text(q, 2, m->name, sizeof(m->name));
    m->wave = (uint32_t)number(q, 3);
    m->state = (enum store_member_state)state;
    text(q, 5, m->answer, sizeof(m->answer));
    text(q, 6, m->why, sizeof(m->why));
    m->done = (uint32_t)number(q, 7);
    m->all = (uint32_t)number(q, 8);
    m->fetched = number(q, 9);
    m->number = number(q, 10);
    m->changed_ms = number(q, 12);
    m->halt_number = number(q, 13);
    m->halt_taken = number(q, 14) != 0;
    return 0;
}

static int members(struct store *s, uint64_t id,
                   int (*each)(void *ctx, const struct store_member *m), void *ctx)
{
    sqlite3_stmt *q =
        query(s,
              "SELECT campaign, ueid, name, wave, state, answer, why, done, total, fetched,"
              " number, boot, changed_ms, halt_number, halt_taken FROM update_member"
              " WHERE campaign = ?1 ORDER BY wave, name",
              "n", id);
    struct store_member m;
    int err;

    while ((err = next(s, q)) == 0) {
        err = member_from(s, q, &m);
        if (err == 0)
            err = each(ctx, &m);
        if (err < 0)
            break;
    }
    sqlite3_finalize(q);
    return err == KAPU_ENOENT ? 0 : err;
}

static int member_set(struct store *s, const struct store_member *m, const char *what)
{
    int err = begin(s);

    if (err != 0)
        return err;
    err = check_running(s, m->campaign);
    if (err == 0)
        err = run(s, query(s,
                           "UPDATE update_member SET state = ?3, answer = ?4, why = ?5, done = ?6,"
                           " total = ?7, fetched = ?8, number = ?9, boot = ?10, changed_ms = ?11"
                           " WHERE campaign = ?1 AND ueid = ?2",
                           "nbnttnnnnbn", m->campaign, m->ueid, sizeof(m->ueid), (uint64_t)m->state,
                           m->answer, m->why, (uint64_t)m->done, (uint64_t)m->all, m->fetched,
                           m->number, m->boot, sizeof(m->boot), m->changed_ms));
    if (err == 0)
        err = event(s, m->campaign, m->name, what, m->changed_ms);
    return end(s, err);
}

static int member_halt(struct store *s, const struct store_member *m, const char *what,
                       uint64_t now_ms)
{
    int err = begin(s);

    if (err != 0)
        return err;
    err = run(s, query(s,
                       "UPDATE update_member SET halt_number = ?3, halt_taken = ?4"
                       " WHERE campaign = ?1 AND ueid = ?2 AND halt_number <= ?3",
                       "nbnn", m->campaign, m->ueid, sizeof(m->ueid), m->halt_number,
                       (uint64_t)m->halt_taken));
    if (err == 0)
        err = event(s, m->campaign, m->name, what, now_ms);
    return end(s, err);
}

static int group_set(struct store *s, const uint8_t ueid[EVIDENCE_UEID_SIZE], const char *group)
{
    return run(s, query(s,
                        "INSERT INTO update_group(ueid, name) VALUES(?1, ?2)"
                        " ON CONFLICT(ueid) DO UPDATE SET name = excluded.name",
                        "bt", ueid, (size_t)EVIDENCE_UEID_SIZE, group));
}

static int group_has(struct store *s, const char *group, const uint8_t ueid[EVIDENCE_UEID_SIZE])
{
    sqlite3_stmt *q = query(s, "SELECT 1 FROM update_group WHERE ueid = ?1 AND name = ?2", "bt",
                            ueid, (size_t)EVIDENCE_UEID_SIZE, group);
    int err = next(s, q);

    sqlite3_finalize(q);
    return err;
}

static int events(struct store *s, uint64_t id, int (*each)(void *ctx, const struct store_event *e),
                  void *ctx)
{
    sqlite3_stmt *q = query(s,
                            "SELECT at_ms, campaign, gateway, what FROM update_event"
                            " WHERE ?1 = 0 OR campaign = ?1 ORDER BY id",
                            "n", id);
    int err;

    while ((err = next(s, q)) == 0) {
        char gateway[PROTOCOL_NAME_SIZE], what[EVENT_MAX];
        const struct store_event e = {number(q, 0), number(q, 1), gateway, what};

        text(q, 2, gateway, sizeof(gateway));
        text(q, 3, what, sizeof(what));
        err = each(ctx, &e);
        if (err < 0)
            break;
    }
    sqlite3_finalize(q);
    return err == KAPU_ENOENT ? 0 : err;
}

const struct store_update_ops store_sqlite_updates = {
    .release_add = release_add,
    .releases = releases,
    .numbers = numbers,
    .told = told,
    .order_put = order_put,
    .order_get = order_get,
    .campaign_add = campaign_add,
    .campaign = campaign,
    .campaigns = campaigns,
    .campaign_turn = campaign_turn,
    .campaign_wave = campaign_wave,
    .members = members,
    .member_set = member_set,
    .member_halt = member_halt,
    .group_set = group_set,
    .group_has = group_has,
    .events = events,
};
