/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keymap.c -- which key, with which others held, makes a character: from the host's XKB data, by
 * libxkbcommon.
 *
 * Spec: libxkbcommon 1.0 API; X Window System Protocol, appendix A (KEYSYM encoding).
 * Omits: dead keys for characters that have no key; levels beyond Shift and AltGr; second groups of
 *   a layout.
 * Threads: a Keymap is made once and only read then.
 *
 * Without libxkbcommon there is US English alone (ui/keys.c).
 */
#include "ui/keymap.h"
#include "core/display.h"
#include "core/field.h"
#include "ui/keys.h"
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#ifdef CONFIG_XKB /* configure: libxkbcommon-dev is there and not --disable-xkb */
#include <xkbcommon/xkbcommon.h>
#endif

struct Keymap {
    GHashTable *strokes;              /* character or keysym to KeyStroke; NULL: US English */
};

/* The languages by the names that users of -k know, and XKB's layout and variant. */
static const struct {
    const char *language, *layout, *variant;
} languages[] = {
    { "ar", "ara", "" }, { "bepo", "fr", "bepo" }, { "cz", "cz", "" }, { "da", "dk", "" },
    { "de", "de", "" }, { "de-ch", "ch", "" }, { "en-gb", "gb", "" }, { "en-us", "us", "" },
    { "es", "es", "" }, { "et", "ee", "" }, { "fi", "fi", "" }, { "fo", "fo", "" },
    { "fr", "fr", "" }, { "fr-be", "be", "" }, { "fr-ca", "ca", "fr" }, { "fr-ch", "ch", "fr" },
    { "hr", "hr", "" }, { "hu", "hu", "" }, { "is", "is", "" }, { "it", "it", "" },
    { "ja", "jp", "" }, { "lt", "lt", "" }, { "lv", "lv", "" }, { "mk", "mk", "" },
    { "nl", "nl", "" }, { "no", "no", "" }, { "pl", "pl", "" }, { "pt", "pt", "" },
    { "pt-br", "br", "" }, { "ro", "ro", "" }, { "ru", "ru", "" }, { "sl", "si", "" },
    { "sv", "se", "" }, { "th", "th", "" }, { "tr", "tr", "" },
    { "uk", "ua", "" },
};

#ifdef CONFIG_XKB

static uint32_t normal(uint32_t keysym)
{
    uint32_t ch = xkb_keysym_to_utf32(keysym);

    return ch >= 0x20 && ch != 0x7f ? ch : keysym;
}

typedef struct Making {
    GHashTable    *strokes;
    xkb_mod_mask_t shift, altgr;
} Making;

/* true: *s says how this level is reached with Shift and AltGr alone. */
static bool reached(const Making *g, struct xkb_keymap *map, xkb_keycode_t key,
                    xkb_level_index_t level, KeyStroke *s)
{
    xkb_mod_mask_t masks[16];
    size_t n = xkb_keymap_key_get_mods_for_level(map, key, 0, level, masks, G_N_ELEMENTS(masks));

    for (size_t i = 0; i < n; i++) {
        if (!(masks[i] & ~(g->shift | g->altgr))) {
            s->shift = masks[i] & g->shift;
            s->altgr = masks[i] & g->altgr;
            return true;
        }
    }
    return false;
}

static bool is_keypad(unsigned code)
{
    return (code >= KEY_KP7 && code <= KEY_KPDOT) || code == KEY_KPASTERISK ||
           code == KEY_KPSLASH || code == KEY_KPENTER || code == KEY_KPEQUAL || code == KEY_KPCOMMA;
}

static void add_key(struct xkb_keymap *map, xkb_keycode_t key, void *opaque)
{
    const Making *g = opaque;
    KeyStroke     s = { .code = (uint16_t)(key - 8), .prints = true };

    if (key < 8 || key - 8 >= KEY_MICMUTE || is_keypad(key - 8)) {
        return;
    }
    for (xkb_level_index_t level = 0; level < xkb_keymap_num_levels_for_key(map, key, 0); level++) {
        const xkb_keysym_t *syms;
        KeyStroke          *was;
        uint32_t            ch;
        if (xkb_keymap_key_get_syms_by_level(map, key, 0, level, &syms) != 1 ||
            !reached(g, map, key, level, &s)) {
            continue;
        }
        ch = normal(syms[0]);
        if (ch == syms[0] && ch >= 0xfe00 && ch <= 0xffff && (ch < 0xfe50 || ch > 0xfe93)) {
            continue;                 /* prints nothing, nor is it a dead key: ui/keys.c has it */
        }
        was = g_hash_table_lookup(g->strokes, GUINT_TO_POINTER(ch));
        if (was && was->code == s.code && !was->altgr && !s.altgr) {
            was->any_shift |= was->shift != s.shift;
        } else if (!was || was->altgr > s.altgr ||
                   (was->altgr == s.altgr && was->shift > s.shift)) {
            g_hash_table_replace(g->strokes, GUINT_TO_POINTER(ch), g_memdup2(&s, sizeof(s)));
        }
    }
}

static GHashTable *compile(const char *layout, const char *variant)
{
    struct xkb_rule_names names = { .rules = "evdev", .model = "pc105", .layout = layout,
                                    .variant = variant, .options = "" };
    struct xkb_context   *ctx = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
    struct xkb_keymap    *map = NULL;
    Making                g = { 0 };

    if (ctx) {
        xkb_context_set_log_level(ctx, XKB_LOG_LEVEL_CRITICAL);
        map = xkb_keymap_new_from_names(ctx, &names, XKB_KEYMAP_COMPILE_NO_FLAGS);
    }
    if (map) {
        xkb_mod_index_t shift = xkb_keymap_mod_get_index(map, "Shift"),
                        altgr = xkb_keymap_mod_get_index(map, "Mod5");
        g.strokes = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        g.shift = shift == XKB_MOD_INVALID ? 0 : 1u << shift;
        g.altgr = altgr == XKB_MOD_INVALID ? 0 : 1u << altgr;
        xkb_keymap_key_for_each(map, add_key, &g);
        xkb_keymap_unref(map);
    }
    if (ctx) {
        xkb_context_unref(ctx);
    }
    return g.strokes;
}

#else

static uint32_t normal(uint32_t keysym)
{
    return keysym;
}

static GHashTable *compile(const char *layout, const char *variant)
{
    return NULL;
}

#endif

Keymap *keymap_new(const char *language, GError **err)
{
    GHashTable *strokes = NULL;
    Keymap     *k;

    if (language && strcmp(language, "en-us")) {
        size_t i = 0;
        while (i < G_N_ELEMENTS(languages) && strcmp(languages[i].language, language)) {
            i++;
        }
        if (i == G_N_ELEMENTS(languages)) {
            fail(err, "-k %s: there is no such language; \"-k help\" lists them", language);
            return NULL;
        }
#ifndef CONFIG_XKB
        fail(err, "-k %s: this program was built without libxkbcommon; there is en-us alone",
             language);
        return NULL;
#endif
        strokes = compile(languages[i].layout, languages[i].variant);
        if (!strokes) {
            fail(err,
                 "-k %s: no layout \"%s%s%s\" in this system's keyboard data (Debian's package "
                 "xkb-data)",
                 language, languages[i].layout, *languages[i].variant ? "," : "",
                 languages[i].variant);
            return NULL;
        }
    }
    k = g_new0(Keymap, 1);
    k->strokes = strokes;
    return k;
}

void keymap_free(Keymap *k)
{
    if (k) {
        g_clear_pointer(&k->strokes, g_hash_table_destroy);
        g_free(k);
    }
}

bool keymap_find(const Keymap *k, uint32_t keysym, KeyStroke *out)
{
    const KeyStroke *s =
        k->strokes ? g_hash_table_lookup(k->strokes, GUINT_TO_POINTER(normal(keysym))) : NULL;

    if (s) {
        *out = *s;
        return true;
    }
    *out = (KeyStroke){ 0 };
    if (k->strokes && keysym > ' ' && keysym < 0xfe00) {
        return false;
    }
    out->code = (uint16_t)key_from_keysym(keysym, &out->shift);
    out->prints = keysym < 0x80;
    out->any_shift = keysym == ' ';
    return out->code != 0;
}

bool keymap_check(const char *language, GError **err)
{
    Keymap *k = keymap_new(language, err);

    keymap_free(k);
    return k != NULL;
}

void keymap_print_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(languages); i++) {
#ifndef CONFIG_XKB
        if (strcmp(languages[i].language, "en-us")) {
            continue;
        }
#endif
        printf("%s\n", languages[i].language);
    }
}
