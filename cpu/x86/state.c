/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c -- what the system registers of an x86 CPU mean: reset values, control register writes,
 * EFLAGS, and the mode and address space that follow from them.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 2 (control registers), 4.10.4 (invalidation), 9.1 (reset,
 *   INIT).
 * Omits: CR0.CD and NW have no effect (there is no cache to model).
 * Threads: the vCPU's own; x86_reset_state() also with the vCPU parked.
 */
#include "cpu/x86/sys.h"

/* ---- EFLAGS ---- */
uint64_t x86_rflags(const X86Cpu *c)
{
    return (c->rflags & ~(uint64_t)EF_DF) | x86_fl_to_eflags(c->dbt.fl) | (c->df < 0 ? EF_DF : 0) |
           2;
}

uint64_t x86_put_rflags(X86Cpu *c, uint64_t value, uint64_t mask)
{
    uint64_t old = c->rflags, changed;

    if ((mask & EF_ARITH) == EF_ARITH) {
        c->dbt.fl = x86_eflags_to_fl(value);
    } else if (mask & EF_ARITH) {
        c->dbt.fl =
            x86_eflags_to_fl((x86_fl_to_eflags(c->dbt.fl) & ~mask) | (value & mask & EF_ARITH));
    }
    if (mask & EF_DF) {
        c->df = value & EF_DF ? -1 : 1;
    }
    mask &= EF_KNOWN & ~EF_DF;
    c->rflags = ((old & ~mask) | (value & mask) | 2) & ~(uint64_t)EF_DF;
    changed = old ^ c->rflags;
    if (G_UNLIKELY(changed & EF_VM)) {
        x86_all_segs_update(c);
    }
    if ((changed & c->rflags & EF_IF && x86_events(c)) || changed & c->rflags & EF_TF) {
        /* the run loop is to look for interrupts, or to run single instructions from now on */
        x86_poll_soon(c);
    }
    return changed;
}

void x86_set_rflags(X86Cpu *c, uint64_t value, uint64_t mask)
{
    if (x86_put_rflags(c, value, mask) & (EF_TF | EF_IOPL | EF_RF | EF_VM | EF_AC)) {
        dbt_mode_changed(&c->dbt);
    }
}

void x86_set_pc(X86Cpu *c, uint64_t rip)
{
    c->dbt.pc = x86_code64(c) ? rip : (uint32_t)(c->seg[S_CS].base + (uint32_t)rip);
}

/* ---- mode ---- */
static uint32_t debug_mode(const X86Cpu *c)
{
    uint32_t mode = 0;

    for (unsigned i = 0; i < 4; i++) {
        if ((c->dr[7] >> (i * 2)) & 3) {
            mode |= ((c->dr[7] >> (16 + i * 4)) & 3) == 0 ? X86_MODE_SINGLE : X86_MODE_WATCH;
        }
    }
    return mode;
}

static inline uint32_t mode_now(const X86Cpu *c)
{
    uint64_t f = c->rflags;
    uint32_t mode = c->mode_seg | c->mode_cr | (uint32_t)c->cpl << X86_MODE_CPL_SHIFT;

    mode |= (f & EF_IOPL) >> (12 - X86_MODE_IOPL_SHIFT) | (f & EF_VM) >> 12 | (f & EF_TF) << 10;
    if (G_UNLIKELY(f & EF_AC) && c->cr0 & CR0_AM && c->cpl == 3) {
        mode |= X86_MODE_AC;
    }
    if (G_UNLIKELY((c->mxcsr & 0x1f80) != 0x1f80)) {
        mode |= X86_MODE_XMEXC;
    }
    return mode;
}
uint32_t x86_mode(X86Cpu *c)
{
    return mode_now(c);
}
_Static_assert(EF_VM >> 12 == X86_MODE_VM && EF_TF << 10 == X86_MODE_SINGLE,
               "EFLAGS bits are shifted into the mode");

DbtKey x86_key(DbtCpu *dc)
{
    X86Cpu *c = (X86Cpu *)dc;
    uint32_t mmu = c->mode_mmu, mode;
    uint64_t space = 0;

    if (c->sys_cpl >= 0) {
        /* only data is accessed now: the last kernel code's context will do */
        mode = c->mode_system;
    } else {
        mode = mode_now(c);
        if (c->cpl == 0) {
            c->mode_system = mode & ~(uint32_t)(X86_MODE_AC | X86_MODE_IOPL);
        }
    }
    if (mmu & MMU_SMAP && (c->cpl == 3 || c->rflags & EF_AC)) {
        mmu &= ~(uint32_t)MMU_SMAP;
    }
    if (mmu & MMU_PG) {
        space = mmu & MMU_LMA
                    ? c->cr3 & ((c->addr_mask & ~0xfffull) | (c->cr4 & CR4_PCIDE ? 0xfff : 0))
                    : c->cr3 & (mmu & MMU_PAE ? 0xffffffe0 : 0xfffff000);
    }
    space |= (uint64_t)c->svm.asid << SVM_ASID_SHIFT;
    return (DbtKey){ space, mode | (uint64_t)mmu << 32 };
}

void x86_mode_changed(X86Cpu *c)
{
    dbt_mode_changed(&c->dbt);
}

/* Derived members of seg[s] (SDM vol. 3 5.3), and the segments' share of the mode. */
void x86_seg_update(X86Cpu *c, unsigned s)
{
    X86Seg *g = &c->seg[s];
    bool real = !x86_pe(c) || x86_vm(c);
    uint32_t m = 0;

    g->lo = 0;
    g->hi_read = g->hi_write = g->limit;
    if (!(g->attr & ATTR_P)) {
        g->hi_read = g->hi_write = -1;
    } else if (!real) {
        bool code = g->attr & TYPE_CODE;
        if (!code && g->attr & TYPE_CE) {
            g->lo = (int64_t)g->limit + 1;
            g->hi_read = g->hi_write = g->attr & ATTR_DB ? 0xffffffff : 0xffff;
        }
        if (code || !(g->attr & TYPE_RW)) {
            g->hi_write = -1;
        }
        if (code && !(g->attr & TYPE_RW)) {
            g->hi_read = -1;
        }
    }
    if (s > S_DS) {
        return;
    }
    if (x86_code64(c)) {
        m = X86_MODE_CODE64 | X86_MODE_FLAT_CS | X86_MODE_FLAT_DS | X86_MODE_FLAT_ES |
            X86_MODE_FLAT_SS;
    } else {
        const X86Seg *cs = &c->seg[S_CS];
        static const struct { uint8_t seg; uint32_t flat; } data[] = {
            { S_DS, X86_MODE_FLAT_DS }, { S_ES, X86_MODE_FLAT_ES }, { S_SS, X86_MODE_FLAT_SS },
        };
        m = cs->attr & ATTR_DB ? X86_MODE_CODE32 : X86_MODE_CODE16;
        if (cs->base == 0 && cs->limit == 0xffffffff) {
            m |= X86_MODE_FLAT_CS;
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(data); i++) {
            const X86Seg *d = &c->seg[data[i].seg];
            if (d->base == 0 && d->lo == 0 && d->hi_write == 0xffffffff &&
                d->hi_read == 0xffffffff) {
                m |= data[i].flat;
            }
        }
        if (c->seg[S_SS].attr & ATTR_DB) {
            m |= X86_MODE_SS32;
        }
    }
    c->mode_seg = m;
}

void x86_all_segs_update(X86Cpu *c)
{
    for (unsigned s = 0; s < X86_N_SEGS; s++) {
        x86_seg_update(c, s);
    }
}

void x86_cr_changed(X86Cpu *c)
{
    bool fpu = !(c->cr0 & (CR0_EM | CR0_TS));
    uint64_t phys = (1ull << c->phys_bits) - 1;

    bool a20_off = __atomic_load_n(&c->a20_off, __ATOMIC_ACQUIRE);
    c->a20_mask = a20_off ? ~(1ull << 20) : UINT64_MAX;
    c->addr_mask = phys & ~0xfffull;
    c->pte_reserved = ((1ull << 52) - 1) & ~phys;
    if (!(c->efer & EFER_NXE)) {
        c->pte_reserved |= 1ull << 63;
    }
    if (!x86_lma(c)) {
        c->pte_reserved |= ((1ull << 63) - 1) & ~((1ull << 52) - 1);
    }
    c->mode_cr = (c->cr0 & CR0_PE ? X86_MODE_PE : 0) | (fpu ? X86_MODE_FPU : 0) |
                 (x86_lma(c) ? X86_MODE_LMA : 0) | (fpu && c->cr4 & CR4_OSFXSR ? X86_MODE_SSE : 0) |
                 debug_mode(c);
    if (!(c->cr0 & CR0_TS) && c->cr4 & CR4_OSXSAVE && (c->xcr0 & 6) == 6) {
        c->mode_cr |= X86_MODE_AVX;
    }
    uint32_t old_mmu = c->mode_mmu;
    c->mode_mmu = (a20_off ? MMU_A20_OFF : 0) | (c->in_smm ? MMU_SMM : 0);
    if (c->cr0 & CR0_PG) {
        c->mode_mmu |= MMU_PG | (c->cr0 & CR0_WP ? MMU_WP : 0) | (c->cr4 & CR4_PAE ? MMU_PAE : 0) |
                       (c->cr4 & CR4_PSE ? MMU_PSE : 0) | (c->cr4 & CR4_PGE ? MMU_PGE : 0) |
                       (c->cr4 & CR4_SMEP ? MMU_SMEP : 0) | (c->cr4 & CR4_SMAP ? MMU_SMAP : 0) |
                       (c->efer & EFER_NXE ? MMU_NXE : 0) | (x86_lma(c) ? MMU_LMA : 0) |
                       (c->cr4 & CR4_PKE ? MMU_PKE : 0);
    }
    if (c->svm.guest) {
        c->mode_cr |= X86_MODE_GUEST;
        c->mode_mmu |= MMU_GUEST | (c->svm.np ? MMU_NESTED : 0);
    }
    if (c->mode_cr & (X86_MODE_SINGLE | X86_MODE_WATCH)) {
        x86_poll_soon(c);
    }
    if (c->dbt.contexts && c->mode_mmu != old_mmu) {
        dbt_gates_drop(&c->dbt);        /* user code's key does not tell SMAP */
    }
    if (c->dbt.contexts) {              /* not before the accelerator has made its part */
        dbt_mode_changed(&c->dbt);
    }
}

/* ---- control registers ---- */
bool x86_load_pdptes(X86Cpu *c, uint64_t cr3)
{
    uint64_t e[4] = { 0 }, reserved = 0x1e6 | ~(c->addr_mask | 0xfff);

    if (c->svm.np) {
        return true;                    /* read by each walk (APM vol. 2 15.25.10) */
    }
    x86_phys_read(c, cr3 & 0xffffffe0, e, sizeof e);
    for (unsigned i = 0; i < 4; i++) {
        if (e[i] & 1 && e[i] & reserved) {
            return false;
        }
    }
    memcpy(c->pdpte, e, sizeof e);
    return true;
}

static bool uses_pdptes(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LME);
}

bool x86_uses_pdptes(const X86Cpu *c)
{
    return uses_pdptes(c->cr0, c->cr4, c->efer);
}

/* All of the address space's own: in a guest those of its ASID. */
static void flush_own(X86Cpu *c)
{
    if (c->svm.guest) {
        dbt_flush_space(&c->dbt, SVM_SPACE_MASK, (uint64_t)c->svm.asid << SVM_ASID_SHIFT, false);
    } else {
        dbt_flush_all(&c->dbt);
    }
}

void x86_write_cr0(X86Cpu *c, uint64_t v)
{
    uint64_t old = c->cr0, changed, efer = c->efer;

    if (!x86_cr0_valid(v)) {
        x86_raise_gp(c, 0);
    }
    v = (v & (CR0_PG | CR0_CD | CR0_NW | CR0_AM | CR0_WP | CR0_NE | CR0_TS | CR0_EM | CR0_MP |
              CR0_PE)) |
        CR0_ET;
    changed = old ^ v;
    if (changed & CR0_PG) {
        if (v & CR0_PG && efer & EFER_LME) {
            if (!(c->cr4 & CR4_PAE) || c->seg[S_CS].attr & ATTR_L || !(c->seg[S_TR].attr & 8)) {
                x86_raise_gp(c, 0);
            }
            efer |= EFER_LMA;
        } else if (!(v & CR0_PG)) {
            if (x86_code64(c) || c->cr4 & CR4_PCIDE) {
                x86_raise_gp(c, 0);
            }
            efer &= ~(uint64_t)EFER_LMA;
        }
    }
    if (changed & (CR0_PG | CR0_CD | CR0_NW) && uses_pdptes(v, c->cr4, efer) &&
        !x86_load_pdptes(c, c->cr3)) {
        x86_raise_gp(c, 0);
    }
    c->cr0 = v;
    c->efer = efer;
    if (changed & (CR0_PE | CR0_PG)) {
        x86_all_segs_update(c);
        flush_own(c);
    }
    x86_cr_changed(c);
}

void x86_load_cr3_unchecked(X86Cpu *c, uint64_t v)
{
    DbtKey key;

    c->cr3 = v;
    key = x86_key(&c->dbt);
    dbt_mode_changed(&c->dbt);
    if (c->cr4 & CR4_PCIDE) {
        dbt_flush_space(&c->dbt, 0xfff | SVM_SPACE_MASK,
                        (v & 0xfff) | (uint64_t)c->svm.asid << SVM_ASID_SHIFT, true);
    } else {
        dbt_flush_space(&c->dbt, UINT64_MAX, key.space, true);
    }
}

void x86_write_cr3(X86Cpu *c, uint64_t v)
{
    bool keep = c->cr4 & CR4_PCIDE && v >> 63;

    if (x86_lma(c)) {
        if (c->cr4 & CR4_PCIDE) {
            v &= ~(1ull << 63);
        }
        if (v & ~(c->addr_mask | 0xfff)) {
            x86_raise_gp(c, 0);
        }
    } else {
        v = (uint32_t)v;
        if (uses_pdptes(c->cr0, c->cr4, c->efer) && !x86_load_pdptes(c, v)) {
            x86_raise_gp(c, 0);
        }
    }
    if (keep) {
        c->cr3 = v;
        dbt_mode_changed(&c->dbt);
    } else {
        x86_load_cr3_unchecked(c, v);
    }
}

uint64_t x86_cr4_allowed(const X86Cpu *c)
{
    static const struct { uint32_t cr4; uint8_t word, bit; } rows[] = {
        { CR4_VME | CR4_PVI, FEAT_1_EDX, 1 }, { CR4_TSD, FEAT_1_EDX, 4 }, { CR4_DE, FEAT_1_EDX, 2 },
        { CR4_PSE, FEAT_1_EDX, 3 }, { CR4_PAE, FEAT_1_EDX, 6 }, { CR4_MCE, FEAT_1_EDX, 7 },
        { CR4_PGE, FEAT_1_EDX, 13 }, { CR4_OSFXSR, FEAT_1_EDX, 24 },
        { CR4_OSXMMEXCPT, FEAT_1_EDX, 25 }, { CR4_UMIP, FEAT_7_ECX, 2 },
        { CR4_FSGSBASE, FEAT_7_EBX, 0 }, { CR4_PCIDE, FEAT_1_ECX, 17 },
        { CR4_OSXSAVE, FEAT_1_ECX, 26 },
        { CR4_SMEP, FEAT_7_EBX, 7 }, { CR4_PKE, FEAT_7_ECX, 3 }, { CR4_SMAP, FEAT_7_EBX, 20 },
    };
    uint64_t ok = CR4_PCE;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (x86_feat(c, rows[i].word, rows[i].bit)) {
            ok |= rows[i].cr4;
        }
    }
    return ok;
}

void x86_write_cr4(X86Cpu *c, uint64_t v)
{
    uint64_t changed = c->cr4 ^ v;

    if (v & ~x86_cr4_allowed(c) || (x86_lma(c) && !(v & CR4_PAE)) ||
        (changed & v & CR4_PCIDE && (!x86_lma(c) || c->cr3 & 0xfff))) {
        x86_raise_gp(c, 0);
    }
    if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP) && uses_pdptes(c->cr0, v, c->efer) &&
        !x86_load_pdptes(c, c->cr3)) {
        x86_raise_gp(c, 0);
    }
    c->cr4 = v;
    if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_PCIDE | CR4_PKE) || changed & v & CR4_SMEP) {
        flush_own(c);
    }
    x86_cr_changed(c);
}

uint64_t x86_efer_allowed(const X86Cpu *c)
{
    return EFER_LMA | (x86_feat(c, FEAT_81_EDX, 11) ? EFER_SCE : 0) |
           (x86_feat(c, FEAT_81_EDX, 29) ? EFER_LME : 0) |
           (x86_feat(c, FEAT_81_EDX, 20) ? EFER_NXE : 0) |
           (x86_feat(c, FEAT_81_EDX, 25) ? EFER_FFXSR : 0) |
           (x86_feat(c, FEAT_81_ECX, 2) && !(c->svm.vm_cr & VM_CR_SVMDIS) ? EFER_SVME : 0);
}

void x86_write_efer(X86Cpu *c, uint64_t v)
{
    if (v & ~x86_efer_allowed(c) || ((v ^ c->efer) & EFER_LME && c->cr0 & CR0_PG)) {
        x86_raise_gp(c, 0);
    }
    c->efer = (v & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
    x86_cr_changed(c);
}

void x86_apply_a20(X86Cpu *c)
{
    /* part of the key: what was cached with the other state of the pin stays valid */
    x86_cr_changed(c);
}

/* ---- reset (SDM vol. 3 table 9-1) ---- */
static void reset_seg(X86Cpu *c, unsigned s, uint16_t selector, uint64_t base, uint16_t attr)
{
    c->seg[s] = (X86Seg){ .base = base, .limit = 0xffff, .selector = selector, .attr = attr };
}

void x86_reset_state(X86Cpu *c, bool init)
{
    static const uint8_t data[] = { S_ES, S_SS, S_DS, S_FS, S_GS };
    uint32_t id[4];

    memset(c->dbt.gpr, 0, sizeof c->dbt.gpr);
    c->rflags = 2;
    c->dbt.fl = x86_eflags_to_fl(0);
    c->df = 1;
    c->cr0 = CR0_ET | (init ? c->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW);
    c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
    memset(c->dr, 0, sizeof c->dr);
    c->dr[6] = 0xffff0ff0;
    c->dr[7] = 0x400;
    reset_seg(c, S_CS, 0xf000, 0xffff0000, ATTR_P | ATTR_S | 0xb);
    for (unsigned i = 0; i < G_N_ELEMENTS(data); i++) {
        reset_seg(c, data[i], 0, 0, ATTR_P | ATTR_S | 3);
    }
    reset_seg(c, S_LDTR, 0, 0, ATTR_P | DT_LDT);
    reset_seg(c, S_TR, 0, 0, ATTR_P | DT_TSS32_BUSY);
    c->gdt_base = c->idt_base = 0;
    c->gdt_limit = c->idt_limit = 0xffff;
    c->cpl = c->shadow = c->ext = 0;
    c->activity = X86_RUN;
    c->acked = 0;
    c->nmi_blocked = c->in_smm = c->smm_nmi = false;
    memset(&c->smi_io, 0, sizeof c->smi_io);
    memset(&c->monitor, 0, sizeof c->monitor);
    c->dbt.vcpu.nap_ns = 0;
    x86_smm_space(c);
    c->delivering = -1;
    c->sys_cpl = -1;
    memset(c->pdpte, 0, sizeof c->pdpte);
    if (!init) {
        memset(c->fpr, 0, sizeof c->fpr);
        memset(c->vec, 0, sizeof c->vec);
        memset(c->opmask, 0, sizeof c->opmask);
        c->fpu_cw = 0x40;
        c->host_x87.c1 = DBT_X87_NONE;
        c->fpu_sw = c->fpu_op = c->fpu_cs = c->fpu_ds = 0;
        c->fpu_top = 0;
        c->fpu_valid = 0xff;                    /* tag word 5555H: all zero, none empty */
        c->fpu_ip = c->fpu_dp = 0;
        c->mxcsr = 0x1f80;
        c->pkru = 0;
        c->ferr = false;        /* its device is reset, too */
        c->xcr0 = 1;
        c->xss = 0;
    }
    x86_msr_reset(c, init);
    x86_svm_reset(c, init);
    x86_cpuid(c, 1, 0, id);
    c->dbt.gpr[R_RDX] = id[0];                  /* the CPU's signature */
    x86_all_segs_update(c);
    memset(c->walk_ram, 0, sizeof c->walk_ram);
    x86_set_pc(c, 0xfff0);
    if (c->dbt.contexts) {
        dbt_flush_all(&c->dbt);
    }
    x86_cr_changed(c);
}
