"""`w2vflow count`: co-occurrences of a text."""

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import tyro

from w2vflow.storage import check_writable_folder

__all__ = ["Count"]


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

    def run(self) -> None:
        """Count and write the file, or print what it would take."""
        from w2vflow.corpus.cooccurrence import count_to_file
        from w2vflow.corpus.downloads import fetch, known
        from w2vflow.corpus.plan import estimate
        from w2vflow.countfile import CountFile

        if self.out.suffix != ".npz":
            raise ValueError(f"Argument `out` must be a file name ending in .npz, but got {self.out}.")
        names = {corpus.name for corpus in known()}
        shown = sys.stderr.isatty()
        settings = asdict(self)
        for name in ("paths", "out", "dry_run"):
            settings.pop(name)
        if self.vocab_size is None and self.min_count is None:
            settings["vocab_size"] = 10_000
        paths = [
            str(fetch(path, progress=shown)) if path in names and not Path(path).exists() else path
            for path in self.paths
        ]
        if self.dry_run:
            print("\n".join(estimate(paths, self.reader, settings["vocab_size"], self.window, self.workers)))
            return
        check_writable_folder(self.out.parent, "out")
        start = time.perf_counter()
        count_to_file(paths, self.out, progress=shown, **settings)
        file = CountFile(self.out)
        tokens = file.metadata["corpus_tokens"]
        seconds = time.perf_counter() - start
        print(
            f"{tokens:,} tokens in {file.metadata['corpus_documents']:,} documents, "
            f"{file.metadata['corpus_distinct_words']:,} distinct words; {len(file.words):,} words and "
            f"{file.pairs:,} pairs counted in {seconds:.1f} s ({tokens / seconds:,.0f} tokens a second)."
        )
        print(f"Written: {self.out} ({self.out.stat().st_size / 1e6:.2f} MB)")
