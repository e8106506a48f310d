/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine.c -- vCPU threads, halts, stops, exclusive sections, map changes under load. */
#include "tests/unit/unit.h"

static Machine *m;
static uint32_t in_guest, bad, sections;
static uint64_t counter;

/* The guest counts itself in and out, so that an exclusive section can see that nobody is in. */
static void busy_guest(FakeCpu *c)
{
    __atomic_add_fetch(&in_guest, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 50; i++) {
        __asm__ volatile("" ::: "memory");
    }
    __atomic_sub_fetch(&in_guest, 1, __ATOMIC_SEQ_CST);
    if (c->rounds % 64 == 0) {          /* a device access */
        machine_lock(c->v.machine);
        counter++;
        machine_unlock(c->v.machine);
    }
}

static void alone(void *arg)
{
    if (__atomic_load_n(&in_guest, __ATOMIC_SEQ_CST)) {
        bad++;
    }
    g_usleep(20);
    if (__atomic_load_n(&in_guest, __ATOMIC_SEQ_CST)) {
        bad++;
    }
    sections++;
}

static void wait_rounds(FakeCpu *c, uint64_t n)
{
    for (int i = 0; i < 20000 && __atomic_load_n(&c->rounds, __ATOMIC_RELAXED) < n; i++) {
        g_usleep(100);
    }
    ck_assert_uint_ge(__atomic_load_n(&c->rounds, __ATOMIC_RELAXED), n);
}

START_TEST(machine_runs_and_stops)
{
    FakeCpu *c;
    uint64_t rounds;

    m = fake_machine(3, busy_guest);
    c = m->vcpus->pdata[2];
    wait_rounds(c, 1);
    machine_stop(m);
    rounds = c->rounds;
    ck_assert(rounds > 0);
    g_usleep(5000);
    ck_assert_uint_eq(c->rounds, rounds);
    machine_cont(m);
    wait_rounds(c, rounds + 1);
    for (int i = 0; i < 200; i++) {     /* with the lock held, and twice in a row */
        machine_lock(m);
        machine_stop(m);
        machine_stop(m);
        machine_cont(m);
        machine_unlock(m);
    }
    machine_free(m);
}
END_TEST

START_TEST(machine_exclusive_from_main)
{
    m = fake_machine(3, busy_guest);
    for (int i = 0; i < 60; i++) {
        machine_exclusive(m, alone, NULL);
        machine_lock(m);
        machine_exclusive(m, alone, NULL);
        machine_unlock(m);
    }
    ck_assert_uint_eq(bad, 0);
    ck_assert_uint_eq(sections, 120);
    machine_free(m);
}
END_TEST

static void racing_guest(FakeCpu *c)
{
    busy_guest(c);
    if (c->rounds % 16 == 0) {
        machine_exclusive(c->v.machine, alone, NULL);
    }
    if (c->rounds % 16 == 8) {          /* and from within a device access */
        machine_lock(c->v.machine);
        machine_exclusive(c->v.machine, alone, NULL);
        machine_unlock(c->v.machine);
    }
}

START_TEST(machine_exclusive_races)
{
    uint64_t end;

    m = fake_machine(4, racing_guest);
    end = time_now(m, TIME_HOST) + 500000000;
    while (time_now(m, TIME_HOST) < end) {
        machine_lock(m);
        machine_exclusive(m, alone, NULL);
        machine_unlock(m);
        machine_stop(m);
        machine_cont(m);
    }
    ck_assert_uint_eq(bad, 0);
    machine_free(m);
    ck_assert(sections > 100);
}
END_TEST

static void halting_guest(FakeCpu *c)
{
    if (!__atomic_exchange_n(&c->wants, 0, __ATOMIC_SEQ_CST)) {
        c->halt = true;
        return;
    }
    __atomic_add_fetch(&c->value, 1, __ATOMIC_SEQ_CST);
}

/* No wake-up is lost: each is seen before the next is given. */
START_TEST(machine_halt_wake)
{
    FakeCpu *c;

    m = fake_machine(1, halting_guest);
    c = m->vcpus->pdata[0];
    for (uint64_t i = 1; i <= 1000; i++) {
        uint64_t end = time_now(m, TIME_HOST) + 2000000000;
        __atomic_store_n(&c->wants, 1, __ATOMIC_SEQ_CST);
        vcpu_kick(&c->v);
        while (__atomic_load_n(&c->value, __ATOMIC_SEQ_CST) < i) {
            ck_assert_msg(time_now(m, TIME_HOST) < end, "wake-up %d was lost", (int)i);
        }
    }
    machine_stop(m);
    machine_cont(m);
    machine_free(m);
}
END_TEST

static Region  a, b;
static Mapping pa, pb;

static void looking_guest(FakeCpu *c)
{
    uint64_t v;
    MemRange l;

    v = io_read(c->v.machine->as_memory, 0x200000 + (c->rounds % 4096) * 8, 8, NULL);
    if (v != 0x1111111111111111 && v != 0x2222222222222222) {
        __atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
    }
    if (!as_lookup(c->v.machine->as_memory, 0x1000, false, &l)) {
        __atomic_add_fetch(&bad, 1, __ATOMIC_SEQ_CST);
    }
}

/* Look-ups without a lock while the map changes: always one region or the other, never a hole. */
START_TEST(machine_map_churn)
{
    uint64_t end;

    m = fake_machine(2, looking_guest);
    machine_stop(m);
    region_init_ram(&a, "a", 0x8000);
    region_init_ram(&b, "b", 0x8000);
    memset(a.host, 0x11, a.size);
    memset(b.host, 0x22, b.size);
    pa = (Mapping){ .region = &a, .at = 0x200000, .size = 0x8000, .seen = 3, .on = true };
    pb = (Mapping){ .region = &b, .at = 0x200000, .size = 0x8000, .seen = 3, .on = true,
                    .priority = 1 };
    map_begin(m);
    region_add(&m->memory, &pa);
    region_add(&m->memory, &pb);
    map_commit(m);
    bad = 0;
    machine_cont(m);
    end = time_now(m, TIME_HOST) + 300000000;
    while (time_now(m, TIME_HOST) < end) {
        map_begin(m);
        pb.on = !pb.on;
        map_commit(m);
    }
    machine_stop(m);
    ck_assert_uint_eq(bad, 0);
    machine_free(m);
    region_destroy(&a);
    region_destroy(&b);
}
END_TEST

static void idle_guest(FakeCpu *c)
{
    c->halt = true;
}

START_TEST(machine_requests)
{
    m = fake_machine(2, idle_guest);
    machine_exit_request(m, 35);
    ck_assert_int_eq(machine_run(m), 35);
    machine_free(m);
    m = fake_machine(2, idle_guest);
    m->no_reboot = true;
    machine_reset_request(m, "the test");
    ck_assert_int_eq(machine_run(m), 0);
    machine_free(m);
}
END_TEST

static void resetting_guest(FakeCpu *c)
{
    if (c->v.index == 0 && ++c->value == 1) {
        if (__atomic_add_fetch(&sections, 1, __ATOMIC_SEQ_CST) < 50) {
            machine_reset_request(c->v.machine, "the guest");
        } else {
            machine_shutdown_request(c->v.machine, "the guest");
        }
    }
}

START_TEST(machine_resets)
{
    m = fake_machine(2, resetting_guest);
    ck_assert_int_eq(machine_run(m), 0);
    ck_assert_uint_eq(sections, 50);
    machine_free(m);
}
END_TEST

Suite *suite_machine(void)
{
    Suite *s = suite_create("machine");

    ADD(s, machine_runs_and_stops);
    ADD(s, machine_exclusive_from_main);
    ADD(s, machine_exclusive_races);
    ADD(s, machine_halt_wake);
    ADD(s, machine_map_churn);
    ADD(s, machine_requests);
    ADD(s, machine_resets);
    return s;
}
