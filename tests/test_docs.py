"""The documentation: the site builds, nothing it points at is missing, and the reference is complete."""

import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from public import public_names

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
REFERENCE = sorted(ROOT.glob("docs/reference/*.md"))
# Written by a command or for those who work on the package.
WITHOUT_READER = {"index.md", "design.md", "embeddings.md", "predictions.md"}


def name_of(page):
    return str(page.relative_to(ROOT))


def prose(page):
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The anchors of a page's headings, as mkdocs and GitHub make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_are_there(page):
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"\w+://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert not missing


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=name_of)
def test_a_page_says_whom_it_is_for(page):
    if page.name not in WITHOUT_READER:
        assert re.match(r"# .+\n\n\*For ", page.read_text())


def test_every_notebook_is_listed():
    listed = (ROOT / "docs" / "notebooks.md").read_text()
    assert not [path for path in ROOT.glob("notebooks/*.py") if f"/{path.stem}.ipynb)" not in listed]


def documented():
    return re.findall(r"^::: w2vflow\.(\S+)$", "\n".join(p.read_text() for p in REFERENCE), re.MULTILINE)


def test_the_reference_has_every_public_name_once():
    names = documented()
    assert sorted(names) == sorted(name for name, _ in public_names())


@pytest.mark.parametrize("name", documented())
def test_what_the_reference_names_exists_and_explains_itself(name):
    assert dict(public_names())[name].__doc__


def test_the_reference_of_commands_is_what_they_say(monkeypatch):
    """Word for word with the tyro that wrote it, option for option with others."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    command_line = importlib.import_module("command_line")
    monkeypatch.setenv("COLUMNS", str(command_line.WIDTH))
    written, said = command_line.PAGE.read_text(), command_line.page()
    locked = re.search(r"^tyro==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    remedy = "docs/reference/command-line.md: python docs/tools/command_line.py"
    if version("tyro") == locked[1]:
        assert written == said, remedy
    for section, other in zip(written.split("\n## "), said.split("\n## "), strict=True):
        assert section.split("\n")[0] == other.split("\n")[0], remedy
        assert options(section) == options(other), remedy


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text))


def test_the_navigation_has_every_page_once():
    """Zensical does not say which pages it leaves out."""
    listed = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")]
    notebooks = [f"notebooks/{path.stem}.md" for path in ROOT.glob("notebooks/*.py")]
    assert sorted(listed) == sorted([*pages, *notebooks, "CHANGELOG.md"])


def test_formulas_of_notebooks_are_told_from_prices(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    formula = importlib.import_module("site_pages").FORMULA
    text = "of $x_i$, $5 and $6, `$a$` and\n$$\nM = 1\n$$\nat $y$."
    assert [found[1] or found[2] for found in formula.finditer(text)] == ["x_i", "\nM = 1\n", "y"]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("zensical", "mkdocstrings", "latex2mathml"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'w2vflow[docs]'")
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "tools" / "site_pages.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    # The live page is checked by the tests of pages.
    files = [path for path in site.rglob("*.html") if path.parent.name != "live"]
    pages = {path: path.read_text() for path in files}
    assert len(pages) > len(REFERENCE)
    # Nothing of other hosts: the site works offline, and tells nobody who reads it.
    foreign = re.compile(r"<(?:script|img|iframe)[^>]*src=\"?https?://|<link[^>]*stylesheet[^>]*https?://")
    assert not [path for path, text in pages.items() if foreign.search(text)]
    reference = "".join(text for path, text in pages.items() if path.parent.name == "reference")
    assert not [name for name in documented() if f'id="w2vflow.{name}"' not in reference]
    for notebook in ROOT.glob("notebooks/*.ipynb"):
        assert (site / "notebooks" / notebook.name).is_file()
        assert "<math" in pages[site / "notebooks" / f"{notebook.stem}.html"]
    for page, text in pages.items():
        framed = re.findall(r"<iframe src=\"?([^\"> ]+)", text)
        assert not [target for target in framed if not (page.parent / target).is_file()]
    assert "live/wikipedia.html" in pages[site / "index.html"]


@pytest.mark.slow
def test_every_number_of_the_essay_was_computed(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    essay = importlib.import_module("essay")
    text, _, _ = (ROOT / "docs" / "index.md").read_text().partition("## Which page")
    text = " ".join(re.sub(r"\]\([^)]*\)|<[^>]*>", "", text).split())
    for piece in essay.pieces():
        assert piece in text
        text = text.replace(piece, "")
    # Measured by other commands.
    share = "0.4% to 1.4% off"
    assert share in (ROOT / "docs" / "measured.md").read_text()
    # The range of `M*`, the formula and a year.
    for known in (share, "near +2", "\u22122 if", "\u2212 1) / (2", "(2025)", "word2vec", "w2vflow"):
        text = re.sub(re.escape(known), "", text, flags=re.IGNORECASE)
    assert not re.findall(r".{20}\d", text)
