"""Figures of relations as they emerge over time or dimension."""

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter
from matplotlib.transforms import blended_transform_factory

from w2vflow.plotting.style import BLUE, RED, axes_or_new, time_label, word_label
from w2vflow.semantics import Emergence
from w2vflow.support.arguments import checked
from w2vflow.support.checks import check_positive

__all__ = ["plot_emergence", "plot_emergence_order"]

# Told apart by dashes and marks as well as by hue and lightness.
_KINDS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": RED, "linestyle": (0, (3.5, 1.4)), "marker": "D"},
)
_EDGE = [withStroke(linewidth=3, foreground="white")]
# From the middle of a label to that of the next, in points.
_LINE_HEIGHT = 10.5
_CONCEPTS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


@checked
def plot_emergence(
    emergence: Emergence,
    *,
    apart: Collection[str] = (),
    kinds: tuple[str, str] = ("relations", "set apart"),
    time_unit: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the accuracy of every relation over time or dimension; in grey, the staircase of concepts.

    Open marks: from there on the common direction of a relation's pairs is detectable. Full marks: half of
    its final accuracy. Over time, the axis on top and the grey steps (on a logarithmic scale of their own)
    count the concepts that are learned.

    Args:
        emergence: made by `emergence_over_time` and the like.
        apart: relations drawn dashed and in another colour, e.g. the semantic ones.
        kinds: names of the others and of those set apart, for the legend.
        time_unit: divisor of times, e.g. `t_1`; of dimensions 1.
        ax: where to draw; a new figure by default.
    """
    ax = axes_or_new(ax)
    values = _frame(ax, emergence, time_unit)
    ax.set(ylim=(0, 1), ylabel="questions answered rightly")
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    for name, course in emergence.relations.items():
        kind = _KINDS[name in apart]
        line = {key: kind[key] for key in ("color", "linestyle")}
        ax.plot(values, course.accuracy, linewidth=1.6, zorder=3, path_effects=_EDGE, **line)
        for at, filled in ((course.detectable_at, False), (course.solved_at, True)):
            place = float(np.maximum(at / time_unit, values[0]))
            _mark(ax, place, float(np.interp(place, values, course.accuracy)), kind, filled=filled)
    if emergence.axis == "time":
        _add_staircase(ax, values, emergence.concepts)
    _add_labels(ax, {name: course.accuracy[-1] for name, course in emergence.relations.items()}, apart)
    _add_legend(ax, kinds if len(apart) else kinds[:1], loc="upper left")
    return ax


@checked
def plot_emergence_order(
    emergence: Emergence,
    *,
    apart: Collection[str] = (),
    kinds: tuple[str, str] = ("relations", "set apart"),
    time_unit: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw a row for every relation, first solved on top: when it is detectable, and when solved.

    Open marks: detectable; full marks: half of the final accuracy, on a bar of its 95% interval. Those
    never solved come last.

    Args:
        emergence, apart, kinds, time_unit, ax: as in `plot_emergence`.
    """
    ax = axes_or_new(ax)
    values = _frame(ax, emergence, time_unit)
    solved = emergence.column("solved_at")
    order = sorted(solved, key=lambda name: np.nan_to_num(solved[name], nan=np.inf))
    for row, name in enumerate(order):
        course, kind = emergence.relations[name], _KINDS[name in apart]
        seen, at = np.maximum(np.array([course.detectable_at, course.solved_at]) / time_unit, values[0])
        ax.plot([seen, at], [row, row], color="0.8", linewidth=0.9, zorder=1)
        between = np.clip(np.array(course.solved_between) / time_unit, values[0], values[-1])
        ax.plot(between, [row, row], color=kind["color"], linewidth=3.5, alpha=0.3, solid_capstyle="butt")
        _mark(ax, seen, row, kind, filled=False)
        _mark(ax, at, row, kind, filled=True)
    ax.set(ylim=(len(order) - 0.4, -0.6))
    ax.set_yticks(range(len(order)), [word_label(name) for name in order], fontsize=8)
    ax.yaxis.tick_right()
    ax.tick_params(axis="y", length=0, pad=8)
    for label, name in zip(ax.get_yticklabels(), order, strict=True):
        label.set_color(_KINDS[name in apart]["color"])
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color="0.92", linewidth=0.8)
    _add_legend(ax, kinds if len(apart) else kinds[:1], loc="upper right")
    return ax


def _frame(ax: Axes, emergence: Emergence, time_unit: float) -> np.ndarray:
    """Prepare the logarithmic axis and return its values, that of 0 put at its left end."""
    check_positive("time_unit", time_unit)
    values = emergence.values / time_unit
    least = values[values > 0][0]
    values = np.maximum(values, least)
    ax.set_xscale("log")
    ax.set_xlim(least, values[-1])
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("embedding dimension" if emergence.axis == "dimension" else time_label(time_unit))
    ax.spines[["top", "right"]].set_visible(False)
    return values


def _mark(ax: Axes, x: float, y: float, kind: dict, *, filled: bool) -> None:
    if np.isnan(x):
        return
    ax.plot(
        x,
        y,
        kind["marker"],
        markersize=5 if filled else 5.5,
        color=kind["color"],
        markerfacecolor=kind["color"] if filled else "white",
        markeredgecolor="white" if filled else kind["color"],
        markeredgewidth=0.7 if filled else 1.3,
        clip_on=False,
        zorder=5 if filled else 4,
    )


def _add_staircase(ax: Axes, values: np.ndarray, concepts: np.ndarray) -> None:
    """Fill below the number of concepts learned, and number them on an axis on top."""
    if not concepts.any():
        return
    heights = np.log1p(concepts) / np.log1p(concepts.max())
    across = blended_transform_factory(ax.transData, ax.transAxes)
    ax.fill_between(values, heights, step="post", color="0.95", linewidth=0, zorder=0, transform=across)
    marks = [count for count in _CONCEPTS if 0 < count <= concepts.max()]
    top = ax.secondary_xaxis("top")
    top.set_xticks([values[np.argmax(concepts >= count)] for count in marks], map(str, marks))
    top.xaxis.set_minor_locator(NullLocator())
    top.tick_params(color="0.6", labelcolor="0.35", labelsize=8)
    top.spines["top"].set_color("0.6")
    top.set_xlabel("concepts learned", color="0.35")


def _add_labels(ax: Axes, ends: dict[str, float], apart: Collection[str]) -> None:
    """Write names beside the ends of lines, moved up and down so that none is on another."""
    figure = ax.get_figure()
    assert figure is not None
    # Four fifths: what titles and ticks of a figure not laid out yet will leave of the panel.
    points = 0.8 * ax.get_position().height * figure.bbox.height / figure.dpi * 72
    names = sorted(ends, key=lambda name: ends[name])
    heights = spread(np.array([ends[name] for name in names]), _LINE_HEIGHT / points)
    for name, height in zip(names, heights, strict=True):
        colour = _KINDS[name in apart]["color"]
        ax.annotate(
            word_label(name),
            (1, ends[name]),
            (1.025, height),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.6, "shrinkA": 1,
                        "shrinkB": 1},
        )  # fmt: skip


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Return rising heights at least `gap` apart, each group that had to give way about its own mean."""
    groups: list[tuple[float, int]] = []
    for height in heights:
        middle, count = float(height), 1
        while groups and middle - groups[-1][0] < gap * (count + groups[-1][1]) / 2:
            other, more = groups.pop()
            middle = (middle * count + other * more) / (count + more)
            count += more
        groups.append((middle, count))
    return np.concatenate([middle + gap * (np.arange(n) - (n - 1) / 2) for middle, n in groups])


def _add_legend(ax: Axes, kinds: tuple[str, ...], loc: Literal["upper left", "upper right"]) -> None:
    handles = [
        Line2D([], [], color=kind["color"], linestyle=kind["linestyle"], linewidth=1.6, label=label)
        for kind, label in zip(_KINDS, kinds, strict=False)
    ]
    for label, filled in (("direction detectable", False), ("half of final accuracy", True)):
        handles.append(
            Line2D([], [], linestyle="none", marker="o", color="0.3", markersize=5, label=label,
                   markerfacecolor="0.3" if filled else "white")
        )  # fmt: skip
    ax.legend(handles=handles, loc=loc, frameon=False, fontsize=8)
