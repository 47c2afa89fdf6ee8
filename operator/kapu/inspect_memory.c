// SPDX-License-Identifier: Apache-2.0
#include "inspect_memory.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

/* The loadable parts of an ELF core; headers are copied out, not cast. */
static const char *read_elf(struct memory *m)
{
    Elf64_Ehdr head;
    Elf64_Phdr ph;

    memcpy(&head, m->map, sizeof(head));
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_machine != EM_AARCH64 || head.e_phentsize != sizeof(ph))
        return "not an ELF core of a 64-bit Arm machine";
    if (head.e_phoff > m->size || head.e_phnum > (m->size - head.e_phoff) / sizeof(ph))
        return "its program headers lie outside of the file";
    for (size_t i = 0; i < head.e_phnum; i++) {
        memcpy(&ph, m->map + head.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type != PT_LOAD || ph.p_filesz == 0)
            continue;
        if (m->parts == MEMORY_PARTS)
            return "its memory is in more parts than a gateway's";
        if (ph.p_offset > m->size || ph.p_filesz > m->size - ph.p_offset ||
            ph.p_paddr > UINT64_MAX - ph.p_filesz)
            return "is cut off: a part of memory lies outside of the file";
        m->part[m->parts].pa = ph.p_paddr;
        m->part[m->parts].offset = ph.p_offset;
        m->part[m->parts++].size = ph.p_filesz;
    }
    return m->parts > 0 ? NULL : "holds no memory";
}

const char *memory_read(struct memory *m)
{
    const char *wrong = NULL;

    if (m->map == NULL || m->size < sizeof(Elf64_Ehdr))
        return "is too small to be a machine's memory";
    m->elf = memcmp(m->map, ELFMAG, SELFMAG) == 0;
    if (m->elf) {
        wrong = read_elf(m);
    } else if (m->size % PAGE != 0) {
        return "is neither an ELF core nor raw memory, which has whole pages of 4096 bytes: of "
               "another format, or cut";
    } else {
        m->parts = 1;
        m->part[0].pa = RAW_RAM_BASE;
        m->part[0].size = m->size;
    }
    for (size_t i = 0; wrong == NULL && i < m->parts; i++) {
        if (m->part[i].size > m->ram_size) {
            m->ram_base = m->part[i].pa;
            m->ram_size = m->part[i].size;
        }
    }
    return wrong;
}

int memory_open(struct memory *m, const char *path)
{
    const char *wrong = NULL;
    struct stat st;
    void *map = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    memset(m, 0, sizeof(*m));
    if (fd >= 0 && fstat(fd, &st) == 0)
        map = st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    if (map == MAP_FAILED) {
        perror(path);
    } else {
        m->map = map;
        m->size = (size_t)st.st_size;
        wrong = memory_read(m);
    }
    if (wrong != NULL)
        fprintf(stderr, "kapu: %s: %s\n", path, wrong);
    if (fd >= 0)
        close(fd);
    return map != MAP_FAILED && wrong == NULL ? 0 : -1;
}

void memory_close(struct memory *m)
{
    if (m->map != NULL)
        munmap(m->map, m->size);
    m->map = NULL;
}

static int read_memory(void *ctx, uint64_t pa, void *to, size_t n)
{
    const struct memory *m = ctx;

    for (size_t i = 0; i < m->parts; i++) {
        if (pa >= m->part[i].pa && pa - m->part[i].pa <= m->part[i].size &&
            n <= m->part[i].size - (pa - m->part[i].pa)) {
            memcpy(to, m->map + m->part[i].offset + (pa - m->part[i].pa), n);
            return 0;
        }
    }
    return -1;
}

struct mem memory_port(struct memory *m)
{
    return (struct mem){read_memory, m};
}
