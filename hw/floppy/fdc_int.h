/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_int.h -- private to the floppy controller: its state, and what its ports (fdc.c) ask of its
 * commands (fdc_cmd.c).
 *
 * Spec: Intel 82077AA (290166-007).
 * Threads: with the machine lock.
 */
#ifndef HW_FLOPPY_FDC_INT_H
#define HW_FLOPPY_FDC_INT_H
#include "hw/floppy/fdc.h"

enum { PARAMS = 9, RESULTS = 16, FDC_DMA = 2 };

typedef enum { PH_IDLE, PH_COMMAND, PH_IO, PH_DATA, PH_RESULT } Phase;
typedef enum { XF_READ, XF_WRITE, XF_VERIFY, XF_FORMAT } Transfer;

typedef struct Fdc Fdc;
typedef struct FdcReq {
    BlockReq     req;
    Fdc         *fdc;                 /* NULL: abandoned */
    struct iovec iov;
    uint8_t      buf[FDC_SECTOR];
} FdcReq;

struct Fdc {
    Device      dev;
    Irq         irq;
    Region      ports, dir;           /* 3f0-3f5, 3f7 */
    void       *dma;
    FloppyDrive drive[FDC_DRIVES];
    uint8_t     dor, tdr, dsr, ccr;
    uint8_t     phase;                /* Phase */
    uint8_t     cmd[PARAMS], n_cmd, n_params;
    uint8_t     result[RESULTS], n_result, at_result;
    uint8_t     st0[4];               /* of seeks and resets, until SENSE INTERRUPT takes it */
    uint8_t     sense;                /* drives whose st0 waits, a bit each */
    uint8_t     specify[2], config[3], perpendicular;
    bool        locked;
    /* a transfer under way */
    uint8_t     xfer, unit, track, head, sector, eot, size_code;
    uint8_t     formatted;            /* sectors that FORMAT has done */
    /* the head in use; `head` is already the next sector's in the result */
    uint8_t     side;
    bool        multi_track, dma_over;
    uint16_t    pos;                  /* in buf */
    uint8_t     buf[FDC_SECTOR];
    Timer       timer;                /* reset and seeks end a little later */
    FdcReq     *req;
};

/* fdc.c */
void fdc_interrupt(Fdc *s, bool level);

/* fdc_cmd.c */
void    fdc_idle(Fdc *s);             /* ready for a command */
void    fdc_abandon(Fdc *s);          /* what is under way: nothing of it comes back */
void    fdc_fifo_write(Fdc *s, uint8_t val);
uint8_t fdc_fifo_read(Fdc *s);
void    fdc_channel_open(void *dev);  /* the DMA channel may take bytes now */
bool    fdc_uses_dma(const Fdc *s);
FloppyDrive *fdc_unit(Fdc *s, unsigned n);        /* NULL: there are but two */
#endif
