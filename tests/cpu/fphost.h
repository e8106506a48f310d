/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fphost.h -- what the tests of floating point and SIMD share: one instruction run by the host, and
 * a guest CPU whose memory is the host's.
 */
#ifndef TESTS_CPU_FPHOST_H
#define TESTS_CPU_FPHOST_H
#include <setjmp.h>
#include "cpu/x86/simd.h"

/* loaded before the instruction and stored after it; offsets are known to fphost.c */
typedef struct HostState {
    uint8_t  xmm[3][16];                /* 0 */
    uint64_t mm[3];                     /* 48 */
    uint64_t rax, rcx, rdx;             /* 72, 80, 88 */
    uint64_t rflags;                    /* 96 */
    uint32_t mxcsr, with_mmx;           /* 104, 108 */
    uint8_t  x87[112];                  /* 112: FNSAVE image, 108 bytes */
    uint64_t with_x87;                  /* 224: load and store it (and not mm) */
    uint8_t  mem[128] __attribute__((aligned(64)));     /* 256: at rdi and at the tests' [rdi] */
} HostState;

typedef enum { HOST_DONE, HOST_SIGFPE, HOST_SIGILL } HostResult;
void       host_init(void);
/*
 * Run n bytes of code on s.  SIGFPE: the instruction is skipped, MXCSR's flags are those that the
 * handler saw.
 */
HostResult host_run(HostState *s, const uint8_t *code, unsigned n);

X86Cpu    *guest_new(void);             /* 64-bit code, protected mode, all features */
/*
 * Decode, translate, optimise and run n bytes of code, by the interpreter or natively; mode:
 * X86_MODE_* besides.
 */
bool       guest_translated(X86Cpu *c, const uint8_t *code, unsigned n, uint64_t mode, bool native);

/* accesses at and above this address are page faults; 0: none */
extern uint64_t guest_forbidden;
extern jmp_buf guest_raised;            /* x86_raise() jumps here with the vector + 1 */
uint64_t   random64(void);
extern uint64_t random_state;
#endif
