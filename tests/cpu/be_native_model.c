/* SPDX-License-Identifier: GPL-2.0-or-later */
/* be_native_model.c -- what a block of IR is to do, operation by operation, by ir_eval(). */
#include <string.h>
#include "tests/cpu/be_native.h"

unsigned model_from_fl(uint32_t fl)
{
    return (fl >> 8 & 1) * FL_C | (fl >> 10 & 1) * FL_P | (fl >> 12 & 1) * FL_A |
           (fl >> 14 & 1) * FL_Z | (fl >> 15 & 1) * FL_S | (fl & 1) * FL_O;
}

uint32_t model_to_fl(unsigned f)
{
    return (f & FL_C ? 0x100 : 0) | 0x200 | (f & FL_P ? 0x400 : 0) | (f & FL_A ? 0x1000 : 0) |
           (f & FL_Z ? 0x4000 : 0) | (f & FL_S ? 0x8000 : 0) | (f & FL_O ? 1 : 0);
}

/* ---- operands ---- */

static uint64_t mask_of(unsigned type) { return UINT64_MAX >> (64 - (8u << type)); }

static int64_t sign_extended(uint64_t v, unsigned type)
{
    unsigned unused = 64 - (8u << type);
    return (int64_t)(v << unused) >> unused;
}

static uint8_t *host(State *s, const IrInsn *n, IrRef r)
{
    return s->mem + (s->h[r.id] + (uint64_t)(int64_t)n->disp - PAGE0);
}

static uint64_t *ctx_word(State *s, IrRef r)
{
    return &s->ctx[(r.id - offsetof(TestCpu, ctx_words)) / 8];
}

static uint64_t get(State *s, const IrBlock *b, const IrInsn *n, IrRef r, unsigned type)
{
    uint64_t v = 0;

    switch (r.kind) {
    case IR_GUEST: v = s->gpr[r.id] >> (r.high_byte ? 8 : 0); break;
    case IR_TEMP: v = s->t[r.id]; break;
    case IR_IMM: v = b->imms[r.id]; break;
    case IR_CTX: v = *ctx_word(s, r); break;
    case IR_HOST: memcpy(&v, host(s, n, r), 1u << type); break;
    }
    return v & mask_of(type);
}

static void put(State *s, const IrInsn *n, IrRef r, unsigned type, uint64_t v)
{
    uint64_t m = mask_of(type);

    v &= m;
    switch (r.kind) {
    case IR_GUEST:
        if (r.high_byte) {
            s->gpr[r.id] = (s->gpr[r.id] & ~UINT64_C(0xff00)) | v << 8;
        } else {
            s->gpr[r.id] = type >= IR_I32 ? v : (s->gpr[r.id] & ~m) | v;
        }
        break;
    case IR_TEMP: s->t[r.id] = v; break;
    case IR_CTX: *ctx_word(s, r) = (*ctx_word(s, r) & ~m) | v; break;
    case IR_HOST: memcpy(host(s, n, r), &v, 1u << type); break;
    }
}

static uint64_t offset_of(State *s, const IrBlock *b, const IrInsn *n, const IrMem *m)
{
    uint64_t v = (uint64_t)(int64_t)m->disp;

    if (m->pc_relative) {
        v += CODE;
    }
    if (m->base.kind) {
        v += get(s, b, n, m->base, IR_I64);
    }
    if (m->index.kind) {
        v += get(s, b, n, m->index, IR_I64) << m->scale;
    }
    return m->offset_bits == 16 ? (uint16_t)v : m->offset_bits == 32 ? (uint32_t)v : v;
}

/* ---- helpers: one that touches nothing, one that reads and writes the CPU struct ---- */

static uint64_t help(uint64_t a, uint64_t b, uint64_t c) { return a * 3 + b * 5 + c * 7 + 1; }

static uint64_t h_pure(void *c, uint64_t a, uint64_t b, uint64_t x)
{
    (void)c;
    return help(a, b, x);
}

static uint64_t h_state(void *v, uint64_t a, uint64_t b, uint64_t x)
{
    DbtCpu *c = v;

    c->gpr[3] ^= c->gpr[10] + a;
    c->fl ^= 0x4100;                    /* FL_C and FL_Z, as the model has it below */
    c->gpr[11] += c->pc & 0xfff;
    return help(a, b, x);
}

const IrHelperDesc model_helpers[N_HELPERS] = { { "pure", h_pure, 0 },
                                                { "state", h_state, H_STATE } };

static void step_helper(State *s, const IrBlock *b, const IrInsn *n, uint64_t insn_pc)
{
    uint64_t x = get(s, b, n, n->a, n->type), y = get(s, b, n, n->b, n->type),
             z = get(s, b, n, n->c, n->type);

    if (n->sub == 1) {
        s->gpr[3] ^= s->gpr[10] + x;
        s->flags ^= FL_C | FL_Z;
        s->gpr[11] += insn_pc & 0xfff;
    }
    put(s, n, n->dst, n->type, help(x, y, z));
}

/* ---- what may end a block ---- */

static bool leave(State *s, uint64_t insn_pc)
{
    s->pc = insn_pc;
    s->left = true;
    return false;
}

static bool jump(State *s, uint64_t pc)
{
    s->pc = pc;
    return false;
}

static bool step_check(State *s, const TestCpu *cpu, const IrBlock *b, const IrInsn *n,
                       uint64_t insn_pc)
{
    const IrMem *m = &b->mems[n->mem];
    uint64_t offset = offset_of(s, b, n, m), v = offset;

    if (m->segment != SEG_NONE) {
        v += cpu->seg[m->segment].base;
    }
    v = m->linear_bits == 32 ? (uint32_t)v : v;
    if (m->limit) {
        int64_t hi = m->access & IR_WRITE ? cpu->seg[m->segment].hi_write
                                          : cpu->seg[m->segment].hi_read;
        if ((int64_t)offset < cpu->seg[m->segment].lo || (int64_t)(offset + m->span - 1) > hi) {
            return leave(s, insn_pc);
        }
    }
    uint64_t at = v - PAGE0;
    if (at >= MEM_BYTES || at + m->span > MEM_BYTES || (at & 4095) + m->span > 4096 ||
        ((at >> 12) & 3) == 3 || (m->align && v % m->align) ||
        (m->locked && (v & 63) + m->span > 64)) {
        return leave(s, insn_pc);
    }
    s->h[n->dst.id] = v;
    return true;
}

static bool step_divide(State *s, const IrBlock *b, const IrInsn *n, uint64_t insn_pc)
{
    unsigned bits = 8u << n->type;
    uint64_t x = get(s, b, n, n->a, n->type), y = get(s, b, n, n->b, n->type),
             z = get(s, b, n, n->c, n->type), quotient, remainder;

    if (n->op == IR_divu) {
        if (z >= y) {
            return leave(s, insn_pc);
        }
        unsigned __int128 d = (unsigned __int128)z << bits | x;
        quotient = (uint64_t)(d / y);
        remainder = (uint64_t)(d % y);
    } else {
        int64_t sx = sign_extended(x, n->type), sy = sign_extended(y, n->type);
        if (z != ((uint64_t)(sx >> 63) & mask_of(n->type)) || sy == 0 || sy == -1) {
            return leave(s, insn_pc);
        }
        quotient = (uint64_t)(sx / sy);
        remainder = (uint64_t)(sx % sy);
    }
    put(s, n, n->dst, n->type, quotient);
    put(s, n, n->dst2, n->type, remainder);
    return true;
}

/* ---- what has a result and flags ---- */

static unsigned type_of_a(const IrInsn *n)
{
    static const uint8_t from[] = { IR_I8, IR_I16, IR_I32, IR_I8, IR_I16, IR_I32 };

    return n->op == IR_crc32 ? IR_I32
         : n->op >= IR_zext8 && n->op <= IR_sext32 ? from[n->op - IR_zext8] : n->type;
}

static void put_results(State *s, const IrInsn *n, uint64_t x, uint64_t y, uint64_t z, uint64_t r,
                        uint64_t hi)
{
    unsigned type = n->type;

    switch (n->op) {
    case IR_cmp: case IR_test: case IR_bt: case IR_setfl: case IR_cmc:
        break;
    case IR_xchg:
        put(s, n, n->a, type, y);
        put(s, n, n->dst, type, x);
        break;
    case IR_xadd:
        put(s, n, n->a, type, x + y);
        put(s, n, n->dst, type, x);
        break;
    case IR_cmpxchg:
        if (x == z) {
            put(s, n, n->a, type, y);
        }
        put(s, n, n->dst, type, x);
        break;
    default:
        put(s, n, n->dst, n->op == IR_crc32 ? IR_I32 : type, r);
        if (n->dst2.kind) {
            put(s, n, n->dst2, type, hi);
        }
    }
}

static void step_compute(State *s, const IrBlock *b, const IrInsn *n)
{
    unsigned type = n->type, was_undef = s->undef;
    uint64_t x = get(s, b, n, n->a, type_of_a(n));
    uint64_t y = get(s, b, n, n->b, n->op >= IR_shl && n->op <= IR_rcr ? IR_I8 : type);
    uint64_t z = get(s, b, n, n->c, n->op == IR_shld || n->op == IR_shrd ? IR_I8 : type);
    uint64_t r, hi = 0;

    if (n->op == IR_mulu2 || n->op == IR_muls2) {
        unsigned __int128 p =
            n->op == IR_mulu2 ? (unsigned __int128)x * y
                              : (unsigned __int128)((__int128)sign_extended(x, type) *
                                                    sign_extended(y, type));
        r = (uint64_t)p & mask_of(type);
        hi = (uint64_t)(p >> (8u << type)) & mask_of(type);
    } else {
        bool cc = n->op == IR_sel || n->op == IR_setcc ? ir_cond(n->cond, s->flags)
                                                       : (s->flags & FL_C) != 0;
        r = ir_eval(n->op, type, x, y, z, cc);
    }
    if (n->sets) {
        uint64_t result = n->op == IR_xadd ? (x + y) & mask_of(type) : r;
        unsigned f = ir_flags(n->op, type, x, y, z, result, hi, s->flags);
        s->flags = (s->flags & ~(unsigned)n->sets) | (f & n->sets);
        s->undef = (was_undef & ~(unsigned)n->sets) | n->undef;
    }
    put_results(s, n, x, y, z, r, hi);
}

static uint64_t flags_image(unsigned f)         /* as EFLAGS has them */
{
    return (f & FL_C ? 1 : 0) | (f & FL_P ? 4 : 0) | (f & FL_A ? 16 : 0) | (f & FL_Z ? 64 : 0) |
           (f & FL_S ? 128 : 0) | (f & FL_O ? 0x800 : 0);
}

bool model_step(State *s, const TestCpu *cpu, const IrBlock *b, const IrInsn *n, uint64_t insn_pc)
{
    uint64_t target = CODE + (uint64_t)n->imm;

    switch (n->op) {
    case IR_fence: case IR_prefetch:
        return true;
    case IR_chk:
        return step_check(s, cpu, b, n, insn_pc);
    case IR_lea:
        put(s, n, n->dst, n->type, offset_of(s, b, n, &b->mems[n->mem]));
        return true;
    case IR_br:
        return !ir_cond(n->cond, s->flags) || jump(s, target);
    case IR_brz: case IR_brnz:
        return (get(s, b, n, n->a, n->type) == 0) != (n->op == IR_brz) || jump(s, target);
    case IR_jmp: case IR_exit_next:
        return jump(s, target);
    case IR_jind:
        return jump(s, get(s, b, n, n->a, n->type));
    case IR_helper:
        step_helper(s, b, n, insn_pc);
        return true;
    case IR_getfl:
        put(s, n, n->dst, n->type, flags_image(s->flags));
        return true;
    case IR_divu: case IR_divs:
        return step_divide(s, b, n, insn_pc);
    default:
        step_compute(s, b, n);
        return true;
    }
}
