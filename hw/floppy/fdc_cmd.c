/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_cmd.c -- the floppy controller's commands: phases of the FIFO, sectors by DMA or programmed
 * I/O, seeks.
 *
 * Spec: Intel 82077AA (290166-007) chapters 4 and 5; 82078 (290468) for PART ID.
 * Omits: deleted data marks (all data is plain), scan commands, gaps and CRC errors, sector sizes
 *   other than 512 bytes, SAVE and RESTORE; step and head load times take none.  FORMAT writes its
 *   filler and keeps the geometry.
 * Threads: with the machine lock; completions of requests in the main context.
 */
#include "hw/floppy/fdc_int.h"
#include "core/machine.h"
#include "hw/misc/dma.h"
#include "core/trace.h"
#include <string.h>

enum { VERSION_ENHANCED = 0x90, PART_ID = 0x41, INVALID = 0x80 };
enum { ST0_ABNORMAL = 0x40, ST0_SEEK_END = 0x20, ST0_CHECK = 0x10, ST0_NOT_READY = 8,
       ST0_HEAD = 4 };
enum { ST1_END = 0x80, ST1_CRC = 0x20, ST1_NO_DATA = 4, ST1_PROTECTED = 2, ST1_NO_MARK = 1 };
enum { ST3_PROTECTED = 0x40, ST3_READY = 0x20, ST3_TRACK0 = 0x10, ST3_TWO_SIDED = 8 };
enum { CMD_MT = 0x80, SPECIFY_NONDMA = 1, CONFIG_IMPLIED_SEEK = 0x40, LOCK = 0x80, N_CODE = 2,
       SEEK_NS = 200000 };

typedef struct FdcCommand {
    uint8_t     code, mask;           /* matches (byte & mask) == code */
    uint8_t     params;
    void      (*run)(Fdc *s);
    const char *name;
} FdcCommand;

static void next_sector(Fdc *s);
static void move(Fdc *s);

/* ---- phases ---- */

void fdc_idle(Fdc *s)
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
    uint8_t r[7] = { (uint8_t)(st0 | (s->side ? ST0_HEAD : 0) | s->unit),
                     st1,
                     st2,
                     s->track,
                     s->head,
                     s->sector,
                     s->size_code };

    if (s->dma) {
        dma_request(s->dma, FDC_DMA, false);
    }
    results(s, r, sizeof(r));
    fdc_interrupt(s, true);
}

void fdc_abandon(Fdc *s)
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

FloppyDrive *fdc_unit(Fdc *s, unsigned n)
{
    return n < FDC_DRIVES ? &s->drive[n] : NULL;
}

bool fdc_uses_dma(const Fdc *s)
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

/*
 * One sector from or to the image.  What lies behind a short image's end reads as zeros, and takes
 * no writes.
 */
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
    r->req = (BlockReq){ .op = op, .offset = at, .length = FDC_SECTOR, .iov = &r->iov, .n_iov = 1,
                         .done = io_done };
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
    if (!floppy_present(d) || !(f->rates >> rate & 1) || d->track >= f->tracks ||
        s->head >= f->heads) {
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

/*
 * 5.1.1: the ID after the last sector, as the result phase tells it; true while the command goes
 * on.
 */
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

/*
 * The data phase goes on: as much as the DMA channel takes, or when the CPU reads and writes the
 * FIFO.
 */
static void move(Fdc *s)
{
    unsigned want = s->xfer == XF_FORMAT ? 4 : FDC_SECTOR;

    if (s->xfer == XF_VERIFY) {
        next_sector(s);
        return;
    }
    if (!fdc_uses_dma(s)) {
        fdc_interrupt(s, true);           /* a byte may be had, or is wanted */
        return;
    }
    if (!s->dma) {
        return;
    }
    dma_request(s->dma, FDC_DMA, true);
    s->pos = (uint16_t)(s->pos + dma_transfer(s->dma, FDC_DMA, s->buf + s->pos, want - s->pos,
                                              s->xfer == XF_READ, &s->dma_over));
    if (s->dma_over && s->pos < want && s->xfer != XF_READ) {
        memset(s->buf + s->pos, 0, want - s->pos);       /* a sector is always written whole */
        s->pos = (uint16_t)want;
    }
    if (s->pos < want && !s->dma_over) {
        return;                       /* until the channel is opened */
    }
    dma_request(s->dma, FDC_DMA, false);
    s->pos = 0;
    if (s->xfer == XF_READ) {
        next_sector(s);
    } else {
        sector_filled(s);
    }
}

void fdc_channel_open(void *dev)
{
    Fdc *s = dev;

    if (s->phase == PH_DATA && fdc_uses_dma(s)) {
        move(s);
    }
}

/* Programmed I/O.  There is no terminal count: the command ends at EOT. */
static uint8_t data_read(Fdc *s)
{
    uint8_t v = s->buf[s->pos];

    fdc_interrupt(s, false);
    if (++s->pos == FDC_SECTOR) {
        s->pos = 0;
        next_sector(s);
    } else {
        fdc_interrupt(s, true);
    }
    return v;
}

static void data_write(Fdc *s, uint8_t v)
{
    s->buf[s->pos] = v;
    fdc_interrupt(s, false);
    if (++s->pos == (s->xfer == XF_FORMAT ? 4 : FDC_SECTOR)) {
        s->pos = 0;
        sector_filled(s);
    } else {
        fdc_interrupt(s, true);
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
    FloppyDrive *d = fdc_unit(s, s->unit);

    if (!d || !d->drive) {
        finish(s, ST0_ABNORMAL | ST0_NOT_READY, 0, 0);        /* not ready */
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
    fdc_idle(s);
    timer_arm(&s->timer, time_now(s->dev.machine, TIME_GUEST) + SEEK_NS);
}

static void seek_to(Fdc *s, unsigned n, int track)
{
    FloppyDrive *d = fdc_unit(s, n);
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
    FloppyDrive *d = fdc_unit(s, s->cmd[1] & 3);
    int          at = d ? d->track : 0;

    seek_to(s, s->cmd[1] & 3, s->cmd[0] & 0x40 ? at + s->cmd[2] : at - s->cmd[2]);
}

static void cmd_sense_interrupt(Fdc *s)
{
    for (unsigned n = 0; n < 4; n++) {
        if (s->sense >> n & 1) {
            FloppyDrive *d = fdc_unit(s, n);
            uint8_t      r[2] = { s->st0[n], d ? d->track : 0 };
            s->sense &= (uint8_t)~(1u << n);
            fdc_interrupt(s, false);
            results(s, r, 2);
            return;
        }
    }
    fdc_interrupt(s, false);
    results(s, &(uint8_t){ INVALID }, 1);
}

static void cmd_sense_drive(Fdc *s)
{
    unsigned     n = s->cmd[1] & 3;
    FloppyDrive *d = fdc_unit(s, n);
    uint8_t      st3 = (uint8_t)((s->cmd[1] & 7) | ST3_TWO_SIDED | ST3_READY);

    if (d && d->drive) {
        st3 |= (d->track ? 0 : ST3_TRACK0) |
               (floppy_present(d) && !floppy_writable(d) ? ST3_PROTECTED : 0);
    }
    results(s, &st3, 1);
}

static void cmd_specify(Fdc *s)
{
    memcpy(s->specify, s->cmd + 1, 2);
    fdc_idle(s);
}

static void cmd_configure(Fdc *s)
{
    memcpy(s->config, s->cmd + 1, 3);
    fdc_idle(s);
}

static void cmd_perpendicular(Fdc *s)
{
    s->perpendicular =
        s->cmd[1] & 0x80 ? s->cmd[1] & 0x3f : (s->perpendicular & 0x3c) | (s->cmd[1] & 3);
    fdc_idle(s);
}

static void cmd_lock(Fdc *s)
{
    s->locked = s->cmd[0] & LOCK;
    results(s, &(uint8_t){ s->locked ? 0x10 : 0 }, 1);
}

static void cmd_dump(Fdc *s)
{
    uint8_t r[10] = { s->drive[0].track,
                      s->drive[1].track,
                      0,
                      0,
                      s->specify[0],
                      s->specify[1],
                      s->eot,
                      (uint8_t)((s->locked ? 0x80 : 0) | s->perpendicular),
                      s->config[1],
                      s->config[2] };

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

/* table 5-1; bits 7 to 5 are MT, MFM and SK where the mask leaves them out */
static const FdcCommand commands_of_fdc[] = {
    { 0x06, 0x1f, 8, cmd_read, "READ DATA" }, { 0x0c, 0x1f, 8, cmd_read, "READ DELETED DATA" },
    { 0x05, 0x3f, 8, cmd_write, "WRITE DATA" }, { 0x09, 0x3f, 8, cmd_write, "WRITE DELETED DATA" },
    { 0x02, 0x9f, 8, cmd_read_track, "READ TRACK" },     { 0x16, 0x1f, 8, cmd_verify, "VERIFY" },
    { 0x0d, 0xbf, 5, cmd_format, "FORMAT TRACK" },  { 0x0a, 0xbf, 1, cmd_read_id, "READ ID" },
    { 0x07, 0xff, 1, cmd_recalibrate, "RECALIBRATE" },
    { 0x08, 0xff, 0, cmd_sense_interrupt, "SENSE INTERRUPT STATUS" },
    { 0x03, 0xff, 2, cmd_specify, "SPECIFY" },
    { 0x04, 0xff, 1, cmd_sense_drive, "SENSE DRIVE STATUS" }, { 0x0f, 0xff, 2, cmd_seek, "SEEK" },
    { 0x8f, 0xbf, 2, cmd_relative_seek, "RELATIVE SEEK" },
    { 0x13, 0xff, 3, cmd_configure, "CONFIGURE" }, { 0x0e, 0xff, 0, cmd_dump, "DUMPREG" },
    { 0x12, 0xff, 1, cmd_perpendicular, "PERPENDICULAR MODE" }, { 0x14, 0x7f, 0, cmd_lock, "LOCK" },
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

void fdc_fifo_write(Fdc *s, uint8_t val)
{
    const FdcCommand *c;

    if (s->phase == PH_DATA && !fdc_uses_dma(s) && s->xfer != XF_READ) {
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
        trace_fdc_command(s->cmd[0]);
        s->phase = PH_IO;
        c->run(s);
    }
}

uint8_t fdc_fifo_read(Fdc *s)
{
    uint8_t v;

    if (s->phase == PH_DATA && !fdc_uses_dma(s) && s->xfer == XF_READ) {
        return data_read(s);
    }
    if (s->phase != PH_RESULT) {
        return 0;
    }
    v = s->result[s->at_result];
    fdc_interrupt(s, false);
    if (++s->at_result >= s->n_result) {
        fdc_idle(s);
    }
    return v;
}
