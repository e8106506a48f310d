/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fastcall.c -- SYSCALL, SYSRET, SYSENTER, SYSEXIT: transfers that load flat segments without
 * reading a descriptor.
 *
 * Spec: Intel SDM (325462) vol. 2, AMD APM vol. 3 (24594), the instructions of those names; vendors
 * differ outside 64-bit code, and the CPU model's vendor decides.
 * Omits: AMD's SYSRET leaves the attributes of SS as they were; here they are always loaded (as
 *   Intel's).
 * Threads: the vCPU's own.
 */
#include "cpu/x86/sys.h"

enum { MODE_FLAT = X86_MODE_FLAT_CS | X86_MODE_FLAT_DS | X86_MODE_FLAT_ES | X86_MODE_FLAT_SS };

static inline void flat(X86Cpu *c, unsigned s, unsigned selector, unsigned attr, bool data)
{
    X86Seg *g = &c->seg[s];

    g->base = 0;
    g->lo = 0;
    g->hi_read = 0xffffffff;
    g->hi_write = data ? 0xffffffffll : -1;
    g->limit = 0xffffffff;
    g->selector = (uint16_t)selector;
    g->attr = (uint16_t)attr;
}

/* CS and SS at privilege dpl, code64 or 32-bit code. */
static inline void load_flat(X86Cpu *c, unsigned cs, unsigned ss, unsigned dpl, bool code64)
{
    flat(c, S_CS, cs, X86_FLAT_CODE | dpl << ATTR_DPL_SHIFT | (code64 ? ATTR_L : ATTR_DB), false);
    flat(c, S_SS, ss, X86_FLAT_DATA | dpl << ATTR_DPL_SHIFT, true);
    x86_set_cpl(c, dpl);
    if (code64) {
        c->mode_seg = X86_MODE_CODE64 | MODE_FLAT;
    } else {
        x86_seg_update(c, S_CS);
    }
}

uint64_t x86_h_syscall(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    X86Cpu *c = cpu;
    uint64_t flags;
    DbtContext *was = c->dbt.ctx;
    bool plain = c->cpl == 3 && x86_code64(c) && !(c->rflags & X86_GATE_FLAGS);

    if (!(c->efer & EFER_SCE) || (c->vendor_intel && !x86_code64(c))) {
        x86_raise_ud(c);
    }
    if (x86_lma(c)) {
        bool code64 = x86_code64(c);
        flags = x86_rflags(c) & ~(uint64_t)EF_RF;
        c->dbt.gpr[R_RCX] = code64 ? c->dbt.pc + len : (uint32_t)(x86_rip(c) + len);
        c->dbt.gpr[R_R11] = flags;
        flags &= ~c->sfmask;
        load_flat(c, (c->star >> 32) & 0xfffc, ((c->star >> 32) & 0xfffc) + 8, 0, true);
        c->dbt.pc = code64 ? c->lstar : c->cstar;
    } else {
        flags = x86_rflags(c) & ~(uint64_t)(EF_VM | EF_IF | EF_RF);
        c->dbt.gpr[R_RCX] = (uint32_t)(x86_rip(c) + len);
        load_flat(c, (c->star >> 32) & 0xfffc, ((c->star >> 32) & 0xfffc) + 8, 0, false);
        c->dbt.pc = (uint32_t)c->star;
    }
    if (!(flags & EF_TF)) {
        c->tf_start = false;
    }
    x86_put_rflags(c, flags, UINT64_MAX);
    dbt_mode_changed(&c->dbt);
    if (plain) {
        dbt_gate(&c->dbt, was, c->dbt.ctx);
    }
    return 0;
}

uint64_t x86_h_sysret(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    bool to64 = ((d >> 8) & 0xff) == 8;
    unsigned base = (unsigned)(c->star >> 48) & 0xfffc;
    DbtContext *was = c->dbt.ctx;
    bool plain =
        to64 && x86_code64(c) && !((c->dbt.gpr[R_R11] | (c->rflags & EF_RF)) & X86_GATE_FLAGS);

    if (!(c->efer & EFER_SCE) || (c->vendor_intel && !x86_code64(c))) {
        x86_raise_ud(c);
    }
    if (!x86_protected(c) || c->cpl ||
        (to64 && c->vendor_intel && !x86_canonical(c->dbt.gpr[R_RCX]))) {
        x86_raise_gp(c, 0);
    }
    load_flat(c, (to64 ? base + 16 : base) | 3, (base + 8) | 3, 3, to64);
    c->dbt.pc = to64 ? c->dbt.gpr[R_RCX] : (uint32_t)c->dbt.gpr[R_RCX];
    if (x86_lma(c)) {
        x86_put_rflags(c, c->dbt.gpr[R_R11], X86_SYSRET_FLAGS);
    } else {
        x86_put_rflags(c, EF_IF, EF_IF);
    }
    dbt_mode_changed(&c->dbt);
    if (plain) {
        dbt_gate(&c->dbt, was, c->dbt.ctx);
    }
    return 0;
}

uint64_t x86_h_sysenter(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;
    unsigned cs = c->sysenter_cs & 0xfffc;
    bool lma = x86_lma(c);

    if (lma && !c->vendor_intel) {
        x86_raise_ud(c);
    }
    if (!x86_pe(c) || !cs) {
        x86_raise_gp(c, 0);
    }
    x86_put_rflags(c, 0, EF_VM | EF_IF | EF_RF);
    load_flat(c, cs, cs + 8, 0, lma);
    c->dbt.gpr[R_RSP] = lma ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    c->dbt.pc = lma ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
    dbt_mode_changed(&c->dbt);
    return 0;
}

uint64_t x86_h_sysexit(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    unsigned cs = c->sysenter_cs & 0xfffc;
    bool to64 = ((d >> 8) & 0xff) == 8;
    uint64_t rip = c->dbt.gpr[R_RDX], sp = c->dbt.gpr[R_RCX];

    if (x86_lma(c) && !c->vendor_intel) {
        x86_raise_ud(c);
    }
    if (!x86_protected(c) || c->cpl || !cs ||
        (to64 && (!x86_canonical(rip) || !x86_canonical(sp)))) {
        x86_raise_gp(c, 0);
    }
    load_flat(c, (cs + (to64 ? 32 : 16)) | 3, (cs + (to64 ? 40 : 24)) | 3, 3, to64);
    c->dbt.gpr[R_RSP] = to64 ? sp : (uint32_t)sp;
    c->dbt.pc = to64 ? rip : (uint32_t)rip;
    dbt_mode_changed(&c->dbt);
    return 0;
}
