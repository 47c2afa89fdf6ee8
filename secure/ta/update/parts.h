/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the update TA share. */
#ifndef PARTS_H
#define PARTS_H

#include <tee_internal_api.h>

#include <kapu/update.h>

/* ---- services.c: the boot service and the monitor TA ---- */

TEE_Result services_open(void);
/* What this boot is, and the gateway's UEID. */
TEE_Result services_boot(struct update_boot *b, uint8_t ueid[EVIDENCE_UEID_SIZE]);
/* Has it noted for evidence: an answer that looks like an attack. `linux_says`: what a server did,
 * and only Linux saw it. */
TEE_Result services_refused(enum update_answer answer, bool linux_says);
/* Makes a deep check from its beginning to its end: whether it had no alarm. */
TEE_Result services_clean(bool *clean);
extern const struct update_port services_port;
/* Why a function of the port failed last; TEE_SUCCESS: none has. */
TEE_Result services_failure(void);

/* ---- signature.c: ECDSA on P-256 ---- */

extern const struct evidence_verify signature_verify;

/* ---- crypto of the TEE ---- */

extern const struct kapu_sha256 ta_hash;

#endif
