/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2mouse.c -- a PS/2 mouse with wheel and five buttons (IntelliMouse, IntelliMouse Explorer).
 *
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "auxiliary device"; Microsoft,
 *   IntelliMouse PS/2 protocol.
 * Omits: the sample rate does not slow reports; resolution and 2:1 scaling are kept and do not
 *   change distances.
 * Threads: with the machine lock.
 */
#include "hw/input/ps2.h"
#include "hw/input/input.h"

enum {                                /* commands */
    CMD_SCALE_1 = 0xe6, CMD_SCALE_2 = 0xe7, CMD_RESOLUTION = 0xe8, CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea, CMD_READ = 0xeb,
    CMD_UNWRAP = 0xec, CMD_WRAP = 0xee, CMD_REMOTE = 0xf0, CMD_ID = 0xf2, CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5, CMD_DEFAULTS = 0xf6, CMD_RESEND = 0xfe, CMD_RESET = 0xff,
};
enum { ID_PLAIN = 0, ID_WHEEL = 3, ID_FIVE = 4 };
enum { DEFAULT_RATE = 100, DEFAULT_RESOLUTION = 2, MAX_QUEUED = 12, MAX_PENDING = 1 << 16 };

/* First byte of a packet: Y sign 5, X sign 4, always 1 3, middle 2, right 1, left 0. */
static unsigned make_packet(Ps2Mouse *p, uint8_t *out)
{
    int dx = CLAMP(p->dx, -255, 255), dy = CLAMP(p->dy, -255, 255), dz = 0;
    unsigned n = 3;

    out[0] = 0x08 | (dy < 0 ? 0x20 : 0) | (dx < 0 ? 0x10 : 0) | (p->buttons & 7);
    out[1] = dx & 0xff;
    out[2] = dy & 0xff;
    if (p->id == ID_WHEEL) {
        dz = CLAMP(p->dz, -128, 127);
        out[n++] = dz & 0xff;
    } else if (p->id == ID_FIVE) {
        dz = CLAMP(p->dz, -8, 7);
        out[n++] = (dz & 0x0f) | (p->buttons & (POINTER_SIDE | POINTER_EXTRA)) << 1;
    } else {
        p->dz = 0;
    }
    p->dx -= dx;
    p->dy -= dy;
    p->dz -= dz;
    p->sent_buttons = p->buttons;
    return n;
}

static bool has_news(const Ps2Mouse *p)
{
    return p->dx || p->dy || p->dz || p->buttons != p->sent_buttons;
}

void ps2mouse_fetch(Ps2Mouse *p)
{
    uint8_t packet[4];

    while (p->reporting && !p->remote && !p->wrap && has_news(p) && p->out.count < MAX_QUEUED) {
        ps2_put(&p->out, packet, make_packet(p, packet));
    }
}

void ps2mouse_move(Ps2Mouse *p, int dx, int dy, int dz, unsigned buttons)
{
    p->dx = CLAMP((int64_t)p->dx + dx, -MAX_PENDING, MAX_PENDING);
    /* the mouse counts up as away */
    p->dy = CLAMP((int64_t)p->dy - dy, -MAX_PENDING, MAX_PENDING);
    p->dz = CLAMP((int64_t)p->dz + dz, -MAX_PENDING, MAX_PENDING);
    p->buttons = buttons & 0x1f;
    ps2mouse_fetch(p);
    p->changed(p->dev);
}

static void set_defaults(Ps2Mouse *p)
{
    p->rate = DEFAULT_RATE;
    p->resolution = DEFAULT_RESOLUTION;
    p->scaling = p->reporting = p->remote = p->wrap = false;
    p->dx = p->dy = p->dz = 0;
    p->sent_buttons = p->buttons;
}

/* Rates 200, 100, 80 ask for the wheel; 200, 200, 80 for the buttons as well. */
static void set_rate(Ps2Mouse *p, uint8_t rate)
{
    p->rate = rate;
    p->rates[0] = p->rates[1];
    p->rates[1] = p->rates[2];
    p->rates[2] = rate;
    if (p->rates[0] == 200 && p->rates[1] == 100 && rate == 80) {
        p->id = ID_WHEEL;
    } else if (p->rates[0] == 200 && p->rates[1] == 200 && rate == 80 && p->id == ID_WHEEL) {
        p->id = ID_FIVE;
    }
}

static void send_status(Ps2Mouse *p)
{
    ps2_reply(&p->out, (p->remote ? 0x40 : 0) | (p->reporting ? 0x20 : 0) |
                           (p->scaling ? 0x10 : 0) | (p->buttons & POINTER_LEFT ? 4 : 0) |
                           (p->buttons & POINTER_MIDDLE ? 2 : 0) |
                           (p->buttons & POINTER_RIGHT ? 1 : 0));
    ps2_reply(&p->out, p->resolution);
    ps2_reply(&p->out, p->rate);
}

static void send_reading(Ps2Mouse *p)
{
    uint8_t packet[4];
    unsigned n = make_packet(p, packet);

    for (unsigned i = 0; i < n; i++) {
        ps2_reply(&p->out, packet[i]);
    }
}

/* The part of a command before its acknowledgement; false: it is unknown. */
static bool act(Ps2Mouse *p, uint8_t byte)
{
    switch (byte) {
    case CMD_SCALE_1: case CMD_SCALE_2:
        p->scaling = byte == CMD_SCALE_2;
        break;
    case CMD_STREAM: case CMD_REMOTE:
        p->remote = byte == CMD_REMOTE;
        break;
    case CMD_WRAP: case CMD_UNWRAP:
        p->wrap = byte == CMD_WRAP;
        break;
    case CMD_RESOLUTION: case CMD_RATE:
        p->pending = byte;
        break;
    case CMD_ENABLE: case CMD_DISABLE:
        ps2_flush(&p->out);
        p->reporting = byte == CMD_ENABLE;
        break;
    case CMD_RESET:
        p->id = ID_PLAIN;
        p->rates[0] = p->rates[1] = p->rates[2] = 0;
        /* fall through */
    case CMD_DEFAULTS:
        ps2_flush(&p->out);
        set_defaults(p);
        break;
    case CMD_STATUS: case CMD_READ: case CMD_ID: case CMD_RESEND:
        break;
    default:
        return false;
    }
    return true;
}

static void command(Ps2Mouse *p, uint8_t byte)
{
    if (p->wrap && byte != CMD_UNWRAP && byte != CMD_RESET) {
        ps2_reply(&p->out, byte);     /* echoes everything */
        return;
    }
    if (byte == CMD_RESEND) {
        ps2_reply(&p->out, p->out.last);
        return;
    }
    if (!act(p, byte)) {
        ps2_reply(&p->out, PS2_RESEND);
        return;
    }
    ps2_reply(&p->out, PS2_ACK);
    switch (byte) {
    case CMD_STATUS: send_status(p); break;
    case CMD_READ:   send_reading(p); break;
    case CMD_ID:     ps2_reply(&p->out, p->id); break;
    case CMD_RESET:  ps2_reply(&p->out, PS2_BAT_OK); ps2_reply(&p->out, ID_PLAIN); break;
    default:         break;
    }
}

void ps2mouse_command(Ps2Mouse *p, uint8_t byte)
{
    uint8_t pending = p->pending;

    p->pending = 0;
    if (pending == CMD_RATE) {
        set_rate(p, byte);
        ps2_reply(&p->out, PS2_ACK);
    } else if (pending == CMD_RESOLUTION) {
        p->resolution = byte & 3;
        ps2_reply(&p->out, PS2_ACK);
    } else {
        command(p, byte);
    }
    p->changed(p->dev);
}

void ps2mouse_reset(Ps2Mouse *p)
{
    ps2_flush(&p->out);
    p->out.last = 0;
    p->pending = p->id = 0;
    p->rates[0] = p->rates[1] = p->rates[2] = 0;
    set_defaults(p);
}

void ps2mouse_init(Ps2Mouse *p, void (*changed)(void *dev), void *dev)
{
    p->changed = changed;
    p->dev = dev;
}

const Field ps2mouse_fields[] = {
    STATE_STRUCT(Ps2Mouse, out, Ps2Queue, ps2_queue_fields),
    STATE(Ps2Mouse, pending),
    STATE(Ps2Mouse, rate),
    STATE(Ps2Mouse, resolution, .max = 3),
    STATE(Ps2Mouse, id, .max = ID_FIVE),
    STATE(Ps2Mouse, reporting),
    STATE(Ps2Mouse, remote),
    STATE(Ps2Mouse, wrap),
    STATE(Ps2Mouse, scaling),
    STATE_ARRAY(Ps2Mouse, rates),
    STATE(Ps2Mouse, buttons, .max = 0x1f),
    STATE(Ps2Mouse, sent_buttons, .max = 0x1f),
    STATE(Ps2Mouse, dx),
    STATE(Ps2Mouse, dy),
    STATE(Ps2Mouse, dz),
    FIELD_END
};
