"""Directions of two models side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from w2vflow.plotting.learning import plot_overlap_matrix
from w2vflow.plotting.style import word_label
from w2vflow.spectrum import Match
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["plot_overlaps"]


@checked
def plot_overlaps(
    match: Match,
    *,
    names: Sequence[str] = (),
    other_names: Sequence[str] = (),
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw squared cosines between one model's directions (rows) and another's in matched order (columns).

    Args:
        match: of `match_directions`.
        names: of the first model's directions, e.g. `Feature.short`; numbers by default.
        other_names: of the other's in the order drawn, that of `V[:, match.order] * match.signs`.
        title: over the panel.
        ax: where to draw; a new figure by default.

    Raises:
        ValueError: names of another number than the directions.
    """
    rows, columns = match.overlaps.shape
    ax = plot_overlap_matrix(match.overlaps**2, ax=ax)
    down = _labels("names", names, np.arange(rows))
    across = _labels("other_names", other_names, match.order)
    ax.set_yticks(np.arange(rows) + 1, down, fontsize=7)
    ax.set_xticks(np.arange(columns) + 1, across, fontsize=7, rotation=90 if len(other_names) else 0)
    ax.set(xlabel="direction of the other model, matched", ylabel="direction", title=title)
    return ax


def _labels(argument: str, names: Sequence[str], numbers: np.ndarray) -> list[str]:
    """Return the label of each direction: its name, if there are names, and its number from 1."""
    if len(names) and len(names) != len(numbers):
        raise argument_error(argument, f"{len(numbers)} names, one for a direction", f"{len(names)} names")
    names = names if len(names) else [""] * len(numbers)
    return [f"{word_label(name)} {number + 1}".strip() for name, number in zip(names, numbers, strict=True)]
