"""What is installed is whole: by the commands of README in an empty environment, and by make."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from test_documented_commands import PAGES, ROOT, TINY_RUN, commands, mentioned

import w2vflow as wf

# What a test of this package installs takes from the network, as its own installation did.
pytestmark = pytest.mark.slow


def done(*command, **settings):
    """Run a command at the root; return what it printed."""
    ran = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False, **settings
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_from_nothing_to_the_page_by_the_two_commands_of_readme():
    """`pip install .` in an empty environment, `w2vflow run my-text.txt`; and twine has nothing to say."""
    small = TINY_RUN.replace("--vocab-size 30", "--vocab-size 200")
    said = done("sh", "tests/check_package.sh", sys.executable, *small.split())
    assert len(re.findall("PASSED", said)) == 2
    assert "Open runs/my-text/report.html in a browser." in said


def other_installations():
    """What pages install besides the package alone, without what pip is asked to do."""
    every = [command for page in PAGES for command in (*commands(page), *mentioned(page))]
    found = [shlex.split(command)[2:] for command in every if command.startswith("pip install ")]
    return sorted({tuple(wanted) for wanted in found} - {(".",)})


@pytest.mark.parametrize("wanted", other_installations(), ids=" ".join)
def test_what_pages_install_can_be_installed(wanted):
    """All but the installing, which would change the environment of the tests."""
    pytest.importorskip("pip", reason="this environment was made without pip")
    here = [re.sub(r"^w2vflow(?=\[|$)", ".", part) for part in wanted]
    said = done(sys.executable, "-m", "pip", "install", "--dry-run", *here)
    assert f"w2vflow-{wf.__version__}" in said


@pytest.fixture
def environment(tmp_path):
    """An environment that make takes for its own, whose `w2vflow` has little to do."""
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    options = f"{TINY_RUN} --out {tmp_path / 'demo'}"
    for name, does in (("python", '"$@"'), ("w2vflow", f'-m w2vflow "$@" {options}')):
        (programs / name).write_text(f"#!/bin/sh\nexec {sys.executable} {does}\n")
        (programs / name).chmod(0o755)
    for mark in (".installed", ".installed-test"):
        (tmp_path / "venv" / mark).touch()
    return tmp_path / "venv"


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_demo(environment):
    done("make", "demo", f"VENV={environment}")
    assert (environment.parent / "demo" / "report.html").stat().st_size > 1e6


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_test(environment):
    one = "python -m pytest -q -p no:cacheprovider tests/semantics/test_questions.py"
    assert " passed" in done("make", "test", f"VENV={environment}", f"PYTEST={one}")
