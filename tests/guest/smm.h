/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smm.h -- an SMI handler that tells what it finds and does what it is told, and the chipset's way
 * to it; for both widths.
 */
#ifndef TESTS_GUEST_SMM_H
#define TESTS_GUEST_SMM_H

enum { MAIL_AT = 0x5000, AREA = 0xfe00, PMBASE = 0xb000, APM = 0xb2 };
typedef struct Mail {                   /* at 5000H, where the handler knows it */
    u32 count, cr0, cr4, flags, cs, dr7;
    u32 poke_at, poke;                  /* offset from SMBASE (0: none), value; done once */
    u32 icr;                            /* written to the APIC's ICR, once */
    u32 nmis;                           /* `n_nmi` after that */
    u32 n_nmi;
    u32 unused;
    u32 peek_at, peeked;                /* linear address to read, and what is there */
    u32 pad[114];
    u8  area[0x200];
} Mail;
#define mail ((volatile Mail *)MAIL_AT)

#ifdef __x86_64__
#define CODE ".code64"
#else
#define CODE ".code32"
#endif
asm(".text; .code16; smi_handler: movl $0x7000, %esp; incl 0x5000; movl %cr0, %eax; movl %eax, 0x5004; movl %cr4, %eax;"
    "movl %eax, 0x5008; pushfl; popl 0x500c; movl $0, 0x5010; movw %cs, 0x5010; movl %dr7, %eax; movl %eax, 0x5014;"
    "cld; movl $0xfe00, %esi; movw $0x5200, %di; movw $128, %cx; 1: movl %cs:(%esi), %eax; stosl; addl $4, %esi; loop 1b;"
    "movl 0x5030, %ebx; movl (%ebx), %eax; movl %eax, 0x5034;"
    "movl 0x5020, %eax; testl %eax, %eax; jz 3f; movl $0, 0x5020; movl $0xfee00300, %ebx; movl %eax, (%ebx); movl $2000, %ecx;"
    "2: nop; decl %ecx; jnz 2b; movl 0x5028, %eax; movl %eax, 0x5024;"
    "3: movl 0x5018, %ebx; testl %ebx, %ebx; jz 4f; movl 0x501c, %eax; movl %eax, %cs:(%ebx); movl $0, 0x5018; 4: rsm; smi_end: " CODE);
extern char smi_handler[], smi_end[];

static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }
static inline u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static void pci_write(u32 devfn, u32 at, u32 v)
{
    outl(0xcf8, 0x80000000u | devfn << 8 | at);
    outl(0xcfc, v);
}
static u32 pci_read(u32 devfn, u32 at)
{
    outl(0xcf8, 0x80000000u | devfn << 8 | at);
    return inl(0xcfc);
}
static void smram(u32 v) { pci_write(0, 0x70, (pci_read(0, 0x70) & ~0xff0000u) | v << 16); }
static u32 smram_is(void) { return pci_read(0, 0x70) >> 16 & 0xff; }

static void put_handler(u32 at)
{
    for (char *p = smi_handler, *q = (char *)(word)at; p < smi_end; p++, q++) {
        *(volatile char *)q = *p;
    }
}

static void smm_setup(void)
{
    for (u32 i = 0; i < sizeof(Mail) / 4; i++) {
        ((volatile u32 *)MAIL_AT)[i] = 0;
    }
    mail->peek_at = MAIL_AT;
    put_handler(0x38000);
    outb(APM, 0x55);
    check("no SMI before the chipset allows it", mail->count, 0);
    pci_write(0xb, 0x58, 1u << 25);     /* APMC_EN */
    pci_write(0xb, 0x40, PMBASE | 1);
    pci_write(0xb, 0x80, 1);
    outb(APM, 0x55);
    check("nor before GLBCTL does", mail->count, 0);
    outl(PMBASE + 0x28, 1);             /* SMI_EN */
}

static u64 saved(u32 at, u32 n)         /* a field of the save area, by its offset from SMBASE */
{
    u64 v = 0;
    for (u32 i = 0; i < n; i++) {
        v |= (u64)mail->area[at - AREA + i] << (8 * i);
    }
    return v;
}
static void poke(u32 at, u32 v) { mail->poke_at = at; mail->poke = v; }

/* SMRAM at A0000H: seen in system management mode, by others while D_OPEN. */
static void test_smram(u32 smbase_at)
{
    volatile u32 *hidden = (u32 *)0xa8000;
    u32 n = mail->count;

    smram(0x4a);
    put_handler(0xa8000);
    *(volatile u32 *)0xb0000 = 0x5ec2e7;
    poke(smbase_at, 0xa0000);
    outb(APM, 1);
    check("SMI at the old SMBASE", mail->cs << 8 | (mail->count - n), 0x300001);
    outb(APM, 1);
    check("and at the new one", mail->cs << 8 | (mail->count - n), 0xa00002);
    smram(0x0a);
    check("SMRAM is closed", hidden[0] == *(u32 *)smi_handler, 0);
    outb(APM, 1);
    check("but not to SMM", mail->count - n, 3);
    mail->peek_at = 0xb0000;
    outb(APM, 1);
    check("data in SMRAM", mail->peeked, 0x5ec2e7);
    hidden[0] = 0;
    outb(APM, 1);
    check("writes from outside do not reach it", mail->count - n, 5);
    smram(0x1a);
    smram(0x5a);
    check("D_LCK holds D_OPEN", smram_is() & 0x58, 0x18);
    mail->peek_at = MAIL_AT;
}
#endif
