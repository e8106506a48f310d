/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive.h -- -drive: an image, or an empty tray, under an id that a device names with drive=.
 *
 * Threads: with the machine lock.
 */
#ifndef BLOCK_DRIVE_H
#define BLOCK_DRIVE_H
#include "block/stats.h"

typedef struct Drive {
    char      *id;
    BlockNode *node;                  /* NULL: no medium */
    bool       is_cdrom, readonly;
    /* made for a device that names a node: programs know it by the device */
    bool       anonymous;
    char      *serial;                /* or NULL */
    void      *user;                  /* the device that has it: one only */
    /* another medium, or none: set before on_change, which takes it */
    bool       changed;
    void     (*on_change)(void *user);          /* the device's, or NULL: the medium stays */
    void     (*on_resize)(void *user);          /* the device's, or NULL: it takes no other size */
    bool       locked, tray_open;     /* by the guest */
    BlockStats stats;                 /* of all media that were in it */
} Drive;

/* all of -drive; device properties of kind "drive" find them */
bool   drives_open(Machine *m, GError **err);
Drive *drive_find(Machine *m, const char *id);
bool   drive_claim(Drive *d, void *dev, GError **err);
void   drives_close(Machine *m);
void   drive_put(Drive *d, BlockNode *n);     /* the medium from now on; NULL: none */
const char *drive_user_name(const Drive *d);  /* of the device that has it: its id, or its path */
/* members "device" and "qdev" of an answer */
void   drive_say_names(GVariantBuilder *b, const Drive *d);
/* it has moved: programs hear of it; media.c */
void   drive_tray(Drive *d, Machine *m, bool open);
/* What programs hear of a node, as members of an object; media.c. */
void media_say_node(GVariantBuilder *b, const char *file, const char *driver, uint64_t bytes,
                    bool ro, bool direct, bool no_flush);
Drive *media_find(Machine *m, const char *name);    /* by a node, a drive or its device; or NULL */
void   media_hooks(Machine *m);       /* media.c: the monitor's way to change media */
#endif
