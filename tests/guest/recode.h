/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recode.h -- 64-bit guest: random functions that are rewritten, patched, called and stored beside,
 * without end, against a model of what each gives: recode.c on one CPU, recode2.c on two at once in
 * the same pages.
 *
 * Functions lie close together, across granules of 64 bytes and across pages, and are reached
 * through two linear addresses.  Each CPU writes and calls its own, every other one, and now and
 * then they exchange them: then, and after a store through another address, they execute CPUID as
 * cross-modifying code must.
 *
 * Spec: Intel SDM vol. 3, 9.1.3 and 12.6.  ROUNDS scales it, SEED is another run.
 */
#ifndef TESTS_GUEST_RECODE_H
#define TESTS_GUEST_RECODE_H
#include "tests/guest/mp.h"
#ifndef SEED
#define SEED 1
#endif

enum { PAGES = 6, AREA = 0x600000, ALIAS = 0x40000000, WINDOW = PAGES * 4096, SLOTS = 120,
       STEPS = 12000, TURNS = 6 * ROUNDS, BODY = 32,
       SPACE = PAGES * 4096 };
enum { K_CONST, K_SUM, K_LOOP, K_BRANCH, K_SELF, K_JUMP, K_CALL, K_COUNT, N_KINDS };
typedef u32 Fn(u64 a);

typedef struct Slot {
    u32 at, kind, a, b, to, n, cell;    /* cell: what stands beside it */
} Slot;
static Slot slots[SLOTS];
static u64 pt[2][512] __attribute__((aligned(4096))), pd2[512] __attribute__((aligned(4096)));
static struct Cpu {
    u64 rng;
    unsigned bad, first_bad, mine;      /* mine: parity of its slots */
    u8 pages[PAGES];                    /* behind its second addresses */
    u8 alias;
} cpus[2];

static u32 rnd(struct Cpu *c, u32 n)
{
    c->rng ^= c->rng << 13;
    c->rng ^= c->rng >> 7;
    c->rng ^= c->rng << 17;
    return (u32)(c->rng >> 20) % n;
}

static void serialize(void)
{
    u32 a = 0, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) :: "memory");
}

/* Another linear address of the same byte. */
static u64 alias_of(const struct Cpu *c, u32 at)
{
    unsigned page = 0;
    while (c->pages[page] != at >> 12) {
        page++;
    }
    return ALIAS + (u64)(c - cpus) * 0x200000 + page * 4096 + (at & 4095);
}

/* Which of the two, in one page; across pages the second address may not go on. */
static u64 address(struct Cpu *c, u32 at, u32 n)
{
    c->alias = (at & 4095) + n <= 4096 && rnd(c, 4) == 0;
    return c->alias ? alias_of(c, at) : AREA + (u64)at;
}

static void put_code(struct Cpu *c, u32 at, const u8 *from, u32 n)
{
    u64 to = address(c, at, n);
    u64 count = n, f = (u64)from, t = to;

    switch (rnd(c, 5)) {
    case 0:
        for (u32 i = 0; i < n; i++) {
            *(volatile u8 *)(to + i) = from[i];
        }
        break;
    case 1:
        for (u32 i = n; i-- > 0;) {
            *(volatile u8 *)(to + i) = from[i];
        }
        break;
    case 2:
        asm volatile("rep movsb" : "+S"(f), "+D"(t), "+c"(count) :: "memory");
        break;
    case 3:
        for (u32 i = 0; i < n;) {
            u32 w = n - i >= 8 ? 8 : n - i >= 4 ? 4 : 1;
            if (w == 8) {
                *(volatile u64 *)(to + i) = *(const u64 *)(from + i);
            } else if (w == 4) {
                *(volatile u32 *)(to + i) = *(const u32 *)(from + i);
            } else {
                *(volatile u8 *)(to + i) = from[i];
            }
            i += w;
        }
        break;
    default:
        for (u32 i = 0; i + 4 <= n; i += 4) {
            asm volatile("lock; xchgl %0, %1" : "+m"(*(u32 *)(to + i)) : "r"(*(const u32 *)(from + i)) : "memory");
        }
        for (u32 i = n & ~3u; i < n; i++) {
            *(volatile u8 *)(to + i) = from[i];
        }
    }
    if (c->alias || rnd(c, 3) == 0) {
        serialize();
    }
}

static void put32(u8 *p, u32 v)
{
    p[0] = (u8)v;
    p[1] = (u8)(v >> 8);
    p[2] = (u8)(v >> 16);
    p[3] = (u8)(v >> 24);
}

/* The bytes of a function; how many. */
static u32 make(const Slot *s, u8 *p)
{
    u32 n = 0, rel;

    switch (s->kind) {
    case K_CONST:                       /* mov eax, a; ret */
    case K_SUM:                         /* mov eax, a; add eax, b; ret */
        p[n++] = 0xb8;
        put32(p + n, s->a);
        n += 4;
        for (u32 i = 0; s->kind == K_SUM && i < s->n; i++) {
            p[n++] = 0x83;
            p[n++] = 0xc0;
            p[n++] = (u8)(s->b & 0x7f);
        }
        break;
    /* xor eax, eax; mov ecx, n; 1: add eax, b; dec ecx; jnz 1; ret */
    case K_LOOP:
        p[n++] = 0x31;
        p[n++] = 0xc0;
        p[n++] = 0xb9;
        put32(p + n, s->n);
        n += 4;
        p[n++] = 0x05;
        put32(p + n, s->b);
        n += 4;
        p[n++] = 0xff;
        p[n++] = 0xc9;
        p[n++] = 0x75;
        p[n++] = 0xf7;
        break;
    /* test edi, edi; jz or jnz 1; mov eax, a; ret; 1: mov eax, b; ret */
    case K_BRANCH:
        p[n++] = 0x85;
        p[n++] = 0xff;
        p[n++] = s->n & 1 ? 0x75 : 0x74;
        p[n++] = 6;
        p[n++] = 0xb8;
        put32(p + n, s->a);
        n += 4;
        p[n++] = 0xc3;
        p[n++] = 0xb8;
        put32(p + n, s->b);
        n += 4;
        break;
    case K_SELF:                        /* mov [rip + 1], edi; mov eax, a; ret */
        p[n++] = 0x89;
        p[n++] = 0x3d;
        put32(p + n, 1);
        n += 4;
        p[n++] = 0xb8;
        put32(p + n, s->a);
        n += 4;
        break;
    case K_JUMP:                        /* jmp to */
    case K_CALL:                        /* call to; add eax, b; ret */
        rel = slots[s->to].at - (s->at + 5);
        p[n++] = s->kind == K_JUMP ? 0xe9 : 0xe8;
        put32(p + n, rel);
        n += 4;
        if (s->kind == K_CALL) {
            p[n++] = 0x05;
            put32(p + n, s->b);
            n += 4;
        }
        break;
    default:                            /* mov eax, [rip + 8]; add dword [rip + 1], 1; ret; a */
        p[n++] = 0x8b;
        p[n++] = 0x05;
        put32(p + n, 8);
        n += 4;
        p[n++] = 0x83;
        p[n++] = 0x05;
        put32(p + n, 2 - 1);
        n += 4;
        p[n++] = 1;
        p[n++] = 0xc3;
        put32(p + n, s->a);
        return n + 4;
    }
    p[n++] = 0xc3;
    return n;
}

/* What a call gives, and what it leaves behind. */
static u32 model(Slot *s, u32 arg)
{
    switch (s->kind) {
    case K_CONST:
        return s->a;
    case K_SUM:
        return s->a + s->n * (s->b & 0x7f);
    case K_LOOP:
        return s->n * s->b;
    case K_BRANCH:
        return (arg == 0) == !(s->n & 1) ? s->b : s->a;
    case K_SELF:
        return s->a = arg;
    case K_JUMP:
        return model(&slots[s->to], arg);
    case K_CALL:
        return model(&slots[s->to], arg) + s->b;
    default:
        return s->a++;
    }
}

static void rewrite(struct Cpu *c, unsigned k)
{
    Slot *s = &slots[k];
    u8 code[BODY];
    /* functions of the same CPU with lower numbers: so no circle */
    u32 below = k / 2;

    s->kind = rnd(c, below ? N_KINDS : K_JUMP);
    s->to = below ? rnd(c, below) * 2 + (k & 1) : 0;
    s->a = rnd(c, 8) ? rnd(c, 4) : rnd(c, 1 << 30);
    s->b = rnd(c, 1 << 20);
    s->n = 1 + rnd(c, 4);
    put_code(c, s->at, code, make(s, code));
}

/* A part of an operand. */
static void patch(struct Cpu *c, unsigned k)
{
    Slot *s = &slots[k];
    u32 old = s->a, v = rnd(c, 8) ? rnd(c, 6) : rnd(c, 1 << 30);
    u64 to;

    if (s->kind > K_SUM) {
        rewrite(c, k);
        return;
    }
    to = address(c, s->at + 1, 4);
    switch (rnd(c, 3)) {
    case 0:
        s->a = (old & ~0xffu) | (v & 0xff);
        *(volatile u8 *)to = (u8)v;
        break;
    case 1:
        s->a = (old & 0xff0000ffu) | (v & 0xffff) << 8;
        *(volatile u16 *)(to + 1) = (u16)v;
        break;
    default:
        s->a = old + v;
        asm volatile("lock; addl %1, %0" : "+m"(*(u32 *)to) : "r"(v) : "memory");
    }
    if (c->alias) {
        serialize();
    }
}

/* Was it memory that was wrong, or what was made of it? */
static void fail_at(struct Cpu *c, unsigned k, u8 memory)
{
    u8 code[BODY];
    u32 n = make(&slots[k], code);

    for (u32 i = 0; i < n; i++) {
        memory |= ((volatile u8 *)(AREA + (u64)slots[k].at))[i] != code[i];
    }
    if (!c->bad++) {
        c->first_bad = 0xf00000 | memory << 16 | k << 8 | slots[k].kind;
    }
}

static void call(struct Cpu *c, unsigned k)
{
    u32 arg = rnd(c, 3), want = model(&slots[k], arg);
    u8 far = slots[k].kind == K_JUMP || slots[k].kind == K_CALL;
    u64 at = far ? AREA + (u64)slots[k].at : address(c, slots[k].at, BODY);
    u32 got;

    asm volatile("call *%2" : "=a"(got) : "D"((u64)arg), "r"(at) : "rcx", "rdx", "memory", "cc");
    if (got != want) {
        fail_at(c, k, 0);
    }
}

/* The word behind a function. */
static void beside(struct Cpu *c, unsigned k)
{
    Slot *s = &slots[k];
    u32 at = s->at + BODY, v = rnd(c, 1 << 30);
    volatile u32 *p = (u32 *)address(c, at, 4);

    if (*p != s->cell) {
        fail_at(c, k, 1);
    }
    switch (rnd(c, 3)) {
    case 0:
        *p = v;
        s->cell = v;
        break;
    case 1:
        *(volatile u16 *)p = (u16)v;
        s->cell = (s->cell & 0xffff0000) | (u16)v;
        break;
    default:
        asm volatile("lock; addl %1, %0" : "+m"(*p) : "r"(v) : "memory");
        s->cell += v;
    }
}

/* Other pages behind the second addresses. */
static void remap(struct Cpu *c)
{
    unsigned i = rnd(c, PAGES), k = rnd(c, PAGES), id = (unsigned)(c - cpus);
    u8 was = c->pages[i];

    c->pages[i] = c->pages[k];
    c->pages[k] = was;
    for (unsigned w = 0; w < PAGES; w++) {
        pt[id][w] = (AREA + (u64)c->pages[w] * 4096) | 7;
        asm volatile("invlpg (%0)" :: "r"((u64)(ALIAS + (u64)id * 0x200000 + w * 4096)) : "memory");
    }
}

/* fw_cfg writes its signature over an operand. */
static void dma(struct Cpu *c, unsigned k)
{
    static volatile struct { u32 control, length; u64 address; } d __attribute__((aligned(16)));
    Slot *s = &slots[k];

    if (s->kind != K_CONST || c != cpus) {
        return;
    }
    d.control = __builtin_bswap32(8 | 2);
    d.length = __builtin_bswap32(4);
    d.address = __builtin_bswap64(AREA + (u64)s->at + 1);
    asm volatile("outl %0, %1" :: "a"(0), "d"((u16)0x514) : "memory");
    asm volatile("outl %0, %1" :: "a"(__builtin_bswap32((u32)(u64)&d)), "d"((u16)0x518) : "memory");
    while (d.control) {
        relax();
    }
    s->a = 0x554d4551;                  /* "QEMU" */
}

static void steps(struct Cpu *c)
{
    unsigned hot = c->mine;

    for (unsigned i = 0; i < STEPS; i++) {
        unsigned k = rnd(c, SLOTS / 2) * 2 + c->mine;
        switch (rnd(c, 16)) {
        case 0: case 1:
            rewrite(c, k);
            hot = k;
            break;
        case 2: case 3:
            patch(c, hot);
            break;
        case 4: case 5:
            beside(c, rnd(c, 2) ? k : hot);
            break;
        case 6:
            if (rnd(c, 32) == 0) {
                remap(c);
            } else if (rnd(c, 8) == 0) {
                dma(c, hot);
            }
            break;
        case 7: case 8:
            call(c, k);
            break;
        default:
            call(c, hot);
        }
        if (rnd(c, 64) == 0) {
            hot = k;
        }
    }
}

/* Functions close together, each with its word behind it. */
static void lay_out(void)
{
    u32 at = 7;

    for (unsigned k = 0; k < SLOTS; k++) {
        slots[k].at = at;
        at += BODY + 4 + rnd(&cpus[0], k % 10 == 9 ? 1100 : 40);
    }
    check("they fit", at <= SPACE, 1);
}

static void begin(void)
{
    setup();
    pdp[1] = (u64)pd2 | 7;
    pdp[3] = 0xc0000083;                /* the local APIC */
    for (unsigned id = 0; id < 2; id++) {
        cpus[id].rng = 0x9e3779b97f4a7c15ull * (SEED * 2 + id) | 1;
        cpus[id].mine = id;
        pd2[id] = (u64)pt[id] | 7;
        for (unsigned w = 0; w < PAGES; w++) {
            cpus[id].pages[w] = (u8)w;
        }
        remap(&cpus[id]);
    }
    lay_out();
    for (unsigned k = 0; k < SLOTS; k++) {
        rewrite(&cpus[k & 1], k);
    }
}

static void result(const char *name)
{
    check(name, cpus[0].bad + cpus[1].bad, 0);
    if (cpus[0].bad + cpus[1].bad) {
        check("the first: memory << 16 | function << 8 | kind",
              cpus[0].bad ? cpus[0].first_bad : cpus[1].first_bad, 0);
    }
}
#endif
