/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render.c -- blocks of IR as the text of one C function.
 *
 * The meaning of an operation is the text of its row in ir.def.  Guest registers stay in the CPU
 * struct; temporaries and checked host addresses are locals.  Flags are left as the operands they
 * follow from (fa fb fc fv fh) until something wants them: a condition is then asked of the
 * operands themselves where that is possible, else cpu->fl is brought up to date.  A check is made
 * in line against the TLB; what it does not find goes to dbt_refill(), then to dbt_step().
 *
 * Addresses of our own go through the local q: TinyCC 0.9.27 for aarch64 cuts a constant that it
 * dereferences to 32 bits.
 *
 * Spec: accel/dbt/ir.h, ir.def.
 * Omits: atomic read-modify-writes after a helper in the same guest instruction: such a block stays
 *   in tier 0.  Big-endian hosts.  The order of other vCPUs' accesses is the host's own, which is
 *   weaker than x86's on some.
 * Threads: pure functions of the blocks.
 */
#include <inttypes.h>
#include <string.h>
#include "accel/dbt/tcc/tcc.h"

typedef struct Render {
    GString *o;
    const DbtGuest *g;
    const TccPart *parts;
    unsigned n_parts, at;               /* the part being said */
    const IrBlock *b;
    const IrInsn *pending;              /* its flags are not in cpu->fl yet; NULL: all are */
    unsigned guest;                     /* instruction of b, */
    int32_t pc;                         /* where it is, from the page base */
    bool    after_helper;               /* in it; host addresses may have become code pages */
    bool    ok;
} Render;

#define FL "(*(uint32_t *)(cpu + FL_AT))"
static const char *const types[4] = { "uint8_t", "uint16_t", "uint32_t", "uint64_t" };
static const char *const signed_types[4] = { "int8_t", "int16_t", "int32_t", "int64_t" };
static const uint64_t masks[4] = { UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX };
static const char *const meanings[IR_N_OPS] = {
#define IR(name, props, meaning) #meaning,
#include "accel/dbt/ir.def"
#undef IR
};

#define say(r, ...) g_string_append_printf((r)->o, __VA_ARGS__)

void tcc_prelude(GString *out)
{
    g_string_append(
        out, "typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned "
             "uint32_t;\n"
             "typedef unsigned long long uint64_t; typedef signed char int8_t; typedef short "
             "int16_t; typedef int int32_t;\n"
             "typedef long long int64_t;\n"
             "#define UINT64_C(x) x##ULL\n"
             "#define S(x) ((int64_t)((uint64_t)(x) << (64 - (8 << type))) >> (64 - (8 << type)))\n"
             "#define BITS (8ULL << type)\n"
             "#define CIN ((uint64_t)carry)\n"
             "#define COND condition\n"
             "#define SHIFT(x) ((unsigned)(x) & (type == 3 ? 63 : 31))\n"
             "#define BSWAP(x) (x_bswap(x) >> (64 - BITS))\n"
             "#define ROL(x, n) x_rotl(x, 8u << type, SHIFT(n))\n"
             "#define ROR(x, n) x_rotl(x, 8u << type, 0u - SHIFT(n))\n"
             "#define __builtin_ctzll x_ctz\n"
             "#define __builtin_clzll x_clz\n"
             "#define __builtin_popcountll x_popcount\n");
    g_string_append_printf(
        out,
        "#define FL_AT %zu\n#define PC_AT %zu\n#define WAITS (*(unsigned *)(cpu + %zu))\n"
        "#define ATTENTION (*(volatile unsigned *)(cpu + %zu))\n#define TLB (*(char **)(cpu + "
        "%zu))\n#define TLB_MASK (*(uint64_t *)(cpu + %zu))\n",
        offsetof(DbtCpu, fl), offsetof(DbtCpu, pc), offsetof(DbtCpu, waits),
        offsetof(DbtCpu, vcpu.attention), offsetof(DbtCpu, tlb), offsetof(DbtCpu, tlb_mask));
    for (const TccSymbol *y = tcc_symbols; y->name; y++)
        g_string_append_printf(out, "%s;\n", y->declaration);
}

/* ---- operands ---- */
static void get(Render *r, const IrInsn *i, IrRef ref, IrType type)
{
    switch (ref.kind) {
    case IR_GUEST:
        if (ref.high_byte)
            say(r, "(uint8_t)(G[%u] >> 8)", ref.id);
        else
            say(r, "*(%s *)(G + %u)", types[type], ref.id);
        break;
    case IR_TEMP: say(r, "(%s)t%u", types[type], ref.id); break;
    case IR_IMM:  say(r, "%#" PRIx64 "ULL", r->b->imms[ref.id] & masks[type]); break;
    case IR_CTX:  say(r, "*(%s *)(cpu + %u)", types[type], ref.id); break;
    case IR_HOST: say(r, "*(%s *)(h%u + %d)", types[type], ref.id, i->disp); break;
    case IR_VEC:  r->ok = false; break;
    default:      say(r, "0"); break;
    }
}

static void put(Render *r, const IrInsn *i, IrRef ref, IrType type, const char *value)
{
    switch (ref.kind) {
    case IR_GUEST:
        if (type >= IR_I32)
            say(r, "G[%u] = (%s)(%s);\n", ref.id, types[type], value);
        else
            say(r, "*(%s *)((char *)(G + %u) + %u) = %s;\n", types[type], ref.id, ref.high_byte,
                value);
        break;
    case IR_TEMP: say(r, "t%u = (%s)(%s);\n", ref.id, types[type], value); break;
    case IR_CTX:  say(r, "*(%s *)(cpu + %u) = %s;\n", types[type], ref.id, value); break;
    case IR_HOST:
        if (r->after_helper)
            say(r, "if (WAITS != w%u) x_store(cpu, l%u + %d, (%s)(%s), %u); else\n", ref.id, ref.id,
                i->disp, types[type], value, 1u << type);
        say(r, "*(%s *)(h%u + %d) = %s;\n", types[type], ref.id, i->disp, value);
        break;
    case IR_VEC: r->ok = false; break;
    default: break;
    }
}

/* ---- flags ---- */
static void say_flush(Render *r)                        /* without forgetting: for ways out */
{
    const IrInsn *p = r->pending;
    if (p)
        say(r, "x_flags(cpu, %u, fa, fb, fc, fv, fh);\n",
            p->op | (unsigned)p->type << 8 | (unsigned)p->sets << 16);
}

static void flush(Render *r)
{
    say_flush(r);
    r->pending = NULL;
}

/*
 * i sets flags that somebody wants; what it leaves must be there first.  A shift by zero leaves
 * all.
 */
static void before_flags(Render *r, const IrInsn *i)
{
    bool keeps = i->sets != FL_ALL || (ir_op_props[i->op] & READS_FLAGS);
    if (r->pending && (i->live | i->live_fault) && keeps)
        flush(r);
}

static void leave_flags(Render *r, const IrInsn *i, const char *assignments)
{
    if (i->sets && (i->live | i->live_fault)) {
        say(r, "%s\n", assignments);
        r->pending = i;
    }
}

/* The condition from operands that are still there; NULL: not from these. */
static char *condition_of_operands(const IrInsn *p, unsigned cc)
{
    const char *u = types[p->type], *s = signed_types[p->type];
    bool subtraction = p->op == IR_cmp || p->op == IR_sub;
    bool logic = p->op == IR_test || p->op == IR_and || p->op == IR_or || p->op == IR_xor;
    bool sum = p->op == IR_add || p->op == IR_inc || p->op == IR_dec || p->op == IR_neg ||
               p->op == IR_adc || p->op == IR_sbb;
    if ((ir_cond_flags(cc) & ~p->sets) || !(subtraction || logic || sum))
        return NULL;
    switch (cc & ~1u) {
    case CC_E:
        return subtraction ? g_strdup_printf("((%s)fa == (%s)fb)", u, u)
                           : g_strdup_printf("((%s)fv == 0)", u);
    case CC_S: return g_strdup_printf("((%s)fv < 0)", s);
    case CC_B:
        return subtraction ? g_strdup_printf("((%s)fa < (%s)fb)", u, u)
               : logic     ? g_strdup("0")
                           : NULL;
    case CC_BE:
        return subtraction ? g_strdup_printf("((%s)fa <= (%s)fb)", u, u)
               : logic     ? g_strdup_printf("((%s)fv == 0)", u)
                           : NULL;
    case CC_L:
        return subtraction ? g_strdup_printf("((%s)fa < (%s)fb)", s, s)
               : logic     ? g_strdup_printf("((%s)fv < 0)", s)
                           : NULL;
    case CC_LE:
        return subtraction ? g_strdup_printf("((%s)fa <= (%s)fb)", s, s)
               : logic     ? g_strdup_printf("((%s)fv <= 0)", s)
                           : NULL;
    default: return NULL;
    }
}

static const char *condition_of_word(unsigned cc)       /* of cpu->fl */
{
    static const char *const texts[8] = {
        [CC_O / 2] = "(" FL " & 1)", [CC_B / 2] = "(" FL " >> 8 & 1)",
        [CC_E / 2] = "(" FL " >> 14 & 1)", [CC_BE / 2] = "((" FL " & 0x4100) != 0)",
        [CC_S / 2] = "(" FL " >> 15 & 1)", [CC_P / 2] = "(" FL " >> 10 & 1)",
        [CC_L / 2] = "((" FL " >> 15 ^ " FL ") & 1)",
        [CC_LE / 2] = "(((" FL " >> 15 ^ " FL ") & 1) | (" FL " >> 14 & 1))",
    };
    return texts[cc / 2];
}

/* Declares `condition`. */
static void say_condition(Render *r, unsigned cc)
{
    g_autofree char *direct = r->pending ? condition_of_operands(r->pending, cc) : NULL;
    if (direct) {
        say(r, "int condition = %s%s;\n", cc & 1 ? "!" : "", direct);
        return;
    }
    flush(r);
    say(r, "int condition = %s%s;\n", cc & 1 ? "!" : "", condition_of_word(cc));
}

/* ---- ways out ---- */
static void say_pc(Render *r, int32_t offset)
{
    say(r, "*(uint64_t *)(cpu + PC_AT) = base + %d;\n", offset);
}

static void say_step(Render *r)                         /* this guest instruction again, exactly */
{
    say_flush(r);
    say_pc(r, r->pc);
    say(r, "return x_step(cpu);\n");
}

static void say_go(Render *r, int32_t offset, unsigned wanted)
{
    if (r->pending && (r->pending->sets & wanted))
        say_flush(r);
    for (unsigned k = 0; k < r->n_parts; k++) {
        if (r->parts[k].offset == offset) {
            say(r, "if (!ATTENTION) goto B%u;\n", k);
            break;
        }
    }
    say_pc(r, offset);
    say(r, "return ATTENTION != 0;\n");
}

/* ---- memory ---- */
static void say_offset(Render *r, const IrMem *m)
{
    say(r, "%s(%" PRId64 "LL",
        m->offset_bits == 64   ? ""
        : m->offset_bits == 32 ? "(uint32_t)"
                               : "(uint16_t)",
        (int64_t)m->disp);
    if (m->base.kind) {
        say(r, " + ");
        get(r, NULL, m->base, IR_I64);
    }
    if (m->index.kind) {
        say(r, " + ((");
        get(r, NULL, m->index, IR_I64);
        say(r, ") << %u)", m->scale);
    }
    say(r, "%s)", m->pc_relative ? " + base" : "");
}

static void say_check(Render *r, const IrInsn *i)
{
    const IrMem *m = &r->b->mems[i->mem];
    const DbtGuest *g = r->g;
    size_t seg = g->seg_offset + m->segment * g->seg_stride;
    unsigned h = i->dst.id;
    say(r, "{ uint64_t o = ");
    say_offset(r, m);
    say(r, ", l = o, x; char *e;\n");
    if (m->segment != SEG_NONE)
        say(r, "l += *(uint64_t *)(cpu + %zu);\n", seg + g->seg_base);
    if (m->linear_bits == 32)
        say(r, "l = (uint32_t)l;\n");
    say(r, "e = TLB + ((l >> %u) & TLB_MASK); x = l ^ *(uint64_t *)(e + %zu);\n",
        DBT_PAGE_BITS - DBT_TLB_SHIFT,
        m->access & IR_WRITE ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read));
    say(r, "l%u = l; w%u = WAITS; h%u = *(char **)(e + %zu) + x;\n", h, h, h,
        offsetof(TlbEntry, page));
    say(r, "if (0");
    if (m->segment != SEG_NONE && m->limit)
        say(r,
            " || (int64_t)o < *(int64_t *)(cpu + %zu) || (int64_t)(o + %u) > *(int64_t *)(cpu + "
            "%zu)",
            seg + g->seg_lo, m->span - 1,
            seg + (m->access & IR_WRITE ? g->seg_hi_write : g->seg_hi_read));
    if (m->align)
        say(r, " || (l & %u)", m->align - 1u);
    if (m->narrow) {
        say(r, " || (uint32_t)(");
        get(r, i, m->narrow == 1 ? m->base : m->index, IR_I64);
        say(r, ") - %uu > %uu", m->narrow_lo, m->narrow_hi - m->narrow_lo);
    }
#if defined(__x86_64__) || defined(__i386__)
    if (m->locked)
        say(r, " || (l & 63) + %u > 64", m->span);
#endif
    say(r, ") {\n");
    say_step(r);
    say(r, "}\nif (x > %u && !(h%u = x_refill(cpu, l, (char *)%#" PRIxPTR "ULL))) {\n",
        DBT_PAGE - m->span, h, (uintptr_t)m);
    say_step(r);
    say(r, "}\n}\n");
}

/* ---- operations ---- */
static IrType source_type(const IrInsn *i)
{
    switch (i->op) {
    case IR_zext8: case IR_sext8: return IR_I8;
    case IR_zext16: case IR_sext16: return IR_I16;
    case IR_zext32: case IR_sext32: case IR_crc32: return IR_I32;
    default: return (IrType)i->type;
    }
}

static void say_sources(Render *r, const IrInsn *i, IrType type)
{
    say(r, "{ enum { type = %u }; uint64_t a = ", i->type);
    get(r, i, i->a, source_type(i));
    say(r, ", b = ");
    get(r, i, i->b, type);
    say(r, ", c = ");
    get(r, i, i->c, type);
    say(r, ", v;\n");
}

static bool reads_carry(const IrInsn *i)
{
    return i->op == IR_adc || i->op == IR_sbb || i->op == IR_rcl || i->op == IR_rcr;
}

/* a row with an expression, or one that ir_eval() knows */
static void say_row(Render *r, const IrInsn *i)
{
    IrType type = (IrType)i->type;
    bool custom = !strcmp(meanings[i->op], "CUSTOM"),
         conditional = i->op == IR_sel || i->op == IR_setcc;
    if (reads_carry(i))
        flush(r);
    before_flags(r, i);
    say_sources(r, i, type);
    if (conditional)
        say_condition(r, i->cond);
    if (reads_carry(i))
        say(r, "int carry = %s;\n", condition_of_word(CC_B));
    if (custom)
        say(r, "v = x_eval(%u, type, a, b, c, %s);\n", i->op, reads_carry(i) ? "carry" : "0");
    else
        say(r, "v = (%s)(%s);\n", types[type], meanings[i->op]);
    leave_flags(r, i, "fa = a; fb = b; fc = c; fv = v;");
    if (!(ir_op_props[i->op] & NO_RESULT))
        put(r, i, i->dst, i->op == IR_crc32 ? IR_I32 : type, "v");
    say(r, "}\n");
}

static void say_rmw(Render *r, const IrInsn *i) /* xchg, xadd, cmpxchg, and anything locked */
{
    IrType type = (IrType)i->type;
    if (r->after_helper)
        r->ok = false;
    if (reads_carry(i))
        flush(r);
    before_flags(r, i);
#if !defined(__x86_64__) && !defined(__i386__)
    /* no host instruction does it */
    say(r, "if ((uint64_t)(h%u + %d) & %u) {\n", i->a.id, i->disp, (1u << type) - 1);
    say_step(r);
    say(r, "}\n");
#endif
    say(r, "{ uint64_t b = ");
    get(r, i, i->b, type);
    say(r, ", c = ");
    get(r, i, i->c, type);
    say(r, ", now, old = x_locked(%u, h%u + %d, b, c, %s, &now);\n", i->op | (unsigned)type << 8,
        i->a.id, i->disp, reads_carry(i) ? condition_of_word(CC_B) : "0");
    leave_flags(r, i, "fa = old; fb = b; fc = c; fv = now; fh = 0;");
    if (i->dst.kind != IR_HOST)
        put(r, i, i->dst, type, "old");
    say(r, "}\n");
}

static void say_multiply(Render *r, const IrInsn *i)
{
    before_flags(r, i);
    say_sources(r, i, (IrType)i->type);
    say(r, "uint64_t high; v = x_multiply(%u, type, a, b, &high);\n", i->op);
    leave_flags(r, i, "fa = a; fb = b; fc = 0; fv = v; fh = high;");
    put(r, i, i->dst, (IrType)i->type, "v");
    put(r, i, i->dst2, (IrType)i->type, "high");
    say(r, "}\n");
}

static void say_divide(Render *r, const IrInsn *i)
{
    say_sources(r, i, (IrType)i->type);
    say(r, "uint64_t rest; if (!x_divide(%u, type, a, b, c, &v, &rest)) {\n", i->op);
    say_step(r);
    say(r, "}\n");
    put(r, i, i->dst, (IrType)i->type, "v");
    put(r, i, i->dst2, (IrType)i->type, "rest");
    say(r, "}\n");
}

static void say_helper(Render *r, const IrInsn *i)
{
    IrType type = (IrType)i->type;
    flush(r);
    say_pc(r, r->pc);
    say(r,
        "{ uint64_t v; q = (char *)%#" PRIxPTR
        "ULL; v = ((uint64_t (*)(char *, uint64_t, uint64_t, uint64_t))q)(cpu, ",
        (uintptr_t)r->g->helpers[i->sub].fn);
    get(r, i, i->a, type);
    say(r, ", ");
    get(r, i, i->b, type);
    say(r, ", ");
    get(r, i, i->c, type);
    say(r, ");\n");
    r->after_helper = true;
    put(r, i, i->dst, type, "v");
    say(r, "}\n");
}

static bool is_value(IrRef ref)
{
    return ref.kind == IR_GUEST || ref.kind == IR_TEMP || ref.kind == IR_CTX;
}

static void say_vop(Render *r, const IrInsn *i)
{
    bool to_host = i->dst.kind == IR_HOST, from_host = i->a.kind == IR_HOST;
    if (r->g->vecs[i->sub].props & V_VEX) {   /* they have up to four operands: the interpreter's */
        r->ok = false;
        return;
    }
    flush(r);
    say_pc(r, r->pc);
    say(r, "{ uint64_t g[2]; g[0] = ");
    if (is_value(i->dst))
        get(r, i, i->dst, (IrType)i->type);
    else
        say(r, "0");
    say(r, "; g[1] = ");
    if (is_value(i->a) || i->a.kind == IR_IMM)
        get(r, i, i->a, (IrType)i->type);
    else
        say(r, "0");
    say(r, ";\nx_vop(cpu, (char *)%#" PRIxPTR "ULL, ", (uintptr_t)i);
    if (to_host)
        say(r, "h%u + %d, ", i->dst.id, i->disp);
    else
        say(r, "0, ");
    if (from_host)
        say(r, "h%u + %d, ", i->a.id, i->disp);
    else
        say(r, "0, ");
    if (to_host)
        say(r, "l%u + %d, w%u, g);\n", i->dst.id, i->disp, i->dst.id);
    else
        say(r, "0, 0, g);\n");
    if (is_value(i->dst))
        put(r, i, i->dst, (IrType)i->type, "g[0]");
    say(r, "}\n");
}

static void say_guard(Render *r, const IrInsn *i)
{
    say(r, "if (");
    get(r, i, i->a, (IrType)i->type);
    say(r, " != ");
    get(r, i, i->b, (IrType)i->type);
    say(r, ") {\n");
    say_step(r);
    say(r, "}\n");
}

static void say_branch(Render *r, const IrInsn *i)
{
    say(r, "{ ");
    if (i->op == IR_br) {
        say_condition(r, i->cond);
    } else {
        say(r, "int condition = ");
        get(r, i, i->a, (IrType)i->type);
        say(r, i->op == IR_brz ? " == 0;\n" : " != 0;\n");
    }
    say(r, "if (condition) {\n");
    say_go(r, i->imm, i->live | i->live_fault);
    say(r, "} }\n");
}

static void say_flag_value(Render *r, const IrInsn *i)  /* getfl, setfl, cmc */
{
    if (i->op == IR_setfl) {
        before_flags(r, i);
        say(r, "fb = fc = fv = 0; fa = ");
        get(r, i, i->a, (IrType)i->type);
        say(r, ";\n");
        leave_flags(r, i, "");
        return;
    }
    flush(r);
    if (i->op == IR_cmc)
        say(r, FL " ^= 0x100;\n");
    else
        put(r, i, i->dst, (IrType)i->type, "((" FL " >> 8 & 0xd5) | (" FL " & 1) << 11)");
}

static void say_end(Render *r, const IrInsn *i)
{
    if (i->op == IR_jmp) {
        say_go(r, i->imm, i->live | i->live_fault);
        return;
    }
    flush(r);
    if (i->op == IR_jind) {
        say(r, "{ uint64_t to = ");
        get(r, i, i->a, IR_I64);
        say(r,
            ";\nif (to >> 32) x_target(cpu, to, base + %d);\n*(uint64_t *)(cpu + PC_AT) = to; }\n",
            r->pc);
    } else if (i->op == IR_exit_next) {
        say_pc(r, i->imm);
    }
    say(r, i->op == IR_exit_next ? "return 1;\n" : "return ATTENTION != 0;\n");
}

static void say_insn(Render *r, const IrInsn *i)
{
    if (i->guest != r->guest) {
        r->guest = i->guest;
        r->pc = ir_offset(r->b, i);
        r->after_helper = false;
    }
    switch (i->op) {
    case IR_chk: say_check(r, i); break;
    case IR_lea:
        say(r, "{ uint64_t v = ");
        say_offset(r, &r->b->mems[i->mem]);
        say(r, ";\n");
        put(r, i, i->dst, (IrType)i->type, "v");
        say(r, "}\n");
        break;
    case IR_mulu2: case IR_muls2: say_multiply(r, i); break;
    case IR_divu: case IR_divs: say_divide(r, i); break;
    case IR_getfl: case IR_setfl: case IR_cmc: say_flag_value(r, i); break;
    case IR_xchg: case IR_xadd: case IR_cmpxchg: say_rmw(r, i); break;
    case IR_fence: say(r, "x_fence();\n"); break;
    case IR_bulk: case IR_prefetch: case IR_gone: break;
    case IR_guard: say_guard(r, i); break;
    case IR_chkcs:
        say(r,
            "if ((uint32_t)(base + %d - *(uint64_t *)(cpu + %zu)) > *(uint32_t *)(cpu + %zu)) {\n",
            i->imm, r->g->cs_base, r->g->cs_limit);
        say_step(r);
        say(r, "}\n");
        break;
    case IR_chkpc:
        say(r, "if (");
        get(r, i, i->a, IR_I64);
        say(r, " + %#llxULL & %#llxULL) {\n", 1ull << (r->g->canonical_bits - 1),
            ~0ull << r->g->canonical_bits);
        say_step(r);
        say(r, "}\n");
        break;
    case IR_jguess: r->ok = false; break;              /* of native traces */
    case IR_br: case IR_brz: case IR_brnz: say_branch(r, i); break;
    case IR_jmp: case IR_jind: case IR_exit_pc: case IR_exit_next: say_end(r, i); break;
    case IR_helper: say_helper(r, i); break;
    case IR_gate: {
        IrInsn call = *i;
        call.a = ir_none();
        call.c = i->b;
        call.b = ir_none();
        say_helper(r, &call);
        say(r, "return ATTENTION != 0;\n");
        break;
    }
    case IR_vop: say_vop(r, i); break;
    default:
        if (i->locked)
            say_rmw(r, i);
        else
            say_row(r, i);
        break;
    }
}

bool tcc_render(GString *out, const DbtGuest *g, const char *name, const TccPart *parts, unsigned n)
{
    Render r = { .o = out, .g = g, .parts = parts, .n_parts = n, .ok = true };
    say(&r,
        "int %s(char *cpu)\n{\nuint64_t *G = (uint64_t *)(cpu + %zu), base = *(uint64_t *)(cpu + "
        "PC_AT) & ~%dULL;\n",
        name, offsetof(DbtCpu, gpr), DBT_PAGE - 1);
    say(&r,
        "uint64_t fa, fb, fc, fv, fh = 0, t0, t1, t2, t3, t4, t5, t6, t7, l0, l1, l2, l3, l4, l5, "
        "l6, l7;\n"
        "char *q, *h0, *h1, *h2, *h3, *h4, *h5, *h6, *h7; unsigned w0, w1, w2, w3, w4, w5, w6, "
        "w7;\n"
        "*(uint64_t *)(cpu + %zu) = base;\n",
        offsetof(DbtCpu, pc_base));
    for (r.at = 0; r.at < n; r.at++) {
        r.b = parts[r.at].ir;
        r.pending = NULL;
        r.guest = UINT_MAX;
        r.pc = parts[r.at].offset;
        say(&r, "B%u:\n", r.at);
        if (parts[r.at].dead) {
            say(&r, "q = (char *)%#" PRIxPTR "ULL; if (*(volatile char *)q) {\n",
                (uintptr_t)parts[r.at].dead);
            say_pc(&r, r.pc);
            say(&r, "return ATTENTION != 0;\n}\n");
        }
        for (unsigned k = 0; k < r.b->n_insns; k++)
            say_insn(&r, &r.b->insns[k]);
    }
    say(&r, "return 1;\n}\n");
    return r.ok;
}
