/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive.c -- what a disk and a CD-ROM have in common: DRQ blocks, requests to the medium, DMA
 * through the PRD table.
 *
 * Spec: ATA/ATAPI-7 volume 2, chapter 11 (protocols); Programming Interface for Bus Master IDE
 *   Controller 1.0.
 * Omits: nothing.
 * Threads: with the machine lock; completions of requests in the main context.
 */
#include "hw/ide/ide_int.h"
#include "core/trace.h"
#include <errno.h>
#include <string.h>

/* ---- DRQ blocks and the end of a command ---- */
void ide_finish(IdeDrive *d)
{
    d->phase = PH_IDLE;
    d->xfer = XF_NONE;
    d->filled = 0;
    d->status = ST_OK;
    ide_raise(d);
}

void ide_fail(IdeDrive *d, uint8_t error)
{
    d->phase = PH_IDLE;
    d->xfer = XF_NONE;
    d->filled = 0;
    d->error = error;
    d->status = ST_OK | ST_ERR;
    ide_raise(d);
}

void ide_present(IdeDrive *d, uint32_t bytes, bool interrupt)
{
    d->phase = PH_IN;
    d->block_end = MIN(d->pos + bytes, PIO_BYTES);
    d->status = ST_OK | ST_DRQ;
    if (interrupt) {
        ide_raise(d);
    }
}

void ide_request(IdeDrive *d, uint32_t bytes, bool interrupt)
{
    d->phase = PH_OUT;
    d->block_end = MIN(d->pos + bytes, PIO_BYTES);
    d->status = ST_OK | ST_DRQ;
    if (interrupt) {
        ide_raise(d);
    }
}

void ide_words(uint8_t *out, const char *text, unsigned n)
{
    size_t len = strlen(text);
    for (unsigned i = 0; i < n; i++) {
        out[i ^ 1] = i < len ? (uint8_t)text[i] : ' ';
    }
}

void ide_serial(const IdeDrive *d, uint8_t *out)
{
    char made_up[12];
    g_snprintf(made_up, sizeof(made_up), "RY%05u", d->ch->index * 2 + d->unit + 1);
    ide_words(out,
              d->serial                      ? d->serial
              : d->drive && d->drive->serial ? d->drive->serial
                                             : made_up,
              20);
}

/* ---- requests to the medium ---- */
uint8_t *ide_buffer(IdeDrive *d)
{
    if (!d->bounce) {
        d->bounce = g_aligned_alloc0(1, IO_BYTES, 4096);
    }
    return d->bounce;
}

static void io_done(BlockReq *req, int result)
{
    IdeReq *r = (IdeReq *)req;
    IdeDrive *d = r->d;
    if (!d) {                         /* abandoned: nobody waits */
        g_aligned_free(r->buf);
        g_free(r);
        return;
    }
    d->req = NULL;
    d->bounce = r->buf;
    d->phase = PH_IDLE;
    r->done(d, r->buf, result);
    g_free(r);
}

void ide_io(IdeDrive *d, BlockOp op, uint64_t offset, uint64_t n,
            void (*done)(IdeDrive *d, uint8_t *buf, int result))
{
    IdeReq *r = g_new0(IdeReq, 1);
    r->d = d;
    r->buf = ide_buffer(d);
    r->done = done;
    r->iov = (struct iovec){ r->buf, (size_t)MIN(n, IO_BYTES) };
    r->req = (BlockReq){ .op = op, .offset = offset, .length = n, .iov = &r->iov,
                         .n_iov = op == BLK_READ || op == BLK_WRITE, .done = io_done };
    d->bounce = NULL;
    d->req = r;
    d->phase = PH_IO;
    d->status = ST_BSY;
    block_submit(d->drive->node, &r->req);
}

/* The buffer goes with the request: what it still does touches nothing of the drive. */
void ide_stop(IdeDrive *d)
{
    if (d->req) {
        d->req->d = NULL;
        d->req = NULL;
        d->bounce = NULL;
    }
    d->phase = PH_IDLE;
    d->xfer = XF_NONE;
    d->left = d->filled = 0;
    d->status &= (uint8_t)~(ST_BSY | ST_DRQ);
    if (d->ch) {
        d->ch->bm_status &= (uint8_t)~BM_ACTIVE;
    }
}

/* ---- the bus master ---- */
static bool running(const IdeChannel *ch)
{
    return (ch->bm_cmd & BM_START) && (ch->bm_status & BM_ACTIVE);
}

void ide_want_dma(IdeDrive *d)
{
    d->phase = PH_DMA;
    d->status = ST_OK | ST_DRQ;
    if (running(d->ch)) {
        d->ops->dma(d);
    }
}

/* One entry: u32 address, u16 byte count (0: 64 KiB), u16 flags (15: the last). */
static bool next_region(IdeChannel *ch)
{
    uint8_t e[8];
    IdePrd *p = &ch->prd;
    if (p->last || as_read(ch->dma_of(ch), p->next, e, sizeof(e)) != MEM_OK) {
        return false;
    }
    uint32_t n = (uint32_t)(e[4] | e[5] << 8) & 0xfffe;
    p->at =
        ((uint32_t)e[0] | (uint32_t)e[1] << 8 | (uint32_t)e[2] << 16 | (uint32_t)e[3] << 24) & ~1u;
    p->left = n ? n : 0x10000;
    p->last = e[7] & 0x80;
    p->next += 8;
    return true;
}

bool ide_dma_copy(IdeDrive *d, uint8_t *buf, uint32_t n, bool to_memory)
{
    IdeChannel *ch = d->ch;
    IdePrd *p = &ch->prd;
    AddressSpace *as = ch->dma_of(ch);
    while (n) {
        if (!p->left && !next_region(ch)) {
            /* too short: no interrupt, the drive keeps DRQ */
            ch->bm_status &= (uint8_t)~BM_ACTIVE;
            d->status = ST_OK | ST_DRQ;
            return false;
        }
        uint32_t now = MIN(n, p->left);
        trace_ide_dma(d->dev.path, p->at, now, to_memory);
        MemResult res = to_memory ? as_write(as, p->at, buf, now) : as_read(as, p->at, buf, now);
        if (res != MEM_OK) {
            ch->bm_status = (uint8_t)((ch->bm_status & ~BM_ACTIVE) | BM_ERROR);
            guest_error(d, "DMA of %u bytes at 0x%x fails", now, p->at);
            ide_fail(d, ER_ABRT);
            return false;
        }
        buf += now;
        n -= now;
        p->at += now;
        p->left -= now;
    }
    return true;
}

void ide_dma_end(IdeDrive *d)
{
    IdeChannel *ch = d->ch;
    if (ch->prd.last && !ch->prd.left) {
        ch->bm_status &= (uint8_t)~BM_ACTIVE;
    }
}

/* ---- life ---- */
bool ide_drive_realize(IdeDrive *d, const IdeDriveOps *ops, GError **err)
{
    d->ops = ops;
    if (d->drive && !drive_claim(d->drive, d, err)) {
        return false;
    }
    if (d->serial && strlen(d->serial) > 20) {
        return fail(err, "device %s: serial=%s is longer than 20 characters", d->dev.class->name,
                    d->serial);
    }
    if (d->model && strlen(d->model) > 40) {
        return fail(err, "device %s: model=%s is longer than 40 characters", d->dev.class->name,
                    d->model);
    }
    return true;
}

void ide_drive_unrealize(void *dev)
{
    IdeDrive *d = dev;
    ide_stop(d);
    if (d->drive && d->drive->user == d) {
        d->drive->user = NULL;
        d->drive->on_change = d->drive->on_resize = NULL;
    }
    if (d->bounce) {
        g_aligned_free(d->bounce);
        d->bounce = NULL;
    }
}

void ide_drive_reset(void *dev)
{
    IdeDrive *d = dev;
    ide_stop(d);
    d->intrq = false;
    d->feature = d->hob_feature = d->hob_nsector = d->hob_sector = d->hob_lcyl = d->hob_hcyl = 0;
    d->command = 0;
    d->ops->reset(d);
    d->ops->signature(d);
    d->error = 1;
}

/*
 * pos, block_end and filled are about pio while the guest moves it, or the bus master will; else
 * they are what a transfer left.
 */
bool ide_drive_restored(void *dev, GError **err)
{
    IdeDrive *d = dev;
    bool moves = d->phase == PH_IN || d->phase == PH_OUT, busy = d->phase != PH_IDLE;
    bool in_pio = moves || (busy && d->xfer != XF_READ && d->xfer != XF_WRITE);

    if ((moves && (d->pos > d->block_end || d->block_end > d->filled + d->block_bytes)) ||
        (busy && !d->block_bytes) || (in_pio && d->filled > PIO_BYTES)) {
        return fail(err, "%s: the saved transfer position is impossible", d->dev.path);
    }
    d->filled = d->filled > PIO_BYTES ? 0 : d->filled;
    return true;
}
