/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pit.c -- KVM's 8254 and port 61h, with kernel-irqchip=on: made when the machine's own is reset
 * first, and its state.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.71 (KVM_CREATE_PIT2), 4.31 and 4.32 (KVM_GET_PIT2,
 *   KVM_SET_PIT2), 4.60 and KVM_REINJECT_CONTROL; struct kvm_pit_state2 of asm/kvm.h.
 * Omits: what KVM's has not: a gate that stops modes 0 and 4, a count that waits for the end of a
 *   period, the phase of channel 0 (its period begins anew when state is stored, as after a stop).
 * Threads: fetch and store with the machine lock, as the machine's own; resume is the first vCPU's
 *   thread.
 *
 * KVM counts by the host's monotonic clock; pit_lag is what that is ahead of the guest's.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include <errno.h>
#include <sys/ioctl.h>

enum { N_CHANNELS = 3, RW_BOTH = 3, SECOND_BYTE = 4, LATCHED_MSB = 2, MODE_NONE = 6,
       MODE_SQUARE = 3, A_STOP_NS = 1000000 };

static bool pit_do(KvmMachine *k, unsigned long what, struct kvm_pit_state2 *s)
{
    if (ioctl(k->vm, what, s) < 0) {
        g_printerr("ryokan: kvm: cannot move the state of the interval timer: %s\n",
                   g_strerror(errno));
        return false;
    }
    return true;
}

static bool kvm_pit_make(Machine *m)
{
    KvmMachine *k = kvm_of(m);
    struct kvm_pit_config c = { .flags = KVM_PIT_SPEAKER_DUMMY };

    k->has_pit = k->has_pit || ioctl(k->vm, KVM_CREATE_PIT2, &c) == 0;
    return k->has_pit;
}

/* ---- one counter: KVM says by one number which byte is next ---- */

static void channel_in(PitChannel *c, const struct kvm_pit_channel_state *s, int64_t lag)
{
    bool both = s->rw_mode == RW_BOTH;

    *c = (PitChannel){
        .count = s->count,
        .loaded_ns = s->count_load_time > lag ? (uint64_t)(s->count_load_time - lag) : 0,
        .latched_count = s->latched_count, .latched_status = s->status,
        .status_latched = s->status_latched,
        .mode = s->mode < MODE_NONE ? s->mode : MODE_SQUARE,
        .rw = s->rw_mode, .bcd = s->bcd, .gate = s->gate,
        .write_lsb = s->write_latch, .write_msb = both && s->write_state == SECOND_BYTE,
        .latched_bytes = s->count_latched == RW_BOTH ? 2 : s->count_latched ? 1 : 0,
    };
    c->read_msb = both && (s->count_latched ? s->count_latched == LATCHED_MSB
                                            : s->read_state == SECOND_BYTE);
}

static void channel_out(struct kvm_pit_channel_state *s, const PitChannel *c, int64_t lag)
{
    bool both = c->rw == RW_BOTH;

    *s = (struct kvm_pit_channel_state){
        .count = c->count,
        .count_load_time = (int64_t)c->loaded_ns + lag,
        .latched_count = c->latched_count,
        .status = c->latched_status,
        .status_latched = c->status_latched,
        .mode = c->mode,
        .rw_mode = c->rw,
        .bcd = c->bcd,
        .gate = c->gate,
        .write_latch = c->write_lsb,
        .write_state = both && c->write_msb ? SECOND_BYTE : c->rw,
        .read_state = both && c->read_msb && !c->latched_bytes ? SECOND_BYTE : c->rw,
        .count_latched = !c->latched_bytes       ? 0
                         : c->latched_bytes == 2 ? RW_BOTH
                         : both                  ? LATCHED_MSB
                                                 : c->rw,
    };
}

/* ---- all of it ---- */

static void kvm_pit_fetch(Machine *m, PitState *p)
{
    KvmMachine *k = kvm_of(m);
    struct kvm_pit_state2 s = { 0 };

    *p = (PitState){ 0 };
    pit_do(k, KVM_GET_PIT2, &s);
    for (unsigned n = 0; n < N_CHANNELS; n++) {
        channel_in(&p->channel[n], &s.channels[n], k->pit_lag);
    }
    p->channel[0].loaded_ns = time_now(m, TIME_GUEST);
    p->speaker = s.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
    p->cut = s.flags & KVM_PIT_FLAGS_HPET_LEGACY;
}

static void kvm_pit_store(Machine *m, const PitState *p)
{
    KvmMachine *k = kvm_of(m);
    struct kvm_reinject_control again = { .pit_reinject = p->makes_up };
    struct kvm_pit_state2 s = { .flags = (p->speaker ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0) |
                                         (p->cut ? KVM_PIT_FLAGS_HPET_LEGACY : 0) };

    k->pit_lag = (int64_t)time_lag(m);
    for (unsigned n = 0; n < N_CHANNELS; n++) {
        channel_out(&s.channels[n], &p->channel[n], k->pit_lag);
    }
    pit_do(k, KVM_SET_PIT2, &s);
    ioctl(k->vm, KVM_REINJECT_CONTROL, &again);
}

/*
 * It has counted on through a stop: that is taken back, with the ticks that wait.  Nobody is in the
 * guest.
 */
static void go_on(void *machine)
{
    KvmMachine *k = kvm_of(machine);
    int64_t     stopped = (int64_t)time_lag(machine) - k->pit_lag;
    struct kvm_pit_state2 s;

    if (pit_do(k, KVM_GET_PIT2, &s)) {
        for (unsigned n = 1; n < N_CHANNELS; n++) {
            s.channels[n].count_load_time += stopped;
        }
        pit_do(k, KVM_SET_PIT2, &s);
    }
    k->pit_lag += stopped;
}

void kvm_pit_resume(KvmMachine *k)
{
    if (k->has_pit && (int64_t)time_lag(k->machine) - k->pit_lag > A_STOP_NS) {
        machine_exclusive(k->machine, go_on, k->machine);
    }
}

void kvm_pit_init(KvmMachine *k)
{
    if (ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_PIT2) > 0 &&
        ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_PIT_STATE2) > 0 &&
        ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_REINJECT_CONTROL) > 0) {
        k->chip.pit_make = kvm_pit_make;
        k->chip.pit_fetch = kvm_pit_fetch;
        k->chip.pit_store = kvm_pit_store;
    }
}
#endif
