"""`w2vflow demo`: theory, flow and SGD on one time axis."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from w2vflow.cli.console import number, ready, report
from w2vflow.experiment import Experiment

if TYPE_CHECKING:
    from w2vflow.run import Run

__all__ = ["Demo"]


@dataclass(frozen=True)
class Demo:
    """Show on counts of Wikipedia that word2vec learns one concept at a time, as predicted.

    Compares the closed form, the gradient flow and an ensemble of SGD runs, prints a table of the
    concepts and writes configuration, numbers and figures into a folder.
    """

    experiment: tyro.conf.OmitArgPrefixes[Experiment] = field(default_factory=Experiment)
    out: Path = Path("runs/demo")
    """Folder for the results."""

    def run(self) -> None:
        """Run, write the results and print the table of concepts."""
        folder, log = ready(self.out)
        from w2vflow.run import run_experiment

        run = run_experiment(self.experiment, log=log, progress=sys.stderr.isatty())
        log("figures and files")
        from w2vflow.figures import write_run

        paths = write_run(run, folder)
        report([*_table(run), "", *_verdict(run)], paths, log)


def _table(run: "Run") -> list[str]:
    """Return the table of concepts, times in units of the first predicted step."""
    unit = float(run.comparison.step_times["theory"][:, 0].mean())
    lines = [
        f"Step times in units of t_1 = {unit:.5g}: "
        f"mean (standard deviation over {run.experiment.seeds} seeds).",
        "",
        "concept  lambda   predicted      flow           predicted      SGD            SGD     overlap",
        "                  for the flow                  for SGD                       error",
    ]
    for row in run.summary["concepts"]:
        cells = [
            _cell(row[f"step_time_{source}"], unit) for source in ("theory", "flow", "theory-discrete", "sgd")
        ]
        error = row["sgd_step_time_error"]
        lines.append(
            f"{row['concept']:>7}  {row['eigenvalue']:<7.1f}  "
            + "  ".join(f"{cell:<13}" for cell in cells)
            + f"  {'-' if error is None else f'{error:.1%}':<6}  {row['overlap_with_eigenvector']:.3f}"
        )
        words = " ".join(row["positive_words"][:5]), " ".join(row["negative_words"][:5])
        lines.append(f"{'':>9}{words[0]}  <->  {words[1]}")
    return lines


def _cell(moments: dict[str, float | None], unit: float) -> str:
    mean, deviation = moments["mean"], moments["standard_deviation"]
    if mean is None or deviation is None:
        return "not reached"
    return f"{mean / unit:.3f} ({deviation / unit:.3f})"


def _verdict(run: "Run") -> list[str]:
    summary, first = run.summary, run.summary["first_modes"]
    flow = summary["flow_against_exact"]
    scales = ", ".join(f"{e:.0e} at scale {s}" for s, e in flow["by initial scale, eigenbasis flow"].items())
    error = summary["largest_sgd_step_time_error_of_first_modes"]
    return [
        f"Concepts learned by flow and every SGD seed: {summary['concepts_learned']}.",
        f"Flow against the exact solution, largest error of a singular value: "
        f"{flow['every seed, eigenbasis flow']:.0e} (eigenbasis), "
        f"{flow['first seed, dense flow']:.0e} (dense); {scales}.",
        f"SGD against prediction, first {first} concepts: step times off by at most "
        f"{'-' if error is None else f'{error:.1%}'} on average over seeds;",
        f"  leading {first} directions overlap with the eigenvectors by "
        f"{summary['subspace_overlap_of_first_modes']:.3f} (mean squared cosine).",
        f"A learned concept keeps its direction, first {first}, squared cosine to the end:",
        *(
            f"  {since}: " + ", ".join(f"{name} {number(value)}" for name, value in by.items())
            for since, by in summary["persistence_of_first_modes"].items()
        ),
    ]
