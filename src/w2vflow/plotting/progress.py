"""Figures of embeddings on the theory's axis of time."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from w2vflow.plotting.style import BLUE, GREEN, ORANGE, RED, SKY, axes_or_new, legend_label
from w2vflow.semantics import Progress
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["plot_progress", "plot_strengths"]

COLOURS = (ORANGE, BLUE, GREEN, RED, SKY)
# Steps marked by their number: the last ones of these that are there, and the last of all.
NUMBERS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@checked
def plot_progress(*progress: Progress, labels: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw the similarity of embeddings to the theory over its time, and when it learns its concepts.

    Dots: the best times, with bars over the times that are as good to 1%. Ticks below: the theory's steps,
    some of them numbered above. Dotted: the similarity that any strengths of the concepts could reach.

    Args:
        progress: of one embedding or several, on the axis of one theory.
        labels: names for the legend, one for each.
        ax: where to draw; a new figure by default.

    Raises:
        ValueError: no embedding, or labels of another number.
    """
    ax, first = axes_or_new(ax), _named(progress, labels)
    for at, fit in enumerate(progress):
        colour = COLOURS[at % len(COLOURS)]
        ax.plot(fit.times, fit.similarities, color=colour, label=legend_label(labels[at]) if labels else None)
        ax.axhline(fit.ceiling, color=colour, linestyle=":", linewidth=1)
        ends = np.clip(fit.interval, fit.times[0], fit.times[-1])
        ax.plot(ends, [fit.similarity] * 2, color=colour, linewidth=6, alpha=0.25, solid_capstyle="butt")
        ax.plot(fit.time, fit.similarity, "o", color=colour, markeredgecolor="white", markersize=8)
        ax.vlines(fit.time, 0, fit.similarity, color=colour, linestyle="--", linewidth=1)
    ax.set(xlabel="time $t$ of the theory", ylabel="similarity to the theory", ylim=(0, 1))
    ax.set_xlim(0, first.times[-1])
    ax.plot(first.step_times, np.full(len(first.step_times), 0.02), "|", color="0.4", markersize=7)

    known = np.flatnonzero(np.isfinite(first.step_times)) + 1
    apart, last = [], -np.inf
    for number in (*NUMBERS, known[-1]):
        if number in known and first.step_times[number - 1] - last > 0.04 * first.times[-1]:
            apart.append(number)
            last = first.step_times[number - 1]
    top = ax.secondary_xaxis("top")
    top.set_xticks(first.step_times[np.array(apart) - 1], [str(number) for number in apart])
    top.set_xlabel("concepts the theory has learned")
    ax.plot([], [], ":", color="0.4", linewidth=1, label="most that the concepts allow")
    # Opaque: the dashed lines pass behind it.
    ax.legend(edgecolor="none", framealpha=1, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.07))
    return ax


@checked
def plot_strengths(*progress: Progress, labels: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw how far each concept has risen in the embeddings and, at their best times, in the theory.

    Arguments and errors are those of `plot_progress`.
    """
    ax, first = axes_or_new(ax), _named(progress, labels)
    concepts = np.arange(1, len(first.eigenvalues) + 1)
    for at, fit in enumerate(progress):
        colour = COLOURS[at % len(COLOURS)]
        risen = fit.strengths / fit.eigenvalues
        ax.plot(concepts, risen, "o", color=colour, markersize=2.5, alpha=0.7)
        name = f"{legend_label(labels[at])}: " if labels else ""
        label = f"{name}$t$ = {fit.time:.3g}"
        ax.plot(concepts, fit.predicted / fit.eigenvalues, color=colour, linewidth=2, label=label)
    ax.axhline(1, color="0.85", linewidth=0.8, zorder=0)
    ax.set(xlabel="concept $k$", ylabel=r"strength $s_k^2 / \lambda_k$", xlim=(0, len(concepts) + 1))
    # Room for the legend above the highest dot.
    low, high = ax.get_ylim()
    ax.set_ylim(min(0.0, low), high + (0.12 + 0.08 * len(progress)) * (high - low))
    ax.plot([], [], "o", color="0.4", markersize=2.5, label="dots: the vectors; lines: the theory")
    ax.legend(frameon=False, fontsize=8, loc="upper right")
    return ax


def _named(progress: Sequence[Progress], labels: Sequence[str]) -> Progress:
    if not progress:
        raise argument_error("progress", "at least one result of `fit_progress`", "none")
    if labels and len(labels) != len(progress):
        raise argument_error("labels", f"one for each of {len(progress)} embeddings", f"{len(labels)}")
    return progress[0]
