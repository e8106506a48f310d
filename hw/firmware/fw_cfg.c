/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg.c -- the firmware configuration device: a selector, a byte port, a DMA port, and the items
 * behind them.
 *
 * Spec: the fw_cfg interface as SeaBIOS and the Linux qemu_fw_cfg driver use it.
 * Omits: nothing.
 * Threads: with the machine lock.
 *
 *     510 w16  selector       511 r8  data, at an offset that counts on       514 r64  "QEMU CFG"
 *     514 w32  DMA descriptor's address, big-endian: high half       518 w32  low half, starts it
 *
 * Descriptor, big-endian: u32 control (31:16 key; 4 write, 3 select, 2 skip, 1 read, 0 error), u32
 * length, u64 address.
 */
#include "hw/firmware/fw_cfg.h"
#include "core/options.h"
#include "hw/firmware/firmware.h"
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CTL_ERROR = 1, CTL_READ = 2, CTL_SKIP = 4, CTL_SELECT = 8, CTL_WRITE = 16 };
enum { NAME_BYTES = 56, ENTRY_BYTES = 64, DMA_CHUNK = 1 << 20 };

typedef struct Item {
    uint16_t key;
    char    *name;                    /* a file's, else NULL */
    GBytes  *data;
    uint8_t *live;                    /* instead of data */
    size_t   n;
    bool     mapped;                  /* data is of a mapped file */
    void   (*fill)(void *arg, uint8_t *data, size_t n);
    /* a file that the guest may write */
    void   (*written)(void *arg, const uint8_t *data, size_t n);
    void    *arg;
} Item;

typedef struct Blob {
    hwaddr  at;
    GBytes *data;
} Blob;

typedef struct BootPath {
    int32_t index;
    char   *path;
} BootPath;

typedef struct FwCfg {
    Device     dev;
    uint16_t   key;
    uint32_t   offset;
    uint32_t   dma_high;
    GPtrArray *items;                 /* Item */
    GPtrArray *blobs;                 /* Blob */
    GPtrArray *boot;                  /* BootPath */
    unsigned   resets;
    void     (*once)(void *arg);
    void      *once_arg;
} FwCfg;

/* ---- items ---- */
static Item *find_key(FwCfg *s, uint16_t key)
{
    for (guint i = 0; i < s->items->len; i++) {
        Item *it = s->items->pdata[i];
        if (it->key == key) {
            return it;
        }
    }
    return NULL;
}

static Item *find_name(FwCfg *s, const char *name)
{
    for (guint i = 0; i < s->items->len; i++) {
        Item *it = s->items->pdata[i];
        if (it->name && !strcmp(it->name, name)) {
            return it;
        }
    }
    return NULL;
}

static const uint8_t *item_bytes(const Item *it)
{
    return it->live ? it->live : g_bytes_get_data(it->data, NULL);
}

static void item_free(void *p)
{
    Item *it = p;
    if (it->data) {
        g_bytes_unref(it->data);
    }
    g_free(it->live);
    g_free(it->name);
    g_free(it);
}

static void blob_free(void *p)
{
    Blob *b = p;
    g_bytes_unref(b->data);
    g_free(b);
}

static void boot_path_free(void *p)
{
    BootPath *b = p;
    g_free(b->path);
    g_free(b);
}

void fw_cfg_item(void *fw, uint16_t key, GBytes *data)
{
    FwCfg *s = fw;
    Item *it = find_key(s, key);
    if (!it) {
        it = g_new0(Item, 1);
        it->key = key;
        g_ptr_array_add(s->items, it);
    } else {
        g_bytes_unref(it->data);
    }
    it->data = data;
    it->n = g_bytes_get_size(data);
    it->mapped = false;
}

void fw_cfg_mapped(void *fw, uint16_t key)
{
    Item *it = find_key(fw, key);
    if (it) {
        it->mapped = true;
    }
}

void fw_cfg_bytes(void *fw, uint16_t key, const void *data, size_t n)
{
    fw_cfg_item(fw, key, g_bytes_new(data, n));
}

static GBytes *int_bytes(uint64_t val, unsigned size)
{
    uint64_t le = GUINT64_TO_LE(val);
    return g_bytes_new(&le, size);
}

void fw_cfg_int(void *fw, uint16_t key, uint64_t val, unsigned size)
{
    fw_cfg_item(fw, key, int_bytes(val, size));
}

static Item *new_file(FwCfg *s, const char *name, GError **err)
{
    if (strlen(name) >= NAME_BYTES) {
        fail(err, "fw_cfg: the name \"%s\" is longer than %d bytes; shorten it", name,
             NAME_BYTES - 1);
        return NULL;
    }
    if (find_name(s, name)) {
        fail(err, "fw_cfg: there is already a file \"%s\"; choose another name", name);
        return NULL;
    }
    Item *it = g_new0(Item, 1);
    it->name = g_strdup(name);
    g_ptr_array_add(s->items, it);
    return it;
}

bool fw_cfg_file(void *fw, const char *name, GBytes *data, GError **err)
{
    Item *it = new_file(fw, name, err);
    if (!it) {
        g_bytes_unref(data);
        return false;
    }
    it->data = data;
    it->n = g_bytes_get_size(data);
    return true;
}

bool fw_cfg_file_int(void *fw, const char *name, uint64_t val, unsigned size, GError **err)
{
    return fw_cfg_file(fw, name, int_bytes(val, size), err);
}

bool fw_cfg_file_live(void *fw, const char *name, size_t n,
                      void (*fill)(void *arg, uint8_t *data, size_t n), void *arg, GError **err)
{
    Item *it = new_file(fw, name, err);
    if (!it) {
        return false;
    }
    it->live = g_malloc0(n);
    it->n = n;
    it->fill = fill;
    it->arg = arg;
    fill(arg, it->live, n);
    return true;
}

void fw_cfg_file_written(void *fw, const char *name,
                         void (*written)(void *arg, const uint8_t *data, size_t n))
{
    Item *it = find_name(fw, name);
    g_assert(it && it->live);
    it->written = written;
}

void fw_cfg_at_reset(void *fw, hwaddr at, GBytes *data)
{
    FwCfg *s = fw;
    Blob *b = g_new0(Blob, 1);
    b->at = at;
    b->data = data;
    g_ptr_array_add(s->blobs, b);
}

void fw_cfg_boot_path(Machine *m, int32_t bootindex, const char *path)
{
    FwCfg *s = fw_cfg_find(m);
    if (s && bootindex >= 0) {
        BootPath *b = g_new0(BootPath, 1);
        b->index = bootindex;
        b->path = g_strdup(path);
        g_ptr_array_add(s->boot, b);
    }
}

bool fw_cfg_option_rom(void *fw, const char *file, bool boots, GError **err)
{
    FwCfg *s = fw;
    GBytes *rom = firmware_load(s->dev.machine, file, 256 << 10, err);
    if (!rom) {
        return false;
    }
    g_autofree char *base = g_path_get_basename(file);
    g_autofree char *name = g_strconcat("genroms/", base, NULL);
    if (boots) {
        g_autofree char *path = g_strconcat("/rom@", name, NULL);
        fw_cfg_boot_path(s->dev.machine, 0, path);
    }
    return fw_cfg_file(fw, name, rom, err);
}

/* ---- the last step ---- */
static gint by_bootindex(gconstpointer a, gconstpointer b)
{
    const BootPath *x = *(BootPath *const *)a, *y = *(BootPath *const *)b;
    return (x->index > y->index) - (x->index < y->index);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    const Item *x = *(Item *const *)a, *y = *(Item *const *)b;
    return g_strcmp0(x->name, y->name);
}

static void put_be32(GByteArray *out, uint32_t v)
{
    v = GUINT32_TO_BE(v);
    g_byte_array_append(out, (const guint8 *)&v, 4);
}

static void add_directory(FwCfg *s)
{
    GByteArray *dir = g_byte_array_new();
    uint32_t n_files = 0;
    g_ptr_array_sort(s->items, by_name);
    for (guint i = 0; i < s->items->len; i++) {
        n_files += ((Item *)s->items->pdata[i])->name != NULL;
    }
    put_be32(dir, n_files);
    uint16_t key = FW_FILE_FIRST;
    for (guint i = 0; i < s->items->len; i++) {
        Item *it = s->items->pdata[i];
        if (it->name) {
            char name[NAME_BYTES] = { 0 };
            it->key = key++;
            put_be32(dir, (uint32_t)it->n);
            put_be32(dir, (uint32_t)it->key << 16);       /* be16 key, be16 reserved */
            g_strlcpy(name, it->name, sizeof(name));
            g_byte_array_append(dir, (guint8 *)name, NAME_BYTES);
        }
    }
    fw_cfg_item(s, FW_FILE_DIR, g_byte_array_free_to_bytes(dir));
}

/* At the first reset all devices are there: the boot order and the directory are written. */
static void finish(FwCfg *s)
{
    if (s->boot->len && !find_name(s, "bootorder")) {
        g_ptr_array_sort(s->boot, by_bootindex);
        GString *order = g_string_new(NULL);
        for (guint i = 0; i < s->boot->len; i++) {
            g_string_append_printf(order, "%s%s", i ? "\n" : "",
                                   ((BootPath *)s->boot->pdata[i])->path);
        }
        gsize n = order->len + 1;
        fw_cfg_file(s, "bootorder", g_bytes_new_take(g_string_free(order, FALSE), n), NULL);
    }
    add_directory(s);
}

void fw_cfg_after_first_reset(void *fw, void (*fn)(void *arg), void *arg)
{
    FwCfg *s = fw;
    s->once = fn;
    s->once_arg = arg;
}

/* ---- the guest's side ---- */
static void select_item(FwCfg *s, uint16_t key)
{
    Item *it = find_key(s, key);
    s->key = key;
    s->offset = 0;
    if (it && it->fill) {
        it->fill(it->arg, it->live, it->n);
    }
}

/*
 * The guest has read an item to its end.  A mapped file's pages are clean: they come back if it
 * reads again, after a reset.
 */
static void let_go(const Item *it)
{
    if (it->mapped) {
        uintptr_t page = (uintptr_t)getpagesize() - 1;
        uintptr_t from = (uintptr_t)item_bytes(it) & ~page,
                  end = ((uintptr_t)item_bytes(it) + it->n + page) & ~page;
        madvise((void *)from, end - from, MADV_DONTNEED);
    }
}

static uint8_t next_byte(FwCfg *s)
{
    Item *it = find_key(s, s->key);
    if (!it || s->offset >= it->n) {
        return 0;
    }
    uint8_t v = item_bytes(it)[s->offset++];
    if (s->offset == it->n) {
        let_go(it);
    }
    return v;
}

/* Read n bytes of the item into guest memory; beyond its end there are zeros. */
static bool dma_out(FwCfg *s, hwaddr at, uint32_t n)
{
    static const uint8_t zeros[4096];
    AddressSpace *as = s->dev.machine->as_memory;
    Item *it = find_key(s, s->key);
    while (n) {
        uint32_t have = it && s->offset < it->n ? (uint32_t)(it->n - s->offset) : 0;
        uint32_t now = MIN(n, have ? MIN(have, DMA_CHUNK) : sizeof(zeros));
        const uint8_t *from = have ? item_bytes(it) + s->offset : zeros;
        if (as_write(as, at, from, now) != MEM_OK) {
            return false;
        }
        s->offset += have ? now : 0;
        at += now;
        n -= now;
        if (have && s->offset == it->n) {
            let_go(it);
        }
    }
    return true;
}

/* All of a piece or nothing; a file never grows. */
static bool dma_in(FwCfg *s, hwaddr at, uint32_t n)
{
    Item *it = find_key(s, s->key);
    if (!it || !it->written || s->offset > it->n || n > it->n - s->offset) {
        guest_error(s, "write of %u bytes to item 0x%x, which is read-only or smaller", n, s->key);
        return false;
    }
    if (as_read(s->dev.machine->as_memory, at, it->live + s->offset, n) != MEM_OK) {
        return false;
    }
    s->offset += n;
    it->written(it->arg, it->live, it->n);
    return true;
}

static void dma_run(FwCfg *s, hwaddr desc)
{
    AddressSpace *as = s->dev.machine->as_memory;
    struct {
        uint32_t control, length;
        uint64_t address;
    } d;
    if (as_read(as, desc, &d, sizeof(d)) != MEM_OK) {
        guest_error(s, "no DMA descriptor at 0x%" PRIx64, desc);
        return;
    }
    uint32_t control = GUINT32_FROM_BE(d.control), length = GUINT32_FROM_BE(d.length), status = 0;
    if (control & CTL_SELECT) {
        select_item(s, control >> 16);
    }
    if (control & CTL_WRITE) {
        status = dma_in(s, GUINT64_FROM_BE(d.address), length) ? 0 : CTL_ERROR;
    } else if (control & CTL_READ) {
        status = dma_out(s, GUINT64_FROM_BE(d.address), length) ? 0 : CTL_ERROR;
    } else if (control & CTL_SKIP) {
        Item *it = find_key(s, s->key);
        uint64_t to = (uint64_t)s->offset + length;
        s->offset = (uint32_t)MIN(to, it ? it->n : 0);
    }
    status = GUINT32_TO_BE(status);
    as_write(as, desc, &status, 4);
}

static uint64_t fw_cfg_read(void *dev, hwaddr off, unsigned size)
{
    static const uint8_t signature[] = "QEMU CFG";
    uint64_t v = 0;
    if (off < 4) {
        return off == 1 && size == 1 ? next_byte(dev) : 0;
    }
    for (unsigned i = 0; i < size && off + i < 12; i++) {
        v |= (uint64_t)signature[off - 4 + i] << (8 * i);
    }
    return v;
}

static void fw_cfg_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    FwCfg *s = dev;
    if (off == 0 && size == 2) {
        select_item(s, (uint16_t)val);
    } else if (off == 4 && size == 4) {
        s->dma_high = GUINT32_SWAP_LE_BE((uint32_t)val);
    } else if (off == 8 && size == 4) {
        uint64_t desc = (uint64_t)s->dma_high << 32 | GUINT32_SWAP_LE_BE((uint32_t)val);
        s->dma_high = 0;
        dma_run(s, desc);
    }
}

static const MmioOps fw_cfg_io = { .read = fw_cfg_read, .write = fw_cfg_write, .min = 1, .max = 4 };

static bool fw_cfg_realize(void *dev, GError **err)
{
    FwCfg *s = dev;
    (void)err;
    s->items = g_ptr_array_new_with_free_func(item_free);
    s->blobs = g_ptr_array_new_with_free_func(blob_free);
    s->boot = g_ptr_array_new_with_free_func(boot_path_free);
    fw_cfg_bytes(s, FW_SIGNATURE, "QEMU", 4);
    fw_cfg_int(s, FW_ID, 3, 4);       /* 1: selector and data port, 2: DMA */
    return true;
}

static void fw_cfg_unrealize(void *dev)
{
    FwCfg *s = dev;
    g_ptr_array_free(s->items, TRUE);
    g_ptr_array_free(s->blobs, TRUE);
    g_ptr_array_free(s->boot, TRUE);
}

static void fw_cfg_reset(void *dev)
{
    FwCfg *s = dev;
    s->resets++;
    if (s->resets == 1) {
        finish(s);
    } else if (s->resets == 2 && s->once) {
        s->once(s->once_arg);
    }
    s->dma_high = 0;
    select_item(s, FW_SIGNATURE);
    for (guint i = 0; i < s->blobs->len; i++) {
        Blob *b = s->blobs->pdata[i];
        gsize n;
        const void *p = g_bytes_get_data(b->data, &n);
        as_write(s->dev.machine->as_memory, b->at, p, n);
    }
}

static const Field fw_cfg_fields[] = {
    STATE(FwCfg, key), STATE(FwCfg, offset), STATE(FwCfg, dma_high),
    FIELD_END
};

const DeviceClass fw_cfg_class = {
    .name = "fw_cfg",
    .desc = "firmware configuration",
    .spec = "fw_cfg as used by SeaBIOS and Linux",
    .bus = "sys",
    .size = sizeof(FwCfg),
    .fields = fw_cfg_fields,
    .io = &fw_cfg_io,
    .bank_size = 12,
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
    .reset = fw_cfg_reset,
};

void *fw_cfg_find(Machine *m)
{
    for (guint i = 0; i < m->devices->len; i++) {
        Device *d = m->devices->pdata[i];
        if (d->class == &fw_cfg_class) {
            return d;
        }
    }
    return NULL;
}

void *fw_cfg_create(Machine *m, Region *io, GError **err)
{
    FwCfg *s = device_new(m, NULL, fw_cfg_class.name, NULL, err);
    if (!s || !device_realize(s, err)) {
        return NULL;
    }
    map_begin(m);
    region_map(io, &s->dev.bank, 0x510);
    map_commit(m);
    return s;
}
