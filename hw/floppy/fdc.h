/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.h -- a floppy controller as a machine makes it; its drives and what is in them.
 *
 * Spec: Intel 82077AA (290166-007), Intel 82078 (290468); IBM diskette formats.
 * Threads: with the machine lock; completions of requests in the main context.
 */
#ifndef HW_FLOPPY_FDC_H
#define HW_FLOPPY_FDC_H
#include "block/drive.h"
#include "core/clock.h"
#include "core/device.h"

enum { FDC_DRIVES = 2, FDC_SECTOR = 512, FDC_TRACKS_MAX = 84, FDC_FIFO = 16 };

typedef struct FloppyFormat {         /* a medium, as the controller's clock sees it */
    uint32_t kib;
    uint8_t  tracks, heads, sectors;
    /* data rates that read it, a bit each as in CCR: 0 500, 1 300, 2 250 kbit/s, 3 1 Mbit/s */
    uint8_t  rates;
    uint8_t  drive;                   /* the least kind of drive that takes it: CMOS type */
} FloppyFormat;

/* CMOS 10h */
typedef enum { FLOPPY_NONE, FLOPPY_360K, FLOPPY_1200K, FLOPPY_720K, FLOPPY_1440K,
               FLOPPY_2880K } FloppyKind;

typedef struct FloppyDrive {
    Drive   *drive;                   /* NULL: no drive here */
    const FloppyFormat *format;       /* of the medium, or NULL */
    uint32_t kind;                    /* FloppyKind */
    uint8_t  track;                   /* where the heads are */
    bool     changed;                 /* disk change line: until the heads step with a medium in */
} FloppyDrive;

/* fdc_media.c */
void     floppy_look(FloppyDrive *d);           /* what is in the drive now */
bool     floppy_present(const FloppyDrive *d);
bool     floppy_writable(const FloppyDrive *d);
uint64_t floppy_offset(const FloppyDrive *d, unsigned track, unsigned head, unsigned sector);
/* a drive for this medium; 1.44 M where there is none */
FloppyKind floppy_kind_for(const Drive *d);

/* ISA floppy controller at 3f0, IRQ 6, DMA 2; drives: a and b, or NULL. */
void *fdc_create(Machine *m, Bus *isa, void *dma, Drive *drives[FDC_DRIVES], GError **err);
uint8_t fdc_cmos_types(void *fdc);              /* CMOS 10h: drive A in the high nibble */
#endif
