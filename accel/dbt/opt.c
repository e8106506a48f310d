/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opt.c -- what is done to a block between translation and emission: one pass forward, one
 * backward, and merged checks.
 *
 * Forward, inside each guest instruction: copies of registers and constants held in temporaries are
 * read from where they came from, and operations on constants fold.  Backward: which flags are read
 * later (`live`) or seen by an exception only (`live_fault`), and dead temporaries, comparisons and
 * moves go; what is live behind each operation that stays is written down for the back end
 * (`after`).  ir_merge_checks() lets one memory check serve several accesses near to one base
 * register.
 *
 * What goes becomes `gone` where it stands: closing a list up costs more than walking past.
 *
 * Nothing here removes a write to a guest register, memory or the CPU struct.
 *
 * Threads: a list belongs to the thread that builds it.
 */
#include "accel/dbt/ir.h"

/* What makes an operation more to a pass than its operands and `sets`: most have none of it. */
enum {
    T_CALLS = 2,                        /* helper, vop */
    T_EXITS = 4,                        /* directly: `live` says what the target wants */
    T_FLAGS = 8,                        /* flags_read() */
    T_COUNT = 16,                       /* a shift: a count of zero leaves the flags as they were */
    T_ADDRESS = 32,                     /* has an IrMem, and is no check */
    T_SUM = 64,                         /* add, sub */
    T_XOR = 128,
    T_BULK = 256,                       /* may go on elsewhere, though it reads as no exit */
    T_STAYS = 512,                      /* whoever reads what it writes */
    T_LEAVES = 1024,                    /* LEAVES of ir.def */
    T_BARRIER = 2048,    /* goes elsewhere, may leave, or touches what its operands do not say */
    T_SPECIAL = T_XOR | T_SUM | T_CALLS | T_BULK,       /* is_special() */
};
#define ANY2(op, x, y) ((op) == IR_##x || (op) == IR_##y)
#define ANY4(op, x, y, z, w) (ANY2(op, x, y) || ANY2(op, z, w))
#define TRAITS(op, props)                                                                               \
    ((ANY2(op, helper, vop) ? T_CALLS : 0) |                                                            \
     (ANY4(op, jmp, br, brz, brnz) ? T_EXITS : 0) |                                                     \
     (ANY4(op, sel, setcc, br, jguess) || ANY4(op, adc, sbb, cmc, getfl) ||                             \
      ANY4(op, rcl, rcr, helper, gate) ? T_FLAGS : 0) |                                                 \
     (ANY4(op, shl, shr, sar, rol) || ANY4(op, ror, rcl, rcr, shld) || (op) == IR_shrd ? T_COUNT : 0) | \
     ((op) == IR_lea ? T_ADDRESS : 0) | (ANY2(op, add, sub) ? T_SUM : 0) |                              \
     (ANY2(op, xor, sub) ? T_XOR : 0) | ((op) == IR_bulk ? T_BULK : 0) |                                \
     ((props) & (EFFECT | LEAVES | ENDS) ? T_STAYS : 0) | ((props) & LEAVES ? T_LEAVES : 0) |           \
     (((props) & (LEAVES | ENDS)) || ANY4(op, br, brz, brnz, jguess) || ANY4(op, bulk, helper, gate, vop) ? T_BARRIER : 0))
static const uint16_t traits[IR_N_OPS] = {
#define IR(name, props, meaning) [IR_##name] = TRAITS(IR_##name, props),
#include "accel/dbt/ir.def"
#undef IR
};

/* ---- forward: copies and constants ---- */
typedef struct Copies {
    unsigned known;                     /* temporaries of which something is */
    IrRef    of[IR_TEMPS];
    IrType   type[IR_TEMPS];            /* the temporary holds the low bits of so many */
} Copies;

/* Which operand type an operation reads `a` in. */
static IrType source_type(const IrInsn *i)
{
    switch (i->op) {
    case IR_zext8: case IR_sext8:   return IR_I8;
    case IR_zext16: case IR_sext16: return IR_I16;
    case IR_zext32: case IR_sext32: case IR_crc32: return IR_I32;
    case IR_jind: case IR_jguess:   return IR_I64;
    default:                        return i->type;
    }
}

static void replace(const Copies *k, IrRef *ref, IrType type)
{
    if (ref->kind == IR_TEMP && (k->known >> ref->id & 1) &&
        (k->of[ref->id].kind == IR_IMM || type <= k->type[ref->id])) {
        *ref = k->of[ref->id];
    }
}

/* A base or index is read in 64 bits but only so many of them count. */
static void replace_address(IrBlock *b, const Copies *k, IrInsn *i)
{
    IrMem m = b->mems[i->mem];
    IrType type = m.offset_bits == 64 ? IR_I64 : m.offset_bits == 32 ? IR_I32 : IR_I16;
    IrRef *refs[2] = { &m.base, &m.index };
    bool changed = false;
    for (unsigned r = 0; r < 2; r++) {
        unsigned t = refs[r]->id;
        /* What lies above a narrower copy would be added in. */
        if (refs[r]->kind == IR_TEMP && (k->known >> t & 1) && k->of[t].kind == IR_GUEST &&
            k->type[t] >= type && !k->of[t].high_byte) {
            *refs[r] = k->of[t];
            changed = true;
        }
    }
    if (changed && b->n_mems < IR_MAX_MEMS) {
        i->mem = ir_mem(b, &m);         /* its own: another operation may mean the old one */
    }
}

static void forget(Copies *k, IrRef dst)
{
    if (dst.kind == IR_TEMP) {
        k->known &= ~(1u << dst.id);
    } else if (dst.kind == IR_GUEST) {
        for (unsigned t = 0; k->known && t < IR_TEMPS; t++) {
            if (k->of[t].kind == IR_GUEST && k->of[t].id == dst.id) {
                k->known &= ~(1u << t);
            }
        }
    }
}

static bool is_constant(IrRef r)
{
    return r.kind == IR_IMM || r.kind == IR_NONE;
}

/* The value of an operand: cut to what the operation reads. */
static uint64_t constant(const IrBlock *b, IrRef r, IrType type)
{
    return r.kind == IR_IMM ? b->imms[r.id] & UINT64_MAX >> (64 - (8u << type)) : 0;
}

/* Rows whose value follows from a, b, c alone. */
static bool is_pure(IrOp op)
{
    switch (op) {
    case IR_lea: case IR_getfl: case IR_setfl: case IR_mulu2: case IR_muls2: case IR_cmc:
        return false;
    default:
        return !(ir_op_props[op] & (READS_FLAGS | EFFECT | LEAVES | ENDS | NO_RESULT));
    }
}

static void fold(IrBlock *b, IrInsn *i)
{
    if (i->sets || i->op == IR_mov || i->a.kind != IR_IMM || !is_constant(i->b) ||
        !is_constant(i->c) || i->dst.kind == IR_HOST || !is_pure(i->op) ||
        b->n_imms == IR_MAX_IMMS) {
        return;
    }
    uint64_t v = ir_eval(i->op, i->type, constant(b, i->a, source_type(i)),
                         constant(b, i->b, i->type), constant(b, i->c, i->type), false);
    if (i->op == IR_crc32) {
        i->type = IR_I32;
    }
    i->op = IR_mov;
    i->a = ir_imm(b, v);
    i->b = i->c = ir_none();
}

/* A temporary that a register or constant is moved to. */
static void note_copy(IrBlock *b, Copies *k, const IrInsn *i)
{
    unsigned t = i->dst.id;
    if (i->a.kind == IR_IMM && b->n_imms < IR_MAX_IMMS) {
        k->of[t] = ir_imm(b, constant(b, i->a, i->type));
    } else if (i->a.kind == IR_GUEST) {
        k->of[t] = i->a;
    } else {
        return;
    }
    k->type[t] = i->type;
    k->known |= 1u << t;
}

static void forward(IrBlock *b)
{
    Copies copies = { 0 };
    for (IrInsn *i = b->insns, *end = i + b->n_insns; i < end; i++) {
        if (traits[i->op] & T_CALLS) {
            if (copies.known) {
                for (IrRef *r = &i->a; r <= &i->c; r++) {
                    replace(&copies, r, i->op == IR_vop ? IR_I64 : i->type);
                }
            }
            copies.known = 0;
            continue;
        }
        if (copies.known) {
            if (traits[i->op] & T_ADDRESS || i->op == IR_chk) {
                replace_address(b, &copies, i);
            }
            if ((i->a.kind | i->b.kind | i->c.kind) & IR_TEMP) {
                replace(&copies, &i->a, source_type(i));
                replace(&copies, &i->b, i->type);
                replace(&copies, &i->c, i->type);
            }
            forget(&copies, i->dst);
            forget(&copies, i->dst2);
        }
        if (i->op == IR_mov) {
            if (i->dst.kind == IR_TEMP) {
                note_copy(b, &copies, i);
            }
        } else if (i->a.kind == IR_IMM) {
            fold(b, i);
            if (i->op == IR_mov && i->dst.kind == IR_TEMP) {
                note_copy(b, &copies, i);
            }
        }
    }
}

/* ---- backward: flags and what is dead ---- */
/* A shift whose count may be zero leaves flags as they were. */
static bool always_sets(const IrBlock *b, const IrInsn *i)
{
    IrRef count = i->op == IR_shld || i->op == IR_shrd ? i->c : i->b;
    return !(traits[i->op] & T_COUNT) ||
           (count.kind == IR_IMM && (b->imms[count.id] & (i->type == IR_I64 ? 63 : 31)));
}

/* Of a helper, for those that do not know it: helper_flags(). */
static unsigned flags_read(const IrInsn *i)
{
    switch (i->op) {
    case IR_sel: case IR_setcc: case IR_br:
        return ir_cond_flags(i->cond);
    case IR_adc: case IR_sbb: case IR_rcl: case IR_rcr: case IR_cmc:
        return FL_C;
    case IR_getfl: case IR_jguess: case IR_helper: case IR_gate:
        return FL_ALL;
    default:
        return 0;
    }
}

unsigned ir_flags_at_start(const IrBlock *b, unsigned *fault, unsigned *written)
{
    unsigned wanted = 0, pending = FL_ALL, wrote = 0;

    *fault = *written = 0;
    for (unsigned n = 0; n < b->n_insns && pending; n++) {
        const IrInsn *i = &b->insns[n];
        unsigned t = traits[i->op], at = 0;
        if (t & T_EXITS && i->imm == (int32_t)(b->pc & 0xfff)) {
            /* here again, with what is pending: another turn may write anything before it leaves */
            wrote = UINT16_MAX;
            at = *fault & pending;
        } else if (t & T_EXITS) {
            wanted |= i->live & pending;
            at = i->live_fault & pending;
            wrote |= at ? i->sub : 0;
        } else if (ir_op_props[i->op] & LEAVES) {
            at = pending;
        }
        if (at) {
            *fault |= at;
            *written |= wrote;
        }
        wanted |= t & T_FLAGS ? flags_read(i) & pending : 0;
        if (i->op == IR_jmp) {
            break;
        }
        if (ir_op_props[i->op] & ENDS) {
            wanted |= pending;
        }
        if (!(t & T_EXITS) && i->sets && always_sets(b, i)) {
            pending &= ~(unsigned)i->sets;
        }
        wrote |= (i->dst.kind == IR_GUEST ? 1u << (i->dst.id & 15) : 0) |
                 (i->dst2.kind == IR_GUEST ? 1u << (i->dst2.id & 15) : 0);
    }
    return wanted;
}

static unsigned temp_bit(IrRef r) { return r.kind == IR_TEMP ? 1u << r.id : 0; }
/* As IrLive.values has them; without branches. */
static inline unsigned value_bit(IrRef r)
{
    G_STATIC_ASSERT(IR_TEMPS == 8 && IR_HOSTS == 8);
    static const uint16_t first[IR_KINDS_END] = { [IR_TEMP] = 1, [IR_HOST] = 1 << IR_TEMPS };
    return (unsigned)first[r.kind] << (r.id & 7);
}

/* A register to itself, all of it. */
static inline bool moves_nothing(const IrInsn *i)
{
    return i->type == IR_I64 && i->dst.kind == IR_GUEST && i->a.kind == IR_GUEST &&
           i->dst.id == i->a.id;
}

/* Of one without effects: does nobody want its results?  (A load from checked memory may go.) */
static bool is_unwanted(const IrInsn *i, unsigned temps)
{
    if (i->dst.kind & IR_GUEST) {
        return i->op == IR_mov && moves_nothing(i);
    }
    return (i->dst.kind == IR_NONE || temp_bit(i->dst) & ~temps) &&
           (i->dst2.kind == IR_NONE || temp_bit(i->dst2) & ~temps);
}

/* x ^ x or x - x whose flags nobody wants. */
static bool is_zeroing(const IrInsn *i)
{
    return !(i->live | i->live_fault) && i->a.kind == IR_GUEST && i->b.kind == IR_GUEST &&
           i->a.id == i->b.id && i->a.high_byte == i->b.high_byte && i->dst.kind != IR_HOST;
}

/* IrLive as one number, while it is worked out: flags, fault << FAULT, values << VALUES. */
typedef uint32_t Live;
enum { FAULT = 8, VALUES = 16 };
G_STATIC_ASSERT(sizeof(Live) == sizeof(IrLive) && G_BYTE_ORDER == G_LITTLE_ENDIAN);

/* Flags live before the helper. */
static Live helper_flags(const IrInsn *i, const IrHelperDesc *helpers, Live s)
{
    unsigned props = helpers ? helpers[i->sub].props : H_STATE & ~H_FLAGS_OUT;

    if (props & H_FLAGS_OUT) {
        s &= ~(Live)(FL_ALL | FL_ALL << FAULT);
    }
    return props & (H_FLAGS_IN | H_RAISES) ? s | FL_ALL : s;
}

static inline void note_live(IrInsn *i, Live s)
{
    memcpy(&i->after, &s, sizeof s);
}

static inline unsigned address_values(const IrBlock *b, const IrInsn *i)
{
    const IrMem *m = &b->mems[i->mem];
    return (m->base.kind | m->index.kind) & IR_TEMP ? temp_bit(m->base) | temp_bit(m->index) : 0;
}

/* What is live before i, which is none of those below, from what is after it. */
static inline Live live_before(const IrBlock *b, const IrInsn *i, const IrHelperDesc *helpers,
                               Live s)
{
    unsigned t = traits[i->op], values = 0;

    if (i->sets && always_sets(b, i)) {
        s &= ~(i->sets | (unsigned)i->sets << FAULT);
    }
    if (t & T_FLAGS) {
        s = i->op == IR_helper ? helper_flags(i, helpers, s) : s | flags_read(i);
    }
    if (t & T_LEAVES) {
        s |= FL_ALL << FAULT;
    }
    if (ir_kinds(i) & (IR_TEMP | IR_HOST)) {
        unsigned dst = value_bit(i->dst);
        s &= ~(((i->dst.kind == IR_TEMP ? dst : 0) | temp_bit(i->dst2)) << VALUES);
        values = value_bit(i->a) | value_bit(i->b) | value_bit(i->c);
        /* a vop's may be a source too */
        values |= i->dst.kind == IR_TEMP && i->op != IR_vop ? 0 : dst;
    }
    if (t & T_ADDRESS) {
        values |= address_values(b, i);
    }
    return s | values << VALUES;
}

/* The same of a check. */
static inline Live live_before_chk(const IrBlock *b, const IrInsn *i, Live s)
{
    s &= ~(value_bit(i->dst) << VALUES);
    return s | FL_ALL << FAULT | address_values(b, i) << VALUES;
}

/* Of a direct exit. */
static inline Live live_before_exit(const IrInsn *i, Live s)
{
    if (i->op == IR_jmp) {
        s = 0;
    } else if (i->op == IR_br) {
        s |= ir_cond_flags(i->cond);
    } else {
        s |= value_bit(i->a) << VALUES;
    }
    return s | i->live | (unsigned)i->live_fault << FAULT;
}

/* Of a move to a guest register, memory or the CPU struct. */
static inline Live live_before_mov(const IrInsn *i, Live s)
{
    return s | (value_bit(i->dst) | value_bit(i->a)) << VALUES;
}

static inline void count_exit(IrBlock *b, const IrInsn *i)
{
    b->n_exits++;
    b->loops |= i->imm == (int32_t)(b->pc & 0xfff);
}

/* What else may go elsewhere, and vops. */
static void count(IrBlock *b, const IrInsn *i)
{
    b->n_vops += i->op == IR_vop;
    b->n_exits += i->op == IR_bulk;
}

/* ---- constants added to a register more than once: push push push ---- */
enum { N_REGS = 32 };
typedef struct Steps {
    /*
     * bits: registers with such an addition behind, which nothing in between would see done earlier
     */
    uint32_t open;
    uint16_t at[N_REGS];                /* where that is */
} Steps;

/* r += constant, of which no flag is wanted. */
static bool is_step(const IrInsn *i)
{
    return i->b.kind == IR_IMM && i->type == IR_I64 && !(i->live | i->live_fault) &&
           i->dst.kind == IR_GUEST && i->a.kind == IR_GUEST && i->a.id == i->dst.id;
}

static int64_t step_of(const IrBlock *b, const IrInsn *i)
{
    int64_t v = (int64_t)b->imms[i->b.id];
    return i->op == IR_add ? v : (int64_t)(0 - (uint64_t)v);
}

/* Let that behind do this one as well. */
static bool join_next(IrBlock *b, const IrInsn *i, const Steps *steps)
{
    unsigned r = i->dst.id & (N_REGS - 1);
    IrInsn *j = &b->insns[steps->at[r]];
    int64_t add = step_of(b, i), sum = 0;

    if (!(steps->open >> r & 1) || b->n_imms >= IR_MAX_IMMS ||
        __builtin_add_overflow(add, step_of(b, j), &sum) || add < -(1 << 24) || add > 1 << 24 ||
        sum < -(1 << 25) || sum > 1 << 25) {
        return false;
    }
    j->op = sum < 0 ? IR_sub : IR_add;
    j->b = ir_imm(b, (uint64_t)(sum < 0 ? -sum : sum));
    return true;
}

static uint32_t reg_bit(IrRef r)
{
    return r.kind == IR_GUEST ? UINT32_C(1) << (r.id & (N_REGS - 1)) : 0;
}

/*
 * Who reads the register sees it (a narrow write keeps other bits), and who goes elsewhere or may
 * leave.
 */
static void steps_seen(const IrBlock *b, const IrInsn *i, Steps *steps)
{
    if (traits[i->op] & T_BARRIER) {
        steps->open = 0;
        return;
    }
    uint32_t sees = reg_bit(i->dst) | reg_bit(i->dst2) | reg_bit(i->a) | reg_bit(i->b) |
                    reg_bit(i->c);
    if (i->op == IR_lea) {
        sees |= reg_bit(b->mems[i->mem].base) | reg_bit(b->mems[i->mem].index);
    }
    steps->open &= ~sees;
}

/* ---- the walk ---- */
/* What a few operations are besides; true: this one goes. */
static bool is_special(IrBlock *b, IrInsn *i, Steps *steps)
{
    unsigned t = traits[i->op];

    if (t & (T_CALLS | T_BULK)) {
        count(b, i);
    } else if (t & T_XOR && is_zeroing(i) && b->n_imms < IR_MAX_IMMS) {
        i->op = IR_mov;
        i->sets = i->undef = 0;
        i->a = ir_imm(b, 0);
        i->b = ir_none();
    } else if (t & T_SUM && is_step(i)) {
        if (join_next(b, i, steps)) {
            return true;
        }
        unsigned r = i->dst.id & (N_REGS - 1);
        steps->open |= UINT32_C(1) << r;
        steps->at[r] = (uint16_t)(i - b->insns);
        return false;
    }
    if (steps->open) {
        steps_seen(b, i, steps);
    }
    return false;
}

static void backward(IrBlock *b, unsigned flags_live_out, const IrHelperDesc *helpers)
{
    Live s = flags_live_out;
    Steps steps;

    steps.open = 0;
    b->n_exits = b->n_vops = 0;
    b->loops = false;
    for (IrInsn *i = b->insns + b->n_insns - 1, *first = b->insns; i >= first; i--) {
        note_live(i, s);
        if (i->op == IR_chk) {
            s = live_before_chk(b, i, s);
            steps.open = 0;
            continue;
        }
        if (i->op == IR_mov && i->dst.kind != IR_TEMP && !moves_nothing(i)) {
            s = live_before_mov(i, s);
            if (steps.open) {
                steps.open &= ~(reg_bit(i->dst) | reg_bit(i->a));
            }
            continue;
        }
        unsigned t = traits[i->op], sets = i->sets;
        if (t & T_EXITS) {
            s = live_before_exit(i, s);
            steps.open = 0;
            count_exit(b, i);
            continue;
        }
        if (i->op == IR_gone) {
            continue;
        }
        if (!(t & T_STAYS) && !(sets & (s | s >> FAULT)) && is_unwanted(i, s >> VALUES)) {
            ir_take_away(i);
            continue;
        }
        if (sets) {
            i->live = (uint8_t)(sets & s);
            i->live_fault = (uint8_t)(sets & s >> FAULT & ~s);
        }
        if (((t & T_SPECIAL) || steps.open) && is_special(b, i, &steps)) {
            ir_take_away(i);
            continue;
        }
        s = live_before(b, i, helpers, s);
    }
    note_live(b->insns - 1, s);
}

void ir_liveness(IrBlock *b, const IrHelperDesc *helpers, const IrHoist *hoist)
{
    Live s = FL_ALL;

    b->n_exits = b->n_vops = 0;
    b->loops = false;
    for (IrInsn *i = b->insns + b->n_insns; i-- > b->insns;) {
        note_live(i, s);
        if (traits[i->op] & T_EXITS) {
            count_exit(b, i);
            s = live_before_exit(i, s);
        } else if (i->op != IR_chk) {
            count(b, i);
            s = live_before(b, i, helpers, s);
        } else if (hoist && ir_hoisted(hoist, (unsigned)(i - b->insns)) >= 0) {
            s = (live_before_chk(b, i, s) & ~(Live)(FL_ALL << FAULT)) | (s & FL_ALL << FAULT);
        } else {
            s = live_before_chk(b, i, s);
        }
    }
    note_live(b->insns - 1, s);
}

void ir_optimise(IrBlock *b, unsigned flags_live_out, const IrHelperDesc *helpers)
{
    if (b->folds) {
        forward(b);
    }
    backward(b, flags_live_out, helpers);
}

/* Does this locked operation change nothing?  Then it is there as a barrier. */
static bool is_barrier_idiom(const IrBlock *b, const IrInsn *i)
{
    return (i->op == IR_add || i->op == IR_or || i->op == IR_sub || i->op == IR_xor) &&
           i->b.kind == IR_IMM && !b->imms[i->b.id];
}

void ir_unlock(IrBlock *b)
{
    const IrInsn *check = NULL;         /* of this guest instruction, if it is after the last */
    for (unsigned n = 0; b->locks && n < b->n_insns; n++) {
        IrInsn *i = &b->insns[n];
        if (i->op == IR_chk && b->mems[i->mem].locked) {
            check = i;
        } else if (i->locked && i->op != IR_xchg && check && check->guest == i->guest &&
                   !is_barrier_idiom(b, i)) {
            i->locked = 0;
            b->mems[check->mem].locked = false;
        }
    }
}

void ir_plain(IrBlock *b)
{
    for (unsigned n = 0; n < b->n_insns; n++) {
        IrInsn *i = &b->insns[n];
        bool exits = i->op == IR_jmp || i->op == IR_br || i->op == IR_brz || i->op == IR_brnz;
        i->live = exits ? FL_ALL : i->sets;
    }
}
