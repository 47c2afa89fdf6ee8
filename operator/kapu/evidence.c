// SPDX-License-Identifier: Apache-2.0
/*
 * kapu evidence show: prints what a token or message says, whoever made it, and says how much of it
 * verified. It judges nothing: that is the verifier's work.
 */
#include <getopt.h>
#include <kapu/eventlog.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "evidence_show.h"
#include "text.h"

#define SHA (&crypto_openssl.sha256)
#define STATUS_SHOWN 0
#define STATUS_BAD 1
#define STATUS_NONE 2

struct options {
    const char *file, *key, *ak, *extract;
    bool json;
};

static const char help[] =
    "usage: kapu evidence show [OPTION]... FILE\n"
    "\n"
    "Prints what a token (COSE_Sign1) or a message (CMW collection) says, verified or not. FILE "
    "may "
    "be\n"
    "'-'. Without keys only a token of an enrolment is checked, with the key that it names "
    "itself.\n"
    "\n"
    "  --key FILE        public key of the gateway's secure world (COSE_Key or PEM)\n"
    "  --ak FILE         public attestation key of its TPM (the same)\n"
    "  --extract FOLDER  write the parts for other tools: token.cose, claims.cbor, quote.attest,\n"
    "                    quote.sig, log.bin, and ak.pem\n"
    "  --json            as JSON\n"
    "\n"
    "Exit status: 0 shown, 1 shown, but something does not verify, 2 no evidence.\n";

static struct bytes read_file(const char *path, uint8_t *to, size_t n)
{
    struct bytes b = {to, 0};
    char why[512];

    if (whole_file(strcmp(path, "-") == 0 ? "/dev/stdin" : path, n, to, &b.n, why, sizeof(why)) !=
        0)
        (void)fail("%s", why);
    return b;
}

/* A message, else a token alone. */
static int decode(struct shown *s, struct bytes in)
{
    static uint8_t work[EVIDENCE_MESSAGE_MAX + 1];
    int err;

    s->is_message = evidence_message_decode(in, &s->message, work, sizeof(work)) == 0;
    if (!s->is_message)
        s->message = (struct evidence_message){.token = in};
    err = evidence_token_decode(s->message.token, &s->token, work, sizeof(work));
    if (err != 0)
        return fail("%s is neither a message nor a token of evidence%s%s", s->file,
                    err == KAPU_EUNSUPPORTED ? ": another algorithm or type" : "", text_format(in));
    s->claims.monitor = &s->monitor;
    err = evidence_claims_decode(s->token.payload, &s->claims, work, sizeof(work));
    if (err != 0)
        return fail("%s is a token, but its claims are %s", s->file,
                    err == KAPU_EUNSUPPORTED ? "of another profile" : "malformed");
    return 0;
}

static void check_token(struct shown *s, const struct evidence_key *key)
{
    const struct evidence_key *with = key;

    if (with == NULL && s->claims.enrolment)
        with = &s->claims.key;
    if (with == NULL)
        return;
    if (evidence_token_verify(SHA, &evidence_openssl, &s->token, with) != 0)
        s->token_signature = SHOWN_BAD;
    else
        s->token_signature = key != NULL ? SHOWN_GOOD : SHOWN_SELF;
}

static void check_quote(struct shown *s, const struct evidence_key *ak)
{
    uint8_t nonce[32], pcrs[32], digest[32];

    s->has_quote = tpm2_attest_parse(s->message.attest, &s->quote) == 0 &&
                   s->quote.type == TPM2_ST_ATTEST_QUOTE;
    if (evidence_quote_nonce(SHA, s->message.token, nonce) != 0 ||
        tpm2_pcr_digest(SHA, s->claims.boot.pcr, EVIDENCE_PCRS, pcrs) != 0 ||
        SHA->hash(SHA->ctx, &s->message.attest, 1, digest) != 0)
        return;
    s->quote_fits = s->has_quote && s->quote.nonce.n == 32 &&
                    memcmp(s->quote.nonce.p, nonce, 32) == 0 &&
                    s->quote.pcr_mask == EVIDENCE_PCR_MASK && s->quote.pcr_digest.n == 32 &&
                    memcmp(s->quote.pcr_digest.p, pcrs, 32) == 0;
    if (ak != NULL)
        s->quote_signature =
            openssl_p256_verify(ak->x, ak->y, digest, s->message.quote_signature) == 0 ? SHOWN_GOOD
                                                                                       : SHOWN_BAD;
}

static void check_log(struct shown *s)
{
    const struct evidence_boot *b = &s->claims.boot;
    uint8_t digest[32], pcr[EVENTLOG_PCRS][32];
    uint32_t used;

    s->log_fits = SHA->hash(SHA->ctx, &s->message.log, 1, digest) == 0 &&
                  s->message.log.n == b->log_size && memcmp(digest, b->log_digest, 32) == 0 &&
                  eventlog_replay(SHA, s->message.log, pcr, &used) == 0;
    for (size_t i = 0; i < EVIDENCE_PCRS; i++)
        s->log_fits = s->log_fits && memcmp(pcr[evidence_pcr[i]], b->pcr[i], 32) == 0;
}

static bool all_good(const struct shown *s)
{
    return s->token_signature != SHOWN_BAD && s->quote_signature != SHOWN_BAD &&
           (!s->is_message || s->quote_fits) && (s->message.log.n == 0 || s->log_fits);
}

static int show(const struct options *o)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    static struct shown s;
    struct evidence_key key, ak;
    struct bytes in;

    s.file = o->file;
    if ((o->key != NULL && key_load(o->key, &key) != 0) ||
        (o->ak != NULL && key_load(o->ak, &ak) != 0))
        return STATUS_NONE;
    in = read_file(o->file, buf, sizeof(buf));
    if (in.n == 0 || decode(&s, in) != 0)
        return STATUS_NONE;
    check_token(&s, o->key != NULL ? &key : NULL);
    if (s.is_message)
        check_quote(&s, o->ak != NULL ? &ak : NULL);
    if (s.message.log.n > 0)
        check_log(&s);
    (o->json ? show_json : show_text)(stdout, &s);
    if (o->extract != NULL && extract(&s, o->extract, o->ak != NULL ? &ak : NULL) != 0)
        return STATUS_NONE;
    return all_good(&s) ? STATUS_SHOWN : STATUS_BAD;
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {
        {"key", required_argument, NULL, 'k'}, {"ak", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},      {"extract", required_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'k')
            o->key = optarg;
        else if (c == 'a')
            o->ak = optarg;
        else if (c == 'j')
            o->json = true;
        else if (c == 'x')
            o->extract = optarg;
        else
            return c == 'h' ? 1 : -1;
    }
    if (argc - optind != 1)
        return -1;
    o->file = argv[optind];
    return 0;
}

const char *shown_check_name(enum shown_check c)
{
    static const char *const names[] = {
        [SHOWN_UNCHECKED] = "unchecked",
        [SHOWN_GOOD] = "verified",
        [SHOWN_SELF] = "self-signed",
        [SHOWN_BAD] = "NOT VERIFIED",
    };

    return names[c];
}

int command_evidence(int argc, char **argv)
{
    struct options o = {0};
    int parsed;

    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return STATUS_SHOWN;
    }
    if (argc < 2 || strcmp(argv[1], "show") != 0) {
        fputs(help, stderr);
        return STATUS_NONE;
    }
    parsed = parse(argc - 1, argv + 1, &o);
    if (parsed != 0) {
        fputs(help, parsed > 0 ? stdout : stderr);
        return parsed > 0 ? STATUS_SHOWN : STATUS_NONE;
    }
    return show(&o);
}
