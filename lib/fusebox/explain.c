// SPDX-License-Identifier: Apache-2.0
#include "internal.h"

struct row {
    int err;
    uint32_t rc; /* of KAPU_ETPM; 0: any */
    const char *text;
};

static const struct row rows[] = {
    {KAPU_EIO, 0, "nothing answers, or not as a TPM does"},
    {KAPU_ETIMEOUT, 0, "no answer in time"},
    {KAPU_ENOENT, 0, "was never written: the TPM is not provisioned"},
    {KAPU_EPIN, 0, "is not this board's: another TPM, or other attributes"},
    {KAPU_EAUTH, 0, "the answer was changed on the way from the TPM"},
    {KAPU_ESTRIPPED, 0, "the answer came without its protection"},
    {KAPU_EREPLAY, 0, "the answer is an old one"},
    {KAPU_ECRYPTO, 0, "a hash, a cipher or the random numbers fail"},
    {KAPU_EPLAIN, 0, "would have travelled in clear"},
    {KAPU_ERANGE, 0,
     "has a value that this board cannot have: another TPM, or an older state of it"},
    {KAPU_EINVAL, 0, "is not in the state that it must have"},
    {KAPU_ETPM, TPM2_RC_FAILURE, "the TPM is in failure mode"},
    {KAPU_ETPM, TPM2_RC_LOCKOUT, "the TPM is locked out"},
    {KAPU_ETPM, TPM2_RC_INITIALIZE, "the TPM was not reset with the board"},
    {KAPU_ETPM, TPM2_RC_HANDLE, "is not there: the TPM is not provisioned, or was cleared"},
    {KAPU_ETPM, TPM2_RC_HIERARCHY, "its hierarchy is closed"},
    {KAPU_ETPM, TPM2_RC_AUTH_FAIL, "the TPM does not accept this board's authorisation"},
    {KAPU_ETPM, TPM2_RC_BAD_AUTH, "the TPM does not accept this board's authorisation"},
    {KAPU_ETPM, TPM2_RC_POLICY_FAIL,
     "is not for this firmware, or the boot phase was closed before"},
    {KAPU_ETPM, TPM2_RC_PCR_CHANGED, "a PCR was extended meanwhile"},
    {KAPU_ETPM, 0, "the TPM refuses"},
};

const char *fusebox_explain(int err, const struct tpm2 *tpm)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].err == err && (rows[i].rc == 0 || rows[i].rc == tpm2_rc_base(tpm->rc)))
            return rows[i].text;
    }
    return "internal error";
}
