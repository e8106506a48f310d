/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svm_exit.c -- what a hypervisor asked to see: intercepted instructions, exceptions and events,
 * and what #VMEXIT tells of them.
 *
 * An instruction's helper calls x86_intercept() where the manual's table of priorities puts the
 * intercept.  What the exit has to say of the instruction (the next RIP, operands, the
 * instruction's bytes) is decoded here from guest memory.
 *
 * Spec: AMD APM (24593) vol. 2 15.7 to 15.14, table 15-7 (priorities), appendix C.
 * Omits: traps after writes of EFER and CRs (SEV-ES alone has them).
 * Threads: the vCPU's own.
 */
#include "cpu/x86/decode.h"
#include "cpu/x86/sys.h"

/* ---- the instruction at pc ---- */
static unsigned code_bytes(X86Cpu *c, uint8_t *to, unsigned n)
{
    unsigned have = 0;
    DbtWalk w;

    while (have < n) {
        uint64_t at = c->dbt.pc + have;
        unsigned part = MIN(n - have, DBT_PAGE - (unsigned)(at & (DBT_PAGE - 1)));
        if (!x86_walk(&c->dbt, at, ACCESS_FETCH | ACCESS_PROBE, &w) ||
            !x86_phys_read(c, w.phys, to + have, part)) {
            break;
        }
        have += part;
    }
    return have;
}

static void look(X86Cpu *c, X86Insn *i, X86SvmBytes *b, bool assist)
{
    uint8_t code[64] = { 0 };
    unsigned n = code_bytes(c, code, 15);

    memset(i, 0, sizeof *i);
    x86_decode(i, code, 15, x86_mode(c));
    *b = (X86SvmBytes){ .next_rip = x86_rip(c) + i->length };
    if (!x86_code64(c)) {
        b->next_rip = (uint32_t)b->next_rip;
    }
    if (assist) {
        b->n = (uint8_t)n;
        memcpy(b->code, code, n);
    }
}

static void leave_system(X86Cpu *c)
{
    if (c->sys_cpl >= 0) {
        x86_system_end(c, (unsigned)c->sys_cpl);
    }
}

/* ---- instructions ---- */
/* MOV to and from CRn and DRn: the general register; SMSW, LMSW and CLTS say 0 (APM 15.8.1). */
static uint64_t moved_register(const X86Insn *i, unsigned code)
{
    if (i->map != 1 || i->opcode < 0x20 || i->opcode > 0x23) {
        return 0;
    }
    return code < SVM_EXIT_DR0_READ ? 1ull << 63 | i->rm : i->rm;
}

void x86_svm_insn(X86Cpu *c, unsigned code, uint64_t info1)
{
    X86SvmBytes b;
    X86Insn i;

    leave_system(c);
    look(c, &i, &b, false);
    if (code < SVM_EXIT_EXCP || code == SVM_EXIT_CR0_SEL_WRITE) {
        info1 = moved_register(&i, code == SVM_EXIT_CR0_SEL_WRITE ? SVM_EXIT_CR0_WRITE : code);
    }
    x86_svm_exit(c, code, info1, 0, &b);
}

/* A write of CR0 that changes more than TS and MP; LMSW always counts as one (APM 15.8.1). */
void x86_svm_cr0_write(X86Cpu *c, uint64_t v, bool lmsw)
{
    x86_intercept(c, SVM_EXIT_CR0_WRITE, 0);
    if (lmsw || (v ^ c->cr0) & ~(uint64_t)(CR0_TS | CR0_MP)) {
        x86_intercept(c, SVM_EXIT_CR0_SEL_WRITE, 0);
    }
}

/* The MSR permission map: two bits each for three ranges (APM 15.11). */
void x86_svm_msr(X86Cpu *c, uint32_t msr, bool write)
{
    static const struct {
        uint32_t first;
        uint16_t at;
    } ranges[] = {{0, 0}, {0xc0000000, 0x800}, {0xc0010000, 0x1000}};

    if (!x86_wanted(c, SVM_EXIT_MSR)) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        uint32_t n = msr - ranges[i].first;
        uint8_t bits = 0xff;
        if (n < 0x2000) {
            x86_phys_read(c, (c->svm.msrpm & c->addr_mask) + ranges[i].at + n / 4, &bits, 1);
            if (!(bits >> (n % 4 * 2 + write) & 1)) {
                return;
            }
        }
    }
    x86_svm_insn(c, SVM_EXIT_MSR, write);
}

/* Ports (APM 15.10).  The map has one bit for each; an access that any of its bits asks for is
 * intercepted. */
void x86_svm_io(X86Cpu *c, unsigned port, unsigned bytes, bool in)
{
    uint16_t bits = 0xffff;
    X86SvmBytes b;
    X86Insn i;
    uint64_t info;

    if (!x86_wanted(c, SVM_EXIT_IOIO)) {
        return;
    }
    x86_phys_read(c, (c->svm.iopm & c->addr_mask) + port / 8, &bits, 2);
    if (!(bits >> (port & 7) & ((1u << bytes) - 1))) {
        return;
    }
    leave_system(c);
    look(c, &i, &b, false);
    info = in | bytes << 4 | (uint64_t)port << 16;
    if (i.map == 0 && i.opcode >= 0x6c && i.opcode <= 0x6f) {      /* INS, OUTS */
        info |= 4 | (i.rep ? 8 : 0) | (uint64_t)i.asize << 6 | (uint64_t)(in ? S_ES : i.seg) << 10;
    } else {
        info |= (uint64_t)i.asize << 6;
    }
    x86_svm_exit(c, SVM_EXIT_IOIO, info, b.next_rip, &b);
}

/* PAUSE: every pause_filter-th, and the count starts again where they lie further apart than the
 * threshold (APM 15.14.4). */
void x86_svm_pause(X86Cpu *c)
{
    X86Svm *v = &c->svm;
    uint64_t now;

    if (!x86_wanted(c, SVM_EXIT_PAUSE)) {
        return;
    }
    if (v->pause_filter && x86_feat(c, FEAT_8A_EDX, 10)) {
        now = x86_tsc(c);
        if (v->pause_threshold && x86_feat(c, FEAT_8A_EDX, 12)) {
            if (now - v->pause_tsc > v->pause_threshold) {
                v->pause_left = v->pause_filter;
            }
            v->pause_tsc = now;
        }
        if (v->pause_left && --v->pause_left) {
            return;
        }
    }
    x86_svm_insn(c, SVM_EXIT_PAUSE, 0);
}

/* INVPCID: the linear address of its descriptor, and its register operand (APM vol. 2 15.9). */
void x86_svm_invpcid(X86Cpu *c, uint64_t descriptor, uint64_t type)
{
    X86SvmBytes b;
    X86Insn i;

    if (x86_wanted(c, SVM_EXIT_INVPCID)) {
        leave_system(c);
        look(c, &i, &b, false);
        x86_svm_exit(c, SVM_EXIT_INVPCID, descriptor, type, &b);
    }
}

/* ---- exceptions ---- */
/* info2: the address of a page fault; CR2 stays as it is (APM 15.12.15). */
void x86_svm_exception(X86Cpu *c, unsigned vector, uint32_t error, uint64_t info2)
{
    static const uint32_t with_error = 1u << EXC_DF | 1u << EXC_TS | 1u << EXC_NP | 1u << EXC_SS |
                                       1u << EXC_GP | 1u << EXC_PF | 1u << EXC_AC |
                                       1u << SVM_EXC_SX;
    X86SvmBytes b;
    X86Insn i;

    if (!x86_wanted(c, SVM_EXIT_EXCP + (vector & 31))) {
        return;
    }
    leave_system(c);
    look(c, &i, &b, vector == EXC_PF && !(error & 0x10));
    if (vector != EXC_BP && vector != EXC_OF) {
        b.next_rip = 0;
    }
    x86_svm_exit(c, SVM_EXIT_EXCP + vector, with_error >> vector & 1 ? error : 0, info2, &b);
}

void x86_svm_npf(X86Cpu *c)
{
    uint64_t info = c->svm.npf_info, gpa = c->svm.npf_gpa;      /* before another walk */
    X86SvmBytes b;
    X86Insn i;

    leave_system(c);
    look(c, &i, &b, !(info & 0x10));
    b.next_rip = 0;
    x86_svm_exit(c, SVM_EXIT_NPF, info, gpa, &b);
}

/* What EXITINTINFO says of an event on its way through the IDT (APM 15.7.2). */
void x86_svm_delivering(X86Cpu *c, unsigned vector, X86EventKind kind, bool has_error,
                        uint32_t error)
{
    unsigned type = kind == EVENT_INTERRUPT ? (vector == EXC_NMI ? 2 : 0)
                    : kind == EVENT_SOFT    ? 4
                                            : 3;

    c->svm.event =
        vector | type << 8 | (has_error ? 1u << 11 | (uint64_t)error << 32 : 0) | 1u << 31;
}

/* A task switch, before anything is changed (APM 15.14.1). */
void x86_svm_task(X86Cpu *c, unsigned selector, X86TaskCause why, bool has_error, uint32_t error)
{
    uint64_t info2 = (why == TASK_IRET ? 1ull << 36 : 0) | (why == TASK_JMP ? 1ull << 38 : 0) |
                     (has_error ? 1ull << 44 | error : 0) | (c->rflags & EF_RF ? 1ull << 48 : 0);

    if (!x86_wanted(c, SVM_EXIT_TASK_SWITCH)) {
        return;
    }
    leave_system(c);
    x86_svm_exit(c, SVM_EXIT_TASK_SWITCH, selector, info2, NULL);
}

/* ---- between instructions ---- */
/* May a maskable interrupt of the machine come in now? */
bool x86_intr_open(const X86Cpu *c)
{
    if (c->svm.guest && c->svm.int_ctl & V_INTR_MASKING) {
        return c->svm.host.rflags & EF_IF;
    }
    return c->rflags & EF_IF;
}

/* And the hypervisor's virtual one (APM 15.21.1)? */
bool x86_vintr_open(const X86Cpu *c)
{
    uint64_t ctl = c->svm.int_ctl;

    return c->svm.guest && ctl & V_IRQ && c->rflags & EF_IF &&
           (!(ctl & V_GIF_ENABLE) || ctl & V_GIF) &&
           (ctl & V_IGN_TPR || ((ctl >> V_PRIO_SHIFT) & 15) > (ctl & 15));
}

/* The vector of a virtual interrupt that is taken now. */
unsigned x86_vintr_ack(X86Cpu *c)
{
    c->svm.int_ctl &= ~(uint64_t)V_IRQ;
    __atomic_fetch_and(&c->events, ~(uint32_t)X86_EV_VINTR, __ATOMIC_SEQ_CST);
    return (c->svm.int_ctl >> V_VECTOR_SHIFT) & 0xff;
}
