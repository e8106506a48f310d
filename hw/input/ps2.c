/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.c -- the byte queues of PS/2 devices.
 *
 * Spec: IBM PS/2 Hardware Interface Technical Reference, keyboard and auxiliary device.
 * Omits: -
 * Threads: with the machine lock.
 *
 * Indices are reduced when used, so that no loaded state can lead outside.
 */
#include "hw/input/ps2.h"
#include <string.h>

void ps2_flush(Ps2Queue *q)
{
    memset(q, 0, offsetof(Ps2Queue, last));
}

bool ps2_put(Ps2Queue *q, const uint8_t *bytes, unsigned n)
{
    if (q->count + n > PS2_QUEUE) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        q->data[(q->head + q->count++) % PS2_QUEUE] = bytes[i];
    }
    return true;
}

/* A host that sends commands and never reads loses replies. */
void ps2_reply(Ps2Queue *q, uint8_t byte)
{
    if (q->reply_count < PS2_REPLIES) {
        q->reply[(q->reply_head + q->reply_count++) % PS2_REPLIES] = byte;
    }
}

bool ps2_pending(const Ps2Queue *q)
{
    return q->reply_count || q->count;
}

uint8_t ps2_get(Ps2Queue *q)
{
    if (q->reply_count) {
        q->last = q->reply[q->reply_head % PS2_REPLIES];
        q->reply_head = (q->reply_head + 1) % PS2_REPLIES;
        q->reply_count--;
    } else if (q->count) {
        q->last = q->data[q->head % PS2_QUEUE];
        q->head = (q->head + 1) % PS2_QUEUE;
        q->count--;
    }
    return q->last;
}

const Field ps2_queue_fields[] = {
    STATE_ARRAY(Ps2Queue, data),
    STATE_ARRAY(Ps2Queue, reply),
    STATE(Ps2Queue, head),
    STATE(Ps2Queue, count, .max = PS2_QUEUE),
    STATE(Ps2Queue, reply_head, .max = PS2_REPLIES - 1),
    STATE(Ps2Queue, reply_count, .max = PS2_REPLIES),
    STATE(Ps2Queue, last),
    FIELD_END
};
