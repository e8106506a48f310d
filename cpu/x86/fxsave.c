/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fxsave.c -- FXSAVE, FXRSTOR and the XSAVE family for x87, SSE, AVX and AVX-512 state.
 *
 * The first 512 bytes (vol. 1, table 10-2):
 *     0 FCW  2 FSW  4 abridged tags (one bit a physical register)  6 FOP  8 FIP, FCS (REX.W:
 *     FIP64)  16 FDP, FDS (FDP64) 24 MXCSR  28 MXCSR_MASK  32 ST0..ST7, 16 bytes each  160
 * XMM0..XMM15 XSAVE adds at 512 XSTATE_BV, at 520 XCOMP_BV, and from 576 on the components of
 * `parts` below: in the standard form where CPUID leaf 0DH says (Intel's places, which leave room
 * for MPX), in the compacted form one behind the other.
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 10.5, 13; AMD APM vol. 2 (24593) ch. 11.4.4 (FFXSR).
 * Omits: the modified optimisation of XSAVEOPT and XSAVES (it is allowed to write more); components
 *        beyond AVX-512; on AMD models FIP, FDP and FOP are saved without a pending exception as
 *        well.
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/x87.h"

enum { FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160, FX_BYTES = 512, XS_HEADER = 512, XS_PARTS = 576,
       XS_BYTES = 2696 };
enum { COMP_X87 = 1, COMP_SSE = 2, COMP_AVX = 4 };

/*
 * Components from bit 2 on, each an array over registers: `each` bytes of member `at` for `first`
 * ..
 */
typedef struct Part {
    uint8_t  comp;                      /* bit in XCR0 */
    uint16_t offset, bytes;             /* in the standard form */
    uint16_t each, stride, first, n;    /* bytes of a register; from one to the next; which */
    size_t   at;
} Part;
static const Part parts[] = {
    { 2, 576, 256, 16, sizeof(X86Vec), 0, 16, offsetof(X86Cpu, vec) + 16 },     /* YMM 255:128 */
    { 5, 1088, 64, 8, 8, 0, 8, offsetof(X86Cpu, opmask) },
    { 6, 1152, 512, 32, sizeof(X86Vec), 0, 16, offsetof(X86Cpu, vec) + 32 },  /* ZMM0..15 511:256 */
    { 7, 1664, 1024, 64, sizeof(X86Vec), 16, 16, offsetof(X86Cpu, vec) },       /* ZMM16..31 */
    { 9, 2688, 8, 8, 8, 0, 1, offsetof(X86Cpu, pkru) },
};
enum { COMP_KNOWN = 0x2e7, COMP_PKRU = 0x200 };
/* third argument of the helpers; fxsave: XS_REX_W */
enum { XS_REX_W = 1, XS_OPT = 0x10, XS_C = 0x20, XS_S = 0x40 };
#define XCOMP_COMPACT (UINT64_C(1) << 63)

typedef struct Area { uint8_t b[XS_BYTES]; } Area;

static void put(Area *m, unsigned at, uint64_t v, unsigned n) { memcpy(m->b + at, &v, n); }
static uint64_t get(const Area *m, unsigned at, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, m->b + at, n);
    return v;
}

static unsigned n_xmm(const X86Cpu *c) { return x86_code64(c) ? 16 : 8; }

/* ---- the parts, to and from a copy of the area ---- */
static void put_x87(const X86Cpu *c, Area *m, bool rex_w)
{
    put(m, 0, c->fpu_cw, 2);
    put(m, 2, x87_status(c), 2);
    put(m, 4, c->fpu_valid, 2);
    put(m, 6, c->fpu_op, 2);
    if (rex_w) {
        put(m, 8, c->fpu_ip, 8);
        put(m, 16, c->fpu_dp, 8);
    } else {
        put(m, 8, (uint32_t)c->fpu_ip | (uint64_t)c->fpu_cs << 32, 8);
        put(m, 16, (uint32_t)c->fpu_dp | (uint64_t)c->fpu_ds << 32, 8);
    }
    for (unsigned i = 0; i < 8; i++) {
        const X86Fpr *v = &c->fpr[x87_reg(c, i)];
        put(m, FX_ST + 16 * i, v->mant, 8);
        put(m, FX_ST + 16 * i + 8, v->exp, 8);
    }
}

static void get_x87(X86Cpu *c, const Area *m, bool rex_w)
{
    c->fpu_cw = (uint16_t)((get(m, 0, 2) & CW_WRITABLE) | CW_FIXED);
    c->fpu_valid = (uint8_t)get(m, 4, 1);
    c->fpu_op = get(m, 6, 2) & 0x7ff;
    c->fpu_ip = get(m, 8, rex_w ? 8 : 4);
    c->fpu_dp = get(m, 16, rex_w ? 8 : 4);
    c->fpu_cs = rex_w ? 0 : (uint16_t)get(m, 12, 2);
    c->fpu_ds = rex_w ? 0 : (uint16_t)get(m, 20, 2);
    x87_load_status(c, (uint16_t)get(m, 2, 2));
    for (unsigned i = 0; i < 8; i++) {
        X86Fpr *v = x87_st(c, i);
        v->mant = get(m, FX_ST + 16 * i, 8);
        v->exp = (uint16_t)get(m, FX_ST + 16 * i + 8, 2);
    }
}

static void put_mxcsr(const X86Cpu *c, Area *m)
{
    put(m, FX_MXCSR, c->mxcsr | (uint64_t)X86_MXCSR_MASK << 32, 8);
}

static void put_xmm(const X86Cpu *c, Area *m)
{
    for (unsigned i = 0, n = n_xmm(c); i < n; i++)
        memcpy(m->b + FX_XMM + 16 * i, &c->vec[i], 16);
}

static void get_xmm(X86Cpu *c, const Area *m)
{
    for (unsigned i = 0, n = n_xmm(c); i < n; i++)
        memcpy(&c->vec[i], m->b + FX_XMM + 16 * i, 16);
}

/*
 * Registers of a part that the mode can name: 8 to 15 and 16 to 31 are there in 64-bit code alone.
 */
static unsigned n_regs(const X86Cpu *c, const Part *p)
{
    return x86_code64(c) ? p->n : p->first ? 0 : MIN(p->n, 8u);
}

static uint8_t *part_reg(X86Cpu *c, const Part *p, unsigned i)
{
    return (uint8_t *)c + p->at + p->stride * (p->first + i);
}

/*
 * The parts that every process has in 16 bytes at a time, which the compiler moves without a call.
 */
static void copy_regs(uint8_t *to, size_t to_step, const uint8_t *from, size_t from_step,
                      unsigned each, unsigned n)
{
    if (each == 16) {
        for (unsigned i = 0; i < n; i++, to += to_step, from += from_step)
            memcpy(to, from, 16);
        return;
    }
    for (unsigned i = 0; i < n; i++, to += to_step, from += from_step)
        memcpy(to, from, each);
}

static bool part_in_use(X86Cpu *c, const Part *p)
{
    uint64_t any = 0;
    if (p->each == 16) {                /* the one that every process has */
        const uint64_t *at = (const uint64_t *)part_reg(c, p, 0);
        for (unsigned i = 0; i < p->n; i++, at += p->stride / 8)
            any |= at[0] | at[1];
        return any;
    }
    for (unsigned i = 0; i < p->n; i++) {
        for (unsigned k = 0; k < p->each; k += 8)
            any |= *(const uint64_t *)(part_reg(c, p, i) + k);
    }
    return any;
}

/* Where part p lies, and with NULL where the last of `comp` ends. */
static unsigned part_offset(const Part *p, uint64_t comp, bool compact)
{
    unsigned at = XS_PARTS, end = XS_PARTS;
    for (const Part *q = parts; q < parts + G_N_ELEMENTS(parts) && q != p; q++) {
        if (comp >> q->comp & 1) {
            at += q->bytes;
            end = q->offset + q->bytes;
        }
    }
    return compact ? at : p ? p->offset : end;
}

unsigned x86_xsave_bytes(uint64_t comp, bool compact) { return part_offset(NULL, comp, compact); }

bool x86_xsave_part(unsigned comp, uint32_t *bytes, uint32_t *offset)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++) {
        if (parts[k].comp == comp) {
            *bytes = parts[k].bytes;
            *offset = parts[k].offset;
            return true;
        }
    }
    return false;
}

static void check_mxcsr(X86Cpu *c, const Area *m)
{
    if (get(m, FX_MXCSR, 4) & ~(uint64_t)X86_MXCSR_MASK)
        x86_raise_gp(c, 0);
}

/* Linear address of an aligned area. */
static uint64_t area_at(X86Cpu *c, unsigned segment, uint64_t offset, unsigned bytes,
                        unsigned align, bool write)
{
    uint64_t linear = x86_seg_linear(c, segment, offset, bytes, write);
    if (linear & (align - 1))
        x86_raise_gp(c, 0);
    return linear;
}

/* ---- the whole state in the standard form, for a hypervisor's kernel: component i at at[i] */
void x86_xsave_out(X86Cpu *c, void *area, const uint32_t at[32])
{
    uint64_t bv = COMP_X87 | COMP_SSE;
    Area    *m = area;

    put_x87(c, m, true);
    put_mxcsr(c, m);
    for (unsigned i = 0; i < 16; i++)
        memcpy(m->b + FX_XMM + 16 * i, &c->vec[i], 16);
    for (const Part *p = parts; p < parts + G_N_ELEMENTS(parts); p++) {
        for (unsigned i = 0; at[p->comp] && i < p->n; i++)
            memcpy(m->b + at[p->comp] + i * p->each, part_reg(c, p, i), p->each);
        bv |= (uint64_t)(at[p->comp] != 0) << p->comp;
    }
    put(m, XS_HEADER, bv, 8);
}

void x86_xsave_in(X86Cpu *c, const void *area, const uint32_t at[32])
{
    const Area *m = area;
    uint64_t bv = get(m, XS_HEADER, 8);

    if (bv & COMP_X87) {
        get_x87(c, m, true);
    } else {
        x86_fpu_init(c);
        memset(c->fpr, 0, sizeof c->fpr);
    }
    for (unsigned i = 0; i < 16; i++)
        memset(&c->vec[i], 0, 16);
    for (unsigned i = 0; i < 16 && bv & COMP_SSE; i++)
        memcpy(&c->vec[i], m->b + FX_XMM + 16 * i, 16);
    for (const Part *p = parts; p < parts + G_N_ELEMENTS(parts); p++) {
        for (unsigned i = 0; i < p->n; i++) {
            if (at[p->comp] && bv >> p->comp & 1)
                memcpy(part_reg(c, p, i), m->b + at[p->comp] + i * p->each, p->each);
            else
                memset(part_reg(c, p, i), 0, p->each);
        }
    }
    c->mxcsr = (uint32_t)get(m, FX_MXCSR, 4) & X86_MXCSR_MASK;
}

/* ---- FXSAVE, FXRSTOR: a offset, b segment, arg REX.W ---- */
/* FFXSR: 64-bit code at CPL 0 leaves XMM out */
static bool skips_xmm(const X86Cpu *c)
{
    return !(c->cr4 & CR4_OSFXSR) || ((c->efer & EFER_FFXSR) && c->cpl == 0 && x86_code64(c));
}

static void fx_check(X86Cpu *c)
{
    x87_sync(c);
    if (c->cr0 & (CR0_EM | CR0_TS))
        x86_raise(c, EXC_NM, 0);
}

uint64_t x86_h_fxsave(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    Area m;
    fx_check(c);
    uint64_t at = area_at(c, (unsigned)b, a, FX_BYTES, 16, true);
    unsigned n = FX_XMM;
    dbt_check(&c->dbt, at, FX_BYTES, ACCESS_WRITE);
    put_x87(c, &m, arg & XS_REX_W);
    put_mxcsr(c, &m);
    if (!skips_xmm(c)) {
        put_xmm(c, &m);
        n += 16 * n_xmm(c);
    }
    dbt_store_bytes(&c->dbt, at, &m, n);
    return 0;
}

uint64_t x86_h_fxrstor(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    Area m;
    fx_check(c);
    dbt_load_bytes(&c->dbt, area_at(c, (unsigned)b, a, FX_BYTES, 16, false), &m, FX_BYTES);
    if (c->cr4 & CR4_OSFXSR)
        check_mxcsr(c, &m);
    get_x87(c, &m, arg & XS_REX_W);
    if (!skips_xmm(c))
        get_xmm(c, &m);
    if (c->cr4 & CR4_OSFXSR)
        x86_set_mxcsr(c, (uint32_t)get(&m, FX_MXCSR, 4));
    return 0;
}

/* Replaced where there are pages. */
__attribute__((weak)) void x86_set_pkru(X86Cpu *c, uint32_t v) { c->pkru = v; }

/* ---- XSAVE ... ---- */
static void xs_check(X86Cpu *c, uint64_t how)
{
    x87_sync(c);
    if (!(c->cr4 & CR4_OSXSAVE))
        x86_raise_ud(c);
    if ((how & XS_S) && c->cpl)
        x86_raise_gp(c, 0);
    if (c->cr0 & CR0_TS)
        x86_raise(c, EXC_NM, 0);
}

static uint64_t requested(const X86Cpu *c)
{
    return c->xcr0 & ((uint32_t)c->dbt.gpr[R_RAX] | c->dbt.gpr[R_RDX] << 32) & COMP_KNOWN;
}

static bool x87_in_use(const X86Cpu *c)
{
    uint64_t any = (uint64_t)(c->fpu_cw ^ CW_RESET) | c->fpu_sw | c->fpu_top | c->fpu_valid |
                   c->fpu_op | c->fpu_cs | c->fpu_ds | c->fpu_ip | c->fpu_dp;
    for (unsigned i = 0; i < 8; i++)
        any |= c->fpr[i].mant | c->fpr[i].exp;
    return any;
}

/* Of those that are wanted. */
static uint64_t in_use(X86Cpu *c, uint64_t want, bool with_mxcsr)
{
    uint64_t sse = with_mxcsr && c->mxcsr != X86_MXCSR_RESET,
             used = want & COMP_X87 && x87_in_use(c) ? COMP_X87 : 0;
    for (unsigned i = 0; i < 16; i++)
        sse |= c->vec[i].u64[0] | c->vec[i].u64[1];
    for (unsigned k = 0; k < G_N_ELEMENTS(parts) && want >> parts[k].comp; k++)
        used |=
            want >> parts[k].comp & 1 ? (uint64_t)part_in_use(c, &parts[k]) << parts[k].comp : 0;
    return used | (sse ? want & COMP_SSE : 0);
}

/* m: a copy to be stored, or (in_place) the area itself. */
static void store_part(X86Cpu *c, uint64_t at, const Area *m, bool in_place, unsigned from,
                       unsigned n)
{
    if (!in_place)
        dbt_store_bytes(&c->dbt, at + from, m->b + from, n);
}

uint64_t x86_h_xsave(void *cpu, uint64_t a, uint64_t b, uint64_t how)
{
    X86Cpu *c = cpu;
    Area copy, *m = &copy;
    xs_check(c, how);
    bool compact = how & (XS_C | XS_S), rex_w = how & XS_REX_W;
    uint64_t want = requested(c), used = in_use(c, want, compact),
             write = how & (XS_C | XS_S | XS_OPT) ? want & used : want;
    unsigned bytes = part_offset(NULL, want, compact), room;
    uint64_t at = area_at(c, (unsigned)b, a, bytes, 64, true);
    uint8_t *host = dbt_at_hand(&c->dbt, at, bytes, true);
    bool in_place = host || ((host = dbt_host(&c->dbt, at, ACCESS_WRITE, &room)) && room >= bytes);
    if (in_place)
        m = (Area *)host;
    else
        dbt_check(&c->dbt, at, bytes, ACCESS_WRITE);
    if (write & COMP_X87) {
        put_x87(c, m, rex_w);
        store_part(c, at, m, in_place, 0, FX_MXCSR);
        store_part(c, at, m, in_place, FX_ST, 128);
    }
    if (compact ? write & COMP_SSE : want & (COMP_SSE | COMP_AVX)) {
        put_mxcsr(c, m);
        store_part(c, at, m, in_place, FX_MXCSR, 8);
    }
    if (write & COMP_SSE) {
        put_xmm(c, m);
        store_part(c, at, m, in_place, FX_XMM, 16 * n_xmm(c));
    }
    unsigned next = XS_PARTS;           /* in the compacted form */
    for (const Part *p = parts; p < parts + G_N_ELEMENTS(parts) && write >> p->comp; p++) {
        unsigned from = compact ? next : p->offset, n = n_regs(c, p);
        next += want >> p->comp & 1 ? p->bytes : 0;
        if (write >> p->comp & 1) {
            copy_regs(m->b + from, p->each, part_reg(c, p, 0), p->stride, p->each, n);
            store_part(c, at, m, in_place, from, n * p->each);
        }
    }
    uint64_t header[2] = { used, want | XCOMP_COMPACT };
    unsigned n_header = compact ? 16 : 8;
    if (!compact) {
        uint64_t was = in_place ? get(m, XS_HEADER, 8) : dbt_load(&c->dbt, at + XS_HEADER, 8);
        header[0] |= was & ~want;
    }
    if (in_place)
        memcpy(m->b + XS_HEADER, header, n_header);
    else
        dbt_store_bytes(&c->dbt, at + XS_HEADER, header, n_header);
    return 0;
}

/* Header rules, vol. 1, ch. 13.8 and 13.12. */
static bool header_is_valid(const X86Cpu *c, const Area *m, uint64_t how)
{
    uint64_t bv = get(m, XS_HEADER, 8), comp = get(m, XS_HEADER + 8, 8), rest = 0;
    for (unsigned k = 16; k < 64; k += 8) {
        if (k == 16 || comp & XCOMP_COMPACT)
            rest |= get(m, XS_HEADER + k, 8);
    }
    if (rest)
        return false;
    if (!(comp & XCOMP_COMPACT))
        return !(how & XS_S) && comp == 0 && !(bv & ~c->xcr0);
    return x86_has_feature(c, F_XSAVEC) && !(comp & ~(c->xcr0 | XCOMP_COMPACT)) && !(bv & ~comp);
}

/*
 * The area, at least its first XS_PARTS bytes: where it is, if all it can hold lies in one page of
 * RAM, else the copy.  What is there may change while it is looked at.
 */
static const Area *area_seen(X86Cpu *c, uint64_t at, uint64_t want, Area *copy)
{
    /* the compacted form is never longer */
    const uint8_t *host = dbt_at_hand(&c->dbt, at, part_offset(NULL, want, false), false);

    if (host) {
        return (const Area *)host;
    }
    dbt_load_bytes(&c->dbt, at, copy, XS_PARTS);
    return copy;
}

uint64_t x86_h_xrstor(void *cpu, uint64_t a, uint64_t b, uint64_t how)
{
    static const Area zero;
    X86Cpu *c = cpu;
    Area copy, head;                    /* head: what is checked before it is used */
    xs_check(c, how);
    uint64_t want = requested(c);
    uint64_t at = area_at(c, (unsigned)b, a, XS_PARTS, 64, false);
    const Area *m = area_seen(c, at, c->xcr0 & COMP_KNOWN, &copy);
    memcpy(head.b + XS_HEADER, m->b + XS_HEADER, XS_PARTS - XS_HEADER);
    memcpy(head.b + FX_MXCSR, m->b + FX_MXCSR, 4);
    if (!header_is_valid(c, &head, how))
        x86_raise_gp(c, 0);
    uint64_t bv = get(&head, XS_HEADER, 8), comp = get(&head, XS_HEADER + 8, 8);
    bool compact = comp & XCOMP_COMPACT;
    unsigned bytes = compact ? part_offset(NULL, want & bv ? comp : 0, true)
                             : part_offset(NULL, want & bv, false);
    if (bytes > XS_PARTS) {
        area_at(c, (unsigned)b, a, bytes, 64, false);
        if (m == &copy)
            dbt_load_bytes(&c->dbt, at + XS_PARTS, copy.b + XS_PARTS, bytes - XS_PARTS);
    }
    bool sets_mxcsr = want & (compact ? COMP_SSE : COMP_SSE | COMP_AVX);
    bool loads_mxcsr = sets_mxcsr && (!compact || (bv & COMP_SSE));
    if (loads_mxcsr)
        check_mxcsr(c, &head);
    if (want & bv & COMP_X87) {
        get_x87(c, m, how & XS_REX_W);
    } else if (want & COMP_X87) {
        x86_fpu_init(c);
        memset(c->fpr, 0, sizeof c->fpr);
    }
    if (want & COMP_SSE)
        get_xmm(c, bv & COMP_SSE ? m : &zero);
    uint64_t pkru = c->pkru;
    unsigned next = XS_PARTS;           /* in the compacted form */
    for (const Part *p = parts; p < parts + G_N_ELEMENTS(parts) && want >> p->comp; p++) {
        const Area *from = bv >> p->comp & 1 ? m : &zero;
        if (want >> p->comp & 1)
            copy_regs(part_reg(c, p, 0), p->stride, from->b + (compact ? next : p->offset),
                      p->each, p->each, n_regs(c, p));
        next += comp >> p->comp & 1 ? p->bytes : 0;
    }
    if (want & COMP_PKRU) {
        uint32_t loaded = (uint32_t)c->pkru;
        c->pkru = pkru;
        x86_set_pkru(c, loaded);
    }
    if (sets_mxcsr)
        x86_set_mxcsr(c, loads_mxcsr ? (uint32_t)get(&head, FX_MXCSR, 4) : X86_MXCSR_RESET);
    return 0;
}
