/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapfile.c -- a machine in a file: written whole, checked before anything of a machine changes,
 * RAM mapped from it.
 *
 * Spec: little-endian.  A head of 4096 bytes: "RYOKANSN", u32 format, u32 parts, u64 length of the
 *       file, u32 CRC-32 of the head with this member 0, u32 0; then parts of { u32 kind, u32
 *       codec, u64 at, u64 stored, u64 bytes, u32 CRC-32 of what is stored, u32 0 }.  ABOUT and
 *       DISKS are GVariants, STATE is the stream of core/state.c; disk contents lie between them.
 *       RAM plain: its pages at their places, 64 KiB aligned, pages of zeros are holes; its CRC is
 *         0, SUMS has one for each MiB.
 *       RAM compressed: chunks { u32 number of the MiB, u32 codec, u32 stored, u32 CRC-32, bytes };
 *         chunks of zeros are missing.
 * Omits: a check of plain RAM's contents unless it is asked for (snapfile_verify), because it reads
 *        it whole; a file that is cut short after it was mapped (SIGBUS).
 * Threads: the main thread with the machine lock, vCPUs parked.
 */
#include "core/snapfile.h"
#include "accel/accel.h"
#include "core/newfile.h"
#include "core/options.h"
#include "core/state.h"
#include "core/vcpu.h"
#include "core/version.h"
#include "core/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC "RYOKANSN"
enum { FORMAT = 1, HEAD_BYTES = 4096, PARTS_MAX = 8, PARTS_AT = 32, PART_BYTES = 40, CRC_AT = 24 };
enum { PAGE = 4096, RAM_ALIGN = 64 << 10, CHUNK = 1 << 20, CHUNK_HEAD = 16, READ_MOST = 1 << 30 };
typedef enum { PART_ABOUT = 1, PART_STATE, PART_DISKS, PART_RAM, PART_SUMS } PartKind;

typedef struct Part {
    uint32_t kind, codec, crc;
    uint64_t at, stored, bytes;
} Part;

struct SnapFile {
    char     *path;
    int       fd;
    uint64_t  bytes;
    unsigned  n;
    Part      part[PARTS_MAX];
    GVariant *about;
};

/* ---- little things ---- */

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static uint32_t crc_of(const void *p, size_t n)
{
    return (uint32_t)crc32_z(crc32(0, NULL, 0), p, n);
}

static bool write_at(int fd, const void *p, size_t n, uint64_t at)
{
    while (n) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done ? errno : ENOSPC;
            return false;
        }
        p = (const uint8_t *)p + done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

static bool read_at(int fd, void *p, size_t n, uint64_t at)
{
    while (n) {
        ssize_t done = pread(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        p = (uint8_t *)p + done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return true;
}

static uint64_t up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}

static bool is_zero(const uint8_t *p, size_t n)       /* n: a multiple of 64; p: of 8 */
{
    for (const uint64_t *w = (const uint64_t *)(const void *)p, *end = w + n / 8; w < end; w += 8) {
        if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) {
            return false;
        }
    }
    return true;
}

/* ---- what a machine is ---- */

static void add_pairs(GString *s, const GPtrArray *pairs)
{
    for (guint i = 0; pairs && i < pairs->len; i++) {
        const OptPair *p = pairs->pdata[i];
        g_string_append_printf(s, "%s%s=%s", s->len ? "," : "", p->key, p->val ? p->val : "on");
    }
}

/*
 * Lines that must be the same in the file and in the machine that takes it; the devices' sections
 * say the rest.
 */
static const char *const same_keys[] = { "machine", "options", "ram", "cpus", "cpu" };

static char *same_value(Machine *m, unsigned key)
{
    const struct Options *o = m->options;
    GString              *s = g_string_new(NULL);

    switch (key) {
    case 0: g_string_append(s, m->class ? m->class->name : ""); break;
    case 1: add_pairs(s, o ? o->machine_props : NULL); break;
    case 2: g_string_append_printf(s, "%" G_GUINT64_FORMAT, m->ram.size); break;
    case 3: g_string_append_printf(s, "%u", m->vcpus->len);
        for (unsigned i = 0; i < m->vcpus->len; i++) {
            g_string_append_printf(s, "%s%u", i ? "," : " ", ((Vcpu *)m->vcpus->pdata[i])->apic_id);
        }
        break;
    default:
        if (m->vcpus->len && ((Vcpu *)m->vcpus->pdata[0])->cpu_ops->identity) {
            ((Vcpu *)m->vcpus->pdata[0])->cpu_ops->identity(m->vcpus->pdata[0], s);
        }
    }
    return g_string_free(s, FALSE);
}

static GVariant *about_machine(Machine *m, const char *tag, bool was_running)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("(ssxtba{ss})"));
    g_variant_builder_add(&b, "s", tag);
    g_variant_builder_add(&b, "s", RYOKAN_VERSION);
    g_variant_builder_add(&b, "x", g_get_real_time() / G_USEC_PER_SEC);
    g_variant_builder_add(&b, "t", time_now(m, TIME_GUEST));
    g_variant_builder_add(&b, "b", was_running);
    g_variant_builder_open(&b, G_VARIANT_TYPE("a{ss}"));
    for (unsigned i = 0; i < G_N_ELEMENTS(same_keys); i++) {
        g_autofree char *v = same_value(m, i);
        g_variant_builder_add(&b, "{ss}", same_keys[i], v);
    }
    g_variant_builder_close(&b);
    return g_variant_ref_sink(g_variant_builder_end(&b));
}

static bool check_same(Machine *m, const SnapFile *f, GError **err)
{
    g_autoptr(GVariant) dict = g_variant_get_child_value(f->about, 5);

    for (unsigned i = 0; i < G_N_ELEMENTS(same_keys); i++) {
        g_autofree char *here = same_value(m, i);
        const char      *there = NULL;
        if (!g_variant_lookup(dict, same_keys[i], "&s", &there) || strcmp(here, there)) {
            return fail(err,
                        "snapshot %s: another machine: its %s is \"%.100s\", here \"%.100s\"; "
                        "start with the options it was "
                        "saved with",
                        f->path, same_keys[i], there ? there : "", here);
        }
    }
    return true;
}

/* ---- writing ---- */

typedef struct Writer {
    int         fd;
    uint64_t    at;                   /* where the next part goes */
    SnapCodec   codec;
    SnapFile    f;                    /* parts so far */
    const char *path;
} Writer;

static bool io_error(const Writer *w, GError **err)
{
    return fail(err, "snapshot %s: cannot write it: %s", w->path, g_strerror(errno));
}

static bool write_part(Writer *w, PartKind kind, const void *p, size_t n, GError **err)
{
    GByteArray *out = g_byte_array_new();
    SnapCodec   codec = snap_pack(w->codec, p, n, out);
    Part       *part = &w->f.part[w->f.n++];
    bool        ok;

    *part = (Part){ .kind = kind,
                    .codec = codec,
                    .at = w->at,
                    .stored = out->len,
                    .bytes = n,
                    .crc = crc_of(out->data, out->len) };
    ok = write_at(w->fd, out->data, out->len, w->at) || io_error(w, err);
    w->at = up(w->at + out->len, 64);
    g_byte_array_unref(out);
    return ok;
}

/* The pages of a chunk that are not all zeros. */
static bool write_chunk(Writer *w, const uint8_t *p, size_t n, uint64_t at)
{
    for (size_t from = 0, to; from < n; from = to) {
        bool zero = is_zero(p + from, PAGE);
        for (to = from + PAGE; to < n && is_zero(p + to, PAGE) == zero; to += PAGE) {
            continue;
        }
        if (!zero && !write_at(w->fd, p + from, to - from, at + from)) {
            return false;
        }
    }
    return true;
}

static bool write_ram_plain(Writer *w, Machine *m, GError **err)
{
    uint64_t            size = m->ram.size, base = up(w->at, RAM_ALIGN);
    g_autofree uint8_t *sums = g_malloc(up(size, CHUNK) / CHUNK * 4 + 4);
    uint32_t            zero = 0;
    size_t              n_sums = 0;

    for (uint64_t at = 0; at < size; at += CHUNK, n_sums++) {
        const uint8_t *p = m->ram.host + at;
        size_t         n = MIN(CHUNK, size - at);
        bool           is_empty = is_zero(p, n);
        uint32_t       crc = is_empty && n == CHUNK && zero ? zero : crc_of(p, n);
        zero = is_empty && n == CHUNK ? crc : zero;
        put(sums + 4 * n_sums, crc, 4);
        if (!is_empty && !write_chunk(w, p, n, base + at)) {
            return io_error(w, err);
        }
    }
    w->f.part[w->f.n++] =
        (Part){ .kind = PART_RAM, .codec = SNAP_PLAIN, .at = base, .stored = size, .bytes = size };
    w->at = base + size;
    return write_part(w, PART_SUMS, sums, 4 * n_sums, err);
}

static bool write_ram_packed(Writer *w, Machine *m, GError **err)
{
    GByteArray *out = g_byte_array_new();
    uint64_t    start = w->at;
    bool        ok = true;

    for (uint64_t at = 0; ok && at < m->ram.size; at += CHUNK) {
        size_t  n = MIN(CHUNK, m->ram.size - at);
        uint8_t head[CHUNK_HEAD];
        if (is_zero(m->ram.host + at, n)) {
            continue;
        }
        put(head + 4, snap_pack(w->codec, m->ram.host + at, n, out), 4);
        put(head, at / CHUNK, 4);
        put(head + 8, out->len, 4);
        put(head + 12, crc_of(out->data, out->len), 4);
        ok = (write_at(w->fd, head, CHUNK_HEAD, w->at) &&
              write_at(w->fd, out->data, out->len, w->at + CHUNK_HEAD)) ||
             io_error(w, err);
        w->at += CHUNK_HEAD + out->len;
    }
    w->f.part[w->f.n++] = (Part){ .kind = PART_RAM,
                                  .codec = w->codec,
                                  .at = start,
                                  .stored = w->at - start,
                                  .bytes = m->ram.size };
    g_byte_array_unref(out);
    return ok;
}

static bool write_head(Writer *w, GError **err)
{
    uint8_t head[HEAD_BYTES] = { 0 };

    memcpy(head, MAGIC, 8);
    put(head + 8, FORMAT, 4);
    put(head + 12, w->f.n, 4);
    put(head + 16, w->at, 8);
    for (unsigned i = 0; i < w->f.n; i++) {
        const Part *p = &w->f.part[i];
        uint8_t    *h = head + PARTS_AT + i * PART_BYTES;
        put(h, p->kind, 4);
        put(h + 4, p->codec, 4);
        put(h + 8, p->at, 8);
        put(h + 16, p->stored, 8);
        put(h + 24, p->bytes, 8);
        put(h + 32, p->crc, 4);
    }
    put(head + CRC_AT, crc_of(head, HEAD_BYTES), 4);
    return (!ftruncate(w->fd, (off_t)w->at) && write_at(w->fd, head, HEAD_BYTES, 0)) ||
           io_error(w, err);
}

static bool write_all(Writer *w, Machine *m, const char *tag, bool was_running, bool to_return,
                      GError **err)
{
    g_autoptr(GVariant)   about = about_machine(m, tag, was_running);
    g_autoptr(GByteArray) state = machine_save(m);
    g_autoptr(GVariant)   disks = NULL;

    if (m->disks) {
        disks = m->disks->save(m, to_return, w->fd, &w->at, err);
        if (!disks) {
            return false;
        }
        w->at = up(w->at, 64);
    }
    return write_part(w, PART_ABOUT, g_variant_get_data(about), g_variant_get_size(about), err) &&
           write_part(w, PART_STATE, state->data, state->len, err) &&
           (!disks ||
            write_part(w, PART_DISKS, g_variant_get_data(disks), g_variant_get_size(disks), err)) &&
           (w->codec == SNAP_PLAIN ? write_ram_plain(w, m, err) : write_ram_packed(w, m, err)) &&
           write_head(w, err);
}

static bool codec_ok(SnapCodec codec, const char *name, GError **err)
{
    GError *why = NULL;

    if (snap_codec_there(codec, &why)) {
        return true;
    }
    fail(err, "snapshot %s: %s", name, why->message);
    g_error_free(why);
    return false;
}

bool snapfile_write(Machine *m, int fd, const char *name, SnapCodec codec, bool was_running,
                    GError **err)
{
    Writer w = { .fd = fd, .at = HEAD_BYTES, .codec = codec, .path = name };

    return codec_ok(codec, name, err) && write_all(&w, m, "", was_running, false, err);
}

bool snapfile_save(Machine *m, const char *path, const char *tag, SnapCodec codec, bool was_running,
                   bool to_return, GError **err)
{
    Writer      w = { .at = HEAD_BYTES, .codec = codec, .path = path };
    NewFile     f;
    struct stat st;
    bool        ok;

    trace_snapshot_save(path);
    if (!codec_ok(codec, path, err)) {
        return false;
    }
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        return fail(err, "snapshot %s: is no file", path);
    }
    f = newfile_open(path);
    w.fd = f.fd;
    ok = f.fd < 0 ? io_error(&w, err)
                  : write_all(&w, m, tag, was_running, to_return, err) &&
                        (newfile_replace(&f) || io_error(&w, err));
    newfile_close(&f);
    return ok;
}

/* ---- opening; nothing in the file is trusted ---- */

static bool bad(const SnapFile *f, const char *why, GError **err)
{
    return fail(err, "snapshot %s: %s", f->path, why);
}

static const Part *find_part(const SnapFile *f, PartKind kind)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (f->part[i].kind == kind) {
            return &f->part[i];
        }
    }
    return NULL;
}

static bool read_parts(SnapFile *f, const uint8_t *head, GError **err)
{
    for (unsigned i = 0; i < f->n; i++) {
        const uint8_t *h = head + PARTS_AT + i * PART_BYTES;
        Part p = { .kind = (uint32_t)get(h, 4),
                   .codec = (uint32_t)get(h + 4, 4),
                   .at = get(h + 8, 8),
                   .stored = get(h + 16, 8),
                   .bytes = get(h + 24, 8),
                   .crc = (uint32_t)get(h + 32, 4) };
        GError *why = NULL;
        if (p.kind < PART_ABOUT || p.kind > PART_SUMS || p.at < HEAD_BYTES || p.at > f->bytes ||
            p.stored > f->bytes - p.at) {
            return bad(f, "damaged: a part is not within it", err);
        }
        for (unsigned j = 0; j < i; j++) {
            if (f->part[j].kind == p.kind) {
                return bad(f, "damaged: a part is there twice", err);
            }
        }
        if (!snap_codec_there(p.codec, &why)) {
            bad(f, why->message, err);
            g_error_free(why);
            return false;
        }
        f->part[i] = p;
    }
    return (find_part(f, PART_ABOUT) && find_part(f, PART_STATE) && find_part(f, PART_RAM)) ||
           bad(f, "damaged: a part is missing", err);
}

static bool read_head(SnapFile *f, GError **err)
{
    uint8_t     head[HEAD_BYTES];
    struct stat st;
    uint32_t    crc;

    if (fstat(f->fd, &st) || !S_ISREG(st.st_mode)) {
        return bad(f, "is no file", err);
    }
    f->bytes = (uint64_t)st.st_size;
    if (f->bytes < HEAD_BYTES || !read_at(f->fd, head, HEAD_BYTES, 0) || memcmp(head, MAGIC, 8)) {
        return bad(f, "is no snapshot of ryokan", err);
    }
    if (get(head + 8, 4) != FORMAT) {
        return bad(f, "of a format that this version does not know", err);
    }
    crc = (uint32_t)get(head + CRC_AT, 4);
    put(head + CRC_AT, 0, 4);
    f->n = (unsigned)get(head + 12, 4);
    if (crc_of(head, HEAD_BYTES) != crc || f->n > PARTS_MAX) {
        return bad(f, "its head is damaged", err);
    }
    if (get(head + 16, 8) != f->bytes) {
        return bad(f, "is cut short, or something follows it", err);
    }
    return read_parts(f, head, err);
}

/* A part whole, checked. */
static GBytes *read_part(const SnapFile *f, PartKind kind, GError **err)
{
    const Part *p = find_part(f, kind);
    uint8_t    *raw = NULL, *out = NULL;

    if (p->stored > READ_MOST || p->bytes > READ_MOST || !(raw = g_try_malloc(MAX(p->stored, 1))) ||
        !(out = g_try_malloc(MAX(p->bytes, 1)))) {
        bad(f, "damaged: a part is too large", err);
    } else if (!read_at(f->fd, raw, p->stored, p->at) || crc_of(raw, p->stored) != p->crc ||
               !snap_unpack(p->codec, raw, p->stored, out, p->bytes)) {
        bad(f, "damaged: a checksum is wrong", err);
    } else {
        g_free(raw);
        return g_bytes_new_take(out, p->bytes);
    }
    g_free(raw);
    g_free(out);
    return NULL;
}

static GVariant *read_variant(const SnapFile *f, PartKind kind, const char *type, GError **err)
{
    GBytes   *b = read_part(f, kind, err);
    GVariant *v;

    if (!b) {
        return NULL;
    }
    v = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), b, FALSE));
    g_bytes_unref(b);
    if (!g_variant_is_normal_form(v)) {
        g_variant_unref(v);
        bad(f, "damaged: a part makes no sense", err);
        return NULL;
    }
    return v;
}

SnapFile *snapfile_open_fd(int fd, const char *name, GError **err)
{
    SnapFile *f = g_new0(SnapFile, 1);

    f->path = g_strdup(name);
    f->fd = fd;
    if (f->fd < 0) {
        bad(f, g_strerror(errno), err);
    } else if (read_head(f, err) && (f->about = read_variant(f, PART_ABOUT, "(ssxtba{ss})", err))) {
        return f;
    }
    snapfile_close(f);
    return NULL;
}

SnapFile *snapfile_open(const char *path, GError **err)
{
    return snapfile_open_fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), path, err);
}

void snapfile_close(SnapFile *f)
{
    if (!f) {
        return;
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    g_clear_pointer(&f->about, g_variant_unref);
    g_free(f->path);
    g_free(f);
}

void snapfile_about(const SnapFile *f, SnapAbout *out)
{
    gboolean    running;
    struct stat st;

    g_variant_get(f->about, "(&s&sxtb@a{ss})", &out->tag, &out->build, &out->date_s, &out->guest_ns,
                  &running, NULL);
    out->was_running = running;
    out->bytes = fstat(f->fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

bool snapfile_verify(const SnapFile *f, GError **err)
{
    const Part         *ram = find_part(f, PART_RAM);
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    GBytes             *sums;
    bool                ok;

    if (ram->codec != SNAP_PLAIN) {     /* it is checked as it is unpacked */
        return true;
    }
    if (!find_part(f, PART_SUMS)) {
        return bad(f, "has no checksums of RAM: an older version wrote it", err);
    }
    sums = read_part(f, PART_SUMS, err);
    ok = sums && (g_bytes_get_size(sums) == up(ram->stored, CHUNK) / CHUNK * 4 ||
                  bad(f, "damaged: checksums are missing", err));
    for (uint64_t at = 0; ok && at < ram->stored; at += CHUNK) {
        size_t n = MIN(CHUNK, ram->stored - at);
        ok = (read_at(f->fd, buf, n, ram->at + at) &&
              crc_of(buf, n) ==
                  get((const uint8_t *)g_bytes_get_data(sums, NULL) + at / CHUNK * 4, 4)) ||
             bad(f, "damaged: a checksum of RAM is wrong", err);
    }
    g_clear_pointer(&sums, g_bytes_unref);
    return ok;
}

/* ---- loading ---- */

static bool unpack_ram(const SnapFile *f, const Part *p, uint8_t *to, GError **err)
{
    g_autofree uint8_t *buf = g_malloc(compressBound(CHUNK) + CHUNK_HEAD);
    uint64_t at = p->at, end = p->at + p->stored, next = 0;

    while (at < end) {
        uint8_t  head[CHUNK_HEAD];
        uint64_t number, n, stored;
        if (end - at < CHUNK_HEAD || !read_at(f->fd, head, CHUNK_HEAD, at)) {
            return bad(f, "damaged: RAM breaks off", err);
        }
        number = get(head, 4);
        stored = get(head + 8, 4);
        at += CHUNK_HEAD;
        if (number < next || number * CHUNK >= p->bytes || stored > compressBound(CHUNK) ||
            stored > end - at) {
            return bad(f, "damaged: RAM is out of order", err);
        }
        n = MIN(CHUNK, p->bytes - number * CHUNK);
        if (!read_at(f->fd, buf, stored, at) || crc_of(buf, stored) != get(head + 12, 4) ||
            !snap_unpack((uint32_t)get(head + 4, 4), buf, stored, to + number * CHUNK, n)) {
            return bad(f, "damaged: a checksum of RAM is wrong", err);
        }
        at += stored;
        next = number + 1;
    }
    return true;
}

/* The file's RAM at an address of its own, to be moved to where the machine's is; NULL: *err. */
static void *map_ram(Machine *m, const SnapFile *f, GError **err)
{
    const Part *p = find_part(f, PART_RAM);
    bool        plain = p->codec == SNAP_PLAIN;
    void       *new;

    if (p->bytes != m->ram.size ||
        (plain && (p->stored != p->bytes || p->at % sysconf(_SC_PAGESIZE)))) {
        bad(f, "damaged: RAM of another size, or at an odd place", err);
        return NULL;
    }
    new = mmap(NULL, MAX(p->bytes, 1), PROT_READ | PROT_WRITE,
               (plain ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_NORESERVE,
               plain ? f->fd : -1, plain ? (off_t)p->at : 0);
    if (new == MAP_FAILED) {
        bad(f, g_strerror(errno), err);
        return NULL;
    }
    if (!plain && !unpack_ram(f, p, new, err)) {
        munmap(new, p->bytes);
        return NULL;
    }
    return new;
}

typedef struct Old {
    void    *at;
    uint64_t bytes;
} Old;

static gpointer drop(gpointer arg)
{
    munmap(((Old *)arg)->at, ((Old *)arg)->bytes);
    g_free(arg);
    return NULL;
}

/* Giving back a GiB of pages takes the host a while: a thread does that. */
static void drop_aside(void *at, uint64_t bytes)
{
    Old     *old = g_new(Old, 1);
    GThread *t;

    *old = (Old){ at, bytes };
    t = g_thread_try_new("drop", drop, old, NULL);
    if (t) {
        g_thread_unref(t);
    } else {
        drop(old);
    }
}

/*
 * The pages that were there, moved away, with nothing in their place; MAP_FAILED: the host's kernel
 * cannot do that.
 */
static void *put_aside(Machine *m)
{
#ifdef MREMAP_DONTUNMAP
    return mremap(m->ram.host, m->ram.size, m->ram.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
#else
    return MAP_FAILED;
#endif
}

/* In one step, at the same host address: translated code and TLBs know that. */
static bool take_ram(Machine *m, void *new, const SnapFile *f, bool fresh, GError **err)
{
    uint64_t n = m->ram.size;
    void    *old = fresh ? MAP_FAILED : put_aside(m);

    if (mremap(new, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, m->ram.host) == MAP_FAILED) {
        bad(f, g_strerror(errno), err);
        if (old != MAP_FAILED &&
            mremap(old, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, m->ram.host) == MAP_FAILED) {
            g_error("snapshot: the host does not give the machine's memory back");
        }
        return false;
    }
    if (old != MAP_FAILED) {
        drop_aside(old, n);
    }
    region_set_dirty(&m->ram, 0, m->ram.size);
    if (m->accel && m->accel->code_written) {
        m->accel->code_written(&m->ram, 0, m->ram.size);
    }
    return true;
}

/* A machine takes state well only when nothing is left of what it did before. */
static bool take_state(Machine *m, GBytes *state, GError **err)
{
    machine_reset(m);
    return machine_load(m, state, err);
}

static bool take_all(Machine *m, const SnapFile *f, GBytes *state, void *ram, void *disks,
                     bool fresh, GError **err)
{
    GByteArray *before = fresh ? NULL : machine_save(m);
    bool ok = take_state(m, state, err) && (!disks || m->disks->apply(m, disks, err)) &&
              take_ram(m, ram, f, fresh, err);

    if (!ok) {
        machine_reset(m);
        munmap(ram, m->ram.size);
    }
    if (!ok && before) {
        GBytes *back = g_bytes_new_static(before->data, before->len);
        GError *why = NULL;
        if (!take_state(m, back, &why)) {       /* what it has saved itself */
            g_critical("snapshot: cannot go back: %s", why->message);
            g_error_free(why);
        }
        g_bytes_unref(back);
    }
    g_clear_pointer(&before, g_byte_array_unref);
    return ok;
}

static bool prepare_disks(Machine *m, const SnapFile *f, void **prepared, GError **err)
{
    GVariant *disks;
    bool      ok;

    *prepared = NULL;
    if (!find_part(f, PART_DISKS) != !m->disks) {
        return bad(f, "it was saved with other disks; start with the options it was saved with",
                   err);
    }
    if (!m->disks) {
        return true;
    }
    disks = read_variant(f, PART_DISKS, SNAP_DISKS_TYPE, err);
    ok = disks && (*prepared = m->disks->prepare(m, disks, f->fd, f->bytes, err));
    g_clear_pointer(&disks, g_variant_unref);
    return ok;
}

bool snapfile_load(Machine *m, SnapFile *f, bool fresh, GError **err)
{
    GBytes *state = NULL;
    void   *ram = NULL, *disks = NULL;
    bool    ok;

    trace_snapshot_load(f->path);
    ok = check_same(m, f, err) && (state = read_part(f, PART_STATE, err)) &&
         (ram = map_ram(m, f, err)) && prepare_disks(m, f, &disks, err);
    if (!ok && ram) {
        munmap(ram, m->ram.size);
    }
    ok = ok && take_all(m, f, state, ram, disks, fresh, err);
    if (disks) {
        m->disks->finish(m, disks, ok);
    }
    g_clear_pointer(&state, g_bytes_unref);
    return ok;
}
