/* SPDX-License-Identifier: Apache-2.0 */
/* A token or message that was read, and how much of it verified: for the printers. */
#ifndef KAPU_EVIDENCE_SHOW_H
#define KAPU_EVIDENCE_SHOW_H

#include <stdio.h>

#include <kapu/evidence.h>
#include <kapu/tpm2.h>

enum shown_check {
    SHOWN_UNCHECKED, /* no key was given, or there is nothing to check */
    SHOWN_GOOD,
    SHOWN_SELF, /* by the key that the token itself names: whose that is nobody said */
    SHOWN_BAD,
};

struct shown {
    const char *file;
    bool is_message;
    struct evidence_message message; /* token only when it is none */
    struct evidence_token token;
    struct evidence_claims claims;
    struct evidence_monitor monitor;
    struct tpm2_attest quote;
    bool has_quote; /* the quote was parsed */
    enum shown_check token_signature, quote_signature;
    bool quote_fits; /* over this token, with the digest of these PCRs */
    bool log_fits;   /* is the one in the token, and accounts for the PCRs */
};

/* ---- evidence_files.c ---- */

/* A P-256 public key: COSE_Key, or PEM. 0 or -1, said on stderr. */
int key_load(const char *path, struct evidence_key *key);
/* token.cose, claims.cbor, quote.attest, quote.sig (TPMT_SIGNATURE), log.bin; ak.pem when there is
 * a key. 0 or -1, said on stderr. */
int extract(const struct shown *s, const char *folder, const struct evidence_key *ak);

/* ---- printers ---- */

const char *shown_check_name(enum shown_check c);
void show_text(FILE *to, const struct shown *s);
void show_json(FILE *to, const struct shown *s);

#endif
