/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modes_case.c -- random programs of system instructions, stores to code, loops over memory and
 * page tables that change, with the tables that they run under.
 *
 * Spec: Intel SDM vol. 3 ch. 3, 4 and 6 (descriptors, paging structures, gates).
 * Threads: one.
 */
#include <string.h>
#include "cpu/x86/sys.h"
#include "tests/cpu/proof/modes.h"
#include "tests/cpu/proof/proof.h"

typedef struct Code { uint8_t *p; unsigned n; Rng *r; Mode mode; uint32_t at; } Code;

static void put(Code *c, unsigned byte) { c->p[c->n++] = (uint8_t)byte; }
static void put_n(Code *c, uint64_t v, unsigned n) { memcpy(c->p + c->n, &v, n); c->n += n; }
static void put_bytes(Code *c, const char *s, unsigned n) { memcpy(c->p + c->n, s, n); c->n += n; }
static unsigned word(const Code *c) { return is_16(c->mode) ? 2 : 4; }

/* ---- programs ---- */
static void chunk(Code *c)
{
    ProofCode s;

    proof_sequence(&s, c->r, is_16(c->mode) ? PM_L16 : c->mode == M_LONG ? PM_64 : PM_32, false);
    memcpy(c->p + c->n, s.bytes, s.n);
    c->n += s.n;
}

static void put_rex_w(Code *c) { put_bytes(c, "\x48", c->mode == M_LONG && !one_in(c->r, 4)); }

/* Register reg and [code + off], where so many bytes of the instruction follow. */
static void code_operand(Code *c, unsigned reg, unsigned off, unsigned behind)
{
    put(c, reg << 3 | (is_16(c->mode) ? 6 : 5));
    unsigned after = c->n + word(c) + behind;
    put_n(c,
          c->mode == M_LONG ? (uint64_t)off - after
          : is_16(c->mode)  ? c->at - LOW + off
                            : c->at + off,
          word(c));
}

/* mov byte [code + off], imm */
static void store_to_code(Code *c, unsigned off, unsigned imm)
{
    put(c, 0xc6);
    code_operand(c, 0, off, 1);
    put(c, imm);
}

static void modify(Code *c)
{
    store_to_code(c, c->n + 7 + rng_below(c->r, 40), (unsigned)rng(c->r));
}

/* The same with wider stores and other instructions, ahead, just behind, or to this one itself. */
static void modify_wide(Code *c)
{
    enum { WORD = 8, OTHER = 9, ANY = 8 };
    static const struct { uint8_t n, imm, reg; char code[4]; } ops[] = {
        { 1, WORD, 0, "\xc7" }, { 2, OTHER, 0, "\x66\xc7" }, { 2, 0, ANY, "\x0f\x11" },
        { 3, 0, ANY, "\xf3\x0f\x7f" }, { 3, 0, ANY, "\x66\x0f\x7f" }, { 1, 0, ANY, "\x89" },
        { 1, 0, ANY, "\x01" }, { 1, 1, 0, "\x80" }, { 1, 1, 6, "\x80" },
        { 2, 0, ANY, "\xf0\x01" }, { 1, 0, ANY, "\x86" }, { 2, 0, ANY, "\x0f\xc1" },
        { 1, 0, 0, "\xfe" }, { 1, 0, 0, "\x8f" }, { 2, 0, 0, "\x0f\x93" },
        { 1, 0, 2, "\xdd" }, { 1, 0, 2, "\xd9" }, { 3, 0, ANY, "\x66\x0f\xd6" },
        { 3, 0, ANY, "\xf0\x0f\xb1" }, { 2, 0, ANY, "\x0f\x7f" }, { 1, 0, 7, "\xdf" },
        { 2, 0, 1, "\x0f\xc7" }, { 1, 0, ANY, "\x63" },
    };
    unsigned k = rng_below(c->r, G_N_ELEMENTS(ops)), imm = ops[k].imm;

    imm = imm == WORD ? word(c) : imm == OTHER ? 6 - word(c) : imm;
    put_rex_w(c);
    put_bytes(c, ops[k].code, ops[k].n);
    code_operand(c, ops[k].reg == ANY ? rng_below(c->r, 8) : ops[k].reg,
                 c->n + rng_below(c->r, 64) - MIN(c->n, 24), imm);
    put_n(c, rng(c->r), imm);
}

static void set_register(Code *c, unsigned reg, uint64_t v)     /* mov reg, v */
{
    put(c, 0xb8 + reg);
    put_n(c, v, word(c));
}

static unsigned code_offset(const Code *c, unsigned off)
{
    return (is_16(c->mode) ? c->at - LOW : c->at) + off;
}

/*
 * A string instruction writes what is ahead.  (Of one that overwrites itself it depends on
 * interruptions what becomes.)
 */
static void string_to_code(Code *c)
{
    static const char ops[][4] = { "\xf3\xaa", "\xf3\xab", "\xf3\xa4", "\xf3\xa5", "\x90\xaa",
                                   "\x90\xa5" };
    unsigned end = c->n + 1 + 3 * (1 + word(c)) + 2;

    put(c, 0xfc);                       /* cld */
    set_register(c, 7, code_offset(c, end + rng_below(c->r, 40)));
    set_register(c, 6, code_offset(c, rng_below(c->r, 64)));
    set_register(c, 1, 1 + rng_below(c->r, 12));
    put_bytes(c, ops[rng_below(c->r, G_N_ELEMENTS(ops))], 2);
}

/* The stack lies in the code: what is pushed is what runs next. */
static void stack_in_code(Code *c)
{
    static const char *const ops[] = { "\x50", "\x9c", "\x55\x53", "\x50\x58", "\x54\x5c",
                                       "\x60", "\x51\x52\x56\x57" };
    const char *op = ops[rng_below(c->r, G_N_ELEMENTS(ops))];

    set_register(c, 4, code_offset(c, c->n + 5 + rng_below(c->r, 40)));
    put_bytes(c, op, (unsigned)strlen(op));
    set_register(c, 4, is_16(c->mode) ? 0xf000 : STACK);
}

/* A loop of three rounds whose body changes its own immediate. */
static void loop(Code *c)
{
    put(c, 0xb9);
    put_n(c, 3, word(c));
    unsigned top = c->n;
    unsigned imm = top + (is_16(c->mode) ? 5 : 7) + 1;
    store_to_code(c, imm, (unsigned)rng(c->r));
    put(c, 0x04);
    put(c, 0);
    put(c, 0x00);
    put(c, is_16(c->mode) ? 4 : 6);     /* add [si], al */
    put(c, 0xe2);
    put(c, top - (c->n + 1));
}

/*
 * One operation of a loop over memory: off rsi and rdi, which advance, off rbx with rcx as index,
 * which is the count, or off nothing of that.
 */
static void walk_step(Code *c)
{
    static const struct { uint8_t n, w; char code[4]; } ops[] = {
        { 2, 1, "\x8b\x46" }, { 2, 1, "\x89\x47" }, { 2, 1, "\x01\x46" }, { 2, 1, "\x13\x47" },
        { 3, 0, "\x0f\xb6\x56" }, { 3, 1, "\x8b\x54\x8b" },
        { 3, 1, "\x89\x54\x8b" }, { 3, 0, "\x0f\x28\x46" }, { 3, 0, "\x0f\x10\x4f" },
        { 3, 0, "\x0f\x11\x4e" }, { 3, 0, "\x0f\x29\x4f" }, { 2, 1, "\x89\x53" },
        { 3, 0, "\x64\x8b\x46" }, { 2, 1, "\x3b\x46" }, { 2, 0, "\x88\x47" },
        { 3, 0, "\x8a\x44\x0e" }, { 3, 0, "\x0f\xc1\x47" }, { 2, 1, "\x8d\x56" },
    };
    static const struct { uint8_t n; char code[7]; } plain[] = {
        { 2, "\x50\x5a" }, { 2, "\x01\xd0" }, { 3, "\x0f\x92\xc2" }, { 4, "\x74\x02\x01\xd0" },
        { 4, "\x39\x06\x74\x00" }, { 6, "\x89\xf2\x8b\x42\x08\x90" },
        { 2, "\xd1\xe0" }, { 5, "\x72\x03\x83\xc6\x00" }, { 5, "\x0f\xba\xe0\x03\x90" },
        { 2, "\xf7\xe2" }, { 2, "\x9c\x58" },
    };
    if (one_in(c->r, 4)) {
        unsigned k = rng_below(c->r, G_N_ELEMENTS(plain));
        put_bytes(c, plain[k].code, plain[k].n);
        return;
    }
    unsigned k = rng_below(c->r, G_N_ELEMENTS(ops));
    if (ops[k].w) {
        put_rex_w(c);
    }
    put_bytes(c, ops[k].code, ops[k].n);
    put(c, rng_below(c->r, 4) ? 16 * rng_below(c->r, 4) : (unsigned)rng(c->r) & 0xff);
}

/* The same off SI, DI and BX + SI, which may wrap at 64 KiB or leave a segment. */
static void walk_word(Code *c)
{
    static const char ops[][4] = { "\x8b\x44", "\x89\x45", "\x01\x44", "\x13\x45", "\x88\x45",
                                   "\x8a\x40", "\x89\x50", "\x3b\x44", "\x86\x55", "\x8d\x54" };
    bool end = one_in(c->r, 3);

    set_register(c, 6, end ? 0xffff - rng_below(c->r, 64) : 0x8000 + rng_below(c->r, 0x7000));
    set_register(c, 7, end ? rng_below(c->r, 64) : 0x8000 + rng_below(c->r, 0x7000));
    set_register(c, 3, rng_below(c->r, 0x6000));
    set_register(c, 1, 1 + rng_below(c->r, one_in(c->r, 3) ? 8 : 600));
    unsigned top = c->n;
    for (unsigned k = 1 + rng_below(c->r, 5); k; k--) {
        put_bytes(c, "\x66", one_in(c->r, 4));
        put_bytes(c, "\x64", one_in(c->r, 6));        /* fs */
        put_bytes(c, ops[rng_below(c->r, G_N_ELEMENTS(ops))], 2);
        put(c, (unsigned)rng(c->r));
    }
    put_bytes(c, "\x83\xc6", 2);       /* add si, n; sub di, n */
    put(c, rng_below(c->r, 20) - 4);
    put_bytes(c, "\x83\xef", 2);
    put(c, rng_below(c->r, 8));
    put_bytes(c, "\x49\x75", 2);       /* dec cx; jnz */
    put(c, top - (c->n + 1));
}

/*
 * A loop over memory, mostly through several pages, some of which may not be there or hold what
 * runs.
 */
static void walk(Code *c)
{
    static const int8_t steps[] = { 0, 1, 2, 4, 4, 8, 8, 16, 16, 3, 12, 64, -1, -4, -8, -16, -24 };

    if (is_16(c->mode)) {
        walk_word(c);
        return;
    }
    for (unsigned k = 0; k < 3; k++) {  /* mov esi, edi, ebx */
        put(c, k == 0 ? 0xbe : k == 1 ? 0xbf : 0xbb);
        put_n(c,
              one_in(c->r, 10)
                  ? c->at + c->n + rng_below(c->r, 256)
                  : (DATA + 0x7000 + rng_below(c->r, 0x7800)) & (one_in(c->r, 2) ? ~15u : ~0u),
              4);
    }
    put(c, 0xb9);
    put_n(c, one_in(c->r, 4) ? 1 + rng_below(c->r, 8) : 1 + rng_below(c->r, 600), 4);
    unsigned top = c->n;
    for (unsigned k = 1 + rng_below(c->r, 5); k; k--) {
        walk_step(c);
    }
    for (unsigned k = 0; k < 2; k++) {
        unsigned step = (uint8_t)steps[rng_below(c->r, G_N_ELEMENTS(steps))];
        put_rex_w(c);
        put(c, one_in(c->r, 4) ? 0x8d : 0x83);
        /* lea esi, [esi + n]; add esi, n */
        put(c, c->p[c->n - 1] == 0x8d ? k ? 0x7f : 0x76 : k ? 0xc7 : 0xc6);
        put(c, step);
        if (one_in(c->r, 3)) {
            walk_step(c);
        }
    }
    if (one_in(c->r, 4)) {
        put(c, 0xe2);                   /* loop */
    } else {
        put_bytes(c, "\xff\xc9\x75", 3);                       /* dec ecx; jnz */
    }
    put(c, top - (c->n + 1));
}

/*
 * The same with an index of 32 bits that goes up, perhaps beyond 2^31 or 2^32, extended either way.
 */
static void climb(Code *c)
{
    static const struct { uint8_t n; char code[8]; } ops[] = {
        { 4, "\x8b\x54\x8b\x08" }, { 4, "\x01\x54\x8b\x10" },
        { 4, "\x8a\x54\x0b\x21" }, { 5, "\x48\x89\x54\xcb\xf0" },
        { 7, "\x48\x63\xd1\x03\x44\x93\x04" }, { 6, "\x89\xca\x8b\x44\x93\x0c" },
        { 7, "\x8d\x51\xff\x03\x44\x93\x04" }, { 8, "\x89\xca\x48\xff\xca\x8b\x04\x93" },
        { 7, "\x8d\x51\x02\x89\x44\x93\x04" }, { 2, "\x01\xd0" },
    };
    static const uint32_t near[] = { 0, 0, 3, 0x80000000u, 0 };
    unsigned which = rng_below(c->r, G_N_ELEMENTS(near));
    uint32_t from = near[which] - (which > 2 ? rng_below(c->r, 900) : 0);
    uint64_t base = DATA + 0x7000 + rng_below(c->r, 0x3000);

    base -= (one_in(c->r, 2) ? 4 : 1) * (uint64_t)from;

    if (c->mode != M_LONG) {
        walk(c);
        return;
    }
    put_bytes(c, "\x48\xbb", 2);        /* mov rbx, base; mov ecx, from; mov esi, turns */
    put_n(c, base, 8);
    put(c, 0xb9);
    put_n(c, from, 4);
    put(c, 0xbe);
    put_n(c, 1 + rng_below(c->r, 1000), 4);
    unsigned top = c->n;
    for (unsigned k = 1 + rng_below(c->r, 3); k; k--) {
        unsigned op = rng_below(c->r, G_N_ELEMENTS(ops));
        put_bytes(c, ops[op].code, ops[op].n);
    }
    switch (rng_below(c->r, 4)) {
    case 0:
        put_bytes(c, "\xff\xc1", 2);                  /* inc ecx */
        break;
    case 1:
        put_bytes(c, "\x8d\x49\x02", 3);              /* lea ecx, [rcx + 2] */
        break;
    case 2:
        put_bytes(c, "\xff\xc1\x48\x63\xc9", 5);      /* inc ecx; movsxd rcx, ecx */
        break;
    default:
        put_bytes(c, "\x83\xc1", 2);                  /* add ecx, 1 to 8 */
        put(c, 1 + rng_below(c->r, 8));
    }
    put_bytes(c, "\xff\xce\x75", 3);                  /* dec esi; jnz */
    put(c, top - (c->n + 1));
}

static void control(Code *c)            /* CR0 and CR4: a bit changes */
{
    static const uint8_t cr0[] = { 3, 16, 18, 1 }, cr4[] = { 4, 7, 9, 2, 3, 11, 16 };
    bool four = one_in(c->r, 2);
    unsigned bit = four ? cr4[rng_below(c->r, 7)] : cr0[rng_below(c->r, 4)];
    unsigned reg = four ? 0xe0 : 0xc0;

    put_bytes(c, "\x0f\x20", 2);
    put(c, reg);
    put_bytes(c, "\x66", is_16(c->mode));
    put_bytes(c, "\x0f\xba\xf8", 3);    /* btc eax, bit */
    put(c, bit);
    put_bytes(c, "\x0f\x22", 2);
    put(c, reg);
}

static void page(Code *c)               /* an entry changes, and is flushed or not yet used */
{
    unsigned k = rng_below(c->r, 0x50), at = c->mode == M_PROT32 ? PT32 + 4 * k : PT + 8 * k;

    if (is_16(c->mode)) {
        return;
    }
    put_bytes(c, "\xc7\x04\x25", 3 - (c->mode != M_LONG));
    c->p[c->n - 1] = c->mode != M_LONG ? 0x05 : c->p[c->n - 1];
    put_n(c, at, 4);
    put_n(c,
          (0x1000u * (one_in(c->r, 4) ? 0x40 + rng_below(c->r, 16) : k)) | (rng(c->r) & 0x160) |
              (one_in(c->r, 4) ? rng(c->r) & 7 : 7),
          4);
    if (one_in(c->r, 2)) {
        put_bytes(c, "\x0f\x20\xd8\x0f\x22\xd8", 6);
    } else {
        put_bytes(c, "\x0f\x01\x3c\x25", 4 - (c->mode != M_LONG));
        c->p[c->n - 1] = c->mode != M_LONG ? 0x3d : c->p[c->n - 1];
        put_n(c, 0x1000 * k, 4);
    }
}

static void segment(Code *c)
{
    put_bytes(c, "\xb8", 1);
    put_n(c, one_in(c->r, 4) ? rng_below(c->r, 0x58) : 0x10 + 8 * (rng_below(c->r, 6) & ~1u),
          word(c));
    switch (rng_below(c->r, 6)) {
    case 0: put_bytes(c, "\x8e\xd8", 2); break;
    case 1: put_bytes(c, "\x8e\xc0", 2); break;
    case 2: put_bytes(c, "\x0f\x02\xc8", 3); break;     /* lar */
    case 3: put_bytes(c, "\x0f\x03\xc8", 3); break;
    case 4: put_bytes(c, "\x0f\x00\xe0", 3); break;     /* verr */
    default: put_bytes(c, "\x8e\xe8", 2); break;
    }
}

static void far_away(Code *c)          /* to the next instruction: a far jump, a far return, IRET */
{
    static const unsigned selectors[] = { 8, 8, 8, 0x18, 0x28, 0x3b };
    unsigned sel =
        c->mode == M_REAL || c->mode == M_VM86 ? CODE >> 4 : selectors[rng_below(c->r, 6)];
    unsigned off = is_16(c->mode) ? c->at - LOW : c->at;

    if (c->mode != M_LONG && one_in(c->r, 2)) {
        put(c, 0xea);
        put_n(c, off + c->n + word(c) + 2, word(c));
        put_n(c, sel, 2);
        return;
    }
    bool iret = one_in(c->r, 2) && c->mode != M_LONG;
    if (iret) {
        put(c, 0x9c);
    }
    put(c, 0x68);
    put_n(c, sel, word(c));
    put(c, 0x68);
    unsigned len = c->mode == M_LONG ? 2 : 1;
    put_n(c, off + c->n + word(c) + len, word(c));
    put_bytes(c, "\x48", len == 2);
    put(c, iret ? 0xcf : 0xcb);
}

static void system_register(Code *c)
{
    static const uint32_t msrs[] = { 0x10, 0x174, 0x175, 0x176, 0x277, 0x1a0, 0xc0000080,
                                     0xc0000081, 0xc0000082, 0xc0000084, 0xc0000100, 0xc0000102,
                                         0x2ff, 0x200 };

    put_bytes(c, "\x66", is_16(c->mode));
    put(c, 0xb9);
    put_n(c, msrs[1 + rng_below(c->r, G_N_ELEMENTS(msrs) - 1)], 4);
    put_bytes(c, one_in(c->r, 3) ? "\x0f\x30" : "\x0f\x32", 2);
}

static void anything(Code *c)
{
    static const struct { uint8_t n; char code[7]; } list[] = {
        { 2, "\xcd\x80" }, { 2, "\xcd\x90" }, { 2, "\xcd\xa1" }, { 1, "\xfa" }, { 1, "\xfb" },
        { 2, "\x0f\x06" }, { 1, "\x9d" }, { 3, "\x0f\x01\xe0" },
        { 3, "\x0f\x00\xc8" }, { 3, "\x0f\x00\xc0" }, { 3, "\x0f\x23\xc0" }, { 3, "\x0f\x21\xf9" },
        { 2, "\x0f\xa0" }, { 1, "\x1e" }, { 1, "\x07" },
        { 1, "\x60" }, { 1, "\x61" }, { 4, "\xc8\x10\x00\x02" }, { 1, "\xc9" },
        { 3, "\x0f\xae\x16" }, { 2, "\xdb\xe3" }, { 2, "\xd9\xe8" }, { 2, "\xde\xc1" },
        { 2, "\xdd\x1e" }, { 3, "\x0f\x6f\x06" }, { 3, "\x0f\xfe\xc1" }, { 2, "\x0f\x77" },
        { 3, "\xf0\xff\x06" }, { 4, "\xf0\x0f\xb1\x0e" }, { 2, "\xf3\x90" },
        { 1, "\xce" }, { 1, "\xcc" }, { 1, "\xf1" }, { 2, "\x0f\x05" }, { 2, "\x0f\x34" },
        { 2, "\x0f\x09" }, { 3, "\x0f\x01\xf8" }, { 3, "\x0f\x01\xca" },
        { 3, "\x0f\x01\xcb" }, { 2, "\xf7\xf1" }, { 1, "\x9b" }, { 1, "\xf4" },
        { 3, "\x0f\xba\x26" },
    };
    unsigned k = rng_below(c->r, G_N_ELEMENTS(list));
    put_bytes(c, list[k].code, list[k].n);
}

typedef void Maker(Code *c);
static Maker *const makers[] = {
    chunk, chunk, modify, modify, modify_wide, modify_wide, string_to_code, stack_in_code, loop,
    walk, walk, climb, control, page, page, segment, far_away, system_register, anything, anything,
};

static void program(Case *k, Rng *r)
{
    Code c = { .r = r, .mode = k->mode };

    k->at = CODE + (one_in(r, 3) ? 0x1000 - rng_below(r, 64) : rng_below(r, 0x3000));
    c.at = k->at;
    c.p = k->memory + k->at - LOW;
    unsigned pieces = 3 + rng_below(r, 10);
    for (unsigned i = 0; i < MIN(pieces, k->most) && c.n < 700; i++) {
        makers[rng_below(r, G_N_ELEMENTS(makers))](&c);
    }
    put(&c, 0xf4);
    k->n = c.n;
}

/* ---- tables ---- */
static void at64(Case *k, uint32_t at, uint64_t v) { memcpy(k->memory + at - LOW, &v, 8); }
static void at32(Case *k, uint32_t at, uint32_t v) { memcpy(k->memory + at - LOW, &v, 4); }

static uint64_t entry(Rng *r, uint64_t to)
{
    return (to | 7 | (rng(r) & 0x160)) ^ (one_in(r, 40) ? 1ull << rng_below(r, 9) : 0);
}

static void put_pages(Case *k, Rng *r)
{
    at64(k, PML4, PDPT | 7);
    at64(k, PDPT, PD | 7);
    at64(k, PDPAE, PD | 1);
    at64(k, PD, PT | 7);
    at64(k, PD + 8, 0x87 | (rng(r) & 0x100));
    at32(k, PD32, PT32 | 7);
    at32(k, PD32 + 4, 0x87);
    for (unsigned i = 0; i < 0x50; i++) {
        bool sure = i < 0x40;           /* tables, code and handlers are there */
        at64(k, PT + 8 * i, sure ? 0x1000ull * i | 7 : entry(r, 0x1000ull * i));
        at32(k, PT32 + 4 * i, sure ? 0x1000u * i | 7 : (uint32_t)entry(r, 0x1000ull * i));
    }
}

static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)flags << 52 |
           (uint64_t)(base >> 24) << 56;
}

/*
 * 8, 10: CPL 0; 18 conforming; 20 read-only; 28 16-bit or compatibility; 38, 30: CPL 3; 40: TSS;
 * 50: expand-down.
 */
static void put_tables(Case *k, Rng *r)
{
    bool low = k->mode == M_PROT16;
    uint32_t base = low ? LOW : 0, limit = low ? 0xffff : 0xfffff;
    unsigned f = low ? 0 : 0xc, code = k->mode == M_LONG ? 0xa : f;

    at64(k, GDT, 0);
    at64(k, GDT + 0x08, descriptor(base, limit, 0x9b, code));
    at64(k, GDT + 0x10, descriptor(base, limit, 0x93, f));
    at64(k, GDT + 0x18, descriptor(base, limit, 0x9f, code));
    at64(k, GDT + 0x20, descriptor(base, limit, 0x91, f));
    at64(k, GDT + 0x28, descriptor(base, limit, 0x9a, k->mode == M_LONG ? 0xc : f ^ 4));
    at64(k, GDT + 0x30, descriptor(base, limit, 0xf3, f));
    at64(k, GDT + 0x38, descriptor(base, limit, 0xfa, code));
    at64(k, GDT + 0x40, descriptor(TSS, 0x67, 0x89, 0));
    at64(k, GDT + 0x48, 0);
    at64(k, GDT + 0x50, descriptor(base, 0x3ff, 0x97, f));
    for (unsigned i = 0; i < 256; i++) {
        uint32_t to = HANDLERS + 16 * i - (low ? LOW : 0);
        bool back = i >= 0x80 && i & 1;
        unsigned kind = one_in(r, 8) ? 0x8f : 0x8e, dpl = i >= 0x80 || i == 3 || i == 4 ? 0x60 : 0;
        uint64_t gate =
            (to & 0xffff) | 8ull << 16 | (uint64_t)(kind | dpl) << 40 | (uint64_t)(to >> 16) << 48;
        const char *handler = !back              ? "\xf4"
                              : is_wide(k->mode) ? "\x48\xcf"
                              : is_16(k->mode) && k->mode != M_REAL
                                  ? "\x66\xcf"
                                  : "\xcf";
        strcpy((char *)k->memory + HANDLERS - LOW + 16 * i, handler);
        if (k->mode == M_REAL) {
            at32(k, IDT + 4 * i, (HANDLERS >> 4) << 16 | 16 * i);
        } else if (is_wide(k->mode)) {
            at64(k, IDT + 16 * i, gate);
            at64(k, IDT + 16 * i + 8, 0);
        } else {
            at64(k, IDT + 8 * i, gate);
        }
    }
    at32(k, TSS + 4, k->mode == M_PROT16 ? 0xff00 : STACK);
    at32(k, TSS + 8, 0x10);
    if (is_wide(k->mode)) {
        at64(k, TSS + 4, STACK);
    }
    at32(k, TSS + 0x64, 0x68u << 16);
}

void case_make(Case *k, uint64_t seed, uint64_t number)
{
    static uint8_t filled[sizeof k->memory];
    Rng r;

    if (!filled[0]) {
        rng_seed(&r, seed);
        for (unsigned i = 0; i < sizeof filled; i += 8) {
            uint64_t v = rng(&r);
            memcpy(filled + i, &v, 8);
        }
        filled[0] = 1;
    }
    rng_seed(&r, seed * 0x9e3779b97f4a7c15u + number);
    memcpy(k->memory, filled, sizeof filled);
    k->seed = rng(&r);
    k->mode = (Mode)(number % N_MODES);
    put_pages(k, &r);
    put_tables(k, &r);
    program(k, &r);
}
