/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys64.c -- 64-bit guest with two CPUs, all features: MONITOR and MWAIT, WAITPKG, protection keys,
 * XSAVES, stores of lines, MSRs, INIT of a running CPU.
 *
 * Spec: Intel SDM vol. 2, the instructions by name; vol. 1 ch. 13; vol. 3 4.6.2, 9.10, 11.11, 15.3;
 *   vol. 4.
 */
#include "tests/guest/mp.h"

static u64 pd2[512] __attribute__((aligned(4096))), pt[512] __attribute__((aligned(4096)));
enum { KEYED = 0x40000000, PKE = 1 << 22, OSXSAVE = 1 << 18 };

static void cpuid(u32 leaf, u32 sub, u32 r[4])
{
    asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
static u64 rdtsc(void) { u32 a, d; asm volatile("rdtsc" : "=a"(a), "=d"(d)); return a | (u64)d << 32; }

/* ---- MONITOR, MWAIT ---- */
static volatile u32 line[32] __attribute__((aligned(64)));
static volatile u32 woke, armed;
static void sleeper(void)
{
    woke = 0;
    asm volatile("cli; monitor" :: "a"(line), "c"(0), "d"(0));
    armed = 1;
    asm volatile("mwait" :: "a"(0), "c"(0) : "memory");
    woke = line[3];
}
static void waker(void)
{
    while (!armed) {
        relax();
    }
    for (u32 i = 0; i < 3000; i++) {
        relax();
    }
    check("MWAIT waits", woke, 0);
    line[3] = 7;
}
static void sleeper_masked(void)
{
    asm volatile("cli; monitor" :: "a"(line), "c"(0), "d"(0));
    armed = 2;
    asm volatile("mwait" :: "a"(0), "c"(1) : "memory");
    woke = 0x55;
}
static void waker_masked(void)
{
    while (armed != 2) {
        relax();
    }
    for (u32 i = 0; i < 3000; i++) {
        relax();
    }
    ipi(0x4000 | 0x3e);
}
HANDLER(ignore);
__attribute__((used)) void ignore(void) { apic[APIC_EOI] = 0; }

static void test_mwait(void)
{
    u32 r[4];

    cpuid(5, 0, r);
    check("leaf 5", r[0] << 16 | r[1], 64 << 16 | 64);
    RAISES("xorl %%ecx, %%ecx; incl %%ecx; xorl %%eax, %%eax; monitor");
    expect("#GP monitor with ECX", 13, 0);
    RAISES("movl $2, %%ecx; mwait");
    expect("#GP mwait with ECX 2", 13, 0);
    r[0] = 0;
    asm volatile("mwait; incl %%eax" : "+a"(r[0]) : "c"(0) : "memory");
    check("mwait without monitor goes on", r[0], 1);
    both(sleeper, waker);
    check("woken by a store", woke, 7);
    set_gate(0x3e, (u64)ignore_entry, CS0, 0x8e, 0);
    both(sleeper_masked, waker_masked);
    check("woken by a masked interrupt", woke, 0x55);
    asm volatile("monitor" :: "a"(line), "c"(0), "d"(0));
    line[0]++;
    asm volatile("mwait" :: "a"(0), "c"(0) : "memory");
    check("a store between the two", line[0], 1);
}
asm("user_mwait: monitor; int $0x30");
extern char user_mwait[];

/* ---- WAITPKG ---- */
static u32 tpause(u64 ticks, u64 *took)
{
    u64 start = rdtsc(), end = start + ticks;
    u8 cf;
    asm volatile("stc; tpause %%ecx; setc %0" : "=r"(cf) : "a"((u32)end), "d"((u32)(end >> 32)), "c"(1) : "cc", "memory");
    *took = rdtsc() - start;
    return cf;
}
static void test_waitpkg(void)
{
    u64 took;

    check("tpause to its deadline", tpause(100000, &took), 0);
    check("it took that long", took >= 100000, 1);
    wrmsr(0xe1, 20000);
    check("tpause to the system's limit: CF", tpause(1ull << 40, &took), 1);
    wrmsr(0xe1, 0);
    RAISES("movl $2, %%ecx; tpause %%ecx");
    expect("#GP tpause, reserved bits", 13, 0);
    RAISES("movl $0xe1, %%ecx; movl $2, %%eax; xorl %%edx, %%edx; wrmsr");
    expect("#GP UMWAIT_CONTROL, reserved bit", 13, 0);
    asm volatile("umonitor %0" :: "r"(line));
    line[1]++;
    asm volatile("umwait %%ecx" :: "a"(-1), "d"(0x7fffffff), "c"(0) : "cc", "memory");
    check("umwait after a store", line[1], 1);
}

/* ---- protection keys ---- */
static void wrpkru(u32 v) { asm volatile("wrpkru" :: "a"(v), "c"(0), "d"(0) : "memory"); }
static u32 rdpkru(void) { u32 v; asm volatile("rdpkru" : "=a"(v) : "c"(0) : "edx"); return v; }
asm("user_r: movq 0x40000000, %rax; int $0x30; user_w: movq %rax, 0x40000000; int $0x30; user_x: movl $0x40000000, %eax; jmp *%rax;"
    "user_pkru: xorl %ecx, %ecx; xorl %edx, %edx; movl $0, %eax; wrpkru; int $0x30");
extern char user_r[], user_w[], user_x[], user_pkru[];
#define USER(code) run_user((void (*)(void))code, CS3, 2)

static void test_pku(void)
{
    u32 r[4];

    RAISES("xorl %%ecx, %%ecx; rdpkru");
    expect("#UD rdpkru without CR4.PKE", 6, 0);
    wr4(rd4() | PKE);
    cpuid(7, 0, r);
    check("OSPKE", r[2] >> 4 & 1, 1);
    RAISES("movl $1, %%ecx; rdpkru");
    expect("#GP rdpkru with ECX", 13, 0);
    pdp[1] = (u64)pd2 | 7;
    pd2[0] = (u64)pt | 7;
    pt[0] = 0x600007 | 5ull << 59;
    wr3((u64)pml4);
    *(volatile u16 *)0x600000 = 0x30cd;
    USER(user_r);
    expect("key 5, all allowed", 0x30, 0);
    USER(user_w);
    expect("writes", 0x30, 0);
    *(volatile u16 *)0x600000 = 0x30cd;
    wrpkru(2 << 10);
    check("rdpkru", rdpkru(), 2 << 10);
    USER(user_r);
    expect("WD: reads", 0x30, 0);
    USER(user_w);
    expect("WD: #PF writes", 14, 0x27);
    wrpkru(1 << 10);
    USER(user_r);
    expect("AD: #PF reads", 14, 0x25);
    USER(user_x);
    expect("AD: fetches", 0x30, 0);
    RAISES("movq 0x40000000, %%rax");
    expect("AD: #PF reads by the supervisor", 14, 0x21);
    wrpkru(2 << 10);
    asm volatile("movq %%cr0, %%rax; btrq $16, %%rax; movq %%rax, %%cr0" ::: "rax", "memory");
    RAISES("movq %%rax, 0x40000000");
    expect("WD without WP: supervisor writes", 0xff, 0);
    asm volatile("movq %%cr0, %%rax; btsq $16, %%rax; movq %%rax, %%cr0" ::: "rax", "memory");
    RAISES("movq %%rax, 0x40000000");
    expect("WD with WP: #PF", 14, 0x23);
    *(volatile u16 *)0x600000 = 0x30cd;
    USER(user_pkru);
    expect("wrpkru in user code", 0x30, 0);
    check("its value", rdpkru(), 0);
    USER(user_w);
    expect("writes again", 0x30, 0);
    pt[0] = 0x600003 | 5ull << 59;
    asm volatile("invlpg 0x40000000" ::: "memory");
    wrpkru(1 << 10);
    RAISES("movq 0x40000000, %%rax");
    expect("supervisor pages have no key", 0xff, 0);
    wrpkru(0);
}

/* ---- XSAVES ---- */
static u8 area[4096] __attribute__((aligned(64)));
static u64 at(u32 n) { return *(volatile u64 *)(area + n); }
static void xsetbv(u32 v) { asm volatile("xsetbv" :: "a"(v), "c"(0), "d"(0)); }
static void test_xsaves(void)
{
    u32 r[4];

    wr4(rd4() | OSXSAVE);
    cpuid(0xd, 0, r);
    check("PKRU in XCR0", r[0] >> 9 & 1, 1);
    cpuid(0xd, 9, r);
    check("its place", r[0] << 16 | r[1], 8 << 16 | 2688);
    xsetbv(0x203);
    cpuid(0xd, 0, r);
    check("size with PKRU", r[1], 2696);
    cpuid(0xd, 1, r);
    check("compact size", r[1], 584);
    wrpkru(0x54);
    asm volatile("xsave %0" : "=m"(area) : "a"(0x203), "d"(0) : "memory");
    check("xsave", at(2688), 0x54);
    check("XSTATE_BV", at(512) & 0x200, 0x200);
    for (u32 i = 0; i < sizeof area; i++) {
        area[i] = 0;
    }
    asm volatile("xsaves %0" : "=m"(area) : "a"(0x200), "d"(0) : "memory");
    check("xsaves", at(576), 0x54);
    check("XCOMP_BV", at(520), 1ull << 63 | 0x200);
    wrpkru(0);
    asm volatile("xrstors %0" :: "m"(area), "a"(0x200), "d"(0) : "memory");
    check("xrstors", rdpkru(), 0x54);
    *(volatile u64 *)(area + 512) = 0;
    asm volatile("xrstors %0" :: "m"(area), "a"(0x200), "d"(0) : "memory");
    check("xrstors of the initial state", rdpkru(), 0);
    *(volatile u64 *)(area + 520) = 0;
    RAISES("movl $0x200, %%eax; xorl %%edx, %%edx; xrstors area");
    expect("#GP xrstors of the standard form", 13, 0);
    RAISES("movl $0xda0, %%ecx; movl $1, %%eax; xorl %%edx, %%edx; wrmsr");
    expect("#GP XSS", 13, 0);
    check("XSS reads 0", rdmsr(0xda0), 0);
}

/* ---- lines ---- */
static u8 from[64] = "sixty-four bytes", to[128] __attribute__((aligned(64)));
static void test_lines(void)
{
    u32 bad = 0;

    asm volatile("serialize" ::: "memory");
    asm volatile("movdiri %1, %0" : "=m"(*(u64 *)to) : "r"(0x1122334455667788ull));
    check("movdiri", *(volatile u64 *)to, 0x1122334455667788);
    asm volatile("movdir64b %0, %1" :: "m"(from), "r"(to) : "memory");
    for (u32 i = 0; i < 64; i++) {
        bad += ((volatile u8 *)to)[i] != from[i];
    }
    check("movdir64b", bad, 0);
    RAISES("movq $to + 8, %%rax; movdir64b from, %%rax");
    expect("#GP movdir64b, not aligned", 13, 0);
    asm volatile("clzero" :: "a"(to + 5) : "memory");
    for (u32 i = 0; i < 64; i++) {
        bad += ((volatile u8 *)to)[i] != 0;
    }
    check("clzero", bad, 0);
}

/* ---- MSRs ---- */
static void gp(const char *name, u32 msr, u64 v)
{
    seen.vector = 0xff;
    seen.error = 0;
    asm volatile("movq $1f, resume; wrmsr; 1: movq $0, resume" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
    expect(name, 13, 0);
}
static void test_msrs(void)
{
    wrmsr(0x48, 1);
    check("SPEC_CTRL", rdmsr(0x48), 1);
    gp("#GP SPEC_CTRL, reserved bit", 0x48, 1 << 20);
    wrmsr(0x48, 0);
    wrmsr(0x49, 1);
    gp("#GP PRED_CMD, reserved bit", 0x49, 2);
    RAISES("movl $0x49, %%ecx; rdmsr");
    expect("#GP PRED_CMD is write-only", 13, 0);
    wrmsr(0xc001011f, 4);
    check("VIRT_SSBD", rdmsr(0xc001011f), 4);
    check("ARCH_CAPABILITIES: RDCL_NO", rdmsr(0x10a) & 1, 1);
    wrmsr(0x200, 0xc0000006);
    wrmsr(0x201, 0xffc0000800);
    check("MTRR", rdmsr(0x200), 0xc0000006);
    gp("#GP MTRR type 2", 0x200, 2);
    gp("#GP MTRR mask beyond MAXPHYADDR", 0x201, 1ull << 60 | 0x800);
    gp("#GP fixed MTRR type 7", 0x250, 7);
    wrmsr(0x201, 0);
    gp("#GP PAT type 2", 0x277, 2);
    wrmsr(0x401, 0);
    gp("#GP MC0_STATUS is cleared alone", 0x401, 1);
    check("MCG_CAP", rdmsr(0x179) & 0xff, 10);
    check("microcode revision", rdmsr(0x8b) >> 32 != 0, 1);
    u32 r[4];
    cpuid(0, 0, r);
    if (r[1] == 0x68747541) {           /* "Auth" */
        check("counters read 0", rdmsr(0xc0010000) | rdmsr(0xc0010004), 0);
    } else {
        check("P6 counters read 0", rdmsr(0xc1) | rdmsr(0x186), 0);
    }
    check("MISC_ENABLE: fast strings", rdmsr(0x1a0) & 1, 1);
    gp("#GP unknown", 0x12345, 0);
}

/* ---- INIT of a running CPU ---- */
static void for_ever(void)
{
    armed = 3;
    for (;;) {
        relax();
    }
}
static void test_init(void)
{
    u32 r = 0;

    work = for_ever;
    mfence();
    job++;
    while (armed != 3) {
        relax();
    }
    job_done = job;
    ap_ready = 0;
    ipi(0x4500);
    for (u32 i = 0; i < 2000; i++) {
        relax();
    }
    check("INIT stops a running CPU", ap_ready, 0);
    job = 0;
    ipi(0x4608);
    while (!ap_ready && r++ < 100000000) {
        relax();
    }
    check("SIPI starts it again", ap_ready, 1);
}

__attribute__((used)) int main(void)
{
    setup();
    pdp[3] = 0xc0000083;
    start_ap();
    if (!skips_on_kvm("MONITOR, WAITPKG, keys, XSAVES, stores of lines, MSRs: it has them or not "
                      "as its host has")) {
        test_mwait();
        USER(user_mwait);
        expect("#UD monitor in user code", 6, 0);
        test_waitpkg();
        test_pku();
        test_xsaves();
        test_lines();
        test_msrs();
    }
    test_init();
    finish();
}
