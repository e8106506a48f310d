/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reg.c -- register tables: reset, writable bits, write-1-to-clear, read-to-clear, partial and wide
 * accesses.
 */
#include "tests/unit/unit.h"

typedef struct Bank {
    uint32_t ctl, status, events;
    uint8_t  b0, b1;
    uint64_t seen_old, seen_val;
    unsigned hooks;
} Bank;

static void on_ctl(void *dev, uint64_t old, uint64_t val)
{
    Bank *b = dev;

    b->seen_old = old;
    b->seen_val = val;
    b->hooks++;
}

static const Reg bank[] = {
    REG(Bank, 0, ctl, .reset = 0x100, .wr = 0x0000ffff, .on_write = on_ctl),
    REG(Bank, 4, status, .reset = 0xf, .w1c = 0x7),
    REG(Bank, 8, events, .rc = 0xff),
    REG(Bank, 12, b0, .wr = 0xff),
    REG(Bank, 13, b1, .wr = 0x0f),
    { .size = 0 }
};

START_TEST(reg_semantics)
{
    Bank b = { 0 };

    regs_reset(bank, &b);
    ck_assert_uint_eq(b.ctl, 0x100);
    regs_write(bank, &b, 0, 0xffff1234, 4);
    ck_assert_uint_eq(b.ctl, 0x1234);
    ck_assert(b.seen_old == 0x100 && b.seen_val == 0xffff1234 && b.hooks == 1);
    regs_write(bank, &b, 1, 0xab, 1);           /* one byte of it */
    ck_assert_uint_eq(b.ctl, 0xab34);
    regs_write(bank, &b, 4, 0xd, 4);            /* w1c: bit 3 is not ours to clear */
    ck_assert_uint_eq(b.status, 0xa);
    b.events = 0x1ff;
    ck_assert_uint_eq(regs_read(bank, &b, 8, 4), 0x1ff);
    ck_assert_uint_eq(b.events, 0x100);
    regs_write(bank, &b, 12, 0xffff, 2);        /* two registers at once */
    ck_assert(b.b0 == 0xff && b.b1 == 0x0f);
    ck_assert_uint_eq(regs_read(bank, &b, 12, 4), 0x0fff);
    ck_assert_uint_eq(regs_read(bank, &b, 0, 8), 0x0000000a0000ab34);
    ck_assert_uint_eq(regs_read(bank, &b, 64, 4), 0);
}
END_TEST

Suite *suite_reg(void)
{
    Suite *s = suite_create("reg");

    ADD(s, reg_semantics);
    return s;
}
