/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i440fx.c -- 82441FX PCI and memory controller: what of the RAM below 1 MiB is seen, for reads and
 * writes apart.
 *
 * Spec: Intel 440FX PCIset, 82441FX (PMC) and 82442FX (DBX), order 290549-001, chapter 3.2.
 * Omits: DRAM timing (the registers hold what is written), ECC, SMRAM.D_CLS (data accesses in
 *   system management mode reach the memory like code), TRC's CPU reset.
 * Threads: with the machine lock.
 */
#include "core/machine.h"
#include "hw/pci/pcihost.h"

enum { PAM0 = 0x59, SMRAM = 0x72 };
enum { SMRAM_LOCK = 0x10, SMRAM_CLOSED = 0x20, SMRAM_OPEN = 0x40, SMRAM_ENABLE = 0x08 };
enum { N_PAM = 13 };

typedef struct I440fx {
    PciDevice pci;
    Mapping   pam[N_PAM];             /* 0: F0000-FFFFF; then 16 KiB each from C0000 */
    Mapping   smram;                  /* A0000-BFFFF, open to all while D_OPEN, */
    Mapping   smram_smm;              /* and in system management mode, in: */
    Region   *smm_view;
} I440fx;

static void update_pam(I440fx *s)
{
    Machine *m = s->pci.dev.machine;
    map_begin(m);
    for (unsigned i = 0; i < N_PAM; i++) {
        unsigned nibble = i + 1;      /* PAM0's low nibble is reserved */
        uint8_t attr = s->pci.config[PAM0 + nibble / 2] >> (nibble & 1 ? 4 : 0);
        s->pam[i].seen = (attr & 1 ? SEEN_READ : 0) | (attr & 2 ? SEEN_WRITE : 0);
        s->pam[i].on = s->pam[i].seen != 0;
    }
    uint8_t smram = s->pci.config[SMRAM];
    s->smram.on = (smram & SMRAM_ENABLE) && (smram & SMRAM_OPEN);
    s->smram_smm.on = smram & SMRAM_ENABLE;
    map_commit(m);
}

static void pam_written(void *dev, uint64_t old, uint64_t val)
{
    if (old != val) {
        update_pam(dev);
    }
}

/* Table 3.2.27: once D_LCK is set, D_OPEN is 0 and only D_CLS may still change. */
static void smram_written(void *dev, uint64_t old, uint64_t val)
{
    I440fx *s = dev;
    if (old & SMRAM_LOCK) {
        val = (old & ~(uint64_t)SMRAM_CLOSED) | (val & SMRAM_CLOSED);
    } else if (val & SMRAM_LOCK) {
        val &= ~(uint64_t)SMRAM_OPEN;
    }
    pci_put(&s->pci, SMRAM, 1, (uint32_t)val);
    update_pam(s);
}

#define PAM_REG(n) PCI_REG(PAM0 + n, 1, "PAM" #n, .wr = n ? 0x33 : 0x30, .on_write = pam_written)
static const Reg i440fx_regs[] = {
    PCI_REG(PCI_COMMAND, 2, "PCICMD", .reset = 0x0006, .wr = 0x0140),
    PCI_REG(PCI_STATUS, 2, "PCISTS", .reset = 0x0280, .w1c = 0xf900),
    PCI_REG(0x50, 2, "PMCCFG", .wr = 0xfef8),
    PCI_REG(0x52, 1, "DETURBO", .wr = 0xff),
    PCI_REG(0x53, 1, "DBC", .reset = 0x80, .wr = 0xff),
    PCI_REG(0x54, 1, "AXC", .wr = 0x0f),
    PCI_REG(0x55, 2, "DRT", .wr = 0xffff),
    PCI_REG(0x57, 1, "DRAMC", .reset = 0x01, .wr = 0x7f),
    PCI_REG(0x58, 1, "DRAMT", .reset = 0x10, .wr = 0xff),
    PAM_REG(0), PAM_REG(1), PAM_REG(2), PAM_REG(3), PAM_REG(4), PAM_REG(5), PAM_REG(6),
    PCI_REG(0x60, 4, "DRB0", .reset = 0x01010101, .wr = 0xffffffff),
    PCI_REG(0x64, 4, "DRB4", .reset = 0x01010101, .wr = 0xffffffff),
    PCI_REG(0x68, 1, "FDHC", .wr = 0xc0),
    PCI_REG(0x70, 1, "MTT", .wr = 0xf8),
    PCI_REG(0x71, 1, "CLT", .wr = 0xff),
    PCI_REG(SMRAM, 1, "SMRAM", .reset = 0x02, .wr = 0x78, .on_write = smram_written),
    PCI_REG(0x90, 1, "ERRCMD", .wr = 0xdb),
    PCI_REG(0x91, 1, "ERRSTS", .w1c = 0x11),
    PCI_REG(0x93, 1, "TRC", .wr = 0x07),
    { .size = 0 }
};

static Mapping ram_piece(Machine *m, hwaddr at, uint64_t size)
{
    return (Mapping){ .region = &m->ram, .from = at, .size = size, .at = at, .priority = 1,
                      .seen = SEEN_READ | SEEN_WRITE };
}

static bool i440fx_realize(void *dev, GError **err)
{
    I440fx *s = dev;
    Machine *m = s->pci.dev.machine;
    (void)err;
    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = 0x1237, .class_code = 0x060000,
                                   .revision = 2,
                                   .subsystem_vendor = 0x1af4, .subsystem = 0x1100 }, i440fx_regs);
    s->pam[0] = ram_piece(m, 0xf0000, 0x10000);
    for (unsigned i = 1; i < N_PAM; i++) {
        s->pam[i] = ram_piece(m, 0xc0000 + (i - 1) * 0x4000, 0x4000);
    }
    s->smram = s->smram_smm = ram_piece(m, 0xa0000, 0x20000);
    map_begin(m);
    for (unsigned i = 0; i < N_PAM; i++) {
        region_add(&m->memory, &s->pam[i]);
    }
    region_add(&m->memory, &s->smram);
    if (s->smm_view) {
        region_add(s->smm_view, &s->smram_smm);
    }
    map_commit(m);
    return true;
}

static void i440fx_unrealize(void *dev)
{
    I440fx *s = dev;
    Machine *m = s->pci.dev.machine;
    map_begin(m);
    pci_unmap(&m->memory, s->pam, N_PAM);
    pci_unmap(&m->memory, &s->smram, 1);
    if (s->smm_view) {
        pci_unmap(s->smm_view, &s->smram_smm, 1);
    }
    map_commit(m);
    pci_unrealize(dev);
}

static void i440fx_reset(void *dev)
{
    pci_reset(dev);
    update_pam(dev);
}

static bool i440fx_restored(void *dev, GError **err)
{
    if (!pci_restored(dev, err)) {
        return false;
    }
    update_pam(dev);
    return true;
}

static const Field i440fx_fields[] = { PCI_FIELDS(I440fx), FIELD_END };

const DeviceClass i440fx_class = {
    .name = "i440FX",
    .desc = "Intel 82441FX memory controller (host bridge)",
    .spec = "Intel 290549-001",
    .bus = "pci",
    .size = sizeof(I440fx),
    .fields = i440fx_fields,
    .realize = i440fx_realize,
    .unrealize = i440fx_unrealize,
    .reset = i440fx_reset,
    .restored = i440fx_restored,
};

void *i440fx_create(Machine *m, PciHost *host, GError **err)
{
    I440fx *s = device_new(m, host->bus.base, i440fx_class.name, NULL, err);
    if (!s || !device_set(s, "addr", "0", err)) {
        return NULL;
    }
    s->smm_view = host->smram;
    return device_realize(s, err) ? s : NULL;
}
