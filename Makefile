# `make` sets up and runs the default workflow; `make test` sets up and tests. README.md says what each target is for.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := run

# Any of Python 3.11 to 3.13; make PYTHON=python3.12 picks one.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
# Where torch comes from. A GPU user names PyTorch's own index of CUDA builds:
#   make TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?=
TORCH := torch==2.13.0
CORES ?= all
SNAKEMAKE_FLAGS ?=
# Checks the types of the page's own code, where Node is.
TYPESCRIPT := 7.0.2
# A config of one's own, or of somebody else: it is read as data, and checked, before Snakemake sees it.
CONFIG ?=
override SNAKEMAKE_FLAGS += $(if $(CONFIG),--configfile $(CONFIG))

VENV := .venv
INSTALLED := $(VENV)/installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
CODE := src tests benchmarks

.PHONY: run report test test-cluster browser nightly check format benchmark clean lock config models

# The default corpora are small: a model takes longer to load than to run, so extractions take one core each. One at a time
# runs on a GPU; where there is none two do, and no more, for each holds a model in memory.
EXTRACTIONS := $(if $(wildcard /dev/nvidia[0-9]*),1,2)
run: $(INSTALLED)
	$(if $(CONFIG),fathom check $(CONFIG))
	snakemake --cores $(CORES) --set-threads activations=1 --resources gpu=$(EXTRACTIONS) $(SNAKEMAKE_FLAGS)
	$(MAKE) --no-print-directory report
	@echo
	@echo "Figures:"
	@ls results/figures/*.svg | sed 's/^/    /'
	@echo "Report:"
	@echo "    results/report.html"
	@echo "To explore, in a browser:"
	@echo "    results/explore.html"

report: results/report.html

# Made anew only when a figure is newer. What every figure came from goes with it.
results/report.html: $(INSTALLED) $(wildcard results/figures/*)
	$(if $(CONFIG),fathom check $(CONFIG))
	snakemake crate --cores 1 --forcerun provenance crate --allowed-rules provenance crate $(SNAKEMAKE_FLAGS)
	snakemake default crate --report $@ $(SNAKEMAKE_FLAGS)

test: $(INSTALLED)
	pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not nightly"

# What tests/browser drives: Debian's Chromium, installed where it is missing. Without it these tests are skipped, in CI
# they fail.
browser: $(INSTALLED)
	@command -v chromium > /dev/null || { \
		command -v apt-get > /dev/null || { echo "make browser: expected Debian (apt-get), or a chromium on PATH" >&2; exit 1; }; \
		test "$$(id -u)" = 0 || { echo "make browser: expected root, to install Debian's chromium" >&2; exit 1; }; \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; }

# Statistical studies over many seeds, and many more cases of bad input than `make test` tries: 14,000 in place of 700.
nightly: $(INSTALLED)
	pytest --numprocesses 2 -m nightly
	HYPOTHESIS_PROFILE=nightly pytest --numprocesses 2 tests/property/test_hostile_properties.py \
		tests/property/test_hostile_store_properties.py

# A real Slurm on this machine, with nodes of its own. Debian's packages are installed where they are missing.
SLURM := slurmctld slurmd slurm-client munge iproute2 fuse3
test-cluster: $(INSTALLED)
	@test "$$(id -u)" = 0 || { echo "make test-cluster: expected root, which namespaces and Slurm's daemons need" >&2; exit 1; }
	@command -v apt-get > /dev/null || { echo "make test-cluster: expected Debian (apt-get) for the packages $(SLURM)" >&2; exit 1; }
	@dpkg --status $(SLURM) > /dev/null 2>&1 || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $(SLURM); }
	pytest -v tests/cluster

check: $(INSTALLED)
	ruff check $(CODE)
	ruff format --check $(CODE)
	mypy
	lint-imports
	@if command -v npm > /dev/null; then npx --yes --package typescript@$(TYPESCRIPT) tsc --project tsconfig.json; \
		else echo "no npm: the code of the page to explore is not type-checked"; fi
	snakefmt --check Snakefile workflow
	snakemake --lint

format: $(INSTALLED)
	ruff check --fix $(CODE)
	ruff format $(CODE)
	snakefmt Snakefile workflow

benchmark: $(INSTALLED)
	python -m benchmarks

# config/config.yaml, config/schema.json and docs/options.md are written from the settings classes.
config: $(INSTALLED)
	python -m fathom.workflow.write_reference .

# docs/models.md: a tiny model of every text architecture of transformers, extracted and compared. It takes minutes.
models: $(INSTALLED)
	python -m tests.architectures

clean:
	rm -rf results logs .snakemake

# The lock is used as it is. pip checks every file against it; torch is apart, since its builds differ by platform.
$(INSTALLED): envs/lock.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: expected Python 3.11, 3.12 or 3.13 with venv; found none on PATH (make PYTHON=...)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r envs/lock.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Resolve anew. lock-excludes.txt lists what only torch's CUDA builds need; they bring it themselves.
lock:
	uv pip compile --quiet --universal --fork-strategy fewest --group dev pyproject.toml --generate-hashes \
		--no-emit-package torch --excludes envs/lock-excludes.txt --custom-compile-command "make lock" --output-file envs/lock.txt
