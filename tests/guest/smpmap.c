/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smpmap.c -- 64-bit guest on two CPUs: sleep and wake by IPI, mappings that the other moves, hot
 * data beside code that the other rewrites, stores that must not tear, bit and ticket counters,
 * PAM, a BAR and A20 changed under running code, LOCK on a device's register.
 *
 * Spec: Intel SDM vol. 3 4.10.5 (shootdown), 8.1 (atomicity), 8.10 (HLT); 82441FX 3.2.18 (PAM); PCI
 * 2.1 6.2.5 (BARs).
 * Run with -device VGA for the BAR.  ROUNDS scales all of it.
 */
#include "tests/guest/mp.h"

static u64 pt[512] __attribute__((aligned(4096))), pd2[512] __attribute__((aligned(4096)));
static volatile u32 stop_work;
static void outl(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }
static u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static void spin_a_while(u32 n) { while (n--) relax(); }

/* ---- HLT and IPIs ---- */
static volatile u32 ball;               /* even: the first CPU's turn */
static u32 bsp_id;
enum { N_BALL = 500 * ROUNDS };
__attribute__((used)) void wake(void) { apic[APIC_EOI] = 0; }
HANDLER(wake);
static void send(u32 to)
{
    apic[APIC_ICR2] = to << 24;
    apic[APIC_ICR] = 0x403e;
}
static void play(u32 mine, u32 other)
{
    for (u32 i = 0; i < N_BALL; i++) {
        asm volatile("cli" ::: "memory");
        while ((ball & 1) != mine) {
            asm volatile("sti; hlt; cli" ::: "memory");
        }
        ball++;
        asm volatile("sti" ::: "memory");
        send(other);
    }
}
static void play_ap(void) { play(1, bsp_id); }
static void play_bsp(void) { play(0, ap_id); }

/* ---- a page that moves ---- */
static volatile u64 move_seq, move_ack;
static u32 stale_data, stale_code, late_stores;
enum { N_MOVE = 40 * ROUNDS };
#define WINDOW 0x40000000ull
#define FRAME_AT(i) (0x800000ull + ((i) & 1) * 0x1000)
__attribute__((used)) void moved(void)
{
    asm volatile("invlpg %0" :: "m"(*(u8 *)WINDOW));
    apic[APIC_EOI] = 0;
    move_ack = move_seq;
}
HANDLER(moved);
static void use_window(void)
{
    for (u64 n = 0; !stop_work; n++) {
        u64 before = move_ack, data = *(volatile u64 *)WINDOW;
        u32 code = ((u32 (*)(void))(WINDOW + 0x100))();
        *(volatile u64 *)(WINDOW + 8) = n;
        if (move_seq == before) {       /* nothing had changed yet */
            stale_data += data != (before & 1);
            stale_code += code != (before & 1);
        }
    }
}
static void move_window(void)
{
    for (u64 i = 1; i <= N_MOVE; i++) {
        move_seq = i;
        mfence();
        ((volatile u64 *)pt)[0] = FRAME_AT(i) | 0x63;
        asm volatile("invlpg %0" :: "m"(*(u8 *)WINDOW));
        ipi(0x403d);
        while (move_ack != i) {
            relax();
        }
        u64 cell = *(volatile u64 *)(FRAME_AT(i + 1) + 8);
        spin_a_while(50);
        late_stores += *(volatile u64 *)(FRAME_AT(i + 1) + 8) != cell;
    }
    stop_work = 1;
}
static void test_move(void)
{
    for (u32 i = 0; i < 2; i++) {
        u8 *f = (u8 *)FRAME_AT(i);
        *(u64 *)f = i;
        f[0x100] = 0xb8;                /* mov $i, %eax; ret */
        *(u32 *)(f + 0x101) = i;
        f[0x105] = 0xc3;
    }
    pt[0] = FRAME_AT(0) | 0x63;
    both(use_window, move_window);
    check("no stale data after a shootdown", stale_data, 0);
    check("no stale code after a shootdown", stale_code, 0);
    check("no store through a stale translation", late_stores, 0);
}

/* ---- data beside code ---- */
/* code at 3; both count at 40; one's own at 48, 50; whole words at 140, 180 */
static u8 *const mixed = (u8 *)0x610000;
static u32 mixed_bad, torn;
enum { N_MIXED = 4000 * ROUNDS };
#define CELL(at) (*(volatile u64 *)(mixed + (at)))
static void mixed_use(u32 own, u32 theirs, u32 own_word)
{
    u32 last = 0;
    for (u32 i = 1; i <= N_MIXED; i++) {
        asm volatile("lock; incq %0" : "+m"(*(u64 *)(mixed + 0x40)));
        CELL(own)++;
        CELL(own_word) = (u64)i << 32 | i;
        u64 w = CELL(theirs);
        torn += (u32)w != w >> 32;
        if (own == 0x48) {
            u32 v = ((u32 (*)(void))(mixed + 3))();
            mixed_bad += v < last || v > N_MIXED;
            last = v;
        } else {
            *(volatile u32 *)(mixed + 4) = i;
            u64 value = (u64)i << 32 | i, to = (u64)mixed + 0x1c0, n = 4;
            asm volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory");
        }
        w = CELL(0x1c8);
        torn += (u32)w != w >> 32;
        mixed_bad += CELL(own) != i;
    }
}
static void mixed_ap(void) { mixed_use(0x48, 0x180, 0x140); }
static void mixed_bsp(void) { mixed_use(0x50, 0x140, 0x180); }
static void test_mixed(void)
{
    mixed[3] = 0xb8;
    mixed[8] = 0xc3;
    both(mixed_ap, mixed_bsp);
    check("counter beside code", CELL(0x40), 2 * N_MIXED);
    check("nothing lost beside code", mixed_bad, 0);
    check("the last code", ((u32 (*)(void))(mixed + 3))(), N_MIXED);
    check("no torn word", torn, 0);
}

/* ---- bits and tickets ---- */
static u8 bits[3 * 4096] __attribute__((aligned(4096)));
static u64 got_bits[2], tickets[2];
static u32 lost_bits;
enum { N_BITS = 4096 * 8, N_TICKET = 5000 * ROUNDS };
static void take_bits(u32 me)
{
    for (u64 i = 0; i < N_BITS; i++) {
        u8 was;
        asm volatile("lock; btsq %2, %1; setc %0" : "=q"(was), "+m"(*(u64 *)bits) : "r"(i) : "memory");
        got_bits[me] += !was;
    }
}
static void bits_ap(void) { take_bits(1); }
static void bits_bsp(void) { take_bits(0); }
static void take_tickets(u32 me)
{
    for (u32 i = 0; i < N_TICKET; i++) {
        u64 n = 1, old;
        asm volatile("lock; xaddq %0, %1" : "+r"(n), "+m"(*(u64 *)(bits + 0x40)));
        tickets[me] += n;
        if (i % 8 == 0) {
            n = 1;
            /* across pages */
            asm volatile("lock; xaddq %0, %1" : "+r"(n), "+m"(*(u64 *)(bits + 0x1ffc)));
            u8 ok;
            old = *(volatile u32 *)(bits + 0x7e);
            do {
                asm volatile("lock; cmpxchgl %k3, %1; setz %0" : "=q"(ok), "+m"(*(u32 *)(bits + 0x7e)), "+a"(old) : "r"(old + 1));
            } while (!ok);
        }
        /*
         * bit 7 of one byte is the first CPU's, bit 0 the other's: each must find its own as it
         * left it
         */
        u32 bit = me ? 0 : 7;
        u8 was;
        asm volatile("lock; btcl %2, %1; setc %0" : "=q"(was), "+m"(*(u32 *)(bits + 0x1000)) : "r"(bit));
        lost_bits += was != (i & 1);
    }
}
static void tickets_ap(void) { take_tickets(1); }
static void tickets_bsp(void) { take_tickets(0); }
static void test_bits(void)
{
    u64 n = 2ull * N_TICKET, m = (N_TICKET + 7) / 8 * 2;
    both(bits_ap, bits_bsp);
    check("lock bts", got_bits[0] + got_bits[1], N_BITS);
    for (u32 i = 0; i < sizeof bits; i++) {
        bits[i] = 0;
    }
    both(tickets_ap, tickets_bsp);
    check("lock xadd", *(u64 *)(bits + 0x40), n);
    check("each ticket once", tickets[0] + tickets[1], n * (n - 1) / 2);
    check("lock xadd across pages", *(u64 *)(bits + 0x1ffc), m);
    check("lock cmpxchg across lines", *(u32 *)(bits + 0x7e), m);
    check("lock btc", lost_bits, 0);
}

/* ---- LOCK on a device's register: the comparator of the HPET's second timer ---- */
#define HPET_T1 (*(volatile u64 *)0xfed00128)
enum { N_IO = 300 * ROUNDS };
static void add_mmio(void)
{
    for (u32 i = 0; i < N_IO; i++) {
        asm volatile("lock; incl %0" : "+m"(*(u32 *)0xfed00128));
    }
}

/* ---- PAM: D0000-D3FFF ---- */
static u32 map_bad;
enum { N_PAM = 100 * ROUNDS, PAM_R = 1, PAM_W = 2 };
static volatile u64 pam_n;
static void pam(u32 rights)
{
    outl(0xcf8, 0x8000005c);
    outb(0xcfc, rights | rights << 4);
}
static void pam_store(void)             /* writes always reach RAM: none may be lost */
{
    while (!stop_work) {
        u64 n = pam_n + 1;
        for (u32 i = 0; i < 64; i++) {
            ((volatile u64 *)0xd0000)[i * 8] = n;
        }
        pam_n = n;
    }
}
/* reads always show RAM: what is there is what was there, and runs */
static void pam_load(void)
{
    while (!stop_work) {
        for (u32 i = 0; i < 64; i++) {
            map_bad += ((volatile u64 *)0xd0000)[i * 8] != pam_n;
        }
        *(volatile u64 *)0xd1000 = pam_n;
        map_bad += ((u32 (*)(void))0xd2000)() != 0x1234;
    }
}
static void pam_change(u32 rights)
{
    for (u32 i = 0; i < N_PAM; i++) {
        pam(i & 1 ? rights : PAM_R | PAM_W);
        spin_a_while(20);
    }
    pam(PAM_R | PAM_W);
    stop_work = 1;
}
static void pam_no_read(void) { pam_change(PAM_W); }
static void pam_no_write(void) { pam_change(PAM_R); }
static void test_pam(void)
{
    pam(PAM_R | PAM_W);
    u8 *f = (u8 *)0xd2000;
    f[0] = 0xb8;
    *(u32 *)(f + 1) = 0x1234;
    f[5] = 0xc3;
    stop_work = 0;
    both(pam_store, pam_no_read);
    for (u32 i = 0; i < 64; i++) {
        map_bad += ((volatile u64 *)0xd0000)[i * 8] != pam_n;
    }
    check("no store is lost while PAM hides reads", map_bad, 0);
    stop_work = 0;
    both(pam_load, pam_no_write);
    check("reads and code while PAM drops writes", map_bad, 0);
}

/* ---- a BAR that moves ---- */
static u32 vga_at;
static volatile u32 bar_seq, bar_ack;
static u32 bar_bad, bar_lost;
enum { N_BAR = 100 * ROUNDS };
#define BAR_AT(i) ((i) & 1 ? 0xd4000000ull : 0xd0000000ull)
static void bar_use(void)
{
    u64 n = 0;
    while (!stop_work) {
        u32 now = bar_seq;
        n++;
        *(volatile u64 *)(BAR_AT(0) + 0x8000) = n;      /* wherever it is */
        *(volatile u64 *)(BAR_AT(1) + 0x8000) = n;
        u64 a = *(volatile u64 *)(BAR_AT(0) + 0x8000), b = *(volatile u64 *)(BAR_AT(1) + 0x8000);
        /* older: it was elsewhere at both stores */
        bar_bad += (a > n && a != ~0ull) || (b > n && b != ~0ull);
        if (now && now != bar_ack) {
            /* the first CPU waits: it is here, and only here */
            bar_lost += *(volatile u64 *)(BAR_AT(now) + 0x8000) != n ||
                        *(volatile u64 *)(BAR_AT(now + 1) + 0x8000) != ~0ull;
            bar_ack = now;
        }
    }
}
static void bar_move(void)
{
    for (u32 i = 1; i <= N_BAR; i++) {
        for (u32 k = 0; k < 3; k++) {
            outl(0xcf8, vga_at | 0x10);
            outl(0xcfc, BAR_AT(i + k));
        }
        outl(0xcfc, BAR_AT(i));
        bar_seq = i;
        while (bar_ack != i) {
            relax();
        }
    }
    stop_work = 1;
}
static void test_bar(void)
{
    for (u32 slot = 0; slot < 32; slot++) {
        outl(0xcf8, 0x80000008 | slot << 11);
        if (inl(0xcfc) >> 16 == 0x0300) {
            vga_at = 0x80000000 | slot << 11;
        }
    }
    check("VGA", vga_at != 0, 1);
    outl(0xcf8, vga_at | 0x10);
    outl(0xcfc, BAR_AT(0));
    outl(0xcf8, vga_at | 4);
    outl(0xcfc, 2);
    stop_work = 0;
    both(bar_use, bar_move);
    check("a moving BAR shows its memory or nothing", bar_bad, 0);
    check("a moved BAR", bar_lost, 0);
}

/*
 * ---- A20 ----  All that is used while the gate is shut has bit 20 of its address clear: code at
 * 602000, flags at 604000 (0: the second CPU is in, 8: it may leave), page tables at A00000, no
 * stack.
 */
enum { N_A20 = 40 * ROUNDS };
asm(".text; a20_ap: movl $0x604000, %edi; movl $0x800000, %esi; movl $0x900000, %edx; movl $1, (%rdi);"
    "1: incq %rax; movq %rax, (%rsi); movq %rax, (%rdx); movq (%rdx), %rcx; lock; incq 8(%rsi); cmpl $0, 8(%rdi); je 1b; jmp *%rbx;"
    "a20_bsp: movl $0x604000, %edi; 1: cmpl $0, (%rdi); je 1b; movl $0x92, %edx;"
    "2: movb $0, %al; outb %al, %dx; movl $20, %ecx; 3: pause; loop 3b; movb $2, %al; outb %al, %dx; decl %esi; jnz 2b;"
    "inb %dx, %al; movl $1, 8(%rdi); jmp *%rbx; a20_end:");
extern char a20_ap[], a20_bsp[], a20_end[];
static void a20_call(char *fn, u32 n)
{
    u64 old, at = 0x602000 + (u64)(fn - a20_ap);
    asm volatile("movq %%cr3, %0" : "=r"(old));
    asm volatile("cli");
    wr3(0xa00000);
    asm volatile("leaq 1f(%%rip), %%rbx; jmp *%1; 1:" : "+S"(n) : "r"(at) : "rax", "rbx", "rcx", "rdx", "rdi", "memory", "cc");
    wr3(old);
    asm volatile("sti");
}
static void a20_use(void) { a20_call(a20_ap, 0); }
static void a20_change(void) { a20_call(a20_bsp, N_A20); }
static void test_a20(void)
{
    volatile u64 *t = (volatile u64 *)0xa00000, *x = (volatile u64 *)0x800000,
                 *y = (volatile u64 *)0x900000;
    for (char *p = a20_ap, *q = (char *)0x602000; p < a20_end; p++, q++) {
        *(volatile char *)q = *p;
    }
    for (u32 i = 0; i < 512; i++) {
        t[i] = t[512 + i] = 0;
        t[1024 + i] = i << 21 | 0x83;
    }
    t[0] = 0xa01003;
    t[512] = 0xa02003;
    *(volatile u64 *)0x604000 = *(volatile u64 *)0x604008 = 0;
    both(a20_use, a20_change);
    *x = 1;
    *y = 2;
    check("A20 is open again", *x, 1);
}

__attribute__((used)) int main(void)
{
    setup();
    pdp[1] = (u64)pd2 | 3;
    pd2[0] = (u64)pt | 3;
    pdp[3] = 0xc0000083;
    set_gate(0x3d, (u64)moved_entry, CS0, 0x8e, 0);
    set_gate(0x3e, (u64)wake_entry, CS0, 0x8e, 0);
    start_ap();
    bsp_id = apic[APIC_ID] >> 24;
    asm volatile("sti");
    both(play_ap, play_bsp);
    check("HLT and IPI", ball, 2 * N_BALL);
    test_move();
    test_mixed();
    test_bits();
    HPET_T1 = 0;
    both(add_mmio, add_mmio);
    check("lock on a device's register", (u32)HPET_T1, 2 * N_IO);
    test_pam();
    test_bar();
    test_a20();
    finish();
}
