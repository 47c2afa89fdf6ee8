// SPDX-License-Identifier: Apache-2.0
/* The root secret: its policy, taking it, closing the door behind, and what the owner may do. */
#include <string.h>

#include "internal.h"

/* Value of a PCR that was extended once, from zero. */
static int extended_once(const struct kapu_sha256 *h, const uint8_t digest[32], uint8_t value[32])
{
    static const uint8_t zero[32] = {0};
    const struct bytes part[] = {BYTES_OF(zero), {digest, 32}};

    return h->hash(h->ctx, part, 2, value) == 0 ? 0 : KAPU_ECRYPTO;
}

int fusebox_root_policy(const struct kapu_sha256 *h, const uint8_t root_key_hash[32],
                        uint8_t digest[32])
{
    uint8_t pcr[2][32] = {{0}}; /* authority, then the cap, which is zero */
    uint8_t pcrs[32];
    int err = extended_once(h, root_key_hash, pcr[0]);

    memset(digest, 0, 32);
    if (err == 0)
        err = tpm2_pcr_digest(h, (const uint8_t(*)[32])pcr, 2, pcrs);
    if (err == 0)
        err = tpm2_pd_pcr(h, digest, FUSEBOX_ROOT_PCRS, pcrs);
    if (err == 0)
        err = tpm2_pd_auth_value(h, digest);
    return err == 0 ? tpm2_pd_command_code(h, digest, TPM2_CC_UNSEAL) : err;
}

/* The policy as it must be met here and now. */
static int satisfy(struct fusebox *f, struct tpm2_session *s)
{
    int err = tpm2_policy_pcr(f->tpm, s, FUSEBOX_ROOT_PCRS, NULL);

    if (err == 0)
        err = tpm2_policy_auth_value(f->tpm, s);
    return err == 0 ? tpm2_policy_command_code(f->tpm, s, TPM2_CC_UNSEAL) : err;
}

int fusebox_open_root(struct fusebox *f, uint8_t root[FUSEBOX_SECRET_SIZE])
{
    struct tpm2_session s = {0};
    struct tpm2_public pub;
    struct tpm2_entity object;
    uint8_t value[32];
    struct wr out;
    int err;

    f->at = "hardware key";
    wr_init(&out, root, FUSEBOX_SECRET_SIZE);
    err = tpm2_read_public(f->tpm, FUSEBOX_ROOT, &pub, &object);
    if (err == 0)
        err = fusebox_board_value(&f->tpm->crypto->sha256, f->board, FUSEBOX_ROOT, value);
    if (err == 0)
        err = tpm2_session_start(f->tpm, &s, TPM2_SESSION_POLICY, NULL, NULL);
    if (err == 0)
        err = satisfy(f, &s);
    if (err == 0) {
        const struct tpm2_auth auth = {&s, BYTES_OF(value)};

        err = tpm2_unseal(f->tpm, &object, &auth, &f->session, &out);
    }
    if (err == 0 && out.at != FUSEBOX_SECRET_SIZE)
        err = KAPU_EINVAL;
    kapu_wipe(value, sizeof(value));
    return fusebox_session_end(f, &s, err);
}

/* Authentic: a bus that drops BL2's command is found out here. */
static int check_platform_closed(struct fusebox *f)
{
    uint32_t startup;
    int err;

    f->at = "platform hierarchy";
    err = tpm2_get_property(f->tpm, &f->session, TPM2_PT_STARTUP_CLEAR, &startup);
    if (err == 0 && (startup & TPM2_STARTUP_PH_ENABLE) != 0)
        err = KAPU_EINVAL;
    return err;
}

/* The answers carry MACs, so a dropped or faked extension cannot pass. */
int fusebox_close_boot_phase(struct fusebox *f)
{
    const struct kapu_sha256 *h = &f->tpm->crypto->sha256;
    const struct tpm2_auth auth = {&f->session, {NULL, 0}};
    uint8_t cap[32], expected[32], value[32];
    int err;

    f->at = "end of the boot phase";
    err = fusebox_cap_digest(h, cap);
    if (err == 0)
        err = extended_once(h, cap, expected);
    if (err == 0)
        err = tpm2_pcr_extend(f->tpm, FUSEBOX_PCR_CAP, &auth, cap);
    if (err == 0)
        err = tpm2_pcr_read(f->tpm, &f->session, FUSEBOX_PCR_CAP, value);
    if (err == 0 && !kapu_equal(value, expected, sizeof(value)))
        err = KAPU_EINVAL;
    return err;
}

int fusebox_take_root(struct fusebox *f, uint8_t root[FUSEBOX_SECRET_SIZE])
{
    int err;

    if (!f->salted)
        return KAPU_EPLAIN;
    f->at = "session";
    err = fusebox_session(f);
    if (err == 0)
        err = check_platform_closed(f);
    if (err == 0)
        err = fusebox_open_root(f, root);
    if (err == 0)
        err = fusebox_close_boot_phase(f);
    err = fusebox_session_done(f, err);
    if (err != 0)
        kapu_wipe(root, FUSEBOX_SECRET_SIZE);
    return err;
}

int fusebox_random(struct fusebox *f, uint8_t *to, size_t n)
{
    int err;

    f->at = "random numbers";
    err = fusebox_session(f);
    if (err == 0)
        err = tpm2_get_random(f->tpm, &f->session, to, n);
    return fusebox_session_done(f, err);
}

int fusebox_read_pcr(struct fusebox *f, uint32_t pcr, uint8_t value[32])
{
    int err;

    f->at = "PCR";
    err = fusebox_session(f);
    if (err == 0)
        err = tpm2_pcr_read(f->tpm, &f->session, pcr, value);
    return fusebox_session_done(f, err);
}

int fusebox_raise(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                  enum fusebox_counter which, uint32_t value)
{
    struct tpm2_nv nv = fusebox_nv_counter(fusebox_counter_index(which));
    uint8_t owner[32];
    uint32_t now;
    int err = fusebox_read_counter(f, which, &now);

    if (err != 0 || now >= value)
        return err;
    if (value - now > FUSEBOX_RAISE_MAX)
        return KAPU_EARG;
    err = fusebox_derive(&f->tpm->crypto->sha256, root, FUSEBOX_LABEL_OWNER, owner);
    if (err == 0)
        err = fusebox_session(f);
    for (; err == 0 && now < value; now++) {
        const struct tpm2_auth auth = {&f->session, BYTES_OF(owner)};

        err = tpm2_nv_increment(f->tpm, TPM2_RH_OWNER, &auth, &nv);
    }
    kapu_wipe(owner, sizeof(owner));
    return fusebox_session_done(f, err);
}

int fusebox_confirm(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE], uint8_t slot,
                    const uint8_t identity[BOOTSTATE_IDENTITY_SIZE], uint32_t counter,
                    uint32_t *left)
{
    struct bootstate good = {.slot = slot};
    uint32_t now = 0, to;
    int err = fusebox_read_counter(f, FUSEBOX_SECURITY, &now);

    *left = 0;
    if (err != 0)
        return err;
    if (counter > now && counter - now > FUSEBOX_RAISE_MAX)
        return KAPU_EARG;
    to = counter > now && counter - now > FUSEBOX_RAISE_PART ? now + FUSEBOX_RAISE_PART : counter;
    memcpy(good.confirmed, identity, sizeof(good.confirmed));
    err = fusebox_write_state(f, &good);
    if (err == 0)
        err = fusebox_raise(f, root, FUSEBOX_SECURITY, to);
    if (err == 0)
        *left = counter - to;
    return err;
}
