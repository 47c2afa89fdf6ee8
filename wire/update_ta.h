/* SPDX-License-Identifier: Apache-2.0 */
/* The update TA: what it may do to slots. Manifests and images come with the update work. */
#ifndef KAPU_UPDATE_TA_H
#define KAPU_UPDATE_TA_H

#define UPDATE_TA_UUID                                                                             \
    {                                                                                              \
        0xec82e187, 0xef6d, 0x45e4,                                                                \
        {                                                                                          \
            0x8e, 0x57, 0x48, 0x1a, 0xc8, 0x76, 0x5b, 0xce                                         \
        }                                                                                          \
    }

/* No parameters. The running slot is good: see BOOT_PTA_CONFIRM. */
#define UPDATE_TA_CONFIRM 0
/* Value input: a = slot (0 or 1), b = tries (1 to 7). Starts that slot at the next reset, on trial.
 */
#define UPDATE_TA_TRY 1

#endif
