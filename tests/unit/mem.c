/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem.c -- flat views, accesses through them, dirty logs. */
#include "tests/unit/unit.h"

static uint64_t last_off, last_val;
static unsigned last_size, calls;

static uint64_t echo_read(void *dev, hwaddr off, unsigned size)
{
    uint64_t v = 0;

    calls++;
    for (unsigned i = 0; i < size; i++) {
        v |= (off + i) << (8 * i);
    }
    return v;
}

static void note_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    calls++;
    last_off = off;
    last_val = val;
    last_size = size;
}

static const MmioOps any = { .read = echo_read, .write = note_write };
static const MmioOps bytes = { .read = echo_read, .write = note_write, .min = 1, .max = 1 };
static const MmioOps words = { .read = echo_read, .write = note_write, .min = 4, .max = 4 };
static const MmioOps big = { .read = echo_read, .write = note_write, .big_endian = true };

static void map(Region *c, Mapping *p, Region *r, hwaddr at, uint64_t from, uint64_t size, int prio,
                uint8_t seen)
{
    *p = (Mapping){ .region = r, .at = at, .from = from, .size = size, .priority = prio,
                    .seen = seen, .on = true };
    region_add(c, p);
}

START_TEST(mem_priorities)
{
    Machine *m = machine_new();
    Region   a, b, c;
    Mapping  pa, pb;
    MemRange l;

    region_init_io(&a, "a", &any, NULL, 0x10000);
    region_init_io(&b, "b", &any, NULL, 0x1000);
    region_init_io(&c, "c", &any, NULL, 0x100);
    map_begin(m);
    map(&m->memory, &pa, &a, 0, 0, a.size, 0, SEEN_READ | SEEN_WRITE);
    map(&m->memory, &pb, &b, 0x1000, 0, b.size, 1, SEEN_READ | SEEN_WRITE);
    region_map(&m->memory, &c, 0x0ff80);
    map_commit(m);
    ck_assert(as_lookup(m->as_memory, 0x1000, false, &l) && l.region == &b && l.at == 0x1000 &&
              l.size == 0x1000);
    ck_assert(as_lookup(m->as_memory, 0x2000, false, &l) && l.region == &a && l.from == 0x2000);
    /* newest on top among equals */
    ck_assert(as_lookup(m->as_memory, 0xff80, true, &l) && l.region == &c);
    ck_assert_uint_eq(l.seen, SEEN_READ | SEEN_WRITE);
    ck_assert(as_lookup(m->as_memory, 0x1007f, true, &l) && l.region == &c && l.from == 0);
    ck_assert(!as_lookup(m->as_memory, 0x10080, true, &l));
    map_begin(m);
    pb.priority = -1;
    map_commit(m);
    ck_assert(as_lookup(m->as_memory, 0x1000, false, &l) && l.region == &a);
    map_begin(m);
    pa.on = false;
    map_commit(m);
    ck_assert(as_lookup(m->as_memory, 0x1000, false, &l) && l.region == &b);
    machine_free(m);
}
END_TEST

/* PAM: RAM below, ROM above for one direction; all four states. */
START_TEST(mem_read_write_apart)
{
    Machine *m = machine_new();
    Region   ram, rom;
    Mapping  pr, po;
    MemRange r, w;
    uint8_t  v = 0x55;

    region_init_ram(&ram, "ram", 0x10000);
    region_init_rom(&rom, "rom", 0x10000);
    rom.host[0x100] = 0xaa;
    map_begin(m);
    map(&m->memory, &pr, &ram, 0, 0, ram.size, 1, 0);
    map(&m->memory, &po, &rom, 0, 0, rom.size, 0, SEEN_READ | SEEN_WRITE);
    map_commit(m);
    for (uint8_t seen = 0; seen < 4; seen++) {
        map_begin(m);
        pr.seen = seen;
        map_commit(m);
        ck_assert(as_lookup(m->as_memory, 0x100, false, &r) &&
                  as_lookup(m->as_memory, 0x100, true, &w));
        ck_assert_ptr_eq(r.region, seen & SEEN_READ ? &ram : &rom);
        ck_assert_ptr_eq(w.region, seen & SEEN_WRITE ? &ram : &rom);
        ck_assert_uint_eq(r.seen == 3, seen == 0 || seen == 3);
    }
    map_begin(m);
    pr.seen = SEEN_WRITE;               /* shadow copy: read ROM, write RAM */
    map_commit(m);
    as_write(m->as_memory, 0x100, &v, 1);
    as_read(m->as_memory, 0x100, &v, 1);
    ck_assert_uint_eq(v, 0xaa);
    ck_assert_uint_eq(ram.host[0x100], 0x55);
    map_begin(m);
    pr.seen = 0;
    map_commit(m);
    v = 1;
    as_write(m->as_memory, 0x100, &v, 1);
    ck_assert_uint_eq(rom.host[0x100], 0xaa);
    machine_free(m);
    region_destroy(&ram);
    region_destroy(&rom);
}
END_TEST

/* A container seen through a window, at an offset, below 0 and clipped. */
START_TEST(mem_nesting)
{
    Machine *m = machine_new();
    Region   box, leaf, loop;
    Mapping  in, win, l1;
    MemRange l;

    region_init_container(&box, "box", 0x4000);
    region_init_io(&leaf, "leaf", &any, NULL, 0x3000);
    region_init_container(&loop, "loop", 0x1000);
    map_begin(m);
    map(&box, &in, &leaf, 0x2000, 0, 0x3000, 0, 3);     /* runs past the box's end at 0x4000 */
    map(&m->memory, &win, &box, 0x100000, 0x2800, 0x10000, 0, 3);
    map(&loop, &l1, &loop, 0, 0, 0x1000, 0, 3);         /* contains itself */
    region_map(&m->memory, &loop, 0x500000);
    map_commit(m);
    ck_assert(as_lookup(m->as_memory, 0x100000, false, &l));
    ck_assert(l.region == &leaf && l.from == 0x800 && l.at == 0x100000 && l.size == 0x1800);
    ck_assert(!as_lookup(m->as_memory, 0x101800, false, &l));
    machine_free(m);
}
END_TEST

START_TEST(mem_sizes)
{
    Machine  *m = machine_new();
    Region    a, b, c, d;
    uint8_t   buf[5];
    MemResult res;

    region_init_io(&a, "any", &any, NULL, 0x100);
    region_init_io(&b, "bytes", &bytes, NULL, 0x100);
    region_init_io(&c, "words", &words, NULL, 0x100);
    region_init_io(&d, "big", &big, NULL, 0x100);
    map_begin(m);
    region_map(&m->memory, &a, 0x1000);
    region_map(&m->memory, &b, 0x1100);
    region_map(&m->memory, &c, 0x2000);
    region_map(&m->memory, &d, 0x3000);
    map_commit(m);
    ck_assert_uint_eq(io_read(m->as_memory, 0x1010, 4, &res), 0x13121110);
    ck_assert_uint_eq(res, MEM_OK);
    /* in aligned pieces */
    ck_assert_uint_eq(io_read(m->as_memory, 0x1011, 4, NULL), 0x14131211);
    calls = 0;
    ck_assert_uint_eq(io_read(m->as_memory, 0x1110, 4, NULL), 0x13121110);
    ck_assert_uint_eq(calls, 4);
    /* narrower than the device */
    ck_assert_uint_eq(io_read(m->as_memory, 0x2005, 2, NULL), 0x0605);
    ck_assert_uint_eq(io_read(m->as_memory, 0x2006, 4, NULL), 0x09080706);
    io_write(m->as_memory, 0x2009, 0xab, 1);
    ck_assert(last_off == 8 && last_size == 4 && last_val == 0xab00);
    ck_assert_uint_eq(io_read(m->as_memory, 0x3000, 2, NULL), 0x0001);
    /* across two regions */
    ck_assert_uint_eq(io_read(m->as_memory, 0x10fe, 4, NULL), 0x0100fffe);
    ck_assert_uint_eq(as_read(m->as_memory, 0x10fd, buf, 5), MEM_OK);
    ck_assert(buf[0] == 0xfd && buf[2] == 0xff && buf[3] == 0 && buf[4] == 1);
    ck_assert_uint_eq(io_read(m->as_memory, 0x9000, 4, &res), 0xffffffff);      /* nothing there */
    ck_assert_uint_eq(res, MEM_UNMAPPED);
    ck_assert_uint_eq(as_read(m->as_memory, UINT64_MAX - 1, buf, 4), MEM_REFUSED);      /* wraps */
    ck_assert_uint_eq(buf[3], 0xff);
    machine_free(m);
}
END_TEST

static Machine      *the_machine;
static MemResult     inner;

static void dma_to_self(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    uint32_t v = 1;

    calls++;
    inner = as_write(the_machine->as_memory, 0x1000, &v, 4);
}

static const MmioOps self_ops = { .read = echo_read, .write = dma_to_self };

START_TEST(mem_no_reentry)
{
    Machine *m = the_machine = machine_new();
    Region   a, b;
    int      one, two;
    uint32_t v = 0;

    region_init_io(&a, "a", &self_ops, &one, 0x100);
    region_init_io(&b, "b", &self_ops, &two, 0x100);
    map_begin(m);
    region_map(&m->memory, &a, 0x1000);
    region_map(&m->memory, &b, 0x2000);
    map_commit(m);
    calls = 0;
    ck_assert_uint_eq(io_write(m->as_memory, 0x1000, 1, 4), MEM_OK);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(inner, MEM_REFUSED);
    calls = 0;
    /* b writes to a, a to itself: the second step is refused */
    io_write(m->as_memory, 0x2000, 1, 4);
    ck_assert_uint_eq(calls, 2);
    as_set_owner(m->as_memory, &one);           /* the device's own DMA, from a timer */
    ck_assert_uint_eq(as_write(m->as_memory, 0x1000, &v, 4), MEM_REFUSED);
    machine_free(m);
}
END_TEST

START_TEST(mem_dirty_and_code)
{
    Machine      *m = machine_new();
    unsigned long map_[4];
    uint64_t      n = 0x2000, v = 0x1122334455667788;
    void         *p;

    m->accel = &fake_accel;
    region_init_ram(&m->ram, "ram", 1 << 20);
    map_begin(m);
    region_map(&m->memory, &m->ram, 0);
    map_commit(m);
    region_dirty_log(&m->ram, DIRTY_DISPLAY, true);
    fake_code_written = 0;
    as_write(m->as_memory, 0x3ffc, &v, 8);
    ck_assert_uint_eq(fake_code_written, 1);
    p = as_pin(m->as_memory, 0x42000, &n, true);
    ck_assert_ptr_eq(p, m->ram.host + 0x42000);
    as_unpin(m->as_memory, p, n, n);
    ck_assert_uint_eq(fake_code_written, 2);
    region_dirty_take(&m->ram, DIRTY_DISPLAY, 0, 1 << 20, map_);
    ck_assert(map_[0] == 0x18 && map_[1] == 0xc && !map_[2] && !map_[3]);
    region_dirty_take(&m->ram, DIRTY_DISPLAY, 0, 1 << 20, map_);
    ck_assert(!map_[0] && !map_[1]);
    region_set_dirty(&m->ram, 0x41000, 1);
    region_dirty_take(&m->ram, DIRTY_DISPLAY, 0x40000, 0x4000, map_);
    ck_assert_uint_eq(map_[0], 2);
    n = 1 << 30;
    ck_assert_ptr_nonnull(as_pin(m->as_memory, 0xff000, &n, false));
    ck_assert_uint_eq(n, 0x1000);
    ck_assert_ptr_null(as_pin(m->as_memory, 1 << 20, &n, false));
    m->accel = NULL;
    machine_free(m);
}
END_TEST

static unsigned n_gone, n_come;

static void map_changed(AddressSpace *as, const MemRange *gone, unsigned g, const MemRange *come,
                        unsigned c)
{
    n_gone += g;
    n_come += c;
}

START_TEST(mem_tells_accel)
{
    static const AccelOps accel = { .name = "x", .map_changed = map_changed };
    Machine *m = machine_new();
    Region   a;
    Mapping  p;

    m->accel = &accel;
    region_init_io(&a, "a", &any, NULL, 0x1000);
    map_begin(m);
    map(&m->memory, &p, &a, 0, 0, 0x1000, 0, 3);
    map_begin(m);
    map_commit(m);
    ck_assert_uint_eq(n_come, 0);       /* nested: nothing yet */
    map_commit(m);
    ck_assert(n_come == 1 && n_gone == 0);
    map_begin(m);
    p.at = 0x8000;
    map_commit(m);
    ck_assert(n_come == 2 && n_gone == 1);
    map_begin(m);
    map_commit(m);
    ck_assert(n_come == 2 && n_gone == 1);      /* nothing changed */
    m->accel = NULL;
    machine_free(m);
}
END_TEST

static unsigned rings[3];

static void count_ring(void *dev, unsigned n)
{
    rings[n]++;
}

/*
 * A bell takes the writes that it says, others reach the callbacks; by a descriptor it rings once
 * for what has come.
 */
START_TEST(mem_doorbell)
{
    Machine *m = machine_new();
    Region   bank;
    Doorbell any_write = { .at = 8, .ring = count_ring, .n = 0 },
             byte = { .at = 12, .size = 1, .ring = count_ring, .n = 1 },
             value = {
                 .at = 16, .size = 2, .by_value = true, .val = 0x1234, .ring = count_ring, .n = 2
             };
    uint64_t times = 3;

    memset(rings, 0, sizeof rings);
    region_init_io(&bank, "bank", &any, NULL, 0x100);
    region_doorbell(&bank, &any_write);
    region_doorbell(&bank, &byte);
    region_doorbell(&bank, &value);
    map_begin(m);
    Mapping *at = region_map(&m->memory, &bank, 0x1000);
    map_commit(m);
    calls = 0;
    io_write(m->as_memory, 0x1008, 1, 1);
    io_write(m->as_memory, 0x1008, 2, 4);
    io_write(m->as_memory, 0x100c, 7, 1);
    io_write(m->as_memory, 0x1010, 0x1234, 2);
    ck_assert_uint_eq(calls, 0);
    ck_assert(rings[0] == 2 && rings[1] == 1 && rings[2] == 1);
    io_write(m->as_memory, 0x100c, 7, 2);
    io_write(m->as_memory, 0x1010, 0x1235, 2);
    io_write(m->as_memory, 0x1010, 0x1234, 4);
    io_write(m->as_memory, 0x1009, 1, 1);
    ck_assert(calls >= 4 && rings[0] == 2 && rings[1] == 1 && rings[2] == 1);

    int fd = doorbell_fd(&byte);
    ck_assert(fd >= 0 && doorbell_fd(&byte) == fd);
    doorbells_flush(m);
    ck_assert_uint_eq(rings[1], 1);
    ck_assert(write(fd, &times, sizeof times) == sizeof times);
    doorbells_flush(m);
    ck_assert_uint_eq(rings[1], 2);
    ck_assert(!g_main_context_iteration(m->context, FALSE) && rings[1] == 2);
    ck_assert(write(fd, &times, sizeof times) == sizeof times);
    ck_assert(g_main_context_iteration(m->context, FALSE) && rings[1] == 3);
    map_begin(m);
    region_doorbells_free(&bank);
    at->on = false;
    map_commit(m);
    ck_assert(write(fd, &times, sizeof times) < 0);     /* it went with the bell */
    ck_assert(!bank.bells && !g_main_context_iteration(m->context, FALSE));
    machine_free(m);
}
END_TEST

Suite *suite_mem(void)
{
    Suite *s = suite_create("mem");

    ADD(s, mem_priorities);
    ADD(s, mem_read_write_apart);
    ADD(s, mem_nesting);
    ADD(s, mem_sizes);
    ADD(s, mem_no_reentry);
    ADD(s, mem_dirty_and_code);
    ADD(s, mem_tells_accel);
    ADD(s, mem_doorbell);
    return s;
}
