/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex.c -- every row of vex.def, and vectors of vexint.def, against the processor: with both
 * lengths, registers and memory, immediates, values.
 *
 * usage: vex [seed [cases of each form]]; the same seed gives the same run.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Omits: unmasked exceptions; faults; 32-bit code.
 * Threads: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tests/cpu/fphost.h"

#ifndef __x86_64__
int main(void)
{
    printf("vex: this host is another architecture; nothing to compare with\n");
    return 0;
}
#else
typedef struct State {
    uint8_t  ymm[16][32];
    uint64_t rax, rcx, rdx, rflags;                     /* 512 */
    uint32_t mxcsr, pad[7];                             /* 544 */
    uint8_t  memory[512];                               /* 576 */
} State;
void vex_host(State *s, const void *code);
__asm__(
    ".text\n"
    "vex_host:\n\t"
    "pushq %rbx\n\tpushq %rbp\n\tsubq $24, %rsp\n\tmovq %rdi, %rbx\n\tmovq %rsi, %rbp\n\tstmxcsr (%rsp)\n\t"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\tvmovups 32*\\n(%rbx), %ymm\\n\n.endr\n\t"
    "movq 512(%rbx), %rax\n\tmovq 520(%rbx), %rcx\n\tmovq 528(%rbx), %rdx\n\tleaq 704(%rbx), %rdi\n\tldmxcsr 544(%rbx)\n\t"
    "pushq 536(%rbx)\n\tpopfq\n\t"
    "call *%rbp\n\t"
    "pushfq\n\tpopq 536(%rbx)\n\tstmxcsr 544(%rbx)\n\tldmxcsr (%rsp)\n\t"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\tvmovups %ymm\\n, 32*\\n(%rbx)\n.endr\n\t"
    "movq %rax, 512(%rbx)\n\tmovq %rcx, 520(%rbx)\n\tmovq %rdx, 528(%rbx)\n\t"
    "vzeroupper\n\taddq $24, %rsp\n\tpopq %rbp\n\tpopq %rbx\n\tret\n");
enum { MEMORY = 128 };                                  /* where rdi points in State.memory */

typedef struct Row { const char *name; uint8_t pp, map, opcode, form, digit; } Row;
enum { FORM_ANY, FORM_MEM, FORM_REG };
#define PP_P_NP 0
#define PP_P_66 1
#define PP_P_F3 2
#define PP_P_F2 3
#define F_MR FORM_ANY, 0
#define F_MEM FORM_MEM, 0
#define F_REG FORM_REG, 0
#define F_DR(n) FORM_REG, 1 + (n)
static const Row rows[] = {
#define VEX(nm, pfx, map, op, mr, ...) [VX_##nm] = { #nm, PP_##pfx, map, op, F_##mr },
#include "cpu/x86/vex.def"
#undef VEX
};

static uint8_t *host_code;

static bool has(const X86VexRow *r, unsigned letter)
{
    return r->ops[0] == letter || r->ops[1] == letter || r->ops[2] == letter;
}

/* The instruction, with registers at random. */
static unsigned assemble(uint8_t *p, unsigned vx, unsigned l, bool mem)
{
    const Row *w = &rows[vx];
    const X86VexRow *r = &x86_vex_rows[vx];
    unsigned n = 0, reg = random64() & 15, rm = random64() & 15,
             v = has(r, OPD_H) ? random64() & 15 : 0, index = 0;
    bool gather = r->props & VX_GATHER;
    if (has(r, OPD_G))
        reg %= 3;
    if (w->digit)
        reg = w->digit - 1;
    if (has(r, OPD_E))
        rm %= 3;
    if (mem)
        rm = gather ? 4 : R_RDI;
    while (gather && (index == reg || index == v || reg == v)) {
        index = random64() & 15;
        v = random64() & 15;
    }
    p[n++] = 0xc4;
    p[n++] =
        (uint8_t)((~reg >> 3 & 1) << 7 | (~index >> 3 & 1) << 6 | (~rm >> 3 & 1) << 5 | w->map);
    p[n++] = (uint8_t)(r->wide << 7 | (~v & 15) << 3 | l << 2 | w->pp);
    p[n++] = w->opcode;
    p[n++] = (uint8_t)((mem ? 0x40 : 0xc0) | (reg & 7) << 3 | (rm & 7));
    if (gather)
        p[n++] = (uint8_t)((random64() & 1) << 6 | (index & 7) << 3 | R_RDI);
    if (mem)
        p[n++] = 32;
    if (r->imm)
        p[n++] = (uint8_t)random64();
    return n;
}

static void random_bytes(void *at, unsigned n)
{
    static const uint32_t f32[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                    0x7fc00000, 0x7f800001, 1, 0x007fffff,
                                    0x7f7fffff, 0x4effffff, 0xcf000000, 0x3f000000, 0x7c01, 0x03ff };
    static const uint64_t f64[] = { 0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000,
                                    0x7ff0000000000000, 0x7ff8000000000000,
                                    0x7ff0000000000001, 1, 0x000fffffffffffff, 0x7fefffffffffffff, 0x41dfffffffc00000, 0x3690000000000000 };
    for (unsigned k = 0; k < n; k += 8) {
        uint64_t v = random64(), how = random64() % 5;
        if (how == 0)
            v = f64[v % G_N_ELEMENTS(f64)];
        else if (how == 1)
            v = f32[v % G_N_ELEMENTS(f32)] | (uint64_t)f32[(v >> 8) % G_N_ELEMENTS(f32)] << 32;
        else if (how == 2)                              /* of a moderate size */
            v = (v & 0x800fffffffffffff) | (uint64_t)(1000 + (v >> 52 & 63)) << 52;
        else if (how == 3)
            v = (v & 0x807fffff807fffff) | (uint64_t)(110 + (v >> 24 & 31)) << 23 |
                (uint64_t)(110 + (v >> 56 & 31)) << 55;
        memcpy((uint8_t *)at + k, &v, 8);
    }
}

static void fill(State *s, bool small_index)
{
    memset(s, 0, sizeof *s);
    random_bytes(s->ymm, sizeof s->ymm);
    random_bytes(s->memory, sizeof s->memory);
    for (unsigned k = 0; small_index && k < 512; k += 4) {
        /* an index, and a mask by its sign */
        uint32_t v = (uint32_t)(random64() % 100) - 50;
        memcpy((uint8_t *)s->ymm + k, &v, 4);
    }
    s->rax = random64(); s->rcx = random64(); s->rdx = random64();
    s->rflags = 0x202 | (random64() & EF_ARITH);
    s->mxcsr = 0x1f80 | (random64() & 0xe040);
}

/* Gathers of 64-bit indices need whole ones. */
static void whole_indices(State *s)
{
    for (unsigned k = 0; k < 512; k += 8) {
        int64_t v = (int64_t)(random64() % 100) - 50;
        memcpy((uint8_t *)s->ymm + k, &v, 8);
    }
}

static bool here(X86Cpu *c, State *s, const uint8_t *p, unsigned n, bool native)
{
    for (unsigned k = 0; k < 16; k++) {
        random_bytes(&c->vec[k], 64);
        memcpy(&c->vec[k], s->ymm[k], 32);
    }
    c->dbt.gpr[R_RAX] = s->rax; c->dbt.gpr[R_RCX] = s->rcx; c->dbt.gpr[R_RDX] = s->rdx;
    c->dbt.gpr[R_RDI] = (uintptr_t)&s->memory[MEMORY];
    c->dbt.fl = x86_eflags_to_fl(s->rflags);
    c->mxcsr = s->mxcsr;
    c->cr4 |= CR4_OSXSAVE;
    c->xcr0 = 7;
    if (setjmp(guest_raised))
        return false;
    if (!guest_translated(c, p, n, X86_MODE_FPU | X86_MODE_SSE | X86_MODE_AVX, native))
        return false;
    for (unsigned k = 0; k < 16; k++) {
        static const uint8_t zeros[32];
        if (memcmp(s->ymm[k], &c->vec[k], 32) && memcmp(&c->vec[k].u64[4], zeros, 32)) {
            printf("ymm%u changes and what is above stays\n", k);
            return false;
        }
        memcpy(s->ymm[k], &c->vec[k], 32);
    }
    s->rax = c->dbt.gpr[R_RAX]; s->rcx = c->dbt.gpr[R_RCX]; s->rdx = c->dbt.gpr[R_RDX];
    s->rflags = (s->rflags & ~(uint64_t)EF_ARITH) | x86_fl_to_eflags(c->dbt.fl);
    s->mxcsr = c->mxcsr;
    return true;
}

static void report(const char *name, const uint8_t *p, unsigned n, const State *in,
                   const State *want, const State *got, bool fine)
{
    printf("v%s:", name);
    for (unsigned k = 0; k < n; k++)
        printf(" %02x", p[k]);
    printf(fine ? "\n" : " (faults here)\n");
    for (unsigned k = 0; fine && k < 16; k++) {
        for (unsigned q = 0; q < 32; q += 8) {
            uint64_t a, b, c;
            memcpy(&a, want->ymm[k] + q, 8);
            memcpy(&b, got->ymm[k] + q, 8);
            memcpy(&c, in->ymm[k] + q, 8);
            if (a != b)
                printf("    ymm%u[%u]: in %016lx, processor %016lx, here %016lx\n", k, q / 8, c, a,
                       b);
        }
    }
    if (fine)
        printf("    flags %lx %lx, mxcsr %x %x, rax %lx %lx, rcx %lx %lx, rdx %lx %lx, memory %s\n",
               want->rflags, got->rflags, want->mxcsr, got->mxcsr, want->rax, got->rax, want->rcx,
               got->rcx, want->rdx, got->rdx,
               memcmp(want->memory, got->memory, sizeof want->memory) ? "differs" : "is the same");
}

static unsigned done, bad;

static void compare(X86Cpu *c, const char *name, const uint8_t *p, unsigned n, const State *in,
                    bool native)
{
    static State want __attribute__((aligned(64))), got __attribute__((aligned(64)));
    want = got = *in;
    memcpy(host_code, p, n);
    host_code[n] = 0xc3;
    vex_host(&want, host_code);
    bool fine = here(c, &got, p, n, native);
    done++;
    if (!fine || memcmp(&want, &got, sizeof want)) {
        report(name, p, n, in, &want, &got, fine);
        bad++;
    }
}

/* Rows of vexint.def on vectors. */
static void test_others(X86Cpu *c, unsigned count)
{
    static State in __attribute__((aligned(64)));
    static const struct { const char *name; uint8_t n, code[7]; } all[] = {
        { "zeroupper", 3, { 0xc5, 0xf8, 0x77 } }, { "zeroall", 3, { 0xc5, 0xfc, 0x77 } },
        { "maskmovdqu", 4, { 0xc5, 0xf9, 0xf7, 0xd9 } }, { "stmxcsr", 5, { 0xc5, 0xf8, 0xae, 0x5f, 0x20 } },
        { "pcmpestrm", 6, { 0xc4, 0xe3, 0x79, 0x60, 0xca, 0 } }, { "pcmpestri", 6, { 0xc4, 0xe3, 0xf9, 0x61, 0xca, 0 } },
        { "pcmpistrm", 7, { 0xc4, 0xe3, 0x79, 0x62, 0x4f, 0x11, 0 } }, { "pcmpistri", 6, { 0xc4, 0xc3, 0x79, 0x63, 0xca, 0 } },
    };
    for (unsigned k = 0; k < count * G_N_ELEMENTS(all) && bad < 20; k++) {
        unsigned which = k % G_N_ELEMENTS(all);
        uint8_t p[7];
        memcpy(p, all[which].code, sizeof p);
        if (all[which].n >= 6)
            p[all[which].n - 1] = random64() & 0x7f;
        fill(&in, false);
        compare(c, all[which].name, p, all[which].n, &in, random64() & 1);
    }
}

static void test_form(X86Cpu *c, unsigned vx, unsigned l, bool mem, unsigned count)
{
    static State in __attribute__((aligned(64)));
    const X86VexRow *r = &x86_vex_rows[vx];
    unsigned opcode = rows[vx].opcode;
    for (unsigned k = 0; k < count && bad < 20; k++) {
        uint8_t p[16];
        unsigned n = assemble(p, vx, l, mem);
        fill(&in, r->props & VX_GATHER);
        if ((r->props & VX_GATHER) && (opcode & 1))
            whole_indices(&in);
        compare(c, rows[vx].name, p, n, &in, k & 1);
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 20, forms = 0;
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    if (!x86_vex_runs()) {
        printf("vex: this host has no AVX2; nothing to compare with\n");
        return 0;
    }
    host_init();
    host_code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    X86Cpu *c = guest_new();
    for (unsigned vx = 0; vx < VX_N; vx++) {
        const X86VexRow *r = &x86_vex_rows[vx];
        for (unsigned l = 0; l < 2; l++) {
            bool vaes = r->feature[l] == F_VAES || r->feature[l] == F_VPCLMUL;
            bool open = !X86_HOST_FP &&
                        (!strncmp(rows[vx].name, "rcp", 3) || !strncmp(rows[vx].name, "rsqrt", 5));
            if (open || r->feature[l] == F_N ||
                (vaes && !(__builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq"))))
                continue;
            for (unsigned mem = 0; mem < 2; mem++) {
                if (rows[vx].form == (mem ? FORM_REG : FORM_MEM))
                    continue;
                test_form(c, vx, l, mem, count);
                forms++;
            }
        }
    }
    test_others(c, count);
    printf("vex: %u rows, %u forms, %u cases, %u differ\n", VX_N, forms, done, bad);
    return bad != 0;
}
#endif
