/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.h -- -kernel, -initrd, -append: an image is recognised, checked, and handed to the
 * firmware's loader ROM.
 *
 * Threads: main thread, before the machine runs.
 */
#ifndef HW_FIRMWARE_BOOT_H
#define HW_FIRMWARE_BOOT_H
#include "hw/firmware/fw_cfg.h"

typedef struct BootImage {
    Machine       *machine;
    void          *fw;
    const char    *path;              /* -kernel, for messages */
    const char    *append;            /* never NULL */
    const char    *initrd;            /* path(s), or NULL */
    GBytes        *bytes;
    const uint8_t *data;
    size_t         n;
    uint64_t       low_ram;           /* bytes of RAM from address 0 up */
} BootImage;

/* low_ram: contiguous RAM from 0.  Nothing to do without -kernel. */
bool boot_kernel(Machine *m, void *fw, uint64_t low_ram, GError **err);

/*
 * Each: *claimed says whether the image is of its kind; false with err set if it is but cannot be
 * loaded.
 */
bool boot_linux(BootImage *b, bool *claimed, GError **err);         /* bzImage and zImage */
bool boot_multiboot(BootImage *b, bool *claimed, GError **err);     /* Multiboot 1, flat or ELF */
/* ELF with Xen's PHYS32_ENTRY note */
bool boot_pvh(BootImage *b, bool *claimed, GError **err);

/* Highest address that a ramdisk may reach: the firmware keeps its tables above. */
uint64_t boot_top(const BootImage *b);
GBytes  *boot_initrd(const BootImage *b, uint64_t max, GError **err);
void     boot_cmdline(BootImage *b);          /* size and text, not the address */

/* Bounds-checked little-endian loads; 0 beyond the end. */
static inline uint64_t boot_get(const BootImage *b, uint64_t at, unsigned size)
{
    uint64_t v = 0;
    if (at > b->n || b->n - at < size) {
        return 0;
    }
    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)b->data[at + i] << (8 * i);
    }
    return v;
}

typedef struct ElfSegment {
    uint64_t at, offset, file_bytes, mem_bytes;
    uint32_t type;
} ElfSegment;

/* ELF: 32 or 64 bits, little-endian, for x86.  Segments that lie within the file only. */
bool     elf_is(const BootImage *b, bool *is64);
unsigned elf_segments(const BootImage *b, ElfSegment *out, unsigned max);     /* 0: malformed */
uint64_t elf_entry(const BootImage *b);
enum { ELF_MAX_SEGMENTS = 64, ELF_PT_LOAD = 1, ELF_PT_NOTE = 4 };
#endif
