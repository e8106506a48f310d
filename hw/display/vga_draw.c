/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_draw.c -- what is on the screen: as text for tests and the monitor, as pixels for viewers.
 *
 * Spec: IBM VGA, text modes (CRTC start address, cursor, attribute byte, character sets); Bochs VBE
 *   linear modes.
 * Omits: the text as text knows no split screen.
 * Threads: with the machine lock.
 */
#include "hw/display/vga.h"
#include <string.h>

enum { PAGE_BITS = 12, CURSOR_BLINKS = 16, CELL_BLINKS = 32, CURSOR_OFF = 0x20, DOUBLE_SCAN = 0x80,
       GRAPHICS = 1, PAN_TOP_ONLY = 0x20,
       CLOCK_HALVED = 8, BLINKS = 8, BLINK = 0x8000,
       VIDEO_ON = 0x20 };

/* Code page 437, 80h to FFh: what a text mode's font shows. */
static const uint16_t cp437[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7,
    0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
    0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9,
    0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
    0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba,
    0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556,
    0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
    0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567,
    0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b,
    0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4,
    0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
    0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248,
    0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

static bool vbe_on(const Vga *s)
{
    return s->vbe[VBE_ENABLE] & VBE_ON;
}

bool vga_text_mode(const Vga *s, VgaText *t)
{
    const uint8_t *c = s->crtc;
    if (vbe_on(s) || (s->gc[GC_MISC] & GRAPHICS) || !(s->attr_index & 0x20) ||
        (s->seq[SEQ_CLOCK] & 0x20)) {
        return false;
    }
    unsigned lines = (c[CRTC_VDISP] | (c[CRTC_OVERFLOW] & 2 ? 0x100u : 0) |
                      (c[CRTC_OVERFLOW] & 0x40 ? 0x200u : 0)) +
                     1;
    lines >>= c[CRTC_CELL] & DOUBLE_SCAN ? 1 : 0;
    t->columns = MIN(c[CRTC_HDISP] + 1u, TEXT_MAX_COLUMNS);
    t->cell_height = (c[CRTC_CELL] & 0x1f) + 1u;
    t->cell_width = s->seq[SEQ_CLOCK] & 1 ? 8 : 9;
    t->rows = MIN(lines / t->cell_height, TEXT_MAX_ROWS);
    t->start = (uint32_t)(c[CRTC_START_HIGH] << 8 | c[CRTC_START_LOW]);
    t->pitch = c[CRTC_OFFSET] * 2u;
    t->cursor = c[CRTC_CURSOR_START] & CURSOR_OFF
                    ? UINT32_MAX
                    : (uint32_t)(c[CRTC_CURSOR_HIGH] << 8 | c[CRTC_CURSOR_LOW]);
    t->cursor_top = c[CRTC_CURSOR_START] & 0x1f;
    t->cursor_bottom = c[CRTC_CURSOR_END] & 0x1f;
    t->lines = t->rows * t->cell_height;
    t->first_row = c[CRTC_ROW_SCAN] & 0x1f;
    t->split = c[CRTC_LINE_COMPARE] | (c[CRTC_OVERFLOW] & 0x10 ? 0x100u : 0) |
               (c[CRTC_CELL] & 0x40 ? 0x200u : 0);
    t->split >>= c[CRTC_CELL] & DOUBLE_SCAN ? 1 : 0;
    unsigned pan = s->attr[ATTR_PAN] & 15;
    t->pan = t->cell_width == 8 ? pan & 7 : pan < 8 ? pan + 1 : 0;      /* with 9 dots 8 is none */
    t->pan_top_only = s->attr[ATTR_MODE] & PAN_TOP_ONLY;
    t->underline = c[CRTC_UNDERLINE] & 0x1f;
    t->dot_width = s->seq[SEQ_CLOCK] & CLOCK_HALVED ? 2 : 1;
    t->scans_each = c[CRTC_CELL] & DOUBLE_SCAN ? 2 : 1;
    t->blinks = s->attr[ATTR_MODE] & BLINKS;
    return t->rows && t->columns > 1;
}

/* A cell: character in plane 0, attribute in plane 1. */
static uint16_t cell(const Vga *s, uint32_t at)
{
    uint64_t i = (uint64_t)(at & 0xffff) * 4;
    return i + 1 < s->vram.size ? (uint16_t)(s->vram.host[i] | s->vram.host[i + 1] << 8) : 0;
}

static void draw_as_text(void *dev, GString *out)
{
    Vga *s = dev;
    VgaText t;
    if (!vga_text_mode(s, &t)) {
        return;
    }
    for (unsigned y = 0; y < t.rows; y++) {
        gsize line = out->len, last = out->len;
        for (unsigned x = 0; x < t.columns; x++) {
            uint8_t ch = (uint8_t)cell(s, t.start + y * t.pitch + x);
            g_string_append_unichar(out, ch >= 0x80                ? cp437[ch - 0x80]
                                         : ch >= 0x20 && ch < 0x7f ? ch
                                                                   : ' ');
            last = ch == ' ' || ch == 0 ? last : out->len;
        }
        g_string_truncate(out, MAX(last, line));
        g_string_append_c(out, '\n');
    }
}

static bool text_mode(void *dev, TextMode *out)
{
    VgaText t;
    if (!vga_text_mode(dev, &t)) {
        return false;
    }
    uint32_t at = t.cursor - t.start;
    bool shows = t.cursor != UINT32_MAX && t.cursor >= t.start && t.pitch &&
                 at / t.pitch < t.rows && at % t.pitch < t.columns;
    *out = (TextMode){ .cols = t.columns, .rows = t.rows, .x = shows ? (int)(at % t.pitch) : -1,
                       .y = shows ? (int)(at / t.pitch) : 0 };
    return true;
}

static void text_cell(void *dev, unsigned x, unsigned y, TextCell *out)
{
    static const uint16_t low[32] = {
        /* what code page 437 shows for control characters */
        ' ',    0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
        0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
        0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
    };
    const Vga *s = dev;
    VgaText t;
    if (vga_text_mode(s, &t)) {
        uint16_t c = cell(s, t.start + y * t.pitch + x);
        uint8_t ch = (uint8_t)c, attr = c >> 8;
        out->ch = ch >= 0x80 ? cp437[ch - 0x80] : ch == 0x7f ? 0x2302 : ch < 32 ? low[ch] : ch;
        out->fg = vga_attr_color(s, attr & 15);
        out->bg = vga_attr_color(s, attr >> 4 & (s->attr[ATTR_MODE] & 8 ? 7 : 15));
    }
}

/* ---- pixels ---- */
uint32_t vga_palette_color(const Vga *s, unsigned i)
{
    const uint8_t *p = &s->palette[(i & s->pel_mask & 0xff) * 3];
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* Attribute controller: 4 bits -> 6 by its palette, 8 by the colour select register. */
uint32_t vga_attr_color(const Vga *s, unsigned i)
{
    unsigned v = s->attr[i & 15], select = s->attr[ATTR_COLOR_SELECT];
    v = s->attr[ATTR_MODE] & 0x80 ? (v & 15) | (select & 3) << 4 : v;
    return vga_palette_color(s, v | (select & 0xc) << 4);
}

static uint32_t font_base(const Vga *s, bool second)
{
    unsigned f = s->seq[SEQ_FONT];
    unsigned n = second ? (f >> 2 & 3) | (f >> 5 & 1) << 2 : (f & 3) | (f >> 4 & 1) << 2;
    return (n & 3) * 0x4000 + (n >> 2) * 0x2000;
}

/* Half of the time what blinks is dark; the times are in frames, which the guest's clock counts. */
static bool dark(const Vga *s, unsigned frames)
{
    return vga_frame(s) / (frames / 2) & 1;
}

/* Line y of a cell, each dot once. */
static void draw_cell_line(const Vga *s, const VgaText *t, uint32_t *px, unsigned y, uint16_t c,
                           bool cursor, bool off)
{
    uint8_t ch = (uint8_t)c, attr = c >> 8;
    bool extend = (s->attr[ATTR_MODE] & 4) && ch >= 0xc0 && ch <= 0xdf;
    uint32_t fg = vga_attr_color(s, attr & 15),
             bg = vga_attr_color(s, attr >> 4 & (t->blinks ? 7 : 15));
    uint64_t at = (uint64_t)(font_base(s, attr & 8) + ch * 32u + y) * 4 + 2;
    uint8_t bits = at < s->vram.size ? s->vram.host[at] : 0;
    bool full = (cursor && y >= t->cursor_top && y <= t->cursor_bottom) ||
                ((attr & 7) == 1 && y == t->underline);
    for (unsigned x = 0; x < t->cell_width; x++) {
        bool on = full || (x < 8 ? bits >> (7 - x) & 1 : extend && (bits & 1));
        px[x] = on && !(off && (c & BLINK) && !cursor) ? fg : bg;
    }
}

static void widen(const VgaText *t, uint32_t *px, unsigned n)
{
    for (unsigned x = t->dot_width > 1 ? n : 0; x-- > 0;) {
        px[x * 2] = px[x * 2 + 1] = px[x];
    }
}

static void draw_cell(const Vga *s, const VgaText *t, uint32_t *px, unsigned pitch, uint16_t c,
                      bool cursor, bool off)
{
    for (unsigned y = 0; y < t->cell_height * t->scans_each; y++) {
        draw_cell_line(s, t, px + (size_t)y * pitch, y / t->scans_each, c, cursor, off);
        widen(t, px + (size_t)y * pitch, t->cell_width);
    }
}

/* Scrolled by less than a cell, or split: line by line, compared with what is there. */
static void refresh_text_lines(const Vga *s, Console *con, const VgaText *t, uint32_t *px,
                               unsigned pitch, uint32_t cursor, bool off)
{
    unsigned width = t->columns * t->cell_width * t->dot_width;
    g_autofree uint32_t *line = g_new(uint32_t, width + 2 * t->cell_width);
    for (unsigned shown = 0; shown < t->lines * t->scans_each; shown++) {
        unsigned y = shown / t->scans_each;
        bool low = y > t->split;
        unsigned scan = low ? y - t->split - 1 : y + t->first_row,
                 pan = low && t->pan_top_only ? 0 : t->pan;
        uint32_t at = (low ? 0 : t->start) + scan / t->cell_height * t->pitch;
        for (unsigned x = 0; x <= t->columns; x++) {
            draw_cell_line(s, t, line + x * t->cell_width, scan % t->cell_height, cell(s, at + x),
                           ((at + x) & 0xffff) == cursor, off);
        }
        widen(t, line + pan, t->columns * t->cell_width);
        if (memcmp(px + (size_t)shown * pitch, line + pan, width * sizeof(*line))) {
            memcpy(px + (size_t)shown * pitch, line + pan, width * sizeof(*line));
            console_damage(con, 0, (int)shown, (int)width, 1);
        }
    }
}

static void refresh_text(Vga *s, Console *con, const VgaText *t)
{
    /* of a cell */
    unsigned width = t->cell_width * t->dot_width, height = t->cell_height * t->scans_each;
    pixman_image_t *surface =
        console_resize(con, (int)(t->columns * width), (int)(t->rows * height));
    uint32_t *px = pixman_image_get_data(surface);
    unsigned pitch = (unsigned)pixman_image_get_stride(surface) / 4;
    bool shown = !dark(s, CURSOR_BLINKS), off = t->blinks && dark(s, CELL_BLINKS),
         turned = off != s->drawn_dark, all = s->redraw;
    uint32_t cursor = t->cursor != UINT32_MAX && shown ? t->cursor - t->start : UINT32_MAX;
    VgaText look = *t;
    look.start = look.cursor = 0;
    all |= memcmp(&look, &s->drawn_text, sizeof(look)) != 0;
    if (!vga_touched(s) && !all && !s->redraw && t->start == s->drawn_start &&
        cursor == s->drawn_cursor && !turned) {
        return;                       /* an idle screen costs no more than this */
    }
    all |= s->redraw;
    if (t->first_row || t->pan || t->split < t->lines) {
        refresh_text_lines(s, con, t, px, pitch, shown ? t->cursor : UINT32_MAX, off);
        /* the quick way draws all when it comes back: drawn_text differs then */
        goto drawn;
    }
    for (unsigned y = 0; y < t->rows; y++) {
        for (unsigned x = 0; x < t->columns; x++) {
            uint32_t i = y * TEXT_MAX_COLUMNS + x, at = y * t->pitch + x;
            uint16_t c = cell(s, t->start + at);
            bool here = at == cursor, was = at == s->drawn_cursor;
            if (all || c != s->drawn[i] || here != was || (turned && (c & BLINK))) {
                draw_cell(s, t, px + (size_t)y * height * pitch + x * width, pitch, c, here, off);
                console_damage(con, (int)(x * width), (int)(y * height), (int)width, (int)height);
                s->drawn[i] = c;
            }
        }
    }
drawn:
    s->drawn_cursor = cursor;
    s->drawn_start = t->start;
    s->drawn_dark = off;
    s->drawn_text = look;
    s->redraw = false;
}

/* ---- VBE: a linear frame buffer ---- */
/* The highest bits again below, so that white is white. */
static uint32_t five_bits(unsigned v)
{
    return (v & 31) << 3 | (v >> 2 & 7);
}

static uint32_t pixel(const Vga *s, const uint8_t *p, unsigned bpp)
{
    unsigned v = p[0] | (bpp > 8 ? p[1] << 8 : 0);
    switch (bpp) {
    case 8:  return vga_palette_color(s, v);
    case 15: return five_bits(v >> 10) << 16 | five_bits(v >> 5) << 8 | five_bits(v);
    case 16:
        return five_bits(v >> 11) << 16 | ((v >> 5 & 63) << 2 | (v >> 9 & 3)) << 8 | five_bits(v);
    default: return v | (uint32_t)p[2] << 16;
    }
}

static bool any_dirty(const unsigned long *map, uint64_t from, uint64_t to)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    for (uint64_t page = from >> PAGE_BITS; page <= (to - 1) >> PAGE_BITS; page++) {
        if (map[page / BITS] >> (page % BITS) & 1) {
            return true;
        }
    }
    return false;
}

/* false: no packed mode, or one that does not fit into video memory. */
static bool packed_mode(Vga *s, VgaPacked *p)
{
    memset(p, 0, sizeof(*p));
    if (s->ext ? !s->ext->packed(s, p) : !vbe_on(s)) {
        return false;
    }
    if (!s->ext) {
        uint64_t bytes = (s->vbe[VBE_BPP] + 7) / 8;
        p->width = s->vbe[VBE_XRES];
        p->height = s->vbe[VBE_YRES];
        p->bpp = s->vbe[VBE_BPP];
        p->pitch = s->vbe[VBE_VIRT_WIDTH] * bytes;
        p->start = s->vbe[VBE_Y_OFFSET] * p->pitch + s->vbe[VBE_X_OFFSET] * bytes;
    }
    return p->width && p->height && p->bpp >= 8 &&
           p->start + p->pitch * (p->height - 1) + (uint64_t)p->width * ((p->bpp + 7) / 8) <=
               s->vram.size;
}

static void refresh_packed(Vga *s, Console *con, const VgaPacked *p)
{
    unsigned width = p->width, height = p->height, bpp = p->bpp, bytes = (bpp + 7) / 8;
    pixman_image_t *surface = console_resize(con, (int)width, (int)height);
    uint32_t *px = pixman_image_get_data(surface);
    unsigned stride = (unsigned)pixman_image_get_stride(surface) / 4;
    g_autofree unsigned long *dirty =
        g_new0(unsigned long, (s->vram.size >> PAGE_BITS) / (8 * sizeof(unsigned long)) + 1);
    if (!s->logging) {
        region_dirty_log(&s->vram, DIRTY_DISPLAY, true);
        s->logging = s->redraw = true;
    }
    s->redraw |= memcmp(p, &s->drawn_packed, sizeof(*p)) != 0;
    s->drawn_packed = *p;
    region_dirty_take(&s->vram, DIRTY_DISPLAY, 0, s->vram.size, dirty);
    for (unsigned y = 0; y < height; y++) {
        uint64_t at = p->start + y * p->pitch;
        uint32_t *line = px + (size_t)y * stride;
        if (!s->redraw && !any_dirty(dirty, at, at + (uint64_t)width * bytes)) {
            continue;
        }
        for (unsigned x = 0; x < width; x++) {
            line[x] = pixel(s, s->vram.host + at + (uint64_t)x * bytes, bpp);
        }
        if (s->ext) {
            s->ext->overlay(s, y, line, width);
        }
        console_damage(con, 0, (int)y, (int)width, 1);
    }
    s->redraw = false;
}

/* ---- which of them ---- */
bool vga_touched(Vga *s)
{
    g_autofree unsigned long *dirty =
        g_new0(unsigned long, (s->vram.size >> PAGE_BITS) / (8 * sizeof(unsigned long)) + 1);
    if (!s->logging) {
        region_dirty_log(&s->vram, DIRTY_DISPLAY, true);
        s->logging = s->redraw = true;
    }
    region_dirty_take(&s->vram, DIRTY_DISPLAY, 0, s->vram.size, dirty);
    return any_dirty(dirty, 0, s->vram.size);
}

static void refresh_blank(Vga *s, Console *con)
{
    pixman_image_t *surface = console_surface(con);
    surface = surface ? surface : console_resize(con, 640, 480);
    if (s->redraw) {
        int width = pixman_image_get_width(surface), height = pixman_image_get_height(surface);
        memset(pixman_image_get_data(surface), 0,
               (size_t)pixman_image_get_stride(surface) * (unsigned)height);
        console_damage(con, 0, 0, width, height);
        s->redraw = false;
    }
}

static void refresh(void *dev, Console *con)
{
    enum { BLANK = 1, TEXT, PACKED, SCAN, KEEP };
    Vga *s = dev;
    VgaText t = { 0 };
    VgaScan g;
    VgaPacked p;
    /* whose BIOS leaves SR1's "screen off" set in all its packed modes */
    bool chip = s->ext && packed_mode(s, &p);
    uint8_t kind = chip && (s->attr_index & VIDEO_ON) ? PACKED
                   : !vbe_on(s) && vga_blank(s)       ? BLANK
                   : vga_scan(s, &g)                  ? SCAN
                   : vbe_on(s)                        ? packed_mode(s, &p) ? PACKED : KEEP
                   : vga_text_mode(s, &t)             ? TEXT
                                                      : BLANK;
    s->redraw |= kind != s->drawn_kind;
    s->drawn_kind = kind;
    switch (kind) {
    case SCAN:   vga_refresh_scan(s, con, &g); break;
    case PACKED: refresh_packed(s, con, &p); break;
    case KEEP:   break;
    case TEXT:   refresh_text(s, con, &t); break;
    default:     refresh_blank(s, con); break;
    }
}

static void invalidate(void *dev)
{
    ((Vga *)dev)->redraw = true;
}

const AdapterOps vga_adapter = { .refresh = refresh, .invalidate = invalidate, .text = draw_as_text,
                                 .text_mode = text_mode, .cell = text_cell };
