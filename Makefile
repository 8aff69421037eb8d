# `make demo` and `make test` set themselves up: they need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/

.PHONY: demo test test-ends check docs format lock statistics notebooks clean

# Files of tests are dealt to as many processes as there are cores, four at most: each takes about 3 GB.
PYTEST := python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

demo: $(VENV)/.installed
	$(RUN)w2vflow demo

test: $(VENV)/.installed-test
	$(RUN)$(PYTEST)

check: $(VENV)/.installed-dev
	$(RUN)ruff format --check
	$(RUN)ruff check
	$(RUN)mypy
	$(RUN)$(PYTEST)

# The tests with the lowest versions that pyproject.toml declares (RESOLUTION=lowest-direct) or the newest
# (highest), in an environment of their own.
RESOLUTION ?= lowest-direct
test-ends: $(VENV)/.installed-dev
	$(RUN)uv venv --clear --python $(PYTHON) build/$(RESOLUTION)
	$(RUN)uv pip install --python build/$(RESOLUTION)/bin/python --resolution $(RESOLUTION) --editable '.[test]'
	build/$(RESOLUTION)/bin/$(PYTEST)
	# Nothing may rest on a warning that only tests turn into an error.
	build/$(RESOLUTION)/bin/$(PYTEST) --override-ini filterwarnings=default

# The site, into site/; a link or picture that is missing is an error.
docs: $(VENV)/.installed-dev
	$(RUN)mkdocs build --strict

format: $(VENV)/.installed-dev
	$(RUN)ruff format
	$(RUN)ruff check --fix

# Versions of everything that development uses, for all supported Pythons.
lock: $(VENV)/.installed-dev
	$(RUN)uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --extra dev --output-file requirements-dev.lock pyproject.toml

# The bundled statistics, byte for byte, from the text that W2VFLOW_TEST_DATA names.
statistics: $(VENV)/.installed
	$(RUN)w2vflow count "$(W2VFLOW_TEST_DATA)/enwiki15k.txt.xz" \
	  --vocab-size 3000 --window 16 --weighting linear --min-document-words 50 --tokens latin \
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

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(RUN)python -m pip install --quiet --requirement requirements-dev.lock --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) runs build dist site
