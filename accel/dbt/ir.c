/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ir.c -- building the translator's operations, and what each of them means.
 *
 * Spec: accel/dbt/ir.h, ir.def; flags: Intel SDM (325462) vol. 1, 3.4.3 and the pages of the
 *   instructions in vol. 2.
 *
 * Flags that the manual calls undefined are given the values below, so that the interpreter is
 * deterministic; a native back end may leave others there (`undef` of the instruction says which):
 *   and or xor test       AF = 0
 *   shl shr sar shld shrd AF = 0; OF by the formula for a count of one, applied to the last step; CF = 0 where
 *                         more bits are shifted than there are
 *   rol ror rcl rcr       OF likewise
 *   mul mulu2 muls2       SF ZF PF of the low half, AF = 0
 *   bt bts btr btc        OF SF AF PF stay
 *   bsf bsr tzcnt lzcnt   what is undefined stays
 *
 * Threads: pure functions; a list belongs to the thread that builds it.
 */
#include "accel/dbt/meaning.h"
#include <string.h>

const char *const ir_op_names[IR_N_OPS] = {
#define IR(name, props, meaning) [IR_##name] = #name,
#include "accel/dbt/ir.def"
#undef IR
};
const uint8_t ir_op_props[IR_N_OPS] = {
#define IR(name, props, meaning) [IR_##name] = (props),
#include "accel/dbt/ir.def"
#undef IR
};

/* ---- building ---- */
static IrBlock *block_alloc(unsigned insns, unsigned guest, unsigned imms, unsigned mems)
{
    size_t at_imms = sizeof(IrBlock), at_insns = at_imms + imms * sizeof(uint64_t);
    size_t at_mems = at_insns + (insns + 1) * sizeof(IrInsn),
           at_guest = at_mems + mems * sizeof(IrMem);
    char *p = g_malloc(at_guest + guest * sizeof(IrGuest));
    IrBlock *b = (IrBlock *)p;
    memset(b, 0, sizeof *b);
    b->imms = (uint64_t *)(p + at_imms);
    b->insns = (IrInsn *)(p + at_insns) + 1;            /* IrInsn.after */
    b->mems = (IrMem *)(p + at_mems);
    b->guest = (IrGuest *)(p + at_guest);
    return b;
}

IrBlock *ir_new(void)
{
    return block_alloc(IR_MAX_INSNS, IR_MAX_GUEST, IR_MAX_IMMS, IR_MAX_MEMS);
}

IrBlock *ir_copy(const IrBlock *b)
{
    IrBlock *n = block_alloc(b->n_insns, b->n_guest, b->n_imms, b->n_mems), arrays = *n;
    *n = *b;
    n->insns = arrays.insns;
    n->n_insns = 0;
    for (unsigned i = 0; i < b->n_insns; i++) {
        n->insns[n->n_insns] = b->insns[i];
        n->n_insns += b->insns[i].op != IR_gone;
    }
    n->guest = memcpy(arrays.guest, b->guest, b->n_guest * sizeof(IrGuest));
    n->imms = memcpy(arrays.imms, b->imms, b->n_imms * sizeof(uint64_t));
    n->mems = memcpy(arrays.mems, b->mems, b->n_mems * sizeof(IrMem));
    return n;
}

void ir_begin(IrBlock *b, uint64_t pc, uint64_t mode)
{
    b->pc = pc;
    b->mode = mode;
    b->length = 0;
    b->two_pages = false;
    b->ends = NULL;
    b->n_insns = b->n_guest = b->n_imms = b->n_mems = b->n_direct = b->n_checks = 0;
    b->folds = b->locks = false;
    b->now = 0;
}

IrRef ir_imm(IrBlock *b, uint64_t value)
{
    for (unsigned i = b->n_imms; i-- > 0 && b->n_imms - i <= 8;) {
        if (b->imms[i] == value) {
            return (IrRef){ IR_IMM, 0, (uint16_t)i };
        }
    }
    g_assert(b->n_imms < IR_MAX_IMMS);
    b->imms[b->n_imms] = value;
    return (IrRef){ IR_IMM, 0, (uint16_t)b->n_imms++ };
}

uint16_t ir_mem(IrBlock *b, const IrMem *mem)
{
    g_assert(b->n_mems < IR_MAX_MEMS);
    b->locks |= mem->locked;
    b->mems[b->n_mems] = *mem;
    return (uint16_t)b->n_mems++;
}

/* ---- meaning ---- */
uint64_t ir_eval(IrOp op, IrType type, uint64_t a, uint64_t b, uint64_t c, bool carry_or_cond)
{
    uint64_t r;
    switch (op) {
#define IR(name, props, meaning) \
    case IR_##name: r = ir_eval_##name(type, a, b, c, carry_or_cond); break;
#include "accel/dbt/ir.def"
#undef IR
    default:
        r = 0;
    }
    return op == IR_crc32 ? (uint32_t)r : r & type_mask(type);
}

/*
 * OF is the exclusive or of two bits of the result, or of one and CF, whatever the count (see the
 * file head).
 */
static unsigned shift_flags(IrOp op, IrType type, uint64_t a, uint64_t b, uint64_t c, uint64_t r,
                            unsigned old)
{
    unsigned bits = 8u << type, top = bits - 1;
    unsigned n = shift_count(op == IR_shld || op == IR_shrd ? c : b, type);
    unsigned r_top = (unsigned)(r >> top) & 1, r_next = (unsigned)(r >> (top - 1)) & 1, cf, of;
    bool rotates = false;
    if (n == 0) {
        return old;
    }
    switch (op) {
    case IR_shl:
        cf = n <= bits ? (unsigned)(a >> (bits - n)) & 1 : 0;
        of = r_top ^ cf;
        break;
    case IR_shr:
        cf = (unsigned)(a >> (n - 1)) & 1;
        of = r_top ^ r_next;
        break;
    case IR_sar:
        cf = (unsigned)((int64_t)sign_extend(a, type) >> (n - 1)) & 1;
        of = 0;
        break;
    case IR_shld:
        cf = n <= bits ? (unsigned)(a >> (bits - n)) & 1 : (unsigned)(b >> (2 * bits - n)) & 1;
        of = r_top ^
             (unsigned)((n == 1 ? a >> top : shift_double_left(a, b, bits, n - 1) >> top) & 1);
        break;
    case IR_shrd:
        cf = n <= bits ? (unsigned)(a >> (n - 1)) & 1 : (unsigned)(b >> (n - bits - 1)) & 1;
        of = r_top ^ r_next;
        break;
    case IR_rol:
        cf = (unsigned)r & 1;
        of = r_top ^ cf;
        rotates = true;
        break;
    case IR_ror:
        cf = r_top;
        of = r_top ^ r_next;
        rotates = true;
        break;
    case IR_rcl:
        n = carry_rotate_count(b, type);
        cf = n ? (unsigned)(a >> (bits - n)) & 1 : old & FL_C;
        of = r_top ^ cf;
        rotates = true;
        break;
    default:                            /* rcr */
        n = carry_rotate_count(b, type);
        cf = n ? (unsigned)(a >> (n - 1)) & 1 : old & FL_C;
        of = r_top ^ r_next;
        rotates = true;
        break;
    }
    return cf * FL_C | of * FL_O |
           (rotates ? old & (FL_P | FL_A | FL_Z | FL_S) : result_flags(r, type));
}

/* Flags from a value that has them where EFLAGS does. */
static unsigned flags_from_eflags(uint64_t v)
{
    unsigned e = (unsigned)v;
    return (e & 1) | (e >> 2 & 1) * FL_P | (e >> 4 & 1) * FL_A | (e >> 6 & 1) * FL_Z |
           (e >> 7 & 1) * FL_S | (e >> 11 & 1) * FL_O;
}

static unsigned product_flags(IrType type, uint64_t r, bool overflow)
{
    return result_flags(r, type) | (overflow ? FL_C | FL_O : 0);
}

unsigned ir_flags(IrOp op, IrType type, uint64_t a, uint64_t b, uint64_t c, uint64_t result,
                  uint64_t high, unsigned old)
{
    uint64_t mask = type_mask(type);
    switch (op) {
    case IR_add:
    case IR_adc:
    case IR_xadd:
        return add_flags(type, a, b, result);
    case IR_sub:
    case IR_sbb:
    case IR_cmp:
        return sub_flags(type, a, b, result);
    case IR_cmpxchg:                    /* cmp c, old value */
        return sub_flags(type, c, a, (c - a) & mask);
    case IR_neg:
        return sub_flags(type, 0, a, result);
    case IR_inc:
        return (add_flags(type, a, 1, result) & ~FL_C) | (old & FL_C);
    case IR_dec:
        return (sub_flags(type, a, 1, result) & ~FL_C) | (old & FL_C);
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_test:
        return result_flags(result, type);
    case IR_mul: {
        __int128 wide = (__int128)(int64_t)sign_extend(a, type) * (int64_t)sign_extend(b, type);
        return product_flags(type, result, wide != (int64_t)sign_extend(result, type));
    }
    case IR_mulu2:
        return product_flags(type, result, high != 0);
    case IR_muls2:
        return product_flags(type, result, high != (sign_extend(result, type) >> 63 ? mask : 0));
    case IR_shl:
    case IR_shr:
    case IR_sar:
    case IR_rol:
    case IR_ror:
    case IR_rcl:
    case IR_rcr:
    case IR_shld:
    case IR_shrd:
        return shift_flags(op, type, a, b, c, result, old);
    case IR_bt:
    case IR_bts:
    case IR_btr:
    case IR_btc:
        return (old & ~FL_C) | (unsigned)(a >> (b & ((8u << type) - 1)) & 1);
    case IR_bsf:
    case IR_bsr:
        return (old & ~FL_Z) | (a == 0 ? FL_Z : 0);
    case IR_tzcnt:
    case IR_lzcnt:
        return (old & ~(FL_C | FL_Z)) | (a == 0 ? FL_C : 0) | (result == 0 ? FL_Z : 0);
    case IR_popcnt:
        return a == 0 ? FL_Z : 0;
    case IR_setfl:
        return flags_from_eflags(a);
    case IR_cmc:
        return old ^ FL_C;
    default:
        return old;
    }
}

bool ir_cond(unsigned cc, unsigned flags)
{
    bool s = flags & FL_S, o = flags & FL_O, z = flags & FL_Z, r = false;
    switch (cc >> 1 & 7) {
    case CC_O >> 1:  r = o; break;
    case CC_B >> 1:  r = flags & FL_C; break;
    case CC_E >> 1:  r = z; break;
    case CC_BE >> 1: r = flags & (FL_C | FL_Z); break;
    case CC_S >> 1:  r = s; break;
    case CC_P >> 1:  r = flags & FL_P; break;
    case CC_L >> 1:  r = s != o; break;
    case CC_LE >> 1: r = z || s != o; break;
    }
    return r != (cc & 1);
}

unsigned ir_cond_flags(unsigned cc)
{
    static const uint8_t reads[8] = { FL_O, FL_C, FL_Z,        FL_C | FL_Z,
                                      FL_S, FL_P, FL_S | FL_O, FL_S | FL_O | FL_Z };
    return reads[cc >> 1 & 7];
}
