/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svm_npt.h -- nested paging: rights, faults and what they tell, A and D, page sizes, guests in
 * other modes.
 */
static u64 n1[512] __attribute__((aligned(4096)));
static u64 pae[4] __attribute__((aligned(32)));
static u32 pd32[1024] __attribute__((aligned(4096)));
enum { HOLE = 0x40000000, BUF1 = 0x600000, BUF2 = 0x601000, A = 0x20, D = 0x40 };

CODE_OF(n_read, "movl $0x40000000, %ecx; w_nread: movq (%rcx), %rbx");
CODE_OF(n_write, "movl $0x40000000, %ecx; w_nwrite: movq %rdx, (%rcx)");
CODE_OF(n_exec, "movl $0x40000000, %ecx; jmp *%rcx");
CODE_OF(n_vmsave, "movl $0x40000000, %eax; w_nvmsave: vmsave");
extern char w_nread[], w_nwrite[], w_nvmsave[];

static u64 gpt[512] __attribute__((aligned(4096))), gpd[512] __attribute__((aligned(4096)));
enum { GPA = 100 * 0x200000 };

/* The guest finds guest-physical 200 MiB at HOLE, and there what the nested entry says. */
static void hole(u64 npte)
{
    pdp[1] = (u64)gpd | 7;
    gpd[0] = (u64)gpt | 7;
    gpt[0] = GPA | 7;
    n2[100] = (u64)n1 | RWU;
    n1[0] = npte;
}

static void npf(const char *name, u64 info1, u64 info2)
{
    put("# ");
    put(name);
    put("\n");
    check("NPF", run(), X_NPF);
    check("EXITINFO1", AT64(INFO1), info1);
    check("EXITINFO2", AT64(INFO2), info2);
}

static void test_faults(void)
{
    const u64 final = 1ull << 32, table = 1ull << 33;

    *(volatile u64 *)BUF1 = 0x1111;
    *(volatile u64 *)BUF2 = 0x2222;
    nested((word)n_read);
    hole(BUF1 | RWU);
    check("read through both tables", run(), X_VMMCALL);
    check("the value", greg[0], 0x1111);
    check("A set, D not", n1[0] & (A | D), A);
    nested((word)n_read);
    hole(0);
    npf("not present", final | 4, GPA);
    check("at the read", AT64(S_RIP), (word)w_nread);
    check("bytes", vmcb[FETCHED] << 24 | (AT32(0xd1) & 0xffffff), 0x0f198b48);
    nested((word)n_write);
    hole(0);
    npf("not present, write", final | 6, GPA);
    nested((word)n_write);
    hole(BUF1 | 5);
    npf("read-only", final | 7, GPA);
    nested((word)n_read);
    hole(BUF1 | 3);
    npf("supervisor", final | 5, GPA);
    nested((word)n_read);
    hole(BUF1 | RWU | 1ull << 51);
    npf("reserved", final | 0xd, GPA);
    *(volatile u32 *)BUF1 = 0xd9010f;   /* vmmcall */
    nested((word)n_exec);
    hole(BUF1 | RWU | 1ull << 63);
    npf("no execute", final | 0x15, GPA);
    check("no bytes of a fetch", vmcb[FETCHED], 0);
    nested((word)n_exec);
    hole(BUF1 | RWU);
    check("execute", run() << 32 | AT64(S_RIP), (u64)X_VMMCALL << 32 | HOLE);
    nested((word)n_write);
    hole(BUF1 | RWU);
    greg[2] = 0x3333;
    check("write", run() << 32 | *(volatile u64 *)BUF1, (u64)X_VMMCALL << 32 | 0x3333);
    check("A and D", n1[0] & (A | D), A | D);
    /* the guest's own tables */
    nested((word)n_read);
    hole(BUF1 | RWU);
    for (unsigned i = 0; i < 512; i++) {
        n1[i] = ((u64)gpt & ~0x1fffffull) + i * 4096ull + RWU;
    }
    n2[(u64)gpt >> 21] = (u64)n1 | RWU;
    n1[(u64)gpt >> 12 & 511] &= ~1ull;
    gpt[0] = BUF2 | 7;
    npf("guest's table not present", table | 6, (u64)gpt);
    n1[(u64)gpt >> 12 & 511] |= 1;
    n1[(u64)gpt >> 12 & 511] &= ~2ull;
    npf("guest's table read-only: its walk is a write", table | 7, (u64)gpt);
    n1[(u64)gpt >> 12 & 511] |= 2;
    AT32(TLB) = 1;
    check("and then", run() << 32 | greg[0], (u64)X_VMMCALL << 32 | 0x2222);
    nested((word)n_read);
    hole(0);
    gpt[0] = 0;
    want(0x4e);
    check("the guest's own #PF comes first", run(), 0x4e);
    nested((word)n_read);
    hole(0);
    AT64(INJECT) = 0x80000020;
    AT64(S_RSP) = HOLE + 0x100;
    npf("while an event is injected", final | 6, GPA + 0x100 - 40);
    check("EXITINTINFO", AT64(INTINFO), 0x80000020);
}

static void test_tlb(void)
{
    nested((word)n_read);
    hole(BUF1 | RWU | A | D);
    run();
    *(volatile u64 *)BUF1 = 0x1111;
    n1[0] = BUF2 | RWU | A | D;
    AT64(S_RIP) = (word)n_read;
    AT32(ASID) = 2;
    AT32(TLB) = 0;
    run();
    check("another ASID", greg[0], 0x2222);
    n1[0] = BUF1 | RWU | A | D;
    AT64(S_RIP) = (word)n_read;
    AT32(TLB) = 3;
    run();
    check("flush of an ASID", greg[0], 0x1111);
    n1[0] = BUF2 | RWU | A | D;
    AT64(S_RIP) = (word)n_read;
    AT32(TLB) = 0;
    asm volatile("invlpga" :: "a"((u64)HOLE), "c"(2));
    run();
    check("INVLPGA", greg[0], 0x2222);
    n1[0] = BUF1 | RWU | A | D;
    AT64(S_RIP) = (word)n_read;
    AT32(TLB) = 7;
    run();
    check("flush of what is not global", greg[0], 0x1111);
    n1[0] = BUF2 | RWU | A | D;
    AT64(S_RIP) = (word)n_read;
    AT32(TLB) = 1;
    run();
    check("flush of all", greg[0], 0x2222);
    /* global pages of two guests */
    AT64(S_CR4) |= 0x80;
    gpt[0] |= 0x100;
    for (unsigned i = 0; i < 4; i++) {
        n1[0] = (i & 1 ? BUF1 : BUF2) | RWU | A | D;
        AT64(S_RIP) = (word)n_read;
        AT32(ASID) = 3 + (i & 1);
        AT32(TLB) = i < 2 ? 3 : 0;
        run();
        check("global page of a guest", greg[0], i & 1 ? 0x1111 : 0x2222);
    }
}

/* Code for the other modes; its segments start at it. */
asm(".code16; .balign 16; g_real: movw $0x1234, %bx; movl $0x40000000, %ecx; .byte 0x67; w_real: movw (%ecx), %dx; hlt;"
    ".code32; .balign 16; g_pg32: movl 0x800000, %ebx; hlt; g_task: ljmp $0x30, $0; .code64");
extern char g_real[], g_pg32[], g_task[];

static void test_sizes_and_modes(void)
{
    nested((word)n_read);
    hole(0);
    n2[100] = 0x600000 | 0x80 | RWU;
    run();
    check("2 MiB nested page", greg[0], 0x1111);
    n2[100] = 0x602000 | 0x80 | RWU;
    AT32(TLB) = 1;
    AT64(S_RIP) = (word)n_read;
    npf("its reserved bits", 1ull << 32 | 0xd, GPA);
    nested((word)n_read);
    hole(0);
    gpt[0] = 0x80600000 | 7;
    n3[2] = 0x80 | RWU;
    run();
    check("1 GiB nested page", greg[0], 0x1111);
    n3[2] = 0;
    /* real mode: guest-physical addresses are what it has */
    nested(0);
    hole(0);
    AT64(S_CR0) = 0x10;
    AT64(S_CR4) = 0;
    AT64(S_EFER) = 0x1000;
    seg(0x410, 0, 0x9b, 0xffff, (u64)g_real);
    seg(0x430, 0, 0x93, 0xffffffff, GPA - HOLE);
    seg(0x480, 0, 0, 0x3ff, 0);
    want(0x78);
    npf("real mode", 1ull << 32 | 4, GPA);
    check("BX", greg[0] & 0xffff, 0x1234);
    n2[100] = 0x600000 | 0x80 | RWU;
    check("HLT of real mode", run() << 16 | (greg[2] & 0xffff), 0x781111);
    /* 32-bit paging with 4 MiB pages */
    for (unsigned i = 0; i < 16; i++) {
        pd32[i] = i << 22 | 0x87;
    }
    pd32[2] = 0x400000 | 0x87;
    *(volatile u64 *)0x400000 = 0x9876;
    nested((word)g_pg32);
    AT64(S_EFER) = 0x1000;
    AT64(S_CR4) = 0x10;
    AT64(S_CR3) = (u64)pd32;
    seg(0x410, CS0, 0xc9b, 0xffffffff, 0);
    want(0x78);
    check("32-bit paging", run() << 32 | (u32)greg[0], 0x78ull << 32 | 0x9876);
    check("its A bit", pd32[2] & A, A);
    /* PAE: the pointers are read by each walk */
    nested((word)g_pg32);
    AT64(S_EFER) = 0x1000;
    AT64(S_CR3) = (u64)pae;
    pae[0] = (u64)pdir | 1;
    seg(0x410, CS0, 0xc9b, 0xffffffff, 0);
    want(0x78);
    *(volatile u64 *)0x800000 = 0x5432;
    check("PAE paging", run() << 32 | (u32)greg[0], 0x78ull << 32 | 0x5432);
    /* a task switch */
    nested((word)g_task);
    AT64(S_EFER) = 0x1000;
    AT64(S_CR4) = 0x10;
    AT64(S_CR3) = (u64)pd32;
    seg(0x410, CS0, 0xc9b, 0xffffffff, 0);
    gdt[6] = (gdt[6] & ~(0xfull << 40)) | 9ull << 40;
    want(X_TASK);
    run();
    gdt[6] |= 2ull << 40;
    check_exit("task switch", X_TASK, (word)g_task);
    check("its TSS", AT64(INFO1), TR);
    check("by JMP", AT64(INFO2), 1ull << 38);
}

static void test_virtual_vmsave(void)
{
    nested((word)n_vmsave);
    hole(0);
    AT64(VIRT) = 2;
    npf("virtual VMSAVE", 1ull << 32 | 6, HOLE);
    n3[1] = 0x80 | RWU;                 /* guest-physical 1 GiB is 0: the VMCB would be page 0 */
    *(volatile u64 *)0x490 = 0;
    check("it is done", run(), X_VMMCALL);
    check("through the tables", *(volatile u16 *)0x490, TR);
}

static void test_nested_paging(void)
{
    test_faults();
    test_tlb();
    test_sizes_and_modes();
    test_virtual_vmsave();
}
