/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87.c -- every x87 instruction against the host's: registers, tags, status, control word, memory,
 * EFLAGS.
 *
 * usage: x87 [rounds [seed]]
 * prints "ok NAME" or "not ok NAME: why" an opcode and ModRM; ends with 1 if any differs.
 *
 * State is random: full and empty registers, TOP, rounding and precision control, masked and
 * unmasked exceptions, some of them pending.  Memory operands are at [rdi].  FIP, FDP and FOP are
 * not compared (models differ).
 *
 * Spec: Intel SDM (325462) vol. 1, ch. 8.
 * Omits: hosts other than x86-64 (passes with a note).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/x87.h"
#include "fphost.h"

static X86Cpu *cpu;

/* ---- random state ---- */
static void random_real(uint8_t *to)
{
    static const uint16_t exps[] = { 0x3fff, 0x3ffe, 0x4000, 0x4001, 0x0001, 0x7ffe, 0x401e,
                                     0x403e, 0x3f80, 0x4080, 0x3bff, 0x43ff, 0x4005 };
    uint64_t mant = random64();
    uint16_t sign = (uint16_t)(random64() << 15), e;
    switch (random64() % 16) {
    case 0: mant = 0, e = 0; break;
    case 1: mant = UINT64_C(1) << 63, e = 0x7fff; break;                        /* infinity */
    case 2: mant |= UINT64_C(3) << 62, e = 0x7fff; break;                       /* quiet NaN */
    /* signalling NaN */
    case 3: mant = (mant | UINT64_C(1) << 63 | 1) & ~(UINT64_C(1) << 62), e = 0x7fff; break;
    case 4: mant &= ~(UINT64_C(1) << 63), e = 0; break;                         /* denormal */
    case 5: mant |= UINT64_C(1) << 63, e = 0; break;                           /* pseudo-denormal */
    /* some of them unsupported */
    case 6: e = (uint16_t)(random64() & 0x7fff); break;
    case 7: mant = UINT64_C(1) << 63, e = 0x3fff; break;
    case 8:
        mant |= UINT64_C(1) << 63, mant &= ~(uint64_t)0 << 40,
            e = exps[random64() % G_N_ELEMENTS(exps)];
        break;
    case 9:
        mant = (random64() % 2000 + 1) << 53, mant <<= __builtin_clzll(mant),
        e = 0x3fff + random64() % 10;
        break;
    default: mant |= UINT64_C(1) << 63, e = exps[random64() % G_N_ELEMENTS(exps)]; break;
    }
    e |= sign;
    memcpy(to, &mant, 8);
    memcpy(to + 8, &e, 2);
}

static void put(uint8_t *at, uint32_t v, unsigned n) { memcpy(at, &v, n); }
static uint32_t get(const uint8_t *at, unsigned n)
{
    uint32_t v = 0;
    memcpy(&v, at, n);
    return v;
}

static void random_x87(HostState *s)
{
    memset(s, 0, sizeof *s);
    s->with_x87 = 1;
    s->rax = random64();
    s->rflags = 0x202 | (random64() & EF_ARITH);
    s->mxcsr = X86_MXCSR_RESET;
    unsigned cw = 0x7f | (random64() % 3 ? 0x300 : (random64() % 4) << 8) | (random64() & 0xc00),
             sw = 0;
    bool plain = random64() % 2;                        /* what blocks are fast with */
    if (plain)
        cw = 0x37f;
    if (!plain && random64() % 3 == 0)
        cw &= ~(random64() & 0x3f);
    if (random64() % 4 == 0)
        sw |= (random64() & 0x3f) & (random64() % 4 ? cw : ~0u);
    sw |= (random64() & 0x4700) | (random64() & 7) << 11 | (random64() & 0x40 ? 0x40 : 0);
    put(s->x87, cw, 2);
    put(s->x87 + 4, sw, 2);
    unsigned tw = random64() % 4 ? (unsigned)(random64() & random64()) & 0xffff
                                 : (unsigned)random64() & 0xffff;
    for (unsigned n = 0; n < 8; n++) {                  /* a register is empty or not */
        if ((tw >> 2 * n & 3) != 3)
            tw &= ~(3u << 2 * n);
    }
    if (random64() % 4 == 0)
        tw |= 0xfu << (random64() % 14);
    put(s->x87 + 8, tw, 2);
    for (unsigned i = 0; i < 8; i++)
        random_real(s->x87 + 28 + 10 * i);
}

/* A memory operand: random bits, or a real of some size, or decimal digits. */
static void random_memory(HostState *s)
{
    uint64_t v;
    for (unsigned i = 0; i < sizeof s->mem; i += 8) {
        v = random64();
        memcpy(s->mem + i, &v, 8);
    }
    switch (random64() % 6) {
    case 0: random_real(s->mem); break;
    case 1:
        v = random64() % 4 ? random64() % 1000 : 0 - random64() % 1000;
        memcpy(s->mem, &v, 8);
        break;
    case 2: {
        static const uint64_t d[] = { 0,
                                      UINT64_C(1) << 63,
                                      UINT64_C(0x7ff0000000000000),
                                      UINT64_C(0x7ff8000000000000),
                                      UINT64_C(0x7ff0000000000001),
                                      1,
                                      UINT64_C(0x3ff0000000000000),
                                      UINT64_C(0xbff8000000000000),
                                      UINT64_C(0x000fffffffffffff) };
        memcpy(s->mem, &d[random64() % G_N_ELEMENTS(d)], 8);
        break;
    }
    case 3: {
        static const uint32_t f[] = { 0, 0x80000000, 0x7f800000, 0x7fc00000, 0x7f800001, 1,
                                      0x3f800000, 0xbfc00000, 0x007fffff, 0x00800000 };
        memcpy(s->mem, &f[random64() % G_N_ELEMENTS(f)], 4);
        break;
    }
    case 4:
        for (unsigned i = 0; i < 9; i++)
            s->mem[i] = (uint8_t)((random64() % 10) << 4 | random64() % 10);
        s->mem[9] = random64() & 0x80;
        break;
    default: break;
    }
}

/* ---- the guest ---- */
static void x87(unsigned opcode, unsigned modrm, void *at)
{
    x86_h_x87(cpu, opcode << 8 | modrm, (uint64_t)(uintptr_t)at, S_DS | 4 << 8 | 2 << 16);
}

static void to_guest(HostState *s)
{
    cpu->cr0 = CR0_PE | CR0_NE;
    cpu->dbt.gpr[R_RAX] = s->rax;
    cpu->dbt.fl = x86_eflags_to_fl(s->rflags);
    if (setjmp(guest_raised) == 0)
        x87(0xdd, 0x27, s->x87);                        /* FRSTOR */
}

static void from_guest(HostState *s)
{
    if (setjmp(guest_raised) == 0)
        x87(0xdd, 0x37, s->x87);                        /* FNSAVE */
    s->rax = cpu->dbt.gpr[R_RAX];
    s->rflags = (s->rflags & ~(uint64_t)EF_ARITH) | x86_fl_to_eflags(cpu->dbt.fl);
}

typedef enum { MEANING, INTERP, NATIVE } Way;
static HostResult guest_run(HostState *s, unsigned opcode, unsigned modrm, Way way)
{
    uint8_t code[2] = { (uint8_t)opcode, (uint8_t)modrm };
    volatile HostResult r = HOST_DONE;
    to_guest(s);
    cpu->dbt.gpr[R_RDI] = (uintptr_t)s->mem;
    int vector = setjmp(guest_raised);
    if (vector == 0 && way == MEANING)
        x87(opcode, modrm, s->mem);
    else if (vector == 0)
        r = guest_translated(cpu, code, 2, X86_MODE_FPU, way == NATIVE) ? HOST_DONE : HOST_SIGILL;
    else
        r = vector == EXC_MF + 1 ? HOST_SIGFPE : HOST_SIGILL;
    from_guest(s);
    return r;
}

/* ---- comparison ---- */
static void clear_pointers(uint8_t *image)              /* of a 28-byte environment */
{
    memset(image + 12, 0, 16);
}

static void print_state(const HostState *s)
{
    printf("    cw %04x sw %04x tw %04x rax %016" PRIx64 " flags %" PRIx64 " mem", get(s->x87, 2),
           get(s->x87 + 4, 2), get(s->x87 + 8, 2), s->rax, s->rflags);
    for (unsigned i = 10; i-- > 0; )
        printf(" %02x", s->mem[i]);
    printf("\n");
    for (unsigned i = 0; i < 8; i++) {
        uint64_t m;
        memcpy(&m, s->x87 + 28 + 10 * i, 8);
        printf("    st%u %04x.%016" PRIx64 "%s", i, get(s->x87 + 36 + 10 * i, 2), m,
               i % 4 == 3 ? "\n" : "");
    }
}

static bool same(HostState *a, HostState *b)
{
    return !memcmp(a->x87, b->x87, 108) && !memcmp(a->mem, b->mem, sizeof a->mem) &&
           a->rax == b->rax && !((a->rflags ^ b->rflags) & EF_ARITH);
}

/*
 * Portable transcendental functions (D9 F0..F3 F9 FB FE FF) may be one unit in the last place away,
 * which leaves their C1 and a rounding into or out of the tiny open; beyond the manual's ranges
 * their results are undefined.
 */
static bool is_approximate(unsigned opcode, unsigned modrm)
{
    static const uint8_t list[] = { 0xf0, 0xf1, 0xf2, 0xf3, 0xf9, 0xfb, 0xfe, 0xff };
    return !X86_HOST_FP && opcode == 0xd9 && memchr(list, (int)modrm, sizeof list);
}

static bool out_of_range(const HostState *s, unsigned modrm)
{
    uint64_t m;
    memcpy(&m, s->x87 + 28, 8);
    unsigned e = get(s->x87 + 36, 2) & 0x7fff;
    return e != 0x7fff &&
           ((modrm == 0xf0 && e >= 0x3fff) ||
            (modrm == 0xf9 && (e >= 0x3ffe || (e == 0x3ffd && m > UINT64_C(0x95f619980c4336f7)))));
}

static void forgive(HostState *host, HostState *guest)
{
    host->x87[5] &= (uint8_t)~2, guest->x87[5] &= (uint8_t)~2;
    for (uint8_t *a = host->x87 + 28, *b = guest->x87 + 28; a < host->x87 + 108; a += 10, b += 10) {
        unsigned __int128 x = 0, y = 0, d;
        memcpy(&x, a, 10), memcpy(&y, b, 10);
        d = x > y ? x - y : y - x;
        bool carried = ((uint64_t)x == UINT64_C(1) << 63 && (uint64_t)y == UINT64_MAX) ||
                       ((uint64_t)y == UINT64_C(1) << 63 && (uint64_t)x == UINT64_MAX);
        if (d <= 1 || carried)
            memcpy(b, a, 10);
    }
}

static bool environment(unsigned opcode, unsigned modrm, bool store)
{
    if (modrm >= 0xc0)
        return false;
    unsigned reg = modrm >> 3;
    return (opcode == 0xd9 && reg == (store ? 6 : 4)) || (opcode == 0xdd && reg == (store ? 6 : 4));
}

static bool try_one(unsigned opcode, unsigned modrm, Way way)
{
    HostState before, host, guest;
    uint8_t code[2] = { (uint8_t)opcode, (uint8_t)modrm };
    random_x87(&before);
    random_memory(&before);
    if (environment(opcode, modrm, false))
        memcpy(before.mem, host.x87, 0), random_x87(&host), memcpy(before.mem, host.x87, 108),
            put(before.mem + 16, 0, 4);
    host = guest = before;
    HostResult h = host_run(&host, code, 2), g = guest_run(&guest, opcode, modrm, way);
    clear_pointers(host.x87);
    clear_pointers(guest.x87);
    if (environment(opcode, modrm, true)) {
        clear_pointers(host.mem);
        clear_pointers(guest.mem);
    }
    if (way != MEANING) {                               /* blocks leave C1 as it was */
        host.x87[5] &= (uint8_t)~2;
        guest.x87[5] &= (uint8_t)~2;
        if ((opcode == 0xdf && modrm == 0xe0) ||
            (opcode == 0xdd && modrm < 0xc0 && modrm >> 3 == 7)) {
            host.rax &= ~UINT64_C(0x200), guest.rax &= ~UINT64_C(0x200);
            host.mem[1] &= (uint8_t)~2, guest.mem[1] &= (uint8_t)~2;
        }
    }
    if (is_approximate(opcode, modrm)) {
        if (out_of_range(&before, modrm))
            return true;
        forgive(&host, &guest);
    }
    if (h == g && same(&host, &guest))
        return true;
    printf("not ok x87 %02x %02x%s: host %d, guest %d\n  before\n", opcode, modrm,
           way == NATIVE ? " native"
           : way         ? " interpreted"
                         : "",
           h, g);
    print_state(&before);
    printf("  host\n");
    print_state(&host);
    printf("  guest\n");
    print_state(&guest);
    return false;
}

/* ---- sequences: what blocks know of the stack from one instruction to the next ---- */
/* no stack fault with so many registers full? */
static bool fits(unsigned opcode, unsigned modrm, unsigned depth, int *by)
{
    unsigned op = opcode & 7, r = modrm >> 3 & 7, i = modrm & 7;
    *by = 0;
    if (modrm < 0xc0) {
        bool load = ((op & 1) && r == 0) || (op == 3 && r == 5) || (op == 7 && r == 5);
        bool control = (op == 1 && r >= 4) || (op == 5 && (r == 4 || r >= 6)) ||
                       (op == 7 && (r == 4 || r == 6));
        if (control || (op == 1 && r == 1) || (op == 3 && (r == 4 || r == 6)) ||
            (op == 5 && r == 5))
            /* FNSTSW would store C1, which blocks leave alone */
            return false;
        *by = load ? 1 : (op & 1) ? (r == 1 || r == 3 || r == 7 ? -1 : 0) : r == 3 ? -1 : 0;
        return load ? depth < 8 : depth > 0;
    }
    if (op == 1 && modrm >= 0xe0) {
        if (modrm >= 0xe8 && modrm <= 0xee) {
            *by = 1;
            return depth < 8;
        }
        return (modrm == 0xe0 || modrm == 0xe1 || modrm == 0xfa || modrm == 0xfc) && depth;
    }
    switch (op << 3 | r) {
    case 1 << 3 | 0: *by = 1; return i < depth && depth < 8;
    case 6 << 3 | 3: case 2 << 3 | 5: *by = -2; return i == 1 && depth > 1;
    case 0 << 3 | 3:
    case 4 << 3 | 3:
    case 6 << 3 | 2:
    case 5 << 3 | 5:
    case 7 << 3 | 5:
    case 7 << 3 | 6:
    case 5 << 3 | 3:
        *by = -1; return i < depth;
    case 1 << 3 | 2:
    case 1 << 3 | 3:
    case 2 << 3 | 4:
    case 2 << 3 | 6:
    case 2 << 3 | 7:
    case 3 << 3 | 4:
    case 3 << 3 | 7:
    case 5 << 3 | 0:
    case 5 << 3 | 6:
    case 5 << 3 | 7:
    case 7 << 3 | 0:
    case 7 << 3 | 2:
    case 7 << 3 | 3:
    case 7 << 3 | 7:
        return false;
    case 7 << 3 | 4: return i == 0;
    default: *by = op == 6 ? -1 : 0; return i < depth;
    }
}

static unsigned random_sequence(uint8_t *code, unsigned depth)
{
    unsigned n = 0;
    for (unsigned k = 2 + random64() % 14; k; ) {
        unsigned opcode = 0xd8 + random64() % 8, modrm = random64() & 0xff;
        int by;
        if (modrm < 0xc0)
            modrm = (modrm & 0x38) | 0x47;              /* [rdi + disp8] */
        if (!fits(opcode, modrm, depth, &by))
            continue;
        depth += (unsigned)by;
        code[n++] = (uint8_t)opcode;
        code[n++] = (uint8_t)modrm;
        if (modrm < 0xc0)
            code[n++] = (random64() % 5) * 16;
        if (random64() % 8 == 0)
            memcpy(code + n, "\x48\x8d\x49\x01", 4), n += 4;    /* lea rcx, [rcx + 1] */
        k--;
    }
    return n;
}

static bool try_sequence(Way way)
{
    HostState before, host, guest;
    uint8_t code[128];
    random_x87(&before);
    random_memory(&before);
    for (unsigned i = 0; i < 5; i++)
        random_real(before.mem + 16 * i);
    unsigned depth = random64() % 9, top = random64() & 7, tw = 0xffff;
    for (unsigned i = 0; i < depth; i++)
        tw &= ~(3u << 2 * ((top + i) & 7));
    put(before.x87, 0x37f, 2);
    put(before.x87 + 4, top << 11, 2);
    put(before.x87 + 8, tw, 2);
    unsigned n = random_sequence(code, depth);
    host = guest = before;
    HostResult h = host_run(&host, code, n);
    to_guest(&guest);
    cpu->dbt.gpr[R_RDI] = (uintptr_t)guest.mem;
    guest_translated(cpu, code, n, X86_MODE_FPU, way == NATIVE);
    from_guest(&guest);
    for (HostState *s = &host; s; s = s == &host ? &guest : NULL) {
        clear_pointers(s->x87);
        s->x87[5] &= (uint8_t)~2;
        for (unsigned i = 0; i < 8; i++) {              /* empty registers may hold anything */
            if ((get(s->x87 + 8, 2) >> 2 * (((get(s->x87 + 4, 2) >> 11) + i) & 7) & 3) == 3)
                memset(s->x87 + 28 + 10 * i, 0, 10);
        }
        s->rax &= ~UINT64_C(0x200);
    }
    if (h == HOST_DONE && same(&host, &guest))
        return true;
    printf("not ok x87 sequence%s:", way == NATIVE ? " native" : "");
    for (unsigned i = 0; i < n; i++)
        printf(" %02x", code[i]);
    printf("\n  before\n");
    print_state(&before);
    printf("  host\n");
    print_state(&host);
    printf("  guest\n");
    print_state(&guest);
    return false;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 400, bad = 0;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
#if !defined(__x86_64__)
    printf("ok x87: nothing to compare with on this host\n");
    return 0;
#endif
    host_init();
    cpu = guest_new();
    for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++) {
        for (unsigned modrm = 7; modrm < 0x100; modrm += modrm < 0xc0 ? 8 : 1) {
            bool ok = true;
            if (modrm > 0x3f && modrm < 0xc0)
                modrm = 0xc0;
            for (unsigned i = 0; i < rounds && ok; i++)
                ok = try_one(opcode, modrm, i % 3);
            if (ok)
                printf("ok x87 %02x %02x\n", opcode, modrm);
            bad += !ok;
        }
    }
    bool ok = true;
    for (unsigned i = 0; i < rounds * 20 && ok; i++)
        ok = try_sequence(i & 1 ? NATIVE : INTERP);
    if (ok)
        printf("ok x87 sequences\n");
    return bad || !ok;
}
