/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_phy.c -- the 82540EM's two slow parts: the PHY behind MDIC, and the EEPROM behind EECD and
 * EERD.
 *
 * Spec: SDM 13.4.3 to 13.4.5 (EECD, EERD), 5.4 to 5.6 (EEPROM), 13.4.6 (MDIC), 8 and 13.6 (PHY
 *   registers); IEEE 802.3 clause 22 (MII registers); Microchip 93C46B data sheet (commands).
 * Omits: cable diagnostics, PHY interrupts; speeds below 1000 are noted and not acted on.
 * Threads: with the machine lock.
 */
#include "core/machine.h"
#include "hw/net/e1000.h"
#include <string.h>

/* ---- PHY ---- */

enum { PHY_ADDRESS = 1, AUTONEG_MS = 20 };
enum { BMCR = 0, BMSR = 1, PHYID1 = 2, PHYID2 = 3, ANAR = 4, ANLPAR = 5, ANER = 6, GCR = 9,
       GSR = 10, ESR = 15, PSCR = 16,
       PSSR = 17, IER = 18, EPSCR = 20 };
enum { BMCR_RESET = 1 << 15, BMCR_AUTONEG = 1 << 12, BMCR_DOWN = 1 << 11, BMCR_RESTART = 1 << 9 };
enum { BMSR_LINK = 1 << 2, BMSR_AUTONEG_DONE = 1 << 5 };
enum { PSSR_LINK = 1 << 10, PSSR_RESOLVED = 1 << 11, PSSR_FULL = 1 << 13, PSSR_1000 = 2 << 14 };
enum { MDIC_WRITE = 1, MDIC_READ = 2, MDIC_READY = 1 << 28, MDIC_INT = 1 << 29,
       MDIC_ERROR = 1 << 30 };

static const struct PhyReg {
    uint8_t  at;
    uint16_t reset, wr;
} phy_regs[] = {
    { BMCR, BMCR_AUTONEG | 0x0140, 0x7f80 }, { BMSR, 0x7949, 0 }, { PHYID1, 0x0141, 0 },
    { PHYID2, 0x0c20, 0 }, { ANAR, 0x0de1, 0xafff }, { ANLPAR, 0, 0 }, { ANER, 0x0004, 0 },
    { 7, 0x2001, 0xffff }, { GCR, 0x0e00, 0xff00 }, { GSR, 0, 0 }, { ESR, 0x3000, 0 },
    { PSCR, 0x0068, 0xffff }, { PSSR, 0, 0 }, { IER, 0, 0xffff }, { EPSCR, 0x0d60, 0xffff },
    { 29, 0, 0xffff }, { 30, 0, 0xffff },
};

static const struct PhyReg *phy_reg(unsigned at)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(phy_regs); i++) {
        if (phy_regs[i].at == at) {
            return &phy_regs[i];
        }
    }
    return NULL;
}

void e1000_phy_link(E1000 *s)
{
    bool up = s->nic.peer && !s->nic.link_down && !(s->phy[BMCR] & BMCR_DOWN) &&
              (s->phy[BMSR] & BMSR_AUTONEG_DONE);

    s->phy[BMSR] = (uint16_t)((s->phy[BMSR] & ~BMSR_LINK) | (up ? BMSR_LINK : 0));
    s->phy[PSSR] = (uint16_t)(up ? PSSR_LINK | PSSR_RESOLVED | PSSR_FULL | PSSR_1000 : 0);
    s->phy[ANLPAR] = up ? 0xcde1 : 0;
    s->phy[GSR] = up ? 0x7c00 : 0;
    e1000_link(s, up);
}

static void autonegotiate(E1000 *s)
{
    s->phy[BMSR] &= (uint16_t)~BMSR_AUTONEG_DONE;
    e1000_phy_link(s);
    timer_arm(&s->autoneg,
              time_now(s->pci.dev.machine, TIME_GUEST) + AUTONEG_MS * UINT64_C(1000000));
}

void e1000_autoneg_done(void *dev)
{
    E1000 *s = dev;

    s->phy[BMSR] |= BMSR_AUTONEG_DONE;
    e1000_phy_link(s);
}

/* A card that comes up has a link at once: firmware does not wait for one. */
void e1000_phy_reset(E1000 *s)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(phy_regs); i++) {
        s->phy[phy_regs[i].at] = phy_regs[i].reset;
    }
    timer_stop(&s->autoneg);
    e1000_autoneg_done(s);
}

static void phy_write(E1000 *s, unsigned at, uint16_t val)
{
    const struct PhyReg *r = phy_reg(at);

    if (!r) {
        return;
    }
    s->phy[at] = (uint16_t)((s->phy[at] & ~r->wr) | (val & r->wr));
    if (at != BMCR) {
        return;
    }
    if (val & BMCR_RESET) {
        for (unsigned i = 0; i < G_N_ELEMENTS(phy_regs); i++) {
            s->phy[phy_regs[i].at] = phy_regs[i].reset;
        }
    }
    if ((val & (BMCR_RESTART | BMCR_RESET)) && (s->phy[BMCR] & BMCR_AUTONEG)) {
        s->phy[BMCR] &= (uint16_t)~BMCR_RESTART;
        autonegotiate(s);
    } else {
        e1000_phy_link(s);
    }
}

void e1000_mdic_written(void *dev, uint64_t old, uint64_t val)
{
    E1000   *s = dev;
    unsigned at = val >> 16 & 31, op = val >> 26 & 3;
    uint32_t done = (uint32_t)val & ~(uint32_t)(MDIC_READY | MDIC_ERROR);

    if ((val >> 21 & 31) != PHY_ADDRESS || (op != MDIC_READ && op != MDIC_WRITE)) {
        done |= MDIC_ERROR;
    } else if (op == MDIC_READ) {
        done = (done & ~0xffffu) | (phy_reg(at) ? s->phy[at] : 0);
    } else {
        phy_write(s, at, (uint16_t)val);
    }
    s->mdic = done | MDIC_READY;
    if (val & MDIC_INT) {
        e1000_cause(s, ICR_MDAC);
    }
}

/* ---- EEPROM: 64 words of 16 bits ---- */

enum { EE_SK = 1, EE_CS = 2, EE_DI = 4, EE_DO = 8, EE_REQ = 64, EE_GNT = 128, EE_PRESENT = 256 };
enum { EE_COMMAND_BITS = 9, EE_WORDS = 64 };      /* start bit, two of opcode, six of address */
enum { EERD_START = 1, EERD_DONE = 16 };

/* 5.6: addresses, identity, and a checksum that makes all words add up to BABA (hex). */
void e1000_eeprom_init(E1000 *s)
{
    static const struct { uint8_t at; uint16_t word; } words[] = {
        { 0x04, 0xffff }, { 0x08, 0x3000 }, { 0x09, 0x1000 }, { 0x0a, 0x6403 }, { 0x0b, 0x100e },
        { 0x0c, 0x8086 }, { 0x0d, 0x100e }, { 0x0e, 0x8086 }, { 0x0f, 0x3040 }, { 0x10, 0x0008 },
        { 0x11, 0x2000 }, { 0x12, 0x7e14 }, { 0x13, 0x0048 }, { 0x14, 0x1000 }, { 0x15, 0x00d8 },
        { 0x17, 0x2700 }, { 0x18, 0x6cc9 }, { 0x19, 0x3150 }, { 0x1a, 0x0722 }, { 0x1b, 0x040b },
        { 0x1c, 0x0984 }, { 0x1e, 0xc000 }, { 0x1f, 0x0706 }, { 0x20, 0x1008 }, { 0x22, 0x0f04 },
        { 0x23, 0x7fff }, { 0x24, 0x4d01 },
    };
    uint16_t sum = 0;

    memset(s->eeprom, 0xff, sizeof(s->eeprom));
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        s->eeprom[words[i].at] = words[i].word;
    }
    for (unsigned i = 0; i < 3; i++) {
        s->eeprom[i] = (uint16_t)(s->mac[2 * i] | s->mac[2 * i + 1] << 8);
    }
    for (unsigned i = 0; i < EE_WORDS - 1; i++) {
        sum = (uint16_t)(sum + s->eeprom[i]);
    }
    s->eeprom[EE_WORDS - 1] = (uint16_t)(0xbaba - sum);
}

/* A command's first nine bits are in: 1, opcode, address. */
static void ee_command(E1000 *s, unsigned bits)
{
    unsigned at = bits & 63, op = bits >> 6 & 3;

    if (op == 2) {                                /* READ: a 0, then the word */
        s->ee_out = s->eeprom[at];
        s->ee_left = 17;
    } else if (op == 0) {
        /* EWEN, EWDS */
        s->ee_write_on = at >> 4 == 3 ? true : at >> 4 == 0 ? false : s->ee_write_on;
    }
}

static void ee_clock(E1000 *s, bool in)
{
    if (s->ee_left) {
        s->ee_left--;
        return;
    }
    if (s->ee_shift == 1 && !in) {
        return;                                   /* zeros before the start bit */
    }
    if (!(s->ee_shift & 1u << 31)) {
        s->ee_shift = s->ee_shift << 1 | in;
    }
    if (s->ee_shift >> EE_COMMAND_BITS == 1) {
        ee_command(s, s->ee_shift & 0x1ff);
    } else if (s->ee_shift >> (EE_COMMAND_BITS + 16) == 1 && (s->ee_shift >> 22 & 3) == 1 &&
               s->ee_write_on) {
        s->eeprom[s->ee_shift >> 16 & 63] = (uint16_t)s->ee_shift;        /* WRITE */
    }
}

uint64_t e1000_eecd_read(void *dev, uint64_t val)
{
    E1000 *s = dev;
    /* Going out: after 17 - n clocks bit n of a 0 and the word; an idle part says "ready". */
    bool   out = s->ee_left == 17 ? false : s->ee_left ? s->ee_out >> (s->ee_left - 1) & 1 : true;

    return (val & ~(uint64_t)EE_DO) | (out ? EE_DO : 0) | EE_PRESENT | (val & EE_REQ ? EE_GNT : 0);
}

void e1000_eecd_written(void *dev, uint64_t old, uint64_t val)
{
    E1000 *s = dev;

    if (!(val & EE_CS)) {
        s->ee_shift = 1;
        s->ee_left = 0;
    } else if ((val & EE_SK) && !(old & EE_SK)) {
        ee_clock(s, val & EE_DI);
    }
}

void e1000_eerd_written(void *dev, uint64_t old, uint64_t val)
{
    E1000   *s = dev;
    unsigned at = val >> 8 & 0xff;

    if (val & EERD_START) {
        s->eerd = (uint32_t)(at << 8 | EERD_DONE |
                             (uint32_t)(at < EE_WORDS ? s->eeprom[at] : 0xffff) << 16);
    }
}
