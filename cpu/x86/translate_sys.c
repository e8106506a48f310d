/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * translate_sys.c -- the stack, segments, FP state and system instructions as IR, most of them by
 * helpers.  SYSCALL and SYSRET: translate_fastcall.c; ports and strings: translate_string.c.
 *
 * Privileges are the helpers' business.  An instruction that may change the mode or open the door
 * to an interrupt ends its block.
 *
 * Spec: Intel SDM (325383) vol. 2, the instructions by name; vol. 3, ch. 2 and 6.
 * Threads: the vCPU that translates.
 */
#include "cpu/x86/sys.h"
#include "cpu/x86/translate.h"

static void helper0(X86Tr *t, unsigned number) { tr_helper(t, number, NONE, NONE, NONE, NONE); }

/* ---- the stack ---- */
void x86_tr_PUSH(X86Tr *t, const X86Insn *i)
{
    IrRef s = tr_operand(t, i, 0, IR_READ);
    if (s.kind == IR_HOST) {
        IrRef v = tr_temp(t);
        emit(t, IR_mov, tr_type(i->osize), v, s, NONE);
        s = v;
    }
    tr_push(t, i->osize, s);
}

void x86_tr_POP(X86Tr *t, const X86Insn *i)
{
    IrType type = tr_type(i->osize);
    IrRef h = tr_check_pop(t, i->osize), v = tr_temp(t), d;
    if (i->row->ops[0] == OPD_Ev && i->mod != 3) {
        /* its address sees the stack pointer already moved */
        X86Insn moved = *i;
        if (i->base == R_RSP)
            moved.disp += i->osize;
        d = tr_check(t, &moved, i->osize, IR_WRITE);
    } else {
        d = tr_operand(t, i, 0, IR_WRITE);
        if (d.id != R_RSP) {
            emit(t, IR_mov, type, d, h, NONE);
            tr_move_sp(t, i->osize);
            return;
        }
    }
    emit(t, IR_mov, type, v, h, NONE);
    tr_move_sp(t, i->osize);
    emit(t, IR_mov, type, d, v, NONE);
}

void x86_tr_PUSHA(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_pusha, NONE, NONE, NONE, tr_imm(t, i->osize));
}
void x86_tr_POPA(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_popa, NONE, NONE, NONE, tr_imm(t, i->osize));
}
void x86_tr_ENTER(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_enter, NONE, tr_imm(t, i->imm), tr_imm(t, i->imm2 & 31), tr_imm(t, i->osize));
}

void x86_tr_LEAVE(X86Tr *t, const X86Insn *i)
{
    unsigned size = tr_stack_size(t);
    IrRef bp = ir_guest(R_RBP), sp = ir_guest(R_RSP), v = tr_temp(t);
    IrMem m = { .base = bp, .offset_bits = size * 8 };
    tr_segment(t, &m, S_SS);
    IrRef h = tr_check_mem(t, &m, i->osize, IR_READ);
    emit(t, IR_mov, tr_type(i->osize), v, h, NONE);
    emit(t, IR_add, tr_type(size), sp, bp, tr_imm(t, i->osize));
    emit(t, IR_mov, tr_type(i->osize), bp, v, NONE);
}

/* The image without VM and RF; virtual-8086 mode has its own rules. */
void x86_tr_PUSHF(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_temp(t);
    if (t->mode & (X86_MODE_VM | X86_MODE_GUEST)) {
        tr_helper(t, XH_pushf, v, NONE, NONE, tr_imm(t, i->osize));
    } else {
        emit(t, IR_getfl, IR_I64, v, NONE, NONE);
        IrRef df = tr_temp(t);          /* -1 or 1: bit 10 is DF */
        emit(t, IR_or, IR_I64, v, v, CTX(rflags));
        emit(t, IR_and, IR_I64, df, CTX(df), tr_imm(t, EF_DF));
        emit(t, IR_or, IR_I64, v, v, df);
        emit(t, IR_and, IR_I64, v, v, tr_imm(t, ~(uint64_t)(EF_VM | EF_RF)));
    }
    tr_push(t, i->osize, v);
}

void x86_tr_POPF(X86Tr *t, const X86Insn *i)
{
    IrRef h = tr_check_pop(t, i->osize), v = tr_temp(t);
    emit(t, IR_mov, tr_type(i->osize), v, h, NONE);
    tr_helper(t, XH_popf, NONE, v, NONE, tr_imm(t, i->osize));
    tr_move_sp(t, i->osize);
    tr_end_lookup(t);
}

/* ---- segment registers ---- */
static IrRef selector(unsigned seg)
{
    return ir_ctx(offsetof(X86Cpu, seg) + seg * sizeof(X86Seg) + offsetof(X86Seg, selector));
}

static IrRef seg_base(unsigned seg)
{
    return ir_ctx(offsetof(X86Cpu, seg) + seg * sizeof(X86Seg) + offsetof(X86Seg, base));
}

static unsigned seg_operand(const X86Insn *i) { return i->row->ops[0] - OPD_ES; }

/* After a load of SS interrupts are held for one instruction: the run loop sees to that. */
static void after_segment(X86Tr *t, unsigned seg)
{
    if (seg == S_SS)
        tr_end_next(t);
    else
        tr_end_lookup(t);
}

void x86_tr_PUSH_SEG(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_temp(t);
    emit(t, IR_mov, IR_I16, v, selector(seg_operand(i)), NONE);
    tr_push(t, i->osize, v);
}

void x86_tr_POP_SEG(X86Tr *t, const X86Insn *i)
{
    IrRef h = tr_check_pop(t, i->osize), v = tr_temp(t);
    emit(t, IR_mov, IR_I16, v, h, NONE);
    tr_helper(t, XH_load_seg, NONE, tr_imm(t, seg_operand(i)), v, NONE);
    tr_move_sp(t, i->osize);
    after_segment(t, seg_operand(i));
}

void x86_tr_MOV_FROM_SEG(X86Tr *t, const X86Insn *i)
{
    unsigned seg = (i->modrm >> 3) & 7;
    if (seg > S_GS) {
        tr_ud(t);
    } else if (i->mod == 3) {
        IrRef v = tr_temp(t);
        emit(t, IR_mov, IR_I16, v, selector(seg), NONE);
        emit(t, IR_mov, tr_type(i->osize), ir_guest(i->rm), v, NONE);
    } else {
        IrRef h = tr_check(t, i, 2, IR_WRITE), v = tr_temp(t);
        emit(t, IR_mov, IR_I16, v, selector(seg), NONE);
        emit(t, IR_mov, IR_I16, h, v, NONE);
    }
}

void x86_tr_MOV_TO_SEG(X86Tr *t, const X86Insn *i)
{
    unsigned seg = (i->modrm >> 3) & 7;
    if (seg > S_GS || seg == S_CS) {
        tr_ud(t);
        return;
    }
    tr_helper(t, XH_load_seg, NONE, tr_imm(t, seg), tr_value(t, i, 1), NONE);
    after_segment(t, seg);
}

static void load_far(X86Tr *t, const X86Insn *i, unsigned seg)
{
    IrRef offset, sel = tr_far_pointer(t, i, &offset);
    tr_helper(t, XH_load_seg, NONE, tr_imm(t, seg), sel, NONE);
    emit(t, IR_mov, tr_type(i->osize), ir_guest(i->reg), offset, NONE);
    after_segment(t, seg);
}
void x86_tr_LES(X86Tr *t, const X86Insn *i) { load_far(t, i, S_ES); }
void x86_tr_LDS(X86Tr *t, const X86Insn *i) { load_far(t, i, S_DS); }
void x86_tr_LSS(X86Tr *t, const X86Insn *i) { load_far(t, i, S_SS); }
void x86_tr_LFS(X86Tr *t, const X86Insn *i) { load_far(t, i, S_FS); }
void x86_tr_LGS(X86Tr *t, const X86Insn *i) { load_far(t, i, S_GS); }

/* ---- descriptor tables and selectors ---- */
static void by_selector(X86Tr *t, const X86Insn *i, unsigned helper)
{
    if (i->row->props & CPL0 && t->mode & X86_MODE_CPL)
        /* #GP, before the operand is looked at */
        tr_helper(t, helper, NONE, tr_imm(t, 0), NONE, NONE);
    else
        tr_helper(t, helper, NONE, tr_value(t, i, 0), NONE, NONE);
}
void x86_tr_LLDT(X86Tr *t, const X86Insn *i) { by_selector(t, i, XH_lldt); }
void x86_tr_LTR(X86Tr *t, const X86Insn *i) { by_selector(t, i, XH_ltr); }
void x86_tr_VERR(X86Tr *t, const X86Insn *i) { by_selector(t, i, XH_verr); }
void x86_tr_VERW(X86Tr *t, const X86Insn *i) { by_selector(t, i, XH_verw); }
void x86_tr_LMSW(X86Tr *t, const X86Insn *i) { by_selector(t, i, XH_lmsw); tr_end_lookup(t); }

static void read_limit(X86Tr *t, const X86Insn *i, unsigned helper)
{
    IrRef s = tr_value(t, i, 1), v = tr_temp(t);
    tr_helper(t, helper, v, s, ir_guest(i->reg), NONE);
    /* 32 bits: all is kept where it fails */
    emit(t, IR_mov, i->osize == 2 ? IR_I16 : IR_I64, ir_guest(i->reg), v, NONE);
}
void x86_tr_LAR(X86Tr *t, const X86Insn *i) { read_limit(t, i, XH_lar); }
void x86_tr_LSL(X86Tr *t, const X86Insn *i) { read_limit(t, i, XH_lsl); }

void x86_tr_ARPL(X86Tr *t, const X86Insn *i)
{
    IrRef by = tr_temp(t);
    emit(t, IR_mov, IR_I16, by, ir_guest(i->reg), NONE);
    if (i->mod != 3) {
        IrRef offset = tr_offset(t, i);
        tr_helper(t, XH_arpl_mem, NONE, offset, tr_imm(t, i->seg), by);
        return;
    }
    IrRef d = tr_operand(t, i, 0, IR_READ | IR_WRITE), old = tr_temp(t), v = tr_temp(t);
    emit(t, IR_mov, IR_I16, old, d, NONE);
    tr_helper(t, XH_arpl, v, old, by, NONE);
    emit(t, IR_mov, IR_I16, d, v, NONE);
}

/* SLDT, STR, SMSW: 16 bits in memory. */
static void store_word(X86Tr *t, const X86Insn *i, unsigned kind)
{
    IrRef v = tr_temp(t);
    tr_helper(t, XH_str_sldt, v, tr_imm(t, kind), NONE, NONE);
    if (i->mod == 3)
        emit(t, IR_mov, tr_type(i->osize), ir_guest(i->rm), v, NONE);
    else
        emit(t, IR_mov, IR_I16, tr_check(t, i, 2, IR_WRITE), v, NONE);
}
void x86_tr_SLDT(X86Tr *t, const X86Insn *i) { store_word(t, i, 0); }
void x86_tr_STR(X86Tr *t, const X86Insn *i) { store_word(t, i, 1); }
void x86_tr_SMSW(X86Tr *t, const X86Insn *i) { store_word(t, i, 2); }

static void table_register(X86Tr *t, const X86Insn *i, unsigned helper)
{
    unsigned size = tr_code64(t) ? 8 : i->osize;
    tr_helper(t, helper, NONE, tr_offset(t, i), tr_imm(t, i->seg), tr_imm(t, size));
}
void x86_tr_SGDT(X86Tr *t, const X86Insn *i) { table_register(t, i, XH_sgdt); }
void x86_tr_SIDT(X86Tr *t, const X86Insn *i) { table_register(t, i, XH_sidt); }
void x86_tr_LGDT(X86Tr *t, const X86Insn *i) { table_register(t, i, XH_lgdt); }
void x86_tr_LIDT(X86Tr *t, const X86Insn *i) { table_register(t, i, XH_lidt); }

/* ---- control registers ---- */
void x86_tr_MOV_FROM_CR(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_temp(t);
    tr_helper(t, XH_read_cr, v, tr_imm(t, i->reg), NONE, NONE);
    emit(t, IR_mov, tr_code64(t) ? IR_I64 : IR_I32, ir_guest(i->rm), v, NONE);
}

void x86_tr_MOV_FROM_DR(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_temp(t);
    tr_helper(t, XH_read_dr, v, tr_imm(t, i->reg), NONE, NONE);
    emit(t, IR_mov, tr_code64(t) ? IR_I64 : IR_I32, ir_guest(i->rm), v, NONE);
}

static void write_register(X86Tr *t, const X86Insn *i, unsigned helper)
{
    IrRef v = tr_temp(t);
    emit(t, IR_mov, tr_code64(t) ? IR_I64 : IR_I32, v, ir_guest(i->rm), NONE);
    tr_helper(t, helper, NONE, tr_imm(t, i->reg), v, NONE);
}

void x86_tr_MOV_TO_CR(X86Tr *t, const X86Insn *i)
{
    write_register(t, i, XH_write_cr);
    tr_end_lookup(t);                                   /* what TPR lets in kicks this CPU */
}

void x86_tr_MOV_TO_DR(X86Tr *t, const X86Insn *i)
{
    write_register(t, i, XH_write_dr);
    tr_end_lookup(t);
}

static void and_look_up(X86Tr *t, unsigned helper)
{
    helper0(t, helper);
    tr_end_lookup(t);
}
void x86_tr_CLTS(X86Tr *t, const X86Insn *i) { and_look_up(t, XH_clts); }
void x86_tr_XSETBV(X86Tr *t, const X86Insn *i) { and_look_up(t, XH_xsetbv); }
void x86_tr_WRPKRU(X86Tr *t, const X86Insn *i) { and_look_up(t, XH_wrpkru); }

void x86_tr_WRMSR(X86Tr *t, const X86Insn *i) { and_look_up(t, XH_wrmsr); }
/* A register of the address size, as an offset. */
static IrRef address_register(X86Tr *t, const X86Insn *i, unsigned reg)
{
    IrRef v = tr_temp(t);
    emit(t, i->asize == 2 ? IR_zext16 : IR_mov, i->asize == 8 ? IR_I64 : IR_I32, v, ir_guest(reg),
         NONE);
    return v;
}
static unsigned data_segment(const X86Insn *i)
{
    return i->seg_prefix == SEG_NONE ? S_DS : i->seg_prefix;
}

void x86_tr_MONITOR(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_monitor, NONE, address_register(t, i, R_RAX), tr_imm(t, data_segment(i)),
              tr_imm(t, 0));
}
void x86_tr_UMONITOR(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_monitor, NONE, address_register(t, i, i->rm), tr_imm(t, data_segment(i)),
              tr_imm(t, 1));
}
static void user_wait(X86Tr *t, const X86Insn *i, unsigned watch)
{
    tr_helper(t, XH_umwait, NONE, ir_guest(i->rm), tr_imm(t, watch), NONE);
    tr_end_lookup(t);
}
void x86_tr_UMWAIT(X86Tr *t, const X86Insn *i) { user_wait(t, i, 1); }
void x86_tr_TPAUSE(X86Tr *t, const X86Insn *i) { user_wait(t, i, 0); }

void x86_tr_CLZERO(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_clzero, NONE, address_register(t, i, R_RAX), tr_imm(t, data_segment(i)), NONE);
}
void x86_tr_MOVDIR64B(X86Tr *t, const X86Insn *i)
{
    IrRef to = address_register(t, i, i->reg);
    tr_helper(t, XH_movdir64b, NONE, to, tr_offset(t, i), tr_imm(t, i->seg));
}
void x86_tr_MOVDIRI(X86Tr *t, const X86Insn *i) { x86_tr_MOV(t, i); }
void x86_tr_SERIALIZE(X86Tr *t, const X86Insn *i)
{
    emit(t, IR_fence, IR_I64, NONE, NONE, NONE);
    tr_end_lookup(t);
}

void x86_tr_MWAIT(X86Tr *t, const X86Insn *i) { and_look_up(t, XH_mwait); }

/*
 * Where CPL <= IOPL and in 64-bit code this is all there is to it: an interrupt that waits is the
 * run loop's.
 */
void x86_tr_STI(X86Tr *t, const X86Insn *i)
{
    unsigned iopl = (t->mode & X86_MODE_IOPL) >> X86_MODE_IOPL_SHIFT;
    if (!tr_code64(t) || tr_cpl(t) > iopl) {
        and_look_up(t, XH_sti);
        return;
    }
    IrRef was = tr_temp(t);
    emit(t, IR_and, IR_I32, was, CTX(rflags), tr_imm(t, EF_IF));
    emit(t, IR_brnz, IR_I32, NONE, was, NONE)->imm = t->next;
    emit(t, IR_or, IR_I32, CTX(rflags), CTX(rflags), tr_imm(t, EF_IF));
    emit(t, IR_mov, IR_I8, CTX(shadow), tr_imm(t, SHADOW_STI), NONE);
    emit(t, IR_mov, IR_I64, CTX(shadow_pc), tr_eip(t, t->next), NONE);
    emit(t, IR_brz, IR_I32, NONE, CTX(events), NONE)->imm = t->next;
    tr_end_next(t);
}
void x86_tr_PAUSE(X86Tr *t, const X86Insn *i)
{
    if (i->rex & 1)
        x86_tr_NOP(t, i);                               /* XCHG r8, rAX */
    else
        helper0(t, XH_pause);
}

/* Where CPL <= IOPL the interrupt flag is all there is to it; neither shows in the mode. */
void x86_tr_CLI(X86Tr *t, const X86Insn *i)
{
    unsigned iopl = (t->mode & X86_MODE_IOPL) >> X86_MODE_IOPL_SHIFT;
    if (!(t->mode & X86_MODE_VM) && tr_cpl(t) <= iopl)
        emit(t, IR_and, IR_I64, CTX(rflags), CTX(rflags), tr_imm(t, ~(uint64_t)EF_IF));
    else
        and_look_up(t, XH_cli);
}

/*
 * No code depends on AC at privilege 0: what follows only has another TLB, which native code finds
 * by itself where it was before.
 */
static void smap_rights(X86Tr *t, unsigned helper, bool set)
{
    if (!tr_cpl(t) && x86_has_feature(t->cpu, F_SMAP)) {
        IrInsn *n = emit(t, IR_bulk, IR_I32, NONE, CTX(rflags), tr_imm(t, EF_AC));
        n->sub = 2 + set;
        n->imm = t->next;
    }
    helper0(t, helper);
}
void x86_tr_CLAC(X86Tr *t, const X86Insn *i) { smap_rights(t, XH_clac, false); }
void x86_tr_STAC(X86Tr *t, const X86Insn *i) { smap_rights(t, XH_stac, true); }

void x86_tr_SWAPGS(X86Tr *t, const X86Insn *i)
{
    if (!tr_code64(t) || tr_cpl(t)) {
        helper0(t, XH_swapgs);
        return;
    }
    IrRef v = tr_temp(t), w = tr_temp(t);
    emit(t, IR_mov, IR_I64, v, seg_base(S_GS), NONE);
    emit(t, IR_mov, IR_I64, w, CTX(kernel_gs_base), NONE);
    emit(t, IR_mov, IR_I64, seg_base(S_GS), w, NONE);
    emit(t, IR_mov, IR_I64, CTX(kernel_gs_base), v, NONE);
}

#define PLAIN(NAME, helper) \
    void x86_tr_##NAME(X86Tr *t, const X86Insn *i) { helper0(t, XH_##helper); }
PLAIN(INVD, invd)
PLAIN(WBINVD, wbinvd)
PLAIN(RDTSC, rdtsc)
PLAIN(RDTSCP, rdtscp)
PLAIN(RDMSR, rdmsr)
PLAIN(RDPMC, rdpmc)
PLAIN(XGETBV, xgetbv)
PLAIN(RDPKRU, rdpkru)
PLAIN(EMMS, emms)
PLAIN(FEMMS, emms)

/* It serializes: what follows may have changed. */
void x86_tr_CPUID(X86Tr *t, const X86Insn *i)
{
    helper0(t, XH_cpuid);
    tr_end_lookup(t);
}

void x86_tr_VMX_SVM(X86Tr *t, const X86Insn *i)
{
    if (i->modrm >= 0xd8 && i->modrm <= 0xdf && x86_has_feature(t->cpu, F_SVM)) {
        tr_helper(t, XH_svm, NONE, tr_imm(t, i->modrm), tr_imm(t, i->asize * 8u),
                  tr_imm(t, i->length));
        tr_end_pc(t);
    } else {
        tr_helper(t, XH_vmx_svm, NONE, tr_imm(t, i->modrm), NONE, NONE);
    }
}

void x86_tr_INVLPG(X86Tr *t, const X86Insn *i)
{
    IrRef a = tr_offset(t, i);
    if (!tr_code64(t) || i->seg >= S_FS)
        emit(t, IR_add, tr_code64(t) ? IR_I64 : IR_I32, a, a, seg_base(i->seg));
    tr_helper(t, XH_invlpg, NONE, a, NONE, NONE);
    tr_end_lookup(t);
}

void x86_tr_INVPCID(X86Tr *t, const X86Insn *i)
{
    IrRef kind = tr_temp(t);
    emit(t, IR_mov, tr_type(i->osize), kind, ir_guest(i->reg), NONE);
    tr_helper(t, XH_invpcid, NONE, kind, tr_offset(t, i), tr_imm(t, i->seg));
    tr_end_lookup(t);
}

void x86_tr_RDFSGS(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_temp(t);
    tr_helper(t, XH_rdfsgs, v, tr_imm(t, S_FS + (i->reg & 1)), NONE, NONE);
    emit(t, IR_mov, tr_operand_type(i, 0), ir_guest(i->rm), v, NONE);
}

void x86_tr_WRFSGS(X86Tr *t, const X86Insn *i)
{
    IrRef v = tr_value(t, i, 0);
    tr_helper(t, XH_wrfsgs, NONE, tr_imm(t, S_FS + (i->reg & 1)), v, NONE);
}

static void by_value(X86Tr *t, const X86Insn *i, unsigned helper)
{
    IrRef v = tr_temp(t);
    tr_helper(t, helper, v, tr_imm(t, i->osize), NONE, NONE);
    emit(t, IR_mov, tr_type(i->osize), ir_guest(i->rm), v, NONE);
}
void x86_tr_RDRAND(X86Tr *t, const X86Insn *i) { by_value(t, i, XH_rdrand); }
void x86_tr_RDSEED(X86Tr *t, const X86Insn *i) { by_value(t, i, XH_rdseed); }
void x86_tr_RDPID(X86Tr *t, const X86Insn *i) { by_value(t, i, XH_rdpid); }

/* ---- caches and barriers ---- */
/*
 * Real where it costs a look-up and no more: programs that say what they want next (compressors,
 * databases) live by it.
 */
void x86_tr_PREFETCH(X86Tr *t, const X86Insn *i)
{
    unsigned hint = i->opcode == 0x0d ? 4 : i->modrm >> 3 & 7;

    if (!tr_code64(t) || i->mod == 3 || hint > 4) {
        return;
    }
    IrRef a = tr_offset(t, i);
    if (i->seg >= S_FS) {
        emit(t, IR_add, IR_I64, a, a, seg_base(i->seg));
    }
    emit(t, IR_prefetch, IR_I64, NONE, a, NONE)->imm8 = (uint8_t)hint;
}
void x86_tr_LFENCE(X86Tr *t, const X86Insn *i) { }
void x86_tr_MFENCE(X86Tr *t, const X86Insn *i) { emit(t, IR_fence, IR_I64, NONE, NONE, NONE); }
void x86_tr_CLFLUSH(X86Tr *t, const X86Insn *i) { tr_check(t, i, 1, IR_READ); }

/* ---- odds and ends in C ---- */
static void bcd(X86Tr *t, const X86Insn *i)
{
    tr_helper(t, XH_bcd, NONE, tr_imm(t, i->opcode), tr_imm(t, i->imm & 0xff), NONE);
}
void x86_tr_DAA(X86Tr *t, const X86Insn *i) { bcd(t, i); }
void x86_tr_DAS(X86Tr *t, const X86Insn *i) { bcd(t, i); }
void x86_tr_AAA(X86Tr *t, const X86Insn *i) { bcd(t, i); }
void x86_tr_AAS(X86Tr *t, const X86Insn *i) { bcd(t, i); }
void x86_tr_AAM(X86Tr *t, const X86Insn *i) { bcd(t, i); }
void x86_tr_AAD(X86Tr *t, const X86Insn *i) { bcd(t, i); }

void x86_tr_BOUND(X86Tr *t, const X86Insn *i)
{
    IrRef index = tr_temp(t);
    emit(t, IR_mov, tr_type(i->osize), index, ir_guest(i->reg), NONE);
    tr_helper(t, XH_bound, NONE, index, tr_offset(t, i),
              tr_imm(t, i->seg | (unsigned)i->osize << 8));
}

void x86_tr_CMPXCHG8B(X86Tr *t, const X86Insn *i)
{
    if (i->osize == 8 && !x86_has_feature(t->cpu, F_CX16)) {
        tr_ud(t);
        return;
    }
    tr_helper(t, i->osize == 8 ? XH_cmpxchg16b : XH_cmpxchg8b, NONE, tr_offset(t, i),
              tr_imm(t, i->seg), tr_imm(t, i->lock));
}

/* ---- x87 and the FP state ---- */
static void fp_state(X86Tr *t, const X86Insn *i, unsigned helper, unsigned how)
{
    if (helper == XH_fxsave || helper == XH_xsave)
        x86_tr_x87_settle(t);
    tr_helper(t, helper, NONE, tr_offset(t, i), tr_imm(t, i->seg),
              tr_imm(t, ((i->rex >> 3) & 1) | how));
}
void x86_tr_FXSAVE(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_fxsave, 0); }
void x86_tr_FXRSTOR(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_fxrstor, 0); tr_end_lookup(t); }
void x86_tr_XSAVE(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_xsave, 0); }
void x86_tr_XSAVEOPT(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_xsave, 0x10); }
void x86_tr_XSAVEC(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_xsave, 0x20); }
void x86_tr_XSAVES(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_xsave, 0x40); }
void x86_tr_XRSTOR(X86Tr *t, const X86Insn *i) { fp_state(t, i, XH_xrstor, 0); tr_end_lookup(t); }
void x86_tr_XRSTORS(X86Tr *t, const X86Insn *i)
{
    fp_state(t, i, XH_xrstor, 0x40);
    tr_end_lookup(t);
}

static bool sse_runs(X86Tr *t)
{
    if (t->mode & X86_MODE_SSE)
        return true;
    tr_helper(t, XH_no_simd, NONE, tr_imm(t, 1), NONE, NONE);
    tr_end_pc(t);
    return false;
}

void x86_tr_LDMXCSR(X86Tr *t, const X86Insn *i)
{
    if (!sse_runs(t))
        return;
    tr_helper(t, XH_ldmxcsr, NONE, tr_value(t, i, 0), NONE, NONE);
    tr_end_lookup(t);
}

void x86_tr_STMXCSR(X86Tr *t, const X86Insn *i)
{
    if (!sse_runs(t))
        return;
    IrRef h = tr_check(t, i, 4, IR_WRITE), v = tr_temp(t);
    tr_helper(t, XH_stmxcsr, v, NONE, NONE, NONE);
    emit(t, IR_mov, IR_I32, h, v, NONE);
}
