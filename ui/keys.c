/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keys.c -- USB HID keyboard usages, PC scan codes, and keysyms by the US layout, to evdev codes.
 *
 * Spec: USB HID Usage Tables 1.12, table 12 (Keyboard/Keypad page 0x07); X Window System Protocol,
 *   appendix A (KEYSYM encoding).
 * Threads: pure functions.
 */
#include "ui/keys.h"
#include <linux/input-event-codes.h>
#include <string.h>

static const uint8_t hid[0xe8] = {
    [0x04] = KEY_A,
    KEY_B,
    KEY_C,
    KEY_D,
    KEY_E,
    KEY_F,
    KEY_G,
    KEY_H,
    KEY_I,
    KEY_J,
    KEY_K,
    KEY_L,
    KEY_M,
    KEY_N,
    KEY_O,
    KEY_P,
    KEY_Q,
    KEY_R,
    KEY_S,
    KEY_T,
    KEY_U,
    KEY_V,
    KEY_W,
    KEY_X,
    KEY_Y,
    KEY_Z,
    [0x1e] = KEY_1,
    KEY_2,
    KEY_3,
    KEY_4,
    KEY_5,
    KEY_6,
    KEY_7,
    KEY_8,
    KEY_9,
    KEY_0,
    [0x28] = KEY_ENTER,
    KEY_ESC,
    KEY_BACKSPACE,
    KEY_TAB,
    KEY_SPACE,
    KEY_MINUS,
    KEY_EQUAL,
    KEY_LEFTBRACE,
    KEY_RIGHTBRACE,
    KEY_BACKSLASH,
    KEY_BACKSLASH,
    KEY_SEMICOLON,
    KEY_APOSTROPHE,
    KEY_GRAVE,
    KEY_COMMA,
    KEY_DOT,
    KEY_SLASH,
    KEY_CAPSLOCK,
    [0x3a] = KEY_F1,
    KEY_F2,
    KEY_F3,
    KEY_F4,
    KEY_F5,
    KEY_F6,
    KEY_F7,
    KEY_F8,
    KEY_F9,
    KEY_F10,
    KEY_F11,
    KEY_F12,
    [0x46] = KEY_SYSRQ,
    KEY_SCROLLLOCK,
    KEY_PAUSE,
    KEY_INSERT,
    KEY_HOME,
    KEY_PAGEUP,
    KEY_DELETE,
    KEY_END,
    KEY_PAGEDOWN,
    KEY_RIGHT,
    KEY_LEFT,
    KEY_DOWN,
    KEY_UP,
    KEY_NUMLOCK,
    KEY_KPSLASH,
    KEY_KPASTERISK,
    KEY_KPMINUS,
    KEY_KPPLUS,
    KEY_KPENTER,
    KEY_KP1,
    KEY_KP2,
    KEY_KP3,
    KEY_KP4,
    KEY_KP5,
    KEY_KP6,
    KEY_KP7,
    KEY_KP8,
    KEY_KP9,
    KEY_KP0,
    KEY_KPDOT,
    KEY_102ND,
    KEY_COMPOSE,
    [0xe0] = KEY_LEFTCTRL,
    KEY_LEFTSHIFT,
    KEY_LEFTALT,
    KEY_LEFTMETA,
    KEY_RIGHTCTRL,
    KEY_RIGHTSHIFT,
    KEY_RIGHTALT,
    KEY_RIGHTMETA,
};

/* The characters of the US keyboard, key for key. */
static const char     plain[] = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./ ";
static const char     shifted[] = "~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"ZXCVBNM<>? ";
static const uint8_t printing[] = {
    KEY_GRAVE,     KEY_1,          KEY_2,         KEY_3,          KEY_4,         KEY_5,     KEY_6,
    KEY_7,         KEY_8,          KEY_9,         KEY_0,          KEY_MINUS,     KEY_EQUAL, KEY_Q,
    KEY_W,         KEY_E,          KEY_R,         KEY_T,          KEY_Y,         KEY_U,     KEY_I,
    KEY_O,         KEY_P,          KEY_LEFTBRACE, KEY_RIGHTBRACE, KEY_BACKSLASH, KEY_A,     KEY_S,
    KEY_D,         KEY_F,          KEY_G,         KEY_H,          KEY_J,         KEY_K,     KEY_L,
    KEY_SEMICOLON, KEY_APOSTROPHE, KEY_Z,         KEY_X,          KEY_C,         KEY_V,     KEY_B,
    KEY_N,         KEY_M,          KEY_COMMA,     KEY_DOT,        KEY_SLASH,     KEY_SPACE,
};
_Static_assert(sizeof(plain) == sizeof(printing) + 1 && sizeof(shifted) == sizeof(plain),
               "a key for each character");

/* Keysyms 0xff00 to 0xffff, and a few others. */
static const struct {
    uint16_t keysym, code;
} others[] = {
    { 0xff08, KEY_BACKSPACE }, { 0xff09, KEY_TAB }, { 0xfe20, KEY_TAB }, { 0xff0d, KEY_ENTER },
    { 0xff13, KEY_PAUSE }, { 0xff14, KEY_SCROLLLOCK }, { 0xff15, KEY_SYSRQ }, { 0xff1b, KEY_ESC },
    { 0xff50, KEY_HOME }, { 0xff51, KEY_LEFT }, { 0xff52, KEY_UP }, { 0xff53, KEY_RIGHT },
    { 0xff54, KEY_DOWN }, { 0xff55, KEY_PAGEUP }, { 0xff56, KEY_PAGEDOWN }, { 0xff57, KEY_END },
    { 0xff61, KEY_SYSRQ }, { 0xff63, KEY_INSERT }, { 0xff67, KEY_COMPOSE }, { 0xff6b, KEY_PAUSE },
    { 0xff7f, KEY_NUMLOCK }, { 0xff8d, KEY_KPENTER }, { 0xff95, KEY_KP7 }, { 0xff96, KEY_KP4 },
    { 0xff97, KEY_KP8 }, { 0xff98, KEY_KP6 }, { 0xff99, KEY_KP2 }, { 0xff9a, KEY_KP9 },
    { 0xff9b, KEY_KP3 }, { 0xff9c, KEY_KP1 }, { 0xff9d, KEY_KP5 }, { 0xff9e, KEY_KP0 },
    { 0xff9f, KEY_KPDOT }, { 0xffaa, KEY_KPASTERISK }, { 0xffab, KEY_KPPLUS },
    { 0xffad, KEY_KPMINUS }, { 0xffae, KEY_KPDOT }, { 0xffaf, KEY_KPSLASH }, { 0xffb0, KEY_KP0 },
    { 0xffb1, KEY_KP1 }, { 0xffb2, KEY_KP2 }, { 0xffb3, KEY_KP3 }, { 0xffb4, KEY_KP4 },
    { 0xffb5, KEY_KP5 }, { 0xffb6, KEY_KP6 }, { 0xffb7, KEY_KP7 }, { 0xffb8, KEY_KP8 },
    { 0xffb9, KEY_KP9 }, { 0xffbe, KEY_F1 }, { 0xffbf, KEY_F2 }, { 0xffc0, KEY_F3 },
    { 0xffc1, KEY_F4 }, { 0xffc2, KEY_F5 }, { 0xffc3, KEY_F6 }, { 0xffc4, KEY_F7 },
    { 0xffc5, KEY_F8 }, { 0xffc6, KEY_F9 }, { 0xffc7, KEY_F10 }, { 0xffc8, KEY_F11 },
    { 0xffc9, KEY_F12 }, { 0xffe1, KEY_LEFTSHIFT }, { 0xffe2, KEY_RIGHTSHIFT },
    { 0xffe3, KEY_LEFTCTRL }, { 0xffe4, KEY_RIGHTCTRL }, { 0xffe5, KEY_CAPSLOCK },
    { 0xffe7, KEY_LEFTMETA }, { 0xffe8, KEY_RIGHTMETA }, { 0xffe9, KEY_LEFTALT },
    { 0xffea, KEY_RIGHTALT }, { 0xffeb, KEY_LEFTMETA }, { 0xffec, KEY_RIGHTMETA },
    { 0xfe03, KEY_RIGHTALT }, { 0xffff, KEY_DELETE },
};

unsigned key_from_keysym(uint32_t keysym, bool *needs_shift)
{
    const char *p;

    *needs_shift = false;
    if (keysym > 0 && keysym < 0x80) {
        if ((p = strchr(plain, (int)keysym))) {
            return printing[p - plain];
        }
        p = strchr(shifted, (int)keysym);
        *needs_shift = p != NULL;
        return p ? printing[p - shifted] : 0;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i].keysym == keysym) {
            return others[i].code;
        }
    }
    return 0;
}

uint32_t key_symbol(unsigned code)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i].code == code) {
            return others[i].keysym;
        }
    }
    return 0;
}

unsigned key_from_hid(unsigned usage)
{
    return usage < sizeof(hid) ? hid[usage] : 0;
}

/* evdev's codes up to F12 are those of set 1. */
unsigned key_from_xt(unsigned code)
{
    static const uint8_t extended[0x80] = {
        [0x1c] = KEY_KPENTER, [0x1d] = KEY_RIGHTCTRL, [0x35] = KEY_KPSLASH, [0x37] = KEY_SYSRQ,
        [0x38] = KEY_RIGHTALT, [0x46] = KEY_PAUSE, [0x47] = KEY_HOME, [0x48] = KEY_UP,
        [0x49] = KEY_PAGEUP, [0x4b] = KEY_LEFT, [0x4d] = KEY_RIGHT, [0x4f] = KEY_END,
        [0x50] = KEY_DOWN, [0x51] = KEY_PAGEDOWN, [0x52] = KEY_INSERT, [0x53] = KEY_DELETE,
        [0x5b] = KEY_LEFTMETA, [0x5c] = KEY_RIGHTMETA, [0x5d] = KEY_COMPOSE,
    };

    if (code & 0x80) {
        return code < 0x100 ? extended[code & 0x7f] : 0;
    }
    return code <= KEY_F12 && code != 0x54 && code != 0x55 ? code : 0;
}
