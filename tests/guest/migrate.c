/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate.c -- the test guests again, taken from one machine to a new one every so many microseconds: whatever of a CPU or a
 * device is not in its table of state makes them fail.
 *
 * Usage: migrate GUEST.bin ENGINE CPUS MICROSECONDS [MODEL].  Prints "ok migrate-GUEST.ENGINE" or "not ok ...".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/options.h"
#include "core/state.h"

enum { MAX_MOVES = 40, MOVE = 77 };

static void die(const char *what, GError *err)
{
    printf("not ok migrate: %s: %s\n", what, err ? err->message : "failed");
    exit(1);
}

static bool build(Machine *m, GError **err)
{
    Device *d;
    bool ok;

    if (!region_try_ram(&m->ram, "ram", m->ram_bytes, err) ||
        !machine_set_accel(m, m->options->accel, m->options->accel_props, err)) {
        return false;
    }
    map_begin(m);
    ok = m->class->build(m, err) && (d = device_new(m, bus_find(m, "isa"), "isa-debug-exit", NULL, err)) &&
         device_set(d, "iobase", "0xf4", err) && device_set(d, "iosize", "4", err) && device_realize(d, err);
    map_commit(m);
    return ok;
}

static Machine *create(const char *bios, const char *engine, const char *cpus, const char *model, const char *log)
{
    char *accel = g_strdup_printf("dbt,engine=%s", engine), *con = g_strdup_printf("file:%s", log);
    char *argv[] = { (char *)"ryokan", (char *)"-accel", accel, (char *)"-smp", (char *)cpus, (char *)"-m", (char *)"64",
                     (char *)"-nodefaults", (char *)"-display", (char *)"none", (char *)"-no-reboot", (char *)"-bios",
                     (char *)bios, (char *)"-debugcon", con, (char *)"-cpu", (char *)model, NULL };
    Machine *m = machine_new();
    GError *err = NULL;
    bool exit_now;

    if (!options_parse(m, G_N_ELEMENTS(argv) - 1, argv, &exit_now, &err) || !build(m, &err) || !chr_open_all(m, &err) ||
        !machine_start(m, &err)) {
        die("a machine", err);
    }
    return m;
}

static gboolean slice_over(void *arg)
{
    Machine *m = arg;

    machine_stop(m);
    if (m->exit_status == 0) {          /* else the guest has just asked for its end */
        machine_exit_request(m, MOVE);
    }
    return G_SOURCE_REMOVE;
}

static int run_slice(Machine *m, int64_t us)
{
    GSource *s = g_timeout_source_new(0);
    int status;

    g_source_set_callback(s, slice_over, m, NULL);
    g_source_set_ready_time(s, g_get_monotonic_time() + us);
    g_source_attach(s, m->context);
    machine_cont(m);
    status = machine_run(m);
    g_source_destroy(s);
    g_source_unref(s);
    machine_stop(m);
    return status;
}

static void append(GString *out, const char *log)
{
    char *text;
    gsize n;

    if (g_file_get_contents(log, &text, &n, NULL)) {
        g_string_append_len(out, text, (gssize)n);
        g_free(text);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        return 2;
    }
    char *name = g_path_get_basename(argv[1]), *log = g_strdup_printf("%s.%s.log", argv[1], argv[2]);
    char *next_log = g_strdup_printf("%s.%s.next.log", argv[1], argv[2]), *swap;
    const char *model = argc > 5 ? argv[5] : "ryokan64";
    GString *out = g_string_new(NULL);
    Machine *m = create(argv[1], argv[2], argv[3], model, log), *n;
    int moves = 0, status;

    while ((status = run_slice(m, moves < MAX_MOVES ? atoi(argv[4]) : 60000000)) == MOVE && moves++ < MAX_MOVES) {
        GByteArray *state = machine_save(m);
        struct Options *o = m->options;
        GError *err = NULL;
        n = create(argv[1], argv[2], argv[3], model, next_log);
        memcpy(n->ram.host, m->ram.host, m->ram.size);
        machine_free(m);                /* writes out what it still has */
        options_free(o);
        append(out, log);
        swap = log;
        log = next_log;
        next_log = swap;
        machine_lock(n);
        if (!machine_load(n, g_bytes_new_static(state->data, state->len), &err)) {
            die(name, err);
        }
        machine_unlock(n);
        m = n;
    }
    machine_free(m);
    append(out, log);
    bool good = status == 1 && strstr(out->str, "passed\n") && !strstr(out->str, "not ok");
    printf("%sok migrate: %s.%s: %d moves", good ? "" : "not ", name, argv[2], moves);
    if (!good) {
        const char *bad = strstr(out->str, "not ok");
        const char *tail = bad ? bad : out->len > 80 ? out->str + out->len - 80 : out->str;
        printf(": status %d: %.80s", status, tail);
    }
    printf("\n");
    return !good;
}
