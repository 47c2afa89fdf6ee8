// SPDX-License-Identifier: Apache-2.0
/* What was booted: PCRs against the event log and the reference values, and how it is configured.
 */
#include "appraise.h"

#include <kapu/eventlog.h>
#include <string.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)

#define EXECUTABLES(a, ...)                                                                        \
    verifier_reason((a)->r, VERIFIER_EXECUTABLES, VERIFIER_CONTRAINDICATED, __VA_ARGS__)
#define CONFIGURATION(a, tier, ...)                                                                \
    verifier_reason((a)->r, VERIFIER_CONFIGURATION, tier, __VA_ARGS__)

static const char *const measured[EVIDENCE_PCRS] = {
    [EVIDENCE_PCR_FIRMWARE] = "firmware",
    [EVIDENCE_PCR_AUTHORITY] = "root key",
    [EVIDENCE_PCR_LINUX] = "Linux kernel",
    [EVIDENCE_PCR_COMMAND] = "device tree (command line, hash of the root image)",
    [EVIDENCE_PCR_CAP] = "end of the boot phase",
};

int verifier_reference_key(const uint8_t (*pcr)[32], uint8_t key[32])
{
    const struct bytes all = {pcr[0], sizeof(pcr[0]) * VERIFIER_MEASURED};

    return SHA->hash(SHA->ctx, &all, 1, key) == 0 ? 0 : KAPU_ECRYPTO;
}

/* ---- event log ---- */

static int appraise_log(struct appraisal *a)
{
    const struct evidence_boot *b = &a->claims.boot;
    const struct bytes log = a->message.log;
    uint8_t digest[32], pcr[EVENTLOG_PCRS][32];
    uint32_t used;
    int err;

    if (log.n == 0) {
        if (a->q->policy->log_required)
            EXECUTABLES(a, "the event log is missing, and policy asks for it");
        return 0;
    }
    if (SHA->hash(SHA->ctx, &log, 1, digest) != 0)
        return KAPU_ECRYPTO;
    if (log.n != b->log_size || !kapu_equal(digest, b->log_digest, sizeof(digest))) {
        EXECUTABLES(a, "the event log is not the one that the secure world has");
        return 0;
    }
    err = eventlog_replay(SHA, log, pcr, &used);
    if (err == KAPU_ECRYPTO)
        return err;
    if (err != 0) {
        EXECUTABLES(a, err == KAPU_EUNSUPPORTED ? "the event log has no SHA-256 digests"
                                                : "the event log is malformed");
        return 0;
    }
    for (size_t i = 0; i < EVIDENCE_PCRS; i++) {
        if (!kapu_equal(pcr[evidence_pcr[i]], b->pcr[i], 32))
            EXECUTABLES(a, "the event log does not account for PCR %u (%s)", evidence_pcr[i],
                        measured[i]);
    }
    return 0;
}

/* ---- reference values ---- */

static bool listed(const char *name, const char (*list)[VERIFIER_NAME_MAX], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(list[i], name) == 0)
            return true;
    }
    return n == 0;
}

/* The root image's hash is in the device tree, so these two aspects go together. */
static void differs(struct appraisal *a, size_t i, const char *release)
{
    EXECUTABLES(a, "the %s is not that of release %s (PCR %u)", measured[i], release,
                evidence_pcr[i]);
    if (i == EVIDENCE_PCR_COMMAND)
        verifier_reason(a->r, VERIFIER_FILES, VERIFIER_CONTRAINDICATED,
                        "the root image may be another than that of release %s", release);
}

static int explain_unknown(struct appraisal *a)
{
    const struct verifier_references *refs = a->q->references;
    struct verifier_reference near;
    int err = KAPU_ENOENT;

    if (refs->of_release != NULL)
        err = refs->of_release(refs->ctx, a->r->version, &near);
    if (err == KAPU_ENOENT) {
        EXECUTABLES(a, "it booted nothing that is known: there is no release '%s'", a->r->version);
        verifier_reason(a->r, VERIFIER_FILES, VERIFIER_CONTRAINDICATED,
                        "its root image is none that is known");
        return 0;
    }
    if (err != 0)
        return err;
    for (size_t i = 0; i < VERIFIER_MEASURED; i++) {
        if (!kapu_equal(near.pcr[i], a->claims.boot.pcr[i], 32))
            differs(a, i, near.release);
    }
    return 0;
}

static void appraise_release(struct appraisal *a, const struct verifier_reference *ref)
{
    const struct verifier_policy *p = a->q->policy;
    const struct evidence_software *s = &a->claims.software;

    snprintf(a->r->release, sizeof(a->r->release), "%s", ref->release);
    snprintf(a->r->flavour, sizeof(a->r->flavour), "%s", ref->flavour);
    if (!listed(ref->release, p->releases, p->releases_n))
        EXECUTABLES(a, "it runs release %s, which policy does not allow", ref->release);
    if (!listed(ref->flavour, p->flavours, p->flavours_n))
        EXECUTABLES(a, "it runs the flavour '%s', which policy does not allow", ref->flavour);
    if (strcmp(ref->release, a->r->version) != 0)
        EXECUTABLES(a, "it says that it is version %s, but booted release %s", a->r->version,
                    ref->release);
    if (ref->counter != s->counter_release)
        CONFIGURATION(a, VERIFIER_CONTRAINDICATED,
                      "it says that the security counter of release %s is %u, but it is %u",
                      ref->release, s->counter_release, ref->counter);
}

static int appraise_pcrs(struct appraisal *a)
{
    const struct verifier_references *refs = a->q->references;
    struct verifier_reference ref;
    uint8_t key[32];
    int err = verifier_reference_key(a->claims.boot.pcr, key);

    if (err == 0)
        err = refs->find(refs->ctx, key, &ref);
    if (err == KAPU_ENOENT)
        return explain_unknown(a);
    if (err == 0)
        appraise_release(a, &ref);
    return err;
}

/* The one event that closes the boot phase (fusebox_cap_digest), extended once into zeros. */
static int appraise_cap(struct appraisal *a)
{
    static const uint8_t zero[32] = {0};
    const struct bytes separator = {zero, 4};
    uint8_t event[32], cap[32];

    if (SHA->hash(SHA->ctx, &separator, 1, event) != 0 ||
        SHA->hash(SHA->ctx, (struct bytes[]){BYTES_OF(zero), BYTES_OF(event)}, 2, cap) != 0)
        return KAPU_ECRYPTO;
    if (!kapu_equal(cap, a->claims.boot.pcr[EVIDENCE_PCR_CAP], sizeof(cap)))
        CONFIGURATION(a, VERIFIER_CONTRAINDICATED,
                      "the boot phase is not closed (PCR 14): the TPM's secrets may be open");
    return 0;
}

/* ---- configuration ---- */

static void appraise_configuration(struct appraisal *a)
{
    const struct verifier_policy *p = a->q->policy;
    const struct evidence_software *s = &a->claims.software;
    uint32_t starts = a->q->gateway->storage_starts;

    if (starts != 0 && s->storage_starts < starts)
        CONFIGURATION(a, VERIFIER_CONTRAINDICATED,
                      "the starts of its secure storage went back: %u at enrolment, %u now", starts,
                      s->storage_starts);
    if (starts != 0 && s->storage_starts > starts)
        CONFIGURATION(a, VERIFIER_WARNING,
                      "its secure storage was started anew since enrolment (starts: %u then, %u "
                      "now)",
                      starts, s->storage_starts);
    if (!a->claims.oemboot)
        CONFIGURATION(a, VERIFIER_CONTRAINDICATED, "its boot chain is not the manufacturer's");
    if (a->claims.dbgstat == EVIDENCE_DEBUG_ENABLED && !p->debug_allowed)
        verifier_reason(a->r, VERIFIER_HARDWARE, VERIFIER_CONTRAINDICATED, "debugging is enabled");
    if (s->counter_release < p->counter_min)
        CONFIGURATION(a, VERIFIER_CONTRAINDICATED,
                      "its security counter is %u, policy asks for at least %u", s->counter_release,
                      p->counter_min);
    if (s->counter_tpm > s->counter_release)
        CONFIGURATION(a, VERIFIER_CONTRAINDICATED,
                      "it runs a release of security counter %u, but its TPM is at %u already",
                      s->counter_release, s->counter_tpm);
    if (s->trial && !p->trial_allowed)
        CONFIGURATION(a, VERIFIER_WARNING,
                      "it runs slot %c on trial, not confirmed yet (tries left: %u)",
                      s->slot == 0 ? 'a' : 'b', s->tries);
}

/* What was refused did no harm; but somebody may be trying. What Linux says of servers is shown,
 * and changes no verdict: an attacker there can say anything. */
static void appraise_refusals(struct appraisal *a)
{
    const enum policy_action action = a->q->policy->refused_updates;
    char text[VERIFIER_REASON_TEXT];

    if (action != POLICY_IGNORE &&
        verifier_explain_refused(&a->claims.software.refused, text, sizeof(text)))
        CONFIGURATION(a, action == POLICY_FATAL ? VERIFIER_CONTRAINDICATED : VERIFIER_WARNING, "%s",
                      text);
}

int appraise_boot(struct appraisal *a)
{
    int err = appraise_log(a);

    if (err == 0)
        err = appraise_pcrs(a);
    if (err == 0)
        err = appraise_cap(a);
    if (err == 0)
        appraise_configuration(a);
    if (err == 0)
        appraise_refusals(a);
    return err;
}
