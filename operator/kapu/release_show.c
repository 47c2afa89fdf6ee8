// SPDX-License-Identifier: Apache-2.0
#include "release_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "crypto_openssl.h"
#include "factory.h"
#include "operator.h"

#define SHA (&crypto_openssl.sha256)

static const char *const action_name[] = {"", "install", "halt"};

/* One row of a content: "name" of machines, what people read, and the value of both. */
struct out {
    bool json;
};

static void row(const struct out *o, const char *name, const char *label, const char *value)
{
    if (o->json)
        json_member(stdout, name, value);
    else
        printf("  %-16s %s\n", label, value);
}

static void number(const struct out *o, const char *name, const char *label, uint64_t value)
{
    if (o->json)
        printf("\"%s\": %" PRIu64 ", ", name, value);
    else
        printf("  %-16s %" PRIu64 "\n", label, value);
}

static void text(const struct out *o, const char *name, const char *label, struct bytes value)
{
    char to[RELEASE_VERSION_MAX + 1];

    snprintf(to, sizeof(to), "%.*s", (int)value.n, value.n > 0 ? (const char *)value.p : "");
    row(o, name, label, to);
}

static void digest(const struct out *o, const char *name, const char *label, const uint8_t *p,
                   size_t n)
{
    char to[HEX_MAX];

    row(o, name, label, hex(p, n, to));
}

static void moment(const struct out *o, const char *name, const char *label, uint64_t ms)
{
    char to[32];

    row(o, name, label, operator_time(ms, to));
}

static void show_manifest(const struct out *o, const struct release_file_read *f)
{
    const struct release_manifest *m = &f->is.manifest;
    uint8_t name[RELEASE_DIGEST_SIZE];

    text(o, "version", "version", m->version);
    text(o, "hardware", "hardware", m->hardware);
    text(o, "product", "product", m->product);
    number(o, "counter", "security counter", m->counter);
    number(o, "counter_from", "for counters from", m->counter_from);
    moment(o, "made", "made", m->made_ms);
    moment(o, "expires", "expires", m->expires_ms);
    digest(o, "identity", "identity", m->identity, sizeof(m->identity));
    number(o, "firmware_size", "firmware, bytes", m->firmware.size);
    digest(o, "firmware_sha256", "  SHA-256", m->firmware.sha256, sizeof(m->firmware.sha256));
    number(o, "root_size", "root, bytes", m->root.size);
    digest(o, "root_hash", "  root hash", m->root.hash, sizeof(m->root.hash));
    digest(o, "root_salt", "  salt", m->root.salt, sizeof(m->root.salt));
    number(o, "index_size", "index, bytes", m->index.size);
    digest(o, "index_sha256", "  SHA-256", m->index.sha256, sizeof(m->index.sha256));
    row(o, "confirmation", "confirmation",
        m->approval ? "with an approval by the operator" : "by a clean deep check alone");
    if (m->encrypted)
        digest(o, "key_check", "encrypted, key", m->key_check, sizeof(m->key_check));
    if (release_digest(SHA, f->seen.content, name) == 0)
        digest(o, "release", "release", name, sizeof(name));
}

static void show_keys(const struct out *o, const struct release_keys *k)
{
    row(o, "role", "role", release_role_name[k->role]);
    number(o, "set", "set", k->version);
    number(o, "threshold", "must sign", k->threshold);
    if (o->json)
        printf("\"keys\": [");
    for (size_t i = 0; i < k->keys; i++) {
        uint8_t kid[EVIDENCE_KID_SIZE];
        char to[HEX_MAX];

        if (evidence_key_thumbprint(SHA, &k->key[i], kid) != 0)
            continue;
        if (o->json)
            printf("%s\"%s\"", i > 0 ? ", " : "", hex(kid, sizeof(kid), to));
        else
            printf("  %-16s %s\n", i == 0 ? "of" : "", hex(kid, sizeof(kid), to));
    }
    if (o->json)
        printf("], ");
}

static void show_gateways(const struct out *o, const struct release_gateways *g)
{
    char to[HEX_MAX];

    if (o->json)
        printf("\"gateways\": [");
    for (size_t i = 0; i < g->n; i++) {
        if (o->json)
            printf("%s\"%s\"", i > 0 ? ", " : "", hex(g->ueid[i], EVIDENCE_UEID_SIZE, to));
        else
            printf("  %-16s %s\n", i == 0 ? "gateways" : "",
                   hex(g->ueid[i], EVIDENCE_UEID_SIZE, to));
    }
    if (o->json)
        printf("], ");
}

static void show_rollout(const struct out *o, const struct release_rollout *r)
{
    digest(o, "release", "release", r->release, sizeof(r->release));
    row(o, "action", "action", action_name[r->action]);
    number(o, "number", "number", r->number);
    moment(o, "issued", "issued", r->issued_ms);
    moment(o, "until", "until", r->until_ms);
    if (r->to.n == 0)
        text(o, "group", "group", r->group);
    else
        show_gateways(o, &r->to);
}

static void show_membership(const struct out *o, const struct release_membership *m)
{
    text(o, "group", "group", m->group);
    number(o, "number", "number", m->number);
    moment(o, "issued", "issued", m->issued_ms);
    moment(o, "until", "until", m->until_ms);
    show_gateways(o, &m->of);
}

static void show_approval(const struct out *o, const struct release_approval *a)
{
    digest(o, "release", "release", a->release, sizeof(a->release));
    digest(o, "gateway", "gateway", a->gateway, sizeof(a->gateway));
    digest(o, "boot", "boot", a->boot, sizeof(a->boot));
    moment(o, "issued", "issued", a->issued_ms);
}

static void show_content(const struct out *o, const struct release_file_read *f)
{
    switch (f->what) {
    case RELEASE_A_MANIFEST:
        show_manifest(o, f);
        break;
    case RELEASE_A_SET:
        show_keys(o, &f->is.keys);
        break;
    case RELEASE_A_ROLLOUT:
        show_rollout(o, &f->is.rollout);
        break;
    case RELEASE_A_MEMBERSHIP:
        show_membership(o, &f->is.membership);
        break;
    case RELEASE_AN_APPROVAL:
        show_approval(o, &f->is.approval);
        break;
    }
}

void release_show_text(const char *path, const struct release_file_read *f)
{
    const struct out o = {.json = false};
    char to[HEX_MAX];

    printf("%s: %s\n", path, release_about[f->what].name);
    show_content(&o, f);
    if (f->seen.signatures == 0)
        printf("  %-16s nobody yet\n", "signed by");
    for (size_t i = 0; i < f->seen.signatures; i++)
        printf("  %-16s %s\n", i == 0 ? "signed by" : "",
               hex(f->seen.by[i].kid, EVIDENCE_KID_SIZE, to));
}

void release_show_json(const char *path, const struct release_file_read *f)
{
    const struct out o = {.json = true};
    char to[HEX_MAX];

    printf("{");
    json_member(stdout, "file", path);
    json_member(stdout, "what", release_about[f->what].name);
    show_content(&o, f);
    printf("\"signed_by\": [");
    for (size_t i = 0; i < f->seen.signatures; i++)
        printf("%s\"%s\"", i > 0 ? ", " : "", hex(f->seen.by[i].kid, EVIDENCE_KID_SIZE, to));
    printf("]}");
}
