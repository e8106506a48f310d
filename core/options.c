/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.c -- the command line: a word at a time, each through its entry of core/options.def.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: configuration files.
 * Threads: the main thread, before any other.
 */
#include "core/options_int.h"
#include "core/display.h"
#include "core/json.h"
#include "core/schema.h"
#include "core/version.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const Field text_args[] = { TEXT(TextArgs, value), FIELD_END };

bool file_readable(const char *option, const char *path, bool write, GError **err)
{
    if (access(path, write ? R_OK | W_OK : R_OK)) {
        return fail(err, "%s %s: cannot open it: %s", option, path, g_strerror(errno));
    }
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        return fail(err, "%s %s: is a folder, not a file", option, path);
    }
    return true;
}

/* ---- help and version ---- */

bool opt_help(Machine *m, void *args, Reply *reply, GError **err)
{
    options_print_help();
    m->options->raw->exit_now = true;
    return true;
}

bool opt_version(Machine *m, void *args, Reply *reply, GError **err)
{
    printf("Ryokan version %s\n", RYOKAN_VERSION);
    m->options->raw->exit_now = true;
    return true;
}

bool opt_schema(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->raw->exit_now = true;
    return schema_print(option_text(args)) ||
           fail(err, "-schema %s: must be json, md or man", option_text(args));
}

bool opt_accepted(Machine *m, void *args, Reply *reply, GError **err)
{
    return true;
}

#define OPT(name_, S, tab, fn, help_) \
    { .name = name_, .help = help_, .size = sizeof(S), .fields = tab, .run = fn },
const Entry options[] = {
#include "core/options.def"
    { .name = NULL }
};

/* Words of other emulators that mean something here too, one day. */
static const char *const not_yet[] = {
    "spice", "audio",
    "soundhw", "smbios", "acpitable", "icount",
    "virtfs", "fsdev", "watchdog", "tpmdev", "dtb", "pflash", "mtdblock", "sd",
    "win2k-hack", "set", "option-rom", "prom-env", "cpu-throttle",
    NULL
};

/* -device '{"driver":"e1000","id":"n"}' */
static bool run_json(const Entry *e, Machine *m, const char *text, GError **err)
{
    GError   *why = NULL;
    GVariant *v = json_parse(text, strlen(text), &why);
    bool ok = v &&
              (g_variant_is_of_type(v, G_VARIANT_TYPE_VARDICT) ||
               fail(&why, "a JSON object belongs here")) &&
              entry_run_json(e, m, v, NULL, &why);

    if (!ok) {
        fail(err, "-%s %s: %s", e->name, text, why->message);
        g_error_free(why);
    }
    g_clear_pointer(&v, g_variant_unref);
    return ok;
}

bool options_run(Machine *m, const char *word, const char *value, GError **err)
{
    const Entry *e = entry_find(options, word);
    GError      *why = NULL;

    if (!e) {
        return fail(err, "-%s: no such option; -help lists them", word);
    }

    if (value && *value == '{' && e->fields && !(e->fields->flags & F_WHOLE)) {
        return run_json(e, m, value, err);
    }
    if (!entry_run_text(e, m, value, NULL, &why)) {
        if (why && why->message[0] != '-') {
            fail(err, "-%s %s: %s", word, value ? value : "", why->message);
            g_error_free(why);
        } else {
            g_propagate_error(err, why);
        }
        return false;
    }
    return true;
}

bool options_parse(Machine *m, int argc, char **argv, bool *exit_now, GError **err)
{
    struct Options *o = m->options = g_new0(struct Options, 1);

    o->raw = g_new0(OptRaw, 1);
    o->raw->accels = g_ptr_array_new();
    o->raw->serial = g_ptr_array_new();
    o->raw->parallel = g_ptr_array_new();
    o->raw->monitor = g_ptr_array_new();
    o->raw->qmp = g_ptr_array_new();
    o->firmware_dirs = g_ptr_array_new();
    o->fw_cfg = g_ptr_array_new();
    o->drives = g_ptr_array_new();
    o->devices = g_ptr_array_new();
    o->globals = g_ptr_array_new();
    o->netdevs = g_ptr_array_new();
    o->audiodevs = g_ptr_array_new();
    o->nics = g_ptr_array_new();
    o->rtc_clock = TIME_WALL;
    o->window_close = true;
    if (viewer_ops[0] && !strcmp(viewer_ops[0]->name, "sdl") &&
        (g_getenv("DISPLAY") || g_getenv("WAYLAND_DISPLAY"))) {
        /* a window, unless -display or -nographic says otherwise */
        o->viewer = viewer_ops[0];
    }
    for (int i = 1; i < argc && !o->raw->exit_now; i++) {
        const char  *word = argv[i], *value = NULL;
        char        *split = NULL;
        const Entry *e;
        bool         ok;

        if (word[0] != '-' || !word[1]) {       /* a bare word is a disk, as with -hda */
            if (!options_run(m, "hda", word, err)) {
                return false;
            }
            continue;
        }
        word += word[1] == '-' ? 2 : 1;
        if (g_str_has_prefix(word, "schema=")) {
            value = word + 7;
            word = split = g_strdup("schema");
        }
        e = entry_find(options, word);
        if (!e) {
            return fail(err,
                        g_strv_contains(not_yet, word) ? "%s: this option is not supported yet"
                                                       : "%s: no such option; -help lists them",
                        argv[i]);
        }
        if (e->fields && !value) {
            if (++i == argc) {
                return fail(err, "-%s: needs an argument: %s", word, e->help);
            }
            value = argv[i];
        }
        ok = options_run(m, word, value, err);
        g_free(split);
        if (!ok) {
            return false;
        }
    }
    if (!o->raw->exit_now && !options_settle(m, err)) {
        return false;
    }
    *exit_now = o->raw->exit_now;       /* -cpu help is known only after the machine type is */
    return true;
}
