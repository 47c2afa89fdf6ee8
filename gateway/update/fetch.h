/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte ranges of a release's files, over HTTP from a server of files.
 *
 * Trust: none. Network and server are hostile: they can withhold, delay, repeat and change
 * everything, and nothing here finds out whether bytes are right (lib/install does, by their
 * hashes). What they cannot do: have more than the asked bytes written, pass off another range as
 * the one that was asked for, redirect the gateway elsewhere, or keep it longer than its limits.
 * Of the server's words none gets into a message.
 *
 * Only http; no proxy, no credentials, no configuration, and nothing of the environment. One thread
 * for each struct fetch; the first fetch_open of a process must be alone. Signals are left alone.
 * A host that is a name is looked up by the C library, which is not limited by what is below: a
 * gateway has addresses, and /etc/hosts.
 */
#ifndef KAPU_UPDATE_FETCH_H
#define KAPU_UPDATE_FETCH_H

#include <kapu/bytes.h>

#define FETCH_BASE_MAX 1024       /* bytes of a base */
#define FETCH_NAME_MAX 128        /* bytes of the name of a folder or a file */
#define FETCH_HEADER_LINES_MAX 64 /* of one fetch, with status lines and interim answers */
#define FETCH_HEADERS_MAX 16384   /* bytes of them */

struct fetch;

/* Why a fetch failed. */
enum fetch_fault {
    FETCH_FINE,
    FETCH_NO_ANSWER,   /* cannot connect, the connection was lost, nothing came, or no HTTP */
    FETCH_REFUSED,     /* an HTTP status other than asked for, such as 404 */
    FETCH_MOVED,       /* a redirect; none is followed */
    FETCH_WRONG_RANGE, /* other bytes than asked for, or encoded ones, or the whole of a longer file
                        */
    FETCH_SHORT,       /* ended early */
    FETCH_ENDLESS,     /* more than was asked for: of the body, or of headers */
    FETCH_SLOW,        /* below the least speed, or beyond the longest time */
    FETCH_STOPPED,     /* goes_on said no */
};

/* None of them may be 0. */
struct fetch_limits {
    uint32_t connect_s;             /* for a connection */
    uint32_t least_bytes_s, slow_s; /* bytes a second, on average over each slow_s seconds */
    uint32_t most_s;                /* for one fetch */
};

/*
 * base: "http://HOST[:PORT][/PATH]", without user, query or fragment; copied, as the limits are.
 * goes_on is called at least once a second during a fetch, in the caller's thread; false ends it.
 * NULL: no memory, or a base or limits that are not so. The caller ends it by fetch_close.
 */
struct fetch *fetch_open(const char *base, const struct fetch_limits *l, bool (*goes_on)(void *ctx),
                         void *ctx);
void fetch_close(struct fetch *f); /* NULL is fine */

/*
 * Exactly n bytes of BASE/FOLDER/FILE from offset `at` to `to`, which has room for n; more is never
 * written. After an error `to` holds anything. The connection is kept for the next fetch.
 *
 * folder, file: of a-z, 0-9, - and ., not beginning with a dot, at most FETCH_NAME_MAX.
 * 0; KAPU_EARG: bad names, no bytes asked for, or at + n beyond 2^63; KAPU_ETIMEOUT: FETCH_SLOW and
 * FETCH_NO_ANSWER; KAPU_EIO: the other faults. A fetch may be tried again.
 */
KAPU_MUST_CHECK int fetch_range(struct fetch *f, const char *folder, const char *file, uint64_t at,
                                uint8_t *to, uint32_t n);

/* Of the last fetch; after KAPU_EARG those of the one before. */
enum fetch_fault fetch_fault(const struct fetch *f);
/* What was wrong and with which file, for people; "" when all is fine. Valid until the next fetch.
 */
const char *fetch_said(const struct fetch *f);

uint64_t fetch_bytes(const struct fetch *f); /* of bodies, received in all, of whatever use */

#endif
