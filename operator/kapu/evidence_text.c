// SPDX-License-Identifier: Apache-2.0
#include "evidence_show.h"

#include <inttypes.h>

#include "verifier.h"

static void hex(FILE *to, const char *name, const uint8_t *p, size_t n)
{
    fprintf(to, "  %-18s ", name);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%02x", p[i]);
    fprintf(to, "\n");
}

static void text(FILE *to, const char *name, struct bytes b)
{
    fprintf(to, "  %-18s %.*s\n", name, (int)b.n, b.n > 0 ? (const char *)b.p : "");
}

static void checks_made(FILE *to, const struct shown *s)
{
    static const char *const said[] = {
        [SHOWN_UNCHECKED] = "not checked: give its key with --key",
        [SHOWN_GOOD] = "verified with the key given",
        [SHOWN_SELF] = "verified, but with the key that the token names itself",
        [SHOWN_BAD] = "NOT VERIFIED: not signed by the key given, or changed",
    };

    fprintf(to, "%s: %s, %zu bytes\n", s->file, s->is_message ? "message" : "token",
            s->is_message ? s->message.token.n + s->message.attest.n + s->message.log.n
                          : s->message.token.n);
    fprintf(to, "  %-18s %s\n", "token", said[s->token_signature]);
    if (!s->is_message)
        return;
    fprintf(to, "  %-18s %s\n", "TPM quote",
            s->quote_signature == SHOWN_UNCHECKED ? "not checked: give its key with --ak"
                                                  : said[s->quote_signature]);
    fprintf(to, "  %-18s %s\n", "",
            s->quote_fits ? "it covers this token and these PCRs"
                          : "NOT of this token, or of other PCRs");
    fprintf(to, "  %-18s %s\n", "event log",
            s->message.log.n == 0 ? "none"
            : s->log_fits         ? "accounts for the PCRs"
                                  : "does NOT account for the PCRs, or is another");
}

static void identity(FILE *to, const struct evidence_claims *c, const struct evidence_token *t)
{
    static const char *const debug[] = {"enabled", "disabled", "disabled since boot",
                                        "disabled permanently", "disabled fully and permanently"};

    fprintf(to, "identity\n");
    hex(to, "gateway (UEID)", c->ueid, sizeof(c->ueid));
    hex(to, "board", c->boot.board, sizeof(c->boot.board));
    hex(to, "key (kid)", t->kid, sizeof(t->kid));
    hex(to, "nonce", c->nonce, sizeof(c->nonce));
    fprintf(to, "  %-18s %s; debugging %s\n", "boot chain",
            c->oemboot ? "manufacturer's" : "NOT the manufacturer's", debug[c->dbgstat]);
    if (c->enrolment) {
        fprintf(to, "enrolment\n");
        hex(to, "TLS key (SHA-256)", c->tls_key, sizeof(c->tls_key));
        hex(to, "activation", c->activation, sizeof(c->activation));
    }
}

/* Who reset the board. */
static const char *by(enum evidence_reset why)
{
    static const char *const names[] = {"none", "an alarm", "the watchdog", "a panic"};

    return names[why];
}

static void boot(FILE *to, const struct evidence_claims *c)
{
    char name[16];

    fprintf(to, "boot\n");
    for (size_t i = 0; i < EVIDENCE_PCRS; i++) {
        snprintf(name, sizeof(name), "PCR %u", evidence_pcr[i]);
        hex(to, name, c->boot.pcr[i], sizeof(c->boot.pcr[i]));
    }
    fprintf(to, "  %-18s %u bytes\n", "event log", c->boot.log_size);
    fprintf(to, "software\n");
    text(to, "version", c->software.version);
    hex(to, "release identity", c->software.identity, sizeof(c->software.identity));
    hex(to, "boot name", c->software.boot_name, sizeof(c->software.boot_name));
    text(to, "TEE", c->tee);
    fprintf(to, "  %-18s %u of the release, %u in the TPM\n", "security counter",
            c->software.counter_release, c->software.counter_tpm);
    fprintf(to, "  %-18s %c%s", "slot", c->software.slot == 0 ? 'a' : 'b',
            c->software.trial ? ", on trial" : "");
    if (c->software.trial)
        fprintf(to, ", tries left: %u", c->software.tries);
    fprintf(to, "\n");
    fprintf(to, "  %-18s %u commits, started %u times\n", "secure storage",
            c->software.storage_counter, c->software.storage_starts);
    fprintf(to, "  %-18s %s", "last update", verifier_update_name(c->software.last_update));
    if (c->software.last_update_reset != EVIDENCE_RESET_NONE)
        fprintf(to, ", after a reset by %s", by(c->software.last_update_reset));
    fprintf(to, "\n");
}

static void refusals(FILE *to, const struct evidence_software *s)
{
    char words[VERIFIER_REASON_TEXT];

    if (verifier_explain_refused(&s->refused, words, sizeof(words)))
        fprintf(to, "  %-18s %s\n", "refusals", words);
    if (verifier_explain_told(&s->told, words, sizeof(words)))
        fprintf(to, "  %-18s %s\n", "servers", words);
}

static void monitor(FILE *to, const struct evidence_monitor *m)
{
    static const char *const verdict[] = {"clean", "warnings", "ALARMS"};
    char words[VERIFIER_REASON_TEXT];
    unsigned ran = 0;

    for (size_t i = 0; i < m->checks; i++)
        ran += m->check[i].result >= 0;
    fprintf(to, "monitor\n");
    fprintf(to, "  %-18s %s: %u alarms, %u warnings\n", "verdict", verdict[m->verdict], m->alarms,
            m->warnings);
    fprintf(to,
            "  %-18s number %u, %u of %zu checks, took %" PRIu64 " ms, ended %" PRIu64
            " ms before\n",
            "deep check", m->number, ran, m->checks, m->ended_ms - m->began_ms,
            m->now_ms - m->ended_ms);
    fprintf(to, "  %-18s %u pages, %u passes (last one %u ms), %u changed, %u cores\n", "watch",
            m->watch.pages, m->watch.passes, m->watch.pass_ms, m->watch.changed, m->watch.cores);
    fprintf(to, "  %-18s %s; %u by the monitor since power-on\n", "last reset by",
            by(m->last_reset), m->resets);
    if (m->kernel_base != 0)
        fprintf(to, "  %-18s from 0x%" PRIx64 "\n", "kernel", m->kernel_base);
    for (size_t i = 0; i < m->findings; i++) {
        verifier_explain_finding(&m->finding[i], NULL, words, sizeof(words));
        fprintf(to, "  %-18s %s\n", m->finding[i].severity == EVIDENCE_ALARM ? "ALARM" : "warning",
                words);
    }
    if (m->not_kept > 0)
        fprintf(to, "  %-18s %u findings more\n", "", m->not_kept);
}

void show_text(FILE *to, const struct shown *s)
{
    checks_made(to, s);
    identity(to, &s->claims, &s->token);
    boot(to, &s->claims);
    refusals(to, &s->claims.software);
    monitor(to, &s->monitor);
}
