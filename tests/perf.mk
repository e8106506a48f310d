# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark set: `make perf` runs it against the installed peer (PEER=path, or PEER= for none; ROUNDS=3).  No timing is a test.
PERF_B ?= $(B)/tests/perf
$(PERF_B)/work.bin: tests/perf/work.c tests/guest/boot.S tests/guest/flat.ld $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(CC) -m64 $(filter-out -mgeneral-regs-only -O1,$(GUEST_CFLAGS)) -O2 -Wno-unused-function -fno-strict-aliasing -fno-tree-loop-distribute-patterns -c -o $(PERF_B)/work.o $<
	ld -m elf_x86_64 --no-warn-rwx-segments -T tests/guest/flat.ld -o $(PERF_B)/work.elf $(PERF_B)/work.o
	objcopy -O binary $(PERF_B)/work.elf $(PERF_B)/work.payload
	$(CC) -m32 -c -DPAYLOAD='"$(PERF_B)/work.payload"' -o $(PERF_B)/work.boot.o tests/guest/boot.S
	objcopy -O binary -j .text $(PERF_B)/work.boot.o $@
$(PERF_B)/work: tests/perf/work.c
	@mkdir -p $(@D)
	$(CC) -O2 -DNATIVE -o $@ $<
perf: $(PERF_B)/work.bin $(PERF_B)/work all
	tests/perf/run $(B)/ryokan $(PERF_B) $(ROUNDS)
.PHONY: perf
# Would helpers specialised by libtcc be faster?  `make perf-helper`.
$(PERF_B)/helper: $(PERF_B)/helper.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
perf-helper: $(PERF_B)/helper
	$(PERF_B)/helper
.PHONY: perf-helper
-include $(PERF_B)/helper.d
# What translation costs: see the head of translate.c.
$(PERF_B)/translate: $(B)/tests/perf/translate.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
-include $(B)/tests/perf/translate.d
