# SPDX-License-Identifier: GPL-2.0-or-later
# Small guests, one a chapter of the manual, as BIOS images of 64 KiB that both engines run: `make check-guest`.
GUESTS  := real prot paging tasks long gates spaces smc recode recode2 loops code fpu smp smpmap reset smm smm32 sys sys64 svm timers nest xstate
GUEST_B ?= $(B)/tests/guest
GUEST_CFLAGS := -O1 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
                -mgeneral-regs-only -mno-red-zone -Wall -Wextra -Wno-unused-parameter -I. $(GUEST_ROUNDS:%=-DROUNDS=%) $(GUEST_SEED:%=-DSEED=%)
GUEST_M := -m32 -march=i686
GUEST_LD := elf_i386
$(foreach g,long gates spaces smc recode recode2 loops code fpu smp smpmap reset smm sys64 svm timers nest xstate,$(GUEST_B)/$(g).o $(GUEST_B)/$(g).bin): GUEST_M := -m64
$(foreach g,long gates spaces smc recode recode2 loops code fpu smp smpmap reset smm sys64 svm timers nest xstate,$(GUEST_B)/$(g).o $(GUEST_B)/$(g).bin): GUEST_LD := elf_x86_64

$(GUEST_B)/%.o: tests/guest/%.c $(wildcard tests/guest/*.h)
	@mkdir -p $(@D)
	$(CC) $(GUEST_M) $(GUEST_CFLAGS) -c -o $@ $<
$(GUEST_B)/%.bin: $(GUEST_B)/%.o tests/guest/boot.S tests/guest/flat.ld
	ld -m $(GUEST_LD) --no-warn-rwx-segments -T tests/guest/flat.ld -o $(GUEST_B)/$*.elf $<
	objcopy -O binary $(GUEST_B)/$*.elf $(GUEST_B)/$*.payload
	$(CC) -m32 -c -DPAYLOAD='"$(GUEST_B)/$*.payload"' -o $(GUEST_B)/$*.boot.o tests/guest/boot.S
	objcopy -O binary -j .text $(GUEST_B)/$*.boot.o $@
$(GUEST_B)/real.bin: tests/guest/real.S tests/guest/unreal.inc
$(GUEST_B)/halts.bin $(GUEST_B)/faults.bin: tests/kvm/halts.S tests/guest/unreal.inc
$(GUEST_B)/faults.bin: GUEST_D := -DFAULTS
$(GUEST_B)/real.bin $(GUEST_B)/halts.bin $(GUEST_B)/faults.bin:
	@mkdir -p $(@D)
	$(CC) -m32 -I. $(GUEST_D) -c -o $(@:.bin=.boot.o) $<
	objcopy -O binary -j .text $(@:.bin=.boot.o) $@

$(GUEST_B)/exits.o: tests/kvm/exits.c tests/guest/lib.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_M) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_B)/model.o: GUEST_M := -m32 -march=i486

# Every CPU model with a guest that tries its instructions.
$(GUEST_B)/models: tests/guest/models $(GUEST_B)/model.bin $(B)/ryokan
	@cp $< $@

# A program for tests/run: all guests on both engines.
$(GUEST_B)/guests: tests/guest/guests $(GUESTS:%=$(GUEST_B)/%.bin) $(GUEST_B)/halts.bin $(GUEST_B)/faults.bin $(GUEST_B)/migrate $(B)/ryokan
	@cp $< $@
ifeq ($(shell uname -m),x86_64)
TESTS += $(GUEST_B)/guests $(GUEST_B)/models
endif
check-guest: $(GUEST_B)/guests $(GUEST_B)/models
	@B=$(B) tests/run $^
check-models: $(GUEST_B)/models
	@B=$(B) tests/run $<
# The guests with two CPUs for minutes: SMP_ROUNDS times the work.
SMP_ROUNDS ?= 100
check-smp: all
	@$(MAKE) -s GUEST_B=$(B)/tests/smp GUEST_ROUNDS=$(SMP_ROUNDS) $(B)/tests/smp/smp.bin $(B)/tests/smp/recode2.bin $(B)/tests/smp/smpmap.bin $(B)/tests/smp/reset.bin
	@cp tests/guest/guests $(B)/tests/smp/ && B=$(B) EMU=tests/emulator GUEST_LIMIT=1200 $(B)/tests/smp/guests smp recode2 smpmap reset
.PHONY: check-guest check-models check-smp
.PRECIOUS: $(GUEST_B)/%.o

# The same guests, moved from machine to machine as they run.
$(GUEST_B)/migrate: $(GUEST_B)/migrate-host.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
$(GUEST_B)/migrate-host.o: tests/guest/migrate.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
-include $(GUEST_B)/migrate-host.d
