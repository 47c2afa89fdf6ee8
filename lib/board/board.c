// SPDX-License-Identifier: Apache-2.0
/* Both ends of wire/board-record.cddl. */
#include <kapu/board.h>

#include <kapu/cbor.h>
#include <string.h>

#define TYPE "application/x.kapu.board-record+cose"
#define FORMAT 1u

enum { VERSION = 0, EK = 1, UEID = 2, BOARD = 3, AK = 4, PLATFORM = 5, ISSUED = 6, ITEMS = 7 };

/* TPM_ALG_SHA256 (TPM 2.0 Part 2, 6.3), which a name begins with. */
static const uint8_t name_algorithm[2] = {0x00, 0x0b};

const struct evidence_kind board_record_kind = {
    .type = {(const uint8_t *)TYPE, sizeof(TYPE) - 1},
    .payload_max = BOARD_CONTENT_MAX,
};

static bool names_a_key(const uint8_t name[BOARD_NAME_SIZE])
{
    return memcmp(name, name_algorithm, sizeof(name_algorithm)) == 0;
}

static bool fits(const struct board_record *r)
{
    return names_a_key(r->ek) && names_a_key(r->ak) && r->issued_ms > 0 &&
           r->issued_ms <= BOARD_ISSUED_MAX;
}

/* Without its end; n is 0 when there is none. */
static struct bytes platform_of(const struct board_record *r)
{
    size_t n = 0;

    while (n < sizeof(r->platform) && r->platform[n] != '\0')
        n++;
    return (struct bytes){(const uint8_t *)r->platform, n < sizeof(r->platform) ? n : 0};
}

int board_record_encode(const struct board_record *r, struct wr *out)
{
    const struct bytes platform = platform_of(r);
    struct enc e;

    enc_begin(&e, out);
    if (!fits(r) || platform.n == 0)
        enc_fail(&e, KAPU_EARG);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddUInt64ToMapN(&e.q, VERSION, FORMAT);
    QCBOREncode_AddBytesToMapN(&e.q, EK, ub(BYTES_OF(r->ek)));
    QCBOREncode_AddBytesToMapN(&e.q, UEID, ub(BYTES_OF(r->ueid)));
    QCBOREncode_AddBytesToMapN(&e.q, BOARD, ub(BYTES_OF(r->board)));
    QCBOREncode_AddBytesToMapN(&e.q, AK, ub(BYTES_OF(r->ak)));
    QCBOREncode_AddInt64(&e.q, PLATFORM);
    enc_text(&e, platform, BOARD_PLATFORM_MAX);
    QCBOREncode_AddUInt64ToMapN(&e.q, ISSUED, r->issued_ms);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

static void get_record(struct dec *d, struct board_record *r)
{
    struct bytes platform;

    (void)dec_map(d, NO_LABEL, -ITEMS); /* other versions may have other items */
    if (dec_uint(d, VERSION, UINT32_MAX) != FORMAT)
        dec_fail(d, KAPU_EUNSUPPORTED);
    dec_fixed(d, EK, r->ek, sizeof(r->ek));
    dec_fixed(d, UEID, r->ueid, sizeof(r->ueid));
    dec_fixed(d, BOARD, r->board, sizeof(r->board));
    dec_fixed(d, AK, r->ak, sizeof(r->ak));
    platform = dec_text(d, PLATFORM, BOARD_PLATFORM_MAX);
    if (platform.n > 0)
        memcpy(r->platform, platform.p, platform.n);
    r->issued_ms = dec_uint(d, ISSUED, BOARD_ISSUED_MAX);
}

int board_record_decode(struct bytes in, struct board_record *r, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, BOARD_CONTENT_MAX, &w, work, work_n);

    memset(r, 0, sizeof(*r));
    if (err != 0)
        return err;
    dec_begin(&d, in);
    get_record(&d, r);
    err = dec_end(&d);
    if (err == 0 && board_record_encode(r, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

int board_record_check(const struct kapu_sha256 *h, const struct board_record *r)
{
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    int err = evidence_ueid(h, BYTES_OF(r->ek), ueid);

    if (err != 0)
        return err;
    return memcmp(ueid, r->ueid, sizeof(ueid)) == 0 ? 0 : KAPU_EINVAL;
}
