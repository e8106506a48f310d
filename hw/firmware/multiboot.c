/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * multiboot.c -- a Multiboot 1 kernel with modules: one block of memory and an information
 * structure for multiboot_dma.bin.
 *
 * Spec: Multiboot Specification 0.6.96, chapters 3.1 to 3.3.
 * Omits: symbol tables, the video mode fields, drives and APM; Multiboot 2.
 * Threads: main thread, before the machine runs.
 *
 * The block, from the kernel's lowest address up: kernel | page-aligned modules | module list |
 * strings.
 * The ROM fills in the memory map and mem_lower/mem_upper.
 */
#include "hw/firmware/boot.h"
#include "hw/firmware/firmware.h"
#include <string.h>

#define MB_MAGIC 0x1badb002u
enum { MB_SEARCH = 8192, MB_ADDRESSES = 1 << 16, MB_UNKNOWN = 0xfffe & ~7 };
enum { INFO_AT = 0x9500, MMAP_AT = 0x9000, INFO_BYTES = 88 };
enum { I_FLAGS = 0, I_BOOT_DEVICE = 12, I_CMDLINE = 16, I_MODS_COUNT = 20, I_MODS_ADDR = 24,
       I_MMAP_ADDR = 48, I_LOADER = 64 };
/* memory, device, cmdline, mods, mmap, loader */
enum { I_HAS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9 };
enum { MAX_MODULES = 64 };

typedef struct Block {
    GByteArray *bytes;
    uint64_t    at;                   /* guest address of its first byte */
} Block;

static void put32(uint8_t *p, unsigned at, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p + at, &v, 4);
}

static uint32_t block_end(const Block *k)
{
    return (uint32_t)(k->at + k->bytes->len);
}

static void block_align(Block *k, unsigned to)
{
    while (k->bytes->len % to) {
        g_byte_array_append(k->bytes, (const guint8 *)"", 1);
    }
}

static uint32_t block_string(Block *k, const char *s)
{
    uint32_t at = block_end(k);
    g_byte_array_append(k->bytes, (const guint8 *)s, (guint)strlen(s) + 1);
    return at;
}

static bool find_header(const BootImage *b, uint64_t *at)
{
    for (uint64_t i = 0; i + 12 <= MIN(b->n, MB_SEARCH); i += 4) {
        if (boot_get(b, i, 4) == MB_MAGIC &&
            (uint32_t)(MB_MAGIC + boot_get(b, i + 4, 4) + boot_get(b, i + 8, 4)) == 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

static bool bad_place(BootImage *b, GError **err)
{
    return fail(err,
                "kernel %s: its load addresses lie outside of the file or of the guest's RAM; give "
                "it more with -m",
                b->path);
}

/* Address fields in the header: 3.1.3. */
static bool load_flat(BootImage *b, uint64_t h, Block *k, uint32_t *entry, GError **err)
{
    uint64_t header = boot_get(b, h + 12, 4), load = boot_get(b, h + 16, 4),
             load_end = boot_get(b, h + 20, 4);
    uint64_t bss_end = boot_get(b, h + 24, 4);
    *entry = (uint32_t)boot_get(b, h + 28, 4);
    if (load > header || header - load > h) {
        return bad_place(b, err);
    }
    uint64_t from = h - (header - load), n = load_end ? load_end - load : b->n - from;
    uint64_t total = bss_end ? bss_end - load : n;
    total = MAX(total, n);
    if ((load_end && load_end < load) || (bss_end && bss_end < load) || n > b->n - from ||
        load < 0x100000 || load > boot_top(b) || total > boot_top(b) - load) {
        return bad_place(b, err);
    }
    k->at = load;
    g_byte_array_append(k->bytes, b->data + from, (guint)n);
    g_byte_array_set_size(k->bytes, (guint)total);
    memset(k->bytes->data + n, 0, total - n);
    return true;
}

static bool load_elf(BootImage *b, Block *k, uint32_t *entry, GError **err)
{
    ElfSegment seg[ELF_MAX_SEGMENTS];
    bool is64 = false;
    if (!elf_is(b, &is64) || is64) {
        return fail(
            err,
            "kernel %s: a Multiboot kernel without address fields must be a 32-bit x86 ELF file",
            b->path);
    }
    unsigned n = elf_segments(b, seg, ELF_MAX_SEGMENTS);
    uint64_t low = UINT64_MAX, high = 0, limit = boot_top(b);
    for (unsigned i = 0; i < n; i++) {
        if (seg[i].type == ELF_PT_LOAD && seg[i].mem_bytes) {
            if (seg[i].at < 0x100000 || seg[i].at > limit || seg[i].mem_bytes > limit - seg[i].at) {
                return bad_place(b, err);
            }
            low = MIN(low, seg[i].at);
            high = MAX(high, seg[i].at + seg[i].mem_bytes);
        }
    }
    if (!high) {
        return fail(err, "kernel %s: the ELF file has nothing to load", b->path);
    }
    k->at = low;
    g_byte_array_set_size(k->bytes, (guint)(high - low));
    memset(k->bytes->data, 0, high - low);
    for (unsigned i = 0; i < n; i++) {
        if (seg[i].type == ELF_PT_LOAD && seg[i].mem_bytes) {
            memcpy(k->bytes->data + (seg[i].at - low), b->data + seg[i].offset, seg[i].file_bytes);
        }
    }
    *entry = (uint32_t)elf_entry(b);
    return true;
}

/* -initrd "FILE [ARGS],FILE [ARGS]": 16 bytes of list each, start, end, string, 0. */
static bool add_modules(BootImage *b, Block *k, uint8_t *info, GError **err)
{
    g_auto(GStrv) mods = g_strsplit(b->initrd ? b->initrd : "", ",", -1);
    guint n = g_strv_length(mods);
    uint32_t start[MAX_MODULES], end[MAX_MODULES];
    if (n > MAX_MODULES) {
        return fail(err, "-initrd: at most %d Multiboot modules", MAX_MODULES);
    }
    for (guint i = 0; i < n; i++) {
        g_autofree char *path = g_strndup(g_strchug(mods[i]), strcspn(mods[i], " "));
        g_autoptr(GBytes) data = firmware_read(path, "initrd", UINT32_MAX, err);
        if (!data) {
            return false;
        }
        gsize size;
        const guint8 *p = g_bytes_get_data(data, &size);
        block_align(k, 4096);
        if (size > boot_top(b) || block_end(k) + size > boot_top(b)) {
            return fail(err,
                        "initrd %s: %zu bytes do not fit into RAM beside the kernel; give the "
                        "guest more with -m",
                        path, size);
        }
        start[i] = block_end(k);
        g_byte_array_append(k->bytes, p, (guint)size);
        end[i] = block_end(k);
    }
    block_align(k, 16);
    uint32_t list = block_end(k), list_at = k->bytes->len;
    g_byte_array_set_size(k->bytes, k->bytes->len + 16 * n);
    for (guint i = 0; i < n; i++) {
        uint32_t text = block_string(k, mods[i]);
        uint8_t *e = k->bytes->data + list_at + 16 * i;
        put32(e, 0, start[i]);
        put32(e, 4, end[i]);
        put32(e, 8, text);
        put32(e, 12, 0);
    }
    put32(info, I_MODS_COUNT, n);
    put32(info, I_MODS_ADDR, list);
    return true;
}

static bool hand_over(BootImage *b, Block *k, uint32_t entry, GError **err)
{
    uint8_t info[INFO_BYTES] = { 0 };
    if (!add_modules(b, k, info, err)) {
        return false;
    }
    g_autofree char *cmdline = g_strdup_printf("%s%s%s", b->path, *b->append ? " " : "", b->append);
    put32(info, I_FLAGS, I_HAS);
    put32(info, I_BOOT_DEVICE, 0x8000ffff);       /* first hard disk, no partition */
    put32(info, I_CMDLINE, block_string(k, cmdline));
    put32(info, I_LOADER, block_string(k, "ryokan"));
    put32(info, I_MMAP_ADDR, MMAP_AT);
    if (block_end(k) > boot_top(b)) {
        return bad_place(b, err);
    }
    fw_cfg_int(b->fw, FW_KERNEL_ENTRY, entry, 4);
    fw_cfg_int(b->fw, FW_KERNEL_ADDR, k->at, 4);
    fw_cfg_int(b->fw, FW_KERNEL_SIZE, k->bytes->len, 4);
    fw_cfg_bytes(b->fw, FW_KERNEL_DATA, k->bytes->data, k->bytes->len);
    fw_cfg_int(b->fw, FW_INITRD_ADDR, INFO_AT, 4);
    fw_cfg_int(b->fw, FW_INITRD_SIZE, sizeof(info), 4);
    fw_cfg_bytes(b->fw, FW_INITRD_DATA, info, sizeof(info));
    return fw_cfg_option_rom(b->fw, "multiboot_dma.bin", true, err);
}

bool boot_multiboot(BootImage *b, bool *claimed, GError **err)
{
    uint64_t h;
    uint32_t entry = 0;
    if (!find_header(b, &h)) {
        return true;
    }
    *claimed = true;
    uint32_t flags = (uint32_t)boot_get(b, h + 4, 4);
    if (flags & MB_UNKNOWN) {
        return fail(err, "kernel %s: it demands Multiboot features 0x%x, which are not provided",
                    b->path, flags & MB_UNKNOWN);
    }
    Block k = { .bytes = g_byte_array_new() };
    bool ok =
        flags & MB_ADDRESSES ? load_flat(b, h, &k, &entry, err) : load_elf(b, &k, &entry, err);
    ok = ok && hand_over(b, &k, entry, err);
    g_byte_array_free(k.bytes, TRUE);
    return ok;
}
