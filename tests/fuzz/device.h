/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h -- what the device fuzzers share: chance, memory, ports.  Each builds what a driver
 * would, with some of it wrong.
 *
 * Threads: one.
 */
#ifndef TESTS_FUZZ_DEVICE_H
#define TESTS_FUZZ_DEVICE_H
#include "hw/pci/pcihost.h"
#include "tests/dev/scripted/rig.h"

enum { FUZZ_RAM = 4 << 20, FUZZ_SLOT = 3, FUZZ_MS = 1000000 };

typedef struct DeviceFuzz {
    const char *name;
    void (*up)(void);                 /* a machine with the device */
    void (*round)(void);              /* some work for it */
} DeviceFuzz;
extern const DeviceFuzz device_fuzzers[];       /* ends with name NULL */

uint32_t rnd(void);
bool     one_in(unsigned n);
uint32_t pick(const uint32_t *of, unsigned n);
#define PICK(...)                                                                                  \
    pick((const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)
uint32_t odd(void);                   /* a number of the kind that breaks things */
uint32_t rather(uint32_t v);          /* v, but for one time in 30 */
void     put(uint32_t at, uint64_t v, unsigned size);    /* to RAM */
uint32_t get(uint32_t at);
void     spoil(uint32_t from, uint32_t bytes, unsigned n);      /* up to n bytes or words of it */
void     port(unsigned at, uint32_t v, unsigned size);
uint32_t port_in(unsigned at, unsigned size);
void     mem(uint64_t at, uint32_t v, unsigned size);
uint32_t mem_in(uint64_t at, unsigned size);
void     fuzz_machine(void);          /* RAM and a PCI host */
void     config(unsigned at, uint32_t v, unsigned size);
/* somebody types and moves the mouse; the screen is looked at */
void     people(void);

void fuzz_vga_up(void), fuzz_vga(void), fuzz_cirrus_up(void), fuzz_cirrus(void);
void fuzz_i8042_up(void), fuzz_i8042(void), fuzz_fdc_up(void), fuzz_fdc(void);
void fuzz_gpu_up(void), fuzz_gpu(void), fuzz_uhci_up(void), fuzz_uhci(void), fuzz_xhci_up(void),
    fuzz_xhci(void);
#endif
