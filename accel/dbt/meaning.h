/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meaning.h -- the rows of ir.def as inline functions, and the common flags: for ir.c and the
 * interpreter only.
 *
 * Spec: accel/dbt/ir.def; Intel SDM (325462) vol. 1, 3.4.3.
 * Threads: pure functions.
 */
#ifndef ACCEL_DBT_MEANING_H
#define ACCEL_DBT_MEANING_H
#include "accel/dbt/ir.h"

static inline uint64_t type_mask(IrType type)
{
    return UINT64_MAX >> (64 - (8u << type));
}

static inline uint64_t sign_extend(uint64_t v, IrType type)
{
    unsigned up = 64 - (8u << type);
    return (uint64_t)((int64_t)(v << up) >> up);
}

static inline uint64_t rotate_left(uint64_t a, unsigned bits, unsigned n)
{
    n &= bits - 1;
    return n ? a << n | a >> (bits - n) : a;
}

/* Rotation by n of bits + 1 bits: carry above (rcl) the value.  n < bits + 1. */
static inline uint64_t rotate_carry_left(uint64_t a, unsigned bits, unsigned n, bool carry)
{
    if (n == 0) {
        return a;
    }
    uint64_t r = (n < 64 ? a << n : 0) | (uint64_t)carry << (n - 1);
    return n > 1 ? r | a >> (bits + 1 - n) : r;
}

static inline uint64_t rotate_carry_right(uint64_t a, unsigned bits, unsigned n, bool carry)
{
    return n ? rotate_carry_left(a, bits, bits + 1 - n, carry) : a;
}

/*
 * a:b:a shifted left: what processors do for a 16-bit shift by more than 16, which the manual
 * leaves undefined.
 */
static inline uint64_t shift_double_left(uint64_t a, uint64_t b, unsigned bits, unsigned n)
{
    if (n == 0) {
        return a;
    }
    if (n > bits) {                     /* 16 bits only */
        return b << (n - bits) | a >> (2 * bits - n);
    }
    return n == bits ? b : a << n | b >> (bits - n);
}

static inline uint64_t shift_double_right(uint64_t a, uint64_t b, unsigned bits, unsigned n)
{
    if (n == 0) {
        return a;
    }
    if (n > bits) {
        return b >> (n - bits) | a << (2 * bits - n);
    }
    return n == bits ? b : a >> n | b << (bits - n);
}

static inline uint64_t crc32c(uint32_t crc, uint64_t data, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        crc ^= (uint8_t)(data >> 8 * i);
        for (unsigned k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);      /* CRC-32C, reflected */
        }
    }
    return crc;
}

static inline unsigned shift_count(uint64_t b, IrType type)
{
    return (unsigned)b & (type == IR_I64 ? 63 : 31);
}

static inline unsigned carry_rotate_count(uint64_t b, IrType type)
{
    return shift_count(b, type) % ((8u << type) + 1);
}

static inline uint64_t ir_eval_custom(IrOp op, IrType type, uint64_t a, uint64_t b, uint64_t c,
                                      bool carry)
{
    unsigned bits = 8u << type;
    switch (op) {
    case IR_mulu2:
    case IR_muls2:
        return a * b;
    case IR_rcl:
        return rotate_carry_left(a, bits, carry_rotate_count(b, type), carry);
    case IR_rcr:
        return rotate_carry_right(a, bits, carry_rotate_count(b, type), carry);
    case IR_shld:
        return shift_double_left(a, b, bits, shift_count(c, type));
    case IR_shrd:
        return shift_double_right(a, b, bits, shift_count(c, type));
    case IR_crc32:
        return crc32c((uint32_t)a, b, 1u << type);
    case IR_xadd:
    case IR_xchg:
    case IR_cmpxchg:
        return a;    /* the old value; what is stored is the interpreter's business */
    default:
        return 0;                       /* no value, or one that depends on more than operands */
    }
}

/* ir_eval_<name>(): the meaning of one row, not yet cut to its type. */
#define S(x) ((int64_t)sign_extend(x, type))
#define BITS (UINT64_C(8) << type)
#define CIN ((uint64_t)cc)
#define COND (cc)
#define SHIFT(x) shift_count(x, type)
#define BSWAP(x) (__builtin_bswap64(x) >> (64 - BITS))
#define ROL(x, n) rotate_left(x, 8u << type, shift_count(n, type))
#define ROR(x, n) rotate_left(x, 8u << type, 0u - shift_count(n, type))
#define CUSTOM ir_eval_custom(ir_op, type, a, b, c, cc)
#define IR(name, props, meaning)                                                                    \
    static inline uint64_t ir_eval_##name(IrType type, uint64_t a, uint64_t b, uint64_t c, bool cc) \
    {                                                                                               \
        const IrOp ir_op = IR_##name;                                                               \
        (void)ir_op;                                                                                \
        return (meaning);                                                                           \
    }
#include "accel/dbt/ir.def"
#undef IR
#undef S
#undef BITS
#undef CIN
#undef COND
#undef SHIFT
#undef BSWAP
#undef ROL
#undef ROR
#undef CUSTOM

/* SF, ZF and PF of a result. */
static inline unsigned result_flags(uint64_t r, IrType type)
{
    unsigned f = (unsigned)(r >> ((8u << type) - 1)) & 1 ? FL_S : 0;
    if (r == 0) {
        f |= FL_Z;
    }
    return __builtin_parity((uint8_t)r) ? f : f | FL_P;
}

static inline unsigned add_flags(IrType type, uint64_t a, uint64_t b, uint64_t r)
{
    unsigned top = (8u << type) - 1;
    uint64_t carries = (a & b) | ((a | b) & ~r);        /* out of each bit */
    unsigned f = result_flags(r, type);
    f |= (unsigned)(carries >> top) & 1;                                            /* FL_C */
    f |= (unsigned)((a ^ b ^ r) >> 4 & 1) * FL_A;
    f |= (unsigned)(((a ^ r) & (b ^ r)) >> top & 1) * FL_O;
    return f;
}

static inline unsigned sub_flags(IrType type, uint64_t a, uint64_t b, uint64_t r)
{
    unsigned top = (8u << type) - 1;
    uint64_t borrows = (~a & b) | ((~a | b) & r);
    unsigned f = result_flags(r, type);
    f |= (unsigned)(borrows >> top) & 1;
    f |= (unsigned)((a ^ b ^ r) >> 4 & 1) * FL_A;
    f |= (unsigned)(((a ^ b) & (a ^ r)) >> top & 1) * FL_O;
    return f;
}

#endif
