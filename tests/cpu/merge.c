/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * merge.c -- merged checks against the accesses they stand for: random loads and stores off one
 * register, some of them aligned.
 *
 * Behind ir_merge_checks() each access must be to the same address as before, inside a check with
 * its rights, and, where it has to be aligned, in a check that tests for that and at a multiple of
 * the alignment from what is tested.
 *
 *     merge [SEED [COUNT]]
 */
#include <stdio.h>
#include <stdlib.h>
#include "accel/dbt/ir.h"
#include "tests/cpu/rnd.h"

enum { BASE = 3, MOST = 24 };
typedef struct Access { int32_t at; unsigned span, align, access; } Access;

static void add(IrBlock *b, const Access *a, unsigned k)
{
    IrMem m = { .base = ir_guest(BASE), .disp = a->at, .segment = SEG_NONE, .offset_bits = 64,
                .linear_bits = 64, .span = a->span, .align = (uint8_t)a->align,
                .access = (uint8_t)a->access };
    ir_insn(b, (int32_t)k * 4)->length = 4;
    IrInsn *c = ir_emit(b, IR_chk, IR_I64, ir_host(k & 3), ir_none(), ir_none());
    c->mem = ir_mem(b, &m);
    if (a->access & IR_WRITE) {
        ir_emit(b, IR_mov, IR_I8, ir_host(k & 3), ir_guest(1), ir_none());
    } else {
        ir_emit(b, IR_mov, IR_I8, ir_guest(1), ir_host(k & 3), ir_none());
    }
}

static const char *judge(const IrBlock *b, const Access *want, unsigned n, unsigned *checks)
{
    const IrMem *of[IR_HOSTS] = { NULL };
    unsigned k = 0;

    for (unsigned i = 0; i < b->n_insns; i++) {
        const IrInsn *o = &b->insns[i];
        if (o->op == IR_chk) {
            of[o->dst.id] = &b->mems[o->mem];
            ++*checks;
        } else if (o->op == IR_mov) {
            const IrMem *m = of[o->dst.kind == IR_HOST ? o->dst.id : o->a.id];
            const Access *a = &want[k++];
            if (!m || m->disp + o->disp != a->at) {
                return "another address";
            }
            if (o->disp < 0 || (unsigned)o->disp + a->span > m->span || (a->access & ~m->access)) {
                return "outside of its check, or without the right";
            }
            if (a->align && (m->align < a->align || o->disp % (int32_t)a->align)) {
                return "not known to be aligned";
            }
        }
    }
    return k == n ? NULL : "gone";
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 100000, before = 0, after = 0, bad = 0;
    g_autofree IrBlock *b = ir_new();

    seed(argc, argv);
    for (unsigned k = 0; k < count && bad < 10; k++) {
        Access a[MOST];
        unsigned n = 2 + (unsigned)(rnd() % (MOST - 1));
        ir_begin(b, 0x400000, 0);
        for (unsigned i = 0; i < n; i++) {
            unsigned span = 1u << (rnd() % 6);
            a[i] = (Access){ .at = (int32_t)(rnd() % 96) - 48, .span = span,
                             .align = span >= 16 && (rnd() & 1) ? span : 0,
                             .access = rnd() & 1 ? IR_READ : IR_WRITE };
            if (rnd() & 1) {
                a[i].at &= -(int32_t)span;
            }
            add(b, &a[i], i);
        }
        ir_emit(b, IR_jmp, IR_I64, ir_none(), ir_none(), ir_none())->imm = 0x100;
        ir_merge_checks(b, IR_SHARED_HOSTS);
        const char *what = judge(b, a, n, &after);
        before += n;
        if (what) {
            printf("merge: %s:", what);
            for (unsigned i = 0; i < n; i++) {
                printf(" %d+%u%s", a[i].at, a[i].span, a[i].align ? "a" : "");
            }
            printf("\n");
            bad++;
        }
    }
    printf("merge: %u accesses, %u checks; %u lists wrong\n", before, after, bad);
    return bad || after >= before;
}
