"""Directions of two models side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from w2vflow.checks import argument_error
from w2vflow.plotting.style import axes_or_new
from w2vflow.semantics.directions import Match

__all__ = ["plot_overlaps"]


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
        names: of the first model's directions, `Feature.name` for one; numbers where not given.
        other_names: of the other's in the order drawn, that of `V[:, match.order] * match.signs`.
        title: over the panel.
        ax: where to draw; a new figure where not given.

    Raises:
        ValueError: names of another number than the directions.
    """
    ax = axes_or_new(ax)
    overlaps = match.overlaps**2
    rows, columns = overlaps.shape
    image = ax.imshow(overlaps, vmin=0, vmax=1, cmap="cividis")
    ax.figure.colorbar(image, ax=ax, label="squared cosine", shrink=0.8)
    down = _labels("names", names, np.arange(rows))
    across = _labels("other_names", other_names, match.order)
    ax.set_yticks(range(rows), down, fontsize=7)
    ax.set_xticks(range(columns), across, fontsize=7, rotation=90 if other_names else 0)
    ax.set(xlabel="direction of the other model, matched", ylabel="direction", title=title)
    return ax


def _labels(argument: str, names: Sequence[str], numbers: np.ndarray) -> list[str]:
    """Return a label for each direction: its number, from 1, after its name where there are names."""
    if names and len(names) != len(numbers):
        raise argument_error(argument, f"{len(numbers)} names, one for a direction", f"{len(names)} names")
    names = names or [""] * len(numbers)
    return [f"{name} {number + 1}".strip() for name, number in zip(names, numbers, strict=True)]
