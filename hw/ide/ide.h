/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.h -- the PC's disk controller, and the drives on its two channels.
 *
 *   piix3-ide  pci   two channels, bus.type "ide": ide.0 (1f0, 3f6, IRQ 14), ide.1 (170, 376, 15)
 *   ide-hd     ide   drive=ID, unit=0|1, serial=, model=, bootindex=
 *   ide-cd     ide   the same
 *
 * Threads: with the machine lock.
 */
#ifndef HW_IDE_IDE_H
#define HW_IDE_IDE_H
#include "block/drive.h"
#include "hw/pci/pcihost.h"

void *piix3_ide_create(Machine *m, PciHost *host, void (*sink)(void *dev, unsigned n, bool level),
                       void *gsi, GError **err);
/* What -drive if=ide makes: ide-hd or ide-cd at place index, channel * 2 + unit. */
bool  ide_drive_create(Machine *m, unsigned index, Drive *drive, GError **err);
#endif
