// SPDX-License-Identifier: Apache-2.0
/* Reads a file by io_uring only: no system call shows it; a thread of the kernel's may do it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "attack.h"

int main(void)
{
    struct io_uring_params p = {0};
    struct io_uring_sqe *entry;
    unsigned *array, *tail;
    static char text[64];
    int told = go_to_background(), ring, file = open("/etc/passwd", O_RDONLY);
    size_t size;
    char *queue;

    ring = (int)syscall(__NR_io_uring_setup, 4, &p);
    must(ring >= 0 && file >= 0, "io_uring_setup");
    size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    entry = mmap(NULL, p.sq_entries * sizeof(*entry), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                 IORING_OFF_SQES);
    must(queue != MAP_FAILED && entry != MAP_FAILED, "mmap");
    entry->opcode = IORING_OP_READ;
    entry->flags = IOSQE_ASYNC; /* by a worker */
    entry->fd = file;
    entry->addr = (unsigned long)text;
    entry->len = sizeof(text) - 1;
    array = (unsigned *)(queue + p.sq_off.array);
    tail = (unsigned *)(queue + p.sq_off.tail);
    array[0] = 0;
    __atomic_store_n(tail, 1, __ATOMIC_RELEASE);
    must(syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1,
         "io_uring_enter");
    must(strstr(text, "root") != NULL, "what was read");
    stay(told);
}
