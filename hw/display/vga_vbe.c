/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_vbe.c -- the Bochs VBE extension: an index and a data register that set up a linear frame
 * buffer.
 *
 * Spec: Bochs VBE DISPI interface, ids B0C0 to B0C5.
 * Omits: scan-out of the frame buffer by these registers is in vga_draw.c.
 * Threads: with the machine lock.
 */
#include "hw/display/vga.h"
#include <string.h>

enum { ID_FIRST = 0xb0c0, ID_LAST = 0xb0c5, MAX_XRES = 16000, MAX_YRES = 12000, MAX_BPP = 32,
       MODE_BITS = 0xe3 };

static unsigned bits_per_pixel(const Vga *s)
{
    unsigned bpp = s->vbe[VBE_BPP];
    return bpp == 15 ? 16 : bpp;
}

/* Width and offset of the virtual screen, cut to what fits into memory; its height follows. */
static void fit(Vga *s)
{
    unsigned bpp = bits_per_pixel(s);
    if (s->vbe[VBE_VIRT_WIDTH] < s->vbe[VBE_XRES]) {
        s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
    }
    uint64_t pitch = (uint64_t)s->vbe[VBE_VIRT_WIDTH] * bpp / 8;
    uint64_t rows = pitch ? s->vram.size / pitch : 0;
    s->vbe[VBE_VIRT_HEIGHT] = (uint16_t)MIN(rows, 0xffff);
    if (s->vbe[VBE_YRES] > s->vbe[VBE_VIRT_HEIGHT]) {
        s->vbe[VBE_YRES] = s->vbe[VBE_VIRT_HEIGHT];
    }
    s->vbe[VBE_X_OFFSET] =
        (uint16_t)MIN(s->vbe[VBE_X_OFFSET], s->vbe[VBE_VIRT_WIDTH] - s->vbe[VBE_XRES]);
    s->vbe[VBE_Y_OFFSET] =
        (uint16_t)MIN(s->vbe[VBE_Y_OFFSET], s->vbe[VBE_VIRT_HEIGHT] - s->vbe[VBE_YRES]);
}

uint16_t vga_vbe_read(Vga *s, unsigned index)
{
    bool caps = s->vbe[VBE_ENABLE] & VBE_GETCAPS;
    if (index >= N_VBE) {
        return 0;
    }
    if (caps && index >= VBE_XRES && index <= VBE_BPP) {
        static const uint16_t most[] = {
            [VBE_XRES] = MAX_XRES, [VBE_YRES] = MAX_YRES, [VBE_BPP] = MAX_BPP
        };
        return most[index];
    }
    return s->vbe[index];
}

static bool is_on(const Vga *s)
{
    return s->vbe[VBE_ENABLE] & VBE_ON;
}

static void enable(Vga *s, uint16_t val)
{
    bool start = (val & VBE_ON) && !is_on(s);
    if (start) {
        s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
        s->vbe[VBE_X_OFFSET] = s->vbe[VBE_Y_OFFSET] = 0;
        fit(s);
        if (!(val & VBE_KEEP_MEMORY)) {
            uint64_t n =
                (uint64_t)s->vbe[VBE_VIRT_WIDTH] * bits_per_pixel(s) / 8 * s->vbe[VBE_YRES];
            n = MIN(n, s->vram.size);
            memset(s->vram.host, 0, n);
            region_set_dirty(&s->vram, 0, n);
        }
    }
    s->vbe[VBE_ENABLE] = val & MODE_BITS;
    if (!is_on(s)) {
        s->vbe[VBE_BANK] = 0;
    }
    s->redraw = true;
    vga_show(s);
}

void vga_vbe_write(Vga *s, unsigned index, uint16_t val)
{
    switch (index) {
    case VBE_ID:
        if (val >= ID_FIRST && val <= ID_LAST) {
            s->vbe[VBE_ID] = val;
        }
        return;
    case VBE_XRES:
        if (!is_on(s) && val && val <= MAX_XRES) {
            s->vbe[VBE_XRES] = val & ~7u;
        }
        return;
    case VBE_YRES:
        if (!is_on(s) && val && val <= MAX_YRES) {
            s->vbe[VBE_YRES] = val;
        }
        return;
    case VBE_BPP:
        if (!is_on(s) && (val == 4 || val == 8 || val == 15 || val == 16 || val == 24 ||
                          val == 32 || val == 0)) {
            s->vbe[VBE_BPP] = val ? val : 8;
        }
        return;
    case VBE_ENABLE:
        enable(s, val);
        return;
    case VBE_BANK:
        if (((uint64_t)val + 1) << 16 <= s->vram.size) {
            s->vbe[VBE_BANK] = val;
        }
        return;
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        s->vbe[index] = val;
        fit(s);
        s->redraw = true;
        return;
    default:
        return;
    }
}

void vga_vbe_reset(Vga *s)
{
    memset(s->vbe, 0, sizeof(s->vbe));
    s->vbe_index = 0;
    s->vbe[VBE_ID] = ID_LAST;
    s->vbe[VBE_MEMORY_64K] = (uint16_t)(s->vram.size >> 16);
}
