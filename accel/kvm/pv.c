/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv.c -- what KVM's guests may know of it: Hyper-V's enlightenments (-cpu hv-*) and KVM's own
 * paravirtual features.
 *
 * Spec: Hypervisor Top Level Functional Specification 6.0b, 2.4 (CPUID) and appendix; Linux
 *   Documentation/virt/kvm/x86/cpuid.rst and msr.rst; api.rst, 4.118 (KVM_GET_SUPPORTED_HV_CPUID).
 * Omits: VMBus, the debugger's interface, enlightened VMCS and MSR bitmaps; the text of the guest's
 *   message of its crash.  Where Hyper-V's leaves are shown, KVM's begin at 40000100H.
 * Threads: the vCPU's own, or any while it is parked.
 *
 * The MSRs behind these features are KVM's to keep; X86Cpu.pv_msr is where a snapshot has them, by
 * the rows below.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include "core/actions.h"
#include "core/commands.h"
#include "core/log.h"
#include <errno.h>
#include <linux/kvm_para.h>
#include <string.h>
#include <sys/ioctl.h>

#define B(n) (1u << (n))
enum { HV_BASE = 0x40000000, HV_FEATURES = HV_BASE + 3, HV_ADVICE = HV_BASE + 4,
       HV_LAST = HV_BASE + 5, KVM_BASE_BEHIND = 0x40000100 };
enum { EAX, EBX, ECX, EDX };
enum { HV_SYNIC = 7, HV_CORES = 17 };   /* their rows in features.def */

/* A switch of features.def, word HV, and the bits that it stands for. */
static const struct { uint8_t bit, reg; uint32_t leaf, mask; } hv_bits[] = {
    { 0, EAX, HV_ADVICE, B(5) },                                /* relaxed timing: no watchdog */
    /* MSRs for EOI, ICR, TPR; the APIC assist page */
    { 1, EAX, HV_FEATURES, B(4) }, { 1, EAX, HV_ADVICE, B(3) },
    { 2, EAX, HV_FEATURES, B(1) | B(9) },       /* reference counter, reference TSC page */
    { 3, EDX, HV_FEATURES, B(10) },                             /* crash MSRs */
    { 4, EAX, HV_FEATURES, B(7) },                              /* reset MSR */
    { 5, EAX, HV_FEATURES, B(6) },                              /* VP index */
    { 6, EAX, HV_FEATURES, B(0) },                              /* VP run time */
    { HV_SYNIC, EAX, HV_FEATURES, B(2) },
    { 8, EAX, HV_FEATURES, B(3) },                              /* synthetic timers, */
    { 12, EDX, HV_FEATURES, B(19) },                            /* and their direct mode */
    { 9, EAX, HV_FEATURES, B(11) }, { 9, EDX, HV_FEATURES, B(8) },
    { 10, EAX, HV_ADVICE, B(2) | B(11) },       /* flush of other processors' TLBs by hypercall */
    { 11, EAX, HV_ADVICE, B(10) | B(11) },                      /* cluster IPI by hypercall */
    { 13, EAX, HV_ADVICE, B(9) },    /* no AutoEOI of the SynIC, which APICv and AVIC cannot do */
    { 14, EAX, HV_FEATURES, B(13) },   /* reenlightenment: to be told when the TSC's rate changes */
    { 15, EDX, HV_FEATURES, B(4) },                             /* hypercalls with XMM registers */
    { 16, EDX, HV_FEATURES, B(14) },                            /* ranges in flushes by hypercall */
    { HV_CORES, EAX, HV_ADVICE, B(18) },        /* siblings of a core are siblings */
};

/* What one cannot have without the other, as the specification says. */
static const struct { uint8_t bit, needs; } hv_needs[] = {
    { HV_SYNIC, 5 }, { 8, HV_SYNIC }, { 8, 2 }, { 12, 8 },
    { 10, 5 }, { 11, 5 }, { 14, 2 }, { 16, 10 },
};

/* ---- what the host has ---- */

static uint32_t *reg_of(struct kvm_cpuid_entry2 *e, unsigned reg)
{
    return reg == EAX ? &e->eax : reg == EBX ? &e->ebx : reg == ECX ? &e->ecx : &e->edx;
}

static bool has_bits(const KvmMachine *k, uint32_t leaf, unsigned reg, uint32_t mask)
{
    for (uint32_t i = 0; k->hv && i < k->hv->nent; i++) {
        if (k->hv->entries[i].function == leaf) {
            return (*reg_of(&k->hv->entries[i], reg) & mask) == mask;
        }
    }
    return false;
}

void kvm_pv_init(KvmMachine *k)
{
    enum { MOST = 64 };
    struct kvm_cpuid2 *t = g_malloc0(sizeof *t + MOST * sizeof t->entries[0]);

    t->nent = MOST;
    if (ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_SYS_HYPERV_CPUID) > 0 &&
        ioctl(k->fd, KVM_GET_SUPPORTED_HV_CPUID, t) == 0) {
        k->hv = t;
    } else {
        g_free(t);
    }
}

uint32_t kvm_pv_hv_can(const KvmMachine *k)
{
    uint32_t can = 0, not = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(hv_bits); i++) {
        uint32_t bit = B(hv_bits[i].bit);
        can |= bit;
        not |= has_bits(k, hv_bits[i].leaf, hv_bits[i].reg, hv_bits[i].mask) ? 0 : bit;
    }
    if (k->irqchip == IRQCHIP_OFF) {
        not |= B(HV_SYNIC) | B(8) | B(12) | B(1) | B(11);    /* they are part of KVM's local APIC */
    }
    return (can & ~not) | B(HV_CORES) | B(13);                  /* these two are ours to say */
}

/* ---- what a CPU shows ---- */

static void leaf(struct kvm_cpuid2 *t, uint32_t number, uint32_t eax, uint32_t ebx, uint32_t ecx,
                 uint32_t edx)
{
    t->entries[t->nent++] = (struct kvm_cpuid_entry2){ .function = number, .eax = eax, .ebx = ebx,
                                                       .ecx = ecx, .edx = edx };
}

/* Leaves of Hyper-V, if any was asked for; where KVM's begin.  The table has room for six. */
uint32_t kvm_pv_leaves(KvmCpu *k, struct kvm_cpuid2 *t)
{
    uint32_t hv = k->c->feat[FEAT_HV];
    uint32_t first = t->nent, vendor[3] = { 0 };
    const uint32_t *version = k->c->hv.version;

    if (!hv && !k->c->hv.spinlocks) {
        return HV_BASE;
    }
    memcpy(vendor, k->c->hv.vendor, strnlen(k->c->hv.vendor, sizeof vendor));
    leaf(t, HV_BASE, HV_LAST, vendor[0], vendor[1], vendor[2]);
    leaf(t, HV_BASE + 1, 0x31237648, 0, 0, 0);                          /* "Hv#1" */
    leaf(t, HV_BASE + 2, version[0], version[1] << 16 | version[2], version[3],
         version[4] << 24 | version[5]);
    leaf(t, HV_FEATURES, B(5), 0, 0, 0);                                /* hypercalls */
    leaf(t, HV_ADVICE, 0, k->c->hv.spinlocks ? k->c->hv.spinlocks : UINT32_MAX, 0, 0);
    if (k->c->hv.cores_auto && has_bits(k->kvm, HV_ADVICE, EAX, B(18))) {
        hv |= B(HV_CORES);
    }
    leaf(t, HV_LAST, MAX(k->kvm->machine->n_cpus, 64), 0, 0, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(hv_bits); i++) {
        for (uint32_t j = first; hv >> hv_bits[i].bit & 1 && j < t->nent; j++) {
            if (t->entries[j].function == hv_bits[i].leaf) {
                *reg_of(&t->entries[j], hv_bits[i].reg) |= hv_bits[i].mask;
            }
        }
    }
    return KVM_BASE_BEHIND;
}

static bool enable(KvmCpu *k, uint32_t what, uint64_t arg, const char *name, GError **err)
{
    struct kvm_enable_cap cap = { .cap = what, .args[0] = arg };

    return ioctl(k->fd, KVM_ENABLE_CAP, &cap) == 0 ||
           fail(err, "-cpu %s: KVM does not give it: %s", name, g_strerror(errno));
}

bool kvm_pv_vcpu_init(KvmCpu *k, GError **err)
{
    uint32_t hv = k->c->feat[FEAT_HV];

    for (unsigned i = 0; i < G_N_ELEMENTS(hv_needs); i++) {
        if (hv >> hv_needs[i].bit & 1 && !(hv >> hv_needs[i].needs & 1)) {
            return fail(err, "-cpu: hv-synic, hv-tlbflush and hv-ipi need hv-vpindex, hv-stimer "
                             "needs hv-synic and hv-time, "
                             "hv-stimer-direct needs hv-stimer, hv-tlbflush-ext hv-tlbflush, "
                             "hv-reenlightenment hv-time: one of these is missing");
        }
    }
    return (!(hv & B(HV_SYNIC)) || enable(k, KVM_CAP_HYPERV_SYNIC2, 0, "hv-synic", err)) &&
           (!k->c->hv.enforce ||
            enable(k, KVM_CAP_HYPERV_ENFORCE_CPUID, 1, "hv-enforce-cpuid", err)) &&
           (!k->c->hv.pv_enforce ||
            enable(k, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1, "kvm-pv-enforce-cpuid", err));
}

/* ---- state ---- */

/*
 * Runs of MSRs, in the order in which KVM wants them written; their places in X86Cpu.pv_msr follow
 * each other.
 */
static const struct { uint32_t first, n; bool hv; } runs[] = {
    { MSR_KVM_ASYNC_PF_INT, 1, false }, { MSR_KVM_ASYNC_PF_EN, 1, false },
    { MSR_KVM_STEAL_TIME, 1, false }, { MSR_KVM_PV_EOI_EN, 1, false },
    { MSR_KVM_POLL_CONTROL, 1, false },
    { 0x40000000, 1, true },            /* guest OS id, which the hypercall page wants */
    { 0x40000001, 1, true }, { 0x40000021, 1, true },
    { 0x40000010, 1, true }, { 0x40000073, 1, true },
    /* SynIC: control, pages, sources */
    { 0x40000080, 1, true }, { 0x40000082, 2, true }, { 0x40000090, 16, true },
    /* timers: count first */
    { 0x400000b1, 1, true }, { 0x400000b0, 1, true },
    { 0x400000b3, 1, true }, { 0x400000b2, 1, true },
    { 0x400000b5, 1, true }, { 0x400000b4, 1, true },
    { 0x400000b7, 1, true }, { 0x400000b6, 1, true },
    { 0x40000100, 6, true },            /* crash */
    { 0x40000106, 3, true },            /* reenlightenment */
};

void kvm_pv_msrs(KvmCpu *k, unsigned long what)
{
    X86Cpu  *c = k->c;
    unsigned at = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(runs); i++) {
        for (unsigned j = 0; j < runs[i].n; j++, at++) {
            g_assert(at < G_N_ELEMENTS(c->pv_msr));
            if (runs[i].hv ? c->feat[FEAT_HV] != 0 : (c->feat[FEAT_KVM] & ~kvm_clock_bits) != 0) {
                kvm_msr_do(k, what, runs[i].first + j, &c->pv_msr[at]);
            }
        }
    }
}

/* ---- exits ---- */

/* The guest has written HV_X64_MSR_CRASH_CTL: what lies in the five MSRs before it. */
void kvm_pv_crashed(KvmCpu *k)
{
    enum { MSR_CRASH_P0 = 0x40000100, N_WORDS = 5 };
    Machine *m = k->kvm->machine;
    GVariantBuilder b;

    object_start(&b);
    say(&b, "type", "hyper-v");
    for (unsigned i = 0; i < N_WORDS; i++) {
        char key[] = { 'a', 'r', 'g', (char)('1' + i), 0 };
        uint64_t val = 0;
        kvm_msr_do(k, KVM_GET_MSRS, MSR_CRASH_P0 + i, &val);
        say_int(&b, key, (int64_t)val);
    }
    machine_lock(m);
    machine_guest_panicked(m, g_variant_builder_end(&b));
    machine_unlock(m);
}

void kvm_pv_exit(KvmCpu *k)
{
    enum { INVALID_HYPERCALL_CODE = 2 };

    if (k->run->hyperv.type == KVM_EXIT_HYPERV_HCALL) {
        k->run->hyperv.u.hcall.result = INVALID_HYPERCALL_CODE;
        k->io_pending = true;           /* the result is taken when it is entered next */
    }
}
#endif
