// SPDX-License-Identifier: Apache-2.0
/*
 * tracepoints.probe: what is called at the kernel's tracepoints is known code, of the tracepoint's
 * type. Only kernels with tracing have any.
 */
#include "internal.h"

#define PROBES_MAX 256u

static int check_tracepoint(struct introspect *in, uint64_t tracepoint)
{
    uint64_t probes, stub, function;
    char name[48] = "?";
    int err = field_u64(in, tracepoint, F_tracepoint_funcs, &probes);

    if (err != 0 || probes == 0)
        return err;
    err = field_u64(in, tracepoint, F_tracepoint_probestub, &stub);
    if (err == 0)
        err = field_u64(in, tracepoint, F_tracepoint_name, &function);
    if (err == 0)
        err = read_text(in, function, name, sizeof(name));
    for (uint32_t i = 0; err == 0 && i < PROBES_MAX; i++) {
        uint64_t probe = probes + (uint64_t)i * item(in, Z_tracepoint_func);

        err = field_u64(in, probe, F_tracepoint_func_func, &function);
        if (err != 0 || function == 0)
            return err;
        callback_check(in, "tracepoints.probe", name, probe, function, stub);
    }
    return err != 0 ? err : KAPU_EINVAL;
}

int check_tracepoints(struct introspect *in)
{
    uint64_t at, end;
    int err = 0;

    if (!has(in, S___start___tracepoints_ptrs))
        return KAPU_EUNSUPPORTED;
    end = symbol(in, S___stop___tracepoints_ptrs);
    /* 32-bit offsets from where each of them stands. */
    for (at = symbol(in, S___start___tracepoints_ptrs); err == 0 && at < end; at += 4) {
        uint32_t offset;

        err = read_u32(in, at, &offset);
        if (err == 0)
            err = check_tracepoint(in, at + (uint64_t)(int64_t)(int32_t)offset);
    }
    return err;
}
