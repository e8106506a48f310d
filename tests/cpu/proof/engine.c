/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c -- the proof's subject: a machine whose one CPU is called directly, with the same code,
 * state and memory as the host's.
 *
 * Paging shows the linear addresses of proof.h as the host's process has them, and the machine's
 * RAM to the supervisor at KERNEL.
 * Every exception goes through the IDT to code of CPL 0; the run ends there, and the frame on its
 * stack is the result.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 3 to 6.
 * Threads: one; the vCPUs' threads are never started.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "accel/dbt/internal.h"
#include "core/chardev.h"
#include "cpu/x86/sys.h"
#include "cpu/x86/x87.h"
#include "tests/cpu/proof/proof.h"
#include "tests/machine.h"

#define KERNEL UINT64_C(0xffff800000000000)
enum { PH_PML4 = 0x10000, PH_PDPT = 0x11000, PH_PD = 0x12000, PH_PT = 0x13000, PH_KPDPT = 0x14000,
       PH_KPD = 0x15000, PH_IDT = 0x20000,
       PH_GDT = 0x21000, PH_LDT = 0x21800, PH_TSS = 0x22000, PH_HANDLERS = 0x23000,
       PH_STACK = 0x25000, PH_CODE = 0x100000, PH_EXIT = 0x104000,
       PH_DATA = 0x110000 };

/* seconds of CPU time for one case, of which the first may have been the host's */
enum { PATIENCE = 3 };

struct Engine {
    const char *name;
    Machine  *m;
    X86Cpu   *cpu;
    DbtGuest  guest;
    X86Seg    seg[PM_N][6];             /* as each mode starts */
    uint32_t  mode_seg[PM_N];
    uint32_t  code_last, code_last_n;
};

/*
 * CS32 and CS16 at CODE; DATA up to its last page's middle; expand-down above it; a 16-bit stack;
 * read-only.
 */
#define DESC(base, limit, access, flags) \
    (((limit) & 0xffffu) | (uint64_t)((base) & 0xffffff) << 16 | (uint64_t)(access) << 40 | (uint64_t)((limit) >> 16 & 15) << 48 | \
     (uint64_t)(flags) << 52 | (uint64_t)((base) >> 24) << 56)
const uint64_t proof_ldt[P_LDT_N] = {
    DESC(P_CODE, 0x7fffu, 0xfb, 5), DESC(P_CODE, 0x7fffu, 0xfb, 1), DESC(P_DATA, 0x17ffu, 0xf3, 5), DESC(P_DATA, 0x07ffu, 0xf7, 5),
    DESC(P_DATA, 0x1fffu, 0xf3, 1), DESC(P_DATA, 0x0fffu, 0xf1, 5),
};

static bool stops(DbtCpu *c) { return ((X86Cpu *)c)->cpl == 0 || x86_idle(c); }
static bool nothing(DbtCpu *c) { return false; }

static uint8_t *ram(const Engine *e, uint64_t at) { return e->m->ram.host + at; }
static void put64(const Engine *e, uint64_t at, uint64_t v) { memcpy(ram(e, at), &v, 8); }

static void put_paging(Engine *e)
{
    unsigned pt = P_CODE >> 12 & 511, data = P_DATA >> 12 & 511;

    put64(e, PH_PML4, PH_PDPT | 7);
    put64(e, PH_PML4 + 8 * 256, PH_KPDPT | 3);
    put64(e, PH_PDPT, PH_PD | 7);
    put64(e, PH_PD + 8 * (P_CODE >> 21), PH_PT | 7);
    put64(e, PH_KPDPT, PH_KPD | 3);
    for (unsigned k = 0; k < 8; k++) {
        put64(e, PH_KPD + 8 * k, k * 0x200000ull | 0xe3);
    }
    for (unsigned k = 0; k < 2; k++) {
        put64(e, PH_PT + 8 * (pt + k), (PH_CODE + k * 0x1000ull) | 0x65);
        put64(e, PH_PT + 8 * (data + k), (PH_DATA + k * 0x1000ull) | 0x67 | 1ull << 63);
    }
    put64(e, PH_PT + 8 * (P_EXIT >> 12 & 511), PH_EXIT | 0x65);
    put64(e, PH_PT + 8 * (P_CONST >> 12 & 511), (PH_DATA + P_DATA_BYTES) | 0x65 | 1ull << 63);
}

static void put_tables(Engine *e)
{
    static const uint64_t gdt[] = {     /* Linux's */
        0, DESC(0u, 0xfffffu, 0x9b, 0xc), DESC(0u, 0xfffffu, 0x9b, 0xa), DESC(0u, 0xfffffu, 0x93, 0xc), DESC(0u, 0xfffffu, 0xfb, 0xc),
        DESC(0u, 0xfffffu, 0xf3, 0xc), DESC(0u, 0xfffffu, 0xfb, 0xa),
    };
    uint64_t tss = KERNEL + PH_TSS, ldt = KERNEL + PH_LDT, stack = KERNEL + PH_STACK;

    memcpy(ram(e, PH_GDT), gdt, sizeof gdt);
    put64(e, PH_GDT + 64, DESC((unsigned)(tss & 0xffffffff), 0x67u, 0x8b, 0));
    put64(e, PH_GDT + 72, tss >> 32);
    put64(e, PH_GDT + 80, DESC((unsigned)(ldt & 0xffffffff), sizeof proof_ldt - 1, 0x82, 0));
    put64(e, PH_GDT + 88, ldt >> 32);
    put64(e, PH_GDT + 8 * 15, DESC(0u, 0u, 0xf5, 4));   /* its limit tells Linux the CPU */
    memcpy(ram(e, PH_LDT), proof_ldt, sizeof proof_ldt);
    for (unsigned k = 0; k < 256; k++) {
        uint64_t to = KERNEL + PH_HANDLERS + 16 * k, dpl = k == EXC_BP || k == EXC_OF ? 3 : 0;
        put64(e, PH_IDT + 16 * k,
              (to & 0xffff) | 0x10ull << 16 | (0x8eull | dpl << 5) << 40 |
                  (to >> 16 & 0xffff) << 48);
        put64(e, PH_IDT + 16 * k + 8, to >> 32);
        *ram(e, PH_HANDLERS + 16 * k) = 0xf4;
    }
    memcpy(ram(e, PH_TSS) + 4, &stack, 8);
    *ram(e, PH_TSS + 0x66) = 0x68;
    memset(ram(e, PH_CODE), 0xcc, P_CODE_BYTES);
    memset(ram(e, PH_EXIT), 0xcc, P_PAGE);
}

static void put_seg(Engine *e, X86Seg *s, unsigned selector)
{
    uint64_t d;

    *s = (X86Seg){ .selector = (uint16_t)selector };
    if (selector & ~3u) {
        memcpy(&d,
               selector & 4 ? (const uint8_t *)proof_ldt + (selector & ~7u)
                            : ram(e, PH_GDT + (selector & ~7u)),
               8);
        s->base = desc_base(d);
        s->limit = desc_limit(d);
        s->attr = desc_attr(d);
    }
}

static void put_modes(Engine *e)
{
    static const uint16_t selectors[PM_N][6] = {
        [PM_64] = { P_DS, P_CS64, P_DS, P_DS, 0, 0 }, [PM_32] = { P_DS, P_CS32, P_DS, P_DS, 0, 0 },
        [PM_L32] = { P_LDT_DOWN, P_LDT_CS32, P_LDT_DATA, P_LDT_DATA, P_LDT_READ, P_LDT_STACK16 },
        [PM_L16] = { P_LDT_DATA, P_LDT_CS16, P_LDT_STACK16, P_LDT_DATA, P_LDT_READ, P_LDT_DOWN },
    };
    X86Cpu *c = e->cpu;

    for (unsigned m = 0; m < PM_N; m++) {
        for (unsigned s = 0; s < 6; s++) {
            put_seg(e, &c->seg[s], selectors[m][s]);
        }
        x86_all_segs_update(c);
        memcpy(e->seg[m], c->seg, sizeof e->seg[m]);
        e->mode_seg[m] = c->mode_seg;
    }
}

static void put_cpu(Engine *e)
{
    X86Cpu *c = e->cpu;
    GError *err = NULL;

    c->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    c->cr3 = PH_PML4;
    c->cr4 =
        CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | CR4_PGE | CR4_UMIP;
    c->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    c->xcr0 = 7;
    c->gdt_base = KERNEL + PH_GDT;
    c->gdt_limit = 0x7f;
    c->idt_base = KERNEL + PH_IDT;
    c->idt_limit = 0xfff;
    c->seg[S_TR] = (X86Seg){ .selector = 0x40, .base = KERNEL + PH_TSS, .limit = 0x67,
                             .attr = 0x8b };
    c->seg[S_LDTR] = (X86Seg){ .selector = 0x50, .base = KERNEL + PH_LDT,
                               .limit = sizeof proof_ldt - 1, .attr = 0x82 };
    c->rflags = 2 | EF_IF;
    c->cpl = 3;
    c->activity = X86_RUN;
    if (!c->dbt.vcpu.cpu_ops->restored(&c->dbt.vcpu, &err)) {
        printf("proof: %s\n", err->message);
        exit(1);
    }
}

/* engine: its name, and perhaps options of -accel dbt behind it. */
static bool build(Machine *m, const char *engine, const char *bios, GError **err)
{
    g_auto(GStrv) part = g_strsplit(engine, ",", 2);
    bool traces = !strcmp(part[0], "traces");   /* of all code, from its second entry on */
    g_autofree char *accel = g_strdup_printf(
        "dbt,engine=%s,x-ic=all,tb-size=8%s%s%s", traces ? "native" : part[0],
        traces ? ",x-tier2=all,x-tier2-hot=1,x-tier2-thread=off" : "", part[1] ? "," : "",
        part[1] ? part[1] : "");
    const char *argv[] = { "proof", "-accel", accel, "-cpu", "max", "-m", "16", "-nodefaults",
                           "-display", "none", "-bios", bios, NULL };

    return machine_from(m, argv, err) && chr_open_all(m, err);
}

Engine *engine_blank(const char *name, const char *bios)
{
    Engine *e = g_new0(Engine, 1);
    GError *err = NULL;

    e->name = name;
    e->m = machine_new();
    if (!build(e->m, name, bios, &err)) {
        printf("not ok proof: %s\n", err->message);
        exit(1);
    }
    e->cpu = e->m->vcpus->pdata[0];
    machine_reset(e->m);
    e->guest = *e->cpu->dbt.guest;
    e->guest.interrupt = nothing;
    e->cpu->dbt.guest = dbt_of(e->m)->guest = &e->guest;
    return e;
}

Engine *engine_open(const char *name, const char *bios)
{
    Engine *e = engine_blank(name, bios);

    e->guest.idle = stops;
    put_paging(e);
    put_tables(e);
    put_cpu(e);
    put_modes(e);
    return e;
}

void engine_close(Engine *e)
{
    machine_done(e->m);
    g_free(e);
}

const char *engine_name(const Engine *e) { return e->name; }
uint8_t *engine_memory(Engine *e) { return ram(e, PH_DATA); }
X86Cpu *engine_cpu(Engine *e) { return e->cpu; }

void engine_code(Engine *e, const ProofCode *c)
{
    uint8_t fill[sizeof c->bytes];

    memset(fill, 0xcc, sizeof fill);
    as_write(e->m->as_memory, PH_CODE + e->code_last, fill, e->code_last_n);
    e->code_last = c->at - P_CODE;
    e->code_last_n = c->total;
    as_write(e->m->as_memory, PH_CODE + e->code_last, c->bytes, c->total);
}

/* ---- state ---- */
static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static void load_fpu(X86Cpu *c, const uint8_t *x)
{
    c->fpu_cw = (uint16_t)get(x, 2);
    x87_load_status(c, (uint16_t)get(x + FX_SW, 2));
    c->fpu_valid = x[FX_TAG];
    c->fpu_op = (uint16_t)get(x + FX_OP, 2);
    c->fpu_ip = get(x + FX_IP, 8);
    c->fpu_dp = get(x + FX_DP, 8);
    c->fpu_cs = c->fpu_ds = 0;
    c->mxcsr = (uint32_t)get(x + FX_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        X86Fpr *r = x87_st(c, i);
        r->mant = get(x + FX_ST + 16 * i, 8);
        r->exp = (uint16_t)get(x + FX_ST + 16 * i + 8, 2);
    }
    for (unsigned i = 0; i < 16; i++) {
        memcpy(&c->vec[i], x + FX_XMM + 16 * i, 16);
        memcpy(&c->vec[i].u64[2], x + XS_YMM + 16 * i, 16);
    }
}

static void store_fpu(const X86Cpu *c, uint8_t *x)
{
    uint16_t sw = x87_status(c);

    memcpy(x, &c->fpu_cw, 2);
    memcpy(x + FX_SW, &sw, 2);
    x[FX_TAG] = c->fpu_valid;
    x[FX_TAG + 1] = 0;
    memcpy(x + FX_OP, &c->fpu_op, 2);
    memcpy(x + FX_IP, &c->fpu_ip, 8);
    memcpy(x + FX_DP, &c->fpu_dp, 8);
    memcpy(x + FX_MXCSR, &c->mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        const X86Fpr *r = &c->fpr[x87_reg(c, i)];
        memcpy(x + FX_ST + 16 * i, &r->mant, 8);
        memcpy(x + FX_ST + 16 * i + 8, &r->exp, 2);
    }
    for (unsigned i = 0; i < 16; i++) {
        memcpy(x + FX_XMM + 16 * i, &c->vec[i], 16);
        memcpy(x + XS_YMM + 16 * i, &c->vec[i].u64[2], 16);
    }
}

static void load_state(Engine *e, ProofMode mode, const ProofState *in)
{
    X86Cpu *c = e->cpu;

    memcpy(c->dbt.gpr, in->gpr, sizeof in->gpr);
    memcpy(c->seg, e->seg[mode], sizeof e->seg[mode]);
    c->mode_seg = e->mode_seg[mode];
    if (mode == PM_64) {
        c->seg[S_FS].base = in->fs_base;
        c->seg[S_GS].base = in->gs_base;
    }
    c->dbt.pc = in->rip + c->seg[S_CS].base;
    c->cpl = 3;
    c->activity = X86_RUN;
    c->shadow = 0;
    c->delivering = -1;
    c->cr2 = 0;
    c->dbt.fl = x86_eflags_to_fl(in->rflags);
    c->df = in->rflags & EF_DF ? -1 : 1;
    c->rflags = (in->rflags & ~(uint64_t)(EF_ARITH | EF_DF)) | 2;
    load_fpu(c, in->x);
}

static void store_state(Engine *e, ProofState *out)
{
    X86Cpu *c = e->cpu;
    uint64_t vector = (c->dbt.pc - (KERNEL + PH_HANDLERS)) >> 4, frame[6];

    if (c->cpl || vector >= 256) {      /* it waits, or runs on and on: no host's case does */
        memset(out, 0, sizeof *out);
        out->vector = PROOF_NO_END;
        return;
    }
    const uint8_t *at = ram(e, c->dbt.gpr[R_RSP] - KERNEL);
    bool has_error = vector < 32 && (0x227d00u >> vector & 1);

    memcpy(out->gpr, c->dbt.gpr, sizeof out->gpr);
    memcpy(frame, at, has_error ? 48 : 40);
    const uint64_t *f = frame + has_error;
    out->vector = (int64_t)vector;
    out->error = has_error ? frame[0] : 0;
    out->cr2 = vector == EXC_PF ? c->cr2 : 0;
    out->rip = f[0];
    out->cs = (uint16_t)f[1];
    out->rflags = f[2];
    out->gpr[R_RSP] = f[3];
    out->ss = (uint16_t)f[4];
    out->ds = c->seg[S_DS].selector;
    out->es = c->seg[S_ES].selector;
    out->fs = c->seg[S_FS].selector;
    out->gs = c->seg[S_GS].selector;
    out->fs_base = c->seg[S_FS].base;
    out->gs_base = c->seg[S_GS].base;
    store_fpu(c, out->x);
    if (vector == EXC_BP && ((out->rip == P_EXIT + 1 && out->cs == P_CS64) ||
                             (out->rip == P_EXIT32 + 1 && out->cs == P_CS32))) {
        out->cs = P_CS64;
        out->vector = -1;
        out->rip = P_EXIT;
    }
}

Machine *engine_machine(Engine *e) { return e->m; }

bool engine_go(Engine *e)
{
    X86Cpu *c = e->cpu;

    vcpu_current = &c->dbt.vcpu;
    c->dbt.vcpu.outside = false;
    proof_attention = &c->dbt.vcpu.attention;
    proof_alarms = 0;
    for (unsigned k = 0; !x86_idle(&c->dbt) && k < 100000 && proof_alarms < 2; k++) {
        c->dbt.vcpu.attention = 0;
        e->m->accel->run(&c->dbt.vcpu);
    }
    proof_attention = NULL;
    c->dbt.vcpu.outside = true;
    vcpu_current = NULL;
    return x86_idle(&c->dbt);
}

void engine_run(Engine *e, const ProofCode *code, const ProofState *in, ProofState *out)
{
    X86Cpu *c = e->cpu;

    vcpu_current = &c->dbt.vcpu;
    c->dbt.vcpu.outside = false;
    load_state(e, code->mode, in);
    proof_attention = &c->dbt.vcpu.attention;
    proof_alarms = 0;
    for (unsigned k = 0; c->cpl && k < 1000 && proof_alarms < PATIENCE; k++) {
        c->dbt.vcpu.attention = 0;
        e->m->accel->run(&c->dbt.vcpu);
    }
    proof_attention = NULL;
    store_state(e, out);
    c->dbt.vcpu.outside = true;
    vcpu_current = NULL;
}
