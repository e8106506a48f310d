/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * speaker.c -- the PC speaker's sound, and the mixer: rates, formats, several voices, time that
 * stands still or goes back.
 */
#include "core/audio.h"
#include "tests/dev/scripted/rig.h"
#include <math.h>
#include <string.h>

enum { RATE = 44100, MS = 1000000, KEPT = 1 << 20 };

typedef struct Ear {                  /* a back end that keeps what it is given */
    AudioDev a;
} Ear;
static int16_t  heard[KEPT][2];
static size_t   n_heard;
static uint64_t n_silence;

static bool ear_open(AudioDev *a, GError **err)
{
    return true;
}

static void ear_close(AudioDev *a)
{
}

static void ear_play(AudioDev *a, const int16_t *stereo, size_t frames)
{
    ck_assert_uint_le(n_heard + frames, KEPT);
    memcpy(heard[n_heard], stereo, frames * sizeof(heard[0]));
    n_heard += frames;
}

static void ear_silence(AudioDev *a, uint64_t frames)
{
    n_silence += frames;
}

static const Field ear_fields[] = { AUDIO_FIELDS(Ear), FIELD_END };
static const AudioOps ear_ops = { .name = "ear", .desc = "", .size = sizeof(Ear),
                                  .fields = ear_fields, .open = ear_open,
                                  .close = ear_close, .play = ear_play, .silence = ear_silence };
static AudioDev *ear;

static void up(void)
{
    rig_up();
    n_heard = n_silence = 0;
    ck_assert(audiodevs_open(rig.m, NULL));
    ear = audiodev_open(rig.m, &ear_ops, "a", NULL, NULL);
    map_begin(rig.m);
    rig.isa = isa_bus_new(rig.m, "isa.0", NULL, &rig.m->io, &rig.m->memory);
    rig.pit = pit_create(rig.m, rig.isa, NULL);
    rig.spk = pcspk_create(rig.m, rig.isa, rig.pit, "a", NULL);
    map_commit(rig.m);
    ck_assert(rig.spk);
    rig_reset();
}

static void count(unsigned n)
{
    outb(0x42, n & 0xff);
    outb(0x42, n >> 8);
}

/* Times that the sound goes through zero upwards from frame `from` on; its peak. */
static unsigned ups(size_t from, int *peak)
{
    unsigned n = 0;

    *peak = 0;
    for (size_t i = from + 1; i < n_heard; i++) {
        n += heard[i - 1][0] < 0 && heard[i][0] >= 0;
        *peak = MAX(*peak, abs(heard[i][0]));
    }
    return n;
}

START_TEST(tone)
{
    int peak;

    outb(0x43, 0xb6);
    count(2712);                                /* 440 Hz */
    rig_run_ns(100 * MS);
    ck_assert_uint_eq(n_heard, 0);              /* the gate is closed */
    outb(0x61, 3);
    rig_run_ns(1000 * (uint64_t)MS);
    ck_assert_uint_ge(n_heard, RATE - RATE / 50);
    ck_assert_int_le(abs((int)ups(0, &peak) - (int)(440 * n_heard / RATE)), 2);
    ck_assert_int_gt(peak, 4000);
    ck_assert_int_lt(peak, 12000);
    size_t from = n_heard;
    count(1193);                                /* takes over by itself */
    rig_run_ns(500 * (uint64_t)MS);
    ck_assert_int_le(abs((int)ups(from, &peak) - 500), 3);
    outb(0x61, 0);
    rig_run_ns(300 * MS);
    from = n_heard;
    ck_assert_int_eq(heard[n_heard - 1][0], 0);
    rig_run_ns(2000 * (uint64_t)MS);
    ck_assert_uint_eq(n_heard, from);           /* silence costs nothing, */
    outb(0x61, 3);
    rig_run_ns(20 * MS);
    ck_assert_uint_gt(n_silence, 2 * RATE);     /* but is as long as it was */
    rig_round_trip();
    rig_run_ns(100 * MS);
    ups(n_heard - RATE / 20, &peak);
    ck_assert_int_gt(peak, 3000);
}
END_TEST

/* A program that moves the bit itself: 250 Hz; then the other way, the gate low and OUT high. */
START_TEST(bits)
{
    int peak;

    outb(0x43, 0xb6);
    for (unsigned i = 0; i < 500; i++) {
        outb(0x61, i & 1 ? 2 : 0);
        rig_run_ns(2 * MS);
    }
    ck_assert_int_le(abs((int)ups(n_heard - RATE / 2, &peak) - 125), 1);
    ck_assert_int_gt(peak, 3000);
}
END_TEST

static int mean(size_t from)
{
    int64_t sum = 0;

    for (size_t i = from; i < n_heard; i++) {
        sum += heard[i][0];
    }
    return (int)(sum / (int64_t)(n_heard - from));
}

/* Samples as pulses: mode 0, 60 us, of which it is low as long as the count says. */
static void pulses(unsigned n, unsigned low_ticks)
{
    for (unsigned i = 0; i < n; i++) {
        outb(0x42, (uint8_t)low_ticks);
        rig_run_ns(60000);
    }
}

START_TEST(pulse_width)
{
    outb(0x43, 0x90);                           /* counter 2, low byte, mode 0 */
    outb(0x61, 3);
    pulses(20000, 18);                          /* 3/4 high, until the level is the middle */
    rig_run_ns(11 * MS);                        /* until it is mixed; the level stays: high */
    size_t from = n_heard;
    pulses(1, 18);
    pulses(200, 54);                            /* 1/4 high */
    rig_run_ns(11 * MS);
    int low = 0;
    for (; n_heard > from + 53; n_heard--) {
        low = MIN(low, mean(n_heard - 53));     /* 20 pulses */
    }
    /* 3/4 of its 10000 down, from the 1000 that was left, and it fades */
    ck_assert_int_lt(low, -4500);
    ck_assert_int_gt(low, -7000);
}
END_TEST

START_TEST(ultrasound)
{
    int peak;

    outb(0x43, 0x96);                           /* low byte only */
    outb(0x42, 20);                             /* 60 kHz */
    outb(0x61, 3);
    rig_run_ns(600 * MS);
    ck_assert_int_le(abs(mean(n_heard - 400)), 20);
    size_t from = n_heard;
    outb(0x43, 0xb6);
    count(1193);
    rig_run_ns(500 * MS);
    ck_assert_int_le(abs((int)ups(from, &peak) - 500), 3);
}
END_TEST

/* ---- voices ---- */

typedef struct Sine {
    double   hz;
    AudioFormat f;
    int      loud;
    uint64_t at, asked;
    size_t   give;                    /* most frames that it has at once; 0: any */
} Sine;

static size_t sine_pull(void *dev, void *frames, size_t n)
{
    Sine    *s = dev;
    uint8_t *p = frames;

    s->asked += n;
    n = s->give ? MIN(n, s->give) : n;
    for (size_t i = 0; i < n; i++, s->at++) {
        int v = (int)lrint(s->loud * sin(2 * G_PI * s->hz * (double)s->at / s->f.rate));
        for (unsigned c = 0; c < s->f.channels; c++) {
            if (s->f.sample == SAMPLE_U8) {
                *p++ = (uint8_t)((v >> 8) + 128);
            } else if (s->f.sample == SAMPLE_S16) {
                *p++ = (uint8_t)v;
                *p++ = (uint8_t)(v >> 8);
            } else {
                *p++ = 0;
                *p++ = 0;
                *p++ = (uint8_t)v;
                *p++ = (uint8_t)(v >> 8);
            }
        }
    }
    return n;
}

/* How much of what was heard is not a sine of that frequency: 1 is all. */
static double noise(double hz, size_t from)
{
    double c = 0, s = 0, all = 0, left = 0;
    size_t n = n_heard - from;

    for (size_t i = 0; i < n; i++) {
        double t = 2 * G_PI * hz * (double)i / RATE, v = heard[from + i][0];
        c += v * cos(t) * 2 / (double)n;
        s += v * sin(t) * 2 / (double)n;
        all += v * v;
    }
    for (size_t i = 0; i < n; i++) {
        double t = 2 * G_PI * hz * (double)i / RATE,
               v = heard[from + i][0] - c * cos(t) - s * sin(t);
        left += v * v;
    }
    return all > 0 ? sqrt(left / all) : 1;
}

START_TEST(rates)
{
    static const struct {
        AudioFormat f;
        double      most;             /* noise */
    } cases[] = {
        { { 44100, 2, SAMPLE_S16 }, 0.001 }, { { 48000, 2, SAMPLE_S16 }, 0.005 },
        { { 22050, 2, SAMPLE_S16 }, 0.01 },
        { { 96000, 2, SAMPLE_S32 }, 0.005 }, { { 11025, 1, SAMPLE_S16 }, 0.05 },
        { { 8000, 1, SAMPLE_U8 }, 0.1 },
        { { 192000, 2, SAMPLE_S16 }, 0.005 }, { { 44100, 1, SAMPLE_U8 }, 0.03 },
        { { 1000, 1, SAMPLE_U8 }, 2 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Sine s = { .hz = 1000, .f = cases[i].f, .loud = 10000 };
        AudioVoice *v = audio_voice_open(ear, "sine", sine_pull, &s);
        audio_voice_format(v, s.f);
        n_heard = 0;
        audio_voice_run(v, true);
        rig_run_ns(1000 * (uint64_t)MS);
        ck_assert_uint_ge(n_heard, RATE - RATE / 50);
        /* as many as its rate says */
        ck_assert_int_le(abs((int)(s.asked - (uint64_t)n_heard * s.f.rate / RATE)),
                         2 + s.f.rate / RATE);
        ck_assert_msg(noise(1000, 100) < cases[i].most, "%u Hz: %f", s.f.rate, noise(1000, 100));
        audio_voice_close(v);
    }
}
END_TEST

START_TEST(voices)
{
    Sine a = { .hz = 500, .f = { RATE, 2, SAMPLE_S16 }, .loud = 8000 },
         b = { .hz = 530, .f = { RATE, 1, SAMPLE_S16 }, .loud = 30000 };
    AudioVoice *va = audio_voice_open(ear, "a", sine_pull, &a),
               *vb = audio_voice_open(ear, "b", sine_pull, &b);
    int peak;

    audio_voice_format(vb, b.f);
    audio_voice_run(va, true);
    rig_run_ns(105 * MS);
    ups(0, &peak);
    ck_assert_int_le(abs(peak - 8000), 10);
    size_t from = n_heard;
    audio_voice_run(vb, true);
    rig_run_ns(100 * MS);
    ups(from, &peak);
    ck_assert_int_ge(peak, 32767);              /* both; cut, not wrapped */
    for (size_t i = from + 1; i < n_heard; i++) {
        ck_assert_int_lt(abs(heard[i][0] - heard[i - 1][0]), 20000);
    }
    audio_voice_run(va, false);
    audio_voice_volume(vb, 128, 0);
    rig_run_ns(20 * MS);
    from = n_heard;
    rig_run_ns(100 * MS);
    ups(from, &peak);
    ck_assert_int_le(abs(peak - 15000), 20);
    ck_assert_int_eq(heard[n_heard - 5][1], 0);
    b.give = 7;                                 /* a device that is late is silent, and asked on */
    uint64_t asked = b.asked;
    rig_run_ns(100 * MS);
    ck_assert_uint_ge(b.asked - asked, RATE / 11);
    audio_voice_format(vb, (AudioFormat){ .rate = 0xffffffff, .channels = 77,
                                          .sample = 99 });      /* what a guest may ask for */
    rig_run_ns(50 * MS);
    audio_voice_format(vb, (AudioFormat){ 0 });
    rig_run_ns(50 * MS);
    audio_voice_close(va);
    audio_voice_close(vb);
    from = n_heard;
    rig_run_ns(100 * MS);
    ck_assert_uint_eq(n_heard, from);
}
END_TEST

Suite *suite_speaker(void)
{
    Suite *speaker_suite = suite_create("speaker");
    RIG_TEST(speaker, tone);
    RIG_TEST(speaker, bits);
    RIG_TEST(speaker, pulse_width);
    RIG_TEST(speaker, ultrasound);
    RIG_TEST(speaker, rates);
    RIG_TEST(speaker, voices);
    return speaker_suite;
}
