/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c -- an x86 CPU as the translator and the core see it: the two tables of callbacks, the
 * state that snapshots hold, and "info registers".
 *
 * Spec: Intel SDM (325462) vol. 1 ch. 3 (the register state).
 * Threads: the vCPU's own; reset, save and load with it parked.
 */
#include "cpu/x86/x87.h"
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"
#include "cpu/x86/decode.h"
#include "cpu/x86/translate.h"
#include "core/machine.h"

/* ---- what the MMU and single operations raise ---- */
static void guest_fault_enter(DbtCpu *dc, uint64_t linear, DbtAccess access, const DbtWalk *walk)
{
    X86Cpu *c = (X86Cpu *)dc;

    if (x86_lma(c) && !x86_canonical(linear)) {
        x86_raise_gp(c, c->ext);
    }
    if ((access & ACCESS_KIND) == ACCESS_FETCH && !x86_code64(c) &&
        (uint32_t)(linear - c->seg[S_CS].base) > c->seg[S_CS].limit) {
        x86_raise_gp(c, c->ext);
    }
    if (G_UNLIKELY(walk->error & SVM_WALK_NPF)) {
        x86_svm_npf(c);
    }
    linear = x86_lma(c) ? linear : (uint32_t)linear;
    x86_svm_exception(c, EXC_PF, walk->error, linear);
    c->cr2 = linear;
    x86_enter_page_fault(c, walk->error);
}

G_GNUC_NORETURN static void guest_fault(DbtCpu *dc, uint64_t linear, DbtAccess access,
                                        const DbtWalk *walk)
{
    guest_fault_enter(dc, linear, access, walk);
    dbt_leave(dc);
}

/* PUSH to RET: what uses the stack without naming it. */
static bool is_stack_row(const X86Row *r)
{
    static const char *const names[] = { "PUSH", "POP", "CALL", "RET", "LEAVE", "ENTER", "INT",
                                         "IRET" };

    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        if (g_str_has_prefix(r->name, names[k])) {
            return true;
        }
    }
    return false;
}

/*
 * Code that has been fetched, once more: not as data, which may not be read, is aligned and
 * watched.
 */
static void fetched(X86Cpu *c, uint64_t pc, uint8_t *to, unsigned n)
{
    DbtWalk w;

    if (c->dbt.guest->walk(&c->dbt, pc, ACCESS_FETCH, &w)) {
        as_read(c->dbt.vcpu.as, w.phys, to, n);
    }
}

/* The instruction at pc, which has been fetched. */
static bool decode_again(X86Cpu *c, X86Insn *i)
{
    uint8_t code[32] = { 0 };
    uint64_t mode = c->dbt.ctx->key.mode;
    unsigned n = MIN(15u, DBT_PAGE - (unsigned)(c->dbt.pc & (DBT_PAGE - 1)));

    fetched(c, c->dbt.pc, code, n);
    if (x86_decode(i, code, n, mode) == DEC_MORE) {
        fetched(c, c->dbt.pc + n, code + n, 15 - n);
        x86_decode(i, code, 15, mode);
    }
    return i->row;
}

/* Was the address that the instruction at pc may not use one of the stack's: #SS? */
static bool at_stack(X86Cpu *c)
{
    uint64_t mode = c->dbt.ctx->key.mode;
    X86Insn i;

    if (!decode_again(c, &i)) {
        return false;
    }
    /* not canonical, or where an access passes 4 GiB */
    uint64_t sp = c->dbt.gpr[i.row->tr == x86_tr_LEAVE ? R_RBP : R_RSP];
    bool out = mode & X86_MODE_CODE64 ? (int64_t)(sp << 16) >> 16 != (int64_t)sp
                                      : (uint32_t)(sp + 64) < 128;
    return (i.row->has_modrm && i.mod != 3 && i.seg == S_SS) || (is_stack_row(i.row) && out);
}

G_GNUC_NORETURN static void guest_trap(DbtCpu *dc, DbtTrap what, unsigned seg)
{
    X86Cpu *c = (X86Cpu *)dc;

    switch (what) {
    case TRAP_DIVIDE:
        x86_raise(c, EXC_DE, 0);
    case TRAP_SEGMENT:
        x86_raise(c, seg == S_SS || (seg == SEG_NONE && at_stack(c)) ? EXC_SS : EXC_GP, 0);
    default:
        x86_raise_gp(c, 0);
    }
}

/* RET has moved the stack pointer, LOOP counted; CALL and what may leave CS's limit look before. */
G_GNUC_NORETURN static void guest_bad_target(DbtCpu *dc)
{
    X86Cpu *c = (X86Cpu *)dc;
    X86Insn i;

    if (decode_again(c, &i)) {
        if (i.row->tr == x86_tr_RET) {
            dc->gpr[R_RSP] -= i.osize + i.imm;
        } else if (i.row->tr == x86_tr_LOOP) {
            dc->gpr[R_RCX] = i.asize == 4 ? (uint32_t)(dc->gpr[R_RCX] + 1) : dc->gpr[R_RCX] + 1;
        }
    }
    x86_raise_gp(c, 0);
}

static const IrHelperDesc helpers[] = {
#define HELPER(name_, props_) { #name_, x86_h_##name_, props_ },
#include "cpu/x86/helpers.def"
#undef HELPER
};
_Static_assert(G_N_ELEMENTS(helpers) == XH_N, "one row a helper");

/*
 * MMX instructions one after another: a pending x87 exception is all that there is to see, and what
 * they enter they are in.
 */
static const DbtIdle *idle_helper(unsigned helper)
{
    static const DbtIdle check = { 0, offsetof(X86Cpu, fpu_sw), 0, SW_ES },
                         /* TOP 0, all valid */
        enter = { offsetof(X86Cpu, fpu_top), offsetof(X86Cpu, fpu_sw), 0xff00, SW_ES };

    _Static_assert(offsetof(X86Cpu, fpu_valid) == offsetof(X86Cpu, fpu_top) + 1, "as one word");
    return helper == XH_mmx_enter ? &enter : helper == XH_mmx_check ? &check : NULL;
}

enum { IC_OFFSET = (sizeof(X86Cpu) + 63) & ~63 };

/*
 * Translation looks at the linear address only to see whether a direct branch wraps, is not
 * canonical, or leaves CS (plain_target(), translate.c).  Where none that reaches 16 MiB can, and
 * in 64-bit code none at all, the place does not matter.
 */
static uint64_t cache_key(DbtCpu *dc, uint64_t place[2])
{
    const X86Cpu *c = (X86Cpu *)dc;
    uint64_t mode = dc->ctx->key.mode, page = dc->pc & -(uint64_t)DBT_PAGE,
             near = UINT64_C(1) << 24, far = UINT64_C(1) << 33, h = 1;
    bool anywhere = mode & X86_MODE_CODE64 ? x86_canonical(page - far) && x86_canonical(page + far)
                                           : (mode & X86_MODE_FLAT_CS) && page >= near &&
                                                 page < (UINT64_C(1) << 32) - near;

    place[0] = anywhere ? 0 : c->seg[S_CS].base | (uint64_t)c->seg[S_CS].limit << 32;
    place[1] = anywhere ? 0 : page | 1;
    for (unsigned i = 0; i < X86_N_FEATS; i++) {
        h = (h ^ c->feat[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 31;
    }
    return h;
}

static void front_state(const DbtCpu *from, DbtCpu *to)
{
    const X86Cpu *c = (const X86Cpu *)from;
    X86Cpu *t = (X86Cpu *)to;

    memcpy(t->feat, c->feat, sizeof(t->feat));
    t->seg[S_CS] = c->seg[S_CS];
    t->fpu_cw = c->fpu_cw;
    t->fpu_top = c->fpu_top;
    t->fpu_valid = c->fpu_valid;
}

const DbtGuest x86_dbt_guest = {
    .name = "x86",
    .translate = x86_translate,
    .front_state = front_state,
    .flags_fate = x86_flags_fate,
    .walk = x86_walk,
    .fault = guest_fault,
    .fault_enter = guest_fault_enter,
    .trap = guest_trap,
    .bad_target = guest_bad_target,
    .key = x86_key,
    .interrupt = x86_interrupt,
    .single = x86_single,
    .insn_done = x86_insn_done,
    .idle = x86_idle,
    .stopped = x86_fpu_stopped,
    .accessed = x86_accessed,
    .map_changed = x86_map_changed,
    .mode_slow = X86_MODE_WATCH | X86_MODE_AC,
    .ic_offset = IC_OFFSET,
    .cache_key = cache_key,
    .stack_reg = R_RSP,
    .mode_data = X86_MODE_DATA,
    .mode_user = X86_MODE_CPL,
    .mode_global = (uint64_t)MMU_PGE << 32,
    .mode_wide = X86_MODE_CODE64,
    .helpers = helpers,
    .idle_helper = idle_helper,
    .n_helpers = XH_N,
    .vecs = x86_vecs,
    .n_vecs = XV_N_ALL,
    .vex = x86_vex_op,
    .mode_ymm = X86_MODE_AVX,
    .n_gpr = 16,
    .vec_offset = offsetof(X86Cpu, vec), .vec_stride = sizeof(X86Vec),
    .mmx_offset = offsetof(X86Cpu, fpr), .mmx_stride = sizeof(X86Fpr),
    .x87_sw_offset = offsetof(X86Cpu, fpu_sw), .x87_host_offset = offsetof(X86Cpu, host_x87),
    .fpcr_offset = offsetof(X86Cpu, mxcsr),
    .seg_offset = offsetof(X86Cpu, seg), .seg_stride = sizeof(X86Seg),
    .seg_base = offsetof(X86Seg, base), .seg_lo = offsetof(X86Seg, lo),
    .seg_hi_read = offsetof(X86Seg, hi_read), .seg_hi_write = offsetof(X86Seg, hi_write),
    .space_domain = SVM_SPACE_MASK,
    .canonical_bits = 48,
    .cs_base = offsetof(X86Cpu, seg[S_CS].base), .cs_limit = offsetof(X86Cpu, seg[S_CS].limit),
};

/* ---- state ---- */
static const Field seg_fields[] = {
    STATE(X86Seg, base), STATE(X86Seg, limit), STATE(X86Seg, selector), STATE(X86Seg, attr),
    FIELD_END
};
static const Field fpr_fields[] = {
    STATE(X86Fpr, mant), STATE(X86Fpr, exp),
    FIELD_END
};
static const Field svm_host_fields[] = {
    STATE_STRUCT(X86SvmHost, seg, X86Seg, seg_fields), STATE(X86SvmHost, gdt_base),
    STATE(X86SvmHost, idt_base), STATE(X86SvmHost, gdt_limit), STATE(X86SvmHost, idt_limit),
    STATE(X86SvmHost, efer), STATE(X86SvmHost, cr0), STATE(X86SvmHost, cr3), STATE(X86SvmHost, cr4),
    STATE(X86SvmHost, pat), STATE(X86SvmHost, rflags), STATE(X86SvmHost, rip),
    STATE(X86SvmHost, rsp), STATE(X86SvmHost, rax), STATE_ARRAY(X86SvmHost, pdpte),
    FIELD_END
};
static const Field svm_fields[] = {
    STATE_ARRAY(X86Svm, intercept), STATE(X86Svm, guest), STATE(X86Svm, gif), STATE(X86Svm, np),
    STATE(X86Svm, pause_filter), STATE(X86Svm, pause_threshold), STATE(X86Svm, pause_left),
    STATE(X86Svm, asid, .max = SVM_N_ASIDS - 1), STATE(X86Svm, iopm), STATE(X86Svm, msrpm),
    STATE(X86Svm, tsc_offset), STATE(X86Svm, int_ctl), STATE(X86Svm, int_shadow),
    STATE(X86Svm, np_ctl), STATE(X86Svm, event_inj), STATE(X86Svm, ncr3), STATE(X86Svm, virt_ext),
    STATE(X86Svm, nrip), STATE(X86Svm, pause_tsc), STATE(X86Svm, vmcb),
    STATE(X86Svm, hsave), STATE(X86Svm, vm_cr, .max = 31),
    STATE_STRUCT(X86Svm, host, X86SvmHost, svm_host_fields),
    FIELD_END
};
static const Field cpu_fields[] = {
    STATE_ARRAY(X86Cpu, dbt.gpr), STATE(X86Cpu, dbt.pc), STATE(X86Cpu, dbt.fl), STATE(X86Cpu, df),
    STATE(X86Cpu, rflags), STATE_STRUCT(X86Cpu, seg, X86Seg, seg_fields), STATE(X86Cpu, gdt_base),
    STATE(X86Cpu, idt_base), STATE(X86Cpu, gdt_limit), STATE(X86Cpu, idt_limit), STATE(X86Cpu, cr0),
    STATE(X86Cpu, cr2), STATE(X86Cpu, cr3), STATE(X86Cpu, cr4), STATE(X86Cpu, efer),
    STATE(X86Cpu, xcr0), STATE(X86Cpu, xss), STATE_ARRAY(X86Cpu, dr), STATE_ARRAY(X86Cpu, pdpte),
    STATE(X86Cpu, cpl, .max = 3), STATE(X86Cpu, shadow), STATE(X86Cpu, shadow_pc),
    STATE(X86Cpu, activity, .max = X86_MWAIT), STATE(X86Cpu, sipi_vector),
    STATE(X86Cpu, acked, .max = 0x1ff, .since = 1), STATE(X86Cpu, nmi_blocked),
    STATE(X86Cpu, in_smm), STATE(X86Cpu, smm_nmi), STATE(X86Cpu, events), STATE(X86Cpu, a20_off),
    STATE(X86Cpu, ferr), STATE(X86Cpu, ignne), STATE_STRUCT(X86Cpu, fpr, X86Fpr, fpr_fields),
    STATE(X86Cpu, fpu_cw), STATE(X86Cpu, fpu_sw), STATE(X86Cpu, fpu_top, .max = 7),
    STATE(X86Cpu, fpu_valid), STATE(X86Cpu, fpu_op), STATE(X86Cpu, fpu_cs), STATE(X86Cpu, fpu_ds),
    STATE(X86Cpu, fpu_ip), STATE(X86Cpu, fpu_dp), STATE(X86Cpu, mxcsr, .max = 0xffff),
    STATE_BYTES(X86Cpu, vec), STATE_ARRAY(X86Cpu, opmask), STATE(X86Cpu, pkru, .max = UINT32_MAX),
    STATE(X86Cpu, star), STATE(X86Cpu, lstar), STATE(X86Cpu, cstar), STATE(X86Cpu, sfmask),
    STATE(X86Cpu, kernel_gs_base), STATE(X86Cpu, sysenter_cs), STATE(X86Cpu, sysenter_esp),
    STATE(X86Cpu, sysenter_eip), STATE(X86Cpu, tsc_aux), STATE(X86Cpu, pat),
    STATE(X86Cpu, tsc_offset), STATE(X86Cpu, tsc_adjust), STATE(X86Cpu, misc_enable),
    STATE(X86Cpu, smbase), STATE(X86Cpu, mtrr_def), STATE_ARRAY(X86Cpu, mtrr_fixed),
    STATE_ARRAY(X86Cpu, mtrr_base), STATE_ARRAY(X86Cpu, mtrr_mask), STATE(X86Cpu, mcg_status),
    STATE(X86Cpu, mcg_ctl), STATE(X86Cpu, spec_ctrl), STATE_ARRAY(X86Cpu, mce_bank),
    STATE(X86Cpu, kvmclock_msr), STATE(X86Cpu, kvm_wall_msr), STATE(X86Cpu, smi_io.rip),
    STATE(X86Cpu, smi_io.rcx), STATE(X86Cpu, smi_io.rsi), STATE(X86Cpu, smi_io.rdi),
    STATE(X86Cpu, smi_io.info), STATE(X86Cpu, monitor.at), STATE_ARRAY(X86Cpu, monitor.line),
    STATE(X86Cpu, monitor.deadline), STATE(X86Cpu, monitor.armed), STATE(X86Cpu, monitor.watch),
    STATE(X86Cpu, monitor.masked), STATE(X86Cpu, monitor.os_limit),
    STATE(X86Cpu, umwait_control), STATE(X86Cpu, virt_ssbd),
    FIELD_(X86Cpu, pv_msr, F_STATE, 64, .since = 2),
    STATE_STRUCT(X86Cpu, svm, X86Svm, svm_fields),
    FIELD_END
};

/* What #VMEXIT is going to take over must be a state that VMRUN can have been run in. */
static bool svm_restored(X86Cpu *c)
{
    const X86SvmHost *h = &c->svm.host;
    bool lma = h->efer & EFER_LMA;

    if (!c->svm.guest) {
        c->events &= ~(uint32_t)X86_EV_VINTR;
        c->svm.asid = 0;
        c->svm.np = false;
        c->svm.int_ctl = c->svm.tsc_offset = c->svm.virt_ext = 0;
        memset(c->svm.intercept, 0, sizeof c->svm.intercept);
        return true;
    }
    return x86_feat(c, FEAT_81_ECX, 2) && c->svm.asid && h->efer & EFER_SVME && h->cr0 & CR0_PE &&
           !(h->cr0 >> 32) && lma == (h->cr0 & CR0_PG && h->efer & EFER_LME) &&
           (!lma || h->cr4 & CR4_PAE) && (lma || !(h->cr4 & CR4_PCIDE)) &&
           !(h->cr3 & ~((1ull << c->phys_bits) - 1)) && !(h->rflags & EF_VM);
}

static bool cpu_restored(Vcpu *v, GError **err)
{
    X86Cpu *c = (X86Cpu *)v;
    bool pg = c->cr0 & CR0_PG, pe = c->cr0 & CR0_PE, pae = c->cr4 & CR4_PAE,
         lme = c->efer & EFER_LME;

    if ((c->df != 1 && c->df != -1) || (c->rflags & (EF_ARITH | EF_DF)) || !(c->rflags & 2) ||
        c->rflags >> 22) {
        return fail(err, "cpu%u: EFLAGS in the snapshot are impossible", v->index);
    }
    if ((pg && !pe && !c->svm.guest) || (pg && lme && !pae) ||
        ((c->efer & EFER_LMA) != 0) != (pg && lme) ||
        (c->cr4 & CR4_PCIDE && !(c->efer & EFER_LMA)) || (!pe && c->cpl) ||
        (c->rflags & EF_VM && c->cpl != 3)) {
        return fail(err, "cpu%u: control registers in the snapshot are impossible", v->index);
    }
    if (!(c->xcr0 & 1) || c->xcr0 & ~x86_xcr0_known(c) ||
        (c->xcr0 & XCR0_AVX512 && ~c->xcr0 & (XCR0_AVX512 | 6)) ||
        c->cr3 & ~((1ull << c->phys_bits) - 1)) {
        return fail(err, "cpu%u: CR3 or XCR0 in the snapshot is impossible", v->index);
    }
    if (c->in_smm && !x86_has_smm(c)) {
        return fail(err,
                    "cpu%u: the snapshot is in system management mode, which this machine lacks",
                    v->index);
    }
    x86_smm_space(c);
    if (!svm_restored(c)) {
        return fail(err, "cpu%u: guest mode of SVM in the snapshot is impossible", v->index);
    }
    for (unsigned i = R_R15 + 1; i < G_N_ELEMENTS(c->dbt.gpr); i++) {
        c->dbt.gpr[i] = 0;
    }
    c->dbt.fl = x86_eflags_to_fl(x86_fl_to_eflags(c->dbt.fl));
    c->shadow &= SHADOW_STI | SHADOW_SS;
    c->pkey_seen = true;
    v->nap_ns = c->activity == X86_MWAIT ? 20000 : 0;
    c->delivering = -1;
    c->sys_cpl = -1;
    c->ext = 0;
    c->svm.event = 0;
    x86_svm_derive(c);
    c->mode_system = 0;
    memset(c->walk_ram, 0, sizeof c->walk_ram);
    x86_all_segs_update(c);
    if (c->dbt.contexts) {
        dbt_flush_all(&c->dbt);
    }
    x86_cr_changed(c);
    return true;
}

/* ---- lifecycle ---- */
static bool cpu_init(Vcpu *v, GError **err)
{
    X86Cpu *c = (X86Cpu *)v;

    c->delivering = -1;
    c->sys_cpl = -1;
    c->df = 1;
    c->rflags = 2;
    c->svm.gif = true;
    c->mxcsr = 0x1f80;
    if (!x86_cpuid_init(c, err)) {
        return false;
    }
    c->dbt.guest = &x86_dbt_guest;
    return true;
}

static void cpu_reset(Vcpu *v)
{
    X86Cpu *c = (X86Cpu *)v;
    bool bsp = v->index == 0;       /* the APICs are reset after the CPUs */

    /* INTR is the APIC's to take back */
    __atomic_fetch_and(&c->events, X86_EV_INTR | X86_EV_A20, __ATOMIC_SEQ_CST);
    c->sipi_vector = 0;
    c->a20_off = false;             /* the machine's A20 gate is open after a reset */
    x86_reset_state(c, false);
    c->activity = bsp ? X86_RUN : X86_WAIT_SIPI;
}

/* ---- "info registers" ---- */
static void dump_segs(const X86Cpu *c, GString *out)
{
    static const char *const names[X86_N_SEGS] = {
        "ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"
    };

    for (unsigned i = 0; i < X86_N_SEGS; i++) {
        g_string_append_printf(out, "%-3s=%04x %016llx %08x attr %03x\n", names[i],
                               c->seg[i].selector, (unsigned long long)c->seg[i].base,
                               c->seg[i].limit, c->seg[i].attr);
    }
    g_string_append_printf(out, "GDT= %016llx %08x\nIDT= %016llx %08x\n",
                           (unsigned long long)c->gdt_base, c->gdt_limit,
                           (unsigned long long)c->idt_base, c->idt_limit);
}

static void cpu_dump(Vcpu *v, GString *out)
{
    static const char *const names[16] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                           "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15" };
    static const uint8_t order[16] = { 0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15 };
    static const char *const activity[] = { "running", "halted", "waiting for SIPI", "shut down",
                                            "in MWAIT" };
    const X86Cpu *c = (const X86Cpu *)v;

    for (unsigned i = 0; i < 16; i++) {
        g_string_append_printf(out, "%s=%016llx%c", names[order[i]],
                               (unsigned long long)c->dbt.gpr[order[i]], i % 4 == 3 ? '\n' : ' ');
    }
    g_string_append_printf(out, "RIP=%016llx RFL=%08x CPL=%u SMM=%u %s\n",
                           (unsigned long long)x86_rip(c), (uint32_t)x86_rflags(c), c->cpl,
                           c->in_smm, activity[c->activity]);
    dump_segs(c, out);
    g_string_append_printf(out, "CR0=%08x CR2=%016llx CR3=%016llx CR4=%08x EFER=%016llx\n",
                           (uint32_t)c->cr0, (unsigned long long)c->cr2, (unsigned long long)c->cr3,
                           (uint32_t)c->cr4, (unsigned long long)c->efer);
    for (unsigned i = 0; i < 8; i++) {
        if (i != 4 && i != 5) {
            g_string_append_printf(out, "DR%u=%016llx%c", i, (unsigned long long)c->dr[i],
                                   i == 3 || i == 7 ? '\n' : ' ');
        }
    }
    g_string_append_printf(out, "FCW=%04x FSW=%04x TOP=%u MXCSR=%08x\n", c->fpu_cw, c->fpu_sw,
                           c->fpu_top, c->mxcsr);
    for (unsigned i = 0; i < 16; i++) {
        g_string_append_printf(out, "XMM%02u=%016llx%016llx%c", i,
                               (unsigned long long)c->vec[i].u64[1],
                               (unsigned long long)c->vec[i].u64[0], i % 2 ? '\n' : ' ');
    }
}

const CpuOps x86_cpu_ops = {
    .name = "x86",
    .size = IC_OFFSET + DBT_IC_BYTES,
    .init = cpu_init,
    .reset = cpu_reset,
    .has_work = x86_has_work,
    .fields = cpu_fields,
    .restored = cpu_restored,
    .identity = x86_cpu_identity,
    .dump = cpu_dump,
    .inspect = &x86_inspect,
    .help = x86_cpu_help,
    .definition = x86_cpu_definition,
    .expand = x86_cpu_expand,
    .check = x86_cpu_check,
    .gdb_xml = x86_gdb_xml,
    .gdb_read = x86_gdb_read,
    .gdb_write = x86_gdb_write,
    .gdb_memory = x86_gdb_memory,
};
