/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_hd.c -- an ATA disk: identity, PIO and DMA transfers, 28 and 48 bit addresses, features,
 * TRIM.
 *
 * Spec: ATA/ATAPI-7 volume 1 (d1532), chapter 6; ATA8-ACS 7.10 (DATA SET MANAGEMENT).
 * Omits: queued commands, security, host protected area changes, CompactFlash and streaming
 *   commands; SMART is a healthy disk without a history; READ LOG EXT.
 * Threads: with the machine lock.
 */
#include "hw/ide/ide_int.h"
#include <string.h>

enum { MULTIPLE_MAX = 16, HEADS = 16, SPT = 63, SMART_LCYL = 0x4f, SMART_HCYL = 0xc2 };
#define LBA28_MAX ((UINT64_C(1) << 28) - 1)

typedef struct AtaCommand AtaCommand;
typedef void AtaRun(IdeDrive *d, const AtaCommand *c);
enum { A_EXT = 1, A_WRITE = 2, A_DMA = 4, A_MULTI = 8, A_MAX = 16 };
struct AtaCommand {
    uint8_t     first, last;
    uint8_t     flags;
    AtaRun     *run;
    const char *name;
};

/* ---- addresses: 28-bit, 48-bit or cylinder/head/sector ---- */
static uint64_t get_lba(const IdeDrive *d)
{
    if (d->ext) {
        return (uint64_t)d->hob_hcyl << 40 | (uint64_t)d->hob_lcyl << 32 |
               (uint64_t)d->hob_sector << 24 | d->hcyl << 16 | d->lcyl << 8 | d->sector;
    }
    if (d->select & DEV_LBA) {
        return (uint64_t)((d->select & 15) << 24 | d->hcyl << 16 | d->lcyl << 8 | d->sector);
    }
    uint64_t cylinder = (uint64_t)(d->hcyl << 8 | d->lcyl);
    return (cylinder * d->heads + (d->select & 15)) * d->spt + d->sector - 1;
}

static void set_lba(IdeDrive *d, uint64_t lba)
{
    if (!d->ext && !(d->select & DEV_LBA)) {
        uint64_t track = lba / d->spt, cylinder = track / d->heads;
        d->sector = (uint8_t)(lba % d->spt + 1);
        d->select = (uint8_t)((d->select & 0xf0) | (track % d->heads & 15));
        d->lcyl = (uint8_t)cylinder;
        d->hcyl = (uint8_t)(cylinder >> 8);
        return;
    }
    d->sector = (uint8_t)lba;
    d->lcyl = (uint8_t)(lba >> 8);
    d->hcyl = (uint8_t)(lba >> 16);
    if (d->ext) {
        d->hob_sector = (uint8_t)(lba >> 24);
        d->hob_lcyl = (uint8_t)(lba >> 32);
        d->hob_hcyl = (uint8_t)(lba >> 40);
    } else {
        d->select = (uint8_t)((d->select & 0xf0) | (lba >> 24 & 15));
    }
}

static uint32_t get_count(const IdeDrive *d)
{
    uint32_t n = d->ext ? (uint32_t)(d->hob_nsector << 8 | d->nsector) : d->nsector;
    return n ? n : d->ext ? 65536 : 256;
}

static void abort_command(IdeDrive *d, const AtaCommand *c)
{
    ide_fail(d, ER_ABRT);
}

static void medium_error(IdeDrive *d)
{
    set_lba(d, d->lba);
    d->ch->bm_status &= (uint8_t)~BM_ACTIVE;
    ide_fail(d, ER_UNC);
}

/* ---- PIO ---- */
static void pio_filled(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        medium_error(d);
        return;
    }
    memcpy(d->pio, buf, d->filled);
    d->lba += d->filled / SECTOR;
    d->left -= d->filled / SECTOR;
    d->pos = 0;
    ide_present(d, MIN(d->block_bytes, d->filled), true);
}

static void pio_read_more(IdeDrive *d)
{
    d->filled = MIN(d->left * SECTOR, PIO_BYTES);
    ide_io(d, BLK_READ, d->lba * SECTOR, d->filled, pio_filled);
}

static void ata_block_in(IdeDrive *d)
{
    if (d->pos < d->filled) {
        ide_present(d, MIN(d->block_bytes, d->filled - d->pos), true);
    } else if (d->xfer == XF_READ && d->left) {
        pio_read_more(d);
    } else {
        d->phase = PH_IDLE;
        d->status = ST_OK;
    }
}

static void pio_write_more(IdeDrive *d, bool interrupt)
{
    d->pos = 0;
    d->filled = MIN(d->left * SECTOR, PIO_BYTES);
    ide_request(d, MIN(d->block_bytes, d->filled), interrupt);
}

static void pio_written(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        medium_error(d);
        return;
    }
    d->lba += d->filled / SECTOR;
    d->left -= d->filled / SECTOR;
    if (d->left) {
        pio_write_more(d, true);
    } else {
        set_lba(d, d->lba - 1);
        ide_finish(d);
    }
}

static void ata_block_out(IdeDrive *d)
{
    if (d->pos < d->filled) {
        ide_request(d, MIN(d->block_bytes, d->filled - d->pos), true);
        return;
    }
    memcpy(ide_buffer(d), d->pio, d->filled);
    ide_io(d, BLK_WRITE, d->lba * SECTOR, d->filled, pio_written);
}

/* ---- DMA ---- */
static void dma_next(IdeDrive *d);

static void dma_advance(IdeDrive *d, uint32_t bytes)
{
    d->lba += bytes / SECTOR;
    d->left -= bytes / SECTOR;
    if (d->left) {
        dma_next(d);
    } else {
        set_lba(d, d->lba - 1);
        ide_dma_end(d);
        ide_finish(d);
    }
}

static void dma_read_done(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        medium_error(d);
    } else if (ide_dma_copy(d, buf, d->filled, true)) {
        dma_advance(d, d->filled);
    }
}

static void dma_write_done(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        medium_error(d);
    } else {
        dma_advance(d, d->filled);
    }
}

static void dma_next(IdeDrive *d)
{
    d->filled = MIN(d->left, IO_BYTES / SECTOR) * SECTOR;
    if (d->xfer == XF_READ) {
        ide_io(d, BLK_READ, d->lba * SECTOR, d->filled, dma_read_done);
    } else if (ide_dma_copy(d, ide_buffer(d), d->filled, false)) {
        ide_io(d, BLK_WRITE, d->lba * SECTOR, d->filled, dma_write_done);
    }
}

/* ---- TRIM: 8-byte ranges, LBA in 47:0 and count in 63:48 ---- */
static void trim_next(IdeDrive *d, uint8_t *unused, int result)
{
    uint32_t end = d->filled;
    while (d->pos + 8 <= end) {
        uint64_t e;
        memcpy(&e, d->pio + d->pos, 8);
        e = GUINT64_FROM_LE(e);
        uint64_t lba = e & ((UINT64_C(1) << 48) - 1), n = e >> 48;
        d->pos += 8;
        if (!n) {
            continue;
        }
        if (lba > d->sectors || n > d->sectors - lba) {
            ide_fail(d, ER_ABRT | ER_IDNF);
            return;
        }
        ide_io(d, BLK_DISCARD, lba * SECTOR, n * SECTOR, trim_next);
        return;
    }
    if (d->left) {
        ide_want_dma(d);
        return;
    }
    ide_dma_end(d);
    ide_finish(d);
}

static void trim_list(IdeDrive *d)
{
    d->filled = MIN(d->left * SECTOR, PIO_BYTES);
    if (ide_dma_copy(d, d->pio, d->filled, false)) {
        d->left -= d->filled / SECTOR;
        d->pos = 0;
        trim_next(d, NULL, 0);
    }
}

static void ata_dma(IdeDrive *d)
{
    if (d->xfer == XF_TRIM) {
        trim_list(d);
    } else {
        dma_next(d);
    }
}

/* ---- commands ---- */
static void run_transfer(IdeDrive *d, const AtaCommand *c)
{
    d->ext = c->flags & A_EXT;
    uint64_t lba = get_lba(d);
    uint32_t n = get_count(d);
    bool bad_chs = !d->ext && !(d->select & DEV_LBA) && (d->sector == 0 || d->sector > d->spt);
    if (!d->drive || !d->drive->node || ((c->flags & A_MULTI) && !d->multiple)) {
        abort_command(d, c);
        return;
    }
    if (bad_chs || lba > d->sectors || n > d->sectors - lba) {
        ide_fail(d, ER_IDNF);
        return;
    }
    if ((c->flags & A_WRITE) && d->drive->node->readonly) {
        abort_command(d, c);
        return;
    }
    d->lba = lba;
    d->left = n;
    d->xfer = c->flags & A_WRITE ? XF_WRITE : XF_READ;
    d->use_dma = c->flags & A_DMA;
    d->block_bytes = (c->flags & A_MULTI ? d->multiple : 1u) * SECTOR;
    if (d->use_dma) {
        ide_want_dma(d);
    } else if (d->xfer == XF_WRITE) {
        pio_write_more(d, false);
    } else {
        pio_read_more(d);
    }
}

static void run_verify(IdeDrive *d, const AtaCommand *c)
{
    d->ext = c->flags & A_EXT;
    uint64_t lba = get_lba(d);
    if (lba > d->sectors || get_count(d) > d->sectors - lba) {
        ide_fail(d, ER_IDNF);
    } else {
        ide_finish(d);
    }
}

static void run_trim(IdeDrive *d, const AtaCommand *c)
{
    d->ext = true;
    if (!(d->feature & 1) || !d->drive || !d->drive->node || d->drive->node->readonly) {
        abort_command(d, c);
        return;
    }
    d->left = get_count(d);
    d->xfer = XF_TRIM;
    d->block_bytes = SECTOR;
    ide_want_dma(d);
}

static void flushed(IdeDrive *d, uint8_t *buf, int result)
{
    if (result) {
        ide_fail(d, ER_ABRT);
    } else {
        ide_finish(d);
    }
}

static void run_flush(IdeDrive *d, const AtaCommand *c)
{
    if (d->drive && d->drive->node) {
        ide_io(d, BLK_FLUSH, 0, 0, flushed);
    } else {
        ide_finish(d);
    }
}

static void run_nothing(IdeDrive *d, const AtaCommand *c)
{
    ide_finish(d);
}

static void run_power_mode(IdeDrive *d, const AtaCommand *c)
{
    d->nsector = 0xff;                /* active or idle */
    ide_finish(d);
}

static void run_multiple(IdeDrive *d, const AtaCommand *c)
{
    if (d->nsector > MULTIPLE_MAX || (d->nsector & (d->nsector - 1))) {
        abort_command(d, c);
        return;
    }
    d->multiple = d->nsector;
    ide_finish(d);
}

static void run_parameters(IdeDrive *d, const AtaCommand *c)
{
    if (!d->nsector) {
        abort_command(d, c);
        return;
    }
    d->spt = d->nsector;
    d->heads = (uint8_t)((d->select & 15) + 1);
    d->cylinders = (uint16_t)MIN(d->sectors / (d->heads * d->spt), 65535);
    ide_finish(d);
}

static void run_native_max(IdeDrive *d, const AtaCommand *c)
{
    uint64_t last = d->sectors ? d->sectors - 1 : 0;
    d->ext = c->flags & A_EXT;
    d->select |= DEV_LBA;
    set_lba(d, d->ext ? last : MIN(last, LBA28_MAX - 1));
    ide_finish(d);
}

static void run_features(IdeDrive *d, const AtaCommand *c)
{
    switch (d->feature) {
    case 0x02: d->write_cache = 1; break;
    case 0x82:
        d->write_cache = 0;
        run_flush(d, c);
        return;
    case 0x03:                        /* transfer mode: 7:3 kind, 2:0 number */
        if (d->nsector >> 3 == 4 && (d->nsector & 7) <= 2) {
            d->dma_mode = d->nsector;
        } else if (d->nsector >> 3 == 8 && (d->nsector & 7) <= 5) {
            d->dma_mode = d->nsector;
        } else if (d->nsector >> 3 > 1) {
            abort_command(d, c);
            return;
        }
        break;
    case 0x05: case 0x85: case 0x42: case 0xc2: case 0x55: case 0xaa: case 0x66: case 0xcc:
        break;                        /* power, acoustics, read-ahead, defaults */
    default:
        abort_command(d, c);
        return;
    }
    ide_finish(d);
}

static void reply(IdeDrive *d, uint32_t bytes)
{
    d->xfer = XF_REPLY;
    d->pos = 0;
    d->filled = d->block_bytes = bytes;
    ide_present(d, bytes, true);
}

static void sum_sector(uint8_t *p)
{
    uint8_t sum = 0;
    for (unsigned i = 0; i < SECTOR - 1; i++) {
        sum += p[i];
    }
    p[SECTOR - 1] = (uint8_t)-sum;
}

static void run_smart(IdeDrive *d, const AtaCommand *c)
{
    if (d->hcyl != SMART_HCYL || d->lcyl != SMART_LCYL || (!d->smart_on && d->feature != 0xd8)) {
        abort_command(d, c);
        return;
    }
    switch (d->feature) {
    case 0xd0: case 0xd1: case 0xd5:  /* attributes, thresholds, logs: all empty */
        memset(d->pio, 0, SECTOR);
        d->pio[0] = d->feature == 0xd5 ? 1 : 0x10;
        sum_sector(d->pio);
        reply(d, SECTOR);
        return;
    case 0xd8: d->smart_on = 1; break;
    case 0xd9: d->smart_on = 0; break;
    /* autosave, self-test, status: the registers stay, which means "healthy" */
    case 0xd2: case 0xd4: case 0xda:
        break;
    default:
        abort_command(d, c);
        return;
    }
    ide_finish(d);
}

/* ---- identity: 6.17, table 17 ---- */
static void put_word(uint8_t *p, unsigned word, uint64_t val)
{
    p[word * 2] = (uint8_t)val;
    p[word * 2 + 1] = (uint8_t)(val >> 8);
}

static void put_wide(uint8_t *p, unsigned word, uint64_t val, unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        put_word(p, word + i, val >> (16 * i));
    }
}

static void identify(IdeDrive *d, uint8_t *p)
{
    static const struct {
        uint8_t  word;
        uint16_t val;
    } fixed[] = {
        { 0, 0x0040 }, { 4, SPT * SECTOR }, { 5, SECTOR },
        { 6, SPT }, { 20, 3 }, { 21, 512 }, { 22, 4 },
        { 47, 0x8000 | MULTIPLE_MAX }, { 48, 1 }, { 49, 0x0b00 },      /* DMA, LBA, IORDY */
        { 51, 0x0200 }, { 52, 0x0200 }, { 53, 0x0007 }, { 64, 3 },
        { 65, 120 }, { 66, 120 }, { 67, 120 }, { 68, 120 },
        { 69, 0x4020 },               /* TRIM is deterministic and reads zeros */
        { 80, 0x00f0 }, { 81, 0x0016 },
        { 82, 0x4021 }, { 83, 0x7400 }, { 84, 0x4000 }, /* NOP, cache, SMART; flush, 48 bits */
        { 87, 0x4000 }, { 93, 0x600b }, { 105, 8 }, { 106, 0x6000 }, { 169, 1 },
    };
    memset(p, 0, SECTOR);
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        put_word(p, fixed[i].word, fixed[i].val);
    }
    uint64_t chs = MIN(d->sectors / (HEADS * SPT), 16383);
    put_word(p, 1, chs);
    put_word(p, 3, HEADS);
    ide_serial(d, p + 20);
    ide_words(p + 46, "1.0", 8);
    ide_words(p + 54, d->model ? d->model : "RYOKAN HARDDISK", 40);
    put_word(p, 54, d->cylinders);
    put_word(p, 55, d->heads);
    put_word(p, 56, d->spt);
    put_wide(p, 57, (uint64_t)d->cylinders * d->heads * d->spt, 2);
    put_word(p, 59, d->multiple ? 0x100u | d->multiple : 0);
    put_wide(p, 60, MIN(d->sectors, LBA28_MAX), 2);
    put_word(p, 63, 0x07u | (d->dma_mode >> 3 == 4 ? 0x100u << (d->dma_mode & 7) : 0));
    put_word(p, 88, 0x3fu | (d->dma_mode >> 3 == 8 ? 0x100u << (d->dma_mode & 7) : 0));
    put_word(p, 85, 0x4000u | (d->write_cache ? 0x20 : 0) | (d->smart_on ? 1 : 0));
    put_word(p, 86, 0x3400);
    put_wide(p, 100, d->sectors, 4);
}

static void run_identify(IdeDrive *d, const AtaCommand *c)
{
    identify(d, d->pio);
    reply(d, SECTOR);
}

/* Opcodes: 6, table 10. */
static const AtaCommand commands[] = {
    { 0x06, 0x06, A_EXT | A_DMA, run_trim, "DATA SET MANAGEMENT" },
    { 0x10, 0x1f, 0, run_nothing, "RECALIBRATE" },
    { 0x20, 0x21, 0, run_transfer, "READ SECTORS" },
    { 0x24, 0x24, A_EXT, run_transfer, "READ SECTORS EXT" },
    { 0x25, 0x25, A_EXT | A_DMA, run_transfer, "READ DMA EXT" },
    { 0x27, 0x27, A_EXT, run_native_max, "READ NATIVE MAX ADDRESS EXT" },
    { 0x29, 0x29, A_EXT | A_MULTI, run_transfer, "READ MULTIPLE EXT" },
    { 0x30, 0x31, A_WRITE, run_transfer, "WRITE SECTORS" },
    { 0x34, 0x34, A_EXT | A_WRITE, run_transfer, "WRITE SECTORS EXT" },
    { 0x35, 0x35, A_EXT | A_WRITE | A_DMA, run_transfer, "WRITE DMA EXT" },
    { 0x39, 0x39, A_EXT | A_WRITE | A_MULTI, run_transfer, "WRITE MULTIPLE EXT" },
    { 0x3c, 0x3c, A_WRITE, run_transfer, "WRITE VERIFY" },
    { 0x40, 0x41, 0, run_verify, "READ VERIFY SECTORS" },
    { 0x42, 0x42, A_EXT, run_verify, "READ VERIFY SECTORS EXT" },
    { 0x70, 0x7f, 0, run_nothing, "SEEK" },
    { 0x91, 0x91, 0, run_parameters, "INITIALIZE DEVICE PARAMETERS" },
    { 0x94, 0x97, 0, run_nothing, "IDLE, STANDBY" },
    { 0x98, 0x98, 0, run_power_mode, "CHECK POWER MODE" },
    { 0x99, 0x99, 0, run_nothing, "SLEEP" },
    { 0xb0, 0xb0, 0, run_smart, "SMART" },
    { 0xc4, 0xc4, A_MULTI, run_transfer, "READ MULTIPLE" },
    { 0xc5, 0xc5, A_WRITE | A_MULTI, run_transfer, "WRITE MULTIPLE" },
    { 0xc6, 0xc6, 0, run_multiple, "SET MULTIPLE MODE" },
    { 0xc8, 0xc9, A_DMA, run_transfer, "READ DMA" },
    { 0xca, 0xcb, A_WRITE | A_DMA, run_transfer, "WRITE DMA" },
    { 0xe0, 0xe3, 0, run_nothing, "STANDBY, IDLE" },
    { 0xe5, 0xe5, 0, run_power_mode, "CHECK POWER MODE" },
    { 0xe6, 0xe6, 0, run_nothing, "SLEEP" },
    { 0xe7, 0xe7, 0, run_flush, "FLUSH CACHE" },
    { 0xea, 0xea, A_EXT, run_flush, "FLUSH CACHE EXT" },
    { 0xec, 0xec, 0, run_identify, "IDENTIFY DEVICE" },
    { 0xef, 0xef, 0, run_features, "SET FEATURES" },
    { 0xf8, 0xf8, 0, run_native_max, "READ NATIVE MAX ADDRESS" },
};

static void ata_command(IdeDrive *d, uint8_t cmd)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (cmd >= commands[i].first && cmd <= commands[i].last) {
            commands[i].run(d, &commands[i]);
            return;
        }
    }
    abort_command(d, NULL);
}

static void ata_signature(IdeDrive *d)
{
    d->nsector = d->sector = 1;
    d->lcyl = d->hcyl = 0;
    d->select = (uint8_t)(0xa0 | (d->unit == 1 ? DEV_1 : 0));
    d->status = ST_OK;
}

static void ata_reset(IdeDrive *d)
{
    d->multiple = MULTIPLE_MAX;
    d->dma_mode = 0x45;               /* Ultra DMA 5 */
    d->heads = HEADS;
    d->spt = SPT;
    d->cylinders = (uint16_t)MIN(d->sectors / (HEADS * SPT), 16383);
    d->smart_on = d->write_cache = 1;
}

static const IdeDriveOps ata_ops = {
    .command = ata_command, .block_in = ata_block_in, .block_out = ata_block_out, .dma = ata_dma,
    .signature = ata_signature, .reset = ata_reset,
};

/* What the guest has under way beyond a new end fails there. */
static void hd_resized(void *dev)
{
    IdeDrive *d = dev;

    d->sectors = d->drive->node->bytes / SECTOR;
}

static bool hd_realize(void *dev, GError **err)
{
    IdeDrive *d = dev;
    if (!ide_drive_realize(d, &ata_ops, err)) {
        return false;
    }
    if (!d->drive) {
        return fail(err, "device ide-hd: a disk needs drive=ID, the id of a -drive if=none");
    }
    if (!d->drive->node) {
        return fail(err, "device ide-hd: drive %s has no medium; a disk needs file=", d->drive->id);
    }
    d->drive->on_resize = hd_resized;
    hd_resized(d);
    ata_reset(d);
    return true;
}

static bool hd_restored(void *dev, GError **err)
{
    IdeDrive *d = dev;
    bool moves = d->xfer == XF_READ || d->xfer == XF_WRITE;
    if (!d->heads || !d->spt || d->multiple > MULTIPLE_MAX ||
        d->block_bytes > MULTIPLE_MAX * SECTOR || d->filled % SECTOR || d->left > 65536 ||
        (moves && (d->lba > d->sectors || d->left > d->sectors - d->lba))) {
        return fail(err, "%s: the saved state is impossible", d->dev.path);
    }
    return ide_drive_restored(dev, err);
}

static const Field hd_fields[] = {
    IDE_DRIVE_FIELDS,
    STATE(IdeDrive, multiple), STATE(IdeDrive, dma_mode),
    STATE(IdeDrive, heads), STATE(IdeDrive, spt),
    STATE(IdeDrive, smart_on), STATE(IdeDrive, write_cache), STATE(IdeDrive, cylinders),
    FIELD_END
};

const DeviceClass ide_hd_class = {
    .name = "ide-hd",
    .desc = "ATA disk",
    .spec = "ATA/ATAPI-7",
    .bus = "ide",
    .size = sizeof(IdeDrive),
    .fields = hd_fields,
    .realize = hd_realize,
    .unrealize = ide_drive_unrealize,
    .reset = ide_drive_reset,
    .restored = hd_restored,
};
