/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reg.c -- register banks driven by a table of Reg.
 *
 * Spec: none.  An access may cover a part of a register or several of them; bytes that no register
 *       has read as 0 and ignore writes.  Hooks run once for each register touched.
 * Omits: nothing.
 * Threads: with the machine lock.
 */
#include "core/mem.h"
#include <string.h>

static uint64_t reg_load(const Reg *r, const void *dev)
{
    const uint8_t *p = (const uint8_t *)dev + r->field;
    uint64_t       v = 0;

    switch (r->size) {
    case 1: v = *p; break;
    case 2: v = *(const uint16_t *)(const void *)p; break;
    case 4: v = *(const uint32_t *)(const void *)p; break;
    case 8: v = *(const uint64_t *)(const void *)p; break;
    }
    return v;
}

static void reg_store(const Reg *r, void *dev, uint64_t v)
{
    uint8_t *p = (uint8_t *)dev + r->field;

    switch (r->size) {
    case 1: *p = (uint8_t)v; break;
    case 2: *(uint16_t *)(void *)p = (uint16_t)v; break;
    case 4: *(uint32_t *)(void *)p = (uint32_t)v; break;
    case 8: *(uint64_t *)(void *)p = v; break;
    }
}

void regs_reset(const Reg *tab, void *dev)
{
    for (const Reg *r = tab; r && r->size; r++) {
        reg_store(r, dev, r->reset);
    }
}

/* The bits of register r that bytes [off, off + size) of the bank cover. */
static uint64_t covered(const Reg *r, hwaddr off, unsigned size)
{
    uint64_t mask = 0;

    if (r->at >= off + size || off >= (hwaddr)r->at + r->size) {
        return 0;
    }
    for (unsigned i = 0; i < r->size; i++) {
        if (r->at + i - off < size) {
            mask |= 0xffull << (8 * i);
        }
    }
    return mask;
}

/* A value of register r moved to its place in the access, or back. */
static uint64_t to_access(const Reg *r, hwaddr off, uint64_t v)
{
    int64_t by = ((int64_t)r->at - (int64_t)off) * 8;
    return by >= 0 ? v << by : v >> -by;
}

static uint64_t from_access(const Reg *r, hwaddr off, uint64_t v)
{
    int64_t by = ((int64_t)r->at - (int64_t)off) * 8;
    return by >= 0 ? v >> by : v << -by;
}

uint64_t regs_read(const Reg *tab, void *dev, hwaddr off, unsigned size)
{
    uint64_t out = 0;

    for (const Reg *r = tab; r && r->size; r++) {
        uint64_t mask = covered(r, off, size), val, seen;
        if (!mask) {
            continue;
        }
        val = reg_load(r, dev);
        seen = r->on_read ? r->on_read(dev, val) : val;
        if (r->rc & mask) {
            reg_store(r, dev, reg_load(r, dev) & ~(r->rc & mask));
        }
        out |= to_access(r, off, seen & mask);
    }
    return out;
}

void regs_write(const Reg *tab, void *dev, hwaddr off, uint64_t val, unsigned size)
{
    for (const Reg *r = tab; r && r->size; r++) {
        uint64_t mask = covered(r, off, size), old, in, new;
        if (!mask) {
            continue;
        }
        old = reg_load(r, dev);
        in = (old & ~mask) | (from_access(r, off, val) & mask);
        new = (old & ~(r->wr & mask)) | (in & r->wr & mask);
        new &= ~(in & r->w1c & mask);
        reg_store(r, dev, new);
        if (r->on_write) {
            r->on_write(dev, old, in);
        }
    }
}
