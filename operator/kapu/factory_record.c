// SPDX-License-Identifier: Apache-2.0
#include "factory_record.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
#include "newfile.h"
#include "text.h"

#define SHA (&crypto_openssl.sha256)

/* ---- records ---- */

bool record_platform_is_good(const char *platform)
{
    const size_t n = strlen(platform);

    for (size_t i = 0; i < n; i++) {
        if (platform[i] < 0x20 || platform[i] > 0x7e)
            return false;
    }
    return n > 0 && n <= BOARD_PLATFORM_MAX;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int content_of(const struct fusebox_board *board, const char *platform, struct wr *out)
{
    struct board_record r = {.issued_ms = now_ms()};

    if (board->ek.n != sizeof(r.ek) || board->ak.n != sizeof(r.ak))
        return KAPU_EARG;
    memcpy(r.ek, board->ek.b, sizeof(r.ek));
    memcpy(r.ak, board->ak.b, sizeof(r.ak));
    memcpy(r.board, board->id, sizeof(r.board));
    snprintf(r.platform, sizeof(r.platform), "%s", platform);
    return evidence_ueid(SHA, BYTES_OF(r.ek), r.ueid) == 0 ? board_record_encode(&r, out)
                                                           : KAPU_ECRYPTO;
}

int record_issue(struct signer *by, const struct fusebox_board *board, const char *platform,
                 struct newfile *to)
{
    uint8_t content[BOARD_CONTENT_MAX], file[BOARD_RECORD_MAX], digest[32];
    struct evidence_token t = {0};
    struct wr w;
    int err;

    wr_init(&w, content, sizeof(content));
    err = content_of(board, platform, &w);
    t.payload = wr_done(&w);
    memcpy(t.kid, by->kid, sizeof(t.kid));
    if (err == 0)
        err = evidence_signed_digest(SHA, &board_record_kind, t.kid, t.payload, digest);
    if (err == 0 && signer_sign(by, digest, t.signature) != 0)
        return -1;
    wr_init(&w, file, sizeof(file));
    if (err == 0)
        err = evidence_signed_encode(&board_record_kind, &t, &w);
    if (err != 0)
        (void)fail("the board record cannot be made (error %d)", err);
    else if (newfile_put(to, wr_done(&w)) != 0)
        (void)fail("%s: %s", to->path, newfile_fault());
    else
        return 0;
    return -1;
}

/* 0, KAPU_ENOENT, or another error after a sentence in `why`. */
static int read_file(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE],
                     char *why, size_t why_n)
{
    uint8_t file[BOARD_RECORD_MAX], work[BOARD_RECORD_MAX];
    struct evidence_token t = {0};
    size_t n;
    int err = whole_file(path, sizeof(file), file, &n, why, why_n);

    if (err != 0)
        return err;
    if (evidence_signed_decode(&board_record_kind, (struct bytes){file, n}, &t, work,
                               sizeof(work)) != 0 ||
        board_record_decode(t.payload, r, work, sizeof(work)) != 0 ||
        board_record_check(SHA, r) != 0) {
        snprintf(why, why_n, "%s: not a board record", path);
        return KAPU_EINVAL;
    }
    memcpy(kid, t.kid, EVIDENCE_KID_SIZE);
    return 0;
}

int record_read(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE])
{
    char why[512];

    if (read_file(path, r, kid, why, sizeof(why)) == 0)
        return 0;
    (void)fail("%s", why);
    return -1;
}

int record_may_write(const char *path, const uint8_t id[16])
{
    uint8_t kid[EVIDENCE_KID_SIZE];
    struct board_record r;
    char why[512], text[HEX_MAX];
    int err = read_file(path, &r, kid, why, sizeof(why));

    if (err == KAPU_ENOENT || (err == 0 && memcmp(r.board, id, sizeof(r.board)) == 0))
        return 0;
    if (err == 0)
        (void)fail("%s: is there already: the record of board %s. Name another file", path,
                   uuid_text(r.board, text));
    else
        (void)fail("%s: is there already, and is not a board record: name another file", path);
    return -1;
}
