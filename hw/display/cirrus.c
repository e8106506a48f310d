/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cirrus.c -- cirrus-vga: a VGA with the extensions of the Cirrus Logic CL-GD5446: packed modes,
 * banks, cursor, blitter.
 *
 * Spec: CL-GD5446 Technical Reference Manual: chapter 4 (sequencer, SR), 9 (graphics controller,
 *       GR), 6 (CRTC), 7 (hidden DAC).
 * Omits: video capture and overlay, clocks (kept, without effect), DDC, byte-swapped apertures,
 *        16-colour modes beyond the VGA's,
 *        interlace.
 * Threads: with the machine lock.
 *
 *     BAR 0: 32 MiB, video memory at 0     BAR 1: 00-1f the ports 3c0-3df, 100-140 the blitter
 *     A0000: two banks     ROM
 */
#include "hw/display/cirrus.h"
#include "core/machine.h"
#include <string.h>

enum { LFB_BYTES = 32 << 20, REGS_BYTES = 4096, BLT_AT = 0x100, BLT_END = 0x141, BANK = 0x8000,
       MMIO_WINDOW = 0x18000 };
enum { SR_UNLOCK = 6, SR_MODE = 7, SR_CURSOR_X = 0x10, SR_CURSOR_Y = 0x11, SR_CURSOR = 0x12,
       SR_CURSOR_AT = 0x13, SR_CONFIG = 0x17 };
enum { UNLOCKED = 0x12, PACKED = 1, CURSOR_ON = 1, CURSOR_COLORS = 2, CURSOR_64 = 4,
       MMIO_MASK = 0x44, MMIO_B8000 = 4 };
/* GRB */
enum { EXT_TWO_BANKS = 1, EXT_BY8 = 2, EXT_WRITE = 4, EXT_16BIT = 0x10, EXT_GRAIN_16K = 0x20 };
enum { CR_EXTEND = 0x1b, CR_OVERLAY = 0x1d, CR_ATTR_INDEX = 0x24, CR_ID = 0x27, CHIP_ID = 0xb8,
       CURSOR_AREA = 16384 };

/* ---- blitter registers and the graphics controller's extensions ---- */
static void gr_write(Cirrus *c, unsigned i, uint8_t val)
{
    static const uint8_t mask[GR_N] = { [GR_WIDTH + 1] = 0x1f, [GR_HEIGHT + 1] = 0x07,
                                        [GR_DST_PITCH + 1] = 0x1f,
                                        [GR_SRC_PITCH + 1] = 0x1f, [GR_DST + 2] = 0x3f,
                                            [GR_SRC + 2] = 0x3f };
    uint8_t old = c->gr[i];
    c->gr[i] = mask[i] ? val & mask[i] : val;
    if (i == GR_START) {
        c->gr[i] = (val & (uint8_t)~(START_BUSY | START_BUFFERED)) |
            (old & (START_BUSY | START_BUFFERED));
        if (val & START_RESET || ((old & START_GO) && !(val & START_GO))) {
            cirrus_blt_stop(c);
        } else if ((val & START_GO) && !(old & START_GO)) {
            cirrus_blt_start(c);
        }
    } else if (i == GR_DST + 2 && (c->gr[GR_START] & START_AUTO)) {
        cirrus_blt_start(c);
    }
}

/* BAR 1 from 100h on (9.42): the same registers in the order of a structure; 0xff: nothing there.
   */
static unsigned blt_index(unsigned at)
{
    static const uint8_t first[] = {
        0x00, 0x10, 0x12, 0x14, 0x01, 0x11, 0x13, 0x15, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
            0x27,
        0x28, 0x29, 0x2a, 0xff, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0xff, 0x32, 0x33, 0x34, 0x35, 0xff,
            0xff, 0x38, 0x39,
    };
    return at < sizeof(first) ? first[at] : at == 0x40 ? GR_START : 0xff;
}

static uint8_t blt_read(Cirrus *c, unsigned at)
{
    unsigned i = blt_index(at);
    return i < GR_N ? c->gr[i] : 0xff;
}

static void blt_write(Cirrus *c, unsigned at, uint8_t val)
{
    unsigned i = blt_index(at);
    if (i < GR_N) {
        gr_write(c, i, val);
    }
}

/* ---- sequencer ---- */
static void sr_write(Cirrus *c, uint8_t val)
{
    unsigned i = c->sr_index & 0x1f;
    /* 4.13: the index's high bits are the place's low ones */
    uint16_t place = (uint16_t)(val << 3 | c->sr_index >> 5);
    switch (i) {
    case SR_UNLOCK:
        val = (val & 0x17) == UNLOCKED ? UNLOCKED : 0x0f;
        break;
    case SR_CURSOR_X: c->cursor_x = place; break;
    case SR_CURSOR_Y: c->cursor_y = place; break;
    default: break;
    }
    c->sr[i] = val;
    c->vga.redraw = true;
}

/* ---- palette: the hidden DAC behind 3C6, the cursor's colours behind 3C9 ---- */
static bool dac_read(Cirrus *c, unsigned port, uint8_t *val)
{
    Vga *s = &c->vga;
    if (port == 0x3c6) {
        *val = c->dac_reads == 4 ? c->hidden_dac : s->pel_mask;
        c->dac_reads = c->dac_reads == 4 ? 0 : c->dac_reads + 1;
        return true;
    }
    c->dac_reads = 0;
    if (port != 0x3c9 || !(c->sr[SR_CURSOR] & CURSOR_COLORS)) {
        return false;
    }
    *val = c->cursor_palette[(s->dac_read & 15) * 3 + s->dac_part] >> 2;
    if (++s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_read++;
    }
    return true;
}

static bool dac_write(Cirrus *c, unsigned port, uint8_t val)
{
    Vga *s = &c->vga;
    bool hidden = port == 0x3c6 && c->dac_reads == 4;
    c->dac_reads = 0;
    if (hidden) {
        c->hidden_dac = val;
        s->redraw = true;
        return true;
    }
    if (port != 0x3c9 || !(c->sr[SR_CURSOR] & CURSOR_COLORS)) {
        return false;
    }
    c->cursor_palette[(s->dac_write & 15) * 3 + s->dac_part] =
        (uint8_t)((val & 0x3f) << 2 | (val & 0x3f) >> 4);
    if (++s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_write++;
        s->redraw = true;
    }
    return true;
}

/* ---- the VGA's ports ---- */
static uint8_t cr_read(const Cirrus *c, unsigned i)
{
    return i == CR_ATTR_INDEX ? c->vga.attr_index : i == CR_ID ? CHIP_ID : i == 0x22 ?
        c->vga.latch[c->vga.gc[GC_READ_PLANE] & 3] :
           c->cr[i];
}

static bool ext_read(Vga *s, unsigned port, uint8_t *val)
{
    Cirrus *c = (Cirrus *)s;
    unsigned i = s->gc_index;
    switch (port) {
    case 0x3c4: *val = c->sr_index; return true;
    case 0x3c5:
        *val = c->sr[c->sr_index & 0x1f];
        return (c->sr_index & 0x1f) >= N_SEQ;
    case 0x3c6: case 0x3c7: case 0x3c8: case 0x3c9: return dac_read(c, port, val);
    case 0x3cf:
        *val = c->gr[i & (GR_N - 1)];
        return i >= N_GC || i <= GC_SET_ENABLE || i == GC_MODE;
    case 0x3b5: case 0x3d5:
        *val = cr_read(c, s->crtc_index & 0x3f);
        return s->crtc_index >= N_CRTC;
    default: return false;
    }
}

static bool ext_write(Vga *s, unsigned port, uint8_t val)
{
    Cirrus *c = (Cirrus *)s;
    switch (port) {
    case 0x3c4:
        c->sr_index = val;
        s->seq_index = val & 0x1f;
        return true;
    case 0x3c5:
        if ((c->sr_index & 0x1f) < N_SEQ) {
            return false;
        }
        sr_write(c, val);
        return true;
    case 0x3c6: case 0x3c7: case 0x3c8: case 0x3c9: return dac_write(c, port, val);
    case 0x3ce:
        s->gc_index = val & (GR_N - 1);
        return true;
    case 0x3cf:
        gr_write(c, s->gc_index & (GR_N - 1), val);
        return s->gc_index >= N_GC;
    case 0x3b5: case 0x3d5:
        if (s->crtc_index < N_CRTC) {
            return false;
        }
        c->cr[s->crtc_index & 0x3f] = val;
        return true;
    default: return false;
    }
}

/* ---- what is shown ---- */
static bool packed(Vga *s, VgaPacked *p)
{
    static const uint8_t depth[8] = { 8, 16, 24, 16, 32, 32, 32, 32 };      /* 4.9: SR7 bits 3:1 */
    const Cirrus *c = (Cirrus *)s;
    const uint8_t *r = s->crtc;
    if (!(c->sr[SR_MODE] & PACKED)) {
        return false;
    }
    p->bpp = depth[c->sr[SR_MODE] >> 1 & 7];
    if (p->bpp == 16 && !(c->hidden_dac & 1)) {
        p->bpp = 15;                  /* 7.4: 5:5:5 */
    }
    p->width = (r[CRTC_HDISP] + 1u) * 8;
    p->height = (r[CRTC_VDISP] | (r[CRTC_OVERFLOW] & 2 ? 0x100u : 0) |
                 (r[CRTC_OVERFLOW] & 0x40 ? 0x200u : 0)) + 1;
    p->height >>= r[CRTC_CELL] & 0x80 ? 1 : 0;
    p->pitch = (r[CRTC_OFFSET] | (c->cr[CR_EXTEND] & 0x10 ? 0x100u : 0)) * 8;
    p->start = ((uint64_t)r[CRTC_START_HIGH] << 8 | r[CRTC_START_LOW] |
                (c->cr[CR_EXTEND] & 1u) << 16 |
                (c->cr[CR_EXTEND] >> 2 & 3u) << 17 | (c->cr[CR_OVERLAY] >> 7 & 1u) << 19) * 4;
    return true;
}

static uint32_t cursor_color(const Cirrus *c, unsigned i)
{
    const uint8_t *p = &c->cursor_palette[i * 3];
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* 4.15: two bits a dot from the last 16 KiB of video memory: nothing, inverted, colour 0, colour
   15. */
static void overlay(Vga *s, unsigned y, uint32_t *line, unsigned width)
{
    const Cirrus *c = (Cirrus *)s;
    unsigned side = c->sr[SR_CURSOR] & CURSOR_64 ? 64 : 32, row = y - c->cursor_y;
    if (!(c->sr[SR_CURSOR] & CURSOR_ON) || y < c->cursor_y || row >= side) {
        return;
    }
    const uint8_t *area = s->vram.host + s->vram.size - CURSOR_AREA;
    const uint8_t *p0 = side == 64 ? area + (c->sr[SR_CURSOR_AT] & 0x3c) * 256u + row * 16 :
        area + (c->sr[SR_CURSOR_AT] & 0x3f) * 256u + row * 4;
    const uint8_t *p1 = p0 + (side == 64 ? 8 : 128);
    for (unsigned i = 0, x = c->cursor_x; i < side && x < width; i++, x++) {
        unsigned bits = (p0[i / 8] >> (7 - i % 8) & 1) | (p1[i / 8] >> (7 - i % 8) & 1) << 1;
        line[x] = bits == 0 ? line[x] : bits == 1 ? line[x] ^ 0xffffff :
            cursor_color(c, bits == 2 ? 0 : 15);
    }
}

/* ---- memory: the banks at A0000 (9.10 to 9.12) ---- */
static uint32_t banked(const Cirrus *c, hwaddr off)
{
    uint8_t ext = c->gr[GR_EXTEND];
    bool second = (ext & EXT_TWO_BANKS) && off >= BANK;
    uint32_t base = (uint32_t)c->gr[second ? GR_BANK1 : GR_BANK0] << (ext & EXT_GRAIN_16K ? 14 :
            12);
    uint32_t in = (uint32_t)(second ? off - BANK : off);
    in <<= (ext & (EXT_16BIT | EXT_WRITE)) == (EXT_16BIT | EXT_WRITE) ? 4 : ext & EXT_BY8 ? 3 : 0;
    return (base + in) & ((uint32_t)c->vga.vram.size - 1);
}

/* 9.6: write modes 4 and 5: eight pixels from a byte; only 5 writes the background. */
static void expand(Cirrus *c, uint32_t at, uint8_t bits, bool both)
{
    unsigned bytes = c->gr[GR_EXTEND] & EXT_16BIT ? 2 : 1;
    uint32_t mask = (uint32_t)c->vga.vram.size - 1;
    for (unsigned i = 0; i < 8; i++) {
        bool on = bits >> (7 - i) & 1;
        uint32_t color = cirrus_color(c, on), to = at + i * bytes;
        for (unsigned k = 0; k < bytes && (on || both); k++) {
            c->vga.vram.host[(to + k) & mask] = (uint8_t)(color >> (8 * k));
            region_set_dirty(&c->vga.vram, (to + k) & mask, 1);
        }
    }
}

static bool mmio_window(const Cirrus *c, hwaddr off)
{
    return off >= MMIO_WINDOW && off < MMIO_WINDOW + 0x100 &&
        (c->sr[SR_CONFIG] & MMIO_MASK) == MMIO_B8000;
}

static uint64_t window_read(void *dev, hwaddr off, unsigned size)
{
    Cirrus *c = dev;
    if (mmio_window(c, off)) {
        return blt_read(c, (unsigned)off - MMIO_WINDOW);
    }
    if (!(c->sr[SR_MODE] & PACKED)) {
        return vga_window_ops.read(dev, off, size);
    }
    return off < 2 * BANK ? c->vga.vram.host[banked(c, off)] : 0xff;
}

static void window_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Cirrus *c = dev;
    unsigned mode = c->gr[GC_MODE] & 7;
    if (mmio_window(c, off)) {
        blt_write(c, (unsigned)off - MMIO_WINDOW, (uint8_t)val);
    } else if (c->feeding && off < 2 * BANK) {
        cirrus_blt_feed(c, (uint8_t)val);
    } else if (!(c->sr[SR_MODE] & PACKED)) {
        vga_window_ops.write(dev, off, val, size);
    } else if (off < 2 * BANK) {
        uint32_t at = banked(c, off);
        if ((mode == 4 || mode == 5) && (c->gr[GR_EXTEND] & EXT_WRITE)) {
            expand(c, at, (uint8_t)val, mode == 5);
        } else {
            c->vga.vram.host[at] = (uint8_t)val;
            region_set_dirty(&c->vga.vram, at, 1);
        }
    }
}

static const MmioOps window_ops = { .read = window_read, .write = window_write, .min = 1,
                                    .max = 1 };

/* BAR 0 while the blitter waits for the CPU: any address is its input. */
static uint64_t fifo_read(void *dev, hwaddr off, unsigned size)
{
    Cirrus *c = dev;
    return off < c->vga.vram.size ? c->vga.vram.host[off] : 0xff;
}

static void fifo_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Cirrus *c = dev;
    if (c->feeding) {
        cirrus_blt_feed(c, (uint8_t)val);
    }
}

static const MmioOps fifo_ops = { .read = fifo_read, .write = fifo_write, .min = 1, .max = 1 };

void cirrus_feed_map(Cirrus *c)
{
    Machine *m = c->vga.pci.dev.machine;
    map_begin(m);
    c->lfb_fifo.on = c->feeding;
    map_commit(m);
}

/* BAR 1 */
static uint64_t regs_bank_read(void *dev, hwaddr off, unsigned size)
{
    if (off < 0x20) {
        return vga_port_read(dev, 0x3c0 + (unsigned)off);
    }
    return off >= BLT_AT && off < BLT_END ? blt_read(dev, (unsigned)off - BLT_AT) : 0xff;
}

static void regs_bank_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    if (off < 0x20) {
        vga_port_write(dev, 0x3c0 + (unsigned)off, (uint8_t)val);
    } else if (off >= BLT_AT && off < BLT_END) {
        blt_write(dev, (unsigned)off - BLT_AT, (uint8_t)val);
    }
}

static const MmioOps regs_ops = { .read = regs_bank_read, .write = regs_bank_write, .min = 1,
                                  .max = 1 };

static void bars(Vga *s)
{
    Cirrus *c = (Cirrus *)s;
    region_init_container(&c->lfb, "cirrus frame buffer", LFB_BYTES);
    region_init_io(&c->fifo, "cirrus blitter input", &fifo_ops, c, LFB_BYTES);
    region_init_io(&c->regs, "cirrus registers", &regs_ops, c, REGS_BYTES);
    c->lfb_vram = (Mapping){ .region = &s->vram, .size = s->vram.size, .seen = SEEN_READ |
                             SEEN_WRITE, .on = true };
    c->lfb_fifo = (Mapping){ .region = &c->fifo, .size = LFB_BYTES, .priority = 1,
                             .seen = SEEN_WRITE };
    map_begin(s->pci.dev.machine);
    region_add(&c->lfb, &c->lfb_vram);
    region_add(&c->lfb, &c->lfb_fifo);
    map_commit(s->pci.dev.machine);
    pci_bar(&s->pci, 0, PCI_BAR_MEM, true, &c->lfb);
    pci_bar(&s->pci, 1, PCI_BAR_MEM, false, &c->regs);
}

static const VgaExt ext = { .read = ext_read, .write = ext_write, .packed = packed,
                            .overlay = overlay, .bars = bars, .window = &window_ops };

/* ---- life ---- */
static bool cirrus_realize(void *dev, GError **err)
{
    Cirrus *c = dev;
    c->vga.ext = &ext;
    timer_init(&c->more, c->vga.pci.dev.machine, TIME_GUEST, cirrus_blt_more, c);
    return vga_setup(&c->vga, &(PciIdent){ .vendor = 0x1013, .device = 0x00b8,
                                           .class_code = 0x030000, .subsystem_vendor = 0x1af4,
                                           .subsystem = 0x1100 }, NULL, "vgabios-cirrus.bin", err);
}

static void cirrus_unrealize(void *dev)
{
    Cirrus *c = dev;
    Machine *m = c->vga.pci.dev.machine;
    timer_stop(&c->more);
    if (c->lfb.parts) {
        map_begin(m);
        region_remove(&c->lfb, &c->lfb_fifo);
        region_remove(&c->lfb, &c->lfb_vram);
        map_commit(m);
        region_destroy(&c->lfb);
    }
    vga_unrealize(dev);
}

static void cirrus_reset(void *dev)
{
    Cirrus *c = dev;
    cirrus_blt_stop(c);
    memset(c->sr, 0, sizeof(c->sr));
    memset(c->gr, 0, sizeof(c->gr));
    memset(c->cr, 0, sizeof(c->cr));
    memset(c->line, 0, sizeof(c->line));
    memset(c->cursor_palette, 0, sizeof(c->cursor_palette));
    c->sr_index = c->hidden_dac = c->dac_reads = 0;
    c->cursor_x = c->cursor_y = 0;
    c->line_bytes = 0;
    c->sr[SR_UNLOCK] = 0x0f;
    c->sr[0x0f] = 0x98;               /* 4.21: 64-bit memory, two banks: 4 MiB */
    c->sr[0x15] = 0x04;               /* 4.27: the same for software */
    c->sr[SR_CONFIG] = 0x20;          /* 4.29: on a PCI bus */
    c->sr[0x1f] = 0x22;               /* memory clock */
    vga_reset(dev);
}

static bool cirrus_restored(void *dev, GError **err)
{
    Cirrus *c = dev;
    if (c->line_bytes > BLT_LINE_MAX || (c->feeding && c->line_filled >= c->line_bytes)) {
        return fail(err, "%s: the saved blit is impossible", c->vga.pci.dev.path);
    }
    cirrus_feed_map(c);
    if (cirrus_blt_is_under_way(c)) {
        timer_arm(&c->more, time_now(c->vga.pci.dev.machine, TIME_GUEST));
    }
    return vga_restored(dev, err);
}

static const Field cirrus_fields[] = {
    PCI_FIELDS(Vga),
    { .name = "vgamem_mb", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(Vga, vgamem_mb),
      .count = 1, .def = 4, .min = 4,
      .max = 16, .help = "Video memory in MiB: 4, 8 or 16; the chip's own drivers use 4." },
    VGA_STATE(Vga, pci), STATE_RAM(Vga, vram),
    STATE(Cirrus, sr_index), STATE_ARRAY(Cirrus, sr), STATE_ARRAY(Cirrus, gr),
        STATE_ARRAY(Cirrus, cr), STATE(Cirrus, hidden_dac),
    STATE(Cirrus, dac_reads, .max = 4), STATE_ARRAY(Cirrus, cursor_palette),
        STATE(Cirrus, cursor_x), STATE(Cirrus, cursor_y),
    STATE(Cirrus, feeding), STATE_ARRAY(Cirrus, line), STATE(Cirrus, line_bytes),
        STATE(Cirrus, line_filled),
    STATE(Cirrus, row, .max = BLT_ROWS_MAX), FIELD_END
};

const DeviceClass cirrus_class = {
    .name = "cirrus-vga",
    .desc = "Cirrus Logic CL-GD5446",
    .spec = "CL-GD5446 Technical Reference Manual",
    .bus = "pci",
    .size = sizeof(Cirrus),
    .fields = cirrus_fields,
    .io = &vga_ports_ops,
    .bank_size = VGA_PORT_BYTES,
    .realize = cirrus_realize,
    .unrealize = cirrus_unrealize,
    .reset = cirrus_reset,
    .restored = cirrus_restored,
};
