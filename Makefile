PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check docs clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e '.[dev]'
	touch $(READY)

demo: $(READY)  ## train on the carried digits for two minutes and show where the pictures are
	$(BIN)/ganvas train digits --minutes 2 --out runs/demo
	$(BIN)/ganvas sample runs/demo --count 64 --seed 1 --out runs/demo/sheet.png

test: $(READY)  ## every test
	$(BIN)/python -m pytest

check: $(READY)  ## style, types, generated docs
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/ruff format --check src tests scripts benchmarks
	$(BIN)/mypy
	$(BIN)/python scripts/make_docs.py --check

docs: $(READY)  ## write the generated parts of the docs anew
	$(BIN)/python scripts/make_docs.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
