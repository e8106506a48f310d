/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib.h -- what the guests share: output on the debug port, results, exceptions that tests expect.
 */
#ifndef TESTS_GUEST_LIB_H
#define TESTS_GUEST_LIB_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;             /* a general register */

enum { DEBUG_PORT = 0xe9, EXIT_PORT = 0xf4 };
static inline void outb(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static int n_failed;
static void put(const char *s) { while (*s) outb(DEBUG_PORT, (u8)*s++); }
static void put_hex(u64 v)
{
    int started = 0;
    for (int i = 60; i >= 0; i -= 4) {
        unsigned d = (v >> i) & 15;
        if (d || started || !i) {
            outb(DEBUG_PORT, (u8)"0123456789abcdef"[d]);
            started = 1;
        }
    }
}
/* One test: what it is, what came, what should have come. */
static void check(const char *name, u64 got, u64 want)
{
    put(got == want ? "ok " : "not ok ");
    put(name);
    if (got != want) {
        put(": got ");
        put_hex(got);
        put(", want ");
        put_hex(want);
        n_failed++;
    }
    put("\n");
}
/*
 * Who runs it with -accel kvm says so at a port (isa-debugcon,readback=): what KVM does not do is
 * left out, by name.
 */
enum { KVM_PORT = 0xea, KVM_SAYS = 0x6b };
__attribute__((unused)) static int skips_on_kvm(const char *what)
{
    if (inb(KVM_PORT) != KVM_SAYS) {
        return 0;
    }
    put("# left out under KVM: ");
    put(what);
    put("\n");
    return 1;
}
__attribute__((noreturn)) static void finish(void)
{
    put(n_failed ? "failed\n" : "passed\n");
    outb(EXIT_PORT, n_failed ? 1 : 0);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

/* The last exception, as its handler found it. */
static volatile struct Seen {
    word vector, error, ip, cs, flags, sp, ss, cr2, count, dr6, frame_end;
} seen;
__attribute__((unused)) static void expect(const char *name, u32 vector, u32 error)
{
    check(name, (u64)seen.vector << 32 | (u32)seen.error, (u64)vector << 32 | error);
}
/* One that nobody expects ends the guest. */
__attribute__((unused)) static void unexpected(void)
{
    put("not ok: exception ");
    put_hex(seen.vector);
    put(" error ");
    put_hex(seen.error);
    put(" at ");
    put_hex(seen.ip);
    put(" cr2 ");
    put_hex(seen.cr2);
    put("\n");
    n_failed++;
    finish();
}

/*
 * In assembly: entries of 64 vectors, which push an error code where the CPU does not, and their
 * vector; and `stubs`, where each is.
 */
#define STUBS(push, address)                                                                       \
    ".altmacro; .macro stub n; stub_\\n: "                                                         \
    ".if (\\n == 8) || (\\n >= 10 && \\n <= 14) || (\\n == 17); .else; " push " $0; .endif;"       \
    push " $\\n; jmp common; .endm; .set i, 0; .rept 64; stub %i; .set i, i + 1; .endr;"           \
    ".macro addr n; " address " stub_\\n; .endm;"                                                  \
    ".data; .globl stubs; stubs: .set i, 0; .rept 64; addr %i; .set i, i + 1; .endr; .text"

#define AT(label) ({ extern char label[]; (word)label; })
#endif
