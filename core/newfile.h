/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * newfile.h -- files that the program makes: one that takes another's place when it is whole, and
 * scratch files.
 *
 * Threads: any.
 */
#ifndef CORE_NEWFILE_H
#define CORE_NEWFILE_H
#include <glib.h>
#include <stdbool.h>

/*
 * Until it takes its place it has no name, where the host can do that: nothing is left of it when
 * the program is killed.
 */
typedef struct NewFile {
    char *path, *name;                /* that it will have; that it has meanwhile */
    bool  has_name;
    int   fd;                         /* -1: errno says why */
} NewFile;

NewFile newfile_open(const char *path);
/* on the disk first, then in one step; false: errno, and what was there is there */
bool    newfile_replace(NewFile *f);
void    newfile_close(NewFile *f);    /* without a trace if it has not been put in its place */

/*
 * A file in $TMPDIR or /var/tmp, for `what`.  *path: its name, which the caller frees and takes
 * from it; path NULL: it has none any more.  -1: *err.
 */
int     scratch_open(const char *what, char **path, GError **err);
#endif
