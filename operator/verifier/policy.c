// SPDX-License-Identifier: Apache-2.0
/* What the operator accepts: a table of settings, read from lines. */
#include <string.h>

#include "settings.h"
#include "verifier.h"

/* Without these a deep check has not looked at the kernel. */
static const char *const required_by_default[] = {"text",      "registers", "tables", "syscalls",
                                                  "processes", "code",      "state"};
#define REQUIRED (sizeof(required_by_default) / sizeof(required_by_default[0]))

void policy_default(struct verifier_policy *p)
{
    *p = (struct verifier_policy){.name = "default",
                                  .log_required = false,
                                  .records_required = true,
                                  .tpm_starts_a_day = 24,
                                  .tpm_starts = POLICY_WARN,
                                  .monitor_resets_max = 3,
                                  .monitor_resets = POLICY_FATAL,
                                  .refused_updates = POLICY_WARN,
                                  .check_age_max_ms = 60000,
                                  .check_took_max_ms = 120000,
                                  .checks_min = 10,
                                  .flavours_n = 1,
                                  .flavours = {"gateway"},
                                  .required_n = REQUIRED};
    for (size_t i = 0; i < REQUIRED; i++)
        snprintf(p->required[i], sizeof(p->required[i]), "%s", required_by_default[i]);
}

/* ---- one setting ---- */

static bool read_number(const char *word, uint32_t *n)
{
    uint64_t v;

    if (!settings_number(word, UINT32_MAX, &v))
        return false;
    *n = (uint32_t)v;
    return true;
}

static bool set_number(void *into, size_t offset, char **word, size_t words)
{
    uint32_t n;

    (void)words;
    if (!read_number(word[0], &n))
        return false;
    memcpy((char *)into + offset, &n, sizeof(n));
    return true;
}

static bool read_action(const char *word, enum policy_action *to)
{
    static const char *const names[] = {
        [POLICY_FATAL] = "fatal", [POLICY_WARN] = "warn", [POLICY_IGNORE] = "ignore"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(word, names[i]) == 0) {
            *to = i;
            return true;
        }
    }
    return false;
}

/* The most that is allowed, and maybe what more than that is. */
static bool set_limit(uint32_t *most, enum policy_action *action, char **word, size_t words)
{
    return (words == 1 || (words == 2 && read_action(word[1], action))) &&
           read_number(word[0], most);
}

static bool set_tpm_starts(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    return set_limit(&p->tpm_starts_a_day, &p->tpm_starts, word, words);
}

static bool set_monitor_resets(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    return set_limit(&p->monitor_resets_max, &p->monitor_resets, word, words);
}

static bool set_refused_updates(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    (void)words;
    return read_action(word[0], &p->refused_updates);
}

static bool set_records(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    (void)words;
    p->records_required = strcmp(word[0], "required") == 0;
    return p->records_required || strcmp(word[0], "warn") == 0;
}

static bool set_choice(void *into, size_t offset, char **word, size_t words)
{
    const bool yes = strcmp(word[0], "yes") == 0;

    (void)words;
    if (!yes && strcmp(word[0], "no") != 0)
        return false;
    memcpy((char *)into + offset, &yes, sizeof(yes));
    return true;
}

static bool set_name(void *into, size_t offset, char **word, size_t words)
{
    (void)words;
    if (strlen(word[0]) >= VERIFIER_NAME_MAX)
        return false;
    snprintf((char *)into + offset, VERIFIER_NAME_MAX, "%s", word[0]);
    return true;
}

static bool set_list(char *list, size_t item, uint32_t *n, char **word, size_t words)
{
    *n = 0;
    for (size_t i = 0; i < words; i++) {
        if (*n == POLICY_LIST || strlen(word[i]) >= item)
            return false;
        snprintf(list + *n * item, item, "%s", word[i]);
        ++*n;
    }
    return true;
}

static bool set_required(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    return set_list(p->required[0], sizeof(p->required[0]), &p->required_n, word, words);
}

static bool set_releases(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    return set_list(p->releases[0], sizeof(p->releases[0]), &p->releases_n, word, words);
}

static bool set_flavours(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    return set_list(p->flavours[0], sizeof(p->flavours[0]), &p->flavours_n, word, words);
}

static bool set_finding(void *into, size_t offset, char **word, size_t words)
{
    struct verifier_policy *p = into;

    (void)offset;
    if (words != 2 || p->rules_n == POLICY_RULES || strlen(word[0]) > EVIDENCE_ID_MAX ||
        !read_action(word[1], &p->rule[p->rules_n].action))
        return false;
    for (uint32_t i = 0; i < p->rules_n; i++) { /* it would count for nothing */
        if (strcmp(p->rule[i].id, word[0]) == 0)
            return false;
    }
    snprintf(p->rule[p->rules_n].id, sizeof(p->rule[0].id), "%s", word[0]);
    p->rules_n++;
    return true;
}

#define FIELD(name) offsetof(struct verifier_policy, name)
#define NUMBER "a whole number"
#define YES_OR_NO "yes or no"
#define LIMIT "a whole number, and maybe fatal, warn or ignore"
#define WORDS "at least one word"
static const struct setting settings[] = {
    {"name", "a word", set_name, FIELD(name), 1, false},
    {"counter-min", NUMBER, set_number, FIELD(counter_min), 1, false},
    {"debug", YES_OR_NO, set_choice, FIELD(debug_allowed), 1, false},
    {"trial", YES_OR_NO, set_choice, FIELD(trial_allowed), 1, false},
    {"log-required", YES_OR_NO, set_choice, FIELD(log_required), 1, false},
    {"check-age-max-ms", NUMBER, set_number, FIELD(check_age_max_ms), 1, false},
    {"check-took-max-ms", NUMBER, set_number, FIELD(check_took_max_ms), 1, false},
    {"checks-min", NUMBER, set_number, FIELD(checks_min), 1, false},
    {"checks-required", WORDS, set_required, 0, POLICY_LIST, false},
    {"releases", WORDS, set_releases, 0, POLICY_LIST, false},
    {"flavours", WORDS, set_flavours, 0, POLICY_LIST, false},
    {"records", "required or warn", set_records, 0, 1, false},
    {"tpm-resets-a-day", LIMIT, set_tpm_starts, 0, 2, false},
    {"monitor-resets-max", LIMIT, set_monitor_resets, 0, 2, false},
    {"refused-updates", "fatal, warn or ignore", set_refused_updates, 0, 1, false},
    {"finding", "an ID that no line before has, and fatal, warn or ignore", set_finding, 0, 2,
     true},
};
_Static_assert(POLICY_LIST <= SETTINGS_WORDS, "a list fits in a line");

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

int policy_parse(struct verifier_policy *p, struct bytes text, char *why, size_t why_n)
{
    policy_default(p);
    return settings_parse(text, settings, SETTINGS, p, why, why_n);
}

int policy_read(struct verifier_policy *p, const char *path, char *why, size_t why_n)
{
    policy_default(p);
    return settings_read(path, settings, SETTINGS, p, why, why_n);
}

static bool fits(const char *pattern, struct bytes id)
{
    size_t n = strlen(pattern);

    if (n > 0 && pattern[n - 1] == '*')
        return id.n >= n - 1 && memcmp(id.p, pattern, n - 1) == 0;
    return id.n == n && memcmp(id.p, pattern, n) == 0;
}

enum policy_action policy_of_finding(const struct verifier_policy *p,
                                     const struct evidence_finding *f)
{
    for (uint32_t i = 0; i < p->rules_n; i++) {
        if (fits(p->rule[i].id, f->id))
            return p->rule[i].action;
    }
    return f->severity == EVIDENCE_ALARM ? POLICY_FATAL : POLICY_WARN;
}
