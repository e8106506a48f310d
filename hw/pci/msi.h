/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msi.h -- interrupts of a PCI function as messages: the MSI and MSI-X capabilities.
 *
 * A function calls pci_msi() or pci_msix() in realize(), after pci_init(), and pci_notify() when it
 * has something to say.
 * While the guest has enabled neither, pci_notify() says so and the function drives its pin with
 * pci_irq() instead.
 *
 * Spec: PCI Local Bus 3.0, chapter 6.8.
 * Omits: see msi.c.
 * Threads: with the machine lock.
 */
#ifndef HW_PCI_MSI_H
#define HW_PCI_MSI_H
#include "hw/pci/pci.h"

enum { PCI_MSIX_MAX = 128 };          /* vectors that a function can have */
/* a BAR of their own: pci_msix_bar() */
enum { PCI_MSIX_BAR_BYTES = 4096, PCI_MSIX_TABLE_AT = 0, PCI_MSIX_PBA_AT = 0x800 };

/* a member of the function's struct; PCI_MSIX_FIELDS in its table */
typedef struct PciMsix {
    uint8_t  at;                      /* the capability */
    uint16_t n;                       /* vectors */
    /* address, upper address, data, vector control of each (6.8.2.6 to 6.8.2.9) */
    uint32_t table[PCI_MSIX_MAX * 4];
    uint32_t pending[PCI_MSIX_MAX / 32];
    Region   table_bank, pba_bank;
    Region   own;                     /* pci_msix_bar()'s */
} PciMsix;

#define PCI_MSIX_FIELDS(S, m)                                                                    \
    { .name = "msix_table", .type = T_U32, .flags = F_STATE, .offset = offsetof(S, m.table),     \
      .count = PCI_MSIX_MAX * 4 },                                                               \
    { .name = "msix_pending", .type = T_U32, .flags = F_STATE, .offset = offsetof(S, m.pending), \
      .count = PCI_MSIX_MAX / 32 }

/* MSI with 1, 2, 4, ... 32 vectors, 64-bit addresses and a mask for each. */
void pci_msi(PciDevice *d, unsigned vectors);
/*
 * MSI-X with its table and pending bits in BAR number `bar`, a container that the function has
 * offered with pci_bar().
 */
void pci_msix(PciDevice *d, PciMsix *x, unsigned vectors, unsigned bar, uint32_t table_at,
              uint32_t pba_at);
/* The same in a memory BAR that has nothing else. */
void pci_msix_bar(PciDevice *d, PciMsix *x, unsigned vectors, unsigned bar);
void pci_msix_free(PciDevice *d);     /* in unrealize(), before pci_unrealize() */

bool pci_msi_enabled(const PciDevice *d);       /* either of them: the pin is silent */
bool pci_msix_enabled(const PciDevice *d);
/* Sends this vector's message, or keeps it while it is masked.  false: messages are off. */
bool pci_notify(PciDevice *d, unsigned vector);

/* pci.c calls these. */
void pci_msi_written(PciDevice *d, unsigned at, unsigned size);
void pci_msi_reset(PciDevice *d);
#endif
