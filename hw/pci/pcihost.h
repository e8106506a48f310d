/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcihost.h -- the PC's chipset: host bridge, 440FX, PIIX3, PIIX4 PM, as a machine puts them
 * together.
 *
 * Threads: with the machine lock.
 */
#ifndef HW_PCI_PCIHOST_H
#define HW_PCI_PCIHOST_H
#include "hw/pci/pci.h"

typedef struct PciHost {
    Device   dev;
    PciBus   bus;
    uint32_t confadd;
    /* container that CPUs in system management mode see above all else; may be NULL */
    Region  *smram;
    /* answers 1 and 2 byte accesses at CF8-CFB; offset 1 is the reset control register */
    Region  *byte_ports;
} PciHost;

/* mem: the container in which memory BARs decode; ports decode in m->io. */
PciHost *pcihost_create(Machine *m, Region *mem, GError **err);

/* 82441FX at 00.0: shadow RAM (PAM) and SMRAM, pieces of m->ram mapped into m->memory. */
void *i440fx_create(Machine *m, PciHost *host, GError **err);

/* 82371SB function 0 at 01.0: PIRQ routing to gsi(dev, n, level), reset control. */
void *piix3_create(Machine *m, PciHost *host, void (*sink)(void *dev, unsigned n, bool level),
                   void *gsi, GError **err);

/*
 * 82371AB function 3 at 01.3: power management, SCI on IRQ 9, SMBus host; smm: port B2 can raise
 * SMIs of CPU 0.
 */
void *piix4_pm_create(Machine *m, PciHost *host, void (*sink)(void *dev, unsigned n, bool level),
                      void *gsi, bool smm, GError **err);
/* where the firmware put the power management ports; 0: not yet */
uint16_t piix4_pm_base(void *pm);
void  piix4_pm_power_button(void *pm);          /* the user asks the guest to shut down */
#endif
