/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S -- a 64 KiB BIOS image that does nothing but run a test: from the reset vector to 32-bit protected mode, with the
 * payload copied to 1 MiB.
 *
 * PAYLOAD: file to include, a flat binary for 0x100000 whose first byte is its entry.
 */
        .code16
        .section .text
        .globl  _start
_start:
payload:
        .incbin PAYLOAD
payload_end:
        .if payload_end - payload > 0xf000
        .error "payload too large"
        .endif

        .org    0xf000
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   .word   23
        .long   0xfffff000
entry16:
        cli
        movb    $2, %al                         /* A20 on */
        outb    %al, $0x92
        lgdtl   %cs:(gdtr - payload)
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $8, $(entry32 - payload + 0xffff0000)
        .code32
entry32:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    %ax, %fs
        movw    %ax, %gs
        movl    $0x90000, %esp
        cld
        movl    $0xffff0000, %esi
        movl    $0x100000, %edi
        movl    $0xf000 / 4, %ecx
        rep movsl
        movl    $0x100000, %eax
        jmp     *%eax

        .org    0xfff0
        .code16
        ljmp    $0xf000, $(entry16 - payload)
        .org    0x10000
