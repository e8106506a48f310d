/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signals.c -- what a message to a guest costs the thread that sends it: by KVM_SIGNAL_MSI, and by
 * a descriptor (irqfd) with a route.
 *
 * Spec: Linux Documentation/virt/kvm/api.rst, 4.70 (KVM_SIGNAL_MSI), 4.75 (KVM_IRQFD), 4.52
 *   (KVM_SET_GSI_ROUTING).
 * The thread is none of the VM's; the CPU does not run, so that only sending counts.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { TURNS = 200000, ROUNDS = 5, VECTOR = 0x40, GSI = 30, SVR = 0xf0, APIC_ON = 0x1ff };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int setup(int *event)
{
    struct {
        struct kvm_irq_routing head;
        struct kvm_irq_routing_entry e;
    } route = { .head.nr = 1,
                .e = { .gsi = GSI, .type = KVM_IRQ_ROUTING_MSI,
                       .u.msi = { .address_lo = 0xfee00000, .data = VECTOR } } };
    struct kvm_irqfd irqfd = { .gsi = GSI };
    struct kvm_lapic_state apic;
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC),
        vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0), cpu;
    uint32_t on = APIC_ON;

    if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 ||
        (cpu = ioctl(vm, KVM_CREATE_VCPU, 0)) < 0 || ioctl(cpu, KVM_GET_LAPIC, &apic) < 0) {
        return -1;
    }
    memcpy(apic.regs + SVR, &on, sizeof on);
    *event = eventfd(0, EFD_CLOEXEC);
    irqfd.fd = (uint32_t)*event;
    return ioctl(cpu, KVM_SET_LAPIC, &apic) == 0 && ioctl(vm, KVM_SET_GSI_ROUTING, &route) == 0 &&
                   ioctl(vm, KVM_IRQFD, &irqfd) == 0
               ? vm
               : -1;
}

int main(void)
{
    struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };
    uint64_t one = 1;
    int event = -1, vm = setup(&event);

    if (vm < 0) {
        perror("signals: /dev/kvm");
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double t = now(), u;
        for (int i = 0; i < TURNS; i++) {
            ioctl(vm, KVM_SIGNAL_MSI, &msi);
        }
        u = now();
        printf("KVM_SIGNAL_MSI %.3f us", (u - t) * 1e6 / TURNS);
        t = now();
        for (int i = 0; i < TURNS; i++) {
            if (write(event, &one, sizeof one) < 0) {
                return 1;
            }
        }
        printf(", irqfd %.3f us\n", (now() - t) * 1e6 / TURNS);
    }
    return 0;
}
