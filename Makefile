# SPDX-License-Identifier: GPL-3.0-or-later
# bmr - build, medium, tests.  `make help` lists the targets.

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo 0)
BUILD := build
CACHE ?= $(BUILD)/cache
CC := gcc
DESTDIR ?=
PREFIX ?= /usr/local

folders := base cmdline transport imaging agent
libs := zlib libisal libzstd liblzma liblz4 libcurl libnfs smbclient blkid libcrypto
# bzip2 has no .pc file in Debian.
LDLIBS = $(shell pkg-config --libs $(libs)) -lbz2 -pthread
CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DBMR_VERSION='"$(VERSION)"' \
	$(shell pkg-config --cflags-only-I $(libs))
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef -Wpointer-arith -Wwrite-strings -Wcast-qual $(if $(CI),-Werror)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 $(WARNINGS) -pthread -fno-strict-aliasing -fstack-protector-strong \
	-D_FORTIFY_SOURCE=2 -ffile-prefix-map=$(CURDIR)=. $(CFLAGS)

# One set of objects for each kind of build: plain, asan, tsan.
KIND ?= plain
ifeq ($(KIND),asan)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
else ifeq ($(KIND),tsan)
SANITIZE := -fsanitize=thread -O1
endif
ifneq ($(SANITIZE),)
ALL_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS)) $(SANITIZE)
OUT := $(BUILD)/$(KIND)
else
OUT := $(BUILD)
endif
obj := $(OUT)/obj

sources := $(wildcard $(addsuffix /*.c,$(folders)))
objects := $(sources:%.c=$(obj)/%.o)
library := $(filter-out $(obj)/agent/main.o,$(objects))
unit_tests := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/*.c))

.PHONY: all
all: $(OUT)/bmr

$(OUT)/bmr: $(objects)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/libbmr.a: $(library)
	rm -f $@
	ar rcs $@ $^

# The version stands in one object only, so that a commit does not rebuild the rest.
$(obj)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/unit/%: tests/unit/%.c $(OUT)/libbmr.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $(obj)/unit-$*.d -o $@ $< $(OUT)/libbmr.a \
		$(LDLIBS) -lcmocka

-include $(shell find $(obj) -name '*.d' 2>/dev/null)

.PHONY: unit
unit: $(unit_tests)
	tests/run-unit $(unit_tests)

.PHONY: clean
clean:
	rm -rf $(filter-out $(BUILD)/cache,$(wildcard $(BUILD)/*))
