/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem.c -- Regions and Mappings resolved into immutable flat views, and their look-up.
 *
 * Spec: none; this is the machine's own model of a bus.
 * Omits: Region.pin and Region.translate (grants, IOMMUs): such regions decode as unassigned.
 * Threads: everything that changes a map holds the machine lock; as_lookup() is free of it.
 */
#include "core/mem.h"
#include "accel/accel.h"
#include "core/mem_view.h"
#include "core/vcpu.h"
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 64 << 20 };
#define MAX_NESTING 16 /* containers within containers; ends a map that contains itself */

/* ---- regions ---- */

static void region_init(Region *r, const char *name, uint64_t size)
{
    memset(r, 0, sizeof(*r));
    r->name = name;
    r->size = size;
}

void region_init_io(Region *r, const char *name, const MmioOps *io, void *dev, uint64_t size)
{
    region_init(r, name, size);
    r->io = io;
    r->dev = dev;
}

/*
 * Reserved only: the host gives a page when it is first touched.  RAM that is large enough lies so
 * that the host's huge pages and the guest's coincide: KVM maps no others as such.
 */
bool region_try_ram(Region *r, const char *name, uint64_t size, GError **err)
{
    void *p;

    region_init(r, name, size);
    uint64_t slack = size >= HUGE_FROM ? HUGE_PAGE : 0;
    p = mmap(NULL, MAX(size + slack, 1), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED && slack) {
        uint64_t head = -(uintptr_t)p & (HUGE_PAGE - 1), rest = slack - head,
                 used = (size + 4095) & ~UINT64_C(4095);
        if (head) {
            munmap(p, head);
        }
        p = (char *)p + head;
        if (rest > used - size) {
            munmap((char *)p + used, rest - (used - size));
        }
    }
    if (p == MAP_FAILED) {
        return fail(err,
                    "the host cannot give %" G_GUINT64_FORMAT " MiB of memory for %s; ask for less",
                    size >> 20, name);
    }
    if (slack) {
        madvise(p, size, MADV_HUGEPAGE);
    }
    r->host = p;
    return true;
}

void region_init_ram(Region *r, const char *name, uint64_t size)
{
    GError *err = NULL;

    if (!region_try_ram(r, name, size, &err)) {
        g_error("%s", err->message);
    }
}

void region_clear(Region *r)
{
    if (mmap(r->host, MAX(r->size, 1), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        memset(r->host, 0, r->size);
    }
    region_set_dirty(r, 0, r->size);
    if (r->machine && r->machine->accel && r->machine->accel->code_written) {
        r->machine->accel->code_written(r, 0, r->size);
    }
}

/* Of memory that is shared MADV_REMOVE frees what is behind it; it refuses what is not. */
bool region_discard(Region *ram, uint64_t from, uint64_t n)
{
    if (from > ram->size || n > ram->size - from || !n ||
        (madvise(ram->host + from, n, MADV_REMOVE) &&
         madvise(ram->host + from, n, MADV_DONTNEED))) {
        return false;
    }
    region_set_dirty(ram, from, n);
    if (ram->machine && ram->machine->accel && ram->machine->accel->code_written) {
        ram->machine->accel->code_written(ram, from, n);
    }
    return true;
}

void region_init_rom(Region *r, const char *name, uint64_t size)
{
    region_init_ram(r, name, size);
    r->readonly = true;
}

void region_init_container(Region *r, const char *name, uint64_t size)
{
    region_init(r, name, size);
    r->parts = g_ptr_array_new();
}

void region_destroy(Region *r)
{
    if (r->host) {
        munmap(r->host, MAX(r->size, 1));
    }
    if (r->parts) {
        g_ptr_array_free(r->parts, TRUE);
    }
    if (r->owned) {
        g_ptr_array_free(r->owned, TRUE);
    }
    region_doorbells_free(r);
    g_free(r->dirty[0]);
    g_free(r->dirty[1]);
    region_init(r, NULL, 0);
}

/*
 * Newest first among equals, so that what is mapped later lies on top; render() sorts by priority.
 */
void region_add(Region *container, Mapping *part)
{
    if (!container->parts) {
        container->parts = g_ptr_array_new();
    }
    g_ptr_array_insert(container->parts, 0, part);
}

void region_remove(Region *container, Mapping *part)
{
    if (container->parts && g_ptr_array_remove(container->parts, part) && container->owned) {
        g_ptr_array_remove(container->owned, part);
    }
}

Mapping *region_map(Region *container, Region *r, hwaddr at)
{
    Mapping *p = g_new0(Mapping, 1);

    p->region = r;
    p->size = r->size;
    p->at = at;
    p->seen = SEEN_READ | SEEN_WRITE;
    p->on = true;
    if (!container->owned) {
        container->owned = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(container->owned, p);
    region_add(container, p);
    return p;
}

/* ---- building a view ---- */

/* Put [at, at + size) where nothing lies yet. */
static void view_insert(GArray *lines, hwaddr at, uint64_t size, uint64_t from, Region *r,
                        uint8_t seen)
{
    hwaddr   end = at + size;
    unsigned i = 0;

    while (i < lines->len &&
           g_array_index(lines, MemRange, i).at + g_array_index(lines, MemRange, i).size <= at) {
        i++;
    }
    while (at < end) {
        hwaddr   stop = end;
        MemRange new = { .at = at, .from = from, .region = r, .seen = seen };

        if (i < lines->len) {
            MemRange *l = &g_array_index(lines, MemRange, i);
            if (l->at <= at) {
                uint64_t skip = MIN(l->at + l->size, end) - at;
                at += skip;
                from += skip;
                i++;
                continue;
            }
            stop = MIN(end, l->at);
        }
        new.size = stop - at;
        g_array_insert_val(lines, i, new);
        i++;
        from += new.size;
        at = stop;
    }
}

static bool is_leaf(const Region *r)
{
    return r->host || r->regs || r->io;
}

static void parts_sort(GPtrArray *parts)
{
    for (unsigned i = 1; i < parts->len; i++) {
        Mapping *p = parts->pdata[i];
        unsigned j = i;
        for (; j > 0 && ((Mapping *)parts->pdata[j - 1])->priority < p->priority; j--) {
            parts->pdata[j] = parts->pdata[j - 1];
        }
        parts->pdata[j] = p;
    }
}

/*
 * Draw [lo, hi) of region r, whose byte 0 lies at `base` (modulo 2^64), below what is drawn
 * already.
 */
static void render(GArray *lines, Region *r, hwaddr base, uint64_t lo, uint64_t hi, uint8_t seen,
                   int depth)
{
    hi = MIN(hi, r->size);
    if (lo >= hi || depth == MAX_NESTING) {
        return;
    }
    if (is_leaf(r)) {
        view_insert(lines, base + lo, hi - lo, lo, r, seen);
        return;
    }
    if (!r->parts) {
        return;
    }
    parts_sort(r->parts);
    for (unsigned i = 0; i < r->parts->len; i++) {
        const Mapping *p = r->parts->pdata[i];
        uint64_t       end, a, b, from;

        if (!p->on || !(p->seen & seen) || !p->region) {
            continue;
        }
        end = p->size > UINT64_MAX - p->at ? UINT64_MAX : p->at + p->size;
        a = MAX(p->at, lo);
        b = MIN(end, hi);
        if (a >= b || p->from > UINT64_MAX - (b - p->at)) {
            continue;
        }
        from = p->from + (a - p->at);
        render(lines, p->region, base + p->at - p->from, from, from + (b - a), seen, depth + 1);
    }
}

static unsigned lines_merge(MemRange *l, unsigned n)
{
    unsigned out = 0;

    for (unsigned i = 0; i < n; i++) {
        if (out && l[out - 1].region == l[i].region && l[out - 1].at + l[out - 1].size == l[i].at &&
            l[out - 1].from + l[out - 1].size == l[i].from) {
            l[out - 1].size += l[i].size;
        } else {
            l[out++] = l[i];
        }
    }
    return out;
}

/* The line with `at`; if there is none, -1 - the one after it. */
static int line_find(const MemRange *l, unsigned n, hwaddr at)
{
    unsigned lo = 0, hi = n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (at < l[mid].at) {
            hi = mid;
        } else if (at - l[mid].at >= l[mid].size) {
            lo = mid + 1;
        } else {
            return (int)mid;
        }
    }
    return -1 - (int)lo;
}

static bool line_same(const MemRange *a, const MemRange *b)
{
    return a->at == b->at && a->size == b->size && a->from == b->from && a->region == b->region;
}

static FlatView *view_build(Region *root)
{
    FlatView *v = g_new0(FlatView, 1);

    for (int dir = 0; dir < 2; dir++) {
        GArray *lines = g_array_new(FALSE, FALSE, sizeof(MemRange));
        render(lines, root, 0, 0, UINT64_MAX, dir == VIEW_READ ? SEEN_READ : SEEN_WRITE, 0);
        v->n[dir] = lines_merge((MemRange *)(void *)lines->data, lines->len);
        v->line[dir] = (MemRange *)(void *)g_array_free(lines, FALSE);
    }
    for (unsigned i = 0; i < v->n[VIEW_READ]; i++) {
        /* lines that are alike both ways say so */
        MemRange *l = &v->line[VIEW_READ][i];
        int       j = line_find(v->line[VIEW_WRITE], v->n[VIEW_WRITE], l->at);
        if (j >= 0 && line_same(l, &v->line[VIEW_WRITE][j])) {
            l->seen = v->line[VIEW_WRITE][j].seen = SEEN_READ | SEEN_WRITE;
        }
    }
    return v;
}

static void view_free(FlatView *v)
{
    g_free(v->line[0]);
    g_free(v->line[1]);
    g_free(v);
}

static bool view_same(const FlatView *a, const FlatView *b)
{
    for (int dir = 0; dir < 2; dir++) {
        if (a->n[dir] != b->n[dir]) {
            return false;
        }
        for (unsigned i = 0; i < a->n[dir]; i++) {
            if (!line_same(&a->line[dir][i], &b->line[dir][i])) {
                return false;
            }
        }
    }
    return true;
}

/* ---- publishing ---- */

static void views_reclaim(Machine *m)
{
    MemState *ms = m->mem;

    for (unsigned i = 0; i < ms->retired->len;) {
        FlatView *v = ms->retired->pdata[i];
        bool      busy = false;

        for (unsigned c = 0; m->vcpus && c < m->vcpus->len; c++) {
            Vcpu *cpu = m->vcpus->pdata[c];
            busy |= __atomic_load_n(&cpu->hazard, __ATOMIC_SEQ_CST) == v;
        }
        if (busy) {
            i++;
            continue;
        }
        g_ptr_array_remove_index_fast(ms->retired, i);
        pthread_mutex_lock(&ms->view_lock);       /* whoever found it under this lock has left */
        pthread_mutex_unlock(&ms->view_lock);
        view_free(v);
    }
}

static void view_unref(MemState *ms, FlatView *v)
{
    if (v && --v->refs == 0) {
        g_ptr_array_add(ms->retired, v);
    }
}

static void add_change(GArray *list, const MemRange *l, uint8_t seen)
{
    MemRange r = *l;

    for (unsigned i = 0; i < list->len; i++) {
        MemRange *old = &g_array_index(list, MemRange, i);
        if (line_same(old, l)) {
            old->seen |= seen;
            return;
        }
    }
    r.seen = seen;
    g_array_append_val(list, r);
}

static void view_diff(const FlatView *old, const FlatView *new, GArray *gone, GArray *come)
{
    for (int dir = 0; dir < 2; dir++) {
        unsigned i = 0, j = 0, ni = old ? old->n[dir] : 0, nj = new->n[dir];
        uint8_t  seen = dir == VIEW_READ ? SEEN_READ : SEEN_WRITE;

        while (i < ni || j < nj) {
            const MemRange *a = i < ni ? &old->line[dir][i] : NULL;
            const MemRange *b = j < nj ? &new->line[dir][j] : NULL;
            if (a && b && line_same(a, b)) {
                i++;
                j++;
            } else if (a && (!b || a->at <= b->at)) {
                add_change(gone, a, seen);
                i++;
            } else {
                add_change(come, b, seen);
                j++;
            }
        }
    }
}

static void view_publish(AddressSpace *as, FlatView *new)
{
    Machine  *m = as->machine;
    FlatView *old = as->view;

    new->refs++;
    for (int dir = 0; dir < 2; dir++) {
        for (unsigned i = 0; i < new->n[dir]; i++) {
            new->line[dir][i].region->machine = m;
        }
    }
    __atomic_store_n(&as->view, new, __ATOMIC_SEQ_CST);
    if (m->accel && m->accel->map_changed) {
        GArray *gone = g_array_new(FALSE, FALSE, sizeof(MemRange)),
               *come = g_array_new(FALSE, FALSE, sizeof(MemRange));
        view_diff(old, new, gone, come);
        m->accel->map_changed(as, (MemRange *)(void *)gone->data, gone->len,
                              (MemRange *)(void *)come->data, come->len);
        g_array_free(gone, TRUE);
        g_array_free(come, TRUE);
    }
    view_unref(m->mem, old);
}

/*
 * Address spaces with the same root share a view; one that comes out as it was keeps the old one.
 */
static void views_update(Machine *m)
{
    MemState *ms = m->mem;

    for (unsigned i = 0; i < ms->spaces->len; i++) {
        AddressSpace *as = ms->spaces->pdata[i];
        FlatView     *new = NULL;

        for (unsigned j = 0; j < i && !new; j++) {
            AddressSpace *other = ms->spaces->pdata[j];
            if (other->root == as->root) {
                new = other->view;
            }
        }
        if (!new) {
            new = view_build(as->root);
            if (as->view && view_same(as->view, new)) {
                view_free(new);
                continue;
            }
        }
        if (new != as->view) {
            view_publish(as, new);
        }
    }
    views_reclaim(m);
}

void map_begin(Machine *m)
{
    machine_lock(m);
    m->mem->depth++;
}

void map_commit(Machine *m)
{
    g_assert(m->mem->depth > 0);
    if (--m->mem->depth == 0) {
        views_update(m);
    }
    machine_unlock(m);
}

AddressSpace *as_new(Machine *m, const char *name, Region *root)
{
    AddressSpace *as = g_new0(AddressSpace, 1);

    as->machine = m;
    as->name = g_strdup(name);
    as->root = root;
    map_begin(m);
    view_publish(as, view_build(root));
    g_ptr_array_add(m->mem->spaces, as);
    map_commit(m);
    return as;
}

void as_set_owner(AddressSpace *as, void *dev)
{
    as->owner = dev;
}

Machine *as_machine(const AddressSpace *as)
{
    return as->machine;
}

void as_free(AddressSpace *as)
{
    Machine *m;

    if (!as) {
        return;
    }
    m = as->machine;
    machine_lock(m);
    g_ptr_array_remove(m->mem->spaces, as);
    view_unref(m->mem, as->view);
    views_reclaim(m);
    machine_unlock(m);
    g_free(as->name);
    g_free(as);
}

MemState *mem_state_new(void)
{
    MemState *ms = g_new0(MemState, 1);

    ms->spaces = g_ptr_array_new();
    ms->retired = g_ptr_array_new();
    ms->bells = g_ptr_array_new();
    pthread_mutex_init(&ms->view_lock, NULL);
    return ms;
}

void mem_state_free(MemState *ms)
{
    for (unsigned i = 0; i < ms->retired->len; i++) {
        view_free(ms->retired->pdata[i]);
    }
    g_ptr_array_free(ms->retired, TRUE);
    g_ptr_array_free(ms->spaces, TRUE);
    g_ptr_array_free(ms->bells, TRUE);
    pthread_mutex_destroy(&ms->view_lock);
    g_free(ms);
}

/* ---- look-up ---- */

static bool view_find(FlatView *v, hwaddr at, int dir, MemRange *out)
{
    unsigned n = v->n[dir], hint = __atomic_load_n(&v->hint[dir], __ATOMIC_RELAXED);
    int      i;

    if (hint < n && at - v->line[dir][hint].at < v->line[dir][hint].size) {
        *out = v->line[dir][hint];
        return true;
    }
    i = line_find(v->line[dir], n, at);
    if (i < 0) {                        /* the hole, from `at` on */
        hwaddr end = (unsigned)(-1 - i) < n ? v->line[dir][-1 - i].at : 0;
        *out = (MemRange){ .at = at, .size = end ? end - at : at ? -at : UINT64_MAX };
        return false;
    }
    *out = v->line[dir][i];
    __atomic_store_n(&v->hint[dir], (unsigned)i, __ATOMIC_RELAXED);
    return true;
}

bool as_lookup(AddressSpace *as, hwaddr at, bool write, MemRange *out)
{
    Machine  *m = as->machine;
    Vcpu     *v = vcpu_current;
    int       dir = write ? VIEW_WRITE : VIEW_READ;
    FlatView *view;
    bool      found;

    if (v && v->machine == m) {
        do {
            view = __atomic_load_n(&as->view, __ATOMIC_ACQUIRE);
            __atomic_store_n(&v->hazard, view, __ATOMIC_SEQ_CST);
        } while (view != __atomic_load_n(&as->view, __ATOMIC_SEQ_CST));
        found = view_find(view, at, dir, out);
        __atomic_store_n(&v->hazard, NULL, __ATOMIC_RELEASE);
        return found;
    }
    if (machine_locked(m)) {
        return view_find(as->view, at, dir, out);
    }
    pthread_mutex_lock(&m->mem->view_lock);
    found = view_find(__atomic_load_n(&as->view, __ATOMIC_SEQ_CST), at, dir, out);
    pthread_mutex_unlock(&m->mem->view_lock);
    return found;
}
