/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCG crypto-agile event log: TCG PC Client Platform Firmware Profile 1.06 ("PFP"), section 10.
 *
 * The writer makes a log with a SHA-256 bank in the caller's buffer. The parser reads logs with
 * any banks; its input is hostile (the log lies in memory that anyone may have written), and is
 * worth something only when its replay equals PCR values that a TPM vouches for.
 * Sizes are in bytes. Views point into the input.
 */
#ifndef KAPU_EVENTLOG_H
#define KAPU_EVENTLOG_H

#include <kapu/bytes.h>
#include <kapu/sha256.h>

#define EVENTLOG_PCRS 24u

/* PFP 10.4.1, those that kapu writes or treats in its own way */
#define EVENTLOG_EV_POST_CODE 0x00000001u
#define EVENTLOG_EV_NO_ACTION 0x00000003u
#define EVENTLOG_EV_SEPARATOR 0x00000004u
#define EVENTLOG_EV_ACTION 0x00000005u
#define EVENTLOG_EV_EVENT_TAG 0x00000006u
#define EVENTLOG_EV_S_CRTM_CONTENTS 0x00000007u
#define EVENTLOG_EV_S_CRTM_VERSION 0x00000008u
#define EVENTLOG_EV_IPL 0x0000000du
#define EVENTLOG_EV_FIRMWARE_BLOB2 0x8000000au

/* ---- writing ---- */

struct eventlog {
    uint8_t *p;
    size_t n;        /* bytes of log */
    size_t capacity; /* bytes of buffer */
};

/* Starts a log: its first event, the Spec ID (PFP 10.4.5.1). KAPU_ESPACE. */
KAPU_MUST_CHECK int eventlog_init(struct eventlog *l, uint8_t *buf, size_t capacity);

/* Goes on with the n bytes of log that an earlier boot stage left in buf; errors as of the
 * parser, KAPU_EUNSUPPORTED when the log has other banks than SHA-256. */
KAPU_MUST_CHECK int eventlog_resume(struct eventlog *l, uint8_t *buf, size_t n, size_t capacity);

/* Adds one event; on KAPU_ESPACE the log is as before. The PCR is extended by the caller, and
 * with the event not in the log it must be extended all the same: then replay shows the gap. */
KAPU_MUST_CHECK int eventlog_add(struct eventlog *l, uint32_t pcr, uint32_t type,
                                 const uint8_t digest[32], struct bytes data);

/* ---- reading ---- */

#define EVENTLOG_ALGS_MAX 8u

struct eventlog_reader {
    struct rd r;
    uint32_t algs;
    struct {
        uint16_t id, size;
    } alg[EVENTLOG_ALGS_MAX];
};

struct eventlog_event {
    uint32_t pcr;
    uint32_t type;
    struct bytes sha256; /* 32 bytes */
    struct bytes data;
};

/* Reads the Spec ID event. KAPU_ERANGE, KAPU_EINVAL: no such log; KAPU_EUNSUPPORTED: without
 * SHA-256, or more banks than EVENTLOG_ALGS_MAX. */
KAPU_MUST_CHECK int eventlog_open(struct eventlog_reader *e, struct bytes log);

/* 1: the next event is in *ev; 0: the log ended where it should, or all that follows is 0x00, or is
 * 0xff (r.at is where that begins); negative: it is malformed. An event may lack digests of other
 * banks than SHA-256. */
KAPU_MUST_CHECK int eventlog_next(struct eventlog_reader *e, struct eventlog_event *ev);

/* The SHA-256 PCRs that the log accounts for. *used: bit i set when PCR i was extended. Errors as
 * of eventlog_open and eventlog_next. */
KAPU_MUST_CHECK int eventlog_replay(const struct kapu_sha256 *h, struct bytes log,
                                    uint8_t pcr[EVENTLOG_PCRS][32], uint32_t *used);

#endif
