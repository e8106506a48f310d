/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg.h -- what the machine tells its firmware: numbered items and named files.
 *
 * Spec: the fw_cfg interface as SeaBIOS and the Linux qemu_fw_cfg driver use it (selector, data,
 *   DMA, file directory).
 * Threads: items are added before the machine runs; then with the machine lock.
 */
#ifndef HW_FIRMWARE_FW_CFG_H
#define HW_FIRMWARE_FW_CFG_H
#include "core/machine.h"

enum {                                /* items known by number */
    FW_SIGNATURE = 0x00, FW_ID = 0x01, FW_UUID = 0x02, FW_RAM_SIZE = 0x03, FW_NOGRAPHIC = 0x04,
    FW_NB_CPUS = 0x05,
    FW_KERNEL_ADDR = 0x07, FW_KERNEL_SIZE = 0x08, FW_INITRD_ADDR = 0x0a, FW_INITRD_SIZE = 0x0b,
    FW_BOOT_DEVICE = 0x0c,
    FW_NUMA = 0x0d, FW_BOOT_MENU = 0x0e, FW_MAX_CPUS = 0x0f, FW_KERNEL_ENTRY = 0x10,
    FW_KERNEL_DATA = 0x11,
    FW_INITRD_DATA = 0x12, FW_CMDLINE_ADDR = 0x13, FW_CMDLINE_SIZE = 0x14, FW_CMDLINE_DATA = 0x15,
    FW_SETUP_ADDR = 0x16, FW_SETUP_SIZE = 0x17, FW_SETUP_DATA = 0x18, FW_FILE_DIR = 0x19,
    FW_FILE_FIRST = 0x20,
    FW_IRQ0_OVERRIDE = 0x8002,
};

void *fw_cfg_create(Machine *m, Region *io, GError **err);
void  fw_cfg_item(void *fw, uint16_t key, GBytes *data);                   /* takes the reference */
void  fw_cfg_bytes(void *fw, uint16_t key, const void *data, size_t n);     /* copies */
void  fw_cfg_int(void *fw, uint16_t key, uint64_t val, unsigned size);      /* little-endian */
bool  fw_cfg_file(void *fw, const char *name, GBytes *data, GError **err); /* takes the reference */
bool  fw_cfg_file_int(void *fw, const char *name, uint64_t val, unsigned size, GError **err);

/*
 * That item's data is a part of a mapped file (firmware_read()): memory that can be let go when the
 * guest has read it.
 */
void  fw_cfg_mapped(void *fw, uint16_t key);

/*
 * The file's contents depend on what the guest set up: fill() rewrites them, in place, each time
 * they are selected.
 */
bool fw_cfg_file_live(void *fw, const char *name, size_t n,
                      void (*fill)(void *arg, uint8_t *data, size_t n), void *arg, GError **err);

/* The guest may write that file too, by DMA; told after each piece. */
void fw_cfg_file_written(void *fw, const char *name,
                         void (*written)(void *arg, const uint8_t *data, size_t n));

/* Bytes of a boot image, put into RAM at every reset. */
void  fw_cfg_at_reset(void *fw, hwaddr at, GBytes *data);                  /* takes the reference */
/* An option ROM that the firmware runs, first in the boot order if boots. */
bool  fw_cfg_option_rom(void *fw, const char *file, bool boots, GError **err);
/* Called once, at the second reset: what held for the first start only ends. */
void  fw_cfg_after_first_reset(void *fw, void (*fn)(void *arg), void *arg);
/*
 * The machine's fw_cfg device, and a device's place in the boot order (bootindex=; path as the
 * firmware names it).
 */
void  fw_cfg_boot_path(Machine *m, int32_t bootindex, const char *path);
void *fw_cfg_find(Machine *m);
#endif
