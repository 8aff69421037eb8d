"""Figures of learning over time: loss, staircase, clouds, step times, overlaps."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator

from w2vflow.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    RED,
    SKY,
    add_legend,
    axes_or_new,
    font_size,
    legend_label,
    line_width,
    shades,
    time_label,
    word_label,
)
from w2vflow.results import Trajectory
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error, check_positive
from w2vflow.support.kinds import ArrayLike

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

# Widths in units of the style's.
STYLES: dict[str, dict[str, Any]] = {
    "theory": {"color": BLACK, "linestyle": ":", "linewidth": 1.2, "zorder": 4, "label": "closed form"},
    "theory-discrete": {
        "color": BLUE,
        "linestyle": (0, (1, 1.5)),
        "linewidth": 1.2,
        "zorder": 4,
        "label": "closed form at this step size",
    },
    "flow": {"color": ORANGE, "linewidth": 2.3, "zorder": 2, "label": "gradient flow"},
    "gd": {"color": GREEN, "linewidth": 1.0, "zorder": 3, "label": "gradient descent"},
    "sgd": {"color": SKY, "linewidth": 0.7, "alpha": 0.8, "zorder": 3, "label": "SGD, every seed"},
}
MARKERS: dict[str, dict[str, Any]] = {
    "flow": {"marker": "o", "markerfacecolor": "none", "color": RED, "label": "gradient flow"},
    "sgd": {"marker": "s", "color": BLUE, "label": "SGD"},
}


@checked
def plot_loss(*trajectories: Trajectory, time_unit: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draw the loss of every trajectory and seed over time.

    Args:
        trajectories: on any times.
        time_unit: divisor of the times, e.g. `t_1`.
        ax: where to draw; a new figure by default.
    """
    ax = axes_or_new(ax)
    for traj in trajectories:
        _draw(ax, traj.ts / time_unit, np.atleast_2d(traj.loss), traj.source)
    ax.set(xlabel=time_label(time_unit), ylabel=r"loss $\mathcal{L}(W)$")
    add_legend(ax)
    return ax


@checked
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
        spectrum: draws the levels `|lambda_k|` that the squared singular values tend to.
        legend: name the sources.
        time_unit, ax: as in `plot_loss`.
    """
    spectrum = on_host(spectrum)
    ax = axes_or_new(ax)
    if spectrum is not None:
        for value in np.abs(spectrum.eigenvalues[: trajectories[0].dim]):
            ax.axhline(value, color="0.85", linewidth=0.8, zorder=0)
    for traj in trajectories:
        squares = traj.singular_values**2
        for seed in squares if traj.seeds else squares[None]:
            _draw(ax, traj.ts / time_unit, seed.T, traj.source)
    ax.set(xlabel=time_label(time_unit), ylabel=r"squared singular values $s_k^2$")
    if legend:
        add_legend(ax)
    return ax


@checked
def plot_concepts(
    theory: Trajectory,
    flow: Trajectory,
    sgd: Trajectory | None = None,
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
        sgd: of one seed or all.
        concepts: how many to draw.
        title: over the panel.
        time_unit, ax: as in `plot_loss`.

    Raises:
        ValueError: more concepts than a trajectory has directions.
    """
    theory, flow = on_host((theory, flow))
    fewest = min(traj.dim for traj in (theory, flow, sgd) if traj is not None)
    if not 1 <= concepts <= fewest:
        raise argument_error("concepts", f"between 1 and the dimension {fewest}", concepts)
    ax = axes_or_new(ax)
    for mode, shade in enumerate(shades(concepts)):
        if sgd is not None:
            for seed in sgd.singular_values if sgd.seeds else sgd.singular_values[None]:
                ax.plot(sgd.ts / time_unit, seed[:, mode] ** 2, color=shade, **faint_line())
        flow_square = flow.singular_values[:, mode] ** 2
        ax.plot(flow.ts / time_unit, flow_square, color=shade, linewidth=line_width(2), zorder=3)
        predicted = theory.singular_values[:, mode] ** 2
        ax.plot(theory.ts / time_unit, predicted, color=shade, zorder=4, **predicted_line())
    ax.set(xlabel=time_label(time_unit), ylabel=r"squared singular values $s_k^2$", title=title)
    ax.set_xlim(0, theory.ts[-1] / time_unit)
    ax.set_ylim(0)
    return ax


def predicted_line() -> dict[str, Any]:
    """Return how a prediction is drawn: dashed, edged in white to be seen on a line of its own colour."""
    return {
        "linewidth": line_width(0.8),
        "linestyle": (0, (4, 2)),
        "path_effects": [withStroke(linewidth=line_width(1.6), foreground="white")],
    }


def faint_line() -> dict[str, Any]:
    """Return how one seed of many is drawn."""
    return {"linewidth": line_width(0.6), "alpha": 0.35, "zorder": 2}


@checked
def label_concepts(figure: Figure, concepts: int, *, theory: str = "closed form", sgd: bool = True) -> None:
    """Write below a figure of `plot_concepts` panels what its lines and colours are.

    Args:
        figure: with a constrained layout.
        concepts: how many are drawn.
        theory: name of the prediction.
        sgd: whether it is drawn.
    """
    lines = [
        Line2D([], [], color=BLACK, label=theory, **predicted_line()),
        Line2D([], [], color="0.6", linewidth=line_width(2), label="gradient flow"),
    ]
    if sgd:
        lines.append(Line2D([], [], color=BLACK, label="SGD, every seed", **faint_line()))
    colours = [
        Line2D([], [], color=shade, linewidth=line_width(2.7), label=f"concept {n}" if n == 1 else str(n))
        for n, shade in enumerate(shades(concepts), 1)
    ]
    figure.legend(
        handles=lines + colours,
        loc="outside lower center",
        ncols=len(lines + colours),
        frameon=False,
        columnspacing=1.2,
        handlelength=2.2,
    )


@checked
def plot_embedding_slice(
    coordinates: ArrayLike,
    words: Sequence[str],
    labelled: Sequence[int],
    *,
    limit: float | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the embedding cloud at one time, some words by name.

    Names that would lie on another, or in the heap about the origin, are left out.

    Args:
        coordinates: `(V, 3)`: two axes and the colour.
        words: the vocabulary.
        labelled: rows to name, the most important first.
        limit: half the width of the axes, the same for slices to be compared.
        title: over the slice.
        ax: as in `plot_loss`.
    """
    ax = axes_or_new(ax)
    coordinates = np.asarray(coordinates)
    if coordinates.shape != (len(words), 3) or not len(words) or not np.isfinite(coordinates).all():
        expected, got = f"finite and of shape ({len(words)}, 3)", f"shape {coordinates.shape}"
        raise argument_error("coordinates", expected, got)
    if limit is not None:
        check_positive("limit", limit)
    limit = 1.05 * float(np.abs(coordinates[:, :2]).max()) if limit is None else limit
    across, up, colour = coordinates.T
    size = (0.37 * float(mpl.rcParams["lines.markersize"])) ** 2
    shade = 0.5 * limit
    ax.scatter(across, up, c=colour, cmap="cividis", vmin=-shade, vmax=shade, s=size, alpha=0.7, linewidths=0)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    ax.set(xlabel="along concept 1", ylabel="along concept 2")
    name_words(ax, coordinates[:, :2], words, [int(row) for row in labelled], limit)
    return ax


def name_words(
    ax: Axes, spots: np.ndarray, words: Sequence[str], labelled: Sequence[int], limit: float
) -> dict[int, Annotation]:
    """Return names by row, written beside their dots `(V, 2)`, each at the first of four places with room."""
    points = font_size("x-small")
    figure = ax.get_figure()
    assert figure is not None
    box = ax.get_position()
    inches = min(box.width * figure.bbox.width, box.height * figure.bbox.height) / figure.dpi
    # Units of the axes to a point: for the panel that there is and for smaller and larger ones that a
    # layout may yet make of it.
    units = 2 * limit / (np.array([0.8, 1.0, 1.25]) * inches * 72)
    taken: list[np.ndarray] = []
    written: dict[int, Annotation] = {}
    for row in labelled:
        x, y = spots[row]
        if np.hypot(x, y) < 0.1 * limit:
            continue
        label = word_label(words[row])
        size = np.array([0.62 * points * len(label), 1.25 * points])
        # Outward first, away from the heap.
        out, over = (1 if x > 0 else -1), (1 if y > 0 else -1)
        for towards in ((out, over), (out, -over), (-out, over), (-out, -over)):
            nearest = spots[row] + units[:, None] * np.where(np.array(towards) > 0, 2, -2 - size)
            ends = np.concatenate([nearest, nearest + units[:, None] * size], axis=1)
            if np.abs(ends[:2]).max() <= limit and not any(_overlap(ends, other) for other in taken):
                taken.append(ends)
                written[row] = ax.annotate(
                    label,
                    (x, y),
                    xytext=(2 * towards[0], 2 * towards[1]),
                    textcoords="offset points",
                    fontsize=points,
                    ha="left" if towards[0] > 0 else "right",
                    va="bottom" if towards[1] > 0 else "top",
                    path_effects=[withStroke(linewidth=1.2, foreground="white", alpha=0.8)],
                )
                break
    return written


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether boxes `(n, 4)`, lower left and upper right corners, overlap in any of n cases."""
    apart = (one[:, 2:] < other[:, :2]) | (other[:, 2:] < one[:, :2])
    return not apart.any(axis=1).all()


@checked
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
    shapes = {name: np.shape(times) for name, times in {"predicted": predicted, **measured}.items()}
    if any(
        len(shape) != 2 or shape[1:] != shapes["predicted"][1:] or 0 in shape for shape in shapes.values()
    ):
        raise argument_error("predicted", "of shape (S, k), as those `measured`", shapes)
    across, across_bar = _mean_and_bar(predicted / time_unit)
    low, high = 0.93 * np.nanmin(across), 1.04 * np.nanmax(across)
    ax.plot([low, high], [low, high], color="0.6", linewidth=0.8, zorder=0)
    for source, times in measured.items():
        up, up_bar = _mean_and_bar(times / time_unit)
        marker = MARKERS.get(source, {"marker": "^", "color": GREEN, "label": legend_label(source)})
        ax.errorbar(across, up, up_bar, across_bar, linestyle="none", capsize=2, elinewidth=0.8, **marker)
    unit = "" if time_unit == 1 else r" / $t_1$"
    ax.set(xlabel=f"step time predicted in closed form{unit}", ylabel=f"step time measured{unit}")
    add_legend(ax)
    return ax


@checked
def plot_overlap_matrix(overlaps: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw squared cosines between learned directions (rows) and eigenvectors (columns), `(k, m)`."""
    overlaps = np.asarray(overlaps)
    if overlaps.ndim != 2:
        raise argument_error("overlaps", "of shape (k, m)", f"shape {overlaps.shape}")
    ax = axes_or_new(ax)
    rows, columns = overlaps.shape
    extent = (0.5, columns + 0.5, rows + 0.5, 0.5)
    image = ax.imshow(overlaps, vmin=0, vmax=1, cmap="cividis", extent=extent)
    ax.figure.colorbar(image, ax=ax, label="squared cosine", shrink=0.8)
    ax.set(xlabel=r"eigenvector of $M^\star$", ylabel="learned direction")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return ax


@checked
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
    ts, persistence = np.asarray(ts), np.asarray(persistence)
    if persistence.ndim != 2 or ts.shape != persistence.shape[:1]:
        expected = "of shape (T, k), at T times `ts`"
        got = f"shape {persistence.shape} at times of shape {ts.shape}"
        raise argument_error("persistence", expected, got)
    ax = axes_or_new(ax)
    modes = persistence.shape[1]
    for mode, (curve, shade) in enumerate(zip(persistence.T, shades(modes), strict=True), 1):
        ax.plot(ts / time_unit, curve, color=shade, label=f"concept {mode}" if mode in (1, modes) else None)
    ax.set(xlabel=time_label(time_unit), ylabel="squared cosine with itself when learned", title=title)
    ax.set_ylim(0, 1.02)
    add_legend(ax)
    return ax


def _draw(ax: Axes, ts: np.ndarray, curves: np.ndarray, source: str) -> None:
    style = STYLES.get(source, {"color": RED, "linewidth": 1.0, "zorder": 3, "label": legend_label(source)})
    first, *_ = ax.plot(ts, curves.T, **{**style, "linewidth": line_width(style["linewidth"]), "label": None})
    first.set_label(style["label"])


def _mean_and_bar(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bar = times.std(axis=0, ddof=1) if len(times) > 1 else np.zeros(times.shape[1])
    return times.mean(axis=0), bar
