"""The page of predictions: short tables, and beside it pictures and the rows in full, as computed."""

import csv
import importlib
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "validation"
PAGE = ROOT / "docs" / "predictions.md"
LONGEST = 60


def sections(text):
    """The parts of a page by their title."""
    return {part.split("\n", 1)[0]: part for part in text.split("\n## ")[1:]}


def table(section):
    """The cells of the table of a section, without its heads."""
    lines = [line.split(" | ") for line in section.split("\n") if " | " in line]
    return lines[:1] + lines[2:]


def target(section, ending):
    """The one file with that ending to which a section points."""
    (found,) = re.findall(rf"\]\((\S+{re.escape(ending)})\)", section)
    return found


def read(file):
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines, strict=True))


@pytest.fixture
def scripts(monkeypatch):
    """What the scripts of validation share."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("table"), importlib.import_module("page")


def made(shared, **changed):
    """A row that says little."""
    long = dict.fromkeys(("conditions", "predicted", "measured", "error", "breaks"), "some, or\n“other”")
    points = (shared.Points.of("step time", [1.0, 2e-8, 3.0, 4.0], [1.0, 2e-8, 3.0, 4.5]),)
    short = {"subject": "Step times", "short": "scale 1e-08", "off": "≤11%", "points": points}
    return shared.Row(**{"quantity": "step times", **long, **short, **changed})


def test_a_row_without_points_is_an_error(scripts):
    shared, _ = scripts
    for points in ((), (shared.Points.of("step time", [np.nan], [1.0]),)):
        with pytest.raises(ValueError, match="'Step times', 'scale 1e-08' has no points"):
            made(shared, points=points)


def test_points_are_those_measured_and_not_too_many(scripts):
    shared, _ = scripts
    points = shared.Points.of("angle", [1.0, 2.0, np.nan], [1.5, np.inf, 3.0], [0.1, 0.2, 0.3])
    assert (points.predicted, points.measured, points.bars) == ((1.0,), (1.5,), (0.1,))
    many = shared.Points.of("angle", np.arange(1000.0), np.arange(1000.0))
    assert many.predicted == many.measured
    assert (many.predicted[0], many.predicted[-1], len(many.predicted)) == (0, 999, shared.MOST_POINTS)
    small = shared.Points.of("angle", [1.0, 1e-20, 1e-20, 0.0], [1.0, 0.1, 1e-19, 0.0]).shown
    assert (small.predicted, small.measured) == ((1.0, 1e-20), (1.0, 0.1))


def test_a_row_is_kept_and_read_again(scripts, tmp_path, monkeypatch, capsys):
    shared, _ = scripts
    monkeypatch.chdir(tmp_path)
    row = made(shared)
    shared.compute("one", lambda: iter([row]), small=True)
    assert shared.load_rows("one", small=True) == [row]
    assert "step times" in capsys.readouterr().out


def test_page_of_rows(scripts, tmp_path):
    shared, page = scripts
    share = (shared.Points.of("change, %", [-2.0, 1.0, 3.0, 4.0], [5.0, 2345.6, 1e-5, 0.123456]),)
    rows = [made(shared), made(shared, subject="Changes", points=share)]
    parts = {"one": page.Part("First", "Some text.", "- Once.")}
    written = page.write(tmp_path, parts, {"one": rows}, "# Title\n").read_text(encoding="utf-8")
    found = sections(written)["First"]
    assert table(found)[1:] == [
        ["Step times", "scale 1e-8", "2e-8–4", "2e-8–4.5", "≤11%"],
        ["Changes", "scale 1e-8", "-2 to 4%", "1e-5–2,346%", "≤11%"],
    ]
    assert "Some text.\n" in found
    assert found.endswith("Also measured, once:\n\n- Once.\n")
    full = read(tmp_path / target(found, ".csv"))
    assert full[1] == ["Step times", "scale 1e-8", "step times", *["some, or\n“other”"] * 5]
    assert (tmp_path / target(found, ".png")).exists()


@pytest.mark.parametrize("subject", ["x" * (LONGEST + 1), "a | b", "a\nb"])
def test_a_cell_that_breaks_the_table_is_an_error(scripts, subject):
    shared, page = scripts
    with pytest.raises(ValueError, match="at most 60 characters"):
        page.as_markdown([made(shared, subject=subject)])


@pytest.mark.slow
def test_page_is_what_the_kept_rows_give(scripts, tmp_path, monkeypatch, corpus_folder):
    """At small size, of one part: and docs stay as they are."""
    shared, page = scripts
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("W2VFLOW_TEST_DATA", str(corpus_folder))
    monkeypatch.setattr(sys, "argv", ["predictions.py", "--small", "relations", "--out", "made"])
    before = PAGE.read_bytes()
    parts = runpy.run_path(str(SCRIPTS / "predictions.py"), run_name="__main__")["PARTS"]
    rows = shared.load_rows("relations", small=True)
    written = Path("made/predictions.md").read_text(encoding="utf-8")
    assert written.endswith("\n" + page.section("relations", parts["relations"], rows))
    assert Path("made/predictions/relations.csv").read_bytes().decode() == page.as_csv(rows)
    assert len(table(sections(written)[parts["relations"].title])) == len(rows) + 1
    assert PAGE.read_bytes() == before


def test_the_page_in_the_documentation_is_short_and_whole(scripts):
    """Every part is there; tables of five short columns; picture and rows in full beside each."""
    text = PAGE.read_text(encoding="utf-8")
    parts = runpy.run_path(str(SCRIPTS / "predictions.py"), run_name="read")["PARTS"]
    found = sections(text)
    assert list(found) == [part.title for part in parts.values()]
    assert len(text.split()) < 2900
    for section in found.values():
        rows = table(section)
        assert all(len(cells) == 5 and max(map(len, cells)) <= LONGEST for cells in rows)
        picture, full = PAGE.parent / target(section, ".png"), read(PAGE.parent / target(section, ".csv"))
        assert picture.stat().st_size > 10_000
        assert len(full) == len(rows)
        assert {len(cells) for cells in full} == {len(full[0])}
