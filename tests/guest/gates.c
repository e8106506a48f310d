/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gates.c -- 64-bit guest: SYSCALL and SYSRET, STAC and CLAC many times over, with all changed in
 * between that they depend on: MSRs, CR3, CR4.SMAP, EFLAGS, debug registers, the stack's page.
 *
 * Spec: Intel SDM vol. 2, the instructions by name; vol. 3 4.6 (SMAP), 4.10.4 (invalidation), 17.2
 *   (breakpoints).
 */
#include "tests/guest/long.h"

enum { EFER = 0xc0000080, STAR = 0xc0000081, LSTAR = 0xc0000082, SFMASK = 0xc0000084,
       SMAP = 1 << 21, PCIDE = 1 << 17, CALLS = 40, AT_CALL = 10,
       FLAGS = 0xcd5, USER_AT = 0x40200000, PAGE = 0x40000000, STACK = 0x40001000 };
#define READS_USER "movq 0x40202000, %%rax"

static u64 pd2[512] __attribute__((aligned(4096))), pt[512] __attribute__((aligned(4096)));
static u64 pml4b[512] __attribute__((aligned(4096))), pdpb[512] __attribute__((aligned(4096))),
    pd2b[512] __attribute__((aligned(4096))), ptb[512] __attribute__((aligned(4096)));
static u8 kernel_stack[4096] __attribute__((aligned(4096), used));

typedef struct { u64 rax, rdi, rsi, rdx, r8, r9, r10, rbx, r11, rcx, flags; } Regs;
__attribute__((used)) u64 user_sp, second;
static volatile u64 calls, bad, sfmask, faults, user_flags;
static void (*hook)(Regs *r);

/* The user's flags in a loop: another pattern each time. */
#define PATTERN "movl %r12d, %eax; imull $0x145, %eax, %eax; andl $0xcd5, %eax; orl $2, %eax;"
asm("user_loop: movl $40, %r12d; xorl %r13d, %r13d; 1: " PATTERN " pushq %rax; popfq; movl %r12d, %edi; syscall; l_after: pushfq; popq %rdx;"
    "xorl %eax, %edx; andl $0xcd5, %edx; orl %edx, %r13d; cld; decl %r12d; jnz 1b; testl %r13d, %r13d; jnz 2f; int $0x30; 2: hlt;"
    "user_ac: movl $40, %r12d; 1: movl %r12d, %eax; andl $1, %eax; shll $18, %eax; orl $2, %eax; pushq %rax; popfq; movl %r12d, %edi; syscall;"
    "decl %r12d; jnz 1b; int $0x30;"
    "user_sums: movl $40, %r12d; xorl %r13d, %r13d; 1: movl %r12d, %edi; syscall; addq 0x40000000, %r13; decl %r12d; jnz 1b; cmpq $60, %r13; jne 2b;"
    "int $0x30; user_steps: movl $10, %r12d; 1: movl %r12d, %edi; syscall; decl %r12d; jnz 1b; pushq $0x102; popfq; syscall; l_step: nop; nop; nop; hlt;"
    "entry2: movq %rsp, user_sp; movq second, %rsp; leaq 1(%rsp), %rsp; movq %rsp, second; movq user_sp, %rsp; entry: movq %rsp, user_sp; movq $kernel_stack + 4096, %rsp; pushfq; pushq %rcx; pushq %r11; pushq %rbx; pushq %r10;"
    "pushq %r9; pushq %r8; pushq %rdx; pushq %rsi; pushq %rdi; pushq %rax; movq %rsp, %rdi; cld; call on_syscall; popq %rax; popq %rdi;"
    "popq %rsi; popq %rdx; popq %r8; popq %r9; popq %r10; popq %rbx; popq %r11; popq %rcx; movq user_sp, %rsp; l_leave: sysretq;"
    "back: movq kernel_sp, %rsp; popq %rbp; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; ret");
extern char user_loop[], user_ac[], user_sums[], user_steps[], entry[], entry2[], back[], l_after[],
    l_leave[], l_step[];

__attribute__((used)) void on_syscall(Regs *r)
{
    u64 want = (r->rdi * 0x145 & FLAGS) | 2;

    calls++;
    if (!user_flags && (r->rdi != CALLS + 1 - calls || r->rcx != (u64)l_after + user_at ||
                        (r->r11 ^ want) & FLAGS)) {
        bad++;
    }
    if ((r->flags ^ (r->r11 & ~sfmask)) & (FLAGS | 0x40000)) {
        bad++;
    }
    if (hook) {
        hook(r);
    }
}

static void run(const char *name, char *code, void (*what)(Regs *r), u64 vector)
{
    calls = bad = faults = second = 0;
    user_flags = code != user_loop;
    hook = what;
    run_user((void (*)(void))code, CS3, 2);
    check(name, seen.vector, vector);
    check("its calls", bad, 0);
}

static void set_sfmask(u64 v) { wrmsr(SFMASK, sfmask = v); }
static void set_star(u64 kernel, u64 user) { wrmsr(STAR, kernel << 32 | user << 48); }

/* ---- MSRs ---- */
static void other_entry(Regs *r) { if (calls == AT_CALL) wrmsr(LSTAR, (u64)entry2); }
static void other_mask(Regs *r)
{
    if (calls % AT_CALL == 0)
        set_sfmask(calls / AT_CALL & 1 ? 0x4d5 : 0x700);
}
static void other_user(Regs *r) { if (calls == AT_CALL) set_star(CS0, 0x43); }
static volatile u64 kernel_cs;
static void other_kernel(Regs *r)
{
    u16 cs, ss;

    asm volatile("movw %%cs, %0; movw %%ss, %1" : "=r"(cs), "=r"(ss));
    kernel_cs += (u64)cs << 16 | ss;
    if (calls == AT_CALL) {
        set_star(0x38, CS32);
    }
    if (calls == AT_CALL + 1) {
        set_star(CS0, CS32);
    }
}
static void no_sce(Regs *r)
{
    if (calls == AT_CALL) {
        wrmsr(EFER, rdmsr(EFER) & ~1ull);
        resume = (word)back;
    }
}
static void bad_return(Regs *r)
{
    if (calls == AT_CALL) {
        r->rcx = 0x800000000000;
        resume = (word)back;
    }
}
static int is_intel(void)
{
    u32 a = 0, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b == 0x756e6547;
}

static void test_msrs(void)
{
    run("SYSCALL and SYSRET", user_loop, 0, 0x30);
    check("all of them", calls, CALLS);
    run("LSTAR changes", user_loop, other_entry, 0x30);
    check("the new one is used", second, CALLS - AT_CALL);
    wrmsr(LSTAR, (u64)entry);
    run("SFMASK changes", user_loop, other_mask, 0x30);
    set_sfmask(0x4d5);
    run("STAR changes: the user's", user_loop, other_user, 0x30);
    check("CS and SS", seen.cs << 16 | seen.ss, 0x53 << 16 | 0x4b);
    set_star(CS0, CS32);
    kernel_cs = 0;
    run("STAR changes: the kernel's", user_loop, other_kernel, 0x30);
    check("CS and SS once", kernel_cs, (CALLS - 1) * ((u64)CS0 << 16 | DS0) + (0x38 << 16 | 0x40));
    run("SCE off before SYSRET", user_loop, no_sce, 6);
    check("its ip", seen.ip, (u64)l_leave);
    resume = 0;
    run("SCE off before SYSCALL", user_loop, 0, 6);
    check("before the first", calls, 0);
    wrmsr(EFER, rdmsr(EFER) | 1);
    run("SCE on", user_loop, 0, 0x30);
    if (is_intel()) {
        run("SYSRET to no canonical address", user_loop, bad_return, 13);
        check("its ip", seen.ip, (u64)l_leave);
        resume = 0;
    }
}

/* ---- rights of the kernel's data accesses ---- */
static void reads_user(Regs *r)
{
    RAISES(READS_USER);
    faults += seen.vector == 14 && seen.error == 1;
}
static void toggles_smap(Regs *r)
{
    reads_user(r);
    if (calls % AT_CALL == 0) {
        wr4(rd4() ^ SMAP);
    }
}

static void test_smap(void)
{
    u64 cr4 = rd4();

    wr4(cr4 | SMAP);
    run("SMAP", user_loop, reads_user, 0x30);
    check("faults", faults, CALLS);
    run("CR4.SMAP changes", user_loop, toggles_smap, 0x30);
    check("faults", faults, CALLS / 2);
    wr4(cr4 | SMAP);
    run("AC changes", user_ac, reads_user, 0x30);
    check("faults", faults, CALLS / 2);
    set_sfmask(0x404d5);
    run("SFMASK clears AC", user_ac, reads_user, 0x30);
    check("faults", faults, CALLS);
    set_sfmask(0x4d5);
    wr4(cr4);
}

/* ---- CR3 ---- */
static u64 spaces[2];
static void switches(Regs *r) { wr3(spaces[calls & 1]); }

static void test_cr3(void)
{
    u64 cr4 = rd4();

    spaces[0] = (u64)pml4;
    spaces[1] = (u64)pml4b;
    run("CR3 changes", user_sums, switches, 0x30);
    wr3((u64)pml4);
    wr4(cr4 | PCIDE);
    spaces[0] = (u64)pml4 | 1ull << 63;
    spaces[1] = (u64)pml4b | 1 | 1ull << 63;
    run("CR3 changes with PCID", user_sums, switches, 0x30);
    spaces[1] = (u64)pml4b | 1;
    run("and a flush", user_sums, switches, 0x30);
    wr3((u64)pml4);
    wr4(cr4);
}

/* ---- traps ---- */
static void sets_breakpoint(Regs *r)
{
    if (calls == AT_CALL) {
        asm volatile("movq %0, %%dr0; movq %1, %%dr7" :: "r"((u64)l_after + user_at), "r"(0x402ull));
    }
}

static void test_traps(void)
{
    set_sfmask(0x5d5);
    run("TF over SYSCALL", user_steps, 0, 1);
    check("in the user's code", seen.ip - (u64)l_step - user_at <= 1 && seen.cs == CS3, 1);
    check("after the kernel's", calls, 11);
    set_sfmask(0x4d5);
    run("a breakpoint where SYSRET goes", user_loop, sets_breakpoint, 1);
    asm volatile("movq %0, %%dr7" :: "r"(0x400ull));
    check("its ip", seen.ip, (u64)l_after + user_at);
    check("not before", calls, AT_CALL);
}

/* ---- STAC and CLAC: the stack's page is another under them ---- */
#define STAC ".byte 0x0f, 0x01, 0xcb;"
#define CLAC ".byte 0x0f, 0x01, 0xca;"
static u64 pages[2];                    /* physical */
static volatile u64 *in_page(u64 k) { return (volatile u64 *)(pages[k] + 0xff8); }

/*
 * On the stack at STACK: turns of STAC and CLAC; then its page is k's from between two of them on,
 * and one value is pushed.
 */
#define ON_STACK(...) asm volatile("movq %%rsp, %%rbx; movq %0, %%rsp;" __VA_ARGS__ "movq %%rbx, %%rsp" :: "r"((u64)STACK + 4096), "D"((u64)(pt + 1)), \
                                   "S"(pte), "d"(value) : "rbx", "rax", "memory", "cc")
static void test_stack_page(void)
{
    u64 cr4 = rd4(), value = 1, pte;

    wr4(cr4 | SMAP);
    for (u64 turn = 0; turn < 8; turn++) {
        u64 k = turn & 1;
        pte = pages[k] | 3;
        *in_page(0) = *in_page(1) = 0;
        value = turn + 0x50;
        switch (turn / 2) {
        case 0:
            ON_STACK(STAC "pushq %%rdx; popq %%rax;" CLAC "pushq %%rdx; popq %%rax;" STAC
                          "movq %%rsi, (%%rdi); invlpg -8(%%rsp);" CLAC "pushq %%rdx; popq %%rax;");
            break;
        case 1:
            ON_STACK(STAC "pushq %%rdx; popq %%rax;" CLAC
                          "pushq %%rdx; popq %%rax; movq %%rsi, (%%rdi); invlpg -8(%%rsp);" STAC
                          "pushq %%rdx; popq %%rax;" CLAC);
            break;
        case 2:
            ON_STACK(STAC "pushq %%rdx; popq %%rax; movq %%rsi, (%%rdi); movq %%cr3, %%rax; movq "
                          "%%rax, %%cr3;" CLAC "pushq %%rdx; popq %%rax;");
            break;
        default:
            ON_STACK("pushq %%rdx; popq %%rax; movq %%rsi, (%%rdi); movq %%cr3, %%rax; movq %%rax, "
                     "%%cr3;" STAC "pushq %%rdx; popq %%rax;" CLAC);
            break;
        }
        check("pushed to the new page", *in_page(k), value);
    }
    wr4(cr4);
}

/* A fault between STAC and CLAC, whose handler's return has AC clear. */
static void test_fault_between(void)
{
    u64 cr4 = rd4(), wrong = 0;

    wr4(cr4 | SMAP);
    for (unsigned i = 0; i < CALLS; i++) {
        pt[0] &= ~1ull;
        asm volatile("invlpg 0x40000000" ::: "memory");
        RAISES(STAC "movq 0x40000000, %%rax");
        wrong += seen.vector != 14 || seen.error != 0;
        RAISES(READS_USER);
        wrong += seen.vector != 14 || seen.error != 1;
        pt[0] |= 1;
        RAISES(STAC "movq 0x40000000, %%rax;" READS_USER ";" CLAC);
        wrong += seen.vector != 0xff;
    }
    check("faults between STAC and CLAC", wrong, 0);
    wr4(cr4);
}

static void make_spaces(void)
{
    pages[0] = 0x402000;
    pages[1] = 0x403000;
    pdp[1] = (u64)pd2 | 7;
    pd2[0] = (u64)pt | 7;
    pt[0] = 0x400007;
    pt[1] = pages[0] | 3;
    for (unsigned i = 1; i < 32; i++) {
        /* the same memory once more, for the user; the kernel's is its own */
        pd2[i] = (i - 1) * 0x200000ull | 0x87;
    }
    for (unsigned i = 0; i < 512; i++) {
        pml4b[i] = pml4[i];
        pdpb[i] = pdp[i];
        pd2b[i] = pd2[i];
    }
    pml4b[0] = (u64)pdpb | 7;
    pdpb[1] = (u64)pd2b | 7;
    pd2b[0] = (u64)ptb | 7;
    ptb[0] = 0x401007;
    *(volatile u64 *)0x400000 = 1;
    *(volatile u64 *)0x401000 = 2;
    for (unsigned i = 0; i < 32; i++) {
        pdir[i] &= ~4ull;
    }
    wr3((u64)pml4);
    user_at = USER_AT;
}

void main(void)
{
    setup();
    make_spaces();
    wrmsr(LSTAR, (u64)entry);
    set_star(CS0, CS32);
    set_sfmask(0x4d5);
    test_msrs();
    test_smap();
    test_cr3();
    test_traps();
    test_stack_page();
    test_fault_between();
    finish();
}
