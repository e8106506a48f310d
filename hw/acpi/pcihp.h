/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcihp.h -- PCI devices that come and go while the guest runs, as ACPI tells it: part of the
 * PIIX4's power management.
 *
 * Threads: with the machine lock.
 */
#ifndef HW_ACPI_PCIHP_H
#define HW_ACPI_PCIHP_H
#include "hw/pci/pci.h"

enum { PCIHP_PORT = 0xae00, PCIHP_BYTES = 0x14, GPE0_PORT = 0xafe0, GPE0_BYTES = 4,
       GPE_PCI_HOTPLUG = 1 };
enum { PCIHP_UP = 0, PCIHP_DOWN = 4, PCIHP_EJECT = 8, PCIHP_REMOVABLE = 12, PCIHP_BUS = 16 };

/* a member of the function that has it; PCIHP_FIELDS in its table */
typedef struct PciHotplug {
    PciBus  *bus;
    Machine *machine;
    uint32_t up, down;                /* bit n: slot n has come; is to go */
    /* the guest has let go of them, the main loop has not acted yet */
    uint32_t eject;
    uint32_t selected;                /* the bus: there is one */
    uint16_t gpe_status, gpe_enable;
    Region   slots, gpe;
    Mapping  slots_map, gpe_map;
    void   (*changed)(void *dev);     /* the SCI is to be worked out anew */
    void    *dev;
} PciHotplug;

#define PCIHP_FIELDS(S, m)                                           \
    STATE(S, m.up, .since = 1), STATE(S, m.down, .since = 1),        \
    STATE(S, m.eject, .since = 1), STATE(S, m.selected, .since = 1), \
    STATE(S, m.gpe_status, .since = 1), STATE(S, m.gpe_enable, .since = 1)

void pcihp_init(PciHotplug *h, PciBus *bus, void (*changed)(void *dev), void *dev);
void pcihp_free(PciHotplug *h);
void pcihp_reset(PciHotplug *h);
void pcihp_restored(PciHotplug *h);
bool pcihp_sci(const PciHotplug *h);
bool pcihp_is_fixed(const PciBus *bus, unsigned slot);  /* something there cannot be pulled out */
#endif
