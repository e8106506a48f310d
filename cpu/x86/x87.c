/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c -- the x87 instructions D8..DF and FWAIT: one row each, register stack, exceptions.
 *
 * A row is found by the opcode and ModRM.reg (for some by the whole ModRM byte).  Memory operands
 * are read before anything changes and written before flags are committed, so that a page fault
 * leaves no trace.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8; vol. 2, appendix A.5 (escape opcodes).
 * Omits: FIP, FCS, FDP, FDS and FOP are updated by every instruction that is not a control
 *        instruction, also where newer CPUs do so for unmasked exceptions only (for FOP that is
 *        what IA32_MISC_ENABLE bit 2 asks of those).  FERR# falls at the next x87 instruction after
 *        FXRSTOR or XRSTOR has taken the error away.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/x87.h"

typedef struct X87Insn {
    uint8_t  op, modrm;                 /* low three bits of the opcode; ModRM */
    uint8_t  segment, op_bytes;
    uint64_t offset;                    /* of a memory operand */
    uint8_t  m[16];                     /* its value, where the row loads it */
} X87Insn;
typedef void X87Fn(X86Cpu *c, X87Insn *in, unsigned arg);
typedef struct X87Row {
    X87Fn  *fn;
    uint8_t arg;
    uint8_t bytes;                      /* of a memory operand to load first */
    uint8_t flags;
} X87Row;
enum { NO_WAIT = 1, CONTROL = 2 };

static const X86Fpr indefinite = { UINT64_C(0xc000000000000000), 0xffff, { 0 } };

static inline unsigned rm(const X87Insn *in) { return in->modrm & 7; }
static inline unsigned reg(const X87Insn *in) { return in->modrm >> 3 & 7; }

/* ---- flags ---- */
void x87_update_es(X86Cpu *c)
{
    bool pending = c->fpu_sw & ~c->fpu_cw & SW_EXC;
    c->fpu_sw = (uint16_t)((c->fpu_sw & ~(SW_ES | SW_B)) | (pending ? SW_ES | SW_B : 0));
}

void x87_load_status(X86Cpu *c, uint16_t sw)
{
    c->fpu_top = sw >> 11 & 7;
    c->fpu_sw = sw & ~0x3800;
    x87_update_es(c);
}

/* Take exception flags and the condition codes in `codes` from sw. */
static void commit(X86Cpu *c, unsigned sw, unsigned codes)
{
    c->fpu_sw = (uint16_t)((c->fpu_sw & ~codes) | (sw & (codes | SW_EXC | SW_SF)));
    if (G_UNLIKELY(sw & ~c->fpu_cw & SW_EXC)) {
        c->fpu_sw |= SW_ES | SW_B;
    }
}

/*
 * An unmasked exception of sw that keeps the instruction from storing anything?  Then its flags are
 * all that remains.
 */
static bool aborts(X86Cpu *c, unsigned sw)
{
    if (G_LIKELY(!(sw & ~c->fpu_cw & SW_PRE)))
        return false;
    commit(c, sw & (SW_PRE | SW_SF), SW_C1);
    return true;
}

/*
 * Stack faults; true if invalid is masked, so that the instruction goes on with an indefinite
 * value.
 */
static bool underflow(X86Cpu *c)
{
    commit(c, SW_IE | SW_SF, SW_C1);
    return c->fpu_cw & SW_IE;
}

static bool overflow(X86Cpu *c)
{
    commit(c, SW_IE | SW_SF | SW_C1, SW_C1);
    return c->fpu_cw & SW_IE;
}

/* ---- the stack ---- */
static inline void set(X86Cpu *c, unsigned i, const X86Fpr *v)
{
    unsigned n = x87_reg(c, i);
    c->fpr[n].mant = v->mant;
    c->fpr[n].exp = v->exp;
    c->fpu_valid |= (uint8_t)(1u << n);
}

static inline void pop(X86Cpu *c)
{
    c->fpu_valid &= (uint8_t)~(1u << c->fpu_top);
    c->fpu_top = (c->fpu_top + 1) & 7;
}

static inline void push(X86Cpu *c, const X86Fpr *v)
{
    c->fpu_top = (c->fpu_top - 1) & 7;
    set(c, 0, v);
}

static void push_or_overflow(X86Cpu *c, const X86Fpr *v, unsigned sw)
{
    if (!x87_empty(c, 7)) {
        if (overflow(c))
            push(c, &indefinite);
        return;
    }
    if ((sw & SW_IE) && aborts(c, sw))
        return;
    /* an unmasked denormal is loaded all the same */
    push(c, v);
    commit(c, sw & ~SW_C1, SW_C1);
}

/* ---- arithmetic ---- */
/* ST(to) = ST(to) op b, b in memory form `kind` or ST(from); then pops. */
static void arith(X86Cpu *c, unsigned op, unsigned to, X87Operand kind, const void *b, bool b_empty,
                  bool pops)
{
    X86Fpr r;
    if (G_UNLIKELY(x87_empty(c, to) || b_empty)) {
        if (!underflow(c))
            return;
        set(c, to, &indefinite);
    } else {
        unsigned sw = x87_arith[op][kind](c->fpu_cw, &r, x87_st(c, to), b);
        if (aborts(c, sw))
            return;
        set(c, to, &r);
        commit(c, sw, SW_C1);
    }
    if (pops)
        pop(c);
}

static void compare(X86Cpu *c, X87ArithFn *fn, const void *b, bool b_empty, unsigned pops)
{
    if (G_UNLIKELY(x87_empty(c, 0) || b_empty)) {
        bool masked = underflow(c);
        c->fpu_sw |= SW_C0 | SW_C2 | SW_C3;
        if (!masked)
            return;
    } else {
        unsigned sw = fn(c->fpu_cw, NULL, x87_st(c, 0), b);
        /* the codes are set even where the exception is unmasked */
        commit(c, sw, SW_CC);
        if (sw & ~c->fpu_cw & SW_PRE)
            return;
    }
    while (pops--)
        pop(c);
}

/* D8, DA, DC, DE with memory. */
static void arith_mem(X86Cpu *c, X87Insn *in, unsigned kind)
{
    unsigned op = reg(in);
    if (op == X87_COM || op == X87_COMP)
        compare(c, x87_arith[op][kind], in->m, false, op == X87_COMP);
    else
        arith(c, op, 0, kind, in->m, false, false);
}

static void arith_st0(X86Cpu *c, X87Insn *in, unsigned arg)            /* D8 */
{
    unsigned op = reg(in), i = rm(in);
    if (op == X87_COM || op == X87_COMP)
        compare(c, x87_arith[op][X87_ST], x87_st(c, i), x87_empty(c, i), op == X87_COMP);
    else
        arith(c, op, 0, X87_ST, x87_st(c, i), x87_empty(c, i), false);
}

/* DC, DE: SUB and SUBR, DIV and DIVR are swapped */
static void arith_sti(X86Cpu *c, X87Insn *in, unsigned pops)
{
    unsigned op = reg(in);
    arith(c, op >= X87_SUB ? op ^ 1 : op, rm(in), X87_ST, x87_st(c, 0), x87_empty(c, 0), pops);
}

/* aliases of FCOM, FCOMP; FCOMPP */
static void com(X86Cpu *c, X87Insn *in, unsigned pops)
{
    compare(c, x87_arith[X87_COM][X87_ST], x87_st(c, rm(in)), x87_empty(c, rm(in)), pops);
}
static void ucom(X86Cpu *c, X87Insn *in, unsigned pops)
{
    compare(c, x87_ucom, x87_st(c, rm(in)), x87_empty(c, rm(in)), pops);
}

enum { COMI_POP = 1, COMI_UNORDERED = 2 };
static void comi(X86Cpu *c, X87Insn *in, unsigned how)
{
    unsigned i = rm(in), eflags = EF_ZF | EF_PF | EF_CF;
    bool goes_on;
    if (x87_empty(c, 0) || x87_empty(c, i)) {
        goes_on = underflow(c);
    } else {
        unsigned sw =
            x87_comi(c->fpu_cw, x87_st(c, 0), x87_st(c, i), how & COMI_UNORDERED, &eflags);
        goes_on = !(sw & ~c->fpu_cw & SW_PRE);
        commit(c, sw, 0);               /* C1 stays (Zen 3; SDM vol. 2: 0) */
    }
    c->dbt.fl = x86_eflags_to_fl(eflags);               /* even where the exception is unmasked */
    if (goes_on && (how & COMI_POP))
        pop(c);
}

/* ---- loads, stores, moves ---- */
static void ld(X86Cpu *c, X87Insn *in, unsigned kind)
{
    X86Fpr v = { 0 };
    unsigned sw = 0;
    if (kind == X87_F80)
        memcpy(&v, in->m, 10);
    else
        sw = x87_load(kind, &v, in->m);
    push_or_overflow(c, &v, sw);
}

enum { ST_POP = 0x40, ST_TRUNCATE = 0x80 };
static void st(X86Cpu *c, X87Insn *in, unsigned arg)
{
    static const uint8_t bytes[X87_OPERANDS] = { 0, 4, 8, 2, 4, 8, 10, 10 };
    unsigned kind = arg & 0xf, sw = 0, codes = SW_C1;
    bool is_empty = x87_empty(c, 0), stores = true;
    uint8_t m[16];
    uint64_t linear = x86_seg_linear(c, in->segment, in->offset, bytes[kind], true);
    /* also where an unmasked exception keeps it from being written */
    dbt_check(&c->dbt, linear, bytes[kind], ACCESS_WRITE);
    const X86Fpr *v = is_empty ? &indefinite : x87_st(c, 0);
    if (kind == X87_F80)
        memcpy(m, v, 10);
    else
        sw = x87_store(is_empty ? CW_RESET : c->fpu_cw, kind, m, v, arg & ST_TRUNCATE);
    if (is_empty) {
        sw = SW_IE | SW_SF;
        stores = c->fpu_cw & SW_IE;
    } else if (sw & ~c->fpu_cw & (SW_IE | SW_OE | SW_UE)) {
        stores = false;
        sw &= ~(unsigned)SW_PE;
    }
    if (stores)
        dbt_store_bytes(&c->dbt, linear, m, bytes[kind]);
    commit(c, sw, codes);
    if (stores && (arg & ST_POP))
        pop(c);
}

static void ld_sti(X86Cpu *c, X87Insn *in, unsigned arg)
{
    unsigned i = rm(in);
    if (x87_empty(c, i)) {
        if (underflow(c))
            push(c, &indefinite);
        return;
    }
    X86Fpr v = *x87_st(c, i);
    push_or_overflow(c, &v, 0);
}

static void st_sti(X86Cpu *c, X87Insn *in, unsigned pops)
{
    if (x87_empty(c, 0)) {
        if (!underflow(c))
            return;
        set(c, rm(in), &indefinite);
    } else {
        X86Fpr v = *x87_st(c, 0);
        set(c, rm(in), &v);
        commit(c, 0, SW_C1);
    }
    if (pops)
        pop(c);
}

/* D9 D8+i, undocumented: knows no underflow */
static void stpnce(X86Cpu *c, X87Insn *in, unsigned arg)
{
    if (!x87_empty(c, 0)) {
        X86Fpr v = *x87_st(c, 0);
        set(c, rm(in), &v);
    }
    commit(c, 0, SW_C1);
    pop(c);
}

static void xch(X86Cpu *c, X87Insn *in, unsigned arg)
{
    unsigned i = rm(in);
    if (x87_empty(c, 0) || x87_empty(c, i)) {
        if (!underflow(c))
            return;
        if (x87_empty(c, 0))
            set(c, 0, &indefinite);
        if (x87_empty(c, i))
            set(c, i, &indefinite);
    } else {
        commit(c, 0, SW_C1);
    }
    X86Fpr v = *x87_st(c, i);
    *x87_st(c, i) = *x87_st(c, 0);
    *x87_st(c, 0) = v;
}

static void cmov(X86Cpu *c, X87Insn *in, unsigned negate)
{
    static const uint8_t masks[4] = { EF_CF, EF_ZF, EF_CF | EF_ZF, EF_PF };
    unsigned i = rm(in);
    bool condition = x86_fl_to_eflags(c->dbt.fl) & masks[reg(in)];
    if (x87_empty(c, 0) || x87_empty(c, i)) {
        if (underflow(c))
            set(c, 0, &indefinite);
        return;
    }
    if (condition != (bool)negate) {
        X86Fpr v = *x87_st(c, i);
        set(c, 0, &v);
    }
}

static void ffree(X86Cpu *c, X87Insn *in, unsigned pops)
{
    c->fpu_valid &= (uint8_t)~(1u << x87_reg(c, rm(in)));
    commit(c, 0, SW_C1);
    if (pops)
        pop(c);
}

static void rotate(X86Cpu *c, X87Insn *in, unsigned by)                /* FINCSTP, FDECSTP */
{
    c->fpu_top = (c->fpu_top + by) & 7;
    commit(c, 0, SW_C1);
}

static void constant(X86Cpu *c, X87Insn *in, unsigned which)
{
    X86Fpr v = { 0 };
    x87_constant(c->fpu_cw, &v, which);
    push_or_overflow(c, &v, 0);
}

/* ---- one and two operands on the stack ---- */
static void sign(X86Cpu *c, X87Insn *in, unsigned change)              /* FCHS, FABS */
{
    if (x87_empty(c, 0)) {
        if (underflow(c))
            set(c, 0, &indefinite);
        return;
    }
    X86Fpr *v = x87_st(c, 0);
    v->exp = change ? v->exp ^ 0x8000 : v->exp & 0x7fff;
    commit(c, 0, SW_C1);
}

static void xam(X86Cpu *c, X87Insn *in, unsigned arg)
{
    const X86Fpr *v = x87_st(c, 0);
    unsigned e = v->exp & 0x7fff, cc;
    if (x87_empty(c, 0))
        cc = SW_C3 | SW_C0;
    else if (e == 0)
        cc = v->mant ? SW_C3 | SW_C2 : SW_C3;
    else if (!(v->mant >> 63))
        cc = 0;                                         /* unsupported */
    else if (e == 0x7fff)
        cc = v->mant << 1 ? SW_C0 : SW_C2 | SW_C0;
    else
        cc = SW_C2;
    commit(c, cc | (v->exp & 0x8000 ? SW_C1 : 0), SW_CC);
}

static void tst(X86Cpu *c, X87Insn *in, unsigned arg)
{
    if (x87_empty(c, 0)) {
        underflow(c);
        c->fpu_sw |= SW_C0 | SW_C2 | SW_C3;
        return;
    }
    X86Fpr r;
    commit(c, x87_ftst(c->fpu_cw, &r, NULL, x87_st(c, 0), NULL), SW_CC);
}

typedef struct Function {
    X87UnaryFn *fn;
    uint16_t codes;
    enum { UNARY, PUSHES, BINARY, BINARY_POP } shape;
} Function;
enum { F2XM1, FYL2X, FPTAN, FPATAN, FXTRACT, FPREM1, FPREM, FYL2XP1, FSQRT, FSINCOS, FRNDINT,
       FSCALE, FSIN, FCOS };
static const Function functions[] = {
    [F2XM1] = { x87_f2xm1, SW_C1, UNARY }, [FYL2X] = { x87_fyl2x, SW_C1, BINARY_POP },
    [FPTAN] = { x87_fptan, SW_C1 | SW_C2, PUSHES }, [FPATAN] = { x87_fpatan, SW_C1, BINARY_POP },
    [FXTRACT] = { x87_fxtract, SW_C1, PUSHES }, [FPREM1] = { x87_fprem1, SW_CC, BINARY },
    [FPREM] = { x87_fprem, SW_CC, BINARY }, [FYL2XP1] = { x87_fyl2xp1, SW_C1, BINARY_POP },
    [FSQRT] = { x87_fsqrt, SW_C1, UNARY }, [FSINCOS] = { x87_fsincos, SW_C1 | SW_C2, PUSHES },
    [FRNDINT] = { x87_frndint, SW_C1, UNARY }, [FSCALE] = { x87_fscale, SW_C1, BINARY },
    [FSIN] = { x87_fsin, SW_C1 | SW_C2, UNARY }, [FCOS] = { x87_fcos, SW_C1 | SW_C2, UNARY },
};

static void function_fault(X86Cpu *c, const Function *f, bool masked)
{
    if (!masked)
        return;
    if (f->shape == BINARY_POP)
        pop(c);
    set(c, 0, &indefinite);
    if (f->shape == PUSHES)
        push(c, &indefinite);
}

static void function(X86Cpu *c, X87Insn *in, unsigned which)
{
    const Function *f = &functions[which];
    X86Fpr r, r2 = { 0 };
    c->fpu_sw &= ~(f->codes & SW_C2);
    if (x87_empty(c, 0) || (f->shape >= BINARY && x87_empty(c, 1))) {
        function_fault(c, f, underflow(c));
        return;
    }
    if (f->shape == PUSHES && !x87_empty(c, 7)) {
        function_fault(c, f, overflow(c));
        return;
    }
    unsigned sw = f->fn(c->fpu_cw, &r, &r2, x87_st(c, 0), x87_st(c, 1));
    if (aborts(c, sw))
        return;
    if (f->shape == BINARY_POP)
        pop(c);
    set(c, 0, &r);
    if (f->shape == PUSHES && !((f->codes & SW_C2) && (sw & SW_C2)))
        push(c, &r2);
    bool is_nan = (r.exp & 0x7fff) == 0x7fff;           /* then FPREM has no quotient to show */
    commit(c, sw, f->codes == SW_CC && is_nan ? SW_C1 | SW_C2 : f->codes);
}

/* ---- control ---- */
static void nop(X86Cpu *c, X87Insn *in, unsigned arg) { }

void x86_fpu_init(X86Cpu *c)
{
    c->fpu_cw = CW_RESET;
    c->fpu_sw = c->fpu_op = c->fpu_cs = c->fpu_ds = 0;
    c->fpu_ip = c->fpu_dp = 0;
    c->fpu_top = c->fpu_valid = 0;
}
static void init(X86Cpu *c, X87Insn *in, unsigned arg) { x86_fpu_init(c); }
static void clex(X86Cpu *c, X87Insn *in, unsigned arg) { c->fpu_sw &= SW_CC; }

static void ldcw(X86Cpu *c, X87Insn *in, unsigned arg)
{
    c->fpu_cw = (uint16_t)(((in->m[0] | in->m[1] << 8) & CW_WRITABLE) | CW_FIXED);
    x87_update_es(c);
}
static void stcw(X86Cpu *c, X87Insn *in, unsigned arg)
{
    x86_st(c, in->segment, in->offset, c->fpu_cw, 2);
}
static void stsw(X86Cpu *c, X87Insn *in, unsigned arg)
{
    x86_st(c, in->segment, in->offset, x87_status(c), 2);
}
static void stsw_ax(X86Cpu *c, X87Insn *in, unsigned arg)
{
    c->dbt.gpr[R_RAX] = (c->dbt.gpr[R_RAX] & ~UINT64_C(0xffff)) | x87_status(c);
}

unsigned x87_tag_word(const X86Cpu *c)
{
    unsigned tw = 0;
    for (unsigned n = 0; n < 8; n++) {
        const X86Fpr *v = &c->fpr[n];
        unsigned e = v->exp & 0x7fff, tag;
        if (!(c->fpu_valid >> n & 1))
            tag = 3;
        else if (e == 0 && v->mant == 0)
            tag = 1;
        else
            tag = e == 0 || e == 0x7fff || !(v->mant >> 63) ? 2 : 0;
        tw |= tag << 2 * n;
    }
    return tw;
}

void x87_load_tag_word(X86Cpu *c, unsigned tw)
{
    c->fpu_valid = 0;
    for (unsigned n = 0; n < 8; n++) {
        if ((tw >> 2 * n & 3) != 3)
            c->fpu_valid |= (uint8_t)(1u << n);
    }
}

/*
 * The environment (vol. 1, 8.1.10): seven words or dwords, control, status, tags, then the
 * pointers, which in real and
 * virtual-8086 mode are linear addresses cut in pieces:
 * 16 bits: IP[15:0], IP[19:16] << 12 | FOP, DP[15:0], DP[19:16] << 12
 *                                                          32 bits: IP[15:0], IP[31:16] << 12 |
 *                                                          FOP, DP[15:0], DP[31:16] << 12
 */
static inline bool real_format(const X86Cpu *c)
{
    return !(c->cr0 & CR0_PE) || (c->rflags & EF_VM);
}

static unsigned environment_bytes(const X87Insn *in) { return in->op_bytes == 2 ? 14 : 28; }

static void put_environment(const X86Cpu *c, const X87Insn *in, uint8_t *m)
{
    bool wide = in->op_bytes != 2;
    uint32_t w[7] = { c->fpu_cw, x87_status(c), x87_tag_word(c), (uint32_t)c->fpu_ip, c->fpu_cs,
                      (uint32_t)c->fpu_dp, c->fpu_ds };
    if (real_format(c)) {
        uint32_t ip = (uint32_t)c->fpu_ip + ((uint32_t)c->fpu_cs << 4),
                 dp = (uint32_t)c->fpu_dp + ((uint32_t)c->fpu_ds << 4);
        w[3] = ip & 0xffff;
        w[4] = (ip >> 16 << 12) | c->fpu_op;
        w[5] = dp & 0xffff;
        w[6] = dp >> 16 << 12;
    } else if (wide) {
        w[4] |= (uint32_t)c->fpu_op << 16;
    }
    for (unsigned k = 0; k < 7; k++) {
        if (wide) {
            if (k < 3 || (k == 6 && !real_format(c)))
                w[k] |= 0xffff0000u;                    /* reserved halves read as ones */
            memcpy(m + 4 * k, &w[k], 4);
        } else {
            memcpy(m + 2 * k, &w[k], 2);
        }
    }
}

static void get_environment(X86Cpu *c, const X87Insn *in, const uint8_t *m)
{
    bool wide = in->op_bytes != 2;
    uint32_t w[7] = { 0 };
    for (unsigned k = 0; k < 7; k++)
        memcpy(&w[k], m + (wide ? 4 : 2) * k, wide ? 4 : 2);
    c->fpu_cw = (uint16_t)((w[0] & CW_WRITABLE) | CW_FIXED);
    x87_load_tag_word(c, w[2]);
    if (real_format(c)) {
        c->fpu_ip = (w[3] & 0xffff) | (w[4] >> 12 & 0xffff) << 16;
        c->fpu_dp = (w[5] & 0xffff) | (w[6] >> 12 & 0xffff) << 16;
        c->fpu_op = w[4] & 0x7ff;
        c->fpu_cs = c->fpu_ds = 0;
    } else {
        c->fpu_ip = w[3];
        c->fpu_cs = (uint16_t)w[4];
        c->fpu_dp = w[5];
        c->fpu_ds = (uint16_t)w[6];
        if (wide)
            c->fpu_op = w[4] >> 16 & 0x7ff;
    }
    x87_load_status(c, (uint16_t)w[1]);
}

/* #AC asks 2 or 4 of an environment, its words' size (SDM vol. 3 table 6-7). */
static void check_alignment(X86Cpu *c, const X87Insn *in, uint64_t linear, DbtAccess access)
{
    dbt_check(&c->dbt, linear, in->op_bytes == 2 ? 2 : 4, access);
}

static void ldenv(X86Cpu *c, X87Insn *in, unsigned arg)
{
    uint8_t m[28];
    unsigned n = environment_bytes(in);
    uint64_t linear = x86_seg_linear(c, in->segment, in->offset, n, false);
    check_alignment(c, in, linear, ACCESS_READ);
    dbt_load_bytes(&c->dbt, linear, m, n);
    get_environment(c, in, m);
}

static void stenv(X86Cpu *c, X87Insn *in, unsigned arg)
{
    uint8_t m[28];
    unsigned n = environment_bytes(in);
    put_environment(c, in, m);
    uint64_t linear = x86_seg_linear(c, in->segment, in->offset, n, true);
    check_alignment(c, in, linear, ACCESS_WRITE);
    dbt_store_bytes(&c->dbt, linear, m, n);
    c->fpu_cw |= SW_EXC;
    x87_update_es(c);
}

static void rstor(X86Cpu *c, X87Insn *in, unsigned arg)
{
    uint8_t m[108];
    unsigned n = environment_bytes(in);
    uint64_t linear = x86_seg_linear(c, in->segment, in->offset, n + 80, false);
    check_alignment(c, in, linear, ACCESS_READ);
    dbt_load_bytes(&c->dbt, linear, m, n + 80);
    get_environment(c, in, m);
    for (unsigned i = 0; i < 8; i++)
        memcpy(x87_st(c, i), m + n + 10 * i, 10);
}

static void save(X86Cpu *c, X87Insn *in, unsigned arg)
{
    uint8_t m[108];
    unsigned n = environment_bytes(in);
    put_environment(c, in, m);
    for (unsigned i = 0; i < 8; i++)
        memcpy(m + n + 10 * i, x87_st(c, i), 10);
    uint64_t linear = x86_seg_linear(c, in->segment, in->offset, n + 80, true);
    check_alignment(c, in, linear, ACCESS_WRITE);
    dbt_store_bytes(&c->dbt, linear, m, n + 80);
    x86_fpu_init(c);
}

/* ---- the rows ---- */
#define ROW(f, ...) { .fn = f, ROW_ARGS(__VA_ARGS__, 0, 0, 0, ) }
#define ROW_ARGS(a, b, fl, ...) .arg = a, .bytes = b, .flags = fl
#define EIGHT(...) { __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__ }
static const X87Row mem_rows[8][8] = {
    [0] = EIGHT(ROW(arith_mem, X87_F32, 4)),
    [1] = { ROW(ld, X87_F32, 4),
            { 0 },
            ROW(st, X87_F32),
            ROW(st, X87_F32 | ST_POP),
            ROW(ldenv, 0, 0, CONTROL),
            ROW(ldcw, 0, 2, CONTROL),
            ROW(stenv, 0, 0, CONTROL | NO_WAIT),
            ROW(stcw, 0, 0, CONTROL | NO_WAIT) },
    [2] = EIGHT(ROW(arith_mem, X87_I32, 4)),
    [3] = { ROW(ld, X87_I32, 4),
            ROW(st, X87_I32 | ST_POP | ST_TRUNCATE),
            ROW(st, X87_I32),
            ROW(st, X87_I32 | ST_POP),
            { 0 },
            ROW(ld, X87_F80, 10),
            { 0 },
            ROW(st, X87_F80 | ST_POP) },
    [4] = EIGHT(ROW(arith_mem, X87_F64, 8)),
    [5] = { ROW(ld, X87_F64, 8),
            ROW(st, X87_I64 | ST_POP | ST_TRUNCATE),
            ROW(st, X87_F64),
            ROW(st, X87_F64 | ST_POP),
            ROW(rstor, 0, 0, CONTROL),
            { 0 },
            ROW(save, 0, 0, CONTROL | NO_WAIT),
            ROW(stsw, 0, 0, CONTROL | NO_WAIT) },
    [6] = EIGHT(ROW(arith_mem, X87_I16, 2)),
    [7] = { ROW(ld, X87_I16, 2), ROW(st, X87_I16 | ST_POP | ST_TRUNCATE), ROW(st, X87_I16),
            ROW(st, X87_I16 | ST_POP), ROW(ld, X87_BCD, 10), ROW(ld, X87_I64, 8),
            ROW(st, X87_BCD | ST_POP), ROW(st, X87_I64 | ST_POP) },
};
static const X87Row reg_rows[8][8] = {
    [0] = EIGHT(ROW(arith_st0, 0)),
    [1] = { ROW(ld_sti, 0), ROW(xch, 0), { 0 }, ROW(stpnce, 0) },
    [2] = { ROW(cmov, 0), ROW(cmov, 0), ROW(cmov, 0), ROW(cmov, 0) },
    [3] = { ROW(cmov, 1),
            ROW(cmov, 1),
            ROW(cmov, 1),
            ROW(cmov, 1),
            { 0 },
            ROW(comi, COMI_UNORDERED),
            ROW(comi, 0) },
    [4] = { ROW(arith_sti, 0), ROW(arith_sti, 0), ROW(com, 0), ROW(com, 1), ROW(arith_sti, 0),
            ROW(arith_sti, 0), ROW(arith_sti, 0), ROW(arith_sti, 0) },
    [5] = { ROW(ffree, 0, 0, CONTROL), ROW(xch, 0), ROW(st_sti, 0), ROW(st_sti, 1), ROW(ucom, 0),
            ROW(ucom, 1) },
    [6] = { ROW(arith_sti, 1),
            ROW(arith_sti, 1),
            ROW(com, 1),
            { 0 },
            ROW(arith_sti, 1),
            ROW(arith_sti, 1),
            ROW(arith_sti, 1),
            ROW(arith_sti, 1) },
    [7] = { ROW(ffree, 1, 0, CONTROL),
            ROW(xch, 0),
            ROW(st_sti, 1),
            ROW(st_sti, 1),
            { 0 },
            ROW(comi, COMI_UNORDERED | COMI_POP),
            ROW(comi, COMI_POP) },
};
static const X87Row d9_rows[32] = {                     /* D9 E0..FF */
    ROW(sign, 1), ROW(sign, 0), { 0 }, { 0 }, ROW(tst, 0), ROW(xam, 0), { 0 }, { 0 },
    ROW(constant, 0), ROW(constant, 1), ROW(constant, 2), ROW(constant, 3), ROW(constant, 4),
    ROW(constant, 5), ROW(constant, 6), { 0 }, ROW(function, F2XM1), ROW(function, FYL2X),
    ROW(function, FPTAN), ROW(function, FPATAN), ROW(function, FXTRACT), ROW(function, FPREM1),
    ROW(rotate, 7, 0, CONTROL), ROW(rotate, 1, 0, CONTROL),
    ROW(function, FPREM), ROW(function, FYL2XP1), ROW(function, FSQRT), ROW(function, FSINCOS),
    ROW(function, FRNDINT), ROW(function, FSCALE), ROW(function, FSIN), ROW(function, FCOS),
};
static const struct { uint8_t op, modrm; X87Row row; } single_rows[] = {
    { 1, 0xd0, ROW(nop, 0, 0, CONTROL) },                                /* FNOP */
    { 2, 0xe9, ROW(ucom, 2) },                                           /* FUCOMPP */
    { 3, 0xe0, ROW(nop, 0, 0, CONTROL | NO_WAIT) },   /* FENI, FDISI: no operations since the 387 */
    { 3, 0xe1, ROW(nop, 0, 0, CONTROL | NO_WAIT) },
    { 3, 0xe2, ROW(clex, 0, 0, CONTROL | NO_WAIT) },
    { 3, 0xe3, ROW(init, 0, 0, CONTROL | NO_WAIT) },
    { 3, 0xe4, ROW(nop, 0, 0, CONTROL | NO_WAIT) },                      /* FSETPM */
    { 6, 0xd9, ROW(com, 2) },                                            /* FCOMPP */
    { 7, 0xe0, ROW(stsw_ax, 0, 0, CONTROL | NO_WAIT) },
};

static const X87Row *find_row(unsigned op, unsigned modrm)
{
    if (modrm < 0xc0)
        return &mem_rows[op][modrm >> 3 & 7];
    if (op == 1 && modrm >= 0xe0)
        return &d9_rows[modrm - 0xe0];
    const X87Row *r = &reg_rows[op][modrm >> 3 & 7];
    for (unsigned k = 0; !r->fn && k < G_N_ELEMENTS(single_rows); k++) {
        if (single_rows[k].op == op && single_rows[k].modrm == modrm)
            r = &single_rows[k].row;
    }
    return r;
}

static inline void raise_pending(X86Cpu *c)
{
    if (G_LIKELY(!(c->fpu_sw & SW_ES)))
        return;
    if (c->cr0 & CR0_NE)
        x86_raise(c, EXC_MF, 0);
    x86_ferr(c, true);
    x86_ferr_wait(c);
}

/* After whatever may have changed the error summary. */
static inline void drive_ferr(X86Cpu *c)
{
    bool level = c->fpu_sw & SW_ES && !(c->cr0 & CR0_NE);
    if (G_UNLIKELY(level != c->ferr))
        x86_ferr(c, level);
}

uint64_t x86_h_x87(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    X87Insn in = { .op = a >> 8 & 7, .modrm = (uint8_t)a, .segment = (uint8_t)arg,
                   .op_bytes = (uint8_t)(arg >> 8), .offset = b };
    const X87Row *r = find_row(in.op, in.modrm);
    x87_sync(c);
    if (!r->fn)
        x86_raise_ud(c);
    if (c->cr0 & (CR0_EM | CR0_TS))
        x86_raise(c, EXC_NM, 0);
    if (!(r->flags & NO_WAIT))
        raise_pending(c);
    if (r->bytes) {
        uint64_t low = x86_ld(c, in.segment, b, MIN(r->bytes, 8)), high = 0;
        if (r->bytes == 10)
            high = x86_ld(c, in.segment, b + 8, 2);
        memcpy(in.m, &low, 8);
        memcpy(in.m + 8, &high, 8);
    }
    if (!(r->flags & CONTROL)) {
        c->fpu_ip = x86_rip(c);
        c->fpu_cs = c->seg[S_CS].selector;
        c->fpu_op = (uint16_t)(in.op << 8 | in.modrm);
        if (in.modrm < 0xc0) {
            c->fpu_dp = b;
            c->fpu_ds = c->seg[in.segment].selector;
        }
    }
    r->fn(c, &in, r->arg);
    drive_ferr(c);
    return 0;
}

uint64_t x86_h_fwait(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        x86_raise(c, EXC_NM, 0);
    raise_pending(c);
    return 0;
}

void x86_fpu_check(X86Cpu *c)
{
    if (c->cr0 & (CR0_EM | CR0_TS))
        x86_raise(c, EXC_NM, 0);
    raise_pending(c);
}

void x86_fpu_stopped(DbtCpu *c) { x87_sync((X86Cpu *)c); }

/* Replaced where the system part drives FERR#. */
__attribute__((weak)) void x86_ferr(X86Cpu *c, bool level) { }
__attribute__((weak)) void x86_ferr_wait(X86Cpu *c) { }
