/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake.h -- a small invented guest and run time, so that single blocks can run on each engine by
 * themselves.
 *
 * Linear memory from FAKE_BASE on: pages of RAM, one read-only, one that is not there, one of a
 * device that logs its accesses, one with code (stores need permission).  Everything else faults.
 */
#ifndef TESTS_CPU_FAKE_H
#define TESTS_CPU_FAKE_H
#include "accel/dbt/dbt.h"

enum { FAKE_BASE = 0x100000, FAKE_PAGES = 9, PAGE_READONLY = 4, PAGE_MISSING = 5, PAGE_DEVICE = 6,
       PAGE_CODE = 7,
       FAKE_SEGS = 4, FAKE_CTX = 8, FAKE_PC = 0x41235128 };

typedef struct FakeSeg { uint64_t base; int64_t lo, hi_read, hi_write; } FakeSeg;

typedef struct FakeState {              /* all that is compared */
    uint64_t gpr[16], pc, ctx[FAKE_CTX];
    uint32_t fl;
    /* 0 none, 1 page fault, 2 + DbtTrap, 99 raised by the helper */
    uint32_t trap;
    uint64_t trap_at;
    uint64_t device;                    /* hash of the device's accesses in their order */
    uint8_t  vec[16][16] __attribute__((aligned(16)));
    uint8_t  ram[FAKE_PAGES][DBT_PAGE];
} FakeState;

typedef struct FakeCpu {
    DbtCpu   dbt;
    uint64_t ctx[FAKE_CTX];
    FakeSeg  seg[FAKE_SEGS];
    uint64_t cs_base;
    uint32_t cs_limit, mxcsr;
    uint8_t  vec[16][16] __attribute__((aligned(16)));
    uint32_t trap;
    uint64_t trap_at, device;
    uint8_t *ram;                       /* page-aligned: FAKE_PAGES */
    const IrBlock *raw;                 /* what dbt_step() takes guest instructions from */
    unsigned steps, refills;
    bool     endless;                   /* jumped back into itself too often: not comparable */
} FakeCpu;

FakeCpu *fake_new(void);
void     fake_free(FakeCpu *c);
void     fake_load(FakeCpu *c, const FakeState *s);     /* TLB empty */
void     fake_save(const FakeCpu *c, FakeState *s);
bool     fake_inside(const FakeCpu *c);                 /* is pc at an instruction of raw? */
/*
 * Run until pc leaves raw or something raises: one instruction at a time (run NULL), or start with
 * run().
 */
void     fake_run(FakeCpu *c, void (*run)(FakeCpu *c, void *arg), void *arg);
enum { FAKE_HELPERS = 3 };              /* 0 mixes registers; 1 reads and sets flags; 2 may raise */
#endif
