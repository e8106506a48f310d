/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * emit.h -- the encoder: x86-64 instructions into Em.p.
 *
 * An opcode is given as prefix << 16 | map << 8 | byte, map 0 none, 1 0F, 2 0F38, 3 0F3A.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.
 * Omits: room is checked once per operation by the caller (backend.c).
 */
#ifndef ACCEL_DBT_X86_64_EMIT_H
#define ACCEL_DBT_X86_64_EMIT_H
#include <string.h>
#include "accel/dbt/x86_64/x64.h"

enum { E_W = 1, E_16 = 2, E_R8 = 4, E_M8 = 8 }; /* REX.W; 66 prefix; reg, rm are byte registers */
typedef struct Rm {
    uint8_t reg, index, scale;   /* index NO_REG: none; reg NO_REG: no base, which needs an index */
    bool    mem;
    int32_t disp;
} Rm;

static inline void e8(Em *e, unsigned v) { *e->p++ = (uint8_t)v; }
static inline void e32(Em *e, uint32_t v) { memcpy(e->p, &v, 4); e->p += 4; }
static inline void e64(Em *e, uint64_t v) { memcpy(e->p, &v, 8); e->p += 8; }

static inline Rm rm_reg(unsigned r) { return (Rm){ .reg = (uint8_t)r, .index = NO_REG }; }
static inline Rm rm_mem(unsigned base, int32_t disp)
{
    return (Rm){ .reg = (uint8_t)base, .index = NO_REG, .mem = true, .disp = disp };
}
static inline Rm rm_cpu(int32_t disp) { return rm_mem(RBP, disp); }
static inline Rm rm_ic(const Em *e, unsigned k, size_t member)
{
    return rm_cpu((int32_t)(e->x->guest->ic_offset + k * sizeof(DbtIc) + member) - BIAS);
}
Rm em_seg_base(const Em *e, const IrMem *m);            /* mem.c */
static inline Rm rm_of(Opnd o) { return o.kind == O_MEM ? rm_mem(o.reg, o.disp) : rm_reg(o.reg); }

/*
 * Every byte that an encoding may have is stored, and the place moves on only where it has it: no
 * branches, and the place stays in a register meanwhile.  (What is stored through a pointer to
 * bytes may be Em.p itself, for all that the compiler knows.)
 */
static inline uint8_t *put_modrm(uint8_t *p, unsigned reg, Rm m)
{
    static const uint8_t disp_bytes[4] = { 0, 1, 4, 0 };

    reg = (reg & 7) << 3;
    if (!m.mem) {
        *p = (uint8_t)(0xc0 | reg | (m.reg & 7));
        return p + 1;
    }
    if (m.reg == NO_REG) {
        p[0] = (uint8_t)(reg | 4);
        p[1] = (uint8_t)((unsigned)m.scale << 6 | (m.index & 7u) << 3 | RBP);
        memcpy(p + 2, &m.disp, 4);
        return p + 6;
    }
    bool sib = m.index != NO_REG || (m.reg & 7) == RSP;
    unsigned mod = m.disp == 0 && (m.reg & 7) != RBP ? 0 : m.disp == (int8_t)m.disp ? 1 : 2;
    p[0] = (uint8_t)(mod << 6 | reg | (sib ? 4 : (m.reg & 7)));
    p[1] = (uint8_t)((unsigned)m.scale << 6 | (m.index == NO_REG ? 4u : (m.index & 7u)) << 3 |
                     (m.reg & 7));
    p += 1 + sib;
    memcpy(p, &m.disp, 4);
    return p + disp_bytes[mod];
}

static inline void e_modrm(Em *e, unsigned reg, Rm m) { e->p = put_modrm(e->p, reg, m); }

static inline uint8_t *put_op(uint8_t *p, uint32_t opc, unsigned flags, unsigned reg, Rm m)
{
    unsigned rex = (flags & E_W ? 8 : 0) | (reg & 8) >> 1 |
                   (m.reg == NO_REG ? 0 : (m.reg & 8) >> 3);
    unsigned map = opc >> 8 & 0xff, prefix = opc >> 16 & 0xff;

    rex |= m.index == NO_REG ? 0 : (m.index & 8) >> 2;
    if (rex || ((flags & E_R8) && reg >= 4) || ((flags & E_M8) && !m.mem && m.reg >= 4)) {
        rex |= 0x40;
    }
    *p = 0x66;
    p += (flags & E_16) != 0;
    *p = (uint8_t)prefix;
    p += prefix != 0;
    *p = (uint8_t)rex;
    p += rex != 0;
    *p = 0x0f;
    p += map != 0;
    *p = map == 2 ? 0x38 : 0x3a;
    p += map > 1;
    *p++ = (uint8_t)opc;
    return put_modrm(p, reg, m);
}

static inline void e_op(Em *e, uint32_t opc, unsigned flags, unsigned reg, Rm m)
{
    e->p = put_op(e->p, opc, flags, reg, m);
}

static inline uint8_t *put_imm32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
    return p + 4;
}

static inline unsigned type_flags(IrType t)
{
    return t == IR_I8 ? E_R8 | E_M8 : t == IR_I16 ? E_16 : t == IR_I64 ? E_W : 0;
}
/* An opcode whose low bit tells byte operands (0) from wider ones (1); give the odd form. */
static inline void e_typed(Em *e, uint32_t opc, IrType t, unsigned reg, Rm m)
{
    e_op(e, t == IR_I8 ? opc & ~1u : opc, type_flags(t), reg, m);
}

static inline void e_mov_rr(Em *e, unsigned to, unsigned from)
{
    e_op(e, 0x8b, E_W, to, rm_reg(from));
}
static inline void e_mov32(Em *e, unsigned to, unsigned from)
{
    e_op(e, 0x8b, 0, to, rm_reg(from));
}
static inline void e_load(Em *e, unsigned reg, Rm m) { e_op(e, 0x8b, E_W, reg, m); }
static inline void e_store(Em *e, unsigned reg, Rm m) { e_op(e, 0x89, E_W, reg, m); }
static inline void e_mov_imm(Em *e, unsigned reg, uint64_t v)      /* keeps the flags */
{
    uint8_t *p = e->p;

    if (v <= UINT32_MAX) {
        *p = 0x41;
        p += reg >> 3;
        *p++ = (uint8_t)(0xb8 | (reg & 7));
        e->p = put_imm32(p, (uint32_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        e->p = put_imm32(put_op(p, 0xc7, E_W, 0, rm_reg(reg)), (uint32_t)v);
    } else {
        p[0] = (uint8_t)(0x48 | reg >> 3);
        p[1] = (uint8_t)(0xb8 | (reg & 7));
        memcpy(p + 2, &v, 8);
        e->p = p + 10;
    }
}
/* zero-extending load of a type from register or memory */
static inline void e_movzx(Em *e, unsigned to, Rm m, IrType t)
{
    switch (t) {
    case IR_I8:  e_op(e, 0x1b6, E_M8, to, m); break;
    case IR_I16: e_op(e, 0x1b7, 0, to, m); break;
    case IR_I32: e_op(e, 0x8b, 0, to, m); break;
    case IR_I64: e_op(e, 0x8b, E_W, to, m); break;
    }
}
/* immediate of an instruction of this type */
static inline void e_imm_typed(Em *e, IrType t, uint64_t v)
{
    e->p = put_imm32(e->p, (uint32_t)v) - (t == IR_I8 ? 3 : t == IR_I16 ? 2 : 0);
}
static inline int64_t imm_signed(uint64_t v, IrType t)
{
    return t == IR_I8    ? (int8_t)v
           : t == IR_I16 ? (int16_t)v
           : t == IR_I32 ? (int32_t)v
                         : (int64_t)v;
}
static inline bool imm_fits(uint64_t v, IrType t)
{
    return t != IR_I64 || (int64_t)v == (int32_t)v;
}
/* Group 1: add 0, or 1, adc 2, sbb 3, and 4, sub 5, xor 6, cmp 7 with an immediate. */
static inline void e_alu_imm(Em *e, unsigned digit, IrType t, Rm m, uint64_t v)
{
    int64_t s = imm_signed(v, t);
    bool is_short = s == (int8_t)s;     /* of bytes as well */
    uint8_t *p = put_op(e->p,
                        t == IR_I8 ? 0x80
                        : is_short ? 0x83
                                   : 0x81,
                        type_flags(t) & ~(unsigned)E_R8, digit, m);
    e->p = put_imm32(p, (uint32_t)v) - (is_short ? 3 : t == IR_I16 ? 2 : 0);
}
static inline void e_alu_rr(Em *e, unsigned digit, IrType t, unsigned to, Rm from)
{
    e_typed(e, digit << 3 | 3, t, to, from);
}
/* rotate right without touching the flags: RORX */
static inline void e_rorx(Em *e, unsigned to, unsigned from, unsigned n, bool w)
{
    uint8_t *p = e->p;

    p[0] = 0xc4;
    p[1] = (uint8_t)((to & 8 ? 0 : 0x80) | 0x40 | (from & 8 ? 0 : 0x20) | 3);
    p[2] = (w ? 0x80 : 0) | 0x7b;       /* vvvv 1111, L 0, pp F2 */
    p[3] = 0xf0;
    p[4] = (uint8_t)(0xc0 | (to & 7) << 3 | (from & 7));
    p[5] = (uint8_t)n;
    e->p = p + 6;
}
static inline void e_shift_imm(Em *e, unsigned digit, IrType t, unsigned reg, unsigned n)
{
    e_op(e, t == IR_I8 ? 0xc0 : 0xc1, type_flags(t) & ~(unsigned)E_R8, digit, rm_reg(reg));
    e8(e, n);
}
static inline uint8_t *e_jcc(Em *e, unsigned cc)        /* returns its rel32 */
{
    uint8_t *p = e->p;

    p[0] = 0x0f;
    p[1] = (uint8_t)(0x80 | cc);
    e->p = put_imm32(p + 2, 0);
    return p + 2;
}
static inline uint8_t *e_jmp(Em *e)
{
    uint8_t *p = e->p;

    p[0] = 0xe9;
    e->p = put_imm32(p + 1, 0);
    return p + 1;
}
static inline void patch_to(uint8_t *rel, const uint8_t *to)
{
    int32_t d = (int32_t)(to - (rel + 4));
    memcpy(rel, &d, 4);
}
/* What stands there depends on where the block is: pack.c. */
static inline void e_note(Em *e, const uint8_t *at, RelocKind kind)
{
    if (e->keeps) {
        if (e->n_relocs < MAX_RELOCS) {
            e->relocs[e->n_relocs++] = (Reloc){ (uint32_t)(at - e->start), kind };
        } else {
            e->keeps = false;
        }
    }
}
static inline void patch_thunk(Em *e, uint8_t *rel, uint32_t off)
{
    patch_to(rel, e->x->rw + off);
    e_note(e, rel, RELOC_THUNK);
}
static inline void e_jmp_thunk(Em *e, uint32_t off) { patch_thunk(e, e_jmp(e), off); }
static inline void e_call_thunk(Em *e, uint32_t off)
{
    e8(e, 0xe8);
    e32(e, 0);
    patch_thunk(e, e->p - 4, off);
}
static inline void e_push_rec(Em *e, uint32_t rec)      /* number of a LeaveRec, for a thunk */
{
    e8(e, 0x68);
    e32(e, rec);
    e_note(e, e->p - 4, RELOC_REC);
}
static inline void push(Em *e, unsigned r)
{
    if (r & 8) {
        e8(e, 0x41);
    }
    e8(e, 0x50 | (r & 7));
}

static inline void pop(Em *e, unsigned r)
{
    if (r & 8) {
        e8(e, 0x41);
    }
    e8(e, 0x58 | (r & 7));
}

/* Pushed first to last. */
static inline void pushes(Em *e, const uint8_t *regs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        push(e, regs[i]);
    }
}

static inline void pops(Em *e, const uint8_t *regs, unsigned n)
{
    while (n) {
        pop(e, regs[--n]);
    }
}

static inline void ret(Em *e) { e8(e, 0xc3); }
/*
 * The end of a thunk that has pushed these, to the stub that has pushed the number of its record.
 */
static inline void pops_ret(Em *e, const uint8_t *regs, unsigned n)
{
    pops(e, regs, n);
    e8(e, 0xc2);                        /* ret 8 */
    e8(e, 8);
    e8(e, 0);
}
static inline void rsp_add(Em *e, int n)
{
    e_alu_imm(e, 0, IR_I64, rm_reg(RSP), (uint64_t)(int64_t)n);
}
static inline void cpu_to_rdi(Em *e) { e_op(e, 0x8d, E_W, RDI, rm_mem(RBP, -BIAS)); }
static inline Rm vec_live(void) { return rm_cpu(CPU(vec_live)); }
static inline uint8_t *e_jcc8(Em *e, unsigned cc)       /* short; returns its rel8 */
{
    e8(e, 0x70 | cc);
    e8(e, 0);
    return e->p - 1;
}
static inline uint8_t *e_jmp8(Em *e)
{
    e8(e, 0xeb);
    e8(e, 0);
    return e->p - 1;
}
static inline void patch8(Em *e, uint8_t *rel) { *rel = (uint8_t)(e->p - (rel + 1)); }
#endif
