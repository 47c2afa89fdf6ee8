// SPDX-License-Identifier: Apache-2.0
/* Releases, campaigns and their gateways in the store, and how they are called. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "factory.h"
#include "update.h"

#define DIGEST_MIN 8u /* characters of it that a person must give */

int update_store_failed(const struct operator* o)
{
    return fail("the store: %s", o->fleet.store->said);
}

/* ---- releases ---- */

struct search {
    const char *given;
    struct store_release *found;
    unsigned n;
};

static bool is_meant(const char *given, const struct store_release *r)
{
    char digest[HEX_MAX];

    return strcmp(given, r->version) == 0 || strcmp(given, r->folder) == 0 ||
           (strlen(given) >= DIGEST_MIN &&
            strncmp(given, hex(r->digest, sizeof(r->digest), digest), strlen(given)) == 0);
}

static int compare(void *ctx, const struct store_release *r)
{
    struct search *s = ctx;

    if (!is_meant(s->given, r))
        return 0;
    *s->found = *r;
    s->n++;
    return 0;
}

int update_find_release(const struct operator* o, const char *given, struct store_release *r)
{
    struct store *store = o->fleet.store;
    struct search s = {.given = given, .found = r};

    if (store->ops->updates->releases(store, compare, &s) != 0)
        return update_store_failed(o);
    if (s.n == 1)
        return EXIT_DONE;
    return s.n == 0
               ? fail("no release '%s' was published; kapu update publish does that", given)
               : fail("%u releases are called '%s': give the folder or the digest", s.n, given);
}

/* ---- campaigns ---- */

struct latest {
    const struct store_release *release;
    struct store_campaign *found;
    bool any;
};

/* They come in the order of time, the latest first. */
static int is_of(void *ctx, const struct store_campaign *c)
{
    struct latest *l = ctx;

    if (l->any || memcmp(c->release, l->release->digest, sizeof(c->release)) != 0)
        return 0;
    *l->found = *c;
    l->any = true;
    return 0;
}

int update_find_campaign(const struct operator* o, const struct store_release *r,
                         struct store_campaign *c)
{
    struct store *store = o->fleet.store;
    struct latest l = {.release = r, .found = c};

    if (store->ops->updates->campaigns(store, is_of, &l) != 0)
        return update_store_failed(o);
    return l.any
               ? EXIT_DONE
               : fail("release %s was never rolled out; kapu update rollout does that", r->version);
}

struct list {
    struct store_member *m;
    size_t n, room;
};

static int add(void *ctx, const struct store_member *m)
{
    struct list *l = ctx;

    if (l->n == l->room) {
        const size_t room = l->room == 0 ? 64 : 2 * l->room;
        struct store_member *more = realloc(l->m, room * sizeof(*more));

        if (more == NULL)
            return KAPU_ESPACE;
        l->m = more;
        l->room = room;
    }
    l->m[l->n++] = *m;
    return 0;
}

int update_members(const struct operator* o, uint64_t campaign, struct store_member **m, size_t *n)
{
    struct store *store = o->fleet.store;
    struct list l = {0};
    int err = store->ops->updates->members(store, campaign, add, &l);

    if (err != 0) {
        free(l.m);
        l = (struct list){0};
    }
    *m = l.m;
    *n = l.n;
    if (err == KAPU_ESPACE)
        return fail("no memory");
    return err == 0 ? EXIT_DONE : update_store_failed(o);
}

/* A lock of this process for a byte of one file: it ends with the process, however that ends. */
int update_lock(const struct operator* o, uint64_t campaign, int *fd)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)campaign, .l_len = 1};
    char path[OPERATOR_PATH];

    *fd = open(operator_path(o, "update.lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return fail("%s: cannot be opened", path);
    if (fcntl(*fd, F_OFD_SETLK, &lock) == 0)
        return EXIT_DONE;
    close(*fd);
    *fd = -1;
    return fail(campaign > 0 ? "another kapu update drives this rollout now"
                             : "another kapu update publishes or begins a rollout now");
}

/* ---- names ---- */

static const struct {
    const char *name;
    bool over, failure;
} states[STORE_MEMBER_STATES] = {
    [STORE_WAITING] = {"waiting", false, false},
    [STORE_ASKED] = {"asked", false, false},
    [STORE_FETCHING] = {"fetching", false, false},
    [STORE_ON_TRIAL] = {"on trial", false, false},
    [STORE_APPROVED] = {"approved", false, false},
    [STORE_CONFIRMED] = {"confirmed", true, false},
    [STORE_REFUSED] = {"refused", true, true},
    [STORE_FAILED] = {"failed", true, true},
    [STORE_NOT_TRUSTED] = {"not trusted", true, true},
    [STORE_SILENT] = {"silent", true, true},
    [STORE_SKIPPED] = {"skipped", true, false},
};

bool update_is_over(enum store_member_state s)
{
    return states[s].over;
}

bool update_is_failure(enum store_member_state s)
{
    return states[s].failure;
}

const char *update_state_name(enum store_member_state s)
{
    return states[s].name;
}

const char *update_state_text(const struct store_member *m, char *to, size_t n)
{
    const char *name = update_state_name(m->state);

    if (m->state == STORE_FETCHING && m->all > 0)
        snprintf(to, n, "%s %u %%", name, (unsigned)(100ull * m->done / m->all));
    else if ((m->state == STORE_REFUSED || m->state == STORE_FAILED) && m->answer[0] != '\0')
        snprintf(to, n, "%s: %s", name, m->answer);
    else
        snprintf(to, n, "%s", name);
    return to;
}

void update_tell(const struct operator* o, bool json, const char *gateway, const char *what,
                 const char *why)
{
    const uint64_t now = fleet_now_ms(&o->fleet);
    char when[32], label[LABEL_MAX];

    operator_time(now, when);
    if (json) {
        printf("{");
        json_member(stdout, "time", when);
        json_member(stdout, "gateway", gateway);
        json_member(stdout, "label", gateway[0] != '\0' ? operator_label(o, gateway, label) : "");
        json_member(stdout, "what", what);
        printf("\"why\": ");
        verifier_print_string(stdout, why);
        printf("}\n");
    } else {
        printf("%s  %s%s%s%s%s\n", when,
               gateway[0] != '\0' ? operator_label(o, gateway, label) : "",
               gateway[0] != '\0' ? ": " : "", what, why[0] != '\0' ? ": " : "", why);
    }
    (void)fflush(stdout);
}
