"""Findings of a run as lines for the terminal."""

from typing import Any

import numpy as np

import w2vflow as wf
from w2vflow.cli.console import number, percent
from w2vflow.support.display import shown_words

__all__ = ["concept_table", "verdict"]


def concept_table(run: "wf.experiments.Run") -> list[str]:
    """Return the table of concepts of a whole run, times in units of the first predicted step."""
    unit, seeds = float(np.nanmean(run.comparison.step_times["theory"][:, 0])), run.experiment.seeds
    lines = [
        f"Step times in units of t_1 = {unit:.5g}: mean (standard deviation over {seeds} seeds).",
        "",
        "concept  lambda   predicted      flow           predicted      SGD            SGD     overlap",
        "                  for the flow                  for SGD                       error",
    ]
    for row in run.summary["concepts"]:
        sources = ("theory", "flow", "theory-discrete", "sgd")
        cells = (f"{_cell(row[f'step_time_{source}'], unit, seeds):<13}" for source in sources)
        lines.append(
            f"{row['concept']:>7}  {row['eigenvalue']:<7.1f}  {'  '.join(cells)}  "
            f"{percent(row['sgd_step_time_error']):<6}  {row['overlap_with_eigenvector']:.3f}"
        )
        words = (shown_words(row[f"{end}_words"][:5], " ") for end in ("positive", "negative"))
        lines.append(f"{'':>9}{'  <->  '.join(words)}")
    return lines


def _cell(moments: dict[str, float | None], unit: float, seeds: int) -> str:
    mean, deviation, learned = (moments[name] for name in ("mean", "standard_deviation", "seeds"))
    if mean is None or deviation is None or learned is None:
        return "not reached"
    spread = f"{deviation / unit:.3f}" if learned == seeds else f"{learned} of {seeds}"
    return f"{mean / unit:.3f} ({spread})"


def verdict(run: "wf.experiments.Run") -> list[str]:
    """Return what the numbers of a whole run come to."""
    summary, first = run.summary, run.summary["first_modes"]
    error = percent(summary["largest_sgd_step_time_error_of_first_modes"])
    return [
        f"Concepts learned by flow and every SGD seed: {summary['concepts_learned']}.",
        *_checks(summary["flow_against_exact"]),
        f"SGD against prediction, first {first} concepts: step times off by at most {error} on average over "
        "seeds;",
        f"  leading {first} directions overlap with the eigenvectors by "
        f"{summary['subspace_overlap_of_first_modes']:.3f} (mean squared cosine).",
        f"A learned concept keeps its direction, first {first}, squared cosine to the end:",
        *(
            f"  {since}: " + ", ".join(f"{name} {number(value)}" for name, value in by.items())
            for since, by in summary["persistence_of_first_modes"].items()
        ),
    ]


def _checks(flow: dict[str, Any]) -> list[str]:
    """Return how far the flow is from the closed form, and in the checks that were asked for."""
    text = "Flow against the exact solution, largest error of a singular value: "
    if "first seed, dense flow" not in flow:
        return [f"{text}{flow['every seed, eigenbasis flow']:.0e}."]
    scales = ", ".join(f"{e:.0e} at scale {s}" for s, e in flow["by initial scale, eigenbasis flow"].items())
    return [
        f"{text}{flow['every seed, eigenbasis flow']:.0e} (eigenbasis), "
        f"{flow['first seed, dense flow']:.0e} (dense); {scales}."
    ]
