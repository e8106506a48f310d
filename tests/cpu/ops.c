/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops.c -- every arithmetic row of ir.def against the processor it stands for: results and defined
 * flags.
 *
 * usage: ops [rounds [seed]]     prints one line, ends with 0 if all agree.
 *
 * A row of `ops` gives the instruction's encoding; its bytes are put into a page together with
 * loads of rax (a), rbx (b), rcx (c), rdx and the flags, and run.  Spec: Intel SDM vol. 2.  Omits:
 * hosts other than x86-64 (passes with a note); divisions and memory forms, which blocks.c covers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "accel/dbt/ir.h"

typedef struct Regs { uint64_t a, b, c, d, flags; } Regs;

enum { T8 = 1, T16 = 2, T32 = 4, T64 = 8, WIDE = T16 | T32 | T64, ANY = T8 | WIDE };
enum {
    RM_REG,                             /* rm a, reg b */
    REG_RM,                             /* reg a, rm b: result in a */
    RM_ONLY,                            /* rm a, /digit */
    SHIFT_CL,                           /* rm a, /digit, count b in cl */
    DOUBLE_CL,                          /* rm a, reg b, count c in cl */
    SCAN,                               /* result (old: c) in a, rm b is the operand a */
    WIDE_MUL,                           /* rdx:rax = rax * rm b; 8 bits: ax */
    PLUS_REG,                           /* opcode + register */
};
typedef struct Row {
    uint8_t op, form, types, undef, prefix, n, code[3], digit;
    bool    has8;                       /* the last opcode byte is one less for 8 bits */
} Row;

#define S6 (FL_O | FL_S | FL_Z | FL_A | FL_P)
static const Row rows[] = {
    { IR_add, RM_REG, ANY, 0, 0, 1, { 0x01 }, 0, true },
    { IR_adc, RM_REG, ANY, 0, 0, 1, { 0x11 }, 0, true },
    { IR_sub, RM_REG, ANY, 0, 0, 1, { 0x29 }, 0, true },
    { IR_sbb, RM_REG, ANY, 0, 0, 1, { 0x19 }, 0, true },
    { IR_and, RM_REG, ANY, FL_A, 0, 1, { 0x21 }, 0, true },
    { IR_or, RM_REG, ANY, FL_A, 0, 1, { 0x09 }, 0, true },
    { IR_xor, RM_REG, ANY, FL_A, 0, 1, { 0x31 }, 0, true },
    { IR_cmp, RM_REG, ANY, 0, 0, 1, { 0x39 }, 0, true },
    { IR_test, RM_REG, ANY, FL_A, 0, 1, { 0x85 }, 0, true },
    { IR_neg, RM_ONLY, ANY, 0, 0, 1, { 0xf7 }, 3, true },
    { IR_not, RM_ONLY, ANY, 0, 0, 1, { 0xf7 }, 2, true },
    { IR_inc, RM_ONLY, ANY, 0, 0, 1, { 0xff }, 0, true },
    { IR_dec, RM_ONLY, ANY, 0, 0, 1, { 0xff }, 1, true },
    { IR_mul, REG_RM, WIDE, FL_S | FL_Z | FL_A | FL_P, 0, 2, { 0x0f, 0xaf }, 0, false },
    { IR_mulu2, WIDE_MUL, ANY, FL_S | FL_Z | FL_A | FL_P, 0, 1, { 0xf7 }, 4, true },
    { IR_muls2, WIDE_MUL, ANY, FL_S | FL_Z | FL_A | FL_P, 0, 1, { 0xf7 }, 5, true },
    { IR_shl, SHIFT_CL, ANY, FL_A, 0, 1, { 0xd3 }, 4, true },
    { IR_shr, SHIFT_CL, ANY, FL_A, 0, 1, { 0xd3 }, 5, true },
    { IR_sar, SHIFT_CL, ANY, FL_A, 0, 1, { 0xd3 }, 7, true },
    { IR_rol, SHIFT_CL, ANY, 0, 0, 1, { 0xd3 }, 0, true },
    { IR_ror, SHIFT_CL, ANY, 0, 0, 1, { 0xd3 }, 1, true },
    { IR_rcl, SHIFT_CL, ANY, 0, 0, 1, { 0xd3 }, 2, true },
    { IR_rcr, SHIFT_CL, ANY, 0, 0, 1, { 0xd3 }, 3, true },
    { IR_shld, DOUBLE_CL, WIDE, FL_A, 0, 2, { 0x0f, 0xa5 }, 0, false },
    { IR_shrd, DOUBLE_CL, WIDE, FL_A, 0, 2, { 0x0f, 0xad }, 0, false },
    { IR_bt, RM_REG, WIDE, FL_O | FL_S | FL_A | FL_P, 0, 2, { 0x0f, 0xa3 }, 0, false },
    { IR_bts, RM_REG, WIDE, FL_O | FL_S | FL_A | FL_P, 0, 2, { 0x0f, 0xab }, 0, false },
    { IR_btr, RM_REG, WIDE, FL_O | FL_S | FL_A | FL_P, 0, 2, { 0x0f, 0xb3 }, 0, false },
    { IR_btc, RM_REG, WIDE, FL_O | FL_S | FL_A | FL_P, 0, 2, { 0x0f, 0xbb }, 0, false },
    { IR_bsf, SCAN, WIDE, FL_C | FL_O | FL_S | FL_A | FL_P, 0, 2, { 0x0f, 0xbc }, 0, false },
    { IR_bsr, SCAN, WIDE, FL_C | FL_O | FL_S | FL_A | FL_P, 0, 2, { 0x0f, 0xbd }, 0, false },
    { IR_tzcnt, SCAN, WIDE, FL_O | FL_S | FL_A | FL_P, 0xf3, 2, { 0x0f, 0xbc }, 0, false },
    { IR_lzcnt, SCAN, WIDE, FL_O | FL_S | FL_A | FL_P, 0xf3, 2, { 0x0f, 0xbd }, 0, false },
    { IR_popcnt, SCAN, WIDE, 0, 0xf3, 2, { 0x0f, 0xb8 }, 0, false },
    { IR_crc32, REG_RM, ANY, 0, 0xf2, 3, { 0x0f, 0x38, 0xf1 }, 0, true },
    { IR_xadd, RM_REG, ANY, 0, 0, 2, { 0x0f, 0xc1 }, 0, true },
    { IR_bswap, PLUS_REG, T32 | T64, 0, 0, 2, { 0x0f, 0xc8 }, 0, false },
    { IR_zext8, SCAN, WIDE, 0, 0, 2, { 0x0f, 0xb6 }, 0, false },
    { IR_zext16, SCAN, T32 | T64, 0, 0, 2, { 0x0f, 0xb7 }, 0, false },
    { IR_sext8, SCAN, WIDE, 0, 0, 2, { 0x0f, 0xbe }, 0, false },
    { IR_sext16, SCAN, T32 | T64, 0, 0, 2, { 0x0f, 0xbf }, 0, false },
    { IR_sext32, SCAN, T64, 0, 0, 1, { 0x63 }, 0, false },
    { IR_cmc, PLUS_REG, T8, 0, 0, 1, { 0xf5 }, 0, false },
};

static uint64_t rng_state;
static uint64_t rng(void)               /* xorshift64* */
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Values near powers of two, small ones and anything. */
static uint64_t operand(void)
{
    uint64_t r = rng();
    switch (r & 7) {
    case 0: return (r >> 8) % 5;
    case 1: return (uint64_t)0 - (r >> 8) % 5;
    case 2: case 3: return (UINT64_C(1) << (r >> 8 & 63)) + (r >> 16) % 3 - 1;
    case 4: return UINT64_MAX >> (r >> 8 & 63);
    default: return rng();
    }
}

static uint64_t fl_to_eflags(unsigned f)
{
    return (f & FL_C ? 1 : 0) | (f & FL_P ? 4 : 0) | (f & FL_A ? 0x10 : 0) | (f & FL_Z ? 0x40 : 0) |
           (f & FL_S ? 0x80 : 0) | (f & FL_O ? 0x800 : 0) | 2;
}

static unsigned eflags_to_fl(uint64_t e)
{
    return ir_flags(IR_setfl, IR_I64, e, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
/* What the row says is undefined, and what its count makes so. */
static unsigned undefined(const Row *row, IrType type, uint64_t b, uint64_t c)
{
    unsigned bits = 8u << type, u = row->undef;
    if (row->form == SHIFT_CL || row->form == DOUBLE_CL) {
        unsigned n = (unsigned)(row->form == SHIFT_CL ? b : c) & (type == IR_I64 ? 63 : 31);
        if (n == 0) {
            return 0;
        }
        if (n > 1) {
            u |= FL_O;
        }
        if (n >= bits && (row->op == IR_shl || row->op == IR_shr)) {
            u |= FL_C;
        }
        if (n > bits && row->form == DOUBLE_CL) {
            u |= FL_ALL;
        }
    }
    return u;
}

static uint8_t *put_bytes(uint8_t *p, const void *from, size_t n)
{
    memcpy(p, from, n);
    return p + n;
}

static void assemble(const Row *row, IrType type, uint8_t *p)
{
    static const uint8_t before[] = { 0x53, 0x48, 0x8b, 0x07, 0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b,
                                      0x4f, 0x10,
                                      0x48, 0x8b, 0x57, 0x18, 0xff, 0x77, 0x20, 0x9d };
    static const uint8_t after[] = { 0x9c, 0x8f, 0x47, 0x20, 0x48, 0x89, 0x07, 0x48, 0x89, 0x5f,
                                     0x08, 0x48, 0x89,
                                     0x4f, 0x10, 0x48, 0x89, 0x57, 0x18, 0x5b, 0xc3 };
    p = put_bytes(p, before, sizeof before);
    if (type == IR_I16) {
        *p++ = 0x66;
    }
    if (row->prefix) {
        *p++ = row->prefix;
    }
    if (type == IR_I64) {
        *p++ = 0x48;
    }
    p = put_bytes(p, row->code, row->n);
    if (type == IR_I8 && row->has8) {
        p[-1]--;
    }
    switch (row->form) {
    case RM_REG: case DOUBLE_CL: *p++ = 0xd8; break;
    case REG_RM: case SCAN:      *p++ = 0xc3; break;
    case RM_ONLY: case SHIFT_CL: *p++ = (uint8_t)(0xc0 | row->digit << 3); break;
    case WIDE_MUL:               *p++ = (uint8_t)(0xc3 | row->digit << 3); break;
    }
    put_bytes(p, after, sizeof after);
}

/* a, b, c as the IR takes them, put where the instruction wants them. */
static void to_regs(const Row *row, uint64_t a, uint64_t b, uint64_t c, Regs *r)
{
    r->a = a;
    r->b = b;
    r->c = row->form == SHIFT_CL ? b : c;
    r->d = rng();
    if (row->form == SCAN) {
        r->a = c;
        r->b = a;
    }
}

static unsigned failures;

static void report(const Row *row, IrType type, uint64_t a, uint64_t b, uint64_t c, unsigned old,
                   uint64_t got, uint64_t want, unsigned got_fl, unsigned want_fl)
{
    if (failures++ < 20) {
        printf("%s.%u a %#" PRIx64 " b %#" PRIx64 " c %#" PRIx64 " flags %#x: %#" PRIx64
               " flags %#x, the processor says %#" PRIx64 " flags %#x\n",
               ir_op_names[row->op], 8u << type, a, b, c, old, got, got_fl, want, want_fl);
    }
}

static void run_row(const Row *row, IrType type, uint8_t *page, unsigned rounds)
{
    uint64_t mask = UINT64_MAX >> (64 - (8u << type));
    assemble(row, type, page);
    for (unsigned k = 0; k < rounds; k++) {
        uint64_t a = operand(), b = operand(), c = operand(), high = 0, want_high = 0;
        unsigned old = (unsigned)rng() & FL_ALL;
        Regs r;
        to_regs(row, a, b, c, &r);
        r.flags = fl_to_eflags(old);
        ((void (*)(Regs *))(void *)page)(&r);

        uint64_t ma = row->op == IR_crc32 ? (uint32_t)a : a & mask, mb = b & mask, mc = c & mask;
        uint64_t v = ir_eval(row->op, type, ma, mb, mc, old & FL_C), want = r.a & mask;
        if (row->form == WIDE_MUL) {
            bool is_signed = row->op == IR_muls2;
            unsigned bits = 8u << type, up = 64 - bits;
            __int128 wide = is_signed
                                ? (__int128)((int64_t)(a << up) >> up) * ((int64_t)(b << up) >> up)
                                : (__int128)((unsigned __int128)ma * mb);
            high = (uint64_t)(wide >> bits) & mask;
            want_high = type == IR_I8 ? r.a >> 8 & 0xff : r.d & mask;
        }
        if (row->op == IR_xadd) {
            v = (ma + mb) & mask;       /* what is stored */
        }
        if (row->op == IR_crc32) {
            want = (uint32_t)r.a;
        }
        unsigned undef = undefined(row, type, b, c);
        unsigned f = ir_flags(row->op, type, ma, mb, mc, v, high, old),
                 want_f = eflags_to_fl(r.flags);
        bool no_value = (ir_op_props[row->op] & NO_RESULT) || row->op == IR_cmc ||
                        (row->form == DOUBLE_CL && (undef & FL_C)) ||
                        ((row->op == IR_bsf || row->op == IR_bsr) && ma == 0 && type == IR_I32);
        if ((!no_value && v != want) || high != want_high || ((f ^ want_f) & ~undef & FL_ALL)) {
            report(row, type, a, b, c, old, v, want, f & ~undef, want_f & ~undef);
        }
    }
}

/* Conditions: SETcc for each state of the flags. */
static void run_conditions(uint8_t *page)
{
    for (unsigned cc = 0; cc < 16; cc++) {
        Row row = { .op = IR_setcc, .form = RM_ONLY, .n = 2,
                    .code = { 0x0f, (uint8_t)(0x90 + cc) } };
        assemble(&row, IR_I8, page);
        for (unsigned f = 0; f <= FL_ALL; f++) {
            Regs r = { .a = 2, .flags = fl_to_eflags(f) };
            ((void (*)(Regs *))(void *)page)(&r);
            if ((r.a & 0xff) != ir_cond(cc, f)) {
                report(&row, IR_I8, cc, 0, 0, f, ir_cond(cc, f), r.a & 0xff, 0, 0);
            }
        }
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 2000, n = 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint8_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        perror("ops: cannot map a page that is writable and executable");
        return 1;
    }
    rng_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        for (IrType t = IR_I8; t <= IR_I64; t++) {
            if (rows[k].types >> t & 1) {
                run_row(&rows[k], t, page, rounds);
                n++;
            }
        }
    }
    run_conditions(page);
    printf("ops: %u rows and types, %u rounds, seed %" PRIu64 ", %u failures\n", n, rounds, seed,
           failures);
    return failures != 0;
}
#else
int main(void)
{
    printf("ops: skipped, the host is no x86-64\n");
    return 0;
}
#endif
