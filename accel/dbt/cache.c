/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.c -- translated blocks on disk (`-accel dbt,cache=DIR`): what one run has translated the
 * next one need not.
 *
 * One file for each build of the program and kind of host CPU.  It holds records, each a block as
 * bytes that do not depend on where they are (DbtBackend.pack), with a copy of all that the block
 * was made from: guest bytes, mode, and what CacheHead names.  A record is taken where all of that
 * is the same; the numbers in the index are hashes, and decide nothing.
 *
 *     FileHead | records: CacheHead, guest bytes, native part; each aligned to 8 | index: Entry, n
 *
 * Reading: the index at the start, records as they are wanted, by pread() into memory of our own.
 * So a file that is cut or changed meanwhile is seen by its checksums, and nothing of it is mapped.
 * New records pile up in memory.
 *
 * Writing: at the end, to another name, then by rename().  Several processes may do so at once: who
 * comes later carries over what has come in between.  What this run has not used goes first when
 * there is no room.
 *
 * Who may write the directory may run code in this process: it has to be the user's own, and so has
 * the file (docs/SECURITY.md).  Checksums are against accidents.
 *
 * Omits: blocks with inline caches (of hot user code) and with guards (x87 in a state that was
 *   met); blocks of what is debugged or logged.
 * Threads: DbtMachine.lock, but for set-up and end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "accel/dbt/cache.h"

enum {
    FORMAT = 1, BUILD_BYTES = 32, WINDOW = 64 << 10, RECORD_MOST = 48 << 10, CHAIN = 64,
    HOST_WORDS = 32, NEAR = 1 << 24,
    FEW = 64,                   /* new records of so many: not worth writing the file again */
};
static const char magic[8] = "RyokanJC";
static const uint64_t IN_MEMORY = UINT64_C(1) << 63;    /* in Entry.at */

typedef struct FileHead {
    char     magic[8];
    uint32_t format, head_bytes;
    uint8_t  build[BUILD_BYTES];
    uint64_t host;                      /* hash of what its CPU can do */
    uint64_t file_bytes, index_at, n, index_sum;
    uint64_t sum;                       /* of this head with 0 here */
} FileHead;

typedef struct Entry {
    /* hashes: of what is known before the bytes are looked at; of the bytes */
    uint64_t key, content;
    uint64_t at, sum;                   /* of the record: where; hash */
    uint32_t bytes;
    uint16_t from, to, more;    /* bytes of its page, and of the next one, that it was made from */
    uint8_t  used, zero;                /* used: by this run */
    uint32_t next, zero2;               /* in memory: number plus 1 of the next in the chain */
} Entry;
G_STATIC_ASSERT(sizeof(Entry) == 56);

typedef struct CacheHead {
    CacheKey key;
    uint32_t native;                    /* bytes of the native part */
    uint16_t from, to, more, length, n_guest, zero;
    uint32_t zero2;
} CacheHead;

typedef struct CacheFile {
    int      fd;                        /* -1: none */
    dev_t    dev;
    ino_t    ino;
    FileHead head;
    Entry   *entries;
} CacheFile;

struct DbtCache {
    char     *path;                     /* of the directory */
    int       dir;
    char      name[64];
    uint8_t   build[BUILD_BYTES];
    uint64_t  host, limit;              /* limit: bytes */
    CacheFile file;
    Entry    *entries;                  /* the file's, then new ones */
    uint32_t  n, n_old, n_room;
    uint32_t *chains;                   /* number plus 1 of an entry */
    unsigned  bits;
    uint8_t  *window;                   /* of the file */
    uint64_t  window_at, window_n;
    GByteArray *fresh;                  /* new records */
    uint64_t  record[RECORD_MOST / 8];  /* being made */
};

/* ---- hashes ---- */

/*
 * What is looked up: mode, place in the page, and its first bytes, as many as the shortest block of
 * those has.
 */
static uint64_t hash_key(const CacheKey *k, const uint8_t *at)
{
    uint32_t first = 0;

    memcpy(&first, at, MIN(sizeof(first), DBT_PAGE - (size_t)k->in_page));
    return cache_mix(cache_hash(first, k, sizeof(*k)), first);
}

static uint64_t hash_content(const uint8_t *page, const uint8_t *page2, unsigned from, unsigned to,
                             unsigned more)
{
    uint64_t h = cache_hash(from, page + from, to - from);

    return more ? cache_hash(h, page2, more) : h;
}

static uint64_t head_sum(const FileHead *h)
{
    FileHead copy = *h;

    copy.sum = 0;
    return cache_hash(0, &copy, sizeof(copy));
}

/* ---- names ---- */

/* The linker's name of this very program. */
static int build_note(struct dl_phdr_info *info, size_t n, void *out)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const char *p = (const char *)(info->dlpi_addr + ph->p_vaddr), *end = p + ph->p_memsz;
        while (ph->p_type == PT_NOTE && (size_t)(end - p) >= sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const void *)p;
            const char *name = p + sizeof(*note), *desc = name + ((note->n_namesz + 3u) & ~3u);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4) &&
                note->n_descsz) {
                memcpy(out, desc, MIN(note->n_descsz, BUILD_BYTES));
                return 1;
            }
            p = desc + ((note->n_descsz + 3u) & ~3u);
        }
    }
    return -1;                          /* the first object is the program: look no further */
}

static bool is_ours(const struct stat *s)
{
    return s->st_uid == geteuid() && !(s->st_mode & (S_IWGRP | S_IWOTH));
}

static bool dir_open(DbtCache *t, GError **err)
{
    struct stat s;

    if (g_mkdir_with_parents(t->path, 0700) < 0) {
        return fail(err, "accel dbt: cannot make cache=%s: %s", t->path, g_strerror(errno));
    }
    t->dir = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dir < 0 || fstat(t->dir, &s) < 0) {
        return fail(err, "accel dbt: cannot open cache=%s: %s", t->path, g_strerror(errno));
    }
    if (!is_ours(&s)) {
        return fail(err,
                    "accel dbt: cache=%s has to be this user's own and writable by nobody else: "
                    "what is in it is run",
                    t->path);
    }
    return true;
}

/* ---- reading ---- */

static void file_close(CacheFile *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    g_clear_pointer(&f->entries, g_free);
    f->fd = -1;
}

static bool read_all(int fd, void *to, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(fd, (char *)to + done, n - done, (off_t)(at + done));
        if (k <= 0) {
            return false;
        }
        done += (size_t)k;
    }
    return true;
}

/* Why it cannot be used, or NULL. */
static const char *head_check(const DbtCache *t, const FileHead *h, uint64_t file_bytes)
{
    if (memcmp(h->magic, magic, sizeof(magic)) || h->format != FORMAT ||
        h->head_bytes != sizeof(*h)) {
        return "is no cache of this format";
    }
    if (h->sum != head_sum(h)) {
        return "is damaged";
    }
    if (memcmp(h->build, t->build, BUILD_BYTES) || h->host != t->host) {
        return "is of another build or another host CPU";
    }
    if (h->file_bytes != file_bytes || h->index_at < sizeof(*h) || h->index_at > file_bytes ||
        h->n != (file_bytes - h->index_at) / sizeof(Entry) ||
        (file_bytes - h->index_at) % sizeof(Entry) || h->n > UINT32_MAX / 4) {
        return "is cut";
    }
    return NULL;
}

static bool entry_ok(const FileHead *h, const Entry *e)
{
    return e->at >= sizeof(*h) && !(e->at & 7) && e->bytes >= sizeof(CacheHead) &&
           e->bytes <= RECORD_MOST && e->at <= h->index_at && e->bytes <= h->index_at - e->at &&
           e->from < e->to && e->to <= DBT_PAGE && e->more < 15;
}

static const char *index_read(CacheFile *f)
{
    f->entries = g_new(Entry, MAX(f->head.n, 1));
    if (!read_all(f->fd, f->entries, f->head.n * sizeof(Entry), f->head.index_at) ||
        cache_hash(0, f->entries, f->head.n * sizeof(Entry)) != f->head.index_sum) {
        return "is damaged";
    }
    for (uint64_t k = 0; k < f->head.n; k++) {
        if (!entry_ok(&f->head, &f->entries[k])) {
            return "is damaged";
        }
        f->entries[k].used = 0;
        f->entries[k].next = 0;
    }
    return NULL;
}

/* The file of this name, with its index.  None, or none that is any good: fd is -1. */
static void file_open(const DbtCache *t, CacheFile *f)
{
    const char *why = NULL;
    struct stat s;

    *f = (CacheFile){
        .fd = openat(t->dir, t->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK),
    };
    if (f->fd < 0) {
        why = errno == ENOENT ? NULL : g_strerror(errno);
    } else if (fstat(f->fd, &s) < 0 || !S_ISREG(s.st_mode) || !is_ours(&s)) {
        why = "is not a file of this user's that nobody else may write";
    } else if ((uint64_t)s.st_size < sizeof(FileHead) ||
               !read_all(f->fd, &f->head, sizeof(FileHead), 0)) {
        why = "is cut";
    } else if (!(why = head_check(t, &f->head, (uint64_t)s.st_size)) && !(why = index_read(f))) {
        f->dev = s.st_dev;
        f->ino = s.st_ino;
        return;
    }
    if (why) {
        g_printerr("ryokan: accel dbt: %s/%s %s; it is not used\n", t->path, t->name, why);
    }
    file_close(f);
}

/* The bytes of a record, good until the next call; NULL: it is damaged. */
static const uint8_t *record_bytes(DbtCache *t, const Entry *e)
{
    const uint8_t *p;

    if (e->at & IN_MEMORY) {
        return t->fresh->data + (e->at & ~IN_MEMORY);
    }
    if (e->at < t->window_at || e->at + e->bytes > t->window_at + t->window_n) {
        /* What follows is wanted next, as a rule, and sometimes what stood before. */
        uint64_t from = MAX(e->at, WINDOW / 8) - WINDOW / 8;
        uint64_t n = MIN(WINDOW, t->file.head.index_at - from);
        t->window_n = 0;
        if (!read_all(t->file.fd, t->window, n, from)) {
            return NULL;
        }
        t->window_at = from;
        t->window_n = n;
    }
    p = t->window + (e->at - t->window_at);
    return cache_hash(e->at, p, e->bytes) == e->sum ? p : NULL;
}

/* ---- the index ---- */

static void chains_make(DbtCache *t, unsigned bits)
{
    g_free(t->chains);
    t->bits = bits;
    t->chains = g_new0(uint32_t, (size_t)1 << bits);
    for (uint32_t k = 0; k < t->n; k++) {
        uint32_t *c = &t->chains[t->entries[k].key >> (64 - bits)];
        t->entries[k].next = *c;
        *c = k + 1;
    }
}

static void entry_add(DbtCache *t, const Entry *e)
{
    if (t->n == t->n_room) {
        t->n_room = MAX(t->n_room * 2, 1024);
        t->entries = g_renew(Entry, t->entries, t->n_room);
    }
    t->entries[t->n++] = *e;
    if (t->n >> t->bits) {
        chains_make(t, t->bits + 1);
    } else {
        uint32_t *c = &t->chains[e->key >> (64 - t->bits)];
        t->entries[t->n - 1].next = *c;
        *c = t->n;
    }
}

static bool record_is(const uint8_t *p, const Entry *e, const CacheKey *k, const uint8_t *page,
                      const uint8_t *page2)
{
    CacheHead h;

    memcpy(&h, p, sizeof(h));
    unsigned n = e->to - e->from;
    size_t native_at = (sizeof(h) + n + h.more + 7) & ~(size_t)7;
    if (memcmp(&h.key, k, sizeof(*k)) || h.from != e->from || h.to != e->to || h.more != e->more ||
        h.from > k->in_page || h.to <= k->in_page || !h.length || !h.n_guest ||
        native_at > e->bytes || h.native != e->bytes - native_at) {
        return false;
    }
    unsigned here = h.to - k->in_page;
    if (h.more ? h.to != DBT_PAGE || h.length != here + h.more : h.length > here) {
        return false;
    }
    return !memcmp(p + sizeof(h), page + h.from, n) &&
           (!h.more || !memcmp(p + sizeof(h) + n, page2, h.more));
}

bool cache_find(DbtCache *t, const CacheKey *k, const uint8_t *at, const uint8_t *at2,
                CacheRecord *out)
{
    const uint8_t *page = at - k->in_page;
    uint64_t key = hash_key(k, at);
    uint32_t n = t->chains[key >> (64 - t->bits)];

    for (unsigned i = 0; n && i < CHAIN; i++, n = t->entries[n - 1].next) {
        Entry *e = &t->entries[n - 1];
        if (e->key != key || !e->more != !at2 ||
            hash_content(page, at2, e->from, e->to, e->more) != e->content) {
            continue;
        }
        const uint8_t *p = record_bytes(t, e);
        if (!p || !record_is(p, e, k, page, at2)) {
            e->key = ~key;              /* damaged, or a hash that lies: not looked at again */
            continue;
        }
        CacheHead h;
        memcpy(&h, p, sizeof(h));
        e->used = 1;
        *out = (CacheRecord){ .native = p + e->bytes - h.native, .n = h.native, .from = h.from,
                              .to = h.to, .length = h.length, .n_guest = h.n_guest };
        return true;
    }
    return false;
}

/* May code like this serve wherever its bytes are met? */
static bool is_general(const IrBlock *ir, bool wide)
{
    for (unsigned i = 0; i < ir->n_insns; i++) {
        const IrInsn *n = &ir->insns[i];
        bool exits = n->op == IR_jmp || n->op == IR_br || n->op == IR_brz || n->op == IR_brnz;
        if (n->op == IR_guard || (exits && !wide && (n->imm <= -NEAR || n->imm >= NEAR))) {
            return false;
        }
    }
    return true;
}

/* The record of a block just made, in t->record; its bytes, or 0. */
static size_t record_make(DbtMachine *d, const Block *b, const IrBlock *ir, const CacheKey *k,
                          unsigned more)
{
    DbtCache *t = d->cache;
    const uint8_t *page = b->at - k->in_page;
    CacheHead h = { .key = *k, .from = b->from, .to = b->to, .more = (uint16_t)more,
                    .length = b->length, .n_guest = (uint16_t)ir->n_guest };
    size_t n = sizeof(h) + (size_t)(b->to - b->from);
    uint8_t *p = (uint8_t *)t->record;

    if (!is_general(ir, ir->mode & d->guest->mode_wide)) {
        return 0;
    }
    memcpy(p + sizeof(h), page + b->from, (size_t)(b->to - b->from));
    if (more) {
        memcpy(p + n, b->at2, more);
    }
    n += more;
    memset(p + n, 0, 8);
    n = (n + 7) & ~(size_t)7;
    h.native = (uint32_t)d->backend->pack(d, b, p + n, sizeof(t->record) - n);
    memcpy(p, &h, sizeof(h));
    return h.native ? n + h.native : 0;
}

static unsigned more_of(const Block *b, const CacheKey *k)
{
    return b->at2 ? b->length - (DBT_PAGE - k->in_page) : 0;
}

void cache_put(DbtMachine *d, const Block *b, const IrBlock *ir, const CacheKey *k)
{
    DbtCache *t = d->cache;
    unsigned more = more_of(b, k);
    size_t n = record_make(d, b, ir, k, more);

    if (!n || t->fresh->len + n > MIN(t->limit, UINT32_MAX / 2)) {
        return;
    }
    Entry e = { .key = hash_key(k, b->at), .at = IN_MEMORY | t->fresh->len, .bytes = (uint32_t)n,
                .content = hash_content(b->at - k->in_page, b->at2, b->from, b->to, more),
                .from = b->from, .to = b->to, .more = (uint16_t)more, .used = 1 };
    g_byte_array_append(t->fresh, (uint8_t *)t->record, (guint)n);
    static const uint8_t none[8];
    g_byte_array_append(t->fresh, none, -t->fresh->len & 7);
    entry_add(t, &e);
    d->stats.cache_new++;
}

bool cache_differs(DbtMachine *d, const Block *b, const IrBlock *ir, const CacheKey *k,
                   const CacheRecord *r)
{
    const uint8_t *p = (const uint8_t *)d->cache->record;
    size_t n = record_make(d, b, ir, k, more_of(b, k));

    if (b->from != r->from || b->to != r->to || b->length != r->length) {
        /* it was made beside other bytes: what was not to be known of these is left out */
        return false;
    }
    return !n || r->n > n || memcmp(p + n - r->n, r->native, r->n);
}

/* ---- writing ---- */

typedef struct Writer {
    int      fd;
    uint64_t at;
    GByteArray *buffer, *index;
    uint64_t n;
    bool     ok;
} Writer;

static void writer_flush(Writer *w)
{
    for (guint done = 0; w->ok && done < w->buffer->len;) {
        ssize_t k = write(w->fd, w->buffer->data + done, w->buffer->len - done);
        w->ok = k > 0 || (k < 0 && errno == EINTR);
        done += k > 0 ? (guint)k : 0;
    }
    g_byte_array_set_size(w->buffer, 0);
}

static void writer_put(Writer *w, const void *p, size_t n)
{
    g_byte_array_append(w->buffer, p, (guint)n);
    w->at += n;
    if (w->buffer->len >= 4 * WINDOW) {
        writer_flush(w);
    }
}

static void write_entry(DbtCache *t, Writer *w, const Entry *e)
{
    static const uint8_t none[8];
    const uint8_t *p = record_bytes(t, e);

    if (!p || w->at + e->bytes + sizeof(Entry) * (w->n + 2) > t->limit) {
        return;
    }
    Entry out = *e;
    out.at = w->at;
    out.sum = cache_hash(w->at, p, e->bytes);
    out.used = 0;
    out.next = 0;
    writer_put(w, p, e->bytes);
    writer_put(w, none, -w->at & 7);
    g_byte_array_append(w->index, (const uint8_t *)&out, sizeof(out));
    w->n++;
}

static bool write_file(DbtCache *t, int fd)
{
    FileHead h = { .format = FORMAT, .head_bytes = sizeof(h), .host = t->host };
    Writer w = { .fd = fd, .buffer = g_byte_array_new(), .index = g_byte_array_new(), .ok = true };

    memcpy(h.magic, magic, sizeof(magic));
    memcpy(h.build, t->build, BUILD_BYTES);
    writer_put(&w, &h, sizeof(h));
    for (unsigned used = 2; used-- > 0;) {
        for (uint32_t k = 0; k < t->n && w.ok; k++) {
            if (t->entries[k].used == used) {
                write_entry(t, &w, &t->entries[k]);
            }
        }
    }
    h.index_at = w.at;
    h.n = w.n;
    h.index_sum = cache_hash(0, w.index->data, w.index->len);
    writer_put(&w, w.index->data, w.index->len);
    writer_flush(&w);
    h.file_bytes = w.at;
    h.sum = head_sum(&h);
    bool ok = w.ok && pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h);
    g_byte_array_free(w.buffer, TRUE);
    g_byte_array_free(w.index, TRUE);
    return ok;
}

/* Another process has replaced the file: its records are the old ones now, with ours on top. */
static void rebase(DbtCache *t)
{
    struct stat s;
    CacheFile now;

    if (fstatat(t->dir, t->name, &s, AT_SYMLINK_NOFOLLOW) < 0 ||
        (t->file.fd >= 0 && s.st_dev == t->file.dev && s.st_ino == t->file.ino)) {
        return;
    }
    file_open(t, &now);
    if (now.fd < 0) {
        return;
    }
    Entry *mine = t->entries;
    uint32_t from = t->n_old, to = t->n;
    file_close(&t->file);
    t->file = now;
    t->window_n = 0;
    t->n = t->n_old = t->n_room = (uint32_t)now.head.n;
    t->entries = now.entries;
    t->file.entries = NULL;
    chains_make(t, t->bits);
    for (uint32_t k = from; k < to; k++) {
        uint32_t n = t->chains[mine[k].key >> (64 - t->bits)];
        while (n && !(t->entries[n - 1].key == mine[k].key &&
                      t->entries[n - 1].content == mine[k].content)) {
            n = t->entries[n - 1].next;
        }
        if (!n) {
            entry_add(t, &mine[k]);
        }
    }
    g_free(mine);
}

/* What is left of other builds: all of them together may have as much room as this one's file. */
static void remove_old(const DbtCache *t)
{
    int fd = openat(t->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t sum = 0;

    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat s;
        if (g_str_has_prefix(e->d_name, "ryokan-") && strcmp(e->d_name, t->name) &&
            (g_str_has_suffix(e->d_name, ".jit") || g_str_has_suffix(e->d_name, ".tmp")) &&
            !fstatat(t->dir, e->d_name, &s, AT_SYMLINK_NOFOLLOW) && S_ISREG(s.st_mode)) {
            bool stale = g_str_has_suffix(e->d_name, ".tmp") && s.st_mtime < time(NULL) - 3600;
            sum += (uint64_t)s.st_size;
            if (stale || sum > t->limit) {
                unlinkat(t->dir, e->d_name, 0);
            }
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static void cache_write(DbtCache *t)
{
    g_autofree char *name = g_strdup_printf("%.*s-%d.tmp", (int)strlen(t->name) - 4, t->name,
                                            getpid());

    rebase(t);
    int fd = openat(t->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_printerr("ryokan: accel dbt: cannot write %s/%s: %s\n", t->path, name, g_strerror(errno));
        return;
    }
    bool ok = write_file(t, fd);
    int why = errno;
    close(fd);
    if (!ok || renameat(t->dir, name, t->dir, t->name) < 0) {
        g_printerr("ryokan: accel dbt: cannot write %s/%s: %s\n", t->path, t->name,
                   g_strerror(ok ? errno : why));
        unlinkat(t->dir, name, 0);
    }
    remove_old(t);
}

/* ---- set-up and end ---- */

static bool names_find(DbtCache *t, const DbtBackend *b, GError **err)
{
    uint32_t words[HOST_WORDS];

    if (dl_iterate_phdr(build_note, t->build) < 0) {
        return fail(
            err,
            "accel dbt: cache= needs a program linked with --build-id, to know its own code again");
    }
    if (!b->host(words, HOST_WORDS)) {
        return fail(err, "accel dbt: cache= cannot tell the host's CPU");
    }
    t->host = cache_hash(0, words, sizeof(words));
    g_snprintf(t->name, sizeof(t->name), "ryokan-%016" PRIx64 ".jit",
               cache_mix(cache_hash(FORMAT, t->build, BUILD_BYTES), t->host));
    return true;
}

bool cache_init(DbtMachine *d, GError **err)
{
    if (!d->cache_dir) {
        return true;
    }
    if (!d->backend) {
        return fail(err, "accel dbt: cache= is for engine=native");
    }
    if (d->ic == IC_ALL) {
        return fail(err, "accel dbt: cache= does not go with x-ic=all, whose code is never kept");
    }
    DbtCache *t = g_new0(DbtCache, 1);
    t->path = g_strdup(d->cache_dir);
    t->dir = t->file.fd = -1;
    t->limit = d->cache_mib << 20;
    d->cache = t;
    if (!names_find(t, d->backend, err) || !dir_open(t, err)) {
        return false;
    }
    file_open(t, &t->file);
    t->n = t->n_old = t->n_room = t->file.fd >= 0 ? (uint32_t)t->file.head.n : 0;
    t->entries = g_steal_pointer(&t->file.entries);
    t->window = g_malloc(WINDOW);
    t->fresh = g_byte_array_new();
    unsigned bits = 10;
    while (t->n >> bits) {
        bits++;
    }
    chains_make(t, bits);
    return true;
}

void cache_fini(DbtMachine *d)
{
    DbtCache *t = d->cache;

    if (!t) {
        return;
    }
    if (t->chains && t->n - t->n_old > t->n_old / FEW) {
        cache_write(t);
    }
    file_close(&t->file);
    if (t->dir >= 0) {
        close(t->dir);
    }
    if (t->fresh) {
        g_byte_array_free(t->fresh, TRUE);
    }
    g_free(t->entries);
    g_free(t->chains);
    g_free(t->window);
    g_free(t->path);
    g_free(t);
    d->cache = NULL;
}
