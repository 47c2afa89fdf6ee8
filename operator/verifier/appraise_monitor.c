// SPDX-License-Identifier: Apache-2.0
/* What runs: the secure world's own verdict on Linux, how fresh and how complete it is. */
#include "appraise.h"

#include <inttypes.h>
#include <string.h>

/* What findings mean, by the begin of their identifiers, the longer ones first
 * (docs/introspection.md has all of them). */
static const struct {
    const char *id, *means;
} meaning[] = {
    {"text.page", "kernel text differs"},
    {"rodata.page", "kernel constants differ"},
    {"text.site", "a patch site of the kernel holds foreign code"},
    {"text.jump", "a jump label is switched against its key"},
    {"text.ftrace", "a kernel function is being traced or hooked"},
    {"text.", "kernel text differs"},
    {"registers.", "a system register was changed"},
    {"tables.wx", "a kernel page is writable and executable"},
    {"tables.exec", "executable kernel memory belongs to nobody"},
    {"tables.", "the kernel's page tables are not as they must be"},
    {"syscalls.", "a system call leads elsewhere"},
    {"pointers.", "a function pointer of the kernel leads elsewhere"},
    {"netfilter.", "a packet filter hook leads elsewhere"},
    {"notifiers.", "a notifier leads elsewhere"},
    {"timers.", "a timer leads elsewhere"},
    {"works.", "queued work leads elsewhere"},
    {"tracepoints.", "a probe at a tracepoint is foreign"},
    {"lsm.", "a security hook was changed"},
    {"operations.", "what the kernel calls for a file leads elsewhere"},
    {"io_uring.", "a program uses io_uring, which policy does not allow"},
    {"modules.unknown", "a kernel module is loaded that policy does not allow"},
    {"modules.hidden", "a kernel module hides"},
    {"modules.", "the kernel's modules cannot be followed"},
    {"processes.", "a process hides"},
    {"credentials.program", "a program runs that policy does not know"},
    {"credentials.namespace", "a process is in a wrong namespace"},
    {"credentials.", "a process has other rights than policy says"},
    {"code.kernel", "a process can write the kernel"},
    {"code.hidden", "a process hides what it runs"},
    {"code.", "a process runs foreign code"},
    {"cache.", "the page cache has other content than the root image"},
    {"sockets.peer", "a program is connected with somebody that policy does not allow"},
    {"sockets.disguised", "a network connection hides"},
    {"sockets.hidden", "a network connection hides"},
    {"sockets.", "a program has a socket that policy does not allow"},
    {"state.verity", "the root file system is not verified"},
    {"state.", "a protection of the kernel is switched off"},
    {"report.", "the kernel's structures cannot be followed"},
    {"tpm.reset", "the TPM was reset while the gateway ran"},
    {"tpm.pcr", "a PCR of the TPM does not hold what this boot measured"},
    {"tpm.silent", "the TPM does not answer the secure world"},
    {"tpm.", "the TPM is not as this boot left it"},
    {"monitor.missed", "more changed than the watch could keep"},
    {"monitor.", "the monitor could not see all that it must"},
};

static const char *means(struct bytes id)
{
    for (size_t i = 0; i < sizeof(meaning) / sizeof(meaning[0]); i++) {
        size_t n = strlen(meaning[i].id);

        if (id.n >= n && memcmp(id.p, meaning[i].id, n) == 0)
            return meaning[i].means;
    }
    return "the monitor found something";
}

/* "kernel text differs: kernel text at" says it twice. */
static bool says_the_same(const struct evidence_finding *f)
{
    return strncmp(means(f->id), f->object.n > 0 ? (const char *)f->object.p : "", f->object.n) ==
           0;
}

/* "at SYMBOL+0xOFFSET" needs no address beside it; other objects do. */
static void place_of(const struct evidence_finding *f, const char *place, char *to, size_t n)
{
    char address[SYMBOLS_FINDING_MAX + 8] = "";

    if (f->object.n > 3 && memmem(f->object.p, f->object.n, "+0x", 3) != NULL) {
        snprintf(to, n, " at %.*s", TEXT_OF(f->object));
        return;
    }
    if (place != NULL)
        snprintf(address, sizeof(address), " at %s", place);
    else if (f->address != 0)
        snprintf(address, sizeof(address), " at 0x%" PRIx64, f->address);
    if (f->object.n > 0 && (place == NULL || !says_the_same(f)))
        snprintf(to, n, ": %.*s%s", TEXT_OF(f->object), address);
    else
        snprintf(to, n, "%s", address);
}

void verifier_explain_finding(const struct evidence_finding *f, const char *place, char *to,
                              size_t n)
{
    char where[EVIDENCE_OBJECT_MAX + SYMBOLS_FINDING_MAX + 16];

    place_of(f, place, where, sizeof(where));
    snprintf(to, n, "%s%s%s%.*s [%.*s]", means(f->id), where, f->detail.n > 0 ? ": " : "",
             TEXT_OF(f->detail), TEXT_OF(f->id));
}

/* ---- names of places ---- */

static int take_symbols(void *ctx, const struct verifier_kernel *kernel)
{
    return symbols_open(ctx, kernel);
}

/*
 * The names are those of the kernel that PCR 8 stands for, when the TPM vouches for that value and
 * a release has it. They are for people: without them the verdict is the same, and a reason tells
 * the address.
 */
static const struct symbols *symbols_of(struct appraisal *a)
{
    const struct verifier_references *refs = a->q->references;

    if (!a->tried && a->quoted && refs->kernel != NULL)
        (void)!refs->kernel(refs->ctx, a->claims.boot.pcr[EVIDENCE_PCR_LINUX], take_symbols,
                            &a->symbols);
    a->tried = true;
    return &a->symbols;
}

/* Its place in the kernel's image; NULL when it is not in it, or nobody knows. */
static const char *name_of(struct appraisal *a, const struct evidence_finding *f,
                           char place[SYMBOLS_FINDING_MAX])
{
    const uint64_t base = a->monitor.kernel_base, offset = f->address - base;

    if (base == 0 || f->address < base || offset > UINT32_MAX ||
        !symbols_finding(symbols_of(a), offset, f->detail, place))
        return NULL;
    return place;
}

static void appraise_findings(struct appraisal *a)
{
    const struct evidence_monitor *m = &a->monitor;
    char text[VERIFIER_REASON_TEXT], place[SYMBOLS_FINDING_MAX];

    for (size_t i = 0; i < m->findings; i++) {
        enum policy_action action = policy_of_finding(a->q->policy, &m->finding[i]);

        if (action == POLICY_IGNORE)
            continue;
        verifier_explain_finding(&m->finding[i], name_of(a, &m->finding[i], place), text,
                                 sizeof(text));
        verifier_reason(a->r, VERIFIER_EXECUTABLES,
                        action == POLICY_FATAL ? VERIFIER_CONTRAINDICATED : VERIFIER_WARNING, "%s",
                        text);
    }
    if (m->not_kept > 0) /* nobody knows what policy says of them */
        verifier_reason(a->r, VERIFIER_EXECUTABLES,
                        m->alarms > 0 ? VERIFIER_CONTRAINDICATED : VERIFIER_WARNING,
                        "there are %u findings more than the evidence has room for", m->not_kept);
}

static bool ran(const struct evidence_monitor *m, const char *id)
{
    for (size_t i = 0; i < m->checks; i++) {
        if (m->check[i].id.n == strlen(id) && memcmp(m->check[i].id.p, id, strlen(id)) == 0)
            return m->check[i].result >= 0;
    }
    return false;
}

/* A check that what it is about does not exist in this kernel is no gap; any other error is one. */
static void appraise_coverage(struct appraisal *a)
{
    const struct evidence_monitor *m = &a->monitor;
    const struct verifier_policy *p = a->q->policy;
    uint32_t count = 0;

    for (size_t i = 0; i < m->checks; i++) {
        count += m->check[i].result >= 0;
        if (m->check[i].result < 0 && m->check[i].result != KAPU_EUNSUPPORTED)
            verifier_reason(a->r, VERIFIER_CONFIGURATION, VERIFIER_WARNING,
                            "the check '%.*s' could not be made (error %d)",
                            TEXT_OF(m->check[i].id), m->check[i].result);
    }
    if (count < p->checks_min)
        verifier_reason(a->r, VERIFIER_CONFIGURATION, VERIFIER_CONTRAINDICATED,
                        "%u checks were made, policy asks for at least %u", count, p->checks_min);
    for (uint32_t i = 0; i < p->required_n; i++) {
        if (!ran(m, p->required[i]))
            verifier_reason(a->r, VERIFIER_CONFIGURATION, VERIFIER_CONTRAINDICATED,
                            "the check '%s', which policy asks for, was not made", p->required[i]);
    }
    if (m->watch.pages == 0 || m->watch.cores == 0)
        verifier_reason(a->r, VERIFIER_CONFIGURATION, VERIFIER_WARNING,
                        "nothing watches the kernel between deep checks");
}

static void appraise_freshness(struct appraisal *a)
{
    const struct evidence_monitor *m = &a->monitor;
    const struct verifier_policy *p = a->q->policy;
    uint64_t age = m->now_ms - m->ended_ms, took = m->ended_ms - m->began_ms;

    if (age > p->check_age_max_ms)
        verifier_reason(a->r, VERIFIER_EXECUTABLES, VERIFIER_CONTRAINDICATED,
                        "its last deep check ended %" PRIu64 " ms before, policy allows %u ms", age,
                        p->check_age_max_ms);
    if (took > p->check_took_max_ms)
        verifier_reason(a->r, VERIFIER_EXECUTABLES, VERIFIER_CONTRAINDICATED,
                        "its deep check took %" PRIu64 " ms, policy allows %u ms", took,
                        p->check_took_max_ms);
}

void appraise_monitor(struct appraisal *a)
{
    if (a->monitor.number == 0) {
        verifier_reason(a->r, VERIFIER_EXECUTABLES, VERIFIER_CONTRAINDICATED,
                        "the monitor has not made a deep check");
        return;
    }
    appraise_findings(a);
    appraise_coverage(a);
    appraise_freshness(a);
}
