"""The picture of a part of the table of predictions: predicted on x, measured on y, one panel a unit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from table import Points, Row, plain

from w2vflow.plotting import new_figure, publication, save_figure
from w2vflow.plotting.style import BLACK, BLUE, GREEN, ORANGE, RED, SKY, Axes

__all__ = ["draw"]

# Rows are told apart by shape as well as by colour.
COLOURS, MARKERS = (BLUE, ORANGE, GREEN, RED, SKY, BLACK), "osD^v<>"
# How many times the smallest the largest number is where axes are logarithmic.
DECADES = 30
Drawn = list[tuple[str, Points]]


def draw(rows: Sequence[Row], file: Path) -> None:
    """Draw the points of all rows into a PNG file."""
    panels: dict[str, Drawn] = {}
    for row in rows:
        for points in row.points:
            panels.setdefault(points.unit, []).append((label(row, points, rows), points.shown))
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    tall = 2.6 + 0.15 * max(map(len, panels.values()))
    with publication():
        figure, axes = new_figure(columns, 3.1, tall, rows=-(-len(panels) // columns))
        for ax, (unit, drawn) in zip(axes, panels.items(), strict=False):
            draw_panel(ax, unit, drawn)
        for ax in axes[len(panels) :]:
            ax.remove()
        save_figure(figure, file.with_suffix(""), formats=("png",), dpi=150)


def label(row: Row, points: Points, rows: Sequence[Row]) -> str:
    """Return what the legend calls a row: with its subject where others of this unit have another."""
    first = row.points[0]
    subjects = {other.subject for other in rows if other.points[0].unit == first.unit}
    # The subject is that of the points that the table shows.
    named = points is first and len(subjects) > 1
    return plain(f"{row.subject}: {row.short}" if named else row.short)


def draw_panel(ax: Axes, unit: str, drawn: Drawn) -> None:
    """Draw the points of one unit, and the line on which measured and predicted are equal."""
    for at, (name, points) in enumerate(drawn):
        ax.errorbar(
            points.predicted,
            points.measured,
            yerr=points.bars or None,
            fmt=MARKERS[at % len(MARKERS)],
            color=COLOURS[at % len(COLOURS)],
            markersize=3.5,
            markeredgewidth=0.5,
            markeredgecolor="white",
            elinewidth=0.7,
            alpha=0.85,
            label=name,
        )
    sides = [side for _, points in drawn for side in (points.predicted, points.measured)]
    set_scales(ax, np.concatenate(sides))
    ax.axline(*np.array([ax.get_xlim()] * 2).T, color="0.6", linewidth=0.6, zorder=0)
    ax.set_box_aspect(1)
    ax.set(xlabel=f"{unit}, predicted", ylabel=f"{unit}, measured")
    ax.legend(frameon=False, fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def set_scales(ax: Axes, values: np.ndarray) -> None:
    """Make both axes alike: linear, or logarithmic where the numbers span decades."""
    low, high, largest = values.min(), values.max(), np.abs(values).max()
    if low > 0 and high > DECADES * low:
        scale, settings, limits = "log", {}, (low / 1.5, high * 1.5)
    elif largest > DECADES * np.median(np.abs(values)) > 0:
        # Of both signs, or 0: linear near it.
        scale, settings = "symlog", {"linthresh": largest / 1e3}
        limits = (low * 1.5 if low < 0 else 0, high * 1.5)
    else:
        room = 0.05 * ((high - low) or abs(high) or 1)
        scale, settings, limits = "linear", {}, (low - room, high + room)
    for set_scale, set_limits in ((ax.set_xscale, ax.set_xlim), (ax.set_yscale, ax.set_ylim)):
        set_scale(scale, **settings)
        set_limits(limits)
