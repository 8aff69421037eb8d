"""Figures of words that TeX, or matplotlib, would take for commands."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hostile import MARKUP, TERMINAL, statistics_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

import w2vflow as wf
import w2vflow.plotting as plotting
from w2vflow.experiments import Experiment, draw_run, run_experiment
from w2vflow.plotting.style import legend_label, word_label
from w2vflow.semantics import Emergence, fit_progress
from w2vflow.semantics.relations.emergence import RelationCourse
from w2vflow.support.display import shown_words

# A word in a script that the font lacks is drawn as boxes, which matplotlib says.
pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from font:UserWarning")

WORDS = [*MARKUP, *TERMINAL, "line\nline"]

NAMES = ["$a$", "$\\frac", "_x_", "%", "\U0001f600", "line\nline", "w" * 300, "\x1b[2J", "\u202ename"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def stats():
    # No file of results holds words with a zero byte.
    words = [word for word in WORDS if not {"\n", "\0"} & {*word}]
    return statistics_of(words)


@pytest.fixture(scope="module")
def spectrum(stats):
    return wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 3)


@pytest.fixture(scope="module")
def solved(stats):
    problem = wf.Problem.from_statistics(stats)
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, 3, 1e-2)
    ts = np.linspace(0, 1.2 * wf.step_time_law(problem, 3, 1e-2).mean.max(), 6)
    return wf.predict(problem, W0, ts, save_embeddings=True)


def drawn(figure, tmp_path):
    """Write the figure as every format does; return what its texts show."""
    paths = plotting.save_figure(figure, tmp_path / "figure", formats=("png", "svg", "pdf"), dpi=60)
    assert all(path.stat().st_size > 500 for path in paths)
    return {text.get_text() for text in figure.findobj(Text)}


def picture(text, **options):
    figure = Figure(figsize=(6, 0.6), dpi=80)
    FigureCanvasAgg(figure)
    figure.text(0.02, 0.3, text, **options)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


@pytest.mark.parametrize("word", [word for word in WORDS if len(word) <= 30])
def test_a_label_shows_the_word(word):
    np.testing.assert_array_equal(picture(word_label(word)), picture(shown_words([word]), parse_math=False))


def test_a_label_beside_mathematics_shows_the_word():
    word = "$a$\\alpha_b^100%\\"
    parsed = MathTextParser("path").parse(f"{word_label(word)}: $t$")
    shown = "".join(chr(glyph[2]) for glyph in parsed.glyphs)
    assert shown.replace(" ", "") == f"{word}:t"


def test_long_words_are_cut():
    assert len(word_label("w" * 300)) < 80
    assert word_label("w" * 300).endswith("…")


def test_words_for_tex_are_written_as_tex_has_them():
    with mpl.rc_context({"text.usetex": True}):
        assert word_label("50%_$a^b\\{#&~}") == (
            r"50\%\_\$a\textasciicircum{}b\textbackslash{}\{\#\&\textasciitilde{}\}"
        )


def test_words_of_concepts(stats, spectrum, tmp_path):
    entries = np.linspace(1, -1, len(WORDS))
    ax = plotting.plot_concept_words(WORDS, entries, n=len(WORDS) // 2)
    texts = drawn(ax.get_figure(), tmp_path)
    assert len({word_label(word) for word in WORDS} & texts) == 2 * (len(WORDS) // 2)
    drawn(plotting.plot_concept_table(spectrum, stats.words, concepts=3)[0].get_figure(), tmp_path)


def test_words_of_an_embedding(tmp_path):
    angles = np.linspace(0, 2 * np.pi, len(WORDS), endpoint=False)
    cloud = np.stack([np.cos(angles), np.sin(angles), angles], axis=1)
    ax = plotting.plot_embedding_slice(cloud, WORDS, list(range(len(WORDS))), limit=2.0, title="")
    assert len({word_label(word) for word in WORDS} & drawn(ax.get_figure(), tmp_path)) > 10


def test_names_of_directions(spectrum, tmp_path):
    match = wf.spectrum.match_directions(spectrum.eigenvectors, spectrum.eigenvectors)
    names = ["$a$ / _b", "\\frac$", "x\n" * 50]
    ax = plotting.plot_overlaps(match, names=names, other_names=names)
    assert {f"{word_label(name)} {n}" for n, name in enumerate(names, 1)} <= drawn(ax.get_figure(), tmp_path)


def test_names_of_relations(tmp_path):
    rising = np.linspace(0, 1, 5)
    course = RelationCourse(9, 9, 0, rising, rising / 9, rising, rising, 0.3, 0.5, (0.4, 0.6), 1, 1, 1, 9.0)
    found = Emergence("time", rising, np.arange(5), dict.fromkeys(NAMES, course), {})
    for draw in (plotting.plot_emergence, plotting.plot_emergence_order):
        ax = draw(found)
        assert {word_label(name) for name in NAMES} <= drawn(ax.get_figure(), tmp_path)


def test_names_of_files(stats, spectrum, solved, tmp_path):
    fit = fit_progress(solved.require_embeddings()[3], stats.words, spectrum, stats.words)
    names = ["$a$.bin", "_hidden.bin", "\\frac$"]
    for draw in (plotting.plot_progress, plotting.plot_strengths):
        ax = draw(fit, fit, fit, labels=names)
        drawn(ax.get_figure(), tmp_path)
        shown = [text.get_text() for text in ax.get_legend().get_texts()]
        for name in names:
            assert any(text.startswith(legend_label(name)) for text in shown)


def test_names_of_sources(solved, spectrum, tmp_path):
    named = replace(solved, source="_$x\\frac")
    for draw in (plotting.plot_loss, plotting.plot_singular_values):
        ax = draw(named, ax=plotting.new_figure(1)[1][0])
        drawn(ax.get_figure(), tmp_path)
        assert legend_label("_$x\\frac") in [text.get_text() for text in ax.get_legend().get_texts()]
    ax = plotting.plot_step_times(np.ones((1, 2)), {"$x\\frac": np.ones((1, 2))})
    assert legend_label("$x\\frac") in drawn(ax.get_figure(), tmp_path)


def test_a_film_of_words(stats, spectrum, solved, tmp_path):
    flow = replace(solved, source="flow")
    cloud = wf.results.embedding_cloud([flow], spectrum, stats.words, n_words=20)
    comparison = wf.compare(flow, spectrum=spectrum)
    path = plotting.animate_learning(tmp_path / "film.gif", cloud, comparison, source="flow", seconds=0.2)
    assert path.stat().st_size > 1000


def test_a_slider_over_words():
    def draw(value, ax):
        ax.plot([0, 1])

    for values in (WORDS, [SimpleNamespace(name=word) for word in WORDS[:3]]):
        slider = plotting.slide(draw, values)
        assert "\x1b" not in repr(slider)
        assert len(slider.frames) == len(values)


@pytest.mark.slow
def test_a_run_of_hostile_words(stats, tmp_path):
    settings = Experiment(
        vocab_size=stats.vocab_size, dim=2, seeds=2, learning_rate=0.2, batch_size=1024, observations=10,
        flow_scales=(), cloud_words=20,
    )  # fmt: skip
    run = run_experiment(settings, stats=stats)
    assert len(draw_run(run, tmp_path)) == 10
    wf.experiments.write_run(run, tmp_path)
    assert wf.load(tmp_path).features == run.features
