/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pflash.c -- parallel NOR flash with the Intel command set: firmware (UEFI) that keeps its
 * variables.
 *
 * Spec: JEDEC JESD68 (CFI), JEP137 command set 0001; Intel 28F640J3 datasheet, chapters 3 and 4
 * (commands, status).
 * The whole status register is cleared by command 50, ready bit and all, and stays so until the
 * next erase or program: that is how UEFI firmware for virtual machines tells flash from ROM and
 * RAM.
 * Omits: block locks (accepted, without effect), protection registers, suspend; erase and program
 *   take no time.
 * Threads: with the machine lock.
 *
 * While the array is read it is plain ROM, so code runs from it; in every other mode reads go to
 * callbacks.  Writes to the image are gathered, and begin when the guest turns back to the array.
 */
#include "hw/firmware/pflash.h"
#include "core/device.h"
#include <string.h>

enum { SECTOR = 4096, BUFFER = 64, BLOCK = 512, SIZE_MAX_BYTES = 16 << 20,
       DEFAULT_BYTES = 1 << 20 };
enum {                                  /* commands */
    C_BYTE = 0x10, C_BYTE_TOO = 0x40, C_ERASE = 0x20, C_CLEAR = 0x50, C_LOCK = 0x60,
    C_STATUS = 0x70, C_ID = 0x90, C_CFI = 0x98,
    C_CONFIRM = 0xd0, C_BUFFER = 0xe8, C_ARRAY = 0xff, C_ARRAY_TOO = 0xf0, C_ARRAY_OLD = 0x00,
};
enum { ST_READY = 0x80, ST_ERASE = 0x20, ST_PROGRAM = 0x10, ST_SEQUENCE = ST_ERASE | ST_PROGRAM };
enum { READ_ARRAY, READ_STATUS, READ_ID, READ_CFI };
enum { W_COMMAND, W_BYTE, W_ERASE, W_LOCK, W_COUNT, W_DATA, W_CONFIRM };

typedef struct Pflash {
    Device   dev;
    Drive   *drive;
    uint32_t bytes;                     /* size= without a drive */
    Region   view, array;             /* view: the array where it is read, the commands where not */
    Mapping  as_array, as_commands, as_writes;
    uint8_t  reading, writing, status;
    uint32_t expected, filled;          /* bytes of the buffer to come, and there */
    uint32_t buffer_at;
    uint8_t  buffer[BUFFER];
    uint32_t dirty_from, dirty_to;      /* not yet on its way to the image */
    bool     busy;
    BlockReq req;
    struct iovec iov;
    uint8_t *bounce;
} Pflash;

/* ---- the image ---- */
static bool is_readonly(const Pflash *s)
{
    return s->drive && (s->drive->readonly || s->drive->node->readonly);
}

static void flush(Pflash *s);

static void written(BlockReq *req, int result)
{
    Pflash *s = (Pflash *)((uint8_t *)req - offsetof(Pflash, req));

    s->busy = false;
    g_clear_pointer(&s->bounce, g_aligned_free);
    if (result) {
        guest_error(s, "the image %s cannot be written: %s", s->drive->id, g_strerror(-result));
        return;
    }
    if (s->reading == READ_ARRAY) {
        flush(s);
    }
}

static void flush(Pflash *s)
{
    uint32_t from = s->dirty_from & ~(BLOCK - 1u), to = (s->dirty_to + BLOCK - 1) & ~(BLOCK - 1u);

    if (s->busy || s->dirty_from >= s->dirty_to || !s->drive || is_readonly(s)) {
        return;
    }
    s->bounce = g_aligned_alloc(1, to - from, SECTOR);
    memcpy(s->bounce, s->array.host + from, to - from);
    s->iov = (struct iovec){ s->bounce, to - from };
    s->req = (BlockReq){ .op = BLK_WRITE, .offset = from, .length = to - from, .iov = &s->iov,
                         .n_iov = 1, .done = written };
    s->dirty_from = UINT32_MAX;
    s->dirty_to = 0;
    s->busy = true;
    block_submit(s->drive->node, &s->req);
}

static void now_dirty(Pflash *s, uint32_t from, uint32_t n)
{
    s->dirty_from = MIN(s->dirty_from, from);
    s->dirty_to = MAX(s->dirty_to, from + n);
    region_set_dirty(&s->array, from, n);
}

/* ---- modes ---- */
static void map_as(Pflash *s)
{
    bool array = s->reading == READ_ARRAY;

    if (s->as_array.on == array) {
        return;
    }
    map_begin(s->dev.machine);
    s->as_array.on = array;
    s->as_commands.on = !array;
    map_commit(s->dev.machine);
}

static void read_as(Pflash *s, uint8_t what)
{
    s->reading = what;
    s->writing = W_COMMAND;
    map_as(s);
    if (what == READ_ARRAY) {
        flush(s);
    }
}

/* The JESD68 table: byte n of the query. */
static uint8_t query(const Pflash *s, unsigned n)
{
    uint32_t sectors = s->bytes / SECTOR - 1;
    const uint8_t table[] = {
        'Q', 'R', 'Y', 1, 0, 0x31, 0, 0, 0, 0, 0,      /* 10H: command set 0001, its table at 31H */
        0x45, 0x55, 0, 0, 7, 7, 10, 0, 4, 4, 4, 0,      /* 1BH: voltages, times */
        /* 27H: size, x8, buffer of 64, one region */
        (uint8_t)(31 - __builtin_clz(s->bytes)), 0, 0, 6, 0, 1,
        (uint8_t)sectors, (uint8_t)(sectors >> 8), SECTOR >> 8 & 0xff, SECTOR >> 16,
        /* 31H: no optional features */
        'P', 'R', 'I', '1', '0', 0, 0, 0, 0, 0, 0, 0, 0x50, 0,
    };

    return n >= 0x10 && n - 0x10 < sizeof table ? table[n - 0x10] : 0;
}

static uint64_t pflash_read(void *dev, hwaddr off, unsigned size)
{
    static const uint8_t ids[] = { 0x89, 0x18 };        /* manufacturer, device */
    Pflash *s = dev;

    switch (s->reading) {
    case READ_STATUS:
        return s->status;
    case READ_ID:
        return off % SECTOR < sizeof ids ? ids[off % SECTOR] : 0;
    case READ_CFI:
        return query(s, off & 0xff);
    default:
        return s->array.host[off];
    }
}

/* ---- writing ---- */
static void program(Pflash *s, uint32_t at, const uint8_t *data, uint32_t n)
{
    s->status |= ST_READY;
    if (is_readonly(s) || at + n > s->bytes) {
        s->status |= ST_PROGRAM;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->array.host[at + i] &= data[i];       /* programming only clears bits */
    }
    now_dirty(s, at, n);
}

static void erase(Pflash *s, uint32_t at)
{
    at &= ~(SECTOR - 1u);
    s->status |= ST_READY;
    if (is_readonly(s)) {
        s->status |= ST_ERASE;
        return;
    }
    memset(s->array.host + at, 0xff, SECTOR);
    now_dirty(s, at, SECTOR);
}

static void command(Pflash *s, uint8_t c)
{
    static const struct { uint8_t command, reading, writing; } rows[] = {
        { C_ARRAY, READ_ARRAY, W_COMMAND }, { C_ARRAY_TOO, READ_ARRAY, W_COMMAND },
        { C_ARRAY_OLD, READ_ARRAY, W_COMMAND }, { C_CLEAR, READ_ARRAY, W_COMMAND },
        { C_STATUS, READ_STATUS, W_COMMAND }, { C_ID, READ_ID, W_COMMAND },
        { C_CFI, READ_CFI, W_COMMAND }, { C_BYTE, READ_STATUS, W_BYTE },
        { C_BYTE_TOO, READ_STATUS, W_BYTE }, { C_ERASE, READ_STATUS, W_ERASE },
        { C_LOCK, READ_STATUS, W_LOCK }, { C_BUFFER, READ_STATUS, W_COUNT },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].command == c) {
            if (c == C_CLEAR) {
                s->status = 0;
            } else if (c == C_BUFFER) {
                s->status |= ST_READY;          /* the buffer is free */
            }
            read_as(s, rows[i].reading);
            s->writing = rows[i].writing;
            return;
        }
    }
    guest_error(s, "command %02x is none of the Intel command set", c);
    read_as(s, READ_ARRAY);
}

static void bad_sequence(Pflash *s)
{
    s->status |= ST_READY | ST_SEQUENCE;
    s->writing = W_COMMAND;
}

static void buffer_byte(Pflash *s, uint32_t at, uint8_t byte)
{
    if (!s->filled) {
        s->buffer_at = at & ~(BUFFER - 1u);
        memset(s->buffer, 0xff, sizeof s->buffer);
    }
    if ((at & ~(BUFFER - 1u)) != s->buffer_at) {
        bad_sequence(s);
        return;
    }
    s->buffer[at & (BUFFER - 1)] = byte;
    s->writing = ++s->filled == s->expected ? W_CONFIRM : W_DATA;
}

static void pflash_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    Pflash *s = dev;
    uint8_t byte = (uint8_t)val;
    uint32_t at = (uint32_t)off;

    switch (s->writing) {
    case W_COMMAND:
        command(s, byte);
        break;
    case W_BYTE:
        program(s, at, &byte, 1);
        s->writing = W_COMMAND;
        break;
    case W_ERASE:
        if (byte == C_CONFIRM) {
            erase(s, at);
            s->writing = W_COMMAND;
        } else {
            bad_sequence(s);
        }
        break;
    case W_LOCK:
        s->status |= ST_READY;
        s->writing = W_COMMAND;
        break;
    case W_COUNT:
        s->expected = byte + 1u;
        s->filled = 0;
        s->writing = W_DATA;
        if (s->expected > BUFFER) {
            bad_sequence(s);
        }
        break;
    case W_DATA:
        buffer_byte(s, at, byte);
        break;
    case W_CONFIRM:
        if (byte == C_CONFIRM) {
            program(s, s->buffer_at, s->buffer, BUFFER);
            s->writing = W_COMMAND;
        } else {
            bad_sequence(s);
        }
        break;
    }
}

/* ---- life ---- */
static void read_done(BlockReq *req, int result)
{
    req->result = result;
}

static bool load(Pflash *s, GError **err)
{
    struct iovec iov = { s->array.host, s->bytes };
    BlockReq req = { .op = BLK_READ, .length = s->bytes, .iov = &iov, .n_iov = 1,
                     .done = read_done, .result = -1 };

    block_submit(s->drive->node, &req);
    block_drain(s->dev.machine);
    return !req.result ||
           fail(err, "drive %s: cannot be read: %s", s->drive->id, g_strerror(-req.result));
}

static bool pflash_realize(void *dev, GError **err)
{
    Pflash *s = dev;

    if (s->drive && !drive_claim(s->drive, s, err)) {
        return false;
    }
    if (s->drive && !s->drive->node) {
        return fail(err, "drive %s: flash needs an image", s->drive->id);
    }
    if (s->drive && (s->drive->node->bytes > SIZE_MAX_BYTES || s->drive->node->bytes % SECTOR ||
                     !s->drive->node->bytes)) {
        return fail(
            err,
            "drive %s: flash is a multiple of 4 KiB and at most 16 MiB; the image has %llu bytes",
            s->drive->id, (unsigned long long)s->drive->node->bytes);
    }
    if (s->drive) {
        s->bytes = (uint32_t)s->drive->node->bytes;
    } else if (s->bytes % SECTOR) {
        return fail(err, "cfi.pflash01: size=%u is no multiple of 4 KiB", s->bytes);
    }
    region_init_rom(&s->array, "pflash", s->bytes);
    memset(s->array.host, 0xff, s->bytes);
    if (s->drive && !load(s, err)) {
        region_destroy(&s->array);
        return false;
    }
    s->dirty_from = UINT32_MAX;
    s->dev.bank.size = s->bytes;
    region_init_container(&s->view, "pflash", s->bytes);
    s->as_array = (Mapping){ .region = &s->array, .size = s->bytes, .seen = SEEN_READ, .on = true };
    s->as_commands = (Mapping){ .region = &s->dev.bank, .size = s->bytes, .seen = SEEN_READ };
    s->as_writes = (Mapping){ .region = &s->dev.bank, .size = s->bytes, .seen = SEEN_WRITE,
                              .on = true };
    region_add(&s->view, &s->as_array);
    region_add(&s->view, &s->as_commands);
    region_add(&s->view, &s->as_writes);
    return true;
}

static void pflash_unrealize(void *dev)
{
    Pflash *s = dev;

    s->reading = READ_ARRAY;
    if (s->drive && s->drive->user == s) {
        flush(s);
        block_drain(s->dev.machine);
        s->drive->user = NULL;
    }
    region_destroy(&s->view);
    region_destroy(&s->array);
}

static void pflash_reset(void *dev)
{
    Pflash *s = dev;

    s->status = 0;
    read_as(s, READ_ARRAY);
}

static bool pflash_restored(void *dev, GError **err)
{
    Pflash *s = dev;

    if ((s->writing == W_DATA && s->filled >= s->expected) || s->buffer_at > s->bytes - BUFFER) {
        return fail(err, "%s: the saved write buffer is impossible", s->dev.path);
    }
    map_as(s);
    now_dirty(s, 0, s->bytes);          /* the image is to have what was saved */
    flush(s);
    return true;
}

Pflash *pflash_create(Machine *m, Drive *drive, GError **err)
{
    Pflash *s = device_new(m, bus_find(m, "sys"), "cfi.pflash01", NULL, err);

    if (!s) {
        return NULL;
    }
    s->drive = drive;
    return device_realize(s, err) ? s : NULL;
}

Region *pflash_region(Pflash *s)
{
    return &s->view;
}

Region *pflash_array(Pflash *s)
{
    return &s->array;
}

static const Field pflash_fields[] = {
    CONFIG_LINK(Pflash, drive, "drive", "drive", .help = "Image."),
    CONFIG_AS(Pflash, bytes, "size", .def = DEFAULT_BYTES, .min = SECTOR, .max = SIZE_MAX_BYTES,
           .help = "Bytes, where there is no image; erased."),
    STATE(Pflash, reading, .max = READ_CFI),
    STATE(Pflash, writing, .max = W_CONFIRM), STATE(Pflash, status),
    STATE(Pflash, expected, .max = BUFFER),
    STATE(Pflash, filled, .max = BUFFER), STATE(Pflash, buffer_at),
    STATE_BYTES(Pflash, buffer), STATE_RAM(Pflash, array),
    FIELD_END
};
static const MmioOps pflash_ops = { .read = pflash_read, .write = pflash_write, .min = 1,
                                    .max = 1 };

const DeviceClass pflash_class = {
    .name = "cfi.pflash01",
    .desc = "parallel flash, Intel command set",
    .spec = "JESD68, Intel 28F640J3",
    .bus = "sys",
    .size = sizeof(Pflash),
    .fields = pflash_fields,
    .io = &pflash_ops,
    .bank_size = DEFAULT_BYTES,
    .realize = pflash_realize,
    .unrealize = pflash_unrealize,
    .reset = pflash_reset,
    .restored = pflash_restored,
};
