// SPDX-License-Identifier: Apache-2.0
/*
 * A plugin for QEMU's translator that counts the instructions of each world: 64-bit numbers, secure
 * then normal, in the file that the argument counts=PATH names. The secure world's addresses end at
 * 36 bits (CFG_LPAE_ADDR_SPACE_BITS); Linux, once its page tables are on, has its kernel and its
 * position-independent programs above.
 *
 * Debian's QEMU has the interface and not its header; declared here is what this file needs of
 * docs/devel/tcg-plugins.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SECURE_END (1ull << 36)
#define INLINE_ADD 0 /* QEMU_PLUGIN_INLINE_ADD_U64 */

struct qemu_plugin_tb;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*translated)(uint64_t id,
                                                              struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int operation, void *to,
                                              uint64_t operand);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static uint64_t *count; /* secure, normal */

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD,
                                             &count[qemu_plugin_tb_vaddr(tb) < SECURE_END ? 0 : 1],
                                             qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    static const char option[] = "counts=";
    int fd;

    (void)info;
    if (argc != 1 || strncmp(argv[0], option, strlen(option)) != 0)
        return -1;
    fd = open(argv[0] + strlen(option), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, 2 * sizeof(*count)) != 0)
        return -1;
    count = mmap(NULL, 2 * sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (count == MAP_FAILED)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
