/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c -- the features that work, and what CPUID says.
 *
 * Spec: Intel SDM (325462) vol. 2 CPUID, AMD APM vol. 3 appendix E; KVM's leaves: Linux
 * Documentation/virt/kvm/x86/cpuid.rst.
 * Omits: what a model really has for caches and TLBs: there is one plausible set for Intel, three
 *   for AMD.
 * Threads: the vCPU's own; x86_cpuid_init() before it starts.
 *
 * `works` is the one place that says what this CPU can do: a bit that is not in it is never shown.
 */
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"
#include "core/options.h"

#define B(n) (1u << (n))

enum {
    BASE_1_EDX = B(0) | B(2) | B(3) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(11) | B(12) |
                 B(13) | B(14) | B(15) | B(16) | B(17) | B(19) | B(23) | B(24) | B(25) | B(26),
    V2_1_ECX = B(0) | B(9) | B(13) | B(19) | B(20) | B(23),
    LONG_81_EDX = B(11) | B(20) | B(29),
    /*
     * NPT, nRIP, clean bits, flush by ASID, decode assists, PAUSE filter and threshold, virtual
     * VMLOAD, vGIF
     */
    SVM_8A_EDX = B(0) | B(3) | B(5) | B(6) | B(7) | B(10) | B(12) | B(15) | B(16),
    KVM_CLOCK = B(1) | B(3) | B(24),
};

/*
 * AVX-512: what x86-64-v4 asks for, what else there is of it.  It works by C code and the host's
 * AVX2.
 */
enum {
    AVX512_7_EBX = B(16) | B(17) | B(28) | B(30) | B(31), AVX512_MORE_7_EBX = B(21),
    AVX512_7_ECX = B(1) | B(6) | B(11) | B(12) | B(14),
};

static const uint32_t works[X86_N_FEATS] = {
    [FEAT_1_EDX] = BASE_1_EDX | B(1) | B(27) | B(28),
    [FEAT_1_ECX] = V2_1_ECX | B(1) | B(3) | B(17) | B(21) | B(22) | B(24) | B(25) | B(26) | B(30) |
                   B(31) | B(12) | B(28) | B(29),
    [FEAT_7_EBX] = B(0) | B(1) | B(3) | B(5) | B(7) | B(8) | B(9) | B(10) | B(18) | B(19) | B(20) |
                   B(23) | B(24) | B(29) | AVX512_7_EBX | AVX512_MORE_7_EBX,
    [FEAT_7_ECX] = B(2) | B(3) | B(5) | B(8) | AVX512_7_ECX | B(9) | B(10) | B(22) | B(27) | B(28),
    [FEAT_7_EDX] = B(4) | B(14) | B(26) | B(27) | B(29) | B(31),
    [FEAT_81_EDX] = LONG_81_EDX | B(22) | B(26) | B(27) | B(30) | B(31),
    [FEAT_81_ECX] = B(0) | B(2) | B(5) | B(8) | B(22),
    [FEAT_8A_EDX] = SVM_8A_EDX,
    [FEAT_88_EBX] = B(0) | B(2) | B(9) | B(12) | B(14) | B(15) | B(24) | B(25),
    [FEAT_D1_EAX] = B(0) | B(1) | B(2) | B(3),
    [FEAT_6_EAX] = B(2),
    [FEAT_87_EDX] = B(8),
    /* RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO,
     * FBSDP_NO, PSDP_NO, GDS_NO, RFDS_NO: there is no speculation to leak anything. */
    [FEAT_ARCH_CAP] = B(0) | B(1) | B(3) | B(4) | B(5) | B(6) | B(8) | B(13) | B(14) | B(15) |
                      B(26) | B(27),
    [FEAT_KVM] = KVM_CLOCK,
};

/* What works on this host. */
void x86_features_can(uint32_t can[X86_N_FEATS])
{
    bool vaes = false;

    memcpy(can, works, sizeof works);
    can[FEAT_1_ECX] &= ~x86_simd_missing();
    if (!x86_vex_runs()) {
        can[FEAT_1_ECX] &= ~(B(28) | B(12) | B(29));
        can[FEAT_7_EBX] &= ~B(5);
    }
#if X86_HOST_FP
    vaes = __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
#else
    vaes = true;
#endif
    if (!vaes || !x86_vex_runs()) {
        can[FEAT_7_ECX] &= ~(B(9) | B(10));
    }
    if (!x86_sha_runs()) {
        can[FEAT_7_EBX] &= ~B(29);
    }
}

/*
 * max is to be fast: AVX-512 and GFNI are in it where the host has them, 3DNow! is for the models
 * that had it.
 */
void x86_features_leave_out_slow(uint32_t feat[X86_N_FEATS])
{
    bool avx512 = false, gfni = false;

    feat[FEAT_81_EDX] &= ~(B(30) | B(31));
#if defined(__x86_64__)
    avx512 = __builtin_cpu_supports("avx512f");
    gfni = __builtin_cpu_supports("gfni");
#endif
    if (!avx512) {
        feat[FEAT_7_EBX] &= ~(uint32_t)(AVX512_7_EBX | AVX512_MORE_7_EBX);
        feat[FEAT_7_ECX] &= ~(uint32_t)AVX512_7_ECX;
    }
    if (!gfni) {
        feat[FEAT_7_ECX] &= ~B(8);
    }
}

/* ---- leaves ---- */
enum { CRYSTAL_HZ = 25000000 };

static unsigned bits_for(unsigned n)            /* how many bits number n things */
{
    unsigned b = 0;

    while ((1u << b) < n) {
        b++;
    }
    return b;
}

typedef struct Topology {
    /* threads of a core, cores of a package; bits of the APIC ID */
    unsigned threads, cores, thread_bits, package_bits;
} Topology;

static Topology topology(X86Cpu *c)
{
    const struct Options *o = c->dbt.vcpu.machine->options;
    Topology t = { 1, 1, 0, 0 };

    if (o && o->cores && o->threads) {
        t.cores = o->cores;
        t.threads = o->threads;
    }
    t.thread_bits = bits_for(t.threads);
    t.package_bits = t.thread_bits + bits_for(t.cores);
    return t;
}

/* Of the package, as the MSR has it: cores in 31:16, threads in 15:0. */
uint32_t x86_core_thread_count(X86Cpu *c)
{
    Topology t = topology(c);

    return t.cores << 16 | t.cores * t.threads;
}

/* ---- caches ---- */
enum { DATA = 1, CODE = 2, BOTH = 3 };
typedef struct Cache {
    uint8_t  type, level, line;
    uint16_t ways;
    uint32_t kib;
} Cache;
enum { N_CACHES = 4 };
typedef struct CacheSet {
    uint8_t intel;
    uint8_t from_family;                /* of AMD */
    /* in the order of leaf 4; the last is the package's, the others a core's */
    Cache   at[N_CACHES];
} CacheSet;
static const CacheSet cache_sets[] = {  /* the first that fits */
    { true, 0, { { DATA, 1, 64, 8, 32 }, { CODE, 1, 64, 8, 32 },
                 { BOTH, 2, 64, 8, 512 }, { BOTH, 3, 64, 16, 16384 } } },
    { false, 25, { { DATA, 1, 64, 8, 32 }, { CODE, 1, 64, 8, 32 },
                   { BOTH, 2, 64, 8, 512 }, { BOTH, 3, 64, 16, 32768 } } },
    { false, 24, { { DATA, 1, 64, 8, 32 }, { CODE, 1, 64, 4, 64 },
                   { BOTH, 2, 64, 8, 512 }, { BOTH, 3, 64, 16, 8192 } } },
    { false, 23, { { DATA, 1, 64, 8, 32 }, { CODE, 1, 64, 4, 64 },
                   { BOTH, 2, 64, 8, 512 }, { BOTH, 3, 64, 16, 8192 } } },
    { false, 0, { { DATA, 1, 64, 2, 64 }, { CODE, 1, 64, 2, 64 },
                  { BOTH, 2, 64, 16, 512 }, { BOTH, 3, 64, 16, 16384 } } },
};

static unsigned family_of(const X86Cpu *c)
{
    unsigned family = c->signature >> 8 & 15;

    return family == 15 ? 15 + (c->signature >> 20 & 0xff) : family;
}

static const Cache *cache_at(const X86Cpu *c, unsigned i)
{
    const CacheSet *set = cache_sets;

    while (set->intel != c->vendor_intel || (!set->intel && family_of(c) < set->from_family)) {
        set++;
    }
    return i < N_CACHES - (c->l3_cache ? 0u : 1u) ? &set->at[i] : NULL;
}

/* Leaf 4, and 8000001DH of AMD, whose count of sharers is exact. */
static void leaf_caches(X86Cpu *c, uint32_t sub, bool amd, uint32_t r[4])
{
    Topology t = topology(c);
    const Cache *cache = cache_at(c, sub);
    unsigned sharers;

    if (!cache) {
        return;
    }
    if (amd) {
        sharers = cache->level == 3 ? t.threads * t.cores : t.threads;
    } else {
        sharers = 1u << (cache->level == 3 ? t.package_bits : t.thread_bits);
    }
    r[0] = cache->type | cache->level << 5 | 1 << 8 | ((sharers - 1) & 0xfff) << 14;
    if (!amd) {
        r[0] |= ((1u << (t.package_bits - t.thread_bits)) - 1) << 26;
    }
    r[1] = (cache->line - 1u) | (cache->ways - 1u) << 22;
    r[2] = cache->kib * 1024 / cache->line / cache->ways - 1;
    r[3] = cache->level == 3 ? 2 : 0;   /* includes what is in the lower ones */
}

/* Associativity in the code of leaf 80000006H (APM vol. 3 E.4.4). */
static uint32_t ways_code(unsigned ways)
{
    static const uint8_t codes[][2] = { { 64, 12 }, { 48, 11 }, { 32, 10 }, { 16, 8 }, { 8, 6 },
                                        { 4, 4 }, { 2, 2 }, { 1, 1 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (ways >= codes[i][0]) {
            return codes[i][1];
        }
    }
    return 0;
}

static void leaf_amd_l1(X86Cpu *c, uint32_t r[4])
{
    if (c->vendor_intel) {
        return;
    }
    /* TLBs: 64 entries, fully associative */
    r[0] = r[1] = 255u << 24 | 64 << 16 | 255 << 8 | 64;
    for (unsigned i = 0; i < 2; i++) {
        const Cache *l1 = cache_at(c, i);
        r[2 + i] = l1->kib << 24 | (uint32_t)l1->ways << 16 | 1 << 8 | l1->line;
    }
}

static void leaf_l2_l3(X86Cpu *c, uint32_t r[4])
{
    const Cache *l2 = cache_at(c, 2), *l3 = cache_at(c, 3);

    r[2] = l2->kib << 16 | ways_code(l2->ways) << 12 | l2->line;
    if (c->vendor_intel) {
        return;
    }
    r[0] = r[1] = ways_code(4) << 28 | 512 << 16 | ways_code(4) << 12 | 512;
    r[2] |= 1 << 8;
    if (l3) {
        r[3] = l3->kib / 512 << 18 | ways_code(l3->ways) << 12 | 1 << 8 | l3->line;
    }
}

/*
 * Leaf 2: descriptors (SDM vol. 2 table 3-12), or FFH, which points to leaf 4 where there is one.
 */
static void leaf_descriptors(X86Cpu *c, uint32_t r[4])
{
    if (c->level >= 4) {
        r[0] = 0x00ff5a01;              /* FFH, a data TLB, "once is enough" */
    } else {
        r[0] = 0x03020101;              /* TLBs: code 4K, 4M; data 4K */
        /* L1 data 16 KiB, data TLB 4M, L1 code 16 KiB, L2 512 KiB, lines of 32 */
        r[3] = 0x0c040843;
    }
}

/* ---- topology ---- */
static void leaf_topology(X86Cpu *c, uint32_t sub, uint32_t r[4])
{
    Topology t = topology(c);

    if (sub == 0) {
        r[0] = t.thread_bits;
        r[1] = t.threads;
        r[2] = 1 << 8;
    } else if (sub == 1) {
        r[0] = t.package_bits;
        r[1] = t.threads * t.cores;
        r[2] = 1 | 2 << 8;
    } else {
        r[2] = sub & 0xff;
    }
    r[3] = c->dbt.vcpu.apic_id;
}

/* 8000001EH: APIC ID, core and how many threads it has, node. */
static void leaf_amd_ids(X86Cpu *c, uint32_t r[4])
{
    Topology t = topology(c);
    uint32_t id = c->dbt.vcpu.apic_id;

    r[0] = id;
    r[1] = (id >> t.thread_bits & ((1u << (t.package_bits - t.thread_bits)) - 1)) | (t.threads - 1)
                                                                                        << 8;
    r[2] = id >> t.package_bits & 0xff;
}

static void leaf_xsave(X86Cpu *c, uint32_t sub, uint32_t r[4])
{
    if (!x86_feat(c, FEAT_1_ECX, 26)) {
        return;
    }
    if (sub == 0) {
        r[0] = (uint32_t)x86_xcr0_known(c);
        r[1] = x86_xsave_bytes(c->xcr0, false);
        r[2] = x86_xsave_bytes(x86_xcr0_known(c), false);
    } else if (sub == 1) {
        r[0] = c->feat[FEAT_D1_EAX];
        r[1] = c->feat[FEAT_D1_EAX] & (B(1) | B(3)) ? x86_xsave_bytes(c->xcr0, true) : 0;
    } else if (sub < 32 && x86_xcr0_known(c) >> sub & 1) {
        x86_xsave_part(sub, &r[0], &r[1]);
    }
}

static void leaf_1(X86Cpu *c, uint32_t r[4])
{
    Topology t = topology(c);

    r[0] = c->signature;
    r[1] = (c->dbt.vcpu.apic_id & 0xff) << 24 | (1u << t.package_bits & 0xff) << 16 | 8 << 8;
    r[2] = c->feat[FEAT_1_ECX] | (c->cr4 & CR4_OSXSAVE ? B(27) : 0);
    r[3] = c->feat[FEAT_1_EDX];
    if (c->apic_ops && !(c->apic_ops->get_base(c->apic) & APIC_BASE_EN)) {
        r[3] &= ~B(9);
    }
}

static void leaf_vendor(const X86Cpu *c, uint32_t r[4])
{
    memcpy(&r[1], c->vendor, 4);
    memcpy(&r[3], c->vendor + 4, 4);
    memcpy(&r[2], c->vendor + 8, 4);
}

static void leaf_basic(X86Cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    switch (leaf) {
    case 0:
        r[0] = c->level;
        leaf_vendor(c, r);
        break;
    case 1:
        leaf_1(c, r);
        break;
    case 2:
        leaf_descriptors(c, r);
        break;
    case 4:
        if (c->vendor_intel) {
            leaf_caches(c, sub, false, r);
        }
        break;
    /* lines of 64 bytes; ECX of MWAIT; no C-states, so that idle CPUs halt */
    case 5:
        if (x86_feat(c, FEAT_1_ECX, 3)) {
            r[0] = r[1] = 64;
            r[2] = 3;
        }
        break;
    case 6:
        r[0] = c->feat[FEAT_6_EAX];
        break;
    case 7:
        if (sub == 0) {
            r[0] = c->feat[FEAT_7_1_EAX] != 0;
            r[1] = c->feat[FEAT_7_EBX];
            r[2] = c->feat[FEAT_7_ECX] | (c->cr4 & CR4_PKE ? B(4) : 0);
            r[3] = c->feat[FEAT_7_EDX];
        } else if (sub == 1) {
            r[0] = c->feat[FEAT_7_1_EAX];
        }
        break;
    case 0xb:
    case 0x1f:
        leaf_topology(c, sub, r);
        break;
    case 0xd:
        leaf_xsave(c, sub, r);
        break;
    case 0x15:                          /* the TSC: 40 times a crystal of 25 MHz */
        r[0] = 1;
        r[1] = (uint32_t)(x86_tsc_hz(c->dbt.vcpu.machine) / CRYSTAL_HZ);
        r[2] = CRYSTAL_HZ;
        break;
    }
}

static void leaf_extended(X86Cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    char brand[48] = { 0 };
    Topology t = topology(c);

    switch (leaf) {
    case 0x80000000:
        r[0] = c->xlevel;
        if (!c->vendor_intel) {
            leaf_vendor(c, r);
        }
        break;
    case 0x80000001:
        r[0] = c->vendor_intel ? 0 : c->signature;
        r[2] = c->feat[FEAT_81_ECX] | (!c->vendor_intel && t.threads * t.cores > 1 ? 2 : 0);
        r[3] = c->feat[FEAT_81_EDX] | (c->vendor_intel ? 0 : c->feat[FEAT_1_EDX] & 0x0183f3ff);
        if (c->vendor_intel && !x86_code64(c)) {
            r[3] &= ~B(11);             /* Intel: SYSCALL in 64-bit code alone */
        }
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        g_strlcpy(brand, c->brand, sizeof brand);
        memcpy(r, brand + (leaf - 0x80000002) * 16, 16);
        break;
    case 0x80000005:
        leaf_amd_l1(c, r);
        break;
    case 0x80000006:
        leaf_l2_l3(c, r);
        break;
    case 0x80000007:
        r[3] = c->feat[FEAT_87_EDX];
        break;
    case 0x80000008:
        r[0] = c->phys_bits | (x86_feat(c, FEAT_81_EDX, 29) ? 48 : 32) << 8;
        r[1] = c->feat[FEAT_88_EBX];
        r[2] = c->vendor_intel ? 0 : (t.threads * t.cores - 1) | t.package_bits << 12;
        break;
    case 0x8000000a:
        if (x86_feat(c, FEAT_81_ECX, 2)) {
            r[0] = 1;                   /* revision */
            r[1] = SVM_N_ASIDS;
            r[3] = c->feat[FEAT_8A_EDX];
        }
        break;
    case 0x8000001d:
    case 0x8000001e:
        if (!c->vendor_intel && x86_feat(c, FEAT_81_ECX, 22)) {
            if (leaf & 1) {
                leaf_caches(c, sub, true, r);
            } else {
                leaf_amd_ids(c, r);
            }
        }
        break;
    }
}

static void leaf_hypervisor(X86Cpu *c, uint32_t leaf, uint32_t r[4])
{
    if (!x86_feat(c, FEAT_1_ECX, 31) || !c->feat[FEAT_KVM]) {
        return;
    }
    switch (leaf) {
    case 0x40000000:                    /* the interface whose clock page this CPU has */
        r[0] = 0x40000010;
        memcpy(&r[1], "KVMKVMKVM\0\0\0", 12);
        break;
    case 0x40000001:
        r[0] = c->feat[FEAT_KVM];
        break;
    case 0x40000010:
        r[0] = (uint32_t)(x86_tsc_hz(c->dbt.vcpu.machine) / 1000);
        break;
    }
}

void x86_cpuid(X86Cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    memset(r, 0, 4 * sizeof r[0]);
    if (leaf >> 16 == 0x4000) {
        leaf_hypervisor(c, leaf, r);
    } else if (leaf >> 31) {
        if (leaf <= c->xlevel) {
            leaf_extended(c, leaf, sub, r);
        } else if (c->vendor_intel) {
            /* as Intel's do with a leaf they do not know */
            leaf_basic(c, c->level, sub, r);
        }
    } else if (leaf <= c->level || c->vendor_intel) {
        leaf_basic(c, MIN(leaf, c->level), sub, r);
    }
}
