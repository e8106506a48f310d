/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.c -- Linux's KVM as an accelerator: is it there, the VM, the table that the core calls.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst.
 * Omits: irqfd (no device interrupts from a descriptor); VMX in the guest.
 * Threads: init and fini: the main thread.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include "core/options.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* four pages between the IO-APIC's and the firmware's, for VT-x */
enum { IDENTITY_MAP = 0xfeffc000, TSS = 0xfeffd000 };

static const char *const irqchip_names[] = { "off", "split", "on", NULL };
static const char *const notify_names[] = { "run", "internal-error", "disable", NULL };
static const Field accel_fields[] = {
    { .name = "kernel-irqchip", .type = T_ENUM, .flags = F_CONFIG,
      .offset = offsetof(KvmMachine, irqchip), .count = 1, .aux = irqchip_names, .def = IRQCHIP_ON,
      .help = "Which interrupt controllers KVM models: all, the local APICs (split), or none." },
    { .name = "dirty-ring-size", .type = T_U32, .flags = F_CONFIG,
      .offset = offsetof(KvmMachine, ring_entries), .count = 1, .max = 65536,
      .help = "Log writes to memory in rings of so many entries, a power of two; 0: in bitmaps." },
    { .name = "halt-poll-ns", .type = T_U32, .flags = F_CONFIG,
      .offset = offsetof(KvmMachine, halt_poll_ns), .count = 1, .def = UINT32_MAX,
      .help = "How long a halted vCPU polls before it sleeps; not given: as the host is set." },
    { .name = "notify-vmexit", .type = T_ENUM, .flags = F_CONFIG,
      .offset = offsetof(KvmMachine, notify), .count = 1, .aux = notify_names, .def = NOTIFY_RUN,
      .help = "When a guest lets no event in for long, where the processor tells: go on, end, or "
              "do not look." },
    { .name = "notify-window", .type = T_U32, .flags = F_CONFIG,
      .offset = offsetof(KvmMachine, notify_window), .count = 1,
      .help = "How long that is, in cycles of the processor's crystal, beside its own threshold." },
    { .name = "cpu-pm", .type = T_BOOL, .flags = F_CONFIG, .offset = offsetof(KvmMachine, cpu_pm),
      .count = 1,
      .help = "The guest's HLT and PAUSE halt and slow the host's processor; as -overcommit "
              "cpu-pm=on." },
    { .name = "kvm-shadow-mem", .type = T_U64, .flags = F_CONFIG,
      .offset = offsetof(KvmMachine, shadow_bytes), .count = 1,
      .help = "Bytes of memory for KVM's shadow page tables; not given: as many as it takes." },
    FIELD_END
};

static int open_kvm(GError **err)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        fail(err, "-accel kvm: there is no /dev/kvm: load the module (modprobe kvm_intel or "
                  "kvm_amd); if that fails, turn on "
                  "VT-x or SVM in the firmware's set-up, or nested virtualization in the "
                  "hypervisor that this host runs on");
    } else if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        fail(err, "-accel kvm: no permission to open /dev/kvm: join the group that owns it "
                  "(usermod -aG kvm USER) and log in again");
    } else if (fd < 0) {
        fail(err, "-accel kvm: cannot open /dev/kvm: %s", g_strerror(errno));
    }
    return fd;
}

static bool kvm_probe(GError **err)
{
    int  fd = open_kvm(err), version;

    if (fd < 0) {
        return false;
    }
    version = ioctl(fd, KVM_GET_API_VERSION, 0);
    bool ok = version == KVM_API_VERSION &&
              ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) > 0 &&
              ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE) > 0 &&
              ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_EVENTS) > 0;
    close(fd);
    return ok || fail(err,
                      "-accel kvm: this kernel's KVM (version %d) lacks immediate exits, XSAVE or "
                      "vCPU events: it is "
                      "older than Linux 4.13",
                      version);
}

/*
 * SMIs need a second address space; where KVM has none the machine goes without, unless it was
 * asked for.
 */
static bool without_smm(Machine *m, GError **err)
{
    const GPtrArray *props = m->options ? m->options->machine_props : NULL;
    bool asked = false, on = true;

    if (!m->class || !field_find(m->class->fields, "smm")) {
        return true;
    }
    for (unsigned i = 0; props && i < props->len; i++) {
        const OptPair *p = props->pdata[i];
        if (!strcmp(p->key, "smm")) {
            asked = true;
            on = !p->val ||
                 (strcmp(p->val, "off") && strcmp(p->val, "no") && strcmp(p->val, "false"));
        }
    }
    if (asked && on) {
        return fail(err, "-machine smm=on: this host's KVM has no system management mode; leave "
                         "smm out, or use -accel dbt");
    }
    if (!asked) {
        g_printerr("ryokan: note: this host's KVM has no system management mode (smm=off)\n");
    }
    return field_parse(m->class->fields, m->machine_data, "smm", "off", err);
}

static void on_kick(int sig)
{
    (void)sig;                          /* that it came is all */
}

static bool catch_kick(GError **err)
{
    struct sigaction sa = { .sa_handler = on_kick, .sa_flags = SA_RESTART };

    sigemptyset(&sa.sa_mask);
    return sigaction(SIGRTMIN + 5, &sa, NULL) == 0 ||
           fail(err, "kvm: sigaction: %s", g_strerror(errno));
}

static int create_vm(int fd)
{
    int vm;

    do {
        vm = ioctl(fd, KVM_CREATE_VM, 0);
    } while (vm < 0 && errno == EINTR);
    return vm;
}

static bool set_halt_poll(KvmMachine *k, GError **err)
{
    struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = k->halt_poll_ns };

    return k->halt_poll_ns == UINT32_MAX || ioctl(k->vm, KVM_ENABLE_CAP, &cap) == 0 ||
           fail(err, "-accel kvm,halt-poll-ns=%u: this host's KVM cannot: %s", k->halt_poll_ns,
                g_strerror(errno));
}

static bool set_notify(KvmMachine *k, GError **err)
{
    struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_NOTIFY_VMEXIT,
                                  .args[0] = (uint64_t)k->notify_window << 32 |
                                             KVM_X86_NOTIFY_VMEXIT_ENABLED |
                                             KVM_X86_NOTIFY_VMEXIT_USER };
    bool can = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_NOTIFY_VMEXIT) > 0;

    if (k->notify == NOTIFY_DISABLE || (!can && k->notify == NOTIFY_RUN && !k->notify_window)) {
        return true;
    }
    return (can && ioctl(k->vm, KVM_ENABLE_CAP, &cap) == 0) ||
           fail(err, "-accel kvm,notify-vmexit: this host cannot tell of such guests; leave it and "
                     "notify-window out");
}

static bool set_shadow(KvmMachine *k, GError **err)
{
    return !k->shadow_bytes ||
           ioctl(k->vm, KVM_SET_NR_MMU_PAGES, (unsigned long)(k->shadow_bytes / KVM_PAGE)) == 0 ||
           fail(err, "-accel kvm,kvm-shadow-mem=%" PRIu64 ": KVM refuses it: %s; leave it out",
                k->shadow_bytes, g_strerror(errno));
}

static bool set_cpu_pm(KvmMachine *k, GError **err)
{
    int can = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS);
    struct kvm_enable_cap cap = {
        .cap = KVM_CAP_X86_DISABLE_EXITS,
        .args[0] = (unsigned)MAX(can, 0) & (KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE)
    };

    return !k->cpu_pm || (cap.args[0] && ioctl(k->vm, KVM_ENABLE_CAP, &cap) == 0) ||
           fail(err, "-accel kvm,cpu-pm=on: this host's KVM cannot leave HLT to the guest");
}

/*
 * MSRs that KVM would answer otherwise than the CPU model does; they are the model's, under every
 * accelerator.
 */
static const uint32_t model_msrs[] = {
    0x35,                               /* CORE_THREAD_COUNT, which later KVMs may know */
    0x8b,                               /* BIOS_SIGN_ID */
    0xce,                               /* PLATFORM_INFO: without faulting of CPUID, */
    0x140,                              /* which this would switch on */
    0x198,                              /* PERF_STATUS */
    0xc0010015,                         /* HWCR: the TSC counts at a constant rate */
    0xc0011029,                         /* DE_CFG: LFENCE serialises */
};

static void filter_msrs(KvmMachine *k)
{
    struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
    static uint8_t none[1];             /* a bit that is 0: not KVM's to answer */

    for (unsigned i = 0; i < G_N_ELEMENTS(model_msrs); i++) {
        f.ranges[i] = (struct kvm_msr_filter_range){
            .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = model_msrs[i],
            .bitmap = none,
        };
    }
    ioctl(k->vm, KVM_X86_SET_MSR_FILTER, &f);
}

/* MSRs that KVM does not know leave the guest for our own table; without this they fault in KVM. */
static void ask_for_msrs(KvmMachine *k)
{
    bool can_filter = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER) > 0;
    struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
                                  .args[0] = KVM_MSR_EXIT_REASON_UNKNOWN |
                                             (can_filter ? KVM_MSR_EXIT_REASON_FILTER : 0) };

    if (ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR) > 0 &&
        ioctl(k->vm, KVM_ENABLE_CAP, &cap) == 0 && can_filter) {
        filter_msrs(k);
    }
}

static bool kvm_init(Machine *m, GError **err)
{
    KvmMachine *k = kvm_of(m);
    uint64_t    identity = IDENTITY_MAP;

    k->machine = m;
    k->fd = k->vm = -1;
    k->cpus = g_ptr_array_new();
    g_mutex_init(&k->lock);
    k->fd = open_kvm(err);
    if (k->fd < 0 || !catch_kick(err)) {
        return false;
    }
    k->has_smm = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) > 0 &&
                 ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) > 1;
    if (!k->has_smm && !without_smm(m, err)) {
        return false;
    }
    k->vm = create_vm(k->fd);
    if (k->vm < 0) {
        return fail(err, "-accel kvm: cannot make a VM: %s%s", g_strerror(errno),
                    errno == EBUSY ? " (another hypervisor has the processor)" : "");
    }
    k->run_bytes = ioctl(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    k->has_readonly = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) > 0;
    k->has_tsc_scale = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;
    int coalesced = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
    k->coalesced_at = coalesced > 0 ? (unsigned)coalesced : 0;
    k->has_late_ports = coalesced > 0 &&
                        ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) > 0;
    int debug = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
    k->has_blockirq = debug > 0 && debug & KVM_GUESTDBG_BLOCKIRQ;
    int most = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
    k->slots_most = (uint32_t)CLAMP(most, 32, KVM_SLOTS_MOST);
    if (!k->has_readonly) {
        g_printerr("ryokan: note: this host's KVM has no read-only memory: ROM runs slowly or not "
                   "at all\n");
    }
    ioctl(k->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);         /* only VT-x has them */
    ioctl(k->vm, KVM_SET_TSS_ADDR, (unsigned long)TSS);
    k->slots_stale = true;
    kvm_bells_init(k);
    ask_for_msrs(k);
    return set_halt_poll(k, err) && set_shadow(k, err) && set_cpu_pm(k, err) &&
           set_notify(k, err) && kvm_ring_init(k, err) && kvm_irqchip_init(k, err) &&
           kvm_x86_init(k, err);
}

static void kvm_fini(Machine *m)
{
    KvmMachine *k = kvm_of(m);

    if (!k->cpus) {
        return;
    }
    if (k->bells) {
        kvm_bells_fini(k);
    }
    if (k->vm >= 0) {
        close(k->vm);
    }
    if (k->fd >= 0) {
        close(k->fd);
    }
    if (k->has_irq_lock) {
        kvm_irqchip_fini(k);
    }
    g_free(k->cpuid);
    g_free(k->hv);
    g_ptr_array_free(k->cpus, TRUE);
    g_mutex_clear(&k->lock);
    k->cpus = NULL;
}

const AccelOps accel_kvm = {
    .name = "kvm",
    .desc = "Linux's KVM: the host's processor",
    .probe = kvm_probe,
    .fields = accel_fields,
    .size = sizeof(KvmMachine),
    .init = kvm_init,
    .fini = kvm_fini,
    .cpu_can = kvm_x86_can,
    .vcpu_init = kvm_vcpu_init,
    .vcpu_fini = kvm_vcpu_fini,
    .run = kvm_vcpu_run,
    .kick = kvm_kick,
    .get_regs = kvm_get_regs,
    .set_regs = kvm_set_regs,
    .map_changed = kvm_map_changed,
    .dirty_log = kvm_dirty_log,
    .dirty_sync = kvm_dirty_sync,
    .debug_changed = kvm_debug_changed,
    .debug_fits = kvm_debug_fits,
};
#endif
