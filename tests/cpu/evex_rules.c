/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_rules.c -- instructions on opmask registers, GFNI without EVEX, and what an EVEX prefix must
 * not say.
 *
 * usage: evex_rules [rounds [seed]]
 * prints "ok NAME" or "not ok NAME"; ends with 1 if any differs.
 *
 * Spec: Intel SDM (325383) vol. 2, KADDW to KXORW, GF2P8MULB; 2.7.11 (#UD of EVEX).
 * Threads: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/cpu/evex.h"
#include "cpu/x86/evex_mask.h"

static X86Cpu *cpu;
static unsigned bad;
static uint8_t memory[128] __attribute__((aligned(64)));

static void report(const char *name, bool ok)
{
    printf("%s evex_rules %s\n", ok ? "ok" : "not ok", name);
    bad += !ok;
}

/* The vector raised, or -1. */
static int run(const uint8_t *code, unsigned n, bool native)
{
    int v = setjmp(guest_raised);
    if (v)
        return v - 1;
    cpu->dbt.gpr[R_RDI] = (uintptr_t)memory;
    return guest_translated(cpu, code, n, X86_MODE_FPU | X86_MODE_SSE | X86_MODE_AVX, native) ? -1
                                                                                              : -2;
}

/* Destination k4 (or ecx), sources k6 and k5 (or edx, or memory at rdi + 8); shifts by 3. */
static const struct { const char *name; uint8_t op, bytes, n, code[6]; } kops[] = {
    { "kandb", KOP_AND, 1, 4, { 0xc5, 0xcd, 0x41, 0xe5 } },
    { "kandw", KOP_AND, 2, 4, { 0xc5, 0xcc, 0x41, 0xe5 } },
    { "kandd", KOP_AND, 4, 5, { 0xc4, 0xe1, 0xcd, 0x41, 0xe5 } },
    { "kandq", KOP_AND, 8, 5, { 0xc4, 0xe1, 0xcc, 0x41, 0xe5 } },
    { "kandnb", KOP_ANDN, 1, 4, { 0xc5, 0xcd, 0x42, 0xe5 } },
    { "kandnw", KOP_ANDN, 2, 4, { 0xc5, 0xcc, 0x42, 0xe5 } },
    { "kandnd", KOP_ANDN, 4, 5, { 0xc4, 0xe1, 0xcd, 0x42, 0xe5 } },
    { "kandnq", KOP_ANDN, 8, 5, { 0xc4, 0xe1, 0xcc, 0x42, 0xe5 } },
    { "korb", KOP_OR, 1, 4, { 0xc5, 0xcd, 0x45, 0xe5 } },
    { "korw", KOP_OR, 2, 4, { 0xc5, 0xcc, 0x45, 0xe5 } },
    { "kord", KOP_OR, 4, 5, { 0xc4, 0xe1, 0xcd, 0x45, 0xe5 } },
    { "korq", KOP_OR, 8, 5, { 0xc4, 0xe1, 0xcc, 0x45, 0xe5 } },
    { "kxnorb", KOP_XNOR, 1, 4, { 0xc5, 0xcd, 0x46, 0xe5 } },
    { "kxnorw", KOP_XNOR, 2, 4, { 0xc5, 0xcc, 0x46, 0xe5 } },
    { "kxnord", KOP_XNOR, 4, 5, { 0xc4, 0xe1, 0xcd, 0x46, 0xe5 } },
    { "kxnorq", KOP_XNOR, 8, 5, { 0xc4, 0xe1, 0xcc, 0x46, 0xe5 } },
    { "kxorb", KOP_XOR, 1, 4, { 0xc5, 0xcd, 0x47, 0xe5 } },
    { "kxorw", KOP_XOR, 2, 4, { 0xc5, 0xcc, 0x47, 0xe5 } },
    { "kxord", KOP_XOR, 4, 5, { 0xc4, 0xe1, 0xcd, 0x47, 0xe5 } },
    { "kxorq", KOP_XOR, 8, 5, { 0xc4, 0xe1, 0xcc, 0x47, 0xe5 } },
    { "kaddb", KOP_ADD, 1, 4, { 0xc5, 0xcd, 0x4a, 0xe5 } },
    { "kaddw", KOP_ADD, 2, 4, { 0xc5, 0xcc, 0x4a, 0xe5 } },
    { "kaddd", KOP_ADD, 4, 5, { 0xc4, 0xe1, 0xcd, 0x4a, 0xe5 } },
    { "kaddq", KOP_ADD, 8, 5, { 0xc4, 0xe1, 0xcc, 0x4a, 0xe5 } },
    { "kunpckbw", KOP_UNPCK, 1, 4, { 0xc5, 0xcd, 0x4b, 0xe5 } },
    { "kunpckwd", KOP_UNPCK, 2, 4, { 0xc5, 0xcc, 0x4b, 0xe5 } },
    { "kunpckdq", KOP_UNPCK, 4, 5, { 0xc4, 0xe1, 0xcc, 0x4b, 0xe5 } },
    { "knotb", KOP_NOT, 1, 4, { 0xc5, 0xf9, 0x44, 0xe5 } },
    { "kmovb", KOP_MOV, 1, 4, { 0xc5, 0xf9, 0x90, 0xe5 } },
    { "kmovb", KOP_LOAD, 1, 5, { 0xc5, 0xf9, 0x90, 0x67, 0x08 } },
    { "kmovb", KOP_STORE, 1, 5, { 0xc5, 0xf9, 0x91, 0x67, 0x08 } },
    { "kmovb", KOP_FROM_GPR, 1, 4, { 0xc5, 0xf9, 0x92, 0xe2 } },
    { "kmovb", KOP_TO_GPR, 1, 4, { 0xc5, 0xf9, 0x93, 0xcd } },
    { "kortestb", KOP_ORTEST, 1, 4, { 0xc5, 0xf9, 0x98, 0xe5 } },
    { "ktestb", KOP_TEST, 1, 4, { 0xc5, 0xf9, 0x99, 0xe5 } },
    { "kshiftrb", KOP_SHR, 1, 6, { 0xc4, 0xe3, 0x79, 0x30, 0xe5, 0x03 } },
    { "kshiftlb", KOP_SHL, 1, 6, { 0xc4, 0xe3, 0x79, 0x32, 0xe5, 0x03 } },
    { "knotw", KOP_NOT, 2, 4, { 0xc5, 0xf8, 0x44, 0xe5 } },
    { "kmovw", KOP_MOV, 2, 4, { 0xc5, 0xf8, 0x90, 0xe5 } },
    { "kmovw", KOP_LOAD, 2, 5, { 0xc5, 0xf8, 0x90, 0x67, 0x08 } },
    { "kmovw", KOP_STORE, 2, 5, { 0xc5, 0xf8, 0x91, 0x67, 0x08 } },
    { "kmovw", KOP_FROM_GPR, 2, 4, { 0xc5, 0xf8, 0x92, 0xe2 } },
    { "kmovw", KOP_TO_GPR, 2, 4, { 0xc5, 0xf8, 0x93, 0xcd } },
    { "kortestw", KOP_ORTEST, 2, 4, { 0xc5, 0xf8, 0x98, 0xe5 } },
    { "ktestw", KOP_TEST, 2, 4, { 0xc5, 0xf8, 0x99, 0xe5 } },
    { "kshiftrw", KOP_SHR, 2, 6, { 0xc4, 0xe3, 0xf9, 0x30, 0xe5, 0x03 } },
    { "kshiftlw", KOP_SHL, 2, 6, { 0xc4, 0xe3, 0xf9, 0x32, 0xe5, 0x03 } },
    { "knotd", KOP_NOT, 4, 5, { 0xc4, 0xe1, 0xf9, 0x44, 0xe5 } },
    { "kmovd", KOP_MOV, 4, 5, { 0xc4, 0xe1, 0xf9, 0x90, 0xe5 } },
    { "kmovd", KOP_LOAD, 4, 6, { 0xc4, 0xe1, 0xf9, 0x90, 0x67, 0x08 } },
    { "kmovd", KOP_STORE, 4, 6, { 0xc4, 0xe1, 0xf9, 0x91, 0x67, 0x08 } },
    { "kmovd", KOP_FROM_GPR, 4, 4, { 0xc5, 0xfb, 0x92, 0xe2 } },
    { "kmovd", KOP_TO_GPR, 4, 4, { 0xc5, 0xfb, 0x93, 0xcd } },
    { "kortestd", KOP_ORTEST, 4, 5, { 0xc4, 0xe1, 0xf9, 0x98, 0xe5 } },
    { "ktestd", KOP_TEST, 4, 5, { 0xc4, 0xe1, 0xf9, 0x99, 0xe5 } },
    { "kshiftrd", KOP_SHR, 4, 6, { 0xc4, 0xe3, 0x79, 0x31, 0xe5, 0x03 } },
    { "kshiftld", KOP_SHL, 4, 6, { 0xc4, 0xe3, 0x79, 0x33, 0xe5, 0x03 } },
    { "knotq", KOP_NOT, 8, 5, { 0xc4, 0xe1, 0xf8, 0x44, 0xe5 } },
    { "kmovq", KOP_MOV, 8, 5, { 0xc4, 0xe1, 0xf8, 0x90, 0xe5 } },
    { "kmovq", KOP_LOAD, 8, 6, { 0xc4, 0xe1, 0xf8, 0x90, 0x67, 0x08 } },
    { "kmovq", KOP_STORE, 8, 6, { 0xc4, 0xe1, 0xf8, 0x91, 0x67, 0x08 } },
    { "kmovq", KOP_FROM_GPR, 8, 5, { 0xc4, 0xe1, 0xfb, 0x92, 0xe2 } },
    { "kmovq", KOP_TO_GPR, 8, 5, { 0xc4, 0xe1, 0xfb, 0x93, 0xcd } },
    { "kortestq", KOP_ORTEST, 8, 5, { 0xc4, 0xe1, 0xf8, 0x98, 0xe5 } },
    { "ktestq", KOP_TEST, 8, 5, { 0xc4, 0xe1, 0xf8, 0x99, 0xe5 } },
    { "kshiftrq", KOP_SHR, 8, 6, { 0xc4, 0xe3, 0xf9, 0x31, 0xe5, 0x03 } },
    { "kshiftlq", KOP_SHL, 8, 6, { 0xc4, 0xe3, 0xf9, 0x33, 0xe5, 0x03 } },
};

static uint64_t cut(uint64_t v, unsigned bytes)
{
    return bytes == 8 ? v : v & ((UINT64_C(1) << 8 * bytes) - 1);
}

static bool k_is_right(unsigned i, bool native)
{
    unsigned bytes = kops[i].bytes;
    uint64_t k4 = random64() % 4 ? random64() : 0, k5 = random64() % 4 ? random64() : k4,
             k6 = random64(), rdx = random64(), m = random64(), r = 0;
    if (random64() % 4 == 0)
        k5 = ~k4;
    cpu->opmask[4] = k4, cpu->opmask[5] = k5, cpu->opmask[6] = k6;
    cpu->dbt.gpr[R_RDX] = rdx;
    cpu->dbt.gpr[R_RCX] = 1;
    memcpy(memory + 8, &m, 8);
    if (run(kops[i].code, kops[i].n, native) != -1)
        return false;
    uint64_t a = cut(k6, bytes), b = cut(k5, bytes), got = cpu->opmask[4],
             flags = x86_fl_to_eflags(cpu->dbt.fl) & EF_ARITH;
    switch (kops[i].op) {
    case KOP_AND: r = a & b; break;
    case KOP_ANDN: r = ~a & b; break;
    case KOP_OR: r = a | b; break;
    case KOP_XNOR: r = ~(a ^ b); break;
    case KOP_XOR: r = a ^ b; break;
    case KOP_ADD: r = a + b; break;
    case KOP_UNPCK: return got == (a << 8 * bytes | b);
    case KOP_NOT: r = ~b; break;
    case KOP_MOV: r = b; break;
    case KOP_LOAD: r = m; break;
    case KOP_FROM_GPR: r = rdx; break;
    case KOP_SHR: r = b >> 3; break;
    case KOP_SHL: r = b << 3; break;
    case KOP_TO_GPR: return cpu->dbt.gpr[R_RCX] == b && got == k4;
    case KOP_STORE: {
        uint64_t stored;
        memcpy(&stored, memory + 8, 8);
        return cut(stored, bytes) == cut(k4, bytes) &&
               (stored ^ cut(stored, bytes)) == (m ^ cut(m, bytes));
    }
    case KOP_ORTEST: {
        uint64_t v = cut(k4 | k5, bytes);
        return got == k4 &&
               flags == ((v == 0 ? EF_ZF : 0u) | (v == cut(~UINT64_C(0), bytes) ? EF_CF : 0u));
    }
    default: {
        uint64_t z = cut(k4 & k5, bytes), c = cut(~k4 & k5, bytes);
        return got == k4 && flags == ((z == 0 ? EF_ZF : 0u) | (c == 0 ? EF_CF : 0u));
    }
    }
    return got == cut(r, bytes);
}

static void opmasks(unsigned rounds)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kops); i++) {
        bool ok = true;
        for (unsigned k = 0; k < rounds; k++)
            ok &= k_is_right(i, k & 1);
        if (!ok)
            report(kops[i].name, false);
    }
    report("opmask registers", true);
}

/* ---- GFNI: destination xmm1, sources xmm1 or xmm3 and xmm2 or memory ---- */
static void gfni(unsigned rounds)
{
    static const struct { const char *name, *ref; uint8_t vl, vex, mem, n, code[6]; } rows[] = {
        { "gf2p8mulb", "gf2p8mulb", 16, 0, 0, 5, { 0x66, 0x0f, 0x38, 0xcf, 0xca } },
        { "gf2p8affineqb", "gf2p8affineqb", 16, 0, 0, 6, { 0x66, 0x0f, 0x3a, 0xce, 0xca, 0x63 } },
        { "gf2p8affineinvqb", "gf2p8affineinvqb", 16, 0, 1, 6,
          { 0x66, 0x0f, 0x3a, 0xcf, 0x0f, 0x63 } },
        { "vgf2p8mulb", "gf2p8mulb", 32, 1, 0, 5, { 0xc4, 0xe2, 0x65, 0xcf, 0xca } },
        { "vgf2p8affineqb", "gf2p8affineqb", 16, 1, 0, 6, { 0xc4, 0xe3, 0xe1, 0xce, 0xca, 0x63 } },
        { "vgf2p8affineinvqb", "gf2p8affineinvqb", 32, 1, 1, 6,
          { 0xc4, 0xe3, 0xe5, 0xcf, 0x0f, 0x63 } },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool ok = true;
        for (unsigned k = 0; k < rounds; k++) {
            RefOp o = { .vl = rows[i].vl, .n = rows[i].vl, .to = 1, .from = 1, .imm = 0x63 };
            for (unsigned q = 0; q < 32; q++)
                cpu->vec[q / 8].u64[q % 8] = random64();
            for (unsigned q = 0; q < sizeof memory; q++)
                memory[q] = (uint8_t)random64();
            o.a = cpu->vec[rows[i].vex ? 3 : 1];
            o.b = cpu->vec[2];
            if (rows[i].mem)
                memcpy(&o.b, memory, 64);
            o.r = cpu->vec[1];
            if (rows[i].vex)
                memset(&o.r, 0, sizeof o.r);
            ref_find(rows[i].ref)(&o);
            ok &= run(rows[i].code, rows[i].n, k & 1) == -1 && !memcmp(&o.r, &cpu->vec[1], 64);
        }
        report(rows[i].name, ok);
    }
}

/* ---- what is #UD ---- */
static const struct { const char *name; int raised; uint8_t n, code[10]; } rules[] = {
    { "vaddps zmm1{k1}, zmm2, zmm3", -1, 6, { 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "vaddps zmm1{k1}{z}, zmm2, zmm3", -1, 6, { 0x62, 0xf1, 0x6c, 0xc9, 0x58, 0xcb } },
    { "vaddps {ru-sae}", -1, 6, { 0x62, 0xf1, 0x6c, 0x59, 0x58, 0xcb } },
    { "P0 bit 3", EXC_UD, 6, { 0x62, 0xf9, 0x6c, 0x49, 0x58, 0xcb } },
    { "map 0", EXC_UD, 6, { 0x62, 0xf0, 0x6c, 0x49, 0x58, 0xcb } },
    { "map 4", EXC_UD, 6, { 0x62, 0xf4, 0x6c, 0x49, 0x58, 0xcb } },
    { "P1 bit 2", EXC_UD, 6, { 0x62, 0xf1, 0x68, 0x49, 0x58, 0xcb } },
    { "W", EXC_UD, 6, { 0x62, 0xf1, 0xec, 0x49, 0x58, 0xcb } },
    { "L'L of 3", EXC_UD, 6, { 0x62, 0xf1, 0x6c, 0x69, 0x58, 0xcb } },
    { "L'L of 3 as a rounding", -1, 6, { 0x62, 0xf1, 0x6c, 0x79, 0x58, 0xcb } },
    { "z without a mask", EXC_UD, 6, { 0x62, 0xf1, 0x6c, 0xc8, 0x58, 0xcb } },
    { "66 before EVEX", EXC_UD, 7, { 0x66, 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "F2 before EVEX", EXC_UD, 7, { 0xf2, 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "F3 before EVEX", EXC_UD, 7, { 0xf3, 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "LOCK before EVEX", EXC_UD, 7, { 0xf0, 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "REX before EVEX", EXC_UD, 7, { 0x40, 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "a segment before EVEX", -1, 7, { 0x2e, 0x62, 0xf1, 0x6c, 0x49, 0x58, 0xcb } },
    { "vmovups [rdi]{k1}, zmm1", -1, 6, { 0x62, 0xf1, 0x7c, 0x49, 0x11, 0x0f } },
    { "z of a store", EXC_UD, 6, { 0x62, 0xf1, 0x7c, 0xc9, 0x11, 0x0f } },
    { "vvvv that is not used", EXC_UD, 6, { 0x62, 0xf1, 0x6c, 0x49, 0x11, 0x0f } },
    { "V' that is not used", EXC_UD, 6, { 0x62, 0xf1, 0x7c, 0x41, 0x11, 0x0f } },
    { "b of a store", EXC_UD, 6, { 0x62, 0xf1, 0x7c, 0x59, 0x11, 0x0f } },
    { "vpaddd zmm1, zmm2, [rdi]{1to16}", -1, 6, { 0x62, 0xf1, 0x6d, 0x58, 0xfe, 0x0f } },
    { "b of integers in registers", EXC_UD, 6, { 0x62, 0xf1, 0x6d, 0x58, 0xfe, 0xcb } },
    { "b of bytes in memory", EXC_UD, 6, { 0x62, 0xf1, 0x6d, 0x58, 0xfc, 0x0f } },
    { "vpcmpeqd k1{k2}, zmm2, zmm3", -1, 6, { 0x62, 0xf1, 0x6d, 0x4a, 0x76, 0xcb } },
    { "z of a comparison", EXC_UD, 6, { 0x62, 0xf1, 0x6d, 0xca, 0x76, 0xcb } },
    { "R of an opmask destination", EXC_UD, 6, { 0x62, 0x71, 0x6d, 0x4a, 0x76, 0xcb } },
    { "R' of an opmask destination", EXC_UD, 6, { 0x62, 0xe1, 0x6d, 0x4a, 0x76, 0xcb } },
    { "vmovntps [rdi], zmm1", -1, 6, { 0x62, 0xf1, 0x7c, 0x48, 0x2b, 0x0f } },
    { "a mask of VMOVNTPS", EXC_UD, 6, { 0x62, 0xf1, 0x7c, 0x49, 0x2b, 0x0f } },
    { "R' of a general register", EXC_UD, 6, { 0x62, 0xe1, 0x7e, 0x08, 0x2d, 0xcb } },
    { "vpgatherdd zmm1{k1}, [rdi + zmm2]", -1, 7, { 0x62, 0xf2, 0x7d, 0x49, 0x90, 0x0c, 0x17 } },
    { "vpgatherdd without a mask", EXC_UD, 7, { 0x62, 0xf2, 0x7d, 0x48, 0x90, 0x0c, 0x17 } },
    { "vpgatherdd with z", EXC_UD, 7, { 0x62, 0xf2, 0x7d, 0xc9, 0x90, 0x0c, 0x17 } },
    { "vpgatherdd into its index", EXC_UD, 7, { 0x62, 0xf2, 0x7d, 0x49, 0x90, 0x14, 0x17 } },
    { "vpgatherdd without SIB", EXC_UD, 7, { 0x62, 0xf2, 0x7d, 0x49, 0x90, 0x0f, 0x17 } },
    { "vpermd xmm", EXC_UD, 6, { 0x62, 0xf2, 0x6d, 0x08, 0x36, 0xcb } },
    { "vpermd ymm", -1, 6, { 0x62, 0xf2, 0x6d, 0x28, 0x36, 0xcb } },
    { "vbroadcastf32x8 ymm", EXC_UD, 6, { 0x62, 0xf2, 0x7d, 0x28, 0x1b, 0x0f } },
    { "vmovq zmm", EXC_UD, 6, { 0x62, 0xf1, 0xfe, 0x48, 0x7e, 0xcb } },
    /* disp8 * 16: see below */
    { "vmovaps of an odd address", EXC_GP, 7, { 0x62, 0xf1, 0x7c, 0x08, 0x28, 0x4f, 0x01 } },
    { "kandw with L 0", EXC_UD, 4, { 0xc5, 0xc8, 0x41, 0xe5 } },
    { "kandw with memory", EXC_UD, 4, { 0xc5, 0xcc, 0x41, 0x27 } },
    { "knotw with L 1", EXC_UD, 4, { 0xc5, 0xfc, 0x44, 0xe5 } },
    { "kmovw of k12", EXC_UD, 4, { 0xc5, 0x78, 0x90, 0xe5 } },
    { "kandw of k14", EXC_UD, 4, { 0xc5, 0x8c, 0x41, 0xe5 } },
    { "vgf2p8affineqb with W 0", EXC_UD, 6, { 0xc4, 0xe3, 0x61, 0xce, 0xca, 0x63 } },
};

static void forbidden(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
        for (unsigned native = 0; native < 2; native++) {
            uint8_t code[10];
            int want = rules[i].raised;
            memset(cpu->vec, 0, sizeof cpu->vec);
            memset(cpu->opmask, 0, sizeof cpu->opmask);
            memcpy(code, rules[i].code, sizeof code);
            /* a 32-bit displacement, which is not scaled */
            if (want == EXC_GP)
                code[5] = 0x8f, code[6] = 1, code[7] = code[8] = code[9] = 0;
            int got = run(code, want == EXC_GP ? 10 : rules[i].n, native);
            if (got != want) {
                printf("# expected %d, got %d\n", want, got);
                report(rules[i].name, false);
            }
        }
    }
    report("rules of the prefix", true);
}

static void states(void)
{
    const uint8_t *add = rules[0].code;
    uint8_t ymm[6] = { 0x62, 0xf1, 0x6c, 0x28, 0x58, 0xcb };
    cpu->xcr0 = 7;
    report("XCR0 without opmask and ZMM",
           run(add, 6, false) == EXC_UD && run(kops[0].code, kops[0].n, true) == EXC_UD);
    cpu->xcr0 = 0x67;
    report("XCR0 without ZMM16 to 31", run(add, 6, true) == EXC_UD);
    cpu->xcr0 = 0xe7;
    cpu->cr0 |= CR0_TS;
    report("CR0.TS", run(add, 6, false) == EXC_NM && run(kops[0].code, kops[0].n, true) == EXC_NM);
    cpu->cr0 &= ~(uint64_t)CR0_TS;
    cpu->feat[FEAT_7_EBX] &= ~(UINT32_C(1) << 31);
    report("without AVX512VL", run(ymm, 6, false) == EXC_UD && run(add, 6, false) == -1);
    cpu->feat[FEAT_7_EBX] = ~(UINT32_C(1) << 16);
    report("without AVX512F",
           run(add, 6, false) == EXC_UD && run(kops[0].code, kops[0].n, false) == EXC_UD);
    cpu->feat[FEAT_7_EBX] = UINT32_MAX;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 100;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    cpu = guest_new();
    cpu->cr4 |= CR4_OSXSAVE;
    cpu->xcr0 = 0xe7;
    cpu->mxcsr = 0x1f80;
    opmasks(rounds);
    gfni(rounds);
    forbidden();
    states();
    return bad != 0;
}
