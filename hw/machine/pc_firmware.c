/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc_firmware.c -- what a PC's firmware finds: CMOS contents, fw_cfg items, the BIOS image, a
 * kernel, ACPI and SMBIOS tables.
 *
 * Spec: the CMOS map of the IBM AT Technical Reference (3-58) and, for 34h, 35h, 38h, 3Dh, 5Bh-5Fh,
 *   SeaBIOS's documentation; fw_cfg items as SeaBIOS's src/fw/paravirt.h names them.
 * Omits: hard disk types (firmware asks the drives), NUMA.
 * Threads: main thread, before the machine runs.
 */
#include "core/options.h"
#include "hw/firmware/boot.h"
#include "hw/firmware/firmware.h"
#include "hw/firmware/pflash.h"
#include "hw/floppy/fdc.h"
#include "hw/machine/pc.h"
#include "hw/timer/timer.h"
#include <string.h>

enum { CMOS_FLOPPIES = 0x10, CMOS_EQUIPMENT = 0x14, CMOS_BASE_KB = 0x15, CMOS_EXT_KB = 0x17,
       CMOS_EXT_KB_TOO = 0x30, CMOS_ABOVE_16M = 0x34,
       CMOS_BOOT_3 = 0x38, CMOS_BOOT_12 = 0x3d, CMOS_ABOVE_4G = 0x5b, CMOS_CPUS = 0x5f };
enum { EQUIPMENT_FLOPPY = 1, EQUIPMENT_FPU = 2, EQUIPMENT_POINTER = 4, NO_FLOPPY_CHECK = 1,
       SHIFT_64K = 16, BOOT_LETTERS = 3 };
#define LOW_BIOS (128u << 10)
#define FLASH_MAX (16u << 20)
/* three timers, 64 bits, legacy replacement: the device's capabilities */
#define HPET_ID 0x8086a201u

static void cmos_int(PcMachine *pc, unsigned index, uint64_t val, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        rtc_cmos_set(pc->rtc, index + i, (uint8_t)(val >> (8 * i)));
    }
}

/* Boot devices by letter: 1 floppy, 2 disk, 3 CD-ROM, 4 network. */
static bool set_boot_order(PcMachine *pc, const char *order, GError **err)
{
    static const char letters[] = "acdn";
    uint8_t code[BOOT_LETTERS] = { 0 };
    unsigned n = 0;
    for (const char *p = order; *p; p++) {
        const char *at = strchr(letters, *p);
        if (!at || n == BOOT_LETTERS) {
            return fail(err,
                        "-boot: \"%s\" is no boot order; write up to three letters of a (floppy), "
                        "c (disk), d (CD-ROM), "
                        "n (network)",
                        order);
        }
        code[n++] = (uint8_t)(at - letters + 1);
    }
    rtc_cmos_set(pc->rtc, CMOS_BOOT_12, (uint8_t)(code[1] << 4 | code[0]));
    rtc_cmos_set(pc->rtc, CMOS_BOOT_3, (uint8_t)(code[2] << 4 | NO_FLOPPY_CHECK));
    return true;
}

/* -boot once= held for the first start only. */
static void after_first_boot(void *arg)
{
    Machine *m = arg;
    set_boot_order(m->machine_data, m->options->boot_order ? m->options->boot_order : "cad", NULL);
}

static bool fill_cmos(Machine *m, PcMachine *pc, GError **err)
{
    const struct Options *o = m->options;
    uint64_t ext_kb = (pc->low_ram >> 10) - 1024,
             above_16m = pc->low_ram > (16 << 20) ? (pc->low_ram - (16 << 20)) >> SHIFT_64K : 0;
    uint8_t  floppies = fdc_cmos_types(pc->fdc);
    unsigned n = (floppies >> 4 != 0) + ((floppies & 15) != 0);
    cmos_int(pc, CMOS_FLOPPIES, floppies, 1);
    cmos_int(pc, CMOS_EQUIPMENT,
             EQUIPMENT_FPU | EQUIPMENT_POINTER | (n ? EQUIPMENT_FLOPPY | (n - 1) << 6 : 0), 1);
    cmos_int(pc, CMOS_BASE_KB, 640, 2);
    cmos_int(pc, CMOS_EXT_KB, MIN(ext_kb, 0xffff), 2);
    cmos_int(pc, CMOS_EXT_KB_TOO, MIN(ext_kb, 0xffff), 2);
    cmos_int(pc, CMOS_ABOVE_16M, MIN(above_16m, 0xffff), 2);
    cmos_int(pc, CMOS_ABOVE_4G, pc->high_ram >> SHIFT_64K, 3);
    cmos_int(pc, CMOS_CPUS, m->n_cpus - 1, 1);
    if (!set_boot_order(pc, o->boot_order ? o->boot_order : "cad", err)) {
        return false;
    }
    if (o->boot_once) {
        fw_cfg_after_first_reset(pc->fw, after_first_boot, m);
        return set_boot_order(pc, o->boot_once, err);
    }
    return true;
}

/* 20 bytes each: u64 address, u64 length, u32 type (1: RAM). */
static GBytes *ram_map(const PcMachine *pc)
{
    const struct {
        uint64_t at, n;
    } parts[] = { { 0, pc->low_ram }, { UINT64_C(1) << 32, pc->high_ram } };
    GByteArray *out = g_byte_array_new();
    uint32_t type = GUINT32_TO_LE(1);
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        uint64_t at = GUINT64_TO_LE(parts[i].at), n = GUINT64_TO_LE(parts[i].n);
        if (n) {
            g_byte_array_append(out, (const guint8 *)&at, 8);
            g_byte_array_append(out, (const guint8 *)&n, 8);
            g_byte_array_append(out, (const guint8 *)&type, 4);
        }
    }
    return g_byte_array_free_to_bytes(out);
}

static void put_uuid(Machine *m, void *fw)
{
    uint8_t b[16] = { 0 };
    unsigned n = 0;
    for (const char *p = m->uuid ? m->uuid : ""; *p && n < 32; p++) {
        if (g_ascii_isxdigit(*p)) {
            b[n / 2] = (uint8_t)(b[n / 2] << 4 | g_ascii_xdigit_value(*p));
            n++;
        }
    }
    fw_cfg_bytes(fw, FW_UUID, b, sizeof(b));
}

static bool user_items(Machine *m, void *fw, GError **err)
{
    GPtrArray *list = m->options->fw_cfg;
    for (guint i = 0; list && i < list->len; i++) {
        OptFwCfg *f = list->pdata[i];
        GBytes *data =
            f->file ? firmware_read(f->file, "fw_cfg file", 1u << 30, err)
                    : g_bytes_new(f->string ? f->string : "", f->string ? strlen(f->string) : 0);
        if (!data || !fw_cfg_file(fw, f->name, data, err)) {
            return false;
        }
    }
    return true;
}

static bool fill_fw_cfg(Machine *m, PcMachine *pc, GError **err)
{
    /* S0 and S5; the values of S3 and S4 */
    static const uint8_t sleep_states[6] = { 0x80, 0, 0, 0x01, 0x02, 0x80 };
    const struct Options *o = m->options;
    void *fw = pc->fw;
    put_uuid(m, fw);
    fw_cfg_int(fw, FW_RAM_SIZE, m->ram_bytes, 8);
    fw_cfg_int(fw, FW_NOGRAPHIC, o->nographic, 2);
    fw_cfg_int(fw, FW_NB_CPUS, m->n_cpus, 2);
    fw_cfg_int(fw, FW_MAX_CPUS, machine_cpu_id(m, m->n_cpus - 1) + 1, 2);
    fw_cfg_int(fw, FW_BOOT_MENU, o->boot_menu, 2);
    fw_cfg_int(fw, FW_NUMA, 0, 8);
    fw_cfg_int(fw, FW_IRQ0_OVERRIDE, 1, 1);
    if (o->boot_splash_ms &&
        !fw_cfg_file_int(fw, "etc/boot-menu-wait", MIN(o->boot_splash_ms, 0xffff), 2, err)) {
        return false;
    }
    if (o->boot_fail_set && !fw_cfg_file_int(fw, "etc/boot-fail-wait", o->boot_fail_ms, 4, err)) {
        return false;
    }
    return fw_cfg_file(fw, "etc/e820", ram_map(pc), err) &&
           fw_cfg_file(fw, "etc/system-states",
                       g_bytes_new_static(sleep_states, sizeof(sleep_states)), err) &&
           user_items(m, fw, err);
}

static bool tables(Machine *m, PcMachine *pc, GError **err)
{
    pc->acpi = (AcpiPc){ .machine = m, .n_cpus = m->n_cpus, .low_ram = pc->low_ram,
                         .high_ram = pc->high_ram, .hpet = pc->hpet != NULL, .hpet_id = HPET_ID,
                         .bus = &pc->host->bus, .pm_base = piix4_pm_base, .pm = pc->pm };
    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        pc->acpi.serial[i] = m->options->serial[i] != NULL;
    }
    for (unsigned i = 0; i < MAX_PARALLEL; i++) {
        pc->acpi.parallel[i] = m->options->parallel[i] != NULL;
    }
    return acpi_pc_add(&pc->acpi, pc->fw, err) &&
           smbios_add(m, pc->fw, pc->low_ram, pc->high_ram, err);
}

/*
 * Flash: unit 0 ends at 4 GiB and is seen below 1 MiB as a BIOS would be; the next unit ends where
 * it begins.
 */
static bool map_flash(Machine *m, PcMachine *pc, Region *flash, Region *array, unsigned unit,
                      GError **err)
{
    uint64_t low = MIN(flash->size, LOW_BIOS);

    if (pc->flash_bytes + flash->size > FLASH_MAX) {
        return fail(err, "if=pflash: all flash together may have 16 MiB");
    }
    pc->flash_bytes += flash->size;
    map_begin(m);
    region_map(&m->memory, flash, (UINT64_C(1) << 32) - pc->flash_bytes);
    if (unit == 0) {
        Mapping *alias = region_map(&pc->pci_memory, array, 0x100000 - low);
        alias->from = flash->size - low;
        alias->size = low;
    }
    map_commit(m);
    return true;
}

/* -drive if=pflash,unit=N in order of units; false without an error: there is none. */
static bool pc_flash(Machine *m, PcMachine *pc, GError **err)
{
    const struct Options *o = m->options;
    bool any = false;

    for (unsigned unit = 0; unit < PFLASH_DRIVES; unit++) {
        for (guint i = 0; o->drives && i < o->drives->len; i++) {
            OptDrive *d = o->drives->pdata[i];
            if (d->iface != DRIVE_PFLASH || d->unit != (int)unit) {
                continue;
            }
            Pflash *flash = pflash_create(m, drive_find(m, d->id), err);
            if (!flash || !map_flash(m, pc, pflash_region(flash), pflash_array(flash), unit, err)) {
                return false;
            }
            any = d->used = true;
        }
    }
    return any;
}

static bool firmware(Machine *m, PcMachine *pc, GError **err)
{
    GError *why = NULL;

    if (pc_flash(m, pc, &why)) {
        return !m->options->bios ||
               fail(err,
                    "-bios: there is flash at its place; leave out one of -bios and if=pflash");
    }
    if (why) {
        g_propagate_error(err, why);
        return false;
    }
    pc->bios = bios_map(m, m->options->bios, &pc->pci_memory, err);
    return pc->bios != NULL;
}

bool pc_firmware(Machine *m, PcMachine *pc, GError **err)
{
    return firmware(m, pc, err) && fill_cmos(m, pc, err) && fill_fw_cfg(m, pc, err) &&
           boot_kernel(m, pc->fw, pc->low_ram, err) && tables(m, pc, err);
}
