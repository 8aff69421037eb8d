"""`w2vflow run`: from a text or its counts to an interactive page; and studies of more than one problem."""

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from w2vflow.cli.ablation import RunAblation
from w2vflow.cli.console import Console, OptionalPath, Settings, one_line
from w2vflow.cli.findings import check_film, run_and_show, source_name
from w2vflow.cli.sources import Reader, Weighting, count_text, found_texts
from w2vflow.experiments.settings import Experiment
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    from w2vflow.support.plan import Plan

__all__ = ["Counting", "Run", "RunExperiment"]

# Words counted of a text, of which the run uses the most frequent.
_COUNTED = 10_000


@dataclass(frozen=True)
class Counting:
    """How a text is counted; of a file of counts nothing of this applies."""

    tokens: str = "auto"
    """auto (latin; unicode where the text has other letters), latin (a-z of the lower-cased text), unicode
    (letters of any script), or a regular expression."""
    window: int = 16
    """Largest distance of a pair, in words."""
    weighting: Weighting = "linear"
    """Weight of a pair at distance r: window + 1 - r, 1/r or 1."""
    min_count: int = 5
    """Only words that occur as often; of a text of a few pages, fewer: 2 or 3."""
    min_document_words: int = 0
    """Leave out documents with fewer words."""
    reader: Reader = "auto"
    """How files split into documents; auto looks into them: lines, or paragraphs of wrapped lines."""


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
    """Also write a film of the words as they part, figures/learning.mp4 (.gif where there is no ffmpeg)."""
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
        from w2vflow.corpus.catalog import open_statistics

        check_film(self.experiment, self.film)
        if counted:
            texts = found_texts(self.source, self.counting.reader, fetching=True)
            return self._run_text(texts, out, console)
        counts = self.source[0] if self.source else self.experiment.statistics
        # Before anything is left behind: are there such counts?
        open_statistics(counts)
        experiment = replace(self.experiment, statistics=counts)
        run_and_show(experiment, console.folder(out), console, film=self.film)

    def _run_text(self, texts: list[str], out: Path, console: Console) -> None:
        """Count, then run; what an earlier run left in the folder stays until the new one is whole."""
        folder, there = console.folder(out), out / "counts-new.npz"
        experiment = replace(self.experiment, statistics=str(folder / "counts.npz"))
        try:
            console("counts of the text")
            size = max(_COUNTED, experiment.vocab_size)
            count_text(texts, there, console, vocab_size=size, **asdict(self.counting))
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
        from w2vflow.corpus.catalog import bundled_names

        if not self.source and self.output.config is None and self.experiment == Experiment():
            raise argument_error(
                "source",
                "a text, or counts",
                "none",
                "`w2vflow demo` takes counts of Wikipedia that come along.",
            )
        known = [path for path in self.source if path in bundled_names() or path.endswith(".npz")]
        if known and len(self.source) > 1:
            raise argument_error(
                "source", "text, or one file of counts", f"{known[0]} and others", "Count texts together."
            )
        return bool(self.source) and not known

    def _plan(self, counted: bool) -> "Plan":
        from w2vflow.experiments.cost import RATES, plan_count, plan_experiment

        if not counted:
            counts = self.source[0] if self.source else self.experiment.statistics
            return plan_experiment(replace(self.experiment, statistics=counts))
        from w2vflow.corpus.counting.sizes import text_bytes

        texts = found_texts(self.source, self.counting.reader, fetching=False)
        # Of a text no more is known than how many words it may have.
        bytes_known = text_bytes([*texts], self.counting.reader)
        most = self.experiment.vocab_size
        if bytes_known:
            most = min(
                most, max(self.experiment.dim, int(bytes_known / RATES.word / self.counting.min_count))
            )
        count = plan_count(texts, self.counting.reader, _COUNTED, self.counting.window)
        return count.then(plan_experiment(self.experiment, vocab_size=most))


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
