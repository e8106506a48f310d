/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate.c -- the test guests again, taken from one machine to another every so many microseconds:
 * whatever of a CPU or a device is not in its table of state makes them fail.
 *
 * Usage: migrate [-c CPUS] [-u MICROSECONDS] [-n MOVES] [-m MODEL] [-r SEED] [-s] [-k]
 *                GUEST.bin ENGINE[+ENGINE...]
 *   ENGINE: of the translator, or what -accel takes ("kvm", "tcg"); several take turns
 *   -r  after up to MICROSECONDS, at random
 *   -s  into the same machine, reset, as loadvm does; else into a new one
 *   -k  the guest is told at physical address 500H how many moves are to come, and goes on as
 *       long as there are any
 * Prints "ok migrate: GUEST.ENGINE ..." or "not ok ...".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/options.h"
#include "core/state.h"
#include "tests/args.h"
#include "tests/machine.h"

enum { MOVE = 77, LAST_SLICE_US = 120000000, MORE_AT = 0x500 };

typedef struct Plan {
    const char *bios, *engine, *cpus, *model;
    int64_t     us;
    uint64_t    seed;
    int         moves;
    bool        same, keep;
} Plan;

static void die(const char *what, GError *err)
{
    printf("not ok migrate: %s: %s\n", what, err ? err->message : "failed");
    exit(1);
}

/* turn: how many machines there were before. */
static Machine *create(const Plan *p, unsigned turn, const char *log)
{
    char **engines = g_strsplit(p->engine, "+", -1);
    const char *engine = engines[turn % g_strv_length(engines)];
    bool whole = g_str_has_prefix(engine, "kvm") || g_str_has_prefix(engine, "tcg");
    char *accel = whole ? g_strdup(engine) : g_strdup_printf("dbt,engine=%s", engine);
    char *con = g_strdup_printf("file:%s", log);
    const char *argv[] = {
        "ryokan", "-accel", accel, "-smp", p->cpus, "-cpu", p->model, "-m", "64", "-nodefaults",
        "-display", "none", "-no-reboot", "-bios", p->bios, "-debugcon", con,
        "-device", "isa-debug-exit,iobase=0xf4,iosize=4", NULL,
    };
    Machine *m = machine_new();
    GError *err = NULL;

    if (!machine_from(m, argv, &err) || !chr_open_all(m, &err) || !machine_start(m, &err)) {
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

static int run_slice(Machine *m, const Plan *p, GRand *random, int to_come)
{
    GSource *s = g_timeout_source_new(0);
    int64_t us = to_come ? p->us : LAST_SLICE_US;
    int status;

    if (p->seed && to_come) {
        us = (int64_t)(g_rand_double(random) * (double)us);
    }
    if (p->keep) {
        memcpy(m->ram.host + MORE_AT, &to_come, sizeof to_come);
    }
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

static void load(Machine *m, GByteArray *state)
{
    GBytes *bytes = g_byte_array_free_to_bytes(state);
    GError *err = NULL;

    machine_lock(m);
    if (!machine_load(m, bytes, &err)) {
        die("machine_load", err);
    }
    machine_unlock(m);
    g_bytes_unref(bytes);
}

/* To a new machine, whose output goes to the other log. */
static Machine *move(Machine *m, unsigned turn, const Plan *p, char *log[2], GString *out)
{
    GByteArray *state = machine_save(m);
    char *used = log[0];
    Machine *n;

    if (p->same) {
        m->exit_status = 0;
        machine_lock(m);
        machine_reset(m);
        machine_unlock(m);
        load(m, state);
        return m;
    }
    n = create(p, turn, log[1]);
    memcpy(n->ram.host, m->ram.host, m->ram.size);
    machine_done(m);                    /* writes out what it still has */
    append(out, used);
    log[0] = log[1];
    log[1] = used;
    load(n, state);
    return n;
}

int main(int argc, char **argv)
{
    Plan p = { .cpus = "1", .model = "ryokan64", .us = 1000, .moves = 40 };
    const Arg args[] = {
        ARG('c', p.cpus, "CPUS"), ARG('u', p.us, "MICROSECONDS"), ARG('n', p.moves, "MOVES"),
        ARG('m', p.model, "MODEL"), ARG('r', p.seed, "SEED"), ARG('s', p.same, NULL),
        ARG('k', p.keep, NULL), ARGS_END,
    };

    if (!args_parse(argc, argv, args) || argc != optind + 2) {
        return 2;
    }
    p.bios = argv[optind];
    p.engine = argv[optind + 1];
    char *name = g_path_get_basename(p.bios);
    char *log[2] = { g_strdup_printf("%s.%s.log", p.bios, p.engine),
                     g_strdup_printf("%s.%s.next.log", p.bios, p.engine) };
    GString *out = g_string_new(NULL);
    GRand *random = g_rand_new_with_seed((guint32)p.seed);
    Machine *m = create(&p, 0, log[0]);
    int moves = 0, status;

    while ((status = run_slice(m, &p, random, p.moves - moves)) == MOVE && moves++ < p.moves) {
        m = move(m, (unsigned)moves, &p, log, out);
    }
    machine_done(m);
    append(out, log[0]);
    bool good = status == 1 && strstr(out->str, "passed\n") && !strstr(out->str, "not ok");
    printf("%sok migrate: %s.%s: %d moves", good ? "" : "not ", name, p.engine, moves);
    if (!good) {
        const char *bad = strstr(out->str, "not ok");
        const char *tail = bad ? bad : out->len > 80 ? out->str + out->len - 80 : out->str;
        printf(": seed %" PRIu64 ", status %d: %.80s", p.seed, status, tail);
    }
    printf("\n");
    g_string_free(out, TRUE);
    g_rand_free(random);
    g_free(name);
    g_free(log[0]);
    g_free(log[1]);
    return !good;
}
