/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex_sibling.c -- instructions with EVEX by the processor's own instruction with VEX of the same
 * name: per 128 bits, or, for floating point, with one element in all places, so that the flags are
 * that element's.
 *
 * Spec: Intel SDM (325383) vol. 2.
 * Threads: one.
 */
#include <string.h>
#include <sys/mman.h>
#include "tests/cpu/evex_sibling.h"

#if defined(__x86_64__)
typedef struct Frame {                  /* offsets are known to the code */
    uint8_t  x[3][32];
    uint64_t rax, rflags;               /* 96, 104 */
    uint32_t mxcsr, pad[3];             /* 112 */
    uint8_t  mem[32];                   /* 128 */
} Frame;
void sibling_call(Frame *f, const void *code);
__asm__(
    ".text\n"
    "sibling_call:\n\t"
    "pushq %rbx\n\tsubq $16, %rsp\n\tmovq %rdi, %rbx\n\tstmxcsr (%rsp)\n\t"
    "vmovups (%rbx), %ymm0\n\tvmovups 32(%rbx), %ymm1\n\tvmovups 64(%rbx), %ymm2\n\t"
    "movq 96(%rbx), %rax\n\tleaq 128(%rbx), %rdi\n\tldmxcsr 112(%rbx)\n\t"
    "call *%rsi\n\t"
    "pushfq\n\tpopq 104(%rbx)\n\tstmxcsr 112(%rbx)\n\tldmxcsr (%rsp)\n\t"
    "vmovups %ymm0, (%rbx)\n\tvmovups %ymm1, 32(%rbx)\n\tvmovups %ymm2, 64(%rbx)\n\tmovq %rax, 96(%rbx)\n\t"
    "vzeroupper\n\taddq $16, %rsp\n\tpopq %rbx\n\tret\n");
#endif

typedef struct Vex {
    const char *name;
    uint8_t pp, map, opcode, mem, reg, digit, wide;
    uint8_t ops[3];
    uint8_t imm, feature;
} Vex;
#define PP_P_NP 0
#define PP_P_66 1
#define PP_P_F3 2
#define PP_P_F2 3
#define F_MR 1, 1, 0
#define F_MEM 1, 0, 0
#undef F_REG
#define F_REG 0, 1, 0
#define F_DR(n) 0, 1, (n)
static const Vex vexes[] = {
#define VEX(nm, pfx, m, op, mr, w, dst, s1, s2, im, b0, b1, al, f0, f1, pr) \
    { #nm, PP_##pfx, m, op, F_##mr, w == W_1, { OPD_##dst, OPD_##s1, OPD_##s2 }, im, f0 },
#include "cpu/x86/vex.def"
#undef VEX
};

static const Vex *by_name(const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(vexes); k++) {
        if (!strcmp(vexes[k].name, name))
            return vexes[k].feature == F_N ? NULL : &vexes[k];
    }
    return NULL;
}

/* Rows that share a name alone with an instruction with VEX. */
static bool is_another(const char *name)
{
    static const char *const names[] = { "permd", "permps", "permq", "permpd", "broadcastss",
                                         "broadcastsd", "pbroadcastb", "pbroadcastw",
                                         "pbroadcastd", "pbroadcastq", "movss_r", "movsd_r", "movss_sr", "movsd_sr" };
    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        if (!strcmp(names[k], name))
            return true;
    }
    return false;
}

const struct Vex *sibling_find(const char *name)
{
    char cut[32];
    size_t n = strlen(name);
#if !defined(__x86_64__)
    return NULL;
#endif
    if (is_another(name))
        return NULL;
    if ((!strncmp(name, "pand", 4) || !strncmp(name, "por", 3) || !strncmp(name, "pxor", 4)) &&
        n < 7) {
        g_strlcpy(cut, name, n);                        /* PANDD, PANDQ: PAND */
        return by_name(cut);
    }
    return by_name(name);
}

#if defined(__x86_64__)
static void put(Frame *f, unsigned letter, const void *from, unsigned n)
{
    if (letter == OPD_V)
        memcpy(f->x[0], from, n);
    else if (letter == OPD_H)
        memcpy(f->x[1], from, n);
    else if (letter == OPD_W || letter == OPD_E) {
        memcpy(f->x[2], from, n);
        memcpy(f->mem, from, n);
    }
}

/* One run on 16 bytes of each operand; the result's 16. */
static unsigned run(const Vex *x, const uint8_t *d, const uint8_t *a, const uint8_t *b,
                    unsigned imm, uint32_t mxcsr, uint8_t *r, uint64_t *rflags)
{
    static uint8_t *code;
    Frame f = { .mxcsr = (mxcsr | 0x1f80) & ~0x3fu };
    bool h = x->ops[0] == OPD_H || x->ops[1] == OPD_H || x->ops[2] == OPD_H;
    uint8_t *p;
    if (!code)
        code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
    p = code;
    *p++ = 0xc4;
    *p++ = 0xe0 | x->map;
    *p++ = (uint8_t)(x->wide << 7 | (h ? 0x70 : 0x78) | x->pp);
    *p++ = x->opcode;
    *p++ = (uint8_t)(x->mem ? 0x07 : 0xc2 | x->digit << 3);
    if (x->imm)
        *p++ = (uint8_t)imm;
    *p = 0xc3;
    put(&f, x->ops[0], d, 16);
    put(&f, x->ops[1], a, 16);
    put(&f, x->ops[2], b, 16);
    if (x->mem && (x->ops[0] == OPD_W || x->ops[0] == OPD_E))
        memset(f.mem, 0, sizeof f.mem);
    sibling_call(&f, code);
    memcpy(r,
           x->ops[0] == OPD_V   ? f.x[0]
           : x->ops[0] == OPD_H ? f.x[1]
           : x->ops[0] == OPD_G ? (uint8_t *)&f.rax
           : x->mem             ? f.mem
                                : f.x[2],
           16);
    *rflags = f.rflags;
    return f.mxcsr & 0x3f;
}

/* Element i in all places, or, where even and odd ones are treated differently, 1.0 beside it. */
static void spread(uint8_t to[16], const X86Vec *v, unsigned bytes, unsigned i, bool alone)
{
    static const uint32_t one32 = 0x3f800000;
    static const uint64_t one64 = 0x3ff0000000000000;
    for (unsigned k = 0; k < 16; k += bytes)
        memcpy(to + k,
               !alone || k / bytes == i % 2 ? v->u8 + i * bytes
               : bytes == 4                 ? (const void *)&one32
                                            : (const void *)&one64,
               bytes);
}

static void by_element(const Vex *x, RefOp *o, uint64_t *rflags)
{
    for (unsigned i = 0; i < o->n; i++) {
        uint8_t d[16], a[16], b[16], r[16];
        if (!(o->mask >> i & 1))
            continue;
        bool alone = o->n > 1 && o->from == o->to;
        spread(d, &o->d, o->to, i, alone);
        spread(a, &o->a, o->from, i, alone);
        spread(b, &o->b, o->from, i, alone);
        o->flags |= run(x, d, a, b, o->imm, o->mxcsr, r, rflags);
        memcpy(o->r.u8 + i * o->to, r + (alone ? i % 2 * o->to : 0), o->to);
    }
}

void sibling_run(const struct Vex *x, RefOp *o, const X86EvexRow *row, uint64_t *rflags)
{
    unsigned from = 16, to = 16;
    if (row->flags & E_FP) {
        by_element(x, o, rflags);
        return;
    }
    if (row->from < row->to && o->one_source)
        from = 16 / row->to * row->from;
    if (row->from > row->to && o->one_source)
        to = 16 / row->from * row->to;
    for (unsigned lane = 0; lane < o->vl / 16; lane++) {
        bool is_count = row->tuple == T_M128;
        uint8_t a[16] = { 0 }, r[16];
        memcpy(a, o->a.u8 + lane * from, from);
        run(x, o->d.u8 + lane * to, a, o->b.u8 + (is_count ? 0 : lane * 16),
            row->flags & E_IMM4 ? o->imm >> 2 * lane : o->imm, o->mxcsr, r, rflags);
        memcpy(o->r.u8 + lane * to, r, to);
    }
}
#else
void sibling_run(const struct Vex *x, RefOp *o, const X86EvexRow *row, uint64_t *rflags) { }
#endif
