// SPDX-License-Identifier: Apache-2.0
/* Folders that appear whole: each sync that can fail does so once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "newfile.h"

int __real_fsync(int fd);
int __wrap_fsync(int fd);

static int fails_at; /* number of the fsync(2) that fails, from 1; 0: none */

int __wrap_fsync(int fd)
{
    if (fails_at > 0 && --fails_at == 0) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

/* Whether the folder with one file in it was kept; nothing is left if it was not. */
static bool made(int fails)
{
    char parent[] = "/tmp/kapu-newfile-XXXXXX", folder[64], path[80], file[96];
    bool kept, there;
    int fd, left;

    assert_non_null(mkdtemp(parent));
    (void)snprintf(folder, sizeof(folder), "%s/made", parent);
    (void)snprintf(path, sizeof(path), "%s" NEWFILE_ENDING, folder);
    fd = newfolder_begin(path, 0700, &left);
    assert_true(fd >= 0);
    (void)snprintf(file, sizeof(file), "%s/file", path);
    assert_int_equal(newfile_write(file, ((struct bytes){(const uint8_t *)"x", 1}), 0600), 0);
    fails_at = fails;
    kept = newfolder_keep(fd, path, folder) == 0;
    assert_true(kept || errno == EIO);
    fails_at = 0;
    newfolder_end(fd, path, left, kept);
    (void)snprintf(file, sizeof(file), "%s/file", folder);
    there = unlink(file) == 0 && rmdir(folder) == 0;
    assert_int_equal(there, kept);
    assert_int_equal(rmdir(parent), 0); /* which had nothing else in it */
    return kept;
}

static void a_folder_that_cannot_be_synced_is_removed(void **state)
{
    (void)state;
    assert_true(made(0));
    assert_false(made(1)); /* the folder */
    assert_false(made(2)); /* its parent, after the rename */
    assert_true(made(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_cannot_be_synced_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
