/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_run.c -- VEX-coded vector instructions by the host's own: each row of vex.def is a piece of
 * code on fixed registers.
 *
 * For VEX.L 0 and 1, and for each value of an immediate, a piece holds the instruction with reg in
 * (r)ax or ymm0, vvvv in ymm1, rm in ymm2 or at [rdi], the register of a fourth operand in ymm3,
 * and RET.  It runs under the guest's MXCSR with all exceptions masked, on copies: what is unmasked
 * is looked at afterwards.  Masked moves and gathers access memory element by element.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 11.5, 14; vol. 2, ch. 2.3, 2.7 and the instructions by name.
 * Omits: x86 hosts without AVX2: no CPU model offers AVX there.  Other architectures: see
 *        vex_soft.c.  Beside an unmasked overflow or underflow, PE is set as the masked response
 *        would set it.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"
#include "cpu/x86/vex_soft.h"

uint64_t x86_h_no_avx(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    if (!(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & 6) != 6)
        x86_raise_ud(c);
    x86_raise(c, EXC_NM, 0);
}

uint64_t x86_h_vzero(void *cpu, uint64_t how, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    unsigned n = how == 2 ? 1 : x86_code64(c) ? 16 : 8;
    for (unsigned k = 0; k < n; k++)
        memset(&c->vec[k].u64[how == 1 ? 0 : 2], 0, how == 1 ? 64 : 48);
    return 0;
}

/* ---- the pieces ---- */
#if X86_HOST_FP
#define ASM_PP_P_NP 0
#define ASM_PP_P_66 1
#define ASM_PP_P_F3 2
#define ASM_PP_P_F2 3
#define ASM_W_W_ANY 0
#define ASM_W_W_0 0
#define ASM_W_W_1 0x80
#define ASM_RM_MR 0x07
#define ASM_RM_MEM 0x07
#define ASM_RM_REG 0xc2
#define ASM_RM_DR(n) 0xc2+n*8
#define ASM_V_H 0x70
#define ASM_V_V 0x78
#define ASM_V_W 0x78
#define ASM_V_E 0x78
#define TEXT_(...) #__VA_ARGS__
#define TEXT(...) TEXT_(__VA_ARGS__)
__asm__(".macro vex_pieces map, w, vvvv, pp, opcode, modrm, imm\n"
        ".set vex_length, 0\n"
        ".rept 2\n"
        ".set vex_value, 0\n"
        ".rept 1 - 255 * (\\imm == 1)\n" /* in gas, true is -1 */
        "    .byte 0xc4, 0xe0 + \\map, \\w + \\vvvv + vex_length + \\pp, \\opcode, \\modrm\n"
        "    .if \\imm == 1\n    .byte vex_value\n    .endif\n"
        "    .if \\imm == 2\n    .byte 0x30\n    .endif\n"
        "    ret\n"
        "    .balign 8\n"
        ".set vex_value, vex_value + 1\n"
        ".endr\n"
        ".set vex_length, 4\n"
        ".endr\n"
        ".endm\n"
        ".text\n"
        ".balign 64\n"
#define VEX(nm, pfx, map, op, mr, wbit, dst, s1, s2, im, ...)                                                           \
    "vex_" #nm ": vex_pieces " #map ", " TEXT(ASM_W_##wbit) ", " TEXT(ASM_V_##s1) ", " TEXT(ASM_PP_##pfx) ", " #op ", " \
    TEXT(ASM_RM_##mr) ", " #im "\n"
#include "cpu/x86/vex.def"
#undef VEX
        /* vex_run(VexFrame *): all registers from and to the frame, whose layout is below */
        "vex_run:\n\t"
        "pushq %rbx\n\tmovq %rdi, %rbx\n\tsubq $16, %rsp\n\tstmxcsr (%rsp)\n\t"
        "vmovups (%rbx), %ymm0\n\tvmovups 32(%rbx), %ymm1\n\tvmovups 64(%rbx), %ymm2\n\tvmovups "
        "96(%rbx), %ymm3\n\t"
        "movq 128(%rbx), %rax\n\tmovq 136(%rbx), %rdi\n\tldmxcsr 160(%rbx)\n\t"
        "call *152(%rbx)\n\t"
        "pushfq\n\tpopq 144(%rbx)\n\tstmxcsr 160(%rbx)\n\tldmxcsr (%rsp)\n\t"
        "vmovups %ymm0, (%rbx)\n\tvmovups %ymm2, 64(%rbx)\n\tvzeroupper\n\tmovq %rax, 128(%rbx)\n\t"
        "addq $16, %rsp\n\tpopq %rbx\n\tret\n");

#define VEX(nm, ...) extern const char vex_##nm[];
#include "cpu/x86/vex.def"
#undef VEX
static const char *const pieces[VX_N] = {
#define VEX(nm, ...) [VX_##nm] = vex_##nm,
#include "cpu/x86/vex.def"
#undef VEX
};

G_STATIC_ASSERT(offsetof(VexFrame, rax) == 128 && offsetof(VexFrame, piece) == 152 &&
                offsetof(VexFrame, mxcsr) == 160);
void vex_run(VexFrame *f);
#else
/* No code: the place of a piece is a number. */
static const char *const pieces[VX_N] = {
#define VEX(nm, ...) [VX_##nm] = (const char *)((uintptr_t)VX_##nm << 16),
#include "cpu/x86/vex.def"
#undef VEX
};
static void vex_run(VexFrame *f)
{
    uintptr_t at = (uintptr_t)f->piece;
    unsigned vx = (unsigned)(at >> 16), k = (unsigned)(at & 0xffff) / 8;
    bool has_imm = x86_vex_rows[vx].imm == 1;
    x86_vex_soft(f, vx, has_imm ? k & 255 : 0, has_imm ? k >> 8 : k);
}
#endif

/* ---- the instruction ---- */
typedef struct VexInsn {
    const X86VexRow *row;
    unsigned vx, reg, rm, vvvv, imm, vl, bytes;
    bool     mem;
    unsigned seg, addr_bits, scale, index;
    uint64_t offset;
} VexInsn;

static VexInsn unpack(uint64_t a, uint64_t b, uint64_t arg)
{
    VexInsn v = { .row = &x86_vex_rows[a & 0xffff], .vx = a & 0xffff, .reg = a >> 16 & 15,
                  .rm = a >> 24 & 15, .vvvv = a >> 32 & 15, .imm = a >> 40 & 0xff,
                  .vl = a >> 48 & 1, .mem = (a >> 24 & 0xff) == 0xff, .offset = b,
                  .seg = arg & 0xff, .addr_bits = arg >> 8 & 0xff, .scale = arg >> 16 & 3,
                  .index = arg >> 24 & 15 };
    v.bytes = v.row->bytes[v.vl];
    return v;
}

static bool has_operand(const X86VexRow *r, unsigned letter)
{
    return r->ops[0] == letter || r->ops[1] == letter || r->ops[2] == letter;
}

static uint64_t memory_at(X86Cpu *c, const VexInsn *v, bool write)
{
    uint64_t linear = x86_seg_linear(c, v->seg, v->offset, v->bytes, write);
    if (v->row->aligned && linear & (v->bytes - 1))
        x86_raise_gp(c, 0);
    return linear;
}

static void load_frame(X86Cpu *c, const VexInsn *v, VexFrame *f, uint64_t linear)
{
    const X86VexRow *r = v->row;
    bool gpr = has_operand(r, OPD_E);
    memcpy(f->reg, &c->vec[v->reg], 32);
    memcpy(f->vvvv, &c->vec[v->vvvv], 32);
    memcpy(f->fourth, &c->vec[v->imm >> 4 & (x86_code64(c) ? 15 : 7)], 32);
    memset(f->rm, 0, sizeof f->rm);
    memset(f->memory, 0, sizeof f->memory);
    if (v->mem) {
        if (r->ops[0] != OPD_W && r->ops[0] != OPD_E)
            dbt_load_bytes(&c->dbt, linear, f->memory, v->bytes);
    } else if (gpr) {
        memcpy(f->memory, &c->dbt.gpr[v->rm], 8);
    } else {
        memcpy(f->memory, &c->vec[v->rm], 32);
        memcpy(f->rm, &c->vec[v->rm], 32);
    }
    if (r->ops[0] == OPD_W || r->ops[0] == OPD_E)
        memset(f->memory, 0, sizeof f->memory);
    f->rax = 0;
    f->rdi = f->memory;
    f->piece = pieces[v->vx] + 8 * (r->imm == 1 ? v->imm + 256 * v->vl : v->vl);
}

/* Run under mxcsr with all exceptions masked; the flags raised. */
static unsigned run_frame(VexFrame *f, uint32_t mxcsr)
{
    f->mxcsr = (mxcsr | X86_MXCSR_MASKS) & ~(uint32_t)X86_MXCSR_FLAGS;
    vex_run(f);
    return f->mxcsr & X86_MXCSR_FLAGS;
}

unsigned x86_vex_frame(VexFrame *f, unsigned vx, unsigned imm, unsigned vl, uint32_t mxcsr)
{
    f->rdi = f->memory;
    f->piece = pieces[vx] + 8 * (x86_vex_rows[vx].imm == 1 ? imm + 256 * vl : vl);
    return run_frame(f, mxcsr);
}

/*
 * Is a float exactly a subnormal half (2^-24 <= |x| < 2^-14)?  VCVTPS2PH knows no FTZ, which shows
 * that of other results.
 */
static bool has_exact_subnormal(const VexFrame *f, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        uint32_t v = (uint32_t)(f->reg[k / 2] >> 32 * (k & 1)), e = v >> 23 & 0xff,
                 mant = (v & 0x7fffff) | 1u << 23;
        if (e >= 103 && e < 113 && !(mant & ((1u << (126 - e)) - 1)))
            return true;
    }
    return false;
}

/*
 * As x86_h_vop_fp() has it: with unmasked exceptions, which flags are set, and whether it raises.
 */
static void run_exact(X86Cpu *c, VexFrame *f, unsigned halves)
{
    enum { MX_UE = 0x10, MX_PRE = 7, MX_UM = 0x800, MX_FTZ = 0x8000, MX_MASK_SHIFT = 7 };
    uint32_t mxcsr = c->mxcsr;
    VexFrame trial;
    bool tiny = !(mxcsr & MX_UM);
    bool exact = tiny && halves && has_exact_subnormal(f, halves);
    if (tiny && !halves) {
        mxcsr &= ~(uint32_t)MX_FTZ;
        trial = *f;
        trial.rdi = trial.memory;
    }
    unsigned flags = run_frame(f, mxcsr);
    if (exact)
        flags |= MX_UE;
    else if (tiny && !halves)
        flags |= run_frame(&trial, mxcsr | MX_FTZ) & MX_UE;
    unsigned unmasked = flags & ~(c->mxcsr >> MX_MASK_SHIFT);
    if (unmasked & MX_PRE)
        flags &= MX_PRE;
    c->mxcsr |= flags;
    if (unmasked && !(c->cr4 & CR4_OSXMMEXCPT))
        x86_raise_ud(c);
    if (unmasked)
        x86_raise(c, EXC_XM, 0);
}

static void set_vec(X86Cpu *c, unsigned n, const void *value)   /* 32 bytes; the rest is cleared */
{
    memcpy(&c->vec[n], value, 32);
    memset(&c->vec[n].u64[4], 0, 32);
}

static void store_result(X86Cpu *c, const VexInsn *v, VexFrame *f, uint64_t linear)
{
    const X86VexRow *r = v->row;
    uint64_t low;
    if (r->props & V_FLAGS) {
        c->dbt.fl = x86_eflags_to_fl(f->eflags & (EF_ZF | EF_PF | EF_CF));
        return;
    }
    switch (r->ops[0]) {
    case OPD_V:
        set_vec(c, v->reg, f->reg);
        break;
    /* shifts by an immediate: the destination is in ymm0 */
    case OPD_H:
        set_vec(c, v->vvvv, f->reg);
        break;
    case OPD_G:
        c->dbt.gpr[v->reg] = f->rax;
        break;
    case OPD_W:
    case OPD_E:
        if (v->mem) {
            dbt_store_bytes(&c->dbt, linear, f->memory, v->bytes);
        } else if (r->ops[0] == OPD_W) {
            set_vec(c, v->rm, r->reg_only ? (const void *)f->rm : f->memory);
        } else {
            memcpy(&low, f->memory, 8);
            c->dbt.gpr[v->rm] = low;
        }
        break;
    }
}

/* ---- masked moves and gathers: by elements ---- */
static bool is_set(const X86Vec *mask, unsigned k, unsigned bytes)
{
    return mask->u8[k * bytes + bytes - 1] & 0x80;
}

static void masked_move(X86Cpu *c, const VexInsn *v, unsigned bytes)
{
    const X86Vec *mask = &c->vec[v->vvvv];
    bool write = v->row->ops[0] == OPD_W;
    uint64_t linear[8];
    X86Vec r = { 0 };
    for (unsigned k = 0; k < v->bytes / bytes; k++) {
        if (!is_set(mask, k, bytes))
            continue;
        uint64_t at = v->offset + k * bytes;
        at = v->addr_bits == 64 ? at : at & ((UINT64_C(1) << v->addr_bits) - 1);
        linear[k] = x86_seg_linear(c, v->seg, at, bytes, write);
        if (write)
            dbt_check(&c->dbt, linear[k], bytes, ACCESS_WRITE);
        else
            dbt_load_bytes(&c->dbt, linear[k], &r.u8[k * bytes], bytes);
    }
    if (!write)
        set_vec(c, v->reg, &r);
    for (unsigned k = 0; write && k < v->bytes / bytes; k++) {
        if (is_set(mask, k, bytes))
            dbt_store_bytes(&c->dbt, linear[k], &c->vec[v->reg].u8[k * bytes], bytes);
    }
}

/*
 * An element that faults leaves those before it done and their mask cleared.  v->bytes: of an
 * element.
 */
static void gather(X86Cpu *c, const VexInsn *v, unsigned index_bytes)
{
    X86Vec *dst = &c->vec[v->reg], *mask = &c->vec[v->vvvv];
    const X86Vec *index = &c->vec[v->index];
    unsigned n = (v->vl ? 32 : 16) / MAX(v->bytes, index_bytes), all = (v->vl ? 32 : 16) / v->bytes;
    for (unsigned k = 0; k < all; k++)
        memset(&mask->u8[k * v->bytes], is_set(mask, k, v->bytes) ? 0xff : 0, v->bytes);
    for (unsigned k = 0; k < n; k++) {
        if (!is_set(mask, k, v->bytes))
            continue;
        uint64_t i = index_bytes == 8 ? index->u64[k] : (uint64_t)(int64_t)index->s32[k];
        uint64_t at = v->offset + (i << v->scale);
        at = v->addr_bits == 64 ? at : (uint32_t)at;
        dbt_load_bytes(&c->dbt, x86_seg_linear(c, v->seg, at, v->bytes, false),
                       &dst->u8[k * v->bytes], v->bytes);
        memset(&mask->u8[k * v->bytes], 0, v->bytes);
    }
    memset(mask, 0, sizeof *mask);
    memset(&dst->u8[n * v->bytes], 0, sizeof *dst - n * v->bytes);
}

uint64_t x86_h_vex(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    VexInsn v = unpack(a, b, arg);
    VexFrame f;
    uint64_t linear = 0;
    bool write = v.row->ops[0] == OPD_W || v.row->ops[0] == OPD_E;
    if (v.row->props & (VX_MASK4 | VX_MASK8)) {
        c->no_ac = true;               /* vol. 2: "no AC# reported for any mask bit combinations" */
        masked_move(c, &v, v.row->props & VX_MASK4 ? 4 : 8);
        c->no_ac = false;
        return 0;
    }
    if (v.row->props & VX_GATHER) {
        c->no_ac = true;                /* vol. 2: "will never deliver an AC fault" */
        gather(c, &v,
               v.vx == VX_pgatherdd || v.vx == VX_pgatherdq || v.vx == VX_gatherdps ||
                       v.vx == VX_gatherdpd
                   ? 4
                   : 8);
        c->no_ac = false;
        return 0;
    }
    if (v.mem) {
        linear = memory_at(c, &v, write);
        if (write)
            dbt_check(&c->dbt, linear, v.bytes, ACCESS_WRITE);
    }
    load_frame(c, &v, &f, linear);
    run_exact(c, &f, v.vx == VX_cvtps2ph ? v.bytes / 2 : 0);
    store_result(c, &v, &f, linear);
    return 0;
}

uint64_t x86_vex_op(void *cpu, unsigned sub, void *d, const void *a, const void *b,
                    const void *fourth, unsigned imm8, unsigned vl)
{
    X86Cpu *c = cpu;
    if (sub == XV_VZEROUPPER)
        return x86_h_vzero(cpu, 0, 0, 0);
    unsigned vx = sub - XV_N, l = vl & 1;
    const X86VexRow *r = &x86_vex_rows[vx];
    const void *src[3] = { d, a, b };
    VexFrame f = { .rdi = f.memory, .piece = pieces[vx] + 8 * (r->imm == 1 ? imm8 + 256 * l : l) };
    for (unsigned k = 0; k < 3; k++) {
        switch (r->ops[k]) {
        case OPD_V:
            memcpy(f.reg, src[k], 32);
            break;
        case OPD_H:
            memcpy(f.vvvv, src[k], 32);
            break;
        /* memory, or a register by either way of a piece */
        case OPD_W:
            memcpy(f.memory, src[k], 32);
            memcpy(f.rm, src[k], 32);
            break;
        case OPD_E:
            memcpy(f.memory, src[k], 8);
            break;
        }
    }
    if (fourth)
        memcpy(f.fourth, fourth, 32);
    if (r->ops[0] == OPD_W || r->ops[0] == OPD_E)
        memset(f.memory, 0, sizeof f.memory);
    c->mxcsr |= run_frame(&f, c->mxcsr);
    if (r->props & V_FLAGS)
        return f.eflags;
    switch (r->ops[0]) {
    case OPD_V:
    case OPD_H:
        memcpy(d, f.reg, 32);
        memset((uint8_t *)d + 32, 0, 32);
        break;
    case OPD_G:
        memcpy(d, &f.rax, 8);
        break;
    case OPD_E:
        memcpy(d, f.memory, 8);
        break;
    case OPD_W:                                        /* a buffer for memory is 64 bytes as well */
        memcpy(d, r->reg_only ? (const void *)f.rm : f.memory, 32);
        memset((uint8_t *)d + 32, 0, 32);
        break;
    }
    return 0;
}
