/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.c -- RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET, SRAT, SLIT and DSDT of a PC, and the script
 * by which firmware places them.
 *
 * Spec: ACPI 6.5, chapter 5.2 (FADT as of ACPI 2.0, revision 3); IA-PC HPET 1.0a, 3.2.4; the
 *   etc/table-loader commands as SeaBIOS and OVMF carry them out.
 * Omits: x2APIC entries (at most 255 CPUs), MCFG.
 * Threads: main thread; contents are written again, with the lock, each time that the firmware
 *   selects the file.
 */
#include "hw/acpi/acpi.h"
#include "core/numa.h"
#include "core/options.h"
#include "hw/acpi/aml.h"
#include "hw/acpi/pcihp.h"
#include "hw/firmware/fw_cfg.h"
#include <string.h>

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"
enum { HEADER_BYTES = 36, FACS_BYTES = 64, FADT_BYTES = 244, RSDP_BYTES = 36 };
enum { SCI_IRQ = 9, CF9 = 0xcf9, RESET_VALUE = 0x06 };

static void le(GByteArray *out, uint64_t v, unsigned size)
{
    v = GUINT64_TO_LE(v);
    g_byte_array_append(out, (const guint8 *)&v, size);
}

static void set_le(uint8_t *p, unsigned at, uint64_t v, unsigned size)
{
    v = GUINT64_TO_LE(v);
    memcpy(p + at, &v, size);
}

static void text(GByteArray *out, const char *s, size_t n)
{
    char buf[16] = { 0 };
    memcpy(buf, s, MIN(strlen(s), n));
    g_byte_array_append(out, (const guint8 *)buf, (guint)n);
}

/* ---- the loader's script: 128-byte commands ---- */
enum { CMD_ALLOCATE = 1, CMD_POINTER, CMD_CHECKSUM, ZONE_HIGH = 1, ZONE_FSEG = 2, CMD_BYTES = 128,
       FILE_BYTES = 56 };

typedef struct Builder {
    GByteArray *tables, *script;
} Builder;

static void file_name(GByteArray *out, const char *name)
{
    char buf[FILE_BYTES] = { 0 };
    g_strlcpy(buf, name, sizeof(buf));
    g_byte_array_append(out, (const guint8 *)buf, FILE_BYTES);
}

static void end_command(Builder *b)
{
    static const guint8 zero = 0;
    while (b->script->len % CMD_BYTES) {
        g_byte_array_append(b->script, &zero, 1);
    }
}

static void cmd_allocate(Builder *b, const char *file, uint32_t align, uint8_t zone)
{
    le(b->script, CMD_ALLOCATE, 4);
    file_name(b->script, file);
    le(b->script, align, 4);
    le(b->script, zone, 1);
    end_command(b);
}

static void cmd_pointer(Builder *b, const char *file, uint32_t at, uint8_t size)
{
    le(b->script, CMD_POINTER, 4);
    file_name(b->script, file);
    file_name(b->script, TABLES_FILE);
    le(b->script, at, 4);
    le(b->script, size, 1);
    end_command(b);
}

static void cmd_checksum(Builder *b, const char *file, uint32_t at, uint32_t start, uint32_t n)
{
    le(b->script, CMD_CHECKSUM, 4);
    file_name(b->script, file);
    le(b->script, at, 4);
    le(b->script, start, 4);
    le(b->script, n, 4);
    end_command(b);
}

/* ---- table header: 5.2.6 ---- */
static uint32_t open_table(Builder *b, const char *signature, uint8_t revision)
{
    uint32_t at = b->tables->len;
    text(b->tables, signature, 4);
    le(b->tables, 0, 4);              /* length */
    le(b->tables, revision, 1);
    le(b->tables, 0, 1);              /* checksum */
    text(b->tables, "RYOKAN", 6);
    text(b->tables, "RYOKANPC", 8);
    le(b->tables, 1, 4);
    text(b->tables, "RYKN", 4);
    le(b->tables, 1, 4);
    return at;
}

static void close_table(Builder *b, uint32_t at)
{
    uint32_t n = b->tables->len - at;
    set_le(b->tables->data, at + 4, n, 4);
    cmd_checksum(b, TABLES_FILE, at + 9, at, n);
}

/*
 * A pointer to another table: the offset now, the address once the loader has added the file's
 * base.
 */
static void pointer(Builder *b, uint32_t at, uint32_t to, uint8_t size)
{
    set_le(b->tables->data, at, to, size);
    cmd_pointer(b, TABLES_FILE, at, size);
}

/* ---- FADT: 5.2.9 ---- */
static void gas(uint8_t *t, unsigned at, uint8_t bits, uint64_t port)
{
    set_le(t, at, 1, 1);              /* system I/O */
    set_le(t, at + 1, bits, 1);
    set_le(t, at + 2, 0, 2);
    set_le(t, at + 4, port, 8);
}

static uint32_t fadt(Builder *b, const AcpiPc *pc, uint32_t facs, uint32_t dsdt)
{
    enum { WBINVD = 1 << 0, PROC_C1 = 1 << 2, SLP_BUTTON = 1 << 5, RTC_S4 = 1 << 7,
           RESET_REG = 1 << 10,
           PLATFORM_CLOCK = 1 << 15 };
    static const struct {
        uint8_t  at, size;
        uint32_t val;
    } fixed[] = {
        /* SMI_CMD, ACPI_ENABLE, ACPI_DISABLE */
        { 46, 2, SCI_IRQ }, { 48, 4, 0xb2 }, { 52, 1, 0xf1 }, { 53, 1, 0xf0 },
        /* lengths of PM1_EVT, PM1_CNT, PM_TMR, GPE0 */
        { 88, 1, 4 }, { 89, 1, 2 }, { 91, 1, 4 }, { 92, 1, GPE0_BYTES },
        { 96, 2, 0xfff }, { 98, 2, 0xfff },     /* C2 and C3: not there */
        { 108, 1, 0x32 }, { 109, 2, 0x03 },     /* CENTURY; legacy devices, 8042 */
        { 112, 4, WBINVD | PROC_C1 | SLP_BUTTON | RTC_S4 | RESET_REG | PLATFORM_CLOCK },
        { 128, 1, RESET_VALUE },
    };
    uint16_t base = pc->pm_base ? pc->pm_base(pc->pm) : 0;
    uint32_t at = open_table(b, "FACP", 3);
    base = base ? base : ACPI_PM_BASE;
    g_byte_array_set_size(b->tables, at + FADT_BYTES);
    uint8_t *t = b->tables->data + at;
    memset(t + HEADER_BYTES, 0, FADT_BYTES - HEADER_BYTES);
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        set_le(t, fixed[i].at, fixed[i].val, fixed[i].size);
    }
    set_le(t, 56, base, 4);
    set_le(t, 64, base + 4u, 4);
    set_le(t, 76, base + 8u, 4);
    set_le(t, 80, GPE0_PORT, 4);
    gas(t, 116, 8, CF9);
    gas(t, 148, 32, base);
    gas(t, 172, 16, base + 4u);
    gas(t, 208, 32, base + 8u);
    gas(t, 220, 32, GPE0_PORT);
    pointer(b, at + 36, facs, 4);
    pointer(b, at + 40, dsdt, 4);
    pointer(b, at + 140, dsdt, 8);    /* X_FIRMWARE_CTRL stays 0: FIRMWARE_CTRL is given */
    close_table(b, at);
    return at;
}

/* ---- MADT: 5.2.12 ---- */
static void madt_override(GByteArray *t, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    le(t, 2, 1);
    le(t, 10, 1);
    le(t, 0, 1);                      /* bus: ISA */
    le(t, irq, 1);
    le(t, gsi, 4);
    le(t, flags, 2);
}

static uint32_t madt(Builder *b, const AcpiPc *pc)
{
    static const uint8_t level_irqs[] = { 5, 9, 10, 11 };         /* PCI links and the SCI */
    enum { LEVEL_HIGH = 0x0d };
    GByteArray *t = b->tables;
    uint32_t at = open_table(b, "APIC", 3);
    le(t, 0xfee00000, 4);
    le(t, 1, 4);                      /* there is an 8259 pair, too */
    for (unsigned i = 0; i < pc->n_cpus; i++) {
        le(t, 0, 1);
        le(t, 8, 1);
        le(t, i, 1);
        le(t, machine_cpu_id(pc->machine, i), 1);
        le(t, 1, 4);
    }
    le(t, 1, 1);
    le(t, 12, 1);
    le(t, 0, 2);                      /* IO-APIC 0 */
    le(t, 0xfec00000, 4);
    le(t, 0, 4);
    madt_override(t, 0, 2, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(level_irqs); i++) {
        madt_override(t, level_irqs[i], level_irqs[i], LEVEL_HIGH);
    }
    le(t, 4, 1);                      /* LINT1 of all is NMI */
    le(t, 6, 1);
    le(t, 0xff, 1);
    le(t, 0, 2);
    le(t, 1, 1);
    close_table(b, at);
    return at;
}

static uint32_t hpet(Builder *b, const AcpiPc *pc)
{
    GByteArray *t = b->tables;
    uint32_t at = open_table(b, "HPET", 1);
    le(t, pc->hpet_id, 4);
    le(t, 0, 1);                      /* memory, 64 bits wide */
    le(t, 64, 1);
    le(t, 0, 2);
    le(t, 0xfed00000, 8);
    le(t, 0, 1);
    le(t, 100, 2);                    /* least period in periodic mode */
    le(t, 0, 1);
    close_table(b, at);
    return at;
}

/* ---- SRAT and SLIT: 5.2.16, 5.2.17 ---- */
static void srat_memory(GByteArray *t, unsigned node, uint64_t at, uint64_t bytes)
{
    if (bytes) {
        le(t, 1, 1);
        le(t, 40, 1);
        le(t, node, 4);
        le(t, 0, 2);
        le(t, at, 8);
        le(t, bytes, 8);
        le(t, 0, 4);
        le(t, 1, 4);                  /* enabled */
        le(t, 0, 8);
    }
}

static uint32_t srat(Builder *b, const AcpiPc *pc, const Numa *numa)
{
    enum { HOLE = 0xa0000, HOLE_END = 0x100000 };
    const uint64_t high = UINT64_C(1) << 32;
    GByteArray *t = b->tables;
    uint32_t at = open_table(b, "SRAT", 3);
    uint64_t from = 0;
    le(t, 1, 4);
    le(t, 0, 8);
    for (unsigned i = 0; i < pc->n_cpus; i++) {
        le(t, 0, 1);
        le(t, 16, 1);
        le(t, numa->cpu_node[i], 1);
        le(t, machine_cpu_id(pc->machine, i), 1);
        le(t, 1, 4);
        le(t, 0, 8);
    }
    for (unsigned n = 0; n < numa->n; n++) {
        uint64_t end = from + numa->node[n].bytes;
        uint64_t low_end = MIN(end, pc->low_ram), high_from = MAX(from, pc->low_ram);
        /* VGA and ROMs lie in between */
        uint64_t cut = from < HOLE && low_end > HOLE_END ? HOLE : low_end;
        srat_memory(t, n, from, from < cut ? cut - from : 0);
        srat_memory(t, n, HOLE_END, cut < low_end ? low_end - HOLE_END : 0);
        srat_memory(t, n, high + (high_from - pc->low_ram), high_from < end ? end - high_from : 0);
        from = end;
    }
    close_table(b, at);
    return at;
}

static uint32_t slit(Builder *b, const Numa *numa)
{
    uint32_t at = open_table(b, "SLIT", 1);
    le(b->tables, numa->n, 8);
    for (unsigned i = 0; i < numa->n; i++) {
        for (unsigned j = 0; j < numa->n; j++) {
            le(b->tables, numa->distance[i][j], 1);
        }
    }
    close_table(b, at);
    return at;
}

static uint32_t root_table(Builder *b, const char *signature, const uint32_t *tables, unsigned n,
                           uint8_t size)
{
    uint32_t at = open_table(b, signature, 1);
    for (unsigned i = 0; i < n; i++) {
        le(b->tables, 0, size);
        pointer(b, b->tables->len - size, tables[i], size);
    }
    close_table(b, at);
    return at;
}

static void facs(Builder *b)
{
    text(b->tables, "FACS", 4);
    le(b->tables, FACS_BYTES, 4);
    g_byte_array_set_size(b->tables, FACS_BYTES);
    memset(b->tables->data + 8, 0, FACS_BYTES - 8);
    b->tables->data[32] = 1;          /* version */
}

/* rsdp: RSDP_BYTES bytes. */
static void build(const AcpiPc *pc, Builder *b, uint8_t *rsdp)
{
    const Numa *numa = pc->machine->options ? pc->machine->options->numa : NULL;
    uint32_t tables[6], n = 0;
    cmd_allocate(b, RSDP_FILE, 16, ZONE_FSEG);
    cmd_allocate(b, TABLES_FILE, 64, ZONE_HIGH);
    facs(b);
    uint32_t dsdt = open_table(b, "DSDT", 1);
    dsdt_pc(pc, b->tables);
    close_table(b, dsdt);
    tables[n++] = fadt(b, pc, 0, dsdt);
    tables[n++] = madt(b, pc);
    if (pc->hpet) {
        tables[n++] = hpet(b, pc);
    }
    if (numa) {
        tables[n++] = srat(b, pc, numa);
        tables[n++] = slit(b, numa);
    }
    uint32_t rsdt = root_table(b, "RSDT", tables, n, 4), xsdt = root_table(b, "XSDT", tables, n, 8);
    memcpy(rsdp, "RSD PTR \0RYOKAN\2", 16);       /* 5.2.5.3, revision 2 */
    set_le(rsdp, 16, rsdt, 4);
    set_le(rsdp, 20, RSDP_BYTES, 4);
    set_le(rsdp, 24, xsdt, 8);
    set_le(rsdp, 32, 0, 4);
    cmd_pointer(b, RSDP_FILE, 16, 4);
    cmd_pointer(b, RSDP_FILE, 24, 8);
    cmd_checksum(b, RSDP_FILE, 8, 0, 20);
    cmd_checksum(b, RSDP_FILE, 32, 0, RSDP_BYTES);
}

/* The same tables again, now that the chipset is set up: only numbers of fixed width differ. */
static void refill(void *arg, uint8_t *data, size_t n)
{
    Builder b = { g_byte_array_new(), g_byte_array_new() };
    uint8_t rsdp[RSDP_BYTES];
    build(arg, &b, rsdp);
    if (b.tables->len == n) {
        memcpy(data, b.tables->data, n);
    }
    g_byte_array_free(b.tables, TRUE);
    g_byte_array_free(b.script, TRUE);
}

bool acpi_pc_add(AcpiPc *pc, void *fw, GError **err)
{
    Builder b = { g_byte_array_new(), g_byte_array_new() };
    uint8_t rsdp[RSDP_BYTES];
    build(pc, &b, rsdp);
    bool ok = fw_cfg_file_live(fw, TABLES_FILE, b.tables->len, refill, pc, err) &&
              fw_cfg_file(fw, RSDP_FILE, g_bytes_new(rsdp, sizeof(rsdp)), err) &&
              fw_cfg_file(fw, LOADER_FILE, g_bytes_new(b.script->data, b.script->len), err);
    g_byte_array_free(b.tables, TRUE);
    g_byte_array_free(b.script, TRUE);
    return ok;
}
