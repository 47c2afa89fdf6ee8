/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The updates of a gateway of tests: the secure world's own code (kapu/update.h) decides on a TPM's
 * memory that is a struct here; the writer, its time and its restarts are played. A trial boots the
 * release that its manifest names, so evidence says what it should. Aborts when it cannot.
 *
 * What a test may tell it, after "update ":
 *
 *   begin FOLDER       (first) built-in sets of keys: FOLDER/release, rollout, approval, encoded
 *   takes MS           how long a fetch takes
 *   spoil              the slot does not hold what the manifest names; spoil no: it does again
 *   answer N           the next install is answered so (enum update_answer), whatever it is
 *   fail N             the next trial ends so (enum update_outcome): 3 tries gone, 4 refused
 *   lie identity       evidence has another release's identity
 *   lie trial          evidence says that it is not on trial
 *   lie boot           evidence names another boot than the state of the update does
 *   lie nothing        no more of that
 *   power              the board is reset
 */
#ifndef KAPU_SIM_UPDATE_H
#define KAPU_SIM_UPDATE_H

#include <kapu/protocol.h>

#include "soft_board.h"

/* false: no such words. */
bool sim_update_tell(struct soft_board *b, const char *words);
/* An answer to a request about updates; false: it is not about them, or there are no updates. */
bool sim_update_answer(struct soft_board *b, const struct protocol_request *q,
                       struct protocol_reply *r);
/* Time goes by. */
void sim_update_turn(struct soft_board *b);
/* Evidence is about to be made; and was made. */
void sim_update_lie(struct soft_board *b);
void sim_update_be_true(struct soft_board *b);

#endif
