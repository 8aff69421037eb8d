"""What the commands that run an experiment share: the options, the table of concepts, the files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from w2vflow.cli.console import Console, number, on_terminal, use_float64
from w2vflow.experiments.settings import Experiment
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    from w2vflow.experiments.run import Run

__all__ = ["check_film", "run_and_show", "source_name"]

# What names of texts and counts end in.
_ENDINGS = tuple(
    f".{kind}"
    for kind in ("txt", "md", "rst", "tex", "gz", "bz2", "xz", "zst", "zip", "npz", "xml", "parquet", "text")
)


def source_name(source: str) -> str:
    """Return what to call a run: its source without folder and ending.

    Example:
        >>> [source_name(path) for path in ("my-text.txt.gz", "runs/my-text/counts.npz", "Dr. Moreau.txt")]
        ['my-text', 'my-text', 'Dr. Moreau']
    """
    path = Path(source)
    # Where counts.npz lies in the folder of a run, that name says more.
    name = (path.parent.name if path.name == "counts.npz" else "") or path.name
    while name.lower().endswith(_ENDINGS):
        name = name.rpartition(".")[0]
    plain = "".join(c for c in name if c.isalnum() or c in "-_. ")
    return plain.strip("-_. ") or "text"


def check_film(experiment: Experiment, film: bool) -> None:
    """Raise where a film is asked for of nothing.

    Raises:
        ValueError: a film without positions of words along two concepts.
    """
    if film and (experiment.cloud_words == 0 or experiment.dim < 2):
        got = f"`cloud_words` {experiment.cloud_words} and `dim` {experiment.dim}"
        raise argument_error("film", "asked for with `cloud_words` above 0 and `dim` of 2 or more", got)


def run_and_show(
    experiment: Experiment, folder: Path, console: Console, *, film: bool, counted: Path | None = None
) -> None:
    """Run an experiment, write its files into a folder and print what was found.

    Args:
        experiment: the settings.
        folder: for the results.
        console: where stages and results go.
        film: also write the film of the cloud.
        counted: where the counts are until the run is whole; then they go to where its settings say.

    Raises:
        ValueError: a film without positions of words along two concepts.
    """
    check_film(experiment, film)
    use_float64()
    from w2vflow.corpus.catalog import load_statistics
    from w2vflow.experiments.run import run_experiment

    stats = None if counted is None else load_statistics(str(counted))
    run = run_experiment(experiment, stats=stats, log=console, progress=on_terminal())
    console("figures and files")
    if counted is not None:
        counted.replace(experiment.statistics)
    from w2vflow.experiments.figures import draw_run
    from w2vflow.experiments.run_folder import write_run

    paths = [*write_run(run, folder), *draw_run(run, folder)]
    last = "There is no page of it, because `cloud_words` is 0."
    if run.cloud is not None:
        from w2vflow.report.page import write_report

        page = folder / "report.html"
        configuration = run.summary["experiment"]
        paths.append(
            write_report(
                page,
                run.comparison,
                run.cloud,
                run.features,
                title=source_name(experiment.statistics),
                configuration=configuration,
            )
        )
        last = f"Open {page} in a browser."
        if film:
            console("film")
            from w2vflow.plotting.animation import animate_learning

            paths.append(animate_learning(folder / "figures" / "learning.mp4", run.cloud, run.comparison))
    lines = ["", *_table(run), "", *_verdict(run)]
    console.result(lines, {"folder": str(folder), **run.summary}, paths, last)


def _table(run: "Run") -> list[str]:
    """Return the table of concepts, times in units of the first predicted step."""
    unit, seeds = float(np.nanmean(run.comparison.step_times["theory"][:, 0])), run.experiment.seeds
    lines = [
        f"Step times in units of t_1 = {unit:.5g}: mean (standard deviation over {seeds} seeds).",
        "",
        "concept  lambda   predicted      flow           predicted      SGD            SGD     overlap",
        "                  for the flow                  for SGD                       error",
    ]
    for row in run.summary["concepts"]:
        cells = [
            _cell(row[f"step_time_{source}"], unit, seeds)
            for source in ("theory", "flow", "theory-discrete", "sgd")
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


def _cell(moments: dict[str, float | None], unit: float, seeds: int) -> str:
    mean, deviation, learned = (moments[name] for name in ("mean", "standard_deviation", "seeds"))
    if mean is None or deviation is None or learned is None:
        return "not reached"
    spread = f"{deviation / unit:.3f}" if learned == seeds else f"{learned} of {seeds}"
    return f"{mean / unit:.3f} ({spread})"


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
