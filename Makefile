# Two commands to start with: `make run` and `make test`.
PYTHON ?= python3
SOURCE ?= examples/archive
OUT ?= archive-report
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Handed on through the environment, so that no shell reads what a name may hold.
export SOURCE OUT
HOME_OF = case "$$1" in "~/"*) printf %s "$$HOME$${1\#\~}";; *) printf %s "$$1";; esac

.PHONY: run test lint bench serve lock clean
.DEFAULT_GOAL := run

run: $(VENV)/runtime.stamp  ## characterise SOURCE into OUT
	@expand() { $(HOME_OF); }; \
	$(BIN)/scalemark run "$$(expand "$$SOURCE")" --out "$$(expand "$$OUT")" \
	|| { code=$$?; [ $$code -eq 3 ] || exit $$code; }

test: $(VENV)/dev.stamp  ## every test
	$(BIN)/python -m pytest

lint: $(VENV)/dev.stamp  ## what every commit passes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.stamp  ## measure; `pip install -e .[bench]` adds the peers
	$(BIN)/python -m benchmarks

serve: $(VENV)/runtime.stamp  ## a Prefect server, a worker and the deployments, on this machine
	@expand() { $(HOME_OF); }; \
	$(BIN)/scalemark serve "$$(expand "$$SOURCE")" --out "$$(expand "$$OUT")"

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("scalemark needs Python 3.11 or later: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.stamp: $(VENV)/bin/python requirements.lock pyproject.toml
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp requirements-dev.lock
	$(PIP) install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# Pins name no index: whoever installs uses the one that pip is set up with.
COMPILE := pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--build-deps-for editable --no-header --no-annotate --no-emit-options \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock:  ## resolve the pins anew; needs pip-tools on the path
	$(COMPILE) --upgrade -o requirements.lock pyproject.toml
	$(COMPILE) --upgrade --extra test -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:  ## remove what make made, results not among it
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis test-output
