/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.c -- configuration space of a PCI function: masks from tables, BARs, INTx, bus mastering.
 *
 * Spec: PCI Local Bus 3.0, chapter 6 (configuration space), 3.2.2 (address decoding), 2.2.6
 *   (interrupt pins).
 * Omits: see pci.h.
 * Threads: with the machine lock; DMA through d->dma from any thread.
 */
#include "core/machine.h"
#include "hw/firmware/firmware.h"
#include "hw/pci/msi.h"
#include "core/trace.h"
#include <string.h>

/*
 * What every function has.  PCI 3.0, figure 6-1 and table 6-1; BARs, identity and pin come from the
 * function.
 */
static const Reg header_regs[] = {
    PCI_REG(PCI_COMMAND, 2, "COMMAND", .wr = PCI_CMD_MASTER | 0x140 | PCI_CMD_INTX_OFF),
    PCI_REG(PCI_STATUS, 2, "STATUS", .w1c = 0xf900),
    PCI_REG(PCI_CACHE_LINE, 1, "CACHE_LINE_SIZE", .wr = 0xff),
    PCI_REG(PCI_LATENCY, 1, "LATENCY_TIMER", .wr = 0xff),
    PCI_REG(PCI_INTERRUPT_LINE, 1, "INTERRUPT_LINE", .wr = 0xff),
    { .size = 0 }
};

static uint32_t bytes_get(const uint8_t *p, unsigned at, unsigned size)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < size && at + i < 256; i++) {
        v |= (uint32_t)p[at + i] << (8 * i);
    }
    return v;
}

static void bytes_put(uint8_t *p, unsigned at, unsigned size, uint32_t val)
{
    for (unsigned i = 0; i < size && at + i < 256; i++) {
        p[at + i] = (uint8_t)(val >> (8 * i));
    }
}

uint32_t pci_get(const PciDevice *d, unsigned at, unsigned size)
{
    return bytes_get(d->config, at, size);
}

void pci_put(PciDevice *d, unsigned at, unsigned size, uint32_t val)
{
    bytes_put(d->config, at, size, val);
}

static void apply_table(PciDevice *d, const Reg *r)
{
    for (; r && r->size; r++) {
        bytes_put(d->config_reset, r->at, r->size, (uint32_t)r->reset);
        bytes_put(d->config_wr, r->at, r->size, (uint32_t)r->wr);
        bytes_put(d->config_w1c, r->at, r->size, (uint32_t)r->w1c);
    }
}

/* A read-only value, fixed at realize(). */
void pci_fixed(PciDevice *d, unsigned at, unsigned size, uint32_t val)
{
    bytes_put(d->config_reset, at, size, val);
    bytes_put(d->config, at, size, val);
}

void pci_init(PciDevice *d, const PciIdent *id, const Reg *regs)
{
    d->ident = *id;
    d->regs = regs;
    apply_table(d, header_regs);
    apply_table(d, regs);
    memcpy(d->config, d->config_reset, sizeof(d->config));
    pci_fixed(d, PCI_VENDOR_ID, 2, id->vendor);
    pci_fixed(d, PCI_DEVICE_ID, 2, id->device);
    pci_fixed(d, PCI_REVISION, 1, id->revision);
    pci_fixed(d, PCI_CLASS_PROG, 2, id->class_code & 0xffff);
    pci_fixed(d, PCI_CLASS_PROG + 2, 1, id->class_code >> 16);
    pci_fixed(d, PCI_SUBSYSTEM_VENDOR, 2, id->subsystem_vendor);
    pci_fixed(d, PCI_SUBSYSTEM, 2, id->subsystem);
    pci_fixed(d, PCI_INTERRUPT_PIN, 1, id->pin);
    if (d->multifunction) {
        pci_fixed(d, PCI_HEADER_TYPE, 1, 0x80);
    }
    if (d->barless_decode) {
        bytes_put(d->config_wr, PCI_COMMAND, 2,
                  bytes_get(d->config_wr, PCI_COMMAND, 2) | PCI_CMD_IO | PCI_CMD_MEM);
    }
    d->cap_free = 0x40;
}

/* ---- BARs ---- */
static unsigned bar_at(unsigned n)
{
    return n == PCI_BAR_IS_ROM ? PCI_ROM_BAR : PCI_BAR0 + 4 * n;
}

void pci_bar(PciDevice *d, unsigned n, PciBarKind kind, bool prefetchable, Region *region)
{
    uint64_t size = region->size;
    PciBar *b = &d->bar[n];
    g_assert(n < PCI_N_BARS && b->kind == PCI_BAR_NONE && size >= 4 && !(size & (size - 1)));
    g_assert(kind != PCI_BAR_MEM64 || (n < 5 && d->bar[n + 1].kind == PCI_BAR_NONE));
    b->kind = kind;
    b->prefetchable = prefetchable;
    b->region = region;
    b->map = (Mapping){ .region = region, .size = size, .seen = SEEN_READ | SEEN_WRITE };
    static const uint8_t type_bits[] = { [PCI_BAR_IO] = 1, [PCI_BAR_MEM64] = 4, [PCI_BAR_ROM] = 0 };
    uint32_t low = type_bits[kind] | (prefetchable ? 8 : 0);
    uint32_t mask = (uint32_t)-size & (kind == PCI_BAR_IO    ? 0xfffffffc
                                       : kind == PCI_BAR_ROM ? 0xfffff800
                                                             : 0xfffffff0);
    pci_fixed(d, bar_at(n), 4, low);
    bytes_put(d->config_wr, bar_at(n), 4, mask | (kind == PCI_BAR_ROM));
    if (kind == PCI_BAR_MEM64) {
        bytes_put(d->config_wr, bar_at(n) + 4, 4, (uint32_t)(-size >> 32));
    }
    uint32_t decode = kind == PCI_BAR_IO ? PCI_CMD_IO : PCI_CMD_MEM;
    bytes_put(d->config_wr, PCI_COMMAND, 2, bytes_get(d->config_wr, PCI_COMMAND, 2) | decode);
}

/*
 * Where the guest put a BAR, or false while it is not decoded.  All ones (sizing) and 0 are no
 * addresses.
 */
static bool bar_address(const PciDevice *d, unsigned n, uint64_t *at)
{
    const PciBar *b = &d->bar[n];
    uint64_t low = pci_get(d, bar_at(n), 4), size = b->region->size;
    uint32_t command = pci_get(d, PCI_COMMAND, 2);
    uint64_t limit;
    if (!(command & (b->kind == PCI_BAR_IO ? PCI_CMD_IO : PCI_CMD_MEM))) {
        return false;
    }
    switch (b->kind) {
    case PCI_BAR_IO:
        *at = low & ~(uint64_t)3;
        limit = 0xffff;
        break;
    case PCI_BAR_MEM64:
        *at = (low & ~(uint64_t)15) | (uint64_t)pci_get(d, bar_at(n) + 4, 4) << 32;
        limit = (UINT64_C(1) << 52) - 1;
        break;
    case PCI_BAR_ROM:
        *at = low & ~(uint64_t)0x7ff;
        limit = 0xfffffffe;
        if (!(low & 1)) {
            return false;
        }
        break;
    default:
        *at = low & ~(uint64_t)15;
        limit = 0xfffffffe;
    }
    return *at && *at <= limit && size - 1 <= limit - *at;
}

static void update_bar(PciDevice *d, unsigned n)
{
    PciBar *b = &d->bar[n];
    Bus *bus = d->bus->base;
    Region *into = b->kind == PCI_BAR_IO ? bus->io : bus->mem;
    uint64_t at = 0;
    bool on = bar_address(d, n, &at);
    if (on == b->map.on && (!on || at == b->map.at)) {
        return;
    }
    trace_pci_bar(d->dev.path, n, on, at, b->region->size);
    if (b->map.on) {
        region_remove(into, &b->map);
    }
    b->map.on = on;
    b->map.at = at;
    if (on) {
        region_add(into, &b->map);
    }
}

static void drive_pin(PciDevice *d)
{
    bool level =
        d->irq_level && !(pci_get(d, PCI_COMMAND, 2) & PCI_CMD_INTX_OFF) && !pci_msi_enabled(d);
    uint32_t status = pci_get(d, PCI_STATUS, 2) & ~PCI_STATUS_INTX;
    pci_put(d, PCI_STATUS, 2, status | (d->irq_level ? PCI_STATUS_INTX : 0));
    irq_set(&d->intx, level);
}

/* Command, BARs -> mappings. */
static void remap(PciDevice *d)
{
    if (!d->bus) {
        return;
    }
    Machine *m = d->dev.machine;
    map_begin(m);
    for (unsigned n = 0; n < PCI_N_BARS; n++) {
        if (d->bar[n].kind) {
            update_bar(d, n);
        }
    }
    d->master_map.on = pci_get(d, PCI_COMMAND, 2) & PCI_CMD_MASTER;
    map_commit(m);
    if (d->mapped) {
        d->mapped(d);
    }
}

static bool touches(unsigned at, unsigned size, unsigned from, unsigned n)
{
    return at < from + n && from < at + size;
}

static void config_store(PciDevice *d, unsigned at, uint32_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t b = (uint8_t)(val >> (8 * i)), wr = d->config_wr[at + i],
                w1c = d->config_w1c[at + i];
        d->config[at + i] = ((d->config[at + i] & ~wr) | (b & wr)) & ~(b & w1c);
    }
}

static void function_write(PciDevice *d, unsigned at, uint32_t val, unsigned size)
{
    uint8_t old[256];
    trace_pci_config_write(d->dev.path, at, size, val);
    memcpy(old, d->config, sizeof(old));
    config_store(d, at, val, size);
    if (touches(at, size, PCI_COMMAND, 2) || touches(at, size, PCI_BAR0, 24) ||
        touches(at, size, PCI_ROM_BAR, 4)) {
        remap(d);
    }
    pci_msi_written(d, at, size);
    drive_pin(d);
    for (const Reg *r = d->regs; r && r->size; r++) {
        if (r->on_write && touches(at, size, r->at, r->size)) {
            r->on_write(d, bytes_get(old, r->at, r->size), pci_get(d, r->at, r->size));
        }
    }
}

static uint32_t function_read(PciDevice *d, unsigned at, unsigned size)
{
    uint32_t val = pci_get(d, at, size);
    for (const Reg *r = d->regs; r && r->size; r++) {
        if (r->on_read && r->at == at && r->size == size) {
            val = (uint32_t)r->on_read(d, val);
        }
    }
    trace_pci_config_read(d->dev.path, at, size, val);
    return val;
}

void pci_irq(PciDevice *d, bool level)
{
    trace_pci_irq(d->dev.path, level);
    d->irq_level = level;
    drive_pin(d);
}

/* ---- capabilities (6.7) ---- */
uint8_t pci_capability(PciDevice *d, uint8_t id, uint8_t len)
{
    uint8_t at = (uint8_t)d->cap_free;
    g_assert(at >= 0x40 && d->cap_free + len <= 256);
    pci_fixed(d, at, 2, id);
    if (d->cap_last) {
        pci_fixed(d, d->cap_last + 1u, 1, at);
    } else {
        pci_fixed(d, PCI_CAP_POINTER, 1, at);
        pci_fixed(d, PCI_STATUS, 2, bytes_get(d->config_reset, PCI_STATUS, 2) | PCI_STATUS_CAPS);
    }
    d->cap_last = at;
    d->cap_free = (uint16_t)((at + len + 3) & ~3);
    return at;
}

void pci_writable(PciDevice *d, unsigned at, unsigned size, uint32_t mask)
{
    bytes_put(d->config_wr, at, size, mask);
}

/* ---- option ROM (6.3) ---- */
bool pci_rom(PciDevice *d, const char *default_file, GError **err)
{
    const char *file = d->romfile ? d->romfile : default_file;
    if (!file || !*file || !d->rombar) {
        return true;
    }
    GBytes *image = firmware_load(d->dev.machine, file, 16 << 20, err);
    if (!image) {
        return false;
    }
    gsize n;
    const void *data = g_bytes_get_data(image, &n);
    uint64_t size = 2048;
    while (size < n) {
        size <<= 1;
    }
    region_init_rom(&d->rom, "rom", size);
    memcpy(d->rom.host, data, n);
    g_bytes_unref(image);
    pci_bar(d, PCI_BAR_IS_ROM, PCI_BAR_ROM, false, &d->rom);
    return true;
}

/* ---- life ---- */
void pci_reset(void *dev)
{
    PciDevice *d = dev;
    memcpy(d->config, d->config_reset, sizeof(d->config));
    d->irq_level = false;
    pci_msi_reset(d);
    remap(d);
    drive_pin(d);
}

/* What the guest cannot write keeps the value that this build gives it. */
bool pci_restored(void *dev, GError **err)
{
    PciDevice *d = dev;
    (void)err;
    static const uint8_t ours[] = { PCI_VENDOR_ID,        PCI_DEVICE_ID,  PCI_CLASS_PROG,
                                    PCI_SUBSYSTEM_VENDOR, PCI_SUBSYSTEM,  PCI_INTERRUPT_PIN,
                                    PCI_CAP_POINTER,      PCI_HEADER_TYPE };
    for (unsigned i = 0; i < 256; i++) {
        bool bar =
            (i >= PCI_BAR0 && i < PCI_BAR0 + 24) || (i >= PCI_ROM_BAR && i < PCI_ROM_BAR + 4);
        if (bar) {
            d->config[i] =
                (d->config[i] & d->config_wr[i]) | (d->config_reset[i] & ~d->config_wr[i]);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ours); i++) {
        bytes_put(d->config, ours[i], 1, bytes_get(d->config_reset, ours[i], 1));
    }
    remap(d);
    return true;
}

void pci_unrealize(void *dev)
{
    PciDevice *d = dev;
    if (d->master_root.parts) {
        region_destroy(&d->master_root);
    }
    if (d->rom.host) {
        region_destroy(&d->rom);
    }
}

/* Decoders outside the BARs, in unrealize(). */
void pci_unmap(Region *container, Mapping *parts, unsigned n)
{
    for (unsigned i = 0; container && i < n; i++) {
        region_remove(container, &parts[i]);
    }
}

/* ---- the bus ---- */
static bool is_empty(const PciBus *b, unsigned slot)
{
    for (unsigned fn = 0; fn < 8; fn++) {
        if (b->at[slot << 3 | fn]) {
            return false;
        }
    }
    return true;
}

static bool choose_slot(PciBus *b, PciDevice *d, GError **err)
{
    Device *dev = &d->dev;
    if (!d->addr) {
        for (unsigned slot = 0; slot < 32; slot++) {
            if (is_empty(b, slot)) {
                d->devfn = (uint8_t)(slot << 3);
                return true;
            }
        }
        return fail(err, "device %s: no free slot on bus %s; remove a device", dev->class->name,
                    b->base->name);
    }
    char *end;
    unsigned long slot = strtoul(d->addr, &end, 16), fn = 0;
    if (end != d->addr && *end == '.') {
        fn = strtoul(end + 1, &end, 16);
    }
    if (end == d->addr || *end || slot > 31 || fn > 7) {
        return fail(err,
                    "device %s: addr=%s is no PCI address; write SLOT or SLOT.FUNCTION in hex, 0 "
                    "to 1f and 0 to 7",
                    dev->class->name, d->addr);
    }
    d->devfn = (uint8_t)(slot << 3 | fn);
    if (fn && b->at[slot << 3] && dev->machine->started) {
        return fail(err,
                    "PCI: slot %lu function 0 already occupied by %s, new func %s cannot be "
                    "exposed to guest.",
                    slot, b->at[slot << 3]->dev.class->name, dev->class->name);
    }
    if (b->at[d->devfn]) {
        return fail(err, "device %s: PCI address %s is taken by %s; choose another addr=",
                    dev->class->name, d->addr, b->at[d->devfn]->dev.class->name);
    }
    return true;
}

static bool pci_attach(Bus *base, Device *dev, GError **err)
{
    PciBus *b = base->owner;
    PciDevice *d = (PciDevice *)dev;
    Machine *m = base->machine;
    if (!choose_slot(b, d, err)) {
        return false;
    }
    b->at[d->devfn] = d;
    d->bus = b;
    region_init_container(&d->master_root, "bus master", m->memory.size);
    d->master_map = (Mapping){ .region = &m->memory, .size = m->memory.size,
                               .seen = SEEN_READ | SEEN_WRITE };
    map_begin(m);
    region_add(&d->master_root, &d->master_map);
    map_commit(m);
    d->dma = as_new(m, dev->class->name, &d->master_root);
    as_set_owner(d->dma, d);
    if (d->ident.pin) {
        /* the usual board wiring: slot and pin rotate over the four wires */
        unsigned wire = ((d->devfn >> 3) + d->ident.pin - 1 + 3) & 3;
        irq_connect(&d->intx, irq_gate_sink, &b->pirq[wire], 0);
    }
    return true;
}

static void pci_detach(Bus *base, Device *dev)
{
    PciBus *b = base->owner;
    PciDevice *d = (PciDevice *)dev;
    Machine *m = base->machine;
    if (d->bus != b) {
        return;
    }
    irq_set(&d->intx, false);
    map_begin(m);
    for (unsigned n = 0; n < PCI_N_BARS; n++) {
        if (d->bar[n].map.on) {
            region_remove(d->bar[n].kind == PCI_BAR_IO ? base->io : base->mem, &d->bar[n].map);
            d->bar[n].map.on = false;
        }
    }
    region_remove(&d->master_root, &d->master_map);
    map_commit(m);
    as_free(d->dma);
    d->dma = NULL;
    b->at[d->devfn] = NULL;
    d->bus = NULL;
}

static AddressSpace *pci_dma(Bus *base, Device *dev)
{
    (void)base;
    return ((PciDevice *)dev)->dma;
}

void pci_bus_init(PciBus *b, Machine *m, const char *name, Region *mem, Region *io)
{
    b->base = bus_new(m, "pci", name, b);
    b->base->mem = mem;
    b->base->io = io;
    b->base->attach = pci_attach;
    b->base->detach = pci_detach;
    b->base->dma = pci_dma;
    m->hooks.query_pci = pci_query;
}

uint32_t pci_config_read(PciBus *b, unsigned devfn, unsigned at, unsigned size)
{
    PciDevice *d = b->at[devfn & 0xff];
    if (!d || at + size > 256) {
        return UINT32_MAX >> (32 - 8 * size);
    }
    return function_read(d, at, size);
}

void pci_config_write(PciBus *b, unsigned devfn, unsigned at, uint32_t val, unsigned size)
{
    PciDevice *d = b->at[devfn & 0xff];
    if (d && at + size <= 256) {
        function_write(d, at, val, size);
    }
}
