/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio_wav.c -- -audiodev wav: the mix to a file, from the first sound on, as long as guest time
 * was.
 *
 * A thread writes; the sizes in the header are right after each block, so that a file whose
 * emulator was killed plays, too. Silence in which nothing is mixed is a hole in the file.
 *
 * Spec: Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft, 1991), WAVE
 *   form, PCM.
 * Omits: files beyond 4 GiB: the sound ends there.
 * Threads: WavFile.file belongs to the thread, the queue to both.
 */
#include "core/audio.h"
#include "core/commands.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 44, FRAME_MOST = 8 };
#define DATA_MOST    (UINT64_C(0xffffffff) - HEADER)
#define WAITING_MOST (64u << 20)      /* bytes that a slow disk may owe */

typedef struct Block {
    uint64_t gap;                     /* bytes of silence before */
    size_t   bytes;                   /* 0, no gap: the end */
    uint8_t  data[];
} Block;

typedef struct WavFile {
    AudioDev     a;
    char        *path;
    int          file;
    uint64_t     data;                /* bytes written; of the thread */
    GAsyncQueue *queue;               /* Block */
    GThread     *thread;
    uint64_t     gap;                 /* to go before the next block */
    size_t       waiting;             /* bytes in the queue; atomic */
} WavFile;

static void put(uint8_t *p, unsigned bytes, uint64_t val)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(val >> 8 * i);
    }
}

static bool write_at(const WavFile *w, const void *data, size_t n, uint64_t at)
{
    return pwrite(w->file, data, n, (off_t)at) == (ssize_t)n;
}

/*
 *     0 "RIFF" size   8 "WAVE"   12 "fmt " 16   20 format 1 = PCM   22 channels   24 rate
 *     28 bytes a second   32 bytes a frame   34 bits   36 "data" size
 */
static bool write_header(WavFile *w)
{
    uint8_t     h[HEADER] = "RIFF....WAVEfmt ";
    AudioFormat f = audio_out_format(&w->a);
    size_t      frame = audio_frame_bytes(&f);

    put(h + 4, 4, w->data + HEADER - 8);
    put(h + 16, 4, 16);
    put(h + 20, 2, 1);
    put(h + 22, 2, f.channels);
    put(h + 24, 4, f.rate);
    put(h + 28, 4, f.rate * frame);
    put(h + 32, 2, frame);
    put(h + 34, 2, 8 * frame / f.channels);
    memcpy(h + 36, "data", 4);
    put(h + 40, 4, w->data);
    return write_at(w, h, HEADER, 0);
}

/* 8-bit silence is no zero, so its holes are filled. */
static bool write_gap(WavFile *w, uint64_t bytes)
{
    uint8_t silence[4096];

    if (w->a.out.format != SAMPLE_U8) {
        return true;
    }
    memset(silence, 0x80, sizeof(silence));
    for (uint64_t at = 0; at < bytes; at += sizeof(silence)) {
        if (!write_at(w, silence, (size_t)MIN(bytes - at, sizeof(silence)),
                      HEADER + w->data + at)) {
            return false;
        }
    }
    return true;
}

static gpointer writer(gpointer data)
{
    WavFile *w = data;
    bool     ok = true;

    for (;;) {
        Block *b = g_async_queue_pop(w->queue);
        bool   end = !b->bytes;
        if (!end && ok && w->data + b->gap + b->bytes <= DATA_MOST) {
            ok = write_gap(w, b->gap) && write_at(w, b->data, b->bytes, HEADER + w->data + b->gap);
            if (ok) {
                w->data += b->gap + b->bytes;
                ok = write_header(w);
            }
            if (!ok) {
                fprintf(stderr,
                        "ryokan: -audiodev wav: cannot write %s: %s; the sound ends there\n",
                        w->path, g_strerror(errno));
            }
        }
        __atomic_sub_fetch(&w->waiting, b->bytes, __ATOMIC_RELAXED);
        g_free(b);
        if (end) {
            return NULL;
        }
    }
}

static void send(WavFile *w, const void *data, size_t bytes)
{
    Block *b = g_malloc(sizeof(*b) + bytes);

    b->gap = w->gap;
    b->bytes = bytes;
    memcpy(b->data, data, bytes);
    w->gap = 0;
    __atomic_add_fetch(&w->waiting, bytes, __ATOMIC_RELAXED);
    g_async_queue_push(w->queue, b);
}

static void wav_silence(AudioDev *a, uint64_t frames)
{
    AudioFormat f = audio_out_format(a);

    ((WavFile *)a)->gap += frames * audio_frame_bytes(&f);
}

static void wav_play(AudioDev *a, const int16_t *stereo, size_t frames)
{
    WavFile *w = (WavFile *)a;
    uint8_t  out[AUDIO_CHUNK * FRAME_MOST];

    if (__atomic_load_n(&w->waiting, __ATOMIC_RELAXED) > WAITING_MOST) {
        wav_silence(a, frames);       /* lost, but time goes on */
        return;
    }
    send(w, out, audio_pack(a, stereo, frames, out));
}

static bool wav_open(AudioDev *a, GError **err)
{
    WavFile *w = (WavFile *)a;
    GError  *why = NULL;

    if (!w->path) {
        w->path = g_strdup("ryokan.wav");
    }
    w->file = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->file < 0) {
        return fail(err, "path=%s: cannot write it: %s", w->path, g_strerror(errno));
    }
    if (!write_header(w)) {
        fail(err, "path=%s: cannot write it: %s; it must be a file", w->path, g_strerror(errno));
        close(w->file);
        return false;
    }
    w->queue = g_async_queue_new();
    w->thread = g_thread_try_new("wav", writer, w, &why);
    if (!w->thread) {
        g_async_queue_unref(w->queue);
        close(w->file);
        g_propagate_error(err, why);
        return false;
    }
    return true;
}

static void wav_close(AudioDev *a)
{
    WavFile *w = (WavFile *)a;

    send(w, "", 0);
    g_thread_join(w->thread);
    g_async_queue_unref(w->queue);
    close(w->file);
}

static void wav_about(AudioDev *a, GVariantBuilder *to)
{
    say(to, "path", ((WavFile *)a)->path);
}

static const Field wav_fields[] = {
    AUDIO_FIELDS(WavFile),
    CONFIG(WavFile, path, .help = "The file; default ryokan.wav."),
    FIELD_END
};

const AudioOps wav_audiodev = {
    .name = "wav",
    .desc = "a WAV file",
    .size = sizeof(WavFile),
    .fields = wav_fields,
    .open = wav_open,
    .close = wav_close,
    .play = wav_play,
    .silence = wav_silence,
    .about = wav_about,
};
