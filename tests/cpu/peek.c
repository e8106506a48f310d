/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peek.c -- what reads ahead for flags against what is translated: random instructions, then a
 * load, then one that writes all flags.
 *
 * What says that nothing wants the flags is believed by exits that do not save them.  So an
 * instruction that is passed over must, as IR, read none, call no C and not end its block; one that
 * is passed over as harmless must have no check; the general registers that it writes must be among
 * those told; and one that is said to overwrite all flags must.
 *
 *     peek [SEED [COUNT]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/translate.h"
#include "tests/cpu/rnd.h"

typedef struct Seen {                   /* of one instruction's IR */
    bool     bad, leaves;
    unsigned flags, regs;
} Seen;

static Seen look(const IrBlock *b)
{
    Seen s = { 0 };
    for (unsigned k = 0; k < b->n_insns; k++) {
        const IrInsn *n = &b->insns[k];
        if (n->op == IR_jmp && k + 1 == b->n_insns)
            break;
        unsigned p = ir_op_props[n->op];
        bool late = s.flags && n->op == IR_chk; /* a fault behind flags that are written already */
        s.bad |= n->op == IR_helper || (p & ENDS) || n->op == IR_br || n->op == IR_brz ||
                 n->op == IR_brnz || n->op == IR_bulk || late;
        s.bad |= n->op == IR_adc || n->op == IR_sbb || n->op == IR_rcl || n->op == IR_rcr ||
                 n->op == IR_getfl || n->op == IR_cmc;
        s.leaves |= n->op == IR_chk || n->op == IR_divu || n->op == IR_divs || n->op == IR_guard;
        s.flags |= n->sets;
        s.regs |= n->dst.kind == IR_GUEST ? 1u << n->dst.id : 0;
        s.regs |= n->dst2.kind == IR_GUEST ? 1u << n->dst2.id : 0;
    }
    return s;
}

static void make(uint8_t *p, bool wide)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned n = 0, map = rnd() & 7, vex = rnd() & 3;
    uint64_t v = rnd();
    if (!vex) {                         /* C5 or C4 */
        p[n++] = map & 1 ? 0xc5 : 0xc4;
        if (p[0] == 0xc4)
            p[n++] = (uint8_t)((wide ? v & 0xe0 : 0xe0) | (1 + (v >> 8) % 3));
        p[n++] = (uint8_t)((v >> 16 & 0x83) | (v >> 24 & 1 ? 0x78 : v >> 16 & 0x78) |
                           (wide ? 0 : 0x40) | (p[0] == 0xc5 ? v & 0x80 : 0));
    } else {
        unsigned pf = prefix[v & 3];
        if (pf)
            p[n++] = (uint8_t)pf;
        if (!(v >> 8 & 31))
            p[n++] = 0xf0;
        if (wide && (v >> 16 & 1))
            p[n++] = 0x40 | (v >> 17 & 15);
        if (map)
            p[n++] = 0x0f;
        if (map > 4)
            p[n++] = map & 1 ? 0x38 : 0x3a;
    }
    for (unsigned k = n; k < 16; k++)
        p[k] = (uint8_t)rnd();
}

static const char *judge(DbtFlagsFate fate, const Seen *s, unsigned regs, bool ends)
{
    if (s->bad)
        return "calls C, ends the block or reads flags";
    if (ends && (s->flags & FL_ALL) != FL_ALL)
        return "does not write all flags";
    if (fate == FATE_DEAD && s->leaves)
        return "may leave";
    if (!ends && (s->regs & ~regs))
        return "writes other registers";
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 400000, passed = 0, vectors = 0, over = 0,
             bad = 0;
    seed(argc, argv);
    g_autofree X86Cpu *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
    g_autofree IrBlock *b = ir_new();
    memset(c, 0, sizeof *c);
    for (unsigned k = 0; k < count && bad < 20; k++) {
        bool wide = rnd() & 1;
        uint64_t v = rnd(), mode = X86_MODE_PE | X86_MODE_FLAT_CS | X86_MODE_FLAT_DS |
                                   X86_MODE_FLAT_ES | X86_MODE_FLAT_SS | X86_MODE_SS32;
        mode = wide ? X86_MODE_CODE64 | X86_MODE_PE | X86_MODE_FLAT_CS : X86_MODE_CODE32 | mode;
        mode |= (v & 7 ? X86_MODE_SSE : 0) | (v & 56 ? X86_MODE_AVX : 0) |
                (v & 64 ? X86_MODE_FPU : 0) | (v >> 7 & 3 ? 0 : X86_MODE_XMEXC);
        memset(c->feat, 0xff, sizeof c->feat);
        if (!(v >> 16 & 3))
            c->feat[v >> 24 & 7] &= (uint32_t)rnd();
        uint8_t page[64] = { 0 };
        X86Insn i;
        make(page, wide);
        if (x86_decode(&i, page, 15, mode) != DEC_OK)
            continue;
        /* mov al, [rbx]; xor eax, eax */
        memcpy(page + i.length, (uint8_t[]){ 0x8a, 0x03, 0x31, 0xc0 }, 4);
        DbtPeek p = { .page = page, .hi = 60 }, first = { .page = page, .hi = i.length };
        DbtFlagsFate fate = x86_flags_fate(&c->dbt, mode, &p);
        if (fate == FATE_WANTED)
            continue;
        /* FATE_WANTED: it is passed over */
        DbtFlagsFate alone = x86_flags_fate(&c->dbt, mode, &first);
        ir_begin(b, 0x400000, mode);
        x86_translate(&c->dbt, b, page, 60, NULL, 1);
        Seen s = look(b);
        const char *what = judge(alone != FATE_WANTED ? alone : fate, &s, p.regs,
                                 alone != FATE_WANTED);
        passed++;
        over += alone == FATE_WANTED;
        vectors += (i.row->props & (ISVOP | ISVEX)) != 0;
        if (what) {
            printf("peek: %s:", i.row->name);
            for (unsigned q = 0; q < i.length; q++)
                printf(" %02x", page[q]);
            printf(" (mode %#" PRIx64 "): %s\n", mode, what);
            bad++;
        }
    }
    bool enough = argc > 1 || (passed > 10000 && vectors > 2000 && over > 2000);
    printf("peek: %u instructions, %u of them passed over, %u of vectors; %u wrong%s\n", passed,
           over, vectors, bad, enough ? "" : ": too few");
    return bad || !enough;
}
