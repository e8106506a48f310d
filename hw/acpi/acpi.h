/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.h -- the ACPI and SMBIOS tables of a PC, handed to the firmware by fw_cfg.
 *
 * Threads: main thread; the tables are written again, with the lock, when the firmware fetches
 *   them.
 */
#ifndef HW_ACPI_ACPI_H
#define HW_ACPI_ACPI_H
#include "core/machine.h"
#include "hw/pci/pci.h"

typedef struct AcpiPc {               /* lives as long as the machine */
    Machine  *machine;
    unsigned  n_cpus;
    uint64_t  low_ram;                /* RAM below 4 GiB ends here, PCI memory begins */
    uint64_t  high_ram;               /* bytes of RAM from 4 GiB up */
    bool      serial[4], parallel[3], hpet;
    uint32_t  hpet_id;                /* low half of the HPET's capabilities */
    PciBus   *bus;                    /* slots that can be plugged into while the machine runs */
    /* where the firmware put the power management block; 0: not yet */
    uint16_t (*pm_base)(void *pm);
    void     *pm;
} AcpiPc;

bool acpi_pc_add(AcpiPc *pc, void *fw, GError **err);
void dsdt_pc(const AcpiPc *pc, GByteArray *out);        /* the body, after the table header */
/* uuid: 36 characters, or NULL. */
bool smbios_add(Machine *m, void *fw, uint64_t low_ram, uint64_t high_ram, GError **err);
enum { ACPI_PM_BASE = 0x600, ACPI_PCI_HOLE_END = 0xfebfffff };
#endif
