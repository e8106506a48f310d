/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpumodel.c -- -cpu: which model, with which features more or less, and what of that cannot be
 * had.
 *
 * Spec: Intel SDM (325462) vol. 2 CPUID (which features need which); the words of -cpu as users
 *   know them.
 * Omits: Xen enlightenments (xen-*); of Hyper-V's (hv-*) what accel/kvm/pv.c omits; performance
 *   counters, another frequency of the TSC.
 * Threads: x86_cpuid_init() before the vCPU starts; the others are pure functions over const
 *   tables.
 */
#include <stdio.h>
#include "accel/accel.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include "cpu/x86/simd.h"
#include "cpu/x86/sys.h"
#include "core/options.h"

#define B(n) (1u << (n))
enum { TSC_HZ = 1000000000 };
enum { EXT = 0x80000000 };

/* ---- features by name ---- */
typedef struct Feature {
    uint8_t     word, bit;
    const char *name;
} Feature;
static const Feature features[] = {
#define FEATURE(word, bit, name) { FEAT_##word, bit, name },
#include "cpu/x86/features.def"
#undef FEATURE
};

static bool feature_named(const char *a, const char *b, size_t n)
{
    size_t i = 0;

    for (; i < n && a[i]; i++) {
        if (a[i] != b[i] && !(strchr("-_.", a[i]) && strchr("-_.", b[i]))) {
            return false;
        }
    }
    return i == n && !a[i];
}

static const Feature *feature_find(const char *name, size_t n)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (feature_named(features[i].name, name, n)) {
            return &features[i];
        }
    }
    return NULL;
}

/*
 * The first names of the bits of a, with a space before each; words that none names are not listed.
 */
static void names_of(const uint32_t a[X86_N_FEATS], GString *out)
{
    uint32_t seen[X86_N_FEATS] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        const Feature *f = &features[i];
        if (a[f->word] & ~seen[f->word] & B(f->bit)) {
            seen[f->word] |= B(f->bit);
            g_string_append_printf(out, " %s", f->name);
        }
    }
}

/* ---- models ---- */
enum { INTEL, AMD, HYGON };
static const char *const vendors[] = { "GenuineIntel", "AuthenticAMD", "HygonGenuine" };

typedef struct ModelRow {
    const char *name, *base, *alias;
    uint8_t     version, vendor;
    uint16_t    family, model, stepping;
    uint8_t     level, xlevel;
    const char *brand, *changes;
} ModelRow;
static const ModelRow rows[] = {
#define MODEL(name_, base_, vendor_, family_, model_, stepping_, level_, xlevel_, brand_, changes_)      \
    { .name = name_, .base = base_, .version = 1, .vendor = vendor_, .family = family_, .model = model_, \
      .stepping = stepping_, .level = level_, .xlevel = xlevel_, .brand = brand_, .changes = changes_ },
#define VERSION(name_, version_, alias_, model_, stepping_, brand_, changes_) \
    { .name = name_, .alias = alias_, .version = version_, .model = model_, .stepping = stepping_, \
      .brand = brand_, .changes = changes_ },
#include "cpu/x86/models.def"
#undef MODEL
#undef VERSION
    { .name = "max", .version = 1, .vendor = AMD, .family = 15, .model = 107, .stepping = 1,
      .level = 13, .xlevel = 8, .brand = "Ryokan Virtual CPU (max)" },
    { .name = "host", .version = 1, .vendor = AMD, .family = 15, .model = 107, .stepping = 1,
      .level = 13, .xlevel = 8, .brand = "Ryokan Virtual CPU (max)" },
};
static const char default_model[] = "ryokan64";

static bool is_max(const ModelRow *r)           /* everything that works */
{
    return !r->changes;
}

/* The default model's name means its newest version where the host has the vectors that takes. */
static bool is_meant(const ModelRow *r)
{
    return r->version == (!strcmp(r->name, default_model) && X86_HOST_FP && x86_vex_runs() ? 2 : 1);
}

static const ModelRow *row_find(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const ModelRow *r = &rows[i];
        size_t n = strlen(r->name);
        unsigned version;
        char rest;
        if ((is_meant(r) && !strcmp(r->name, name)) || (r->alias && !strcmp(r->alias, name)) ||
            (!is_max(r) && !strncmp(r->name, name, n) &&
             sscanf(name + n, "-v%2u%c", &version, &rest) == 1 && version == r->version &&
             name[n + 2] != '0')) {
            return r;
        }
    }
    return NULL;
}

static const ModelRow *first_version(const ModelRow *r)
{
    return r - (r->version - 1);
}

static void apply(const char *changes, uint32_t feat[X86_N_FEATS])
{
    while (*(changes += strspn(changes, " "))) {
        bool off = *changes == '-';
        size_t n = strcspn(changes += off, " ");
        const Feature *f = feature_find(changes, n);
        g_assert(f);                    /* tests/cpu/models.c reads every row */
        feat[f->word] = off ? feat[f->word] & ~B(f->bit) : feat[f->word] | B(f->bit);
        changes += n;
    }
}

static void expand(const ModelRow *r, uint32_t feat[X86_N_FEATS])
{
    if (r->version > 1) {
        expand(r - 1, feat);
    } else if (r->base) {
        expand(row_find(r->base), feat);
    }
    apply(r->changes, feat);
}

/*
 * Of what tells guests of the hypervisor, named models have what every accelerator has: their state
 * moves from one to the other.
 */
static void expand_whole(const ModelRow *r, const uint32_t can[X86_N_FEATS],
                         uint32_t feat[X86_N_FEATS])
{
    uint32_t works[X86_N_FEATS];

    memset(feat, 0, X86_N_FEATS * sizeof feat[0]);
    if (is_max(r)) {
        memcpy(feat, can, X86_N_FEATS * sizeof feat[0]);
        /* another hypervisor than the guest expects: only if it is asked for */
        feat[FEAT_HV] = 0;
        x86_features_leave_out_slow(feat);
        return;
    }
    expand(r, feat);
    if (!strcmp(r->name, "base")) {
        return;
    }
    feat[FEAT_1_ECX] |= B(31);
    if (feat[FEAT_1_EDX] & B(5) && feat[FEAT_1_EDX] & B(9)) {
        feat[FEAT_1_ECX] |= B(21);
        x86_features_can(works);
        feat[FEAT_KVM] |= can[FEAT_KVM] & works[FEAT_KVM];
    }
}

/* ---- what needs what ---- */
static const struct { const char *needs, *what; } needs[] = {
    { "xsave", "avx xsaveopt xsavec xgetbv1 xsaves" },
    { "avx", "fma f16c avx2 vaes vpclmulqdq fma4 xop" },
    { "avx2", "avx512f avx-vnni" }, { "fma", "avx512f" }, { "f16c", "avx512f" },
    { "avx512f",
      "avx512dq avx512cd avx512bw avx512vl avx512ifma avx512vbmi avx512vbmi2 avx512vnni "
      "avx512bitalg avx512-vpopcntdq avx512-bf16 avx512pf avx512er avx512-4vnniw avx512-4fmaps "
      "avx512-vp2intersect avx512-fp16" },
    { "msr", "apic mtrr pat sep mca kvmclock arch-capabilities" },
    { "pae", "nx lm" },
    { "svm",
      "npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists pause-filter "
      "pfthreshold v-vmsave-vmload vgif svme-addr-chk" },
    { "arch-capabilities",
      "rdctl-no ibrs-all skip-l1dfl-vmentry ssb-no mds-no pschange-mc-no taa-no sbdr-ssdp-no "
      "fbsdp-no psdp-no gds-no rfds-no" },
};

static void drop_what_needs_more(uint32_t feat[X86_N_FEATS])
{
    for (unsigned i = 0; i < G_N_ELEMENTS(needs); i++) {
        const Feature *f = feature_find(needs[i].needs, strlen(needs[i].needs));
        uint32_t what[X86_N_FEATS] = { 0 };
        if (feat[f->word] & B(f->bit)) {
            continue;
        }
        apply(needs[i].what, what);
        for (unsigned w = 0; w < X86_N_FEATS; w++) {
            feat[w] &= ~what[w];
        }
    }
}

/* ---- the command line ---- */
typedef struct CpuChoice {
    uint64_t family, model, stepping, level, xlevel, min_level, min_xlevel, phys_bits, tsc_hz;
    uint64_t hv_spinlocks, hv_version[6];
    bool     hv_all, hv_enforce, pv_enforce, dedicated, cores_auto;
    const char *hv_vendor;
    bool     enforce, check, kvm, l3_cache, taken;
    const char *vendor, *brand;
    uint32_t on[X86_N_FEATS], off[X86_N_FEATS];         /* asked for by name */
} CpuChoice;

enum { NUMBER, SWITCH, TEXT, ONLY_ON, ONLY_OFF };
enum { HV_CORES = 17 };                 /* hv-no-nonarch-coresharing: on, off, or auto */
#define M(x) offsetof(CpuChoice, x)
static const struct Property {
    const char *name;
    uint8_t     kind;
    uint32_t    at;
    uint64_t    min, max;
} properties[] = {
    { "family", NUMBER, M(family), 0, 15 + 255 }, { "model", NUMBER, M(model), 0, 255 },
    { "stepping", NUMBER, M(stepping), 0, 15 }, { "level", NUMBER, M(level), 0, 0x1f },
    { "xlevel", NUMBER, M(xlevel), 0, EXT + 0xffu }, { "min-level", NUMBER, M(min_level), 0, 0x1f },
    { "min-xlevel", NUMBER, M(min_xlevel), 0, EXT + 0xffu },
    { "phys-bits", NUMBER, M(phys_bits), 32, 52 },
    { "tsc-frequency", NUMBER, M(tsc_hz), TSC_HZ, TSC_HZ }, { "vendor", TEXT, M(vendor), 12, 12 },
    { "model-id", TEXT, M(brand), 0, 47 }, { "kvm", SWITCH, M(kvm), 0, 0 },
    { "enforce", SWITCH, M(enforce), 0, 0 },
    { "check", SWITCH, M(check), 0, 0 }, { "l3-cache", SWITCH, M(l3_cache), 0, 0 },
    { "hv-spinlocks", NUMBER, M(hv_spinlocks), 0xfff, UINT32_MAX },
    { "hv-passthrough", SWITCH, M(hv_all), 0, 0 },
    { "hv-vendor-id", TEXT, M(hv_vendor), 0, 12 },
    { "hv-enforce-cpuid", SWITCH, M(hv_enforce), 0, 0 },
    { "hv-version-id-build", NUMBER, M(hv_version[0]), 0, UINT32_MAX },
    { "hv-version-id-major", NUMBER, M(hv_version[1]), 0, UINT16_MAX },
    { "hv-version-id-minor", NUMBER, M(hv_version[2]), 0, UINT16_MAX },
    { "hv-version-id-spack", NUMBER, M(hv_version[3]), 0, UINT32_MAX },
    { "hv-version-id-sbranch", NUMBER, M(hv_version[4]), 0, UINT8_MAX },
    { "hv-version-id-snumber", NUMBER, M(hv_version[5]), 0, 0xffffff },
    { "kvm-pv-enforce-cpuid", SWITCH, M(pv_enforce), 0, 0 },
    { "kvm-hint-dedicated", SWITCH, M(dedicated), 0, 0 },
    { "migratable", SWITCH, M(taken), 0, 0 },           /* everything can be saved */
    { "full-cpuid-auto-level", ONLY_ON, 0, 0, 0 },
    { "cpuid-0xb", ONLY_ON, 0, 0, 0 }, { "fill-mtrr-mask", ONLY_ON, 0, 0, 0 },
    { "pmu", ONLY_OFF, 0, 0, 0 }, { "lmce", ONLY_OFF, 0, 0, 0 },
    { "host-phys-bits", ONLY_OFF, 0, 0, 0 },
    { "host-cache-info", ONLY_OFF, 0, 0, 0 }, { "vmware-cpuid-freq", ONLY_OFF, 0, 0, 0 },
};
#undef M

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

static bool parse_number(const char *key, const char *val, uint64_t min, uint64_t max,
                         uint64_t *out, GError **err)
{
    char *end;
    uint64_t v = g_ascii_strtoull(val, &end, 0);

    if (!*val || *end || v < min || v > max) {
        return min == max ? fail(err, "-cpu: %s=%s: only %llu can be had", key, val,
                                 (unsigned long long)min)
                          : fail(err, "-cpu: %s=%s: a number from %llu to %llu is needed", key, val,
                                 (unsigned long long)min, (unsigned long long)max);
    }
    *out = v;
    return true;
}

static bool set_property(CpuChoice *ch, const struct Property *p, const char *val, GError **err)
{
    void *at = (uint8_t *)ch + p->at;
    bool on;

    switch (p->kind) {
    case NUMBER:
        return parse_number(p->name, val, p->min, p->max, at, err);
    case SWITCH:
        return parse_on_off(val, at, err, p->name);
    case TEXT:
        if (strlen(val) < p->min || strlen(val) > p->max) {
            return fail(err, "-cpu: %s=%s: %llu to %llu characters are needed", p->name, val,
                        (unsigned long long)p->min, (unsigned long long)p->max);
        }
        *(const char **)at = val;
        return true;
    default:
        return parse_on_off(val, &on, err, p->name) &&
               (on == (p->kind == ONLY_ON) ||
                fail(err, "-cpu: %s=%s is not supported", p->name, val));
    }
}

/* Names of the peer's that are not here, and why. */
static const struct { const char *name, *why; } left_out[] = {
    { "hv-evmcs", "it shortens VT-x for a hypervisor in the guest, and guests have SVM here" },
    { "hv-emsr-bitmap",
      "it is for a Hyper-V in the guest, which wants VT-x or what goes with hv-evmcs" },
    { "hv-tlbflush-direct",
      "it is for a Hyper-V in the guest, which wants VT-x or what goes with hv-evmcs" },
    { "hv-syndbg",
      "there is no network transport for Windows' debugger; -gdb and a serial port are there" },
    { "kvm-msi-ext-dest-id", "it is for APIC ids beyond 255, which no machine has here" },
};

static bool unknown(const char *key, GError **err)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(left_out); i++) {
        if (feature_named(left_out[i].name, key, strlen(key))) {
            return fail(err, "-cpu: %s is not supported: %s; leave it out", left_out[i].name,
                        left_out[i].why);
        }
    }
    return fail(err, "-cpu: no feature or property \"%s\"; see -cpu help", key);
}

static bool set_one(CpuChoice *ch, const char *key, const char *val, GError **err)
{
    const Feature *f = feature_find(key, strlen(key));
    bool on;

    for (unsigned i = 0; i < G_N_ELEMENTS(properties); i++) {
        if (feature_named(properties[i].name, key, strlen(key))) {
            return set_property(ch, &properties[i], val, err);
        }
    }
    if (f && f->word == FEAT_HV && f->bit == HV_CORES && !strcmp(val, "auto")) {
        ch->cores_auto = true;
        return true;
    }
    if (!f) {
        return unknown(key, err);
    }
    if (!parse_on_off(val, &on, err, key)) {
        return false;
    }
    ch->on[f->word] = on ? ch->on[f->word] | B(f->bit) : ch->on[f->word] & ~B(f->bit);
    ch->off[f->word] = on ? ch->off[f->word] & ~B(f->bit) : ch->off[f->word] | B(f->bit);
    return true;
}

/* c->feat from the model and what was asked for; missing: what was wanted and is not there. */
static void settle_features(X86Cpu *c, const ModelRow *r, const CpuChoice *ch,
                            uint32_t missing[X86_N_FEATS])
{
    uint32_t can[X86_N_FEATS], want[X86_N_FEATS];
    Machine *m = c->dbt.vcpu.machine;

    x86_features_can(can);
    if (m->accel && m->accel->cpu_can) {
        m->accel->cpu_can(m, can);
    }
    expand_whole(r, can, want);
    want[FEAT_HV] |= ch->hv_all ? can[FEAT_HV] & ~B(HV_CORES) : 0;
    for (unsigned w = 0; w < X86_N_FEATS; w++) {
        want[w] = (want[w] | ch->on[w]) & ~ch->off[w];
        c->feat[w] = want[w] & can[w];
    }
    drop_what_needs_more(c->feat);
    for (unsigned w = 0; w < X86_N_FEATS; w++) {
        /* What a model loses because something it needs was taken from it goes without saying. */
        missing[w] = (want[w] & ~can[w]) | (ch->on[w] & ~c->feat[w]);
    }
    if (!ch->kvm) {
        c->feat[FEAT_KVM] = missing[FEAT_KVM] = 0;
    }
}

static bool tell_missing(X86Cpu *c, const char *name, const CpuChoice *ch,
                         const uint32_t missing[X86_N_FEATS], GError **err)
{
    g_autoptr(GString) text = g_string_new(NULL);

    names_of(missing, text);
    if (text->len && ch->enforce) {
        return fail(err,
                    "-cpu %s: not there:%s; take them out with -NAME, or leave out \"enforce\"",
                    name, text->str);
    }
    if (text->len && ch->check && c->dbt.vcpu.index == 0) {
        g_printerr("ryokan: warning: -cpu %s: not there:%s\n", name, text->str);
    }
    return true;
}

static void settle_levels(X86Cpu *c, const CpuChoice *ch)
{
    uint32_t level = (uint32_t)ch->min_level, xlevel = (uint32_t)ch->min_xlevel;

    if (c->feat[FEAT_6_EAX]) {
        level = MAX(level, 6u);
    }
    if (c->feat[FEAT_7_EBX] | c->feat[FEAT_7_ECX] | c->feat[FEAT_7_EDX]) {
        level = MAX(level, 7u);
    }
    if (c->feat[FEAT_1_ECX] & B(26)) {
        level = MAX(level, 0xdu);
    }
    xlevel = MAX(xlevel, c->feat[FEAT_81_EDX] | c->feat[FEAT_81_ECX] ? EXT + 1u : 0u);
    xlevel = MAX(xlevel, c->feat[FEAT_87_EDX] ? EXT + 7u : 0u);
    xlevel = MAX(xlevel, c->feat[FEAT_88_EBX] ? EXT + 8u : 0u);
    xlevel = MAX(xlevel, c->feat[FEAT_81_ECX] & B(2) ? EXT + 0xau : 0u);
    xlevel = MAX(xlevel, c->feat[FEAT_81_ECX] & B(22) ? EXT + 0x1eu : 0u);
    c->level = ch->level == UINT64_MAX ? level : (uint32_t)ch->level;
    c->xlevel = ch->xlevel == UINT64_MAX ? xlevel : (uint32_t)ch->xlevel;
}

static void settle_identity(X86Cpu *c, CpuChoice *ch)
{
    g_strlcpy(c->vendor, ch->vendor, sizeof c->vendor);
    g_strlcpy(c->brand, ch->brand, sizeof c->brand);
    c->vendor_intel = !strcmp(c->vendor, vendors[INTEL]);
    if (!ch->phys_bits) {
        ch->phys_bits = c->feat[FEAT_81_EDX] & B(29)           ? 40
                        : c->feat[FEAT_1_EDX] & (B(6) | B(17)) ? 36
                                                               : 32;
    }
    c->phys_bits = (uint8_t)ch->phys_bits;
    c->l3_cache = ch->l3_cache;
    c->hv.spinlocks = (uint32_t)ch->hv_spinlocks;
    for (unsigned i = 0; i < G_N_ELEMENTS(c->hv.version); i++) {
        c->hv.version[i] = (uint32_t)ch->hv_version[i];
    }
    g_strlcpy(c->hv.vendor, ch->hv_vendor, sizeof c->hv.vendor);
    c->hv.enforce = ch->hv_enforce;
    c->hv.pv_enforce = ch->pv_enforce;
    c->hv.dedicated = ch->dedicated;
    c->hv.cores_auto = ch->cores_auto || ch->hv_all;
    c->signature =
        (uint32_t)((ch->stepping & 15) | (ch->model & 15) << 4 | (ch->model >> 4) << 16 |
                   (ch->family < 15 ? ch->family << 8 : 15 << 8 | (ch->family - 15) << 20));
}

/* -cpu host with an accelerator that runs the host's processor: its name is the guest's too. */
static void identity_of_host(CpuChoice *ch, char vendor[13], char brand[49])
{
#if defined(__x86_64__)
    uint32_t r[4] = { 0 };

    __cpuid(0, r[0], r[1], r[2], r[3]);
    memcpy(vendor, &r[1], 4);
    memcpy(vendor + 4, &r[3], 4);
    memcpy(vendor + 8, &r[2], 4);
    __cpuid(1, r[0], r[1], r[2], r[3]);
    ch->stepping = r[0] & 15;
    ch->model = (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0);
    ch->family = (r[0] >> 8 & 15) + ((r[0] >> 8 & 15) == 15 ? r[0] >> 20 & 0xff : 0);
    ch->vendor = vendor;
    if (__get_cpuid_max(EXT, NULL) >= EXT + 8u) {
        for (unsigned i = 0; i < 3; i++) {
            __cpuid(EXT + 2u + i, r[0], r[1], r[2], r[3]);
            memcpy(brand + 16 * i, r, 16);
        }
        ch->brand = brand + strspn(brand, " ");
        __cpuid(EXT + 8u, r[0], r[1], r[2], r[3]);
        ch->phys_bits = MIN(r[0] & 0xff, 52u);
    }
#endif
}

/* c's features, levels and identity, from a model's name and properties (OptPair). */
static bool settle(X86Cpu *c, const char *name, const GPtrArray *props, GError **err)
{
    const ModelRow *r = row_find(name), *first = r ? first_version(r) : NULL;
    uint32_t missing[X86_N_FEATS];
    char vendor[13] = "", brand[49] = "";

    if (!r) {
        return fail(err, "-cpu: no CPU model \"%s\"; see -cpu help", name);
    }
    CpuChoice ch = { .family = first->family, .model = r->model, .stepping = r->stepping,
                     .min_level = first->level,
                     .min_xlevel = first->xlevel ? EXT + (uint32_t)first->xlevel : 0,
                     .level = UINT64_MAX, .xlevel = UINT64_MAX,
                     .vendor = vendors[first->vendor], .brand = r->brand,
                     .kvm = true, .check = true, .l3_cache = true,
                     .hv_vendor = "Microsoft Hv", .hv_version = { 14393, 10 } };
    if (!strcmp(r->name, "host") && c->dbt.vcpu.machine->accel &&
        c->dbt.vcpu.machine->accel->cpu_can) {
        identity_of_host(&ch, vendor, brand);
    }
    for (unsigned i = 0; props && i < props->len; i++) {
        const OptPair *p = g_ptr_array_index(props, i);
        if (!set_one(&ch, p->key, p->val ? p->val : "on", err)) {
            return false;
        }
    }
    settle_features(c, r, &ch, missing);
    if (!tell_missing(c, name, &ch, missing, err)) {
        return false;
    }
    settle_levels(c, &ch);
    settle_identity(c, &ch);
    const struct AccelOps *accel = c->dbt.vcpu.machine->accel;
    if (accel && !accel->cpu_can &&
        (ch.hv_spinlocks || ch.hv_all || ch.hv_enforce || ch.pv_enforce || ch.dedicated)) {
        return fail(
            err,
            "-cpu %s: hv-spinlocks, hv-passthrough, hv-enforce-cpuid, kvm-pv-enforce-cpuid and "
            "kvm-hint-dedicated are not to be had with -accel %s",
            name, accel->name);
    }
    return true;
}

bool x86_cpuid_init(X86Cpu *c, GError **err)
{
    const Machine *m = c->dbt.vcpu.machine;
    const struct Options *o = m->options;

    if (!settle(c, o && o->cpu_model ? o->cpu_model : default_model, o ? o->cpu_props : NULL,
                err)) {
        return false;
    }
    if (m->n_cpus > 1) {
        c->feat[FEAT_1_EDX] |= B(28);
    }
    return true;
}

/* Family, model and stepping are in feat too. */
void x86_cpu_identity(Vcpu *v, GString *out)
{
    const X86Cpu *c = (const X86Cpu *)v;

    g_string_append_printf(out, "%s %x %x", c->vendor, c->level, c->xlevel);
    for (unsigned i = 0; i < X86_N_FEATS; i++) {
        if (i != FEAT_HV || c->feat[i]) {
            g_string_append_printf(out, " %x", c->feat[i]);
        }
    }
}

bool x86_cpu_check(Machine *m, GError **err)
{
    /* What the CPUs will be, without making one; numbered so that it is silent. */
    X86Cpu c = { .dbt.vcpu = { .machine = m, .index = UINT32_MAX } };

    return x86_cpuid_init(&c, err);
}

/* ---- lists ---- */
/* As -cpu takes them.  Of a feature with several names the first, or with full all of them. */
static void say_features(GVariantBuilder *b, const X86Cpu *c, bool full)
{
    uint32_t seen[X86_N_FEATS] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        const Feature *f = &features[i];
        bool first = !(seen[f->word] & B(f->bit));
        seen[f->word] |= B(f->bit);
        if (full || (first && f->word != FEAT_HV)) {
            g_variant_builder_add(b, "{sv}", f->name,
                                  g_variant_new_boolean((c->feat[f->word] & B(f->bit)) != 0));
        }
    }
}

/*
 * What programs make of "max" is to be moved and saved, and they take an invariant TSC for
 * something that cannot be; so it is there only for who asks for it.
 */
static bool wants_invtsc(const GPtrArray *props)
{
    for (unsigned i = 0; props && i < props->len; i++) {
        const OptPair *p = g_ptr_array_index(props, i);
        if (!strcmp(p->key, "invtsc") || !strcmp(p->key, "migratable")) {
            return true;
        }
    }
    return false;
}

GVariant *x86_cpu_expand(Machine *m, const char *name, const GPtrArray *props, bool full,
                         GError **err)
{
    X86Cpu c = { .dbt.vcpu = { .machine = m, .index = UINT32_MAX } };
    GVariantBuilder b;

    const ModelRow *r = row_find(name);

    if (!r) {
        fail(err, "The CPU type '%.200s-x86_64-cpu' is not a known CPU type", name);
        return NULL;
    }
    if (!settle(&c, name, props, err)) {
        return NULL;
    }
    if (is_max(r) && !wants_invtsc(props)) {
        c.feat[FEAT_87_EDX] &= ~B(8);
    }
    const struct { const char *name; uint32_t val; bool always; } numbers[] = {
        { "family", ((c.signature >> 8) & 15) + ((c.signature >> 20) & 0xff), true },
        { "model", ((c.signature >> 4) & 15) | (c.signature >> 12 & 0xf0), true },
        { "stepping", c.signature & 15, true }, { "min-level", c.level, true },
        { "min-xlevel", c.xlevel, true },
        { "level", c.level, false }, { "xlevel", c.xlevel, false },
        { "phys-bits", c.phys_bits, false },
    };
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    say_features(&b, &c, full);
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (full || numbers[i].always) {
            g_variant_builder_add(&b, "{sv}", numbers[i].name,
                                  g_variant_new_int64(numbers[i].val));
        }
    }
    g_variant_builder_add(&b, "{sv}", "vendor", g_variant_new_string(c.vendor));
    g_variant_builder_add(&b, "{sv}", "model-id", g_variant_new_string(c.brand));
    return g_variant_builder_end(&b);
}

bool x86_cpu_definition(unsigned i, CpuDefinition *d)
{
    uint32_t can[X86_N_FEATS], want[X86_N_FEATS], have[X86_N_FEATS];
    g_autoptr(GString) missing = g_string_new(NULL);
    const ModelRow *r = &rows[i];

    if (i >= G_N_ELEMENTS(rows)) {
        return false;
    }
    x86_features_can(can);
    expand_whole(r, can, want);
    for (unsigned w = 0; w < X86_N_FEATS; w++) {
        have[w] = want[w] & ~can[w];
    }
    names_of(have, missing);
    d->name = r->name;
    d->alias = r->alias;
    d->version = is_max(r) ? 0 : r->version;
    g_strlcpy(d->missing, missing->len ? missing->str + 1 : "", sizeof d->missing);
    return true;
}

static void help_model(const ModelRow *r, GString *out)
{
    g_autofree char *numbered = g_strdup_printf("%s-v%u", r->name, r->version);

    if (is_max(r)) {
        g_string_append_printf(out, "  %-26s Every feature that works\n", r->name);
        return;
    }
    if (r->version == 1) {
        g_string_append_printf(
            out, "  %-26s %s%s\n", r->name, *r->brand ? r->brand : "(no brand string)",
            strcmp(r->name, default_model) ? "" : " (default; -v2 where the host has AVX2)");
    } else if (r->alias) {
        g_string_append_printf(out, "  %-26s alias of %s\n", r->alias, numbered);
    }
    if (r->version > 1) {
        g_string_append_printf(out, "  %-26s %s\n", numbered, r->brand);
    }
}

void x86_cpu_help(void)
{
    g_autoptr(GString) out = g_string_new("CPU models (NAME is also NAME-v1):\n");
    g_autoptr(GString) names = g_string_new(NULL);
    uint32_t can[X86_N_FEATS];

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        help_model(&rows[i], out);
    }
    g_string_append(out, "Features (+NAME, -NAME, NAME=on|off):");
    x86_features_can(can);
    names_of(can, names);
    g_auto(GStrv) words = g_strsplit(names->str + 1, " ", 0);
    for (unsigned i = 0, column = 99; words[i]; i++) {
        unsigned n = (unsigned)strlen(words[i]) + 1;
        column = column + n > 78 ? 1 + n : column + n;
        g_string_append_printf(out, "%s%s", column == 1 + n ? "\n  " : " ", words[i]);
    }
    g_string_append(out, "\nProperties:");
    for (unsigned i = 0; i < G_N_ELEMENTS(properties); i++) {
        if (properties[i].kind < ONLY_ON) {
            g_string_append_printf(out, "%s%s%s", i % 8 ? " " : "\n  ", properties[i].name,
                                   properties[i].kind == SWITCH ? "=on|off" : "=");
        }
    }
    puts(out->str);
}
