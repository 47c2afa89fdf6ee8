// SPDX-License-Identifier: Apache-2.0
#include <drivers/auth/auth_common.h>
#include <drivers/auth/img_parser_mod.h>

#include "release.h"
#include "slot.h"
#include "slot_io.h"

/* A number that TF-A does not use, in the arc of its own extensions. */
#define IDENTITY_OID "1.3.6.1.4.1.4128.2100.9001"
#define DER_OCTET_STRING 0x04
#define DER_HEAD 2U

const uint8_t *release_of(unsigned int image_id, void *certificate, unsigned int n)
{
    static const auth_param_type_desc_t identity =
        AUTH_PARAM_TYPE_DESC(AUTH_PARAM_HASH, IDENTITY_OID);
    unsigned int size = 0;
    void *value = NULL;
    const uint8_t *der;

    if (img_parser_get_auth_param(IMG_CERT, &identity, certificate, n, &value, &size) != 0)
        slot_refuse(slot_io_name(image_id), "it does not say of which release it is");
    der = value;
    if (size != DER_HEAD + RELEASE_IDENTITY_SIZE || der[0] != DER_OCTET_STRING ||
        der[1] != RELEASE_IDENTITY_SIZE)
        slot_refuse(slot_io_name(image_id), "what it says of its release is malformed");
    return der + DER_HEAD;
}
