/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aml.c -- ACPI machine language encodings.
 *
 * Spec: ACPI 6.5, 20.2 (grammar; names, PkgLength, data), 6.4.2 and 6.4.3 (small and large resource
 *   items).
 * Omits: see aml.h.
 * Threads: any, on its own array.
 */
#include "hw/acpi/aml.h"
#include <string.h>

enum { OP_ZERO = 0x00, OP_ONE = 0x01, OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b,
       OP_DWORD = 0x0c, OP_STRING = 0x0d,
       OP_QWORD = 0x0e, OP_SCOPE = 0x10, OP_BUFFER = 0x11, OP_PACKAGE = 0x12, OP_METHOD = 0x14,
       OP_EXT = 0x5b,
       OP_IF = 0xa0, OP_ELSE = 0xa1 };
enum { EXT_REGION = 0x80, EXT_FIELD = 0x81, EXT_DEVICE = 0x82, EXT_PROCESSOR = 0x83 };

void aml_byte(Aml *a, uint8_t b)
{
    g_byte_array_append(a, &b, 1);
}

void aml_bytes(Aml *a, const void *p, size_t n)
{
    g_byte_array_append(a, p, (guint)n);
}

static void put_le(Aml *a, uint64_t v, unsigned size)
{
    v = GUINT64_TO_LE(v);
    aml_bytes(a, &v, size);
}

static void insert(Aml *a, size_t at, const uint8_t *p, size_t n)
{
    size_t len = a->len;
    g_byte_array_set_size(a, (guint)(len + n));
    memmove(a->data + at + n, a->data + at, len - at);
    memcpy(a->data + at, p, n);
}

/*
 * 20.2.4: the length counts its own bytes; 6 bits in one byte, else 4 bits and up to three more
 * bytes.
 */
static unsigned pkg_length(uint8_t out[4], size_t n, bool counts_itself)
{
    unsigned extra = 0;
    while (n + (counts_itself ? 1 + extra : 0) >
           (extra ? (UINT64_C(1) << (4 + 8 * extra)) - 1 : 63)) {
        extra++;
    }
    g_assert(extra <= 3);
    n += counts_itself ? 1 + extra : 0;
    if (!extra) {
        out[0] = (uint8_t)n;
        return 1;
    }
    out[0] = (uint8_t)(extra << 6 | (n & 15));
    for (unsigned i = 0; i < extra; i++) {
        out[1 + i] = (uint8_t)(n >> (4 + 8 * i));
    }
    return 1 + extra;
}

void aml_close(Aml *a, size_t mark)
{
    uint8_t enc[4];
    unsigned n = pkg_length(enc, a->len - mark, true);
    insert(a, mark, enc, n);
}

/* ---- names: 20.2.2 ---- */
static void name_seg(Aml *a, const char *s, size_t n)
{
    char seg[4] = { '_', '_', '_', '_' };
    g_assert(n >= 1 && n <= 4);
    memcpy(seg, s, n);
    aml_bytes(a, seg, 4);
}

void aml_path(Aml *a, const char *path)
{
    while (*path == '\\' || *path == '^') {
        aml_byte(a, (uint8_t)*path++);
    }
    g_auto(GStrv) segs = g_strsplit(path, ".", -1);
    guint n = g_strv_length(segs);
    if (n == 0) {
        aml_byte(a, 0);
    } else if (n == 2) {
        aml_byte(a, 0x2e);
    } else if (n > 2) {
        aml_byte(a, 0x2f);
        aml_byte(a, (uint8_t)n);
    }
    for (guint i = 0; i < n; i++) {
        name_seg(a, segs[i], strlen(segs[i]));
    }
}

/* ---- data ---- */
void aml_int(Aml *a, uint64_t v)
{
    static const struct {
        uint8_t op, size;
    } forms[] = { { OP_BYTE, 1 }, { OP_WORD, 2 }, { OP_DWORD, 4 }, { OP_QWORD, 8 } };
    if (v <= 1) {
        aml_byte(a, v ? OP_ONE : OP_ZERO);
        return;
    }
    unsigned i = v <= 0xff ? 0 : v <= 0xffff ? 1 : v <= UINT32_MAX ? 2 : 3;
    aml_byte(a, forms[i].op);
    put_le(a, v, forms[i].size);
}

void aml_string(Aml *a, const char *s)
{
    aml_byte(a, OP_STRING);
    aml_bytes(a, s, strlen(s) + 1);
}

/* Three letters of 5 bits and four hex digits, big-endian: ACPI 19.3.4. */
void aml_eisaid(Aml *a, const char *id)
{
    uint32_t v = (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
                 (uint32_t)(id[2] - '@') << 16 | (uint32_t)g_ascii_strtoull(id + 3, NULL, 16);
    aml_byte(a, OP_DWORD);
    put_le(a, GUINT32_SWAP_LE_BE(v), 4);
}

void aml_name(Aml *a, const char *name)
{
    aml_byte(a, OP_NAME);
    aml_path(a, name);
}

void aml_name_int(Aml *a, const char *name, uint64_t v)
{
    aml_name(a, name);
    aml_int(a, v);
}

void aml_hid(Aml *a, const char *id)
{
    aml_name(a, "_HID");
    if (strlen(id) == 7) {
        aml_eisaid(a, id);
    } else {
        aml_string(a, id);
    }
}

/* ---- terms with a length ---- */
static size_t open_named(Aml *a, uint8_t op, const char *path)
{
    aml_byte(a, op);
    size_t mark = a->len;
    aml_path(a, path);
    return mark;
}

static size_t open_ext(Aml *a, uint8_t op, const char *path)
{
    aml_byte(a, OP_EXT);
    return open_named(a, op, path);
}

size_t aml_scope(Aml *a, const char *path)
{
    return open_named(a, OP_SCOPE, path);
}

size_t aml_device(Aml *a, const char *name)
{
    return open_ext(a, EXT_DEVICE, name);
}

size_t aml_processor(Aml *a, const char *name, uint8_t id)
{
    size_t mark = open_ext(a, EXT_PROCESSOR, name);
    aml_byte(a, id);
    put_le(a, 0, 4);                  /* no processor block */
    aml_byte(a, 0);
    return mark;
}

size_t aml_method(Aml *a, const char *name, unsigned n_args, bool serialized)
{
    size_t mark = open_named(a, OP_METHOD, name);
    aml_byte(a, (uint8_t)(n_args | (serialized ? 8 : 0)));
    return mark;
}

size_t aml_package(Aml *a, uint8_t n)
{
    aml_byte(a, OP_PACKAGE);
    size_t mark = a->len;
    aml_byte(a, n);
    return mark;
}

size_t aml_if(Aml *a)
{
    aml_byte(a, OP_IF);
    return a->len;
}

void aml_region(Aml *a, const char *name, uint8_t space, uint64_t at, uint64_t n)
{
    aml_byte(a, OP_EXT);
    aml_byte(a, EXT_REGION);
    aml_path(a, name);
    aml_byte(a, space);
    aml_int(a, at);
    aml_int(a, n);
}

size_t aml_field_list(Aml *a, const char *region, uint8_t access)
{
    size_t mark = open_ext(a, EXT_FIELD, region);
    aml_byte(a, access);              /* no lock, preserve */
    return mark;
}

void aml_field(Aml *a, const char *name, unsigned bits)
{
    uint8_t enc[4];
    name_seg(a, name, strlen(name));
    aml_bytes(a, enc, pkg_length(enc, bits, false));
}

/* ---- resources ---- */
size_t aml_resources(Aml *a)
{
    aml_byte(a, OP_BUFFER);
    return a->len;
}

void aml_resources_end(Aml *a, size_t mark)
{
    aml_byte(a, 0x79);                /* end tag */
    aml_byte(a, 0);                   /* checksum not used */
    Aml *size = g_byte_array_new();
    aml_int(size, a->len - mark);
    insert(a, mark, size->data, size->len);
    g_byte_array_free(size, TRUE);
    aml_close(a, mark);
}

void aml_res_io(Aml *a, uint16_t at, uint8_t n)
{
    aml_byte(a, 0x47);
    aml_byte(a, 1);                   /* decodes 16 bits */
    put_le(a, at, 2);
    put_le(a, at, 2);
    aml_byte(a, 1);
    aml_byte(a, n);
}

void aml_res_irq(Aml *a, unsigned irq)
{
    aml_byte(a, 0x22);
    put_le(a, 1u << irq, 2);
}

void aml_res_dma(Aml *a, unsigned channel)
{
    aml_byte(a, 0x2a);
    aml_byte(a, (uint8_t)(1u << channel));
    aml_byte(a, 0);
}

void aml_res_interrupt(Aml *a, const uint32_t *irqs, unsigned n)
{
    aml_byte(a, 0x89);
    put_le(a, 2 + 4 * n, 2);
    aml_byte(a, 0x09);                /* consumer, level, active high, shared */
    aml_byte(a, (uint8_t)n);
    for (unsigned i = 0; i < n; i++) {
        put_le(a, irqs[i], 4);
    }
}

void aml_res_memory32(Aml *a, uint32_t at, uint32_t n, bool writable)
{
    aml_byte(a, 0x86);
    put_le(a, 9, 2);
    aml_byte(a, writable);
    put_le(a, at, 4);
    put_le(a, n, 4);
}

/* Word, double word and quad word address spaces: 6.4.3.5.  type 0 memory, 1 I/O, 2 bus. */
static void address_space(Aml *a, unsigned size, uint8_t type, uint8_t specific, uint64_t first,
                          uint64_t last)
{
    aml_byte(a, size == 2 ? 0x88 : size == 4 ? 0x87 : 0x8a);
    put_le(a, 3 + 5 * size, 2);
    aml_byte(a, type);
    aml_byte(a, 0x0c);                /* producer, both ends fixed */
    aml_byte(a, specific);
    put_le(a, 0, size);               /* granularity */
    put_le(a, first, size);
    put_le(a, last, size);
    put_le(a, 0, size);               /* translation */
    put_le(a, last - first + 1, size);
}

void aml_res_bus(Aml *a, uint16_t first, uint16_t last)
{
    address_space(a, 2, 2, 0, first, last);
}

void aml_res_port_window(Aml *a, uint16_t first, uint16_t last)
{
    address_space(a, 2, 1, 3, first, last);             /* ISA and non-ISA ranges */
}

void aml_res_memory_window(Aml *a, uint64_t first, uint64_t last, bool cacheable, bool wide)
{
    address_space(a, wide ? 8 : 4, 0, cacheable ? 3 : 1, first, last);
}
