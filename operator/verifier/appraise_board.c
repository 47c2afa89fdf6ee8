// SPDX-License-Identifier: Apache-2.0
/* Whose board it is, and how often it was started: what stays true over many appraisals. */
#include "appraise.h"

/* ---- the manufacturer's record ---- */

static enum verifier_tier tier_without(const struct verifier_policy *p,
                                       const struct verifier_gateway *g)
{
    return g->without_record[0] == '\0' && p->records_required ? VERIFIER_CONTRAINDICATED
                                                               : VERIFIER_WARNING;
}

bool verifier_explain_record(const struct verifier_policy *p, const struct verifier_gateway *g,
                             enum verifier_tier *tier, char *to, size_t n)
{
    *tier = VERIFIER_CONTRAINDICATED;
    switch (g->record) {
    case VERIFIER_RECORD_GOOD:
        return false;
    case VERIFIER_RECORD_OTHER_AK:
        snprintf(to, n,
                 "its board record names another attestation key than the one enrolled, as after a "
                 "factory upgrade: kapu enroll --renew %s",
                 g->name);
        return true;
    case VERIFIER_RECORD_OTHER_BOARD:
        snprintf(to, n,
                 "its TPM is on record with another board than the one enrolled: kapu board list");
        return true;
    case VERIFIER_RECORD_NONE:
        break;
    }
    *tier = tier_without(p, g);
    if (g->without_record[0] != '\0')
        snprintf(to, n,
                 "it was enrolled without a board record (%s): its TPM is genuine, but "
                 "nobody vouches for the board",
                 g->without_record);
    else
        snprintf(to, n,
                 "there is no board record of it: a genuine TPM is not a kapu board: kapu "
                 "board add FILE");
    return true;
}

void appraise_record(struct appraisal *a)
{
    char text[VERIFIER_REASON_TEXT];
    enum verifier_tier tier;

    if (verifier_explain_record(a->q->policy, a->q->gateway, &tier, text, sizeof(text)))
        verifier_reason(a->r, VERIFIER_HARDWARE, tier, "%s", text);
}

/* ---- starts ---- */

/* Counts differ by less than half of what they can be: an hour has room for a few resets only. */
static bool went_back(uint32_t from, uint32_t to)
{
    return to - from > INT32_MAX;
}

/*
 * The TPM's starts between two quotes. A reset sets the count of restarts to zero, which is quoted
 * as an unknown constant: what can be told is that the count is not the one before. The firmware
 * never has the TPM save its state, so that it stays the same over all of a gateway's life.
 */
static uint32_t starts_between(const struct verifier_starts *from, uint32_t resets,
                               uint32_t restarts)
{
    const uint32_t reset = resets - from->resets;

    return reset == 0 ? restarts - from->restarts : reset + (restarts != from->restarts);
}

#define MANY 1000000u /* more than any TPM is started in a day: sums of it do not overflow */

/* Spread evenly over the time in which they were: a day's share of them. */
static uint32_t in_a_day(uint32_t started, uint64_t from_ms, uint64_t to_ms)
{
    const uint64_t time = to_ms > from_ms ? to_ms - from_ms : 0;
    uint64_t share = started;

    if (time > VERIFIER_DAY_MS)
        share = (share * VERIFIER_DAY_MS + time - 1) / time;
    return share < MANY ? (uint32_t)share : MANY;
}

static void too_many(struct appraisal *a, enum policy_action action, const char *what, uint32_t n,
                     const char *when, uint32_t most)
{
    if (action == POLICY_IGNORE)
        return;
    verifier_reason(a->r, VERIFIER_CONFIGURATION,
                    action == POLICY_FATAL ? VERIFIER_CONTRAINDICATED : VERIFIER_WARNING,
                    "%s %u times %s, policy allows %u", what, n, when, most);
}

static void appraise_rates(struct appraisal *a)
{
    const struct verifier_policy *p = a->q->policy;
    struct verifier_result *r = a->r;

    if (r->starts.fell)
        verifier_reason(r, VERIFIER_HARDWARE, VERIFIER_CONTRAINDICATED,
                        "the TPM's reset count went back: its state was put back, or it is another "
                        "TPM with the same keys");
    if (r->starts.day > p->tpm_starts_a_day)
        too_many(a, p->tpm_starts, "its TPM was reset", r->starts.day, "in a day",
                 p->tpm_starts_a_day);
    if (r->monitor_resets > p->monitor_resets_max)
        too_many(a, p->monitor_resets, "the monitor reset it", r->monitor_resets, "since power-on",
                 p->monitor_resets_max);
}

void appraise_starts(struct appraisal *a, uint32_t resets, uint32_t restarts)
{
    const struct verifier_starts first = {.known = true, .resets = resets, .restarts = restarts};
    const struct verifier_starts *before = a->q->before;
    struct verifier_starts *now = &a->r->starts;
    bool back;

    a->r->monitor_resets = a->monitor.resets;
    *now = before != NULL && before->known ? *before : first;
    back = went_back(now->resets, resets) ||
           (resets == now->resets && went_back(now->restarts, restarts));
    if (back && a->q->asked_ms > now->at_ms + VERIFIER_SKEW_MS)
        now->fell = true;
    if (!back) {
        a->r->started = starts_between(now, resets, restarts);
        a->r->share = in_a_day(a->r->started, now->at_ms, a->q->now_ms);
        now->day += a->r->share;
        now->resets = resets;
        now->restarts = restarts;
        now->at_ms = a->q->now_ms;
    }
    appraise_rates(a);
}
