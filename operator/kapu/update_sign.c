// SPDX-License-Identifier: Apache-2.0
/* Rollouts and approvals of campaigns, signed by the operator's own keys. */
#include <string.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "release_order.h"
#include "update.h"

int update_read_set(const struct operator* o, enum release_role role, const char *path,
                    struct release_file_read *set)
{
    const enum operator_update_file which = (enum operator_update_file)(role - 1);
    char kept[OPERATOR_PATH];

    if (path == NULL)
        path = operator_update_file(o, which, kept);
    if (path == NULL)
        return fail(
            "%s/operator.conf: does not say %s: a set of %s keys as kapu release keys makes "
            "it",
            o->folder, operator_update_setting(which), release_role_name[role]);
    if (release_file_read_a(path, RELEASE_A_SET, set) != 0)
        return EXIT_FAILED;
    return set->is.keys.role == role
               ? EXIT_DONE
               : fail("%s: is a set of %s keys, not of %s keys", path,
                      release_role_name[set->is.keys.role], release_role_name[role]);
}

static bool has_key(const struct release_keys *k, const struct evidence_key *key)
{
    for (size_t i = 0; i < k->keys; i++) {
        if (memcmp(&k->key[i], key, sizeof(*key)) == 0)
            return true;
    }
    return false;
}

int update_signer_open(struct update_signer *s, const struct operator* o, enum release_role role)
{
    const bool approves = role == RELEASE_ROLE_APPROVAL;
    const enum operator_update_file which = approves ? OPERATOR_APPROVAL_KEY : OPERATOR_ROLLOUT_KEY;

    memset(s, 0, sizeof(*s));
    if (operator_update_file(o, which, s->path) == NULL)
        return fail("%s/operator.conf: does not say %s: a private key, PEM file or pkcs11: URI",
                    o->folder, operator_update_setting(which));
    if (update_read_set(o, role, NULL, &s->set) != EXIT_DONE)
        return EXIT_FAILED;
    if (signer_open(&s->key, approves ? "the approval key" : "the rollout key", s->path) != 0)
        return EXIT_FAILED;
    if (!has_key(&s->set.is.keys, &s->key.public))
        return fail("%s: is not in the set of %s keys, so no gateway believes it", s->path,
                    release_role_name[role]);
    return s->set.is.keys.threshold == 1
               ? EXIT_DONE
               : fail("%u of the %s keys must sign, and kapu update has one: make rollouts with "
                      "kapu release",
                      s->set.is.keys.threshold, release_role_name[role]);
}

void update_signer_close(struct update_signer *s)
{
    signer_close(&s->key);
}

/* `err` is what encoding to `content` gave. */
static int sign(struct update_signer *s, enum release_what what, int err, const struct wr *content,
                struct update_file *file)
{
    struct release_signed made = {.content = wr_done(content)};
    struct wr w;

    file->n = 0;
    if (err != 0)
        return fail("the %s cannot be encoded (error %d)", release_about[what].name, err);
    if (release_file_sign(release_about[what].name, what, &made, &s->key) != EXIT_DONE)
        return EXIT_FAILED;
    wr_init(&w, file->b, sizeof(file->b));
    if (release_signed_encode(release_about[what].kind, &made, &w) != 0)
        return fail("the %s cannot be encoded", release_about[what].name);
    file->n = w.at;
    return EXIT_DONE;
}

int update_make_approval(struct update_signer *s, const struct release_approval *a,
                         struct update_file *file)
{
    uint8_t content[RELEASE_CONTENT_MAX];
    struct wr w;

    wr_init(&w, content, sizeof(content));
    return sign(s, RELEASE_AN_APPROVAL, release_approval_encode(a, &w), &w, file);
}

int update_make_membership(struct update_signer *s, const struct release_membership *m,
                           struct update_file *file)
{
    uint8_t content[RELEASE_CONTENT_MAX];
    struct wr w;

    wr_init(&w, content, sizeof(content));
    return sign(s, RELEASE_A_MEMBERSHIP, release_membership_encode(m, &w), &w, file);
}

int update_until(const struct operator* o, uint64_t now_ms, uint64_t days, bool tells,
                 uint64_t *until_ms)
{
    struct store *store = o->fleet.store;
    uint64_t latest;

    if (store->ops->updates->told(store, tells ? now_ms : 0, &latest) != 0)
        return update_store_failed(o);
    return release_order_until(latest > now_ms ? latest : now_ms, days, until_ms)
               ? EXIT_DONE
               : fail("nothing can be signed for %llu days from now", (unsigned long long)days);
}

/* What is signed next lasts longer, and why: a clock was wrong. */
static int say_told(const struct operator* o)
{
    struct store *store = o->fleet.store;
    const uint64_t now = release_order_now_ms();
    char when[32], span[FLEET_SPAN];
    uint64_t latest;

    if (store->ops->updates->told(store, 0, &latest) != 0)
        return update_store_failed(o);
    if (latest > now + NONCE_SKEW_MS)
        (void)fail("note: an earlier rollout told gateways that it was %s, %s ahead of now: this "
                   "one is good for so much longer, so that they take it",
                   operator_time(latest, when), fleet_span(latest - now, span));
    return EXIT_DONE;
}

static int make_rollout(const struct operator* o, struct update_signer *s,
                        const struct store_campaign *c, struct release_rollout *r)
{
    struct store *store = o->fleet.store;
    uint8_t content[RELEASE_CONTENT_MAX];
    struct update_file file;
    struct wr w;

    r->issued_ms = release_order_now_ms();
    memcpy(r->release, c->release, sizeof(r->release));
    if (update_until(o, r->issued_ms, c->days, r->action == RELEASE_INSTALL, &r->until_ms) !=
        EXIT_DONE)
        return EXIT_FAILED;
    if (release_order_sort(&r->to) >= 0)
        return fail("no rollout can be made for these gateways");
    wr_init(&w, content, sizeof(content));
    if (sign(s, RELEASE_A_ROLLOUT, release_rollout_encode(r, &w), &w, &file) != EXIT_DONE)
        return EXIT_FAILED;
    return store->ops->updates->order_put(store, r->number, c->id,
                                          (struct bytes){file.b, file.n}) == 0
               ? EXIT_DONE
               : update_store_failed(o);
}

int update_make_rollouts(const struct operator* o, struct update_signer *s,
                         const struct store_campaign *c, enum release_action action, uint64_t least,
                         const uint8_t (*ueid)[EVIDENCE_UEID_SIZE], size_t n, uint64_t *number)
{
    const uint32_t files = (uint32_t)((n + RELEASE_GATEWAYS_MAX - 1) / RELEASE_GATEWAYS_MAX);
    struct store *store = o->fleet.store;
    uint64_t first = 0;
    int err = n > 0 ? store->ops->updates->numbers(store, least, files, &first) : 0;

    if (err == KAPU_ERANGE)
        return fail("there are no numbers of rollouts left");
    if (err != 0)
        return update_store_failed(o);
    if (n > 0 && action == RELEASE_INSTALL && say_told(o) != EXIT_DONE)
        return EXIT_FAILED;
    for (size_t at = 0; at < n; at += RELEASE_GATEWAYS_MAX) {
        struct release_rollout r = {.action = action, .number = first + at / RELEASE_GATEWAYS_MAX};

        for (; r.to.n < RELEASE_GATEWAYS_MAX && at + r.to.n < n; r.to.n++) {
            memcpy(r.to.ueid[r.to.n], ueid[at + r.to.n], EVIDENCE_UEID_SIZE);
            number[at + r.to.n] = r.number;
        }
        if (make_rollout(o, s, c, &r) != EXIT_DONE)
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}
