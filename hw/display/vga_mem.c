/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_mem.c -- the CPU's window into video memory: chained, odd/even and planar addressing, write
 * and read modes, latches.
 *
 * Spec: IBM VGA, graphics controller and sequencer memory mode registers.
 * Omits: nothing of the data path; wait states.
 * Threads: with the machine lock.
 */
#include "hw/display/vga.h"

enum { CHAIN_4 = 8, ODD_EVEN = 0x10, READ_COMPARE = 8, BANK_BYTES = 0x10000,
       OFF_WINDOW = UINT32_MAX };

/* Where in the adapter's address space the window's byte is: memory map select, and VBE's bank. */
static uint32_t place(const Vga *s, hwaddr off)
{
    uint32_t at = (uint32_t)off;
    switch (s->gc[GC_MISC] >> 2 & 3) {
    case 0:  break;
    case 1:
        if (at >= BANK_BYTES) {
            return OFF_WINDOW;
        }
        at += (s->vbe[VBE_ENABLE] & VBE_ON) ? (uint32_t)s->vbe[VBE_BANK] * BANK_BYTES : 0;
        break;
    case 2:
        return at >= 0x10000 && at < 0x18000 ? at - 0x10000 : OFF_WINDOW;
    default:
        return at >= 0x18000 ? at - 0x18000 : OFF_WINDOW;
    }
    return at;
}

static uint8_t load(const Vga *s, uint64_t at)
{
    return at < s->vram.size ? s->vram.host[at] : 0xff;
}

static void store(Vga *s, uint64_t at, uint8_t val)
{
    if (at < s->vram.size) {
        s->vram.host[at] = val;
        region_set_dirty(&s->vram, at, 1);
    }
}

static uint8_t planar_read(Vga *s, uint32_t at)
{
    for (unsigned p = 0; p < 4; p++) {
        s->latch[p] = load(s, (uint64_t)at * 4 + p);
    }
    if (!(s->gc[GC_MODE] & READ_COMPARE)) {
        return s->latch[s->gc[GC_READ_PLANE] & 3];
    }
    uint8_t differ = 0;
    for (unsigned p = 0; p < 4; p++) {
        if (s->gc[GC_CARE] >> p & 1) {
            differ |= s->latch[p] ^ (s->gc[GC_COMPARE] >> p & 1 ? 0xff : 0);
        }
    }
    return (uint8_t)~differ;
}

static uint64_t window_read(void *dev, hwaddr off, unsigned size)
{
    Vga *s = dev;
    uint32_t at = place(s, off);
    if (at == OFF_WINDOW) {
        return 0xff;
    }
    if (s->seq[SEQ_MEMORY] & CHAIN_4) {
        return load(s, at);
    }
    if (s->gc[GC_MODE] & ODD_EVEN) {
        return load(s, (uint64_t)(at >> 1) * 4 + ((s->gc[GC_READ_PLANE] & 2) | (at & 1)));
    }
    return planar_read(s, at);
}

static uint8_t rotate(uint8_t val, unsigned by)
{
    return (uint8_t)(val >> by | val << (8 - by));
}

static uint8_t combine(const Vga *s, uint8_t val, uint8_t latch, uint8_t mask)
{
    switch (s->gc[GC_FUNCTION] >> 3 & 3) {
    case 1: val &= latch; break;
    case 2: val |= latch; break;
    case 3: val ^= latch; break;
    default: break;
    }
    return (uint8_t)((val & mask) | (latch & ~mask));
}

static void planar_write(Vga *s, uint32_t at, uint8_t val)
{
    unsigned mode = s->gc[GC_MODE] & 3;
    uint8_t mask = s->gc[GC_BITMASK], turned = rotate(val, s->gc[GC_FUNCTION] & 7);
    for (unsigned p = 0; p < 4; p++) {
        uint8_t set = s->gc[GC_SET] >> p & 1 ? 0xff : 0, out = s->latch[p];
        switch (mode) {
        case 0:
            out = combine(s, s->gc[GC_SET_ENABLE] >> p & 1 ? set : turned, s->latch[p], mask);
            break;
        case 2: out = combine(s, val >> p & 1 ? 0xff : 0, s->latch[p], mask); break;
        case 3: out = combine(s, set, s->latch[p], turned & mask); break;
        default: break;               /* 1: the latches as they are */
        }
        if (s->seq[SEQ_MASK] >> p & 1) {
            store(s, (uint64_t)at * 4 + p, out);
        }
    }
}

static void window_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Vga *s = dev;
    uint32_t at = place(s, off);
    if (at == OFF_WINDOW) {
        return;
    }
    if (s->seq[SEQ_MEMORY] & CHAIN_4) {
        if (s->seq[SEQ_MASK] >> (at & 3) & 1) {
            store(s, at, (uint8_t)val);
        }
    } else if (s->gc[GC_MODE] & ODD_EVEN) {
        unsigned plane = (s->gc[GC_READ_PLANE] & 2) | (at & 1);
        if (s->seq[SEQ_MASK] >> plane & 1) {
            store(s, (uint64_t)(at >> 1) * 4 + plane, (uint8_t)val);
        }
    } else {
        planar_write(s, at, (uint8_t)val);
    }
}

const MmioOps vga_window_ops = { .read = window_read, .write = window_write, .min = 1, .max = 1 };
