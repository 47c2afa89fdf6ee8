// SPDX-License-Identifier: Apache-2.0
/*
 * bench_inspect MEMORY PROFILE ALLOW-LIST: how long a deep check of that memory takes, beside plain
 * SHA-256 of as many bytes in the same run, and how much memory it needs. Prints "name value"
 * lines; times are the least of several rounds, which is the least disturbed.
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kapu/introspect.h>

#include "inspect_memory.h"

#define ROUNDS 7
#define CACHE_PAGES 128u
#define WORK_SIZE ((512u << 10) + CACHE_PAGES * INTROSPECT_CACHED_PAGE)
#define SHA_STEP (64u << 10)

struct input {
    struct memory memory;
    const char *profile, *allow;
    int fd; /* of the memory's file */
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_inspect: %s\n", what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static struct bytes load(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *data;

    if (f == NULL || fstat(fileno(f), &st) != 0)
        fail(path);
    data = malloc((size_t)st.st_size);
    if (data == NULL || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        fail(path);
    fclose(f);
    return (struct bytes){data, (size_t)st.st_size};
}

static int sha256(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    EVP_MD_CTX *m = ctx;
    int ok = EVP_DigestInit_ex(m, NULL, NULL);

    for (size_t i = 0; ok && i < parts; i++)
        ok = EVP_DigestUpdate(m, part[i].p, part[i].n);
    return ok && EVP_DigestFinal_ex(m, out, NULL) ? 0 : -1;
}

static EVP_MD_CTX *digest(void)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();

    if (m == NULL || EVP_DigestInit_ex(m, EVP_sha256(), NULL) != 1)
        fail("no SHA-256");
    return m;
}

static void no_finding(void *ctx, const struct finding *f)
{
    fprintf(stderr, "%s %s: %s\n", f->id, f->object, f->detail);
    ++*(int *)ctx;
}

/* Each read is a system call: nothing of the image is mapped. */
static int read_file(void *ctx, uint64_t pa, void *to, size_t n)
{
    const struct input *i = ctx;
    const struct memory *m = &i->memory;

    for (size_t k = 0; k < m->parts; k++) {
        uint64_t at = pa - m->part[k].pa;

        if (pa >= m->part[k].pa && at <= m->part[k].size && n <= m->part[k].size - at)
            return pread(i->fd, to, n, (off_t)(m->part[k].offset + at)) == (ssize_t)n ? 0 : -1;
    }
    return -1;
}

/* Finds the kernel and runs every check; what it did is in *stats. */
static double deep_check(struct input *i, struct mem mem, EVP_MD_CTX *m,
                         struct introspect_stats *stats)
{
    struct introspect *in = malloc(sizeof(*in));
    uint8_t *work = malloc(WORK_SIZE);
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);
    int findings = 0;
    struct introspect_setup setup = {
        .profile = load(i->profile),
        .allow = load(i->allow),
        .mem = mem,
        .sha = {sha256, m},
        .ram_base = i->memory.ram_base,
        .ram_size = i->memory.ram_size,
        .work = work,
        .work_n = WORK_SIZE,
        .cache_pages = CACHE_PAGES,
        .attempts = 1,
        .report = no_finding,
        .report_ctx = &findings,
    };
    double begin = now_ms(), ms;

    if (in == NULL || work == NULL || introspect_init(in, &setup) != 0 ||
        introspect_locate(in, NULL, 0) != 0)
        fail("no kernel of this profile is in this memory");
    for (size_t k = 0; k < n; k++) {
        int result = introspect_run(in, &table[k]);

        if (result != 0 && result != KAPU_EUNSUPPORTED && result != KAPU_EARG)
            fail("the memory is not clean: the figures would not be those of a clean one");
    }
    ms = now_ms() - begin;
    *stats = in->stats;
    free(in);
    free(work);
    free((void *)(uintptr_t)setup.profile.p);
    free((void *)(uintptr_t)setup.allow.p);
    return ms;
}

static double plain_sha256(const struct memory *m, uint64_t n, EVP_MD_CTX *ctx)
{
    const uint8_t *from = m->map + m->size / 2 - n / 2;
    double begin = now_ms();
    uint8_t out[32];

    if (n > m->size || EVP_DigestInit_ex(ctx, NULL, NULL) != 1)
        fail("SHA-256 failed");
    for (uint64_t at = 0; at < n; at += SHA_STEP)
        if (EVP_DigestUpdate(ctx, from + at, n - at < SHA_STEP ? n - at : SHA_STEP) != 1)
            fail("SHA-256 failed");
    if (EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        fail("SHA-256 failed");
    return now_ms() - begin;
}

/* A line of /proc/self/status, in KiB. */
static long status_kib(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            kib = strtol(line + strlen(name) + 1, NULL, 10);
    if (f == NULL || kib < 0)
        fail("/proc/self/status");
    fclose(f);
    return kib;
}

/* In a process of its own, by how much a deep check raises the most memory that it ever had. */
static void measure_memory(struct input *i)
{
    struct introspect_stats stats;
    EVP_MD_CTX *m;
    pid_t child;
    uint8_t out[32];
    long before;
    int status;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        m = digest();
        (void)sha256(m, &(struct bytes){(const uint8_t *)"", 0}, 1, out);
        munmap(i->memory.map, i->memory.size);
        before = status_kib("VmRSS");
        (void)deep_check(i, (struct mem){read_file, i}, m, &stats);
        printf("peak_extra_kib %ld\n", status_kib("VmHWM") - before);
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail("the measurement of memory failed");
}

int main(int argc, char **argv)
{
    struct input i = {0};
    struct introspect_stats stats;
    double deep = 1e9, sha = 1e9;
    EVP_MD_CTX *m = digest();

    if (argc != 4)
        fail("usage: bench_inspect MEMORY PROFILE ALLOW-LIST");
    i.profile = argv[2];
    i.allow = argv[3];
    i.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (i.fd < 0 || memory_open(&i.memory, argv[1]) != 0)
        fail(argv[1]);
    measure_memory(&i); /* first: its memory is not yet stirred up */
    for (int round = 0; round < ROUNDS; round++) {
        double ms = deep_check(&i, memory_port(&i.memory), m, &stats);

        deep = ms < deep ? ms : deep;
        ms = plain_sha256(&i.memory, stats.bytes_hashed, m);
        sha = ms < sha ? ms : sha;
    }
    printf("deep_check_ms %.2f\nsha256_ms %.2f\ndeep_check_ratio_to_sha256 %.3f\n", deep, sha,
           deep / sha);
    printf("bytes_hashed %llu\npages_walked %llu\nreads %llu\nlookups %llu\n",
           (unsigned long long)stats.bytes_hashed, (unsigned long long)stats.pages_walked,
           (unsigned long long)stats.reads, (unsigned long long)stats.lookups);
    memory_close(&i.memory);
    EVP_MD_CTX_free(m);
    close(i.fd);
    return 0;
}
