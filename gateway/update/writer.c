// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define AGAIN_MS 10000u  /* when TA or state folder cannot be used */
#define CLEAN_MS 60000u  /* between two deep checks of a trial that is not confirmed yet */
#define FOREVER 3600000u /* nothing is to do until something is asked */

/* ---- what is done next ---- */

enum writer_next writer_decide(const struct writer_facts *f)
{
    switch (f->stage) {
    case UPDATE_WAITING:
    case UPDATE_OVER:
        return f->reset_before ? WRITER_IN_VAIN : WRITER_RESET;
    case UPDATE_ON_TRIAL:
        return f->approval ? WRITER_REST : WRITER_CONFIRM;
    case UPDATE_IDLE:
        break;
    default:
        return WRITER_ASK_AGAIN;
    }
    if (f->order && f->confirmed)
        return WRITER_PROMOTE;
    if (f->order && f->tried)
        return WRITER_DROP;
    if (f->failed)
        return WRITER_REST;
    if (f->order)
        return WRITER_INSTALL;
    return f->copies ? WRITER_COPY : WRITER_REST;
}

/* ---- what is known ---- */

int writer_refresh(struct writer *w)
{
    int err = w->tee.state(w->tee.ctx, &w->state);

    if (err != 0)
        w->state.stage = UPDATE_CLOSED;
    return err;
}

/* The secure world names the release that it confirmed last; of others nothing is known. */
static void doubt_running(struct writer *w)
{
    const struct update_record *r = &w->state.record;

    if (w->running.there && !r->trial && r->last == UPDATE_CONFIRMED &&
        !order_is_confirmed(&w->running, r))
        w->running.there = false;
}

static int load(struct writer *w)
{
    int err = order_load(&w->store, ORDER_FILE, &w->order);

    if (err == 0)
        err = order_load(&w->store, ORDER_RUNNING, &w->running);
    if (err != 0)
        return err;
    doubt_running(w);
    w->copies = w->running.there && order_is_copying(&w->store);
    return 0;
}

static int look(struct writer *w, struct writer_facts *f)
{
    const struct update_record *r = &w->state.record;

    *f = (struct writer_facts){.stage = w->state.stage,
                               .approval = r->approval,
                               .order = w->order.there,
                               .copies = w->copies,
                               .failed = w->failed};
    f->confirmed = f->order && order_is_confirmed(&w->order, r);
    f->tried = f->order && order_was_tried(&w->order, r);
    return order_restarted(&w->store, f->stage, r, w->state.boot, &f->reset_before);
}

/* ---- what is said, and rests ---- */

static void settle(struct writer *w, enum protocol_work work, enum update_answer answer,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
static void settle(struct writer *w, enum protocol_work work, enum update_answer answer,
                   const char *format, ...)
{
    va_list args;

    w->in_job = false;
    w->work = work;
    w->verdict.answer = answer;
    va_start(args, format);
    (void)vsnprintf(w->verdict.why, sizeof(w->verdict.why), format, args);
    va_end(args);
    if (w->verdict.why[0] != '\0')
        (void)fprintf(stderr, "kapu-update: %s\n", w->verdict.why);
}

static void about(struct writer *w, const struct order *o)
{
    memcpy(w->verdict.about, o->digest, sizeof(w->verdict.about));
}

bool writer_goes_on(void *ctx)
{
    struct writer *w = ctx;

    if (!w->port.poll(w->port.ctx, 0))
        w->ending = true;
    return !w->ending && !w->news;
}

static bool rest(void *ctx, uint32_t ms)
{
    struct writer *w = ctx;
    const uint64_t begin = w->port.now_ms(w->port.ctx);

    while (!w->ending && !w->news) {
        const uint64_t passed = w->port.now_ms(w->port.ctx) - begin;

        if (passed >= ms)
            return true;
        if (!w->port.poll(w->port.ctx, (uint32_t)(ms - passed)))
            w->ending = true;
    }
    return false;
}

/* For evidence. Without it the update goes on just as well. */
static void tell(void *ctx, enum update_answer answer)
{
    const struct writer *w = ctx;

    if (w->tee.tell(w->tee.ctx, answer) != 0)
        (void)fprintf(stderr, "kapu-update: update TA: not told of %s: %s\n",
                      update_answer_name(answer), w->tee.said(w->tee.ctx));
}

/* ---- the rows of the table ---- */

static void state_folder_fails(struct writer *w)
{
    settle(w, PROTOCOL_STOPPED, UPDATE_DONE, "state folder: %s", strerror(errno));
    (void)rest(w, AGAIN_MS);
}

static void secure_world_fails(struct writer *w)
{
    settle(w, PROTOCOL_STOPPED, UPDATE_DONE, "update TA: %s", w->tee.said(w->tee.ctx));
    (void)rest(w, AGAIN_MS);
}

static void stay_up(struct writer *w)
{
    settle(w, PROTOCOL_STOPPED, UPDATE_DONE,
           "the gateway was reset, and its update is %s as before",
           update_stage_name(w->state.stage));
    (void)rest(w, FOREVER);
}

static bool reset(struct writer *w)
{
    if (order_restarts(&w->store, w->state.stage, &w->state.record, w->state.boot) != 0) {
        state_folder_fails(w);
        return false;
    }
    settle(w, PROTOCOL_RESTARTING, UPDATE_DONE, "%s", "");
    return true;
}

static void confirm(struct writer *w)
{
    const struct bytes none = {NULL, 0};
    enum update_answer answer = UPDATE_DONE;

    if (w->tee.confirm(w->tee.ctx, none, none, &answer) != 0) {
        secure_world_fails(w);
        return;
    }
    memcpy(w->verdict.about, w->state.record.release, sizeof(w->verdict.about));
    settle(w, PROTOCOL_RESTING, answer, "%s",
           answer == UPDATE_DONE ? "" : update_answer_says(answer));
    if (answer != UPDATE_DONE)
        (void)rest(w, CLEAN_MS);
}

static void promote(struct writer *w)
{
    if (order_promote(&w->store, &w->order) != 0)
        state_folder_fails(w);
}

static void forget(struct writer *w)
{
    if (order_forget(&w->store) != 0)
        state_folder_fails(w);
}

/* A release that failed is not to start by itself later, and nothing better comes into its slot:
 * without its first sector it is none. */
static void spoil_other(struct writer *w)
{
    const struct flash_port *f = &w->job_port.other_firmware;

    if (f->erase(f->ctx, 0) != 0)
        (void)fprintf(stderr, "kapu-update: other slot: cannot be erased: %m\n");
}

static void drop(struct writer *w)
{
    about(w, &w->order);
    settle(w, PROTOCOL_STOPPED, UPDATE_DONE, "the trial was not confirmed: %s",
           update_outcome_name((enum update_outcome)w->state.record.last));
    if (!w->running.there)
        spoil_other(w);
    forget(w);
}

/* Done, or it is said why not. */
static bool run_job(struct writer *w, const struct order *o, bool copy)
{
    enum job_end end;

    about(w, o);
    settle(w, copy ? PROTOCOL_COPYING : PROTOCOL_FETCHING, UPDATE_DONE, "%s", "");
    w->in_job = true;
    end = job_run(&w->job, &w->job_port, &w->store, o, &w->running, copy);
    w->in_job = false;
    if (end == JOB_FAILED || end == JOB_UNFIT) {
        w->work = PROTOCOL_STOPPED; /* the job has told the journal */
        w->verdict.answer = w->job.said.answer;
        memcpy(w->verdict.why, w->job.said.why, sizeof(w->verdict.why));
        w->failed = end == JOB_FAILED || copy;
        if (!w->failed)
            forget(w);
    }
    return end == JOB_DONE;
}

/* Whether the TA would take, or took, the order; else it is said why not, and the order is gone. */
static bool asked(struct writer *w, bool only_check)
{
    const struct update_request r = writer_request_of(&w->order);
    enum update_answer answer = UPDATE_DONE;

    if (w->tee.request(w->tee.ctx, only_check, &r, &answer) != 0) {
        secure_world_fails(w);
        return false;
    }
    if (answer == UPDATE_DONE)
        return true;
    about(w, &w->order);
    settle(w, PROTOCOL_STOPPED, answer, "%s", update_answer_says(answer));
    forget(w);
    return false;
}

/* What the other slot has is lost by an installation: whatever comes of it, the running release is
 * to be in both slots in the end, if it is known. */
static void install(struct writer *w)
{
    if (!asked(w, true))
        return;
    if (w->running.there && order_copies(&w->store) != 0) {
        state_folder_fails(w);
        return;
    }
    if (!run_job(w, &w->order, false))
        return;
    settle(w, PROTOCOL_ASKING, UPDATE_DONE, "%s", "");
    (void)asked(w, false);
}

static void copy(struct writer *w)
{
    if (!run_job(w, &w->running, true))
        return;
    settle(w, PROTOCOL_RESTING, UPDATE_DONE, "%s", "");
    if (order_copied(&w->store) != 0)
        state_folder_fails(w);
}

static void sleep_on(struct writer *w)
{
    (void)rest(w, FOREVER);
}

static void act(struct writer *w, enum writer_next next)
{
    static void (*const row[])(struct writer *) = {
        [WRITER_ASK_AGAIN] = secure_world_fails,
        [WRITER_IN_VAIN] = stay_up,
        [WRITER_CONFIRM] = confirm,
        [WRITER_PROMOTE] = promote,
        [WRITER_DROP] = drop,
        [WRITER_INSTALL] = install,
        [WRITER_COPY] = copy,
        [WRITER_REST] = sleep_on,
    };

    row[next](w);
}

void writer_open(struct writer *w, const struct writer_port *port, const struct tee_port *tee,
                 const struct store *store, const struct job_port *slots)
{
    w->port = *port;
    w->tee = *tee;
    w->store = *store;
    w->job_port = *slots;
    w->job_port.ctx = w;
    w->job_port.goes_on = writer_goes_on;
    w->job_port.rest = rest;
    w->job_port.tell = tell;
    w->state.stage = UPDATE_CLOSED;
    w->work = PROTOCOL_RESTING;
}

enum writer_end writer_run(struct writer *w)
{
    while (!w->ending) {
        struct writer_facts facts;
        enum writer_next next;

        w->news = false;
        if (writer_refresh(w) != 0) {
            secure_world_fails(w);
            continue;
        }
        if (load(w) != 0 || look(w, &facts) != 0) {
            state_folder_fails(w);
            continue;
        }
        next = writer_decide(&facts);
        if (next != WRITER_RESET)
            act(w, next);
        else if (reset(w))
            return WRITER_RESTART;
    }
    return WRITER_ENDED;
}
