/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nested.c -- a hypervisor in the guest: what KVM holds of its guest, to and from X86Cpu.svm.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.114 and 4.115 (nested state); AMD APM (24593) vol.
 *   2 appendix B.
 * Omits: VMX (no CPU model has it).  An exception that the hypervisor has just injected, and that
 *   its guest has not begun to handle.
 * Threads: the vCPU's own, or any while it is parked.
 *
 * KVM's page for SVM is the control area of the VMCB that was entered, with the hypervisor's own
 * state where the guest's would be: x86_svm_image().  KVM leaves guest mode before other registers
 * are set, and enters it after them.
 */
#if defined(__x86_64__) && __has_include(<linux/kvm.h>)
#include "accel/kvm/kvm.h"
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

enum { HEAD_BYTES = offsetof(struct kvm_nested_state, data), VMCB_PAT = 0x668, MSR_PAT = 0x277 };
typedef union Nested {
    struct kvm_nested_state s;
    uint8_t bytes[HEAD_BYTES + SVM_IMAGE_BYTES];
} Nested;

bool kvm_nested_can(const KvmMachine *k)
{
    return ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE) >= (int)sizeof(Nested);
}

static bool has_svm(const KvmCpu *k)
{
    return x86_feat(k->c, FEAT_81_ECX, 2);
}

void kvm_nested_in(KvmCpu *k)
{
    g_autofree Nested *n = g_new0(Nested, 1);

    if (!has_svm(k)) {
        return;
    }
    n->s.size = sizeof *n;
    if (ioctl(k->fd, KVM_GET_NESTED_STATE, n) < 0) {
        g_printerr("ryokan: kvm: CPU %u: cannot read what its hypervisor runs: %s\n",
                   k->c->dbt.vcpu.index, g_strerror(errno));
        return;
    }
    k->c->svm.gif = n->s.flags & KVM_STATE_NESTED_GIF_SET;
    if (n->s.flags & KVM_STATE_NESTED_GUEST_MODE) {
        uint64_t pat = k->c->pat;       /* KVM has the hypervisor's alone, and uses it for both */
        x86_svm_take_image(k->c, n->s.hdr.svm.vmcb_pa, n->bytes + HEAD_BYTES);
        k->c->svm.host.pat = pat;
        if (k->c->svm.np) {
            as_read(k->c->dbt.vcpu.as, n->s.hdr.svm.vmcb_pa + VMCB_PAT, &k->c->pat, 8);
        }
    } else {
        x86_svm_no_guest(k->c);
    }
}

/* Before registers are set. */
void kvm_nested_leave(KvmCpu *k)
{
    g_autofree Nested *n = g_new0(Nested, 1);

    n->s.format = KVM_STATE_NESTED_FORMAT_SVM;
    n->s.flags = KVM_STATE_NESTED_GIF_SET;
    n->s.size = HEAD_BYTES;
    if (has_svm(k)) {
        ioctl(k->fd, KVM_SET_NESTED_STATE, n);
    }
}

/* After them. */
bool kvm_nested_out(KvmCpu *k)
{
    g_autofree Nested *n = g_new0(Nested, 1);
    const X86Svm *v = &k->c->svm;

    if (!has_svm(k)) {
        return true;
    }
    n->s.format = KVM_STATE_NESTED_FORMAT_SVM;
    n->s.flags = (v->gif ? KVM_STATE_NESTED_GIF_SET : 0) |
                 (v->guest ? KVM_STATE_NESTED_GUEST_MODE : 0);
    n->s.size = v->guest ? sizeof *n : HEAD_BYTES;
    if (v->guest) {
        n->s.hdr.svm.vmcb_pa = v->vmcb;
        x86_svm_image(k->c, n->bytes + HEAD_BYTES);
        uint64_t pat = v->host.pat;
        kvm_msr_do(k, KVM_SET_MSRS, MSR_PAT, &pat);
    }
    if (ioctl(k->fd, KVM_SET_NESTED_STATE, n) < 0) {
        g_printerr("ryokan: kvm: CPU %u: KVM refuses what its hypervisor runs: %s\n",
                   k->c->dbt.vcpu.index, g_strerror(errno));
        return false;
    }
    return true;
}
#endif
