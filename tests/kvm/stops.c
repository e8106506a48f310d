/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stops.c -- a machine under KVM is stopped for longer than it has run: its CPUs' TSCs do not see
 * that, and stay together, nor does kvmclock; nor do they after its state was loaded again.
 *
 * Usage: stops BIOS: an image that runs on, with two CPUs
 * Spec: none.
 * Threads: those of the machine.
 */
#include <stdio.h>
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include <stdlib.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include "accel/kvm/kvm.h"
#include "core/chardev.h"
#include "core/state.h"
#include "cpu/x86/sys.h"
#include "tests/machine.h"

enum { RUN_US = 150000, CPUS = 2 };
/* KVM treats those beyond a second otherwise */
static const unsigned stops_us[] = { 700000, 1800000 };
#define CLOSE_NS 20000000.0
#define PER_NS_MOST 20.0

static int n_failed;

static void result(const char *accel, const char *what, bool good, double a, double b)
{
    printf("%sok kvm/stops: %s: %s", good ? "" : "not ", accel, what);
    if (!good) {
        printf(": %.1f, %.1f ms", a / 1e6, b / 1e6);
        n_failed++;
    }
    printf("\n");
}

static Machine *create(const char *accel, const char *bios)
{
    const char *argv[] = { "stops", "-accel", accel, "-smp", "2", "-m", "32", "-nodefaults",
                           "-display", "none", "-bios", bios, NULL };
    Machine *m = machine_new();
    GError  *err = NULL;

    if (!machine_from(m, argv, &err) || !chr_open_all(m, &err) || !machine_start(m, &err)) {
        printf("not ok kvm/stops: %s: %s\n", accel, err->message);
        exit(1);
    }
    return m;
}

static gboolean over(void *arg)
{
    machine_stop(arg);
    machine_exit_request(arg, 0);
    return G_SOURCE_REMOVE;
}

static void run(Machine *m)
{
    GSource *s = g_timeout_source_new(RUN_US / 1000);

    m->exit_status = 0;
    g_source_set_callback(s, over, m, NULL);
    g_source_attach(s, m->context);
    machine_cont(m);
    machine_run(m);
    g_source_destroy(s);
    g_source_unref(s);
    machine_stop(m);
}

typedef struct Times { double guest, clock, tsc[CPUS]; } Times;

/* kvmclock, which runs on while the machine is stopped, without that; read again if this thread was
 * held up in between. */
static double kvmclock(Machine *m)
{
    const KvmMachine *k = kvm_of(m);
    struct kvm_clock_data d = { 0 };
    int64_t before, after;

    do {
        before = (int64_t)time_lag(m);
        ioctl(k->vm, KVM_GET_CLOCK, &d);
        after = (int64_t)time_lag(m);
    } while (after - before > 1000000);
    return (double)((int64_t)d.clock - (before - k->clock_lag));
}

static Times times(Machine *m)
{
    Times t;

    machine_lock(m);
    for (unsigned i = 0; i < CPUS; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        m->accel->get_regs(v);
        t.tsc[i] = (double)x86_tsc_now(v);
    }
    t.guest = (double)time_now(m, TIME_GUEST);
    t.clock = kvmclock(m);
    machine_unlock(m);
    return t;
}

static void stop_and_go(Machine *m, const char *accel, unsigned us, double per_ns)
{
    Times a = times(m), b;
    char  what[80];

    usleep(us);
    run(m);
    b = times(m);
    for (unsigned i = 0; i < CPUS; i++) {
        double want = b.guest - a.guest, got = (b.tsc[i] - a.tsc[i]) / per_ns;
        snprintf(what, sizeof what, "CPU %u's TSC does not see a stop of %u ms", i, us / 1000);
        result(accel, what, got > want - CLOSE_NS && got < want * 1.3 + CLOSE_NS, got, want);
    }
    result(accel, "kvmclock is the guest's time",
           b.clock - b.guest < CLOSE_NS && b.guest - b.clock < CLOSE_NS, b.clock, b.guest);
    result(accel, "the CPUs' TSCs are together",
           b.tsc[0] - b.tsc[1] < CLOSE_NS && b.tsc[1] - b.tsc[0] < CLOSE_NS, b.tsc[0], b.tsc[1]);
}

static void loaded(Machine *m, const char *accel, double per_ns)
{
    GByteArray *state = machine_save(m);
    Times a = times(m), b;
    GError *err = NULL;
    GBytes *bytes;

    run(m);
    usleep(stops_us[0]);
    bytes = g_byte_array_free_to_bytes(state);
    machine_lock(m);
    if (!machine_load(m, bytes, &err)) {
        result(accel, err->message, false, 0, 0);
    }
    machine_unlock(m);
    g_bytes_unref(bytes);
    b = times(m);
    for (unsigned i = 0; i < CPUS; i++) {
        double got = (b.tsc[i] - a.tsc[i]) / per_ns;
        result(accel, "a TSC that was loaded is what was saved", got < CLOSE_NS && got > -CLOSE_NS,
               got, 0);
    }
    stop_and_go(m, accel, stops_us[0], per_ns);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = { "kvm,kernel-irqchip=on", "kvm,kernel-irqchip=split",
                                         "kvm,kernel-irqchip=off" };

    if (access("/dev/kvm", R_OK | W_OK) < 0) {
        printf("ok kvm/stops # skipped: /dev/kvm is not there, or not for this user\n");
        return 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        Machine *m = create(modes[i], argc > 1 ? argv[1] : "halts.bin");
        run(m);
        Times  t = times(m);
        double per_ns = t.tsc[0] / t.guest;
        if (per_ns > PER_NS_MOST) {
            printf("ok kvm/stops # skipped: this KVM does not set a TSC\n");
            return 0;
        }
        for (unsigned j = 0; j < G_N_ELEMENTS(stops_us); j++) {
            stop_and_go(m, modes[i], stops_us[j], per_ns);
        }
        loaded(m, modes[i], per_ns);
        machine_done(m);
    }
    return n_failed != 0;
}
#else
int main(void)
{
    printf("ok kvm/stops # skipped: no KVM here\n");
    return 0;
}
#endif
