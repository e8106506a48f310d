# SPDX-License-Identifier: GPL-2.0-or-later
# make check: every program in TESTS, and one line at the end.  A test prints "ok NAME" or "not ok NAME: why" for each
# thing it tries.  To add a program: TESTS += path (and a rule that builds it), in a tests/NAME.mk.
CHECK_CFLAGS := $(shell pkg-config --cflags check 2>/dev/null)
CHECK_LIBS   := $(shell pkg-config --libs check 2>/dev/null)

UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT_OBJ := $(UNIT_SRC:%.c=$(B)/%.o)
$(UNIT_OBJ): CONFIG_CFLAGS += $(CHECK_CFLAGS)
$(B)/tests/unit/unit: $(UNIT_OBJ) $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(CHECK_LIBS) $(ALL_LIBS)
TESTS += $(B)/tests/unit/unit

# Every device class and every property that its tables promise.
$(B)/tests/dev/generated: $(B)/tests/dev/generated.o $(LIBOBJ)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LIBS)
ifneq ($(wildcard tests/dev/generated.c),)
TESTS += $(B)/tests/dev/generated
endif

TESTS += $(wildcard tests/cli/*)
TESTS += tests/layers
TESTS += tests/reference

reference: all
	$(B)/ryokan --schema=md > docs/reference.md

check-layers:
	@tests/layers
check-unit: $(B)/tests/unit/unit
	@B=$(B) tests/run $<
.PHONY: check-layers check-unit reference
-include $(UNIT_OBJ:.o=.d) $(B)/tests/dev/generated.d
