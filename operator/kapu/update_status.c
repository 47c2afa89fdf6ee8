// SPDX-License-Identifier: Apache-2.0
/* kapu update status: what the store knows of rollouts; with --ask also what gateways say now. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/update.h>

#include "commands.h"
#include "factory.h"
#include "update.h"
#include "update_ask.h"

#define ASK_MS 8000u

struct show {
    const struct operator* o;
    const struct update_options *p;
    const uint8_t *only; /* digest of the release; NULL: all */
    struct store_release release;
    bool found;
    unsigned n; /* that were printed */
};

static const char *const campaign_state[] = {"running", "halted", "done"};

static const char *const work_name[PROTOCOL_WORKS] = {
    [PROTOCOL_RESTING] = "rests",
    [PROTOCOL_FETCHING] = "fetches",
    [PROTOCOL_ASKING] = "asks its secure world",
    [PROTOCOL_RESTARTING] = "restarts",
    [PROTOCOL_COPYING] = "copies the running release",
    [PROTOCOL_STOPPED] = "stopped",
};

/* ---- a gateway ---- */

static const char *halt_text(const struct store_member *m)
{
    if (m->halt_number == 0 || m->halt_number < m->number)
        return "";
    return m->halt_taken ? "halt taken" : "halt not taken";
}

static void print_said_json(const struct update_asked *a)
{
    if (a->reach != UPDATE_HEARD || a->error[0] != '\0') {
        printf(", \"now\": {\"why\": ");
        verifier_print_string(stdout, a->error[0] != '\0'          ? a->error
                                      : a->reach == UPDATE_UNHEARD ? "no answer"
                                                                   : "not connected");
        printf("}");
        return;
    }
    printf(", \"now\": {");
    json_member(stdout, "stage", update_stage_name((enum update_stage)a->said.stage));
    json_member(stdout, "work", work_name[a->said.work]);
    json_member(stdout, "answer", update_answer_name((enum update_answer)a->said.answer));
    json_member(stdout, "last", update_outcome_name((enum update_outcome)a->said.last));
    json_member(stdout, "group", a->group);
    printf("\"rollout\": %" PRIu64 ", \"fetched\": %" PRIu64 ", \"memory_kib\": %u, \"why\": ",
           a->said.rollout, a->said.fetched, a->said.memory_kib);
    verifier_print_string(stdout, a->why);
    printf("}");
}

static void print_member_json(const struct show *s, const struct store_member *m,
                              const struct update_asked *a, bool first)
{
    char label[LABEL_MAX], when[32];

    printf("%s{", first ? "" : ",\n   ");
    json_member(stdout, "gateway", m->name);
    json_member(stdout, "label", operator_label(s->o, m->name, label));
    json_member(stdout, "state", update_state_name(m->state));
    json_member(stdout, "answer", m->answer);
    json_member(stdout, "why", m->why);
    json_member(stdout, "changed", operator_time(m->changed_ms, when));
    json_member(stdout, "halt", halt_text(m));
    printf("\"wave\": %u, \"blocks\": %u, \"of\": %u, \"bytes\": %" PRIu64 ", \"number\": %" PRIu64,
           m->wave + 1, m->done, m->all, m->fetched, m->number);
    if (a != NULL)
        print_said_json(a);
    printf("}");
}

static void print_said_text(const struct update_asked *a)
{
    if (a->error[0] != '\0')
        printf("      now: the gateway says: %s\n", a->error);
    else if (a->reach != UPDATE_HEARD)
        printf("      now: %s\n", a->reach == UPDATE_UNHEARD ? "no answer" : "not connected");
    else
        printf("      now: %s, %s%s%s; answered: %s%s%s\n",
               update_stage_name((enum update_stage)a->said.stage), work_name[a->said.work],
               a->group[0] != '\0' ? ", in group " : "", a->group,
               update_answer_name((enum update_answer)a->said.answer),
               a->why[0] != '\0' ? ", " : "", a->why);
}

static void print_member_text(const struct show *s, const struct store_member *m,
                              const struct update_asked *a)
{
    char label[LABEL_MAX], when[32], state[64], wave[16];

    snprintf(wave, sizeof(wave), "wave %u", m->wave + 1);
    printf("  %-32s  %-7s  %-20s  %s%s%s%s%s\n", operator_label(s->o, m->name, label),
           m->state == STORE_SKIPPED ? "" : wave, operator_time(m->changed_ms, when),
           update_state_text(m, state, sizeof(state)), m->why[0] != '\0' ? ": " : "", m->why,
           halt_text(m)[0] != '\0' ? "; " : "", halt_text(m));
    if (a != NULL)
        print_said_text(a);
}

/* ---- asking ---- */

static struct update_asked *ask_all(const struct show *s, const struct store_member *m, size_t n)
{
    const struct protocol_request q = {.kind = PROTOCOL_UPDATE};
    struct update_asked *a = calloc(n + 1, sizeof(*a));
    uint8_t body[16];
    struct wr w;

    wr_init(&w, body, sizeof(body));
    if (a == NULL || protocol_request_encode(&q, &w) != 0) {
        free(a);
        (void)fail("no memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        a[i] = (struct update_asked){.name = m[i].name, .body = wr_done(&w)};
    if (update_ask_all(s->o, a, n, ASK_MS) == 0)
        return a;
    free(a);
    return NULL;
}

/* ---- a rollout ---- */

static int print_event(void *ctx, const struct store_event *e)
{
    struct show *s = ctx;
    char label[LABEL_MAX], when[32];

    operator_time(e->at_ms, when);
    if (s->p->json) {
        printf("%s{", s->n > 0 ? ",\n   " : "");
        json_member(stdout, "time", when);
        json_member(stdout, "gateway", e->gateway);
        json_member(stdout, "label",
                    e->gateway[0] != '\0' ? operator_label(s->o, e->gateway, label) : "");
        printf("\"what\": ");
        verifier_print_string(stdout, e->what);
        printf("}");
    } else {
        printf("  %s  %s%s%s\n", when,
               e->gateway[0] != '\0' ? operator_label(s->o, e->gateway, label) : "",
               e->gateway[0] != '\0' ? ": " : "", e->what);
    }
    s->n++;
    return 0;
}

static int print_history(struct show *s, uint64_t campaign)
{
    struct store *store = s->o->fleet.store;
    struct show events = {.o = s->o, .p = s->p};
    int err;

    printf("%s", s->p->json ? ", \"history\": [" : "  what happened:\n");
    err = store->ops->updates->events(store, campaign, print_event, &events);
    printf("%s", s->p->json ? "]" : "");
    return err == 0 ? EXIT_DONE : update_store_failed(s->o);
}

static int is_release(void *ctx, const struct store_release *r)
{
    struct show *s = ctx;

    if (!s->found && memcmp(r->digest, s->release.digest, sizeof(r->digest)) == 0) {
        s->release = *r;
        s->found = true;
    }
    return 0;
}

static void print_head(const struct show *s, const struct store_campaign *c)
{
    char when[32], digest[HEX_MAX];

    operator_time(c->begun_ms, when);
    if (s->p->json) {
        printf("%s{\"rollout\": %" PRIu64 ", ", s->n > 0 ? ",\n " : "", c->id);
        json_member(stdout, "release", hex(c->release, sizeof(c->release), digest));
        json_member(stdout, "version", s->release.version);
        json_member(stdout, "folder", s->release.folder);
        json_member(stdout, "state", campaign_state[c->state]);
        json_member(stdout, "why", c->why);
        json_member(stdout, "begun", when);
        printf("\"wave\": %u, \"waves\": %u, \"limit\": \"%u%s\", \"gateways\": [", c->wave + 1,
               c->waves, c->limit, c->limit_percent ? "%" : "");
    } else {
        printf("%srollout %" PRIu64 " of release %s (%s): %s%s%s, wave %u of %u, begun %s\n",
               s->n > 0 ? "\n" : "", c->id, s->release.version, s->release.folder,
               campaign_state[c->state], c->why[0] != '\0' ? ": " : "", c->why, c->wave + 1,
               c->waves, when);
    }
}

static int print_campaign(struct show *s, const struct store_campaign *c)
{
    struct update_asked *asked = NULL;
    struct store_member *m = NULL;
    size_t n;
    int status = update_members(s->o, c->id, &m, &n);

    if (status == EXIT_DONE && s->p->ask) {
        asked = ask_all(s, m, n);
        status = asked != NULL ? EXIT_DONE : EXIT_FAILED;
    }
    print_head(s, c);
    for (size_t i = 0; i < n; i++) {
        const struct update_asked *a = asked != NULL ? &asked[i] : NULL;

        if (s->p->json)
            print_member_json(s, &m[i], a, i == 0);
        else
            print_member_text(s, &m[i], a);
    }
    printf("%s", s->p->json ? "]" : "");
    if (s->p->history && print_history(s, c->id) != EXIT_DONE)
        status = EXIT_FAILED;
    printf("%s", s->p->json ? "}" : "");
    s->n++;
    free(asked);
    free(m);
    return status;
}

struct all {
    struct store_campaign *c;
    size_t n;
    const uint8_t *only;
};

static int add(void *ctx, const struct store_campaign *c)
{
    struct all *all = ctx;
    struct store_campaign *more;

    if (all->only != NULL && memcmp(all->only, c->release, sizeof(c->release)) != 0)
        return 0;
    more = realloc(all->c, (all->n + 1) * sizeof(*more));
    if (more == NULL)
        return KAPU_ESPACE;
    all->c = more;
    all->c[all->n++] = *c;
    return 0;
}

static int print_all(struct show *s)
{
    struct store *store = s->o->fleet.store;
    struct all all = {.only = s->only};
    int status = EXIT_DONE;

    if (store->ops->updates->campaigns(store, add, &all) != 0)
        status = update_store_failed(s->o);
    printf("%s", s->p->json ? "[" : "");
    for (size_t i = 0; i < all.n; i++) {
        s->found = false;
        memset(&s->release, 0, sizeof(s->release));
        memcpy(s->release.digest, all.c[i].release, sizeof(s->release.digest));
        if (store->ops->updates->releases(store, is_release, s) != 0 ||
            print_campaign(s, &all.c[i]) != EXIT_DONE)
            status = EXIT_FAILED;
    }
    printf("%s", s->p->json ? "]\n" : "");
    if (!s->p->json && all.n == 0)
        printf("no rollouts; kapu update rollout begins one\n");
    free(all.c);
    return status;
}

int update_status(struct operator* o, const struct update_options *p, const char *release)
{
    struct show s = {.o = o, .p = p};
    struct store_release r;

    if (release != NULL && update_find_release(o, release, &r) != EXIT_DONE)
        return EXIT_FAILED;
    s.only = release != NULL ? r.digest : NULL;
    return print_all(&s);
}
