// SPDX-License-Identifier: Apache-2.0
#include <kapu/vault.h>

#include <string.h>

#define SPACES 64u

/* With the zero byte that separates it from the transcript hash. */
static const uint8_t client[] = "TLS 1.3, client CertificateVerify";

static bool is_transcript(struct bytes t)
{
    return t.n == VAULT_TRANSCRIPT_MIN || t.n == VAULT_TRANSCRIPT_MAX;
}

int vault_tls_encode(struct bytes transcript, struct wr *content)
{
    _Static_assert(SPACES + sizeof(client) + VAULT_TRANSCRIPT_MAX == VAULT_TLS_CONTENT_MAX,
                   "sizes");
    if (!is_transcript(transcript))
        return KAPU_EINVAL;
    for (size_t i = 0; i < SPACES; i++)
        wr_u8(content, ' ');
    wr_bytes(content, BYTES_OF(client));
    wr_bytes(content, transcript);
    return content->err;
}

int vault_tls_decode(struct bytes content, struct bytes *transcript)
{
    struct bytes begin, rest;
    struct rd r;

    rd_init(&r, content);
    for (size_t i = 0; i < SPACES; i++) {
        if (rd_u8(&r) != ' ')
            return KAPU_EINVAL;
    }
    begin = rd_bytes(&r, sizeof(client));
    rest = rd_bytes(&r, r.err == 0 ? content.n - r.at : 0);
    if (r.err != 0 || memcmp(begin.p, client, sizeof(client)) != 0 || !is_transcript(rest))
        return KAPU_EINVAL;
    *transcript = rest;
    return 0;
}

/* SEQUENCE { SEQUENCE { id-ecPublicKey, secp256r1 }, BIT STRING }, up to the uncompressed point. */
static const uint8_t spki_head[VAULT_SPKI_SIZE - VAULT_POINT_SIZE] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

void vault_spki_encode(const uint8_t point[VAULT_POINT_SIZE], uint8_t spki[VAULT_SPKI_SIZE])
{
    memcpy(spki, spki_head, sizeof(spki_head));
    memcpy(spki + sizeof(spki_head), point, VAULT_POINT_SIZE);
}
