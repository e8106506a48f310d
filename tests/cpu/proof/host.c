/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.c -- the proof's reference: code run in user mode by the processor itself, from one whole
 * state to another.
 *
 * proof_enter() loads everything and jumps; code ends at EXIT, which jumps to proof_exit.  A
 * signal's handler notes the exception and lets the interrupted code go on there, so that one path
 * stores the state.
 *
 * Spec: Linux's sigcontext for x86 (trap number, error code, CR2), set_thread_area and modify_ldt;
 *   Intel SDM vol. 1 ch. 13.
 * Omits: hosts other than x86-64 under Linux.
 * Threads: one; nothing here may be called from two.
 */
#include <asm/ldt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include "tests/cpu/proof/proof.h"

uint64_t proof_host_sp, proof_host_fs, proof_host_gs;           /* for the assembly */
uint64_t proof_target, proof_flags, proof_sp;
struct { uint32_t offset; uint16_t selector; } proof_far __attribute__((aligned(8)));
ProofState *proof_out;
void proof_enter(const ProofState *in, ProofState *out);
void proof_exit(void);
void proof_serialise(void);
void proof_signal(int number, siginfo_t *info, void *context);
void proof_on_signal(int number, siginfo_t *info, void *context);

__asm__(
    ".text\n"
    "proof_enter:\n\t"
    "pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\tsubq $8, %rsp\n\t"
    "movq %rsp, proof_host_sp(%rip)\n\tmovq %rsi, proof_out(%rip)\n\t"
    "rdfsbase %rax\n\tmovq %rax, proof_host_fs(%rip)\n\trdgsbase %rax\n\tmovq %rax, proof_host_gs(%rip)\n\t"
    "movl $7, %eax\n\txorl %edx, %edx\n\txrstor64 256(%rdi)\n\t"
    "movw 164(%rdi), %fs\n\tmovw 166(%rdi), %gs\n\t"
    "cmpw $0, 164(%rdi)\n\tjne 1f\n\tmovq 144(%rdi), %rax\n\twrfsbase %rax\n1:\t"
    "cmpw $0, 166(%rdi)\n\tjne 1f\n\tmovq 152(%rdi), %rax\n\twrgsbase %rax\n1:\t"
    "movq 128(%rdi), %rax\n\tmovq %rax, proof_target(%rip)\n\t"
    "movl %eax, proof_far(%rip)\n\tmovw 170(%rdi), %ax\n\tmovw %ax, proof_far+4(%rip)\n\t"
    "cmpw $0x33, %ax\n\tjne 2f\n\t"
    ".macro loads\n\t"
    "pushq 136(%rdi)\n\tpopfq\n\t"
    "movq 0(%rdi), %rax\n\tmovq 8(%rdi), %rcx\n\tmovq 16(%rdi), %rdx\n\tmovq 24(%rdi), %rbx\n\tmovq 40(%rdi), %rbp\n\t"
    "movq 48(%rdi), %rsi\n\tmovq 64(%rdi), %r8\n\tmovq 72(%rdi), %r9\n\tmovq 80(%rdi), %r10\n\tmovq 88(%rdi), %r11\n\t"
    "movq 96(%rdi), %r12\n\tmovq 104(%rdi), %r13\n\tmovq 112(%rdi), %r14\n\tmovq 120(%rdi), %r15\n\t"
    "movw 160(%rdi), %ds\n\tmovw 162(%rdi), %es\n\t"
    ".endm\n\t"
    "loads\n\tmovq 32(%rdi), %rsp\n\tmovq 56(%rdi), %rdi\n\tjmpq *proof_target(%rip)\n"
    "2:\tloads\n\tmovw 168(%rdi), %ss\n\tmovq 32(%rdi), %rsp\n\tmovq 56(%rdi), %rdi\n\tljmpl *proof_far(%rip)\n"
    "proof_exit:\n\t"
    "movq %rdi, proof_target(%rip)\n\tmovq %rsp, proof_sp(%rip)\n\t"
    "movw %ss, proof_far(%rip)\n\tmovl $0x2b, %edi\n\tmovw %di, %ss\n\tmovq proof_host_sp(%rip), %rsp\n\t"
    "pushfq\n\tpopq proof_flags(%rip)\n\tpushq $2\n\tpopfq\n\t"
    "movq proof_out(%rip), %rdi\n\t"
    "movq %rax, 0(%rdi)\n\tmovq %rcx, 8(%rdi)\n\tmovq %rdx, 16(%rdi)\n\tmovq %rbx, 24(%rdi)\n\tmovq %rbp, 40(%rdi)\n\t"
    "movq %rsi, 48(%rdi)\n\tmovq %r8, 64(%rdi)\n\tmovq %r9, 72(%rdi)\n\tmovq %r10, 80(%rdi)\n\tmovq %r11, 88(%rdi)\n\t"
    "movq %r12, 96(%rdi)\n\tmovq %r13, 104(%rdi)\n\tmovq %r14, 112(%rdi)\n\tmovq %r15, 120(%rdi)\n\t"
    "movq proof_target(%rip), %rax\n\tmovq %rax, 56(%rdi)\n\tmovq proof_sp(%rip), %rax\n\tmovq %rax, 32(%rdi)\n\t"
    "movq proof_flags(%rip), %rax\n\tmovq %rax, 136(%rdi)\n\t"
    "rdfsbase %rax\n\tmovq %rax, 144(%rdi)\n\trdgsbase %rax\n\tmovq %rax, 152(%rdi)\n\t"
    "movw %ds, 160(%rdi)\n\tmovw %es, 162(%rdi)\n\tmovw %fs, 164(%rdi)\n\tmovw %gs, 166(%rdi)\n\tmovw proof_far(%rip), %ax\n\tmovw %ax, 168(%rdi)\n\t"
    "movl $7, %eax\n\txorl %edx, %edx\n\txsave64 256(%rdi)\n\t"
    "movl $0x2b, %eax\n\tmovw %ax, %ds\n\tmovw %ax, %es\n\txorl %eax, %eax\n\tmovw %ax, %fs\n\tmovw %ax, %gs\n\t"
    "movq proof_host_fs(%rip), %rax\n\twrfsbase %rax\n\tmovq proof_host_gs(%rip), %rax\n\twrgsbase %rax\n\t"
    "fninit\n\tvzeroupper\n\tpushq $0x1f80\n\tldmxcsr (%rsp)\n\taddq $8, %rsp\n\t"
    "addq $8, %rsp\n\tpopq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\tret\n"
    "proof_serialise:\n\t"              /* IRET does (SDM vol. 3, 9.3), and unlike CPUID is no exit to a hypervisor */
    "movl %ss, %eax\n\tmovq %rsp, %rcx\n\tpushq %rax\n\tpushq %rcx\n\tpushfq\n\tmovl %cs, %eax\n\tpushq %rax\n\t"
    "leaq 1f(%rip), %rax\n\tpushq %rax\n\tiretq\n1:\tret\n"
    "proof_signal:\n\t"                 /* Linux leaves AC as it was */
    "pushfq\n\tandl $~0x40000, (%rsp)\n\tpopfq\n\tjmp proof_on_signal\n");

static uint8_t *code_alias, *data;
uint32_t *proof_attention;              /* of the engine that runs */
volatile unsigned proof_alarms;
static struct { int64_t vector; uint64_t error, cr2, rip, flags; uint16_t cs; bool armed; } caught;

/* FS is the guest's here: nothing of the C library, no stack protector. */
__attribute__((no_sanitize("address", "undefined", "thread"), optimize("no-stack-protector"), used))
void proof_on_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;

    if (!caught.armed) {                /* the harness itself, or an engine */
        if (number == SIGPROF) {
            proof_alarms++;
            if (proof_attention) {
                __atomic_store_n(proof_attention, 1, __ATOMIC_RELAXED);
            }
            return;
        }
        signal(number, SIG_DFL);
        return;
    }
    caught.armed = false;
    caught.vector = number == SIGPROF ? PROOF_TIMEOUT : g[REG_TRAPNO];
    caught.error = (uint64_t)g[REG_ERR];
    caught.cr2 = (uint64_t)g[REG_CR2];
    caught.rip = (uint64_t)g[REG_RIP];
    caught.flags = (uint64_t)g[REG_EFL];
    caught.cs = (uint16_t)g[REG_CSGSFS];
    g[REG_RIP] = P_EXIT;
    g[REG_CSGSFS] = (g[REG_CSGSFS] & ~(greg_t)0xffff) | P_CS64;
    g[REG_EFL] &= ~(greg_t)(EF_TF | EF_AC | EF_NT);
}

static void *map_at(uint64_t at, size_t n, int prot, int fd, off_t from)
{
    void *p = mmap((void *)(uintptr_t)at, n, prot,
                   MAP_SHARED | MAP_POPULATE | (at ? MAP_FIXED_NOREPLACE : 0), fd, from);

    if (p == MAP_FAILED || mlock(p, n)) {
        perror("proof: mmap");
        exit(1);
    }
    return p;
}

static void put_exits(uint8_t *p)
{
    uint64_t to = (uint64_t)(uintptr_t)proof_exit;

    memset(p, 0xcc, P_PAGE);
    /* jmp [rip + 2]: EFLAGS.AC may be set */
    memcpy(p, (uint8_t[]){ 0xff, 0x25, 2, 0, 0, 0 }, 6);
    memcpy(p + 8, &to, 8);
    memcpy(p + P_EXIT32 - P_EXIT, (uint8_t[]){ 0xea, 0, 0, 0, 0, P_CS64, 0 }, 7);
    memcpy(p + P_EXIT32 - P_EXIT + 1, &(uint32_t){ P_EXIT }, 4);
}

static bool put_ldt(void)
{
    for (unsigned k = 0; k < P_LDT_N; k++) {
        uint64_t d = proof_ldt[k];
        struct user_desc u = {
            .entry_number = k, .base_addr = (uint32_t)(d >> 16 & 0xffffff) | (uint32_t)(d >> 56) << 24,
            .limit = (uint32_t)(d & 0xffff) | (uint32_t)(d >> 32 & 0xf0000), .seg_32bit = d >> 54 & 1,
            .contents = d >> 42 & 3, .read_exec_only = !(d >> 41 & 1), .limit_in_pages = d >> 55 & 1, .seg_not_present = 0,
            .useable = d >> 52 & 1,
        };
        if (syscall(SYS_modify_ldt, 0x11, &u, sizeof u)) {
            return false;
        }
    }
    return true;
}

bool host_open(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPROF };
    struct sigaction a = { .sa_sigaction = proof_signal,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    stack_t s = { .ss_size = 1 << 16 };
    int fd = memfd_create("proof", 0);
    enum { BYTES = P_CODE_BYTES + P_PAGE + P_MEMORY };

    if (fd < 0 || ftruncate(fd, BYTES)) {
        perror("proof: memfd");
        exit(1);
    }
    code_alias = map_at(0, P_CODE_BYTES + P_PAGE, PROT_READ | PROT_WRITE, fd, 0);
    data = map_at(0, P_MEMORY, PROT_READ | PROT_WRITE, fd, P_CODE_BYTES + P_PAGE);
    map_at(P_CODE, P_CODE_BYTES, PROT_READ | PROT_EXEC, fd, 0);
    map_at(P_EXIT, P_PAGE, PROT_READ | PROT_EXEC, fd, P_CODE_BYTES);
    map_at(P_DATA, P_DATA_BYTES, PROT_READ | PROT_WRITE, fd, P_CODE_BYTES + P_PAGE);
    map_at(P_CONST, P_PAGE, PROT_READ, fd, P_CODE_BYTES + P_PAGE + P_DATA_BYTES);
    memset(code_alias, 0xcc, P_CODE_BYTES);
    put_exits(code_alias + P_CODE_BYTES);
    s.ss_sp = mmap(NULL, s.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&s, NULL);
    for (unsigned k = 0; k < G_N_ELEMENTS(signals); k++) {
        sigaction(signals[k], &a, NULL);
    }
    __asm__ volatile("movw %w0, %%ds\n\tmovw %w0, %%es" : : "r"(P_DS));
    close(fd);
    return put_ldt();
}

uint8_t *host_memory(void) { return data; }

void host_code(const ProofCode *c)
{
    static uint32_t last, last_n;

    memset(code_alias + last, 0xcc, last_n);
    last = c->at - P_CODE;
    last_n = c->total;
    memcpy(code_alias + last, c->bytes, c->total);
    proof_serialise();                  /* stored by another address */
}

void host_run(const ProofState *in, ProofState *out)
{
    static const struct itimerval second = { .it_value = { .tv_sec = 1 },
                                             .it_interval = { .tv_sec = 1 } }, off;
    static unsigned count;

    if (count++ % 64 == 0) {
        setitimer(ITIMER_PROF, &second, NULL);
    }
    caught.vector = -1;
    caught.armed = true;
    proof_enter(in, out);
    caught.armed = false;
    out->vector = caught.vector;
    out->cs = P_CS64;
    out->rip = P_EXIT;
    out->error = out->cr2 = 0;
    if (caught.vector >= 0) {
        out->rip = caught.rip;
        out->rflags = caught.flags;
        out->cs = caught.cs;
        out->error = caught.error;
        out->cr2 = caught.vector == EXC_PF ? caught.cr2 : 0;
    }
    if (caught.vector == PROOF_TIMEOUT) {
        setitimer(ITIMER_PROF, &off, NULL);
        count = 0;
    }
}
