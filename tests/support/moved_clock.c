// SPDX-License-Identifier: Apache-2.0
/*
 * For LD_PRELOAD: the clock of a program is MOVED_CLOCK seconds ahead (below 0: behind) of the
 * machine's. Clocks that nobody sets go on as they are. What MOVED_CLOCK_FILE holds, if there is
 * such a file, is added: a test moves the clock of a program that runs.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t moved(void)
{
    const char *text = getenv("MOVED_CLOCK"), *path = getenv("MOVED_CLOCK_FILE");
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    time_t by = text != NULL ? (time_t)strtoll(text, NULL, 10) : 0;
    long long more = 0;

    if (file != NULL) {
        if (fscanf(file, "%lld", &more) == 1)
            by += (time_t)more;
        fclose(file);
    }
    return by;
}

int clock_gettime(clockid_t clock, struct timespec *to)
{
    static int (*real)(clockid_t clock, struct timespec * to);
    int err;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    err = real(clock, to);
    if (err == 0 && clock == CLOCK_REALTIME)
        to->tv_sec += moved();
    return err;
}

time_t time(time_t *to)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (to != NULL)
        *to = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *to, void *zone)
{
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *to = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}
