// SPDX-License-Identifier: Apache-2.0
/* What requests are answered, and what they change. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* ---- replies ---- */

static struct bytes encode(struct writer *w, const struct protocol_reply *r)
{
    static const char none[] = "the answer has no place in the protocol";
    const struct protocol_reply instead = {.kind = PROTOCOL_ERROR,
                                           .error = {(const uint8_t *)none, sizeof(none) - 1}};
    struct wr out;

    wr_init(&out, w->reply, sizeof(w->reply));
    if (protocol_reply_encode(r, &out) != 0) {
        wr_init(&out, w->reply, sizeof(w->reply));
        (void)!protocol_reply_encode(&instead, &out);
    }
    return wr_done(&out);
}

/* Printable ASCII, as the protocol has it: a server's words may come along. */
static struct bytes printable(char *text)
{
    size_t n = 0;

    for (; n < PROTOCOL_WHY_MAX && text[n] != '\0'; n++) {
        if (text[n] < ' ' || text[n] > '~')
            text[n] = '?';
    }
    return (struct bytes){(const uint8_t *)text, n};
}

static struct bytes error(struct writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct bytes error(struct writer *w, const char *format, ...)
{
    char text[PROTOCOL_ERROR_MAX + 1u];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return encode(w, &(struct protocol_reply){.kind = PROTOCOL_ERROR, .error = printable(text)});
}

/* `v`: of a request that was refused while something else is being done. */
static struct bytes state_of(struct writer *w, const struct writer_verdict *v)
{
    const struct job_said *job = &w->job.said;
    struct protocol_reply r = {.kind = PROTOCOL_UPDATE};
    struct protocol_update *u = &r.update;
    struct writer_verdict now = w->verdict;

    if (v != NULL) {
        now = *v;
    } else if (w->in_job) {
        now.answer = job->answer;
        memcpy(now.why, job->why, sizeof(now.why));
    }
    u->stage = (uint8_t)w->state.stage;
    u->last = w->state.record.last;
    u->reset = w->state.record.reset;
    u->work = (uint8_t)w->work;
    u->answer = (uint8_t)now.answer;
    u->why = printable(now.why);
    memcpy(u->release, now.about, sizeof(u->release));
    u->done = job->done;
    u->all = job->all;
    u->fetched = job->fetched;
    u->rollout = w->state.record.rollout;
    memcpy(u->boot, w->state.boot, sizeof(u->boot));
    u->group = update_record_group(&w->state.record);
    u->memory_kib = w->port.memory_kib(w->port.ctx);
    return encode(w, &r);
}

static struct bytes no_secure_world(struct writer *w)
{
    return error(w, "update TA: %s", w->tee.said(w->tee.ctx));
}

/* Kept for later replies, but when something else is being done. `stops`: there is nothing to do
 * any more. */
static struct bytes answered(struct writer *w, enum update_answer answer, const uint8_t about[32],
                             bool stops)
{
    struct writer_verdict v = {.answer = answer};

    if (answer != UPDATE_DONE)
        (void)snprintf(v.why, sizeof(v.why), "%s", update_answer_says(answer));
    memcpy(v.about, about, sizeof(v.about));
    if (w->in_job)
        return state_of(w, answer != UPDATE_DONE ? &v : NULL);
    w->verdict = v;
    if (stops)
        w->work = PROTOCOL_STOPPED;
    return state_of(w, NULL);
}

/* ---- install ---- */

/* As it would be asked for in the end. */
struct update_request writer_request_of(const struct order *o)
{
    struct update_request r = {.manifest = o->request.manifest, .rollout = o->request.order};

    r.keys[RELEASE_ROLE_RELEASE - 1] = o->request.release_keys;
    r.keys[RELEASE_ROLE_ROLLOUT - 1] = o->request.keys;
    return r;
}

static uint8_t trials_before(const struct writer *w, const struct order *o)
{
    const struct update_record *r = &w->state.record;

    return r->rollout == o->rollout.number ? r->trials : 0;
}

static struct bytes take_order(struct writer *w)
{
    struct order *o = &w->asked;

    o->trials = trials_before(w, o);
    if (order_keep(&w->store, o) != 0)
        return error(w, "state folder: %s", strerror(errno));
    w->news = true;
    w->failed = w->in_job = false;
    w->work = PROTOCOL_FETCHING;
    w->job.said = (struct job_said){.answer = UPDATE_DONE};
    return answered(w, UPDATE_DONE, o->digest, false);
}

static bool is_being_done(const struct writer *w)
{
    return w->in_job && w->work != PROTOCOL_COPYING && !w->news && order_same(&w->order, &w->asked);
}

/* The order in w->asked. What the secure world refuses is told first. One without the right key is
 * not kept, and nothing of it is fetched. */
static struct bytes judge(struct writer *w)
{
    const struct update_request request = writer_request_of(&w->asked);
    enum update_answer answer = UPDATE_DONE;
    int err;

    if (writer_refresh(w) != 0 || w->tee.request(w->tee.ctx, true, &request, &answer) != 0)
        return no_secure_world(w);
    if (answer == UPDATE_DONE && w->state.stage != UPDATE_IDLE)
        answer = UPDATE_BUSY; /* what waits or runs is not overwritten */
    if (answer != UPDATE_DONE)
        return answered(w, answer, w->asked.digest, w->state.stage == UPDATE_IDLE);
    err = order_check_key(&w->asked);
    if (err != 0)
        return error(w, "%s", order_key_says(err));
    if (is_being_done(w))
        return state_of(w, NULL);
    return take_order(w);
}

static struct bytes install(struct writer *w, const struct protocol_request *r, struct bytes body)
{
    struct bytes reply;

    (void)r;
    if (order_take(&w->asked, body, 0) != 0)
        reply = error(w, "manifest or rollout is malformed");
    else if (w->asked.rollout.action != RELEASE_INSTALL)
        reply = error(w, "the rollout halts a release: it belongs into a halt");
    else
        reply = judge(w);
    order_wipe(&w->asked);
    return reply;
}

/* ---- halt, approve, keys ---- */

/* The order of a release that was halted is forgotten, if it was not confirmed just before. */
static int forget_halted(struct writer *w, const uint8_t release[RELEASE_DIGEST_SIZE])
{
    int err = order_load(&w->store, ORDER_FILE, &w->asked);

    if (err == 0 && w->asked.there && !order_is_confirmed(&w->asked, &w->state.record) &&
        memcmp(w->asked.digest, release, RELEASE_DIGEST_SIZE) == 0) {
        err = order_forget(&w->store);
        w->news = true;
        w->in_job = false;
        w->work = PROTOCOL_RESTING;
        w->job.said = (struct job_said){.answer = UPDATE_DONE};
    }
    order_wipe(&w->asked);
    return err;
}

/* A halt that comes again changes nothing, and what is being done goes on. */
static bool has_changed(const struct tee_state *a, const struct tee_state *b)
{
    return a->stage != b->stage || a->record.rollout != b->record.rollout ||
           a->record.trial != b->record.trial;
}

static struct bytes halt(struct writer *w, const struct protocol_request *r, struct bytes body)
{
    struct update_request request = {.rollout = r->order};
    enum update_answer answer = UPDATE_DONE;
    const struct tee_state before = w->state;
    struct release_signed s;
    struct release_rollout rollout;

    (void)body;
    request.keys[RELEASE_ROLE_ROLLOUT - 1] = r->keys;
    if (release_signed_decode(&release_rollout_kind, r->order, &s, w->asked.work,
                              sizeof(w->asked.work)) != 0 ||
        release_rollout_decode(s.content, &rollout, w->asked.work, sizeof(w->asked.work)) != 0)
        return error(w, "the rollout is malformed");
    if (rollout.action != RELEASE_HALT)
        return error(w, "the rollout does not halt: it belongs into an install");
    if (w->tee.request(w->tee.ctx, false, &request, &answer) != 0)
        return no_secure_world(w);
    if (answer != UPDATE_DONE)
        return answered(w, answer, rollout.release, false);
    if (writer_refresh(w) != 0)
        return no_secure_world(w);
    w->news = w->news || has_changed(&before, &w->state);
    if (forget_halted(w, rollout.release) != 0)
        return error(w, "state folder: %s", strerror(errno));
    return answered(w, UPDATE_DONE, rollout.release, false);
}

/* After it the state is another one; what is done next is decided anew. */
static struct bytes decided(struct writer *w, int err, enum update_answer answer)
{
    if (err != 0 || writer_refresh(w) != 0)
        return no_secure_world(w);
    w->news = w->news || answer == UPDATE_DONE;
    if (w->order.there && order_is_confirmed(&w->order, &w->state.record))
        w->work = PROTOCOL_COPYING; /* as soon as this is answered */
    return answered(w, answer, w->state.record.release, false);
}

static struct bytes approve(struct writer *w, const struct protocol_request *r, struct bytes body)
{
    enum update_answer answer = UPDATE_DONE;
    int err = w->tee.confirm(w->tee.ctx, r->order, r->keys, &answer);

    (void)body;
    return decided(w, err, answer);
}

static struct bytes keys(struct writer *w, const struct protocol_request *r, struct bytes body)
{
    enum update_answer answer = UPDATE_DONE;
    int err = w->tee.keys(w->tee.ctx, r->keys, r->order, &answer);

    (void)body;
    return decided(w, err, answer);
}

/* Changes which rollouts address this gateway; a running job goes on. */
static struct bytes join(struct writer *w, const struct protocol_request *r, struct bytes body)
{
    enum update_answer answer = UPDATE_DONE;

    (void)body;
    if (w->tee.join(w->tee.ctx, r->order, r->keys, &answer) != 0 || writer_refresh(w) != 0)
        return no_secure_world(w);
    return answered(w, answer, w->state.record.release, false);
}

static struct bytes update(struct writer *w, const struct protocol_request *r, struct bytes body)
{
    (void)r;
    (void)body;
    return state_of(w, NULL);
}

/* ---- all of them ---- */

struct bytes writer_answer(struct writer *w, struct bytes request)
{
    static const struct {
        enum protocol_kind kind;
        struct bytes (*run)(struct writer *w, const struct protocol_request *r, struct bytes body);
    } row[] = {
        {PROTOCOL_UPDATE, update},   {PROTOCOL_INSTALL, install}, {PROTOCOL_HALT, halt},
        {PROTOCOL_APPROVE, approve}, {PROTOCOL_KEYS, keys},       {PROTOCOL_JOIN, join},
    };
    static struct protocol_request r; /* no reply points to it; but tools cannot see that */
    int err = protocol_request_decode(request, &r, w->work_memory, sizeof(w->work_memory));

    kapu_wipe(w->work_memory, sizeof(w->work_memory)); /* it had the request, with its key */
    if (err != 0)
        return error(w, "the request is malformed");
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (row[i].kind == r.kind)
            return row[i].run(w, &r, request);
    }
    return error(w, "the request is not for the writer of updates");
}
