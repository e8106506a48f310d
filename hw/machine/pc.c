/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc.c -- -machine pc: a PC with the 440FX, PIIX3 and PIIX4 PM chipset.
 *
 * Spec: Intel 290549 (440FX), 290550 (PIIX3), 290562 (PIIX4); memory map as in 82441FX chapter 4.
 * Omits: hot-plug.
 * Threads: main thread, before the machine runs.
 *
 *     00000-9ffff  RAM
 *     a0000-bffff  VGA
 *     C0000-fffff  BIOS and option ROMs, or RAM as the PAM registers say
 *     100000-      RAM, to 3 or 3.5 GiB; then PCI memory
 *     FEC00000 IO-APIC   FED00000 HPET   FEE00000 local APIC   below 4 GiB: BIOS
 *     4 GiB-: the rest of RAM
 */
#include "hw/machine/pc.h"
#include "block/drive.h"
#include "core/audio.h"
#include "core/options.h"
#include "core/vcpu.h"
#include "cpu/x86/apicif.h"
#include "hw/char/char.h"
#include "hw/firmware/fw_cfg.h"
#include "hw/floppy/fdc.h"
#include "hw/ide/ide.h"
#include "hw/input/input.h"
#include "hw/intc/intc.h"
#include "hw/misc/dma.h"
#include "hw/misc/isa.h"
#include "hw/net/nic.h"
#include "hw/timer/timer.h"
#include "net/net.h"

#define MIB        (UINT64_C(1) << 20)
#define GIB        (UINT64_C(1) << 30)
#define LOW_MOST   (UINT64_C(0xe0000000))     /* all of RAM is low if it is smaller than this, */
#define LOW_SPLIT  (UINT64_C(0xc0000000))     /* else it is split here */
#define IOAPIC_AT  0xfec00000
enum { LOW_RAM_END = 0xa0000, HIGH_RAM_START = 0x100000, PCI_PRIORITY = -1, SMRAM_PRIORITY = 1 };

static Mapping ram_piece(Machine *m, uint64_t from, uint64_t size, hwaddr at)
{
    return (Mapping){ .region = &m->ram, .from = from, .size = size, .at = at,
                      .seen = SEEN_READ | SEEN_WRITE, .on = size > 0 };
}

static void memory_map(Machine *m, PcMachine *pc)
{
    uint64_t ram = m->ram_bytes;
    pc->low_ram = ram < LOW_MOST ? ram : LOW_SPLIT;
    pc->high_ram = ram - pc->low_ram;
    region_init_container(&pc->pci_memory, "pci memory", m->memory.size);
    region_init_container(&pc->smram, "smram", HIGH_RAM_START);
    pc->pci_map = (Mapping){ .region = &pc->pci_memory, .size = pc->pci_memory.size,
                             .priority = PCI_PRIORITY,
                             .seen = SEEN_READ | SEEN_WRITE, .on = true };
    pc->ram_base = ram_piece(m, 0, LOW_RAM_END, 0);
    pc->ram_low = ram_piece(m, HIGH_RAM_START, pc->low_ram - HIGH_RAM_START, HIGH_RAM_START);
    pc->ram_high = ram_piece(m, pc->low_ram, pc->high_ram, 4 * GIB);
    region_add(&m->memory, &pc->pci_map);
    region_add(&m->memory, &pc->ram_base);
    region_add(&m->memory, &pc->ram_low);
    if (pc->high_ram) {
        region_add(&m->memory, &pc->ram_high);
    }
}

/* Each CPU sees memory through its own container, in which its local APIC has a page. */
static bool add_cpu(Machine *m, PcMachine *pc, GError **err)
{
    Region *view = g_new0(Region, 1);
    g_ptr_array_add(pc->cpu_views, view);
    region_init_container(view, "cpu", m->memory.size);
    region_map(view, &m->memory, 0);
    Vcpu *v = vcpu_new(m, &x86_cpu_ops, err);
    if (!v) {
        return false;
    }
    v->as = v->spaces[0] = as_new(m, "cpu", view);
    if (pc->smm) {
        Region *smm = g_new0(Region, 1);
        g_ptr_array_add(pc->cpu_views, smm);
        region_init_container(smm, "cpu smm", m->memory.size);
        region_map(smm, view, 0);
        region_map(smm, &pc->smram, 0)->priority = SMRAM_PRIORITY;
        v->spaces[1] = as_new(m, "cpu smm", smm);
    }
    return lapic_create(m, pc->apicbus, v, view, err) != NULL;
}

static bool interrupts(Machine *m, PcMachine *pc, GError **err)
{
    pc->pic = i8259_create(m, &m->io, err);
    pc->apicbus = pc->pic ? apicbus_create(m, &m->memory, pc->pic, err) : NULL;
    if (!pc->apicbus) {
        return false;
    }
    for (unsigned i = 0; i < m->n_cpus; i++) {
        if (!add_cpu(m, pc, err)) {
            return false;
        }
    }
    pc->ioapic = ioapic_create(m, &m->memory, IOAPIC_AT, pc->apicbus, err);
    pc->gsi = pc->ioapic ? gsi_create(m, pc->pic, pc->ioapic, err) : NULL;
    return pc->gsi != NULL;
}

static bool chipset(Machine *m, PcMachine *pc, GError **err)
{
    pc->host = pcihost_create(m, &pc->pci_memory, err);
    if (pc->host) {
        pc->host->smram = &pc->smram;
    }
    if (!pc->host || !i440fx_create(m, pc->host, err) ||
        !piix3_create(m, pc->host, gsi_irq, pc->gsi, err)) {
        return false;
    }
    pc->isa = isa_bus_new(m, "isa.0", pc->gsi, &m->io, &pc->pci_memory);
    if (!piix3_ide_create(m, pc->host, gsi_irq, pc->gsi, err)) {
        return false;
    }
    if (pc->usb) {
        void *hc = device_new(m, pc->host->bus.base, "piix3-usb-uhci", NULL, err);
        if (!hc || !device_set(hc, "addr", "1.2", err) || !device_realize(hc, err)) {
            return false;
        }
    }
    pc->pm = piix4_pm_create(m, pc->host, gsi_irq, pc->gsi, pc->smm, err);
    return pc->pm != NULL;
}

static bool plain_device(Machine *m, Bus *bus, const char *class_name, GError **err)
{
    void *d = device_new(m, bus, class_name, NULL, err);
    return d && device_realize(d, err);
}

static bool timers(Machine *m, PcMachine *pc, GError **err)
{
    const struct Options *o = m->options;
    pc->pit = pit_create(m, pc->isa, err);
    pc->rtc = pc->pit && pcspk_create(m, pc->isa, pc->pit, pc->pcspk_audiodev, err)
                  ? rtc_create(m, pc->isa, err)
                  : NULL;
    if (!pc->rtc) {
        return false;
    }
    if (pc->has_hpet) {
        pc->hpet = hpet_create(m, &m->memory, pc->gsi, err);
        if (!pc->hpet) {
            return false;
        }
        pit_connect(pc->pit, hpet_legacy, pc->hpet, 0);
        hpet_watch(pc->hpet, pit_cut, pc->pit);
        rtc_connect(pc->rtc, hpet_legacy, pc->hpet, 8);
    }
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    if (!o->rtc_base_set && o->rtc_localtime) {
        g_autoptr(GDateTime) local = g_date_time_new_now_local();
        now += g_date_time_get_utc_offset(local) / G_USEC_PER_SEC;
    }
    rtc_set_time(pc->rtc, o->rtc_base_set ? o->rtc_base_s : now, o->rtc_clock);
    rtc_set_slew(pc->rtc, o->rtc_slew);
    return true;
}

static bool legacy_devices(Machine *m, PcMachine *pc, GError **err)
{
    static const char *const plain[] = { "port92", "ferr" };
    const struct Options *o = m->options;
    for (unsigned i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (!plain_device(m, pc->isa, plain[i], err)) {
            return false;
        }
    }
    pc->dma = dma_create(m, pc->isa, err);
    if (!pc->dma || !i8042_create(m, pc->isa, err)) {
        return false;
    }
    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        if (o->serial[i] && !serial_create(m, pc->isa, i, o->serial[i], err)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MAX_PARALLEL; i++) {
        if (o->parallel[i] && !parallel_create(m, pc->isa, i, o->parallel[i], err)) {
            return false;
        }
    }
    return !o->debugcon || debugcon_create(m, pc->isa, 0xe9, o->debugcon, err);
}

static bool drives(Machine *m, PcMachine *pc, GError **err)
{
    const struct Options *o = m->options;
    Drive *floppy[FDC_DRIVES] = { NULL };
    for (guint i = 0; o->drives && i < o->drives->len; i++) {
        OptDrive *d = o->drives->pdata[i];
        if (d->iface == DRIVE_IDE) {
            if (!ide_drive_create(m, (unsigned)d->index, drive_find(m, d->id), err)) {
                return false;
            }
            d->used = true;
        } else if (d->iface == DRIVE_FLOPPY) {
            floppy[d->index] = drive_find(m, d->id);
            d->used = true;
        } else if (d->iface != DRIVE_NONE && d->iface != DRIVE_PFLASH) {
            static const char *const names[] = { "none", "ide", "floppy", "scsi", "virtio",
                                                 "pflash" };
            return fail(err,
                        "drive %s: if=%s is not supported; use if=ide, or if=none with a -device",
                        d->id, names[d->iface]);
        }
    }
    pc->fdc = fdc_create(m, pc->isa, pc->dma, floppy, err);
    return pc->fdc != NULL;
}

static void nmi_button(Machine *m)
{
    PcMachine *pc = m->machine_data;
    apicbus_nmi(pc->apicbus, 0, true);
    apicbus_nmi(pc->apicbus, 0, false);
}

static bool pc_build(Machine *m, GError **err)
{
    PcMachine *pc = m->machine_data;
    const struct Options *o = m->options;
    pc->cpu_views = g_ptr_array_new();
    memory_map(m, pc);
    m->hooks.nmi = nmi_button;
    if (!drives_open(m, err) || !nets_open(m, err) || !audiodevs_open(m, err) ||
        !interrupts(m, pc, err) || !chipset(m, pc, err) || !timers(m, pc, err) ||
        !legacy_devices(m, pc, err)) {
        return false;
    }
    static const char *const cards[] = {
        [VGA_STD] = "VGA", [VGA_CIRRUS] = "cirrus-vga", [VGA_VIRTIO] = "virtio-vga"
    };
    if (o->vga != VGA_NONE && !plain_device(m, pc->host->bus.base, cards[o->vga], err)) {
        return false;
    }
    if (!nics_create(m, pc->host->bus.base, "e1000", err)) {
        return false;
    }
    pc->fw = fw_cfg_create(m, &m->io, err);
    return pc->fw && drives(m, pc, err) && pc_firmware(m, pc, err);
}

static void pc_unbuild(Machine *m)
{
    PcMachine *pc = m->machine_data;
    drives_close(m);
    nets_close(m);
    audiodevs_close(m);
    for (guint i = 0; pc->cpu_views && i < pc->cpu_views->len; i++) {
        region_destroy(pc->cpu_views->pdata[i]);
        g_free(pc->cpu_views->pdata[i]);
    }
    g_clear_pointer(&pc->cpu_views, g_ptr_array_unref);
    if (pc->bios) {
        region_destroy(pc->bios);
        g_clear_pointer(&pc->bios, g_free);
    }
    region_destroy(&pc->pci_memory);
    region_destroy(&pc->smram);
}

static const Field pc_fields[] = {
    CONFIG_AS(PcMachine, has_hpet, "hpet", .def = 1, .help = "Fit a high precision event timer."),
    CONFIG_AS(PcMachine, pcspk_audiodev, "pcspk-audiodev",
              .help = "Id of the -audiodev that plays the speaker; without, it is mute."),
    CONFIG(PcMachine, usb, .help = "Have the chipset's USB controller."),
    CONFIG(PcMachine, smm, .def = 1,
           .help = "Have system management mode: SMRAM, and SMIs by port B2."),
    FIELD_END
};

const MachineClass pc_machine = {
    .name = "pc",
    .desc = "Standard PC (i440FX + PIIX)",
    .alias = "pc-i440fx",
    .max_cpus = 255,
    .min_ram = 2 * MIB,
    .max_ram = 1024 * GIB,
    .default_ram = 128 * MIB,
    .fields = pc_fields,
    .size = sizeof(PcMachine),
    .cpu = &x86_cpu_ops,
    .build = pc_build,
    .unbuild = pc_unbuild,
};
