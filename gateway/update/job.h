/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job of the writer of updates: the content of a release into the slot that does not run, from
 * the first look at what is there to the last look at what was written.
 *
 *     key        of a release that is encrypted: the manifest's, or nothing is fetched
 *     index      kept from before, or fetched; as the manifest names it
 *     patch      if the server has one for the release that runs
 *     target     block by block: what is in place already
 *     running    block by block: what need not be fetched
 *     frames     copied or fetched, verified, written
 *     finish     hash tree, made lasting, read back, held against the manifest
 *
 * A copy of the running release is the same with nothing to fetch.
 *
 * Faults of network and server end nothing: they are said in `said`, and tried again after a
 * growing rest, for as long as `goes_on` says so. What a server sends is believed when it has the
 * hash that index or manifest says.
 *
 * One thread: between steps, and while it rests, the job calls goes_on and rest, in which requests
 * are served. When either says no, the job ends with JOB_STOPPED; the slot keeps what it has.
 *
 * Memory: all of it in struct job, most of which is touched only for large releases.
 */
#ifndef KAPU_UPDATE_JOB_H
#define KAPU_UPDATE_JOB_H

#include <kapu/install.h>
#include <kapu/protocol.h>
#include <kapu/update.h>

#include "fetch.h"
#include "order.h"
#include "remote.h"
#include "slot.h"

#define JOB_REST_MS 2000u /* after the first fault, doubled by each that follows */
#define JOB_REST_MAX_MS 60000u
#define JOB_PREFIX_MAX (6u << 20) /* bytes that a frame may refer to */
#define JOB_BLOCKS_MAX (ORDER_INDEX_MAX / RELEASE_BLOCK_HASH)

struct job_port {
    struct disk_port running_root, other_root;
    struct flash_port running_firmware, other_firmware;
    /* As fetch.h, of the folder that the order names. `range` NULL: nothing is fetched. */
    struct {
        void *ctx;
        int (*range)(void *ctx, const char *folder, const char *file, uint64_t at, uint8_t *to,
                     uint32_t n);
        enum fetch_fault (*fault)(void *ctx);
        const char *(*said)(void *ctx);
    } server;
    /* false: end. */
    void *ctx;
    bool (*goes_on)(void *ctx);
    bool (*rest)(void *ctx, uint32_t ms);
    /* A server did what update_is_told names, again with each fault. */
    void (*tell)(void *ctx, enum update_answer answer);
};

enum job_end {
    JOB_DONE,
    JOB_STOPPED, /* by goes_on or rest */
    JOB_FAILED,  /* what the medium, or this gateway, cannot do: said.why */
    JOB_UNFIT,   /* this release never fits: said.why */
};

/* What goes on, for a reply. */
struct job_said {
    enum update_answer answer;
    char why[PROTOCOL_WHY_MAX + 1u];
    uint32_t done, all; /* blocks */
    uint64_t fetched;   /* bytes */
};

struct job {
    struct job_port port;
    const struct store *store;
    const struct order *order;
    struct job_said said;

    struct slot_running running;
    struct slot_other other;
    struct install install;
    struct release_index x;
    struct release_patch patch;
    bool patch_gone; /* the server had one, and does not any more */
    bool of_server;  /* the last fault */
    bool anew;       /* target and running slot are to be looked at again */
    uint32_t rest_ms;
    char patch_name[80], patch_index_name[88];
    /* On the server. Their keys are wiped when the job ends. */
    struct {
        struct remote index, payload, patch, patch_index;
    } file;
    enum job_end end; /* of what cannot go on */

    uint8_t index[ORDER_INDEX_MAX], patch_index[RELEASE_PATCH_INDEX_MAX];
    struct install_block blocks[JOB_BLOCKS_MAX];
    uint8_t frame[RELEASE_FRAME_BLOCKS_MAX * RELEASE_BLOCK];
    uint8_t packed[2u * RELEASE_FRAME_BLOCKS_MAX * RELEASE_BLOCK];
    uint8_t prefix[JOB_PREFIX_MAX], sector[FLASH_SECTOR_MAX];
};

/*
 * Installs the release of an order, or copies it (`copy`: it runs; nothing is fetched). `running`:
 * the order of the release that runs; NULL, or one without `there`, when nobody knows.
 */
enum job_end job_run(struct job *j, const struct job_port *port, const struct store *store,
                     const struct order *o, const struct order *running, bool copy);

#endif
