/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * newfile.c -- files that the program makes: one that takes another's place when it is whole, and
 * scratch files.
 *
 * Spec: open(2) O_TMPFILE, linkat(2), rename(2) of Linux.
 * Omits: a host whose /proc is not there gives a file its name from the beginning; it is left if
 *   the program is killed.
 * Threads: any.
 */
#include "core/newfile.h"
#include "core/machine.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 100 };

NewFile newfile_open(const char *path)
{
    NewFile f = { .path = g_strdup(path), .name = g_strconcat(path, ".XXXXXX", NULL), .fd = -1 };

#ifdef O_TMPFILE
    if (!access("/proc/self/fd", X_OK)) {
        g_autofree char *folder = g_path_get_dirname(path);
        f.fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
#endif
    if (f.fd < 0) {
        f.fd = g_mkstemp_full(f.name, O_RDWR | O_CLOEXEC, 0600);
        f.has_name = f.fd >= 0;
    }
    return f;
}

/* A name that is free, found by making a file of that name. */
static bool give_name(NewFile *f)
{
    g_autofree char *self = g_strdup_printf("/proc/self/fd/%d", f->fd),
                    *pattern = g_strdup(f->name);

    for (unsigned i = 0; !f->has_name && i < TRIES; i++) {
        strcpy(f->name, pattern);
        int fd = g_mkstemp_full(f->name, O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) {
            return false;
        }
        close(fd);
        unlink(f->name);
        f->has_name = !linkat(AT_FDCWD, self, AT_FDCWD, f->name, AT_SYMLINK_FOLLOW);
        if (!f->has_name && errno != EEXIST) {
            return false;
        }
    }
    return f->has_name;
}

static void sync_folder(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool newfile_replace(NewFile *f)
{
    if (fsync(f->fd) || !give_name(f) || rename(f->name, f->path)) {
        return false;
    }
    f->has_name = false;
    sync_folder(f->path);
    return true;
}

void newfile_close(NewFile *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    if (f->has_name) {
        unlink(f->name);
    }
    g_free(f->path);
    g_free(f->name);
}

int scratch_open(const char *what, char **path, GError **err)
{
    const char      *dir = g_getenv("TMPDIR");
    g_autofree char *name = g_build_filename(dir && *dir ? dir : "/var/tmp", "ryokan-XXXXXX", NULL);
    int              fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        fail(err, "%s: cannot make a scratch file %s: %s; set TMPDIR to a folder with room", what,
             name, g_strerror(errno));
    } else if (path) {
        *path = g_steal_pointer(&name);
    } else {
        unlink(name);
    }
    return fd;
}
