"""What is installed is whole: by the commands of README in an empty environment, and by make."""

import json
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
    for mark in (".made", ".installed", ".installed-test", ".installed-dev"):
        (tmp_path / "venv" / mark).touch()
    return tmp_path / "venv"


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_demo(environment):
    done("make", "demo", f"VENV={environment}")
    assert (environment.parent / "demo" / "report.html").stat().st_size > 1e5


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_test(environment):
    one = "python -m pytest -q -p no:cacheprovider tests/semantics/test_questions.py"
    assert " passed" in done("make", "test", f"VENV={environment}", f"PYTEST={one}")


def locked():
    """Return the pins of the lock, each with its options."""
    text = (ROOT / "requirements-dev.lock").read_text()
    return re.findall(r"^(\S+==\S+)[^\n]*?\\\n((?:    \S[^\n]*\n)+)", text, re.MULTILINE)


def test_files_of_the_lock_are_known_by_their_hashes():
    """So pip takes no other file for them; and the lock tells of no place where they are from."""
    text = (ROOT / "requirements-dev.lock").read_text()
    assert len(locked()) == len(re.findall(r"^\S", text, re.MULTILINE)) > 200
    for _, options in locked():
        for line in options.splitlines():
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
    assert "://" not in text
    assert "index" not in re.sub(r"^\S+==", "", text, flags=re.MULTILINE)


# What pip-audit says and its exit code; whether `make audit` fails, and what it says.
AUDITS = [
    ("", "No known vulnerabilities found", 0, False, "no known vulnerability in 2[0-9]+ locked versions"),
    ("numpy 1.0 CVE-1 2.0", "Found 1 known vulnerability in 1 package", 1, True, "CVE-1"),
    ("", "ERROR:pip_audit: Could not connect to the feed", 1, False, "NOTHING WAS AUDITED"),
    ("", "requests.exceptions.ConnectionError: Failed to resolve", 1, False, "NOTHING WAS AUDITED"),
    ("a Dependency not found and could not be audited", "No known", 0, False, "does not know 1 of 2[0-9]+"),
    ("", "ERROR: invalid requirements input", 1, True, "invalid requirements"),
]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(("found", "said", "code", "fails", "told"), AUDITS)
def test_make_audit(environment, found, said, code, fails, told):
    program = environment / "bin" / "pip-audit"
    program.write_text(f"#!/bin/sh\necho '{found}'\necho '{said}' >&2\nexit {code}\n")
    program.chmod(0o755)
    ran = subprocess.run(
        ["make", "audit", f"VENV={environment}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode != 0) == fails, ran.stdout + ran.stderr
    assert re.search(told, ran.stdout)


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_make_sbom(environment, tmp_path):
    """Every version that is locked is in it, with its hashes."""
    pytest.importorskip("cyclonedx_py", reason="there is no cyclonedx-bom")
    program = environment / "bin" / "cyclonedx-py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -W ignore -m cyclonedx_py "$@"\n')
    program.chmod(0o755)
    there = (ROOT / "dist").is_dir()
    try:
        done("make", "sbom", f"VENV={environment}")
        bill = json.loads((ROOT / "dist" / "sbom.json").read_text())
    finally:
        (ROOT / "dist" / "sbom.json").unlink(missing_ok=True)
        if not there:
            (ROOT / "dist").rmdir()
    assert bill["bomFormat"] == "CycloneDX"
    parts = {f"{part['name']}=={part['version']}" for part in bill["components"]}
    assert parts == {pin for pin, _ in locked()}
