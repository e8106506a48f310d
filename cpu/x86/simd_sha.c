/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd_sha.c -- the meaning of the SHA instructions; native back ends use the host's.
 *
 * Spec: FIPS 180-4 ch. 4 and 6; Intel SDM (325383) vol. 2, SHA1RNDS4 and the like.
 * Threads: pure functions on the operands.
 */
#include "cpu/x86/simd_fn.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool x86_sha_runs(void)                 /* can the host's own instructions serve? */
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
#else
    return true;
#endif
}

static inline uint32_t rol(uint32_t v, unsigned n) { return v << n | v >> (32 - n); }
static inline uint32_t ror(uint32_t v, unsigned n) { return v >> n | v << (32 - n); }
static inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (~x & z); }
static inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) ^ (x & z) ^ (y & z);
}
static inline uint32_t sigma0(uint32_t v) { return ror(v, 7) ^ ror(v, 18) ^ v >> 3; }
static inline uint32_t sigma1(uint32_t v) { return ror(v, 17) ^ ror(v, 19) ^ v >> 10; }

typedef struct Words { uint32_t w[4]; } Words;
static Words words(const void *p)
{
    Words r;
    memcpy(&r, p, sizeof r);
    return r;
}
static uint64_t put(void *d, uint32_t w3, uint32_t w2, uint32_t w1, uint32_t w0)
{
    uint32_t w[4] = { w0, w1, w2, w3 };
    memcpy(d, w, sizeof w);
    return 0;
}

FN(sha1nexte)
{
    Words a = words(d), b = words(s);
    return put(d, b.w[3] + rol(a.w[3], 30), b.w[2], b.w[1], b.w[0]);
}

FN(sha1msg1)
{
    Words a = words(d), b = words(s);
    return put(d, a.w[1] ^ a.w[3], a.w[0] ^ a.w[2], b.w[3] ^ a.w[1], b.w[2] ^ a.w[0]);
}

FN(sha1msg2)
{
    Words a = words(d), b = words(s);
    uint32_t w16 = rol(a.w[3] ^ b.w[2], 1);
    return put(d, w16, rol(a.w[2] ^ b.w[1], 1), rol(a.w[1] ^ b.w[0], 1), rol(a.w[0] ^ w16, 1));
}

FN(sha1rnds4)
{
    static const uint32_t constant[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    Words v = words(d), m = words(s);
    uint32_t a = v.w[3], b = v.w[2], c = v.w[1], e = 0, f, dd = v.w[0];
    for (unsigned i = 0; i < 4; i++) {
        switch (imm8 & 3) {
        case 0: f = choose(b, c, dd); break;
        case 2: f = majority(b, c, dd); break;
        default: f = b ^ c ^ dd; break;
        }
        uint32_t t = f + rol(a, 5) + m.w[3 - i] + e + constant[imm8 & 3];
        e = dd;
        dd = c;
        c = rol(b, 30);
        b = a;
        a = t;
    }
    return put(d, a, b, c, dd);
}

FN(sha256msg1)
{
    Words a = words(d), b = words(s);
    return put(d, a.w[3] + sigma0(b.w[0]), a.w[2] + sigma0(a.w[3]), a.w[1] + sigma0(a.w[2]),
               a.w[0] + sigma0(a.w[1]));
}

FN(sha256msg2)
{
    Words a = words(d), b = words(s);
    uint32_t w16 = a.w[0] + sigma1(b.w[2]), w17 = a.w[1] + sigma1(b.w[3]);
    return put(d, a.w[3] + sigma1(w17), a.w[2] + sigma1(w16), w17, w16);
}

FN(sha256rnds2)                         /* the words with their constants are in xmm0 */
{
    Words x = words(d), y = words(s);
    const X86Cpu *cpu_ = cpu;
    uint32_t a = y.w[3], b = y.w[2], c = x.w[3], dd = x.w[2], e = y.w[1], f = y.w[0], g = x.w[1],
             h = x.w[0];
    uint32_t wk[2] = { cpu_->vec[0].u32[0], cpu_->vec[0].u32[1] };
    for (unsigned i = 0; i < 2; i++) {
        uint32_t t = choose(e, f, g) + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + wk[i] + h;
        uint32_t u = majority(a, b, c) + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22));
        h = g;
        g = f;
        f = e;
        e = t + dd;
        dd = c;
        c = b;
        b = a;
        a = t + u;
    }
    return put(d, a, b, e, f);
}
