/* SPDX-License-Identifier: Apache-2.0 */
/* What the TA development kit wants to know of the monitor TA. */
#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#include "monitor_ta.h"

#define TA_UUID MONITOR_TA_UUID
#define TA_FLAGS (TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | TA_FLAG_INSTANCE_KEEP_ALIVE)
#define TA_STACK_SIZE (64 * 1024)
#define TA_DATA_SIZE (64 * 1024)
#define TA_VERSION "1"
#define TA_DESCRIPTION "kapu: watches Linux"

#endif
