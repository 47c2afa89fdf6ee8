/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots, trials, confirmation and power cuts, as docs/update.md has them: what the boot stages
 * (lib/bootstate) and the secure world (lib/update) write into the TPM, one write after another,
 * with the power going between any two. spin looks at every order of events; its random traces are
 * replayed against the code by replay.c, which must come to the same answer and the same state
 * after each event.
 *
 *   -DATTACK            Linux is an attacker's: writes anything into any slot, asks for anything again
 *   -DORDERS= -DCUTS= -DVAIN=   bounds; a search takes seconds to minutes
 *   -DWITHOUT_IDENTITIES, -DCOUNTER_FIRST   without a rule: to see that its lack is found
 *
 * Not in the model: signatures, time, groups (test_update.c); contents in parts, flushes
 * (tests/powercut). A release's number is its identity; its security counter is twice that. The
 * model begins with release 0 in slot 0. The boot state names it or, as on a new board, none: then any
 * release that is signed starts. Slot 1 has it too, or nothing.
 */
#define RELEASES 3
#define GARBAGE RELEASES /* in a slot: nothing that boots */
#define NOBODY 7         /* in place of a release in the boot state: none */
#define TRIES 3          /* UPDATE_TRIES */
#define TRIALS 2         /* UPDATE_TRIALS_MAX */
#define STARTS 3         /* BOOTSTATE_STARTS */
#define NO_CUT 9

/* Bounds: orders that the operator signs (at most 3), cuts of the power, starts in vain. */
#ifndef ORDERS
#define ORDERS 3
#endif
#ifndef CUTS
#define CUTS 2
#endif
#ifndef VAIN
#define VAIN 7
#endif
/* -DTRACES: a random trace comes to a confirmation now and then. */
#ifdef TRACES
#define OFTEN(what) :: what :: what :: what :: what :: what :: what
#define EACH(number) (ticks % number == 0)
#else
#define OFTEN(what) :: what
#define EACH(number) true
#endif

/* enum update_stage, update_outcome; bootstate_gave_up */
#define IDLE 0
#define WAITING 1
#define ON_TRIAL 2
#define OVER 3
#define CONFIRMED 1
#define HALTED 2
#define TRIES_GONE 3
#define REFUSED 4
#define OTHER_RAN 5
#define NEVER_BEGAN 6
#define GAVE_UP_TRIES 1
#define GAVE_UP_REFUSED 2

/* Answers, by number in enum update_answer. */
#define DONE 0
#define ROLLBACK 1
#define PARTIAL 7
#define REPLAYED 8
#define RUNS 12
#define TRIED 14
#define BUSY 15
#define NO_TRIAL 16
#define NOT_APPROVED 18

/* Flash and disk. */
byte content[2];
/* TPM: boot state, record, counter. */
byte s_slot, s_tries, s_gave, s_confirmed, s_tried = NOBODY;
bool s_trial;
byte r_slot, r_trials, r_last, r_release, r_number;
bool r_trial;
byte counter;
/* RAM of the boot stages. */
byte m_current, m_starts[2];
bool m_refused[2];
/* This boot. */
bool up, open;
byte b_slot, b_release, stage;
bool b_trial;
/* The operator's orders, from number 1. */
byte orders, order_release[ORDERS + 1];
bool order_halts[ORDERS + 1];
/* Ghosts: what the rules are about. */
byte approved = NOBODY; /* in this boot */
byte floor, refusals, cuts = CUTS, vain = VAIN;
/* Work. */
hidden byte ticks, k, n, slot, release, answer, wanted;
hidden byte good, keep, signs;

#define OTHER(s) (1 - (s))
#define WRITE(what) if :: k == 0 -> goto off :: else -> k--; what fi
#define USABLE(s) (!m_refused[s] && m_starts[s] < STARTS)
#define IN_USE (s_trial -> OTHER(s_slot) : s_slot)
#define UNCONFIRMED (b_trial && IN_USE != b_slot)

#define PICK_CUT                                                                                   \
    k = NO_CUT;                                                                                    \
    if                                                                                             \
    OFTEN(true)                                                                                    \
    :: cuts > 0 -> k = 0                                                                           \
    :: cuts > 0 -> k = 1                                                                           \
    :: cuts > 0 -> k = 2                                                                           \
    :: cuts > 0 -> k = 3                                                                           \
    fi

#define CLEAR_MARKS                                                                                \
    m_starts[0] = 0; m_starts[1] = 0; m_refused[0] = false; m_refused[1] = false

/* ---- lib/update ---- */

#define CLEAR_STATE                                                                                \
    if                                                                                             \
    :: s_trial || s_gave != 0 ->                                                                   \
        WRITE(s_slot = IN_USE; s_trial = false; s_tries = 0; s_gave = 0; s_tried = NOBODY)         \
    :: else                                                                                        \
    fi

#define FORGET_TRIAL                                                                               \
    CLEAR_STATE;                                                                                   \
    stage = (UNCONFIRMED -> OVER : IDLE)

#define END_AS(outcome)                                                                            \
    WRITE(r_trial = false; r_last = outcome);                                                      \
    FORGET_TRIAL

#define SET_TRIAL                                                                                  \
    WRITE(s_slot = r_slot; s_trial = true; s_tries = TRIES; s_gave = 0; s_tried = r_release);      \
    stage = WAITING

/* fusebox_confirm: the state, then the counter step by step. */
#define CONFIRM_STATE                                                                              \
    WRITE(s_slot = b_slot; s_trial = false; s_tries = 0; s_gave = 0; s_confirmed = b_release;      \
          s_tried = NOBODY)
#define RAISE_COUNTER                                                                              \
    do                                                                                             \
    :: counter < 2 * b_release -> WRITE(counter++)                                                 \
    :: else -> break                                                                               \
    od
#ifdef COUNTER_FIRST
#define CONFIRM                                                                                    \
    assert(approved == b_release || s_confirmed == b_release);                                                                   \
    RAISE_COUNTER;                                                                                 \
    CONFIRM_STATE;                                                                                 \
    floor = b_release
#else
#define CONFIRM                                                                                    \
    assert(approved == b_release || s_confirmed == b_release);                                                                   \
    CONFIRM_STATE;                                                                                 \
    RAISE_COUNTER;                                                                                 \
    floor = b_release
#endif

#define SETTLE                                                                                     \
    if                                                                                             \
    :: !r_trial -> FORGET_TRIAL                                                                    \
    :: r_trial && s_trial && s_slot != r_slot -> END_AS(NEVER_BEGAN)                               \
    :: r_trial && s_trial && s_slot == r_slot && (!b_trial || b_slot != r_slot) -> stage = WAITING \
    :: r_trial && s_trial && s_slot == r_slot && b_trial && b_slot == r_slot ->                    \
        if                                                                                         \
        :: b_release == r_release -> stage = ON_TRIAL                                              \
        :: else -> END_AS(OTHER_RAN)                                                               \
        fi                                                                                         \
    :: r_trial && !s_trial && s_confirmed == r_release ->                                          \
        stage = IDLE;                                                                              \
        if                                                                                         \
        :: b_slot == r_slot && b_release == r_release -> CONFIRM; END_AS(CONFIRMED)                \
        :: !(b_slot == r_slot && b_release == r_release)                                           \
        fi                                                                                         \
    :: r_trial && !s_trial && s_confirmed != r_release && s_gave == GAVE_UP_REFUSED -> END_AS(REFUSED)\
    :: r_trial && !s_trial && s_confirmed != r_release && s_gave == GAVE_UP_TRIES -> END_AS(TRIES_GONE)\
    :: r_trial && !s_trial && s_confirmed != r_release && s_gave == 0 && b_slot == r_slot ->       \
        END_AS(NEVER_BEGAN)                                                                        \
    :: r_trial && !s_trial && s_confirmed != r_release && s_gave == 0 && b_slot != r_slot -> SET_TRIAL\
    fi

#define IN_ORDER (n > r_number || (n == r_number && order_release[n] == r_release))

#define INSTALL                                                                                    \
    release = order_release[n];                                                                    \
    if                                                                                             \
    :: !IN_ORDER -> answer = REPLAYED                                                              \
    :: IN_ORDER && release == b_release && !UNCONFIRMED -> answer = RUNS                           \
    :: IN_ORDER && !(release == b_release && !UNCONFIRMED) && 2 * release <= counter ->                \
        answer = ROLLBACK                                                                          \
    :: else ->                                                                                     \
        if                                                                                         \
        :: stage == WAITING && n == r_number && release == r_release -> answer = DONE              \
        :: else ->                                                                                 \
            if                                                                                     \
            :: UNCONFIRMED -> answer = BUSY                                                 \
            :: !UNCONFIRMED && n == r_number && r_trials >= TRIALS -> answer = TRIED            \
            :: !UNCONFIRMED && !(n == r_number && r_trials >= TRIALS) &&                        \
                    content[OTHER(b_slot)] != release -> answer = PARTIAL                          \
            :: else ->                                                                             \
                WRITE(r_trials = (n == r_number -> r_trials + 1 : 1); r_trial = true;              \
                      r_slot = OTHER(b_slot); r_number = n; r_release = release);                  \
                SET_TRIAL;                                                                         \
                answer = DONE                                                                      \
            fi                                                                                     \
        fi                                                                                         \
    fi

#define HALT                                                                                       \
    if                                                                                             \
    :: !IN_ORDER -> answer = REPLAYED                                                              \
    :: IN_ORDER && n == r_number && !r_trial -> answer = DONE                                      \
    :: IN_ORDER && !(n == r_number && !r_trial) && (!r_trial || order_release[n] != r_release) ->  \
        WRITE(r_number = n; r_trials = TRIALS;                                                     \
              r_release = (r_trial -> r_release : order_release[n]));                              \
        answer = DONE                                                                              \
    :: else ->                                                                                     \
        WRITE(r_number = n; r_trials = TRIALS; r_trial = false; r_last = HALTED);                  \
        FORGET_TRIAL;                                                                              \
        answer = DONE                                                                              \
    fi

/* ---- lib/bootstate, and the boot stages around it ---- */

#define COUNT_START                                                                                \
    m_current = (USABLE(s_slot) -> s_slot : OTHER(s_slot));                                        \
    if                                                                                             \
    :: !USABLE(m_current) -> CLEAR_MARKS; m_current = s_slot /* neither came up */                 \
    :: else                                                                                        \
    fi;                                                                                            \
    m_starts[m_current]++

/* Marks are in RAM and change before the state is written. */
#define CHOOSE                                                                                     \
    if                                                                                             \
    :: s_trial && s_tries > 0 && !m_refused[s_slot] ->                                             \
        m_current = s_slot;                                                                        \
        WRITE(s_tries--)                                                                           \
    :: s_trial && (s_tries == 0 || m_refused[s_slot]) ->                                           \
        wanted = (m_refused[s_slot] -> GAVE_UP_REFUSED : GAVE_UP_TRIES);                           \
        s_slot = OTHER(s_slot);                                                                    \
        COUNT_START;                                                                               \
        s_slot = OTHER(s_slot);                                                                    \
        WRITE(s_slot = OTHER(s_slot); s_gave = wanted; s_trial = false; s_tries = 0;               \
              s_tried = NOBODY)                                                                    \
    :: !s_trial -> COUNT_START                                                                     \
    fi

#ifdef WITHOUT_IDENTITIES
#define EXPECTED release
#else
#define EXPECTED (s_trial && m_current == s_slot -> s_tried : s_confirmed)
#endif
#define MAY_START (EXPECTED == NOBODY || release == EXPECTED)

#define REFUSE                                                                                     \
    m_refused[m_current] = true;                                                                   \
    refusals++;                                                                                    \
    if                                                                                             \
    :: s_trial || !m_refused[OTHER(m_current)] -> m_starts[OTHER(m_current)] = 0                   \
    :: else ->                                                                                     \
        CLEAR_MARKS;                                                                               \
        HALTED_BOARD                                                                               \
    fi

#ifdef ATTACK
#define MAY_WRITE true
#define PICK_SLOT select(slot : 0 .. 1)
#define HALTED_BOARD skip /* he wrote into both slots */
#define IS_BOUNDED skip
#else /* as kapu's own writer */
#define MAY_WRITE (!UNCONFIRMED && stage != WAITING)
#define PICK_SLOT slot = OTHER(b_slot)
#define HALTED_BOARD assert(false)
#define IS_BOUNDED assert(refusals <= 3)
#endif

#define COME_UP                                                                                    \
    b_slot = m_current;                                                                            \
    b_trial = s_trial;                                                                             \
    b_release = release;                                                                           \
    CLEAR_MARKS;                                                                                   \
    up = true;                                                                                     \
    approved = NOBODY;                                                                             \
    open = false;                                                                                  \
    refusals = 0;                                                                                  \
    assert(release >= floor);                  /* nothing older than what was confirmed */         \
    assert(b_trial || s_confirmed == NOBODY || release == s_confirmed);              \
    assert(2 * release >= counter)

#define START                                                                                      \
    CHOOSE;                                                                                        \
    release = content[m_current];                                                                  \
    if                                                                                             \
    :: release == GARBAGE || 2 * release < counter || !MAY_START -> REFUSE; IS_BOUNDED    \
    :: else ->                                                                                     \
        if                                                                                         \
        :: good -> COME_UP                                                                         \
        :: else -> skip                                                                            \
        fi                                                                                         \
    fi

/* ---- traces ---- */

#define SHOW ticks++;                                                                              \
    printf("IS %d %d %d %d %d %d", s_slot, s_trial, s_tries, s_gave, s_confirmed, s_tried);        \
    printf(" %d %d %d %d %d", r_trial, (r_trial -> r_slot : 0), r_trials, r_last, r_number);       \
    printf(" %d %d %d %d\n", (r_number == 0 -> 0 : r_release), counter, up,                        \
           (up && open -> stage : 0))

/* ---- all that can happen ---- */

active proctype gateway()
{
    atomic {
        if
        :: s_confirmed = 0
        :: s_confirmed = NOBODY
        fi;
        if
        :: content[1] = 0
        :: content[1] = GARBAGE
        fi;
        printf("DO begin %d %d\n", s_confirmed, content[1]);
        SHOW
    }
again:
    do
    :: atomic {
        !up ->
            PICK_CUT;
            good = true;
            if
            OFTEN(true)
            :: vain > 0 -> good = false; vain--
            fi;
            printf("DO start %d %d\n", k, good);
            START;
            SHOW
       }
    :: atomic {
        up && !open ->
            PICK_CUT;
            printf("DO open %d\n", k);
            SETTLE;
            open = true;
            SHOW
       }
    :: atomic {
        up && open && orders > 0 ->
            if
            :: select(n : 1 .. orders)
            OFTEN(n = orders)
            fi;
            PICK_CUT;
            printf("DO request %d %d\n", n, k);
            if
            :: order_halts[n] -> HALT
            :: else -> INSTALL
            fi;
            printf("SAYS %d\n", answer);
            SHOW
       }
    :: atomic {
        up && open ->
            PICK_CUT;
            signs = false;
            if
            :: true
            OFTEN(stage == ON_TRIAL -> signs = true)
            fi;
            printf("DO confirm %d %d\n", k, signs);
            if
            :: stage != ON_TRIAL -> answer = NO_TRIAL
            :: stage == ON_TRIAL && !signs -> answer = NOT_APPROVED
            :: stage == ON_TRIAL && signs ->
                approved = b_release;
                CONFIRM;
                END_AS(CONFIRMED);
                answer = DONE
            fi;
            printf("SAYS %d\n", answer);
            SHOW
       }
    :: atomic {
        orders < ORDERS && EACH(5) ->
            ticks++;
            orders++;
            if
            :: select(release : 0 .. RELEASES - 1)
            OFTEN(release = (counter < 2 * (RELEASES - 1) -> counter / 2 + 1 : counter / 2))
            fi;
            order_release[orders] = release;
            order_halts[orders] = false;
            if
            :: true
            :: orders > 1 ->
                order_halts[orders] = true;
                order_release[orders] = order_release[orders - 1]
            fi;
            printf("DO order %d %d\n", order_release[orders], order_halts[orders])
       }
    :: atomic {
        up && open && MAY_WRITE && EACH(3) ->
            ticks++;
            PICK_SLOT;
            if
            :: select(release : 0 .. RELEASES)
            OFTEN(orders > 0 -> release = order_release[orders])
            fi;
            content[slot] = release;
            printf("DO write %d %d\n", slot, release)
       }
    :: atomic {
        up && (stage == WAITING || stage == OVER || EACH(7)) ->
            ticks++;
            if
            :: keep = true
            :: keep = false; CLEAR_MARKS
            fi;
            up = false;
            open = false;
            printf("DO reset %d\n", keep)
       }
    od;
off:
    atomic {
        cuts--;
        up = false;
        open = false;
        if
        :: keep = true
        :: keep = false; CLEAR_MARKS
        fi;
        printf("OFF %d\n", keep);
        SHOW
    }
    goto again
}
