/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smbios.c -- SMBIOS tables: what dmidecode shows of the machine.
 *
 * Spec: DMTF DSP0134 3.6: 5.2.1 (32-bit entry point), 7.1, 7.2, 7.4, 7.5, 7.17, 7.18, 7.20, 7.33.
 * Omits: structures 2, 7, 8, 9 and 11.
 * Threads: main thread.
 */
#include "hw/acpi/acpi.h"
#include "hw/firmware/fw_cfg.h"
#include <string.h>

#define GIB (UINT64_C(1) << 30)
enum { DIMM_GIB = 16, MAX_STRINGS = 8 };
enum { H_BIOS = 0x0000, H_SYSTEM = 0x0100, H_CHASSIS = 0x0300, H_CPU = 0x0400, H_ARRAY = 0x1000,
       H_DIMM = 0x1100,
       H_MAPPED = 0x1300, H_BOOT = 0x2000, H_END = 0x7f00 };

typedef struct Smbios {
    GByteArray *out;
    guint       at;                   /* of the structure being written */
    const char *strings[MAX_STRINGS];
    unsigned    n_strings, count;
    guint       largest;
} Smbios;

static void put(Smbios *s, uint64_t v, unsigned size)
{
    v = GUINT64_TO_LE(v);
    g_byte_array_append(s->out, (const guint8 *)&v, size);
}

static void put_string(Smbios *s, const char *text)
{
    g_assert(s->n_strings < MAX_STRINGS);
    s->strings[s->n_strings++] = text;
    put(s, s->n_strings, 1);
}

static void open(Smbios *s, uint8_t type, uint16_t handle)
{
    s->at = s->out->len;
    s->n_strings = 0;
    put(s, type, 1);
    put(s, 0, 1);
    put(s, handle, 2);
}

static void close_structure(Smbios *s)
{
    s->out->data[s->at + 1] = (uint8_t)(s->out->len - s->at);
    for (unsigned i = 0; i < s->n_strings; i++) {
        g_byte_array_append(s->out, (const guint8 *)s->strings[i],
                            (guint)strlen(s->strings[i]) + 1);
    }
    put(s, 0, s->n_strings ? 1 : 2);
    s->largest = MAX(s->largest, s->out->len - s->at);
    s->count++;
}

static void bios(Smbios *s)
{
    open(s, 0, H_BIOS);
    put_string(s, "SeaBIOS");
    put_string(s, "ryokan");
    put(s, 0xe800, 2);
    put_string(s, "04/01/2014");
    put(s, 0, 1);
    put(s, 0x08, 8);                  /* characteristics are not given */
    put(s, 0, 1);
    put(s, 0x14, 1);                  /* targeted content distribution; a virtual machine */
    put(s, 0, 2);
    put(s, 0xffff, 2);
    close_structure(s);
}

/* The first three fields of a UUID are little-endian: 7.2.1. */
static void put_uuid(Smbios *s, const char *uuid)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t b[16] = { 0 };
    unsigned n = 0;
    for (const char *p = uuid ? uuid : ""; *p && n < 32; p++) {
        if (g_ascii_isxdigit(*p)) {
            b[n / 2] = (uint8_t)(b[n / 2] << 4 | g_ascii_xdigit_value(*p));
            n++;
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        put(s, b[order[i]], 1);
    }
}

static void system_information(Smbios *s, Machine *m)
{
    open(s, 1, H_SYSTEM);
    put_string(s, "Ryokan");
    put_string(s, "Standard PC (i440FX + PIIX)");
    put_string(s, "pc");
    put(s, 0, 1);
    put_uuid(s, m->uuid);
    put(s, 6, 1);                     /* woken by the power switch */
    put(s, 0, 2);
    close_structure(s);
}

static void chassis(Smbios *s)
{
    open(s, 3, H_CHASSIS);
    put_string(s, "Ryokan");
    put(s, 1, 1);                     /* other */
    put_string(s, "pc");
    put(s, 0, 2);
    put(s, 0x02030303, 4);            /* states: safe; security: unknown */
    put(s, 0, 4);
    put(s, 0, 4);
    put(s, 0, 1);
    close_structure(s);
}

static void processor(Smbios *s, unsigned i, const char *socket)
{
    open(s, 4, (uint16_t)(H_CPU + i));
    put_string(s, socket);
    put(s, 3, 1);                     /* central processor */
    put(s, 1, 1);                     /* family: other */
    put_string(s, "Ryokan");
    put(s, 0, 8);                     /* its CPUID is its own to tell */
    put_string(s, "pc");
    put(s, 0, 1);
    put(s, 0, 2);
    put(s, 2000, 2);
    put(s, 2000, 2);
    put(s, 0x41, 1);                  /* socket populated, CPU enabled */
    put(s, 1, 1);
    put(s, 0xffff, 2);
    put(s, 0xffff, 2);
    put(s, 0xffff, 2);
    put(s, 0, 3);                     /* serial number, asset tag, part number */
    put(s, 0x010101, 3);              /* cores, enabled, threads */
    put(s, 2, 2);
    put(s, 1, 2);
    close_structure(s);
}

static void memory_array(Smbios *s, uint64_t ram, unsigned n_dimms)
{
    open(s, 16, H_ARRAY);
    put(s, 1, 1);
    put(s, 3, 1);
    put(s, 6, 1);                     /* multi-bit ECC, as servers report */
    bool wide = ram >= UINT64_C(2048) * GIB;
    put(s, wide ? 0x80000000u : ram >> 10, 4);
    put(s, 0xfffe, 2);
    put(s, n_dimms, 2);
    put(s, wide ? ram : 0, 8);
    close_structure(s);
}

static void dimm(Smbios *s, unsigned i, uint64_t bytes, const char *name)
{
    uint64_t mib = bytes >> 20;
    open(s, 17, (uint16_t)(H_DIMM + i));
    put(s, H_ARRAY, 2);
    put(s, 0xfffe, 2);
    put(s, 0xffff, 2);
    put(s, 0xffff, 2);
    put(s, mib < 0x7fff ? mib : 0x7fff, 2);
    put(s, 9, 1);                     /* DIMM */
    put(s, 0, 1);
    put_string(s, name);
    put(s, 0, 1);
    put(s, 7, 1);                     /* RAM */
    put(s, 2, 2);
    put(s, 0, 2);
    put_string(s, "Ryokan");
    put(s, 0, 3);
    put(s, 0, 1);
    put(s, mib < 0x7fff ? 0 : mib, 4);
    put(s, 0, 2);
    put(s, 0, 6);
    close_structure(s);
}

static void mapped_range(Smbios *s, unsigned i, uint64_t first, uint64_t bytes)
{
    bool wide = (first + bytes - 1) >> 10 >= UINT32_MAX;
    open(s, 19, (uint16_t)(H_MAPPED + i));
    put(s, wide ? UINT32_MAX : first >> 10, 4);
    put(s, wide ? UINT32_MAX : (first + bytes - 1) >> 10, 4);
    put(s, H_ARRAY, 2);
    put(s, 1, 1);
    put(s, wide ? first : 0, 8);
    put(s, wide ? first + bytes - 1 : 0, 8);
    close_structure(s);
}

static void boot_information(Smbios *s)
{
    open(s, 32, H_BOOT);
    put(s, 0, 6);
    put(s, 0, 1);
    close_structure(s);
}

static uint8_t sum(const uint8_t *p, unsigned n)
{
    uint8_t v = 0;
    while (n--) {
        v += *p++;
    }
    return v;
}

/* 5.2.1: the firmware fills in the table's address and its checksum. */
static GBytes *anchor(const Smbios *s)
{
    uint8_t e[31] = { '_', 'S', 'M', '_', 0, sizeof(e), 2, 8 };
    memcpy(e + 16, "_DMI_", 5);
    uint16_t largest = GUINT16_TO_LE((uint16_t)s->largest),
             bytes = GUINT16_TO_LE((uint16_t)s->out->len);
    uint16_t count = GUINT16_TO_LE((uint16_t)s->count);
    memcpy(e + 8, &largest, 2);
    memcpy(e + 22, &bytes, 2);
    memcpy(e + 28, &count, 2);
    e[30] = 0x28;
    e[21] = (uint8_t)-sum(e + 16, 15);
    e[4] = (uint8_t)-sum(e, sizeof(e));
    return g_bytes_new(e, sizeof(e));
}

bool smbios_add(Machine *m, void *fw, uint64_t low_ram, uint64_t high_ram, GError **err)
{
    Smbios s = { .out = g_byte_array_new() };
    uint64_t ram = m->ram_bytes;
    unsigned n_dimms = (unsigned)((ram + DIMM_GIB * GIB - 1) / (DIMM_GIB * GIB));
    bios(&s);
    system_information(&s, m);
    chassis(&s);
    for (unsigned i = 0; i < m->n_cpus; i++) {
        g_autofree char *socket = g_strdup_printf("CPU %u", i);
        processor(&s, i, socket);
    }
    memory_array(&s, ram, n_dimms);
    for (unsigned i = 0; i < n_dimms; i++) {
        g_autofree char *name = g_strdup_printf("DIMM %u", i);
        dimm(&s, i, MIN(ram - i * DIMM_GIB * GIB, DIMM_GIB * GIB), name);
    }
    mapped_range(&s, 0, 0, low_ram);
    if (high_ram) {
        mapped_range(&s, 1, 4 * GIB, high_ram);
    }
    boot_information(&s);
    open(&s, 127, H_END);
    close_structure(&s);
    bool ok = s.out->len <= 0xffff || fail(err, "smbios: the tables are too large; use fewer CPUs");
    ok = ok && fw_cfg_file(fw, "etc/smbios/smbios-anchor", anchor(&s), err) &&
         fw_cfg_file(fw, "etc/smbios/smbios-tables", g_bytes_new(s.out->data, s.out->len), err);
    g_byte_array_free(s.out, TRUE);
    return ok;
}
