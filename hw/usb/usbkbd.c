/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usbkbd.c -- a USB keyboard, whose report is the boot keyboard's in both protocols.
 *
 * Spec: HID 1.11, appendices B.1 and E.6; HID Usage Tables 1.12, chapter 10 (page 07) and 11 (page
 *   08).
 * Omits: keys of the consumer and system control pages.
 * Threads: with the machine lock.
 */
#include "hw/usb/hid.h"
#include <linux/input-event-codes.h>
#include <string.h>

enum { KEYS = 6, ROLLOVER = 1, FIRST_MODIFIER = 0xe0, UP = 0x100, EVDEV_MAX = 256 };

/* modifiers | reserved | six keys; out: five lamps */
static const uint8_t report_desc[] = {
    /* Generic Desktop, Keyboard, application collection */
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01,
    /* Keyboard page: modifiers, 0 to 1 */
    0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01,
    0x75, 0x01, 0x95, 0x08, 0x81, 0x02,                         /* 8 of 1 bit: variable */
    0x95, 0x01, 0x75, 0x08, 0x81, 0x01,                         /* a byte constant */
    /* LED page, 5 lamps: output */
    0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02,
    0x95, 0x01, 0x75, 0x03, 0x91, 0x01,                         /* 3 bits constant */
    0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x26, 0xff, 0x00,       /* 6 bytes, 0 to 255 */
    0x05, 0x07, 0x19, 0x00, 0x29, 0xff, 0x81, 0x00,             /* Keyboard page: array */
    0xc0,
};

static const uint8_t hid_desc[] = HID_DESCRIPTOR(report_desc);
static const UsbEndpointDesc ep = { .address = 0x81, .type = USB_EP_INTERRUPT, .max_packet = 8,
                                    .interval = 10 };
static const UsbInterfaceDesc iface = { .class = 3, .subclass = 1, .protocol = 1,
                                        .extra = hid_desc, .n_extra = sizeof(hid_desc),
                                        .n_endpoints = 1, .endpoints = &ep };
static const UsbConfigDesc config = { .attributes = 0x20, .max_power_2ma = 50, .n_interfaces = 1,
                                      .interfaces = &iface };
static const char *const strings[] = { "", "Ryokan", "Ryokan USB Keyboard", "68284", NULL };
static const UsbDesc desc = { .usb = 0x0200, .vendor = 0x0627, .product = 0x0001, .max_packet0 = 8,
                              .manufacturer = 1, .name = 2,
                              .serial = 3, .strings = strings, .config = { [USB_FULL] = &config } };

static const uint8_t usage_of[EVDEV_MAX] = {
    [KEY_A] = 0x04, [KEY_B] = 0x05, [KEY_C] = 0x06, [KEY_D] = 0x07, [KEY_E] = 0x08, [KEY_F] = 0x09,
    [KEY_G] = 0x0a, [KEY_H] = 0x0b, [KEY_I] = 0x0c, [KEY_J] = 0x0d, [KEY_K] = 0x0e, [KEY_L] = 0x0f,
    [KEY_M] = 0x10, [KEY_N] = 0x11, [KEY_O] = 0x12, [KEY_P] = 0x13, [KEY_Q] = 0x14, [KEY_R] = 0x15,
    [KEY_S] = 0x16, [KEY_T] = 0x17, [KEY_U] = 0x18, [KEY_V] = 0x19, [KEY_W] = 0x1a, [KEY_X] = 0x1b,
    [KEY_Y] = 0x1c, [KEY_Z] = 0x1d, [KEY_1] = 0x1e, [KEY_2] = 0x1f, [KEY_3] = 0x20, [KEY_4] = 0x21,
    [KEY_5] = 0x22, [KEY_6] = 0x23, [KEY_7] = 0x24, [KEY_8] = 0x25, [KEY_9] = 0x26, [KEY_0] = 0x27,
    [KEY_ENTER] = 0x28, [KEY_ESC] = 0x29, [KEY_BACKSPACE] = 0x2a, [KEY_TAB] = 0x2b,
    [KEY_SPACE] = 0x2c, [KEY_MINUS] = 0x2d, [KEY_EQUAL] = 0x2e, [KEY_LEFTBRACE] = 0x2f,
    [KEY_RIGHTBRACE] = 0x30, [KEY_BACKSLASH] = 0x31, [KEY_SEMICOLON] = 0x33,
    [KEY_APOSTROPHE] = 0x34, [KEY_GRAVE] = 0x35, [KEY_COMMA] = 0x36, [KEY_DOT] = 0x37,
    [KEY_SLASH] = 0x38, [KEY_CAPSLOCK] = 0x39, [KEY_F1] = 0x3a, [KEY_F2] = 0x3b, [KEY_F3] = 0x3c,
    [KEY_F4] = 0x3d, [KEY_F5] = 0x3e, [KEY_F6] = 0x3f, [KEY_F7] = 0x40, [KEY_F8] = 0x41,
    [KEY_F9] = 0x42, [KEY_F10] = 0x43, [KEY_F11] = 0x44, [KEY_F12] = 0x45, [KEY_SYSRQ] = 0x46,
    [KEY_SCROLLLOCK] = 0x47, [KEY_PAUSE] = 0x48, [KEY_INSERT] = 0x49, [KEY_HOME] = 0x4a,
    [KEY_PAGEUP] = 0x4b, [KEY_DELETE] = 0x4c, [KEY_END] = 0x4d, [KEY_PAGEDOWN] = 0x4e,
    [KEY_RIGHT] = 0x4f, [KEY_LEFT] = 0x50, [KEY_DOWN] = 0x51, [KEY_UP] = 0x52, [KEY_NUMLOCK] = 0x53,
    [KEY_KPSLASH] = 0x54, [KEY_KPASTERISK] = 0x55, [KEY_KPMINUS] = 0x56, [KEY_KPPLUS] = 0x57,
    [KEY_KPENTER] = 0x58, [KEY_KP1] = 0x59, [KEY_KP2] = 0x5a, [KEY_KP3] = 0x5b, [KEY_KP4] = 0x5c,
    [KEY_KP5] = 0x5d, [KEY_KP6] = 0x5e, [KEY_KP7] = 0x5f, [KEY_KP8] = 0x60, [KEY_KP9] = 0x61,
    [KEY_KP0] = 0x62, [KEY_KPDOT] = 0x63, [KEY_102ND] = 0x64, [KEY_COMPOSE] = 0x65,
    [KEY_POWER] = 0x66, [KEY_KPEQUAL] = 0x67, [KEY_F13] = 0x68, [KEY_F14] = 0x69, [KEY_F15] = 0x6a,
    [KEY_F16] = 0x6b, [KEY_F17] = 0x6c, [KEY_F18] = 0x6d, [KEY_F19] = 0x6e, [KEY_F20] = 0x6f,
    [KEY_F21] = 0x70, [KEY_F22] = 0x71, [KEY_F23] = 0x72, [KEY_F24] = 0x73, [KEY_KPCOMMA] = 0x85,
    [KEY_RO] = 0x87, [KEY_KATAKANAHIRAGANA] = 0x88, [KEY_YEN] = 0x89,
    [KEY_HENKAN] = 0x8a, [KEY_MUHENKAN] = 0x8b, [KEY_HANGEUL] = 0x90, [KEY_HANJA] = 0x91,
    [KEY_LEFTCTRL] = 0xe0, [KEY_LEFTSHIFT] = 0xe1, [KEY_LEFTALT] = 0xe2, [KEY_LEFTMETA] = 0xe3,
    [KEY_RIGHTCTRL] = 0xe4, [KEY_RIGHTSHIFT] = 0xe5, [KEY_RIGHTALT] = 0xe6, [KEY_RIGHTMETA] = 0xe7,
};

/* A keyboard whose queue is full drops keys, but never one that comes up. */
static void key(void *dev, unsigned code, bool down)
{
    Hid      *h = dev;
    unsigned  usage = code < EVDEV_MAX ? usage_of[code] : 0;
    HidEvent *e = usage ? hid_put(h) : NULL;

    if (e) {
        *e = (HidEvent){ .code = usage | (down ? 0 : UP) };
    } else if (usage && !down) {
        h->down[usage / 8] &= (uint8_t)~(1u << usage % 8);
        h->due = true;
    } else {
        return;
    }
    hid_news(h);
}

/* One event a report, so that a key that is pressed and let go between two is seen. */
static bool advance(Hid *h)
{
    HidEvent e;
    unsigned usage;

    if (!hid_take(h, &e)) {
        return false;
    }
    usage = e.code % HID_USAGES;
    if (e.code & UP) {
        h->down[usage / 8] &= (uint8_t)~(1u << usage % 8);
    } else {
        h->down[usage / 8] |= (uint8_t)(1u << usage % 8);
    }
    return true;
}

static unsigned make(Hid *h, uint8_t *out)
{
    unsigned n = 0;

    memset(out, 0, 2 + KEYS);
    out[0] = h->down[FIRST_MODIFIER / 8];
    for (unsigned u = 4; u < FIRST_MODIFIER; u++) {
        if (h->down[u / 8] >> u % 8 & 1) {
            if (n < KEYS) {
                out[2 + n] = (uint8_t)u;
            }
            n++;
        }
    }
    if (n > KEYS) {
        memset(out + 2, ROLLOVER, KEYS);
    }
    return 2 + KEYS;
}

static bool lamps(Hid *h, const uint8_t *data, unsigned n)
{
    if (n < 1) {
        return false;
    }
    h->leds = data[0] & 0x1f;
    console_set_leds(h->usb.dev.machine->console, h, (h->leds & 3u) << 1 | (h->leds >> 2 & 1u));
    return true;
}

static const InputOps input = { .key = key };
static const HidKind kind = { .input = &input, .report_desc = report_desc,
                              .n_report_desc = sizeof(report_desc), .idle = 125,
                              .report = make, .advance = advance, .output = lamps };
static const UsbOps ops = { .desc = &desc, .control = hid_control, .data = hid_data,
                            .reset = hid_reset, .configured = hid_configured };

static bool usbkbd_realize(void *dev, GError **err)
{
    hid_init(dev, &kind, &ops);
    return true;
}

const DeviceClass usbkbd_class = {
    .name = "usb-kbd",
    .desc = "USB keyboard",
    .spec = "USB HID 1.11",
    .bus = "usb",
    .size = sizeof(Hid),
    .hotplug = true,
    .fields = hid_fields,
    .realize = usbkbd_realize,
    .unrealize = hid_unrealize,
    .reset = usb_device_reset,
    .restored = hid_restored,
};
