/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge.c -- lets one memory check serve several accesses that lie close together.
 *
 * Registers are followed as symbol + constant, so that `push`, `mov rbp, rsp`, `sub rsp, 24` and
 * [rbp-8] all meet in one symbol.  A check is open to later ones with the same symbols, segment and
 * address size, until a helper runs; each that joins widens it.  What joins is removed, and its
 * accesses use the host address of the first with another displacement.
 *
 *     chk h0, w 8, [r4 -8]                 chk h4, w 16, [r4 -16]  merged
 *     mov (h0), r5                         mov (h4+8), r5
 *     chk h0, w 8, [r4 -8]       =>
 *     mov (h0), r3                         mov (h4), r3
 *
 * A wider check crosses a page more often, and then costs a step of tier 0: hence MAX_SPAN.
 *
 * In 64-bit code `lea ecx, [rdi+1]` and `lea edx, [rdi+2]` are neighbours while neither passes
 * 2^32: what has 32 bits is looked at for that once, where the check is (IrMem.narrow).
 *
 * The lowest address is what is tested for alignment: an access that has to be aligned lies at a
 * multiple of its alignment from that, now and when others join.  What is misaligned is for
 * unmerged code.
 *
 * Omits: 16-bit addresses and segment limits (offsets wrap, so neighbours need not be adjacent),
 *   locked accesses.
 * Threads: a list belongs to the thread that builds it.
 */
#include <string.h>
#include "accel/dbt/ir.h"

enum { MAX_OPEN = 6, MAX_USERS = 32, MAX_SPAN = 64, FIRST_SHARED = 4, N_GUEST = 32, NO_VALUE = 64,
       /* absolute, relative to the page base, registers */
       SYM_NONE = 0, SYM_PAGE = 1, SYM_FIRST = 2,
       /* in Key.scale: that is 32 bits, extended by zeros */
       NARROW_BASE = 1 << 4, NARROW_INDEX = 1 << 5 };

typedef struct Value {                  /* of a register: symbol + offset, modulo 2^bits */
    uint16_t symbol;
    uint8_t  bits;
    bool     mixed;                     /* added to with 64 bits after it was cut to 32 */
    int32_t  offset;
} Value;

typedef union Key {                     /* what addresses that one check can serve have in common */
    struct {
        uint16_t base, index;           /* symbols */
        uint8_t  scale, segment, offset_bits, linear_bits;   /* scale: 0 without an index; NARROW */
    };
    uint64_t all;
} Key;

typedef struct Open {                   /* a check that others may join */
    /* host: the shared address, once something has joined; else 0 */
    uint8_t  align, access, own_access, host;
    uint16_t merged, own_span;
    unsigned check;                     /* where it stands */
    int64_t  own, lo, hi;               /* displacements from the symbols */
    /* the part of them that was added with 32 bits: its own, least, most */
    int32_t  cut, cut_lo, cut_hi;
    unsigned n_users;
    struct { uint16_t insn; int64_t at; } users[MAX_USERS];
} Open;

typedef struct Merge {
    IrBlock *b;
    unsigned n_hosts, hosts_used, next_symbol, guest;
    unsigned hosts;                     /* bits: of host[] */
    uint64_t known; /* bits: of value[]; others get a symbol of their own when they are asked for */
    Value    value[N_GUEST + IR_TEMPS]; /* guest registers, temporaries */
    unsigned used, joined;              /* bits: of open[]; of those that something has joined */
    uint64_t key[MAX_OPEN];             /* Key.all of each */
    Open     open[MAX_OPEN];
    /* of a host address by a settled check: who stands before that cannot have it */
    unsigned last_use[IR_HOSTS];
    struct { Open *open; int64_t at; } host[FIRST_SHARED];      /* of this guest instruction */
} Merge;

/* Index in value[], or NO_VALUE. */
static unsigned index_of(IrRef r)
{
    return r.kind == IR_GUEST && r.id < N_GUEST ? r.id
           : r.kind == IR_TEMP                  ? N_GUEST + r.id
                                                : NO_VALUE;
}

/* The bit of known for a destination, or 0. */
static inline uint64_t known_bit(IrRef r)
{
    static const uint64_t first[IR_KINDS_END] = {
        [IR_GUEST] = 1, [IR_TEMP] = UINT64_C(1) << N_GUEST
    };
    return first[r.kind] << (r.id & (N_GUEST - 1));
}

static const Value *value_of(Merge *g, IrRef r)
{
    unsigned k = index_of(r);
    if (k == NO_VALUE || r.high_byte) {
        return NULL;
    }
    if (!(g->known >> k & 1)) {
        g->known |= UINT64_C(1) << k;
        g->value[k] = (Value){ .symbol = (uint16_t)g->next_symbol++, .bits = 64 };
    }
    return &g->value[k];
}

/* What the operation leaves in dst, if that is a known register and a constant. */
static bool follow(Merge *g, const IrInsn *i, Value *out)
{
    const IrBlock *b = g->b;
    int64_t add = 0;
    IrRef from = i->a;
    unsigned bits = 8u << i->type;

    if (i->type < IR_I32) {
        return false;
    }
    switch (i->op) {
    case IR_mov:
        break;
    case IR_inc:
        add = 1;
        break;
    case IR_dec:
        add = -1;
        break;
    case IR_add:
    case IR_sub:
        if (i->b.kind != IR_IMM) {
            return false;
        }
        add = (int64_t)b->imms[i->b.id];
        add = i->type == IR_I32 ? (int32_t)add : add;
        if (add < -(1 << 24) || add > 1 << 24) {
            return false;
        }
        add = i->op == IR_add ? add : -add;
        break;
    case IR_lea: {
        const IrMem *m = &b->mems[i->mem];
        if (m->index.kind || m->pc_relative || m->offset_bits < bits) {
            return false;
        }
        from = m->base;
        add = m->disp;
        break;
    }
    default:
        return false;
    }
    const Value *v = value_of(g, from);
    if (!v || v->offset + add < -(1 << 28) || v->offset + add > 1 << 28) {
        return false;
    }
    *out = *v;
    out->offset += (int32_t)add;
    out->mixed = bits == 64 && v->bits < 64 && (v->mixed || add);
    out->bits = (uint8_t)MIN(v->bits, bits);
    return true;
}

/* Whose result follow() may know. */
static const bool follows[IR_N_OPS] = {
    [IR_mov] = true, [IR_inc] = true, [IR_dec] = true,
    [IR_add] = true, [IR_sub] = true, [IR_lea] = true,
};

static inline void wrote(Merge *g, const IrInsn *i)
{
    Value v;
    uint64_t bit = known_bit(i->dst);

    /* ah to bh are part of what their register holds */
    if (follows[i->op] && bit && !i->dst.high_byte && follow(g, i, &v)) {
        g->value[index_of(i->dst)] = v;
        g->known |= bit;
    } else {
        g->known &= ~bit;
    }
    if (i->dst2.kind) {
        g->known &= ~known_bit(i->dst2);
    }
}

/* The symbols and the constant of an address; false: not for merging. */
static bool address(Merge *g, const IrMem *m, Key *key, int64_t *at, int32_t *cut)
{
    if (m->limit || m->locked || m->offset_bits == 16 ||
        (m->offset_bits < m->linear_bits && m->segment != SEG_NONE) ||
        (m->pc_relative && m->base.kind)) {
        return false;
    }
    *at = m->disp;
    *cut = 0;
    *key = (Key){ .scale = m->index.kind ? m->scale : 0, .segment = m->segment,
                  .offset_bits = m->offset_bits, .linear_bits = m->linear_bits };
    key->base = m->pc_relative ? SYM_PAGE : SYM_NONE;
    for (unsigned k = 0; k < 2; k++) {
        IrRef r = k ? m->index : m->base;
        if (r.kind == IR_NONE) {
            continue;
        }
        const Value *v = value_of(g, r);
        if (!v) {
            return false;
        }
        if (v->bits < m->offset_bits) {
            if (v->bits != 32 || v->mixed || key->scale >= NARROW_BASE) {
                return false;
            }
            key->scale |= k ? NARROW_INDEX : NARROW_BASE;
            *cut = v->offset;
        }
        *(k ? &key->index : &key->base) = v->symbol;
        *at += k ? (int64_t)v->offset * (1 << m->scale) : v->offset;
    }
    return *at > INT32_MIN / 2 && *at < INT32_MAX / 2;
}

/* Write down what has been decided about a check that others have joined. */
static void settle(Merge *g, const Open *o)
{
    IrInsn *chk = &g->b->insns[o->check];
    IrMem *m = &g->b->mems[chk->mem];           /* no other operation has it */

    m->disp += (int32_t)(o->lo - o->own);
    m->span = (uint32_t)(o->hi - o->lo);
    m->access = o->access;
    m->align = o->align;
    m->merged = o->merged;
    m->own_at = (uint16_t)(o->own - o->lo);
    m->own_span = o->own_span;
    m->own_access = o->own_access;
    if (o->cut_lo < o->cut_hi) {
        m->narrow = ((Key){ .all = g->key[o - g->open] }).scale & NARROW_INDEX ? 2 : 1;
        m->narrow_lo = (uint32_t)(o->cut - o->cut_lo);
        m->narrow_hi = UINT32_MAX - (uint32_t)(o->cut_hi - o->cut);
    }
    chk->dst.id = o->host;
    for (unsigned k = 0; k < o->n_users; k++) {
        IrInsn *u = &g->b->insns[o->users[k].insn];
        IrRef *refs[4] = { &u->dst, &u->a, &u->b, &u->c };
        for (unsigned j = 0; j < 4; j++) {
            if (refs[j]->kind == IR_HOST) {
                refs[j]->id = o->host;
            }
        }
        u->disp += (int32_t)(o->users[k].at - o->lo);
        g->last_use[o->host] = MAX(g->last_use[o->host], o->users[k].insn);
    }
    g->hosts_used &= ~(1u << o->host);
}

static bool is_in_use(const Merge *g, const Open *o)
{
    for (unsigned h = 0; h < FIRST_SHARED; h++) {
        if ((g->hosts >> h & 1) && g->host[h].open == o) {
            return true;
        }
    }
    return false;
}

/*
 * Room for another open check: an unused one, or the oldest that this guest instruction does not
 * need.
 */
static Open *open_slot(Merge *g)
{
    unsigned free = ~g->used & ((1u << MAX_OPEN) - 1);
    Open *oldest = NULL;

    if (free) {
        return &g->open[__builtin_ctz(free)];
    }
    for (unsigned k = 0; k < MAX_OPEN; k++) {
        Open *o = &g->open[k];
        if ((!oldest || o->check < oldest->check) && !is_in_use(g, o)) {
            oldest = o;
        }
    }
    if (oldest) {
        unsigned bit = 1u << (oldest - g->open);
        if (g->joined & bit) {
            settle(g, oldest);
        }
        g->used &= ~bit;
        g->joined &= ~bit;
    }
    return oldest;
}

static bool take_host(Merge *g, Open *o)
{
    for (unsigned h = FIRST_SHARED; !o->host && h < FIRST_SHARED + g->n_hosts; h++) {
        if (!(g->hosts_used >> h & 1) && o->check >= g->last_use[h]) {
            g->hosts_used |= 1u << h;
            o->host = (uint8_t)h;
        }
    }
    return o->host;
}

/* Can o, which has its key, serve [at, at + span) as well? */
static bool join(Merge *g, Open *o, const IrMem *m, int64_t at, int32_t cut)
{
    int64_t lo = MIN(o->lo, at), hi = MAX(o->hi, at + m->span);
    unsigned align = MAX(o->align, m->align);
    /*
     * What is tested is the lowest address, so what has to be aligned lies at a multiple from that.
     */
    bool fits = !(m->align && ((uint64_t)(at - lo) & (m->align - 1u))) &&
                !(o->align && ((uint64_t)(o->lo - lo) & (o->align - 1u)));
    if (hi - lo > MAX_SPAN || o->n_users >= MAX_USERS / 2 || !fits || !take_host(g, o)) {
        return false;
    }
    o->lo = lo;
    o->hi = hi;
    o->cut_lo = MIN(o->cut_lo, cut);
    o->cut_hi = MAX(o->cut_hi, cut);
    o->align = (uint8_t)align;
    o->access |= m->access;
    o->merged++;
    return true;
}

/* What host address h of this guest instruction is of. */
static void set_host(Merge *g, unsigned h, Open *o, int64_t at)
{
    g->hosts |= 1u << h;
    g->host[h].open = o;
    g->host[h].at = at;
}

static void check(Merge *g, IrInsn *i)
{
    const IrMem *m = &g->b->mems[i->mem];
    unsigned h = i->dst.id;
    Key key;
    int64_t at;
    int32_t cut;

    if (h >= FIRST_SHARED) {
        return;
    }
    g->hosts = i->guest == g->guest ? g->hosts & ~(1u << h) : 0;
    g->guest = i->guest;
    if (g->b->guest[i->guest].calls || !address(g, m, &key, &at, &cut) || m->span > MAX_SPAN) {
        return;
    }
    for (unsigned used = g->used; used; used &= used - 1) {
        unsigned k = (unsigned)__builtin_ctz(used);
        if (g->key[k] == key.all && join(g, &g->open[k], m, at, cut)) {
            set_host(g, h, &g->open[k], at);
            g->joined |= 1u << k;
            ir_take_away(i);
            return;
        }
    }
    Open *o = open_slot(g);
    if (o) {
        unsigned k = (unsigned)(o - g->open);
        g->used |= 1u << k;
        g->key[k] = key.all;
        o->access = o->own_access = m->access;
        o->align = m->align;
        o->host = 0;
        o->merged = 0;
        o->n_users = 0;
        o->own_span = (uint16_t)m->span;
        o->check = (unsigned)(i - g->b->insns);
        o->own = o->lo = at;
        o->hi = at + m->span;
        o->cut = o->cut_lo = o->cut_hi = cut;
        set_host(g, h, o, at);
    }
}

/* An operation with a memory operand, or none. */
static void use(Merge *g, const IrInsn *i)
{
    unsigned h = i->dst.kind == IR_HOST ? i->dst.id
                 : i->a.kind == IR_HOST ? i->a.id
                 : i->b.kind == IR_HOST ? i->b.id
                                        : i->c.id;

    if (h < FIRST_SHARED && (g->hosts >> h & 1)) {
        Open *o = g->host[h].open;
        if (o->n_users < MAX_USERS) {
            o->users[o->n_users].insn = (uint16_t)(i - g->b->insns);
            o->users[o->n_users++].at = g->host[h].at;
        }
    }
}

static void settle_all(Merge *g)
{
    for (; g->joined; g->joined &= g->joined - 1) {
        settle(g, &g->open[__builtin_ctz(g->joined)]);
    }
    g->used = g->hosts = 0;
}

void ir_merge_checks(IrBlock *b, unsigned n_hosts)
{
    Merge g;

    if (b->n_guest < 2 || b->n_checks < 2 || !n_hosts) {
        return;    /* a single instruction is for tier 0, which wants it exact */
    }
    g.b = b;
    g.n_hosts = MIN(n_hosts, IR_HOSTS - FIRST_SHARED);
    g.hosts_used = 0;
    g.next_symbol = SYM_FIRST;
    g.guest = 0;
    g.known = 0;
    g.hosts = 0;
    memset(g.last_use, 0, sizeof g.last_use);
    g.used = g.joined = 0;              /* open[], which is most of it, stays as it is */
    unsigned left = b->n_checks;    /* behind the last one's instruction nothing is of interest */
    for (IrInsn *i = b->insns, *end = i + b->n_insns; i < end && (left || i->guest == g.guest);
         i++) {
        if (i->op == IR_chk) {
            check(&g, i);
            left--;
        } else if (i->op == IR_helper || i->op == IR_gate) {
            settle_all(&g);
            g.known = 0;
        } else {
            if (ir_kinds(i) & IR_HOST) {
                use(&g, i);
            }
            if (i->dst.kind | i->dst2.kind) {
                wrote(&g, i);
            }
        }
    }
    settle_all(&g);
}
