/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generated.c -- what every DeviceClass promises by its tables, tried on a whole machine: it can be
 * made; a reset brings back one and the same state whatever was written; save, load into another
 * machine and save again gives the same bytes and the same memory map, again and again while both
 * work; random accesses, with resets and timers in between, break nothing.
 *
 * Omits: what a device is for; that is scripted beside.
 * Threads: one process for each class, so that a crash costs one test.
 */
#include "accel/accel.h"
#include "core/mem_view.h"
#include "core/state.h"
#include "core/vcpu.h"
#include "tests/machine.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITES    400                 /* random accesses before a comparison */
/* states saved and taken for each class; ROUND_TRIPS=100 in the environment for more */
#define ROUND_TRIPS 6
#define MAX_LINES 512
#define CLASS_S   60                  /* a class that takes longer hangs */

/* Properties that an instance beside the machine's own needs. */
static const struct {
    const char *class, *key, *val;
} props[] = {
    { "ide-hd", "drive", "d0" },
    { "ide-cd", "drive", "d1" },
};

/* State that a reset leaves alone, and why. */
static const struct {
    const char *class, *member, *why;
} kept[] = {
    { "mc146818rtc", "", "runs on a battery" },
    { "pc-testdev", "scratch", "is memory" },
    { "isa-i8259", "chip.0.latch", "an output that its device's reset raises is an edge" },
    { "ioapic", "lines", "pc-testdev moves lines that are others' outputs" },
    { "cpu.", "events", "asks the CPU to look at inputs that other resets moved after its own" },
};

static char     disk[] = "/tmp/ryokan-gen-XXXXXX";
static uint64_t seed;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void die(const char *what, const char *class, GError *err)
{
    printf("not ok dev/%s/%s: %s\n", class, what, err ? err->message : "failed");
    fflush(stdout);
    _exit(1);
}

/* ---- a machine with one of the class in it ---- */

/* What firmware does: give each function's BARs addresses and let it decode. */
static void pci_setup(Machine *m)
{
    uint32_t mem = 0xe0000000, io = 0xc000;

    for (unsigned devfn = 0; devfn < 256; devfn++) {
        uint32_t at = 0x80000000 | devfn << 8;
        io_write(m->as_io, 0xcf8, at, 4);
        if ((uint16_t)io_read(m->as_io, 0xcfc, 2, NULL) == 0xffff) {
            continue;
        }
        for (unsigned bar = 0x10; bar < 0x28; bar += 4) {
            uint32_t was, mask;
            io_write(m->as_io, 0xcf8, at | bar, 4);
            was = (uint32_t)io_read(m->as_io, 0xcfc, 4, NULL);
            io_write(m->as_io, 0xcfc, UINT32_MAX, 4);
            mask = (uint32_t)io_read(m->as_io, 0xcfc, 4, NULL);
            if (!mask) {
                continue;
            }
            if (was & 1) {
                uint32_t size = -(mask & ~3u) & 0xffff;
                io = (io + size - 1) & -size;
                io_write(m->as_io, 0xcfc, io, 4);
                io += size;
            } else {
                uint32_t size = -(mask & ~15u);
                mem = (mem + size - 1) & -size;
                io_write(m->as_io, 0xcfc, mem, 4);
                mem += size;
            }
        }
        io_write(m->as_io, 0xcf8, at | 4, 4);
        io_write(m->as_io, 0xcfc, 7, 2);
    }
}

static Device *instance(Machine *m, const DeviceClass *c, GError **err)
{
    Device *d;

    for (unsigned i = 0; i < m->devices->len; i++) {
        d = m->devices->pdata[i];
        if (d->class == c) {
            return d;
        }
    }
    d = device_new(m, NULL, c->name, NULL, err);
    for (size_t i = 0; d && i < G_N_ELEMENTS(props); i++) {
        if (!strcmp(props[i].class, c->name) && !device_set(d, props[i].key, props[i].val, err)) {
            return NULL;
        }
    }
    return d && device_realize(d, err) ? d : NULL;
}

static Machine *make(const DeviceClass *c, Device **dev)
{
    char    *d0 = g_strdup_printf("if=none,id=d0,format=raw,snapshot=on,file=%s", disk);
    char    *d1 = g_strdup_printf("if=none,id=d1,format=raw,media=cdrom,file=%s", disk);
    const char *argv[] = { "ryokan", "-nodefaults", "-usb", "-vga", "std", "-m", "32", "-serial",
                        "null", "-rtc", "base=2020-01-01,clock=vm",
                        "-drive", d0, "-drive", d1, NULL };
    Machine *m = machine_new();
    GError  *err = NULL;

    if (!machine_from(m, argv, &err)) {
        die("machine", c->name, err);
    }
    map_begin(m);
    *dev = instance(m, c, &err);
    map_commit(m);
    if (!*dev) {
        die("made", c->name, err);
    }
    machine_lock(m);
    machine_reset(m);
    machine_reset(m);                   /* outputs that the first one raised were edges to others */
    machine_unlock(m);
    g_free(d0);
    g_free(d1);
    return m;
}

/* ---- accesses to it ---- */

typedef struct Target {
    AddressSpace *as;
    hwaddr        at;
    uint64_t      size;
} Target;

static unsigned targets(Machine *m, const Device *d, Target *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->mem->spaces->len; i++) {
        AddressSpace *as = m->mem->spaces->pdata[i];
        for (int dir = 0; dir < 2; dir++) {
            for (unsigned j = 0; j < as->view->n[dir] && n < MAX_LINES; j++) {
                const MemRange *l = &as->view->line[dir][j];
                const char     *of = l->region->dev;
                if (!l->region->host && of >= (const char *)d &&
                    of < (const char *)d + d->class->size) {
                    out[n++] = (Target){ as, l->at, l->size };
                }
            }
        }
    }
    return n;
}

static uint64_t interesting(void)
{
    switch (rnd() % 5) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return 1ull << (rnd() % 64);
    case 3: return rnd() % 256;
    default: return rnd();
    }
}

static void access_once(const Target *t)
{
    unsigned size = 1u << (rnd() % (t->as->root->size > 65536 ? 4 : 3));
    uint64_t off = rnd() % (rnd() % 2 ? MIN(t->size, 64) : t->size);

    if (rnd() % 2) {
        off &= ~(uint64_t)(size - 1);
    }
    if (rnd() % 3) {
        io_write(t->as, t->at + off, interesting(), size);
    } else {
        io_read(t->as, t->at + off, size, NULL);
    }
}

/* The map may change under the accesses (BARs, PAM): look again from time to time. */
static void accesses(Machine *m, Device *d, unsigned n, bool timers)
{
    static Target t[MAX_LINES];
    unsigned      nt = 0;

    machine_lock(m);
    for (unsigned i = 0; i < n; i++) {
        if (i % 64 == 0) {
            nt = targets(m, d, t);
        }
        if (nt) {
            access_once(&t[rnd() % nt]);
        }
        if (timers && i % 32 == 0) {
            machine_unlock(m);
            for (int k = 0; k < 8 && g_main_context_iteration(m->context, FALSE); k++) {
                continue;
            }
            machine_lock(m);
        }
    }
    machine_unlock(m);
}

/* ---- comparing ---- */

static uint64_t le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n--) {
        v = v << 8 | p[n];
    }
    return v;
}

static bool is_kept(const char *section, const char *member)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        if (strstr(section, kept[i].class) &&
            (!*kept[i].member || !strcmp(member, kept[i].member))) {
            return true;
        }
    }
    return false;
}

/*
 * The first member that differs between two streams of the same shape ("section: member"), or NULL.
 */
static char *difference(const GByteArray *a, const GByteArray *b, bool after_reset)
{
    const uint8_t *p = a->data + 12, *q = b->data + 12, *end = a->data + a->len;

    if (a->len != b->len) {
        return g_strdup("length");
    }
    while (p < end) {
        uint64_t n = le(p, 2), members;
        char    *section = g_strndup((const char *)p + 2, n);
        members = le(p + 2 + n + 4, 4);
        q += 2 + n + 8;
        p += 2 + n + 8;
        for (; members; members--) {
            uint64_t k = le(p, 2), bytes = p[2 + k] * le(p + 3 + k, 4);
            char    *member = g_strndup((const char *)p + 2, k), *text = NULL;
            const uint8_t *x = p + 7 + k, *y = q + 7 + k;
            if (memcmp(x, y, bytes) && strcmp(section, "clock") &&
                !(after_reset && is_kept(section, member))) {
                uint64_t i = 0;
                while (x[i] == y[i]) {
                    i++;
                }
                text = g_strdup_printf("%s: %s (byte %u: %02x, %02x)", section, member, (unsigned)i,
                                       x[i], y[i]);
            }
            g_free(member);
            if (text) {
                g_free(section);
                return text;
            }
            p += 7 + k + bytes;
            q += 7 + k + bytes;
        }
        g_free(section);
    }
    return NULL;
}

static char *map_text(Machine *m)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < m->mem->spaces->len; i++) {
        const AddressSpace *as = m->mem->spaces->pdata[i];
        for (int dir = 0; dir < 2; dir++) {
            for (unsigned j = 0; j < as->view->n[dir]; j++) {
                const MemRange *l = &as->view->line[dir][j];
                g_string_append_printf(s, "%s/%d %lx+%lx %s+%lx\n", as->name, dir, l->at, l->size,
                                       l->region->name, l->from);
            }
        }
    }
    return g_string_free(s, FALSE);
}

/* ---- the tests ---- */

static void test_regs(const DeviceClass *c, Device *d)
{
    for (const Reg *r = c->regs; r && r->size; r++) {
        uint64_t all = r->size == 8 ? UINT64_MAX : (1ull << (8 * r->size)) - 1;
        char     why[96] = "";
        if (r->field + r->size > c->size) {
            snprintf(why, sizeof(why), "register %s lies outside the instance", r->name);
        } else if ((r->reset | r->wr | r->w1c | r->rc) & ~all) {
            snprintf(why, sizeof(why), "register %s has bits beyond its size", r->name);
        } else if (r->wr & r->w1c) {
            snprintf(why, sizeof(why), "register %s has bits both writable and write-1-to-clear",
                     r->name);
        }
        if (*why) {
            printf("not ok dev/%s/registers: %s\n", c->name, why);
            return;
        }
        if (!r->on_write && c->bank_size && d->bank.regs == c->regs) {
            uint64_t old = 0, new = 0;
            memcpy(&old, (char *)d + r->field, r->size);
            regs_write(c->regs, d, r->at, ~old & all, r->size);
            memcpy(&new, (char *)d + r->field, r->size);
            if ((old ^ new) & ~(r->wr | r->w1c)) {
                printf("not ok dev/%s/registers: %s: bits changed that are not writable\n", c->name,
                       r->name);
                return;
            }
        }
    }
    printf("ok dev/%s/registers\n", c->name);
}

static void test_fields(const DeviceClass *c)
{
    for (const Field *f = c->fields; f && f->name; f++) {
        if ((f->flags & F_CONFIG) && !(f->help && *f->help)) {
            printf("not ok dev/%s/fields: property %s has no help\n", c->name, f->name);
            return;
        }
        if ((f->flags & F_STATE) && (f->type == T_LINK || f->type == T_STR || f->type == T_LIST)) {
            printf("not ok dev/%s/fields: %s is state of a type that is not saved\n", c->name,
                   f->name);
            return;
        }
        if (f->offset >= c->size) {
            printf("not ok dev/%s/fields: %s lies outside the instance\n", c->name, f->name);
            return;
        }
    }
    if (!c->desc || !*c->desc || !c->spec || !*c->spec) {
        printf("not ok dev/%s/fields: desc or spec is missing\n", c->name);
    } else {
        printf("ok dev/%s/fields\n", c->name);
    }
}

static void test_reset(const DeviceClass *c)
{
    Device     *d;
    Machine    *m = make(c, &d);
    GByteArray *a = machine_save(m), *b;
    char       *diff;

    pci_setup(m);
    accesses(m, d, WRITES, false);
    machine_lock(m);
    machine_reset(m);
    machine_unlock(m);
    b = machine_save(m);
    diff = difference(a, b, true);
    if (diff) {
        printf("not ok dev/%s/reset: not as after the first reset: %s\n", c->name, diff);
    } else {
        printf("ok dev/%s/reset\n", c->name);
    }
    machine_free(m);
}

/*
 * What is missing in the state shows where the machine that takes it had done other things before,
 * not in a new one alone.
 */
static bool same_machine(const DeviceClass *c, Machine *m, Machine *m2, const GByteArray *a,
                         unsigned round)
{
    GByteArray *b = machine_save(m2);
    char       *diff = difference(a, b, false), *map = map_text(m), *map2 = map_text(m2);
    bool        same = !diff && !strcmp(map, map2);

    if (diff) {
        printf("not ok dev/%s/round-trip: round %u: %s\n", c->name, round, diff);
    } else if (!same) {
        size_t i = 0, line = 0;
        for (; map[i] == map2[i]; i++) {
            line = map[i] == '\n' ? i + 1 : line;
        }
        printf("not ok dev/%s/round-trip: round %u: the memory map is another: \"%.*s\" and "
               "\"%.*s\"\n",
               c->name, round, (int)strcspn(map + line, "\n"), map + line,
               (int)strcspn(map2 + line, "\n"), map2 + line);
    }
    g_byte_array_unref(b);
    g_free(diff);
    g_free(map);
    g_free(map2);
    return same;
}

static void take(Machine *m, const GByteArray *state, const char *class)
{
    GBytes *b = g_bytes_new(state->data, state->len);
    GError *err = NULL;

    machine_lock(m);
    machine_reset(m);
    if (!machine_load(m, b, &err)) {
        die("round-trip", class, err);
    }
    machine_unlock(m);
    g_bytes_unref(b);
}

/*
 * Two machines in turns: one works, with its timers and its DMA; the other, which has worked
 * before, takes its state and goes on.
 */
static void test_round_trip(const DeviceClass *c)
{
    const char *times = getenv("ROUND_TRIPS");
    unsigned    n = times ? (unsigned)atoi(times) : ROUND_TRIPS;
    Device     *d[2];
    Machine    *m[2] = { make(c, &d[0]), make(c, &d[1]) };
    bool        same = true;

    pci_setup(m[0]);
    for (unsigned i = 0; same && i < n; i++) {
        Machine    *from = m[i % 2], *to = m[1 - i % 2];
        GByteArray *a;
        clock_run(from, true);
        accesses(from, d[i % 2], i ? WRITES / 4 : WRITES, i > 0);
        clock_run(from, false);
        accesses(to, d[1 - i % 2], i ? WRITES / 8 : 0, false);
        a = machine_save(from);
        take(to, a, c->name);
        same = same_machine(c, from, to, a, i);
        g_byte_array_unref(a);
    }
    if (same) {
        printf("ok dev/%s/round-trip\n", c->name);
    }
    machine_free(m[0]);
    machine_free(m[1]);
}

static void test_fuzz(const DeviceClass *c)
{
    const char *ms = getenv("FUZZ_MS");
    Device     *d;
    Machine    *m = make(c, &d);
    uint64_t    end = time_now(m, TIME_HOST) + (ms ? strtoull(ms, NULL, 10) : 300) * 1000000;

    /* descriptors and lists for whoever does DMA */
    for (uint64_t i = 0; i < m->ram.size; i += 8) {
        uint64_t v = i % 64 ? rnd() % m->ram.size : interesting();
        if (i < 1 << 20) {
            memcpy(m->ram.host + i, &v, 8);
        }
    }
    clock_run(m, true);
    while (time_now(m, TIME_HOST) < end) {
        pci_setup(m);
        accesses(m, d, 2000, true);
        machine_lock(m);
        machine_reset(m);
        machine_unlock(m);
    }
    clock_run(m, false);
    machine_free(m);
    printf("ok dev/%s/fuzz\n", c->name);
}

static void test_class(const DeviceClass *c)
{
    Device  *d;
    Machine *m;
    const char *times = getenv("ROUND_TRIPS");

    alarm(CLASS_S + (times ? 3u * (unsigned)atoi(times) : 0));
    if (!getenv("STDERR") && freopen("/dev/null", "w", stderr) == NULL) {
        _exit(1);
    }
    test_fields(c);
    m = make(c, &d);
    printf("ok dev/%s/made\n", c->name);
    test_regs(c, d);
    machine_free(m);
    fflush(stdout);
    test_reset(c);
    fflush(stdout);
    test_round_trip(c);
    fflush(stdout);
    test_fuzz(c);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int bad = 0, fd = mkstemp(disk);

    if (fd < 0 || ftruncate(fd, 1 << 20)) {
        return 1;
    }
    close(fd);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const DeviceClass *const *c = device_classes; *c; c++) {
        int   status;
        pid_t pid;
        if (argc > 1 && strcmp(argv[1], (*c)->name)) {
            continue;
        }
        seed = 88172645463325252ull + (uint64_t)(c - device_classes);
        pid = fork();
        if (!pid) {
            test_class(*c);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status)) {
            printf("not ok dev/%s: ended by signal %d (%s)\n", (*c)->name, WTERMSIG(status),
                   strsignal(WTERMSIG(status)));
        }
        bad |= status != 0;
    }
    unlink(disk);
    return bad;
}
