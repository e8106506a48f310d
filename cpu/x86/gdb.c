/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb.c -- an x86 CPU as gdb sees it: its target description, registers by number, memory by linear
 * address.
 *
 * Spec: Debugging with GDB, appendix G.5.10 (i386 features); Intel SDM (325383) vol. 1 ch. 8 (x87).
 * Omits: control registers, EFER and, in protected mode, selectors take no other value than they
 *   have; MPX, MMX by name.
 * Threads: the main thread's, the vCPU parked.
 */
#include <string.h>
#include "cpu/x86/apicif.h"
#include "cpu/x86/sys.h"
#include "core/debug.h"

typedef enum { G_GPR, G_RIP, G_FLAGS, G_SEG, G_ST, G_FPU, G_VEC, G_MXCSR, G_BASE, G_KGS, G_CR,
               G_EFER, G_MASK, G_PKRU } GdbKind;
enum { ON_64 = 1, ON_32 = 2, ON_ALL = 3 };
enum { NO_FEAT = 0, NEED_AVX, NEED_512, NEED_PKU };

typedef struct GdbRow {                 /* n registers in a row */
    const char *feature, *names;        /* names with blanks between, or a pattern for one number */
    GdbKind     kind;
    /* first: argument of the first; that of the next is one more */
    uint8_t     on, need, first, n;
    uint8_t     bytes, from;            /* from: of G_VEC, first byte */
    const char *type;
} GdbRow;

#define CORE   "org.gnu.gdb.i386.core"
#define AVX512 "org.gnu.gdb.i386.avx512"
#define SYSTEM "org.ryokan.i386.system"
static const GdbRow rows[] = {          /* rows of one feature are neighbours */
    { CORE, "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15", G_GPR, ON_64, 0, 0, 16,
      8, 0, "int64" },
    { CORE, "rip", G_RIP, ON_64, 0, 0, 1, 8, 0, "code_ptr" },
    { CORE, "eax ecx edx ebx esp ebp esi edi", G_GPR, ON_32, 0, 0, 8, 4, 0, "int32" },
    { CORE, "eip", G_RIP, ON_32, 0, 0, 1, 4, 0, "code_ptr" },
    { CORE, "eflags", G_FLAGS, ON_ALL, 0, 0, 1, 4, 0, "i386_eflags" },
    { CORE, "cs ss ds es fs gs", G_SEG, ON_ALL, 0, 0, 6, 4, 0, "int32" },
    { CORE, "st%u", G_ST, ON_ALL, 0, 0, 8, 10, 0, "i387_ext" },
    { CORE, "fctrl fstat ftag fiseg fioff foseg fooff fop", G_FPU, ON_ALL, 0, 0, 8, 4, 0, "int" },
    { "org.gnu.gdb.i386.sse", "xmm%u", G_VEC, ON_64, 0, 0, 16, 16, 0, "vec128" },
    { "org.gnu.gdb.i386.sse", "xmm%u", G_VEC, ON_32, 0, 0, 8, 16, 0, "vec128" },
    { "org.gnu.gdb.i386.sse", "mxcsr", G_MXCSR, ON_ALL, 0, 0, 1, 4, 0, "int32" },
    { "org.gnu.gdb.i386.avx", "ymm%uh", G_VEC, ON_64, NEED_AVX, 0, 16, 16, 16, "uint128" },
    { "org.gnu.gdb.i386.avx", "ymm%uh", G_VEC, ON_32, NEED_AVX, 0, 8, 16, 16, "uint128" },
    { AVX512, "k%u", G_MASK, ON_64, NEED_512, 0, 8, 8, 0, "uint64" },
    { AVX512, "zmm%uh", G_VEC, ON_64, NEED_512, 0, 16, 32, 32, "v2ui128" },
    { AVX512, "xmm%u", G_VEC, ON_64, NEED_512, 16, 16, 16, 0, "vec128" },
    { AVX512, "ymm%uh", G_VEC, ON_64, NEED_512, 16, 16, 16, 16, "uint128" },
    { AVX512, "zmm%uh", G_VEC, ON_64, NEED_512, 16, 16, 32, 32, "v2ui128" },
    { "org.gnu.gdb.i386.pkeys", "pkru", G_PKRU, ON_64, NEED_PKU, 0, 1, 4, 0, "int32" },
    { "org.gnu.gdb.i386.segments", "fs_base gs_base", G_BASE, ON_64, 0, S_FS, 2, 8, 0, "int" },
    { SYSTEM, "k_gs_base", G_KGS, ON_64, 0, 0, 1, 8, 0, "int" },
    { SYSTEM, "cr0 cr1 cr2 cr3 cr4", G_CR, ON_64, 0, 0, 5, 8, 0, "int64" },
    { SYSTEM, "cr0 cr1 cr2 cr3 cr4", G_CR, ON_32, 0, 0, 5, 4, 0, "int32" },
    { SYSTEM, "cr8", G_CR, ON_64, 0, 8, 1, 8, 0, "int64" },
    { SYSTEM, "efer", G_EFER, ON_64, 0, 0, 1, 8, 0, "int64" },
    { NULL }
};

static bool is_64(const X86Cpu *c) { return x86_feat(c, FEAT_81_EDX, 29); }

static bool has_row(const X86Cpu *c, const GdbRow *r)
{
    static const struct { uint8_t word, bit; } needs[] = {
        [NEED_AVX] = { FEAT_1_ECX, 28 },
        [NEED_512] = { FEAT_7_EBX, 16 }, [NEED_PKU] = { FEAT_7_ECX, 3 },
    };

    return r->on & (is_64(c) ? ON_64 : ON_32) &&
           (!r->need || x86_feat(c, needs[r->need].word, needs[r->need].bit));
}

static const GdbRow *row_of(const X86Cpu *c, unsigned reg, unsigned *arg)
{
    for (const GdbRow *r = rows; r->feature; r++) {
        if (has_row(c, r)) {
            if (reg < r->n) {
                *arg = r->first + reg;
                return r;
            }
            reg -= r->n;
        }
    }
    return NULL;
}

/* ---- the description ---- */

static void begin_feature(GString *s, const char *name)
{
    g_string_append_printf(s, "<feature name=\"%s\">", name);
    if (!strcmp(name, CORE)) {
        static const char *const flags[] = { "CF", "", "PF", "", "AF", "", "ZF", "SF", "TF", "IF",
                                             "DF", "OF", NULL };
        static const char *const more[] = { "NT", "", "RF", "VM", "AC", "VIF", "VIP", "ID", NULL };
        g_string_append(s, "<flags id=\"i386_eflags\" size=\"4\">");
        for (unsigned i = 0; i < 20; i++) {
            const char *n = i < 12 ? flags[i] : more[i - 12];
            unsigned bit = i < 12 ? i : i + 2;
            if (*n) {
                g_string_append_printf(s, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", n, bit,
                                       bit);
            }
        }
        g_string_append(s, "</flags>");
    } else if (!strcmp(name, "org.gnu.gdb.i386.sse") || !strcmp(name, AVX512)) {
        static const struct { const char *id, *of; unsigned n; } vecs[] = {
            { "v4f", "ieee_single", 4 }, { "v2d", "ieee_double", 2 },
            { "v16i8", "int8", 16 }, { "v8i16", "int16", 8 },
            { "v4i32", "int32", 4 }, { "v2i64", "int64", 2 },
        };
        for (unsigned i = 0; i < G_N_ELEMENTS(vecs); i++) {
            g_string_append_printf(s, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>", vecs[i].id,
                                   vecs[i].of, vecs[i].n);
        }
        g_string_append(
            s, "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field "
               "name=\"v2_double\" type=\"v2d\"/>"
               "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
               "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
               "<field name=\"uint128\" type=\"uint128\"/></union><vector id=\"v2ui128\" "
               "type=\"uint128\" count=\"2\"/>");
    }
}

static char *reg_name(const GdbRow *r, unsigned i)
{
    if (strchr(r->names, '%')) {
        const char *at = strstr(r->names, "%u");
        return g_strdup_printf("%.*s%u%s", (int)(at - r->names), r->names, r->first + i, at + 2);
    }
    g_auto(GStrv) names = g_strsplit(r->names, " ", -1);
    return g_strdup(names[i]);
}

char *x86_gdb_xml(Vcpu *v, const char *annex)
{
    const X86Cpu *c = (X86Cpu *)v;
    const char *feature = NULL;
    unsigned reg = 0;

    if (strcmp(annex, "target.xml")) {
        return NULL;
    }
    GString *s =
        g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>");
    g_string_append_printf(s, "<architecture>%s</architecture>", is_64(c) ? "i386:x86-64" : "i386");
    for (const GdbRow *r = rows; r->feature; r++) {
        if (!has_row(c, r)) {
            continue;
        }
        if (!feature || strcmp(feature, r->feature)) {
            g_string_append(s, feature ? "</feature>" : "");
            begin_feature(s, r->feature);
            feature = r->feature;
        }
        for (unsigned i = 0; i < r->n; i++) {
            g_autofree char *name = reg_name(r, i);
            bool data = r->kind == G_GPR && i >= (is_64(c) ? 6 : 4) && i < (is_64(c) ? 8 : 6);
            g_string_append_printf(s, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>",
                                   name, r->bytes * 8u, data ? "data_ptr" : r->type, reg++);
        }
    }
    g_string_append(s, "</feature></target>");
    return g_string_free(s, FALSE);
}

/* ---- registers ---- */

static const uint8_t seg_order[] = { S_CS, S_SS, S_DS, S_ES, S_FS, S_GS };
static const uint8_t gpr_order[] = { R_RAX, R_RBX, R_RCX, R_RDX, R_RSI, R_RDI, R_RBP, R_RSP };

static unsigned gpr(const X86Cpu *c, unsigned arg)
{
    return is_64(c) && arg < 8 ? gpr_order[arg] : arg;
}

static uint32_t tag_word(const X86Cpu *c)       /* empty or valid: gdb finds out the rest */
{
    uint32_t tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        tags |= (c->fpu_valid >> i & 1 ? 0u : 3u) << (2 * i);
    }
    return tags;
}

static uint64_t fpu_read(const X86Cpu *c, unsigned arg)
{
    switch (arg) {
    case 0:  return c->fpu_cw;
    case 1:  return c->fpu_sw | (unsigned)c->fpu_top << 11;
    case 2:  return tag_word(c);
    case 3:  return c->fpu_cs;
    case 4:  return c->fpu_ip;
    case 5:  return c->fpu_ds;
    case 6:  return c->fpu_dp;
    default: return c->fpu_op;
    }
}

static uint64_t cr_read(const X86Cpu *c, unsigned n)
{
    switch (n) {
    case 0:  return c->cr0;
    case 2:  return c->cr2;
    case 3:  return c->cr3;
    case 4:  return c->cr4;
    case 8:  return c->apic_ops ? c->apic_ops->get_tpr(c->apic) >> 4 : 0;
    default: return 0;
    }
}

/* Those of at most 8 bytes. */
static uint64_t word_read(const X86Cpu *c, const GdbRow *r, unsigned arg)
{
    switch (r->kind) {
    case G_GPR:   return c->dbt.gpr[gpr(c, arg)];
    case G_RIP:   return x86_rip(c);
    case G_FLAGS: return x86_rflags(c);
    case G_SEG:   return c->seg[seg_order[arg]].selector;
    case G_FPU:   return fpu_read(c, arg);
    case G_MXCSR: return c->mxcsr;
    case G_BASE:  return c->seg[arg].base;
    case G_KGS:   return c->kernel_gs_base;
    case G_CR:    return cr_read(c, arg);
    case G_EFER:  return c->efer;
    case G_MASK:  return c->opmask[arg];
    case G_PKRU:  return c->pkru;
    default:      return 0;
    }
}

unsigned x86_gdb_read(Vcpu *v, unsigned reg, uint8_t *to)
{
    const X86Cpu *c = (X86Cpu *)v;
    unsigned arg;
    const GdbRow *r = row_of(c, reg, &arg);

    if (!r) {
        return 0;
    }
    if (r->kind == G_VEC) {
        memcpy(to, c->vec[arg].u8 + r->from, r->bytes);
    } else if (r->kind == G_ST) {
        const X86Fpr *f = &c->fpr[(c->fpu_top + arg) & 7];
        memcpy(to, &f->mant, 8);
        memcpy(to + 8, &f->exp, 2);
    } else {
        uint64_t w = word_read(c, r, arg);
        memcpy(to, &w, r->bytes);
    }
    return r->bytes;
}

static bool seg_write(X86Cpu *c, unsigned s, uint16_t selector)
{
    if (c->cr0 & CR0_PE && !(c->rflags & EF_VM)) {
        return false;
    }
    uint64_t rip = x86_rip(c);
    c->seg[s].selector = selector;
    c->seg[s].base = (uint32_t)selector << 4;
    x86_seg_update(c, s);
    x86_set_pc(c, rip);
    return true;
}

static bool fpu_write(X86Cpu *c, unsigned arg, uint64_t w)
{
    switch (arg) {
    case 3: c->fpu_cs = (uint16_t)w; break;
    case 4: c->fpu_ip = w; break;
    case 5: c->fpu_ds = (uint16_t)w; break;
    case 6: c->fpu_dp = w; break;
    case 7: c->fpu_op = w & 0x7ff; break;
    default: return false;
    }
    return true;
}

static bool word_write(X86Cpu *c, const GdbRow *r, unsigned arg, uint64_t w)
{
    switch (r->kind) {
    case G_GPR:   c->dbt.gpr[gpr(c, arg)] = w; break;
    case G_RIP:   x86_set_pc(c, w); break;
    case G_FLAGS: x86_set_rflags(c, w, ~(uint64_t)(EF_VM | 2)); break;
    case G_SEG:   return seg_write(c, seg_order[arg], (uint16_t)w);
    case G_FPU:   return fpu_write(c, arg, w);
    case G_BASE:
        c->seg[arg].base = w;
        x86_seg_update(c, arg);
        break;
    case G_KGS:   c->kernel_gs_base = w; break;
    case G_MASK:  c->opmask[arg] = w; break;
    case G_PKRU:  x86_set_pkru(c, (uint32_t)w); break;
    default:      return false;
    }
    dbt_mode_changed(&c->dbt);
    return true;
}

unsigned x86_gdb_write(Vcpu *v, unsigned reg, const uint8_t *from, size_t n)
{
    X86Cpu *c = (X86Cpu *)v;
    unsigned arg;
    const GdbRow *r = row_of(c, reg, &arg);

    if (!r || n < r->bytes) {
        return 0;
    }
    if (r->kind == G_VEC) {
        memcpy(c->vec[arg].u8 + r->from, from, r->bytes);
    } else if (r->kind == G_ST) {
        X86Fpr *f = &c->fpr[(c->fpu_top + arg) & 7];
        memcpy(&f->mant, from, 8);
        memcpy(&f->exp, from + 8, 2);
    } else {
        uint64_t w = 0, mask = r->bytes == 8 ? UINT64_MAX : UINT32_MAX;
        memcpy(&w, from, r->bytes);
        if (((w ^ word_read(c, r, arg)) & mask) && !word_write(c, r, arg, w)) {
            return 0;
        }
    }
    return r->bytes;
}

/* ---- memory ---- */

/* As CPL 0 that may see user pages: what is mapped is shown, whatever its rights. */
static bool translate(X86Cpu *c, uint64_t linear, uint64_t *phys)
{
    uint64_t rflags = c->rflags, pkru = c->pkru;
    uint8_t cpl = c->cpl;
    DbtWalk w;

    c->rflags |= EF_AC;
    c->pkru = 0;
    c->cpl = 0;
    bool ok =
        x86_walk(&c->dbt, x86_lma(c) ? linear : (uint32_t)linear, ACCESS_READ | ACCESS_PROBE, &w);
    c->rflags = rflags;
    c->pkru = pkru;
    c->cpl = cpl;
    *phys = w.phys;
    return ok;
}

bool x86_gdb_memory(Vcpu *v, uint64_t linear, uint8_t *buf, size_t n, bool write)
{
    while (n) {
        size_t part = MIN(n, DBT_PAGE - (linear & (DBT_PAGE - 1)));
        uint64_t phys;
        if (!translate((X86Cpu *)v, linear, &phys) ||
            !debug_memory(v->as, phys, buf, part, write)) {
            return false;
        }
        linear += part;
        buf += part;
        n -= part;
    }
    return true;
}
