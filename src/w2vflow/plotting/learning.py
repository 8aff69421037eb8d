"""Learning over time: loss, staircase, clouds, step times, overlaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from w2vflow.plotting.style import BLACK, BLUE, ORANGE, RED, SKY, add_legend, axes_or_new, shades, time_label
from w2vflow.spectrum import Spectrum
from w2vflow.trajectory import Trajectory

__all__ = [
    "label_concepts",
    "plot_concepts",
    "plot_embedding_slice",
    "plot_loss",
    "plot_overlap_matrix",
    "plot_persistence",
    "plot_singular_values",
    "plot_step_times",
]

STYLES: dict[str, dict[str, Any]] = {
    "theory": {"color": BLACK, "linestyle": ":", "linewidth": 1.8, "zorder": 4, "label": "closed form"},
    "theory-discrete": {
        "color": BLUE,
        "linestyle": (0, (1, 1.5)),
        "linewidth": 1.8,
        "zorder": 4,
        "label": "closed form at this step size",
    },
    "flow": {"color": ORANGE, "linewidth": 3.5, "zorder": 2, "label": "gradient flow"},
    "sgd": {"color": SKY, "linewidth": 1.0, "alpha": 0.8, "zorder": 3, "label": "SGD, every seed"},
}
# Edged in white, to be seen on a line of the same colour.
PREDICTED: dict[str, Any] = {
    "linewidth": 1.2,
    "linestyle": (0, (4, 2)),
    "path_effects": [withStroke(linewidth=2.4, foreground="white")],
}
MARKERS: dict[str, dict[str, Any]] = {
    "flow": {"marker": "o", "markerfacecolor": "none", "color": RED, "label": "gradient flow"},
    "sgd": {"marker": "s", "color": BLUE, "label": "SGD"},
}


def plot_loss(*trajectories: Trajectory, time_unit: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draw the loss of every trajectory and seed over time.

    Args:
        trajectories: on any times.
        time_unit: what the time axis is divided by, `t_1` for one.
        ax: where to draw; a new figure where not given.
    """
    ax = axes_or_new(ax)
    for traj in trajectories:
        _draw(ax, traj.ts / time_unit, traj.loss if traj.seeds else traj.loss[None], traj.source)
    ax.set(xlabel=time_label(time_unit), ylabel=r"loss $\mathcal{L}(W)$")
    add_legend(ax)
    return ax


def plot_singular_values(
    *trajectories: Trajectory,
    spectrum: Spectrum | None = None,
    time_unit: float = 1.0,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the squared singular values of every trajectory and seed over time: the staircase.

    Args:
        trajectories: on any times.
        spectrum: draws the levels `lambda_k` that the squared singular values tend to.
        legend: name the sources.
        time_unit, ax: as in `plot_loss`.
    """
    ax = axes_or_new(ax)
    if spectrum is not None:
        for value in spectrum.eigenvalues[: trajectories[0].dim]:
            ax.axhline(value, color="0.85", linewidth=0.8, zorder=0)
    for traj in trajectories:
        squares = traj.singular_values**2
        for seed in squares if traj.seeds else squares[None]:
            _draw(ax, traj.ts / time_unit, seed.T, traj.source)
    ax.set(xlabel=time_label(time_unit), ylabel=r"squared singular values $s_k^2$")
    if legend:
        add_legend(ax)
    return ax


def plot_concepts(
    theory: Trajectory,
    flow: Trajectory,
    sgd: Trajectory,
    *,
    concepts: int,
    time_unit: float = 1.0,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the squared singular values of one problem over time, each concept in its own colour.

    Dashed: the closed form; lines: the gradient flow; faint: SGD, every seed.

    Args:
        theory, flow: of one seed.
        sgd: of all seeds.
        concepts: how many to draw.
        title: over the panel.
        time_unit, ax: as in `plot_loss`.
    """
    ax = axes_or_new(ax)
    for mode, shade in enumerate(shades(concepts)):
        for seed in sgd.singular_values[..., mode]:
            ax.plot(sgd.ts / time_unit, seed**2, color=shade, linewidth=0.9, alpha=0.35, zorder=2)
        ax.plot(flow.ts / time_unit, flow.singular_values[:, mode] ** 2, color=shade, linewidth=3, zorder=3)
        predicted = theory.singular_values[:, mode] ** 2
        ax.plot(theory.ts / time_unit, predicted, color=shade, zorder=4, **PREDICTED)
    ax.set(xlabel=time_label(time_unit), ylabel=r"squared singular values $s_k^2$", title=title)
    ax.set_xlim(0, theory.ts[-1] / time_unit)
    ax.set_ylim(0)
    return ax


def label_concepts(figure: Figure, concepts: int) -> None:
    """Write below a figure of `plot_concepts` panels what its lines and colours are."""
    lines = [
        Line2D([], [], color=BLACK, label="closed form", **PREDICTED),
        Line2D([], [], color=BLACK, linewidth=3, label="gradient flow"),
        Line2D([], [], color=BLACK, linewidth=0.9, alpha=0.35, label="SGD, every seed"),
    ]
    colours = [
        Line2D([], [], color=shade, linewidth=4, label=f"concept {mode}" if mode == 1 else str(mode))
        for mode, shade in enumerate(shades(concepts), 1)
    ]
    figure.legend(
        handles=lines + colours,
        loc="outside lower center",
        ncols=len(lines + colours),
        frameon=False,
        columnspacing=1.2,
        handlelength=2.2,
    )


def plot_embedding_slice(
    coordinates: np.ndarray,
    words: Sequence[str],
    labelled: Sequence[int],
    *,
    limit: float | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the embedding cloud at one time, some words by name.

    Args:
        coordinates: `(V, 3)`: two axes and the colour.
        words: the vocabulary.
        labelled: rows to name.
        limit: half the width of the axes, the same for slices to be compared.
        title: over the slice.
        ax: as in `plot_loss`.
    """
    ax = axes_or_new(ax)
    limit = 1.05 * float(np.abs(coordinates[:, :2]).max()) if limit is None else limit
    shade = 0.5 * limit
    across, up, colour = coordinates.T
    ax.scatter(across, up, c=colour, cmap="cividis", vmin=-shade, vmax=shade, s=5, alpha=0.6)
    placed: list[np.ndarray] = []
    for row in labelled:
        spot = coordinates[row, :2]
        # A name on top of another is worse than none.
        if all(
            np.abs(spot - other)[1] > 0.055 * limit or np.abs(spot - other)[0] > 0.35 * limit
            for other in placed
        ):
            ax.annotate(words[row], (spot[0], spot[1]), fontsize=7, xytext=(2, 2), textcoords="offset points")
            placed.append(spot)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    ax.set(xlabel="along concept 1", ylabel="along concept 2")
    return ax


def plot_step_times(
    predicted: np.ndarray,
    measured: dict[str, np.ndarray],
    *,
    time_unit: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw measured against predicted step times, one point per concept, bars of one standard deviation.

    Args:
        predicted: `(S, k)`.
        measured: `(S, k)` by source, `"flow"` and `"sgd"`.
        time_unit, ax: as in `plot_loss`.
    """
    ax = axes_or_new(ax)
    across, across_bar = _mean_and_bar(predicted / time_unit)
    low, high = 0.93 * np.nanmin(across), 1.04 * np.nanmax(across)
    ax.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=0)
    for source, times in measured.items():
        up, up_bar = _mean_and_bar(times / time_unit)
        ax.errorbar(
            across, up, up_bar, across_bar, linestyle="none", capsize=2, elinewidth=0.8, **MARKERS[source]
        )
    unit = "" if time_unit == 1 else r" / $t_1$"
    ax.set(xlabel=f"step time predicted in closed form{unit}", ylabel=f"step time measured{unit}")
    add_legend(ax)
    return ax


def plot_overlap_matrix(overlaps: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Draw squared cosines between learned directions (rows) and eigenvectors (columns), `(k, m)`."""
    ax = axes_or_new(ax)
    rows, columns = overlaps.shape
    extent = (0.5, columns + 0.5, rows + 0.5, 0.5)
    image = ax.imshow(overlaps, vmin=0, vmax=1, cmap="cividis", extent=extent)
    ax.figure.colorbar(image, ax=ax, label="squared cosine", shrink=0.8)
    ax.set(xlabel=r"eigenvector of $M^\star$", ylabel="learned direction")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def plot_persistence(
    ts: np.ndarray,
    persistence: np.ndarray,
    *,
    time_unit: float = 1.0,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw how each direction, once learned, overlaps with itself later on.

    Args:
        ts: `(T,)`.
        persistence: `(T, k)`, of `direction_persistence`, NaN before a concept is learned.
        time_unit, ax: as in `plot_loss`.
        title: over the panel.
    """
    ax = axes_or_new(ax)
    for mode, (curve, shade) in enumerate(zip(persistence.T, shades(persistence.shape[1]), strict=True)):
        ends = (0, persistence.shape[1] - 1)
        ax.plot(ts / time_unit, curve, color=shade, label=f"concept {mode + 1}" if mode in ends else None)
    ax.set(xlabel=time_label(time_unit), ylabel="squared cosine with itself when learned", title=title)
    ax.set_ylim(0, 1.02)
    add_legend(ax)
    return ax


def _draw(ax: Axes, ts: np.ndarray, curves: np.ndarray, source: str) -> None:
    style = STYLES[source]
    for index, curve in enumerate(curves):
        label = style["label"] if index == 0 else None
        ax.plot(ts, curve, **{**style, "label": label})


def _mean_and_bar(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bar = times.std(axis=0, ddof=1) if len(times) > 1 else np.zeros(times.shape[1])
    return times.mean(axis=0), bar
