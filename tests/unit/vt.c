/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt.c -- the text terminal: what bytes do to its cells, what it answers, what keys send; random
 * bytes; the font.
 */
#include "core/display.h"
#include "core/font.h"
#include "core/vt.h"
#include "tests/unit/unit.h"

static GString *answers;

static void take_answer(void *opaque, const char *text, size_t n)
{
    g_string_append_len(answers, text, (gssize)n);
}

static char *screen(const Vt *t)
{
    GString *s = g_string_new(NULL);

    for (unsigned y = 0; y < vt_rows(t); y++) {
        gsize from = s->len;
        for (unsigned x = 0; x < vt_cols(t); x++) {
            VtCell c = vt_cell(t, x, y);
            if (c.ch) {
                g_string_append_unichar(s, c.ch);
            }
        }
        while (s->len > from && s->str[s->len - 1] == ' ') {
            g_string_truncate(s, s->len - 1);
        }
        g_string_append_c(s, '\n');
    }
    while (s->len > 1 && s->str[s->len - 2] == '\n') {
        g_string_truncate(s, s->len - 1);
    }
    return g_string_free(s, FALSE);
}

/* On 10 columns by 4 rows. */
static const struct {
    const char *in, *shown, *said;
} cases[] = {
    { "hello", "hello\n", "" },
    { "one\r\ntwo", "one\ntwo\n", "" },
    { "one\ntwo", "one\n   two\n", "" },
    { "0123456789ab", "0123456789\nab\n", "" },
    { "0123456789\rab", "ab23456789\n", "" },               /* the wrap waits for the next letter */
    { "\033[?7l0123456789ab", "012345678b\n", "" },
    { "1\r\n2\r\n3\r\n4\r\n5", "2\n3\n4\n5\n", "" },
    { "a\tb", "a       b\n", "" },
    { "\033[2;3Hx\033[Ay\033[3Dz", " z y\n  x\n", "" },
    { "abcdef\033[3D\033[K", "abc\n", "" },
    { "abcdef\033[3D\033[1K", "    ef\n", "" },
    { "abc\033[2J", "\n", "" },
    { "abcdef\r\033[2P", "cdef\n", "" },
    { "abcdef\r\033[2@", "  abcdef\n", "" },
    { "abcdef\r\033[2X", "  cdef\n", "" },
    { "a\r\nb\r\nc\033[1;1H\033[L", "\na\nb\nc\n", "" },
    { "a\r\nb\r\nc\033[1;1H\033[M", "b\nc\n", "" },
    { "a\r\nb\r\nc\033[2;3r\033[3;1H\nd", "a\nc\nd\n", "" },
    { "a\r\nb\033[1;1H\033M", "\na\nb\n", "" },
    { "\033[4habc\r\033[4hX", "Xabc\n", "" },
    { "ab\0337cd\0338X", "abXd\n", "" },
    { "ab\033[?1049hcd\033[?1049lX", "abX\n", "" },
    { "x\033[5b", "xxxxxx\n", "" },
    { "\033(0lqk\033(B", "┌─┐\n", "" },
    { "\033)0\016x\017x", "│x\n", "" },
    { "gr\303\274n \342\202\254", "grün €\n", "" },
    { "gr\374n", "grün\n", "" },                            /* no UTF-8: Latin-1 */
    { "\033%@\303\274\033%G\303\274", "Ã¼ü\n", "" },
    { "\360\237\230", "\n", "" },
    { "\303\303\274", "Ãü\n", "" },
    { "\346\227\205x", "旅x\n", "" },
    { "123456789\346\227\205", "123456789\n旅\n", "" },     /* does not fit */
    { "\033]0;a title\007x", "x\n", "" },
    { "\033]0;a title\033\\x", "x\n", "" },
    { "\033P1$r0m\033\\x", "x\n", "" },
    { "\033[38;5;196;1mred\033[0m", "red\n", "" },
    { "\033[6n", "\n", "\033[1;1R" },
    { "ab\r\nc\033[6n", "ab\nc\n", "\033[2;2R" },
    { "\033[5n\033[c", "\n", "\033[0n\033[?1;2c" },
    { "\033[99999999999;99999999999Hx", "\n\n\n         x\n", "" },
    { "\033[99999999Dx\033[99999999Sy", " y\n", "" },
    { "\033#8\033[2;1H\033[J", "EEEEEEEEEE\n", "" },
    { "a\033cb", "b\n", "" },
    { "\033[31\030x", "x\n", "" },
};

START_TEST(vt_sequences)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        answers = g_string_new(NULL);
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            Vt    *t = vt_new(10, 4, take_answer, NULL);
            size_t n = strlen(cases[i].in);
            g_string_truncate(answers, 0);
            for (size_t k = 0; k < n; k += bytewise ? 1 : n) {
                vt_write(t, (const uint8_t *)cases[i].in + k, bytewise ? 1 : n);
            }
            g_autofree char *shown = screen(t);
            ck_assert_msg(!strcmp(shown, cases[i].shown), "case %zu: \"%s\", not \"%s\"", i, shown,
                          cases[i].shown);
            ck_assert_str_eq(answers->str, cases[i].said);
            vt_free(t);
        }
        g_string_free(answers, TRUE);
    }
}
END_TEST

START_TEST(vt_colours)
{
    static const char in[] = "\033[1;31;44ma\033[0;7mb\033[38;2;1;2;3mc\033[48;5;232md";
    Vt *t = vt_new(10, 4, take_answer, NULL);

    vt_write(t, (const uint8_t *)in, strlen(in));
    VtCell a = vt_cell(t, 0, 0), b = vt_cell(t, 1, 0), c = vt_cell(t, 2, 0), d = vt_cell(t, 3, 0);
    ck_assert(a.fg == 1 && a.bg == 4 && a.attr == VT_BOLD);
    ck_assert(b.fg == VT_FG && b.bg == VT_BG && b.attr == VT_REVERSE);
    ck_assert_uint_eq(vt_rgb(c.fg), 0x010203);
    ck_assert_uint_eq(vt_rgb(d.bg), 0x080808);
    ck_assert_uint_eq(vt_rgb(196), 0xff0000);
    ck_assert_uint_eq(vt_rgb(3), 0xaa5500);
    ck_assert(vt_cell(t, 4, 0).attr & VT_CURSOR);
    vt_free(t);
}
END_TEST

START_TEST(vt_scrolls_back)
{
    Vt *t = vt_new(10, 4, take_answer, NULL);

    for (int i = 0; i < 3000; i++) {
        g_autofree char *line = g_strdup_printf("%d\r\n", i);
        vt_write(t, (const uint8_t *)line, strlen(line));
    }
    vt_scroll_back(t, 2);
    g_autofree char *two = screen(t);
    ck_assert_str_eq(two, "2995\n2996\n2997\n2998\n");
    vt_write(t, (const uint8_t *)"more\r\n", 6);            /* what is looked at stays */
    g_autofree char *same = screen(t);
    ck_assert_str_eq(same, two);
    vt_scroll_back(t, 1 << 30);
    g_autofree char *first = screen(t);
    ck_assert_str_eq(first, "1998\n1999\n2000\n2001\n");
    vt_scroll_end(t);
    g_autofree char *last = screen(t);
    ck_assert_str_eq(last, "2998\n2999\nmore\n");
    vt_free(t);
}
END_TEST

START_TEST(vt_keys)
{
    static const struct {
        uint32_t    sym;
        unsigned    mods;
        const char *out;
    } keys[] = {
        { 'a', 0, "a" }, { 'c', MOD_CTRL, "\003" }, { 'x', MOD_ALT, "\033x" }, { 0xff0d, 0, "\r" },
        { 0xff08, 0, "\177" },
        { 0xff52, 0, "\033[A" }, { 0xff51, MOD_CTRL, "\033[1;5D" }, { 0xff50, 0, "\033[H" },
        { 0xffff, 0, "\033[3~" },
        { 0xffbe, 0, "\033OP" }, { 0xffc2, 0, "\033[15~" }, { 0xffc9, MOD_SHIFT, "\033[24;2~" },
        { 0xfc, 0, "\303\274" },
        { 0x10020ac, 0, "\342\202\254" }, { 0xffb7, 0, "7" }, { 0xff95, 0, "\033[H" },
        { 0xfe20, MOD_SHIFT, "\033[Z" },
        { 0xffe1, 0, "" }, { 0x1ffffff, 0, "" }, { 0, 0, "" }, { ' ', MOD_CTRL, "\0" },
    };
    Vt  *t = vt_new(10, 4, take_answer, NULL);
    char out[16];

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        size_t n = vt_key(t, keys[i].sym, keys[i].mods, out);
        ck_assert_msg(
            n == (keys[i].mods == MOD_CTRL && keys[i].sym == ' ' ? 1 : strlen(keys[i].out)) &&
                !memcmp(out, keys[i].out, n),
            "key %x: %zu bytes", keys[i].sym, n);
    }
    vt_write(t, (const uint8_t *)"\033[?1h", 5);
    ck_assert(vt_key(t, 0xff52, 0, out) == 3 && !memcmp(out, "\033OA", 3));
    vt_free(t);
}
END_TEST

/* Whatever a guest sends: cells stay what they are, answers are bounded.  ASan sees the rest. */
START_TEST(vt_random)
{
    static const char often[] =
        "\033\033\033[[[[]P?;;0123456789HJKLMPSTXbdrhlmn@ABCDEFGIZ#8()0%\n\r\t\b\016";
    GRand *r = g_rand_new_with_seed(1);

    answers = g_string_new(NULL);
    for (int round = 0; round < 300; round++) {
        Vt *t = vt_new((unsigned)g_rand_int_range(r, 0, 90), (unsigned)g_rand_int_range(r, 0, 30),
                       take_answer, NULL);
        for (int i = 0; i < 3000; i++) {
            uint8_t b = g_rand_int_range(r, 0, 3)
                            ? (uint8_t)often[g_rand_int_range(r, 0, sizeof(often) - 1)]
                            : (uint8_t)g_rand_int(r);
            vt_write(t, &b, 1);
            if (i % 97 == 0) {
                vt_scroll_back(t, g_rand_int_range(r, -20, 20));
            }
        }
        for (unsigned y = 0; y < vt_rows(t); y++) {
            for (unsigned x = 0; x < vt_cols(t); x++) {
                VtCell  c = vt_cell(t, x, y);
                uint8_t rows[FONT_H];
                ck_assert(c.ch <= 0x10ffff && vt_rgb(c.fg) <= 0xffffff && vt_rgb(c.bg) <= 0xffffff);
                font_glyph(c.ch, rows);
            }
        }
        vt_free(t);
    }
    g_string_free(answers, TRUE);
    g_rand_free(r);
}
END_TEST

START_TEST(font_shapes)
{
    uint8_t a[FONT_H], b[FONT_H];
    unsigned seen = 0;

    /* no two letters of a keyboard look the same */
    for (uint32_t ch = '!'; ch < 0x17f; ch++) {
        font_glyph(ch, a);
        for (uint32_t other = '!'; ch < 0x7f && other < ch; other++) {
            font_glyph(other, b);
            ck_assert_msg(memcmp(a, b, FONT_H), "%c is %c", (char)ch, (char)other);
        }
        for (unsigned y = 0; y < FONT_H; y++) {
            seen += a[y] != 0;
        }
    }
    ck_assert_uint_gt(seen, 2000);
    font_glyph(0x253c, a);
    ck_assert(a[7] == 0xff && a[0] == 0x10 && a[15] == 0x10);
    font_glyph(0x2588, a);
    ck_assert(a[0] == 0xff && a[15] == 0xff);
    font_glyph(0xe4, a);
    font_glyph('a', b);
    ck_assert(!memcmp(a + 5, b + 5, 11) && memcmp(a, b, 5));
    for (uint32_t ch = 0x2500; ch < 0x25a0; ch++) {
        font_glyph(ch, a);
    }
}
END_TEST

Suite *suite_vt(void)
{
    Suite *s = suite_create("vt");

    ADD(s, vt_sequences);
    ADD(s, vt_colours);
    ADD(s, vt_scrolls_back);
    ADD(s, vt_keys);
    ADD(s, vt_random);
    ADD(s, font_shapes);
    return s;
}
