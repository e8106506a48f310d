/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid.c -- CPU models, the features that work, and what CPUID says of them.
 *
 * Spec: Intel SDM (325462) vol. 2 CPUID, AMD APM vol. 3 appendix E; KVM's leaves: Linux
 * Documentation/virt/kvm/x86/cpuid.rst.
 * Omits: cache and TLB descriptors beyond one plausible set; leaves past the highest one read as 0.
 * Threads: the vCPU's own; x86_cpuid_init() before it starts.
 *
 * `works` is the one place that says what this CPU can do: a bit that is not in it is never shown.
 */
#include <stdio.h>
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"
#include "core/options.h"

#define B(n) (1u << (n))

/* ---- features by name ---- */
typedef struct Feature {
    uint8_t     word, bit;
    const char *name;
} Feature;
static const Feature features[] = {
    { FEAT_1_EDX, 0, "fpu" }, { FEAT_1_EDX, 1, "vme" }, { FEAT_1_EDX, 2, "de" }, { FEAT_1_EDX, 3, "pse" },
    { FEAT_1_EDX, 4, "tsc" }, { FEAT_1_EDX, 5, "msr" }, { FEAT_1_EDX, 6, "pae" }, { FEAT_1_EDX, 7, "mce" },
    { FEAT_1_EDX, 8, "cx8" }, { FEAT_1_EDX, 9, "apic" }, { FEAT_1_EDX, 11, "sep" }, { FEAT_1_EDX, 12, "mtrr" },
    { FEAT_1_EDX, 13, "pge" }, { FEAT_1_EDX, 14, "mca" }, { FEAT_1_EDX, 15, "cmov" }, { FEAT_1_EDX, 16, "pat" },
    { FEAT_1_EDX, 17, "pse36" }, { FEAT_1_EDX, 19, "clflush" }, { FEAT_1_EDX, 23, "mmx" }, { FEAT_1_EDX, 24, "fxsr" },
    { FEAT_1_EDX, 25, "sse" }, { FEAT_1_EDX, 26, "sse2" }, { FEAT_1_EDX, 27, "ss" }, { FEAT_1_EDX, 28, "ht" },
    { FEAT_1_ECX, 0, "sse3" }, { FEAT_1_ECX, 0, "pni" }, { FEAT_1_ECX, 1, "pclmulqdq" }, { FEAT_1_ECX, 3, "monitor" },
    { FEAT_1_ECX, 5, "vmx" }, { FEAT_1_ECX, 9, "ssse3" }, { FEAT_1_ECX, 12, "fma" }, { FEAT_1_ECX, 13, "cx16" },
    { FEAT_1_ECX, 17, "pcid" }, { FEAT_1_ECX, 19, "sse4.1" }, { FEAT_1_ECX, 19, "sse4-1" }, { FEAT_1_ECX, 20, "sse4.2" },
    { FEAT_1_ECX, 20, "sse4-2" }, { FEAT_1_ECX, 21, "x2apic" }, { FEAT_1_ECX, 22, "movbe" }, { FEAT_1_ECX, 23, "popcnt" },
    { FEAT_1_ECX, 24, "tsc-deadline" }, { FEAT_1_ECX, 25, "aes" }, { FEAT_1_ECX, 26, "xsave" }, { FEAT_1_ECX, 28, "avx" },
    { FEAT_1_ECX, 29, "f16c" }, { FEAT_1_ECX, 30, "rdrand" }, { FEAT_1_ECX, 31, "hypervisor" },
    { FEAT_7_EBX, 0, "fsgsbase" }, { FEAT_7_EBX, 1, "tsc_adjust" }, { FEAT_7_EBX, 1, "tsc-adjust" },
    { FEAT_7_EBX, 3, "bmi1" }, { FEAT_7_EBX, 5, "avx2" }, { FEAT_7_EBX, 7, "smep" }, { FEAT_7_EBX, 8, "bmi2" },
    { FEAT_7_EBX, 9, "erms" }, { FEAT_7_EBX, 10, "invpcid" }, { FEAT_7_EBX, 16, "avx512f" }, { FEAT_7_EBX, 17, "avx512dq" },
    { FEAT_7_EBX, 18, "rdseed" }, { FEAT_7_EBX, 19, "adx" }, { FEAT_7_EBX, 20, "smap" }, { FEAT_7_EBX, 21, "avx512ifma" },
    { FEAT_7_EBX, 28, "avx512cd" }, { FEAT_7_EBX, 30, "avx512bw" }, { FEAT_7_EBX, 31, "avx512vl" },
    { FEAT_7_ECX, 1, "avx512vbmi" }, { FEAT_7_ECX, 6, "avx512vbmi2" }, { FEAT_7_ECX, 8, "gfni" }, { FEAT_7_ECX, 11, "avx512vnni" },
    { FEAT_7_ECX, 12, "avx512bitalg" }, { FEAT_7_ECX, 14, "avx512-vpopcntdq" }, { FEAT_7_EBX, 23, "clflushopt" }, { FEAT_7_EBX, 24, "clwb" },
    { FEAT_7_EBX, 29, "sha-ni" }, { FEAT_7_ECX, 2, "umip" }, { FEAT_7_ECX, 3, "pku" }, { FEAT_7_ECX, 9, "vaes" }, { FEAT_7_ECX, 10, "vpclmulqdq" }, { FEAT_7_ECX, 16, "la57" },
    { FEAT_7_ECX, 22, "rdpid" }, { FEAT_7_EDX, 4, "fsrm" }, { FEAT_7_EDX, 26, "spec-ctrl" },
    { FEAT_7_EDX, 29, "arch-capabilities" }, { FEAT_81_EDX, 11, "syscall" }, { FEAT_81_EDX, 20, "nx" },
    { FEAT_81_EDX, 26, "pdpe1gb" }, { FEAT_81_EDX, 27, "rdtscp" }, { FEAT_81_EDX, 29, "lm" },
    { FEAT_81_ECX, 0, "lahf-lm" }, { FEAT_81_ECX, 0, "lahf_lm" }, { FEAT_81_ECX, 2, "svm" }, { FEAT_81_ECX, 5, "abm" },
    { FEAT_81_ECX, 6, "sse4a" }, { FEAT_81_ECX, 8, "3dnowprefetch" }, { FEAT_81_ECX, 16, "fma4" },
    { FEAT_D1_EAX, 0, "xsaveopt" }, { FEAT_D1_EAX, 1, "xsavec" }, { FEAT_D1_EAX, 2, "xgetbv1" }, { FEAT_D1_EAX, 3, "xsaves" },
    { FEAT_6_EAX, 2, "arat" }, { FEAT_87_EDX, 8, "invtsc" }, { FEAT_KVM, 1, "kvm-nopiodelay" }, { FEAT_KVM, 3, "kvmclock" },
    { FEAT_KVM, 24, "kvmclock-stable-bit" },
};

enum {
    BASE_1_EDX = B(0) | B(2) | B(3) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(11) | B(12) | B(13) | B(14) | B(15) | B(16) |
                 B(17) | B(19) | B(23) | B(24) | B(25) | B(26),
    V2_1_ECX = B(0) | B(9) | B(13) | B(19) | B(20) | B(23),
    LONG_81_EDX = B(11) | B(20) | B(29),
    KVM_CLOCK = B(1) | B(3) | B(24),
};

/* AVX-512: what x86-64-v4 asks for, what else there is of it.  It works by C code and the host's AVX2. */
enum {
    AVX512_7_EBX = B(16) | B(17) | B(28) | B(30) | B(31), AVX512_MORE_7_EBX = B(21),
    AVX512_7_ECX = B(1) | B(6) | B(11) | B(12) | B(14),
};

static const uint32_t works[X86_N_FEATS] = {
    [FEAT_1_EDX] = BASE_1_EDX | B(28),
    [FEAT_1_ECX] = V2_1_ECX | B(1) | B(17) | B(21) | B(22) | B(24) | B(25) | B(26) | B(30) | B(31) | B(12) | B(28) | B(29),
    [FEAT_7_EBX] = B(0) | B(1) | B(3) | B(5) | B(7) | B(8) | B(9) | B(10) | B(18) | B(19) | B(20) | B(23) | B(24) | B(29),
    [FEAT_7_ECX] = B(2) | B(9) | B(10) | B(22),
    [FEAT_7_EDX] = B(29),
    [FEAT_81_EDX] = LONG_81_EDX | B(26) | B(27),
    [FEAT_81_ECX] = B(0) | B(5) | B(8),
    [FEAT_D1_EAX] = B(0) | B(1) | B(2),
    [FEAT_6_EAX] = B(2),
    [FEAT_87_EDX] = B(8),
    [FEAT_KVM] = KVM_CLOCK,
};

/* ---- models ---- */
typedef struct X86Model {
    const char *name, *desc, *brand;
    bool        intel, all;             /* all: everything that works */
    uint8_t     family, model, stepping;
    uint32_t    feat[X86_N_FEATS];
} X86Model;

#define FAST_FEATURES { \
    [FEAT_1_EDX] = BASE_1_EDX, [FEAT_1_ECX] = V2_1_ECX | B(1) | B(17) | B(21) | B(22) | B(24) | B(25) | B(26) | B(30) | B(31), \
    [FEAT_7_EBX] = B(0) | B(1) | B(7) | B(9) | B(10) | B(18) | B(20), [FEAT_7_ECX] = B(2) | B(22), [FEAT_7_EDX] = B(29), \
    [FEAT_81_EDX] = LONG_81_EDX | B(26) | B(27), [FEAT_81_ECX] = B(0) | B(8), [FEAT_6_EAX] = B(2), \
    [FEAT_87_EDX] = B(8), [FEAT_KVM] = KVM_CLOCK }

/*
 * The default says that it is an in-order Atom (family 6 model 36H): it does not speculate, so no operating system spends
 * time on keeping speculation from leaking, and there is nothing here that could leak so.
 * Of those, 36H is one that C libraries give their usual string functions; for 1CH they avoid BSF at some cost.
 */
static const X86Model models[] = {
    { "ryokan64", "What guests run fastest on (default)", "Ryokan Virtual CPU", true, false, 6, 0x36, 1, FAST_FEATURES },
    { "max", "Every feature that works", "Ryokan Virtual CPU (max)", true, true, 6, 0x36, 1, { 0 } },
    { "host", "The same as max", "Ryokan Virtual CPU (max)", true, true, 6, 0x36, 1, { 0 } },
    { "qemu64", "A plain 64-bit AMD CPU", "Ryokan Virtual CPU (qemu64)", false, false, 15, 107, 1,
      { [FEAT_1_EDX] = BASE_1_EDX, [FEAT_1_ECX] = B(0) | B(13) | B(21) | B(31), [FEAT_81_EDX] = LONG_81_EDX,
        [FEAT_81_ECX] = B(0), [FEAT_KVM] = KVM_CLOCK } },
    { "qemu32", "A plain 32-bit Intel CPU", "Ryokan Virtual CPU (qemu32)", true, false, 6, 6, 3,
      { [FEAT_1_EDX] = BASE_1_EDX, [FEAT_1_ECX] = B(0) | B(21) | B(31), [FEAT_KVM] = KVM_CLOCK } },
    { "x86-64-v1", "The first x86-64 level", "Ryokan Virtual CPU (v1)", true, false, 6, 0x36, 1,
      { [FEAT_1_EDX] = BASE_1_EDX, [FEAT_1_ECX] = B(21) | B(31), [FEAT_81_EDX] = LONG_81_EDX, [FEAT_6_EAX] = B(2),
        [FEAT_87_EDX] = B(8), [FEAT_7_EDX] = B(29), [FEAT_KVM] = KVM_CLOCK } },
    { "x86-64-v2", "The second: SSE4.2, POPCNT, CX16", "Ryokan Virtual CPU (v2)", true, false, 6, 0x36, 1,
      { [FEAT_1_EDX] = BASE_1_EDX, [FEAT_1_ECX] = V2_1_ECX | B(21) | B(31), [FEAT_81_EDX] = LONG_81_EDX,
        [FEAT_81_ECX] = B(0), [FEAT_6_EAX] = B(2), [FEAT_87_EDX] = B(8), [FEAT_7_EDX] = B(29), [FEAT_KVM] = KVM_CLOCK } },
    { "x86-64-v3", "The third: AVX2, FMA, BMI2", "Ryokan Virtual CPU (v3)", true, false, 6, 0x1c, 10,
      { [FEAT_1_EDX] = BASE_1_EDX, [FEAT_1_ECX] = V2_1_ECX | B(12) | B(21) | B(22) | B(26) | B(28) | B(29) | B(31),
        [FEAT_7_EBX] = B(3) | B(5) | B(8), [FEAT_81_EDX] = LONG_81_EDX, [FEAT_81_ECX] = B(0) | B(5), [FEAT_6_EAX] = B(2),
        [FEAT_87_EDX] = B(8), [FEAT_7_EDX] = B(29), [FEAT_KVM] = KVM_CLOCK } },
};

void x86_cpu_help(void)
{
    GString *out = g_string_new("CPU models:\n");

    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        g_string_append_printf(out, "  %-12s %s\n", models[i].name, models[i].desc);
    }
    g_string_append(out, "Features (+NAME, -NAME, NAME=on|off):\n ");
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if ((works[features[i].word] >> features[i].bit) & 1) {
            g_string_append_printf(out, " %s", features[i].name);
        }
    }
    g_string_append(out, "\nAlso: vendor=, family=, model=, stepping=, phys-bits=, kvm=on|off, check, enforce\n");
    fputs(out->str, stdout);
    g_string_free(out, TRUE);
}

/* ---- the command line ---- */
static bool parse_on_off(const char *val, bool *on, GError **err, const char *key)
{
    if (!strcmp(val, "on") || !strcmp(val, "true") || !strcmp(val, "yes")) {
        *on = true;
    } else if (!strcmp(val, "off") || !strcmp(val, "false") || !strcmp(val, "no")) {
        *on = false;
    } else {
        return fail(err, "-cpu: %s=%s: say on or off", key, val);
    }
    return true;
}

static bool parse_number(const char *key, const char *val, uint64_t min, uint64_t max, uint64_t *out, GError **err)
{
    char *end;
    uint64_t v = g_ascii_strtoull(val, &end, 0);

    if (!*val || *end || v < min || v > max) {
        return fail(err, "-cpu: %s=%s: a number from %llu to %llu is needed", key, val, (unsigned long long)min,
                    (unsigned long long)max);
    }
    *out = v;
    return true;
}

static bool feature_named(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (*a != *b && !(strchr("-_.", *a) && strchr("-_.", *b))) {
            return false;
        }
    }
    return *a == *b;
}

typedef struct CpuChoice {
    uint64_t family, model, stepping, phys_bits;
    bool     enforce, kvm;
} CpuChoice;

static bool set_feature(X86Cpu *c, const CpuChoice *ch, const char *key, const char *val, GError **err)
{
    bool on, found = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        const Feature *f = &features[i];
        if (!feature_named(f->name, key)) {
            continue;
        }
        found = true;
        if (!parse_on_off(val, &on, err, key)) {
            return false;
        }
        if (!on) {
            c->feat[f->word] &= ~B(f->bit);
        } else if ((works[f->word] >> f->bit) & 1) {
            c->feat[f->word] |= B(f->bit);
        } else if (ch->enforce) {
            return fail(err, "-cpu: feature %s is not there; leave it out, or leave out \"enforce\"", key);
        } else if (c->dbt.vcpu.index == 0) {
            g_printerr("ryokan: warning: -cpu: feature %s is not there\n", key);
        }
        break;
    }
    return found || fail(err, "-cpu: no feature or property \"%s\"; see -cpu help", key);
}

static bool set_property(X86Cpu *c, CpuChoice *ch, const char *key, const char *val, GError **err)
{
    bool on;

    if (!strcmp(key, "family")) {
        return parse_number(key, val, 3, 255 + 15, &ch->family, err);
    } else if (!strcmp(key, "model")) {
        return parse_number(key, val, 0, 255, &ch->model, err);
    } else if (!strcmp(key, "stepping")) {
        return parse_number(key, val, 0, 15, &ch->stepping, err);
    } else if (!strcmp(key, "phys-bits")) {
        return parse_number(key, val, 32, 52, &ch->phys_bits, err);
    } else if (!strcmp(key, "vendor")) {
        c->vendor_intel = !strcmp(val, "GenuineIntel");
        return c->vendor_intel || !strcmp(val, "AuthenticAMD") ||
               fail(err, "-cpu: vendor=%s: GenuineIntel or AuthenticAMD", val);
    } else if (!strcmp(key, "kvm")) {
        return parse_on_off(val, &ch->kvm, err, key);
    } else if (!strcmp(key, "enforce")) {
        return parse_on_off(val, &ch->enforce, err, key);
    } else if (!strcmp(key, "check") || !strcmp(key, "migratable")) {
        return parse_on_off(val, &on, err, key);        /* features that are missing are always named; all can be saved */
    }
    return set_feature(c, ch, key, val, err);
}

bool x86_cpu_check(Machine *m, GError **err)
{
    /* What the CPUs will be, without making one; numbered so that it is silent. */
    X86Cpu c = { .dbt.vcpu = { .machine = m, .index = UINT32_MAX } };

    return x86_cpuid_init(&c, err);
}

/* max is to be fast: AVX-512 and GFNI are in it where the host has them. */
static void leave_out_slow(X86Cpu *c)
{
    bool avx512 = false, gfni = false;

#if defined(__x86_64__)
    avx512 = __builtin_cpu_supports("avx512f");
    gfni = __builtin_cpu_supports("gfni");
#endif
    if (!avx512) {
        c->feat[FEAT_7_EBX] &= ~(uint32_t)(AVX512_7_EBX | AVX512_MORE_7_EBX);
        c->feat[FEAT_7_ECX] &= ~(uint32_t)AVX512_7_ECX;
    }
    if (!gfni) {
        c->feat[FEAT_7_ECX] &= ~B(8);
    }
}

/* AVX needs XSAVE and the host; the others need AVX, and VAES and VPCLMULQDQ the host's; AVX-512 needs AVX2, FMA and F16C. */
static void leave_out_missing(X86Cpu *c)
{
    bool xsave = c->feat[FEAT_1_ECX] & B(26), vaes = false;

    if (!xsave) {
        c->feat[FEAT_D1_EAX] = 0;
    }
    if (!xsave || !x86_vex_runs()) {
        c->feat[FEAT_1_ECX] &= ~B(28);
    }
    if (!(c->feat[FEAT_1_ECX] & B(28))) {
        c->feat[FEAT_1_ECX] &= ~(B(12) | B(29));
        c->feat[FEAT_7_EBX] &= ~B(5);
        c->feat[FEAT_7_ECX] &= ~(B(9) | B(10));
    }
    if (!(c->feat[FEAT_7_EBX] & B(5)) || ~c->feat[FEAT_1_ECX] & (B(12) | B(29))) {
        c->feat[FEAT_7_EBX] &= ~B(16);
    }
    if (!(c->feat[FEAT_7_EBX] & B(16))) {
        c->feat[FEAT_7_EBX] &= ~(uint32_t)(AVX512_7_EBX | AVX512_MORE_7_EBX);
        c->feat[FEAT_7_ECX] &= ~(uint32_t)AVX512_7_ECX;
    }
#if defined(__x86_64__)
    vaes = __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
#endif
    if (!x86_sha_runs()) {
        c->feat[FEAT_7_EBX] &= ~B(29);
    }
    if (!vaes) {
        c->feat[FEAT_7_ECX] &= ~(B(9) | B(10));
    }
}

bool x86_cpuid_init(X86Cpu *c, GError **err)
{
    const struct Options *o = c->dbt.vcpu.machine->options;
    const char *name = o && o->cpu_model ? o->cpu_model : models[0].name;
    const X86Model *m = NULL;
    CpuChoice ch = { .phys_bits = 40, .kvm = true };

    for (unsigned i = 0; i < G_N_ELEMENTS(models) && !m; i++) {
        m = strcmp(models[i].name, name) ? NULL : &models[i];
    }
    if (!m) {
        return fail(err, "-cpu: no CPU model \"%s\"; see -cpu help", name);
    }
    c->model = m;
    c->vendor_intel = m->intel;
    ch.family = m->family;
    ch.model = m->model;
    ch.stepping = m->stepping;
    memcpy(c->feat, m->all ? works : m->feat, sizeof c->feat);
    if (m->all) {
        leave_out_slow(c);
    }
    for (unsigned i = 0; o && o->cpu_props && i < o->cpu_props->len; i++) {
        const OptPair *p = g_ptr_array_index(o->cpu_props, i);
        if (!strcmp(p->key, "enforce") && !parse_on_off(p->val ? p->val : "on", &ch.enforce, err, p->key)) {
            return false;
        }
    }
    for (unsigned i = 0; o && o->cpu_props && i < o->cpu_props->len; i++) {
        const OptPair *p = g_ptr_array_index(o->cpu_props, i);
        if (!set_property(c, &ch, p->key, p->val ? p->val : "on", err)) {
            return false;
        }
    }
    c->feat[FEAT_1_ECX] &= ~x86_simd_missing();
    leave_out_missing(c);
    if (!ch.kvm) {
        c->feat[FEAT_KVM] = 0;
    }
    c->phys_bits = (uint8_t)ch.phys_bits;
    c->signature = (uint32_t)((ch.stepping & 15) | (ch.model & 15) << 4 | (ch.model >> 4) << 16 |
                              (ch.family < 15 ? ch.family << 8 : 15 << 8 | (ch.family - 15) << 20));
    if (c->dbt.vcpu.machine->n_cpus > 1) {
        c->feat[FEAT_1_EDX] |= B(28);
    }
    /* RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, GDS_NO, RFDS_NO */
    c->arch_capabilities = B(0) | B(1) | B(3) | B(4) | B(5) | B(6) | B(8) | B(13) | B(14) | B(15) | B(26) | B(27);
    return true;
}

/* ---- leaves ---- */
static unsigned bits_for(unsigned n)            /* how many bits number n things */
{
    unsigned b = 0;

    while ((1u << b) < n) {
        b++;
    }
    return b;
}

typedef struct Topology {
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

/* Leaf 4: one set of caches, L1 per core, L2 per core. */
static void leaf_caches(X86Cpu *c, uint32_t sub, uint32_t r[4])
{
    static const struct { uint8_t type, level; uint16_t ways; uint32_t kib; } caches[] = {
        { 1, 1, 8, 32 }, { 2, 1, 8, 32 }, { 3, 2, 8, 512 },
    };
    Topology t = topology(c);

    if (sub < G_N_ELEMENTS(caches)) {
        r[0] = caches[sub].type | caches[sub].level << 5 | 1 << 8 | (t.threads - 1) << 14 | (t.cores - 1) << 26;
        r[1] = 63 | (caches[sub].ways - 1u) << 22;
        r[2] = caches[sub].kib * 1024 / 64 / caches[sub].ways - 1;
    }
}

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
    r[3] = c->dbt.vcpu.index;
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
    r[1] = (c->dbt.vcpu.index & 0xff) << 24 | (1u << t.package_bits & 0xff) << 16 | 8 << 8;
    r[2] = c->feat[FEAT_1_ECX] | (c->cr4 & CR4_OSXSAVE ? B(27) : 0);
    r[3] = c->feat[FEAT_1_EDX];
    if (c->apic_ops && !(c->apic_ops->get_base(c->apic) & APIC_BASE_EN)) {
        r[3] &= ~B(9);
    }
}

static void leaf_basic(X86Cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    switch (leaf) {
    case 0:
        r[0] = 0xd;
        memcpy(&r[1], c->vendor_intel ? "Genu" : "Auth", 4);
        memcpy(&r[3], c->vendor_intel ? "ineI" : "enti", 4);
        memcpy(&r[2], c->vendor_intel ? "ntel" : "cAMD", 4);
        break;
    case 1:
        leaf_1(c, r);
        break;
    case 2:
        r[0] = 0x0000ff01;              /* FFH: see leaf 4 */
        break;
    case 4:
        leaf_caches(c, sub, r);
        break;
    case 6:
        r[0] = c->feat[FEAT_6_EAX];
        break;
    case 7:
        if (sub == 0) {
            r[1] = c->feat[FEAT_7_EBX];
            r[2] = c->feat[FEAT_7_ECX];
            r[3] = c->feat[FEAT_7_EDX];
        }
        break;
    case 0xb:
        leaf_topology(c, sub, r);
        break;
    case 0xd:
        leaf_xsave(c, sub, r);
        break;
    }
}

static void leaf_extended(X86Cpu *c, uint32_t leaf, uint32_t r[4])
{
    char brand[48] = { 0 };
    Topology t = topology(c);

    switch (leaf) {
    case 0x80000000:
        r[0] = 0x80000008;
        if (!c->vendor_intel) {
            leaf_basic(c, 0, 0, r);
            r[0] = 0x80000008;
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
        g_strlcpy(brand, c->model->brand, sizeof brand);
        memcpy(r, brand + (leaf - 0x80000002) * 16, 16);
        break;
    case 0x80000005:
        r[2] = r[3] = c->vendor_intel ? 0 : 32u << 24 | 8 << 16 | 1 << 8 | 64;
        break;
    case 0x80000006:
        r[2] = 512u << 16 | 6 << 12 | 64;       /* L2: 512 KiB, 8 ways, lines of 64 */
        break;
    case 0x80000007:
        r[3] = c->feat[FEAT_87_EDX];
        break;
    case 0x80000008:
        r[0] = c->phys_bits | (x86_feat(c, FEAT_81_EDX, 29) ? 48 : 32) << 8;
        r[1] = c->feat[FEAT_88_EBX];
        r[2] = c->vendor_intel ? 0 : (t.threads * t.cores - 1) | t.package_bits << 12;
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
        leaf_extended(c, leaf, r);
    } else {
        leaf_basic(c, leaf, sub, r);
    }
}
