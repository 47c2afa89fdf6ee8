/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The update TA: which release gets a trial, and whether it was good (kapu/update.h). Linux brings
 * the signed files and writes the slots; it decides nothing. One session at a time: others get
 * TEE_ERROR_BUSY. The first call of a boot settles what a power cut or a failed trial left.
 * Refusals that look like an attack are noted by the boot service, for evidence.
 *
 * Parameters: MI, MO memory input and output; VI, VO value input and output. Others give
 * TEE_ERROR_BAD_PARAMETERS, and so does an input that is too large. Of a refusal nothing changes
 * but the answer; an error means that the TPM failed (TEE_ERROR_COMMUNICATION), that it was written
 * too often (TEE_ERROR_BUSY), or that there was no memory (TEE_ERROR_OUT_OF_MEMORY,
 * TEE_ERROR_TARGET_DEAD): open the session anew and ask again. While it cannot settle for such a
 * reason no session opens.
 */
#ifndef KAPU_UPDATE_TA_H
#define KAPU_UPDATE_TA_H

#define UPDATE_TA_UUID                                                                             \
    {                                                                                              \
        0xec82e187, 0xef6d, 0x45e4,                                                                \
        {                                                                                          \
            0x8e, 0x57, 0x48, 0x1a, 0xc8, 0x76, 0x5b, 0xce                                         \
        }                                                                                          \
    }

/* MI: four files, each after its length in two bytes, big-endian: set of release keys, set of
 * rollout keys (each the content of its file; empty: the built-in one), signed manifest, signed
 * rollout. A rollout that halts needs no manifest. VO: a = answer (enum update_answer). */
#define UPDATE_TA_REQUEST 0
#define UPDATE_TA_REQUEST_PARTS 4
#define UPDATE_TA_REQUEST_MAX (16u * 1024)
/* MI: signed approval; empty: none. MI: set of approval keys; empty: the built-in one. VO: a =
 * answer. */
#define UPDATE_TA_CONFIRM 1
/* MI: the present set of a role; empty: the built-in one. MI: the next one, signed. VO: a = answer.
 */
#define UPDATE_TA_KEYS 2
/* MO: the update record (struct update_record, encoded). MO: the name of this boot, 32 bytes,
 * and the gateway's UEID. VO: a = enum update_stage. */
#define UPDATE_TA_STATE 3
#define UPDATE_TA_NAMES_SIZE 65
/* What UPDATE_TA_REQUEST would say if the other slot held the manifest's firmware package;
 * parameters as there. Nothing changes. */
#define UPDATE_TA_CHECK 4
/* VI: a = what a server of releases did, as the writer in Linux saw it: "endless data", "slow
 * retrieval", or, of blocks that are not the release's, "arbitrary software" (enum update_answer).
 * Evidence tells it as Linux's word. Others: TEE_ERROR_BAD_PARAMETERS. */
#define UPDATE_TA_TELL 5
/* MI: signed membership. MI: set of rollout keys; empty: the built-in one. VO: a = answer. */
#define UPDATE_TA_JOIN 6

#endif
