"""Figures 4 and 8 of arXiv 2502.09863: task vectors of relations against the number of concepts learned.

`W2VFLOW_TEST_DATA/eval/questions-words.txt` are Google's questions.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

import w2vflow as wf
from w2vflow.embeddings import first_rows, unit_rows
from w2vflow.plotting import letter_panels, publication
from w2vflow.plotting.style import BLACK, BLUE, GREEN, ORANGE, RED, SKY, TWO_COLUMNS, line_width
from w2vflow.semantics import (
    Emergence,
    Relation,
    emergence_over_dimension,
    rank_correlation,
    read_pairs,
    read_questions,
    study_relations,
)
from w2vflow.semantics.analogies import Rows, known_rows

__all__ = ["analogy_geometry", "figure_4", "figure_8", "learned", "questions_file"]

# Those that the article draws, by its names.
DRAWN = {
    "gram6-nationality-adjective": "country, nationality",
    "family": "male, female",
    "gram7-past-tense": "verb, past tense",
    "gram1-adjective-to-adverb": "adjective, adverb",
    "gram2-opposite": "adjective, opposite",
}
SPECTRUM_OF = "gram7-past-tense"
LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE},
    {"color": ORANGE, "linestyle": (0, (4, 1.5))},
    {"color": GREEN, "linestyle": (0, (1, 1))},
    {"color": RED, "linestyle": (0, (6, 1.5, 1, 1.5))},
    {"color": SKY, "linestyle": (0, (2, 1))},
)


def questions_file() -> Path:
    """Return the place of Google's questions."""
    return Path(os.environ["W2VFLOW_TEST_DATA"]) / "eval" / "questions-words.txt"


@dataclass(frozen=True)
class Learned:
    """Concepts of a vocabulary, and vectors with the leading ones of them learned.

    Attributes:
        words: the vocabulary.
        spectrum: as many eigenpairs as the largest dimension.
        dims: numbers of concepts, half an octave apart from 4 on.
    """

    words: tuple[str, ...]
    spectrum: wf.Spectrum
    dims: np.ndarray

    def vectors(self, dim: int) -> np.ndarray:
        """Return `V_d Lambda_d^(1/2)`, `(V, d)`."""
        values = np.asarray(self.spectrum.eigenvalues)[:dim]
        return np.asarray(self.spectrum.eigenvectors)[:, :dim] * np.sqrt(values)


def learned(stats: wf.CooccurrenceStatistics, most: int) -> Learned:
    """Return the concepts of the counts, `most` of them at most."""
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), most, tol=1e-6)
    positive = np.count_nonzero(np.asarray(spectrum.eigenvalues) > 0)
    dims = 2 ** np.arange(2, np.log2(min(most, positive)) + 1e-9, 0.5)
    return Learned(stats.words, spectrum, np.unique(dims.astype(int)))


def analogy_geometry(units: np.ndarray, questions: list[Rows]) -> tuple[float, float]:
    """Return how near `c + b - a` comes to the answer `w`, and that over how near another word comes.

    Means over questions of `cos(c + b - a, w)`, and of that over the largest `cos(v, w)` of all words `v`
    other than the four.

    Args:
        units: vectors of length 1, `(V, d)`.
        questions: of one relation, with one answer each.
    """
    a, b, c, w = np.array([(*question[:3], question[3][0]) for question in questions]).T
    guesses = units[c] + units[b] - units[a]
    near = (guesses * units[w]).sum(axis=1) / np.linalg.norm(guesses, axis=1)
    others = units[w] @ units.T
    for own in (a, b, c, w):
        others[np.arange(len(w)), own] = -np.inf
    return float(near.mean()), float((near / others.max(axis=1)).mean())


def figure_4(found: Learned) -> Figure:
    """Print and draw signal to noise of task vectors against the dimension, and accuracy beside it."""
    pairs = read_pairs(questions_file())
    emergence = emergence_over_dimension(found.spectrum, found.words, pairs, found.dims)
    peaks = {name: float(course.snr.max()) for name, course in emergence.relations.items()}
    best = {name: float(course.accuracy.max()) for name, course in emergence.relations.items()}
    print(f"Task vectors, {len(found.words)} words, d = {found.dims[0]} to {found.dims[-1]}")
    print(f"  {'relation':<28} pairs  SNR: first  largest (at d)   last   accuracy: largest (at d)   last")
    for name, course in emergence.relations.items():
        top, right = (int(found.dims[curve.argmax()]) for curve in (course.snr, course.accuracy))
        print(
            f"  {name:<28} {course.pairs:>5} {course.snr[0]:>11.2f} {peaks[name]:>8.2f} ({top:>3})"
            f"  {course.snr[-1]:>7.2f} {best[name]:>18.1%} ({right:>3}) {course.accuracy[-1]:>7.1%}"
        )
    print(f"  {correlations(emergence, peaks, best)}")
    studies = {
        int(dim): study_relations(found.vectors(int(dim)), found.words, pairs).relations for dim in found.dims
    }
    at_peak = {
        name: studies[int(found.dims[course.snr.argmax()])][name].overlap
        for name, course in emergence.relations.items()
    }
    least = min(at_peak, key=lambda name: at_peak[name])
    print(
        "  squared cosine of the spike with the vector of ones, each at its largest SNR: median "
        f"{np.median(list(at_peak.values())):.2f}, least {at_peak[least]:.2f} ({least})"
    )
    # Of few words the article's own relation may not be known.
    shown = SPECTRUM_OF if SPECTRUM_OF in emergence.relations else next(iter(emergence.relations))
    spectra = {dim: relations[shown] for dim, relations in studies.items()}
    print_concepts(found, shown, list(spectra.values())[-1])
    return draw_figure_4(found, emergence, spectra, DRAWN.get(shown, shown))


def correlations(emergence: Emergence, peaks: dict[str, float], best: dict[str, float]) -> str:
    """Return the rank correlation over relations of the largest SNR with the largest accuracy, in words."""
    if len(peaks) < 4:
        return f"{len(peaks)} relations: too few for a rank correlation"
    snr, accuracy = list(peaks.values()), list(best.values())
    counts = [course.pairs for course in emergence.relations.values()]
    return (
        f"largest SNR and largest accuracy: {rank_correlation(snr, accuracy)}\n"
        f"  largest SNR and number of pairs: {rank_correlation(snr, counts)}\n"
        f"  the first, given the second: {rank_correlation(snr, accuracy, given=[counts])}"
    )


def shares_of(relation: Relation) -> np.ndarray:
    """Return how much of the squared mean task vector lies along each concept, without what noise adds."""
    return relation.moments.mean_squared / relation.moments.mean_squared.sum()


def print_concepts(found: Learned, name: str, relation: Relation) -> None:
    """Print the concepts that carry most of a relation's mean task vector."""
    shares = shares_of(relation)
    half = int(np.argmax(np.cumsum(shares) >= 0.5)) + 1
    print(
        f"  {name}: half of the mean task vector lies along the first {half} of {len(shares)} concepts;"
        " the largest shares"
    )
    features = wf.label_features(found.spectrum, found.words)
    for at in np.argsort(-shares)[:4]:
        ends = "; ".join(" ".join(end[:5]) for end in (features[at].positive, features[at].negative))
        print(f"    {at + 1:>4} {shares[at]:>6.1%}  {ends}")


def draw_figure_4(found: Learned, emergence: Emergence, spectra: dict[int, Relation], shown: str) -> Figure:
    """Return the panels: spectrum over dimension, concepts of a task vector, SNR, accuracy, and both."""
    with publication():
        figure = Figure(figsize=(TWO_COLUMNS, 4.4), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(1, 1.15))
        spectrum, concepts = above.subplots(1, 2)
        snr, accuracy, both = below.subplots(1, 3)
        draw_spectra(spectrum, spectra, shown)
        draw_concepts(concepts, list(spectra.values())[-1])
        drawn = [name for name in DRAWN if name in emergence.relations]
        for ax, quantity in ((snr, "snr"), (accuracy, "accuracy")):
            curves = {name: getattr(emergence.relations[name], quantity) for name in drawn}
            over_dimension(ax, found.dims, curves)
        snr.set(ylabel="signal to noise", ylim=0)
        accuracy.set(ylabel="questions answered rightly", ylim=(0, 1.02))
        accuracy.yaxis.set_major_formatter(PercentFormatter(1))
        below.legend(*snr.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
        against(both, emergence, drawn)
        letter_panels([spectrum, concepts, snr, accuracy, both])
    return figure


def draw_spectra(ax: Axes, spectra: dict[int, Relation], shown: str) -> None:
    """Draw the eigenvalues of `R R^T` over their mean, so that the largest is the SNR, and the theory's."""
    dims = np.array(list(spectra))
    means = {
        dim: (r.singular_values**2).sum() / (r.singular_values > 1e-9).sum() for dim, r in spectra.items()
    }
    for dim, relation in spectra.items():
        values = relation.singular_values**2 / means[dim]
        ax.plot(
            np.full(len(values) - 1, dim), values[1:], "o", color="0.7", markersize=1.8, markeredgewidth=0
        )
        ax.plot(dim, values[0], "o", color=BLUE, markersize=3.5)
    edges = np.array([r.predicted.edge / means[dim] for dim, r in spectra.items()])
    spikes = np.array([r.predicted.location / means[dim] for dim, r in spectra.items()])
    apart = np.array([r.predicted.exists for r in spectra.values()])
    ax.plot(dims, edges, color=ORANGE, linewidth=line_width(1.3), label="edge of the noise, predicted")
    ax.plot(dims, np.where(apart, spikes, np.nan), color=BLACK, linestyle="--", label="spike, predicted")
    ax.plot([], [], "o", color=BLUE, markersize=3.5, label="largest: SNR")
    dimension_axis(ax, dims)
    top = 1.45 * max(r.singular_values[0] ** 2 / means[dim] for dim, r in spectra.items())
    ax.set(ylabel="eigenvalue / mean", title=f"spectrum of task vectors: {shown}", ylim=(0, top))
    ax.legend(frameon=False, fontsize="x-small", loc="upper right")


def draw_concepts(ax: Axes, relation: Relation) -> None:
    """Draw the shares of the concepts in a relation's mean task vector."""
    shares = shares_of(relation)
    numbers = np.arange(1, len(shares) + 1)
    ax.vlines(numbers, 0, shares, color=BLUE, linewidth=line_width(0.8))
    for number in np.argsort(-shares)[:4] + 1:
        ax.annotate(
            str(number),
            (number, shares[number - 1]),
            xytext=(2, 0),
            textcoords="offset points",
            fontsize="x-small",
        )
    ax.axhline(0, color=BLACK, linewidth=line_width(0.6))
    dimension_axis(ax, np.array([1, len(shares)]))
    ax.set(xlabel="concept", ylabel="share", title="concepts that carry the mean task vector")


def over_dimension(ax: Axes, dims: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """Draw a curve for each relation."""
    for line, (name, curve) in zip(LINES, curves.items(), strict=False):
        ax.plot(dims, curve, linewidth=line_width(1.4), label=DRAWN[name], **line)
    dimension_axis(ax, dims)


def dimension_axis(ax: Axes, dims: np.ndarray) -> None:
    """Make the axis across one of dimensions."""
    ax.set_xscale("log", base=2)
    ax.set_xlim(0.85 * dims[0], 1.18 * dims[-1])
    ax.xaxis.set_major_locator(LogLocator(base=4))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("concepts learned, $d$")


def against(ax: Axes, emergence: Emergence, drawn: list[str]) -> None:
    """Draw the largest accuracy of each relation against its largest SNR."""
    for name, course in emergence.relations.items():
        line = LINES[drawn.index(name)] if name in drawn else {"color": "0.6"}
        ax.plot(course.snr.max(), course.accuracy.max(), "o", color=line["color"], markersize=4)
    ax.set(xlabel="largest signal to noise", ylabel="largest accuracy", ylim=(0, 1))
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(PercentFormatter(1))


def figure_8(found: Learned) -> Figure:
    """Print and draw how near analogies come to their answers as the dimension grows."""
    questions, first = read_questions(questions_file()), first_rows(found.words)
    known = {name: known_rows(questions.categories[name], first) for name in DRAWN}
    known = {name: rows for name, rows in known.items() if rows}
    near = {
        name: np.array([analogy_geometry(units, rows) for units in each_dimension(found)])
        for name, rows in known.items()
    }
    print(
        f"Geometry of analogies, {len(found.words)} words: cosine of c + b - a with the answer,"
        " and that over the nearest other word's"
    )
    for name, curve in near.items():
        told = ", ".join(
            f"d = {found.dims[at]}: {curve[at, 0]:.2f}, {curve[at, 1]:.2f}" for at in (0, len(curve) // 2, -1)
        )
        print(f"  {name:<28} {told}")
    with publication():
        figure = Figure(figsize=(TWO_COLUMNS, 2.2), layout="constrained")
        panels = figure.subplots(1, 2)
        for column, ax in enumerate(panels):
            over_dimension(ax, found.dims, {name: curve[:, column] for name, curve in near.items()})
        panels[0].set_ylabel(r"$\cos(c + b - a,\ w)$")
        panels[1].set_ylabel("over the nearest other word's")
        panels[1].axhline(1, color="0.8", linewidth=line_width(0.7), zorder=0)
        panels[0].legend(frameon=False, fontsize="x-small")
        for ax in panels:
            # Room for the letter.
            ax.set_title(" ")
        letter_panels(panels)
    return figure


def each_dimension(found: Learned) -> list[np.ndarray]:
    """Return the vectors at unit length for each dimension."""
    return [unit_rows(found.vectors(int(dim)), found.words) for dim in found.dims]
