/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fphost.c -- running one instruction on the host, and the few functions of a CPU that FP code
 * calls.
 *
 * Omits: hosts other than x86-64, where host_run() is not called.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "accel/dbt/internal.h"
#include "cpu/x86/translate.h"
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
    /* the RET after the instruction */
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)buffer + code_bytes;
    u->uc_mcontext.fpregs->mxcsr |= X86_MXCSR_MASKS;
}

void host_init(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };
    buffer =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
static X86Cpu *new_cpu(const DbtGuest *guest)
{
    X86Cpu *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
    memset(c, 0, sizeof *c);
    c->dbt.guest = guest;
    c->dbt.ctx = aligned_alloc(_Alignof(DbtContext), sizeof(DbtContext));
    memset(c->dbt.ctx, 0, sizeof(DbtContext));
    dbt_context_empty(c->dbt.ctx);
    dbt_constants(&c->dbt);
    dbt_use(&c->dbt, c->dbt.ctx);
    c->seg[S_CS].attr = ATTR_L;
    c->efer = EFER_LMA;
    memset(c->feat, 0xff, sizeof c->feat);
    c->cr0 = CR0_PE | CR0_NE;
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    c->df = 1;
    c->rflags = 2;
    return c;
}

static G_GNUC_NORETURN void guest_trap(DbtCpu *c, DbtTrap what, unsigned seg)
{
    longjmp(guest_raised, EXC_GP + 1);
}
static uint64_t raise_here(void *c, uint64_t vector, uint64_t error, uint64_t arg)
{
    x86_raise(c, (unsigned)vector, (uint32_t)error);
}
static const IrHelperDesc helpers[XH_N] = {
    [XH_raise] = { "raise", raise_here, H_STATE },
#define H(name) [XH_##name] = { #name, x86_h_##name, H_STATE | H_VEC }
    H(x87),
    H(fwait),
    H(emms),
    H(mmx_check),
    H(mmx_enter),
    H(no_simd),
    H(vop_fp),
    H(maskmovq),
    H(maskmovdqu),
    H(pcmpestrm),
    H(pcmpestri),
    H(pcmpistrm),
    H(pcmpistri),
    H(vex),
    H(vzero),
    H(no_avx),
    H(stmxcsr),
    H(evex),
    H(kop),
    H(now3d),
    H(gf2p8mulb),
    H(gf2p8affineqb),
    H(gf2p8affineinvqb),
#undef H
};
static DbtGuest guest = {
    .trap = guest_trap, .helpers = helpers, .n_helpers = XH_N, .vecs = x86_vecs, .n_vecs = XV_N_ALL, .vex = x86_vex_op, .mode_ymm = X86_MODE_AVX, .n_gpr = 16, .canonical_bits = 48,
    .vec_offset = offsetof(X86Cpu, vec), .vec_stride = sizeof(X86Vec), .mmx_offset = offsetof(X86Cpu, fpr), .mmx_stride = sizeof(X86Fpr),
    .mode_wide = X86_MODE_CODE64, .fpcr_offset = offsetof(X86Cpu, mxcsr), .x87_sw_offset = offsetof(X86Cpu, fpu_sw), .x87_host_offset = offsetof(X86Cpu, host_x87),
    .seg_offset = offsetof(X86Cpu, seg), .seg_stride = sizeof(X86Seg),
    .seg_base = offsetof(X86Seg, base), .seg_lo = offsetof(X86Seg, lo),
    .seg_hi_read = offsetof(X86Seg, hi_read), .seg_hi_write = offsetof(X86Seg, hi_write),
    .cs_base = offsetof(X86Cpu, seg[S_CS].base), .cs_limit = offsetof(X86Cpu, seg[S_CS].limit),
};
X86Cpu *guest_new(void) { return new_cpu(&guest); }

static unsigned refusals;               /* that dbt_refill() may still make */

/* A block by the native engine: emitted, run once. */
static void run_native(X86Cpu *c, IrBlock *b)
{
#if defined(__x86_64__)
    static DbtMachine d = { .tb_mib = 16, .guest = &guest, .backend = &dbt_backend_x86_64 };
    static bool ready;
    Block block = { 0 };
    if (!ready && !d.backend->init(&d, NULL))
        abort();
    ready = true;
    c->dbt.dbt = &d;
    if (!d.backend->emit(&d, &guest, b, &block)) {
        d.backend->reclaim(&d, 0);
        d.backend->begin(&d, 0);
        if (!d.backend->emit(&d, &guest, b, &block))
            abort();
    }
    d.backend->run(&c->dbt, block.entry);
#endif
}
bool fail(GError **err, const char *fmt, ...) { fprintf(stderr, "%s\n", fmt); return false; }
const void *dbt_lookup(DbtCpu *c) { return NULL; }
const void *dbt_link_lookup(DbtCpu *c, BlockLink *l, unsigned word) { return NULL; }
#include "tests/cpu/no_blocks.h"
const void *dbt_unmerged(DbtCpu *c) { (void)c; return NULL; }

static const uint8_t *code_bytes_at;
static uint64_t code_mode;
enum { CODE_AT = 0x400000, CODE_BYTES = 256 };

static void run_block(X86Cpu *c, IrBlock *b, bool native)
{
    for (unsigned k = 0; k < b->n_insns; k++) {
        if (b->insns[k].op == IR_jmp)
            b->insns[k].live = FL_ALL;                  /* the successor wants them all */
    }
    ir_optimise(b, FL_ALL, helpers);
    GString *why = g_string_new(NULL);
    if (!ir_verify(b, why)) {
        ir_print(b, why);
        printf("not ok block: %s\n", why->str);
        abort();
    }
    g_string_free(why, TRUE);
    refusals = native ? 4 : 0;
    if (native)
        run_native(c, b);
    else
        interp_run(&c->dbt, b);
}

static bool translate_at(X86Cpu *c, IrBlock *b, unsigned max, unsigned left)
{
    unsigned at = (unsigned)(c->dbt.pc - CODE_AT);
    ir_begin(b, c->dbt.pc, X86_MODE_CODE64 | X86_MODE_PE | X86_MODE_FLAT_CS | code_mode);
    x86_translate(&c->dbt, b, code_bytes_at + at, CODE_BYTES - at, NULL, max);
    return b->n_guest && b->guest[0].length <= left - at;
}

/* A check has failed: one instruction by tier 0, then back to guest_translated(). */
const void *dbt_slow(DbtCpu *c)
{
    static IrBlock *b;
    if (!b)
        b = ir_new();
    if (!translate_at((X86Cpu *)c, b, 1, CODE_BYTES))
        abort();
    run_block((X86Cpu *)c, b, false);
    return NULL;
}

const void *dbt_go_on(DbtCpu *c)
{
    return dbt_slow(c);
}

bool guest_translated(X86Cpu *c, const uint8_t *code, unsigned n, uint64_t mode, bool native)
{
    static IrBlock *b;
    uint8_t page[CODE_BYTES] = { 0 };
    if (!b)
        b = ir_new();
    memcpy(page, code, n);
    page[n] = 0xeb;                                     /* jmp to what follows: ends the block */
    code_bytes_at = page;
    code_mode = mode;
    for (c->dbt.pc = CODE_AT; c->dbt.pc < CODE_AT + n; ) {
        if (!translate_at(c, b, 64, n))
            return false;
        run_block(c, b, native);
    }
    return true;
}

/* What the interpreter needs of the run time: memory without a TLB. */
void dbt_access(DbtCpu *c, uint64_t linear, unsigned bytes, unsigned access, DbtAccessDesc *d)
{
    *d = (DbtAccessDesc){ .host = (uint8_t *)linear, .n1 = bytes, .n = bytes };
}
uint64_t dbt_desc_load(DbtCpu *c, const DbtAccessDesc *d, unsigned at, unsigned n)
{
    return dbt_load(c, (uintptr_t)d->host + at, n);
}
void dbt_desc_store(DbtCpu *c, const DbtAccessDesc *d, unsigned at, uint64_t v, unsigned n)
{
    memcpy(d->host + at, &v, n);
}
void dbt_desc_copy(DbtCpu *c, const DbtAccessDesc *d, unsigned at, void *buf, unsigned n,
                   bool store)
{
    g_assert_not_reached();
}
/* refuses now and then: a native block leaves */
void *dbt_refill(DbtCpu *c, uint64_t linear, unsigned n, unsigned access)
{
    if (refusals && random64() % 8 == 0) {
        refusals--;
        return NULL;
    }
    return (void *)linear;
}
void *dbt_host(DbtCpu *c, uint64_t linear, DbtAccess a, unsigned *n) { return NULL; }
void dbt_step(DbtCpu *c) { longjmp(guest_raised, EXC_GP + 1); }
void dbt_exclusive_begin(DbtCpu *c) { }
void dbt_exclusive_end(DbtCpu *c) { }
void dbt_store(DbtCpu *c, uint64_t linear, uint64_t v, unsigned n)
{
    memcpy((void *)linear, &v, n);
}
void x86_set_pc(X86Cpu *c, uint64_t rip) { c->dbt.pc = rip; }
bool x86_io_allowed(X86Cpu *c, unsigned port, unsigned n) { return false; }
void x86_svm_io(X86Cpu *c, unsigned port, unsigned bytes, bool in) { }
unsigned x86_io_in_many(X86Cpu *c, unsigned port, unsigned n, void *to, unsigned k) { return 0; }
uint64_t x86_io_in(X86Cpu *c, unsigned port, unsigned n) { return 0; }
void x86_io_out(X86Cpu *c, unsigned port, uint64_t v, unsigned n) { }

/* What helpers need. */
void x86_raise(X86Cpu *c, unsigned vector, uint32_t error)
{
    longjmp(guest_raised, (int)vector + 1);
}
void x86_raise_ud(X86Cpu *c) { x86_raise(c, EXC_UD, 0); }
void x86_raise_gp(X86Cpu *c, uint32_t error) { x86_raise(c, EXC_GP, error); }
void x86_mode_changed(X86Cpu *c) { }
uint64_t x86_seg_linear(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes, bool write)
{
    return offset;
}
uint64_t x86_ld(X86Cpu *c, unsigned s, uint64_t offset, unsigned bytes)
{
    return dbt_load(&c->dbt, offset, bytes);
}
void x86_st(X86Cpu *c, unsigned s, uint64_t offset, uint64_t value, unsigned bytes)
{
    memcpy((void *)offset, &value, bytes);
}
uint64_t dbt_load(DbtCpu *c, uint64_t linear, unsigned bytes)
{
    uint64_t v = 0;
    memcpy(&v, (void *)linear, bytes);
    return v;
}
/* Memory from guest_forbidden on, for a while, cannot be accessed. */
uint64_t guest_forbidden;
void dbt_check(DbtCpu *c, uint64_t linear, unsigned n, DbtAccess access)
{
    if (guest_forbidden && linear + n > guest_forbidden && linear < guest_forbidden + 4096)
        x86_raise((X86Cpu *)c, EXC_PF, 0);
}
void dbt_load_bytes(DbtCpu *c, uint64_t linear, void *to, unsigned n)
{
    dbt_check(c, linear, n, ACCESS_READ);
    memcpy(to, (void *)linear, n);
}
void dbt_store_bytes(DbtCpu *c, uint64_t linear, const void *from, unsigned n)
{
    dbt_check(c, linear, n, ACCESS_WRITE);
    memcpy((void *)linear, from, n);
}
