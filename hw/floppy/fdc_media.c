/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_media.c -- diskettes: which format an image has, and where a sector is in it.
 *
 * Spec: IBM PC, AT and PS/2 diskette formats; ECMA-54, -66, -70, -100, -125 (geometries).
 * Omits: sector sizes other than 512 bytes, copy protection.
 * Threads: with the machine lock.
 */
#include "hw/floppy/fdc.h"
#include <string.h>

enum { R500 = 1, R300 = 2, R250 = 4, R1M = 8 };

/* by size; an image of another size is in the next larger */
static const FloppyFormat formats[] = {
    { 160, 40, 1, 8, R250 | R300, FLOPPY_360K }, { 180, 40, 1, 9, R250 | R300, FLOPPY_360K },
    { 320, 40, 2, 8, R250 | R300, FLOPPY_360K }, { 360, 40, 2, 9, R250 | R300, FLOPPY_360K },
    { 720, 80, 2, 9, R250 | R300, FLOPPY_720K }, { 800, 80, 2, 10, R250 | R300, FLOPPY_720K },
    { 820, 82, 2, 10, R250 | R300, FLOPPY_720K }, { 1200, 80, 2, 15, R500, FLOPPY_1200K },
    { 1440, 80, 2, 18, R500, FLOPPY_1440K }, { 1520, 80, 2, 19, R500, FLOPPY_1440K },
    { 1600, 80, 2, 20, R500, FLOPPY_1440K }, { 1680, 80, 2, 21, R500, FLOPPY_1440K },
    { 1722, 82, 2, 21, R500, FLOPPY_1440K }, { 1743, 83, 2, 21, R500, FLOPPY_1440K },
    { 1760, 80, 2, 22, R500, FLOPPY_1440K }, { 1840, 80, 2, 23, R500, FLOPPY_1440K },
    { 1920, 80, 2, 24, R500, FLOPPY_1440K }, { 2880, 80, 2, 36, R1M, FLOPPY_2880K },
    { 3120, 80, 2, 39, R1M, FLOPPY_2880K }, { 3200, 80, 2, 40, R1M, FLOPPY_2880K },
    { 3520, 80, 2, 44, R1M, FLOPPY_2880K }, { 3840, 80, 2, 48, R1M, FLOPPY_2880K },
};

/* An image smaller than 160 K is a boot sector or the like: to be in a 1.44 M diskette. */
static const FloppyFormat *format_of(uint64_t bytes)
{
    const FloppyFormat *usual = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].kib == 1440) {
            usual = &formats[i];
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (bytes <= (uint64_t)formats[i].kib * 1024) {
            return bytes < (uint64_t)formats[0].kib * 1024 ? usual : &formats[i];
        }
    }
    return NULL;
}

bool floppy_present(const FloppyDrive *d)
{
    return d->drive && d->drive->node && d->format;
}

bool floppy_writable(const FloppyDrive *d)
{
    return floppy_present(d) && !d->drive->readonly && !d->drive->node->readonly;
}

void floppy_look(FloppyDrive *d)
{
    d->format = d->drive && d->drive->node ? format_of(d->drive->node->bytes) : NULL;
    d->changed = true;
}

FloppyKind floppy_kind_for(const Drive *d)
{
    const FloppyFormat *f = d->node ? format_of(d->node->bytes) : NULL;

    return f ? f->drive : FLOPPY_1440K;
}

/* sector counts from 1; the caller has checked it against the format. */
uint64_t floppy_offset(const FloppyDrive *d, unsigned track, unsigned head, unsigned sector)
{
    const FloppyFormat *f = d->format;

    return (((uint64_t)track * f->heads + head) * f->sectors + sector - 1) * FDC_SECTOR;
}
