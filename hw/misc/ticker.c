/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ticker.c -- test-only device: W1C status, writable mask, one wire. */
#include "core/device.h"
typedef struct Ticker {
    Device dev; Irq irq;
    uint32_t status, mask, count;
    uint8_t fifo[16]; uint16_t head;
    uint32_t period; bool fast; char *label;
} Ticker;
static void ticker_update(void *p, uint64_t old, uint64_t val)
{
    Ticker *t = p; (void)old; (void)val;
    irq_set(&t->irq, t->status & t->mask);
}
static const Reg ticker_regs[] = {
    REG(Ticker, 0x00, status, .reset = 0x3, .w1c = 0x3, .on_write = ticker_update),
    REG(Ticker, 0x04, mask,   .wr = 0x3, .on_write = ticker_update),
    REG(Ticker, 0x08, count),
    { .size = 0 }
};
static const Field ticker_fields[] = {
    CONFIG(Ticker, period, .def = 1000, .min = 1, .max = 1000000, .help = "Tick period in us."),
    CONFIG(Ticker, fast,   .help = "Ignore the period."),
    CONFIG(Ticker, label,  .help = "Name shown in traces."),
    STATE_ARRAY(Ticker, fifo),
    STATE(Ticker, head, .max = 15),
    STATE_IRQ(Ticker, irq),
    FIELD_END
};
const DeviceClass ticker_class = {
    .name = "ticker", .desc = "test timer", .spec = "none", .bus = "sys",
    .size = sizeof(Ticker), .fields = ticker_fields, .regs = ticker_regs, .bank_size = 16,
};
