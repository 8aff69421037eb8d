#!/bin/sh
# Build sdist and wheel, check what they say of themselves, and do in an empty environment, with what the
# sdist holds and no more, what README promises: from a text to its page by its two commands. $1 is a Python
# with `build` and `twine`; what follows are options of the run.
set -eu
python=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m twine check --strict "$work"/dist/*
# A text of our own: the documentation, a page a line.
for page in README.md docs/*.md; do tr '\n' ' ' <"$page"; echo; done >"$work/my-text.txt"
"$python" -m venv "$work/venv"
PATH=$work/venv/bin:$PATH
tar -xzf "$work"/dist/*.tar.gz -C "$work"
cd "$work"/w2vflow-*
pip install --quiet .
cd "$work"
rm -r w2vflow-*
w2vflow run my-text.txt "$@"
test -s runs/my-text/report.html
echo "wheel: $(du -k dist/*.whl | cut -f1) kB, installs, and leaves the page of a text"
