/* SPDX-License-Identifier: Apache-2.0 */
/* What the TA development kit wants to know of the vault TA. */
#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#include "vault_ta.h"

#define TA_UUID VAULT_TA_UUID
#define TA_FLAGS 0 /* an instance for each session, and so for each caller */
#define TA_STACK_SIZE (8 * 1024)
#define TA_DATA_SIZE (16 * 1024)
#define TA_VERSION "1"
#define TA_DESCRIPTION "kapu: keys by use"

#endif
