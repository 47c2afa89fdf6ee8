// SPDX-License-Identifier: Apache-2.0
#include "inspect_vmlinux.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_inside(const struct vmlinux *s, uint64_t offset, uint64_t size)
{
    return offset <= s->size && size <= s->size - offset;
}

static int section(const struct vmlinux *s, const Elf64_Ehdr *head, size_t i, Elf64_Shdr *to)
{
    if (i >= head->e_shnum || head->e_shentsize != sizeof(*to) ||
        !is_inside(s, head->e_shoff, (uint64_t)head->e_shnum * sizeof(*to)))
        return -1;
    memcpy(to, s->map + head->e_shoff + i * sizeof(*to), sizeof(*to));
    return 0;
}

static void find_table(struct vmlinux *s)
{
    Elf64_Ehdr head;
    Elf64_Shdr table, text;

    memcpy(&head, s->map, sizeof(head));
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_ident[EI_DATA] != ELFDATA2LSB)
        return;
    for (size_t i = 0; section(s, &head, i, &table) == 0; i++) {
        if (table.sh_type != SHT_SYMTAB || section(s, &head, table.sh_link, &text) != 0 ||
            !is_inside(s, table.sh_offset, table.sh_size) ||
            !is_inside(s, text.sh_offset, text.sh_size))
            continue;
        s->at = table.sh_offset;
        s->n = table.sh_size / sizeof(Elf64_Sym);
        s->text = text.sh_offset;
        s->text_n = text.sh_size;
        return;
    }
}

void vmlinux_open(struct vmlinux *s, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *s = (struct vmlinux){0};
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(Elf64_Ehdr)) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (map != MAP_FAILED) {
            s->map = map;
            s->size = (size_t)st.st_size;
            find_table(s);
        }
    }
    close(fd);
}

void vmlinux_close(struct vmlinux *s)
{
    if (s->map != NULL)
        munmap(s->map, s->size);
    *s = (struct vmlinux){0};
}

/* The compiler's marks of code and data ("$x", "$d") are no names. */
static const char *name_of(const struct vmlinux *s, const Elf64_Sym *symbol)
{
    const char *name = (const char *)s->map + s->text + symbol->st_name;
    unsigned kind = ELF64_ST_TYPE(symbol->st_info);

    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS || kind == STT_FILE ||
        kind == STT_SECTION || symbol->st_name >= s->text_n ||
        memchr(name, '\0', s->text_n - symbol->st_name) == NULL || name[0] == '\0' ||
        name[0] == '$')
        return NULL;
    return name;
}

void vmlinux_name(const struct vmlinux *s, uint64_t linked, char *to, size_t n)
{
    const char *best = NULL;
    uint64_t at = 0;

    for (size_t i = 0; i < s->n; i++) {
        const char *name;
        Elf64_Sym symbol;

        memcpy(&symbol, s->map + s->at + i * sizeof(symbol), sizeof(symbol));
        if (symbol.st_value > linked || symbol.st_value <= at)
            continue;
        name = name_of(s, &symbol);
        if (name != NULL) {
            best = name;
            at = symbol.st_value;
        }
    }
    to[0] = '\0';
    if (best != NULL)
        snprintf(to, n, "%s+0x%llx", best, (unsigned long long)(linked - at));
}
