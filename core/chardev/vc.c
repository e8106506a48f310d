/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vc.c -- a text console beside the guest's screen (Ctrl-Alt-2, -3, ...), as the far end of a
 * character device.
 *
 * Spec: none; the spelling of its size (vc:80Cx24C, vc:800x600) is the one in common use.
 * Omits: a size that follows the window.
 * Threads: the main context with the machine lock.
 *
 * The device's bytes go to a terminal (core/vt.h), whose cells are drawn when a viewer asks for the
 * picture, those that differ from the last one.
 */
#include "core/chardev/backend.h"
#include "core/display.h"
#include "core/font.h"
#include "core/vt.h"
#include <string.h>

enum { COLS = 80, ROWS = 24 };

typedef struct Vc {
    Chardev *chr;
    Console *con;
    Vt      *vt;
    VtCell  *drawn;                   /* what the surface shows */
    bool     all;                     /* draw everything */
} Vc;

static unsigned cols(const ChrConfig *cfg)
{
    return cfg->cols ? cfg->cols : cfg->width ? cfg->width / FONT_W : COLS;
}

static unsigned rows(const ChrConfig *cfg)
{
    return cfg->rows ? cfg->rows : cfg->height ? cfg->height / FONT_H : ROWS;
}

static bool vc_check(Machine *m, const ChrConfig *cfg, GError **err)
{
    unsigned c = cols(cfg), r = rows(cfg);

    (void)m;
    return (c >= VT_COLS_MIN && c <= VT_COLS_MAX && r >= VT_ROWS_MIN && r <= VT_ROWS_MAX) ||
           fail(err, "vc: %u columns by %u rows: there can be %d to %d by %d to %d", c, r,
                VT_COLS_MIN, VT_COLS_MAX, VT_ROWS_MIN, VT_ROWS_MAX);
}

/* ---- the picture ---- */

static void draw(uint32_t *px, size_t stride, const VtCell *c, bool right_half)
{
    uint32_t fg = vt_rgb((c->attr & VT_BOLD) && c->fg < 8 ? c->fg + 8 : c->fg), bg = vt_rgb(c->bg);
    uint8_t  glyph[FONT_H];

    if (c->attr & VT_DIM) {
        fg = fg >> 1 & 0x7f7f7f;
    }
    if (!(c->attr & VT_REVERSE) != !(c->attr & VT_CURSOR)) {
        uint32_t was = fg;
        fg = bg;
        bg = was;
    }
    font_glyph(right_half || (c->attr & VT_HIDDEN) ? ' ' : c->ch, glyph);
    if (c->attr & VT_UNDERLINE) {
        glyph[13] = 0xff;
    }
    if (c->attr & VT_STRIKE) {
        glyph[8] = 0xff;
    }
    for (unsigned y = 0; y < FONT_H; y++, px += stride) {
        for (unsigned x = 0; x < FONT_W; x++) {
            px[x] = glyph[y] & (0x80 >> x) ? fg : bg;
        }
    }
}

static void vc_refresh(void *dev, Console *con)
{
    Vc             *v = dev;
    unsigned        w = vt_cols(v->vt), h = vt_rows(v->vt);
    pixman_image_t *p = console_resize(con, (int)w * FONT_W, (int)h * FONT_H);
    uint32_t       *px = pixman_image_get_data(p);
    size_t          stride = (size_t)pixman_image_get_stride(p) / sizeof(*px);

    for (unsigned y = 0; y < h; y++) {
        unsigned first = w, last = 0;
        for (unsigned x = 0; x < w; x++) {
            VtCell  c = vt_cell(v->vt, x, y);
            VtCell *was = v->drawn + (size_t)y * w + x;
            if (v->all || memcmp(&c, was, sizeof(c))) {
                *was = c;
                draw(px + (size_t)y * FONT_H * stride + (size_t)x * FONT_W, stride, &c, c.ch == 0);
                first = MIN(first, x);
                last = x;
            }
        }
        if (first <= last && first < w) {
            console_damage(con, (int)first * FONT_W, (int)y * FONT_H,
                           (int)(last - first + 1) * FONT_W, FONT_H);
        }
    }
    v->all = false;
}

static void vc_invalidate(void *dev)
{
    ((Vc *)dev)->all = true;
}

static void vc_text(void *dev, GString *out)
{
    Vc *v = dev;

    for (unsigned y = 0; y < vt_rows(v->vt); y++) {
        gsize from = out->len;
        for (unsigned x = 0; x < vt_cols(v->vt); x++) {
            uint32_t ch = vt_cell(v->vt, x, y).ch;
            if (ch) {
                g_string_append_unichar(out, ch);
            }
        }
        while (out->len > from && out->str[out->len - 1] == ' ') {
            g_string_truncate(out, out->len - 1);
        }
        g_string_append_c(out, '\n');
    }
}

static bool vc_text_mode(void *dev, TextMode *out)
{
    Vc *v = dev;

    *out = (TextMode){ .cols = vt_cols(v->vt), .rows = vt_rows(v->vt), .x = -1 };
    for (unsigned i = 0; i < out->cols * out->rows; i++) {
        if (vt_cell(v->vt, i % out->cols, i / out->cols).attr & VT_CURSOR) {
            out->x = (int)(i % out->cols);
            out->y = (int)(i / out->cols);
        }
    }
    return true;
}

static void vc_cell(void *dev, unsigned x, unsigned y, TextCell *out)
{
    VtCell   c = vt_cell(((Vc *)dev)->vt, x, y);
    uint32_t fg = vt_rgb((c.attr & VT_BOLD) && c.fg < 8 ? c.fg + 8 : c.fg), bg = vt_rgb(c.bg);
    bool     swap = c.attr & VT_REVERSE;

    *out = (TextCell){ .ch = c.attr & VT_HIDDEN ? ' ' : c.ch, .fg = swap ? bg : fg,
                       .bg = swap ? fg : bg };
}

static const AdapterOps vc_adapter = {
    .refresh = vc_refresh, .invalidate = vc_invalidate,
    .text = vc_text, .text_mode = vc_text_mode, .cell = vc_cell,
};

/* ---- keys ---- */

static void send_bytes(void *opaque, const char *text, size_t n)
{
    chr_input(((Vc *)opaque)->chr, text, n);
}

static void vc_symbol(void *dev, uint32_t sym, unsigned mods)
{
    Vc    *v = dev;
    char   out[16];
    bool up = sym == 0xff52 || sym == 0xff55, page = sym == 0xff55 || sym == 0xff56,
         arrow = sym == 0xff52 || sym == 0xff54;
    int    lines = page ? (int)vt_rows(v->vt) / 2 : 1;
    size_t n;

    if (((mods & MOD_CTRL) && (page || arrow)) || ((mods & MOD_SHIFT) && page)) {
        vt_scroll_back(v->vt, up ? lines : -lines);
        return;
    }
    n = vt_key(v->vt, sym, mods, out);
    if (n) {
        vt_scroll_end(v->vt);
        send_bytes(v, out, n);
    }
}

static const InputOps vc_input = { .symbol = vc_symbol };

/* ---- bytes ---- */

static size_t vc_take(Chardev *c, const void *buf, size_t n)
{
    vt_write(((Vc *)c->data)->vt, buf, n);
    return n;
}

static bool vc_open(Chardev *c, GError **err)
{
    Vc *v = c->data = g_new0(Vc, 1);

    (void)err;
    v->chr = c;
    v->vt = vt_new(cols(&c->cfg), rows(&c->cfg), send_bytes, v);
    v->drawn = g_new0(VtCell, (size_t)vt_cols(v->vt) * vt_rows(v->vt));
    v->all = true;
    v->con = console_add(c->machine, c->cfg.id ? c->cfg.id : "vc");
    console_adapter(v->con, &vc_adapter, v);
    console_input(v->con, &vc_input, v);
    chr_connected(c);
    return true;
}

static void vc_close(Chardev *c)
{
    Vc *v = c->data;

    console_adapter(v->con, NULL, v);
    console_input(v->con, NULL, v);
    vt_free(v->vt);
    g_free(v->drawn);
    g_clear_pointer(&c->data, g_free);
}

const ChrBackend vc_chardev = {
    .name = "vc", .help = "a text console beside the screen",
    .keys = "width height cols rows", .check = vc_check, .open = vc_open,
    .take = vc_take, .close = vc_close,
};
