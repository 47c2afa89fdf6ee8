// SPDX-License-Identifier: Apache-2.0
/*
 * How many appraisals a core does in a second, with few and with very many known reference values:
 * bench_verifier FOLDER SECONDS. Each appraisal is what a verifier does with a message but for
 * writing the result: gateway from the store, nonce, both signatures, log, reference values,
 * policy. Prints "name value" lines; times are of the processor, so other work of the machine does
 * not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fleet.h"
#include "soft_gateway.h"

#define GATEWAYS 64U /* each of another release */
#define FEW 10U
#define MANY 1000000U
#define BATCH 10000U
#define ROUNDS 8U

static struct soft_gateway gateway[GATEWAYS];
static uint8_t message[GATEWAYS][4096];
static size_t message_n[GATEWAYS];
static struct verifier_result result;

static void need(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_verifier: %s\n", what);
        exit(1);
    }
}

static double processor_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t fixed_clock(void *ctx)
{
    (void)ctx;
    return 1764000000000;
}

static struct verifier_reference reference_of(unsigned i)
{
    struct verifier_reference ref = {.flavour = "gateway", .counter = 3};

    snprintf(ref.release, sizeof(ref.release), "release %u", i);
    if (i < GATEWAYS)
        memcpy(ref.pcr, gateway[i].claims.boot.pcr, sizeof(ref.pcr));
    else
        memcpy(ref.pcr, &i, sizeof(i));
    return ref;
}

/* `total` reference values; those of the gateways in the middle of the others. */
static void fill(struct fleet *f, unsigned total)
{
    struct verifier_reference *ref = calloc(BATCH, sizeof(*ref));
    unsigned n = 0;

    need(ref != NULL, "no memory");
    for (unsigned i = 0; i < total; i++) {
        ref[n++] = reference_of(i);
        if (n == BATCH || i + 1 == total) {
            need(f->store->ops->references_add(f->store, ref, n) == 0, f->store->said);
            n = 0;
        }
    }
    free(ref);
}

static void enrol(struct fleet *f, unsigned i)
{
    struct verifier_gateway g = {
        .tee = gateway[i].tee.pub, .ak = gateway[i].ak.pub, .interval_s = 60};
    struct store_board b = {.record = {.platform = "bench", .issued_ms = 1}};
    enum store_added how;
    const char *taken;
    uint64_t older;

    snprintf(g.name, sizeof(g.name), "gateway-%u", i);
    memcpy(g.ak_name, gateway[i].ak_name.b, sizeof(g.ak_name));
    memcpy(b.record.ek, gateway[i].ek_name.b, sizeof(b.record.ek));
    memcpy(b.record.ak, g.ak_name, sizeof(b.record.ak));
    memcpy(b.record.ueid, gateway[i].claims.ueid, sizeof(b.record.ueid));
    memcpy(b.record.board, gateway[i].claims.boot.board, sizeof(b.record.board));
    need(f->store->ops->board_add(f->store, &b, NULL, &how, &older) == 0, "a board record");
    memcpy(g.board, b.record.board, sizeof(g.board));
    memcpy(g.ueid, gateway[i].claims.ueid, sizeof(g.ueid));
    memcpy(g.board, gateway[i].claims.boot.board, sizeof(g.board));
    memcpy(g.tls_key, gateway[i].ak.pub.x, sizeof(g.tls_key));
    need(f->store->ops->gateway_add(f->store, &g, 1, NULL, NULL, &taken) == 0,
         "a gateway is there already");
}

static void open_fleet(struct fleet *f, const char *folder, unsigned total, unsigned gateways)
{
    char path[4096], why[256];

    snprintf(path, sizeof(path), "%s/%u.db", folder, total);
    *f = (struct fleet){.store = store_sqlite_open(path, why, sizeof(why)),
                        .nonce_ms = FLEET_NONCE_MS,
                        .now_ms = fixed_clock};
    need(f->store != NULL, why);
    policy_default(&f->policy);
    fill(f, total);
    for (unsigned i = 0; i < gateways; i++)
        enrol(f, i);
}

static void make_messages(const struct fleet *f, unsigned i)
{
    uint8_t nonce[32];
    struct wr w;

    need(nonce_make(&f->key, gateway[i].claims.ueid, 1, fixed_clock(NULL), nonce) == 0, "no nonce");
    wr_init(&w, message[i], sizeof(message[i]));
    soft_gateway_message(&gateway[i], nonce, &w);
    message_n[i] = w.at;
}

/* One appraisal as fleet_answer does it, but for its record. */
static void appraise(struct fleet *f, unsigned i)
{
    const struct verifier_references refs = store_references(f->store);
    const struct bytes in = {message[i], message_n[i]};
    struct store_state state;
    uint8_t nonce[32];
    const struct verifier_request q = {.message = in,
                                       .nonce = nonce,
                                       .gateway = &state.gateway,
                                       .references = &refs,
                                       .policy = &f->policy};
    char name[32];

    snprintf(name, sizeof(name), "gateway-%u", i);
    need(f->store->ops->gateway_named(f->store, name, &state) == 0, "no such gateway");
    need(verifier_nonce_of(in, nonce) == 0 &&
             nonce_check(&f->key, state.gateway.ueid, 1, fleet_now_ms(f), f->nonce_ms, nonce) == 0,
         "the nonce is not good");
    need(verifier_appraise(&q, &result) == 0 && result.status == VERIFIER_AFFIRMING,
         "a good gateway is not affirmed");
}

/* Appraisals a second of processor time, over about that long. */
static double rate(struct fleet *f, unsigned gateways, double seconds)
{
    double begin = processor_s(), spent;
    unsigned n = 0;

    do {
        for (unsigned k = 0; k < 100; k++)
            appraise(f, n++ % gateways);
        spent = processor_s() - begin;
    } while (spent < seconds);
    return n / spent;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), ascending);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

/* With their records, each of them safe on the disk. Wall time: most of it is the disk's. */
static double recorded(struct fleet *f)
{
    double begin = wall_s();

    for (unsigned i = 0; i < GATEWAYS; i++) {
        char name[32];

        snprintf(name, sizeof(name), "gateway-%u", i);
        need(fleet_answer(f, name, (struct bytes){message[i], message_n[i]}, &result) == 0 &&
                 result.status == VERIFIER_AFFIRMING,
             "an answer was not recorded");
    }
    return GATEWAYS / (wall_s() - begin);
}

static size_t bytes_without_log(const struct fleet *f)
{
    size_t n;

    gateway[0].with_log = false;
    make_messages(f, 0);
    n = message_n[0];
    return n;
}

int main(int argc, char **argv)
{
    static char names[GATEWAYS][2][32];
    double few[ROUNDS], many[ROUNDS], ratio[ROUNDS], seconds = argc == 3 ? atof(argv[2]) : 0;
    struct fleet small, large;

    if (argc != 3 || seconds <= 0) {
        fprintf(stderr, "usage: bench_verifier FOLDER SECONDS\n");
        return 2;
    }
    for (unsigned i = 0; i < GATEWAYS; i++) {
        snprintf(names[i][0], sizeof(names[i][0]), "gateway %u", i);
        snprintf(names[i][1], sizeof(names[i][1]), "release %u", i);
        soft_gateway_init(&gateway[i], names[i][0], names[i][1]);
        gateway[i].claims.software.version =
            (struct bytes){(const uint8_t *)names[i][1], strlen(names[i][1])};
    }
    open_fleet(&small, argv[1], FEW, FEW);
    open_fleet(&large, argv[1], MANY, GATEWAYS);
    for (unsigned i = 0; i < GATEWAYS; i++)
        make_messages(&large, i);
    (void)rate(&large, GATEWAYS, seconds / 20); /* caches and clocks get warm */
    for (unsigned k = 0; k < ROUNDS; k++) {
        few[k] = rate(&small, FEW, seconds / ROUNDS / 2);
        many[k] = rate(&large, FEW, seconds / ROUNDS / 2); /* the same gateways */
        ratio[k] = many[k] / few[k];
    }
    printf("appraisals_per_s_core %.1f\n", median(many, ROUNDS));
    printf("appraisals_per_s_core_of_10 %.1f\n", median(few, ROUNDS));
    printf("flatness_1e6 %.3f\n", median(ratio, ROUNDS));
    printf("appraisals_per_s_core_of_64_releases %.1f\n", rate(&large, GATEWAYS, seconds / 8));
    printf("recorded_per_s %.1f\n", recorded(&large));
    printf("evidence_bytes %zu\n", bytes_without_log(&large));
    store_close(small.store);
    store_close(large.store);
    return 0;
}
