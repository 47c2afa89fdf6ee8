/* SPDX-License-Identifier: Apache-2.0 */
/* In which format a file holds a machine's memory: found out before anything of it is interpreted.
 */
#ifndef KAPU_CLI_FORMATS_H
#define KAPU_CLI_FORMATS_H

#include "inspect_memory.h"

/* Fills in format, parts and what belongs to them, of m->content, which may be hostile. NULL, or a
 * sentence without its subject: what is wrong, or which other format it is and what to do. */
const char *format_read(struct memory *m);

#endif
