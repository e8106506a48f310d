/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcspk.c -- system control port 61h: gate and output of timer counter 2, speaker data, refresh toggle.
 *
 * Spec: 82371SB (PIIX3, 290550-002) 2.5.5.1, NMI status and control register.
 * Omits: sound; NMI sources (the status bits SERR# and IOCHK# are 0, their enable bits are kept).
 * Threads: with the machine lock.
 */
#include "core/clock.h"
#include "hw/misc/isa.h"
#include "hw/timer/timer.h"

enum { SPEAKER_PORT = 0x61, SPEAKER_COUNTER = 2 };
enum { GATE2 = 0x01, WRITABLE = 0x0f, REFRESH = 0x10, OUT2 = 0x20 };

#define REFRESH_NS      15085         /* one row every 15.085 us */

typedef struct Speaker {
    Device   dev;
    void    *pit;
    uint8_t  control;
    uint32_t iobase;
} Speaker;

static uint64_t speaker_read(void *dev, hwaddr off, unsigned size)
{
    Speaker *s = dev;
    uint8_t val = s->control;

    if (time_now(s->dev.machine, TIME_GUEST) / REFRESH_NS & 1) {
        val |= REFRESH;
    }
    if (s->pit && pit_get_out(s->pit, SPEAKER_COUNTER)) {
        val |= OUT2;
    }
    return val;
}

static void speaker_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Speaker *s = dev;

    s->control = val & WRITABLE;
    if (s->pit) {
        pit_set_gate(s->pit, SPEAKER_COUNTER, val & GATE2);
    }
}

static const MmioOps speaker_ops = { .read = speaker_read, .write = speaker_write, .min = 1, .max = 1 };

static void speaker_reset(void *dev)
{
    speaker_write(dev, 0, 0, 1);
}

void *pcspk_create(Machine *m, Bus *isa, void *pit, GError **err)
{
    Speaker *s = device_new(m, isa, "isa-pcspk", NULL, err);

    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    s->pit = pit;
    return s;
}

static const Field speaker_fields[] = {
    CONFIG(Speaker, iobase, .def = SPEAKER_PORT, .max = 0xffff, .help = "I/O port."),
    STATE(Speaker, control, .max = WRITABLE),
    FIELD_END
};

const DeviceClass pcspk_class = {
    .name = "isa-pcspk",
    .desc = "speaker gate and refresh toggle",
    .spec = "82371SB (290550-002) 2.5.5.1",
    .bus = "isa",
    .size = sizeof(Speaker),
    .fields = speaker_fields,
    .io = &speaker_ops,
    .bank_size = 1,
    .reset = speaker_reset,
};
