/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * native.c -- the translation of integer instructions against the processor: random instructions
 * with random registers, flags and memory run once on the host and once through decoder,
 * translator, optimiser and interpreter.  64-bit code, and 32-bit code by a far jump to the host
 * kernel's flat 32-bit segment.
 *
 * usage: native [seed [count]]; the same seed gives the same run.  Guest memory is the host's,
 * address for address.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Omits: control transfers, segments, 16-bit code; flags that the manual calls undefined are not
 *   compared.
 * Threads: one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "cpu/x86/translate.h"
#include "tests/cpu/flat.h"
#include "tests/cpu/rnd.h"

#ifndef __x86_64__
int main(void)
{
    printf("native: this host is another architecture; nothing to compare with\n");
    return 0;
}
#else

enum { AREA = 0x20000000, AREA_BYTES = 8192, MIDDLE = AREA + 4096 };
typedef struct State { uint64_t r[16], flags; } State;

static uint8_t *code;                   /* executable */
/* Linux, arch/x86: its fixed selectors */
enum { USER32_CS = 0x23, USER_CS = 0x33, USER_DS = 0x2b };
static State *host;                     /* below 2 GiB, beside the area */

static const IrHelperDesc helpers[XH_N] = {
#define H(name) [XH_##name] = { #name, x86_h_##name, 0 }
    H(bcd), H(pusha), H(popa), H(movs), H(stos), H(lods), H(cmps), H(scas),
    H(enter), H(check_eip), H(cmpxchg8b), H(cmpxchg16b), H(bmi), H(pext), H(pdep),
#undef H
};
static const DbtGuest guest = { .trap = flat_trap, .helpers = helpers, .n_helpers = XH_N,
                                .n_gpr = 16, .canonical_bits = 48 };

/* ---- the host's side ---- */
static void on_signal(int n) { siglongjmp(flat_trapped, 1); }

static uint8_t *put(uint8_t *p, const void *bytes, size_t n) { memcpy(p, bytes, n); return p + n; }
/* mov r, [rax + at] or back */
static uint8_t *put_move(uint8_t *p, unsigned op, unsigned r, unsigned at)
{
    uint8_t b[] = { (uint8_t)(0x48 | (r >> 3) << 2), (uint8_t)op, (uint8_t)(0x80 | (r & 7) << 3),
                    (uint8_t)at, (uint8_t)(at >> 8), 0, 0 };
    return put(p, b, sizeof b);
}

/*
 * A function that loads all registers and flags from *host, runs the instruction, and stores them.
 */
static uint8_t *put_far(uint8_t *p, uint32_t to, uint16_t selector)
{
    p = put(p, &to, 4);
    return put(p, &selector, 2);
}

static void build(const uint8_t *insn, unsigned n, bool wide)
{
    static const uint8_t enter[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57 };
    static const uint8_t leave[] = { 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d,
                                     0x41, 0x5c, 0x5d, 0x5b, 0xc3 };
    uint64_t at = (uint64_t)host;
    uint8_t *p = put(code, enter, sizeof enter);
    /* mov eax, ..; mov ds, eax; mov es, eax */
    p = put(p, (uint8_t[]){ 0xb8, USER_DS, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0 }, 9);
    *p++ = 0x48; *p++ = 0xb8; p = put(p, &at, 8);                               /* mov rax, host */
    p = put_move(p, 0x89, R_RSP, 256);
    p = put(p, (uint8_t[]){ 0xff, 0xb0, 128, 0, 0, 0, 0x9d }, 7);    /* push [rax + flags]; popfq */
    for (unsigned r = 1; r < 16; r++)
        p = put_move(p, 0x8b, r, r * 8);
    p = put_move(p, 0x8b, R_RAX, 0);
    if (!wide) {
        uint32_t pointer = (uint32_t)(uint64_t)code + 2048;
        put_far(code + 2048, (uint32_t)(uint64_t)p + 7, USER32_CS);
        p = put(p, (uint8_t[]){ 0xff, 0x2c, 0x25 }, 3); /* jmp far [pointer] */
        p = put(p, &pointer, 4);
    }
    p = put(p, insn, n);
    if (!wide) {
        *p++ = 0xea;
        p = put_far(p, (uint32_t)(uint64_t)p + 6, USER_CS);
    }
    *p++ = 0x48; *p++ = 0xa3; p = put(p, &at, 8);       /* mov [host], rax */
    *p++ = 0x48; *p++ = 0xb8; p = put(p, &at, 8);
    for (unsigned r = 1; r < 16; r++)
        p = put_move(p, 0x89, r, r * 8);
    p = put_move(p, 0x8b, R_RSP, 256);
    /* pushfq; pop [rax + flags]; cld */
    p = put(p, (uint8_t[]){ 0x9c, 0x8f, 0x80, 128, 0, 0, 0, 0xfc }, 8);
    put(p, leave, sizeof leave);
}

static bool run_native(State *s, const uint8_t *insn, unsigned n, bool wide)
{
    *host = *s;
    build(insn, n, wide);
    if (sigsetjmp(flat_trapped, 1))
        return false;
    ((void (*)(void))(uintptr_t)code)();
    *s = *host;
    return true;
}

/* ---- ours ---- */
static bool run_here(X86Cpu *c, IrBlock *b, State *s, const uint8_t *insn, unsigned *undef,
                     uint64_t mode)
{
    uint8_t page[32] = { 0 };
    memcpy(page, insn, 15);
    memcpy(c->dbt.gpr, s->r, sizeof s->r);
    c->dbt.fl = x86_eflags_to_fl(s->flags);
    c->df = s->flags & EF_DF ? -1 : 1;
    c->rflags = 2 | (s->flags & EF_DF);
    c->dbt.pc = 0x400000;
    ir_begin(b, c->dbt.pc, mode);
    c->seg[S_CS].attr = mode & X86_MODE_CODE64 ? ATTR_L : ATTR_DB;
    x86_translate(&c->dbt, b, page, 32, NULL, 1);
    *undef = 0;
    for (unsigned k = 0; k < b->n_insns; k++) {
        *undef |= b->insns[k].undef;
        if (b->insns[k].op == IR_jmp)
            b->insns[k].live = FL_ALL;                  /* the successor wants them all */
    }
    ir_optimise(b, FL_ALL, helpers);
    if (sigsetjmp(flat_trapped, 1))
        return false;
    interp_run(&c->dbt, b);
    memcpy(s->r, c->dbt.gpr, sizeof s->r);
    s->flags = x86_fl_to_eflags(c->dbt.fl);
    return true;
}

/* ---- instructions ---- */
static const uint16_t opcodes[] = {     /* 1xx: 0F xx; 2xx: 0F 38 xx */
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
    0x0d, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1b,
    0x1c, 0x1d, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2a,
    0x2b, 0x2c, 0x2d, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x39,
    0x3a, 0x3b, 0x3c, 0x3d, 0x50, 0x54, 0x57, 0x58, 0x5c, 0x5e, 0x63,
    0x68, 0x69, 0x6a, 0x6b, 0x80, 0x81, 0x83, 0x80, 0x81, 0x83, 0x84,
    0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0x8f, 0x90, 0x91,
    0x97, 0x98, 0x99, 0x9e, 0x9f, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
    0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0, 0xb4, 0xb7, 0xb8, 0xbb,
    0xc0, 0xc1, 0xc0, 0xc1, 0xc0, 0xc1, 0xc6, 0xc7, 0xc8, 0xc9, 0xd0,
    0xd1, 0xd2, 0xd3, 0xd0, 0xd1, 0xd2, 0xd3, 0xd2, 0xd3, 0xd7, 0xf5,
    0xf8, 0xf9, 0xfc, 0xf6, 0xf7, 0xf6, 0xf7, 0xf6, 0xf7, 0xfe, 0xff,
    0x140, 0x141, 0x142, 0x143, 0x144, 0x145, 0x146, 0x147, 0x148, 0x149,
    0x14a, 0x14b, 0x14c, 0x14d, 0x14e, 0x14f, 0x190, 0x191, 0x192,
    0x193, 0x194, 0x195, 0x196, 0x197, 0x198, 0x199, 0x19a, 0x19b, 0x19c,
    0x19d, 0x19e, 0x19f, 0x1a3, 0x1a4, 0x1a5, 0x1ab, 0x1ac, 0x1ad,
    0x1af, 0x1b0, 0x1b1, 0x1b3, 0x1b6, 0x1b7, 0x1b8, 0x1ba, 0x1bb, 0x1bc,
    0x1bd, 0x1be, 0x1bf, 0x1c0, 0x1c1, 0x1c3, 0x1c7, 0x1c8, 0x1cb,
    0x1cf, 0x2f0, 0x2f1, 0x2f6,
};
static const struct { uint8_t map, op, pp; } vex_opcodes[] = {
    { 2, 0xf2, 0 }, { 2, 0xf3, 0 }, { 2, 0xf5, 0 }, { 2, 0xf5, 2 },
    { 2, 0xf5, 3 }, { 2, 0xf6, 3 }, { 2, 0xf7, 0 }, { 2, 0xf7, 1 },
    { 2, 0xf7, 2 }, { 2, 0xf7, 3 }, { 3, 0xf0, 3 },
};
static const uint16_t legacy[] = { 0x27, 0x2f, 0x37, 0x3f, 0x40, 0x43, 0x47, 0x48,
                                   0x4c, 0x4f, 0x60, 0x61, 0x82, 0xd4, 0xd5, 0xd6 };

/* BMI1 and BMI2 */
static unsigned put_vex(uint8_t *p, unsigned which, uint64_t v, bool wide)
{
    unsigned rxb = wide ? (v >> 13 & 7) << 5 : 0xe0;
    p[0] = 0xc4;
    p[1] = (uint8_t)(rxb | vex_opcodes[which].map);
    p[2] = (uint8_t)((v >> 16 & 1) << 7 | (v >> 50 & 15) << 3 | vex_opcodes[which].pp |
                     (wide ? 0 : 0x40) | ((v >> 60) == 3 ? 4 : 0));
    p[3] = vex_opcodes[which].op;
    if (vex_opcodes[which].map == 3)
        p[2] |= 0x78;
    return 4;
}

static void make(uint8_t *p, unsigned op, bool wide)
{
    /* rbx rbp rsi rdi and with REX.B r11 r13 r14 r15; SIB */
    static const uint8_t rms[] = { 3, 5, 6, 7, 4 };
    unsigned n = 0;
    uint64_t v = rnd();
    if (op >> 12) {
        n = put_vex(p, op & 0xff, v, wide);
        goto modrm;
    }
    if ((v & 7) == 0 || (op == 0x2f6 && (v & 1))) p[n++] = 0x66;
    if ((v >> 3 & 31) == 0) p[n++] = 0xf0;
    if ((v >> 8 & 7) == 0) p[n++] = v >> 11 & 1 ? 0xf2 : 0xf3;
    if (wide && (v >> 12 & 1)) p[n++] = 0x40 | (v >> 13 & 15);
    if (op >> 8) p[n++] = 0x0f;
    if (op >> 8 == 2) p[n++] = 0x38;
    p[n++] = (uint8_t)op;
modrm:;
    unsigned rm = rms[(v >> 20) % 5], mod = v >> 23 & 1 ? 3 : v >> 24 & 1 ? 1 : 2;
    if (mod == 3)
        p[n++] = 0xc0 | (v >> 24 & 63);
    else {
        p[n++] = (uint8_t)(mod << 6 | (v >> 25 & 7) << 3 | rm);
        if (rm == 4)
            p[n++] = (v >> 28 & 3) << 6 | 1 << 3 | 3;   /* [rbx or r11 + rcx or r9 * scale] */
    }
    memset(p + n, 0, 24);
    memcpy(p + n, &(uint64_t){ rnd() }, 8);
    if (mod == 2) {                                     /* a small displacement */
        p[n + 1] = p[n + 2] = p[n + 3] = 0;
        memcpy(p + n + 4, &(uint64_t){ rnd() }, 8);
    }
}

static void random_state(State *s, bool wide)
{
    static const uint8_t pointers[] = { R_RBX, R_RSP, R_RBP, R_RSI, R_RDI,
                                        R_R11, R_R13, R_R14, R_R15 };
    for (unsigned k = 0; k < 16; k++) {
        uint64_t v = rnd();
        s->r[k] = (v & 3) == 0   ? (uint64_t)(int64_t)(int8_t)(v >> 8)
                  : (v & 3) == 1 ? UINT64_C(1) << (v >> 8 & 63)
                                 : rnd();
    }
    for (unsigned k = 0; k < sizeof pointers; k++)
        s->r[pointers[k]] = MIDDLE + (rnd() & 0x1ff);
    for (unsigned k = 0; k < 16 && !wide; k++)
        s->r[k] = k < 8 ? (uint32_t)s->r[k] : 0;
    s->flags = (rnd() & EF_ARITH) | 2 | (rnd() & 3 ? 0 : EF_DF);
}

/*
 * Keep the instruction inside the area and away from what the manual leaves undefined; false: leave
 * it out.
 */
static bool tame(const X86Insn *i, State *s)
{
    unsigned op = i->map << 8 | i->opcode;
    bool memory = i->row->has_modrm && i->mod != 3;
    if (memory && i->base != X86_NO_REG && i->base != R_RBX && i->base < 5 &&
        i->row->tr != x86_tr_LEA)
        return false;
    if (memory && i->index != X86_NO_REG)
        s->r[i->index] &= 0x7f;
    if (op >= 0xa4 && op <= 0xaf && i->rep)
        s->r[R_RCX] &= 0x3f;
    /* ARPL is with the segments */
    if ((memory && i->asize == 2) || (op == 0x63 && (i->row->props & PROT)))
        return false;
    if (op >= 0xd4 && op <= 0xd5 && (i->imm & 0xff) == 0)
        return op == 0xd5;
    if (op == 0xff && ((i->modrm >> 3) & 7) != 6 && ((i->modrm >> 3) & 7) > 1)
        return false;
    if (op == 0xc8)
        return (i->imm2 & 31) < 4 && i->imm < 0x200 && i->osize != 2;
    if (memory && (op == 0x1a3 || op == 0x1ab || op == 0x1b3 || op == 0x1bb)) {
        if (i->base == i->reg || i->index == i->reg)
            return false;
        s->r[i->reg] = (uint64_t)((int64_t)(s->r[i->reg] << 52) >> 52);
    }
    if ((op == 0x1a4 || op == 0x1ac) && i->osize == 2 && (i->imm & 31) > 16)
        return false;
    if ((op == 0x1a5 || op == 0x1ad) && i->osize == 2)
        s->r[R_RCX] &= ~UINT64_C(0x1f);
    if (op >= 0x1c8 && op <= 0x1cf && i->osize == 2)
        return false;
    if (op == 0x1c7 && (i->modrm >> 3 & 7) != 1)    /* RDRAND, XSAVEC */
        return false;
    if (op == 0x90 && i->rep == 0xf3)
        return i->rex & 1;
    if (op == 0x1c7 && i->osize == 8)
        return memory && i->index == X86_NO_REG && !((s->r[i->base] + (uint64_t)i->disp) & 15);
    return true;
}

static unsigned undefined_here(const X86Insn *i, const State *s)
{
    unsigned op = i->map << 8 | i->opcode;
    if (i->vex && i->map == 2 && i->mandatory == P_NP)
        return op == 0x2f7 ? FL_A | FL_P | FL_S : FL_A | FL_P;
    switch (op) {
    case 0x27: case 0x2f: return FL_O;
    case 0x37: case 0x3f: return FL_O | FL_S | FL_Z | FL_P;
    case 0xd4: case 0xd5: return FL_O | FL_A | FL_C;
    }
    if (op == 0xf6 || op == 0xf7)
        return ((i->modrm >> 3) & 7) >= 6 ? FL_ALL : 0;
    if (op == 0xc0 || op == 0xc1 || (op >= 0xd0 && op <= 0xd3)) {
        unsigned count = (op < 0xd0 ? i->imm : op < 0xd2 ? 1 : s->r[R_RCX]) & 31;
        bool is_shift = (i->modrm >> 5) & 1;
        return is_shift && count >= (op & 1 ? i->osize * 8u : 8u) ? FL_C : 0;
    }
    return 0;
}

static unsigned eflags_of(unsigned fl)
{
    return (fl & FL_C ? EF_CF : 0) | (fl & FL_P ? EF_PF : 0) | (fl & FL_A ? EF_AF : 0) |
           (fl & FL_Z ? EF_ZF : 0) | (fl & FL_S ? EF_SF : 0) | (fl & FL_O ? EF_OF : 0);
}

static void report(const X86Insn *i, const uint8_t *p, const State *in, const State *want,
                   const State *got, const char *what)
{
    printf("%s:", i->row->name);
    for (unsigned k = 0; k < i->length; k++)
        printf(" %02x", p[k]);
    printf(" (%s)\n", what);
    for (unsigned r = 0; r < 16; r++) {
        if (want->r[r] != got->r[r] || i->row->tr == NULL)
            printf("    r%u: in %016lx, processor %016lx, here %016lx\n", r, in->r[r], want->r[r],
                   got->r[r]);
    }
    printf("    rax %lx rcx %lx rdx %lx rbx %lx; flags: in %03lx, processor %03lx, here %03lx\n",
           in->r[0], in->r[1], in->r[2], in->r[3], in->flags & EF_ARITH, want->flags & EF_ARITH,
           got->flags & EF_ARITH);
}

typedef struct Test { X86Cpu *c; IrBlock *b; uint8_t *area; unsigned done, vex, bad; } Test;

static void test_one(Test *t, bool wide)
{
    static uint8_t before[AREA_BYTES], after[AREA_BYTES];
    uint64_t mode = wide ? X86_MODE_CODE64 | X86_MODE_PE | X86_MODE_FLAT_CS
                         : X86_MODE_CODE32 | X86_MODE_PE | X86_MODE_FLAT_CS | X86_MODE_FLAT_DS |
                               X86_MODE_FLAT_ES | X86_MODE_FLAT_SS | X86_MODE_SS32;
    uint8_t p[48];
    State in, want, got;
    X86Insn i;
    unsigned undef, any = rnd() % (G_N_ELEMENTS(opcodes) + (wide ? 0 : G_N_ELEMENTS(legacy)));
    if (rnd() % 12 == 0)
        make(p, 0x1000 | (unsigned)(rnd() % G_N_ELEMENTS(vex_opcodes)), wide);
    else
        make(p, any < G_N_ELEMENTS(opcodes) ? opcodes[any] : legacy[any - G_N_ELEMENTS(opcodes)],
             wide);
    random_state(&in, wide);
    if (x86_decode(&i, p, 15, mode) != DEC_OK || !tame(&i, &in))
        return;
    for (unsigned q = 0; q < AREA_BYTES; q += 8)
        memcpy(before + q, &(uint64_t){ rnd() }, 8);
    memcpy(t->area, before, AREA_BYTES);
    want = got = in;
    bool fine = run_native(&want, p, i.length, wide);
    memcpy(after, t->area, AREA_BYTES);
    memcpy(t->area, before, AREA_BYTES);
    bool fine_here = run_here(t->c, t->b, &got, p, &undef, mode);
    undef |= undefined_here(&i, &in);
    if (i.map == 1 && (i.opcode & 0xfe) == 0xbc && i.osize == 4 && (want.flags & EF_ZF))
        return;    /* BSF of 0: whether the upper half stays is the CPU's taste */
    const char *what = fine != fine_here ? (fine ? "faults here" : "does not fault here")
                       : memcmp(want.r, got.r, sizeof want.r) ||
                               ((want.flags ^ got.flags) & EF_ARITH & ~eflags_of(undef))
                           ? "registers or flags"
                       : memcmp(after, t->area, AREA_BYTES) ? "memory"
                                                            : NULL;
    t->done++;
    t->vex += i.vex;
    if (what) {
        report(&i, p, &in, &want, &got, what);
        t->bad++;
    }
}

int main(int argc, char **argv)
{
    static uint8_t alt[65536];
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 200000;
    seed(argc, argv);
    uint8_t *area = mmap((void *)AREA, AREA_BYTES + 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (area != (void *)AREA) {
        perror("native: mmap");
        return 1;
    }
    code = area + AREA_BYTES;
    host = (State *)(area + AREA_BYTES + 4096);
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER };
    stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };
    sigaltstack(&ss, NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    X86Cpu *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
    memset(c, 0, sizeof *c);
    c->dbt.guest = &guest;
    c->dbt.ctx = aligned_alloc(_Alignof(DbtContext), sizeof(DbtContext));
    memset(c->dbt.ctx, 0, sizeof(DbtContext));
    dbt_context_empty(c->dbt.ctx);
    dbt_constants(&c->dbt);
    dbt_use(&c->dbt, c->dbt.ctx);
    c->efer = EFER_LMA;
    c->seg[S_SS].attr = ATTR_DB;
    memset(c->feat, 0xff, sizeof c->feat);
    Test t = { .c = c, .b = ir_new(), .area = area };
    for (unsigned k = 0; k < count && t.bad < 20; k++)
        test_one(&t, k & 1);
    printf("native: %u instructions (%u VEX-coded), %u differ\n", t.done, t.vex, t.bad);
    g_free(t.b);
    free(c->dbt.ctx);
    free(c);
    return t.bad != 0;
}
#endif
