/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.c -- 82077AA floppy controller: its ports, resets, and what a machine sees of it.
 *
 * Spec: Intel 82077AA (290166-007) chapter 2 (registers).
 * Omits: tape drives (TDR holds what is written), power management.
 * Threads: with the machine lock.
 *
 *     3f0 SRA  3f1 SRB  3f2 DOR  3f3 TDR  3f4 MSR | DSR  3f5 FIFO  3f7 DIR | CCR
 */
#include "hw/floppy/fdc_int.h"
#include "core/machine.h"
#include "hw/misc/dma.h"
#include "hw/misc/isa.h"
#include <string.h>

enum { SRA, SRB, DOR, TDR, MSR_DSR, FIFO, DIR_CCR = 7 };
enum { DOR_SELECT = 3, DOR_RUN = 4, DOR_DMA = 8, DOR_MOTOR = 0x10 };
enum { DSR_RESET = 0x80, MSR_RQM = 0x80, MSR_DIO = 0x40, MSR_NONDMA = 0x20, MSR_BUSY = 0x10 };
enum { DIR_CHANGED = 0x80, SRA_PENDING = 0x80, ST0_POLLED = 0xc0, CONFIG_FIFO_OFF = 0x20 };
enum { FDC_IRQ = 6, FDC_PORT = 0x3f0, RESET_DELAY_NS = 20000 };

void fdc_interrupt(Fdc *s, bool level)
{
    irq_set(&s->irq, level && (s->dor & DOR_DMA));
}

/* ---- registers: chapter 2 ---- */

static void soft_reset(Fdc *s)
{
    fdc_abandon(s);
    timer_stop(&s->timer);
    fdc_interrupt(s, false);
    fdc_idle(s);
    s->sense = 0;
    s->eot = 0;
    s->perpendicular &= 0x3c;
    if (!s->locked) {
        s->config[0] = s->config[2] = 0;
        s->config[1] = CONFIG_FIFO_OFF;
    }
}

/*
 * Out of reset: drive polling finds that all four changed their state, which SENSE INTERRUPT tells
 * one by one.
 */
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
        fdc_interrupt(s, true);
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
        fdc_interrupt(s, false);
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
        if (!fdc_uses_dma(s)) {
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
    case FIFO:    return fdc_fifo_read(s);
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
            fdc_fifo_write(s, (uint8_t)val);
        }
        break;
    default:
        break;
    }
}

static uint64_t dir_read(void *dev, hwaddr off, unsigned size)
{
    Fdc         *s = dev;
    FloppyDrive *d = fdc_unit(s, s->dor & DOR_SELECT);
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
            return fail(err, "drive %s: %s is larger than any diskette", d->drive->id,
                        d->drive->node->name);
        }
    }
    return isa_irq(s, &s->irq, FDC_IRQ, err) && isa_map(s, &s->ports, FDC_PORT, err) &&
           isa_map(s, &s->dir, FDC_PORT + DIR_CCR, err);
}

static void fdc_unrealize(void *dev)
{
    Fdc *s = dev;

    fdc_abandon(s);
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
    if (s->n_cmd > PARAMS || s->n_params >= PARAMS || s->n_result > RESULTS ||
        (s->phase == PH_RESULT && s->at_result >= s->n_result) ||
        (s->phase == PH_COMMAND && (!s->n_cmd || s->n_cmd > s->n_params)) || s->pos >= FDC_SECTOR) {
        return fail(err, "isa-fdc: a command in the making does not add up");
    }
    if (s->phase == PH_IO) {
        fdc_idle(s);                      /* nothing is in flight in a saved machine */
    }
    if (s->phase == PH_DATA && (s->unit >= FDC_DRIVES || !floppy_present(&s->drive[s->unit]))) {
        return fail(err, "isa-fdc: a transfer is under way with a drive that has no medium here");
    }
    return true;
}

void *fdc_create(Machine *m, Bus *isa, void *dma, Drive *drives[FDC_DRIVES], GError **err)
{
    Fdc *s = device_new(m, isa, "isa-fdc", NULL, err);

    if (!s || !dma_attach(dma, FDC_DMA, &(DmaUser){ .ready = fdc_channel_open, .dev = s }, err)) {
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
    STATE(Fdc, dor), STATE(Fdc, tdr), STATE(Fdc, dsr), STATE(Fdc, ccr, .max = 3),
    STATE(Fdc, phase, .max = PH_RESULT), STATE_ARRAY(Fdc, cmd), STATE(Fdc, n_cmd),
    STATE(Fdc, n_params), STATE_ARRAY(Fdc, result), STATE(Fdc, n_result), STATE(Fdc, at_result),
    STATE_ARRAY(Fdc, st0), STATE(Fdc, sense, .max = 15), STATE_ARRAY(Fdc, specify),
    STATE_ARRAY(Fdc, config), STATE(Fdc, perpendicular), STATE(Fdc, locked),
    STATE(Fdc, xfer, .max = XF_FORMAT), STATE(Fdc, unit, .max = 3), STATE(Fdc, track),
    STATE(Fdc, head, .max = 1), STATE(Fdc, side, .max = 1), STATE(Fdc, sector), STATE(Fdc, eot),
    STATE(Fdc, size_code), STATE(Fdc, formatted), STATE(Fdc, multi_track), STATE(Fdc, dma_over),
    STATE(Fdc, pos, .max = FDC_SECTOR - 1),
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
