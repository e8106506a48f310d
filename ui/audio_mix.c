/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_mix.c -- one voice's frames to the mixer's rate and 16-bit stereo; the mix to what a back
 * end plays.
 *
 * Rates are converted by cubic interpolation through four frames (Catmull-Rom), so the voice is two
 * frames behind.
 *
 * Spec: none.
 * Omits: a low-pass filter: what a fast voice has above half of a slower mixer's rate folds down.
 * Threads: with the machine lock; audio_pack() any.
 */
#include "core/audio.h"
#include <string.h>

#define ONE (UINT64_C(1) << 32)
enum { MAX_FRAME_BYTES = 8, U8_ZERO = 0x80 };

size_t audio_frame_bytes(const AudioFormat *f)
{
    static const uint8_t bytes[] = { [SAMPLE_U8] = 1, [SAMPLE_S16] = 2, [SAMPLE_S32] = 4 };

    return bytes[f->sample] * f->channels;
}

static int16_t sample(const uint8_t *p, uint32_t kind)
{
    switch (kind) {
    case SAMPLE_U8:  return (int16_t)((p[0] - U8_ZERO) * 256);
    case SAMPLE_S16: return (int16_t)(p[0] | p[1] << 8);
    default:        return (int16_t)(p[2] | p[3] << 8);
    }
}

/* As many frames as `frames` of the output need from here on, as far as they fit; what the device
 * does not have is silence. */
static void refill(AudioVoice *v, size_t frames)
{
    uint8_t  raw[AUDIO_CHUNK * MAX_FRAME_BYTES];
    uint64_t need = (v->phase + v->step * (frames - 1)) >> 32;
    size_t   bytes = audio_frame_bytes(&v->f), got;

    v->n_in = (unsigned)CLAMP(need, 1, AUDIO_CHUNK);
    v->at = 0;
    got = v->pull(v->dev, raw, v->n_in);
    memset(v->in, 0, sizeof(v->in));
    for (size_t i = 0; i < got && i < v->n_in; i++) {
        const uint8_t *p = raw + i * bytes;
        v->in[i][0] = sample(p, v->f.sample);
        v->in[i][1] = v->f.channels == 1 ? v->in[i][0] : sample(p + bytes / 2, v->f.sample);
    }
}

/* Between b and c, t in 1/65536. */
static int32_t between(int32_t a, int32_t b, int32_t c, int32_t d, int32_t t)
{
    int64_t k3 = -a + 3 * b - 3 * c + d, k2 = 2 * a - 5 * b + 4 * c - d, k1 = c - a;

    return (int32_t)(b + ((((((k3 * t) >> 16) + k2) * t >> 16) + k1) * t >> 17));
}

void audio_mix(AudioVoice *v, int32_t *sum, size_t frames)
{
    for (size_t i = 0; i < frames; i++) {
        while (v->phase >= ONE) {
            if (v->at == v->n_in) {
                refill(v, frames - i);
            }
            memmove(v->tap, v->tap + 1, sizeof(v->tap) - sizeof(v->tap[0]));
            memcpy(v->tap[AUDIO_TAPS - 1], v->in[v->at++], sizeof(v->tap[0]));
            v->phase -= ONE;
        }
        for (unsigned c = 0; c < AUDIO_STEREO; c++) {
            int32_t s = between(v->tap[0][c], v->tap[1][c], v->tap[2][c], v->tap[3][c],
                                (int32_t)(v->phase >> 16));
            sum[i * AUDIO_STEREO + c] += s * (int32_t)v->volume[c] / 256;
        }
        v->phase += v->step;
    }
}

AudioFormat audio_out_format(const AudioDev *a)
{
    return (AudioFormat){ .rate = a->out.frequency, .channels = a->out.channels,
                          .sample = a->out.format };
}

size_t audio_pack(const AudioDev *a, const int16_t *stereo, size_t frames, void *out)
{
    uint8_t *p = out;

    for (size_t i = 0; i < frames; i++, stereo += AUDIO_STEREO) {
        for (unsigned c = 0; c < a->out.channels; c++) {
            int16_t s = a->out.channels == 1 ? (int16_t)((stereo[0] + stereo[1]) / 2) : stereo[c];
            if (a->out.format == SAMPLE_U8) {
                *p++ = (uint8_t)((s >> 8) + U8_ZERO);
                continue;
            }
            if (a->out.format == SAMPLE_S32) {
                *p++ = 0;
                *p++ = 0;
            }
            *p++ = (uint8_t)s;
            *p++ = (uint8_t)(s >> 8);
        }
    }
    return (size_t)(p - (uint8_t *)out);
}
