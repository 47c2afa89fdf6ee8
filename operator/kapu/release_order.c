// SPDX-License-Identifier: Apache-2.0
#include "release_order.h"

#include <inttypes.h>
#include <kapu/protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "operator.h"
#include "release_file.h"

#define SHA (&crypto_openssl.sha256)
#define DAY_MS 86400000ull

uint64_t release_order_now_ms(void)
{
    return (uint64_t)time(NULL) * 1000;
}

/* ---- what all need ---- */

static int take_ueid(const char *text, uint8_t ueid[EVIDENCE_UEID_SIZE])
{
    if (unhex(text, ueid, EVIDENCE_UEID_SIZE) == 0)
        return EXIT_DONE;
    if (protocol_name_is_valid(text))
        return fail("--gateway takes a UEID, of %u hexadecimal digits; '%s' is a gateway's name, "
                    "which is a part of its UEID",
                    2 * EVIDENCE_UEID_SIZE, text);
    return fail("--gateway takes a UEID, of %u hexadecimal digits, not '%s'",
                2 * EVIDENCE_UEID_SIZE, text);
}

static int read_manifest(const char *path, struct release_file_read *f,
                         uint8_t release[RELEASE_DIGEST_SIZE])
{
    if (release_file_read_a(path, RELEASE_A_MANIFEST, f) != 0)
        return EXIT_FAILED;
    if (release_digest(SHA, f->seen.content, release) != 0)
        return fail("%s: SHA-256 failed", path);
    return EXIT_DONE;
}

/* `err` is what encoding to `content` gave. */
static int write_unsigned(const char *path, enum release_what what, int err,
                          const struct wr *content)
{
    const struct release_signed s = {.content = wr_done(content)};

    if (err != 0)
        return fail("%s: the %s cannot be encoded (error %d)", path, release_about[what].name, err);
    return release_file_may_write(path, what) == 0 && release_file_write(path, what, &s) == 0
               ? EXIT_DONE
               : EXIT_FAILED;
}

/* ---- rollout ---- */

static int compare_ueids(const void *a, const void *b)
{
    return memcmp(a, b, EVIDENCE_UEID_SIZE);
}

int release_order_sort(struct release_gateways *g)
{
    qsort(g->ueid, g->n, sizeof(g->ueid[0]), compare_ueids);
    for (size_t i = 1; i < g->n; i++) {
        if (compare_ueids(g->ueid[i - 1], g->ueid[i]) == 0)
            return (int)i;
    }
    return -1;
}

/* `what`: the file that names them. */
static int take_gateways(const struct release_order *o, const char *what, const char *instead,
                         struct release_gateways *g)
{
    char text[HEX_MAX];
    int twice;

    if (o->gateways > RELEASE_GATEWAYS_MAX)
        return fail("a %s names at most %u gateways, not %zu: %s", what, RELEASE_GATEWAYS_MAX,
                    o->gateways, instead);
    for (; g->n < o->gateways; g->n++) {
        if (take_ueid(o->gateway[g->n], g->ueid[g->n]) != EXIT_DONE)
            return EXIT_FAILED;
    }
    twice = release_order_sort(g);
    return twice < 0
               ? EXIT_DONE
               : fail("--gateway %s is given twice", hex(g->ueid[twice], EVIDENCE_UEID_SIZE, text));
}

static int take_group(const struct release_order *o, struct bytes *group)
{
    *group = (struct bytes){(const uint8_t *)o->group, strlen(o->group)};
    return group->n <= RELEASE_GROUP_MAX && label_is_good(o->group)
               ? EXIT_DONE
               : fail("--group takes 1 to %u printable ASCII characters, no blanks at the ends",
                      RELEASE_GROUP_MAX);
}

static int take_targets(const struct release_order *o, struct release_rollout *r)
{
    if ((o->gateways > 0) == (o->group != NULL))
        return fail("a rollout is for gateways or for a group: give either --gateway or --group");
    return o->group != NULL
               ? take_group(o, &r->group)
               : take_gateways(o, "rollout", "name a group, or make several rollouts", &r->to);
}

static uint64_t most_days(uint64_t issued_ms)
{
    return (RELEASE_TIME_MAX - issued_ms) / DAY_MS;
}

bool release_order_until(uint64_t issued_ms, uint64_t days, uint64_t *until_ms)
{
    if (days < 1 || days > most_days(issued_ms))
        return false;
    *until_ms = issued_ms + days * DAY_MS;
    return true;
}

static int take_days(const struct release_order *o, const char *what, uint64_t issued_ms,
                     uint64_t *until_ms)
{
    if (release_order_until(issued_ms, o->days, until_ms))
        return EXIT_DONE;
    return fail("--days takes a number from 1 to %" PRIu64
                ", with which the %s ends in the year 9999",
                most_days(issued_ms), what);
}

static int take_number(const struct release_order *o, const char *what)
{
    return o->number >= 1
               ? EXIT_DONE
               : fail("--number takes a number from 1, higher than those of the %ss before", what);
}

static void say_rollout(const char *path, const struct release_rollout *r,
                        const struct release_manifest *m)
{
    char until[32];

    printf("%s: rollout %" PRIu64 ": %s release %.*s, for ", path, r->number,
           r->action == RELEASE_HALT ? "halt" : "install", (int)m->version.n,
           (const char *)m->version.p);
    if (r->to.n > 0)
        printf("%zu gateway%s", r->to.n, r->to.n > 1 ? "s" : "");
    else
        printf("group %.*s", (int)r->group.n, (const char *)r->group.p);
    printf(", until %s; nobody has signed it yet\n", operator_time(r->until_ms, until));
}

int release_order_rollout(const struct release_order *o, const char *manifest, const char *out)
{
    struct release_rollout r = {.action = o->halt ? RELEASE_HALT : RELEASE_INSTALL,
                                .number = o->number,
                                .issued_ms = release_order_now_ms()};
    uint8_t content[RELEASE_CONTENT_MAX];
    struct release_file_read m;
    struct wr w;

    if (take_number(o, "rollout") != EXIT_DONE || take_targets(o, &r) != EXIT_DONE ||
        take_days(o, "rollout", r.issued_ms, &r.until_ms) != EXIT_DONE ||
        read_manifest(manifest, &m, r.release) != EXIT_DONE)
        return EXIT_FAILED;
    wr_init(&w, content, sizeof(content));
    if (write_unsigned(out, RELEASE_A_ROLLOUT, release_rollout_encode(&r, &w), &w) != EXIT_DONE)
        return EXIT_FAILED;
    say_rollout(out, &r, &m.is.manifest);
    return EXIT_DONE;
}

/* ---- membership ---- */

int release_order_membership(const struct release_order *o, const char *out)
{
    struct release_membership m = {.number = o->number, .issued_ms = release_order_now_ms()};
    uint8_t content[RELEASE_CONTENT_MAX];
    char until[32];
    struct wr w;

    if (o->gateways == 0 || o->group == NULL)
        return fail("a membership names gateways and their group: give --gateway and --group");
    if (o->halt)
        return fail("a membership halts nothing: --halt is for rollouts");
    if (take_number(o, "membership") != EXIT_DONE || take_group(o, &m.group) != EXIT_DONE ||
        take_gateways(o, "membership", "make several", &m.of) != EXIT_DONE ||
        take_days(o, "membership", m.issued_ms, &m.until_ms) != EXIT_DONE)
        return EXIT_FAILED;
    wr_init(&w, content, sizeof(content));
    if (write_unsigned(out, RELEASE_A_MEMBERSHIP, release_membership_encode(&m, &w), &w) !=
        EXIT_DONE)
        return EXIT_FAILED;
    printf(
        "%s: membership %" PRIu64 ": %zu gateway%s in group %s, to be taken until %s; nobody has "
        "signed it yet\n",
        out, m.number, m.of.n, m.of.n > 1 ? "s" : "", o->group, operator_time(m.until_ms, until));
    return EXIT_DONE;
}

/* ---- approval ---- */

static int take_trial(const struct release_order *o, struct release_approval *a)
{
    if (o->gateways != 1 || o->group != NULL)
        return fail("an approval is for one gateway: give --gateway once, and no --group");
    if (take_ueid(o->gateway[0], a->gateway) != EXIT_DONE)
        return EXIT_FAILED;
    if (o->boot == NULL || unhex(o->boot, a->boot, sizeof(a->boot)) != 0)
        return fail("--boot takes the name of a boot, of %zu hexadecimal digits",
                    2 * sizeof(a->boot));
    return EXIT_DONE;
}

int release_order_approval(const struct release_order *o, const char *manifest, const char *out)
{
    struct release_approval a = {.issued_ms = release_order_now_ms()};
    uint8_t content[RELEASE_CONTENT_MAX];
    struct release_file_read m;
    char gateway[HEX_MAX];
    struct wr w;

    if (take_trial(o, &a) != EXIT_DONE || read_manifest(manifest, &m, a.release) != EXIT_DONE)
        return EXIT_FAILED;
    wr_init(&w, content, sizeof(content));
    if (write_unsigned(out, RELEASE_AN_APPROVAL, release_approval_encode(&a, &w), &w) != EXIT_DONE)
        return EXIT_FAILED;
    printf("%s: approval of release %.*s on gateway %s; nobody has signed it yet\n", out,
           (int)m.is.manifest.version.n, (const char *)m.is.manifest.version.p,
           hex(a.gateway, sizeof(a.gateway), gateway));
    return EXIT_DONE;
}
