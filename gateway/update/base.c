/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"

#include <string.h>

#define SCHEME "http://"
#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define PORT_MAX 65535

/* Each of these takes its part from the front of *p; false: it is not as it should be. */

static bool host(const char **p)
{
    size_t n;

    if (**p != '[') {
        n = strspn(*p, ALPHANUMERIC "-.");
        *p += n;
        return n > 0;
    }
    n = strspn(*p + 1, "0123456789abcdefABCDEF:.");
    *p += n + 1;
    return n > 0 && *(*p)++ == ']';
}

static bool port(const char **p)
{
    unsigned long n = 0;

    if (**p != ':')
        return true;
    for ((*p)++; **p >= '0' && **p <= '9' && n <= PORT_MAX; (*p)++)
        n = n * 10 + (unsigned long)(**p - '0');
    return n > 0 && n <= PORT_MAX;
}

/* Segments of characters that mean themselves; none empty, "." or "..". */
static bool path(const char **p)
{
    while (**p == '/' && (*p)[1] != '\0') {
        size_t n = strspn(*p + 1, ALPHANUMERIC "-._~");

        if (n == 0 || strncmp(*p + 1, "..", n > 2 ? n : 2) == 0 || (n == 1 && (*p)[1] == '.'))
            return false;
        *p += n + 1;
    }
    if (**p == '/')
        (*p)++;
    return **p == '\0';
}

bool base_copy(char to[FETCH_BASE_MAX + 1], const char *base)
{
    size_t n = strlen(base);
    const char *p = base + sizeof(SCHEME) - 1;

    if (n > FETCH_BASE_MAX || strncmp(base, SCHEME, sizeof(SCHEME) - 1) != 0 || !host(&p) ||
        !port(&p) || !path(&p))
        return false;
    if (base[n - 1] == '/')
        n--;
    memcpy(to, base, n);
    to[n] = '\0';
    return true;
}
