// SPDX-License-Identifier: Apache-2.0
/* Event logs, answers and quotes as firmware and TPMs on the market write them, and the harmful
 * neighbours of what is harmless in them (docs/tpm-hardware.md). */
#include "tpm2_fixture.h"

#include <kapu/eventlog.h>
#include <kapu/fusebox.h>

#include "hardware_cases.h"
#include "soft_gateway.h"
#include "verifier.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- event logs ---- */

#define SHA1 0x0004u
#define SHA384 0x000cu
#define SM3 0x0012u
#define VENDOR 0x7f01u

static const struct {
    uint16_t id, size;
} banks[] = {{SHA1, 20}, {TPM2_ALG_SHA256, 32}, {SHA384, 48}, {SM3, 32}, {VENDOR, 24}};

#define ALL 0x1fu
#define ONLY_SHA256 0x02u

static struct wr log_w;
static uint8_t log_buf[4096], pcr0[32];

static void put_bytes(uint8_t value, size_t n)
{
    while (n-- > 0)
        wr_u8(&log_w, value);
}

static void put_header(const char *id, unsigned mask, bool repeated)
{
    size_t size_at;

    wr_init(&log_w, log_buf, sizeof(log_buf));
    wr_le32(&log_w, 0);
    wr_le32(&log_w, EVENTLOG_EV_NO_ACTION);
    put_bytes(0, 20);
    size_at = log_w.at;
    wr_le32(&log_w, 0);
    wr_bytes(&log_w, (struct bytes){(const uint8_t *)id, 16});
    wr_bytes(&log_w, BYTES_STR("\0\0\0\0\0\2\2\2"));
    wr_le32(&log_w, (uint32_t)__builtin_popcount(mask) + repeated);
    for (size_t i = 0; i < COUNT(banks); i++) {
        if ((mask >> i & 1) == 0)
            continue;
        wr_le16(&log_w, banks[i].id);
        wr_le16(&log_w, banks[i].size);
    }
    if (repeated) {
        wr_le16(&log_w, TPM2_ALG_SHA256);
        wr_le16(&log_w, 32);
    }
    wr_u8(&log_w, 3); /* of the maker */
    wr_bytes(&log_w, BYTES_STR("abc"));
    log_buf[size_at] = (uint8_t)(log_w.at - size_at - 4);
}

/* The digests of a bank are all its number; but those of SHA-256 are of the data. */
static void put_event(uint32_t pcr, uint32_t type, unsigned mask, struct bytes data)
{
    uint8_t digest[32];

    SHA256->hash(NULL, &data, 1, digest);
    wr_le32(&log_w, pcr);
    wr_le32(&log_w, type);
    wr_le32(&log_w, (uint32_t)__builtin_popcount(mask));
    for (size_t i = 0; i < COUNT(banks); i++) {
        if ((mask >> i & 1) == 0)
            continue;
        wr_le16(&log_w, banks[i].id);
        if (banks[i].id == TPM2_ALG_SHA256 && type != EVENTLOG_EV_NO_ACTION)
            wr_bytes(&log_w, BYTES_OF(digest));
        else
            put_bytes(type == EVENTLOG_EV_NO_ACTION ? 0 : (uint8_t)(i + 1), banks[i].size);
    }
    wr_le32(&log_w, (uint32_t)data.n);
    wr_bytes(&log_w, data);
    if (pcr == 0 && type != EVENTLOG_EV_NO_ACTION)
        SHA256->hash(NULL, (struct bytes[]){{pcr0, 32}, BYTES_OF(digest)}, 2, pcr0);
}

#define START "StartupLocality"
#define HEADER "Spec ID Event03"

enum log_kind {
    LOG_PLAIN,
    LOG_BANKS,
    LOG_FEWER,
    LOG_NO_SHA256,
    LOG_SHA1_ONLY,
    LOG_OLD,
    LOG_NO_HEADER,
    LOG_HEADER_TWICE,
    LOG_TOO_MANY,
    LOG_ZEROS,
    LOG_ONES,
    LOG_GARBAGE,
    LOG_CUT,
    LOG_NO_ACTION,
    LOG_NO_ACTION_ANYWHERE,
    LOG_NO_SUCH_PCR,
    LOG_LOCALITY_0,
    LOG_LOCALITY_3,
    LOG_LOCALITY_4,
    LOG_LOCALITY_LONG,
    LOG_LOCALITY_LONG_TEXT,
    LOG_LOCALITY_AGAIN,
    LOG_LOCALITY_OTHER,
    LOG_LOCALITY_LATE,
    LOG_LOCALITY_9,
    LOG_EMPTY,
    LOG_UNKNOWN_TYPE,
};

static void put_locality(uint8_t locality, size_t more, uint8_t with)
{
    uint8_t data[32];

    memcpy(data, START, 16);
    data[16] = locality;
    memset(data + 17, with, more);
    put_event(0, EVENTLOG_EV_NO_ACTION, ONLY_SHA256, (struct bytes){data, 17 + more});
}

static void start_at(uint8_t locality, size_t more, uint8_t with)
{
    put_locality(locality, more, with);
    pcr0[31] = locality;
}

static void put_code(unsigned mask)
{
    put_event(0, EVENTLOG_EV_S_CRTM_VERSION, mask, BYTES_STR("1.0"));
    put_event(0, EVENTLOG_EV_POST_CODE, mask, BYTES_STR("BL2"));
    put_event(0, EVENTLOG_EV_SEPARATOR, mask, BYTES_STR("\0\0\0\0"));
}

static void make_log(enum log_kind kind)
{
    const unsigned mask = kind == LOG_BANKS || kind == LOG_FEWER || kind == LOG_NO_SHA256 ? ALL
                          : kind == LOG_SHA1_ONLY                                         ? 1u
                                                  : ONLY_SHA256;
    unsigned each = mask;

    memset(pcr0, 0, sizeof(pcr0));
    if (kind == LOG_FEWER)
        each = ONLY_SHA256 | 1u << 4;
    if (kind == LOG_NO_SHA256)
        each = ALL & ~ONLY_SHA256;
    if (kind == LOG_TOO_MANY)
        each = ALL;
    put_header(kind == LOG_OLD ? "Spec ID Event00" : HEADER, mask, kind == LOG_HEADER_TWICE);
    if (kind == LOG_NO_HEADER)
        log_w.at = 0;
    if (kind == LOG_NO_ACTION) {
        put_event(0, EVENTLOG_EV_NO_ACTION, mask, BYTES_STR("SP800-155 Event3, of some size"));
        put_event(0, EVENTLOG_EV_NO_ACTION, mask, BYTES_STR("Startup"));
    }
    if (kind == LOG_NO_ACTION_ANYWHERE)
        put_event(UINT32_MAX, EVENTLOG_EV_NO_ACTION, mask, BYTES_STR("of the platform"));
    if (kind == LOG_NO_SUCH_PCR)
        put_event(24, EVENTLOG_EV_ACTION, mask, BYTES_STR("x"));
    if (kind == LOG_LOCALITY_0 || kind == LOG_LOCALITY_AGAIN)
        start_at(0, 0, 0);
    if (kind == LOG_LOCALITY_3 || kind == LOG_LOCALITY_OTHER)
        start_at(3, 0, 0);
    if (kind == LOG_LOCALITY_4)
        start_at(4, 0, 0);
    if (kind == LOG_LOCALITY_LONG || kind == LOG_LOCALITY_LONG_TEXT)
        start_at(3, 3, kind == LOG_LOCALITY_LONG ? 0 : 'x');
    if (kind == LOG_LOCALITY_9)
        start_at(9, 0, 0);
    if (kind == LOG_LOCALITY_AGAIN)
        put_locality(0, 0, 0);
    if (kind == LOG_LOCALITY_OTHER)
        put_locality(4, 0, 0);
    put_code(each);
    if (kind == LOG_LOCALITY_LATE)
        put_locality(3, 0, 0);
    if (kind == LOG_EMPTY)
        put_event(0, EVENTLOG_EV_SEPARATOR, mask, (struct bytes){NULL, 0});
    if (kind == LOG_UNKNOWN_TYPE)
        put_event(0, 0x8000f00d, mask, BYTES_STR("of the maker"));
    if (kind == LOG_ZEROS || kind == LOG_ONES)
        put_bytes(kind == LOG_ZEROS ? 0x00 : 0xff, 777);
    if (kind == LOG_GARBAGE) {
        put_bytes(0, 40);
        put_bytes(1, 1);
    }
    if (kind == LOG_CUT)
        log_w.at--;
    assert_int_equal(log_w.err, 0);
}

static void logs_of_real_firmware_are_replayed_and_their_neighbours_refused(void **state)
{
    static const struct {
        const char *name;
        enum log_kind kind;
        int err;
    } rows[] = {
        {"log with one bank", LOG_PLAIN, 0},
        {"log with five banks, two of unknown algorithms", LOG_BANKS, 0},
        {"events that lack digests of other banks", LOG_FEWER, 0},
        {"event that lacks its SHA-256 digest", LOG_NO_SHA256, KAPU_EINVAL},
        {"event with digests of banks that are not listed", LOG_TOO_MANY, KAPU_EINVAL},
        {"log with SHA-1 alone", LOG_SHA1_ONLY, KAPU_EUNSUPPORTED},
        {"log of TPM 1.2 (Spec ID Event00)", LOG_OLD, KAPU_EINVAL},
        {"log without the first event", LOG_NO_HEADER, KAPU_ERANGE},
        {"bank that is listed twice", LOG_HEADER_TWICE, KAPU_EINVAL},
        {"zeros after the log", LOG_ZEROS, 0},
        {"0xff after the log", LOG_ONES, 0},
        {"other bytes after the log", LOG_GARBAGE, KAPU_EINVAL},
        {"log cut in an event", LOG_CUT, KAPU_ERANGE},
        {"EV_NO_ACTION with other content", LOG_NO_ACTION, 0},
        {"EV_NO_ACTION of PCR 0xffffffff", LOG_NO_ACTION_ANYWHERE, 0},
        {"event of PCR 24", LOG_NO_SUCH_PCR, KAPU_EINVAL},
        {"started from locality 0", LOG_LOCALITY_0, 0},
        {"started from locality 3", LOG_LOCALITY_3, 0},
        {"started from locality 4", LOG_LOCALITY_4, 0},
        {"locality with zeros after it", LOG_LOCALITY_LONG, 0},
        {"locality with other bytes after it", LOG_LOCALITY_LONG_TEXT, KAPU_EINVAL},
        {"locality told twice", LOG_LOCALITY_AGAIN, 0},
        {"two localities", LOG_LOCALITY_OTHER, KAPU_EINVAL},
        {"locality after PCR 0 was extended", LOG_LOCALITY_LATE, KAPU_EINVAL},
        {"no such locality", LOG_LOCALITY_9, KAPU_EINVAL},
        {"event without data", LOG_EMPTY, 0},
        {"event of an unknown type", LOG_UNKNOWN_TYPE, 0},
    };
    uint8_t pcr[EVENTLOG_PCRS][32];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct eventlog l;
        uint32_t used;
        char text[16];
        int err;

        make_log(rows[i].kind);
        err = eventlog_replay(SHA256, wr_done(&log_w), pcr, &used);
        snprintf(text, sizeof(text), "%d", err);
        hardware_case(
            rows[i].name, rows[i].err == 0, err == 0,
            err == rows[i].err && (err != 0 || (memcmp(pcr[0], pcr0, 32) == 0 && used == 1)), text);
        /* what is written after filling would never be read */
        if (rows[i].kind == LOG_ZEROS || rows[i].kind == LOG_ONES)
            assert_int_equal(eventlog_resume(&l, log_buf, log_w.at, sizeof(log_buf)), KAPU_EINVAL);
        if (rows[i].kind == LOG_PLAIN)
            assert_int_equal(eventlog_resume(&l, log_buf, log_w.at, sizeof(log_buf)), 0);
    }
    assert_int_equal(hardware_wrong, 0);
}

/* The event says that a measurement failed: its digest is another, so PCR 0 is too. */
static void a_separator_that_tells_of_an_error_gives_another_pcr(void **state)
{
    uint8_t pcr[EVENTLOG_PCRS][32], good[32];
    uint32_t used;
    int err;

    (void)state;
    make_log(LOG_PLAIN);
    memcpy(good, pcr0, 32);
    memset(pcr0, 0, 32);
    put_header(HEADER, ONLY_SHA256, false);
    put_event(0, EVENTLOG_EV_S_CRTM_VERSION, ONLY_SHA256, BYTES_STR("1.0"));
    put_event(0, EVENTLOG_EV_POST_CODE, ONLY_SHA256, BYTES_STR("BL2"));
    put_event(0, EVENTLOG_EV_SEPARATOR, ONLY_SHA256, BYTES_STR("\1\0\0\0"));
    err = eventlog_replay(SHA256, wr_done(&log_w), pcr, &used);
    hardware_case("separator that tells of an error", true, err == 0,
                  memcmp(pcr[0], pcr0, 32) == 0 && memcmp(pcr0, good, 32) != 0, "");
    assert_int_equal(hardware_wrong, 0);
}

/* ---- a TPM that answers as it is told ---- */

static uint8_t answer[8][512];
static size_t answer_n[8], answers, asked;
static unsigned pauses;

static int transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    const size_t i = asked < answers ? asked : answers - 1;

    (void)ctx;
    (void)cmd;
    asked++;
    assert_true(answer_n[i] <= capacity);
    memcpy(rsp, answer[i], answer_n[i]);
    *n = answer_n[i];
    return 0;
}

static void pause_ms(void *ctx, uint32_t ms)
{
    (void)ctx;
    pauses += ms > 0;
}

static uint8_t work[1024];
static struct tpm2 told = {.io = {transceive, pause_ms, NULL}, .buf = work, .buf_n = sizeof(work)};

static void forget(void)
{
    answers = asked = pauses = 0;
}

static void say_header(struct wr *w, uint32_t rc)
{
    wr_init(w, answer[answers], sizeof(answer[0]));
    wr_be16(w, 0x8001);
    wr_be32(w, 10);
    wr_be32(w, rc);
}

static void said(const struct wr *w)
{
    assert_int_equal(w->err, 0);
    answer[answers][4] = (uint8_t)(w->at >> 8);
    answer[answers][5] = (uint8_t)w->at;
    answer_n[answers++] = w->at;
}

static void say_code(uint32_t rc)
{
    struct wr w;

    say_header(&w, rc);
    said(&w);
}

/* A selection, and values of its PCRs (each its number). */
struct selection {
    uint16_t alg;
    uint8_t bytes; /* of the map */
    uint32_t mask;
};

static void wr_selection(struct wr *w, const struct selection *s, size_t n)
{
    wr_be32(w, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        wr_be16(w, s[i].alg);
        wr_u8(w, s[i].bytes);
        for (unsigned k = 0; k < s[i].bytes; k++)
            wr_u8(w, k < 4 ? (uint8_t)(s[i].mask >> 8 * k) : 0);
    }
}

static void say_pcrs(uint32_t counter, const struct selection *s, size_t n, uint8_t size,
                     uint32_t count)
{
    struct wr w;
    uint32_t mask = 0;

    for (size_t i = 0; i < n; i++)
        mask |= s[i].alg == TPM2_ALG_SHA256 ? s[i].mask : 0;
    say_header(&w, 0);
    wr_be32(&w, counter);
    wr_selection(&w, s, n);
    wr_be32(&w, count);
    for (uint8_t i = 0; i < 32 && count > 0; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        wr_be16(&w, size);
        for (unsigned k = 0; k < size; k++)
            wr_u8(&w, i);
        count--;
    }
    said(&w);
}

static const struct selection all_five = {TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK};

/* 0, or the error; all values must be those that were said. */
static int read_five(void)
{
    uint8_t value[EVIDENCE_PCRS][32];
    int err = tpm2_pcr_read_set(&told, TPM2_UNPROTECTED, EVIDENCE_PCR_MASK, value);

    for (size_t i = 0; err == 0 && i < EVIDENCE_PCRS; i++) {
        for (size_t k = 0; k < 32; k++)
            assert_int_equal(value[i][k], evidence_pcr[i]);
    }
    return err;
}

static void pcr_case(const char *name, bool wanted)
{
    int err = read_five();
    char text[16];

    snprintf(text, sizeof(text), "%d", err);
    hardware_case(name, wanted, err == 0,
                  err == 0 || err == KAPU_EINVAL || err == KAPU_EUNSUPPORTED, text);
    forget();
}

static void pcrs_are_read_as_tpms_give_them(void **state)
{
    const struct selection some = {TPM2_ALG_SHA256, 3, 0x81}, rest = {TPM2_ALG_SHA256, 3, 0x4300};
    const struct selection four = {TPM2_ALG_SHA256, 4, EVIDENCE_PCR_MASK};
    const struct selection empties[] = {{SHA1, 3, 0}, all_five, {SHA384, 4, 0}};
    const struct selection others[] = {{SHA1, 3, 0x80}, all_five};
    const struct selection beyond = {TPM2_ALG_SHA256, 4, EVIDENCE_PCR_MASK | 1u << 25};
    const struct selection none = {TPM2_ALG_SHA256, 3, 0}, not_asked = {TPM2_ALG_SHA256, 3, 0x06};

    (void)state;
    say_pcrs(1, &all_five, 1, 32, 5);
    pcr_case("PCRs in one answer", true);
    say_pcrs(1, &some, 1, 32, 2);
    say_pcrs(1, &rest, 1, 32, 3);
    pcr_case("fewer PCRs than asked for, the rest next time", true);
    say_pcrs(1, &some, 1, 32, 2);
    say_pcrs(9, &rest, 1, 32, 3);
    pcr_case("update counter that went on in between", true);
    say_pcrs(1, &four, 1, 32, 5);
    pcr_case("selection of four bytes", true);
    say_pcrs(1, empties, 3, 32, 5);
    pcr_case("unused banks as empty selections", true);
    say_pcrs(1, others, 2, 32, 6);
    pcr_case("PCRs of a bank that was not asked for", false);
    say_pcrs(1, &beyond, 1, 32, 6);
    pcr_case("PCR 25", false);
    say_pcrs(1, &none, 1, 32, 0);
    pcr_case("no PCR (there is no SHA-256 bank)", false);
    say_pcrs(1, &not_asked, 1, 32, 2);
    pcr_case("PCRs that were not asked for", false);
    say_pcrs(1, &all_five, 1, 20, 5);
    pcr_case("values of 20 bytes", false);
    say_pcrs(1, &all_five, 1, 32, 4);
    pcr_case("fewer values than selected PCRs", false);
    say_pcrs(1, &some, 1, 32, 2);
    say_pcrs(1, &some, 1, 32, 2);
    pcr_case("the same PCRs again", false);
    assert_int_equal(hardware_wrong, 0);
}

static void a_tpm_that_is_busy_is_asked_again_and_another_refusal_is_final(void **state)
{
    static const struct {
        const char *name;
        uint32_t rc;
        bool busy;
    } rows[] = {{"TPM_RC_RETRY", TPM2_RC_RETRY, true},
                {"TPM_RC_YIELDED", TPM2_RC_YIELDED, true},
                {"TPM_RC_TESTING", TPM2_RC_TESTING, true},
                {"TPM_RC_NV_RATE", TPM2_RC_NV_RATE, true},
                {"TPM_RC_NV_UNAVAILABLE", TPM2_RC_NV_UNAVAILABLE, true},
                {"TPM_RC_LOCKOUT", TPM2_RC_LOCKOUT, false},
                {"TPM_RC_FAILURE", TPM2_RC_FAILURE, false},
                {"TPM_RC_INITIALIZE", TPM2_RC_INITIALIZE, false},
                {"response code of TPM 1.2", 0x1e, false}};
    int err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (unsigned k = 0; k < 3; k++)
            say_code(rows[i].rc);
        say_pcrs(1, &all_five, 1, 32, 5);
        err = read_five();
        hardware_case(rows[i].name, rows[i].busy, err == 0,
                      rows[i].busy ? asked == 4 && pauses == 3
                                   : err == KAPU_ETPM && asked == 1 && told.rc == rows[i].rc,
                      fusebox_explain(err, &told));
        forget();
    }
    say_code(TPM2_RC_RETRY);
    err = read_five();
    hardware_case("TPM_RC_RETRY without end", false, err == 0, asked > 100 && asked < 10000, "");
    forget();
    assert_int_equal(hardware_wrong, 0);
}

/* ---- quotes ---- */

struct quote_kind {
    const char *name;
    struct selection s[3];
    size_t n;
    uint8_t safe;
    uint64_t firmware;
    bool other_digest, trailing, cut, other_nonce, short_nonce;
    bool accepted;
};

static struct soft_gateway gateway;
static struct verifier_reference known;

static void quote_as(void *ctx, const uint8_t nonce[32], struct wr *w, uint8_t signature[64])
{
    const struct quote_kind *k = ctx;
    uint8_t signer[34] = {0x00, 0x0b}, digest[32], over[32];
    const struct bytes name = {gateway.ak_name.b, gateway.ak_name.n};

    SHA256->hash(NULL, &name, 1, signer + 2);
    assert_int_equal(tpm2_pcr_digest(SHA256, (const uint8_t(*)[32])gateway.claims.boot.pcr,
                                     EVIDENCE_PCRS, digest),
                     0);
    memcpy(over, nonce, 32);
    over[0] ^= k->other_nonce;
    digest[0] ^= k->other_digest;
    wr_be32(w, 0xff544347);
    wr_be16(w, TPM2_ST_ATTEST_QUOTE);
    wr_2b(w, BYTES_OF(signer));
    wr_2b(w, (struct bytes){over, k->short_nonce ? 20 : 32});
    wr_be64(w, 5);
    wr_be32(w, 7);
    wr_be32(w, 0);
    wr_u8(w, k->safe);
    wr_be64(w, k->firmware);
    wr_selection(w, k->s, k->n);
    wr_2b(w, BYTES_OF(digest));
    if (k->trailing)
        wr_u8(w, 0);
    w->at -= k->cut;
    assert_int_equal(w->err, 0);
    SHA256->hash(NULL, &(struct bytes){w->p, w->at}, 1, digest);
    soft_key_sign(&gateway.ak, digest, signature);
}

static int find(void *ctx, const uint8_t key[32], struct verifier_reference *out)
{
    uint8_t mine[32];

    (void)ctx;
    assert_int_equal(verifier_reference_key((const uint8_t(*)[32])known.pcr, mine), 0);
    *out = known;
    return memcmp(mine, key, 32) == 0 ? 0 : KAPU_ENOENT;
}

static void quotes_of_real_tpms_are_believed_and_their_neighbours_not(void **state)
{
    static struct quote_kind rows[] = {
        {"plain quote", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1, .safe = 1,
         .accepted = true},
        {"clock that is not safe", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1,
         .accepted = true},
        {"other firmware version", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1,
         .safe = 1, .firmware = UINT64_MAX, .accepted = true},
        {"selection of four bytes in a quote", .s = {{TPM2_ALG_SHA256, 4, EVIDENCE_PCR_MASK}},
         .n = 1, .safe = 1, .accepted = true},
        {"empty selections of other banks",
         .s = {{SHA1, 3, 0}, {TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}, {SHA384, 3, 0}}, .n = 3,
         .safe = 1, .accepted = true},
        {"clock that is neither safe nor unsafe", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}},
         .n = 1, .safe = 2},
        {"another PCR is quoted too", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK | 2}}, .n = 1,
         .safe = 1},
        {"PCR 24 is quoted too", .s = {{TPM2_ALG_SHA256, 4, EVIDENCE_PCR_MASK | 1u << 24}}, .n = 1,
         .safe = 1},
        {"PCRs of another bank", .s = {{SHA384, 3, EVIDENCE_PCR_MASK}}, .n = 1, .safe = 1},
        {"other PCR values", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1, .safe = 1,
         .other_digest = true},
        {"extra data for another token", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1,
         .safe = 1, .other_nonce = true},
        {"extra data that is shorter", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1,
         .safe = 1, .short_nonce = true},
        {"bytes after the quote", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1, .safe = 1,
         .trailing = true},
        {"quote that is cut", .s = {{TPM2_ALG_SHA256, 3, EVIDENCE_PCR_MASK}}, .n = 1, .safe = 1,
         .cut = true},
    };
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    static struct verifier_result result;
    const struct verifier_references references = {.find = find};
    const uint8_t nonce[32] = {1};
    struct verifier_policy policy;
    struct verifier_gateway g;

    (void)state;
    soft_gateway_init(&gateway, "gateway", "release");
    known = (struct verifier_reference){.release = "0.5.0", .flavour = "gateway", .counter = 3};
    memcpy(known.pcr, gateway.claims.boot.pcr, sizeof(known.pcr));
    policy_default(&policy);
    g = (struct verifier_gateway){.name = "one",
                                  .tee = gateway.tee.pub,
                                  .ak = gateway.ak.pub,
                                  .interval_s = 60,
                                  .storage_starts = 1,
                                  .record = VERIFIER_RECORD_GOOD};
    memcpy(g.ueid, gateway.claims.ueid, sizeof(g.ueid));
    memcpy(g.board, gateway.claims.boot.board, sizeof(g.board));
    gateway.quote = quote_as;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct wr w;

        gateway.quote_ctx = &rows[i];
        wr_init(&w, buf, sizeof(buf));
        soft_gateway_message(&gateway, nonce, &w);
        assert_int_equal(verifier_appraise(&(struct verifier_request){.message = wr_done(&w),
                                                                      .nonce = nonce,
                                                                      .gateway = &g,
                                                                      .references = &references,
                                                                      .policy = &policy},
                                           &result),
                         0);
        hardware_case(rows[i].name, rows[i].accepted, result.status == VERIFIER_AFFIRMING,
                      rows[i].accepted || result.status == VERIFIER_CONTRAINDICATED,
                      result.reasons > 0 ? result.reason[0].text : "");
    }
    assert_int_equal(hardware_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_of_real_firmware_are_replayed_and_their_neighbours_refused),
        cmocka_unit_test(a_separator_that_tells_of_an_error_gives_another_pcr),
        cmocka_unit_test(pcrs_are_read_as_tpms_give_them),
        cmocka_unit_test(a_tpm_that_is_busy_is_asked_again_and_another_refusal_is_final),
        cmocka_unit_test(quotes_of_real_tpms_are_believed_and_their_neighbours_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
