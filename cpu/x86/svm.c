/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svm.c -- AMD's secure virtual machine: entering and leaving a guest, and the instructions that
 * belong to it.
 *
 * Spec: AMD APM (24593) vol. 2 ch. 15, appendix B (VMCB); APM (24594) vol. 3, the instructions by
 * name.
 * Omits: LBR virtualization, TSC ratio, AVIC, SEV, SKINIT's secure launch (#UD where it is
 * not intercepted), shadow stacks: CPUID offers none of them.  The host's state is kept in the CPU,
 * not in the page of VM_HSAVE_PA.  The VMCB is read anew by each VMRUN whatever its clean bits say,
 * as the manual allows.
 * Threads: the vCPU's own.
 *
 * A guest's translations stay in contexts of their own, which its ASID is part of the key of;
 * entering and leaving a guest flushes nothing.
 */
#include "cpu/x86/sys.h"

enum { VMCB_BYTES = 0x6c0, VMCB_CONTROL = 0x100, SAVE_FROM = 0x400 };
enum { VMRUN, VMLOAD };                 /* whose business a row of the save area is */

/* ---- the VMCB ---- */
static uint64_t get(const uint8_t *b, unsigned at, unsigned n)
{
    uint64_t v = 0;

    memcpy(&v, b + at, n);
    return v;
}

static void put(uint8_t *b, unsigned at, unsigned n, uint64_t v)
{
    memcpy(b + at, &v, n);
}

static void vmcb_read(X86Cpu *c, uint64_t pa, uint8_t *b)
{
    if (!x86_phys_read(c, pa, b, VMCB_BYTES)) {
        memset(b, 0, VMCB_BYTES);       /* not memory: ASID 0 is refused */
    }
}

static void vmcb_write(X86Cpu *c, uint64_t pa, const uint8_t *b, unsigned from, unsigned to)
{
    as_write(c->dbt.vcpu.as, (pa + from) & c->a20_mask, b + from, to - from);
}

static const struct { uint16_t at; uint8_t seg, with; } vmcb_segs[] = {
#define VMCB_SEG(offset, segment, with) { offset, segment, with },
#include "cpu/x86/svm.def"
};
static const struct { uint16_t at; uint8_t with; uint32_t member; } vmcb_regs[] = {
#define VMCB_REG(offset, member, with) { offset, with, offsetof(X86Cpu, member) },
#include "cpu/x86/svm.def"
};

static uint64_t canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16); }

static void load_segs(X86Cpu *c, const uint8_t *b, unsigned with)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(vmcb_segs); i++) {
        const uint8_t *p = b + vmcb_segs[i].at;
        if (vmcb_segs[i].with == with) {
            c->seg[vmcb_segs[i].seg] =
                (X86Seg){.selector = (uint16_t)get(p, 0, 2),
                         .attr = get(p, 2, 2) & 0xfff,
                         .limit = (uint32_t)get(p, 4, 4),
                         .base = with == VMRUN ? get(p, 8, 4) : canonical(get(p, 8, 8))};
        }
    }
}

static void save_segs(const X86Cpu *c, uint8_t *b, unsigned with)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(vmcb_segs); i++) {
        const X86Seg *s = &c->seg[vmcb_segs[i].seg];
        uint8_t *p = b + vmcb_segs[i].at;
        if (vmcb_segs[i].with == with) {
            put(p, 0, 2, s->selector);
            put(p, 2, 2, s->attr);
            put(p, 4, 4, s->limit);
            put(p, 8, 8, s->base);
        }
    }
}

static void load_regs(X86Cpu *c, const uint8_t *b, unsigned with)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(vmcb_regs); i++) {
        if (vmcb_regs[i].with == with) {
            memcpy((uint8_t *)c + vmcb_regs[i].member, b + vmcb_regs[i].at, 8);
        }
    }
}

static void save_regs(const X86Cpu *c, uint8_t *b, unsigned with)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(vmcb_regs); i++) {
        if (vmcb_regs[i].with == with) {
            memcpy(b + vmcb_regs[i].at, (const uint8_t *)c + vmcb_regs[i].member, 8);
        }
    }
}

/* ---- host state ---- */
static void host_save(X86Cpu *c, uint64_t next_rip)
{
    X86SvmHost *h = &c->svm.host;

    memcpy(h->seg, c->seg, sizeof h->seg);
    h->gdt_base = c->gdt_base;
    h->gdt_limit = c->gdt_limit;
    h->idt_base = c->idt_base;
    h->idt_limit = c->idt_limit;
    h->efer = c->efer;
    h->cr0 = c->cr0;
    h->cr3 = c->cr3;
    h->cr4 = c->cr4;
    h->pat = c->pat;
    h->rflags = x86_rflags(c);
    h->rip = next_rip;
    h->rsp = c->dbt.gpr[R_RSP];
    h->rax = c->dbt.gpr[R_RAX];
    memcpy(h->pdpte, c->pdpte, sizeof h->pdpte);
}

static void host_load(X86Cpu *c)
{
    const X86SvmHost *h = &c->svm.host;

    memcpy(c->seg, h->seg, sizeof h->seg);
    c->gdt_base = h->gdt_base;
    c->gdt_limit = h->gdt_limit;
    c->idt_base = h->idt_base;
    c->idt_limit = h->idt_limit;
    c->efer = h->efer;
    c->cr0 = h->cr0;
    c->cr3 = h->cr3;
    c->cr4 = h->cr4;
    c->pat = h->pat;
    c->dr[7] = 0x400;
    c->dbt.gpr[R_RSP] = h->rsp;
    c->dbt.gpr[R_RAX] = h->rax;
    memcpy(c->pdpte, h->pdpte, sizeof h->pdpte);
    c->cpl = 0;
}

void x86_svm_reset(X86Cpu *c, bool init)
{
    uint64_t hsave = c->svm.hsave, vm_cr = c->svm.vm_cr;

    c->svm = (X86Svm){ .gif = true };
    if (init) {
        c->svm.hsave = hsave;
        c->svm.vm_cr = vm_cr;
    }
}

/* Nested page tables are walked in the mode that the host was in at VMRUN (APM 15.25.3). */
void x86_svm_derive(X86Cpu *c)
{
    const X86SvmHost *h = &c->svm.host;
    uint64_t phys = (1ull << c->phys_bits) - 1;

    c->svm.npte_reserved = (((1ull << 52) - 1) & ~phys) | (h->efer & EFER_NXE ? 0 : 1ull << 63);
    if (!(h->efer & EFER_LMA)) {
        c->svm.npte_reserved |= ((1ull << 63) - 1) & ~((1ull << 52) - 1);
    }
}

static void out_of_guest(X86Cpu *c)
{
    X86Svm *v = &c->svm;

    memset(v->intercept, 0, sizeof v->intercept);
    v->guest = v->np = v->gif = false;
    v->asid = 0;
    v->tsc_offset = v->int_ctl = v->virt_ext = v->event = 0;
    __atomic_fetch_and(&c->events, ~(uint32_t)X86_EV_VINTR, __ATOMIC_SEQ_CST);
    c->shadow = 0;
    c->activity = X86_RUN;
    c->delivering = -1;
    c->ext = 0;
    c->tf_start = c->rf_start = false;
    c->dr6_hit = 0;
}

static void new_mode(X86Cpu *c, uint64_t rip)
{
    x86_all_segs_update(c);
    x86_set_pc(c, rip);
    x86_cr_changed(c);
}

/* ---- #VMEXIT (APM 15.6) ---- */
static void save_guest(X86Cpu *c, uint8_t *b)
{
    save_segs(c, b, VMRUN);
    save_regs(c, b, VMRUN);
    put(b, 0x464, 4, c->gdt_limit);
    put(b, 0x468, 8, c->gdt_base);
    put(b, 0x484, 4, c->idt_limit);
    put(b, 0x488, 8, c->idt_base);
    put(b, 0x4cb, 1, c->cpl);
    put(b, 0x570, 8, x86_rflags(c));
    put(b, 0x578, 8, x86_rip(c));
    if (c->svm.np) {
        put(b, 0x668, 8, c->pat);
    }
}

void x86_svm_exit(X86Cpu *c, uint64_t code, uint64_t info1, uint64_t info2, const X86SvmBytes *insn)
{
    X86Svm *v = &c->svm;
    uint8_t b[VMCB_BYTES];
    bool shadow;

    if (c->sys_cpl >= 0) {
        x86_system_end(c, (unsigned)c->sys_cpl);
    }
    if (log_on(LOG_INT)) {
        log_write("cpu%u: #VMEXIT %llx info %llx %llx at %04x:%llx event %llx\n", c->dbt.vcpu.index,
                  (unsigned long long)code, (unsigned long long)info1, (unsigned long long)info2,
                  c->seg[S_CS].selector, (unsigned long long)x86_rip(c),
                  (unsigned long long)v->event);
    }
    shadow = x86_shadowed(c);
    vmcb_read(c, v->vmcb, b);
    put(b, 0x60, 4, v->int_ctl);
    put(b, 0x68, 4, (v->int_shadow & ~3ull) | shadow | (x86_rflags(c) & EF_IF ? 2 : 0));
    put(b, 0x70, 8, code);
    put(b, 0x78, 8, info1);
    put(b, 0x80, 8, info2);
    put(b, 0x88, 8, v->event);
    put(b, 0xa8, 4, get(b, 0xa8, 4) & 0x7fffffff);
    put(b, 0xc8, 8, insn ? insn->next_rip : 0);
    put(b, 0xd0, 1, insn ? insn->n : 0);
    if (insn) {
        memcpy(b + 0xd1, insn->code, sizeof insn->code);
    }
    if (code != SVM_EXIT_INVALID) {
        save_guest(c, b);
        vmcb_write(c, v->vmcb, b, SAVE_FROM, 0x670);
    }
    vmcb_write(c, v->vmcb, b, 0x60, 0xe0);
    out_of_guest(c);
    host_load(c);
    x86_put_rflags(c, v->host.rflags, UINT64_MAX);
    new_mode(c, v->host.rip);
    dbt_leave(&c->dbt);
}

/* ---- VMRUN (APM 15.5) ---- */
static void load_control(X86Cpu *c, const uint8_t *b)
{
    X86Svm *v = &c->svm;

    for (unsigned i = 0; i < SVM_WORDS; i++) {
        v->intercept[i] = (uint32_t)get(b, i * 4, 4);
    }
#define VMCB_CTL(offset, bytes, member) v->member = (__typeof__(v->member))get(b, offset, bytes);
#include "cpu/x86/svm.def"
    v->np = v->np_ctl & 1;
    v->int_shadow &= 1;
    v->pause_left = v->pause_filter;
    v->pause_tsc = x86_tsc(c);
}

/* What may be injected (APM 15.20). */
static bool event_valid(const X86Cpu *c, uint64_t e)
{
    unsigned vector = e & 0xff, type = (e >> 8) & 7;

    if (!(e >> 31 & 1)) {
        return true;
    }
    if (type == 3) {
        return vector < 32 && vector != EXC_NMI &&
               !((vector == EXC_OF || vector == EXC_BR) && c->efer & EFER_LMA &&
                 c->seg[S_CS].attr & ATTR_L);
    }
    return type == 0 || type == 2 || type == 4;
}

static bool control_valid(X86Cpu *c)
{
    const X86Svm *v = &c->svm;
    uint64_t end = 1ull << c->phys_bits;

    return v->intercept[SVM_EXIT_VMRUN >> 5] & 1 && v->asid && v->asid < SVM_N_ASIDS &&
           !(v->np_ctl & ~1ull) &&
           !(x86_wanted(c, SVM_EXIT_MSR) && (v->msrpm & ~0xfffull) > end - 0x2000) &&
           !(x86_wanted(c, SVM_EXIT_IOIO) && (v->iopm & ~0xfffull) > end - 0x3000) &&
           !(v->np && (!x86_feat(c, FEAT_8A_EDX, 0) || !(v->host.cr0 & CR0_PG) ||
                       v->ncr3 & ~(c->addr_mask | 0xfff)));
}

/* The state save area, as it stands in the CPU's registers now (APM 15.5.1). */
static bool state_valid(X86Cpu *c)
{
    bool pg = c->cr0 & CR0_PG, pae = c->cr4 & CR4_PAE, lme = c->efer & EFER_LME;

    if (!(c->efer & EFER_SVME) || c->efer & ~x86_efer_allowed(c) || c->cr0 >> 32 ||
        (c->cr0 & CR0_NW && !(c->cr0 & CR0_CD)) || c->cr4 & ~x86_cr4_allowed(c) || c->dr[6] >> 32 ||
        c->dr[7] >> 32) {
        return false;
    }
    if (pg && lme) {
        if (!pae || !(c->cr0 & CR0_PE) || c->cr3 & ~(c->addr_mask | 0xfff) ||
            (c->seg[S_CS].attr & (ATTR_L | ATTR_DB)) == (ATTR_L | ATTR_DB)) {
            return false;
        }
    } else if (c->cr4 & CR4_PCIDE) {
        return false;
    }
    return event_valid(c, c->svm.event_inj);
}

/* Bits that no check looks at, brought to what the rest of the CPU relies on. */
static void tidy(X86Cpu *c, const uint8_t *b)
{
    bool lma = c->cr0 & CR0_PG && c->efer & EFER_LME;
    uint64_t flags = get(b, 0x570, 8);

    c->efer = (c->efer & ~(uint64_t)EFER_LMA) | (lma ? EFER_LMA : 0);
    c->cr0 = (c->cr0 & (CR0_PG | CR0_CD | CR0_NW | CR0_AM | CR0_WP | CR0_NE | CR0_TS | CR0_EM |
                        CR0_MP | CR0_PE)) |
             CR0_ET;
    if (!lma) {
        c->cr3 = (uint32_t)c->cr3;
    }
    c->dr[6] = (c->dr[6] & 0xe00f) | 0xffff0ff0;
    c->dr[7] = (c->dr[7] & 0xffff2fff) | 0x400;
    if (lma || !(c->cr0 & CR0_PE)) {
        flags &= ~(uint64_t)EF_VM;
    }
    c->cpl = !(c->cr0 & CR0_PE) ? 0 : flags & EF_VM ? 3 : b[0x4cb] & 3;
    c->rflags = 2;                      /* nothing of the host's stays */
    x86_put_rflags(c, flags, UINT64_MAX);
    c->gdt_limit = (uint32_t)get(b, 0x464, 4) & 0xffff;
    c->gdt_base = canonical(get(b, 0x468, 8));
    c->idt_limit = (uint32_t)get(b, 0x484, 4) & 0xffff;
    c->idt_base = canonical(get(b, 0x488, 8));
}

static void flush_by(X86Cpu *c, unsigned control)
{
    uint64_t space = (uint64_t)c->svm.asid << SVM_ASID_SHIFT;

    if (control == 1) {
        dbt_flush_all(&c->dbt);
    } else if (control == 3 || control == 7) {
        dbt_flush_space(&c->dbt, SVM_SPACE_MASK, space, control == 7);
    }
}

/* An event that the hypervisor wants delivered first (APM 15.20). */
static void inject(X86Cpu *c)
{
    static const uint8_t kinds[8] = {EVENT_INTERRUPT, 0, EVENT_INTERRUPT, EVENT_FAULT, EVENT_SOFT};
    uint64_t e = c->svm.event_inj, rip = x86_rip(c);
    unsigned vector = e & 0xff, type = (e >> 8) & 7;
    X86EventKind kind = kinds[type];

    if (!(e >> 31 & 1)) {
        return;
    }
    if (type == 2) {
        vector = EXC_NMI;
    }
    if (type == 3 && (vector == EXC_BP || vector == EXC_OF)) {
        kind = EVENT_SOFT;
    } else if (type == 3 && vector == EXC_DB) {
        kind = EVENT_TRAP;
    }
    if (kind == EVENT_SOFT) {
        rip = x86_code64(c) ? c->svm.nrip : (uint32_t)c->svm.nrip;
    }
    if (type == 3) {
        c->delivering = (int16_t)vector;
        c->nested = 0;
    }
    c->svm.event = e & 0xffffffff80000fffull;
    x86_deliver(c, vector, kind, e >> 11 & 1, (uint32_t)(e >> 32), rip);
}

static bool enter(X86Cpu *c, const uint8_t *b)
{
    load_segs(c, b, VMRUN);
    load_regs(c, b, VMRUN);
    if (!state_valid(c)) {
        return false;
    }
    tidy(c, b);
    if (c->svm.np) {
        x86_set_pat(c, get(b, 0x668, 8));
        return true;
    }
    return !x86_uses_pdptes(c) || x86_load_pdptes(c, c->cr3);
}

static void vmrun(X86Cpu *c, uint64_t pa, uint64_t len)
{
    X86Svm *v = &c->svm;
    uint64_t dr6 = c->dr[6], cr2 = c->cr2;
    uint8_t b[VMCB_BYTES];

    host_save(c, x86_rip(c) + len);
    vmcb_read(c, pa, b);
    v->vmcb = pa;
    load_control(c, b);
    v->guest = true;
    v->event = 0;
    c->shadow = 0;
    if (!control_valid(c) || !enter(c, b)) {
        c->dr[6] = dr6;
        c->cr2 = cr2;
        x86_svm_exit(c, SVM_EXIT_INVALID, 0, 0, NULL);
    }
    x86_svm_derive(c);
    flush_by(c, b[0x5c]);
    v->gif = true;
    new_mode(c, get(b, 0x578, 8));
    if (v->int_shadow) {
        c->shadow = SHADOW_STI;
        c->shadow_pc = c->dbt.pc;
    }
    if (v->int_ctl & V_IRQ) {
        __atomic_fetch_or(&c->events, X86_EV_VINTR, __ATOMIC_SEQ_CST);
    }
    if (v->int_shadow || x86_events(c) || c->rflags & EF_TF) {
        x86_poll_soon(c);               /* the run loop looks first */
    }
    inject(c);
}

/* ---- the same as one page, for KVM: control area, and the host in the save area */
static const struct { uint16_t at; uint8_t bytes; uint32_t member;
} host_regs[] = {
#define H(at, bytes, m) { at, bytes, offsetof(X86SvmHost, m) }
    H(0x464, 4, gdt_limit), H(0x468, 8, gdt_base), H(0x484, 4, idt_limit), H(0x488, 8, idt_base),
    H(0x4d0, 8, efer),      H(0x548, 8, cr4),      H(0x550, 8, cr3),       H(0x558, 8, cr0),
    H(0x570, 8, rflags),    H(0x578, 8, rip),      H(0x5d8, 8, rsp),       H(0x5f8, 8, rax),
    H(0x668, 8, pat),
#undef H
};

void x86_svm_image(const X86Cpu *c, uint8_t *b)
{
    const X86Svm *v = &c->svm;

    memset(b, 0, SVM_IMAGE_BYTES);
    for (unsigned i = 0; i < SVM_WORDS; i++) {
        put(b, i * 4, 4, v->intercept[i]);
    }
#define VMCB_CTL(offset, bytes, member) put(b, offset, bytes, v->member);
#include "cpu/x86/svm.def"
    put(b, 0xa8, 8, 0);                 /* the event has been delivered */
    for (unsigned i = 0; i < G_N_ELEMENTS(v->host.seg); i++) {
        uint8_t *p = b + SAVE_FROM + i * 16;
        put(p, 0, 2, v->host.seg[i].selector);
        put(p, 2, 2, v->host.seg[i].attr);
        put(p, 4, 4, v->host.seg[i].limit);
        put(p, 8, 8, v->host.seg[i].base);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(host_regs); i++) {
        memcpy(b + host_regs[i].at, (const uint8_t *)&v->host + host_regs[i].member,
               host_regs[i].bytes);
    }
}

void x86_svm_take_image(X86Cpu *c, uint64_t vmcb, const uint8_t *b)
{
    X86Svm *v = &c->svm;

    load_control(c, b);
    v->vmcb = vmcb;
    v->guest = true;
    v->event = v->event_inj = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(v->host.seg); i++) {
        const uint8_t *p = b + SAVE_FROM + i * 16;
        v->host.seg[i] = (X86Seg){ .selector = (uint16_t)get(p, 0, 2), .attr = get(p, 2, 2) & 0xfff,
                                   .limit = (uint32_t)get(p, 4, 4), .base = get(p, 8, 8) };
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(host_regs); i++) {
        memcpy((uint8_t *)&v->host + host_regs[i].member, b + host_regs[i].at, host_regs[i].bytes);
    }
    x86_svm_derive(c);
    if (v->int_ctl & V_IRQ) {
        __atomic_fetch_or(&c->events, X86_EV_VINTR, __ATOMIC_SEQ_CST);
    }
}

void x86_svm_no_guest(X86Cpu *c)
{
    if (c->svm.guest) {
        memset(c->svm.intercept, 0, sizeof c->svm.intercept);
        c->svm.guest = c->svm.np = false;
        c->svm.asid = 0;
        c->svm.tsc_offset = c->svm.int_ctl = c->svm.virt_ext = c->svm.event = 0;
    }
}

/* ---- VMLOAD, VMSAVE ---- */
static void vmload(X86Cpu *c, uint64_t pa)
{
    uint8_t b[VMCB_BYTES];

    vmcb_read(c, pa, b);
    load_segs(c, b, VMLOAD);
    load_regs(c, b, VMLOAD);
    c->lstar = canonical(c->lstar);
    c->cstar = canonical(c->cstar);
    c->kernel_gs_base = canonical(c->kernel_gs_base);
    c->sysenter_esp = canonical(c->sysenter_esp);
    c->sysenter_eip = canonical(c->sysenter_eip);
    c->sysenter_cs = (uint32_t)c->sysenter_cs;
    c->sfmask = (uint32_t)c->sfmask;
    for (unsigned i = S_FS; i < X86_N_SEGS; i++) {
        x86_seg_update(c, i);
    }
}

static void vmsave(X86Cpu *c, uint64_t pa)
{
    uint8_t b[VMCB_BYTES];

    vmcb_read(c, pa, b);
    save_segs(c, b, VMLOAD);
    save_regs(c, b, VMLOAD);
    vmcb_write(c, pa, b, 0x440, 0x4a0);
    vmcb_write(c, pa, b, 0x600, 0x640);
}

/* In a guest with virtual VMLOAD and VMSAVE the address is the guest's own (APM 15.33.1). */
static uint64_t virtual_vmcb(X86Cpu *c, uint64_t pa, bool write)
{
    if (c->svm.guest && c->svm.np && c->svm.virt_ext & 2 && x86_lma(c)) {
        if (!x86_nested_walk(c, pa, write ? ACCESS_WRITE : ACCESS_READ, &pa)) {
            x86_svm_npf(c);
        }
    }
    return pa;
}

/* ---- the global interrupt flag ---- */
static void set_gif(X86Cpu *c, bool on)
{
    if (c->svm.guest && c->svm.int_ctl & V_GIF_ENABLE) {
        c->svm.int_ctl = (c->svm.int_ctl & ~(uint64_t)V_GIF) | (on ? V_GIF : 0);
    } else {
        c->svm.gif = on;
    }
    if (on && x86_events(c)) {
        x86_poll_soon(c);
    }
}

/* ---- the instructions ---- */
static void need_svm(X86Cpu *c, unsigned code, uint64_t pa)
{
    if (!(c->efer & EFER_SVME) || !x86_protected(c)) {
        x86_raise_ud(c);
    }
    if (c->cpl) {
        x86_raise_gp(c, 0);
    }
    if (code == SVM_EXIT_VMRUN || code == SVM_EXIT_VMLOAD || code == SVM_EXIT_VMSAVE) {
        if (pa & 0xfff || pa >> c->phys_bits) {
            x86_raise_gp(c, 0);
        }
    }
    x86_intercept(c, code, 0);
}

static void vmmcall(X86Cpu *c, uint64_t len)
{
    x86_intercept(c, SVM_EXIT_VMMCALL, 0);
    if (c->svm.guest || !x86_feat(c, FEAT_KVM, 3)) {
        x86_raise_ud(c);
    }
    x86_h_vmx_svm(c, 0xd9, 0, 0);
}

static void invlpga(X86Cpu *c)
{
    uint64_t linear = c->dbt.gpr[R_RAX], asid = (uint32_t)c->dbt.gpr[R_RCX];

    if (asid < SVM_N_ASIDS && x86_canonical(linear)) {
        dbt_flush_page(&c->dbt, linear, SVM_SPACE_MASK, asid << SVM_ASID_SHIFT);
    }
}

/* op: third opcode byte; address: rAX cut to the address size.  All of them set pc. */
uint64_t x86_h_svm(void *cpu, uint64_t op, uint64_t address_bits, uint64_t len)
{
    static const uint16_t codes[8] = {SVM_EXIT_VMRUN,  SVM_EXIT_VMMCALL, SVM_EXIT_VMLOAD,
                                      SVM_EXIT_VMSAVE, SVM_EXIT_STGI,    SVM_EXIT_CLGI,
                                      SVM_EXIT_SKINIT, SVM_EXIT_INVLPGA};
    X86Cpu *c = cpu;
    unsigned code = codes[op & 7];
    uint64_t pa = address_bits == 64 ? c->dbt.gpr[R_RAX] : (uint32_t)c->dbt.gpr[R_RAX];

    if (code == SVM_EXIT_VMMCALL) {
        vmmcall(c, len);
        x86_set_pc(c, x86_rip(c) + len);
        return 0;
    }
    need_svm(c, code, pa);
    switch (code) {
    case SVM_EXIT_VMRUN:
        vmrun(c, pa, len);
        return 0;
    case SVM_EXIT_VMLOAD:
        vmload(c, virtual_vmcb(c, pa, false));
        break;
    case SVM_EXIT_VMSAVE:
        vmsave(c, virtual_vmcb(c, pa, true));
        break;
    case SVM_EXIT_STGI:
    case SVM_EXIT_CLGI:
        set_gif(c, code == SVM_EXIT_STGI);
        break;
    case SVM_EXIT_INVLPGA:
        invlpga(c);
        break;
    default:
        x86_raise_ud(c);                /* SKINIT: CPUID does not offer it */
    }
    x86_set_pc(c, x86_rip(c) + len);
    return 0;
}
