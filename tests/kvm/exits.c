/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c -- a guest that leaves for a device again and again, and prints the cycles of the TSC
 * that a turn takes.
 *
 * Spec: none.  Built like the guests of tests/guest.
 */
#include "tests/guest/lib.h"

enum { TESTDEV_SLOT = 5, TESTDEV_BAR = 0xe0000000, TESTDEV_ID = 0x00051b36 };
enum { TURNS = 20000, PORT_POST = 0x80, PORT_RTC = 0x71, HPET_COUNT = 0xfed000f0,
       IOAPIC_WINDOW = 0xfec00010 };

static inline u64 tsc(void)
{
    u32 lo, hi;
    asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

static void put_number(u32 n)
{
    char text[12];
    int  i = 11;

    text[i] = 0;
    do {
        text[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    put(text + i);
}

static void say(const char *what, u64 since)
{
    u64 turns = tsc() - since;
    u32 lo = (u32)turns, hi = (u32)(turns >> 32), q;

    asm("divl %2" : "=a"(q), "+d"(hi) : "r"((u32)TURNS), "a"(lo));
    put("CYCLES ");
    put(what);
    put(" ");
    put_number(q);
    put("\n");
}

static inline void out32(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }
static inline u32 in32(u16 port)
{
    u32 v;
    asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static void config(u32 reg, u32 v)
{
    out32(0xcf8, 0x80000000 | TESTDEV_SLOT << 11 | reg);
    out32(0xcfc, v);
}

/*
 * pci-testdev in slot 5, if it is there: test 0 is a register, test 1 rings
 * (docs/specs/pci-testdev).
 */
static void bells(void)
{
    static const char *const names[] = { "pci-write", "pci-doorbell" };
    volatile u8  *bar = (volatile u8 *)TESTDEV_BAR;
    volatile u32 *count = (volatile u32 *)(TESTDEV_BAR + 12);

    out32(0xcf8, 0x80000000 | TESTDEV_SLOT << 11);
    if (in32(0xcfc) != TESTDEV_ID) {
        return;
    }
    config(0x10, TESTDEV_BAR);
    config(0x04, 2);
    for (u8 test = 0; test < 2; test++) {
        bar[0] = test;
        *count = 0;
        u64 t = tsc();
        for (int i = 0; i < TURNS; i++) {
            bar[0x800 + 4 * test] = 0xfa;
        }
        say(names[test], t);
        for (int i = 0; i < 1000 && !*count; i++) {
        }
        check(names[test], *count != 0 && *count <= TURNS, 1);
    }
}

void start(void) __attribute__((section(".text.start")));
void start(void)
{
    for (int round = 0; round < 3; round++) {
        u64 t = tsc();
        for (int i = 0; i < TURNS; i++) {
            outb(PORT_POST, (u8)i);
        }
        say("pio-write", t);
        t = tsc();
        for (int i = 0; i < TURNS; i++) {
            inb(PORT_RTC);
        }
        say("pio-read", t);
        t = tsc();
        for (int i = 0; i < TURNS; i++) {
            (void)*(volatile u32 *)HPET_COUNT;
        }
        say("mmio-read", t);
        t = tsc();
        for (int i = 0; i < TURNS; i++) {
            *(volatile u32 *)IOAPIC_WINDOW = 0;     /* register 0: its id */
        }
        say("mmio-write-ioapic", t);
        bells();
    }
    finish();
}
