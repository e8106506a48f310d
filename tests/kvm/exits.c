/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c -- a guest that leaves for a device again and again, and prints the cycles of the TSC that a turn takes.
 *
 * Spec: none.  Built like the guests of tests/guest.
 */
#include "tests/guest/lib.h"

enum { TURNS = 20000, PORT_POST = 0x80, PORT_RTC = 0x71, HPET_COUNT = 0xfed000f0, IOAPIC_WINDOW = 0xfec00010 };

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
    }
    finish();
}
