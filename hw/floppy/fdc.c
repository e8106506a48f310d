/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.c -- 82077AA floppy controller: ports, command phases, sectors by DMA or programmed I/O.
 *
 * Spec: Intel 82077AA (290166-007) chapters 2 (registers), 4 and 5 (commands); 82078 (290468) for PART ID.
 * Omits: deleted data marks (all data is plain), scan commands, gaps and CRC errors, sector sizes other than 512 bytes, SAVE and
 *   RESTORE; step and head load times take none.  FORMAT writes its filler and keeps the geometry.
 * Threads: with the machine lock; completions of requests in the main context.
 *
 *     3f0 SRA  3f1 SRB  3f2 DOR  3f3 TDR  3f4 MSR | DSR  3f5 FIFO  3f7 DIR | CCR
 */
#include "hw/floppy/fdc.h"
#include "core/machine.h"
#include "hw/misc/dma.h"
#include "hw/misc/isa.h"
#include <string.h>

enum { SRA, SRB, DOR, TDR, MSR_DSR, FIFO, DIR_CCR = 7 };
enum { DOR_SELECT = 3, DOR_RUN = 4, DOR_DMA = 8, DOR_MOTOR = 0x10 };
enum { DSR_RESET = 0x80, MSR_RQM = 0x80, MSR_DIO = 0x40, MSR_NONDMA = 0x20, MSR_BUSY = 0x10 };
enum { DIR_CHANGED = 0x80, SRA_PENDING = 0x80, VERSION_ENHANCED = 0x90, PART_ID = 0x41, INVALID = 0x80 };
enum { ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLED = 0xc0, ST0_SEEK_END = 0x20, ST0_CHECK = 0x10, ST0_HEAD = 4 };
enum { ST1_END = 0x80, ST1_NO_DATA = 4, ST1_PROTECTED = 2, ST1_NO_MARK = 1, ST1_CRC = 0x20 };
enum { ST3_PROTECTED = 0x40, ST3_READY = 0x20, ST3_TRACK0 = 0x10, ST3_TWO_SIDED = 8 };
enum { CMD_MT = 0x80, SPECIFY_NONDMA = 1, CONFIG_IMPLIED_SEEK = 0x40, LOCK = 0x80, N_CODE = 2 };
enum { PARAMS = 9, RESULTS = 16, FDC_IRQ = 6, FDC_DMA = 2, FDC_PORT = 0x3f0, RESET_DELAY_NS = 20000, SEEK_NS = 200000 };

typedef enum { PH_IDLE, PH_COMMAND, PH_IO, PH_DATA, PH_RESULT } Phase;
typedef enum { XF_READ, XF_WRITE, XF_VERIFY, XF_FORMAT } Transfer;

typedef struct Fdc Fdc;
typedef struct FdcCommand {
    uint8_t     code, mask;           /* matches (byte & mask) == code */
    uint8_t     params;
    void      (*run)(Fdc *s);
    const char *name;
} FdcCommand;

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
    uint8_t     side;                 /* the head in use; `head` is already the next sector's in the result */
    bool        multi_track, dma_over;
    uint16_t    pos;                  /* in buf */
    uint8_t     buf[FDC_SECTOR];
    Timer       timer;                /* reset and seeks end a little later */
    FdcReq     *req;
};

static void next_sector(Fdc *s);
static void move(Fdc *s);

/* ---- interrupts and phases ---- */

static void interrupt(Fdc *s, bool level)
{
    irq_set(&s->irq, level && (s->dor & DOR_DMA));
}

static void idle(Fdc *s)
{
    s->phase = PH_IDLE;
    s->n_cmd = s->n_params = s->n_result = s->at_result = 0;
}

static void results(Fdc *s, const uint8_t *r, unsigned n)
{
    memcpy(s->result, r, n);
    s->n_result = (uint8_t)n;
    s->at_result = 0;
    s->phase = PH_RESULT;
}

/* The end of a data transfer: seven bytes, and an interrupt. */
static void finish(Fdc *s, uint8_t st0, uint8_t st1, uint8_t st2)
{
    uint8_t r[7] = { (uint8_t)(st0 | (s->side ? ST0_HEAD : 0) | s->unit), st1, st2, s->track, s->head, s->sector, s->size_code };

    if (s->dma) {
        dma_request(s->dma, FDC_DMA, false);
    }
    results(s, r, sizeof(r));
    interrupt(s, true);
}

static void abandon(Fdc *s)
{
    if (s->req) {
        s->req->fdc = NULL;
        s->req = NULL;
    }
    if (s->dma) {
        dma_request(s->dma, FDC_DMA, false);
    }
}

/* ---- sectors ---- */

static FloppyDrive *unit(Fdc *s, unsigned n)
{
    return n < FDC_DRIVES ? &s->drive[n] : NULL;
}

static bool uses_dma(const Fdc *s)
{
    return !(s->specify[1] & SPECIFY_NONDMA);
}

static void io_done(BlockReq *req, int result)
{
    FdcReq *r = (FdcReq *)req;
    Fdc    *s = r->fdc;

    if (s) {
        s->req = NULL;
        if (result) {
            finish(s, ST0_ABNORMAL, ST1_CRC, 0);
        } else if (s->xfer == XF_WRITE || s->xfer == XF_FORMAT) {
            next_sector(s);
        } else {
            memcpy(s->buf, r->buf, FDC_SECTOR);
            s->phase = PH_DATA;
            s->pos = 0;
            move(s);
        }
    }
    g_free(r);
}

/* One sector from or to the image.  What lies behind a short image's end reads as zeros, and takes no writes. */
static void submit(Fdc *s, BlockOp op)
{
    FloppyDrive *d = &s->drive[s->unit];
    uint64_t     at = floppy_offset(d, s->track, s->head, s->sector);
    FdcReq      *r;

    if (at + FDC_SECTOR > d->drive->node->bytes) {
        if (op == BLK_WRITE) {
            finish(s, ST0_ABNORMAL, ST1_CRC, 0);
            return;
        }
        memset(s->buf, 0, sizeof(s->buf));
        s->phase = PH_DATA;
        s->pos = 0;
        move(s);
        return;
    }
    r = g_new0(FdcReq, 1);
    memcpy(r->buf, s->buf, FDC_SECTOR);
    r->fdc = s;
    r->iov = (struct iovec){ r->buf, FDC_SECTOR };
    r->req = (BlockReq){ .op = op, .offset = at, .length = FDC_SECTOR, .iov = &r->iov, .n_iov = 1, .done = io_done };
    s->req = r;
    s->phase = PH_IO;
    block_submit(d->drive->node, &r->req);
}

/* Is there such a sector under the heads, at this data rate? */
static bool check_id(Fdc *s)
{
    FloppyDrive        *d = &s->drive[s->unit];
    const FloppyFormat *f = d->format;
    unsigned            rate = s->ccr & 3;

    s->side = s->head;
    if (!floppy_present(d) || !(f->rates >> rate & 1) || d->track >= f->tracks || s->head >= f->heads) {
        finish(s, ST0_ABNORMAL, ST1_NO_MARK, 0);
        return false;
    }
    if (s->track != d->track || !s->sector || s->sector > f->sectors || s->size_code != N_CODE) {
        finish(s, ST0_ABNORMAL, ST1_NO_DATA, 0);
        return false;
    }
    return true;
}

static void start_sector(Fdc *s)
{
    if (!check_id(s)) {
        return;
    }
    if (s->xfer == XF_WRITE || s->xfer == XF_FORMAT) {
        s->phase = PH_DATA;
        s->pos = 0;
        move(s);
    } else {
        submit(s, BLK_READ);
    }
}

/* 5.1.1: the ID after the last sector, as the result phase tells it; true while the command goes on. */
static bool advance(Fdc *s)
{
    if (s->sector < s->eot) {
        s->sector++;
        return true;
    }
    s->sector = 1;
    if (s->multi_track && !s->head) {
        s->head = 1;
        return true;
    }
    s->track++;
    if (s->multi_track) {
        s->head = 0;
    }
    return false;
}

static void next_sector(Fdc *s)
{
    if (s->xfer == XF_FORMAT) {
        if (++s->formatted >= s->eot || s->dma_over) {
            finish(s, 0, 0, 0);
            return;
        }
        s->phase = PH_DATA;
        s->pos = 0;
        move(s);
        return;
    }
    bool more = advance(s);

    if (s->dma_over) {
        finish(s, 0, 0, 0);
    } else if (more) {
        start_sector(s);
    } else {
        finish(s, s->xfer == XF_VERIFY ? 0 : ST0_ABNORMAL, s->xfer == XF_VERIFY ? 0 : ST1_END, 0);
    }
}

static void sector_filled(Fdc *s)
{
    if (s->xfer != XF_FORMAT) {
        submit(s, BLK_WRITE);
        return;
    }
    /* Four bytes, C H R N, for each sector: what is under them becomes filler. */
    s->track = s->buf[0];
    s->head = s->buf[1] & 1;
    s->sector = s->buf[2];
    s->size_code = s->buf[3];
    memset(s->buf, s->cmd[5], sizeof(s->buf));
    if (check_id(s)) {
        submit(s, BLK_WRITE);
    }
}

/* The data phase goes on: as much as the DMA channel takes, or when the CPU reads and writes the FIFO. */
static void move(Fdc *s)
{
    unsigned want = s->xfer == XF_FORMAT ? 4 : FDC_SECTOR;

    if (s->xfer == XF_VERIFY) {
        next_sector(s);
        return;
    }
    if (!uses_dma(s)) {
        interrupt(s, true);           /* a byte may be had, or is wanted */
        return;
    }
    if (!s->dma) {
        return;
    }
    dma_request(s->dma, FDC_DMA, true);
    s->pos = (uint16_t)(s->pos + dma_transfer(s->dma, FDC_DMA, s->buf + s->pos, want - s->pos, s->xfer == XF_READ, &s->dma_over));
    if (s->dma_over && s->pos < want && s->xfer != XF_READ) {
        memset(s->buf + s->pos, 0, want - s->pos);       /* a sector is always written whole */
        s->pos = (uint16_t)want;
    }
    if (s->pos < want && !s->dma_over) {
        return;                       /* until the channel is opened */
    }
    dma_request(s->dma, FDC_DMA, false);
    if (s->xfer == XF_READ) {
        next_sector(s);
    } else {
        sector_filled(s);
    }
}

static void channel_open(void *dev)
{
    Fdc *s = dev;

    if (s->phase == PH_DATA && uses_dma(s)) {
        move(s);
    }
}

/* Programmed I/O.  There is no terminal count: the command ends at EOT. */
static uint8_t data_read(Fdc *s)
{
    uint8_t v = s->buf[s->pos];

    interrupt(s, false);
    if (++s->pos == FDC_SECTOR) {
        s->pos = 0;
        next_sector(s);
    } else {
        interrupt(s, true);
    }
    return v;
}

static void data_write(Fdc *s, uint8_t v)
{
    s->buf[s->pos] = v;
    interrupt(s, false);
    if (++s->pos == (s->xfer == XF_FORMAT ? 4 : FDC_SECTOR)) {
        sector_filled(s);
    } else {
        interrupt(s, true);
    }
}

/* ---- commands: chapter 5 ---- */

static void begin(Fdc *s, Transfer xfer)
{
    s->xfer = (uint8_t)xfer;
    s->unit = s->cmd[1] & 3;
    s->head = s->side = s->cmd[1] >> 2 & 1;
    s->multi_track = s->cmd[0] & CMD_MT;
    s->dma_over = false;
    s->pos = 0;
}

static bool selected(Fdc *s, bool write)
{
    FloppyDrive *d = unit(s, s->unit);

    if (!d || !d->drive) {
        finish(s, ST0_ABNORMAL | 8, 0, 0);        /* not ready */
        return false;
    }
    if (write && floppy_present(d) && !floppy_writable(d)) {
        finish(s, ST0_ABNORMAL, ST1_PROTECTED, 0);
        return false;
    }
    return true;
}

static void cmd_transfer(Fdc *s, Transfer xfer)
{
    FloppyDrive *d;

    begin(s, xfer);
    s->track = s->cmd[2];
    s->head = s->cmd[3] & 1;
    s->sector = s->cmd[4];
    s->size_code = s->cmd[5];
    s->eot = s->cmd[6];
    if (!selected(s, xfer == XF_WRITE)) {
        return;
    }
    d = &s->drive[s->unit];
    if (s->config[1] & CONFIG_IMPLIED_SEEK) {
        d->track = MIN(s->track, FDC_TRACKS_MAX - 1);
        d->changed &= !floppy_present(d);
    }
    start_sector(s);
}

static void cmd_read(Fdc *s)   { cmd_transfer(s, XF_READ); }
static void cmd_write(Fdc *s)  { cmd_transfer(s, XF_WRITE); }
static void cmd_verify(Fdc *s) { cmd_transfer(s, XF_VERIFY); }

/* All sectors of a track from the index hole on. */
static void cmd_read_track(Fdc *s)
{
    s->cmd[4] = 1;
    s->cmd[0] &= (uint8_t)~CMD_MT;
    cmd_transfer(s, XF_READ);
}

static void cmd_format(Fdc *s)
{
    begin(s, XF_FORMAT);
    s->size_code = s->cmd[2];
    s->eot = s->cmd[3];
    s->sector = 1;
    s->formatted = 0;
    s->multi_track = false;
    if (!selected(s, true)) {
        return;
    }
    s->track = s->drive[s->unit].track;
    if (check_id(s)) {
        s->phase = PH_DATA;
        move(s);
    }
}

static void cmd_read_id(Fdc *s)
{
    begin(s, XF_READ);
    s->size_code = N_CODE;
    s->sector = 1;
    if (!selected(s, false)) {
        return;
    }
    s->track = s->drive[s->unit].track;
    if (check_id(s)) {
        finish(s, 0, 0, 0);
    }
}

static void seek_over(Fdc *s, unsigned n, uint8_t st0)
{
    s->st0[n] = (uint8_t)(st0 | n);
    s->sense |= (uint8_t)(1u << n);
    idle(s);
    timer_arm(&s->timer, time_now(s->dev.machine, TIME_GUEST) + SEEK_NS);
}

static void seek_to(Fdc *s, unsigned n, int track)
{
    FloppyDrive *d = unit(s, n);
    uint8_t      head = s->cmd[1] & 4;

    if (d && d->drive) {
        d->track = (uint8_t)CLAMP(track, 0, FDC_TRACKS_MAX - 1);
        if (floppy_present(d)) {
            d->changed = false;       /* a step pulse: the line says what it sees again */
        }
        seek_over(s, n, ST0_SEEK_END | head);
    } else {
        seek_over(s, n, ST0_SEEK_END | ST0_ABNORMAL | ST0_CHECK);
    }
}

static void cmd_recalibrate(Fdc *s)
{
    seek_to(s, s->cmd[1] & 3, 0);
}

static void cmd_seek(Fdc *s)
{
    seek_to(s, s->cmd[1] & 3, s->cmd[2]);
}

static void cmd_relative_seek(Fdc *s)
{
    FloppyDrive *d = unit(s, s->cmd[1] & 3);
    int          at = d ? d->track : 0;

    seek_to(s, s->cmd[1] & 3, s->cmd[0] & 0x40 ? at + s->cmd[2] : at - s->cmd[2]);
}

static void cmd_sense_interrupt(Fdc *s)
{
    for (unsigned n = 0; n < 4; n++) {
        if (s->sense >> n & 1) {
            FloppyDrive *d = unit(s, n);
            uint8_t      r[2] = { s->st0[n], d ? d->track : 0 };
            s->sense &= (uint8_t)~(1u << n);
            interrupt(s, false);
            results(s, r, 2);
            return;
        }
    }
    interrupt(s, false);
    results(s, &(uint8_t){ INVALID }, 1);
}

static void cmd_sense_drive(Fdc *s)
{
    unsigned     n = s->cmd[1] & 3;
    FloppyDrive *d = unit(s, n);
    uint8_t      st3 = (uint8_t)((s->cmd[1] & 7) | ST3_TWO_SIDED | ST3_READY);

    if (d && d->drive) {
        st3 |= (d->track ? 0 : ST3_TRACK0) | (floppy_present(d) && !floppy_writable(d) ? ST3_PROTECTED : 0);
    }
    results(s, &st3, 1);
}

static void cmd_specify(Fdc *s)
{
    memcpy(s->specify, s->cmd + 1, 2);
    idle(s);
}

static void cmd_configure(Fdc *s)
{
    memcpy(s->config, s->cmd + 1, 3);
    idle(s);
}

static void cmd_perpendicular(Fdc *s)
{
    s->perpendicular = s->cmd[1] & 0x80 ? s->cmd[1] & 0x3f : (s->perpendicular & 0x3c) | (s->cmd[1] & 3);
    idle(s);
}

static void cmd_lock(Fdc *s)
{
    s->locked = s->cmd[0] & LOCK;
    results(s, &(uint8_t){ s->locked ? 0x10 : 0 }, 1);
}

static void cmd_dump(Fdc *s)
{
    uint8_t r[10] = { s->drive[0].track, s->drive[1].track, 0, 0, s->specify[0], s->specify[1], s->eot,
                      (uint8_t)((s->locked ? 0x80 : 0) | s->perpendicular), s->config[1], s->config[2] };

    results(s, r, sizeof(r));
}

static void cmd_version(Fdc *s)
{
    results(s, &(uint8_t){ VERSION_ENHANCED }, 1);
}

static void cmd_part_id(Fdc *s)
{
    results(s, &(uint8_t){ PART_ID }, 1);
}

static void cmd_invalid(Fdc *s)
{
    results(s, &(uint8_t){ INVALID }, 1);
}

static const FdcCommand commands_of_fdc[] = {     /* table 5-1; bits 7 to 5 are MT, MFM and SK where the mask leaves them out */
    { 0x06, 0x1f, 8, cmd_read, "READ DATA" },       { 0x0c, 0x1f, 8, cmd_read, "READ DELETED DATA" },
    { 0x05, 0x3f, 8, cmd_write, "WRITE DATA" },     { 0x09, 0x3f, 8, cmd_write, "WRITE DELETED DATA" },
    { 0x02, 0x9f, 8, cmd_read_track, "READ TRACK" },     { 0x16, 0x1f, 8, cmd_verify, "VERIFY" },
    { 0x0d, 0xbf, 5, cmd_format, "FORMAT TRACK" },  { 0x0a, 0xbf, 1, cmd_read_id, "READ ID" },
    { 0x07, 0xff, 1, cmd_recalibrate, "RECALIBRATE" },   { 0x08, 0xff, 0, cmd_sense_interrupt, "SENSE INTERRUPT STATUS" },
    { 0x03, 0xff, 2, cmd_specify, "SPECIFY" },      { 0x04, 0xff, 1, cmd_sense_drive, "SENSE DRIVE STATUS" },
    { 0x0f, 0xff, 2, cmd_seek, "SEEK" },            { 0x8f, 0xbf, 2, cmd_relative_seek, "RELATIVE SEEK" },
    { 0x13, 0xff, 3, cmd_configure, "CONFIGURE" },  { 0x0e, 0xff, 0, cmd_dump, "DUMPREG" },
    { 0x12, 0xff, 1, cmd_perpendicular, "PERPENDICULAR MODE" },   { 0x14, 0x7f, 0, cmd_lock, "LOCK" },
    { 0x10, 0xff, 0, cmd_version, "VERSION" },      { 0x18, 0xff, 0, cmd_part_id, "PART ID" },
    { 0, 0, 0, cmd_invalid, "INVALID" },
};

static const FdcCommand *command_of(uint8_t byte)
{
    const FdcCommand *c = commands_of_fdc;

    while ((byte & c->mask) != c->code) {
        c++;
    }
    return c;
}

static void fifo_write(Fdc *s, uint8_t val)
{
    const FdcCommand *c;

    if (s->phase == PH_DATA && !uses_dma(s) && s->xfer != XF_READ) {
        data_write(s, val);
        return;
    }
    if (s->phase != PH_IDLE && s->phase != PH_COMMAND) {
        guest_error(s, "a byte for the FIFO in the middle of a command");
        return;
    }
    if (s->phase == PH_IDLE) {
        s->n_cmd = 0;
        s->n_params = command_of(val)->params;
        s->phase = PH_COMMAND;
    }
    s->cmd[s->n_cmd++] = val;
    if (s->n_cmd > s->n_params) {
        c = command_of(s->cmd[0]);
        s->phase = PH_IO;
        c->run(s);
    }
}

static uint8_t fifo_read(Fdc *s)
{
    uint8_t v;

    if (s->phase == PH_DATA && !uses_dma(s) && s->xfer == XF_READ) {
        return data_read(s);
    }
    if (s->phase != PH_RESULT) {
        return 0;
    }
    v = s->result[s->at_result];
    interrupt(s, false);
    if (++s->at_result >= s->n_result) {
        idle(s);
    }
    return v;
}

/* ---- registers: chapter 2 ---- */

static void soft_reset(Fdc *s)
{
    abandon(s);
    timer_stop(&s->timer);
    interrupt(s, false);
    idle(s);
    s->sense = 0;
    s->eot = 0;
    s->perpendicular &= 0x3c;
    if (!s->locked) {
        s->config[0] = s->config[2] = 0;
        s->config[1] = 0x20;          /* FIFO off */
    }
}

/* Out of reset: drive polling finds that all four changed their state, which SENSE INTERRUPT tells one by one. */
static void wake_up(Fdc *s)
{
    for (unsigned n = 0; n < 4; n++) {
        s->st0[n] = (uint8_t)(ST0_POLLED | n);
    }
    s->sense = 0xf;
    timer_arm(&s->timer, time_now(s->dev.machine, TIME_GUEST) + RESET_DELAY_NS);
}

static void timer_over(void *dev)
{
    Fdc *s = dev;

    if (s->sense) {
        interrupt(s, true);
    }
}

static void dor_written(Fdc *s, uint8_t val)
{
    uint8_t old = s->dor;

    s->dor = val;
    if (!(val & DOR_RUN)) {
        soft_reset(s);
    } else if (!(old & DOR_RUN)) {
        wake_up(s);
    }
    if (!(val & DOR_DMA)) {
        interrupt(s, false);
    }
}

static uint8_t msr(const Fdc *s)
{
    uint8_t v = 0;

    if (!(s->dor & DOR_RUN)) {
        return 0;
    }
    switch (s->phase) {
    case PH_IDLE:    v = MSR_RQM; break;
    case PH_COMMAND: v = MSR_RQM | MSR_BUSY; break;
    case PH_IO:      v = MSR_BUSY; break;
    case PH_RESULT:  v = MSR_RQM | MSR_DIO | MSR_BUSY; break;
    case PH_DATA:
        v = MSR_BUSY;
        if (!uses_dma(s)) {
            v |= MSR_RQM | MSR_NONDMA | (s->xfer == XF_READ ? MSR_DIO : 0);
        }
        break;
    }
    return v;
}

static uint64_t fdc_read(void *dev, hwaddr off, unsigned size)
{
    Fdc *s = dev;

    switch (off) {
    case SRA:     return s->irq.level ? SRA_PENDING : 0;
    case SRB:     return 0xc0 | (s->dor & 1 ? 0x20 : 0) | (s->dor >> 4 & 3);
    case DOR:     return s->dor;
    case TDR:     return s->tdr;
    case MSR_DSR: return msr(s);
    case FIFO:    return fifo_read(s);
    default:      return 0xff;
    }
}

static void fdc_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Fdc *s = dev;

    switch (off) {
    case DOR:
        dor_written(s, (uint8_t)val);
        break;
    case TDR:
        s->tdr = val & 3;
        break;
    case MSR_DSR:
        s->dsr = (uint8_t)val & ~DSR_RESET;
        s->ccr = val & 3;
        if ((val & DSR_RESET) && (s->dor & DOR_RUN)) {
            soft_reset(s);
            wake_up(s);
        }
        break;
    case FIFO:
        if (s->dor & DOR_RUN) {
            fifo_write(s, (uint8_t)val);
        }
        break;
    default:
        break;
    }
}

static uint64_t dir_read(void *dev, hwaddr off, unsigned size)
{
    Fdc         *s = dev;
    FloppyDrive *d = unit(s, s->dor & DOR_SELECT);
    bool         motor = s->dor & DOR_MOTOR << (s->dor & DOR_SELECT);

    return d && d->drive && motor && d->changed ? DIR_CHANGED : 0;
}

static void ccr_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Fdc *s = dev;

    s->ccr = val & 3;
    s->dsr = (uint8_t)((s->dsr & ~3) | (val & 3));
}

static const MmioOps fdc_ops = { .read = fdc_read, .write = fdc_write, .min = 1, .max = 1 };
static const MmioOps dir_ops = { .read = dir_read, .write = ccr_write, .min = 1, .max = 1 };

/* ---- life ---- */

static void medium_changed(void *dev)
{
    Fdc *s = dev;

    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        FloppyDrive *d = &s->drive[i];
        if (d->drive && d->drive->changed) {
            d->drive->changed = false;
            floppy_look(d);
        }
    }
}

static bool fdc_realize(void *dev, GError **err)
{
    Fdc *s = dev;

    timer_init(&s->timer, s->dev.machine, TIME_GUEST, timer_over, s);
    region_init_io(&s->ports, "fdc", &fdc_ops, s, 6);
    region_init_io(&s->dir, "fdc dir", &dir_ops, s, 1);
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        FloppyDrive *d = &s->drive[i];
        if (!d->drive) {
            continue;
        }
        if (!drive_claim(d->drive, s, err)) {
            return false;
        }
        d->drive->on_change = medium_changed;
        d->kind = floppy_kind_for(d->drive);
        floppy_look(d);
        if (d->drive->node && !d->format) {
            return fail(err, "drive %s: %s is larger than any diskette", d->drive->id, d->drive->node->name);
        }
    }
    return isa_irq(s, &s->irq, FDC_IRQ, err) && isa_map(s, &s->ports, FDC_PORT, err) &&
           isa_map(s, &s->dir, FDC_PORT + DIR_CCR, err);
}

static void fdc_unrealize(void *dev)
{
    Fdc *s = dev;

    abandon(s);
    timer_stop(&s->timer);
}

static void fdc_reset(void *dev)
{
    Fdc *s = dev;

    s->dor = DOR_RUN | DOR_DMA;       /* as firmware finds it; its own reset follows */
    s->locked = false;
    s->tdr = s->dsr = s->ccr = 0;
    s->perpendicular = 0;
    memset(s->specify, 0, sizeof(s->specify));
    memset(s->cmd, 0, sizeof(s->cmd));
    memset(s->result, 0, sizeof(s->result));
    memset(s->buf, 0, sizeof(s->buf));
    memset(s->st0, 0, sizeof(s->st0));
    s->xfer = s->unit = s->track = s->head = s->side = s->sector = s->size_code = s->formatted = 0;
    s->multi_track = s->dma_over = false;
    s->pos = 0;
    s->config[0] = s->config[1] = s->config[2] = 0;
    soft_reset(s);
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        s->drive[i].track = 0;
        s->drive[i].changed = s->drive[i].drive != NULL;
    }
}

static bool fdc_restored(void *dev, GError **err)
{
    Fdc *s = dev;

    s->req = NULL;
    if (s->n_cmd > PARAMS || s->n_params >= PARAMS || s->n_result > RESULTS || (s->phase == PH_RESULT && s->at_result >= s->n_result) ||
        (s->phase == PH_COMMAND && (!s->n_cmd || s->n_cmd > s->n_params)) || s->pos >= FDC_SECTOR) {
        return fail(err, "isa-fdc: a command in the making does not add up");
    }
    if (s->phase == PH_IO) {
        idle(s);                      /* nothing is in flight in a saved machine */
    }
    if (s->phase == PH_DATA && (s->unit >= FDC_DRIVES || !floppy_present(&s->drive[s->unit]))) {
        return fail(err, "isa-fdc: a transfer is under way with a drive that has no medium here");
    }
    return true;
}

void *fdc_create(Machine *m, Bus *isa, void *dma, Drive *drives[FDC_DRIVES], GError **err)
{
    Fdc *s = device_new(m, isa, "isa-fdc", NULL, err);

    if (!s || !dma_attach(dma, FDC_DMA, &(DmaUser){ .ready = channel_open, .dev = s }, err)) {
        return NULL;
    }
    s->dma = dma;
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        s->drive[i].drive = drives[i];
    }
    return device_realize(s, err) ? s : NULL;
}

uint8_t fdc_cmos_types(void *fdc)
{
    Fdc *s = fdc;

    return (uint8_t)(s->drive[0].kind << 4 | s->drive[1].kind);
}

static const Field drive_fields[] = {
    STATE(FloppyDrive, track, .max = FDC_TRACKS_MAX - 1), STATE(FloppyDrive, changed), FIELD_END
};

static const Field fdc_fields[] = {
    STATE_IRQ(Fdc, irq), STATE_STRUCT(Fdc, drive, FloppyDrive, drive_fields),
    STATE(Fdc, dor), STATE(Fdc, tdr), STATE(Fdc, dsr), STATE(Fdc, ccr, .max = 3), STATE(Fdc, phase, .max = PH_RESULT),
    STATE_ARRAY(Fdc, cmd), STATE(Fdc, n_cmd), STATE(Fdc, n_params), STATE_ARRAY(Fdc, result), STATE(Fdc, n_result),
    STATE(Fdc, at_result), STATE_ARRAY(Fdc, st0), STATE(Fdc, sense, .max = 15), STATE_ARRAY(Fdc, specify),
    STATE_ARRAY(Fdc, config), STATE(Fdc, perpendicular), STATE(Fdc, locked), STATE(Fdc, xfer, .max = XF_FORMAT),
    STATE(Fdc, unit, .max = 3), STATE(Fdc, track), STATE(Fdc, head, .max = 1), STATE(Fdc, side, .max = 1), STATE(Fdc, sector), STATE(Fdc, eot),
    STATE(Fdc, size_code), STATE(Fdc, formatted), STATE(Fdc, multi_track), STATE(Fdc, dma_over), STATE(Fdc, pos, .max = FDC_SECTOR - 1),
    STATE_ARRAY(Fdc, buf), STATE_TIMER(Fdc, timer),
    FIELD_END
};

const DeviceClass fdc_class = {
    .name = "isa-fdc",
    .desc = "82077AA floppy controller",
    .spec = "Intel 82077AA (290166-007)",
    .bus = "isa",
    .size = sizeof(Fdc),
    .fields = fdc_fields,
    .realize = fdc_realize,
    .unrealize = fdc_unrealize,
    .reset = fdc_reset,
    .restored = fdc_restored,
};
