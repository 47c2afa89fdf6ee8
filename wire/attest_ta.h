/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attest TA: evidence of this gateway for whoever asks (lib/evidence). Anybody may ask; what
 * comes out is signed in the secure world, for one nonce, with a deep check of Linux that began
 * after the nonce came. Each session is an instance of its own: what one asks does not disturb
 * another.
 *
 * VI, VO: value input, output, with words a and b; MI, MO: memory input, output.
 * Other parameter types give TEE_ERROR_BAD_PARAMETERS; a buffer that is too small
 * TEE_ERROR_SHORT_BUFFER, and its size says what is needed; calls in another order than these
 * TEE_ERROR_BAD_STATE.
 */
#ifndef KAPU_ATTEST_TA_H
#define KAPU_ATTEST_TA_H

#define ATTEST_TA_UUID                                                                             \
    {                                                                                              \
        0x9d5f2c14, 0x0b7e, 0x4a63,                                                                \
        {                                                                                          \
            0xb1, 0x58, 0x33, 0xe2, 0x6f, 0x90, 0x4d, 0xca                                         \
        }                                                                                          \
    }

/* MO: endorsement certificate as the TPM gives it (DER). MO: public area of the attestation key of
 * the TPM (TPMT_PUBLIC). MO: public key of this TEE, x and y. MO: UEID of this gateway. */
#define ATTEST_TA_IDENTITY 0
#define ATTEST_TA_KEY_SIZE 64u

/* MI: TPM2B_ID_OBJECT, MI: TPM2B_ENCRYPTED_SECRET, made for the two keys of the TPM. The evidence
 * of this session then has the claims of an enrolment; the TLS key in them is the one that the
 * vault TA has, whatever Linux says. */
#define ATTEST_TA_ENROL 1

/* MI: nonce, 32 bytes. VI: a = 1: the message shall have the event log, 0: it shall not. Begins to
 * make evidence; what an earlier call began is forgotten. */
#define ATTEST_TA_BEGIN 2
#define ATTEST_TA_NONCE_SIZE 32u

/* VO: a = steps left of the deep check under way, 0: the evidence can be fetched. */
#define ATTEST_TA_STEP 3

/* MO: the message (wire/evidence.cddl). It is signed in this call; the next one makes it anew. */
#define ATTEST_TA_MESSAGE 4

#endif
