/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux.c -- a Linux bzImage or zImage: the setup header is filled in, the parts go to
 * linuxboot_dma.bin by fw_cfg.
 *
 * Spec: Linux Documentation/arch/x86/boot.rst, boot protocol 2.00 to 2.15.
 * Omits: setup_data (device trees, EFI), images before protocol 2.00.
 * Threads: main thread, before the machine runs.
 */
#include "hw/firmware/boot.h"
#include <string.h>

enum {                                /* offsets of the setup header */
    H_SETUP_SECTS = 0x1f1, H_VID_MODE = 0x1fa, H_BOOT_FLAG = 0x1fe, H_MAGIC = 0x202,
    H_VERSION = 0x206,
    H_LOADER = 0x210, H_LOADFLAGS = 0x211, H_INITRD = 0x218, H_INITRD_SIZE = 0x21c,
    H_HEAP_END = 0x224,
    H_CMDLINE = 0x228, H_INITRD_MAX = 0x22c, H_XLOADFLAGS = 0x236, H_CMDLINE_MAX = 0x238,
    H_INIT_SIZE = 0x260,
};
enum { LOADED_HIGH = 0x01, CAN_USE_HEAP = 0x80, XLF_ABOVE_4G = 0x02 };
/* the id given to this way of loading: boot.rst, type_of_loader */
enum { LOADER_ID = 0xb0 };

typedef struct Place {
    uint32_t setup, cmdline, kernel;
} Place;

static void put(uint8_t *p, unsigned at, unsigned size, uint32_t v)
{
    for (unsigned i = 0; i < size; i++) {
        p[at + i] = (uint8_t)(v >> (8 * i));
    }
}

/* "vga=" is for the boot loader: normal, ext, ask or a number. */
static void video_mode(uint8_t *setup, const char *append)
{
    const char *v = strstr(append, "vga=");
    if (!v || (v != append && v[-1] != ' ')) {
        return;
    }
    v += 4;
    unsigned mode = g_str_has_prefix(v, "normal") ? 0xffff : g_str_has_prefix(v, "ext") ? 0xfffe
                    : g_str_has_prefix(v, "ask") ? 0xfffd : (unsigned)strtoul(v, NULL, 0);
    put(setup, H_VID_MODE, 2, mode);
}

static Place choose_places(const BootImage *b, unsigned version)
{
    if (!(boot_get(b, H_LOADFLAGS, 1) & LOADED_HIGH)) {
        uint32_t n = (uint32_t)MIN(strlen(b->append) + 1, 0x7ff);
        return (Place){ 0x90000, 0x9a000 - ((n + 15) & ~15u), 0x10000 };
    }
    return version < 0x202 ? (Place){ 0x90000, 0x99000, 0x100000 } : (Place){ 0x10000, 0x20000,
                                                                              0x100000 };
}

static uint64_t initrd_limit(const BootImage *b, unsigned version)
{
    uint64_t max = version >= 0x203 ? boot_get(b, H_INITRD_MAX, 4) : 0x37ffffff;
    if (version >= 0x20c && (boot_get(b, H_XLOADFLAGS, 2) & XLF_ABOVE_4G)) {
        max = UINT32_MAX;
    }
    return MIN(max + 1, boot_top(b));
}

static bool add_initrd(BootImage *b, uint8_t *setup, unsigned version, uint64_t floor, GError **err)
{
    uint64_t top = initrd_limit(b, version);
    GBytes *initrd = boot_initrd(b, top > floor + 4096 ? top - floor - 4096 : 0, err);
    if (!initrd) {
        return false;
    }
    uint32_t n = (uint32_t)g_bytes_get_size(initrd), at = (uint32_t)((top - n) & ~UINT64_C(4095));
    put(setup, H_INITRD, 4, at);
    put(setup, H_INITRD_SIZE, 4, n);
    fw_cfg_int(b->fw, FW_INITRD_ADDR, at, 4);
    fw_cfg_int(b->fw, FW_INITRD_SIZE, n, 4);
    fw_cfg_item(b->fw, FW_INITRD_DATA, initrd);
    fw_cfg_mapped(b->fw, FW_INITRD_DATA);
    return true;
}

static void fill_header(const BootImage *b, uint8_t *setup, unsigned version, Place at)
{
    put(setup, H_LOADER, 1, LOADER_ID);
    if (version >= 0x201) {
        put(setup, H_LOADFLAGS, 1, setup[H_LOADFLAGS] | CAN_USE_HEAP);
        put(setup, H_HEAP_END, 2, at.cmdline - at.setup - 0x200);
    }
    if (version >= 0x202) {
        put(setup, H_CMDLINE, 4, at.cmdline);
    } else {
        put(setup, 0x20, 2, 0xa33f);
        put(setup, 0x22, 2, at.cmdline - at.setup);
    }
    video_mode(setup, b->append);
}

bool boot_linux(BootImage *b, bool *claimed, GError **err)
{
    if (b->n < 0x400 || boot_get(b, H_BOOT_FLAG, 2) != 0xaa55 ||
        memcmp(b->data + H_MAGIC, "HdrS", 4)) {
        return true;
    }
    *claimed = true;
    unsigned version = (unsigned)boot_get(b, H_VERSION, 2),
             sects = b->data[H_SETUP_SECTS] ? b->data[H_SETUP_SECTS] : 4;
    size_t setup_n = (sects + 1) * 512u;
    if (version < 0x200 || setup_n >= b->n) {
        return fail(err, "kernel %s: the image is cut short or too old (boot protocol %x.%02x)",
                    b->path, version >> 8, version & 0xff);
    }
    Place at = choose_places(b, version);
    uint64_t cmdline_max = version >= 0x206 ? boot_get(b, H_CMDLINE_MAX, 4) : 255,
             kernel_n = b->n - setup_n;
    uint64_t need = MAX(kernel_n, version >= 0x20a ? boot_get(b, H_INIT_SIZE, 4) : 0);
    if (strlen(b->append) > MIN(cmdline_max, 0xffff)) {
        return fail(err, "-append: the kernel %s takes at most %u bytes of command line", b->path,
                    (unsigned)MIN(cmdline_max, 0xffff));
    }
    if (at.kernel + need > boot_top(b)) {
        return fail(err, "kernel %s: needs %u MiB of RAM; give the guest more with -m", b->path,
                    (unsigned)((at.kernel + need) >> 20) + 1);
    }
    g_autofree uint8_t *setup = g_memdup2(b->data, setup_n);
    fill_header(b, setup, version, at);
    if (b->initrd && !add_initrd(b, setup, version, at.kernel + kernel_n, err)) {
        return false;
    }
    boot_cmdline(b);
    fw_cfg_int(b->fw, FW_CMDLINE_ADDR, at.cmdline, 4);
    fw_cfg_int(b->fw, FW_SETUP_ADDR, at.setup, 4);
    fw_cfg_int(b->fw, FW_SETUP_SIZE, setup_n, 4);
    fw_cfg_bytes(b->fw, FW_SETUP_DATA, setup, setup_n);
    fw_cfg_int(b->fw, FW_KERNEL_ADDR, at.kernel, 4);
    fw_cfg_int(b->fw, FW_KERNEL_SIZE, kernel_n, 4);
    fw_cfg_item(b->fw, FW_KERNEL_DATA, g_bytes_new_from_bytes(b->bytes, setup_n, kernel_n));
    fw_cfg_mapped(b->fw, FW_KERNEL_DATA);
    return fw_cfg_option_rom(b->fw, "linuxboot_dma.bin", true, err);
}
