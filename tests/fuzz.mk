# SPDX-License-Identifier: GPL-2.0-or-later
# Random guests: seconds in `make check`, FUZZ_SECONDS for each engine with `make fuzz` (also with MODE=asan and MODE=ubsan).
FUZZ_SECONDS ?= 60
FUZZ := $(B)/tests/fuzz/guest
$(FUZZ): $(FUZZ).o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
# A program for tests/run.
$(FUZZ)-short: $(FUZZ)
	@printf '#!/bin/sh\n$(FUZZ) -e native -t 4 -s 1 && $(FUZZ) -e interp -t 4 -s 1 && $(FUZZ) -e native,x-tier2=all,x-tier2-hot=1,x-tier2-thread=on -t 4 -s 2\n' > $@ && chmod +x $@
ifeq ($(shell uname -m),x86_64)
TESTS += $(FUZZ)-short
endif
# Snapshot files that lie.
FUZZ_SNAP := $(B)/tests/fuzz/snapshot
$(FUZZ_SNAP): $(FUZZ_SNAP).o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
TESTS += $(FUZZ_SNAP)
-include $(FUZZ_SNAP).d
# Files of translated blocks that lie.
FUZZ_CACHE := $(B)/tests/fuzz/cache
$(FUZZ_CACHE): $(FUZZ_CACHE).o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
ifeq ($(shell uname -m),x86_64)
TESTS += $(FUZZ_CACHE)
endif
-include $(FUZZ_CACHE).d
# Viewers that lie, without TLS and with it.
FUZZ_VNC := $(B)/tests/fuzz/vnc
$(FUZZ_VNC): $(FUZZ_VNC).o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
$(FUZZ_VNC)-short: $(FUZZ_VNC)
	@printf '#!/bin/sh\n$(FUZZ_VNC) -t 4 && $(FUZZ_VNC) -c -t 2\n' > $@ && chmod +x $@
TESTS += $(FUZZ_VNC)-short
-include $(FUZZ_VNC).d
# Devices, as a driver uses them but for some of it; on the rig of the scripted tests.
FUZZ_DEV     := $(B)/tests/fuzz/device
FUZZ_DEV_OBJ := $(FUZZ_DEV).o $(FUZZ_DEV)_isa.o $(FUZZ_DEV)_rings.o
FUZZ_WRAP     = $(filter-out chr_%,$(SCRIPTED_WRAP))
$(FUZZ_DEV_OBJ): CONFIG_CFLAGS += $(shell pkg-config --cflags check 2>/dev/null)
$(FUZZ_DEV): $(FUZZ_DEV_OBJ) $(B)/tests/dev/scripted/rig.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) $(FUZZ_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(shell pkg-config --libs check 2>/dev/null) $(ALL_LIBS)
TESTS += $(FUZZ_DEV)
-include $(FUZZ_DEV_OBJ:.o=.d)
fuzz: all $(FUZZ) $(FUZZ_SNAP) $(FUZZ_VNC) $(FUZZ_DEV) $(FUZZ_CACHE)
	$(FUZZ_CACHE) -t $(FUZZ_SECONDS) -s 2
	$(FUZZ_DEV) -t $(FUZZ_SECONDS) -s 2
	$(FUZZ_VNC) -t $(FUZZ_SECONDS) -s 2
	$(FUZZ_VNC) -c -t $(FUZZ_SECONDS) -s 3
	$(FUZZ_SNAP) -t $(FUZZ_SECONDS) -s 2
	$(FUZZ) -e native -t $(FUZZ_SECONDS)
	$(FUZZ) -e interp -t $(FUZZ_SECONDS)
	for c in 1 2; do for thread in off on; do \
	    $(FUZZ) -c $$c -e native,x-tier2=all,x-tier2-hot=1,x-tier2-thread=$$thread -t $(FUZZ_SECONDS) || exit 1; \
	done; done
	B=$(B) FUZZ_SECONDS=$(FUZZ_SECONDS) V=1 LIMIT=100000 tests/run tests/cli/fuzz tests/cli/gdbfuzz
	$(if $(filter yes,$(CONFIG_TCC)),$(FUZZ) -e tcc,x-tcc-hot=2 -t $(FUZZ_SECONDS))
.PHONY: fuzz
-include $(FUZZ).d
