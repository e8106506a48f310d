/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evex.c -- the rows of evex.def as a table, and how long their memory operands are.
 *
 * Spec: Intel SDM (325383) vol. 2, ch. 2.7.5 (compressed displacement).
 * Threads: const data.
 */
#include "cpu/x86/evex.h"

#define HOST(name)
#define DO(name) EvexFn evex_##name;
#define EVEX(nm, pfx, map, op, mr, w, dst, s1, s2, im, tup, bytes, el, len, feat, fl, how) how
#include "cpu/x86/evex.def"
#undef EVEX
#undef HOST
#undef DO

#define HOST(name) VX_##name, NULL
#define DO(name) EVEX_NO_HOST, evex_##name
const X86EvexRow x86_evex_rows[] = {
#define EVEX(nm, pfx, map, op, mr, w, dst, s1, s2, im, tup, bytes, el, len, feat, fl, how) \
    [EX_##nm] = { { OPD_##dst, OPD_##s1, OPD_##s2 }, im, T_##tup, bytes, el, len, feat, fl, how },
#include "cpu/x86/evex.def"
#undef EVEX
};

/*
 * Rows of gathers and scatters name these: bytes of an index.  What runs is gather_scatter() in
 * evex_run.c.
 */
void evex_vsib4(EvexOp *o) { (void)o; }
void evex_vsib8(EvexOp *o) { (void)o; }

unsigned x86_evex_tuple_bytes(const X86EvexRow *r, unsigned vl)
{
    switch ((EvexTuple)r->tuple) {
    case T_NONE: return 0;
    case T_FV: case T_FVM: return vl;
    case T_HV: case T_HVM: return vl / 2;
    case T_QVM: return vl / 4;
    case T_OVM: return vl / 8;
    case T_T1S: return r->from;
    case T_T2: return 2u * r->from;
    case T_T4: return 4u * r->from;
    case T_T8: return 8u * r->from;
    case T_M128: return 16;
    case T_DUP: return vl == 16 ? 8 : vl;
    }
    return 0;
}

unsigned x86_evex_disp8(const X86EvexRow *r, uint8_t p2)
{
    return p2 & 0x10 ? r->from : x86_evex_tuple_bytes(r, 16u << MIN(p2 >> 5 & 3, 2));
}
