/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2kbd.c -- a 105-key PS/2 keyboard.
 *
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "101/102-key keyboard"; Microsoft,
 *   Keyboard Scan Code Specification 1.3a (sets 1, 2 and their translation).
 * Omits: key types of set 3 by key (FB-FD are taken and change nothing; all keys are typematic,
 *   make and break); the shifts that a real keyboard fakes around the grey keys while Num Lock or
 *   Shift is on.
 * Threads: with the machine lock.
 */
#include "hw/input/ps2.h"

#define E0 0x100

/* evdev codes (include/uapi/linux/input-event-codes.h) of keys that need special treatment. */
enum { KEY_LEFTCTRL = 29, KEY_LEFTALT = 56, KEY_RIGHTCTRL = 97, KEY_SYSRQ = 99, KEY_RIGHTALT = 100,
       KEY_PAUSE = 119 };

enum {                                /* commands */
    CMD_LEDS = 0xed, CMD_ECHO = 0xee, CMD_SCAN_SET = 0xf0, CMD_ID = 0xf2, CMD_TYPEMATIC = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_ALL_FIRST = 0xf7, CMD_ALL_LAST = 0xfa,
    CMD_KEY_FIRST = 0xfb,
    CMD_KEY_LAST = 0xfd, CMD_RESEND = 0xfe, CMD_RESET = 0xff,
};
enum { BREAK = 0xf0, OVERRUN_SET1 = 0xff, OVERRUN = 0x00, TYPEMATIC_DEFAULT = 0x2b };

#define NS_PER_MS 1000000ull

/* Codes in the three sets; E0 for a prefix in sets 1 and 2.  0: the set has none. */
typedef struct KeyCode {
    uint16_t set1, set2;
    uint8_t  set3;
} KeyCode;

static const KeyCode keys[PS2_KEYS] = {
    [1] = { 0x01, 0x76, 0x08 },                               /* Esc */
    /* 1 2 3 */
    [2] = { 0x02, 0x16, 0x16 },   [3] = { 0x03, 0x1e, 0x1e },   [4] = { 0x04, 0x26, 0x26 },
    [5] = { 0x05, 0x25, 0x25 },   [6] = { 0x06, 0x2e, 0x2e },   [7] = { 0x07, 0x36, 0x36 },
    [8] = { 0x08, 0x3d, 0x3d },   [9] = { 0x09, 0x3e, 0x3e },   [10] = { 0x0a, 0x46, 0x46 },
    /* 0 - = */
    [11] = { 0x0b, 0x45, 0x45 },  [12] = { 0x0c, 0x4e, 0x4e },  [13] = { 0x0d, 0x55, 0x55 },
    [14] = { 0x0e, 0x66, 0x66 },  [15] = { 0x0f, 0x0d, 0x0d },  /* Backspace, Tab */
    /* Q W E */
    [16] = { 0x10, 0x15, 0x15 },  [17] = { 0x11, 0x1d, 0x1d },  [18] = { 0x12, 0x24, 0x24 },
    [19] = { 0x13, 0x2d, 0x2d },  [20] = { 0x14, 0x2c, 0x2c },  [21] = { 0x15, 0x35, 0x35 },
    [22] = { 0x16, 0x3c, 0x3c },  [23] = { 0x17, 0x43, 0x43 },  [24] = { 0x18, 0x44, 0x44 },
    /* P [ ] */
    [25] = { 0x19, 0x4d, 0x4d },  [26] = { 0x1a, 0x54, 0x54 },  [27] = { 0x1b, 0x5b, 0x5b },
    [28] = { 0x1c, 0x5a, 0x5a },  [29] = { 0x1d, 0x14, 0x11 },  /* Enter, Ctrl */
    /* A S D */
    [30] = { 0x1e, 0x1c, 0x1c },  [31] = { 0x1f, 0x1b, 0x1b },  [32] = { 0x20, 0x23, 0x23 },
    [33] = { 0x21, 0x2b, 0x2b },  [34] = { 0x22, 0x34, 0x34 },  [35] = { 0x23, 0x33, 0x33 },
    [36] = { 0x24, 0x3b, 0x3b },  [37] = { 0x25, 0x42, 0x42 },  [38] = { 0x26, 0x4b, 0x4b },
    /* ; ' ` */
    [39] = { 0x27, 0x4c, 0x4c },  [40] = { 0x28, 0x52, 0x52 },  [41] = { 0x29, 0x0e, 0x0e },
    [42] = { 0x2a, 0x12, 0x12 },  [43] = { 0x2b, 0x5d, 0x5c },  /* Shift, backslash */
    /* Z X C */
    [44] = { 0x2c, 0x1a, 0x1a },  [45] = { 0x2d, 0x22, 0x22 },  [46] = { 0x2e, 0x21, 0x21 },
    [47] = { 0x2f, 0x2a, 0x2a },  [48] = { 0x30, 0x32, 0x32 },  [49] = { 0x31, 0x31, 0x31 },
    [50] = { 0x32, 0x3a, 0x3a },  [51] = { 0x33, 0x41, 0x41 },  [52] = { 0x34, 0x49, 0x49 },
    /* / Shift, KP * */
    [53] = { 0x35, 0x4a, 0x4a },  [54] = { 0x36, 0x59, 0x59 },  [55] = { 0x37, 0x7c, 0x7e },
    /* Alt, space, Caps */
    [56] = { 0x38, 0x11, 0x19 },  [57] = { 0x39, 0x29, 0x29 },  [58] = { 0x3a, 0x58, 0x14 },
    /* F1 F2 F3 */
    [59] = { 0x3b, 0x05, 0x07 },  [60] = { 0x3c, 0x06, 0x0f },  [61] = { 0x3d, 0x04, 0x17 },
    [62] = { 0x3e, 0x0c, 0x1f },  [63] = { 0x3f, 0x03, 0x27 },  [64] = { 0x40, 0x0b, 0x2f },
    [65] = { 0x41, 0x83, 0x37 },  [66] = { 0x42, 0x0a, 0x3f },  [67] = { 0x43, 0x01, 0x47 },
    /* F10, Num, Scroll */
    [68] = { 0x44, 0x09, 0x4f },  [69] = { 0x45, 0x77, 0x76 },  [70] = { 0x46, 0x7e, 0x5f },
    /* KP 7 8 9 */
    [71] = { 0x47, 0x6c, 0x6c },  [72] = { 0x48, 0x75, 0x75 },  [73] = { 0x49, 0x7d, 0x7d },
    /* KP - 4 5 */
    [74] = { 0x4a, 0x7b, 0x84 },  [75] = { 0x4b, 0x6b, 0x6b },  [76] = { 0x4c, 0x73, 0x73 },
    /* KP 6 + 1 */
    [77] = { 0x4d, 0x74, 0x74 },  [78] = { 0x4e, 0x79, 0x7c },  [79] = { 0x4f, 0x69, 0x69 },
    /* KP 2 3 0 */
    [80] = { 0x50, 0x72, 0x72 },  [81] = { 0x51, 0x7a, 0x7a },  [82] = { 0x52, 0x70, 0x70 },
    [83] = { 0x53, 0x71, 0x71 },  [86] = { 0x56, 0x61, 0x13 },  /* KP ., 102nd */
    [87] = { 0x57, 0x78, 0x56 },  [88] = { 0x58, 0x07, 0x5e },  /* F11 F12 */
    /* Ro, Henkan, Kana */
    [89] = { 0x73, 0x51, 0x51 },  [92] = { 0x79, 0x64, 0x86 },  [93] = { 0x70, 0x13, 0x87 },
    [94] = { 0x7b, 0x67, 0x85 },        /* Muhenkan */
    /* KP Enter, Ctrl */
    [96] = { E0 | 0x1c, E0 | 0x5a, 0x79 },  [97] = { E0 | 0x1d, E0 | 0x14, 0x58 },
    [98] = { E0 | 0x35, E0 | 0x4a, 0x77 },  [99] = { E0 | 0x37, E0 | 0x7c, 0x57 }, /* KP /, Print */
    [100] = { E0 | 0x38, E0 | 0x11, 0x39 },     /* Alt Gr */
    [102] = { E0 | 0x47, E0 | 0x6c, 0x6e }, [103] = { E0 | 0x48, E0 | 0x75, 0x63 },   /* Home, up */
    /* Page Up, left */
    [104] = { E0 | 0x49, E0 | 0x7d, 0x6f }, [105] = { E0 | 0x4b, E0 | 0x6b, 0x61 },
    [106] = { E0 | 0x4d, E0 | 0x74, 0x6a }, [107] = { E0 | 0x4f, E0 | 0x69, 0x65 }, /* right, End */
    /* down, Page Down */
    [108] = { E0 | 0x50, E0 | 0x72, 0x60 }, [109] = { E0 | 0x51, E0 | 0x7a, 0x6d },
    /* Insert, Delete */
    [110] = { E0 | 0x52, E0 | 0x70, 0x67 }, [111] = { E0 | 0x53, E0 | 0x71, 0x64 },
    [113] = { E0 | 0x20, E0 | 0x23, 0 },    [114] = { E0 | 0x2e, E0 | 0x21, 0 },  /* mute, softer */
    [115] = { E0 | 0x30, E0 | 0x32, 0 },    [116] = { E0 | 0x5e, E0 | 0x37, 0 }, /* louder, power */
    [119] = { 0x45, 0x77, 0x62 },       /* Pause: see below */
    [124] = { 0x7d, 0x6a, 0x5d },       /* Yen */
    /* left, right GUI */
    [125] = { E0 | 0x5b, E0 | 0x1f, 0x8b }, [126] = { E0 | 0x5c, E0 | 0x27, 0x8c },
    [127] = { E0 | 0x5d, E0 | 0x2f, 0x8d },     /* menu */
};

/*
 * Codes that no key above has: SysRq, F7's other code (and the answer "set 2"), and F13 up as table
 * 3 of the spec says.
 */
static const struct { uint8_t set2, set1; } more_translations[] = {
    { 0x84, 0x54 }, { 0x7f, 0x54 }, { 0x02, 0x41 }, { 0x00, 0xff }, { 0x08, 0x64 }, { 0x10, 0x65 },
    { 0x18, 0x66 }, { 0x20, 0x67 }, { 0x28, 0x68 }, { 0x30, 0x69 }, { 0x38, 0x6a }, { 0x40, 0x6b },
    { 0x48, 0x6c }, { 0x50, 0x6d }, { 0x57, 0x6e }, { 0x6f, 0x6f }, { 0x19, 0x71 }, { 0x39, 0x72 },
    { 0x53, 0x74 }, { 0x3f, 0x5f }, { 0x5e, 0x63 },
    { 0x6d, 0x7e },
};

uint8_t ps2_translate(uint8_t set2)
{
    for (unsigned i = 1; i < PS2_KEYS; i++) {
        if (keys[i].set1 && (keys[i].set2 & 0xff) == set2) {
            return keys[i].set1 & 0xff;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(more_translations); i++) {
        if (more_translations[i].set2 == set2) {
            return more_translations[i].set1;
        }
    }
    return set2;                      /* replies such as FA pass as they are */
}

/* --- key strokes ------------------------------------------------------------------------------ */

static bool is_down(const Ps2Kbd *k, unsigned evdev)
{
    return k->down[evdev / 8 % sizeof(k->down)] & (1u << (evdev & 7));
}

/* One make or break code in the current set; returns the number of bytes. */
static unsigned put_code(const Ps2Kbd *k, const KeyCode *c, bool down, uint8_t *out)
{
    unsigned n = 0;
    uint16_t code = k->set == 1 ? c->set1 : k->set == 2 ? c->set2 : c->set3;

    if (code == 0) {
        return 0;
    }
    if (code & E0) {
        out[n++] = 0xe0;
    }
    if (k->set == 1) {
        out[n++] = (code & 0x7f) | (down ? 0 : 0x80);
    } else {
        if (!down) {
            out[n++] = BREAK;
        }
        out[n++] = code & 0xff;
    }
    return n;
}

/* Print Screen sends a shift along; with Alt it is SysRq, another code. */
static unsigned put_print(const Ps2Kbd *k, bool down, uint8_t *out)
{
    static const KeyCode sysrq = { 0x54, 0x84, 0x57 }, shift = { E0 | 0x2a, E0 | 0x12, 0 };
    unsigned n;

    if (is_down(k, KEY_LEFTALT) || is_down(k, KEY_RIGHTALT)) {
        return put_code(k, &sysrq, down, out);
    }
    if (down) {
        n = put_code(k, &shift, true, out);
        return n + put_code(k, &keys[KEY_SYSRQ], true, out + n);
    }
    n = put_code(k, &keys[KEY_SYSRQ], false, out);
    return n + put_code(k, &shift, false, out + n);
}

/* Pause has no break code: all comes with the stroke.  With Ctrl it is Break. */
static unsigned put_pause(const Ps2Kbd *k, bool down, uint8_t *out)
{
    static const KeyCode brk = { E0 | 0x46, E0 | 0x7e, 0x62 };
    unsigned n = 0;

    if (k->set == 3) {
        return put_code(k, &keys[KEY_PAUSE], down, out);
    }
    if (!down) {
        return 0;
    }
    if (is_down(k, KEY_LEFTCTRL) || is_down(k, KEY_RIGHTCTRL)) {
        n = put_code(k, &brk, true, out);
        return n + put_code(k, &brk, false, out + n);
    }
    for (unsigned i = 0; i < 2; i++) {
        out[n++] = 0xe1;
        n += put_code(k, &keys[KEY_LEFTCTRL], i == 0, out + n);
        n += put_code(k, &keys[KEY_PAUSE], i == 0, out + n);
    }
    return n;
}

static void put_key(Ps2Kbd *k, unsigned evdev, bool down)
{
    uint8_t bytes[16], overrun = k->set == 1 ? OVERRUN_SET1 : OVERRUN;
    unsigned n;

    switch (evdev) {
    case KEY_SYSRQ: n = put_print(k, down, bytes); break;
    case KEY_PAUSE: n = put_pause(k, down, bytes); break;
    default:        n = put_code(k, &keys[evdev], down, bytes); break;
    }
    /* The last place is kept for the sign that something was lost. */
    if (k->out.count + n < PS2_QUEUE) {
        ps2_put(&k->out, bytes, n);
    } else {
        ps2_put(&k->out, &overrun, 1);
    }
    k->changed(k->dev);
}

/* Typematic byte: delay 6:5, rate 4:0: period (8 + A) * 2^B / 240 s. */
static uint64_t delay_ns(const Ps2Kbd *k)
{
    return ((k->typematic >> 5 & 3) + 1) * 250 * NS_PER_MS;
}

static uint64_t period_ns(const Ps2Kbd *k)
{
    return (uint64_t)(8 + (k->typematic & 7)) * (1u << (k->typematic >> 3 & 3)) * 1000 * NS_PER_MS /
           240;
}

static void repeat_fire(void *dev)
{
    Ps2Kbd *k = dev;

    if (k->repeating && k->scanning && is_down(k, k->repeating)) {
        if (k->out.count < 16) {      /* a guest that does not keep up gets no more of them */
            put_key(k, k->repeating, true);
        }
        timer_arm(&k->repeat, time_now(k->repeat.machine, TIME_GUEST) + period_ns(k));
    }
}

void ps2kbd_key(Ps2Kbd *k, unsigned evdev, bool down)
{
    if (evdev >= PS2_KEYS || !keys[evdev].set1 || is_down(k, evdev) == down) {
        return;                       /* no such key, or the viewer's own repetition */
    }
    if (down) {
        k->down[evdev / 8] |= 1u << (evdev & 7);
    } else {
        k->down[evdev / 8] &= ~(1u << (evdev & 7));
    }
    if (!k->scanning) {
        return;
    }
    put_key(k, evdev, down);
    if (down && evdev != KEY_PAUSE) {
        k->repeating = evdev;
        timer_arm(&k->repeat, time_now(k->repeat.machine, TIME_GUEST) + delay_ns(k));
    } else if (!down && k->repeating == evdev) {
        k->repeating = 0;
        timer_stop(&k->repeat);
    }
}

/* --- commands --------------------------------------------------------------------------------- */

static void set_defaults(Ps2Kbd *k)
{
    ps2_flush(&k->out);
    k->set = 2;
    k->typematic = TYPEMATIC_DEFAULT;
    k->repeating = 0;
    timer_stop(&k->repeat);
}

static void argument(Ps2Kbd *k, uint8_t byte)
{
    uint8_t cmd = k->pending;

    k->pending = 0;
    ps2_reply(&k->out, PS2_ACK);
    switch (cmd) {
    case CMD_LEDS:
        k->leds = byte & 7;
        break;
    case CMD_TYPEMATIC:
        k->typematic = byte & 0x7f;
        break;
    case CMD_SCAN_SET:
        if (byte == 0) {
            ps2_reply(&k->out, k->set);
        } else if (byte <= 3) {
            k->set = byte;
        }
        break;
    default:                          /* key types of single keys */
        break;
    }
}

static void command(Ps2Kbd *k, uint8_t byte)
{
    switch (byte) {
    case CMD_ECHO:
        ps2_reply(&k->out, PS2_ECHO);
        return;
    case CMD_RESEND:
        ps2_reply(&k->out, k->out.last);
        return;
    case CMD_LEDS: case CMD_SCAN_SET: case CMD_TYPEMATIC: case CMD_KEY_FIRST ... CMD_KEY_LAST:
        k->pending = byte;
        break;
    case CMD_ENABLE:
        ps2_flush(&k->out);
        k->scanning = true;
        break;
    case CMD_DISABLE: case CMD_DEFAULTS:
        set_defaults(k);
        k->scanning = byte == CMD_DEFAULTS;
        break;
    case CMD_RESET:
        set_defaults(k);
        k->leds = 0;
        k->scanning = true;
        break;
    case CMD_ID: case CMD_ALL_FIRST ... CMD_ALL_LAST:
        break;
    default:
        ps2_reply(&k->out, PS2_RESEND);
        return;
    }
    ps2_reply(&k->out, PS2_ACK);
    if (byte == CMD_ID) {
        ps2_reply(&k->out, 0xab);
        ps2_reply(&k->out, 0x83);
    } else if (byte == CMD_RESET) {
        ps2_reply(&k->out, PS2_BAT_OK);
    }
}

void ps2kbd_command(Ps2Kbd *k, uint8_t byte)
{
    if (k->pending && byte < CMD_LEDS) {
        argument(k, byte);
    } else {
        k->pending = 0;               /* a new command ends one that waits */
        command(k, byte);
    }
    k->changed(k->dev);
}

void ps2kbd_reset(Ps2Kbd *k)
{
    set_defaults(k);
    k->out.last = 0;
    k->pending = k->leds = 0;
    k->scanning = true;
    for (unsigned i = 0; i < sizeof(k->down); i++) {
        k->down[i] = 0;
    }
}

void ps2kbd_init(Ps2Kbd *k, Machine *m, void (*changed)(void *dev), void *dev)
{
    k->changed = changed;
    k->dev = dev;
    k->set = 2;
    timer_init(&k->repeat, m, TIME_GUEST, repeat_fire, k);
}

const Field ps2kbd_fields[] = {
    STATE_STRUCT(Ps2Kbd, out, Ps2Queue, ps2_queue_fields),
    STATE(Ps2Kbd, pending),
    STATE(Ps2Kbd, set, .min = 1, .max = 3),
    STATE(Ps2Kbd, leds, .max = 7),
    STATE(Ps2Kbd, typematic, .max = 0x7f),
    STATE(Ps2Kbd, scanning),
    STATE_ARRAY(Ps2Kbd, down),
    STATE(Ps2Kbd, repeating, .max = PS2_KEYS - 1),
    STATE_TIMER(Ps2Kbd, repeat),
    FIELD_END
};
