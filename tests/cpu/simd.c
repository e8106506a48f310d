/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * simd.c -- every row of simd.def against the host's instruction: result, MXCSR, flags, general
 * registers.
 *
 * usage: simd [rounds [seed]]
 * prints "ok NAME" or "not ok NAME: why" a row; ends with 1 if any differs.
 *
 * Operands: reg is number 1, rm is number 2 or [rdi].  A second pass of the FP rows has random
 * exceptions unmasked and goes through x86_h_vop_fp(), against the host's SIGFPE.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Omits: hosts other than x86-64 (passes with a note); DPPS and DPPD with exceptions unmasked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fphost.h"

typedef struct Row {
    const char *name;
    uint8_t prefix, map, opcode;
    int8_t  digit;                      /* of a group, else -1 */
    bool    reg_form, mem_form;
    uint8_t dst, src, imm, bytes;
    uint16_t sub;                       /* XV_*; for helpers XH_* */
    bool    helper, wide;
    uint32_t props;
} Row;

#undef REG
#define MR -1, true, true
#define MEM -1, false, true
#define REG -1, true, false
#define DR(n) n, true, false
#define SIMD(nm, pfx, m, op, mr, d, s, im, by, al, feat, pr, fn) \
    { #nm, pfx, m, op, mr, OPD_##d, OPD_##s, im, by, XV_##nm, false, false, pr },
#define SIMDH(nm, pfx, m, op, mr, d, s, im, by, al, feat, h) \
    { #nm, pfx, m, op, mr, OPD_##d, OPD_##s, im, by, XH_##h, true, false, 0 },
static Row rows[] = {
#include "cpu/x86/simd.def"
};
#undef SIMD
#undef SIMDH
static IrHelper const helpers[XH_N] = {
    [XH_maskmovq] = x86_h_maskmovq, [XH_maskmovdqu] = x86_h_maskmovdqu,
    [XH_pcmpestrm] = x86_h_pcmpestrm, [XH_pcmpestri] = x86_h_pcmpestri,
    [XH_pcmpistrm] = x86_h_pcmpistrm, [XH_pcmpistri] = x86_h_pcmpistri,
    [XH_gf2p8mulb] = x86_h_gf2p8mulb, [XH_gf2p8affineqb] = x86_h_gf2p8affineqb,
    [XH_gf2p8affineinvqb] = x86_h_gf2p8affineinvqb,
};

static X86Cpu *cpu;
static unsigned encode(const Row *r, bool mem, unsigned imm, uint8_t *out)
{
    static const uint8_t bytes[9] = { [P_66] = 0x66, [P_F3] = 0xf3, [P_F2] = 0xf2 };
    bool dst_is_rm = r->dst == OPD_W || r->dst == OPD_Q || r->dst == OPD_E;
    unsigned n = 0, reg = r->digit >= 0 ? (unsigned)r->digit : 1;
    (void)dst_is_rm;
    if (bytes[r->prefix])
        out[n++] = bytes[r->prefix];
    if (r->wide)
        out[n++] = 0x48;
    out[n++] = 0x0f;
    if (r->map > 1)
        out[n++] = r->map == 2 ? 0x38 : 0x3a;
    out[n++] = r->opcode;
    out[n++] = (uint8_t)(mem ? reg << 3 | 7 : 0xc0 | reg << 3 | 2);
    if (r->imm)
        out[n++] = (uint8_t)imm;
    return n;
}

/* ---- random operands ---- */
static uint32_t random_f32(void)
{
    static const uint32_t special[] = { 0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                                        0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xff812345,
                                        1,          0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
                                        0xff7fffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000,
                                        0x4effffff, 0x7fffffff, 0xffffffff, 0x33800000, 0x3fc00000,
                                        0x40200000, 0x20000000, 0x1f800000 };
    uint64_t r = random64();
    return r & 3 ? (r & 4 ? (uint32_t)(r >> 32) : 0x3f000000 + (uint32_t)(r >> 38))
                 : special[(r >> 8) % G_N_ELEMENTS(special)];
}

static uint64_t random_f64(void)
{
    static const uint64_t special[] = { 0, UINT64_C(1) << 63, UINT64_C(0x3ff0000000000000),
                                        UINT64_C(0xbff0000000000000),
        UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000),
        UINT64_C(0x7ff8000000000000), UINT64_C(0xfff8000000000001),
        UINT64_C(0x7ff0000000000001), 1, UINT64_C(0x000fffffffffffff),
        UINT64_C(0x0010000000000000), UINT64_C(0x7fefffffffffffff),
        UINT64_C(0x41e0000000000000), UINT64_C(0xc1e0000000000000),
        UINT64_C(0x41dfffffffc00000), UINT64_C(0x43e0000000000000),
        UINT64_C(0x47f0000000000000), UINT64_C(0x3690000000000000),
        UINT64_C(0x3ff8000000000000), UINT64_C(0x4004000000000000),
        UINT64_C(0x2000000000000000), UINT64_C(0x3810000000000000), UINT64_C(0x380fffffffffffff) };
    uint64_t r = random64();
    return r & 3 ? (r & 4 ? random64() : UINT64_C(0x3fe0000000000000) + (random64() >> 9))
                 : special[(r >> 8) % G_N_ELEMENTS(special)];
}

static void fill(uint8_t *to, unsigned n)
{
    unsigned kind = random64() % 6;
    for (unsigned i = 0; i < n; i += 8) {
        uint64_t v;
        switch (kind) {
        case 0: v = random_f64(); break;
        case 1: v = random_f32() | (uint64_t)random_f32() << 32; break;
        case 2: v = random64() & random64() & random64(); break;
        case 3:
            v = random64() & UINT64_C(0x8080808080808080);
            v |= random64() & UINT64_C(0x0f0f0f0f0f0f0f0f);
            break;
        case 4: v = random64() % 40; break;
        default: v = random64(); break;
        }
        memcpy(to + i, &v, 8);
    }
}

static void random_state_of(HostState *s, bool mmx, bool unmask)
{
    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < 3; i++) {
        fill(s->xmm[i], 16);
        fill((uint8_t *)&s->mm[i], 8);
    }
    if (random64() % 8 == 0)
        memcpy(s->xmm[2], s->xmm[1], 16);
    fill(s->mem, sizeof s->mem);
    fill((uint8_t *)&s->rax, 8);
    fill((uint8_t *)&s->rcx, 8);
    fill((uint8_t *)&s->rdx, 8);
    s->with_mmx = mmx;
    s->rflags = 0x202 | (random64() & EF_ARITH);
    s->mxcsr =
        (random64() & 0xe040) | (random64() & random64() & X86_MXCSR_FLAGS) | X86_MXCSR_MASKS;
    if (random64() % 2)
        s->mxcsr &= 0x6000 | X86_MXCSR_MASKS;
    if (unmask)
        s->mxcsr &= ~(random64() & X86_MXCSR_MASKS);
}

/* ---- the guest's reading of the same instruction ---- */
static void to_guest(const HostState *s)
{
    for (unsigned i = 0; i < 3; i++) {
        memcpy(&cpu->vec[i], s->xmm[i], 16);
        cpu->fpr[i].mant = s->mm[i];
    }
    cpu->dbt.gpr[R_RAX] = s->rax;
    cpu->dbt.gpr[R_RCX] = s->rcx;
    cpu->dbt.gpr[R_RDX] = s->rdx;
    cpu->dbt.fl = x86_eflags_to_fl(s->rflags);
    cpu->mxcsr = s->mxcsr;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
}

static void from_guest(HostState *s)
{
    for (unsigned i = 0; i < 3; i++) {
        memcpy(s->xmm[i], &cpu->vec[i], 16);
        s->mm[i] = cpu->fpr[i].mant;
    }
    s->rax = cpu->dbt.gpr[R_RAX];
    s->rcx = cpu->dbt.gpr[R_RCX];
    s->rdx = cpu->dbt.gpr[R_RDX];
    s->rflags = (s->rflags & ~(uint64_t)EF_ARITH) | x86_fl_to_eflags(cpu->dbt.fl);
    s->mxcsr = cpu->mxcsr;
}

static void *operand(unsigned letter)
{
    switch (letter) {
    case OPD_V: return &cpu->vec[1];
    case OPD_W: return &cpu->vec[2];
    case OPD_P: return &cpu->fpr[1].mant;
    case OPD_Q: return &cpu->fpr[2].mant;
    case OPD_G: return &cpu->dbt.gpr[R_RCX];
    case OPD_E: return &cpu->dbt.gpr[R_RDX];
    default: return NULL;
    }
}
static bool is_rm(unsigned letter) { return letter == OPD_W || letter == OPD_Q || letter == OPD_E; }
static bool is_gpr(unsigned letter) { return letter == OPD_G || letter == OPD_E; }

static void guest_helper(const Row *r, HostState *s, bool mem, unsigned imm)
{
    uint64_t at = (uint64_t)(uintptr_t)s->mem;
    helpers[r->sub](cpu, 1 | (mem ? 0xff00 : 0x200) | imm << 16, at, S_DS | 64 << 8);
}

static void guest_vop(const Row *r, HostState *s, bool mem, unsigned imm)
{
    const IrVecDesc *v = &x86_vecs[r->sub];
    bool store = mem && is_rm(r->dst), load = mem && is_rm(r->src);
    uint64_t dst_reg = 0, src_reg = 0;
    void *d = store ? s->mem : operand(r->dst);
    const void *p = load ? s->mem : operand(r->src);
    if (!store && is_gpr(r->dst)) {
        dst_reg = *(uint64_t *)d;
        d = &dst_reg;
    }
    if (!load && is_gpr(r->src)) {
        src_reg = r->wide ? *(const uint64_t *)p : *(const uint32_t *)p;
        p = &src_reg;
    }
    uint64_t flags = v->fn(cpu, d, p, imm);
    if (!store && is_gpr(r->dst))
        *(uint64_t *)operand(r->dst) = r->wide ? dst_reg : (uint32_t)dst_reg;
    if (v->props & V_FLAGS)
        cpu->dbt.fl = x86_eflags_to_fl(flags);
}

static void guest_fp(const Row *r, HostState *s, bool mem, unsigned imm)
{
    unsigned dst = r->dst == OPD_W ? 2 : 1;
    x86_h_vop_fp(cpu,
                 r->sub | (uint64_t)imm << 16 | (uint64_t)r->dst << 24 | (uint64_t)r->src << 32,
                 dst | (mem ? 0xff00 : 0x200), (uint64_t)(uintptr_t)s->mem);
}

/* By decoder, translator and one of the engines. */
typedef enum { MEANING, INTERP, NATIVE } Way;
static HostResult guest_run_code(HostState *s, const uint8_t *code, unsigned n, bool unmask,
                                 bool native)
{
    volatile HostResult res = HOST_DONE;
    to_guest(s);
    cpu->dbt.gpr[R_RDI] = (uintptr_t)s->mem;
    if (setjmp(guest_raised))
        res = HOST_SIGFPE;
    else if (!guest_translated(cpu, code, n,
                               X86_MODE_FPU | X86_MODE_SSE | (unmask ? X86_MODE_XMEXC : 0), native))
        res = HOST_SIGILL;
    from_guest(s);
    return res;
}

/* By the meaning alone. */
static HostResult guest_run(const Row *r, HostState *s, bool mem, unsigned imm, bool unmask)
{
    volatile HostResult res = HOST_DONE;
    to_guest(s);
    if (setjmp(guest_raised))
        res = HOST_SIGFPE;
    else if (r->helper)
        guest_helper(r, s, mem, imm);
    else if (unmask)
        guest_fp(r, s, mem, imm);
    else
        guest_vop(r, s, mem, imm);
    from_guest(s);
    return res;
}

/* ---- comparison ---- */
static void print_hex(const char *what, const void *p, unsigned n)
{
    printf("    %-6s", what);
    for (unsigned i = n; i-- > 0; )
        printf("%02x%s", ((const uint8_t *)p)[i], i % 8 ? "" : " ");
    printf("\n");
}

static void print_state(const HostState *s)
{
    print_hex("xmm0", s->xmm[0], 16);
    print_hex("xmm1", s->xmm[1], 16);
    print_hex("xmm2", s->xmm[2], 16);
    print_hex("mem", s->mem, 16);
    printf("    mm1 %016" PRIx64 " mm2 %016" PRIx64 " rcx %016" PRIx64 " rdx %016" PRIx64
           " rax %016" PRIx64 " flags %" PRIx64 " mxcsr %x\n",
           s->mm[1], s->mm[2], s->rcx, s->rdx, s->rax, s->rflags, s->mxcsr);
}

static bool same(const HostState *a, const HostState *b, bool unmask)
{
    uint32_t bits = unmask ? X86_MXCSR_FLAGS : UINT32_MAX;      /* the signal handler masks all */
    if (unmask && (b->mxcsr & 0x18 & ~(b->mxcsr >> 7)))
        /* PE beside an unmasked overflow or underflow: models differ */
        bits &= ~0x20u;
    return !memcmp(a->xmm, b->xmm, sizeof a->xmm) &&
           (!a->with_mmx || !memcmp(a->mm, b->mm, sizeof a->mm)) && a->rax == b->rax &&
           a->rcx == b->rcx && a->rdx == b->rdx && !((a->rflags ^ b->rflags) & EF_ARITH) &&
           !((a->mxcsr ^ b->mxcsr) & bits) && !memcmp(a->mem, b->mem, sizeof a->mem);
}

static bool try_one(const Row *r, bool mem, bool unmask, Way way)
{
    HostState host, guest, before;
    uint8_t code[16];
    bool mmx = r->dst == OPD_P || r->dst == OPD_Q || r->src == OPD_P || r->src == OPD_Q;
    unsigned imm = random64() & 0xff, n = encode(r, mem, imm, code);
    if ((r->opcode == 0xc2 && r->map == 1) && random64() % 8)
        imm &= 7, code[n - 1] = (uint8_t)imm;
    random_state_of(&before, mmx, unmask);
    host = guest = before;
    HostResult h = host_run(&host, code, n);
    HostResult g = way ? guest_run_code(&guest, code, n, unmask, way == NATIVE)
                       : guest_run(r, &guest, mem, imm, unmask);
    if (h == g && same(&host, &guest, unmask))
        return true;
    printf("not ok %s%s%s%s: imm %02x, host %s %d, guest %d\n", r->name, mem ? " mem" : "",
           unmask ? " unmasked" : "",
           way == NATIVE ? " native"
           : way         ? " interpreted"
                         : "",
           imm, h == HOST_SIGILL ? "SIGILL" : "", h, g);
    printf("  before\n");
    print_state(&before);
    printf("  host\n");
    print_state(&host);
    printf("  guest\n");
    print_state(&guest);
    return false;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 150, bad = 0;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
#if !defined(__x86_64__)
    printf("ok simd: nothing to compare with on this host\n");
    return 0;
#endif
    host_init();
    cpu = guest_new();
    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++) {
        Row *r = &rows[k];
        size_t len = strlen(r->name);
        bool ok = true;
        r->wide = len > 2 && !strcmp(r->name + len - 2, "_w");
        if (!r->reg_form && !r->mem_form)
            continue;
        if (r->sub == XH_now3d && r->helper)
            continue;                                   /* now3d.c */
#if defined(__x86_64__)
        if (!strncmp(r->name, "gf2p8", 5) && !__builtin_cpu_supports("gfni"))
            continue;                                   /* evex.c has them */
#endif
        if (!X86_HOST_FP && (!strncmp(r->name, "rcp", 3) || !strncmp(r->name, "rsqrt", 5)))
            /* processors differ in the bits that the manual leaves open */
            continue;
        for (unsigned i = 0; i < rounds && ok; i++) {
            bool mem = r->mem_form && (!r->reg_form || (i & 1));
            for (Way way = MEANING; way <= NATIVE && ok; way++)
                ok = try_one(r, mem, false, way);
            for (Way way = MEANING;
                 way <= NATIVE && ok && (r->props & V_FP) && strncmp(r->name, "dp", 2); way++)
                ok = try_one(r, mem, true, way);
        }
        if (ok)
            printf("ok simd %s\n", r->name);
        bad += !ok;
    }
    return bad != 0;
}
