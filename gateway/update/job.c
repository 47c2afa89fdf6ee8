// SPDX-License-Identifier: Apache-2.0
#include "job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "unpack.h"

#define ASK_EACH 16u /* blocks that are looked at between two questions whether to go on */
#define PIECE (64u << 10)
#define PATCH_TRIES 3u

/* ---- what is said ---- */

static void say_why(struct job *j, enum update_answer answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say_why(struct job *j, enum update_answer answer, const char *format, ...)
{
    char before[sizeof(j->said.why)];
    va_list args;

    memcpy(before, j->said.why, sizeof(before));
    j->said.answer = answer;
    va_start(args, format);
    (void)vsnprintf(j->said.why, sizeof(j->said.why), format, args);
    va_end(args);
    for (char *c = j->said.why; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') /* a server's words may come along */
            *c = '?';
    }
    if (strcmp(before, j->said.why) != 0) /* once to the journal, for as long as it lasts */
        (void)fprintf(stderr, "kapu-update: %s\n", j->said.why);
    if (update_is_told(answer))
        j->port.tell(j->port.ctx, answer);
}

static void all_is_well(struct job *j)
{
    j->said.answer = UPDATE_DONE;
    j->said.why[0] = '\0';
    j->rest_ms = JOB_REST_MS;
}

/* Ends the job; what comes first counts. */
static int give_up(struct job *j, enum job_end end)
{
    if (j->end == JOB_DONE)
        j->end = end;
    return -1;
}

static int ask(struct job *j)
{
    return j->port.goes_on(j->port.ctx) ? 0 : give_up(j, JOB_STOPPED);
}

/* After a fault that was said: longer each time. */
static int rest(struct job *j)
{
    const uint32_t ms = j->rest_ms;

    j->rest_ms = ms < JOB_REST_MAX_MS / 2 ? 2 * ms : JOB_REST_MAX_MS;
    return j->port.rest(j->port.ctx, ms) ? 0 : give_up(j, JOB_STOPPED);
}

static const char *part_name(enum slot_part part)
{
    return part == SLOT_ROOT ? "root image" : "firmware package";
}

static int other_failed(struct job *j)
{
    say_why(j, UPDATE_DONE, "other slot, %s: cannot be read or written: %s",
            part_name(j->other.failing), strerror(errno));
    return give_up(j, JOB_FAILED);
}

static int no_memory(struct job *j)
{
    say_why(j, UPDATE_DONE, "no memory for libcrypto or libzstd");
    return give_up(j, JOB_FAILED);
}

/* ---- the server ---- */

/* Says what a fault of the server is, and of which file. */
static void say_fault(struct job *j, const char *file)
{
    const enum fetch_fault fault = j->port.server.fault(j->port.server.ctx);

    say_why(j,
            fault == FETCH_ENDLESS ? UPDATE_ENDLESS_DATA
            : fault == FETCH_SLOW  ? UPDATE_SLOW_RETRIEVAL
                                   : UPDATE_DONE,
            "%s: %s", file, j->port.server.said(j->port.server.ctx));
}

static int range(void *ctx, const char *file, uint64_t at, uint8_t *to, uint32_t n)
{
    struct job *j = ctx;
    int err = j->port.server.range != NULL
                  ? j->port.server.range(j->port.server.ctx, j->order->folder, file, at, to, n)
                  : KAPU_ENOENT;

    j->of_server = err != 0;
    if (err == 0)
        j->said.fetched += n;
    return err;
}

/* Of the plain file. */
static int get(struct job *j, struct remote *f, uint64_t at, uint8_t *to, uint32_t n)
{
    j->of_server = false;
    return remote_range(f, order_key(j->order), at, to, n, range, j);
}

/* Until it is there. */
static int get_at_last(struct job *j, struct remote *f, uint64_t at, uint8_t *to, uint32_t n)
{
    bool failed = false;

    for (; get(j, f, at, to, n) != 0; failed = true) {
        if (!j->of_server)
            return no_memory(j);
        say_fault(j, f->name);
        if (ask(j) != 0 || rest(j) != 0)
            return -1;
    }
    if (failed)
        all_is_well(j);
    return ask(j);
}

/* ---- the index ---- */

static int fetch_index(struct job *j, uint32_t size)
{
    for (;;) {
        uint32_t some;

        remote_forget(&j->file.index);
        for (uint32_t at = 0; at < size; at += some) {
            some = size - at < PIECE ? size - at : PIECE;
            if (get_at_last(j, &j->file.index, at, j->index + at, some) != 0)
                return -1;
        }
        if (order_index_is(&j->order->manifest, (struct bytes){j->index, size}) == 0)
            return 0;
        say_why(j, UPDATE_ARBITRARY_SOFTWARE, "index: is not the one that the manifest names");
        if (rest(j) != 0)
            return -1;
    }
}

static int no_index(struct job *j, const char *why)
{
    say_why(j, UPDATE_DONE, "index: %s", why);
    return give_up(j, JOB_UNFIT);
}

static int decode_index(struct job *j, size_t n)
{
    if (release_index_decode((struct bytes){j->index, n}, &j->x) != 0 ||
        j->x.blocks != release_content_blocks(&j->order->manifest))
        return no_index(j, "is malformed, or of a content of another size");
    if (j->x.prefix > JOB_PREFIX_MAX)
        return no_index(j, "needs more memory than this gateway takes for it");
    j->said.all = j->x.blocks;
    return 0;
}

static int open_index(struct job *j, bool copy)
{
    const uint64_t size = j->order->manifest.index.size;
    size_t n = 0;

    if (size > sizeof(j->index))
        return no_index(j, "is larger than this gateway takes");
    if (order_read_index(j->store, copy ? ORDER_RUNNING : ORDER_FILE, j->order, j->index, &n) == 0)
        return decode_index(j, n);
    if (copy)
        return no_index(j, "that of the running release was not kept");
    if (fetch_index(j, (uint32_t)size) != 0 || decode_index(j, (size_t)size) != 0)
        return -1;
    all_is_well(j);
    if (order_keep_index(j->store, (struct bytes){j->index, (size_t)size}) == 0)
        return 0;
    say_why(j, UPDATE_DONE, "state folder: index: %s", strerror(errno));
    return give_up(j, JOB_FAILED);
}

/* ---- the patch, which nobody needs ---- */

static void name_patch(struct job *j, const struct order *running)
{
    size_t at = (size_t)snprintf(j->patch_name, sizeof(j->patch_name), "patch-");

    for (size_t i = 0; i < RELEASE_PATCH_NAME; i++)
        at += (size_t)snprintf(j->patch_name + at, sizeof(j->patch_name) - at, "%02x",
                               running->manifest.identity[i]);
    (void)snprintf(j->patch_index_name, sizeof(j->patch_index_name), "%s.index", j->patch_name);
}

/* 1: it is not to be had. A server that cannot be reached is waited for, a few times. */
static int get_of_patch(struct job *j, struct remote *f, uint64_t at, uint8_t *to, uint32_t n)
{
    for (unsigned int i = 0; get(j, f, at, to, n) != 0; i++) {
        if (!j->of_server)
            return no_memory(j);
        if (ask(j) != 0)
            return -1;
        if (j->port.server.fault(j->port.server.ctx) != FETCH_NO_ANSWER || i + 1 >= PATCH_TRIES)
            return 1;
        say_fault(j, f->name);
        if (rest(j) != 0)
            return -1;
    }
    all_is_well(j);
    return ask(j);
}

static int open_patch(struct job *j, const struct order *running, const struct release_patch **p)
{
    struct remote *f = &j->file.patch_index;
    size_t n = 0, some;
    int err;

    *p = NULL;
    if (running == NULL || !running->there || j->port.server.range == NULL)
        return 0;
    name_patch(j, running);
    err = get_of_patch(j, f, 0, j->patch_index, RELEASE_PATCH_HEAD);
    if (err == 0 && release_patch_size(j->patch_index, &n) != 0)
        err = 1;
    for (size_t at = RELEASE_PATCH_HEAD; err == 0 && at < n; at += some) {
        some = n - at < PIECE ? n - at : PIECE;
        err = get_of_patch(j, f, at, j->patch_index + at, (uint32_t)some);
    }
    if (err == 0 && release_patch_decode((struct bytes){j->patch_index, n}, &j->patch) == 0 &&
        memcmp(j->patch.from, running->manifest.identity, sizeof(j->patch.from)) == 0 &&
        install_prefix(&j->x, &j->patch) <= sizeof(j->prefix))
        *p = &j->patch;
    all_is_well(j);
    return err < 0 ? err : 0;
}

/* ---- the port of the installer ---- */

/* A block that cannot be read any more is another one than was offered: so it is fetched. */
static int port_have(void *ctx, uint32_t number, uint8_t block[RELEASE_BLOCK])
{
    const struct job *j = ctx;
    int err = slot_running_block(&j->running, number, block);

    if (err == KAPU_EIO)
        memset(block, 0, RELEASE_BLOCK);
    return err == KAPU_EIO ? 0 : err;
}

static int port_read(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    struct job *j = ctx;

    return slot_other_read(&j->other, at, to, n);
}

static int port_write(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    struct job *j = ctx;

    return slot_other_write(&j->other, at, from, n);
}

static int port_fetch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    struct job *j = ctx;

    return get(j, &j->file.payload, at, to, n);
}

/* A patch that is gone is made up for by the payload: KAPU_EAUTH. */
static int port_fetch_patch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    struct job *j = ctx;
    enum fetch_fault fault;

    if (j->patch_gone)
        return KAPU_EAUTH;
    if (get(j, &j->file.patch, at, to, n) == 0)
        return 0;
    if (!j->of_server)
        return KAPU_ECRYPTO;
    fault = j->port.server.fault(j->port.server.ctx);
    if (fault == FETCH_NO_ANSWER || fault == FETCH_STOPPED)
        return KAPU_EIO;
    j->patch_gone = true;
    return KAPU_EAUTH;
}

static int begin(struct job *j, const struct release_patch *patch)
{
    const struct install_port port = {.ctx = j,
                                      .have = port_have,
                                      .read = port_read,
                                      .write = port_write,
                                      .fetch = port_fetch,
                                      .fetch_patch = port_fetch_patch,
                                      .unpack = unpack_frame};

    return install_begin(&j->install, &digest_sha256, &j->x, patch, &port, j->blocks, j->frame,
                         j->packed, j->prefix) == 0
               ? 0
               : no_index(j, "has a frame that is too large");
}

/* ---- the steps ---- */

/* Before anything is fetched. */
static int check_key(struct job *j, bool copy)
{
    int err = copy ? 0 : order_check_key(j->order);

    if (err == 0)
        return 0;
    if (err == KAPU_ECRYPTO)
        return no_memory(j);
    say_why(j, UPDATE_DONE, "%s", order_key_says(err));
    return give_up(j, JOB_UNFIT);
}

static int place(struct job *j)
{
    int err = slot_other_begin(&j->other, &j->port.other_root, &j->port.other_firmware,
                               &j->order->manifest, j->sector);

    if (err == 0)
        return 0;
    if (err == KAPU_ESPACE)
        say_why(j, UPDATE_DONE, "%s: is larger than the slot", part_name(j->other.failing));
    else
        say_why(j, UPDATE_DONE, "other slot: flash of an unknown kind");
    return give_up(j, JOB_UNFIT);
}

static void count(struct job *j)
{
    const struct install_figures *f = &j->install.figures;
    const uint32_t done = f->there + f->copied + f->fetched;

    j->said.done = done < j->said.all ? done : j->said.all;
}

static int look_at_target(struct job *j)
{
    uint8_t block[RELEASE_BLOCK];

    for (uint32_t i = 0; i < j->x.blocks; i++) {
        if (i % ASK_EACH == 0 && ask(j) != 0)
            return -1;
        if (slot_other_read(&j->other, (uint64_t)i * RELEASE_BLOCK, block, sizeof(block)) != 0)
            return other_failed(j);
        if (install_there(&j->install, i, block) != 0)
            return no_memory(j);
        count(j);
    }
    return 0;
}

/* A block that cannot be read is not offered: it may be fetched. */
static int look_at_running(struct job *j)
{
    const uint32_t all = slot_running_blocks(&j->running);
    uint8_t block[RELEASE_BLOCK];

    for (uint32_t i = 0; i < all; i++) {
        if (i % ASK_EACH == 0 && ask(j) != 0)
            return -1;
        if (slot_running_block(&j->running, i, block) == 0 &&
            install_offer(&j->install, i, block) != 0)
            return no_memory(j);
    }
    return 0;
}

/* Says what a step that failed is, and whether it is to be repeated. */
static int after_fault(struct job *j, int err)
{
    if (j->other.failed != 0)
        return other_failed(j);
    if (err == KAPU_ESTALE)
        return 0;
    if (j->port.server.range == NULL) {
        say_why(j, UPDATE_DONE, "the running slot lacks a block of its own release, in frame %u",
                j->install.next);
        return give_up(j, JOB_FAILED);
    }
    j->anew = err == KAPU_EAUTH;
    if (err == KAPU_EAUTH)
        say_why(j, UPDATE_ARBITRARY_SOFTWARE,
                "payload: frame %u does not give the blocks that the index names", j->install.next);
    else if (j->of_server)
        say_fault(j, "payload");
    else
        return no_memory(j);
    return ask(j) != 0 ? -1 : rest(j);
}

static uint64_t reached(const struct job *j)
{
    return (uint64_t)j->install.next * j->x.frame_blocks * RELEASE_BLOCK;
}

static int do_frames(struct job *j)
{
    for (;;) {
        const uint32_t frames = j->install.figures.frames;
        int left;

        j->of_server = false;
        left = install_step(&j->install);
        count(j);
        if (left >= 0 && slot_other_reach(&j->other, reached(j)) != 0)
            return other_failed(j);
        if (left < 0 && after_fault(j, left) != 0)
            return -1;
        if (left == 0 || (left > 0 && j->install.figures.frames > frames))
            all_is_well(j);
        if (left == 0 || j->anew)
            return 0;
        if (ask(j) != 0)
            return -1;
    }
}

/* A frame that is not right may be the server's fault, or that of a medium which lost what the
 * frame refers to: so all is looked at again. */
/* A copy begins only if it can end: what runs may be another release than the one that was kept. */
static int is_whole(struct job *j)
{
    const uint32_t lacking = install_lacking(&j->install);

    if (j->port.server.range != NULL || lacking == 0)
        return 0;
    say_why(j, UPDATE_DONE, "the running slot lacks %u blocks of the release that is to be copied",
            lacking);
    return give_up(j, JOB_FAILED);
}

static int do_all(struct job *j, const struct release_patch *patch)
{
    do {
        j->anew = false;
        remote_forget(&j->file.payload);
        remote_forget(&j->file.patch);
        if (begin(j, patch) != 0 || look_at_target(j) != 0 || look_at_running(j) != 0 ||
            is_whole(j) != 0 || do_frames(j) != 0)
            return -1;
    } while (j->anew);
    return 0;
}

static int finish(struct job *j)
{
    int err = slot_other_finish(&j->other, &digest_sha256, j->port.goes_on, j->port.ctx);

    if (err == 0)
        return 0;
    if (err == KAPU_ETIMEOUT)
        return give_up(j, JOB_STOPPED);
    if (j->other.failed != 0)
        return other_failed(j);
    if (err != KAPU_EAUTH)
        return no_memory(j);
    say_why(j, UPDATE_DONE, "other slot, %s: is not what was written, as the manifest names it",
            part_name(j->other.failing));
    return give_up(j, JOB_FAILED);
}

static void forget_keys(struct job *j)
{
    remote_forget(&j->file.index);
    remote_forget(&j->file.payload);
    remote_forget(&j->file.patch);
    remote_forget(&j->file.patch_index);
}

static void prepare(struct job *j, const struct job_port *port, const struct store *store,
                    const struct order *o, const struct order *running, bool copy)
{
    j->port = *port;
    if (copy)
        j->port.server.range = NULL;
    j->store = store;
    j->order = o;
    j->patch_gone = false;
    forget_keys(j);
    j->file.index.name = "index";
    j->file.payload.name = "payload";
    j->file.patch.name = j->patch_name;
    j->file.patch_index.name = j->patch_index_name;
    j->end = JOB_DONE;
    j->said = (struct job_said){.answer = UPDATE_DONE};
    all_is_well(j);
    slot_running_begin(&j->running, &port->running_root, &port->running_firmware,
                       running != NULL && running->there ? &running->manifest : NULL);
}

enum job_end job_run(struct job *j, const struct job_port *port, const struct store *store,
                     const struct order *o, const struct order *running, bool copy)
{
    const struct release_patch *patch = NULL;

    prepare(j, port, store, o, running, copy);
    if (check_key(j, copy) == 0 && place(j) == 0 && open_index(j, copy) == 0 &&
        open_patch(j, running, &patch) == 0 && do_all(j, patch) == 0 && finish(j) == 0)
        j->end = JOB_DONE;
    forget_keys(j);
    return j->end;
}
