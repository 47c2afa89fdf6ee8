// SPDX-License-Identifier: Apache-2.0
/* Board records in the SQLite store. */
#include "store_sql.h"

#include <string.h>

/* One that is damaged has what could be read of it, and says so in out->damaged. */
static void board_from(sqlite3_stmt *q, struct store_board *out)
{
    struct board_record *r = &out->record;
    const void *board = sqlite3_column_blob(q, 2);
    const size_t n = (size_t)sqlite3_column_bytes(q, 2);

    memset(out, 0, sizeof(*out));
    if (board != NULL) /* as BOARD_REMOVE knows one that was cut */
        memcpy(r->board, board, n < sizeof(r->board) ? n : sizeof(r->board));
    sql_copy_text(q, 4, r->platform, sizeof(r->platform));
    r->issued_ms = sql_number(q, 5);
    out->added_ms = sql_number(q, 7);
    out->damaged = !sql_copy(q, 0, r->ek, sizeof(r->ek)) ||
                   !sql_copy(q, 1, r->ueid, sizeof(r->ueid)) || n != sizeof(r->board) ||
                   !sql_copy(q, 3, r->ak, sizeof(r->ak)) ||
                   !sql_copy(q, 6, out->kid, sizeof(out->kid)) || r->platform[0] == '\0';
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
    sqlite3_stmt *q = sql_get(s, which);

    sql_bind(q, 1, r->ueid, sizeof(r->ueid));
    sql_bind(q, 2, r->board, sizeof(r->board));
    sql_bind(q, 3, r->ak, sizeof(r->ak));
    return q;
}

/* What there is of this TPM, board or key already must be older. */
static int compare_boards(struct sqlite_store *s, const struct board_record *r,
                          enum store_added *how, uint64_t *older)
{
    sqlite3_stmt *q = boards_like(s, SQL_BOARDS_LIKE, r);
    struct store_board is;
    int err;

    *how = STORE_ADDED;
    while ((err = sql_first(s, q)) == 0) {
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
    int err = sql_run(s, boards_like(s, SQL_BOARDS_REMOVE, r));
    sqlite3_stmt *q = sql_get(s, SQL_BOARD_ADD);

    if (err != 0)
        return err;
    sql_bind(q, 1, r->ek, sizeof(r->ek));
    sql_bind(q, 2, r->ueid, sizeof(r->ueid));
    sql_bind(q, 3, r->board, sizeof(r->board));
    sql_bind(q, 4, r->ak, sizeof(r->ak));
    sql_bind_text(q, 5, r->platform);
    sql_bind_number(q, 6, r->issued_ms);
    sql_bind(q, 7, b->kid, sizeof(b->kid));
    sql_bind_number(q, 8, b->added_ms);
    return sql_run(s, q);
}

int sql_board_add(struct store *store, const struct store_board *b, const struct store_audit *audit,
                  enum store_added *how, uint64_t *older)
{
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    err = compare_boards(s, &b->record, how, older);
    if (err == 0 && *how != STORE_KNOWN)
        err = insert_board(s, b);
    if (err == 0 && *how != STORE_KNOWN)
        err = sql_insert_audit(s, audit);
    return sql_end(s, err);
}

int sql_board_remove(struct store *store, const uint8_t board[EVIDENCE_BOARD_SIZE],
                     const struct store_audit *audit)
{
    struct sqlite_store *s = sql_of(store);
    int err = sql_begin(s);

    if (err != 0)
        return err;
    sql_bind(sql_get(s, SQL_BOARD_REMOVE), 1, board, EVIDENCE_BOARD_SIZE);
    err = sql_run(s, s->prepared[SQL_BOARD_REMOVE]);
    if (err == 0 && sqlite3_changes(s->db) == 0)
        err = KAPU_ENOENT;
    if (err == 0)
        err = sql_insert_audit(s, audit);
    return sql_end(s, err);
}

int sql_board_of_ueid(struct store *store, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                      struct store_board *out)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_BOARD_OF);
    int err;

    sql_bind(q, 1, ueid, EVIDENCE_UEID_SIZE);
    err = sql_first(s, q);
    if (err == 0)
        board_from(q, out);
    sqlite3_reset(q);
    return err == 0 && out->damaged ? sql_damaged(s) : err;
}

int sql_boards(struct store *store, int (*each)(void *ctx, const struct store_board *b), void *ctx)
{
    struct sqlite_store *s = sql_of(store);
    sqlite3_stmt *q = sql_get(s, SQL_BOARDS);
    struct store_board b;
    int err;

    while ((err = sql_first(s, q)) == 0) {
        board_from(q, &b);
        err = each(ctx, &b);
        if (err < 0)
            break;
    }
    sqlite3_reset(q);
    return err == KAPU_ENOENT ? 0 : err;
}
