/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate.h -- what the files of the x86 front end share: one instruction being translated,
 * operands, emission.
 *
 * Threads: the vCPU that translates.
 */
#ifndef CPU_X86_TRANSLATE_H
#define CPU_X86_TRANSLATE_H
#include "cpu/x86/decode.h"

struct X86Tr {
    X86Cpu  *cpu;
    IrBlock *b;
    uint64_t mode;
    /* of this instruction and the one after it, from the page base */
    int32_t  offset, next;
    unsigned n_temps, n_hosts;
    bool     fpu_seen, fpu_known;       /* x87 (translate_x87.c): the state assumed here, */
    uint8_t  fpu_top, fpu_valid;
    /* and the place after the guard that made sure of it; 0: none */
    unsigned fpu_guard;
    /* what operations before this place have left undone: x86_tr_x87_settle() */
    struct {
        int32_t  at;                   /* the last one that FIP and FOP should tell of, -1: none; */
        uint16_t op;
        /*
         * the last one with an operand in memory: its address, and where its offset goes to FDP; 0:
         * none
         */
        unsigned mem, place;
        uint8_t  seg;
    } fpu_late;
    int32_t  ahead[8];    /* where conditional jumps lead that have not been reached, */
    unsigned n_ahead, n_away;           /* how many; jumps back or far: ends_here() */
    bool     done;                      /* an ENDS operation has been emitted */
};

#define CTX(member) ir_ctx(offsetof(X86Cpu, member))
#define NONE ir_none()

static inline bool tr_code64(const X86Tr *t) { return t->mode & X86_MODE_CODE64; }
static inline unsigned tr_cpl(const X86Tr *t)
{
    return (t->mode & X86_MODE_CPL) >> X86_MODE_CPL_SHIFT;
}
static inline IrType tr_type(unsigned bytes) { return (IrType)__builtin_ctz(bytes); }
static inline IrRef tr_temp(X86Tr *t) { return ir_temp(t->n_temps++ & 7); }
static inline IrRef tr_host(X86Tr *t) { return ir_host(t->n_hosts++ & 3); }
static inline IrRef tr_imm(X86Tr *t, uint64_t v) { return ir_imm(t->b, v); }
static inline IrRef tr_imm_of(X86Tr *t, IrType type, uint64_t v)       /* cut to the type */
{
    return ir_imm(t->b, type == IR_I64 ? v : v & ((UINT64_C(1) << (8 << type)) - 1));
}

/* An operation; `sets` flags, of them `undef`. */
static inline IrInsn *emit(X86Tr *t, IrOp op, IrType type, IrRef dst, IrRef a, IrRef b)
{
    return ir_emit(t->b, op, type, dst, a, b);
}
static inline IrInsn *emit_flags(X86Tr *t, IrOp op, IrType type, IrRef dst, IrRef a, IrRef b,
                                 unsigned sets, unsigned undef)
{
    IrInsn *n = ir_emit(t->b, op, type, dst, a, b);
    n->sets = (uint8_t)sets;
    n->undef = (uint8_t)undef;
    return n;
}

/* Those that others name; the rest are declared in decode.c. */
X86TrFn x86_tr_LEA, x86_tr_LEAVE, x86_tr_NOP, x86_tr_BSF, x86_tr_BSR, x86_tr_MOV, x86_tr_MOVZX,
    x86_tr_MOVSX, x86_tr_MOVSXD, x86_tr_PUSH, x86_tr_POP, x86_tr_RET, x86_tr_LOOP, x86_tr_MOVBE,
    x86_tr_SHLX, x86_tr_SHRX, x86_tr_SARX, x86_tr_RORX, x86_tr_vex, x86_tr_JMP, x86_tr_SHL,
    x86_tr_SHR, x86_tr_SAR;

/* ---- for guest.c ---- */
void x86_translate(DbtCpu *c, IrBlock *b, const uint8_t *code, unsigned n, const uint8_t *next,
                   unsigned max_guest_insns);
DbtFlagsFate x86_flags_fate(DbtCpu *cpu, uint64_t mode, DbtPeek *p);

/* ---- translate.c ---- */
void   tr_helper(X86Tr *t, unsigned number, IrRef dst, IrRef a, IrRef b, IrRef c);
void   tr_raise(X86Tr *t, unsigned vector);             /* and end the block */
void   tr_ud(X86Tr *t);
void   tr_end_pc(X86Tr *t);             /* a helper has set the PC */
void   tr_end_next(X86Tr *t);           /* to the run loop, then the next instruction */
void   tr_end_lookup(X86Tr *t);        /* the mode may have changed: look up the next instruction */
void   tr_jump(X86Tr *t, const X86Insn *i);             /* direct jump by i->imm; ends the block */
void   tr_jump_if(X86Tr *t, const X86Insn *i, unsigned cc);     /* the same if cc */
/* op: brz or brnz */
void   tr_jump_if_zero(X86Tr *t, const X86Insn *i, IrOp op, IrType type, IrRef value);
void   tr_jump_to(X86Tr *t, IrRef eip, unsigned osize); /* indirect */
/* EIP or RIP of page base + offset, in a temporary */
IrRef  tr_eip(X86Tr *t, int32_t offset);

/* ---- translate_x87.c ---- */
void   x86_tr_x87_settle(X86Tr *t);     /* before what reads FIP, FDP or FOP */

/* ---- translate_vex.c ---- */
/* false: AVX is off, and the block has been ended by what raises */
bool   x86_vex_gate(X86Tr *t, const X86Insn *i);

/* ---- operand.c ---- */
/* Operand letter to type: fixed, or by operand size. */
enum { BY_SIZE, BYTE, WORD, DWORD, QWORD, WIDE, Z };
extern const uint8_t x86_width_class[OPD_N], x86_width_types[Z + 1][3];
static inline IrType tr_operand_type(const X86Insn *i, unsigned k)
{
    return (IrType)x86_width_types[x86_width_class[i->row->ops[k]]][i->osize >> 2];
}
/* ah, ch, dh, bh where there is no REX */
static inline IrRef tr_reg(const X86Insn *i, IrType type, unsigned reg)
{
    return type == IR_I8 && !i->rex && reg >= 4 ? ir_guest_high(reg - 4) : ir_guest(reg);
}
void   tr_address(X86Tr *t, const X86Insn *i, IrMem *m);                /* of the ModRM operand */
void   tr_segment(X86Tr *t, IrMem *m, unsigned seg);
/* host address of the ModRM operand */
IrRef  tr_check(X86Tr *t, const X86Insn *i, unsigned span, unsigned access);
IrRef  tr_check_mem(X86Tr *t, IrMem *m, unsigned span, unsigned access);
/* the selector, and the offset, in temporaries */
IrRef  tr_far_pointer(X86Tr *t, const X86Insn *i, IrRef *offset);
IrRef  tr_offset(X86Tr *t, const X86Insn *i);           /* its effective address, in a temporary */
unsigned tr_offset_mem(X86Tr *t, const X86Insn *i);    /* the address of that, as lea has it */
/* operand k as a source or destination */
IrRef  tr_operand(X86Tr *t, const X86Insn *i, unsigned k, unsigned access);
/* the first two, the second a source; returns the type of the first */
static inline IrType tr_operands(X86Tr *t, const X86Insn *i, unsigned access, IrRef *d, IrRef *s)
{
    IrType type = tr_operand_type(i, 0);
    if (i->row->shape == SHAPE_GE) {
        *d = tr_reg(i, type, i->reg);
        *s = i->mod != 3 ? tr_check(t, i, 1u << type, IR_READ) : tr_reg(i, type, i->rm);
    } else if (i->row->shape == SHAPE_EG) {
        *d = i->mod != 3 ? tr_check(t, i, 1u << type, access) : tr_reg(i, type, i->rm);
        *s = tr_reg(i, type, i->reg);
    } else {
        *d = tr_operand(t, i, 0, access);
        *s = tr_operand(t, i, 1, IR_READ);
    }
    return type;
}
/* operand k zero-extended, no IR_HOST and no narrow register */
IrRef  tr_value(X86Tr *t, const X86Insn *i, unsigned k);
unsigned tr_stack_size(const X86Tr *t); /* bytes of the stack pointer in use */
IrRef  tr_check_push(X86Tr *t, unsigned bytes);
IrRef  tr_check_pop(X86Tr *t, unsigned bytes);
void   tr_move_sp(X86Tr *t, int32_t by);
void   tr_push(X86Tr *t, unsigned bytes, IrRef value);
#endif
