/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway for the writer of updates (gateway/update): its two slots on a disk and NOR flash in
 * memory, TPM, the real decisions of lib/update, a server of two releases with real frames, and an
 * operator. Files of the state folder are real ones.
 *
 * Each write is an operation, and the power can go at any: it was not done, done in part, or done
 * and not told. What the disk has not synced by then is there or not, block by block. Flash: a
 * write clears bits only, which is held to; an erase that is cut leaves some bytes of before.
 *
 * What must never be is said in `wrong`.
 */
#ifndef KAPU_UPDATE_WORLD_H
#define KAPU_UPDATE_WORLD_H

#include <setjmp.h>

#include "update_files.h"
#include "writer.h"

#define WORLD_ROOT 24u /* blocks */
#define WORLD_TREE 1u
#define WORLD_FIRMWARE 21u /* the last is not whole */
#define WORLD_FIRMWARE_SIZE (WORLD_FIRMWARE * RELEASE_BLOCK - 100u)
#define WORLD_BLOCKS (WORLD_ROOT + WORLD_FIRMWARE)
#define WORLD_FRAME 4u /* blocks */
#define WORLD_FRAMES ((WORLD_BLOCKS + WORLD_FRAME - 1u) / WORLD_FRAME)
#define WORLD_SECTOR (4u * WORLD_FRAME * RELEASE_BLOCK)
#define WORLD_FLASH (3u * WORLD_SECTOR)
#define WORLD_DISK ((WORLD_ROOT + WORLD_TREE + 2u) * RELEASE_BLOCK)
#define WORLD_RELEASES 3u /* 0 runs first; counters rise */
#define WORLD_PAYLOAD (WORLD_FRAMES * 2u * WORLD_FRAME * RELEASE_BLOCK)
#define WORLD_BEGIN_MS 1764000000000u /* the first manifests */
#define WORLD_KEY_RELEASE 0u          /* numbers of the built-in keys: three of each role */
#define WORLD_KEY_ROLLOUT 3u
#define WORLD_KEY_APPROVAL 6u
#define WORLD_COUNTER 7u      /* of release 0 */
#define WORLD_FRAMES_A_CUT 4u /* that one power cut may have fetched again */

struct world_release {
    uint8_t content[WORLD_BLOCKS][RELEASE_BLOCK], tree[WORLD_TREE][RELEASE_BLOCK];
    uint8_t code[WORLD_BLOCKS][RELEASE_BLOCK]; /* the content as kapu/install_code.h makes it */
    struct release_manifest m;
    uint8_t digest[RELEASE_DIGEST_SIZE];
    struct update_file manifest;
    uint8_t index[2048], payload[WORLD_PAYLOAD];
    uint8_t patch_index[512], patch[WORLD_PAYLOAD]; /* from the release before */
    uint8_t patch_from[RELEASE_DIGEST_SIZE];
    size_t index_n, payload_n, patch_index_n, patch_n;
    uint32_t ends[WORLD_FRAMES];
    uint8_t key[32]; /* of one that is encrypted (m.encrypted); else zeros */
};

/* Which key an order to install has. */
enum world_key { WORLD_ITS_KEY, WORLD_NO_KEY, WORLD_WRONG_KEY };

enum world_how { WORLD_NOT_DONE, WORLD_TORN, WORLD_NOT_TOLD, WORLD_HOWS };

struct world {
    uint32_t seed;
    /* kept without power */
    uint8_t disk[2][WORLD_DISK], synced[2][WORLD_DISK], flash[2][WORLD_FLASH];
    uint8_t record[UPDATE_RECORD_SIZE];
    struct bootstate state;
    uint32_t counter;
    char folder[64];
    /* this boot */
    struct update_boot boot;
    struct update u;
    struct update_refusals refused, told; /* what evidence would tell */
    uint32_t release;                     /* that runs */
    uint8_t was_disk[WORLD_DISK], was_flash[WORLD_FLASH];
    uint32_t boots, polls;
    uint64_t now;
    bool dirty;        /* the monitor's deep check finds something */
    bool hangs;        /* a trial never comes up */
    bool never_starts; /* BL1 starts no trial */
    int fail_tee;
    uint32_t confirmations, requests, checks;
    /* power */
    jmp_buf off;
    long operations, cut_at; /* -1: the power stays */
    enum world_how how;
    long fail_write_at; /* writes of disk and flash; -1: none fails */
    long lose_write_at; /* of the disk: told as done */
    long disk_writes;
    long writes;
    bool stuck; /* flash bits that stay clear */
    bool rots;  /* and one that is another, when all was written */
    /* server */
    const char *url;                     /* what it was asked for last */
    uint32_t fetches, fail_at, fail_for; /* the first that fails, and how many */
    enum fetch_fault fault, fault_now;
    uint32_t of_frame[WORLD_FRAMES]; /* fetches of the payload */
    uint32_t of_patch;
    bool has_patch;
    void (*lies)(struct world *w, const char *file, uint64_t at, uint8_t *p, uint32_t n);
    /* operator */
    uint32_t target;
    uint64_t number;
    enum world_key order_key;
    bool no_approval;                               /* the manifest says so */
    bool (*operates)(struct world *w, uint32_t ms); /* false: the program is to end */
    const char *wrong;
};

extern struct world world;
extern struct writer world_writer; /* the writer under test */
/* Its secure world, as any program of Linux could ask it while the gateway is up. */
extern const struct tee_port world_tee;
const struct update_self *world_self(void);
extern struct world_release world_releases[WORLD_RELEASES];

/* Delivered: release 0 in slot A, slot B empty. Aborts when anything fails. */
void world_make(uint32_t seed, bool approval);
/* The same, and what the server has of all its releases is encrypted. */
void world_make_encrypted(uint32_t seed, bool approval);
/* The same once more, from the beginning. */
void world_again(void);
void world_end(void);

/* It runs, and is confirmed, without the writer's doing. */
void world_replace(uint32_t release);
/* The server has it plain. */
void world_decrypt(uint32_t release);
/* Its manifest names a firmware package that is larger than the flash. */
void world_large_firmware(uint32_t release);

/* The bodies of requests, valid until the next one. */
struct bytes world_install(uint32_t release);
struct bytes world_halt(uint32_t release);
struct bytes world_join(const char *group, uint64_t number);
struct bytes world_approve(void);
struct protocol_reply world_ask(struct bytes request);
struct protocol_update world_state(void);
/* What an operator does who wants `target` everywhere: installs, approves, and is content. */
bool world_operator(struct world *w, uint32_t ms);

/* Power on; resets included. true: the program ended as the operator wished. false: the power went,
 * or `wrong`. */
bool world_run(void);
/* The slot has all of the release: file system, hash tree, firmware. */
bool world_slot_is(uint8_t slot, uint32_t release);
bool world_settled(void);
uint32_t world_random(uint32_t below);

#endif
