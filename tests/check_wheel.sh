#!/bin/sh
# Build the wheel and use it in an empty environment, away from the source: $1 is a Python with `build`.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$1" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/*.whl
cd "$work"
venv/bin/python -c 'import w2vflow as wf; print(wf.load_statistics("enwiki15k-v3000"))'
venv/bin/w2vflow --help >/dev/null
echo "wheel: $(du -k dist/*.whl | cut -f1) kB, installs and loads its statistics"
