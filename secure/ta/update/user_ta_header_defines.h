/* SPDX-License-Identifier: Apache-2.0 */
/* What the TA development kit wants to know of the update TA. */
#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#include "update_ta.h"

#define TA_UUID UPDATE_TA_UUID
#define TA_FLAGS TA_FLAG_SINGLE_INSTANCE /* one session at a time */
#define TA_STACK_SIZE (16 * 1024)
#define TA_DATA_SIZE (32 * 1024)
#define TA_VERSION "2"
#define TA_DESCRIPTION "kapu: which release gets a trial, and is confirmed"

#endif
