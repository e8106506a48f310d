/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.h -- what network cards share: the cards of the command line, and their boot ROMs.
 *
 * Threads: main thread, before the machine runs.
 */
#ifndef HW_NET_NIC_H
#define HW_NET_NIC_H
#include "hw/pci/pci.h"

/* all of -nic and -net nic; or the default one */
bool nics_create(Machine *m, Bus *pci, const char *usual, GError **err);
/* the network boot ROM, where there is one */
bool nic_rom(PciDevice *d, const char *name, GError **err);
#endif
