/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.h -- the PC's timers, and how a machine wires them.
 *
 *     void *pit  = pit_create(m, isa, err);                isa-pit: ports 40-43, IRQ 0
 *     void *spk  = pcspk_create(m, isa, pit, audiodev, err);
 *     isa-pcspk: port 61 (gate and OUT of channel 2, refresh toggle)
 *     void *rtc  = rtc_create(m, isa, err);                mc146818rtc: ports 70-71, IRQ 8
 *     void *hpet = hpet_create(m, &m->memory, gsi, err);   hpet: 1 KiB at fed00000
 * With an HPET, the PIT's and the RTC's wires run through it, since legacy replacement cuts them
 *     off: pit_connect(pit, hpet_legacy, hpet, 0);  rtc_connect(rtc, hpet_legacy, hpet, 8);
 * without one, pit_create and rtc_create have already connected them to IRQ 0 and 8 of the ISA bus.
 *
 * Threads: with the machine lock.
 */
#ifndef HW_TIMER_H
#define HW_TIMER_H
#include "core/machine.h"

typedef void TimerSink(void *dev, unsigned n, bool level);

void *pit_create(Machine *m, Bus *isa, GError **err);
void  pit_connect(void *pit, TimerSink *sink, void *dev, unsigned n);
bool  pit_get_out(void *pit, unsigned channel);             /* the OUT pin now; channel 0..2 */
void  pit_set_gate(void *pit, unsigned channel, bool level);

/* port 61h's, if the accelerator has it; else false */
bool  pit_speaker(void *pit, bool *gate, bool *on);
void  pit_set_speaker(void *pit, bool on);
/* the HPET has IRQ 0, or has it no more */
void  pit_cut(void *pit, bool cut);

/*
 * A speaker that is heard follows counter 2: before anything of it changes or is read, before() is
 * called.
 */
void  pit_listen(void *pit, void (*before)(void *dev), void *dev);
#define PIT_HZ          1193182ull
enum { PIT_FINE = 256 };              /* pit_high() counts in 1/PIT_FINE ticks of guest time: */
uint64_t pit_fine_time(uint64_t ns);
/* how long OUT is high in that time */
uint64_t pit_high(void *pit, unsigned channel, uint64_t from, uint64_t to);

/* audiodev: id of what plays it, or NULL. */
void *pcspk_create(Machine *m, Bus *isa, void *pit, const char *audiodev, GError **err);

/*
 * Time of day starts at rtc_set_time(): seconds since 1970 as the guest is to see them (-rtc base=,
 * localtime already added), running on the given clock (-rtc clock=: TIME_WALL or TIME_HOST or
 * TIME_GUEST).  Default: the host's UTC now, TIME_GUEST.
 */
void *rtc_create(Machine *m, Bus *isa, GError **err);
void  rtc_connect(void *rtc, TimerSink *sink, void *dev, unsigned n);
void  rtc_set_time(void *rtc, int64_t seconds, TimeBase base);
/* -rtc driftfix=slew: make up for periodic interrupts a guest missed */
void  rtc_set_slew(void *rtc, bool on);
/* index 0x0e..0x7f but 0x32; kept over resets */
void  rtc_cmos_set(void *rtc, unsigned index, uint8_t val);

void *hpet_create(Machine *m, Region *memory, void *gsi, GError **err);
/* sink: 0 the PIT's OUT0, 8 the RTC's IRQ */
void  hpet_legacy(void *hpet, unsigned n, bool level);
/* told when legacy replacement comes and goes */
void  hpet_watch(void *hpet, void (*cut)(void *dev, bool cut), void *dev);
#endif
