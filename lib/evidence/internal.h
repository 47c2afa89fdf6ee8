/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of lib/evidence know of each other. */
#ifndef KAPU_EVIDENCE_INTERNAL_H
#define KAPU_EVIDENCE_INTERNAL_H

#include <kapu/cbor.h>
#include <kapu/evidence.h>

/* ---- labels of claims ---- */

enum evidence_label {
    LABEL_CNF = 8,    /* RFC 8747 */
    LABEL_NONCE = 10, /* RFC 9711 from here */
    LABEL_UEID = 256,
    LABEL_OEMBOOT = 262,
    LABEL_DBGSTAT = 263,
    LABEL_PROFILE = 265,
    LABEL_SUBMODS = 266,
    LABEL_BOOTSEED = 268,
    LABEL_SWVERSION = 271,
    /* Private use: below -65536 (RFC 8392, 9.1). This is the table of them. */
    LABEL_TLS_KEY = -70000,
    LABEL_ACTIVATION = -70001,
    LABEL_PCRS = -70010, /* boot */
    LABEL_LOG_DIGEST = -70011,
    LABEL_LOG_SIZE = -70012,
    LABEL_BOARD = -70013,
    LABEL_VERDICT = -70020, /* monitor */
    LABEL_NUMBER = -70021,
    LABEL_TIMES = -70022,
    LABEL_COUNTS = -70023,
    LABEL_WATCH = -70024,
    LABEL_RESETS = -70025,
    LABEL_CHECKS = -70026,
    LABEL_FINDINGS = -70027,
    LABEL_KERNEL = -70028,
    LABEL_COUNTERS = -70030, /* software */
    LABEL_SLOT = -70031,
    LABEL_STORAGE = -70032,
    LABEL_IDENTITY = -70033,
    LABEL_UPDATE = -70034,
    LABEL_REFUSALS = -70035,
};

#define EVIDENCE_PROFILE "tag:kapu.example,2026:evidence-5"
#define EVIDENCE_TYPE "application/eat+cwt" /* RFC 9782 */

/* A string literal without its end. */
#define TEXT(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* ---- parts that two files know ---- */

void put_monitor(struct enc *e, const struct evidence_monitor *m);
/* The map's items; the map itself was entered. */
void get_monitor(struct dec *d, struct evidence_monitor *m);
#define MONITOR_ITEMS 9
void put_key(struct enc *e, const struct evidence_key *key);
void get_key(struct dec *d, struct evidence_key *key);
#define KEY_ITEMS 4

#endif
