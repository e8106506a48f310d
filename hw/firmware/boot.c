/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.c -- -kernel: which kind of image it is, its ramdisk and command line, and a small ELF
 * reader.
 *
 * Spec: System V ABI, chapters 4 and 5 (ELF); the loaders' own specifications are in linux.c,
 *   multiboot.c and pvh.c.
 * Omits: EFI zboot images, images compressed by hand.
 * Threads: main thread, before the machine runs.
 */
#include "hw/firmware/boot.h"
#include "core/options.h"
#include "hw/firmware/firmware.h"
#include <string.h>

#define KERNEL_MAX (UINT64_C(1) << 30)
/* the firmware's tables at the top of RAM: ACPI, SMBIOS, its own heap */
#define TABLES_BYTES (512u << 10)

uint64_t boot_top(const BootImage *b)
{
    return b->low_ram > TABLES_BYTES ? b->low_ram - TABLES_BYTES : 0;
}

GBytes *boot_initrd(const BootImage *b, uint64_t max, GError **err)
{
    GBytes *bytes = firmware_read(b->initrd, "initrd", UINT32_MAX, err);
    if (bytes && g_bytes_get_size(bytes) > max) {
        fail(err,
             "initrd %s: %zu bytes do not fit into RAM beside the kernel; give the guest more with "
             "-m",
             b->initrd, g_bytes_get_size(bytes));
        g_bytes_unref(bytes);
        return NULL;
    }
    return bytes;
}

void boot_cmdline(BootImage *b)
{
    size_t n = strlen(b->append) + 1;
    fw_cfg_int(b->fw, FW_CMDLINE_SIZE, n, 4);
    fw_cfg_bytes(b->fw, FW_CMDLINE_DATA, b->append, n);
}

/* ---- ELF ---- */
bool elf_is(const BootImage *b, bool *is64)
{
    if (b->n < 52 || memcmp(b->data, "\177ELF", 4) || b->data[5] != 1) {
        return false;
    }
    uint64_t machine = boot_get(b, 18, 2);
    *is64 = b->data[4] == 2;
    return *is64 ? machine == 62 : b->data[4] == 1 && machine == 3;
}

uint64_t elf_entry(const BootImage *b)
{
    return b->data[4] == 2 ? boot_get(b, 24, 8) : boot_get(b, 24, 4);
}

unsigned elf_segments(const BootImage *b, ElfSegment *out, unsigned max)
{
    bool is64 = b->data[4] == 2;
    uint64_t phoff = is64 ? boot_get(b, 32, 8) : boot_get(b, 28, 4);
    unsigned size = (unsigned)boot_get(b, is64 ? 54 : 42, 2),
             n = (unsigned)boot_get(b, is64 ? 56 : 44, 2);
    if (n > max || size < (is64 ? 56u : 32u) || phoff > b->n || (uint64_t)n * size > b->n - phoff) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t p = phoff + (uint64_t)i * size;
        ElfSegment *s = &out[i];
        s->type = (uint32_t)boot_get(b, p, 4);
        s->offset = is64 ? boot_get(b, p + 8, 8) : boot_get(b, p + 4, 4);
        s->at = is64 ? boot_get(b, p + 24, 8) : boot_get(b, p + 12, 4);
        s->file_bytes = is64 ? boot_get(b, p + 32, 8) : boot_get(b, p + 16, 4);
        s->mem_bytes = is64 ? boot_get(b, p + 40, 8) : boot_get(b, p + 20, 4);
        bool inside = s->offset <= b->n && s->file_bytes <= b->n - s->offset;
        if ((s->type == ELF_PT_LOAD || s->type == ELF_PT_NOTE) &&
            (!inside || s->mem_bytes < s->file_bytes)) {
            if (s->type == ELF_PT_LOAD || !inside) {
                return 0;
            }
        }
    }
    return n;
}

/* ---- which kind ---- */
bool boot_kernel(Machine *m, void *fw, uint64_t low_ram, GError **err)
{
    static bool (*const kinds[])(BootImage *, bool *, GError **) = { boot_linux, boot_multiboot,
                                                                     boot_pvh };
    const struct Options *o = m->options;
    if (!o->kernel) {
        return true;
    }
    g_autoptr(GBytes) bytes = firmware_read(o->kernel, "kernel", KERNEL_MAX, err);
    if (!bytes) {
        return false;
    }
    BootImage b = { .machine = m, .fw = fw, .path = o->kernel,
                    .append = o->append ? o->append : "", .initrd = o->initrd,
                    .bytes = bytes, .low_ram = low_ram };
    b.data = g_bytes_get_data(bytes, &b.n);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        bool claimed = false;
        if (!kinds[i](&b, &claimed, err)) {
            return false;
        }
        if (claimed) {
            return true;
        }
    }
    return fail(err,
                "kernel %s: not a kernel; it must be a Linux bzImage, a Multiboot image, or an ELF "
                "file with a PVH note",
                o->kernel);
}
