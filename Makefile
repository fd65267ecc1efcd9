# SPDX-License-Identifier: Apache-2.0
# Two commands: `make run` shows it, `make check` proves it. Meson does the work below.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON := /usr/bin/python3
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: all run check check-vm check-all check-static bench parsers report install clean deps asan torture fuzz

all: $(BUILD)/cay

deps:
	@tools/deps.sh build

$(BUILD)/build.ninja: | deps
	@[ -e $@ ] || meson setup $(BUILD) --prefix=$(PREFIX) >/dev/null

.PHONY: $(BUILD)/cay
$(BUILD)/cay: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

run: $(BUILD)/cay
	@tools/deps.sh run
	@tools/demo.sh $(BUILD)/cay

check: $(BUILD)/cay
	@tools/deps.sh check
	@$(PYTHON) tools/check.py $(BUILD)

check-vm: $(BUILD)/cay
	@tools/deps.sh vm
	@tests/vm/run.sh $(BUILD)
	@tests/vm/run.sh -c v1 $(BUILD)

check-all: check check-vm

check-static:
	@tools/deps.sh static
	@tools/static.sh $(BUILD)

# Everything again under ASan and UBSan, against a cay built with them.
asan:
	@tools/deps.sh check
	@[ -e $(BUILD)-asan/build.ninja ] || meson setup $(BUILD)-asan -Dstatic=false -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C $(BUILD)-asan --quiet
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 CAY_CHECK_SECONDS=3000 CAY_TEST_SECONDS=900 \
		$(PYTHON) tools/check.py $(BUILD)-asan

# Every point of failure; docs/reliability.md tells what and how many.
torture: $(BUILD)/cay
	@tools/deps.sh check
	@ninja -C $(BUILD) --quiet tests/torture/cay-torture tests/torture/tracer tests/torture/witness tests/fuzz/enumerate_plan
	@$(BUILD)/tests/fuzz/enumerate_plan full
	@CAY=$(abspath $(BUILD)/cay) CAY_TORTURE=full $(PYTHON) -m pytest -q -p no:cacheprovider tests/torture

# make fuzz SECONDS=60: each target searches for so long.
SECONDS ?= 30
fuzz:
	@tools/deps.sh fuzz
	@[ -e $(BUILD)-fuzz/build.ninja ] || CC=clang meson setup $(BUILD)-fuzz -Dstatic=false -Dfuzz=true -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C $(BUILD)-fuzz --quiet fuzz
	@tests/fuzz/fuzz.sh $(BUILD)-fuzz $(SECONDS)

# cay beside its peers, as root; QUICK=1 for a rough one, ONLY="cold warm" for some scenarios, OUT=DIR for the report.
bench: $(BUILD)/cay
	@tools/deps.sh bench
	@ninja -C $(BUILD) --quiet $(addprefix bench/,cay-stamped ask first floor levers many work)
	@$(PYTHON) bench/bench.py $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY)) $(if $(OUT),--out $(OUT)) $(BUILD)

# The JSON libraries of the distribution beside each other, as a table.
parsers: $(BUILD)/cay
	@tools/deps.sh parsers
	@ninja -C $(BUILD) --quiet parsers
	@$(PYTHON) bench/parsers.py $(BUILD)

# A full run becomes the committed report, and its goals those of docs/performance.md.
report:
	@$(MAKE) bench OUT=docs/report
	@$(PYTHON) bench/goals.py docs/report/report.json docs/performance.md

# The prefix is part of the program (where its helpers are), so a new one builds it anew.
install: $(BUILD)/build.ninja
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD) --quiet
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz
