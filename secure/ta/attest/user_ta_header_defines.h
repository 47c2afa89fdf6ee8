/* SPDX-License-Identifier: Apache-2.0 */
/* What the TA development kit wants to know of the attest TA. */
#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#include "attest_ta.h"

#define TA_UUID ATTEST_TA_UUID
#define TA_FLAGS 0 /* an instance for each session: what it holds is that session's alone */
#define TA_STACK_SIZE (16 * 1024)
#define TA_DATA_SIZE (32 * 1024)
#define TA_VERSION "1"
#define TA_DESCRIPTION "kapu: evidence of this gateway"

#endif
