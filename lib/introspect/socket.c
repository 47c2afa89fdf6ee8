// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
int introspect_sockets(struct introspect *in, introspect_socket_fn fn, void *ctx)
{
    (void)in;
    (void)fn;
    (void)ctx;
    return 0;
}
int introspect_code(struct introspect *in, introspect_code_fn fn, void *ctx)
{
    (void)in;
    (void)fn;
    (void)ctx;
    return 0;
}
