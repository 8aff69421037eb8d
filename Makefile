# `make demo` and `make test` set themselves up: they need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/

.PHONY: demo test test-ends check audit sbom docs format lock statistics notebooks clean

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
	$(MAKE) audit
	$(RUN)$(PYTEST)

# Known vulnerabilities of what is locked. Where the service that knows them cannot be reached, or does not know a
# version, that is said and is no failure. Exceptions, `--ignore-vuln ID` with the reason beside it: none.
LOCK := requirements-dev.lock
EXCEPTIONS :=
audit: $(VENV)/.installed-dev
	@mkdir -p build
	@$(RUN)pip-audit --requirement $(LOCK) --disable-pip --progress-spinner off $(EXCEPTIONS) \
	  > build/audit.txt 2> build/audit.log; code=$$?; \
	if grep -q 'Found .* known vulnerabilit' build/audit.log; then cat build/audit.txt build/audit.log; exit 1; fi; \
	if [ $$code -ne 0 ]; then \
	  tail -n 5 build/audit.log; \
	  grep -qiE 'connect|resolve|timed out' build/audit.log || exit $$code; \
	  echo 'audit: the service of advisories cannot be reached: NOTHING WAS AUDITED.'; exit 0; \
	fi; \
	unknown=$$(grep -c 'could not be audited' build/audit.txt); all=$$(grep -c '==' $(LOCK)); \
	if [ $$unknown -gt 0 ]; then echo "audit: the service of advisories does not know" \
	  "$$unknown of $$all locked versions: THESE WERE NOT AUDITED."; exit 0; fi; \
	echo "audit: no known vulnerability in $$all locked versions."

# What is locked, as a bill of materials (CycloneDX): dist/sbom.json.
sbom: $(VENV)/.installed-dev
	mkdir -p dist
	$(RUN)cyclonedx-py requirements $(LOCK) --pyproject pyproject.toml --output-reproducible \
	  --output-file dist/sbom.json

# The tests with the lowest versions that pyproject.toml declares (RESOLUTION=lowest-direct) or the newest
# (highest), in an environment of their own.
RESOLUTION ?= lowest-direct
test-ends: $(VENV)/.installed-dev
	$(RUN)uv venv --clear --python $(PYTHON) build/$(RESOLUTION)
	$(RUN)uv pip install --python build/$(RESOLUTION)/bin/python --resolution $(RESOLUTION) --editable '.[test]'
	build/$(RESOLUTION)/bin/$(PYTEST)
	# Nothing may rest on a warning that only tests turn into an error.
	build/$(RESOLUTION)/bin/$(PYTEST) --override-ini filterwarnings=default

# The site, into build/docs/site; a link that leads nowhere is an error.
docs: $(VENV)/.installed-dev
	$(RUN)python docs/tools/site_pages.py

format: $(VENV)/.installed-dev
	$(RUN)ruff format
	$(RUN)ruff check --fix

# Versions of everything that development uses, for all supported Pythons, with the SHA-256 of their files.
lock: $(VENV)/.installed-dev
	$(RUN)uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --generate-hashes --extra dev --output-file requirements-dev.lock pyproject.toml

# The bundled statistics, byte for byte, from the text that W2VFLOW_TEST_DATA names.
statistics: $(VENV)/.installed
	$(RUN)w2vflow count "$(W2VFLOW_TEST_DATA)/enwiki15k.txt.xz" \
	  --vocab-size 3000 --window 16 --weighting linear --min-document-words 50 --tokens latin \
	  --source "15,044 articles of the English Wikipedia (page ids 12 to about 29,400) as WikiExtractor writes them; Wikipedia contributors, CC BY-SA" \
	  --out src/w2vflow/corpus/bundled/enwiki15k-v3000.npz

# Notebooks anew from the scripts they are paired with.
notebooks: $(VENV)/.installed-dev
	cd notebooks && ../$(RUN)jupytext --to ipynb --execute *.py

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "w2vflow needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(RUN)python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(RUN)python -m pip install --quiet --editable '.[test]'
	touch $@

# In two steps: pip holds files to their hashes only where all have some, which a folder has not.
$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml requirements-dev.lock
	$(RUN)python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(RUN)python -m pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf $(VENV) runs build dist
