"""`w2vflow count`: co-occurrences of a text."""

import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

import w2vflow as wf
from w2vflow.cli.console import Console, OptionalInt, Settings
from w2vflow.cli.sources import TextOptions, count_text, found_texts
from w2vflow.support.checks import argument_error
from w2vflow.support.plan import Plan

__all__ = ["Count"]

# Fields that are no settings of the count.
_OTHERS = ("paths", "out", "text", "output")


@dataclass(frozen=True)
class Count:
    """Count the co-occurrences of the words of some text, exactly, in bounded memory.

    The file is all that everything else here needs of the text:

        w2vflow count my-texts/ --vocab-size 3000 --out counts.npz
        w2vflow run counts.npz

    A count that is killed goes on where it stopped when the same command is given again.
    """

    paths: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH ...")]]
    """Files, folders, patterns, - for standard input, or names of `w2vflow datasets`."""
    out: Path
    """Statistics file to write, ending in .npz."""
    vocab_size: OptionalInt = 10_000
    """At most so many words, the most frequent; None: all. 2,000 are a minute's run."""
    min_count: OptionalInt = None
    """Only words that occur as often."""
    out_of_vocabulary: Literal["before", "after"] = "before"
    """Whether other words leave before or after windows are laid."""
    directions: Literal["both", "left", "right"] = "both"
    """Count contexts on both sides of a word, or on one alone; runs and spectra take both."""
    subsampling: Literal["none", "expected", "sampled"] = "none"
    """Thin out frequent words: not, in expectation, or by chance."""
    subsample_threshold: float = 1e-4
    """Frequency above which words are thinned out."""
    seed: int = 0
    """Of sampled subsampling."""
    bad_utf8: Literal["replace", "error"] = "replace"
    """What to do with bytes that the encoding does not have."""
    source: str = ""
    """What the text is and its licence, kept in the file."""
    memory: str = "4GB"
    """How much the whole process may use, as 512MB or 4GB."""
    workers: OptionalInt = None
    """Threads; as many as cores by default."""
    text: tyro.conf.OmitArgPrefixes[TextOptions] = field(default_factory=TextOptions)
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Count and write the file, or print what it would take."""
        console = self.output.console()
        if not self.paths:
            remedy = "Name a file, or - for standard input."
            raise argument_error("paths", "at least one text", "none", remedy)
        if self.out.suffix != ".npz":
            raise argument_error("out", "a file name ending in .npz", self.out)
        texts = found_texts(self.paths, self.text.reader, fetching=not self.output.dry_run)
        if self.output.dry_run:
            return console.plan(self._plan(texts), self.out.parent)
        console.folder(self.out.parent)
        start = time.perf_counter()
        count_text(texts, self.out, console, **self._settings())
        self._show(console, time.perf_counter() - start)

    def _plan(self, texts: list[str]) -> Plan:
        given = (self.text.reader, self.vocab_size, self.text.window, self.workers)
        return wf.experiments.plan_count(texts, *given, directions=self.directions, memory=self.memory)

    def _settings(self) -> dict[str, Any]:
        """Return the settings of `count_text`."""
        given = {name: value for name, value in vars(self).items() if name not in _OTHERS} | vars(self.text)
        kind = wf.corpus.CountingRule
        return {"rule": kind(**{field.name: given.pop(field.name) for field in fields(kind)}), **given}

    def _show(self, console: Console, seconds: float) -> None:
        file = wf.counts.CountFile(self.out)
        tokens = file.metadata["corpus_tokens"]
        line = (
            f"{len(file.words):,} words and {file.pairs:,} pairs counted in {seconds:.1f} s "
            f"({tokens / seconds:,.0f} tokens a second)."
        )
        size = self.out.stat().st_size
        record = {"out": str(self.out), "words": len(file.words), "pairs": file.pairs, "bytes": size}
        record |= {"seconds": seconds, "metadata": dict(file.metadata)}
        console.result([line, f"Written: {self.out} ({size / 1e6:.2f} MB)"], record)
