/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapfile.h -- a machine in a file: what it is, its state, its disks' contents and its RAM.
 *
 * Threads: the main thread with the machine lock, the machine stopped.
 */
#ifndef CORE_SNAPFILE_H
#define CORE_SNAPFILE_H
#include "core/machine.h"
#include "core/snapcodec.h"

typedef struct SnapFile SnapFile;

typedef struct SnapAbout {            /* what can be said of a file without a machine */
    char    *tag, *build;
    int64_t  date_s;                  /* when it was saved */
    uint64_t guest_ns, bytes;         /* the guest's clock; of the host's disk */
    bool     was_running;
} SnapAbout;

/*
 * What block/ does for a snapshot; Machine.disks.  save: appends contents that only this process
 * has to fd, from *at on, and says in the GVariant where.  to_return: loading it later must be able
 * to give the contents back, with this very machine going on in between; else it is enough that the
 * images will be found as they are now. prepare: checks that the images are those, and contents;
 * changes nothing.  apply: images that are written to directly get their contents back.  finish:
 * takes or drops what was read, and undoes what apply has done.
 */
typedef struct DiskOps {
    GVariant *(*save)(Machine *m, bool to_return, int fd, uint64_t *at, GError **err);
    void     *(*prepare)(Machine *m, GVariant *saved, int fd, uint64_t file_bytes, GError **err);
    bool      (*apply)(Machine *m, void *prepared, GError **err);
    void      (*finish)(Machine *m, void *prepared, bool take);
    /* beside the first image that is written to; NULL: there is none */
    char     *(*folder)(Machine *m);
} DiskOps;
/* id, kind, bytes, file's bytes, its mtime in ns; runs: from, bytes, at, CRC-32 */
#define SNAP_DISKS_TYPE "a(syttxa(tttu))"

/*
 * Replaces the file at once or leaves it as it was, also where this machine's RAM is mapped from
 * it.
 */
bool snapfile_save(Machine *m, const char *path, const char *tag, SnapCodec codec, bool was_running,
                   bool to_return, GError **err);
/* Into fd, for another process: without a tag. */
bool snapfile_write(Machine *m, int fd, const char *name, SnapCodec codec, bool was_running,
                    GError **err);
/* fd: its own from now on */
SnapFile *snapfile_open_fd(int fd, const char *name, GError **err);
/* header and what it lists are sound */
SnapFile *snapfile_open(const char *path, GError **err);
void snapfile_about(const SnapFile *f, SnapAbout *out);          /* strings live as long as f */
/* reads all of RAM, where loading would map it unread */
bool snapfile_verify(const SnapFile *f, GError **err);
/* All or nothing.  fresh: nothing has run in m, and if this fails it is only reset. */
bool snapfile_load(Machine *m, SnapFile *f, bool fresh, GError **err);
void snapfile_close(SnapFile *f);
#endif
