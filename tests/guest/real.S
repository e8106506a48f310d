/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * real.S -- a BIOS image that tests real mode: interrupts through the IVT, faults, limits, big ("unreal") segments, the
 * 1 MiB wrap, far transfers, strings.
 *
 * Spec: Intel SDM vol. 3 ch. 20.  Each test has a letter; it prints "ok real-X" or "not ok real-X".
 */
        .include "tests/guest/unreal.inc"
        .code16
        .section .text
        .globl  _start
_start:
        .org    0xe000
main:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    %ax, %ds
        movw    %ax, %es
        movb    $2, %al
        outb    %al, $0x92

        .macro  ivt n, handler
        movw    $\handler - _start, \n * 4
        movw    $0xf000, \n * 4 + 2
        .endm
        .macro  test letter, cond               /* passes if the condition holds */
        movb    $\letter, %bl
        j\cond  1f
        call    bad
        jmp     2f
1:      call    good
2:
        .endm

        /* A: INT n pushes FLAGS, CS, IP and clears IF and TF */
        ivt     0x40, h_int
        sti
        int     $0x40
after:  cli
        cmpw    $after - _start, 0x500
        test    'A', e
        cmpw    $0xf000, 0x502
        test    'B', e
        testw   $0x200, 0x504
        test    'C', nz
        testw   $0x200, 0x506
        test    'D', z

        /* E: #DE is a fault: IP of the instruction */
        ivt     0, h_fault
        movw    $e_next - _start, 0x510
        xorw    %cx, %cx
        xorw    %dx, %dx
        movw    $1, %ax
e_at:   divw    %cx
e_next: cmpw    $e_at - _start, 0x500
        test    'E', e

        /* F: #GP at the end of the segment, without an error code */
        ivt     13, h_fault
        movw    $f_next - _start, 0x510
        movw    $0, 0x500
        movw    %sp, 0x512
        movw    $0xffff, %si
f_at:   movw    (%si), %ax
f_next: cmpw    $f_at - _start, 0x500
        test    'F', e
        cmpw    %sp, 0x512
        test    'G', e

        /* H: segment * 16 + offset goes above 1 MiB with A20, and wraps without */
        movw    $0xffff, %ax
        movw    %ax, %es
        movb    $0x12, 0x600
        movb    $0x34, %es:0x610
        cmpb    $0x12, 0x600
        test    'H', e
        inb     $0xea, %al              /* KVM has no A20 gate (lib.h) */
        cmpb    $0x6b, %al
        je      3f
        xorb    %al, %al
        outb    %al, $0x92
        cmpb    $0x12, %es:0x610
        test    'I', e
3:
        movb    $2, %al
        outb    %al, $0x92
        cmpb    $0x34, %es:0x610
        test    'J', e

        /* K: unreal mode: a limit loaded in protected mode stays */
        enter_unreal
        xorw    %bx, %bx
        movw    %bx, %fs
        movl    $0x200000, %edi
        movl    $0x55aa1234, %fs:(%edi)
        cmpl    $0x55aa1234, %fs:(%edi)
        test    'K', e
        movw    $l_next - _start, 0x510
        movw    $0, 0x500
l_at:   movl    (%edi), %eax                    /* DS has kept its 64 KiB */
l_next: cmpw    $l_at - _start, 0x500
        test    'L', e

        /* M: far call and return, far jump through memory */
        lcall   $0xff00, $(far_sub - _start - 0xf000)
        cmpw    $0x4321, %ax
        test    'M', e
        movw    $n_here - _start, 0x520
        movw    $0xf000, 0x522
        ljmp    *0x520
        hlt
n_here: movw    $0x7000, %ax
        cmpw    %sp, %ax
        test    'N', e

        /* O: REP with a 16-bit counter and DF */
        xorw    %ax, %ax
        movw    %ax, %es
        movl    $0x10004, %ecx                  /* only CX counts */
        movw    $0x606, %di
        std
        movw    $0x7777, %ax
        rep stosw
        cld
        cmpw    $0x5fe, %di
        test    'O', e
        cmpl    $0x10000, %ecx
        test    'P', e

        /* Q: single step */
        ivt     1, h_step
        movw    $0, 0x530
        pushfw
        popw    %ax
        orb     $1, %ah
        pushw   %ax
        popfw
        nop
        nop
        pushfw
        popw    %ax
        andb    $0xfe, %ah
        pushw   %ax
        popfw
        cmpw    $7, 0x530
        test    'Q', e

        /* R: #UD of protected-mode instructions */
        ivt     6, h_fault
        movw    $r_next - _start, 0x510
        movw    $0, 0x500
r_at:   sldt    %ax
r_next: cmpw    $r_at - _start, 0x500
        test    'R', e
        /* S: SMSW reads CR0 */
        smsw    %ax
        testb   $1, %al
        test    'S', z
        /* T: the stack wraps at 64 KiB */
        movw    $0, %sp
        pushw   $0x1357
        cmpw    $0xfffe, %sp
        movw    $0x7000, %sp
        test    'T', e

        movw    $done - _start, %si
        call    print
        movb    %cs:0xffff, %al
        movb    0x540, %al
        outb    %al, $0xf4
        hlt

h_int:  movw    %sp, %bp
        movw    (%bp), %ax
        movw    %ax, 0x500
        movw    2(%bp), %ax
        movw    %ax, 0x502
        movw    4(%bp), %ax
        movw    %ax, 0x504
        pushfw
        popw    0x506
        iretw
h_fault:                                        /* notes the IP and goes on at 0x510 */
        pushw   %bp
        movw    %sp, %bp
        pushw   %ax
        movw    2(%bp), %ax
        movw    %ax, 0x500
        movw    0x510, %ax
        movw    %ax, 2(%bp)
        popw    %ax
        popw    %bp
        iretw
h_step: incw    0x530
        iretw
        unreal_gdt

s_ok:   .asciz  "ok real-"
s_bad:  .asciz  "not ok real-"
done:   .asciz  "passed\n"
good:   movw    $s_ok - _start, %si
        jmp     say
bad:    movw    $s_bad - _start, %si
        movb    $1, 0x540
say:    call    print
        movb    %bl, %al
        outb    %al, $0xe9
        movb    $'\n', %al
        outb    %al, $0xe9
        ret
print:  movb    %cs:(%si), %al
        incw    %si
        testb   %al, %al
        jz      1f
        outb    %al, $0xe9
        jmp     print
1:      ret
        .org    0xf000
far_sub:
        movw    $0x4321, %ax
        lretw
        .org    0xfff0
        ljmp    $0xf000, $(main - _start)
        .org    0x10000
