// SPDX-License-Identifier: Apache-2.0
/*
 * Dumps of a machine's memory as `kapu inspect` opens them: each format, whose headers may say
 * anything. What is refused has a reason; of what is taken each part can be read from its first
 * byte to its last (compressed memory may be damaged), and what lies between the parts is absent.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "inspect_memory.h"

#define BYTES_MAX (1u << 20)

static void read_part(const struct memory *m, const struct mem *port, const struct memory_part *p)
{
    size_t n = p->size < BYTES_MAX ? (size_t)p->size : BYTES_MAX;
    uint8_t byte[1], *all = malloc(n);

    if (all == NULL)
        return;
    if ((port->read(port->ctx, p->pa, byte, 1) |
         port->read(port->ctx, p->pa + p->size - 1, byte, 1) |
         port->read(port->ctx, p->pa, all, n)) != 0 &&
        m->kdump == NULL)
        abort();
    free(all);
}

/* Parts and what is absent make all of RAM, in order. */
static void check_absent(const struct memory *m, const struct mem *port)
{
    uint64_t pa = 0, size = 0, end = m->ram_base;
    uint8_t byte[1];

    while (memory_absent(m, &pa, &size)) {
        if (size == 0 || pa < end || size > m->ram_size - (pa - m->ram_base) ||
            port->read(port->ctx, pa, byte, 1) != KAPU_EABSENT ||
            port->read(port->ctx, pa + size - 1, byte, 1) != KAPU_EABSENT)
            abort();
        pa += size;
        end = pa;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory m = {.map = (uint8_t *)(uintptr_t)data, .size = size};
    const struct mem port = memory_port(&m);
    uint64_t top = 0;
    uint8_t byte[2];

    if (memory_read(&m) == NULL) {
        if (m.parts == 0 || m.ram_size == 0 || m.format == NULL)
            abort();
        for (size_t i = 0; i < m.parts; i++) {
            if (m.part[i].size == 0 || m.part[i].pa < top)
                abort();
            top = m.part[i].pa + m.part[i].size;
            if (i < 64)
                read_part(&m, &port, &m.part[i]);
        }
        check_absent(&m, &port);
        if (port.read(port.ctx, top, byte, 1) == 0 || port.read(port.ctx, top - 1, byte, 2) == 0 ||
            port.read(port.ctx, UINT64_MAX, byte, 2) == 0)
            abort();
        if (memory_remove(&m, m.ram_base + 5, m.ram_size / 2)) {
            if (port.read(port.ctx, m.ram_base + 5, byte, 1) != KAPU_EABSENT)
                abort();
            check_absent(&m, &port);
        }
    }
    memory_forget(&m);
    return 0;
}
