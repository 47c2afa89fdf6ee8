/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base.h"
#include "http_answer.h"

#define TURN_MS 500   /* between two looks at clock and caller */
#define TOO_LARGE 100 /* CURLE_TOO_LARGE of libcurl 8.6; before it, CURLE_OUT_OF_MEMORY */
#define SAID_SIZE 512
#define URL_SIZE (FETCH_BASE_MAX + 2 * FETCH_NAME_MAX + sizeof("//"))
#define RANGE_SIZE sizeof("18446744073709551615-18446744073709551615")

struct fetch {
    CURLM *multi; /* keeps the connection */
    CURL *easy;   /* of one fetch: of what an answer said, nothing but the connection outlives it */
    struct curl_slist *headers;
    struct fetch_limits limits;
    bool (*goes_on)(void *ctx);
    void *ctx;
    char base[FETCH_BASE_MAX + 1];
    /* Of the fetch that runs: */
    struct answer answer;
    uint8_t *to;
    uint32_t got; /* bytes at `to` */
    uint64_t began_ms, window_ms;
    uint32_t window_got; /* what had come when the window began */
    bool asked;          /* connected: the least speed counts */
    /* Of the last one: */
    enum fetch_fault fault;
    char said[SAID_SIZE];
    uint64_t bytes;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The first fault counts: what curl says after it only follows from it. */
static void fail(struct fetch *f, enum fetch_fault fault)
{
    if (f->fault == FETCH_FINE)
        f->fault = fault;
}

/* ---- what curl calls; less than it gave ends the fetch ---- */

static size_t on_header(char *p, size_t one, size_t n, void *ctx)
{
    struct fetch *f = ctx;

    (void)one;
    fail(f, answer_line(&f->answer, (struct bytes){(const uint8_t *)p, n}));
    return f->fault == FETCH_FINE ? n : 0;
}

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
    struct fetch *f = ctx;

    (void)one;
    f->bytes += n;
    if (!f->answer.final)
        fail(f, FETCH_NO_ANSWER);
    else if (n > f->answer.n - f->got) /* without a range: the whole of a longer file */
        fail(f, f->answer.status == 200 ? FETCH_WRONG_RANGE : FETCH_ENDLESS);
    if (f->fault != FETCH_FINE)
        return 0;
    memcpy(f->to + f->got, p, n);
    f->got += (uint32_t)n;
    return n;
}

static int on_connected(void *ctx, char *to_ip, char *from_ip, int to_port, int from_port)
{
    struct fetch *f = ctx;

    (void)to_ip;
    (void)from_ip;
    (void)to_port;
    (void)from_port;
    f->asked = true;
    f->window_ms = now_ms();
    return CURL_PREREQFUNC_OK;
}

/* ---- opening ---- */

/* curl reads nothing and takes nothing from its surroundings, and does one thing. */
static bool set_up(struct fetch *f)
{
    CURL *e = f->easy;
    CURLcode proxy = curl_easy_setopt(e, CURLOPT_PROXY, ""); /* none of the environment either */

    if (proxy != CURLE_OK && proxy != CURLE_UNKNOWN_OPTION && proxy != CURLE_NOT_BUILT_IN)
        return false; /* one that cannot do proxies says so, and has none */
    return curl_easy_setopt(e, CURLOPT_HTTPHEADER, f->headers) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_USERAGENT, "kapu") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)f->limits.connect_s) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, f) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, f) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQDATA, f) == CURLE_OK;
}

static bool started(void)
{
    static bool once;

    if (!once)
        once = curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK;
    return once;
}

struct fetch *fetch_open(const char *base, const struct fetch_limits *l, bool (*goes_on)(void *ctx),
                         void *ctx)
{
    struct fetch *f;

    if (l->connect_s == 0 || l->connect_s > INT32_MAX / 1000 || l->least_bytes_s == 0 ||
        l->slow_s == 0 || l->most_s == 0 || !started())
        return NULL;
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    f->limits = *l;
    f->goes_on = goes_on;
    f->ctx = ctx;
    f->multi = curl_multi_init();
    f->headers = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (!base_copy(f->base, base) || f->multi == NULL || f->headers == NULL ||
        curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK) {
        fetch_close(f);
        return NULL;
    }
    return f;
}

void fetch_close(struct fetch *f)
{
    if (f == NULL)
        return;
    curl_multi_cleanup(f->multi);
    curl_slist_free_all(f->headers);
    free(f);
}

/* ---- fetching ---- */

/* Too little since the window began, or too long in all. */
static bool too_slow(struct fetch *f)
{
    uint64_t now = now_ms();

    if (now - f->began_ms >= (uint64_t)f->limits.most_s * 1000)
        return true;
    if (!f->asked || now - f->window_ms < (uint64_t)f->limits.slow_s * 1000)
        return false;
    if (f->got - f->window_got < (uint64_t)f->limits.least_bytes_s * f->limits.slow_s)
        return true;
    f->window_ms = now;
    f->window_got = f->got;
    return false;
}

/* Until curl is done, or has to be. */
static void run(struct fetch *f)
{
    int running = 1;

    while (running != 0) {
        if (!f->goes_on(f->ctx))
            fail(f, FETCH_STOPPED);
        else if (too_slow(f))
            fail(f, FETCH_SLOW);
        else if (curl_multi_perform(f->multi, &running) != CURLM_OK)
            fail(f, FETCH_NO_ANSWER);
        if (f->fault != FETCH_FINE)
            return;
        if (running != 0 && curl_multi_poll(f->multi, NULL, 0, TURN_MS, NULL) != CURLM_OK)
            fail(f, FETCH_NO_ANSWER);
    }
}

/* What became of a fetch that no limit and no answer ended. */
static void conclude(struct fetch *f, CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
    case CURLE_PARTIAL_FILE:
        if (!f->answer.final || f->got < f->answer.n)
            fail(f, f->answer.lines == 0 ? FETCH_NO_ANSWER : FETCH_SHORT);
        else if (code != CURLE_OK) /* more was promised */
            fail(f, FETCH_SHORT);
        break;
    case CURLE_OUT_OF_MEMORY: /* a header line that is too long */
    case TOO_LARGE:
        fail(f, FETCH_ENDLESS);
        break;
    default:
        fail(f, FETCH_NO_ANSWER);
    }
}

static const char *what(const struct fetch *f)
{
    static const char *const text[] = {
        [FETCH_NO_ANSWER] = "no HTTP answer, or the connection was lost",
        [FETCH_REFUSED] = "refused",
        [FETCH_MOVED] = "a redirect, which is not followed",
        [FETCH_WRONG_RANGE] = "not the range that was asked for",
        [FETCH_SHORT] = "the answer ended early",
        [FETCH_ENDLESS] = "more than was asked for",
        [FETCH_SLOW] = "too slow",
        [FETCH_STOPPED] = "stopped",
    };

    return f->asked || f->fault != FETCH_NO_ANSWER ? text[f->fault] : "cannot connect";
}

static void say(struct fetch *f, const char *folder, const char *file)
{
    const struct answer *a = &f->answer;
    char status[sizeof("HTTP status 999")] = "no HTTP status";

    if (a->status != 0)
        snprintf(status, sizeof(status), "HTTP status %" PRIu32, a->status % 1000);
    snprintf(f->said, sizeof(f->said),
             "%s/%s, bytes %" PRIu64 " to %" PRIu64 ": %s (%s, %" PRIu32 " bytes came)", folder,
             file, a->at, a->at + (a->n - 1), what(f), status, f->got);
}

static bool ask(struct fetch *f, const char *folder, const char *file)
{
    char url[URL_SIZE], range[RANGE_SIZE];
    const struct answer *a = &f->answer;

    snprintf(url, sizeof(url), "%s/%s/%s", f->base, folder, file);
    snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, a->at, a->at + (a->n - 1));
    f->easy = curl_easy_init();
    return f->easy != NULL && set_up(f) &&
           curl_easy_setopt(f->easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(f->easy, CURLOPT_RANGE, range) == CURLE_OK &&
           curl_multi_add_handle(f->multi, f->easy) == CURLM_OK;
}

static bool plain(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.");

    return name[n] == '\0' && n > 0 && n <= FETCH_NAME_MAX && name[0] != '.';
}

static void begin(struct fetch *f, uint64_t at, uint8_t *to, uint32_t n)
{
    answer_begin(&f->answer, at, n);
    f->to = to;
    f->got = f->window_got = 0;
    f->began_ms = now_ms();
    f->asked = false;
    f->fault = FETCH_FINE;
    f->said[0] = '\0';
}

int fetch_range(struct fetch *f, const char *folder, const char *file, uint64_t at, uint8_t *to,
                uint32_t n)
{
    CURLMsg *message;
    int left;

    if (!plain(folder) || !plain(file) || n == 0 || at > INT64_MAX || n > INT64_MAX - at)
        return KAPU_EARG;
    begin(f, at, to, n);
    if (ask(f, folder, file)) {
        run(f);
        message = curl_multi_info_read(f->multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE)
            conclude(f, message->data.result);
        curl_multi_remove_handle(f->multi, f->easy);
    } else {
        fail(f, FETCH_NO_ANSWER);
    }
    curl_easy_cleanup(f->easy);
    f->easy = NULL;
    f->to = NULL;
    if (f->fault == FETCH_FINE)
        return f->got == n ? 0 : KAPU_EIO;
    say(f, folder, file);
    return f->fault == FETCH_SLOW || f->fault == FETCH_NO_ANSWER ? KAPU_ETIMEOUT : KAPU_EIO;
}

enum fetch_fault fetch_fault(const struct fetch *f)
{
    return f->fault;
}

const char *fetch_said(const struct fetch *f)
{
    return f->said;
}

uint64_t fetch_bytes(const struct fetch *f)
{
    return f->bytes;
}
