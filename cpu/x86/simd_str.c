/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_str.c -- the string instructions of SSE4.2 and the masked stores, which no vop can express.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 4.1 (the immediate of PCMPxSTRx), MASKMOVQ, MASKMOVDQU.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/simd.h"

/* The immediate byte. */
enum { STR_WORDS = 1, STR_SIGNED = 2, STR_AGGREGATE_SHIFT = 2, STR_INVERT = 0x10,
       STR_VALID_ONLY = 0x20, STR_LAST_OR_MASK = 0x40 };
enum { STR_ANY, STR_RANGES, STR_EACH, STR_ORDERED };

typedef struct StrOperand {
    int      e[16];                     /* elements, extended as the format says */
    unsigned length;                    /* valid ones */
} StrOperand;

static unsigned element_count(unsigned imm) { return imm & STR_WORDS ? 8 : 16; }

static void unpack(StrOperand *o, const X86Lanes *v, unsigned imm)
{
    unsigned n = element_count(imm);
    o->length = n;
    for (unsigned i = 0; i < n; i++) {
        switch (imm & (STR_WORDS | STR_SIGNED)) {
        case 0: o->e[i] = v->u8[i]; break;
        case STR_WORDS: o->e[i] = v->u16[i]; break;
        case STR_SIGNED: o->e[i] = v->s8[i]; break;
        default: o->e[i] = v->s16[i]; break;
        }
    }
}

static void implicit_length(StrOperand *o)
{
    unsigned n = o->length;
    for (o->length = 0; o->length < n && o->e[o->length]; o->length++) {
    }
}

static void explicit_length(StrOperand *o, uint64_t reg, bool wide)
{
    int64_t v = wide ? (int64_t)reg : (int32_t)reg;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    o->length = (unsigned)MIN(u, o->length);
}

/* IntRes1: p is the first operand (the needle), q the second. */
static unsigned aggregate(const StrOperand *p, const StrOperand *q, unsigned imm)
{
    unsigned n = element_count(imm), r = 0;
    for (unsigned j = 0; j < n; j++) {
        bool hit = false, in_q = j < q->length;
        switch (imm >> STR_AGGREGATE_SHIFT & 3) {
        case STR_ANY:
            for (unsigned i = 0; i < p->length && in_q; i++)
                hit |= q->e[j] == p->e[i];
            break;
        case STR_RANGES:
            for (unsigned i = 0; i + 1 < p->length && in_q; i += 2)
                hit |= q->e[j] >= p->e[i] && q->e[j] <= p->e[i + 1];
            break;
        case STR_EACH:
            hit = j < p->length ? in_q && p->e[j] == q->e[j] : !in_q;
            break;
        default:
            hit = true;
            for (unsigned i = 0; i < p->length && i + j < n; i++)
                hit &= i + j < q->length && q->e[i + j] == p->e[i];
            break;
        }
        r |= (unsigned)hit << j;
    }
    return r;
}

static unsigned polarity(unsigned r, const StrOperand *q, unsigned imm)
{
    unsigned all = (1u << element_count(imm)) - 1;
    if (!(imm & STR_INVERT))
        return r;
    return r ^ (imm & STR_VALID_ONLY ? (1u << q->length) - 1 : all);
}

typedef struct StrResult {
    unsigned mask;                      /* IntRes2 */
    bool     p_ends, q_ends;            /* shorter than the register */
} StrResult;

#if defined(__x86_64__)
/* The host's own: PCMPxSTRM with the mask as bits gives IntRes2, whichever form the guest runs. */
typedef long long HostVec __attribute__((vector_size(16)));
#define HOST_4(CASE, i) CASE(i) CASE(i + 1) CASE(i + 2) CASE(i + 3)
#define HOST_16(CASE, i) \
    HOST_4(CASE, i) HOST_4(CASE, i + 4) HOST_4(CASE, i + 8) HOST_4(CASE, i + 12)
#define HOST_64(CASE) HOST_16(CASE, 0) HOST_16(CASE, 16) HOST_16(CASE, 32) HOST_16(CASE, 48)
#define IMPLICIT(i) case (i):                               \
    __asm__("pcmpistrm %5, %4, %3" : "=Yz"(m), "=@ccz"(z), "=@ccs"(s) : "x"(p), "x"(q), "i"(i)); break;
#define EXPLICIT(i) case (i):                               \
    __asm__("pcmpestrm %7, %4, %3" : "=Yz"(m), "=@ccz"(z), "=@ccs"(s) : "x"(p), "x"(q), "a"(np), "d"(nq), "i"(i)); break;

static bool host_has(void) { return __builtin_cpu_supports("sse4.2"); }

static StrResult host_implicit(HostVec p, HostVec q, unsigned imm)
{
    HostVec m = p;
    bool z = false, s = false;
    switch (imm & 63) { HOST_64(IMPLICIT) }
    return (StrResult){ (unsigned)m[0] & 0xffff, s, z };
}

static StrResult host_explicit(HostVec p, HostVec q, unsigned np, unsigned nq, unsigned imm)
{
    HostVec m = p;
    bool z = false, s = false;
    switch (imm & 63) { HOST_64(EXPLICIT) }
    return (StrResult){ (unsigned)m[0] & 0xffff, s, z };
}

static StrResult host_compare(const X86Cpu *cpu, const X86Lanes *first, const X86Lanes *second,
                              uint64_t a, bool explicit)
{
    unsigned imm = a >> 16 & 0xff;
    HostVec p, q;
    memcpy(&p, first, 16);
    memcpy(&q, second, 16);
    if (!explicit)
        return host_implicit(p, q, imm);
    StrOperand np = { .length = 16 }, nq = { .length = 16 };
    explicit_length(&np, cpu->dbt.gpr[R_RAX], a >> 24 & 1);
    explicit_length(&nq, cpu->dbt.gpr[R_RDX], a >> 24 & 1);
    return host_explicit(p, q, np.length, nq.length, imm);
}
#else
static bool host_has(void) { return false; }
static StrResult host_compare(const X86Cpu *cpu, const X86Lanes *first, const X86Lanes *second,
                              uint64_t a, bool explicit)
{
    return (StrResult){ 0 };
}
#endif

static StrResult soft_compare(const X86Cpu *cpu, const X86Lanes *first, const X86Lanes *second,
                              uint64_t a, bool explicit)
{
    unsigned imm = a >> 16 & 0xff, n = element_count(imm);
    StrOperand p, q;
    unpack(&p, first, imm);
    unpack(&q, second, imm);
    if (explicit) {
        explicit_length(&p, cpu->dbt.gpr[R_RAX], a >> 24 & 1);
        explicit_length(&q, cpu->dbt.gpr[R_RDX], a >> 24 & 1);
    } else {
        implicit_length(&p);
        implicit_length(&q);
    }
    return (StrResult){ polarity(aggregate(&p, &q, imm), &q, imm), p.length < n, q.length < n };
}

static unsigned result_flags(StrResult r)
{
    return (r.mask ? EF_CF : 0) | (r.q_ends ? EF_ZF : 0) | (r.p_ends ? EF_SF : 0) |
           (r.mask & 1 ? EF_OF : 0);
}

/*
 * a: reg | rm << 8 (0xff: memory) | imm << 16 | REX.W << 24, b: offset, c: segment.  Returns
 * IntRes2 and sets the flags.
 */
static unsigned compare(X86Cpu *cpu, uint64_t a, uint64_t offset, uint64_t c, bool explicit)
{
    unsigned rm = a >> 8 & 0xff;
    X86Vec second = { 0 };
    if (rm == 0xff)
        dbt_load_bytes(&cpu->dbt, x86_seg_linear(cpu, c & 0xff, offset, 16, false), &second, 16);
    else
        memcpy(&second, &cpu->vec[rm], 16);
    const X86Vec *first = &cpu->vec[a & 0xff];
    StrResult r = host_has() ? host_compare(cpu, first, &second, a, explicit)
                             : soft_compare(cpu, first, &second, a, explicit);
    cpu->dbt.fl = x86_eflags_to_fl(result_flags(r));
    return r.mask;
}

static void put_index(X86Cpu *cpu, unsigned r, unsigned imm)
{
    unsigned at = !r                       ? element_count(imm)
                  : imm & STR_LAST_OR_MASK ? 31 - (unsigned)__builtin_clz(r)
                                           : (unsigned)__builtin_ctz(r);
    cpu->dbt.gpr[R_RCX] = at;
}

static void put_mask(X86Cpu *cpu, unsigned r, unsigned imm)
{
    X86Vec *v = &cpu->vec[0];
    unsigned n = element_count(imm);
    if (!(imm & STR_LAST_OR_MASK)) {
        v->u64[0] = r;
        v->u64[1] = 0;
        return;
    }
    for (unsigned i = 0; i < 16; i++)
        v->u8[i] = r >> (i / (16 / n)) & 1 ? 0xff : 0;
}

uint64_t x86_h_pcmpestri(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    put_index(cpu, compare(cpu, a, b, c, true), a >> 16 & 0xff);
    return 0;
}

uint64_t x86_h_pcmpistri(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    put_index(cpu, compare(cpu, a, b, c, false), a >> 16 & 0xff);
    return 0;
}

uint64_t simd_pcmpistri(void *cpu, void *d, const void *s, unsigned imm8)
{
    X86Cpu *c = cpu;
    StrResult r = host_has() ? host_compare(c, d, s, (uint64_t)imm8 << 16, false)
                             : soft_compare(c, d, s, (uint64_t)imm8 << 16, false);
    put_index(c, r.mask, imm8);
    return result_flags(r);
}

uint64_t x86_h_pcmpestrm(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    put_mask(cpu, compare(cpu, a, b, c, true), a >> 16 & 0xff);
    return 0;
}

uint64_t x86_h_pcmpistrm(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    put_mask(cpu, compare(cpu, a, b, c, false), a >> 16 & 0xff);
    return 0;
}

/*
 * Stores the bytes of v whose mask byte is negative, at offset; every byte that is stored is
 * checked first.
 */
static void masked_store(X86Cpu *c, unsigned segment, uint64_t offset, uint64_t wrap,
                         const uint8_t *v, const int8_t *mask, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (mask[i] < 0)
            dbt_check(&c->dbt, x86_seg_linear(c, segment, (offset + i) & wrap, 1, true), 1,
                      ACCESS_WRITE);
    }
    for (unsigned i = 0; i < n; i++) {
        if (mask[i] < 0)
            x86_st(c, segment, (offset + i) & wrap, v[i], 1);
    }
}

static uint64_t address_mask(uint64_t c)
{
    unsigned bits = c >> 8 & 0xff;
    return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

uint64_t x86_h_maskmovdqu(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    X86Cpu *x = cpu;
    uint64_t wrap = address_mask(c);
    masked_store(x, c & 0xff, b & wrap, wrap, x->vec[a & 0xff].u8, x->vec[a >> 8 & 0xff].s8, 16);
    return 0;
}

uint64_t x86_h_maskmovq(void *cpu, uint64_t a, uint64_t b, uint64_t c)
{
    X86Cpu *x = cpu;
    uint64_t wrap = address_mask(c);
    uint8_t v[8];
    int8_t mask[8];
    memcpy(v, &x->fpr[a & 7].mant, 8);
    memcpy(mask, &x->fpr[a >> 8 & 7].mant, 8);
    masked_store(x, c & 0xff, b & wrap, wrap, v, mask, 8);
    return 0;
}
