/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rig.c -- the machine that scripted device tests and device fuzzers run on. */
#include "tests/dev/scripted/rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TIMERS = 256 };

Rig rig;

static struct {
    uint64_t now_ns;
    Timer   *timer[MAX_TIMERS];
    unsigned n;
    bool     a20;
    unsigned requests;
} world;

/* --- time: see --wrap in tests/dev.mk --------------------------------------------------------- */

uint64_t __wrap_time_now(Machine *m, TimeBase base);
void __wrap_timer_init(Timer *t, Machine *m, TimeBase base, void (*fire)(void *dev), void *dev);
void __wrap_timer_arm(Timer *t, uint64_t deadline_ns);
void __wrap_timer_stop(Timer *t);

uint64_t __wrap_time_now(Machine *m, TimeBase base)
{
    return world.now_ns;
}

void __wrap_timer_init(Timer *t, Machine *m, TimeBase base, void (*fire)(void *dev), void *dev)
{
    *t = (Timer){ .machine = m, .base = base, .deadline_ns = UINT64_MAX, .fire = fire, .dev = dev };
}

static unsigned place_of(const Timer *t)
{
    unsigned i = 0;

    while (i < world.n && world.timer[i] != t) {
        i++;
    }
    return i;
}

void __wrap_timer_arm(Timer *t, uint64_t deadline_ns)
{
    if (place_of(t) == world.n) {
        ck_assert_uint_lt(world.n, MAX_TIMERS);
        world.timer[world.n++] = t;
    }
    t->deadline_ns = deadline_ns;
}

/* Its device may be gone after this. */
void __wrap_timer_stop(Timer *t)
{
    unsigned i = place_of(t);

    if (i < world.n) {
        memmove(world.timer + i, world.timer + i + 1, (world.n - i - 1) * sizeof(*world.timer));
        world.n--;
    }
    t->deadline_ns = UINT64_MAX;
}

uint64_t rig_time(void)
{
    return world.now_ns;
}

void rig_run_to(uint64_t ns)
{
    for (;;) {
        Timer *next = NULL;

        for (unsigned i = 0; i < world.n; i++) {
            if (world.timer[i]->deadline_ns <= ns &&
                (!next || world.timer[i]->deadline_ns < next->deadline_ns)) {
                next = world.timer[i];
            }
        }
        if (!next) {
            break;
        }
        world.now_ns = MAX(world.now_ns, next->deadline_ns);
        next->deadline_ns = UINT64_MAX;
        next->fire(next->dev);
    }
    world.now_ns = ns;
}

void rig_run_ns(uint64_t ns)
{
    rig_run_to(world.now_ns + ns);
}

/* --- CPU pins --------------------------------------------------------------------------------- */

void __wrap_x86_attach_apic(Vcpu *v, const ApicOps *ops, void *apic);
void __wrap_x86_set_intr(Vcpu *v, bool level);
void __wrap_x86_nmi(Vcpu *v);
void __wrap_x86_smi(Vcpu *v);
void __wrap_x86_init_signal(Vcpu *v);
void __wrap_x86_sipi(Vcpu *v, uint8_t vector);
uint64_t __wrap_x86_tsc_now(Vcpu *v);
uint64_t __wrap_x86_tsc_hz(Machine *m);
void __wrap_x86_set_a20(Machine *m, bool on);
bool __wrap_x86_get_a20(Machine *m);
void __wrap_machine_reset_request(Machine *m, const char *why);
void __wrap_machine_shutdown_request(Machine *m, const char *why);

static RigCpu *cpu_of(Vcpu *v)
{
    return (RigCpu *)v;
}

void __wrap_x86_attach_apic(Vcpu *v, const ApicOps *ops, void *apic)
{
    cpu_of(v)->ops = ops;
    cpu_of(v)->apic = apic;
}

void __wrap_x86_set_intr(Vcpu *v, bool level) { cpu_of(v)->intr = level; }
void __wrap_x86_nmi(Vcpu *v) { cpu_of(v)->nmi++; }
void __wrap_x86_smi(Vcpu *v) { cpu_of(v)->smi++; }
void __wrap_x86_init_signal(Vcpu *v) { cpu_of(v)->init++; }
void __wrap_x86_sipi(Vcpu *v, uint8_t vector)
{
    cpu_of(v)->sipi++;
    cpu_of(v)->sipi_vector = vector;
}
uint64_t __wrap_x86_tsc_now(Vcpu *v) { return world.now_ns * 2; }       /* 2 GHz */
uint64_t __wrap_x86_tsc_hz(Machine *m) { return 2000000000; }
void __wrap_x86_set_a20(Machine *m, bool on) { world.a20 = on; }
bool __wrap_x86_get_a20(Machine *m) { return world.a20; }
void __wrap_machine_reset_request(Machine *m, const char *why) { world.requests++; }
void __wrap_machine_shutdown_request(Machine *m, const char *why) { world.requests++; }

bool rig_a20(void)
{
    return world.a20;
}

unsigned rig_requests(void)
{
    unsigned n = world.requests;

    world.requests = 0;
    return n;
}

/* --- the machine ------------------------------------------------------------------------------ */

void rig_up(void)
{
    memset(&rig, 0, sizeof(rig));
    memset(&world, 0, sizeof(world));
    world.now_ns = 1000000000;
    world.a20 = true;
    rig.m = machine_new();
    machine_lock(rig.m);
}

void rig_down(void)
{
    machine_unlock(rig.m);
    machine_free(rig.m);
}

static void add_cpu(unsigned i)
{
    RigCpu *c = &rig.cpu[i];

    c->v.machine = rig.m;
    c->v.index = c->v.apic_id = i;
    region_init_container(&c->view, "cpu", 1ull << 40);
    map_begin(rig.m);
    region_map(&c->view, &rig.m->memory, 0);
    c->v.as = as_new(rig.m, "cpu", &c->view);
    map_commit(rig.m);
    ck_assert(lapic_create(rig.m, rig.apicbus, &c->v, &c->view, NULL));
}

void rig_pc(unsigned cpus)
{
    Machine *m = rig.m;

    m->n_cpus = cpus;
    map_begin(m);
    rig.pic = i8259_create(m, &m->io, NULL);
    rig.apicbus = apicbus_create(m, &m->memory, rig.pic, NULL);
    map_commit(m);
    for (unsigned i = 0; i < cpus; i++) {
        add_cpu(i);
    }
    map_begin(m);
    rig.ioapic = ioapic_create(m, &m->memory, 0xfec00000, rig.apicbus, NULL);
    rig.gsi = gsi_create(m, rig.pic, rig.ioapic, NULL);
    rig.isa = isa_bus_new(m, "isa.0", rig.gsi, &m->io, &m->memory);
    rig.pit = pit_create(m, rig.isa, NULL);
    rig.spk = pcspk_create(m, rig.isa, rig.pit, NULL, NULL);
    rig.rtc = rtc_create(m, rig.isa, NULL);
    rig.hpet = hpet_create(m, &m->memory, rig.gsi, NULL);
    rig.kbc = i8042_create(m, rig.isa, NULL);
    map_commit(m);
    pit_connect(rig.pit, hpet_legacy, rig.hpet, 0);
    rtc_connect(rig.rtc, hpet_legacy, rig.hpet, 8);
    rig_reset();
}

void rig_ram(uint64_t bytes)
{
    region_init_ram(&rig.m->ram, "ram", bytes);
    map_begin(rig.m);
    region_map(&rig.m->memory, &rig.m->ram, 0);
    map_commit(rig.m);
}

void rig_pci(void)
{
    Machine *m = rig.m;

    map_begin(m);
    region_init_container(&rig.pci_memory, "pci", m->memory.size);
    rig.pci_map = (Mapping){ .region = &rig.pci_memory, .size = rig.pci_memory.size, .priority = -1,
                             .seen = SEEN_READ | SEEN_WRITE, .on = true };
    region_add(&m->memory, &rig.pci_map);
    rig.host = pcihost_create(m, &rig.pci_memory, NULL);
    map_commit(m);
}

void *rig_pci_add(const char *driver, unsigned slot, ...)
{
    g_autofree char *at = g_strdup_printf("%u", slot);
    GError          *err = NULL;
    const char      *key;
    va_list          props;

    map_begin(rig.m);
    void *d = device_new(rig.m, rig.host->bus.base, driver, NULL, &err);
    bool  ok = d && device_set(d, "addr", at, &err);
    va_start(props, slot);
    while (ok && (key = va_arg(props, const char *))) {
        ok = device_set(d, key, va_arg(props, const char *), &err);
    }
    va_end(props);
    ok = ok && device_realize(d, &err);
    ck_assert_msg(ok, "%s: %s", driver, err ? err->message : "");
    map_commit(rig.m);
    rig_reset();
    return d;
}

void rig_reset(void)
{
    machine_reset(rig.m);
}

uint8_t inb(uint16_t port)
{
    MemResult res;

    return (uint8_t)io_read(rig.m->as_io, port, 1, &res);
}

void outb(uint16_t port, uint8_t val)
{
    io_write(rig.m->as_io, port, val, 1);
}

uint32_t mem_read(hwaddr at)
{
    MemResult res;

    return (uint32_t)io_read(rig.cpu[0].v.as, at, 4, &res);
}

void mem_write(hwaddr at, uint32_t val)
{
    io_write(rig.cpu[0].v.as, at, val, 4);
}

uint32_t apic_read(unsigned cpu, unsigned off)
{
    return rig.cpu[cpu].ops->page_read(rig.cpu[cpu].apic, off);
}

void apic_write(unsigned cpu, unsigned off, uint32_t val)
{
    rig.cpu[cpu].ops->page_write(rig.cpu[cpu].apic, off, val);
}

int apic_ack(unsigned cpu)
{
    return rig.cpu[cpu].ops->ack(rig.cpu[cpu].apic);
}

void wire_sink(void *wire, unsigned n, bool level)
{
    Wire *w = wire;

    w->rises += level && !w->level;
    w->level = level;
}

static GByteArray *save_all(void)
{
    GByteArray *out = g_byte_array_new();

    for (unsigned i = 0; i < rig.m->devices->len; i++) {
        Device *d = g_ptr_array_index(rig.m->devices, i);
        state_save(out, d->path, d->class->fields, d->class->regs, d);
    }
    return out;
}

void rig_round_trip(void)
{
    for (unsigned i = 0; i < rig.m->devices->len; i++) {
        Device *d = g_ptr_array_index(rig.m->devices, i);
        GByteArray *one = g_byte_array_new(), *two = g_byte_array_new();
        g_autoptr(GError) err = NULL;
        GBytes *bytes;

        state_save(one, d->path, d->class->fields, d->class->regs, d);
        bytes = g_bytes_new(one->data, one->len);
        ck_assert_msg(state_load(bytes, d->path, d->class->fields, d->class->regs, d, &err),
                      "%s: %s", d->path, err ? err->message : "");
        ck_assert(!d->class->restored || d->class->restored(d, NULL));
        state_save(two, d->path, d->class->fields, d->class->regs, d);
        ck_assert_msg(one->len == two->len && !memcmp(one->data, two->data, one->len), "%s changes",
                      d->path);
        g_bytes_unref(bytes);
        g_byte_array_unref(one);
        g_byte_array_unref(two);
    }
    g_byte_array_unref(save_all());
}
