/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allow-list: which code and which programs a root image may run, made by tools/kapu/allow.py
 * at build time from the image and the policy that a person wrote, read by allow.c. Little-endian.
 * sectioned_format.h tells how it ends.
 *
 * Header
 *    0  8  magic
 *    8  4  version
 *   12  4  size of the list in bytes
 *   16 32  digest of the kernel profile of the same build, which its last bytes are
 *   48  8 * ALLOW_SECTIONS   for each section: offset from the start, records
 *
 * Sections (records)
 *   FILES    16   executable part of a file: path, first page of the file, first hash, pages;
 *                 ascending by the bytes of the path
 *   HASHES   32   SHA-256 of a page of a file; behind the file's end it is zeros
 *   ORDER     4   numbers of the hashes, ascending by hash
 *   PROGRAMS 32   path (4), flags (4), capabilities (8), first number (4), ranges of users (2),
 *                 listening ports (2), peers (2), unused (6)
 *   NUMBERS   4   of each program: for each range its first and last user; then the ports, as
 *                 protocol << 16 | port; then for each peer bytes of its address << 16 | bits of
 *                 its prefix, port (0: any), address as 16 bytes
 *   STATE     8   enum allow_state, and its value or its string
 *   ROOT      1   root hash of dm-verity
 *   STRINGS   1   each ends with a zero byte; paths and strings are offsets into this
 */
#ifndef KAPU_ALLOW_FORMAT_H
#define KAPU_ALLOW_FORMAT_H

#define ALLOW_MAGIC "KAPUALLO"
#define ALLOW_VERSION 3u
#define ALLOW_PROFILE 16u /* where that digest is */
#define ALLOW_HEADER 48u

enum allow_section {
    ALLOW_FILES,
    ALLOW_HASHES,
    ALLOW_ORDER,
    ALLOW_PROGRAMS,
    ALLOW_NUMBERS,
    ALLOW_STATE,
    ALLOW_ROOT,
    ALLOW_STRINGS,
    ALLOW_SECTIONS,
};

/* Flags of a program. */
#define ALLOW_NO_NEW_PRIVS 1u /* every process of it has no_new_privs set */
#define ALLOW_SECCOMP 2u      /* every process of it has a system call filter */
#define ALLOW_RAW 4u          /* it may have raw and packet sockets */
#define ALLOW_ANY 8u          /* stands for every program in FILES that has no entry of its own */
#define ALLOW_ANY_PEER 16u    /* it may be connected with anybody */
#define ALLOW_IO_URING 32u    /* it may use io_uring */
/* Namespaces of its own (enum allow_namespace) that each process of it may have, and that it has.
 */
#define ALLOW_MAY_NAMESPACE(n) (0x100u << (n))
#define ALLOW_HAS_NAMESPACE(n) (0x10000u << (n))

enum allow_namespace {
    NAMESPACE_MNT,
    NAMESPACE_NET,
    NAMESPACE_PID,
    NAMESPACE_USER,
    NAMESPACE_UTS,
    NAMESPACE_IPC,
    NAMESPACE_CGROUP,
    NAMESPACES,
};

#define ALLOW_PEER_NUMBERS 6u

enum allow_state {
    STATE_LOCKDOWN = 1, /* 0 none, 1 integrity, 2 confidentiality */
    STATE_PTRACE_SCOPE = 2,
    STATE_MMAP_MIN_ADDR = 3,
    STATE_BPF = 4,      /* 1: there may be eBPF programs */
    STATE_KPROBES = 5,  /* 1: there may be kprobes */
    STATE_STRINGS = 16, /* from here on the value is a string */
    STATE_MODPROBE = 16,
    STATE_CORE_PATTERN = 17,
    STATE_POWEROFF = 18,
    STATE_MODULE = 19, /* a module that may be loaded; any number of them */
};

#endif
