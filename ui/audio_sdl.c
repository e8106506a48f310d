/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_sdl.c -- -audiodev sdl: the mix to the host's sound card.
 *
 * SDL's thread takes frames from a ring that the mixer fills.  It begins when buffer-length is
 * there, plays silence when the ring has run dry, and drops the oldest when it is three times as
 * far behind: the two clocks are not the same.
 *
 * Spec: SDL 2, audio device management.
 * Omits: choice of the card: SDL_AUDIODRIVER and the host's own settings decide.
 * Threads: the mixer's calls with the machine lock; fill() is SDL's thread.  One writes `head`, the
 *   other `tail`.
 */
#ifdef CONFIG_SDL
#include "core/audio.h"
#include <SDL.h>
#include <dlfcn.h>
#include <string.h>

#define FUNCTIONS(X)                                                                 \
    X(GetError) X(InitSubSystem) X(QuitSubSystem) X(SetMainReady) X(OpenAudioDevice) \
    X(PauseAudioDevice)                                                              \
    X(CloseAudioDevice) X(SetHint)
#define POINTER_(name) __typeof__(SDL_##name) *name;
typedef struct SdlLib {               /* loaded when it is asked for, as ui/sdl_lib.h says */
    void *handle;
    FUNCTIONS(POINTER_)
} SdlLib;

enum { FRAME_MOST = 8, RING_BUFFERS = 8, BEHIND_BUFFERS = 3 };

typedef struct SdlAudio {
    AudioDev a;
    SdlLib   sdl;
    SDL_AudioDeviceID card;
    uint8_t *ring;
    uint64_t size;                    /* bytes: whole frames */
    uint64_t head, tail;              /* bytes written and read so far; atomic */
    uint64_t target;                  /* bytes to play behind */
    bool     playing;                 /* of SDL's thread */
} SdlAudio;

static bool load(SdlLib *l)
{
    l->handle = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!l->handle) {
        return false;
    }
#define LOAD_(name)                                                  \
    *(void **)&l->name = dlsym(l->handle, "SDL_" #name);             \
    if (!l->name) {                                                  \
        return false;                                                \
    }
    FUNCTIONS(LOAD_)
    return true;
}

static void fill(void *dev, Uint8 *out, int bytes)
{
    SdlAudio *s = dev;
    uint64_t head = __atomic_load_n(&s->head, __ATOMIC_ACQUIRE), tail = s->tail, here = head - tail;
    size_t    n = (size_t)bytes;

    memset(out, s->a.out.format == SAMPLE_U8 ? 0x80 : 0, n);
    s->playing = s->playing ? here >= n : here >= MAX(s->target, n);
    if (!s->playing) {
        return;
    }
    if (here > BEHIND_BUFFERS * MAX(s->target, n)) {
        tail = head - MAX(s->target, n);
    }
    for (size_t done = 0; done < n;) {
        size_t from = (size_t)(tail % s->size), now = (size_t)MIN(n - done, s->size - from);
        memcpy(out + done, s->ring + from, now);
        done += now;
        tail += now;
    }
    __atomic_store_n(&s->tail, tail, __ATOMIC_RELEASE);
}

/* Frames for which there is no room are lost. */
static void sdl_play(AudioDev *a, const int16_t *stereo, size_t frames)
{
    SdlAudio *s = (SdlAudio *)a;
    uint8_t   packed[AUDIO_CHUNK * FRAME_MOST];
    size_t    n = audio_pack(a, stereo, frames, packed);

    if (s->head + n - __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE) > s->size) {
        return;
    }
    for (size_t done = 0; done < n;) {
        size_t to = (size_t)((s->head + done) % s->size), now = (size_t)MIN(n - done, s->size - to);
        memcpy(s->ring + to, packed + done, now);
        done += now;
    }
    __atomic_store_n(&s->head, s->head + n, __ATOMIC_RELEASE);
}

static uint16_t card_frames(const AudioDev *a)
{
    uint64_t want = (uint64_t)a->out.frequency * a->out.buffer_us / 1000000 / 2;
    uint16_t n = 64;

    while (n * 2u <= want && n < 16384) {
        n *= 2;
    }
    return n;
}

static bool sdl_open(AudioDev *a, GError **err)
{
    static const SDL_AudioFormat kinds[] = { [SAMPLE_U8] = AUDIO_U8, [SAMPLE_S16] = AUDIO_S16LSB,
                                             [SAMPLE_S32] = AUDIO_S32LSB };
    SdlAudio     *s = (SdlAudio *)a;
    AudioFormat   f = audio_out_format(a);
    uint64_t      frame = audio_frame_bytes(&f);
    SDL_AudioSpec want = { .freq = (int)f.rate, .format = kinds[f.sample],
                           .channels = (Uint8)f.channels,
                           .samples = card_frames(a), .callback = fill, .userdata = s };

    if (!load(&s->sdl)) {
        return fail(err, "SDL is not there: %s; install libSDL2", dlerror());
    }
    s->sdl.SetMainReady();
    s->sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    if (s->sdl.InitSubSystem(SDL_INIT_AUDIO)) {
        return fail(err, "no sound card: %s; SDL_AUDIODRIVER chooses among what SDL has",
                    s->sdl.GetError());
    }
    s->target = MAX(f.rate * (uint64_t)a->out.buffer_us / 1000000 * frame, want.samples * frame);
    s->size = RING_BUFFERS * s->target + AUDIO_CHUNK * frame;
    s->ring = g_malloc0(s->size);
    s->card = s->sdl.OpenAudioDevice(NULL, 0, &want, NULL, 0);
    if (!s->card) {
        fail(err, "the sound card does not open: %s", s->sdl.GetError());
        s->sdl.QuitSubSystem(SDL_INIT_AUDIO);
        g_free(s->ring);
        return false;
    }
    s->sdl.PauseAudioDevice(s->card, 0);
    return true;
}

static void sdl_close(AudioDev *a)
{
    SdlAudio *s = (SdlAudio *)a;

    s->sdl.CloseAudioDevice(s->card);
    s->sdl.QuitSubSystem(SDL_INIT_AUDIO);
    g_free(s->ring);
}

static const Field sdl_fields[] = { AUDIO_FIELDS(SdlAudio), FIELD_END };

const AudioOps sdl_audiodev = {
    .name = "sdl",
    .desc = "the host's sound card, by SDL 2",
    .size = sizeof(SdlAudio),
    .fields = sdl_fields,
    .open = sdl_open,
    .close = sdl_close,
    .play = sdl_play,
};
#endif
