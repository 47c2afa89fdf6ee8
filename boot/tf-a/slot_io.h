/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLOT_IO_H
#define SLOT_IO_H

/* Make the current slot TF-A's only image source. Call once in each stage, before loading. */
void slot_io_setup(void);

/* What a person calls the image with this TF-A id. */
const char *slot_io_name(unsigned int image_id);

#endif
