/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c -- x87 operations of the guest on the host's x87.
 *
 * Between operations of a block the host's stack holds some of the guest's registers: Em.x87[k]
 * names the one in the host's ST(k), with DIRTY where the CPU struct does not have its value, or is
 * DEAD.  FXCH and moves by FSTP only rename.  Before a block ends or calls C everything goes to the
 * struct (x87_flush); stubs of checks do so out of line.
 *
 * The front end has seen to it that the control word is the host's own (37FH) and that all
 * exceptions are masked; their flags pile up in the host's status word.
 *
 * C1 of the last operation stays in the host's status word as well (Em.x87_c1), or is known to be
 * 0, until something else has to be done on the host's stack, a stub calls C, or the block ends:
 * then it goes to DbtX87.  So a block pays for its last one.
 *
 * Spec: accel/dbt/ir.h, V87_*; Intel SDM (325462) vol. 1, ch. 8; vol. 2, appendix A.5 (opcodes
 *   D8..DF).
 * Omits: the values of registers that the guest has emptied.
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

enum { STATUS_CODES = 0x4700, STATUS_C1 = 0x200, STATUS_FLAGS = 0x3f };
/*
 * Where the guest's C1 is: in memory (DbtX87, or its status word); in the host's status word;
 * nowhere, it is 0; TAKEN: it is 0, and the guest's status word is all it should be.
 */
enum { C1_MEMORY, C1_HOST, C1_ZERO, C1_TAKEN };
/* MOST: entries before an operation, which may add two */
enum { REG_MASK = 7, DEAD = 0x40, DIRTY = 0x80, MOST = 6 };

static Rm fpr(const Em *e, unsigned reg)
{
    return rm_cpu((int32_t)(e->g->mmx_offset + reg * e->g->mmx_stride) - BIAS);
}
static void two(Em *e, unsigned a, unsigned b) { e8(e, a); e8(e, b); }

static Rm in_x87(const Em *e, size_t member, int add)
{
    return rm_cpu((int32_t)(e->g->x87_host_offset + member) + add - BIAS);
}
static Rm c1_at(const Em *e) { return in_x87(e, offsetof(DbtX87, c1), 0); }

static void c1_store(Em *e, unsigned where)
{
    if (where == C1_HOST) {
        e_op(e, 0xdd, 0, 7, c1_at(e));  /* fnstsw m16 */
    } else if (where != C1_MEMORY) {
        e_op(e, 0xc7, 0, 0, c1_at(e));
        e32(e, 0);
    }
}

/* Before something that the guest has not asked for is done on the host's stack. */
static void c1_keep(Em *e)
{
    if (e->x87_c1 == C1_HOST) {
        c1_store(e, C1_HOST);
        e->x87_c1 = C1_MEMORY;
    }
}

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
        c1_keep(e);
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
        c1_keep(e);
        two(e, 0xd9, 0xc8 | k);
        e->x87[0] = e->x87[k];
        e->x87[k] = name;
    }
}

/* where reg is on the host's stack, loaded if it is not */
static unsigned cached(Em *e, unsigned reg)
{
    int k = find(e, reg);
    if (k < 0) {
        c1_keep(e);
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
    c1_store(e, e->x87_c1);
    e->x87_c1 = C1_MEMORY;
    store_all(e, e->x87, e->x87_n);
    e->x87_n = 0;
}

/* In a stub: the stack as it was at the branch goes to the struct, and comes back. */
void x87_stub_store(Em *e, const Stub *s)
{
    c1_store(e, s->x87_c1);
    store_all(e, s->x87, s->x87_n);
}

/* C1 of the host is 0; is it to be 1? */
static void c1_load(Em *e)
{
    e_op(e, 0xf6, 0, 0, in_x87(e, offsetof(DbtX87, c1), 1));    /* test byte */
    e8(e, STATUS_C1 >> 8);
    uint8_t *zero = e_jcc8(e, CC_E);
    e_op(e, 0xd9, 0, 6, in_x87(e, offsetof(DbtX87, env), 0));   /* fnstenv */
    e_op(e, 0x80, 0, 1, in_x87(e, offsetof(DbtX87, env), 5));   /* or byte: its status word */
    e8(e, STATUS_C1 >> 8);
    e_op(e, 0xd9, 0, 4, in_x87(e, offsetof(DbtX87, env), 0));   /* fldenv */
    patch8(e, zero);
}

void x87_stub_load(Em *e, const Stub *s)
{
    if (s->x87_c1 == C1_HOST && !s->x87_n) {
        two(e, 0xd9, 0xee);
        two(e, 0xdd, 0xd8);             /* loads and pops clear it */
    }
    for (unsigned k = s->x87_n; k-- > 0; ) {
        if (s->x87[k] & DEAD) {
            two(e, 0xd9, 0xee);         /* fldz */
        } else {
            e_op(e, 0xdb, 0, 5, fpr(e, s->x87[k] & REG_MASK));
        }
    }
    if (s->x87_c1 == C1_HOST) {
        c1_load(e);
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

/* The guest's status word as it should be. */
static void status(Em *e)
{
    Rm sw = rm_cpu((int32_t)e->g->x87_sw_offset - BIAS);

    if (e->x87_c1 == C1_TAKEN) {
        return;
    }
    flags_clobber(e);
    take_rax(e);
    if (e->x87_c1 == C1_MEMORY) {
        e_op(e, 0x8b, 0, RAX, c1_at(e));
        e_typed(e, 0x85, IR_I16, RAX, rm_reg(RAX));             /* test: DBT_X87_NONE is its sign */
        uint8_t *none = e_jcc8(e, CC_S);
        e_alu_imm(e, 4, IR_I32, rm_reg(RAX), STATUS_C1);
        e_alu_imm(e, 4, IR_I16, sw, 0xffff & ~STATUS_C1);
        e_typed(e, 0x09, IR_I16, RAX, sw);
        patch8(e, none);
    } else if (e->x87_c1 == C1_ZERO) {
        e_alu_imm(e, 4, IR_I16, sw, 0xffff & ~STATUS_C1);
        e->x87_c1 = C1_TAKEN;
    }
    take_status(e, e->x87_c1 == C1_HOST ? STATUS_C1 : 0);
}

/*
 * dst = dst op a.  `base`: the second byte of DC and DE, where ST(i) is the destination; in D8,
 * where ST0 is, and in the reversed operation, SUB and SUBR, DIV and DIVR (E0H and up) are swapped.
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
        forget(e, a);    /* it stays where it is: popping the host's would clear C1 */
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

static void compare(Em *e, unsigned opcode, unsigned base, unsigned popping, unsigned pop_base,
                    unsigned dst, unsigned a, unsigned pops)
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
    unsigned form = d->enc >> 28, opcode = d->enc >> 16 & 0xff, second = d->enc & 0xff,
             digit = d->enc >> 24 & 7;
    unsigned dst = n->dst.id - 64u, a = n->a.id - 64u, pops = n->imm8;
    bool codes = form == V87_COM || form == V87_COM_MEM;

    if (form == V87_SYNC) {
        status(e);
        return;
    }
    if (codes) {
        flags_clobber(e);
        take_rax(e);
    }
    if (form == V87_COMI) {             /* which alone leaves C1 */
        c1_keep(e);
        e->x87_c1 = e->x87_c1 == C1_TAKEN ? C1_ZERO : e->x87_c1;
    } else {
        e->x87_c1 = C1_MEMORY;
    }
    trim(e);
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
    if (codes) {
        take_status(e, STATUS_CODES);
        e->x87_c1 = C1_TAKEN;
    } else if (form == V87_STORE || form == V87_ARITH || form == V87_ARITH_MEM ||
               (form == V87_UNARY && second >= 0xf0)) {
        e->x87_c1 = C1_HOST;
    } else if (form != V87_COMI) {
        e->x87_c1 = C1_ZERO;
    }
}
