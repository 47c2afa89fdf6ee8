// SPDX-License-Identifier: Apache-2.0
#include "factory_record.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"
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
                 const char *path)
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
    else if (file_write(path, wr_done(&w), 0644) != 0)
        (void)fail("%s: %s", path, strerror(errno));
    else
        return 0;
    return -1;
}

int record_read(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE])
{
    uint8_t file[BOARD_RECORD_MAX], work[BOARD_RECORD_MAX];
    struct evidence_token t = {0};
    char why[512];
    size_t n;

    if (whole_file(path, sizeof(file), file, &n, why, sizeof(why)) != 0) {
        (void)fail("%s", why);
        return -1;
    }
    if (evidence_signed_decode(&board_record_kind, (struct bytes){file, n}, &t, work,
                               sizeof(work)) != 0 ||
        board_record_decode(t.payload, r, work, sizeof(work)) != 0 ||
        board_record_check(SHA, r) != 0) {
        (void)fail("%s: not a board record", path);
        return -1;
    }
    memcpy(kid, t.kid, EVIDENCE_KID_SIZE);
    return 0;
}
