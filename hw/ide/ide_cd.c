/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_cd.c -- an ATAPI CD-ROM drive: the PACKET protocol, and the ATA commands such a drive knows.
 *
 * Spec: ATA/ATAPI-7 volume 1, 6.24 (PACKET) and 6.16 (IDENTIFY PACKET DEVICE); volume 2, 11.7 and
 *   11.8.  The packets themselves are in atapi.c.
 * Omits: overlapped commands, writing.
 * Threads: with the machine lock; completions of requests in the main context.
 */
#include "hw/ide/atapi.h"
#include <string.h>

enum { IR_COD = 1, IR_IO = 2, PACKET_BYTES = 12, FEATURE_DMA = 1 };

void cd_finish(IdeDrive *d)
{
    d->nsector = IR_COD | IR_IO;
    d->sense_key = d->asc = d->ascq = 0;
    ide_finish(d);
}

void cd_check_condition(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq)
{
    d->sense_key = key;
    d->asc = asc;
    d->ascq = ascq;
    d->nsector = IR_COD | IR_IO;
    d->ch->bm_status &= (uint8_t)~BM_ACTIVE;
    ide_fail(d, (uint8_t)(key << 4));
}

/* ---- data to the guest ---- */
/* One DRQ block: at most what the guest said, and an even number of bytes unless it is the last. */
static void present_block(IdeDrive *d)
{
    uint32_t most = d->byte_limit == 0 || d->byte_limit == 0xffff ? 0xfffe : d->byte_limit,
             n = d->filled - d->pos;
    if (n > most) {
        n = most > 1 ? most & ~1u : 1;
    }
    d->lcyl = (uint8_t)n;
    d->hcyl = (uint8_t)(n >> 8);
    d->nsector = IR_IO;
    ide_present(d, n, true);
}

static void medium_error(IdeDrive *d)
{
    cd_check_condition(d, SENSE_MEDIUM, 0x11, 0x00);
}

static void pio_filled(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        medium_error(d);
        return;
    }
    memcpy(d->pio, buf, d->filled);
    d->pos = 0;
    present_block(d);
}

static void dma_filled(IdeDrive *d, uint8_t *buf, int result);

static void read_more(IdeDrive *d)
{
    uint32_t most = (d->use_dma ? IO_BYTES : PIO_BYTES) / CD_SECTOR, n = MIN(d->left, most);
    uint64_t at = d->lba * CD_SECTOR, bytes = (uint64_t)n * CD_SECTOR;
    d->filled = (uint32_t)bytes;
    d->lba += n;
    d->left -= n;
    ide_io(d, BLK_READ, at, bytes, d->use_dma ? dma_filled : pio_filled);
}

static void cd_dma_end(IdeDrive *d)
{
    ide_dma_end(d);
    cd_finish(d);
}

static void dma_filled(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        medium_error(d);
    } else if (ide_dma_copy(d, buf, d->filled, true)) {
        if (d->left) {
            read_more(d);
        } else {
            cd_dma_end(d);
        }
    }
}

static void cd_dma(IdeDrive *d)
{
    if (d->xfer == XF_READ) {
        read_more(d);
    } else if (ide_dma_copy(d, d->pio, d->filled, true)) {
        cd_dma_end(d);
    }
}

void cd_reply(IdeDrive *d, uint32_t n, uint32_t allocated)
{
    d->filled = MIN(n, allocated);
    d->pos = 0;
    d->left = 0;
    d->xfer = XF_REPLY;
    if (!d->filled) {
        cd_finish(d);
    } else if (d->use_dma) {
        ide_want_dma(d);
    } else {
        present_block(d);
    }
}

void cd_read(IdeDrive *d, uint64_t lba, uint32_t n)
{
    uint64_t total = cd_blocks(d);
    if (lba > total || n > total - lba) {
        cd_check_condition(d, SENSE_ILLEGAL, 0x21, 0x00);
        return;
    }
    if (!n) {
        cd_finish(d);
        return;
    }
    d->lba = lba;
    d->left = n;
    d->xfer = XF_READ;
    if (d->use_dma) {
        ide_want_dma(d);
    } else {
        read_more(d);
    }
}

static void cd_block_in(IdeDrive *d)
{
    if (d->xfer != XF_REPLY && d->xfer != XF_READ) {    /* IDENTIFY: no interrupt at its end */
        d->phase = PH_IDLE;
        d->status = ST_OK;
    } else if (d->pos < d->filled) {
        present_block(d);
    } else if (d->left) {
        read_more(d);
    } else {
        cd_finish(d);
    }
}

static void cd_block_out(IdeDrive *d)
{
    memcpy(d->packet, d->pio, PACKET_BYTES);
    d->phase = PH_IDLE;
    d->xfer = XF_NONE;
    d->status = ST_OK;
    d->pos = d->filled = 0;
    atapi_packet(d);
}

/* ---- ATA commands ---- */
static void run_packet(IdeDrive *d)
{
    if (d->feature & 2) {
        ide_fail(d, ER_ABRT);
        return;
    }
    d->use_dma = d->feature & FEATURE_DMA;
    d->byte_limit = (uint16_t)(d->lcyl | d->hcyl << 8);
    d->nsector = IR_COD;
    d->pos = 0;
    d->filled = d->block_bytes = PACKET_BYTES;
    d->xfer = XF_PACKET;
    ide_request(d, PACKET_BYTES, false);
}

static void put_word(uint8_t *p, unsigned word, unsigned val)
{
    p[word * 2] = (uint8_t)val;
    p[word * 2 + 1] = (uint8_t)(val >> 8);
}

static void run_identify(IdeDrive *d)
{
    static const struct {
        uint8_t  word;
        uint16_t val;
    } fixed[] = {
        { 0, 0x85c0 },    /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
        { 20, 3 }, { 21, 512 }, { 22, 4 }, { 48, 1 }, { 49, 0x0b00 }, { 53, 7 }, { 64, 3 },
        { 65, 120 }, { 66, 120 }, { 67, 120 }, { 68, 120 },
        { 71, 30 }, { 72, 30 }, { 80, 0x00f0 }, { 81, 0x0016 },
        { 82, 0x4210 }, { 83, 0x4000 }, { 84, 0x4000 },
        { 85, 0x4210 }, { 87, 0x4000 }, { 93, 0x600b },
    };
    uint8_t *p = d->pio;
    memset(p, 0, SECTOR);
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        put_word(p, fixed[i].word, fixed[i].val);
    }
    ide_serial(d, p + 20);
    ide_words(p + 46, "1.0", 8);
    ide_words(p + 54, d->model ? d->model : "RYOKAN DVD-ROM", 40);
    put_word(p, 63, 0x07u | (d->dma_mode >> 3 == 4 ? 0x100u << (d->dma_mode & 7) : 0));
    put_word(p, 88, 0x3fu | (d->dma_mode >> 3 == 8 ? 0x100u << (d->dma_mode & 7) : 0));
    d->pos = 0;
    d->filled = d->block_bytes = SECTOR;
    ide_present(d, SECTOR, true);
}

static void cd_signature(IdeDrive *d)
{
    d->nsector = d->sector = 1;
    d->lcyl = 0x14;
    d->hcyl = 0xeb;
    d->select = (uint8_t)(0xa0 | (d->unit == 1 ? DEV_1 : 0));
    d->status = 0;
}

static void run_signature_abort(IdeDrive *d)
{
    uint8_t select = d->select;
    /* 6.17.7: IDENTIFY DEVICE and READ SECTORS show the signature */
    cd_signature(d);
    d->select = select;
    ide_fail(d, ER_ABRT);
}

static void run_device_reset(IdeDrive *d)
{
    ide_stop(d);
    cd_signature(d);
    d->error = 1;
}

static void run_features(IdeDrive *d)
{
    bool mode = d->feature == 0x03 &&
                (d->nsector >> 3 <= 1 || (d->nsector >> 3 == 4 && (d->nsector & 7) <= 2) ||
                 (d->nsector >> 3 == 8 && (d->nsector & 7) <= 5));
    if (d->feature == 0x03 ? !mode : d->feature != 0x66 && d->feature != 0xcc) {
        ide_fail(d, ER_ABRT);
        return;
    }
    if (mode && d->nsector >> 3 > 1) {
        d->dma_mode = d->nsector;
    }
    ide_finish(d);
}

static void run_power_mode(IdeDrive *d)
{
    d->nsector = 0xff;
    ide_finish(d);
}

static const struct {
    uint8_t first, last;
    void  (*run)(IdeDrive *d);
} commands[] = {
    { 0x08, 0x08, run_device_reset },
    { 0x20, 0x20, run_signature_abort }, { 0xa0, 0xa0, run_packet },
    { 0xa1, 0xa1, run_identify }, { 0xe0, 0xe3, ide_finish },
    { 0xe5, 0xe5, run_power_mode }, { 0xe6, 0xe7, ide_finish },
    { 0xec, 0xec, run_signature_abort }, { 0xef, 0xef, run_features },
};

static void cd_command(IdeDrive *d, uint8_t cmd)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (cmd >= commands[i].first && cmd <= commands[i].last) {
            commands[i].run(d);
            return;
        }
    }
    ide_fail(d, ER_ABRT);
}

static void cd_reset(IdeDrive *d)
{
    d->dma_mode = 0x45;
    d->sense_key = d->asc = d->ascq = 0;
    d->locked = false;
    if (d->drive) {
        d->drive->locked = false;
    }
    d->use_dma = false;
}

static const IdeDriveOps cd_ops = {
    .command = cd_command, .block_in = cd_block_in,
    .block_out = cd_block_out, .dma = cd_dma, .signature = cd_signature,
    .reset = cd_reset,
};

/*
 * Another medium, or none: a transfer from the old one ends; the guest hears of the new one by a
 * unit attention.
 */
static void cd_changed(void *dev)
{
    IdeDrive *d = dev;
    d->drive->changed = false;
    if (d->phase != PH_IDLE && d->xfer == XF_READ) {
        ide_stop(d);
        cd_check_condition(d, SENSE_NOT_READY, 0x3a, 0x02);
    }
    d->tray_open = d->drive->tray_open;
    d->attention = d->drive->node && !d->tray_open;
    d->event = d->attention ? EVENT_NEW_MEDIA : EVENT_REMOVED;
}

static bool cd_realize(void *dev, GError **err)
{
    IdeDrive *d = dev;
    cd_reset(d);
    if (d->drive) {
        d->drive->on_change = cd_changed;
    }
    return ide_drive_realize(d, &cd_ops, err);
}

static bool cd_restored(void *dev, GError **err)
{
    IdeDrive *d = dev;
    uint64_t total = cd_blocks(d);
    if (d->drive) {
        d->drive->locked = d->locked;
        d->drive->tray_open = d->tray_open;
    }
    if (d->left && (d->lba > total || d->left > total - d->lba)) {
        return fail(err, "%s: the saved transfer lies outside of the medium", d->dev.path);
    }
    return ide_drive_restored(dev, err);
}

static const Field cd_fields[] = {
    IDE_DRIVE_FIELDS,
    STATE(IdeDrive, dma_mode), STATE(IdeDrive, sense_key),
    STATE(IdeDrive, asc), STATE(IdeDrive, ascq), STATE(IdeDrive, event),
    STATE(IdeDrive, locked), STATE(IdeDrive, tray_open), STATE(IdeDrive, attention),
    STATE(IdeDrive, byte_limit), STATE_ARRAY(IdeDrive, packet),
    FIELD_END
};

const DeviceClass ide_cd_class = {
    .name = "ide-cd",
    .desc = "ATAPI CD-ROM drive",
    .spec = "ATA/ATAPI-7, MMC-4",
    .bus = "ide",
    .size = sizeof(IdeDrive),
    .fields = cd_fields,
    .realize = cd_realize,
    .unrealize = ide_drive_unrealize,
    .reset = ide_drive_reset,
    .restored = cd_restored,
};
