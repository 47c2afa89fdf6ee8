/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of kapu-boot that have files of their own: each takes its words, prints, and gives
 * the exit status. */
#ifndef BOOT_TOOL_COMMANDS_H
#define BOOT_TOOL_COMMANDS_H

/* update.c. Words are files; "-": nothing. 0: done; 3: refused; 1: it could not be asked. */
int update_state(char **unused);
int update_request_files(char **words); /* release keys, rollout keys, manifest, rollout */
int update_check_files(char **words);   /* the same */
int update_next_keys(char **words);     /* present set, next set */
int update_join_group(char **words);    /* membership, rollout keys */
int update_confirm_trial(char **words); /* approval, approval keys */

/* writer.c. A file with a request to the writer of updates; prints its reply, binary. 0: there was
 * one; 1: there was none. */
int writer_request(char **words);

/* as_linux.c. 0: all of it was refused. */
int ask_as_linux(char **unused);

#endif
