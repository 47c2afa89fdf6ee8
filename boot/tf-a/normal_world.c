// SPDX-License-Identifier: Apache-2.0
/* BL31's services for the secure world (wire/el3_service.h). */
#include <arch_helpers.h>
#include <common/runtime_svc.h>
#include <context.h>
#include <lib/el3_runtime/context_mgmt.h>
#include <smccc_helpers.h>

#include "el3_service.h"
#include "handover.h"
#include "platform.h"

static uintptr_t service(uint32_t function, u_register_t x1, u_register_t x2, u_register_t x3,
                         u_register_t x4, void *cookie, void *handle, u_register_t flags)
{
    cpu_context_t *normal = cm_get_context(NON_SECURE);
    el1_sysregs_t *el1;

    if (is_caller_non_secure(flags))
        SMC_RET1(handle, SMC_UNK);
    if (function == EL3_PANIC)
        platform_panic(HANDOVER_PANIC_CORE, read_esr_el1(), read_elr_el1());
    if (function != EL3_NORMAL_WORLD_REGISTERS || normal == NULL)
        SMC_RET1(handle, SMC_UNK);
    el1 = get_el1_sysregs_ctx(normal);
    SMC_RET6(handle, read_el1_ctx_common(el1, vbar_el1), read_el1_ctx_common(el1, ttbr1_el1),
             read_ctx_tcr_el1_reg_errata(normal), read_ctx_sctlr_el1_reg_errata(normal),
             read_el1_ctx_common(el1, mair_el1),
             read_ctx_reg(get_el3state_ctx(normal), CTX_ELR_EL3));
}

DECLARE_RT_SVC(kapu_service, OEN_OEM_START, OEN_OEM_END, SMC_TYPE_FAST, NULL, service);
