# SPDX-License-Identifier: GPL-2.0-or-later
# Machines made, run and freed in one process: a few in `make check`, 100 with `make check-life`.
LIFE := $(B)/tests/life/life
$(LIFE): $(LIFE).o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
TESTS += $(LIFE)
check-life: $(LIFE)
	$(LIFE) 100
.PHONY: check-life
-include $(LIFE).d
# Clocks over stops, under KVM: run by tests/cli/kvm, which `make check` does where the other is built.
STOPS := $(B)/tests/kvm/stops
$(STOPS): $(STOPS).o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
$(LIFE): | $(STOPS)
-include $(STOPS).d
