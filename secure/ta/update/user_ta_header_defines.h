/* SPDX-License-Identifier: Apache-2.0 */
/* What the TA development kit wants to know of the update TA. */
#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#include "update_ta.h"

#define TA_UUID UPDATE_TA_UUID
#define TA_FLAGS TA_FLAG_SINGLE_INSTANCE
#define TA_STACK_SIZE (4 * 1024)
#define TA_DATA_SIZE (16 * 1024)
#define TA_VERSION "1"
#define TA_DESCRIPTION "kapu: which slot is used"

#endif
