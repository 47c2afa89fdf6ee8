// SPDX-License-Identifier: Apache-2.0
/* Hierarchies and dictionary-attack protection (Part 3, 24, 25). */
#include "internal.h"

static void begin(struct tpm2_cmd *c, struct tpm2 *t, const struct tpm2_spec *spec, uint32_t by,
                  const struct tpm2_auth *auth)
{
    const struct tpm2_entity e = tpm2_entity_of(by);

    tpm2_cmd_begin(c, t, spec);
    tpm2_cmd_handle(c, &e);
    tpm2_cmd_auth(c, auth);
    tpm2_cmd_params(c, TPM2_UNPROTECTED);
}

int tpm2_hierarchy_change_auth(struct tpm2 *t, uint32_t hierarchy, const struct tpm2_auth *auth,
                               struct bytes value)
{
    static const struct tpm2_spec spec = {TPM2_CC_HIERARCHY_CHANGE_AUTH,
                                          CMD_HIDES_IN | CMD_CHANGES_AUTH};
    struct tpm2_cmd c;

    begin(&c, t, &spec, hierarchy, auth);
    if (value.n > TPM2_VALUE_MAX)
        wr_fail(&c.w, KAPU_EARG);
    c.secret = value.n > 0;
    c.new_value = tpm2_strip(value);
    wr_2b(&c.w, value);
    return tpm2_cmd_finish(&c);
}

int tpm2_hierarchy_control(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth,
                           uint32_t which, bool on)
{
    static const struct tpm2_spec spec = {TPM2_CC_HIERARCHY_CONTROL, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, by, auth);
    wr_be32(&c.w, which);
    wr_u8(&c.w, on ? 1 : 0);
    return tpm2_cmd_finish(&c);
}

int tpm2_clear(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth)
{
    /* Clear empties the lockout value, and with it the key of the answer's MAC. */
    static const struct tpm2_spec by_lockout = {TPM2_CC_CLEAR, CMD_CHANGES_AUTH};
    static const struct tpm2_spec by_platform = {TPM2_CC_CLEAR, 0};
    struct tpm2_cmd c;

    begin(&c, t, by == TPM2_RH_LOCKOUT ? &by_lockout : &by_platform, by, auth);
    return tpm2_cmd_finish(&c);
}

int tpm2_clear_control(struct tpm2 *t, uint32_t by, const struct tpm2_auth *auth, bool disable)
{
    static const struct tpm2_spec spec = {TPM2_CC_CLEAR_CONTROL, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, by, auth);
    wr_u8(&c.w, disable ? 1 : 0);
    return tpm2_cmd_finish(&c);
}

int tpm2_da_lock_reset(struct tpm2 *t, const struct tpm2_auth *auth)
{
    static const struct tpm2_spec spec = {TPM2_CC_DA_LOCK_RESET, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, TPM2_RH_LOCKOUT, auth);
    return tpm2_cmd_finish(&c);
}

int tpm2_da_parameters(struct tpm2 *t, const struct tpm2_auth *auth, uint32_t tries,
                       uint32_t recovery_s, uint32_t lockout_s)
{
    static const struct tpm2_spec spec = {TPM2_CC_DA_PARAMETERS, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, TPM2_RH_LOCKOUT, auth);
    wr_be32(&c.w, tries);
    wr_be32(&c.w, recovery_s);
    wr_be32(&c.w, lockout_s);
    return tpm2_cmd_finish(&c);
}
