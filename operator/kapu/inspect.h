/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAPU_CLI_INSPECT_H
#define KAPU_CLI_INSPECT_H

/* kapu inspect: its exit status (0 clean, 1 findings, 2 could not inspect). */
int command_inspect(int argc, char **argv);

#endif
