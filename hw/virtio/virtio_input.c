/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_input.c -- virtio-keyboard-pci, virtio-mouse-pci and virtio-tablet-pci.
 *
 * While its driver runs, a device gets what the console's user types or moves; before and after,
 * whoever had it.
 *
 * Spec: VIRTIO 1.2, chapter 5.8 (input device); event codes as in Linux's input-event-codes.h.
 * Omits: multi-touch, other event devices of the host (virtio-input-host-pci), LEDs are kept and
 *        shown nowhere.
 * Threads: with the machine lock.
 *
 *     configuration   0 select   1 subsel   2 size   8 up to 128 bytes of what was selected
 *     event           0 type   2 code   4 value
 */
#include "core/display.h"
#include "hw/virtio/virtio.h"
#include <linux/input-event-codes.h>
#include <string.h>

/* 5.8.2 */
enum { SEL_NAME = 1, SEL_SERIAL = 2, SEL_IDS = 3, SEL_PROPS = 0x10, SEL_BITS = 0x11,
       SEL_ABS = 0x12 };
enum { EVENTQ = 0, STATUSQ = 1, QUEUE = 64, CONFIG_BYTES = 136, DATA_AT = 8, DATA_BYTES = 128 };
enum { ID_BUS_VIRTUAL = 6, VENDOR = 0x0627, MOST_EVENTS = 16, FIRST_KEY = KEY_ESC,
       LAST_KEY = KEY_F24, N_BUTTONS = 5 };

typedef struct InputKind {
    const char *name;
    uint32_t    class_code;           /* PCI appendix D: input devices */
    uint16_t    product;
    const InputOps *ops;
} InputKind;

typedef struct InputEvent {
    uint16_t type, code;
    uint32_t value;
} InputEvent;

typedef struct VirtioInput {
    PciDevice  pci;
    Virtio     v;
    const InputKind *kind;
    char      *serial;
    uint8_t    select, subsel;
    uint8_t    buttons;
    uint32_t   x, y;
    uint8_t    leds;
} VirtioInput;

/* ---- events: a group with its SYN_REPORT, all or nothing ---- */
static void send(VirtioInput *s, const InputEvent *e, unsigned n)
{
    VirtChain *c[MOST_EVENTS];
    unsigned have = 0;
    while (have < n && (c[have] = virtio_pop(&s->v, EVENTQ))) {
        have++;
    }
    /* the driver is behind: the group is lost, as on a wire that is pulled */
    if (have < n) {
        while (have) {
            virtio_unpop(&s->v, EVENTQ, c[--have]);
        }
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        InputEvent le = { GUINT16_TO_LE(e[i].type), GUINT16_TO_LE(e[i].code),
                          GUINT32_TO_LE(e[i].value) };
        size_t done = virtio_write(&s->v, c[i], 0, &le, sizeof(le));
        virtio_push(&s->v, EVENTQ, c[i], (uint32_t)done);
    }
    virtio_notify(&s->v, EVENTQ);
}

static void key(void *dev, unsigned code, bool down)
{
    InputEvent e[] = { { EV_KEY, (uint16_t)code, down }, { EV_SYN, SYN_REPORT, 0 } };
    if (code >= FIRST_KEY && code <= LAST_KEY) {
        send(dev, e, G_N_ELEMENTS(e));
    }
}

/* Button n of the console is BTN_LEFT + n: left, right, middle, side, extra. */
static unsigned add_buttons(VirtioInput *s, InputEvent *e, int dz, unsigned buttons)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_BUTTONS; i++) {
        if ((buttons ^ s->buttons) >> i & 1) {
            e[n++] = (InputEvent){ EV_KEY, (uint16_t)(BTN_LEFT + i), buttons >> i & 1 };
        }
    }
    s->buttons = buttons & ((1u << N_BUTTONS) - 1);
    if (dz) {
        e[n++] = (InputEvent){ EV_REL, REL_WHEEL, (uint32_t)-dz };
    }
    return n;
}

static void finish(VirtioInput *s, InputEvent *e, unsigned n)
{
    if (n) {
        e[n++] = (InputEvent){ EV_SYN, SYN_REPORT, 0 };
        send(s, e, n);
    }
}

static void relative(void *dev, int dx, int dy, int dz, unsigned buttons)
{
    InputEvent e[MOST_EVENTS];
    unsigned n = 0;
    if (dx) {
        e[n++] = (InputEvent){ EV_REL, REL_X, (uint32_t)dx };
    }
    if (dy) {
        e[n++] = (InputEvent){ EV_REL, REL_Y, (uint32_t)dy };
    }
    n += add_buttons(dev, e + n, dz, buttons);
    finish(dev, e, n);
}

static void absolute(void *dev, unsigned x, unsigned y, int dz, unsigned buttons)
{
    VirtioInput *s = dev;
    InputEvent e[MOST_EVENTS];
    unsigned n = 0;
    if (x != s->x) {
        e[n++] = (InputEvent){ EV_ABS, ABS_X, x };
    }
    if (y != s->y) {
        e[n++] = (InputEvent){ EV_ABS, ABS_Y, y };
    }
    s->x = x;
    s->y = y;
    n += add_buttons(s, e + n, dz, buttons);
    finish(s, e, n);
}

static const InputOps keyboard_ops = { .key = key };
static const InputOps mouse_ops = { .pointer = relative };
static const InputOps tablet_ops = { .absolute = absolute };
static const InputKind keyboard = { "Ryokan Virtio Keyboard", 0x090000, 1, &keyboard_ops };
static const InputKind mouse = { "Ryokan Virtio Mouse", 0x090200, 2, &mouse_ops };
static const InputKind tablet = { "Ryokan Virtio Tablet", 0x098000, 3, &tablet_ops };

/* ---- configuration: what it is and what it can send ---- */
static void bit(uint8_t *bits, unsigned n, uint8_t *size)
{
    bits[n / 8] |= (uint8_t)(1 << n % 8);
    *size = (uint8_t)MAX(*size, n / 8 + 1);
}

static uint8_t event_bits(const VirtioInput *s, uint8_t *bits)
{
    uint8_t size = 0;
    if (s->kind == &keyboard) {
        switch (s->subsel) {
        case EV_KEY:
            for (unsigned i = FIRST_KEY; i <= LAST_KEY; i++) {
                bit(bits, i, &size);
            }
            break;
        case EV_REP: return 1;        /* it may repeat: the guest does that */
        case EV_LED:
            bit(bits, LED_NUML, &size);
            bit(bits, LED_CAPSL, &size);
            bit(bits, LED_SCROLLL, &size);
            break;
        }
        return size;
    }
    if (s->subsel == EV_KEY) {
        for (unsigned i = 0; i < N_BUTTONS; i++) {
            bit(bits, BTN_LEFT + i, &size);
        }
    } else if (s->subsel == EV_REL) {
        bit(bits, REL_WHEEL, &size);
        if (s->kind == &mouse) {
            bit(bits, REL_X, &size);
            bit(bits, REL_Y, &size);
        }
    } else if (s->subsel == EV_ABS && s->kind == &tablet) {
        bit(bits, ABS_X, &size);
        bit(bits, ABS_Y, &size);
    }
    return size;
}

static uint8_t text(uint8_t *to, const char *from)
{
    size_t n = from ? MIN(strlen(from), DATA_BYTES) : 0;
    memcpy(to, from ? from : "", n);
    return (uint8_t)n;
}

static uint8_t words(uint8_t *to, const uint32_t *w, unsigned n, unsigned bytes)
{
    for (unsigned i = 0; i < n * bytes; i++) {
        to[i] = (uint8_t)(w[i / bytes] >> (8 * (i % bytes)));
    }
    return (uint8_t)(n * bytes);
}

static uint8_t selected(const VirtioInput *s, uint8_t *to)
{
    const uint32_t ids[] = { ID_BUS_VIRTUAL, VENDOR, s->kind->product, 1 };
    /* min, max, fuzz, flat, resolution */
    const uint32_t range[] = { 0, POINTER_MAX, 0, 0, 0 };
    switch (s->select) {
    case SEL_NAME:   return s->subsel ? 0 : text(to, s->kind->name);
    case SEL_SERIAL: return s->subsel ? 0 : text(to, s->serial);
    case SEL_IDS:    return s->subsel ? 0 : words(to, ids, G_N_ELEMENTS(ids), 2);
    case SEL_BITS:   return event_bits(s, to);
    case SEL_ABS:    return s->kind == &tablet && s->subsel <= ABS_Y ?
        words(to, range, G_N_ELEMENTS(range), 4) : 0;
    default:         return 0;
    }
}

static void config(void *dev, uint8_t *image)
{
    VirtioInput *s = dev;
    image[0] = s->select;
    image[1] = s->subsel;
    image[2] = selected(s, image + DATA_AT);
}

static void config_write(void *dev, unsigned at, uint8_t val)
{
    VirtioInput *s = dev;
    if (at == 0) {
        s->select = val;
    } else if (at == 1) {
        s->subsel = val;
    }
}

/* ---- queues ---- */
static void take_status(VirtioInput *s, const VirtChain *c)
{
    InputEvent e;
    if (virtio_read(&s->v, c, 0, &e, sizeof(e)) == sizeof(e) && GUINT16_FROM_LE(e.type) == EV_LED &&
        GUINT16_FROM_LE(e.code) < 8) {
        uint8_t led = (uint8_t)(1 << GUINT16_FROM_LE(e.code));
        s->leds = e.value ? s->leds | led : s->leds & (uint8_t)~led;
        if (s->pci.dev.machine->console) {
            /* scroll is bit 2 here, 0 there */
            console_set_leds(s->pci.dev.machine->console, s,
                             (s->leds & 3u) << 1 | (s->leds >> 2 & 1u));
        }
    }
}

static void queue(void *dev, unsigned n)
{
    VirtioInput *s = dev;
    VirtChain *c = NULL;
    unsigned i;
    if (n != STATUSQ) {
        return;                       /* buffers for events: they wait until there are some */
    }
    for (i = 0; i < QUEUE && (c = virtio_pop(&s->v, n)); i++) {
        take_status(s, c);
        virtio_push(&s->v, n, c, 0);
    }
    if (i == QUEUE) {
        virtio_again(&s->v, n);
    }
    virtio_notify(&s->v, n);
}

static void status(void *dev, bool running)
{
    VirtioInput *s = dev;
    Console *con = s->pci.dev.machine->console;
    if (con) {
        console_input(con, running ? s->kind->ops : NULL, s);
    }
}

static void driver_reset(void *dev)
{
    VirtioInput *s = dev;
    s->select = s->subsel = s->buttons = s->leds = 0;
    s->x = s->y = 0;
}

static const VirtioOps input_ops = {
    .id = VIRTIO_ID_INPUT, .config_bytes = CONFIG_BYTES, .config = config,
        .config_write = config_write, .queue = queue,
    .status = status, .reset = driver_reset,
};

/* ---- life ---- */
static bool input_realize(void *dev, const InputKind *kind)
{
    static const uint16_t sizes[] = { QUEUE, QUEUE, 0 };
    VirtioInput *s = dev;
    s->kind = kind;
    pci_init(&s->pci, &(PciIdent){ .vendor = VIRTIO_PCI_VENDOR,
                                   .device = VIRTIO_PCI_DEVICE + VIRTIO_ID_INPUT, .revision = 1,
                                   .class_code = kind->class_code, .pin = 1,
                                       .subsystem_vendor = VIRTIO_PCI_VENDOR,
                                   .subsystem = VIRTIO_PCI_SUBSYSTEM }, virtio_regs);
    virtio_init(&s->v, &s->pci, &input_ops, sizes, 4, 1);
    return true;
}

static bool keyboard_realize(void *dev, GError **err)
{
    (void)err;
    return input_realize(dev, &keyboard);
}

static bool mouse_realize(void *dev, GError **err)
{
    (void)err;
    return input_realize(dev, &mouse);
}

static bool tablet_realize(void *dev, GError **err)
{
    (void)err;
    return input_realize(dev, &tablet);
}

static void input_unrealize(void *dev)
{
    status(dev, false);
    virtio_free(&((VirtioInput *)dev)->v);
    pci_unrealize(dev);
}

static void input_reset(void *dev)
{
    pci_reset(dev);
    virtio_reset(&((VirtioInput *)dev)->v);
}

static bool input_restored(void *dev, GError **err)
{
    VirtioInput *s = dev;
    if (!virtio_restored(&s->v, err) || !pci_restored(dev, err)) {
        return false;
    }
    status(s, s->v.status & VIRTIO_DRIVER_OK);
    return true;
}

static const Field virtio_input_fields[] = {
    PCI_FIELDS(VirtioInput), VIRTIO_FIELDS(VirtioInput, v),
    CONFIG(VirtioInput, serial, .help = "Serial number that the guest sees."),
    STATE(VirtioInput, select), STATE(VirtioInput, subsel), STATE(VirtioInput, buttons),
        STATE(VirtioInput, x),
    STATE(VirtioInput, y), STATE(VirtioInput, leds), FIELD_END
};

#define INPUT_CLASS(kind, text)                                                                    \
    const DeviceClass virtio_##kind##_class = {                                                    \
        .name = "virtio-" #kind "-pci", .desc = text, .spec = "VIRTIO 1.2, 5.8", .bus = "pci",     \
        .size = sizeof(VirtioInput), .hotplug = true, .fields = virtio_input_fields,               \
        .realize = kind##_realize, .unrealize = input_unrealize, .reset = input_reset,             \
        .restored = input_restored                                                                 \
    }
INPUT_CLASS(keyboard, "keyboard on virtio");
INPUT_CLASS(mouse, "mouse on virtio");
INPUT_CLASS(tablet, "tablet on virtio: absolute pointing");
