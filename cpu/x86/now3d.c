/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * now3d.c -- AMD's 3DNow!: pairs of binary32 in MMX registers, 0F 0F /r with the opcode behind the
 * operands.
 *
 * The arithmetic knows no exceptions and no flags: denormal operands are zeroes, tiny results
 * become zero, and what would overflow becomes the largest number.  Results of sums and products
 * are rounded to nearest.
 *
 * PFRCP and PFRSQRT are as good as binary32 is, where the manual asks for 14 and 15 bits.  The
 * steps that refine them are Newton's: PFRCPIT1 gives 2 - d s, PFRSQIT1 (3 - d s) / 2, PFRCPIT2 d
 * s.
 *
 * Spec: AMD 21928 (3DNow! Technology Manual), ch. 2; AMD 22466 (Extensions to the 3DNow! and MMX
 *   Instruction Sets).
 * Omits: operands that are infinities or NaNs, which the manual leaves undefined, go through as
 *        such; the bits that a processor's PFRCPIT1 and PFRSQIT1 hide in their results for the step
 *        after them.
 * Threads: the vCPU's own.
 */
#include "cpu/x86/now3d.h"
#include "cpu/x86/simd_soft.h"

typedef struct Pair { uint32_t v[2]; } Pair;            /* v[0]: bits 31:0 */
typedef Pair NowFn(Pair d, Pair s);
enum { SIGN = 0x80000000u, EXPONENT = 0x7f800000, LARGEST = 0x7f7fffff, ONE = 0x3f800000,
       TWO = 0x40000000, THREE = 0x40400000, HALF = 0x3f000000 };

static uint32_t bounded(uint64_t r)                     /* infinity stands for an overflow */
{
    return (r & ~SIGN) == EXPONENT ? ((uint32_t)r & SIGN) | LARGEST : (uint32_t)r;
}
static FpEnv env(void) { return (FpEnv){ .rounding = FP_NEAREST, .daz = true, .ftz = true }; }
static uint32_t add(uint32_t a, uint32_t b)
{
    FpEnv e = env();
    return bounded(fp_add(&e, FP_F32, a, b));
}
static uint32_t sub(uint32_t a, uint32_t b)
{
    FpEnv e = env();
    return bounded(fp_sub(&e, FP_F32, a, b));
}
static uint32_t mul(uint32_t a, uint32_t b)
{
    FpEnv e = env();
    return bounded(fp_mul(&e, FP_F32, a, b));
}
static FpRelation compare(uint32_t a, uint32_t b)
{
    FpEnv e = env();
    return fp_compare(&e, FP_F32, a, b, false);
}
static uint32_t flushed(uint32_t a) { return a & EXPONENT ? a : 0; }

#define EACH(name, expr) \
    static Pair name(Pair d, Pair s) \
    { \
        Pair r; \
        for (unsigned i = 0; i < 2; i++) { \
            uint32_t a = d.v[i], b = s.v[i]; \
            (void)a; \
            r.v[i] = (uint32_t)(expr); \
        } \
        return r; \
    }
EACH(pfadd, add(a, b))
EACH(pfsub, sub(a, b))
EACH(pfsubr, sub(b, a))
EACH(pfmul, mul(a, b))
EACH(pfcmpeq, compare(a, b) == FP_EQUAL ? UINT32_MAX : 0)
EACH(pfcmpgt, compare(a, b) == FP_GREATER ? UINT32_MAX : 0)
EACH(pfcmpge, compare(a, b) == FP_GREATER || compare(a, b) == FP_EQUAL ? UINT32_MAX : 0)
EACH(pfmin, flushed(compare(a, b) == FP_LESS ? a : b))
EACH(pfmax, flushed(compare(a, b) == FP_GREATER ? a : b))

static Pair pfacc(Pair d, Pair s) { return (Pair){ { add(d.v[0], d.v[1]), add(s.v[0], s.v[1]) } }; }
static Pair pfnacc(Pair d, Pair s)
{
    return (Pair){ { sub(d.v[0], d.v[1]), sub(s.v[0], s.v[1]) } };
}
static Pair pfpnacc(Pair d, Pair s)
{
    return (Pair){ { sub(d.v[0], d.v[1]), add(s.v[0], s.v[1]) } };
}
static Pair pswapd(Pair d, Pair s) { return (Pair){ { s.v[1], s.v[0] } }; }

/* ---- reciprocals: of the lower half, to both ---- */
static uint32_t quotient(uint32_t b, bool root)
{
    FpEnv e = env();
    uint64_t m = b & ~SIGN;
    if (!(b & EXPONENT))
        return (b & SIGN) | LARGEST;
    return (b & SIGN) | bounded(fp_div(&e, FP_F32, ONE, root ? fp_sqrt(&e, FP_F32, m) : m));
}
static Pair pfrcp(Pair d, Pair s)
{
    uint32_t r = quotient(s.v[0], false);
    return (Pair){ { r, r } };
}
static Pair pfrsqrt(Pair d, Pair s)
{
    uint32_t r = quotient(s.v[0], true);
    return (Pair){ { r, r } };
}

static uint32_t minus_product(uint32_t from, uint32_t a, uint32_t b)
{
    FpEnv e = env();
    return bounded(fp_fma(&e, FP_F32, a, b, from, FP_NEGATE_PRODUCT));
}
EACH(pfrcpit1, minus_product(TWO, a, b))
EACH(pfrsqit1, mul(minus_product(THREE, a, b), HALF))

/* ---- integers ---- */
static uint32_t from_int(int32_t v)
{
    FpEnv e = { .rounding = FP_TRUNCATE };
    return (uint32_t)fp_from_int(&e, FP_F32, v);
}
/* truncated; the nearest of what fits, extended to 32 bits */
static uint32_t to_int(uint32_t v, unsigned bits)
{
    FpEnv e = { .rounding = FP_TRUNCATE, .daz = true };
    uint32_t r = (uint32_t)fp_to_int(&e, FP_F32, v, 32, true), most = (1u << (bits - 1)) - 1;
    if (e.flags & FP_IE || (int32_t)r > (int32_t)most || (int32_t)r < -(int32_t)most - 1)
        r = v & SIGN ? ~most : most;
    return r;
}
EACH(pi2fd, from_int((int32_t)b))
EACH(pi2fw, from_int((int16_t)b))
EACH(pf2id, to_int(b, 32))
EACH(pf2iw, to_int(b, 16))

static Pair pavgusb(Pair d, Pair s)
{
    uint8_t a[8], b[8];
    memcpy(a, &d, 8);
    memcpy(b, &s, 8);
    for (unsigned i = 0; i < 8; i++)
        a[i] = (uint8_t)((a[i] + b[i] + 1) >> 1);
    memcpy(&d, a, 8);
    return d;
}
static Pair pmulhrw(Pair d, Pair s)
{
    int16_t a[4], b[4];
    memcpy(a, &d, 8);
    memcpy(b, &s, 8);
    for (unsigned i = 0; i < 4; i++)
        a[i] = (int16_t)((a[i] * b[i] + 0x8000) >> 16);
    memcpy(&d, a, 8);
    return d;
}

static const struct { NowFn *fn; bool ext; } rows[256] = {
    [0x0c] = { pi2fw, true }, [0x0d] = { pi2fd, false }, [0x1c] = { pf2iw, true },
    [0x1d] = { pf2id, false }, [0x8a] = { pfnacc, true }, [0x8e] = { pfpnacc, true },
    [0x90] = { pfcmpge, false }, [0x94] = { pfmin, false }, [0x96] = { pfrcp, false },
    [0x97] = { pfrsqrt, false }, [0x9a] = { pfsub, false }, [0x9e] = { pfadd, false },
    [0xa0] = { pfcmpgt, false }, [0xa4] = { pfmax, false }, [0xa6] = { pfrcpit1, false },
    [0xa7] = { pfrsqit1, false }, [0xaa] = { pfsubr, false }, [0xae] = { pfacc, false },
    [0xb0] = { pfcmpeq, false }, [0xb4] = { pfmul, false }, [0xb6] = { pfmul, false },
    [0xb7] = { pmulhrw, false }, [0xbb] = { pswapd, true }, [0xbf] = { pavgusb, false },
};

bool x86_now3d_has(const X86Cpu *c, unsigned suffix)
{
    return rows[suffix & 0xff].fn && (!rows[suffix & 0xff].ext || x86_has_feature(c, F_3DNOWEXT));
}

uint64_t x86_h_now3d(void *cpu, uint64_t a, uint64_t b, uint64_t arg)
{
    X86Cpu *c = cpu;
    X86Fpr *to = &c->fpr[a & 7];
    Pair d, s;
    if ((a >> 8 & 0xff) == 0xff)
        dbt_load_bytes(&c->dbt, x86_seg_linear(c, arg & 0xff, b, 8, false), &s, 8);
    else
        memcpy(&s, &c->fpr[a >> 8 & 7].mant, 8);
    memcpy(&d, &to->mant, 8);
    d = rows[a >> 16 & 0xff].fn(d, s);
    memcpy(&to->mant, &d, 8);
    to->exp = 0xffff;
    return 0;
}
