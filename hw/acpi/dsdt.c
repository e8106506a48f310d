/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dsdt.c -- the PC's devices and interrupt routing, for an ACPI operating system.
 *
 * Spec: ACPI 6.5, chapters 5.2.11, 6, 7.4.2 (_S5), 9; PCI Firmware 3.0, 4.3.
 * Omits: hot-plug of CPUs, sleep states other than S5, _OSC.
 * Threads: main thread, or with the machine lock.
 */
#include "hw/acpi/acpi.h"
#include "hw/acpi/aml.h"
#include "hw/acpi/pcihp.h"

static const char *const links[] = { "LNKA", "LNKB", "LNKC", "LNKD" };
static const char *const route_fields[] = { "PRQA", "PRQB", "PRQC", "PRQD" };

/*
 * 6.2.13: { slot << 16 | any function, pin, link, 0 }.  The swizzle is that of the bus; the PM
 * function is on IRQ 9 alone.
 */
static void routing_table(Aml *a)
{
    aml_name(a, "_PRT");
    size_t table = aml_package(a, 128);
    for (unsigned slot = 0; slot < 32; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            size_t row = aml_package(a, 4);
            aml_int(a, slot << 16 | 0xffff);
            aml_int(a, pin);
            aml_path(a, slot == 1 && pin == 0 ? "LNKS" : links[(slot + pin + 3) & 3]);
            aml_int(a, 0);
            aml_close(a, row);
        }
    }
    aml_close(a, table);
}

static void root_resources(const AcpiPc *pc, Aml *a)
{
    uint64_t high = (UINT64_C(1) << 32) + pc->high_ram;
    high = (high + (1 << 30) - 1) & ~((UINT64_C(1) << 30) - 1);
    aml_name(a, "_CRS");
    size_t res = aml_resources(a);
    aml_res_bus(a, 0, 0xff);
    aml_res_io(a, 0xcf8, 8);
    aml_res_port_window(a, 0, 0xcf7);
    aml_res_port_window(a, 0xd00, 0xffff);
    aml_res_memory_window(a, 0xa0000, 0xbffff, true, false);
    aml_res_memory_window(a, pc->low_ram, ACPI_PCI_HOLE_END, false, false);
    aml_res_memory_window(a, high, high + (UINT64_C(1) << 35) - 1, true, true);
    aml_resources_end(a, res);
}

static void port_device(Aml *a, const char *name, const char *hid, unsigned uid,
                        const uint16_t (*io)[2], unsigned n_io, int irq, int dma)
{
    size_t dev = aml_device(a, name);
    aml_hid(a, hid);
    if (uid) {
        aml_name_int(a, "_UID", uid);
    }
    aml_name_int(a, "_STA", 0x0f);
    aml_name(a, "_CRS");
    size_t res = aml_resources(a);
    for (unsigned i = 0; i < n_io; i++) {
        aml_res_io(a, io[i][0], (uint8_t)io[i][1]);
    }
    if (irq >= 0) {
        aml_res_irq(a, (unsigned)irq);
    }
    if (dma >= 0) {
        aml_res_dma(a, (unsigned)dma);
    }
    aml_resources_end(a, res);
    aml_close(a, dev);
}

static void isa_devices(const AcpiPc *pc, Aml *a)
{
    static const struct {
        const char *name, *hid;
        uint16_t    io[2][2];
        unsigned    n_io;
        int         irq, dma;
    } fixed[] = {
        { "RTC", "PNP0B00", { { 0x70, 8 } }, 1, 8, -1 },
        { "KBD", "PNP0303", { { 0x60, 1 }, { 0x64, 1 } }, 2, 1, -1 },
        { "PS2M", "PNP0F13", { { 0 } }, 0, 12, -1 },
        { "FDC0", "PNP0700", { { 0x3f0, 6 }, { 0x3f7, 1 } }, 2, 6, 2 },
        { "FWCF", "QEMU0002", { { 0x510, 12 } }, 1, -1, -1 },
    };
    static const uint16_t com[4][2] = { { 0x3f8, 8 }, { 0x2f8, 8 }, { 0x3e8, 8 }, { 0x2e8, 8 } };
    static const uint16_t lpt[3][2] = { { 0x378, 8 }, { 0x278, 8 }, { 0x3bc, 4 } };
    static const int com_irq[] = { 4, 3, 4, 3 }, lpt_irq[] = { 7, 5, 7 };
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        port_device(a, fixed[i].name, fixed[i].hid, 0, fixed[i].io, fixed[i].n_io, fixed[i].irq,
                    fixed[i].dma);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (pc->serial[i]) {
            port_device(a, (const char[5]){ 'C', 'O', 'M', (char)('1' + i), 0 }, "PNP0501", i + 1,
                        &com[i], 1, com_irq[i], -1);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        if (pc->parallel[i]) {
            port_device(a, (const char[5]){ 'L', 'P', 'T', (char)('1' + i), 0 }, "PNP0400", i + 1,
                        &lpt[i], 1, lpt_irq[i], -1);
        }
    }
}

/* The bridge's routing registers are fields that the link devices' methods read and write. */
static void isa_bridge(const AcpiPc *pc, Aml *a)
{
    size_t isa = aml_device(a, "ISA");
    aml_name_int(a, "_ADR", 0x00010000);
    aml_region(a, "PIRQ", AML_PCI_CONFIG, 0x60, 4);
    isa_devices(pc, a);
    aml_close(a, isa);
    size_t list = aml_field_list(a, "ISA.PIRQ", 1);
    for (unsigned i = 0; i < 4; i++) {
        aml_field(a, route_fields[i], 8);
    }
    aml_close(a, list);
}

static void return_resource_with(Aml *a, const char *field)
{
    static const uint32_t none = 0;
    aml_name(a, "PRR0");
    size_t res = aml_resources(a);
    aml_res_interrupt(a, &none, 1);
    aml_resources_end(a, res);
    aml_op(a, AML_DWORD_FIELD);
    aml_path(a, "PRR0");
    aml_int(a, 5);                    /* offset of the interrupt number */
    aml_path(a, "PRRI");
    aml_op(a, AML_AND);
    aml_path(a, field);
    aml_int(a, 15);
    aml_path(a, "PRRI");
    aml_op(a, AML_RETURN);
    aml_path(a, "PRR0");
}

static void link_device(Aml *a, unsigned n)
{
    static const uint32_t choices[] = { 5, 10, 11 };
    const char *field = route_fields[n];
    size_t dev = aml_device(a, links[n]);
    aml_hid(a, "PNP0C0F");
    aml_name_int(a, "_UID", n);
    aml_name(a, "_PRS");
    size_t res = aml_resources(a);
    aml_res_interrupt(a, choices, G_N_ELEMENTS(choices));
    aml_resources_end(a, res);

    size_t method = aml_method(a, "_STA", 0, false);
    size_t cond = aml_if(a);
    aml_op(a, AML_AND);
    aml_path(a, field);
    aml_int(a, 0x80);
    aml_op(a, AML_NO_TARGET);
    aml_op(a, AML_RETURN);
    aml_int(a, 0x09);
    aml_close(a, cond);
    aml_op(a, AML_RETURN);
    aml_int(a, 0x0b);
    aml_close(a, method);

    method = aml_method(a, "_DIS", 0, false);
    aml_op(a, AML_OR);
    aml_path(a, field);
    aml_int(a, 0x80);
    aml_path(a, field);
    aml_close(a, method);

    method = aml_method(a, "_CRS", 0, true);
    return_resource_with(a, field);
    aml_close(a, method);

    method = aml_method(a, "_SRS", 1, true);
    aml_op(a, AML_DWORD_FIELD);
    aml_op(a, AML_ARG0);
    aml_int(a, 5);
    aml_path(a, "PRRI");
    aml_op(a, AML_STORE);
    aml_path(a, "PRRI");
    aml_path(a, field);
    aml_close(a, method);
    aml_close(a, dev);
}

/* The power management function interrupts by the SCI, which cannot be moved. */
static void sci_link(Aml *a)
{
    static const uint32_t sci = 9;
    static const char *const same[] = { "_PRS", "_CRS" };
    size_t dev = aml_device(a, "LNKS");
    aml_hid(a, "PNP0C0F");
    aml_name_int(a, "_UID", 4);
    aml_name_int(a, "_STA", 0x0b);
    for (unsigned i = 0; i < 2; i++) {
        aml_name(a, same[i]);
        size_t res = aml_resources(a);
        aml_res_interrupt(a, &sci, 1);
        aml_resources_end(a, res);
    }
    aml_close(a, aml_method(a, "_DIS", 0, false));
    aml_close(a, aml_method(a, "_SRS", 1, false));
    aml_close(a, dev);
}

/* ---- PCI slots that can be plugged into: a device object each, and how to eject it (6.3.3) */
enum { FIRST_SLOT = 2, SLOTS = 32 };    /* 0 and 1 are the chipset's */
enum { NOTIFY_DEVICE_CHECK = 1, NOTIFY_EJECT_REQUEST = 3 };

static void slot_name(char name[5], unsigned slot)
{
    g_snprintf(name, 5, "S%02X_", slot << 3);
}

/*
 * Where something is that cannot go, the method has a name that nobody calls: the size is the same
 * whatever is plugged in.
 */
static void hotplug_slot(const AcpiPc *pc, Aml *a, unsigned slot)
{
    char name[5];
    slot_name(name, slot);
    size_t dev = aml_device(a, name);
    aml_name_int(a, "_ADR", slot << 16);
    aml_name_int(a, "_SUN", slot);
    size_t method =
        aml_method(a, pc->bus && pcihp_is_fixed(pc->bus, slot) ? "NEJ0" : "_EJ0", 1, true);
    aml_op(a, AML_STORE);
    aml_int(a, UINT32_C(1) << slot);
    aml_path(a, "PCEJ");
    aml_close(a, method);
    aml_close(a, dev);
}

/* PCNT (slots, what): tell the driver of each. */
static void hotplug_notify(Aml *a)
{
    size_t method = aml_method(a, "PCNT", 2, false);
    for (unsigned slot = FIRST_SLOT; slot < SLOTS; slot++) {
        char name[5];
        slot_name(name, slot);
        size_t cond = aml_if(a);
        aml_op(a, AML_AND);
        aml_op(a, AML_ARG0);
        aml_int(a, UINT32_C(1) << slot);
        aml_op(a, AML_NO_TARGET);
        aml_op(a, AML_NOTIFY);
        aml_path(a, name);
        aml_op(a, AML_ARG1);
        aml_close(a, cond);
    }
    aml_close(a, method);
}

static void hotplug_slots(const AcpiPc *pc, Aml *a)
{
    static const char *const registers[] = { "PCUP", "PCDN", "PCEJ" };
    aml_region(a, "PCHP", AML_SYSTEM_IO, PCIHP_PORT, PCIHP_BYTES);
    size_t list = aml_field_list(a, "PCHP", 3);
    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        aml_field(a, registers[i], 32);
    }
    aml_close(a, list);
    for (unsigned slot = FIRST_SLOT; slot < SLOTS; slot++) {
        hotplug_slot(pc, a, slot);
    }
    hotplug_notify(a);
}

/* 5.6.4.1: what general-purpose event 1, an edge, does. */
static void hotplug_event(Aml *a)
{
    static const struct { const char *slots; unsigned what; } events[] = {
        { "\\_SB.PCI0.PCUP", NOTIFY_DEVICE_CHECK }, { "\\_SB.PCI0.PCDN", NOTIFY_EJECT_REQUEST },
    };
    size_t scope = aml_scope(a, "\\_GPE"), method = aml_method(a, "_E01", 0, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(events); i++) {
        aml_op(a, AML_STORE);         /* the register is read once: that may clear it */
        aml_path(a, events[i].slots);
        aml_op(a, AML_LOCAL0);
        aml_path(a, "\\_SB.PCI0.PCNT");
        aml_op(a, AML_LOCAL0);
        aml_int(a, events[i].what);
    }
    aml_close(a, method);
    aml_close(a, scope);
}

static void processors(const AcpiPc *pc, Aml *a)
{
    for (unsigned i = 0; i < pc->n_cpus; i++) {
        static const char hex[] = "0123456789ABCDEF";
        char name[5] = { 'C', hex[i >> 8 & 15], hex[i >> 4 & 15], hex[i & 15], 0 };
        aml_close(a, aml_processor(a, name, (uint8_t)i));
    }
}

static void hpet_device(Aml *a)
{
    size_t dev = aml_device(a, "HPET");
    aml_hid(a, "PNP0103");
    aml_name_int(a, "_UID", 0);
    aml_name_int(a, "_STA", 0x0f);
    aml_name(a, "_CRS");
    size_t res = aml_resources(a);
    aml_res_memory32(a, 0xfed00000, 0x400, false);
    aml_resources_end(a, res);
    aml_close(a, dev);
}

/* Ports that belong to the board: the power management block stays where the firmware put it. */
static void board_device(const AcpiPc *pc, Aml *a)
{
    uint16_t pm = pc->pm_base ? pc->pm_base(pc->pm) : 0;
    size_t dev = aml_device(a, "MBRD");
    aml_hid(a, "PNP0C02");
    aml_name_int(a, "_UID", 1);
    aml_name(a, "_CRS");
    size_t res = aml_resources(a);
    aml_res_io(a, pm ? pm : ACPI_PM_BASE, 0x40);
    aml_res_io(a, 0xb2, 2);
    aml_res_io(a, PCIHP_PORT, PCIHP_BYTES);
    aml_res_io(a, GPE0_PORT, GPE0_BYTES);
    aml_resources_end(a, res);
    aml_close(a, dev);
}

void dsdt_pc(const AcpiPc *pc, GByteArray *a)
{
    size_t sb = aml_scope(a, "\\_SB");
    size_t pci = aml_device(a, "PCI0");
    aml_hid(a, "PNP0A03");
    aml_name_int(a, "_UID", 0);
    aml_name_int(a, "_BBN", 0);
    aml_name_int(a, "_ADR", 0);
    root_resources(pc, a);
    isa_bridge(pc, a);
    for (unsigned i = 0; i < 4; i++) {
        link_device(a, i);
    }
    sci_link(a);
    routing_table(a);
    hotplug_slots(pc, a);
    aml_close(a, pci);
    board_device(pc, a);
    if (pc->hpet) {
        hpet_device(a);
    }
    processors(pc, a);
    aml_close(a, sb);
    hotplug_event(a);

    aml_name(a, "\\_S5");
    size_t s5 = aml_package(a, 4);    /* SLP_TYP of PM1a and PM1b: PIIX4's SUS_TYP 0 is soft-off */
    for (unsigned i = 0; i < 4; i++) {
        aml_int(a, 0);
    }
    aml_close(a, s5);
}
