/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audio.c -- the audio devices of the command line: their voices, the timer that mixes them, what
 * programs ask about them.
 *
 * Spec: none; words and meanings of the options are those of the PC emulators that users know.
 * Omits: recording; in.*, out.fixed-settings, out.voices, out.mixing-engine: they are refused.
 * Threads: with the machine lock.
 */
#include "core/audio.h"
#include "core/commands.h"
#include "core/options.h"
#include <stdio.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define ONE      (UINT64_C(1) << 32)
enum { RATE_MIN = 1000, RATE_MAX = 384000, VOLUME_MAX = 256 };

#define AUDIODEV(file) extern const AudioOps file##_audiodev;
#include "ui/audiodevs.def"
#undef AUDIODEV
#define AUDIODEV(file) &file##_audiodev,
const AudioOps *const audio_back_ends[] = {
#include "ui/audiodevs.def"
    NULL
};

static const char *const formats[] = {
    [SAMPLE_U8] = "u8", [SAMPLE_S16] = "s16", [SAMPLE_S32] = "s32", NULL
};
const Field audio_out_fields[] = {
    CONFIG(AudioOut, frequency, .def = 44100, .min = 8000, .max = 192000,
           .help = "Frames a second."),
    CONFIG(AudioOut, channels, .def = AUDIO_STEREO, .min = 1, .max = AUDIO_STEREO,
           .help = "1 or 2."),
    CONFIG_ENUM(AudioOut, format, formats, .def = SAMPLE_S16, .help = "Of a sample."),
    CONFIG_AS(AudioOut, buffer_us, "buffer-length", .def = 46440, .min = 1000, .max = 1000000,
              .help = "How far the host's sound card plays behind, in us."),
    FIELD_END
};

/* ---- time ---- */

static uint64_t frames_now(const AudioDev *a)
{
    return muldiv64(time_now(a->machine, TIME_GUEST), a->out.frequency, NS_PER_S);
}

static void skip_to(AudioDev *a, uint64_t frame)
{
    if (frame > a->made && a->started && a->ops->silence) {
        a->ops->silence(a, frame - a->made);
    }
    /* earlier, too: an older state of the machine has been loaded */
    a->made = frame;
}

static void mix(AudioDev *a, size_t frames)
{
    int32_t sum[AUDIO_CHUNK * AUDIO_STEREO] = { 0 };
    int16_t out[AUDIO_CHUNK * AUDIO_STEREO];

    for (guint i = 0; i < a->voices->len; i++) {
        AudioVoice *v = a->voices->pdata[i];
        if (v->on) {
            audio_mix(v, sum, frames);
        }
    }
    for (size_t i = 0; i < frames * AUDIO_STEREO; i++) {
        out[i] = (int16_t)CLAMP(sum[i], INT16_MIN, INT16_MAX);
    }
    a->ops->play(a, out, frames);
    a->made += frames;
    a->started = true;
}

static bool any_on(const AudioDev *a)
{
    for (guint i = 0; i < a->voices->len; i++) {
        if (((const AudioVoice *)a->voices->pdata[i])->on) {
            return true;
        }
    }
    return false;
}

/* A main loop that was late makes up for a quarter of a second and leaves the rest out. */
static void tick(void *dev)
{
    AudioDev *a = dev;
    uint64_t  now = frames_now(a), most = a->out.frequency / 4;

    if (now < a->made || now - a->made > most) {
        skip_to(a, now < a->made ? now : now - most);
    }
    while (a->made < now && any_on(a)) {
        mix(a, (size_t)MIN(now - a->made, AUDIO_CHUNK));
    }
    if (any_on(a)) {
        timer_arm(&a->tick, time_now(a->machine, TIME_GUEST) + a->period_us * UINT64_C(1000));
    }
}

/* ---- voices ---- */

AudioVoice *audio_voice_open(AudioDev *a, const char *name, AudioPull *pull, void *dev)
{
    AudioVoice *v = g_new0(AudioVoice, 1);

    *v = (AudioVoice){ .audio = a, .name = g_strdup(name), .pull = pull, .dev = dev,
                       .volume = { VOLUME_MAX, VOLUME_MAX } };
    g_ptr_array_add(a->voices, v);
    audio_voice_format(v, (AudioFormat){ .rate = a->out.frequency, .channels = AUDIO_STEREO,
                                         .sample = SAMPLE_S16 });
    return v;
}

void audio_voice_close(AudioVoice *v)
{
    if (v) {
        g_ptr_array_remove(v->audio->voices, v);
        g_free(v->name);
        g_free(v);
    }
}

void audio_voice_format(AudioVoice *v, AudioFormat f)
{
    f.rate = CLAMP(f.rate, RATE_MIN, RATE_MAX);
    f.channels = CLAMP(f.channels, 1, AUDIO_STEREO);
    f.sample = MIN(f.sample, SAMPLE_S32);
    v->f = f;
    v->step = ONE * f.rate / v->audio->out.frequency;
    v->phase = ONE;
    v->n_in = v->at = 0;
    memset(v->tap, 0, sizeof(v->tap));
}

void audio_voice_volume(AudioVoice *v, unsigned left, unsigned right)
{
    v->volume[0] = MIN(left, VOLUME_MAX);
    v->volume[1] = MIN(right, VOLUME_MAX);
}

void audio_voice_run(AudioVoice *v, bool on)
{
    AudioDev *a = v->audio;

    if (on && !v->on) {
        any_on(a) ? tick(a) : skip_to(a, frames_now(a));      /* its first frame is this moment's */
    }
    v->on = on;
    if (on) {
        timer_arm(&a->tick, time_now(a->machine, TIME_GUEST) + a->period_us * UINT64_C(1000));
    }
}

uint32_t audio_rate(const AudioDev *a)
{
    return a->out.frequency;
}

/* ---- the command line ---- */

void audio_print_help(void)
{
    printf("Audio back ends:\n");
    for (const AudioOps *const *o = audio_back_ends; *o; o++) {
        printf("  %-6s %s\n", (*o)->name, (*o)->desc);
        for (const Field *f = (*o)->fields; f->name; f++) {
            printf("      %-18s %s\n", f->name, f->help);
        }
    }
    printf("out:\n");
    for (const Field *f = audio_out_fields; f->name; f++) {
        printf("      out.%-14s %s\n", f->name, f->help);
    }
}

static const AudioOps *kind(const char *name, GError **err)
{
    GString *names = g_string_new(NULL);

    for (const AudioOps *const *o = audio_back_ends; *o; o++) {
        if (!strcmp((*o)->name, name)) {
            g_string_free(names, TRUE);
            return *o;
        }
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", (*o)->name);
    }
    fail(err, "-audiodev %s: there is no such audio back end here; there are: %s", name,
         names->str);
    g_string_free(names, TRUE);
    return NULL;
}

static AudioDev *audio_find(Machine *m, const char *id)
{
    for (guint i = 0; m->audiodevs && i < m->audiodevs->len; i++) {
        AudioDev *a = m->audiodevs->pdata[i];
        if (!strcmp(a->id, id)) {
            return a;
        }
    }
    return NULL;
}

static void *find_link(Machine *m, const char *id)
{
    return audio_find(m, id);
}

static void audio_free(AudioDev *a)
{
    fields_clear(a->ops->fields, a);
    g_ptr_array_unref(a->voices);
    g_free(a->id);
    g_free(a);
}

AudioDev *audiodev_open(Machine *m, const AudioOps *ops, const char *id, const GPtrArray *props,
                        GError **err)
{
    AudioDev *a = g_malloc0(ops->size);
    bool      ok = true;

    a->ops = ops;
    a->machine = m;
    a->id = g_strdup(id);
    a->voices = g_ptr_array_new();
    timer_init(&a->tick, m, TIME_GUEST, tick, a);
    fields_defaults(ops->fields, a);
    for (guint i = 0; props && i < props->len && ok; i++) {
        const OptPair *p = props->pdata[i];
        ok = field_parse(ops->fields, a, p->key, p->val, err);
    }
    if (!ok || !fields_check(ops->fields, a, err) || !ops->open(a, err)) {
        g_prefix_error(err, "-audiodev %s,id=%s: ", ops->name, id);
        audio_free(a);
        return NULL;
    }
    g_ptr_array_add(m->audiodevs, a);
    return a;
}

static GVariant *query_audiodevs(Machine *m)
{
    GVariantBuilder list, one, out;

    list_start(&list);
    for (guint i = 0; i < m->audiodevs->len; i++) {
        AudioDev *a = m->audiodevs->pdata[i];
        object_start(&one);
        say(&one, "id", a->id);
        say(&one, "driver", a->ops->name);
        say_int(&one, "timer-period", a->period_us);
        object_start(&out);
        say_int(&out, "frequency", a->out.frequency);
        say_int(&out, "channels", a->out.channels);
        say(&out, "format", formats[a->out.format]);
        say_int(&out, "buffer-length", a->out.buffer_us);
        say_value(&one, "out", g_variant_builder_end(&out));
        if (a->ops->about) {
            a->ops->about(a, &one);
        }
        list_object(&list, &one);
    }
    return g_variant_builder_end(&list);
}

bool audiodevs_open(Machine *m, GError **err)
{
    const GPtrArray *list = m->options ? m->options->audiodevs : NULL;
    const AudioOps  *ops;

    m->audiodevs = g_ptr_array_new();
    device_link_kind(m, "audiodev", find_link);
    m->hooks.query_audiodevs = query_audiodevs;
    for (guint i = 0; list && i < list->len; i++) {
        const OptNetdev *o = list->pdata[i];
        if (!(ops = kind(o->type, err)) || !audiodev_open(m, ops, o->id, o->rest, err)) {
            return false;
        }
    }
    return true;
}

void audiodevs_close(Machine *m)
{
    for (guint i = 0; m->audiodevs && i < m->audiodevs->len; i++) {
        AudioDev *a = m->audiodevs->pdata[i];
        timer_stop(&a->tick);
        a->ops->close(a);
        audio_free(a);
    }
    g_clear_pointer(&m->audiodevs, g_ptr_array_unref);
}
