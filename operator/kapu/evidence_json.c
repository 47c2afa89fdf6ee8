// SPDX-License-Identifier: Apache-2.0
#include "evidence_show.h"

#include <inttypes.h>

#include "verifier.h"

static void hex(FILE *to, const char *name, const uint8_t *p, size_t n, const char *end)
{
    fprintf(to, "\"%s\": \"", name);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%02x", p[i]);
    fprintf(to, "\"%s", end);
}

/* Texts of evidence have bounds below this. */
static void text(FILE *to, const char *name, struct bytes b, const char *end)
{
    char copy[EVIDENCE_DETAIL_MAX + 1];

    snprintf(copy, sizeof(copy), "%.*s", (int)b.n, b.n > 0 ? (const char *)b.p : "");
    fprintf(to, "\"%s\": ", name);
    verifier_print_string(to, copy);
    fputs(end, to);
}

static const char *yes(bool v)
{
    return v ? "true" : "false";
}

static void checks_made(FILE *to, const struct shown *s)
{
    fprintf(to, "\"kind\": \"%s\", \"token\": \"%s\", ", s->is_message ? "message" : "token",
            shown_check_name(s->token_signature));
    if (s->is_message)
        fprintf(to, "\"quote\": \"%s\", \"quote_fits\": %s, \"log\": %s, \"log_fits\": %s, ",
                shown_check_name(s->quote_signature), yes(s->quote_fits), yes(s->message.log.n > 0),
                yes(s->log_fits));
}

static void boot(FILE *to, const struct evidence_claims *c)
{
    char name[16];

    fprintf(to, "\"boot\": {\"pcrs\": {");
    for (size_t i = 0; i < EVIDENCE_PCRS; i++) {
        snprintf(name, sizeof(name), "%u", evidence_pcr[i]);
        hex(to, name, c->boot.pcr[i], 32, i + 1 < EVIDENCE_PCRS ? ", " : "}, ");
    }
    hex(to, "log_digest", c->boot.log_digest, 32, ", ");
    fprintf(to, "\"log_size\": %u, ", c->boot.log_size);
    hex(to, "board", c->boot.board, sizeof(c->boot.board), "}, ");
    fprintf(to, "\"software\": {");
    text(to, "version", c->software.version, ", ");
    hex(to, "release_identity", c->software.identity, sizeof(c->software.identity), ", ");
    hex(to, "boot_name", c->software.boot_name, sizeof(c->software.boot_name), ", ");
    fprintf(to, "\"counter_release\": %u, \"counter_tpm\": %u, \"slot\": \"%c\", ",
            c->software.counter_release, c->software.counter_tpm,
            c->software.slot == 0 ? 'a' : 'b');
    fprintf(to, "\"trial\": %s, \"tries\": %u, ", yes(c->software.trial), c->software.tries);
    fprintf(to, "\"storage_counter\": %u, \"storage_starts\": %u, ", c->software.storage_counter,
            c->software.storage_starts);
    fprintf(to, "\"last_update\": \"%s\", \"last_update_reset\": \"%s\", ",
            verifier_update_name(c->software.last_update),
            verifier_reset_name(c->software.last_update_reset));
    fprintf(to, "\"refused_updates\": ");
    verifier_print_refusals(to, &c->software.refused);
    fprintf(to, ", \"told_by_linux\": ");
    verifier_print_refusals(to, &c->software.told);
    fprintf(to, "}, ");
    text(to, "tee", c->tee, ", ");
}

static void lists(FILE *to, const struct evidence_monitor *m)
{
    fprintf(to, "\"checks\": [");
    for (size_t i = 0; i < m->checks; i++) {
        fprintf(to, "%s{", i > 0 ? ", " : "");
        text(to, "id", m->check[i].id, ", ");
        fprintf(to, "\"result\": %d}", m->check[i].result);
    }
    fprintf(to, "], \"findings\": [");
    for (size_t i = 0; i < m->findings; i++) {
        const struct evidence_finding *f = &m->finding[i];
        char words[VERIFIER_REASON_TEXT];

        verifier_explain_finding(f, NULL, words, sizeof(words));
        fprintf(to, "%s{\"severity\": \"%s\", ", i > 0 ? ", " : "",
                f->severity == EVIDENCE_ALARM ? "alarm" : "warning");
        text(to, "id", f->id, ", ");
        text(to, "object", f->object, ", ");
        fprintf(to, "\"address\": \"0x%llx\", ", (unsigned long long)f->address);
        text(to, "detail", f->detail, ", ");
        fprintf(to, "\"text\": ");
        verifier_print_string(to, words);
        fprintf(to, "}");
    }
    fprintf(to, "]");
}

static void monitor(FILE *to, const struct evidence_monitor *m)
{
    static const char *const verdict[] = {"clean", "warnings", "alarms"};

    fprintf(to, "\"monitor\": {\"verdict\": \"%s\", \"number\": %u, ", verdict[m->verdict],
            m->number);
    fprintf(to, "\"began_ms\": %" PRIu64 ", \"ended_ms\": %" PRIu64 ", \"now_ms\": %" PRIu64 ", ",
            m->began_ms, m->ended_ms, m->now_ms);
    fprintf(to, "\"kernel_base\": \"0x%" PRIx64 "\", ", m->kernel_base);
    fprintf(to, "\"alarms\": %u, \"warnings\": %u, \"not_kept\": %u, ", m->alarms, m->warnings,
            m->not_kept);
    fprintf(to,
            "\"watch\": {\"ticks\": %u, \"pages\": %u, \"passes\": %u, \"pass_ms\": %u, "
            "\"changed\": %u, \"cores\": %u}, ",
            m->watch.ticks, m->watch.pages, m->watch.passes, m->watch.pass_ms, m->watch.changed,
            m->watch.cores);
    fprintf(to, "\"last_reset\": \"%s\", \"resets\": %u, ", verifier_reset_name(m->last_reset),
            m->resets);
    lists(to, m);
    fprintf(to, "}");
}

void show_json(FILE *to, const struct shown *s)
{
    const struct evidence_claims *c = &s->claims;

    fprintf(to, "{");
    checks_made(to, s);
    hex(to, "kid", s->token.kid, sizeof(s->token.kid), ", ");
    hex(to, "ueid", c->ueid, sizeof(c->ueid), ", ");
    hex(to, "nonce", c->nonce, sizeof(c->nonce), ", ");
    fprintf(to, "\"oemboot\": %s, \"dbgstat\": %d, ", yes(c->oemboot), (int)c->dbgstat);
    if (c->enrolment) {
        hex(to, "tls_key", c->tls_key, sizeof(c->tls_key), ", ");
        hex(to, "activation", c->activation, sizeof(c->activation), ", ");
    }
    boot(to, c);
    monitor(to, &s->monitor);
    fprintf(to, "}\n");
}
