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

/* ---- what both need ---- */

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
    return release_file_write(path, what, &s) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- rollout ---- */

static int compare_ueids(const void *a, const void *b)
{
    return memcmp(a, b, EVIDENCE_UEID_SIZE);
}

int release_order_sort(struct release_rollout *r)
{
    qsort(r->gateway, r->gateways, sizeof(r->gateway[0]), compare_ueids);
    for (size_t i = 1; i < r->gateways; i++) {
        if (compare_ueids(r->gateway[i - 1], r->gateway[i]) == 0)
            return (int)i;
    }
    return -1;
}

static int take_gateways(const struct release_order *o, struct release_rollout *r)
{
    char text[HEX_MAX];
    int twice;

    if (o->gateways > RELEASE_GATEWAYS_MAX)
        return fail("a rollout names at most %u gateways, not %zu: name a group, or make several "
                    "rollouts",
                    RELEASE_GATEWAYS_MAX, o->gateways);
    for (; r->gateways < o->gateways; r->gateways++) {
        if (take_ueid(o->gateway[r->gateways], r->gateway[r->gateways]) != EXIT_DONE)
            return EXIT_FAILED;
    }
    twice = release_order_sort(r);
    return twice < 0 ? EXIT_DONE
                     : fail("--gateway %s is given twice",
                            hex(r->gateway[twice], EVIDENCE_UEID_SIZE, text));
}

static int take_targets(const struct release_order *o, struct release_rollout *r)
{
    if ((o->gateways > 0) == (o->group != NULL))
        return fail("a rollout is for gateways or for a group: give either --gateway or --group");
    if (o->group == NULL)
        return take_gateways(o, r);
    r->group = (struct bytes){(const uint8_t *)o->group, strlen(o->group)};
    if (r->group.n > RELEASE_GROUP_MAX || !label_is_good(o->group))
        return fail("--group takes 1 to %u printable ASCII characters, no blanks at the ends",
                    RELEASE_GROUP_MAX);
    return EXIT_DONE;
}

static uint64_t most_days(const struct release_rollout *r)
{
    return (RELEASE_TIME_MAX - r->issued_ms) / DAY_MS;
}

bool release_order_days(struct release_rollout *r, uint64_t days)
{
    if (days < 1 || days > most_days(r))
        return false;
    r->until_ms = r->issued_ms + days * DAY_MS;
    return true;
}

static int take_days(const struct release_order *o, struct release_rollout *r)
{
    if (release_order_days(r, o->days))
        return EXIT_DONE;
    return fail("--days takes a number from 1 to %" PRIu64
                ", with which the rollout ends in the year 9999",
                most_days(r));
}

static void say_rollout(const char *path, const struct release_rollout *r,
                        const struct release_manifest *m)
{
    char until[32];

    printf("%s: rollout %" PRIu64 ": %s release %.*s, for ", path, r->number,
           r->action == RELEASE_HALT ? "halt" : "install", (int)m->version.n,
           (const char *)m->version.p);
    if (r->gateways > 0)
        printf("%zu gateway%s", r->gateways, r->gateways > 1 ? "s" : "");
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

    if (o->number < 1)
        return fail("--number takes a number from 1, higher than those of the rollouts before");
    if (take_targets(o, &r) != EXIT_DONE || take_days(o, &r) != EXIT_DONE ||
        read_manifest(manifest, &m, r.release) != EXIT_DONE)
        return EXIT_FAILED;
    wr_init(&w, content, sizeof(content));
    if (write_unsigned(out, RELEASE_A_ROLLOUT, release_rollout_encode(&r, &w), &w) != EXIT_DONE)
        return EXIT_FAILED;
    say_rollout(out, &r, &m.is.manifest);
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
