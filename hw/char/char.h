/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * char.h -- character devices of a PC.
 *
 *   isa-serial    iobase, irq, index (0..3 gives 3f8/4, 2f8/3, 3e8/4, 2e8/3), chardev=ID
 *   isa-parallel  iobase, irq, index (0..2 gives 378/7, 278/5, 3bc/7), chardev=ID
 *   isa-debugcon  iobase=0xe9, readback=0xe9, chardev=ID
 *
 * Threads: with the machine lock.
 */
#ifndef HW_CHAR_H
#define HW_CHAR_H
#include "core/chardev.h"
#include "core/machine.h"

/* Port `index` (0..3); chr NULL: one that goes nowhere.  What -serial and -debugcon make. */
void *serial_create(Machine *m, Bus *isa, unsigned index, Chardev *chr, GError **err);
void *parallel_create(Machine *m, Bus *isa, unsigned index, Chardev *chr, GError **err);
void *debugcon_create(Machine *m, Bus *isa, unsigned iobase, Chardev *chr, GError **err);
#endif
