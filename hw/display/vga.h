/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.h -- the standard VGA adapter: register files, video memory, and what draws from them.
 *
 * Video memory holds the four planes side by side: byte o of plane p is vram[o * 4 + p].  So a
 * linear frame buffer and the chained modes see consecutive bytes, and the planar modes one 32-bit
 * word an address.
 *
 * Spec: IBM VGA (PS/2 Hardware Interface Technical Reference, 1990, video subsystem); Bochs VBE
 *   extensions (DISPI B0C5).
 * Threads: with the machine lock.
 */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H
#include "core/display.h"
#include "hw/pci/pci.h"

enum { N_SEQ = 5, N_GC = 9, N_ATTR = 21, N_CRTC = 25, N_VBE = 11 };
enum { SEQ_CLOCK = 1, SEQ_MASK = 2, SEQ_FONT = 3, SEQ_MEMORY = 4 };
enum { GC_SET = 0, GC_SET_ENABLE, GC_COMPARE, GC_FUNCTION, GC_READ_PLANE, GC_MODE, GC_MISC,
       GC_CARE, GC_BITMASK };
enum { ATTR_MODE = 0x10, ATTR_OVERSCAN, ATTR_PLANES, ATTR_PAN, ATTR_COLOR_SELECT };
enum {
    CRTC_HTOTAL = 0,
    CRTC_HDISP = 1,
    CRTC_VTOTAL = 6,
    CRTC_VSYNC = 0x10,
    CRTC_OVERFLOW = 7,
    CRTC_ROW_SCAN = 8,
    CRTC_CELL = 9,
    CRTC_CURSOR_START = 0xa,
    CRTC_CURSOR_END = 0xb,
    CRTC_START_HIGH = 0xc,
    CRTC_START_LOW = 0xd,
    CRTC_CURSOR_HIGH = 0xe,
    CRTC_CURSOR_LOW = 0xf,
    CRTC_PROTECT = 0x11,
    CRTC_VDISP = 0x12,
    CRTC_OFFSET = 0x13,
    CRTC_UNDERLINE = 0x14,
    CRTC_MODE = 0x17,
    CRTC_LINE_COMPARE = 0x18
};
enum { VBE_ID = 0, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH,
       VBE_VIRT_HEIGHT, VBE_X_OFFSET,
       VBE_Y_OFFSET, VBE_MEMORY_64K };
enum { VBE_ON = 1, VBE_GETCAPS = 2, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40, VBE_KEEP_MEMORY = 0x80 };
enum { TEXT_MAX_COLUMNS = 256, TEXT_MAX_ROWS = 128 };

typedef struct VgaText {              /* a text mode as the registers describe it */
    unsigned columns, rows, cell_height, cell_width;
    unsigned dot_width, scans_each;   /* 2: a halved dot clock, scan lines shown twice */
    bool     blinks;                  /* attribute bit 7 is not intensity */
    uint32_t start, pitch;            /* in cells */
    uint32_t cursor;                  /* cell; UINT32_MAX: off */
    unsigned cursor_top, cursor_bottom;
    unsigned lines;                   /* that show */
    /* smooth scrolling down and left; the last line before cell 0 */
    unsigned first_row, pan, split;
    unsigned underline;               /* line of a cell */
    bool     pan_top_only;
} VgaText;

typedef struct VgaScan {              /* a graphics mode as the registers describe it */
    uint32_t chars, lines;            /* character clocks a line, scan lines */
    uint32_t scans_each, rows_each;   /* scan lines a row scan, row scans a row of memory */
    uint32_t dot_width;
    uint32_t start, pitch, first_row; /* in memory addresses of the CRTC */
    uint32_t split;                   /* the last line before memory address 0 */
    uint32_t pan, shift, plane_mask;
    uint8_t  pel_mask;
    bool colors_256, interleaved, pan_top_only, doubleword, byte_mode, wrap_15, keep_13, keep_14;
} VgaScan;

typedef struct VgaPacked {            /* a packed mode: pixels side by side */
    uint32_t width, height, bpp;
    uint64_t start, pitch;            /* bytes */
} VgaPacked;

typedef struct Vga Vga;
/* what a chip has beyond a VGA; each is asked first and may decline */
typedef struct VgaExt {
    bool (*read)(Vga *s, unsigned port, uint8_t *val);
    bool (*write)(Vga *s, unsigned port, uint8_t val);
    bool (*packed)(Vga *s, VgaPacked *p);
    /* over a line of a packed mode */
    void (*overlay)(Vga *s, unsigned y, uint32_t *line, unsigned width);
    void (*bars)(Vga *s);             /* instead of BARs 0 and 2 and the VBE ports */
    const MmioOps *window;
} VgaExt;

struct Vga {
    PciDevice pci;
    const VgaExt *ext;
    uint32_t  vgamem_mb;
    bool      edid;
    uint32_t  xres, yres;
    bool      secondary;              /* no legacy ports and window; shows while VBE is on */
    bool      bare;                   /* no VGA at all: bochs-display */
    bool      shown;                  /* the console has it; not state */
    Region    vram, window, mmio, vbe_ports;
    Mapping   ports[5], window_map, vbe_map;

    uint8_t   misc, feature;
    uint8_t   seq_index, seq[N_SEQ];
    uint8_t   gc_index, gc[N_GC];
    uint8_t   crtc_index, crtc[N_CRTC];
    uint8_t   attr_index, attr[N_ATTR];
    bool      attr_data;              /* the next write to 3C0 is data */
    uint8_t   dac_state, dac_read, dac_write, dac_part, dac_latch[2], pel_mask;
    uint8_t   palette[256 * 3];
    uint8_t   latch[4];
    uint16_t  vbe_index, vbe[N_VBE];
    uint8_t   vbe_low;                /* first half of a write to 1CF */

    /* What was drawn last; not state. */
    bool      redraw;
    uint16_t  drawn[TEXT_MAX_COLUMNS * TEXT_MAX_ROWS];
    uint32_t  drawn_cursor;
    uint32_t  drawn_start;
    bool      drawn_dark;             /* of what blinks */
    VgaText   drawn_text;
    VgaScan   drawn_scan;
    VgaPacked drawn_packed;
    uint8_t   drawn_kind;             /* text, graphics, ...: private to vga_draw.c */
    bool      logging;                /* stores to vram are logged for the display */
};

/* vga_mem.c: the window at A0000. */
extern const MmioOps vga_window_ops;
/* vga_draw.c */
extern const AdapterOps vga_adapter;
bool vga_text_mode(const Vga *s, VgaText *t);         /* false: graphics or nothing */
uint32_t vga_palette_color(const Vga *s, unsigned i);
uint32_t vga_attr_color(const Vga *s, unsigned i);    /* 0..15, by the attribute controller */
/* video memory was written since the last call */
bool vga_touched(Vga *s);
/* vga_graphics.c */
bool vga_blank(const Vga *s);
bool vga_scan(const Vga *s, VgaScan *g);              /* false: text, or a packed VBE mode */
void vga_refresh_scan(Vga *s, Console *con, const VgaScan *g);
/* vga_vbe.c: DISPI registers. */
uint16_t vga_vbe_read(Vga *s, unsigned index);
void     vga_vbe_write(Vga *s, unsigned index, uint16_t val);
void     vga_vbe_reset(Vga *s);
/* vga.c */
extern const MmioOps vga_ports_ops;   /* bank of the legacy ports, */
enum { VGA_PORT_BYTES = 0x30 };       /* its size */
/* in realize() */
bool     vga_setup(Vga *s, const PciIdent *ident, const Reg *regs, const char *rom, GError **err);
void     vga_unrealize(void *dev);
void     vga_reset(void *dev);
bool     vga_restored(void *dev, GError **err);
void     vga_show(Vga *s);            /* VBE came on or went off */
#define VGA_CONFIG(S, at)                                                                         \
    { .name = "vgamem_mb", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(S, at vgamem_mb), \
      .count = 1, .def = 16, .min = 1, .max = 512, .help = "Video memory in MiB, a power of "     \
                                                           "two." },                              \
    { .name = "edid", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(S, at edid),          \
      .count = 1, .def = 1, .help = "The monitor describes itself." },                            \
    { .name = "xres", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(S, at xres),           \
      .count = 1, .def = 1280, .min = 320, .max = 4095,                                           \
      .help = "Width that the monitor asks for." },                                               \
    { .name = "yres", .type = T_U32, .flags = F_CONFIG, .offset = offsetof(S, at yres),           \
      .count = 1, .def = 800, .min = 200, .max = 4095,                                            \
      .help = "Height that the monitor asks for." }
/* What every adapter made of a Vga saves. */
#define VGA_STATE(S, at)                                                                        \
    { .name = "vga", .type = T_STRUCT, .flags = F_STATE, .offset = offsetof(S, at), .count = 1, \
    .stride = sizeof(Vga), .aux = vga_state }
extern const Field vga_state[];
uint64_t vga_frame(const Vga *s);      /* how many there have been, by the guest's clock */
uint8_t  vga_port_read(Vga *s, unsigned port);        /* 3b0..3df */
void     vga_port_write(Vga *s, unsigned port, uint8_t val);
#endif
