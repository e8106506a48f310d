# SPDX-License-Identifier: GPL-2.0-or-later
# Scripted device tests: `make check-dev`.  The rig takes the place of time, CPU pins and the character device's far end.
DEV_TESTS := rig intc lapic timer serial i8042
DEV_WRAP  := time_now timer_init timer_arm timer_stop x86_attach_apic x86_set_intr x86_nmi x86_smi x86_init_signal x86_sipi \
             x86_tsc_now x86_tsc_hz x86_set_a20 x86_get_a20 machine_reset_request machine_shutdown_request \
             chr_attach chr_write chr_accept

$(B)/tests/dev/scripted: $(DEV_TESTS:%=$(B)/tests/dev/%.o) $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) $(DEV_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(shell pkg-config --libs check) $(ALL_LIBS)

check-dev: $(B)/tests/dev/scripted
	@$<
.PHONY: check-dev
-include $(DEV_TESTS:%=$(B)/tests/dev/%.d)
TESTS += $(B)/tests/dev/scripted
