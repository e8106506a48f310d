# SPDX-License-Identifier: GPL-2.0-or-later
# The translator against the processor and against itself: `make check-cpu`; what a run does follows from its seed.
CAPSTONE  := $(shell pkg-config --libs capstone 2>/dev/null)
CPU_TESTS := softfloat now3d ops merge blocks native peek simd x87 vex evex evex_rules $(if $(CAPSTONE),decode) fxsave be_native codestore
CPU_IR    := ir opt merge irtext interp
SOFTFLOAT := $(patsubst %.c,$(B)/%.o,$(wildcard cpu/softfloat/*.c))
CPU_TCC    := $(patsubst %,$(B)/accel/dbt/tcc/%.o,render support compile)
CPU_NATIVE := $(patsubst %.c,$(B)/%.o,$(wildcard accel/dbt/x86_64/*.c) accel/dbt/huge.c accel/dbt/ic.c accel/dbt/hoist.c core/disas.c)

$(B)/tests/cpu/ops: $(B)/tests/cpu/ops.o $(B)/accel/dbt/ir.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
$(B)/tests/cpu/merge: $(patsubst %,$(B)/%.o,tests/cpu/merge accel/dbt/ir accel/dbt/merge)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
$(B)/tests/cpu/blocks: $(patsubst %,$(B)/tests/cpu/%.o,blocks gen fake) $(CPU_IR:%=$(B)/accel/dbt/%.o) $(CPU_NATIVE) $(CPU_TCC)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

# The front end with memory of the test's own instead of the run time.
NATIVE := $(patsubst %,$(B)/cpu/x86/%.o,decode translate translate_int translate_sys translate_fastcall translate_string translate_simd translate_x87 translate_vex translate_evex evex evex_int evex_perm evex_fp evex_fp2 evex_mask bmi operand peek string misc simd \
          now3d x87_vop x87_host x87_soft simd_aes simd_sha simd_fp simd_fp_soft simd_int simd_move simd_str) $(SOFTFLOAT) $(B)/accel/dbt/ir.o $(B)/accel/dbt/opt.o $(B)/accel/dbt/merge.o $(B)/accel/dbt/interp.o $(B)/accel/dbt/irtext.o
$(B)/tests/cpu/native $(B)/tests/cpu/peek $(B)/tests/cpu/decode: %: %.o $(B)/tests/cpu/flat.o $(NATIVE)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS) $(CAPSTONE)      # the second reader of x86 code

FP_OBJ := $(patsubst %,$(B)/cpu/x86/%.o,simd_exc fxsave x87 mmx vex_run vex_soft evex_run) $(NATIVE) $(CPU_NATIVE)
$(B)/tests/cpu/simd $(B)/tests/cpu/now3d $(B)/tests/cpu/x87 $(B)/tests/cpu/vex $(B)/tests/cpu/fxsave: %: %.o $(B)/tests/cpu/fphost.o $(FP_OBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(B)/tests/cpu/evex: $(patsubst %,$(B)/tests/cpu/%.o,evex evex_ref evex_ref_fp evex_sibling fphost) $(FP_OBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(B)/tests/cpu/evex_rules: $(patsubst %,$(B)/tests/cpu/%.o,evex_rules evex_ref evex_ref_fp fphost) $(FP_OBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

# The native back end against ir_eval().
$(B)/tests/cpu/be_native: $(patsubst %,$(B)/tests/cpu/%.o,be_native be_native_gen be_native_model) \
                          $(CPU_NATIVE) $(B)/accel/dbt/ir.o $(B)/accel/dbt/opt.o
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS) $(shell pkg-config --libs capstone 2>/dev/null)

# The run time's stores to code.
$(B)/tests/cpu/codestore: $(B)/tests/cpu/codestore.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

MODES_SEED  ?= 7
MODES_CASES ?= 20000
check-cpu: $(CPU_TESTS:%=$(B)/tests/cpu/%)
	@for t in $^; do $$t || exit 1; done
	@$(B)/tests/cpu/proof/modes -s $(MODES_SEED) -n $(MODES_CASES)
.PHONY: check-cpu
-include $(patsubst %,$(B)/tests/cpu/%.d,$(CPU_TESTS) be_native_gen be_native_model gen fake fphost flat evex_ref evex_ref_fp evex_sibling)
TESTS += $(CPU_TESTS:%=$(B)/tests/cpu/%)
check: $(CPU_TESTS:%=$(B)/tests/cpu/%)

# The same against portable floating point: the meanings that hosts without x86 use, under -DPORTABLE_FP.
SOFT_SRC := cpu/x86/simd_fp cpu/x86/simd_fp_soft cpu/x86/x87_host cpu/x86/x87_soft cpu/x86/simd cpu/x86/vex_run cpu/x86/vex_soft cpu/x86/simd_str \
            tests/cpu/simd tests/cpu/x87 tests/cpu/vex
$(SOFT_SRC:%=$(B)/soft/%.o): $(B)/soft/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DPORTABLE_FP -MMD -MP -c -o $@ $<
SOFT_OBJ := $(SOFT_SRC:%=$(B)/soft/%.o) $(B)/tests/cpu/fphost.o \
            $(filter-out $(SOFT_SRC:%=$(B)/%.o),$(FP_OBJ))
SOFT_TESTS := simd-soft x87-soft vex-soft
$(B)/tests/cpu/softfloat: $(B)/tests/cpu/softfloat.o $(SOFTFLOAT)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
$(SOFT_TESTS:%=$(B)/tests/cpu/%): $(B)/tests/cpu/%-soft: $(SOFT_OBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $(filter-out $(patsubst %,$(B)/soft/tests/cpu/%.o,$(filter-out $*,simd x87 vex)),$^) $(ALL_LIBS)
-include $(SOFT_SRC:%=$(B)/soft/%.d)
TESTS += $(SOFT_TESTS:%=$(B)/tests/cpu/%)
check-cpu: $(SOFT_TESTS:%=$(B)/tests/cpu/%)
# Every row of the opcode tables on the host's processor and on both engines.
PROOF := $(patsubst %,$(B)/tests/cpu/proof/%.o,main host engine code sequence values compare undefined)
$(B)/tests/cpu/proof/proof: $(PROOF) $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
-include $(PROOF:.o=.d)
# Engine against engine in the modes that the host's user code has not got: a slice in `make check`, MODES_CASES in `make check-cpu`.
MODES_OBJ := $(patsubst %,$(B)/tests/cpu/proof/%.o,modes modes_case host engine code sequence values undefined)
$(B)/tests/cpu/proof/modes: $(MODES_OBJ) $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
-include $(MODES_OBJ:.o=.d)
TESTS += $(B)/tests/cpu/proof/proof $(B)/tests/cpu/proof/modes
check check-cpu: $(B)/tests/cpu/proof/proof $(B)/tests/cpu/proof/modes

# Sequences once more with a trace from the second entry of each block on.
PROOF_TRACES := $(B)/tests/cpu/proof/traces
$(PROOF_TRACES): $(B)/tests/cpu/proof/proof
	@printf '#!/bin/sh\nexec $< -q -e traces -n 60000\n' > $@ && chmod +x $@
TESTS += $(PROOF_TRACES)
check check-cpu: $(PROOF_TRACES)

# The decoder against libzydis, where it is.
ZYDIS := $(filter yes,$(CONFIG_ZYDIS))
ifneq ($(ZYDIS),)
ZYDIS_TESTS := $(B)/tests/cpu/zydis $(B)/tests/cpu/evex_decode
$(ZYDIS_TESTS): %: %.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS) -lZydis
TESTS += $(ZYDIS_TESTS)
check: $(ZYDIS_TESTS)
check-cpu: $(ZYDIS_TESTS)
-include $(ZYDIS_TESTS:%=%.d)
endif
