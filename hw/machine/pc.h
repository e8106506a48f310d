/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc.h -- what the parts of a PC know of each other while it is being put together.
 *
 * Threads: main thread, before the machine runs.
 */
#ifndef HW_MACHINE_PC_H
#define HW_MACHINE_PC_H
#include "core/machine.h"
#include "hw/acpi/acpi.h"
#include "hw/pci/pcihost.h"

typedef struct PcMachine {            /* m->machine_data */
    bool      has_hpet;
    uint64_t  low_ram, high_ram;      /* from 0 and from 4 GiB */
    Region    pci_memory;           /* memory BARs, the VGA window, option ROM space: beneath RAM */
    bool      smm, usb;
    char     *pcspk_audiodev;
    Region    smram;                  /* what CPUs in system management mode see above all else */
    Mapping   pci_map, ram_base, ram_low, ram_high;
    void     *pic, *apicbus, *ioapic, *gsi;
    PciHost  *host;
    void     *pm, *pit, *rtc, *hpet, *fw, *dma, *fdc;
    Bus      *isa;
    GPtrArray *cpu_views;             /* Region: what each CPU sees */
    Region   *bios;
    uint64_t  flash_bytes;            /* if=pflash */
    AcpiPc    acpi;
} PcMachine;

/* pc_firmware.c: CMOS, fw_cfg items, BIOS image, kernel, tables. */
bool pc_firmware(Machine *m, PcMachine *pc, GError **err);
#endif
