/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.c -- the x86 instruction decoder.  See decode.h.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2 (format, prefixes, ModRM, SIB, REX, VEX, EVEX), appendix
 *   A.
 * Threads: pure functions over const tables.
 */
#include <string.h>
#include "cpu/x86/decode.h"
#include "cpu/x86/evex.h"

/* Every translator function that a row names. */
#define X86(opcode, prefix, modrm, NAME, ...) X86TrFn x86_tr_##NAME;
#include "cpu/x86/maps.def"
#undef X86
#define VEXI(map, opcode, prefix, modrm, NAME, ...) X86TrFn x86_tr_##NAME;
#include "cpu/x86/vexint.def"
#undef VEXI
X86TrFn x86_tr_vop, x86_tr_vhelper, x86_tr_vex, x86_tr_evex;

/* Row numbers: the map and the line in its .def. */
#define CAT3(a, b, c) a##b##_##c
#define ROW_ID(map, line) CAT3(ROW, map, line)
enum {
    ROW_NONE,
#define X86(...) ROW_ID(MAP, __LINE__),
#include "cpu/x86/maps.def"
#undef X86
#define SIMD(...) ROW_ID(V, __LINE__),
#define SIMDH(...) ROW_ID(V, __LINE__),
#include "cpu/x86/simd.def"
#undef SIMD
#undef SIMDH
#define VEX(...) ROW_ID(X, __LINE__),
#include "cpu/x86/vex.def"
#undef VEX
#define VEXI(...) ROW_ID(I, __LINE__),
#include "cpu/x86/vexint.def"
#undef VEXI
#define EVEX(...) ROW_ID(E, __LINE__),
#include "cpu/x86/evex.def"
#undef EVEX
    ROW_N
};

enum { VEX_MAPS = 4, EVEX_MAPS = 8 };                   /* added to the map of VEX and EVEX rows */
#define FEAT(f) ((uint32_t)(f) << 24)
#undef REG                                              /* core/reg.h has another */
#define NOM .has_modrm = 0
#define MR .has_modrm = 1
#define MEM .has_modrm = 1, .modrm_mask = 0x40, .modrm_value = 0
#define REG .has_modrm = 1, .modrm_mask = 0x40, .modrm_value = 0x40
#define D(n) .has_modrm = 1, .modrm_mask = 0x38, .modrm_value = (n) << 3
#define DM(n) .has_modrm = 1, .modrm_mask = 0x78, .modrm_value = (n) << 3
#define DR(n) .has_modrm = 1, .modrm_mask = 0x78, .modrm_value = 0x40 | (n) << 3
#define X(b) .has_modrm = 1, .modrm_mask = 0x7f, .modrm_value = 0x40 | ((b) & 0x3f)
#define IS_IMM(a) (OPD_##a >= OPD_IMM)
#define OPS1(a) .ops = { OPD_##a }, .imm = IS_IMM(a) ? OPD_##a : 0
#define IS2(a, b, x, y) (OPD_##a == OPD_##x && OPD_##b == OPD_##y)
#define SHAPE(a, b) (IS2(a, b, Eb, Gb) || IS2(a, b, Ev, Gv) ? SHAPE_EG : \
                     IS2(a, b, Gb, Eb) || IS2(a, b, Gv, Ev) ? SHAPE_GE : \
                     IS_IMM(a) && IS_IMM(b) ? SHAPE_II : SHAPE_OTHER)
#define OPS2(a, b)                                                                     \
    .ops = { OPD_##a, OPD_##b }, .imm = IS_IMM(a) ? OPD_##a : IS_IMM(b) ? OPD_##b : 0, \
                   .shape = SHAPE(a, b)
#define OPS3(a, b, c) .ops = { OPD_##a, OPD_##b, OPD_##c }, .imm = IS_IMM(c) ? OPD_##c : 0
#define OPS_PICK(a, b, c, name, ...) name
#define OPS(...) OPS_PICK(__VA_ARGS__, OPS3, OPS2, OPS1, )(__VA_ARGS__)

static const X86Row rows[ROW_N] = {
    [ROW_NONE] = { .map = 0xff },
#define X86(op, pfx, mr, NAME, operands, properties, spec)                                                       \
    [ROW_ID(MAP, __LINE__)] = { .name = #NAME, .tr = x86_tr_##NAME, .map = MAP, .opcode = op, .prefix = pfx, mr, \
        OPS operands, .feature = (uint32_t)(properties) >> 24, .props = (properties) & 0xffffff,                 \
        .plain = ((pfx) & P_NP) && !((properties) & (NO64 | PROT | CPL0)) },
#include "cpu/x86/maps.def"
#undef X86
#define SIMD(nm, pfx, m, op, mr, dst, src, im, bytes, al, feat, vprops, fn)                             \
    [ROW_ID(V, __LINE__)] = { .name = #nm, .tr = x86_tr_vop, .map = m, .opcode = op, .prefix = pfx, mr, \
        .ops = { OPD_##dst, OPD_##src }, .imm = (im) ? OPD_Ib : OPD_NONE,                               \
        .feature = feat, .mem_bytes = bytes, .align = al,                                               \
        .sub = XV_##nm, .props = ISVOP, .plain = (pfx) & P_NP },
#define SIMDH(nm, pfx, m, op, mr, dst, src, im, bytes, al, feat, helper)                                    \
    [ROW_ID(V, __LINE__)] = { .name = #nm, .tr = x86_tr_vhelper, .map = m, .opcode = op, .prefix = pfx, mr, \
        .ops = { OPD_##dst, OPD_##src }, .imm = (im) ? OPD_Ib : OPD_NONE,                                   \
        .feature = feat, .mem_bytes = bytes, .align = al,                                                   \
        .sub = XH_##helper, .props = ISHELPER, .plain = (pfx) & P_NP },
#include "cpu/x86/simd.def"
#undef SIMD
#undef SIMDH
#define VEX(nm, pfx, m, op, mr, wbit, dst, s1, s2, im, bytes, bytes256, al, f, f256, vprops)                                        \
    [ROW_ID(X, __LINE__)] = { .name = "v" #nm, .tr = x86_tr_vex, .map = (m) + VEX_MAPS, .opcode = op, .prefix = pfx, mr, .w = wbit, \
        .ops = { OPD_##dst, OPD_##s1, OPD_##s2 }, .imm = (im) ? OPD_Ib : OPD_NONE, .sub = VX_##nm, .props = ISVEX },
#include "cpu/x86/vex.def"
#undef VEX
#define VEXI(m, op, pfx, mr, NAME, operands, properties, spec)                                                            \
    [ROW_ID(I, __LINE__)] = { .name = #NAME, .tr = x86_tr_##NAME, .map = (m) + VEX_MAPS, .opcode = op, .prefix = pfx, mr, \
        OPS operands, .feature = (uint32_t)(properties) >> 24, .props = (properties) & 0xffffff },
#include "cpu/x86/vexint.def"
#undef VEXI
#define EVEX(nm, pfx, m, op, mr, wbit, dst, s1, s2, im, ...)                                                                          \
    [ROW_ID(E, __LINE__)] = { .name = "v" #nm, .tr = x86_tr_evex, .map = (m) + EVEX_MAPS, .opcode = op, .prefix = pfx, mr, .w = wbit, \
        .ops = { OPD_##dst, OPD_##s1, OPD_##s2 }, .imm = (im) ? OPD_Ib : OPD_NONE, .sub = EX_##nm, .props = ISEVEX },
#include "cpu/x86/evex.def"
#undef EVEX
};

/* For each opcode the last row of its group. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"       /* the last row of a group is meant to win */
static const uint16_t map_last[4][256] = {
#define X86(op, ...) [MAP][op] = ROW_ID(MAP, __LINE__),
#include "cpu/x86/maps.def"
#undef X86
};
#define PREFIX_INDEX(p) (((p) >> 1) - ((p) == P_F2))    /* 1 2 4 8 to 0 1 2 3 */
static const uint16_t simd_last[4][4][256] = {
#define SIMD(nm, pfx, m, op, ...) [PREFIX_INDEX(pfx)][m][op] = ROW_ID(V, __LINE__),
#define SIMDH(nm, pfx, m, op, ...) [PREFIX_INDEX(pfx)][m][op] = ROW_ID(V, __LINE__),
#include "cpu/x86/simd.def"
#undef SIMD
#undef SIMDH
};
static const uint16_t vex_last[4][4][256] = {
#define VEX(nm, pfx, m, op, ...) [PREFIX_INDEX(pfx)][m][op] = ROW_ID(X, __LINE__),
#include "cpu/x86/vex.def"
#undef VEX
#define VEXI(m, op, pfx, ...) [PREFIX_INDEX(pfx)][m][op] = ROW_ID(I, __LINE__),
#include "cpu/x86/vexint.def"
#undef VEXI
};
static const uint16_t evex_last[4][4][256] = {
#define EVEX(nm, pfx, m, op, ...) [PREFIX_INDEX(pfx)][m][op] = ROW_ID(E, __LINE__),
#include "cpu/x86/evex.def"
#undef EVEX
};
#pragma GCC diagnostic pop

/*
 * At least READABLE bytes can be read from the start of an instruction; its length is judged at the
 * end.
 */
enum { READABLE = 32, LONGEST = 15 };
/* end: where prefixes stop, at the 15th byte */
typedef struct Bytes { const uint8_t *p, *end; } Bytes;

static inline uint8_t get8(Bytes *b) { return *b->p++; }

static inline uint64_t get(Bytes *b, unsigned n)        /* little-endian, zero-extended */
{
    uint64_t v;
    memcpy(&v, b->p, 8);
    b->p += n;
    return n == 8 ? v : v & ((UINT64_C(1) << n * 8) - 1);
}

static inline int64_t get_signed(Bytes *b, unsigned n)
{
    uint64_t v;
    memcpy(&v, b->p, 8);
    b->p += n;
    return n == 1 ? (int8_t)v : n == 2 ? (int16_t)v : (int64_t)(int32_t)v;
}

/* Legacy prefixes and REX; returns the first byte that is neither. */
static uint8_t prefixes(X86Insn *o, Bytes *b, bool code64, bool *addr)
{
    uint8_t c = get8(b);
    while (b->p <= b->end) {
        switch (c) {
        case 0x26: case 0x2e: case 0x36: case 0x3e:   /* do not even undo FS or GS in 64-bit code */
            if (!code64)
                o->seg_prefix = (c >> 3) & 3;
            break;
        case 0x64: case 0x65: o->seg_prefix = S_FS + (c & 1); break;
        case 0x66: o->opsize = true; break;
        case 0x67: *addr = true; break;
        case 0xf0: o->lock = true; break;
        case 0xf2: case 0xf3: o->rep = c; break;
        default:
            if (!code64 || (c & 0xf0) != 0x40)
                return c;
            o->rex = c;
            c = get8(b);
            continue;
        }
        o->rex = 0;                                     /* a REX that a prefix follows is ignored */
        c = get8(b);
    }
    return c;
}

/* Vol. 2, table 2-1. */
static void modrm16(X86Insn *o, Bytes *b)
{
    static const uint8_t base[8] = { R_RBX, R_RBX, R_RBP, R_RBP, R_RSI, R_RDI, R_RBP, R_RBX };
    static const uint8_t index[4] = { R_RSI, R_RDI, R_RSI, R_RDI };
    unsigned rm = o->modrm & 7;
    o->base = base[rm];
    o->index = rm < 4 ? index[rm] : X86_NO_REG;
    if (o->mod == 0 && rm == 6) {
        o->base = X86_NO_REG;
        o->disp = (int32_t)get(b, 2);
    } else if (o->mod == 1) {
        o->disp = (int32_t)get_signed(b, 1);
    } else if (o->mod == 2) {
        o->disp = (int32_t)get_signed(b, 2);
    }
    o->seg = o->base == R_RBP ? S_SS : S_DS;
}

/* Vol. 2, tables 2-2 and 2-3. */
static inline void modrm32_inline(X86Insn *o, Bytes *b, bool code64)
{
    unsigned rm = o->modrm & 7, mod = o->mod, base = o->rm;
    if (rm == 4) {
        uint8_t sib = get8(b);
        unsigned index = ((sib >> 3) & 7) | (o->rex & 2) << 2;
        o->scale = sib >> 6;
        o->index = index == 4 ? X86_NO_REG : index;
        base = (sib & 7) | (o->rex & 1u) << 3;
        if ((sib & 7) == 5 && mod == 0) {
            base = X86_NO_REG;
            o->disp = (int32_t)get_signed(b, 4);
        }
    } else if (rm == 5 && mod == 0) {
        o->pc_relative = code64;
        base = X86_NO_REG;
        o->disp = (int32_t)get_signed(b, 4);
    }
    if (mod == 1)
        o->disp = (int32_t)get_signed(b, 1);
    else if (mod == 2)
        o->disp = (int32_t)get_signed(b, 4);
    o->base = (uint8_t)base;
    o->seg = base == R_RSP || base == R_RBP ? S_SS : S_DS;
}

static G_GNUC_NO_INLINE void modrm32(X86Insn *o, Bytes *b, bool code64)
{
    modrm32_inline(o, b, code64);
}

static inline void modrm(X86Insn *o, Bytes *b)
{
    o->modrm = get8(b);
    o->mod = o->modrm >> 6;
    o->reg = ((o->modrm >> 3) & 7) | (o->rex & 4) << 1;
    o->rm = (o->modrm & 7) | (o->rex & 1) << 3;
}

static G_GNUC_NO_INLINE uint64_t immediate(X86Insn *o, Bytes *b, unsigned kind)
{
    switch (kind) {
    case OPD_Ib: return get8(b);
    case OPD_Ibs: case OPD_Jb: return (uint64_t)get_signed(b, 1);
    case OPD_Iw: return get(b, 2);
    case OPD_Iz: case OPD_Jz: return (uint64_t)get_signed(b, o->osize == 2 ? 2 : 4);
    case OPD_Iv: return get(b, o->osize);
    case OPD_Ob: case OPD_Ov: return get(b, o->asize);
    default: return get(b, o->osize);                   /* Ap: the selector is the second */
    }
}

static inline bool matches(const X86Row *r, const X86Insn *o, unsigned key, unsigned refuse)
{
    return (r->prefix & o->mandatory) && !(r->props & refuse) &&
           (key & r->modrm_mask) == r->modrm_value;
}

static const X86Row *pick(unsigned last, unsigned map, unsigned opcode, const X86Insn *o,
                          unsigned refuse)
{
    unsigned key = x86_modrm_key(o->modrm), reg = (o->modrm >> 3) & 7;
    const X86Row *r = &rows[last];
    if (r->modrm_mask == 0x38 && last > 7) {
        /* a group: try the row of /reg in a full one */
        const X86Row *g = r - (r->modrm_value >> 3) + reg;
        if (g <= r && g->map == map && g->opcode == opcode && matches(g, o, key, refuse))
            return g;
    }
    for (; r->map == map && r->opcode == opcode; r--) {
        if (matches(r, o, key, refuse))
            return r;
    }
    return NULL;
}

/* ModRM, what follows it, and the immediate of an opcode that no row has: measured. */
static X86DecodeResult unknown_vex(X86Insn *o, Bytes *b, bool code64)
{
    unsigned map = o->map;
    if (map != 1 || o->opcode != 0x77) {
        modrm(o, b);
        if (o->mod != 3) {
            if (o->asize == 2)
                modrm16(o, b);
            else
                modrm32(o, b, code64);
        }
    }
    if (map == 3 || (map == 1 && ((o->opcode & 0xfc) == 0x70 ? o->opcode != 0x77 : false)) ||
        (map == 1 && (o->opcode == 0xc2 || (o->opcode >= 0xc4 && o->opcode <= 0xc6))))
        get8(b);
    return DEC_UD;
}

static inline bool is_gpr_row(const X86Row *r)
{
    for (unsigned k = 0; k < 3; k++) {
        if (r->ops[k] == OPD_G || r->ops[k] == OPD_E)
            return true;
    }
    return false;
}

static bool uses_vvvv(const X86Row *r)
{
    for (unsigned k = 0; k < 3; k++) {
        if (r->ops[k] == OPD_H || r->ops[k] == OPD_By)
            return true;
    }
    return false;
}

static const X86Row *pick_vex(const X86Insn *o, unsigned last, unsigned map, bool code64)
{
    unsigned key = x86_modrm_key(o->modrm);
    const X86Row *r = &rows[last];
    for (; r->map == map && r->opcode == o->opcode; r--) {
        bool w = o->wide && (code64 || !is_gpr_row(r));
        if ((r->prefix & o->mandatory) && (key & r->modrm_mask) == r->modrm_value &&
            (r->w == W_ANY || (r->w == W_1) == w))
            return r;
    }
    return NULL;
}

/* The payload of C4 and C5 as REX, vvvv, L and prefix; whether W is 1. */
static bool vex_payload(X86Insn *o, Bytes *b, uint8_t first, bool code64)
{
    static const uint8_t prefix[4] = { P_NP, P_66, P_F3, P_F2 };
    uint8_t p = get8(b);
    bool wide = false;
    unsigned rex = 0x40 | (~p >> 5 & 4);
    o->map = 1;
    if (first == 0xc4) {
        rex |= ~p >> 5 & 3;
        o->map = p & 0x1f;
        p = get8(b);
        wide = p & 0x80;
    }
    o->rex = (uint8_t)(code64 ? rex | (wide ? 8 : 0) : 0x40);
    o->vvvv = (~p >> 3 & 15);
    o->vl = p >> 2 & 1;
    o->mandatory = prefix[p & 3];
    o->osize = code64 && wide ? 8 : 4;
    return wide;
}

static void memory_operand(X86Insn *o, Bytes *b, bool code64)
{
    modrm(o, b);
    if (o->mod != 3 && o->asize == 2)
        modrm16(o, b);
    else if (o->mod != 3)
        modrm32(o, b, code64);
}

/*
 * Vol. 2, ch. 2.7.1:   R X B R' 0 0 m m | W v v v v 1 p p | z L' L b V' a a a
 * where R to V' are inverted.  Outside 64-bit code R and X are 1 (else it is BOUND), and there are
 * eight registers.
 */
static X86DecodeResult evex(X86Insn *o, Bytes *b, bool code64, bool refuse)
{
    static const uint8_t prefix[4] = { P_NP, P_66, P_F3, P_F2 };
    uint8_t p0 = get8(b), p1 = get8(b), p2 = get8(b);
    unsigned high = p2 & 8 ? 0 : 16;
    o->map = p0 & 7;
    o->rex = (uint8_t)(0x40 | (code64 ? ~p0 >> 5 & 7 : 0));
    o->evex = p2;
    o->wide = p1 & 0x80;
    o->vvvv = ~p1 >> 3 & 15;
    o->mandatory = prefix[p1 & 3];
    o->osize = code64 && o->wide ? 8 : 4;
    o->opcode = get8(b);
    if (o->map < 1 || o->map > 3 || (p0 & 8) || !(p1 & 4) || (high && !code64))
        refuse = true;
    unsigned last =
        o->map >= 1 && o->map <= 3 ? evex_last[PREFIX_INDEX(o->mandatory)][o->map][o->opcode] : 0;
    if (!last)
        return unknown_vex(o, b, code64);
    memory_operand(o, b, code64);
    const X86Row *r = pick_vex(o, last, o->map + EVEX_MAPS, code64);
    if (rows[last].imm)
        o->imm = immediate(o, b, rows[last].imm);
    if (!r || refuse)
        return DEC_UD;
    const X86EvexRow *e = &x86_evex_rows[r->sub];
    /*
     * Outside 64-bit code W means nothing where it would choose 64-bit general registers, and there
     * alone.
     */
    bool narrow_form =
        e->from < 4 || ((e->flags & (E_SAE | E_FP)) == E_SAE && o->mod == 3 && (p2 & 0x10));
    if (!code64 && o->wide && r->w == W_0 && narrow_form)
        return DEC_UD;
    if (!uses_vvvv(r) && (o->vvvv || (high && !(e->flags & E_VSIB))))
        return DEC_UD;
    o->vvvv |= (uint8_t)high;
    if (code64) {
        o->reg |= (uint8_t)(p0 & 0x10 ? 0 : 16);
        if (o->mod == 3 && r->ops[0] != OPD_E && r->ops[1] != OPD_E && r->ops[2] != OPD_E)
            o->rm |= (uint8_t)((o->rex & 2) << 3);
    } else {
        o->vvvv &= 7;
    }
    if (o->mod == 1)
        o->disp *= (int)x86_evex_disp8(e, p2);
    o->row = r;
    if (o->seg_prefix != SEG_NONE && (!code64 || o->seg_prefix >= S_FS))
        o->seg = o->seg_prefix;
    return DEC_OK;
}

/* Vol. 2, ch. 2.3. */
static X86DecodeResult vex(X86Insn *o, Bytes *b, uint8_t first, bool code64)
{
    bool refuse = o->lock || o->rep || o->opsize || o->rex;
    o->vex = true;
    if (first == 0x62)
        return evex(o, b, code64, refuse);
    o->wide = vex_payload(o, b, first, code64);
    o->opcode = get8(b);
    unsigned last =
        o->map >= 1 && o->map <= 3 ? vex_last[PREFIX_INDEX(o->mandatory)][o->map][o->opcode] : 0;
    if (!last)
        return unknown_vex(o, b, code64);
    if (rows[last].has_modrm)
        memory_operand(o, b, code64);
    const X86Row *r = pick_vex(o, last, o->map + VEX_MAPS, code64);
    if (rows[last].imm)                                 /* the same for all rows of an opcode */
        o->imm = immediate(o, b, rows[last].imm);
    bool no_such_length = r && o->vl && !(r->props & (ISVEX | ANY_L)) && r->has_modrm;
    if (!r || refuse || no_such_length || (o->vvvv && !uses_vvvv(r)))
        return DEC_UD;
    if (!code64)
        o->vvvv &= 7;
    o->row = r;
    if (o->seg_prefix != SEG_NONE && (!code64 || o->seg_prefix >= S_FS))
        o->seg = o->seg_prefix;
    return DEC_OK;
}

static void sizes(X86Insn *o, uint64_t mode, bool addr)
{
    if (mode & X86_MODE_CODE64) {
        o->asize = addr ? 4 : 8;
        o->osize = (o->rex & 8) ? 8 : o->opsize ? 2 : 4;
    } else {
        bool wide = mode & X86_MODE_CODE32;
        o->asize = wide != addr ? 4 : 2;
        o->osize = wide != o->opsize ? 4 : 2;
    }
}

static inline bool memory_destination(const X86Insn *o)
{
    unsigned k = o->row->ops[0];
    return o->mod != 3 && ((k >= OPD_Eb && k <= OPD_Eq) || (k >= OPD_Mb && k <= OPD_M));
}

/* The row and what follows the opcode. */
static X86DecodeResult body(X86Insn *o, Bytes *b, uint64_t mode)
{
    bool code64 = mode & X86_MODE_CODE64;
    unsigned refuse =
        (code64 ? NO64 : ONLY64) | ((mode & X86_MODE_PE) && !(mode & X86_MODE_VM) ? 0 : PROT);
    unsigned last = map_last[o->map][o->opcode];
    unsigned simd = o->map ? simd_last[PREFIX_INDEX(o->mandatory)][o->map][o->opcode] : 0;
    if (rows[last].has_modrm || simd)
        modrm(o, b);
    o->row = last ? pick(last, o->map, o->opcode, o, refuse) : NULL;
    if (!o->row && simd)
        o->row = pick(simd, o->map, o->opcode, o, refuse);
    if (!o->row)
        return DEC_UD;
    if (code64 && (o->row->props & (F64 | D64)))
        o->osize = o->opsize && (o->row->props & D64) && !(o->rex & 8) ? 2 : 8;
    if (o->row->has_modrm) {
        if (o->mod == 3 && (o->row->props & (F64 | CPL0)) == (F64 | CPL0)) {
            /* MOV to and from CR and DR: a register whatever mod says, which is 3 */
        } else if (o->mod != 3) {
            if ((o->row->props & (F64 | CPL0)) == (F64 | CPL0) && o->row->map == 1 &&
                (o->opcode & 0xfc) == 0x20)
                o->mod = 3;                             /* MOV CR, DR ignore mod */
            else if (o->asize == 2)
                modrm16(o, b);
            else
                modrm32(o, b, code64);
        }
    }
    if (o->row->imm) {
        o->imm = immediate(o, b, o->row->imm);
        if (o->row->imm == OPD_Ap)
            o->imm2 = get(b, 2);
        else if (o->row->shape == SHAPE_II)
            o->imm2 = get8(b);
    }
    if (o->seg_prefix != SEG_NONE && (!code64 || o->seg_prefix >= S_FS))
        o->seg = o->seg_prefix;
    if (o->lock && !((o->row->props & LOCK) && memory_destination(o)))
        return DEC_UD;
    return DEC_OK;
}

/*
 * Most instructions of 64-bit code: at most REX before an opcode of the first two maps whose last
 * row is theirs, or the row of /reg in a full group.  False: it is none of these.
 */
static inline bool plain_immediate(X86Insn *o, Bytes *b, unsigned kind)
{
    switch (kind) {
    case OPD_Ibs: case OPD_Jb: o->imm = (uint64_t)get_signed(b, 1); return true;
    case OPD_Iz: case OPD_Jz: o->imm = (uint64_t)get_signed(b, 4); return true;
    case OPD_Ib: o->imm = get8(b); return true;
    case OPD_Iv: o->imm = o->osize == 8 ? get(b, 8) : get(b, 4); return true;
    default: return false;
    }
}

static inline bool decode_plain(X86Insn *o, const uint8_t *code)
{
    unsigned c = code[0], rex = 0, map = 0, last;
    Bytes b = { code + 1, NULL };
    if ((c & 0xf0) == 0x40) {
        rex = c;
        c = get8(&b);
    }
    if (c == 0x0f) {
        map = 1;
        c = get8(&b);
        last = simd_last[PREFIX_INDEX(P_NP)][1][c];
        if (last && map_last[1][c])
            return false;
        last |= map_last[1][c];
    } else {
        last = map_last[0][c];
    }
    const X86Row *r = &rows[last];
    unsigned key = x86_modrm_key(*b.p);
    if (r->modrm_mask == 0x38 && last > 7) {
        const X86Row *g = r - (r->modrm_value >> 3) + (key >> 3 & 7);
        if (g > r || g->map != map || g->opcode != c)
            return false;
        r = g;
    }
    if (!r->plain || (key & r->modrm_mask) != r->modrm_value)
        return false;
    *o = (X86Insn){ .row = r, .opcode = (uint8_t)c, .map = (uint8_t)map, .rex = (uint8_t)rex,
                    .mandatory = P_NP, .seg = S_DS, .seg_prefix = SEG_NONE,
                    .osize = rex & 8 || (r->props & (F64 | D64)) ? 8 : 4, .asize = 8,
                    .base = X86_NO_REG, .index = X86_NO_REG };
    if (r->has_modrm) {
        modrm(o, &b);
        if (o->mod != 3)
            modrm32_inline(o, &b, true);
    }
    if (r->imm && !plain_immediate(o, &b, r->imm))
        return false;
    o->length = (uint8_t)(b.p - code);
    return true;
}

static G_GNUC_NO_INLINE X86DecodeResult decode_any(X86Insn *o, const uint8_t *code, unsigned n,
                                                   uint64_t mode)
{
    bool code64 = mode & X86_MODE_CODE64, addr = false;
    uint8_t copy[READABLE] = { 0 };
    if (n < READABLE)
        code = memcpy(copy, code, n);
    Bytes b = { code, code + LONGEST };
    X86DecodeResult r;
    memset(o, 0, sizeof *o);
    o->seg_prefix = SEG_NONE;
    o->seg = S_DS;
    o->base = o->index = X86_NO_REG;
    uint8_t c = prefixes(o, &b, code64, &addr);
    sizes(o, mode, addr);
    o->mandatory = o->rep == 0xf3 ? P_F3 : o->rep == 0xf2 ? P_F2 : o->opsize ? P_66 : P_NP;
    if (c == 0x0f) {
        o->map = 1;
        c = get8(&b);
        if (c == 0x38 || c == 0x3a) {
            o->map = c == 0x38 ? 2 : 3;
            c = get8(&b);
        }
    }
    o->opcode = c;
    if (o->map == 0 && (c == 0xc4 || c == 0xc5 || c == 0x62) &&
               (code64 || (*b.p >= 0xc0 && (mode & X86_MODE_PE) && !(mode & X86_MODE_VM)))) {
        r = vex(o, &b, c, code64);
    } else {
        r = body(o, &b, mode);
    }
    o->length = (uint8_t)(b.p - code);
    if (o->length > LONGEST) {
        o->length = LONGEST;
        r = n < LONGEST ? DEC_MORE : DEC_GP;
    } else if (o->length > n) {
        r = DEC_MORE;
    }
    return r;
}

X86DecodeResult x86_decode(X86Insn *o, const uint8_t *code, unsigned n, uint64_t mode)
{
    if (n >= READABLE && (mode & X86_MODE_CODE64) && decode_plain(o, code))
        return DEC_OK;
    return decode_any(o, code, n, mode);
}

const X86Row *x86_rows(unsigned *n)
{
    *n = ROW_N;
    return rows;
}
