// SPDX-License-Identifier: Apache-2.0
/*
 * Code without an owner: a page of vmalloc() memory is filled with a function and made executable,
 * something in the kernel is made to call it, and the module goes. kind= says what calls it.
 *
 * Never stays loaded: insmod says "Operation canceled" when it worked. Where the remains are is in
 * the kernel's log; undo=ADDRESS (with the same kind) takes them away.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/namei.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "attack.h"

#define ENTRY 64u /* of the page; in front of it is the number of the function's type (kCFI) */
#define TYPE 4u
#define CODE 64u            /* more than the functions below have */
#define LATER (HZ * 3600ul) /* longer than any test */

static char *kind = "memory";
module_param(kind, charp, 0444);
static unsigned long undo;
module_param(undo, ulong, 0444);

struct orphan {
    char *page;
    struct nf_hook_ops hook;
    struct notifier_block notifier;
    struct timer_list timer;
    struct hrtimer fine_timer;
    struct delayed_work work;
    struct tracepoint *tracepoint;
    struct path path;
    const struct file_operations *listing;
    struct file_operations own_listing;
};

static void *entry(struct orphan *o)
{
    return o->page + ENTRY;
}

/* The functions that are copied: they need nothing from where they stood. */

static notrace unsigned int on_packet(void *p, struct sk_buff *b, const struct nf_hook_state *s)
{
    return NF_ACCEPT;
}

static notrace int on_notice(struct notifier_block *block, unsigned long action, void *data)
{
    return NOTIFY_DONE;
}

static notrace void on_time(struct timer_list *timer)
{
}

static notrace enum hrtimer_restart on_fine_time(struct hrtimer *timer)
{
    return HRTIMER_NORESTART;
}

static notrace void on_work(struct work_struct *work)
{
}

static notrace void on_exit(void *data, struct task_struct *task)
{
}

static notrace int on_listing(struct file *file, struct dir_context *context)
{
    return 0;
}

/* What calls them. */

static int nothing(struct orphan *o)
{
    return 0;
}

static void no_undo(struct orphan *o)
{
}

static int hook_packets(struct orphan *o)
{
    o->hook.hook = entry(o);
    o->hook.pf = NFPROTO_IPV4;
    o->hook.hooknum = NF_INET_LOCAL_OUT;
    o->hook.priority = NF_IP_PRI_FIRST;
    return nf_register_net_hook(&init_net, &o->hook);
}

static void unhook_packets(struct orphan *o)
{
    nf_unregister_net_hook(&init_net, &o->hook);
}

static int take_notice(struct orphan *o)
{
    o->notifier.notifier_call = entry(o);
    return register_reboot_notifier(&o->notifier);
}

static void take_no_notice(struct orphan *o)
{
    unregister_reboot_notifier(&o->notifier);
}

static int start_timer(struct orphan *o)
{
    timer_setup(&o->timer, entry(o), 0);
    mod_timer(&o->timer, jiffies + LATER);
    return 0;
}

static void stop_timer(struct orphan *o)
{
    timer_delete_sync(&o->timer);
}

static int start_fine_timer(struct orphan *o)
{
    hrtimer_init(&o->fine_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
    o->fine_timer.function = entry(o);
    hrtimer_start(&o->fine_timer, ktime_set(LATER / HZ, 0), HRTIMER_MODE_REL);
    return 0;
}

static void stop_fine_timer(struct orphan *o)
{
    hrtimer_cancel(&o->fine_timer);
}

static int queue_work_for_later(struct orphan *o)
{
    INIT_DELAYED_WORK(&o->work, entry(o));
    schedule_delayed_work(&o->work, LATER);
    return 0;
}

static void cancel_work_for_later(struct orphan *o)
{
    cancel_delayed_work_sync(&o->work);
}

static void find_exit(struct tracepoint *t, void *result)
{
    if (strcmp(t->name, "sched_process_exit") == 0)
        *(struct tracepoint **)result = t;
}

static int probe_exits(struct orphan *o)
{
    for_each_kernel_tracepoint(find_exit, &o->tracepoint);
    return o->tracepoint == NULL ? -ENOENT
                                 : tracepoint_probe_register(o->tracepoint, entry(o), NULL);
}

static void probe_no_exits(struct orphan *o)
{
    tracepoint_probe_unregister(o->tracepoint, entry(o), NULL);
    tracepoint_synchronize_unregister();
}

static int replace_listing(struct orphan *o)
{
    int err = kern_path("/proc/fs", 0, &o->path);

    if (err != 0)
        return err;
    o->listing = d_inode(o->path.dentry)->i_fop;
    o->own_listing = *o->listing;
    o->own_listing.iterate_shared = entry(o);
    d_inode(o->path.dentry)->i_fop = &o->own_listing;
    return 0;
}

static void restore_listing(struct orphan *o)
{
    d_inode(o->path.dentry)->i_fop = o->listing;
    path_put(&o->path);
}

static const struct {
    const char *name;
    void *function;
    int (*mount)(struct orphan *o);
    void (*undo)(struct orphan *o);
} kinds[] = {
    {"memory", on_packet, nothing, no_undo},
    {"netfilter", on_packet, hook_packets, unhook_packets},
    {"notifier", on_notice, take_notice, take_no_notice},
    {"timer", on_time, start_timer, stop_timer},
    {"fine-timer", on_fine_time, start_fine_timer, stop_fine_timer},
    {"work", on_work, queue_work_for_later, cancel_work_for_later},
    {"tracepoint", on_exit, probe_exits, probe_no_exits},
    {"listing", on_listing, replace_listing, restore_listing},
};

static int mount_kind(size_t i)
{
    struct orphan *o = kzalloc(sizeof(*o), GFP_KERNEL);
    int err = -ENOMEM;

    if (o == NULL)
        return err;
    o->page = vmalloc(PAGE_SIZE);
    if (o->page != NULL) {
        memcpy(o->page + ENTRY - TYPE, (char *)kinds[i].function - TYPE, TYPE + CODE);
        err = page_to_code(o->page);
        if (err == 0)
            err = kinds[i].mount(o);
        if (err == 0) {
            pr_attack("orphan at %lu\n", (unsigned long)o);
            return -ECANCELED;
        }
        page_free(o->page);
    }
    kfree(o);
    return err;
}

static int __init mount(void)
{
    struct orphan *o = (void *)undo;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].name, kind) != 0)
            continue;
        if (o == NULL)
            return mount_kind(i);
        kinds[i].undo(o);
        page_free(o->page);
        kfree(o);
        return -ECANCELED;
    }
    return -EINVAL;
}

module_init(mount);
MODULE_DESCRIPTION("executable memory without an owner, called by the kernel");
MODULE_LICENSE("GPL");
