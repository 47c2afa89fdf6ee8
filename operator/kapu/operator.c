// SPDX-License-Identifier: Apache-2.0
#include "operator.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

#define CONNECT_MS 10000u
#define LINE 512
#define POLICY_MAX 65536u
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
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && v <= DAY_S ? (uint32_t)v : 0;
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

static bool set_port(uint16_t *to, const char *value)
{
    char *end;
    unsigned long v = strtoul(value, &end, 10);

    if (*end != '\0' || v == 0 || v > UINT16_MAX)
        return false;
    *to = (uint16_t)v;
    return true;
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

static bool set(struct operator* o, const char *key, const char *value)
{
    const uint32_t seconds = operator_seconds(value);

    for (size_t i = 0; i < OPERATOR_UPDATE_FILES; i++) {
        if (strcmp(key, update_setting[i]) == 0)
            return snprintf(o->update_file[i], OPERATOR_VALUE, "%s", value) < OPERATOR_VALUE;
    }

    if (strcmp(key, "host") == 0)
        return snprintf(o->host, sizeof(o->host), "%s", value) < (int)sizeof(o->host);
    if (strcmp(key, "main-operators") == 0)
        return set_port(&o->port[PROTOCOL_ENROLLED], value);
    if (strcmp(key, "enrolment-operators") == 0)
        return set_port(&o->port[PROTOCOL_ENROLMENT], value);
    if (strcmp(key, "interval") == 0)
        o->interval_s = seconds;
    else if (strcmp(key, "nonce") == 0)
        o->fleet.nonce_ms = seconds * 1000;
    else /* the gateways' ports are for who sets them up */
        return strcmp(key, "main-gateways") == 0 || strcmp(key, "enrolment-gateways") == 0;
    return seconds > 0;
}

static int read_settings(struct operator* o)
{
    char path[OPERATOR_PATH], line[LINE], key[64], value[300];
    FILE *file = fopen(operator_path(o, "operator.conf", path), "re");
    int number = 0, err = 0;

    if (file == NULL) {
        (void)fail("%s: %s; tools/broker create makes an operator's folder", path, strerror(errno));
        return -1;
    }
    while (err == 0 && fgets(line, sizeof(line), file) != NULL) {
        number++;
        if (line[strspn(line, " \t\n")] == '\0' || line[0] == '#')
            continue;
        if (sscanf(line, "%63s %299s", key, value) != 2 || !set(o, key, value)) {
            (void)fail("%s, line %d: not a setting, or not a value for it", path, number);
            err = -1;
        }
    }
    fclose(file);
    if (err == 0 && (o->host[0] == '\0' || o->port[0] == 0 || o->port[1] == 0)) {
        (void)fail("%s: it must say host, main-operators and enrolment-operators", path);
        err = -1;
    }
    return err;
}

static int read_policy(struct operator* o)
{
    char path[OPERATOR_PATH], why[256];
    FILE *file = fopen(operator_path(o, "policy", path), "re");
    char *text;
    size_t n;
    int err = 0;

    policy_default(&o->fleet.policy);
    if (file == NULL && errno == ENOENT)
        return 0;
    text = calloc(1, POLICY_MAX + 1);
    n = file != NULL && text != NULL ? fread(text, 1, POLICY_MAX + 1, file) : 0;
    if (file == NULL || text == NULL || ferror(file) || n > POLICY_MAX) {
        (void)fail("%s: cannot be read, or is too large", path);
        err = -1;
    } else if (policy_parse(&o->fleet.policy, text, why, sizeof(why)) != 0) {
        (void)fail("%s: %s", path, why);
        err = -1;
    }
    free(text);
    if (file != NULL)
        fclose(file);
    return err;
}

int operator_open(struct operator* o, const char *folder)
{
    char path[OPERATOR_PATH], why[256];

    *o = (struct operator){
        .interval_s = INTERVAL_S,
        .fleet = {.nonce_ms = NONCE_S * 1000},
    };
    umask(077); /* what kapu writes there is the operator's alone */
    if (choose_folder(o, folder) != 0 || read_settings(o) != 0 || read_policy(o) != 0)
        return -1;
    if (fleet_key_load(operator_path(o, "nonce.key", path), false, &o->fleet.key, why,
                       sizeof(why)) != 0) {
        (void)fail("%s", why);
        return -1;
    }
    o->fleet.store = store_sqlite_open(operator_path(o, "kapu.db", path), why, sizeof(why));
    if (o->fleet.store != NULL)
        return 0;
    (void)fail("%s: %s", path, why);
    return -1;
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

static struct transport_options connection(const struct operator* o, enum protocol_place place,
                                           struct paths *p)
{
    signal(SIGPIPE, SIG_IGN);
    return (struct transport_options){
        .host = o->host,
        .port = o->port[place],
        .ca = operator_path(o, "ca.pem", p->ca),
        .certificate = operator_path(o, "kapu.pem", p->certificate),
        .key = operator_path(o, "kapu.key", p->key),
    };
}

struct transport *operator_connect(const struct operator* o, enum protocol_place place)
{
    struct paths paths;
    const struct transport_options options = connection(o, place, &paths);
    char why[512];
    struct transport *t = transport_open(&options, place, CONNECT_MS, why, sizeof(why));

    if (t == NULL)
        (void)fail("%s", why);
    return t;
}

struct exchange *operator_exchange(const struct operator* o, size_t n, exchange_fn heard, void *ctx)
{
    struct paths paths;
    const struct transport_options options = connection(o, PROTOCOL_ENROLLED, &paths);
    char why[512];
    struct exchange *x = exchange_open(&options, n, heard, ctx, CONNECT_MS, why, sizeof(why));

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

int operator_find(const struct operator* o, const char *given, struct store_state *state)
{
    struct store *store = o->fleet.store;
    struct search s = {given, NULL, 0};
    char name[PROTOCOL_NAME_SIZE];
    int err = KAPU_ENOENT;

    memset(state, 0, sizeof(*state));
    s.state = state;
    if (label_to_name(o, given, name) == 0)
        err = store->ops->gateway_named(store, name, state);
    if (err == KAPU_ENOENT)
        err = store->ops->gateway_named(store, given, state);
    if (err == KAPU_ENOENT && strlen(given) >= 4) {
        err = store->ops->gateways(store, compare, &s);
        if (err == 0 && s.found > 1) {
            (void)fail("several gateways' names begin with '%s'", given);
            return -1;
        }
        err = err == 0 && s.found == 0 ? KAPU_ENOENT : err;
    }
    if (err == KAPU_ENOENT)
        (void)fail("there is no gateway '%s'; kapu fleet lists those that there are", given);
    else if (err != 0)
        (void)fail("the store: %s", store->said);
    return err == 0 ? 0 : -1;
}
