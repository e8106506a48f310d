/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * long.c -- 64-bit guest: long mode's exceptions and frames, IST, canonical addresses, system
 * calls, compatibility mode, SMEP, SMAP, NX, 1 GiB pages, PCID and INVPCID, UMIP, FSGSBASE.
 *
 * Spec: Intel SDM vol. 3 ch. 4, 5, 6.
 */
#include "tests/guest/long.h"

static u64 pt[512] __attribute__((aligned(4096))), pd2[512] __attribute__((aligned(4096))),
    pml4b[512] __attribute__((aligned(4096)));

volatile u64 got[4];

static void test_exceptions(void)
{
    u64 sp;

    RAISES("xorl %%ecx, %%ecx; l_de: divq %%rcx");
    expect("#DE", 0, 0);
    RAISES("movabsq $0x800000000000, %%rax; .globl l_nc; l_nc: movq (%%rax), %%rcx");
    expect("#GP non-canonical read", 13, 0);
    check("ip", seen.ip, AT(l_nc));
    RAISES("movabsq $0x7fffffffffff, %%rax; movq (%%rax), %%rcx");
    check("across the canonical limit", seen.vector == 13 || seen.vector == 14, 1);
    RAISES("movabsq $0x800000000000, %%rax; jmp *%%rax");
    expect("#GP non-canonical jump", 13, 0);
    RAISES("int $0x50");
    expect("#GP beyond the IDT", 13, 0x50 * 8 + 2);
    set_gate(0x31, stubs[0x31], CS0, 0x85, 0);
    RAISES("int $0x31");
    expect("#GP task gate in long mode", 13, 0x31 * 8 + 2);
    set_gate(0x31, stubs[0x31], CS32 & ~3u, 0x8e, 0);
    RAISES("int $0x31");
    check("#GP gate to 32-bit code", seen.vector, 13);
    set_gate(0x31, stubs[0x31], SEL_LD, 0x8e, 0);
    RAISES("int $0x31");
    expect("#GP gate to code with L and D", 13, SEL_LD);
    set_gate(0x31, 0x800000000000, CS0, 0x8e, 0);
    RAISES("int $0x31");
    expect("#GP non-canonical handler", 13, 0);
    set_gate(0x31, stubs[0x31], CS0, 0x8e, 3);
    RAISES("int $0x31");
    expect("IST", 0x31, 0);
    asm volatile("movq %%rsp, %0" : "=r"(sp));
    check("old RSP in the frame of an IST", seen.sp - sp < 64 || sp - seen.sp < 64, 1);
    asm volatile("movq %%rsp, %%rbx; subq $0x80, %%rsp; andq $~15, %%rsp; subq $3, %%rsp; int $0x21; movq %%rbx, %%rsp" ::: "rbx", "memory");
    check("the frame is aligned", (seen.cr2 + 40) & 15, 0);
    RAISES("movq %%cr0, %%rax; btcq $31, %%rax; movq %%rax, %%cr0");
    expect("#GP PG off in 64-bit code", 13, 0);
    RAISES("movq %%cr4, %%rax; btcq $5, %%rax; movq %%rax, %%cr4");
    expect("#GP PAE off in long mode", 13, 0);
    RAISES("movl $0xc0000080, %%ecx; rdmsr; btc $8, %%eax; wrmsr");
    expect("#GP LME with paging", 13, 0);
    RAISES("movl $0xc0000082, %%ecx; movl $0x8000, %%edx; wrmsr");
    expect("#GP non-canonical LSTAR", 13, 0);
    RAISES("movl $0x12345678, %%ecx; rdmsr");
    expect("#GP unknown MSR", 13, 0);
    RAISES(".byte 0x06");
    expect("#UD push es", 6, 0);
    RAISES("movq %%rsp, %%r8; movq $1f, resume; pushq $0x10; pushq %%r8; pushfq; pushq $8; movabsq $0x800000000000, %%rax; pushq %%rax;"
           "iretq; 1: movq %%r8, %%rsp; 1:");
    expect("#GP iret to non-canonical", 13, 0);
    set_gate(6, stubs[6], CS0, 0x0e, 0);
    RAISES("ud2");
    expect("#NP on the way to #UD", 11, 6 * 8 + 3);
    set_gate(6, stubs[6], CS0, 0x8e, 0);
    set_gate(14, stubs[14], CS0, 0x0e, 0);
    RAISES("movabsq $0x7fff00000, %%rax; movq (%%rax), %%rax");
    expect("#DF from #PF and #NP", 8, 0);
    set_gate(14, stubs[14], CS0, 0x8e, 0);
}

/*
 * Near branches to no address fault themselves and have done nothing; several times, so that they
 * are hot code as well.
 */
__attribute__((noinline)) static void test_branches(void)
{
    u64 before, after;

    for (unsigned i = 0; i < 12; i++) {
        RAISES("movabsq $0x800000000000, %%rax; .globl l_jmp; l_jmp: jmp *%%rax");
        expect("#GP non-canonical jump", 13, 0);
        check("its ip", seen.ip, AT(l_jmp));
        RAISES("movq %%rsp, %%r8; movq $1f, resume; movabsq $0xff7fffffffffffff, %%rax; pushq %%rax; movq %%rsp, %%r9; stc;"
               ".globl l_ret; l_ret: ret $16; 1: movq %%rsp, %%rdx; movq %%r8, %%rsp; subq %%r9, %%rdx; movq %%rdx, got; 1:");
        expect("#GP non-canonical return", 13, 0);
        check("its ip", seen.ip, AT(l_ret));
        check("RSP is what it was", got[0], 0);
        check("so is CF", seen.flags & 1, 1);
        seen.vector = 0xff;
        asm volatile("movq $1f, resume; movabsq $0x8000000000000000, %%rax; movq %%rsp, %0;"
                     ".globl l_call; l_call: call *%%rax; 1: movq %%rsp, %1; movq $0, resume"
                     : "=&b"(before), "=&r"(after) :: CLOBBER);
        expect("#GP non-canonical call", 13, 0);
        check("its ip", seen.ip, AT(l_call));
        check("RSP is what it was", after, before);
    }
}

/* ---- privilege ---- */
asm("user_int: int $0x30; user_priv: int $0x20; user_hlt: hlt; user_read: movq 0x40000000, %rax; int $0x30;"
    "user_write: movq %rax, 0x40000000; int $0x30; user_exec: movl $0x40000000, %eax; jmp *%rax;"
    "user_syscall: movl $7, %eax; movl $0x246, %ecx; pushq %rcx; popfq; syscall; l_after: int $0x30;"
    "entry: movq %rcx, got; movq %r11, got + 8; pushfq; popq got + 16; movq %ss, %rax; movq %rax, got + 24; sysretq;"
    "user_iret: leaq 1f(%rip), %rax; movq %rsp, %rcx; pushq $0x23; pushq %rcx; pushq $2; pushq $0x2b; pushq %rax; iretq; 1: int $0x30;"
    "user_sgdt: sgdt got; int $0x30; user_fsgs: wrfsbase %rsp; rdfsbase %rax; cmpq %rsp, %rax; jne user_hlt; int $0x30;"
    "user_ds: movw $0x10, %ax; movw %ax, %ds; user_stac: .byte 0x0f, 0x01, 0xcb; user_gate: .byte 0xff, 0x1c, 0x25; .long gate_far; int $0x30;"
    "gate_entry: movq (%rsp), %rax; movq %rax, got; movq 24(%rsp), %rax; movq %rax, got + 8; movq %ss, %rax; movq %rax, got + 16; lretq;"
    ".code32; compat_int: movl $0x12345678, %eax; pushl %eax; int $0x30; compat_wrap: movw $0x23, %ax; movw %ax, %ds; movl $0xfffffff0, %eax; movl 0x100100(%eax), %ecx; int $0x30;"
    "compat_end: movw $0x23, %ax; movw %ax, %ds; movl $0xfffffffe, %eax; movl (%eax), %ecx; int $0x30;"
    "compat_push: .byte 0x0e; int $0x30; compat_syscall: .byte 0x0f, 0x05; int $0x30; .code64; .data; gate_far: .long 0; .word 0x53; .text");
extern char user_int[], user_priv[], user_hlt[], user_read[], user_write[], user_exec[],
    user_syscall[], l_after[], entry[], user_sgdt[], user_iret[], user_fsgs[], user_ds[],
    user_stac[], user_gate[], gate_entry[], compat_int[], compat_wrap[], compat_end[], compat_push[],
    compat_syscall[];
#define USER(code, cs) run_user((void (*)(void))code, cs, 2)

static void test_privilege(void)
{
    USER(user_int, CS3);
    expect("int from user", 0x30, 0);
    check("CS and SS", seen.cs << 16 | seen.ss, CS3 << 16 | DS3);
    USER(user_priv, CS3);
    expect("#GP privileged gate", 13, 0x20 * 8 + 2);
    USER(user_hlt, CS3);
    expect("#GP hlt", 13, 0);
    USER(user_ds, CS3);
    expect("#GP DPL 0 in DS", 13, DS0);
    USER(user_stac, CS3);
    expect("#UD stac", 6, 0);
    wrmsr(0xc0000081, (u64)CS0 << 32 | (u64)CS32 << 48);
    wrmsr(0xc0000082, (u64)entry);
    wrmsr(0xc0000084, 0x4);
    USER(user_syscall, CS3);
    expect("syscall and sysret", 0x30, 0);
    check("RCX", got[0], (u64)l_after);
    check("R11", got[1] & 0x246, 0x46);
    check("SFMASK", got[2] & 4, 0);
    check("SS", got[3], DS0);
    check("CS and SS after sysret", seen.cs << 16 | seen.ss, CS3 << 16 | DS3);
    gdt[10] = ((u64)gate_entry & 0xffff) | (u64)CS0 << 16 | 0xecull << 40 |
              ((u64)gate_entry >> 16 & 0xffff) << 48;
    gdt[11] = (u64)gate_entry >> 32;
    USER(user_gate, CS3);
    expect("64-bit call gate", 0x30, 0);
    check("its frame", got[0] != 0 && got[1] == DS3 && got[2] == 0, 1);
    USER(compat_int, CS32);
    expect("int from compatibility mode", 0x30, 0);
    check("its CS", seen.cs, CS32);
    check("its stack", *(u32 *)seen.sp, 0x12345678);
    USER(compat_wrap, CS32);
    expect("addresses wrap at 4 GiB", 0x30, 0);
    USER(compat_push, CS32);
    check("push cs", *(u32 *)seen.sp, CS32);
}

/* ---- paging ---- */
#define PROBE ((volatile u64 *)0x40000000)
static void invlpg(u64 a) { asm volatile("invlpg (%0)" :: "r"(a) : "memory"); }
static void set_pte(u64 v) { *(volatile u64 *)pt = v; invlpg(0x40000000); }
static void invpcid(u64 type, u64 pcid, u64 a)
{
    struct { u64 pcid, a; } d = { pcid, a };
    asm volatile("invpcid %0, %1" :: "m"(d), "r"(type) : "memory");
}

static void test_paging(void)
{
    u64 cr4 = rd4(), v = 0;

    pdp[1] = (u64)pd2 | 7;
    pd2[0] = (u64)pt | 7;
    set_pte(0x400007ull | 1ull << 63);
    USER(user_exec, CS3);
    expect("#PF NX", 14, 0x15);
    set_pte(0x400003);
    USER(user_read, CS3);
    expect("#PF supervisor page", 14, 5);
    set_pte(0x400007ull | 1ull << 51);
    RAISES("movq 0x40000000, %%rax");
    expect("#PF reserved address bit", 14, 9);
    pd2[1] = 0x600087ull | 1 << 14;
    RAISES("movq 0x40200000, %%rax");
    expect("#PF reserved bit of a large page", 14, 9);
    pdp[3] = (u64)pd2 | 7;
    pd2[511] = 0x600087;
    USER(compat_end, CS32);
    expect("#GP an operand that goes on at 0", 13, 0);
    *(volatile u8 *)0x400000 = 0xc3;
    set_pte(0x400007);
    for (unsigned i = 0; i < 32; i++) {
        pdir[i] &= ~4ull;               /* the test itself runs from supervisor pages then */
    }
    wr3((u64)pml4);
    wr4(cr4 | 1 << 20);
    RAISES("movl $0x40000000, %%eax; call *%%rax");
    expect("#PF SMEP", 14, 0x11);
    wr4(cr4);
    RAISES("movl $0x40000000, %%eax; call *%%rax");
    check("no SMEP", seen.vector, 0xff);
    wr4(cr4 | 1 << 21);
    RAISES("movq 0x40000000, %%rax");
    expect("#PF SMAP read", 14, 1);
    RAISES("movq %%rax, 0x40000000");
    expect("#PF SMAP write", 14, 3);
    RAISES(".byte 0x0f, 0x01, 0xcb; movq 0x40000000, %%rax; .byte 0x0f, 0x01, 0xca");
    check("stac", seen.vector, 0xff);
    RAISES("movq 0x40000000, %%rax");
    expect("#PF after clac", 14, 1);
    for (unsigned i = 1; i < 32; i++) {
        /* the same memory once more, for the user, behind pt's 2 MiB */
        pd2[i] = (i - 1) * 0x200000ull | 0x87;
    }
    user_at = 0x40200000;
    USER(user_iret, CS3);
    expect("IRETQ at CPL 3 under SMAP: its frame is the user's", 0x30, 0);
    user_at = 0;
    wr4(cr4);                         /* first: a TLB may lose any entry, and SMEP this very page */
    for (unsigned i = 0; i < 32; i++) {
        pdir[i] |= 4;
    }
    wr3((u64)pml4);
    pdp[2] = 0x87;
    *(volatile u64 *)0x500000 = 0x77;
    check("1 GiB page", *(volatile u64 *)0x80500000, 0x77);
    /* PCID: what was cached for one stays while another runs */
    pdp[2] = 0;
    wr3((u64)pml4);
    for (unsigned i = 0; i < 512; i++) {
        pml4b[i] = pml4[i];
    }
    wr4(cr4 | 1 << 17);
    *(volatile u64 *)0x400000 = 1;
    *(volatile u64 *)0x401000 = 2;
    set_pte(0x400007);
    wr3((u64)pml4 | 1);
    check("PCID 1", *PROBE, 1);
    *(volatile u64 *)pt = 0x401007;
    wr3((u64)pml4b | 2);
    check("PCID 2 sees the new page", *PROBE, 2);
    invpcid(1, 1, 0);
    wr3((u64)pml4 | 1 | 1ull << 63);
    check("INVPCID of one context", *PROBE, 2);
    *(volatile u64 *)pt = 0x400007;
    invpcid(0, 1, 0x40000000);
    check("INVPCID of one address", *PROBE, 1);
    *(volatile u64 *)pt = 0x401007;
    invpcid(2, 0, 0);
    check("INVPCID of all", *PROBE, 2);
    *(volatile u64 *)pt = 0x400007;
    wr3((u64)pml4 | 1);
    check("CR3 without the bit flushes", *PROBE, 1);
    RAISES("movl $0x40000000, %%ecx; movl $4, %%eax; invpcid (%%rcx), %%rax");
    expect("#GP INVPCID type", 13, 0);
    asm volatile("movq %%cr3, %0" : "=r"(v));
    check("CR3 reads back", v, (u64)pml4 | 1);
    wr3((u64)pml4);
    wr4(cr4);
}

static void test_features(void)
{
    u64 cr4 = rd4(), a, b;

    wr4(cr4 | 1 << 11);
    USER(user_sgdt, CS3);
    expect("#GP UMIP", 13, 0);
    wr4(cr4 | 1 << 16);
    USER(user_fsgs, CS3);
    expect("FSGSBASE", 0x30, 0);
    wr4(cr4);
    USER(user_fsgs, CS3);
    expect("#UD without FSGSBASE", 6, 0);
    wrmsr(0xc0000101, 0x1234);
    wrmsr(0xc0000102, 0x5678);
    asm volatile("swapgs");
    check("swapgs", rdmsr(0xc0000101) << 16 | rdmsr(0xc0000102), 0x56781234);
    asm volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax" : "=a"(a) :: "rdx");
    asm volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax" : "=a"(b) :: "rdx");
    check("TSC goes on", b > a, 1);
    asm volatile("movq %%cr8, %0" : "=r"(a));
    asm volatile("movq %0, %%cr8" :: "r"(5ull));
    asm volatile("movq %%cr8, %0" : "=r"(b));
    check("CR8", b, 5);
    asm volatile("movq %0, %%cr8" :: "r"(a));
}

__attribute__((used)) int main(void)
{
    setup();
    test_exceptions();
    test_branches();
    test_privilege();
    test_paging();
    test_features();
    finish();
}
