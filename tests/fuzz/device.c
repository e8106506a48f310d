/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c -- fuzzes devices one at a time: what a driver would do, with some of it wrong, and a
 * state saved and loaded now and then.  Guest time is the rig's, so a run with the same seed and
 * number of rounds is the same run.
 *
 *     device [-d NAME] [-t SECONDS | -n ROUNDS] [-s SEED]
 *
 * It fails by crashing, by a sanitizer, or by a round that takes a minute; the last line then says
 * how to repeat it.
 */
#include "tests/args.h"
#include "tests/fuzz/device.h"
#include "core/display.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUND_LIMIT_S = 60, SAVE_EVERY = 64, NEW_EVERY = 1024 };

const DeviceFuzz device_fuzzers[] = {
    { "vga", fuzz_vga_up, fuzz_vga },       { "cirrus", fuzz_cirrus_up, fuzz_cirrus },
    { "i8042", fuzz_i8042_up, fuzz_i8042 },
    { "fdc", fuzz_fdc_up, fuzz_fdc },       { "gpu", fuzz_gpu_up, fuzz_gpu },
    { "uhci", fuzz_uhci_up, fuzz_uhci },
    { "xhci", fuzz_xhci_up, fuzz_xhci },    { NULL, NULL, NULL },
};

static uint64_t    seed;
static const char *now_device;
static unsigned    now_round, now_seed;

uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

bool one_in(unsigned n)
{
    return rnd() % n == 0;
}

uint32_t pick(const uint32_t *of, unsigned n)
{
    return of[rnd() % n];
}

uint32_t odd(void)
{
    switch (rnd() % 6) {
    case 0:  return 0;
    case 1:  return UINT32_MAX;
    case 2:  return 1u << rnd() % 32;
    case 3:  return (1u << rnd() % 32) - 1;
    case 4:  return rnd() & 0xff;
    default: return rnd();
    }
}

uint32_t rather(uint32_t v)
{
    return one_in(30) ? odd() : v;
}

void put(uint32_t at, uint64_t v, unsigned size)
{
    as_write(rig.m->as_memory, at, &v, size);
}

uint32_t get(uint32_t at)
{
    uint32_t v = 0;

    as_read(rig.m->as_memory, at, &v, 4);
    return v;
}

void spoil(uint32_t from, uint32_t bytes, unsigned n)
{
    for (unsigned i = rnd() % (n + 1); i > 0; i--) {
        one_in(2) ? put(from + rnd() % bytes, rnd(), 1)
                  : put(from + (rnd() % bytes & ~3u), odd(), 4);
    }
}

void port(unsigned at, uint32_t v, unsigned size)
{
    io_write(rig.m->as_io, at, v, size);
}

uint32_t port_in(unsigned at, unsigned size)
{
    MemResult res;

    return (uint32_t)io_read(rig.m->as_io, at, size, &res);
}

void mem(uint64_t at, uint32_t v, unsigned size)
{
    io_write(rig.m->as_memory, at, v, size);
}

uint32_t mem_in(uint64_t at, unsigned size)
{
    MemResult res;

    return (uint32_t)io_read(rig.m->as_memory, at, size, &res);
}

void fuzz_machine(void)
{
    Machine *m = rig.m;

    rig_pc(1);
    rig_ram(FUZZ_RAM);
    rig_pci();
    m->state = RUN_RUNNING;
    m->started = true;
}

void config(unsigned at, uint32_t v, unsigned size)
{
    pci_config_write(&rig.host->bus, FUZZ_SLOT << 3, at, v, size);
}

void people(void)
{
    Console *con = rig.m->console;

    console_key(con, one_in(10) ? rnd() % 800 : 1 + rnd() % 120, one_in(2));
    console_pointer(con, (int)(rnd() % 600) - 300, (int)(rnd() % 9) - 4, (int)(rnd() % 3) - 1,
                    rnd() & 7);
    if (one_in(4)) {
        console_absolute(con, (int)(rnd() % 0x8000), (int)(rnd() % 0x8000), 0, rnd() & 7);
    }
    if (one_in(8)) {
        console_refresh(con);
    }
}

static void on_alarm(int sig)
{
    static const char text[] = "not ok fuzz: a round takes more than a minute\n";

    if (write(2, text, sizeof(text) - 1) < 0) {
        _exit(3);
    }
    fprintf(stderr, "repeat: -d %s -s %u -n %u\n", now_device, now_seed, now_round + 1);
    _exit(3);
}

static void fuzz(const DeviceFuzz *f, double seconds, unsigned rounds, unsigned s)
{
    gint64 end = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);

    now_device = f->name;
    now_seed = s;
    seed = 0x9e3779b97f4a7c15 ^ (uint64_t)s << 20 ^ g_str_hash(f->name);
    signal(SIGALRM, on_alarm);
    rig_up();
    f->up();
    for (now_round = 0; rounds ? now_round < rounds : g_get_monotonic_time() < end; now_round++) {
        alarm(ROUND_LIMIT_S);
        f->round();
        if (one_in(SAVE_EVERY)) {
            if (rig.m->drain) {
                rig.m->drain(rig.m);            /* as before each saving */
            }
            rig_round_trip();
        }
        if (one_in(NEW_EVERY)) {
            rig_reset();
        }
    }
    alarm(0);
    printf("ok fuzz/%s (%u rounds, seed %u)\n", f->name, now_round, s);
}

static struct {
    const DeviceFuzz *f;
    double   seconds;
    unsigned rounds, seed;
} job;

START_TEST(one)
{
    fuzz(job.f, job.seconds, job.rounds, job.seed);
}
END_TEST

/*
 * In a process of its own, so that each device begins with nothing left over; a test, because the
 * rig asserts.
 */
static int run(const DeviceFuzz *f, double seconds, unsigned rounds, unsigned s)
{
    Suite   *suite = suite_create("fuzz");
    TCase   *t = tcase_create(f->name);
    SRunner *r = srunner_create(suite);
    int      failed;

    job.f = f;
    job.seconds = seconds;
    job.rounds = rounds;
    job.seed = s;
    tcase_add_test(t, one);
    suite_add_tcase(suite, t);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_SILENT);
    failed = srunner_ntests_failed(r);
    if (failed) {
        printf("not ok fuzz/%s: %s; repeat: -d %s -s %u -n %u\n", f->name,
               tr_msg(srunner_failures(r)[0]), f->name, s, now_round + 1);
    }
    srunner_free(r);
    return failed;
}

int main(int argc, char **argv)
{
    double      seconds = 1;
    unsigned    rounds = 0, s = 1, failed = 0;
    const char *only = NULL;
    const Arg   args[] = { ARG('d', only, "DEVICE"), ARG('t', seconds, "SECONDS"),
                           ARG('n', rounds, "ROUNDS"),
                           ARG('s', s, "SEED"), ARGS_END };

    if (!args_parse(argc, argv, args)) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const DeviceFuzz *f = device_fuzzers; f->name; f++) {
        g_autofree char *command = NULL;
        if (only && !strcmp(only, f->name)) {
            return run(f, seconds, rounds, s);
        }
        if (!only) {
            command = g_strdup_printf("%s -d %s -t %f -n %u -s %u 2>&1 | grep -v '^ryokan: '",
                                      argv[0], f->name, seconds, rounds, s);
            g_autofree char *out = NULL;
            int              status = 0;
            const char      *shell[] = { "bash", "-c", "set -o pipefail; exec 2>&1; eval \"$0\"",
                                         command, NULL };
            if (!g_spawn_sync(NULL, (char **)shell, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                              NULL, &status, NULL) ||
                status) {
                printf("not ok fuzz/%s: seed %u, status %d\n", f->name, s, status);
                failed++;
            }
            fputs(out ? out : "", stdout);
        }
    }
    return failed || only ? 1 : 0;
}
