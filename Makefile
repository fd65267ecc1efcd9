# SPDX-License-Identifier: Apache-2.0
# Two commands: `make run` shows it, `make check` proves it. Meson does the work below.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON := /usr/bin/python3
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: all run check check-vm check-all check-static bench install clean deps asan

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

check-all: check check-vm

check-static:
	@tools/deps.sh static
	@tools/static.sh $(BUILD)

asan:
	@tools/deps.sh check
	@[ -e $(BUILD)-asan/build.ninja ] || meson setup $(BUILD)-asan -Dstatic=false -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C $(BUILD)-asan --quiet && meson test -C $(BUILD)-asan --no-rebuild --print-errorlogs

bench: $(BUILD)/cay
	@tools/deps.sh bench
	@bench/cold.sh $(BUILD)/cay

install: $(BUILD)/cay
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD) $(BUILD)-asan
