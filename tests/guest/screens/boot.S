/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S -- a diskette that loads the rest of itself to 20000h and runs it in real mode, CS = DS = SS = 2000h; what C cannot say.
 *
 * GS is "unreal": base 0, limit 4 GiB, for video memory anywhere.
 */
        .section .note.GNU-stack, "", @progbits
        .code16
        .section .boot, "ax"
        .globl  start, int10, flat
start:  ljmp    $0x7c0, $1f - start
1:      movw    %cs, %ax
        movw    %ax, %ds
        movw    $0x2000, %ax
        movw    %ax, %es
        cli
        movw    %ax, %ss
        movl    $0xfff0, %esp
        sti
        movw    $1, %bp                         /* LBA */
        xorw    %bx, %bx
2:      movw    %bp, %ax                        /* 18 sectors a track, two heads */
        movb    $18, %cl
        divb    %cl
        movb    %ah, %cl
        incb    %cl
        movb    %al, %ch
        shrb    $1, %ch
        movb    %al, %dh
        andb    $1, %dh
        movb    $0, %dl
        movw    $0x0201, %ax
        int     $0x13
        jc      2b
        addw    $512, %bx
        incw    %bp
        cmpw    $SECTORS, %bp
        jbe     2b
        movw    $0x2000, %ax
        movw    %ax, %ds
        ljmp    $0x2000, $entry
        .org    510
        .word   0xaa55

        .text
entry:  calll   main
1:      hlt
        jmp     1b

/* void int10(Regs *r): eax ebx ecx edx edi ebp, es; regparm(3). */
int10:  pushal
        pushw   %es
        pushl   %eax
        movl    %eax, %esi
        movw    24(%esi), %es
        movl    0(%esi), %eax
        movl    4(%esi), %ebx
        movl    8(%esi), %ecx
        movl    12(%esi), %edx
        movl    16(%esi), %edi
        movl    20(%esi), %ebp
        int     $0x10
        popl    %esi
        movl    %eax, 0(%esi)
        movl    %ebx, 4(%esi)
        movl    %ecx, 8(%esi)
        movl    %edx, 12(%esi)
        movl    %edi, 16(%esi)
        movl    %ebp, 20(%esi)
        movw    %es, 24(%esi)
        popw    %es
        popal
        retl

/* GS to all of memory; a BIOS call may have undone it. */
flat:   pushl   %eax
        pushfl
        cli
        lgdtl   gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        jmp     1f
1:      movw    $8, %ax
        movw    %ax, %gs
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        jmp     2f
2:      xorw    %ax, %ax
        movw    %ax, %gs
        popfl
        popl    %eax
        retl
        .balign 8
gdt:    .quad   0, 0x00cf93000000ffff
gdtr:   .word   15
        .long   gdt + 0x20000
