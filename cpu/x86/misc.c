/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * misc.c -- integer instructions that are rare or long: decimal arithmetic, CMPXCHG8B and 16B,
 * ENTER, PUSHA, POPA, STMXCSR.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name.
 * Omits: ENTER's probe of the new stack top.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/cpu.h"

/* ---- decimal arithmetic ---- */
static unsigned result_flags(uint8_t v)
{
    return (v == 0 ? EF_ZF : 0) | (v & EF_SF) | (__builtin_parity(v) ? 0 : EF_PF);
}

/* DAA, DAS. */
static uint8_t adjust_packed(uint8_t al, unsigned *ef, bool subtract)
{
    bool cf = *ef & EF_CF, low = (al & 15) > 9 || (*ef & EF_AF), high = al > 0x99 || cf;
    uint8_t r = al, by = (low ? 6 : 0) + (high ? 0x60 : 0);
    bool carry = high || (low && (subtract ? al < 6 : al > 0xf9));
    r = subtract ? r - by : r + by;
    *ef = (*ef & EF_OF) | (carry ? EF_CF : 0) | (low ? EF_AF : 0) | result_flags(r);
    return r;
}

/* AAA, AAS: AX changes as a whole. */
static uint16_t adjust_unpacked(uint16_t ax, unsigned *ef, bool subtract)
{
    bool adjust = (ax & 15) > 9 || (*ef & EF_AF);
    if (adjust)
        ax = subtract ? ax - 0x106 : ax + 0x106;
    ax &= 0xff0f;
    *ef = (*ef & EF_OF) | (adjust ? EF_CF | EF_AF : 0) | result_flags((uint8_t)ax);
    return ax;
}

uint64_t x86_h_bcd(void *cpu, uint64_t opcode, uint64_t imm, uint64_t unused)
{
    X86Cpu *c = cpu;
    uint64_t *rax = &c->dbt.gpr[R_RAX];
    uint16_t ax = (uint16_t)*rax;
    uint8_t al = (uint8_t)ax, ah = ax >> 8;
    unsigned ef = x86_fl_to_eflags(c->dbt.fl);
    switch (opcode) {
    case 0x27: case 0x2f:
        ax = (ax & 0xff00) | adjust_packed(al, &ef, opcode == 0x2f);
        break;
    case 0x37: case 0x3f:
        ax = adjust_unpacked(ax, &ef, opcode == 0x3f);
        break;
    case 0xd4:                                          /* AAM */
        if ((uint8_t)imm == 0)
            x86_raise(c, EXC_DE, 0);
        ax = (uint16_t)((al / (uint8_t)imm) << 8 | al % (uint8_t)imm);
        ef = result_flags((uint8_t)ax);
        break;
    default:                                            /* AAD */
        ax = (uint8_t)(al + ah * (uint8_t)imm);
        ef = result_flags((uint8_t)ax);
        break;
    }
    *rax = (*rax & ~UINT64_C(0xffff)) | ax;
    c->dbt.fl = x86_eflags_to_fl(ef);
    return 0;
}

/* ---- CMPXCHG8B, CMPXCHG16B ---- */
static void set_zf(X86Cpu *c, bool zf)
{
    unsigned ef = x86_fl_to_eflags(c->dbt.fl);
    c->dbt.fl = x86_eflags_to_fl((ef & ~(unsigned)EF_ZF) | (zf ? EF_ZF : 0));
}

/* One compare-and-exchange on plain RAM; false where the host has none. */
static bool host_cmpxchg16(uint8_t *p, uint64_t old[2], const uint64_t new[2], bool *equal)
{
#ifdef __x86_64__
    __asm__ volatile("lock cmpxchg16b %1\n\tsete %0" /* C has no 16-byte atomic without a library */
                     : "=q"(*equal), "+m"(*(unsigned char (*)[16])p), "+a"(old[0]), "+d"(old[1])
                     : "b"(new[0]), "c"(new[1]) : "cc", "memory");
    return true;
#else
    return false;
#endif
}

static bool host_cmpxchg(uint8_t *p, unsigned bytes, uint64_t old[2], const uint64_t new[2],
                         bool *equal)
{
    if (bytes == 16)
        return host_cmpxchg16(p, old, new, equal);
    if ((uintptr_t)p & 7)
        return false;
    *equal = __atomic_compare_exchange_n((uint64_t *)(void *)p, &old[0], new[0], false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return true;
}

/* old: expected in, found out. */
static bool compare_exchange(X86Cpu *c, uint64_t linear, unsigned bytes, uint64_t old[2],
                             const uint64_t new[2])
{
    DbtAccessDesc d;
    bool equal;
    uint8_t *host = dbt_at_hand(&c->dbt, linear, bytes, true);
    if (host && host_cmpxchg(host, bytes, old, new, &equal))
        return equal;
    dbt_access(&c->dbt, linear, bytes, IR_READ | IR_WRITE, &d);
    if (d.host && d.n1 == d.n && !d.code && host_cmpxchg(d.host, bytes, old, new, &equal))
        return equal;
    uint64_t found[2] = { 0, 0 };
    dbt_exclusive_begin(&c->dbt);
    /* the map may have changed in the wait */
    dbt_access(&c->dbt, linear, bytes, IR_READ | IR_WRITE, &d);
    for (unsigned k = 0; k < bytes / 8; k++)
        found[k] = dbt_desc_load(&c->dbt, &d, k * 8, 8);
    equal = found[0] == old[0] && (bytes == 8 || found[1] == old[1]);
    for (unsigned k = 0; k < bytes / 8; k++)
        dbt_desc_store(&c->dbt, &d, k * 8, equal ? new[k] : found[k], 8);
    dbt_exclusive_end(&c->dbt);
    memcpy(old, found, sizeof found);
    return equal;
}

uint64_t x86_h_cmpxchg8b(void *cpu, uint64_t offset, uint64_t seg, uint64_t locked)
{
    X86Cpu *c = cpu;
    uint64_t *g = c->dbt.gpr;
    uint64_t linear = x86_seg_linear(c, (unsigned)seg, offset, 8, true);
    uint64_t old[2] = { (uint32_t)g[R_RAX] | g[R_RDX] << 32, 0 },
             new[2] = { (uint32_t)g[R_RBX] | g[R_RCX] << 32, 0 };
    bool equal = compare_exchange(c, linear, 8, old, new);
    if (!equal) {
        g[R_RAX] = (uint32_t)old[0];
        g[R_RDX] = old[0] >> 32;
    }
    set_zf(c, equal);
    return 0;
}

uint64_t x86_h_cmpxchg16b(void *cpu, uint64_t offset, uint64_t seg, uint64_t locked)
{
    X86Cpu *c = cpu;
    uint64_t *g = c->dbt.gpr;
    uint64_t linear = x86_seg_linear(c, (unsigned)seg, offset, 16, true);
    if (linear & 15)
        x86_raise_gp(c, 0);
    uint64_t old[2] = { g[R_RAX], g[R_RDX] }, new[2] = { g[R_RBX], g[R_RCX] };
    bool equal = compare_exchange(c, linear, 16, old, new);
    if (!equal) {
        g[R_RAX] = old[0];
        g[R_RDX] = old[1];
    }
    set_zf(c, equal);
    return 0;
}

/* ---- the stack ---- */
static unsigned stack_bytes(const X86Cpu *c)
{
    return x86_code64(c) ? 8 : (c->seg[S_SS].attr & ATTR_DB) ? 4 : 2;
}

static uint64_t stack_mask(const X86Cpu *c)
{
    unsigned n = stack_bytes(c);
    return n == 8 ? UINT64_MAX : (UINT64_C(1) << n * 8) - 1;
}

static void set_low(uint64_t *reg, uint64_t v, unsigned bytes)
{
    *reg = bytes == 2 ? (*reg & ~UINT64_C(0xffff)) | (v & 0xffff) : bytes == 4 ? (uint32_t)v : v;
}

uint64_t x86_h_check_eip(void *cpu, uint64_t eip, uint64_t osize, uint64_t d)
{
    const X86Cpu *c = cpu;
    if ((osize == 2 ? (uint16_t)eip : (uint32_t)eip) > c->seg[S_CS].limit)
        x86_raise_gp(cpu, 0);
    return 0;
}

uint64_t x86_h_enter(void *cpu, uint64_t size, uint64_t level, uint64_t bytes)
{
    X86Cpu *c = cpu;
    uint64_t mask = stack_mask(c), sp = c->dbt.gpr[R_RSP], bp = c->dbt.gpr[R_RBP], frame;
    unsigned n = (unsigned)bytes;
    sp -= n;
    x86_st(c, S_SS, sp & mask, bp, n);
    frame = sp;
    for (unsigned k = 1; k < level; k++) {
        bp -= n;
        sp -= n;
        x86_st(c, S_SS, sp & mask, x86_ld(c, S_SS, bp & mask, n), n);
    }
    if (level) {
        sp -= n;
        x86_st(c, S_SS, sp & mask, frame, n);
    }
    /* the new top must be there to be written: vol. 2, ENTER, #PF and #SS */
    sp -= (uint16_t)size;
    dbt_check(&c->dbt, x86_seg_linear(c, S_SS, sp & mask, n, true), n, ACCESS_WRITE);
    set_low(&c->dbt.gpr[R_RBP], (frame & mask) | (c->dbt.gpr[R_RSP] & ~mask), n);
    set_low(&c->dbt.gpr[R_RSP], sp, stack_bytes(c));
    return 0;
}

uint64_t x86_h_pusha(void *cpu, uint64_t a, uint64_t b, uint64_t bytes)
{
    X86Cpu *c = cpu;
    uint64_t mask = stack_mask(c), sp = c->dbt.gpr[R_RSP];
    unsigned n = (unsigned)bytes;
    for (unsigned k = 1; k <= 8; k++)                   /* all or nothing */
        dbt_check(&c->dbt, x86_seg_linear(c, S_SS, (sp - k * n) & mask, n, true), n, ACCESS_WRITE);
    for (unsigned k = 0; k < 8; k++)
        x86_st(c, S_SS, (sp - (k + 1) * n) & mask, c->dbt.gpr[k], n);
    set_low(&c->dbt.gpr[R_RSP], sp - 8u * n, stack_bytes(c));
    return 0;
}

uint64_t x86_h_popa(void *cpu, uint64_t a, uint64_t b, uint64_t bytes)
{
    X86Cpu *c = cpu;
    uint64_t mask = stack_mask(c), sp = c->dbt.gpr[R_RSP], v[8];
    unsigned n = (unsigned)bytes;
    for (unsigned k = 0; k < 8; k++)
        v[k] = x86_ld(c, S_SS, (sp + (7 - k) * n) & mask, n);
    for (unsigned k = 0; k < 8; k++) {
        if (k != R_RSP)
            set_low(&c->dbt.gpr[k], v[k], n);
    }
    set_low(&c->dbt.gpr[R_RSP], sp + 8u * n, stack_bytes(c));
    return 0;
}

/* ---- SSE control ---- */
uint64_t x86_h_stmxcsr(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    return ((X86Cpu *)cpu)->mxcsr;
}
