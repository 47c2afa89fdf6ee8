/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attack programs share: the program goes on in the background; what started it goes on
 * when the attack is in place, and knows the process number from its output.
 */
#ifndef KAPU_ATTACK_H
#define KAPU_ATTACK_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Prints the child's number when it is ready; in the child, the descriptor to tell by. */
static inline int go_to_background(void)
{
    int ends[2];
    char ready;
    pid_t child;

    if (pipe(ends) != 0)
        exit(1);
    child = fork();
    if (child < 0)
        exit(1);
    if (child == 0) {
        close(ends[0]);
        setsid();
        return ends[1];
    }
    close(ends[1]);
    if (read(ends[0], &ready, 1) != 1)
        exit(1); /* it failed, and said why */
    printf("%d\n", (int)child);
    exit(0);
}

static inline void stay(int told)
{
    if (write(told, "", 1) != 1)
        exit(1);
    close(told);
    for (;;)
        pause();
}

static inline void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

#endif
