/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot service of the secure world: a pseudo-TA (GlobalPlatform TEE Internal Core API names).
 * From Linux only values cross, no memory: what an attacker there sends cannot point anywhere. The
 * commands that take memory are those of our TAs; another caller is refused before it is looked at.
 *
 * Parameter types are fixed for each command; others give TEE_ERROR_BAD_PARAMETERS. VI, VO, VIO:
 * value input, output, both; a and b are its two words.
 */
#ifndef KAPU_BOOT_PTA_H
#define KAPU_BOOT_PTA_H

#define BOOT_PTA_UUID                                                                              \
    {                                                                                              \
        0x163e4884, 0x9e2e, 0x4e7f,                                                                \
        {                                                                                          \
            0xa3, 0xb7, 0x7f, 0x91, 0x85, 0xbe, 0x44, 0x97                                         \
        }                                                                                          \
    }

/* Everybody may call these. */

/* VO: a = slot of this boot, b = 1 when it was started on trial.
 * VO: a = security counter of the TPM, b = that of the release which runs.
 * VO: a = slot in use from the next reset on, b = trial << 8 | tries left. */
#define BOOT_PTA_STATE 0
/* VIO a = PCR number in; VO VO VO. All eight words: the PCR's 32 bytes, each word big-endian. */
#define BOOT_PTA_PCR 1
/* VIO: a = offset in, bytes of log in all out. VO VO VO: 24 bytes from there as above, 0 behind the
 * end. The log is that of TCG PC Client Platform Firmware Profile 1.06, 10. */
#define BOOT_PTA_LOG 2
#define BOOT_PTA_LOG_CHUNK 24
/* The system came up: slots that were started in vain before are tried again. */
#define BOOT_PTA_COMPLETE 3

/* Only the update TA may call these; others get TEE_ERROR_ACCESS_DENIED. */

/* The running slot is confirmed: it is no longer on trial, and the security counter rises to that
 * of its release. TEE_ERROR_BAD_STATE: that is too far above the TPM's (FUSEBOX_RAISE_MAX of
 * kapu/fusebox.h); nothing was changed. */
#define BOOT_PTA_CONFIRM 4
/* MI, MO here and below: memory of the TA; an output that is too small gives TEE_ERROR_SHORT_BUFFER
 * and the size that is needed. MI: the update record, FUSEBOX_RECORD_SIZE bytes. TEE_ERROR_BUSY
 * here and below: the TPM's memory was written too often. */
#define BOOT_PTA_SET_RECORD 12
/* MO: the boot state that counts from the next reset on, encoded (kapu/bootstate.h). VO: a =
 * security counter of the TPM. */
#define BOOT_PTA_NEXT 13
/* MI: a boot state, encoded. */
#define BOOT_PTA_SET_NEXT 14
/* VI: a = slot, b = offset, a whole number of words. MO: that many bytes of the slot in flash from
 * there. Another size than whole words, or beyond its end: TEE_ERROR_BAD_PARAMETERS. */
#define BOOT_PTA_SLOT 15
/* An update was refused, and looks like an attack. VI: a = answer (enum update_answer of
 * kapu/update.h), b = 1: only Linux says so, 0 else. Kept in RAM, for this boot: the TPM's memory
 * would wear out, as Linux can ask as often as it likes. */
#define BOOT_PTA_REFUSED 16

/* Only the attest TA may call these; others get TEE_ERROR_ACCESS_DENIED. */

/* MO: the board's number, 16 bytes. MO: name of the endorsement key (TPM 2.0 Part 1, 16). MO:
 * public area of the attestation key (TPMT_PUBLIC). MO: endorsement certificate (DER); hostile. */
#define BOOT_PTA_IDENTITY 6
/* MI: 32 bytes of qualifying data. MO: TPMS_ATTEST of a quote by the attestation key of PCRs 0, 7,
 * 8, 9 and 14. MO: its signature, r and s, 64 bytes. VI: a = as BOOT_PTA_EVENTS gave it before the
 * claims were made that the quote is for. TEE_ERROR_SECURITY: the TPM was reset or extended since
 * this boot, and no deep check has told of it in those claims. */
#define BOOT_PTA_QUOTE 7
/* MI: TPM2B_ID_OBJECT. MI: TPM2B_ENCRYPTED_SECRET. MO: the 32 bytes in them. */
#define BOOT_PTA_ACTIVATE 8
/* MO: the event log as a whole. VO: a = how often a deep check told of a TPM that was reset or
 * extended since this boot. */
#define BOOT_PTA_EVENTS 9
/* VO: a = storage counter of the TPM, b = how often secure storage began empty on this board. */
#define BOOT_PTA_STORAGE 10
/* What was noted by BOOT_PTA_REFUSED in this boot (kapu/update_refusals.h). VO: a = last answer, b
 * = how many. VO: a = kinds. VO, VO: the same of those that only Linux says. */
#define BOOT_PTA_REFUSALS 17

/* Only the attest TA and the update TA may call these; others get TEE_ERROR_ACCESS_DENIED. */

/* MO: the update record. */
#define BOOT_PTA_RECORD 5
/* MO: identity of the release that runs, 32 bytes. MO: name of this boot, 32 random bytes. MO: name
 * of the endorsement key. VO: a = why the monitor reset the board, or was about to, as the last
 * words of this run say (docs/monitor.md; enum monitor_reset of wire/monitor_pta.h); 0: it did not.
 */
#define BOOT_PTA_BOOT 11

#endif
