/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysinsn.c -- the system instructions: control and debug registers, EFLAGS, TLB invalidation,
 * halts, ports, MSRs, XCR0.
 *
 * Spec: Intel SDM (325462) vol. 2, the instructions by name; vol. 1 19.5 (I/O permission bit map).
 * Omits: performance counters (RDPMC reads 0 where it is allowed), VMX (#UD).
 * Threads: the vCPU's own.
 */
#include <sys/random.h>
#include "cpu/x86/sys.h"
#include "core/machine.h"

static void need_cpl0(X86Cpu *c)
{
    if (c->cpl) {
        x86_raise_gp(c, 0);
    }
}

static void set_cf_only(X86Cpu *c, bool cf)
{
    x86_set_rflags(c, cf ? EF_CF : 0, EF_ARITH);
}

/* ---- EFLAGS ---- */
uint64_t x86_h_pushf(void *cpu, uint64_t a, uint64_t b, uint64_t bytes)
{
    X86Cpu *c = cpu;

    x86_intercept(c, SVM_EXIT_PUSHF, 0);
    return (x86_vm(c) ? x86_vm_pushf(c, (unsigned)bytes) : x86_rflags(c)) &
           ~(uint64_t)(EF_VM | EF_RF);
}

uint64_t x86_h_popf(void *cpu, uint64_t image, uint64_t b, uint64_t bytes)
{
    X86Cpu *c = cpu;
    uint64_t mask = EF_ARITH | EF_TF | EF_DF | EF_NT;

    x86_intercept(c, SVM_EXIT_POPF, 0);
    if (x86_vm(c) && x86_iopl(c) < 3) {
        mask = x86_vm_popf(c, &image, (unsigned)bytes);
        x86_set_rflags(c, image, mask);
        return 0;
    }
    if (bytes > 2) {
        mask |= EF_AC | EF_ID;
        image &= ~(uint64_t)EF_RF;
        mask |= EF_RF;
    }
    if (c->cpl <= x86_iopl(c)) {
        mask |= EF_IF;
    }
    if (c->cpl == 0) {
        mask |= EF_IOPL;
    }
    x86_set_rflags(c, image, mask);
    return 0;
}

/* May CLI and STI touch IF?  false: VIF takes its place. */
static bool check_if(X86Cpu *c)
{
    if (!x86_pe(c) || x86_iopl(c) >= c->cpl) {
        return true;
    }
    if (!x86_vif_stands_in(c)) {
        x86_raise_gp(c, 0);
    }
    return false;
}

uint64_t x86_h_cli(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (check_if(c)) {
        c->rflags &= ~(uint64_t)EF_IF;
    } else {
        x86_set_vif(c, false);
    }
    return 0;
}

uint64_t x86_h_sti(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (!check_if(c)) {
        x86_set_vif(c, true);
    } else if (!(c->rflags & EF_IF)) {
        c->rflags |= EF_IF;
        c->shadow = SHADOW_STI;
        c->shadow_pc = x86_code64(c) ? c->dbt.pc + 1 : (uint32_t)(c->dbt.pc + 1);
        if (x86_events(c)) {
            x86_poll_soon(c);
        }
    }
    return 0;
}

static void smap_rights(X86Cpu *c, uint64_t rflags)
{
    DbtContext *was = c->dbt.ctx;
    bool other = (c->rflags ^ rflags) & EF_AC;

    c->rflags = rflags;
    dbt_mode_changed(&c->dbt);
    if (other) {
        dbt_twins(&c->dbt, was, c->dbt.ctx);
    }
}

uint64_t x86_h_clac(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (c->cpl || !x86_feat(c, FEAT_7_EBX, 20)) {
        x86_raise_ud(c);
    }
    smap_rights(c, c->rflags & ~(uint64_t)EF_AC);
    return 0;
}

uint64_t x86_h_stac(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (c->cpl || !x86_feat(c, FEAT_7_EBX, 20)) {
        x86_raise_ud(c);
    }
    smap_rights(c, c->rflags | EF_AC);
    return 0;
}

/* ---- waiting ---- */
static void halt(X86Cpu *c, uint64_t len)
{
    c->activity = X86_HLT;
    x86_set_pc(c, x86_rip(c) + (len & 0xff));
    x86_poll_soon(c);
}

uint64_t x86_h_hlt(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    need_cpl0(cpu);
    x86_intercept(cpu, SVM_EXIT_HLT, 0);
    halt(cpu, len);
    return 0;
}

/*
 * The holder of the lock may need this host CPU.  If others wanted it, too, and for long, the guest
 * may count turns: so it has some of its own before the next time.
 */
static void yield(X86Cpu *c)
{
    enum { OWN_US = 200 };
    int64_t before = g_get_monotonic_time(), after;

    if (before < c->no_yield_us) {
        return;
    }
    g_thread_yield();
    after = g_get_monotonic_time();
    c->no_yield_us = after + MIN(after - before, OWN_US);
}

uint64_t x86_h_pause(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    x86_svm_pause(c);
    if (c->dbt.vcpu.machine->n_cpus > 1) {
        yield(c);
    }
    return 0;
}

/* ---- control and debug registers ---- */
/* A register that does not exist is no instruction at all, whatever the privilege. */
static void need_cr(X86Cpu *c, uint64_t n)
{
    if (n != 0 && n != 8 && (n < 2 || n > 4)) {
        x86_raise_ud(c);
    }
    need_cpl0(c);
}

uint64_t x86_h_read_cr(void *cpu, uint64_t n, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    need_cr(c, n);
    if (n < 16) {
        x86_intercept(c, SVM_EXIT_CR0_READ + (unsigned)n, 0);
    }
    switch (n) {
    case 0: return c->cr0;
    case 2: return c->cr2;
    case 3: return c->cr3;
    case 4: return c->cr4;
    case 8:
        if (c->svm.int_ctl & V_INTR_MASKING) {
            return c->svm.int_ctl & 15;
        }
        return c->apic_ops ? c->apic_ops->get_tpr(c->apic) >> 4 : 0;
    default: x86_raise_ud(c);
    }
}

/* What raises #GP comes before a hypervisor's intercept (APM vol. 2 table 15-7). */
static void check_cr_value(X86Cpu *c, uint64_t n, uint64_t v)
{
    if ((n == 0 && !x86_cr0_valid(v)) || (n == 4 && v & ~x86_cr4_allowed(c)) ||
        (n == 8 && v & ~0xfull)) {
        x86_raise_gp(c, 0);
    }
}

uint64_t x86_h_write_cr(void *cpu, uint64_t n, uint64_t v, uint64_t d)
{
    X86Cpu *c = cpu;

    need_cr(c, n);
    if (G_UNLIKELY(c->svm.guest)) {
        check_cr_value(c, n, v);
    }
    if (n == 0) {
        x86_svm_cr0_write(c, v, false);
    } else if (n < 16) {
        x86_intercept(c, SVM_EXIT_CR0_WRITE + (unsigned)n, 0);
    }
    switch (n) {
    case 0:
        x86_write_cr0(c, v);
        break;
    case 2:
        c->cr2 = v;
        break;
    case 3:
        x86_write_cr3(c, v);
        break;
    case 4:
        x86_write_cr4(c, v);
        break;
    case 8:
        if (v & ~0xfull) {
            x86_raise_gp(c, 0);
        }
        if (c->svm.int_ctl & V_INTR_MASKING) {
            c->svm.int_ctl = (c->svm.int_ctl & ~(uint64_t)V_TPR) | v;
            x86_poll_soon(c);
        } else if (c->apic_ops) {
            c->apic_ops->set_tpr(c->apic, (uint8_t)(v << 4));
        }
        break;
    default:
        x86_raise_ud(c);
    }
    return 0;
}

uint64_t x86_h_clts(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    need_cpl0(c);
    x86_intercept(c, SVM_EXIT_CR0_WRITE, 0);
    c->cr0 &= ~(uint64_t)CR0_TS;
    x86_cr_changed(c);
    return 0;
}

uint64_t x86_h_lmsw(void *cpu, uint64_t v, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    need_cpl0(c);
    x86_svm_cr0_write(c, v, true);
    x86_write_cr0(c, (c->cr0 & ~0xeull) | (v & 0xf));       /* sets PE, never clears it */
    return 0;
}

static unsigned dr_number(X86Cpu *c, uint64_t n)
{
    if (n == 4 || n == 5) {
        if (c->cr4 & CR4_DE) {
            x86_raise_ud(c);
        }
        n += 2;
    }
    if (n > 7) {
        x86_raise_ud(c);
    }
    need_cpl0(c);
    if (c->dr[7] & 0x2000) {            /* general detect */
        x86_raise_db(c, 0x2000);
    }
    return (unsigned)n;
}

uint64_t x86_h_read_dr(void *cpu, uint64_t n, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    unsigned i = dr_number(c, n);

    x86_intercept(c, SVM_EXIT_DR0_READ + i, 0);
    return c->dr[i];
}

uint64_t x86_h_write_dr(void *cpu, uint64_t n, uint64_t v, uint64_t d)
{
    X86Cpu *c = cpu;
    unsigned i = dr_number(c, n);

    if (i >= 6 && v >> 32) {
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, SVM_EXIT_DR0_WRITE + i, 0);
    if (i >= 6) {
        c->dr[i] = i == 6 ? (v & 0xe00f) | 0xffff0ff0 : (v & 0xffff2fff) | 0x400;
        x86_cr_changed(c);
    } else {
        c->dr[i] = v;
    }
    return 0;
}

/* ---- TLB and caches ---- */
static void flush_page(X86Cpu *c, uint64_t linear, uint64_t pcid)
{
    bool pcide = c->cr4 & CR4_PCIDE;

    if (!x86_lma(c)) {
        linear = (uint32_t)linear;
    }
    dbt_flush_page(&c->dbt, linear, SVM_SPACE_MASK | (pcide ? 0xfff : 0),
                   (uint64_t)c->svm.asid << SVM_ASID_SHIFT | (pcide ? pcid : 0));
}

uint64_t x86_h_invlpg(void *cpu, uint64_t linear, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    need_cpl0(c);
    x86_intercept(c, SVM_EXIT_INVLPG, linear);
    if (x86_canonical(linear)) {
        flush_page(c, linear, c->cr3 & 0xfff);
    }
    return 0;
}

uint64_t x86_h_invpcid(void *cpu, uint64_t type, uint64_t offset, uint64_t s)
{
    X86Cpu *c = cpu;
    uint64_t pcid, linear, own = (uint64_t)c->svm.asid << SVM_ASID_SHIFT;

    if (!x86_feat(c, FEAT_7_EBX, 10)) {
        x86_raise_ud(c);
    }
    if (c->cpl || x86_vm(c)) {
        x86_raise_gp(c, 0);
    }
    linear = x86_seg_linear(c, (unsigned)s, offset, 16, false);
    x86_svm_invpcid(c, linear, type);
    pcid = x86_ld(c, (unsigned)s, offset, 8);
    linear = x86_ld(c, (unsigned)s, offset + 8, 8);
    if (type > 3 || (type < 2 && (pcid >> 12 || (pcid && !(c->cr4 & CR4_PCIDE)))) ||
        (type == 0 && !x86_canonical(linear))) {
        x86_raise_gp(c, 0);
    }
    switch (type) {
    case 0:
        flush_page(c, linear, pcid);
        break;
    case 1:
        dbt_flush_space(&c->dbt, SVM_SPACE_MASK | (c->cr4 & CR4_PCIDE ? 0xfff : 0), own | pcid,
                        true);
        break;
    case 2:
        dbt_flush_space(&c->dbt, SVM_SPACE_MASK, own, false);
        break;
    default:
        dbt_flush_space(&c->dbt, SVM_SPACE_MASK, own, true);
        break;
    }
    return 0;
}

uint64_t x86_h_wbinvd(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    need_cpl0(cpu);
    x86_intercept(cpu, SVM_EXIT_WBINVD, 0);
    return 0;
}

uint64_t x86_h_invd(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    need_cpl0(cpu);
    x86_intercept(cpu, SVM_EXIT_INVD, 0);
    return 0;
}

/* ---- MSRs, time, identification ---- */
uint64_t x86_h_rdmsr(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    uint64_t v = 0;

    need_cpl0(c);
    x86_svm_msr(c, (uint32_t)c->dbt.gpr[R_RCX], false);
    if (!x86_msr_read(c, (uint32_t)c->dbt.gpr[R_RCX], &v)) {
        x86_raise_gp(c, 0);
    }
    c->dbt.gpr[R_RAX] = (uint32_t)v;
    c->dbt.gpr[R_RDX] = v >> 32;
    return 0;
}

uint64_t x86_h_wrmsr(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    need_cpl0(c);
    x86_svm_msr(c, (uint32_t)c->dbt.gpr[R_RCX], true);
    if (!x86_msr_write(c, (uint32_t)c->dbt.gpr[R_RCX],
                       (uint32_t)c->dbt.gpr[R_RAX] | c->dbt.gpr[R_RDX] << 32)) {
        x86_raise_gp(c, 0);
    }
    return 0;
}

static void rdtsc(X86Cpu *c, unsigned code)
{
    uint64_t t;

    if (c->cr4 & CR4_TSD && c->cpl && x86_pe(c)) {
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, code, 0);
    t = x86_tsc_seen(c);
    c->dbt.gpr[R_RAX] = (uint32_t)t;
    c->dbt.gpr[R_RDX] = t >> 32;
}

uint64_t x86_h_rdtsc(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    rdtsc(cpu, SVM_EXIT_RDTSC);
    return 0;
}

uint64_t x86_h_rdtscp(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (!x86_feat(c, FEAT_81_EDX, 27)) {
        x86_raise_ud(c);
    }
    rdtsc(c, SVM_EXIT_RDTSCP);
    c->dbt.gpr[R_RCX] = (uint32_t)c->tsc_aux;
    return 0;
}

uint64_t x86_h_rdpid(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (!x86_feat(c, FEAT_7_ECX, 22)) {
        x86_raise_ud(c);
    }
    return (uint32_t)c->tsc_aux;
}

uint64_t x86_h_rdpmc(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (c->cpl && !(c->cr4 & CR4_PCE) && x86_pe(c)) {
        x86_raise_gp(c, 0);
    }
    if ((uint32_t)c->dbt.gpr[R_RCX] > 3) {
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, SVM_EXIT_RDPMC, 0);
    c->dbt.gpr[R_RAX] = c->dbt.gpr[R_RDX] = 0;
    return 0;
}

uint64_t x86_h_cpuid(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    uint32_t r[4];

    x86_intercept(c, SVM_EXIT_CPUID, 0);
    x86_cpuid(c, (uint32_t)c->dbt.gpr[R_RAX], (uint32_t)c->dbt.gpr[R_RCX], r);
    c->dbt.gpr[R_RAX] = r[0];
    c->dbt.gpr[R_RBX] = r[1];
    c->dbt.gpr[R_RCX] = r[2];
    c->dbt.gpr[R_RDX] = r[3];
    return 0;
}

static uint64_t random_value(X86Cpu *c, uint64_t bytes, bool feature)
{
    uint64_t v = 0;

    if (!feature) {
        x86_raise_ud(c);
    }
    set_cf_only(c, getrandom(&v, bytes, GRND_NONBLOCK) == (ssize_t)bytes);
    return v;
}

uint64_t x86_h_rdrand(void *cpu, uint64_t bytes, uint64_t b, uint64_t d)
{
    return random_value(cpu, bytes, x86_feat(cpu, FEAT_1_ECX, 30));
}

uint64_t x86_h_rdseed(void *cpu, uint64_t bytes, uint64_t b, uint64_t d)
{
    return random_value(cpu, bytes, x86_feat(cpu, FEAT_7_EBX, 18));
}

/* ---- segment bases ---- */
uint64_t x86_h_swapgs(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    uint64_t base = c->seg[S_GS].base;

    if (!x86_code64(c)) {
        x86_raise_ud(c);
    }
    need_cpl0(c);
    c->seg[S_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
    return 0;
}

static void fsgs_check(X86Cpu *c)
{
    if (!x86_code64(c) || !(c->cr4 & CR4_FSGSBASE)) {
        x86_raise_ud(c);
    }
}

uint64_t x86_h_rdfsgs(void *cpu, uint64_t s, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    fsgs_check(c);
    return c->seg[s & 7].base;
}

uint64_t x86_h_wrfsgs(void *cpu, uint64_t s, uint64_t base, uint64_t d)
{
    X86Cpu *c = cpu;

    fsgs_check(c);
    if (!x86_canonical(base)) {
        x86_raise_gp(c, 0);
    }
    c->seg[s & 7].base = base;
    return 0;
}

/* ---- XCR0 ---- */
uint64_t x86_h_xgetbv(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    uint64_t v = c->xcr0;

    if (!(c->cr4 & CR4_OSXSAVE)) {
        x86_raise_ud(c);
    }
    if ((uint32_t)c->dbt.gpr[R_RCX] == 1 && x86_feat(c, FEAT_D1_EAX, 2)) {
        v = c->xcr0;                    /* no state is tracked as initial: all in use */
    } else if ((uint32_t)c->dbt.gpr[R_RCX] != 0) {
        x86_raise_gp(c, 0);
    }
    c->dbt.gpr[R_RAX] = (uint32_t)v;
    c->dbt.gpr[R_RDX] = v >> 32;
    return 0;
}

uint64_t x86_h_xsetbv(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;
    uint64_t v = (uint32_t)c->dbt.gpr[R_RAX] | c->dbt.gpr[R_RDX] << 32;
    unsigned wide = (v & XCR0_AVX512);

    if (!(c->cr4 & CR4_OSXSAVE)) {
        x86_raise_ud(c);
    }
    if (c->cpl || (uint32_t)c->dbt.gpr[R_RCX] || v & ~x86_xcr0_known(c) || !(v & 1) ||
        (v & 6) == 4 ||
        (wide && (wide != XCR0_AVX512 || (v & 6) != 6))) { /* SDM vol. 1, ch. 13.3 */
        x86_raise_gp(c, 0);
    }
    x86_intercept(c, SVM_EXIT_XSETBV, 0);
    c->xcr0 = v;
    x86_cr_changed(c);
    return 0;
}

/* ---- protection keys ---- */
uint64_t x86_h_rdpkru(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (!(c->cr4 & CR4_PKE)) {
        x86_raise_ud(c);
    }
    if ((uint32_t)c->dbt.gpr[R_RCX]) {
        x86_raise_gp(c, 0);
    }
    c->dbt.gpr[R_RAX] = c->pkru;
    c->dbt.gpr[R_RDX] = 0;
    return 0;
}

uint64_t x86_h_wrpkru(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if (!(c->cr4 & CR4_PKE)) {
        x86_raise_ud(c);
    }
    if ((uint32_t)c->dbt.gpr[R_RCX] || (uint32_t)c->dbt.gpr[R_RDX]) {
        x86_raise_gp(c, 0);
    }
    x86_set_pkru(c, (uint32_t)c->dbt.gpr[R_RAX]);
    return 0;
}

/* ---- lines ---- */
uint64_t x86_h_clzero(void *cpu, uint64_t offset, uint64_t s, uint64_t d)
{
    static const uint8_t zero[64];
    X86Cpu *c = cpu;

    uint64_t linear = x86_seg_linear(c, (unsigned)s, offset, 1, true);
    /* the line that holds the byte */
    dbt_store_bytes(&c->dbt, linear & ~63ull, zero, 64);
    return 0;
}

uint64_t x86_h_movdir64b(void *cpu, uint64_t to, uint64_t from, uint64_t s)
{
    X86Cpu *c = cpu;
    uint64_t source = x86_seg_linear(c, (unsigned)s, from, 64, false),
             linear = x86_seg_linear(c, S_ES, to, 64, true);
    uint8_t line[64];

    if (linear & 63) {
        x86_raise_gp(c, 0);
    }
    dbt_load_bytes(&c->dbt, source, line, 64);
    dbt_store_bytes(&c->dbt, linear, line, 64);
    return 0;
}

uint64_t x86_h_vmx_svm(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    X86Cpu *c = cpu;

    if ((a == 0xc1 || a == 0xd9) && x86_feat(c, FEAT_KVM, 3)) {
        /* VMCALL, VMMCALL: no hypercall is offered */
        if (c->cpl) {
            x86_raise_gp(c, 0);
        }
        c->dbt.gpr[R_RAX] = (uint64_t)-1000;                        /* the interface's ENOSYS */
        return 0;
    }
    x86_raise_ud(c);
    return 0;
}

/* ---- ports ---- */
bool x86_io_allowed(X86Cpu *c, unsigned port, unsigned bytes)
{
    const X86Seg *tr = &c->seg[S_TR];
    uint64_t map, bits;

    if (!x86_pe(c) || (!x86_vm(c) && c->cpl <= x86_iopl(c))) {
        return true;
    }
    if (!(tr->attr & ATTR_P) || !(tr->attr & 8) || tr->limit < 103) {
        return false;
    }
    map = x86_sys_ld(c, tr->base + 102, 2) + port / 8;
    if (map + 1 > tr->limit) {
        return false;
    }
    bits = x86_sys_ld(c, tr->base + map, 2) >> (port & 7);
    return !(bits & ((1u << bytes) - 1));
}

static void io_done(X86Cpu *c, unsigned port, unsigned bytes, bool in)
{
    if (G_UNLIKELY(x86_events(c) & X86_EV_SMI)) {
        x86_smi_by_io(c, port, bytes, in);
    }
    if (G_UNLIKELY(c->cr4 & CR4_DE && c->mode_cr & X86_MODE_WATCH)) {
        x86_io_accessed(c, port & 0xffff, bytes);
    }
}

uint64_t x86_io_in(X86Cpu *c, unsigned port, unsigned bytes)
{
    uint64_t ones = (1ull << (bytes * 8)) - 1, v;
    MemResult res = MEM_OK;

    v = io_read(c->dbt.vcpu.machine->as_io, port & 0xffff, bytes, &res);
    v = res == MEM_OK ? v & ones : ones;
    io_done(c, port, bytes, true);
    if (log_on(LOG_IO)) {
        log_write("cpu%u: in%u %04x: %llx\n", c->dbt.vcpu.index, bytes, port & 0xffff,
                  (unsigned long long)v);
    }
    return v;
}

unsigned x86_io_in_many(X86Cpu *c, unsigned port, unsigned bytes, void *to, unsigned n)
{
    if (G_UNLIKELY(x86_events(c) & X86_EV_SMI) ||
        G_UNLIKELY(c->cr4 & CR4_DE && c->mode_cr & X86_MODE_WATCH)) {
        return 0;
    }
    n = io_read_many(c->dbt.vcpu.machine->as_io, port & 0xffff, to, bytes, n);
    if (n) {
        io_done(c, port, bytes, true);
    }
    return n;
}

void x86_io_out(X86Cpu *c, unsigned port, uint64_t value, unsigned bytes)
{
    if (log_on(LOG_IO)) {
        log_write("cpu%u: out%u %04x: %llx\n", c->dbt.vcpu.index, bytes, port & 0xffff,
                  (unsigned long long)value);
    }
    io_write(c->dbt.vcpu.machine->as_io, port & 0xffff, value, bytes);
    io_done(c, port, bytes, false);
}
