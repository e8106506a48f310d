/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c -- x87 operations of the guest on the host's x87.
 *
 * Between operations of a block the host's stack holds some of the guest's registers: Em.x87[k] names the one in the
 * host's ST(k), with DIRTY where the CPU struct does not have its value, or is DEAD.  FXCH and moves by FSTP only rename.
 * Before a block ends or calls C everything goes to the struct (x87_flush); stubs of checks do so out of line.
 *
 * The front end has seen to it that the control word is the host's own (37FH) and that all exceptions are masked; their
 * flags pile up in the host's status word.
 *
 * Spec: accel/dbt/ir.h, V87_*; Intel SDM (325462) vol. 1, ch. 8; vol. 2, appendix A.5 (opcodes D8..DF).
 * Omits: C1 of operations that are not asked for it (V87_KEEP_C1); the values of registers that the guest has emptied.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { STATUS_CODES = 0x4700, STATUS_C1 = 0x200, STATUS_FLAGS = 0x3f };
enum { REG_MASK = 7, DEAD = 0x40, DIRTY = 0x80, MOST = 6 };     /* MOST: entries before an operation, which may add two */

static Rm fpr(const Em *e, unsigned reg) { return rm_cpu((int32_t)(e->g->mmx_offset + reg * e->g->mmx_stride) - BIAS); }
static void two(Em *e, unsigned a, unsigned b) { e8(e, a); e8(e, b); }

static int find(const Em *e, unsigned reg)
{
    for (unsigned k = 0; k < e->x87_n; k++) {
        if (!(e->x87[k] & DEAD) && (e->x87[k] & REG_MASK) == reg)
            return (int)k;
    }
    return -1;
}

static void push_name(Em *e, unsigned name)
{
    memmove(e->x87 + 1, e->x87, e->x87_n++);
    e->x87[0] = (uint8_t)name;
}
static void pop_name(Em *e) { memmove(e->x87, e->x87 + 1, --e->x87_n); }

static void trim(Em *e)                 /* dead entries on top */
{
    while (e->x87_n && (e->x87[0] & DEAD)) {
        two(e, 0xdd, 0xd8);             /* fstp st0 */
        pop_name(e);
    }
}

static void forget(Em *e, unsigned reg)   /* its value is no longer needed */
{
    int k = find(e, reg);
    if (k >= 0) {
        e->x87[k] |= DEAD;
    }
}

static void exchange(Em *e, unsigned k) /* host ST0 and ST(k) */
{
    if (k) {
        uint8_t name = e->x87[0];
        two(e, 0xd9, 0xc8 | k);
        e->x87[0] = e->x87[k];
        e->x87[k] = name;
    }
}

static unsigned cached(Em *e, unsigned reg)     /* where reg is on the host's stack, loaded if it is not */
{
    int k = find(e, reg);
    if (k < 0) {
        e_op(e, 0xdb, 0, 5, fpr(e, reg));
        push_name(e, reg);
        k = 0;
    }
    return (unsigned)k;
}
static void to_top(Em *e, unsigned reg) { exchange(e, cached(e, reg)); }

static void store_all(Em *e, const uint8_t *names, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        if ((names[k] & DIRTY) && !(names[k] & DEAD)) {
            e_op(e, 0xdb, 0, 7, fpr(e, names[k] & REG_MASK));
        } else {
            two(e, 0xdd, 0xd8);
        }
    }
}

void x87_flush(Em *e)
{
    store_all(e, e->x87, e->x87_n);
    e->x87_n = 0;
}

/* In a stub: the stack as it was at the branch goes to the struct, and comes back. */
void x87_stub_store(Em *e, const Stub *s) { store_all(e, s->x87, s->x87_n); }
void x87_stub_load(Em *e, const Stub *s)
{
    for (unsigned k = s->x87_n; k-- > 0; ) {
        if (s->x87[k] & DEAD) {
            two(e, 0xd9, 0xee);         /* fldz */
        } else {
            e_op(e, 0xdb, 0, 5, fpr(e, s->x87[k] & REG_MASK));
        }
    }
}

/* The host's flags and these condition codes go to the guest's status word. */
static void take_status(Em *e, unsigned codes)
{
    Rm sw = rm_cpu((int32_t)e->g->x87_sw_offset - BIAS);

    two(e, 0xdf, 0xe0);                 /* fnstsw ax */
    e_alu_imm(e, 4, IR_I32, rm_reg(RAX), STATUS_FLAGS | codes);
    if (codes) {
        e_alu_imm(e, 4, IR_I16, sw, 0xffff & ~codes);
    }
    e_typed(e, 0x09, IR_I16, RAX, sw);  /* or */
    e->host = 0;
}

/*
 * dst = dst op a.  `base`: the second byte of DC and DE, where ST(i) is the destination; in D8, where ST0 is, and in the
 * reversed operation, SUB and SUBR, DIV and DIVR (E0H and up) are swapped.
 */
static void arith(Em *e, unsigned base, unsigned dst, unsigned a, bool pops)
{
    unsigned swapped = base >= 0xe0 ? base ^ 8 : base;

    if (dst == a) {
        to_top(e, dst);
        two(e, 0xd8, swapped);
    } else if (pops && find(e, dst) < 0 && find(e, a) == 0) {
        cached(e, dst);                 /* into ST1, where a is, and pop: that is dst now */
        two(e, 0xde, swapped | 1);
        pop_name(e);
        e->x87[0] = (uint8_t)(dst | DIRTY);
        return;
    } else {
        if (find(e, dst) < 0 && find(e, a) < 0 && !pops) {
            cached(e, a);
        }
        cached(e, dst);
        unsigned ka = cached(e, a), kd = (unsigned)find(e, dst);
        if (ka == 0) {
            two(e, pops ? 0xde : 0xdc, base | kd);
            e->x87[kd] = (uint8_t)(dst | DIRTY);
            if (pops) {
                pop_name(e);
            }
            return;
        }
        exchange(e, kd);
        two(e, 0xd8, swapped | (unsigned)find(e, a));
    }
    e->x87[0] = (uint8_t)(dst | DIRTY);
    if (pops && dst != a) {
        forget(e, a);
        if (!(e->n->imm8 & V87_KEEP_C1)) {      /* popping the host's would clear it */
            trim(e);
        }
    }
}

static void store(Em *e, const IrVecDesc *d, unsigned a, Rm to, bool pops)
{
    unsigned opcode = d->enc >> 16 & 0xff, digit = d->enc >> 24 & 7;

    to_top(e, a);
    if (!pops && digit == 3) {          /* /2 is the form that does not pop */
        e_op(e, opcode, 0, 2, to);
        return;
    }
    if (!pops) {
        two(e, 0xd9, 0xc0);             /* fld st0 */
    } else {
        pop_name(e);
    }
    e_op(e, opcode, 0, digit, to);
}

static void copy(Em *e, unsigned dst, unsigned a, bool pops)
{
    if (dst == a) {                     /* fstp st0 */
        forget(e, a);
    } else if (pops) {
        unsigned k = cached(e, a);
        forget(e, dst);
        e->x87[k] = (uint8_t)(dst | DIRTY);
    } else {
        unsigned k = cached(e, a);
        forget(e, dst);
        two(e, 0xd9, 0xc0 | k);         /* fld st(k) */
        push_name(e, dst | DIRTY);
    }
    trim(e);
}

static void compare(Em *e, unsigned opcode, unsigned base, unsigned popping, unsigned pop_base, unsigned dst, unsigned a, unsigned pops)
{
    cached(e, a);
    to_top(e, dst);
    unsigned k = (unsigned)find(e, a);
    two(e, pops ? popping : opcode, (pops ? pop_base : base) | k);
    if (pops) {
        pop_name(e);
    }
    if (pops == 2) {
        forget(e, a);
    }
    trim(e);
}

static void em_exchange(Em *e, unsigned x, unsigned y)  /* FXCH: the values change names */
{
    cached(e, x);
    cached(e, y);
    unsigned kx = (unsigned)find(e, x), ky = (unsigned)find(e, y);
    e->x87[kx] = (uint8_t)(y | DIRTY);
    e->x87[ky] = (uint8_t)(x | DIRTY);
}

void em_x87(Em *e, const IrVecDesc *d)
{
    const IrInsn *n = e->n;
    unsigned form = d->enc >> 28, opcode = d->enc >> 16 & 0xff, second = d->enc & 0xff, digit = d->enc >> 24 & 7;
    unsigned dst = n->dst.id - 64u, a = n->a.id - 64u, pops = n->imm8 & V87_POPS;
    bool codes = form == V87_COM || form == V87_COM_MEM, c1 = n->imm8 & V87_KEEP_C1;

    if (codes || c1 || form == V87_SYNC) {
        flags_clobber(e);
        take_rax(e);
    }
    if (e->x87_n > MOST) {
        x87_flush(e);
    }
    switch (form) {
    case V87_LOAD:
        forget(e, dst);
        trim(e);
        e_op(e, opcode, 0, digit, rm_of(src_rm(e, n->a, IR_I64)));
        push_name(e, dst | DIRTY);
        break;
    case V87_STORE:
        store(e, d, a, rm_of(place(e, n->dst)), pops);
        break;
    case V87_ARITH:
        arith(e, second & 0xf8, dst, a, pops);
        break;
    case V87_ARITH_MEM:
        to_top(e, dst);
        e_op(e, opcode, 0, digit, rm_of(src_rm(e, n->a, IR_I64)));
        e->x87[0] |= DIRTY;
        break;
    case V87_COM_MEM:
        to_top(e, dst);
        e_op(e, opcode, 0, pops ? 3 : 2, rm_of(src_rm(e, n->a, IR_I64)));
        if (pops) {
            pop_name(e);
        }
        break;
    case V87_COM:
        if (opcode == 0xde) {
            compare(e, 0xd8, 0xd0, 0xd8, 0xd8, dst, a, pops);
        } else {
            compare(e, 0xdd, 0xe0, 0xdd, 0xe8, dst, a, pops);
        }
        break;
    case V87_COMI:
        compare(e, 0xdb, second & 0xf8, 0xdf, second & 0xf8, dst, a, pops);
        e->host = FL_ALL;
        e->mem = 0;
        e->recipe.how = RECIPE_NONE;
        break;
    case V87_UNARY:
        to_top(e, dst);
        two(e, opcode, second);
        e->x87[0] |= DIRTY;
        break;
    case V87_CONST:
        forget(e, dst);
        trim(e);
        two(e, opcode, second);
        push_name(e, dst | DIRTY);
        break;
    case V87_COPY:
        copy(e, dst, a, pops);
        break;
    case V87_SWAP:
        em_exchange(e, dst, a);
        break;
    }
    if (codes || c1 || form == V87_SYNC) {
        take_status(e, codes ? STATUS_CODES : c1 ? STATUS_C1 : 0);
    }
}
