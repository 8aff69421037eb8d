"""`w2vflow run`: an experiment on a text or its counts, or a study, and the folder of its results."""

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import w2vflow as wf
from w2vflow.cli.ablation import RunAblation
from w2vflow.cli.console import (
    Console,
    OptionalPath,
    Settings,
    number,
    on_terminal,
    one_line,
    percent,
    set_up_jax,
)
from w2vflow.cli.sources import TextOptions, count_text, found_texts
from w2vflow.experiments import Experiment
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words
from w2vflow.support.plan import Plan

__all__ = ["Counting", "Run", "RunExperiment", "check_film", "run_and_show", "source_name", "write_page"]

# Words counted of a text, of which the run uses the most frequent.
_COUNTED = 10_000
# Of names of texts and counts.
_ENDINGS = (
    *(".txt", ".text", ".md", ".rst", ".tex", ".xml", ".npz", ".parquet", ".jsonl", ".json", ".csv", ".tsv"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip"),
)


@dataclass(frozen=True)
class Counting(TextOptions):
    """How a text is counted; of a file of counts nothing of this applies."""

    min_count: int = 5
    """Only words that occur as often; of a text of a few pages, fewer: 2 or 3."""


@dataclass(frozen=True)
class RunExperiment:
    """Show how word2vec learns a text: closed form, gradient flow and SGD, and a page to explore them.

    The text is counted first, into counts.npz of the folder. From your own text to the page:

        w2vflow run my-text.txt
        w2vflow run my-texts/ --tokens unicode --dim 8 --out runs/mine

    The folder holds config.json, which reruns it to the same numbers, and summary.json with every number:

        w2vflow run --config runs/mine/config.json --out runs/again

    `w2vflow run ablation --help` tells of a study: each approximation of the theory lifted alone.
    """

    source: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="SOURCE ...")]] = ()
    """Text (files, folders, patterns, -), a file of counts, or a name of `w2vflow datasets`."""
    out: OptionalPath = None
    """Folder for the results; runs/my-text of my-text.txt."""
    film: bool = False
    """Also write a film of the words as they part, figures/learning.mp4 (.gif without ffmpeg)."""
    experiment: tyro.conf.OmitArgPrefixes[Experiment] = field(default_factory=Experiment)
    counting: tyro.conf.OmitArgPrefixes[Counting] = field(default_factory=Counting)
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Count if need be, run, write the results and print the table of concepts."""
        console = self.output.console()
        name = source_name(self.source[0] if self.source else self.experiment.statistics)
        out = self.out or Path("runs") / name
        counted = self._is_text()
        if self.output.dry_run:
            return console.plan(self._plan(counted), out)
        check_film(self.experiment, self.film)
        if counted:
            texts = found_texts(self.source, self.counting.reader, fetching=True)
            return self._run_text(texts, out, console)
        counts = self.source[0] if self.source else self.experiment.statistics
        # Before anything is left behind: are there such counts?
        wf.corpus.open_statistics(counts)
        experiment = replace(self.experiment, statistics=counts)
        run_and_show(experiment, console.folder(out), console, film=self.film)

    def _run_text(self, texts: list[str], out: Path, console: Console) -> None:
        """Count, then run; what an earlier run left in the folder stays until the new one is whole."""
        folder, there = console.folder(out), out / "counts-new.npz"
        experiment = replace(self.experiment, statistics=str(folder / "counts.npz"))
        try:
            console("counts of the text")
            size = max(_COUNTED, experiment.vocab_size)
            given = asdict(self.counting)
            names = ("min_count", "reader", "column", "encoding")
            words = {"vocab_size": size, **{name: given.pop(name) for name in names}}
            count_text(texts, there, console, wf.corpus.CountingRule(**given), **words)
            run_and_show(experiment, folder, console, film=self.film, counted=there)
        except ValueError:
            # Of bad input nothing is left behind; a count that was interrupted goes on.
            shutil.rmtree(f"{there}.work", ignore_errors=True)
            raise
        finally:
            there.unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()

    def _is_text(self) -> bool:
        """Return whether the source is text, still to be counted."""
        if not self.source and self.output.config is None and self.experiment == Experiment():
            remedy = "`w2vflow demo` takes counts of Wikipedia that come along."
            raise argument_error("source", "a text, or counts", "none", remedy)
        known = [path for path in self.source if path in wf.corpus.bundled_names() or path.endswith(".npz")]
        if known and len(self.source) > 1:
            got = f"{known[0]} and others"
            raise argument_error("source", "text, or one file of counts", got, "Count texts together.")
        return bool(self.source) and not known

    def _plan(self, counted: bool) -> Plan:
        if not counted:
            counts = self.source[0] if self.source else self.experiment.statistics
            return wf.experiments.plan_experiment(replace(self.experiment, statistics=counts))
        texts = found_texts(self.source, self.counting.reader, fetching=False)
        # Of a text no more is known than how many words it may have.
        most = self.experiment.vocab_size
        if known := wf.corpus.text_bytes([*texts], self.counting.reader):
            words = int(known / wf.experiments.RATES.word / self.counting.min_count)
            most = min(most, max(self.experiment.dim, words))
        count = wf.experiments.plan_count(texts, self.counting.reader, _COUNTED, self.counting.window)
        return count.then(wf.experiments.plan_experiment(self.experiment, vocab_size=most))


@dataclass(frozen=True)
class Run:
    """Run an experiment on a text or its counts, or a study, and write what was found into a folder.

    `w2vflow run SOURCE ...` is short for `w2vflow run experiment SOURCE ...`.
    """

    study: tyro.conf.OmitSubcommandPrefixes[
        tyro.conf.OmitArgPrefixes[
            Annotated[RunExperiment, tyro.conf.subcommand("experiment", description=one_line(RunExperiment))]
            | Annotated[RunAblation, tyro.conf.subcommand("ablation", description=one_line(RunAblation))]
        ]
    ]

    def run(self) -> None:
        """Run it."""
        self.study.run()


def source_name(source: str) -> str:
    """Return the name of a run: its source without folder and ending.

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
    """Raise `ValueError` if a film is asked for without positions of words along two concepts."""
    if film and (experiment.cloud_words == 0 or experiment.dim < 2):
        got = f"`cloud_words` {experiment.cloud_words} and `dim` {experiment.dim}"
        raise argument_error("film", "asked for with `cloud_words` above 0 and `dim` of 2 or more", got)


def run_and_show(
    experiment: Experiment, folder: Path, console: Console, *, film: bool, counted: Path | None = None
) -> None:
    """Run an experiment, write its files, a film too if asked for, into a folder and print what was found.

    Counts just made lie at `counted` until the run is whole; then they go to where its settings say.
    """
    check_film(experiment, film)
    set_up_jax()
    stats = None if counted is None else wf.load_statistics(str(counted))
    run = wf.experiments.run_experiment(experiment, stats=stats, log=console, progress=on_terminal())
    console("figures and files")
    if counted is not None:
        counted.replace(experiment.statistics)
    paths, page = wf.experiments.write_run(run, folder), folder / "report.html"
    # That of an earlier run would be taken for one of this.
    page.unlink(missing_ok=True)
    paths += wf.experiments.draw_run(run, folder)
    last = "There is no page of it, because `cloud_words` is 0."
    if run.cloud is not None:
        paths.append(page)
        write_page(page, run, source_name(experiment.statistics))
        last = f"Open {page} in a browser."
        if film:
            console("film")
            path = folder / "figures" / "learning.mp4"
            paths.append(wf.plotting.animate_learning(path, run.cloud, run.comparison))
    lines = ["", *_table(run), "", *_verdict(run)]
    console.result(lines, {"folder": str(folder), **run.summary}, paths, last)


def write_page(path: Path, run: "wf.experiments.Run | wf.experiments.SavedRun", title: str) -> None:
    """Write the interactive page of a run."""
    settings = run.summary["experiment"]
    wf.write_report(path, run.comparison, run.cloud, run.features, title=title, configuration=settings)


def _table(run: "wf.experiments.Run") -> list[str]:
    """Return the table of concepts, times in units of the first predicted step."""
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


def _verdict(run: "wf.experiments.Run") -> list[str]:
    summary, first = run.summary, run.summary["first_modes"]
    flow = summary["flow_against_exact"]
    scales = ", ".join(f"{e:.0e} at scale {s}" for s, e in flow["by initial scale, eigenbasis flow"].items())
    error = percent(summary["largest_sgd_step_time_error_of_first_modes"])
    return [
        f"Concepts learned by flow and every SGD seed: {summary['concepts_learned']}.",
        f"Flow against the exact solution, largest error of a singular value: "
        f"{flow['every seed, eigenbasis flow']:.0e} (eigenbasis), "
        f"{flow['first seed, dense flow']:.0e} (dense); {scales}.",
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
