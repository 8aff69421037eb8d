"""Every command of README and docs has been run here, or by the test that a table names."""

import contextlib
import gzip
import hashlib
import json
import re
import shlex
import subprocess
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from texts import themed_text

import w2vflow as wf
from w2vflow.cli import COMMANDS, main
from w2vflow.corpus import downloads

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]

# What the commands of a page find in their folder: `assumed`. Sizes shrink by these tables alone: each then
# takes seconds. What is added stands after a page's own options: the last of two counts.
SMALLER = {
    "--vocab-size 2000": "--vocab-size 30",
    "--vocab-size 3000": "--vocab-size 30",
    "--vocab-size 10000": "--vocab-size 30",
    "vocab_size = 500": "vocab_size = 30",
    "dim = 8": "dim = 3",
    "seeds = 4": "seeds = 2",
    "~/.local/share/bash-completion/completions/": "",
}
TINY_RUN = "--vocab-size 30 --dim 3 --seeds 2 --observations 6 --batch-size 512 --flow-scales 0.1"
ADDED = {
    "w2vflow run ablation": "--vocab-size 30 --dim 3 --seeds 1 --pairs 2000000 --observations 6",
    "w2vflow run": TINY_RUN,
    "w2vflow demo": TINY_RUN,
    "w2vflow spectrum enwiki15k-v3000": "--vocab-size 60",
    "w2vflow embed": "--dim 5",
}

# Run by other tests; what is checked here of the form in which a page has them.
ELSEWHERE = {
    "make": "test_packaging.py runs `demo` and `test`: make itself says what it would do",
    "pip": "test_packaging.py installs: what is named is this package, with extras that pyproject.toml has",
    "pytest": "another file of tests: it exists",
    "python": "test_documented_scripts.py runs all scripts: it exists",
    "sh": "test_packaging.py runs it: it exists",
}
# Named in the text without what they need.
IN_PART = {"w2vflow run --config", "w2vflow COMMAND --help"}


def commands(page):
    """The commands of a page in order, without comments: those of sh blocks and of the examples in help."""
    text = page.read_text()
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```|^    (w2vflow [^\n]*)", text, re.DOTALL | re.MULTILINE):
        lines = "".join(block).replace("\\\n", " ").splitlines()
        found += [re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines]
    return [command for command in found if command]


def mentioned(page):
    """The commands of a page's running text and tables."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`((?:w2vflow|make|pip|pytest|python|sh) [^`]+)`", text)


def names(pages):
    return [pytest.param(page, id=page.name) for page in pages]


@pytest.fixture(scope="module")
def assumed(tmp_path_factory):
    """A folder with what the pages take for granted: a text, counts, vectors, questions, ratings, a run."""
    folder = tmp_path_factory.mktemp("commands")
    text = folder / "my-text.txt"
    themed_text(text)
    for name in ("my-text.txt.gz", "my-corpus.txt.gz"):
        (folder / name).write_bytes(gzip.compress(text.read_bytes()))
    (folder / "my-texts").mkdir()
    themed_text(folder / "my-texts" / "one.txt")
    stats = wf.count(str(text), vocab_size=40, workers=1)
    stats.save(folder / "counts.npz")
    problem = wf.Problem.from_statistics(stats)
    concepts = wf.leading_eigenpairs(problem, 5)
    vectors = concepts.eigenvectors * np.sqrt(concepts.eigenvalues)
    for name in ("vectors.bin", "others.txt", "mine.bin", "glove.txt", "epoch1.bin", "epoch5.bin"):
        wf.export_vectors(folder / name, vectors, stats.words)
    a, b, c, d = stats.words[:4]
    (folder / "questions-words.txt").write_text(f": pairs\n{a} {b} {c} {d}\n{c} {d} {a} {b}\n")
    for name in ("EN-MEN-TR-3k.txt", "wordsim353.txt"):
        (folder / name).write_text(f"{a}\t{b}\t30\n{a}\t{c}\t10\n{b}\t{d}\t20\n")
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 4), 40, dim=3, scale=1e-2)
    wf.solve_flow(problem, W0, np.linspace(0, 0.1, 4), recording=wf.Recording(save_embeddings=True)).save(
        folder / "sgd.nc"
    )
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patched:
        main(shlex.split(smaller("w2vflow run my-text.txt"))[1:])
        have_text8(text, folder / "cache", patched)
        yield folder


def have_text8(text, cache, patched):
    """Put a small `text8` into the cache, as if it had been fetched before."""
    patched.setenv("W2VFLOW_CACHE", str(cache))
    cache.mkdir()
    known = downloads._CORPORA["text8"]
    with zipfile.ZipFile(cache / known.filename, "w") as packed:
        packed.writestr("text8", " ".join(text.read_text().split()))
    body = (cache / known.filename).read_bytes()
    small = replace(known, sha256=hashlib.sha256(body).hexdigest(), bytes=len(body))
    patched.setattr(downloads, "_CORPORA", downloads._CORPORA | {"text8": small})


def smaller(command):
    for large, small in SMALLER.items():
        command = command.replace(large, small)
    added = next((options for start, options in ADDED.items() if command.startswith(start)), "")
    before, pipe, file = command.partition(" > ")
    return f"{before} {added}{pipe}{file}".strip()


@pytest.fixture(scope="module")
def been_run():
    """Commands that `assumed` or an earlier page has run."""
    return {"w2vflow run my-text.txt"}


# Before those of blocks, some of which write in the place of what is assumed.
@pytest.mark.slow
@pytest.mark.parametrize("page", names(p for p in PAGES if mentioned(p)))
def test_commands_in_the_text_run(page, assumed, been_run, monkeypatch, capsys):
    monkeypatch.chdir(assumed)
    for command in mentioned(page):
        program, name, *options = shlex.split(command_of(command))
        if program in ELSEWHERE:
            check_form(command)
        elif options and command not in been_run | IN_PART:
            run(smaller(command), capsys)
            been_run.add(command)
        else:
            assert name in COMMANDS or name == "COMMAND", command


@pytest.mark.slow
@pytest.mark.parametrize("page", names(p for p in PAGES if commands(p)))
def test_commands_run(page, assumed, been_run, monkeypatch, capsys):
    monkeypatch.chdir(assumed)
    for settings in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        Path(re.match(r"# (\S+\.toml)", settings)[1]).write_text(smaller(settings))
    for command in commands(page):
        if command in been_run:
            continue
        if command_of(command).split()[0] in ELSEWHERE:
            check_form(command)
            continue
        assert command.startswith("w2vflow "), f"`{command}` is run neither here nor by another test"
        run(smaller(command), capsys)
        been_run.add(command)


def run(command, capsys):
    """Run a command here; what it sends to a file goes there, and what it is told to write is there."""
    command, _, file = command.partition(" > ")
    arguments = shlex.split(command)[1:]
    capsys.readouterr()
    code = 0
    try:
        main(arguments)
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert not code, f"{command}: {said.err}{said.out}"
    if file:
        Path(file.strip()).write_text(said.out)
    if "--json" in arguments:
        json.loads(said.out)
    if "--out" in arguments and "--dry-run" not in arguments:
        assert Path(arguments[arguments.index("--out") + 1]).exists(), command


@pytest.mark.slow
def test_two_commands_lead_to_the_page(assumed):
    """What README promises to someone who has nothing but a text."""
    said = [command for command in commands(ROOT / "README.md") if not command.startswith("make")]
    assert said[:2] == ["pip install .", "w2vflow run my-text.txt"]
    page = assumed / "runs" / "my-text" / "report.html"
    assert "<html" in page.read_text()
    assert page.stat().st_size < 10e6


def command_of(line):
    """The command without what is set in the environment for it."""
    return re.sub(r"^(?:[A-Z][A-Z0-9_]*=\S+ +)+", "", line)


def check_form(command):
    """What `ELSEWHERE` says of a command."""
    program, *arguments = shlex.split(command_of(command))
    if program == "make":
        done = subprocess.run(
            ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    elif program == "pip":
        check_installation(arguments)
    else:
        file = f"{arguments[1].replace('.', '/')}.py" if arguments[0] == "-m" else arguments[0]
        assert (ROOT / file).is_file(), command


def check_installation(arguments):
    """What is installed is this package, with extras that it has."""
    others = {"--editable", "jupyterlab"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert arguments[0] == "install"
    for wanted in set(arguments[1:]) - others:
        package, extras = re.fullmatch(r"(\.|[\w-]+)(?:\[([\w,]+)\])?", wanted).groups()
        assert package in {".", project["name"]}, wanted
        assert set((extras or "").split(",")) - {""} <= set(project["optional-dependencies"]), wanted
