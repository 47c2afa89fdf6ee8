// SPDX-License-Identifier: Apache-2.0
/*
 * Power control (PSCI, Arm DEN 0022): TF-A's for QEMU, but no core leaves the secure world's sight.
 * A core that is off has no timer by which the monitor could wake, and Linux' kernel here never
 * switches one off, so whoever asks for it is not that kernel. Standby is harmless: the secure
 * timer ends it.
 */
#include <lib/psci/psci.h>
#include <plat/common/platform.h>

int __real_plat_setup_psci_ops(uintptr_t entry, const plat_psci_ops_t **ops);
int __wrap_plat_setup_psci_ops(uintptr_t entry, const plat_psci_ops_t **ops);

static plat_psci_ops_t ours;

static int refuse_off(const psci_power_state_t *target)
{
    return PSCI_E_DENIED;
}

static int standby_only(unsigned int power_state, psci_power_state_t *request)
{
    if (psci_get_pstate_type(power_state) != PSTATE_TYPE_STANDBY)
        return PSCI_E_INVALID_PARAMS;
    request->pwr_domain_state[MPIDR_AFFLVL0] = PLAT_LOCAL_STATE_RET;
    return PSCI_E_SUCCESS;
}

int __wrap_plat_setup_psci_ops(uintptr_t entry, const plat_psci_ops_t **ops)
{
    int err = __real_plat_setup_psci_ops(entry, ops);

    if (err != 0)
        return err;
    ours = **ops;
    ours.pwr_domain_off_early = refuse_off;
    ours.validate_power_state = standby_only;
    *ops = &ours;
    return 0;
}
