/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * misc.h -- what a machine needs to know of the devices in hw/misc.
 *
 *   port92          isa   port 92: A20, fast reset                      device_new + device_realize
 *   ferr            isa   ports f0-f1, IRQ 13: x87 errors; wired to CPU 0
 *   isa-debug-exit  isa   iobase=0x501, iosize=2; -device only
 *   pc-testdev      isa   ports e0-eb, 2000-2017; memory at ff000000
 *   pvpanic         isa   ioport=0x505
 *   i8257           isa   DMA controllers and page registers (0-f, 80-8f, c0-df), port 80 included
 *
 * All of them are created on the ISA bus without further wiring; see hw/misc/isa.h.
 * Threads: with the machine lock.
 */
#ifndef HW_MISC_MISC_H
#define HW_MISC_MISC_H
#endif
