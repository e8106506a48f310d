/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c -- repeated string instructions, by page span where both sides are plain RAM, and ports.
 *
 * Registers are up to date after every span, so that a fault finds them at the element that caused
 * it and the instruction can be restarted; with attention set the helper returns between spans with
 * the PC where it was.
 *
 * Spec: Intel SDM (325383) vol. 2, REP, MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS, IN, OUT; vol. 1,
 *   7.3.9.
 * Omits: the fast-string reordering of stores (an implementation's liberty).
 * Threads: the vCPU's own.
 */
#include <string.h>
#include "cpu/x86/sys.h"

typedef struct Str {                    /* one string instruction, from the helper's arguments */
    X86Cpu  *c;
    unsigned bytes, asize, seg, prefix;
    uint64_t mask;                      /* of rSI, rDI, rCX */
    uint64_t left;                      /* elements to go */
    bool     one;                      /* single-stepping or data breakpoints: one element a call */
} Str;

static Str str_begin(X86Cpu *c, uint64_t how)
{
    Str s = { .c = c, .bytes = how & 0xff, .asize = (how >> 8 & 0xff) / 8, .seg = how >> 16 & 0xff,
              .prefix = how >> 24 & 0xff };
    s.mask = s.asize == 8 ? UINT64_MAX : (UINT64_C(1) << s.asize * 8) - 1;
    s.left = s.prefix ? c->dbt.gpr[R_RCX] & s.mask : 1;
    s.one = c->dbt.ctx->key.mode & (X86_MODE_SINGLE | X86_MODE_WATCH);
    return s;
}

static void set_register(const Str *s, unsigned r, uint64_t v)
{
    uint64_t *g = &s->c->dbt.gpr[r];
    *g = s->asize == 2 ? (*g & ~UINT64_C(0xffff)) | (v & 0xffff) : v & s->mask;
}

static uint64_t offset(const Str *s, unsigned r) { return s->c->dbt.gpr[r] & s->mask; }

static void done_elements(Str *s, uint64_t k, bool si, bool di)
{
    uint64_t by = k * s->bytes * (uint64_t)s->c->df;
    if (si)
        set_register(s, R_RSI, s->c->dbt.gpr[R_RSI] + by);
    if (di)
        set_register(s, R_RDI, s->c->dbt.gpr[R_RDI] + by);
    if (s->prefix)
        set_register(s, R_RCX, s->c->dbt.gpr[R_RCX] - k);
    s->left -= k;
}

/* More to do now?  If not, and elements are left, the instruction runs again. */
static bool go_on(const Str *s)
{
    return s->left && !s->one && !__atomic_load_n(&s->c->dbt.vcpu.attention, __ATOMIC_RELAXED);
}

static void str_end(const Str *s, uint64_t len, bool finished)
{
    if (finished || !s->left)
        x86_set_pc(s->c, x86_rip(s->c) + len);
}

static bool in_bounds(const X86Cpu *c, unsigned seg, uint64_t at, uint64_t n, bool write)
{
    const X86Seg *g = &c->seg[seg];
    return x86_code64(c) ||
           ((int64_t)at >= g->lo && (int64_t)(at + n - 1) <= (write ? g->hi_write : g->hi_read));
}

/*
 * The span of elements from register r on that lies in one page of plain RAM, in the direction of
 * DF: *k elements at most; the lowest byte's host address, or NULL with *k = 1 where one element
 *   must be done alone.  *linear: of the first element.
 */
static uint8_t *span(const Str *s, unsigned r, unsigned seg, bool write, uint64_t *k,
                     uint64_t *linear)
{
    X86Cpu *c = s->c;
    uint64_t at = offset(s, r), n = *k, room, lowest;
    unsigned usable;
    *linear = x86_seg_linear(c, seg, at, s->bytes, write);
    unsigned in_page = *linear & (DBT_PAGE - 1);
    if (c->df > 0) {
        room = (DBT_PAGE - in_page) / s->bytes;
        if (s->mask - at < DBT_PAGE)
            room = MIN(room, (s->mask - at + 1) / s->bytes);
    } else {
        room = in_page + s->bytes > DBT_PAGE ? 0 : in_page / s->bytes + 1;
        room = MIN(room, at / s->bytes + 1);
    }
    n = MIN(n, room);
    if (n > 1 && !in_bounds(c, seg, c->df > 0 ? at : at - (n - 1) * s->bytes, n * s->bytes, write))
        n = 1;
    if (n == 0) {
        *k = 1;
        return NULL;
    }
    if (c->df < 0 || c->dbt.ctx->key.mode & X86_MODE_AC)        /* a fault is the first element's */
        dbt_check(&c->dbt, *linear, s->bytes, write ? ACCESS_WRITE : ACCESS_READ);
    lowest = c->df > 0 ? *linear : *linear - (n - 1) * s->bytes;
    uint8_t *host = dbt_host(&c->dbt, lowest, write ? ACCESS_WRITE : ACCESS_READ, &usable);
    if (!host || usable < n * s->bytes) {
        *k = 1;
        return NULL;
    }
    *k = n;
    return host;
}

/* ---- MOVS ---- */
#define EACH(type, body) \
    for (uint64_t e = 0; e < k; e++) { uint64_t x = up ? e : k - 1 - e; type v; body }
#define COPY_AS(type) \
    EACH(type, memcpy(&v, from + x * sizeof v, sizeof v); memcpy(to + x * sizeof v, &v, sizeof v);)

/* Element by element: a destination that overlaps the source repeats a pattern. */
static void copy_elements(uint8_t *to, const uint8_t *from, uint64_t k, unsigned bytes, bool up)
{
    switch (bytes) {
    case 1: COPY_AS(uint8_t) break;
    case 2: COPY_AS(uint16_t) break;
    case 4: COPY_AS(uint32_t) break;
    default: COPY_AS(uint64_t) break;
    }
}

static void copy_span(uint8_t *to, const uint8_t *from, uint64_t k, unsigned bytes, bool up)
{
    size_t n = k * bytes;
    bool apart = to + n <= from || from + n <= to;
    if (k == 1 || !apart)
        copy_elements(to, from, k, bytes, up);
    else
        memcpy(to, from, n);
}

uint64_t x86_h_movs(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    X86Cpu *c = cpu;
    Str s = str_begin(c, a);
    while (s.left) {
        uint64_t k = s.one ? 1 : s.left, ks, from, to;
        uint8_t *src = span(&s, R_RSI, s.seg, false, &k, &from);
        ks = k;
        uint8_t *dst = span(&s, R_RDI, S_ES, true, &k, &to);
        if (src && dst) {
            if (c->df < 0)
                src += (ks - k) * s.bytes;              /* fewer elements: further up */
            copy_span(dst, src, k, s.bytes, c->df > 0);
        } else {
            k = 1;
            dbt_check(&c->dbt, from, s.bytes, ACCESS_READ);
            dbt_check(&c->dbt, to, s.bytes, ACCESS_WRITE);
            dbt_store(&c->dbt, to, dbt_load(&c->dbt, from, s.bytes), s.bytes);
        }
        done_elements(&s, k, true, true);
        if (!go_on(&s))
            break;
    }
    str_end(&s, len, false);
    return 0;
}

/* ---- STOS ---- */
static void fill_span(uint8_t *to, uint64_t value, uint64_t k, unsigned bytes)
{
    uint64_t all = UINT64_C(0x0101010101010101) * (value & 0xff),
             mask = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << bytes * 8) - 1;
    if (k > 1 && (all & mask) == (value & mask)) {
        memset(to, (int)(value & 0xff), k * bytes);
    } else {
        copy_elements(to, (const uint8_t *)&value, 1, bytes, true);
        for (size_t have = bytes, n = k * bytes; have < n; have *= 2)
            memcpy(to + have, to, MIN(have, n - have));
    }
}

uint64_t x86_h_stos(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    X86Cpu *c = cpu;
    Str s = str_begin(c, a);
    while (s.left) {
        uint64_t k = s.one ? 1 : s.left, to;
        uint8_t *dst = span(&s, R_RDI, S_ES, true, &k, &to);
        if (dst)
            fill_span(dst, c->dbt.gpr[R_RAX], k, s.bytes);
        else
            dbt_store(&c->dbt, to, c->dbt.gpr[R_RAX], s.bytes);
        done_elements(&s, k, false, true);
        if (!go_on(&s))
            break;
    }
    str_end(&s, len, false);
    return 0;
}

/* ---- LODS ---- */
static uint64_t element(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    copy_elements((uint8_t *)&v, p, 1, bytes, true);
    return v;
}

static void set_rax(X86Cpu *c, uint64_t v, unsigned bytes)
{
    uint64_t *rax = &c->dbt.gpr[R_RAX];
    if (bytes >= 4)
        *rax = v;
    else
        *rax = (*rax & ~((UINT64_C(1) << bytes * 8) - 1)) | v;
}

uint64_t x86_h_lods(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    X86Cpu *c = cpu;
    Str s = str_begin(c, a);
    while (s.left) {
        uint64_t k = s.one ? 1 : s.left, from;
        uint8_t *src = span(&s, R_RSI, s.seg, false, &k, &from);
        if (src)
            set_rax(c, element(c->df > 0 ? src + (k - 1) * s.bytes : src, s.bytes), s.bytes);
        else
            set_rax(c, dbt_load(&c->dbt, from, s.bytes), s.bytes);
        done_elements(&s, k, true, false);
        if (!go_on(&s))
            break;
    }
    str_end(&s, len, false);
    return 0;
}

/* ---- CMPS, SCAS ---- */
static uint32_t compare_flags(uint64_t a, uint64_t b, unsigned bytes)
{
    unsigned top = bytes * 8 - 1;
    uint64_t mask = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << bytes * 8) - 1;
    a &= mask;
    b &= mask;
    uint64_t r = (a - b) & mask;
    unsigned ef = (a < b ? EF_CF : 0) | (r == 0 ? EF_ZF : 0) | ((a ^ b ^ r) & EF_AF) |
                  ((r >> top & 1) ? EF_SF : 0) | (((a ^ b) & (a ^ r)) >> top & 1 ? EF_OF : 0) |
                  (__builtin_parity((uint8_t)r) ? 0 : EF_PF);
    return x86_eflags_to_fl(ef);
}

/* How many of k elements, upwards, are equal from the start; by words. */
static uint64_t same_elements(const uint8_t *p, const uint8_t *q, uint64_t k, unsigned bytes)
{
    uint64_t n = k * bytes, i = 0, a, b;
    for (; i + 8 <= n; i += 8) {
        memcpy(&a, p + i, 8);
        memcpy(&b, q + i, 8);
        if (a != b)
            break;
    }
    while (i < n && p[i] == q[i])
        i++;
    return i / bytes;
}

/*
 * Compares up to k elements of a and b (b_step 0: with one value) and returns how many were done;
 * *stop if the last ended it.
 */
static uint64_t compare_span(Str *s, const uint8_t *p, const uint8_t *q, uint64_t k, bool *stop)
{
    uint64_t value = s->c->dbt.gpr[R_RAX], x = 0, y = 0;
    uint64_t mask = s->bytes == 8 ? UINT64_MAX : (UINT64_C(1) << s->bytes * 8) - 1;
    bool up = s->c->df > 0, while_equal = s->prefix == 0xf3;
    uint64_t e = 0;
    if (up && p && while_equal && s->prefix) {          /* all but the last that is looked at */
        e = MIN(same_elements(p, q, k, s->bytes), k - 1);
    } else if (up && !p && s->prefix == 0xf2 && s->bytes == 1) {
        const uint8_t *found = memchr(q, (int)(value & 0xff), k);
        e = found ? (uint64_t)(found - q) : k - 1;
    }
    while (e < k && !*stop) {
        uint64_t at = (up ? e : k - 1 - e) * s->bytes;
        x = p ? element(p + at, s->bytes) : value & mask;
        y = element(q + at, s->bytes);
        *stop = (x == y) != while_equal;
        e++;
    }
    s->c->dbt.fl = compare_flags(x, y, s->bytes);
    return e;
}

static uint64_t compare(X86Cpu *c, uint64_t a, uint64_t len, bool cmps)
{
    Str s = str_begin(c, a);
    bool stop = false;
    while (s.left) {
        uint64_t k = s.one ? 1 : s.left, ks, from = 0, to;
        uint8_t one[2][8], *p = NULL, *q;
        if (cmps)
            p = span(&s, R_RSI, s.seg, false, &k, &from);
        ks = k;
        q = span(&s, R_RDI, S_ES, false, &k, &to);
        if ((cmps && !p) || !q) {
            k = 1;
            uint64_t x = cmps ? dbt_load(&c->dbt, from, s.bytes) : 0,
                     y = dbt_load(&c->dbt, to, s.bytes);
            memcpy(one[0], &x, 8);
            memcpy(one[1], &y, 8);
            p = cmps ? one[0] : NULL;
            q = one[1];
        } else if (cmps && c->df < 0) {
            p += (ks - k) * s.bytes;
        }
        done_elements(&s, compare_span(&s, p, q, k, &stop), cmps, true);
        if (stop || !go_on(&s))
            break;
    }
    str_end(&s, len, stop);
    return 0;
}

uint64_t x86_h_cmps(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    return compare(cpu, a, len, true);
}
uint64_t x86_h_scas(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    return compare(cpu, a, len, false);
}

/* ---- ports ---- */
static void port_allowed(X86Cpu *c, unsigned port, unsigned bytes, bool in)
{
    if (!x86_io_allowed(c, port, bytes))
        x86_raise_gp(c, 0);
    x86_svm_io(c, port, bytes, in);
}

uint64_t x86_h_in(void *cpu, uint64_t port, uint64_t bytes, uint64_t unused)
{
    port_allowed(cpu, (uint16_t)port, (unsigned)bytes, true);
    return x86_io_in(cpu, (uint16_t)port, (unsigned)bytes);
}

uint64_t x86_h_out(void *cpu, uint64_t port, uint64_t bytes, uint64_t value)
{
    port_allowed(cpu, (uint16_t)port, (unsigned)bytes, false);
    x86_io_out(cpu, (uint16_t)port, value, (unsigned)bytes);
    return 0;
}

/*
 * As many elements as a device gives at once and a page of RAM takes.  They are stored behind the
 * device's back: who waits for the machine lock may find code in that page afterwards.
 */
static bool ins_many(Str *s, unsigned port)
{
    uint8_t row[DBT_PAGE];
    uint64_t k = s->left, to;

    if (!span(s, R_RDI, S_ES, true, &k, &to) || k < 2)
        return false;
    unsigned n = x86_io_in_many(s->c, port, s->bytes, row, (unsigned)k);
    if (!n)
        return false;
    dbt_store_bytes(&s->c->dbt, to, row, n * s->bytes);
    done_elements(s, n, false, true);
    return true;
}

uint64_t x86_h_ins(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    X86Cpu *c = cpu;
    Str s = str_begin(c, a);
    unsigned port = (uint16_t)c->dbt.gpr[R_RDX];
    if (s.left)
        port_allowed(c, port, s.bytes, true);
    else if (!x86_io_allowed(c, port, s.bytes))         /* nothing to do, but not for everybody */
        x86_raise_gp(c, 0);
    bool many = c->df > 0 && !s.one;
    while (s.left) {
        if (many && (many = ins_many(&s, port))) {
            if (!go_on(&s))
                break;
            continue;
        }
        uint64_t to = x86_seg_linear(c, S_ES, offset(&s, R_RDI), s.bytes, true);
        dbt_check(&c->dbt, to, s.bytes, ACCESS_WRITE);  /* before the port is read */
        dbt_store(&c->dbt, to, x86_io_in(c, port, s.bytes), s.bytes);
        done_elements(&s, 1, false, true);
        if (!go_on(&s))
            break;
    }
    str_end(&s, len, false);
    return 0;
}

uint64_t x86_h_outs(void *cpu, uint64_t a, uint64_t len, uint64_t unused)
{
    X86Cpu *c = cpu;
    Str s = str_begin(c, a);
    unsigned port = (uint16_t)c->dbt.gpr[R_RDX];
    if (s.left)
        port_allowed(c, port, s.bytes, false);
    else if (!x86_io_allowed(c, port, s.bytes))         /* nothing to do, but not for everybody */
        x86_raise_gp(c, 0);
    while (s.left) {
        uint64_t from = x86_seg_linear(c, s.seg, offset(&s, R_RSI), s.bytes, false);
        x86_io_out(c, port, dbt_load(&c->dbt, from, s.bytes), s.bytes);
        done_elements(&s, 1, true, false);
        if (!go_on(&s))
            break;
    }
    str_end(&s, len, false);
    return 0;
}
