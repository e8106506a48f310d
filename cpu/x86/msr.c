/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c -- model-specific registers, the time-stamp counter, and the paravirtual clock.
 *
 * Spec: Intel SDM (325462) vol. 4 ch. 2, vol. 3 17.17 (TSC), 11.11 (MTRRs); AMD APM vol. 2 appendix
 * A; the KVM paravirtual clock: Linux Documentation/virt/kvm/x86/msr.rst.
 * Omits: MTRRs and PAT have no effect on memory; performance counters count nothing (those of AMD
 *   and the P6 read as 0, for systems that touch them unasked); no machine check is ever reported;
 *   speculation control has nothing to control.
 * Threads: the vCPU's own, but for x86_tsc_now(), which any thread may call.
 *
 * The TSC counts the guest's clock at 1 GHz, so it stops with the machine and agrees with every
 * other timer.
 */
#include "cpu/x86/sys.h"
#include "core/machine.h"

enum { TSC_HZ = 1000000000 };
enum { MSR_KVM_WALL = 0x4b564d00, MSR_KVM_TIME = 0x4b564d01, MSR_KVM_WALL_OLD = 0x11,
       MSR_KVM_TIME_OLD = 0x12 };
enum { ANY = 0, INTEL = 1, AMD = 2 };

typedef struct MsrRow {
    uint32_t msr, field;                /* offset of a uint64_t in X86Cpu; 0: reads as `value` */
    /* other bits must be 0; value: what it reads as without a field */
    uint64_t writable, value;
    bool     canonical;
    uint8_t  vendor;
    bool     ignore;                    /* writes are taken and forgotten */
    uint16_t gate;                      /* GATE(word, bit): there only with this feature */
} MsrRow;
#define F(m) offsetof(X86Cpu, m)
#define GATE(word, bit) (1 + (word) * 32 + (bit))

static const MsrRow rows[] = {
    { .msr = 0x174, F(sysenter_cs), UINT32_MAX },
    { .msr = 0x175, F(sysenter_esp), UINT64_MAX, .canonical = true },
    { .msr = 0x176, F(sysenter_eip), UINT64_MAX, .canonical = true },
    { .msr = 0x179, 0, 0, 0x10a },                              /* MCG_CAP: 10 banks, MCG_CTL */
    { .msr = 0x17a, F(mcg_status), UINT64_MAX }, { .msr = 0x17b, F(mcg_ctl), UINT64_MAX },
    { .msr = 0x1a0, F(misc_enable), UINT64_MAX },
    /* MTRRCAP: 8 variable, fixed, WC */
    { .msr = 0x2ff, F(mtrr_def), 0xc07 }, { .msr = 0xfe, 0, 0, 0x508 },
    { .msr = 0xc0000081, F(star), UINT64_MAX },
    { .msr = 0xc0000082, F(lstar), UINT64_MAX, .canonical = true },
    { .msr = 0xc0000083, F(cstar), UINT64_MAX, .canonical = true },
    { .msr = 0xc0000084, F(sfmask), UINT32_MAX },
    { .msr = 0xc0000100, F(seg[S_FS].base), UINT64_MAX, .canonical = true },
    { .msr = 0xc0000101, F(seg[S_GS].base), UINT64_MAX, .canonical = true },
    { .msr = 0xc0000102, F(kernel_gs_base), UINT64_MAX, .canonical = true },
    { .msr = 0xc0000103, F(tsc_aux), UINT32_MAX },
    { .msr = 0xe1, F(umwait_control), 0xfffffffd, .gate = GATE(FEAT_7_ECX, 5) },
    { .msr = 0xda0, F(xss), 0, .gate = GATE(FEAT_D1_EAX, 3) },  /* XSS: no supervisor state */
    { .msr = 0xc001011f, F(virt_ssbd), 4, .gate = GATE(FEAT_88_EBX, 25) },
    { .msr = 0xc1, 0, 0, 0, .vendor = INTEL, .ignore = true },
    { .msr = 0xc2, 0, 0, 0, .vendor = INTEL, .ignore = true },
    { .msr = 0x186, 0, 0, 0, .vendor = INTEL, .ignore = true },
    { .msr = 0x187, 0, 0, 0, .vendor = INTEL, .ignore = true },
    /* last branch */
    { .msr = 0x1db, 0, 0, 0 }, { .msr = 0x1dc, 0, 0, 0 },
    { .msr = 0x1dd, 0, 0, 0 }, { .msr = 0x1de, 0, 0, 0 },
    { .msr = 0x17, 0, 0, 0 },                                   /* PLATFORM_ID */
    { .msr = 0x2a, 0, 0, 0, .ignore = true },                   /* EBL_CR_POWERON */
    { .msr = 0x8b, 0, 0, 1ull << 32, .ignore = true },  /* BIOS_SIGN_ID: microcode revision 1 */
    { .msr = 0x79, 0, 0, 0, .ignore = true },                   /* BIOS_UPDT_TRIG */
    /* PLATFORM_INFO: TSC ratio, 100 MHz */
    { .msr = 0xce, 0, 0, TSC_HZ / 100000000 << 8, .vendor = INTEL },
    { .msr = 0x198, 0, 0, 0x1000003e8, .vendor = INTEL },       /* PERF_STATUS */
    { .msr = 0x199, 0, 0, 0, .vendor = INTEL, .ignore = true }, /* PERF_CTL */
    { .msr = 0x1d9, 0, 0, 0, .ignore = true },                /* DEBUGCTL: nothing of it is there */
    { .msr = 0x3a, 0, 0, 1, .vendor = INTEL },                 /* FEATURE_CONTROL: locked, no VMX */
    { .msr = 0xcd, 0, 0, 3, .vendor = INTEL },                  /* FSB_FREQ: 166 MHz (Atom) */
    { .msr = 0xc0010010, 0, 0, 0, .vendor = AMD, .ignore = true },          /* SYSCFG */
    { .msr = 0xc0010015, 0, 0, 1 << 24, .vendor = AMD, .ignore = true },    /* HWCR: TscFreqSel */
    { .msr = 0xc001001f, 0, 0, 0, .vendor = AMD, .ignore = true },          /* NB_CFG */
    { .msr = 0xc0010055, 0, 0, 0, .vendor = AMD, .ignore = true },          /* interrupt pending */
    { .msr = 0xc0010112, 0, 0, 0, .vendor = AMD }, { .msr = 0xc0010113, 0, 0, 0, .vendor = AMD },
    { .msr = 0xc0010114, 0, 0, 0x10, .vendor = AMD, .ignore = true },       /* VM_CR: SVM off */
    { .msr = 0xc0010140, 0, 0, 0, .vendor = AMD }, { .msr = 0xc0010141, 0, 0, 0, .vendor = AMD },
    { .msr = 0xc0011029, 0, 0, 2, .vendor = AMD, .ignore = true },   /* DE_CFG: LFENCE serialises */
    { .msr = 0xc0011022, 0, 0, 0, .vendor = AMD, .ignore = true },
    { .msr = 0xc0011023, 0, 0, 0, .vendor = AMD, .ignore = true },
};

static const MsrRow *row_find(X86Cpu *c, uint32_t msr)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        unsigned gate = rows[i].gate;
        if (gate && !x86_feat(c, (gate - 1) / 32, (gate - 1) % 32)) {
            continue;
        }
        if (rows[i].msr == msr &&
            (rows[i].vendor == ANY || (rows[i].vendor == INTEL) == c->vendor_intel)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* ---- time ---- */
static uint64_t guest_ns(Machine *m)
{
    return time_now(m, TIME_GUEST);
}

uint64_t x86_tsc(X86Cpu *c)
{
    return guest_ns(c->dbt.vcpu.machine) + __atomic_load_n(&c->tsc_offset, __ATOMIC_RELAXED);
}

uint64_t x86_tsc_now(Vcpu *v)
{
    return x86_tsc((X86Cpu *)v);
}

uint64_t x86_tsc_hz(Machine *m)
{
    return TSC_HZ;
}

static void tsc_move(X86Cpu *c, uint64_t delta)
{
    __atomic_store_n(&c->tsc_offset, c->tsc_offset + delta, __ATOMIC_RELAXED);
    c->tsc_adjust += delta;
    if (c->apic_ops) {
        c->apic_ops->tsc_changed(c->apic);
    }
    x86_kvmclock_update(c);
}

/*
 * The page through which the guest turns TSC into time.  Both count ns, so it never has to be
 * written again.
 */
void x86_kvmclock_update(X86Cpu *c)
{
    struct {
        uint32_t version, pad;
        uint64_t tsc, ns;
        uint32_t mul;
        int8_t   shift;
        uint8_t  flags, pad2[2];
    } page = { .version = 2, .mul = 0x80000000, .shift = 1, .flags = 1 /* the same on all CPUs */ };

    if (c->kvmclock_msr & 1) {
        page.ns = guest_ns(c->dbt.vcpu.machine);
        page.tsc = page.ns + c->tsc_offset;
        as_write(c->dbt.vcpu.as, c->kvmclock_msr & ~1ull, &page, sizeof page);
    }
}

static void write_wall_clock(X86Cpu *c, uint64_t at)
{
    Machine *m = c->dbt.vcpu.machine;
    uint64_t boot = time_now(m, TIME_WALL) - guest_ns(m);
    uint32_t page[3] = { 2, (uint32_t)(boot / 1000000000), (uint32_t)(boot % 1000000000) };

    as_write(c->dbt.vcpu.as, at, page, sizeof page);
}

/* ---- ranges ---- */
static uint64_t *range_field(X86Cpu *c, uint32_t msr)
{
    static const uint32_t fixed[11] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c,
                                        0x26d, 0x26e, 0x26f };

    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (fixed[i] == msr) {
            return &c->mtrr_fixed[i];
        }
    }
    if (msr >= 0x200 && msr < 0x210) {
        return msr & 1 ? &c->mtrr_mask[(msr - 0x200) / 2] : &c->mtrr_base[(msr - 0x200) / 2];
    }
    if (msr >= 0x400 && msr < 0x400 + G_N_ELEMENTS(c->mce_bank)) {
        return &c->mce_bank[msr - 0x400];
    }
    return NULL;
}

static bool is_apic(uint32_t msr)
{
    return msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

static bool unknown(X86Cpu *c, uint32_t msr, const char *what)
{
    if (log_on(LOG_UNIMP | LOG_GUEST_ERRORS)) {
        log_write("cpu%u: %s of unknown MSR %x at %llx\n", c->dbt.vcpu.index, what, msr,
                  (unsigned long long)c->dbt.pc);
    }
    return false;
}

static bool mtrr_type_valid(unsigned type) { return type <= 6 && type != 2 && type != 3; }

static bool mtrr_fixed_valid(uint64_t v)
{
    for (unsigned i = 0; i < 8; i++, v >>= 8) {
        if (!mtrr_type_valid(v & 0xff)) {
            return false;
        }
    }
    return true;
}

/* Writes that the ranges refuse (SDM 11.11.2, 15.3.2). */
static bool range_write_valid(const X86Cpu *c, uint32_t msr, uint64_t v)
{
    if (msr >= 0x400) {                 /* STATUS, ADDR and MISC of a bank can only be cleared */
        return (msr & 3) == 0 || v == 0;
    }
    if (msr >= 0x250) {
        return mtrr_fixed_valid(v);
    }
    return msr & 1 ? !(v & ~(c->addr_mask | 0x800))
                   : mtrr_type_valid(v & 0xff) && !(v & ~(c->addr_mask | 0xff));
}

/* ---- speculation control: accepted where it is offered, with nothing to do ---- */
enum { SPEC_CTRL = 0x48, PRED_CMD = 0x49, IBRS = 1, STIBP = 2, SSBD = 4 };

static uint64_t spec_ctrl_bits(const X86Cpu *c)
{
    return (x86_feat(c, FEAT_7_EDX, 26) || x86_feat(c, FEAT_88_EBX, 14) ? IBRS : 0) |
           (x86_feat(c, FEAT_7_EDX, 26) || x86_feat(c, FEAT_7_EDX, 27) ||
                    x86_feat(c, FEAT_88_EBX, 15)
                ? STIBP
                : 0) |
           (x86_feat(c, FEAT_7_EDX, 31) || x86_feat(c, FEAT_88_EBX, 24) ? SSBD : 0);
}

static bool has_ibpb(const X86Cpu *c)
{
    return x86_feat(c, FEAT_7_EDX, 26) || x86_feat(c, FEAT_88_EBX, 12);
}

/* AMD's counters: four old pairs, six with perfctr-core. */
static bool is_amd_counter(const X86Cpu *c, uint32_t msr)
{
    return !c->vendor_intel &&
           ((msr >= 0xc0010000 && msr <= 0xc0010007) ||
            (msr >= 0xc0010200 && msr <= 0xc001020b && x86_feat(c, FEAT_81_ECX, 23)));
}

static bool pat_valid(uint64_t v)
{
    for (unsigned i = 0; i < 8; i++, v >>= 8) {
        unsigned type = v & 0xff;
        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

/* ---- SVM (APM vol. 2 15.30) ---- */
enum { MSR_VM_CR = 0xc0010114, MSR_VM_HSAVE_PA = 0xc0010117 };

static bool write_vm_cr(X86Cpu *c, uint64_t v)
{
    uint64_t fixed = c->svm.vm_cr & VM_CR_LOCK ? VM_CR_LOCK | VM_CR_SVMDIS : 0;

    v = (v & ~fixed) | (c->svm.vm_cr & fixed);
    if (v >> 5 || (v & VM_CR_SVMDIS && c->efer & EFER_SVME)) {
        return false;
    }
    c->svm.vm_cr = v;
    return true;
}

static bool write_hsave(X86Cpu *c, uint64_t v)
{
    if (v & 0xfff || v >> c->phys_bits) {
        return false;
    }
    c->svm.hsave = v;
    return true;
}

uint64_t x86_tsc_seen(X86Cpu *c)
{
    return x86_tsc(c) + c->svm.tsc_offset;
}

void x86_set_pat(X86Cpu *c, uint64_t v)
{
    for (unsigned i = 0; i < 64; i += 8) {
        unsigned type = v >> i & 0xff;
        if (type > 7 || type == 2 || type == 3) {
            v &= ~(0xffull << i);
        }
    }
    c->pat = v;
}

bool x86_msr_read(X86Cpu *c, uint32_t msr, uint64_t *v)
{
    const MsrRow *row;
    uint64_t *field;

    switch (msr) {
    case 0x10:
        *v = x86_tsc_seen(c);
        return true;
    case MSR_APIC_BASE:
        *v = c->apic_ops ? c->apic_ops->get_base(c->apic) : 0;
        return true;
    case 0x3b:
        *v = c->tsc_adjust;
        return x86_feat(c, FEAT_7_EBX, 1);
    case 0x35:                          /* CORE_THREAD_COUNT */
        *v = x86_core_thread_count(c);
        return c->vendor_intel;
    case 0x10a:
        *v = c->feat[FEAT_ARCH_CAP];
        return x86_feat(c, FEAT_7_EDX, 29);
    case 0x277:
        *v = c->pat;
        return true;
    case 0xc0000080:
        *v = c->efer;
        return true;
    case MSR_VM_CR:
        if (!x86_feat(c, FEAT_81_ECX, 2)) {
            break;
        }
        *v = c->svm.vm_cr;
        return true;
    case MSR_VM_HSAVE_PA:
        *v = c->svm.hsave;
        return x86_feat(c, FEAT_81_ECX, 2);
    case MSR_KVM_TIME:
    case MSR_KVM_TIME_OLD:
        *v = c->kvmclock_msr;
        return c->feat[FEAT_KVM];
    case MSR_KVM_WALL:
    case MSR_KVM_WALL_OLD:
        *v = c->kvm_wall_msr;
        return c->feat[FEAT_KVM];
    }
    if (is_apic(msr)) {
        if (msr == MSR_TSC_DEADLINE && !x86_feat(c, FEAT_1_ECX, 24)) {
            return false;
        }
        return c->apic_ops && c->apic_ops->msr_read(c->apic, msr, v);
    }
    if (msr == SPEC_CTRL && spec_ctrl_bits(c)) {
        *v = c->spec_ctrl;
        return true;
    }
    if (is_amd_counter(c, msr)) {
        *v = 0;
        return true;
    }
    if ((field = range_field(c, msr))) {
        *v = *field;
        return true;
    }
    if ((row = row_find(c, msr))) {
        *v = row->field ? *(uint64_t *)((uint8_t *)c + row->field) : row->value;
        return true;
    }
    return unknown(c, msr, "read");
}

static bool write_row(X86Cpu *c, uint32_t msr, uint64_t v)
{
    const MsrRow *row = row_find(c, msr);

    if (!row) {
        return unknown(c, msr, "write");
    }
    if (row->field) {
        if (v & ~row->writable || (row->canonical && !x86_canonical(v))) {
            return false;
        }
        *(uint64_t *)((uint8_t *)c + row->field) = v;
        return true;
    }
    return row->ignore;
}

static bool write_apic_base(X86Cpu *c, uint64_t v)
{
    uint64_t ok = c->addr_mask | APIC_BASE_BSP | APIC_BASE_EN |
                  (x86_feat(c, FEAT_1_ECX, 21) ? APIC_BASE_EXTD : 0);

    return !(v & ~ok) && c->apic_ops && c->apic_ops->set_base(c->apic, v);
}

bool x86_msr_write(X86Cpu *c, uint32_t msr, uint64_t v)
{
    uint64_t *field;

    switch (msr) {
    case 0x10:
        tsc_move(c, v - x86_tsc_seen(c));
        return true;
    case MSR_APIC_BASE:
        return write_apic_base(c, v);
    case 0x3b:
        if (!x86_feat(c, FEAT_7_EBX, 1)) {
            return false;
        }
        tsc_move(c, v - c->tsc_adjust);
        return true;
    case 0x277:
        if (!pat_valid(v)) {
            return false;
        }
        c->pat = v;
        return true;
    case 0xc0000080:
        x86_write_efer(c, v);
        return true;
    case MSR_VM_CR:
        if (!x86_feat(c, FEAT_81_ECX, 2)) {
            break;
        }
        return write_vm_cr(c, v);
    case MSR_VM_HSAVE_PA:
        return x86_feat(c, FEAT_81_ECX, 2) && write_hsave(c, v);
    case MSR_KVM_TIME:
    case MSR_KVM_TIME_OLD:
        if (!c->feat[FEAT_KVM]) {
            return false;
        }
        c->kvmclock_msr = v;
        x86_kvmclock_update(c);
        return true;
    case MSR_KVM_WALL:
    case MSR_KVM_WALL_OLD:
        if (!c->feat[FEAT_KVM]) {
            return false;
        }
        c->kvm_wall_msr = v;
        write_wall_clock(c, v);
        return true;
    }
    if (is_apic(msr)) {
        if (msr == MSR_TSC_DEADLINE && !x86_feat(c, FEAT_1_ECX, 24)) {
            return false;
        }
        return c->apic_ops && c->apic_ops->msr_write(c->apic, msr, v);
    }
    if (msr == SPEC_CTRL && spec_ctrl_bits(c)) {
        c->spec_ctrl = v & ~spec_ctrl_bits(c) ? c->spec_ctrl : v;
        return !(v & ~spec_ctrl_bits(c));
    }
    if (msr == PRED_CMD && has_ibpb(c)) {
        return !(v & ~1ull);
    }
    if (is_amd_counter(c, msr)) {
        return true;
    }
    if ((field = range_field(c, msr))) {
        if (!range_write_valid(c, msr, v)) {
            return false;
        }
        *field = v;
        return true;
    }
    return write_row(c, msr, v);
}

void x86_msr_reset(X86Cpu *c, bool init)
{
    if (init) {
        return;                         /* INIT leaves the MSRs alone, but for EFER */
    }
    c->star = c->lstar = c->cstar = c->sfmask = c->kernel_gs_base = c->tsc_aux = 0;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->pat = 0x0007040600070406;
    c->tsc_offset = c->tsc_adjust = 0;
    c->misc_enable = 1 | 1 << 11 | 1 << 12;     /* fast strings; no BTS, no PEBS */
    c->smbase = 0x30000;
    c->mtrr_def = 0;
    memset(c->mtrr_fixed, 0, sizeof c->mtrr_fixed);
    memset(c->mtrr_base, 0, sizeof c->mtrr_base);
    memset(c->mtrr_mask, 0, sizeof c->mtrr_mask);
    c->mcg_status = 0;
    c->mcg_ctl = UINT64_MAX;
    memset(c->mce_bank, 0, sizeof c->mce_bank);
    c->spec_ctrl = c->umwait_control = c->virt_ssbd = 0;
    c->kvmclock_msr = c->kvm_wall_msr = 0;
    memset(c->pv_msr, 0, sizeof c->pv_msr);
}
