// SPDX-License-Identifier: Apache-2.0
#include "inspect_formats.h"

#include <elf.h>
#include <endian.h>
#include <string.h>

#include "inspect_kdump.h"

#define PAGE 4096u
#define MACHINE_MIN 64u /* bytes of the smallest header */
#define NO_ROOM "has more parts than there is memory for"

/* ---- ELF: QEMU's dump-guest-memory, /proc/vmcore, makedumpfile -E ---- */

/* How many program headers there are: too many for their field are counted in the first section
 * header. */
static bool count_headers(struct bytes f, const Elf64_Ehdr *head, uint64_t *n)
{
    Elf64_Shdr first;

    *n = head->e_phnum;
    if (head->e_phnum != PN_XNUM)
        return true;
    if (head->e_shoff > f.n || sizeof(first) > f.n - head->e_shoff)
        return false;
    memcpy(&first, f.p + head->e_shoff, sizeof(first));
    *n = first.sh_info;
    return true;
}

/* Headers are copied out, not cast. What would lie beyond the end of the file is absent. */
static const char *read_elf(struct memory *m)
{
    const struct bytes f = m->content;
    Elf64_Ehdr head;
    Elf64_Phdr ph;
    uint64_t n;

    if (f.n < sizeof(head))
        return "is too small to be a machine's memory";
    memcpy(&head, f.p, sizeof(head));
    if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_machine != EM_AARCH64)
        return "is an ELF file and not an ELF core of a 64-bit Arm machine";
    if (head.e_type != ET_CORE)
        return "is an ELF program or library and not an ELF core";
    if (head.e_phentsize != sizeof(ph) || !count_headers(f, &head, &n) || head.e_phoff > f.n ||
        n > (f.n - head.e_phoff) / sizeof(ph))
        return "is an ELF core whose program headers lie outside of the file: it is cut, or "
               "damaged";
    for (uint64_t i = 0; i < n; i++) {
        memcpy(&ph, f.p + head.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type != PT_LOAD || ph.p_offset >= f.n || ph.p_paddr > UINT64_MAX - ph.p_filesz)
            continue;
        if (ph.p_filesz > f.n - ph.p_offset)
            ph.p_filesz = f.n - ph.p_offset;
        if (ph.p_filesz > 0 && !memory_add(m, ph.p_paddr, ph.p_filesz, ph.p_offset))
            return NO_ROOM;
    }
    return m->parts > 0 ? NULL : "is an ELF core that holds no memory";
}

/* ---- LiME: its format with a header before each range ---- */

#define LIME_HEADER 32u /* magic, version, first and last address, 8 bytes reserved */

static const char *read_lime(struct memory *m)
{
    struct rd r;

    rd_init(&r, m->content);
    while (r.at < r.n) {
        const uint8_t *magic = m->content.p + r.at;
        uint32_t version;
        uint64_t first, last, size;

        if (r.n - r.at < LIME_HEADER)
            break; /* cut in a header */
        (void)rd_bytes(&r, 4);
        version = rd_le32(&r);
        first = rd_le32(&r);
        first |= (uint64_t)rd_le32(&r) << 32;
        last = rd_le32(&r);
        last |= (uint64_t)rd_le32(&r) << 32;
        (void)rd_bytes(&r, 8);
        if (memcmp(magic, "EMiL", 4) != 0)
            return "is in LiME's format, and damaged: a range does not begin where the one before "
                   "ends";
        if (version == 2)
            return "is compressed by AVML: write it with avml-convert as a LiME file";
        if (version != 1 || last < first || last - first == UINT64_MAX)
            return "is in LiME's format, of a version that is not known, or damaged";
        size = last - first + 1;
        if (size > r.n - r.at)
            size = r.n - r.at; /* cut: the rest is absent */
        if (size > 0 && !memory_add(m, first, size, r.at))
            return NO_ROOM;
        (void)rd_bytes(&r, (size_t)size);
    }
    return m->parts > 0 ? NULL : "is in LiME's format and holds no memory";
}

/* ---- kdump: makedumpfile, and QEMU with kdump-zlib and the like ---- */

static const char *read_kdump(struct memory *m)
{
    return kdump_open(m);
}

static const char *read_flat_kdump(struct memory *m)
{
    const char *wrong = kdump_unflatten(m);

    return wrong != NULL ? wrong : kdump_open(m);
}

/* ---- Raw: QEMU's pmemsave, a file that is a machine's memory, LiME's formats raw and padded ----
 */

static const char *read_raw(struct memory *m)
{
    if (m->content.n % PAGE != 0)
        return "is neither an ELF core nor raw memory, which has whole pages of 4096 bytes: of "
               "another format, or cut";
    m->raw = true;
    return memory_add(m, MEMORY_RAM_BASE, m->content.n, 0) ? NULL : NO_ROOM;
}

/* ---- */

static const struct {
    const char *magic;
    size_t n;
    const char *name;                      /* of the format */
    const char *(*read)(struct memory *m); /* NULL: what to do instead */
    const char *instead;
} formats[] = {
#define MAGIC(text) text, sizeof(text) - 1
#define MEMORY(magic, name, read)                                                                  \
    {                                                                                              \
        MAGIC(magic), name, read, NULL                                                             \
    }
#define OTHER(magic, what)                                                                         \
    {                                                                                              \
        MAGIC(magic), NULL, NULL, what                                                             \
    }
    MEMORY("\x7f"
           "ELF",
           "ELF core", read_elf),
    MEMORY("EMiL", "LiME", read_lime),
    MEMORY("KDUMP   ", "kdump", read_kdump),
    MEMORY("makedumpfile", "kdump, flattened", read_flat_kdump),
    OTHER("DISKDUMP", "is a dump of diskdump, an old format: write it with makedumpfile -E"),
    OTHER("PAGEDU64", "is a Windows crash dump: have QEMU write one of its other formats"),
    OTHER("PAGEDUMP", "is a Windows crash dump: have QEMU write one of its other formats"),
    OTHER("MDMP", "is a minidump of a program and not a machine's memory"),
    OTHER("QEVM", "is a state that QEMU saved (migrate): use dump-guest-memory"),
    OTHER("LibvirtQemud", "is a state that libvirt saved: use virsh dump --memory-only"),
    OTHER("QFI\xfb", "is a disk image (qcow2) and not a machine's memory"),
    OTHER("KDMV", "is a disk image (VMDK) and not a machine's memory"),
    OTHER("\xd2\xbe\xd2\xbe", "is a state that VMware saved: its memory is in another file"),
    OTHER("EVF\x09\x0d\x0a\xff", "is an EWF (E01) image: export it as raw memory"),
    OTHER("\x1f\x8b", "is compressed by gzip: decompress it"),
    OTHER("\xfd"
          "7zXZ",
          "is compressed by xz: decompress it"),
    OTHER("(\xb5/\xfd", "is compressed by zstd: decompress it"),
    OTHER("BZh", "is compressed by bzip2: decompress it"),
    OTHER("\x04\"M\x18", "is compressed by lz4: decompress it"),
    OTHER("PK\x03\x04", "is a ZIP archive (AFF4 is one, too): export raw memory from it"),
};

const char *format_read(struct memory *m)
{
    const struct bytes f = m->content;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (f.n < formats[i].n || memcmp(f.p, formats[i].magic, formats[i].n) != 0)
            continue;
        m->format = formats[i].name;
        return formats[i].read != NULL ? formats[i].read(m) : formats[i].instead;
    }
    if (f.n < MACHINE_MIN)
        return "is too small to be a machine's memory";
    m->format = "raw memory";
    return read_raw(m);
}
