/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4_pm.c -- 82371AB function 3: ACPI fixed hardware (SCI, power-off, PM timer, GPE0), the APM
 * command port, SMBus host.
 *
 * Spec: Intel 82371AB (PIIX4), order 290562-001, chapters 7.1-7.3, 11.3 and 12.5; ACPI 1.0b,
 *   chapter 4.7.
 * Omits: SMI sources other than the APM port (which switches ACPI on and off by itself, without an
 *   SMI, and interrupts CPU 0 alone); device idle timers, throttling, sleep states other than S5;
 *   nothing is on the SMBus, so every transaction ends with DEV_ERR.
 * Threads: with the machine lock.
 *
 * The bank has three parts, each mapped where its own registers say:
 *     00-3f  power management I/O (PMBASE)    40-4f  SMBus host (SMBBASE)
 *     50-51  APM control and status (ports B2, B3)
 */
#include "core/machine.h"
#include "cpu/x86/apicif.h"
#include "hw/acpi/pcihp.h"
#include "hw/pci/pcihost.h"

#define PM_TIMER_HZ 3579545u
enum { PM_AT = 0x00, PM_SIZE = 0x40, SMB_AT = 0x40, SMB_SIZE = 0x10, APM_AT = 0x50, APM_SIZE = 2,
       APM_PORT = 0xb2 };
enum { PMBA = 0x40, PMREGMISC = 0x80, SMBBA = 0x90, SMBHSTCFG = 0xd2, DEVACTB = 0x58 };
enum { STS_TMROF = 1, STS_GBL = 0x20, STS_PWRBTN = 0x100, STS_RTC = 0x400, STS_RSM = 0x8000 };
enum { EN_MASK = STS_TMROF | STS_GBL | STS_PWRBTN | STS_RTC };
enum { CNT_SCI_EN = 1, CNT_SUS_TYP = 0x1c00, CNT_SUS_EN = 0x2000 };
enum { DEVACTB_APMC_EN = 0x02000000, GLBCTL_SMI_EN = 1, GLBSTS_APM_STS = 0x20 };
enum { ACPI_ENABLE = 0xf1, ACPI_DISABLE = 0xf0 };
enum { HSTSTS_INTR = 2, HSTSTS_DEV_ERR = 4, HSTCNT_START = 0x40 };

typedef struct Piix4Pm {
    PciDevice pci;
    Irq       sci;
    uint16_t  pmsts, pmen, pmcntrl;
    uint32_t  pmtmr;                  /* not stored: read from the clock */
    uint16_t  gpsts, gpen;
    uint32_t  pcntrl, glben, glbctl, devctl, gporeg;
    uint16_t  glbsts;
    uint32_t  devsts;
    uint64_t  timer_half;             /* half periods of the 24-bit timer that TMROF_STS has seen */
    Timer     overflow;
    uint8_t smbhststs, smbslvsts, smbhstcnt, smbhstcmd, smbhstadd, smbhstdat0, smbhstdat1,
        smbblkdat;
    uint8_t   smbslvcnt, smbshdwcmd;
    uint16_t  smbslvevt;
    uint8_t   apmc, apms;
    bool      smm;                    /* is there a system management mode? */
    Mapping   pm_map, smb_map, apm_map;
    PciHotplug hotplug;
    void    (*sink)(void *dev, unsigned n, bool level);
    void     *gsi;
} Piix4Pm;

/* ---- PM timer: 24 bits at 3.579545 MHz; TMROF_STS is set each time that bit 23 changes ---- */
static uint64_t pm_ticks(Piix4Pm *s)
{
    return muldiv64(time_now(s->pci.dev.machine, TIME_GUEST), PM_TIMER_HZ, 1000000000);
}

static void update_sci(Piix4Pm *s)
{
    bool on = (s->pmsts & s->pmen & EN_MASK) || (s->gpsts & s->gpen) || pcihp_sci(&s->hotplug);
    irq_set(&s->sci, on && (s->pmcntrl & CNT_SCI_EN));
}

static void note_overflow(Piix4Pm *s)
{
    uint64_t half = pm_ticks(s) >> 23;
    if (half != s->timer_half) {
        s->timer_half = half;
        s->pmsts |= STS_TMROF;
    }
}

static void arm_overflow(Piix4Pm *s)
{
    note_overflow(s);
    if ((s->pmen & STS_TMROF) && !(s->pmsts & STS_TMROF)) {
        uint64_t next = ((pm_ticks(s) >> 23) + 1) << 23;
        timer_arm(&s->overflow, muldiv64(next, 1000000000, PM_TIMER_HZ) + 1);
    } else {
        timer_stop(&s->overflow);
    }
    update_sci(s);
}

static void overflow_fire(void *dev)
{
    arm_overflow(dev);
}

static uint64_t pmtmr_read(void *dev, uint64_t val)
{
    return pm_ticks(dev) & 0xffffff;
}

static uint64_t pmsts_read(void *dev, uint64_t val)
{
    Piix4Pm *s = dev;
    note_overflow(s);
    return s->pmsts;
}

static void event_written(void *dev, uint64_t old, uint64_t val)
{
    arm_overflow(dev);
}

/* 7.2.3: setting SUS_EN enters the state that SUS_TYP names; 0 is soft-off. */
static void pmcntrl_written(void *dev, uint64_t old, uint64_t val)
{
    Piix4Pm *s = dev;
    if (val & CNT_SUS_EN) {
        s->pmcntrl &= ~CNT_SUS_EN;
        if (val & CNT_SUS_TYP) {
            guest_error(s, "sleep type %u is not supported", (unsigned)(val & CNT_SUS_TYP) >> 10);
        } else {
            machine_request(s, MACHINE_POWEROFF);
        }
    }
    update_sci(s);
}

static void apmc_written(void *dev, uint64_t old, uint64_t val)
{
    Piix4Pm *s = dev;
    if (val == ACPI_ENABLE) {
        s->pmcntrl |= CNT_SCI_EN;
    } else if (val == ACPI_DISABLE) {
        s->pmcntrl &= ~CNT_SCI_EN;
    } else if (s->smm && pci_get(&s->pci, DEVACTB, 4) & DEVACTB_APMC_EN &&
               s->glbctl & GLBCTL_SMI_EN) {
        Machine *m = s->pci.dev.machine;
        s->glbsts |= GLBSTS_APM_STS;
        if (m->vcpus->len) {
            x86_smi(m->vcpus->pdata[0]);
        }
    }
    update_sci(s);
}

/* ---- SMBus: a transaction to nobody ---- */
static void hstcnt_written(void *dev, uint64_t old, uint64_t val)
{
    Piix4Pm *s = dev;
    if (val & HSTCNT_START) {
        s->smbhstcnt &= ~HSTCNT_START;
        s->smbhststs |= HSTSTS_DEV_ERR;
    }
}

static const Reg pm_regs[] = {
    REG(Piix4Pm, 0x00, pmsts, .w1c = EN_MASK | STS_RSM, .on_read = pmsts_read,
        .on_write = event_written),
    REG(Piix4Pm, 0x02, pmen, .wr = EN_MASK, .on_write = event_written),
    REG(Piix4Pm, 0x04, pmcntrl, .wr = CNT_SCI_EN | 2 | CNT_SUS_TYP | CNT_SUS_EN,
        .on_write = pmcntrl_written),
    REG(Piix4Pm, 0x08, pmtmr, .on_read = pmtmr_read),
    REG(Piix4Pm, 0x0c, gpsts, .w1c = 0xffff, .on_write = event_written),
    REG(Piix4Pm, 0x0e, gpen, .wr = 0xffff, .on_write = event_written),
    REG(Piix4Pm, 0x10, pcntrl, .wr = 0x00023e1e),
    REG(Piix4Pm, 0x18, glbsts, .w1c = 0x087d),
    REG(Piix4Pm, 0x1c, devsts, .w1c = 0x3fff00ff),
    REG(Piix4Pm, 0x20, glben, .wr = 0x0000edff),
    REG(Piix4Pm, 0x28, glbctl, .wr = 0x05ffff07),
    REG(Piix4Pm, 0x2c, devctl, .wr = 0x0fffffff),
    REG(Piix4Pm, 0x34, gporeg, .reset = 0x7fffbfff, .wr = 0x7fffffff),
    REG(Piix4Pm, SMB_AT + 0x0, smbhststs, .w1c = 0x1e),
    REG(Piix4Pm, SMB_AT + 0x1, smbslvsts, .w1c = 0x3c),
    REG(Piix4Pm, SMB_AT + 0x2, smbhstcnt, .wr = 0x5f, .on_write = hstcnt_written),
    REG(Piix4Pm, SMB_AT + 0x3, smbhstcmd, .wr = 0xff),
    REG(Piix4Pm, SMB_AT + 0x4, smbhstadd, .wr = 0xff),
    REG(Piix4Pm, SMB_AT + 0x5, smbhstdat0, .wr = 0xff),
    REG(Piix4Pm, SMB_AT + 0x6, smbhstdat1, .wr = 0xff),
    REG(Piix4Pm, SMB_AT + 0x7, smbblkdat, .wr = 0xff),
    REG(Piix4Pm, SMB_AT + 0x8, smbslvcnt, .wr = 0x0f),
    REG(Piix4Pm, SMB_AT + 0x9, smbshdwcmd),
    REG(Piix4Pm, SMB_AT + 0xa, smbslvevt, .wr = 0xffff),
    REG(Piix4Pm, APM_AT + 0, apmc, .wr = 0xff, .on_write = apmc_written),
    REG(Piix4Pm, APM_AT + 1, apms, .wr = 0xff),
    { .size = 0 }
};

/* ---- configuration space: 7.1 ---- */
static void update_maps(Piix4Pm *s)
{
    Machine *m = s->pci.dev.machine;
    map_begin(m);
    s->pm_map.at = pci_get(&s->pci, PMBA, 4) & 0xffc0;
    s->pm_map.on = (pci_get(&s->pci, PMREGMISC, 1) & 1) && s->pm_map.at;
    s->smb_map.at = pci_get(&s->pci, SMBBA, 4) & 0xfff0;
    s->smb_map.on = (pci_get(&s->pci, SMBHSTCFG, 1) & 1) && s->smb_map.at;
    map_commit(m);
}

static void base_written(void *dev, uint64_t old, uint64_t val)
{
    update_maps(dev);
}

static const Reg pm_config[] = {
    PCI_REG(PCI_COMMAND, 2, "PCICMD", .wr = 0x0101),
    PCI_REG(PCI_STATUS, 2, "PCISTS", .reset = 0x0280, .w1c = 0xf800),
    PCI_REG(PMBA, 4, "PMBA", .reset = 0x1, .wr = 0xffc0, .on_write = base_written),
    PCI_REG(0x44, 4, "CNTA", .wr = 0xffffffff),
    PCI_REG(0x48, 4, "CNTB", .wr = 0x003fffff),
    PCI_REG(0x4c, 4, "GPICTL", .wr = 0xffffffff),
    PCI_REG(0x50, 4, "DEVRESD", .wr = 0x00ffffff),
    PCI_REG(0x54, 4, "DEVACTA", .wr = 0x3fffffff),
    PCI_REG(DEVACTB, 4, "DEVACTB", .wr = 0x07ffffff),
    PCI_REG(0x5c, 4, "DEVRESA", .wr = 0xffffffff),
    PCI_REG(0x60, 4, "DEVRESB", .wr = 0xffffffff),
    PCI_REG(0x64, 4, "DEVRESC", .wr = 0xffffffff),
    PCI_REG(0x68, 4, "DEVRESE", .wr = 0x00ffffff),
    PCI_REG(0x6c, 4, "DEVRESF", .wr = 0x00ffffff),
    PCI_REG(0x70, 4, "DEVRESG", .wr = 0x001fffff),
    PCI_REG(0x74, 4, "DEVRESH", .wr = 0x001fffff),
    PCI_REG(0x78, 4, "DEVRESI", .wr = 0xffffffff),
    PCI_REG(0x7c, 4, "DEVRESJ", .wr = 0x001fffff),
    PCI_REG(PMREGMISC, 1, "PMREGMISC", .wr = 0x01, .on_write = base_written),
    PCI_REG(SMBBA, 4, "SMBBA", .reset = 0x1, .wr = 0xfff0, .on_write = base_written),
    PCI_REG(SMBHSTCFG, 1, "SMBHSTCFG", .wr = 0x0f, .on_write = base_written),
    PCI_REG(0xd3, 1, "SMBSLVC", .wr = 0xff),
    PCI_REG(0xd4, 1, "SMBSHDW1", .wr = 0xff),
    PCI_REG(0xd5, 1, "SMBSHDW2", .wr = 0xff),
    { .size = 0 }
};

static void sci_changed(void *dev)
{
    update_sci(dev);
}

static Mapping bank_piece(Piix4Pm *s, uint64_t from, uint64_t size, int priority)
{
    return (Mapping){ .region = &s->pci.dev.bank, .from = from, .size = size, .priority = priority,
                      .seen = SEEN_READ | SEEN_WRITE };
}

static bool piix4_pm_realize(void *dev, GError **err)
{
    Piix4Pm *s = dev;
    Machine *m = s->pci.dev.machine;
    Region *io = s->pci.dev.bus->io;
    (void)err;
    pci_init(&s->pci, &(PciIdent){ .vendor = 0x8086, .device = 0x7113, .class_code = 0x068000,
                                   .revision = 3, .pin = 1, .subsystem_vendor = 0x1af4,
                                   .subsystem = 0x1100 }, pm_config);
    timer_init(&s->overflow, m, TIME_GUEST, overflow_fire, s);
    m->power_button = piix4_pm_power_button;
    m->power_button_dev = s;
    irq_connect(&s->sci, s->sink, s->gsi, 9);
    pcihp_init(&s->hotplug, s->pci.dev.bus->owner, sci_changed, s);
    s->pm_map = bank_piece(s, PM_AT, PM_SIZE, 1);
    s->smb_map = bank_piece(s, SMB_AT, SMB_SIZE, 1);
    s->apm_map = bank_piece(s, APM_AT, APM_SIZE, 0);
    s->apm_map.at = APM_PORT;
    s->apm_map.on = true;
    map_begin(m);
    region_add(io, &s->pm_map);
    region_add(io, &s->smb_map);
    region_add(io, &s->apm_map);
    map_commit(m);
    return true;
}

static void piix4_pm_unrealize(void *dev)
{
    Piix4Pm *s = dev;
    Machine *m = s->pci.dev.machine;
    Region *io = s->pci.dev.bus->io;
    timer_stop(&s->overflow);
    if (m->power_button_dev == s) {
        m->power_button = NULL;
    }
    map_begin(m);
    pcihp_free(&s->hotplug);
    pci_unmap(io, &s->pm_map, 1);
    pci_unmap(io, &s->smb_map, 1);
    pci_unmap(io, &s->apm_map, 1);
    map_commit(m);
    pci_unrealize(dev);
}

static void piix4_pm_reset(void *dev)
{
    Piix4Pm *s = dev;
    pci_reset(dev);
    pci_put(&s->pci, PCI_INTERRUPT_LINE, 1, 9);
    if (!s->smm) {
        /* firmware takes SMM for set up, and leaves it alone */
        pci_put(&s->pci, DEVACTB, 4, DEVACTB_APMC_EN);
    }
    pcihp_reset(&s->hotplug);
    s->timer_half = pm_ticks(s) >> 23;
    arm_overflow(s);
    update_maps(s);
}

static bool piix4_pm_restored(void *dev, GError **err)
{
    if (!pci_restored(dev, err)) {
        return false;
    }
    update_maps(dev);
    pcihp_restored(&((Piix4Pm *)dev)->hotplug);
    return true;
}

uint16_t piix4_pm_base(void *pm)
{
    Piix4Pm *s = pm;
    return s->pm_map.on ? (uint16_t)s->pm_map.at : 0;
}

void piix4_pm_power_button(void *pm)
{
    Piix4Pm *s = pm;
    s->pmsts |= STS_PWRBTN;
    update_sci(s);
}

static const Field piix4_pm_fields[] = {
    PCI_FIELDS(Piix4Pm),
    CONFIG_AS(Piix4Pm, smm, "smm-enabled", .def = 1, .help = "Writes to port B2 raise SMIs."),
    PCIHP_FIELDS(Piix4Pm, hotplug),
    STATE(Piix4Pm, timer_half),
    STATE_TIMER(Piix4Pm, overflow),
    STATE_IRQ(Piix4Pm, sci),
    FIELD_END
};

const DeviceClass piix4_pm_class = {
    .name = "PIIX4_PM",
    .desc = "Intel 82371AB power management",
    .spec = "Intel 290562-001",
    .bus = "pci",
    .size = sizeof(Piix4Pm),
    .fields = piix4_pm_fields,
    .regs = pm_regs,
    .bank_size = APM_AT + APM_SIZE,
    .realize = piix4_pm_realize,
    .unrealize = piix4_pm_unrealize,
    .reset = piix4_pm_reset,
    .restored = piix4_pm_restored,
};

void *piix4_pm_create(Machine *m, PciHost *host, void (*sink)(void *dev, unsigned n, bool level),
                      void *gsi, bool smm, GError **err)
{
    Piix4Pm *s = device_new(m, host->bus.base, piix4_pm_class.name, NULL, err);
    if (!s || !device_set(s, "addr", "1.3", err)) {
        return NULL;
    }
    s->sink = sink;
    s->gsi = gsi;
    s->smm = smm;
    return device_realize(s, err) ? s : NULL;
}
