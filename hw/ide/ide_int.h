/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_int.h -- a channel with two drives: what the controller, the task file and the two kinds of
 * drive share.
 *
 * Spec: ATA/ATAPI-7 volume 1 (d1532), chapters 5 (registers), 6 (commands), volume 2, chapter 11
 *   (protocols).
 * Threads: with the machine lock.
 */
#ifndef HW_IDE_IDE_INT_H
#define HW_IDE_IDE_INT_H
#include "hw/ide/ide.h"

enum { ST_ERR = 0x01, ST_DRQ = 0x08, ST_DSC = 0x10, ST_DRDY = 0x40, ST_BSY = 0x80,
       ST_OK = ST_DRDY | ST_DSC };
enum { ER_ABRT = 0x04, ER_IDNF = 0x10, ER_UNC = 0x40 };
enum { DEV_1 = 0x10, DEV_LBA = 0x40 };                  /* device register */
enum { CTL_NIEN = 0x02, CTL_SRST = 0x04, CTL_HOB = 0x80 };
enum { BM_START = 1, BM_TO_MEMORY = 8, BM_ACTIVE = 1, BM_ERROR = 2, BM_INT = 4 };
enum { SECTOR = 512, CD_SECTOR = 2048, PIO_BYTES = 32 << 10, IO_BYTES = 256 << 10 };

/*
 * Where a command is.  IN and OUT: the guest moves pio[pos .. block_end).  DMA: the bus master is
 * not yet started.
 */
typedef enum { PH_IDLE, PH_IN, PH_OUT, PH_DMA, PH_IO } IdePhase;
/* What the data is. */
typedef enum { XF_NONE, XF_REPLY, XF_READ, XF_WRITE, XF_TRIM, XF_PACKET } IdeXfer;

typedef struct IdeChannel IdeChannel;
typedef struct IdeDrive IdeDrive;
typedef struct IdeReq IdeReq;

typedef struct IdeDriveOps {
    void (*command)(IdeDrive *d, uint8_t cmd);
    void (*block_in)(IdeDrive *d);              /* the guest has read up to block_end */
    void (*block_out)(IdeDrive *d);             /* the guest has written up to block_end */
    void (*dma)(IdeDrive *d);                   /* phase is PH_DMA and the bus master runs */
    void (*signature)(IdeDrive *d);             /* registers after a reset: 5.14 */
    void (*reset)(IdeDrive *d);
} IdeDriveOps;

struct IdeDrive {
    Device      dev;
    Drive      *drive;
    uint32_t    unit;
    char       *serial, *model;
    int32_t     bootindex;
    const IdeDriveOps *ops;
    IdeChannel *ch;                   /* NULL: not plugged in */
    uint64_t    sectors;              /* of 512 bytes */

    /* Task file.  hob: what the register held before it was last written, for 48-bit commands. */
    uint8_t     feature, nsector, sector, lcyl, hcyl, select, status, error;
    uint8_t     hob_feature, hob_nsector, hob_sector, hob_lcyl, hob_hcyl;
    bool        intrq;

    /* The command under way. */
    uint8_t     command, phase, xfer;
    bool        ext, use_dma;
    uint64_t    lba;                  /* next, in sectors of the medium */
    uint32_t    left;                 /* sectors still to come from or go to the medium */
    uint32_t    pos, block_end, filled;     /* in pio */
    uint32_t    block_bytes;          /* of one DRQ block */
    uint8_t     pio[PIO_BYTES];
    IdeReq     *req;                  /* PH_IO; never in a snapshot */
    uint8_t    *bounce;               /* IO_BYTES, while no request has it */

    /* ATA */
    uint8_t     multiple, dma_mode, heads, spt, smart_on, write_cache;
    uint16_t    cylinders;

    /* ATAPI */
    uint8_t     sense_key, asc, ascq, event;
    /* attention: another medium, of which the guest has not heard */
    bool        locked, tray_open, attention;
    uint16_t    byte_limit;
    uint8_t     packet[12];
};

typedef struct IdePrd {               /* cursor in the physical region descriptor table */
    uint32_t next, at, left;
    bool     last;
} IdePrd;

struct IdeChannel {
    Device     *host;
    Bus        *bus;
    AddressSpace *(*dma_of)(IdeChannel *ch);
    unsigned    index;
    IdeDrive   *drive[2];
    uint8_t     selected, control;
    uint8_t     bm_cmd, bm_status;
    uint32_t    bm_table;
    IdePrd      prd;
    Irq         irq;
    Region      cmd_ports, ctl_port;
};

struct IdeReq {
    BlockReq  req;
    struct iovec iov;
    IdeDrive *d;                      /* NULL: the drive was reset meanwhile */
    uint8_t  *buf;
    void    (*done)(IdeDrive *d, uint8_t *buf, int result);
};

/* channel.c: the task file. */
void ide_channel_init(IdeChannel *ch, Device *host, unsigned index, const char *bus_name);
void ide_channel_reset(IdeChannel *ch);
void ide_update_irq(IdeChannel *ch);
void ide_raise(IdeDrive *d);                    /* INTRQ */
extern const Field ide_channel_fields[];

/* drive.c: what both kinds of drive do. */
bool ide_drive_realize(IdeDrive *d, const IdeDriveOps *ops, GError **err);
void ide_drive_unrealize(void *dev);
void ide_drive_reset(void *dev);
bool ide_drive_restored(void *dev, GError **err);
void ide_stop(IdeDrive *d);                     /* abandon the command under way */
void ide_finish(IdeDrive *d);                   /* good status, interrupt */
void ide_fail(IdeDrive *d, uint8_t error);
/* the next DRQ block of pio, to the guest */
void ide_present(IdeDrive *d, uint32_t bytes, bool interrupt);
/* the next DRQ block, from the guest */
void ide_request(IdeDrive *d, uint32_t bytes, bool interrupt);
/*
 * One request to the medium; the buffer is filled in (or will be) by the caller before:
 * ide_buffer().
 */
uint8_t *ide_buffer(IdeDrive *d);
void ide_io(IdeDrive *d, BlockOp op, uint64_t offset, uint64_t n,
            void (*done)(IdeDrive *d, uint8_t *buf, int result));
void ide_want_dma(IdeDrive *d);                 /* wait for the bus master, or go on if it runs */
/*
 * The bus master: moves n bytes by the PRD table; false: it was too short or unreadable, and the
 * transfer is over.
 */
bool ide_dma_copy(IdeDrive *d, uint8_t *buf, uint32_t n, bool to_memory);
void ide_dma_end(IdeDrive *d);                  /* all data moved: before ide_finish() */
/* ATA strings: big-endian words, padded with spaces */
void ide_words(uint8_t *out, const char *text, unsigned n);

void ide_serial(const IdeDrive *d, uint8_t *out);       /* 20 bytes of IDENTIFY */

/* CONFIG and STATE common to both classes. */
#define IDE_DRIVE_FIELDS                                                                         \
    CONFIG_LINK(IdeDrive, drive, "drive", "drive", .help = "Id of the -drive with the medium."), \
    CONFIG(IdeDrive, unit, .def = 2, .max = 2,                                                   \
           .help = "0 master, 1 slave; default is the first free one."),                         \
    CONFIG(IdeDrive, serial, .help = "Serial number, up to 20 characters."),                     \
    CONFIG(IdeDrive, model, .help = "Model name, up to 40 characters."),                         \
    CONFIG(IdeDrive, bootindex, .def = UINT64_MAX,                                               \
           .help = "Place in the firmware's boot order; lower is first."),                       \
    STATE(IdeDrive, feature), STATE(IdeDrive, nsector),                                          \
    STATE(IdeDrive, sector), STATE(IdeDrive, lcyl),                                              \
    STATE(IdeDrive, hcyl), STATE(IdeDrive, select),                                              \
    STATE(IdeDrive, status), STATE(IdeDrive, error),                                             \
    STATE(IdeDrive, hob_feature), STATE(IdeDrive, hob_nsector), STATE(IdeDrive, hob_sector),     \
    STATE(IdeDrive, hob_lcyl), STATE(IdeDrive, hob_hcyl), STATE(IdeDrive, intrq),                \
    STATE(IdeDrive, command), STATE(IdeDrive, phase, .max = PH_DMA),                             \
    STATE(IdeDrive, xfer, .max = XF_PACKET),                                                     \
    STATE(IdeDrive, ext), STATE(IdeDrive, use_dma), STATE(IdeDrive, lba), STATE(IdeDrive, left), \
    STATE(IdeDrive, pos, .max = PIO_BYTES), STATE(IdeDrive, block_end, .max = PIO_BYTES),        \
    STATE(IdeDrive, filled, .max = IO_BYTES),                                                    \
    STATE(IdeDrive, block_bytes, .max = 0x10000), STATE_ARRAY(IdeDrive, pio)
#endif
