/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86.c -- the state of an x86 CPU to and from KVM: registers, MSRs, XSAVE area, pending events,
 * CPUID.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst and struct definitions of linux/kvm.h; Intel SDM
 *   (325462) vol. 4 for MSRs.
 * Omits: an exception that KVM had queued, but not delivered, when the guest was left (a fault
 *   comes again by itself); an INIT that waits for the end of system management mode; FCS and FDS;
 *   MSRs of performance counters.
 * Threads: the vCPU's own, or any while it is parked.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include "cpu/x86/simd.h"
#include <errno.h>
#include <sys/ioctl.h>

#define B(n) (1u << (n))
enum { MSR_MCG_CAP = 0x179, MSR_MC0_CTL = 0x400, CPUID_MOST = 256, XSAVE_BYTES = 4096 };

/* ---- what this host can give ---- */
static const struct {
    uint32_t leaf;
    uint8_t sub, reg;
    uint32_t without;
} words[X86_N_FEATS] = {
    /* MONITOR, VMX; x2APIC, TSC deadline: with KVM's local APICs only */
    [FEAT_1_ECX] = { 1, 0, 2, B(3) | B(5) | B(21) | B(24) },
    [FEAT_1_EDX] = { 1, 0, 3, 0 },
    [FEAT_7_EBX] = { 7, 0, 1, 0 },
    [FEAT_7_ECX] = { 7, 0, 2, B(5) },
    [FEAT_7_EDX] = { 7, 0, 3, B(29) | B(30) },
    [FEAT_7_1_EAX] = { 7, 1, 0, 0 },
    [FEAT_D1_EAX] = { 0xd, 1, 0, B(3) },
    [FEAT_6_EAX] = { 6, 0, 0, 0 },
    [FEAT_81_ECX] = { 0x80000001, 0, 2, 0 },
    [FEAT_81_EDX] = { 0x80000001, 0, 3, 0 },
    [FEAT_8A_EDX] = { 0x8000000a, 0, 3, 0 },
    [FEAT_87_EDX] = { 0x80000007, 0, 3, 0 },
    [FEAT_88_EBX] = { 0x80000008, 0, 1, 0 },
    [FEAT_KVM] = { KVM_CPUID_FEATURES, 0, 0,
                   ~(kvm_clock_bits | B(KVM_FEATURE_ASYNC_PF) | B(KVM_FEATURE_STEAL_TIME) |
                     B(KVM_FEATURE_PV_EOI) | B(KVM_FEATURE_PV_UNHALT) |
                     B(KVM_FEATURE_PV_TLB_FLUSH) | B(KVM_FEATURE_PV_SEND_IPI) |
                     B(KVM_FEATURE_POLL_CONTROL) | B(KVM_FEATURE_PV_SCHED_YIELD) |
                     B(KVM_FEATURE_ASYNC_PF_INT)) },
};

/* Instructions that the translator lacks: they have no state of their own, so that they need no
 * more than KVM's word. */
static const uint32_t beyond[X86_N_FEATS] = {
    [FEAT_7_EBX] = B(4) | B(11) | B(26) | B(27),        /* HLE, RTM, AVX-512 PF and ER */
    [FEAT_7_ECX] = B(25),                               /* CLDEMOTE */
    /* AVX-512 4VNNIW, 4FMAPS, VP2INTERSECT, FP16; MD_CLEAR, TSXLDTRK */
    [FEAT_7_EDX] = B(2) | B(3) | B(8) | B(10) | B(16) | B(23),
    [FEAT_7_1_EAX] = B(4) | B(5),                       /* AVX-VNNI, AVX-512 BF16 */
    [FEAT_81_EDX] = B(25),                              /* FFXSR */
    /* CR8 by LOCK, SSE4A, misaligned SSE, OSVW, XOP, FMA4, TBM */
    [FEAT_81_ECX] = B(4) | B(6) | B(7) | B(9) | B(11) | B(16) | B(21),
    [FEAT_88_EBX] = B(26),                              /* SSB_NO */
};

static const struct kvm_cpuid_entry2 *given(const KvmMachine *k, uint32_t leaf, uint32_t sub)
{
    for (uint32_t i = 0; i < k->cpuid->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &k->cpuid->entries[i];
        if (e->function == leaf &&
            (e->index == sub || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX))) {
            return e;
        }
    }
    return NULL;
}

bool kvm_x86_init(KvmMachine *k, GError **err)
{
    k->cpuid = g_malloc0(sizeof(struct kvm_cpuid2) + CPUID_MOST * sizeof(struct kvm_cpuid_entry2));
    k->cpuid->nent = CPUID_MOST;
    if (ioctl(k->fd, KVM_GET_SUPPORTED_CPUID, k->cpuid) < 0) {
        return fail(err, "-accel kvm: KVM_GET_SUPPORTED_CPUID: %s", g_strerror(errno));
    }
    kvm_pv_init(k);
    for (unsigned i = 2; i < G_N_ELEMENTS(k->xsave_at); i++) {
        const struct kvm_cpuid_entry2 *e = given(k, 0xd, i), *all = given(k, 0xd, 0);
        if (e && all && all->eax >> i & 1 && e->ebx + e->eax <= XSAVE_BYTES) {
            k->xsave_at[i] = e->ebx;
        }
    }
    return true;
}

void kvm_x86_can(Machine *m, uint32_t *feat)
{
    const KvmMachine *k = kvm_of(m);

    for (unsigned w = 0; w < X86_N_FEATS; w++) {
        const struct kvm_cpuid_entry2 *e = words[w].leaf ? given(k, words[w].leaf, words[w].sub)
                                                         : NULL;
        const uint32_t regs[4] = { e ? e->eax : 0, e ? e->ebx : 0, e ? e->ecx : 0, e ? e->edx : 0 };
        /* "hypervisor", "ht": ours to say */
        uint32_t free = w == FEAT_1_ECX ? B(31) : w == FEAT_1_EDX ? B(28) : 0;
        uint32_t without = words[w].without;
        if (w == FEAT_1_ECX && k->irqchip != IRQCHIP_OFF) {
            without &= ~(B(21) | B(24));
            free |= ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0 ? B(24) : 0;
        }
        if (w == FEAT_81_ECX && !kvm_nested_can(k)) {
            without |= B(2);            /* SVM */
        }
        if (w == FEAT_KVM) {            /* the translator has no more than clocks */
            feat[w] = regs[0] & ~without &
                      (k->irqchip != IRQCHIP_OFF ? UINT32_MAX
                                                 : kvm_clock_bits | B(KVM_FEATURE_STEAL_TIME));
            continue;
        }
        feat[w] = (feat[w] | beyond[w]) & ((regs[words[w].reg] & ~without) | free);
    }
    feat[FEAT_HV] = kvm_pv_hv_can(k);
}

/* ---- CPUID ---- */
static void leaf_of_host(KvmCpu *k, struct kvm_cpuid_entry2 *e)
{
    const struct kvm_cpuid_entry2 *g = given(k->kvm, e->function, e->index);
    uint64_t known = x86_xcr0_known(k->c);

    if (e->function == 0xd && e->index == 0) {  /* areas lie where the host's processor puts them */
        uint32_t end = 576;
        for (unsigned i = 2; i < 32; i++) {
            const struct kvm_cpuid_entry2 *part = given(k->kvm, 0xd, i);
            if (known >> i & 1 && part) {
                end = MAX(end, part->ebx + part->eax);
            }
        }
        e->ecx = e->ebx = end;
    } else if (e->function == 0xd && e->index > 1) {
        bool there = g && known >> e->index & 1;
        e->eax = there ? g->eax : 0;
        e->ebx = there ? g->ebx : 0;
        e->ecx = there ? g->ecx : 0;
    } else if (e->function == 0x15) {
        e->eax = e->ebx = e->ecx = e->edx = 0;
    } else if (e->function == 0x40000010) {
        e->eax = (uint32_t)k->tsc_khz;
    }
}

static unsigned subs_of(uint32_t leaf)
{
    switch (leaf) {
    case 4: case 0x8000001d: return 5;
    case 7:    return 2;
    case 0xb: case 0x1f: return 3;
    case 0xd:  return 32;
    default:   return 1;
    }
}

static void add_leaf(KvmCpu *k, struct kvm_cpuid2 *t, uint32_t leaf)
{
    unsigned n = subs_of(leaf);

    for (unsigned sub = 0; sub < n && t->nent < CPUID_MOST; sub++) {
        struct kvm_cpuid_entry2 *e = &t->entries[t->nent];
        uint32_t r[4] = { 0 };
        x86_cpuid(k->c, leaf, sub, r);
        *e = (struct kvm_cpuid_entry2){ .function = leaf, .index = sub,
                                        .flags = n > 1 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                        .eax = r[0], .ebx = r[1], .ecx = r[2], .edx = r[3] };
        leaf_of_host(k, e);
        t->nent += sub < 2 || leaf == 0xb || leaf == 0x1f || e->eax;
    }
}

bool kvm_x86_cpuid(KvmCpu *k, GError **err)
{
    g_autofree struct kvm_cpuid2 *t = g_malloc0(sizeof *t + CPUID_MOST * sizeof t->entries[0]);
    const struct kvm_cpuid_entry2 *e = given(k->kvm, 0x80000008, 0);
    int khz;

    if (k->kvm->has_tsc_scale) {
        ioctl(k->fd, KVM_SET_TSC_KHZ, (unsigned long)(x86_tsc_hz(k->kvm->machine) / 1000));
    }
    khz = ioctl(k->fd, KVM_GET_TSC_KHZ, 0);
    k->tsc_khz = khz > 0 ? (uint64_t)khz : x86_tsc_hz(k->kvm->machine) / 1000;
    if (e && (e->eax & 0xff) < k->c->phys_bits) {
        k->c->phys_bits = e->eax & 0xff;
    }
    for (uint32_t leaf = 0; leaf <= MIN(k->c->level, 0x20u); leaf++) {
        add_leaf(k, t, leaf);
    }
    uint32_t base = x86_feat(k->c, FEAT_1_ECX, 31) ? kvm_pv_leaves(k, t) : 0, first = t->nent;
    if (base && k->c->feat[FEAT_KVM]) {
        add_leaf(k, t, 0x40000000);
        add_leaf(k, t, 0x40000001);
        add_leaf(k, t, 0x40000010);
        for (uint32_t i = first; i < t->nent; i++) {
            t->entries[i].function += base - 0x40000000;
        }
        t->entries[first].eax += base - 0x40000000;
        t->entries[first + 1].edx |= k->c->hv.dedicated ? B(KVM_HINTS_REALTIME) : 0;
    }
    for (uint32_t leaf = 0x80000000; k->c->xlevel && leaf <= MIN(k->c->xlevel, 0x80000020u);
         leaf++) {
        add_leaf(k, t, leaf);
    }
    if (ioctl(k->fd, KVM_SET_CPUID2, t) < 0) {
        return fail(err, "-accel kvm: CPU %u: KVM refuses the model's CPUID: %s",
                    k->c->dbt.vcpu.index, g_strerror(errno));
    }
    uint64_t mcg_cap = 0;
    if (x86_feat(k->c, FEAT_1_EDX, 14) && x86_msr_read(k->c, MSR_MCG_CAP, &mcg_cap)) {
        /* as many banks as under the translator; else KVM's own number */
        ioctl(k->fd, KVM_X86_SETUP_MCE, &mcg_cap);
    }
    return kvm_pv_vcpu_init(k, err);
}

/* ---- MSRs ---- */
typedef struct MsrRow { uint32_t msr; uint32_t at; } MsrRow;
#define F(m) offsetof(X86Cpu, m)
static const MsrRow rows[] = {
    { 0x174, F(sysenter_cs) }, { 0x175, F(sysenter_esp) },
    { 0x176, F(sysenter_eip) }, { 0x277, F(pat) },
    { 0xc0000081, F(star) }, { 0xc0000082, F(lstar) },
    { 0xc0000083, F(cstar) }, { 0xc0000084, F(sfmask) },
    { 0xc0000102, F(kernel_gs_base) }, { 0xc0000103, F(tsc_aux) },
    { 0x1a0, F(misc_enable) }, { 0x48, F(spec_ctrl) },
    { 0x3b, F(tsc_adjust) }, { 0xc001011f, F(virt_ssbd) },
    { 0x9e, F(smbase) }, { 0x2ff, F(mtrr_def) }, { 0x17a, F(mcg_status) }, { 0x17b, F(mcg_ctl) },
    { 0x250, F(mtrr_fixed[0]) }, { 0x258, F(mtrr_fixed[1]) },
    { 0x259, F(mtrr_fixed[2]) }, { 0x268, F(mtrr_fixed[3]) },
    { 0x269, F(mtrr_fixed[4]) }, { 0x26a, F(mtrr_fixed[5]) },
    { 0x26b, F(mtrr_fixed[6]) }, { 0x26c, F(mtrr_fixed[7]) },
    { 0x26d, F(mtrr_fixed[8]) }, { 0x26e, F(mtrr_fixed[9]) }, { 0x26f, F(mtrr_fixed[10]) },
    { 0x200, F(mtrr_base[0]) }, { 0x202, F(mtrr_base[1]) },
    { 0x204, F(mtrr_base[2]) }, { 0x206, F(mtrr_base[3]) },
    { 0x208, F(mtrr_base[4]) }, { 0x20a, F(mtrr_base[5]) },
    { 0x20c, F(mtrr_base[6]) }, { 0x20e, F(mtrr_base[7]) },
    { 0x201, F(mtrr_mask[0]) }, { 0x203, F(mtrr_mask[1]) },
    { 0x205, F(mtrr_mask[2]) }, { 0x207, F(mtrr_mask[3]) },
    { 0x209, F(mtrr_mask[4]) }, { 0x20b, F(mtrr_mask[5]) },
    { 0x20d, F(mtrr_mask[6]) }, { 0x20f, F(mtrr_mask[7]) },
    { 0xc0010117, F(svm.hsave) }, { 0xc0010114, F(svm.vm_cr) },
    { MSR_KVM_WALL_CLOCK_NEW, F(kvm_wall_msr) }, { MSR_KVM_SYSTEM_TIME_NEW, F(kvmclock_msr) },
};

/* One at a time: what this CPU lacks is passed over. */
bool kvm_msr_do(KvmCpu *k, unsigned long what, uint32_t msr, uint64_t *val)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry e;
    } m = { .head.nmsrs = 1, .e = { .index = msr, .data = *val } };
    bool ok = ioctl(k->fd, what, &m) == 1;

    *val = ok ? m.e.data : *val;
    return ok;
}

static void msrs(KvmCpu *k, unsigned long what)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        kvm_msr_do(k, what, rows[i].msr, (uint64_t *)((char *)k->c + rows[i].at));
    }
    for (unsigned i = 0; x86_feat(k->c, FEAT_1_EDX, 14) && i < G_N_ELEMENTS(k->c->mce_bank); i++) {
        kvm_msr_do(k, what, MSR_MC0_CTL + i, &k->c->mce_bank[i]);
    }
}

/* ---- registers ---- */
#define GPRS(X)                                                                 \
    X(rax, R_RAX) X(rbx, R_RBX) X(rcx, R_RCX) X(rdx, R_RDX)                     \
    X(rsi, R_RSI) X(rdi, R_RDI) X(rsp, R_RSP) X(rbp, R_RBP)                     \
    X(r8, R_R8) X(r9, R_R9) X(r10, R_R10) X(r11, R_R11)                         \
    X(r12, R_R12) X(r13, R_R13) X(r14, R_R14) X(r15, R_R15)
#define SEGS(X)                                                                 \
    X(es, S_ES) X(cs, S_CS) X(ss, S_SS) X(ds, S_DS)                             \
    X(fs, S_FS) X(gs, S_GS) X(ldt, S_LDTR) X(tr, S_TR)

static void seg_in(X86Seg *g, const struct kvm_segment *s)
{
    *g = (X86Seg){ .base = s->base, .limit = s->limit, .selector = s->selector };
    if (!s->unusable) {
        g->attr = (uint16_t)(s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | s->avl << 8 |
                             s->l << 9 | s->db << 10 | s->g << 11);
    }
}

static struct kvm_segment seg_out(const X86Seg *g)
{
    unsigned a = g->attr;

    return (struct kvm_segment){
        .base = g->base, .limit = g->limit, .selector = g->selector,
        .type = a & 15, .s = a >> 4 & 1, .dpl = a >> 5 & 3,
        .present = a >> 7 & 1, .avl = a >> 8 & 1,
        .l = a >> 9 & 1, .db = a >> 10 & 1, .g = a >> 11 & 1,
        .unusable = !(a & ATTR_P),
    };
}

static void sregs_in(X86Cpu *c, const struct kvm_sregs *s)
{
    c->cr0 = s->cr0;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->efer = s->efer;
#define X(name, n) seg_in(&c->seg[n], &s->name);
    SEGS(X)
#undef X
    c->gdt_base = s->gdt.base;
    c->gdt_limit = s->gdt.limit;
    c->idt_base = s->idt.base;
    c->idt_limit = s->idt.limit;
}

static void events_in(KvmCpu *k)
{
    struct kvm_vcpu_events e;
    X86Cpu *c = k->c;

    if (ioctl(k->fd, KVM_GET_VCPU_EVENTS, &e) < 0) {
        return;
    }
    c->nmi_blocked = e.nmi.masked;
    c->shadow = (e.interrupt.shadow & KVM_X86_SHADOW_INT_STI ? SHADOW_STI : 0) |
                (e.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? SHADOW_SS : 0);
    c->shadow_pc = UINT64_MAX;
    c->in_smm = k->kvm->has_smm && e.smi.smm;
    c->smm_nmi = c->in_smm && e.smi.smm_inside_nmi;
    if (k->kvm->has_smm && e.smi.pending) {     /* ours again, as an NMI below */
        e.smi.pending = 0;
        e.flags = KVM_VCPUEVENT_VALID_SMM;
        ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e);
        __atomic_fetch_or(&c->events, X86_EV_SMI, __ATOMIC_SEQ_CST);
    }
    x86_smm_space(c);
    c->acked = e.interrupt.injected && !e.interrupt.soft ? 0x100 | e.interrupt.nr : 0;
    if (e.nmi.pending || e.nmi.injected) {      /* ours again: run() hands it back */
        e.nmi.pending = e.nmi.injected = 0;
        e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
        ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e);
        __atomic_fetch_or(&c->events, X86_EV_NMI, __ATOMIC_SEQ_CST);
    }
}

void kvm_get_regs(Vcpu *v)
{
    KvmCpu *k = kvm_cpu(v);
    X86Cpu *c = k->c;
    struct kvm_regs  r = { 0 };
    struct kvm_sregs s = { 0 };
    struct kvm_debugregs d = { 0 };
    struct kvm_xcrs  x = { 0 };
    g_autofree struct kvm_xsave *area = g_new0(struct kvm_xsave, 1);

    kvm_apic_settle(k);
    if (ioctl(k->fd, KVM_GET_REGS, &r) < 0 || ioctl(k->fd, KVM_GET_SREGS, &s) < 0 ||
        ioctl(k->fd, KVM_GET_DEBUGREGS, &d) < 0 || ioctl(k->fd, KVM_GET_XSAVE, area) < 0) {
        g_printerr("ryokan: kvm: CPU %u: cannot read its registers: %s\n", v->index,
                   g_strerror(errno));
        return;
    }
#define X(name, n) c->dbt.gpr[n] = r.name;
    GPRS(X)
#undef X
    sregs_in(c, &s);
    kvm_apic_in(k, s.apic_base);
    c->dbt.fl = x86_eflags_to_fl(r.rflags);
    c->df = r.rflags & EF_DF ? -1 : 1;
    c->rflags = (r.rflags & ~(uint64_t)(EF_ARITH | EF_DF)) | 2;
    c->cpl = c->rflags & EF_VM ? 3 : c->cr0 & CR0_PE ? s.ss.dpl : 0;
    memcpy(c->dr, d.db, sizeof d.db);
    c->dr[6] = d.dr6;
    c->dr[7] = d.dr7;
    if (ioctl(k->fd, KVM_GET_XCRS, &x) == 0 && x.nr_xcrs) {
        c->xcr0 = x.xcrs[0].value;
    }
    x86_xsave_in(c, area, k->kvm->xsave_at);
    msrs(k, KVM_GET_MSRS);
    kvm_pv_msrs(k, KVM_GET_MSRS);
    c->tsc_offset = kvm_tsc(k) - time_now(v->machine, TIME_GUEST);
    events_in(k);
    kvm_nested_in(k);
    x86_all_segs_update(c);
    x86_cr_changed(c);
    x86_set_pc(c, r.rip);
    if (x86_uses_pdptes(c) && !c->svm.np) {
        x86_load_pdptes(c, c->cr3);
    }
}

static struct kvm_sregs sregs_out(const X86Cpu *c)
{
    struct kvm_sregs s = { .cr0 = c->cr0, .cr2 = c->cr2, .cr3 = c->cr3, .cr4 = c->cr4,
                           .efer = c->efer };

#define X(name, n) s.name = seg_out(&c->seg[n]);
    SEGS(X)
#undef X
    s.ss.dpl = c->cpl;                  /* where KVM looks for the CPL */
    s.gdt.base = c->gdt_base;
    s.gdt.limit = (uint16_t)c->gdt_limit;
    s.idt.base = c->idt_base;
    s.idt.limit = (uint16_t)c->idt_limit;
    if (c->apic_ops) {
        s.apic_base = c->apic_ops->get_base(c->apic);
        s.cr8 = c->apic_ops->get_tpr(c->apic) >> 4;
    } else {
        s.apic_base = 0xfee00000 | APIC_BASE_EN | (c->dbt.vcpu.index == 0 ? APIC_BASE_BSP : 0);
    }
    return s;
}

static void events_out(KvmCpu *k)
{
    X86Cpu *c = k->c;
    /* one that is over would keep a halted CPU asleep */
    bool    shadowed = c->activity == X86_RUN && x86_shadowed(c);
    struct kvm_vcpu_events e = {
        .flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING,
    };

    e.nmi.masked = c->nmi_blocked;
    if (k->kvm->has_smm) {
        e.flags |= KVM_VCPUEVENT_VALID_SMM;
        e.smi.smm = c->in_smm;
        e.smi.smm_inside_nmi = c->smm_nmi;
    }
    e.interrupt.injected = c->acked != 0;
    e.interrupt.nr = c->acked & 0xff;
    e.interrupt.shadow = !shadowed ? 0 : (c->shadow & SHADOW_STI ? KVM_X86_SHADOW_INT_STI : 0) |
                                         (c->shadow & SHADOW_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
    ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e);
}

static bool set(KvmCpu *k, unsigned long what, const char *name, void *arg)
{
    if (ioctl(k->fd, what, arg) < 0) {
        g_printerr("ryokan: kvm: CPU %u: KVM refuses its %s: %s\n", k->c->dbt.vcpu.index, name,
                   g_strerror(errno));
        return false;
    }
    return true;
}

void kvm_set_regs(Vcpu *v)
{
    KvmCpu *k = kvm_cpu(v);
    X86Cpu *c = k->c;
    struct kvm_regs  r = { .rip = x86_rip(c), .rflags = x86_rflags(c) };
    struct kvm_sregs s = sregs_out(c);
    struct kvm_debugregs d = { .dr6 = c->dr[6], .dr7 = c->dr[7] };
    struct kvm_xcrs  x = { .nr_xcrs = 1, .xcrs[0].value = c->xcr0 };
    g_autofree struct kvm_xsave *area = g_new0(struct kvm_xsave, 1);

#define X(name, n) r.name = c->dbt.gpr[n];
    GPRS(X)
#undef X
    memcpy(d.db, c->dr, sizeof d.db);
    x86_xsave_out(c, area, k->kvm->xsave_at);
    k->io_pending = false;
    /* KVM reads and writes memory for some of these */
    if (__atomic_load_n(&k->kvm->slots_stale, __ATOMIC_SEQ_CST)) {
        machine_exclusive(v->machine, kvm_slots_update, v->machine);
    }
    kvm_nested_leave(k);
    set(k, KVM_SET_SREGS, "segments and control registers", &s);
    set(k, KVM_SET_REGS, "registers", &r);
    if (x86_feat(c, FEAT_1_ECX, 26)) {
        set(k, KVM_SET_XCRS, "XCR0", &x);
    }
    set(k, KVM_SET_XSAVE, "x87 and vector registers", area);
    set(k, KVM_SET_DEBUGREGS, "debug registers", &d);
    kvm_tsc_set(k, x86_tsc(c));
    msrs(k, KVM_SET_MSRS);
    kvm_pv_msrs(k, KVM_SET_MSRS);
    kvm_nested_out(k);
    kvm_apic_out(k);
    events_out(k);
    k->run->if_flag = (c->rflags & EF_IF) != 0;
    k->run->ready_for_interrupt_injection = 0;
}
#endif
