// SPDX-License-Identifier: Apache-2.0
/*
 * Dumps of a machine's memory as `kapu inspect` opens them: ELF cores whose headers may say
 * anything, and raw RAM. What is refused has a reason; of what is taken each part can be read from
 * its first byte to its last, and nothing behind it.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "inspect_memory.h"

static void read_part(const struct mem *port, uint64_t pa, uint64_t size)
{
    uint8_t byte[1], *all = malloc(size);

    if (all == NULL)
        return;
    if (port->read(port->ctx, pa, byte, 1) != 0 ||
        port->read(port->ctx, pa + size - 1, byte, 1) != 0 ||
        port->read(port->ctx, pa, all, size) != 0)
        abort();
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory m = {.map = (uint8_t *)(uintptr_t)data, .size = size};
    const struct mem port = memory_port(&m);
    uint64_t top = 0;
    uint8_t byte[2];

    if (memory_read(&m) != NULL)
        return 0;
    if (m.parts == 0 || m.parts > MEMORY_PARTS || m.ram_size == 0)
        abort();
    for (size_t i = 0; i < m.parts; i++) {
        read_part(&port, m.part[i].pa, m.part[i].size);
        top = m.part[i].pa + m.part[i].size > top ? m.part[i].pa + m.part[i].size : top;
    }
    if (port.read(port.ctx, top, byte, 1) == 0 || port.read(port.ctx, top - 1, byte, 2) == 0 ||
        port.read(port.ctx, UINT64_MAX, byte, 2) == 0)
        abort();
    return 0;
}
