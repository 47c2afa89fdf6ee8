/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel profile: what is true of one Linux image, made by tools/kapu/profile.py at build time
 * and read by profile.c. Little-endian; every offset inside the image counts from _text, so nothing
 * in it depends on where the kernel runs. Sections lie behind the header in the order of their
 * numbers, each aligned to 8 bytes, without gaps otherwise. sectioned_format.h tells how it ends.
 *
 * Header
 *    0  8  magic
 *    8  4  version
 *   12  4  size of the profile in bytes
 *   16  8  address of _text that the kernel was linked for
 *   24  4  pages from _text to _end
 *   28  4  FNV-1a over the item names, each with a zero byte behind it (profile.def)
 *   32  8 * PROFILE_SECTIONS   for each section: offset from the start of the profile, records
 *
 * Sections (records)
 *   ITEMS    4   values in the order of profile.def; PROFILE_ABSENT: the kernel does not have it
 *   RANGES  16   page-aligned part of the image whose content is known: start, end, kind, number of
 *                its first page hash; ascending, no overlap
 *   HOLES    8   start, end inside ranges: bytes that change; they count as zeros in page hashes
 *   HASHES  32   SHA-256 of each page of the ranges, as linked: relocations with offset 0, patch
 *                sites with their first variant
 *   RELOCS  68   page number, 512 bits: 64-bit words of the page that hold an address; ascending
 *   SITES   16   patch sites in ranges, ascending, none across a page: offset (4), instruction
 *                words (1), kind (1), variants (1), flags (1), first word in WORDS (4), extra (4)
 *   WORDS    4   instruction words: for each variant of a site, its words
 *   TABLES  12   tables of function pointers: offset, entries, first record in ENTRIES
 *   ENTRIES  4   functions, as offsets
 *   POINTERS 8   words of writable data that the linker set to a function: offset, function. An odd
 *                offset: of the word before, which may lead to a function of any type
 *   BANNER   1   the kernel's version string
 *   HOOKS   16   hooks of security modules: offset of its struct security_hook_list, function,
 *                offset of the first static call that it may use, how many there are
 *   GRANULES 128 for each page of RANGE_TEXT, with the number of its hash: a check byte for each
 *                GRANULE of the page as it is hashed, the lowest byte of the CRC-32. They tell a
 *                person where a page differs whose SHA-256 is wrong; they judge nothing
 *   SLOTS    8   of each static call of the security modules' table: offsets of where the code
 *                finds its function (static_call_key) and its switch (static_key)
 */
#ifndef KAPU_PROFILE_FORMAT_H
#define KAPU_PROFILE_FORMAT_H

#define PROFILE_MAGIC "KAPUPROF"
#define PROFILE_VERSION 4u
#define PROFILE_HEADER 32u
#define PROFILE_ABSENT UINT32_MAX

#define GRANULE 32u         /* bytes that one check byte of GRANULES is of */
#define POINTER_ANY_TYPE 1u /* in the offset of a record of POINTERS */

enum profile_section {
    SECTION_ITEMS,
    SECTION_RANGES,
    SECTION_HOLES,
    SECTION_HASHES,
    SECTION_RELOCS,
    SECTION_SITES,
    SECTION_WORDS,
    SECTION_TABLES,
    SECTION_ENTRIES,
    SECTION_POINTERS,
    SECTION_BANNER,
    SECTION_HOOKS,
    SECTION_GRANULES,
    SECTION_SLOTS,
    PROFILE_SECTIONS,
};

enum profile_range { RANGE_TEXT = 1, RANGE_RODATA = 2 };

/* What may stand at a patch site. Variant 0 is what was linked. */
enum profile_site {
    SITE_VARIANTS = 1, /* one of the variants, exactly */
    SITE_JUMP = 2,     /* variant 1: nop, 2: branch; extra: offset of the key, lowest bit: branch is
                          taken when the key is off */
    SITE_FTRACE = 3,   /* variants 0 and 1: not traced; later ones: call of the tracer */
    SITE_POINTER =
        4,          /* movz and three movk whose immediates are the value of the pointer at extra */
    SITE_SHIFT = 5, /* lsr by the 32-bit number at extra */
};

#endif
