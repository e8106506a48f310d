/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seg.c -- segmentation: descriptors, loads of data segments, the checks of an access, and the
 * instructions about selectors.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 3, 5 and vol. 2 (MOV, LDS, LLDT, LTR, LAR, LSL, VERR, ARPL).
 * Threads: the vCPU's own.
 */
#include "cpu/x86/sys.h"

void x86_raise_sel(X86Cpu *c, unsigned vector, unsigned selector)
{
    x86_raise(c, vector, (selector & 0xfffc) | c->ext);
}

bool x86_desc_fetch(X86Cpu *c, unsigned selector, uint64_t *desc)
{
    uint32_t at = selector & 0xfff8;
    uint64_t base = c->gdt_base, limit = c->gdt_limit;

    if (selector & 4) {
        if (!(c->seg[S_LDTR].attr & ATTR_P)) {
            return false;
        }
        base = c->seg[S_LDTR].base;
        limit = c->seg[S_LDTR].limit;
    }
    if (at + 7 > limit) {
        return false;
    }
    *desc = x86_sys_ld(c, base + at, 8);
    return true;
}

uint64_t x86_desc_need(X86Cpu *c, unsigned selector, unsigned vector)
{
    uint64_t desc;

    if (!x86_desc_fetch(c, selector, &desc)) {
        x86_raise_sel(c, vector, selector);
    }
    return desc;
}

/* The upper half of a 16-byte descriptor (long mode LDT, TSS, call gate). */
static uint64_t desc_upper(X86Cpu *c, unsigned selector)
{
    uint32_t at = (selector & 0xfff8) + 8;

    if (at + 7 > c->gdt_limit || selector & 4) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    return x86_sys_ld(c, c->gdt_base + at, 8);
}

void x86_desc_accessed(X86Cpu *c, unsigned selector, uint64_t *desc)
{
    if (!((*desc >> 40) & TYPE_ACCESSED)) {
        uint64_t base = selector & 4 ? c->seg[S_LDTR].base : c->gdt_base;
        *desc |= 1ull << 40;
        x86_sys_st(c, base + (selector & 0xfff8) + 5, (*desc >> 40) & 0xff, 1);
    }
}

void x86_seg_set(X86Cpu *c, unsigned s, unsigned selector, uint64_t desc)
{
    c->seg[s].selector = (uint16_t)selector;
    c->seg[s].base = desc_base(desc);
    c->seg[s].limit = desc_limit(desc);
    c->seg[s].attr = desc_attr(desc);
    x86_seg_update(c, s);
}

/*
 * Real mode changes the selector and the base alone: limit and size stay as they are ("unreal"
 * mode).
 */
void x86_seg_real(X86Cpu *c, unsigned s, unsigned selector)
{
    c->seg[s].selector = (uint16_t)selector;
    c->seg[s].base = (uint64_t)(uint16_t)selector << 4;
    c->seg[s].attr =
        (c->seg[s].attr & (ATTR_DB | ATTR_G)) | ATTR_P | ATTR_S | TYPE_RW | TYPE_ACCESSED;
    x86_seg_update(c, s);
}

void x86_seg_vm86(X86Cpu *c, unsigned s, unsigned selector)
{
    c->seg[s].selector = (uint16_t)selector;
    c->seg[s].base = (uint64_t)(uint16_t)selector << 4;
    c->seg[s].limit = 0xffff;
    c->seg[s].attr = ATTR_P | ATTR_S | ATTR_DPL | TYPE_RW | TYPE_ACCESSED;
    x86_seg_update(c, s);
}

void x86_seg_null(X86Cpu *c, unsigned s, unsigned selector)
{
    c->seg[s].selector = (uint16_t)selector;
    c->seg[s].base = 0;
    c->seg[s].limit = 0;
    c->seg[s].attr = s == S_SS ? (uint16_t)(c->cpl << ATTR_DPL_SHIFT) : 0;
    x86_seg_update(c, s);
}

void x86_set_cpl(X86Cpu *c, unsigned cpl)
{
    c->cpl = (uint8_t)cpl;
}

/* MOV, POP and LxS to anything but CS. */
void x86_load_data_seg(X86Cpu *c, unsigned s, unsigned selector)
{
    unsigned rpl = selector & 3, type, dpl;
    uint64_t desc;

    selector &= 0xffff;
    if (!x86_protected(c)) {
        (x86_vm(c) ? x86_seg_vm86 : x86_seg_real)(c, s, selector);
        return;
    }
    if (!(selector & 0xfffc)) {
        if (s == S_SS && !(x86_code64(c) && c->cpl < 3 && rpl == c->cpl)) {
            x86_raise_gp(c, c->ext);
        }
        x86_seg_null(c, s, selector);
        return;
    }
    desc = x86_desc_need(c, selector, EXC_GP);
    type = desc_type(desc);
    dpl = desc_dpl(desc);
    if (s == S_SS) {
        if (!desc_s(desc) || type & TYPE_CODE || !(type & TYPE_RW) || rpl != c->cpl ||
            dpl != c->cpl) {
            x86_raise_sel(c, EXC_GP, selector);
        }
        if (!desc_p(desc)) {
            x86_raise_sel(c, EXC_SS, selector);
        }
    } else {
        if (!desc_s(desc) || (type & (TYPE_CODE | TYPE_RW)) == TYPE_CODE ||
            ((type & (TYPE_CODE | TYPE_CE)) != (TYPE_CODE | TYPE_CE) &&
             (rpl > dpl || c->cpl > dpl))) {
            x86_raise_sel(c, EXC_GP, selector);
        }
        if (!desc_p(desc)) {
            x86_raise_sel(c, EXC_NP, selector);
        }
    }
    x86_desc_accessed(c, selector, &desc);
    x86_seg_set(c, s, selector, desc);
}

uint64_t x86_h_load_seg(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    X86Cpu *c = cpu;

    if (a == S_CS) {
        x86_raise_ud(c);
    }
    x86_load_data_seg(c, (unsigned)a, (uint16_t)b);
    if (a == S_SS) {
        c->shadow = SHADOW_SS;
        c->shadow_pc = UINT64_MAX;
        x86_poll_soon(c);
    }
    dbt_mode_changed(&c->dbt);
    return 0;
}

/* ---- accesses by segment and offset ---- */
uint64_t x86_seg_linear(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes, bool write)
{
    const X86Seg *g = &c->seg[s];
    uint64_t linear;

    if (x86_code64(c)) {
        linear = s == S_FS || s == S_GS ? offset + g->base : offset;
        if (G_UNLIKELY(!x86_canonical(linear) || !x86_canonical(linear + bytes - 1))) {
            x86_raise(c, s == S_SS ? EXC_SS : EXC_GP, 0);
        }
        return linear;
    }
    offset = (uint32_t)offset;
    if (G_UNLIKELY((int64_t)offset < g->lo ||
                   (int64_t)(offset + bytes - 1) > (write ? g->hi_write : g->hi_read))) {
        x86_raise(c, s == S_SS ? EXC_SS : EXC_GP, 0);
    }
    return (uint32_t)(g->base + offset);
}

uint64_t x86_ld(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes)
{
    return dbt_load(&c->dbt, x86_seg_linear(c, s, offset, bytes, false), bytes);
}

void x86_st(X86Cpu *c, unsigned s, uint64_t offset, uint64_t value, unsigned bytes)
{
    dbt_store(&c->dbt, x86_seg_linear(c, s, offset, bytes, true), value, bytes);
}

/* ---- LLDT, LTR ---- */
/*
 * Base bits 63:32 of an LDT or TSS: in long mode from the second half of its descriptor, which is
 * checked.
 */
static uint64_t system_upper(X86Cpu *c, unsigned selector, uint64_t desc)
{
    uint64_t upper;

    if (!x86_lma(c)) {
        return 0;
    }
    upper = desc_upper(c, selector);
    if (!x86_canonical(upper << 32 | desc_base(desc)) || (upper >> 40) & 0x1f) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    return upper;
}

uint64_t x86_h_lldt(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;
    unsigned selector = (uint16_t)a;
    uint64_t desc, upper;

    if (!x86_protected(c)) {
        x86_raise_ud(c);
    }
    if (c->cpl) {
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, SVM_EXIT_LDTR_WRITE, 0);
    if (!(selector & 0xfffc)) {
        x86_seg_null(c, S_LDTR, selector);
        return 0;
    }
    if (selector & 4) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    desc = x86_desc_need(c, selector, EXC_GP);
    if (desc_s(desc) || desc_type(desc) != DT_LDT) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
    upper = system_upper(c, selector, desc);
    x86_seg_set(c, S_LDTR, selector, desc);
    c->seg[S_LDTR].base |= upper << 32;
    return 0;
}

uint64_t x86_h_ltr(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;
    unsigned selector = (uint16_t)a, type;
    uint64_t desc, upper;

    if (!x86_protected(c)) {
        x86_raise_ud(c);
    }
    if (c->cpl) {
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, SVM_EXIT_TR_WRITE, 0);
    if (!(selector & 0xfffc)) {
        x86_raise_gp(c, 0);
    }
    if (selector & 4) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    desc = x86_desc_need(c, selector, EXC_GP);
    type = desc_type(desc);
    if (desc_s(desc) || (type != DT_TSS32 && (type != DT_TSS16 || x86_lma(c)))) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
    upper = system_upper(c, selector, desc);
    desc |= 2ull << 40;                 /* busy */
    x86_sys_st(c, c->gdt_base + (selector & 0xfff8) + 5, (desc >> 40) & 0xff, 1);
    x86_seg_set(c, S_TR, selector, desc);
    c->seg[S_TR].base |= upper << 32;
    return 0;
}

/* ---- LAR, LSL, VERR, VERW, ARPL ---- */
static void set_zf(X86Cpu *c, bool zf)
{
    c->dbt.fl = zf ? c->dbt.fl | EF_ZF << 8 : c->dbt.fl & ~(uint32_t)(EF_ZF << 8);
}

/* The descriptor, if this privilege may see it; lsl: types that have a limit. */
static bool visible(X86Cpu *c, unsigned selector, bool lsl, uint64_t *desc)
{
    static const uint32_t lar_legacy =
        1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 9 | 1u << 11 | 1u << 12;
    static const uint32_t lsl_legacy = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 9 | 1u << 11;
    static const uint32_t lar_long = 1u << 2 | 1u << 9 | 1u << 11 | 1u << 12,
                          lsl_long = 1u << 2 | 1u << 9 | 1u << 11;
    unsigned dpl;

    if (!x86_protected(c)) {
        x86_raise_ud(c);
    }
    if (!(selector & 0xfffc) || !x86_desc_fetch(c, selector, desc)) {
        return false;
    }
    dpl = desc_dpl(*desc);
    if (!desc_s(*desc)) {
        uint32_t types = x86_lma(c) ? (lsl ? lsl_long : lar_long) : (lsl ? lsl_legacy : lar_legacy);
        if (!((types >> desc_type(*desc)) & 1)) {
            return false;
        }
    } else if (desc_is_code(*desc) && desc_conforming(*desc)) {
        return true;
    }
    return dpl >= c->cpl && dpl >= (selector & 3);
}

uint64_t x86_h_lar(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    uint64_t desc;
    bool ok = visible(cpu, (uint16_t)a, false, &desc);

    set_zf(cpu, ok);
    return ok ? (desc >> 32) & 0xffff00 : b;
}

uint64_t x86_h_lsl(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    uint64_t desc;
    bool ok = visible(cpu, (uint16_t)a, true, &desc);

    set_zf(cpu, ok);
    return ok ? desc_limit(desc) : b;
}

static uint64_t verify(X86Cpu *c, unsigned selector, bool write)
{
    uint64_t desc;
    bool ok = visible(c, selector, false, &desc) && desc_s(desc);

    if (ok) {
        unsigned type = desc_type(desc);
        ok = type & TYPE_CODE ? !write && type & TYPE_RW : !write || type & TYPE_RW;
    }
    set_zf(c, ok);
    return 0;
}

uint64_t x86_h_verr(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    return verify(cpu, (uint16_t)a, false);
}

uint64_t x86_h_verw(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    return verify(cpu, (uint16_t)a, true);
}

uint64_t x86_h_arpl(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;
    bool lower;

    if (!x86_protected(c)) {
        x86_raise_ud(c);
    }
    lower = (a & 3) < (b & 3);
    set_zf(c, lower);
    return lower ? (a & ~3ull) | (b & 3) : a;
}

uint64_t x86_h_arpl_mem(void *cpu, uint64_t offset, uint64_t s, uint64_t source)
{
    X86Cpu *c = cpu;

    if (!x86_protected(c)) {
        x86_raise_ud(c);
    }
    uint64_t old = x86_ld(c, (unsigned)s, offset, 2);
    bool lower = (old & 3) < (source & 3);
    if (lower) {
        x86_st(c, (unsigned)s, offset, (old & ~3ull) | (source & 3), 2);
    }
    set_zf(c, lower);
    return 0;
}

/* ---- table registers ---- */
static void umip_check(X86Cpu *c)
{
    if (c->cpl && c->cr4 & CR4_UMIP) {
        x86_raise_gp(c, 0);
    }
}

static uint64_t store_table(X86Cpu *c, uint64_t offset, unsigned s, uint64_t base, uint32_t limit,
                            unsigned exit_code)
{
    unsigned n = x86_code64(c) ? 8 : 4;

    umip_check(c);
    x86_intercept(c, exit_code, 0);
    dbt_check(&c->dbt, x86_seg_linear(c, s, offset, 2 + n, true), 2 + n, ACCESS_WRITE);
    x86_st(c, s, offset, limit, 2);
    x86_st(c, s, offset + 2, base, n);
    return 0;
}

static void load_table(X86Cpu *c, uint64_t offset, unsigned s, unsigned operand, uint64_t *base,
                       uint32_t *limit, unsigned exit_code)
{
    bool code64 = x86_code64(c);
    unsigned n = code64 ? 8 : 4;
    uint64_t b;
    uint32_t l;

    if (c->cpl) {
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, exit_code, 0);
    x86_seg_linear(c, s, offset, 2 + n, false);
    l = (uint32_t)x86_ld(c, s, offset, 2);
    b = x86_ld(c, s, offset + 2, n);
    if (!code64 && operand == 2) {
        b &= 0xffffff;
    }
    if (!x86_canonical(b)) {
        x86_raise_gp(c, 0);
    }
    *base = b;
    *limit = l;
}

uint64_t x86_h_sgdt(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;
    return store_table(c, a, (unsigned)b, c->gdt_base, c->gdt_limit, SVM_EXIT_GDTR_READ);
}

uint64_t x86_h_sidt(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;
    return store_table(c, a, (unsigned)b, c->idt_base, c->idt_limit, SVM_EXIT_IDTR_READ);
}

uint64_t x86_h_lgdt(void *cpu, uint64_t a, uint64_t b, uint64_t operand)
{
    X86Cpu *c = cpu;
    load_table(c, a, (unsigned)b, (unsigned)operand, &c->gdt_base, &c->gdt_limit,
               SVM_EXIT_GDTR_WRITE);
    return 0;
}

uint64_t x86_h_lidt(void *cpu, uint64_t a, uint64_t b, uint64_t operand)
{
    X86Cpu *c = cpu;
    load_table(c, a, (unsigned)b, (unsigned)operand, &c->idt_base, &c->idt_limit,
               SVM_EXIT_IDTR_WRITE);
    return 0;
}

uint64_t x86_h_str_sldt(void *cpu, uint64_t a, uint64_t b, uint64_t unused)
{
    X86Cpu *c = cpu;

    if (a < 2 && !x86_protected(c)) {
        x86_raise_ud(c);
    }
    umip_check(c);
    x86_intercept(c,
                  a == 0   ? SVM_EXIT_LDTR_READ
                  : a == 1 ? SVM_EXIT_TR_READ
                           : SVM_EXIT_CR0_READ,
                  0);
    return a == 0 ? c->seg[S_LDTR].selector : a == 1 ? c->seg[S_TR].selector : c->cr0;
}
