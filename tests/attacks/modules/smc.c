// SPDX-License-Identifier: Apache-2.0
/* Attack: any call of the firmware, on any core. Write "CORE FUNCTION X1 X2 X3" (hexadecimal) lines
 * to /proc/kapu-smc; read it for what each returned. "lost": the core did not come back. */
#include <linux/arm-smccc.h>
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#define CALLS_MAX 1024
#define BACK_MS 3000

struct call {
    unsigned long function, x1, x2, x3, result;
    struct completion done;
    call_single_data_t on;
    bool lost;
    unsigned int core;
};

static struct call *calls[CALLS_MAX];
static int calls_n;

static void make(void *data)
{
    struct call *c = data;
    struct arm_smccc_res res;

    arm_smccc_smc(c->function, c->x1, c->x2, c->x3, 0, 0, 0, 0, &res);
    c->result = res.a0;
    complete(&c->done);
}

/* Not freed: a core that is lost may come back. */
static int run(const char *line)
{
    struct call *c = kzalloc(sizeof(*c), GFP_KERNEL);

    if (!c || calls_n >= CALLS_MAX ||
        sscanf(line, "%x %lx %lx %lx %lx", &c->core, &c->function, &c->x1, &c->x2, &c->x3) != 5)
        return -EINVAL;
    calls[calls_n++] = c;
    init_completion(&c->done);
    INIT_CSD(&c->on, make, c);
    if (smp_call_function_single_async(c->core, &c->on) != 0)
        return -ENXIO;
    c->lost = wait_for_completion_timeout(&c->done, msecs_to_jiffies(BACK_MS)) == 0;
    return c->lost ? -EIO : 0;
}

static ssize_t smc_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
    char *text = memdup_user_nul(from, n), *rest = text, *line;
    int err = 0;

    if (IS_ERR(text))
        return PTR_ERR(text);
    while (err == 0 && (line = strsep(&rest, "\n")) != NULL) {
        if (*line != '\0')
            err = run(line);
    }
    kfree(text);
    return err == 0 ? (ssize_t)n : err;
}

static int show(struct seq_file *m, void *unused)
{
    for (int i = 0; i < calls_n; i++) {
        const struct call *c = calls[i];

        seq_printf(m, "%x %lx %lx %lx %lx ", c->core, c->function, c->x1, c->x2, c->x3);
        if (c->lost)
            seq_puts(m, "lost\n");
        else
            seq_printf(m, "%lx\n", c->result);
    }
    calls_n = 0;
    return 0;
}

static int smc_open(struct inode *inode, struct file *file)
{
    return single_open_size(file, show, NULL, CALLS_MAX * 64);
}

static const struct proc_ops ops = {
    .proc_open = smc_open,
    .proc_read = seq_read,
    .proc_write = smc_write,
    .proc_lseek = seq_lseek,
    .proc_release = single_release,
};

static int __init smc_init(void)
{
    return proc_create("kapu-smc", 0600, NULL, &ops) != NULL ? 0 : -ENOMEM;
}

static void __exit smc_exit(void)
{
    remove_proc_entry("kapu-smc", NULL);
}

module_init(smc_init);
module_exit(smc_exit);
MODULE_DESCRIPTION("kapu attack: firmware calls");
MODULE_LICENSE("GPL");
