// SPDX-License-Identifier: Apache-2.0
/*
 * kapu update join: gateways become part of a group. Memberships are signed for up to 32 of them
 * and sent to all at once; the store remembers which gateways took theirs. Those that did not get
 * one when the command is repeated.
 */
#include <stdlib.h>
#include <string.h>

#include <kapu/update.h>

#include "commands.h"
#include "release_order.h"
#include "update.h"
#include "update_ask.h"

#define JOIN_MS 8000u

struct join {
    const struct operator* o;
    const struct update_options *p;
    struct bytes group;
    struct update_named *g;
    size_t n;
    uint64_t number; /* of the first membership */
    struct update_asked *asked;
    uint8_t (*body)[PROTOCOL_REQUEST_MAX];
};

static int take_group(struct join *j, const char *group)
{
    j->group = (struct bytes){(const uint8_t *)group, strlen(group)};
    return j->group.n <= RELEASE_GROUP_MAX && label_is_good(group)
               ? EXIT_DONE
               : fail("a group has a name of 1 to %u printable ASCII characters, no blanks at the "
                      "ends, not '%s'",
                      RELEASE_GROUP_MAX, group);
}

/* For gateways from `at` on, as many as one membership has place for. */
static int sign(const struct join *j, struct update_signer *s, size_t at, struct update_file *f)
{
    struct release_membership m = {.number = j->number + at / RELEASE_GATEWAYS_MAX,
                                   .issued_ms = release_order_now_ms(),
                                   .group = j->group};

    for (; m.of.n < RELEASE_GATEWAYS_MAX && at + m.of.n < j->n; m.of.n++)
        memcpy(m.of.ueid[m.of.n], j->g[at + m.of.n].ueid, EVIDENCE_UEID_SIZE);
    if (release_order_sort(&m.of) >= 0)
        return fail("no membership can be made of these gateways");
    if (update_until(j->o, m.issued_ms, j->p->days, false, &m.until_ms) != EXIT_DONE)
        return EXIT_FAILED;
    return update_make_membership(s, &m, f);
}

static int make_requests(struct join *j)
{
    struct update_signer s;
    struct update_file file;
    int status = update_signer_open(&s, j->o, RELEASE_ROLE_ROLLOUT);

    j->asked = calloc(j->n + 1, sizeof(*j->asked));
    j->body = calloc(j->n + 1, sizeof(*j->body));
    if (j->asked == NULL || j->body == NULL) {
        update_signer_close(&s);
        return fail("no memory");
    }

    for (size_t i = 0; status == EXIT_DONE && i < j->n; i++) {
        struct protocol_request q = {.kind = PROTOCOL_JOIN, .keys = s.set.seen.content};
        struct wr w;

        if (i % RELEASE_GATEWAYS_MAX == 0)
            status = sign(j, &s, i, &file);
        if (status != EXIT_DONE)
            break;
        q.order = (struct bytes){file.b, file.n};
        wr_init(&w, j->body[i], sizeof(j->body[i]));
        if (protocol_request_encode(&q, &w) != 0)
            status = fail("the membership cannot be encoded");
        j->asked[i] = (struct update_asked){.name = j->g[i].name, .body = wr_done(&w)};
    }
    update_signer_close(&s);
    return status;
}

static int take_numbers(struct join *j)
{
    struct store *store = j->o->fleet.store;
    const uint32_t files = (uint32_t)((j->n + RELEASE_GATEWAYS_MAX - 1) / RELEASE_GATEWAYS_MAX);
    int err = store->ops->updates->numbers(store, j->p->number, files, &j->number);

    if (err == KAPU_ERANGE)
        return fail("there are no numbers of memberships left");
    return err == 0 ? EXIT_DONE : update_store_failed(j->o);
}

/* What a gateway says of it; NULL: it is of the group now. */
static const char *missing(const struct update_asked *a, const char *group)
{
    if (a->reach == UPDATE_NOT_HERE)
        return "not connected";
    if (a->reach != UPDATE_HEARD)
        return "no answer";
    if (a->error[0] != '\0')
        return a->error;
    if (strcmp(a->group, group) == 0)
        return NULL;
    return update_answer_says((enum update_answer)a->said.answer);
}

static int keep_all(const struct join *j, const char *group)
{
    struct store *store = j->o->fleet.store;
    int status = EXIT_DONE;

    for (size_t i = 0; i < j->n; i++) {
        const char *why = missing(&j->asked[i], group);

        update_tell(j->o, j->p->json, j->g[i].name,
                    why == NULL ? "joined the group" : "did not join the group",
                    why == NULL ? "" : why);
        if (why != NULL)
            status = EXIT_FAILED;
        else if (store->ops->updates->group_set(store, j->g[i].ueid, group) != 0)
            return update_store_failed(j->o);
    }
    return status;
}

int update_join_group(struct operator* o, const struct update_options *p, const char *group)
{
    struct join j = {.o = o, .p = p};
    int status = take_group(&j, group);

    if (status == EXIT_DONE)
        status = update_find_gateways(o, p, &j.g, &j.n);
    if (status == EXIT_DONE && j.n == 0)
        status = fail("no gateway is enrolled");
    if (status == EXIT_DONE)
        status = take_numbers(&j);
    if (status == EXIT_DONE)
        status = make_requests(&j);
    if (status == EXIT_DONE && update_ask_all(o, j.asked, j.n, JOIN_MS) != 0)
        status = EXIT_FAILED;
    if (status == EXIT_DONE)
        status = keep_all(&j, group);
    free(j.asked);
    free(j.body);
    free(j.g);
    return status;
}
