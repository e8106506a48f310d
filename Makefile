# SPDX-License-Identifier: GPL-2.0-or-later
# One non-recursive Makefile.  `make`, `make run`, `make check`; MODE=rel|dbg|asan|ubsan|san|tsan|cov picks the build (san: asan and ubsan).
MODE ?= rel
B    := build/$(MODE)
-include build/config.mk

CC      ?= cc
PKGS    := glib-2.0 zlib pixman-1
CFLAGS_rel   := -O2 -g
CFLAGS_dbg   := -Og -g
CFLAGS_asan  := -O1 -g -fsanitize=address -fno-omit-frame-pointer
CFLAGS_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined
CFLAGS_san   := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_tsan  := -O1 -g -fsanitize=thread -include tests/tsan.h
CFLAGS_cov   := -O0 -g --coverage
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   := $(shell pkg-config --libs $(PKGS))
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wvla -Wno-unused-parameter -I. -pthread \
             $(PKG_CFLAGS) $(CONFIG_CFLAGS) $(CFLAGS_$(MODE)) $(CFLAGS)
ALL_LIBS   = $(PKG_LIBS) $(CONFIG_LIBS) -lm -pthread -Wl,--build-id=sha1 $(LDFLAGS)

# A .def drives the link: DEVICE(dir, file) is hw/dir/file.c, MACHINE(file) is hw/machine/file.c.
DEVICES  := $(shell sed -n 's|^DEVICE(\([a-z0-9_]*\), *\([a-z0-9_]*\)).*|hw/\1/\2.c|p' hw/devices.def)
# Parts of devices that are not devices themselves (buses, table builders): everything else under hw/.
HW_SRC   := $(sort $(DEVICES) $(wildcard hw/*/*.c))
# The native back end is for hosts of its own kind.
DBT_NATIVE := $(if $(filter x86_64%,$(shell $(firstword $(CC:ccache=)) -dumpmachine 2>/dev/null)),$(wildcard accel/dbt/x86_64/*.c))
SRC      := $(wildcard core/*.c core/chardev/*.c core/objects/*.c) $(wildcard cpu/*/*.c) $(wildcard accel/*.c accel/*/*.c accel/dbt/tcc/*.c $(DBT_NATIVE)) $(HW_SRC) \
            $(wildcard block/*.c net/*.c ui/*.c)
OBJ      := $(SRC:%.c=$(B)/%.o)
LIBOBJ   := $(filter-out $(B)/core/main.o,$(OBJ))

all: $(B)/ryokan
	@ln -sf $(B)/ryokan ryokan

$(B)/ryokan: $(OBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What translates: with more inlined it takes a tenth less time.
TRANSLATES := $(wildcard accel/dbt/x86_64/*.c) $(wildcard cpu/x86/translate*.c) accel/dbt/opt.c accel/dbt/merge.c accel/dbt/ir.c accel/dbt/block.c \
              cpu/x86/decode.c cpu/x86/operand.c cpu/x86/peek.c
$(TRANSLATES:%.c=$(B)/%.o): CFLAGS_rel += -O3

$(B)/ui/vnc_http.o: ui/console.html    # it holds the page
$(B)/ui/%.o: CONFIG_CFLAGS += $(UI_CFLAGS)

include $(wildcard tests/*.mk)

# All of TESTS, which the files above have filled; one line at the end.
check: all $(filter $(B)/%,$(TESTS))
	@B=$(B) tests/run $(TESTS)

# The demo guest is made once, from Debian's packages.
run: all build/demo/initrd.gz
	@tools/demo ./ryokan build/demo
build/demo/initrd.gz: tools/demo-guest tools/demo-init
	@tools/demo-guest build/demo

# Debian's kernel in several ways; downloads it first.  BOOT: which cases (tests/boot/run).
BOOT ?= native smp2 pti disk
check-boot: all
	@B=$(B) tests/boot/run tests/emulator build/boot $(BOOT)
# A Linux at work, saved and restored TIMES times in one process, and TIMES times from process to process; DEBIAN: an installed one's image.
TIMES ?= 100
check-snapshot: all
	@B=$(B) tests/boot/snapshot tests/emulator build/boot times=$(TIMES)
	@B=$(B) tests/boot/snapshot tests/emulator build/boot times=$(TIMES) cpus=2
	@$(if $(DEBIAN),B=$(B) tests/boot/snapshot tests/emulator build/boot times=$(TIMES) image=$(DEBIAN))
# Linux guests at work for MINUTES, stopped, saved, loaded and moved meanwhile; SOAK: more options of tests/soak/soak.
MINUTES ?= 10
soak: all
	@B=$(B) tests/soak/soak tests/emulator build/soak minutes=$(MINUTES) $(SOAK)
# gdb on Debian's kernel; VMLINUX: its symbols, of linux-image-*-cloud-amd64-dbg.
check-gdb: all
	@B=$(B) tests/boot/gdb tests/emulator build/boot $(VMLINUX)
# PCI devices plugged into a running Debian and pulled out again.
check-hotplug: all
	@B=$(B) tests/boot/hotplug tests/emulator build/hotplug
# OVMF, GRUB, SYSLINUX, memtest86+ where their packages are; BOOT_ROOT: where they were unpacked if not installed; FIRMWARE: which cases.
check-firmware: all
	@B=$(B) tests/boot/firmware tests/emulator build/boot $(FIRMWARE)

# A machine within a machine: the translator's SVM runs Debian with kvm_amd, which runs this program under -accel kvm.
NESTED ?= boots disk leaves halts faults stops snapshot guests
check-kvm: all $(GUESTS:%=$(GUEST_B)/%.bin) $(GUEST_B)/exits.bin $(GUEST_B)/halts.bin $(GUEST_B)/faults.bin $(GUEST_B)/migrate $(B)/tests/kvm/stops
	@tests/kvm/nested $(B)/ryokan build/boot $(NESTED)

clean:
	rm -rf build ryokan
.PHONY: all run check check-boot check-hotplug check-snapshot check-gdb check-firmware check-kvm soak clean
-include $(OBJ:.o=.d)
