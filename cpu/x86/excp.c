/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * excp.c -- exceptions and interrupts: how they are delivered in each mode, double and triple
 * faults.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 6, 20.3 (virtual-8086), vol. 2 (INT n).
 * Threads: the vCPU's own.
 *
 * Delivery changes nothing before its last check and its last store have passed, so that a fault on
 * the way finds the state of the instruction and is delivered in its turn (x86_raise() calls itself
 * through the MMU's fault).
 */
#include "cpu/x86/sys.h"
#include "core/machine.h"

/* ---- system mode ---- */
void x86_system_begin(X86Cpu *c)
{
    if (c->sys_cpl >= 0) {
        return;
    }
    c->sys_cpl = (int8_t)c->cpl;
    c->sys_ac = c->rflags & EF_AC;
    if (c->cpl < 3 && !c->sys_ac) {
        return;
    }
    c->cpl = 0;
    c->rflags &= ~(uint64_t)EF_AC;
    dbt_mode_changed(&c->dbt);
}

/* The caller then tells dbt_mode_changed(), when CS is loaded. */
void x86_system_end(X86Cpu *c, unsigned cpl)
{
    c->sys_cpl = -1;
    c->cpl = (uint8_t)cpl;
    if (c->sys_ac) {
        c->rflags |= EF_AC;
    }
}

/* ---- double faults (SDM vol. 3 table 6-5) ---- */
static bool contributory(int v)
{
    return v == EXC_DE || (v >= EXC_TS && v <= EXC_GP);
}

void x86_shutdown(X86Cpu *c)
{
    if (x86_wanted(c, SVM_EXIT_SHUTDOWN)) {
        c->svm.event = 0;
        x86_svm_exit(c, SVM_EXIT_SHUTDOWN, 0, 0, NULL);
    }
    if (log_on(LOG_INT | LOG_CPU_RESET)) {
        GString *s = g_string_new(NULL);
        x86_cpu_ops.dump(&c->dbt.vcpu, s);
        log_write("cpu%u: shutdown\n%s", c->dbt.vcpu.index, s->str);
        g_string_free(s, TRUE);
    }
    c->delivering = -1;
    c->ext = 0;
    c->activity = X86_SHUTDOWN;
    machine_reset_request(c->dbt.vcpu.machine, "triple fault");
    x86_poll_soon(c);
    dbt_mode_changed(&c->dbt);
    dbt_leave(&c->dbt);
}

/* What becomes of a fault while another is being delivered. */
static unsigned combine(X86Cpu *c, unsigned vector, uint32_t *error)
{
    int first = c->delivering;

    if (first < 0) {
        return vector;
    }
    if (first == EXC_DF) {
        x86_shutdown(c);
    }
    if ((contributory(first) && contributory((int)vector)) ||
        (first == EXC_PF && (vector == EXC_PF || contributory((int)vector)))) {
        *error = 0;
        return EXC_DF;
    }
    return vector;
}

static bool pushes_error(unsigned vector)
{
    return (1u << EXC_DF | 1u << EXC_TS | 1u << EXC_NP | 1u << EXC_SS | 1u << EXC_GP |
            1u << EXC_PF | 1u << EXC_AC | 1u << SVM_EXC_SX) >>
               vector &
           1;
}

/*
 * #AC and #DB are benign: each may come while the other kinds are delivered, and those while it is,
 * for ever (a handler in user code with a misaligned stack).  A processor loops there; so do we, by
 * starting the instruction again, since that lets the machine stop.
 */
enum { NESTED_MAX = 8 };

/* Comes back when the handler has been entered. */
static void enter(X86Cpu *c, unsigned vector, X86EventKind kind, uint32_t error)
{
    if (c->sys_cpl >= 0) {
        x86_system_end(c, (unsigned)c->sys_cpl);
        dbt_mode_changed(&c->dbt);
    }
    c->no_ac = false;
    if (c->delivering < 0) {
        c->nested = 0;
    } else if (++c->nested > NESTED_MAX) {
        c->delivering = -1;
        c->svm.event = 0;
        dbt_leave(&c->dbt);
    }
    if (vector != EXC_PF) {             /* those are the MMU's: guest.c */
        x86_svm_exception(c, vector, error, 0);
    }
    if (combine(c, vector, &error) != vector) {
        vector = EXC_DF;
        c->svm.event = 0;
        x86_svm_exception(c, vector, 0, 0);
    }
    c->svm.event = 0;
    if (log_on(LOG_INT)) {
        log_write("cpu%u: exception %u error %x at %04x:%llx cpl %u rsp %llx cr2 %llx\n",
                  c->dbt.vcpu.index, vector, error, c->seg[S_CS].selector,
                  (unsigned long long)x86_rip(c), c->cpl, (unsigned long long)c->dbt.gpr[R_RSP],
                  (unsigned long long)c->cr2);
    }
    c->delivering = (int16_t)vector;
    x86_deliver(c, vector, kind, pushes_error(vector), error, x86_rip(c));
}

void x86_raise(X86Cpu *c, unsigned vector, uint32_t error)
{
    enter(c, vector, vector == EXC_DB ? EVENT_TRAP : EVENT_FAULT, error);
    dbt_leave(&c->dbt);
}

void x86_enter_page_fault(X86Cpu *c, uint32_t error)
{
    enter(c, EXC_PF, EVENT_FAULT, error);
}

void x86_raise_ud(X86Cpu *c)
{
    x86_raise(c, EXC_UD, 0);
}

void x86_raise_gp(X86Cpu *c, uint32_t error)
{
    x86_raise(c, EXC_GP, error);
}

void x86_raise_db(X86Cpu *c, uint64_t dr6_bits)
{
    c->dr[6] = (c->dr[6] & ~0xfull) | dr6_bits;
    c->dr[7] &= ~0x2000ull;             /* general detect is off in the handler */
    x86_raise(c, EXC_DB, 0);
}

/* ---- real mode ---- */
static void deliver_real(X86Cpu *c, unsigned vector, uint64_t return_rip)
{
    uint64_t entry;
    X86Stack s;

    if (vector * 4 + 3 > c->idt_limit) {
        x86_raise(c, EXC_GP, vector * 8 + 2 + c->ext);
    }
    entry = x86_sys_ld(c, c->idt_base + vector * 4, 4);
    x86_stack_current(c, &s);
    x86_push(&s, x86_rflags(c), 2);
    x86_push(&s, c->seg[S_CS].selector, 2);
    x86_push(&s, return_rip, 2);
    x86_stack_commit(c, &s);
    x86_seg_real(c, S_CS, (unsigned)(entry >> 16));
    x86_set_pc(c, entry & 0xffff);
    c->rflags &= ~(uint64_t)(EF_IF | EF_TF | EF_AC | EF_RF);
}

/* ---- protected mode ---- */
static void gate_flags(X86Cpu *c, bool interrupt_gate)
{
    c->rflags &= ~(uint64_t)(EF_TF | EF_NT | EF_RF | EF_VM | (interrupt_gate ? EF_IF : 0));
}

static uint64_t saved_flags(X86Cpu *c, unsigned vector, X86EventKind kind)
{
    uint64_t f = x86_rflags(c);

    return kind == EVENT_FAULT && vector != EXC_DF && vector != EXC_MC ? f | EF_RF : f;
}

/* The handler's code segment: its descriptor, after all checks. */
static uint64_t handler_cs(X86Cpu *c, unsigned selector, unsigned cpl)
{
    uint64_t desc;

    if (!(selector & 0xfffc)) {
        x86_raise_gp(c, c->ext);
    }
    desc = x86_desc_need(c, selector, EXC_GP);
    if (!desc_is_code(desc) || desc_dpl(desc) > cpl) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    if (x86_lma(c) && (!desc_l(desc) || desc_d(desc))) {
        x86_raise_sel(c, EXC_GP, selector);
    }
    if (!desc_p(desc)) {
        x86_raise_sel(c, EXC_NP, selector);
    }
    return desc;
}

static void push_vm86_segs(X86Cpu *c, X86Stack *s, unsigned n)
{
    static const uint8_t order[] = { S_GS, S_FS, S_DS, S_ES };

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        x86_push(s, c->seg[order[i]].selector, n);
    }
}

typedef struct Event {
    unsigned vector;
    X86EventKind kind;
    bool     has_error;
    uint32_t error;
    uint64_t return_rip;
} Event;

static void deliver_inner(X86Cpu *c, const Event *e, unsigned n, unsigned sel, uint64_t desc,
                          uint64_t rip, bool int_gate)
{
    unsigned dpl = desc_dpl(desc);
    bool vm = x86_vm(c);
    uint64_t sp, ss_desc, flags = saved_flags(c, e->vector, e->kind), old_sp = c->dbt.gpr[R_RSP];
    uint16_t ss;
    X86Stack s;

    x86_tss_stack(c, dpl, &ss, &sp);
    ss_desc = x86_check_inner_ss(c, ss, dpl);
    if (rip > desc_limit(desc)) {
        x86_raise_gp(c, c->ext);
    }
    x86_stack_new(c, &s, ss, ss_desc, sp);
    x86_system_begin(c);
    if (vm) {
        push_vm86_segs(c, &s, n);
    }
    x86_push(&s, c->seg[S_SS].selector, n);
    x86_push(&s, old_sp, n);
    x86_push(&s, flags, n);
    x86_push(&s, c->seg[S_CS].selector, n);
    x86_push(&s, e->return_rip, n);
    if (e->has_error) {
        x86_push(&s, e->error, n);
    }
    x86_desc_accessed(c, sel, &desc);
    x86_desc_accessed(c, ss, &ss_desc);
    x86_system_end(c, dpl);
    gate_flags(c, int_gate);
    x86_seg_set(c, S_CS, (sel & 0xfffc) | dpl, desc);
    x86_seg_set(c, S_SS, ss, ss_desc);
    if (vm) {
        static const uint8_t data[] = { S_ES, S_DS, S_FS, S_GS };
        for (unsigned i = 0; i < G_N_ELEMENTS(data); i++) {
            x86_seg_null(c, data[i], 0);
        }
    }
    x86_stack_commit(c, &s);
    x86_set_pc(c, rip);
}

static void deliver_same(X86Cpu *c, const Event *e, unsigned n, unsigned sel, uint64_t desc,
                         uint64_t rip, bool int_gate)
{
    X86Stack s;

    if (rip > desc_limit(desc)) {
        x86_raise_gp(c, c->ext);
    }
    x86_stack_current(c, &s);
    x86_push(&s, saved_flags(c, e->vector, e->kind), n);
    x86_push(&s, c->seg[S_CS].selector, n);
    x86_push(&s, e->return_rip, n);
    if (e->has_error) {
        x86_push(&s, e->error, n);
    }
    x86_desc_accessed(c, sel, &desc);
    gate_flags(c, int_gate);
    x86_seg_set(c, S_CS, (sel & 0xfffc) | c->cpl, desc);
    x86_stack_commit(c, &s);
    x86_set_pc(c, rip);
}

static void deliver_protected(X86Cpu *c, const Event *e)
{
    uint32_t off = e->vector * 8, gate_error = off + 2 + c->ext;
    uint64_t gate, desc, rip;
    unsigned type, sel, n;

    if (off + 7 > c->idt_limit) {
        x86_raise_gp(c, gate_error);
    }
    gate = x86_sys_ld(c, c->idt_base + off, 8);
    type = desc_type(gate);
    if (desc_s(gate) ||
        !(type == DT_TASK || type == DT_INT16 || type == DT_TRAP16 || type == DT_INT32 ||
          type == DT_TRAP32) ||
        (e->kind == EVENT_SOFT && desc_dpl(gate) < c->cpl)) {
        x86_raise_gp(c, gate_error);
    }
    if (!desc_p(gate)) {
        x86_raise(c, EXC_NP, gate_error);
    }
    sel = (gate >> 16) & 0xffff;
    if (type == DT_TASK) {
        if (e->kind == EVENT_FAULT && e->vector != EXC_DF && e->vector != EXC_MC) {
            c->rflags |= EF_RF;         /* into the outgoing TSS */
        }
        x86_task_gate(c, sel, TASK_INT, e->return_rip, e->has_error, e->error);
        return;
    }
    desc = handler_cs(c, sel, c->cpl);
    n = type & 8 ? 4 : 2;
    rip = (gate & 0xffff) | (n == 4 ? (gate >> 32) & 0xffff0000 : 0);
    if (x86_vm(c) && (desc_conforming(desc) || desc_dpl(desc) != 0)) {
        x86_raise_sel(c, EXC_GP, sel);
    }
    if (!desc_conforming(desc) && desc_dpl(desc) < c->cpl) {
        deliver_inner(c, e, n, sel, desc, rip, !(type & 1));
    } else {
        deliver_same(c, e, n, sel, desc, rip, !(type & 1));
    }
}

/* ---- long mode ---- */
static uint64_t tss_rsp(X86Cpu *c, unsigned at)
{
    if (at + 7 > c->seg[S_TR].limit) {
        x86_raise_sel(c, EXC_TS, c->seg[S_TR].selector);
    }
    return dbt_load(&c->dbt, c->seg[S_TR].base + at, 8);
}

/* SS, RSP, RFLAGS, CS, RIP and the error code below rsp; returns the new RSP. */
static uint64_t push_frame(X86Cpu *c, const Event *e, uint64_t rsp, uint64_t flags)
{
    uint64_t frame[6] = { e->error, e->return_rip, c->seg[S_CS].selector, flags, c->dbt.gpr[R_RSP],
                          c->seg[S_SS].selector };
    unsigned first = e->has_error ? 0 : 1, bytes = (6 - first) * 8, n = bytes;
    void *host;

    rsp -= bytes;
    if (!x86_canonical(rsp) || !x86_canonical(rsp + bytes - 1)) {
        x86_raise(c, EXC_SS, c->ext);
    }
    host = dbt_at_hand(&c->dbt, rsp, bytes, true);
    if (!host) {
        host = dbt_host(&c->dbt, rsp, ACCESS_WRITE, &n);
    }
    if (G_LIKELY(host && n >= bytes)) {
        memcpy(host, &frame[first], bytes);
    } else {
        for (unsigned i = 6; i-- > first;) {
            dbt_store(&c->dbt, rsp + (i - first) * 8, frame[i], 8);
        }
    }
    return rsp;
}

static void deliver_long(X86Cpu *c, const Event *e)
{
    uint32_t off = e->vector * 16, gate_error = e->vector * 8 + 2 + c->ext;
    unsigned old_cpl = c->cpl, cpl, type, sel, ist;
    uint64_t gate, upper, desc, rip, rsp, flags = saved_flags(c, e->vector, e->kind);

    if (off + 15 > c->idt_limit) {
        x86_raise_gp(c, gate_error);
    }
    x86_system_begin(c);
    gate = dbt_load(&c->dbt, c->idt_base + off, 8);
    upper = dbt_load(&c->dbt, c->idt_base + off + 8, 8);
    type = desc_type(gate);
    if (desc_s(gate) || (type & ~1u) != DT_INT32 ||
        (e->kind == EVENT_SOFT && desc_dpl(gate) < old_cpl)) {
        x86_raise_gp(c, gate_error);
    }
    if (!desc_p(gate)) {
        x86_raise(c, EXC_NP, gate_error);
    }
    sel = (gate >> 16) & 0xffff;
    desc = handler_cs(c, sel, old_cpl);
    cpl = desc_conforming(desc) ? old_cpl : desc_dpl(desc);
    ist = (gate >> 32) & 7;
    rsp = ist             ? tss_rsp(c, 0x24 + (ist - 1) * 8)
          : cpl < old_cpl ? tss_rsp(c, 4 + cpl * 8)
                          : c->dbt.gpr[R_RSP];
    rip = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | upper << 32;
    if (!x86_canonical(rip)) {
        x86_raise_gp(c, c->ext);
    }
    x86_desc_accessed(c, sel, &desc);
    if (cpl == 3) {                     /* a handler in user code: its stack is the user's */
        x86_system_end(c, 3);
        dbt_mode_changed(&c->dbt);
    }
    rsp = push_frame(c, e, rsp & ~15ull, flags);
    if (cpl != 3) {
        x86_system_end(c, cpl);
    }
    gate_flags(c, !(type & 1));
    if (cpl < old_cpl) {
        c->seg[S_SS] = (X86Seg){ .selector = (uint16_t)cpl,
                                 .attr = (uint16_t)(cpl << ATTR_DPL_SHIFT),
                                 .hi_read = -1, .hi_write = -1 };
    }
    x86_seg_set(c, S_CS, (sel & 0xfffc) | cpl, desc);
    c->dbt.gpr[R_RSP] = rsp;
    c->dbt.pc = rip;
}

void x86_deliver(X86Cpu *c, unsigned vector, X86EventKind kind, bool has_error, uint32_t error,
                 uint64_t return_rip)
{
    const Event e = { vector, kind, has_error, error, return_rip };

    if (G_UNLIKELY(c->svm.guest) && !c->svm.event) {
        x86_svm_delivering(c, vector, kind, has_error, error);
    }
    c->ext = kind != EVENT_SOFT;
    if (!x86_pe(c)) {
        deliver_real(c, vector, return_rip);
    } else if (x86_lma(c)) {
        deliver_long(c, &e);
    } else {
        deliver_protected(c, &e);
    }
    c->ext = 0;
    c->delivering = -1;
    c->svm.event = 0;
    c->shadow = 0;
    c->tf_start = false;
    c->activity = X86_RUN;
    dbt_mode_changed(&c->dbt);
}

/* ---- INT and relatives ---- */
static uint64_t soft(X86Cpu *c, unsigned vector, X86EventKind kind, uint64_t len)
{
    uint64_t next = x86_rip(c) + len;

    if (!x86_code64(c)) {
        next = (uint32_t)next;
    }
    if (log_on(LOG_INT)) {
        log_write("cpu%u: int %02x at %04x:%llx eax %08x\n", c->dbt.vcpu.index, vector,
                  c->seg[S_CS].selector, (unsigned long long)x86_rip(c),
                  (uint32_t)c->dbt.gpr[R_RAX]);
    }
    x86_deliver(c, vector, kind, false, 0, next);
    return 0;
}

/* INT3 and INTO are exceptions to a hypervisor. */
static uint64_t soft_exception(X86Cpu *c, unsigned vector, uint64_t len)
{
    x86_svm_exception(c, vector, 0, 0);
    if (c->svm.guest) {
        x86_svm_delivering(c, vector, EVENT_FAULT, false, 0);
    }
    return soft(c, vector, EVENT_SOFT, len & 0xff);
}

uint64_t x86_h_int(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    X86Cpu *c = cpu;

    x86_intercept(c, SVM_EXIT_SWINT, (uint8_t)a);
    if (x86_vm(c)) {
        if (x86_vm_redirect(c, (uint8_t)a, x86_rip(c) + (len & 0xff))) {
            return 0;
        }
        if (x86_iopl(c) < 3) {
            x86_raise_gp(c, 0);
        }
    }
    return soft(c, (uint8_t)a, EVENT_SOFT, len & 0xff);
}

uint64_t x86_h_int3(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    return soft_exception(cpu, EXC_BP, len);
}

uint64_t x86_h_int1(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    x86_intercept(cpu, SVM_EXIT_ICEBP, 0);
    return soft(cpu, EXC_DB, EVENT_INT1, len & 0xff);
}

uint64_t x86_h_into(void *cpu, uint64_t a, uint64_t b, uint64_t len)
{
    X86Cpu *c = cpu;

    if (x86_fl_to_eflags(c->dbt.fl) & EF_OF) {
        return soft_exception(c, EXC_OF, len);
    }
    x86_set_pc(c, x86_rip(c) + (len & 0xff));
    return 0;
}

uint64_t x86_h_bound(void *cpu, uint64_t index, uint64_t offset, uint64_t d)
{
    X86Cpu *c = cpu;
    unsigned s = d & 0xff, n = (d >> 8) & 0xff;
    int64_t i, low, high;

    x86_seg_linear(c, s, offset, n * 2, false);
    if (n == 2) {
        i = (int16_t)index;
        low = (int16_t)x86_ld(c, s, offset, 2);
        high = (int16_t)x86_ld(c, s, (uint32_t)(offset + 2), 2);
    } else {
        i = (int32_t)index;
        low = (int32_t)x86_ld(c, s, offset, 4);
        high = (int32_t)x86_ld(c, s, (uint32_t)(offset + 4), 4);
    }
    if (i < low || i > high) {
        x86_raise(c, EXC_BR, 0);
    }
    return 0;
}

uint64_t x86_h_raise(void *cpu, uint64_t a, uint64_t b, uint64_t d)
{
    x86_raise(cpu, (unsigned)a, (uint32_t)b);
    return 0;
}
