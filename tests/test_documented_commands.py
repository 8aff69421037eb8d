"""Every command of README and docs has been run here, or stands in a table that says why not."""

import argparse
import contextlib
import gzip
import json
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
from test_readme import themed_text

import w2vflow as wf
from w2vflow.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]

# What the commands of a page find in their folder: `assumed`. Sizes shrink by these tables alone: each then
# takes seconds. What is added stands after a page's own options: the last of two counts.
SMALLER = {
    "--vocab-size 2000": "--vocab-size 30",
    "--vocab-size 3000": "--vocab-size 30",
    "vocab_size = 500": "vocab_size = 30",
    "dim = 8": "dim = 3",
    "seeds = 4": "seeds = 2",
    "~/.local/share/bash-completion/completions/": "",
}
TINY_RUN = "--vocab-size 30 --dim 3 --seeds 2 --observations 6 --batch-size 512 --flow-scales 0.1"
ADDED = {
    "w2vflow run": TINY_RUN,
    "w2vflow demo": TINY_RUN,
    "w2vflow spectrum enwiki15k-v3000": "--vocab-size 60",
    "w2vflow embed": "--dim 5",
}

# Not run here, and what is checked in its place.
NOT_RUN = {
    "make": "sets up an environment of its own: the Makefile has the target",
    "pip": "installs: what it names is this package, with extras that pyproject.toml has",
    "mkdocs": "tests/test_docs.py builds the site: the subcommand exists",
    "pytest": "another file of tests: it exists",
    "python": "benchmarks and validation take minutes to hours: the script takes these arguments",
    "w2vflow run ablation": "tests/test_ablation.py runs it, small: the command has these options",
    "w2vflow count text8": "fetches 31 MB: the command has these options",
}


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
    return re.findall(r"`((?:w2vflow|make|pip|mkdocs|pytest|python) [^`]+)`", text)


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
    wf.solve_flow(problem, W0, np.linspace(0, 0.1, 4), save_embeddings=True).save(folder / "sgd.nc")
    with contextlib.chdir(folder):
        main(shlex.split(smaller("w2vflow run my-text.txt"))[1:])
    return folder


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


@pytest.mark.slow
@pytest.mark.parametrize("page", names(p for p in PAGES if commands(p)))
def test_commands_run(page, assumed, been_run, monkeypatch, capsys):
    monkeypatch.chdir(assumed)
    for settings in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        Path(re.match(r"# (\S+\.toml)", settings)[1]).write_text(smaller(settings))
    for command in commands(page):
        if command in been_run:
            continue
        if any(command_of(command).startswith(other) for other in NOT_RUN):
            check_elsewhere(command, monkeypatch, capsys)
            continue
        assert command.startswith("w2vflow "), f"`{command}` is neither run nor in the table of those not run"
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


@pytest.mark.parametrize("page", names(p for p in PAGES if mentioned(p)))
def test_commands_in_the_text_exist(page, monkeypatch, capsys):
    for command in mentioned(page):
        check_elsewhere(command, monkeypatch, capsys)


def command_of(line):
    """The command without what is set in the environment for it."""
    return re.sub(r"^(?:[A-Z][A-Z0-9_]*=\S+ +)+", "", line)


def check_elsewhere(command, monkeypatch, capsys):
    """What `NOT_RUN` says of a command."""
    program, *arguments = shlex.split(command_of(command))
    if program == "w2vflow":
        check_options(arguments, capsys)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {target for target in arguments if "=" not in target} <= set(targets), command
    elif program == "pip":
        check_installation(arguments)
    elif program == "mkdocs":
        assert arguments[0] in {"build", "serve"}, command
    elif program == "pytest":
        assert (ROOT / arguments[0]).is_file(), command
    else:
        check_script(arguments, monkeypatch)


def check_options(arguments, capsys):
    """The command exists and has these options."""
    named = arguments[0]
    if named == "COMMAND" or named.startswith("--"):
        return
    study = "ablation" if arguments[:2] == ["run", "ablation"] else "experiment"
    with pytest.raises(SystemExit) as ended:
        main([named, *([study] if named == "run" else []), "--help"])
    assert ended.value.code == 0, arguments
    said = capsys.readouterr().out
    for option in arguments:
        if option.startswith("--"):
            assert re.search(rf"{option}(?![\w-])", said), arguments


def check_installation(arguments):
    """What is installed is this package, with extras that it has."""
    others = {"--editable", "jupyterlab"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert arguments[0] == "install"
    for wanted in set(arguments[1:]) - others:
        package, extras = re.fullmatch(r"(\.|[\w-]+)(?:\[([\w,]+)\])?", wanted).groups()
        assert package in {".", project["name"]}, wanted
        assert set((extras or "").split(",")) - {""} <= set(project["optional-dependencies"]), wanted


class Taken(Exception):
    """The arguments of a script were accepted."""


def check_script(arguments, monkeypatch):
    """The script exists and takes these arguments, capitals standing for files; nothing of it runs."""
    script, *arguments = arguments
    assert re.match(r"(benchmarks|validation|docs/tools)/\w+\.py$", script), script
    code = (ROOT / script).read_text()
    if "ArgumentParser" not in code:
        assert not arguments or (len(arguments) == 1 and "sys.argv" in code), (script, arguments)
        return
    parse = argparse.ArgumentParser.parse_args

    def accept(parser, given=None, namespace=None):
        parse(parser, given, namespace)
        raise Taken

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", accept)
        patched.setattr(sys, "argv", [script, *arguments])
        patched.syspath_prepend(str((ROOT / script).parent))
        with pytest.raises(Taken):
            runpy.run_path(str(ROOT / script), run_name="__main__")
