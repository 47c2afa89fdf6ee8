// SPDX-License-Identifier: Apache-2.0
/* Settings and PEM, as an operator's folder may have them, and the settings of a gateway. The first
 * byte says which. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway_settings.h"
#include "pem.h"
#include "settings.h"

#define INPUT_MAX 65536U

struct seen {
    size_t bytes;
    unsigned n;
};

static const char *take(void *ctx, const char *label, struct bytes der)
{
    struct seen *s = ctx;

    if (der.n == 0 || label[0] == '\0')
        abort(); /* no block is empty */
    s->bytes += der.n;
    s->n++;
    return der.p[0] == 0xff ? "is not wanted" : NULL;
}

static bool set(void *into, size_t offset, char **word, size_t words)
{
    struct seen *s = into;
    uint64_t n;

    if (words == 0)
        abort(); /* no value is empty */
    s->n++;
    return words > offset && (!settings_number(word[0], 99, &n) || n <= 99);
}

static void fuzz_gateway(struct bytes text)
{
    struct gateway_settings g;
    char why[128] = "";
    const bool good = gateway_settings_parse(text, &g, why, sizeof(why));

    if (!good && why[0] == '\0')
        abort(); /* it must say why */
    if (good && (g.host[0] == '\0' || g.name[0] == '\0' || g.releases[0] == '\0' || g.port < 1 ||
                 g.port > 65535 || g.enrol_port < 1 || g.enrol_port > 65535))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct setting known[] = {
        {"a", "a word", set, 0, 1, false},
        {"b", "three words", set, 2, 3, false},
        {"c", "words", set, 0, SETTINGS_WORDS, true},
    };
    const struct bytes text = {data + 1, size - 1};
    struct seen s = {0, 0};
    char why[128];
    int err;

    if (size < 1 || size > INPUT_MAX)
        return 0;
    if (data[0] == 2) {
        fuzz_gateway(text);
        return 0;
    }
    err = (data[0] & 1) != 0 ? settings_parse(text, known, 3, &s, why, sizeof(why))
                             : pem_parse(text, take, &s, why, sizeof(why));
    if (err != 0 && strncmp(why, "line ", 5) != 0)
        abort(); /* it must say where */
    if (err == 0 && (s.n == 0 || s.bytes > text.n || memchr(text.p, 0, text.n) != NULL))
        abort(); /* nothing is allowed by nothing */
    return 0;
}
