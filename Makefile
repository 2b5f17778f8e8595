# make demo   set up, run the pipeline on the shipped model, serve the explorer
# make test   set up, run every check
# make check  the quick loop: format, lint, import order, types, fast tests

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
CHROMIUM ?= /usr/bin/chromium
DATA ?= data
SIZE ?= tenth
# Processes that tests run in: as many as processors, within reason.
WORKERS ?= logical
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/e2e/*' -not -path '*/test-results/*' -not -name openapi.json -not -name '*.gen.ts' 2>/dev/null)

# $(call tests,OPTIONS,MARKS): in parallel, then one by one those that need the machine alone. Work
# stealing keeps the tests of a file together, so that what they share is made once or twice.
define tests
	$(BIN)/pytest -q $(1) -n $(WORKERS) --maxprocesses 4 --dist worksteal -m "$(2) and not alone"
	$(BIN)/pytest -q $(1) -m "$(2) and alone"
endef

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := constraints.txt
# The web app is built below, once, not by pip.
export FMI_SKIP_WEB := 1

# $(call install,PACKAGE): a Debian package that a bare machine lacks.
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
install = $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $(1)

.PHONY: demo test check format web setup-test python-checks web-checks browser-tests generate bench clean

demo: $(VENV)/.installed visualizer/index.html
	$(BIN)/fmi demo --data $(DATA)

web: visualizer/index.html

test: setup-test python-checks web-checks browser-tests

check: $(VENV)/.installed-dev visualizer/index.html
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(call tests,,not slow and not gpu and not network)

format: $(VENV)/.installed-dev web/node_modules/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python hatch_build.py npm run format

setup-test: $(VENV)/.installed-dev visualizer/index.html $(CHROMIUM)

python-checks: $(VENV)/.installed-dev visualizer/index.html
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(call tests,--durations=15,not gpu and not network)

# The types are made anew each time, so a server change that breaks the app fails the compiler.
web-checks: generate
	$(BIN)/python hatch_build.py npm run check
	$(BIN)/python hatch_build.py npm test

browser-tests: setup-test web/node_modules/.installed
	$(BIN)/fmi demo --data $(DATA) --run-only
	FMI_CHROMIUM=$(CHROMIUM) FMI_DATA=$(abspath $(DATA)) $(BIN)/python hatch_build.py npm run e2e

# Types of the web app from the server's OpenAPI document: for editors and the compiler. The build
# erases types, so it does without.
generate: $(VENV)/.installed-dev web/node_modules/.installed
	$(BIN)/fmi openapi web/openapi.json
	$(BIN)/python hatch_build.py npm run generate-types

# SIZE=full is the specification's size: a quarter of an hour and 25 GB of disk.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.harvest
	$(BIN)/python -m benchmarks.serve
	$(BIN)/python -m benchmarks.clouds
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.discovery
	$(BIN)/python -m benchmarks.load --users 16 --edits 20 --latents 4096 --firings 1000000
	$(BIN)/python -m benchmarks.scale --size $(SIZE)

$(VENV)/bin/python:
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || ($(call install,python3-venv)) \
	|| (echo "error: $(PYTHON) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1)
	$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); exit 1)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --editable ".[harvest]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@

web/node_modules/.installed: web/package.json web/package-lock.json $(VENV)/.installed
	$(BIN)/python hatch_build.py npm ci
	touch $@

visualizer/index.html: $(WEB_SOURCES) web/node_modules/.installed
	$(BIN)/python hatch_build.py app

$(CHROMIUM):
	@($(call install,chromium)) \
	|| (echo "error: no browser; install Chromium and say where: make test CHROMIUM=/path/to/chromium" >&2; exit 1)

clean:
	rm -rf $(VENV) web/node_modules web/dist web/openapi.json web/src/api/schema.gen.ts
	if [ -d visualizer ]; then find visualizer -mindepth 1 -maxdepth 1 -not -name data -exec rm -rf {} +; fi
