/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of updates: what it does next, and what it answers. It decides nothing that counts:
 * the update TA does (kapu/update.h). The writer brings the secure world what operators signed,
 * fills the slot that does not run, and has the gateway reset.
 *
 * After each step it asks the TA for its state, looks at its own files, and takes the first row
 * that is true (writer_decide):
 *
 *     stage      files                                    it
 *     ---------  ---------------------------------------  -----------------------------------------
 *     closed                                              waits, and asks the TA again
 *     waiting,   recorded as a reason of a reset in       stays up, and says so: another reset is
 *     over       another boot                             no use
 *     waiting,                                            records it as a reason, and ends with
 *     over                                                WRITER_RESTART
 *     on trial   the manifest needs no approval           asks for the confirmation, until it is
 *                                                         given
 *     on trial                                            rests: the operator's approval comes
 *     idle       order, of a release that was confirmed   keeps it as the running release, which is
 *                                                         to be copied
 *     idle       order whose rollout had its trial        forgets the order, and says what came of
 *                                                         the trial; if the running release is not
 *                                                         known, so that it cannot be copied, the
 *                                                         first sector of the other slot is erased
 *     idle       order, or a copy, that failed in this    rests, and says why
 *                boot
 *     idle       order                                    asks the TA to check it; fetches and
 *                                                         writes; requests the trial
 *     idle       copy to be made                          copies the running release
 *     idle                                                rests
 *
 * So nothing is written while a trial waits or runs, and what a power cut left is gone on with.
 *
 * Resets: waiting and over end with the next reset: BL1 starts the trial, or the other slot. Of
 * each trial and stage one boot asks for it; if another boot finds the same, the reset does not do
 * what it is for, and the gateway stays up. The program asks the service manager for the reset by a
 * file, so that none of its other ends can look like it.
 *
 * Requests are served at any time, between steps too. An order that is taken, a halt and new keys
 * end a job that runs; what is done next is decided anew, beginning with the TA's check.
 *
 * Trust: requests come from kapu-link, which takes them from the operator's broker; they are
 * decoded strictly, and what is in them is the secure world's to judge. Servers: see job.h.
 */
#ifndef KAPU_UPDATE_WRITER_H
#define KAPU_UPDATE_WRITER_H

#include "job.h"
#include "tee.h"

/* ---- what is done next ---- */

enum writer_next {
    WRITER_ASK_AGAIN,
    WRITER_IN_VAIN,
    WRITER_RESET,
    WRITER_CONFIRM,
    WRITER_PROMOTE,
    WRITER_DROP,
    WRITER_INSTALL,
    WRITER_COPY,
    WRITER_REST,
};

struct writer_facts {
    enum update_stage stage;
    bool approval;                        /* the trial needs one */
    bool reset_before;                    /* in another boot, for the same reason */
    bool order, confirmed, tried, copies; /* there is one; of its release, of its rollout */
    bool failed;                          /* in this boot */
};

enum writer_next writer_decide(const struct writer_facts *f);

/* ---- the writer ---- */

struct writer_port {
    void *ctx;
    /* Serves requests (writer_answer) for so many ms, or until one came; 0: those that are there.
     * false: the program is to end. */
    bool (*poll)(void *ctx, uint32_t ms);
    uint64_t (*now_ms)(void *ctx);     /* any clock that does not stand still or go back */
    uint32_t (*memory_kib)(void *ctx); /* most that this program has used */
};

/* What an answer is, and of which release. */
struct writer_verdict {
    enum update_answer answer;
    char why[PROTOCOL_WHY_MAX + 1u];
    uint8_t about[RELEASE_DIGEST_SIZE];
};

struct writer {
    struct writer_port port;
    struct tee_port tee;
    struct store store;
    /* private */
    struct job_port job_port;
    struct tee_state state;
    struct order order, running, asked;
    enum protocol_work work;
    struct writer_verdict verdict;
    bool copies, failed, in_job;
    bool news;   /* something was asked that may change what is done next */
    bool ending; /* the program */
    uint8_t work_memory[PROTOCOL_REQUEST_MAX], reply[512];
    struct job job;
};

enum writer_end {
    WRITER_RESTART, /* the gateway is to be reset */
    WRITER_ENDED,   /* the port said so */
};

/* `slots`: media and server of job_port; its goes_on, rest and tell are the writer's. */
void writer_open(struct writer *w, const struct writer_port *port, const struct tee_port *tee,
                 const struct store *store, const struct job_port *slots);
enum writer_end writer_run(struct writer *w);

/* Serves what was asked; whether the job goes on: for whatever takes long. `w`: the writer. */
bool writer_goes_on(void *w);
/* The reply to a request (kapu/protocol.h), in memory that the next call uses again. To be called
 * by port.poll only. */
struct bytes writer_answer(struct writer *w, struct bytes request);

#endif
