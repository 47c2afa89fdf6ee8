// SPDX-License-Identifier: Apache-2.0
#include "soft_gateway.h"

#include <kapu/eventlog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define ATTEST_MAGIC 0xFF544347U

static void need(int good)
{
    if (!good)
        abort();
}

static struct bytes text_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void digest_of(const char *one, const char *two, uint8_t out[32])
{
    need(SHA->hash(SHA->ctx, (struct bytes[]){text_of(one), text_of(two)}, 2, out) == 0);
}

void soft_gateway_boot(struct soft_gateway *g, const char *release)
{
    static const struct {
        uint32_t pcr, type;
        const char *name;
    } event[] = {
        {0, EVENTLOG_EV_ACTION, "BL1"},      {7, EVENTLOG_EV_EVENT_TAG, "root key"},
        {0, EVENTLOG_EV_ACTION, "BL2"},      {0, EVENTLOG_EV_ACTION, "BL31"},
        {0, EVENTLOG_EV_ACTION, "OP-TEE"},   {8, EVENTLOG_EV_IPL, "Linux"},
        {9, EVENTLOG_EV_IPL, "device tree"},
    };
    static const uint8_t separator[4] = {0};
    const struct bytes cap = BYTES_OF(separator);
    uint8_t pcr[EVENTLOG_PCRS][32], digest[32];
    struct eventlog l;
    uint32_t used;

    need(eventlog_init(&l, g->log, sizeof(g->log)) == 0);
    for (size_t i = 0; i < sizeof(event) / sizeof(event[0]); i++) {
        digest_of(event[i].pcr == 7 ? "" : release, event[i].name, digest);
        need(eventlog_add(&l, event[i].pcr, event[i].type, digest, text_of(event[i].name)) == 0);
    }
    need(SHA->hash(SHA->ctx, &cap, 1, digest) == 0 &&
         eventlog_add(&l, 14, EVENTLOG_EV_SEPARATOR, digest, cap) == 0);
    g->log_n = l.n;
    need(eventlog_replay(SHA, (struct bytes){g->log, l.n}, pcr, &used) == 0);
    for (size_t i = 0; i < EVIDENCE_PCRS; i++)
        memcpy(g->claims.boot.pcr[i], pcr[evidence_pcr[i]], 32);
}

static void watch(struct evidence_monitor *m)
{
    static const char *const checks[] = {
        "text",        "registers",  "tables", "syscalls", "pointers",    "netfilter", "lsm",
        "notifiers",   "timers",     "works",  "probes",   "tracepoints", "modules",   "processes",
        "credentials", "namespaces", "code",   "cache",    "sockets",     "state",
    };

    *m = (struct evidence_monitor){.number = 4,
                                   .began_ms = 95000,
                                   .ended_ms = 97310,
                                   .now_ms = 97340,
                                   .kernel_base = 0xffff800008000000,
                                   .watch = {1210, 3075, 27, 3390, 0, 2}};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        m->check[m->checks++].id = text_of(checks[i]);
}

void soft_gateway_init(struct soft_gateway *g, const char *name, const char *release)
{
    struct evidence_claims *c = &g->claims;
    uint8_t hash[32];
    char text[80];

    *g = (struct soft_gateway){
        .with_log = true, .quote_type = TPM2_ST_ATTEST_QUOTE, .quote_magic = ATTEST_MAGIC};
    g->quote_mask = EVIDENCE_PCR_MASK;
    g->quote_resets = 7;
    snprintf(text, sizeof(text), "%s TEE", name);
    soft_key_make(&g->tee, text);
    snprintf(text, sizeof(text), "%s AK", name);
    soft_key_make(&g->ak, text);
    tpm2_template_ak(&g->ak_public);
    g->ak_public.x_n = g->ak_public.y_n = 32;
    memcpy(g->ak_public.x, g->ak.pub.x, 32);
    memcpy(g->ak_public.y, g->ak.pub.y, 32);
    need(tpm2_public_name(SHA, &g->ak_public, &g->ak_name) == 0);
    digest_of(name, " EK", hash);
    g->ek_name = (struct tpm2_name){.n = 34, .b = {0x00, 0x0b}};
    memcpy(g->ek_name.b + 2, hash, 32);
    need(evidence_ueid(SHA, (struct bytes){g->ek_name.b, g->ek_name.n}, c->ueid) == 0);
    digest_of(name, " board", hash);
    memcpy(c->boot.board, hash, sizeof(c->boot.board));
    c->oemboot = true;
    c->dbgstat = EVIDENCE_DEBUG_DISABLED_SINCE_BOOT;
    c->software = (struct evidence_software){.version = text_of("0.5.0"),
                                             .counter_release = 3,
                                             .counter_tpm = 3,
                                             .storage_counter = 17,
                                             .storage_starts = 1};
    digest_of(release, " identity", c->software.identity);
    digest_of(name, " boot", c->software.boot_name);
    c->tee = text_of("OP-TEE 4.10.0-2");
    c->monitor = &g->monitor;
    soft_gateway_boot(g, release);
    watch(&g->monitor);
}

void soft_gateway_finding(struct soft_gateway *g, enum evidence_severity severity, const char *id,
                          const char *object, uint64_t address, const char *detail)
{
    struct evidence_monitor *m = &g->monitor;

    m->alarms += severity == EVIDENCE_ALARM;
    m->warnings += severity == EVIDENCE_WARNING;
    m->verdict = evidence_verdict_of(m->alarms, m->warnings);
    if (m->findings == EVIDENCE_FINDINGS) {
        m->not_kept++;
        return;
    }
    m->finding[m->findings++] =
        (struct evidence_finding){severity, text_of(id), text_of(object), text_of(detail), address};
}

void soft_gateway_enrol(struct soft_gateway *g, const uint8_t nonce[32], const uint8_t secret[32],
                        const uint8_t tls_key[32])
{
    g->claims.enrolment = true;
    g->claims.key = g->tee.pub;
    memcpy(g->claims.tls_key, tls_key, 32);
    need(evidence_activation(SHA, secret, nonce, &g->tee.pub, tls_key, g->claims.activation) == 0);
}

/* TPMS_ATTEST (Part 2, 10.12.12) with a TPMS_QUOTE_INFO. */
static void quote(const struct soft_gateway *g, const uint8_t nonce[32], struct wr *w)
{
    const uint8_t(*pcr)[32] = g->quote_other_pcrs ? g->quote_pcr : g->claims.boot.pcr;
    uint8_t signer[34] = {0x00, 0x0b}, digest[32];
    const struct bytes name = {g->ak_name.b, g->ak_name.n};

    need(SHA->hash(SHA->ctx, &name, 1, signer + 2) == 0 &&
         tpm2_pcr_digest(SHA, pcr, EVIDENCE_PCRS, digest) == 0);
    wr_be32(w, g->quote_magic);
    wr_be16(w, g->quote_type);
    wr_2b(w, BYTES_OF(signer));
    wr_2b(w, (struct bytes){nonce, 32});
    wr_be64(w, 123456); /* clock, resets, restarts, safe, firmware */
    wr_be32(w, g->quote_resets);
    wr_be32(w, g->quote_restarts);
    wr_u8(w, 1);
    wr_be64(w, 0x2019102300163636);
    if (g->quote_type == TPM2_ST_ATTEST_CERTIFY) { /* well formed, as a TPM makes it */
        wr_2b(w, BYTES_OF(signer));
        wr_2b(w, BYTES_OF(signer));
        return;
    }
    wr_be32(w, 1); /* one selection of 3 bytes */
    wr_be16(w, TPM2_ALG_SHA256);
    wr_u8(w, 3);
    for (unsigned i = 0; i < 3; i++)
        wr_u8(w, (uint8_t)(g->quote_mask >> 8 * i));
    wr_2b(w, BYTES_OF(digest));
    need(w->err == 0);
}

void soft_gateway_message(struct soft_gateway *g, const uint8_t nonce[32], struct wr *out)
{
    static uint8_t payload[EVIDENCE_CLAIMS_MAX];
    uint8_t digest[32], over[32], attest[EVIDENCE_ATTEST_MAX];
    const struct bytes log = {g->log, g->log_n};
    struct evidence_message m = {.log = g->with_log ? log : (struct bytes){NULL, 0}};
    struct evidence_token t = {0};
    struct wr w;

    memcpy(g->claims.nonce, nonce, 32);
    g->claims.boot.log_size = (uint32_t)log.n;
    need(SHA->hash(SHA->ctx, &log, 1, g->claims.boot.log_digest) == 0);
    wr_init(&w, payload, sizeof(payload));
    need(evidence_claims_encode(&g->claims, &w) == 0);
    t.payload = wr_done(&w);
    need(evidence_key_thumbprint(SHA, &g->tee.pub, t.kid) == 0 &&
         evidence_token_digest(SHA, t.kid, t.payload, digest) == 0);
    soft_key_sign(&g->tee, digest, t.signature);
    wr_init(&w, g->token, sizeof(g->token));
    need(evidence_token_encode(&t, &w) == 0);
    m.token = wr_done(&w);
    g->token_n = w.at;
    need(evidence_quote_nonce(SHA, m.token, over) == 0);
    over[0] ^= g->quote_other_nonce;
    wr_init(&w, attest, sizeof(attest));
    if (g->quote != NULL) {
        g->quote(g->quote_ctx, over, &w, m.quote_signature);
        m.attest = wr_done(&w);
    } else {
        quote(g, over, &w);
        m.attest = wr_done(&w);
        need(SHA->hash(SHA->ctx, &m.attest, 1, digest) == 0);
        soft_key_sign(&g->ak, digest, m.quote_signature);
    }
    need(evidence_message_encode(&m, out) == 0);
}

/* ---- vectors ---- */

static void vector_nonce(uint8_t nonce[32])
{
    digest_of("a nonce", "", nonce);
}

static void clean(struct soft_gateway *g)
{
    (void)g;
}

static void infected(struct soft_gateway *g)
{
    soft_gateway_finding(g, EVIDENCE_ALARM, "text.page", "__arm64_sys_kill+0x10",
                         0xffff800008123450U, "4 bytes");
    soft_gateway_finding(g, EVIDENCE_WARNING, "sockets.listen", "nc[812]", 0, "tcp 0.0.0.0:4444");
    g->claims.software.last_update = EVIDENCE_UPDATE_TRIES_GONE;
    g->claims.software.last_update_reset = EVIDENCE_RESET_ALARM;
    g->claims.software.refused = (struct evidence_refusals){
        .last = EVIDENCE_ATTACK_FREEZE,
        .count = 3,
        .kinds = 1u << EVIDENCE_ATTACK_ROLLBACK | 1u << EVIDENCE_ATTACK_FREEZE};
    g->claims.software.told =
        (struct evidence_refusals){.last = EVIDENCE_ATTACK_SLOW_RETRIEVAL,
                                   .count = 70000,
                                   .kinds = 1u << EVIDENCE_ATTACK_SLOW_RETRIEVAL};
}

static void enrolling(struct soft_gateway *g)
{
    uint8_t nonce[32], secret[32], tls[32];

    vector_nonce(nonce);
    digest_of("a secret", "", secret);
    digest_of("a TLS key", "", tls);
    soft_gateway_enrol(g, nonce, secret, tls);
}

static void message(void (*bend)(struct soft_gateway *), bool token_only, struct wr *out)
{
    static uint8_t whole[EVIDENCE_MESSAGE_MAX];
    static struct soft_gateway g;
    uint8_t nonce[32];
    struct wr w;

    soft_gateway_init(&g, "vector", "a release");
    bend(&g);
    vector_nonce(nonce);
    wr_init(&w, whole, sizeof(whole));
    soft_gateway_message(&g, nonce, &w);
    wr_bytes(out, token_only ? (struct bytes){g.token, g.token_n} : wr_done(&w));
}

bool soft_vector(unsigned i, const char **name, struct wr *out)
{
    static const struct {
        const char *name;
        void (*bend)(struct soft_gateway *);
        bool token_only;
    } row[] = {
        {"clean.token", clean, true},         {"clean.message", clean, false},
        {"infected.token", infected, true},   {"infected.message", infected, false},
        {"enrolment.token", enrolling, true}, {"enrolment.message", enrolling, false},
    };
    const unsigned rows = sizeof(row) / sizeof(row[0]);
    uint8_t key[EVIDENCE_KEY_SIZE];
    struct soft_gateway g;

    if (i < rows) {
        *name = row[i].name;
        message(row[i].bend, row[i].token_only, out);
        return true;
    }
    if (i >= rows + 2)
        return false;
    soft_gateway_init(&g, "vector", "a release");
    *name = i == rows ? "tee.key" : "ak.key";
    evidence_key_encode(i == rows ? &g.tee.pub : &g.ak.pub, key);
    wr_bytes(out, BYTES_OF(key));
    return true;
}
