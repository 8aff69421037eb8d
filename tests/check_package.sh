#!/bin/sh
# Build wheel and sdist, check what they say of themselves, and do in an empty environment, away from the
# source, what the README promises: from a text to its page. $1 is a Python with `build` and `twine`.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$1" -m twine check --strict "$work"/dist/*
# A text of our own: the documentation, a page a line.
for page in README.md docs/*.md; do tr '\n' ' ' <"$page"; echo; done >"$work/my-text.txt"
"$1" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/*.whl
cd "$work"
venv/bin/python -c 'import w2vflow as wf; print(wf.load_statistics("enwiki15k-v3000"))'
venv/bin/w2vflow run my-text.txt
test -s runs/my-text/report.html
echo "wheel: $(du -k dist/*.whl | cut -f1) kB, installs, and leaves the page of a text"
