/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mmu.c -- from linear to physical: the page walks of an x86 CPU, and what a failed one raises.
 *
 * Spec: Intel SDM (325462) vol. 3 ch. 4 (paging), 4.7 (error codes); AMD APM vol. 2 ch. 5, 15.25
 *   (nested paging).
 * Omits: keys of supervisor pages, 5-level paging, shadow stacks.
 * Threads: the vCPU's own.  Other vCPUs walk and change the same tables meanwhile, so A and D are
 * set with a locked compare-and-exchange, and a walk whose entry has changed starts again.
 */
#include "cpu/x86/sys.h"
#include "accel/accel.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100 };
#define PTE_NX (1ull << 63)
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 };

typedef struct Entry {                  /* a paging-structure entry and where it lies */
    uint64_t val, at;
} Entry;

/* Host address of RAM at pa that reads and writes reach alike; NULL if it is anything else. */
static uint8_t *walk_ram_find(X86Cpu *c, uint64_t pa, unsigned w)
{
    MemRange r, wr;
    uint64_t at, end;

    if (!as_lookup(c->dbt.vcpu.as, pa, false, &r) || !as_lookup(c->dbt.vcpu.as, pa, true, &wr) ||
        !r.region->host || r.region != wr.region || r.region->readonly ||
        r.from - r.at != wr.from - wr.at) {
        return NULL;
    }
    at = MAX(r.at, wr.at);
    end = MIN(r.at + r.size, wr.at + wr.size);
    if (pa + 8 > end) {
        return NULL;
    }
    c->walk_ram[w].at = at;
    c->walk_ram[w].n = end - at - 7;            /* whole entries only */
    c->walk_ram[w].from = r.from + (at - r.at);
    c->walk_ram[w].host = r.region->host + c->walk_ram[w].from;
    c->walk_ram[w].region = r.region;
    return c->walk_ram[w].host + (pa - at);
}

static inline uint8_t *walk_ram(X86Cpu *c, uint64_t pa, unsigned *w)
{
    *w = pa >> 32 != 0;
    if (G_LIKELY(pa - c->walk_ram[*w].at < c->walk_ram[*w].n)) {
        return c->walk_ram[*w].host + (pa - c->walk_ram[*w].at);
    }
    return walk_ram_find(c, pa, *w);
}

void x86_map_changed(DbtCpu *dc)
{
    X86Cpu *c = (X86Cpu *)dc;
    memset(c->walk_ram, 0, sizeof c->walk_ram);
}

bool x86_phys_read(X86Cpu *c, uint64_t pa, void *to, unsigned n)
{
    return as_read(c->dbt.vcpu.as, pa & c->a20_mask, to, n) == MEM_OK;
}

/* The entry of a paging structure at pa, from RAM or from whatever else is there. */
static G_GNUC_NO_INLINE uint64_t entry_read_slow(X86Cpu *c, uint64_t pa, unsigned bytes)
{
    unsigned w;
    const uint8_t *host = walk_ram(c, pa, &w);
    uint64_t val = 0;

    if (host) {
        return bytes == 8 ? __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED)
                          : __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    }
    if (as_read(c->dbt.vcpu.as, pa, &val, bytes) != MEM_OK) {
        return bytes == 8 ? UINT64_MAX : UINT32_MAX;            /* an open bus */
    }
    return val;
}

static inline uint64_t entry_at(X86Cpu *c, uint64_t pa, unsigned bytes)
{
    uint64_t off = (pa &= c->a20_mask) - c->walk_ram[0].at;

    if (G_UNLIKELY(off >= c->walk_ram[0].n)) {
        return entry_read_slow(c, pa, bytes);
    }
    return bytes == 8
               ? __atomic_load_n((const uint64_t *)(c->walk_ram[0].host + off), __ATOMIC_RELAXED)
               : __atomic_load_n((const uint32_t *)(c->walk_ram[0].host + off), __ATOMIC_RELAXED);
}

/* Set bits in an entry; false if it has changed since it was read: walk again. */
static G_GNUC_NO_INLINE bool entry_set(X86Cpu *c, Entry e, unsigned bytes, uint64_t bits)
{
    uint64_t at = e.at & c->a20_mask, old = e.val, val = old | bits, from;
    uint32_t old32 = (uint32_t)old;
    unsigned w;
    uint8_t *host = walk_ram(c, at, &w);

    if (!host) {                                /* ROM and device memory keep what they keep */
        as_write(c->dbt.vcpu.as, at, &val, bytes);
        return true;
    }
    if (bytes == 8 ? !__atomic_compare_exchange_n((uint64_t *)host, &old, val, false,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
                   : !__atomic_compare_exchange_n((uint32_t *)host, &old32, (uint32_t)val, false,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        return false;
    }
    Region *region = c->walk_ram[w].region;
    from = c->walk_ram[w].from + (at - c->walk_ram[w].at);
    if (G_UNLIKELY(__atomic_load_n(&region->dirty_on, __ATOMIC_RELAXED))) {
        region_set_dirty(region, from, bytes);
    }
    if (c->dbt.vcpu.machine->accel && c->dbt.vcpu.machine->accel->code_written) {
        c->dbt.vcpu.machine->accel->code_written(region, from, bytes);
    }
    return true;
}

/* ---- nested paging (APM vol. 2 15.25) ---- */
static inline bool npt_right(uint64_t rights, uint64_t nx, unsigned kind)
{
    return rights & PTE_U && (kind != ACCESS_WRITE || rights & PTE_W) &&
           (kind != ACCESS_FETCH || !(nx & PTE_NX));
}

typedef struct Npt {                    /* shape of the tables: that of the host's own */
    unsigned shift, bits, bytes;
    uint64_t root;
    bool     pae, pse;
} Npt;

static Npt npt_shape(const X86Cpu *c)
{
    const X86SvmHost *h = &c->svm.host;

    if (h->efer & EFER_LMA) {
        return (Npt){ 39, 9, 8, c->svm.ncr3 & c->addr_mask, false, true };
    }
    if (h->cr4 & CR4_PAE) {
        return (Npt){ 30, 9, 8, c->svm.ncr3 & 0xffffffe0, true, true };
    }
    return (Npt){ 22, 10, 4, c->svm.ncr3 & 0xfffff000, false, h->cr4 & CR4_PSE };
}

/* 1 done, 0 fault, -1 walk again.  *error: of the nested page fault. */
static int npt_walk(X86Cpu *c, uint64_t gpa, DbtAccess access, uint32_t *error, uint64_t *pa,
                    bool *writable)
{
    unsigned kind = access & ACCESS_KIND;
    uint64_t rights = PTE_W | PTE_U, nx = 0, frame, size,
             need = PTE_A | (kind == ACCESS_WRITE ? PTE_D : 0);
    Npt n = npt_shape(c);
    Entry e;

    *error = PF_U | (kind == ACCESS_WRITE ? PF_W : 0) |
             (kind == ACCESS_FETCH && c->svm.host.efer & EFER_NXE ? PF_I : 0);
    if (gpa >> (n.pae ? 32 : n.shift + n.bits)) {
        return 0;
    }
    for (;; n.shift -= n.bits) {
        bool pdpte = n.pae && n.shift == 30;
        e.at = n.root + ((gpa >> n.shift) & ((1u << n.bits) - 1)) * n.bytes;
        e.val = entry_at(c, e.at, n.bytes);
        if (!(e.val & PTE_P)) {
            return 0;
        }
        if (n.bytes == 8 && e.val & (c->svm.npte_reserved | (pdpte ? 0x1e6 : 0))) {
            *error |= PF_P | PF_RSVD;
            return 0;
        }
        rights &= pdpte ? UINT64_MAX : e.val;
        nx |= e.val;
        if (n.shift == 12) {
            break;
        }
        if (e.val & PTE_PS && n.pse && !pdpte) {
            if (n.shift == 39 || (n.shift == 30 && !x86_feat(c, FEAT_81_EDX, 26))) {
                *error |= PF_P | PF_RSVD;
                return 0;
            }
            break;
        }
        if (!pdpte && !(e.val & PTE_A) && !(access & ACCESS_PROBE) &&
            !entry_set(c, e, n.bytes, PTE_A)) {
            return -1;
        }
        n.root = e.val & (n.bytes == 8 ? c->addr_mask : 0xfffff000);
    }
    size = 1ull << n.shift;
    frame = e.val & (n.bytes == 8 ? c->addr_mask : 0xfffff000) & ~(size - 1);
    if (n.shift == 22) {
        frame |= ((e.val >> 13) & 0xff) << 32 & c->addr_mask;
    }
    *error |= PF_P;
    if (n.bytes == 8 && n.shift != 12 && e.val & (size - 1) & ~0x1fffull) {
        *error |= PF_RSVD;
        return 0;
    }
    if (!npt_right(rights, nx, kind)) {
        return 0;
    }
    if ((e.val & need) != need && !(access & ACCESS_PROBE) && !entry_set(c, e, n.bytes, need)) {
        return -1;
    }
    e.val |= access & ACCESS_PROBE ? 0 : need;
    *pa = frame | (gpa & (size - 1));
    *writable = rights & PTE_W && e.val & PTE_D;
    return 1;
}

enum { NPF_FINAL = 0, NPF_TABLE = 1 };  /* EXITINFO1 bits 32 and 33 */

static bool nested(X86Cpu *c, uint64_t gpa, DbtAccess access, unsigned what, uint64_t *pa,
                   bool *writable)
{
    uint32_t error;
    int r;

    do {
        r = npt_walk(c, gpa, access, &error, pa, writable);
    } while (r < 0);
    if (!r) {
        c->svm.npf_gpa = gpa;
        c->svm.npf_info = error | 1ull << (32 + what);
    }
    return r;
}

bool x86_nested_walk(X86Cpu *c, uint64_t gpa, DbtAccess access, uint64_t *pa)
{
    bool writable;

    return nested(c, gpa, access, NPF_FINAL, pa, &writable);
}

/* ---- the CPU's own tables ---- */
/*
 * In a guest with nested paging they lie at guest-physical addresses, and reading one counts as a
 * write (APM 15.25.6).
 */
static inline bool entry_read(X86Cpu *c, uint64_t pa, unsigned bytes, DbtAccess access, bool np,
                              Entry *e, DbtWalk *out)
{
    bool writable;

    if (np && !nested(c, pa, ACCESS_WRITE | (access & ACCESS_PROBE), NPF_TABLE, &pa, &writable)) {
        out->error = SVM_WALK_NPF;
        return false;
    }
    e->at = pa;
    e->val = entry_at(c, pa, bytes);
    return true;
}

static bool walk_fail(X86Cpu *c, DbtAccess access, bool user, uint32_t bits, DbtWalk *out)
{
    out->error = bits | ((access & ACCESS_KIND) == ACCESS_WRITE ? PF_W : 0) | (user ? PF_U : 0);
    if ((access & ACCESS_KIND) == ACCESS_FETCH &&
        ((c->efer & EFER_NXE && c->cr4 & CR4_PAE) || c->cr4 & CR4_SMEP)) {
        out->error |= PF_I;
    }
    return false;
}

/*
 * The rights that a translation gives: rw and us are the AND of all levels, nx the OR (SDM 4.6.1).
 */
static inline bool walk_allowed(X86Cpu *c, DbtAccess access, bool user, uint64_t rights,
                                uint64_t nx)
{
    if (user) {
        if (!(rights & PTE_U)) {
            return false;
        }
    } else if (rights & PTE_U) {
        if ((access & ACCESS_KIND) == ACCESS_FETCH) {
            if (c->cr4 & CR4_SMEP) {
                return false;
            }
        } else if (c->cr4 & CR4_SMAP && ((access & ACCESS_SYSTEM) || !(c->rflags & EF_AC))) {
            return false;
        }
    }
    switch (access & ACCESS_KIND) {
    case ACCESS_WRITE:
        return rights & PTE_W || !(user || c->cr0 & CR0_WP);
    case ACCESS_FETCH:
        return !(nx & PTE_NX);
    default:
        return true;
    }
}

/*
 * What PKRU leaves of the rights to a user page: PTE_U gone, no access; PTE_W gone, no write
 * (4.6.2).
 */
static uint64_t key_rights(X86Cpu *c, bool user, uint64_t entry)
{
    unsigned key = (entry >> 59) & 15, deny = (c->pkru >> (key * 2)) & 3;

    c->pkey_seen |= key != 0;
    return deny & 1 ? 0 : deny & 2 && (user || c->cr0 & CR0_WP) ? PTE_U : PTE_U | PTE_W;
}

void x86_set_pkru(X86Cpu *c, uint32_t v)
{
    uint64_t changed = c->pkru ^ v;

    c->pkru = v;
    if (c->cr4 & CR4_PKE && (changed & 3 || (changed && c->pkey_seen))) {
        dbt_flush_all(&c->dbt);
        c->pkey_seen = false;
    }
}

/*
 * The last level is found: check it, set A and D, fill in the result.  1 done, 0 fault, -1 walk
 * again.
 */
static inline int walk_leaf(X86Cpu *c, uint64_t linear, DbtAccess access, bool user, Entry e,
                            unsigned bytes, uint64_t rights, uint64_t nx, uint64_t frame,
                            uint64_t size, DbtWalk *out)
{
    bool key_writable = true;
    uint64_t need = PTE_A | ((access & ACCESS_KIND) == ACCESS_WRITE ? PTE_D : 0);

    if (G_UNLIKELY(!walk_allowed(c, access, user, rights, nx))) {
        return walk_fail(c, access, user, PF_P, out);
    }
    if (G_UNLIKELY(c->cr4 & CR4_PKE) && rights & PTE_U && x86_lma(c) &&
        (access & ACCESS_KIND) != ACCESS_FETCH) {
        uint64_t left = key_rights(c, user, e.val);
        if (!(left & PTE_U) || ((access & ACCESS_KIND) == ACCESS_WRITE && !(left & PTE_W))) {
            return walk_fail(c, access, user, PF_P | PF_PK, out);
        }
        key_writable = left & PTE_W;
    }
    if ((e.val & need) != need && !(access & ACCESS_PROBE)) {
        if (!entry_set(c, e, bytes, need)) {
            return -1;
        }
        e.val |= need;
    }
    out->phys = (frame | (linear & (size - 1))) & c->a20_mask;
    out->page_bytes = size;
    out->global = e.val & PTE_G && c->cr4 & CR4_PGE;
    out->writable = key_writable && e.val & PTE_D && (rights & PTE_W || !(user || c->cr0 & CR0_WP));
    return 1;
}

/* Eight-byte entries: 4-level paging from shift 39, PAE paging from shift 21. */
static inline __attribute__((always_inline)) int
walk64(X86Cpu *c, uint64_t linear, DbtAccess access, bool user, const bool np, DbtWalk *out)
{
    const uint64_t mask = c->addr_mask, reserved = c->pte_reserved;
    uint64_t rights = PTE_W | PTE_U, nx = 0, table, size;
    unsigned shift;
    Entry e;

    if (x86_lma(c)) {
        if (G_UNLIKELY(!x86_canonical(linear))) {
            return walk_fail(c, access, user, 0, out);
        }
        table = c->cr3 & mask;
        shift = 39;
    } else {
        uint64_t pdpte = c->pdpte[(linear >> 30) & 3];
        if (np) {
            if (!entry_read(c, (c->cr3 & 0xffffffe0) + ((linear >> 30) & 3) * 8, 8, access, np, &e,
                            out)) {
                return false;
            }
            pdpte = e.val;
            if (pdpte & PTE_P && pdpte & (0x1e6 | ~(mask | 0xfff))) {
                return walk_fail(c, access, user, PF_P | PF_RSVD, out);
            }
        }
        if (!(pdpte & PTE_P)) {
            return walk_fail(c, access, user, 0, out);
        }
        table = pdpte & mask;
        shift = 21;
    }
    for (;; shift -= 9) {
        if (!entry_read(c, table + ((linear >> shift) & 511) * 8, 8, access, np, &e, out)) {
            return false;
        }
        if (!(e.val & PTE_P)) {
            return walk_fail(c, access, user, 0, out);
        }
        if (G_UNLIKELY(e.val & reserved)) {
            return walk_fail(c, access, user, PF_P | PF_RSVD, out);
        }
        rights &= e.val;
        nx |= e.val;
        if (shift == 12) {
            break;
        }
        if (e.val & PTE_PS) {
            if (shift == 39 || (shift == 30 && !x86_feat(c, FEAT_81_EDX, 26))) {
                return walk_fail(c, access, user, PF_P | PF_RSVD, out);
            }
            break;
        }
        if (!(e.val & PTE_A) && !(access & ACCESS_PROBE) && !entry_set(c, e, 8, PTE_A)) {
            return -1;
        }
        table = e.val & mask;
    }
    size = 1ull << shift;
    if (shift != 12 && e.val & (size - 1) & ~0x1fffull) {
        /* bit 12 is PAT; the rest of the offset is reserved */
        return walk_fail(c, access, user, PF_P | PF_RSVD, out);
    }
    return walk_leaf(c, linear, access, user, e, 8, rights, nx, e.val & mask & ~(size - 1), size,
                     out);
}

/* 32-bit paging (SDM 4.3), with PSE and PSE-36. */
static int walk32(X86Cpu *c, uint64_t linear, DbtAccess access, bool user, DbtWalk *out)
{
    uint64_t rights;
    Entry e;

    if (!entry_read(c, (c->cr3 & 0xfffff000) + ((linear >> 22) & 1023) * 4, 4, access, c->svm.np,
                    &e, out)) {
        return false;
    }
    if (!(e.val & PTE_P)) {
        return walk_fail(c, access, user, 0, out);
    }
    rights = e.val;
    if (e.val & PTE_PS && c->cr4 & CR4_PSE) {
        uint64_t high = (e.val >> 13) & 0xff;   /* physical address bits 39:32 */
        if (e.val & (1u << 21) || high >> (c->phys_bits > 40   ? 8
                                           : c->phys_bits < 32 ? 0
                                                               : c->phys_bits - 32)) {
            return walk_fail(c, access, user, PF_P | PF_RSVD, out);
        }
        return walk_leaf(c, linear, access, user, e, 4, rights, 0,
                         (e.val & 0xffc00000) | high << 32, 1 << 22, out);
    }
    if (!(e.val & PTE_A) && !(access & ACCESS_PROBE) && !entry_set(c, e, 4, PTE_A)) {
        return -1;
    }
    if (!entry_read(c, (e.val & 0xfffff000) + ((linear >> 12) & 1023) * 4, 4, access, c->svm.np, &e,
                    out)) {
        return false;
    }
    if (!(e.val & PTE_P)) {
        return walk_fail(c, access, user, 0, out);
    }
    rights &= e.val;
    return walk_leaf(c, linear, access, user, e, 4, rights, 0, e.val & 0xfffff000, 4096, out);
}

/* From the guest's physical address to the machine's. */
static G_GNUC_NO_INLINE bool walk_final(X86Cpu *c, DbtAccess access, DbtWalk *out)
{
    bool writable;

    if (!nested(c, out->phys, access, NPF_FINAL, &out->phys, &writable)) {
        out->error = SVM_WALK_NPF;
        return false;
    }
    out->phys &= c->a20_mask;
    out->writable &= writable;
    return true;
}

bool x86_walk(DbtCpu *dc, uint64_t linear, DbtAccess access, DbtWalk *out)
{
    X86Cpu *c = (X86Cpu *)dc;
    bool user = c->cpl == 3 && !(access & ACCESS_SYSTEM);
    int r;

    if (!x86_lma(c)) {
        linear = (uint32_t)linear;
    }
    if (!(c->cr0 & CR0_PG)) {
        out->phys = linear & c->a20_mask;
        out->page_bytes = 4096;
        out->global = false;
        out->writable = true;
        return G_LIKELY(!c->svm.np) || walk_final(c, access, out);
    }
    do {
        r = !(c->cr4 & CR4_PAE)     ? walk32(c, linear, access, user, out)
            : G_UNLIKELY(c->svm.np) ? walk64(c, linear, access, user, true, out)
                                    : walk64(c, linear, access, user, false, out);
    } while (G_UNLIKELY(r < 0));
    return r && (G_LIKELY(!c->svm.np) || walk_final(c, access, out));
}
