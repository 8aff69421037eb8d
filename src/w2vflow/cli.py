"""The command line: `w2vflow demo`, `count`, `datasets`."""

import os
import sys
import textwrap
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from w2vflow.experiment import Experiment
from w2vflow.storage import check_writable_folder

if TYPE_CHECKING:
    from w2vflow.run import Run

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
    """Count the co-occurrences of the words of some text, exactly, in bounded memory.

    A count that is killed goes on where it stopped when the same command is given again.
    """

    paths: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders, patterns, - for standard input, or names of `w2vflow datasets`."""
    out: Path
    """Statistics file to write, ending in .npz."""
    vocab_size: int | None = None
    """How many words, the most frequent."""
    min_count: int | None = None
    """Or all words that occur as often. 10,000 words where neither is given."""
    window: int = 16
    """Largest distance of a pair, in words."""
    weighting: Literal["linear", "harmonic", "flat"] = "linear"
    """Weight of a pair at distance r: window + 1 - r, 1/r or 1."""
    out_of_vocabulary: Literal["before", "after"] = "before"
    """Whether other words leave before or after windows are laid."""
    min_document_words: int = 0
    """Leave out documents with fewer words."""
    tokens: str = "latin"
    """latin (a-z of the lower-cased text), unicode (letters of any script), or a regular expression."""
    subsampling: Literal["none", "expected", "sampled"] = "none"
    """Thin out frequent words: not, in expectation, or by chance."""
    subsample_threshold: float = 1e-4
    """Frequency above which words are thinned out."""
    seed: int = 0
    """Of sampled subsampling."""
    reader: Literal["auto", "lines", "paragraphs", "wikiextractor", "mediawiki", "parquet", "dataset"] = (
        "auto"
    )
    """How files split into documents; auto looks at endings and first bytes."""
    column: str | None = None
    """Of Parquet files and datasets."""
    bad_utf8: Literal["replace", "error"] = "replace"
    """What to do with bytes that are not UTF-8."""
    source: str = ""
    """What the text is and its licence, kept in the file."""
    memory: str = "4GB"
    """About how much to use, beside 200 MB for each process."""
    workers: int | None = None
    """Processes; as many as cores where not given."""
    dry_run: bool = False
    """Say what it would take, and stop."""


@dataclass(frozen=True)
class Datasets:
    """List statistics and corpora by name, with size, licence, and whether they are at hand."""


def main() -> None:
    """Run the command line; exit code 2 where an argument or a file is bad."""
    command = tyro.cli(
        Annotated[Demo, tyro.conf.subcommand("demo")]
        | Annotated[Count, tyro.conf.subcommand("count")]
        | Annotated[Datasets, tyro.conf.subcommand("datasets")],
        prog="w2vflow",
        description="When, in which order and as which subspaces word2vec learns its concepts.",
    )
    try:
        if isinstance(command, Demo):
            _demo(command)
        elif isinstance(command, Count):
            _count(command)
        else:
            _datasets()
    except (ValueError, OSError, ImportError) as error:
        print(f"w2vflow: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except RuntimeError as error:
        print(f"w2vflow: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        print("w2vflow: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def _demo(command: Demo) -> None:
    import jax

    from w2vflow.run import run_experiment

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
    from w2vflow.corpus.cooccurrence import count_to_file
    from w2vflow.corpus.downloads import fetch, known
    from w2vflow.corpus.plan import estimate
    from w2vflow.countfile import CountFile

    if command.out.suffix != ".npz":
        raise ValueError(f"Argument `out` must be a file name ending in .npz, but got {command.out}.")
    names = {corpus.name for corpus in known()}
    shown = sys.stderr.isatty()
    settings = asdict(command)
    for name in ("paths", "out", "dry_run"):
        settings.pop(name)
    if command.vocab_size is None and command.min_count is None:
        settings["vocab_size"] = 10_000
    paths = [
        str(fetch(path, progress=shown)) if path in names and not Path(path).exists() else path
        for path in command.paths
    ]
    if command.dry_run:
        print(
            "\n".join(
                estimate(paths, command.reader, settings["vocab_size"], command.window, command.workers)
            )
        )
        return
    check_writable_folder(command.out.parent, "out")
    start = time.perf_counter()
    count_to_file(paths, command.out, progress=shown, **settings)
    file = CountFile(command.out)
    tokens = file.metadata["corpus_tokens"]
    seconds = time.perf_counter() - start
    print(
        f"{tokens:,} tokens in {file.metadata['corpus_documents']:,} documents, "
        f"{file.metadata['corpus_distinct_words']:,} distinct words; {len(file.words):,} words and "
        f"{file.pairs:,} pairs counted in {seconds:.1f} s ({tokens / seconds:,.0f} tokens a second)."
    )
    print(f"Written: {command.out} ({command.out.stat().st_size / 1e6:.2f} MB)")


def _datasets() -> None:
    from w2vflow.corpus.catalog import entries

    print(f"{'name':<18}{'kind':<12}{'MB':>8}  {'licence':<22}{'at hand':<9}what it is")
    for entry in entries():
        size = "?" if entry.size is None else f"{entry.size / 1e6:.1f}"
        at_hand = "yes" if entry.at_hand else "no"
        text = textwrap.shorten(entry.description, 60, placeholder=" ...")
        print(f"{entry.name:<18}{entry.kind:<12}{size:>8}  {entry.licence:<22}{at_hand:<9}{text}")
    print("wikipedia-LANGUAGE-DATE names a dump, such as wikipedia-simple-20260901.")


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
            f"  {since}: " + ", ".join(f"{name} {_number(value)}" for name, value in by.items())
            for since, by in summary["persistence_of_first_modes"].items()
        ),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
