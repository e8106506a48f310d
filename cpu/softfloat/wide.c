/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wide.c -- arithmetic on 128 significant bits.
 *
 * Spec: none; schoolbook.
 * Threads: pure functions.
 */
#include "cpu/softfloat/wide.h"

Wide wide_add(Wide a, Wide b)
{
    if (!a.sig || !b.sig)
        return a.sig ? a : b;
    if (b.exp > a.exp || (b.exp == a.exp && b.sig > a.sig)) {
        Wide v = a;
        a = b;
        b = v;
    }
    int32_t by = a.exp - b.exp;
    if (by > 127)
        return a;
    FpU128 x = a.sig >> 1, y = b.sig >> 1 >> by;
    if (a.sign != b.sign && by == 0)                    /* exact where bits cancel */
        return wide_normal(a.sign, a.exp, a.sig - b.sig);
    return wide_normal(a.sign, a.exp + 1, a.sign == b.sign ? x + y : x - y);
}

Wide wide_mul(Wide a, Wide b)
{
    uint64_t a1 = (uint64_t)(a.sig >> 64), a0 = (uint64_t)a.sig, b1 = (uint64_t)(b.sig >> 64),
             b0 = (uint64_t)b.sig;
    FpU128 p = (FpU128)a1 * b0, q = (FpU128)a0 * b1;
    FpU128 middle = ((FpU128)a0 * b0 >> 64) + (uint64_t)p + (uint64_t)q;
    return wide_normal(a.sign != b.sign, a.exp + b.exp + 1,
                       (FpU128)a1 * b1 + (p >> 64) + (q >> 64) + (middle >> 64));
}

Wide wide_div(Wide a, Wide b)
{
    FpU128 rest = a.sig, q = 0;
    bool carry = false;
    if (!a.sig)
        return a;
    for (unsigned k = 0; k < 128; k++) {
        q <<= 1;
        if (carry || rest >= b.sig) {
            rest -= b.sig;
            q |= 1;
        }
        carry = rest >> 127;
        rest <<= 1;
    }
    return wide_normal(a.sign != b.sign, a.exp - b.exp, q);
}

Wide wide_div_int(Wide a, uint32_t n)
{
    uint64_t rest = 0, low = 0;
    FpU128 q = 0;
    for (unsigned k = 0; k < 5; k++) {
        /* one more digit than a has, for the quotient's leading zeroes */
        uint64_t digit = k < 4 ? (uint32_t)(a.sig >> (96 - 32 * k)) : 0, v = rest << 32 | digit;
        if (k < 4)
            q = q << 32 | v / n;
        else
            low = v / n;
        rest = v % n;
    }
    if (!q)
        return (Wide){ .sign = a.sign };
    unsigned z = fp_clz128(q);                          /* below 32: n is a small number */
    q = z ? q << z | low >> (32 - z) : q;
    return (Wide){ a.sign, a.exp - (int32_t)z, q };
}
