// SPDX-License-Identifier: Apache-2.0
/* The writer of updates, asked with a file from a shell, as kapu-link asks it with what came from
 * the operator. */
#include <stdbool.h>
#include <stdio.h>

#include <kapu/protocol.h>

#include "ask.h"
#include "commands.h"

/* The bytes of the file; 0: there are none, or too many, and it was said. */
static size_t read_request(const char *path, uint8_t *to, size_t most)
{
    FILE *f = fopen(path, "rbe");
    const size_t n = f != NULL ? fread(to, 1, most, f) : 0;
    const bool all = f != NULL && ferror(f) == 0;

    if (f != NULL)
        fclose(f);
    if (all && n > 0 && n < most)
        return n;
    fprintf(stderr, "kapu-boot: %s: cannot be read, is empty, or is larger than a request may be\n",
            path);
    return 0;
}

int writer_request(char **words)
{
    static uint8_t request[PROTOCOL_REQUEST_MAX + 1u], reply[PROTOCOL_BODY_MAX];
    const size_t n = read_request(words[0], request, sizeof(request));
    size_t got;

    if (n == 0)
        return 1;
    got = update_ask((struct bytes){request, n}, ASK_APPROVAL_S, reply, sizeof(reply));
    if (got == 0)
        fprintf(stderr, "kapu-boot: %s: %m\n", ASK_SOCKET);
    return got > 0 && fwrite(reply, 1, got, stdout) == got && fflush(stdout) == 0 ? 0 : 1;
}
