/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c -- devices, vCPUs and the clock to a byte stream and back, by their tables.
 *
 * Spec: stream: "RYOKANST", u32 format; then sections { str name, u32 version, u32 members, members
 *       }, a member being { str name, u8 element size, u32 count, bytes }, a str { u16 length,
 *       bytes }; all little-endian. A nested struct's members are called outer.N.inner, a register
 *       reg:NAME.  A device's own memory is a member of bytes: { u64 size, then for each page that
 *       is not all zero, ascending, { u64 number, 4096 bytes } }.
 * Omits: the machine's RAM, which is saved beside; T_LIST, T_STR and T_LINK members, which are
 *   configuration.
 * Threads: the machine lock, vCPUs parked.
 */
#include "core/state.h"
#include "accel/accel.h"
#include "core/machine.h"
#include "core/vcpu.h"
#include "core/trace.h"
#include <string.h>

#define STATE_MAGIC  "RYOKANST"
#define STATE_FORMAT 1u
#define MAX_NAME     256u
#define RAM_PAGE     4096u
#define RAM_RECORD   (8u + RAM_PAGE)

/* ---- writing ---- */

static void put(GByteArray *out, uint64_t v, unsigned size)
{
    uint8_t b[8];

    for (unsigned i = 0; i < size; i++) {
        b[i] = (uint8_t)(v >> (8 * i));
    }
    g_byte_array_append(out, b, size);
}

static void put_str(GByteArray *out, const char *s)
{
    put(out, strlen(s), 2);
    g_byte_array_append(out, (const uint8_t *)s, (guint)strlen(s));
}

static void patch32(GByteArray *out, guint at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        out->data[at + i] = (uint8_t)(v >> (8 * i));
    }
}

/* Bytes of an element in memory, and in the stream; 0: not state. */
static unsigned stride_of(const Field *f)
{
    switch (f->type) {
    case T_BOOL:  return sizeof(bool);
    case T_U8:    return 1;
    case T_U16:   return 2;
    case T_U32: case T_I32: case T_ENUM: return 4;
    case T_U64: case T_I64: return 8;
    case T_TIMER: return sizeof(Timer);
    case T_IRQ:   return sizeof(Irq);
    case T_RAM:   return sizeof(Region);
    default:      return 0;
    }
}

static unsigned size_in_stream(const Field *f)
{
    return f->type == T_TIMER                                          ? 8
           : f->type == T_IRQ || f->type == T_BOOL || f->type == T_RAM ? 1
                                                                       : stride_of(f);
}

static uint64_t element_load(const Field *f, const void *p)
{
    switch (f->type) {
    case T_TIMER: return ((const Timer *)p)->deadline_ns;
    case T_IRQ:   return ((const Irq *)p)->level;
    default:      return field_int(f, p);
    }
}

static void element_store(const Field *f, void *p, uint64_t v)
{
    switch (f->type) {
    case T_IRQ: ((Irq *)p)->level = v != 0; break;
    case T_TIMER:
        if (((Timer *)p)->machine) {
            timer_arm(p, v);
        }
        break;
    default: field_set_int(f, p, v); break;
    }
}

/* A page is memory's last, short one too: what is missing counts as zero. */
static bool is_zero(const uint8_t *p, uint64_t n)
{
    return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static void save_ram(GByteArray *out, const char *name, const Region *r)
{
    static const uint8_t zero[RAM_PAGE];
    guint at;

    put_str(out, name);
    put(out, 1, 1);
    at = out->len;
    put(out, 0, 4);
    put(out, r->size, 8);
    for (uint64_t from = 0; from < r->size; from += RAM_PAGE) {
        uint64_t n = MIN(r->size - from, RAM_PAGE);
        if (!is_zero(r->host + from, n)) {
            put(out, from / RAM_PAGE, 8);
            g_byte_array_append(out, r->host + from, (guint)n);
            g_byte_array_append(out, zero, (guint)(RAM_PAGE - n));
        }
    }
    patch32(out, at, out->len - at - 4);
}

static uint32_t save_fields(GByteArray *out, const char *prefix, const Field *tab, const void *obj)
{
    uint32_t n = 0;

    for (const Field *f = tab; f && f->name; f++) {
        const char *p = (const char *)obj + f->offset;
        if (!(f->flags & F_STATE)) {
            continue;
        }
        if (f->type == T_STRUCT) {
            for (uint32_t i = 0; i < f->count; i++) {
                char *name = g_strdup_printf("%s%s.%u.", prefix, f->name, i);
                n += save_fields(out, name, f->aux, p + (size_t)i * f->stride);
                g_free(name);
            }
        } else if (f->type == T_RAM) {
            char *name = g_strconcat(prefix, f->name, NULL);
            save_ram(out, name, (const Region *)(const void *)p);
            g_free(name);
            n++;
        } else if (stride_of(f)) {
            char *name = g_strconcat(prefix, f->name, NULL);
            put_str(out, name);
            put(out, size_in_stream(f), 1);
            put(out, f->count, 4);
            for (uint32_t i = 0; i < f->count; i++) {
                put(out, element_load(f, p + (size_t)i * stride_of(f)), size_in_stream(f));
            }
            g_free(name);
            n++;
        }
    }
    return n;
}

static uint32_t version_of(const Field *tab)
{
    uint32_t v = 0;

    for (const Field *f = tab; f && f->name; f++) {
        if (f->flags & F_STATE) {
            v = MAX(v, f->since);
            if (f->type == T_STRUCT) {
                v = MAX(v, version_of(f->aux));
            }
        }
    }
    return v;
}

void state_save(GByteArray *out, const char *section, const Field *fields, const Reg *regs,
                const void *obj)
{
    guint    at;
    uint32_t n;

    put_str(out, section);
    put(out, version_of(fields), 4);
    at = out->len;
    put(out, 0, 4);
    n = save_fields(out, "", fields, obj);
    for (const Reg *r = regs; r && r->size; r++) {
        char    *name = g_strconcat("reg:", r->name, NULL);
        uint64_t v = 0;
        memcpy(&v, (const char *)obj + r->field, r->size);
        put_str(out, name);
        put(out, r->size, 1);
        put(out, 1, 4);
        put(out, v, r->size);
        g_free(name);
        n++;
    }
    patch32(out, at, n);
}

/* ---- reading; nothing in the stream is trusted ---- */

typedef struct In {
    const uint8_t *p, *end;
    bool           bad;               /* ran past the end */
} In;

typedef struct Member {
    char           name[MAX_NAME];
    uint32_t       size, count;
    const uint8_t *data;
} Member;

typedef struct Section {
    char     name[MAX_NAME];
    uint32_t version, members;
    In       body;                    /* at the first member */
} Section;

static uint64_t get(In *in, unsigned size)
{
    uint64_t v = 0;

    if (in->bad || (size_t)(in->end - in->p) < size) {
        in->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)in->p[i] << (8 * i);
    }
    in->p += size;
    return v;
}

static void get_str(In *in, char *out)
{
    uint64_t n = get(in, 2);

    *out = 0;
    if (in->bad || n >= MAX_NAME || (size_t)(in->end - in->p) < n || memchr(in->p, 0, n)) {
        in->bad = true;
        return;
    }
    memcpy(out, in->p, n);
    out[n] = 0;
    in->p += n;
}

static bool get_member(In *in, Member *m)
{
    uint64_t bytes;

    get_str(in, m->name);
    m->size = (uint32_t)get(in, 1);
    m->count = (uint32_t)get(in, 4);
    bytes = (uint64_t)m->size * m->count;
    if (in->bad || !m->size || m->size > 8 || (uint64_t)(in->end - in->p) < bytes) {
        in->bad = true;
        return false;
    }
    m->data = in->p;
    in->p += bytes;
    return true;
}

/* The section that *in is at; *in moves behind it. */
static bool get_section(In *in, Section *s)
{
    Member m;

    get_str(in, s->name);
    s->version = (uint32_t)get(in, 4);
    s->members = (uint32_t)get(in, 4);
    s->body = *in;
    for (uint32_t i = 0; i < s->members && !in->bad; i++) {
        get_member(in, &m);
    }
    return !in->bad;
}

static uint64_t element(const Member *m, uint32_t i)
{
    uint64_t v = 0;

    for (unsigned b = 0; b < m->size; b++) {
        v |= (uint64_t)m->data[(size_t)i * m->size + b] << (8 * b);
    }
    return v;
}

static bool value_ok(const Field *f, uint64_t v)
{
    switch (f->type) {
    case T_BOOL:
    case T_IRQ:
        return v <= 1;
    case T_ENUM: {
        const char *const *names = f->aux;
        uint64_t           n = 0;
        while (names[n]) {
            n++;
        }
        return v < n;
    }
    case T_I32:
    case T_I64: {
        int64_t s = f->type == T_I32 ? (int32_t)v : (int64_t)v;
        return (!f->min && !f->max) || (s >= (int64_t)f->min && s <= (int64_t)f->max);
    }
    case T_TIMER:
        return true;
    default:
        return v >= f->min && (!f->max || v <= f->max);
    }
}

/* Find what a member's name stands for: outer.N.inner walks into nested tables. */
static const Field *resolve(const Field *tab, const char *name, size_t *offset)
{
    const char  *dot = strchr(name, '.');
    const Field *f;
    char        *head, *end;
    uint64_t     i;

    f = field_find(tab, name);          /* a member of a member, "a.b", is one name in its table */
    if (f || !dot) {
        *offset += f ? f->offset : 0;
        return f && (f->flags & F_STATE) && stride_of(f) ? f : NULL;
    }
    while ((dot = strchr(dot, '.')) && !g_ascii_isdigit(dot[1])) {
        dot++;
    }
    if (!dot) {
        return NULL;
    }
    head = g_strndup(name, (gsize)(dot - name));
    f = field_find(tab, head);
    g_free(head);
    i = g_ascii_strtoull(dot + 1, &end, 10);
    if (!f || f->type != T_STRUCT || !(f->flags & F_STATE) || end == dot + 1 || *end != '.' ||
        i >= f->count) {
        return NULL;
    }
    *offset += f->offset + (size_t)i * f->stride;
    return resolve(f->aux, end + 1, offset);
}

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static bool load_ram(const Section *s, const Member *m, Region *r, GError **err)
{
    const uint8_t *p = m->data + 8, *end = m->data + m->count;
    uint64_t       next = 0;

    if (m->size != 1 || m->count < 8 || (m->count - 8) % RAM_RECORD || le64(m->data) != r->size) {
        return fail(err, "snapshot: section %s, member %s: memory of another size", s->name,
                    m->name);
    }
    region_clear(r);
    for (; p < end; p += RAM_RECORD) {
        uint64_t page = le64(p);
        if (page < next || page >= (r->size + RAM_PAGE - 1) / RAM_PAGE) {
            return fail(err, "snapshot: section %s, member %s: a page is out of place", s->name,
                        m->name);
        }
        memcpy(r->host + page * RAM_PAGE, p + 8, MIN(r->size - page * RAM_PAGE, RAM_PAGE));
        next = page + 1;
    }
    return true;
}

static bool load_field(const Section *s, const Member *m, const Field *tab, void *obj, GError **err)
{
    size_t       offset = 0;
    const Field *f = resolve(tab, m->name, &offset);

    if (!f) {
        return fail(err, "snapshot: section %s has a member \"%s\" that this version does not know",
                    s->name, m->name);
    }
    if (f->type == T_RAM) {
        return load_ram(s, m, (Region *)(void *)((char *)obj + offset), err);
    }
    if (m->size != size_in_stream(f) || m->count != f->count) {
        return fail(
            err, "snapshot: section %s, member %s: %u elements of %u bytes where %u of %u belong",
            s->name, m->name, m->count, m->size, f->count, size_in_stream(f));
    }
    for (uint32_t i = 0; i < m->count; i++) {
        if (!value_ok(f, element(m, i))) {
            return fail(err, "snapshot: section %s, member %s is out of range", s->name, m->name);
        }
    }
    for (uint32_t i = 0; i < m->count; i++) {
        element_store(f, (char *)obj + offset + (size_t)i * stride_of(f), element(m, i));
    }
    return true;
}

static bool load_reg(const Section *s, const Member *m, const Reg *regs, void *obj, GError **err)
{
    for (const Reg *r = regs; r && r->size; r++) {
        if (!strcmp(r->name, m->name + 4)) {
            uint64_t v = element(m, 0);
            if (m->size != r->size || m->count != 1) {
                break;
            }
            memcpy((char *)obj + r->field, &v, r->size);
            return true;
        }
    }
    return fail(err, "snapshot: section %s has a register \"%s\" that does not fit this version",
                s->name, m->name);
}

/* Members the tables have and the section does not: only those newer than it may be missing. */
static bool check_missing(const Section *s, const char *prefix, const Field *tab,
                          const GHashTable *seen, GError **err)
{
    bool ok = true;

    for (const Field *f = tab; f && f->name && ok; f++) {
        if (!(f->flags & F_STATE)) {
            continue;
        }
        if (f->type == T_STRUCT) {
            for (uint32_t i = 0; i < f->count && ok && f->since <= s->version; i++) {
                char *inner = g_strdup_printf("%s%s.%u.", prefix, f->name, i);
                ok = check_missing(s, inner, f->aux, seen, err);
                g_free(inner);
            }
        } else if (stride_of(f) && f->since <= s->version) {
            char *name = g_strconcat(prefix, f->name, NULL);
            if (!g_hash_table_contains((GHashTable *)seen, name)) {
                ok = fail(err, "snapshot: section %s lacks member %s", s->name, name);
            }
            g_free(name);
        }
    }
    return ok;
}

static bool section_load(const Section *s, const Field *fields, const Reg *regs, void *obj,
                         GError **err)
{
    GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    In          in = s->body;
    Member      m;
    bool        ok = true;

    trace_snapshot_section(s->name, s->members);
    for (uint32_t i = 0; i < s->members && ok; i++) {
        ok = get_member(&in, &m);
        if (ok && !g_hash_table_add(seen, g_strdup(m.name))) {
            ok = fail(err, "snapshot: section %s has member %s twice", s->name, m.name);
        } else if (ok && g_str_has_prefix(m.name, "reg:")) {
            ok = load_reg(s, &m, regs, obj, err);
        } else if (ok) {
            ok = load_field(s, &m, fields, obj, err);
        }
    }
    for (const Reg *r = regs; ok && r && r->size; r++) {
        char *name = g_strconcat("reg:", r->name, NULL);
        if (!g_hash_table_contains(seen, name)) {
            ok = fail(err, "snapshot: section %s lacks register %s", s->name, r->name);
        }
        g_free(name);
    }
    ok = ok && check_missing(s, "", fields, seen, err);
    g_hash_table_destroy(seen);
    return ok;
}

bool state_load(GBytes *bytes, const char *name, const Field *f, const Reg *r, void *obj,
                GError **err)
{
    gsize          n;
    const uint8_t *p = g_bytes_get_data(bytes, &n);
    In             in = { p, p + n, false };
    Section        s;

    while (in.p < in.end) {
        if (!get_section(&in, &s)) {
            return fail(err, "snapshot: broken off or damaged");
        }
        if (!strcmp(s.name, name)) {
            return section_load(&s, f, r, obj, err);
        }
    }
    return fail(err, "snapshot: section %s is missing", name);
}

/* ---- the machine ---- */

typedef struct ClockState {
    uint64_t guest_ns;
} ClockState;
static const Field clock_fields[] = { STATE(ClockState, guest_ns, .max = INT64_MAX), FIELD_END };

GByteArray *machine_save(Machine *m)
{
    GByteArray *out = g_byte_array_new();
    ClockState  clock = { time_now(m, TIME_GUEST) };

    if (m->drain) {
        m->drain(m);
    }

    g_byte_array_append(out, (const uint8_t *)STATE_MAGIC, 8);
    put(out, STATE_FORMAT, 4);
    state_save(out, "clock", clock_fields, NULL, &clock);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        char *name = g_strdup_printf("cpu.%u", i);
        if (m->accel && m->accel->get_regs) {
            m->accel->get_regs(v);
        }
        state_save(out, name, v->cpu_ops->fields, NULL, v);
        g_free(name);
    }
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (d->class->refresh) {
            d->class->refresh(d);
        }
        state_save(out, d->path, d->class->fields, d->class->regs, d);
    }
    return out;
}

/* The object a section belongs to, loaded; true for "it does", errors through *err. */
static bool load_one(Machine *m, const Section *s, GError **err)
{
    if (!strcmp(s->name, "clock")) {
        ClockState c = { 0 };
        if (!section_load(s, clock_fields, NULL, &c, err)) {
            return false;
        }
        clock_set_guest(m, c.guest_ns);
        return true;
    }
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        char  name[16];
        g_snprintf(name, sizeof(name), "cpu.%u", i);
        if (!strcmp(s->name, name)) {
            return section_load(s, v->cpu_ops->fields, NULL, v, err);
        }
    }
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (!strcmp(d->path, s->name)) {
            return section_load(s, d->class->fields, d->class->regs, d, err);
        }
    }
    return fail(err,
                "snapshot: it has \"%s\", which this machine does not; start with the options it "
                "was saved with",
                s->name);
}

static bool all_restored(Machine *m, GError **err)
{
    for (unsigned i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (d->class->restored && !d->class->restored(d, err)) {
            return fail(err, "snapshot: %s refuses its state", d->path);
        }
    }
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        Vcpu *v = m->vcpus->pdata[i];
        if (v->cpu_ops->restored && !v->cpu_ops->restored(v, err)) {
            return fail(err, "snapshot: cpu.%u refuses its state", i);
        }
        if (m->accel && m->accel->set_regs) {
            m->accel->set_regs(v);
        }
    }
    return true;
}

bool machine_load(Machine *m, GBytes *bytes, GError **err)
{
    gsize          n;
    const uint8_t *p = g_bytes_get_data(bytes, &n);
    In             in = { p, p + n, false };
    GHashTable    *seen;
    Section        s;
    bool           ok = true;

    if (n < 12 || memcmp(p, STATE_MAGIC, 8)) {
        return fail(err, "snapshot: not one of ryokan");
    }
    in.p += 8;
    if (get(&in, 4) != STATE_FORMAT) {
        return fail(err, "snapshot: of a format this version does not know");
    }
    seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    map_begin(m);
    while (ok && in.p < in.end) {
        if (!get_section(&in, &s)) {
            ok = fail(err, "snapshot: broken off or damaged");
        } else if (!g_hash_table_add(seen, g_strdup(s.name))) {
            ok = fail(err, "snapshot: section %s is there twice", s.name);
        } else {
            ok = load_one(m, &s, err);
        }
    }
    if (ok && g_hash_table_size(seen) != 1 + m->vcpus->len + m->devices->len) {
        ok = fail(
            err, "snapshot: devices are missing from it; start with the options it was saved with");
    }
    ok = ok && all_restored(m, err);
    map_commit(m);
    g_hash_table_destroy(seen);
    return ok;
}
