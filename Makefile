# Copse: build, run, test.  `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

# `make DEBUG=1 ...`: stack canaries, and an audit after each step of the boot.
ifdef DEBUG
BUILD ?= build/debug
else
BUILD ?= build
endif
ifeq ($(origin CC),default)
CC = gcc
endif
LD ?= ld
ifeq ($(origin LD),default)
LD = ld
endif
NASM ?= nasm

# `make V=1` shows the commands themselves.
ifndef V
Q := @
say = @printf '  %-5s %s\n' $(1) $(2)
endif

# What `make run` boots; see tools/run-qemu.
ARGS     ?=
MEM      ?= 256M
CPUS     ?= 1
CPU      ?= max
FIRMWARE ?= bios
MACHINE  ?= pc
# With a person at the keyboard there is no limit; a script gets two minutes.
TIMEOUT  ?= $(shell [ -t 0 ] && echo 0 || echo 120)

VERSION := 0.1
# "-dirty" at its end if there is more in the sources than the commit has.
COMMIT  := $(shell git describe --always --exclude='*' --abbrev=10 --dirty \
    2>/dev/null || echo unknown)

# All dates in the ISO, so that two builds of one commit are the same bytes.
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null \
    || echo 1767225600)
endif
export SOURCE_DATE_EPOCH

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla -Wwrite-strings \
    -Wimplicit-fallthrough
# On a developer's machine a newer compiler's new warning is no reason to stop.
ifdef CI
WARNINGS += -Werror
endif

# ---- The kernel ----

CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mno-red-zone \
    -mcmodel=kernel -mgeneral-regs-only -fcf-protection=none \
    -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-omit-frame-pointer $(WARNINGS)
ifdef DEBUG
CFLAGS += -DCOPSE_DEBUG -fstack-protector-strong \
    -mstack-protector-guard=global
endif
LDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack \
    --build-id=none

# Which frame layer: percpu, where each CPU keeps some frames, or plain, one lock.
FRAMES ?= percpu
LAYERS := $(wildcard mm/frame/plain*.c mm/frame/percpu*.c)
OTHER_LAYERS := $(filter-out mm/frame/$(FRAMES)%,$(LAYERS))
ifeq ($(OTHER_LAYERS),$(LAYERS))
$(error FRAMES=$(FRAMES): there are percpu and plain)
endif
MM_SOURCES := $(filter-out $(OTHER_LAYERS), \
    $(wildcard mm/*.c mm/*/*.c mm/heap/slab/*.c))

C_SOURCES   := $(MM_SOURCES) $(wildcard boot/*.c lib/*.c drivers/*.c \
    kernel/*.c kernel/*/*.c)
C_SOURCES   += $(wildcard bench/*.c)
ASM_SOURCES := $(wildcard boot/*.asm kernel/*/*.asm)
SHARED_TEST_SOURCES := $(wildcard tests/shared/*.c)
OBJECTS := $(patsubst %,$(BUILD)/kernel/%.o,$(ASM_SOURCES) $(C_SOURCES) \
    $(SHARED_TEST_SOURCES))

.PHONY: all
all: iso

.PHONY: iso
iso: $(BUILD)/copse.iso

$(BUILD)/kernel/%.c.o: %.c Makefile | $(BUILD)/need-build
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(CFLAGS_$*) -I. -I$(BUILD)/include -MMD -MP -c $< -o $@

# Loops of the string functions must not become calls of themselves.
CFLAGS_lib/string := -fno-builtin
ifneq ($(findstring gcc,$(CC)),)
CFLAGS_lib/string += -fno-tree-loop-distribute-patterns
endif

# A call of the heap is one jump to its back-end: no frame on the way.
CFLAGS_mm/heap/heap := -momit-leaf-frame-pointer
CFLAGS_mm/heap/backend := $(CFLAGS_mm/heap/heap)

# What it includes takes a run of its own: -MD leaves that out.
$(BUILD)/kernel/%.asm.o: %.asm Makefile | $(BUILD)/need-build
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Wall -I. $< -o $@
	@$(NASM) -f elf64 -I. -M -MP -MT $@ -MF $(@:.o=.d) $<

# The version is a file of its own, so that a commit rebuilds little.
$(BUILD)/kernel/kernel/prompt/report.c.o: $(BUILD)/include/version.h
$(BUILD)/include/version.h: FORCE | $(BUILD)/.copse
	@mkdir -p $(@D)
	@echo '#define COPSE_VERSION "$(VERSION) ($(COMMIT))"' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE

# The Rust library is optional: without a rustc the kernel says what it lacks.
RUSTC ?= rustc
RUST_MISSING := $(shell tools/rust-library --check $(RUSTC))
ifeq ($(RUST_MISSING),)
# The kernel refers to it weakly, which alone takes nothing out of an archive.
RUST := -u rust_panic_on_purpose $(BUILD)/librust.a
$(BUILD)/copse.elf: $(BUILD)/librust.a
endif

$(BUILD)/librust.a: $(wildcard rust/*.rs) tools/rust-library $(BUILD)/rustc
	$(call say,RUST,$@)
	$(Q)tools/rust-library $(RUSTC) $@

# Which rustc there is, or what is missing: a change links the kernel anew.
$(BUILD)/rustc: FORCE | $(BUILD)/.copse
	@{ echo '$(RUSTC): $(RUST_MISSING)'; $(RUSTC) --version 2>&1; } >$@.new; \
	    cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Linked twice: the first image has no symbols, but all code where it stays.
define link-with-symbols
	$(Q)awk -f tools/symbols.awk $(2) >$(1).symbols.c
	$(Q)$(CC) $(CFLAGS) -I. -c $(1).symbols.c -o $(1).symbols.o
	$(Q)$(LD) $(LDFLAGS) -T linker.ld $(OBJECTS) $(RUST) $(1).symbols.o -o $(1)
endef

$(BUILD)/copse.elf: $(OBJECTS) $(BUILD)/rustc linker.ld tools/symbols.awk \
    tools/check-image
	$(if $(RUST_MISSING),$(call say,NOTE,"no Rust in it: $(RUST_MISSING)"))
	$(call say,LD,$@)
	$(call link-with-symbols,$@.first,/dev/null)
	$(Q)nm -n $@.first >$@.nm
	$(call link-with-symbols,$@,$@.nm)
	@rm -f $@.first*
	$(call say,CHECK,$@)
	$(Q)tools/check-image $@

# ---- The ISO ----

# What has dates in it is made again for another commit's date.
$(BUILD)/epoch: FORCE | $(BUILD)/.copse
	@echo $(SOURCE_DATE_EPOCH) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/grub/efi.img: tools/make-grub $(BUILD)/epoch | $(BUILD)/need-build
	$(call say,GRUB,$(@D))
	$(Q)tools/make-grub $(@D)

$(BUILD)/copse.iso: $(BUILD)/copse.elf iso/grub.cfg $(BUILD)/grub/efi.img \
    tools/make-iso
	$(Q)tools/make-iso $@ $(BUILD)/copse.elf iso/grub.cfg $(BUILD)/grub
	$(call say,ISO,"$@: $$(stat -c %s $@) bytes")

# What is handed on: the ISO under the name of what is in it, and its checksum.
DIST := copse-$(VERSION)-$(COMMIT).iso

.PHONY: dist
dist: $(BUILD)/copse.iso
	@rm -rf $(BUILD)/dist
	@mkdir -p $(BUILD)/dist
	@cp $< $(BUILD)/dist/$(DIST)
	@cd $(BUILD)/dist && sha256sum $(DIST) >SHA256SUMS
	$(call say,DIST,$(BUILD)/dist/$(DIST))

# ---- Running ----

export ARGS MEM CPUS CPU FIRMWARE MACHINE TIMEOUT

.PHONY: run
run: $(BUILD)/copse.iso | $(BUILD)/need-run
	@tools/run-qemu $<

.PHONY: debug
debug: $(BUILD)/copse.iso | $(BUILD)/need-run
	@tools/need gdb
	tools/debug-qemu $< $(BUILD)/copse.elf

# ---- Tests ----

HOST_CFLAGS := -std=gnu11 -O1 -g -DPLATFORM_THREADS \
    -fsanitize=address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer $(WARNINGS)
HOST_TESTS := $(patsubst tests/host/%.c,$(BUILD)/host/%, \
    $(wildcard tests/host/test_*.c))
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%, \
    $(wildcard tests/fuzz/fuzz_*.c))

# What runs threads is built a second time, for ThreadSanitizer.
TSAN_CFLAGS := $(patsubst -fsanitize=address%,-fsanitize=thread,$(HOST_CFLAGS))
TSAN_TESTS := $(patsubst tests/host/%.c,$(BUILD)/tsan/%, \
    $(wildcard tests/host/test_*_threads.c))

# Each test names in its first comments the sources that it stands on; a folder
# with a slash at its end stands for all in it.
sources-of = $(1) $(filter-out $(OTHER_LAYERS),$(wildcard \
    $(patsubst %/,%/*.c, \
    $(shell sed -n 's,^/\* sources: \(.*\) \*/$$,\1,p' $(1)))))
host-objects = $(patsubst %,$(BUILD)/host/obj/%.o,$(1))
tsan-objects = $(patsubst %,$(BUILD)/tsan/obj/%.o,$(1))
fuzz-objects = $(patsubst %,$(BUILD)/fuzz/obj/%.o,$(1))

define host-test
$(BUILD)/host/$(1): $(call host-objects,$(call sources-of,tests/host/$(1).c))
endef
$(foreach name,$(notdir $(HOST_TESTS)),$(eval $(call host-test,$(name))))

define tsan-test
$(BUILD)/tsan/$(1): $(call tsan-objects,$(call sources-of,tests/host/$(1).c))
endef
$(foreach name,$(notdir $(TSAN_TESTS)),$(eval $(call tsan-test,$(name))))

$(HOST_TESTS): $(call host-objects,tests/host/platform.c)
	$(call say,LD,$@)
	$(Q)$(CC) $(HOST_CFLAGS) $^ -o $@ -lcmocka

$(BUILD)/host/obj/%.c.o: %.c Makefile | $(BUILD)/need-test
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(CC) $(HOST_CFLAGS) -I. -MMD -MP -c $< -o $@

$(TSAN_TESTS): $(call tsan-objects,tests/host/platform.c)
	$(call say,LD,$@)
	$(Q)$(CC) $(TSAN_CFLAGS) $^ -o $@ -lcmocka

$(BUILD)/tsan/obj/%.c.o: %.c Makefile | $(BUILD)/need-test
	@mkdir -p $(@D)
	$(call say,TSAN,$<)
	$(Q)$(CC) $(TSAN_CFLAGS) -I. -MMD -MP -c $< -o $@

# What holds for both frame layers is tested with the other one, too.
OTHER_FRAMES := $(if $(filter percpu,$(FRAMES)),plain,percpu)
LAYER_TESTS := $(addprefix $(BUILD)/$(OTHER_FRAMES)/host/,test_frame \
    test_frame_more test_frame_uncached test_frame_threads)
.PHONY: $(LAYER_TESTS)
$(LAYER_TESTS):
	$(Q)$(MAKE) -s FRAMES=$(OTHER_FRAMES) BUILD=$(BUILD)/$(OTHER_FRAMES) $@

# The explorer runs the frame layer on a machine whose every switch it decides.
EXPLORE_CFLAGS := -std=gnu11 -O2 -g -DPLATFORM_THREADS \
    -DCPU_SECTION_PATIENCE=200 -DCPU_LOCK_PATIENCE=200 $(WARNINGS)
EXPLORED := $(filter-out $(OTHER_LAYERS),$(wildcard mm/cpu/*.c mm/frame/*.c \
    mm/tree/*.c mm/map/*.c)) mm/error.c
EXPLORE_OBJECTS := $(patsubst %,$(BUILD)/explore/%.o,$(EXPLORED) \
    $(wildcard tests/explore/*.c) tests/host/platform.c)
$(patsubst %,$(BUILD)/explore/%.o,$(EXPLORED)): \
    EXPLORE_CFLAGS += -include tests/explore/hooks.h

$(BUILD)/explore/%.c.o: %.c Makefile | $(BUILD)/need-test
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(CC) $(EXPLORE_CFLAGS) -I. -MMD -MP -c $< -o $@

$(BUILD)/explore/explore: $(EXPLORE_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(EXPLORE_CFLAGS) $^ -o $@ -lcmocka

.PHONY: explore
explore: $(BUILD)/explore/explore
	@$<

# What is said of the sources and the book, and of the ISO in QEMU.
HOUSE_TESTS := $(sort $(wildcard tests/house/*.t))
BOOT_TESTS := $(sort $(wildcard tests/boot/*.t))

# The fuzzers' sources are only compiled here, so that they stay compilable.
.PHONY: test
test: $(BUILD)/copse.iso $(HOST_TESTS) $(TSAN_TESTS) $(LAYER_TESTS) \
    $(BUILD)/explore/explore \
    $(call host-objects,$(FUZZ_SOURCES)) | $(BUILD)/need-test
	@BUILD=$(BUILD) CMOCKA_MESSAGE_OUTPUT=TAP PERL5LIB=tests/boot \
	    ASAN_OPTIONS=detect_leaks=1 \
	    tools/run-tests -j 2 $(HOST_TESTS) $(TSAN_TESTS) $(LAYER_TESTS) \
	        $(HOUSE_TESTS) $(BOOT_TESTS)

# The self-tests on every kind of machine: a table of them.  What is part of
# `make test` is tests/boot/selftest.t.  CELLS is a pattern of lines to run.
CELLS ?=

.PHONY: test-matrix
test-matrix: $(BUILD)/copse.iso | $(BUILD)/need-test
	@BUILD=$(BUILD) tests/matrix '$(CELLS)'

# ---- Fuzzing ----

# libFuzzer is clang's, whatever CC is.
FUZZ_CC     := clang
FUZZ_CFLAGS := $(HOST_CFLAGS) -fsanitize=fuzzer
SECONDS     ?= 30

define fuzzer
$(BUILD)/fuzz/$(1): $(call fuzz-objects,$(call sources-of,tests/fuzz/$(1).c))
endef
$(foreach name,$(notdir $(FUZZERS)),$(eval $(call fuzzer,$(name))))

$(FUZZERS): $(call fuzz-objects,tests/fuzz/platform.c)
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $^ -o $@

$(BUILD)/fuzz/obj/%.c.o: %.c Makefile | $(BUILD)/need-fuzz
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -I. -MMD -MP -c $< -o $@

# Inputs that reach new code are kept in build/fuzz/corpus for the next time,
# and one that fails beside it.
.PHONY: fuzz
fuzz: $(FUZZERS)
	@set -e; for fuzzer in $^; do \
	    corpus=$(BUILD)/fuzz/corpus/$${fuzzer##*/}; mkdir -p "$$corpus"; \
	    "$$fuzzer" -max_total_time=$(SECONDS) -timeout=10 \
	        -artifact_prefix=$(BUILD)/fuzz/ "$$corpus"; \
	done

# ---- Proof ----

# The provers' limit is on the clock: on a busy or slow machine a second try,
# with more of it for what is left over, tells a slow goal from a false one.
.PHONY: prove
prove: | $(BUILD)/need-prove
	@proof/eva
	@proof/prove || proof/prove --patience 4

# That the proof and the analysis can fail: known bugs must turn them red.
# What has not changed since proof/record/ was written is not proved again.
.PHONY: prove-guard
prove-guard: | $(BUILD)/need-prove
	@proof/eva --recorded
	@proof/prove --recorded || proof/prove --recorded --patience 4
	@proof/planted_bugs
	@proof/eva --self-test

# ---- Benchmarks ----

# mm/ for the host with the kernel's code generation: without
# -mgeneral-regs-only, vector loads of words that were just stored would stall.
BENCH_CFLAGS := $(filter-out -mcmodel=kernel -fstack-protector-strong \
    -mstack-protector-guard=global,$(CFLAGS)) -DPLATFORM_THREADS
BENCH_OBJECTS := $(patsubst %,$(BUILD)/bench-host/%.o, \
    lib/string.c lib/format.c $(wildcard bench/*.c bench/host/*.c) \
    $(filter-out mm/space/kernel_space.c mm/space/plan.c mm/heap/range.c \
        mm/page/audit.c, \
        $(MM_SOURCES)))

$(BUILD)/bench-host/%.c.o: %.c Makefile | $(BUILD)/need-build
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(BENCH_CFLAGS) $(CFLAGS_$*) -I. -MMD -MP -c $< -o $@

# These know the C library.
$(BUILD)/bench-host/bench/host/%.c.o: BENCH_CFLAGS := -std=gnu11 -O2 -g \
    -DPLATFORM_THREADS $(WARNINGS)

$(BUILD)/copse-bench: $(BENCH_OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) -no-pie $(BENCH_OBJECTS) -o $@

# The host's times, then the kernel's exact counts of instructions.
.PHONY: bench
bench: $(BUILD)/copse-bench $(BUILD)/copse.iso | $(BUILD)/need-run \
    $(BUILD)/need-peers
	@$(BUILD)/copse-bench -o $(BUILD)/bench.jsonl \
	    -s $(BUILD)/bench.samples $(BENCH)
	@bench/run-kernel $(BUILD) $(BENCH) >$(BUILD)/bench.log || \
	    { cat $(BUILD)/bench.log; exit 1; }
	@sed '1,/^# compiler/d; /^{/d' $(BUILD)/bench.log
	@grep '^{' $(BUILD)/bench.log >>$(BUILD)/bench.jsonl

# The figures of the book, from what `make bench` wrote last.
.PHONY: plots
plots: | $(BUILD)/need-plots
	@[ -s $(BUILD)/bench.samples ] || $(MAKE) bench BENCH=frame
	@mkdir -p docs/figures
	@bench/plots $(BUILD)/bench.jsonl $(BUILD)/bench.samples docs/figures

# The tables of the documents, from what the last `make bench` has written.
.PHONY: bench-tables
bench-tables:
	@bench/table $(BUILD)/bench.jsonl README.md $(wildcard docs/*.md)

# What the documents show of a run, from the present build; tests/boot/book.t
# says what is stale.
DOCUMENTS := README.md mm/MAP.md $(wildcard docs/*.md docs/*/*.md)

.PHONY: book
book: $(BUILD)/copse.iso | $(BUILD)/need-run
	@BUILD=$(BUILD) PERL5LIB=tests/boot tools/book $(DOCUMENTS)

# What the kernel counts now is right: tests/boot/bench.t compares with it.
.PHONY: bench-accept
bench-accept: $(BUILD)/copse.iso | $(BUILD)/need-run
	@bench/run-kernel $(BUILD) >$(BUILD)/bench.log
	@bench/counts $(BUILD)/bench.log >bench/instructions.txt.new
	@mv bench/instructions.txt.new bench/instructions.txt

# ---- Tools ----

# Looked for each time, for a tool may have gone, or be needed only now; it
# takes no time, and as order-only prerequisites they rebuild nothing.
COMPILER := $(filter gcc clang,$(notdir $(CC)))

.PHONY: $(addprefix $(BUILD)/need-,build run test fuzz prove plots \
    peers)
$(BUILD)/need-build: | $(BUILD)/.copse
	@tools/need $(COMPILER) libc ld nasm grub grub-bios grub-efi xorriso mtools
$(BUILD)/need-run: | $(BUILD)/.copse
	@tools/need qemu $(if $(filter uefi,$(FIRMWARE)),ovmf)
$(BUILD)/need-test: | $(BUILD)/.copse
	@tools/need $(COMPILER) $(if $(filter clang,$(COMPILER)),clang-rt) libc ld \
	    qemu ovmf cmocka prove
$(BUILD)/need-prove: | $(BUILD)/.copse
	@tools/need frama-c why3 cvc4 z3
# What the heap is held against; the benchmark leaves out what is not there.
$(BUILD)/need-peers: | $(BUILD)/.copse
	@tools/need jemalloc mimalloc tcmalloc || echo 'going on without' >&2
$(BUILD)/need-plots: | $(BUILD)/.copse
	@tools/need gnuplot
$(BUILD)/need-fuzz: | $(BUILD)/.copse
	@tools/need clang clang-rt libc ld

# `make clean` deletes only what bears this mark, or is where builds go if
# nothing else is said; a directory that had other things in it gets no mark.
$(BUILD)/.copse:
	@mkdir -p $(@D)
	@[ -n "$$(ls -A $(@D))" ] || touch $@

.PHONY: doctor
doctor:
	@tools/need --doctor

.PHONY: clean
clean:
	@[ -n '$(filter build build/debug,$(BUILD))' ] || \
	    [ ! -e '$(BUILD)' ] || [ -e '$(BUILD)/.copse' ] || { \
	        echo '$(BUILD) is not of this Makefile: delete it by hand' >&2; \
	        exit 1; \
	    }
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'make run      boot Copse in QEMU; the serial port is this terminal'
	@echo '              (leave with the command poweroff, or control-A X)'
	@echo '              ARGS="selftest" is the kernel command line; also MEM=256M'
	@echo '              (one line, and $$$$ for a dollar, as make wants it);'
	@echo '              CPUS=1 CPU=max FIRMWARE=bios|uefi|pvh MACHINE=pc|q35 TIMEOUT=0'
	@echo 'make test     all tests: on the host, and in QEMU under BIOS and UEFI'
	@echo 'make test-matrix  the self-tests on every kind of machine, as a table;'
	@echo '              CELLS="uefi|q35" is a pattern of its lines'
	@echo 'make fuzz     random boot information for the parser; SECONDS=30'
	@echo 'make prove    the frame trees proved, the parser analysed, with Frama-C;'
	@echo '              make prove-guard shows that known bugs turn it red'
	@echo 'make iso      build/copse.iso, for BIOS and UEFI, CD, disk and USB stick'
	@echo 'make dist     build/dist: the ISO by version and commit, its checksum'
	@echo 'make bench    benchmarks on the host and, by instructions, in the kernel;'
	@echo '              BENCH=page is one suite or workload'
	@echo 'make bench-tables  write its results into the documents'
	@echo 'make book     renew what the documents show of a run'
	@echo 'make bench-accept  keep the instruction counts that the tests compare'
	@echo 'make plots    draw docs/figures from what make bench wrote last'
	@echo 'make debug    the same as run, stopped at kernel_main under gdb'
	@echo 'make doctor   the tools, their versions and their Debian packages'
	@echo 'make clean    remove build/'
	@echo 'DEBUG=1 builds with stack canaries and audits, in build/debug'
	@echo 'CC=clang builds with clang; BUILD=dir builds elsewhere; V=1 shows commands'

-include $(OBJECTS:.o=.d) $(shell find $(BUILD)/host/obj $(BUILD)/tsan/obj \
    $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)
-include $(BENCH_OBJECTS:.o=.d) $(EXPLORE_OBJECTS:.o=.d)
