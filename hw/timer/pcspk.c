/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcspk.c -- system control port 61h: gate and output of timer counter 2, speaker data, refresh
 * toggle; and what is heard of it.
 *
 * The speaker's level is counter 2's output AND bit 1.  A frame of sound is the share of its time
 * that the level was high, worked out from the counter whenever something of it is about to change:
 * so a square wave, a program that moves the bit by itself, and pulses of varying width all sound
 * as they should.
 *
 * Spec: 82371SB (PIIX3, 290550-002) 2.5.5.1, NMI status and control register.
 * Omits: the membrane's own sound; NMI sources (the status bits SERR# and IOCHK# are 0, their
 *   enable bits are kept).
 * Threads: with the machine lock.
 */
#include "core/audio.h"
#include "core/clock.h"
#include "hw/misc/isa.h"
#include "hw/timer/timer.h"

enum { SPEAKER_PORT = 0x61, SPEAKER_COUNTER = 2 };
enum { GATE2 = 0x01, SPEAKER_ON = 0x02, WRITABLE = 0x0f, REFRESH = 0x10, OUT2 = 0x20 };

#define REFRESH_NS      15085         /* one row every 15.085 us */

#define LOUD            10000         /* of 32767: from low to high */
#define KEEP_SHIFT      9 /* a constant level fades by 1/512 a frame: no speaker plays DC */
#define QUIET_DIV       5             /* after 1/5 s of it the voice stops */
enum { RING = 16384 };                /* frames: a third of a second */

typedef struct Speaker {
    Device      dev;
    void       *pit;
    uint8_t     control;
    uint32_t    iobase;
    AudioDev   *audio;                /* NULL: mute */
    AudioVoice *voice;
    /* Sound; not state.  Times are the PIT's fine ones. */
    bool        playing;
    /* worked out up to here; of the frame at hand: how long it was high */
    uint64_t    at, high;
    /* frames since guest time 0: the one at hand, the oldest in the ring */
    uint64_t    frame, first;
    uint32_t    quiet;                /* frames in which nothing moved */
    /* of the last frame, and what of it is heard, times 2^KEEP_SHIFT */
    int32_t     level, kept;
    int16_t     ring[RING];
} Speaker;

static uint64_t fine_now(const Speaker *s)
{
    return pit_fine_time(time_now(s->dev.machine, TIME_GUEST));
}

static uint64_t frame_end(const Speaker *s)
{
    return muldiv64(s->frame + 1, PIT_HZ * PIT_FINE, audio_rate(s->audio));
}

static void end_frame(Speaker *s, uint64_t duration)
{
    int32_t level = duration ? (int32_t)(s->high * LOUD / duration) : s->level;

    s->kept += (level - s->level) * (1 << KEEP_SHIFT) - (s->kept >> KEEP_SHIFT);
    s->quiet = level == s->level ? s->quiet + 1 : 0;
    s->level = level;
    s->ring[s->frame++ % RING] = (int16_t)CLAMP(s->kept >> KEEP_SHIFT, INT16_MIN, INT16_MAX);
    s->high = 0;
}

/* The sound up to now, as gate, counter and bit 1 have been since the last call. */
static void speaker_catch_up(void *dev)
{
    Speaker *s = dev;
    uint64_t now = fine_now(s), end, from;

    if (!s->playing) {
        return;
    }
    if (s->at > now || now - s->at > PIT_HZ * PIT_FINE / 4) {
        /* time went back, or nobody asked for long */
        s->at = now;
        s->frame = s->first = muldiv64(now, audio_rate(s->audio), PIT_HZ * PIT_FINE);
        s->high = 0;
    }
    while (s->at < now) {
        end = frame_end(s);
        from = s->at;
        s->at = MIN(end, now);
        s->high += s->control & SPEAKER_ON ? pit_high(s->pit, SPEAKER_COUNTER, from, s->at) : 0;
        if (s->at == end) {
            end_frame(s, end - muldiv64(s->frame, PIT_HZ * PIT_FINE, audio_rate(s->audio)));
        }
    }
    if (s->frame - s->first > RING) {
        s->first = s->frame - RING;
    }
}

static void speaker_start(Speaker *s)
{
    if (s->voice && !s->playing) {
        s->playing = true;
        s->at = fine_now(s);
        s->frame = s->first = muldiv64(s->at, audio_rate(s->audio), PIT_HZ * PIT_FINE);
        s->high = s->quiet = 0;
        s->level = s->kept = 0;
        audio_voice_run(s->voice, true);
    }
}

/* Somebody comes to the timer: a count that was too fast to hear may change. */
static void speaker_before(void *dev)
{
    Speaker *s = dev;

    speaker_catch_up(s);
    if (s->control & SPEAKER_ON) {
        speaker_start(s);
    }
}

static size_t speaker_pull(void *dev, void *frames, size_t n)
{
    Speaker *s = dev;
    int16_t *out = frames;
    size_t   i = 0;

    speaker_catch_up(s);
    for (; i < n && s->first < s->frame; i++) {
        out[i] = s->ring[s->first++ % RING];
    }
    if (s->quiet > audio_rate(s->audio) / QUIET_DIV) {
        s->playing = false;
        audio_voice_run(s->voice, false);
    }
    return i;
}

static uint64_t speaker_read(void *dev, hwaddr off, unsigned size)
{
    Speaker *s = dev;
    uint8_t val = s->control;

    if (time_now(s->dev.machine, TIME_GUEST) / REFRESH_NS & 1) {
        val |= REFRESH;
    }
    /* what it asks the counter next may let a new count take over */
    speaker_catch_up(s);
    if (s->pit && pit_get_out(s->pit, SPEAKER_COUNTER)) {
        val |= OUT2;
    }
    return val;
}

static void speaker_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Speaker *s = dev;

    speaker_catch_up(s);
    s->control = val & WRITABLE;
    if (s->pit) {
        pit_set_gate(s->pit, SPEAKER_COUNTER, val & GATE2);
        pit_set_speaker(s->pit, val & SPEAKER_ON);
    }
    if (val & SPEAKER_ON) {
        speaker_start(s);
    }
}

static const MmioOps speaker_ops = { .read = speaker_read, .write = speaker_write, .min = 1,
                                     .max = 1 };

static void speaker_reset(void *dev)
{
    speaker_write(dev, 0, 0, 1);
}

/* Where the accelerator has the port; it does not keep bits 2 and 3. */
static void speaker_refresh(void *dev)
{
    Speaker *s = dev;
    bool gate, on;

    if (s->pit && pit_speaker(s->pit, &gate, &on)) {
        s->control =
            (s->control & ~(GATE2 | SPEAKER_ON)) | (gate ? GATE2 : 0) | (on ? SPEAKER_ON : 0);
    }
}

static bool speaker_realize(void *dev, GError **err)
{
    Speaker *s = dev;

    if (s->audio) {
        s->voice = audio_voice_open(s->audio, "pcspk", speaker_pull, s);
        audio_voice_format(s->voice, (AudioFormat){ .rate = audio_rate(s->audio), .channels = 1,
                                                    .sample = SAMPLE_S16 });
    }
    return true;
}

static void speaker_unrealize(void *dev)
{
    Speaker *s = dev;

    audio_voice_close(s->voice);
    s->voice = NULL;
}

static bool speaker_restored(void *dev, GError **err)
{
    Speaker *s = dev;

    s->playing = false;
    if (s->pit) {
        pit_set_speaker(s->pit, s->control & SPEAKER_ON);
    }
    if (s->voice) {
        audio_voice_run(s->voice, false);
    }
    if (s->control & SPEAKER_ON) {
        speaker_start(s);
    }
    return true;
}

void *pcspk_create(Machine *m, Bus *isa, void *pit, const char *audiodev, GError **err)
{
    Speaker *s = device_new(m, isa, "isa-pcspk", NULL, err);

    if (!s || (audiodev && !device_set(s, "audiodev", audiodev, err)) || !device_realize(s, err)) {
        return NULL;
    }
    s->pit = pit;
    if (s->voice) {
        pit_listen(pit, speaker_before, s);
    }
    return s;
}

static const Field speaker_fields[] = {
    CONFIG(Speaker, iobase, .def = SPEAKER_PORT, .max = 0xffff, .help = "I/O port."),
    CONFIG_LINK(Speaker, audio, "audiodev", "audiodev",
                .help = "The -audiodev that plays it; without, it is mute."),
    STATE(Speaker, control, .max = WRITABLE),
    FIELD_END
};

const DeviceClass pcspk_class = {
    .name = "isa-pcspk",
    .desc = "speaker, its gate, and the refresh toggle",
    .spec = "82371SB (290550-002) 2.5.5.1",
    .bus = "isa",
    .size = sizeof(Speaker),
    .fields = speaker_fields,
    .io = &speaker_ops,
    .bank_size = 1,
    .realize = speaker_realize,
    .unrealize = speaker_unrealize,
    .restored = speaker_restored,
    .refresh = speaker_refresh,
    .reset = speaker_reset,
};
