/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_none.c -- -audiodev none: guest devices play, nobody hears it.
 *
 * Spec: none.
 * Omits: nothing.
 * Threads: with the machine lock.
 */
#include "core/audio.h"

typedef struct NoneAudio {
    AudioDev a;
} NoneAudio;

static bool none_open(AudioDev *a, GError **err)
{
    return true;
}

static void none_close(AudioDev *a)
{
}

static void none_play(AudioDev *a, const int16_t *stereo, size_t frames)
{
}

static const Field none_fields[] = { AUDIO_FIELDS(NoneAudio), FIELD_END };

const AudioOps none_audiodev = {
    .name = "none",
    .desc = "silence",
    .size = sizeof(NoneAudio),
    .fields = none_fields,
    .open = none_open,
    .close = none_close,
    .play = none_play,
};
