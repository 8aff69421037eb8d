"""The command line: `w2vflow demo`, `w2vflow count`."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from w2vflow.experiment import Experiment, Run, run_experiment
from w2vflow.storage import check_writable_folder

__all__ = ["main"]


@dataclass(frozen=True)
class Demo:
    """Show on counts of Wikipedia that word2vec learns one concept at a time, as predicted.

    Compares the closed form, the gradient flow and an ensemble of SGD runs, prints a table of the
    concepts and writes configuration, numbers and figures into a folder.
    """

    experiment: tyro.conf.OmitArgPrefixes[Experiment] = field(default_factory=Experiment)
    out: Path = Path("runs/demo")
    """Folder for the results."""


@dataclass(frozen=True)
class Count:
    """Count the co-occurrences of the most frequent words of text files, exactly."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Text: one document a line, or WikiExtractor output; plain, .gz, .bz2 or .xz."""
    out: Path
    """Statistics file to write, ending in .npz."""
    vocab_size: int = 10_000
    """How many words."""
    window: int = 16
    """Largest distance of a pair, in words of the vocabulary."""
    weighting: str = "linear"
    """Weight of a pair by its distance: linear, flat or harmonic."""
    min_document_words: int = 0
    """Leave out documents with fewer words."""
    source: str = ""
    """What the text is and its licence, kept in the file."""


def main() -> None:
    """Run the command line; exit code 2 where an argument or a file is bad."""
    command = tyro.cli(
        Annotated[
            Annotated[Demo, tyro.conf.subcommand("demo")] | Annotated[Count, tyro.conf.subcommand("count")],
            tyro.conf.arg(name=""),
        ],
        prog="w2vflow",
        description="When, in which order and as which subspaces word2vec learns its concepts.",
    )
    try:
        if isinstance(command, Demo):
            _demo(command)
        else:
            _count(command)
    except (ValueError, OSError) as error:
        print(f"w2vflow: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except RuntimeError as error:
        print(f"w2vflow: {error}", file=sys.stderr)
        raise SystemExit(1) from error


def _demo(command: Demo) -> None:
    import jax

    folder = check_writable_folder(command.out, "out")
    jax.config.update("jax_enable_x64", True)
    # One virtual device per core: the seeds are shared out over devices.
    jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, command.experiment.seeds))
    start = time.perf_counter()

    def log(stage: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {stage}", flush=True)

    run = run_experiment(command.experiment, log=log, progress=sys.stderr.isatty())
    log("figures and files")
    from w2vflow.figures import write_run

    paths = write_run(run, folder)
    print("\n".join(["", *_table(run), "", *_verdict(run), "", "Written:", *(f"  {path}" for path in paths)]))
    print(f"\nDone in {time.perf_counter() - start:.0f} s.")


def _count(command: Count) -> None:
    from w2vflow.corpus.cooccurrence import count

    if command.out.suffix != ".npz":
        raise ValueError(f"Argument `out` must be a file name ending in .npz, but got {command.out}.")
    check_writable_folder(command.out.parent, "out")
    stats = count(
        command.paths,
        vocab_size=command.vocab_size,
        window=command.window,
        weighting=command.weighting,
        min_document_words=command.min_document_words,
        source=command.source,
    )
    stats.save(command.out)
    print(f"{stats}\nWritten: {command.out} ({command.out.stat().st_size / 1e6:.2f} MB)")


def _table(run: Run) -> list[str]:
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


def _verdict(run: Run) -> list[str]:
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
            f"  {since}: " + ", ".join(f"{name} {_number(value)}" for name, value in by.items())
            for since, by in summary["persistence_of_first_modes"].items()
        ),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
