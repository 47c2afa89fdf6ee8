// SPDX-License-Identifier: Apache-2.0
/* What the operator accepts: a table of settings, read from lines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verifier.h"

/* Without these a deep check has not looked at the kernel. */
static const char *const required_by_default[] = {"text",      "registers", "tables", "syscalls",
                                                  "processes", "code",      "state"};
#define REQUIRED (sizeof(required_by_default) / sizeof(required_by_default[0]))
#define LINE_MAX_N 512u

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

/* A setting takes the words behind its name; false: they are not fit. */
typedef bool (*setter)(struct verifier_policy *p, size_t offset, char **word, size_t words);

static bool read_number(const char *word, uint32_t *n)
{
    unsigned long v;
    char *end;

    if (word[0] < '0' || word[0] > '9')
        return false;
    errno = 0;
    v = strtoul(word, &end, 10);
    if (errno != 0 || *end != '\0' || v > UINT32_MAX)
        return false;
    *n = (uint32_t)v;
    return true;
}

static bool set_number(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    uint32_t n;

    if (words != 1 || !read_number(word[0], &n))
        return false;
    memcpy((char *)p + offset, &n, sizeof(n));
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

static bool set_tpm_starts(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    return set_limit(&p->tpm_starts_a_day, &p->tpm_starts, word, words);
}

static bool set_monitor_resets(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    return set_limit(&p->monitor_resets_max, &p->monitor_resets, word, words);
}

static bool set_refused_updates(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    return words == 1 && read_action(word[0], &p->refused_updates);
}

static bool set_records(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    p->records_required = words == 1 && strcmp(word[0], "required") == 0;
    return p->records_required || (words == 1 && strcmp(word[0], "warn") == 0);
}

static bool set_choice(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    bool yes = words == 1 && strcmp(word[0], "yes") == 0;

    if (!yes && (words != 1 || strcmp(word[0], "no") != 0))
        return false;
    memcpy((char *)p + offset, &yes, sizeof(yes));
    return true;
}

static bool set_name(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    if (words != 1 || strlen(word[0]) >= VERIFIER_NAME_MAX)
        return false;
    snprintf((char *)p + offset, VERIFIER_NAME_MAX, "%s", word[0]);
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

static bool set_required(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    return set_list(p->required[0], sizeof(p->required[0]), &p->required_n, word, words);
}

static bool set_releases(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    return set_list(p->releases[0], sizeof(p->releases[0]), &p->releases_n, word, words);
}

static bool set_flavours(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    return set_list(p->flavours[0], sizeof(p->flavours[0]), &p->flavours_n, word, words);
}

static bool set_finding(struct verifier_policy *p, size_t offset, char **word, size_t words)
{
    (void)offset;
    if (words != 2 || p->rules_n == POLICY_RULES || strlen(word[0]) > EVIDENCE_ID_MAX ||
        !read_action(word[1], &p->rule[p->rules_n].action))
        return false;
    snprintf(p->rule[p->rules_n].id, sizeof(p->rule[0].id), "%s", word[0]);
    p->rules_n++;
    return true;
}

#define FIELD(name) offsetof(struct verifier_policy, name)
static const struct {
    const char *name;
    setter set;
    size_t offset;
} settings[] = {
    {"name", set_name, FIELD(name)},
    {"counter-min", set_number, FIELD(counter_min)},
    {"debug", set_choice, FIELD(debug_allowed)},
    {"trial", set_choice, FIELD(trial_allowed)},
    {"log-required", set_choice, FIELD(log_required)},
    {"check-age-max-ms", set_number, FIELD(check_age_max_ms)},
    {"check-took-max-ms", set_number, FIELD(check_took_max_ms)},
    {"checks-min", set_number, FIELD(checks_min)},
    {"checks-required", set_required, 0},
    {"releases", set_releases, 0},
    {"flavours", set_flavours, 0},
    {"records", set_records, 0},
    {"tpm-resets-a-day", set_tpm_starts, 0},
    {"monitor-resets-max", set_monitor_resets, 0},
    {"refused-updates", set_refused_updates, 0},
    {"finding", set_finding, 0},
};

/* ---- lines ---- */

static int parse_line(struct verifier_policy *p, char *line, unsigned number, char *why,
                      size_t why_n)
{
    char *word[POLICY_LIST + 2], *rest = NULL;
    size_t words = 0;

    line[strcspn(line, "#")] = '\0';
    for (char *w = strtok_r(line, " \t\r", &rest); w != NULL; w = strtok_r(NULL, " \t\r", &rest)) {
        if (words == POLICY_LIST + 2) {
            snprintf(why, why_n, "line %u: too many words", number);
            return KAPU_EINVAL;
        }
        word[words++] = w;
    }
    if (words == 0)
        return 0;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strcmp(word[0], settings[i].name) != 0)
            continue;
        if (settings[i].set(p, settings[i].offset, word + 1, words - 1))
            return 0;
        snprintf(why, why_n, "line %u: that is no value for '%s'", number, word[0]);
        return KAPU_EINVAL;
    }
    snprintf(why, why_n, "line %u: there is no setting '%s'", number, word[0]);
    return KAPU_EINVAL;
}

int policy_parse(struct verifier_policy *p, const char *text, char *why, size_t why_n)
{
    char line[LINE_MAX_N];

    policy_default(p);
    for (unsigned number = 1; *text != '\0'; number++) {
        size_t n = strcspn(text, "\n");
        int err;

        if (n >= sizeof(line)) {
            snprintf(why, why_n, "line %u is too long", number);
            return KAPU_EINVAL;
        }
        memcpy(line, text, n);
        line[n] = '\0';
        err = parse_line(p, line, number, why, why_n);
        if (err != 0)
            return err;
        text += n + (text[n] == '\n');
    }
    return 0;
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
