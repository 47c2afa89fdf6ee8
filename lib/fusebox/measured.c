// SPDX-License-Identifier: Apache-2.0
/*
 * Whether the TPM still holds what this boot measured. The firmware's extends cross the bus in
 * clear, so whoever stands on it could substitute or drop them, or reset the TPM later and make its
 * PCRs again. What was measured is in the event log, which never left secure RAM; what the TPM
 * holds comes in answers with a MAC.
 */
#include <string.h>

#include <kapu/eventlog.h>

#include "internal.h"

#define ATTEMPTS                                                                                   \
    3u /* the first may fail with a session that is lost, or a bus that is disturbed               \
        */

static int read_clock(struct fusebox *f, struct fusebox_measured *m)
{
    struct tpm2_clock clock = {0};
    uint64_t time_ms;
    int err = tpm2_read_clock(f->tpm, &f->session, &time_ms, &clock);

    m->resets = clock.resets;
    m->restarts = clock.restarts;
    return err;
}

int fusebox_expect(struct fusebox *f, struct bytes log, struct fusebox_measured *m)
{
    uint8_t pcr[EVENTLOG_PCRS][32];
    uint32_t used;
    size_t n = 0;
    int err;

    memset(m, 0, sizeof(*m));
    f->at = "event log";
    if (!f->salted)
        return KAPU_EPLAIN;
    err = eventlog_replay(&f->tpm->crypto->sha256, log, pcr, &used);
    if (err == 0 && (used & ~FUSEBOX_PCRS) != 0)
        err = KAPU_EUNSUPPORTED; /* nobody would compare them */
    if (err != 0)
        return err;
    for (unsigned int i = 0; i < EVENTLOG_PCRS; i++) {
        if ((FUSEBOX_PCRS >> i & 1u) != 0)
            memcpy(m->pcr[n++], pcr[i], 32);
    }
    f->at = "TPM's clock";
    err = fusebox_session(f);
    if (err == 0)
        err = read_clock(f, m);
    return fusebox_session_done(f, err);
}

static int look(struct fusebox *f, struct fusebox_measured *now)
{
    int err = fusebox_session(f);

    if (err == 0)
        err = tpm2_pcr_read_set(f->tpm, &f->session, FUSEBOX_PCRS, now->pcr);
    if (err == 0)
        err = read_clock(f, now);
    return fusebox_session_done(f, err);
}

static uint32_t differing(const struct fusebox_measured *a, const struct fusebox_measured *b)
{
    uint32_t mask = 0;
    size_t n = 0;

    for (unsigned int i = 0; i < EVENTLOG_PCRS; i++) {
        if ((FUSEBOX_PCRS >> i & 1u) == 0)
            continue;
        if (!kapu_equal(a->pcr[n], b->pcr[n], sizeof(a->pcr[n])))
            mask |= 1u << i;
        n++;
    }
    return mask;
}

int fusebox_check(struct fusebox *f, const struct fusebox_measured *m, struct fusebox_difference *d)
{
    struct fusebox_measured now = {0};
    int err = KAPU_EPLAIN;

    *d = (struct fusebox_difference){0};
    f->at = "measurements";
    for (unsigned int i = 0; i < ATTEMPTS && err != 0 && f->salted; i++)
        err = look(f, &now);
    if (err == 0) {
        d->pcrs = differing(m, &now);
        d->reset = now.resets != m->resets || now.restarts != m->restarts;
    }
    d->reset = d->reset || f->lost;
    return err;
}
