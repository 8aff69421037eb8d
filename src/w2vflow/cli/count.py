"""`w2vflow count`: co-occurrences of a text."""

import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from w2vflow.cli.console import Console, OptionalInt, Settings
from w2vflow.cli.sources import Reader, Weighting, count_text, found_texts
from w2vflow.support.checks import argument_error

__all__ = ["Count"]


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
    window: int = 16
    """Largest distance of a pair, in words."""
    weighting: Weighting = "linear"
    """Weight of a pair at distance r: window + 1 - r, 1/r or 1."""
    out_of_vocabulary: Literal["before", "after"] = "before"
    """Whether other words leave before or after windows are laid."""
    min_document_words: int = 0
    """Leave out documents with fewer words."""
    tokens: str = "auto"
    """auto (latin; unicode where the text has other letters), latin (a-z of the lower-cased text), unicode
    (letters of any script), or a regular expression."""
    subsampling: Literal["none", "expected", "sampled"] = "none"
    """Thin out frequent words: not, in expectation, or by chance."""
    subsample_threshold: float = 1e-4
    """Frequency above which words are thinned out."""
    seed: int = 0
    """Of sampled subsampling."""
    reader: Reader = "auto"
    """How files split into documents; auto looks into them: lines, or paragraphs of wrapped lines."""
    column: str | None = None
    """Of Parquet files and datasets."""
    bad_utf8: Literal["replace", "error"] = "replace"
    """What to do with bytes that are not UTF-8."""
    source: str = ""
    """What the text is and its licence, kept in the file."""
    memory: str = "4GB"
    """About how much to use, as 512MB or 4GB, beside 200 MB for each process."""
    workers: OptionalInt = None
    """Processes; as many as cores by default."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Count and write the file, or print what it would take."""
        console = self.output.console()
        if not self.paths:
            raise argument_error(
                "paths", "at least one text", "none", "Name a file, or - for standard input."
            )
        if self.out.suffix != ".npz":
            raise argument_error("out", "a file name ending in .npz", self.out)
        texts = found_texts(self.paths, self.reader, fetching=not self.output.dry_run)
        if self.output.dry_run:
            from w2vflow.experiments import plan_count

            plan = plan_count(
                texts, self.reader, self.vocab_size, self.window, self.workers, memory=self.memory
            )
            return console.plan(plan, self.out.parent)
        console.folder(self.out.parent)
        start = time.perf_counter()
        count_text(texts, self.out, console, **self._settings())
        self._show(console, time.perf_counter() - start)

    def _settings(self) -> dict[str, Any]:
        """Return the settings of `count_text`."""
        from w2vflow.corpus import CountingRule

        given = {name: value for name, value in vars(self).items() if name not in ("paths", "out", "output")}
        rule = CountingRule(**{field.name: given.pop(field.name) for field in fields(CountingRule)})
        return {"rule": rule, **given}

    def _show(self, console: Console, seconds: float) -> None:
        from w2vflow.counts import CountFile

        file = CountFile(self.out)
        tokens = file.metadata["corpus_tokens"]
        line = (
            f"{tokens:,} tokens in {file.metadata['corpus_documents']:,} documents, "
            f"{file.metadata['corpus_distinct_words']:,} distinct words; {len(file.words):,} words and "
            f"{file.pairs:,} pairs counted in {seconds:.1f} s ({tokens / seconds:,.0f} tokens a second)."
        )
        size = self.out.stat().st_size
        record = {
            "words": len(file.words),
            "pairs": file.pairs,
            "bytes": size,
            "seconds": seconds,
            "metadata": dict(file.metadata),
        }
        console.result([line, f"Written: {self.out} ({size / 1e6:.2f} MB)"], {"out": str(self.out), **record})
