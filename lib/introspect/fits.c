// SPDX-License-Identifier: Apache-2.0
/* Whether what is known beforehand is of the system that is looked at, and can be compared with it.
 */
#include "internal.h"

#include <string.h>

#define LINE_MAX 2048u /* COMMAND_LINE_SIZE of arm64 */
#define HEX_OF_ROOT (INTROSPECT_ROOT - 1)

static int has_memory(struct introspect *in, uint64_t task, void *ctx)
{
    uint64_t mm;
    int err = field_u64(in, task, F_task_struct_mm, &mm);

    (void)ctx;
    return err == 0 && mm != 0 ? 1 : err;
}

/* Linux says that it starts, and no program has run yet: an attacker who
 * only writes that word hides nothing.
 */
static bool is_starting(struct introspect *in)
{
    uint32_t state;

    return read_u32(in, symbol(in, S_system_state), &state) == 0 &&
           state < item(in, V_SYSTEM_RUNNING) && process_walk(in, has_memory, NULL) == 0;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The first word of the line that is a root hash: dm-mod.create has the image's before its salt. */
static const char *root_in(const char *line)
{
    for (size_t n = 0; *line != '\0'; line++) {
        n = is_hex(*line) ? n + 1 : 0;
        if (n == HEX_OF_ROOT && line[1] == ' ')
            return line - (HEX_OF_ROOT - 1);
    }
    return NULL;
}

static void hex_of(const uint8_t *from, size_t n, char *to)
{
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = "0123456789abcdef"[from[i] >> 4];
        to[2 * i + 1] = "0123456789abcdef"[from[i] & 15];
    }
    to[2 * n] = '\0';
}

/* Whether a device has the root hash in ctx. */
static int has_root(struct introspect *in, const struct verity_device *d, void *ctx)
{
    char text[INTROSPECT_ROOT];

    (void)in;
    if (d->size != HEX_OF_ROOT / 2)
        return 0;
    hex_of(d->digest, d->size, text);
    return text_equal(text, ctx) ? 1 : 0;
}

/*
 * Another root image: the command line names it, which the signed device tree gave, and dm-verity
 * verifies against it. One of the two alone was changed by somebody: that is for the check "state".
 */
static bool is_of_another_root(struct introspect *in, char root[INTROSPECT_ROOT])
{
    struct bytes want = allow_root(&in->allow);
    char line[LINE_MAX], ours[INTROSPECT_ROOT];
    const char *found;
    uint64_t at;

    if (!in->has_allow || want.n != HEX_OF_ROOT / 2 ||
        read_u64(in, symbol(in, S_saved_command_line), &at) != 0 ||
        read_text(in, at, line, sizeof(line)) != 0)
        return false;
    found = root_in(line);
    if (found == NULL)
        return false;
    memcpy(root, found, HEX_OF_ROOT);
    root[HEX_OF_ROOT] = '\0';
    hex_of(want.p, want.n, ours);
    return !text_equal(root, ours) && verity_walk(in, has_root, root) == 1;
}

enum introspect_fit introspect_fits(struct introspect *in, char root[INTROSPECT_ROOT])
{
    root[0] = '\0';
    budget_start(in);
    if (is_starting(in))
        return INTROSPECT_STARTING;
    return is_of_another_root(in, root) ? INTROSPECT_OTHER_ROOT : INTROSPECT_FITS;
}
