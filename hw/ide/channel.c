/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel.c -- one IDE channel: the task file of two drives, selection, reset, the data port,
 * INTRQ.
 *
 * Spec: ATA/ATAPI-7 volume 1, chapter 5 (register definitions); volume 2, 9.1 and 9.2 (reset), 11
 *   (protocols).
 * Omits: two drives' DASP and PDIAG handshake (both answer at once).
 * Threads: with the machine lock.
 *
 *     offset 0 data   1 error / feature   2 sector count   3-5 LBA low, mid, high   6 device
 *            7 status / command
 *     control port: read alternate status, write device control
 */
#include "core/log.h"
#include "hw/firmware/fw_cfg.h"
#include "hw/ide/ide_int.h"
#include "core/trace.h"

enum { R_DATA, R_ERROR, R_COUNT, R_LOW, R_MID, R_HIGH, R_DEVICE, R_STATUS };
enum { CMD_DEVICE_RESET = 0x08, CMD_DIAGNOSTIC = 0x90, DIAGNOSTIC_GOOD = 0x01 };

static IdeDrive *current(IdeChannel *ch)
{
    return ch->drive[ch->selected];
}

void ide_update_irq(IdeChannel *ch)
{
    IdeDrive *d = current(ch);
    irq_set(&ch->irq, d && d->intrq && !(ch->control & CTL_NIEN));
}

void ide_raise(IdeDrive *d)
{
    IdeChannel *ch = d->ch;
    d->intrq = true;
    if (d == current(ch)) {
        ch->bm_status |= BM_INT;
    }
    ide_update_irq(ch);
}

/* ---- data port ---- */
static void block_over(IdeDrive *d)
{
    if (d->phase == PH_IN) {
        d->ops->block_in(d);
    } else {
        d->ops->block_out(d);
    }
}

static uint64_t data_read(IdeChannel *ch, unsigned size)
{
    IdeDrive *d = current(ch);
    uint64_t val = 0;
    if (!d || d->phase != PH_IN || !(d->status & ST_DRQ)) {
        return 0;
    }
    for (unsigned i = 0; i < size && d->pos < d->block_end; i++) {
        val |= (uint64_t)d->pio[d->pos++] << (8 * i);
    }
    if (d->pos >= d->block_end) {
        block_over(d);
    }
    return val;
}

/* What a program reads by REP INS: up to the block's end. */
static unsigned cmd_read_many(void *dev, hwaddr off, void *to, unsigned size, unsigned n)
{
    IdeChannel *ch = dev;
    IdeDrive *d = current(ch);
    if (off != R_DATA || !d || d->phase != PH_IN || !(d->status & ST_DRQ) ||
        d->pos >= d->block_end) {
        return 0;
    }
    n = MIN(n, (d->block_end - d->pos) / size);
    memcpy(to, d->pio + d->pos, n * size);
    d->pos += n * size;
    if (n && d->pos >= d->block_end) {
        block_over(d);
    }
    return n;
}

static void data_write(IdeChannel *ch, uint64_t val, unsigned size)
{
    IdeDrive *d = current(ch);
    if (!d || d->phase != PH_OUT || !(d->status & ST_DRQ)) {
        return;
    }
    for (unsigned i = 0; i < size && d->pos < d->block_end; i++) {
        d->pio[d->pos++] = (uint8_t)(val >> (8 * i));
    }
    if (d->pos >= d->block_end) {
        block_over(d);
    }
}

/* ---- task file ---- */
static uint8_t file_read(IdeChannel *ch, IdeDrive *d, unsigned reg)
{
    bool hob = ch->control & CTL_HOB;
    switch (reg) {
    case R_ERROR:  return hob ? d->hob_feature : d->error;
    case R_COUNT:  return hob ? d->hob_nsector : d->nsector;
    case R_LOW:    return hob ? d->hob_sector : d->sector;
    case R_MID:    return hob ? d->hob_lcyl : d->lcyl;
    case R_HIGH:   return hob ? d->hob_hcyl : d->hcyl;
    case R_DEVICE: return d->select;
    default:
        d->intrq = false;
        ide_update_irq(ch);
        return d->status;
    }
}

static uint64_t cmd_read(void *dev, hwaddr off, unsigned size)
{
    IdeChannel *ch = dev;
    if (off == R_DATA) {
        return data_read(ch, size);
    }
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++) {
        IdeDrive *d = current(ch);
        val |= (uint64_t)(d ? file_read(ch, d, (unsigned)off + i) : 0) << (8 * i);
    }
    return val;
}

/* Both drives take what is written; only the selected one acts on a command. */
static void file_write(IdeDrive *d, unsigned reg, uint8_t val)
{
    static const struct {
        size_t now, before;
    } at[] = {
        [R_ERROR] = { offsetof(IdeDrive, feature), offsetof(IdeDrive, hob_feature) },
        [R_COUNT] = { offsetof(IdeDrive, nsector), offsetof(IdeDrive, hob_nsector) },
        [R_LOW] = { offsetof(IdeDrive, sector), offsetof(IdeDrive, hob_sector) },
        [R_MID] = { offsetof(IdeDrive, lcyl), offsetof(IdeDrive, hob_lcyl) },
        [R_HIGH] = { offsetof(IdeDrive, hcyl), offsetof(IdeDrive, hob_hcyl) },
    };
    if (reg == R_DEVICE) {
        d->select = val | 0xa0;
        return;
    }
    uint8_t *now = (uint8_t *)d + at[reg].now;
    *((uint8_t *)d + at[reg].before) = *now;
    *now = val;
}

static void diagnostic(IdeChannel *ch)
{
    for (unsigned i = 0; i < 2; i++) {
        IdeDrive *d = ch->drive[i];
        if (d) {
            ide_stop(d);
            d->ops->signature(d);
            d->error = DIAGNOSTIC_GOOD;
        }
    }
    ch->selected = 0;
    if (ch->drive[0]) {
        ide_raise(ch->drive[0]);
    }
}

static void command(IdeChannel *ch, uint8_t val)
{
    IdeDrive *d = current(ch);
    if (!d) {
        return;
    }
    d->intrq = false;
    ide_update_irq(ch);
    if (val == CMD_DIAGNOSTIC) {
        diagnostic(ch);
        return;
    }
    if ((d->status & (ST_BSY | ST_DRQ)) && val != CMD_DEVICE_RESET) {
        guest_error(d, "command 0x%02x while busy with 0x%02x", val, d->command);
        if (d->status & ST_BSY) {
            return;
        }
        ide_stop(d);
    }
    d->command = val;
    d->error = 0;
    d->status = ST_OK;
    d->phase = PH_IDLE;
    d->xfer = XF_NONE;
    trace_ide_command(d->dev.path, val, d->nsector,
                      (uint32_t)d->hcyl << 16 | (uint32_t)d->lcyl << 8 | d->sector);
    if (log_on(LOG_IO)) {
        log_write("%s: command %02x, feature %02x, count %02x, LBA %02x %02x %02x, device %02x\n",
                  d->dev.path, val, d->feature, d->nsector, d->hcyl, d->lcyl, d->sector, d->select);
    }
    d->ops->command(d, val);
}

static void cmd_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    IdeChannel *ch = dev;
    if (off == R_DATA) {
        data_write(ch, val, size);
        return;
    }
    ch->control &= ~CTL_HOB;
    for (unsigned k = 0; k < size; k++, off++, val >>= 8) {
        IdeDrive *d = current(ch);
        if (off == R_STATUS) {
            command(ch, (uint8_t)val);
            continue;
        }
        if (d && (d->status & ST_BSY)) {
            continue;
        }
        for (unsigned i = 0; i < 2; i++) {
            if (ch->drive[i]) {
                file_write(ch->drive[i], (unsigned)off, (uint8_t)val);
            }
        }
        if (off == R_DEVICE) {
            ch->selected = (val & DEV_1) != 0;
            ide_update_irq(ch);
        }
    }
}

/* ---- device control ---- */
static uint64_t ctl_read(void *dev, hwaddr off, unsigned size)
{
    IdeDrive *d = current(dev);
    return d ? d->status : 0;
}

static void soft_reset(IdeChannel *ch, bool begins)
{
    for (unsigned i = 0; i < 2; i++) {
        IdeDrive *d = ch->drive[i];
        if (!d) {
            continue;
        }
        ide_stop(d);
        d->intrq = false;
        if (begins) {
            d->status = ST_BSY;
            d->error = DIAGNOSTIC_GOOD;
        } else {
            d->ops->signature(d);
            d->error = DIAGNOSTIC_GOOD;
        }
    }
    ch->selected = 0;
}

static void ctl_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    IdeChannel *ch = dev;
    uint8_t old = ch->control;
    ch->control = val & (CTL_NIEN | CTL_SRST | CTL_HOB);
    if ((old ^ val) & CTL_SRST) {
        soft_reset(ch, val & CTL_SRST);
    }
    ide_update_irq(ch);
}

static const MmioOps cmd_io = { .read = cmd_read, .write = cmd_write, .read_many = cmd_read_many,
                                .min = 1, .max = 4 };
static const MmioOps ctl_io = { .read = ctl_read, .write = ctl_write, .min = 1, .max = 1 };

void ide_channel_reset(IdeChannel *ch)
{
    ch->selected = 0;
    ch->control = 0;
    ch->bm_cmd = ch->bm_status = 0;
    ch->bm_table = 0;
    ch->prd = (IdePrd){ 0 };
    ide_update_irq(ch);
}

/* ---- the bus that drives plug into ---- */
static bool attach(Bus *bus, Device *dev, GError **err)
{
    IdeChannel *ch = bus->owner;
    IdeDrive *d = (IdeDrive *)dev;
    unsigned unit = d->unit < 2 ? d->unit : ch->drive[0] ? 1 : 0;
    if (ch->drive[unit]) {
        return fail(err, "device %s: %s on bus %s is taken; choose another bus= or unit=",
                    dev->class->name, unit ? "unit 1" : "unit 0", bus->name);
    }
    d->unit = unit;
    d->ch = ch;
    ch->drive[unit] = d;
    g_autofree char *path = g_strdup_printf("/pci@i0cf8/ide@1,1/drive@%x/disk@%x", ch->index, unit);
    fw_cfg_boot_path(bus->machine, d->bootindex, path);
    return true;
}

static void detach(Bus *bus, Device *dev)
{
    IdeChannel *ch = bus->owner;
    IdeDrive *d = (IdeDrive *)dev;
    if (d->ch == ch) {
        ide_stop(d);
        ch->drive[d->unit] = NULL;
        d->ch = NULL;
        ide_update_irq(ch);
    }
}

void ide_channel_init(IdeChannel *ch, Device *host, unsigned index, const char *bus_name)
{
    ch->host = host;
    ch->index = index;
    ch->bus = bus_new(host->machine, "ide", bus_name, ch);
    ch->bus->attach = attach;
    ch->bus->detach = detach;
    region_init_io(&ch->cmd_ports, "ide command", &cmd_io, ch, 8);
    region_init_io(&ch->ctl_port, "ide control", &ctl_io, ch, 1);
}

static const Field prd_fields[] = {
    STATE(IdePrd, next), STATE(IdePrd, at), STATE(IdePrd, left), STATE(IdePrd, last),
    FIELD_END
};

const Field ide_channel_fields[] = {
    STATE(IdeChannel, selected, .max = 1), STATE(IdeChannel, control),
    STATE(IdeChannel, bm_cmd), STATE(IdeChannel, bm_status),
    STATE(IdeChannel, bm_table),
    STATE_STRUCT(IdeChannel, prd, IdePrd, prd_fields), STATE_IRQ(IdeChannel, irq),
    FIELD_END
};
