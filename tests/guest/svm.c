/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svm.c -- 64-bit guest that is a hypervisor: VMRUN and its checks, every intercept, injection,
 * virtual interrupts, GIF, permission maps, nested paging.
 *
 * Spec: AMD APM vol. 2 ch. 15, appendices B and C.
 */
#include "tests/guest/svm.h"

/* ---- instructions and their exits ---- */
CODE_OF(g_nop, "nop");
CODE_OF(g_rcr0, "movq %cr0, %rcx");
CODE_OF(g_wcr0, "movq %cr0, %rcx; w_cr0: movq %rcx, %cr0");
CODE_OF(g_smsw, "smsw %ax");
CODE_OF(g_lmsw, "lmsw %dx");
CODE_OF(g_clts, "clts");
CODE_OF(g_rcr3, "movq %cr3, %rsi");
CODE_OF(g_wcr3, "movq %rsi, %cr3");
CODE_OF(g_rcr4, "movq %cr4, %r9");
CODE_OF(g_wcr8, "movq %rbp, %cr8");
CODE_OF(g_rcr8, "movq %cr8, %rbp");
CODE_OF(g_rdr7, "movq %dr7, %rdi");
CODE_OF(g_wdr3, "movq %rdi, %dr3");
CODE_OF(g_sidt, "sidt scratch");
CODE_OF(g_sgdt, "sgdt scratch");
CODE_OF(g_sldt, "sldt %ax");
CODE_OF(g_str, "str %ax");
CODE_OF(g_lidt, "lidt scratch");
CODE_OF(g_lgdt, "lgdt gdt_ptr");
CODE_OF(g_lldt, "xorl %eax, %eax; w_lldt: lldt %ax");
CODE_OF(g_ltr, "movl $0x30, %eax; w_ltr: ltr %ax");
CODE_OF(g_rdtsc, "rdtsc");
CODE_OF(g_rdtscp, "rdtscp");
CODE_OF(g_rdpmc, "xorl %ecx, %ecx; w_rdpmc: rdpmc");
CODE_OF(g_pushf, "pushfq");
CODE_OF(g_popf, "pushq $2; w_popf: popfq");
CODE_OF(g_cpuid, "xorl %eax, %eax; w_cpuid: cpuid");
CODE_OF(g_rsm, "rsm");
CODE_OF(g_iret, "iretq");
CODE_OF(g_int, "int $0x2a");
CODE_OF(g_invd, "invd");
CODE_OF(g_pause, "pause");
CODE_OF(g_hlt, "hlt");
CODE_OF(g_invlpg, "movl $0x123456, %ecx; w_invlpg: invlpg 8(%rcx)");
CODE_OF(g_invlpga, "xorl %ecx, %ecx; xorl %eax, %eax; w_invlpga: invlpga");
CODE_OF(g_vmload, "leaq hsave, %rax; w_vmload: vmload");
CODE_OF(g_vmsave, "leaq hsave, %rax; w_vmsave: vmsave");
CODE_OF(g_vmrun, "leaq hsave, %rax; w_vmrun: vmrun");
CODE_OF(g_stgi, "stgi");
CODE_OF(g_clgi, "clgi");
CODE_OF(g_skinit, "skinit");
CODE_OF(g_icebp, ".byte 0xf1");
CODE_OF(g_wbinvd, "wbinvd");
CODE_OF(g_xsetbv, "xorl %ecx, %ecx; xorl %edx, %edx; movl $3, %eax; w_xsetbv: xsetbv");
CODE_OF(g_invpcid, "movl $2, %eax; w_invpcid: invpcid scratch, %rax");
CODE_OF(g_in, "inb $0x71, %al");
CODE_OF(g_outw, "movw $0x7f, %dx; w_outw: outw %ax, %dx");
CODE_OF(g_outs,
        "movw $0x80, %dx; movl $3, %ecx; leaq scratch, %rsi; w_outs: rep outsb %fs:(%rsi), %dx");
CODE_OF(g_ins, "movw $0x80, %dx; leaq scratch, %rdi; w_ins: insl %dx, (%rdi)");
CODE_OF(g_rdmsr, "movl $0xc0000080, %ecx; w_rdmsr: rdmsr");
CODE_OF(g_wrmsr, "movl $0xc0000102, %ecx; xorl %edx, %edx; movl $0x777, %eax; w_wrmsr: wrmsr");
CODE_OF(g_oddmsr, "movl $0x12345678, %ecx; w_oddmsr: rdmsr");
CODE_OF(g_ud, "ud2");
CODE_OF(g_int3, "int3");
CODE_OF(g_pf, "movl $0x50000000, %ecx; w_pf: movq %rdx, (%rcx)");
CODE_OF(g_gp, "movl $0x58, %eax; w_gp: movw %ax, %ds");
CODE_OF(g_de, "xorl %ecx, %ecx; w_de: divl %ecx");
CODE_OF(g_sti, "sti; nop; w_sti: nop; nop");
CODE_OF(g_stihlt, "sti; w_stihlt: hlt");
CODE_OF(g_spin, "1: jmp 1b");
CODE_OF(g_pauses, "movl $100, %ecx; 1: pause; loop 1b");
CODE_OF(g_gifs, "stgi; clgi");
CODE_OF(g_cr8, "movq %cr8, %rbx; movl $9, %ecx; movq %rcx, %cr8");
extern char w_cr0[], w_lldt[], w_ltr[], w_rdpmc[], w_popf[], w_cpuid[], w_invlpg[], w_invlpga[],
    w_vmload[], w_vmsave[], w_vmrun[], w_xsetbv[], w_invpcid[], w_outw[], w_outs[], w_ins[],
    w_rdmsr[], w_wrmsr[], w_oddmsr[], w_pf[], w_gp[], w_de[], w_sti[], w_stihlt[];

u64 scratch[8];
#define MOV (1ull << 63)
typedef struct Case {
    const char *name;
    char *code, *at, *next;             /* where it starts, the instruction, the one after */
    u16 exit;
    u64 info1;
    /*
     * what it comes to if it is not intercepted: 0 VMMCALL after it, else a vector; -1: not tried
     */
    int alone;
} Case;
#define C(n, w, exit, info, alone) { #n, n, w, l_##n, exit, info, alone }
static const Case cases[] = {
    C(g_rcr0, g_rcr0, 0x00, MOV | 1, 0),
    C(g_wcr0, w_cr0, 0x10, MOV | 1, 0),
    C(g_smsw, g_smsw, 0x00, 0, 0),
    C(g_lmsw, g_lmsw, 0x10, 0, -1),
    C(g_clts, g_clts, 0x10, 0, 0),
    C(g_lmsw, g_lmsw, 0x65, 0, -1),
    C(g_rcr3, g_rcr3, 0x03, MOV | 6, 0),
    C(g_wcr3, g_wcr3, 0x13, MOV | 6, -1),
    C(g_rcr4, g_rcr4, 0x04, MOV | 9, 0),
    C(g_wcr8, g_wcr8, 0x18, MOV | 5, -1),
    C(g_rcr8, g_rcr8, 0x08, MOV | 5, 0),
    C(g_rdr7, g_rdr7, 0x27, 7, 0),
    C(g_wdr3, g_wdr3, 0x33, 7, 0),
    C(g_sidt, g_sidt, 0x66, 0, 0),
    C(g_sgdt, g_sgdt, 0x67, 0, 0),
    C(g_sldt, g_sldt, 0x68, 0, 0),
    C(g_str, g_str, 0x69, 0, 0),
    C(g_lidt, g_lidt, 0x6a, 0, -1),
    C(g_lgdt, g_lgdt, 0x6b, 0, 0),
    C(g_lldt, w_lldt, 0x6c, 0, 0),
    C(g_ltr, w_ltr, 0x6d, 0, -1),
    C(g_rdtsc, g_rdtsc, 0x6e, 0, 0),
    C(g_rdtscp, g_rdtscp, 0x87, 0, 0),
    C(g_rdpmc, w_rdpmc, 0x6f, 0, 0),
    C(g_pushf, g_pushf, 0x70, 0, 0),
    C(g_popf, w_popf, 0x71, 0, 0),
    C(g_cpuid, w_cpuid, 0x72, 0, 0),
    C(g_rsm, g_rsm, 0x73, 0, 6),
    C(g_iret, g_iret, 0x74, 0, -1),
    C(g_int, g_int, 0x75, 0x2a, 0x2a),
    C(g_invd, g_invd, 0x76, 0, 0),
    C(g_pause, g_pause, 0x77, 0, 0),
    C(g_hlt, g_hlt, 0x78, 0, -1),
    C(g_invlpg, w_invlpg, 0x79, 0x12345e, 0),
    C(g_invlpga, w_invlpga, 0x7a, 0, 0),
    C(g_vmload, w_vmload, 0x82, 0, -1),
    C(g_vmsave, w_vmsave, 0x83, 0, 0),
    C(g_vmrun, w_vmrun, 0x80, 0, -1),
    C(g_stgi, g_stgi, 0x84, 0, 0),
    C(g_clgi, g_clgi, 0x85, 0, 0),
    C(g_skinit, g_skinit, 0x86, 0, 6),
    C(g_icebp, g_icebp, 0x88, 0, 1),
    C(g_wbinvd, g_wbinvd, 0x89, 0, 0),
    C(g_xsetbv, w_xsetbv, 0x8d, 0, 0),
    C(g_invpcid, w_invpcid, 0xa2, (u64)scratch, 0),
};

static void check_exit(const char *name, u64 code, word rip)
{
    put("# ");
    put(name);
    put("\n");
    check("exit code", AT64(CODE), code);
    check("RIP", AT64(S_RIP), rip);
}

static void test_instructions(void)
{
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *c = &cases[i];
        fresh((word)c->code);
        AT64(S_CR4) |= 1 << 18;
        want(c->exit);
        run();
        check_exit(c->name, c->exit, (word)c->at);
        check("EXITINFO1", AT64(INFO1), c->info1);
        check("nRIP", AT64(NRIP), (word)c->next);
        if (c->alone < 0) {
            continue;
        }
        fresh((word)c->code);
        AT64(S_CR4) |= 1 << 18;
        run();
        check("not intercepted", AT64(CODE), X_VMMCALL);
        if (c->alone) {
            check("vector", (u64)vector_of_guest(), (u64)c->alone);
        } else {
            check("it ends", AT64(S_RIP), (word)c->next);
        }
    }
    fresh((word)g_invpcid);
    want(0xa2);
    run();
    check("EXITINFO2 of INVPCID", AT64(INFO2), 2);
    fresh((word)g_wcr0);
    want(0x65);
    run();
    check("CR0 write of the same value", AT64(CODE), X_VMMCALL);
    fresh((word)w_cr0);
    greg[1] = AT64(S_CR0) ^ 8;
    want(0x65);
    run();
    check("CR0 write of TS", AT64(CODE), X_VMMCALL);
    fresh((word)w_cr0);
    greg[1] = AT64(S_CR0) ^ 0x20;
    want(0x65);
    run();
    check("CR0 write of NE", AT64(CODE) << 32 | AT64(INFO1) >> 63, 0x6500000001);
    fresh((word)g_nop);
    unwant(X_VMMCALL);
    want(0x46);
    run();
    check("#UD of VMMCALL that nobody wants", AT64(CODE), 0x46);
    fresh((word)w_cr0);
    greg[1] = 1ull << 32;
    want(0x10);
    want(0x4d);
    run();
    check("#GP before the intercept of CR0", AT64(CODE), 0x4d);
    fresh((word)g_hlt);
    seg(0x420, DS3, 0xcf3, 0xffffffff, 0);
    seg(0x410, CS3, 0xafb, 0xffffffff, 0);
    vmcb[S_CPL] = 3;
    want(0x78);
    want(0x4d);
    run();
    check("#GP before the intercept of HLT", AT64(CODE), 0x4d);
    fresh((word)g_iret);
    seg(0x420, DS3, 0xcf3, 0xffffffff, 0);
    seg(0x410, CS3, 0xafb, 0xffffffff, 0);
    vmcb[S_CPL] = 3;
    AT64(S_RSP) = 0x50000000;
    want(0x74);
    run();
    check("the intercept of IRET before its #PF", AT64(CODE), 0x74);
}

/* ---- ports and MSRs ---- */
static void test_maps(void)
{
    fresh((word)g_in);
    want(X_IOIO);
    run();
    check("port not in the map", AT64(CODE), X_VMMCALL);
    iopm[0x71 / 8] |= 1 << (0x71 & 7);
    iopm[0x80 / 8] |= 1;
    fresh((word)g_in);
    want(X_IOIO);
    run();
    check("IN", AT64(CODE), X_IOIO);
    check("IN info", AT64(INFO1), 0x71 << 16 | 1 << 9 | 1 << 4 | 1);
    check("IN next", AT64(INFO2), (word)l_g_in);
    fresh((word)g_outw);
    want(X_IOIO);
    run();
    check("OUT across into the port", AT64(INFO1), 0x7f << 16 | 1 << 9 | 1 << 5);
    fresh((word)g_outs);
    want(X_IOIO);
    run();
    check("REP OUTSB FS:", AT64(INFO1), 0x80 << 16 | 4 << 10 | 1 << 9 | 1 << 4 | 1 << 3 | 1 << 2);
    check("RCX untouched", greg[1], 3);
    fresh((word)g_ins);
    want(X_IOIO);
    run();
    check("INSL", AT64(INFO1), 0x80 << 16 | 1 << 9 | 1 << 6 | 1 << 2 | 1);
    fresh((word)g_rdmsr);
    want(X_MSR);
    run();
    check("MSR not in the map", AT64(CODE), X_VMMCALL);
    msrpm[0x800 + 0x80 / 4] |= 1 << (0x80 % 4 * 2);
    msrpm[0x800 + 0x102 / 4] |= 2 << (0x102 % 4 * 2);
    fresh((word)g_rdmsr);
    want(X_MSR);
    run();
    check("RDMSR", AT64(CODE) << 8 | AT64(INFO1), X_MSR << 8);
    fresh((word)g_wrmsr);
    want(X_MSR);
    run();
    check("WRMSR", AT64(CODE) << 8 | AT64(INFO1), X_MSR << 8 | 1);
    fresh((word)g_oddmsr);
    want(X_MSR);
    run();
    check("MSR beyond the map", AT64(CODE), X_MSR);
}

/* ---- exceptions ---- */
static void test_exceptions(void)
{
    u64 cr2 = 0x1234;

    fresh((word)g_ud);
    want(0x46);
    run();
    check_exit("#UD", 0x46, (word)g_ud);
    fresh((word)g_ud);
    run();
    check("#UD to the guest", (u64)vector_of_guest(), 6);
    fresh((word)g_int3);
    want(0x43);
    run();
    check_exit("#BP", 0x43, (word)g_int3);
    fresh((word)g_int3);
    run();
    check("#BP to the guest", (u64)vector_of_guest(), 3);
    fresh((word)g_pf);
    want(0x4e);
    AT64(S_CR2) = cr2;
    run();
    check_exit("#PF", 0x4e, (word)w_pf);
    check("its error", AT64(INFO1), 2);
    check("its address", AT64(INFO2), 0x50000000);
    check("CR2 as it was", AT64(S_CR2), cr2);
    check("bytes fetched", vmcb[FETCHED], 15);
    check("the bytes", AT32(0xd1) & 0xffffff, 0x118948);
    fresh((word)g_pf);
    run();
    check("#PF to the guest", (u64)vector_of_guest() << 32 | AT64(S_CR2), 14ull << 32 | 0x50000000);
    fresh((word)g_gp);
    want(0x4d);
    run();
    check("#GP and its error", AT64(CODE) << 32 | AT64(INFO1), 0x4dull << 32 | 0x58);
    fresh((word)g_nop);
    want(0x41);
    AT64(S_RFLAGS) |= 0x100;
    run();
    check_exit("#DB of TF", 0x41, (word)l_g_nop);
    check("DR6.BS", AT64(S_DR6) >> 14 & 1, 1);
    /* while another is being delivered */
    fresh((word)g_de);
    guest_gate(0, 0, 0x0e);
    want(0x4b);
    run();
    check("#NP on the way to #DE", AT64(CODE) << 32 | AT64(INFO1), 0x4bull << 32 | 3);
    check("EXITINTINFO", AT64(INTINFO), 0x80000300);
    check("at the division", AT64(S_RIP), (word)w_de);
    fresh((word)g_de);
    guest_gate(0, 0, 0x0e);
    want(0x48);
    run();
    check("#DF", AT64(CODE), 0x48);
    fresh((word)g_de);
    guest_gate(0, 0, 0x0e);
    guest_gate(8, 0, 0x0e);
    guest_gate(11, 0, 0x0e);
    run();
    check("shutdown", AT64(CODE), X_SHUTDOWN);
    fresh((word)g_int);
    guest_gate(0x2a, 0, 0x0e);
    want(0x4b);
    run();
    check("EXITINTINFO of INT n", AT64(INTINFO), 0x8000042a);
    fresh((word)g_int3);
    guest_gate(3, 0, 0x0e);
    want(0x4b);
    run();
    check("EXITINTINFO of INT3", AT64(INTINFO), 0x80000303);
}

/* ---- injection ---- */
static void test_injection(void)
{
    u64 *frame;

    fresh((word)g_nop);
    AT64(INJECT) = 0x80000020;
    run();
    check("injected interrupt", (u64)vector_of_guest(), 0x20);
    frame = (u64 *)AT64(S_RSP);
    check("its frame", frame[0], (word)g_nop);
    check("EVENTINJ.V is clear", AT32(INJECT), 0x20);
    check("EXITINTINFO is clear", AT64(INTINFO), 0);
    fresh((word)g_nop);
    AT64(INJECT) = 0x80000b0d | 0x18ull << 32;
    run();
    frame = (u64 *)AT64(S_RSP);
    check("injected #GP", (u64)vector_of_guest() << 32 | frame[0], 13ull << 32 | 0x18);
    fresh((word)g_nop);
    AT64(INJECT) = 0x80000200;
    run();
    check("injected NMI", (u64)vector_of_guest(), 2);
    fresh((word)g_int);
    AT64(INJECT) = 0x8000042a;
    AT64(NRIP) = (word)l_g_int;
    run();
    frame = (u64 *)AT64(S_RSP);
    check("injected INT n", (u64)vector_of_guest(), 0x2a);
    check("returns behind it", frame[0], (word)l_g_int);
    fresh((word)g_nop);
    guest_gate(0x20, 0, 0x0e);
    AT64(INJECT) = 0x80000020;
    want(0x4b);
    run();
    check("#NP of an injected interrupt", AT64(CODE) << 32 | AT64(INFO1),
          0x4bull << 32 | (0x20 * 8 + 3));
    check("EXITINTINFO has it again", AT64(INTINFO), 0x80000020);
    fresh((word)g_nop);
    guest_gate(13, 0, 0x0e);
    AT64(INJECT) = 0x80000b0d;
    want(0x48);
    run();
    check("#DF from an injected #GP", AT64(CODE), 0x48);
    fresh((word)g_nop);
    AT64(S_RSP) = 0x50000000;
    AT64(INJECT) = 0x80000020;
    want(0x4e);
    run();
    check("#PF on the stack", AT64(CODE) << 32 | AT64(INFO2) >> 12, 0x4eull << 32 | 0x4ffff);
    check("and the interrupt again", AT64(INTINFO), 0x80000020);
}

/* ---- what VMRUN refuses ---- */
asm(".globl user_clgi; user_clgi: clgi");
static void refused(const char *name, unsigned at, u64 set, u64 clear)
{
    AT64(at) = (AT64(at) & ~clear) | set;
    put("# ");
    put(name);
    put("\n");
    check("VMEXIT_INVALID", run(), ~0ull);
}

static void test_invalid(void)
{
    static const struct { const char *name; u16 at; u64 set, clear; } bad[] = {
        { "ASID 0", ASID, 0, 0xffffffff }, { "VMRUN not intercepted", 0x10, 0, 1 }, { "EFER.SVME clear", S_EFER, 0, 0x1000 },
        { "CR0 high bits", S_CR0, 1ull << 32, 0 }, { "NW without CD", S_CR0, 1 << 29, 1 << 30 }, { "DR6 high bits", S_DR6, 1ull << 32, 0 },
        { "DR7 high bits", S_DR7, 1ull << 63, 0 }, { "EFER reserved bits", S_EFER, 1ull << 40, 0 }, { "CR4 reserved bits", S_CR4, 1ull << 40, 0 },
        { "long mode without PAE", S_CR4, 0, 0x20 }, { "long mode without PE", S_CR0, 0, 1 }, { "CS with L and D", 0x410, 0x400 << 16, 0 },
        { "CR3 reserved bits", S_CR3, 1ull << 60, 0 }, { "event of type 1", INJECT, 0x80000120, 0 },
        { "exception 2", INJECT, 0x80000302, 0 }, { "exception 40", INJECT, 0x80000328, 0 }, { "#OF in 64-bit code", INJECT, 0x80000304, 0 },
        { "nested CR3 reserved bits", NCR3, 1ull << 60, 0 },
    };
    u64 before, after;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        fresh((word)g_nop);
        AT64(NP) = bad[i].at == NCR3;
        refused(bad[i].name, bad[i].at, bad[i].set, bad[i].clear);
    }
    fresh((word)g_nop);
    AT64(0x48) = 1ull << 52;
    want(X_MSR);
    check("MSR map beyond the memory", run(), ~0ull);
    fresh((word)g_nop);
    AT64(0x40) = ~0xfffull;
    want(X_IOIO);
    check("I/O map beyond the memory", run(), ~0ull);
    check("guest not entered", AT64(S_RIP), (word)g_nop);
    RAISES("movl $0x1001, %%eax; vmrun");
    expect("#GP address of the VMCB", 13, 0);
    RAISES("movq $-4096, %%rax; vmload");
    expect("#GP VMCB beyond the memory", 13, 0);
    run_user((void (*)(void))AT(user_clgi), CS3, 2);
    expect("#GP from user", 13, 0);
    before = rdmsr(0xc0000080);
    wrmsr(0xc0000080, before & ~0x1000ull);
    RAISES("clgi");
    expect("#UD without EFER.SVME", 6, 0);
    wrmsr(0xc0000080, before);
    after = rdmsr(0xc0000080);
    check("SVME again", after, before);
    RAISES("movl $0xc0010117, %%ecx; xorl %%edx, %%edx; movl $0x123, %%eax; wrmsr");
    expect("#GP VM_HSAVE_PA", 13, 0);
}

/* ---- interrupts ---- */
static void self_ipi(u32 icr) { wrmsr(0x830, icr); }    /* to APIC 0 */
static u64 shadow_rip;

static void test_interrupts(void)
{
    u64 count;

    wrmsr(0x1b, rdmsr(0x1b) | 0xc00);   /* x2APIC */
    wrmsr(0x80f, 0x1ff);
    /* one that waits for the host: the guest does not begin */
    asm volatile("cli");
    self_ipi(0x31);
    fresh((word)g_nop);
    AT64(INT_CTL) = 1 << 24;
    want(X_INTR);
    resume = 0;
    count = seen.count;
    asm volatile("clgi; sti; nop");
    vm_enter();
    check_exit("INTR", X_INTR, (word)g_nop);
    check("held by GIF", seen.count, count);
    resume = AT(l_intr);
    asm volatile("stgi; nop; nop; .globl l_intr; l_intr: cli" ::: CLOBBER);
    resume = 0;
    check("taken after STGI", seen.vector, 0x31);
    wrmsr(0x80b, 0);
    /* without V_INTR_MASKING the guest's IF counts */
    self_ipi(0x31);
    fresh((word)g_sti);
    want(X_INTR);
    asm volatile("clgi");
    vm_enter();
    check_exit("INTR by the guest's STI", X_INTR, (word)g_sti + 2);
    /* not intercepted: by the guest's IDT */
    fresh((word)g_spin);
    AT64(S_RFLAGS) |= 0x200;
    vm_enter();
    check("INTR to the guest", (u64)vector_of_guest(), 0x31);
    wrmsr(0x80b, 0);
    asm volatile("stgi");
    /* NMI */
    asm volatile("clgi");
    self_ipi(0x400);
    count = seen.count;
    fresh((word)g_nop);
    want(X_NMI);
    vm_enter();
    check_exit("NMI", X_NMI, (word)g_nop);
    check("held by GIF", seen.count, count);
    resume = AT(l_nmi);
    asm volatile("stgi; nop; nop; .globl l_nmi; l_nmi: nop" ::: CLOBBER);
    resume = 0;
    check("NMI after STGI", seen.vector, 2);
    /* V_IRQ */
    fresh((word)g_sti);
    AT64(INT_CTL) = 1 << 24 | 1 << 8 | 3 << 16 | 0x2cull << 32;
    run();
    shadow_rip = *(u64 *)AT64(S_RSP);
    check("virtual interrupt after STI's shadow",
          (u64)vector_of_guest() << 32 | (shadow_rip - (word)g_sti), 0x2cull << 32 | 2);
    check("V_IRQ is clear", AT64(INT_CTL) & 0x1ff, 0);
    fresh((word)g_sti);
    AT64(INT_CTL) = 1 << 24 | 1 << 8 | 3 << 16 | 0x2cull << 32;
    want(X_VINTR);
    run();
    check_exit("VINTR", X_VINTR, (word)g_sti + 2);
    check("V_IRQ is left", AT64(INT_CTL) & 0x100, 0x100);
    fresh((word)g_sti);
    AT64(INT_CTL) = 1 << 24 | 1 << 8 | 3 << 16 | 3 | 0x2cull << 32;
    run();
    check("V_TPR holds it off", AT64(S_RIP), (word)l_g_sti);
    fresh((word)g_sti);
    AT64(INT_CTL) = 1 << 24 | 1 << 20 | 1 << 8 | 3 << 16 | 3 | 0x2cull << 32;
    run();
    check("V_IGN_TPR", (u64)vector_of_guest(), 0x2c);
    fresh((word)g_nop);
    AT64(SHADOW) = 1;
    AT64(S_RFLAGS) |= 0x200;
    AT64(INT_CTL) = 1 << 24 | 1 << 20 | 1 << 8 | 0x2cull << 32;
    run();
    check("the shadow that VMRUN begins with", *(u64 *)AT64(S_RSP), (word)l_g_nop);
    fresh((word)g_stihlt);
    want(0x78);
    run();
    check("exit in a shadow", AT64(CODE) << 8 | (AT64(SHADOW) & 1), 0x7801);
    fresh((word)g_cr8);
    AT64(INT_CTL) = 1 << 24 | 5;
    run();
    check("CR8 is V_TPR", greg[0] << 8 | (AT64(INT_CTL) & 0xff), 0x509);
    fresh((word)g_gifs);
    AT64(INT_CTL) = 3 << 24;
    want(0x85);
    run();
    check("vGIF set", AT64(INT_CTL) >> 9 & 1, 1);
    unwant(0x85);
    run();
    check("vGIF clear", AT64(INT_CTL) >> 9 & 1, 0);
    fresh((word)g_pauses);
    *(u16 *)(vmcb + 0x3e) = 10;
    want(0x77);
    run();
    check("PAUSE filter", AT64(CODE) << 8 | (100 - greg[1]), 0x7709);
}

/* ---- state ---- */
CODE_OF(g_tsc, "rdtsc; shlq $32, %rdx; orq %rdx, %rax; movq %rax, %rbx");

static void test_state(void)
{
    u64 v, t;

    fresh((word)g_tsc);
    AT64(0x50) = 1ull << 40;
    asm volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax" : "=a"(t) :: "rdx");
    run();
    check("TSC offset", (greg[0] - t) >> 40, 1);
    asm volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax" : "=a"(v) :: "rdx");
    check("not the host's", (v - t) >> 40, 0);
    fresh((word)g_rdr7);
    AT64(S_DR7) = 0x455;
    run();
    check("DR7 in the guest", greg[4], 0x455);
    asm volatile("movq %%dr7, %0" : "=r"(v));
    check("DR7 in the host", v, 0x400);
    wrmsr(0xc0000100, 0x1111);
    wrmsr(0xc0000102, 0x2222);
    wrmsr(0xc0000082, 0x3333);
    asm volatile("vmsave" :: "a"(hsave) : "memory");
    check("VMSAVE",
          *(u64 *)(hsave + 0x448) << 32 | *(u64 *)(hsave + 0x620) << 16 | *(u64 *)(hsave + 0x608),
          0x111122223333);
    check("VMSAVE TR", *(u16 *)(hsave + 0x490), TR);
    *(u64 *)(hsave + 0x448) = 0x4444;
    *(u64 *)(hsave + 0x620) = 0x5555;
    asm volatile("vmload" :: "a"(hsave) : "memory");
    check("VMLOAD", rdmsr(0xc0000100) << 16 | rdmsr(0xc0000102), 0x44445555);
    wrmsr(0xc0000100, 0);
    asm volatile("movq %%cr4, %0" : "=r"(v));
    fresh((word)g_nop);
    AT64(S_CR4) = 0x6a0 | 4;
    run();
    check("CR4 of the host", rd4(), v);
}

#include "tests/guest/svm_npt.h"

__attribute__((used)) int main(void)
{
    u32 a, b, c, d;

    setup();
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x8000000a), "c"(0));
    check("ASIDs", b > 1, 1);
    check("features", d & 0x194e9, 0x194e9);
    wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x1000);
    wrmsr(0xc0010117, (u64)hsave);
    check("VM_HSAVE_PA", rdmsr(0xc0010117), (u64)hsave);
    wr4(rd4() | 1 << 18);
    test_state();
    test_instructions();
    test_maps();
    test_exceptions();
    test_injection();
    test_invalid();
    test_interrupts();
    test_nested_paging();
    finish();
}
