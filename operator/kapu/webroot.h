/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A release's folder below the root of a web server. It appears in one step, when all of it is on
 * the disk, and what is there is never changed, because gateways may be reading it; only patches
 * that it lacks are added.
 *
 * Trust: others may write into the web root. No symbolic link below it is followed, so nothing
 * outside of it is written, read or removed. The path of the web root itself may have links.
 */
#ifndef KAPU_WEBROOT_H
#define KAPU_WEBROOT_H

#include <stdbool.h>

/* The name of a patch, or of its index: besides manifest, index and payload only these go there. */
bool webroot_is_patch(const char *name);
/* From the folder `from`. `folder`: one name. A status of commands.h. */
int webroot_put(const char *root, const char *from, const char *folder);

#endif
