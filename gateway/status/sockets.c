// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"

#include <stdio.h>
#include <string.h>

#define LINE_SIZE 512

/* State column of /proc/net/tcp and udp (include/net/tcp_states.h): TCP_LISTEN, and TCP_CLOSE,
 * which an unconnected UDP socket has. */
enum { LISTENS = 0x0a, UNCONNECTED = 0x07 };

static const struct table {
    const char *path;
    const char *protocol;
    unsigned int state;
} tables[] = {
    {"/proc/net/tcp", "tcp", LISTENS},     {"/proc/net/tcp6", "tcp6", LISTENS},
    {"/proc/net/udp", "udp", UNCONNECTED}, {"/proc/net/udp6", "udp6", UNCONNECTED},
    {"/proc/net/raw", "raw", UNCONNECTED}, {"/proc/net/raw6", "raw6", UNCONNECTED},
};

static int add_table(const struct table *table, char *to, size_t n)
{
    char line[LINE_SIZE];
    FILE *file = fopen(table->path, "re");

    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned int port;
        unsigned int state;
        size_t used = strlen(to);

        /* "  sl: LOCAL:PORT REMOTE:PORT STATE ..."; the heading does not match */
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &port, &state) == 2 &&
            state == table->state)
            snprintf(to + used, n - used, "%s%s %u", used > 0 ? ", " : "", table->protocol, port);
    }
    fclose(file);
    return 0;
}

int sockets_listening(char *to, size_t n)
{
    int err = 0;

    to[0] = '\0';
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        err |= add_table(&tables[i], to, n);
    if (to[0] == '\0')
        snprintf(to, n, "none");
    return err;
}
