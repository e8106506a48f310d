/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.c -- the standard VGA adapter on PCI: legacy ports, register files, palette; frame buffer and
 * registers in BARs.
 *
 * Spec: IBM VGA (PS/2 Hardware Interface Technical Reference, 1990, video subsystem).
 * Omits: the vertical interrupt, the EGA light pen, monitor sensing.
 * Threads: with the machine lock.
 *
 *     BAR 0: video memory
 *     BAR 2: 0-7f the monitor's EDID, 400-41f the ports 3c0-3df, 500-515 the VBE registers
 *     ROM: the VGA BIOS
 */
#include "core/machine.h"
#include "hw/display/edid.h"
#include "hw/display/vga.h"
#include <string.h>

enum { PORT_BASE = 0x3b0, WINDOW_AT = 0xa0000, WINDOW_BYTES = 0x20000, MMIO_BYTES = 4096 };
enum { MISC_COLOR = 1, ATTR_VIDEO = 0x20, PROTECT_0_7 = 0x80 };
enum { DOTS_8 = 1, CLOCK_HALVED = 8, CLOCK_28 = 4, TOTAL_EXTRA = 5, LINES_EXTRA = 2 };
#define HZ_25   25175000u             /* the VGA's crystals */
#define HZ_28   28322000u
#define NS_PER_S UINT64_C(1000000000)
#define LINE_LEAST 10000u               /* ns: what no monitor shows */
#define LINE_MOST 1000000u
enum { LINES_MIN = 100 };

/* ---- index and data pairs: which bits of each register exist ---- */
static const uint8_t seq_mask[N_SEQ] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };
static const uint8_t gc_mask[N_GC] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };
static const uint8_t attr_mask[N_ATTR] = { 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                           0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                           0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f };

static void crtc_write(Vga *s, uint8_t val)
{
    unsigned i = s->crtc_index;
    if (i >= N_CRTC) {
        return;
    }
    if ((s->crtc[CRTC_PROTECT] & PROTECT_0_7) && i <= CRTC_OVERFLOW) {
        if (i != CRTC_OVERFLOW) {
            return;
        }
        val = (uint8_t)((s->crtc[i] & ~0x10) | (val & 0x10));       /* only line compare's bit 8 */
    }
    s->crtc[i] = val;
}

/* ---- attribute controller: one port for index and data ---- */
static void attr_write(Vga *s, uint8_t val)
{
    unsigned i = s->attr_index & 0x1f;
    if (!s->attr_data) {
        s->attr_index = val & 0x3f;
    } else if (i < N_ATTR && (i > 15 || !(s->attr_index & ATTR_VIDEO))) {
        s->attr[i] = val & attr_mask[i];
        s->redraw = true;
    }
    s->attr_data = !s->attr_data;
}

/* ---- palette: three parts a colour, 6 bits each unless VBE asks for 8 ---- */
static uint8_t intensity(const Vga *s, uint8_t val)
{
    return s->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? val
                                             : (uint8_t)((val & 0x3f) << 2 | (val & 0x3f) >> 4);
}

static void dac_write(Vga *s, uint8_t val)
{
    if (s->dac_part < 2) {
        s->dac_latch[s->dac_part++] = val;
        return;
    }
    uint8_t *p = &s->palette[s->dac_write * 3];
    p[0] = intensity(s, s->dac_latch[0]);
    p[1] = intensity(s, s->dac_latch[1]);
    p[2] = intensity(s, val);
    s->dac_part = 0;
    s->dac_write++;
    s->redraw = true;
}

static uint8_t dac_read(Vga *s)
{
    unsigned shift = s->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? 0 : 2;
    uint8_t val = s->palette[s->dac_read * 3 + s->dac_part] >> shift;
    if (++s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_read++;
    }
    return val;
}

/* ---- where the beam is ---- */
typedef struct Beam {
    uint32_t line_ns, shown_ns;       /* a scan line, and its part that shows */
    uint32_t lines, shown;            /* of a frame */
    uint32_t sync_first, sync_lines;  /* vertical retrace */
} Beam;

static unsigned bit_of(uint8_t val, unsigned from, unsigned to)
{
    return (unsigned)(val >> from & 1) << to;
}

/*
 * By the CRTC and the dot clock; VBE modes, which have no timing of their own here, and what no
 * monitor could show: 640x480 at
 * 59.94 Hz.
 */
static Beam beam(const Vga *s)
{
    static const Beam usual = { .line_ns = 31778, .shown_ns = 25422, .lines = 525, .shown = 480,
                                .sync_first = 490, .sync_lines = 2 };
    const uint8_t *c = s->crtc, o = c[CRTC_OVERFLOW];
    uint64_t dots =
        (s->seq[SEQ_CLOCK] & DOTS_8 ? 8 : 9) * (s->seq[SEQ_CLOCK] & CLOCK_HALVED ? 2 : 1);
    uint64_t hz = s->misc & CLOCK_28 ? HZ_28 : HZ_25;
    Beam b = { .line_ns = (uint32_t)((c[CRTC_HTOTAL] + TOTAL_EXTRA) * dots * NS_PER_S / hz),
               .shown_ns = (uint32_t)((c[CRTC_HDISP] + 1) * dots * NS_PER_S / hz) };
    b.lines = (c[CRTC_VTOTAL] | bit_of(o, 0, 8) | bit_of(o, 5, 9)) + LINES_EXTRA;
    b.shown = (c[CRTC_VDISP] | bit_of(o, 1, 8) | bit_of(o, 6, 9)) + 1;
    b.sync_first = c[CRTC_VSYNC] | bit_of(o, 2, 8) | bit_of(o, 7, 9);
    /* it ends where the lowest 4 bits agree */
    b.sync_lines = (c[CRTC_PROTECT] - b.sync_first - 1) % 16 + 1;
    bool odd = b.line_ns < LINE_LEAST || b.line_ns > LINE_MOST || b.lines < LINES_MIN ||
               b.sync_first >= b.lines;
    return odd || (s->vbe[VBE_ENABLE] & VBE_ON) ? usual : b;
}

uint64_t vga_frame(const Vga *s)
{
    Beam b = beam(s);
    return time_now(s->pci.dev.machine, TIME_GUEST) / ((uint64_t)b.line_ns * b.lines);
}

/* Input status 1: 0 not displaying, 3 vertical retrace; both follow the guest's clock. */
static uint8_t status_1(Vga *s)
{
    Beam b = beam(s);
    uint64_t in_frame = time_now(s->pci.dev.machine, TIME_GUEST) % ((uint64_t)b.line_ns * b.lines),
             line = in_frame / b.line_ns;
    bool shown = line < b.shown && in_frame % b.line_ns < b.shown_ns;
    s->attr_data = false;
    return (uint8_t)((shown ? 0 : 1) |
                     (line >= b.sync_first && line - b.sync_first < b.sync_lines ? 8 : 0));
}

/* CRTC and status 1 answer at 3Bx or 3Dx, as the miscellaneous output register says. */
static bool elsewhere(const Vga *s, unsigned port)
{
    bool mono = port >= 0x3b0 && port < 0x3c0, color = port >= 0x3d0;
    return s->misc & MISC_COLOR ? mono : color;
}

uint8_t vga_port_read(Vga *s, unsigned port)
{
    uint8_t val;
    if (elsewhere(s, port)) {
        return 0xff;
    }
    if (s->ext && s->ext->read(s, port, &val)) {
        return val;
    }
    switch (port) {
    case 0x3c0: return s->attr_data ? 0 : s->attr_index;
    case 0x3c1: return (s->attr_index & 0x1f) < N_ATTR ? s->attr[s->attr_index & 0x1f] : 0;
    case 0x3c2: return 0x10;          /* a monitor is there */
    case 0x3c4: return s->seq_index;
    case 0x3c5: return s->seq_index < N_SEQ ? s->seq[s->seq_index] : 0;
    case 0x3c6: return s->pel_mask;
    case 0x3c7: return s->dac_state;
    case 0x3c8: return s->dac_write;
    case 0x3c9: return dac_read(s);
    case 0x3ca: return s->feature;
    case 0x3cc: return s->misc;
    case 0x3ce: return s->gc_index;
    case 0x3cf: return s->gc_index < N_GC ? s->gc[s->gc_index] : 0;
    case 0x3b4: case 0x3d4: return s->crtc_index;
    case 0x3b5: case 0x3d5: return s->crtc_index < N_CRTC ? s->crtc[s->crtc_index] : 0;
    case 0x3ba: case 0x3da: return status_1(s);
    default: return 0xff;
    }
}

void vga_port_write(Vga *s, unsigned port, uint8_t val)
{
    if (elsewhere(s, port) || (s->ext && s->ext->write(s, port, val))) {
        return;
    }
    switch (port) {
    case 0x3c0: attr_write(s, val); break;
    case 0x3c2: s->misc = val & 0xef; break;
    case 0x3c4: s->seq_index = val & 7; break;
    case 0x3c5:
        if (s->seq_index < N_SEQ) {
            s->seq[s->seq_index] = val & seq_mask[s->seq_index];
            s->redraw = true;
        }
        break;
    case 0x3c6:
        s->pel_mask = val;
        s->redraw = true;
        break;
    case 0x3c7:
        s->dac_read = val;
        s->dac_part = 0;
        s->dac_state = 3;
        break;
    case 0x3c8:
        s->dac_write = val;
        s->dac_part = 0;
        s->dac_state = 0;
        break;
    case 0x3c9: dac_write(s, val); break;
    case 0x3ce: s->gc_index = val & 15; break;
    case 0x3cf:
        if (s->gc_index < N_GC) {
            s->gc[s->gc_index] = val & gc_mask[s->gc_index];
            s->redraw = true;
        }
        break;
    case 0x3b4: case 0x3d4: s->crtc_index = val & 0x3f; break;
    case 0x3b5: case 0x3d5: crtc_write(s, val); break;
    case 0x3ba: case 0x3da: s->feature = val & 8; break;
    default: break;
    }
}

static uint64_t ports_read(void *dev, hwaddr off, unsigned size)
{
    return vga_port_read(dev, PORT_BASE + (unsigned)off);
}

static void ports_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    vga_port_write(dev, PORT_BASE + (unsigned)off, (uint8_t)val);
}

/*
 * ---- VBE ports: 1CE index, 1CF data (and 1D0, aligned); and BAR 2 ----
 * 1CF is odd: its 16 bits arrive as a low byte at 1CF and a high byte at 1D0, which completes a
 * write.
 */
static uint64_t vbe_read(void *dev, hwaddr off, unsigned size)
{
    Vga *s = dev;
    uint16_t val = off == 0 ? s->vbe_index : vga_vbe_read(s, s->vbe_index);
    return size == 1 && off == 2 ? val >> 8 : val;
}

static void vbe_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Vga *s = dev;
    if (off == 0) {
        s->vbe_index = (uint16_t)val;
    } else if (off == 1) {
        s->vbe_low = (uint8_t)val;
    } else if (off == 2) {
        vga_vbe_write(s, s->vbe_index, (uint16_t)(size == 2 ? val : (val << 8 | s->vbe_low)));
    }
}

static uint64_t mmio_read(void *dev, hwaddr off, unsigned size)
{
    Vga *s = dev;
    if (off < EDID_BYTES && s->edid) {
        uint8_t e[EDID_BYTES];
        edid_make(e, s->xres, s->yres);
        return size == 2 ? e[off] | (uint64_t)e[off + 1] << 8 : e[off];
    }
    if (off >= 0x400 && off < 0x420 && !s->bare) {
        uint64_t v = vga_port_read(s, 0x3c0 + (unsigned)off - 0x400);
        return size == 2 ? v | (uint64_t)vga_port_read(s, 0x3c1 + (unsigned)off - 0x400) << 8 : v;
    }
    if (off >= 0x500 && off < 0x500 + 2 * N_VBE) {
        return vga_vbe_read(s, (unsigned)(off - 0x500) / 2) >> (8 * (off & 1));
    }
    return 0;
}

static void mmio_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Vga *s = dev;
    if (off >= 0x400 && off < 0x420 && !s->bare) {
        vga_port_write(s, 0x3c0 + (unsigned)off - 0x400, (uint8_t)val);
        if (size == 2) {
            vga_port_write(s, 0x3c1 + (unsigned)off - 0x400, (uint8_t)(val >> 8));
        }
    } else if (off >= 0x500 && off < 0x500 + 2 * N_VBE && size == 2) {
        vga_vbe_write(s, (unsigned)(off - 0x500) / 2, (uint16_t)val);
    }
}

const MmioOps vga_ports_ops = { .read = ports_read, .write = ports_write, .min = 1, .max = 1 };
static const MmioOps vbe_io = { .read = vbe_read, .write = vbe_write, .min = 1, .max = 2 };
static const MmioOps mmio_io = { .read = mmio_read, .write = mmio_write, .min = 1, .max = 2 };

/* ---- life ---- */
static void mapped(void *dev)
{
    Vga *s = dev;
    uint32_t command = pci_get(&s->pci, PCI_COMMAND, 2);
    bool io = command & PCI_CMD_IO;
    map_begin(s->pci.dev.machine);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->ports); i++) {
        s->ports[i].on = io;
    }
    s->vbe_map.on = io && !s->ext;
    s->window_map.on = command & PCI_CMD_MEM;
    map_commit(s->pci.dev.machine);
}

static void add_ports(Vga *s, Region *io)
{
    static const struct {
        uint16_t at, n;
    } pieces[] = { { 0x3b4, 2 }, { 0x3ba, 1 }, { 0x3c0, 16 }, { 0x3d4, 2 }, { 0x3da, 1 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        s->ports[i] = (Mapping){ .region = &s->pci.dev.bank, .from = pieces[i].at - PORT_BASE,
                                 .size = pieces[i].n,
                                 .at = pieces[i].at, .seen = SEEN_READ | SEEN_WRITE };
        region_add(io, &s->ports[i]);
    }
    s->vbe_map = (Mapping){ .region = &s->vbe_ports, .size = 4, .at = 0x1ce,
                            .seen = SEEN_READ | SEEN_WRITE };
    region_add(io, &s->vbe_map);
}

/*
 * Who has no legacy decoders takes the screen while VBE is on, and leaves it to the first adapter
 * otherwise.
 */
void vga_show(Vga *s)
{
    Console *con = s->pci.dev.machine->console;
    bool want = !s->secondary || (s->vbe[VBE_ENABLE] & VBE_ON);
    if (con && want != s->shown) {
        s->shown = want;
        console_adapter(con, want ? &vga_adapter : NULL, s);
    }
}

bool vga_setup(Vga *s, const PciIdent *ident, const Reg *regs, const char *rom, GError **err)
{
    Machine *m = s->pci.dev.machine;
    Bus *bus = s->pci.dev.bus;
    if (s->vgamem_mb & (s->vgamem_mb - 1)) {
        return fail(err, "device %s: vgamem_mb=%u is no power of two; use 8, 16, 32, ...",
                    s->pci.dev.class->name, s->vgamem_mb);
    }
    s->pci.barless_decode = !s->secondary;
    s->pci.mapped = s->secondary ? NULL : mapped;
    pci_init(&s->pci, ident, regs);
    region_init_ram(&s->vram, "vga memory", (uint64_t)s->vgamem_mb << 20);
    region_init_io(&s->window, "vga window", s->ext ? s->ext->window : &vga_window_ops, s,
                   WINDOW_BYTES);
    s->window.late = s->window.size;
    region_init_io(&s->mmio, "vga registers", &mmio_io, s, MMIO_BYTES);
    region_init_io(&s->vbe_ports, "vbe", &vbe_io, s, 4);
    if (s->ext) {
        s->ext->bars(s);
    } else {
        pci_bar(&s->pci, 0, PCI_BAR_MEM, true, &s->vram);
        pci_bar(&s->pci, 2, PCI_BAR_MEM, false, &s->mmio);
    }
    if (!pci_rom(&s->pci, rom, err)) {
        return false;
    }
    if (!s->secondary) {
        s->window_map = (Mapping){ .region = &s->window, .size = WINDOW_BYTES, .at = WINDOW_AT,
                                   .priority = 1,
                                   .seen = SEEN_READ | SEEN_WRITE };
        map_begin(m);
        add_ports(s, bus->io);
        region_add(bus->mem, &s->window_map);
        map_commit(m);
    }
    vga_show(s);
    return true;
}

static bool vga_realize(void *dev, GError **err)
{
    return vga_setup(dev, &(PciIdent){ .vendor = 0x1234, .device = 0x1111, .class_code = 0x030000,
                                       .revision = 2, .subsystem_vendor = 0x1af4,
                                       .subsystem = 0x1100 }, NULL, "vgabios-stdvga.bin", err);
}

static bool secondary_vga_realize(void *dev, GError **err)
{
    Vga *s = dev;
    s->secondary = true;
    return vga_setup(s,
                     &(PciIdent){ .vendor = 0x1234,
                                  .device = 0x1111,
                                  .class_code = 0x038000,
                                  .revision = 2,
                                  .subsystem_vendor = 0x1af4,
                                  .subsystem = 0x1100 },
                     NULL, NULL, err);
}

static bool bochs_display_realize(void *dev, GError **err)
{
    Vga *s = dev;
    s->bare = true;
    return secondary_vga_realize(dev, err);
}

void vga_unrealize(void *dev)
{
    Vga *s = dev;
    Machine *m = s->pci.dev.machine;
    Bus *bus = s->pci.dev.bus;
    if (m->console) {
        console_adapter(m->console, NULL, s);
    }
    if (!s->secondary) {
        map_begin(m);
        pci_unmap(bus->io, s->ports, G_N_ELEMENTS(s->ports));
        pci_unmap(bus->io, &s->vbe_map, 1);
        pci_unmap(bus->mem, &s->window_map, 1);
        map_commit(m);
    }
    pci_unrealize(dev);
    region_destroy(&s->vram);
}

void vga_reset(void *dev)
{
    Vga *s = dev;
    s->misc = s->feature = s->seq_index = s->gc_index = s->crtc_index = s->attr_index = 0;
    s->attr_data = false;
    s->dac_state = s->dac_read = s->dac_write = s->dac_part = 0;
    s->pel_mask = 0xff;
    memset(s->seq, 0, sizeof(s->seq));
    memset(s->gc, 0, sizeof(s->gc));
    memset(s->crtc, 0, sizeof(s->crtc));
    memset(s->attr, 0, sizeof(s->attr));
    memset(s->palette, 0, sizeof(s->palette));
    memset(s->latch, 0, sizeof(s->latch));
    memset(s->dac_latch, 0, sizeof(s->dac_latch));
    s->vbe_low = 0;
    vga_vbe_reset(s);
    region_clear(&s->vram);
    s->redraw = true;
    vga_show(s);
    pci_reset(dev);
}

bool vga_restored(void *dev, GError **err)
{
    Vga *s = dev;
    if (s->vbe[VBE_MEMORY_64K] != s->vram.size >> 16 ||
        ((uint64_t)s->vbe[VBE_BANK] + 1) << 16 > s->vram.size) {
        return fail(err, "%s: the saved registers do not fit the size of video memory",
                    s->pci.dev.path);
    }
    s->redraw = true;
    vga_show(s);
    return pci_restored(dev, err);
}

const Field vga_state[] = {
    STATE(Vga, misc), STATE(Vga, feature), STATE(Vga, seq_index), STATE_ARRAY(Vga, seq),
    STATE(Vga, gc_index), STATE_ARRAY(Vga, gc), STATE(Vga, crtc_index), STATE_ARRAY(Vga, crtc),
    STATE(Vga, attr_index), STATE_ARRAY(Vga, attr), STATE(Vga, attr_data), STATE(Vga, dac_state),
    STATE(Vga, dac_read), STATE(Vga, dac_write), STATE(Vga, dac_part, .max = 2),
    STATE_ARRAY(Vga, dac_latch), STATE(Vga, pel_mask), STATE_ARRAY(Vga, palette),
    STATE_ARRAY(Vga, latch), STATE(Vga, vbe_index), STATE(Vga, vbe_low), STATE_ARRAY(Vga, vbe),
    FIELD_END
};

static const Field vga_fields[] = { PCI_FIELDS(Vga), VGA_CONFIG(Vga, ), VGA_STATE(Vga, pci),
                                    STATE_RAM(Vga, vram), FIELD_END };

#define VGA_CLASS(var, title, text, document)                                                                           \
    const DeviceClass var##_class = { .name = title, .desc = text, .spec = document, .bus = "pci", .size = sizeof(Vga), \
        .fields = vga_fields, .io = &vga_ports_ops, .bank_size = VGA_PORT_BYTES,                                        \
        .realize = var##_realize, .unrealize = vga_unrealize,                                                           \
        .reset = vga_reset, .restored = vga_restored }
VGA_CLASS(vga, "VGA", "standard VGA", "IBM VGA, Bochs VBE");
VGA_CLASS(secondary_vga, "secondary-vga",
          "standard VGA without the legacy ports, for a second screen", "IBM VGA, Bochs VBE");
VGA_CLASS(bochs_display, "bochs-display", "a frame buffer and Bochs VBE, without VGA", "Bochs VBE");
