// SPDX-License-Identifier: Apache-2.0
#include "soft_board_record.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"
#include "soft_gateway.h"

#define SHA (&crypto_openssl.sha256)

static void need(int err)
{
    if (err != 0)
        abort();
}

struct board_record soft_board_record(void)
{
    static struct soft_gateway g;
    struct board_record r = {.issued_ms = 1764000000000, .platform = "soft"};

    soft_gateway_init(&g, "vector", "a release");
    memcpy(r.ek, g.ek_name.b, sizeof(r.ek));
    memcpy(r.ak, g.ak_name.b, sizeof(r.ak));
    memcpy(r.ueid, g.claims.ueid, sizeof(r.ueid));
    memcpy(r.board, g.claims.boot.board, sizeof(r.board));
    return r;
}

void soft_board_record_sign(const struct soft_key *factory, const struct board_record *r,
                            struct wr *out)
{
    uint8_t content[BOARD_CONTENT_MAX], digest[32];
    struct evidence_token t = {0};
    struct wr w;

    wr_init(&w, content, sizeof(content));
    need(board_record_encode(r, &w));
    t.payload = wr_done(&w);
    need(evidence_key_thumbprint(SHA, &factory->pub, t.kid));
    need(evidence_signed_digest(SHA, &board_record_kind, t.kid, t.payload, digest));
    soft_key_sign(factory, digest, t.signature);
    need(evidence_signed_encode(&board_record_kind, &t, out));
}
