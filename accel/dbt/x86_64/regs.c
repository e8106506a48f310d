/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regs.c -- where the operands of an operation are, and the three scratch registers that
 * temporaries and host addresses share.
 *
 * Guest registers never move (x64.h).  Temporaries and host addresses live in scratch registers
 * from definition to last use; when all three are wanted the one that the operation at hand does
 * not use goes to its slot in cpu->spill.  Where even that does not do, a guest register that the
 * operation does not name is put aside for its duration (and had back by the stub of a division
 * that leaves; checks of memory never need that).
 *
 * Threads: emission, see x64.h.
 */
#include "accel/dbt/x86_64/emit.h"

const uint8_t x64_gpr[N_GPR] = { R9, RCX,    RDX,    RBX,    R15, R14, RSI,    RDI,
                                 R8, NO_REG, NO_REG, NO_REG, R12, R13, NO_REG, NO_REG };
/* preferred last to first by values, first to last by the rest */
static const uint8_t scratch[3] = { RAX, R11, R10 };
enum { SCRATCH = 1 << RAX | 1 << R10 | 1 << R11 };

static int32_t slot_of(unsigned v) { return CPU(spill) + 8 * (int32_t)v; }
static int32_t gpr_slot(const Em *e, unsigned r) { return CPU(gpr) + 8 * (int32_t)e->slot[r]; }

void regs_begin(Em *e)
{
    memcpy(e->gpr, x64_gpr, sizeof e->gpr);
    for (unsigned g = 0; g < N_GPR; g++) {
        e->slot[g] = (uint8_t)g;
    }
    e->swaps = 0;
    memset(e->owner, FREE, sizeof(e->owner));
    memset(e->at, NOWHERE, sizeof(e->at));
    e->held = e->borrowed = 0;
}

/*
 * A block that jumps back to its own start may keep guest registers of the struct in host registers
 * while it loops, in place of others that it uses less.  They change places, so that what is in the
 * struct is always as many; outside, all is as ever.
 */
/* guest registers of the struct; 4 bits of Em.swaps each */
static const uint8_t swap_in[] = { 9, 10, 11, 14, 15 };
/*
 * Operands: six instructions for a pair, and at least a few turns; a trace has been seen to turn.
 */
/* the last: in a loop that is left after a turn or two */
enum { SWAP_GAIN = 3, SWAP_GAIN_TRACE = 2, SWAP_GAIN_RESTLESS = 8 };

unsigned last_loop(const Em *e)
{
    for (unsigned i = e->ir->n_insns; i-- > 0;) {
        const IrInsn *n = &e->ir->insns[i];
        bool exits = n->op == IR_br || n->op == IR_brz || n->op == IR_brnz || n->op == IR_jmp;
        if (exits && n->imm == (int32_t)(e->ir->pc & (DBT_PAGE - 1))) {
            return i;
        }
    }
    return 0;
}

static void use(uint16_t *uses, IrRef r)
{
    if (r.kind == IR_GUEST) {
        uses[r.id]++;
    }
}

/* In the loop; false: it has something that wants guest registers where they belong. */
static bool count_uses(const Em *e, unsigned last, uint16_t *uses)
{
    for (unsigned i = 0; i < e->ir->n_insns; i++) {
        const IrInsn *n = &e->ir->insns[i];
        if (n->op == IR_helper || n->op == IR_gate || n->op == IR_bulk ||
            (n->op == IR_vop && !em_vop_is_native(e, n))) {
            return false;
        }
        if (i > last) {
            continue;
        }
        use(uses, n->dst);
        use(uses, n->dst2);
        use(uses, n->a);
        use(uses, n->b);
        use(uses, n->c);
        if (n->op == IR_chk || n->op == IR_lea) {
            use(uses, e->ir->mems[n->mem].base);
            use(uses, e->ir->mems[n->mem].index);
        }
    }
    return true;
}

bool regs_choose(Em *e, unsigned last)
{
    uint16_t uses[N_GPR] = { 0 };

    if (!count_uses(e, last, uses)) {
        return false;
    }
    unsigned gain = !e->trace            ? SWAP_GAIN
                    : e->trace->restless ? SWAP_GAIN_RESTLESS
                                         : SWAP_GAIN_TRACE;
    uses[1] = uses[2] = UINT16_MAX;     /* rcx and rdx have tasks of their own */
    for (unsigned round = 0; round < G_N_ELEMENTS(swap_in); round++) {
        unsigned in = N_GPR, out = 1;
        for (unsigned k = 0; k < G_N_ELEMENTS(swap_in); k++) {
            if (!(e->swaps >> 4 * k & 15) &&
                (in == N_GPR || uses[swap_in[k]] > uses[swap_in[in]])) {
                in = k;
            }
        }
        for (unsigned g = 0; g < N_GPR; g++) {
            if (e->gpr[g] == x64_gpr[g] && x64_gpr[g] != NO_REG && uses[g] < uses[out]) {
                out = g;
            }
        }
        if (in == N_GPR || uses[swap_in[in]] < uses[out] + gain) {
            break;
        }
        e->swaps |= (out + 1) << 4 * in;
        e->gpr[swap_in[in]] = x64_gpr[out];
        e->gpr[out] = NO_REG;
        e->slot[out] = swap_in[in];
        e->slot[swap_in[in]] = (uint8_t)out;    /* free meanwhile: for borrow() */
    }
    return true;
}

void regs_swap_now(Em *e)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(swap_in); k++) {
        unsigned g = e->swaps >> 4 * k & 15;
        if (g--) {
            Rm m = rm_cpu(CPU(gpr) + 8 * swap_in[k]);
            e_load(e, RAX, m);
            e_store(e, x64_gpr[g], m);
            e_mov_rr(e, x64_gpr[g], RAX);
        }
    }
}

void regs_unswap_c(uint64_t *gpr, uint32_t swaps)
{
    for (unsigned k = 0; swaps && k < G_N_ELEMENTS(swap_in); k++, swaps >>= 4) {
        if (swaps & 15) {
            uint64_t *a = &gpr[swap_in[k]], *b = &gpr[(swaps & 15) - 1], v = *a;
            *a = *b;
            *b = v;
        }
    }
}

static void hold(Em *e, unsigned reg) { e->held |= (uint16_t)(1u << reg); }

/* Move the value in reg elsewhere. */
static void evict(Em *e, unsigned reg)
{
    unsigned v = e->owner[reg];

    for (int i = 2; i >= 0; i--) {
        unsigned to = scratch[i];
        if (to != reg && e->owner[to] == FREE && !(e->held >> to & 1)) {
            e_mov_rr(e, to, reg);
            e->owner[to] = (uint8_t)v;
            e->at[v] = (uint8_t)to;
            e->owner[reg] = FREE;
            return;
        }
    }
    e_store(e, reg, rm_cpu(slot_of(v)));
    e->at[v] = IN_SLOT;
    e->owner[reg] = FREE;
}

static unsigned guest_mask(const Em *e, IrRef r)
{
    return r.kind == IR_GUEST && e->gpr[r.id] != NO_REG ? 1u << e->gpr[r.id] : 0;
}

/* A guest register that the operation does not touch. */
static unsigned borrow(Em *e)
{
    const IrInsn *n = e->n;
    unsigned used = guest_mask(e, n->dst) | guest_mask(e, n->dst2) | guest_mask(e, n->a) |
                    guest_mask(e, n->b) | guest_mask(e, n->c) | 1u << RCX | 1u << RDX |
                    e->borrowed | e->held;

    for (unsigned g = N_GPR; g-- > 0;) {
        unsigned r = e->gpr[g];
        if (r != NO_REG && !(used >> r & 1)) {
            e_store(e, r, rm_cpu(gpr_slot(e, g)));
            e->borrowed |= (uint16_t)(1u << r);
            hold(e, r);
            return r;
        }
    }
    g_assert_not_reached();
}

static unsigned take_in(Em *e, bool for_value)
{
    for (int k = 0; k < 3; k++) {
        unsigned r = scratch[for_value ? 2 - k : k];
        if (e->owner[r] == FREE && !(e->held >> r & 1)) {
            e->owner[r] = HELD;
            hold(e, r);
            return r;
        }
    }
    for (int k = 0; k < 3; k++) {
        unsigned r = scratch[for_value ? 2 - k : k];
        if (e->owner[r] < N_VALS && !(e->held >> r & 1)) {
            evict(e, r);
            e->owner[r] = HELD;
            hold(e, r);
            return r;
        }
    }
    return borrow(e);
}

unsigned take(Em *e) { return take_in(e, false); }

unsigned take_host(Em *e)
{
    unsigned x = free_host(e);

    if (x != NO_REG) {
        e->owner[x] = HELD;
        hold(e, x);
        return x;
    }
    x = take(e);
    if (x == RAX) {
        unsigned better = take(e);
        give(e, x);
        x = better;
    }
    return x;
}

unsigned free_scratch(const Em *e)
{
    for (unsigned k = 0; k < 3; k++) {
        if (e->owner[scratch[k]] == FREE && !(e->held >> scratch[k] & 1)) {
            return scratch[k];
        }
    }
    return NO_REG;
}

void take_rax(Em *e)
{
    if (e->owner[RAX] < N_VALS) {
        g_assert(!(e->held & 1 << RAX));
        evict(e, RAX);
    }
    e->owner[RAX] = HELD;
    hold(e, RAX);
}

void give(Em *e, unsigned reg)
{
    if ((SCRATCH >> reg & 1) && e->owner[reg] == HELD) {
        e->owner[reg] = FREE;
    }
    if (!(e->borrowed >> reg & 1)) {
        e->held &= (uint16_t)~(1u << reg);
    }
}

void restore_borrowed(Em *e, unsigned mask)
{
    for (unsigned g = 0; mask && g < N_GPR; g++) {
        if (e->gpr[g] != NO_REG && (mask >> e->gpr[g] & 1)) {
            e_load(e, e->gpr[g], rm_cpu(gpr_slot(e, g)));
        }
    }
}

void release(Em *e, IrRef r)
{
    if (r.kind != IR_TEMP && r.kind != IR_HOST) {
        return;
    }
    unsigned v = val_of(r), reg = e->at[v];
    if (reg < 16) {
        e->held &= (uint16_t)~(1u << reg);
        if (!(e->n->after.values >> v & 1)) {
            e->owner[reg] = FREE;
            e->at[v] = NOWHERE;
        }
    }
}

void operands_done(Em *e)
{
    for (unsigned k = 0; k < 3; k++) {
        if (e->owner[scratch[k]] == HELD) {
            e->owner[scratch[k]] = FREE;
        }
    }
    e->held = e->borrowed;
}

void regs_free_dead(Em *e)
{
    G_STATIC_ASSERT(sizeof(e->at) == 32);
    uint32_t dead = regs_dead(e);

    for (unsigned k = 0; k < 3; k++) {
        unsigned r = scratch[k], v = e->owner[r] % 32;
        if (dead >> v & 1) {
            e->owner[r] = FREE;
            e->at[v] = NOWHERE;         /* of HELD: nobody asks */
        }
    }
    if (e->borrowed) {
        restore_borrowed(e, e->borrowed);
        e->borrowed = 0;
    }
}

void set_val(Em *e, unsigned v, unsigned reg)
{
    if (!(SCRATCH >> reg & 1)) {        /* computed in a borrowed register */
        e_store(e, reg, rm_cpu(slot_of(v)));
        if (e->at[v] < 16) {
            e->owner[e->at[v]] = FREE;
        }
        e->at[v] = IN_SLOT;
        return;
    }
    if (e->at[v] < 16 && e->at[v] != reg) {
        e->owner[e->at[v]] = FREE;
    }
    e->owner[reg] = (uint8_t)v;
    e->at[v] = (uint8_t)reg;
}

void rename_val(Em *e, unsigned from, unsigned to)
{
    unsigned reg = e->at[from];

    e->at[from] = NOWHERE;
    set_val(e, to, reg);
}

void drop_scratch(Em *e, uint16_t live)
{
    for (unsigned k = 0; k < 3; k++) {
        unsigned r = scratch[k], v = e->owner[r];
        if (v < N_VALS && (live >> v & 1)) {
            e_store(e, r, rm_cpu(slot_of(v)));
            e->at[v] = IN_SLOT;
            e->owner[r] = FREE;
        }
    }
}

void forget_scratch(Em *e)
{
    memset(e->owner, FREE, sizeof(e->owner));
    for (unsigned v = 0; v < N_VALS; v++) {
        if (e->at[v] < 16) {
            e->at[v] = NOWHERE;
        }
    }
    e->held = 0;
}

/* Register that holds value v. */
static unsigned val_reg(Em *e, unsigned v)
{
    if (e->at[v] == IN_SLOT) {
        unsigned r = take_in(e, true);
        e_load(e, r, rm_cpu(slot_of(v)));
        if (!(SCRATCH >> r & 1)) {
            return r;                   /* borrowed: it stays in its slot */
        }
        set_val(e, v, r);
        hold(e, r);
        return r;
    }
    g_assert(e->at[v] < 16);            /* defined before it is read */
    hold(e, e->at[v]);
    return e->at[v];
}

Opnd place(Em *e, IrRef r)
{
    Opnd o = { .kind = O_NONE, .reg = RBP };

    switch (r.kind) {
    case IR_GUEST:
        if (e->gpr[r.id] != NO_REG) {
            return (Opnd){ .kind = O_REG, .reg = e->gpr[r.id], .high = r.high_byte };
        }
        o.kind = O_MEM;
        o.disp = gpr_slot(e, r.id) + r.high_byte;
        break;
    case IR_TEMP:
        if (e->at[r.id] < 16) {
            hold(e, e->at[r.id]);
            return (Opnd){ .kind = O_REG, .reg = e->at[r.id] };
        }
        if (e->at[r.id] == IN_SLOT) {
            o.kind = O_MEM;
            o.disp = slot_of(r.id);
        }
        break;
    case IR_CTX:
        o.kind = O_MEM;
        o.disp = (int32_t)r.id - BIAS;
        break;
    case IR_HOST:
        o.kind = O_MEM;
        o.reg = (uint8_t)val_reg(e, val_of(r));
        o.disp = e->n->disp;
        break;
    }
    return o;
}

Opnd src(Em *e, IrRef r, IrType type)
{
    if (r.kind == IR_IMM) {
        return (Opnd){
            .kind = O_IMM, .imm = e->ir->imms[r.id] & (UINT64_MAX >> (64 - (8u << type))),
        };
    }
    Opnd o = place(e, r);
    if (o.kind == O_REG && o.high) {
        unsigned s = take(e);
        e_rorx(e, s, o.reg, 8, false);
        return (Opnd){ .kind = O_REG, .reg = (uint8_t)s };
    }
    return o;
}

void load_to(Em *e, unsigned reg, IrRef r, IrType type)
{
    if (r.kind == IR_IMM) {
        e_mov_imm(e, reg, e->ir->imms[r.id] & (UINT64_MAX >> (64 - (8u << type))));
        return;
    }
    Opnd o = place(e, r);
    if (o.kind == O_MEM) {
        e_movzx(e, reg, rm_of(o), type);
    } else if (o.high) {
        e_rorx(e, reg, o.reg, 8, false);
    } else if (o.reg != reg) {
        e_op(e, 0x8b, type == IR_I64 ? E_W : 0, reg, rm_reg(o.reg));
    }
}

unsigned src_reg(Em *e, IrRef r, IrType type)
{
    Opnd o = src(e, r, type);

    if (o.kind == O_REG) {
        return o.reg;
    }
    unsigned s = take(e);
    if (o.kind == O_IMM) {
        e_mov_imm(e, s, o.imm);
    } else {
        e_movzx(e, s, rm_of(o), type);
    }
    return s;
}

Opnd src_rm(Em *e, IrRef r, IrType type)
{
    Opnd o = src(e, r, type);

    if (o.kind == O_IMM) {
        unsigned s = take(e);
        e_mov_imm(e, s, o.imm);
        return (Opnd){ .kind = O_REG, .reg = (uint8_t)s };
    }
    return o;
}

unsigned dst_reg(Em *e, IrRef r, IrType type, unsigned avoid)
{
    if (r.kind == IR_GUEST && !r.high_byte && type >= IR_I32 && e->gpr[r.id] != NO_REG &&
        !(avoid >> e->gpr[r.id] & 1)) {
        return e->gpr[r.id];
    }
    if (r.kind == IR_TEMP) {
        if (e->at[r.id] < 16 && !(avoid >> e->at[r.id] & 1)) {
            hold(e, e->at[r.id]);
            return e->at[r.id];
        }
        return take_in(e, true);
    }
    return take(e);
}

static void done_guest(Em *e, IrRef r, IrType type, unsigned reg)
{
    unsigned h = e->gpr[r.id];

    if (h == NO_REG) {
        if (type == IR_I32 && !((SCRATCH | e->borrowed) >> reg & 1)) {
            unsigned s = take(e);
            e_mov32(e, s, reg);
            reg = s;
        }
        e_typed(e, 0x89, type == IR_I32 ? IR_I64 : type, reg,
                rm_cpu(gpr_slot(e, r.id) + r.high_byte));
    } else if (r.high_byte) {
        unsigned s = take(e);
        e_rorx(e, s, h, 8, true);
        e_op(e, 0x8a, E_R8 | E_M8, s, rm_reg(reg));
        e_rorx(e, h, s, 56, true);
        give(e, s);
    } else if (h != reg) {
        e_typed(e, 0x8b, type, h, rm_reg(reg));
    }
}

void dst_done(Em *e, IrRef r, IrType type, unsigned reg)
{
    switch (r.kind) {
    case IR_GUEST:
        done_guest(e, r, type, reg);
        break;
    case IR_TEMP: {
        unsigned to = reg;
        if (!(SCRATCH >> reg & 1) || (e->owner[reg] != HELD && e->owner[reg] != r.id)) {
            to = take_in(e, true);
        }
        if (to != reg || type < IR_I32) {
            e_movzx(e, to, rm_reg(reg), type);
        }
        set_val(e, r.id, to);
        break;
    }
    case IR_CTX:
    case IR_HOST:
        e_typed(e, 0x89, type, reg, rm_of(place(e, r)));
        break;
    }
}
