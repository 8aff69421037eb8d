"""Figures after arXiv 2502.09863: learning of two models, initial scales, concepts by their words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from w2vflow.plotting.learning import (
    faint_line,
    label_concepts,
    plot_concepts,
    plot_embedding_slice,
    predicted_line,
)
from w2vflow.plotting.style import (
    BLACK,
    BLUE,
    ORANGE,
    TWO_COLUMNS,
    axes_or_new,
    checked_axes,
    letter_panels,
    line_width,
    publication,
    time_label,
    word_label,
)
from w2vflow.results import Trajectory, measure_step_times
from w2vflow.semantics import relative_entries
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike

__all__ = [
    "LearningRow",
    "plot_concept_table",
    "plot_concept_words",
    "plot_init_scales",
    "plot_learning",
]


@checked
@dataclass(frozen=True, eq=False)
class LearningRow:
    """One model in `plot_learning`.

    Attributes:
        name: of the model.
        theory: the prediction, of one seed.
        flow: the gradient flow, of the same seed.
        sgd: of one seed or all, or None.
        moments: times of the slices.
        slices: the cloud at each of them, `(V, 3)`: two axes and the colour (`concept_coordinates`).
        words: the vocabulary.
        labelled: rows to name in the slices, the most important first.
        axes: of the slices, the numbers of two concepts.
        first: the concept that axes are made for; earlier, much larger ones leave the panel at its top.
        time_unit: divisor of the times, e.g. `t_1`.
    """

    name: str
    theory: Trajectory
    flow: Trajectory
    sgd: Trajectory | None
    moments: Sequence[float]
    slices: Sequence[np.ndarray]
    words: Sequence[str]
    labelled: Sequence[int]
    axes: tuple[int, int] = (1, 2)
    first: int = 1
    time_unit: float = 1.0


@checked
def plot_learning(rows: Sequence[LearningRow], axes: Any = None, *, concepts: int = 6) -> np.ndarray:
    """Draw a row of panels for each model: loss, staircase, and the cloud of words at some moments.

    Each concept has its colour. Dashed: the prediction; lines: the gradient flow; faint: SGD. Upright lines
    in grey: the predicted steps.

    Args:
        rows: a model each, with equally many slices.
        axes: where to draw, of shape (models, 2 + slices), as is what is returned; by default a new figure
            of the width of two columns, with letters and a legend.
        concepts: how many to draw.

    Raises:
        ValueError: no model, models with different numbers of slices, Axes of another number, or
            more concepts than there are.

    References:
        arXiv 2502.09863, figure 1.
    """
    if not rows:
        raise argument_error("rows", "at least one model", "none")
    counts = [len(row.slices) for row in rows]
    if len(set(counts)) > 1 or counts != [len(row.moments) for row in rows]:
        raise argument_error("rows", "models with as many slices as moments, all equally many", counts)
    if axes is None:
        with publication():
            size = (TWO_COLUMNS, 1.62 * len(rows) + 0.2)
            figure = Figure(figsize=size, layout="constrained")
            ratios = {"width_ratios": [1.0, 1.15] + [1.0] * counts[0]}
            own = figure.subplots(len(rows), 2 + counts[0], squeeze=False, gridspec_kw=ratios)
            drawn = plot_learning(rows, own, concepts=concepts)
            letter_panels(drawn)
            label_concepts(figure, concepts, theory="theory")
        return drawn
    panels = checked_axes(axes, (len(rows), 2 + counts[0]))
    for row, line in zip(rows, panels, strict=True):
        _loss(row, line[0])
        _staircase(row, concepts, line[1])
        limit = 1.35 * max(float(np.abs(cloud[:, :2]).max()) for cloud in row.slices)
        for moment, cloud, ax in zip(row.moments, row.slices, line[2:], strict=True):
            title = _at(moment, row.time_unit)
            plot_embedding_slice(cloud, row.words, row.labelled, limit=limit, title=title, ax=ax)
            ax.set(xlabel=f"concept {row.axes[0]}", ylabel=f"concept {row.axes[1]}", xticks=[], yticks=[])
    return panels


def _at(time: float, unit: float) -> str:
    return f"$t = {time:.3g}$" if unit == 1 else f"$t = {time / unit:.2f}\\,t_1$"


def _steps(row: LearningRow) -> np.ndarray:
    """Return when each predicted `s_k^2` passes half of its end, `(d,)`; NaN where it starts above."""
    squares = row.theory.singular_values**2
    above = squares >= squares[-1] / 2
    return np.where(above[0], np.nan, row.theory.ts[above.argmax(axis=0)])


def _loss(row: LearningRow, ax: Axes) -> None:
    """Draw the loss, of SGD every seed, from the plateau before the first concept that is shown on."""
    unit, flow, theory = row.time_unit, row.flow, row.theory
    for seed in [] if row.sgd is None else np.atleast_2d(row.sgd.loss):
        ax.plot(row.sgd.ts / unit, seed, color=BLACK, **faint_line())  # type: ignore[union-attr]
    ax.plot(flow.ts / unit, flow.loss, color="0.6", linewidth=line_width(2), zorder=3)
    ax.plot(theory.ts / unit, theory.loss, color=BLACK, zorder=4, **predicted_line())
    ax.set(xlabel=time_label(unit), ylabel=r"loss $\mathcal{L}$", xlim=(0, theory.ts[-1] / unit))
    ax.yaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_title(row.name, loc="left", weight="bold", x=0.04)
    if row.first > 1:
        before, after = _steps(row)[row.first - 2 : row.first]
        top = float(np.interp((before + after) / 2, flow.ts, flow.loss))
        low = float(flow.loss.min())
        ax.set_ylim(low - 0.06 * (top - low), top + 0.1 * (top - low))


def _staircase(row: LearningRow, concepts: int, ax: Axes) -> None:
    plot_concepts(row.theory, row.flow, row.sgd, concepts=concepts, time_unit=row.time_unit, ax=ax)
    ax.set_ylabel("$s_k^2$")
    squares = row.theory.singular_values**2
    top = 1.12 * float(squares[:, row.first - 1 : concepts].max())
    if row.first > 1:
        ax.set_ylim(0, 1.12 * top)
        ends = ", ".join(f"{value:.0f}" for value in squares[-1, : row.first - 1])
        ax.annotate(
            rf"$s_1^2 \to {ends}$",
            (_steps(row)[0] / row.time_unit, 1.0),
            xytext=(3, -1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            fontsize="small",
        )
    else:
        ax.set_ylim(0, top)
    for step in _steps(row)[:concepts] / row.time_unit:
        ax.axvline(step, color="0.88", linewidth=line_width(0.7), zorder=0)


@checked
def plot_init_scales(
    by_scale: Mapping[float, tuple[Trajectory, Trajectory]],
    spectrum: Spectrum,
    axes: Any = None,
    *,
    concepts: int = 6,
) -> np.ndarray:
    """Draw the staircase and, below it, the loss from several initial scales, each on its own clock `t_1`.

    The smaller the start, the sharper the steps on that clock, and the nearer to their limit,
    `lambda_1 / lambda_k`, where upright grey lines stand.

    Args:
        by_scale: closed form and gradient flow of one seed, by the scale of the initial weights.
        spectrum: the leading eigenpairs.
        axes, concepts: as in `plot_learning`; the shape is (2, scales).

    Raises:
        ValueError: no scale, one whose first concept is not learned or starts above half, Axes of another
            number, or more concepts than there are.

    References:
        arXiv 2502.09863, figure 2.
    """
    spectrum = on_host(spectrum)
    if not by_scale:
        raise argument_error("by_scale", "at least one initial scale", "none")
    if axes is None:
        with publication():
            figure = Figure(figsize=(TWO_COLUMNS, 3.4), layout="constrained")
            shared: Any = {"sharex": "col", "sharey": "row", "height_ratios": (1.25, 1)}
            own = figure.subplots(2, len(by_scale), squeeze=False, **shared)
            drawn = plot_init_scales(by_scale, spectrum, own, concepts=concepts)
            for panel in drawn[:, 1:].flat:
                panel.set_ylabel("")
            for above, below in drawn.T:
                above.set_xlabel("")
                # Room for the letter.
                below.set_title(" ")
            letter_panels(drawn)
            label_concepts(figure, concepts, sgd=False)
        return drawn
    panels = checked_axes(axes, (2, len(by_scale)))
    limits = spectrum.eigenvalues[0] / spectrum.eigenvalues[:concepts]
    for (scale, (theory, flow)), (above, below) in zip(by_scale.items(), panels.T, strict=True):
        unit = float(measure_step_times(theory, spectrum)[0])
        if not np.isfinite(unit):
            expected, got = "trajectories that take the first step", f"one from {scale:g} that does not"
            raise argument_error("by_scale", expected, got, "Take a longer time or a smaller scale.")
        title = f"initial scale {_power(scale)}"
        plot_concepts(theory, flow, concepts=concepts, time_unit=unit, title=title, ax=above)
        above.set_ylabel("$s_k^2$")
        below.plot(flow.ts / unit, flow.loss, color="0.6", linewidth=line_width(2))
        below.plot(theory.ts / unit, theory.loss, color=BLACK, **predicted_line())
        below.set(xlabel=time_label(unit), ylabel=r"loss $\mathcal{L}$")
        below.yaxis.set_major_formatter(EngFormatter(sep=""))
        for ax in (above, below):
            ax.set_xlim(0, min(theory.ts[-1] / unit, 1.3 * float(limits[-1])))
            for limit in limits:
                ax.axvline(limit, color="0.88", linewidth=line_width(0.7), zorder=0)
    return panels


def _power(scale: float) -> str:
    """Return a scale as one writes it: `$10^{-4}$` of a power of ten, else digits."""
    exponent = round(float(np.log10(scale)))
    return f"$10^{{{exponent}}}$" if np.isclose(scale, 10.0**exponent) and scale != 1 else f"{scale:g}"


@checked
def plot_concept_words(
    words: Sequence[str], entries: np.ndarray, *, n: int = 6, title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw the words at both ends of a concept, ranked, with bars for their entries.

    Args:
        words: the vocabulary.
        entries: of an eigenvector, `(V,)`, or other scores, e.g. those of `relative_entries`.
        n: words at each end.
        title: over the panel.
        ax: where to draw; a new figure by default.

    Raises:
        ValueError: words and entries of different numbers, or `n` out of range.
    """
    entries = np.asarray(entries)
    if entries.shape != (len(words),):
        raise argument_error("entries", f"of shape ({len(words)},), one for a word", f"shape {entries.shape}")
    if not 1 <= n <= len(words) // 2:
        raise argument_error("n", f"between 1 and half of the {len(words)} words", n)
    ax = axes_or_new(ax)
    order = np.argsort(-entries, kind="stable")
    rows = np.concatenate([order[:n], order[-n:]])
    # A gap between the ends, the larger the fewer words it leaves out of sight.
    places = np.concatenate([np.arange(n), np.arange(n) + n + 0.6])
    values = entries[rows]
    ax.barh(places, values, height=0.72, color=np.where(values > 0, BLUE, ORANGE), linewidth=0)
    widest = 1.08 * float(np.abs(values).max())
    for row, place, value in zip(rows, places, values, strict=True):
        # On the side of the axis where there is no bar.
        side, align = (-1, "right") if value > 0 else (1, "left")
        ax.text(side * 0.05 * widest, place, word_label(words[row]), ha=align, va="center", fontsize="small")
    ax.axvline(0, color=BLACK, linewidth=line_width(0.7))
    ax.set(ylim=(places[-1] + 0.7, -0.7), xlim=(-widest, widest), yticks=[], title=title)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("entry of the eigenvector")
    return ax


@checked
def plot_concept_table(
    spectrum: Spectrum,
    words: Sequence[str],
    axes: Any = None,
    *,
    step_times: np.ndarray | None = None,
    time_unit: float = 1.0,
    relative_to: ArrayLike | None = None,
    concepts: int = 8,
    n: int = 6,
) -> np.ndarray:
    """Draw the leading concepts: a panel each, with its words, its eigenvalue and when it is learned.

    Args:
        spectrum: eigenpairs, at least so many as concepts.
        words: the vocabulary.
        axes: where to draw, of shape (concepts,), as is what is returned; by default a new figure of the
            width of two columns, four panels in a row.
        step_times: of each concept, `(k,)`, e.g. those of `step_time_law`.
        time_unit: divisor of the step times, e.g. `t_1`.
        relative_to: how often each word occurs: see `relative_entries`; entries as they are by default.
        concepts: how many.
        n: words at each end.

    Raises:
        ValueError: fewer eigenpairs or step times than concepts, Axes of another number, or as
            `plot_concept_words`.

    References:
        arXiv 2502.09863, figure 3.
    """
    spectrum = on_host(spectrum)
    known = len(spectrum.eigenvalues)
    if step_times is not None:
        if np.ndim(step_times) != 1:
            raise argument_error("step_times", "of shape (k,)", f"shape {np.shape(step_times)}")
        known = min(known, len(step_times))
    if not 1 <= concepts <= known:
        raise argument_error("concepts", f"between 1 and the {known} that are known", concepts)
    if axes is None:
        with publication():
            down = -(-concepts // 4)
            figure = Figure(figsize=(TWO_COLUMNS, (0.13 * (2 * n + 0.6) + 0.6) * down), layout="constrained")
            own = figure.subplots(down, min(4, concepts), squeeze=False).ravel()
            for empty in own[concepts:]:
                empty.set_axis_off()
            how: Any = {"step_times": step_times, "time_unit": time_unit, "relative_to": relative_to}
            return plot_concept_table(spectrum, words, own[:concepts], concepts=concepts, n=n, **how)
    panels = checked_axes(axes, (concepts,))
    scores = spectrum.eigenvectors[:, :concepts]
    if relative_to is not None:
        scores = relative_entries(scores, relative_to)
    for mode, ax in enumerate(panels):
        title = rf"$\lambda_{{{mode + 1}}} = {spectrum.eigenvalues[mode]:.3g}$"
        if step_times is not None:
            title += f"\nlearned at {_at(step_times[mode], time_unit)}"
        plot_concept_words(words, scores[:, mode], n=n, title=title, ax=ax)
        ax.set_xlabel(rf"entry of $v_{{{mode + 1}}}$" if relative_to is None else "entry / spread")
    return panels
