// SPDX-License-Identifier: Apache-2.0
/* The gateways that a command line names: one by one, all, or those of a group. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "update.h"

static bool is_there(char (*names)[PROTOCOL_NAME_SIZE], size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static int each_named(const struct operator* o, const struct update_options *p,
                      int (*each)(void *ctx, const struct store_state *s), void *ctx)
{
    char(*seen)[PROTOCOL_NAME_SIZE] = calloc(p->gateways, sizeof(*seen));
    int status = EXIT_DONE;

    if (seen == NULL)
        return fail("no memory");
    for (size_t i = 0; status == EXIT_DONE && i < p->gateways; i++) {
        struct store_state state;

        if (operator_find(o, p->gateway[i], &state) != 0)
            status = EXIT_FAILED;
        else if (is_there(seen, i, state.gateway.name))
            status = fail("--gateway %s is given twice", p->gateway[i]);
        else if (each(ctx, &state) != 0)
            status = fail("no memory");
        else
            snprintf(seen[i], sizeof(seen[i]), "%.32s", state.gateway.name);
    }
    free(seen);
    return status;
}

struct of_group {
    struct store *store;
    const char *group;
    int (*each)(void *ctx, const struct store_state *s);
    void *ctx;
    size_t n;
};

static int if_of_group(void *ctx, const struct store_state *state)
{
    struct of_group *g = ctx;
    int err = g->group == NULL
                  ? 0
                  : g->store->ops->updates->group_has(g->store, g->group, state->gateway.ueid);

    if (err == KAPU_ENOENT)
        return 0;
    g->n++;
    return err == 0 ? g->each(g->ctx, state) : err;
}

int update_each_gateway(const struct operator* o, const struct update_options *p,
                        int (*each)(void *ctx, const struct store_state *s), void *ctx)
{
    struct of_group g = {.store = o->fleet.store, .group = p->group, .each = each, .ctx = ctx};
    int err;

    if (p->gateways > 0)
        return each_named(o, p, each, ctx);
    err = g.store->ops->gateways(g.store, if_of_group, &g);
    if (err == KAPU_ESPACE)
        return fail("no memory");
    if (err != 0)
        return update_store_failed(o);
    return p->group == NULL || g.n > 0
               ? EXIT_DONE
               : fail("no gateway is of group '%s'; kapu update join makes gateways part of one",
                      p->group);
}

struct names {
    struct update_named *g;
    size_t n, room;
};

static int add_name(void *ctx, const struct store_state *state)
{
    struct names *all = ctx;

    if (all->n == all->room) {
        const size_t room = all->room == 0 ? 64 : 2 * all->room;
        struct update_named *more = realloc(all->g, room * sizeof(*more));

        if (more == NULL)
            return KAPU_ESPACE;
        all->g = more;
        all->room = room;
    }
    memcpy(all->g[all->n].ueid, state->gateway.ueid, EVIDENCE_UEID_SIZE);
    snprintf(all->g[all->n].name, sizeof(all->g[all->n].name), "%.32s", state->gateway.name);
    all->n++;
    return 0;
}

int update_find_gateways(const struct operator* o, const struct update_options *p,
                         struct update_named **g, size_t *n)
{
    struct names all = {0};
    int status = update_each_gateway(o, p, add_name, &all);

    *g = all.g;
    *n = all.n;
    return status;
}
