/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio.h -- sound out: voices of guest devices, mixed by a -audiodev and played by its back end.
 *
 * A device opens a voice and is asked for its frames as guest time passes, at the rate that it has
 * set.  So a card that feeds a voice from its DMA buffer needs no timer of its own, and moves on
 * the same whoever listens.  The mixer converts rate and format, adds the voices up and hands
 * 16-bit stereo to the back end, which takes what it has room for and never waits: a slow sound
 * card or disk of the host costs the guest nothing.
 *
 * Threads: with the machine lock.  A back end has its own thread for what may block.
 */
#ifndef CORE_AUDIO_H
#define CORE_AUDIO_H
#include "core/machine.h"

enum { AUDIO_STEREO = 2, AUDIO_CHUNK = 512 };   /* frames that are mixed at a time */
typedef enum { SAMPLE_U8, SAMPLE_S16, SAMPLE_S32 } AudioSample;    /* little-endian */
typedef struct AudioFormat {
    uint32_t rate;                    /* frames a second */
    uint32_t channels;                /* 1 or 2 */
    uint32_t sample;                  /* AudioSample */
} AudioFormat;

typedef struct AudioDev AudioDev;     /* -audiodev */
typedef struct AudioVoice AudioVoice;
/* Up to n frames of the voice's format; the number.  What is missing is silence.  May stop the
 * voice, not close it. */
typedef size_t AudioPull(void *dev, void *frames, size_t n);

/* ---- for devices; a property: CONFIG_LINK(S, audiodev, "audiodev", "audiodev") ---- */
/* Stopped; 16-bit stereo at the mixer's rate. */
AudioVoice *audio_voice_open(AudioDev *a, const char *name, AudioPull *pull, void *dev);
void audio_voice_close(AudioVoice *v);
/* Also while it runs; what a guest asks for is cut to what can be. */
void audio_voice_format(AudioVoice *v, AudioFormat f);
void audio_voice_volume(AudioVoice *v, unsigned left, unsigned right);      /* 0..256 */
void audio_voice_run(AudioVoice *v, bool on);  /* a stopped one costs nothing; also in restored() */
/* of the mixer: a voice of this rate is not converted */
uint32_t audio_rate(const AudioDev *a);

/* ---- for back ends: one file in ui/ and one line in ui/audiodevs.def ---- */
typedef struct AudioOps {
    const char  *name, *desc;         /* "-audiodev NAME" */
    size_t       size;                /* of the instance; AudioDev is its first member */
    const Field *fields;              /* AUDIO_FIELDS and its own */
    bool       (*open)(AudioDev *a, GError **err);        /* on failure nothing is left behind */
    void       (*close)(AudioDev *a);
    void       (*play)(AudioDev *a, const int16_t *stereo, size_t frames);      /* must not block */
    /* optional: for so long nothing was mixed */
    void       (*silence)(AudioDev *a, uint64_t frames);
    /* optional: further members for programs, a{sv} */
    void       (*about)(AudioDev *a, GVariantBuilder *to);
} AudioOps;

typedef struct AudioOut {
    uint32_t frequency, channels, format, buffer_us;
} AudioOut;

struct AudioDev {
    const AudioOps *ops;
    Machine   *machine;
    char      *id;
    uint32_t   period_us;             /* timer-period */
    AudioOut   out;
    GPtrArray *voices;                /* AudioVoice */
    Timer      tick;                  /* armed while a voice runs */
    /* frames since guest time 0, given to the back end or skipped */
    uint64_t   made;
    bool       started;               /* something has been played */
};
extern const AudioOps *const audio_back_ends[];       /* from ui/audiodevs.def, NULL-terminated */
extern const Field audio_out_fields[];
#define AUDIO_FIELDS(S)                                                                         \
    { .name = "timer-period", .type = T_U32, .flags = F_CONFIG,                                 \
      .offset = offsetof(S, a.period_us), .count = 1, .def = 10000, .min = 1000, .max = 500000, \
      .help = "How often voices are mixed, in us." },                                           \
    { .name = "out", .type = T_STRUCT, .flags = F_CONFIG, .offset = offsetof(S, a.out),         \
      .count = 1, .stride = sizeof(AudioOut), .aux = audio_out_fields,                          \
      .help = "out.KEY: what is played." }

/* all of -audiodev; before the devices that name them */
bool  audiodevs_open(Machine *m, GError **err);
/* One more; props: OptPair. */
AudioDev *audiodev_open(Machine *m, const AudioOps *ops, const char *id, const GPtrArray *props,
                        GError **err);
void  audiodevs_close(Machine *m);                    /* after them */
/* audio_mix.c */
void  audio_mix(AudioVoice *v, int32_t *sum, size_t frames);       /* adds stereo */
size_t audio_frame_bytes(const AudioFormat *f);
AudioFormat audio_out_format(const AudioDev *a);
/* As a->out says; the bytes: at most 8 a frame. */
size_t audio_pack(const AudioDev *a, const int16_t *stereo, size_t frames, void *out);

enum { AUDIO_TAPS = 4 };
struct AudioVoice {                   /* for audio.c and audio_mix.c */
    AudioDev   *audio;
    char       *name;
    AudioPull  *pull;
    void       *dev;
    AudioFormat f;
    bool        on;
    unsigned    volume[AUDIO_STEREO];
    uint64_t    step, phase;          /* input frames an output frame, place between two: 32.32 */
    /* the last input frames; phase: after the second */
    int16_t     tap[AUDIO_TAPS][AUDIO_STEREO];
    int16_t     in[AUDIO_CHUNK][AUDIO_STEREO];
    unsigned    n_in, at;
};
#endif
