/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.c -- 32-bit guest: an instruction is there if, and only if, CPUID says so, and so is a bit
 * of CR4; then what CPUID says of the model, for tests/guest/models to compare.
 *
 * Spec: Intel SDM vol. 2 (each instruction's #UD), vol. 3 2.5 (CR4); AMD APM vol. 3.
 * Compiled for the 486: it runs on every model.
 */
#include "tests/guest/prot.h"

typedef struct { u32 a, b, c, d; } Leaf;
static Leaf cpuid(u32 leaf, u32 sub)
{
    Leaf r;

    asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
    return r;
}

enum { D1, C1, B7, C7, D7, C81, D81, A13, N_WORDS };
static u32 words[N_WORDS], max_leaf, max_ext;
static u8 scratch[4096] __attribute__((aligned(64))), code[16];
u32 saved_sp;

static void read_words(void)
{
    Leaf l = cpuid(1, 0);

    max_leaf = cpuid(0, 0).a;
    max_ext = cpuid(0x80000000, 0).a;
    max_ext = max_ext >> 31 ? max_ext : 0;
    words[D1] = l.d;
    words[C1] = l.c;
    if (max_leaf >= 7) {
        l = cpuid(7, 0);
        words[B7] = l.b;
        words[C7] = l.c;
        words[D7] = l.d;
    }
    if (max_leaf >= 13) {
        words[A13] = cpuid(13, 1).a;
    }
    if (max_ext) {
        l = cpuid(0x80000001, 0);
        words[C81] = l.c;
        words[D81] = l.d;
    }
}

/* ECX is 10H, EAX and EDX are 0, ESI and EDI an area of memory. */
static const struct { const char *name; u8 word, bit, n, code[9]; } rows[] = {
    { "rdtsc", D1, 4, 2, { 0x0f, 0x31 } }, { "rdmsr", D1, 5, 2, { 0x0f, 0x32 } }, { "wrmsr", D1, 5, 2, { 0x0f, 0x30 } },
    { "cmpxchg8b", D1, 8, 3, { 0x0f, 0xc7, 0x0e } }, { "sysenter", D1, 11, 2, { 0x0f, 0x34 } },
    { "cmov", D1, 15, 3, { 0x0f, 0x44, 0xc1 } }, { "fcmov", D1, 15, 2, { 0xda, 0xc1 } }, { "fcomi", D1, 15, 2, { 0xdb, 0xf1 } },
    { "fucomip", D1, 15, 2, { 0xdf, 0xe9 } },
    { "clflush", D1, 19, 3, { 0x0f, 0xae, 0x3e } }, { "pxor mmx", D1, 23, 3, { 0x0f, 0xef, 0xc0 } },
    { "movd mmx", D1, 23, 3, { 0x0f, 0x6e, 0xc0 } }, { "emms", D1, 23, 2, { 0x0f, 0x77 } },
    { "fxsave", D1, 24, 3, { 0x0f, 0xae, 0x06 } }, { "xorps", D1, 25, 3, { 0x0f, 0x57, 0xc0 } },
    { "pavgb mmx", D1, 25, 3, { 0x0f, 0xe0, 0xc0 } }, { "stmxcsr", D1, 25, 3, { 0x0f, 0xae, 0x1e } },
    { "sfence", D1, 25, 3, { 0x0f, 0xae, 0xf8 } }, { "pxor xmm", D1, 26, 4, { 0x66, 0x0f, 0xef, 0xc0 } },
    { "movnti", D1, 26, 3, { 0x0f, 0xc3, 0x06 } }, { "lfence", D1, 26, 3, { 0x0f, 0xae, 0xe8 } },
    { "addsd", D1, 26, 4, { 0xf2, 0x0f, 0x58, 0xc0 } }, { "paddq mmx", D1, 26, 3, { 0x0f, 0xd4, 0xc0 } },
    { "haddps", C1, 0, 4, { 0xf2, 0x0f, 0x7c, 0xc0 } }, { "fisttp", C1, 0, 2, { 0xdb, 0x0e } },
    { "pclmulqdq", C1, 1, 6, { 0x66, 0x0f, 0x3a, 0x44, 0xc0, 0 } }, { "monitor", C1, 3, 3, { 0x0f, 0x01, 0xc8 } },
    { "pshufb", C1, 9, 5, { 0x66, 0x0f, 0x38, 0, 0xc0 } }, { "pshufb mmx", C1, 9, 4, { 0x0f, 0x38, 0, 0xc0 } },
    { "vfmadd", C1, 12, 5, { 0xc4, 0xe2, 0x71, 0x98, 0xc0 } }, { "ptest", C1, 19, 5, { 0x66, 0x0f, 0x38, 0x17, 0xc0 } },
    { "pcmpgtq", C1, 20, 5, { 0x66, 0x0f, 0x38, 0x37, 0xc0 } }, { "crc32", C1, 20, 5, { 0xf2, 0x0f, 0x38, 0xf1, 0xc0 } },
    { "pcmpistri", C1, 20, 6, { 0x66, 0x0f, 0x3a, 0x63, 0xc0, 0 } },
    { "movbe", C1, 22, 4, { 0x0f, 0x38, 0xf0, 0x06 } }, { "popcnt", C1, 23, 4, { 0xf3, 0x0f, 0xb8, 0xc0 } },
    { "aesenc", C1, 25, 5, { 0x66, 0x0f, 0x38, 0xdc, 0xc0 } }, { "xgetbv", C1, 26, 3, { 0x0f, 0x01, 0xd0 } },
    { "xsave", C1, 26, 3, { 0x0f, 0xae, 0x26 } }, { "vxorps", C1, 28, 4, { 0xc5, 0xf8, 0x57, 0xc0 } },
    { "vzeroupper", C1, 28, 3, { 0xc5, 0xf8, 0x77 } },
    { "vcvtph2ps", C1, 29, 5, { 0xc4, 0xe2, 0x79, 0x13, 0xc0 } }, { "rdrand", C1, 30, 3, { 0x0f, 0xc7, 0xf0 } },
    { "andn", B7, 3, 5, { 0xc4, 0xe2, 0x70, 0xf2, 0xc0 } }, { "vpxor ymm", B7, 5, 4, { 0xc5, 0xfd, 0xef, 0xc0 } },
    { "shrx", B7, 8, 5, { 0xc4, 0xe2, 0x7b, 0xf7, 0xc0 } }, { "invpcid", B7, 10, 5, { 0x66, 0x0f, 0x38, 0x82, 0x06 } },
    { "xtest", B7, 11, 3, { 0x0f, 0x01, 0xd6 } }, { "rdseed", B7, 18, 3, { 0x0f, 0xc7, 0xf8 } },
    { "adcx", B7, 19, 5, { 0x66, 0x0f, 0x38, 0xf6, 0xc0 } }, { "clac", B7, 20, 3, { 0x0f, 0x01, 0xca } },
    { "clflushopt", B7, 23, 4, { 0x66, 0x0f, 0xae, 0x3e } }, { "clwb", B7, 24, 4, { 0x66, 0x0f, 0xae, 0x36 } },
    { "sha1nexte", B7, 29, 4, { 0x0f, 0x38, 0xc8, 0xc0 } }, { "vaddps zmm", B7, 16, 6, { 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0 } },
    { "gf2p8mulb", C7, 8, 5, { 0x66, 0x0f, 0x38, 0xcf, 0xc0 } }, { "vaesenc ymm", C7, 9, 5, { 0xc4, 0xe2, 0x7d, 0xdc, 0xc0 } },
    { "vpclmulqdq ymm", C7, 10, 6, { 0xc4, 0xe3, 0x7d, 0x44, 0xc0, 0 } }, { "tpause", C7, 5, 4, { 0x66, 0x0f, 0xae, 0xf1 } },
    { "rdpid", C7, 22, 4, { 0xf3, 0x0f, 0xc7, 0xf8 } }, { "movdiri", C7, 27, 4, { 0x0f, 0x38, 0xf9, 0x06 } },
    { "movdir64b", C7, 28, 5, { 0x66, 0x0f, 0x38, 0xf8, 0x3e } }, { "serialize", D7, 14, 3, { 0x0f, 0x01, 0xe8 } },
    { "xsaveopt", A13, 0, 3, { 0x0f, 0xae, 0x36 } }, { "xsavec", A13, 1, 3, { 0x0f, 0xc7, 0x26 } },
    { "xsaves", A13, 3, 3, { 0x0f, 0xc7, 0x2e } }, { "extrq", C81, 6, 4, { 0x66, 0x0f, 0x79, 0xc0 } },
    { "rdtscp", D81, 27, 3, { 0x0f, 0x01, 0xf9 } }, { "pfadd", D81, 31, 4, { 0x0f, 0x0f, 0xc0, 0x9e } },
};

/* Does it raise #UD? */
static int undefined(const u8 *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        code[i] = bytes[i];
    }
    code[n] = 0xc3;
    seen.vector = 0xff;
    asm volatile("pusha; movl %%esp, saved_sp; movl $1f, resume; movl %0, %%ebx; xorl %%eax, %%eax; movl $0x10, %%ecx;"
                 "xorl %%edx, %%edx; movl %1, %%esi; movl %1, %%edi; call *%%ebx;"
                 "1: movl saved_sp, %%esp; popa; movl $0, resume" :: "r"(code), "r"(scratch) : "memory", "cc");
    return seen.vector == 6;
}

static const struct { const char *name; u8 bit, word, feature; } cr4[] = {
    { "CR4.PVI", 1, D1, 1 }, { "CR4.TSD", 2, D1, 4 }, { "CR4.DE", 3, D1, 2 }, { "CR4.PSE", 4, D1, 3 }, { "CR4.PAE", 5, D1, 6 },
    { "CR4.MCE", 6, D1, 7 }, { "CR4.PGE", 7, D1, 13 }, { "CR4.OSFXSR", 9, D1, 24 }, { "CR4.OSXMMEXCPT", 10, D1, 25 },
    { "CR4.UMIP", 11, C7, 2 }, { "CR4.FSGSBASE", 16, B7, 0 }, { "CR4.OSXSAVE", 18, C1, 26 }, { "CR4.SMEP", 20, B7, 7 },
    { "CR4.SMAP", 21, B7, 20 },
};

static int cr4_takes(unsigned bit)
{
    u32 old, now;

    asm volatile("movl %%cr4, %0" : "=r"(old));
    seen.vector = 0xff;
    asm volatile("movl $1f, resume; movl %0, %%cr4; 1: movl $0, resume" :: "r"(old | 1u << bit) : "memory");
    asm volatile("movl %%cr4, %0; movl %1, %%cr4" : "=&r"(now) : "r"(old) : "memory");
    return seen.vector != 13 && now >> bit & 1;
}

static void enable(void)
{
    u32 v;

    asm volatile("movl %%cr0, %0" : "=r"(v));
    asm volatile("movl %0, %%cr0" :: "r"((v & ~0xcu) | 0x22));
    asm volatile("movl %%cr4, %0" : "=r"(v));
    v |= (words[D1] >> 24 & 1) << 9 | (words[D1] >> 25 & 1) << 10 | (words[C1] >> 26 & 1) << 18;
    asm volatile("movl %0, %%cr4; fninit" :: "r"(v) : "memory");
    if (words[C1] >> 26 & 1) {
        asm volatile("xsetbv" :: "a"(cpuid(13, 0).a & 0xe7), "d"(0), "c"(0));
    }
}

static void put_leaf(const char *name, Leaf l)
{
    const u32 r[4] = { l.a, l.b, l.c, l.d };

    put(name);
    for (unsigned i = 0; i < 4; i++) {
        put(" ");
        put_hex(r[i]);
    }
    put("\n");
}

static void put_text(Leaf l, int vendor)
{
    u32 r[4] = { l.a, l.b, l.c, l.d };

    if (vendor) {
        r[0] = l.b; r[1] = l.d; r[2] = l.c; r[3] = 0;
    }
    for (unsigned i = 0; i < 16; i++) {
        if (r[i / 4] >> i % 4 * 8 & 0xff) {
            outb(DEBUG_PORT, (u8)(r[i / 4] >> i % 4 * 8));
        }
    }
}

static void tell(void)
{
    put("model ");
    put_hex(cpuid(1, 0).a);
    put(" ");
    put_hex(max_leaf);
    put(" ");
    put_hex(max_ext);
    put(" ");
    put_text(cpuid(0, 0), 1);
    put(" ");
    for (u32 leaf = 0x80000002; leaf <= 0x80000004 && max_ext >= 0x80000004; leaf++) {
        put_text(cpuid(leaf, 0), 0);
    }
    put("\n");
    put_leaf("leaf1", cpuid(1, 0));
    if (max_leaf >= 4) {
        put_leaf("leaf4.0", cpuid(4, 0));
        put_leaf("leaf4.3", cpuid(4, 3));
    }
    if (max_leaf >= 11) {
        put_leaf("leafb.0", cpuid(11, 0));
        put_leaf("leafb.1", cpuid(11, 1));
    }
    if (max_ext >= 0x80000008) {
        put_leaf("ext8", cpuid(0x80000008, 0));
    }
    if (max_ext >= 0x8000001e) {
        put_leaf("ext1d.3", cpuid(0x8000001d, 3));
        put_leaf("ext1e", cpuid(0x8000001e, 0));
    }
}

__attribute__((used)) int main(void)
{
    (void)run_user;
    setup();
    read_words();
    for (unsigned i = 0; i < sizeof cr4 / sizeof cr4[0]; i++) {
        check(cr4[i].name, (u64)cr4_takes(cr4[i].bit), words[cr4[i].word] >> cr4[i].feature & 1);
    }
    enable();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(rows[i].name, (u64)undefined(rows[i].code, rows[i].n),
              !(words[rows[i].word] >> rows[i].bit & 1));
    }
    tell();
    finish();
}
