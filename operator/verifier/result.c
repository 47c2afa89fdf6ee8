// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "verifier.h"

#define EAR_PROFILE "tag:ietf.org,2026:rats/ear#04"
#define EAR_DEVELOPER "https://kapu.example"

const char *verifier_tier_name(enum verifier_tier tier)
{
    switch (tier) {
    case VERIFIER_AFFIRMING:
        return "affirming";
    case VERIFIER_WARNING:
        return "warning";
    case VERIFIER_CONTRAINDICATED:
        return "contraindicated";
    case VERIFIER_NONE:
        break;
    }
    return "none";
}

const char *verifier_aspect_name(enum verifier_aspect aspect)
{
    static const char *const names[VERIFIER_ASPECTS] = {
        [VERIFIER_IDENTITY] = "instance-identity", [VERIFIER_CONFIGURATION] = "configuration",
        [VERIFIER_EXECUTABLES] = "executables",    [VERIFIER_FILES] = "file-system",
        [VERIFIER_HARDWARE] = "hardware",
    };

    return names[aspect];
}

const char *verifier_update_name(enum evidence_update outcome)
{
    static const char *const names[] = {
        [EVIDENCE_UPDATE_NONE] = "none",
        [EVIDENCE_UPDATE_CONFIRMED] = "confirmed",
        [EVIDENCE_UPDATE_HALTED] = "halted",
        [EVIDENCE_UPDATE_TRIES_GONE] = "tries gone",
        [EVIDENCE_UPDATE_REFUSED] = "refused",
        [EVIDENCE_UPDATE_OTHER_RAN] = "other ran",
        [EVIDENCE_UPDATE_NEVER_BEGAN] = "never began",
    };

    return (size_t)outcome < sizeof(names) / sizeof(names[0]) ? names[outcome] : "unknown";
}

const char *verifier_reset_name(enum evidence_reset why)
{
    static const char *const names[] = {
        [EVIDENCE_RESET_NONE] = "none",
        [EVIDENCE_RESET_ALARM] = "alarm",
        [EVIDENCE_RESET_WATCHDOG] = "watchdog",
        [EVIDENCE_RESET_PANIC] = "panic",
    };

    return (size_t)why < sizeof(names) / sizeof(names[0]) ? names[why] : "unknown";
}

const char *verifier_attack_name(enum evidence_attack attack)
{
    static const char *const names[EVIDENCE_ATTACKS] = {
        [EVIDENCE_ATTACK_NONE] = "none",
        [EVIDENCE_ATTACK_ROLLBACK] = "rollback",
        [EVIDENCE_ATTACK_FREEZE] = "freeze",
        [EVIDENCE_ATTACK_MIX_AND_MATCH] = "mix-and-match",
        [EVIDENCE_ATTACK_WRONG_HARDWARE] = "wrong hardware",
        [EVIDENCE_ATTACK_ARBITRARY_SOFTWARE] = "arbitrary software",
        [EVIDENCE_ATTACK_FAST_FORWARD] = "fast-forward",
        [EVIDENCE_ATTACK_PARTIAL_BUNDLE] = "partial bundle",
        [EVIDENCE_ATTACK_REPLAYED_ROLLOUT] = "replayed rollout",
        [EVIDENCE_ATTACK_TOCTOU] = "TOCTOU",
        [EVIDENCE_ATTACK_REVOKED_KEY] = "revoked key",
        [EVIDENCE_ATTACK_REPLAYED_APPROVAL] = "replayed approval",
        [EVIDENCE_ATTACK_ENDLESS_DATA] = "endless data",
        [EVIDENCE_ATTACK_SLOW_RETRIEVAL] = "slow retrieval",
    };

    return (size_t)attack < EVIDENCE_ATTACKS && names[attack] != NULL ? names[attack] : "unknown";
}

static void append(char *to, size_t n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t n, const char *format, ...)
{
    const size_t at = strlen(to);
    va_list args;

    va_start(args, format);
    vsnprintf(to + at, n - at, format, args);
    va_end(args);
}

/* "BEFORE: rollback, freeze (3 in this boot, the last one: freeze)" */
static bool explain_refusals(const struct evidence_refusals *r, const char *before, char *to,
                             size_t n)
{
    const char *comma = "";

    if (r->count == 0)
        return false;
    snprintf(to, n, "%s: ", before);
    for (unsigned i = 0; i < EVIDENCE_ATTACKS; i++) {
        if ((r->kinds >> i & 1) == 0)
            continue;
        append(to, n, "%s%s", comma, verifier_attack_name(i));
        comma = ", ";
    }
    append(to, n, " (%u in this boot", r->count);
    if ((r->kinds & (r->kinds - 1)) != 0)
        append(to, n, ", the last one: %s", verifier_attack_name(r->last));
    append(to, n, ")");
    return true;
}

bool verifier_explain_refused(const struct evidence_refusals *r, char *to, size_t n)
{
    return explain_refusals(r, "updates were refused that look like an attack", to, n);
}

bool verifier_explain_told(const struct evidence_refusals *r, char *to, size_t n)
{
    return explain_refusals(r, "its Linux says, without proof, that a server of releases did", to,
                            n);
}

void verifier_print_refusals(FILE *to, const struct evidence_refusals *r)
{
    const char *comma = "";

    fprintf(to, "{\"last\": \"%s\", \"count\": %u, \"kinds\": [", verifier_attack_name(r->last),
            r->count);
    for (unsigned i = 0; i < EVIDENCE_ATTACKS; i++) {
        if ((r->kinds >> i & 1) == 0)
            continue;
        fprintf(to, "%s\"%s\"", comma, verifier_attack_name(i));
        comma = ", ";
    }
    fprintf(to, "]}");
}

bool verifier_explain_update(const struct verifier_result *r, char *to, size_t n)
{
    static const char *const failed[EVIDENCE_UPDATE_NEVER_BEGAN + 1] = {
        [EVIDENCE_UPDATE_TRIES_GONE] = "none of its starts was confirmed",
        [EVIDENCE_UPDATE_REFUSED] = "the boot chain refused it",
        [EVIDENCE_UPDATE_OTHER_RAN] = "what ran on trial was not what was verified (TOCTOU)",
    };
    static const char *const before[] = {
        [EVIDENCE_RESET_NONE] = "",
        [EVIDENCE_RESET_ALARM] = "; the monitor had reset the gateway (an alarm)",
        [EVIDENCE_RESET_WATCHDOG] = "; the watchdog had reset the gateway (no deep check in time)",
        [EVIDENCE_RESET_PANIC] = "; the secure world had reset the gateway (it could not go on)",
    };

    if (failed[r->last_update] == NULL)
        return false;
    snprintf(to, n, "its last update was given up: %s%s", failed[r->last_update],
             before[r->last_update_reset]);
    return true;
}

/* A worse tier has a greater value; "none" is what nothing was said of yet. */
static void lower(enum verifier_tier *is, enum verifier_tier to)
{
    if (to > *is)
        *is = to;
}

void verifier_reason(struct verifier_result *r, enum verifier_aspect aspect,
                     enum verifier_tier tier, const char *format, ...)
{
    struct verifier_reason *reason = &r->reason[r->reasons];
    va_list args;

    lower(&r->vector[aspect], tier);
    lower(&r->status, tier);
    if (r->reasons == VERIFIER_REASONS) {
        r->not_kept++;
        return;
    }
    reason->aspect = aspect;
    reason->tier = tier;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started on the line before */
    vsnprintf(reason->text, sizeof(reason->text), format, args);
    va_end(args);
    r->reasons++;
}

void verifier_print_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
    fputc('"', to);
}

static void print_vector(FILE *to, const struct verifier_result *r)
{
    const char *comma = "";

    fprintf(to, "\"ear_trustworthiness_vector\": {");
    for (unsigned i = 0; i < VERIFIER_ASPECTS; i++) {
        if (r->vector[i] == VERIFIER_NONE)
            continue;
        fprintf(to, "%s\"%s\": %d", comma, verifier_aspect_name(i), (int)r->vector[i]);
        comma = ", ";
    }
    fprintf(to, "}, ");
}

static void print_reasons(FILE *to, const struct verifier_result *r)
{
    fprintf(to, "\"kapu_reasons\": [");
    for (uint32_t i = 0; i < r->reasons; i++) {
        const struct verifier_reason *why = &r->reason[i];

        fprintf(to, "%s{\"aspect\": \"%s\", \"tier\": \"%s\", \"text\": ", i > 0 ? ", " : "",
                verifier_aspect_name(why->aspect), verifier_tier_name(why->tier));
        verifier_print_string(to, why->text);
        fprintf(to, "}");
    }
    fprintf(to, "], \"kapu_reasons_not_kept\": %u", r->not_kept);
}

static void print_hex(FILE *to, const char *name, const uint8_t value[32])
{
    fprintf(to, "\"%s\": \"", name);
    for (size_t i = 0; i < 32; i++)
        fprintf(to, "%02x", value[i]);
    fprintf(to, "\", ");
}

static void print_said(FILE *to, const struct verifier_result *r)
{
    print_hex(to, "eat_nonce", r->nonce);
    fprintf(to, "\"kapu_version\": ");
    verifier_print_string(to, r->version);
    fprintf(to, ", ");
    print_hex(to, "kapu_release_identity", r->release_identity);
    print_hex(to, "kapu_boot_name", r->boot_name);
    fprintf(to, "\"kapu_last_update\": \"%s\", \"kapu_last_update_reset\": \"%s\", ",
            verifier_update_name(r->last_update), verifier_reset_name(r->last_update_reset));
    fprintf(to, "\"kapu_refused_updates\": ");
    verifier_print_refusals(to, &r->refused);
    fprintf(to, ", \"kapu_told_by_linux\": ");
    verifier_print_refusals(to, &r->told);
    fprintf(to, ", ");
    fprintf(to, "\"kapu_security_counter\": %u, \"kapu_check\": %u, \"kapu_alarms\": %u, ",
            r->counter, r->check_number, r->alarms);
    fprintf(to, "\"kapu_warnings\": %u, \"kapu_check_age_ms\": %" PRIu64 ", ", r->warnings,
            r->age_ms);
    fprintf(to, "\"kapu_tpm_resets\": %u, \"kapu_tpm_resets_day\": %u, ", r->started,
            r->starts.day);
    fprintf(to, "\"kapu_monitor_resets\": %u, ", r->monitor_resets);
}

void verifier_print_ear(FILE *to, const struct verifier_result *r, const char *name,
                        const char *policy, uint64_t when_s)
{
    fprintf(to, "{\"eat_profile\": \"%s\", \"iat\": %llu, ", EAR_PROFILE,
            (unsigned long long)when_s);
    fprintf(to, "\"ear_verifier_id\": {\"developer\": \"%s\", \"build\": \"kapu %s\"}, ",
            EAR_DEVELOPER, KAPU_VERSION);
    fprintf(to, "\"submods\": {");
    verifier_print_string(to, name);
    fprintf(to, ": {\"ear_status\": \"%s\", ", verifier_tier_name(r->status));
    print_vector(to, r);
    fprintf(to, "\"ear_appraisal_policy_ids\": [");
    verifier_print_string(to, policy);
    fprintf(to, "], \"ear_verifier_claims\": {\"kapu_authentic\": %s, ",
            r->authentic ? "true" : "false");
    if (r->authentic)
        print_said(to, r);
    fprintf(to, "\"kapu_release\": ");
    verifier_print_string(to, r->release);
    fprintf(to, ", \"kapu_flavour\": ");
    verifier_print_string(to, r->flavour);
    fprintf(to, ", ");
    print_reasons(to, r);
    fprintf(to, "}}}}\n");
}
