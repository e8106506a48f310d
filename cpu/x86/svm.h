/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svm.h -- AMD's secure virtual machine: its part of the CPU's state, and the one hook through
 * which an instruction or an event asks whether a hypervisor wants it.
 *
 * The numbers of the hook are SVM's exit codes; another vendor's intercepts would be mapped to them
 * in svm_exit.c.
 *
 * Spec: AMD APM (24593) vol. 2 ch. 15, appendices B and C.
 * Threads: the vCPU's own.
 */
#ifndef CPU_X86_SVM_H
#define CPU_X86_SVM_H
/* cpu.h includes this one, after X86Seg. */

enum {
#define SVM_EXIT(name, code, insn) SVM_EXIT_##name = code,
#include "cpu/x86/svm.def"
    SVM_WORDS = 6,                      /* intercept words: codes 00H..BFH */
};
enum {                                  /* int_ctl: VMCB 060H */
    V_TPR = 0xff, V_IRQ = 1 << 8, V_GIF = 1 << 9, V_PRIO_SHIFT = 16, V_IGN_TPR = 1 << 20,
    V_INTR_MASKING = 1 << 24, V_GIF_ENABLE = 1 << 25, V_VECTOR_SHIFT = 32,
};
enum { SVM_EXC_SX = 30 };
enum { VM_CR_DPD = 1, VM_CR_R_INIT = 2, VM_CR_DIS_A20M = 4, VM_CR_LOCK = 8, VM_CR_SVMDIS = 16 };
/* Address spaces of a guest: its ASID above the at most 52 bits of CR3 in DbtKey.space. */
enum { SVM_ASID_SHIFT = 52, SVM_N_ASIDS = 256 };
#define SVM_SPACE_MASK (0xfffull << SVM_ASID_SHIFT)

typedef struct X86SvmHost {             /* what VMRUN puts aside and #VMEXIT takes back (15.5.1) */
    X86Seg   seg[4];                    /* ES CS SS DS */
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint64_t efer, cr0, cr3, cr4, pat, rflags, rip, rsp, rax, pdpte[4];
} X86SvmHost;

typedef struct X86Svm {
    uint32_t intercept[SVM_WORDS];      /* all 0 outside a guest: one test in x86_wanted() */
    bool     guest;                     /* guest mode */
    bool     gif;                       /* global interrupt flag */
    bool     np;                        /* nested paging */
    uint16_t pause_filter, pause_threshold, pause_left;
    uint32_t asid;                      /* 0: the host */
    uint64_t iopm, msrpm, tsc_offset, int_ctl, int_shadow, np_ctl, event_inj, ncr3, virt_ext, nrip;
    uint64_t pause_tsc;                 /* when the last PAUSE was */
    uint64_t vmcb, hsave, vm_cr;
    X86SvmHost host;
    /* not state */
    uint64_t event;                     /* on its way through the IDT, as in EXITINTINFO; 0: none */
    uint64_t npf_gpa, npf_info;         /* of the nested page walk that failed last */
    uint64_t npte_reserved;             /* of nested page tables, by the host's modes */
} X86Svm;

typedef struct X86SvmBytes {            /* decode assists and nRIP */
    uint64_t next_rip;
    uint8_t  n, code[15];
} X86SvmBytes;
#define SVM_EXIT_INVALID UINT64_MAX

/* A walk that failed in the nested tables says so in DbtWalk.error. */
enum { SVM_WALK_NPF = 1 << 30 };
#endif
