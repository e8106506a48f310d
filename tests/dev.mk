# SPDX-License-Identifier: GPL-2.0-or-later
# Scripted device tests.  The rig takes the place of time, CPU pins and the character device's far end.
SCRIPTED_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/dev/scripted/*.c))
SCRIPTED_WRAP := time_now timer_init timer_arm timer_stop x86_attach_apic x86_set_intr x86_nmi x86_smi x86_init_signal \
                 x86_sipi x86_tsc_now x86_tsc_hz x86_set_a20 x86_get_a20 machine_reset_request \
                 machine_shutdown_request chr_attach chr_write chr_accept

$(SCRIPTED_OBJ): CONFIG_CFLAGS += $(shell pkg-config --cflags check 2>/dev/null)
$(B)/tests/dev/scripted/scripted: $(SCRIPTED_OBJ) $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) $(SCRIPTED_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(shell pkg-config --libs check 2>/dev/null) $(ALL_LIBS)
TESTS += $(B)/tests/dev/scripted/scripted

check-dev: $(B)/tests/dev/scripted/scripted
	@B=$(B) tests/run $<
.PHONY: check-dev
-include $(SCRIPTED_OBJ:.o=.d)
