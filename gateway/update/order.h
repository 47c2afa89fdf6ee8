/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the writer of updates keeps over power cycles, as files in its state folder:
 *
 *     order          the request that is being worked on, as it came (kapu/protocol.h): with the
 *                    key of a release that is encrypted
 *     index          the index of its release; checked against the manifest whenever it is read
 *     running        the order of the release that runs, once that was confirmed; without the key
 *     running.index  its index
 *     copying        is there while the running release is not in both slots: from the first write
 *                    of another one until it was copied, also when that other one failed
 *     restarted      why this program had the gateway reset, and in which boot
 *
 * Where an installation is, no file says: the slot itself does (kapu/install.h).
 *
 * When a trial is confirmed the order becomes `running`: first `copying` is made, then the index is
 * renamed, then the order; one with a key is written anew without it, and removed. A power cut
 * between them leaves an order whose release is confirmed, and the same is done again.
 *
 * So the key is in the state folder (files of mode 0600) as long as the order is, and no longer.
 * What a disk keeps of a file that was removed is another matter: docs/update.md.
 *
 * Errors: as store.h; KAPU_EINVAL: it is no order.
 */
#ifndef KAPU_UPDATE_ORDER_H
#define KAPU_UPDATE_ORDER_H

#include <kapu/protocol.h>
#include <kapu/release.h>
#include <kapu/update.h>

#include "store.h"

#define ORDER_FILE "order"
#define ORDER_RUNNING "running"
#define ORDER_COPYING "copying"
#define ORDER_INDEX_MAX (2u << 20) /* bytes: a content of 680 MB; memory is taken for it */

/* An order to install, decoded. Holds views into itself: it is not to be copied. May hold a secret:
 * wipe it with order_wipe after its last use. */
struct order {
    bool there;
    uint8_t trials; /* that its rollout had had when it came: see order_was_tried */
    struct protocol_request request;
    struct release_manifest manifest;
    struct release_rollout rollout;
    uint8_t digest[RELEASE_DIGEST_SIZE]; /* of what the manifest says: the release's name */
    char folder[PROTOCOL_FOLDER_MAX + 1u];
    size_t n; /* bytes of the file */
    uint8_t file[1u + PROTOCOL_REQUEST_MAX], work[PROTOCOL_REQUEST_MAX];
};

/* Decodes an install request. Signatures are the secure world's to verify. */
KAPU_MUST_CHECK int order_take(struct order *o, struct bytes request, uint8_t trials);
void order_wipe(struct order *o);

/*
 * That the order has the key that its manifest names, or none if the release is not encrypted.
 * KAPU_ENOENT: it lacks the key; KAPU_EPIN: it has another one; KAPU_EARG: it has one, and the
 * release is not encrypted; KAPU_ECRYPTO.
 */
KAPU_MUST_CHECK int order_check_key(const struct order *o);
const char *order_key_says(int err); /* for people */
/* The key; NULL: the release is not encrypted. To be asked after order_check_key. */
const uint8_t *order_key(const struct order *o);

/* Whether they are the same request. */
bool order_same(const struct order *a, const struct order *b);
/* The order of that name; o->there is false when there is none. One that cannot be decoded is none.
 */
KAPU_MUST_CHECK int order_load(const struct store *s, const char *name, struct order *o);
/* With o->trials as it is by now. */
KAPU_MUST_CHECK int order_keep(const struct store *s, struct order *o);
/* Order and index are gone. */
KAPU_MUST_CHECK int order_forget(const struct store *s);

/* Index of `order` or `running`. KAPU_ENOENT: there is none that the manifest names. */
KAPU_MUST_CHECK int order_read_index(const struct store *s, const char *name, const struct order *o,
                                     uint8_t to[ORDER_INDEX_MAX], size_t *n);
KAPU_MUST_CHECK int order_keep_index(const struct store *s, struct bytes index);
/* Whether that is the index of the manifest. KAPU_EAUTH: no; KAPU_ECRYPTO. */
KAPU_MUST_CHECK int order_index_is(const struct release_manifest *m, struct bytes index);

/* The other slot is written: the running release is to be copied into it, if nothing better comes.
 */
KAPU_MUST_CHECK int order_copies(const struct store *s);
/* The order is that of the running release now, which is to be copied. */
KAPU_MUST_CHECK int order_promote(const struct store *s, struct order *o);
bool order_is_copying(const struct store *s);
KAPU_MUST_CHECK int order_copied(const struct store *s);

/* The rollout of the order had a trial since the order came. */
bool order_was_tried(const struct order *o, const struct update_record *r);
/* The order's release was confirmed. */
bool order_is_confirmed(const struct order *o, const struct update_record *r);

/* ---- why the gateway was reset ---- */

/* Whether that was recorded for this trial in another boot: another reset would be no use. */
KAPU_MUST_CHECK int order_restarted(const struct store *s, enum update_stage stage,
                                    const struct update_record *r, const uint8_t boot[32],
                                    bool *before);
/* Records it; then the gateway may be reset. */
KAPU_MUST_CHECK int order_restarts(const struct store *s, enum update_stage stage,
                                   const struct update_record *r, const uint8_t boot[32]);

#endif
