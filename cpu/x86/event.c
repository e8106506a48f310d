/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.c -- what happens between two instructions: interrupts, INIT and SIPI, debug traps,
 * shadows, halts; and the pins through which the rest of the machine asks for them.
 *
 * Spec: Intel SDM (325462) vol. 3 6.9 (priorities), 6.8 (masking, shadows), ch. 18 (debug), 9.4
 *   (INIT, SIPI).
 * Omits: machine checks.
 * Threads: the pins (x86_set_intr() ...) are called from any thread and only set atomics; the rest
 *   is the vCPU's own.
 */
#include "cpu/x86/sys.h"
#include "cpu/x86/simd.h"
#include "core/machine.h"

/* in `shadow`: the instruction it covers is the one being run */
enum { SHADOW_RUNNING = 0x80 };
enum { DR6_BS = 0x4000, DR7_ENABLED = 0xff };

/* ---- pins ---- */
static void post(Vcpu *v, uint32_t event)
{
    __atomic_fetch_or(&((X86Cpu *)v)->events, event, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

void x86_attach_apic(Vcpu *v, const ApicOps *ops, void *apic)
{
    X86Cpu *c = (X86Cpu *)v;

    c->apic_ops = ops;
    c->apic = apic;
}

void x86_set_intr(Vcpu *v, bool level)
{
    X86Cpu *c = (X86Cpu *)v;

    if (level) {
        post(v, X86_EV_INTR);
    } else {
        __atomic_fetch_and(&c->events, ~(uint32_t)X86_EV_INTR, __ATOMIC_SEQ_CST);
    }
}

void x86_nmi(Vcpu *v) { post(v, X86_EV_NMI); }
void x86_smi(Vcpu *v) { post(v, X86_EV_SMI); }
void x86_init_signal(Vcpu *v) { post(v, X86_EV_INIT); }

void x86_sipi(Vcpu *v, uint8_t vector)
{
    __atomic_store_n(&((X86Cpu *)v)->sipi_vector, vector, __ATOMIC_RELEASE);
    post(v, X86_EV_SIPI);
}

void x86_set_a20(Machine *m, bool on)
{
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        X86Cpu *c = g_ptr_array_index(m->vcpus, i);
        if (__atomic_exchange_n(&c->a20_off, !on, __ATOMIC_SEQ_CST) == !on) {
            continue;
        }
        if (vcpu_current == &c->dbt.vcpu) {
            x86_apply_a20(c);
        } else {
            post(&c->dbt.vcpu, X86_EV_A20);
        }
    }
}

bool x86_get_a20(Machine *m)
{
    return m->vcpus->len == 0 ||
           !__atomic_load_n(&((X86Cpu *)g_ptr_array_index(m->vcpus, 0))->a20_off, __ATOMIC_RELAXED);
}

/* ---- x87 errors with CR0.NE = 0 (SDM vol. 1 appendix D) ---- */
void x86_connect_ferr(Vcpu *v, void (*sink)(void *dev, unsigned n, bool level), void *dev)
{
    ((X86Cpu *)v)->ferr_sink = sink;
    ((X86Cpu *)v)->ferr_dev = dev;
}

void x86_set_ignne(Vcpu *v, bool level)
{
    __atomic_store_n(&((X86Cpu *)v)->ignne, level, __ATOMIC_SEQ_CST);
}

void x86_ferr(X86Cpu *c, bool level)
{
    Machine *m = c->dbt.vcpu.machine;

    if (c->ferr != level) {
        c->ferr = level;
        if (c->ferr_sink) {
            machine_lock(m);
            c->ferr_sink(c->ferr_dev, 0, level);
            machine_unlock(m);
        }
    }
}

/*
 * The processor stands at this instruction until an interrupt: with IRQ 13 masked or IF = 0,
 * another one.
 */
void x86_ferr_wait(X86Cpu *c)
{
    if (__atomic_load_n(&c->ignne, __ATOMIC_SEQ_CST) || !c->ferr_sink) {
        return;
    }
    if (x86_wanted(c, SVM_EXIT_FERR_FREEZE)) {
        x86_svm_exit(c, SVM_EXIT_FERR_FREEZE, 0, 0, NULL);
    }
    c->shadow = 0;                     /* a shadow over this instruction ends, though it does not */
    c->activity = X86_HLT;
    x86_poll_soon(c);
    dbt_leave(&c->dbt);
}

/* ---- events at an instruction boundary ---- */
static void take(X86Cpu *c, uint32_t event)
{
    __atomic_fetch_and(&c->events, ~event, __ATOMIC_SEQ_CST);
}

bool x86_shadowed(X86Cpu *c)
{
    if (c->shadow && c->shadow_pc != UINT64_MAX && c->shadow_pc != c->dbt.pc) {
        c->shadow = 0;
    }
    return c->shadow;
}

static bool is_bsp(X86Cpu *c)
{
    return c->apic_ops ? c->apic_ops->get_base(c->apic) & APIC_BASE_BSP : c->dbt.vcpu.index == 0;
}

/*
 * Not in the handler, not before a SIPI, not in a guest (whose hypervisor may ask for it), and
 * after the instruction that a shadow covers.
 */
static bool takes_smi(X86Cpu *c)
{
    return !c->in_smm && !c->svm.guest && c->activity != X86_WAIT_SIPI && !x86_shadowed(c);
}

static void start_at(X86Cpu *c, uint8_t vector)
{
    c->seg[S_CS].selector = (uint16_t)(vector << 8);
    c->seg[S_CS].base = (uint64_t)vector << 12;
    x86_seg_update(c, S_CS);
    x86_set_pc(c, 0);
    c->activity = X86_RUN;
    dbt_mode_changed(&c->dbt);
}

/* SMI, INIT, SIPI and the A20 pin: those that are no interrupts. */
static bool resets(X86Cpu *c, uint32_t ev)
{
    bool done = false;

    if (ev & X86_EV_A20) {
        take(c, X86_EV_A20);
        x86_apply_a20(c);
    }
    if (!c->svm.gif) {
        return false;                   /* STGI lets the others in (APM vol. 2 15.17) */
    }
    if (ev & X86_EV_SMI && x86_wanted(c, SVM_EXIT_SMI)) {
        x86_svm_exit(c, SVM_EXIT_SMI, 0, 0, NULL);
    }
    if (ev & X86_EV_INIT && x86_wanted(c, SVM_EXIT_INIT)) {
        x86_svm_exit(c, SVM_EXIT_INIT, 0, 0, NULL);
    }
    if (ev & X86_EV_INIT && c->svm.vm_cr & VM_CR_R_INIT) {
        take(c, X86_EV_INIT);
        x86_raise(c, SVM_EXC_SX, 1);
    }
    if (ev & X86_EV_SMI && !x86_has_smm(c)) {
        take(c, X86_EV_SMI);
    } else if (ev & X86_EV_SMI && takes_smi(c)) {
        take(c, X86_EV_SMI);
        x86_smm_enter(c);
        return true;
    }
    if (ev & X86_EV_INIT && !c->in_smm) {
        take(c, X86_EV_INIT | X86_EV_NMI);
        x86_reset_state(c, true);
        c->activity = is_bsp(c) ? X86_RUN : X86_WAIT_SIPI;
        done = true;
    }
    if (ev & X86_EV_SIPI) {
        take(c, X86_EV_SIPI);
        if (c->activity == X86_WAIT_SIPI) {
            start_at(c, __atomic_load_n(&c->sipi_vector, __ATOMIC_ACQUIRE));
            done = true;
        }
    }
    return done;
}

/* The one that a hypervisor left for its guest (APM vol. 2 15.21). */
static bool virtual_interrupt(X86Cpu *c)
{
    if (!x86_vintr_open(c)) {
        return false;
    }
    if (x86_wanted(c, SVM_EXIT_VINTR)) {
        x86_svm_exit(c, SVM_EXIT_VINTR, 0, 0, NULL);
    }
    x86_deliver(c, x86_vintr_ack(c), EVENT_INTERRUPT, false, 0, x86_rip(c));
    return true;
}

bool x86_interrupt(DbtCpu *dc)
{
    X86Cpu *c = (X86Cpu *)dc;
    uint32_t ev = x86_events(c);
    int vector;

    if (G_UNLIKELY(c->activity == X86_MWAIT)) {
        x86_wait_end(c);
    }
    if (G_UNLIKELY(c->acked)) {
        vector = c->acked & 0xff;
        c->acked = 0;
        x86_deliver(c, (unsigned)vector, EVENT_INTERRUPT, false, 0, x86_rip(c));
        return true;
    }
    if (!ev) {
        return false;
    }
    if (ev & (X86_EV_A20 | X86_EV_INIT | X86_EV_SIPI | X86_EV_SMI) && resets(c, ev)) {
        return true;
    }
    if (c->activity == X86_WAIT_SIPI || c->activity == X86_SHUTDOWN || !c->svm.gif ||
        x86_shadowed(c)) {
        return false;
    }
    if (ev & X86_EV_NMI && x86_wanted(c, SVM_EXIT_NMI)) {
        x86_svm_exit(c, SVM_EXIT_NMI, 0, 0, NULL);      /* it stays pending */
    }
    if (ev & X86_EV_NMI && !c->nmi_blocked) {
        take(c, X86_EV_NMI);
        c->nmi_blocked = true;
        x86_deliver(c, EXC_NMI, EVENT_INTERRUPT, false, 0, x86_rip(c));
        return true;
    }
    if (!(ev & X86_EV_INTR) || !x86_intr_open(c) || !c->apic_ops) {
        return virtual_interrupt(c);
    }
    if (x86_wanted(c, SVM_EXIT_INTR)) {
        x86_svm_exit(c, SVM_EXIT_INTR, 0, 0, NULL);
    }
    vector = c->apic_ops->ack(c->apic);
    if (vector < 0) {
        return false;
    }
    if (log_on(LOG_INT)) {
        log_write("cpu%u: interrupt %02x at %04x:%llx\n", c->dbt.vcpu.index, vector,
                  c->seg[S_CS].selector, (unsigned long long)x86_rip(c));
    }
    x86_deliver(c, (unsigned)vector, EVENT_INTERRUPT, false, 0, x86_rip(c));
    return true;
}

bool x86_idle(DbtCpu *dc)
{
    return ((X86Cpu *)dc)->activity != X86_RUN;
}

/* What ends a halt. */
bool x86_halt_over(X86Cpu *c)
{
    uint32_t ev = x86_events(c);

    if (!c->svm.gif) {
        return ev & X86_EV_A20;
    }
    return ev & X86_EV_A20 || (ev & X86_EV_INIT && !c->in_smm) ||
           (ev & X86_EV_SMI && !c->in_smm && (!c->svm.guest || x86_wanted(c, SVM_EXIT_SMI))) ||
           (ev & X86_EV_NMI && !c->nmi_blocked) ||
           (ev & X86_EV_NMI && x86_wanted(c, SVM_EXIT_NMI)) ||
           (ev & X86_EV_INTR && x86_intr_open(c)) || (ev & X86_EV_VINTR && x86_vintr_open(c));
}

bool x86_has_work(Vcpu *v)
{
    X86Cpu *c = (X86Cpu *)v;
    uint32_t ev = x86_events(c);

    if (!c->svm.gif && c->activity != X86_RUN && c->activity != X86_MWAIT) {
        return ev & X86_EV_A20;
    }
    switch (c->activity) {
    case X86_WAIT_SIPI:
    case X86_SHUTDOWN:
        return ev & (X86_EV_INIT | X86_EV_SIPI | X86_EV_A20);
    case X86_HLT:
        return x86_halt_over(c);
    case X86_MWAIT:
        return x86_wait_over(c);
    default:
        return true;
    }
}

/* ---- debug (SDM vol. 3 18.2) ---- */
static bool bp_enabled(const X86Cpu *c, unsigned i) { return (c->dr[7] >> (i * 2)) & 3; }
static unsigned bp_kind(const X86Cpu *c, unsigned i) { return (c->dr[7] >> (16 + i * 4)) & 3; }

static uint64_t bp_bytes(const X86Cpu *c, unsigned i)
{
    static const uint8_t bytes[] = { 1, 2, 8, 4 };
    return bytes[(c->dr[7] >> (18 + i * 4)) & 3];
}

/*
 * What #AC asks of an access (SDM vol. 3 table 6-7): a double extended 8, a 128-bit operand 16;
 * halves of a 256-bit operand are such (AMD processors; Intel leaves it open).
 */
static unsigned alignment(unsigned bytes)
{
    switch (bytes) {
    case 2: case 4: case 8: return bytes;
    case 6: return 4;
    case 10: return 8;
    case 16: case 32: case 64: return 16;
    default: return 1;
    }
}

void x86_accessed(DbtCpu *dc, uint64_t linear, unsigned bytes, bool write)
{
    X86Cpu *c = (X86Cpu *)dc;

    if (c->cpl == 3 && c->rflags & EF_AC && c->cr0 & CR0_AM && !c->no_ac &&
        linear & (alignment(bytes) - 1) &&
        (!x86_lma(c) || (x86_canonical(linear) && x86_canonical(linear + bytes - 1)))) {
        x86_raise(c, EXC_AC, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t n = bp_bytes(c, i), at = c->dr[i] & ~(n - 1);
        unsigned kind = bp_kind(c, i);
        if (bp_enabled(c, i) && (kind == 3 || (kind == 1 && write)) && linear < at + n &&
            at < linear + bytes) {
            c->dr6_hit |= (uint8_t)(1u << i);
        }
    }
}

void x86_io_accessed(X86Cpu *c, unsigned port, unsigned bytes)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t n = bp_bytes(c, i), at = c->dr[i] & ~(n - 1);
        if (bp_enabled(c, i) && bp_kind(c, i) == 2 && port < at + n && at < port + bytes) {
            c->dr6_hit |= (uint8_t)(1u << i);
        }
    }
}

static void insn_breakpoints(X86Cpu *c)
{
    uint64_t hit = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (bp_kind(c, i) == 0 && c->dr[i] == c->dbt.pc) {
            hit |= 1u << i | (bp_enabled(c, i) ? 0x10 : 0);
        }
    }
    if (hit & 0x10) {
        x86_raise_db(c, hit & 0xf);
    }
}

bool x86_single(DbtCpu *dc)
{
    X86Cpu *c = (X86Cpu *)dc;
    uint32_t debug = c->mode_cr & (X86_MODE_SINGLE | X86_MODE_WATCH);
    bool need;

    if (G_LIKELY(!c->shadow && !(c->rflags & EF_TF) && !debug)) {
        return false;
    }
    c->tf_start = c->rflags & EF_TF;
    c->rf_start = c->rflags & EF_RF;
    c->dr6_hit = 0;
    need = c->tf_start || debug;
    if (x86_shadowed(c) && (c->shadow & SHADOW_SS || x86_events(c) || need)) {
        c->shadow |= SHADOW_RUNNING;
        need = true;
    }
    if (debug & X86_MODE_SINGLE && !c->rf_start) {
        insn_breakpoints(c);
    }
    return need;
}

void x86_insn_done(DbtCpu *dc)
{
    X86Cpu *c = (X86Cpu *)dc;
    uint64_t bits = c->dr6_hit;

    if (c->shadow & SHADOW_RUNNING) {
        c->shadow = 0;
        if (x86_events(c)) {
            x86_poll_soon(c);
        }
    }
    if (c->rf_start) {
        c->rf_start = false;
        x86_set_rflags(c, 0, EF_RF);
    }
    if (c->tf_start && !(c->shadow & SHADOW_SS)) {      /* MOV SS holds the trap off */
        bits |= DR6_BS;
    }
    c->tf_start = false;
    c->dr6_hit = 0;
    if (G_UNLIKELY(bits)) {
        x86_raise_db(c, bits);
    }
}
