/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fphost.c -- running one instruction on the host, and the few functions of a CPU that FP code calls.
 *
 * Omits: hosts other than x86-64, where host_run() is not called.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "fphost.h"

jmp_buf guest_raised;
uint64_t random_state = 1;
static uint8_t *buffer;
static volatile HostResult result;
static unsigned code_bytes;

uint64_t random64(void)                 /* splitmix64 */
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#if defined(__x86_64__)
void host_call(HostState *s, const void *code);
__asm__(
    ".text\n"
    "host_call:\n\t"
    "pushq %rbx\n\tpushq %rbp\n\tsubq $24, %rsp\n\t"
    "movq %rdi, %rbx\n\tmovq %rsi, %rbp\n\tstmxcsr (%rsp)\n\t"
    "cmpq $0, 224(%rbx)\n\tje 1f\n\tfrstor 112(%rbx)\n\tjmp 2f\n"
    "1:\tcmpl $0, 108(%rbx)\n\tje 2f\n\tmovq 48(%rbx), %mm0\n\tmovq 56(%rbx), %mm1\n\tmovq 64(%rbx), %mm2\n"
    "2:\tmovups (%rbx), %xmm0\n\tmovups 16(%rbx), %xmm1\n\tmovups 32(%rbx), %xmm2\n\t"
    "leaq 256(%rbx), %rdi\n\tmovq 72(%rbx), %rax\n\tmovq 80(%rbx), %rcx\n\tmovq 88(%rbx), %rdx\n\t"
    "ldmxcsr 104(%rbx)\n\tpushq 96(%rbx)\n\tpopfq\n\t"
    "call *%rbp\n\t"
    "pushfq\n\tpopq 96(%rbx)\n\tstmxcsr 104(%rbx)\n\tldmxcsr (%rsp)\n\t"
    "movq %rax, 72(%rbx)\n\tmovq %rcx, 80(%rbx)\n\tmovq %rdx, 88(%rbx)\n\t"
    "movups %xmm0, (%rbx)\n\tmovups %xmm1, 16(%rbx)\n\tmovups %xmm2, 32(%rbx)\n\t"
    "cmpq $0, 224(%rbx)\n\tje 1f\n\tfnsave 112(%rbx)\n\tjmp 2f\n"
    "1:\tcmpl $0, 108(%rbx)\n\tje 2f\n\tmovq %mm0, 48(%rbx)\n\tmovq %mm1, 56(%rbx)\n\tmovq %mm2, 64(%rbx)\n\temms\n"
    "2:\taddq $24, %rsp\n\tpopq %rbp\n\tpopq %rbx\n\tret\n");

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    uintptr_t at = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
    if (at < (uintptr_t)buffer || at >= (uintptr_t)buffer + 64) {
        signal(sig, SIG_DFL);
        return;
    }
    result = sig == SIGFPE ? HOST_SIGFPE : HOST_SIGILL;
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)buffer + code_bytes;     /* the RET after the instruction */
    u->uc_mcontext.fpregs->mxcsr |= X86_MXCSR_MASKS;
}

void host_init(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };
    buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(buffer != MAP_FAILED);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
}

HostResult host_run(HostState *s, const uint8_t *code, unsigned n)
{
    memcpy(buffer, code, n);
    buffer[n] = 0xc3;
    code_bytes = n;
    result = HOST_DONE;
    host_call(s, buffer);
    return result;
}
#else
void host_init(void) { }
HostResult host_run(HostState *s, const uint8_t *code, unsigned n) { return HOST_SIGILL; }
#endif

/* ---- a guest whose linear addresses are the host's ---- */
void x86_raise(X86Cpu *c, unsigned vector, uint32_t error) { longjmp(guest_raised, (int)vector + 1); }
void x86_raise_ud(X86Cpu *c) { x86_raise(c, EXC_UD, 0); }
void x86_raise_gp(X86Cpu *c, uint32_t error) { x86_raise(c, EXC_GP, error); }
void x86_mode_changed(X86Cpu *c) { }
bool x86_has_feature(const X86Cpu *c, X86Feature f) { return true; }
uint64_t x86_seg_linear(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes, bool write) { return offset; }
uint64_t x86_ld(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes) { return dbt_load(&c->dbt, offset, bytes); }
void x86_st(X86Cpu *c, unsigned s, uint64_t offset, uint64_t value, unsigned bytes) { memcpy((void *)offset, &value, bytes); }
uint64_t dbt_load(DbtCpu *c, uint64_t linear, unsigned bytes)
{
    uint64_t v = 0;
    memcpy(&v, (void *)linear, bytes);
    return v;
}
void dbt_load_bytes(DbtCpu *c, uint64_t linear, void *to, unsigned n) { memcpy(to, (void *)linear, n); }
void dbt_store_bytes(DbtCpu *c, uint64_t linear, const void *from, unsigned n) { memcpy((void *)linear, from, n); }
void dbt_check(DbtCpu *c, uint64_t linear, unsigned bytes, DbtAccess access) { }
