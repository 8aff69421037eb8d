"""Section 3.3 and figure 5 of arXiv 2502.09863: what word2vec, the quartic model and PPMI have learned.

Directions are left singular vectors of word vectors less their mean: the first direction of word2vec, and of
PPMI, is mostly one vector common to all words, which the quartic model does not learn.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import w2vflow as wf
from w2vflow.plotting import letter_panels, plot_overlap_matrix, publication
from w2vflow.plotting.style import BLUE, ORANGE, TWO_COLUMNS, line_width
from w2vflow.spectrum import direction_overlaps, left_directions, subspace_overlap

__all__ = ["directions_of", "study_features"]

REFERENCES = ("M*", "PPMI")


def directions_of(vectors: np.ndarray, k: int) -> np.ndarray:
    """Return the first `k` directions of word vectors less their mean, `(V, k)`."""
    vectors = np.asarray(vectors)
    return np.asarray(left_directions(vectors - vectors.mean(axis=0), k))


def study_features(stats: wf.CooccurrenceStatistics, trained: Mapping[str, np.ndarray]) -> Figure:
    """Print how far leading subspaces of trained vectors are those of `M*` and of PPMI, and draw it.

    Args:
        stats: the counts that all models have seen.
        trained: vectors by the name of the model; the first is drawn against all others.
    """
    # Of d dimensions one is lost with the mean.
    kept = min(vectors.shape[1] for vectors in trained.values()) - 1
    target = wf.Problem.from_statistics(stats).target_operator()
    known = {
        name: directions_of(wf.embeddings.factor_embedding(matrix, kept + 1, tol=1e-8), kept)
        for name, matrix in zip(REFERENCES, (target, wf.embeddings.ppmi(stats)), strict=True)
    }
    found = {name: directions_of(vectors, kept) for name, vectors in trained.items()}
    numbers = range(1, kept + 1)
    print(f"Overlap of the leading k directions, {stats.vocab_size} words (mean squared cosine of angles)")
    print(f"  {'':<34}{'k':>8}" + "".join(f"{k:>7}" for k in numbers))
    curves = {}
    for name, U in {**found, "PPMI": known["PPMI"]}.items():
        for reference, V in known.items():
            if name != reference:
                shared = [float(subspace_overlap(U[:, :k], V[:, :k])) for k in numbers]
                curves[name, reference] = np.array(shared)
                print(f"  {name:<34}{reference:>8}" + "".join(f"{share:>7.3f}" for share in shared))
    return draw(found, known, curves)


def draw(
    found: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    curves: Mapping[tuple[str, str], np.ndarray],
) -> Figure:
    """Return the overlaps of single directions, and of the leading subspaces."""
    first, *others = found
    with publication():
        figure = Figure(figsize=(TWO_COLUMNS, 2.3), layout="constrained")
        panels = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
        for ax, (name, V) in zip(
            panels, ((others[-1], found[others[-1]]), ("PPMI", known["PPMI"])), strict=False
        ):
            overlaps = np.asarray(direction_overlaps(found[first], V))
            plot_overlap_matrix(overlaps, ax=ax)
            ax.set(xlabel=name, ylabel=first)
        subspaces(panels[2], curves)
        letter_panels(panels)
    return figure


def subspaces(ax: Axes, curves: Mapping[tuple[str, str], np.ndarray]) -> None:
    """Draw overlaps of leading subspaces over their dimension: models with `M*`, and with PPMI."""
    dashes = ("-", (0, (4, 1.5)), (0, (1, 1)))
    models = list(dict.fromkeys(name for name, _ in curves if name not in REFERENCES))
    for (name, reference), shared in curves.items():
        if name in models:
            ax.plot(
                np.arange(1, len(shared) + 1),
                shared,
                color=BLUE if reference == "M*" else ORANGE,
                linestyle=dashes[models.index(name) % len(dashes)],
                linewidth=line_width(1.5),
                label=name if reference == "M*" else None,
            )
    ax.text(0.97, 0.33, "with PPMI", color=ORANGE, transform=ax.transAxes, ha="right")
    ax.text(0.97, 0.41, "with $M^\\star$", color=BLUE, transform=ax.transAxes, ha="right")
    ax.set(xlabel="leading directions", ylabel="overlap of the spaces", ylim=(0, 1.02), title=" ")
    ax.legend(frameon=False, fontsize="x-small", loc="lower left")
