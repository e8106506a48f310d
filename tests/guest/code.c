/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * code.c -- 64-bit guest: more code than a small arena of translated code holds (`guests` gives it
 * one of 1 MiB), gone through in order, at random, with a part that runs all the time, and changed
 * on the way.
 *
 * Spec: Intel SDM vol. 3, 12.6.
 */
#include "tests/guest/long.h"

enum { CODE = 0x600000, ROUTINES = 6000, EACH = 64 };
typedef u64 Fn(u64 a, u64 n);

static unsigned put_code(u64 at, unsigned n, const u8 *from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        *(volatile u8 *)(at + n + i) = from[i];
    }
    return n + bytes;
}

static u32 key_of(unsigned k, unsigned version)
{
    return (k * 0x9e3779b1u ^ version * 0x85ebca6bu) & 0x7fffffff;
}

/* f(a, n): n turns of a = (a ^ key) + key, a parity counted on the way; several blocks. */
static void routine(unsigned k, unsigned version)
{
    static const u8 xor_edi[] = { 0x48, 0x81, 0xf7 }, add_rdi[] = { 0x48, 0x81, 0xc7 };
    /* test dil, 1; jz +3; inc rdi */
    static const u8 odd[] = { 0x40, 0xf6, 0xc7, 0x01, 0x74, 0x03, 0x48, 0xff, 0xc7 };
    /* dec esi; jnz start */
    static const u8 turn[] = { 0xff, 0xce, 0x75, 0xe5 };
    /* mov rax, rdi; ret */
    static const u8 end[] = { 0x48, 0x89, 0xf8, 0xc3 };
    u64 at = CODE + (u64)k * EACH;
    u32 key = key_of(k, version);
    unsigned n = put_code(at, 0, xor_edi, 3);

    n = put_code(at, n, (const u8 *)&key, 4);
    n = put_code(at, n, add_rdi, 3);
    n = put_code(at, n, (const u8 *)&key, 4);
    n = put_code(at, n, odd, sizeof(odd));
    n = put_code(at, n, turn, sizeof(turn));
    put_code(at, n, end, sizeof(end));
}

static u64 want(unsigned k, unsigned version, u64 a, u64 n)
{
    u64 key = key_of(k, version);

    for (; n; n--) {
        a = (a ^ key) + key;
        a += a & 1;
    }
    return a;
}

static u64 call(unsigned k, u64 a, u64 n)
{
    asm volatile("" ::: "memory");
    return ((Fn *)(CODE + (u64)k * EACH))(a, n);
}

static void make_all(unsigned version)
{
    for (unsigned k = 0; k < ROUTINES; k++) {
        routine(k, version);
    }
}

static unsigned in_order(unsigned version)
{
    unsigned bad = 0;

    for (unsigned k = 0; k < ROUTINES; k++) {
        bad += call(k, k, 1 + k % 3) != want(k, version, k, 1 + k % 3);
    }
    return bad;
}

/* One in eight is always the same: in use whatever is given back. */
static unsigned at_random(unsigned version, unsigned calls)
{
    unsigned bad = 0;
    u32 r = 12345;

    for (unsigned i = 0; i < calls; i++) {
        r = r * 1664525 + 1013904223;
        unsigned k = i % 8 ? r / 8 % ROUTINES : 7;
        bad += call(k, r, 2) != want(k, version, r, 2);
    }
    return bad;
}

/* Some of them change while others of their page have been given back. */
static unsigned changing(void)
{
    unsigned bad = 0;

    for (unsigned k = 0; k < ROUTINES; k += 5) {
        routine(k, 2);
        bad += call(k, 1, 2) != want(k, 2, 1, 2);
        bad += call(k + 1, 1, 2) != want(k + 1, 1, 1, 2);
    }
    return bad;
}

__attribute__((used)) int main(void)
{
    setup();
    make_all(0);
    check("in order", in_order(0), 0);
    check("again", in_order(0), 0);
    check("at random", at_random(0, 20000), 0);
    make_all(1);
    check("other code", in_order(1), 0);
    check("changing", changing(), 0);
    finish();
}
