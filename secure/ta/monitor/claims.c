// SPDX-License-Identifier: Apache-2.0
/* What was seen, as claims of evidence. */
#include "monitor.h"

#include <string.h>

#include <kapu/evidence.h>

static struct bytes text_of(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static void put_findings(const struct verdict *v, struct evidence_monitor *m)
{
    m->not_kept = (uint32_t)v->not_kept;
    m->findings = v->findings;
    for (size_t i = 0; i < v->findings; i++) {
        const struct finding *f = &v->finding[i];

        m->finding[i] = (struct evidence_finding){
            .severity = f->severity == INTROSPECT_ALARM ? EVIDENCE_ALARM : EVIDENCE_WARNING,
            .id = text_of(f->id),
            .object = text_of(f->object),
            .detail = text_of(f->detail),
            .address = f->address,
        };
    }
}

static void put_watch(struct evidence_monitor *m)
{
    struct core_figures f = core_figures();

    m->watch.ticks = f.ticks;
    m->watch.pages = f.pages;
    m->watch.passes = f.passes;
    m->watch.pass_ms = f.pass_ms;
    m->watch.changed = f.changed;
    m->watch.cores = f.cores;
}

int claims_make(const struct verdict *v, struct wr *to)
{
    static char words[MONITOR_TEXT_MAX];
    static struct evidence_monitor m;
    size_t n = 0;

    _Static_assert(FINDINGS_MAX <= EVIDENCE_FINDINGS && CHECKS_MAX <= EVIDENCE_CHECKS,
                   "evidence has room for what is seen");
    _Static_assert((int)EVIDENCE_RESET_ALARM == (int)MONITOR_RESET_ALARM &&
                       (int)EVIDENCE_RESET_WATCHDOG == (int)MONITOR_RESET_WATCHDOG &&
                       (int)EVIDENCE_RESET_PANIC == (int)MONITOR_RESET_PANIC,
                   "the core's numbers are those of evidence");
    memset(&m, 0, sizeof(m));
    m.verdict = evidence_verdict_of(v->alarms, v->warnings);
    m.number = v->number;
    m.began_ms = v->began_ms;
    m.ended_ms = v->at_ms;
    m.now_ms = core_time().now_ms;
    m.alarms = v->alarms;
    m.warnings = v->warnings;
    m.last_reset = (enum evidence_reset)core_last(&m.resets, words, &n);
    m.checks = v->checks;
    for (size_t i = 0; i < v->checks; i++)
        m.check[i] = (struct evidence_check){text_of(v->did[i].id), v->did[i].result};
    m.kernel_base = v->image_base;
    put_findings(v, &m);
    put_watch(&m);
    return evidence_monitor_encode(&m, to);
}
