# SPDX-License-Identifier: GPL-3.0-or-later
# bmr - build, medium, tests.  `make help` lists the targets.

# make ARCH=arm64: by Debian's cross compiler, into build/arm64 (docs/arm64.md).
ARCH :=
cross := $(if $(ARCH),$(shell dpkg-architecture -a$(ARCH) -qDEB_HOST_GNU_TYPE)-)
BUILD := build$(ARCH:%=/%)
# make V=1 shows the commands.
Q := $(if $(V),,@)
export BMR_CACHE ?= $(CURDIR)/build/cache
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1)
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
PREFIX ?= /usr/local
CC := $(cross)gcc
AR := $(cross)ar
PKG_CONFIG := $(cross)pkg-config
CLANG := clang

folders := base cmdline transport imaging agent
packages := zlib libisal libdeflate libzstd liblzma liblz4 libcurl libnfs smbclient blkid fdisk libssl libcrypto libxxhash
# bzip2 has no .pc file in Debian.
LDLIBS = $(shell $(PKG_CONFIG) --libs $(packages)) -lbz2 -pthread $(menu_libs)
# newt and the sixth of S-Lang that it uses, linked in: as shared libraries they would take 390 kB
# of the medium instead of 70.  Their names stay inside: newt's trim_string would take the place of the
# one in Samba's libraries.
menu_libs := -Wl,-Bstatic -lnewt -lslang -Wl,-Bdynamic -Wl,--exclude-libs,libnewt.a:libslang.a -lm
CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(shell $(PKG_CONFIG) --cflags-only-I $(packages))
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef -Wpointer-arith -Wwrite-strings -Wcast-qual $(if $(CI),-Werror)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 $(WARNINGS) -pthread -fno-strict-aliasing -fstack-protector-strong \
	-D_FORTIFY_SOURCE=2 -ffile-prefix-map=$(CURDIR)=. $(CFLAGS)

PLAIN_CFLAGS := $(ALL_CFLAGS)

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

sources := $(wildcard $(addsuffix /*.c,$(folders)) $(addsuffix /*/*.c,$(folders)))
objects := $(sources:%.c=$(obj)/%.o)
library := $(OUT)/libbmr.a
unit_tests := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(wildcard tests/unit/*.c))
fuzzers := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
# A fixture is a program that uses the library, but for those loaded into others by LD_PRELOAD.
shims := $(wildcard tests/fixtures/*shim.c)
fixtures := $(patsubst tests/fixtures/%.c,$(OUT)/fixtures/%,\
	$(filter-out $(shims),$(wildcard tests/fixtures/*.c))) \
	$(patsubst tests/fixtures/%.c,$(OUT)/fixtures/%.so,$(shims))
# What runs threads, for the race detector.
tsan_tests := $(addprefix $(BUILD)/tsan/unit/,$(filter capture chunked events fetch merge pipe readback restore verify \
	verify_chunks source retry,$(notdir $(unit_tests))))

# What runs in the box (imaging/codec/box.h) is a program of its own, of few libraries, within the other:
# plain in every kind of build, so that it is confined as it will be.
unpacker := $(BUILD)/unpacker/bmr-unpack
unpacker_packages := zlib libisal libdeflate libzstd liblzma liblz4
unpacker_sources := $(wildcard unpacker/*.c) base/err.c base/login.c base/text.c imaging/codec/stream.c \
	imaging/codec/codec.c imaging/codec/format.c imaging/codec/raw.c imaging/codec/gzip.c imaging/codec/zstd.c \
	imaging/codec/xz.c imaging/codec/lz4.c imaging/codec/bzip2.c $(wildcard imaging/codec/frame_*.c)
# libseccomp linked in: a third of what the medium would have to take.
unpacker_libs = $(shell $(PKG_CONFIG) --libs $(unpacker_packages)) -lbz2 -Wl,-Bstatic -lseccomp -Wl,-Bdynamic

.PHONY: all
all: $(OUT)/bmr

$(OUT)/bmr: $(objects)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(library): $(filter-out $(obj)/agent/main.o,$(objects))
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(obj)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(unpacker): $(unpacker_sources:%.c=$(BUILD)/unpacker/obj/%.o)
	$(Q)$(CC) $(PLAIN_CFLAGS) $(LDFLAGS) -s -Wl,-z,relro,-z,now -o $@ $^ $(unpacker_libs)

$(BUILD)/unpacker/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PLAIN_CFLAGS) -MMD -MP -c -o $@ $<

# The assembler looks for it there.
$(obj)/imaging/codec/box_program.o $(BUILD)/fuzz/obj/imaging/codec/box_program.o: $(unpacker)
$(obj)/imaging/codec/box_program.o $(BUILD)/fuzz/obj/imaging/codec/box_program.o: CPPFLAGS += -Wa,-I$(BUILD)/unpacker

# The version stands in one object only, so that a commit does not rebuild the rest.
$(obj)/agent/version.o: CPPFLAGS += -DBMR_VERSION='"$(VERSION)"'
$(obj)/agent/version.o: $(obj)/version
$(obj)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

# Tests fill buffers to their last byte and beyond on purpose, which gcc sees, and have formats in tables.
test_warnings := -Wno-format-truncation -Wno-stringop-overread -Wno-format-nonliteral

$(OUT)/unit/%: tests/unit/%.c $(library)
	@mkdir -p $(@D) $(obj)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(test_warnings) -MMD -MP -MF $(obj)/unit-$*.d -o $@ $< $(library) $(LDLIBS) \
		-lcmocka

# Of the process that unpacks.
$(OUT)/unit/jail: $(BUILD)/unpacker/obj/unpacker/jail.o
$(OUT)/unit/jail: LDLIBS := $(BUILD)/unpacker/obj/unpacker/jail.o $(library) -lseccomp

$(OUT)/fixtures/%.so: tests/fixtures/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 $(WARNINGS) -O2 -g -shared -fPIC -o $@ $< -ldl

$(OUT)/fixtures/%: tests/fixtures/%.c $(library)
	@mkdir -p $(@D) $(obj)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $(obj)/fixture-$*.d -o $@ $< $(library) $(LDLIBS)

-include $(shell find $(obj) $(BUILD)/unpacker -name '*.d' 2>/dev/null)

.PHONY: FORCE
FORCE:

# --- the medium ---

boot := $(BUILD)/boot
medium_options := $(if $(SHELL_ON_TTY2),--shell $(SHELL_ON_TTY2)) $(if $(FIRMWARE),--firmware $(FIRMWARE)) \
	$(foreach cpio,$(EXTRA_CPIO),--extra-cpio $(cpio))

# As it was given: $${mac} is the agent's to replace, and a quote is not the shell's.
cmdline := $(if $(value CMDLINE),--cmdline '$(subst ','\'',$(value CMDLINE))')

# The build gives its files the time of the source, which is earlier than what they are made from.
$(boot)/initrd.img: $(BUILD)/bmr $(BUILD)/medium-options $(EXTRA_CPIO) $(wildcard $(SHELL_ON_TTY2)) $(shell find initramfs -type f)
	initramfs/build --bmr $(BUILD)/bmr --out $(boot) $(medium_options)
	touch $@

$(BUILD)/medium-options: FORCE
	@mkdir -p $(@D)
	@echo '$(medium_options)' | cmp -s - $@ || echo '$(medium_options)' >$@

# Always: it takes two seconds, and the command line may be another one.
$(BUILD)/bmr.iso: $(boot)/initrd.img FORCE
	iso/build --boot $(boot) --out $@ $(cmdline)

.PHONY: initramfs iso netboot
initramfs: $(boot)/initrd.img
iso: $(BUILD)/bmr.iso
netboot: $(boot)/initrd.img
	iso/netboot --boot $(boot) --out $(BUILD)/netboot $(cmdline) $(if $(SERVER),--server $(SERVER))

# --- tests ---

.PHONY: unit integration reliability soak asan tsan vm fuzz lint fixtures
fixtures: $(fixtures)

unit: $(unit_tests)
	tests/run-unit $(unit_tests)

integration: $(OUT)/bmr $(fixtures)
	BMR=$(CURDIR)/$(OUT)/bmr FIX=$(CURDIR)/$(OUT)/fixtures tests/run-integration $(if $(CASES),'$(CASES)')

# Faults by the thousand, and one table of what came of them; soak: round after round, for an hour.
SOAK_MINUTES ?= 60
run_reliability = BMR=$(CURDIR)/$(OUT)/bmr FIX=$(CURDIR)/$(OUT)/fixtures tests/run-reliability
reliability: $(OUT)/bmr $(fixtures)
	$(run_reliability) $(CASES:%='%')
soak: $(OUT)/bmr $(fixtures)
	$(run_reliability) --soak $(SOAK_MINUTES) $(CASES:%='%')

# Address and undefined-behaviour sanitizers over unit and integration tests, but for 270 and 300:
# how much memory is taken and what is on the medium are the plain build's.
asan:
	$(MAKE) KIND=asan unit
	$(MAKE) KIND=asan integration CASES='^([01]|2[0-6])'

tsan:
	$(MAKE) KIND=tsan $(tsan_tests)
	TSAN_OPTIONS=halt_on_error=1 tests/run-unit $(tsan_tests)

# A machine under emulation keeps one core busy.
VM_JOBS ?= $(shell nproc)
export BMR_PATIENCE BMR_POWER_CUTS
vm: $(BUILD)/bmr $(boot)/initrd.img
	tests/vm/run --jobs $(VM_JOBS) $(if $(VM_UNTIL),--until $(VM_UNTIL)) \
		$(if $(VM_LESS),--less '$(VM_LESS)') $(if $(CASES),$(CASES:%='%'))

# The library once more, by clang, so that libFuzzer sees which branches an input takes.
fuzz_flags := -std=gnu17 -g -O1 -pthread -fno-sanitize-recover=all -fno-omit-frame-pointer \
	$(if $(COVERAGE),-fprofile-instr-generate -fcoverage-mapping)
fuzz_objects := $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(filter-out agent/main.c,$(sources)))

$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -DBMR_VERSION='"fuzz"' $(fuzz_flags) \
		-fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

$(BUILD)/fuzz/%: tests/fuzz/%.c $(fuzz_objects)
	$(Q)$(CLANG) $(CPPFLAGS) $(fuzz_flags) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LDLIBS)

FUZZ_SECONDS ?= 60
fuzz: $(fuzzers)
	tests/run-fuzz $(FUZZ_SECONDS) $(fuzzers)

.PHONY: fuzzers fuzz-long fuzz-coverage
fuzzers: $(fuzzers)

fuzz-long: $(fuzzers)
	tests/run-fuzz 3600 $(fuzzers)

fuzz-coverage:
	$(MAKE) BUILD=$(BUILD)/coverage COVERAGE=1 fuzzers
	tests/fuzz/coverage $(BUILD)/fuzz/corpus $(patsubst $(BUILD)/%,$(BUILD)/coverage/%,$(fuzzers))

lint:
	tools/lint

# Everything, on a machine that has nothing installed yet.
.PHONY: check
check:
	tools/check

.PHONY: demo
demo:
	tools/demo

# bmr beside what people use instead.  make bench ROUNDS=3 SIZE=2G
ROUNDS ?= 5
SIZE ?= 4G
bench_tools := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
$(BUILD)/bench/%: bench/%.c $(library)
	@mkdir -p $(@D) $(obj)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $(obj)/bench-$*.d -o $@ $< $(library) $(LDLIBS)

.PHONY: bench
bench: $(BUILD)/bmr $(bench_tools)
	bench/setup
	BENCH_BUILD=$(abspath $(BUILD)) bench/run --rounds $(ROUNDS) --size $(SIZE)

# --- the rest ---

docs/bmr.7: cmdline/params.def cmdline/params.c cmdline/params.help cmdline/bmr.7.in tools/man7
	tools/man7 >$@

.PHONY: install
install: $(BUILD)/bmr
	install -D -m 755 $(BUILD)/bmr $(DESTDIR)$(PREFIX)/sbin/bmr
	install -D -t $(DESTDIR)$(PREFIX)/lib/bmr/iso iso/bmr-media iso/menu iso/words
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/bmr/initramfs initramfs/common.sh
	ln -sf ../lib/bmr/iso/bmr-media $(DESTDIR)$(PREFIX)/sbin/bmr-media
	install -D -m 644 docs/bmr.8 $(DESTDIR)$(PREFIX)/share/man/man8/bmr.8
	install -D -m 644 docs/bmr.7 $(DESTDIR)$(PREFIX)/share/man/man7/bmr.7

.PHONY: sizes
sizes: $(BUILD)/bmr.iso
	tools/sizes

# The cache (packages, Debian test disks) stays; `make distclean` takes it too.
.PHONY: clean distclean
clean:
	rm -rf $(filter-out $(BUILD)/cache,$(wildcard $(BUILD)/*))
distclean:
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make              build/bmr; ARCH=arm64: by the cross compiler'
	@echo 'make iso          build/bmr.iso: boots BIOS, UEFI and Secure Boot, from CD or stick'
	@echo '                  CMDLINE="..." SHELL_ON_TTY2=hashfile FIRMWARE=pkg,... EXTRA_CPIO=file'
	@echo 'make netboot      build/netboot/: all that a boot server serves; SERVER=ADDRESS CMDLINE="..."'
	@echo 'sudo make demo    everything once, from nothing: restore and boot a Debian in QEMU'
	@echo 'sudo make check   install what is needed, build, and run all tests'
	@echo 'make reliability  thousands of faults, one table; make soak: for SOAK_MINUTES=60'
	@echo 'make unit | integration | asan | tsan | vm | fuzz | lint      one kind; CASES=regex'
	@echo 'make fuzz-long    an hour each; fuzz-coverage: which lines they reach'
	@echo 'make bench        bmr against other pipelines, as ratios; ROUNDS=5 SIZE=4G'
	@echo 'make sizes        sizes of kernel, initramfs, medium and firmware; bench/boot: seconds to the agent'
	@echo 'make install      PREFIX=$(PREFIX) DESTDIR='

# Objects that only fuzzers and unit tests need are kept for the next run.
.SECONDARY:
