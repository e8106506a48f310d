/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.c -- the chipset: configuration space, BARs, shadow RAM, interrupt routing, power management;
 * and fw_cfg.
 */
#include "core/options.h"
#include "hw/firmware/fw_cfg.h"
#include "tests/dev/scripted/rig.h"
#include <string.h>

enum { RAM_BYTES = 2 << 20, PM = 0x600, I440FX = 0, PIIX3 = 1 << 3, PIIX4 = 1 << 3 | 3 };

static void    *pm;
static unsigned routed[16];

static uint32_t in(uint16_t port, unsigned size)
{
    MemResult res;
    return (uint32_t)io_read(rig.m->as_io, port, size, &res);
}

static void out(uint16_t port, uint32_t val, unsigned size)
{
    io_write(rig.m->as_io, port, val, size);
}

static uint32_t cfg_read(unsigned devfn, unsigned at, unsigned size)
{
    out(0xcf8, 0x80000000u | devfn << 8 | (at & 0xfc), 4);
    return in((uint16_t)(0xcfc + (at & 3)), size);
}

static void cfg_write(unsigned devfn, unsigned at, uint32_t val, unsigned size)
{
    out(0xcf8, 0x80000000u | devfn << 8 | (at & 0xfc), 4);
    out((uint16_t)(0xcfc + (at & 3)), val, size);
}

static void router(void *dev, unsigned n, bool level)
{
    routed[n] += level ? 1u : -1u;
}

static void up(void)
{
    rig_up();
    rig_pc(1);
    Machine *m = rig.m;
    region_init_ram(&m->ram, "ram", RAM_BYTES);
    rig_pci();
    map_begin(m);
    static Mapping high;
    high = (Mapping){ .region = &m->ram, .from = 1 << 20, .size = 1 << 20, .at = 1 << 20,
                      .seen = SEEN_READ | SEEN_WRITE, .on = true };
    region_add(&m->memory, &high);
    ck_assert(i440fx_create(m, rig.host, NULL) && piix3_create(m, rig.host, router, NULL, NULL));
    pm = piix4_pm_create(m, rig.host, router, NULL, true, NULL);
    ck_assert_ptr_nonnull(pm);
    map_commit(m);
    memset(routed, 0, sizeof(routed));
    rig_reset();
}

START_TEST(mechanism_1)
{
    ck_assert_uint_eq(cfg_read(I440FX, 0, 4), 0x12378086);
    ck_assert_uint_eq(cfg_read(PIIX3, 2, 2), 0x7000);
    ck_assert_uint_eq(cfg_read(PIIX3, 3, 1), 0x70);
    ck_assert_uint_eq(cfg_read(PIIX3, 0xe, 1), 0x80);
    ck_assert_uint_eq(cfg_read(5 << 3, 0, 4), 0xffffffff);      /* nobody */
    out(0xcf8, 0x80ffff03, 4);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80ffff00);                /* bits 1:0 are 0 */
    ck_assert_uint_eq(in(0xcfc, 4), 0xffffffff);                /* another bus */
    out(0xcf8, 0, 4);
    ck_assert_uint_eq(in(0xcfc, 4), 0xffffffff);                /* not enabled */
    cfg_write(I440FX, 0, 0, 4);
    ck_assert_uint_eq(cfg_read(I440FX, 0, 4), 0x12378086);
    rig_round_trip();
}
END_TEST

START_TEST(reset_control)
{
    rig_requests();
    out(0xcf9, 2, 1);
    ck_assert_uint_eq(rig_requests(), 0);
    ck_assert_uint_eq(in(0xcf9, 1), 2);
    out(0xcf9, 6, 1);
    ck_assert_uint_eq(rig_requests(), 1);
}
END_TEST

static uint8_t peek(hwaddr at)
{
    uint8_t b = 0;
    as_read(rig.m->as_memory, at, &b, 1);
    return b;
}

static void poke(hwaddr at, uint8_t b)
{
    as_write(rig.m->as_memory, at, &b, 1);
}

START_TEST(shadow_ram)
{
    static Region rom;
    region_init_rom(&rom, "rom", 0x20000);
    rom.host[0x10000] = 0x55;
    map_begin(rig.m);
    region_map(&rig.pci_memory, &rom, 0xe0000);
    map_commit(rig.m);
    ck_assert_uint_eq(peek(0xf0000), 0x55);
    cfg_write(I440FX, 0x59, 0x20, 1);           /* reads from ROM, writes to RAM */
    poke(0xf0000, 0xaa);
    ck_assert_uint_eq(peek(0xf0000), 0x55);
    cfg_write(I440FX, 0x59, 0x10, 1);           /* reads from RAM, writes go nowhere */
    ck_assert_uint_eq(peek(0xf0000), 0xaa);
    poke(0xf0000, 0x11);
    ck_assert_uint_eq(peek(0xf0000), 0xaa);
    cfg_write(I440FX, 0x59, 0x30, 1);
    poke(0xf0000, 0x12);
    ck_assert_uint_eq(peek(0xf0000), 0x12);
    cfg_write(I440FX, 0x5a, 0x30, 1);           /* C4000 only */
    poke(0xc0000, 1);
    poke(0xc4000, 2);
    ck_assert_uint_eq(peek(0xc0000), 0xff);
    ck_assert_uint_eq(peek(0xc4000), 2);
    rig_reset();
    ck_assert_uint_eq(peek(0xf0000), 0x55);
    cfg_write(I440FX, 0x72, 0x4a, 1);           /* SMRAM open */
    poke(0xa0000, 7);
    ck_assert_uint_eq(peek(0xa0000), 7);
    cfg_write(I440FX, 0x72, 0x5a, 1);           /* locked: closed for ever */
    ck_assert_uint_eq(cfg_read(I440FX, 0x72, 1), 0x1a);
    cfg_write(I440FX, 0x72, 0x4a, 1);
    ck_assert_uint_eq(peek(0xa0000), 0xff);
}
END_TEST

START_TEST(routing)
{
    IrqGate *a = &rig.host->bus.pirq[0], *b = &rig.host->bus.pirq[1];
    Irq one = { 0 }, two = { 0 }, three = { 0 };
    irq_connect(&one, irq_gate_sink, a, 0);
    irq_connect(&two, irq_gate_sink, a, 0);
    irq_connect(&three, irq_gate_sink, b, 0);
    irq_set(&one, true);
    ck_assert_uint_eq(routed[10], 0);           /* off after reset */
    cfg_write(PIIX3, 0x60, 0x0b0a, 2);
    ck_assert_uint_eq(routed[10], 1);
    irq_set(&two, true);
    irq_set(&one, false);
    ck_assert_uint_eq(routed[10], 1);
    irq_set(&three, true);
    ck_assert_uint_eq(routed[11], 1);
    cfg_write(PIIX3, 0x61, 0x0a, 1);            /* both on one line */
    ck_assert_uint_eq(routed[11], 0);
    ck_assert_uint_eq(routed[10], 2);
    cfg_write(PIIX3, 0x60, 0x08, 1);            /* a reserved line: nowhere */
    ck_assert_uint_eq(routed[10], 1);
    ck_assert_uint_eq(routed[8], 0);
    irq_set(&two, false);
    irq_set(&three, false);
    ck_assert_uint_eq(routed[10], 0);
    rig_round_trip();
}
END_TEST

static void map_pm(void)
{
    cfg_write(PIIX4, 0x40, PM | 1, 4);
    cfg_write(PIIX4, 0x80, 1, 1);
}

START_TEST(power_management)
{
    ck_assert_uint_eq(in(PM, 2), 0xffff);
    map_pm();
    ck_assert_uint_eq(piix4_pm_base(pm), PM);
    uint32_t t = in(PM + 8, 4);
    rig_run_ns(1000000);
    ck_assert_uint_eq((in(PM + 8, 4) - t) & 0xffffff, 3579);    /* 3.579545 MHz; 24 bits */
    out(0xb2, 0xf1, 1);
    ck_assert_uint_eq(in(PM + 4, 2) & 1, 1);
    out(PM + 2, 1, 2);                          /* the timer's overflow, twice in 4.7 s */
    ck_assert_uint_eq(routed[9], 0);
    rig_run_ns(2400000000);
    ck_assert_uint_eq(routed[9], 1);
    ck_assert_uint_eq(in(PM, 2) & 1, 1);
    out(PM, 1, 2);
    ck_assert_uint_eq(routed[9], 0);
    rig_run_ns(2400000000);
    ck_assert_uint_eq(routed[9], 1);
    out(PM, 0xffff, 2);
    out(PM + 2, 0x100, 2);
    piix4_pm_power_button(pm);
    ck_assert_uint_eq(routed[9], 1);
    rig_round_trip();
    out(0xb2, 0xf0, 1);                         /* ACPI off: no SCI */
    ck_assert_uint_eq(routed[9], 0);
    rig_requests();
    out(PM + 4, 0x2000 | 5 << 10, 2);           /* a sleep state that is not there */
    ck_assert_uint_eq(rig_requests(), 0);
    out(PM + 4, 0x2000, 2);
    ck_assert_uint_eq(rig_requests(), 1);
    ck_assert_uint_eq(in(PM + 4, 2) & 0x2000, 0);
}
END_TEST

START_TEST(moving_ports)
{
    map_pm();
    cfg_write(PIIX4, 0x40, 0x8001, 4);
    ck_assert_uint_eq(in(PM, 2), 0xffff);
    ck_assert_uint_eq(in(0x8000, 2) & 0x8000, 0);
    cfg_write(PIIX4, 0x90, 0x701, 4);
    cfg_write(PIIX4, 0xd2, 1, 1);
    out(0x702, 0x48, 1);                        /* an SMBus transaction: nobody answers */
    ck_assert_uint_eq(in(0x700, 1), 4);
    out(0x700, 0xff, 1);
    ck_assert_uint_eq(in(0x700, 1), 0);
}
END_TEST

/* ---- BARs, with the VGA adapter as a function that has them ---- */
START_TEST(bars)
{
    rig_pci_add("VGA", 4, "rombar", "off", NULL);
    unsigned d = 4 << 3;
    cfg_write(d, 0x10, 0xffffffff, 4);
    ck_assert_uint_eq(cfg_read(d, 0x10, 4), 0xff000008);
    cfg_write(d, 0x18, 0xffffffff, 4);
    ck_assert_uint_eq(cfg_read(d, 0x18, 4), 0xfffff000);
    cfg_write(d, 0x14, 0xffffffff, 4);
    ck_assert_uint_eq(cfg_read(d, 0x14, 4), 0);
    cfg_write(d, 0x04, 2, 2);                   /* decoding while all ones: nowhere */
    poke(0xff000000, 1);
    ck_assert_uint_eq(peek(0xff000000), 0xff);
    cfg_write(d, 0x10, 0xe0000000, 4);
    poke(0xe0000010, 0x77);
    ck_assert_uint_eq(peek(0xe0000010), 0x77);
    cfg_write(d, 0x10, 0xd0000000, 4);
    ck_assert_uint_eq(peek(0xe0000010), 0xff);
    ck_assert_uint_eq(peek(0xd0000010), 0x77);
    rig_round_trip();
    cfg_write(d, 0x04, 0, 2);
    ck_assert_uint_eq(peek(0xd0000010), 0xff);
}
END_TEST

/* ---- hot-plug: the registers that ACPI's code uses ---- */
static void *add(const char *driver, const char *id, const char *addr)
{
    OptPair   at = { (char *)"addr", (char *)addr };
    OptPair  *pairs[] = { &at };
    GPtrArray rest = { .pdata = (void **)pairs, .len = addr != NULL };
    OptDevice o = { .driver = (char *)driver, .id = (char *)id, .rest = &rest };
    return device_add(rig.m, &o, NULL);
}

static bool there(unsigned slot)
{
    return cfg_read(slot << 3, 0, 4) != 0xffffffff;
}

START_TEST(hotplug)
{
    enum { UP = 0xae00, DOWN = 0xae04, EJECT = 0xae08, REMOVABLE = 0xae0c, STATUS = 0xafe0,
           ENABLE = 0xafe2 };
    GError *err = NULL;
    ck_assert_ptr_nonnull(add("VGA", "fixed", "4"));
    rig_reset();
    map_pm();
    out(0xb2, 0xf1, 1);
    rig.m->started = true;
    ck_assert_uint_eq(in(REMOVABLE, 4), 0xffffffffu & ~(1u << 0 | 1u << 1 | 1u << 4));
    ck_assert_ptr_null(add("cirrus-vga", NULL, NULL));
    ck_assert_ptr_nonnull(add("pci-testdev", "a", "7"));
    ck_assert(there(7));
    ck_assert_uint_eq(in(STATUS, 1), 2);
    ck_assert_uint_eq(routed[9], 0);            /* not enabled */
    out(ENABLE, 2, 1);
    ck_assert_uint_eq(routed[9], 1);
    rig_round_trip();
    ck_assert_uint_eq(in(UP, 4), 1u << 7);
    ck_assert_uint_eq(in(UP, 4), 0);            /* the read has cleared it */
    out(STATUS, 2, 1);
    ck_assert_uint_eq(routed[9], 0);
    ck_assert_ptr_nonnull(add("pci-testdev", "b1", "9.1"));
    ck_assert_uint_eq(in(STATUS, 1), 0);        /* function 0 is to come */
    ck_assert_ptr_nonnull(add("pci-testdev", "b0", "9"));
    ck_assert_uint_eq(in(UP, 4), 1u << 9);
    ck_assert_ptr_null(add("pci-testdev", "b2", "9.2"));
    ck_assert_ptr_nonnull(add("pci-testdev", "c", NULL));
    ck_assert_uint_eq(in(UP, 4), 1u << 2);      /* the first that is free */
    out(STATUS, 2, 1);

    ck_assert(!device_del(rig.m, "fixed", &err) &&
              strstr(err->message, "does not support hotplugging"));
    g_clear_error(&err);
    ck_assert(device_del(rig.m, "a", NULL) && !device_del(rig.m, "a", &err));
    g_clear_error(&err);
    ck_assert_uint_eq(in(DOWN, 4), 1u << 7);
    ck_assert_uint_eq(routed[9], 1);
    ck_assert(there(7));
    out(EJECT, 1u << 7 | 1u << 9 | 1u << 4 | 1u << 1 | 1u << 20, 4);
    /* a vCPU may be in it: it goes when all are parked */
    ck_assert(there(7));
    rig.m->eject(rig.m->eject_dev, false);
    ck_assert(!there(7) && !there(9) && there(4) && there(1) && there(2));
    ck_assert(!device_find(rig.m, "a") && !device_find(rig.m, "b0") && !device_find(rig.m, "b1"));
    ck_assert_uint_eq(in(DOWN, 4), 0);
    ck_assert(device_del(rig.m, "c", NULL));
    rig.m->eject(rig.m->eject_dev, true);       /* a reset does not wait for the guest */
    ck_assert(!there(2));
    rig_reset();
    ck_assert_uint_eq(in(STATUS, 4), 0);
    ck_assert_uint_eq(routed[9], 0);
}
END_TEST

/* ---- fw_cfg ---- */
static void *fw;

static void up_fw(void)
{
    rig_up();
    Machine *m = rig.m;
    region_init_ram(&m->ram, "ram", RAM_BYTES);
    map_begin(m);
    region_map(&m->memory, &m->ram, 0);
    fw = fw_cfg_create(m, &m->io, NULL);
    map_commit(m);
    ck_assert(fw_cfg_file(fw, "opt/b", g_bytes_new("hello", 5), NULL));
    ck_assert(fw_cfg_file(fw, "opt/a", g_bytes_new("xy", 2), NULL));
    ck_assert(!fw_cfg_file(fw, "opt/a", g_bytes_new("xy", 2), NULL));
    rig_reset();
}

START_TEST(fw_ports)
{
    char sig[5] = { 0 };
    out(0x510, 0, 2);
    for (unsigned i = 0; i < 4; i++) {
        sig[i] = (char)in(0x511, 1);
    }
    ck_assert_str_eq(sig, "QEMU");
    ck_assert_uint_eq(in(0x511, 1), 0);         /* beyond the end */
    ck_assert_uint_eq(in(0x514, 4), 0x554d4551);
    out(0x510, 0x19, 2);
    uint8_t dir[4 + 2 * 64];
    for (unsigned i = 0; i < sizeof(dir); i++) {
        dir[i] = (uint8_t)in(0x511, 1);
    }
    ck_assert_uint_eq(dir[3], 2);
    ck_assert_str_eq((char *)dir + 4 + 8, "opt/a");
    ck_assert_uint_eq(dir[4 + 64 + 3], 5);
    ck_assert_uint_eq(dir[4 + 64 + 4] << 8 | dir[4 + 64 + 5], 0x21);
    out(0x510, 0x4321, 2);
    ck_assert_uint_eq(in(0x511, 1), 0);
}
END_TEST

static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
    uint32_t d[4] = { GUINT32_TO_BE(control), GUINT32_TO_BE(length),
                      GUINT32_TO_BE((uint32_t)(address >> 32)),
                      GUINT32_TO_BE((uint32_t)address) };
    as_write(rig.m->as_memory, 0x1000, d, sizeof(d));
    out(0x514, 0, 4);
    out(0x518, GUINT32_SWAP_LE_BE(0x1000), 4);
    as_read(rig.m->as_memory, 0x1000, d, 4);
    return GUINT32_FROM_BE(d[0]);
}

START_TEST(fw_dma)
{
    char text[8] = "zzzzzzz";
    as_write(rig.m->as_memory, 0x2000, text, 8);
    ck_assert_uint_eq(dma(0x21u << 16 | 8 | 2, 7, 0x2000), 0);
    as_read(rig.m->as_memory, 0x2000, text, 8);
    ck_assert_int_eq(memcmp(text, "hello\0\0", 8), 0);
    ck_assert_uint_eq(dma(0x21u << 16 | 8 | 4, 3, 0), 0);
    ck_assert_uint_eq(dma(2, 2, 0x2000), 0);
    as_read(rig.m->as_memory, 0x2000, text, 2);
    ck_assert_int_eq(memcmp(text, "lo", 2), 0);
    ck_assert_uint_eq(dma(0x21u << 16 | 8 | 0x10, 2, 0x2000), 1);       /* read-only */
    /* 4 GiB to where there is no memory */
    ck_assert_uint_eq(dma(0x21u << 16 | 8 | 2, 0xffffffff, 0x100000), 1);
    ck_assert_uint_eq(dma(4, 0xffffffff, 0), 0);
    out(0x514, 0xffffffff, 4);
    out(0x518, 0xffffffff, 4);                  /* a descriptor in nothing */
}
END_TEST

Suite *suite_pci(void)
{
    Suite *pci_suite = suite_create("pci");
    RIG_TEST(pci, mechanism_1);
    RIG_TEST(pci, reset_control);
    RIG_TEST(pci, shadow_ram);
    RIG_TEST(pci, routing);
    RIG_TEST(pci, power_management);
    RIG_TEST(pci, moving_ports);
    RIG_TEST(pci, bars);
    RIG_TEST(pci, hotplug);
    TCase *t = tcase_create("fw_cfg/ports");
    tcase_add_checked_fixture(t, up_fw, rig_down);
    tcase_add_test(t, fw_ports);
    suite_add_tcase(pci_suite, t);
    t = tcase_create("fw_cfg/dma");
    tcase_add_checked_fixture(t, up_fw, rig_down);
    tcase_add_test(t, fw_dma);
    suite_add_tcase(pci_suite, t);
    return pci_suite;
}
