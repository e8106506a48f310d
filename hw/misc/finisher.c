/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * finisher.c -- SiFive test finisher: the guest asks for power-off or reset.
 *
 * Spec: SiFive "test" device, as bound by the Linux "syscon-poweroff" node.
 * Omits: the exit status in bits 31:16 is accepted and ignored.
 */
#include "core/device.h"

#define FINISH_POWEROFF 0x5555
#define FINISH_RESET    0x7777

typedef struct Finisher {
    Device   dev;
    uint32_t command;
} Finisher;

static void finisher_command(void *dev, uint64_t old, uint64_t val)
{
    (void)old;
    switch (val & 0xffff) {
    case FINISH_POWEROFF: machine_request(dev, MACHINE_POWEROFF); break;
    case FINISH_RESET:    machine_request(dev, MACHINE_RESET);    break;
    default:              guest_error(dev, "command 0x%04x", (unsigned)val);
    }
}

static const Reg finisher_regs[] = {
    REG(Finisher, 0x00, command, .wr = 0xffffffff, .on_write = finisher_command),
    { .size = 0 }
};

const DeviceClass finisher_class = {
    .name = "finisher",
    .desc = "power-off and reset register",
    .spec = "SiFive test finisher",
    .bus  = "sys",
    .size = sizeof(Finisher),
    .regs = finisher_regs,
    .bank_size = 0x1000,
};
