// SPDX-License-Identifier: Apache-2.0
#include "attest_ask.h"

#include <string.h>

#include "commands.h"

void attest_no_answer(struct attested *out, const char *what, const char *why)
{
    out->status = EXIT_NO_ANSWER;
    snprintf(out->why, sizeof(out->why), "%s%s", what, why);
}

int attest_question(const struct fleet *f, const char *gateway, bool log, struct wr *body,
                    uint8_t nonce[EVIDENCE_NONCE_SIZE], struct attested *out)
{
    struct protocol_request q = {.kind = PROTOCOL_ATTEST,
                                 .wants_log = log || f->policy.log_required};
    int err = fleet_challenge(f, gateway, q.nonce);

    if (err == 0)
        err = protocol_request_encode(&q, body);
    if (err != 0) {
        attest_no_answer(out, "no question can be made: ",
                         err == KAPU_ENOENT ? "the gateway was removed" : f->store->said);
        return -1;
    }
    memcpy(nonce, q.nonce, sizeof(q.nonce));
    return 0;
}

static void judge(const struct fleet *f, const char *gateway, struct bytes message,
                  struct attested *out)
{
    int err = fleet_answer(f, gateway, message, &out->result);

    if (err != 0) {
        attest_no_answer(out, "the answer could not be judged or recorded: ",
                         err == KAPU_EIO ? f->store->said : "the verifier failed");
        return;
    }
    out->judged = true;
    out->status = out->result.status == VERIFIER_AFFIRMING || out->result.status == VERIFIER_WARNING
                      ? EXIT_DONE
                      : EXIT_FAILED;
}

void attest_judge(const struct fleet *f, const char *gateway, struct bytes body, uint8_t *work,
                  struct attested *out)
{
    struct protocol_reply r;
    char text[PROTOCOL_ERROR_MAX + 1];

    if (protocol_reply_decode(body, &r, work, PROTOCOL_BODY_MAX) != 0) {
        judge(f, gateway, body, out); /* not evidence: the verifier says so, and records it */
    } else if (r.kind == PROTOCOL_ATTEST) {
        out->bytes = r.message.n;
        judge(f, gateway, r.message, out);
    } else if (r.kind == PROTOCOL_ERROR) {
        snprintf(text, sizeof(text), "%.*s", (int)r.error.n, (const char *)r.error.p);
        attest_no_answer(out, "the gateway says: ", text);
    } else {
        attest_no_answer(out, "the gateway answers another question", "");
    }
}

bool attest_was_overtaken(const struct fleet *f, const char *gateway, const struct attested *out,
                          const uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    struct store_clock clock;
    struct store_state now;

    if (!out->judged || out->result.authentic ||
        f->store->ops->gateway_named(f->store, gateway, &now) != 0)
        return false;
    if (now.appraised && memcmp(now.sequence, nonce, NONCE_SEQUENCE) > 0)
        return true;
    /* The clock was set back in the meantime: no answer to that question counts any more. */
    return fleet_clock(f, &now, &clock) == 0 && nonce_epoch(nonce) != clock.epoch;
}
