/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * softfloat.c -- cpu/softfloat against the host's processor: what simd-soft and x87-soft do not
 * reach.
 *
 * usage: softfloat [rounds [seed]]
 * prints "ok NAME" or "not ok NAME: why"; ends with 1 if any failed.
 *
 * The transcendental functions must be within one unit in the last place of the host's x87, which
 * promises as much of the true value; the fused product and sum, half precision and the wide shifts
 * of sums are equal bit for bit, flags included.
 * Known answers serve where there is no host to ask.
 *
 * Spec: IEEE 754-2008; Intel SDM (325462) vol. 1, ch. 8.3.10 (accuracy of transcendental
 *   functions).
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/softfloat/softfloat.h"

static uint64_t seed = 1;
static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}
static unsigned failures;
static void report(const char *name, bool ok, const char *why)
{
    if (ok)
        printf("ok softfloat %s\n", name);
    else
        printf("not ok softfloat %s: %s\n", name, why);
    failures += !ok;
}

/* ---- known answers ---- */
static void known(void)
{
    FpEnv e = { .precision = 64, .x87 = true };
    FpEnv s = { 0 };
    report("1 + 2^-24 ties to even",
           fp_add(&s, FP_F32, 0x3f800000, 0x33800000) == 0x3f800000 && s.flags == FP_PE,
           "sum or flags");
    s = (FpEnv){ .rounding = FP_UP };
    report("largest * 2 upwards",
           fp_mul(&s, FP_F64, UINT64_C(0x7fefffffffffffff), UINT64_C(0x4000000000000000)) ==
                   UINT64_C(0x7ff0000000000000) &&
               s.flags == (FP_OE | FP_PE),
           "product or flags");
    s = (FpEnv){ 0 };
    report("sqrt 2",
           fp_sqrt(&s, FP_F64, UINT64_C(0x4000000000000000)) == UINT64_C(0x3ff6a09e667f3bcd),
           "root");
    s = (FpEnv){ 0 };
    report("0 / 0", fp_div(&s, FP_F32, 0, 0) == 0xffc00000 && s.flags == FP_IE,
           "default NaN or flags");
    s = (FpEnv){ 0 };
    report("uint64 to binary32",
           fp_from_uint(&s, FP_F32, UINT64_MAX) == 0x5f800000 && s.flags == FP_PE,
           "value or flags");
    s = (FpEnv){ 0 };
    report("binary64 to uint32",
           fp_to_int(&s, FP_F64, UINT64_C(0x41efffffffe00000), 32, false) == 0xffffffff &&
               s.flags == 0 &&
               fp_to_int(&s, FP_F64, UINT64_C(0x41f0000000000000), 32, false) == 0xffffffff &&
               s.flags == FP_IE,
           "value or flags");
    s = (FpEnv){ 0 };
    report("-1 to unsigned",
           fp_to_int(&s, FP_F32, 0xbf800000, 64, false) == UINT64_MAX && s.flags == FP_IE,
           "value or flags");
    Fp80 pi = fp80_constant(&e, 3), half = { UINT64_C(1) << 63, 0x3ffe },
    one = { UINT64_C(1) << 63, 0x3fff }, r;
    report("pi", pi.sig == UINT64_C(0xc90fdaa22168c235) && pi.se == 0x4000, "value");
    r = fp80_patan(&e, one, one);
    report("atan 1", r.sig == pi.sig && r.se == 0x3ffe, "value");
    r = fp80_2xm1(&e, half);
    report("2^0.5 - 1", r.sig - UINT64_C(0xd413cccfe7799211) + 1 < 3 && r.se == 0x3ffd, "value");
    r = fp80_yl2x(&e, (Fp80){ UINT64_C(1) << 63, 0x4002 }, one);
    report("log2 8", r.sig == UINT64_C(0xc000000000000000) && r.se == 0x4000, "value");
}

#if defined(__x86_64__)
/* ---- 80-bit functions against the host ---- */
typedef struct Real { uint64_t sig; uint16_t se; uint16_t pad[3]; } Real;
static Real real(Fp80 v) { return (Real){ v.sig, v.se, { 0 } }; }
static Fp80 fp80(Real r) { return (Fp80){ r.sig, r.se }; }

static uint64_t distance(Fp80 a, Fp80 b)                /* in units of the last place */
{
    if ((a.se ^ b.se) & 0x8000)
        return !a.sig && !b.sig ? 0 : UINT64_MAX;
    unsigned __int128 x = (unsigned __int128)(a.se & 0x7fff) << 63 | a.sig << 1 >> 1,
                      y = (unsigned __int128)(b.se & 0x7fff) << 63 | b.sig << 1 >> 1;
    unsigned __int128 d = x > y ? x - y : y - x;
    return d > UINT64_MAX ? UINT64_MAX : (uint64_t)d;
}

/* A random value with an exponent in low..high (unbiased), sometimes with few bits. */
static Fp80 random_in(int low, int high, bool sign)
{
    uint64_t sig = random64() | UINT64_C(1) << 63;
    if (random64() % 4 == 0)
        sig &= UINT64_MAX << (random64() % 63);
    int exp = low + (int)(random64() % (unsigned)(high - low + 1));
    return (Fp80){ sig | UINT64_C(1) << 63,
                   (uint16_t)((exp + 16383) | (sign && random64() & 1 ? 0x8000 : 0)) };
}

enum { F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FTAN, FUNCTIONS };
static Fp80 host(unsigned f, Fp80 va, Fp80 vb)
{
    Real a = real(va), b = real(vb), r = { 0 };
#define HOST1(insn) __asm__ volatile("fldt %1\n\t" insn "\n\tfstpt %0\n\tfnclex" : "=m"(r) : "m"(a) : "st", "st(1)"); break
#define HOST2(insn) __asm__ volatile("fldt %2\n\tfldt %1\n\t" insn "\n\tfstpt %0\n\tfnclex" : "=m"(r) : "m"(a), "m"(b) : "st", "st(1)"); break
    switch (f) {
    case F2XM1: HOST1("f2xm1");
    case FYL2X: HOST2("fyl2x");
    case FYL2XP1: HOST2("fyl2xp1");
    case FPATAN: HOST2("fpatan");
    case FSIN: HOST1("fsin");
    case FCOS: HOST1("fcos");
    default: HOST1("fptan\n\tfstp %%st(0)");
    }
    return fp80(r);
}

static Fp80 ours(unsigned f, Fp80 a, Fp80 b)
{
    FpEnv e = { .precision = 64, .x87 = true };
    Fp80 r = a;
    switch (f) {
    case F2XM1: return fp80_2xm1(&e, a);
    case FYL2X: return fp80_yl2x(&e, a, b);
    case FYL2XP1: return fp80_yl2xp1(&e, a, b);
    case FPATAN: return fp80_patan(&e, a, b);
    case FSIN: fp80_sincos(&e, a, &r, NULL); return r;
    case FCOS: fp80_sincos(&e, a, NULL, &r); return r;
    default: fp80_tan(&e, a, &r); return r;
    }
}

static void functions(unsigned rounds)
{
    static const struct { const char *name; unsigned f; int low, high; bool sign; } cases[] = {
        { "f2xm1", F2XM1, -70, -1, true }, { "fyl2x", FYL2X, -16000, 16000, false },
        { "fyl2x near 1", FYL2X, -1, 0, false }, { "fyl2xp1", FYL2XP1, -70, -3, true },
        { "fpatan", FPATAN, -20, 20, true }, { "fpatan far", FPATAN, -8000, 8000, true },
        { "fsin", FSIN, -40, -1, true }, { "fcos", FCOS, -40, -1, true },
        { "fptan", FTAN, -40, -1, true }, { "fsin reduced", FSIN, 0, 62, true },
        { "fcos reduced", FCOS, 0, 62, true }, { "fptan reduced", FTAN, 0, 62, true },
    };
    for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++) {
        uint64_t worst = 0, same = 0;
        char why[200] = "";
        for (unsigned i = 0; i < rounds; i++) {
            Fp80 a = random_in(cases[k].low, cases[k].high, cases[k].sign);
            Fp80 b = cases[k].f == FPATAN ? random_in(cases[k].low, cases[k].high, true)
                                          : random_in(-300, 300, true);
            Fp80 h = host(cases[k].f, a, b), o = ours(cases[k].f, a, b);
            uint64_t d = distance(h, o);
            same += d == 0;
            if (d > worst) {
                worst = d;
                snprintf(why, sizeof why,
                         "%" PRIu64 " units apart: %04x.%016" PRIx64 " %04x.%016" PRIx64
                         " host %04x.%016" PRIx64 " ours %04x.%016" PRIx64,
                         d, a.se, a.sig, b.se, b.sig, h.se, h.sig, o.se, o.sig);
            }
        }
        if (getenv("VERBOSE"))
            printf("# %s: %.3f %% equal, worst %" PRIu64 " %s\n", cases[k].name,
                   100.0 * (double)same / rounds, worst, why);
        report(cases[k].name, worst <= 1, why);
    }
}

/* ---- fused product and sum, half precision ---- */
static uint32_t random_f32(void)
{
    static const uint32_t special[] = { 0, 0x80000000, 0x3f800000, 0x7f800000, 0xff800000,
                                        0x7fc00001, 0xffc12345, 0x7f800001, 1, 0x807fffff,
                                        0x00800000, 0x7f7fffff, 0x33800000, 0x1f800000 };
    uint64_t r = random64();
    return r & 3 ? (r & 4 ? (uint32_t)(r >> 32) : (uint32_t)(r >> 38) + 0x3d000000)
                 : special[(r >> 8) % (sizeof special / sizeof *special)];
}
static uint64_t random_f64(void)
{
    static const uint64_t special[] = { 0,
                                        UINT64_C(1) << 63,
                                        UINT64_C(0x3ff0000000000000),
                                        UINT64_C(0x7ff0000000000000),
                                        UINT64_C(0xfff0000000000000),
                                        UINT64_C(0x7ff8000000000001),
                                        UINT64_C(0x7ff0000000000001),
                                        1,
                                        UINT64_C(0x800fffffffffffff),
                                        UINT64_C(0x0010000000000000),
                                        UINT64_C(0x7fefffffffffffff),
                                        UINT64_C(0x1ff0000000000000) };
    uint64_t r = random64();
    return r & 3 ? (r & 4 ? random64() : (random64() >> 12) + UINT64_C(0x3fd0000000000000))
                 : special[(r >> 8) % (sizeof special / sizeof *special)];
}

#define UNDER(mxcsr, code, ...)                             \
    __asm__ volatile("ldmxcsr %[cs]\n\t" code "\n\tstmxcsr %[cs]\n\tldmxcsr %[was]" : [cs] "+m"(mxcsr), __VA_ARGS__)
static uint32_t random_mxcsr(FpEnv *e)
{
    uint32_t m = 0x1f80 | (random64() & 0x6000) | (random64() & random64() & 0x8040);
    *e = (FpEnv){ .rounding = m >> 13 & 3, .daz = m >> 6 & 1, .ftz = m >> 15 };
    return m;
}

static void fused(unsigned rounds)
{
    uint32_t was = 0x1f80;
    bool ok = true;
    char why[200] = "";
    for (unsigned i = 0; i < rounds && ok && __builtin_cpu_supports("fma"); i++) {
        FpEnv e;
        uint32_t m = random_mxcsr(&e);
        uint64_t a = random_f64(), b = random_f64(), c = random_f64(), o;
        double x, y, z;
        memcpy(&x, &a, 8), memcpy(&y, &b, 8), memcpy(&z, &c, 8);
        if (i & 1) {
            if (i & 2 && (a & b & c) >> 52)
                c = fp_mul(&(FpEnv){ 0 }, FP_F64, a, b) ^ UINT64_C(1) << 63, memcpy(&z, &c, 8);
            UNDER(m, "vfmadd213sd %[z], %[y], %[x]", [x] "+x"(x)
                  : [y] "x"(y), [z] "x"(z), [was] "m"(was));
            o = fp_fma(&e, FP_F64, b, a, c, 0);
            memcpy(&a, &x, 8);
        } else {
            uint32_t a4 = random_f32(), b4 = random_f32(), c4 = random_f32(), r4;
            float x4, y4, z4;
            memcpy(&x4, &a4, 4), memcpy(&y4, &b4, 4), memcpy(&z4, &c4, 4);
            UNDER(m, "vfnmsub213ss %[z], %[y], %[x]", [x] "+x"(x4)
                  : [y] "x"(y4), [z] "x"(z4), [was] "m"(was));
            o = fp_fma(&e, FP_F32, b4, a4, c4, FP_NEGATE_PRODUCT | FP_NEGATE_ADDEND);
            memcpy(&r4, &x4, 4);
            a = r4, b = b4, c = c4;
        }
        if (a != o || (m & 0x3f) != (e.flags & 0x3fu)) {
            ok = false;
            snprintf(why, sizeof why,
                     "case %u: b %" PRIx64 " c %" PRIx64 " host %" PRIx64 " %x, ours %" PRIx64
                     " %x",
                     i, b, c, a, m, o, e.flags);
        }
    }
    report("fused", ok, why);
}

static void half(unsigned rounds)
{
    uint32_t was = 0x1f80;
    bool ok = true;
    char why[200] = "";
    typedef float V4 __attribute__((vector_size(16)));
    typedef uint64_t U2 __attribute__((vector_size(16)));
    for (unsigned i = 0; i < rounds && ok && __builtin_cpu_supports("f16c"); i++) {
        FpEnv e;
        uint32_t m = random_mxcsr(&e), f = random_f32(), wide;
        uint64_t h = i & 0xffff, o;
        V4 v = { 0 };
        U2 r = { 0 };
        memcpy(&v, &f, 4);
        if (i & 1) {
            if (i & 2)
                f = (f & 0x8fffffff) | 0x30000000, memcpy(&v, &f, 4);
            UNDER(m, "vcvtps2ph $4, %[v], %[r]", [r] "=x"(r) : [v] "x"(v), [was] "m"(was));
            o = fp_convert(&e, FP_F32, FP_F16, f);
            h = r[0] & 0xffff;
        } else {
            r[0] = h;
            UNDER(m, "vcvtph2ps %[r], %[v]", [v] "=x"(v) : [r] "x"(r), [was] "m"(was));
            o = fp_convert(&e, FP_F16, FP_F32, h);
            memcpy(&wide, &v, 4);
            h = wide;
        }
        if (h != o || (m & 0x3f) != (e.flags & 0x3fu)) {
            ok = false;
            snprintf(why, sizeof why, "case %u: %x: host %" PRIx64 " %x, ours %" PRIx64 " %x", i, f,
                     h, m, o, e.flags);
        }
    }
    report("half precision", ok, why);
}
#endif

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 1;
    known();
#if defined(__x86_64__)
    functions(rounds / 10);
    fused(rounds * 4);
    half(rounds * 4);
#else
    (void)rounds, (void)random64;
#endif
    return failures != 0;
}
