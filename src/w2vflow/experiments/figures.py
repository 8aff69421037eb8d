"""Figures of a run's folder."""

from pathlib import Path
from typing import Any

import numpy as np

from w2vflow.experiments.ablation import LOSSES, WEIGHTINGS, AblationRun
from w2vflow.experiments.run import Run
from w2vflow.plotting import (
    label_concepts,
    new_figure,
    plot_concepts,
    plot_embedding_slice,
    plot_loss,
    plot_overlap_matrix,
    plot_persistence,
    plot_singular_values,
    plot_step_times,
    save_figure,
)
from w2vflow.spectrum import direction_overlaps, left_directions
from w2vflow.support.arguments import checked

__all__ = ["draw_ablation", "draw_run"]


@checked
def draw_run(run: Run, folder: Path) -> list[Path]:
    """Draw what a run found into `folder/figures`, as .png and .svg; return the paths.

    Raises:
        OSError: something cannot be written.
    """
    unit = float(run.comparison.step_times["theory"][:, 0].mean())
    paths: list[Path] = []
    for name, draw in (
        ("learning", _learning),
        ("embedding", _embedding),
        ("step_times", _step_times),
        ("overlaps", _overlaps),
        ("rotation", _rotation),
    ):
        paths += save_figure(draw(run, unit), folder / "figures" / name)
    return paths


@checked
def draw_ablation(run: AblationRun, folder: Path) -> list[Path]:
    """Draw singular values over time into `folder/figures`, a panel for each cell; return the paths.

    Raises:
        OSError: something cannot be written.
    """
    figure, panels = new_figure(len(LOSSES), 5.6, 3.9, rows=len(WEIGHTINGS))
    cells = [f"{loss}-{weighting}" for weighting in WEIGHTINGS for loss in LOSSES]
    concepts = run.summary["cells"][cells[0]]["measured"]
    for cell, ax in zip(cells, panels, strict=True):
        comparison, clock = run.comparisons[cell], run.summary["cells"][cell]["flow"]["half_of_lambda"]
        theory, flow, sgd = (comparison.trajectories[name] for name in ("theory", "flow", "sgd"))
        first = float(comparison.step_times["theory"][0, 0])
        unit = first if np.isfinite(first) else 1.0  # a short horizon may end before it
        loss, weighting = cell.split("-")
        pace = "" if clock["clock"] is None else rf": steps at {clock['clock']:.2f} $\times$ predicted"
        plot_concepts(
            theory.sel(seed=0),
            flow,
            sgd,
            concepts=concepts,
            time_unit=unit,
            title=f"{loss} loss, {weighting} weights{pace}",
            ax=ax,
        )
    label_concepts(figure, concepts)
    return save_figure(figure, folder / "figures" / "ablation")


def _learning(run: Run, unit: float) -> Any:
    """(a) Loss and staircase: closed form and flow of the first seed, SGD of all."""
    figure, (left, right) = new_figure(2, 5.6, 4.4)
    by_source = run.comparison.trajectories
    drawn = [by_source["flow"].sel(seed=0), by_source["sgd"], by_source["theory"].sel(seed=0)]
    plot_loss(*drawn, time_unit=unit, ax=left)
    plot_singular_values(*drawn, spectrum=run.spectrum, time_unit=unit, ax=right, legend=False)
    for panel in (left, right):
        for step in run.comparison.step_times["theory"][0] / unit:
            panel.axvline(step, color="0.9", linewidth=0.6, zorder=0)
    left.set_title("the loss falls in steps")
    right.set_title("one concept at a time")
    return figure


def _embedding(run: Run, unit: float) -> Any:
    """(b) The cloud before, after the first step and at the end, on its own final axes."""
    flow = run.comparison.trajectories["flow"].sel(seed=0)
    steps = run.comparison.step_times["theory"][0]
    moments = [
        (0.5 * steps[0], "before the first step"),
        ((steps[0] + (steps[1] if len(steps) > 1 else flow.ts[-1])) / 2, "after the first step"),
        (flow.ts[-1], "later"),
    ]
    # Axes: the concepts themselves. Rotating the embedding space shows the same cloud along them.
    ends = run.spectrum.eigenvectors[:, :3]
    cloud = flow.require_embeddings()
    final_axes = cloud[-1].T @ ends
    final_axes /= np.linalg.norm(final_axes, axis=0)
    # Fewer concepts than a slice has axes and colours leave the others at 0.
    missing = ((0, 0), (0, 3 - final_axes.shape[1]))
    extremes = [np.argsort(sign * axis)[:7] for axis in ends.T[:2] for sign in (-1, 1)]
    labelled = np.unique(np.concatenate(extremes)).tolist()
    figure, panels = new_figure(3, 5.2, 5.2)
    limit = 1.2 * float(np.abs(cloud[-1] @ final_axes[:, :2]).max())
    for (moment, title), ax in zip(moments, panels, strict=True):
        index = int(np.abs(flow.ts - moment).argmin())
        coordinates = np.pad(cloud[index] @ final_axes, missing)
        where = f"{title}, $t = {flow.ts[index] / unit:.2f}\\,t_1$"
        plot_embedding_slice(coordinates, run.words, labelled, limit=limit, title=where, ax=ax)
    return figure


def _step_times(run: Run, unit: float) -> Any:
    """(c) Predicted against measured: the flow by the exact solution, SGD with its step size."""
    figure, (left, right) = new_figure(2)
    steps = run.comparison.step_times
    plot_step_times(steps["theory"], {"flow": steps["flow"]}, time_unit=unit, ax=left)
    plot_step_times(steps["theory-discrete"], {"sgd": steps["sgd"]}, time_unit=unit, ax=right)
    return figure


def _overlaps(run: Run, unit: float) -> Any:
    """(d) Learned directions of SGD against eigenvectors, mean over seeds."""
    figure, (ax,) = new_figure(1)
    final = run.comparison.trajectories["sgd"].require_embeddings()[:, -1]
    directions = left_directions(final, len(run.spectrum.eigenvalues))
    plot_overlap_matrix(direction_overlaps(directions, run.spectrum.eigenvectors).mean(axis=0), ax=ax)
    ax.set_title("SGD, mean over seeds")
    return figure


def _rotation(run: Run, unit: float) -> Any:
    """(e) Learned directions stay where they are."""
    figure, (left, right) = new_figure(2)
    ts = run.comparison.trajectories["flow"].ts
    for source, name, ax in (("flow", "gradient flow", left), ("sgd", "SGD", right)):
        title = f"{name}, first seed"
        plot_persistence(ts, run.persistence[source][0], time_unit=unit, title=title, ax=ax)
    return figure
