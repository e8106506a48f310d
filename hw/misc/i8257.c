/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8257.c -- the PC's two DMA controllers and their page registers, as registers.
 *
 * Spec: Intel 8237A (231466-005); page registers and address map: 82371SB (290550-002) 2.5.1.
 * Omits: transfers: no device here asks for one.  Port 80h (a page register that no channel uses) takes POST codes.
 * Threads: with the machine lock.
 */
#include "core/log.h"
#include "hw/misc/isa.h"

enum { N_CONTROLLERS = 2, N_CHANNELS = 4, N_PAGES = 16, N_REGS = 16, POST_CODE = 0 };
enum {                                /* write and read addresses 8-F: figure 7 */
    COMMAND_STATUS = 8, REQUEST, MASK_ONE, MODE, CLEAR_FLIPFLOP, MASTER_CLEAR, CLEAR_MASK, MASK_ALL,
};

typedef struct Dma {
    uint16_t address[N_CHANNELS], count[N_CHANNELS];
    uint8_t  mode[N_CHANNELS];
    uint8_t  command, status, request, mask;
    bool     high_byte;               /* the flip-flop */
} Dma;

typedef struct I8257 {
    Device  dev;
    Dma     dma[N_CONTROLLERS];
    uint8_t page[N_PAGES];
    Region  low, high, pages;         /* 0-f, c0-df, 80-8f */
} I8257;

static uint8_t dma_read(Dma *d, unsigned reg)
{
    uint16_t v;
    bool high = d->high_byte;

    if (reg < COMMAND_STATUS) {
        v = reg & 1 ? d->count[reg >> 1] : d->address[reg >> 1];
        d->high_byte = !high;
        return high ? v >> 8 : v;
    }
    switch (reg) {
    case COMMAND_STATUS:
        v = d->status;
        d->status &= 0xf0;            /* terminal counts */
        return v;
    case MASK_ALL:
        return d->mask | 0xf0;
    default:                          /* the temporary register, and write-only addresses */
        return 0;
    }
}

static void master_clear(Dma *d)
{
    d->command = d->status = d->request = 0;
    d->mask = 0xf;
    d->high_byte = false;
}

static void set_channel_bit(uint8_t *bits, uint8_t val)
{
    uint8_t bit = 1u << (val & 3);

    *bits = val & 4 ? *bits | bit : *bits & ~bit;
}

static void dma_write(Dma *d, unsigned reg, uint8_t val)
{
    uint16_t *v;

    switch (reg) {
    case COMMAND_STATUS: d->command = val; break;
    case REQUEST:        set_channel_bit(&d->request, val); break;
    case MASK_ONE:       set_channel_bit(&d->mask, val); break;
    case MODE:           d->mode[val & 3] = val; break;
    case CLEAR_FLIPFLOP: d->high_byte = false; break;
    case MASTER_CLEAR:   master_clear(d); break;
    case CLEAR_MASK:     d->mask = 0; break;
    case MASK_ALL:       d->mask = val & 0xf; break;
    default:
        v = reg & 1 ? &d->count[(reg >> 1) & 3] : &d->address[(reg >> 1) & 3];
        *v = d->high_byte ? (*v & 0xff) | val << 8 : (*v & 0xff00) | val;
        d->high_byte = !d->high_byte;
        break;
    }
}

static uint64_t low_read(void *dev, hwaddr off, unsigned size)
{
    return dma_read(&((I8257 *)dev)->dma[0], off % N_REGS);
}

static void low_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    dma_write(&((I8257 *)dev)->dma[0], off % N_REGS, val);
}

/* The 16-bit controller sits on even ports. */
static uint64_t high_read(void *dev, hwaddr off, unsigned size)
{
    return dma_read(&((I8257 *)dev)->dma[1], (off >> 1) % N_REGS);
}

static void high_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    dma_write(&((I8257 *)dev)->dma[1], (off >> 1) % N_REGS, val);
}

static uint64_t page_read(void *dev, hwaddr off, unsigned size)
{
    return ((I8257 *)dev)->page[off % N_PAGES];
}

static void page_write(void *dev, hwaddr off, uint64_t val, unsigned size)
{
    I8257 *s = dev;

    s->page[off % N_PAGES] = val;
    if (off == POST_CODE && log_on(LOG_IO)) {
        log_write("%s: POST code 0x%02x\n", s->dev.path, (unsigned)val);
    }
}

static const MmioOps low_ops = { .read = low_read, .write = low_write, .min = 1, .max = 1 };
static const MmioOps high_ops = { .read = high_read, .write = high_write, .min = 1, .max = 1 };
static const MmioOps page_ops = { .read = page_read, .write = page_write, .min = 1, .max = 1 };

static bool i8257_realize(void *dev, GError **err)
{
    I8257 *s = dev;

    region_init_io(&s->low, "dma1", &low_ops, s, 0x10);
    region_init_io(&s->high, "dma2", &high_ops, s, 0x20);
    region_init_io(&s->pages, "dma-pages", &page_ops, s, N_PAGES);
    return isa_map(s, &s->low, 0x00, err) && isa_map(s, &s->high, 0xc0, err) && isa_map(s, &s->pages, 0x80, err);
}

static void i8257_reset(void *dev)
{
    I8257 *s = dev;

    for (unsigned i = 0; i < N_CONTROLLERS; i++) {
        s->dma[i] = (Dma){ .mask = 0xf };
    }
    for (unsigned i = 0; i < N_PAGES; i++) {
        s->page[i] = 0;
    }
}

static const Field dma_fields[] = {
    STATE_ARRAY(Dma, address),
    STATE_ARRAY(Dma, count),
    STATE_ARRAY(Dma, mode),
    STATE(Dma, command),
    STATE(Dma, status),
    STATE(Dma, request, .max = 0xf),
    STATE(Dma, mask, .max = 0xf),
    STATE(Dma, high_byte),
    FIELD_END
};

static const Field i8257_fields[] = {
    STATE_STRUCT(I8257, dma, Dma, dma_fields),
    STATE_ARRAY(I8257, page),
    FIELD_END
};

const DeviceClass i8257_class = {
    .name = "i8257",
    .desc = "DMA controllers and page registers",
    .spec = "Intel 8237A (231466-005)",
    .bus = "isa",
    .size = sizeof(I8257),
    .fields = i8257_fields,
    .realize = i8257_realize,
    .reset = i8257_reset,
};
