/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irtext.c -- a block's operations as text, and whether they keep the rules.
 *
 * Spec: the rules for front ends in accel/dbt/ir.h.
 * Omits: what only the guest knows (numbers of helpers, registers and vector operations).
 * Threads: a list belongs to the thread that builds it.
 */
#include <inttypes.h>
#include "accel/dbt/ir.h"

static const char *const type_names[4] = { "i8", "i16", "i32", "i64" };
static const char *const cc_names[16] = { "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns",
                                          "p", "np", "l", "ge", "le", "g" };

/* ---- text ---- */
static void print_flags(GString *out, const char *what, unsigned f)
{
    static const char letters[] = "cpazso";
    if (f) {
        g_string_append_printf(out, " %s:", what);
        for (unsigned k = 0; k < 6; k++) {
            if (f >> k & 1) {
                g_string_append_c(out, letters[k]);
            }
        }
    }
}

static void print_ref(const IrBlock *b, const IrInsn *i, IrRef r, GString *out)
{
    switch (r.kind) {
    case IR_NONE:  g_string_append(out, "-"); break;
    case IR_GUEST: g_string_append_printf(out, "r%u%s", r.id, r.high_byte ? "h" : ""); break;
    case IR_TEMP:  g_string_append_printf(out, "t%u", r.id); break;
    case IR_IMM:
        g_string_append_printf(out, "%#" PRIx64, r.id < b->n_imms ? b->imms[r.id] : 0);
        break;
    case IR_CTX:   g_string_append_printf(out, "ctx+%#x", r.id); break;
    case IR_VEC:   g_string_append_printf(out, "v%u", r.id); break;
    case IR_HOST:
        g_string_append_printf(out, i && i->op == IR_chk ? "h%u"
                                    : i && i->disp ? "(h%u%+d)" : "(h%u)", r.id, i ? i->disp : 0);
        break;
    default:       g_string_append(out, "?");
    }
}

static void print_mem(const IrBlock *b, const IrMem *m, bool check, GString *out)
{
    if (check) {
        g_string_append_printf(out, " %s%s %u", m->access & IR_READ ? "r" : "",
                               m->access & IR_WRITE ? "w" : "", m->span);
        if (m->merged) {
            g_string_append_printf(out, " merged %u own %u+%u", m->merged, m->own_at, m->own_span);
        }
        if (m->narrow) {
            g_string_append_printf(out, " %s in %#x..%#x", m->narrow == 1 ? "base" : "index",
                                   m->narrow_lo, m->narrow_hi);
        }
        g_string_append_printf(out, "%s%s", m->align ? " aligned" : "", m->locked ? " locked" : "");
    }
    g_string_append(out, " [");
    if (m->segment != SEG_NONE) {
        g_string_append_printf(out, "s%u%s: ", m->segment, m->limit ? "!" : "");
    }
    if (m->pc_relative) {
        g_string_append(out, "page + ");
    }
    if (m->base.kind) {
        print_ref(b, NULL, m->base, out);
    }
    if (m->index.kind) {
        g_string_append(out, " + ");
        print_ref(b, NULL, m->index, out);
        g_string_append_printf(out, "*%u", 1u << (m->scale & 3));
    }
    g_string_append_printf(out, " %+d]", m->disp);
    if (m->offset_bits != 64 || m->linear_bits != 64) {
        g_string_append_printf(out, " %u/%u", m->offset_bits, m->linear_bits);
    }
}

static void print_insn(const IrBlock *b, const IrInsn *i, GString *out)
{
    if (i->op >= IR_N_OPS) {
        g_string_append_printf(out, "    op %u?\n", i->op);
        return;
    }
    g_string_append_printf(out, "    %s%s.%s", i->locked ? "lock " : "", ir_op_names[i->op],
                           type_names[i->type & 3]);
    if (i->op == IR_br || i->op == IR_sel || i->op == IR_setcc) {
        g_string_append_printf(out, ".%s", cc_names[i->cond & 15]);
    }
    if (i->op == IR_helper || i->op == IR_gate || i->op == IR_vop) {
        g_string_append_printf(out, " #%u", i->sub);
    }
    const IrRef *refs[5] = { &i->dst, &i->dst2, &i->a, &i->b, &i->c };
    for (unsigned k = 0; k < 5; k++) {
        bool more = false;
        for (unsigned j = k; j < 5; j++) {
            more |= refs[j]->kind != IR_NONE;
        }
        if (more && (k != 1 || i->dst2.kind)) {
            g_string_append(out, k ? ", " : " ");
            print_ref(b, i, *refs[k], out);
        }
    }
    if (i->op == IR_chk || i->op == IR_lea) {
        if (i->mem < b->n_mems) {
            print_mem(b, &b->mems[i->mem], i->op == IR_chk, out);
        }
    }
    if (i->op == IR_vop) {
        g_string_append_printf(out, " imm8 %#x", i->imm8);
    }
    if (i->op == IR_jmp || i->op == IR_br || i->op == IR_brz || i->op == IR_brnz ||
        i->op == IR_jguess || i->op == IR_exit_next || i->op == IR_chkcs || i->op == IR_bulk) {
        g_string_append_printf(out, " %s page%+d", i->op == IR_chkcs ? "to" : "->", i->imm);
    }
    print_flags(out, "sets", i->sets);
    print_flags(out, "live", i->live);
    print_flags(out, "fault", i->live_fault);
    g_string_append_c(out, '\n');
}

void ir_print(const IrBlock *b, GString *out)
{
    unsigned guest = 0;
    for (unsigned n = 0; n < b->n_insns; n++) {
        for (; guest < b->n_guest && guest <= b->insns[n].guest; guest++) {
            g_string_append_printf(out, "  %#" PRIx64 ":\n",
                                   (b->pc & ~UINT64_C(0xfff)) +
                                       (uint64_t)(int64_t)b->guest[guest].offset);
        }
        print_insn(b, &b->insns[n], out);
    }
}

/* ---- rules ---- */
typedef struct Verify {
    const IrBlock *b;
    GString *why;
    unsigned at, guest, temps, hosts;   /* written in this guest instruction */
    bool     effect;                    /* a side effect has been seen in it */
} Verify;

static bool wrong(Verify *v, const char *what)
{
    if (v->why) {
        g_string_append_printf(v->why, "operation %u: %s\n", v->at, what);
        print_insn(v->b, &v->b->insns[v->at], v->why);
    }
    return false;
}

static bool verify_source(Verify *v, const IrInsn *i, IrRef r)
{
    switch (r.kind) {
    case IR_TEMP:
        return (r.id < IR_TEMPS && v->temps >> r.id & 1) ||
               wrong(v, "a temporary is read before it is written");
    case IR_IMM:
        return r.id < v->b->n_imms || wrong(v, "no such immediate");
    case IR_HOST:
        return (r.id < IR_HOSTS && v->hosts >> r.id & 1) ||
               wrong(v, "a host address without a check");
    case IR_VEC:
        return i->op == IR_vop || wrong(v, "a vector register outside vop");
    case IR_GUEST:
        return !r.high_byte || i->type == IR_I8 || i->op == IR_zext8 || i->op == IR_sext8 ||
               wrong(v, "high byte of a wide access");
    default:
        return r.kind == IR_NONE || r.kind == IR_CTX || wrong(v, "unknown kind of operand");
    }
}

static bool verify_dst(Verify *v, const IrInsn *i, IrRef r)
{
    switch (r.kind) {
    case IR_NONE:
        return true;
    case IR_TEMP:
        v->temps |= 1u << (r.id & 31);
        return r.id < IR_TEMPS || wrong(v, "no such temporary");
    case IR_IMM:
        return wrong(v, "an immediate as destination");
    case IR_HOST:
        if (i->op != IR_chk) {
            return verify_source(v, i, r);
        }
        v->hosts |= 1u << (r.id & 31);
        return r.id < IR_HOSTS || wrong(v, "no such host address");
    default:
        return verify_source(v, i, r);
    }
}

static bool verify_mem(Verify *v, const IrInsn *i)
{
    if (i->mem >= v->b->n_mems) {
        return wrong(v, "no such memory operand");
    }
    const IrMem *m = &v->b->mems[i->mem];
    if ((m->offset_bits != 16 && m->offset_bits != 32 && m->offset_bits != 64) ||
        (m->linear_bits != 32 && m->linear_bits != 64)) {
        return wrong(v, "address size");
    }
    if (m->base.kind > IR_TEMP || m->index.kind > IR_TEMP || m->scale > 3) {
        return wrong(v, "base or index is no register");
    }
    if (i->op == IR_chk &&
        (m->span == 0 || m->span > 4096 || !(m->access & (IR_READ | IR_WRITE)))) {
        return wrong(v, "span or access of a check");
    }
    if (m->narrow > 2 ||
        (m->narrow && (!m->merged || (m->narrow == 1 ? m->base : m->index).kind == IR_NONE))) {
        return wrong(v, "what a check has of 32 bits");
    }
    if (m->limit && m->segment == SEG_NONE) {
        return wrong(v, "a limit without a segment");
    }
    return verify_source(v, i, m->base) && verify_source(v, i, m->index);
}

static bool is_effect(const IrInsn *i)
{
    IrRef dst[2] = { i->dst, i->dst2 };
    for (unsigned k = 0; k < 2; k++) {
        if (dst[k].kind != IR_NONE && dst[k].kind != IR_TEMP) {
            return true;
        }
    }
    return i->sets || i->op == IR_helper;
}

static bool verify_insn(Verify *v, const IrInsn *i)
{
    unsigned props = ir_op_props[i->op], n_host = 0;
    const IrRef *src[3] = { &i->a, &i->b, &i->c };
    if (i->type > IR_I64 || (i->sets & ~FL_ALL) || (i->undef & ~i->sets)) {
        return wrong(v, "type or flags");
    }
    if (i->sets && !(props & SETS_FLAGS) && i->op != IR_vop) {
        return wrong(v, "an operation without flags sets some");
    }
    if (i->guest >= v->b->n_guest) {
        return wrong(v, "no such guest instruction");
    }
    if (i->guest != v->guest) {
        v->guest = i->guest;
        v->temps = 0;
        v->hosts &= 0xf0;               /* the merge pass keeps h4..h7 */
        v->effect = false;
    }
    if ((props & LEAVES) && v->effect) {
        return wrong(v, "may leave after a side effect of its guest instruction");
    }
    for (unsigned k = 0; k < 3; k++) {
        if (!verify_source(v, i, *src[k])) {
            return false;
        }
        n_host += src[k]->kind == IR_HOST;
    }
    if (n_host > 1) {
        return wrong(v, "more than one memory source");
    }
    if (i->dst.kind == IR_HOST && i->op != IR_chk) {
        for (unsigned k = 0; k < 3; k++) {
            if (src[k]->kind == IR_HOST && src[k]->id != i->dst.id) {
                return wrong(v, "memory to memory");
            }
        }
    }
    if ((i->op == IR_xchg || i->op == IR_xadd || i->op == IR_cmpxchg || i->locked) &&
        i->a.kind != IR_HOST) {
        return wrong(v, "its first source must be memory");
    }
    if ((i->op == IR_chk || i->op == IR_lea) && !verify_mem(v, i)) {
        return false;
    }
    if (i->op == IR_chk && i->dst.kind != IR_HOST) {
        return wrong(v, "a check without a host address");
    }
    if (is_effect(i) && i->op != IR_chk) {
        v->effect |= i->op != IR_helper || i->imm8 != IR_ONLY_RAISES;
    }
    return verify_dst(v, i, i->dst) && verify_dst(v, i, i->dst2);
}

bool ir_verify(const IrBlock *b, GString *why)
{
    Verify v = { .b = b, .why = why };
    for (v.at = 0; v.at < b->n_insns; v.at++) {
        const IrInsn *i = &b->insns[v.at];
        bool last = v.at == b->n_insns - 1;
        if (i->op >= IR_N_OPS) {
            return wrong(&v, "no such operation");
        }
        if (!(ir_op_props[i->op] & ENDS) != !last) {
            return wrong(&v, last ? "the block does not end" : "operations after the end");
        }
        if (!verify_insn(&v, i)) {
            return false;
        }
    }
    if (!b->n_insns || !b->n_guest) {
        if (why) {
            g_string_append(why, "empty block\n");
        }
        return false;
    }
    return true;
}
