# `make demo` and `make test` set themselves up: they need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/

.PHONY: demo test check format statistics notebooks clean

demo: $(VENV)/.installed
	$(RUN)w2vflow demo

test: $(VENV)/.installed-test
	$(RUN)python -m pytest

check: $(VENV)/.installed-dev
	$(RUN)ruff format --check
	$(RUN)ruff check
	$(RUN)mypy
	$(RUN)python -m pytest
	sh tests/check_wheel.sh $(RUN)python

format: $(VENV)/.installed-dev
	$(RUN)ruff format
	$(RUN)ruff check --fix

# The bundled statistics, byte for byte, from the text that W2VFLOW_TEST_DATA names.
statistics: $(VENV)/.installed
	$(RUN)w2vflow count "$(W2VFLOW_TEST_DATA)/enwiki15k.txt.xz" \
	  --vocab-size 3000 --window 16 --weighting linear --min-document-words 50 \
	  --source "15,044 articles of the English Wikipedia (page ids 12 to about 29,400) as WikiExtractor writes them; Wikipedia contributors, CC BY-SA" \
	  --out src/w2vflow/corpus/bundled/enwiki15k-v3000.npz

# Notebooks anew from the scripts they are paired with.
notebooks: $(VENV)/.installed-dev
	cd notebooks && ../$(RUN)jupytext --to ipynb --execute *.py

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "w2vflow needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(RUN)python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(RUN)python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) runs build dist
