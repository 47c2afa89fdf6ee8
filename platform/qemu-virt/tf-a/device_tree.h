/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICE_TREE_H
#define DEVICE_TREE_H

/*
 * Complete the verified device tree at KAPU_DT_BASE with what only the machine knows: how many
 * cores it has and the random seeds of this boot. 0, or a negative libfdt error.
 */
int device_tree_complete(void);

#endif
