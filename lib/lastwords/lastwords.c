// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <kapu/lastwords.h>

#define VERSION 1u

void lastwords_make(struct lastwords *w, uint8_t why, const char *text, size_t n)
{
    memset(w, 0, sizeof(*w));
    w->why = why;
    w->n = n;
    if (n > sizeof(w->text)) {
        w->n = sizeof(w->text);
        for (size_t i = sizeof(w->text); i > 0; i--) { /* no half line, unless it is the first */
            if (text[i - 1] != '\n')
                continue;
            w->n = i;
            break;
        }
    }
    if (w->n > 0)
        memcpy(w->text, text, w->n);
}

void lastwords_encode(const struct lastwords *w, uint8_t to[LASTWORDS_SIZE])
{
    struct wr out;

    memset(to, 0, LASTWORDS_SIZE);
    if (w->why == 0)
        return;
    wr_init(&out, to, LASTWORDS_SIZE);
    wr_u8(&out, VERSION);
    wr_u8(&out, w->why);
    wr_u8(&out, w->over ? 1 : 0);
    wr_u8(&out, 0);
    wr_be16(&out, (uint16_t)w->n);
    wr_bytes(&out, (struct bytes){(const uint8_t *)w->text, w->n});
}

int lastwords_decode(const uint8_t from[LASTWORDS_SIZE], struct lastwords *w)
{
    uint8_t again[LASTWORDS_SIZE];
    struct bytes text;
    struct rd in;

    memset(w, 0, sizeof(*w));
    rd_init(&in, (struct bytes){from, LASTWORDS_SIZE});
    (void)rd_u8(&in);
    w->why = rd_u8(&in);
    w->over = rd_u8(&in) == 1;
    (void)rd_u8(&in);
    text = rd_bytes(&in, rd_be16(&in));
    if (in.err != 0)
        return KAPU_EINVAL;
    w->n = text.n;
    if (text.n > 0)
        memcpy(w->text, text.p, text.n);
    lastwords_encode(w, again); /* one meaning has one encoding */
    return memcmp(again, from, sizeof(again)) == 0 ? 0 : KAPU_EINVAL;
}
