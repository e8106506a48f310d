/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.h -- the state of one x86 CPU, and the calls between the files of this folder.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 2-10, AMD APM vol. 2 (24593) ch. 1-15.
 * Threads: the vCPU's own, but for `events`, which any thread may set (atomically) through
 *   apicif.h.
 */
#ifndef CPU_X86_CPU_H
#define CPU_X86_CPU_H
#include "accel/dbt/dbt.h"

enum { R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI, R_R8, R_R9, R_R10, R_R11, R_R12,
       R_R13, R_R14, R_R15 };
enum { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_LDTR, S_TR, X86_N_SEGS };

typedef struct X86Seg {
    uint64_t base;
    /* Derived by x86_seg_update(): an access of n bytes at offset o is in bounds if o >= lo and o +
     * n - 1 <= hi_read (or hi_write), signed 64-bit; hi is -1 where the right is missing or the
     * segment is null. */
    int64_t  lo, hi_read, hi_write;
    uint32_t limit;                     /* scaled: in bytes */
    uint16_t selector;
    /* descriptor bits 47:40 in 7:0, bits 55:52 in 11:8 (as in an SVM VMCB) */
    uint16_t attr;
} X86Seg;
enum { ATTR_TYPE = 0x0f, ATTR_S = 0x10, ATTR_DPL_SHIFT = 5, ATTR_DPL = 0x60, ATTR_P = 0x80,
       ATTR_AVL = 0x100, ATTR_L = 0x200, ATTR_DB = 0x400, ATTR_G = 0x800 };

#include "cpu/x86/svm.h"

typedef union X86Vec {
    uint8_t u8[64]; uint16_t u16[32]; uint32_t u32[16]; uint64_t u64[8];
    int8_t  s8[64]; int16_t  s16[32]; int32_t  s32[16]; int64_t  s64[8];
    float   f32[16]; double  f64[8];
} X86Vec;
/* sign and exponent in exp; MMX is mant */
typedef struct X86Fpr { uint64_t mant; uint16_t exp, pad[3]; } X86Fpr;

/* mode of a block, low 32 bits of DbtKey.mode: all that its code depends on; x86_mode() */
enum {
    /* by CS.L and CS.D */
    X86_MODE_CODE16 = 1 << 0, X86_MODE_CODE32 = 1 << 1, X86_MODE_CODE64 = 1 << 2,
    X86_MODE_SS32 = 1 << 3,             /* SS.B: the stack pointer is ESP (outside 64-bit code) */
    X86_MODE_PE = 1 << 4, X86_MODE_VM = 1 << 5,
    X86_MODE_CPL_SHIFT = 6, X86_MODE_CPL = 3 << 6,
    X86_MODE_IOPL_SHIFT = 8, X86_MODE_IOPL = 3 << 8,
    X86_MODE_FLAT_CS = 1 << 10,        /* base 0, limit 4 GiB (or 64-bit code): no chkcs, no base */
    /* base 0, 4 GiB, writable, up */
    X86_MODE_FLAT_DS = 1 << 11, X86_MODE_FLAT_ES = 1 << 12, X86_MODE_FLAT_SS = 1 << 13,
    X86_MODE_FPU = 1 << 14,             /* x87 and MMX run: CR0.EM = CR0.TS = 0 */
    X86_MODE_SSE = 1 << 15,             /* SSE runs: CR4.OSFXSR, !EM, !TS */
    X86_MODE_AVX = 1 << 16,             /* CR4.OSXSAVE, XCR0[2:1] = 3, !TS */
    /* some MXCSR exception is unmasked: vops with V_FP by helpers */
    X86_MODE_XMEXC = 1 << 17,
    /* TF or instruction breakpoints: blocks of one instruction, tier 0 */
    X86_MODE_SINGLE = 1 << 18,
    X86_MODE_AC = 1 << 19,              /* alignment checks on (CR0.AM, EFLAGS.AC, CPL 3): tier 0 */
    X86_MODE_LMA = 1 << 20,
    X86_MODE_WATCH = 1 << 21,           /* data breakpoints enabled: tier 0 */
    /* a guest of SVM: what a hypervisor may intercept is left to helpers */
    X86_MODE_GUEST = 1 << 28,
};
/*
 * High 32 bits of DbtKey.mode: what only the MMU depends on (PG, PAE, PSE, WP, NXE, SMEP, SMAP
 * without AC, A20...): mmu.c.
 */

/* events: atomic bits, set by any thread, which then calls vcpu_kick() */
enum {
    X86_EV_INTR = 1, X86_EV_NMI = 2, X86_EV_SMI = 4, X86_EV_INIT = 8, X86_EV_SIPI = 16,
    X86_EV_MCE = 32,
    X86_EV_A20 = 64,                    /* A20M# changed: a20_off */
    /* V_IRQ of the guest that runs: posted and taken by the vCPU itself */
    X86_EV_VINTR = 128,
};
enum {
    FEAT_1_EDX,
    FEAT_1_ECX,
    FEAT_7_EBX,
    FEAT_7_ECX,
    FEAT_7_EDX,
    FEAT_81_EDX,
    FEAT_81_ECX,
    FEAT_D1_EAX,
    FEAT_88_EBX,
    FEAT_6_EAX,
    FEAT_87_EDX,
    FEAT_8A_EDX,
    FEAT_7_1_EAX,
    FEAT_ARCH_CAP,
    FEAT_CORE_CAP,
    FEAT_KVM,
    FEAT_HV,
    X86_N_FEATS
};
enum { SHADOW_STI = 1, SHADOW_SS = 2 };
enum { X86_RUN, X86_HLT, X86_WAIT_SIPI, X86_SHUTDOWN, X86_MWAIT };

typedef struct X86Cpu {
    DbtCpu   dbt;                       /* first: dbt.gpr[0..15], dbt.pc (linear), dbt.fl */
    int64_t  df;                        /* +1 or -1: EFLAGS.DF for string instructions */
    /* without the six arithmetic flags (in dbt.fl): bit 1 set, TF IF IOPL NT RF VM AC VIF VIP ID */
    uint64_t rflags;
    X86Seg   seg[X86_N_SEGS];
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0, xss;       /* CR8 is the APIC's TPR */
    uint64_t dr[8];
    uint8_t  cpl;
    /* SHADOW_*: interrupts held until the end of the next instruction (STI, MOV SS) */
    uint8_t  shadow;
    uint8_t  activity;                  /* X86_RUN, X86_HLT, ... */
    uint8_t  sipi_vector;
    bool     nmi_blocked, in_smm;
    bool     smm_nmi;                   /* nmi_blocked before the SMI */
    uint32_t events;                    /* X86_EV_* */
    /* 0x100 | vector of an interrupt that was acknowledged, but not delivered (KVM) */
    uint16_t acked;
    /* vector of the exception being delivered, for double faults; -1 */
    int16_t  delivering;
    /* x87, SSE */
    X86Fpr   fpr[8];                    /* physical registers; ST(i) is fpr[(fpu_top + i) & 7] */
    /* sw without TOP; cw, top and valid together: translate_x87.c */
    uint16_t fpu_sw, fpu_cw;
    /* valid: one bit per physical register, 1 = not empty (FXSAVE's abridged tag) */
    uint8_t  fpu_top, fpu_valid;
    uint16_t fpu_op, fpu_cs, fpu_ds;
    uint64_t fpu_ip, fpu_dp;
    DbtX87   host_x87;                  /* x87_sync() */
    uint32_t mxcsr;
    X86Vec   vec[32] __attribute__((aligned(64)));
    uint64_t opmask[8];
    uint64_t pkru;
    bool     pkey_seen;                 /* a translation may depend on a key but 0; not state */
    /* MSRs */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip,
        tsc_aux, pat;
    uint64_t tsc_offset, tsc_adjust, misc_enable, smbase, mtrr_def, mtrr_fixed[11], mtrr_base[8],
        mtrr_mask[8];
    uint64_t umwait_control, virt_ssbd;
    uint64_t mcg_status, mcg_ctl, spec_ctrl, mce_bank[40];
    uint64_t pv_msr[64];                /* of what an accelerator alone has; which ones it knows */
    /* not state */
    char     vendor[13], brand[49];     /* CPUID.0, 80000002H */
    uint32_t level, xlevel;             /* highest leaves */
    bool     l3_cache;                  /* CPUID tells of one */
    /* what leaves of hypervisors say beside FEAT_HV and FEAT_KVM */
    struct {
        uint32_t spinlocks;             /* turns before a guest of Hyper-V calls; 0: not said */
        uint32_t version[6];            /* build, major, minor, service pack, branch, number */
        char     vendor[13];
        /* only what is shown may be used; vCPUs have a processor each */
        bool     enforce, pv_enforce, dedicated;
        bool     cores_auto;            /* hv-no-nonarch-coresharing as the host is */
    } hv;
    uint32_t feat[X86_N_FEATS];
    void    *apic;                      /* cpu/x86/apicif.h */
    const struct ApicOps *apic_ops;
    uint64_t a20_mask;                  /* all ones, or without bit 20; derived from a20_off */
    /* pins: an x87 error while CR0.NE = 0; errors are ignored (atomic); state */
    bool     ferr, ignne;
    void   (*ferr_sink)(void *dev, unsigned n, bool level);
    void    *ferr_dev;
    bool     a20_off;                   /* the pin: state; written with the machine lock */
    /* PAE: the page-directory-pointer registers, loaded with CR3; state */
    uint64_t pdpte[4];
    /* EXT bit of selector error codes while an event is being delivered */
    uint8_t  ext;
    uint8_t  nested;                    /* exceptions while this event is being delivered */
    /* the instruction never raises #AC, whatever EFLAGS.AC says */
    bool     no_ac;
    /* TF, RF at the start of the instruction in tier 0; insn_done() raises the trap */
    bool     tf_start, rf_start;
    uint8_t  dr6_hit;                   /* data breakpoints hit by the instruction in tier 0 */
    /* excp.c: CPL to go back to if delivery faults while in system mode; -1 */
    int8_t   sys_cpl;
    bool     sys_ac;                    /* and EFLAGS.AC */
    uint8_t  phys_bits;                 /* MAXPHYADDR */
    bool     vendor_intel;              /* where Intel and AMD differ */
    uint32_t signature;                 /* CPUID.1:EAX */
    int64_t  no_yield_us;               /* PAUSE gives the host's CPU away again from then on */
    /* linear address of the instruction that `shadow` covers; UINT64_MAX: whichever */
    uint64_t shadow_pc;
    uint32_t mode_seg, mode_cr, mode_mmu, mode_system;      /* parts of the mode, kept by state.c */
    uint64_t addr_mask, pte_reserved;   /* page table entries: address bits; bits that must be 0 */
    /* RAM that page tables were last found in: below 4 GiB, above */
    struct {
        uint64_t at, n;
        uint8_t *host;
        void    *region;
        uint64_t from;
    } walk_ram[2];
    uint64_t kvmclock_msr, kvm_wall_msr;                    /* state */
    /* state; wait.c */
    struct { uint64_t at, line[8], deadline; bool armed, watch, masked, os_limit; } monitor;
    /* state: the IN or OUT that raised the SMI to come; smm.c */
    struct { uint64_t rip, rcx, rsi, rdi, info; } smi_io;
    X86Svm   svm;
} X86Cpu;

enum { CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 0x10, CR0_NE = 0x20,
       CR0_WP = 0x10000, CR0_AM = 0x40000,
       CR0_NW = 0x20000000, CR0_CD = 0x40000000 };
#define CR0_PG 0x80000000u
enum { CR4_VME = 1, CR4_PVI = 2, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20,
       CR4_MCE = 0x40, CR4_PGE = 0x80,
       CR4_PCE = 0x100, CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400, CR4_UMIP = 0x800,
       CR4_LA57 = 0x1000,
       CR4_FSGSBASE = 0x10000, CR4_PCIDE = 0x20000, CR4_OSXSAVE = 0x40000, CR4_SMEP = 0x100000,
       CR4_SMAP = 0x200000,
       CR4_PKE = 0x400000 };
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800, EFER_SVME = 0x1000,
       EFER_FFXSR = 0x4000 };

enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4, XCR0_AVX512 = 0xe0, XCR0_PKRU = 0x200 };

enum { EF_CF = 1, EF_PF = 4, EF_AF = 0x10, EF_ZF = 0x40, EF_SF = 0x80, EF_TF = 0x100,
       EF_IF = 0x200, EF_DF = 0x400, EF_OF = 0x800,
       EF_IOPL = 0x3000, EF_NT = 0x4000, EF_RF = 0x10000, EF_VM = 0x20000, EF_AC = 0x40000,
       EF_VIF = 0x80000, EF_VIP = 0x100000,
       EF_ID = 0x200000, EF_ARITH = 0x8d5 };
enum { EXC_DE, EXC_DB, EXC_NMI, EXC_BP, EXC_OF, EXC_BR, EXC_UD, EXC_NM, EXC_DF, EXC_TS = 10,
       EXC_NP, EXC_SS, EXC_GP, EXC_PF,
       EXC_MF = 16, EXC_AC, EXC_MC, EXC_XM };

static inline uint32_t x86_fl_to_eflags(uint32_t fl) { return ((fl >> 8) & 0xd5) | (fl & 1) << 11; }
static inline uint32_t x86_eflags_to_fl(uint64_t ef)
{
    return (uint32_t)((ef & 0xd5) | 2) << 8 | (uint32_t)((ef >> 11) & 1);
}
static inline bool x86_code64(const X86Cpu *c)
{
    return (c->seg[S_CS].attr & ATTR_L) && (c->efer & 0x400);
}
static inline uint64_t x86_rip(const X86Cpu *c)         /* RIP or EIP of the current instruction */
{
    return x86_code64(c) ? c->dbt.pc : (uint32_t)(c->dbt.pc - c->seg[S_CS].base);
}

/* ---- system state (state.c, seg.c, excp.c) ---- */
uint64_t x86_rflags(const X86Cpu *c);                   /* whole */
/* fl, df, rflags; then x86_mode_changed() if needed */
void     x86_set_rflags(X86Cpu *c, uint64_t value, uint64_t mask);
/* pc = CS base + rip, wrapped as the mode says; no checks */
void     x86_set_pc(X86Cpu *c, uint64_t rip);
/* a fault of the instruction at pc */
void     x86_raise(X86Cpu *c, unsigned vector, uint32_t error) G_GNUC_NORETURN;
void     x86_raise_ud(X86Cpu *c) G_GNUC_NORETURN;
void     x86_raise_gp(X86Cpu *c, uint32_t error) G_GNUC_NORETURN;
/* derived members of seg[s]; the caller then tells dbt_mode_changed() */
void     x86_seg_update(X86Cpu *c, unsigned s);
/* checks (#GP, #SS); linear address */
uint64_t x86_seg_linear(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes, bool write);
/* guest memory by segment and offset, for helpers */
uint64_t x86_ld(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes);
void     x86_st(X86Cpu *c, unsigned s, uint64_t offset, uint64_t value, unsigned bytes);
uint32_t x86_mode(X86Cpu *c);                           /* X86_MODE_* of the current state */
/* after a change of what x86_mode() depends on (MXCSR, CR0, ...) */
void     x86_mode_changed(X86Cpu *c);
/* IOPL and the TSS's bit map; may raise #PF */
bool     x86_io_allowed(X86Cpu *c, unsigned port, unsigned bytes);
/* how many of n were read at once; 0: none */
unsigned x86_io_in_many(X86Cpu *c, unsigned port, unsigned bytes, void *to, unsigned n);
uint64_t x86_io_in(X86Cpu *c, unsigned port, unsigned bytes);           /* the bus cycle alone */
void     x86_io_out(X86Cpu *c, unsigned port, uint64_t value, unsigned bytes);
extern const DbtGuest x86_dbt_guest;                    /* guest.c */
extern const struct CpuInspect x86_inspect;              /* inspect.c */
extern const CpuOps x86_cpu_ops;                        /* guest.c */

/*
 * Helpers, by number: cpu/x86/helpers.def, rows HELPER(name, props); the function is
 * x86_h_<name>().
 */
enum {
#define HELPER(name, props) XH_##name,
#include "cpu/x86/helpers.def"
#undef HELPER
    XH_N
};
#define HELPER(name, props) uint64_t x86_h_##name(void *cpu, uint64_t a, uint64_t b, uint64_t c);
#include "cpu/x86/helpers.def"
#undef HELPER
#endif
