// SPDX-License-Identifier: Apache-2.0
/*
 * Runs code that is in no file. memory wx: a mapping that is writable and executable; memory
 * anonymous: written first, then made executable; memory memfd: becomes a program in a nameless
 * file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "attack.h"

#define SIZE 4096u
#define MFD_MAY_EXEC 0x10u /* linux/memfd.h: MFD_EXEC */

static const unsigned int code[] = {0x528000e0, 0xd65f03c0}; /* mov w0, #7; ret */

static void run(int writable)
{
    int both = PROT_READ | PROT_WRITE | PROT_EXEC;
    char *page = mmap(NULL, SIZE, writable ? both : PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(page != MAP_FAILED, "mmap");
    memcpy(page, code, sizeof(code));
    __builtin___clear_cache(page, page + sizeof(code));
    if (!writable)
        must(mprotect(page, SIZE, PROT_READ | PROT_EXEC) == 0, "mprotect");
    must(((int (*)(void))page)() == 7, "injected code");
}

static void become_memfd(int told)
{
    char number[12], buffer[SIZE], *arguments[] = {"[kworker/0:1]", "stay", number, NULL},
                                   *environment[] = {NULL};
    int self = open("/proc/self/exe", O_RDONLY), file = memfd_create("", MFD_MAY_EXEC);
    ssize_t n;

    must(self >= 0 && file >= 0, "memfd_create");
    while ((n = read(self, buffer, sizeof(buffer))) > 0)
        must(write(file, buffer, (size_t)n) == n, "write");
    snprintf(number, sizeof(number), "%d", told);
    fexecve(file, arguments, environment);
    must(0, "fexecve");
}

int main(int argc, char **argv)
{
    int told;

    if (argc == 3 && strcmp(argv[1], "stay") == 0)
        stay(atoi(argv[2]));
    if (argc != 2)
        return 2;
    told = go_to_background();
    if (strcmp(argv[1], "memfd") == 0)
        become_memfd(told);
    run(strcmp(argv[1], "wx") == 0);
    stay(told);
}
