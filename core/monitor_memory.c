/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor_memory.c -- guest memory looked at from outside: x, xp, print, memsave, pmemsave, and a
 * core file of the whole machine.
 *
 * Spec: gABI chapter 5 and psABI x86-64 for the core file; its notes are Linux's struct
 *   elf_prstatus.
 * Omits: cores by virtual address (paging=true), compressed ones (kdump); reading devices, which
 *   would change them.
 * Threads: the main context with the machine lock; the CPUs stand still meanwhile.
 */
#include "core/commands.h"
#include "accel/accel.h"
#include "core/disas.h"
#include "core/fds.h"
#include "core/mem_view.h"
#include "core/vcpu.h"
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { X_MAX = 4096, INSN_BYTES = 16, CHUNK = 65536, INFO_LINES = 20000 };

/* ---- the CPUs' state ---- */

static bool hold(Machine *m)
{
    bool was_running = m->state == RUN_RUNNING;

    machine_stop(m);
    for (unsigned i = 0; i < m->vcpus->len; i++) {
        if (m->accel && m->accel->get_regs) {
            m->accel->get_regs(m->vcpus->pdata[i]);
        }
    }
    return was_running;
}

static void let_go(Machine *m, bool was_running)
{
    if (was_running) {
        machine_cont(m);
    }
}

static Vcpu *cpu_at(Machine *m, unsigned n, GError **err)
{
    if (n >= m->vcpus->len) {
        fail(err, "Parameter 'cpu-index' expects a CPU number: there are %u", m->vcpus->len);
        return NULL;
    }
    return m->vcpus->pdata[n];
}

/* Only memory is read: a device would notice. */
static bool read_phys(AddressSpace *as, hwaddr at, void *buf, size_t n)
{
    MemRange l;

    while (n) {
        size_t part = n;
        if (!as_lookup(as, at, false, &l) || !l.region->host) {
            return false;
        }
        part = MIN(part, l.size - (at - l.at));
        as_read(as, at, buf, part);
        buf = (char *)buf + part;
        at += part;
        n -= part;
    }
    return true;
}

/* v NULL: physical. */
static bool read_mem(Machine *m, Vcpu *v, uint64_t at, void *buf, size_t n)
{
    while (n) {
        size_t   part = MIN(n, 4096 - (at & 4095));
        uint64_t phys = at;
        if (v && (!v->cpu_ops->inspect || !v->cpu_ops->inspect->translate(v, at, &phys))) {
            return false;
        }
        if (!read_phys(v ? v->as : m->as_memory, phys, buf, part)) {
            return false;
        }
        buf = (char *)buf + part;
        at += part;
        n -= part;
    }
    return true;
}

/* ---- expressions: terms joined by + - * and parentheses; 0x10, 16, $rip ---- */

typedef struct Expr {
    const char *p;
    Vcpu       *cpu;
    unsigned    depth;
} Expr;

static bool sum(Expr *e, uint64_t *out, GError **err);

static bool term(Expr *e, uint64_t *out, GError **err)
{
    char  name[16] = "";
    char *end;
    bool  ok;

    e->p += strspn(e->p, " ");
    if (*e->p == '-' || *e->p == '~') {
        char op = *e->p++;
        ok = ++e->depth < 64 && term(e, out, err);
        e->depth--;
        *out = op == '-' ? 0 - *out : ~*out;
        return ok || fail(err, "the expression is too deep");
    }
    if (*e->p == '(') {
        e->p++;
        ok = ++e->depth < 64 && sum(e, out, err);
        e->depth--;
        return (ok && *e->p++ == ')') || fail(err, "the parentheses do not match");
    }
    if (*e->p == '$') {
        size_t n = 0;
        for (e->p++; g_ascii_isalnum(*e->p) || *e->p == '_'; e->p++) {
            if (n + 1 < sizeof(name)) {
                name[n++] = g_ascii_tolower(*e->p);
            }
        }
        return (e->cpu && e->cpu->cpu_ops->inspect &&
                e->cpu->cpu_ops->inspect->reg(e->cpu, name, out)) ||
               fail(err, "there is no register $%s", name);
    }
    if (!g_ascii_isdigit(*e->p)) {
        return fail(err, "\"%.40s\": a number or $register belongs here", e->p);
    }
    *out = g_ascii_strtoull(e->p, &end, 0);
    e->p = end;
    return true;
}

static bool product(Expr *e, uint64_t *out, GError **err)
{
    uint64_t right;
    char     op;

    if (!term(e, out, err)) {
        return false;
    }
    while (e->p += strspn(e->p, " "), (op = *e->p) == '*' || op == '/' || op == '%') {
        e->p++;
        if (!term(e, &right, err)) {
            return false;
        }
        if (op != '*' && !right) {
            return fail(err, "division by zero");
        }
        *out = op == '*' ? *out * right : op == '/' ? *out / right : *out % right;
    }
    return true;
}

static bool sum(Expr *e, uint64_t *out, GError **err)
{
    uint64_t right;
    char     op;

    if (!product(e, out, err)) {
        return false;
    }
    while (e->p += strspn(e->p, " "),
           (op = *e->p) == '+' || op == '-' || op == '&' || op == '|' || op == '^') {
        e->p++;
        if (!product(e, &right, err)) {
            return false;
        }
        *out = op == '+'   ? *out + right
               : op == '-' ? *out - right
               : op == '&' ? *out & right
               : op == '|' ? *out | right
                           : *out ^ right;
    }
    return true;
}

static bool evaluate(Machine *m, const char *text, uint64_t *out, GError **err)
{
    Expr e = { .p = text, .cpu = m->vcpus->len ? m->vcpus->pdata[0] : NULL };

    return sum(&e, out, err) && (!*e.p || fail(err, "\"%.40s\": an operator belongs here", e.p));
}

/* ---- x, xp, print ---- */

typedef struct Format {
    unsigned count, size;
    char     kind;
} Format;

static bool parse_format(const char *text, Format *f, GError **err)
{
    char *end;

    *f = (Format){ .count = 1, .size = 4, .kind = 'x' };
    if (!text) {
        return true;
    }
    if (g_ascii_isdigit(*text)) {
        guint64 n = g_ascii_strtoull(text, &end, 10);
        if (!n || n > X_MAX) {
            return fail(err, "a count is 1 to %d", X_MAX);
        }
        f->count = (unsigned)n;
        text = end;
    }
    for (; *text; text++) {
        switch (*text) {
        case 'b': f->size = 1; break;
        case 'h': f->size = 2; break;
        case 'w': f->size = 4; break;
        case 'g': f->size = 8; break;
        case 'x': case 'd': case 'u': case 'o': case 'c': case 'i': f->kind = *text; break;
        default:
            return fail(err, "\"%s\": a format is a count, one of x d u o c i, and one of b h w g",
                        text);
        }
    }
    if (f->kind == 'c') {
        f->size = 1;
    }
    return true;
}

static void print_value(GString *s, const Format *f, uint64_t v)
{
    int     width = (int)f->size * 2;
    int64_t sv = (int64_t)(v << (64 - 8 * f->size)) >> (64 - 8 * f->size);

    switch (f->kind) {
    case 'd': g_string_append_printf(s, "%" PRId64, sv); break;
    case 'u': g_string_append_printf(s, "%" PRIu64, v); break;
    case 'o': g_string_append_printf(s, "0%" PRIo64, v); break;
    case 'c': g_string_append_printf(s, v >= ' ' && v < 127 ? "'%c'" : "'\\x%02x'", (int)v); break;
    default:  g_string_append_printf(s, "0x%0*" PRIx64, width, v); break;
    }
}

static void dump_insns(Machine *m, Vcpu *v, bool phys, uint64_t at, unsigned count, GString *s)
{
    uint8_t code[INSN_BYTES];

    while (count--) {
        size_t n = sizeof(code);
        while (n && !read_mem(m, phys ? NULL : v, at, code, n)) {
            n--;
        }
        if (!n) {
            g_string_append_printf(s, "0x%08" PRIx64 ":  Cannot access memory\n", at);
            return;
        }
        g_string_append_printf(s, "0x%08" PRIx64 ":  ", at);
        at += v->cpu_ops->inspect->disassemble(v, at, code, n, s);
        g_string_append_c(s, '\n');
    }
}

static void dump_words(Machine *m, Vcpu *v, uint64_t at, const Format *f, GString *s)
{
    unsigned per_line = f->size == 1 ? 8 : f->size == 8 ? 2 : 16 / f->size;

    for (unsigned i = 0; i < f->count; i++, at += f->size) {
        uint64_t word = 0;
        if (i % per_line == 0) {
            g_string_append_printf(s, "%s%016" PRIx64 ":", i ? "\n" : "", at);
        }
        if (!read_mem(m, v, at, &word, f->size)) {
            g_string_append(s, " Cannot access memory");
            break;
        }
        g_string_append_c(s, ' ');
        print_value(s, f, word);
    }
    g_string_append_c(s, '\n');
}

static bool dump(Machine *m, const XArgs *a, bool phys, Reply *reply, GError **err)
{
    bool     was_running = hold(m), ok;
    Vcpu    *v = m->vcpus->len ? m->vcpus->pdata[0] : NULL;
    GString *s = g_string_new(NULL);
    Format   f;
    uint64_t at;

    ok = parse_format(a->fmt, &f, err) && evaluate(m, a->addr, &at, err);
    if (ok && !phys && !(v && v->cpu_ops->inspect)) {
        ok = fail(err, "this CPU's address translation cannot be looked at");
    }
    if (ok && f.kind == 'i') {
        ok = v && v->cpu_ops->inspect && v->cpu_ops->inspect->disassemble && disas_available();
        if (ok) {
            dump_insns(m, v, phys, at, f.count, s);
        } else {
            fail(err, "there is no libcapstone here, or none when this was built: there are no "
                      "instructions, only x d u o c");
        }
    } else if (ok) {
        dump_words(m, phys ? NULL : v, at, &f, s);
    }
    let_go(m, was_running);
    say_text(reply, s);
    return ok;
}

bool cmd_x(Machine *m, void *args, Reply *reply, GError **err)
{
    return dump(m, args, false, reply, err);
}

bool cmd_xp(Machine *m, void *args, Reply *reply, GError **err)
{
    return dump(m, args, true, reply, err);
}

bool cmd_print(Machine *m, void *args, Reply *reply, GError **err)
{
    const XArgs *a = args;
    GString     *s = g_string_new(NULL);
    bool         was_running = hold(m), ok;
    uint64_t     v = 0;
    Format       f;

    ok = parse_format(a->fmt, &f, err) && evaluate(m, a->addr, &v, err);
    let_go(m, was_running);
    if (f.kind == 'x') {
        g_string_append_printf(s, "0x%" PRIx64, v);
    } else {
        f.size = 8;
        print_value(s, &f, v);
    }
    say_text(reply, s);
    return ok;
}
const Field x_args[] = {
    FIELD_(XArgs, addr, F_CONFIG | F_REQUIRED, 1,
           .help = "Address: numbers and $registers, + - * and parentheses."),
    CONFIG(XArgs, fmt,
           .help = "After a slash: count, then x d u o c i, then b h w g for 1, 2, 4 or 8 bytes."),
    FIELD_END
};
const Field print_args[] = {
    FIELD_(XArgs, addr, F_CONFIG | F_REQUIRED, 1,
           .help = "Numbers and $registers, + - * and parentheses."),
    CONFIG(XArgs, fmt, .help = "After a slash: x, d, u or o."),
    FIELD_END
};

bool cmd_gpa2hva(Machine *m, void *args, Reply *reply, GError **err)
{
    uint64_t at;
    MemRange l;

    if (!evaluate(m, ((XArgs *)args)->addr, &at, err)) {
        return false;
    }
    if (!as_lookup(m->as_memory, at, false, &l) || !l.region->host) {
        return fail(err, "No memory is mapped at address 0x%" PRIx64, at);
    }
    GString *s = g_string_new(NULL);
    g_string_append_printf(s, "Host virtual address for 0x%" PRIx64 " (%s) is %p", at,
                           l.region->name ? l.region->name : "memory",
                           (void *)(l.region->host + l.from + (at - l.at)));
    say_text(reply, s);
    return true;
}

bool cmd_gva2gpa(Machine *m, void *args, Reply *reply, GError **err)
{
    bool     was_running = hold(m), ok;
    Vcpu    *v = m->vcpus->len ? m->vcpus->pdata[0] : NULL;
    uint64_t at, phys = 0;
    GString *s = g_string_new(NULL);

    ok = evaluate(m, ((XArgs *)args)->addr, &at, err);
    if (ok) {
        if (v && v->cpu_ops->inspect && v->cpu_ops->inspect->translate(v, at, &phys)) {
            g_string_append_printf(s, "gpa: 0x%" PRIx64, phys);
        } else {
            g_string_append(s, "Unmapped");
        }
    }
    let_go(m, was_running);
    say_text(reply, s);
    return ok;
}

/* ---- page tables ---- */

typedef struct Lines {
    GString *s;
    unsigned n;
    uint64_t start, end;              /* info mem: the run so far */
    unsigned flags;
    bool     runs;
} Lines;

static void end_run(Lines *l)
{
    if (l->end > l->start) {
        g_string_append_printf(l->s, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %c%c%c\n",
                               l->start, l->end, l->end - l->start,
                               l->flags & PAGE_USER ? 'u' : '-', 'r',
                               l->flags & PAGE_WRITE ? 'w' : '-');
        l->n++;
    }
}

static bool page(void *arg, const GuestPage *p)
{
    Lines   *l = arg;
    unsigned flags = p->flags & (PAGE_USER | PAGE_WRITE);

    if (!l->runs) {
        g_string_append_printf(l->s, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c\n", p->linear,
                               p->phys, p->flags & PAGE_NX ? 'X' : '-',
                               p->flags & PAGE_GLOBAL ? 'G' : '-', p->bytes > 4096 ? 'P' : '-',
                               p->flags & PAGE_DIRTY ? 'D' : '-',
                               p->flags & PAGE_ACCESSED ? 'A' : '-',
                               p->flags & PAGE_USER ? 'U' : '-', p->flags & PAGE_WRITE ? 'W' : '-');
        l->n++;
    } else if (p->linear == l->end && flags == l->flags) {
        l->end += p->bytes;
    } else {
        end_run(l);
        l->start = p->linear;
        l->end = p->linear + p->bytes;
        l->flags = flags;
    }
    return l->n < INFO_LINES;
}

static bool page_info(Machine *m, bool runs, Reply *reply, GError **err)
{
    bool  was_running;
    Lines l = { .runs = runs };
    Vcpu *v = m->vcpus->len ? m->vcpus->pdata[0] : NULL;

    if (!v || !v->cpu_ops->inspect) {
        return fail(err, "this CPU's page tables cannot be looked at");
    }
    was_running = hold(m);
    l.s = g_string_new(NULL);
    if (!v->cpu_ops->inspect->pages(v, page, &l)) {
        g_string_append(l.s, "PG disabled\n");
    }
    end_run(&l);
    if (l.n >= INFO_LINES) {
        g_string_append(l.s, "...\n");
    }
    let_go(m, was_running);
    say_text(reply, l.s);
    return true;
}

bool cmd_info_mem(Machine *m, void *args, Reply *reply, GError **err)
{
    return page_info(m, true, reply, err);
}

bool cmd_info_tlb(Machine *m, void *args, Reply *reply, GError **err)
{
    return page_info(m, false, reply, err);
}

/* ---- to files ---- */

static bool put(FILE *f, const char *name, const void *buf, size_t n, GError **err)
{
    return fwrite(buf, 1, n, f) == n ||
           fail(err, "%s: cannot write it: %s", name, g_strerror(errno));
}

static bool finish(FILE *f, const char *name, bool ok, GError **err)
{
    bool flushed = fclose(f) == 0;

    return ok && (flushed || fail(err, "%s: cannot write it: %s", name, g_strerror(errno)));
}

static bool save(Machine *m, const SaveMemArgs *a, bool phys, GError **err)
{
    bool     was_running, ok = true;
    Vcpu    *v = NULL;
    FILE    *f;
    uint64_t at = a->val, left = a->size;
    uint8_t *buf;

    if (!phys && !(v = cpu_at(m, a->cpu, err))) {
        return false;
    }
    if (!(f = fopen(a->filename, "wbe"))) {
        return fail(err, "%s: cannot write it: %s", a->filename, g_strerror(errno));
    }
    buf = g_malloc(CHUNK);
    was_running = hold(m);
    while (ok && left) {
        size_t n = (size_t)MIN(left, CHUNK - (at & (CHUNK - 1)));
        ok = (read_mem(m, v, at, buf, n) ||
              fail(err, "Invalid addr 0x%016" PRIx64 "/size %" PRIu64 " specified", a->val,
                   a->size)) &&
             put(f, a->filename, buf, n, err);
        at += n;
        left -= n;
    }
    let_go(m, was_running);
    g_free(buf);
    return finish(f, a->filename, ok, err);
}

bool cmd_memsave(Machine *m, void *args, Reply *reply, GError **err)
{
    return save(m, args, false, err);
}

bool cmd_pmemsave(Machine *m, void *args, Reply *reply, GError **err)
{
    return save(m, args, true, err);
}
#define SAVE_FIELDS                                                                                \
    FIELD_(SaveMemArgs, val, F_CONFIG | F_REQUIRED, 1, .help = "Address."),                        \
    FIELD_(SaveMemArgs, size, F_CONFIG | F_REQUIRED, 1, .help = "Bytes."),                         \
    FIELD_(SaveMemArgs, filename, F_CONFIG | F_REQUIRED, 1, .help = "File to write.")
const Field memsave_args[] = {
    SAVE_FIELDS,
    CONFIG_AS(SaveMemArgs, cpu, "cpu-index", .help = "Whose addresses they are."),
    FIELD_END
};
const Field pmemsave_args[] = { SAVE_FIELDS, FIELD_END };

/* ---- a core file ---- */

enum { PRSTATUS_BYTES = 336, PRSTATUS_PID = 32, PRSTATUS_REGS = 112,
       NOTE_BYTES = 12 + 8 + PRSTATUS_BYTES };

/* One CPU as a thread: struct user_regs_struct's order. */
static void add_note(GByteArray *out, Vcpu *v)
{
    static const char *const order[] = {
        "r15",    "r14", "r13", "r12",     "rbp",     "rbx", "r11", "r10", "r9",
        "r8",     "rax", "rcx", "rdx",     "rsi",     "rdi", "",    "rip", "cs",
        "eflags", "rsp", "ss",  "fs_base", "gs_base", "ds",  "es",  "fs",  "gs",
    };
    uint8_t   status[PRSTATUS_BYTES] = { 0 };
    Elf64_Nhdr h = { .n_namesz = 5, .n_descsz = PRSTATUS_BYTES, .n_type = NT_PRSTATUS };
    uint32_t  pid = v->index + 1;

    memcpy(status + PRSTATUS_PID, &pid, sizeof(pid));
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        uint64_t r = 0;
        if (*order[i] && v->cpu_ops->inspect) {
            v->cpu_ops->inspect->reg(v, order[i], &r);
        }
        memcpy(status + PRSTATUS_REGS + 8 * i, &r, 8);
    }
    g_byte_array_append(out, (const uint8_t *)&h, sizeof(h));
    g_byte_array_append(out, (const uint8_t *)"CORE\0\0\0", 8);
    g_byte_array_append(out, status, sizeof(status));
}

static void add_loads(GArray *loads, const AddressSpace *as, const DumpGuestArgs *a)
{
    for (unsigned i = 0; i < as->view->n[VIEW_READ]; i++) {
        const MemRange *l = &as->view->line[VIEW_READ][i];
        uint64_t        from = MAX(l->at, a->begin), to = l->at + l->size;
        if (a->length) {
            to = MIN(to, a->begin + a->length);
        }
        if (l->region->host && !l->region->readonly && from < to) {
            Elf64_Phdr p = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_paddr = from,
                             .p_filesz = to - from,
                             .p_memsz = to - from };
            g_array_append_val(loads, p);
        }
    }
}

static bool write_core(Machine *m, FILE *f, const char *name, const DumpGuestArgs *a, GError **err)
{
    GArray     *ph = g_array_new(FALSE, TRUE, sizeof(Elf64_Phdr));
    GByteArray *notes = g_byte_array_new();
    Elf64_Phdr  note = { .p_type = PT_NOTE };
    Elf64_Ehdr  h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                   EV_CURRENT }, .e_type = ET_CORE,
                      .e_machine = EM_X86_64, .e_version = EV_CURRENT,
                      .e_phoff = sizeof(h), .e_ehsize = sizeof(h),
                      .e_phentsize = sizeof(Elf64_Phdr) };
    uint8_t    *buf = g_malloc(CHUNK);
    bool        ok;

    for (unsigned i = 0; i < m->vcpus->len; i++) {
        add_note(notes, m->vcpus->pdata[i]);
    }
    g_array_append_val(ph, note);
    add_loads(ph, m->as_memory, a);
    h.e_phnum = (Elf64_Half)ph->len;
    uint64_t at = sizeof(h) + ph->len * sizeof(Elf64_Phdr);
    for (unsigned i = 0; i < ph->len; i++) {
        Elf64_Phdr *p = &g_array_index(ph, Elf64_Phdr, i);
        if (!i) {
            p->p_filesz = p->p_memsz = notes->len;
        }
        p->p_offset = at;
        at += p->p_filesz;
    }
    ok = put(f, name, &h, sizeof(h), err) &&
         put(f, name, ph->data, ph->len * sizeof(Elf64_Phdr), err) &&
         put(f, name, notes->data, notes->len, err);
    for (unsigned i = 1; ok && i < ph->len; i++) {
        const Elf64_Phdr *p = &g_array_index(ph, Elf64_Phdr, i);
        for (uint64_t done = 0; ok && done < p->p_filesz; done += CHUNK) {
            size_t n = (size_t)MIN(p->p_filesz - done, CHUNK);
            as_read(m->as_memory, p->p_paddr + done, buf, n);
            ok = put(f, name, buf, n, err);
        }
    }
    g_free(buf);
    g_byte_array_free(notes, TRUE);
    g_array_free(ph, TRUE);
    return ok;
}

typedef struct Dump {                   /* one that is to be written */
    Machine      *machine;
    DumpGuestArgs args;
    FILE         *f;
    char         *name;
} Dump;

static const char *const dump_states[] = { "none", "active", "completed", "failed" };
enum { DUMP_NONE, DUMP_ACTIVE, DUMP_COMPLETED, DUMP_FAILED };

static void say_dump(Machine *m, GVariantBuilder *b)
{
    say(b, "status", dump_states[m->dump_state]);
    say_int(b, "completed", (int64_t)(m->dump_state == DUMP_COMPLETED ? m->dump_bytes : 0));
    say_int(b, "total", (int64_t)m->dump_bytes);
}

static bool dump_guest(Machine *m, FILE *f, const char *name, const DumpGuestArgs *a, GError **err)
{
    bool was_running = hold(m), ok;

    m->dump_bytes = a->length ? a->length : m->ram_bytes;
    ok = write_core(m, f, name, a, err);
    let_go(m, was_running);
    ok = finish(f, name, ok, err);
    m->dump_state = ok ? DUMP_COMPLETED : DUMP_FAILED;
    return ok;
}

/* detach=on: the command has been answered. */
static gboolean dump_later(void *opaque)
{
    Dump           *d = opaque;
    Machine        *m = d->machine;
    GError         *err = NULL;
    GVariantBuilder data, result;

    machine_lock(m);
    dump_guest(m, d->f, d->name, &d->args, &err);
    object_start(&result);
    say_dump(m, &result);
    object_start(&data);
    say_value(&data, "result", g_variant_builder_end(&result));
    if (err) {
        say(&data, "error", err->message);
        g_error_free(err);
    }
    machine_event(m, "DUMP_COMPLETED", g_variant_builder_end(&data));
    machine_unlock(m);
    g_free(d->name);
    g_free(d);
    return G_SOURCE_REMOVE;
}

static FILE *dump_open(Machine *m, const char *protocol, const char **name, GError **err)
{
    bool  to_fd = g_str_has_prefix(protocol, "fd:");
    FILE *f;
    int   fd = -1;

    *name = protocol + (to_fd ? 3 : 5);
    if (!to_fd && !g_str_has_prefix(protocol, "file:")) {
        fail(err, "parameter 'protocol': %.200s: there are file:PATH and fd:NAME", protocol);
        return NULL;
    }
    if (to_fd && (fd = fds_take(m, *name, err)) < 0) {
        return NULL;
    }
    f = to_fd ? fdopen(fd, "wb") : fopen(*name, "wbe");
    if (!f) {
        fail(err, "%s: cannot write it: %s", *name, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
    return f;
}

bool cmd_dump_guest(Machine *m, void *args, Reply *reply, GError **err)
{
    const DumpGuestArgs *a = args;
    const char          *name;
    GSource             *later;
    Dump                *d;
    FILE                *f;

    if (a->paging) {
        return fail(err,
                    "parameter 'paging': only false is there: a core file by physical address");
    }
    if (a->format && strcmp(a->format, "elf")) {
        return fail(err, "parameter 'format': %.40s: there is elf", a->format);
    }
    if (a->begin + a->length < a->begin) {
        return fail(err, "parameter 'length': begin and length pass the end of memory");
    }
    if (m->dump_state == DUMP_ACTIVE) {
        return fail(err, "There is a dump in process, please wait.");
    }
    if (!(f = dump_open(m, a->protocol, &name, err))) {
        return false;
    }
    m->dump_state = DUMP_ACTIVE;
    if (!a->detach) {
        return dump_guest(m, f, name, a, err);
    }
    d = g_new0(Dump, 1);
    *d = (Dump){ .machine = m, .f = f, .name = g_strdup(name), .args = { .begin = a->begin,
                                                                         .length = a->length } };
    later = g_idle_source_new();
    g_source_set_priority(later, G_PRIORITY_DEFAULT);
    g_source_set_callback(later, dump_later, d, NULL);
    g_source_attach(later, m->context);
    g_source_unref(later);
    return true;
}

bool cmd_query_dump(Machine *m, void *args, Reply *reply, GError **err)
{
    say_dump(m, reply);
    return true;
}
const Field dump_guest_args[] = {
    FIELD_(DumpGuestArgs, paging, F_CONFIG | F_REQUIRED, 1,
           .help = "By virtual address; only off."),
    FIELD_(DumpGuestArgs, protocol, F_CONFIG | F_REQUIRED, 1,
           .help = "file:PATH, or fd:NAME of getfd."),
    CONFIG(DumpGuestArgs, detach, .help = "Answer before it is done; DUMP_COMPLETED tells."),
    CONFIG(DumpGuestArgs, begin, .help = "First physical address."),
    CONFIG(DumpGuestArgs, length, .help = "Bytes from there; without it: all."),
    CONFIG(DumpGuestArgs, format, .help = "elf."),
    FIELD_END
};

bool cmd_query_dump_capability(Machine *m, void *args, Reply *reply, GError **err)
{
    GVariantBuilder formats;

    list_start(&formats);
    g_variant_builder_add(&formats, "v", g_variant_new_string("elf"));
    say_list(reply, "formats", &formats);
    return true;
}
