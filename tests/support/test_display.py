"""Results show themselves in notebooks: tables, sketches, and words as text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hostile import HARMFUL, MARKUP, TERMINAL, statistics_of

import w2vflow as wf
from w2vflow.semantics import AnalogyScore, SimilarityScore
from w2vflow.support.checks import argument_error
from w2vflow.support.display import harmless, html_table, line_sketch, shown_words


class Tags(HTMLParser):
    """Tags of a page and its text; refuses what is not closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_escapes_what_it_shows(stats):
    nasty = '<b>&"'
    page = Tags(html_table(nasty, (nasty,), [(nasty, nasty)]))
    assert "b" not in page.seen
    assert page.text == nasty * 4
    sketch = line_sketch(nasty, np.arange(2.0), {nasty: np.array([[1.0, 2.0]])})
    assert Tags(sketch).text.startswith(f"{nasty}\u25a0 {nasty}")
    words = (nasty, *stats.words[1:])
    own = wf.CooccurrenceStatistics(words, stats.counts, stats.unigram, {"source": "<script>"})
    assert {"script"}.isdisjoint(Tags(own._repr_html_()).seen)
    assert nasty in Tags(own._repr_html_()).text


def test_results_show_themselves(solved, together, basis, stats):
    for result in (*solved, together, basis, basis.leading(3), stats, wf.compare(solved[1])):
        page = result._repr_html_()
        assert "table" in Tags(page).seen
        # In the colours of the page that it is in, dark or light.
        assert "background" not in page.replace("background: none", "")
        assert len(page) < 60_000
        assert len(str(result).splitlines()) < 20
        assert len(repr(result)) < 600
    assert {"svg", "polyline"} <= Tags(together._repr_html_()).seen
    text = repr(solved[2])
    for fact in ("sgd, 3 seeds, 9 times", "dim 4", "float32 on cpu", stats.sha256[:12], " -> ", "MB"):
        assert fact in text
    assert "theory, flow, sgd" in repr(together)
    assert "6 of 30 eigenpairs" in repr(basis.leading(6))


def test_a_sketch_is_the_curve():
    drawn = line_sketch("loss", np.array([0.0, 1.0, 2.0]), {"a": np.array([[0.0, np.nan, 3.0]])})
    ((x0, y0), (x1, y1)) = [map(float, p.split(",")) for p in re.search('points="(.*?)"', drawn)[1].split()]
    assert (x0, y0) == (4.0, 146.0)  # bottom left: four pixels from the edges
    assert (x1, y1) == (296.0, 4.0)
    assert line_sketch("loss", np.arange(2.0), {"a": np.full((1, 2), np.nan)}) == ""


def test_what_terminals_obey_is_spelled_out():
    for word in TERMINAL:
        shown = harmless(word)
        assert not HARMFUL.search(shown)
        # In JSON it is the same word.
        assert json.loads(f'"{shown}"') == word
    for word in [*MARKUP, "line\nline"]:
        assert harmless(word) == word
    assert shown_words(["a\nw2vflow: all is well", "b\tc"]) == "a\\nw2vflow: all is well, b\\tc"


def test_results_show_hostile_words():
    """Results that hold words, names of files and sources, as text and as tables."""
    stats = statistics_of(TERMINAL)
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 2)
    features = wf.label_features(spectrum, stats.words, n=len(TERMINAL))
    rated = SimilarityScore(1.0, 1.0, 1.0, 2, 0, "column 3, \x1b[2J\nall is well")
    score = AnalogyScore(1, 2, 0, {"\x1b[2J": AnalogyScore(0, 0, 0)})
    traj = wf.predict(wf.Problem.from_statistics(stats), np.eye(len(TERMINAL), 2), [0.1, 0.2])
    about = {"method": "\x1b[2J", "device": "\u202e"}
    named = replace(traj, source="\x9b31m", metadata={**traj.metadata, **about})
    together = wf.compare(named, spectrum=spectrum)
    for shown in (stats, score, rated, *features, named, together):
        for text in (str(shown), repr(shown), getattr(shown, "_repr_html_", str)()):
            assert not HARMFUL.search(text)
    assert "\n" not in str(rated)
    assert "\\u001b" in str(stats)
    assert "\\u001b" in stats._repr_html_()
    assert any("\\u009b31m" in str(feature) for feature in features)


def test_warnings_show_hostile_words(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\x1b[2J\n\na b a b a b")
    with pytest.warns(RuntimeWarning, match="never stand beside another") as warned:
        wf.count(text, tokens=str.split, min_count=1)
    with pytest.warns(RuntimeWarning, match="kept, with counts of 0") as kept:
        wf.count(text, tokens=str.split, vocabulary=["a", "b", "\u202ec"])
    for warning in (*warned, *kept):
        assert not HARMFUL.search(str(warning.message))


def test_errors_hold_nothing_that_a_terminal_obeys():
    assert "\x1b" not in str(argument_error("path", "a file", "\x1b[31mred"))
    assert "\\u001b[31mred" in str(argument_error("path", "a file", "\x1b[31mred"))
