"""`w2vflow run`: an experiment on a text or its counts, or a study, and the folder of its results."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

import w2vflow as wf
from w2vflow.cli.ablation import RunAblation
from w2vflow.cli.console import (
    Console,
    OptionalPath,
    Settings,
    on_terminal,
    one_line,
    set_up_jax,
)
from w2vflow.cli.findings import concept_table, verdict
from w2vflow.cli.folders import (
    forget_counts,
    free_folder,
    holds,
    holds_counts,
    is_whole,
    remember_counts,
    text_key,
)
from w2vflow.cli.sources import TextOptions, count_text, found_texts
from w2vflow.experiments import Experiment
from w2vflow.support.checks import argument_error
from w2vflow.support.plan import Plan

__all__ = [
    "Counting",
    "Extras",
    "Run",
    "RunExperiment",
    "check_film",
    "run_into",
    "source_name",
    "write_page",
]

# Of sources still to come.
_NAMES = {"flow": "the gradient flow", "sgd": "SGD"}
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
class Extras:
    """What is made of a run beside its numbers and its page."""

    figures: bool = False
    """Also draw figures for a text, figures/*.png and .svg."""
    film: bool = False
    """Also write a film of the words as they part, figures/learning.mp4 (.gif without ffmpeg)."""
    verify: bool = False
    """Also check this package: the flow in the basis of the words and at `--flow-scales`."""


@dataclass(frozen=True)
class RunExperiment:
    """Show how word2vec learns a text: closed form, gradient flow and SGD, and a page to explore them.

    The page is there to open as soon as the closed form is; flow and SGD are added as they come, and Ctrl-C
    keeps what is finished. From your own text to the page:

        w2vflow run my-text.txt
        w2vflow run my-texts/ --tokens unicode --dim 8 --out runs/mine

    The folder holds config.json, which reruns it to the same numbers, and summary.json with every number:

        w2vflow run --config runs/mine/config.json --out runs/again

    `w2vflow run ablation --help` tells of a study: each approximation of the theory lifted alone.
    """

    source: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="SOURCE ...")]] = ()
    """Text (files, folders, patterns, -), a file of counts, or a name of `w2vflow datasets`."""
    out: OptionalPath = None
    """Folder for the results; runs/my-text of my-text.txt, my-text-2 if that holds another run."""
    extras: tyro.conf.OmitArgPrefixes[Extras] = field(default_factory=Extras)
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
        check_film(self.experiment, self.extras)
        if counted:
            texts = found_texts(self.source, self.counting.reader, fetching=True)
            return self._run_text(texts, out, console)
        counts = self.source[0] if self.source else self.experiment.statistics
        experiment = replace(self.experiment, statistics=counts)
        run_into(experiment, wf.load_statistics(counts), out, self.extras, console)

    def _run_text(self, texts: list[str], out: Path, console: Console) -> None:
        """Count, unless that was done, then run."""
        given = asdict(self.counting)
        words = {name: given.pop(name) for name in ("min_count", "reader", "column", "encoding")}
        words["vocab_size"] = max(_COUNTED, self.experiment.vocab_size)
        key = text_key(texts, {**given, **words})
        folder = free_folder(out, lambda place: holds_counts(place, key) and holds(place, self.experiment))
        console.taken(out, folder)
        there = console.folder(folder) / "counts.npz"
        try:
            if holds_counts(folder, key):
                console(f"counts of the text: those in {folder}, which are of the same text")
            else:
                console("counts of the text")
                count_text(texts, there, console, wf.corpus.CountingRule(**given), **words)
                remember_counts(folder, key)
            run_and_show(
                replace(self.experiment, statistics=str(there)),
                wf.load_statistics(str(there)),
                folder,
                self.extras,
                console,
            )
        except ValueError:
            # Of bad input nothing is left behind; a count that was interrupted goes on.
            if not (folder / "config.json").is_file():
                shutil.rmtree(f"{there}.work", ignore_errors=True)
                forget_counts(folder)
                if not any(folder.iterdir()):
                    folder.rmdir()
            raise

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
            experiment = replace(self.experiment, statistics=counts)
            return wf.experiments.plan_experiment(experiment, verified=self.extras.verify)
        texts = found_texts(self.source, self.counting.reader, fetching=False)
        # Of a text no more is known than how many words it may have.
        most = self.experiment.vocab_size
        if known := wf.corpus.text_bytes([*texts], self.counting.reader):
            words = int(known / wf.experiments.RATES.word / self.counting.min_count)
            most = min(most, max(self.experiment.dim, words))
        count = wf.experiments.plan_count(texts, self.counting.reader, _COUNTED, self.counting.window)
        verified = self.extras.verify
        return count.then(wf.experiments.plan_experiment(self.experiment, vocab_size=most, verified=verified))


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


def check_film(experiment: Experiment, extras: Extras) -> None:
    """Raise `ValueError` if a film is asked for without positions of words along two concepts."""
    if extras.film and (experiment.cloud_words == 0 or experiment.dim < 2):
        got = f"`cloud_words` {experiment.cloud_words} and `dim` {experiment.dim}"
        raise argument_error("film", "asked for with `cloud_words` above 0 and `dim` of 2 or more", got)


def run_into(
    experiment: Experiment, stats: "wf.CooccurrenceStatistics", out: Path, extras: Extras, console: Console
) -> None:
    """Run an experiment on counts at hand into a folder, or the next that holds no other run, and show it."""
    digest = stats.most_frequent(min(experiment.vocab_size, stats.vocab_size)).sha256
    folder = free_folder(out, lambda place: holds(place, experiment, digest))
    console.taken(out, folder)
    run_and_show(experiment, stats, console.folder(folder), extras, console)


def run_and_show(
    experiment: Experiment,
    stats: "wf.CooccurrenceStatistics",
    folder: Path,
    extras: Extras,
    console: Console,
) -> None:
    """Run an experiment, write page and files after each stage, and print what was found.

    What a whole run of the same settings left in the folder stays until this one is whole.
    """
    check_film(experiment, extras)
    set_up_jax()
    page, kept, paths = folder / "report.html", is_whole(folder), []
    stages = wf.experiments.experiment_stages(experiment, stats=stats, log=console, progress=on_terminal())
    for run in stages:
        pending = [name for name in _NAMES if name not in run.comparison.trajectories]
        if pending and kept:
            continue
        paths = wf.experiments.write_run(run, folder)
        if run.cloud is None:
            # That of an earlier run would be taken for one of this.
            page.unlink(missing_ok=True)
        else:
            paths.append(page)
            write_page(page, run, source_name(experiment.statistics), pending)
            if pending:
                console(f"{page} is there to open; to come: {' and '.join(map(_NAMES.__getitem__, pending))}")
    if extras.verify:
        run = wf.experiments.verify_flow(run, stats=stats, log=console)
        wf.experiments.write_run(run, folder)
    if extras.figures:
        console("figures")
        paths += wf.experiments.draw_run(run, folder)
    if extras.film and run.cloud is not None:
        console("film")
        paths.append(
            wf.plotting.animate_learning(folder / "figures" / "learning.mp4", run.cloud, run.comparison)
        )
    last = f"Open {page} in a browser."
    if run.cloud is None:
        last = "There is no page of it, because `cloud_words` is 0."
    if not extras.figures:
        again = f"w2vflow run --config {folder / 'config.json'} --out {folder} --figures"
        last = f"Figures for a text: {again}\n{last}"
    lines = ["", *concept_table(run), "", *verdict(run)]
    console.result(lines, {"folder": str(folder), **run.summary}, paths, last)


def write_page(
    path: Path,
    run: "wf.experiments.Run | wf.experiments.SavedRun",
    title: str,
    pending: Sequence[str] = (),
) -> None:
    """Write the interactive page of a run, which says what is still being computed."""
    wf.write_report(
        path,
        run.comparison,
        run.cloud,
        run.features,
        start=run.start,
        title=f"What word2vec learned from {title}, step by step",
        configuration=run.summary["experiment"],
        pending=pending,
    )
