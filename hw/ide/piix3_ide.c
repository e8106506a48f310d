/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3_ide.c -- 82371SB function 1: two IDE channels at the legacy ports, with bus-master DMA.
 *
 * Spec: Intel 82371SB (PIIX3), order 290550-002, chapters 2.4 and 2.7 (bus master registers);
 *   Programming Interface for Bus Master IDE Controller 1.0.
 * Omits: timings (the registers hold what is written), native mode.
 * Threads: with the machine lock.
 *
 *     BAR 4: 0 command (3 to memory, 0 start)   4 table
 *            2 status (6, 5 drives can DMA, 2 interrupt, 1 error, 0 active)
 *     secondary channel: the same at 8
 */
#include "hw/ide/ide_int.h"

enum { IDETIM0 = 0x40, IDETIM1 = 0x42, DECODE = 0x8000, BM_CAPABLE = 0x60 };

typedef struct Piix3Ide {
    PciDevice  pci;
    IdeChannel ch[2];
    Region     bm;
    Mapping    cmd_map[2], ctl_map[2];
    void     (*sink)(void *dev, unsigned n, bool level);
    void      *gsi;
} Piix3Ide;

static const uint16_t cmd_at[2] = { 0x1f0, 0x170 }, ctl_at[2] = { 0x3f6, 0x376 };
static const char *const bus_names[2] = { "ide.0", "ide.1" };

/* ---- decoding: 2.4.2, IDETIM bit 15 and PCICMD.IOSE ---- */
static void update_decode(Piix3Ide *s)
{
    Machine *m = s->pci.dev.machine;
    bool io = pci_get(&s->pci, PCI_COMMAND, 2) & PCI_CMD_IO;
    map_begin(m);
    for (unsigned i = 0; i < 2; i++) {
        bool on = io && (pci_get(&s->pci, IDETIM0 + 2 * i, 2) & DECODE);
        s->cmd_map[i].on = s->ctl_map[i].on = on;
    }
    map_commit(m);
}

static void mapped(void *dev)
{
    update_decode(dev);
}

static void timing_written(void *dev, uint64_t old, uint64_t val)
{
    update_decode(dev);
}

static const Reg ide_config[] = {
    PCI_REG(PCI_STATUS, 2, "PCISTS", .reset = 0x0280, .w1c = 0x3800),
    /*
     * The datasheet's reset value is 0; firmware made for virtual machines (OVMF) takes the decode
     * enable for granted.
     */
    PCI_REG(IDETIM0, 2, "IDETIM0", .reset = DECODE, .wr = 0xf3ff, .on_write = timing_written),
    PCI_REG(IDETIM1, 2, "IDETIM1", .reset = DECODE, .wr = 0xf3ff, .on_write = timing_written),
    PCI_REG(0x44, 1, "SIDETIM", .wr = 0xff),
    { .size = 0 }
};

/* ---- bus master registers ---- */
static AddressSpace *dma_of(IdeChannel *ch)
{
    return ((PciDevice *)ch->host)->dma;
}

static void bm_command(IdeChannel *ch, uint8_t val)
{
    bool was = ch->bm_cmd & BM_START, start = val & BM_START;
    ch->bm_cmd = val & (BM_START | BM_TO_MEMORY);
    if (was && !start) {
        ch->bm_status &= (uint8_t)~BM_ACTIVE;
        for (unsigned i = 0; i < 2; i++) {
            if (ch->drive[i] && ch->drive[i]->use_dma && ch->drive[i]->req) {
                ide_stop(ch->drive[i]);       /* stopped in the middle: what is left is abandoned */
            }
        }
    } else if (!was && start) {
        IdeDrive *d = ch->drive[ch->selected];
        ch->bm_status |= BM_ACTIVE;
        ch->prd = (IdePrd){ .next = ch->bm_table };
        if (d && d->phase == PH_DMA) {
            d->ops->dma(d);
        }
    }
}

static uint64_t bm_read(void *dev, hwaddr off, unsigned size)
{
    Piix3Ide *s = dev;
    IdeChannel *ch = &s->ch[off >> 3 & 1];
    switch (off & 7) {
    case 0: return ch->bm_cmd;
    case 2: return ch->bm_status;
    case 4: case 5: case 6: case 7: return (ch->bm_table >> (8 * (off & 3))) & 0xff;
    default: return 0;
    }
}

static void bm_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Piix3Ide *s = dev;
    IdeChannel *ch = &s->ch[off >> 3 & 1];
    unsigned shift = 8 * (off & 3);
    switch (off & 7) {
    case 0:
        bm_command(ch, (uint8_t)val);
        break;
    case 2:
        ch->bm_status = (uint8_t)((val & BM_CAPABLE) | (ch->bm_status & BM_ACTIVE) |
                                  (ch->bm_status & ~val & (BM_INT | BM_ERROR)));
        break;
    case 4: case 5: case 6: case 7:
        ch->bm_table = ((ch->bm_table & ~(0xffu << shift)) | (uint32_t)(val & 0xff) << shift) & ~3u;
        break;
    default:
        break;
    }
}

static const MmioOps bm_io = { .read = bm_read, .write = bm_write, .min = 1, .max = 1 };

/* ---- life ---- */
static bool piix3_ide_realize(void *dev, GError **err)
{
    Piix3Ide *s = dev;
    Machine *m = s->pci.dev.machine;
    (void)err;
    s->pci.barless_decode = true;
    s->pci.mapped = mapped;
    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = 0x7010, .class_code = 0x010180,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, ide_config);
    region_init_io(&s->bm, "ide bus master", &bm_io, s, 16);
    pci_bar(&s->pci, 4, PCI_BAR_IO, false, &s->bm);
    map_begin(m);
    for (unsigned i = 0; i < 2; i++) {
        IdeChannel *ch = &s->ch[i];
        ide_channel_init(ch, &s->pci.dev, i, bus_names[i]);
        ch->dma_of = dma_of;
        irq_connect(&ch->irq, s->sink, s->gsi, 14 + i);
        s->cmd_map[i] = (Mapping){ .region = &ch->cmd_ports, .size = 8, .at = cmd_at[i],
                                   .seen = SEEN_READ | SEEN_WRITE };
        s->ctl_map[i] = (Mapping){ .region = &ch->ctl_port, .size = 1, .at = ctl_at[i],
                                   .seen = SEEN_READ | SEEN_WRITE };
        region_add(s->pci.dev.bus->io, &s->cmd_map[i]);
        region_add(s->pci.dev.bus->io, &s->ctl_map[i]);
    }
    map_commit(m);
    return true;
}

static void piix3_ide_unrealize(void *dev)
{
    Piix3Ide *s = dev;
    Region *io = s->pci.dev.bus->io;
    map_begin(s->pci.dev.machine);
    pci_unmap(io, s->cmd_map, 2);
    pci_unmap(io, s->ctl_map, 2);
    map_commit(s->pci.dev.machine);
    pci_unrealize(dev);
}

static void piix3_ide_reset(void *dev)
{
    Piix3Ide *s = dev;
    for (unsigned i = 0; i < 2; i++) {
        ide_channel_reset(&s->ch[i]);
    }
    pci_reset(dev);
    update_decode(s);
}

static bool piix3_ide_restored(void *dev, GError **err)
{
    if (!pci_restored(dev, err)) {
        return false;
    }
    update_decode(dev);
    return true;
}

static const Field piix3_ide_fields[] = {
    PCI_FIELDS(Piix3Ide),
    STATE_STRUCT(Piix3Ide, ch, IdeChannel, ide_channel_fields),
    FIELD_END
};

const DeviceClass piix3_ide_class = {
    .name = "piix3-ide",
    .desc = "Intel 82371SB IDE controller",
    .spec = "Intel 290550-002",
    .bus = "pci",
    .size = sizeof(Piix3Ide),
    .fields = piix3_ide_fields,
    .realize = piix3_ide_realize,
    .unrealize = piix3_ide_unrealize,
    .reset = piix3_ide_reset,
    .restored = piix3_ide_restored,
};

void *piix3_ide_create(Machine *m, PciHost *host, void (*sink)(void *dev, unsigned n, bool level),
                       void *gsi, GError **err)
{
    Piix3Ide *s = device_new(m, host->bus.base, piix3_ide_class.name, NULL, err);
    if (!s || !device_set(s, "addr", "1.1", err)) {
        return NULL;
    }
    s->sink = sink;
    s->gsi = gsi;
    return device_realize(s, err) ? s : NULL;
}

bool ide_drive_create(Machine *m, unsigned index, Drive *drive, GError **err)
{
    if (index > 3) {
        return fail(err, "drive %s: index=%u; the two IDE channels have places 0 to 3", drive->id,
                    index);
    }
    Bus *bus = bus_find(m, bus_names[index / 2]);
    void *d = device_new(m, bus, drive->is_cdrom ? "ide-cd" : "ide-hd", NULL, err);
    return d && device_set(d, "unit", index % 2 ? "1" : "0", err) &&
           device_set(d, "drive", drive->id, err) && device_realize(d, err);
}
