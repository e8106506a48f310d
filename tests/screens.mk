# SPDX-License-Identifier: GPL-2.0-or-later
# Golden screens: diskettes whose pictures tests/cli/screens looks at.
SCREENS_B   := $(B)/tests/screens
SCREENS_SRC := $(wildcard tests/guest/screens/*.c)
SCREENS_CFLAGS := -m16 -march=i386 -Os -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -mregparm=3 \
                  -fno-asynchronous-unwind-tables -mgeneral-regs-only -fno-jump-tables -Wall -Wextra -I.

define SCREENS_DISK     # (name, flags)
$(SCREENS_B)/$(1)/%.o: tests/guest/screens/%.c tests/guest/screens/lib.h
	@mkdir -p $$(@D)
	$$(CC) $$(SCREENS_CFLAGS) $(2) -c -o $$@ $$<
$(SCREENS_B)/$(1).img: $(SCREENS_SRC:tests/guest/screens/%.c=$(SCREENS_B)/$(1)/%.o) tests/guest/screens/boot.S tests/guest/screens/screens.ld
	$$(CC) -m32 -c -DSECTORS=120 -o $(SCREENS_B)/$(1)/start.o tests/guest/screens/boot.S
	ld -m elf_i386 -T tests/guest/screens/screens.ld --no-check-sections -o $(SCREENS_B)/$(1).elf $(SCREENS_B)/$(1)/start.o $$(filter %.o,$$^)
	objcopy -O binary -j .boot $(SCREENS_B)/$(1).elf $(SCREENS_B)/$(1).boot
	objcopy -O binary -j .text $(SCREENS_B)/$(1).elf $(SCREENS_B)/$(1).text
	@[ $$$$(stat -c %s $(SCREENS_B)/$(1).text) -le 61440 ] || { echo "$(1): too large for a segment"; exit 1; }
	cat $(SCREENS_B)/$(1).boot $(SCREENS_B)/$(1).text > $$@.tmp && truncate -s 1440k $$@.tmp && mv $$@.tmp $$@
endef
$(eval $(call SCREENS_DISK,vga,))
$(eval $(call SCREENS_DISK,cirrus,-DCIRRUS))
screens: $(SCREENS_B)/vga.img $(SCREENS_B)/cirrus.img
.PHONY: screens
