/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvh.c -- an ELF kernel with Xen's PVH entry point: segments go to RAM at reset, pvh.bin enters
 * it.
 *
 * Spec: Xen docs/misc/pvh.pandoc (x86/HVM direct boot ABI); xen/include/public/elfnote.h,
 *   XEN_ELFNOTE_PHYS32_ENTRY.
 * Omits: nothing.
 * Threads: main thread, before the machine runs.
 */
#include "hw/firmware/boot.h"
#include <string.h>

enum { XEN_ELFNOTE_PHYS32_ENTRY = 18 };

/*
 * Notes are { u32 name bytes, u32 descriptor bytes, u32 type, name, descriptor }, both padded to 4.
 */
static bool find_entry(const BootImage *b, const ElfSegment *s, uint32_t *entry)
{
    uint64_t at = s->offset, end = s->offset + s->file_bytes;
    while (end - at >= 12) {
        uint64_t name = boot_get(b, at, 4), desc = boot_get(b, at + 4, 4),
                 type = boot_get(b, at + 8, 4);
        uint64_t total = 12 + ((name + 3) & ~UINT64_C(3)) + ((desc + 3) & ~UINT64_C(3));
        if (total > end - at) {
            return false;
        }
        if (type == XEN_ELFNOTE_PHYS32_ENTRY && name == 4 && !memcmp(b->data + at + 12, "Xen", 4) &&
            desc >= 4) {
            *entry = (uint32_t)boot_get(b, at + 16, 4);
            return true;
        }
        at += total;
    }
    return false;
}

static bool load_segments(BootImage *b, const ElfSegment *seg, unsigned n, uint64_t *top,
                          GError **err)
{
    for (unsigned i = 0; i < n; i++) {
        if (seg[i].type != ELF_PT_LOAD || !seg[i].mem_bytes) {
            continue;
        }
        uint64_t limit = boot_top(b);
        if (seg[i].at < 0x100000 || seg[i].at > limit || seg[i].mem_bytes > limit - seg[i].at) {
            return fail(err,
                        "kernel %s: its segment at 0x%" G_GINT64_MODIFIER "x, %" G_GINT64_MODIFIER
                        "u bytes, lies outside of the guest's RAM; give it more with -m",
                        b->path, seg[i].at, seg[i].mem_bytes);
        }
        *top = MAX(*top, seg[i].at + seg[i].mem_bytes);
        fw_cfg_at_reset(b->fw, seg[i].at,
                        g_bytes_new_from_bytes(b->bytes, seg[i].offset, seg[i].file_bytes));
    }
    return *top || fail(err, "kernel %s: the ELF file has nothing to load", b->path);
}

bool boot_pvh(BootImage *b, bool *claimed, GError **err)
{
    ElfSegment seg[ELF_MAX_SEGMENTS];
    bool is64, found = false;
    uint32_t entry = 0;
    uint64_t top = 0;
    if (!elf_is(b, &is64)) {
        return true;
    }
    *claimed = true;
    unsigned n = elf_segments(b, seg, ELF_MAX_SEGMENTS);
    for (unsigned i = 0; i < n && !found; i++) {
        found = seg[i].type == ELF_PT_NOTE && find_entry(b, &seg[i], &entry);
    }
    if (!found) {
        return fail(
            err, "kernel %s: this ELF file has no PVH entry note; Linux has one with CONFIG_PVH=y",
            b->path);
    }
    if (!load_segments(b, seg, n, &top, err)) {
        return false;
    }
    if (b->initrd) {
        uint64_t limit = boot_top(b);
        GBytes *initrd = boot_initrd(b, limit > top + 4096 ? limit - top - 4096 : 0, err);
        if (!initrd) {
            return false;
        }
        uint64_t size = g_bytes_get_size(initrd);
        fw_cfg_int(b->fw, FW_INITRD_ADDR, (limit - size) & ~UINT64_C(4095), 4);
        fw_cfg_int(b->fw, FW_INITRD_SIZE, size, 4);
        fw_cfg_item(b->fw, FW_INITRD_DATA, initrd);
        fw_cfg_mapped(b->fw, FW_INITRD_DATA);
    }
    boot_cmdline(b);
    fw_cfg_int(b->fw, FW_KERNEL_ENTRY, entry, 4);
    fw_cfg_int(b->fw, FW_SETUP_SIZE, MIN(b->n, 8192), 4);
    fw_cfg_item(b->fw, FW_SETUP_DATA, g_bytes_new_from_bytes(b->bytes, 0, MIN(b->n, 8192)));
    return fw_cfg_option_rom(b->fw, "pvh.bin", true, err);
}
