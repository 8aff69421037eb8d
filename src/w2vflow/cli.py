"""The command line: `w2vflow demo`, `run`, `count`, `datasets`."""

import sys
import textwrap
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from w2vflow.experiment import Ablation, Experiment
from w2vflow.storage import check_writable_folder

if TYPE_CHECKING:
    from w2vflow.ablation import AblationRun
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
class Study:
    """Run a study and write its settings, numbers and figures into a folder.

    ablation: what the approximations of the theory cost. Closed form, gradient flow and SGD of the
    quartic and the logistic loss, at constant G and with word2vec's own weights.
    """

    study: tyro.conf.Positional[Literal["ablation"]]
    """Which one."""
    settings: tyro.conf.OmitArgPrefixes[Ablation] = field(default_factory=Ablation)
    out: Path = Path("runs/ablation")
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
        | Annotated[Study, tyro.conf.subcommand("run")]
        | Annotated[Count, tyro.conf.subcommand("count")]
        | Annotated[Datasets, tyro.conf.subcommand("datasets")],
        prog="w2vflow",
        description="When, in which order and as which subspaces word2vec learns its concepts.",
    )
    try:
        if isinstance(command, Demo):
            _demo(command)
        elif isinstance(command, Study):
            _study(command)
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
    folder, log = _ready(command.out)
    from w2vflow.run import run_experiment

    run = run_experiment(command.experiment, log=log, progress=sys.stderr.isatty())
    log("figures and files")
    from w2vflow.figures import write_run

    paths = write_run(run, folder)
    _report([*_table(run), "", *_verdict(run)], paths, log)


def _study(command: Study) -> None:
    folder, log = _ready(command.out)
    from w2vflow.ablation import run_ablation

    run = run_ablation(command.settings, log=log, progress=sys.stderr.isatty())
    log("figures and files")
    from w2vflow.figures import write_ablation

    paths = write_ablation(run, folder)
    _report(_cells(run), paths, log)


def _ready(out: Path) -> tuple[Path, "_Log"]:
    """Return the folder for results, after a check that it can be written, and a log; set JAX up."""
    import jax

    folder = check_writable_folder(out, "out")
    jax.config.update("jax_enable_x64", True)
    return folder, _Log(time.perf_counter())


def _report(lines: list[str], paths: list[Path], log: "_Log") -> None:
    print("\n".join(["", *lines, "", "Written:", *(f"  {path}" for path in paths)]))
    print(f"\nDone in {log.seconds:.0f} s.")


@dataclass(frozen=True)
class _Log:
    """Prints the stages of a run with the time since its start."""

    start: float

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def __call__(self, stage: str) -> None:
        print(f"[{self.seconds:5.1f} s] {stage}", flush=True)


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


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _cells(run: "AblationRun") -> list[str]:
    """Return a block of lines for each cell: how far flow and SGD are from its closed form."""
    cells = run.summary["cells"]
    first = next(iter(cells.values()))["measured"]
    lines = [
        f"Against the closed form for the M* of each cell, first {first} concepts; flow of one seed, SGD of",
        f"{run.ablation.seeds} seeds on average. The clock is the median of t / t predicted: one for all.",
    ]
    for loss_and_weights, cell in cells.items():
        ipr = cell["eigenvalue_times_ipr"][:first]
        flow, sgd = (_measures(cell[source], first) for source in ("flow", "sgd"))
        lines += [
            "",
            "{} loss, {} weights".format(*loss_and_weights.split("-")),
            f"  {'':<44}{'flow':<18}SGD",
            *(f"  {label:<44}{one:<18}{other}" for (label, one), (_, other) in zip(flow, sgd, strict=True)),
            *(
                f"  t / t predicted of each concept, {name}: "
                + " ".join("-" if r is None else f"{r:.2f}" for r in cell[source]["half_of_lambda"]["ratios"])
                for source, name in (("flow", "flow"), ("sgd", "SGD"))
            ),
            f"  lambda IPR {min(ipr):.2f} .. {max(ipr):.2f}; SGD in {cell['steps']:,} steps of "
            f"{cell['batch_size']:,} pairs, stability limit {cell['stability_limit']:.3g}",
        ]
    return lines


def _measures(found: dict[str, Any], first: int) -> list[tuple[str, str]]:
    """Return what is shown of the flow or of SGD in a cell, with labels."""
    shown = []
    for what, key in (("half of lambda", "half_of_lambda"), ("half of its end", "half_of_own_end")):
        clock, largest = found[key], _percent(found[key]["largest_error_on_own_clock"])
        of = "" if clock["reached"] == first else f", {clock['reached']} of {first}"
        shown += [
            (f"step time, s^2 at {what}: off by", _percent(clock["mean_error"]) + of),
            ("  clock", _number(clock["clock"])),
            (
                "  off on that clock (largest)",
                f"{_percent(clock['mean_error_on_own_clock'])} ({largest})",
            ),
        ]
    final, halfway = found["final_over_lambda"][:first], max(1, first // 2)
    shown.append(("final s^2 / lambda", f"{min(final):.3f} .. {max(final):.3f}"))
    for whose, key in (("its own M*", "overlap_with_own"), ("the M* of Uniform", "overlap_with_Uniform")):
        overlaps = found[key]
        shown.append(
            (
                f"overlap with {whose}, first {halfway} / {first}",
                f"{overlaps[halfway - 1]:.3f} / {overlaps[first - 1]:.3f}",
            )
        )
    return shown


if __name__ == "__main__":
    main()
