/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.h -- private to hw/input: the two devices on the i8042's ports.
 *
 * Each has bytes on their way to the host in two queues: replies to commands go before what the
 * user did.
 *
 * Threads: with the machine lock.
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H
#include "core/clock.h"
#include "core/device.h"

enum { PS2_QUEUE = 256, PS2_REPLIES = 16, PS2_KEYS = 128 };
enum { PS2_ACK = 0xfa, PS2_BAT_OK = 0xaa, PS2_ERROR = 0xfc, PS2_RESEND = 0xfe, PS2_ECHO = 0xee };

typedef struct Ps2Queue {
    uint8_t  data[PS2_QUEUE];
    uint8_t  reply[PS2_REPLIES];
    uint8_t  head, reply_head, reply_count;
    uint16_t count;
    uint8_t  last;                    /* sent, for a resend */
} Ps2Queue;

typedef struct Ps2Kbd {
    Ps2Queue out;
    uint8_t  pending;                 /* a command that waits for its argument; 0: none */
    uint8_t  set;                     /* scan code set 1..3 */
    uint8_t  leds, typematic;
    bool     scanning;
    uint8_t  down[PS2_KEYS / 8];      /* by evdev code */
    uint8_t  repeating;               /* evdev code, 0: none */
    Timer    repeat;
    void   (*changed)(void *dev);     /* something to fetch */
    void    *dev;
} Ps2Kbd;

typedef struct Ps2Mouse {
    Ps2Queue out;
    uint8_t  pending;
    uint8_t  rate, resolution, id;    /* id 0 plain, 3 wheel, 4 wheel and five buttons */
    bool     reporting, remote, wrap, scaling;
    uint8_t  rates[3];                /* the last three set: the knock for the wheel */
    uint8_t  buttons, sent_buttons;
    int32_t  dx, dy, dz;              /* not yet reported */
    void   (*changed)(void *dev);
    void    *dev;
} Ps2Mouse;

/* ps2.c */
void ps2_flush(Ps2Queue *q);
bool ps2_put(Ps2Queue *q, const uint8_t *bytes, unsigned n);    /* all or nothing */
void ps2_reply(Ps2Queue *q, uint8_t byte);
bool ps2_pending(const Ps2Queue *q);
uint8_t ps2_get(Ps2Queue *q);
extern const Field ps2_queue_fields[];

/* ps2kbd.c */
void ps2kbd_init(Ps2Kbd *k, Machine *m, void (*changed)(void *dev), void *dev);
void ps2kbd_reset(Ps2Kbd *k);
void ps2kbd_command(Ps2Kbd *k, uint8_t byte);
void ps2kbd_key(Ps2Kbd *k, unsigned evdev, bool down);
uint8_t ps2_translate(uint8_t set2);  /* what an i8042 makes of a set 2 code */
extern const Field ps2kbd_fields[];

/* ps2mouse.c */
void ps2mouse_init(Ps2Mouse *p, void (*changed)(void *dev), void *dev);
void ps2mouse_reset(Ps2Mouse *p);
void ps2mouse_command(Ps2Mouse *p, uint8_t byte);
void ps2mouse_move(Ps2Mouse *p, int dx, int dy, int dz, unsigned buttons);
void ps2mouse_fetch(Ps2Mouse *p);     /* queue a packet if there is news and room */
extern const Field ps2mouse_fields[];
#endif
