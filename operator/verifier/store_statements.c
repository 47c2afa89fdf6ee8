// SPDX-License-Identifier: Apache-2.0
/* The statements of the SQLite store, prepared when it is opened. */
#include "store_sql.h"

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

const char *const sql_statements[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_GATEWAY_ADD] = "INSERT INTO gateway(ueid, name, board, tee, ak, tls, interval_s, ak_name,"
                        " without_record, storage_starts, enrolled_ms)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_GATEWAY_RENEW] =
        "UPDATE gateway SET board = ?3, tee = ?4, ak = ?5, tls = ?6, interval_s = ?7,"
        " ak_name = ?8, without_record = ?9, storage_starts = ?10, tpm_resets = "
        "NULL, tpm_restarts = NULL,"
        " tpm_ms = NULL, tpm_fell = 0 WHERE ueid = ?1 AND name = ?2",
    [SQL_GATEWAY_REMOVE] = "DELETE FROM gateway WHERE name = ?1",
    [SQL_RESULTS_REMOVE] =
        "DELETE FROM result WHERE ueid = (SELECT ueid FROM gateway WHERE name = ?1)",
    [SQL_STARTS_REMOVE] =
        "DELETE FROM tpm_start WHERE ueid = (SELECT ueid FROM gateway WHERE name = ?1)",
    [SQL_GATEWAY_NAMED] = GATEWAY "WHERE g.name = ?1",
    [SQL_GATEWAY_OF_UEID] = GATEWAY "WHERE g.ueid = ?1",
    [SQL_GATEWAYS] = GATEWAY "ORDER BY g.name",
    [SQL_SEQUENCE] = "SELECT sequence FROM gateway WHERE ueid = ?1",
    [SQL_PRESENT] = "UPDATE gateway SET appraised_ms = ?2, status = ?3, reason = ?4, sequence = ?5,"
                    " tpm_resets = ?6, tpm_restarts = ?7, tpm_ms = ?8, tpm_fell = ?9,"
                    " monitor_resets = ?10 WHERE ueid = ?1",
    [SQL_START_ADD] = "INSERT INTO tpm_start(ueid, at_ms, n) VALUES(?1, ?2, ?3)",
    [SQL_STARTS_FORGET] = "DELETE FROM tpm_start WHERE ueid = ?1 AND at_ms <= ?2",
    [SQL_STARTS] = "SELECT total(n) FROM tpm_start WHERE ueid = ?1 AND at_ms > ?2",
    [SQL_RESULT_ADD] = "INSERT INTO result(ueid, at_ms, status, authentic, ear)"
                       " VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_HISTORY] = "SELECT at_ms, status, authentic, ear FROM result WHERE ueid = ?1"
                    " ORDER BY id DESC LIMIT ?2",
    [SQL_FORGET] = "DELETE FROM result WHERE at_ms < ?1",
    [SQL_REFERENCE_ADD] = "INSERT INTO reference(key, release, flavour, counter, pcrs)"
                          " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    [SQL_REFERENCES_REMOVE] = "DELETE FROM reference WHERE release = ?1 AND flavour = ?2",
    [SQL_REFERENCE_FIND] = "SELECT release, flavour, counter, pcrs FROM reference WHERE key = ?1",
    [SQL_REFERENCE_OF] = "SELECT release, flavour, counter, pcrs FROM reference WHERE release = ?1"
                         " LIMIT 1",
    /* Only with its reference values, with which it goes. */
    [SQL_KERNEL_ADD] = "INSERT INTO kernel(pcr, release, flavour, size, symbols, unpacked, packed)"
                       " SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS(SELECT 1 FROM reference"
                       " WHERE key = ?1 AND release = ?3 AND flavour = ?4) ON CONFLICT DO NOTHING",
    [SQL_KERNELS_REMOVE] = "DELETE FROM kernel WHERE release = ?1 AND flavour = ?2",
    [SQL_BOARDS_LIKE] = BOARD "WHERE ueid = ?1 OR board = ?2 OR ak = ?3",
    [SQL_BOARDS_REMOVE] = "DELETE FROM board_record WHERE ueid = ?1 OR board = ?2 OR ak = ?3",
    [SQL_BOARD_ADD] =
        "INSERT INTO board_record(ek, ueid, board, ak, platform, issued_ms, kid, added_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_BOARD_REMOVE] = "DELETE FROM board_record WHERE board = ?1 OR"
                         " (length(board) <> 16 AND"
                         " substr(hex(board) || hex(zeroblob(16)), 1, 32) = hex(?1))",
    [SQL_BOARD_OF] = BOARD "WHERE ueid = ?1",
    [SQL_BOARDS] = BOARD "ORDER BY board",
    [SQL_AUDIT_ADD] =
        "INSERT INTO audit(at_ms, user, what, subject, why) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_AUDITS] = "SELECT at_ms, user, what, subject, why FROM audit ORDER BY id",
    [SQL_KERNEL_FIND] = "SELECT size, symbols, unpacked, packed FROM kernel WHERE pcr = ?1 LIMIT 1",
};
