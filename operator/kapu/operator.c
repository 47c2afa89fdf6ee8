// SPDX-License-Identifier: Apache-2.0
#include "operator.h"

#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "settings.h"
#include "x509.h"

#define CONNECT_MS 10000u
#define INTERVAL_S 300u
#define NONCE_S 600u /* a deep check on an emulated gateway takes its time */
#define DAY_S 86400u

const char *operator_path(const struct operator* o, const char *name, char to[OPERATOR_PATH])
{
    snprintf(to, OPERATOR_PATH, "%s/%.*s", o->folder, OPERATOR_FILE - 2, name);
    return to;
}

const char *operator_time(uint64_t ms, char to[32])
{
    const time_t s = (time_t)(ms / 1000);
    struct tm t;

    if (gmtime_r(&s, &t) == NULL || strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        snprintf(to, 32, "?");
    return to;
}

const char *operator_user(void)
{
    static char number[24];
    const struct passwd *p = getpwuid(getuid());

    snprintf(number, sizeof(number), "%u", (unsigned)getuid());
    return p != NULL ? p->pw_name : number;
}

uint32_t operator_seconds(const char *text)
{
    uint64_t v;

    return settings_number(text, DAY_S, &v) ? (uint32_t)v : 0;
}

void json_member(FILE *to, const char *name, const char *value)
{
    fprintf(to, "\"%s\": ", name);
    verifier_print_string(to, value);
    fputs(", ", to);
}

/* ---- opening ---- */

static bool has_operator(const char *folder)
{
    char path[OPERATOR_PATH];

    return snprintf(path, sizeof(path), "%s/operator.conf", folder) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

static int choose_folder(struct operator* o, const char *given)
{
    const char *home = getenv("HOME"), *below = "";

    if (given == NULL)
        given = getenv("KAPU_OPERATOR");
    if (given == NULL || given[0] == '\0') {
        given = "build/operator";
        if (home != NULL && !has_operator(given)) {
            given = home;
            below = "/.config/kapu";
        }
    }
    if (snprintf(o->folder, sizeof(o->folder), "%s%s", given, below) < (int)sizeof(o->folder))
        return 0;
    (void)fail("%s: too long a path", given);
    return -1;
}

static const char *const update_setting[OPERATOR_UPDATE_FILES] = {
    [OPERATOR_RELEASE_SET] = "release-set",   [OPERATOR_ROLLOUT_SET] = "rollout-set",
    [OPERATOR_APPROVAL_SET] = "approval-set", [OPERATOR_ROLLOUT_KEY] = "rollout-key",
    [OPERATOR_APPROVAL_KEY] = "approval-key",
};

const char *operator_update_setting(enum operator_update_file which)
{
    return update_setting[which];
}

const char *operator_update_file(const struct operator* o, enum operator_update_file which,
                                 char to[OPERATOR_PATH])
{
    const char *value = o->update_file[which];

    if (value[0] == '\0')
        return NULL;
    if (value[0] == '/' || strncmp(value, "pkcs11:", 7) == 0)
        snprintf(to, OPERATOR_PATH, "%s", value);
    else if (snprintf(to, OPERATOR_PATH, "%s/%s", o->folder, value) >= OPERATOR_PATH)
        return NULL;
    return to;
}

static bool set_port(void *into, size_t offset, char **word, size_t words)
{
    struct operator* o = into;
    uint64_t port;

    (void)words;
    if (!settings_number(word[0], UINT16_MAX, &port) || port == 0)
        return false;
    if (offset < 2) /* the gateways' ports are for those who set gateways up */
        o->port[offset] = (uint16_t)port;
    return true;
}

static bool set_host(void *into, size_t offset, char **word, size_t words)
{
    struct operator* o = into;

    (void)offset;
    (void)words;
    return snprintf(o->host, sizeof(o->host), "%s", word[0]) < (int)sizeof(o->host);
}

static bool set_seconds(void *into, size_t offset, char **word, size_t words)
{
    const uint32_t seconds = operator_seconds(word[0]);

    (void)words;
    memcpy((char *)into + offset, &seconds, sizeof(seconds));
    return seconds > 0;
}

static bool set_update_file(void *into, size_t which, char **word, size_t words)
{
    struct operator* o = into;

    (void)words;
    return snprintf(o->update_file[which], OPERATOR_VALUE, "%s", word[0]) < OPERATOR_VALUE;
}

#define PORT "a port, from 1 to 65535"
#define SECONDS "whole seconds, from 1 to 86400"
#define FILE_NAME "the name of a file, or a pkcs11: URI"
static const struct setting settings[] = {
    {"host", "a name or an address", set_host, 0, 1, false},
    {"main-operators", PORT, set_port, PROTOCOL_ENROLLED, 1, false},
    {"enrolment-operators", PORT, set_port, PROTOCOL_ENROLMENT, 1, false},
    {"main-gateways", PORT, set_port, SIZE_MAX, 1, false},
    {"enrolment-gateways", PORT, set_port, SIZE_MAX, 1, false},
    {"interval", SECONDS, set_seconds, offsetof(struct operator, interval_s), 1, false},
    {"nonce", SECONDS, set_seconds, offsetof(struct operator, nonce_s), 1, false},
    {"release-set", FILE_NAME, set_update_file, OPERATOR_RELEASE_SET, 1, false},
    {"rollout-set", FILE_NAME, set_update_file, OPERATOR_ROLLOUT_SET, 1, false},
    {"approval-set", FILE_NAME, set_update_file, OPERATOR_APPROVAL_SET, 1, false},
    {"rollout-key", FILE_NAME, set_update_file, OPERATOR_ROLLOUT_KEY, 1, false},
    {"approval-key", FILE_NAME, set_update_file, OPERATOR_APPROVAL_KEY, 1, false},
};

static int read_settings(struct operator* o)
{
    char path[OPERATOR_PATH], why[OPERATOR_PATH + 256];
    int err = settings_read(operator_path(o, "operator.conf", path), settings,
                            sizeof(settings) / sizeof(settings[0]), o, why, sizeof(why));

    if (err != 0) {
        (void)fail("%s%s", why,
                   err == KAPU_ENOENT ? "; tools/broker create makes an operator's folder" : "");
        return -1;
    }
    o->fleet.nonce_ms = o->nonce_s * 1000;
    if (o->host[0] != '\0' && o->port[0] != 0 && o->port[1] != 0)
        return 0;
    (void)fail("%s: it must say host, main-operators and enrolment-operators", path);
    return -1;
}

static int read_policy(struct operator* o)
{
    char path[OPERATOR_PATH], why[OPERATOR_PATH + 256];
    int err = policy_read(&o->fleet.policy, operator_path(o, "policy", path), why, sizeof(why));

    if (err == 0 || err == KAPU_ENOENT)
        return 0;
    (void)fail("%s", why);
    return -1;
}

static void say_set_back(uint64_t from_ms, uint64_t to_ms)
{
    char from[32], to[32], span[FLEET_SPAN];

    (void)fail("the clock of this machine was set back by %s: it said %s before, and says %s now; "
               "what was judged after %s counts no more: ask these gateways again (kapu attest)",
               fleet_span(from_ms - to_ms, span), operator_time(from_ms, from),
               operator_time(to_ms, to), to);
}

int operator_read_policy(struct operator* o)
{
    return read_policy(o);
}

/* A store that cannot be written, or is damaged, is told of by what needs it. */
static void tell_clock(struct operator* o)
{
    struct store_clock clock;
    const int err = fleet_clock(&o->fleet, NULL, &clock);

    (void)err;
}

typedef struct store *open_fn(const char *path, char *why, size_t why_n);

static int open_with(struct operator* o, const char *folder, open_fn *open_store)
{
    char path[OPERATOR_PATH], why[256];

    *o = (struct operator){
        .interval_s = INTERVAL_S,
        .nonce_s = NONCE_S,
    };
    umask(077); /* what kapu writes there is the operator's alone */
    if (choose_folder(o, folder) != 0 || read_settings(o) != 0 || read_policy(o) != 0 ||
        labels_check(o) != 0)
        return -1;
    if (fleet_key_load(operator_path(o, "nonce.key", path), false, &o->fleet.key, why,
                       sizeof(why)) != 0) {
        (void)fail("%s", why);
        return -1;
    }
    o->fleet.store = open_store(operator_path(o, "kapu.db", path), why, sizeof(why));
    if (o->fleet.store == NULL) {
        (void)fail("%s", why); /* which begins with the path */
        return -1;
    }
    o->fleet.set_back = say_set_back;
    tell_clock(o);
    return 0;
}

int operator_open(struct operator* o, const char *folder)
{
    return open_with(o, folder, store_sqlite_open);
}

int operator_open_to_read(struct operator* o, const char *folder)
{
    return open_with(o, folder, store_sqlite_open_to_read);
}

void operator_close(struct operator* o)
{
    store_close(o->fleet.store);
    kapu_wipe(&o->fleet.key, sizeof(o->fleet.key));
}

/* Paths of a connection's files. */
struct paths {
    char ca[OPERATOR_PATH], certificate[OPERATOR_PATH], key[OPERATOR_PATH];
};

/* 0, or -1 after saying why no connection can be made with them. */
static int connection(const struct operator* o, enum protocol_place place, struct paths *p,
                      struct transport_options *out)
{
    char why[OPERATOR_PATH + 512];

    signal(SIGPIPE, SIG_IGN);
    *out = (struct transport_options){
        .host = o->host,
        .port = o->port[place],
        .ca = operator_path(o, "ca.pem", p->ca),
        .certificate = operator_path(o, "kapu.pem", p->certificate),
        .key = operator_path(o, "kapu.key", p->key),
    };
    if (x509_check_client(p->ca, p->certificate, p->key, fleet_now_ms(&o->fleet) / 1000, why,
                          sizeof(why)) == 0)
        return 0;
    (void)fail("%s", why);
    return -1;
}

struct transport *operator_connect(const struct operator* o, enum protocol_place place)
{
    struct paths paths;
    struct transport_options options;
    struct transport *t;
    char why[1024];

    if (connection(o, place, &paths, &options) != 0)
        return NULL;
    t = transport_open(&options, place, CONNECT_MS, why, sizeof(why));
    if (t == NULL)
        (void)fail("%s", why);
    return t;
}

struct exchange *operator_exchange(const struct operator* o, size_t n, exchange_fn heard, void *ctx)
{
    struct paths paths;
    struct transport_options options;
    struct exchange *x;
    char why[1024];

    if (connection(o, PROTOCOL_ENROLLED, &paths, &options) != 0)
        return NULL;
    x = exchange_open(&options, n, heard, ctx, CONNECT_MS, why, sizeof(why));
    if (x == NULL)
        (void)fail("%s", why);
    return x;
}

/* ---- which gateway ---- */

struct search {
    const char *beginning;
    struct store_state *state;
    unsigned found;
};

static int compare(void *ctx, const struct store_state *state)
{
    struct search *s = ctx;

    if (strncmp(state->gateway.name, s->beginning, strlen(s->beginning)) != 0)
        return 0;
    *s->state = *state;
    s->found++;
    return 0;
}

/* A damaged record too. */
static int find(const struct operator* o, const char *given, struct store_state *state)
{
    struct store *store = o->fleet.store;
    struct search s = {given, NULL, 0};
    char name[PROTOCOL_NAME_SIZE];
    int err = KAPU_ENOENT;

    memset(state, 0, sizeof(*state));
    s.state = state;
    if (label_to_name(o, given, name) == 0) {
        err = store->ops->gateway_named(store, name, state);
        s.beginning = err == KAPU_EIO ? name : given;
    }
    if (err == KAPU_ENOENT)
        err = store->ops->gateway_named(store, given, state);
    if (err == KAPU_EIO || (err == KAPU_ENOENT && strlen(given) >= 4)) {
        const int walked = store->ops->gateways(store, compare, &s);

        if (walked == 0 && s.found > 1) {
            (void)fail("several gateways' names begin with '%s'", given);
            return -1;
        }
        err = walked == 0 && s.found == 0 ? KAPU_ENOENT : walked;
    }
    if (err == KAPU_ENOENT)
        (void)fail("there is no gateway '%s'; kapu fleet lists those that there are", given);
    else if (err != 0)
        (void)fail("the store: %s", store->said);
    return err == 0 ? 0 : -1;
}

int operator_find(const struct operator* o, const char *given, struct store_state *state)
{
    if (find(o, given, state) != 0)
        return -1;
    if (state->damaged == NULL)
        return 0;
    (void)fail("the record of gateway '%s' is damaged (%s): kapu forget removes it, and then it is "
               "enrolled again",
               state->gateway.name, state->damaged);
    return -1;
}

int operator_find_to_remove(const struct operator* o, const char *given, struct store_state *state)
{
    return find(o, given, state);
}
