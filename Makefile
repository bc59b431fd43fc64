# Everything for people and machines: `make run` and `make test` set up what is missing first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

# Installs the Debian packages that the shell's $$missing names; asks for them where it may not.
define install-missing
[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as_root=""; \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo"; \
	else echo "missing packages; run this, then make again:"; \
	  echo "  sudo apt-get update && sudo apt-get install --no-install-recommends$$missing"; exit 1; fi; \
	command -v apt-get >/dev/null || { echo "not a Debian or Ubuntu machine; install:$$missing"; exit 1; }; \
	echo "installing:$$missing"; \
	$$as_root apt-get update -q; \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -q --no-install-recommends$$missing
endef

# Of what pip says: each file that it fetches, with its size, and that it installs them.
told-short = sed -un -e '/\.metadata/d' -e 's/^ *Downloading \([^-]*-[^-]*\)[^ ]*\(.*\)/  fetching \1\2/p' \
	-e 's/^Installing collected packages.*/  installing them/p'

.PHONY: help docs run test lint unit robot renode nightly mutants oldest other-tools setup packages dist sbom clean

# Of conversions and builds: what pytest has made, Robot need not make again.
TEST_CACHE := $(CURDIR)/.test_cache

help:
	@echo "make run      set up what is missing, then run the digits model on an emulated STM32F4"
	@echo "make test     set up what is missing, then lint, types, unit, native, QEMU and Robot tests"
	@echo "make nightly  the slow matrices: every board, both behaviours, more random cases, mutants"
	@echo "make renode   the tests that run in Renode, where it is"
	@echo "make docs     the documentation as a site, in build/docs"
	@echo "make setup    set up only;  make clean  remove the virtual environment and test output"

run: setup
	$(BIN)/nnom-hil run --board stm32f4

test: lint unit robot

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: setup
	rm -rf $(TEST_CACHE)
	NNOM_TEST_CACHE=$(TEST_CACHE) $(BIN)/pytest -n 2 --dist loadgroup

robot: setup
	NNOM_HIL_CACHE=$(TEST_CACHE) $(BIN)/robot --outputdir reports/robot --loglevel DEBUG --consolecolors off robot_tests

# The documentation as pages that need no server; NO_MKDOCS_2_WARNING: its authors' advertisement.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "$(CURDIR)/build/docs/index.html"

# What runs in Renode, where it is on PATH or named by NNOM_HIL_RENODE.
renode: setup
	$(BIN)/nnom-hil doctor
	$(BIN)/pytest -n 2 --dist loadgroup -rs tests/integration/test_renode.py
	$(BIN)/robot --outputdir reports/robot --consolecolors off robot_tests/20_accuracy/boards.robot robot_tests/renode

# What only the slow matrices need: other compilers, word sizes and byte orders, analysers, fuzzers.
# (gcc-multilib itself cannot stand beside a cross compiler; the package of the version can.)
other-tools:
	@missing=""; \
	command -v clang >/dev/null || missing="$$missing clang"; \
	ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-* >/dev/null 2>&1 || missing="$$missing libclang-rt-dev"; \
	command -v clang-tidy >/dev/null || missing="$$missing clang-tidy"; \
	command -v cppcheck >/dev/null || missing="$$missing cppcheck"; \
	echo 'int main(void){return 0;}' | cc -m32 -x c - -o /dev/null 2>/dev/null || missing="$$missing gcc-$$(cc -dumpversion)-multilib"; \
	command -v powerpc-linux-gnu-gcc >/dev/null || missing="$$missing gcc-powerpc-linux-gnu libc6-dev-powerpc-cross"; \
	command -v qemu-ppc >/dev/null || missing="$$missing qemu-user"; \
	$(install-missing)

# The oldest versions that pyproject.toml allows, in an environment of their own.
oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(VENV)-oldest $(VENV)-oldest/bin/uv pip install --quiet --resolution lowest-direct --editable '.[dev]'
	$(VENV)-oldest/bin/pytest -n 2 --dist loadgroup

# Wheel and source archive in dist/, and what an installation has: packages, versions, licences.
dist: setup
	$(BIN)/pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build --outdir dist .

sbom: setup
	$(PYTHON) -m venv $(VENV)-sbom
	$(VENV)-sbom/bin/pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=5,<8'
	mkdir -p dist
	$(VENV)-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
	  --output-format JSON --output-file dist/sbom.cdx.json $(BIN)/python

# 200 random mutants each of the C library and of what judges: at least 85 % must be noticed.
mutants: setup
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[mutation]'
	$(BIN)/python -m tests.mutation.c
	$(BIN)/python -m tests.mutation.python

nightly: setup other-tools
	NNOM_HIL_NIGHTLY=1 $(BIN)/pytest -n 2 --dist loadgroup --timeout 3600
	$(BIN)/nnom-hil bench boards --jobs 2
	status=0; for matrix in nightly variants; do \
	  $(BIN)/nnom-hil matrix reports/$$matrix.toml $(if $(SCHEDULER),--scheduler $(SCHEDULER)) || status=1; done; \
	$(BIN)/nnom-hil site reports/site; exit $$status
	$(MAKE) mutants

setup: packages $(VENV)/.ready

# Debian packages: nothing is asked of the network when all programs are there.
packages:
	@missing=""; \
	command -v qemu-system-arm >/dev/null || missing="$$missing qemu-system-arm"; \
	command -v arm-none-eabi-gcc >/dev/null || missing="$$missing gcc-arm-none-eabi"; \
	arm-none-eabi-gcc -print-file-name=nano.specs 2>/dev/null | grep -q / || missing="$$missing libnewlib-arm-none-eabi"; \
	echo 'int main(void){return 0;}' | cc -x c - -o /dev/null 2>/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v c++ >/dev/null || missing="$$missing g++"; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	command -v pgrep >/dev/null || missing="$$missing procps"; \
	$(install-missing)

# The mark is newer than pyproject.toml exactly when its dependencies are installed.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV): Python packages, TensorFlow the largest, about 3.1 GB; some minutes, once"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off --editable '.[dev]' | $(told-short)
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-oldest reports/robot .mypy_cache .ruff_cache .pytest_cache .test_cache .hypothesis
