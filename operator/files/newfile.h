/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that appears, or takes the place of an older one, when all of it is there. It is written
 * as PATH.kapu-new, under a lock, so two processes never write the same file. A signal that ends
 * the process removes it; what SIGKILL leaves of it is overwritten by the next run. Nobody else
 * gives files such a name, so nothing of anyone else is overwritten.
 */
#ifndef KAPU_FILES_NEWFILE_H
#define KAPU_FILES_NEWFILE_H

#include <kapu/bytes.h>

#define NEWFILE_PATH 4096
#define NEWFILE_ENDING ".kapu-new"

struct newfile {
    int fd; /* to write to; -1: there is none */
    int left;
    const char *path;
    char temporary[NEWFILE_PATH];
};

/* `path` must outlive it. 0, or -1 with errno, which newfile_fault says to a person. */
KAPU_MUST_CHECK int newfile_open(struct newfile *f, const char *path, unsigned int mode);
/* Writes all of it to an open file. 0, or -1 with errno. */
KAPU_MUST_CHECK int newfile_put_to(int fd, struct bytes data);
/* The same, to what is being made. */
KAPU_MUST_CHECK int newfile_put(struct newfile *f, struct bytes data);
/* Syncs the file, gives it its name, and syncs the folder, so that the file survives a power cut.
 * 0, or -1 with errno: the temporary file is gone. If only the last sync failed, the new file is in
 * place and may not survive a power cut. */
KAPU_MUST_CHECK int newfile_keep(struct newfile *f);
/* Nothing is left of it; also after newfile_open failed. errno stays. */
void newfile_drop(struct newfile *f);

/* All of it at once. 0, or -1 with errno. */
KAPU_MUST_CHECK int newfile_write(const char *path, struct bytes data, unsigned int mode);

/* A folder PATH, with NEWFILE_ENDING, that is being made, with files and no folders in it: made,
 * or, if an earlier run left it, emptied, and locked. It is removed if a signal ends the process. A
 * file that is open for as long as that takes, or -1 with errno. *left is for newfolder_end. */
KAPU_MUST_CHECK int newfolder_begin(const char *path, unsigned int mode, int *left);
/* Syncs the folder, renames it to `folder` in the same parent, and syncs the parent. 0, or -1 with
 * errno: it has its temporary name again, and newfolder_end removes it. */
KAPU_MUST_CHECK int newfolder_keep(int fd, const char *path, const char *folder);
/* kept: newfolder_keep did it. Else it is removed. */
void newfolder_end(int fd, const char *path, int left, bool kept);

/* What errno says, and that another process of kapu is writing. */
const char *newfile_fault(void);

#endif
