/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys.h -- calls between the files that hold the system state of an x86 CPU: mmu, seg, excp, task,
 * state, msr, cpuid, sysinsn, guest.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 3-7.
 * Threads: the vCPU's own.
 */
#ifndef CPU_X86_SYS_H
#define CPU_X86_SYS_H
#include <string.h>
#include "cpu/x86/cpu.h"
#include "cpu/x86/apicif.h"
#include "core/log.h"

enum {
    EF_KNOWN = EF_TF | EF_IF | EF_DF | EF_IOPL | EF_NT | EF_RF | EF_VM | EF_AC | EF_VIF | EF_VIP |
               EF_ID
};

/*
 * SYSCALL and SYSRET without C: not while one of these is set, before the former and after the
 * latter.
 */
enum { X86_GATE_FLAGS = EF_TF | EF_IOPL | EF_RF | EF_VM | EF_AC };
/* What they load (SDM vol. 2): flat segments, present, accessed. */
enum { X86_FLAT_CODE = ATTR_P | ATTR_S | 0xb | ATTR_G,
       X86_FLAT_DATA = ATTR_P | ATTR_S | 3 | ATTR_G | ATTR_DB };
enum { X86_SYSRET_FLAGS = 0x3c7fd7 & ~EF_RF };

/* ---- descriptors (SDM vol. 3 3.4.5, 3.5) ---- */
enum {                                  /* system descriptor types */
    DT_TSS16 = 1, DT_LDT = 2, DT_TSS16_BUSY = 3, DT_CALL16 = 4, DT_TASK = 5, DT_INT16 = 6,
    DT_TRAP16 = 7,
    DT_TSS32 = 9, DT_TSS32_BUSY = 11, DT_CALL32 = 12, DT_INT32 = 14, DT_TRAP32 = 15,
};
enum { TYPE_ACCESSED = 1, TYPE_RW = 2, TYPE_CE = 4 /* conforming or expand-down */, TYPE_CODE = 8 };

static inline uint16_t desc_attr(uint64_t d) { return ((d >> 40) & 0xff) | ((d >> 52) & 0xf) << 8; }
static inline uint32_t desc_base(uint64_t d)
{
    return ((d >> 16) & 0xffffff) | (uint32_t)(d >> 56) << 24;
}
static inline uint32_t desc_limit(uint64_t d)
{
    uint32_t limit = (d & 0xffff) | ((d >> 32) & 0xf0000);
    return (d >> 55) & 1 ? limit << 12 | 0xfff : limit;
}
static inline unsigned desc_type(uint64_t d) { return (d >> 40) & 0xf; }
static inline bool     desc_s(uint64_t d) { return (d >> 44) & 1; }
static inline unsigned desc_dpl(uint64_t d) { return (d >> 45) & 3; }
static inline bool     desc_p(uint64_t d) { return (d >> 47) & 1; }
static inline bool     desc_l(uint64_t d) { return (d >> 53) & 1; }
static inline bool     desc_d(uint64_t d) { return (d >> 54) & 1; }
static inline bool     desc_is_code(uint64_t d) { return desc_s(d) && (desc_type(d) & TYPE_CODE); }
static inline bool     desc_conforming(uint64_t d) { return desc_type(d) & TYPE_CE; }

static inline bool x86_lma(const X86Cpu *c) { return c->efer & EFER_LMA; }
static inline bool x86_pe(const X86Cpu *c) { return c->cr0 & CR0_PE; }
static inline bool x86_vm(const X86Cpu *c) { return c->rflags & EF_VM; }
static inline bool x86_protected(const X86Cpu *c) { return x86_pe(c) && !x86_vm(c); }
static inline unsigned x86_iopl(const X86Cpu *c) { return (c->rflags >> 12) & 3; }
static inline bool x86_canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }
static inline void x86_poll_soon(X86Cpu *c)
{
    __atomic_store_n(&c->dbt.vcpu.attention, 1, __ATOMIC_RELAXED);
}
static inline uint32_t x86_events(const X86Cpu *c)
{
    return __atomic_load_n(&c->events, __ATOMIC_ACQUIRE);
}

/* Accesses as supervisor: descriptor tables, TSS. */
static inline bool x86_plain_is_system(const X86Cpu *c)
{
    return c->cpl < 3 && !(c->rflags & EF_AC);
}
static inline uint64_t x86_sys_ld(X86Cpu *c, uint64_t linear, unsigned bytes)
{
    return x86_plain_is_system(c) ? dbt_load(&c->dbt, linear, bytes)
                                  : dbt_load_system(&c->dbt, linear, bytes);
}
static inline void x86_sys_st(X86Cpu *c, uint64_t linear, uint64_t value, unsigned bytes)
{
    if (x86_plain_is_system(c)) {
        dbt_store(&c->dbt, linear, value, bytes);
    } else {
        dbt_store_system(&c->dbt, linear, value, bytes);
    }
}

/* ---- state.c ---- */
/* The upper half of DbtKey.mode: what only the MMU depends on. */
enum {
    MMU_PG = 1, MMU_PAE = 2, MMU_PSE = 4, MMU_WP = 8, MMU_NXE = 16, MMU_SMEP = 32, MMU_SMAP = 64,
    MMU_PGE = 128,
    MMU_A20_OFF = 256, MMU_LMA = 512, MMU_SMM = 1024, MMU_PKE = 2048, MMU_GUEST = 1 << 20,
    MMU_NESTED = 1 << 21,
};
#define X86_MODE_DATA ((uint64_t)(MMU_SMAP | MMU_WP | MMU_PKE) << 32)
/* x86_set_rflags(), but the caller tells dbt_mode_changed() itself; the bits that changed */
uint64_t x86_put_rflags(X86Cpu *c, uint64_t value, uint64_t mask);
void x86_reset_state(X86Cpu *c, bool init);     /* power-on or, with init, INIT */
/* after CR0, CR4, EFER, A20: derived masks and mode parts, then the context */
void x86_cr_changed(X86Cpu *c);
void x86_all_segs_update(X86Cpu *c);
/* apart from what the other control registers say to it */
static inline bool x86_cr0_valid(uint64_t v)
{
    return !(v >> 32 || (v & CR0_PG && !(v & CR0_PE)) || (v & CR0_NW && !(v & CR0_CD)));
}
void x86_write_cr0(X86Cpu *c, uint64_t v);      /* with all checks and flushes */
void x86_write_cr3(X86Cpu *c, uint64_t v);
void x86_write_cr4(X86Cpu *c, uint64_t v);
void x86_write_efer(X86Cpu *c, uint64_t v);
uint64_t x86_cr4_allowed(const X86Cpu *c);      /* bits that the CPU model has */
uint64_t x86_efer_allowed(const X86Cpu *c);
/* task switch; PDPTEs checked before with x86_load_pdptes() */
void x86_load_cr3_unchecked(X86Cpu *c, uint64_t v);
/* PAE paging: false if a reserved bit is set, and nothing is changed */
bool x86_load_pdptes(X86Cpu *c, uint64_t cr3);
DbtKey x86_key(DbtCpu *dc);
void x86_apply_a20(X86Cpu *c);
uint64_t x86_efer_allowed(const X86Cpu *c);     /* bits that may be set */
uint64_t x86_cr4_allowed(const X86Cpu *c);
bool x86_uses_pdptes(const X86Cpu *c);

/* ---- mmu.c ---- */
/* gdb.c: see CpuOps */
char    *x86_gdb_xml(Vcpu *v, const char *annex);
unsigned x86_gdb_read(Vcpu *v, unsigned reg, uint8_t *to);
unsigned x86_gdb_write(Vcpu *v, unsigned reg, const uint8_t *from, size_t n);
bool     x86_gdb_memory(Vcpu *v, uint64_t linear, uint8_t *buf, size_t n, bool write);
bool x86_walk(DbtCpu *dc, uint64_t linear, DbtAccess access, DbtWalk *out);
bool x86_phys_read(X86Cpu *c, uint64_t pa, void *to, unsigned n);
void x86_map_changed(DbtCpu *dc);
/* of the guest's own access; false: x86_svm_npf() */
bool x86_nested_walk(X86Cpu *c, uint64_t gpa, DbtAccess access, uint64_t *pa);

void x86_set_pkru(X86Cpu *c, uint32_t v);

/* ---- seg.c ---- */
/* error: selector | EXT */
void x86_raise_sel(X86Cpu *c, unsigned vector, unsigned selector) G_GNUC_NORETURN;
/* #PF, but comes back when the handler has been entered */
void x86_enter_page_fault(X86Cpu *c, uint32_t error);
bool x86_desc_fetch(X86Cpu *c, unsigned selector, uint64_t *desc);    /* false: outside its table */
/* the same, or raises vector(selector) */
uint64_t x86_desc_need(X86Cpu *c, unsigned selector, unsigned vector);
/* sets the accessed bit in memory and in *desc */
void x86_desc_accessed(X86Cpu *c, unsigned selector, uint64_t *desc);
/* from an 8-byte descriptor */
void x86_seg_set(X86Cpu *c, unsigned s, unsigned selector, uint64_t desc);
void x86_seg_real(X86Cpu *c, unsigned s, unsigned selector);            /* as real mode loads it */
void x86_seg_vm86(X86Cpu *c, unsigned s, unsigned selector);
void x86_seg_null(X86Cpu *c, unsigned s, unsigned selector);
void x86_load_data_seg(X86Cpu *c, unsigned s, unsigned selector);
void x86_set_cpl(X86Cpu *c, unsigned cpl);

/* ---- far.c, ret.c ---- */
/*
 * A stack being pushed to or popped from; sp is written back by the caller once nothing can fault
 * any more.
 */
typedef struct X86Stack {
    X86Cpu  *c;
    uint64_t sp, mask;
    X86Seg   seg;
    bool     flat64;                    /* no segment: canonical addresses */
    uint32_t error;                     /* of #SS */
} X86Stack;
void     x86_stack_current(X86Cpu *c, X86Stack *s);
void     x86_stack_new(X86Cpu *c, X86Stack *s, unsigned selector, uint64_t desc, uint64_t sp);
void     x86_push(X86Stack *s, uint64_t value, unsigned bytes);
uint64_t x86_pop(X86Stack *s, unsigned bytes);
uint64_t x86_peek(X86Stack *s, uint64_t skip, unsigned bytes);
void     x86_stack_commit(X86Cpu *c, const X86Stack *s);        /* rSP, at the width of the stack */
/* SS and rSP for privilege level dpl from the TSS: #TS where it is too small. */
void     x86_tss_stack(X86Cpu *c, unsigned dpl, uint16_t *ss, uint64_t *sp);
uint64_t x86_check_inner_ss(X86Cpu *c, unsigned ss, unsigned dpl);    /* #TS, #SS; its descriptor */

/* ---- task.c ---- */
typedef enum { TASK_JMP, TASK_CALL, TASK_IRET, TASK_INT } X86TaskCause;
/* Returns with the new task's state and pc set.  next_rip: saved in the outgoing TSS. */
void x86_task_switch(X86Cpu *c, unsigned selector, uint64_t desc, X86TaskCause why,
                     uint64_t next_rip, bool has_error, uint32_t error);
void x86_task_gate(X86Cpu *c, unsigned selector, X86TaskCause why, uint64_t next_rip,
                   bool has_error, uint32_t error);

/* ---- excp.c ---- */
typedef enum { EVENT_FAULT, EVENT_TRAP, EVENT_INTERRUPT, EVENT_SOFT, EVENT_INT1 } X86EventKind;
void x86_deliver(X86Cpu *c, unsigned vector, X86EventKind kind, bool has_error, uint32_t error,
                 uint64_t return_rip);
/* after the instruction */
void x86_trap(X86Cpu *c, unsigned vector, uint64_t return_rip) G_GNUC_NORETURN;
/* debug fault or trap at pc */
void x86_raise_db(X86Cpu *c, uint64_t dr6_bits) G_GNUC_NORETURN;
/* plain accesses are supervisor's until x86_system_end() or a fault */
void x86_system_begin(X86Cpu *c);
void x86_system_end(X86Cpu *c, unsigned cpl);
void x86_shutdown(X86Cpu *c) G_GNUC_NORETURN;  /* as after a triple fault */
bool x86_wait_over(X86Cpu *c);         /* wait.c: does something end the MWAIT? */
void x86_wait_end(X86Cpu *c);
bool x86_halt_over(X86Cpu *c);
bool x86_interrupt(DbtCpu *dc);
bool x86_single(DbtCpu *dc);
void x86_insn_done(DbtCpu *dc);
bool x86_idle(DbtCpu *dc);
void x86_accessed(DbtCpu *dc, uint64_t linear, unsigned bytes, bool write);
bool x86_has_work(Vcpu *v);
void x86_io_accessed(X86Cpu *c, unsigned port, unsigned bytes);  /* breakpoints on ports (CR4.DE) */

/* ---- vme.c ---- */
bool     x86_vif_stands_in(const X86Cpu *c);            /* CLI and STI mean VIF (VME, PVI) */
void     x86_set_vif(X86Cpu *c, bool on);
uint64_t x86_vm_pushf(X86Cpu *c, unsigned bytes);       /* the image in virtual-8086 mode; #GP */
/* with IOPL < 3: the mask, and changes the image; #GP */
uint64_t x86_vm_popf(X86Cpu *c, uint64_t *image, unsigned bytes);
bool     x86_vm_redirect(X86Cpu *c, unsigned vector, uint64_t next_ip);
bool x86_shadowed(X86Cpu *c);         /* does a shadow of interrupts cover the instruction at pc? */

/* ---- smm.c ---- */
bool x86_has_smm(const X86Cpu *c);              /* does the machine have SMRAM? */
void x86_smm_enter(X86Cpu *c);
/* after a change of in_smm: vcpu.as; the caller then x86_cr_changed() */
void x86_smm_space(X86Cpu *c);
void x86_smi_by_io(X86Cpu *c, unsigned port, unsigned bytes, bool in);

/* ---- msr.c, cpuid.c, cpumodel.c ---- */
bool x86_msr_read(X86Cpu *c, uint32_t msr, uint64_t *v);        /* false: #GP(0) */
bool x86_msr_write(X86Cpu *c, uint32_t msr, uint64_t v);
void x86_msr_reset(X86Cpu *c, bool init);
uint64_t x86_tsc(X86Cpu *c);
/* as RDTSC gives it: in a guest with the hypervisor's offset */
uint64_t x86_tsc_seen(X86Cpu *c);
void x86_set_pat(X86Cpu *c, uint64_t v);       /* entries that are no memory type become uncached */
void x86_kvmclock_update(X86Cpu *c);
/* model and +feature,-feature from the command line */
bool x86_cpuid_init(X86Cpu *c, GError **err);
void x86_features_can(uint32_t can[X86_N_FEATS]);       /* all that works on this host */
/* what the host lacks and is done by C code */
void x86_features_leave_out_slow(uint32_t feat[X86_N_FEATS]);
/* model i of -cpu help; false past the last */
bool x86_cpu_definition(unsigned i, CpuDefinition *d);
GVariant *x86_cpu_expand(Machine *m, const char *name, const GPtrArray *props, bool full,
                         GError **err);
void x86_cpu_help(void);                        /* -cpu help */
void x86_cpu_identity(Vcpu *v, GString *out);
/* the command line's model and features, before there is a CPU */
bool x86_cpu_check(Machine *m, GError **err);
uint32_t x86_core_thread_count(X86Cpu *c);
void x86_cpuid(X86Cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4]);
static inline bool x86_feat(const X86Cpu *c, unsigned word, unsigned bit)
{
    return (c->feat[word] >> bit) & 1;
}
static inline uint64_t x86_xcr0_known(const X86Cpu *c)          /* bits of XCR0 that this CPU has */
{
    return XCR0_X87 | XCR0_SSE | (x86_feat(c, FEAT_1_ECX, 28) ? XCR0_AVX : 0) |
           (x86_feat(c, FEAT_7_EBX, 16) ? XCR0_AVX512 : 0) |
           (x86_feat(c, FEAT_7_ECX, 3) ? XCR0_PKRU : 0);
}

/* ---- svm.c, svm_exit.c: what a hypervisor may ask for ---- */
static inline bool x86_wanted(const X86Cpu *c, unsigned code)
{
    return G_UNLIKELY(c->svm.intercept[code >> 5] >> (code & 31) & 1);
}
void x86_svm_insn(X86Cpu *c, unsigned code, uint64_t info1) G_GNUC_NORETURN;
/*
 * To the hypervisor if it wants this instruction: called where the table of priorities says, before
 * any effect.
 */
static inline void x86_intercept(X86Cpu *c, unsigned code, uint64_t info1)
{
    if (x86_wanted(c, code)) {
        x86_svm_insn(c, code, info1);
    }
}
void x86_svm_exit(X86Cpu *c, uint64_t code, uint64_t info1, uint64_t info2,
                  const X86SvmBytes *insn) G_GNUC_NORETURN;
void x86_svm_npf(X86Cpu *c) G_GNUC_NORETURN;    /* the nested walk that failed last */
/* These return if it is not wanted. */
void x86_svm_cr0_write(X86Cpu *c, uint64_t v, bool lmsw);
void x86_svm_msr(X86Cpu *c, uint32_t msr, bool write);
void x86_svm_io(X86Cpu *c, unsigned port, unsigned bytes, bool in);
void x86_svm_pause(X86Cpu *c);
void x86_svm_invpcid(X86Cpu *c, uint64_t descriptor, uint64_t type);
void x86_svm_exception(X86Cpu *c, unsigned vector, uint32_t error, uint64_t info2);
void x86_svm_task(X86Cpu *c, unsigned selector, X86TaskCause why, bool has_error, uint32_t error);
void x86_svm_delivering(X86Cpu *c, unsigned vector, X86EventKind kind, bool has_error,
                        uint32_t error);
void x86_svm_reset(X86Cpu *c, bool init);
enum { SVM_IMAGE_BYTES = 4096 };
/* of a CPU in guest mode: its VMCB's control area, its host in the save area */
void x86_svm_image(const X86Cpu *c, uint8_t *b);
/* into guest mode; registers come from elsewhere */
void x86_svm_take_image(X86Cpu *c, uint64_t vmcb, const uint8_t *b);
void x86_svm_no_guest(X86Cpu *c);
void x86_svm_derive(X86Cpu *c);                 /* what is no state */
bool x86_intr_open(const X86Cpu *c);
bool x86_vintr_open(const X86Cpu *c);
unsigned x86_vintr_ack(X86Cpu *c);
#endif
