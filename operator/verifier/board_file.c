// SPDX-License-Identifier: Apache-2.0
#include "board_file.h"

#include <string.h>

#include "crypto_openssl.h"
#include "text.h"

static int explain(int err, struct bytes file, const struct evidence_token *t, char *why,
                   size_t why_n)
{
    switch (err) {
    case KAPU_EPIN:
        snprintf(why, why_n,
                 "signed by a factory key that is not believed (kid %02x%02x%02x%02x...)",
                 t->kid[0], t->kid[1], t->kid[2], t->kid[3]);
        break;
    case KAPU_EAUTH:
        snprintf(why, why_n, "its signature does not verify: changed, or not by whom it says");
        break;
    case KAPU_ECRYPTO:
        snprintf(why, why_n, "cryptography failed");
        break;
    case KAPU_EUNSUPPORTED:
        snprintf(why, why_n, "signed, but of another type or version than this kapu reads%s",
                 text_format(file));
        break;
    default:
        snprintf(why, why_n, "not a board record%s", text_format(file));
        break;
    }
    return err;
}

/* Signed, but impossible. */
static int check(const struct board_record *r, uint64_t now_ms, char *why, size_t why_n)
{
    int err = board_record_check(&crypto_openssl.sha256, r);

    if (err == KAPU_EINVAL)
        snprintf(why, why_n, "signed, but its UEID is not that of its endorsement key");
    else if (err != 0)
        snprintf(why, why_n, "cryptography failed");
    else if (r->issued_ms > now_ms + BOARD_FILE_AHEAD_MS) {
        snprintf(why, why_n, "signed, but with a date that is to come: a clock is wrong");
        err = KAPU_EINVAL;
    }
    return err;
}

int board_file_read(struct bytes file, const struct reference_keys *keys, uint64_t now_ms,
                    struct store_board *out, char *why, size_t why_n)
{
    uint8_t work[BOARD_RECORD_MAX];
    struct evidence_token t = {0};
    int err = reference_verify_kind(&board_record_kind, file, keys, &t, work, sizeof(work));

    memset(out, 0, sizeof(*out));
    if (err == 0)
        err = board_record_decode(t.payload, &out->record, work, sizeof(work));
    if (err != 0)
        return explain(err, file, &t, why, why_n);
    memcpy(out->kid, t.kid, sizeof(out->kid));
    out->added_ms = now_ms;
    return check(&out->record, now_ms, why, why_n);
}

int board_file_open(const char *path, const struct reference_keys *keys, uint64_t now_ms,
                    struct store_board *out, char *why, size_t why_n)
{
    uint8_t data[BOARD_RECORD_MAX];
    char reason[256];
    size_t n;
    int err = whole_file(path, sizeof(data), data, &n, why, why_n);

    if (err != 0)
        return err;
    err = board_file_read((struct bytes){data, n}, keys, now_ms, out, reason, sizeof(reason));
    if (err != 0)
        snprintf(why, why_n, "%s: %s", path, reason);
    return err;
}
