/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.c -- a vCPU under KVM: into the guest, what it left for, interrupts into it, and how to get
 * it out.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.10 (KVM_RUN), 4.16 (KVM_INTERRUPT), 5 (struct
 *   kvm_run).
 * Omits: INT 13H of x87 errors by FERR# (KVM has no such pin).
 * Threads: the vCPU's own; kvm_kick() from any.
 *
 * A kick without a race: whoever kicks has set `attention`, sets immediate_exit, then sends a
 * signal.  The vCPU clears immediate_exit first and looks at `attention` second, so that it either
 * sees that, or KVM sees immediate_exit or the signal.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include "core/trace.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GO_ON ((VcpuExit){ .why = (unsigned)-1 })

KvmCpu *kvm_cpu(Vcpu *v)
{
    const KvmMachine *k = kvm_of(v->machine);

    for (unsigned i = 0; k->cpus && i < k->cpus->len; i++) {
        KvmCpu *cpu = k->cpus->pdata[i];
        if (&cpu->c->dbt.vcpu == v) {
            return cpu;
        }
    }
    return NULL;
}

bool kvm_vcpu_init(Vcpu *v, GError **err)
{
    KvmMachine *k = kvm_of(v->machine);
    KvmCpu     *cpu = g_new0(KvmCpu, 1);

    cpu->c = (X86Cpu *)v;
    cpu->kvm = k;
    cpu->fd = ioctl(k->vm, KVM_CREATE_VCPU, (unsigned long)v->apic_id);
    cpu->run = MAP_FAILED;
    if (cpu->fd >= 0) {
        cpu->run = mmap(NULL, (size_t)k->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    }
    if (cpu->run == MAP_FAILED) {
        fail(err, "-accel kvm: cannot make CPU %u: %s", v->index, g_strerror(errno));
    } else if (kvm_x86_cpuid(cpu, err) && kvm_ring_map(cpu, err)) {
        if (k->coalesced_at && !k->writes) {
            k->writes = (void *)((char *)cpu->run + k->coalesced_at * KVM_PAGE);
        }
        g_ptr_array_add(k->cpus, cpu);
        return true;
    }
    if (cpu->run != MAP_FAILED) {
        munmap(cpu->run, (size_t)k->run_bytes);
    }
    if (cpu->fd >= 0) {
        close(cpu->fd);
    }
    g_free(cpu);
    return false;
}

void kvm_vcpu_fini(Vcpu *v)
{
    KvmCpu *k = kvm_cpu(v);

    g_ptr_array_remove(k->kvm->cpus, k);
    kvm_ring_unmap(k);
    k->kvm->writes = NULL;              /* it was in one of these */
    munmap(k->run, (size_t)k->kvm->run_bytes);
    close(k->fd);
    g_free(k);
}

void kvm_kick(Vcpu *v)
{
    KvmCpu *k = kvm_cpu(v);
    int     tid = k ? __atomic_load_n(&k->tid, __ATOMIC_SEQ_CST) : 0;

    if (tid && v != vcpu_current) {
        __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_tgkill, getpid(), tid, SIGRTMIN + 5);
    }
}

/* ---- what the guest left for ---- */
static void port_io(KvmCpu *k)
{
    const struct kvm_run *r = k->run;
    uint8_t *data = (uint8_t *)k->run + r->io.data_offset;
    AddressSpace *as = k->kvm->machine->as_io;

    for (uint32_t i = 0; i < r->io.count; i++, data += r->io.size) {
        uint64_t val = 0;
        if (r->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&val, data, r->io.size);
            io_write(as, r->io.port, val, r->io.size);
        } else {
            val = io_read(as, r->io.port, r->io.size, NULL);
            memcpy(data, &val, r->io.size);
        }
    }
}

static void memory_io(KvmCpu *k)
{
    struct kvm_run *r = k->run;
    AddressSpace   *as = k->c->dbt.vcpu.spaces[r->flags & KVM_RUN_X86_SMM && k->kvm->has_smm];
    uint64_t        val = 0;

    if (r->mmio.is_write) {
        memcpy(&val, r->mmio.data, r->mmio.len);
        io_write(as, r->mmio.phys_addr, val, r->mmio.len);
    } else {
        val = io_read(as, r->mmio.phys_addr, r->mmio.len, NULL);
        memcpy(r->mmio.data, &val, r->mmio.len);
    }
}

/*
 * MSRs that KVM does not know: those that the translator has are there, others fault, and the log
 * says so.
 */
static void unknown_msr(KvmCpu *k, bool write)
{
    struct kvm_run *r = k->run;
    uint64_t val = 0;

    if (write) {
        r->msr.error = !x86_msr_write(k->c, r->msr.index, r->msr.data);
    } else {
        r->msr.error = !x86_msr_read(k->c, r->msr.index, &val);
        r->msr.data = val;
    }
    k->io_pending = true;
}

static void print_code(KvmCpu *k)
{
    struct kvm_translation t = { .linear_address = k->c->dbt.pc };
    uint8_t code[16];

    if (ioctl(k->fd, KVM_TRANSLATE, &t) < 0 || !t.valid ||
        as_read(k->c->dbt.vcpu.as, t.physical_address, code, sizeof code) != MEM_OK) {
        g_printerr("ryokan: kvm: its code cannot be read\n");
        return;
    }
    g_printerr("ryokan: kvm: code at %#" PRIx64 ":", k->c->dbt.pc);
    for (unsigned i = 0; i < sizeof code; i++) {
        g_printerr(" %02x", code[i]);
    }
    g_printerr("\n");
}

static void print_internal(const struct kvm_run *r)
{
    static const char *const why[] = {
        [KVM_INTERNAL_ERROR_EMULATION] =
            "it cannot emulate this instruction (not in its emulator, or not in memory)",
        [KVM_INTERNAL_ERROR_SIMUL_EX] = "an exception came while another was being handled",
        [KVM_INTERNAL_ERROR_DELIVERY_EV] =
            "the guest was left in the middle of delivering an event, where that cannot be",
        [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] =
            "the processor left the guest for a reason that KVM does not know",
    };
    uint32_t n = r->internal.suberror;

    g_printerr("ryokan: kvm: KVM gives up, internal error %u: %s\n", n,
               n < G_N_ELEMENTS(why) && why[n] ? why[n] : "not one that is known");
    if (n == KVM_INTERNAL_ERROR_EMULATION && r->emulation_failure.ndata >= 1 &&
        r->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
        unsigned bytes = MIN(r->emulation_failure.insn_size,
                             sizeof r->emulation_failure.insn_bytes);
        g_printerr("ryokan: kvm: the instruction:");
        for (unsigned i = 0; i < bytes; i++) {
            g_printerr(" %02x", r->emulation_failure.insn_bytes[i]);
        }
        g_printerr("\n");
        return;
    }
    for (unsigned i = 0; i < r->internal.ndata && i < G_N_ELEMENTS(r->internal.data); i++) {
        g_printerr("ryokan: kvm: data %u: %#llx\n", i, (unsigned long long)r->internal.data[i]);
    }
}

static VcpuExit fatal(KvmCpu *k)
{
    const struct kvm_run *r = k->run;

    kvm_get_regs(&k->c->dbt.vcpu);
    if (r->exit_reason == KVM_EXIT_FAIL_ENTRY) {
        g_printerr("ryokan: kvm: the host's processor %u refused to enter the guest, reason %#llx: "
                   "its state is impossible to it "
                   "(a CPU without unrestricted guests runs no real mode)\n",
                   r->fail_entry.cpu,
                   (unsigned long long)r->fail_entry.hardware_entry_failure_reason);
    } else if (r->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
        print_internal(r);
    } else if (r->exit_reason == KVM_EXIT_NOTIFY) {
        g_printerr("ryokan: kvm: the guest lets no event in (notify-vmexit), and %s\n",
                   r->notify.flags & KVM_NOTIFY_CONTEXT_INVALID ? "its state is lost"
                                                                : "that is to end it");
    } else {
        g_printerr("ryokan: kvm: exit %u, which nobody expects\n", r->exit_reason);
    }
    print_code(k);
    return (VcpuExit){ .why = EXIT_FATAL };
}

static VcpuExit handle(KvmCpu *k)
{
    trace_kvm_exit(k->c->dbt.vcpu.index, k->run->exit_reason);
    switch (k->run->exit_reason) {
    case KVM_EXIT_IO:
        port_io(k);
        k->io_pending = true;
        return GO_ON;
    case KVM_EXIT_MMIO:
        memory_io(k);
        k->io_pending = true;
        return GO_ON;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        unknown_msr(k, k->run->exit_reason == KVM_EXIT_X86_WRMSR);
        return GO_ON;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_SET_TPR:
    case KVM_EXIT_INTR:
        return GO_ON;
    case KVM_EXIT_IOAPIC_EOI:
        k->kvm->chip.eoi(k->kvm->chip.eoi_dev, k->run->eoi.vector);
        return GO_ON;
    case KVM_EXIT_DIRTY_RING_FULL:
        kvm_ring_collect(k->kvm);
        return GO_ON;
    case KVM_EXIT_DEBUG:
        if (kvm_debug_exit(k)) {
            return (VcpuExit){ .why = EXIT_DEBUG };
        }
        kvm_debug_set(k);
        return GO_ON;
    case KVM_EXIT_NOTIFY:
        return k->kvm->notify == NOTIFY_RUN && !(k->run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID)
                   ? GO_ON
                   : fatal(k);
    case KVM_EXIT_HYPERV:
        kvm_pv_exit(k);
        return GO_ON;
    case KVM_EXIT_SYSTEM_EVENT:
        if (k->run->system_event.type == KVM_SYSTEM_EVENT_CRASH) {
            kvm_pv_crashed(k);
            return GO_ON;
        }
        return (VcpuExit){ .why = EXIT_RESET };
    case KVM_EXIT_HLT:
        k->c->activity = X86_HLT;
        return GO_ON;
    case KVM_EXIT_SHUTDOWN:
        k->c->activity = X86_SHUTDOWN;
        return (VcpuExit){ .why = EXIT_RESET };
    default:
        return fatal(k);
    }
}

/*
 * Once into KVM, and back.  What the guest and the APIC tell each other by registers goes through
 * kvm_run.
 */
static VcpuExit enter(KvmCpu *k)
{
    X86Cpu *c = k->c;
    struct kvm_run *r = k->run;
    uint8_t tpr = 0;
    int     rc;
    bool    ours = c->apic_ops && !k->kvm->machine->irqchip;

    if (ours) {
        tpr = c->apic_ops->get_tpr(c->apic);
        r->cr8 = tpr >> 4;
        r->apic_base = c->apic_ops->get_base(c->apic);
    }
    do {
        rc = ioctl(k->fd, KVM_RUN, 0);
    } while (rc < 0 && errno == EAGAIN);
    k->io_pending = false;
    int error = rc < 0 ? errno : 0;
    kvm_writes_drain(k->kvm);
    if (ours && r->cr8 != tpr >> 4) {
        c->apic_ops->set_tpr(c->apic, (uint8_t)(r->cr8 << 4));
    }
    if (ours && r->apic_base != c->apic_ops->get_base(c->apic)) {
        c->apic_ops->set_base(c->apic, r->apic_base);
    }
    c->rflags = (c->rflags & ~(uint64_t)EF_IF) | (r->if_flag ? EF_IF : 0);
    if (rc < 0 && error != EINTR) {
        kvm_get_regs(&c->dbt.vcpu);
        g_printerr("ryokan: kvm: KVM_RUN: %s\n", g_strerror(error));
        print_code(k);
        return (VcpuExit){ .why = EXIT_FATAL };
    }
    return rc < 0 ? GO_ON : handle(k);
}

/* The instruction whose access was handled last ends; the guest does not go on. */
static VcpuExit settle(KvmCpu *k)
{
    VcpuExit x = GO_ON;

    while (k->io_pending && x.why == GO_ON.why) {
        __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        x = enter(k);
    }
    return x;
}

/* ---- events into the guest ---- */
static void take(X86Cpu *c, uint32_t event)
{
    __atomic_fetch_and(&c->events, ~event, __ATOMIC_SEQ_CST);
}

static void restart(KvmCpu *k, uint32_t ev)
{
    X86Cpu *c = k->c;
    Vcpu   *v = &c->dbt.vcpu;

    kvm_get_regs(v);
    if (ev & X86_EV_INIT) {
        take(c, X86_EV_INIT | X86_EV_NMI);
        x86_reset_state(c, true);
        c->activity = v->index == 0 ? X86_RUN : X86_WAIT_SIPI;
    }
    if (ev & X86_EV_SIPI) {
        uint8_t vector = __atomic_load_n(&c->sipi_vector, __ATOMIC_ACQUIRE);
        take(c, X86_EV_SIPI);
        if (c->activity == X86_WAIT_SIPI) {
            c->seg[S_CS].selector = (uint16_t)(vector << 8);
            c->seg[S_CS].base = (uint64_t)vector << 12;
            x86_seg_update(c, S_CS);
            x86_set_pc(c, 0);
            c->activity = X86_RUN;
        }
    }
    kvm_set_regs(v);
}

/*
 * An interrupt that this program's controllers have acknowledged.  Where KVM has the local APIC,
 * KVM_INTERRUPT would put it where no state has it and nothing but its delivery takes it away
 * again: it is made one that was about to be delivered.
 */
static void interrupt(KvmCpu *k, uint8_t vector)
{
    struct kvm_interrupt irq = { .irq = vector };
    struct kvm_mp_state  awake = { KVM_MP_STATE_RUNNABLE };
    struct kvm_vcpu_events e;

    if (!k->kvm->machine->irqchip) {
        ioctl(k->fd, KVM_INTERRUPT, &irq);
    } else if (ioctl(k->fd, KVM_GET_VCPU_EVENTS, &e) == 0) {
        e.flags = 0;
        e.interrupt.injected = 1;
        e.interrupt.nr = vector;
        e.interrupt.soft = 0;
        ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e);
        ioctl(k->fd, KVM_SET_MP_STATE, &awake);         /* this alone would not wake a halted one */
    }
}

/*
 * No interrupt is acknowledged while an instruction waits for what its exit gave it: if it ends in
 * a fault, KVM delivers that and forgets the interrupt that it was handed.  KVM leaves the guest
 * again as soon as the instruction is over.
 */
static void inject(KvmCpu *k)
{
    X86Cpu *c = k->c;
    struct kvm_run *r = k->run;
    uint32_t ev = x86_events(c);

    kvm_irqchip_nmi(k);
    if (ev & X86_EV_SMI) {
        take(c, X86_EV_SMI);
        if (k->kvm->has_smm) {
            ioctl(k->fd, KVM_SMI, 0);
        }
    }
    if (ev & X86_EV_NMI) {
        take(c, X86_EV_NMI);
        ioctl(k->fd, KVM_NMI, 0);
    }
    if (ev & X86_EV_INTR && !c->dbt.vcpu.debug.single && r->ready_for_interrupt_injection &&
        r->if_flag && !k->io_pending) {
        int vector = c->apic_ops->ack(c->apic);
        if (vector >= 0) {
            interrupt(k, (uint8_t)vector);
            r->ready_for_interrupt_injection = 0;
        }
    }
    r->request_interrupt_window = (x86_events(c) & X86_EV_INTR) != 0;
}

/* false: there is nothing to run now. */
static bool events(KvmCpu *k)
{
    X86Cpu  *c = k->c;
    uint32_t ev = x86_events(c);

    if (ev & X86_EV_A20) {
        take(c, X86_EV_A20);
    }
    if (ev & (X86_EV_INIT | X86_EV_SIPI)) {
        settle(k);
        restart(k, ev);
    }
    if (k->kvm->machine->irqchip) {     /* KVM halts and starts them */
        return c->activity != X86_SHUTDOWN;
    }
    if (c->activity == X86_HLT && x86_halt_over(c)) {
        c->activity = X86_RUN;
    }
    return c->activity == X86_RUN;
}

/* A store with order costs as much as the rest of a turn, and it is 0 nearly always. */
static void clear_first(uint32_t *word)
{
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
    }
}

static bool has_to_leave(Vcpu *v)
{
    return __atomic_load_n(&v->machine->want_out, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&v->stop, __ATOMIC_SEQ_CST);
}

VcpuExit kvm_vcpu_run(Vcpu *v)
{
    KvmCpu  *k = kvm_cpu(v);
    Machine *m = v->machine;
    VcpuExit x = GO_ON;

    if (!k->tid) {
        __atomic_store_n(&k->tid, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    }
    kvm_clock_resume(k->kvm);
    if (v->index == 0) {
        kvm_pit_resume(k->kvm);
    }
    kvm_debug_set(k);
    while (x.why == GO_ON.why) {
        if (__atomic_load_n(&k->kvm->slots_stale, __ATOMIC_SEQ_CST)) {
            machine_exclusive(m, kvm_slots_update, m);
        }
        if (__atomic_load_n(&k->kvm->rewire, __ATOMIC_SEQ_CST)) {
            kvm_irqchip_rewire(k->kvm);
        }
        clear_first(&v->attention);
        if (has_to_leave(v)) {
            x = (VcpuExit){ .why = EXIT_KICKED };
            break;
        }
        if (!events(k)) {
            x = (VcpuExit){ .why = EXIT_HALT };
            break;
        }
        if (__atomic_load_n(&k->run->immediate_exit, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        }
        if (__atomic_load_n(&v->attention, __ATOMIC_SEQ_CST)) {
            continue;
        }
        inject(k);
        x = enter(k);
    }
    if (x.why == EXIT_KICKED && k->io_pending) {
        VcpuExit last = settle(k);
        x = last.why == GO_ON.why ? x : last;
    }
    return x;
}
#endif
