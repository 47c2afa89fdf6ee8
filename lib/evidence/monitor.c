// SPDX-License-Identifier: Apache-2.0
/* The submodule "monitor": what the secure world saw of Linux. */
#include "internal.h"

enum { TIMES = 3, COUNTS = 3, WATCH = 6, RESETS = 2, CHECK_ITEMS = 2, FINDING_ITEMS = 5 };

enum evidence_verdict evidence_verdict_of(uint32_t alarms, uint32_t warnings)
{
    if (alarms > 0)
        return EVIDENCE_ALARMS;
    return warnings > 0 ? EVIDENCE_WARNINGS : EVIDENCE_CLEAN;
}

/* What the schema cannot say: the parts must not contradict one another. */
static int consistent(const struct evidence_monitor *m)
{
    uint32_t alarms = 0;

    if (m->checks > EVIDENCE_CHECKS || m->findings > EVIDENCE_FINDINGS ||
        m->verdict != evidence_verdict_of(m->alarms, m->warnings) ||
        (uint64_t)m->findings + m->not_kept != (uint64_t)m->alarms + m->warnings ||
        m->began_ms > m->ended_ms || m->ended_ms > m->now_ms ||
        m->last_reset > EVIDENCE_RESET_PANIC)
        return KAPU_EARG;
    for (size_t i = 0; i < m->checks; i++) {
        if (m->check[i].id.n == 0)
            return KAPU_EARG;
    }
    for (size_t i = 0; i < m->findings; i++) {
        const struct evidence_finding *f = &m->finding[i];

        if ((f->severity != EVIDENCE_WARNING && f->severity != EVIDENCE_ALARM) || f->id.n == 0)
            return KAPU_EARG;
        alarms += f->severity == EVIDENCE_ALARM;
    }
    return alarms <= m->alarms && m->findings - alarms <= m->warnings ? 0 : KAPU_EARG;
}

static void put_times(struct enc *e, const struct evidence_monitor *m)
{
    QCBOREncode_OpenArrayInMapN(&e->q, LABEL_TIMES);
    QCBOREncode_AddUInt64(&e->q, m->began_ms);
    QCBOREncode_AddUInt64(&e->q, m->ended_ms);
    QCBOREncode_AddUInt64(&e->q, m->now_ms);
    QCBOREncode_CloseArray(&e->q);
}

static void put_lists(struct enc *e, const struct evidence_monitor *m)
{
    QCBOREncode_OpenArrayInMapN(&e->q, LABEL_CHECKS);
    for (size_t i = 0; i < m->checks; i++) {
        QCBOREncode_OpenArray(&e->q);
        enc_text(e, m->check[i].id, EVIDENCE_ID_MAX);
        QCBOREncode_AddInt64(&e->q, m->check[i].result);
        QCBOREncode_CloseArray(&e->q);
    }
    QCBOREncode_CloseArray(&e->q);
    QCBOREncode_OpenArrayInMapN(&e->q, LABEL_FINDINGS);
    for (size_t i = 0; i < m->findings; i++) {
        const struct evidence_finding *f = &m->finding[i];

        QCBOREncode_OpenArray(&e->q);
        QCBOREncode_AddUInt64(&e->q, f->severity);
        enc_text(e, f->id, EVIDENCE_ID_MAX);
        enc_text(e, f->object, EVIDENCE_OBJECT_MAX);
        QCBOREncode_AddUInt64(&e->q, f->address);
        enc_text(e, f->detail, EVIDENCE_DETAIL_MAX);
        QCBOREncode_CloseArray(&e->q);
    }
    QCBOREncode_CloseArray(&e->q);
}

void put_monitor(struct enc *e, const struct evidence_monitor *m)
{
    const uint32_t counts[COUNTS] = {m->alarms, m->warnings, m->not_kept};
    const uint32_t watch[WATCH] = {m->watch.ticks,   m->watch.pages,   m->watch.passes,
                                   m->watch.pass_ms, m->watch.changed, m->watch.cores};
    const uint32_t resets[RESETS] = {m->last_reset, m->resets};
    int err = consistent(m);

    if (err != 0) {
        enc_fail(e, err);
        return;
    }
    QCBOREncode_OpenMap(&e->q);
    QCBOREncode_AddUInt64ToMapN(&e->q, LABEL_VERDICT, m->verdict);
    QCBOREncode_AddUInt64ToMapN(&e->q, LABEL_NUMBER, m->number);
    put_times(e, m);
    enc_uints(e, LABEL_COUNTS, counts, COUNTS);
    enc_uints(e, LABEL_WATCH, watch, WATCH);
    enc_uints(e, LABEL_RESETS, resets, RESETS);
    put_lists(e, m);
    QCBOREncode_AddUInt64ToMapN(&e->q, LABEL_KERNEL, m->kernel_base);
    QCBOREncode_CloseMap(&e->q);
}

static void get_times(struct dec *d, struct evidence_monitor *m)
{
    (void)dec_array(d, LABEL_TIMES, TIMES);
    m->began_ms = dec_uint(d, NO_LABEL, UINT64_MAX);
    m->ended_ms = dec_uint(d, NO_LABEL, UINT64_MAX);
    m->now_ms = dec_uint(d, NO_LABEL, UINT64_MAX);
}

static void get_lists(struct dec *d, struct evidence_monitor *m)
{
    m->checks = dec_array(d, LABEL_CHECKS, -(int)EVIDENCE_CHECKS);
    for (size_t i = 0; i < m->checks; i++) {
        (void)dec_array(d, NO_LABEL, CHECK_ITEMS);
        m->check[i].id = dec_text(d, NO_LABEL, EVIDENCE_ID_MAX);
        m->check[i].result = dec_int32(d, NO_LABEL);
    }
    m->findings = dec_array(d, LABEL_FINDINGS, -(int)EVIDENCE_FINDINGS);
    for (size_t i = 0; i < m->findings; i++) {
        struct evidence_finding *f = &m->finding[i];

        (void)dec_array(d, NO_LABEL, FINDING_ITEMS);
        f->severity = (enum evidence_severity)dec_uint(d, NO_LABEL, EVIDENCE_ALARM);
        f->id = dec_text(d, NO_LABEL, EVIDENCE_ID_MAX);
        f->object = dec_text(d, NO_LABEL, EVIDENCE_OBJECT_MAX);
        f->address = dec_uint(d, NO_LABEL, UINT64_MAX);
        f->detail = dec_text(d, NO_LABEL, EVIDENCE_DETAIL_MAX);
    }
}

void get_monitor(struct dec *d, struct evidence_monitor *m)
{
    uint32_t counts[COUNTS], watch[WATCH], resets[RESETS];

    *m = (struct evidence_monitor){0};
    m->verdict = (enum evidence_verdict)dec_uint(d, LABEL_VERDICT, EVIDENCE_ALARMS);
    m->number = (uint32_t)dec_uint(d, LABEL_NUMBER, UINT32_MAX);
    get_times(d, m);
    dec_uints(d, LABEL_COUNTS, counts, COUNTS);
    m->alarms = counts[0];
    m->warnings = counts[1];
    m->not_kept = counts[2];
    dec_uints(d, LABEL_WATCH, watch, WATCH);
    m->watch.ticks = watch[0];
    m->watch.pages = watch[1];
    m->watch.passes = watch[2];
    m->watch.pass_ms = watch[3];
    m->watch.changed = watch[4];
    m->watch.cores = watch[5];
    dec_uints(d, LABEL_RESETS, resets, RESETS);
    m->last_reset = (enum evidence_reset)resets[0];
    m->resets = resets[1];
    get_lists(d, m);
    m->kernel_base = dec_uint(d, LABEL_KERNEL, UINT64_MAX);
    if (d->err == 0 && consistent(m) != 0)
        dec_fail(d, KAPU_EINVAL);
}

int evidence_monitor_encode(const struct evidence_monitor *m, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    put_monitor(&e, m);
    return enc_end(&e);
}

int evidence_monitor_decode(struct bytes in, struct evidence_monitor *m, uint8_t *work,
                            size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, EVIDENCE_MONITOR_MAX, &w, work, work_n);

    if (err != 0)
        return err;
    dec_begin(&d, in);
    (void)dec_map(&d, NO_LABEL, MONITOR_ITEMS);
    get_monitor(&d, m);
    err = dec_end(&d);
    if (err == 0 && evidence_monitor_encode(m, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}
