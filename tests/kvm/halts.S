/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * halts.S -- a BIOS image for a guest that is nearly always halted, behind STI, and woken by its APIC's one-shot timer, which it sets
 * again each time: a '.' a turn.  What keeps it halted when it is moved, a shadow of interrupts that outlives its HLT or a tick
 * that is lost, ends it.
 *
 * With FAULTS it is never halted, but reads an MSR that nobody has, which faults, and a '.' is 256 turns: an interrupt that comes
 * while KVM has left the guest for that must not be lost behind the fault.
 *
 * In real mode, which a /dev/kvm that interprets ring 0 knows; FS reaches all memory, since what is behind its selector stays.
 */
        .include "tests/guest/unreal.inc"
        .set    APIC, 0xfee00000
        .set    SVR, 0xf0
        .set    EOI, 0xb0
        .set    LVT_TIMER, 0x320
        .set    COUNT, 0x380
        .set    DIVIDE, 0x3e0
#ifdef FAULTS
        .set    TURN, 200000                    # of a bus clock of 1 GHz
#else
        .set    TURN, 30000000
#endif
        .set    VECTOR, 0x40
        .code16
        .section .text
        .globl  _start
_start: .org    0xf000
start:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    $tick, 4 * VECTOR
        movw    $0xf000, 4 * VECTOR + 2
        movw    $fault, 4 * 13
        movw    $0xf000, 4 * 13 + 2
        movb    $0xff, %al                      # no 8259
        outb    %al, $0x21
        enter_unreal
        movl    $APIC, %ebx
        movl    $0x1ff, %fs:SVR(%ebx)
        movl    $0x0b, %fs:DIVIDE(%ebx)
        movl    $VECTOR, %fs:LVT_TIMER(%ebx)
        movl    $TURN, %fs:COUNT(%ebx)
#ifdef FAULTS
        sti
        movl    $0x12345, %ecx
1:      rdmsr
        jmp     1b
#endif
1:      cli                                     # STI casts its shadow only where interrupts were off
        sti
        hlt
        jmp     1b
tick:
#ifdef FAULTS
        incb    0x600
        jnz     1f
#endif
        movb    $'.', %al
        outb    %al, $0xe9
1:
        movl    $0, %fs:EOI(%ebx)
        movl    $TURN, %fs:COUNT(%ebx)
        iret
fault:  movw    %sp, %bp
        addw    $2, (%bp)                       # past RDMSR
        iret
        unreal_gdt
        .org    0xfff0
        ljmp    $0xf000, $start
        .org    0x10000
