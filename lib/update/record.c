// SPDX-License-Identifier: Apache-2.0
/* The record as it lies in the TPM, and what answers mean to a person. */
#include <string.h>

#include <kapu/update.h>

#define IS_TRIAL 1u
#define NEEDS_APPROVAL 2u

void update_record_encode(const struct update_record *r, uint8_t to[UPDATE_RECORD_SIZE])
{
    struct wr w;

    wr_init(&w, to, UPDATE_RECORD_SIZE);
    wr_be32(&w, UPDATE_RECORD_MAGIC);
    wr_u8(&w, (uint8_t)((r->trial ? IS_TRIAL : 0u) | (r->approval ? NEEDS_APPROVAL : 0u)));
    wr_u8(&w, r->slot);
    wr_u8(&w, r->trials);
    wr_u8(&w, r->last);
    wr_u8(&w, r->reset);
    wr_u8(&w, 0);
    wr_be64(&w, r->time_ms);
    wr_be64(&w, r->rollout);
    wr_be64(&w, r->membership);
    wr_bytes(&w, (struct bytes){(const uint8_t *)r->group, sizeof(r->group)});
    wr_bytes(&w, BYTES_OF(r->release));
    wr_bytes(&w, BYTES_OF(r->identity));
    for (size_t i = 0; i < UPDATE_ROLES; i++) {
        wr_be32(&w, r->keys[i].version);
        wr_bytes(&w, BYTES_OF(r->keys[i].digest));
    }
}

static void take(struct rd *r, void *to, size_t n)
{
    struct bytes b = rd_bytes(r, n);

    if (b.n == n)
        memcpy(to, b.p, n);
}

struct bytes update_record_group(const struct update_record *r)
{
    size_t n = 0;

    while (n < sizeof(r->group) && r->group[n] != '\0')
        n++;
    return (struct bytes){(const uint8_t *)r->group, n};
}

/* Printable ASCII, then zeros; there is one if there was a membership. */
static bool group_is_right(const struct update_record *r)
{
    const struct bytes group = update_record_group(r);

    for (size_t i = 0; i < sizeof(r->group); i++) {
        if (i < group.n ? r->group[i] < ' ' || r->group[i] > '~' : r->group[i] != '\0')
            return false;
    }
    return (group.n > 0) == (r->membership > 0);
}

int update_record_decode(const uint8_t from[UPDATE_RECORD_SIZE], struct update_record *r)
{
    uint8_t again[UPDATE_RECORD_SIZE];
    struct rd in;
    uint8_t flags;

    memset(r, 0, sizeof(*r));
    rd_init(&in, (struct bytes){from, UPDATE_RECORD_SIZE});
    (void)rd_be32(&in); /* the magic number, last and reset: update_outcome_decode */
    flags = rd_u8(&in);
    r->trial = (flags & IS_TRIAL) != 0;
    r->approval = (flags & NEEDS_APPROVAL) != 0;
    r->slot = rd_u8(&in);
    r->trials = rd_u8(&in);
    (void)rd_bytes(&in, 3);
    r->time_ms = rd_be64(&in);
    r->rollout = rd_be64(&in);
    r->membership = rd_be64(&in);
    take(&in, r->group, sizeof(r->group));
    take(&in, r->release, sizeof(r->release));
    take(&in, r->identity, sizeof(r->identity));
    for (size_t i = 0; i < UPDATE_ROLES; i++) {
        r->keys[i].version = rd_be32(&in);
        take(&in, r->keys[i].digest, sizeof(r->keys[i].digest));
    }
    if (update_outcome_decode(from, &r->last, &r->reset) != 0)
        return KAPU_EINVAL;
    update_record_encode(r, again); /* one meaning has one encoding */
    if (rd_end(&in) != 0 || memcmp(again, from, sizeof(again)) != 0 || r->slot >= BOOTSTATE_SLOTS ||
        r->time_ms > RELEASE_TIME_MAX || !group_is_right(r))
        return KAPU_EINVAL;
    return 0;
}

const char *update_outcome_name(enum update_outcome o)
{
    static const char *const names[UPDATE_OUTCOMES] = {
        [UPDATE_NOTHING_YET] = "none",        [UPDATE_CONFIRMED] = "confirmed",
        [UPDATE_HALTED] = "halted",           [UPDATE_TRIES_GONE] = "tries gone",
        [UPDATE_REFUSED] = "refused",         [UPDATE_OTHER_RAN] = "other ran",
        [UPDATE_NEVER_BEGAN] = "never began",
    };

    return (unsigned int)o < UPDATE_OUTCOMES ? names[o] : "unknown";
}

const char *update_stage_name(enum update_stage s)
{
    static const char *const names[UPDATE_STAGES] = {
        [UPDATE_IDLE] = "idle", [UPDATE_WAITING] = "waiting", [UPDATE_ON_TRIAL] = "on trial",
        [UPDATE_OVER] = "over", [UPDATE_CLOSED] = "closed",
    };

    return (unsigned int)s < UPDATE_STAGES ? names[s] : "unknown";
}

static const struct {
    const char *name, *says;
} answers[UPDATE_ANSWERS] = {
    [UPDATE_DONE] = {"done", "it was done"},
    [UPDATE_ROLLBACK] = {"rollback", "its security counter is not above the gateway's"},
    [UPDATE_FREEZE] = {"freeze", "manifest or rollout has expired"},
    [UPDATE_MIX_AND_MATCH] = {"mix-and-match",
                              "the rollout is of another release than the manifest"},
    [UPDATE_WRONG_HARDWARE] = {"wrong hardware", "the release is for another hardware or product"},
    [UPDATE_ARBITRARY_SOFTWARE] = {"arbitrary software", "too few valid signatures of known keys"},
    [UPDATE_FAST_FORWARD] = {"fast-forward", "a counter, number or time is too far ahead"},
    [UPDATE_PARTIAL_BUNDLE] = {"partial bundle",
                               "the slot does not hold the firmware package of the manifest"},
    [UPDATE_REPLAYED_ROLLOUT] = {"replayed rollout",
                                 "the rollout is of another gateway, or older than the last one"},
    [UPDATE_CHANGED] = {"TOCTOU", "what runs on trial is not what was verified"},
    [UPDATE_REVOKED_KEY] = {"revoked key", "it is signed by keys that were replaced"},
    [UPDATE_REPLAYED_APPROVAL] = {"replayed approval",
                                  "the approval is of another gateway, release or boot"},
    [UPDATE_RUNS_ALREADY] = {"runs already", "the release runs and is confirmed"},
    [UPDATE_BETWEEN] = {"step missing", "another release or set of keys has to come first"},
    [UPDATE_TRIED] = {"tried", "this rollout has had its trials: a new one is needed"},
    [UPDATE_BUSY] = {"busy", "a trial runs"},
    [UPDATE_NO_TRIAL] = {"no trial", "no trial runs"},
    [UPDATE_NOT_CLEAN] = {"not clean", "no deep check of this boot has ended without alarms"},
    [UPDATE_NOT_APPROVED] = {"not approved", "the release needs the operator's approval"},
    [UPDATE_ENDLESS_DATA] = {"endless data", "the server sends more than was asked for"},
    [UPDATE_SLOW_RETRIEVAL] = {"slow retrieval", "the server sends too slowly to ever end"},
};

const char *update_answer_name(enum update_answer a)
{
    return (unsigned int)a < UPDATE_ANSWERS ? answers[a].name : "unknown";
}

const char *update_answer_says(enum update_answer a)
{
    return (unsigned int)a < UPDATE_ANSWERS ? answers[a].says : "the answer is not known";
}

bool update_is_attack(enum update_answer a)
{
    return a >= UPDATE_ROLLBACK && a <= UPDATE_REPLAYED_APPROVAL;
}

bool update_is_told(enum update_answer a)
{
    return a == UPDATE_ENDLESS_DATA || a == UPDATE_SLOW_RETRIEVAL || a == UPDATE_ARBITRARY_SOFTWARE;
}

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "in evidence as it is")
SAME(UPDATE_DONE, EVIDENCE_ATTACK_NONE);
SAME(UPDATE_ROLLBACK, EVIDENCE_ATTACK_ROLLBACK);
SAME(UPDATE_FREEZE, EVIDENCE_ATTACK_FREEZE);
SAME(UPDATE_MIX_AND_MATCH, EVIDENCE_ATTACK_MIX_AND_MATCH);
SAME(UPDATE_WRONG_HARDWARE, EVIDENCE_ATTACK_WRONG_HARDWARE);
SAME(UPDATE_ARBITRARY_SOFTWARE, EVIDENCE_ATTACK_ARBITRARY_SOFTWARE);
SAME(UPDATE_FAST_FORWARD, EVIDENCE_ATTACK_FAST_FORWARD);
SAME(UPDATE_PARTIAL_BUNDLE, EVIDENCE_ATTACK_PARTIAL_BUNDLE);
SAME(UPDATE_REPLAYED_ROLLOUT, EVIDENCE_ATTACK_REPLAYED_ROLLOUT);
SAME(UPDATE_CHANGED, EVIDENCE_ATTACK_TOCTOU);
SAME(UPDATE_REVOKED_KEY, EVIDENCE_ATTACK_REVOKED_KEY);
SAME(UPDATE_REPLAYED_APPROVAL, EVIDENCE_ATTACK_REPLAYED_APPROVAL);
SAME(UPDATE_ENDLESS_DATA, EVIDENCE_ATTACK_ENDLESS_DATA);
SAME(UPDATE_SLOW_RETRIEVAL, EVIDENCE_ATTACK_SLOW_RETRIEVAL);
_Static_assert((unsigned int)UPDATE_ANSWERS <= UPDATE_REFUSALS_KINDS, "each answer has a bit");
